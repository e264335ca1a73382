"""Intervals cover what they say they cover, at the ends of the range too."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.statistics import paired_difference, share

COUNTS = st.integers(0, 40)


@pytest.mark.parametrize("rate", [0.02, 0.1, 0.5, 0.95])
def test_a_share_is_covered_as_often_as_the_interval_says(rate: float) -> None:
    draws = np.random.default_rng(1).binomial(60, rate, 4000)
    found = [share(int(count), 60) for count in draws]
    covered = sum(one.low <= rate <= one.high for one in found) / len(found)
    assert 0.93 <= covered <= 0.985


def test_no_success_at_all_does_not_mean_certainty() -> None:
    none, every = share(0, 24), share(24, 24)
    assert none.low == 0.0
    assert none.high == pytest.approx(0.138, abs=0.001)  # z^2 / (n + z^2)
    assert (every.low, every.high) == (pytest.approx(1 - none.high), 1.0)
    with pytest.raises(ValueError, match="is no share"):
        share(1, 0)


@pytest.mark.parametrize(
    ("first", "gain", "loss"), [(0.3, 0.1, 0.02), (0.02, 0.02, 0.0), (0.6, 0.3, 0.3), (0.95, 0.0, 0.04)]
)
def test_a_paired_difference_is_covered_as_often_as_the_interval_says(first: float, gain: float, loss: float) -> None:
    chances = [first - loss, loss, gain, 1 - first - gain]
    draws = np.random.default_rng(2).multinomial(80, chances, 3000)
    found = [paired_difference(*map(int, counts)) for counts in draws]
    covered = sum(one.low <= gain - loss <= one.high for one in found) / len(found)
    assert covered >= 0.93


@given(both=COUNTS, only_first=COUNTS, only_second=COUNTS, neither=COUNTS)
def test_a_difference_lies_in_its_interval_and_turns_round_with_the_pairs(
    both: int, only_first: int, only_second: int, neither: int
) -> None:
    if both + only_first + only_second + neither == 0:
        return
    found = paired_difference(both, only_first, only_second, neither)
    assert -1 <= found.low <= found.mean <= found.high <= 1
    assert found.high - found.low > 0
    turned = paired_difference(both, only_second, only_first, neither)
    assert math.isclose(turned.mean, -found.mean, abs_tol=1e-12)
    assert math.isclose(turned.low, -found.high, abs_tol=1e-12)
