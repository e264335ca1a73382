"""Guards and validation in real runs on a very small model: paused, resumed, killed, and the best adapter kept."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tests.training.test_ppo_distributed import CLI, command, two_processes
from training import checkpoints, oversight
from training.align import SUMMARY, align
from training.config import GuardSettings, LoraSettings, PPOSettings, RewardSettings
from training.curriculum import Task, write_jsonl
from training.guards import Paused
from training.oversight import BEST, STATE, least_like_best
from training.progress import Progress, Silent, Stopped
from training.reporting import FINAL
from training.validation import Validation, keep_out
from workers.commands import main

ROOT = Path(__file__).parents[2]
SETTINGS = PPOSettings(
    num_updates=4, batch_size=4, mini_batch_size=4, micro_batch_size=4, num_ppo_epochs=1, response_length=8,
    learning_rate=1e-2, save_steps=1, value_pretraining_updates=0, validation_prompts=4, validation_every=2,
    lora=LoraSettings(r=4, alpha=8), reward=RewardSettings(verifier_weight=0.0), bf16=False,
)  # fmt: skip
ALARMED = replace(SETTINGS, guards=GuardSettings(patience=1, most_kl=1e-9))
"""Its KL is an alarm as soon as the policy has moved at all, at the second update."""


class Watching(Silent):
    """Keeps what it is told; ``stop`` is called at every checkpoint."""

    def __init__(self, stop: Any = None) -> None:
        self.seen: list[Progress] = []
        self.saved_at: list[int] = []
        self.stop = stop

    def step(self, progress: Progress) -> None:
        self.seen.append(progress)

    def saved(self, checkpoint: Path, step: int) -> None:
        self.saved_at.append(step)
        if self.stop is not None and self.stop(step):
            raise Stopped


@pytest.fixture(scope="module")
def tasks(splits: dict[str, list[Task]]) -> list[Task]:
    return splits["train"][:24]


def run(
    model: Path, tasks: Sequence[Task], folder: Path, settings: PPOSettings, *, fence: int = 1, **options: Any
) -> tuple[Path, Watching]:
    watcher = options.pop("watcher", None) or Watching()
    path = align(
        model, tasks, reward_model=None, settings=settings, run_folder=folder, fence=fence, watcher=watcher, **options
    )
    return path, watcher


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "adapter_model.safetensors")


def assert_same(one: Path, other: Path) -> None:
    found, expected = weights(one), weights(other)
    assert found.keys() == expected.keys()
    assert all(torch.equal(weight, expected[name]) for name, weight in found.items())


def summary(adapter: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((adapter / SUMMARY).read_text())
    return found


@pytest.fixture(scope="module")
def undisturbed(micro_model: Path, tasks: list[Task], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The adapter of a run that no guard paused."""
    settings = replace(ALARMED, guards=replace(ALARMED.guards, enabled=False))
    return run(micro_model, tasks, tmp_path_factory.mktemp("undisturbed"), settings)[0]


def test_an_alarm_pauses_the_run_behind_a_checkpoint_and_disarmed_it_goes_on_with_the_same_numbers(
    micro_model: Path, tasks: list[Task], undisturbed: Path, tmp_path: Path
) -> None:
    watcher = Watching()
    with pytest.raises(Paused, match="kl at update 2, 1 times in a row") as paused:
        run(micro_model, tasks, tmp_path, replace(ALARMED, save_steps=3), watcher=watcher)
    assert [alarm.monitor for alarm in paused.value.alarms] == ["kl"]
    assert watcher.saved_at == [2]
    assert not list(tmp_path.glob(f"*/{FINAL}"))
    state = json.loads(((checkpoints.latest(tmp_path) or Path()) / STATE).read_text())
    assert [alarm["monitor"] for alarm in state["alarms"]] == ["kl"]

    watcher = Watching()
    with pytest.raises(Paused, match="kl at update 2"):  # nobody has looked yet
        run(micro_model, tasks, tmp_path, ALARMED, fence=2, watcher=watcher)
    assert (watcher.seen, watcher.saved_at) == ([], [])

    adapter, watcher = run(micro_model, tasks, tmp_path, ALARMED, fence=3, disarmed=["kl"])
    assert [progress.step for progress in watcher.seen] == [3, 4]
    assert_same(adapter, undisturbed)


def test_a_paused_run_goes_on_where_the_settings_ignore_the_guards(
    micro_model: Path, tasks: list[Task], undisturbed: Path, tmp_path: Path
) -> None:
    with pytest.raises(Paused):
        run(micro_model, tasks, tmp_path, ALARMED)
    settings = replace(ALARMED, guards=replace(ALARMED.guards, enabled=False))
    assert_same(run(micro_model, tasks, tmp_path, settings, fence=2)[0], undisturbed)


def test_an_alarm_at_the_last_update_stops_nothing(micro_model: Path, tasks: list[Task], tmp_path: Path) -> None:
    adapter, _ = run(micro_model, tasks, tmp_path, replace(ALARMED, num_updates=2))
    assert summary(adapter)["updates"] == 2


def test_the_monitors_numbers_are_in_the_log_that_the_watcher_gets(undisturbed: Path) -> None:
    last = summary(undisturbed)["last_update"]
    assert {"duplicates", "syntax", "validation_full", "kl", "update"} <= last.keys()


KILLED = """
import os, signal, sys
from pathlib import Path
import torch
torch.set_num_threads(1)
from tests.training.test_oversight import ALARMED, Watching
from training.align import align
from training.curriculum import read_jsonl
from training.progress import Silent

class Killed(Silent):
    def step(self, progress):
        if sys.argv[4] == "step" and progress.step == 2:
            os.kill(os.getpid(), signal.SIGKILL)
    def saved(self, checkpoint, step):
        if sys.argv[4] == "saved" and step == 2:
            os.kill(os.getpid(), signal.SIGKILL)

align(Path(sys.argv[1]), read_jsonl(Path(sys.argv[2])), reward_model=None, settings=ALARMED,
      run_folder=Path(sys.argv[3]), fence=1, watcher=Killed())
"""


@pytest.mark.parametrize("when", [pytest.param("step", marks=pytest.mark.slow), "saved"])
def test_a_run_that_is_killed_around_its_alarm_is_paused_by_it_all_the_same(
    micro_model: Path, tasks: list[Task], undisturbed: Path, tmp_path: Path, when: str
) -> None:
    write_jsonl(tmp_path / "tasks.jsonl", tasks)
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(micro_model), str(tmp_path / "tasks.jsonl"), str(tmp_path / "run"), when],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    watcher = Watching()
    with pytest.raises(Paused, match="kl at update 2"):
        run(micro_model, tasks, tmp_path / "run", ALARMED, fence=2, watcher=watcher)
    # Killed before the checkpoint, it does the second update again; behind it, nothing at all.
    assert [progress.step for progress in watcher.seen] == ([2] if when == "step" else [])
    adapter, _ = run(micro_model, tasks, tmp_path / "run", ALARMED, fence=3, disarmed=["kl"])
    assert_same(adapter, undisturbed)
    assert summary(adapter)["validation"] == summary(undisturbed)["validation"]
    assert summary(adapter)["best_update"] == summary(undisturbed)["best_update"]


# -- validation


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> dict[int, float]:
    """By update what the validation split says, in place of the policy."""
    scripted: dict[int, float] = {}

    def full(self: Validation, trainer: Any) -> float:
        del self
        return scripted[trainer.updates_done]

    monkeypatch.setattr(Validation, "full", full)
    return scripted


EVERY = replace(SETTINGS, validation_every=1)


@pytest.mark.parametrize(
    ("said", "best"),
    [((0.25, 0.75, 0.5, 0.5), 2), ((0.25, 0.5, 0.5, 0.25), 3), ((0.0, 0.0, 0.0, 0.0), 4), ((1.0, 0.0, 0.5, 0.75), 1)],
)
def test_the_result_is_the_adapter_that_validated_best_and_of_equals_the_later(
    micro_model: Path, tasks: list[Task], tmp_path: Path, figures: dict[int, float], said: Sequence[float], best: int
) -> None:
    figures.update(enumerate(said, start=1))
    kept: dict[int, dict[str, torch.Tensor]] = {}

    def keep(step: int) -> bool:
        kept[step] = weights(tmp_path / "attempt-000001" / f"checkpoint-{step}")
        return False

    adapter, _ = run(micro_model, tasks, tmp_path, EVERY, watcher=Watching(keep))
    assert summary(adapter)["best_update"] == best
    assert summary(adapter)["validation"] == {"tasks": 4, "full": {str(u): value for u, value in figures.items()}}
    assert all(torch.equal(weight, kept[best][name]) for name, weight in weights(adapter).items())
    others = [step for step in kept if step != best]
    assert not any(all(torch.equal(w, kept[step][name]) for name, w in weights(adapter).items()) for step in others)


def test_of_adapters_that_the_split_cant_tell_apart_the_last_is_the_result() -> None:
    assert least_like_best([126 / 128], 128) < 125 / 128, "one task of 128 is chance"
    assert least_like_best([126 / 128], 128) > 124 / 128
    assert 127 / 128 > least_like_best([1.0], 128) > 126 / 128, "of none that failed, too"
    assert least_like_best([0.5], 10_000) == pytest.approx(0.495, abs=1e-4)
    # What falls step by step is held to the best, not to the last that was kept.
    shares = [126 / 128, 125 / 128, 124 / 128]
    assert shares[2] < least_like_best(shares, 128) < shares[1]


def test_the_result_is_the_last_that_is_as_good_as_the_best(
    micro_model: Path, tasks: list[Task], tmp_path: Path, figures: dict[int, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(oversight, "least_like_best", lambda shares, tasks: max(shares) - 0.1)
    figures.update({1: 0.7, 2: 1.0, 3: 0.95, 4: 0.85})
    adapter, _ = run(micro_model, tasks, tmp_path, EVERY)
    assert summary(adapter)["best_update"] == 3


def test_the_best_adapter_and_its_figure_survive_in_later_checkpoints(
    micro_model: Path, tasks: list[Task], tmp_path: Path, figures: dict[int, float]
) -> None:
    figures.update({1: 0.75, 2: 0.25, 3: 0.5, 4: 0.5})
    for fence, stop_at in enumerate((1, 2, 3), start=1):
        with pytest.raises(Stopped):
            run(micro_model, tasks, tmp_path, EVERY, fence=fence, watcher=Watching(lambda step, at=stop_at: step == at))
    first = weights(tmp_path / "attempt-000001" / "checkpoint-1")
    latest = checkpoints.latest(tmp_path) or Path()
    assert latest.name == "checkpoint-3"
    assert all(torch.equal(weight, first[_saved(name)]) for name, weight in load_file(latest / BEST).items())
    adapter, watcher = run(micro_model, tasks, tmp_path, EVERY, fence=4)
    assert [progress.step for progress in watcher.seen] == [4]
    assert summary(adapter)["best_update"] == 1
    assert summary(adapter)["validation"]["full"] == {"1": 0.75, "2": 0.25, "3": 0.5, "4": 0.5}
    assert all(torch.equal(weight, first[name]) for name, weight in weights(adapter).items())


def _saved(name: str) -> str:
    """An adapter's weight under the name that PEFT writes."""
    return name.replace(".default.", ".")


def test_figures_of_another_validation_split_are_not_compared(
    micro_model: Path, tasks: list[Task], tmp_path: Path, figures: dict[int, float]
) -> None:
    figures.update({1: 1.0, 2: 1.0, 3: 0.25, 4: 0.0})
    with pytest.raises(Stopped):
        run(micro_model, tasks, tmp_path, EVERY, watcher=Watching(lambda step: step == 2))
    adapter, _ = run(micro_model, tasks, tmp_path, replace(EVERY, validation_prompts=2), fence=2)
    assert summary(adapter)["best_update"] == 3


def test_the_split_is_asked_after_the_first_update_every_so_many_and_at_the_end(
    micro_model: Path, tasks: list[Task], tmp_path: Path, figures: dict[int, float]
) -> None:
    figures.update(dict.fromkeys(range(1, 6), 0.5))
    _, watcher = run(micro_model, tasks, tmp_path, replace(SETTINGS, num_updates=5, validation_every=2))
    assert [p.step for p in watcher.seen if "validation_full" in p.metrics] == [1, 2, 4, 5]


def test_without_a_split_the_last_adapter_is_the_result(micro_model: Path, tasks: list[Task], tmp_path: Path) -> None:
    adapter, watcher = run(micro_model, tasks, tmp_path, replace(SETTINGS, validation_prompts=0))
    assert_same(adapter, adapter.parent / "checkpoint-4")
    assert not any("validation_full" in progress.metrics for progress in watcher.seen)
    assert not {"best_update", "validation"} & summary(adapter).keys()


def test_the_policy_is_asked_greedily_and_judged_by_all_tests(
    micro_model: Path, tasks: list[Task], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tenth of the answers are made the reference solution's, whatever the model says."""
    from training.rollout import Completion, Decoder

    asked: list[tuple[list[str], Any]] = []

    def complete(self: Decoder, prompts: Sequence[str], settings: Any, on_batch: Any = None) -> list[Completion]:
        del self, on_batch
        asked.append((list(prompts), settings))
        right = next(task for task in tasks if prompts[0].startswith(task.text)).demonstration_safe
        return [Completion(right if number == 0 else "pass", [1], True) for number, _ in enumerate(prompts)]

    monkeypatch.setattr(Decoder, "complete", complete)
    monkeypatch.setattr(Task, "demonstration_safe", property(lambda task: task.solutions[0].code), raising=False)
    adapter, _ = run(micro_model, tasks, tmp_path, SETTINGS)
    assert set(summary(adapter)["validation"]["full"].values()) == {0.25}
    prompts, settings = asked[0]
    assert (len(prompts), settings.temperature, settings.max_new_tokens) == (4, 0.0, 8)
    trained = [json.loads(line)["prompt"] for line in _lines(adapter.parent)]
    assert not set(prompts) & set(trained)


def _lines(attempt: Path) -> list[str]:
    return [line for file in attempt.glob("completions/*.jsonl") for line in file.read_text().splitlines()]


# -- which tasks are kept out


def keys(tasks: Sequence[Task]) -> list[str]:
    return [task.key for task in tasks]


def test_tasks_are_kept_out_by_their_keys_whatever_their_order(splits: Mapping[str, list[Task]]) -> None:
    tasks = splits["train"]
    settings = PPOSettings(validation_prompts=10)
    train, kept = keep_out(tasks, settings)
    assert len(kept) == 10
    assert sorted(keys(train) + keys(kept)) == sorted(keys(tasks))
    assert keys(train) == [key for key in keys(tasks) if key not in keys(kept)]
    _, again = keep_out(tasks[::-1], settings)
    assert keys(again) == keys(kept)
    _, fewer = keep_out(tasks, PPOSettings(validation_prompts=4))
    assert keys(fewer) == keys(kept)[:4]


def test_a_fifth_at_most_is_kept_out_and_none_where_none_is_wanted(splits: Mapping[str, list[Task]]) -> None:
    tasks = splits["train"][:24]
    assert len(keep_out(tasks, PPOSettings())[1]) == 4
    assert keep_out(tasks, PPOSettings(validation_prompts=0), splits["para"]) == (tasks, [])
    assert keep_out(tasks[:4], PPOSettings()) == (tasks[:4], [])


def test_half_are_those_that_are_given_and_none_of_them_is_trained_on(splits: Mapping[str, list[Task]]) -> None:
    tasks, unseen = splits["train"], splits["para"]
    train, kept = keep_out(tasks, PPOSettings(validation_prompts=12), unseen)
    assert len(set(keys(kept)) & set(keys(unseen))) == 6
    assert len(set(keys(kept)) & set(keys(tasks))) == 6
    assert not set(keys(train)) & set(keys(kept))
    train, kept = keep_out(tasks, PPOSettings(validation_prompts=12), tasks)
    assert not set(keys(train)) & set(keys(kept))
    assert len(keep_out(tasks, PPOSettings(validation_prompts=12), unseen[:2])[1]) == 12


# -- the command


def test_the_command_tells_an_alarm_in_one_line_and_goes_on_where_it_is_told_to_ignore_it(
    micro_model: Path, tasks: list[Task], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_jsonl(tmp_path / "tasks.jsonl", tasks)
    write_jsonl(tmp_path / "validation.jsonl", tasks[:2])
    command = [
        "train", "ppo", "--backbone", str(micro_model), "--tasks", str(tmp_path / "tasks.jsonl"),
        "--out", str(tmp_path / "run"), "--validation", str(tmp_path / "validation.jsonl"), "--num-updates", "3",
        "--batch-size", "4", "--mini-batch-size", "4", "--num-ppo-epochs", "1", "--response-length", "8",
        "--learning-rate", "0.01", "--value-pretraining-updates", "0", "--reward.verifier-weight", "0",
        "--bf16", "no", "--guards.patience", "1", "--guards.most-kl", "1e-9",
    ]  # fmt: skip
    for _ in range(2):
        assert main(command) == 3
        told = [line for line in capsys.readouterr().err.splitlines() if line.startswith("aval: ")]
        assert len(told) == 1
        assert "paused by kl at update 2" in told[0]
        assert "--ignore-guards" in told[0]
    assert main([*command, "--ignore-guards"]) == 0
    assert "adapter" in capsys.readouterr().out


PAUSED = "import sys; from workers.commands import main; sys.exit(main(sys.argv[1:]) != 3)"
"""The command in one of several processes, which is to end as a paused run."""


@pytest.mark.slow
def test_two_processes_are_paused_together_and_go_on_together(
    micro_model: Path, tasks: list[Task], tmp_path: Path
) -> None:
    options = [
        *command(micro_model, tasks, tmp_path), "--validation-prompts", "3", "--num-updates", "4",
        "--value-pretraining-updates", "0", "--learning-rate", "0.01", "--guards.patience", "1",
        "--out", str(tmp_path / "two"),
    ]  # fmt: skip
    two_processes(PAUSED, *options, "--guards.most-kl", "1e-9")
    state = json.loads(((checkpoints.latest(tmp_path / "two") or Path()) / STATE).read_text())
    assert [alarm["monitor"] for alarm in state["alarms"]] == ["kl"]
    two_processes(CLI, *options)
    told = summary(tmp_path / "two" / "attempt-000002" / FINAL)
    assert told["updates"] == 4
    assert (told["validation"]["tasks"], list(told["validation"]["full"])) == (3, ["1", "4"])
    assert told["best_update"] in (1, 4)
    assert {"duplicates", "syntax", "validation_full"} <= told["last_update"].keys()
