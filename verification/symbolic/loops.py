"""`for` and `while`: unrolled up to the bound, which counts only iterations that depend on the input."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from verification.symbolic.expressions import condition
from verification.symbolic.iteration import iterate, sources
from verification.symbolic.machine import Flow, Jump, Machine, Signal
from verification.symbolic.state import State
from verification.symbolic.targets import assign
from verification.symbolic.values import Raised, Value

ROUNDS = 12
"""Iterations of which it is asked whether they may change nothing."""


def execute_for(node: ast.For, state: State, run: Machine) -> Iterator[Flow]:
    """Go through the sequence; the else clause runs where no `break` did."""

    def body(item: Value, current: State) -> Iterator[tuple[State, Signal | bool]]:
        for after, signal in assign(node.target, item, current, run):
            if signal is not None:
                yield after, signal
                continue
            for last, result in run.execute_block(node.body, after):
                yield last, False if _goes_on(result) else result

    for after, loop in sources(node.iter, state, run):
        if isinstance(loop, Raised):
            yield after, loop
            continue
        for last, result in iterate(loop, after, run, body):
            yield from _after_loop(node, last, None if result is False else result, run)  # type: ignore[arg-type]


def execute_while(node: ast.While, state: State, run: Machine) -> Iterator[Flow]:
    """Run the body while the condition holds."""
    alive: list[tuple[State, int, int]] = [(state, 0, state.decisions)]
    while alive:
        following: list[tuple[State, int, int]] = []
        for current, spent, decisions in alive:
            run.tick(current)
            before = run.symbolic_forks
            branches = list(condition(node.test, current, run))
            # A test that never fails (`while True`) counts where the body decided something about the input.
            undecided = len(branches) > 1 or (_is_constant(node.test) and current.decisions > decisions)
            cost = run.iteration_cost(undecided=undecided, symbolic=run.symbolic_forks > before)
            for after, truth in branches:
                if truth is not True:
                    yield from _after_loop(node, after, truth or None, run)
                elif not run.within_bound(spent + cost):
                    run.cut(node.lineno)
                else:
                    for last, signal in run.execute_block(node.body, after):
                        if _goes_on(signal):
                            if run.rounds is not None and len(run.rounds) < ROUNDS:
                                run.rounds.append((after, last, node))
                            following.append((last, spent + cost, after.decisions))
                            run.check_width(len(following))
                        else:
                            yield from _after_loop(node, last, signal, run)
        alive = following


def _goes_on(signal: Signal) -> bool:
    return signal is None or (isinstance(signal, Jump) and not signal.breaks)


def _after_loop(node: ast.For | ast.While, state: State, signal: Signal, run: Machine) -> Iterator[Flow]:
    """Where a path goes when the loop ends: on, out by `break`, or further up."""
    if signal is None:
        yield from run.execute_block(node.orelse, state)
    elif isinstance(signal, Jump):
        yield state, None
    else:
        yield state, signal


def _is_constant(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant)
