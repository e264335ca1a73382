"""The leads' pages: how good the ratings are, disagreements, gold questions, flags."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from webapp.accounts.queries import signed_in
from webapp.catalog.models import Membership, Project
from webapp.feedback import forms, lead_actions, lead_forms, lead_queries, quality, quality_queries
from webapp.feedback import gold as gold_questions
from webapp.feedback.alpha import Alpha
from webapp.feedback.lead_forms import in_words, range_in_words
from webapp.feedback.models import Assignment, Comparison, Gold, Rating
from webapp.permissions import Role, role_required

LEADS = (Role.LEAD, Role.ENGINEER, Role.ADMIN)
PAGE_SIZE = 50
AGREEMENTS_SHOWN = 50


@require_safe
@role_required(*LEADS)
def overview(request: HttpRequest, project: Project) -> HttpResponse:
    """The project's agreement, and its annotators with whatever is remarkable about them first."""
    found = quality_queries.overview(project, simulated=_simulated(request))
    context = {
        "found": found,
        "meaning": _meaning(found.ordinal),
        "agreements": found.agreements[:AGREEMENTS_SHOWN],
        "least_pairs": quality.LEAST_PAIRS,
        "ordered_by": lead_queries.ordered_by(project),
    }
    return _page(request, "quality", project, context)


@require_safe
@role_required(*LEADS)
def annotator(request: HttpRequest, project: Project, user_id: int) -> HttpResponse:
    """One member's answers, habits and latest ratings."""
    user = _member(project, user_id).user
    # Simulated panellists have simulated ratings only: their page would be empty without them.
    found = quality_queries.annotator(project, user, simulated=user.simulated or _simulated(request))
    context = {
        "found": found,
        "row": found.row,
        "most": max((item.count for item in found.bins), default=0),
        "gold": [
            (item, in_words(item.rating.preference), range_in_words(item.gold.lowest, item.gold.highest))
            for item in found.gold
        ],
        "recent": [_said(rating) for rating in found.recent],
    }
    return _page(request, "annotator", project, context)


@require_safe
@role_required(*LEADS)
def adjudications(request: HttpRequest, project: Project) -> HttpResponse:
    """The pairs that wait for a decision, and what was decided."""
    waiting = lead_queries.disagreements(project, simulated=_simulated(request))
    context = {
        "page": Paginator(waiting, PAGE_SIZE).get_page(request.GET.get("page")),
        "decided": [(item, in_words(item.preference)) for item in lead_queries.adjudicated(project)[:PAGE_SIZE]],
    }
    return _page(request, "adjudications", project, context)


@never_cache
@require_safe
@role_required(*LEADS)
def pair(request: HttpRequest, project: Project, comparison_id: int) -> HttpResponse:
    """A pair and, once it has all its ratings, what was said of it."""
    return _pair(request, project, comparison_id, lead_forms.AdjudicationForm())


@require_POST
@role_required(*LEADS)
def decide(request: HttpRequest, project: Project, comparison_id: int) -> HttpResponse:
    """Store a lead's decision about a pair."""
    form = lead_forms.AdjudicationForm(request.POST)
    comparison = _comparison(project, comparison_id)
    if not form.is_valid():
        return _pair(request, project, comparison_id, form)
    data = form.cleaned_data
    done = _attempt(
        request,
        lambda: lead_actions.adjudicate(
            comparison,
            by=signed_in(request),
            preference=data["preference"],
            unusable=data["unusable"],
            reason=data["reason"],
        ),
        _("Decided. The ratings stay as they are."),
    )
    if done:
        return redirect("quality:adjudications", slug=project.slug)
    return redirect("quality:pair", slug=project.slug, comparison_id=comparison.pk)


@require_safe
@role_required(*LEADS)
def gold(request: HttpRequest, project: Project) -> HttpResponse:
    """The gold questions; with ``?comparison=`` also the form that makes one of that pair."""
    number = request.GET.get("comparison", "").strip().lstrip("#")
    if not number:
        return _gold(request, project)
    found = lead_queries.pair(project, int(number)) if number.isdecimal() and len(number) < 19 else None
    if found is None:
        messages.error(request, _("There is no pair with this number in the project."))
        return redirect("quality:gold", slug=project.slug)
    return _gold(request, project, found, lead_forms.GoldForm(initial=_proposed(found.comparison)))


@require_POST
@role_required(*LEADS)
def make_gold(request: HttpRequest, project: Project) -> HttpResponse:
    """Store the right answer to a pair, or change it."""
    form = lead_forms.GoldForm(request.POST)
    valid = form.is_valid()
    number = form.cleaned_data.get("comparison")
    found = lead_queries.pair(project, number) if number else None
    if found is None:
        raise Http404
    if not valid:
        return _gold(request, project, found, form)
    data = form.cleaned_data
    gold_questions.make_gold(
        found.comparison,
        by=signed_in(request),
        lowest=data["lowest"],
        highest=data["highest"],
        explanation=form.explanation(),
        qualifying=data["qualifying"],
    )
    messages.success(request, _("Pair %(number)s is a gold question.") % {"number": found.comparison.pk})
    return redirect("quality:gold", slug=project.slug)


@require_POST
@role_required(*LEADS)
def qualifying(request: HttpRequest, project: Project, gold_id: int) -> HttpResponse:
    """Put a gold question into the qualification round, or take it out."""
    question = get_object_or_404(Gold.objects.select_related("comparison"), pk=gold_id, comparison__project=project)
    wanted = request.POST.get("qualifying") == "1"
    lead_actions.set_qualifying(question, wanted, by=signed_in(request))
    done = _("It is part of the qualification round.") if wanted else _("It is no longer part of the qualification.")
    messages.success(request, done)
    return redirect("quality:gold", slug=project.slug)


@require_safe
@role_required(*LEADS)
def flags(request: HttpRequest, project: Project) -> HttpResponse:
    """What annotators said is wrong with pairs."""
    page = Paginator(lead_queries.flags(project), PAGE_SIZE).get_page(request.GET.get("page"))
    return _page(request, "flags", project, {"page": page})


@require_POST
@role_required(*LEADS)
def resolve_flag(request: HttpRequest, project: Project, assignment_id: int) -> HttpResponse:
    """Take one of them off the list."""
    flagged = Assignment.objects.select_related("comparison__project").filter(comparison__project=project)
    found = get_object_or_404(flagged.exclude(flag=""), pk=assignment_id)
    _attempt(request, lambda: lead_actions.resolve_flag(found, by=signed_in(request)), _("The flag is resolved."))
    return redirect("quality:flags", slug=project.slug)


@require_POST
@role_required(*LEADS)
def let_in(request: HttpRequest, project: Project, user_id: int) -> HttpResponse:
    """Let somebody who failed the qualification round rate all the same."""
    found = _member(project, user_id)
    done = _("%(name)s may rate now.") % {"name": found.user}
    _attempt(request, lambda: lead_actions.let_in(found, by=signed_in(request)), done)
    return redirect("quality:overview", slug=project.slug)


@require_POST
@role_required(*LEADS)
def try_again(request: HttpRequest, project: Project, user_id: int) -> HttpResponse:
    """Give somebody who failed the qualification round another one."""
    found = _member(project, user_id)
    done = _("%(name)s may try again.") % {"name": found.user}
    _attempt(request, lambda: lead_actions.let_try_again(found, by=signed_in(request)), done)
    return redirect("quality:overview", slug=project.slug)


def _attempt(request: HttpRequest, action: Callable[[], object], done: str) -> bool:
    """Do it and say so, or say why it can't be done."""
    try:
        action()
    except lead_actions.LeadError as error:
        messages.error(request, str(error))
        return False
    messages.success(request, done)
    return True


def _pair(
    request: HttpRequest, project: Project, comparison_id: int, form: lead_forms.AdjudicationForm
) -> HttpResponse:
    found = lead_queries.pair(project, comparison_id)
    if found is None:
        raise Http404
    me = signed_in(request)
    values = form.data if form.is_bound else {}
    context = {
        "found": found,
        "comparison": found.comparison,
        "ratings": [_said(rating) for rating in found.ratings],
        "decision": in_words(found.adjudication.preference) if found.adjudication else "",
        "own": any(rating.annotator_id == me.pk for rating in found.ratings),
        "form": form,
        "values": values,
        "preferences": forms.preference_points(values),
        "longest_reason": lead_forms.LONGEST_REASON,
    }
    return _page(request, "adjudicate", project, context, status=422 if form.errors else 200)


def _gold(
    request: HttpRequest,
    project: Project,
    found: lead_queries.Pair | None = None,
    form: lead_forms.GoldForm | None = None,
) -> HttpResponse:
    questions = lead_queries.gold(project, simulated=_simulated(request))
    page = Paginator(questions, PAGE_SIZE).get_page(request.GET.get("page"))
    context = {
        "page": page,
        "questions": [(question, range_in_words(question.lowest, question.highest)) for question in page],
        "found": found,
        "comparison": found.comparison if found else None,
        "form": form,
        "decided": [
            (item, in_words(item.preference))
            for item in lead_queries.adjudicated(project).filter(comparison__gold__isnull=True)[:PAGE_SIZE]
        ],
        "longest_reason": lead_forms.LONGEST_REASON,
    }
    return _page(request, "gold", project, context, status=422 if form and form.errors else 200)


def _proposed(comparison: Comparison) -> dict[str, Any]:
    """What the form starts with: the question as it is, or what follows from a lead's decision about the pair."""
    values: dict[str, Any] = {"comparison": comparison.pk}
    question: Gold | None = getattr(comparison, "gold", None)
    if question is not None:
        explained = {f"explanation_{language}": text for language, text in question.explanation.items()}
        same = {name: getattr(question, name) for name in ("lowest", "highest", "unusable", "qualifying")}
        return values | explained | same
    if (decision := getattr(comparison, "adjudication", None)) is not None:
        ends = lead_actions.gold_range(decision)
        values |= {"unusable": True} if ends is None else dict(zip(("lowest", "highest"), ends, strict=True))
    return values


def _said(rating: Rating) -> dict[str, Any]:
    """A rating with its preference, and the later one, in words."""
    revision = getattr(rating, "revision", None)
    return {
        "rating": rating,
        "words": in_words(rating.preference),
        "revision": revision,
        "revised": in_words(revision.preference) if revision else "",
    }


def _meaning(alpha: Alpha) -> str:
    """Krippendorff's conventions (Content Analysis, 2004, chapter 11) in plain words."""
    if alpha.value is None:
        return ""
    if alpha.value >= 0.8:
        return _("From 0.8 on, ratings are taken as reliable: who rated a pair hardly matters.")
    if alpha.value >= 2 / 3:
        return _("From 0.67 to 0.8, ratings carry tentative conclusions: trust averages, not single ratings.")
    if alpha.value > 0:
        return _(
            "Below 0.67, single ratings are not reliable: ask more people for each pair, "
            "make the guideline clearer, and decide the disagreements."
        )
    return _("At 0 or below, people agree no more than by chance: the ratings say nothing about the pairs yet.")


def _comparison(project: Project, pk: int) -> Comparison:
    return get_object_or_404(Comparison.objects.select_related("project"), project=project, pk=pk)


def _member(project: Project, user_id: int) -> Membership:
    return get_object_or_404(Membership.objects.select_related("project", "user"), project=project, user=user_id)


def _simulated(request: HttpRequest) -> bool:
    return request.GET.get("simulated") == "1"


def _page(
    request: HttpRequest, name: str, project: Project, context: dict[str, Any], *, status: int = 200
) -> HttpResponse:
    simulated = _simulated(request)
    shared = {"project": project, "simulated": simulated, "query": "simulated=1" if simulated else ""}
    return render(request, f"feedback/{name}.html", {**shared, **context}, status=status)
