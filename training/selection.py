"""Which pairs to rate next: those on which the reward ensemble disagrees most, and not the same thing twice.

Two measures of what a rating is worth, both nothing where all members say the same:

- ``disagreement``, the standard deviation of the members' score differences (query by committee, Seung et al. 1992);
- ``information``, the mutual information between the label and the member, BALD (Houlsby et al. 2011, arXiv
  1112.5745), here for Bradley-Terry: ``H(mean p) - mean H(p)`` with ``p`` each member's chance that B wins.

BALD needs the fewest ratings of a model that is trained until it has learnt all of them. It picks pairs near even odds,
though, and a model that sees each rating two or three times learnt less from those than from random ones, and as much
from those of ``disagreement``, which is the default therefore. ``make bench NAME=selection`` measures both.

The best pairs one by one make a bad batch, because they are alike (Kirsch et al. 2019, BatchBALD, arXiv 1906.08158).
Their joint worth is out of reach for a few members, so a pair's own is multiplied by what is new in it: the variance
that a Gaussian process over the difference between the two programs has left once the pairs before it are known, chosen
greedily as in a determinantal point process (Kulesza and Taskar 2012, arXiv 1207.6083; Chen et al. 2018, arXiv
1709.05135). Two pairs are alike when their programs differ in the same pieces of code, whatever the names.

All of it is a function of the set of pairs: neither their order nor which program of a pair is called A matters.
"""

from __future__ import annotations

import builtins
import hashlib
import keyword
import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from training.similarity import parsed, same_program

Array = NDArray[np.float64]

BATCH = 512
"""How many pairs are chosen one by one; the others follow by their worth and what is new beyond those."""
_NOISE = 0.1
"""Of a rating, against the variance 1 of what is to be learnt: how much a second pair of a kind still tells."""
_LONGEST = 3
"""Tokens in a piece of code."""
_PLACES = 1024
"""Pieces are counted in so many places, by their hash."""
_NEGLIGIBLE = 1e-9
_TOKENS = re.compile(r"\"[^\"\n]*\"|'[^'\n]*'|\w+|[^\w\s]+|\n *")
_KEPT = frozenset(keyword.kwlist) | frozenset(dir(builtins))


@dataclass(frozen=True)
class Candidate:
    """A pair that may be rated, and what the reward ensemble says of it."""

    key: int
    prompt: str
    code_a: str
    code_b: str
    differences: tuple[float, ...]
    """The score of B less that of A, calibrated to nats; one number a member, the same number of them in all pairs."""


@dataclass(frozen=True)
class Answer:
    """One of the programs drawn for a prompt, and what is known of it."""

    code: str
    passed: float | None = None
    """Share of the tests."""
    outcome: str | None = None
    """The verifier's."""
    scores: tuple[float, ...] = ()
    """Of the reward ensemble; one number a member."""


def disagreement(differences: Array) -> Array:
    """How far the members' differences of each pair lie apart: ``(pairs, members)`` to ``(pairs,)``.

    One member contradicts nobody: then it is ``information``, its own doubt.
    """
    if differences.shape[1] < 2:
        return information(differences)
    apart: Array = differences.std(1)
    return np.where(apart > _NEGLIGIBLE, apart, 0.0)


def information(differences: Array) -> Array:
    """What a rating of each pair tells about the members, in nats: ``(pairs, members)`` to ``(pairs,)``.

    One member contradicts nobody: then it is the label's entropy, which is hardly better than chance, and no worse, as
    diversity alone would be. Without any member, 1.
    """
    pairs, members = differences.shape
    if members == 0:
        return np.ones(pairs)
    chance = 1 / (1 + np.exp(-np.clip(differences, -30.0, 30.0)))
    known = _entropy(chance).mean(1) if members > 1 else 0.0
    gained: Array = np.maximum(_entropy(chance.mean(1)) - known, 0.0)
    return np.where(gained > _NEGLIGIBLE, gained, 0.0)  # rounding is no disagreement


def ranked(
    candidates: Sequence[Candidate], *, worth: Callable[[Array], Array] = disagreement, batch: int = BATCH
) -> list[int]:
    """The keys, the pair to rate first at the start.

    Those of which no rating is worth anything are ordered by what is new in each alone. A pair whose programs, up to
    layout, are each other's or another pair's of the prompt comes after all that are not.
    """
    if not candidates:
        return []
    rows = sorted(map(_oriented, candidates), key=lambda one: (_digest(one), one.key))
    differences = np.array([one.differences for one in rows], dtype=np.float64).reshape(len(rows), -1)
    values = np.maximum(worth(differences), _NEGLIGIBLE)
    order = _greedy(values, _directions(rows), _repeated(rows), batch=min(batch, len(rows)))
    return [rows[at].key for at in order]


def priorities(keys: Sequence[int]) -> dict[int, float]:
    """From 1 for the first key to -1 for the last: a pair that nobody has judged yet, at 0, is put in the middle."""
    last = max(len(keys) - 1, 1)
    return {key: 1.0 - 2.0 * place / last for place, key in enumerate(keys)}


def best_pair(answers: Sequence[Answer]) -> tuple[int, int] | None:
    """Which two answers to a prompt make the pair most worth rating; None where all are one program up to layout.

    First those that tests, verdicts and scores tell furthest apart, then those whose code differs most: of two that
    fail alike, raters say little.
    """
    pairs = [
        (at, other)
        for at, other in combinations(range(len(answers)), 2)
        if not alike(answers[at].code, answers[other].code)
    ]
    if not pairs:
        return None
    pieces = [_pieces(answer.code) for answer in answers]

    def worth(pair: tuple[int, int]) -> tuple[float, float]:
        one, other = (answers[at] for at in pair)
        return round(_told_apart(one, other), 9), round(1 - _cosine(*(pieces[at] for at in pair)), 9)

    most = max(map(worth, pairs))
    return min(
        (pair for pair in pairs if worth(pair) == most), key=lambda pair: sorted(answers[at].code for at in pair)
    )


def alike(one: str, other: str) -> bool:
    """Whether two programs are one up to layout and comments; what is no Python, up to white space."""
    if one == other or same_program(one, [other]):
        return True
    return one.split() == other.split() and parsed(one) is None and parsed(other) is None


def _entropy(chance: Array) -> Array:
    """In nats, of a coin."""
    chance = np.clip(chance, 1e-12, 1 - 1e-12)
    return -(chance * np.log(chance) + (1 - chance) * np.log1p(-chance))


def _greedy(worth: Array, directions: Array, repeated: Sequence[bool], *, batch: int) -> list[int]:
    """Rows by worth times the variance left, ``batch`` of them one after the other.

    The kernel is the squared cosine of the rows of ``directions``, so that neither end of a direction counts.
    """
    left = np.ones(len(worth))
    known = np.zeros((len(worth), batch))  # (pairs, chosen): the Cholesky factor's columns
    late = np.array(repeated)
    chosen: list[int] = []
    open_ = np.ones(len(worth), dtype=bool)
    for place in range(batch):
        # The best of those that repeat nothing, while there are any; of equal ones the first.
        eligible = open_ & ~late
        at = int(np.where(eligible if eligible.any() else open_, worth * left, -1.0).argmax())
        chosen.append(at)
        open_[at] = False
        likeness = (directions @ directions[at]) ** 2 - known[:, :place] @ known[at, :place]
        known[:, place] = likeness / np.sqrt(left[at] + _NOISE)
        left = np.maximum(left - known[:, place] ** 2, 0.0)
    rest = np.flatnonzero(open_)
    return chosen + [int(at) for at in rest[np.lexsort((rest, -(worth * left)[rest], late[rest]))]]


def _directions(rows: Sequence[Candidate]) -> Array:
    """``(pairs, places)``: in which pieces of code B differs from A, of length 1; 0 where in none."""
    found = np.stack([_counted(one.code_b) - _counted(one.code_a) for one in rows])
    lengths = np.linalg.norm(found, axis=1, keepdims=True)
    return found / np.where(lengths > 0, lengths, 1.0)


def _counted(code: str) -> Array:
    """How often each piece occurs, in the place and with the sign that its hash gives it."""
    counts = np.zeros(_PLACES)
    for piece, count in _pieces(code).items():
        digest = zlib.crc32(piece.encode(errors="replace"))
        counts[digest % _PLACES] += count if digest & 1 << 31 else -count
    return counts


def _pieces(code: str) -> dict[str, int]:
    """Runs of one to three tokens, and how often each occurs."""
    tokens = _nameless(code)
    counts: dict[str, int] = {}
    for size in range(1, _LONGEST + 1):
        for start in range(len(tokens) - size + 1):
            piece = " ".join(tokens[start : start + size])
            counts[piece] = counts.get(piece, 0) + 1
    return counts


def _nameless(code: str) -> list[str]:
    """The tokens, the code's own names numbered as they come, numbers and texts all the same."""
    names: dict[str, str] = {}
    found: list[str] = []
    for token in _TOKENS.findall(code.strip()):
        if token[0] in "\"'":
            found.append("text")
        elif token[0].isdigit():
            found.append("0")
        elif not token.isidentifier() or token in _KEPT or (found and found[-1] == "."):
            found.append(token)
        else:
            found.append(names.setdefault(token, f"name{len(names)}"))
    return found


def _told_apart(one: Answer, other: Answer) -> float:
    """How far evidence tells two answers apart, from 0 to 3: tests, verdicts, scores; what is unknown tells nothing."""
    apart = 0.0
    if one.passed is not None and other.passed is not None:
        apart += abs(one.passed - other.passed)
    elif (parsed(one.code) is None) != (parsed(other.code) is None):
        apart += 1.0
    if one.outcome is not None and other.outcome is not None:
        apart += float(one.outcome != other.outcome)
    if one.scores and other.scores:
        difference = np.mean(np.subtract(other.scores, one.scores))
        apart += abs(float(np.tanh(difference / 2)))
    return apart


def _cosine(one: Mapping[str, int], other: Mapping[str, int]) -> float:
    common = sum(count * other.get(piece, 0) for piece, count in one.items())
    lengths = sum(count**2 for count in one.values()) * sum(count**2 for count in other.values())
    return float(common / lengths**0.5) if lengths else 0.0


def _repeated(rows: Sequence[Candidate]) -> list[bool]:
    """Which rows compare what an earlier one of the prompt does, or one program with itself; all up to layout."""
    earlier: dict[str, list[Candidate]] = {}
    found = []
    for row in rows:
        others = earlier.setdefault(row.prompt, [])
        same = alike(row.code_a, row.code_b) or any(_same_pair(row, other) for other in others)
        if not same:
            others.append(row)
        found.append(same)
    return found


def _same_pair(one: Candidate, other: Candidate) -> bool:
    return (alike(one.code_a, other.code_a) and alike(one.code_b, other.code_b)) or (
        alike(one.code_a, other.code_b) and alike(one.code_b, other.code_a)
    )


def _oriented(one: Candidate) -> Candidate:
    """The same whichever side was called A, to the last digit."""
    turned = replace(one, code_a=one.code_b, code_b=one.code_a, differences=tuple(-value for value in one.differences))
    return min(one, turned, key=lambda pair: (pair.code_a, pair.differences))


def _digest(one: Candidate) -> str:
    """Sorts pairs by their content."""
    parts = (one.prompt, one.code_a, one.code_b)
    return hashlib.sha256("\0".join(parts).encode(errors="replace")).hexdigest()
