"""Reading verified outputs and promotions for the pages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Case, Exists, IntegerField, Min, OuterRef, Q, QuerySet, Subquery, Value, When

from verification.outcome import WORST_FIRST, Outcome, worst
from verification.properties import CATALOGUE
from webapp.catalog.models import Execution, ModelVersion, Project, Sample, Verification
from webapp.feedback.models import Rating
from webapp.review.models import Promotion, ReviewDecision

UNDECIDED = "undecided"
TESTS = ("passed", "failed")

_RANKS = {outcome: rank for rank, outcome in enumerate(WORST_FIRST)} | {
    Outcome.VACUOUS: WORST_FIRST.index(Outcome.PROVED)
}
_RANK = Case(
    *(When(outcome=outcome, then=Value(rank)) for outcome, rank in _RANKS.items()), output_field=IntegerField()
)


@dataclass(frozen=True)
class Row:
    """One line of the review list: a sample and what is known of it."""

    sample: Sample
    outcome: Outcome
    breaks: tuple[str, ...]
    """The properties that gave the outcome, when it isn't PROVED."""
    executions: tuple[Execution, ...]
    decision: str


@dataclass(frozen=True)
class RatingSummary:
    """How people and simulated panellists rated the sample against others."""

    better: int
    worse: int
    equal: int
    unusable: int
    simulated: int
    total: int


def reviewable(project: Project, filters: Mapping[str, str]) -> QuerySet[Sample]:
    """The project's verified samples, newest first, narrowed by outcome, model, family, tests and decision."""
    samples = (
        Sample.objects.filter(prompt__project=project, verifications__isnull=False)
        .distinct()
        .annotate(
            verifier_version=_newest_version(),
            latest_decision=_latest_decision(),
        )
        .select_related("prompt", "model_version")
        .order_by("-pk")
    )
    if (outcome := filters.get("outcome", "")) in _RANKS:
        samples = samples.annotate(rank=_worst_rank()).filter(rank=_RANKS[Outcome(outcome)])
    if (model := filters.get("model", "")).isdecimal():
        samples = samples.filter(model_version=int(model))
    if family := filters.get("family"):
        samples = samples.filter(prompt__family=family)
    if (tests := filters.get("tests")) in TESTS:
        failed = Exists(Execution.objects.filter(sample=OuterRef("pk")).exclude(status="passed"))
        run = Exists(Execution.objects.filter(sample=OuterRef("pk")))
        samples = samples.filter(run, ~failed if tests == "passed" else failed)
    if (decision := filters.get("decision")) in ReviewDecision.Decision.values:
        samples = samples.filter(latest_decision=decision)
    elif decision == UNDECIDED:
        samples = samples.filter(latest_decision__isnull=True)
    return samples


def rows(samples: Iterable[Sample]) -> list[Row]:
    """What the list shows of these samples (from ``reviewable``), by two more queries in all."""
    shown = list(samples)
    keys = [sample.pk for sample in shown]
    verdicts = _grouped(Verification.objects.filter(sample__in=keys).defer("certificate", "assumptions"))
    executions = _grouped(Execution.objects.filter(sample__in=keys).order_by("created_at"))
    return [_row(sample, verdicts.get(sample.pk, []), executions.get(sample.pk, [])) for sample in shown]


def next_undecided(project: Project, after: Sample, filters: Mapping[str, str]) -> Sample | None:
    """The next sample below in the same list that nobody has decided on."""
    return reviewable(project, {**filters, "decision": UNDECIDED}).filter(pk__lt=after.pk).first()


def verdicts_of(sample: Sample) -> list[Verification]:
    """The newest verifier's verdicts, the worst first and then in the catalogue's order."""
    version = Verification.objects.filter(sample=sample).order_by("-created_at", "-pk").values("verifier_version")[:1]
    order = list(CATALOGUE)
    found = sample.verifications.filter(verifier_version=Subquery(version))
    return sorted(
        found,
        key=lambda item: (
            WORST_FIRST.index(Outcome(item.outcome)),
            order.index(item.property) if item.property in CATALOGUE else len(order),
        ),
    )


def executions_of(sample: Sample) -> list[Execution]:
    """The newest result of each suite, public first."""
    newest = {execution.suite: execution for execution in sample.executions.order_by("created_at")}
    return [newest[suite] for suite in ("public", "hidden") if suite in newest]


def decisions_of(sample: Sample) -> QuerySet[ReviewDecision]:
    return sample.decisions.select_related("reviewer").order_by("-created_at", "-pk")


def ratings_of(sample: Sample) -> RatingSummary:
    """Every rating of a comparison with this sample, seen from the sample's side."""
    mine = Q(comparison__sample_a=sample) | Q(comparison__sample_b=sample)
    found = list(Rating.objects.filter(mine, surplus=False).select_related("comparison"))
    sides = [
        0
        if rating.preference is None
        else rating.preference * (1 if rating.comparison.sample_b_id == sample.pk else -1)
        for rating in found
    ]
    unusable = sum(rating.unusable for rating in found)
    return RatingSummary(
        better=sum(side > 0 for side in sides),
        worse=sum(side < 0 for side in sides),
        equal=sides.count(0) - unusable,
        unusable=unusable,
        simulated=sum(rating.simulated for rating in found),
        total=len(found),
    )


def models_of(project: Project) -> QuerySet[ModelVersion]:
    """The project's model versions that have samples, newest first."""
    return project.model_versions.filter(samples__isnull=False).distinct().order_by("-pk")


def families_of(project: Project) -> list[str]:
    return list(project.prompts.values_list("family", flat=True).distinct().order_by("family"))


def promotions_of(project: Project) -> list[tuple[ModelVersion, list[Promotion]]]:
    """Every model version that could be served, newest first, with its promotions, newest first."""
    kinds = [ModelVersion.Kind.SUPERVISED, ModelVersion.Kind.ALIGNED]
    models = project.model_versions.filter(kind__in=kinds).select_related("parent", "run").order_by("-pk")
    promotions = Promotion.objects.filter(model_version__project=project).select_related("requested_by", "approved_by")
    by_model: dict[int, list[Promotion]] = {}
    for promotion in promotions.order_by("-pk"):
        by_model.setdefault(promotion.model_version_id, []).append(promotion)
    return [(model, by_model.get(model.pk, [])) for model in models]


def _row(sample: Sample, verdicts: list[Verification], executions: list[Execution]) -> Row:
    version = getattr(sample, "verifier_version", "")
    current = [verdict for verdict in verdicts if verdict.verifier_version == version]
    outcome = worst([Outcome(verdict.outcome) for verdict in current])
    breaks = tuple(verdict.property for verdict in current if verdict.outcome == outcome != Outcome.PROVED)
    newest = {execution.suite: execution for execution in executions}
    shown = tuple(newest[suite] for suite in ("public", "hidden") if suite in newest)
    return Row(sample, outcome, breaks, shown, getattr(sample, "latest_decision", "") or "")


def _grouped(found: QuerySet[Any]) -> dict[int, list[Any]]:
    groups: dict[int, list[Any]] = {}
    for item in found:
        groups.setdefault(item.sample_id, []).append(item)
    return groups


def _newest_version() -> Subquery:
    found = Verification.objects.filter(sample=OuterRef("pk")).order_by("-created_at", "-pk")
    return Subquery(found.values("verifier_version")[:1])


def _latest_decision() -> Subquery:
    found = ReviewDecision.objects.filter(sample=OuterRef("pk")).order_by("-created_at", "-pk")
    return Subquery(found.values("decision")[:1])


def _worst_rank() -> Subquery:
    """The rank (in WORST_FIRST) of the newest verifier's worst verdict on a sample."""
    current = Verification.objects.filter(sample=OuterRef("pk"), verifier_version=OuterRef("verifier_version"))
    ranks = current.order_by().values("sample").annotate(worst_rank=Min(_RANK)).values_list("worst_rank")
    return Subquery(ranks)
