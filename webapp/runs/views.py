"""The runs pages, for engineers and admins."""

from __future__ import annotations

import math
from typing import Any

from asgiref.sync import sync_to_async
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db import connection
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST, require_safe

from webapp.accounts.erasure import models_touched
from webapp.accounts.models import User
from webapp.catalog.models import Project
from webapp.permissions import Role, membership, role_required
from webapp.runs import actions, queries, results, wording
from webapp.runs.actions import NotPaused, RunEnded, request_cancel
from webapp.runs.forms import BASIC, LaunchForm
from webapp.runs.models import Run
from webapp.runs.sse import stream

RUNNERS = (Role.ENGINEER, Role.ADMIN)
PAGE_SIZE = 50


@require_safe
@role_required(*RUNNERS)
def run_list(request: HttpRequest, project: Project) -> HttpResponse:
    """The project's runs, newest first."""
    page = Paginator(queries.runs_of(project), PAGE_SIZE).get_page(request.GET.get("page"))
    kinds = [(kind, Run.Kind(kind).label) for kind in BASIC]
    context = {"project": project, "page": page, "kinds": kinds, "touched": models_touched(project)}
    return render(request, "runs/list.html", context)


@role_required(*RUNNERS)
def new(request: HttpRequest, project: Project, kind: str) -> HttpResponse:
    """The form that launches a run of one kind."""
    if kind not in BASIC:
        raise Http404
    if request.method == "POST":
        form = LaunchForm(project, kind, request.POST)
        if run := form.launch(_user(request)):
            messages.success(request, _("Run %(number)d is queued.") % {"number": run.pk})
            return redirect("runs:detail", slug=project.slug, run_id=run.pk)
        return render(request, "runs/new.html", _form_context(project, kind, form), status=422)
    form = LaunchForm(project, kind, scale=request.GET.get("scale", "demo"))
    return render(request, "runs/new.html", _form_context(project, kind, form))


@require_safe
@role_required(*RUNNERS)
def detail(request: HttpRequest, project: Project, run_id: int) -> HttpResponse:
    """One run: state, curves, results, events and settings."""
    run = _run(project, run_id)
    # The number is read before the points: what happens in between comes again over the stream.
    seq = queries.last_seq(run)
    context = _summary_context(project, run) | {
        "seq": seq,
        "series": queries.series_of(run),
        "settings": _settings(run.config),
        "simulated": queries.snapshot_simulated(run.snapshot) if run.snapshot else 0,
    }
    return render(request, "runs/detail.html", context)


@require_safe
@role_required(*RUNNERS)
def summary(request: HttpRequest, project: Project, run_id: int) -> HttpResponse:
    """The part of the run's page that changes while it runs."""
    return render(request, "runs/_summary.html", _summary_context(project, _run(project, run_id)))


@require_POST
@role_required(*RUNNERS)
def cancel(request: HttpRequest, project: Project, run_id: int) -> HttpResponse:
    """Ask the run to stop."""
    try:
        run = request_cancel(_run(project, run_id), _user(request))
    except RunEnded:
        messages.warning(request, _("The run has ended already."))
    else:
        ended = run.state == Run.State.CANCELLED
        messages.success(request, _("The run is cancelled.") if ended else _("The run stops at its next step."))
    return redirect("runs:detail", slug=project.slug, run_id=run_id)


@require_POST
@role_required(*RUNNERS)
def resume(request: HttpRequest, project: Project, run_id: int) -> HttpResponse:
    """Let a paused run go on."""
    try:
        actions.resume(_run(project, run_id), _user(request))
    except NotPaused:
        messages.warning(request, _("The run is not paused any more."))
    else:
        messages.success(request, _("The run goes on from its checkpoint."))
    return redirect("runs:detail", slug=project.slug, run_id=run_id)


@require_GET
async def events(request: HttpRequest, slug: str, run_id: int) -> HttpResponseBase:
    """The run's events after ``Last-Event-ID`` (or ``?after=``) as they happen; 204 when there can be no more."""
    after = _after(request)
    if not await sync_to_async(_has_more)(request, slug, run_id, after):
        return HttpResponse(status=204)
    return StreamingHttpResponse(
        stream(run_id, after),
        content_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


def _has_more(request: HttpRequest, slug: str, run_id: int, after: int) -> bool:
    """Whether the person may follow the run, and whether anything is left to follow.

    The connection is closed at once: Django would keep it for as long as the stream is open.
    """
    try:
        if not isinstance(request.user, User) or not request.user.is_active:
            raise PermissionDenied
        found = membership(request.user, slug)
        if found.role not in RUNNERS:
            raise PermissionDenied
        run = get_object_or_404(Run, project=found.project, pk=run_id)
        return not run.ended or queries.last_seq(run) > after
    finally:
        connection.close()


def _after(request: HttpRequest) -> int:
    sent = request.headers.get("Last-Event-ID") or request.GET.get("after") or "0"
    return min(int(sent), 2**31 - 1) if sent.isascii() and sent.isdecimal() else 0


def _run(project: Project, run_id: int) -> Run:
    return get_object_or_404(queries.runs_of(project), pk=run_id)


def _user(request: HttpRequest) -> User:
    assert isinstance(request.user, User)  # role_required lets nobody else through
    return request.user


def _form_context(project: Project, kind: str, form: LaunchForm) -> dict[str, Any]:
    context: dict[str, Any] = {"project": project, "kind": Run.Kind(kind), "form": form}
    if kind == Run.Kind.REWARD_MODEL:
        context["ratings"] = queries.rating_counts(project)
    return context


def _summary_context(project: Project, run: Run) -> dict[str, Any]:
    return {
        "project": project,
        "run": run,
        "output": getattr(run, "output", None),
        "touched": models_touched(project),
        "alarms": [wording.alarm(alarm) for alarm in run.alarms],
        "percent": math.floor(100 * run.step / run.total_steps) if run.total_steps else None,
        "tables": results.tables(run.result),
        "metrics": [
            {"name": metric.name, "step": metric.step, "shown": results.number(metric.value)}
            for metric in queries.latest_metrics(run)
        ],
        "events": [
            {"at": event.created_at, "text": wording.event(event.kind, event.payload)}
            for event in queries.events_of(run)
        ],
    }


def _settings(config: dict[str, Any], prefix: str = "") -> list[tuple[str, str, str]]:
    """The run's settings, one a line: name, label and value."""
    found: list[tuple[str, str, str]] = []
    for name, value in config.items():
        if isinstance(value, dict):
            found += _settings(value, f"{prefix}{name}.")
        else:
            shown = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            found.append((prefix + name, wording.label(name), shown))
    return found
