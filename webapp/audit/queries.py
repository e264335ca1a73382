"""Reading the audit log."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time

from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.dateparse import parse_date

from webapp.accounts.models import User
from webapp.audit.models import AuditEvent
from webapp.catalog.models import Project


def log(project: Project, filters: Mapping[str, str]) -> QuerySet[AuditEvent]:
    """The project's events, newest first; narrowed by action, actor (id) and the days ``since`` and ``until``."""
    events = AuditEvent.objects.filter(project=project).select_related("actor").order_by("-pk")
    if action := filters.get("action"):
        events = events.filter(Q(action=action) | Q(action__startswith=f"{action}."))
    if (actor := filters.get("actor", "")).isdecimal():
        events = events.filter(actor=int(actor))
    if since := _day(filters.get("since", "")):
        events = events.filter(created_at__gte=timezone.make_aware(datetime.combine(since, time.min)))
    if until := _day(filters.get("until", "")):
        events = events.filter(created_at__lte=timezone.make_aware(datetime.combine(until, time.max)))
    return events


def actions_of(project: Project) -> list[str]:
    return list(
        AuditEvent.objects.filter(project=project).order_by("action").values_list("action", flat=True).distinct()
    )


def actors_of(project: Project) -> QuerySet[User]:
    events = AuditEvent.objects.filter(project=project, actor__isnull=False)
    return User.objects.filter(pk__in=events.values("actor")).order_by("pseudonym")


def _day(text: str) -> date | None:
    try:
        return parse_date(text)
    except ValueError:
        return None
