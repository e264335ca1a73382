"""One path through a program: its variables, its heap, and the decisions that led here. Forking copies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from verification.symbolic.values import HeapObject, Raised, Term, Value


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """A condition that holds from here on, linked to the ones before it."""

    parent: Step | None
    term: Term
    decision: bool
    """True for a branch taken; False for a fact about a fresh symbol, which restricts no input."""

    depth: int


@dataclass(frozen=True, slots=True)
class State:
    variables: Mapping[str, Value] = field(default_factory=dict)
    locals: frozenset[str] = frozenset()
    """Names that the function being executed assigns somewhere, and which are thus never global in it."""

    heap: Mapping[int, HeapObject] = field(default_factory=dict)
    path: Step | None = None
    model: Any = None
    """A Z3 model of the path if one is at hand."""

    uncertain: bool = False
    """Whether this path may not exist: the solver could not tell, or a result was left open."""

    calls: tuple[tuple[str, int], ...] = ()
    """Functions being executed, outermost first, each with the path's length when it was entered."""

    nested: int = 0
    """Nested calls of a function by itself that depended on the input."""

    handling: tuple[Raised, ...] = ()
    """Exceptions being handled, for a bare `raise`."""

    @property
    def decisions(self) -> int:
        return self.path.depth if self.path else 0

    def assigned(self, name: str, value: Value) -> State:
        return replace(self, variables={**self.variables, name: value})

    def deleted(self, name: str) -> State:
        return replace(self, variables={key: value for key, value in self.variables.items() if key != name})

    def stored(self, address: int, content: HeapObject) -> State:
        return replace(self, heap={**self.heap, address: content})

    def extended(self, term: Term, *, decision: bool, model: Any, uncertain: bool = False) -> State:
        step = Step(self.path, term, decision, self.decisions + 1)
        return replace(self, path=step, model=model, uncertain=self.uncertain or uncertain)


def steps(path: Step | None) -> Iterator[Step]:
    """The path's steps, newest first."""
    while path is not None:
        yield path
        path = path.parent
