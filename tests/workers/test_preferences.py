"""Preferences as snapshots hold them and as files do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from training.preferences import Preference
from training.reliability import Gold
from workers.preferences import preference_of, read_preferences
from workers.problems import Problem

OLD = {
    "comparison": 7,
    "prompt_text": "Halve it.",
    "signature": "def f(n):",
    "code_a": "a",
    "code_b": "b",
    "preference": -2,
    "unusable": False,
    "annotator": "p-ana",
    "simulated": False,
}


def test_a_snapshot_s_row_gives_its_scales_its_annotator_and_its_gold_answer() -> None:
    marks = {"correctness": 5, "security": None}
    row = {**OLD, "scales_a": marks, "scales_b": {"correctness": 1}, "gold": {"lowest": -3, "highest": -1}}
    found = preference_of(row)
    assert (found.preference, found.annotator, found.unusable) == (-2, "p-ana", False)
    assert found.scales("a")[0] == 5
    assert found.scales("b")[0] == 1
    assert found.scales("a")[3] != found.scales("a")[3], "not given"
    assert found.gold == Gold(-3, -1)
    neither = preference_of({**OLD, "preference": None, "unusable": True, "gold": {"lowest": None, "highest": None}})
    assert (neither.preference, neither.unusable, neither.gold) == (0, True, Gold(None, None))


def test_an_older_row_without_scales_or_gold_is_read_as_before() -> None:
    found = preference_of(OLD)
    assert found == Preference("Halve it.", "def f(n):", "a", "b", -2, "p-ana")


def line(**more: Any) -> str:
    row = {"prompt_text": "Halve it.", "signature": "def f(n):", "chosen": "good", "rejected": "bad", "margin": 2}
    return json.dumps({**row, "annotator": "p-ana", **more}) + "\n"


def test_a_file_s_scales_stay_with_their_programs_whatever_side_they_are_put_on(tmp_path: Path) -> None:
    file = tmp_path / "p.jsonl"
    marks = {"scales_chosen": {"correctness": 5, "other": 9}, "scales_rejected": {"correctness": 2, "security": None}}
    file.write_text(line(**marks) + line(**marks) + line())
    one, other, bare = (Preference(**row) for row in read_preferences(file))
    assert (one.code_a, one.scales_a, one.scales_b) == ("good", {"correctness": 5}, {"correctness": 2})
    assert (other.code_b, other.scales_b, other.scales_a) == ("good", {"correctness": 5}, {"correctness": 2})
    assert (bare.scales_a, bare.scales_b) == ({}, {})


@pytest.mark.parametrize("value", [6, "high"])
def test_a_mark_that_is_none_is_refused_with_its_line(value: object, tmp_path: Path) -> None:
    file = tmp_path / "p.jsonl"
    file.write_text(line() + line(scales_chosen={"security": value}))
    with pytest.raises(Problem, match="line 2: not a preference \\(security must be a number from 1 to 5"):
        read_preferences(file)
