"""How sure a reward model may be: a temperature for differences of scores, and how far its certainty is off.

A comparison's *difference* is the score of B less that of A; ``sigmoid(difference / temperature)`` is the probability
that a rater who prefers one prefers B (Guo et al. 2017, arXiv 1706.04599, for two classes).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_SPREAD = 1.0
"""Standard deviation of the temperature's logarithm before anything is seen: it stays finite where all is right."""
_WIDEST = 6.0
_PER_BIN = 30
_MOST_BINS = 10
_FOLDS = 5

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class CalibrationError:
    """The expected calibration error, and what it was found from."""

    error: float
    bins: int
    comparisons: int


def temperature_of(differences: Sequence[float], b_is_better: Sequence[bool], weights: Sequence[float]) -> float:
    """The likeliest temperature for comparisons with a preference; 1 where there are none."""
    signed, weight = _signed(differences, b_is_better), np.asarray(weights, np.float64)
    if not weight.sum() > 0:
        return 1.0
    weight = weight * (weight.sum() / (weight @ weight))  # They add up to their effective number (Kish).

    def cost(logarithm: Floats) -> Floats:
        """(tries,) to (tries,)"""
        losses = np.logaddexp(0.0, -signed[None, :] * np.exp(-logarithm)[:, None])
        return losses @ weight + 0.5 * (logarithm / _SPREAD) ** 2

    low, high = -_WIDEST, _WIDEST
    for _ in range(6):  # each time the best try and its neighbours
        tries = np.linspace(low, high, 41)
        best = int(cost(tries).argmin())
        low, high = tries[max(best - 1, 0)], tries[min(best + 1, len(tries) - 1)]
    return float(np.exp((low + high) / 2))


def calibration_error(
    differences: Sequence[float],
    b_is_better: Sequence[bool],
    weights: Sequence[float] | None = None,
    *,
    bins: int | None = None,
) -> CalibrationError:
    """Of calibrated differences: how far the share of preferences told right is from its probability.

    ``bins`` hold equally many comparisons each, by default about 30 and at most 10 bins; the error is the mean over
    bins by weight. A bin of 30 is off by 0.06 by chance alone, so a few dozen comparisons tell little.
    """
    signed = _signed(differences, b_is_better)
    if not len(signed):
        raise ValueError("there is no comparison to judge the calibration by")
    weight = np.ones(len(signed)) if weights is None else np.asarray(weights, np.float64)
    sure = 1 / (1 + np.exp(-np.minimum(np.abs(signed), 700.0)))
    right = np.where(signed == 0, 0.5, signed > 0)
    count = bins or max(1, min(_MOST_BINS, len(signed) // _PER_BIN))
    order = np.lexsort((right, sure))
    off = sum(abs(float(weight[part] @ (sure[part] - right[part]))) for part in np.array_split(order, count))
    total = float(weight.sum())
    return CalibrationError(off / total if total else 0.0, count, len(signed))


def cross_fitted(
    differences: Sequence[float], b_is_better: Sequence[bool], weights: Sequence[float], groups: Sequence[str]
) -> list[float] | None:
    """Each difference over the temperature that *other* groups' comparisons give; None for a single group.

    Judged by these, a calibration error is honest: no comparison had a part in its own temperature.
    """
    names = sorted(set(groups))
    folds = min(_FOLDS, len(names))
    if folds < 2:
        return None
    fold_of = {name: number % folds for number, name in enumerate(names)}
    fold = np.array([fold_of[group] for group in groups])
    raw, better, weight = np.asarray(differences, np.float64), np.asarray(b_is_better), np.asarray(weights, np.float64)
    scaled = np.empty_like(raw)
    for number in range(folds):
        others = fold != number
        temperature = temperature_of(raw[others].tolist(), better[others].tolist(), weight[others].tolist())
        scaled[~others] = raw[~others] / temperature
    return [float(value) for value in scaled]


def _signed(differences: Sequence[float], b_is_better: Sequence[bool]) -> Floats:
    """The differences, counted from the worse program to the better one."""
    return np.where(np.asarray(b_is_better, np.bool_), 1.0, -1.0) * np.asarray(differences, np.float64)
