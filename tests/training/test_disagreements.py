"""Which completions are worth a person's look: those that the ratings and the tests judge most differently."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from training.disagreements import completions_of, disagreements


def row(prompt: str, text: str, rating: float | None, *, ok: bool, update: int = 1) -> Mapping[str, Any]:
    return {
        "prompt": prompt, "completion": text, "rating": rating, "update": update, "finished": True, "tests_passed": 3,
        "tests_total": 3 if ok else 4, "tests_status": "passed" if ok else "wrong",
    }  # fmt: skip


ROWS = [
    row("a", "liked and wrong", 9.0, ok=False),
    row("b", "liked and right", 8.0, ok=True),
    row("c", "disliked and right", -5.0, ok=True),
    row("d", "disliked and wrong", -4.0, ok=False),
    row("e", "somewhat liked and wrong", 5.0, ok=False),
    row("f", "somewhat disliked and right", -1.0, ok=True),
    row("g", "nothing said", None, ok=False),
]


def texts(count: int, rows: list[Mapping[str, Any]] = ROWS) -> list[str]:
    return [one.completion for one in disagreements(rows, count)]


def test_the_largest_come_first_from_both_sides_in_turn() -> None:
    assert texts(2) == ["liked and wrong", "disliked and right"]
    assert texts(4) == [
        "liked and wrong", "disliked and right", "somewhat liked and wrong", "somewhat disliked and right",
    ]  # fmt: skip
    assert [one.extent for one in disagreements(ROWS, 4)] == [1.0, 1.0, 0.6, 0.6]


def test_agreement_and_what_nobody_rated_are_never_asked_about() -> None:
    assert len(texts(100)) == 4
    assert texts(0) == []
    assert disagreements([], 5) == []
    assert disagreements([row("a", "x", None, ok=True)], 5) == []


def test_their_order_and_number_do_not_depend_on_the_order_of_the_rows() -> None:
    assert texts(4, ROWS[::-1]) == texts(4)


def test_one_side_fills_up_where_the_other_has_no_more() -> None:
    rows = [row(str(i), f"text {i}", float(i), ok=False) for i in range(8)]
    assert texts(4, rows) == ["text 7", "text 6", "text 5", "text 4"]


def test_a_prompt_is_asked_about_once_beside_its_completion_that_the_tests_judge_otherwise() -> None:
    rows = [
        *ROWS,
        row("a", "liked and wrong as well", 8.5, ok=False, update=3),
        row("a", "right at last", 0.0, ok=True, update=2),
        row("a", "liked and wrong ", 0.0, ok=True, update=4),
    ]
    found = {one.prompt: one for one in disagreements(rows, 100)}
    other = found["a"].other
    assert other is not None
    assert (found["a"].completion, other["completion"]) == ("liked and wrong", "right at last")
    assert found["c"].other is None


def test_of_an_update_that_was_done_again_the_last_time_counts(tmp_path: Path) -> None:
    def write(attempt: int, name: str, *rows: Mapping[str, Any]) -> None:
        folder = tmp_path / f"attempt-{attempt:06d}" / "completions"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("".join(json.dumps(one) + "\n" for one in rows))

    write(1, "000001.jsonl", row("a", "first", 1.0, ok=True))
    write(1, "000002.jsonl", row("b", "killed", 1.0, ok=True, update=2))
    write(2, "000002-0.jsonl", row("b", "again", 1.0, ok=True, update=2))
    write(2, "000002-1.jsonl", row("c", "again, elsewhere", 1.0, ok=True, update=2))
    assert [one["completion"] for one in completions_of(tmp_path)] == ["first", "again", "again, elsewhere"]
    assert completions_of(tmp_path / "nowhere") == []
