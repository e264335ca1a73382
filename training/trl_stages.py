"""DPO, GRPO and RLOO with LoRA, by TRL's own trainers: the same backbone, rewards and run folders as PPO.

Each returns the folder of an adapter of kind ``policy``, which ``align.merge`` makes a model of, and resumes from the
newest complete checkpoint of its run. DPO learns from pairs alone: ties and unusable pairs are left out, and all
others count alike, whatever their strength and weight. GRPO and RLOO decode with ``generate``, several completions a
prompt, and need no value head. The reference of all three is the backbone: the policy with its adapter switched off.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datasets import Dataset, disable_progress_bars
from torch import nn
from transformers import PrinterCallback, Trainer, TrainerCallback
from trl import DPOConfig, DPOTrainer, GRPOConfig, GRPOTrainer, RLOOConfig, RLOOTrainer

from training import adapters, checkpoints
from training.align import AlignError, columns, compose, write_policy
from training.config import DPOSettings, GroupSettings, GRPOSettings, RLOOSettings
from training.curriculum.task import Task
from training.experience import draw
from training.models import backbone_sha256, context_length, load
from training.progress import Watcher
from training.prompting import encode, encode_all, encode_completions, format_prompt
from training.reporting import FINAL, Reporter, finished, share_of, shared_arguments, trl_arguments
from training.reward_model import Preference, PreferenceError, usable
from training.rewards import Ordered
from training.roles import without_dropout
from training.scoring import Scorer

disable_progress_bars()  # stages report through their watcher

REWARD_STATE = "reward_state.json"


@dataclass(frozen=True)
class Pairs:
    """What DPO learns from, and what it leaves out."""

    rows: list[Preference]
    ties: int
    unusable: int

    def told(self) -> dict[str, int]:
        return {"pairs": len(self.rows), "ties_left_out": self.ties, "unusable_left_out": self.unusable}


def pairs(preferences: Sequence[Preference]) -> Pairs:
    """The comparisons of which one program is better; PreferenceError where there is none."""
    kept = usable(preferences)
    rows = [one for one in kept if one.preference != 0]
    found = Pairs(rows, ties=len(kept) - len(rows), unusable=len(preferences) - len(kept))
    if not rows:
        raise PreferenceError(
            f"no pair to learn from ({found.ties} ties and {found.unusable} unusable pairs are left out): "
            "rate some pairs first"
        )
    return found


def dpo(
    backbone: Path,
    preferences: Sequence[Preference],
    *,
    settings: DPOSettings,
    run_folder: Path,
    fence: int,
    watcher: Watcher,
) -> Path:
    """Run DPO on the pairs and return the adapter's folder. A run that had ended returns at once."""
    if (done := finished(run_folder)) is not None:
        return done
    _check(settings)
    found = pairs(preferences)
    start = checkpoints.latest(run_folder)
    model, tokenizer = _load(backbone)
    rows = _preference_rows(found.rows, tokenizer, context_length(model))
    attempt = checkpoints.attempt_folder(run_folder, fence)
    arguments = DPOConfig(
        **trl_arguments(settings, attempt),
        **_named(settings, "lr_scheduler_type beta loss_type label_smoothing max_grad_norm"),
        num_train_epochs=settings.epochs,
        ddp_find_unused_parameters=False,  # every step uses the whole adapter
        disable_dropout=False,  # the backbone has none left; the adapter keeps its own
    )
    trainer = _trained(
        DPOTrainer,
        model,
        start=start,
        args=arguments,
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer,
        peft_config=adapters.lora_config(settings.lora, model),
        callbacks=[Reporter("dpo", attempt, watcher)],
    )
    return _result(trainer, attempt, backbone, {"method": "dpo", **found.told()})


def grpo(
    backbone: Path,
    tasks: Sequence[Task],
    *,
    reward_model: Path | None,
    settings: GRPOSettings,
    run_folder: Path,
    fence: int,
    watcher: Watcher,
) -> Path:
    """Run GRPO on the tasks and return the adapter's folder. A run that had ended returns at once."""
    chosen = _named(settings, "loss_type scale_rewards")
    run = _Run(backbone, run_folder, fence, watcher)
    return _grouped("grpo", run, tasks, reward_model, settings, GRPOTrainer, GRPOConfig, chosen)


def rloo(
    backbone: Path,
    tasks: Sequence[Task],
    *,
    reward_model: Path | None,
    settings: RLOOSettings,
    run_folder: Path,
    fence: int,
    watcher: Watcher,
) -> Path:
    """Run RLOO on the tasks and return the adapter's folder. A run that had ended returns at once."""
    chosen = _named(settings, "normalize_advantages")
    run = _Run(backbone, run_folder, fence, watcher)
    return _grouped("rloo", run, tasks, reward_model, settings, RLOOTrainer, RLOOConfig, chosen)


def positions_by_mask(model: nn.Module) -> None:
    """Let rows that are padded on the left begin at position 0, where the caller gives no positions.

    TRL gives none when it scores completions. A model with absolute positions (GPT-2) would then score other
    log-probabilities than those that its completions were drawn by.
    """

    def fill(module: nn.Module, args: tuple[Any, ...], given: dict[str, Any]) -> tuple[Any, Any] | None:
        del module
        mask, ids = given.get("attention_mask"), args[0] if args else given.get("input_ids")
        if mask is None or mask.dim() != 2 or ids is None or given.get("position_ids") is not None:
            return None
        positions = (mask.long().cumsum(-1) - 1).clamp(min=0)  # (batch, time)
        return args, {**given, "position_ids": positions[:, -ids.shape[1] :]}

    model.base_model.register_forward_pre_hook(fill, with_kwargs=True)


@dataclass(frozen=True)
class _Run:
    """Where a stage's run is, and who watches it."""

    backbone: Path
    folder: Path
    fence: int
    watcher: Watcher


def _grouped(
    stage: str,
    run: _Run,
    tasks: Sequence[Task],
    reward_model: Path | None,
    settings: GroupSettings,
    trainer_class: Callable[..., Trainer],
    config_class: Callable[..., Any],
    chosen: dict[str, Any],
) -> Path:
    if (done := finished(run.folder)) is not None:
        return done
    if not tasks:
        raise AlignError("no tasks to align on")
    _check(settings)
    start = checkpoints.latest(run.folder)
    model, tokenizer = _load(run.backbone)
    positions_by_mask(model)
    rows = [columns(task, tokenizer) for task in tasks]
    _check_prompts(rows, tokenizer, room=context_length(model) - settings.max_completion_length)
    attempt = checkpoints.attempt_folder(run.folder, run.fence)
    reward = compose(settings, backbone=run.backbone, reward_model=reward_model)
    if start is not None:
        reward.load_state_dict(json.loads((start / REWARD_STATE).read_text()))
    reporter = Reporter(stage, attempt, run.watcher, total=settings.num_updates, every=settings.steps_per_update)
    try:
        trainer = _trained(
            trainer_class,
            model,
            _reward_function(reward, rows),
            start=start,
            args=config_class(**_group_arguments(settings, attempt), **chosen),
            train_dataset=_prompts(rows, settings),
            processing_class=tokenizer,
            peft_config=adapters.lora_config(settings.lora, model),
            # The reward's state first: the reporter completes the checkpoint.
            callbacks=[_RewardState(reward, attempt), reporter],
        )
    finally:
        reward.close()
    return _result(trainer, attempt, run.backbone, {"method": stage, "updates": settings.num_updates})


def _group_arguments(settings: GroupSettings, attempt: Path) -> dict[str, Any]:
    """Rollouts, optimiser steps and passes in TRL's terms; checkpoints and logs fall on the ends of updates."""
    share = share_of(settings.mini_batch_size, "mini_batch_size")
    micro = max(size for size in range(1, min(share, settings.micro_batch_size) + 1) if share % size == 0)
    same = (
        "num_generations num_iterations max_completion_length temperature beta epsilon mask_truncated_completions "
        "lr_scheduler_type max_grad_norm"
    )
    return {
        **shared_arguments(settings, attempt),
        **_named(settings, same),
        "per_device_train_batch_size": micro,
        "gradient_accumulation_steps": share // micro,
        "generation_batch_size": settings.batch_size,
        "max_steps": settings.num_updates * settings.steps_per_update,
        "save_steps": settings.save_steps * settings.steps_per_update,
        "logging_steps": settings.steps_per_update,
        "shuffle_dataset": False,  # the dataset holds all updates, in their order
        "remove_unused_columns": False,
        "ddp_find_unused_parameters": False,
    }


def _prompts(rows: Sequence[dict[str, Any]], settings: GroupSettings) -> Dataset:
    """All updates' prompts in one pass, so that a resumed run goes on with the prompts that were next."""
    count = settings.num_updates * settings.batch_size // settings.num_generations
    unique = Dataset.from_list([{"prompt": row["prompt"], "row": number} for number, row in enumerate(rows)])
    return unique.select(draw(len(rows), 0, count, seed=settings.seed))


def _reward_function(reward: Ordered, rows: Sequence[dict[str, Any]]) -> Callable[..., list[float]]:
    """The reward as TRL calls it. The dataset names rows only: a task's columns need not fit into Arrow's types."""
    scorer = Scorer([reward])
    names = [name for name in rows[0] if name != "prompt"]

    def task_reward(
        prompts: Sequence[str],
        completions: Sequence[str],
        completion_ids: Sequence[Sequence[int]],
        row: Sequence[int],
        log_metric: Callable[[str, float], None],
        trainer_state: object = None,
        **_: Any,
    ) -> list[float]:
        told = {name: [rows[number][name] for number in row] for name in names}
        scored = scorer(prompts, completions, completion_ids, told, trainer_state=trainer_state)
        for name, value in scored.metrics.items():
            log_metric(f"reward/{name}", value)
        return scored.total

    return task_reward


class _RewardState(TrainerCallback):
    """Keeps in each checkpoint what the reward remembers from batch to batch."""

    def __init__(self, reward: Ordered, attempt: Path) -> None:
        self.reward, self.attempt = reward, attempt

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        del args, control
        if state.is_world_process_zero:
            folder = self.attempt / f"checkpoint-{state.global_step}"
            (folder / REWARD_STATE).write_text(json.dumps(self.reward.state_dict()))


def _preference_rows(preferences: Sequence[Preference], tokenizer: Any, context: int) -> list[dict[str, str]]:
    """TRL's preference format, which its trainer tokenises; nothing is cut off."""
    rows = []
    for number, one in enumerate(preferences, start=1):
        chosen, rejected = (one.code_b, one.code_a) if one.preference > 0 else (one.code_a, one.code_b)
        prompt = format_prompt(tokenizer, one.prompt_text, one.signature)
        longest = max(map(len, encode_completions(tokenizer, [chosen, rejected])))
        if (length := len(encode(tokenizer, prompt)) + longest) > context:
            raise PreferenceError(f"pair {number} has {length} tokens, more than the backbone's context of {context}")
        rows.append({"prompt": prompt, "chosen": chosen, "rejected": rejected})
    return rows


def _check_prompts(rows: Sequence[dict[str, Any]], tokenizer: Any, *, room: int) -> None:
    for row, ids in zip(rows, encode_all(tokenizer, [row["prompt"] for row in rows]), strict=True):
        if len(ids) > room:
            raise AlignError(
                f"task {row['key']} has a prompt of {len(ids)} tokens; with the completion only {max(room, 0)} fit "
                "into the backbone's context: leave it out or lower max_completion_length"
            )


def _check(settings: DPOSettings | GroupSettings) -> None:
    if problems := settings.problems():
        raise AlignError("; ".join(f"{name} {text}" for name, text in problems.items()))


def _load(backbone: Path) -> tuple[Any, Any]:
    """The backbone without dropout, and its tokenizer."""
    model, tokenizer = load(backbone)
    without_dropout(model)
    return model, tokenizer


def _trained(trainer_class: Callable[..., Trainer], *positional: Any, start: Path | None, **options: Any) -> Trainer:
    """Make a trainer and train, from a checkpoint if there is one."""
    with adapters.quiet():  # TRL asks for the attribute under its old name at every step
        trainer = trainer_class(*positional, **options)
        trainer.remove_callback(PrinterCallback)
        trainer.train(resume_from_checkpoint=str(start) if start else None)
    return trainer


def _result(trainer: Trainer, attempt: Path, backbone: Path, summary: dict[str, Any]) -> Path:
    """Write the adapter, with the last log as what the training came to."""
    if not trainer.is_world_process_zero():
        return attempt / FINAL
    last = next(row for row in reversed(trainer.state.log_history) if "loss" in row)
    model = trainer.accelerator.unwrap_model(trainer.model)
    return write_policy(model, attempt, digest=backbone_sha256(backbone), summary={**summary, "last": last})


def _named(settings: Any, names: str) -> dict[str, Any]:
    return {name: getattr(settings, name) for name in names.split()}
