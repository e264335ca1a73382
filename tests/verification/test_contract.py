"""Contracts: preconditions narrow the inputs of every property, postconditions are a property of their own."""

from __future__ import annotations

import pytest

from verification import Contract, verify
from verification.outcome import Outcome, Verdict

DIVIDE = "def f(a: int, b: int) -> int:\n    return a // b\n"
CLAMP = "def f(a: int, low: int, high: int) -> int:\n    return max(low, min(a, high))\n"
CLIMB = "def f(a: int) -> int:\n    if a < 0:\n        raise ValueError('negative')\n    return a + 1\n"


def one(source: str, slug: str, **contract: object) -> Verdict:
    (verdict,) = verify(source, properties=[slug], contract=Contract(**contract)).verdicts  # type: ignore[arg-type]
    return verdict


@pytest.mark.parametrize(
    ("source", "slug", "contract", "expected"),
    [
        (DIVIDE, "zero-division", {"pre": "b != 0"}, Outcome.PROVED),
        (DIVIDE, "zero-division", {"pre": "a != 0"}, Outcome.REFUTED),
        (DIVIDE, "zero-division", {"allowed_exceptions": ("ZeroDivisionError",)}, Outcome.PROVED),
        (DIVIDE, "zero-division", {"allowed_exceptions": ("ArithmeticError",)}, Outcome.PROVED),
        (DIVIDE, "zero-division", {"pre": "b > b"}, Outcome.VACUOUS),
        (CLAMP, "contract", {"pre": "low <= high", "post": "low <= result <= high"}, Outcome.PROVED),
        (CLAMP, "contract", {"post": "low <= result <= high"}, Outcome.REFUTED),
        (CLIMB, "contract", {"post": "result > a"}, Outcome.REFUTED),
        (CLIMB, "contract", {"post": "result > a", "allowed_exceptions": ("ValueError",)}, Outcome.PROVED),
        (CLIMB, "contract", {"post": "result > a", "pre": "a >= 0"}, Outcome.PROVED),
        (CLIMB, "contract", {"post": "result > a // 0", "pre": "a >= 0"}, Outcome.REFUTED),
        (CLIMB, "contract", {"pre": "a >= 0"}, Outcome.VACUOUS),
        (CLIMB, "value-error", {"pre": "a >= 0"}, Outcome.VACUOUS),
    ],
)
def test_the_outcome_under_a_contract(source: str, slug: str, contract: dict[str, object], expected: Outcome) -> None:
    verdict = one(source, slug, **contract)
    assert verdict.outcome is expected, verdict


def test_a_broken_postcondition_shows_what_was_returned() -> None:
    verdict = one(CLAMP, "contract", post="low <= result <= high")
    assert verdict.counterexample is not None
    assert "breaks the postcondition" in verdict.counterexample.observed


def test_a_counterexample_meets_the_precondition() -> None:
    verdict = one(DIVIDE, "zero-division", pre="a > 3")
    assert verdict.counterexample is not None
    a, b = eval(verdict.counterexample.call.removeprefix("f"))
    assert (a > 3, b) == (True, 0)


@pytest.mark.parametrize("pre", ["b !=", "x = 1", "import os"])
def test_a_precondition_that_is_no_expression_is_refused(pre: str) -> None:
    with pytest.raises(ValueError, match="is not a Python expression"):
        Contract(pre=pre)


def test_an_allowed_exception_must_exist() -> None:
    with pytest.raises(ValueError, match="is not a builtin exception"):
        Contract(allowed_exceptions=("NoSuchError",))


def test_a_generator_in_a_postcondition_sees_the_arguments() -> None:
    source = "def f(a: int, xs: list[int]) -> list[int]:\n    return sorted(x for x in xs if x <= a)\n"

    assert one(source, "contract", post="all(x <= a for x in result)").outcome is not Outcome.REFUTED
    assert one(source, "contract", post="all(x < a for x in result)").outcome is Outcome.REFUTED
