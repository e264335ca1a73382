"""An admin turns off the second step that a member has lost: for whom, by whom, and what the member is told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.core import mail
from django.test import Client

from tests.webapp import people
from tests.webapp.people import signed_in
from webapp.accounts import second_step
from webapp.accounts.models import User
from webapp.audit.models import AuditEvent
from webapp.catalog.actions import add_member, create_project, set_role
from webapp.catalog.models import Membership, Project

OnCommit = Callable[..., Any]


def two_steps(user: User) -> None:
    Authenticator.objects.create(user=user, type="totp", data={"secret": "x"})
    Authenticator.objects.create(user=user, type="recovery_codes", data={"seed": "x", "used_mask": 0})


def address(user: User, project: Project) -> str:
    return f"/p/{project.slug}/members/{Membership.objects.get(user=user, project=project).pk}/second-step/"


def reset(team: people.Team, user: User, *, by: User | None = None) -> Any:
    return signed_in(by or team.owner).post(address(user, team.project), follow=True)


def keeps(user: User) -> bool:
    return Authenticator.objects.filter(user=user).count() == 2


def events() -> list[AuditEvent]:
    return list(AuditEvent.objects.filter(action="member.second_step_reset"))


def sign_in(user: User) -> str:
    """Where the password leads."""
    sent = {"username": user.username, "password": people.PASSWORD}
    return Client().post("/accounts/login/", sent).headers["Location"]


def test_the_password_is_enough_from_then_on_and_every_session_is_ended(team: people.Team) -> None:
    two_steps(team.teammate)
    assert sign_in(team.teammate) == "/accounts/mfa/authenticate/"
    elsewhere, admin = signed_in(team.teammate), signed_in(team.owner)
    page = admin.post(address(team.teammate, team.project), follow=True)
    assert "teammate now signs in with the password alone." in page.content.decode()
    assert not Authenticator.objects.exists()
    assert elsewhere.get("/accounts/me/").status_code == 302
    assert admin.get("/accounts/me/").status_code == 200
    assert sign_in(team.teammate) == "/"


def test_it_is_in_the_log_of_the_project(team: people.Team) -> None:
    two_steps(team.teammate)
    reset(team, team.teammate)
    (event,) = events()
    member = Membership.objects.get(user=team.teammate)
    assert (event.actor, event.project) == (team.owner, team.project)
    assert event.target == f"catalog.membership:{member.pk}"


@pytest.mark.parametrize(
    ("language", "subject", "body"),
    [
        ("en", "Two-step sign-in for Aval was turned off", "owner has turned off your two-step sign-in"),
        (
            "es",
            "Se ha desactivado la verificación en dos pasos de Aval",
            "owner ha desactivado tu verificación en dos pasos",
        ),
    ],
)
def test_the_member_is_told_by_mail_in_their_language(
    team: people.Team, django_capture_on_commit_callbacks: OnCommit, language: str, subject: str, body: str
) -> None:
    two_steps(team.teammate)
    User.objects.filter(pk=team.teammate.pk).update(language=language)
    with django_capture_on_commit_callbacks(execute=True):
        reset(team, team.teammate)
    (message,) = mail.outbox
    assert (message.to, message.subject) == (["teammate@example.org"], subject)
    assert body in message.body


def test_who_gave_no_address_gets_no_mail(team: people.Team, django_capture_on_commit_callbacks: OnCommit) -> None:
    two_steps(team.teammate)
    User.objects.filter(pk=team.teammate.pk).update(email="")
    with django_capture_on_commit_callbacks(execute=True):
        reset(team, team.teammate)
    assert not keeps(team.teammate)
    assert mail.outbox == []


def test_a_mail_that_cannot_be_sent_changes_nothing(
    team: people.Team, django_capture_on_commit_callbacks: OnCommit, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise OSError("no mail server")

    two_steps(team.teammate)
    monkeypatch.setattr(second_step, "get_adapter", fail)
    with django_capture_on_commit_callbacks(execute=True):
        assert reset(team, team.teammate).status_code == 200
    assert not keeps(team.teammate)


# ---- who may not ----


def test_only_admins_of_the_project_and_only_by_a_post(team: people.Team) -> None:
    two_steps(team.teammate)
    path = address(team.teammate, team.project)
    colleagues = [people.person(role) for role in ("annotator", "lead", "engineer")]
    for user in colleagues:
        add_member(team.project, user, role=user.username, by=team.owner)
        assert signed_in(user).post(path).status_code == 403
    assert signed_in(team.stranger).post(path).status_code == 404
    assert Client().post(path).headers["Location"].startswith("/accounts/login/")
    assert signed_in(team.owner).get(path).status_code == 405
    forger = Client(enforce_csrf_checks=True)
    forger.force_login(team.owner)
    assert forger.post(path).status_code == 403
    assert keeps(team.teammate)
    assert events() == []


def test_a_member_of_another_project_is_not_reached_through_ones_own(team: people.Team) -> None:
    two_steps(team.teammate)
    theirs = Membership.objects.get(user=team.teammate)
    answer = signed_in(team.stranger).post(f"/p/elsewhere/members/{theirs.pk}/second-step/")
    assert answer.status_code == 404
    assert keeps(team.teammate)


def test_nobody_turns_off_their_own_here(team: people.Team) -> None:
    two_steps(team.owner)
    assert "Not your own" in reset(team, team.owner).content.decode()
    assert keeps(team.owner)
    assert events() == []


def test_an_admin_of_a_project_in_which_one_is_not_an_admin_is_out_of_reach(
    team: people.Team, django_capture_on_commit_callbacks: OnCommit
) -> None:
    """Neither as a stranger to that project nor in any lesser role in it, and whatever they are in one's own."""
    two_steps(team.stranger)
    add_member(team.project, team.stranger, role="annotator", by=team.owner)
    own = Membership.objects.get(user=team.stranger, project=team.project)
    elsewhere = signed_in(team.stranger)
    for role in (None, "annotator", "lead", "engineer"):
        if role:
            mine = add_member(team.elsewhere, team.owner, role=role, by=team.stranger)
            set_role(mine, role, by=team.stranger)
        for theirs in ("annotator", "admin"):
            set_role(own, theirs, by=team.owner)
            with django_capture_on_commit_callbacks(execute=True):
                page = reset(team, team.stranger).content.decode()
            assert "stranger is an admin of a project in which you are not one" in page
    assert keeps(team.stranger)
    assert elsewhere.get("/accounts/me/").status_code == 200
    assert events() == []
    assert mail.outbox == []


def test_an_admin_whose_projects_are_all_ones_own_is_within_reach(team: people.Team) -> None:
    two_steps(team.stranger)
    add_member(team.project, team.stranger, role="admin", by=team.owner)
    add_member(team.elsewhere, team.owner, role="admin", by=team.stranger)
    reset(team, team.stranger)
    assert not keeps(team.stranger)
    assert len(events()) == 1


def test_lesser_roles_elsewhere_keep_nobody_from_help(team: people.Team) -> None:
    other = create_project(name="Third", slug="third", by=team.stranger)
    add_member(other, team.teammate, role="engineer", by=team.stranger)
    two_steps(team.teammate)
    reset(team, team.teammate)
    assert not keeps(team.teammate)


def test_who_has_no_second_step_keeps_their_sessions(team: people.Team) -> None:
    elsewhere = signed_in(team.teammate)
    assert "signs in without a second step already" in reset(team, team.teammate).content.decode()
    assert elsewhere.get("/accounts/me/").status_code == 200
    assert events() == []


# ---- the page ----


def test_the_members_page_offers_it_where_there_is_something_to_turn_off(team: people.Team) -> None:
    client = signed_in(team.owner)
    assert "/second-step/" not in client.get("/p/alpha/members/").content.decode()
    for user in (team.owner, team.teammate):
        two_steps(user)
    page = client.get("/p/alpha/members/").content.decode()
    assert page.count("/second-step/") == 1
    assert address(team.teammate, team.project) in page
    assert "Only when teammate has lost both the app and the recovery codes" in page


def test_page_answer_and_refusal_speak_spanish(team: people.Team) -> None:
    two_steps(team.teammate)
    client = signed_in(team.owner)
    client.cookies["django_language"] = "es"
    assert "Desactivar la verificación en dos pasos" in client.get("/p/alpha/members/").content.decode()
    path = address(team.teammate, team.project)
    done = client.post(path, follow=True).content.decode()
    assert "teammate inicia sesión desde ahora solo con la contraseña." in done
    assert "teammate ya inicia sesión sin segundo paso." in client.post(path, follow=True).content.decode()
    own = client.post(address(team.owner, team.project), follow=True).content.decode()
    assert "La tuya no" in own
    two_steps(team.stranger)
    add_member(team.project, team.stranger, role="annotator", by=team.owner)
    refused = client.post(address(team.stranger, team.project), follow=True).content.decode()
    assert "stranger administra un proyecto que tú no administras" in refused
