"""Samples that were made elsewhere: stored under their prompts, and put before the annotators in pairs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from webapp.accounts.models import User
from webapp.audit.actions import record
from webapp.catalog.actions import ImportReport, NewSample, add_samples, read_all
from webapp.catalog.models import ModelVersion, Project, Prompt, Sample
from webapp.catalog.tasks import Row, TaskProblem, parsed, storable
from webapp.feedback.actions import create_comparisons

LONGEST_CODE = 100_000
MOST_PAIRS = 6
"""Pairs of one prompt that an import makes: all of four samples."""


@dataclass(frozen=True)
class _Read:
    """One row: whose code for which prompt."""

    prompt: int
    model: str
    code: str


@transaction.atomic
def import_samples(project: Project, rows: Iterable[Row], *, by: User, pair: bool) -> ImportReport:
    """Store every sample, or none when one row is wrong. With ``pair``, its prompt's samples are compared.

    A row names its prompt by ``key``, ``prompt_sha256``, or ``text`` and ``signature``, and has ``code`` and ``model``.
    """
    prompts = _Prompts(project)
    read, errors, count = read_all(rows, lambda row: _sample(row, prompts))
    if errors:
        return ImportReport(errors=tuple(errors), error_count=count)
    created, ids = 0, []
    for name in dict.fromkeys(row.model for row in read):
        version, _new = ModelVersion.objects.get_or_create(
            project=project, name=name, defaults={"kind": ModelVersion.Kind.EXTERNAL, "path": "", "sha256": ""}
        )
        before = version.samples.count()
        ids += add_samples(version, [NewSample(row.prompt, row.code) for row in read if row.model == name])
        created += version.samples.count() - before
    if pair:
        create_comparisons(project, _pairs(ids))
    if created:
        record("samples.imported", actor=by, project=project, count=created)
    return ImportReport(created=created, known=len(read) - created)


class _Prompts:
    """The project's prompts by what a row may name them with."""

    def __init__(self, project: Project) -> None:
        rows = Prompt.objects.filter(project=project).values_list("pk", "sha256", "task__key", "text", "signature")
        self._known: dict[Any, int] = {}
        for pk, digest, key, text, signature in rows:
            self._known |= {("prompt_sha256", digest): pk, ("key", key): pk, (text, signature): pk}

    def of(self, row: Mapping[str, Any]) -> int:
        names: Sequence[Any] = [("key", row.get("key")), ("prompt_sha256", row.get("prompt_sha256"))]
        for name in (*names, (row.get("text"), row.get("signature"))):
            try:
                if (found := self._known.get(name)) is not None:
                    return found
            except TypeError:  # Lists and objects name nothing.
                continue
        raise TaskProblem(
            _("there is no such prompt in this project: name it by key, prompt_sha256, or text and signature")
        )


def _sample(given: Row, prompts: _Prompts) -> _Read:
    row = given if isinstance(given, Mapping) else parsed(given)
    for field, longest in (("code", LONGEST_CODE), ("model", 120)):
        value = row.get(field)
        if not isinstance(value, str) or not value.strip():
            raise TaskProblem(_("%(field)s must be a text that is not empty") % {"field": field})
        if len(value) > longest:
            raise TaskProblem(_("%(field)s is longer than %(count)s characters") % {"field": field, "count": longest})
    storable({"code": row["code"], "model": row["model"]})
    return _Read(prompts.of(row), row["model"].strip(), row["code"].replace("\r\n", "\n"))


def _pairs(ids: Iterable[int]) -> list[tuple[Sample, Sample]]:
    """Samples of one prompt against each other, each text once."""
    by_prompt: dict[int, dict[str, Sample]] = {}
    for sample in Sample.objects.filter(pk__in=list(ids)).select_related("prompt").order_by("pk"):
        by_prompt.setdefault(sample.prompt_id, {}).setdefault(sample.text, sample)
    return [pair for samples in by_prompt.values() for pair in list(combinations(samples.values(), 2))[:MOST_PAIRS]]
