"""Intervals and paired tests over prompts (NumPy alone)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np


@dataclass(frozen=True)
class Estimate:
    """A mean over rows with its 95% interval; ``prompts`` counts the clusters."""

    mean: float
    low: float
    high: float
    prompts: int

    def to_json(self) -> dict[str, float | int]:
        return asdict(self)


def bootstrap_mean(values: Sequence[float], clusters: Sequence[str], *, resamples: int, seed: int) -> Estimate:
    """Percentile bootstrap of the mean, resampling whole prompts: rows of one prompt stay together."""
    if not values:
        raise ValueError("no rows to take a mean of")
    names = {name: index for index, name in enumerate(dict.fromkeys(clusters))}
    sums, counts = np.zeros(len(names)), np.zeros(len(names))
    for value, cluster in zip(values, clusters, strict=True):
        sums[names[cluster]] += value
        counts[names[cluster]] += 1
    rng = np.random.default_rng(seed)
    means = np.empty(resamples)
    for index in range(resamples):
        drawn = rng.integers(0, len(names), len(names))
        means[index] = sums[drawn].sum() / counts[drawn].sum()
    low, high = np.quantile(means, [0.025, 0.975])
    return Estimate(float(sums.sum() / counts.sum()), float(low), float(high), len(names))


def mcnemar(only_first: int, only_second: int) -> float:
    """Exact two-sided p-value of McNemar's test from the discordant pairs; 1.0 when there are none."""
    total = only_first + only_second
    tail = sum(math.comb(total, k) for k in range(min(only_first, only_second) + 1))
    return min(1.0, 2 * tail / 2**total)
