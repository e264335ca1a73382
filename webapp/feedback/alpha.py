"""Krippendorff's alpha with a bootstrap interval, from how often each value was given to each unit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import krippendorff
import numpy as np
import numpy.typing as npt

Ints: TypeAlias = npt.NDArray[np.int64]
Floats: TypeAlias = npt.NDArray[np.float64]
Level: TypeAlias = Literal["ordinal", "nominal"]

RESAMPLES = 1000
SEED = 20_240_229


@dataclass(frozen=True)
class Alpha:
    """Krippendorff's alpha with its 95% bootstrap interval."""

    pairs: int
    """Pairs with two ratings or more."""
    value: float | None = None
    """None when there are too few pairs, or when everybody gave one and the same answer."""
    low: float | None = None
    high: float | None = None


def alpha_of(counts: Ints, level: Level, *, least: int) -> Alpha:
    """Alpha of ``counts`` (pair, value), how many people gave the value; each pair has two or more ratings.

    K. Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011), by the package ``krippendorff``. The interval
    is the percentile bootstrap (Efron 1979) over pairs, seeded; annotators are taken as they are.
    """
    if len(counts) < max(least, 1) or np.count_nonzero(counts.sum(axis=0)) < 2:
        return Alpha(pairs=len(counts))
    value = float(krippendorff.alpha(value_counts=counts, level_of_measurement=level))
    patterns, times = np.unique(counts, axis=0, return_counts=True)
    # Drawing pairs with replacement is drawing their patterns, of which there are few, by their shares.
    draws = np.random.default_rng(SEED).multinomial(len(counts), times / len(counts), RESAMPLES)
    values = alphas(patterns, draws, level)
    values = values[~np.isnan(values)]
    if len(values) < RESAMPLES / 2:
        return Alpha(len(counts), value)
    low, high = np.quantile(values, (0.025, 0.975))
    return Alpha(len(counts), value, float(low), float(high))


def alphas(patterns: Ints, weights: Ints, level: Level) -> Floats:
    """Alpha for each row of weights; NaN where a sample holds one value only.

    ``patterns`` (pattern, value) counts the values given to a pair; ``weights`` (sample, pattern) how many pairs have
    it. The ordinal distance of Krippendorff (2011) between two values is the square of the difference of their
    mid-ranks, so it follows from each sample's own margins.
    """
    size = patterns.shape[1]
    rated = patterns.sum(axis=1)[:, None, None]
    together = patterns[:, :, None] * patterns[:, None, :] - patterns[:, :, None] * np.eye(size)
    shape = (len(weights), size, size)
    observed = (weights @ (together / (rated - 1)).reshape(len(patterns), -1)).reshape(shape)
    margins = observed.sum(axis=2)
    expected = margins[:, :, None] * margins[:, None, :] / (margins.sum(axis=1) - 1)[:, None, None]
    if level == "ordinal":
        ranks = margins.cumsum(axis=1) - margins / 2
        distance = (ranks[:, :, None] - ranks[:, None, :]) ** 2
    else:
        distance = np.broadcast_to(1 - np.eye(size), shape)
    by_chance = (expected * distance).sum(axis=(1, 2))
    found = (observed * distance).sum(axis=(1, 2))
    values: Floats = np.full(len(weights), np.nan)
    np.divide(found, by_chance, out=values, where=by_chance > 0)
    return 1 - values
