"""What the overview and the members page show, and the guideline in a reader's language."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from allauth.mfa.models import Authenticator
from django.db.models import Count, Exists, OuterRef, Q, QuerySet

from webapp.catalog.models import Guideline, Membership, ModelVersion, Project, Prompt, Sample, Verification
from webapp.feedback.models import Rating
from webapp.runs.models import Run


@dataclass(frozen=True)
class Overview:
    """A project in numbers."""

    prompts: int
    samples: int
    checked: int
    """Samples that were executed and verified."""
    refuted: int
    """Samples of which at least one property was refuted."""
    comparisons: int
    ratings: int
    simulated_ratings: int
    models: list[ModelVersion]
    active_runs: list[Run]
    latest_runs: list[Run]


def overview(project: Project) -> Overview:
    samples = Sample.objects.filter(prompt__project=project)
    sample_counts = samples.aggregate(all=Count("pk"), checked=Count("pk", filter=Q(checked_at__isnull=False)))
    refuted = Verification.objects.filter(sample__prompt__project=project, outcome="refuted")
    ratings = Rating.objects.filter(comparison__project=project).aggregate(
        all=Count("pk"), simulated=Count("pk", filter=Q(simulated=True))
    )
    runs = Run.objects.filter(project=project).order_by("-pk")
    return Overview(
        prompts=Prompt.objects.filter(project=project).count(),
        samples=sample_counts["all"],
        checked=sample_counts["checked"],
        refuted=refuted.values("sample").distinct().count(),
        comparisons=project.comparisons.count(),
        ratings=ratings["all"],
        simulated_ratings=ratings["simulated"],
        models=list(ModelVersion.objects.filter(project=project).order_by("-pk")[:6]),
        active_runs=list(runs.filter(state__in=Run.OPEN)[:6]),
        latest_runs=list(runs.exclude(state__in=Run.OPEN)[:6]),
    )


def members(project: Project) -> QuerySet[Membership]:
    """Everybody in the project with the number of their ratings there, and whether they have a second step."""
    in_project = Q(user__ratings__comparison__project=project)
    return (
        Membership.objects.filter(project=project)
        .select_related("user")
        .annotate(ratings=Count("user__ratings", filter=in_project))
        .annotate(two_steps=Exists(Authenticator.objects.filter(user=OuterRef("user"))))
        .order_by("role", "user__pseudonym")
    )


def guideline(project: Project, language: str, *, newest: int | None = None) -> Guideline | None:
    """The latest version, in the language if there is one, else in English or whatever there is.

    Whoever knows the key of the project's newest row is spared the reading of what this process has read before.
    """
    found = newest_guidelines(project.pk) if newest is None else _guidelines_since(project.pk, newest)
    for wanted in (language, "en"):
        for text in found:
            if text.language == wanted:
                return text
    return found[0] if found else None


def newest_guidelines(project_id: int) -> tuple[Guideline, ...]:
    """The latest version in all its languages."""
    found = list(Guideline.objects.filter(project=project_id).order_by("-version"))
    return tuple(text for text in found if text.version == found[0].version)


@lru_cache(maxsize=256)
def _guidelines_since(project_id: int, newest: int) -> tuple[Guideline, ...]:
    """Rows are never changed, so what was read when ``newest`` was the newest holds until there is a newer one."""
    del newest
    return newest_guidelines(project_id)
