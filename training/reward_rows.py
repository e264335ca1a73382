"""What a member of the reward model learns from: pairs of programs, each with all that raters said of it.

A pair is one row, whoever rated it and however often, so that each program is read once a pass. A prompt drawn n
times by bagging counts n times as much.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from training.preferences import SCALE_NAMES, STRONGEST, Preference

Program = tuple[str, str, str]
"""Prompt text, signature and code."""
Weighed = Sequence[tuple[Preference, float]]
"""Ratings with how much each counts."""


@dataclass(frozen=True)
class Row:
    """One pair of programs; the ratings on the whole prefer ``chosen``."""

    chosen: Program
    rejected: Program
    better: tuple[int, ...]
    """One a rating: 1 for ``chosen``, -1 for ``rejected``, 0 for a tie."""
    margins: tuple[float, ...]
    weights: tuple[float, ...]
    chosen_scales: tuple[float, ...] = (math.nan,) * len(SCALE_NAMES)
    rejected_scales: tuple[float, ...] = (math.nan,) * len(SCALE_NAMES)
    """Mean marks in standard deviations from the mean of all; NaN where not given."""


def rows_of(
    learnt: Weighed, unusable: Weighed, times: Mapping[str, int], *, margin: float, chance: random.Random
) -> list[Row]:
    """The rows, with weights that add up to 1 a row on average; ``times`` is how often each prompt was drawn."""
    learnt = [(one, weight) for one, weight in learnt if weight > 0]
    told = [(one, weight * times.get(one.prompt, 0)) for one, weight in learnt]
    scaled = _scaled_of(learnt)
    rows = [_row(group, margin, scaled) for group in _pairs([(one, weight) for one, weight in told if weight > 0])]
    worth = [program_of(one, side) for one, _ in learnt for side in "ab"]
    for one, weight in unusable:
        if (counted := weight * times.get(one.prompt, 1)) > 0:
            rows += [
                Row(chance.choice(worth), program_of(one, side), (1,), (0.0,), (counted / 2,),
                    rejected_scales=scaled([(one, counted)], [side]))
                for side in "ab"
            ]  # fmt: skip
    mean = math.fsum(weight for row in rows for weight in row.weights) / len(rows)
    return [replace(row, weights=tuple(weight / mean for weight in row.weights)) for row in rows]


def program_of(one: Preference, side: str) -> Program:
    return one.prompt_text, one.signature, one.code_a if side == "a" else one.code_b


def times_drawn(prompts: Sequence[str], *, bagging: bool, chance: random.Random) -> dict[str, int]:
    """How often a member learns from each prompt: as often as it is drawn with replacement, or once."""
    if not bagging:
        return dict.fromkeys(prompts, 1)
    times = dict.fromkeys(prompts, 0)
    for prompt in chance.choices(prompts, k=len(prompts)):
        times[prompt] += 1
    return times


def collate(rows: Sequence[Mapping[str, Any]], pad: int) -> dict[str, Tensor]:
    """TRL's batch of pairs: all chosen rows, then all rejected ones, padded on the right.

    ``better``, ``margins`` and ``weights`` are (pairs, ratings); a pair with fewer ratings has weights of 0.
    """
    ids = [list(row["chosen_ids"]) for row in rows] + [list(row["rejected_ids"]) for row in rows]
    scales = [row["chosen_scales"] for row in rows] + [row["rejected_scales"] for row in rows]
    return {
        "input_ids": _filled(ids, pad),
        "attention_mask": _filled([[1] * len(row) for row in ids], 0),
        "scales": torch.tensor(scales, dtype=torch.float32),
        **{name: _filled([row[name] for row in rows], 0.0).float() for name in ("better", "margins", "weights")},
    }


def _filled(rows: Sequence[Sequence[float]], filling: float) -> Tensor:
    width = max(len(row) for row in rows)
    return torch.tensor([[*row, *[filling] * (width - len(row))] for row in rows])


def _pairs(ratings: Weighed) -> list[list[tuple[Preference, float]]]:
    """The ratings of the same two programs together, in the order in which they first appear."""
    groups: dict[Any, list[tuple[Preference, float]]] = {}
    for one, weight in ratings:
        groups.setdefault((one.prompt, frozenset((one.code_a, one.code_b))), []).append((one, weight))
    return list(groups.values())


_Scaled = Callable[[Weighed, Sequence[str]], tuple[float, ...]]


def _row(group: Weighed, margin: float, scaled: _Scaled) -> Row:
    first = group[0][0]
    turned = [-1 if one.code_a != first.code_a else 1 for one, _ in group]
    on_the_whole = math.fsum(one.preference * weight * sign for (one, weight), sign in zip(group, turned, strict=True))
    better, worse = ("b", "a") if on_the_whole > 0 else ("a", "b")
    way = 1 if on_the_whole > 0 else -1
    sides = {side: [side if sign > 0 else "ab"[side == "a"] for sign in turned] for side in "ab"}
    return Row(
        program_of(first, better),
        program_of(first, worse),
        better=tuple(way * sign * _sign(one.preference) for (one, _), sign in zip(group, turned, strict=True)),
        margins=tuple(margin * abs(one.preference) / STRONGEST for one, _ in group),
        weights=tuple(weight for _, weight in group),
        chosen_scales=scaled(group, sides[better]),
        rejected_scales=scaled(group, sides[worse]),
    )


def _scaled_of(learnt: Weighed) -> _Scaled:
    """A function from ratings of one program, and the side it is on in each, to its mean scales by weight.

    Marks are brought to mean 0 and deviation 1 over all that were given, by weight too: somebody who doesn't look and
    uses the whole scale would otherwise make everybody else's marks look alike.
    """
    marks = [(one.scales(side), weight) for one, weight in learnt for side in "ab"]
    columns = [[(given[place], weight) for given, weight in marks] for place in range(len(SCALE_NAMES))]
    means = [_mean(column) for column in columns]
    spreads = [
        math.sqrt(_mean([((mark - mean) ** 2, weight) for mark, weight in column])) or 1.0
        for column, mean in zip(columns, means, strict=True)
    ]

    def scaled(ratings: Weighed, sides: Sequence[str]) -> tuple[float, ...]:
        given = [one.scales(side) for (one, _), side in zip(ratings, sides, strict=True)]
        weights = [weight for _, weight in ratings]
        return tuple(
            (_mean(list(zip(column, weights, strict=True))) - mean) / spread
            for column, mean, spread in zip(zip(*given, strict=True), means, spreads, strict=True)
        )

    return scaled


def _mean(marks: Sequence[tuple[float, float]]) -> float:
    """By weight, of the marks that were given; NaN where there is none."""
    given = [(mark, weight) for mark, weight in marks if not math.isnan(mark)]
    total = math.fsum(weight for _, weight in given)
    return math.fsum(mark * weight for mark, weight in given) / total if given else math.nan


def _sign(preference: int) -> int:
    return (preference > 0) - (preference < 0)
