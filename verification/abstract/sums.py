"""What a loop adds up, in closed form: a variable that every iteration changes by `a + b * k`, k being its number.

Then it is `first + a * k + b * k * (k - 1) / 2` at the head. The change is read off one rehearsed iteration; whether
the form is an invariant is for the solver to say, as for any other candidate.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import z3

from verification.abstract.machine import Machine
from verification.abstract.state import State
from verification.abstract.values import Int, Term
from verification.symbolic import terms


@dataclass(frozen=True)
class Rehearsal:
    """An iteration from a head that stands for all of them."""

    head: State
    number: Any
    backs: list[State]
    mark: int
    """How many symbols there were before the head was made."""


@dataclass(frozen=True)
class ClosedForm:
    """That a variable has its closed form at the head of an iteration."""

    name: str
    first: Term
    by: Any
    """What the first iteration adds."""

    growing: Any
    """How much more each further one adds than the one before."""

    def defined(self, state: State) -> bool:
        return isinstance(state.variables.get(self.name), Int)

    def at(self, state: State, number: Any, run: Machine) -> Any:
        value = state.variables.get(self.name)
        if not isinstance(value, Int):
            return terms.BoolVal(True, run.context)
        return run.lift(2 * value.term) == 2 * run.lift(self.first) + self.added(number)

    def added(self, number: Any) -> Any:
        """Twice what the iterations before that number have added."""
        total = 2 * self.by * number
        return total if _is_zero(self.growing) else total + self.growing * number * (number - 1)


def closed_forms(found: Rehearsal, state: State, run: Machine) -> Iterator[ClosedForm]:
    """Of each variable that has one. Forms with products of symbols are dear, and come only where values matter."""
    forms: dict[str, ClosedForm] = {}
    names = [
        name
        for name, value in found.head.variables.items()
        if isinstance(value, Int) and _is_symbol(value.term) and value != state.variables.get(name)
    ]
    for _ in range(2):  # a sum of what is itself in closed form comes in the second round
        for name in names:
            if name not in forms:
                form = _form(name, found, state, forms, run)
                if form is not None:
                    forms[name] = form
    for form in forms.values():
        if run.exact or (_is_zero(form.growing) and isinstance(form.by, int)):
            yield form


def _form(name: str, found: Rehearsal, state: State, forms: dict[str, ClosedForm], run: Machine) -> ClosedForm | None:
    first = state.variables.get(name)
    if not isinstance(first, Int) or not found.backs:
        return None
    known = [
        (_term(found.head, other), run.lift(form.first + form.by * found.number))
        for other, form in forms.items()
        if _is_zero(form.growing)
    ]
    changes = []
    for back in found.backs:
        after = back.variables.get(name)
        if not isinstance(after, Int):
            return None
        change = run.lift(after.term) - _term(found.head, name)
        changes.append(run.room.simplified(z3.substitute(change, *known) if known else change))
    if any(not change.eq(changes[0]) for change in changes):
        return None
    at_zero, at_one = (
        run.room.simplified(z3.substitute(changes[0], (found.number, terms.IntVal(number, run.context))))
        for number in (0, 1)
    )
    growing = run.room.simplified(at_one - at_zero)
    if not _is_zero(run.room.simplified(changes[0] - at_zero - growing * found.number)):
        return None
    if run.is_new(at_zero, found.mark) or run.is_new(growing, found.mark):
        return None
    return ClosedForm(name, first.term, _plain(at_zero), _plain(growing))


def _term(state: State, name: str) -> Any:
    value = state.variables[name]
    assert isinstance(value, Int)
    return value.term


def _is_symbol(term: Any) -> bool:
    return not isinstance(term, int) and bool(z3.is_const(term)) and not z3.is_int_value(term)


def _is_zero(term: Any) -> bool:
    return term == 0 if isinstance(term, int) else bool(z3.is_int_value(term)) and terms.numeral_of(term) == 0


def _plain(term: Any) -> Any:
    return terms.numeral_of(term) if z3.is_int_value(term) else terms.wrap(term)
