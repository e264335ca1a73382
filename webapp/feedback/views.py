"""The rating page, its draft, and skipping."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from webapp.accounts.queries import signed_in
from webapp.catalog.models import Project
from webapp.catalog.queries import guideline
from webapp.feedback import actions, forms, queries
from webapp.feedback.models import Assignment
from webapp.permissions import role_required


@never_cache
@require_GET
@role_required()
def rate(request: HttpRequest, project: Project) -> HttpResponse:
    """The pair that this person is to rate, or that there is none."""
    assignment = actions.next_assignment(signed_in(request), project)
    return _page(request, project, assignment, values=assignment.draft if assignment else {})


@require_POST
@role_required()
def submit(request: HttpRequest, project: Project) -> HttpResponse:
    """Store a judgement and go on to the next pair."""
    form = forms.RatingForm(request.POST)
    if not form.is_valid():
        return _refused(request, project, form)
    data = form.cleaned_data
    try:
        rating = actions.submit(signed_in(request), data["assignment"], form.judgement(), submission=data["submission"])
    except actions.NotYours as error:
        raise Http404(str(error)) from None
    except actions.FeedbackError as error:
        return _conflict(request, project, error)
    if rating.surplus:
        messages.warning(request, _("Saved. Others had rated this pair in the meantime, so yours is kept as an extra."))
    return redirect(f"{_here(project)}?rated={rating.pk}")


@require_POST
@role_required()
def draft(request: HttpRequest, project: Project) -> HttpResponse:
    """Keep what is filled in so far; answers with the words for the page's status line."""
    number = request.POST.get("assignment", "")
    try:
        saved = actions.save_draft(signed_in(request), int(number), forms.draft_of(request.POST.dict()))
    except (ValueError, OverflowError, actions.NotYours):
        raise Http404 from None
    except actions.FeedbackError as error:
        return HttpResponse(str(error), content_type="text/plain; charset=utf-8")
    return render(request, "feedback/_saved.html", {"saved": timezone.localtime(saved)})


@require_POST
@role_required()
def skip(request: HttpRequest, project: Project) -> HttpResponse:
    """Give the pair back with a reason."""
    form = forms.SkipForm(request.POST)
    if not form.is_valid():
        messages.error(request, " ".join(str(message) for errors in form.errors.values() for message in errors))
        return redirect(_here(project))
    try:
        actions.skip(signed_in(request), form.cleaned_data["assignment"], reason=form.cleaned_data["reason"])
    except actions.NotYours as error:
        raise Http404(str(error)) from None
    except actions.FeedbackError as error:
        return _conflict(request, project, error)
    messages.info(request, _("Skipped. Somebody else will rate that pair."))
    return redirect(_here(project))


def _page(
    request: HttpRequest,
    project: Project,
    assignment: Assignment | None,
    *,
    values: Mapping[str, Any],
    form: forms.RatingForm | None = None,
    status: int = 200,
) -> HttpResponse:
    annotator = signed_in(request)
    rated = request.GET.get("rated", "")
    context: dict[str, Any] = {
        "project": project,
        "assignment": assignment,
        "progress": queries.progress(annotator, project),
        "last": queries.last_pair(annotator, project, int(rated)) if rated.isdecimal() and len(rated) < 18 else None,
        "saved": bool(rated),
    }
    if assignment is not None:
        context |= _pair(request, project, assignment, values)
        context |= {"errors": form.errors if form else {}, "submission": values.get("submission") or uuid.uuid4()}
    return render(request, "feedback/rate.html", context, status=status)


def _pair(request: HttpRequest, project: Project, assignment: Assignment, values: Mapping[str, Any]) -> dict[str, Any]:
    pair = [assignment.comparison.sample_a, assignment.comparison.sample_b]
    if assignment.swapped:
        pair.reverse()
    return {
        "prompt": assignment.comparison.prompt,
        "sides": [
            {"side": side, "letter": letter, "sample": sample, "scales": forms.scale_rows(side, values)}
            for side, letter, sample in zip(("left", "right"), "AB", pair, strict=True)
        ],
        "preferences": forms.preference_points(values),
        "values": values,
        "skip_reasons": forms.SKIP_REASONS,
        "longest_rationale": forms.LONGEST_RATIONALE,
        "guideline": guideline(project, request.LANGUAGE_CODE),
    }


def _refused(request: HttpRequest, project: Project, form: forms.RatingForm) -> HttpResponse:
    """The same page with what was filled in and what is wrong with it."""
    wanted = form.cleaned_data.get("assignment")
    if wanted is None:
        raise Http404
    mine = Assignment.objects.filter(pk=wanted, annotator=signed_in(request), comparison__project=project)
    assignment = mine.select_related("comparison__prompt", "comparison__sample_a", "comparison__sample_b").first()
    if assignment is None:
        raise Http404
    values = {**forms.draft_of(request.POST.dict()), "submission": form.cleaned_data.get("submission")}
    return _page(request, project, assignment, values=values, form=form, status=422)


def _conflict(request: HttpRequest, project: Project, error: Exception) -> HttpResponse:
    return render(request, "feedback/conflict.html", {"project": project, "error": str(error)}, status=409)


def _here(project: Project) -> str:
    return reverse("feedback:rate", args=[project.slug])
