"""Which pairs are rated next (training.selection)."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.selection import Answer, Candidate, alike, best_pair, disagreement, information, priorities, ranked

SHORT = "def f(xs: list[int]) -> int:\n    return max(xs)"
GUARDED = "def f(xs: list[int]) -> int:\n    return max(xs) if xs else 0"
LOOP = "def f(xs: list[int]) -> int:\n    best = xs[0]\n    for x in xs:\n        best = max(best, x)\n    return best"
RENAMED = "def g(values: list[int]) -> int:\n    return max(values)"
RENAMED_GUARDED = "def g(values: list[int]) -> int:\n    return max(values) if values else 7"
BROKEN = "def f(xs: list[int]) -> int:\n    return max(xs"
CODES = [SHORT, GUARDED, LOOP, RENAMED, BROKEN, "def f(x):\n    return x", ""]


def pair(key: int, a: str, b: str, *differences: float, prompt: str = "largest") -> Candidate:
    return Candidate(key, prompt, a, b, differences)


def test_members_that_contradict_each_other_are_told_more_than_ones_that_all_say_even_odds() -> None:
    rows = np.array([[4.0, -4.0], [0.0, 0.0], [4.0, 4.0], [0.5, -0.5]])
    contradiction, even, sure, mild = information(rows)
    assert contradiction == pytest.approx(math.log(2) - 0.0901, abs=1e-3)
    assert even == sure == 0.0
    assert 0.0 < mild < contradiction


@given(st.lists(st.lists(st.floats(-50, 50), min_size=3, max_size=3), min_size=1, max_size=8))
def test_information_is_between_nothing_and_one_bit_and_the_same_for_the_sides_exchanged(
    rows: list[list[float]],
) -> None:
    found = information(np.array(rows))
    assert ((found >= 0.0) & (found <= math.log(2) + 1e-9)).all()
    assert information(-np.array(rows)) == pytest.approx(found, abs=1e-9)


def test_one_member_has_only_its_own_doubt_and_none_has_nothing_to_say() -> None:
    assert information(np.array([[0.0], [3.0], [-3.0]])) == pytest.approx([math.log(2), 0.1909, 0.1909], abs=1e-3)
    assert information(np.zeros((2, 0))).tolist() == [1.0, 1.0]
    for rows in (np.array([[0.0], [3.0], [-3.0]]), np.zeros((2, 0))):
        assert disagreement(rows).tolist() == information(rows).tolist()


def test_disagreement_is_the_members_spread_and_nothing_where_they_are_of_one_mind() -> None:
    assert disagreement(np.array([[4.0, -4.0], [3.0, 3.0], [0.1 + 0.2, 0.3]])).tolist() == [4.0, 0.0, 0.0]


def test_disagreement_comes_first() -> None:
    rows = [pair(1, SHORT, LOOP, 0.0, 0.0), pair(2, SHORT, GUARDED, 3.0, -3.0), pair(3, LOOP, GUARDED, 0.4, -0.4)]
    assert ranked(rows) == ranked(rows, worth=information) == [2, 3, 1]


def test_the_second_pair_is_not_the_first_one_again_under_other_names() -> None:
    rows = [
        pair(1, SHORT, GUARDED, 3.0, -3.0),
        pair(2, RENAMED, RENAMED_GUARDED, 2.9, -2.9, prompt="greatest"),
        pair(3, SHORT, LOOP, 1.5, -1.5),
    ]
    assert ranked(rows) == [1, 3, 2]


def test_of_identical_pairs_one_comes_after_all_others_however_much_is_said_of_it() -> None:
    rows = [
        pair(1, SHORT, GUARDED, 3.0, -3.0),
        pair(2, GUARDED + "  # the same\n", SHORT, 3.0, -3.0),
        pair(3, SHORT, SHORT + "\n\n", 3.0, -3.0),
        pair(4, SHORT, LOOP, 0.0, 0.0),
        pair(5, SHORT, "def f(x):\n    return x", 0.0, 0.0),
    ]
    order = ranked(rows)
    assert order[0] in (1, 2)
    assert set(order[1:3]) == {4, 5}
    assert set(order[3:]) == ({1, 2} - {order[0]}) | {3}


def test_of_one_member_and_of_none_an_order_is_made_all_the_same() -> None:
    rows = [pair(1, SHORT, GUARDED, 5.0), pair(2, RENAMED, RENAMED_GUARDED, 4.0), pair(3, SHORT, LOOP, 5.5)]
    assert sorted(ranked(rows)) == [1, 2, 3]
    silent = [replace(row, differences=()) for row in rows]
    assert ranked(silent)[2] in (1, 2)  # the two that are alike are not both at the start
    assert ranked([]) == []
    assert ranked(rows[:1]) == [1]


candidates = st.lists(
    st.tuples(
        st.sampled_from(["largest", "greatest"]),
        st.sampled_from(CODES),
        st.sampled_from(CODES),
        st.tuples(*[st.sampled_from([-4.0, -0.3, 0.0, 0.7, 5.0])] * 3),
    ),
    max_size=9,
)


@given(candidates, st.randoms(use_true_random=False), st.sampled_from([1, 3, 100]))
@settings(max_examples=30, deadline=None)
def test_neither_the_order_of_the_pairs_nor_which_side_is_called_a_matters(
    found: list[tuple[str, str, str, tuple[float, ...]]], chance: random.Random, batch: int
) -> None:
    rows = [Candidate(key, prompt, a, b, said) for key, (prompt, a, b, said) in enumerate(found)]
    order = ranked(rows, batch=batch)
    assert sorted(order) == list(range(len(rows)))
    moved = [
        row
        if chance.random() < 0.5
        else Candidate(row.key, row.prompt, row.code_b, row.code_a, tuple(-one for one in row.differences))
        for row in rows
    ]
    chance.shuffle(moved)
    assert ranked(moved, batch=batch) == order


@given(candidates)
@settings(max_examples=30, deadline=None)
def test_a_pair_and_its_copy_are_never_the_first_two_where_there_is_another(
    found: list[tuple[str, str, str, tuple[float, ...]]],
) -> None:
    rows = [Candidate(key, prompt, a, b, said) for key, (prompt, a, b, said) in enumerate(found)]
    order = [rows[key] for key in ranked([*rows, *(replace(row, key=row.key + 100) for row in rows)]) if key < 100]
    kinds = {(row.prompt, frozenset((row.code_a, row.code_b))) for row in rows if not alike(row.code_a, row.code_b)}
    first = [(row.prompt, frozenset((row.code_a, row.code_b))) for row in order[: len(kinds)]]
    assert len(order) == len(rows)
    assert len(set(first)) <= len(kinds)


def test_priorities_fall_from_one_to_minus_one() -> None:
    assert priorities([7, 3, 5]) == {7: 1.0, 3: 0.0, 5: -1.0}
    assert priorities([7]) == {7: 1.0}
    assert priorities([]) == {}


def test_programs_are_alike_up_to_layout_and_comments_valid_or_not() -> None:
    assert alike(SHORT, SHORT.replace("    return", "        return") + "  # the largest\n")
    assert alike(BROKEN, BROKEN + "\n\n")
    assert not alike(SHORT, GUARDED)
    assert not alike(SHORT, BROKEN)
    inside = "def f(x):\n    if x:\n        x += 1\n        return x"
    assert not alike(inside, inside.replace("        return", "    return"))


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ([], None),
        ([Answer(SHORT)], None),
        ([Answer(SHORT), Answer(SHORT + "\n")], None),
        ([Answer(SHORT), Answer(SHORT + "\n"), Answer(GUARDED)], (0, 2)),
        # tests
        ([Answer(SHORT, passed=0.5), Answer(LOOP, passed=0.5), Answer(GUARDED, passed=1.0)], (1, 2)),
        # verdicts
        ([Answer(SHORT, 1.0, "proved"), Answer(GUARDED, 1.0, "refuted"), Answer(LOOP, 1.0, "refuted")], (0, 2)),
        # scores
        ([Answer(SHORT, scores=(1.0, 2.0)), Answer(GUARDED, scores=(-3.0,) * 2), Answer(LOOP, scores=(1.0,) * 2)], (0, 1)),
        # nothing known but whether it is Python
        ([Answer(SHORT), Answer(GUARDED), Answer(BROKEN)], (1, 2)),
    ],
)  # fmt: skip
def test_the_answers_to_compare_are_those_that_most_tells_apart(
    answers: list[Answer], expected: tuple[int, int] | None
) -> None:
    assert best_pair(answers) == expected
