"""Which paths exist: one incremental Z3 solver that follows a path's steps, on deterministic budgets."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Sequence
from typing import Any, Literal

import z3

from verification.request import Limits
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


class Solver:
    """Answers whether a path exists.

    A context of its own keeps the answer independent of what was verified before in this process.
    """

    def __init__(self, limits: Limits) -> None:
        self.context = z3.Context()
        self.queries = 0
        self.incremental = True
        """Off once strings are used: Z3 works on them in `push`, where no resource limit holds."""

        self._limits = limits
        self._solver = z3.SimpleSolver(ctx=self.context)
        self._solver.set("rlimit", limits.rlimit)
        self._asserted: list[Step] = []

    def check(self, path: Step | None, extra: Sequence[Term] = ()) -> tuple[Answer, Any]:
        """Whether the path, with `extra`, exists; and a model if it does."""
        self.queries += 1
        if self.queries > self._limits.queries:
            raise BudgetExhausted(f"{self._limits.queries} solver queries")
        return self._check_along(path, extra) if self.incremental else self._check_alone(path, extra)

    def _check_along(self, path: Step | None, extra: Sequence[Term]) -> tuple[Answer, Any]:
        self._follow(path)
        if extra:
            self._solver.push()
            self._solver.add(*extra)
        answer, model = self._ask(self._solver)
        if extra:
            self._solver.pop()
        return answer, model

    def _check_alone(self, path: Step | None, extra: Sequence[Term]) -> tuple[Answer, Any]:
        solver = z3.SimpleSolver(ctx=self.context)
        solver.set("rlimit", self._limits.rlimit)
        solver.add(*[step.term for step in steps(path)][::-1], *extra)
        return self._ask(solver)

    def _ask(self, solver: Any) -> tuple[Answer, Any]:
        answer: Answer = str(solver.check())  # type: ignore[assignment]
        model = solver.model() if answer == "sat" else None
        if _resources(solver.statistics()) > self._limits.total_rlimit:
            raise BudgetExhausted(f"{self._limits.total_rlimit} solver resource units")
        return answer, model

    def holds(self, model: Any, condition: Any) -> bool | None:
        """The condition's truth in a model, or None if the model doesn't tell."""
        value = model.eval(condition, model_completion=True)
        if z3.is_true(value):
            return True
        return False if z3.is_false(value) else None

    def _follow(self, path: Step | None) -> None:
        """Keep the assertions that the path shares with the last one, drop and add the rest."""
        missing = []
        for step in steps(path):
            if step.depth <= len(self._asserted) and self._asserted[step.depth - 1] is step:
                shared = step.depth
                break
            missing.append(step)
        else:
            shared = 0
        if len(self._asserted) > shared:
            self._solver.pop(len(self._asserted) - shared)
            del self._asserted[shared:]
        for step in reversed(missing):
            self._solver.push()
            self._solver.add(step.term)
            self._asserted.append(step)


def _resources(statistics: Any) -> int:
    """Resource units that the whole context has spent; among the last of what may be a thousand entries."""
    context, held = statistics.ctx.ref(), statistics.stats
    for at in range(z3.Z3_stats_size(context, held) - 1, -1, -1):
        if z3.Z3_stats_get_key(context, held, at) == "rlimit count":
            return int(z3.Z3_stats_get_uint_value(context, held, at))
    return 0
