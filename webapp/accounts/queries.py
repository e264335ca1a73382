"""Who is signed in, and what an invitation's link leads to."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.utils import timezone

from webapp.accounts.actions import token_hash
from webapp.accounts.models import Invitation, User


def signed_in(request: HttpRequest) -> User:
    """The person behind the request; PermissionDenied when there is none."""
    if not isinstance(request.user, User):
        raise PermissionDenied
    return request.user


def open_invitation(token: str) -> Invitation | None:
    """The unused invitation that the link's token belongs to, if it is not too old."""
    return (
        Invitation.objects.select_related("project")
        .filter(token_sha256=token_hash(token), accepted_at__isnull=True, expires_at__gt=timezone.now())
        .first()
    )
