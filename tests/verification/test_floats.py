"""The property `float` against CPython: what is said to stay finite does, on the largest and the smallest floats."""

from __future__ import annotations

import ast
import itertools
import math
import re
from random import Random
from typing import Any

import pytest

from verification import Limits, Outcome, verify
from verification.abstract import operators
from verification.abstract.prove import FINITE, prove_finite

EXTREMES = (
    0.0,
    -0.0,
    5e-324,
    1e-308,
    1e-160,
    1e-9,
    0.5,
    1.0,
    -1.0,
    1.5,
    3.0,
    700.0,
    -750.0,
    1e12,
    1e150,
    -1e155,
    1e300,
)
FLOATS = (*EXTREMES, 2.0**1023, -(2.0**1023), 1.7976931348623157e308, -1.7976931348623157e308)
SEEDS = range(300)


def holds(source: str) -> bool:
    return prove_finite(ast.parse(source), "f", contract=None, limits=Limits()).holds("float")


def expression(chance: Random, depth: int) -> str:
    if depth == 0 or chance.random() < 0.15:
        return chance.choice(("a", "b", "a", "b", "0.5", "2.0", "-1.0", "1e10", "1e-5", "3.0", "0.1"))
    left, right = expression(chance, depth - 1), expression(chance, depth - 1)
    low, high = sorted(chance.choice((-1e300, -1e12, -2.0, -1.0, 0.0, 0.5, 1.0, 700.0, 1e12, 1e150)) for _ in "ab")
    return chance.choice(
        (
            f"({left} + {right})", f"({left} - {right})", f"({left} * {right})", f"({left} * 0.5)", f"({left} / 2.0)",
            f"({left} / {right} if abs({right}) > 0.5 else 0.0)", f"max({low!r}, min({left}, {high!r}))", f"abs({left})",
            f"min({left}, {right})", f"(-{left})", f"({left} ** 2)", f"({left} % 10.0)", f"({left} // 3.0)",
            f"({left} if {left} < {right} else {right})", f"math.sqrt(abs({left}))",
            f"math.exp(min({left}, {chance.choice((1.0, 700.0, 710.0))}))",
        )
    )  # fmt: skip


def program(seed: int) -> str:
    chance = Random(f"floats {seed}")
    lines = ["import math", "", "def f(a: float, b: float) -> float:"]
    for name in ("a", "b"):
        if chance.random() < 0.6:
            bound = chance.choice(("1.0", "1e3", "1e12", "1e100", "1e150", "1e300"))
            lines.append(f"    if abs({name}) > {bound}:\n        return 0.0")
    shape = chance.random()
    if shape < 0.6:
        lines.append(f"    return {expression(chance, 3)}")
    else:
        update = re.sub(r"\bb\b", "t", expression(chance, 2))
        lines += [f"    t = {chance.choice(('0.0', '1.0', 'a'))}", "    for x in (a, b, a, b, a):"]
        lines.append("        t = " + re.sub(r"\ba\b", "x", update))
        lines += ["    return t"]
    return "\n".join(lines) + "\n"


def escapes(source: str) -> list[tuple[float, ...]]:
    """Finite arguments on which something infinite comes out."""
    names: dict[str, Any] = {}
    exec(source, names)
    found = []
    for row in itertools.product(FLOATS, repeat=2):
        try:
            if not math.isfinite(names["f"](*row)):
                found.append(row)
        except OverflowError:
            found.append(row)
        except (ZeroDivisionError, ValueError):
            pass
    return found


def test_random_functions_that_are_said_to_stay_finite_do() -> None:
    shown = [source for source in map(program, SEEDS) if holds(source)]
    assert len(shown) > 60
    wrong = [(source, row) for source in shown for row in escapes(source)[:1]]
    assert not wrong, wrong[0]


WIDE = "def f(a: float, b: float) -> float:\n    return a + b\n"


OPEN = [
    WIDE,
    "def f(a: float, b: float) -> float:\n    return a * b if abs(b) <= 1.0000001 else 0.0\n",
    "def f(a: float, b: float) -> float:\n    return a / b if abs(b) >= 0.9999999 else 0.0\n",
    "def f(a: float, b: float) -> float:\n    return a / 2.0 + b / 2.0 + a / 4.0\n",
    "def f(a: float, b: float) -> float:\n    return a ** 2 if abs(a) < 1e155 else b\n",
    "def f(xs: list[float]) -> float:\n    t = 0.0\n    for x in xs:\n        t = t * 0.5 + x * 0.75\n    return t\n",
    "import math\n\ndef f(a: float) -> float:\n    return math.exp(a) if a < 710.0 else 0.0\n",
]


@pytest.mark.parametrize("source", OPEN)
def test_what_may_become_infinite_is_not_shown(source: str) -> None:
    assert not holds(source)


def test_the_assumption_is_told() -> None:
    source = "def f(a: float, b: float) -> float:\n    return a / 2.0 + b / 2.0\n"
    (verdict,) = verify(source, entry="f", properties=["float"]).verdicts
    assert verdict.outcome is Outcome.PROVED
    assert FINITE in verdict.assumptions


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("_most", lambda value, state, run: 0),
        ("_least", lambda value, state, run: 0),
        ("result_float", lambda state, run, line, hint, exponent=None, least=None: run.float_symbol(state, hint, exponent=1024)),
    ],
)  # fmt: skip
def test_a_wrong_bound_is_noticed(name: str, wrong: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operators, name, wrong)
    assert any(map(holds, OPEN))
