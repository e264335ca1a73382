"""The page of a project's settings, for admins."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from webapp.accounts.queries import signed_in
from webapp.catalog import actions
from webapp.catalog.models import Guideline, Project
from webapp.catalog.settings_form import GuidelineForm, ProjectForm, newest_guideline
from webapp.permissions import Role, role_required


@require_http_methods(["GET", "POST"])
@role_required(Role.ADMIN)
def project_settings(request: HttpRequest, project: Project) -> HttpResponse:
    """How the project's pairs are rated, and by which guideline."""
    about_guideline = request.POST.get("form") == "guideline"
    sent = request.method == "POST"
    form = ProjectForm(request.POST if sent and not about_guideline else None, instance=project)
    guideline = GuidelineForm(request.POST if sent and about_guideline else None, project=project)
    if sent and (guideline if about_guideline else form).is_valid():
        return _kept_guideline(request, project, guideline) if about_guideline else _kept(request, project, form)
    project.refresh_from_db()  # A form that was refused has changed the object, and the page's head shows it.
    context = {
        "project": project,
        "form": form,
        "guideline_form": guideline,
        "versions": Guideline.objects.filter(project=project).order_by("-version", "language")[:20],
    }
    return render(request, "catalog/settings.html", context, status=422 if sent else 200)


def _kept(request: HttpRequest, project: Project, form: ProjectForm) -> HttpResponse:
    changed = actions.change_settings(project, form.changes(), by=signed_in(request))
    messages.success(request, _("The settings have been changed.") if changed else _("Nothing was changed."))
    return redirect("catalog:settings", slug=project.slug)


def _kept_guideline(request: HttpRequest, project: Project, form: GuidelineForm) -> HttpResponse:
    texts = form.texts()
    if texts == newest_guideline(project):
        messages.info(request, _("Nothing was changed."))
    else:
        version = actions.set_guideline(project, texts=texts, by=signed_in(request))
        messages.success(request, _("The guideline is now version %(version)s.") % {"version": version})
    return redirect("catalog:settings", slug=project.slug)
