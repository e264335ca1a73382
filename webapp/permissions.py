"""Who may open which page: a stranger sees 404, a member without the role 403."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, cast

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponseBase

from webapp.accounts.models import User
from webapp.catalog.models import Membership, Project
from webapp.prepared import Joined, Prepared

Role = Membership.Role
P = ParamSpec("P")
_MEMBERSHIP = Joined(("", Membership), ("project", Project))


def membership(user: User, project_slug: str) -> Membership:
    """The user's membership of the project; Http404 for strangers, so that they can't tell that it exists."""
    for row in _member(user.pk, project_slug):
        return cast(Membership, _MEMBERSHIP.models(row))
    raise Http404


@Prepared
def _member(user: int, project_slug: str) -> QuerySet[Membership, tuple[Any, ...]]:
    return Membership.objects.filter(user=user, project__slug=project_slug).values_list(*_MEMBERSHIP.columns)


def role_required(
    *roles: str,
) -> Callable[[Callable[Concatenate[HttpRequest, Project, P], HttpResponseBase]], Callable[..., HttpResponseBase]]:
    """Guard a view whose URL names the project by ``slug``; the view gets the project itself.

    No roles given: any member. The membership is left on ``request.membership``.
    """

    def decorate(
        view: Callable[Concatenate[HttpRequest, Project, P], HttpResponseBase],
    ) -> Callable[..., HttpResponseBase]:
        @login_required
        @wraps(view)
        def guarded(request: HttpRequest, slug: str, *args: Any, **kwargs: Any) -> HttpResponseBase:
            found = membership(_user(request), slug)
            if roles and found.role not in roles:
                raise PermissionDenied
            request.membership = found  # type: ignore[attr-defined]
            return view(request, found.project, *args, **kwargs)

        return guarded

    return decorate


def _user(request: HttpRequest) -> User:
    if not isinstance(request.user, User):
        raise PermissionDenied
    return request.user
