"""Equivalence to a reference and ranges of integers: what is shown, what is refuted by a call, and what is asked wrongly."""

from __future__ import annotations

import ast
import copy
import json
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.verification.fuzz.mutate import mutated
from tests.verification.generate import inputs, programs
from verification import Contract, Outcome, Verdict, verify
from verification.certificates import recheck
from verification.cli import verify_main
from verification.harness import HARNESS, equivalence
from verification.request import asked_for
from verification.symbolic.inputs import parameters

SUM = "def f(xs: list[int]) -> int:\n    return sum(xs)\n"


def compared(source: str, reference: str, *, pre: str | None = None, certify: bool = False) -> Verdict:
    contract = Contract(pre=pre, reference=reference)
    (verdict,) = verify(source, entry="f", properties=["equivalence"], contract=contract, certify=certify).verdicts
    return verdict


def ranged(source: str, low: int, high: int, *, pre: str | None = None) -> Verdict:
    contract = Contract(pre=pre, int_range=(low, high))
    (verdict,) = verify(source, entry="f", properties=["int-bounds"], contract=contract).verdicts
    return verdict


@pytest.mark.parametrize(
    ("source", "reference"),
    [
        ("def f(a: int) -> int:\n    return abs(a)\n", "def f(a):\n    return a if a > 0 else -a\n"),
        ("def f(p: bool, q: bool) -> bool:\n    return not (p and q)\n", "def f(p, q):\n    return not p or not q\n"),
        ("def f(a: int, *, b: int) -> int:\n    return max(a, b)\n", "def f(a, *, b):\n    return b if a < b else a\n"),
        ("def f(xs: list[int]) -> int:\n    return len(xs)\n", "def f(xs):\n    n = 0\n    for x in xs:\n        n += 1\n    return n\n"),
        ("def f(a: int) -> int:\n    return 1 // a\n", "def f(a):\n    if a == 0:\n        raise ZeroDivisionError\n    return 1 // a\n"),
        ("def f(a: int) -> int:\n    return a + 1\n", "STEP = 1\n\ndef add(a, b):\n    return a + b\n\ndef f(a):\n    return add(a, STEP)\n"),
    ],
)  # fmt: skip
def test_what_is_the_same_on_every_input_is_shown(source: str, reference: str) -> None:
    verdict = compared(source, reference)
    assert verdict.outcome is Outcome.PROVED, verdict


def test_a_proof_of_equivalence_is_rechecked_by_the_second_solver() -> None:
    verdict = compared("def f(a: int) -> int:\n    return abs(a)\n", "def f(a):\n    return max(a, -a)\n", certify=True)
    assert verdict.certificate is not None
    assert recheck(verdict.certificate)


@pytest.mark.parametrize(
    ("source", "reference", "call", "shown"),
    [
        ("def f(a: int) -> int:\n    return a * 2\n", "def f(a):\n    return a + a if a != 123456 else 7\n",
         "f(123456)", "returned 246912 where the reference returned 7"),
        ("def f(a: int, b: int) -> int:\n    return a // b\n", "def f(a, b):\n    if b == 0:\n        raise ValueError\n    return a // b\n",
         "f(0, 0)", "raised ZeroDivisionError where the reference raised ValueError"),
        ("def f(xs: list[int]) -> int:\n    xs.clear()\n    return len(xs)\n", "def f(xs):\n    return len(xs)\n",
         "f([1])", "returned 0 where the reference returned 1"),
    ],
)  # fmt: skip
def test_a_call_tells_them_apart(source: str, reference: str, call: str, shown: str) -> None:
    verdict = compared(source, reference)
    assert verdict.outcome is Outcome.REFUTED
    assert verdict.counterexample is not None
    assert (verdict.counterexample.call, verdict.counterexample.observed) == (call, shown)


def test_loops_are_compared_as_far_as_they_are_unrolled() -> None:
    verdict = compared(SUM, "def f(xs):\n    t = 0\n    for x in xs:\n        t += x\n    return t\n")
    assert verdict.outcome is Outcome.BOUNDED


def test_what_one_of_them_does_without_end_is_not_the_same() -> None:
    verdict = compared("def f(a: int) -> int:\n    while True:\n        a += 1\n", "def f(a):\n    return a\n")
    assert verdict.outcome is not Outcome.PROVED


def test_a_precondition_leaves_inputs_out() -> None:
    source, reference = "def f(a: int) -> int:\n    return a\n", "def f(a):\n    return abs(a)\n"
    assert compared(source, reference).outcome is Outcome.REFUTED
    assert compared(source, reference, pre="a >= 0").outcome is Outcome.PROVED


@pytest.mark.parametrize(
    "reference",
    [
        "def g(a):\n    return a\n",
        "class E(ValueError):\n    pass\n\ndef f(a):\n    raise E\n",
        "import json\n\ndef f(a):\n    return json.loads('1')\n",
        "n = 0\n\ndef f(a):\n    global n\n    n += 1\n    return n\n",
        "def g(a):\n    return a\n\ndef f(g):\n    return g\n",
        "for i in range(3):\n    pass\n\ndef f(a):\n    return i\n",
    ],
)
def test_a_reference_that_cant_be_put_beside_the_program_is_refused(reference: str) -> None:
    verdict = compared("def f(a: int) -> int:\n    return -7\n", reference)
    assert verdict.outcome in (Outcome.UNSUPPORTED, Outcome.REFUTED)
    if verdict.outcome is Outcome.UNSUPPORTED:
        assert "reference" in verdict.reason


def test_the_two_programs_share_no_name() -> None:
    """Each has a helper, a constant and an import of the same names."""
    source = (
        "import math\nK = 1\n\ndef g(a):\n    return a + K\n\ndef f(a: int) -> int:\n    return g(a) * math.gcd(1, 1)\n"
    )
    other = "import operator as math\nK = 2\n\ndef g(a):\n    return a + K\n\ndef f(a):\n    return math.sub(g(a), 1)\n"
    assert compared(source, other).outcome is not Outcome.REFUTED
    tree = ast.parse(source)
    harness = equivalence(tree, "f", parameters(tree.body[-1]), ast.parse(other), None)  # type: ignore[arg-type]
    names: dict[str, Any] = {}
    exec(compile(harness.tree, "harness", "exec"), names)
    for a in range(-5, 6):
        names[HARNESS](a)


@settings(
    max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)  # fmt: skip
@given(programs(), st.integers(0, 10_000))
def test_random_programs_that_are_said_to_be_the_same_are(source: str, seed: int) -> None:
    """The reference is the program with an edit or two, which often change nothing."""
    reference = mutated(source, Random(seed), edits=1 + seed % 2)
    verdict = compared(source, reference)
    if verdict.outcome is Outcome.PROVED:
        for row in inputs(seed, 60):
            assert ended(source, row) == ended(reference, row), (source, reference, row)


def ended(source: str, row: tuple[object, ...]) -> object:
    """What CPython does; the generated programs are ours, so they run here."""
    names: dict[str, Any] = {}
    exec(source, names)
    try:
        return names["f"](*copy.deepcopy(row))
    except Exception as error:  # noqa: BLE001 - a generated program may raise anything
        return type(error).__name__


# --- ranges


def test_a_range_that_is_kept_is_shown() -> None:
    assert ranged("def f(a: int) -> int:\n    return a % 10\n", 0, 9).outcome is Outcome.PROVED
    assert ranged("def f(a: int, b: int) -> int:\n    return (a + b) // 2\n", -128, 127).outcome is Outcome.PROVED
    assert ranged("def f(a: int) -> int:\n    return a + 1\n", -128, 127, pre="a < 100").outcome is Outcome.PROVED


def test_a_range_that_is_left_is_refuted_by_a_call_within_it() -> None:
    verdict = ranged("def f(a: int) -> int:\n    return a + 1 if a == 77 else 0\n", 0, 77)
    assert verdict.outcome is Outcome.REFUTED
    assert verdict.counterexample is not None
    assert verdict.counterexample.call == "f(77)"
    assert verdict.counterexample.observed == "returned 78, which is not between 0 and 77"


def test_a_range_of_what_is_no_integer_is_left_open_where_it_may_hold_some() -> None:
    assert ranged("def f(s: str) -> str:\n    return s\n", 0, 1).outcome is Outcome.PROVED
    assert ranged("def f(a: int) -> list[int]:\n    return [a]\n", 0, 1).outcome is Outcome.UNKNOWN


# --- asking


def test_nothing_was_asked() -> None:
    (same, within) = verify(SUM, entry="f", properties=["equivalence", "int-bounds"]).verdicts
    assert (same.outcome, same.reason) == (Outcome.VACUOUS, "no reference was given")
    assert (within.outcome, within.reason) == (Outcome.VACUOUS, "no range was stated")


def test_a_contract_asks_for_what_it_speaks_of() -> None:
    assert asked_for(Contract(reference=SUM))[-1] == "equivalence"
    assert asked_for(Contract(pre="xs", int_range=(0, 1)))[-2:] == ("contract", "int-bounds")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"reference": "def f(:"}, "the reference is not a Python program"),
        ({"int_range": (2, 1)}, "the range 2 to 1 is empty: give the lower end first"),
    ],
)
def test_a_contract_that_makes_no_sense_is_told(arguments: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Contract(**arguments)


def test_on_the_command_line_and_in_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program, reference = tmp_path / "program.py", tmp_path / "reference.py"
    program.write_text(SUM)
    reference.write_text("def f(xs):\n    return sum(xs) if len(xs) != 2 else 0\n")
    arguments = [str(program), "--no-cache", "--reference", str(reference), "--int-range", "-5", "5"]
    assert verify_main(arguments) == 1
    shown = capsys.readouterr().out
    assert "REFUTED      equivalence" in shown
    assert "REFUTED      int-bounds" in shown
    rows, out = tmp_path / "rows.jsonl", tmp_path / "out.jsonl"
    rows.write_text(json.dumps({"code": SUM, "reference": reference.read_text(), "int_range": [-5, 5]}) + "\n")
    verify_main(["--jsonl", str(rows), "--out", str(out), "--no-cache"])
    told = {verdict["property"]: verdict["outcome"] for verdict in json.loads(out.read_text())["verdicts"]}
    assert (told["equivalence"], told["int-bounds"]) == ("refuted", "refuted")
    rows.write_text(json.dumps({"code": SUM, "int_range": [1]}) + "\n")
    assert verify_main(["--jsonl", str(rows), "--out", str(out)]) == 2
    assert "`int_range` is not a list of two whole numbers" in capsys.readouterr().err
