"""Who is signed in, read anew with each page and so by statements that are written once in a process."""

from __future__ import annotations

from typing import Any, cast

from allauth.account.auth_backends import AuthenticationBackend
from django.db.models import QuerySet

from webapp.accounts.models import User
from webapp.prepared import Joined, Prepared

_USER = Joined(("", User))


class Backend(AuthenticationBackend):  # type: ignore[misc]
    """allauth's, by username or address and password."""

    def get_user(self, user_id: int) -> User | None:
        for row in _user(int(user_id)):
            user = cast(User, _USER.models(row))
            return user if self.user_can_authenticate(user) else None
        return None


@Prepared
def _user(pk: int) -> QuerySet[User, tuple[Any, ...]]:
    return User.objects.filter(pk=pk).values_list(*_USER.columns)
