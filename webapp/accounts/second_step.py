"""A member's second step of signing in, taken away when phone and recovery codes are lost."""

from __future__ import annotations

from allauth.account.adapter import get_adapter
from allauth.mfa.models import Authenticator
from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import override

from webapp.accounts.models import User
from webapp.accounts.sessions import end_sessions
from webapp.audit.actions import record
from webapp.catalog.models import Membership


class ResetRefused(Exception):
    """The second step stays; the message says why and who can help."""


@transaction.atomic
def reset_second_step(membership: Membership, *, by: User) -> None:
    """From now on the member's password is enough; they are signed out everywhere and told so by mail.

    ResetRefused for oneself, and for an admin of a project in which ``by`` is none: who runs one project could else
    weaken another's.
    """
    user = User.objects.select_for_update(no_key=True).get(pk=membership.user_id)
    if user.pk == by.pk:
        raise ResetRefused(_("Not your own: turn it off on your account's page, or ask another admin."))
    admins = Membership.objects.filter(role=Membership.Role.ADMIN)
    if admins.filter(user=user).exclude(project__in=admins.filter(user=by).values("project")).exists():
        raise ResetRefused(
            _("%(name)s is an admin of a project in which you are not one: an admin of that project has to do it.")
            % {"name": user.pseudonym}
        )
    if not Authenticator.objects.filter(user=user).delete()[0]:
        raise ResetRefused(_("%(name)s signs in without a second step already.") % {"name": user.pseudonym})
    end_sessions(user)
    record("member.second_step_reset", actor=by, project=membership.project, target=membership)
    if user.email:
        # The change stands even where the mail can't be sent.
        transaction.on_commit(lambda: _tell(user, by), robust=True)


def _tell(user: User, by: User) -> None:
    context = {"user": user, "by": by.pseudonym}
    with override(user.language):
        get_adapter().render_mail("account/email/second_step_reset", user.email, context).send()
