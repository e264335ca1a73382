"""PPO under FSDP2: two processes over gloo with pieces of the model each, against one process with all of it.

accelerate takes up FSDP on accelerators alone and trains on CPUs with plain data parallelism, without a word. The
workers here therefore hand it a ``PartialState`` (``use_configured_state``) that says it is on GPUs; its device and
its backend stay CPU and gloo, and from there on everything is what accelerate and torch do for GPUs. The settings
come by the environment, as ``accelerate launch --config_file`` gives them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import PartialState
from accelerate.utils import DistributedType, FullyShardedDataParallelPlugin
from peft import PeftModel
from safetensors.torch import load_file, save_file
from torch.distributed.fsdp import MixedPrecisionPolicy
from torch.distributed.tensor import DTensor

from tests.training.test_ppo import share_of_target, tiny_model, trainer_of, updates, weights
from tests.training.test_ppo_distributed import (
    OPTIONS,
    assert_adapter_of_one_process,
    assert_same_run,
    command,
    short,
    two_processes,
)
from training import adapters, sharding
from training.curriculum import Task
from training.policy import pad_rows
from training.ppo import PPOTrainer
from training.reporting import DistributionError

SETTINGS = {
    "ACCELERATE_USE_FSDP": "true",
    "FSDP_VERSION": "2",
    "FSDP_AUTO_WRAP_POLICY": "TRANSFORMER_BASED_WRAP",
    "FSDP_RESHARD_AFTER_FORWARD": "true",
    "FSDP_CPU_RAM_EFFICIENT_LOADING": "false",
    "FSDP_STATE_DICT_TYPE": "FULL_STATE_DICT",
}
UPDATES = 4
"""The first trains the value alone."""


def ppo(folder: Path, **options: Any) -> PPOTrainer:
    """A trainer with two optimiser steps an update, of two micro-batches each; also the value has an adapter."""
    chosen = {**OPTIONS, "num_updates": UPDATES, "num_ppo_epochs": 1, "save_steps": 6, "value_adapter": True, **options}
    return trainer_of(folder, [share_of_target, short], **chosen)


def run_sharded(folder: Path) -> None:
    """In each worker: train, then go on from the checkpoint before the last update, and leave what was seen in the folder."""
    PartialState(cpu=True).distributed_type = DistributedType.MULTI_GPU
    for name, start in (("straight", None), ("resumed", folder / "straight" / "checkpoint-6")):
        trainer = ppo(folder / name, accelerator_config={"use_configured_state": True})
        trainer.train(resume_from_checkpoint=start)
        trainer.save_model(str(folder / name / "saved"))
        rank = trainer.args.process_index
        pieces = [parameter for parameter in trainer.model.parameters() if isinstance(parameter, DTensor)]
        seen = {
            "cut": len(pieces) / len(list(trainer.model.parameters())),
            "share": sum(piece.to_local().numel() for piece in pieces) / sum(piece.numel() for piece in pieces),
            "units": sum(type(module).__name__ == "FSDPGPT2Block" for module in trainer.model.modules()),
        }
        (folder / name / f"seen-{rank}.json").write_text(json.dumps(seen))
        (folder / name / f"updates-{rank}.json").write_text(json.dumps(updates(trainer)))
        save_file(sharding.whole(weights(trainer)), str(folder / name / f"weights-{rank}.safetensors"))
        plain = {**_plain(trainer), "reference": _reference(trainer)}
        save_file(plain, str(folder / name / f"merged-{rank}.safetensors"))


def _plain(trainer: PPOTrainer) -> dict[str, torch.Tensor]:
    return {name: weight.clone() for name, weight in trainer.merged().state_dict().items()}


def _reference(trainer: PPOTrainer) -> torch.Tensor:
    """Asked first after all was cut up again: nothing is left from an earlier pass."""
    reference: torch.Tensor = trainer.model.reference_logprobs(**pad_rows([[4, 5]], [[6, 7, 1]], pad=0, device="cpu"))
    return reference


WORKER = """
import sys
from pathlib import Path
from tests.training.test_ppo_fsdp import run_sharded
run_sharded(Path(sys.argv[1]))
"""


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> PPOTrainer:
    trainer = ppo(tmp_path_factory.mktemp("alone"))
    trainer.train()
    return trainer


@pytest.fixture(scope="module")
def sharded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sharded")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in SETTINGS.items():
            patch.setenv(name, value)
        two_processes(WORKER, folder)
    return folder


def test_each_process_holds_its_half_of_every_weight(sharded: Path) -> None:
    seen = [json.loads((sharded / "straight" / f"seen-{rank}.json").read_text()) for rank in range(2)]
    assert [row["cut"] for row in seen] == [1.0, 1.0]
    assert [row["units"] for row in seen] == [2, 2]
    assert sum(row["share"] for row in seen) == pytest.approx(1.0)
    assert all(row["share"] == pytest.approx(0.5, abs=0.02) for row in seen)


def test_pieces_have_the_adapters_and_the_losses_of_one_process(alone: PPOTrainer, sharded: Path) -> None:
    first, second = (load_file(sharded / "straight" / f"weights-{rank}.safetensors") for rank in range(2))
    assert all(torch.equal(weight, second[name]) for name, weight in first.items())
    assert first.keys() == weights(alone).keys()
    assert_same_run(sharded / "straight", alone, logged="updates-0.json")
    assert updates(alone)[-1]["update_kl"] > 1e-4


def test_what_is_saved_loads_in_one_process(alone: PPOTrainer, sharded: Path) -> None:
    folder = sharded / "straight" / "saved"
    with adapters.quiet():
        policy = PeftModel.from_pretrained(tiny_model(), str(folder))
        PeftModel.from_pretrained(tiny_model(), str(folder / "value"))
    merged = policy.merge_and_unload()
    expected = _plain(alone)
    start = tiny_model().state_dict()
    assert any(not torch.allclose(expected[name], weight, atol=1e-3) for name, weight in start.items())
    for found in (merged.state_dict(), *(load_file(folder.parent / f"merged-{rank}.safetensors") for rank in range(2))):
        for name, weight in expected.items():
            torch.testing.assert_close(found[name], weight, atol=1e-4, rtol=1e-4)
    ours = Path(alone.args.output_dir) / "saved"
    alone.save_model(str(ours))
    for name in ("model.safetensors", "adapter_model.safetensors", "value/adapter_model.safetensors"):
        theirs, expected = load_file(folder / name), load_file(ours / name)
        assert theirs.keys() == expected.keys()
        for key, weight in expected.items():
            torch.testing.assert_close(theirs[key], weight, atol=1e-4, rtol=1e-4)
    assert {path.name for path in folder.iterdir()} == {path.name for path in ours.iterdir()}


def test_the_reference_is_that_of_one_process(alone: PPOTrainer, sharded: Path) -> None:
    found = load_file(sharded / "straight" / "merged-0.safetensors")["reference"]
    torch.testing.assert_close(found, _reference(alone), atol=1e-4, rtol=1e-4)


def test_pieces_go_on_from_their_checkpoint_with_the_same_numbers(sharded: Path) -> None:
    for rank in range(2):
        straight, resumed = (
            load_file(sharded / name / f"weights-{rank}.safetensors") for name in ("straight", "resumed")
        )
        assert all(torch.equal(weight, resumed[name]) for name, weight in straight.items())
        logged = [json.loads((sharded / name / f"updates-{rank}.json").read_text()) for name in ("straight", "resumed")]
        assert logged[0] == logged[1]
    assert not list((sharded / "resumed" / "completions").glob("000003*"))


COMMAND = """
import sys
from functools import partial
import torch
from accelerate import PartialState
from accelerate.utils import DistributedType
from training import align
from workers.cli import main
torch.set_num_threads(1)
PartialState(cpu=True).distributed_type = DistributedType.MULTI_GPU
align.PPOConfig = partial(align.PPOConfig, accelerator_config={"use_configured_state": True})
main()
print("not ended")
"""


@pytest.mark.slow
def test_the_command_writes_the_adapter_of_one_process(
    micro_model: Path, splits: dict[str, list[Task]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = command(micro_model, splits["train"], tmp_path)
    with monkeypatch.context() as patch:
        for name, value in SETTINGS.items():
            patch.setenv(name, value)
        first, _second = two_processes(COMMAND, *options, "--out", tmp_path / "two")
    attempt = tmp_path / "two" / "attempt-000001"
    assert json.loads(first)["adapter"] == str(attempt / "final")
    assert_adapter_of_one_process(attempt / "final", options, tmp_path)
    assert list((attempt / "checkpoint-8").glob("pytorch_model_fsdp*"))


def test_a_checkpoint_is_resumed_as_it_was_made(alone: PPOTrainer, sharded: Path, tmp_path: Path) -> None:
    with pytest.raises(DistributionError, match="was made with FSDP and this run is without it: resume it as"):
        ppo(tmp_path).train(resume_from_checkpoint=sharded / "straight" / "checkpoint-6")
    with pytest.raises(DistributionError, match="was made without FSDP and this run is with it"):
        sharding.check_checkpoint(Path(alone.args.output_dir) / "checkpoint-6", sharded=True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fsdp_version": 1}, "PPO needs FSDP2: set fsdp_version to 2"),
        ({"cpu_ram_efficient_loading": True}, "set fsdp_cpu_ram_efficient_loading to false"),
        ({"activation_checkpointing": True}, "set fsdp_activation_checkpointing to false"),
        ({"cpu_offload": True}, "set fsdp_offload_params to false"),
    ],
)
def test_what_ppo_cannot_do_under_fsdp_is_told(
    options: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DistributionError, match=message):
        sharding.configure(plugin(monkeypatch, **options))


def test_the_types_of_weights_stay_as_they_are_under_fsdp(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = plugin(monkeypatch)
    settings.set_mixed_precision("bf16")
    assert settings.mixed_precision_policy.output_dtype is torch.bfloat16
    sharding.configure(settings)
    assert settings.mixed_precision_policy == MixedPrecisionPolicy()


def plugin(monkeypatch: pytest.MonkeyPatch, **options: Any) -> Any:
    """accelerate's, which notes one of its settings in the environment."""
    monkeypatch.setenv("FSDP_CPU_RAM_EFFICIENT_LOADING", "false")
    return FullyShardedDataParallelPlugin(**{"fsdp_version": 2, "cpu_ram_efficient_loading": False, **options})


def test_an_adapter_that_does_more_than_add_is_refused_under_fsdp(tmp_path: Path) -> None:
    trainer = ppo(tmp_path, value_adapter=False)
    trainer.model.policy.active_peft_config.use_dora = True
    with pytest.raises(DistributionError, match="plain LoRA: no DoRA"):
        sharding.GatheredCopy(trainer.model, torch.device("cpu"))
