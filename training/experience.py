"""What one PPO update works on: the prompts it draws, its rollouts, and what its optimiser steps showed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from training import advantages


def seed_for(*numbers: int) -> int:
    """A seed that depends on all the numbers (seed, purpose, update, process) and looks like none of them."""
    digest = hashlib.sha256(",".join(str(number) for number in numbers).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def cut(ids: Sequence[int], eos: int) -> list[int]:
    """A completion up to its first EOS, that included; what never ended stays whole."""
    found = list(ids)
    return found[: found.index(eos) + 1] if eos in found else found


def draw(rows: int, start: int, count: int, *, seed: int) -> list[int]:
    """Numbers ``start`` to ``start + count`` of the endless series of shuffled passes over so many rows."""
    drawn: list[int] = []
    while len(drawn) < count:
        one_pass, offset = divmod(start + len(drawn), rows)
        generator = torch.Generator().manual_seed(seed_for(seed, 0, one_pass))
        order = torch.randperm(rows, generator=generator).tolist()
        drawn += order[offset : offset + count - len(drawn)]
    return drawn


class Prompts:
    """A dataset with a ``prompt`` column, tokenised and checked once, drawn without replacement.

    A prompt is a text, or a list of messages (TRL's conversational format) that the tokenizer's chat template renders.
    """

    def __init__(self, rows: Sequence[Mapping[str, Any]], tokenizer: Any, *, room: int, seed: int) -> None:
        if len(rows) == 0:
            raise ValueError("the training dataset is empty: give at least one prompt")
        self.rows = rows
        self.seed = seed
        self.ids = [_encoded(tokenizer, row, number, room) for number, row in enumerate(rows)]

    def __len__(self) -> int:
        return len(self.ids)

    def draw(self, start: int, count: int) -> list[int]:
        """Row numbers of that part of the rows' series; see ``draw``."""
        return draw(len(self), start, count, seed=self.seed)

    def groups(self, column: str) -> list[str]:
        """What each row has in a column; ValueError if one has nothing there."""
        for number, row in enumerate(self.rows):
            if row.get(column) in (None, ""):
                raise ValueError(f"row {number} of the training dataset has no {column!r} to draw by: give it one")
        return [str(row[column]) for row in self.rows]

    def columns(self, rows: Sequence[int]) -> dict[str, list[Any]]:
        """The dataset's columns for these rows, as lists; a column that a row lacks holds None there."""
        chosen = [self.rows[row] for row in rows]
        names = list(dict.fromkeys(name for row in chosen for name in row))
        return {name: [row.get(name) for row in chosen] for name in names}

    def completions(self, rows: Sequence[int], texts: Sequence[str]) -> list[Any]:
        """The completions in their prompts' format: text of a text, a list of one message of messages."""
        return [
            text if isinstance(self.rows[row]["prompt"], str) else [{"role": "assistant", "content": text}]
            for row, text in zip(rows, texts, strict=True)
        ]


def _encoded(tokenizer: Any, row: Mapping[str, Any], number: int, room: int) -> list[int]:
    prompt = row.get("prompt")
    if isinstance(prompt, str):
        ids = list(tokenizer(prompt)["input_ids"])
    elif isinstance(prompt, list) and prompt and all(isinstance(part, Mapping) and "role" in part for part in prompt):
        ids = _from_messages(tokenizer, prompt, number)
    else:
        raise TypeError(
            f"row {number} of the training dataset: 'prompt' must be text, not {type(prompt).__name__}, "
            "or a list of messages with a role each"
        )
    if not ids:
        raise ValueError(f"row {number} of the training dataset has an empty prompt: the policy needs a first token")
    if len(ids) > room:
        raise ValueError(
            f"row {number} of the training dataset has a prompt of {len(ids)} tokens; with the completion only {room} "
            "fit into the model's context: shorten the prompt or lower response_length"
        )
    return ids


def _from_messages(tokenizer: Any, messages: Sequence[Mapping[str, Any]], number: int) -> list[int]:
    if not getattr(tokenizer, "chat_template", None):
        raise ValueError(
            f"row {number} of the training dataset has messages as its prompt, but the tokenizer has no chat template: "
            "set tokenizer.chat_template, or give prompts as text"
        )
    if messages[-1]["role"] == "assistant":
        raise ValueError(
            f"row {number} of the training dataset has a prompt that ends with the assistant's own message: "
            "end it with the message to be answered"
        )
    return list(
        tokenizer.apply_chat_template(list(messages), add_generation_prompt=True, return_dict=True)["input_ids"]
    )


@dataclass(frozen=True)
class Experience:
    """One update's rollouts in this process; tensors are ``(rows, time)`` and hold 0 behind each row's end."""

    prompt_ids: list[list[int]]
    completion_ids: list[list[int]]
    lengths: Tensor
    """``(rows,)``"""
    logprobs: Tensor
    """Of the policy that drew the completions, by the forward pass that is trained."""
    values: Tensor
    advantages: Tensor
    """Whitened over all processes' tokens."""
    returns: Tensor
    trunk: list[Tensor] | None = None
    """Each row's ``(tokens, hidden)`` states below the first layer that learns, prompt and completion."""

    def flat(self, rows: Tensor) -> dict[str, Tensor]:
        """What the loss needs of some rows, ``(tokens,)`` each, row after row."""
        mask = advantages.length_mask(self.lengths[rows], self.logprobs.shape[1])
        names = ("logprobs", "values", "advantages", "returns")
        return {name: getattr(self, name)[rows][mask] for name in names}


def micro_batches(completion_ids: Sequence[Sequence[int]], rows: Sequence[int], size: int) -> Iterator[list[int]]:
    """The rows in batches of at most ``size``, rows of like length together: little of a batch is padding."""
    ordered = sorted(rows, key=lambda row: (len(completion_ids[row]), row))
    for start in range(0, len(ordered), size):
        yield ordered[start : start + size]


class StepStatistics:
    """What an update's optimiser steps showed, summed over tokens and, step by step, over processes."""

    def __init__(self) -> None:
        self.steps = 0
        self.stopped = False
        """Whether the rest of the update is skipped because the policy moved too far."""
        self.first_ratio = 0.0
        """Largest distance of the first step's ratio from 1; anything but roundings is a bug."""
        self.seconds = 0.0
        self._step = torch.zeros(4, dtype=torch.float64)
        self._update = torch.zeros(5, dtype=torch.float64)

    @torch.no_grad()
    def see(self, logprobs: Tensor, old_logprobs: Tensor, policy: advantages.Loss, value: advantages.Loss) -> None:
        """Take in one micro-batch, before its step."""
        update_kl = advantages.kl_estimate(old_logprobs, logprobs, kind="k3").sum()
        parts = (policy.total, value.total, policy.clipped, update_kl)
        self._step += torch.stack([part.detach().double().cpu() for part in parts])
        if self.steps == 0:
            worst = float((logprobs - old_logprobs).exp().sub(1).abs().max())
            self.first_ratio = max(self.first_ratio, worst)

    def end_step(self, tokens: float, across: Callable[[Tensor], Tensor], *, max_update_kl: float) -> None:
        """Close one optimiser step of so many tokens; ``across`` sums over processes."""
        step = across(self._step)
        self._update += torch.cat([step, torch.tensor([tokens], dtype=torch.float64)])
        self._step = torch.zeros_like(self._step)
        self.steps += 1
        self.stopped = max_update_kl > 0 and float(step[3]) / tokens > max_update_kl

    def metrics(self) -> dict[str, float]:
        """Means a token over all steps taken."""
        policy, value, clipped, update_kl, tokens = self._update.tolist()
        tokens = max(tokens, 1.0)
        return {
            "policy_loss": policy / tokens,
            "value_loss": value / tokens,
            "clip_fraction": clipped / tokens,
            "update_kl": update_kl / tokens,
            "first_ratio_error": self.first_ratio,
            "steps_taken": float(self.steps),
            "seconds_update": self.seconds,
        }
