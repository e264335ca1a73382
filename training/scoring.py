"""Calls reward functions the way TRL's GRPO does, and judges what they return.

A reward function takes ``prompts``, ``completions``, ``completion_ids``, every other column of the dataset,
``trainer_state``, ``log_extra(column, values)`` and ``log_metric(name, value)``, all by keyword, and returns for each
completion one number, None, or a list of numbers, one for each of its ``completion_ids``. It may be a coroutine
function. Several are added up by their weights; None leaves a function out of that row's sum. A wrong count, a NaN or
a row that nobody scored is an error: never a reward of 0.
"""

from __future__ import annotations

import asyncio
import inspect
import math
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Reward = float | Sequence[float] | None
RewardFunction = Callable[..., "Sequence[Reward] | Coroutine[Any, Any, Sequence[Reward]]"]
Checked = float | list[float] | None


class RewardError(RuntimeError):
    """A reward function returned what can't be a reward; the message names the function and the row."""


@dataclass(frozen=True)
class Scored:
    """The rewards of some completions."""

    total: list[float]
    """All parts by their weights, those of single tokens added up."""
    parts: dict[str, list[float | None]]
    """By function name, before weighing, those of single tokens added up."""
    tokens: list[list[float]] | None = None
    """What of ``total`` belongs to single tokens; None where no function rewards any."""
    extra: dict[str, list[Any]] = field(default_factory=dict)
    """Columns that the functions logged, one value a completion."""
    metrics: dict[str, float] = field(default_factory=dict)
    """Means of what the functions logged."""

    @property
    def whole(self) -> list[float]:
        """What of ``total`` belongs to the completion as a whole."""
        if self.tokens is None:
            return self.total
        return [total - math.fsum(tokens) for total, tokens in zip(self.total, self.tokens, strict=True)]


def name_of(function: RewardFunction) -> str:
    """What a function's rewards are called in metrics and tables."""
    return str(getattr(function, "name", None) or getattr(function, "__name__", type(function).__name__))


class Scorer:
    """Some reward functions with their weights."""

    def __init__(self, functions: Sequence[RewardFunction], weights: Sequence[float] | None = None) -> None:
        if not functions:
            raise ValueError("reward_funcs is empty: give at least one reward function")
        if weights is not None and len(weights) != len(functions):
            raise ValueError(f"{len(weights)} reward_weights for {len(functions)} reward functions: give one each")
        self.functions = list(functions)
        self.weights = [1.0] * len(functions) if weights is None else [float(weight) for weight in weights]
        names = [name_of(function) for function in functions]
        self.names = [f"{name}_{i}" if names.count(name) > 1 else name for i, name in enumerate(names)]

    def __call__(
        self,
        prompts: Sequence[Any],
        completions: Sequence[Any],
        completion_ids: Sequence[Sequence[int]],
        columns: Mapping[str, Sequence[Any]],
        *,
        trainer_state: object = None,
    ) -> Scored:
        extra: dict[str, list[Any]] = {}
        metrics: dict[str, list[float]] = {}
        arguments = {
            **columns,
            "prompts": list(prompts),
            "completions": list(completions),
            "completion_ids": [list(ids) for ids in completion_ids],
            "trainer_state": trainer_state,
            "log_extra": lambda column, values: extra.__setitem__(column, list(values)),
            "log_metric": lambda name, value: metrics.setdefault(name, []).append(float(value)),
        }
        lengths = [len(ids) for ids in completion_ids]
        found = {
            name: _checked(name, values, lengths)
            for name, values in zip(self.names, self._call(arguments), strict=True)
        }
        parts = {name: [_sum(value) for value in values] for name, values in found.items()}
        total = [self._total(row, [parts[name][row] for name in self.names]) for row in range(len(lengths))]
        means = {name: math.fsum(seen) / len(seen) for name, seen in metrics.items()}
        return Scored(total, parts, self._tokens(list(found.values()), lengths), extra, means)

    def state_dict(self) -> dict[str, Any]:
        """What the functions remember from batch to batch, of those that have a ``state_dict``."""
        return {
            name: function.state_dict()
            for name, function in zip(self.names, self.functions, strict=True)
            if hasattr(function, "state_dict")
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        for name, function in zip(self.names, self.functions, strict=True):
            if name in state:
                function.load_state_dict(state[name])  # type: ignore[attr-defined]

    def _call(self, arguments: dict[str, Any]) -> list[Any]:
        """All functions on the same arguments; the asynchronous ones side by side."""
        returned = [function(**arguments) for function in self.functions]
        waiting = [i for i, value in enumerate(returned) if inspect.isawaitable(value)]
        if waiting:
            for i, value in zip(waiting, asyncio.run(_gather([returned[i] for i in waiting])), strict=True):
                returned[i] = value
        return returned

    def _total(self, row: int, values: Sequence[float | None]) -> float:
        scored = [w * value for w, value in zip(self.weights, values, strict=True) if value is not None]
        if not scored:
            raise RewardError(
                f"no reward function scored completion {row} ({', '.join(self.names)} returned None): "
                "at least one must return a number"
            )
        return math.fsum(scored)

    def _tokens(self, found: Sequence[Sequence[Checked]], lengths: Sequence[int]) -> list[list[float]] | None:
        if not any(isinstance(value, list) for values in found for value in values):
            return None
        tokens = [[0.0] * length for length in lengths]
        for weight, values in zip(self.weights, found, strict=True):
            for row, value in enumerate(values):
                if isinstance(value, list):
                    tokens[row] = [sum_ + weight * part for sum_, part in zip(tokens[row], value, strict=True)]
        return tokens


async def _gather(waiting: Sequence[Any]) -> list[Any]:
    return list(await asyncio.gather(*waiting))


def _checked(name: str, values: Any, lengths: Sequence[int]) -> list[Checked]:
    try:
        found = list(values)
    except TypeError:
        raise RewardError(f"{name} returned {type(values).__name__}, not a list of one reward a completion") from None
    if len(found) != len(lengths):
        raise RewardError(f"{name} returned {len(found)} rewards for {len(lengths)} completions: return one each")
    return [_reward(name, row, *pair) for row, pair in enumerate(zip(found, lengths, strict=True))]


def _reward(name: str, row: int, value: Any, length: int) -> Checked:
    if value is None:
        return None
    if hasattr(value, "tolist"):  # a tensor or an array, of no dimension or of one
        value = value.tolist()
    if not isinstance(value, list | tuple):
        return _number(name, row, value)
    if len(value) != length:
        raise RewardError(
            f"{name} returned {len(value)} numbers for completion {row}, which has {length} tokens: "
            "return one number for each of its completion_ids, or one for the whole"
        )
    return [_number(name, row, part) for part in value]


def _number(name: str, row: int, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise RewardError(f"{name} returned {value!r} for completion {row}: a reward is a number or None") from None
    if not math.isfinite(number):
        raise RewardError(f"{name} returned {number} for completion {row}: a reward must be finite, or None")
    return number


def _sum(value: Checked) -> float | None:
    return math.fsum(value) if isinstance(value, list) else value
