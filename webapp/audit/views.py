"""The audit log, for admins."""

from __future__ import annotations

import json
from urllib.parse import urlencode

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from webapp.audit import queries
from webapp.audit.models import AuditEvent
from webapp.catalog.models import Project
from webapp.permissions import Role, role_required

PAGE_SIZE = 100
FILTERS = ("action", "actor", "since", "until")


@require_safe
@role_required(Role.ADMIN)
def event_list(request: HttpRequest, project: Project) -> HttpResponse:
    """What was done in the project and by whom, newest first."""
    filters = {name: value for name in FILTERS if (value := request.GET.get(name, "").strip())}
    page = Paginator(queries.log(project, filters), PAGE_SIZE).get_page(request.GET.get("page"))
    context = {
        "project": project,
        "page": page,
        "rows": [(event, _details(event)) for event in page],
        "filters": filters,
        "query": urlencode(filters),
        "actions": queries.actions_of(project),
        "actors": [(str(actor.pk), actor) for actor in queries.actors_of(project)],
    }
    return render(request, "audit/list.html", context)


def _details(event: AuditEvent) -> str:
    return json.dumps(event.payload, ensure_ascii=False, indent=1) if event.payload else ""
