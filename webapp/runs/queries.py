"""Reading runs for the pages."""

from __future__ import annotations

import math
from collections.abc import Iterable

from django.db.models import Count, OuterRef, QuerySet, Subquery, Sum

from webapp.catalog.models import ModelVersion, Project, Prompt
from webapp.feedback.models import Rating
from webapp.runs.models import DatasetSnapshot, ErasureNotice, Metric, Run, RunEvent

MOST_POINTS = 1500
"""A curve with more points than this is thinned for the page; the newest point always stays."""
LEADING = ("reward", "validation_full", "kl", "loss", "accuracy", "syntax", "reward/")
"""What engineers look at first, in this order; a name with a slash at its end stands for all that begin so."""
TIMES = "seconds_"
"""What comes last begins so."""

Series = dict[str, list[tuple[int, float | None]]]


def runs_of(project: Project) -> QuerySet[Run]:
    """The project's runs, newest first, with what the list shows of each.

    ``erased_accounts`` had ``erased_ratings`` of the snapshot's rows; both are null where nobody was erased since.
    """
    notices = ErasureNotice.objects.filter(snapshot=OuterRef("snapshot")).order_by().values("snapshot")
    return (
        Run.objects.filter(project=project)
        .annotate(
            erased_accounts=Subquery(notices.annotate(found=Count("pk")).values("found")),
            erased_ratings=Subquery(notices.annotate(found=Sum("rows")).values("found")),
        )
        .select_related("created_by", "base_model", "candidate", "reward_model", "snapshot", "output")
        .order_by("-pk")
    )


def events_of(run: Run, limit: int = 50) -> list[RunEvent]:
    """The run's latest events, newest first, without the steps, which the curves show."""
    return list(run.events.exclude(kind="progress").order_by("-seq")[:limit])


def last_seq(run: Run) -> int:
    """The number of the run's newest event; 0 when there is none."""
    return run.events.order_by("-seq").values_list("seq", flat=True).first() or 0


def series_of(run: Run) -> Series:
    """Every curve's points in order of steps, leading names first; what is no number is None."""
    found: Series = {}
    for name, step, value in run.metrics.order_by("name", "step").values_list("name", "step", "value"):
        found.setdefault(name, []).append((step, value if math.isfinite(value) else None))
    return {name: _thinned(found[name]) for name in in_order(found)}


def latest_metrics(run: Run) -> list[Metric]:
    """The newest value of every metric, leading names first."""
    newest = {metric.name: metric for metric in run.metrics.order_by("name", "-step").distinct("name")}
    return [newest[name] for name in in_order(newest)]


def in_order(names: Iterable[str]) -> list[str]:
    """The names with those that matter most first."""
    return sorted(names, key=lambda name: (_rank(name), name))


def supervised_models(project: Project) -> QuerySet[ModelVersion]:
    return project.model_versions.filter(kind=ModelVersion.Kind.SUPERVISED).order_by("-pk")


def generating_models(project: Project) -> QuerySet[ModelVersion]:
    kinds = [ModelVersion.Kind.SUPERVISED, ModelVersion.Kind.ALIGNED]
    return project.model_versions.filter(kind__in=kinds).order_by("-pk")


def reward_models(project: Project) -> QuerySet[ModelVersion]:
    return project.model_versions.filter(kind=ModelVersion.Kind.REWARD).select_related("parent").order_by("-pk")


def splits_of(project: Project) -> list[str]:
    return list(Prompt.objects.filter(project=project).values_list("split", flat=True).distinct().order_by("split"))


def rating_counts(project: Project) -> dict[str, int]:
    """How many ratings a snapshot taken now would hold, and how many of them are simulated."""
    ratings = Rating.objects.filter(comparison__project=project, surplus=False)
    return {"all": ratings.count(), "simulated": ratings.filter(simulated=True).count()}


def snapshot_simulated(snapshot: DatasetSnapshot) -> int:
    """How many of the snapshot's rows a simulated panel gave."""
    return sum(bool(row.get("simulated")) for row in snapshot.rows)


def _thinned(points: list[tuple[int, float | None]]) -> list[tuple[int, float | None]]:
    stride = max(1, math.ceil(len(points) / MOST_POINTS))
    return points[::stride] + ([] if (len(points) - 1) % stride == 0 else points[-1:])


def _rank(name: str) -> int:
    if name.startswith(TIMES):
        return len(LEADING) + 1
    found = (rank for rank, one in enumerate(LEADING) if name == one or (one.endswith("/") and name.startswith(one)))
    return next(found, len(LEADING))
