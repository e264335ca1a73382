"""Verdicts against CPython: a proof survives every input tried, and a violation's input takes the violation."""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.verification.generate import inputs, programs
from verification import Limits
from verification.symbolic import dicts, encoding, operators
from verification.symbolic.explore import EXPLORED_SLUGS, Exploration, broken_by, explore
from verification.symbolic.expressions import EXPRESSIONS
from verification.symbolic.statements import STATEMENTS
from verification.symbolic.values import Bool, Int, Raised

LIMITS = Limits(unroll=2, paths=64, steps=4_000, queries=400, rlimit=40_000, total_rlimit=400_000)
SETTINGS = settings(
    max_examples=250,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def broken(source: str, arguments: tuple[object, ...]) -> tuple[str, ...]:
    """What CPython breaks on one input; the generated programs are ours, so they run here."""
    names: dict[str, Any] = {}
    exec(source, names)
    try:
        names["f"](*copy.deepcopy(arguments))
    except Exception as error:  # noqa: BLE001 - a generated program may raise anything
        ancestors = [cls.__name__ for cls in type(error).__mro__]
        return broken_by(ancestors, "NoneType" in str(error), None)
    return ()


def disagreements(source: str, rows: list[tuple[object, ...]]) -> list[str]:
    """Every way in which the exploration and CPython differ."""
    found = explore(ast.parse(source), "f", limits=LIMITS)
    wrong = [
        f"{violation.property} at line {violation.line} does not happen on {violation.arguments}"
        for violation in found.violations
        if violation.arguments is not None and violation.property not in broken(source, violation.arguments)
    ]
    proved = proofs(found)
    for row in rows if proved else ():
        wrong += [f"{slug} was proved and breaks on {row}" for slug in broken(source, row) if slug in proved]
    return wrong


def proofs(found: Exploration) -> set[str]:
    if not found.complete:
        return set()
    return set(EXPLORED_SLUGS) - {violation.property for violation in found.violations}


@SETTINGS
@given(programs(), st.integers(0, 10_000))
def test_random_programs_behave_as_in_cpython(source: str, seed: int) -> None:
    assert disagreements(source, inputs(seed, 60)) == []


# --- deliberately wrong rules, each with a program that shows it

WITNESSES: dict[str, str] = {
    "floor division": "def f(a: int) -> int:\n    assert a // -3 == -(a // 3) or a % 3 != 0 or a == 0\n    assert -7 // 2 < a // 2 or a < -6\n    return 1 // (a // -3 + 2)\n",
    "modulo sign": "def f(a: int) -> int:\n    assert a % -3 <= 0\n    return 0\n",
    "symbolic division": "def f(a: int, b: int) -> int:\n    if b == -3 and a == 7:\n        assert a // b == -3\n    return 0\n",
    "negative index": "def f(xs: list[int]) -> int:\n    return xs[-1] if xs else 0\n",
    "slice clamp": "def f(xs: list[int]) -> int:\n    assert len(xs[0:5]) <= len(xs)\n    return 0\n",
    "chained comparison": "def f(a: int) -> int:\n    assert not (0 < a < 0)\n    return 0\n",
    "short circuit": "def f(a: int) -> bool:\n    return a == 0 or 1 // a == 1\n",
    "bool as int": "def f(p: bool) -> int:\n    return 1 // (p + 1)\n",
    "truth of an int": "def f(a: int) -> int:\n    assert (1 if a else 0) == (1 if a != 0 else 0)\n    return 0\n",
    "string order": "def f(s: str) -> int:\n    assert not ('a' < s < 'a')\n    assert s < 'b' or s >= 'b'\n    return 1 // (1 if s > 'b' else 0) if s == 'c' else 0\n",
    "float comparison": "def f(a: int) -> int:\n    return 1 // (a - 1) if a > 0.5 and a < 1.5 else 0\n",
    "empty slice": "def f(xs: list[int]) -> int:\n    return len(xs[2:1]) and 1 // 0\n",
    "dict order": "def f(a: int) -> int:\n    d = {2: a, 1: 0}\n    d[2] = 0\n    for k in d:\n        return 1 // (k - 1)\n    return 0\n",
    "exception order": "def f(xs: list[int], a: int) -> int:\n    return xs[0] + 1 // a if (a == 0) == (len(xs) == 0) else 0\n",
    "handlers in order": "def f(xs: list[int]) -> int:\n    try:\n        return xs[0]\n    except LookupError:\n        return 1\n    except IndexError:\n        return 1 // 0\n",
}  # fmt: skip
"""A program for each rule; with the right rule nothing disagrees."""


def rows_for(source: str) -> list[tuple[object, ...]]:
    """Small inputs of the one or two parameters."""
    parameters = ast.parse(source).body[0].args.args  # type: ignore[attr-defined]
    values: dict[str, list[object]] = {
        "int": list(range(-8, 9)),
        "bool": [False, True],
        "str": ["", "a", "b", "c", "ab"],
        "list[int]": [[], [1], [1, 2], [1, 2, 3], [0] * 5],
    }
    columns = [values[ast.unparse(parameter.annotation)] for parameter in parameters]
    if len(columns) == 1:
        return [(value,) for value in columns[0]]
    return [(left, right) for left in columns[0] for right in columns[1]]


@pytest.mark.parametrize("rule", WITNESSES)
def test_the_right_rules_agree_with_cpython(rule: str) -> None:
    assert disagreements(WITNESSES[rule], rows_for(WITNESSES[rule])) == []


def _truncating(a: Any, divisor: int) -> Any:
    return int(a / divisor) if isinstance(a, int) else a / divisor


def _wrong_division(a: Any, b: Any, q: Any, r: Any) -> Any:
    import z3

    return z3.Or(b == 0, z3.And(a == b * q + r, r >= 0, r < z3.If(b > 0, b, -b)))


def _wrong_order(symbol: str, a: Any, b: Any, right: Callable[..., Any] = encoding._compared_strings) -> Any:
    return right(symbol, b, a)


def _eager(node: ast.BoolOp, state: Any, run: Any) -> Any:
    """`and` and `or` that evaluate every operand."""
    for after, values in run.evaluate_all(node.values, state):
        yield after, values if isinstance(values, Raised) else values[-1]


def _wrong_truth(value: Any) -> Any:
    return encoding.compared(">", value.term, 0) if isinstance(value, Int) else value.term


def _wrong_whole(value: Any) -> Any:
    return 0 - encoding.choice(value.term, 1, 0) if isinstance(value, Bool) else value.term


def _sorted_keys(ref: Any, state: Any, line: int, right: Callable[..., Any] = dicts.keys) -> Any:
    return tuple(sorted(right(ref, state, line), key=lambda pair: pair[0].term))


def _right_first(node: ast.BinOp, state: Any, run: Any) -> Any:
    for after, found in run.evaluate_all((node.right, node.left), state):
        if isinstance(found, Raised):
            yield after, found
        else:
            yield from operators.binary(type(node.op), found[1], found[0], after, run, node.lineno)


def _last_handler_first(node: ast.Try, state: Any, run: Any, right: Callable[..., Any] = STATEMENTS[ast.Try]) -> Any:
    turned = ast.Try(node.body, node.handlers[::-1], node.orelse, node.finalbody)
    return right(ast.copy_location(turned, node), state, run)


MUTANTS: dict[str, tuple[Any, Any, Callable[..., Any]]] = {
    "floor division": (encoding, "quotient", _truncating),
    "modulo sign": (encoding, "remainder", lambda a, divisor: a % abs(divisor)),
    "symbolic division": (encoding, "division_fact", _wrong_division),
    "negative index": (encoding, "position", lambda index, length: index),
    "slice clamp": (encoding, "clamp", lambda bound, length: encoding.position(bound, length)),
    "chained comparison": (encoding, "conjunction", lambda left, right: left),
    "short circuit": (EXPRESSIONS, ast.BoolOp, _eager),
    "bool as int": (encoding, "whole", _wrong_whole),
    "truth of an int": (encoding, "truth", _wrong_truth),
    "string order": (encoding, "_compared_strings", _wrong_order),
    "float comparison": (encoding, "compared_with_float", lambda symbol, a, b: encoding._ORDER[symbol](a, int(b))),
    "empty slice": (encoding, "slice_length", lambda low, high: high - low),
    "dict order": (dicts, "keys", _sorted_keys),
    "exception order": (EXPRESSIONS, ast.BinOp, _right_first),
    "handlers in order": (STATEMENTS, ast.Try, _last_handler_first),
}


@pytest.mark.parametrize("rule", MUTANTS)
def test_a_wrong_rule_is_noticed(rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    home, name, wrong = MUTANTS[rule]
    if isinstance(home, dict):
        monkeypatch.setitem(home, name, wrong)
    else:
        monkeypatch.setattr(home, name, wrong)
    assert disagreements(WITNESSES[rule], rows_for(WITNESSES[rule])) != []


def test_a_swallowed_exception_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """An index error that the executor forgot would be a false proof."""
    source = "def f(xs: list[int]) -> int:\n    return xs[0]\n"
    assert disagreements(source, rows_for(source)) == []
    monkeypatch.setattr(encoding, "within", lambda offset, length: True)
    assert disagreements(source, rows_for(source)) != []


def test_the_mutants_cover_every_rule_that_the_witnesses_show() -> None:
    assert set(MUTANTS) == set(WITNESSES)
