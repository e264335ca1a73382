"""The reward model: TRL's RewardTrainer with LoRA on the supervised backbone, taught by pairwise ratings.

A preference of strength s (1 to 3) between two programs costs ``-log sigmoid(score_better - score_worse - m s / 3)``
with ``m`` the setting ``margin`` (Bradley-Terry with a margin, as in Llama 2, arXiv 2307.09288, section 3.2.2);
a tie costs the cross-entropy to even odds, which pulls both scores together. Every cost is multiplied by the
rating's weight. Comparisons marked unusable say nothing of the order and are left out; two raters who contradict
each other both count. Comparisons are held out by prompt: no prompt is both learnt from and judged by.

Scores are read at the last token that is not the pad token; where a tokenizer pads with its EOS, that is the last
token of the code, in training and in use alike.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from peft import PeftModel
from torch import Tensor
from torch.nn.functional import logsigmoid
from transformers import AutoModelForSequenceClassification, PrinterCallback, set_seed
from trl import RewardConfig, RewardTrainer

from training import adapters, checkpoints
from training.config import RewardModelSettings
from training.models import backbone_sha256, bf16_pays, context_length, load_tokenizer
from training.progress import Watcher
from training.prompting import encode, encode_completion, encode_prompt
from training.reporting import Reporter, finished, fresh_final, trl_arguments, write_summary

SUMMARY = "reward_model.json"
KIND = "reward"
_STRONGEST = 3
_ONE_SIDED = 8
"""From this many preferences on, all for the same side is no accident: below 1% by chance."""


class PreferenceError(ValueError):
    """The comparisons can't teach a reward model; the message says why."""


@dataclass(frozen=True)
class Preference:
    """One rater's judgement of two programs for the same prompt."""

    prompt_text: str
    signature: str
    code_a: str
    code_b: str
    preference: int
    """-3 (A is much better) to 3 (B is much better); 0 is a tie."""
    annotator: str
    weight: float = 1.0
    unusable: bool = False
    """Neither program is worth comparing."""

    def __post_init__(self) -> None:
        if not -_STRONGEST <= self.preference <= _STRONGEST:
            raise PreferenceError(f"a preference is -3 to 3, not {self.preference}")
        if not (math.isfinite(self.weight) and self.weight >= 0):
            raise PreferenceError(f"a rating's weight is a number of at least 0, not {self.weight}")


@dataclass(frozen=True)
class Summary:
    """How a reward model was trained and how well it orders pairs it has not seen."""

    accuracy: float | None
    """Share of held-out preferences (ties left out) that the scores order alike; None where none was held out."""
    training_accuracy: float
    comparisons: int
    held_out: int
    """Held-out comparisons with a preference."""
    ties: int
    unusable: int
    mean: float
    std: float
    count: int
    """Of the scores of all the programs trained on: what the learned reward's statistics start from."""


def train(
    backbone: Path,
    preferences: Sequence[Preference],
    *,
    settings: RewardModelSettings,
    run_folder: Path,
    fence: int,
    watcher: Watcher,
) -> Path:
    """Train on the comparisons and return the adapter's folder, which holds a ``Summary`` too.

    Resumes from the newest complete checkpoint of the run; a run that had ended returns at once.
    """
    if (done := finished(run_folder)) is not None:
        return done
    learnt, judged = split_by_prompt(usable(preferences), held_out=settings.held_out, seed=settings.seed)
    check(learnt)
    attempt = checkpoints.attempt_folder(run_folder, fence)
    start = checkpoints.latest(run_folder)
    tokenizer = load_tokenizer(backbone)
    model = _new_model(backbone, tokenizer, settings)
    trainer = _trainer(model, tokenizer, _rows(learnt, tokenizer, model, settings), settings, attempt, watcher)
    trainer.train(resume_from_checkpoint=str(start) if start else None)
    folder = fresh_final(attempt)
    adapters.save(model, folder, adapters.Record(KIND, backbone_sha256(backbone)))
    summary = _summary(model, tokenizer, preferences, learnt, judged)
    write_summary(folder, SUMMARY, asdict(summary))
    checkpoints.complete(folder)
    return folder


def usable(preferences: Sequence[Preference]) -> list[Preference]:
    """The comparisons that say something: neither marked unusable nor of weight 0."""
    return [one for one in preferences if not one.unusable and one.weight > 0]


def split_by_prompt(
    preferences: Sequence[Preference], *, held_out: float, seed: int
) -> tuple[list[Preference], list[Preference]]:
    """To learn from, and to judge by: no prompt in both, the same whatever the rows' order.

    With fewer than two prompts nothing is held out.
    """
    prompts = sorted({_prompt_key(one) for one in preferences}, key=lambda key: _shuffled(seed, key))
    count = min(max(1, round(held_out * len(prompts))), len(prompts) - 1) if prompts else 0
    kept = set(prompts[:count])
    learnt = [one for one in preferences if _prompt_key(one) not in kept]
    return learnt, [one for one in preferences if _prompt_key(one) in kept]


def check(preferences: Sequence[Preference]) -> None:
    """PreferenceError where there is nothing to learn, or where only one side ever wins."""
    sides = [one.preference > 0 for one in preferences if one.preference != 0]
    if not preferences:
        raise PreferenceError("no usable comparison to learn from: rate some pairs first")
    if not sides:
        raise PreferenceError(f"all {len(preferences)} comparisons are ties: nothing says which program is better")
    if len(sides) >= _ONE_SIDED and len(set(sides)) == 1:
        side = "B" if sides[0] else "A"
        raise PreferenceError(
            f"all {len(sides)} preferences are for side {side}: sides are shown at random, so this snapshot is biased "
            "or was written wrongly; look at its ratings before training on it"
        )


class PreferenceTrainer(RewardTrainer):
    """RewardTrainer whose loss knows each comparison's margin, ties and weight."""

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        weight, margin, tie = inputs.pop("weight"), inputs.pop("strength"), inputs.pop("tie")
        _, outputs = super().compute_loss(model, inputs, return_outputs=True, num_items_in_batch=num_items_in_batch)
        chosen, rejected = torch.chunk(outputs.logits.squeeze(-1).float(), 2)
        loss = (weight * comparison_loss(chosen - rejected, margin, tie)).mean()
        return (loss, outputs) if return_outputs else loss


def comparison_loss(difference: Tensor, margin: Tensor, tie: Tensor) -> Tensor:
    """``(pairs,)`` score differences (better less worse) to each pair's cost; ``tie`` is boolean."""
    even = -0.5 * (logsigmoid(difference) + logsigmoid(-difference))
    return torch.where(tie, even, -logsigmoid(difference - margin))


class RewardModel:
    """A trained reward model that scores programs; higher is better, the scale is arbitrary."""

    def __init__(self, model: Any, tokenizer: Any, summary: Summary, *, batch_size: int = 64) -> None:
        self.model, self.tokenizer, self.summary, self.batch_size = model, tokenizer, summary, batch_size
        self.mean, self.std, self.count = summary.mean, summary.std, summary.count

    @classmethod
    def load(cls, path: Path, *, backbone: Path, bf16: bool = True) -> RewardModel:
        """The model in an adapter's folder on its backbone; AdapterError for any other backbone."""
        tokenizer = load_tokenizer(backbone)
        bare = _sequence_model(backbone, tokenizer)
        adapted = adapters.load(bare, path, kind=KIND, backbone_sha256=backbone_sha256(backbone))
        model = adapted.merge_and_unload().eval().requires_grad_(False)
        if bf16_pays(bf16):
            model = model.to(torch.bfloat16)
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        return cls(model.to(device), tokenizer, Summary(**json.loads((path / SUMMARY).read_text())))

    def score(self, prompts: Sequence[str], completions: Sequence[str]) -> list[float]:
        """One score a pair of formatted prompt and program."""
        rows = [
            encode(self.tokenizer, prompt) + encode_completion(self.tokenizer, code)
            for prompt, code in zip(prompts, completions, strict=True)
        ]
        return _scores(self.model, self.tokenizer.pad_token_id, rows, batch_size=self.batch_size)


def _sequence_model(backbone: Path, tokenizer: Any) -> Any:
    reports = logging.getLogger("transformers.modeling_utils")
    level = reports.level
    reports.setLevel(logging.ERROR)  # it would report that the backbone has no score head: that is the point
    try:
        model = AutoModelForSequenceClassification.from_pretrained(
            str(backbone), num_labels=1, use_safetensors=True, trust_remote_code=False, dtype=torch.float32
        )
    finally:
        reports.setLevel(level)
    model.config.get_text_config().pad_token_id = tokenizer.pad_token_id
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    return model


def _new_model(backbone: Path, tokenizer: Any, settings: RewardModelSettings) -> PeftModel:
    set_seed(settings.seed)  # the score head and the adapter start at random
    bare = _sequence_model(backbone, tokenizer)
    model = adapters.attach(bare, adapters.lora_config(settings.lora, bare, reward=True))
    trained = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    if not any(".score." in name and "lora_" not in name for name in trained):
        raise RuntimeError("the score head is frozen: a reward adapter must be of type SEQ_CLS")
    return model


def _rows(
    preferences: Sequence[Preference], tokenizer: Any, model: Any, settings: RewardModelSettings
) -> list[dict[str, Any]]:
    """The columns of TRL's preference format, tokenised, and what our loss needs beside them."""
    mean_weight = math.fsum(one.weight for one in preferences) / len(preferences)
    rows = []
    for number, one in enumerate(preferences):
        better, worse = (one.code_b, one.code_a) if one.preference > 0 else (one.code_a, one.code_b)
        chosen, rejected = _encoded(one, better, tokenizer), _encoded(one, worse, tokenizer)
        longest = max(len(chosen), len(rejected))
        if longest > context_length(model):
            raise PreferenceError(
                f"comparison {number} has {longest} tokens, more than the backbone's context of {context_length(model)}"
            )
        row = {
            "chosen_ids": chosen,
            "rejected_ids": rejected,
            "strength": settings.margin * abs(one.preference) / _STRONGEST,
            "tie": one.preference == 0,
            "weight": one.weight / mean_weight,
        }
        rows.append(row)
    return rows


def _encoded(preference: Preference, code: str, tokenizer: Any) -> list[int]:
    return encode_prompt(tokenizer, preference.prompt_text, preference.signature) + encode_completion(tokenizer, code)


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
        num_train_epochs=settings.epochs,
        lr_scheduler_type="cosine",
        remove_unused_columns=False,
    )
    trainer = PreferenceTrainer(
        model=model,
        args=arguments,
        data_collator=lambda batch: _collate(batch, tokenizer.pad_token_id),
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer,
        callbacks=[Reporter("reward-model", attempt, watcher)],
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def _collate(batch: Sequence[Mapping[str, Any]], pad: int) -> dict[str, Tensor]:
    """TRL's batch of pairs: all chosen rows, then all rejected ones, padded on the right."""
    ids = [list(row["chosen_ids"]) for row in batch] + [list(row["rejected_ids"]) for row in batch]
    return {
        **_padded(ids, pad),
        "strength": torch.tensor([row["strength"] for row in batch], dtype=torch.float32),
        "tie": torch.tensor([row["tie"] for row in batch], dtype=torch.bool),
        "weight": torch.tensor([row["weight"] for row in batch], dtype=torch.float32),
    }


def _padded(rows: Sequence[Sequence[int]], pad: int) -> dict[str, Tensor]:
    width = max(len(row) for row in rows)
    return {
        "input_ids": torch.tensor([[*row, *[pad] * (width - len(row))] for row in rows]),
        "attention_mask": torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows]),
    }


@torch.no_grad()
def _scores(model: Any, pad: int, rows: Sequence[Sequence[int]], *, batch_size: int) -> list[float]:
    """Scores in the rows' order; rows of like length are scored together."""
    order = sorted(range(len(rows)), key=lambda row: len(rows[row]))
    scores = [0.0] * len(rows)
    device = next(model.parameters()).device
    for start in range(0, len(order), batch_size):
        chosen = order[start : start + batch_size]
        batch = {name: value.to(device) for name, value in _padded([rows[row] for row in chosen], pad).items()}
        found = model(**batch, use_cache=False).logits.squeeze(-1).float().tolist()
        for row, score in zip(chosen, found, strict=True):
            scores[row] = score
    return scores


def _summary(
    model: PeftModel,
    tokenizer: Any,
    preferences: Sequence[Preference],
    learnt: Sequence[Preference],
    judged: Sequence[Preference],
) -> Summary:
    model.eval()
    learnt_scores = _pair_scores(model, tokenizer, learnt)
    judged_scores = _pair_scores(model, tokenizer, judged)
    scores = torch.tensor([score for pair in learnt_scores for score in pair], dtype=torch.float64)
    return Summary(
        accuracy=_accuracy(judged, judged_scores),
        training_accuracy=_accuracy(learnt, learnt_scores) or 0.0,
        comparisons=len(learnt),
        held_out=sum(one.preference != 0 for one in judged),
        ties=sum(one.preference == 0 for one in learnt),
        unusable=sum(one.unusable for one in preferences),
        mean=float(scores.mean()),
        std=float(scores.std()) if len(scores) > 1 else 0.0,
        count=len(scores),
    )


def _pair_scores(model: Any, tokenizer: Any, preferences: Sequence[Preference]) -> list[tuple[float, float]]:
    """Each comparison's scores of A and of B."""
    rows = [_encoded(one, code, tokenizer) for one in preferences for code in (one.code_a, one.code_b)]
    scores = _scores(model, tokenizer.pad_token_id, rows, batch_size=64)
    return list(zip(scores[::2], scores[1::2], strict=True))


def _accuracy(preferences: Sequence[Preference], scores: Sequence[tuple[float, float]]) -> float | None:
    """Share of the preferences that the scores order alike; equal scores count a half, ties not at all."""
    found = [
        0.5 if a == b else float((b > a) == (one.preference > 0))
        for one, (a, b) in zip(preferences, scores, strict=True)
        if one.preference != 0
    ]
    return math.fsum(found) / len(found) if found else None


def _prompt_key(preference: Preference) -> str:
    return f"{preference.prompt_text}\n{preference.signature}"


def _shuffled(seed: int, key: str) -> str:
    return hashlib.sha256(f"{seed}/{key}".encode()).hexdigest()
