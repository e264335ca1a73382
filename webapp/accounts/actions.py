"""Creating people, and inviting them."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from webapp.accounts.models import Invitation, User
from webapp.audit.actions import record
from webapp.catalog.models import Membership, Project

INVITATION_DAYS = 7
ERASED_PREFIX = "erased-"
"""Usernames of people who were erased begin so, and nobody else's."""


class InvitationRefused(Exception):
    """The invitation can't be used; the message says why and what to do."""


@dataclass(frozen=True)
class NewInvitation:
    """An invitation with its token, which is kept nowhere else."""

    invitation: Invitation
    token: str


@transaction.atomic
def create_user(
    *,
    username: str,
    password: str,
    pseudonym: str = "",
    email: str = "",
    language: str = "en",
    simulated: bool = False,
    by: User | None = None,
) -> User:
    """A new person who can sign in; without a pseudonym the username is shown to others."""
    user = User(
        username=username,
        pseudonym=pseudonym or username,
        email=email.strip().lower(),
        language=language,
        simulated=simulated,
    )
    user.set_password(password)
    user.save()
    record("user.created", actor=by or user, target=user, simulated=simulated)
    return user


@transaction.atomic
def invite(project: Project, role: str, *, by: User) -> NewInvitation:
    """A link for one person into one project; the token can't be read back from the database."""
    token = secrets.token_urlsafe(32)
    invitation = Invitation.objects.create(
        project=project,
        role=Membership.Role(role),
        token_sha256=token_hash(token),
        created_by=by,
        expires_at=timezone.now() + timedelta(days=INVITATION_DAYS),
    )
    record("member.invited", actor=by, project=project, target=invitation, role=invitation.role)
    return NewInvitation(invitation, token)


@transaction.atomic
def accept(invitation: Invitation, user: User) -> Membership:
    """Use the invitation up and make the user a member; InvitationRefused when it is used, too old or not needed."""
    if Membership.objects.filter(project=invitation.project, user=user).exists():
        raise InvitationRefused(_("You are already a member of this project."))
    now = timezone.now()
    unused = Invitation.objects.filter(pk=invitation.pk, accepted_at__isnull=True, expires_at__gt=now)
    if unused.update(accepted_at=now, accepted_by=user) != 1:
        raise InvitationRefused(_("This invitation was used already or is too old. Ask for a new one."))
    membership = Membership.objects.create(project=invitation.project, user=user, role=invitation.role)
    record("member.joined", actor=user, project=invitation.project, target=membership, role=membership.role)
    return membership


@transaction.atomic
def sign_up(invitation: Invitation, *, username: str, password: str, pseudonym: str, email: str, language: str) -> User:
    """A new person by invitation: both the person and the membership, or neither."""
    user = create_user(username=username, password=password, pseudonym=pseudonym, email=email, language=language)
    accept(invitation, user)
    return user


@transaction.atomic
def join(invitation: Invitation, user: User) -> Membership:
    """The membership of somebody new whose account an organisation's server vouches for."""
    record("user.created", actor=user, target=user, simulated=False)
    return accept(invitation, user)


def is_reserved(username: str) -> bool:
    """Whether the username could be mistaken for that of somebody who was erased."""
    return username.lower().startswith(ERASED_PREFIX)


def set_language(user: User, language: str) -> None:
    """Remember the language that the person reads."""
    User.objects.filter(pk=user.pk).update(language=language)


def token_hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
