"""Proofs of all runs at once: what holds is shown, what doesn't stays open, and a broken rule is noticed."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

import pytest
import z3

from verification import Limits
from verification.abstract import calls, containers, expressions, loops, operators, ranking, statements
from verification.abstract import values as v
from verification.abstract.machine import Machine
from verification.abstract.prove import Proof, prove
from verification.abstract.values import Int
from verification.symbolic import encoding

HOLDS: list[tuple[str, str]] = [
    ("def f(xs: list[int]) -> int:\n    n = 0\n    for x in xs:\n        n += 1\n    return 1 // n if n else 0\n", "zero-division"),
    ("def f(xs: list[int]) -> int:\n    n = 1\n    for x in xs:\n        n += 1\n    return 1 // n\n", "zero-division"),
    ("def f(xs: list[int]) -> int:\n    i = 0\n    while i < len(xs):\n        xs[i]\n        i += 1\n    return i\n", "index-error"),
    ("def f(xs: list[int]) -> int:\n    lo, hi = 0, len(xs) - 1\n    while lo <= hi:\n        mid = (lo + hi) // 2\n        if xs[mid] < 3:\n            lo = mid + 1\n        else:\n            hi = mid - 1\n    return lo\n", "index-error"),
    ("def f(xs: list[int]) -> int:\n    lo, hi = 0, len(xs) - 1\n    while lo <= hi:\n        mid = (lo + hi) // 2\n        if xs[mid] < 3:\n            lo = mid + 1\n        else:\n            hi = mid - 1\n    return lo\n", "termination"),
    ("def f(ws: list[str]) -> int:\n    d = {}\n    for w in ws:\n        if w in d:\n            d[w] += 1\n        else:\n            d[w] = 1\n    return len(d)\n", "key-error"),
    ("def f(n: int) -> list[list[int]]:\n    g = [[0] * 3 for _ in range(max(n, 1))]\n    g[0][2] = 1\n    return g\n", "index-error"),
    ("def f(s: list[int]) -> int:\n    t = 0\n    while s:\n        t += s.pop()\n    return t\n", "termination"),
    ("def f(a: int, b: int) -> int:\n    a, b = abs(a), abs(b)\n    while b > 0:\n        a, b = b, a % b\n    return a\n", "termination"),
    ("def f(x: int | str | None) -> int:\n    if x is None:\n        return 0\n    return x if isinstance(x, int) else len(x)\n", "type-error"),
    ("def f(xs: list[int], n: int) -> int:\n    return xs[0] if n <= 0 and xs else f(xs, n - 1) if n > 0 else 0\n", "index-error"),
    ("def f(rows: list[list[int]]) -> int:\n    t = 0\n    for row in rows:\n        for x in row:\n            t += x\n    return t\n", "type-error"),
    ("def f(x: float) -> float:\n    return 1.0 / x if x != 0 else 0.0\n", "zero-division"),
    ("def f(d: dict[str, int]) -> int:\n    t = 0\n    for k in d:\n        t += d[k]\n    return t\n", "key-error"),
    ("def f(n: int) -> int:\n    if n < 0:\n        return 0\n    t = 0\n    for i in range(1, n + 1):\n        t += i\n    assert 2 * t == n * (n + 1)\n    return t\n", "assertion"),
    ("def f(n: int) -> int:\n    t = 0\n    for i in range(max(n, 0)):\n        t += 2 * i + 1\n    assert t == max(n, 0) * max(n, 0)\n    return t\n", "assertion"),
    ("def f(a: int, b: int) -> int:\n    if a < 0 or b <= 0:\n        return 0\n    q, r = 0, a\n    while r >= b:\n        r -= b\n        q += 1\n    assert 0 <= r < b and q * b + r == a\n    return q\n", "assertion"),
    ("def f(a: int, b: int) -> int:\n    assert (a + b) * (a - b) == a * a - b * b\n    return 0\n", "assertion"),
    ("def f(a: int, b: int) -> int:\n    if a < 1 or b < 1:\n        return 0\n    while a != b:\n        if a > b:\n            a -= b\n        else:\n            b -= a\n    return a\n", "termination"),
    ("def f(xs: list[int], ys: list[int]) -> int:\n    i = j = 0\n    while i < len(xs) and j < len(ys):\n        if xs[i] <= ys[j]:\n            i += 1\n        else:\n            j += 1\n    return i\n", "termination"),
    ("def f(text: str, part: str) -> int:\n    n, at = 0, text.find(part)\n    while at >= 0:\n        n += 1\n        at = text.find(part, at + 1)\n    return n\n", "termination"),
    ("def f(xs: list[int | None]) -> int:\n    return sum([x for x in xs if x is not None])\n", "type-error"),
]  # fmt: skip

OPEN: list[tuple[str, str]] = [
    ("def f(n: int) -> int:\n    if n < 0:\n        return 0\n    t = 0\n    for i in range(n):\n        t += i\n    assert 2 * t == n * (n + 1)\n    return t\n", "assertion"),
    ("def f(n: int) -> int:\n    t = 0\n    for i in range(max(n, 0)):\n        t += 2 * i if i != 5 else 0\n    assert t == max(n, 0) * (max(n, 0) - 1)\n    return t\n", "assertion"),
    ("def f(a: int, b: int) -> int:\n    assert a * b == a + b\n    return 0\n", "assertion"),
    ("def f(n: int) -> int:\n    t = s = 0\n    for i in range(n):\n        s += 1\n        t += s\n    assert 2 * t == s * s\n    return t\n", "assertion"),
    ("def f(xs: list[int]) -> int:\n    n = 0\n    for x in xs:\n        n += 1\n    return 1 // n\n", "zero-division"),
    ("def f(xs: list[int]) -> int:\n    i = 0\n    while i <= len(xs):\n        xs[i]\n        i += 1\n    return i\n", "index-error"),
    ("def f(n: int) -> int:\n    while n != 0:\n        n -= 1\n    return n\n", "termination"),
    ("def f(xs: list[int]) -> int:\n    for x in xs:\n        xs.append(x)\n    return 0\n", "termination"),
    ("def f(xs: list[int]) -> int:\n    for i in range(len(xs)):\n        xs.pop()\n        xs[i]\n    return 0\n", "index-error"),
    ("def f(g: list[list[int]]) -> int:\n    a, b = g[0], g[-1]\n    n = len(b)\n    a.clear()\n    return b[n - 1] if n else 0\n", "index-error"),
    ("def f(n: int) -> int:\n    g = [[0]] * 2\n    g[0].append(n)\n    return [1, 2][len(g[1]) + 0]\n", "index-error"),
    ("def f(n: int) -> int:\n    a = [1]\n    g = [a]\n    for _ in range(n):\n        g[0].clear()\n    return a[0]\n", "index-error"),
    ("def f(n: int) -> int:\n    g = [[0, 0] for _ in range(3)]\n    for _ in range(n):\n        g[0].pop()\n    return g[0][0]\n", "index-error"),
    ("def g(xs: list[int]) -> None:\n    xs.clear()\n\ndef f(n: int) -> int:\n    a = [n]\n    g(a)\n    return a[0]\n", "index-error"),
    ("def f(xs: list[int], n: int) -> int:\n    ys = [1]\n    if n > 0:\n        f(ys, n - 1)\n        return ys[0]\n    xs.clear()\n    return 0\n", "index-error"),
    ("def f(xs: list[str], p: int) -> int:\n    if len(xs) == 1:\n        1 % p\n    raise KeyError(p)\n", "zero-division"),
    ("def fail(p: int) -> None:\n    1 // p\n    raise ValueError\n\ndef f(p: int) -> int:\n    try:\n        fail(p)\n    except ValueError:\n        pass\n    return 0\n", "zero-division"),
    ("def f(d: dict[str, int]) -> int:\n    for k in d.keys():\n        d[k + 'a'] = 1\n    return 0\n", "other-exception"),
    ("def f(xs: list[int | None]) -> list[int | None]:\n    return sorted(xs)\n", "none-deref"),
    ("def f(a: int) -> str:\n    for i in range(3):\n        try:\n            1 // a\n        except ZeroDivisionError as e:\n            break\n    else:\n        return ''\n    return str(e)\n", "unbound-local"),
    ("def f(a: int) -> str:\n    try:\n        try:\n            1 // a\n        except ZeroDivisionError as e:\n            raise ValueError\n    except ValueError:\n        return str(e)\n    return ''\n", "unbound-local"),
    ("def f(a: int) -> int:\n    for i in range(3):\n        try:\n            1 // a\n        except ZeroDivisionError:\n            break\n    else:\n        return 0\n    raise\n", "other-exception"),
    ("def f(xs: list[int]) -> int:\n    fs = [lambda: 10 // (2 - i) for i in range(3)]\n    return fs[0]()\n", "zero-division"),
    ("def g(n: int) -> int:\n    m = 1\n    return m // n\n\ndef f(n: int) -> int:\n    m = 0\n    try:\n        g(n)\n    except ZeroDivisionError:\n        return 1 // m\n    return 0\n", "zero-division"),
    ("def f(x: list[int]) -> list[int]:\n    return [0 for y in x for x, in x]\n", "unbound-local"),
    ("def f(a: int) -> int:\n    return 1 // (a // -3 + 2)\n", "zero-division"),
    ("def f(xs: list[int]) -> int:\n    return xs[-2] if xs else 0\n", "index-error"),
    ("def f(p: bool) -> int:\n    return 1 // (p - 1)\n", "zero-division"),
    ("def f(x: int | str) -> int:\n    return len(x)\n", "type-error"),
    ("def f(x: float, y: float) -> float:\n    return 1.0 / (x * y) if 0.0 < x < 1.0 and 0.0 < y < 1.0 else 0.0\n", "zero-division"),
    ("def f(xs: list[int]) -> int:\n    n = 5\n    for x in xs:\n        n -= 1\n    return 1 // n\n", "zero-division"),
    ("def f(xs: list[int], a: int) -> int:\n    return xs[0] + 1 // a if (a == 0) == (len(xs) == 0) else 0\n", "index-error"),
    ("def f(xs: list[int]) -> int:\n    try:\n        return xs[0]\n    except LookupError:\n        return 1 // 0\n    except IndexError:\n        return 1\n", "zero-division"),
    ("def f(a: int) -> int:\n    d = {2: 0, 1: 0}\n    for k in d:\n        return 1 // (k - 2)\n    return 0\n", "zero-division"),
]  # fmt: skip


def attempt(source: str, slug: str) -> Proof:
    return prove(ast.parse(source), "f", contract=None, limits=Limits(), slugs=[slug])


@pytest.mark.parametrize(("source", "slug"), HOLDS)
def test_what_holds_is_shown(source: str, slug: str) -> None:
    proof = attempt(source, slug)
    assert proof.holds(slug), (proof.refusal, proof.suspects)
    assert slug in proof.obligations


@pytest.mark.parametrize(("source", "slug"), OPEN)
def test_what_does_not_hold_is_never_shown(source: str, slug: str) -> None:
    assert not attempt(source, slug).holds(slug)


RIGHT_CALL = calls.call_function


# --- deliberately wrong rules: each must show something that does not hold, which the test above would catch


def _all_of_them(state: Any, facts: list[Any], run: Any) -> list[Any]:
    return [fact for fact, _ in facts]


def _never_broken(backs: Any, switches: list[Any], terms: Any, run: Any) -> set[int]:
    return set(range(len(switches)))


def _unconfirmed(*_: Any) -> None:
    """Takes the facts for an invariant without evidence."""


def _as_it_was(loop: Any, state: Any, changes: Any, run: Any) -> Any:
    """The first iteration stands for all of them."""
    number = run.symbol("iteration", low=0)
    head = state.copy()
    head.assume(number >= 0)
    return head, number


def _forgetting_exits(function: Any, args: Any, keywords: Any, state: Any, run: Any, line: int) -> Any:
    with run.keeping_exits():
        return RIGHT_CALL(function, args, keywords, state, run, line)


def _nothing(*_: Any, **__: Any) -> None:
    """Leaves everything as it is."""


def _falls_without_end(measure: Any, at_head: Any, back: Any, run: Any) -> bool:
    after = measure.of(back)
    return after is not None and run.entails(back, run.lift(after) < at_head)


def _last_option_alone(run: Any, state: Any, given: Any, act: Any) -> Any:
    return act(state, tuple(v.options[-1][1] if hasattr(v, "options") else v for v in given))


def _exact_product(a: Any, b: Any, state: Any, run: Any, line: int) -> Any:
    found = operators.result_float(state, run, line, "product")
    x, y = run.lift_real(a.real), run.lift_real(b.real)
    state.assume(z3.Implies(z3.And(x != 0, y != 0), found.real != 0))
    return found


def _truncating(a: Any, divisor: int) -> Any:
    return int(a / divisor) if isinstance(a, int) else z3.If(a >= 0, a / abs(divisor), -((-a) / abs(divisor)))


def _zero(value: Any) -> Any:
    return value.term if isinstance(value, Int) else 0


def _right_first(node: ast.BinOp, state: Any, run: Any) -> Any:
    right = expressions.evaluate(node.right, state, run)
    left = expressions.evaluate(node.left, state, run)
    return expressions.binary(type(node.op), left, right, state, run, node.lineno)


def _last_handler_first(node: ast.Try, *others: Any, right: Any = statements._handler_of) -> Any:
    return right(ast.Try(node.body, node.handlers[::-1], node.orelse, node.finalbody), *others)


def _least_key_first(
    self: Any, value: Any, offset: Any, state: Any, run: Any, right: Any = containers.Source._one
) -> Any:
    """As if a dict were in the order of its keys, the least of which is 1 here."""
    key = right(self, value, offset, state, run)
    if isinstance(value, v.Ref) and value.kind == "dict":
        state.assume(key.term == 1)
    return key


MUTANTS: dict[str, tuple[Any, Any, Callable[..., Any]]] = {
    "the right operand comes first": (expressions._HANDLERS, ast.BinOp, _right_first),
    "the last handler comes first": (statements, "_handler_of", _last_handler_first),
    "the least key comes first": (containers.Source, "_one", _least_key_first),
    "facts that hold at first need no more": (loops, "_kept", _never_broken),
    "facts need not hold at first": (loops, "_implied", _all_of_them),
    "the first iteration is like all others": (loops, "_head", _as_it_was),
    "an object has one name": (Machine, "_forget_aliases", _nothing),
    "what is stored is not shared": (Machine, "share", _nothing),
    "a call of itself changes nothing": (Machine, "disturb", _nothing),
    "exceptions of a callee are lost": (calls, "call_function", _forgetting_exits),
    "a measure needs no bound": (ranking, "_falls", _falls_without_end),
    "a choice is its last kind": (Machine, "cases", _last_option_alone),
    "a dict may grow while it is gone through": (loops, "_check_size", _nothing),
    "None can be put in order": (operators, "holds_none", lambda *shapes: False),
    "negative index": (encoding, "position", lambda index, length: 0),
    "bool as int": (encoding, "whole", _zero),
    "float rounding": (
        operators,
        "_FLOATS",
        {**operators._FLOATS, ast.Mult: (operators._FLOATS[ast.Mult][0], _exact_product)},
    ),  # type: ignore[dict-item]
    "a product is a sum": (operators, "product", lambda a, b, state, run: a + b),
    "an index is always within": (encoding, "within", lambda offset, length: True),
}


@pytest.mark.parametrize("rule", MUTANTS)
def test_a_wrong_rule_is_noticed(rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    home, name, wrong = MUTANTS[rule]
    if isinstance(home, dict):
        monkeypatch.setitem(home, name, wrong)
    else:
        monkeypatch.setattr(home, name, wrong)
    if name in ("_kept", "_implied"):
        monkeypatch.setattr(loops, "_confirm", _unconfirmed)
    assert any(_is_shown(source, slug) for source, slug in OPEN)


def _is_shown(source: str, slug: str) -> bool:
    try:
        return attempt(source, slug).holds(slug)
    except IndexError:  # a rule can be so wrong that the prover itself falls over it
        return False


def test_an_invariant_that_the_solver_does_not_confirm_ends_the_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is assumed of every iteration is put to the solver once more, as evidence; without it nothing is shown."""
    monkeypatch.setattr(loops, "_kept", _never_broken)
    assert not any(attempt(source, slug).holds(slug) for source, slug in OPEN)


def test_a_budget_that_is_used_up_shows_nothing() -> None:
    source = "def f(a: int) -> int:\n" + "    a = a + 1\n" * 3_000 + "    return 1 // (a * a + 1)\n"
    proof = attempt(source, "zero-division")
    assert proof.exhausted is not None
    assert not proof.holds("zero-division")


def test_a_proof_is_the_same_every_time() -> None:
    source, slug = HOLDS[3]
    first, second = attempt(source, slug), attempt(source, slug)
    assert [str(shown.extra) for shown in first.discharged] == [str(shown.extra) for shown in second.discharged]
