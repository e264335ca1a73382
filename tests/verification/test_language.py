"""The language as a table: each program, a property, and the outcome that is due."""

from __future__ import annotations

import pytest
import z3

from tests.verification.programs import REFUSALS, RUNTIME, UNREADABLE
from verification import verify
from verification.outcome import Outcome, Verdict
from verification.properties import CATALOGUE


def one(source: str, slug: str) -> Verdict:
    (verdict,) = verify(source, entry="f" if "def f" in source else None, properties=[slug]).verdicts
    return verdict


@pytest.mark.parametrize(("source", "slug", "expected"), RUNTIME)
def test_the_outcome_is_the_one_that_is_due(source: str, slug: str, expected: Outcome) -> None:
    verdict = one(source, slug)
    assert verdict.outcome is expected, verdict
    assert (verdict.counterexample is not None) == (expected is Outcome.REFUTED)


@pytest.mark.parametrize(("source", "construct", "line"), REFUSALS)
def test_a_refusal_names_the_construct_and_the_line(source: str, construct: str, line: int) -> None:
    verdict = one(source, "zero-division")
    assert verdict.outcome is Outcome.UNSUPPORTED, verdict
    assert construct in verdict.reason
    assert verdict.line == line


@pytest.mark.parametrize(("source", "reason"), UNREADABLE, ids=range(len(UNREADABLE)))
def test_what_cannot_be_read_is_a_verdict_on_every_property(source: str, reason: str) -> None:
    report = verify(source, properties=tuple(CATALOGUE))
    assert {verdict.outcome for verdict in report.verdicts} == {Outcome.UNSUPPORTED}
    assert all(reason in verdict.reason for verdict in report.verdicts)


def test_an_entry_that_is_missing_is_a_verdict() -> None:
    report = verify("def f() -> int:\n    return 1\n", entry="g")
    assert report.outcome is Outcome.UNSUPPORTED
    assert "no function named g" in report.verdicts[0].reason


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (
            "def f(s: str) -> int:\n    n = 0\n    for c in reversed(s):\n        n += 1\n    return 1 // n\n",
            Outcome.REFUTED,
        ),
        (
            "def f(s: str) -> int:\n    for c in reversed(s):\n        return 1 // len(s)\n    return 0\n",
            Outcome.PROVED,
        ),
        (
            "def f(a: int) -> int:\n    n = 0\n    for i in reversed(range(a)):\n        n += 1 // (i + 1)\n    return n\n",
            Outcome.PROVED,
        ),
    ],
)
def test_a_sequence_of_unknown_length_is_gone_through_in_reverse(source: str, expected: Outcome) -> None:
    assert one(source, "zero-division").outcome is expected


def test_a_mistake_of_the_encoding_is_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("verification.symbolic.encoding.within", lambda a, b: bool(z3.Int("x") < 1))

    verdict = one("def f(s: str, i: int) -> str:\n    return s[i] if 0 <= i < len(s) else s\n", "index-error")

    assert verdict.outcome is Outcome.UNSUPPORTED
    assert "can't be put to the solver" in verdict.reason


def test_the_last_function_is_the_entry_by_default() -> None:
    assert verify("def a() -> int:\n    return 1\n\ndef b() -> int:\n    return 1 // 0\n").entry == "b"


def test_an_unknown_property_is_an_error_of_the_caller() -> None:
    with pytest.raises(ValueError, match="unknown property 'speed'"):
        verify("def f() -> int:\n    return 1\n", properties=["speed"])


def test_a_property_that_needs_more_than_the_program_says_so() -> None:
    verdict = one("def f(a: int) -> int:\n    return a\n", "equivalence")
    assert (verdict.outcome, verdict.reason) == (Outcome.VACUOUS, "no reference was given")
    assert one("def f(a: int) -> int:\n    return a\n", "int-bounds").outcome is Outcome.VACUOUS


def test_module_code_that_fails_refutes_with_a_call() -> None:
    verdict = one("x = 1 // 0\n\ndef f(a: int) -> int:\n    return a\n", "zero-division")
    assert verdict.outcome is Outcome.REFUTED
    assert verdict.line == 1


def test_a_counterexample_is_small() -> None:
    verdict = one("def f(a: int, b: int) -> int:\n    return a // (b - 12)\n", "zero-division")
    assert verdict.counterexample is not None
    assert verdict.counterexample.call in {"f(0, 12)", "f(1, 12)", "f(2, 12)"}
    assert verdict.counterexample.observed == "ZeroDivisionError: integer division or modulo by zero"


def test_keyword_only_parameters_are_passed_by_name() -> None:
    verdict = one("def f(a: int, *, b: int) -> int:\n    return a // b\n", "zero-division")
    assert verdict.counterexample is not None
    assert "b=0" in verdict.counterexample.call


def test_proofs_state_what_they_assume() -> None:
    verdict = one("def f(a: int, b: int) -> float:\n    return a / b if b else 0.0\n", "zero-division")
    assert verdict.outcome is Outcome.PROVED
    assert any("annotated types" in text for text in verdict.assumptions)
    assert any("turned into floats" in text for text in verdict.assumptions)


def test_an_endless_program_ends_in_a_verdict() -> None:
    source = "def f(a: int) -> int:\n    while True:\n        pass\n    return 1 // a\n"
    assert one(source, "zero-division").outcome is Outcome.VACUOUS  # the division is never reached
    assert one(source, "termination").outcome is Outcome.REFUTED
