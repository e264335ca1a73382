"""How sure a share is: Wilson's interval, a fair coin's test, the interval of a Beta distribution."""

from __future__ import annotations

from dataclasses import dataclass
from math import log, sqrt

import numpy as np

Z95 = 1.959963984540054
"""The normal distribution's 97.5% point."""
_GRID = np.linspace(0, 1, 20_001)[1:-1]


@dataclass(frozen=True)
class Share:
    """``hits`` of ``of``, with a 95% interval."""

    hits: int
    of: int
    low: float
    high: float

    @property
    def value(self) -> float:
        return self.hits / self.of

    @property
    def percent(self) -> tuple[float, float, float]:
        """The share and the ends of its interval."""
        return 100 * self.value, 100 * self.low, 100 * self.high


def wilson(hits: int, of: int) -> Share | None:
    """A share with its score interval; None of nothing.

    E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927).
    """
    if of <= 0:
        return None
    share, square = hits / of, Z95**2
    middle = (share + square / (2 * of)) / (1 + square / of)
    half = Z95 * sqrt(share * (1 - share) / of + square / (4 * of**2)) / (1 + square / of)
    # Exactly 0 and 1 at the ends, whatever the rounding.
    return Share(hits, of, 0.0 if hits == 0 else middle - half, 1.0 if hits == of else middle + half)


def fair_coin(hits: int, of: int) -> float:
    """The exact probability that a fair coin thrown ``of`` times is at least as uneven (two-sided binomial test).

    A fair coin's distribution is symmetric, so that is twice its smaller tail.
    """
    logs = np.concatenate(([0.0], np.cumsum(np.log(np.arange(1, of + 1)))))
    tail = np.arange(min(hits, of - hits) + 1)
    return min(1.0, 2 * float(np.exp(logs[of] - logs[tail] - logs[of - tail] - of * log(2)).sum()))


def beta_interval(first: float, second: float) -> tuple[float, float]:
    """The middle 95% of Beta(first, second), both at least 1: its density summed on a grid of 1/20,000."""
    logs = (first - 1) * np.log(_GRID) + (second - 1) * np.log1p(-_GRID)
    mass = np.cumsum(np.exp(logs - logs.max()))
    low, high = np.interp((0.025, 0.975), mass / mass[-1], _GRID)
    return float(low), float(high)
