"""The alignment stage: a supervised backbone, tasks and a reward model in, an aligned adapter out."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from torch import Tensor
from transformers import PrinterCallback

from training import adapters, checkpoints
from training.config import GroupSettings, PPOSettings
from training.credit import LineCredit
from training.curriculum.task import Task
from training.evidence import LearnedReward, TestReward, VerifierReward
from training.models import backbone_sha256, load, load_tokenizer
from training.oversight import Oversight
from training.ppo import PPOConfig, PPOTrainer
from training.progress import Watcher
from training.prompting import format_prompt
from training.reporting import FINAL, Reporter, finished, fresh_final, gathered, share_of, write_summary
from training.reward_model import RewardModel
from training.rewards import Ordered
from training.shrinking import shrink
from training.validation import Validation, keep_out
from verification.cache import default_folder

KIND = "policy"
SUMMARY = "alignment.json"


class AlignError(ValueError):
    """The alignment can't be run as asked; the message says what to change."""


def align(
    backbone: Path,
    tasks: Sequence[Task],
    *,
    reward_model: Path | None,
    settings: PPOSettings,
    run_folder: Path,
    fence: int,
    watcher: Watcher,
    line_comments: Mapping[str, Sequence[str]] | None = None,
    validation: Sequence[Task] | None = None,
    disarmed: Collection[str] = (),
) -> Path:
    """Run PPO with LoRA on the backbone and return the adapter's folder; ``merge`` makes a model of it.

    The reward is composed of tests, verdicts and, where a reward model is given, ratings; ``line_comments`` has by
    task the texts of the lines on which annotators commented (see ``training.credit``). Resumes from the newest
    complete checkpoint of the run; a run that had ended returns at once.

    The adapter is the one that solves most of the validation split, the last of those that it can't tell apart; up to
    half of the split is taken from ``validation``, the rest from the tasks (``training.validation``). With
    ``shrink_adapter`` it is then scaled down as far as the split allows (``training.shrinking``).

    Paused is raised, behind a checkpoint, where a monitor of ``training.guards`` raises an alarm; started again the
    run raises it again, until its monitor is ``disarmed`` by name, or the settings put up its threshold or switch the
    guards off.
    """
    if (done := finished(run_folder)) is not None:
        return done
    if not tasks:
        raise AlignError("no tasks to align on")
    if problems := settings.problems():
        raise AlignError("; ".join(f"{name} {text}" for name, text in problems.items()))
    for name in ("batch_size", "mini_batch_size"):
        share_of(getattr(settings, name), name)
    start, digest = checkpoints.latest(run_folder), backbone_sha256(backbone)
    attempt = checkpoints.attempt_folder(run_folder, fence)
    reward = compose(settings, backbone=backbone, reward_model=reward_model)
    try:
        tasks, kept = keep_out(tasks, settings, validation)
        oversight = Oversight(
            settings.guards,
            Validation(kept, reward.tests) if kept else None,
            every=settings.validation_every,
            disarmed=disarmed,
        )
        if start is not None:
            oversight.load(start)
            oversight.obey()
        trainer = _trainer(backbone, tasks, reward, settings, attempt, watcher, line_comments or {}, oversight)
        trainer.backbone_sha256 = digest
        trainer.train(resume_from_checkpoint=start)
        oversight.obey()
        weights = oversight.best or trainer.policy_weights()
        scale: dict[str, Any] = {}
        if settings.shrink_adapter and kept:
            rows = [columns(task, trainer.processing_class) for task in kept]
            weights, scale = shrink(weights, backbone=backbone, rows=rows, reward=reward, settings=settings)
    finally:
        reward.close()
    if not trainer.is_world_process_zero():
        return attempt / FINAL
    last = [row for row in trainer.state.log_history if "update" in row][-1]
    summary = {"updates": trainer.updates_done, "last_update": last, **oversight.summary(), **scale}
    return write_policy(trainer.model.policy, attempt, digest=digest, summary=summary, weights=weights)


def write_policy(
    model: PeftModel,
    attempt: Path,
    *,
    digest: str,
    summary: Mapping[str, Any],
    weights: Mapping[str, Tensor] | None = None,
) -> Path:
    """Write the attempt's result, an adapter with its backbone's digest and a summary, and return its folder."""
    folder = fresh_final(attempt)
    adapters.save(model, folder, adapters.Record(KIND, digest), weights=weights)
    write_summary(folder, SUMMARY, summary)
    checkpoints.complete(folder)
    return folder


def compose(settings: PPOSettings | GroupSettings, *, backbone: Path, reward_model: Path | None) -> Ordered:
    """The stage's reward: tests, then verdicts, then ratings, each left out at weight 0."""
    weights = settings.reward
    learned = None
    if reward_model is not None and weights.learned_weight > 0:
        model = RewardModel.load(reward_model, backbone=backbone, bf16=settings.bf16)
        learned = LearnedReward(model, clip=weights.learned_clip, pessimism=weights.learned_pessimism, gather=gathered)
    verifier = VerifierReward(cache=default_folder()) if weights.verifier_weight > 0 else None
    tests = TestReward(all_pass_share=weights.all_pass_share)
    return Ordered(tests, verifier, learned, weights, eos=load_tokenizer(backbone).eos_token_id, gather=gathered)


def merge(backbone: Path, adapter: Path, output: Path) -> Path:
    """Write the backbone with the adapter merged in, and its tokenizer, as a plain Hugging Face folder."""
    model, tokenizer = load(backbone)
    adapted = adapters.load(model, adapter, kind=KIND, backbone_sha256=backbone_sha256(backbone))
    adapted.merge_and_unload().save_pretrained(str(output))
    tokenizer.save_pretrained(str(output))
    return output


def columns(task: Task, tokenizer: Any) -> dict[str, Any]:
    """A task as a row of the trainer's dataset: its prompt, and what the rewards read."""
    return {
        "prompt": format_prompt(tokenizer, task.text, task.signature),
        "key": task.key,
        "family": task.family,
        "entry": task.entry,
        "signature": task.signature,
        "tests": list(task.tests),
        "prelude": task.prelude,
        "properties": list(task.properties),
        "contract": task.contract,
    }


def _trainer(
    backbone: Path,
    tasks: Sequence[Task],
    reward: Ordered,
    settings: PPOSettings,
    attempt: Path,
    watcher: Watcher,
    line_comments: Mapping[str, Sequence[str]],
    oversight: Oversight,
) -> PPOTrainer:
    model, tokenizer = load(backbone)
    share = settings.line_credit
    trainer = PPOTrainer(
        model,
        LineCredit(reward, tokenizer, share=share) if share else reward,
        _arguments(settings, attempt),
        train_dataset=[
            {**columns(task, tokenizer), "line_comments": list(line_comments.get(task.key, ()))} for task in tasks
        ],
        processing_class=tokenizer,
        peft_config=adapters.lora_config(settings.lora, model),
        callbacks=[oversight, Reporter("ppo", attempt, watcher, total=settings.num_updates, step_metric="update")],
    )
    oversight.watch(trainer)
    trainer.remove_callback(PrinterCallback)
    return trainer


def _arguments(settings: PPOSettings, attempt: Path) -> PPOConfig:
    steps_per_update = settings.num_ppo_epochs * (settings.batch_size // settings.mini_batch_size)
    same = (
        "num_updates learning_rate lr_scheduler_type batch_size mini_batch_size num_ppo_epochs kl_coef kl_estimator "
        "adaptive_kl target_kl max_update_kl cliprange cliprange_value vf_coef gamma lam missing_eos_penalty "
        "temperature response_length max_grad_norm value_pretraining_updates imitation_coef "
        "imitation_batch_size exploration_batches bf16 seed"
    )
    return PPOConfig(
        output_dir=str(attempt),
        **{name: getattr(settings, name) for name in same.split()},
        lagging_column="family" if settings.draw_lagging else "",
        per_device_train_batch_size=settings.micro_batch_size,
        save_strategy="steps",
        save_steps=settings.save_steps * steps_per_update,
        use_cpu=not torch.cuda.is_available(),
        disable_tqdm=True,
    )
