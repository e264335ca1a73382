"""The inputs that each signature is tried with: telling, of the annotated types, and the same everywhere."""

from __future__ import annotations

import ast
import subprocess
import sys
from typing import Any

import pytest

from verification.boundary import LONG, calls_for, column, further_calls_for
from verification.driver.annotations import matches
from verification.replay import Call, literal, replay
from verification.symbolic.inputs import Parameter, parameters, parse

MOST = 24


def signature(text: str) -> list[Parameter]:
    (function,) = ast.parse(f"def f({text}): ...").body
    assert isinstance(function, ast.FunctionDef)
    return parameters(function)


def rows(text: str, most: int = MOST) -> list[tuple[Any, ...]]:
    return calls_for(signature(text), most)


SIGNATURES = (
    "n: int",
    "a: int, b: int",
    "a: int, b: int, c: int, d: int",
    "flag: bool, other: bool",
    "x: float",
    "s: str",
    "s: str, part: str",
    "data: bytes",
    "xs: list[int]",
    "xs: list[int], x: int",
    "xs: list[str], ys: list[str]",
    "m: list[list[int]]",
    "pairs: list[tuple[int, int]]",
    "p: tuple[int, str]",
    "t: tuple[int, ...]",
    "s: set[str], f: frozenset[int]",
    "d: dict[str, int], key: str",
    "d: dict[str, list[str]], key: str",
    "d: dict[int, int]",
    "d: dict[tuple[int, str], set[int]]",
    "x: int | None",
    "xs: list[int | str | None]",
    "x: int | str | None, y: float",
    "a: list, b: dict, c: tuple, d: set",
    "x: object",
)


@pytest.mark.parametrize("text", SIGNATURES)
def test_every_value_is_exactly_of_its_annotated_type(text: str) -> None:
    annotations = [eval(one.annotation) for one in signature(text)]
    found = rows(text)
    assert found
    assert len(found) == len({literal(row) for row in found}) <= MOST
    for row in found:
        assert all(matches(value, annotation) for value, annotation in zip(row, annotations, strict=True)), row
        assert all(
            annotation is not int or type(value) is int for value, annotation in zip(row, annotations, strict=True)
        )
        assert all(
            annotation is not float or type(value) is float for value, annotation in zip(row, annotations, strict=True)
        )


@pytest.mark.parametrize("text", ["n: int", "a: int, b: int", "s: str", "s: str, t: str", "xs: list[int], x: int", "d: dict[str, int]", "a: float, b: float"])  # fmt: skip
def test_there_are_as_many_rows_as_are_asked_for(text: str) -> None:
    assert [len(rows(text, most)) for most in (1, 8, MOST)] == [1, 8, MOST]
    assert rows(text, 8) == rows(text)[:8]


@pytest.mark.parametrize("text", ["x", "x: int, y", "x: Widget", "f: Callable[[int], int]", "x: set[list[int]]", "x: dict[list[int], int]", "x: list[Widget]"])  # fmt: skip
def test_nothing_is_guessed_where_the_annotation_does_not_tell(text: str) -> None:
    assert rows(text) == []


@pytest.mark.parametrize("text", SIGNATURES)
def test_further_rows_are_others_of_the_annotated_types_and_small(text: str) -> None:
    given = signature(text)
    further = further_calls_for(given, MOST, 40)
    assert not set(map(literal, further)) & set(map(literal, rows(text)))
    assert len(set(map(literal, further))) == len(further)
    if "bool" not in text and "bytes" not in text and "object" not in text:  # of which there are few
        assert 20 <= len(further) <= 40
    for row in further:
        assert len(literal(row)) < 20_000
        assert all(matches(value, eval(one.annotation)) for value, one in zip(row, given, strict=True)), row


def test_a_function_without_parameters_is_called_once() -> None:
    assert rows("") == [()]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("n: int", [(0,), (1,), (-1,)]),
        ("xs: list[int]", [([],), ([1],), ([2, 2],), ([0] * LONG,)]),
        ("xs: list[int], ys: list[int]", [([], []), ([], [3, 1, 2]), ([3, 1, 2], []), ([3, 1, 2], [3])]),
        ("xs: list[int], x: int", [([], 0), ([3, 1, 2], 99), ([3, 1, 2], 3), ([3, 1, 2], -4)]),
        ("a: int, b: int", [(0, 0), (2, 0), (0, 2), (-7, 2), (2, -1)]),
        ("s: str", [("",), ("a",), (" ",), ("12",), ("²",), ("\n",), ("a" * LONG,)]),
        ("s: str, part: str", [("", ""), ("Ab 1", ""), ("abcabc", "b"), ("abcabc", "z"), ("abcd", "abc")]),
        ("d: dict[str, int], key: str", [({}, ""), ({}, "a"), ({"a": 2, "b": 1, "c": -1}, "zz")]),
        ("g: dict[str, list[str]], start: str", [({"a": ["b"], "b": ["a"]}, "a"), ({"a": ["b"]}, "a")]),
        ("m: list[list[int]]", [([],), ([[]],), ([[1], [2, 3]],), ([[1, 2], [3, 4]],)]),
        ("x: int | None", [(None,), (0,), (-1,)]),
        ("xs: list[int | str]", [([],), (["a", "", 1],)]),
        ("xs: list[int] | None, n: int", [(None, 0), (None, 2), ([], 2)]),
        ("a: float, b: float", [(0.0, 0.0), (0.5, 0.0), (1e308, 1e308)]),
    ],
)
def test_the_inputs_that_break_most_functions_are_there(text: str, told: list[tuple[object, ...]]) -> None:
    found = [literal(row) for row in rows(text)]
    assert [row for row in told if literal(row) not in found] == []


def test_floats_hold_every_odd_one() -> None:
    kind = parse(ast.parse("float", mode="eval").body)
    assert kind is not None
    found = {literal(value) for value in column(kind)}
    assert found >= {"0.0", "-0.0", "1e+308", "-1e+308", "1e-308", "float('nan')", "float('inf')", "float('-inf')"}


def test_everything_is_empty_in_the_first_row() -> None:
    assert rows("a: list[int], b: str, c: dict[str, int], d: int, e: set[int]")[0] == ([], "", {}, 0, set())


def test_the_rows_do_not_depend_on_the_order_of_hashes() -> None:
    script = (
        "from tests.verification.test_boundary import SIGNATURES, rows, signature\n"
        "from verification.boundary import further_calls_for\n"
        "from verification.replay import literal\n"
        "print([literal(row) for text in SIGNATURES for row in rows(text)])\n"
        "print([literal(row) for text in SIGNATURES for row in further_calls_for(signature(text), 24, 40)])"
    )
    told = {
        subprocess.run(
            [sys.executable, "-c", script], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(told) == 1


@pytest.mark.parametrize(
    ("source", "exception"),
    [
        ("def f(xs: list[int]) -> float: return sum(xs) / len(xs)", "ZeroDivisionError"),
        ("def f(xs: list[int]) -> int: return xs[1]", "IndexError"),
        ("def f(xs: list[int], i: int) -> int: return xs[i] if i < len(xs) else 0", "IndexError"),
        ("def f(a: list[int], b: list[int]) -> int: return sum(a[i] * b[i] for i in range(len(a)))", "IndexError"),
        ("def f(m: list[list[int]]) -> int: return sum(row[i] for i, row in enumerate(m))", "IndexError"),
        ("def f(d: dict[str, int], k: str) -> int: return d[k]", "KeyError"),
        ("def f(g: dict[str, list[str]], s: str) -> int: return sum(len(g[x]) for x in g.get(s, []))", "KeyError"),
        ("def f(s: str) -> int: return int(s) if s.isdigit() else 0", "ValueError"),
        ("def f(s: str, t: str) -> int: return s.index(t)", "ValueError"),
        ("def f(s: str) -> int:\n    k, v = s.split('=')\n    return len(k)", "ValueError"),
        ("def f(x: int | None) -> int: return x + 1", "TypeError"),
        ("def f(xs: list[int | str]) -> object: return sorted(xs)", "TypeError"),
        ("def f(x: float) -> int: return int(x)", "OverflowError"),
        ("def f(n: int) -> int: return 1 if n == 0 else n + f(n - 1)", "RecursionError"),
        ("def f(xs: list[int]) -> int: return xs[0] + f(xs[1:]) if xs else 0", "RecursionError"),
        ("def f(s: str) -> str: return s[-1] + f(s[:-1]) if s else ''", "RecursionError"),
    ],
)
def test_the_usual_mistakes_are_found(source: str, exception: str) -> None:
    (function,) = ast.parse(source).body
    assert isinstance(function, ast.FunctionDef)
    seen, _ = replay(source, [Call("f", row) for row in calls_for(parameters(function), MOST)])
    assert exception in {one.exception for one in seen}
