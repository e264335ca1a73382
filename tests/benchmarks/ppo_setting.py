"""What both sides of the PPO benchmark work on, and the clock that they both read.

Imports nothing but torch, tokenizers and transformers: the peer's interpreter has nothing of ours. A policy and a reward
model of GPT-2's architecture with random weights, and random prompts. When a completion ends is written into the policy's
weights: the first coordinate of the last norm is 1 whatever the state, so the first column of the embeddings is added to
the logits. It keeps EOS and padding from ever being drawn; where completions are to end, EOS is drawn at every token with
the one chance at which the mean length is half the maximum. Neither reward nor training reaches that coordinate.
"""

from __future__ import annotations

import json
import math
import sys
import time
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import GPT2Config, GPT2ForSequenceClassification, GPT2LMHeadModel, PreTrainedTokenizerFast

VOCABULARY, LAYERS, WIDTH, HEADS, CONTEXT = 4096, 6, 256, 8, 256
PROMPTS, PROMPT_TOKENS, NEW_TOKENS = 512, 32, 64
ROLLOUTS, MICRO_BATCH, EPOCHS = 64, 16, 4
RANK, ALPHA, LEARNING_RATE = 16, 32, 1e-4
PAD, EOS = 0, 1
NEVER = -30.0
"""A logit that is never drawn."""


def policy(*, ends: bool, **options: str) -> GPT2LMHeadModel:
    """``ends``: whether completions do, before the limit."""
    torch.manual_seed(0)
    model = GPT2LMHeadModel(_config(**options))
    with torch.no_grad():
        norm, embeddings = model.transformer.ln_f, model.transformer.wte.weight
        norm.weight[0], norm.bias[0] = 0.0, 1.0
        embeddings[:, 0] = 0.0
        embeddings[PAD, 0] = NEVER
        embeddings[EOS, 0] = _end_logit(VOCABULARY, NEW_TOKENS) if ends else NEVER
    return model.eval()


def scorer(*, seed: int = 1, **options: str) -> GPT2ForSequenceClassification:
    """A reward model; the peer's value model has the same form."""
    torch.manual_seed(seed)
    return GPT2ForSequenceClassification(_config(num_labels=1, **options)).eval()


def prompt_ids() -> list[list[int]]:
    drawn = torch.randint(2, VOCABULARY, (PROMPTS, PROMPT_TOKENS), generator=torch.Generator().manual_seed(0))
    return drawn.tolist()


def tokenizer() -> PreTrainedTokenizerFast:
    """One token a word: the word ``w7`` is token 7."""
    words = {"<pad>": PAD, "<eos>": EOS, **{f"w{number}": number for number in range(2, VOCABULARY)}}
    whole = Tokenizer(models.WordLevel(words, unk_token="<pad>"))
    whole.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=whole, pad_token="<pad>", eos_token="<eos>", padding_side="left")


class Meter:
    """CPU seconds of each part of an update, and memory; tells them to the benchmark and waits for its word to go on."""

    def __init__(self) -> None:
        torch.set_num_threads(1)
        self._imports = _megabytes("VmRSS")
        self._row: dict[str, float] = {}

    def ready(self, model: torch.nn.Module) -> None:
        """Everything is made; the first update begins when told so."""
        trained = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
        self._tell({"trained": trained, "imports_mb": self._imports})

    def enter(self, part: str) -> None:
        """All until the next call belongs to this part."""
        now = time.process_time()
        self._row[self._part] = self._row.get(self._part, 0.0) + now - self._since
        self._part, self._since = part, now

    def note(self, name: str, value: float) -> None:
        """Something about this update."""
        self._row[name] = self._row.get(name, 0.0) + value

    def end(self) -> None:
        """The update is over."""
        self.enter("rest")
        parts = {part: self._row[part] for part in ("generation", "scoring", "optimisation")}
        peak = _megabytes("VmHWM") - self._imports
        self._tell({"total": sum(parts.values()), **self._row, "peak_mb": peak})

    def _tell(self, row: dict[str, float]) -> None:
        print("ROW", json.dumps(row), flush=True)
        if not sys.stdin.readline():
            sys.exit("the benchmark has ended")
        self._row, self._part, self._since = {}, "generation", time.process_time()


def _config(**options: object) -> GPT2Config:
    return GPT2Config(
        vocab_size=VOCABULARY, n_positions=CONTEXT, n_embd=WIDTH, n_layer=LAYERS, n_head=HEADS,
        bos_token_id=EOS, eos_token_id=EOS, pad_token_id=PAD, **options,
    )  # fmt: skip


def _end_logit(vocabulary: int, longest: int) -> float:
    """What EOS must have over the other tokens' logits, for completions of ``longest / 2`` tokens on average."""
    low, high = 0.0, 1.0
    for _ in range(50):
        chance = (low + high) / 2
        mean = (1 - (1 - chance) ** longest) / chance
        low, high = (chance, high) if mean > longest / 2 else (low, chance)
    return math.log(low / (1 - low) * vocabulary)


def _megabytes(name: str) -> float:
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name + ":"))
    return int(line.split()[1]) / 1024
