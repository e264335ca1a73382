"""Telling inputs by annotated type: those on which functions break that language models write.

Each kind has a column of values, the emptiest first, the singleton second, a typical one fourth. The rows for several
parameters are a typical row with each parameter varied on its own, pairs that stand in some relation (a key that is
missing, an index past the end, texts of which one is part of the other), and the columns side by side.

An annotation promises every value of its type, `Any` as much as `object`. A bare ``list`` is taken to hold integers,
which is how it is mostly meant.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from random import Random
from typing import Any, TypeVar

from verification.replay import literal
from verification.symbolic.inputs import Kind, Parameter, alternatives

Row = tuple[object, ...]
Column = tuple[object, ...]
_T = TypeVar("_T")

LONGEST = 24
"""Values of one kind."""

TYPICAL = 3
"""The place in each column of a value that is neither empty nor odd."""

DEEP = 2_500
"""Beyond Python's recursion limit, in steps of two as well; a table of so many rows and columns still fits."""

LARGE = 20_000
"""As large as math.factorial and the like, which no count of lines ends, may get without a long wait."""

TELLING = 24
"""Rows that may be large; all others are modest."""

MODEST = 100
"""Numbers and sizes of further calls, which are many."""

LONG = 1_100
"""A length beyond Python's recursion limit."""

_NAN, _INFINITY = float("nan"), float("inf")

_SCALARS: dict[str, Column] = {
    "None": (None,),
    "bool": (False, True),
    "int": (0, 1, -1, 2, 3, 10, -7, DEEP, 4, 5, 7, 100, -10, 12, 6, 8, 9, 25, 121, 97, 50, 1234, -100, LARGE),
    "float": (
        *(0.0, 1.0, -1.0, 0.5, 2.5, 1e308, -0.0, 1e-308, -1e308, _INFINITY, _NAN, -_INFINITY),
        *(1000.0, -1000.0, 3.0, -750.0, 1e-9, 1e180, 0.1, 1.7e308, -2.5, 1e16),
    ),
    "str": (
        *("", "a", " ", "Ab 1", "aa", "12", "²", "-7", "racecar", "Hello, World!", "\n", ")(", "3.5", "a,b,,c", "0"),
        *("a=1=b", "  two  words ", "aAbB", "(()", "12:30", "İß", "()[]{}", "1.2.3", "a" * LONG),
    ),
    "bytes": (b"", b"a", b"\x00\xff", b"abc"),
    "object": (None, 0, "", [1, 2], [], 1, "a", 1.5, {}, True, (1, 2), {"a": 1}, -1, "Ab 1", [1, "a", None], set()),
}
_LISTS: dict[str, tuple[list[Any], ...]] = {
    "int": (
        *([], [1], [0], [3, 1, 2], [2, 2], [-1], [1, 2, 3, 4, 5], [-3, 0, 5], [5, 4, 3, 2, 1], [0, 0, 0], [1, -1]),
        *([1, 2, 2, 3, 1], [10**4, -(10**4), 7], [2, 7, 11, 15], [-5, -2, -9], [7, 1, 5, 3, 6, 4], [1, 2], [2, 1]),
        *([0, 1], [-2, 1, -3, 4, -1, 2, 1, -5, 4], [10, 10, 10, 1], [0, 1, 0, 3, 12], [0] * LONG),
    ),
    "float": (
        *([], [1.0], [0.0], [2.5, -1.0, 0.5], [1.0, 1.0], [-1.0], [1.7e308, 1.7e308], [0.1, 0.2, 0.3], [_NAN, 1.0]),
        *([_INFINITY, -_INFINITY], [1.0, 2.0, 3.0, 4.0], [-0.0], [1e-308], [1.7e308, -1.7e308], [1e16, 1.0]),
    ),
    "str": (
        *([], ["a"], [""], ["b", "a", "c"], ["a", "a"], ["Ab 1", "", "²"], ["flower", "flow", "flight"], ["1", "x"]),
        *(["a", "bb", "ccc"], ["eat", "tea", "tan"], ["Hello", "World"], ["a", "A"], [" ", "\n"], ["10", "9", "-1"]),
        *(["x=1", "y"], ["a", "b", "a", "b"]),
    ),
    "list[int]": (
        *([], [[1]], [[]], [[1, 2], [3, 4]], [[1], [2, 3]], [[], []], [[1, 2, 3]], [[1], [2], [3]], [[], [1]]),
        *([[1, 2, 3], [4, 5, 6], [7, 8, 9]], [[1, 2], [3]], [[0, 0], [0, 0]], [[-1, 5], [2, -3]], [[2, 1]]),
        *([[1, 3], [2, 6], [8, 10]], [[1, 1], [1, 1]], [[1, 2, 3], [4, 5, 6]], [[0]], [[1, 0], [0, 1]]),
    ),
    "tuple[int, int]": (
        *([], [(1, 2)], [(0, 0)], [(1, 3), (2, 6), (8, 10)], [(2, 1)], [(1, 1), (1, 1)], [(0, 1), (1, 2), (2, 0)]),
        *([(-1, 0)], [(1, 4), (4, 5)], [(5, 6), (1, 2)], [(1, 10), (2, 3)], [(0, 1), (0, 2)]),
    ),
}
"""Lists of what functions most often take, by what they hold."""

_FORMS = ((), (1,), (0,), (3, 1, 2), (1, 1), (1, 4), (2,), (0, 0), (4, 3, 5, 1), (0, 1), (3,), (5, 6), (7,), (2, 5, 4))
"""Lists of other things, as places in the column of what they hold; lists of lists are hence ragged, too."""

_KEYS: dict[str, Column] = {"str": ("a", "b", "c", "", "Ab 1"), "int": (1, 2, 3, 0, -1)}
"""What dicts of the kind are most often keyed by."""

_RELATED: dict[str, tuple[tuple[object, object], ...]] = {
    "int": ((10, 3), (3, 10), (-7, 2), (7, -2)),
    "float": ((1e308, 1e308), (1e308, 1e-9), (-1e308, 1e308), (1.0, 3.0)),
    "str": (("abcabc", "b"), ("abcabc", "z"), ("abc", "abcd"), ("aab", "aba"), ("", "a"), ("a", "")),
}
"""For two parameters of one kind."""

_ABSENT: dict[str, object] = {"int": 99, "float": 99.5, "str": "zz"}
"""What no typical container holds."""

_BARE = {
    "list": Kind("list", (Kind("int"),)),
    "tuple": Kind("tuple...", (Kind("int"),)),
    "set": Kind("set", (Kind("int"),)),
    "frozenset": Kind("frozenset", (Kind("int"),)),
    "dict": Kind("dict", (Kind("str"), Kind("int"))),
}
_ALIASES = {
    "Any": "object",
    "Text": "str",
    "Mapping": "dict",
    "MutableMapping": "dict",
    "MutableSequence": "list",
    "Collection": "list",
    "AbstractSet": "set",
    "FrozenSet": "frozenset",
}


def calls_for(parameters: Sequence[Parameter], most: int) -> list[Row]:
    """At most so many rows of arguments, the most telling ones first; the same ones everywhere.

    None where a parameter's annotation is missing or names a type without an obvious value: what the function is meant
    to take can't be guessed.
    """
    kinds = _kinds(parameters)
    return [] if kinds is None else list(_rows_for(kinds, most))


def further_calls_for(parameters: Sequence[Parameter], done: int, most: int) -> list[Row]:
    """So many more rows than the first `done`: what is left of the telling ones, then some drawn at random, always the
    same ones."""
    kinds = _kinds(parameters)
    return list(_further_rows_for(kinds, done, most)) if kinds else []


def _kinds(parameters: Sequence[Parameter]) -> tuple[Kind, ...] | None:
    """None where one is missing or not understood."""
    kinds = tuple(_builtin(parameter.kind) for parameter in parameters if parameter.kind is not None)
    return kinds if len(kinds) == len(parameters) else None


@functools.lru_cache(maxsize=256)
def _rows_for(kinds: tuple[Kind, ...], most: int) -> tuple[Row, ...]:
    columns = [column(kind) for kind in kinds]
    return tuple(itertools.islice(_distinct(_rows(kinds, columns)), most)) if all(columns) else ()


@functools.lru_cache(maxsize=256)
def _further_rows_for(kinds: tuple[Kind, ...], done: int, most: int) -> tuple[Row, ...]:
    columns = [column(kind) for kind in kinds]
    if not all(columns):
        return ()
    told = _rows_for(kinds, TELLING)
    known = set(map(literal, told))
    every = itertools.chain(_rows(kinds, columns), itertools.islice(_drawn(kinds), 4 * (done + most)))
    modest = _distinct(row for row in every if all(map(_is_modest, row)))
    fresh = (row for row in itertools.islice(modest, done + most) if literal(row) not in known)
    return tuple(itertools.islice(itertools.chain(told[done:], fresh), most))


def _is_modest(value: object) -> bool:
    """Whether it is small enough that hardly a function takes long over it."""
    if isinstance(value, int):
        return abs(value) <= MODEST
    if isinstance(value, dict):
        return all(map(_is_modest, (*value.keys(), *value.values())))
    if isinstance(value, list | tuple | set | frozenset):
        return len(value) <= MODEST and all(map(_is_modest, value))
    return not isinstance(value, str) or len(value) <= MODEST


@functools.lru_cache(maxsize=1024)
def column(kind: Kind) -> Column:
    """Values of a kind; none where there is no obvious one."""
    kind = _builtin(kind)
    if kind.name in _SCALARS and not kind.arguments:
        return _SCALARS[kind.name]
    inner = [column(part) for part in kind.arguments]
    make = _COLUMNS.get(kind.name)
    if make is None or not inner or not all(inner):
        return ()
    return tuple(itertools.islice(_distinct(make(kind.arguments, inner)), LONGEST))


def _builtin(kind: Kind) -> Kind:
    """The kind by the names of builtin types, all the way down."""
    plain = Kind(_ALIASES.get(kind.name, kind.name), tuple(map(_builtin, kind.arguments)))
    return plain if plain.arguments else _BARE.get(plain.name, plain)


def _distinct(values: Iterable[_T]) -> Iterator[_T]:
    seen = set()
    for value in values:
        key = repr(value)
        if "{" in key:
            key = literal(value)  # as sets are written in any order
        if key not in seen:
            seen.add(key)
            yield value


def _in_turn(*streams: Iterable[_T]) -> Iterator[_T]:
    """One of each, until all have ended."""
    waiting = [iter(stream) for stream in streams]
    while waiting:
        for stream in list(waiting):
            try:
                yield next(stream)
            except StopIteration:
                waiting.remove(stream)


# --- rows


def _rows(kinds: Sequence[Kind], columns: Sequence[Column]) -> Iterator[Row]:
    """All empty, all singletons, all typical; then the ways to depart from that in turn."""
    typical = _typical(kinds)
    yield tuple(values[0] for values in columns)
    yield tuple(_at(values, 1) for values in columns)
    yield typical
    yield from _in_turn(_varied(typical, columns), _related(typical, kinds), _side_by_side(columns))


def _typical(kinds: Sequence[Kind]) -> Row:
    """What one parameter looks up in another is there."""
    row = [_at(column(_chief(kind)), TYPICAL) for kind in kinds]
    for first, second in itertools.permutations(range(len(kinds)), 2):
        members = _members(_chief(kinds[first]), _chief(kinds[second]), row[first])
        if members and row[second] not in members:
            row[second] = members[0]
    return tuple(row)


def _members(first: Kind, second: Kind, value: object) -> list[object]:
    """What a container holds, or is keyed by, where that is of the second kind."""
    if not isinstance(value, list | tuple | set | frozenset | dict) or first.arguments[:1] != (second,):
        return []
    return sorted(value, key=repr) if isinstance(value, set | frozenset) else list(value)


def _at(values: Column, place: int) -> object:
    return values[place % len(values)]


def _varied(typical: Row, columns: Sequence[Column]) -> Iterator[Row]:
    """One parameter at a time."""
    for place in range(LONGEST):
        for at, values in enumerate(columns):
            if place < len(values):
                yield (*typical[:at], values[place], *typical[at + 1 :])


def _side_by_side(columns: Sequence[Column]) -> Iterator[Row]:
    """The columns moved against each other, so that parameters of one kind differ."""
    for place in range(2, LONGEST):
        yield tuple(_at(values, place + at) for at, values in enumerate(columns))


def _related(typical: Row, kinds: Sequence[Kind]) -> Iterator[Row]:
    """Two parameters at a time."""
    return _in_turn(*(_related_at(typical, kinds, *pair) for pair in itertools.permutations(range(len(kinds)), 2)))


def _related_at(typical: Row, kinds: Sequence[Kind], first: int, second: int) -> Iterator[Row]:
    for pair in _pairs(_chief(kinds[first]), _chief(kinds[second]), typical[first]):
        row = list(typical)
        row[first], row[second] = pair
        yield tuple(row)


def _chief(kind: Kind) -> Kind:
    """The first alternative that says something."""
    return next((part for part in alternatives(kind) if part.name != "None"), kind)


def _pairs(first: Kind, second: Kind, value: object) -> Iterator[tuple[object, object]]:
    """For two parameters, of which the first has this typical value."""
    if first == second:
        yield from _RELATED.get(first.name, ())
    if isinstance(value, list | tuple | str):
        if second.name == "int":
            yield from ((value, index) for index in (len(value), -len(value) - 1, len(value) - 1, 0))
        if first == second:
            yield from ((value, value[:1]), (value[:1], value))
    members = _members(first, second, value)
    if members:
        yield value, members[0]
        if second.name in _ABSENT:
            yield value, _ABSENT[second.name]
        yield value, members[-1]


# --- rows at random


def _drawn(kinds: Sequence[Kind]) -> Iterator[Row]:
    chance = Random("further calls")  # noqa: S311 - always the same ones
    while True:
        yield tuple(_draw(kind, chance) for kind in kinds)


def _draw(kind: Kind, chance: Random) -> object:
    """A value of a kind that has a column, small and often plain."""
    if kind.name == "|":
        return _draw(chance.choice(kind.arguments), chance)
    make = _DRAWS.get(kind.name)
    if make is None or chance.random() < 0.25:
        return chance.choice(column(kind))
    return make(kind, chance)


def _many(kind: Kind, chance: Random) -> list[object]:
    return [_draw(kind, chance) for _ in range(chance.randint(0, 6))]


def _draw_dict(kind: Kind, chance: Random) -> dict[object, object]:
    keys, values = kind.arguments
    return {key: _draw(values, chance) for key in _hashable(_many(keys, chance))}


_DRAWS: dict[str, Callable[[Kind, Random], object]] = {
    "int": lambda _, chance: chance.randint(-12, 12) if chance.random() < 0.8 else chance.randint(-MODEST, MODEST),
    "float": lambda _, chance: round(chance.uniform(-10, 10), chance.randint(0, 3)),
    "str": lambda _, chance: "".join(chance.choices("aabcxyzABZ0123459 .,:-_@()é", k=chance.randint(0, 8))),
    "list": lambda kind, chance: _many(kind.arguments[0], chance),
    "tuple...": lambda kind, chance: tuple(_many(kind.arguments[0], chance)),
    "tuple": lambda kind, chance: tuple(_draw(inner, chance) for inner in kind.arguments),
    "set": lambda kind, chance: set(_hashable(_many(kind.arguments[0], chance))),
    "frozenset": lambda kind, chance: frozenset(_hashable(_many(kind.arguments[0], chance))),
    "dict": _draw_dict,
}


# --- columns of containers, from the kinds and the columns of what they hold


def _lists(kinds: Sequence[Kind], inner: Sequence[Column]) -> Iterator[list[object]]:
    if str(kinds[0]) in _LISTS:
        yield from _LISTS[str(kinds[0])]
    else:
        yield from ([_at(inner[0], place) for place in form] for form in _FORMS)


def _tuples_of_any_length(kinds: Sequence[Kind], inner: Sequence[Column]) -> Iterator[Row]:
    return map(tuple, _lists(kinds, inner))


def _sets(kinds: Sequence[Kind], inner: Sequence[Column]) -> Iterator[set[object]]:
    hashable = _hashable(inner[0])
    if not hashable:
        return iter(())
    return (set(_hashable(items)) for items in _lists(kinds, [hashable]))


def _frozensets(kinds: Sequence[Kind], inner: Sequence[Column]) -> Iterator[frozenset[object]]:
    return map(frozenset, _sets(kinds, inner))


def _dicts(kinds: Sequence[Kind], inner: Sequence[Column]) -> Iterator[dict[object, object]]:
    if len(kinds) != 2:
        return
    keys = _KEYS.get(kinds[0].name, _hashable(inner[0]))
    if not keys:
        return
    values = inner[1]
    one, two, three = keys[0], _at(keys, 1), _at(keys, 2)
    graphs = list(_graphs(kinds, one, two, three))
    yield {}
    yield {one: _at(values, 1)}
    yield {one: values[0]}
    yield from graphs
    yield {one: _at(values, 3), two: _at(values, 1), three: _at(values, 2)}
    yield {two: _at(values, 1), one: _at(values, 1)}
    yield {_at(keys, 3): _at(values, 2)}
    yield dict(zip(keys[:5], itertools.cycle(values), strict=False))
    for value in values:
        yield {one: value, two: _at(values, 1)}


def _graphs(kinds: Sequence[Kind], one: object, two: object, three: object) -> Iterator[dict[object, object]]:
    """Where values name keys: a circle, a loop, a way into nowhere, two ways to one end."""
    key, value = kinds
    if value == key:
        yield from ({one: two, two: one}, {one: one}, {one: two}, {one: two, two: three})
    elif value in (Kind("list", (key,)), Kind("set", (key,)), Kind("tuple...", (key,))):
        make: Callable[[list[object]], object] = {"list": list, "set": set, "tuple...": tuple}[value.name]
        yield {one: make([two]), two: make([one])}
        yield {one: make([two])}
        yield {one: make([one])}
        yield {one: make([two, three]), two: make([three]), three: make([])}


def _hashable(values: Iterable[object]) -> Column:
    return tuple(value for value in values if _is_hashable(value))


def _is_hashable(value: object) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True


def _unions(_: Sequence[Kind], inner: Sequence[Column]) -> Iterator[object]:
    """Each alternative's values in turn, None first."""
    return _in_turn(*sorted(inner, key=lambda values: values != (None,)))


_COLUMNS: dict[str, Callable[[Sequence[Kind], Sequence[Column]], Iterator[object]]] = {
    "list": _lists,
    "tuple": _rows,
    "tuple...": _tuples_of_any_length,
    "set": _sets,
    "frozenset": _frozensets,
    "dict": _dicts,
    "|": _unions,
}
