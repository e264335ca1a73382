"""Intervals and paired tests over prompts (NumPy alone)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

_Z = 1.959963984540054
"""The normal distribution's quantile of 97.5%."""


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


def pass_at(successes: int, samples: int, k: int) -> float:
    """The chance that at least one of ``k`` samples passes, without bias, from ``samples`` of which so many passed
    (Chen et al. 2021, equation 1)."""
    if not 0 < k <= samples or not 0 <= successes <= samples:
        raise ValueError(f"pass@{k} of {successes} successes in {samples} samples does not exist")
    return 1.0 - math.comb(samples - successes, k) / math.comb(samples, k)


def share(successes: int, prompts: int) -> Estimate:
    """A proportion with its score interval (Wilson 1927), which is honest at 0 and at 1, where a bootstrap's has no
    width."""
    if not 0 <= successes <= prompts or prompts == 0:
        raise ValueError(f"{successes} successes of {prompts} prompts is no share")
    low, high = _wilson(successes, prompts)
    return Estimate(successes / prompts, low, high, prompts)


def paired_difference(both: int, only_first: int, only_second: int, neither: int) -> Estimate:
    """The second proportion less the first on the same prompts, by square-and-add of their score intervals with the
    pairs' correlation (Newcombe 1998, Statistics in Medicine 17:2635, method 10)."""
    prompts = both + only_first + only_second + neither
    first, second = share(both + only_first, prompts), share(both + only_second, prompts)
    correlation = _phi(both, only_first, only_second, neither)
    difference = second.mean - first.mean
    down = _joined(second.mean - second.low, first.high - first.mean, correlation)
    up = _joined(second.high - second.mean, first.mean - first.low, correlation)
    return Estimate(difference, max(-1.0, difference - down), min(1.0, difference + up), prompts)


def _wilson(successes: int, prompts: int) -> tuple[float, float]:
    mean, spread = successes / prompts, _Z**2 / prompts
    middle = (mean + spread / 2) / (1 + spread)
    half = _Z / (1 + spread) * math.sqrt(mean * (1 - mean) / prompts + spread / (4 * prompts))
    # At the ends the limit is exactly 0 or 1, whatever the rounding.
    return 0.0 if successes == 0 else middle - half, 1.0 if successes == prompts else middle + half


def _phi(both: int, only_first: int, only_second: int, neither: int) -> float:
    """The pairs' correlation with Newcombe's continuity correction; 0 where a margin is empty."""
    margins = (both + only_first) * (only_second + neither) * (both + only_second) * (only_first + neither)
    if margins == 0:
        return 0.0
    product = both * neither - only_first * only_second
    corrected = max(product - sum((both, only_first, only_second, neither)) / 2, 0.0) if product > 0 else product
    return corrected / math.sqrt(margins)


def _joined(one: float, other: float, correlation: float) -> float:
    return math.sqrt(max(0.0, one**2 - 2 * correlation * one * other + other**2))


def mcnemar(only_first: int, only_second: int) -> float:
    """Exact two-sided p-value of McNemar's test from the discordant pairs; 1.0 when there are none."""
    total = only_first + only_second
    tail = sum(math.comb(total, k) for k in range(min(only_first, only_second) + 1))
    return min(1.0, 2 * tail / 2**total)
