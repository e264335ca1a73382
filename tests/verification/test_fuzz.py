"""The differential fuzzer: a slice of its programs, and whether it would notice what it is there for."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random

import pytest

from tests.verification.fuzz import operations, types
from tests.verification.fuzz.checker import EXTRA, Disagreement, check
from tests.verification.fuzz.engines import ENGINES, paths
from tests.verification.fuzz.grammar import ENTRY, compiles, program
from tests.verification.fuzz.inputs import Values, calls
from tests.verification.fuzz.minimise import minimise
from tests.verification.fuzz.oracle import observe
from tests.verification.fuzz.run import Tally, campaign, shrunk
from tests.verification.fuzz.seeds import GROWING, SEEDS, TRAPS
from verification import Contract, Report, verify
from verification.abstract import containers
from verification.abstract.library import FUNCTIONS, iterators, numbers
from verification.outcome import Counterexample, Outcome
from verification.properties import DEFAULT
from verification.symbolic import encoding

SLICE = range(40)
PARTS = 10
PLANTED = range(60, 100)
"""Programs in which each planted mistake must be found."""


def test_the_verdicts_on_a_slice_of_random_programs_hold_in_cpython() -> None:
    tally = campaign(0, SLICE)
    assert not tally.findings, "\n".join(map(str, tally.findings))
    assert tally.programs == len(SLICE)
    assert tally.inputs > 5 * len(SLICE)


@pytest.mark.parametrize("engine", ["prover", "paths"])
@pytest.mark.parametrize("part", range(PARTS))
def test_no_trap_is_believed_in(part: int, engine: str) -> None:
    for number in range(part, len(TRAPS), PARTS):
        found = check(TRAPS[number], seed=f"trap {number}", properties=(*DEFAULT, *EXTRA), verifier=ENGINES[engine])
        assert not found.disagreements, TRAPS[number] + "\n".join(map(str, found.disagreements))


@pytest.mark.timeout(100)
@pytest.mark.parametrize("engine", ["prover", "paths"])
def test_no_value_grows_without_using_up_the_budget(engine: str) -> None:
    for source in GROWING:
        assert ENGINES[engine](source, entry=ENTRY, properties=(*DEFAULT, "termination")).verdicts


# --- what is planted is found


def believing(source: str, *, entry: str, properties: Sequence[str], contract: Contract | None) -> Report:
    """A verifier that takes for proved whatever it is asked."""
    report = verify(source, entry=entry, properties=properties, contract=contract)
    verdicts = [replace(v, outcome=Outcome.PROVED, counterexample=None) for v in report.verdicts]
    return replace(report, verdicts=tuple(verdicts))


def misremembering(source: str, *, entry: str, properties: Sequence[str], contract: Contract | None) -> Report:
    """A verifier that takes what it proved for refuted, by a call that it never made."""
    report = verify(source, entry=entry, properties=properties, contract=contract)
    call = (calls(source, entry, seed=0, count=1) or [f"{entry}()"])[0]
    shown = Counterexample(call, "an error")
    verdicts = [
        replace(v, outcome=Outcome.REFUTED, counterexample=shown) if v.outcome is Outcome.PROVED else v
        for v in report.verdicts
    ]
    return replace(report, verdicts=tuple(verdicts))


def failing(source: str, *, entry: str, properties: Sequence[str], contract: Contract | None) -> Report:
    raise RecursionError("in the middle of a proof")


def wavering() -> Callable[..., Report]:
    """A verifier whose second answer is another."""
    answers = 0

    def verifier(source: str, *, entry: str, properties: Sequence[str], contract: Contract | None) -> Report:
        nonlocal answers
        answers += 1
        report = verify(source, entry=entry, properties=properties, contract=contract)
        first, *others = report.verdicts
        return replace(report, verdicts=(replace(first, reason=f"answer {answers}"), *others))

    return verifier


def kinds(tally: Tally) -> set[str]:
    return {finding.disagreement.kind for finding in tally.findings}


@pytest.mark.parametrize(
    ("verifier", "kind"),
    [
        (believing, "false proof"),
        (misremembering, "false refutation"),
        (failing, "crash"),
        (wavering(), "unstable"),
    ],
)
def test_a_verifier_that_says_what_is_not_so_is_noticed(verifier: Callable[..., Report], kind: str) -> None:
    assert kind in kinds(campaign(0, PLANTED[:20], engine=verifier, shrink=False))


def test_an_index_check_that_is_always_true_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoding, "within", lambda offset, length: True)
    tally = campaign(0, PLANTED, engine="paths", shrink=False)
    assert ("false proof", "index-error") in {(f.disagreement.kind, f.disagreement.slug) for f in tally.findings}


# --- minimising


def test_a_false_proof_is_minimised_to_what_it_rests_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoding, "within", lambda offset, length: True)
    source = (
        "def helper(u: int) -> int:\n    return u + 1\n\n"
        "def f(xs: list[int], a: int, s: str) -> int:\n"
        "    total = helper(a)\n    if a > 3:\n        total += len(s)\n"
        "    if xs or a == 0:\n        total += xs[0] * 2\n    else:\n        total -= 1\n    return total\n"
    )
    told = next(d for d in check(source, seed=0, verifier=paths).disagreements if d.slug == "index-error")
    small = shrunk(source, "0", told, None, paths)
    assert len(small) < 60, small
    assert "xs[0]" in small
    assert "index-error" in {d.slug for d in check(small, seed=0, verifier=paths).disagreements}


def test_a_program_is_minimised_as_far_as_the_test_holds() -> None:
    source = next(text for text in SEEDS if "deque" in text and "goal" in text)
    small = minimise(source, lambda text: "popleft()" in text and compiles(text))
    assert small.count("\n") <= 3, small
    assert "popleft()" in small


def test_a_program_that_is_not_what_it_was_said_to_be_is_left_alone() -> None:
    assert minimise("def f():\n    return 1\n", lambda text: False) == "def f():\n    return 1\n"


# --- programs and inputs


def test_a_seed_names_a_program() -> None:
    assert [program(f"3:{n}") for n in range(20)] == [program(f"3:{n}") for n in range(20)]
    assert len({program(f"3:{n}") for n in range(100)}) > 95


def test_every_program_compiles_and_is_called_with_what_its_annotations_say() -> None:
    for number in range(150):
        source = program(f"4:{number}")
        assert compiles(source), source
        assert calls(source, ENTRY, seed=0, count=5) or "()" in source, source


def test_the_programs_hold_most_of_the_language() -> None:
    seen = {type(node).__name__ for n in range(400) for node in ast.walk(ast.parse(program(f"5:{n}")))}
    wanted = (
        *(ast.AnnAssign, ast.AugAssign, ast.Delete, ast.If, ast.For, ast.While, ast.Break, ast.Continue, ast.Try),
        *(ast.Raise, ast.Assert, ast.FunctionDef, ast.Lambda, ast.Nonlocal, ast.Global, ast.Match, ast.NamedExpr),
        *(ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.Starred, ast.Slice, ast.JoinedStr, ast.IfExp),
    )
    assert {kind.__name__ for kind in wanted} <= seen


@pytest.mark.parametrize("kind", [kind for _, kind in types.PARAMETER_TYPES], ids=str)
def test_inputs_are_of_their_type(kind: types.Type) -> None:
    """Shown by the sandbox, which compares each with the annotation."""
    source = f"def f(given: {kind}) -> {kind}:\n    return given\n"
    for run in observe(source, "f", [(call,) for call in calls(source, "f", seed=0, count=12)]):
        assert run.status == "returned", run
        assert not run.broken, run


def test_parts_of_an_argument_are_one_object_at_times() -> None:
    values = Values(Random(0))
    drawn = [values.draw(types.list_of(types.INTS)) for _ in range(100)]
    shared = [eval(text) for text in drawn if ":=" in text]
    assert any(len({id(row) for row in grid}) < len(grid) for grid in shared)


# --- the oracle

OBSERVED: list[tuple[str, tuple[str, ...], str, tuple[str, ...]]] = [
    ("def f(a: int) -> int:\n    return 1 // a\n", ("f(0)",), "raised", ("zero-division",)),
    ("def f(a: int) -> int:\n    return 1 // a\n", ("f(1)",), "returned", ()),
    ("def f(a) -> int:\n    return a + 1\n", ("f(None)",), "raised", ("type-error", "none-deref")),
    ("def f(a) -> int:\n    return a.size\n", ("f(None)",), "raised", ("none-deref",)),
    ("def f(a) -> int:\n    return a.size\n", ("f(1)",), "raised", ("other-exception",)),
    ("def f(a) -> str:\n    return a.encode()\n", ("f('\\ud800')",), "raised", ("value-error",)),
    ("def f(a: int) -> int:\n    return f(a + 1)\n", ("f(0)",), "raised", ("recursion",)),
    ("def f(a: int) -> int:\n    return b\n    b = 1\n", ("f(0)",), "raised", ("unbound-local",)),
    ("def f(a: int) -> int:\n    while a:\n        pass\n", ("f(1)",), "budget", ()),
    (
        "def f(a: int) -> int:\n    try:\n        while a: pass\n    except:\n        raise KeyError\n",
        ("f(1)",),
        "budget",
        (),
    ),
    ("def f(a: list) -> None:\n    a.append(1)\n", ("f([])",), "returned", ("argument-mutation",)),
    ("def f(a: list) -> None:\n    a[0][0] = 2\n", ("f([(r := [1]), r])",), "returned", ("argument-mutation",)),
    ("def f(a: list) -> None:\n    a[0] = 1\n", ("f([1])",), "returned", ()),
    ("def f(a: int) -> str:\n    return a\n", ("f(1)",), "returned", ("return-type",)),
    ("def f(a: int) -> float:\n    return a\n", ("f(1)",), "returned", ()),
    ("def f(a: int) -> list[int]:\n    return [None]\n", ("f(1)",), "returned", ("return-type",)),
    ("N = []\ndef f(a: int) -> int:\n    N.append(a)\n    return 1 // (2 - len(N))\n", ("f(1)",), "returned", ()),
    (
        "N = []\ndef f(a: int) -> int:\n    N.append(a)\n    return 1 // (2 - len(N))\n",
        ("f(1)", "f(1)"),
        "raised",
        ("zero-division",),
    ),
    ("def f(a) -> int:\n    return 1\n", ("f({[]: 1})",), "unloadable", ()),
]


@pytest.mark.parametrize(("source", "history", "status", "broken"), OBSERVED)
def test_the_oracle_says_what_cpython_does(
    source: str, history: tuple[str, ...], status: str, broken: tuple[str, ...]
) -> None:
    (run,) = observe(source, "f", [history])
    assert (run.status, run.broken) == (status, broken), run


def test_a_call_that_ends_the_process_takes_no_other_with_it() -> None:
    source = "def f(a: int) -> int:\n    return len(list(range(10 ** 9))) if a == 3 else 1 // a\n"
    runs = observe(source, "f", [(f"f({n})",) for n in range(6)])
    assert [run.status for run in runs[:3]] == ["raised", "returned", "returned"]
    assert runs[3].status in ("lost", "raised")
    assert [run.status for run in runs[4:]] == ["returned", "returned"]


def test_a_disagreement_says_what_it_is_of() -> None:
    assert str(Disagreement("false proof", "index-error", "f([])")) == "false proof of index-error: f([])"


# --- one operation at a time


@pytest.mark.parametrize(("engine", "batches"), [("prover", 24), ("paths", 10), ("verify", 4)])
def test_no_operation_does_what_the_model_says_it_never_does(engine: str, batches: int) -> None:
    swept = operations.sweep(0, ENGINES[engine], iter(range(batches)))
    assert not swept.wrong, "\n".join(swept.wrong)
    assert swept.decided > batches


def test_the_operations_find_a_lazy_function_that_is_taken_to_fail_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(iterators, "need_iterables", lambda call: None)
    assert _wrong_of(operations.Operation(("r = itertools.chain(1)",)))


def test_the_operations_find_a_view_that_is_taken_for_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(containers, "UNHASHABLE", frozenset({"list", "dict", "set", "deque"}))
    assert _wrong_of(operations.Operation(("r = {1: 2}.get({1: 1}.keys())",)))


def test_the_operations_find_a_number_that_is_parsed_wrongly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FUNCTIONS, "int", lambda call, state, run: numbers._parsed_int(call.args[0], state, run, 1))
    assert _wrong_of(operations.Operation(("r = int('a', 16)",)))


def test_what_the_assumption_about_sizes_leaves_out_is_no_false_proof() -> None:
    assert operations.observe([operations.Operation(("r = [1].pop(10**20)",))]) == [None]


def _wrong_of(operation: operations.Operation) -> list[str]:
    (seen,) = operations.observe([operation])
    assert seen is not None
    found = operations.Swept()
    for number in range(8):  # what is asked of the result is drawn
        operations.check(operation, seen, operations.program(operation, seen, Random(number)), ENGINES["prover"], found)
    return found.wrong
