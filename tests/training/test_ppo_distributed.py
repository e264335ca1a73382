"""PPO on two processes: the adapters, losses, rewards and KL of one process with the same global batch."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest
import torch
from accelerate import Accelerator
from accelerate.utils import DistributedType
from safetensors.torch import load_file, save_file

from tests.training.test_ppo import share_of_target, trainer_of, updates, weights
from training import launch
from training.curriculum import Task, write_jsonl
from training.evidence import LearnedReward
from training.ppo import PPOTrainer
from training.reporting import DistributionError, processes
from workers.commands import main

ROOT = Path(__file__).parents[2]
OPTIONS: dict[str, Any] = {
    "num_updates": 4, "value_pretraining_updates": 1, "adaptive_kl": True, "target_kl": 0.05, "kl_horizon": 100,
    "missing_eos_penalty": 0.5, "learning_rate": 1e-2, "per_device_train_batch_size": 3, "save_strategy": "steps",
    "save_steps": 8, "imitation_coef": 0.3, "imitation_batch_size": 4,
}  # fmt: skip
OWN = {"first_ratio_error"}
"""What a process logs of itself: a rounding error."""


def short(completion_ids: Sequence[Sequence[int]], log_metric: Any, **_: Any) -> list[float | None]:
    """Says something of some completions only, and logs a metric in one process only where there are several."""
    if os.environ.get("RANK", "1") == "1":
        log_metric("first", 1.0)
    return [1.0 if len(ids) < 4 else None for ids in completion_ids]


def ppo(folder: Path, *, resume: Path | None = None) -> PPOTrainer:
    """One run; of several processes each leaves its updates and weights in the folder."""
    trainer = trainer_of(folder, [share_of_target, short], **OPTIONS)
    trainer.train(resume_from_checkpoint=resume)
    rank = trainer.args.process_index
    if processes() > 1:
        (folder / f"updates-{rank}.json").write_text(json.dumps(updates(trainer)))
        save_file(weights(trainer), str(folder / f"weights-{rank}.safetensors"))
    return trainer


ENDING = "\nfrom training import launch\nlaunch.end(0)"


def two_processes(code: str, *arguments: Path | str) -> list[str]:
    """What the code prints as two ranks over gloo, with the environment that torchrun sets."""
    common = {"PYTHONPATH": str(ROOT), "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(_free_port())}
    common["ACCELERATE_USE_CPU"] = "true"  # gloo on a machine with a GPU, too
    workers = [
        subprocess.Popen(
            [sys.executable, "-W", "error::UserWarning", "-c", code + ENDING, *map(str, arguments)],
            env={**os.environ, **common, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    printed = []
    try:
        for worker in workers:
            output, errors = worker.communicate(timeout=240)
            assert worker.returncode == 0, errors
            printed.append(output)
    finally:
        for worker in workers:
            worker.kill()
            worker.communicate()
    return printed


WORKER = """
import sys
from pathlib import Path
import torch
torch.set_num_threads(1)
from tests.training.test_ppo_distributed import ppo
ppo(Path(sys.argv[1]), resume=Path(sys.argv[2]) if len(sys.argv) > 2 else None)
"""


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> PPOTrainer:
    return ppo(tmp_path_factory.mktemp("alone"))


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("together")
    two_processes(WORKER, folder)
    return folder


def assert_same_run(folder: Path, alone: PPOTrainer, *, logged: str) -> None:
    """The adapter and the value head of rank 0 and what it logged are those of the run in one process."""
    for name, weight in load_file(folder / "weights-0.safetensors").items():
        torch.testing.assert_close(weight, weights(alone)[name], atol=1e-4, rtol=1e-4)
    theirs = json.loads((folder / logged).read_text())
    assert len(theirs) == 4
    for found, expected in zip(theirs, updates(alone), strict=True):
        assert found.keys() == expected.keys()
        assert {k: v for k, v in found.items() if k not in OWN} == pytest.approx(
            {k: v for k, v in expected.items() if k not in OWN}, abs=1e-4
        )
        assert found["first_ratio_error"] < 1e-5


def test_two_processes_have_the_same_adapters_and_the_losses_of_one(alone: PPOTrainer, together: Path) -> None:
    first, second = (load_file(together / f"weights-{rank}.safetensors") for rank in range(2))
    assert all(torch.equal(weight, second[name]) for name, weight in first.items())
    assert_same_run(together, alone, logged="updates-0.json")
    coefficients = [row["kl_coef"] for row in updates(alone)]
    assert len(set(coefficients)) == 3  # not steered by the update that trains the value alone
    assert updates(alone)[-1]["update_kl"] > 1e-4


def test_every_rollout_is_drawn_as_in_one_process(alone: PPOTrainer, together: Path) -> None:
    for update in range(1, 5):
        expected = _table(Path(alone.args.output_dir) / "completions" / f"{update:06d}.jsonl")
        shares = [_table(together / "completions" / f"{update:06d}-{rank}.jsonl") for rank in range(2)]
        found = [row for pair in zip(*shares, strict=True) for row in pair]
        assert [row["completion"] for row in found] == [row["completion"] for row in expected]
        assert [row["prompt"] for row in found] == [row["prompt"] for row in expected]


def test_two_processes_go_on_from_their_checkpoint_with_the_same_numbers(together: Path, tmp_path: Path) -> None:
    two_processes(WORKER, tmp_path, together / "checkpoint-8")
    for rank in range(2):
        straight, resumed = (load_file(path / f"weights-{rank}.safetensors") for path in (together, tmp_path))
        assert all(torch.equal(weight, resumed[name]) for name, weight in straight.items())
    straight, resumed = (json.loads((path / "updates-0.json").read_text()) for path in (together, tmp_path))
    assert straight == resumed


CLI = "import sys; from workers.cli import main; main(); print('not ended')"


def command(backbone: Path, tasks: list[Task], folder: Path) -> list[str]:
    """``aval train ppo`` of two updates, all but where to write."""
    write_jsonl(folder / "tasks.jsonl", tasks[:16])
    return (
        f"train ppo --json --backbone {backbone} --tasks {folder / 'tasks.jsonl'} --num-updates 2 --batch-size 8 "
        "--mini-batch-size 4 --response-length 16 --save-steps 1 --value-pretraining-updates 1 --lora.r 4 --bf16 false"
    ).split()


def assert_adapter_of_one_process(adapter: Path, options: list[str], folder: Path) -> None:
    """The adapter is the one that the same command writes in this process."""
    assert main([*options, "--out", str(folder / "one")]) == 0
    alone = folder / "one" / "attempt-000001" / "final"
    found, expected = (load_file(path / "adapter_model.safetensors") for path in (adapter, alone))
    assert found.keys() == expected.keys()
    for name, weight in expected.items():
        torch.testing.assert_close(found[name], weight, atol=1e-4, rtol=1e-4)


def test_the_command_under_torchrun_writes_one_run_and_has_the_adapter_of_one_process(
    micro_model: Path, splits: dict[str, list[Task]], tmp_path: Path
) -> None:
    options = command(micro_model, splits["train"], tmp_path)
    first, second = two_processes(CLI, *options, "--out", tmp_path / "two")
    assert second == ""
    result = json.loads(first)
    attempt = tmp_path / "two" / "attempt-000001"
    assert result == {"adapter": str(attempt / "final"), "model": str(attempt / "final-merged")}
    assert [path.name for path in sorted((tmp_path / "two").iterdir())] == ["attempt-000001"]
    complete = sorted(path.parent.name for path in attempt.glob("*/COMPLETE"))
    assert complete == ["checkpoint-4", "checkpoint-8", "final"]
    assert {f"rng_state_{rank}.pth" for rank in range(2)} <= {
        path.name for path in (attempt / "checkpoint-8").iterdir()
    }
    assert_adapter_of_one_process(attempt / "final", options, tmp_path)


@pytest.mark.parametrize(
    ("options", "world", "message"),
    [
        ("--processes 2", "", "--processes needs --launcher ray; without Ray: torchrun --nproc-per-node 2"),
        ("--launcher ray", "2", "torchrun has started 2: use one of them"),
        ("--launcher ray --processes 0", "", "must be from 1 to 4096"),
        ("--launcher ray", "", "Ray is not installed: pip install 'aval\\[ray\\]'"),
    ],
)
def test_what_no_launcher_can_do_is_told_in_one_line(
    options: str,
    world: str,
    message: str,
    micro_model: Path,
    splits: dict[str, list[Task]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("WORLD_SIZE", world)
    monkeypatch.setitem(sys.modules, "ray", None)
    write_jsonl(tmp_path / "tasks.jsonl", splits["train"][:2])
    common = f"train ppo --backbone {micro_model} --tasks {tmp_path / 'tasks.jsonl'} --out {tmp_path / 'run'}"
    with contextlib.suppress(SystemExit):
        assert main([*common.split(), *options.split()]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert re.search(message, line)


def test_a_reward_models_scale_is_that_of_all_processes_scores() -> None:
    class Scores(MagicMock):
        mean, std, count = 0.0, 1.0, 10

        def score(self, prompts: Sequence[str], completions: Sequence[str]) -> list[float]:
            return [float(text) for text in completions]

    shares, everything = (["1", "2"], ["3", "4"]), [1.0, 2.0, 3.0, 4.0]
    together = LearnedReward(Scores())(["p"] * 4, ["1", "2", "3", "4"])
    several = [LearnedReward(Scores(), gather=lambda own: everything) for _ in shares]
    found = [reward(["p"] * 2, share) for reward, share in zip(several, shares, strict=True)]
    assert found[0] + found[1] == together
    assert several[0].state_dict() == several[1].state_dict()


def test_deepspeed_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Accelerator, "distributed_type", DistributedType.DEEPSPEED)
    with pytest.raises(DistributionError, match="on the whole model, which DEEPSPEED cuts up: start it with torchrun"):
        trainer_of(tmp_path)


def test_ray_is_ended_whatever_happens_and_a_workers_error_is_raised_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class WorkersFailed(Exception):
        worker_failures = {1: OSError("later"), 0: ValueError("first")}

    ray, train, torch_trainer = MagicMock(), MagicMock(TrainingFailedError=WorkersFailed), MagicMock()
    ray.cluster_resources.return_value = {"CPU": 4.0}
    torch_trainer.return_value.fit.side_effect = WorkersFailed()
    monkeypatch.setattr(launch, "_ray", lambda: (ray, train, torch_trainer))
    with pytest.raises(ValueError, match="first"):
        launch.on_ray(print, processes=2, storage=tmp_path)
    ray.shutdown.assert_called_once()
    assert train.ScalingConfig.call_args.kwargs["use_gpu"] is False
    ray.init.side_effect = ConnectionError
    with pytest.raises(ConnectionError):
        launch.on_ray(print, processes=2, storage=tmp_path)
    assert ray.shutdown.call_count == 2


@pytest.mark.parametrize("world", [2, 4, 8])
def test_a_step_trains_on_the_same_rollouts_whatever_the_number_of_processes(
    world: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = trainer_of(tmp_path, batch_size=24, mini_batch_size=8)
    completions = [[2]] * 24
    for step in range(6):
        expected = sorted(row for rows in trainer._micro_batches(completions, step) for row in rows.tolist())
        found = []
        for rank in range(world):
            with monkeypatch.context() as patch:
                patch.setattr(type(trainer.args), "world_size", world)
                patch.setattr(type(trainer.args), "process_index", rank)
                mine = [row for rows in trainer._micro_batches(completions[rank::world], step) for row in rows.tolist()]
            assert len(mine) == 8 // world
            found += [row * world + rank for row in mine]
        assert sorted(found) == expected


def _table(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
