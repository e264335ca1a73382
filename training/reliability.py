"""How far each annotator's ratings can be trusted, from who agrees with whom; gold questions are known answers.

Dawid and Skene (1979): each comparison has one true class (A better, tie, B better, unusable), each annotator a
confusion matrix, both found by expectation and maximisation. Two ratings a comparison and some dozens an annotator
are few for so many numbers: each row of a confusion matrix starts from ``STRENGTH`` answers in the pool's
proportions, and the pool's own from ``POOL_STRENGTH`` answers of a fair rater. An annotator of whom little or nothing
is known is thereby taken for the pool's mean. On simulated ratings (two a comparison; 8 annotators with 60 ratings
each or 20 with 40; a fifth to a third of them answering at random, for one side, or turning sides round) every
careful annotator comes out above all others, and weighing by reliability keeps 98% of the information in the ratings,
where equal weights keep 40 to 75%; with 10 ratings an annotator it is 88% against 65%, and the plain model of 1979
falls to 64% in its worst draw where this one keeps 81%. Bradley-Terry with annotators' abilities was left aside: it
needs programs that meet several times, and the queue shows nearly all of them once.

An annotator's *correlation* is that between the truth and their answer (A -1, tie or unusable 0, B 1) over
comparisons with a better program, as if each side were the better one equally often: 1 for a perfect rater, 0 for
one who answers at random, always for the same side or always "tie", negative for one who turns sides round. Their
*reliability* is the same, and 0 where it would be negative: who errs in that way is left out, not believed the other
way round.

Several ratings of one comparison by one annotator count as one together, each in part: two that contradict each
other say "either", and speak against the annotator. A rating without an annotator's name is of somebody new.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

CLASSES = ("A", "tie", "B", "unusable")
STRENGTH = 2.0
POOL_STRENGTH = 8.0
_FAIR = 0.7
"""How often a fair rater says what is true; the rest is spread evenly."""
_ITERATIONS = 300
_TOLERANCE = 1e-6
_TINY = 1e-10
_A, _TIE, _B, _UNUSABLE = range(4)

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Gold:
    """The right answer to a gold question: preferences from ``lowest`` to ``highest``; both None is "unusable"."""

    lowest: int | None
    highest: int | None

    def __post_init__(self) -> None:
        if (self.lowest is None) != (self.highest is None):
            raise ValueError("give both ends of the right preferences, or neither where the pair is unusable")

    @property
    def classes(self) -> frozenset[int]:
        """Which of CLASSES are right."""
        if self.lowest is None or self.highest is None:
            return frozenset({_UNUSABLE})
        return frozenset(_class_of(value) for value in range(self.lowest, self.highest + 1))

    def turned(self) -> Gold:
        """The same with sides exchanged."""
        return self if self.lowest is None or self.highest is None else Gold(-self.highest, -self.lowest)


@dataclass(frozen=True)
class Judgement:
    """One annotator's answer to one comparison."""

    comparison: str
    annotator: str
    """Empty where it isn't known."""
    preference: int | None
    """-3 (A is much better) to 3 (B is much better); None is "both unusable"."""
    gold: Gold | None = None
    weight: float = 1.0
    """How much it counts as evidence."""


@dataclass(frozen=True)
class Annotator:
    """What is thought of one annotator."""

    correlation: float
    """-1 to 1; below 0 they turn sides round."""
    ratings: float
    """Comparisons rated, by weight."""

    @property
    def reliability(self) -> float:
        """0 to 1."""
        return max(0.0, self.correlation)


@dataclass(frozen=True)
class Estimate:
    """What the ratings say of annotators and comparisons."""

    annotators: Mapping[str, Annotator]
    posterior: Mapping[str, tuple[float, ...]]
    """By comparison, the probability of each of CLASSES."""
    shares: tuple[float, ...]
    """One a judgement, in their order: the rating's share of its annotator's one voice."""
    weights: tuple[float, ...]
    """The same times the annotator's reliability."""
    pool: float
    """The pool's mean reliability, which holds for whoever isn't known."""

    def reliability(self, annotator: str) -> float:
        known = self.annotators.get(annotator)
        return self.pool if known is None else known.reliability


def estimate(judgements: Sequence[Judgement], *, strength: float = STRENGTH) -> Estimate:
    """Judge annotators and comparisons by each other; neither the order of rows nor the sides' names matter.

    ``strength`` 0 is the plain model of 1979, which starts from a fair rater and trusts nothing else.
    """
    voices = _voices(judgements)
    fitted = _fit(voices, strength)
    correlations = _correlations(fitted.confusion)
    pool = max(0.0, float(_correlations(fitted.pool[None])[0]))
    named = {name: row for row, name in enumerate(voices.annotators) if isinstance(name, str)}
    rated = np.bincount(voices.annotator, weights=voices.answers.sum(1), minlength=len(voices.annotators))
    annotators = {name: Annotator(float(correlations[row]), float(rated[row])) for name, row in named.items()}
    weights = [
        share * (annotators[one.annotator].reliability if one.annotator else pool)
        for one, share in zip(judgements, voices.shares, strict=True)
    ]
    posterior = {name: tuple(map(float, row)) for name, row in zip(voices.comparisons, fitted.posterior, strict=True)}
    return Estimate(annotators, posterior, voices.shares, tuple(weights), pool)


@dataclass(frozen=True)
class _Voices:
    """All answers, one entry an annotator and comparison, in an order of their own."""

    comparisons: tuple[str, ...]
    annotators: tuple[str | tuple[str, int], ...]
    """Somebody new is a comparison and a number."""
    comparison: Ints
    annotator: Ints
    answers: Floats
    """(entries, classes): how much of the voice each class has."""
    may: Floats
    """(comparisons, classes): 0 where a gold answer rules a class out."""
    shares: tuple[float, ...]
    """One a judgement."""


def _voices(judgements: Sequence[Judgement]) -> _Voices:
    voices: dict[tuple[str, str | tuple[str, int]], list[int]] = {}
    strangers: dict[str, int] = {}
    # By class, so that strangers are the same whatever the rows' order.
    for row in sorted(range(len(judgements)), key=lambda row: _class_of(judgements[row].preference)):
        one = judgements[row]
        name: str | tuple[str, int] = one.annotator
        if not one.annotator:
            strangers[one.comparison] = strangers.get(one.comparison, 0) + 1
            name = (one.comparison, strangers[one.comparison])
        voices.setdefault((one.comparison, name), []).append(row)
    keys = sorted(voices, key=lambda key: (key[0], isinstance(key[1], tuple), key[1]))
    comparisons = tuple(sorted({key[0] for key in keys}))
    annotators = tuple(sorted({key[1] for key in keys}, key=lambda name: (isinstance(name, tuple), name)))
    place_of = {name: place for place, name in enumerate(comparisons)}
    person_of = {name: place for place, name in enumerate(annotators)}
    answers, shares = np.zeros((len(keys), 4)), [0.0] * len(judgements)
    for entry, key in enumerate(keys):
        rows = voices[key]
        for row in rows:
            shares[row] = 1 / len(rows)
            answers[entry, _class_of(judgements[row].preference)] += judgements[row].weight / len(rows)
    return _Voices(
        comparisons=comparisons,
        annotators=annotators,
        comparison=np.array([place_of[key[0]] for key in keys], np.int64),
        annotator=np.array([person_of[key[1]] for key in keys], np.int64),
        answers=answers,
        may=_may(judgements, place_of),
        shares=tuple(shares),
    )


def _may(judgements: Iterable[Judgement], place_of: Mapping[str, int]) -> Floats:
    may = np.ones((len(place_of), 4))
    for one in judgements:
        if one.gold is not None:
            may[place_of[one.comparison]] *= [float(index in one.gold.classes) for index in range(4)]
    may[may.sum(1) == 0] = 1.0  # gold answers that contradict each other say nothing
    return may


@dataclass(frozen=True)
class _Fitted:
    posterior: Floats
    """(comparisons, classes)"""
    confusion: Floats
    """(annotators, true class, answer)"""
    pool: Floats
    """(true class, answer)"""


def _fit(voices: _Voices, strength: float) -> _Fitted:
    pool = _fair()
    confusion = np.broadcast_to(pool, (len(voices.annotators), 4, 4))
    votes = np.zeros_like(voices.may)
    np.add.at(votes, voices.comparison, voices.answers)
    prior = _shares(_shares(votes + _TINY).sum(0) + strength)
    posterior = np.zeros_like(voices.may)
    for _ in range(_ITERATIONS):
        before, posterior = posterior, _posterior(voices, confusion, prior)
        prior = _shares(posterior.sum(0) + strength)
        counts = np.zeros((len(voices.annotators), 4, 4))
        np.add.at(counts, voices.annotator, posterior[voices.comparison][:, :, None] * voices.answers[:, None, :])
        pool = _shares(counts.sum(0) + POOL_STRENGTH * _fair()) if strength else _fair()
        confusion = _shares(counts + strength * pool + _TINY)
        if not posterior.size or np.abs(posterior - before).max() < _TOLERANCE:
            break
    return _Fitted(posterior, confusion, pool)


def _posterior(voices: _Voices, confusion: Floats, prior: Floats) -> Floats:
    said = _sum(np.log(confusion)[voices.annotator] * voices.answers[:, None, :])  # (entries, true class)
    likelihood = np.tile(np.log(np.maximum(prior, _TINY)), (len(voices.comparisons), 1))
    np.add.at(likelihood, voices.comparison, said)
    likelihood = np.where(voices.may > 0, likelihood, -np.inf)
    return _shares(np.exp(likelihood - likelihood.max(axis=1, keepdims=True, initial=-np.inf)))


def _correlations(confusion: Floats) -> Floats:
    """Of truth and answer, by annotator: (annotators, true class, answer) to (annotators,)."""
    if_a, if_b = (confusion[:, side, _B] - confusion[:, side, _A] for side in (_A, _B))  # the mean answers
    decided = sum(confusion[:, side, _A] + confusion[:, side, _B] for side in (_A, _B)) / 2  # the mean squared answer
    variance = decided - ((if_a + if_b) / 2) ** 2
    return np.clip((if_b - if_a) / 2 / np.sqrt(np.maximum(variance, _TINY)), -1.0, 1.0)


def _fair() -> Floats:
    return np.full((4, 4), (1 - _FAIR) / 3) + np.eye(4) * (_FAIR - (1 - _FAIR) / 3)


def _shares(values: Floats) -> Floats:
    """Values that add up to 1 along the last axis."""
    return values / _sum(values)[..., None]


def _sum(values: Floats) -> Floats:
    """The sum along the last axis, to the last bit the same when A and B change places."""
    return (values[..., _A] + values[..., _B]) + (values[..., _TIE] + values[..., _UNUSABLE])


def _class_of(preference: int | None) -> int:
    if preference is None:
        return _UNUSABLE
    return int(math.copysign(1, preference)) + 1 if preference else _TIE
