"""Evaluating one or two models on the same held-out prompts, and the result as its page and report show it.

The result is plain JSON::

    models      {name: {path}}
    summary     {split: {name: {metric: {mean, low, high, prompts}}}}
    comparison  {split: {metric: {mean, low, high, prompts, only_first, only_second, p_value}}}
                (two models: the second less the first)
    pairs       [{split, key, prompt, signature, <name>: {code, public, full, outcome, verdicts}}]
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from training.config import EvaluationSettings, RewardSettings
from training.curriculum import Task
from training.evaluate import Evaluation, Row, compare, evaluate, summarise
from training.evidence import LearnedReward, TestReward, VerifierReward, judged
from training.progress import Progress, Watcher
from training.prompting import format_prompt
from training.reward_model import RewardModel
from training.rewards import Ordered
from verification.sandbox import Result

COMPARED = ("full", "public", "unsafe", "refuted", "proved", "proved and full")
TESTED = ("full", "public")
"""What the tests alone tell; by language and by family no more than this is shown."""

SHOWN_PAIRS = 24


def compared(
    models: Mapping[str, Path],
    tasks: Mapping[str, Sequence[Task]],
    *,
    settings: EvaluationSettings,
    watcher: Watcher,
    rewards: RewardSettings | None = None,
    ratings: RewardModel | None = None,
) -> tuple[dict[str, Any], dict[str, Evaluation]]:
    """Evaluate each model in turn; the KL of the second is measured against the first.

    With ``rewards`` the total reward as PPO composes it is among the metrics, and with ``ratings`` the
    reward model's score.
    """
    first = next(iter(models.values()))
    found: dict[str, Evaluation] = {}
    for name, path in models.items():
        found[name] = evaluate(
            path,
            tasks,
            settings=settings,
            watcher=_Part(watcher, len(found), len(models)),
            reference=None if path == first else first,
        )
    if rewards is not None:
        found = {name: with_rewards(evaluation, tasks, rewards, ratings) for name, evaluation in found.items()}
    return _result(models, found, settings), found


def with_rewards(
    evaluation: Evaluation,
    tasks: Mapping[str, Sequence[Task]],
    settings: RewardSettings,
    ratings: RewardModel | None,
) -> Evaluation:
    """The evaluation with the rewards that PPO would have given its answers.

    The verdicts are those of the evaluation. The reward model's score is scaled by the statistics of its
    training data alone: PPO's running ones would follow the model that is judged, and hide its gain.
    """
    by_key = {(task.split, task.key): task for rows in tasks.values() for task in rows}
    asked = [by_key[row.split, row.key] for row in evaluation.rows]
    tests = TestReward(all_pass_share=settings.all_pass_share)
    try:
        results = tests.results_of([row.code for row in evaluation.rows], asked)
    finally:
        tests.close()
    learned = None
    if ratings is not None:
        learned = LearnedReward(ratings, clip=settings.learned_clip, pessimism=settings.learned_pessimism)
    scores = _scores(evaluation, ratings)
    reward = Ordered(tests, VerifierReward(), None, settings)
    rows = [
        replace(row, rewards=_rewards(row, task, result, score, reward, learned))
        for row, task, result, score in zip(evaluation.rows, asked, results, scores, strict=True)
    ]
    return replace(evaluation, rows=tuple(rows))


def _scores(evaluation: Evaluation, ratings: RewardModel | None) -> list[tuple[float, float]] | list[None]:
    """Each answer's mean score and its members' disagreement."""
    if ratings is None:
        return [None] * len(evaluation.rows)
    prompts = [format_prompt(ratings.tokenizer, row.prompt, row.signature) for row in evaluation.rows]
    return list(zip(*judged(ratings, prompts, [row.code for row in evaluation.rows]), strict=True))


def _rewards(
    row: Row,
    task: Task,
    result: Result,
    score: tuple[float, float] | None,
    reward: Ordered,
    learned: LearnedReward | None,
) -> dict[str, float]:
    rating = learned.value(*score) if learned is not None and score is not None else None
    verdict = VerifierReward.value(row.verdicts)
    total = math.fsum(reward.parts(result, verdict, rating, properties=len(task.properties), is_python=row.syntax))
    return {"total": total} | ({} if score is None else {"ratings": score[0]})


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
    summaries = {
        name: summarise(evaluation, bootstrap=settings.bootstrap, seed=settings.seed)
        for name, evaluation in found.items()
    }
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
        **{f"by_{by}": _grouped(found, by, settings) for by in ("language", "family")},
        "pairs": _pairs(found),
    }
    if len(found) == 2:
        first, second = found.values()
        metrics = COMPARED if settings.verify else [metric for metric in COMPARED if metric in TESTED]
        comparisons = {metric: compare(first, second, metric=metric) for metric in metrics}
        result["comparison"] = {
            split: {metric: by_split[split].to_json() for metric, by_split in comparisons.items()}
            for split in settings.splits
        }
    return result


def _grouped(found: Mapping[str, Evaluation], by: str, settings: EvaluationSettings) -> dict[str, Any]:
    """Figures by ``split language`` or ``split family``, then by model."""
    summaries = {
        name: summarise(evaluation, by=by, metrics=TESTED, bootstrap=settings.bootstrap, seed=settings.seed)
        for name, evaluation in found.items()
    }
    groups = dict.fromkeys(group for summary in summaries.values() for group in summary)
    return {
        group: {
            name: {metric: estimate.to_json() for metric, estimate in summary[group].items()}
            for name, summary in summaries.items()
            if group in summary
        }
        for group in groups
    }


def _pairs(found: Mapping[str, Evaluation]) -> list[dict[str, Any]]:
    """Answers of all models to the same prompts; those on which the models differ come first."""
    by_key = [
        {(row.split, row.key): row for row in evaluation.rows if row.sample == 0} for evaluation in found.values()
    ]
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
