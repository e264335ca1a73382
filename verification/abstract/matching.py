"""`match`: literals, None, captures, alternatives and guards; other patterns are refused."""

from __future__ import annotations

import ast

from verification.abstract.machine import Machine
from verification.abstract.state import State
from verification.abstract.values import NONE, Term, Value
from verification.symbolic import encoding
from verification.symbolic.values import Unsupported


def run_match(node: ast.Match, state: State, run: Machine) -> None:
    from verification.abstract.expressions import evaluate

    subject = evaluate(node.subject, state, run)
    _cases(node.cases, subject, state, run)


def _cases(cases: list[ast.match_case], subject: Value, state: State, run: Machine) -> None:
    from verification.abstract.expressions import branch, condition
    from verification.abstract.statements import execute_block

    if not cases:
        return
    first, rest = cases[0], cases[1:]

    def others(inside: State) -> Value:
        _cases(rest, subject, inside, run)
        return NONE

    def taken(inside: State) -> Value:
        _capture(first.pattern, subject, inside)
        guard: Term = True if first.guard is None else condition(first.guard, inside, run)

        def body(now: State) -> Value:
            execute_block(first.body, now, run)
            return NONE

        return branch(inside, run, guard, body, others)

    branch(state, run, _fits(first.pattern, subject, state, run), taken, others)


def _fits(pattern: ast.pattern, subject: Value, state: State, run: Machine) -> Term:
    from verification.abstract.expressions import compare, evaluate

    line = pattern.lineno
    if isinstance(pattern, ast.MatchAs):
        return True if pattern.pattern is None else _fits(pattern.pattern, subject, state, run)
    if isinstance(pattern, ast.MatchOr):
        fits: Term = False
        for part in pattern.patterns:
            fits = encoding.disjunction(fits, _fits(part, subject, state, run))
        return fits
    if isinstance(pattern, ast.MatchValue):
        return compare(ast.Eq, subject, evaluate(pattern.value, state, run), state, run, line)
    if isinstance(pattern, ast.MatchSingleton) and pattern.value is None:
        return compare(ast.Is, subject, NONE, state, run, line)
    raise Unsupported("such a pattern", line)


def _capture(pattern: ast.pattern, subject: Value, state: State) -> None:
    if isinstance(pattern, ast.MatchAs):
        if pattern.pattern is not None:
            _capture(pattern.pattern, subject, state)
        if pattern.name is not None:
            state.variables[pattern.name] = subject
