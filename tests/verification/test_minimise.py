"""Counterexamples are made smaller, and stay counterexamples."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verification.minimise import MOST, minimise, size
from verification.replay import Call, replay


def smallest(predicate: Callable[..., bool], *values: object, rounds: int = 4) -> tuple[object, ...]:
    def still_fails(calls: Sequence[Call]) -> list[bool]:
        return [predicate(*call.values) for call in calls]

    assert predicate(*values)
    return minimise(Call("f", values), still_fails, rounds=rounds).values


@pytest.mark.parametrize(
    ("predicate", "values", "expected"),
    [
        (lambda n: True, (123,), (0,)),
        (lambda n: n < 0, (-77,), (-1,)),
        (lambda n: n > 10, (5_000,), (11,)),
        (lambda a, b: b == 0, (17, 0), (0, 0)),
        (lambda xs: len(xs) > 1, ([3, 1, 2, 9],), ([0, 0],)),
        (lambda xs: -1 in xs, ([3, 1, -1, 9],), ([-1],)),
        (lambda xs, i: i >= len(xs), ([3, 1, 2], 3), ([], 0)),
        (lambda s: any(map(str.isupper, s)), ("hello World",), ("W",)),
        (lambda s: len(s) == 3, ("x²Z",), ("aaa",)),
        (lambda d, k: k not in d, ({"a": [1, 2], "b": []}, "zz"), ({}, "")),
        (lambda d: "b" in d, ({"a": [1], "b": [2, 3]},), ({"b": []},)),
        (lambda x: x > 1, (1e300,), (2.0,)),
        (lambda x: x != x, (math.nan,), (math.nan,)),
        (lambda t: t[1] != "", ((5, "xyz"),), ((0, "a"),)),
        (lambda s: 9 in s, ({3, 9, 10},), ({9},)),
        (lambda m: [] in m and len(m) > 1, ([[1, 2], [], [3]],), ([[], []],)),
        (lambda x: x is None, (None,), (None,)),
        (lambda b: True, (True,), (False,)),
    ],
)
def test_what_does_not_matter_goes(
    predicate: Callable[..., bool], values: tuple[object, ...], expected: tuple[object, ...]
) -> None:
    assert str(smallest(predicate, *values, rounds=12)) == str(expected)


def test_named_arguments_shrink_as_well() -> None:
    call = Call("f", ([1, 2],), (("key", "abc"), ("n", 7)))
    small = minimise(call, lambda calls: [dict(one.keywords)["n"] > 3 for one in calls], rounds=12)
    assert str(small) == "f([], key='', n=4)"


def test_a_round_asks_about_many_calls_at_once() -> None:
    batches: list[int] = []

    def still_fails(calls: Sequence[Call]) -> list[bool]:
        batches.append(len(calls))
        return [len(call.values[0]) > 980 for call in calls]  # type: ignore[arg-type]

    small = minimise(Call("f", ([0] * 1_100,)), still_fails)
    assert str(small) == "f([0] * 981)"
    assert len(batches) <= 4
    assert 0 < max(batches) <= MOST


def test_nothing_is_asked_where_nothing_is_smaller() -> None:
    call = Call("f", (0, "", [], None, False))

    def still_fails(calls: Sequence[Call]) -> list[bool]:
        raise AssertionError("there was nothing to try")

    assert minimise(call, still_fails) is call


def test_an_answer_for_each_call_is_demanded() -> None:
    with pytest.raises(ValueError, match="shorter"):
        minimise(Call("f", (9,)), lambda calls: [])


@pytest.mark.parametrize(
    ("smaller", "larger"),
    [
        ((0,), (1,)),
        ((1,), (-1,)),
        ((-1,), (2,)),
        (("a",), ("b",)),
        (("bb",), ("aaa",)),
        (([5],), ([0, 0],)),
        (([],), ([[]],)),
        ((0.0,), (-0.0,)),
        ((2.0,), (1e308,)),
        ((1e308,), (math.inf,)),
        (({1: 1},), ({1: 1, 2: 2},)),
    ],
)
def test_sizes_are_in_the_stated_order(smaller: tuple[object, ...], larger: tuple[object, ...]) -> None:
    assert size(Call("f", smaller)) < size(Call("f", larger))


SCALARS = st.none() | st.booleans() | st.integers(-300, 300) | st.floats() | st.text(max_size=6)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=2) | st.integers(-9, 9), inner, max_size=3)
        | st.sets(st.integers(-9, 9) | st.text(max_size=2), max_size=4)
    ),
    max_leaves=8,
)


def shape(value: Any) -> object:
    """What must stay as it is: the type, and of tuples the length."""
    return [type(value), *map(shape, value)] if isinstance(value, tuple) else type(value)


@settings(deadline=None, derandomize=True)
@given(st.lists(VALUES, min_size=1, max_size=3), st.integers(0, 2**32))
def test_the_result_still_fails_and_is_no_larger(values: list[object], salt: int) -> None:
    """Whatever it is that fails; here, calls whose text has some checksum, the given one among them."""
    call = Call("f", tuple(values))

    def fails(one: Call) -> bool:
        return str(one) == str(call) or sum(map(ord, str(one))) * (salt | 1) % 7 < 3

    small = minimise(call, lambda calls: [fails(one) for one in calls])
    assert fails(small)
    assert small is call or size(small) < size(call)
    assert [shape(value) for value in small.values] == [shape(value) for value in values]
    assert str(minimise(call, lambda calls: [fails(one) for one in calls])) == str(small)


def test_a_counterexample_shrinks_in_the_sandbox() -> None:
    source = "def f(xs: list[int], k: int) -> int:\n    return max(xs) // k if len(xs) > 1 else 0\n"

    def still_fails(calls: Sequence[Call]) -> list[bool]:
        seen, _ = replay(source, calls)
        return [one.exception == "ZeroDivisionError" for one in seen]

    small = minimise(Call("f", ([7, -3, 12, 5], 0)), still_fails)
    assert str(small) == "f([0, 0], 0)"
