"""The review pages: verified outputs and promotions."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from verification.outcome import Certificate, Outcome, worst
from verification.properties import CATALOGUE
from webapp.accounts.erasure import models_touched
from webapp.accounts.models import User
from webapp.catalog.models import ModelVersion, Project, Sample, Verification
from webapp.permissions import Role, role_required
from webapp.review import actions, queries
from webapp.review.code import marked
from webapp.review.models import Promotion, ReviewDecision
from webapp.review.wording import OUTCOMES, PROPERTIES

PAGE_SIZE = 50
FILTERS = ("outcome", "model", "family", "tests", "decision")


@require_safe
@role_required(Role.ADMIN)
def sample_list(request: HttpRequest, project: Project) -> HttpResponse:
    """The verified outputs, newest first."""
    filters = _filters(request)
    page = Paginator(queries.reviewable(project, filters), PAGE_SIZE).get_page(request.GET.get("page"))
    context = {
        "project": project,
        "page": page,
        "rows": [(row, OUTCOMES[row.outcome][0]) for row in queries.rows(page)],
        "query": _query(filters),
        "filters": _choices(project, filters),
        "filtered": bool(filters),
        "touched": models_touched(project),
    }
    return render(request, "review/list.html", context)


@require_safe
@role_required(Role.ADMIN)
def detail(request: HttpRequest, project: Project, sample_id: int) -> HttpResponse:
    """One sample: its code, what was proved or refuted, its tests, its ratings, and the decision on it."""
    return _detail(request, project, _sample(project, sample_id))


@require_POST
@role_required(Role.ADMIN)
def decide(request: HttpRequest, project: Project, sample_id: int) -> HttpResponse:
    """Approve, or reject with a reason."""
    sample = _sample(project, sample_id)
    decision, reason = request.POST.get("decision", ""), request.POST.get("reason", "")
    if decision not in ReviewDecision.Decision.values:
        return _detail(request, project, sample, reason=reason, error=_("Choose to approve or to reject."))
    try:
        made = actions.decide(sample, decision, by=_user(request), reason=reason)
    except actions.ReasonMissing:
        error = _("A rejection needs a reason: say what is wrong with the program.")
        return _detail(request, project, sample, reason=reason, error=error)
    approved = made.decision == ReviewDecision.Decision.APPROVED
    messages.success(request, _("The program is approved.") if approved else _("The program is rejected."))
    address = reverse("review:detail", kwargs={"slug": project.slug, "sample_id": sample.pk})
    query = _query(_filters(request))
    return redirect(f"{address}?{query}" if query else address)


@require_safe
@role_required(Role.ADMIN)
def certificate_json(request: HttpRequest, project: Project, verification_id: int) -> HttpResponse:
    """A proof's certificate as it is stored."""
    verification = _certified(project, verification_id)
    name = f"sample-{verification.sample_id}-{verification.property}.json"
    return JsonResponse(
        verification.certificate,
        json_dumps_params={"indent": 1},
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


@require_safe
@role_required(Role.ADMIN)
def certificate_smt(request: HttpRequest, project: Project, verification_id: int) -> HttpResponse:
    """A proof's obligations as one SMT-LIB 2 script; every check in it must answer ``unsat``."""
    verification = _certified(project, verification_id)
    name = f"sample-{verification.sample_id}-{verification.property}.smt2"
    return HttpResponse(
        _smt_script(Certificate.from_json(verification.certificate or {})),
        content_type="text/plain; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


@require_safe
@role_required(Role.ENGINEER, Role.ADMIN)
def promotions(request: HttpRequest, project: Project) -> HttpResponse:
    """The model versions that could be served, and who asked for and approved that."""
    context = {
        "project": project,
        "models": queries.promotions_of(project),
        "membership": request.membership,  # type: ignore[attr-defined]
        "touched": models_touched(project),
    }
    return render(request, "review/promotions.html", context)


@require_POST
@role_required(Role.ENGINEER, Role.ADMIN)
def request_promotion(request: HttpRequest, project: Project, model_id: int) -> HttpResponse:
    """Ask for a model version to be served."""
    model = get_object_or_404(ModelVersion, project=project, pk=model_id)
    try:
        actions.request_promotion(model, by=_user(request))
    except actions.PromotionRefused as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, _("The promotion is requested; a second person has to approve it."))
    return redirect("review:promotions", slug=project.slug)


@require_POST
@role_required(Role.ADMIN)
def approve_promotion(request: HttpRequest, project: Project, promotion_id: int) -> HttpResponse:
    """Approve somebody else's request."""
    promotion = get_object_or_404(Promotion, model_version__project=project, pk=promotion_id)
    try:
        actions.approve_promotion(promotion, by=_user(request))
    except actions.PromotionRefused as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, _("The promotion is approved."))
    return redirect("review:promotions", slug=project.slug)


def _detail(
    request: HttpRequest, project: Project, sample: Sample, *, reason: str = "", error: str = ""
) -> HttpResponse:
    verdicts = queries.verdicts_of(sample)
    outcome = worst([Outcome(verdict.outcome) for verdict in verdicts])
    filters = _filters(request)
    context = {
        "project": project,
        "sample": sample,
        "outcome": outcome,
        "outcome_label": OUTCOMES[outcome][0],
        "verdicts": [_explained(verdict) for verdict in verdicts],
        "code": marked(sample, _faults(verdicts)),
        "executions": queries.executions_of(sample),
        "ratings": queries.ratings_of(sample),
        "decisions": queries.decisions_of(sample),
        "touched": models_touched(project),
        "next": queries.next_undecided(project, sample, filters),
        "query": _query(filters),
        "reason": reason,
        "error": error,
    }
    return render(request, "review/detail.html", context, status=422 if error else 200)


def _explained(verdict: Verification) -> dict[str, Any]:
    """A verdict with what its property and its outcome mean."""
    label, meaning = OUTCOMES[verdict.outcome]
    info = CATALOGUE.get(verdict.property)
    return {
        "verdict": verdict,
        "label": label,
        "meaning": meaning,
        "obliges": PROPERTIES.get(verdict.property, verdict.property),
        "cwe": info.cwe if info else None,
        "obligations": len((verdict.certificate or {}).get("obligations", ())),
    }


def _faults(verdicts: list[Verification]) -> dict[int, str]:
    """The lines at which a property was refuted, with the properties' names."""
    found: dict[int, list[str]] = {}
    for verdict in verdicts:
        if verdict.outcome == Outcome.REFUTED and verdict.line is not None:
            found.setdefault(verdict.line, []).append(verdict.property)
    return {line: ", ".join(properties) for line, properties in found.items()}


def _smt_script(certificate: Certificate) -> str:
    """The obligations one after the other, each on a solver that has forgotten the one before."""
    head = [
        f"; property: {certificate.property}",
        f"; source sha256: {certificate.source_sha256}",
        *(f"; assumption: {_one_line(text)}" for text in certificate.assumptions),
        *(f"; {name}: {_one_line(version)}" for name, version in certificate.versions.items()),
    ]
    parts = [
        f"; obligation {number} of {len(certificate.obligations)}: must be unsat\n{script.strip()}"
        for number, script in enumerate(certificate.obligations, start=1)
    ]
    return "\n".join(head) + "\n\n" + "\n\n(reset)\n\n".join(parts) + "\n"


def _one_line(text: str) -> str:
    return " ".join(str(text).split())


def _sample(project: Project, sample_id: int) -> Sample:
    samples = Sample.objects.select_related("prompt__project", "model_version__parent")
    return get_object_or_404(samples, prompt__project=project, pk=sample_id)


def _certified(project: Project, verification_id: int) -> Verification:
    found = get_object_or_404(Verification, sample__prompt__project=project, pk=verification_id)
    if not found.certificate:
        raise Http404
    return found


def _filters(request: HttpRequest) -> dict[str, str]:
    return {name: value for name in FILTERS if (value := request.GET.get(name, "").strip())}


def _query(filters: dict[str, str]) -> str:
    return urlencode(filters)


def _choices(project: Project, filters: dict[str, str]) -> list[dict[str, Any]]:
    """The filters as drop-down lists."""
    options: list[tuple[str, str, list[tuple[str, Any]]]] = [
        ("outcome", _("Outcome"), [(name, label) for name, (label, _meaning) in OUTCOMES.items() if name != "vacuous"]),
        ("model", _("Model"), [(str(model.pk), model.name) for model in queries.models_of(project)]),
        ("family", _("Family"), [(family, family) for family in queries.families_of(project)]),
        ("tests", _("Tests"), [("passed", _("all passed")), ("failed", _("some failed"))]),
        (
            "decision",
            _("Decision"),
            [(queries.UNDECIDED, _("undecided")), *ReviewDecision.Decision.choices],
        ),
    ]
    return [
        {"name": name, "label": label, "choices": choices, "chosen": filters.get(name, "")}
        for name, label, choices in options
    ]


def _user(request: HttpRequest) -> User:
    assert isinstance(request.user, User)  # role_required lets nobody else through
    return request.user
