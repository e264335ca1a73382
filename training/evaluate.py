"""Evaluates a model on held-out tasks: does its code pass, and what can be proved of it.

Public pass@1 counts answers that pass the tests a user would write; full pass@1 those that pass the
hidden ones as well, which probe the edges. Intervals resample prompts, and two models are compared
on the same prompts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from training.config import EvaluationSettings, to_json
from training.curriculum.task import Task
from training.models import bf16_pays, load, load_model
from training.progress import Progress, Watcher
from training.prompting import encode_prompt, format_prompt
from training.rollout import Completion, Decoder
from training.sequences import completion_divergences
from training.signatures import report_of
from training.similarity import bleu, parsed, same_program
from training.statistics import Estimate, bootstrap_mean, mcnemar, paired_difference, pass_at, share
from verification import Outcome
from verification.sandbox import Job, Pool

RewardFunction = Callable[..., Sequence[float | None]]
"""TRL's signature: ``f(prompts, completions, completion_ids, **columns)``."""

_OUTCOMES = (Outcome.REFUTED, Outcome.UNSUPPORTED, Outcome.UNKNOWN, Outcome.BOUNDED, Outcome.PROVED, Outcome.VACUOUS)
_CHUNK = 64


class EvaluationError(ValueError):
    """The evaluation can't be run as asked; the message says what to change."""


@dataclass(frozen=True)
class Row:
    """One answer and what was found of it."""

    key: str
    family: str
    split: str
    language: str
    prompt: str
    signature: str
    code: str
    public: bool
    full: bool
    syntax: bool
    outcome: str
    """The worst verdict on the properties that the task declares; empty where the verifier was not asked."""
    verdicts: Mapping[str, str]
    """Outcome by property."""
    tokens: int
    finished: bool
    kl: float | None = None
    """KL(model || reference) along the answer, in nats, summed over its tokens."""
    rewards: Mapping[str, float] = field(default_factory=dict)
    sample: int = 0
    """Which of several answers to the same prompt."""
    exact: bool = False
    """Whether it is one of the known solutions, up to layout."""
    bleu: float = 0.0
    """Against all known solutions, from 0 to 1."""
    unsafe: bool = False
    """Whether it is one of the known unsafe solutions, up to layout."""


@dataclass(frozen=True)
class Evaluation:
    """All rows of one model, and how they were drawn."""

    model: str
    settings: Mapping[str, Any]
    rows: tuple[Row, ...]

    def to_json(self) -> dict[str, Any]:
        return {"model": self.model, "settings": dict(self.settings), "rows": [asdict(row) for row in self.rows]}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Evaluation:
        return cls(data["model"], data["settings"], tuple(Row(**row) for row in data["rows"]))


@dataclass(frozen=True)
class Comparison:
    """Two models on the same prompts of one split, by one yes-or-no metric."""

    metric: str
    difference: Estimate
    """Second less first."""
    only_first: int
    only_second: int
    p_value: float
    """Exact McNemar."""

    def to_json(self) -> dict[str, float | int]:
        """The difference with its interval, and what it was found from, on one level."""
        counts = {"only_first": self.only_first, "only_second": self.only_second, "p_value": self.p_value}
        return {**self.difference.to_json(), **counts}


def evaluate(
    model_path: Path | str,
    tasks: Mapping[str, Sequence[Task]],
    *,
    settings: EvaluationSettings,
    watcher: Watcher,
    reference: Path | str | None = None,
    rewards: Mapping[str, RewardFunction] | None = None,
) -> Evaluation:
    """Answer the first ``settings.prompts`` tasks of each chosen split, test and verify the answers."""
    asked = [task for split in settings.splits for task in _of_split(tasks, split)[: settings.prompts]]
    chosen = [task for task in asked for _ in range(settings.samples)]
    if not chosen:
        raise EvaluationError(f"no tasks in {', '.join(settings.splits)}: draw some first")
    model, tokenizer = load(model_path)
    decoder = Decoder(model, tokenizer, bf16=bf16_pays() and settings.decoding.temperature > 0)
    steps = _Steps(watcher, 3 * len(chosen))
    prompts = [format_prompt(tokenizer, task.text, task.signature) for task in chosen]
    answers = decoder.complete(prompts, settings.decoding, on_batch=lambda done, _: steps.reach(done))
    rows = judge(chosen, answers, verifying=settings.verify, on_step=lambda done: steps.reach(len(chosen) + done))
    divergences = _divergences(model, tokenizer, chosen, answers, reference)
    scores = _scores(prompts, answers, chosen, rewards or {})
    found = zip(rows, divergences, scores, strict=True)
    rows = [
        replace(row, kl=divergence, rewards=score, sample=number % settings.samples)
        for number, (row, divergence, score) in enumerate(found)
    ]
    return Evaluation(str(model_path), to_json(settings), tuple(rows))


def judge(
    tasks: Sequence[Task],
    answers: Sequence[Completion],
    *,
    verifying: bool = True,
    on_step: Callable[[int], None] = lambda done: None,
) -> list[Row]:
    """Test and verify one answer a task; ``on_step`` counts both passes together."""
    tested = _run_tests(tasks, answers, on_step)
    if verifying:
        verdicts = _verify(tasks, answers, lambda done: on_step(len(tasks) + done))
    else:
        verdicts = [{} for _ in tasks]
        on_step(2 * len(tasks))
    found = zip(tasks, answers, tested, verdicts, strict=True)
    return [_row(*one) for one in found]


def summarise(
    evaluation: Evaluation, *, by: str = "", metrics: Sequence[str] = (), bootstrap: int = 1000, seed: int = 0
) -> dict[str, dict[str, Estimate]]:
    """Each metric's mean and 95% interval, by split; or by split and ``by``, which is ``language`` or ``family``.

    ``metrics`` are those wanted, all by default: an interval by resampling takes its time.

    With several answers a prompt there is ``full@k`` as well, for k the powers of two.
    """
    groups: dict[str, list[Row]] = {}
    for row in evaluation.rows:
        groups.setdefault(f"{row.split} {getattr(row, by)}" if by else row.split, []).append(row)
    return {name: _summary(rows, metrics, bootstrap, seed) for name, rows in groups.items()}


def _summary(rows: Sequence[Row], wanted: Sequence[str], bootstrap: int, seed: int) -> dict[str, Estimate]:
    summary: dict[str, Estimate] = {}
    for metric in (metric for metric in _metrics(rows) if metric in wanted or not wanted):
        found = [(value, row.key) for row in rows if (value := _value(row, metric)) is not None]
        if found:
            values, keys = zip(*found, strict=True)
            summary[metric] = _estimate(metric, values, keys, bootstrap, seed)
    passed: dict[str, list[bool]] = {}
    for row in rows:
        passed.setdefault(row.key, []).append(row.full)
    samples, k = min(map(len, passed.values())), 2
    while k <= samples:
        if f"full@{k}" in wanted or not wanted:
            chances = [pass_at(sum(each), len(each), k) for each in passed.values()]
            summary[f"full@{k}"] = bootstrap_mean(chances, list(passed), resamples=bootstrap, seed=seed)
        k *= 2
    return summary


def compare(first: Evaluation, second: Evaluation, *, metric: str = "full") -> dict[str, Comparison]:
    """The second model against the first on the prompts that both answered, by split; each prompt's first answer."""
    ours = {(row.split, row.key): row for row in first.rows if row.sample == 0}
    pairs = [(ours[row.split, row.key], row) for row in second.rows if row.sample == 0 and (row.split, row.key) in ours]
    if not pairs:
        raise EvaluationError("the two evaluations share no prompt: evaluate both on the same tasks")
    return {
        split: _compare([pair for pair in pairs if pair[0].split == split], metric)
        for split in dict.fromkeys(row.split for row, _ in pairs)
    }


def table(
    evaluations: Mapping[str, Evaluation],
    *,
    by: str = "",
    metrics: Sequence[str] = (),
    bootstrap: int = 1000,
    seed: int = 0,
) -> str:
    """A table in plain text: a row a split (and language or family) and metric, a column a model, with intervals."""
    chosen = partial(summarise, by=by, metrics=metrics, bootstrap=bootstrap, seed=seed)
    summaries = {name: chosen(value) for name, value in evaluations.items()}
    splits = dict.fromkeys(split for summary in summaries.values() for split in summary)
    lines = [("split", "metric", *summaries)]
    for split in splits:
        known = dict.fromkeys(metric for summary in summaries.values() for metric in summary.get(split, {}))
        for metric in known:
            cells = (_cell(summary.get(split, {}).get(metric), metric) for summary in summaries.values())
            lines.append((split, _label(metric), *cells))
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


_PROVED_AND_FULL = "proved and full"
_SHARES = (
    "full",
    "public",
    "syntax",
    "finished",
    "exact",
    "unsafe",
    *(str(outcome) for outcome in _OUTCOMES),
    _PROVED_AND_FULL,
)
_LABELS = {
    "full": "full pass@1",
    "public": "public pass@1",
    "syntax": "valid syntax",
    "exact": "a known solution",
    "unsafe": "a known unsafe one",
    _PROVED_AND_FULL: "proved, and full",
    "bleu": "BLEU",
    "vacuous": "nothing to prove",
    "tokens": "length (tokens)",
    "kl": "KL (nats)",
}


def _label(metric: str) -> str:
    return f"full pass@{metric.removeprefix('full@')}" if metric.startswith("full@") else _LABELS.get(metric, metric)


class _Steps:
    """Progress over the three passes, each counted by its prompts."""

    def __init__(self, watcher: Watcher, total: int) -> None:
        self.watcher, self.total = watcher, total

    def reach(self, step: int) -> None:
        self.watcher.step(Progress("evaluate", step, self.total))


def _of_split(tasks: Mapping[str, Sequence[Task]], split: str) -> Sequence[Task]:
    if split not in tasks:
        raise EvaluationError(f"unknown split {split!r}: choose from {', '.join(tasks)}")
    return tasks[split]


def _divergences(
    model: Any, tokenizer: Any, tasks: Sequence[Task], answers: Sequence[Completion], reference: Path | str | None
) -> list[float | None]:
    if reference is None:
        return [None] * len(answers)
    prompts = [encode_prompt(tokenizer, task.text, task.signature) for task in tasks]
    ids = [answer.token_ids for answer in answers]
    return list(completion_divergences(model, load_model(reference), prompts, ids))


def _scores(
    prompts: Sequence[str], answers: Sequence[Completion], tasks: Sequence[Task], rewards: Mapping[str, RewardFunction]
) -> list[dict[str, float]]:
    scores: list[dict[str, float]] = [{} for _ in answers]
    texts, ids = [answer.text for answer in answers], [answer.token_ids for answer in answers]
    for name, reward in rewards.items():
        for score, value in zip(scores, reward(prompts, texts, completion_ids=ids, task=list(tasks)), strict=True):
            if value is not None:
                score[name] = float(value)
    return scores


def _run_tests(
    tasks: Sequence[Task], answers: Sequence[Completion], on_step: Callable[[int], None]
) -> list[tuple[bool, bool]]:
    """(passes the public tests, passes all tests) of each answer."""
    passed: list[tuple[bool, bool]] = []
    with Pool() as pool:
        for start in range(0, len(tasks), _CHUNK):
            part = list(zip(tasks[start : start + _CHUNK], answers[start : start + _CHUNK], strict=True))
            jobs = [
                Job.tests(answer.text, task.entry, tests, prelude=task.prelude)
                for task, answer in part
                for tests in (task.public_tests, task.hidden_tests)
            ]
            good = [result.status == "passed" for result in pool.run_many(jobs)]
            passed.extend((public, public and hidden) for public, hidden in zip(good[::2], good[1::2], strict=True))
            on_step(len(passed))
    return passed


def _verify(
    tasks: Sequence[Task], answers: Sequence[Completion], on_step: Callable[[int], None]
) -> list[dict[str, Outcome]]:
    """Outcome by property of each answer; the key ``""`` holds the report's."""
    verdicts: list[dict[str, Outcome]] = []
    for task, answer in zip(tasks, answers, strict=True):
        report = report_of(answer.text, task.entry, task.properties, signature=task.signature, contract=task.contract)
        verdicts.append({"": report.outcome, **{verdict.property: verdict.outcome for verdict in report.verdicts}})
        if len(verdicts) % _CHUNK == 0 or len(verdicts) == len(tasks):
            on_step(len(verdicts))
    return verdicts


def _row(
    task: Task,
    answer: Completion,
    passed: tuple[bool, bool],
    verdicts: Mapping[str, Outcome],
) -> Row:
    references = [solution.code for solution in task.solutions]
    return Row(
        key=task.key,
        family=task.family,
        split=task.split,
        language=task.language,
        prompt=task.text,
        signature=task.signature,
        code=answer.text,
        public=passed[0],
        full=passed[1],
        syntax=is_valid(answer.text),
        outcome=str(verdicts.get("", "")),
        verdicts={slug: str(outcome) for slug, outcome in verdicts.items() if slug},
        tokens=len(answer.token_ids),
        finished=answer.finished,
        exact=same_program(answer.text, references),
        bleu=bleu(answer.text, references),
        unsafe=same_program(answer.text, [solution.code for solution in task.solutions if not solution.safe]),
    )


def is_valid(code: str) -> bool:
    """Whether the text is a Python program that defines something."""
    tree = parsed(code)
    return tree is not None and bool(tree.body)


def _metrics(rows: Sequence[Row]) -> Iterator[str]:
    yield from _SHARES
    yield from ("tokens", "bleu", "kl")
    yield from dict.fromkeys(f"reward {name}" for row in rows for name in row.rewards)


def _value(row: Row, metric: str) -> float | None:
    if metric == _PROVED_AND_FULL:
        return float(row.full and row.outcome == Outcome.PROVED) if row.outcome else None
    if metric in tuple(map(str, _OUTCOMES)):
        return float(row.outcome == metric) if row.outcome else None
    if metric.startswith("reward "):
        return row.rewards.get(metric.removeprefix("reward "))
    value = getattr(row, metric)
    return None if value is None else float(value)


def _estimate(metric: str, values: Sequence[float], keys: Sequence[str], bootstrap: int, seed: int) -> Estimate:
    """A share with its score interval, where each prompt was answered once; else a mean over resampled prompts."""
    if metric in _SHARES and len(set(keys)) == len(keys):
        return share(int(sum(values)), len(values))
    return bootstrap_mean(values, keys, resamples=bootstrap, seed=seed)


def _compare(pairs: Sequence[tuple[Row, Row]], metric: str) -> Comparison:
    values = [(_value(a, metric), _value(b, metric)) for a, b in pairs]
    if any(value not in (0.0, 1.0) for both in values for value in both):
        raise EvaluationError(f"{metric!r} is not a yes-or-no metric: choose from {', '.join(_SHARES)}")
    count = Counter(values)
    only_first, only_second = count[1.0, 0.0], count[0.0, 1.0]
    estimate = paired_difference(count[1.0, 1.0], only_first, only_second, count[0.0, 0.0])
    return Comparison(metric, estimate, only_first, only_second, mcnemar(only_first, only_second))


def _cell(estimate: Estimate | None, metric: str) -> str:
    if estimate is None:
        return "-"
    if metric in _SHARES or metric.startswith("full@"):
        return f"{100 * estimate.mean:.1f}% [{100 * estimate.low:.1f}, {100 * estimate.high:.1f}]"
    return f"{estimate.mean:.2f} [{estimate.low:.2f}, {estimate.high:.2f}]"
