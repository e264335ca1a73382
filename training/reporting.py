"""Ties a ``transformers`` trainer to a run: its watcher, and its checkpoints with their marker."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from accelerate.utils import gather_object
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from training import checkpoints
from training.config import DPOSettings, GroupSettings, RewardModelSettings, SFTSettings
from training.models import bf16_pays
from training.progress import Progress, Watcher

FINAL = "final"

T = TypeVar("T")


class Reporter(TrainerCallback):
    """Completes each checkpoint, keeps the newest two, and tells the watcher of every log and checkpoint.

    ``total`` with ``step_metric``, or with ``every`` so many optimiser steps, says what a step is to the watcher
    where it is no optimiser step.
    """

    def __init__(
        self,
        stage: str,
        attempt: Path,
        watcher: Watcher,
        *,
        total: int = 0,
        step_metric: str | None = None,
        every: int = 1,
    ) -> None:
        self.stage, self.attempt, self.watcher = stage, attempt, watcher
        self.total, self.step_metric, self.every = total, step_metric, every

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        del args, control, kwargs
        if not state.is_world_process_zero:
            return
        metrics = {
            name: float(value)
            for name, value in (logs or {}).items()
            if isinstance(value, int | float) and name != "epoch"
        }
        if "train_runtime" in metrics or (self.step_metric and self.step_metric not in metrics):
            return  # the summary at the end, or a log of another kind
        step = int(metrics.pop(self.step_metric)) if self.step_metric else int(state.global_step) // self.every
        self.watcher.step(Progress(self.stage, step, self.total or int(state.max_steps), metrics))

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        del args, control, kwargs
        _wait_for_all()
        if not state.is_world_process_zero:
            return
        checkpoint = self.attempt / f"checkpoint-{state.global_step}"
        checkpoints.complete(checkpoint)
        checkpoints.keep_newest(self.attempt, 2)
        self.watcher.saved(checkpoint, int(state.global_step))


def _wait_for_all() -> None:
    """Until every process is here: each writes a part of a checkpoint."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.barrier()


def gathered(values: list[T]) -> list[T]:
    """The values of all processes, the main one's first; all must call this."""
    return gather_object(values) if processes() > 1 else values


class DistributionError(ValueError):
    """The training can't be shared among this many processes; the message says what to change."""


def processes() -> int:
    """How many processes train together, as ``torchrun`` and ``accelerate launch`` tell each of them."""
    return int(os.environ.get("WORLD_SIZE") or 1)


def share_of(batch_size: int, name: str = "batch_size") -> int:
    """Each process's share of a batch; DistributionError where it can't be shared evenly."""
    share, rest = divmod(batch_size, processes())
    if rest:
        raise DistributionError(f"{name} is {batch_size}: must be a multiple of the {processes()} processes")
    return share


def trl_arguments(settings: SFTSettings | RewardModelSettings | DPOSettings, attempt: Path) -> dict[str, Any]:
    """What TRL's trainers on rows of text are told.

    The settings' batch size is that of all processes together; DistributionError where it can't be shared evenly.
    """
    batch_size = share_of(settings.batch_size)
    return {**shared_arguments(settings, attempt), "per_device_train_batch_size": batch_size, "max_length": None}


def shared_arguments(
    settings: SFTSettings | RewardModelSettings | DPOSettings | GroupSettings, attempt: Path
) -> dict[str, Any]:
    """What TRL's trainers are all told: where they run, what they save and log, and to whom they report (nobody)."""
    accelerated = torch.cuda.is_available()
    return {
        "output_dir": str(attempt),
        "learning_rate": settings.learning_rate,
        "bf16": bf16_pays(settings.bf16),
        "activation_checkpointing": False,  # on by default, also on CPU
        "use_cpu": not accelerated,
        "dataloader_pin_memory": accelerated,
        "save_strategy": "steps",
        "save_steps": settings.save_steps,
        "logging_strategy": "steps",
        "logging_steps": 1,
        "disable_tqdm": True,
        "report_to": "none",
        "seed": settings.seed,
    }


def finished(run_folder: Path) -> Path | None:
    """What an earlier attempt of this run brought to its end."""
    done = sorted(run_folder.glob(f"attempt-*/{FINAL}/{checkpoints.MARKER}"))
    return done[-1].parent if done else None


def fresh_final(attempt: Path) -> Path:
    """An empty folder for the attempt's result; what a killed try left there is deleted."""
    folder = attempt / FINAL
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def write_summary(folder: Path, name: str, summary: Mapping[str, Any]) -> None:
    (folder / name).write_text(json.dumps(dict(summary), indent=2) + "\n")
