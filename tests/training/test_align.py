"""The whole stage on a very small model: rewards from the real sandbox and verifier, stopped, resumed, merged."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from training import checkpoints
from training.align import AlignError, align, merge
from training.config import LoraSettings, PPOSettings, RewardModelSettings
from training.curriculum import Task
from training.models import load_model, load_tokenizer
from training.progress import Progress, Silent, Stopped
from training.reward_model import Preference
from training.reward_model import train as train_reward_model

SETTINGS = PPOSettings(
    num_updates=3, batch_size=8, mini_batch_size=4, micro_batch_size=8, response_length=24, save_steps=1,
    value_pretraining_updates=1, lora=LoraSettings(r=4, alpha=8), bf16=False,
)  # fmt: skip


class Recorder(Silent):
    """Keeps what it is told, and stops the run after an update."""

    def __init__(self, *, stop_after: int = 0) -> None:
        self.seen: list[Progress] = []
        self.checkpoints: list[Path] = []
        self.stop_after = stop_after

    def step(self, progress: Progress) -> None:
        self.seen.append(progress)

    def saved(self, checkpoint: Path, step: int) -> None:
        self.checkpoints.append(checkpoint)
        if len(self.checkpoints) == self.stop_after:
            raise Stopped


@pytest.fixture(scope="module")
def reward_model(micro_model: Path, splits: dict[str, list[Task]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    pairs = [
        Preference(task.text, task.signature, task.solutions[0].code, task.solutions[-1].code, (-1) ** i, "a")
        for i, task in enumerate(splits["train"][:12])
    ]
    settings = RewardModelSettings(epochs=1.0, lora=LoraSettings(r=4, alpha=8), bf16=False)
    folder = tmp_path_factory.mktemp("rewards")
    return train_reward_model(micro_model, pairs, settings=settings, run_folder=folder, fence=1, watcher=Silent())


def test_a_stopped_alignment_goes_on_and_ends_in_a_model_that_loads(
    micro_model: Path, splits: dict[str, list[Task]], reward_model: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    tasks = splits["train"][:24]
    with pytest.raises(Stopped):
        align(
            micro_model, tasks, reward_model=reward_model, settings=SETTINGS, run_folder=run, fence=1,
            watcher=Recorder(stop_after=1),
        )  # fmt: skip
    assert checkpoints.step_of(checkpoints.latest(run) or Path()) == 4
    watcher = Recorder()
    adapter = align(
        micro_model, tasks, reward_model=reward_model, settings=SETTINGS, run_folder=run, fence=2, watcher=watcher
    )
    assert [(one.stage, one.step, one.total) for one in watcher.seen] == [("ppo", 2, 3), ("ppo", 3, 3)]
    wanted = {
        "reward", "reward/tests", "reward/passed", "reward/learned", "kl", "entropy", "policy_loss", "value_loss",
        "clip_fraction", "explained_variance", "length", "eos_share", "first_ratio_error", "seconds_rollout",
        "seconds_reward", "seconds_update",
    }  # fmt: skip
    assert wanted <= set(watcher.seen[-1].metrics)
    table = (adapter.parent / "completions" / "000003.jsonl").read_text().splitlines()
    assert {"tests_passed", "tests_status", "rating", "reward_tests", "reward_learned"} <= set(json.loads(table[0]))
    merged = merge(micro_model, adapter, tmp_path / "merged")
    assert load_model(merged).config.model_type == "gpt2"
    assert load_tokenizer(merged).eos_token_id == load_tokenizer(micro_model).eos_token_id
    again = align(
        micro_model, tasks, reward_model=reward_model, settings=SETTINGS, run_folder=run, fence=3, watcher=Recorder()
    )
    assert again == adapter


def test_an_alignment_without_tasks_or_with_settings_at_odds_is_refused(micro_model: Path, tmp_path: Path) -> None:
    options = {"reward_model": None, "run_folder": tmp_path, "fence": 1, "watcher": Silent()}
    with pytest.raises(AlignError, match="no tasks"):
        align(micro_model, [], settings=SETTINGS, **options)  # type: ignore[arg-type]
    odd = PPOSettings(batch_size=8, mini_batch_size=3)
    with pytest.raises(AlignError, match="mini_batch_size must divide batch_size, which is 8"):
        align(micro_model, [None], settings=odd, **options)  # type: ignore[arg-type, list-item]
