"""Supervised training learns, masks its prompts, survives kill -9 with the same losses, and stops with its budget."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from training import checkpoints
from training.batches import batch_order
from training.config import ModelSettings, SFTSettings, TaskSettings
from training.curriculum import Task, build, write_jsonl
from training.models import load
from training.progress import Progress, Stopped
from training.prompting import encode_completion, encode_prompt
from training.sft import SFTError, _encode, learning_rate_at, train

MODEL = ModelSettings(preset="aval-micro", vocab_size=500)
SETTINGS = SFTSettings(learning_rate=5e-3, batch_size=8, epochs=2.0, save_steps=4, bf16=False)


class Recorder:
    """Remembers each step's loss, and asks to stop at a given one."""

    def __init__(self, stop_at: int = 0) -> None:
        self.stop_at, self.losses, self.saves = stop_at, {}, []
        self.last: Progress | None = None

    def step(self, progress: Progress) -> None:
        self.last = progress
        self.losses[progress.step] = progress.metrics["loss"]
        if progress.step == self.stop_at:
            raise Stopped

    def saved(self, checkpoint: Path, step: int) -> None:
        assert (checkpoint / checkpoints.MARKER).exists()
        self.saves.append(step)


@pytest.fixture(scope="module")
def tasks() -> list[Task]:
    return build(TaskSettings(train=40, held_out=8, families=("clamp", "lookup")))["train"]


@pytest.fixture(scope="module")
def undisturbed(tasks: list[Task], tmp_path_factory: pytest.TempPathFactory) -> tuple[Recorder, Path]:
    watcher = Recorder()
    return watcher, _train(tasks, tmp_path_factory.mktemp("run"), watcher)


def _train(
    tasks: list[Task], run: Path, watcher: Recorder, *, fence: int = 1, settings: SFTSettings = SETTINGS
) -> Path:
    return train(tasks, tasks[:6], model=MODEL, settings=settings, run_folder=run, fence=fence, watcher=watcher)


def test_the_loss_falls_and_the_model_loads_with_its_tokenizer(undisturbed: tuple[Recorder, Path]) -> None:
    watcher, folder = undisturbed
    assert list(watcher.losses) == list(range(1, 11))
    assert watcher.losses[10] < watcher.losses[1] - 1.0
    assert watcher.saves == [4, 8, 10]
    model, tokenizer = load(folder)
    assert model.config.vocab_size == len(tokenizer) <= 500
    metrics = json.loads((folder / "training.json").read_text())
    assert metrics["steps"] == 10
    assert metrics["perplexity"] > 1


def test_only_the_code_and_the_end_are_learnt(tasks: list[Task], micro_tokenizer) -> None:
    (row,) = _encode(tasks[:1], micro_tokenizer, 512)
    prompt = encode_prompt(micro_tokenizer, tasks[0].text, tasks[0].signature)
    completion = encode_completion(micro_tokenizer, tasks[0].demonstration.code)
    assert row["input_ids"] == prompt + completion
    assert row["labels"] == [-100] * len(prompt) + completion
    assert row["labels"][-1] == micro_tokenizer.eos_token_id


def test_a_run_that_had_ended_returns_at_once(tasks: list[Task], undisturbed: tuple[Recorder, Path]) -> None:
    _, folder = undisturbed
    watcher = Recorder()
    assert _train(tasks, folder.parent.parent, watcher, fence=2) == folder
    assert watcher.losses == {}


def test_after_a_stop_the_next_attempt_goes_on_with_the_same_losses(
    tasks: list[Task], undisturbed: tuple[Recorder, Path], tmp_path: Path
) -> None:
    with pytest.raises(Stopped):
        _train(tasks, tmp_path, Recorder(stop_at=6))
    assert checkpoints.latest(tmp_path).name == "checkpoint-4"
    watcher = Recorder()
    folder = _train(tasks, tmp_path, watcher, fence=2)
    assert folder.parent == checkpoints.attempt_folder(tmp_path, 2)
    expected = {step: loss for step, loss in undisturbed[0].losses.items() if step > 4}
    assert watcher.losses == pytest.approx(expected, abs=1e-4)


_KILLED = """
import os, signal, sys
from pathlib import Path
from tests.training.test_sft import MODEL, SETTINGS, Recorder
from training.curriculum import read_jsonl
from training.sft import train

class Fatal(Recorder):
    def step(self, progress):
        if progress.step == 7:
            os.kill(os.getpid(), signal.SIGKILL)

tasks = read_jsonl(Path(sys.argv[1]))
train(tasks, [], model=MODEL, settings=SETTINGS, run_folder=Path(sys.argv[2]), fence=1, watcher=Fatal())
"""


def test_after_kill_9_the_next_attempt_loses_at_most_an_interval(
    tasks: list[Task], undisturbed: tuple[Recorder, Path], tmp_path: Path
) -> None:
    write_jsonl(tmp_path / "tasks.jsonl", tasks)
    run = tmp_path / "run"
    child = subprocess.run(
        [sys.executable, "-c", _KILLED, str(tmp_path / "tasks.jsonl"), str(run)],
        env={**os.environ, "PYTHONPATH": "."},
        capture_output=True,
        text=True,
    )
    assert child.returncode == -signal.SIGKILL, child.stderr
    watcher = Recorder()
    _train(tasks, run, watcher, fence=2)
    expected = {step: loss for step, loss in undisturbed[0].losses.items() if step > 4}
    assert watcher.losses == pytest.approx(expected, abs=1e-4)


def test_a_checkpoint_without_its_marker_does_not_count(tasks: list[Task], tmp_path: Path) -> None:
    half = checkpoints.attempt_folder(tmp_path, 1) / "checkpoint-4"
    half.mkdir()
    (half / "trainer_state.json").write_text("{")
    watcher = Recorder(stop_at=1)
    with pytest.raises(Stopped):
        _train(tasks, tmp_path, watcher, fence=2)
    assert list(watcher.losses) == [1]


def test_the_cpu_budget_ends_the_training_with_a_low_learning_rate(tasks: list[Task], tmp_path: Path) -> None:
    watcher = Recorder()
    began = time.process_time()
    settings = replace(SETTINGS, epochs=400.0, max_cpu_seconds=2.0, save_steps=100_000)
    _train(tasks, tmp_path, watcher, settings=settings)
    assert time.process_time() - began < 8.0
    assert watcher.last is not None
    assert 3 < watcher.last.step < 2000
    assert watcher.last.metrics["learning_rate"] < 0.2 * settings.learning_rate


def test_a_resumed_training_counts_what_was_spent_before(tasks: list[Task], tmp_path: Path) -> None:
    settings = replace(SETTINGS, max_cpu_seconds=1000.0)
    with pytest.raises(Stopped):
        _train(tasks, tmp_path, Recorder(stop_at=5), settings=settings)
    budget = checkpoints.latest(tmp_path) / "budget.json"
    assert 0 < json.loads(budget.read_text())["cpu_seconds"] < 1000
    budget.write_text('{"cpu_seconds": 999.9999}')
    watcher = Recorder()
    _train(tasks, tmp_path, watcher, fence=2, settings=settings)
    assert list(watcher.losses) == [5]


def test_a_base_model_keeps_its_own_tokenizer(tasks: list[Task], micro_model: Path, tmp_path: Path) -> None:
    folder = train(
        tasks, [], model=ModelSettings(base_model=str(micro_model)), settings=replace(SETTINGS, epochs=0.4),
        run_folder=tmp_path, fence=1, watcher=Recorder(),
    )  # fmt: skip
    theirs, ours = load(micro_model)[1], load(folder)[1]
    assert ours.get_vocab() == theirs.get_vocab()


def test_the_order_of_batches_holds_every_example_once_an_epoch_in_like_lengths() -> None:
    lengths = [10 + (7 * index) % 50 for index in range(100)]
    order = batch_order(lengths, 8, 2.5, seed=1)
    assert len(order) == 250
    assert sorted(order[:100]) == sorted(order[100:200]) == list(range(100))
    assert order[:100] != order[100:200]
    assert order == batch_order(lengths, 8, 2.5, seed=1) != batch_order(lengths, 8, 2.5, seed=2)
    padded = sum(8 * max(lengths[index] for index in order[start : start + 8]) for start in range(0, 96, 8))
    shuffled = batch_order([1] * 100, 8, 1.0, seed=1)
    careless = sum(8 * max(lengths[index] for index in shuffled[start : start + 8]) for start in range(0, 96, 8))
    assert padded < 0.9 * careless


def test_the_learning_rate_warms_up_and_ends_low() -> None:
    rates = [learning_rate_at(progress / 100, 0.1) for progress in range(101)]
    assert rates[0] == 0.0
    assert max(rates) == rates[10] == 1.0
    assert rates[:11] == sorted(rates[:11])
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[-1] == pytest.approx(0.02)


def test_a_task_longer_than_the_context_is_refused_in_one_line(tasks: list[Task], tmp_path: Path) -> None:
    long = replace(tasks[0], text="word " * 3000)
    with pytest.raises(SFTError, match="shorten it or choose a model with a longer one"):
        _train([long, *tasks], tmp_path, Recorder())
    with pytest.raises(SFTError, match="no tasks to train on"):
        _train([], tmp_path, Recorder())
