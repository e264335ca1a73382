"""Calls of a function as text: small and boundary values of its annotated types, shared inside one argument at times.

A call is text because text can say what values alone can't: in ``f([(r := [1]), r])`` both rows are one list.
Distinct arguments are never one object, as the verifier assumes.
"""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterator, Mapping
from random import Random

from tests.verification.fuzz import types
from tests.verification.fuzz.types import Type

FEW_INTS = ("0", "1", "-1", "2", "3", "-2", "4", "5")
ODD_INTS = ("7", "-3", "10", "-10", "100", "97", "255", "256", "-7", "2 ** 31", "-(2 ** 63)", "10 ** 20", "10 ** 400")
FEW_FLOATS = ("0.0", "1.0", "-1.0", "0.5", "2.0", "-2.5", "3.7")
ODD_FLOATS = (
    *("-0.0", "1e16", "1e308", "-1e308", "5e-324", "1e-200", "0.1", "float('inf')", "float('-inf')", "float('nan')"),
)
FEW_TEXTS = ("''", "'a'", "'b'", "'ab'", "'aa'", "'ba'", "'abc'", "'1'", "'12'", "' '", "'a,b'", "'a b'", "'aba'")
ODD_TEXTS = (
    *("'A'", "'Z'", "'-3'", "'0'", "' a '", "','", "'a,b,c'", "'()'", "'(('", "')('", "'1.5'", "'x=1'", "'a:b'"),
    *("'\\u00b2'", "'\\u00df'", "'\\u0130'", "'\\u0663'", "'\\U0001f600'", "'\\x00'", "'\\n'", "'\\ud800'", "'nan'"),
    *("'{}'", "'%d'", "'hello world'", "'aAbB'", "'1_0'", "' 5 '", "'e\\u0301'", "'\\u4e94'", "'abcabc'"),
)
LENGTHS = (0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 4, 6)


def calls(source: str, entry: str, *, seed: object, count: int) -> list[str]:
    """Distinct calls of the entry; none if a parameter's annotation is missing or not understood."""
    function = _entry(source, entry)
    if function is None or function.args.vararg or function.args.kwarg:
        return []
    arguments = function.args
    positional = [types.parse(argument.annotation) for argument in (*arguments.posonlyargs, *arguments.args)]
    named = [(argument.arg, types.parse(argument.annotation)) for argument in arguments.kwonlyargs]
    if any(kind is None for kind in (*positional, *(kind for _, kind in named))):
        return []
    values = Values(Random(f"{seed}"), literals(source))
    found: dict[str, None] = {}
    for turn in range(3 * count):
        values.narrow = turn % 2 == 0
        parts = [values.draw(kind) for kind in positional if kind is not None]
        parts += [f"{name}={values.draw(kind)}" for name, kind in named if kind is not None]
        found.setdefault(f"{entry}({', '.join(parts)})")
        if len(found) == count:
            break
    return list(found)


def _entry(source: str, entry: str) -> ast.FunctionDef | None:
    """The last definition, which is the one that counts."""
    found = [node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef) and node.name == entry]
    return found[-1] if found else None


def literals(source: str) -> dict[str, tuple[str, ...]]:
    """The program's own numbers and texts by type, numbers with their neighbours: its conditions turn on them."""
    found: dict[str, dict[str, None]] = {"int": {}, "float": {}, "str": {}}
    for node in ast.walk(ast.parse(source)):
        value = node.value if isinstance(node, ast.Constant) else None
        if type(value) is int and abs(value) < 1 << 64:
            found["int"].update(dict.fromkeys(map(str, (value, value + 1, value - 1, -value))))
        elif type(value) in (float, str):
            found[type(value).__name__][repr(value)] = None
    return {name: tuple(texts) for name, texts in found.items()}


class Values:
    """Draws values as text; what is shared is named, and every name is used once per argument."""

    narrow = False
    """Whether only the smallest values are drawn, so that several parameters are at their bounds together."""

    def __init__(self, chance: Random, own: Mapping[str, tuple[str, ...]] | None = None) -> None:
        self._chance = chance
        self._own = own or {}
        self._names = (f"shared_{number}" for number in itertools.count())

    def draw(self, kind: Type, depth: int = 0) -> str:
        chance = self._chance
        if kind.name == "|":
            return self.draw(chance.choice(kind.arguments), depth)
        if kind.name in _SCALARS:
            few, odd = _SCALARS[kind.name]
            if self.narrow:
                return chance.choice(few[:4])
            own = self._own.get(kind.name)
            if own and chance.random() < 0.2:
                return chance.choice(own)
            return chance.choice(few if chance.random() < 0.85 or not odd else odd)
        if kind.name == "tuple":
            return _tuple([self.draw(part, depth + 1) for part in kind.arguments])
        if kind.name == "dict":
            key, value = kind.arguments or (types.STR, types.INT)
            return self._dict(key, value, depth)
        items = list(self._items(kind.element, depth))
        if kind.name == "list":
            return f"[{', '.join(items)}]"
        return _tuple(items) if kind.name == "tuple..." else f"{{{', '.join(items)}}}" if items else "set()"

    def _items(self, element: Type, depth: int) -> Iterator[str]:
        """Elements; now and then all equal, and mutable ones now and then the same object."""
        chance = self._chance
        length = chance.choice((0, 0, 1, 1, 2) if self.narrow else LENGTHS if depth == 0 else LENGTHS[:-2])
        style = chance.random()
        if not element.hashable and length > 1 and style < 0.25:
            name = next(self._names)
            yield f"({name} := {self.draw(element, depth + 1)})"
            for _ in range(length - 1):
                yield name if chance.random() < 0.7 else self.draw(element, depth + 1)
        elif style < 0.4:
            value = self.draw(element, depth + 1)
            yield from [value] * length
        else:
            yield from (self.draw(element, depth + 1) for _ in range(length))

    def _dict(self, key: Type, value: Type, depth: int) -> str:
        count = self._chance.choice((0, 1, 2) if self.narrow else LENGTHS[:-2])
        keys = dict.fromkeys(self.draw(key, depth + 1) for _ in range(count))
        shared = ""
        entries = []
        for name in keys:
            if shared and self._chance.random() < 0.6:
                entries.append(f"{name}: {shared}")
                continue
            text = self.draw(value, depth + 1)
            if not value.hashable and not shared and self._chance.random() < 0.3:
                shared = next(self._names)
                text = f"({shared} := {text})"
            entries.append(f"{name}: {text}")
        return f"{{{', '.join(entries)}}}"


def _tuple(items: list[str]) -> str:
    return f"({items[0]},)" if len(items) == 1 else f"({', '.join(items)})"


_SCALARS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "int": (FEW_INTS, ODD_INTS),
    "bool": (("False", "True"), ()),
    "float": (FEW_FLOATS, ODD_FLOATS),
    "str": (FEW_TEXTS, ODD_TEXTS),
    "None": (("None",), ()),
    "Any": (("0", "None", "'a'", "[1]", "1.5"), ()),
}
