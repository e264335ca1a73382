"""A project's overview, its members, and the import of prompts."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from webapp.accounts.actions import INVITATION_DAYS, invite
from webapp.accounts.models import User
from webapp.accounts.queries import signed_in
from webapp.accounts.second_step import ResetRefused, reset_second_step
from webapp.catalog import actions, queries
from webapp.catalog.files import FileProblem, reader, rows_of
from webapp.catalog.forms import ImportForm, RoleForm
from webapp.catalog.models import Membership, Project
from webapp.catalog.sample_import import import_samples
from webapp.feedback.queries import progress
from webapp.permissions import Role, role_required


@require_GET
@role_required()
def project(request: HttpRequest, project: Project) -> HttpResponse:
    """The overview: what is left to rate, and for engineers and admins the rest of the loop."""
    role = request.membership.role  # type: ignore[attr-defined]
    return render(
        request,
        "catalog/project.html",
        {
            "project": project,
            "progress": progress(signed_in(request), project),
            "overview": queries.overview(project) if role != Role.ANNOTATOR else None,
            "guideline": queries.guideline(project, request.LANGUAGE_CODE),
        },
    )


@require_GET
@role_required(Role.ADMIN)
def members(request: HttpRequest, project: Project) -> HttpResponse:
    return _members_page(request, project, RoleForm())


@require_POST
@role_required(Role.ADMIN)
def invitation(request: HttpRequest, project: Project) -> HttpResponse:
    """Create a link and show it on this page only: it is kept nowhere."""
    form = RoleForm(request.POST)
    if not form.is_valid():
        return _members_page(request, project, form, status=422)
    made = invite(project, form.cleaned_data["role"], by=signed_in(request))
    link = request.build_absolute_uri(reverse("accounts:join", args=[made.token]))
    return _members_page(request, project, RoleForm(), link=link, link_role=made.invitation.get_role_display())


@require_POST
@role_required(Role.ADMIN)
def role(request: HttpRequest, project: Project, pk: int) -> HttpResponse:
    """Change one member's role."""
    membership = get_object_or_404(Membership.objects.select_related("project"), project=project, pk=pk)
    form = RoleForm(request.POST)
    if not form.is_valid():
        return _members_page(request, project, form, status=422)
    try:
        actions.set_role(membership, form.cleaned_data["role"], by=signed_in(request))
    except actions.RoleRefused as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, _("The role has been changed."))
    return redirect("catalog:members", slug=project.slug)


@require_POST
@role_required(Role.ADMIN)
def second_step(request: HttpRequest, project: Project, pk: int) -> HttpResponse:
    """Turn off the second step of a member who has lost it."""
    membership = get_object_or_404(Membership.objects.select_related("project", "user"), project=project, pk=pk)
    try:
        reset_second_step(membership, by=signed_in(request))
    except ResetRefused as refusal:
        messages.error(request, str(refusal))
    else:
        name = membership.user.pseudonym
        messages.success(request, _("%(name)s now signs in with the password alone.") % {"name": name})
    return redirect("catalog:members", slug=project.slug)


@require_http_methods(["GET", "POST"])
@role_required(Role.ENGINEER, Role.ADMIN)
def import_prompts(request: HttpRequest, project: Project) -> HttpResponse:
    """Upload a file: all of its tasks or samples are stored, or none and the wrong lines are listed."""
    sent = request.method == "POST"
    form = ImportForm(request.POST, request.FILES) if sent else ImportForm()
    if not form.is_valid():
        status = 422 if sent else 200
        return render(request, "catalog/import.html", {"project": project, "form": form}, status=status)
    try:
        report = _imported(project, form, signed_in(request))
    except FileProblem as problem:
        form.add_error("file", str(problem))
        return render(request, "catalog/import.html", {"project": project, "form": form}, status=422)
    if report.errors:
        context = {"project": project, "form": form, "report": report}
        return render(request, "catalog/import.html", context, status=422)
    messages.success(request, _import_message(report, form.cleaned_data["kind"]))
    return redirect("catalog:project", slug=project.slug)


def _imported(project: Project, form: ImportForm, by: User) -> actions.ImportReport:
    data = form.cleaned_data
    rows = rows_of(data["file"])
    if data["kind"] == "samples":
        return import_samples(project, rows, by=by, pair=data["pair"])
    return actions.import_prompts(project, rows, by=by, read=reader(data["kind"], data["language"]))


def _import_message(report: actions.ImportReport, kind: str) -> str:
    if kind == "samples":
        new = ngettext("%(count)s new sample.", "%(count)s new samples.", report.created)
    else:
        new = ngettext("%(count)s new prompt.", "%(count)s new prompts.", report.created)
    new %= {"count": report.created}
    known = ngettext("%(count)s was known already.", "%(count)s were known already.", report.known)
    return f"{new} {known % {'count': report.known}}" if report.known else new


def _members_page(
    request: HttpRequest, project: Project, form: RoleForm, *, link: str = "", link_role: str = "", status: int = 200
) -> HttpResponse:
    context = {
        "project": project,
        "members": queries.members(project),
        "roles": Membership.Role.choices,
        "form": form,
        "link": link,
        "link_role": link_role,
        "days": INVITATION_DAYS,
    }
    response = render(request, "catalog/members.html", context, status=status)
    if link:
        response["Cache-Control"] = "no-store"
    return response
