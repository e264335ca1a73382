"""Supervised training: cross-entropy on the code of a task, the prompt masked, with TRL's SFTTrainer.

The order of the examples is fixed by the seed before training starts, so that a training that was
killed resumes with the same batches. With ``max_cpu_seconds`` the learning rate follows the share of
the budget that is used, and ends decayed wherever the budget ends; without, it follows the step, and
the same seed gives the same losses.

Several processes train together when they are started by ``torchrun`` or ``accelerate launch``; ``batch_size`` is that
of all of them, and the losses are those of one process.

Not covered: the CPU budget counts the process that calls ``train`` alone, so it is refused when several processes
train together.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import PrinterCallback, set_seed
from trl import SFTConfig

from training import checkpoints
from training.batches import batch_order
from training.compact_loss import CompactSFTTrainer
from training.config import ModelSettings, SFTSettings
from training.curriculum.task import Task
from training.data.tokenizer import tokenizer_for
from training.models import PRESETS, build_model, context_length, load
from training.progress import Progress, Watcher
from training.prompting import encode_all, encode_completions, format_prompt
from training.reporting import FINAL, Reporter, finished, fresh_final, processes, trl_arguments, write_summary

SUMMARY = "training.json"
_BUDGET_FILE = "budget.json"
_LAST_SHARE = 0.02
"""The learning rate ends at this share of its peak."""
_ADAM_BETAS = (0.9, 0.98)
_VALIDATED = 200
_LOGGED: tuple[str, ...] = ("loss", "learning_rate", "mean_token_accuracy")


class SFTError(ValueError):
    """The training can't be run as asked; the message says what to change."""


def train(
    tasks: Sequence[Task],
    validation: Sequence[Task],
    *,
    model: ModelSettings,
    settings: SFTSettings,
    run_folder: Path,
    fence: int,
    watcher: Watcher,
) -> Path:
    """Train on the tasks' demonstrations and return the folder of the model and its tokenizer.

    Resumes from the newest complete checkpoint of the run; a run that had ended returns at once.
    """
    if (done := finished(run_folder)) is not None:
        return done
    if not tasks:
        raise SFTError("no tasks to train on")
    if settings.max_cpu_seconds and processes() > 1:
        raise SFTError("max_cpu_seconds counts one process: limit several by epochs")
    set_seed(settings.seed)
    attempt = checkpoints.attempt_folder(run_folder, fence)
    start = checkpoints.latest(run_folder)
    budget = _Budget(settings.max_cpu_seconds, spent=_spent(start))
    network, tokenizer = _begin(tasks, model, settings)
    rows = _encode(tasks, tokenizer, context_length(network))
    order = batch_order([len(row["input_ids"]) for row in rows], settings.batch_size, settings.epochs, settings.seed)
    # A last batch that is not full could not be shared evenly among several processes.
    order = order[: max(settings.batch_size, len(order) - len(order) % settings.batch_size)]
    examples = Dataset.from_list(rows).select(order)
    trainer = _trainer(network, tokenizer, examples, settings, attempt, budget, watcher)
    trainer.train(resume_from_checkpoint=str(start) if start else None)
    metrics = _validate(trainer, _encode(validation[:_VALIDATED], tokenizer, context_length(network)))
    return _save(trainer, tokenizer, attempt, {**metrics, "steps": trainer.state.global_step})


def learning_rate_at(progress: float, warmup_ratio: float) -> float:
    """Share of the peak learning rate at a progress in [0, 1]: linear warm-up, then half a cosine."""
    if progress < warmup_ratio:
        return progress / warmup_ratio
    rest = min(1.0, (progress - warmup_ratio) / max(1e-9, 1.0 - warmup_ratio))
    return _LAST_SHARE + (1.0 - _LAST_SHARE) * 0.5 * (1.0 + math.cos(math.pi * rest))


@dataclass
class _Budget:
    """CPU seconds of this process that the training may take, over all its attempts; 0 for no limit."""

    limit: float
    spent: float = 0.0
    began: float = field(default_factory=time.process_time)

    def used(self) -> float:
        return self.spent + time.process_time() - self.began

    def share(self) -> float:
        return self.used() / self.limit if self.limit else 0.0


def _spent(checkpoint: Path | None) -> float:
    return float(json.loads((checkpoint / _BUDGET_FILE).read_text())["cpu_seconds"]) if checkpoint else 0.0


def _begin(tasks: Sequence[Task], model: ModelSettings, settings: SFTSettings) -> tuple[Any, Any]:
    """The model to train, and the tokenizer that goes with it: a base model keeps its own."""
    if model.base_model:
        return load(model.base_model)
    length = PRESETS[model.preset]["n_positions"]
    tokenizer = tokenizer_for(tasks, vocab_size=model.vocab_size, max_length=length)
    return build_model(model, tokenizer, dropout=settings.dropout, seed=settings.seed), tokenizer


def _encode(tasks: Sequence[Task], tokenizer: Any, context: int) -> list[dict[str, list[int]]]:
    rows = []
    prompts = encode_all(tokenizer, [format_prompt(tokenizer, task.text, task.signature) for task in tasks])
    completions = encode_completions(tokenizer, [task.demonstration.code for task in tasks])
    for task, prompt, completion in zip(tasks, prompts, completions, strict=True):
        if len(prompt) + len(completion) > context:
            raise SFTError(
                f"task {task.key} has {len(prompt) + len(completion)} tokens, more than the model's context of "
                f"{context}: shorten it or choose a model with a longer one"
            )
        rows.append({"input_ids": prompt + completion, "labels": [-100] * len(prompt) + completion})
    return rows


def _trainer(
    network: Any,
    tokenizer: Any,
    examples: Dataset,
    settings: SFTSettings,
    attempt: Path,
    budget: _Budget,
    watcher: Watcher,
) -> CompactSFTTrainer:
    total = math.ceil(len(examples) / settings.batch_size)
    optimizer = torch.optim.AdamW(
        _decayed(network, settings.weight_decay), lr=settings.learning_rate, betas=_ADAM_BETAS, fused=True
    )
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, _schedule(total, settings.warmup_ratio, budget))
    trainer = CompactSFTTrainer(
        model=network,
        args=_arguments(settings, attempt),
        train_dataset=examples,
        processing_class=tokenizer,
        callbacks=[_Reporter(attempt, budget, total, watcher)],
        optimizers=(optimizer, scheduler),
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def _arguments(settings: SFTSettings, attempt: Path) -> SFTConfig:
    return SFTConfig(
        **trl_arguments(settings, attempt),
        num_train_epochs=1,  # the examples hold all epochs, in their order
        train_sampling_strategy="sequential",
        per_device_eval_batch_size=settings.batch_size,
        label_smoothing_factor=settings.label_smoothing,
    )


def _schedule(total: int, warmup_ratio: float, budget: _Budget) -> Callable[[int], float]:
    def factor(step: int) -> float:
        return learning_rate_at(min(1.0, max((step + 1) / total, budget.share())), warmup_ratio)

    return factor


def _decayed(network: Any, weight_decay: float) -> list[dict[str, Any]]:
    """Weight decay for matrices, none for biases and norms."""
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
    return [
        {"params": [parameter for parameter in parameters if parameter.dim() > 1], "weight_decay": weight_decay},
        {"params": [parameter for parameter in parameters if parameter.dim() <= 1], "weight_decay": 0.0},
    ]


class _Reporter(Reporter):
    """Tells what was spent with each step and checkpoint, and ends the training with its budget."""

    def __init__(self, attempt: Path, budget: _Budget, total: int, watcher: Watcher) -> None:
        super().__init__("sft", attempt, watcher, total=total)
        self.budget = budget

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if self.budget.share() >= 1.0:
            control.should_training_stop = True

    def on_log(self, args: Any, state: Any, control: Any, logs: Mapping[str, Any] | None = None, **_: Any) -> None:
        if not state.is_world_process_zero or not logs or "loss" not in logs:
            return
        metrics: dict[str, float] = {name: float(logs[name]) for name in _LOGGED if name in logs}
        metrics["cpu_seconds"] = self.budget.used()
        self.watcher.step(Progress(self.stage, state.global_step, self._last_step(state.global_step), metrics))

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.is_world_process_zero:
            checkpoint = self.attempt / f"checkpoint-{state.global_step}"
            (checkpoint / _BUDGET_FILE).write_text(json.dumps({"cpu_seconds": self.budget.used()}))
        super().on_save(args, state, control)

    def _last_step(self, step: int) -> int:
        """The step at which the training will end, as far as the budget's use so far tells."""
        share = self.budget.share()
        return max(step, min(self.total, round(step / share) if share else self.total))


def _validate(trainer: CompactSFTTrainer, rows: list[dict[str, list[int]]]) -> dict[str, float]:
    if not rows:
        return {}
    loss = float(trainer.evaluate(Dataset.from_list(rows))["eval_loss"])
    return {"validation_loss": loss, "perplexity": math.exp(min(loss, 50.0))}


def _save(trainer: CompactSFTTrainer, tokenizer: Any, attempt: Path, metrics: dict[str, float]) -> Path:
    if not trainer.is_world_process_zero():
        return attempt / FINAL
    folder = fresh_final(attempt)
    trainer.model.save_pretrained(str(folder))
    tokenizer.save_pretrained(str(folder))
    write_summary(folder, SUMMARY, metrics)
    checkpoints.complete(folder)
    return folder
