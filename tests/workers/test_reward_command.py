"""``aval reward explain``: files of completions in, reasons out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from training.config import TaskSettings
from training.curriculum import Task, build, write_jsonl
from workers.commands import main


@pytest.fixture(scope="module")
def task() -> Task:
    return build(TaskSettings(train=1, held_out=1, families=("mean",), seed=3))["train"][0]


@pytest.fixture
def tasks(task: Task, tmp_path: Path) -> Path:
    write_jsonl(tmp_path / "tasks.jsonl", [task])
    return tmp_path / "tasks.jsonl"


@pytest.fixture(autouse=True)
def _no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AVAL_CACHE", "")


def rows(folder: Path, *given: Any) -> str:
    path = folder / "000001.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in given))
    return str(path)


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["reward", "explain", *arguments]) == 0
    return capsys.readouterr().out


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    try:
        code: object = main(["reward", "explain", *arguments])
    except SystemExit as stop:
        code = stop.code
    output = capsys.readouterr()
    assert code == 2, output
    (line,) = output.err.strip().splitlines()
    return line


def test_programs_are_judged_anew_by_key_or_by_prompt(
    task: Task, tasks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    unsafe = next(one.code for one in task.solutions if not one.safe)
    prompt = f"# {task.text}\n# The answer begins: {task.signature}\n"
    file = rows(tmp_path, {"key": task.key, "code": task.solutions[0].code}, {"prompt": prompt, "completion": unsafe})
    text = told(capsys, file, "--tasks", str(tasks))
    safe, other = text.split("\n\n")
    assert "zero-division proved (1.00)" in safe
    assert f"assert {task.entry}([])" in other
    found = [json.loads(line) for line in told(capsys, file, "--tasks", str(tasks), "--json").splitlines()]
    assert [one["row"] for one in found] == [1, 2]
    assert found[0]["reward"] == 1.5 > found[1]["reward"]
    only = told(capsys, file, "--tasks", str(tasks), "--row", "2", "--json", "--all-pass-share", "0").splitlines()
    assert [json.loads(line)["row"] for line in only] == [2]
    assert json.loads(only[0])["reward"] > found[1]["reward"]


def test_more_rows_than_are_shown_are_counted(
    task: Task, tasks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = rows(tmp_path, *[{"key": task.key, "code": ""}] * 12)
    assert "2 rows more: see them with --limit 12" in told(capsys, file, "--tasks", str(tasks))
    assert "rows more" not in told(capsys, file, "--tasks", str(tasks), "--limit", "12")


def test_a_reward_models_rating_is_explained(
    task: Task, tasks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Model:
        mean, std, count = 0.0, 1.0, 100

        def score_members(self, prompts: Sequence[str], completions: Sequence[str]) -> list[list[float]]:
            assert task.text in prompts[0]
            return [[1.0, 3.0]] * len(completions)

    class Tokenizer:
        sep_token, all_special_tokens = "", ()

    from training import models, reward_model

    monkeypatch.setattr(reward_model.RewardModel, "load", lambda path, **_: Model())
    monkeypatch.setattr(models, "load_tokenizer", lambda path: Tokenizer())
    file = rows(tmp_path, {"key": task.key, "code": task.solutions[0].code})
    text = told(capsys, file, "--tasks", str(tasks), "--reward-model", "rm", "--backbone", "sft")
    assert "score 2.000, members 1.414 apart; +0.59 standard deviations" in text
    text = told(
        capsys, file, "--tasks", str(tasks), "--reward-model", "rm", "--backbone", "sft", "--learned-pessimism", "0"
    )
    assert "+1.00 of 1, clipped" in text


def test_what_a_user_can_mend_is_told_in_one_line(
    task: Task, tasks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    there = ["--tasks", str(tasks)]
    assert "no 'tests_passed' was logged: judge the program anew with --tasks" in refused(
        capsys, rows(tmp_path, {"code": ""})
    )
    assert "line 1: no task with key 'x'" in refused(capsys, rows(tmp_path, {"key": "x", "code": ""}), *there)
    assert "no task with this prompt" in refused(capsys, rows(tmp_path, {"prompt": "x", "code": ""}), *there)
    assert "line 1: which task is it for?" in refused(capsys, rows(tmp_path, {"code": ""}), *there)
    assert "line 1: no completion" in refused(capsys, rows(tmp_path, {"key": "x"}), *there)
    assert "holds no completions" in refused(capsys, rows(tmp_path), *there)
    assert "--row 5" in refused(capsys, rows(tmp_path, {"code": ""}), *there, "--row", "5")
    (tmp_path / "broken.jsonl").write_text("{}\n".replace("}", ""))
    assert "broken.jsonl, line 1: not JSON" in refused(capsys, str(tmp_path / "broken.jsonl"), *there)
    assert "there is no" in refused(capsys, str(tmp_path / "missing.jsonl"))
    assert "--backbone is missing" in refused(capsys, "x", "--reward-model", "rm")
    assert "--reward-model needs --tasks" in refused(capsys, "x", "--reward-model", "rm", "--backbone", "b")
    assert "--learned-clip" in refused(capsys, "x", "--learned-clip", "0")
