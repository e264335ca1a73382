"""How good ratings are: agreement, answers to gold questions, habits of single annotators. Plain arrays, no database.

Judgements are in the pair's stored order (A, B). Surplus ratings are left out by whoever makes the arrays. What there
is too little of to say anything is None, never NaN.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from webapp.feedback.alpha import Alpha, Floats, Ints, Level, alpha_of
from webapp.feedback.intervals import Share, beta_interval, fair_coin, wilson

Bools: TypeAlias = npt.NDArray[np.bool_]
JudgementRow: TypeAlias = tuple[int, int, int | None, bool, float | None]
"""(pair, annotator, preference or None for "both unusable", swapped, seconds)"""

UNUSABLE = 9
"""The code of "both unusable" among the preferences from -3 to 3."""
LEAST_PAIRS = 10
"""Pairs with two ratings below which no alpha is given."""
LEAST_EVIDENCE = 5
"""Gold answers and comparisons with others below which no reliability is given."""
LEAST_TIMED = 20
"""Ratings with a time below which nothing is called fast."""
PRIOR = (2, 1)
"""Of the reliability, as a Beta distribution: two right answers and a wrong one, before anything is known."""
WIDEST = 6
"""Points between the ends of the preference, and what "both unusable" against a preference counts as."""
FAR_APART = 3
_SHORTEST = 0.1
_BINS = (0, 5, 10, 20, 40, 80, 160, 320, 640)


@dataclass(frozen=True)
class Judgements:
    """Columns of equal length, one entry a rating."""

    pair: Ints
    annotator: Ints
    preference: Ints
    """-3 to 3, or UNUSABLE."""
    swapped: Bools
    """Whether B was shown on the left."""
    seconds: Floats
    """NaN where it is not known."""
    right: Ints
    """1 right, 0 wrong, -1 where the pair is no gold question."""

    @classmethod
    def of(cls, rows: Iterable[JudgementRow], gold: Mapping[int, tuple[int, int]] | None = None) -> Judgements:
        """From rows, and each gold pair's lowest and highest right preference (twice UNUSABLE where that is right)."""
        pair, annotator, preference, swapped, seconds = zip(*rows, strict=True) if (rows := list(rows)) else ([],) * 5
        pairs = np.array(pair, np.int64)
        codes = np.array([UNUSABLE if value is None else value for value in preference], np.int64)
        return cls(
            pair=pairs,
            annotator=np.array(annotator, np.int64),
            preference=codes,
            swapped=np.array(swapped, np.bool_),
            seconds=np.array(seconds, np.float64),
            right=_right(pairs, codes, gold or {}),
        )

    def __len__(self) -> int:
        return len(self.pair)

    def take(self, chosen: Bools | Ints) -> Judgements:
        """Those that a mask holds, or in the order of positions."""
        return Judgements(
            self.pair[chosen],
            self.annotator[chosen],
            self.preference[chosen],
            self.swapped[chosen],
            self.seconds[chosen],
            self.right[chosen],
        )

    @property
    def direction(self) -> Ints:
        """0 for A, 1 for equal, 2 for B, 3 for both unusable."""
        return np.where(self.preference == UNUSABLE, 3, np.sign(self.preference) + 1)

    @property
    def ordinary(self) -> Judgements:
        """Without gold questions, which are chosen for being clear and are put to everybody."""
        return self.take(self.right < 0)


@dataclass(frozen=True)
class Agreement:
    """How often two annotators said the same of the pairs that both rated."""

    first: int
    second: int
    common: int
    exact: int
    """The same of seven preferences, or both "unusable"."""
    same_direction: int
    """A better, equal, B better, unusable."""


@dataclass(frozen=True)
class Side:
    """How often the program shown on the left was preferred, of the judgements that prefer one."""

    left: Share
    p_value: float
    """Of a fair coin being as uneven (two-sided, exact)."""


@dataclass(frozen=True)
class Reliability:
    """Mean and 95% interval of the Beta distribution that ``evidence`` observations leave of PRIOR."""

    mean: float
    low: float
    high: float
    evidence: int


@dataclass(frozen=True)
class Bin:
    """Ratings that took from ``low`` to below ``high`` seconds."""

    low: int
    high: int | None
    count: int


@dataclass(frozen=True)
class Figures:
    """What is known of one annotator."""

    annotator: int
    ratings: int
    gold: Share | None = None
    peers: Share | None = None
    """Agreement with the majority of the others."""
    side: Side | None = None
    median_seconds: float | None = None
    timed: int = 0
    fast: int = 0
    """Ratings quicker than ``speed_bound``."""
    reliability: Reliability | None = None


def alpha(judged: Judgements, level: Level, *, least: int = LEAST_PAIRS) -> Alpha:
    """Krippendorff's alpha: units are pairs, coders annotators. Gold questions are left out.

    ``ordinal`` is over the seven preferences, without "both unusable"; ``nominal`` over A, equal, B, unusable.
    """
    return alpha_of(_value_counts(judged.ordinary, level), level, least=least)


def agreements(judged: Judgements) -> list[Agreement]:
    """Each two annotators with pairs in common, by their ids. Gold questions are left out."""
    judged = judged.ordinary
    judged = judged.take(np.lexsort((judged.annotator, judged.pair)))
    people, index = np.unique(judged.annotator, return_inverse=True)
    size = len(people)
    totals = np.zeros((3, size * size), np.int64)
    for step in range(1, len(judged)):
        near, far = np.arange(len(judged) - step), np.arange(step, len(judged))
        both = judged.pair[near] == judged.pair[far]
        if not both.any():
            break
        near, far = near[both], far[both]
        key = index[near] * size + index[far]
        for row, hit in enumerate((None, judged.preference, judged.direction)):
            chosen = key if hit is None else key[hit[near] == hit[far]]
            totals[row] += np.bincount(chosen, minlength=size * size)
    return [
        Agreement(int(people[at // size]), int(people[at % size]), *(int(total) for total in totals[:, at]))
        for at in np.flatnonzero(totals[0])
    ]


def speed_bound(judged: Judgements) -> float | None:
    """Seconds below which a rating is remarkably quick, for all annotators alike.

    The median less three median absolute deviations of the logarithms, with the factor 1.4826 that makes the
    deviation a normal distribution's (C. Leys et al., "Detecting outliers", J. Exp. Soc. Psychol. 49, 2013).
    None below LEAST_TIMED ratings, or when half of them took exactly the same time.
    """
    logs = np.log(np.maximum(judged.seconds[~np.isnan(judged.seconds)], _SHORTEST))
    if len(logs) < LEAST_TIMED:
        return None
    middle = np.median(logs)
    deviation = 1.4826 * np.median(np.abs(logs - middle))
    return float(np.exp(middle - 3 * deviation)) if deviation > 0 else None


def histogram(seconds: Floats) -> list[Bin]:
    """How many ratings took how long, in bins that double."""
    known = seconds[~np.isnan(seconds)]
    ends = (*_BINS[1:], None)
    return [
        Bin(low, high, int(np.count_nonzero((known >= low) & (known < (np.inf if high is None else high)))))
        for low, high in zip(_BINS, ends, strict=True)
    ]


def disagree(preferences: Sequence[int | None]) -> bool:
    """Whether a lead has to decide: one for A and one for B, three points apart, or one says "both unusable"."""
    points = [value for value in preferences if value is not None]
    opposite = bool(points) and min(points) < 0 < max(points)
    return opposite or gap(preferences) >= FAR_APART


def gap(preferences: Sequence[int | None]) -> int:
    """How far apart the ratings of one pair are, in points; None stands for "both unusable"."""
    points = [value for value in preferences if value is not None]
    if points and len(points) < len(preferences):
        return WIDEST
    return max(points) - min(points) if points else 0


def figures(judged: Judgements) -> dict[int, Figures]:
    """What is known of each annotator who has a judgement, by id.

    The reliability counts alike every gold answer (right or wrong) and every ordinary pair in which the other
    annotators have one most frequent direction (the same as theirs or not): from Beta(2, 1), each adds one to one
    side. It says how often somebody is confirmed, which depends on how good the others are.
    """
    if not len(judged):
        return {}
    people, index = np.unique(judged.annotator, return_inverse=True)
    bound = speed_bound(judged)
    is_gold = judged.right >= 0
    agrees, has_peers = _with_the_others(judged)
    shown_left = np.where(judged.swapped, judged.preference > 0, judged.preference < 0)
    decided = (judged.preference != 0) & (judged.preference != UNUSABLE)
    timed = ~np.isnan(judged.seconds)
    fast = judged.seconds < bound if bound is not None else np.zeros(len(judged), np.bool_)

    def counted(*masks: Bools) -> Ints:
        return np.bincount(index[np.logical_and.reduce(masks)], minlength=len(people))

    every = np.ones(len(judged), np.bool_)
    columns = (
        counted(every),
        counted(is_gold, judged.right == 1),
        counted(is_gold),
        counted(has_peers, agrees),
        counted(has_peers),
        counted(decided, shown_left),
        counted(decided),
        counted(timed),
        counted(fast),
    )
    medians = _medians(judged.seconds[timed], index[timed], len(people))
    return {
        int(person): _figures(int(person), [int(column[at]) for column in columns], medians[at])
        for at, person in enumerate(people)
    }


def _figures(person: int, counts: list[int], median: float | None) -> Figures:
    ratings, right, asked, agreed, compared, left, decided, timed, fast = counts
    shown = wilson(left, decided)
    return Figures(
        annotator=person,
        ratings=ratings,
        gold=wilson(right, asked),
        peers=wilson(agreed, compared),
        side=None if shown is None else Side(shown, fair_coin(left, decided)),
        median_seconds=median,
        timed=timed,
        fast=fast,
        reliability=reliability(right + agreed, asked + compared),
    )


def reliability(confirmed: int, evidence: int) -> Reliability | None:
    """The posterior of how often somebody is confirmed; None below LEAST_EVIDENCE."""
    if evidence < LEAST_EVIDENCE:
        return None
    first, second = PRIOR[0] + confirmed, PRIOR[1] + evidence - confirmed
    low, high = beta_interval(first, second)
    return Reliability(first / (first + second), low, high, evidence)


def _with_the_others(judged: Judgements) -> tuple[Bools, Bools]:
    """Whether each rating has the direction that most of the others have, and whether they have such a one."""
    pairs, unit = np.unique(judged.pair, return_inverse=True)
    counts = np.bincount(unit * 4 + judged.direction, minlength=len(pairs) * 4).reshape(-1, 4)
    others = counts[unit]
    others[np.arange(len(judged)), judged.direction] -= 1
    most = others.max(axis=1)
    alone = (others == most[:, None]).sum(axis=1) == 1
    return others.argmax(axis=1) == judged.direction, alone & (most > 0) & (judged.right < 0)


def _value_counts(judged: Judgements, level: Level) -> Ints:
    """(pair, value): how many annotators gave the value; only pairs with two or more."""
    if level == "ordinal":
        judged, size = judged.take(judged.preference != UNUSABLE), 7
        codes = judged.preference + 3
    else:
        size, codes = 4, judged.direction
    pairs, unit = np.unique(judged.pair, return_inverse=True)
    counts: Ints = np.bincount(unit * size + codes, minlength=len(pairs) * size).reshape(-1, size)
    several: Ints = counts[counts.sum(axis=1) >= 2]
    return several


def _medians(values: Floats, index: Ints, size: int) -> list[float | None]:
    order = np.argsort(index, kind="stable")
    parts = np.split(values[order], np.cumsum(np.bincount(index, minlength=size))[:-1])
    return [float(np.median(part)) if len(part) else None for part in parts]


def _right(pairs: Ints, codes: Ints, gold: Mapping[int, tuple[int, int]]) -> Ints:
    if not gold:
        return np.full(len(pairs), -1, np.int64)
    known = np.array(sorted(gold), np.int64)
    ends = np.array([gold[key] for key in sorted(gold)], np.int64)
    at = np.minimum(np.searchsorted(known, pairs), len(known) - 1)
    right: Ints = ((ends[at, 0] <= codes) & (codes <= ends[at, 1])).astype(np.int64)
    right[known[at] != pairs] = -1
    return right
