"""A checkpoint counts only once it is complete, whichever attempt wrote it."""

from __future__ import annotations

from pathlib import Path

import pytest

from training import checkpoints


def written(run: Path, *, fence: int, step: int, complete: bool = True) -> Path:
    folder = checkpoints.attempt_folder(run, fence) / f"checkpoint-{step}"
    folder.mkdir()
    (folder / "state.json").write_text(f"{step}")
    if complete:
        checkpoints.complete(folder)
    return folder


def test_an_unfinished_checkpoint_is_not_taken(tmp_path: Path) -> None:
    finished = written(tmp_path, fence=1, step=10)
    written(tmp_path, fence=1, step=20, complete=False)
    assert checkpoints.latest(tmp_path) == finished


def test_the_highest_step_wins_over_all_attempts_and_the_newest_attempt_among_equals(tmp_path: Path) -> None:
    written(tmp_path, fence=1, step=10)
    expected = written(tmp_path, fence=2, step=10)
    written(tmp_path, fence=3, step=5)
    assert checkpoints.latest(tmp_path) == expected


def test_a_run_without_checkpoints_has_none(tmp_path: Path) -> None:
    assert checkpoints.latest(tmp_path) is None


def test_only_the_newest_are_kept_and_the_unfinished_are_left_alone(tmp_path: Path) -> None:
    for step in (1, 2, 3):
        written(tmp_path, fence=1, step=step)
    written(tmp_path, fence=1, step=4, complete=False)
    checkpoints.keep_newest(tmp_path / "attempt-000001", 2)
    assert sorted(path.name for path in (tmp_path / "attempt-000001").iterdir()) == [
        "checkpoint-2",
        "checkpoint-3",
        "checkpoint-4",
    ]


def test_a_folder_of_another_name_has_no_step(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="checkpoint-N"):
        checkpoints.step_of(tmp_path / "final")
