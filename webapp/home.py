"""The first page after signing in, and the health check."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render

from webapp.catalog.models import Membership


@login_required
def home(request: HttpRequest) -> HttpResponse:
    """The person's projects; straight to the project when there is one only."""
    memberships = list(
        Membership.objects.filter(user=request.user.pk).select_related("project").order_by("project__name")
    )
    if len(memberships) == 1:
        return redirect("catalog:project", slug=memberships[0].project.slug)
    return render(request, "home.html", {"memberships": memberships})


def health(request: HttpRequest) -> JsonResponse:
    """200 when the database answers."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return JsonResponse({"status": "ok"})
