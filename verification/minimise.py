"""Makes a counterexample smaller: numbers nearer to zero, shorter texts and containers, simpler things in them.

Greedy, in rounds. In each, many ways to make the call smaller are tried at once, so that a round costs one job in the
sandbox, and the smallest call that still fails is taken. Values keep their types, and tuples their lengths.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from verification.replay import Call, literal

MOST = 64
"""Calls that one round tries, and things in a value of which each is tried on its own."""

LOOKED_AT = 2 * MOST
"""Calls of which it is seen whether they are smaller."""

INFINITE = 1 << 2000
"""The magnitude of what is no number or has none; beyond that of every float."""

_T = TypeVar("_T")
_S = TypeVar("_S", str, bytes, list[Any])


def minimise(call: Call, still_fails: Callable[[Sequence[Call]], Sequence[bool]], *, rounds: int = 4) -> Call:
    """The smallest failing call that was found, in the order of `size`; at worst the given one.

    `still_fails` says of each of several calls whether it fails as the given one does, which is not asked about.
    """
    for _ in range(rounds):
        candidates = _smaller(call)
        if not candidates:
            break
        failing = [one for one, fails in zip(candidates, still_fails(candidates), strict=True) if fails]
        if not failing:
            break
        call = min(failing, key=_order)
    return call


def size(call: Call) -> tuple[int, int]:
    """(parts, how far numbers are from zero and characters from plain ones); smaller is what comes first.

    A scalar, a character, a container and each thing in it is a part.
    """
    values = _values(call)
    return sum(map(_parts, values)), sum(map(_magnitude, values))


def _order(call: Call) -> tuple[tuple[int, int], int, str]:
    """By size, and among calls of one size by text."""
    return size(call), len(str(call)), str(call)


def _smaller(call: Call) -> list[Call]:
    """Calls of smaller sizes, at most `MOST`, the boldest first."""
    values = _values(call)
    every = [next(_shrunk(value), value) for value in values]
    one = _in_turn(*(_with_each(values, at, _shrunk(value)) for at, value in enumerate(values)))
    limit, found = size(call), dict[str, Call]()
    for row in itertools.chain([every], itertools.islice(one, LOOKED_AT)):
        candidate = _with_values(call, row)
        if len(found) < MOST and size(candidate) < limit:
            found[str(candidate)] = candidate
    return list(found.values())


def _values(call: Call) -> list[object]:
    return [*call.values, *(value for _, value in call.keywords)]


def _with_values(call: Call, values: Sequence[object]) -> Call:
    positional = len(call.values)
    names = [name for name, _ in call.keywords]
    return replace(
        call, values=tuple(values[:positional]), keywords=tuple(zip(names, values[positional:], strict=True))
    )


def _with_each(values: Sequence[_T], at: int, others: Iterable[_T]) -> Iterator[list[_T]]:
    """The values with each of the others in one place."""
    return ([*values[:at], other, *values[at + 1 :]] for other in others)


def _in_turn(*streams: Iterable[_T]) -> Iterator[_T]:
    """One of each, until all have ended."""
    waiting = [iter(stream) for stream in streams]
    while waiting:
        for stream in list(waiting):
            try:
                yield next(stream)
            except StopIteration:
                waiting.remove(stream)


# --- size


def _parts(value: object) -> int:
    if type(value) in _SCALARS:
        return 1
    if isinstance(value, str | bytes):
        return 1 + len(value)
    return 1 + sum(map(_parts, _held(value)))


def _magnitude(value: object) -> int:
    """Negative numbers come after positive ones, fractions after whole ones, letters and digits after 'a'."""
    if isinstance(value, int):
        return 4 * abs(value) + (value < 0)
    if isinstance(value, str):
        return sum(0 if letter == "a" else 1 if letter in _PLAIN else 2 for letter in value)
    if isinstance(value, float):
        if not math.isfinite(value):
            return INFINITE
        return 4 * abs(int(value)) + 2 * (value != int(value)) + (math.copysign(1, value) < 0)
    return sum(map(_magnitude, _held(value)))


_SCALARS = frozenset((int, float, bool, type(None)))
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyz0123456789")


def _held(value: object) -> list[object]:
    if isinstance(value, dict):
        return [*value, *value.values()]
    return list(value) if isinstance(value, list | tuple | set | frozenset) else []


# --- smaller values of the same type, the boldest first


def _shrunk(value: object) -> Iterator[object]:
    if isinstance(value, bool):
        return iter([False])
    if isinstance(value, int):
        return _integers(value)
    if isinstance(value, float):
        return _floats(value)
    if isinstance(value, str):
        return itertools.chain(_slices(value), _letters(value))
    if isinstance(value, bytes):
        return _slices(value)
    if isinstance(value, list):
        return itertools.chain(_slices(value), _with_smaller(value))
    if isinstance(value, tuple):
        return map(tuple, _with_smaller(value))
    if isinstance(value, set | frozenset):
        return _sets(value)
    return _dicts(value) if isinstance(value, dict) else iter(())


def _integers(value: int) -> Iterator[int]:
    yield from (0, 1, -1, -value)
    sign = 1 if value > 0 else -1
    yield from (sign * share for share in _shares(abs(value)))
    yield value - sign


def _shares(whole: int) -> Iterator[int]:
    return (whole * part // 64 for part in (8, 16, 32, 48, 56, 60, 62, 63))


def _floats(value: float) -> Iterator[float]:
    yield from (0.0, 1.0, -1.0, 0.5, 2.0, -2.0, -value)
    if not math.isfinite(value):
        yield from (1e308, -1e308)
        return
    root = math.copysign(math.sqrt(abs(value)), value)
    yield from (float(f"{root:.0e}"), float(f"{value:.0e}"), float(int(value)), value / 2)


def _slices(value: _S) -> Iterator[_S]:
    """Beginnings and ends, then all with one item left out."""
    length: int = len(value)
    for kept in (0, 1, 2, 3, *_shares(length)):
        if kept < length:
            yield value[:kept]
            yield value[length - kept :]
    for at in range(min(length, MOST)):
        yield value[:at] + value[at + 1 :]


def _letters(value: str) -> Iterator[str]:
    """Plainer texts of the same length."""
    yield "a" * len(value)
    for at in range(min(len(value), MOST)):
        for plain in "a0":
            yield value[:at] + plain + value[at + 1 :]


def _with_smaller(values: Sequence[Any]) -> Iterator[list[Any]]:
    """One item smaller, in each place in turn."""
    return _in_turn(*(_with_each(list(values), at, _shrunk(value)) for at, value in enumerate(values[:MOST])))


def _sets(value: set[object] | frozenset[object]) -> Iterator[object]:
    items = _ordered(value)
    for fewer in itertools.chain(_slices(items), _with_smaller(items)):
        yield type(value)(fewer)


def _dicts(value: dict[object, object]) -> Iterator[dict[object, object]]:
    items: list[Any] = list(value.items())
    for fewer in itertools.chain(_slices(items), _with_smaller(items)):
        yield dict(fewer)


def _ordered(values: Iterable[object]) -> list[Any]:
    """The same order in every process."""
    return sorted(values, key=literal)
