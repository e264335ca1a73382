import datetime
import math
import time
from collections import deque
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verification.sandbox import codec, frames
from verification.sandbox.codec import Unserialisable
from verification.sandbox.comparison import matches
from verification.sandbox.testspec import CHECKS, Check, holds

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters())
    | st.binary()
    | st.decimals(allow_nan=False, places=3)
    | st.fractions()
    | st.dates()
    | st.datetimes()
    | st.times()
    | st.timedeltas()
    | st.complex_numbers(allow_nan=False)
)
HASHABLE = st.recursive(SCALARS, lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=3), max_leaves=6)
VALUES = st.recursive(
    HASHABLE,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(HASHABLE, inner, max_size=3)
        | st.sets(HASHABLE, max_size=3)
        | st.lists(inner, max_size=3).map(deque)
    ),
    max_leaves=10,
)
TAGS = [*codec.SEQUENCES, *codec._SCALARS, "d", "?"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(TAGS),
    lambda inner: st.lists(inner, max_size=5) | st.tuples(st.sampled_from(TAGS), inner, inner).map(list),
    max_leaves=20,
)


@given(VALUES)
@settings(max_examples=60, deadline=None)
def test_a_value_comes_back_as_it_was(value: Any) -> None:
    wire = frames.loads(frames.dumps(codec.encode(value)))

    decoded = codec.decode(wire)

    assert decoded == value
    assert type(decoded) is type(value)
    assert matches(value, wire)


@given(VALUES, VALUES)
@settings(max_examples=60, deadline=None)
def test_matching_is_pythons_equality(expected: Any, claimed: Any) -> None:
    assert matches(expected, codec.encode(claimed)) == (expected == claimed)


@given(VALUES, JSON)
@settings(max_examples=100, deadline=None)
def test_hostile_messages_neither_match_by_accident_nor_break_the_reader(expected: Any, wire: Any) -> None:
    matched = matches(expected, wire)
    try:
        value = codec.decode(wire)
    except Unserialisable:
        assert not matched
    else:
        assert matched == (expected == value)
    for operator in CHECKS:
        holds(Check(0, operator, expected if operator not in ("near", "near or at") else (1, 2)), wire)


@given(st.binary(max_size=200), st.lists(st.integers(1, 50), max_size=20))
@settings(max_examples=60, deadline=None)
def test_hostile_bytes_are_refused_or_left(data: bytes, cuts: list[int]) -> None:
    splitter = frames.Splitter(150)
    for cut in cuts:
        splitter.feed(data[:cut])
        data = data[cut:]
    try:
        list(splitter.messages())
    except Unserialisable:
        pass


@given(st.lists(JSON, max_size=5), st.integers(1, 30))
@settings(max_examples=60, deadline=None)
def test_messages_survive_any_splitting(messages: list[Any], size: int) -> None:
    sent = b"ready\n" + b"".join(map(frames.pack, messages))
    splitter = frames.Splitter(1 << 20)

    for start in range(0, len(sent), size):
        splitter.feed(sent[start : start + size])

    assert splitter.confined
    assert repr(list(splitter.messages())) == repr(messages)


def test_what_is_said_past_the_limit_is_not_kept() -> None:
    splitter = frames.Splitter(10)

    for _ in range(1000):
        splitter.feed(b"x" * 1000)

    assert splitter.overrun
    assert len(splitter._buffer) == 0


COLLIDING = [i * (2**61 - 1) for i in range(1, 20_000)]


@pytest.mark.parametrize(
    ("expected", "wire"),
    [
        ({1, 2}, ["s", *COLLIDING]),
        (set(range(len(COLLIDING))), ["s", *COLLIDING]),
        ({1: 2}, ["d", *([key, 0] for key in COLLIDING)]),
        (dict.fromkeys(range(len(COLLIDING))), ["d", *([key, None] for key in COLLIDING)]),
        (0, ["s", *COLLIDING]),
        ([1], ["l", ["s", *COLLIDING]]),
        (1, ["t", *[["t", key] for key in COLLIDING]]),
    ],
)
def test_keys_made_to_collide_cost_the_reader_nothing(expected: Any, wire: Any) -> None:
    started = time.process_time()

    assert not matches(expected, wire)
    assert time.process_time() - started < 2
    if wire[0] in ("s", "d"):
        with pytest.raises(Unserialisable, match="collide"):
            codec.decode(wire)


@pytest.mark.parametrize(
    "wire",
    [
        [],
        ["nothing"],
        [["l"]],
        {"l": 1},
        ["i", "9" * 10 + "z"],
        ["i", 5],
        ["D", "1" * 100_000],
        ["D", "one"],
        ["F", 1, 0],
        ["F", ["i", "0x" + "f" * 100_000], 3],
        ["r", 1.5, 2, 3],
        ["r", 1, 2, 0],
        ["c", 1, 2],
        ["dd", "2020-13-01"],
        ["td", 10**30, 0, 0],
        ["T", "eval"],
        ["s", ["l"]],
        ["d", [["l"], 1]],
        ["d", [1]],
        ["E", 1, 2, 3],
        ["o", "A", [[1, 2]]],
        ["o", "A", 5],
    ],
    ids=repr,
)
def test_a_malformed_value_is_refused(wire: Any) -> None:
    with pytest.raises(Unserialisable):
        codec.decode(wire)
    assert not matches(1, wire)


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[" * 100_000, b"1" * 5000, b"\xff", b'"\\ud8"', b"nul"], ids=lambda data: repr(data[:9])
)
def test_bytes_that_are_no_message_are_refused(data: bytes) -> None:
    with pytest.raises(Unserialisable):
        codec.loads(data)


@pytest.mark.parametrize(
    "value", [object(), print, math, lambda: 0, ValueError("x"), open], ids=lambda value: type(value).__name__
)
def test_a_value_of_no_plain_kind_is_refused(value: Any) -> None:
    with pytest.raises(Unserialisable):
        codec.encode(value)


def test_numbers_are_compared_as_python_compares_them() -> None:
    for expected, claimed in [(1, True), (1, 1.0), (0.5, Fraction(1, 2)), (2, Decimal("2.0")), ({1: 2}, {True: 2.0})]:
        assert matches(expected, codec.encode(claimed))
    for expected, claimed in [
        (1, "1"),
        ([1], (1,)),
        (b"a", "a"),
        (math.nan, math.nan),
        (datetime.date(2020, 1, 1), None),
    ]:
        assert not matches(expected, codec.encode(claimed))
