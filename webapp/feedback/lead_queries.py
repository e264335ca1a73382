"""What waits for the leads: disagreements, gold questions, flags; a fixed number of statements each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db.models import Case, Count, F, IntegerField, Max, Min, Q, QuerySet, Value, When
from django.db.models.functions import Coalesce

from webapp.catalog.models import Project
from webapp.feedback import quality
from webapp.feedback.models import Adjudication, Assignment, Comparison, Gold, Rating

if TYPE_CHECKING:
    from webapp.runs.models import Run


@dataclass(frozen=True)
class Pair:
    """A comparison with what was said of it, as far as it may be shown to a lead."""

    comparison: Comparison
    ratings: list[Rating]
    """None is shown until the pair has all its ratings, so that a lead who is asked to rate it judges alone."""
    complete: bool
    adjudication: Adjudication | None
    disagrees: bool


def disagreements(project: Project, *, simulated: bool) -> QuerySet[Comparison]:
    """Pairs with all their ratings on which annotators disagree and nobody has decided, the furthest apart first.

    Each has ``gap``, as ``quality.gap`` counts it. Gold questions have their answer already.
    """
    given = Q(ratings__surplus=False)
    shown = given if simulated else given & Q(ratings__simulated=False)
    return (
        Comparison.objects.filter(project=project, is_gold=False, adjudication__isnull=True)
        .annotate(
            given=Count("ratings", filter=given),
            shown=Count("ratings", filter=shown),
            low=Min("ratings__preference", filter=shown),
            high=Max("ratings__preference", filter=shown),
            unusable=Count("ratings", filter=shown & Q(ratings__unusable=True)),
        )
        .annotate(
            gap=Case(
                When(unusable__gt=0, unusable__lt=F("shown"), then=Value(quality.WIDEST)),
                default=Coalesce(F("high") - F("low"), Value(0)),
                output_field=IntegerField(),
            )
        )
        .filter(Q(gap__gte=quality.FAR_APART) | Q(low__lt=0, high__gt=0), given__gte=F("overlap"))
        .select_related("prompt")
        .defer("prompt__task")
        .order_by("-gap", "pk")
    )


def pair(project: Project, comparison_id: int) -> Pair | None:
    """One comparison of the project, with its ratings once it has all of them."""
    found = (
        Comparison.objects.filter(project=project, pk=comparison_id)
        .select_related(
            "prompt", "sample_a__model_version", "sample_b__model_version", "gold", "adjudication__decided_by"
        )
        .defer("prompt__task")
        .first()
    )
    if found is None:
        return None
    ratings = list(
        Rating.objects.filter(comparison=found)
        .select_related("annotator", "revision")
        .prefetch_related("comments")
        .order_by("surplus", "pk")
    )
    counted = [rating.preference for rating in ratings if not rating.surplus]
    decision: Adjudication | None = getattr(found, "adjudication", None)
    complete = decision is not None or (not found.is_gold and len(counted) >= found.overlap)
    return Pair(found, ratings if complete else [], complete, decision, complete and quality.disagree(counted))


def adjudicated(project: Project) -> QuerySet[Adjudication]:
    """What was decided, newest first."""
    return (
        Adjudication.objects.filter(comparison__project=project)
        .select_related("comparison__prompt", "comparison__gold", "decided_by")
        .defer("comparison__prompt__task")
        .order_by("-pk")
    )


def gold(project: Project, *, simulated: bool) -> QuerySet[Gold]:
    """The gold questions, newest first, each with how many ``answered`` it and how many of these are ``right``."""
    shown = Q(comparison__ratings__surplus=False)
    if not simulated:
        shown &= Q(comparison__ratings__simulated=False)
    inside = Q(comparison__ratings__preference__gte=F("lowest"), comparison__ratings__preference__lte=F("highest"))
    neither = Q(unusable=True, comparison__ratings__unusable=True)
    return (
        Gold.objects.filter(comparison__project=project)
        .annotate(
            answered=Count("comparison__ratings", filter=shown),
            right=Count("comparison__ratings", filter=shown & (inside | neither)),
        )
        .select_related("comparison__prompt")
        .defer("comparison__prompt__task")
        .order_by("-pk")
    )


def ordered_by(project: Project) -> Run | None:
    """The reward model's training that put the open pairs in their order; None where nothing did yet."""
    return project.runs.filter(events__kind="prioritised").order_by("-events__pk").first()


def flags(project: Project) -> QuerySet[Assignment]:
    """What annotators said is wrong with pairs and nobody has resolved, oldest first."""
    return (
        Assignment.objects.filter(comparison__project=project, flag_resolved_at__isnull=True)
        .exclude(flag="")
        .select_related("annotator", "comparison__prompt")
        .defer("comparison__prompt__task")
        .order_by("pk")
    )
