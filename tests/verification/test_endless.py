"""Calls that never end though no state comes again: refuted where no run leaves the loop, and nowhere else."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from random import Random

import pytest

from verification import Limits, verify
from verification.endless import Stand, goes_on_for_ever
from verification.outcome import Outcome, Verdict


def termination(source: str) -> Verdict:
    (verdict,) = verify(source, entry="f", properties=("termination",)).verdicts
    return verdict


def function(*lines: str, head: str = "def f(n: int) -> int:") -> str:
    return "\n    ".join([head, *lines]) + "\n"


ENDLESS = {
    "a step past the end": (function("while n != 0:", "    n -= 2", "return n"), "f(1)"),
    "a step in the wrong direction": (function("i = 0", "while i < n:", "    i -= 1", "return i"), "f(1)"),
    "a bound that moves along": (function("i = 0", "while i < n:", "    i += 1", "    n += 1", "return i"), "f(1)"),
    "a list that only grows": (
        function("q = [1]", "while q:", "    n += 1", "    q.append(n)", "return n"),
        "f(0)",
    ),
    "a parity that stays": (function("while n % 2 != 0:", "    n += 2", "return n"), "f(1)"),
    "a search without an end": (
        function("i = 0", "while True:", "    if i < len(xs) and xs[i] == n:", "        return i", "    i += 1",
                 head="def f(xs: list[int], n: int) -> int:"),
        "f([], 0)",
    ),
    "a helper that adds": (
        "def g(a: int) -> int:\n    return a + 1\n" + function("x = 1", "while x > 0:", "    x = g(x)", "return x"),
        "f(0)",
    ),
    "two that part": (
        function("m = 0", "while n != m:", "    n += 2", "    m += 1", "return n", head="def f(n: int) -> int:"),
        "f(1)",
    ),
    "an inner loop": (
        function("for i in range(n):", "    k = i", "    while k >= 0:", "        k += 1", "return n"),
        "f(1)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ENDLESS)
def test_a_loop_that_no_run_leaves_is_refuted(name: str) -> None:
    source, call = ENDLESS[name]
    verdict = termination(source)
    assert verdict.outcome is Outcome.REFUTED, verdict
    assert verdict.counterexample is not None
    assert verdict.counterexample.call == call
    assert "nothing gets it out of the loop at line" in verdict.counterexample.observed


STANDSTILL = {
    "a step of nothing": function(
        "rungs: list[int] = []", "if step < 0:", "    return rungs", "while start < stop:", "    rungs.append(start)",
        "    start += step", "return rungs", head="def f(start: int, stop: int, step: int) -> list[int]:",
    ),
    "a division by one": function(
        "while n > 1000:", "    n = n // k if k > 0 else n - 1", "return n", head="def f(n: int, k: int) -> int:"
    ),
    "only far from where one looks": function(
        "while n > 4000:", "    n -= 0 if n == 4711 else 1", "return n",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", STANDSTILL)
def test_an_input_is_found_on_which_an_iteration_changes_nothing(name: str) -> None:
    verdict = termination(STANDSTILL[name])
    assert verdict.outcome is Outcome.REFUTED, verdict
    assert "the same state comes again" in verdict.reason


LONG = {
    "it ends beyond the budget": function("k = 0", "while k * k < 10**9:", "    k += 1", "return k"),
    "another name empties the list": function(
        "a = [0] * 5", "b = a", "k = 0", "while a:", "    k += 1", "    if k == 20000:", "        b.clear()", "return k"
    ),
    "a list within another list is emptied": function(
        "a = [0] * 5", "b = (a, 1)", "k = 0", "while a:", "    k += 1", "    if k == 20000:", "        b[0].clear()",
        "return k",
    ),
    "a list of the module's counts": (
        "K = [0]\ndef g() -> bool:\n    K.append(0)\n    return len(K) < 9000\n"
        + function("k = 0", "while k >= 0:", "    k += 1", "    if not g():", "        k = -1", "return n")
    ),
    "a number of the module's counts": (
        "K = 0\ndef g() -> int:\n    global K\n    K += 1\n    return K\n"
        + function("while g() < 20000:", "    pass", "return n")
    ),
    "a default counts": (
        "def g(k: list[int] = [0]) -> int:\n    k.append(0)\n    return len(k)\n"
        + function("while g() < 20000:", "    pass", "return n")
    ),
    "a list of the module's was filled before": (
        "K: list[int] = []\n"
        + function("K.append(n)", "k = 0", "while k >= 0:", "    k += 1", "    if k == 20000 and K:", "        return k")
    ),
    "a default was filled before": (
        "def g(k: list[int] = []) -> list[int]:\n    return k\n"
        + function("g().append(n)", "k = 0", "while k >= 0:", "    k += 1", "    if k == 20000 and g():", "        break")
    ),
    "a nested function counts": function(
        "k = 0", "def g() -> int:", "    nonlocal k", "    k += 1", "    return k", "while g() < 20000:", "    pass",
        "return n",
    ),
    "a name that is set later": function(
        "k = 0", "while k >= 0:", "    k += 1", "    if k == 20000:", "        max", "max = 1", "return k"
    ),
    "an iterator runs out": function(
        "them = iter(range(20000))", "x = 0", "while x is not None:", "    x = next(them, None)", "return n"
    ),
    "an exception ends it": function(
        "k = 20000", "try:", "    while True:", "        k -= 1", "        n = 1 // k", "except ZeroDivisionError:",
        "    return 1",
    ),
    "a break ends it": function("k = 0", "while True:", "    k += 1", "    if k == 20000:", "        break", "return k"),
    "a float comes to rest": function("x = 1.0", "while x * 0.9999 != x:", "    x = x * 0.9999", "return n"),
}  # fmt: skip


@pytest.mark.parametrize("name", LONG)
def test_a_loop_that_ends_after_very_long_is_not_refuted(name: str) -> None:
    verdict = termination(LONG[name])
    assert verdict.outcome is not Outcome.REFUTED, verdict


@pytest.mark.parametrize("variables", ["", "{", "[1]", "{1: 2}", "{'n': 1}", "{'n': nothing()}", "{'n': 1 // 0}"])
def test_what_the_sandbox_says_may_be_anything(variables: str) -> None:
    tree = ast.parse(function("m = n", "while m > 0:", "    m -= 1", "return m"))
    assert not goes_on_for_ever(tree, "f", Stand(3, variables), Limits())


# --- loops at random, against running them

NAMES = ("a", "b", "c")
TURNS = 5_000


class _TooLong(Exception):
    pass


def _number(chance: Random, depth: int = 0) -> str:
    kind = chance.random()
    if kind < 0.35 or depth > 1:
        return chance.choice(NAMES)
    if kind < 0.6:
        return str(chance.choice((0, 1, 2, 3, -1, 5, 10, -7)))
    operator = chance.choice(("+", "-", "*", "//", "%"))
    right = _number(chance, depth + 1) if operator in ("+", "-") else str(chance.choice((2, 3, 5, -2)))
    return f"({_number(chance, depth + 1)} {operator} {right})"


def _test(chance: Random) -> str:
    return f"{_number(chance, 1)} {chance.choice(('<', '<=', '!=', '>', '>=', '=='))} {_number(chance, 1)}"


def _body(chance: Random, indent: str, depth: int = 0) -> Iterator[str]:
    for _ in range(chance.randint(1, 3)):
        kind = chance.random()
        name = chance.choice(NAMES)
        if kind < 0.5:
            yield f"{indent}{name} {chance.choice(('+=', '-='))} {chance.choice((1, 1, 2, 3, -1, *NAMES))}"
        elif kind < 0.7:
            yield f"{indent}{name} = {_number(chance)}"
        elif kind < 0.85 and depth < 2:
            yield f"{indent}if {_test(chance)}:"
            yield from _body(chance, indent + "    ", depth + 1)
        elif kind < 0.9 and depth:
            yield indent + chance.choice(("break", "continue", "return a"))
        elif kind < 0.95:
            yield f"{indent}xs.append({name})"
        else:
            yield f"{indent}{name} = len(xs)"


def _ends(source: str, held: dict[str, object]) -> bool:
    turns = iter(range(TURNS))

    def turn() -> None:
        if next(turns, None) is None:
            raise _TooLong

    first, test, *body = source.splitlines()
    scope: dict[str, object] = {"turn": turn}
    exec("\n".join([first, test, "        turn()", *body]), scope)
    try:
        scope["f"](**{name: list(value) if isinstance(value, list) else value for name, value in held.items()})  # type: ignore[operator]
    except _TooLong:
        return False
    except Exception:  # noqa: BLE001 - whatever the loop raises ends it
        return True
    return True


def test_no_loop_that_ends_is_said_to_go_on_for_ever() -> None:
    chance = Random(20)
    said = long = 0
    for _ in range(120):
        lines = [f"    while {_test(chance)}:", *_body(chance, "        "), "    return a"]
        source = "\n".join(["def f(a: int, b: int, c: int, xs: list[int]) -> int:", *lines]) + "\n"
        held: dict[str, object] = {name: chance.randint(-20, 20) for name in NAMES}
        held["xs"] = [chance.randint(-3, 3) for _ in range(chance.randint(0, 3))]
        ends = _ends(source, held)
        if goes_on_for_ever(ast.parse(source), "f", Stand(2, repr(held)), Limits()):
            assert not ends, (source, held)
            said += 1
        long += not ends
    assert long > 20
    assert said > 0.8 * long
