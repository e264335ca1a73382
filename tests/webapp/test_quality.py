"""The statistics of the ratings' quality (webapp.feedback.quality and intervals), against other ways to count them."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from fractions import Fraction
from itertools import combinations
from math import comb, exp, log, nan, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from webapp.feedback import quality
from webapp.feedback.alpha import Alpha, Level, alphas
from webapp.feedback.intervals import beta_interval, fair_coin, wilson
from webapp.feedback.quality import UNUSABLE, Agreement, Judgements, agreements, alpha, figures

# Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011), section C: 4 observers, 12 units, 5 values.
PUBLISHED = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3],
    [None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None],
]


def judged(*rows: tuple[int, int, int | None], **changes: object) -> Judgements:
    """(pair, annotator, preference) a row, shown as stored, with no times."""
    return Judgements.of([(pair, person, said, False, None) for pair, person, said in rows], **changes)  # type: ignore[arg-type]


def published() -> Judgements:
    return judged(
        *((unit, person, value - 3) for person, row in enumerate(PUBLISHED) for unit, value in enumerate(row) if value)
    )


preference = st.one_of(st.none(), st.integers(-3, 3))
ratings = st.dictionaries(st.tuples(st.integers(0, 12), st.integers(0, 4)), preference, max_size=40)


def of(found: dict[tuple[int, int], int | None]) -> Judgements:
    return judged(*((pair, person, said) for (pair, person), said in found.items()))


def mirrored(found: Judgements) -> Judgements:
    """A and B exchanged everywhere."""
    return replace(
        found, preference=np.where(found.preference == UNUSABLE, UNUSABLE, -found.preference), swapped=~found.swapped
    )


def slow_alpha(found: dict[tuple[int, int], int | None]) -> float | None:
    """Ordinal alpha by its definition: mean distance within pairs over mean distance of all pairable values."""
    units: dict[int, list[int]] = {}
    for (pair, _person), said in found.items():
        if said is not None:
            units.setdefault(pair, []).append(said)
    pairable = [values for values in units.values() if len(values) > 1]
    margin = Counter(value for values in pairable for value in values)

    def distance(one: int, two: int) -> Fraction:
        low, high = min(one, two), max(one, two)
        between = sum(margin[value] for value in range(low, high + 1))
        return (between - Fraction(margin[low] + margin[high], 2)) ** 2

    total = sum(margin.values())
    within = sum(
        2 * sum(distance(one, two) for one, two in combinations(values, 2)) / Fraction(len(values) - 1)
        for values in pairable
    )
    among = 2 * sum(distance(one, two) for one, two in combinations(list(margin.elements()), 2))
    return None if not among else float(1 - (total - 1) * within / among)


def test_alpha_is_the_published_example() -> None:
    assert alpha(published(), "ordinal").value == pytest.approx(0.815, abs=0.0005)
    assert alpha(published(), "ordinal").pairs == 11


def test_alpha_of_a_hand_worked_example() -> None:
    # Two pairs, A+A and A+B: observed disagreement 2 of 4, expected 2*3*1/3 = 2, so alpha = 1 - 2/2 = 0.
    found = alpha(judged((1, 1, -1), (1, 2, -2), (2, 1, -3), (2, 2, 1)), "nominal", least=1)
    assert found.value == pytest.approx(0)
    # Three pairs, A+A, B+B, A+B: observed 2 of 6, expected 2*3*3/5 = 3.6, alpha = 1 - 2/3.6.
    rows = [(1, 1, -1), (1, 2, -1), (2, 1, 1), (2, 2, 1), (3, 1, -1), (3, 2, 1)]
    assert alpha(judged(*rows), "nominal", least=1).value == pytest.approx(1 - 2 / 3.6)


@given(ratings)
@settings(max_examples=60, deadline=None)
def test_alpha_is_its_definition(found: dict[tuple[int, int], int | None]) -> None:
    shown, expected = alpha(of(found), "ordinal", least=1), slow_alpha(found)
    assert (shown.value is None) == (expected is None)
    if shown.value is not None:
        assert shown.value == pytest.approx(expected)


@given(ratings, st.sampled_from(["ordinal", "nominal"]))
@settings(max_examples=60, deadline=None)
def test_the_bootstraps_alpha_of_all_pairs_is_the_packages(
    found: dict[tuple[int, int], int | None], level: Level
) -> None:
    shown = alpha(of(found), level, least=1)
    if shown.value is None:
        return
    counts = quality._value_counts(of(found), level)
    assert alphas(counts, np.ones((1, len(counts)), int), level)[0] == pytest.approx(shown.value)


@given(ratings)
@settings(max_examples=40, deadline=None)
def test_exchanging_a_and_b_changes_no_agreement(found: dict[tuple[int, int], int | None]) -> None:
    here, there = of(found), mirrored(of(found))
    for level in ("ordinal", "nominal"):
        one, two = alpha(here, level, least=1), alpha(there, level, least=1)  # type: ignore[arg-type]
        assert one.pairs == two.pairs
        assert one.value == pytest.approx(two.value) if one.value is not None else two.value is None
    assert agreements(here) == agreements(there)
    for person, row in figures(here).items():
        other = figures(there)[person]
        assert (row.peers, row.reliability, row.side) == (other.peers, other.reliability, other.side)


def test_alpha_is_one_when_all_say_the_same_and_about_nothing_when_they_guess() -> None:
    same = [(pair, person, pair % 7 - 3) for pair in range(40) for person in (1, 2, 3)]
    perfect = alpha(judged(*same), "ordinal")
    assert (perfect.value, perfect.low, perfect.high) == (1, 1, 1)
    guess = random.Random(1)
    guessed = alpha(
        judged(*((pair, person, guess.randint(-3, 3)) for pair in range(400) for person in (1, 2))), "ordinal"
    )
    assert guessed.low is not None
    assert guessed.high is not None
    assert guessed.low < 0 < guessed.high
    assert guessed.high - guessed.low < 0.3


def test_the_interval_covers_and_is_the_same_each_time() -> None:
    noise = random.Random(2)
    rows = [
        (pair, person, max(-3, min(3, pair % 7 - 3 + noise.randint(-1, 1)))) for pair in range(100) for person in (1, 2)
    ]
    first, second = alpha(judged(*rows), "ordinal"), alpha(judged(*rows), "ordinal")
    assert first == second
    assert first.low is not None
    assert first.value is not None
    assert first.high is not None
    assert 0.5 < first.low < first.value < first.high < 1


def test_too_few_pairs_or_one_value_give_no_alpha() -> None:
    assert alpha(judged(*((pair, person, pair % 3) for pair in range(9) for person in (1, 2))), "ordinal").value is None
    constant = alpha(judged(*((pair, person, 2) for pair in range(30) for person in (1, 2))), "ordinal")
    assert (constant.pairs, constant.value, constant.low) == (30, None, None)
    unusable = alpha(judged(*((pair, person, None) for pair in range(30) for person in (1, 2))), "ordinal")
    assert (unusable.pairs, unusable.value) == (0, None)


def test_gold_questions_count_in_no_agreement() -> None:
    rows = [(pair, person, 1) for pair in range(20) for person in (1, 2)]
    found = judged(*rows, gold=dict.fromkeys(range(15), (1, 1)))
    assert alpha(found, "nominal").pairs == 5
    assert agreements(found) == [Agreement(1, 2, common=5, exact=5, same_direction=5)]


@pytest.mark.parametrize("count", [0, 1, 2])
def test_a_handful_of_ratings_is_never_nan(count: int) -> None:
    found = judged(*[(1, 1, 2), (1, 2, None)][:count])
    assert alpha(found, "ordinal") == Alpha(pairs=0)
    assert alpha(found, "nominal").value is None
    assert quality.speed_bound(found) is None
    assert sum(item.count for item in quality.histogram(found.seconds)) == 0
    assert agreements(found) == ([Agreement(1, 2, 1, 0, 0)] if count == 2 else [])
    for row in figures(found).values():
        assert (row.median_seconds, row.reliability, row.gold) == (None, None, None)


def test_two_annotators_agreement_by_hand() -> None:
    rows = [
        (1, 7, 3),
        (1, 9, 1),
        (2, 7, 0),
        (2, 9, 0),
        (3, 7, None),
        (3, 9, None),
        (4, 7, -1),
        (4, 9, 0),
        (5, 7, 1),
        (6, 8, 1),
    ]
    assert agreements(judged(*rows)) == [Agreement(7, 9, common=4, exact=2, same_direction=3)]


@given(ratings)
@settings(max_examples=40, deadline=None)
def test_agreements_are_those_counted_one_by_one(found: dict[tuple[int, int], int | None]) -> None:
    expected = []
    for one, two in combinations(range(5), 2):
        both = [
            (found[pair, one], found[pair, two]) for pair in range(13) if (pair, one) in found and (pair, two) in found
        ]
        if both:
            sides = [tuple("unusable" if said is None else (said > 0) - (said < 0) for said in pair) for pair in both]
            same = sum(left == right for left, right in sides)
            expected.append(Agreement(one, two, len(both), sum(left == right for left, right in both), same))
    assert agreements(of(found)) == expected


def test_wilsons_interval_of_known_numbers() -> None:
    # Newcombe (1998), table I: 81 of 263 is 0.2553 to 0.3662, 15 of 148 is 0.0624 to 0.1605, 0 of 20 is 0 to 0.1611.
    for hits, total, low, high in (
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ):
        share = wilson(hits, total)
        assert share is not None
        assert (share.low, share.high) == pytest.approx((low, high), abs=0.00005)
    assert wilson(0, 0) is None


@given(st.integers(0, 60), st.integers(0, 60))
def test_a_fair_coins_probability_is_the_sum_of_what_is_as_unlikely(hits: int, others: int) -> None:
    total = hits + others
    limit = comb(total, hits)
    brute = sum(comb(total, k) for k in range(total + 1) if comb(total, k) <= limit)
    assert fair_coin(hits, total) == pytest.approx(brute / 2**total)


def test_a_fair_coins_probability_of_many_throws() -> None:
    assert fair_coin(50_000, 100_000) == 1
    # The normal approximation with correction for continuity: z = 499.5 / sqrt(25,000) = 3.159, p = 0.00158.
    assert fair_coin(50_500, 100_000) == pytest.approx(0.00158, abs=0.00002)
    assert 0 <= fair_coin(0, 100_000) < 1e-300


@pytest.mark.parametrize(("confirmed", "evidence"), [(0, 5), (5, 5), (7, 9), (60, 80), (700, 1000)])
def test_the_beta_interval_is_where_the_binomial_sums_say(confirmed: int, evidence: int) -> None:
    first, second = 2 + confirmed, 1 + evidence - confirmed
    n = first + second - 1

    def below(x: float) -> float:
        """P(Beta(first, second) <= x) is P(Binomial(n, x) >= first), for whole numbers."""
        return sum(exp(log(comb(n, k)) + k * log(x) + (n - k) * log(1 - x)) for k in range(first, n + 1))

    low, high = beta_interval(first, second)
    assert below(low) == pytest.approx(0.025, abs=0.001)
    assert below(high) == pytest.approx(0.975, abs=0.001)


def test_reliability_is_the_posterior_mean_of_gold_and_the_others_majority() -> None:
    gold = {100 + k: (1, 3) for k in range(4)} | {200: (UNUSABLE, UNUSABLE)}
    rows = [(100, 1, 1), (101, 1, 3), (102, 1, 0), (103, 1, None), (200, 1, None)]  # 3 right of 5.
    rows += [(1, 1, 2), (1, 2, 1), (1, 3, 3)]  # Both others for B: confirmed.
    rows += [(2, 1, 2), (2, 2, -1), (2, 3, -1)]  # Both for A: not.
    rows += [(3, 1, 2), (3, 2, -1), (3, 3, 1)]  # Divided: doesn't count.
    rows += [(4, 1, 2)]  # Nobody else.
    found = figures(judged(*rows, gold=gold))[1]
    assert (found.gold.hits, found.gold.of) == (3, 5)  # type: ignore[union-attr]
    assert (found.peers.hits, found.peers.of) == (1, 2)  # type: ignore[union-attr]
    assert found.reliability is not None
    assert found.reliability.mean == pytest.approx((2 + 3 + 1) / (3 + 7))
    assert found.reliability.low < found.reliability.mean < found.reliability.high
    assert found.reliability.evidence == 7
    assert found.ratings == 9


@given(st.lists(st.tuples(preference, st.booleans()), min_size=1, max_size=40))
@settings(deadline=None)
def test_the_side_is_the_one_that_was_shown(said: list[tuple[int | None, bool]]) -> None:
    rows = [(pair, 1, preference, swapped, None) for pair, (preference, swapped) in enumerate(said)]
    shown = [(-preference if swapped else preference) for preference, swapped in said if preference]
    side = figures(Judgements.of(rows))[1].side
    if not shown:
        assert side is None
        return
    assert side is not None
    assert (side.left.hits, side.left.of) == (sum(value < 0 for value in shown), len(shown))


def test_who_rates_at_random_has_no_side_and_who_always_clicks_left_has() -> None:
    # Whoever judges the pair and not the screen has a p-value that is below 0.05 one time in twenty.
    chance = random.Random(3)
    rows = [
        (pair, person, chance.choice([-2, 2]), chance.random() < 0.5, None)
        for person in range(200)
        for pair in range(50)
    ]
    found = figures(Judgements.of(rows))
    sides = [row.side for row in found.values() if row.side]
    assert sum(side.left.value for side in sides) / 200 == pytest.approx(0.5, abs=4 * 0.5 / sqrt(200 * 50))
    assert sum(side.p_value < 0.05 for side in sides) < 25
    left = [(pair, 1, 2 if pair % 2 else -2, bool(pair % 2), None) for pair in range(30)]
    side = figures(Judgements.of(left))[1].side
    assert side is not None
    assert side.left.value == 1
    assert side.p_value == pytest.approx(2 / 2**30)


def test_a_quick_rating_is_three_deviations_below_the_median() -> None:
    # Logs: the median is log 20; the absolute deviations are log 2 half of the time, so the MAD is log 2.
    seconds = [10.0] * 10 + [20.0] * 5 + [40.0] * 10
    rows = [(pair, 1, 1, False, value) for pair, value in enumerate(seconds)]
    bound = quality.speed_bound(Judgements.of(rows))
    assert bound == pytest.approx(20 * 2 ** (-3 * 1.4826))
    rows += [(100, 2, 1, False, 0.5), (101, 2, 1, False, 0.0), (102, 2, 1, False, None)]
    found = figures(Judgements.of(rows))
    assert (found[1].fast, found[1].timed, found[1].median_seconds) == (0, 25, 20)
    assert (found[2].fast, found[2].timed, found[2].median_seconds) == (2, 2, 0.25)


def test_nothing_is_quick_among_few_or_when_all_took_the_same_time() -> None:
    few = [(pair, 1, 1, False, float(pair + 1)) for pair in range(19)]
    same = [(pair, 1, 1, False, 12.0) for pair in range(30)]
    for rows in (few, same):
        assert quality.speed_bound(Judgements.of(rows)) is None
        assert figures(Judgements.of(rows))[1].fast == 0


def test_every_time_is_in_one_bin() -> None:
    seconds = np.array([0.0, 4.99, 5.0, 9.0, 639.0, 640.0, 86_400.0, nan])
    bins = quality.histogram(seconds)
    assert [(item.low, item.count) for item in bins if item.count] == [(0, 2), (5, 2), (320, 1), (640, 2)]
    assert [one.high for one in bins[:-1]] == [two.low for two in bins[1:]]
    assert bins[-1].high is None


@pytest.mark.parametrize(
    ("said", "disagree", "gap"),
    [
        ([], False, 0),
        ([3], False, 0),
        ([1, 3], False, 2),
        ([-1, 1], True, 2),
        ([0, 2], False, 2),
        ([0, 3], True, 3),
        ([-3, 3], True, 6),
        ([None, None], False, 0),
        ([None, 1], True, 6),
        ([1, 2, -1], True, 3),
    ],
)
def test_what_a_disagreement_is(said: list[int | None], disagree: bool, gap: int) -> None:
    assert quality.disagree(said) is disagree
    assert quality.gap(said) == gap
