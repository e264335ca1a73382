"""The labelled set against real Python in the sandbox, and the verifier against the labelled set."""

from __future__ import annotations

import difflib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest

from tests.verification.labelled import ALL, Labelled, twins
from tests.verification.labelled.measurement import Judged, count, judge, measure
from tests.verification.random_inputs import random_inputs
from verification import Contract, Outcome, Verdict
from verification.replay import Call, Observation, replay
from verification.symbolic.explore import CONTRACT, EXPLORED_SLUGS, broken_by
from verification.symbolic.inputs import Kind, parameters, parse

SAFE = [row for row in ALL if row.safe]
UNSAFE = [row for row in ALL if not row.safe]
SEED = 20_240
INPUTS = 300
ENDLESS_INPUTS = 200
BATCH = 50
"""Calls in one job of the sandbox."""

TOLD_LEAST = 100
"""Of the inputs, so many must meet the precondition and end within the step budget."""

MODEST = 1000
"""Larger numbers make a loop that ends run longer than the step budget allows."""


# --- what breaks a property


@dataclass(frozen=True)
class Trial:
    """How a property is tried: which function of which program to call, and a postcondition to hold it to."""

    source: str
    entry: str
    contract: Contract | None


KEPT = """

def arguments_kept(*arguments):
    before = repr(arguments)
    {entry}(*arguments)
    return repr(arguments) == before
"""
"""``repr`` also tells 1 from True, and one order of a dict's keys from another."""


def trial(row: Labelled) -> Trial:
    """The row's function as it is, or so that the sandbox sees a break which raises nothing."""
    pre = row.contract.pre if row.contract else None
    if row.slug == "argument-mutation":
        return Trial(row.source + KEPT.format(entry=row.entry), "arguments_kept", Contract(pre, "result"))
    if row.slug == "return-type":
        return Trial(row.source, row.entry, Contract(pre, has_type("result", returned(row))))
    if row.slug == "float":
        return Trial(row.source, row.entry, Contract(pre, is_finite("result", returned(row))))
    return Trial(row.source, row.entry, row.contract)


def breaks(row: Labelled, seen: Observation) -> bool:
    """Whether what a call of the trial did breaks the row's property."""
    if row.slug == "termination":
        return seen.status == "budget"
    if row.slug == "recursion":
        return seen.exception == "RecursionError"
    if row.slug == "float":
        return seen.status == "broken" or "OverflowError" in seen.ancestors
    if row.slug in EXPLORED_SLUGS:
        return seen.status == "raised" and row.slug in broken_by(seen.ancestors, seen.about_none, row.contract)
    raised = seen.status == "raised" and CONTRACT in broken_by(seen.ancestors, seen.about_none, row.contract)
    return seen.status == "broken" or (row.slug == CONTRACT and raised)


def returned(row: Labelled) -> Kind:
    annotation = row.function.returns
    kind = parse(annotation) if annotation else None
    assert kind is not None, f"{row.name} needs a return annotation that is understood"
    return kind


def has_type(value: str, kind: Kind, depth: int = 0) -> str:
    """A Python expression that says whether the expression `value` is of the kind."""
    if kind.name == "None":
        return f"{value} is None"
    if kind.name == "|":
        return "(" + " or ".join(has_type(value, part, depth) for part in kind.arguments) + ")"
    tests = [f"isinstance({value}, {kind.name.removesuffix('...')})"]
    item = f"item_{depth}"
    if kind.name == "tuple":
        tests += [f"len({value}) == {len(kind.arguments)}"]
        tests += [has_type(f"{value}[{at}]", part, depth) for at, part in enumerate(kind.arguments)]
    elif kind.name == "dict":
        key, held = (has_type(f"{item}[{at}]", part, depth + 1) for at, part in enumerate(kind.arguments))
        tests += [f"all({key} and {held} for {item} in {value}.items())"]
    elif kind.arguments:
        tests += [f"all({has_type(item, kind.arguments[0], depth + 1)} for {item} in {value})"]
    return "(" + " and ".join(tests) + ")"


def is_finite(value: str, kind: Kind) -> str:
    """A Python expression that says whether a number is neither infinite nor NaN."""
    assert kind.name in ("int", "float"), f"a float row that returns {kind}: say what finite means for it"
    return f"{value} - {value} == 0"


# --- calls


def observed(row: Labelled, inputs: Sequence[tuple[object, ...]]) -> list[Observation]:
    """What the trial's calls did, in batches of the sandbox."""
    tried = trial(row)
    names = [parameter.name for parameter in parameters(row.function)]
    seen: list[Observation] = []
    for start in range(0, len(inputs), BATCH):
        calls = [Call(tried.entry, values) for values in inputs[start : start + BATCH]]
        seen += replay(tried.source, calls, parameters=names, contract=tried.contract)[0]
    return seen


def tried_inputs(row: Labelled) -> list[tuple[object, ...]]:
    """Boundary and random arguments; modest ones where it is a loop's end that is at stake."""
    found = parameters(row.function)
    if row.slug != "termination":
        return random_inputs(found, SEED, INPUTS)
    return [values for values in random_inputs(found, SEED, 2 * ENDLESS_INPUTS) if modest(values)][:ENDLESS_INPUTS]


def modest(value: object) -> bool:
    """Whether no number in it is far from 0."""
    if isinstance(value, dict):
        return all(map(modest, [*value.keys(), *value.values()]))
    if isinstance(value, list | tuple | set | frozenset):
        return all(map(modest, value))
    return not isinstance(value, int | float) or abs(value) <= MODEST


# --- the labels


@pytest.mark.parametrize("row", UNSAFE, ids=lambda row: row.name)
def test_the_witness_breaks_the_property(row: Labelled) -> None:
    assert row.witness is not None
    (seen,) = observed(row, [row.witness])
    assert breaks(row, seen), seen


@pytest.mark.parametrize("row", SAFE, ids=lambda row: row.name)
def test_nothing_breaks_a_safe_function(row: Labelled) -> None:
    seen = observed(row, tried_inputs(row))
    assert [one for one in seen if breaks(row, one)] == []
    assert [one for one in seen if one.status == "lost"] == []
    assert sum(one.status in ("returned", "raised") for one in seen) >= TOLD_LEAST


def test_a_safe_function_is_tried_on_hundreds_of_inputs() -> None:
    assert {len(tried_inputs(row)) for row in SAFE} == {ENDLESS_INPUTS, INPUTS}


def test_the_inputs_alone_find_most_of_the_unsafe_functions() -> None:
    """So that a function wrongly called safe would be noticed, most of the time."""
    quick = [row for row in UNSAFE if row.slug != "termination"]
    found = [row for row in quick if any(breaks(row, one) for one in observed(row, tried_inputs(row)[:BATCH]))]
    assert len(found) >= 0.8 * len(quick), sorted({row.name for row in quick} - {row.name for row in found})


@pytest.mark.parametrize("slug", ["zero-division", "contract", "argument-mutation", "return-type", "float"])
def test_a_wrong_label_is_noticed(slug: str) -> None:
    safe, unsafe = (next(row for row in rows if row.slug == slug) for rows in (SAFE, UNSAFE))
    assert unsafe.witness is not None
    assert not any(breaks(safe, one) for one in observed(safe, [unsafe.witness]))
    assert any(breaks(unsafe, one) for one in observed(replace(unsafe, safe=True), [unsafe.witness]))


# --- the set


def test_the_twins_differ_little() -> None:
    pairs = {(row.slug, row.entry): row for row in SAFE}
    assert len(pairs) == len(SAFE) == len(UNSAFE)
    for unsafe in UNSAFE:
        safe = pairs[unsafe.slug, unsafe.entry]
        assert signature(safe) == signature(unsafe)
        assert 1 <= differing_lines(safe.source, unsafe.source) <= 6, unsafe.name


def signature(row: Labelled) -> list[tuple[str, str]]:
    return [(parameter.name, parameter.annotation) for parameter in parameters(row.function)]


def differing_lines(one: str, other: str) -> int:
    """The lines that only one of the two has, or only the other: whichever are more."""
    marks = [line[0] for line in difflib.ndiff(one.splitlines(), other.splitlines())]
    return max(marks.count("-"), marks.count("+"))


def test_the_set_is_balanced_and_covers_the_properties() -> None:
    assert len(ALL) >= 180
    assert len({row.source for row in ALL}) == len(ALL)
    assert {row.slug for row in ALL} == {
        *EXPLORED_SLUGS, "contract", "argument-mutation", "return-type", "termination", "recursion", "float"
    }  # fmt: skip
    assert sum("loop" in row.tags for row in SAFE) >= 35
    assert sum(row.slug == "termination" for row in UNSAFE) >= 14


@pytest.mark.parametrize("row", ALL, ids=lambda row: row.name)
def test_a_row_is_a_short_and_fully_annotated_function(row: Labelled) -> None:
    assert 3 <= len([line for line in row.source.splitlines() if line.strip()]) <= 15
    assert all(parameter.kind is not None for parameter in parameters(row.function))
    assert row.function.returns is not None
    assert row.safe == (row.witness is None)


def test_an_edit_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match="'7' occurs 0 times"):
        twins("zero-division", "def f() -> int:\n    return 1\n", {"7": "8"}, ())


# --- the inputs


def test_the_inputs_are_the_same_for_the_same_seed() -> None:
    found = parameters(every_kind().function)
    assert repr(random_inputs(found, 3, 80)) == repr(random_inputs(found, 3, 80))
    assert repr(random_inputs(found, 3, 80)) != repr(random_inputs(found, 4, 80))
    assert len(random_inputs(found, 3, 5)) == 5


def test_the_inputs_are_of_the_annotated_types_and_read_back() -> None:
    row = every_kind()
    found = parameters(row.function)
    for values in random_inputs(found, 5, 200):
        assert eval(repr(values)) == values
        for parameter, value in zip(found, values, strict=True):
            assert parameter.kind is not None
            assert eval(has_type("value", parameter.kind), {"value": value}), (parameter, value)
            assert parameter.kind.name != "int" or type(value) is int


def test_a_type_without_values_is_an_error() -> None:
    with pytest.raises(ValueError, match="no random values of type Path"):
        random_inputs(parameters(Labelled("float", "def f(p: Path) -> int:\n    return 0\n", True).function), 1, 1)


def every_kind() -> Labelled:
    arguments = ", ".join(f"a{at}: {kind}" for at, kind in enumerate(KINDS))
    return Labelled("type-error", f"def f({arguments}) -> int:\n    return 0\n", True)


KINDS = (
    "int",
    "bool",
    "float",
    "str",
    "None",
    "int | None",
    "list[int]",
    "list[list[str]]",
    "tuple[int, str]",
    "tuple[int, ...]",
    "set[tuple[int, int]]",
    "frozenset[str]",
    "dict[str, list[int]]",
    "list[int | str | None]",
    "object",
)


# --- the verifier


@pytest.mark.parametrize("row", ALL, ids=lambda row: row.name)
def test_the_verifier_is_not_wrong(row: Labelled) -> None:
    judged = judge(row)
    assert not judged.false_alarm, judged.line
    assert not judged.false_proof, judged.line


def test_a_false_alarm_and_a_false_proof_are_counted() -> None:
    (safe, unsafe) = twins("zero-division", DIVIDE, {"b != 0": "b != 1"}, (1, 0), tags=("loop",))
    counts = count([judged(safe, Outcome.REFUTED), judged(unsafe, Outcome.PROVED), judged(unsafe, Outcome.VACUOUS)])
    assert (counts["false_alarms"], counts["false_proofs"]) == (1, 2)
    assert (counts["safe_proved"], counts["loop_proofs"], counts["unsafe_refuted"]) == (0, 0, 0)


def test_the_set_is_measured() -> None:
    found = measure(twins("zero-division", DIVIDE, {"b != 0": "b != 1"}, (1, 0)))
    assert (found["safe"], found["safe_proved"], found["unsafe"], found["unsafe_refuted"]) == (1, 1, 1, 1)
    assert found["by_slug"]["zero-division"]["safe_proved"] == 1
    assert (found["wrong"], found["missed"]) == ([], [])
    json.dumps(found)


def test_a_row_that_is_not_decided_is_missed() -> None:
    row = twins("zero-division", DIVIDE, {"b != 0": "b != 1"}, (1, 0))[0]
    assert not judged(row, Outcome.PROVED).missed
    one = Judged(row, Verdict(row.slug, Outcome.UNSUPPORTED, "hash() is not modelled", 2), 0.0)
    assert one.missed
    assert one.line == "zero-division/divide/safe: unsupported, hash() is not modelled (line 2)"


DIVIDE = "def divide(a: int, b: int) -> int:\n    if b != 0:\n        return a // b\n    return 0\n"


def judged(row: Labelled, outcome: Outcome) -> Judged:
    return Judged(row, Verdict(row.slug, outcome), 0.0)
