"""The rating page, its draft, and what can be done about a pair besides rating it."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.forms import BaseForm
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from webapp.accounts.privacy import needs_consent
from webapp.accounts.queries import signed_in
from webapp.catalog.models import Membership, Project
from webapp.catalog.queries import guideline
from webapp.feedback import actions, afterwards, forms, pairs, queries
from webapp.feedback.errors import FeedbackError, NotYours
from webapp.feedback.judgement import Judgement
from webapp.feedback.models import Assignment
from webapp.permissions import role_required


@never_cache
@require_GET
@role_required()
def rate(request: HttpRequest, project: Project) -> HttpResponse:
    """The pair that this person is to rate, or that there is none. First they agree to what is kept of them."""
    return _next(request, project, _key(request.GET.get("rated", "")))


@never_cache
@require_GET
@role_required()
def difference(request: HttpRequest, project: Project, assignment_id: int) -> HttpResponse:
    """Where the two programs of one's own pair differ: for the page's script the table alone."""
    left, right = pairs.samples(_mine(request, project, assignment_id))
    context = {"project": project, "left": left, "right": right, "difference": pairs.difference(left.text, right.text)}
    page = "feedback/_difference.html" if request.htmx else "feedback/difference.html"  # type: ignore[attr-defined]
    return render(request, page, context)


@never_cache
@require_http_methods(["GET", "POST"])
@role_required()
def submit(request: HttpRequest, project: Project) -> HttpResponse:
    """Store a judgement. The answer is the next pair itself: nobody waits for a second trip.

    Sending it again is harmless (the form carries its submission's number), so no redirect has to guard it; the
    page's script makes the address that of the rating page.
    """
    if request.method == "GET":  # Somebody signed in again after sending, or follows the address without the form.
        return redirect(_here(project))
    form = forms.RatingForm(request.POST, scales=project.scales)
    if not form.is_valid():
        return _refused(request, project, form)
    judgement = _checked(request, project, form)
    if judgement is None:
        return _refused(request, project, form)
    data = form.cleaned_data
    try:
        rating = actions.submit(signed_in(request), data["assignment"], judgement, submission=data["submission"])
    except NotYours as error:
        raise Http404(str(error)) from None
    except FeedbackError as error:
        return _conflict(request, project, error)
    if rating.surplus:
        messages.warning(request, _("Saved. Others had rated this pair in the meantime, so yours is kept as an extra."))
    page = _next(request, project, rating.pk)
    page["Content-Location"] = _address(project, rating.pk)
    return page


@require_POST
@role_required()
def draft(request: HttpRequest, project: Project) -> HttpResponse:
    """Keep what is filled in so far; answers with the words for the page's status line."""
    number = request.POST.get("assignment", "")
    try:
        saved = actions.save_draft(signed_in(request), int(number), forms.draft_of(request.POST.dict()))
    except (ValueError, OverflowError, NotYours):
        raise Http404 from None
    except FeedbackError as error:
        return HttpResponse(str(error), content_type="text/plain; charset=utf-8")
    return render(request, "feedback/_saved.html", {"saved": timezone.localtime(saved)})


@require_POST
@role_required()
def renew(request: HttpRequest, project: Project) -> HttpResponse:
    """The page is still looked at: hold the pair longer. Says whether it is still held."""
    number = _key(request.POST.get("assignment", ""))
    if number is None:
        raise Http404
    return JsonResponse({"held": actions.renew(signed_in(request), number) is not None})


@require_POST
@role_required()
def skip(request: HttpRequest, project: Project) -> HttpResponse:
    """Give the pair back with a reason."""
    form = forms.SkipForm(request.POST)
    if not form.is_valid():
        return _told(request, project, form)
    try:
        actions.skip(signed_in(request), form.cleaned_data["assignment"], reason=form.cleaned_data["reason"])
    except NotYours as error:
        raise Http404(str(error)) from None
    except FeedbackError as error:
        return _conflict(request, project, error)
    messages.info(request, _("Skipped. Somebody else will rate that pair."))
    return redirect(_here(project))


@require_POST
@role_required()
def flag(request: HttpRequest, project: Project) -> HttpResponse:
    """Tell the leads what is wrong with the pair."""
    form = forms.FlagForm(request.POST)
    if not form.is_valid():
        return _told(request, project, form)
    try:
        afterwards.flag(signed_in(request), form.cleaned_data["assignment"], problem=form.cleaned_data["problem"])
    except NotYours as error:
        raise Http404(str(error)) from None
    messages.info(request, _("Thank you: the leads will see it. You can still rate the pair, or skip it."))
    return redirect(_here(project))


@require_POST
@role_required()
def undo(request: HttpRequest, project: Project) -> HttpResponse:
    """Take the last rating back and show its pair again, filled in as it was."""
    try:
        afterwards.undo_last(signed_in(request), project)
    except FeedbackError as error:
        messages.error(request, str(error))
    else:
        messages.info(request, _("Taken back. The pair is filled in as you sent it; change it and submit again."))
    return redirect(_here(project))


@require_POST
@role_required()
def revise(request: HttpRequest, project: Project, rating_id: int) -> HttpResponse:
    """Keep what somebody says once they have seen the results, beside what they said before."""
    form = forms.RevisionForm(request.POST)
    if not form.is_valid():
        return _told(request, project, form)
    try:
        afterwards.revise(
            signed_in(request),
            rating_id,
            preference=form.preference,
            unusable=form.unusable,
            reason=form.cleaned_data["reason"],
        )
    except NotYours as error:
        raise Http404(str(error)) from None
    except FeedbackError as error:
        messages.error(request, str(error))
    else:
        messages.info(request, _("Kept beside your first judgement, as a changed mind."))
    return redirect(_here(project))


def _next(request: HttpRequest, project: Project, rated: int | None) -> HttpResponse:
    """The page with the next pair, and with what became of the one that was rated last."""
    if needs_consent(request.membership):  # type: ignore[attr-defined]
        return redirect(f"{reverse('consent', args=[project.slug])}?{urlencode({'next': _here(project)})}")
    assignment = actions.next_assignment(signed_in(request), project)
    return _page(request, project, assignment, values=assignment.draft if assignment else {}, rated=rated)


def _page(
    request: HttpRequest,
    project: Project,
    assignment: Assignment | None,
    *,
    values: Mapping[str, Any],
    rated: int | None = None,
    form: BaseForm | None = None,
    status: int = 200,
) -> HttpResponse:
    annotator = signed_in(request)
    context: dict[str, Any] = {
        "project": project,
        "assignment": assignment,
        "progress": queries.progress(annotator, project),
        "last": None if rated is None else queries.last_pair(annotator, project, rated),
        "saved": rated is not None,
        "address": "" if rated is None else _address(project, rated),
        "preference_choices": forms.PREFERENCES,
        "standing": _standing(request, project),
    }
    if assignment is not None:
        context |= _pair(request, project, assignment, values)
        newest = context["progress"].newest_guideline
        context["guideline"] = guideline(project, request.LANGUAGE_CODE, newest=newest)
        context |= {"errors": form.errors if form else {}, "submission": values.get("submission") or uuid.uuid4()}
    return render(request, "feedback/rate.html", context, status=status)


def _standing(request: HttpRequest, project: Project) -> str:
    """Where somebody stands with the qualification round: ``open``, ``failed``, or nothing."""
    membership: Membership = request.membership  # type: ignore[attr-defined]
    if not project.qualification or membership.qualified_at:
        return ""
    return "failed" if membership.failed_at else "open"


def _pair(request: HttpRequest, project: Project, assignment: Assignment, values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "prompt": assignment.comparison.prompt,
        "sides": pairs.sides(project, assignment, values),
        "preferences": partial(forms.preference_points, values),
        "values": values,
        "skip_reasons": forms.SKIP_REASONS,
        "longest_rationale": forms.LONGEST_RATIONALE,
        "longest_comment": forms.LONGEST_COMMENT,
    }


def _checked(request: HttpRequest, project: Project, form: forms.RatingForm) -> Judgement | None:
    """The judgement with code that was not changed left out; None, and an error, where a line does not exist."""
    judgement = form.judgement()
    if not (judgement.first_edited or judgement.second_edited or judgement.first_comments or judgement.second_comments):
        return judgement
    assignment = _mine(request, project, form.cleaned_data["assignment"])
    left, right = pairs.samples(assignment)
    for letter, sample, comments in (("A", left, judgement.first_comments), ("B", right, judgement.second_comments)):
        last = len(pairs.lines(sample.text))
        if beyond := [line for line in comments if not 1 <= line <= last]:
            where = {"line": beyond[0], "letter": letter, "last": last}
            form.add_error(None, _("There is no line %(line)s in %(letter)s, which has %(last)s.") % where)
            return None
    return replace(
        judgement,
        first_edited="" if pairs.same_code(judgement.first_edited, left.text) else judgement.first_edited,
        second_edited="" if pairs.same_code(judgement.second_edited, right.text) else judgement.second_edited,
    )


def _refused(request: HttpRequest, project: Project, form: forms.RatingForm) -> HttpResponse:
    """The same page with what was filled in and what is wrong with it."""
    wanted = form.cleaned_data.get("assignment")
    if wanted is None:
        raise Http404
    assignment = _mine(request, project, wanted)
    values = {**forms.draft_of(request.POST.dict()), "submission": form.cleaned_data.get("submission")}
    return _page(request, project, assignment, values=values, form=form, status=422)


def _mine(request: HttpRequest, project: Project, assignment_id: int) -> Assignment:
    mine = Assignment.objects.filter(pk=assignment_id, annotator=signed_in(request), comparison__project=project)
    assignment = mine.select_related("comparison__prompt", "comparison__sample_a", "comparison__sample_b").first()
    if assignment is None:
        raise Http404
    return assignment


def _told(request: HttpRequest, project: Project, form: BaseForm) -> HttpResponse:
    """Back to the pair, with what is wrong."""
    messages.error(request, " ".join(str(message) for errors in form.errors.values() for message in errors))
    return redirect(_here(project))


def _conflict(request: HttpRequest, project: Project, error: Exception) -> HttpResponse:
    return render(request, "feedback/conflict.html", {"project": project, "error": str(error)}, status=409)


def _here(project: Project) -> str:
    return reverse("feedback:rate", args=[project.slug])


def _address(project: Project, rated: int) -> str:
    return f"{_here(project)}?rated={rated}"


def _key(text: str) -> int | None:
    """A row's number, if it can be one."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 18 else None
