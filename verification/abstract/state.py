"""All paths that reach a point of the program, as one state: variables, heap, and what is known of the symbols."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from verification.abstract.values import NEVER, HeapObject, Table, TupleShape, Value, shape
from verification.symbolic.state import Step
from verification.symbolic.values import Raised, Term


@dataclass(slots=True)
class Frame:
    """The variables of one function that is being executed; the module's own come first."""

    ident: int
    """Unlike any other frame's, so that a function that outlived its scope is noticed."""

    parent: int
    """Where the enclosing scope lies among the frames; -1 for the module."""

    variables: dict[str, Value]
    locals: frozenset[str] = frozenset()

    def copy(self) -> Frame:
        return Frame(self.ident, self.parent, dict(self.variables), self.locals)


@dataclass(slots=True)
class State:
    """Changed in place by the evaluation; `copy` before a branch."""

    frames: list[Frame]
    heap: dict[int, HeapObject] = field(default_factory=dict)
    path: Step | None = None
    shared: frozenset[int] = frozenset()
    """Objects that may also be reached under another address, through a container."""

    handling: tuple[Raised, ...] = ()
    """Exceptions being handled, for a bare `raise`."""

    @property
    def variables(self) -> dict[str, Value]:
        return self.frames[-1].variables

    def content(self, address: int) -> HeapObject:
        """What an object holds now; a view of a dict holds what the dict does."""
        held = self.heap[address]
        if held.origin is None:
            return held
        seen = self.heap[held.origin]
        assert isinstance(seen, Table)
        if isinstance(held, Table):
            return replace(seen, value=None, default=None, origin=held.origin)
        element = seen.value or NEVER
        if held.pairs:
            element = shape(TupleShape((seen.key, element))) if seen.key.kinds else NEVER
        return replace(held, element=element, length=seen.size)

    def copy(self) -> State:
        frames = [frame.copy() for frame in self.frames]
        return State(frames, dict(self.heap), self.path, self.shared, self.handling)

    def become(self, other: State) -> None:
        self.frames, self.heap, self.path = other.frames, other.heap, other.path
        self.shared, self.handling = other.shared, other.handling

    def assume(self, term: Term) -> None:
        """Put a condition on the symbols: one that a branch took, or that defines fresh ones."""
        if term is True:
            return
        depth = self.path.depth + 1 if self.path else 1
        self.path = Step(self.path, term, False, depth)


def common_step(paths: list[Step | None]) -> Step | None:
    """The newest step that all the paths share."""
    first, *others = paths
    for other in others:
        first = _common(first, other)
    return first


def _common(left: Step | None, right: Step | None) -> Step | None:
    while left is not right:
        left_depth, right_depth = left.depth if left else 0, right.depth if right else 0
        if left_depth >= right_depth and left is not None:
            left = left.parent
        if right_depth >= left_depth and right is not None:
            right = right.parent
    return left


def since(path: Step | None, base: Step | None) -> list[Any]:
    """The conditions put on a path after a step, oldest first."""
    terms = []
    while path is not base:
        assert path is not None
        terms.append(path.term)
        path = path.parent
    return terms[::-1]
