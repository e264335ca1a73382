"""A byte-level BPE for descriptions and Python: any text survives a round trip.

Words keep the space or underscore before them; numbers come without it and digit by digit, so that one never seen is
made of tokens that were. A line break takes the indentation after it into one token. Keywords and operators take the
spaces on both their sides, so that a name in code is the same token wherever it stands, and can be copied.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from training.curriculum.task import Task
from training.prompting import BOS, EOS, PAD, SEP, SPECIAL_TOKENS

_KEYWORDS = "and|as|def|elif|else|except|for|from|if|import|in|is|lambda|not|or|return|try|while|with"
_PIECES = "|".join(
    (
        r"\n+ *",
        rf" ?(?:{_KEYWORDS})\b ?",
        r"[ _]?\p{L}+",
        r"\p{N}",
        r" ?[^\s\p{L}\p{N}]+ ?",
        r" +",
        r"\s",
    )
)


def train_tokenizer(texts: Iterable[str], *, vocab_size: int, max_length: int = 512) -> PreTrainedTokenizerFast:
    """Learn merges from texts; ``vocab_size`` counts the four special tokens and the 256 bytes."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_PIECES), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    bpe.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        bos_token=BOS,
        eos_token=EOS,
        pad_token=PAD,
        sep_token=SEP,
        padding_side="left",
        clean_up_tokenization_spaces=False,
        model_max_length=max_length,
    )


def tokenizer_for(tasks: Iterable[Task], *, vocab_size: int, max_length: int = 512) -> PreTrainedTokenizerFast:
    """A tokenizer learnt from the tasks' descriptions, signatures and solutions."""
    return train_tokenizer(_texts(tasks), vocab_size=vocab_size, max_length=max_length)


def save_tokenizer(tokenizer: Any, folder: Path) -> None:
    """Write it where ``AutoTokenizer.from_pretrained`` finds it."""
    tokenizer.save_pretrained(str(folder))


def _texts(tasks: Iterable[Task]) -> Iterator[str]:
    for task in tasks:
        yield f"{task.text}\n{task.signature}"
        for solution in task.solutions:
            yield solution.code
