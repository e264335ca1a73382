"""A family of tasks: one problem, its wordings, its solutions, and how inputs for its tests are drawn."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from random import Random
from string import Template
from typing import Any

from training.curriculum.slots import SQL_KEYWORDS
from training.curriculum.task import Solution

HELD_OUT_WORDINGS = 2
"""The last wordings of each language are kept for the ``para`` split."""

_NAME = re.compile(r"(?<![$\w])[a-z_]\w*")

Slots = Mapping[str, str]
Arguments = tuple[Any, ...]


@dataclass(frozen=True)
class Variant:
    """A solution as a template over the slots: the body without its indentation, and its imports."""

    body: str
    style: str
    safe: bool
    cwe: int | None = None
    imports: str = ""


def idiomatic(body: str, *, imports: str = "") -> Variant:
    return Variant(body, "idiomatic", True, None, imports)


def verbose(body: str, *, imports: str = "") -> Variant:
    return Variant(body, "verbose", True, None, imports)


def unguarded(body: str, *, cwe: int | None = None, imports: str = "") -> Variant:
    """Works on ordinary input and fails on an edge."""
    return Variant(body, "unguarded", False, cwe, imports)


def insecure(body: str, *, cwe: int, imports: str = "") -> Variant:
    """Gives way to hostile input, or uses what is known to be broken."""
    return Variant(body, "insecure", False, cwe, imports)


@dataclass(frozen=True)
class Family:
    """``$name`` in a template stands for a slot's value; ``$f`` is the function's name."""

    slug: str
    parameters: str
    """``$xs: list[int], $i: int``"""
    returns: str
    names: Mapping[str, tuple[str, ...]]
    """Argument slots and the pools of their names."""
    english: tuple[str, ...]
    spanish: tuple[str, ...]
    variants: tuple[Variant, ...]
    """The first one is the reference, and safe."""
    basic: Callable[[Random, Slots], Arguments]
    """Ordinary arguments, on which unguarded code works."""
    edges: Callable[[Random, Slots], list[Arguments]]
    """Arguments that find out unguarded and insecure code."""
    properties: tuple[str, ...]
    constants: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Slots of the description: numbers and words."""
    stages: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Slots whose single values are all seen in training, though not all their combinations."""
    post: str | None = None
    phrases: Callable[[Slots, str], Slots] | None = None
    """More slots for the wording in a language (``en``, ``es``)."""
    snippets: Callable[[Slots], Slots] | None = None
    """More slots for the code."""
    held_out: Callable[[Slots], bool] | None = None
    """Which stages make an unseen composition; such tasks appear in ``held_out_split`` alone."""
    held_out_split: str = "comp"
    """``comp`` for the stages of one family, ``cross`` for pairs of what different families do."""

    weight: int = 1
    """How many tasks training has of it where it has one of a plain family; compositions are of many kinds."""

    @cached_property
    def own_names(self) -> frozenset[str]:
        """Names that its solutions use themselves; a slot that took one would change what they do."""
        texts = (f"{variant.imports}\n{variant.body}" for variant in self.variants)
        return frozenset(name for text in texts for name in _NAME.findall(text))

    @cached_property
    def keywords(self) -> frozenset[str]:
        """Words that mean something else where its constants stand in the code."""
        uses_sql = any("sqlite3" in variant.imports for variant in self.variants)
        return SQL_KEYWORDS if uses_sql else frozenset()

    def wordings(self, language: str, *, held_out: bool) -> tuple[str, ...]:
        found = {"en": self.english, "es": self.spanish}[language]
        return found[-HELD_OUT_WORDINGS:] if held_out else found[:-HELD_OUT_WORDINGS]

    def signature(self, slots: Slots) -> str:
        return fill(f"def $f({self.parameters}) -> {self.returns}:", slots)

    def describe(self, wording: str, slots: Slots, language: str) -> str:
        return fill(wording, {**slots, **(self.phrases(slots, language) if self.phrases else {})})

    def solutions(self, slots: Slots) -> tuple[Solution, ...]:
        slots = {**slots, **(self.snippets(slots) if self.snippets else {})}
        found = [self._solution(variant, slots) for variant in self.variants]
        # For some slot values an unguarded template says the same as a safe one: then it is safe.
        safe = {solution.code for solution in found if solution.safe}
        return tuple(solution for solution in found if solution.safe or solution.code not in safe)

    def contract(self, slots: Slots) -> dict[str, Any] | None:
        if self.post is None:
            return None
        return {"pre": None, "post": fill(self.post, slots), "allowed_exceptions": []}

    def _solution(self, variant: Variant, slots: Slots) -> Solution:
        head = f"{variant.imports}\n\n\n" if variant.imports else ""
        body = textwrap.indent(fill(variant.body.strip("\n"), slots), "    ")
        return Solution(f"{head}{self.signature(slots)}\n{body}", variant.safe, variant.cwe, variant.style)


def fill(template: str, slots: Slots) -> str:
    """The template with its slots filled; KeyError names a slot that has no value."""
    return Template(template).substitute(slots)
