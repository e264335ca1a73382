"""Consent to what is stored of an annotator's work, and the end of what they wrote after a project's time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, TypeVar

from django.db import transaction
from django.db.models import Model, Q, QuerySet
from django.utils import timezone

from webapp.accounts.models import User
from webapp.audit.actions import record
from webapp.catalog.models import Membership, Project
from webapp.feedback.models import Assignment, LineComment, Rating, Revision

CONSENT_VERSION = 1
"""Of the wording in templates/accounts/_consent_*.html: raise it with each change of what people agree to."""
BATCH = 500

M = TypeVar("M", bound=Model)


def needs_consent(membership: Membership) -> bool:
    """Whether the person has yet to agree to the current wording before they rate; simulated ones never need to."""
    if membership.consent_version == CONSENT_VERSION:
        return False
    return not membership.user.simulated


@transaction.atomic
def give_consent(membership: Membership) -> None:
    """The person agrees to the current wording; agreeing again changes nothing."""
    now = timezone.now()
    outdated = Membership.objects.filter(pk=membership.pk).exclude(consent_version=CONSENT_VERSION)
    if outdated.update(consent_version=CONSENT_VERSION, consented_at=now):
        _record("consent.given", membership, version=CONSENT_VERSION)
    membership.refresh_from_db(fields=["consent_version", "consented_at"])


@transaction.atomic
def withdraw_consent(membership: Membership) -> None:
    """The person rates no more until they agree again; what they rated stays."""
    given = Membership.objects.filter(pk=membership.pk, consent_version__gt=0)
    if given.update(consent_version=0, consented_at=None):
        _record("consent.withdrawn", membership)
    membership.refresh_from_db(fields=["consent_version", "consented_at"])


def erase_old_text(now: datetime) -> int:
    """Blank what annotators wrote longer ago than their project keeps it; how many rows that were.

    Judgements (preferences and scales) stay. Safe to run at any time and by two at once.
    """
    projects = Project.objects.filter(retention_days__isnull=False).order_by("pk")
    return sum(_erase_before(project, now - timedelta(days=project.retention_days or 0)) for project in projects)


def _erase_before(project: Project, limit: datetime) -> int:
    ratings = Rating.objects.filter(WRITTEN, comparison__project=project, created_at__lt=limit)
    revisions = Revision.objects.filter(rating__comparison__project=project, created_at__lt=limit).exclude(reason="")
    comments = LineComment.objects.filter(rating__comparison__project=project, rating__created_at__lt=limit)
    left = Assignment.objects.filter(NOTED, comparison__project=project, leased_at__lt=limit)
    left = left.exclude(state=Assignment.State.LEASED)
    counts = {
        "ratings": sum(_of(Rating, keys).update(**BLANK_RATING) for keys in _batches(ratings)),
        "revisions": sum(_of(Revision, keys).update(reason="") for keys in _batches(revisions)),
        "comments": sum(_of(LineComment, keys).delete()[0] for keys in _batches(comments)),
        "assignments": sum(_of(Assignment, keys).update(**BLANK_ASSIGNMENT) for keys in _batches(left)),
    }
    if any(counts.values()):
        record("text.retired", actor=None, project=project, target=project, before=limit.isoformat(), **counts)
    return sum(counts.values())


WRITTEN = ~Q(rationale="", edited_a="", edited_b="")
"""Ratings that hold free text."""
BLANK_RATING: dict[str, Any] = {"rationale": "", "edited_a": "", "edited_b": ""}
NOTED = ~Q(draft={}, skip_reason="", flag="")
"""Assignments that hold free text."""
BLANK_ASSIGNMENT: dict[str, Any] = {"draft": {}, "skip_reason": "", "flag": ""}


def _batches(rows: QuerySet[M]) -> Iterator[list[Any]]:
    """Keys of rows that are still to be done; each batch is a transaction of its own, so that nobody waits long."""
    while keys := list(rows.order_by("pk").values_list("pk", flat=True)[:BATCH]):
        with transaction.atomic():
            yield keys


def _of(model: type[M], keys: list[Any]) -> QuerySet[M]:
    return model._default_manager.filter(pk__in=keys)


def _record(action: str, membership: Membership, **payload: Any) -> None:
    actor = User.objects.get(pk=membership.user_id)
    record(action, actor=actor, project=membership.project, target=membership, **payload)
