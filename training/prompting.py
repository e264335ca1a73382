"""How a task is put to a model: [prompt] separator [code] end of sequence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

BOS, EOS, PAD, SEP = "<bos>", "<eos>", "<pad>", "<sep>"
SPECIAL_TOKENS = (PAD, BOS, EOS, SEP)


def format_prompt(tokenizer: Any, text: str, signature: str) -> str:
    """The prompt's text. Models with a tokenizer of their own see the description as a comment.

    The completion that is expected is the whole code, then the end of the sequence.
    """
    text, signature = _neutral(tokenizer, text.strip()), _neutral(tokenizer, signature.strip())
    if tokenizer.sep_token == SEP:
        return f"{text}\n{signature}{SEP}"
    described = "\n".join(f"# {line}" for line in text.splitlines())
    return f"{described}\n# The answer begins: {signature}\n"


def encode_prompt(tokenizer: Any, text: str, signature: str) -> list[int]:
    """Token ids of the prompt."""
    return encode(tokenizer, format_prompt(tokenizer, text, signature))


def encode_completion(tokenizer: Any, code: str) -> list[int]:
    """Token ids of the whole code and the end of the sequence."""
    return encode_completions(tokenizer, [code])[0]


def encode_completions(tokenizer: Any, codes: Sequence[str]) -> list[list[int]]:
    """Token ids of many programs, each with the end of the sequence."""
    return [[*ids, tokenizer.eos_token_id] for ids in encode_all(tokenizer, codes, add_special_tokens=False)]


def encode(tokenizer: Any, text: str) -> list[int]:
    """Token ids as a plain list."""
    return encode_all(tokenizer, [text])[0]


def encode_all(tokenizer: Any, texts: Sequence[str], *, add_special_tokens: bool = True) -> list[list[int]]:
    """Token ids of many texts, several times faster than one by one.

    The callers judge the lengths, so the tokenizer does not warn of them.
    """
    if not texts:
        return []
    encoded = tokenizer(list(texts), add_special_tokens=add_special_tokens, verbose=False)["input_ids"]
    return [list(ids) for ids in encoded]


def _neutral(tokenizer: Any, text: str) -> str:
    """The text with nothing in it that reads as a special token: a description can't end a prompt early."""
    for token in tokenizer.all_special_tokens:
        text = text.replace(token, f"{token[:1]} {token[1:]}")
    return text
