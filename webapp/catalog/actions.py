"""Creating projects, giving roles, importing prompts and storing samples."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from django.db import transaction
from django.db.models import Max
from django.utils.translation import gettext as _

from webapp.accounts.models import User
from webapp.audit.actions import record
from webapp.catalog.guideline import default_guideline
from webapp.catalog.models import Guideline, Membership, ModelVersion, Project, Prompt, Sample
from webapp.catalog.tasks import LineError, Row, TaskProblem, numbered, read_task, task_sha256

MOST_ERRORS = 50
"""Errors reported of one import; the rest is counted."""
_BATCH = 500
T = TypeVar("T")


class RoleRefused(Exception):
    """The role can't be changed; the message says why."""


@dataclass(frozen=True)
class ImportReport:
    """What an import did: when there are errors, nothing."""

    created: int = 0
    known: int = 0
    """Tasks that the project, or an earlier line, had already."""
    errors: tuple[LineError, ...] = ()
    error_count: int = 0


@dataclass(frozen=True)
class NewSample:
    """One completion that is to be stored."""

    prompt_id: int
    text: str
    seed: int = 0
    decoding: Mapping[str, Any] = field(default_factory=dict)
    finished: bool = True


@transaction.atomic
def create_project(*, name: str, slug: str, by: User, overlap: int = 2, lease_minutes: int = 30) -> Project:
    """A project with the default guideline, whose first admin is the person who made it."""
    project = Project.objects.create(name=name, slug=slug, overlap=overlap, lease_minutes=lease_minutes)
    Membership.objects.create(project=project, user=by, role=Membership.Role.ADMIN)
    for language, text in default_guideline().items():
        Guideline.objects.create(project=project, version=1, language=language, text=text)
    record("project.created", actor=by, project=project, target=project)
    return project


@transaction.atomic
def change_settings(project: Project, values: Mapping[str, Any], *, by: User) -> dict[str, Any]:
    """Store the settings; returns those that were changed. Pairs keep the overlap that they were made with."""
    _lock(project)
    stored = Project.objects.get(pk=project.pk)
    changed = {name: value for name, value in values.items() if getattr(stored, name) != value}
    if changed:
        Project.objects.filter(pk=project.pk).update(**changed)
        record("project.changed", actor=by, project=project, target=project, **changed)
    return changed


@transaction.atomic
def set_guideline(project: Project, *, texts: Mapping[str, str], by: User) -> int:
    """A new version of the guideline, in each language given; the version's number."""
    _lock(project)
    latest = Guideline.objects.filter(project=project).aggregate(latest=Max("version"))["latest"] or 0
    for language, text in texts.items():
        Guideline.objects.create(project=project, version=latest + 1, language=language, text=text)
    record("guideline.changed", actor=by, project=project, version=latest + 1)
    return latest + 1


@transaction.atomic
def add_member(project: Project, user: User, *, role: str, by: User) -> Membership:
    """Make the person a member; a member keeps the role they have."""
    membership, created = Membership.objects.get_or_create(
        project=project, user=user, defaults={"role": Membership.Role(role)}
    )
    if created:
        record("member.added", actor=by, project=project, target=membership, role=membership.role)
    return membership


@transaction.atomic
def set_role(membership: Membership, role: str, *, by: User) -> None:
    """Give a member another role; RoleRefused when the project would be left without an admin."""
    _lock(membership.project)
    members = Membership.objects.filter(project=membership.project_id)
    loses_admin = Membership.Role(role) != Membership.Role.ADMIN
    if loses_admin and not members.filter(role=Membership.Role.ADMIN).exclude(pk=membership.pk).exists():
        raise RoleRefused(_("A project needs an admin: make somebody else an admin first."))
    if members.filter(pk=membership.pk).exclude(role=role).update(role=role):
        record("member.role_changed", actor=by, project=membership.project, target=membership, role=role)


@transaction.atomic
def import_prompts(
    project: Project, rows: Iterable[Row], *, by: User, read: Callable[[Row], dict[str, Any]] = read_task
) -> ImportReport:
    """Store every task, or none when one row is wrong. Rows are objects, or lines of a JSONL file."""
    tasks, errors, count = read_all(rows, read)
    if errors:
        return ImportReport(errors=tuple(errors), error_count=count)
    _lock(project)  # One import at a time, so that the counts are true.
    known = set(Prompt.objects.filter(project=project).values_list("sha256", flat=True))
    new: dict[str, dict[str, Any]] = {}
    for task in tasks:
        if (digest := task_sha256(task)) not in known:
            new.setdefault(digest, task)
    Prompt.objects.bulk_create((_prompt(project, digest, task) for digest, task in new.items()), batch_size=_BATCH)
    if new:
        record("prompts.imported", actor=by, project=project, count=len(new))
    return ImportReport(created=len(new), known=len(tasks) - len(new))


@transaction.atomic
def add_samples(model_version: ModelVersion, samples: Sequence[NewSample]) -> list[int]:
    """Store completions, each text once for a prompt and model; the ids of all of them, known ones included."""
    rows = [
        Sample(
            prompt_id=sample.prompt_id,
            model_version=model_version,
            text=sample.text,
            sha256=_text_hash(sample.text),
            seed=sample.seed,
            decoding=dict(sample.decoding),
            finished=sample.finished,
        )
        for sample in samples
    ]
    Sample.objects.bulk_create(rows, ignore_conflicts=True, batch_size=_BATCH)
    stored = Sample.objects.filter(model_version=model_version, prompt__in={row.prompt_id for row in rows})
    ids = {(prompt, digest): pk for pk, prompt, digest in stored.values_list("pk", "prompt_id", "sha256")}
    return [ids[row.prompt_id, row.sha256] for row in rows]


def read_all(rows: Iterable[Row], read: Callable[[Row], T]) -> tuple[list[T], list[LineError], int]:
    """What the rows hold, the first of the wrong ones, and how many are wrong."""
    found: list[T] = []
    errors: list[LineError] = []
    count = 0
    for number, row in numbered(rows):
        try:
            found.append(read(row))
        except TaskProblem as problem:
            count += 1
            if len(errors) < MOST_ERRORS:
                errors.append(LineError(number, str(problem)))
    return found, errors, count


def _prompt(project: Project, digest: str, task: Mapping[str, Any]) -> Prompt:
    named = {name: task[name] for name in ("text", "signature", "entry", "language", "family", "split")}
    return Prompt(project=project, sha256=digest, task=dict(task), **named)


def _lock(project: Project) -> None:
    Project.objects.select_for_update(no_key=True).values_list("pk").get(pk=project.pk)


def _text_hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
