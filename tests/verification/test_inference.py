"""Types of parameters without annotation: what is guessed, what is left open, and what a guess does to a verdict."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from verification import Outcome, verify
from verification.cache import Question, Request
from verification.inference import annotated, guesses


def guessed(source: str) -> dict[str, str]:
    return {guess.name: guess.annotation for guess in guesses(ast.parse(source), "f")}


@pytest.mark.parametrize(
    ("examples", "annotation"),
    [
        (">>> f([1, 2])\n    3", "list[int]"),
        (">>> f([])\n    0\n    >>> f([1.5])\n    1", "list[float]"),
        ("f([1, 2.5]) returns 3.5", "list[float]"),
        ("f('a(b') == 1", "str"),
        ("f({'a': [1]}) ➞ 1", "dict[str, list[int]]"),
        ("f((1, 'a')) = 1", "tuple[int, str]"),
        ("f((1,)) = 1; f((1, 2)) = 3", "tuple[int, ...]"),
        ("f(None) is 0 and f(3) is 3", "int | None"),
        ("f(x = {1, 2})", "set[int]"),
        ("f(1) and f('a')", "int | str"),
    ],
)
def test_examples_in_the_docstring_show_a_type(examples: str, annotation: str) -> None:
    assert guessed(f'def f(x):\n    """What it does.\n\n    {examples}\n    """\n    return 0\n') == {"x": annotation}


@pytest.mark.parametrize(
    "told", ["f([])", "f(1) f('a') f([2]) f({})", "f(y)", "f(open('a'))", "g(1)", "f([1", "f(lambda: 1)"]
)
def test_examples_that_tell_too_little_or_too_much_show_none(told: str) -> None:
    assert guessed(f'def f(x):\n    """{told}"""\n    return x\n') == {}


def test_assertions_of_the_module_are_examples_and_come_before_the_default() -> None:
    source = "def f(x, k=2):\n    return x\n\nassert f([1]) == [1]\nassert f(['a']) == f(x=[2], k='b')\n"
    assert guessed(source) == {"x": "list[int | str]", "k": "str"}
    assert guessed("def f(x: int, *, k=2.5, m=None):\n    return x\n") == {"k": "float"}


@pytest.mark.parametrize(
    ("body", "annotation"),
    [
        ("return sum(range(x))", "int"),
        ("return 1 if x % 2 == 0 else 0", "int"),
        ("return x.upper()", "str"),
        ("return [c for c in x if c in 'aeiou']", "str"),
        ("t = 0\n    for n in x:\n        t += n * 2\n    return t", "list[int]"),
        ("return sum(x) / len(x)", "list[int]"),
        ("return [w.upper() for w in x]", "list[str]"),
        ("return x[0] - 1 if x else 0", "list[int]"),
        ("return sum(sum(row) for row in x)", "list[list[int]]"),
    ],
)
def test_what_the_body_does_shows_a_type(body: str, annotation: str) -> None:
    assert guessed(f"def f(x):\n    {body}\n") == {"x": annotation}


@pytest.mark.parametrize(
    "body", ["return x", "return x + x", "return len(x)", "return x.items()", "return g(x)", "x.upper()\n    return x % 2", "return x.name"]
)  # fmt: skip
def test_a_body_that_fits_several_types_shows_none(body: str) -> None:
    assert guessed(f"def f(x):\n    {body}\n") == {}


def test_only_bare_parameters_are_annotated_and_lines_stay() -> None:
    source = 'def f(a: "int", x):\n    """f(1, [2])"""\n    return x[a]\n'
    tree = ast.parse(source)
    made = annotated(tree, "f", guesses(tree, "f"))
    assert ast.unparse(made).startswith("def f(a: 'int', x: list[int]):")
    assert ast.unparse(tree) == ast.unparse(ast.parse(source))
    assert [node.lineno for node in ast.walk(made) if isinstance(node, ast.stmt)] == [1, 2, 3]


def test_an_annotation_that_tells_no_elements_is_completed_where_it_agrees() -> None:
    assert guessed('def f(x: list):\n    """f([1])"""\n    return x\n') == {"x": "list[int]"}
    assert guessed('from typing import List\n\ndef f(x: List):\n    """f(["a"])"""\n    return x\n') == {
        "x": "list[str]"
    }
    assert guessed('def f(x: dict):\n    """f([1])"""\n    return x\n') == {}
    assert guessed('def f(x: list):\n    """f([1]) or f(None)"""\n    return x\n') == {}
    (guess,) = guesses(ast.parse("def f(x: list):\n    return sum(x)\n"), "f")
    assert str(guess) == "parameter x, whose annotation tells no elements, takes list[int], as its use shows"


MEAN = 'def f(xs):\n    """f([1, 2]) is 1.5"""\n    return sum(xs) / len(xs)\n'


def test_a_guess_is_an_assumption_of_proofs_and_refutations() -> None:
    told = "parameter xs, which has no annotation, takes list[int], as its examples show"
    division, index = verify(MEAN, entry="f", properties=["zero-division", "index-error"]).verdicts
    assert division.outcome is Outcome.REFUTED
    assert told in division.assumptions
    assert index.outcome is Outcome.VACUOUS
    assert told in index.assumptions


def test_an_error_of_types_refutes_nothing_under_a_guess() -> None:
    source = 'def f(x):\n    """f(1), f(None)"""\n    return x + 1\n'
    for verdict in verify(source, entry="f", properties=["type-error", "none-deref"]).verdicts:
        assert verdict.outcome is Outcome.UNKNOWN
        assert verdict.reason == "f(None) raises TypeError, which may be no call that is meant"
        assert verdict.counterexample is None


def test_what_can_not_be_guessed_is_refused_as_before() -> None:
    (verdict,) = verify("def f(x):\n    return x[0]\n", entry="f", properties=["index-error"]).verdicts
    assert (verdict.outcome, verdict.reason) == (Outcome.UNSUPPORTED, "parameter x with no annotation is not modelled")


def test_a_report_that_rests_on_a_docstring_is_not_told_of_another_program(tmp_path: Path) -> None:
    """Programs of one shape may differ in their docstrings."""
    first = Request(MEAN, "f", ("zero-division",))
    Question(first, tmp_path).verified()
    assert Question(first, tmp_path).known() is not None
    other = Request(MEAN.replace("[1, 2]", "[1.5, 2]"), "f", ("zero-division",))
    assert Question(other, tmp_path).known() is None
