"""Launching and stopping runs, what happened to them, and the snapshots they are trained on."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from typing import Any

from django.db import transaction
from django.db.models import Max, QuerySet
from django.utils import timezone

from training.config import SettingsError, to_json
from webapp.accounts.models import User
from webapp.audit.actions import record
from webapp.broker import TRAIN_QUEUE, send_on_commit
from webapp.catalog.models import ModelVersion, Project
from webapp.feedback.models import Comparison, Rating
from webapp.runs.configs import read_config, seed_of
from webapp.runs.models import DatasetSnapshot, Metric, Run, RunEvent
from webapp.runs.version import code_version

START_TASK = "workers.train.start_run"
PREFERENCES = "preferences"
GENERATORS = {ModelVersion.Kind.SUPERVISED, ModelVersion.Kind.ALIGNED}


class RunEnded(Exception):
    """The run has ended already, so there is nothing to cancel."""


class NotPaused(Exception):
    """The run is not paused (any more), so there is nothing to resume."""


@transaction.atomic
def launch(
    project: Project,
    kind: str,
    *,
    config: Mapping[str, Any],
    created_by: User,
    base_model: ModelVersion | None = None,
    candidate: ModelVersion | None = None,
    reward_model: ModelVersion | None = None,
    snapshot: DatasetSnapshot | None = None,
    seed: int = 0,
) -> Run:
    """Queue one run; the workers are told after commit.

    ``config`` holds the kind's settings as ``webapp.runs.configs`` describes; what it leaves out takes
    the defaults, and the row keeps all of them. ``seed`` counts where the config names no seed. Models:

    ============  ============================================================================
    sft           none (``config["model"]["base_model"]`` may name one on disk or on the hub)
    generate      ``base_model``, supervised or aligned
    reward_model  ``base_model``, supervised; ``snapshot`` of preferences
    ppo           ``base_model``, supervised; ``reward_model`` trained on that very backbone, or none
    evaluate      ``base_model``; ``candidate`` to compare with it on the same prompts, or none;
                  ``reward_model`` trained on their backbone, or none
    ============  ============================================================================

    SettingsError maps each field that can't be used to one sentence; then nothing is stored.
    """
    chosen = read_config(kind, config, seed=seed)
    given = {"base_model": base_model, "candidate": candidate, "reward_model": reward_model}
    problems = _foreign(project, given, snapshot) | _CHECKS[kind](base_model, candidate, reward_model, snapshot)
    if problems:
        raise SettingsError(problems)
    run = Run.objects.create(
        project=project,
        kind=kind,
        config=to_json(chosen),
        snapshot=snapshot,
        seed=seed_of(chosen),
        commit=code_version(),
        created_by=created_by,
        sent_at=timezone.now(),
        **given,
    )
    append_event(run, "queued", {"kind": kind})
    record("run.launched", actor=created_by, project=project, target=run, kind=kind, config=run.config)
    send_on_commit(START_TASK, run.pk, queue=TRAIN_QUEUE)
    return run


@transaction.atomic
def request_cancel(run: Run, by: User) -> Run:
    """Cancel a waiting run at once and ask a running one to stop at its next step; RunEnded when it is too late."""
    # Locked first: else its state could change between the two questions, and neither would find it.
    Run.objects.select_for_update(no_key=True).values_list("pk").get(pk=run.pk)
    open_run = Run.objects.filter(pk=run.pk)
    if open_run.filter(state__in=[Run.State.QUEUED, Run.State.PAUSED]).update(
        state=Run.State.CANCELLED, cancel_requested=True, alarms=[], finished_at=timezone.now()
    ):
        event = "cancelled"
    elif open_run.filter(state=Run.State.RUNNING).update(cancel_requested=True):
        event = "cancel_requested"
    else:
        raise RunEnded(f"run {run.pk} has ended already")
    append_event(run, event, {"by": by.pseudonym})
    record(f"run.{event}", actor=by, project=run.project, target=run)
    run.refresh_from_db()
    return run


@transaction.atomic
def resume(run: Run, by: User) -> Run:
    """Queue a paused run again: it goes on from its checkpoint, and what paused it does not pause it again.

    NotPaused when it is not paused, such as after somebody else's click.
    """
    paused = Run.objects.select_for_update(no_key=True).filter(pk=run.pk, state=Run.State.PAUSED).first()
    if paused is None:
        raise NotPaused(f"run {run.pk} is not paused")
    monitors = [alarm["monitor"] for alarm in paused.alarms]
    Run.objects.filter(pk=run.pk).update(
        state=Run.State.QUEUED,
        alarms=[],
        disarmed=sorted({*paused.disarmed, *monitors}),
        sent_at=timezone.now(),
    )
    append_event(run, "resumed", {"by": by.pseudonym, "monitors": monitors})
    record("run.resumed", actor=by, project=run.project, target=run, monitors=monitors)
    send_on_commit(START_TASK, run.pk, queue=TRAIN_QUEUE)
    run.refresh_from_db()
    return run


@transaction.atomic
def append_event(
    run: Run,
    kind: str,
    payload: Mapping[str, Any] | None = None,
    metrics: Mapping[str, float] | None = None,
    step: int | None = None,
) -> RunEvent:
    """Append the run's next event and, with ``metrics``, the points of its curves at ``step``.

    Numbers are given out under a lock on the run that lasts until commit, so whoever has seen event n
    has seen all before it. A step done again by a later attempt replaces its points. The event's
    payload repeats step and metrics (not-a-number and infinities as null) for those who follow live.
    """
    if metrics and step is None:
        raise ValueError("metrics need the step they belong to")
    Run.objects.select_for_update(no_key=True).values_list("pk").get(pk=run.pk)
    last = RunEvent.objects.filter(run=run.pk).aggregate(last=Max("seq"))["last"] or 0
    content = dict(payload or {})
    if step is not None:
        content["step"] = step
    if metrics:
        content["metrics"] = {name: _finite(value) for name, value in metrics.items()}
        _store_metrics(run, metrics, step or 0)
    return RunEvent.objects.create(run_id=run.pk, seq=last + 1, kind=kind, payload=content)


@transaction.atomic
def take_snapshot(project: Project, by: User, ratings: QuerySet[Rating] | None = None) -> DatasetSnapshot:
    """Freeze the project's ratings as training data; the same ratings give the same snapshot, stored once.

    ``ratings`` are the project's, less the surplus ones, unless others of it are given. One row a rating,
    ordered by comparison and pseudonym: ``comparison`` (id), ``prompt_text``, ``signature``, ``code_a``,
    ``code_b``, ``preference`` (-3 to 3, positive when B is better; null when unusable), ``unusable``,
    ``scales_a``, ``scales_b``, ``annotator`` (pseudonym), ``simulated``, and of a gold question ``gold``, the
    ``lowest`` and ``highest`` right preference (null where "unusable" is right). SettingsError when there are none.
    """
    rows = preference_rows(Rating.objects.filter(surplus=False) if ratings is None else ratings, project)
    if not rows:
        raise SettingsError({"snapshot": "there are no ratings yet: rate some comparisons first"})
    snapshot, created = DatasetSnapshot.objects.get_or_create(
        project=project,
        kind=PREFERENCES,
        sha256=canonical_sha256(rows),
        defaults={"rows": rows, "count": len(rows), "created_by": by},
    )
    if created:
        record("snapshot.taken", actor=by, project=project, target=snapshot, count=len(rows), sha256=snapshot.sha256)
    return snapshot


def canonical_sha256(rows: Any) -> str:
    """The hash of the rows as JSON with sorted keys, no spaces, in UTF-8."""
    text = json.dumps(rows, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def preference_rows(ratings: QuerySet[Rating], project: Project) -> list[dict[str, Any]]:
    found = (
        ratings.filter(comparison__project=project)
        .select_related(
            "comparison__prompt", "comparison__sample_a", "comparison__sample_b", "comparison__gold", "annotator"
        )
        .order_by("comparison_id", "annotator__pseudonym")
    )
    return [_preference_row(rating) for rating in found]


def _preference_row(rating: Rating) -> dict[str, Any]:
    comparison = rating.comparison
    return {
        "comparison": comparison.pk,
        "prompt_text": comparison.prompt.text,
        "signature": comparison.prompt.signature,
        "code_a": comparison.sample_a.text,
        "code_b": comparison.sample_b.text,
        "preference": rating.preference,
        "unusable": rating.unusable,
        "scales_a": rating.scales_a,
        "scales_b": rating.scales_b,
        "annotator": rating.annotator.pseudonym,
        "simulated": rating.simulated,
        **_gold_answer(comparison),
    }


def _gold_answer(comparison: Comparison) -> dict[str, Any]:
    """Absent where there is none, so that the hash of a snapshot without gold questions stays what it was."""
    if not hasattr(comparison, "gold"):
        return {}
    return {"gold": {"lowest": comparison.gold.lowest, "highest": comparison.gold.highest}}


def _store_metrics(run: Run, metrics: Mapping[str, float], step: int) -> None:
    Metric.objects.bulk_create(
        [Metric(run_id=run.pk, name=name, step=step, value=float(value)) for name, value in sorted(metrics.items())],
        update_conflicts=True,
        unique_fields=["run", "name", "step"],
        update_fields=["value"],
    )


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


Problems = dict[str, str]


def _foreign(project: Project, given: Mapping[str, ModelVersion | None], snapshot: DatasetSnapshot | None) -> Problems:
    """A run uses its own project's rows only."""
    rows = {**given, "snapshot": snapshot}
    return {
        name: "belongs to another project"
        for name, row in rows.items()
        if row is not None and row.project_id != project.pk
    }


def _none_but(**rows: Any) -> Problems:
    return {name: "is not used by this kind of run" for name, row in rows.items() if row is not None}


def _check_sft(base: Any, candidate: Any, reward: Any, snapshot: Any) -> Problems:
    return _none_but(base_model=base, candidate=candidate, reward_model=reward, snapshot=snapshot)


def _check_generate(base: Any, candidate: Any, reward: Any, snapshot: Any) -> Problems:
    return _none_but(candidate=candidate, reward_model=reward, snapshot=snapshot) | _generator("base_model", base)


def _check_reward_model(base: Any, candidate: Any, reward: Any, snapshot: Any) -> Problems:
    problems = _none_but(candidate=candidate, reward_model=reward) | _backbone(base)
    if snapshot is None:
        problems["snapshot"] = "take a snapshot of the ratings to train on"
    elif snapshot.kind != PREFERENCES or snapshot.count == 0:
        problems["snapshot"] = "holds no preferences: take a snapshot once there are ratings"
    return problems


def _check_ppo(base: Any, candidate: Any, reward: Any, snapshot: Any) -> Problems:
    return _none_but(candidate=candidate, snapshot=snapshot) | _backbone(base) | _reward(reward, base)


def _check_evaluate(base: Any, candidate: Any, reward: Any, snapshot: Any) -> Problems:
    problems = _none_but(snapshot=snapshot) | _generator("base_model", base) | _reward(reward, base)
    if candidate is not None:
        problems |= _generator("candidate", candidate)
        if candidate == base:
            problems["candidate"] = "is the base model itself: choose another model to compare"
    return problems


def _reward(reward: ModelVersion | None, base: ModelVersion | None) -> Problems:
    """A reward model's adapter fits the backbone that it was trained on and no other."""
    if reward is None:
        return {}
    if reward.kind != ModelVersion.Kind.REWARD:
        return {"reward_model": "is not a reward model"}
    if base is not None and reward.parent_id != _backbone_of(base).pk:
        return {"reward_model": "was trained on another backbone: choose one that was trained on the base model"}
    return {}


def _backbone_of(model: ModelVersion) -> ModelVersion:
    while model.kind != ModelVersion.Kind.SUPERVISED and model.parent is not None:
        model = model.parent
    return model


def _generator(name: str, model: ModelVersion | None) -> Problems:
    if model is None:
        return {name: "choose a model"}
    if model.kind not in GENERATORS:
        return {name: "is a reward model, which generates nothing: choose a supervised or aligned model"}
    return {}


def _backbone(model: ModelVersion | None) -> Problems:
    if model is None:
        return {"base_model": "choose the supervised model to start from"}
    if model.kind != ModelVersion.Kind.SUPERVISED:
        return {"base_model": "must be a supervised model"}
    return {}


_CHECKS: dict[str, Callable[[Any, Any, Any, Any], Problems]] = {
    Run.Kind.SFT: _check_sft,
    Run.Kind.GENERATE: _check_generate,
    Run.Kind.REWARD_MODEL: _check_reward_model,
    Run.Kind.PPO: _check_ppo,
    Run.Kind.EVALUATE: _check_evaluate,
}
