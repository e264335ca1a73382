"""What somebody has rated: their own page."""

from __future__ import annotations

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from webapp.accounts.queries import signed_in
from webapp.catalog.models import Project
from webapp.feedback import own_queries
from webapp.permissions import role_required

PAGE_SIZE = 25


@require_safe
@role_required()
def mine(request: HttpRequest, project: Project) -> HttpResponse:
    """One's own ratings, newest first, with what gold questions say of them."""
    annotator = signed_in(request)
    page = Paginator(own_queries.ratings(annotator, project), PAGE_SIZE).get_page(request.GET.get("page"))
    context = {
        "project": project,
        "page": page,
        "rows": [own_queries.own_rating(rating, request.LANGUAGE_CODE) for rating in page],
        "gold": own_queries.gold_score(annotator, project),
    }
    return render(request, "feedback/mine.html", context)
