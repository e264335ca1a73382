"""Who is signed in, and what an invitation's link leads to."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from webapp.accounts.actions import token_hash
from webapp.accounts.models import Invitation, User

INVITATION_KEY = "invitation"
"""Where the session keeps the invitation's id: never its token, which is in no table."""


def signed_in(request: HttpRequest) -> User:
    """The person behind the request; PermissionDenied when there is none."""
    if not isinstance(request.user, User):
        raise PermissionDenied
    return request.user


def open_invitation(token: str) -> Invitation | None:
    """The unused invitation that the link's token belongs to, if it is not too old."""
    return _open().filter(token_sha256=token_hash(token)).first()


def pending_invitation(request: HttpRequest) -> Invitation | None:
    """The open invitation whose link this browser came by, kept while the person is away at their organisation."""
    kept: int | None = request.session.get(INVITATION_KEY)
    return None if kept is None else _open().filter(pk=kept).first()


def _open() -> QuerySet[Invitation]:
    usable = Invitation.objects.filter(accepted_at__isnull=True, expires_at__gt=timezone.now())
    return usable.select_related("project")
