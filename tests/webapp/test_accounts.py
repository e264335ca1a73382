"""Signing in and out, invitations, a new password, the language."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.core import mail
from django.test import Client
from django.utils import timezone

from tests.webapp import people
from webapp.accounts import actions
from webapp.accounts.models import Invitation, User
from webapp.audit.models import AuditEvent
from webapp.catalog.models import Membership

NEWCOMER = {
    "username": "newcomer",
    "pseudonym": "Kestrel",
    "email": "newcomer@example.org",
    "language": "es",
    "password1": people.PASSWORD,
    "password2": people.PASSWORD,
}


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def link(team: people.Team, role: str = "annotator") -> str:
    return f"/accounts/join/{actions.invite(team.project, role, by=team.owner).token}/"


def test_signing_in_leads_to_the_only_project_and_signing_out_back(team: people.Team) -> None:
    client = Client()
    landed = client.post("/accounts/login/", {"username": "teammate", "password": people.PASSWORD}, follow=True)
    assert landed.redirect_chain[-1][0] == "/p/alpha/"
    assert client.post("/accounts/logout/").headers["Location"] == "/accounts/login/"
    assert client.get("/p/alpha/").headers["Location"].startswith("/accounts/login/?next=")


def test_a_wrong_password_is_refused_without_saying_what_was_wrong(team: people.Team) -> None:
    for name in ("teammate", "nobody"):
        page = Client().post("/accounts/login/", {"username": name, "password": "wrong"})
        assert page.status_code == 200
        assert "enter a correct username and password" in page.content.decode()


def test_signing_out_and_switching_the_language_need_a_post(team: people.Team) -> None:
    client = signed_in(team.teammate)
    assert client.get("/accounts/logout/").status_code == 405
    assert client.get("/accounts/language/").status_code == 405


def test_the_forms_need_a_token_against_forgery(team: people.Team) -> None:
    client = Client(enforce_csrf_checks=True)
    assert client.post("/accounts/login/", {"username": "teammate", "password": people.PASSWORD}).status_code == 403


def test_an_admin_makes_a_link_that_is_shown_once_and_kept_as_a_hash(team: people.Team) -> None:
    client = signed_in(team.owner)
    page = client.post("/p/alpha/members/invite/", {"role": "engineer"})
    found = re.search(r"http://testserver(/accounts/join/([\w-]+)/)", page.content.decode())
    assert found
    assert page.headers["Cache-Control"] == "no-store"
    assert found[2] not in client.get("/p/alpha/members/").content.decode()
    invitation = Invitation.objects.get()
    assert invitation.token_sha256 == actions.token_hash(found[2])
    assert invitation.role == "engineer"
    assert client.get(found[1]).status_code == 200


def test_somebody_new_joins_by_link_with_the_role_and_language_of_the_form(team: people.Team) -> None:
    client = Client()
    landed = client.post(link(team, "engineer"), NEWCOMER, follow=True)
    assert landed.redirect_chain[-1][0] == "/p/alpha/"
    assert "Te damos la bienvenida a Alpha." in landed.content.decode()
    user = User.objects.get(username="newcomer")
    assert Membership.objects.get(user=user).role == "engineer"
    assert user.pseudonym == "Kestrel"
    assert AuditEvent.objects.filter(action="member.joined", actor=user, project=team.project).exists()


def test_a_link_works_once(team: people.Team) -> None:
    url = link(team)
    assert Client().post(url, NEWCOMER).status_code == 302
    late = {**NEWCOMER, "username": "late", "pseudonym": "Late"}
    assert Client().get(url).status_code == 410
    assert Client().post(url, late).status_code == 410
    assert not User.objects.filter(username="late").exists()


def test_a_link_ends_after_seven_days(team: people.Team) -> None:
    url = link(team)
    left = Invitation.objects.get().expires_at - timezone.now()
    assert timedelta(days=6, hours=23) < left <= timedelta(days=7)
    Invitation.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert Client().post(url, NEWCOMER).status_code == 410


def test_a_link_that_ends_between_page_and_form_makes_no_account(team: people.Team) -> None:
    actions.invite(team.project, "annotator", by=team.owner)
    invitation = Invitation.objects.get()
    Invitation.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    with pytest.raises(actions.InvitationRefused):
        actions.sign_up(invitation, username="n", password=people.PASSWORD, pseudonym="n", email="", language="en")
    assert not User.objects.filter(username="n").exists()


def test_whoever_has_an_account_joins_with_it(team: people.Team) -> None:
    url = link(team)
    client = signed_in(team.stranger)
    assert "You are signed in as stranger" in client.get(url).content.decode()
    assert client.post(url).headers["Location"] == "/p/alpha/"
    assert Membership.objects.filter(user=team.stranger, project=team.project, role="annotator").exists()


def test_a_member_does_not_use_a_link_up(team: people.Team) -> None:
    url = link(team, "admin")
    page = signed_in(team.teammate).post(url, follow=True)
    assert "You are already a member of this project." in page.content.decode()
    assert Membership.objects.get(user=team.teammate).role == "annotator"
    assert Client().get(url).status_code == 200


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"username": "Teammate"}, "This username is taken."),
        ({"pseudonym": "teammate"}, "already exists"),
        ({"password2": "something else"}, "match"),
        ({"password1": "12345678", "password2": "12345678"}, "too common"),
        ({"email": "not an address"}, "valid email"),
        ({"language": "xx"}, "valid choice"),
        ({"pseudonym": "x" * 41}, "at most 40"),
    ],
)
def test_a_bad_sign_up_says_what_is_wrong_and_keeps_the_link(
    team: people.Team, changes: dict[str, str], said: str
) -> None:
    url = link(team)
    page = Client().post(url, {**NEWCOMER, **changes})
    assert page.status_code == 422
    assert said in page.content.decode()
    assert User.objects.count() == 3
    assert Client().get(url).status_code == 200


def test_a_made_up_link_is_no_invitation(team: people.Team) -> None:
    assert Client().get("/accounts/join/made-up/").status_code == 410


def test_a_forgotten_password_is_replaced_by_a_mailed_link(team: people.Team) -> None:
    client = Client()
    assert client.post("/accounts/password/", {"email": "teammate@example.org"}).status_code == 302
    (message,) = mail.outbox
    found = re.search(r"http://testserver(\S+)", str(message.body))
    assert found
    assert "Your username is teammate." in message.body
    form = client.get(found[1], follow=True)
    new = {"new_password1": "another-long-password", "new_password2": "another-long-password"}
    changed = client.post(form.redirect_chain[-1][0], new, follow=True)
    assert "Your password has been changed" in changed.content.decode()
    assert client.login(username="teammate", password="another-long-password")
    assert "used already or is too old" in Client().get(found[1], follow=True).content.decode()


def test_asking_for_a_link_for_an_unknown_address_looks_the_same(team: people.Team) -> None:
    page = Client().post("/accounts/password/", {"email": "nobody@example.org"}, follow=True)
    assert "If there is an account" in page.content.decode()
    assert mail.outbox == []


def test_the_language_is_switched_for_the_browser_and_remembered_for_the_person(team: people.Team) -> None:
    client = signed_in(team.teammate)
    switched = client.post("/accounts/language/", {"language": "es", "next": "/p/alpha/"}, follow=True)
    assert 'lang="es"' in switched.content.decode()
    assert "Tus valoraciones" in switched.content.decode()
    elsewhere = Client()
    elsewhere.post("/accounts/login/", {"username": "teammate", "password": people.PASSWORD})
    assert "Tus valoraciones" in elsewhere.get("/p/alpha/").content.decode()


def test_an_unknown_language_and_a_foreign_address_are_not_followed(team: people.Team) -> None:
    client = signed_in(team.teammate)
    done = client.post("/accounts/language/", {"language": "xx", "next": "https://example.org/"})
    assert done.headers["Location"] == "/"
    team.teammate.refresh_from_db()
    assert team.teammate.language == "en"


def test_the_browsers_language_counts_before_anybody_signs_in(db: None) -> None:
    page = Client().get("/accounts/login/", headers={"accept-language": "es-MX,es;q=0.9"})
    assert "Iniciar sesión" in page.content.decode()
