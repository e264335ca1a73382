"""The sessions in which somebody is signed in."""

from __future__ import annotations

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.models import Session

from webapp.accounts.models import User


def end_sessions(user: User) -> None:
    """Sign the person out everywhere. The table does not say whose a session is, so each is looked into."""
    mine = [
        session.pk
        for session in Session.objects.iterator(chunk_size=1000)
        if session.get_decoded().get(SESSION_KEY) == str(user.pk)
    ]
    Session.objects.filter(pk__in=mine).delete()
