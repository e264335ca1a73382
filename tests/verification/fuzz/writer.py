"""What writing one random program keeps in hand: its chance, the names in scope with their types, what it imports."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import TypeVar

from tests.verification.fuzz.types import INT, Type

Choice = TypeVar("Choice")
Block = list[str]
"""Lines of statements, indented relative to each other."""

POOLS = {
    "int": ("n", "count", "total", "x", "k", "low", "high", "left", "right", "best", "size", "step", "pos"),
    "bool": ("found", "flag", "ok", "done", "valid"),
    "float": ("ratio", "mean", "rate", "scale", "value"),
    "str": ("text", "word", "c", "name", "prefix", "part", "key"),
    "list": ("items", "result", "values", "stack", "rows", "out", "queue", "parts", "window", "acc"),
    "dict": ("counts", "index", "table", "groups", "memo", "cache", "lookup"),
    "set": ("seen", "unique", "visited", "pool"),
    "tuple": ("pair", "point", "entry", "bounds"),
    "tuple...": ("numbers", "fixed"),
    "|": ("maybe", "best_so_far", "prev", "current", "last"),
    "None": ("nothing",),
}
SHADOWED = ("list", "max", "sum", "len", "min", "str", "dict", "set", "id", "sorted", "range")


class Writer:
    """Everything random comes from its `chance`, so that a seed names a program."""

    def __init__(self, chance: Random) -> None:
        self.chance = chance
        self.variables: dict[str, Type] = {}
        """What is in scope; a few names may be unbound on some paths, which is the point."""

        self.indexes: dict[str, str] = {}
        """Loop variables that stay below the length of a sequence."""

        self.helpers: dict[str, tuple[tuple[Type, ...], Type]] = {}
        """Functions of the program that may be called: the types of their arguments and of their result."""

        self.definitions: dict[str, str] = {}
        """Functions that stand at the top of the program, as text."""

        self.imports: dict[str, None] = {}
        self.in_loop = 0
        self.result: Type = INT
        self.budget = 14
        """Statements that may yet be written."""

        self.plain = self.odds(0.35)
        """Whether the program keeps to a few types and short bodies, of which most can be decided."""

        self.boldness = chance.choice((0.0, 0.03, 0.03, 0.1, 0.3))
        """How often an operation that may fail is written without a thought: one real failure hides what comes after."""

    def odds(self, probability: float) -> bool:
        return self.chance.random() < probability

    def careful(self) -> bool:
        return not self.odds(self.boldness)

    def pick(self, *options: Choice) -> Choice:
        return self.chance.choice(options)

    def weighted(self, table: Sequence[tuple[float, Choice]]) -> Choice:
        return self.chance.choices([option for _, option in table], [weight for weight, _ in table])[0]

    def uses(self, module: str) -> None:
        """Import the module at the top of the program."""
        self.imports[module] = None

    # --- names

    def fresh(self, kind: Type) -> str:
        """A name for a new variable: mostly an unused one, now and then one in use, rarely a builtin's."""
        if self.odds(0.006):
            return self.pick(*SHADOWED)
        pool = POOLS.get(kind.name, ("item", "other"))
        unused = [name for name in pool if name not in self.variables]
        if self.variables and self.odds(0.06):
            return self.chance.choice(list(self.variables))
        return self.chance.choice(unused) if unused else f"{pool[0]}{len(self.variables)}"

    def bind(self, name: str, kind: Type) -> str:
        """Put the name in scope, last."""
        self.variables.pop(name, None)
        self.indexes.pop(name, None)
        self.variables[name] = kind
        return name

    def names(self, wanted: Type | Callable[[Type], bool]) -> list[str]:
        """The names in scope of a type, or whose type passes the test."""
        passes = wanted if callable(wanted) else wanted.__eq__
        return [name for name, kind in self.variables.items() if passes(kind)]

    def name(self, wanted: Type | Callable[[Type], bool]) -> str | None:
        """One of them, the recent ones more often; None without any."""
        found = self.names(wanted)
        if not found:
            return None
        return self.chance.choice(found[-3:]) if self.odds(0.6) else self.chance.choice(found)

    @contextlib.contextmanager
    def inner_scope(self, leaks: float = 0.0) -> Iterator[None]:
        """Names bound inside are gone afterwards, save for a few with the given probability."""
        before, indexes = dict(self.variables), dict(self.indexes)
        yield
        kept = {name: kind for name, kind in self.variables.items() if name not in before and self.odds(leaks)}
        self.variables, self.indexes = {**before, **kept}, indexes


def indented(block: Block) -> Block:
    return ["    " + line for line in block or ["pass"]]


def mentions(text: str, name: str) -> bool:
    """Whether the name stands in the text on its own, quoted text aside."""
    return name in "".join(letter if letter.isalnum() or letter in "_'" else " " for letter in text).split()
