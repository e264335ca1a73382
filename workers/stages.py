"""What each kind of run does: its rows in, a library's stage, its rows out.

A stage writes no rows itself. It returns what is to be written, and that happens in the transaction
that ends the run under its fence: an attempt that lost its lease leaves nothing behind.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from training.config import (
    DecodingSettings,
    PPOSettings,
    RewardSettings,
    read,
    to_json,
)
from training.curriculum import Task
from training.models import backbone_sha256, bf16_pays, load
from training.progress import Progress, Watcher
from training.prompting import format_prompt
from training.rollout import Decoder
from webapp.catalog.actions import NewSample, add_samples
from webapp.catalog.models import ModelVersion, Prompt, Sample
from webapp.feedback.actions import create_comparisons
from webapp.runs.configs import CONFIGS
from webapp.runs.models import Run
from workers import selection
from workers.disagreements import disputed_pairs, put_before_annotators
from workers.dispatch import send_unchecked
from workers.home import Home
from workers.leases import Lease
from workers.line_comments import commented_lines
from workers.preferences import preference_of
from workers.problems import Problem
from workers.text import storable

if TYPE_CHECKING:
    from training.reward_model import RewardModel

T = TypeVar("T")

VALIDATION = "validation"
"""The split that half of an alignment's validation tasks are taken from, where the project has it."""
_VALIDATION_SHARE = 50
"""One training prompt in so many is kept out of supervised training, for its validation loss."""
_DRAWS = 4
"""Rounds of drawing until a prompt has enough different completions."""
_TOLD_OF_REWARD_MODELS = (
    "accuracy",
    "held_out",
    "calibration_error",
    "members",
    "member_correlation",
    "disagreement",
    "disagreement_and_error",
)
"""Of a reward model's summary, what its run's page shows."""
_REVIEWED = 40
"""Prompts of an evaluation whose completions are stored, checked and shown for review, beside the pairs it shows."""


@dataclass(frozen=True)
class Output:
    """What a stage hands back to be written."""

    result: Mapping[str, Any] = field(default_factory=dict)
    commit: Callable[[Run], None] = lambda run: None


@dataclass(frozen=True)
class Job:
    """One attempt at one run."""

    run: Run
    folder: Path
    fence: int
    watcher: Watcher
    settings: Any
    """The kind's own settings (``webapp.runs.configs``)."""


def perform(lease: Lease, watcher: Watcher) -> Output:
    """Do the run that the lease is for."""
    run = Run.objects.select_related("project", "base_model", "candidate", "reward_model", "snapshot").get(
        pk=lease.run_id
    )
    folder = Home.from_environment().runs / str(run.pk)
    folder.mkdir(parents=True, exist_ok=True)
    settings = read(CONFIGS[run.kind], run.config)
    return _STAGES[run.kind](Job(run, folder, lease.fence, watcher, settings))


def sft(job: Job) -> Output:
    from training.sft import train

    tasks = _tasks(job.run, "train")
    path = train(
        [task for number, task in enumerate(tasks) if number % _VALIDATION_SHARE],
        tasks[::_VALIDATION_SHARE],
        model=job.settings.model,
        settings=job.settings.settings,
        run_folder=job.folder,
        fence=job.fence,
        watcher=job.watcher,
    )
    return _model(job, path, ModelVersion.Kind.SUPERVISED, parent=None)


def generate(job: Job) -> Output:
    from training.selection import Answer, best_pair

    model = _needed(job.run.base_model, "base model")
    config = job.settings
    prompts = _prompts(job.run, config.split)[: config.prompts]
    drawn = _draw(job, Path(model.path), prompts, count=config.count, settings=config.settings)

    # Their texts are all that is known of the samples yet: tests and verdicts come later.
    chosen = [best_pair([Answer(sample.text) for sample in samples]) for samples in drawn]

    def commit(run: Run) -> None:
        ids = add_samples(model, [sample for samples in drawn for sample in samples])
        queue = iter(ids)
        per_prompt = [[next(queue) for _ in samples] for samples in drawn]
        rows = Sample.objects.in_bulk(ids)
        pairs = [
            (rows[found[pair[0]]], rows[found[pair[1]]])
            for found, pair in zip(per_prompt, chosen, strict=True)
            if pair is not None
        ]
        create_comparisons(run.project, pairs)
        send_unchecked(ids)

    samples = sum(len(found) for found in drawn)
    return Output({"samples": samples, "comparisons": len(chosen) - chosen.count(None)}, commit)


def reward_model(job: Job) -> Output:
    from training.reward_model import Summary, train

    backbone = _needed(job.run.base_model, "base model")
    preferences = [preference_of(row) for row in _needed(job.run.snapshot, "snapshot").rows]
    path = train(
        Path(backbone.path),
        preferences,
        settings=job.settings,
        run_folder=job.folder,
        fence=job.fence,
        watcher=job.watcher,
    )
    order = selection.order(job.run.project, path, backbone=Path(backbone.path), seed=job.run.pk)
    output = _model(job, path, ModelVersion.Kind.REWARD, parent=backbone)
    figures = asdict(Summary.read(path))
    told = {name: figures[name] for name in _TOLD_OF_REWARD_MODELS if figures[name] is not None}
    return Output({**told, **output.result}, selection.ordering(output.commit, order))


def ppo(job: Job) -> Output:
    from training.align import SUMMARY, align, merge

    backbone = _needed(job.run.base_model, "base model")
    adapter = align(
        Path(backbone.path),
        _tasks(job.run, "train"),
        line_comments=commented_lines(job.run) if job.settings.line_credit else None,
        reward_model=Path(job.run.reward_model.path) if job.run.reward_model else None,
        settings=job.settings,
        run_folder=job.folder,
        fence=job.fence,
        watcher=job.watcher,
        validation=[Task.from_json(prompt.task) for prompt in _split(job.run, VALIDATION)],
        disarmed=job.run.disarmed,
    )
    merged = merge(Path(backbone.path), adapter, adapter.with_name(f"{adapter.name}-merged"))
    model = _model(job, merged, ModelVersion.Kind.ALIGNED, parent=backbone)
    pairs = disputed_pairs(job.run, job.folder, merged, job.settings)

    def commit(run: Run) -> None:
        model.commit(run)
        put_before_annotators(run, ModelVersion.objects.get(run=run), pairs)

    return Output({**model.result, **_best(adapter / SUMMARY), "comparisons": len(pairs)}, commit)


def evaluate(job: Job) -> Output:
    from workers.evaluation import compared

    base, candidate = _needed(job.run.base_model, "base model"), job.run.candidate
    versions = {"base": base} | ({"candidate": candidate} if candidate else {})
    prompts = {split: _prompts(job.run, split)[: job.settings.prompts] for split in job.settings.splits}
    result, found = compared(
        {name: Path(version.path) for name, version in versions.items()},
        {split: [Task.from_json(prompt.task) for prompt in rows] for split, rows in prompts.items()},
        settings=job.settings,
        watcher=job.watcher,
        rewards=_rewards_of(candidate),
        ratings=_ratings(job.run.reward_model),
    )
    result["models"] = {name: {"name": version.name, "sha256": version.sha256} for name, version in versions.items()}
    ids = {(split, prompt.task["key"]): prompt.pk for split, rows in prompts.items() for prompt in rows}
    decoding = to_json(job.settings.decoding)
    shown = {(pair["split"], pair["key"]) for pair in result["pairs"]}

    def commit(run: Run) -> None:
        stored: list[int] = []
        for name, evaluation in found.items():
            samples = [
                NewSample(
                    prompt_id=ids[row.split, row.key],
                    text=storable(row.code),
                    seed=job.settings.decoding.seed,
                    decoding=decoding,
                    finished=row.finished,
                )
                for number, row in enumerate(evaluation.rows)
                if number < _REVIEWED or (row.split, row.key) in shown
            ]
            stored += add_samples(versions[name], samples)
        send_unchecked(stored)

    return Output(storable(result), commit)


def _draw(
    job: Job, path: Path, prompts: Sequence[Prompt], *, count: int, settings: DecodingSettings
) -> list[list[NewSample]]:
    """``count`` different completions a prompt where the model has them; it is asked a few times, then fewer do."""
    model, tokenizer = load(path)
    decoder = Decoder(model, tokenizer, bf16=bf16_pays())
    found: list[dict[str, NewSample]] = [{} for _ in prompts]
    for draw in range(_DRAWS):
        wanted = [index for index, texts in enumerate(found) for _ in range(count - len(texts))]
        if not wanted or (draw and settings.temperature == 0.0):
            break
        seeded = replace(settings, seed=settings.seed + draw)
        texts = [format_prompt(tokenizer, prompts[index].text, prompts[index].signature) for index in wanted]
        completions = decoder.complete(texts, seeded, _reporting(job, "generate"))
        for index, completion in zip(wanted, completions, strict=True):
            text = storable(completion.text)
            found[index].setdefault(
                text,
                NewSample(
                    prompt_id=prompts[index].pk,
                    text=text,
                    seed=seeded.seed,
                    decoding=to_json(seeded),
                    finished=completion.finished,
                ),
            )
    return [list(texts.values()) for texts in found]


def _rewards_of(candidate: ModelVersion | None) -> RewardSettings:
    """The reward that the candidate was aligned by, else the usual one."""
    if candidate is None or candidate.run is None or candidate.run.kind != Run.Kind.PPO:
        return RewardSettings()
    return read(PPOSettings, candidate.run.config).reward


def _ratings(version: ModelVersion | None) -> RewardModel | None:
    from training.reward_model import RewardModel

    if version is None:
        return None
    backbone = _needed(version.parent, "backbone of its reward model")
    return RewardModel.load(Path(version.path), backbone=Path(backbone.path))


def _reporting(job: Job, stage: str) -> Callable[[int, int], None]:
    def on_batch(done: int, total: int) -> None:
        job.watcher.step(Progress(stage, done, total))

    return on_batch


def _model(job: Job, path: Path, kind: ModelVersion.Kind, *, parent: ModelVersion | None) -> Output:
    """A new model version, known by its weights."""
    sha256 = backbone_sha256(path)

    def commit(run: Run) -> None:
        ModelVersion.objects.create(
            project=run.project,
            name=f"{kind}-{run.pk}",
            kind=kind,
            path=str(path),
            sha256=sha256,
            parent=parent,
            run=run,
        )

    return Output({"path": str(path), "sha256": sha256}, commit)


def _best(alignment: Path) -> dict[str, Any]:
    """Which update's adapter an alignment ended in and how it did on the validation tasks, where it had any."""
    summary = json.loads(alignment.read_text())
    if (best := summary.get("best_update")) is None:
        return {}
    scale = {"adapter_scale": summary["adapter_scale"]} if "adapter_scale" in summary else {}
    return {"best_update": best, "validation": summary["validation"]["full"][str(best)], **scale}


def _split(run: Run, split: str) -> list[Prompt]:
    return list(run.project.prompts.filter(split=split).order_by("pk"))


def _prompts(run: Run, split: str) -> list[Prompt]:
    found = _split(run, split)
    if not found:
        raise Problem(f"the project has no prompts in the split {split!r}: import some first")
    return found


def _tasks(run: Run, split: str) -> list[Task]:
    return [Task.from_json(prompt.task) for prompt in _prompts(run, split)]


def _needed(row: T | None, name: str) -> T:
    if row is None:
        raise Problem(f"the run names no {name}: launch it again with one")
    return row


_STAGES: dict[str, Callable[[Job], Output]] = {
    Run.Kind.SFT: sft,
    Run.Kind.GENERATE: generate,
    Run.Kind.REWARD_MODEL: reward_model,
    Run.Kind.PPO: ppo,
    Run.Kind.EVALUATE: evaluate,
}
