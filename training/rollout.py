"""Draws completions: our own cached decoder for GPT-2, Llama and Qwen2, ``generate`` for every other architecture.

The decoder keeps keys and values in one preallocated cache, lets finished rows leave the batch, and
samples by inverting the cumulative distribution. Every prompt has its own random numbers, so a
completion does not depend on which prompts share its batch. Greedy output in float32 equals
``model.generate`` token for token.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import LogitsProcessor, LogitsProcessorList

from training.config import DecodingSettings
from training.models import context_length
from training.networks import Cache, network_for
from training.prompting import encode_all

_COMPACT_BELOW = 0.8
"""Finished rows leave once fewer than this share of the batch is live; each time costs a copy of the cache."""


class PromptError(ValueError):
    """A prompt is empty, or leaves no room for a completion in the model's context."""


class NotANumber(ArithmeticError):
    """The model's logits are NaN: its weights are damaged, or training has diverged."""

    def __init__(self) -> None:
        super().__init__("the model's logits are NaN: its weights are damaged, or training diverged (lower the rate)")


@dataclass(frozen=True)
class Completion:
    """What a model answered."""

    text: str
    token_ids: list[int]
    """With the end-of-sequence token, where it came."""
    finished: bool
    """Whether the end came before the limit."""


class Decoder:
    """A model and its tokenizer, ready to answer prompts."""

    def __init__(self, model: Any, tokenizer: Any, *, bf16: bool = False) -> None:
        self.model, self.tokenizer, self.bf16 = model, tokenizer, bf16

    def complete(
        self,
        prompts: Sequence[str],
        settings: DecodingSettings,
        on_batch: Callable[[int, int], None] | None = None,
    ) -> list[Completion]:
        """One completion a prompt, in order. ``on_batch(done, total)`` is called after each batch."""
        ids = encode_all(self.tokenizer, prompts)
        _check_lengths(ids, context_length(self.model))
        drawn: dict[int, list[int]] = {}
        # Prompts of like length share a batch, so that little is padded.
        order = sorted(range(len(ids)), key=lambda index: len(ids[index]))
        for start in range(0, len(order), settings.batch_size):
            chosen = order[start : start + settings.batch_size]
            drawn.update(zip(chosen, self._draw([ids[index] for index in chosen], chosen, settings), strict=True))
            if on_batch is not None:
                on_batch(len(drawn), len(ids))
        return [self._completion(drawn[index]) for index in range(len(ids))]

    def _draw(self, ids: list[list[int]], rows: list[int], settings: DecodingSettings) -> list[list[int]]:
        common = {
            "max_new_tokens": settings.max_new_tokens,
            "temperature": settings.temperature,
            "top_k": settings.top_k,
            "top_p": settings.top_p,
            "eos_token_id": self.tokenizer.eos_token_id,
            "pad_token_id": self.tokenizer.pad_token_id,
            "seed": settings.seed,
        }
        if settings.num_beams > 1:
            return _generate_by_library(self.model, ids, num_beams=settings.num_beams, **common)
        return generate_ids(self.model, ids, rows=rows, bf16=self.bf16, **common)

    def _completion(self, ids: list[int]) -> Completion:
        finished = bool(ids) and ids[-1] == self.tokenizer.eos_token_id
        text = self.tokenizer.decode(ids[:-1] if finished else ids, skip_special_tokens=True)
        return Completion(text, ids, finished)


@torch.no_grad()
def generate_ids(
    model: Any,
    prompt_ids: Sequence[Sequence[int]],
    *,
    max_new_tokens: int,
    temperature: float = 0.0,
    top_k: int = 0,
    top_p: float = 1.0,
    eos_token_id: int,
    pad_token_id: int,
    seed: int = 0,
    rows: Sequence[int] | None = None,
    bf16: bool = False,
) -> list[list[int]]:
    """New token ids of each prompt, all in one batch; the end-of-sequence token is kept where it came.

    ``temperature`` 0 is greedy. ``rows`` numbers the prompts for their random numbers (default: in
    order). A model that ``training.networks`` does not know goes through ``model.generate``.
    """
    _check_lengths(prompt_ids, context_length(model))
    if not prompt_ids:
        return []
    network = network_for(model, bf16=bf16)
    if network is None:
        return _generate_by_library(
            model,
            prompt_ids,
            max_new_tokens=max_new_tokens,
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            eos_token_id=eos_token_id,
            pad_token_id=pad_token_id,
            seed=seed,
            num_beams=1,
            rows=rows,
        )
    device = network.device
    numbers = rows if rows is not None else range(len(prompt_ids))
    chances = _uniforms(numbers, max_new_tokens, seed).to(device) if temperature > 0 else None  # (batch, time)
    out: list[list[int]] = [[] for _ in prompt_ids]
    lengths = torch.tensor([len(ids) for ids in prompt_ids], device=device)  # (batch,)
    width = int(lengths.max())
    padding = width - lengths
    live = torch.arange(len(prompt_ids), device=device)
    ended = torch.zeros(len(prompt_ids), dtype=torch.bool, device=device)
    cache = Cache(network, batch=len(prompt_ids), capacity=width + max_new_tokens)
    logits = network.forward(_left_padded(prompt_ids, width, pad_token_id, device), padding, cache)
    if bool(logits.isnan().any()):
        raise NotANumber
    for step in range(max_new_tokens):
        chosen = _choose(logits, temperature, top_k, top_p, None if chances is None else chances[live, step])
        for row, token, over in zip(live.tolist(), chosen.tolist(), ended.tolist(), strict=True):
            if not over:
                out[row].append(token)
        ended = ended | (chosen == eos_token_id) | (lengths[live] + step + 1 >= network.context)
        going = int((~ended).sum())
        if going == 0 or step + 1 == max_new_tokens:
            break
        if going < _COMPACT_BELOW * len(live):
            kept = (~ended).nonzero()[:, 0]
            live, chosen, padding, ended = live[kept], chosen[kept], padding[kept], ended[kept]
            cache.keep(kept)
        logits = network.forward(chosen[:, None], padding, cache)
    return out


def _choose(logits: Tensor, temperature: float, top_k: int, top_p: float, chances: Tensor | None) -> Tensor:
    """The next token of each row: (batch, vocabulary) to (batch,)."""
    if chances is None:
        return logits.argmax(dim=-1)
    logits = logits / temperature
    if top_k and top_k < logits.shape[-1]:
        least = logits.topk(top_k, dim=-1).values[:, -1:]
        logits = logits.masked_fill(logits < least, float("-inf"))
    probabilities = logits.softmax(dim=-1)
    if top_p < 1.0:
        probabilities = _nucleus(probabilities, top_p)
    heights = probabilities.cumsum(dim=-1)
    total = heights[:, -1:]
    # Rounding must not lift the level to the very top, where no token lies.
    level = torch.minimum(chances[:, None] * total, torch.nextafter(total, torch.zeros_like(total)))
    return torch.searchsorted(heights, level, right=True)[:, 0]


def _nucleus(probabilities: Tensor, top_p: float) -> Tensor:
    """The likeliest tokens whose sum first reaches ``top_p``, the others at zero."""
    ordered, places = probabilities.sort(dim=-1, descending=True)
    beyond = ordered.cumsum(dim=-1) - ordered >= top_p
    return torch.zeros_like(probabilities).scatter(-1, places, ordered.masked_fill(beyond, 0.0))


def _uniforms(rows: Sequence[int], steps: int, seed: int) -> Tensor:
    """Uniform numbers in [0, 1) of each row, from the seed and the row's own number."""
    drawn = []
    for row in rows:
        generator = torch.Generator().manual_seed((seed * 1_000_003 + row) % 2**63)
        drawn.append(torch.rand(steps, generator=generator))
    return torch.stack(drawn)


def _left_padded(ids: Sequence[Sequence[int]], width: int, pad: int, device: torch.device) -> Tensor:
    return torch.tensor([[pad] * (width - len(row)) + list(row) for row in ids], device=device)


@torch.no_grad()
def _generate_by_library(
    model: Any,
    prompt_ids: Sequence[Sequence[int]],
    *,
    max_new_tokens: int,
    temperature: float,
    top_k: int,
    top_p: float,
    eos_token_id: int,
    pad_token_id: int,
    seed: int,
    num_beams: int,
    rows: Sequence[int] | None = None,
) -> list[list[int]]:
    """Without beams every prompt has its own random numbers here, too."""
    device = next(model.parameters()).device
    width = max(len(ids) for ids in prompt_ids)
    tokens = _left_padded(prompt_ids, width, pad_token_id, device)
    lengths = torch.tensor([len(ids) for ids in prompt_ids], device=device)
    attention = (torch.arange(width, device=device)[None, :] >= width - lengths[:, None]).long()
    room = context_length(model) - width
    sampling: dict[str, Any] = {"do_sample": False}
    if temperature > 0 and num_beams == 1:
        chances = _uniforms(range(len(prompt_ids)) if rows is None else rows, max_new_tokens, seed).to(device)
        drawn = _Drawn(chances, width, temperature, top_k, top_p)
        sampling["logits_processor"] = LogitsProcessorList([drawn])
    elif temperature > 0:
        sampling = {"do_sample": True, "temperature": temperature, "top_k": top_k, "top_p": top_p}
    was_training = model.training
    model.eval()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        answered = model.generate(
            input_ids=tokens,
            attention_mask=attention,
            max_new_tokens=min(max_new_tokens, room),
            eos_token_id=eos_token_id,
            pad_token_id=pad_token_id,
            num_beams=num_beams,
            **sampling,
        )
    model.train(was_training)
    return [_until_end(row, eos_token_id) for row in answered[:, width:].tolist()]


class _Drawn(LogitsProcessor):
    """Leaves of each row's logits the token that its own random number draws."""

    def __init__(self, chances: Tensor, width: int, temperature: float, top_k: int, top_p: float) -> None:
        self.chances, self.width = chances, width
        self.settings = temperature, top_k, top_p

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """``input_ids`` (batch, time), ``scores`` (batch, vocabulary)."""
        chosen = _choose(scores.float(), *self.settings, self.chances[:, input_ids.shape[1] - self.width])
        return torch.full_like(scores, float("-inf")).scatter(1, chosen[:, None], 0.0)


def _until_end(ids: list[int], end: int) -> list[int]:
    return ids[: ids.index(end) + 1] if end in ids else ids


def _check_lengths(ids: Sequence[Sequence[int]], context: int) -> None:
    for number, row in enumerate(ids, start=1):
        if not row:
            raise PromptError(f"prompt {number} is empty: give it a description")
        if len(row) >= context:
            raise PromptError(
                f"prompt {number} has {len(row)} tokens, and the model's context of {context} leaves no room "
                "for an answer: shorten it"
            )
