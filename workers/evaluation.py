"""Evaluating one or two models on the same held-out prompts, and the result as its page and report show it.

The result is plain JSON::

    models      {name: {path}}
    summary     {split: {name: {metric: {mean, low, high, prompts}}}}
    comparison  {split: {metric: {mean, low, high, only_first, only_second, p_value}}}   two models: second less first
    pairs       [{split, key, prompt, signature, <name>: {code, public, full, outcome, verdicts}}]
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from training.config import EvaluationSettings
from training.curriculum import Task
from training.evaluate import Comparison, Evaluation, RewardFunction, Row, compare, evaluate, summarise
from training.progress import Progress, Watcher

COMPARED = ("full", "public", "refuted", "proved")
SHOWN_PAIRS = 24


def compared(
    models: Mapping[str, Path],
    tasks: Mapping[str, Sequence[Task]],
    *,
    settings: EvaluationSettings,
    watcher: Watcher,
    rewards: Mapping[str, RewardFunction] | None = None,
) -> tuple[dict[str, Any], dict[str, Evaluation]]:
    """Evaluate each model in turn; the KL of the second is measured against the first."""
    first = next(iter(models.values()))
    found: dict[str, Evaluation] = {}
    for name, path in models.items():
        found[name] = evaluate(
            path,
            tasks,
            settings=settings,
            watcher=_Part(watcher, len(found), len(models)),
            reference=None if path == first else first,
            rewards=rewards,
        )
    return _result(models, found, settings), found


@dataclass(frozen=True)
class _Part:
    """Shows one model's evaluation as a part of all of them."""

    watcher: Watcher
    index: int
    parts: int

    def step(self, progress: Progress) -> None:
        total = progress.total * self.parts
        self.watcher.step(replace(progress, step=self.index * progress.total + progress.step, total=total))

    def saved(self, checkpoint: Path, step: int) -> None:
        self.watcher.saved(checkpoint, step)


def _result(
    models: Mapping[str, Path], found: Mapping[str, Evaluation], settings: EvaluationSettings
) -> dict[str, Any]:
    chances = {"bootstrap": settings.bootstrap, "seed": settings.seed}
    summaries = {name: summarise(evaluation, **chances) for name, evaluation in found.items()}
    result: dict[str, Any] = {
        "models": {name: {"path": str(path)} for name, path in models.items()},
        "summary": {
            split: {
                name: {metric: estimate.to_json() for metric, estimate in summary[split].items()}
                for name, summary in summaries.items()
                if split in summary
            }
            for split in settings.splits
        },
        "pairs": _pairs(found),
    }
    if len(found) == 2:
        first, second = found.values()
        comparisons = {metric: compare(first, second, metric=metric, **chances) for metric in COMPARED}
        result["comparison"] = {
            split: {metric: _plain(by_split[split]) for metric, by_split in comparisons.items()}
            for split in settings.splits
        }
    return result


def _plain(comparison: Comparison) -> dict[str, Any]:
    return {
        **comparison.difference.to_json(),
        "only_first": comparison.only_first,
        "only_second": comparison.only_second,
        "p_value": comparison.p_value,
    }


def _pairs(found: Mapping[str, Evaluation]) -> list[dict[str, Any]]:
    """Answers of all models to the same prompts; those on which the models differ come first."""
    by_key = [{(row.split, row.key): row for row in evaluation.rows} for evaluation in found.values()]
    rows = [[answers[key] for answers in by_key] for key in by_key[0]]
    rows.sort(key=lambda answers: (answers[0].full, answers[0].outcome) == (answers[-1].full, answers[-1].outcome))
    return [
        {
            "split": answers[0].split,
            "key": answers[0].key,
            "prompt": answers[0].prompt,
            "signature": answers[0].signature,
            **{name: _answer(row) for name, row in zip(found, answers, strict=True)},
        }
        for answers in rows[:SHOWN_PAIRS]
    ]


def _answer(row: Row) -> dict[str, Any]:
    return {
        "code": row.code,
        "public": row.public,
        "full": row.full,
        "outcome": row.outcome,
        "verdicts": dict(row.verdicts),
    }
