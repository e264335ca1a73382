"""Arguments of a function by its annotations: boundary values first, then random ones; the same for the same seed.

Values are exactly of the annotated type (never a bool for an int), floats are finite, and everything is written by
``repr`` as a literal that reads back. Integers are mostly small, so that guards such as ``x in xs`` are met both ways.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence

from verification.symbolic.inputs import Kind, Parameter

LENGTHS = (0, 1, 1, 2, 2, 3, 4, 6)
DEEPEST = 3
"""Values of type ``object`` nest this deep."""

INTEGERS = (0, 1, -1, 2, -2, 3, 10, 16, 97, -100)
HUGE_INTEGERS = (2**31, -(2**31), 2**63, 10**20, -(10**20))
FLOATS = (0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 5e-324, 1e-300, 1e16, 1e200, 1.7976931348623157e308, -1.7976931348623157e308)
LETTERS = "aabbcxz AZ01"
ODD_LETTERS = "²٣ßİé\n\t\x1c\x00\ud800😀"
TEXTS = (
    "",
    " ",
    "a",
    "ab",
    "aba",
    "A b",
    "0",
    "12",
    "-7",
    "3.5",
    " 8 ",
    "²",
    "a=b",
    "a,b,,c",
    "(())",
    ")(",
    "a b a",
    "1e5",
)
SCALARS = tuple(Kind(name) for name in ("int", "bool", "str", "float", "None"))


def random_inputs(parameters: Sequence[Parameter], seed: int, count: int) -> list[tuple[object, ...]]:
    """Rows of arguments in the order of the parameters; ValueError for an annotation that is not understood."""
    chance = random.Random(seed)
    kinds = [parameter.kind or Kind("object") for parameter in parameters]
    columns = [boundary_values(kind) for kind in kinds]
    first = max(map(len, columns), default=0)
    rows: list[tuple[object, ...]] = [tuple(column[at % len(column)] for column in columns) for at in range(first)]
    while len(rows) < count:
        rows.append(tuple(random_value(kind, chance) for kind in kinds))
    return rows[:count]


def boundary_values(kind: Kind) -> tuple[object, ...]:
    """The emptiest and the most extreme values of a kind; at least one."""
    if kind.name == "int":
        return (*INTEGERS[:4], HUGE_INTEGERS[-2], HUGE_INTEGERS[-1])
    if kind.name == "bool":
        return (False, True)
    if kind.name == "float":
        return FLOATS
    if kind.name == "str":
        return TEXTS[:8]
    if kind.name == "None":
        return (None,)
    if kind.name in ("object", "Any"):
        return (None, 0, "", (), [])
    if kind.name == "|":
        return tuple(value for part in kind.arguments for value in boundary_values(part))
    return _boundary_collections(kind)


def _boundary_collections(kind: Kind) -> tuple[object, ...]:
    """Nothing in it, then each boundary value on its own, then the first few together."""
    make = _maker(kind)
    parts = [boundary_values(part) for part in kind.arguments] or [INTEGERS[:3]]
    if kind.name == "tuple" and kind.arguments:
        return tuple(tuple(part[at % len(part)] for part in parts) for at in range(max(map(len, parts))))
    rows = list(zip(parts[0], parts[-1], strict=False)) if kind.name == "dict" else [(item,) for item in parts[0]]
    items = [row if kind.name == "dict" else row[0] for row in rows]
    return (make([]), *(make([item]) for item in items), make(items[:3]))


def random_value(kind: Kind, chance: random.Random, depth: int = 0) -> object:
    """One value of a kind."""
    if kind.name == "|":
        return random_value(chance.choice(kind.arguments), chance, depth)
    if kind.name in ("object", "Any"):
        return _anything(chance, depth)
    if kind.name in _SCALARS:
        return _SCALARS[kind.name](chance)
    if kind.name == "tuple" and kind.arguments:
        return tuple(random_value(part, chance, depth) for part in kind.arguments)
    return _collection(kind, chance, depth)


def _collection(kind: Kind, chance: random.Random, depth: int) -> object:
    make = _maker(kind)
    length = chance.choice(LENGTHS)
    if kind.name == "dict":
        key, value = kind.arguments if len(kind.arguments) == 2 else (Kind("str"), Kind("int"))
        return make([(random_value(key, chance, depth), random_value(value, chance, depth)) for _ in range(length)])
    element = kind.arguments[0] if kind.arguments else Kind("int")
    items = [random_value(element, chance, depth) for _ in range(length)]
    if kind.name == "list" and element.name in ("int", "str", "float") and chance.random() < 0.4:
        items.sort()  # what searches and merges expect
    return make(items)


def _maker(kind: Kind) -> Callable[[Sequence[object]], object]:
    try:
        return _MAKERS[kind.name]
    except KeyError:
        raise ValueError(f"no random values of type {kind}: add the type to random_inputs.py") from None


def _anything(chance: random.Random, depth: int) -> object:
    """Mostly scalars; else a collection of anything hashable, so that it may be a key as well."""
    if depth >= DEEPEST or chance.random() < 0.6:
        return random_value(chance.choice(SCALARS), chance)
    return tuple(_anything(chance, depth + 1) for _ in range(chance.choice(LENGTHS)))


def _integer(chance: random.Random) -> int:
    draw = chance.random()
    if draw < 0.03:
        return chance.choice(HUGE_INTEGERS)
    return chance.choice(INTEGERS) if draw < 0.3 else chance.randint(-4, 9)


def _float(chance: random.Random) -> float:
    draw = chance.random()
    if draw < 0.4:
        return chance.choice(FLOATS)
    if draw < 0.6:
        return chance.choice((-1.0, 1.0)) * chance.uniform(1.0, 9.0) * 10.0 ** chance.randint(-307, 307)
    return round(chance.uniform(-10.0, 10.0), 2)


def _text(chance: random.Random) -> str:
    draw = chance.random()
    if draw < 0.4:
        return chance.choice(TEXTS)
    letters = ODD_LETTERS if draw < 0.5 else LETTERS
    return "".join(chance.choice(letters) for _ in range(chance.choice(LENGTHS)))


_SCALARS: Mapping[str, Callable[[random.Random], object]] = {
    "int": _integer,
    "bool": lambda chance: chance.random() < 0.5,
    "float": _float,
    "str": _text,
    "None": lambda chance: None,
}

_MAKERS: Mapping[str, Callable[[Sequence[object]], object]] = {
    "list": list,
    "tuple": tuple,
    "tuple...": tuple,
    "set": set,
    "frozenset": frozenset,
    "dict": dict,  # type: ignore[dict-item]  # of pairs
}
