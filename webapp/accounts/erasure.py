"""Forgetting a person who asks for it: what they wrote goes, what they judged stays under their pseudonym."""

from __future__ import annotations

import secrets
from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.db import connection, transaction
from django.db.models import Exists, Func, IntegerField, JSONField, OuterRef, Value
from django.utils import timezone
from django.utils.translation import gettext as _

from webapp.accounts.actions import ERASED_PREFIX
from webapp.accounts.models import User
from webapp.accounts.privacy import BLANK_ASSIGNMENT, BLANK_RATING
from webapp.accounts.sessions import end_sessions
from webapp.audit.actions import record
from webapp.catalog.models import Membership, Project
from webapp.feedback.actions import skip
from webapp.feedback.errors import NotYours
from webapp.feedback.models import Adjudication, Assignment, LineComment, Rating, Revision
from webapp.runs.models import DatasetSnapshot, ErasureNotice


class ErasureRefused(Exception):
    """The person can't be erased yet; the message says why and what to do."""


@transaction.atomic
def erase(user: User) -> None:
    """Erase the person, all of it or nothing; ErasureRefused while a project would be left without an admin.

    Their free text is blanked, their lease given back, their memberships end, and the account becomes one that
    nobody can sign in to. The pseudonym and the numbers stay, and each snapshot that holds rows of theirs gets an
    ErasureNotice. Locks in the order annotator, project, comparison; once the memberships are gone, a submission
    that was on its way is refused as a stranger's.
    """
    user = User.objects.select_for_update(no_key=True).get(pk=user.pk)
    if user.erased_at is not None:
        return
    projects = _projects_of(user)
    if alone := _projects_without_another_admin(user, projects):
        raise ErasureRefused(
            _("You are the only admin of %(projects)s: make somebody else an admin there first.")
            % {"projects": ", ".join(project.name for project in alone)}
        )
    _give_back(user)
    _blank_text(user)
    snapshots = _notify(user)
    Membership.objects.filter(user=user).delete()
    _close_account(user)
    known: list[Project | None] = [*projects]
    for project in known or [None]:
        record("person.erased", actor=user, project=project, target=user, snapshots=snapshots)


def models_touched(project: Project) -> frozenset[int]:
    """The project's models trained on a snapshot with a notice, and all made from them, by one statement.

    Made from another is a model with it as parent, base model or reward model.
    """
    with connection.cursor() as cursor:
        cursor.execute(_TOUCHED, [project.pk])
        return frozenset(key for (key,) in cursor.fetchall())


_TOUCHED = """
    WITH RECURSIVE touched(id) AS (
        SELECT model.id
        FROM runs_erasurenotice notice
        JOIN runs_datasetsnapshot snapshot ON snapshot.id = notice.snapshot_id AND snapshot.project_id = %s
        JOIN runs_run run ON run.snapshot_id = snapshot.id
        JOIN catalog_modelversion model ON model.run_id = run.id
        UNION
        SELECT model.id
        FROM touched
        JOIN catalog_modelversion source ON source.id = touched.id
        JOIN catalog_modelversion model ON model.project_id = source.project_id
        LEFT JOIN runs_run run ON run.id = model.run_id
        WHERE touched.id IN (model.parent_id, run.base_model_id, run.reward_model_id)
    )
    SELECT id FROM touched"""


def _projects_of(user: User) -> list[Project]:
    """Locked as for a change of roles, so that the last two admins can't both leave."""
    mine = Membership.objects.filter(user=user).values("project")
    return list(Project.objects.select_for_update(no_key=True).filter(pk__in=mine).order_by("pk"))


def _projects_without_another_admin(user: User, projects: list[Project]) -> list[Project]:
    admins = Membership.objects.filter(project=OuterRef("pk"), role=Membership.Role.ADMIN)
    others = admins.exclude(user=user).filter(user__is_active=True, user__simulated=False)
    keys = [project.pk for project in projects]
    alone = Project.objects.filter(Exists(admins.filter(user=user)), ~Exists(others), pk__in=keys)
    return list(alone.order_by("name"))


def _give_back(user: User) -> None:
    held = Assignment.objects.filter(annotator=user, state=Assignment.State.LEASED)
    for key in list(held.values_list("pk", flat=True)):
        try:
            skip(user, key, reason="")
        except NotYours:
            continue  # In a project that they have left: the sweeper ends it in time.
    # Begun, and now nobody's to finish; as skipped pairs they take no more drafts.
    begun = Assignment.objects.filter(annotator=user, state=Assignment.State.EXPIRED)
    begun.update(state=Assignment.State.SKIPPED)


def _blank_text(user: User) -> None:
    LineComment.objects.filter(rating__annotator=user).delete()
    Revision.objects.filter(rating__annotator=user).update(reason="")
    Rating.objects.filter(annotator=user).update(**BLANK_RATING)
    Assignment.objects.filter(annotator=user).update(**BLANK_ASSIGNMENT)
    Adjudication.objects.filter(decided_by=user).update(reason="")


class _RowsOf(Func):
    """How many of a snapshot's rows are an annotator's, counted where they lie."""

    template = "jsonb_array_length(jsonb_path_query_array(%(expressions)s))"
    arg_joiner = ", '$[*] ? (@.annotator == $name)', "
    arity = 2
    output_field = IntegerField()


def _notify(user: User) -> int:
    """A notice on each snapshot that holds rows of theirs; how many snapshots that are."""
    name = user.pseudonym
    rows = _RowsOf("rows", Value({"name": name}, output_field=JSONField()))
    holding = DatasetSnapshot.objects.filter(rows__contains=[{"annotator": name}]).annotate(theirs=rows)
    found = list(holding.values_list("pk", "theirs"))
    notices = [ErasureNotice(snapshot_id=key, pseudonym=name, rows=count) for key, count in found]
    ErasureNotice.objects.bulk_create(notices, ignore_conflicts=True)
    return len(found)


def _close_account(user: User) -> None:
    EmailAddress.objects.filter(user=user).delete()
    Authenticator.objects.filter(user=user).delete()
    SocialAccount.objects.filter(user=user).delete()
    end_sessions(user)
    user.groups.clear()
    user.user_permissions.clear()
    user.set_unusable_password()
    emptied: dict[str, Any] = {
        "username": _free_username(user),
        "email": "",
        "first_name": "",
        "last_name": "",
        "last_login": None,
        "is_active": False,
        "is_staff": False,
        "is_superuser": False,
        "password": user.password,
        "erased_at": timezone.now(),
    }
    User.objects.filter(pk=user.pk).update(**emptied)


def _free_username(user: User) -> str:
    wanted = f"{ERASED_PREFIX}{user.pk}"
    taken = User.objects.filter(username=wanted).exclude(pk=user.pk).exists()
    return f"{wanted}-{secrets.token_hex(4)}" if taken else wanted
