"""Which paths exist: one incremental Z3 solver that follows a path's steps, on deterministic budgets."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Sequence
from functools import cached_property
from typing import Any, Literal

import z3

from verification.request import Limits
from verification.symbolic import terms
from verification.symbolic.state import Step, steps
from verification.symbolic.values import Term

Answer = Literal["sat", "unsat", "unknown"]


_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_KEPT = 1 << 28
"""Freed memory that the process keeps for itself, in bytes."""


def _keep_freed_memory() -> None:
    """Tell glibc not to give freed memory back at once.

    A Z3 context takes 16 MB and gives them back; asking the kernel for them anew each time costs four thousand page
    faults, which is ten times the rest of making a context. Where there is no glibc, nothing happens.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_TRIM_THRESHOLD, _KEPT)
        mallopt(_M_MMAP_THRESHOLD, _KEPT)


_keep_freed_memory()


class BudgetExhausted(Exception):
    """The exploration spent one of its budgets."""


class Room:
    """The context in which the solvers of one program work, made when the first question is asked.

    The program's terms may live in another one, which serves many programs; half of them never ask anything. Terms are
    brought over in the order in which they are asserted, and Z3 goes by the order in which terms were made, so that no
    answer depends on what was verified before in this process.
    """

    def __init__(self, context: terms.Context | None = None) -> None:
        self._given = context

    @cached_property
    def context(self) -> terms.Context:
        return self._given or terms.Context()

    @property
    def spent(self) -> int:
        """Resource units that solvers here have used."""
        return self.context.spent if self._given or "context" in vars(self) else 0

    def simplified(self, term: Any) -> Any:
        """What Z3 makes of a term, in the context that the term is of."""
        return terms.wrap(terms.brought(terms.wrap(z3.simplify(terms.brought(term, self.context))), term.ctx))


class Solver:
    """Answers whether a path exists."""

    def __init__(self, limits: Limits, room: Room) -> None:
        self.room = room
        self.queries = 0
        self.incremental = True
        """Off once strings are used: Z3 works on them in `push`, where no resource limit holds."""

        self._limits = limits
        self._spent_before = room.spent
        self._scopes: list[Step] = []
        """The last step of each of the solver's scopes: one for all between two questions."""

    @cached_property
    def _solver(self) -> Any:
        return self._new()

    def _new(self) -> Any:
        solver = z3.SimpleSolver(ctx=self.room.context)
        solver.set("rlimit", self._limits.rlimit)
        return solver

    def check(self, path: Step | None, extra: Sequence[Term] = (), *, model: bool = True) -> tuple[Answer, Any]:
        """Whether the path, with `extra`, exists; and a model if it does and one is wanted."""
        self.queries += 1
        if self.queries > self._limits.queries:
            raise BudgetExhausted(f"{self._limits.queries} solver queries")
        return self._check_along(path, extra, model) if self.incremental else self._check_alone(path, extra, model)

    def _check_along(self, path: Step | None, extra: Sequence[Term], model: bool) -> tuple[Answer, Any]:
        self._follow(path)
        if extra:
            terms.push(self._solver)
            terms.assume(self._solver, extra)
        answer = self._ask(self._solver, model)
        if extra:
            terms.pop(self._solver)
        return answer

    def _check_alone(self, path: Step | None, extra: Sequence[Term], model: bool) -> tuple[Answer, Any]:
        solver = self._new()
        terms.assume(solver, (*[step.term for step in steps(path)][::-1], *extra))
        return self._ask(solver, model)

    def _ask(self, solver: Any, wanted: bool) -> tuple[Answer, Any]:
        answer = terms.check(solver)
        model = solver.model() if wanted and answer == "sat" else None
        context = self.room.context
        context.spent = max(context.spent, terms.resources(solver))
        if context.spent - self._spent_before > self._limits.total_rlimit:
            raise BudgetExhausted(f"{self._limits.total_rlimit} solver resource units")
        return answer, model

    def holds(self, model: Any, condition: Any) -> bool | None:
        """The condition's truth in a model, or None if the model doesn't tell."""
        return terms.truth_in(model, condition)

    def _follow(self, path: Step | None) -> None:
        """Keep the scopes that the path shares with the last one, drop the others and add the rest in one."""
        ends = {id(step): number for number, step in enumerate(self._scopes, 1)}
        missing = []
        kept = 0
        for step in steps(path):
            kept = ends.get(id(step), 0)
            if kept:
                break
            missing.append(step)
        if len(self._scopes) > kept:
            terms.pop(self._solver, len(self._scopes) - kept)
            del self._scopes[kept:]
        if missing:
            terms.push(self._solver)
            self._scopes.append(missing[0])
            terms.assume(self._solver, [step.term for step in reversed(missing)])
