"""The reward model: an ensemble of LoRA members on the supervised backbone, taught by pairwise ratings.

Each member is trained by TRL's RewardTrainer from a seed of its own, with ``bagging`` on prompts drawn with
replacement; where they disagree, the ratings say little. All that was said of two programs is one row, and a prompt
drawn twice weighs twice, so that three members cost about as much as one on a row a rating
(``training.reward_rows``). A preference of strength s (1 to 3) between two programs costs
``-log sigmoid(score_better - score_worse - m s / 3)`` with ``m`` the setting ``margin`` (Bradley-Terry with a margin,
as in Llama 2, arXiv 2307.09288, section 3.2.2); a tie costs the cross-entropy to even odds, which pulls both scores
together. "Both unusable" says nothing of the order: each of the two programs loses, without a margin, to a program
drawn at random from those that were worth comparing, which puts both below the mean of those and leaves them alone
with each other. The scales of 1 to 5 are further outputs of the score head, brought to mean 0 and deviation 1 and
taught by squared error with the weight ``scales_weight``: they shape what the adapter sees, and scores don't use
them.

Every cost is multiplied by the rating's weight and, unless ``weigh_annotators`` is off, by its annotator's
reliability, which is estimated from all the snapshot's ratings (``training.reliability``; somebody of whom nothing is
known counts as the pool's mean). Two raters who contradict each other both count; one who contradicts himself has one
voice, half on either side. Comparisons are held out by prompt: no prompt is both learnt from and judged by. What is
held out gives the accuracies, the temperature and, cross-fitted, the calibration error (``training.calibration``).
"""

from __future__ import annotations

import math
import random
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from peft import PeftModel
from torch import Tensor
from torch.nn.functional import logsigmoid
from transformers import AutoConfig, PrinterCallback, set_seed
from trl import RewardConfig, RewardTrainer

from training import adapters, checkpoints
from training.batches import batch_order
from training.config import RewardModelSettings
from training.models import backbone_sha256, bf16_pays, context_of, load_tokenizer
from training.preferences import (
    SCALE_NAMES,
    Preference,
    PreferenceError,
    check,
    estimate_of,
    shuffled,
    split_by_prompt,
    usable,
    weights,
)
from training.progress import Progress, Watcher
from training.prompting import format_prompt
from training.reporting import Reporter, finished, fresh_final, trl_arguments, write_summary
from training.reward_ensemble import KIND, Ensemble, RewardModel, encoded, member_folders, pack, sequence_model
from training.reward_rows import Program, collate, program_of, rows_of, times_drawn
from training.reward_summary import SUMMARY, Scored, Summary, summarise

__all__ = [
    "SUMMARY",
    "Preference",
    "PreferenceError",
    "RewardModel",
    "Summary",
    "check",
    "comparison_loss",
    "split_by_prompt",
    "train",
    "usable",
]


def train(
    backbone: Path,
    preferences: Sequence[Preference],
    *,
    settings: RewardModelSettings,
    run_folder: Path,
    fence: int,
    watcher: Watcher,
) -> Path:
    """Train on the comparisons and return the folder of the members, which holds a ``Summary`` too.

    Members train one after the other, each in a run folder of its own. Resumes from the newest complete checkpoint of
    the member that was at work; a run that had ended returns at once.
    """
    if (done := finished(run_folder)) is not None:
        return done
    ratings = _rated(preferences, settings)
    attempt = checkpoints.attempt_folder(run_folder, fence)
    tokenizer = load_tokenizer(backbone)
    context = context_of(AutoConfig.from_pretrained(str(backbone), trust_remote_code=False))
    rows = [
        _in_order(_rows(ratings, tokenizer, context, settings, number), settings, number)
        for number in range(settings.members)
    ]
    steps = [math.ceil(len(own) / settings.batch_size) for own in rows]
    members = [
        _member(
            backbone,
            rows[number],
            tokenizer,
            replace(settings, seed=settings.seed + number),
            run_folder / f"member-{number}",
            fence,
            _Part(watcher, before=sum(steps[:number]), total=sum(steps)),
            outputs=_outputs(ratings, settings),
        )
        for number in range(settings.members)
    ]
    folder = fresh_final(attempt)
    for number, member in enumerate(members):
        shutil.copytree(member, folder / f"member-{number}")
        (folder / f"member-{number}" / checkpoints.MARKER).unlink()
    adapters.write_record(folder, adapters.Record(KIND, backbone_sha256(backbone)))
    ensemble = Ensemble.load(member_folders(folder), backbone=backbone, bf16=False)
    summary = summarise(
        _scored(ensemble, tokenizer, ratings.learnt),
        _scored(ensemble, tokenizer, ratings.judged),
        unusable=ratings.marked,
        reliabilities=ratings.reliabilities,
    )
    write_summary(folder, SUMMARY, asdict(summary))
    checkpoints.complete(folder)
    return folder


# -- the ratings


@dataclass(frozen=True)
class _Ratings:
    """The ratings with how much each counts."""

    learnt: list[tuple[Preference, float]]
    judged: list[tuple[Preference, float]]
    unusable: list[tuple[Preference, float]]
    """To learn from; on no prompt that is judged by."""
    marked: int
    """Ratings that mark both as unusable, on any prompt."""
    reliabilities: dict[str, float]


def _rated(preferences: Sequence[Preference], settings: RewardModelSettings) -> _Ratings:
    learnt, held_out = split_by_prompt(usable(preferences), held_out=settings.held_out, seed=settings.seed)
    check(learnt)
    believed = estimate_of(preferences)
    weight = dict(
        zip(map(id, preferences), weights(preferences, believed, by_reliability=settings.weigh_annotators), strict=True)
    )
    if not any(weight[id(one)] > 0 for one in learnt if one.preference):
        raise PreferenceError(
            "no annotator's ratings agree with the others' better than chance: look at who rated, "
            "or train with weigh_annotators off"
        )
    kept = {one.prompt for one in held_out}
    unusable = [one for one in preferences if one.unusable and one.prompt not in kept]
    return _Ratings(
        learnt=[(one, weight[id(one)]) for one in learnt],
        judged=[(one, weight[id(one)]) for one in held_out],
        unusable=[(one, weight[id(one)]) for one in unusable],
        marked=sum(one.unusable for one in preferences),
        reliabilities={name: round(known.reliability, 4) for name, known in sorted(believed.annotators.items())},
    )


def _rows(
    ratings: _Ratings, tokenizer: Any, context: int, settings: RewardModelSettings, number: int
) -> list[dict[str, Any]]:
    """One member's rows, tokenised."""
    prompts = shuffled({one.prompt for one, weight in ratings.learnt if weight > 0}, seed=settings.seed)
    chance = random.Random(f"{settings.seed}/{number}")  # noqa: S311 - reproducible, no secret
    times = times_drawn(prompts, bagging=settings.bagging and settings.members > 1, chance=chance)
    rows = rows_of(ratings.learnt, ratings.unusable, times, margin=settings.margin, chance=chance)
    ids = _encoded(tokenizer, [program for row in rows for program in (row.chosen, row.rejected)])
    for place, row in enumerate(rows):
        if (longest := max(len(ids[row.chosen]), len(ids[row.rejected]))) > context:
            raise PreferenceError(
                f"comparison {place} has {longest} tokens, more than the backbone's context of {context}"
            )
    same = ("better", "margins", "weights", "chosen_scales", "rejected_scales")
    return [
        {
            "chosen_ids": ids[row.chosen],
            "rejected_ids": ids[row.rejected],
            **{name: [float(value) for value in getattr(row, name)] for name in same},
        }
        for row in rows
    ]


def _in_order(rows: list[dict[str, Any]], settings: RewardModelSettings, number: int) -> list[dict[str, Any]]:
    """The rows of all epochs of one member, pairs of like length together: a batch is padded to its longest."""
    lengths = [max(len(row["chosen_ids"]), len(row["rejected_ids"])) for row in rows]
    order = batch_order(lengths, settings.batch_size, settings.epochs, settings.seed + number)
    return [rows[place] for place in order]


def _encoded(tokenizer: Any, programs: Sequence[Program]) -> dict[Program, list[int]]:
    unique = list(dict.fromkeys(programs))
    pairs = [(format_prompt(tokenizer, text, signature), code) for text, signature, code in unique]
    return dict(zip(unique, encoded(tokenizer, pairs), strict=True))


def _scored(ensemble: Ensemble, tokenizer: Any, ratings: list[tuple[Preference, float]]) -> Scored:
    programs = [program_of(one, side) for one, _ in ratings for side in "ab"]
    ids = _encoded(tokenizer, programs)
    place_of = {program: place for place, program in enumerate(ids)}
    scores = ensemble.scores(list(ids.values()))
    places = [place_of[program] for program in programs]
    return Scored(ratings, scores[places].reshape(len(ratings), 2, -1))


# -- one member


def _member(
    backbone: Path,
    rows: list[dict[str, Any]],
    tokenizer: Any,
    settings: RewardModelSettings,
    run_folder: Path,
    fence: int,
    watcher: Watcher,
    *,
    outputs: int,
) -> Path:
    if (done := finished(run_folder)) is not None:
        return done
    attempt = checkpoints.attempt_folder(run_folder, fence)
    start = checkpoints.latest(run_folder)
    model = _new_model(backbone, tokenizer, settings, outputs=outputs)
    trainer = _trainer(model, tokenizer, rows, settings, attempt, watcher)
    trainer.train(resume_from_checkpoint=str(start) if start else None)
    folder = fresh_final(attempt)
    adapters.save(model, folder, adapters.Record(KIND, backbone_sha256(backbone)))
    checkpoints.complete(folder)
    return folder


@dataclass(frozen=True)
class _Part:
    """Shows one member's training as a part of all of them."""

    watcher: Watcher
    before: int
    """Steps of the members before it."""
    total: int

    def step(self, progress: Progress) -> None:
        self.watcher.step(replace(progress, step=self.before + progress.step, total=self.total))

    def saved(self, checkpoint: Path, step: int) -> None:
        self.watcher.saved(checkpoint, self.before + step)


def _outputs(ratings: _Ratings, settings: RewardModelSettings) -> int:
    given = any(not math.isnan(value) for one, _ in ratings.learnt for side in "ab" for value in one.scales(side))
    return 1 + len(SCALE_NAMES) if given and settings.scales_weight > 0 else 1


def _new_model(backbone: Path, tokenizer: Any, settings: RewardModelSettings, *, outputs: int) -> PeftModel:
    set_seed(settings.seed)  # the score head and the adapter start at random
    bare = sequence_model(backbone, tokenizer, outputs=outputs)
    model = adapters.attach(bare, adapters.lora_config(settings.lora, bare, reward=True))
    trained = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    if not any(".score." in name and "lora_" not in name for name in trained):
        raise RuntimeError("the score head is frozen: a reward adapter must be of type SEQ_CLS")
    return model


def _trainer(
    model: PeftModel,
    tokenizer: Any,
    rows: list[dict[str, Any]],
    settings: RewardModelSettings,
    attempt: Path,
    watcher: Watcher,
) -> PreferenceTrainer:
    arguments = RewardConfig(
        **trl_arguments(settings, attempt),
        num_train_epochs=1,  # the rows hold all epochs, in their order
        train_sampling_strategy="sequential",
        lr_scheduler_type="cosine",
        remove_unused_columns=False,
    )
    trainer = PreferenceTrainer(
        model=model,
        args=arguments,
        data_collator=lambda batch: collate(batch, tokenizer.pad_token_id),
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer,
        callbacks=[Reporter("reward-model", attempt, watcher)],
    )
    trainer.scales_weight = settings.scales_weight
    if not (trainer.is_fsdp_enabled or trainer.is_deepspeed_enabled):  # They gather weights in the model's own passes.
        pack(model, bf16=bf16_pays(settings.bf16))
    trainer.remove_callback(PrinterCallback)
    return trainer


class PreferenceTrainer(RewardTrainer):
    """RewardTrainer whose loss knows each rating's margin, ties and weight, and the programs' scales."""

    scales_weight = 0.0

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        better, margins, weights = (inputs.pop(name) for name in ("better", "margins", "weights"))  # (pairs, ratings)
        scales = inputs.pop("scales")
        scored = _FirstOutput(model)
        super().compute_loss(scored, inputs, return_outputs=True, num_items_in_batch=num_items_in_batch)
        logits = scored.outputs.logits.float()  # (pairs x 2, outputs)
        chosen, rejected = torch.chunk(logits[:, 0], 2)
        tie = better == 0
        differences = torch.where(tie, 1.0, better) * (chosen - rejected)[:, None]
        costs = comparison_loss(differences, margins, tie)
        loss = (weights * costs).sum(1).mean()
        if logits.shape[1] > 1:
            loss = loss + self.scales_weight * scales_loss(logits[:, 1:], scales, weights.sum(1).repeat(2))
        return (loss, scored.outputs) if return_outputs else loss


class _FirstOutput:
    """A model as its trainer knows it, with one score a row; all outputs are kept."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self.outputs: Any = None

    def __call__(self, **inputs: Any) -> Any:
        self.outputs = self._model(**inputs)
        return type(self.outputs)(logits=self.outputs.logits[:, :1])


def comparison_loss(difference: Tensor, margin: Tensor, tie: Tensor) -> Tensor:
    """Score differences (better less worse) to each rating's cost, all of one shape; ``tie`` is boolean."""
    even = -0.5 * (logsigmoid(difference) + logsigmoid(-difference))
    return torch.where(tie, even, -logsigmoid(difference - margin))


def scales_loss(predicted: Tensor, scales: Tensor, weight: Tensor) -> Tensor:
    """The mean squared error over the scales that were given, by weight.

    ``predicted`` and ``scales`` are (programs, scales), the latter NaN where not given; ``weight`` is (programs,).
    """
    given = ~scales.isnan()
    squares = torch.where(given, predicted - scales.nan_to_num(), 0.0).square()
    return (weight[:, None] * squares).sum() / given.sum().clamp(min=1)
