"""Signing in and out, invitations, a new password, the language."""

from __future__ import annotations

import re
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from django.conf import settings as django_settings
from django.core import mail
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from tests.webapp import people
from tests.webapp.people import signed_in
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
    new = {"password1": "another-long-password", "password2": "another-long-password"}
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


def try_password(name: str, password: str, *, client: Client | None = None, **headers: str) -> HttpResponse:
    """What signing in answers; a redirect when it let the person in."""
    sent = {"username": name, "password": password}
    return (client or Client()).post("/accounts/login/", sent, **headers)  # type: ignore[arg-type,return-value]


def test_people_sign_in_with_their_address_too_and_in_any_case(team: people.Team) -> None:
    for name in ("teammate@example.org", "Teammate@Example.org", "TEAMMATE"):
        assert try_password(name, people.PASSWORD).status_code == 302


def test_nobody_signs_up_without_an_invitation(team: people.Team) -> None:
    new = {"username": "newcomer", "email": "n@example.org", "password1": people.PASSWORD, "password2": people.PASSWORD}
    for page in (Client().get("/accounts/signup/"), Client().post("/accounts/signup/", {**new, "login": "newcomer"})):
        assert "Accounts are opened by invitation" in page.content.decode()
    assert User.objects.count() == 3


def test_signing_in_gives_a_new_session_that_scripts_cannot_read(team: people.Team) -> None:
    client = Client()
    client.post("/accounts/language/", {"language": "en"})
    session = client.session
    session["kept"] = "yes"
    session.save()
    before = session.session_key
    client.cookies["sessionid"] = before or ""
    page = try_password("teammate", people.PASSWORD, client=client)
    cookie = page.cookies["sessionid"]
    assert cookie.value != before
    assert client.session["kept"] == "yes"
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"


def test_after_five_wrong_passwords_the_right_one_is_refused_for_a_while(team: people.Team) -> None:
    for _try in range(5):
        assert "enter a correct username and password" in try_password("teammate", "wrong").content.decode()
    refused = try_password("teammate", people.PASSWORD)
    assert refused.status_code == 200
    assert "Too many wrong entries" in refused.content.decode()
    assert "sessionid" not in refused.cookies


def test_the_wrong_passwords_of_one_person_lock_nobody_else_out_and_not_the_person_elsewhere(team: people.Team) -> None:
    for _try in range(6):
        try_password("teammate", "wrong")
    assert try_password("owner", people.PASSWORD).status_code == 302
    assert try_password("teammate", people.PASSWORD, REMOTE_ADDR="192.0.2.7").status_code == 302


def test_the_names_of_one_account_are_counted_together(team: people.Team) -> None:
    for name in ("teammate", "TEAMMATE", "teammate@example.org", "Teammate", "TeamMate@example.org"):
        try_password(name, "wrong")
    assert "Too many wrong entries" in try_password("teammate", people.PASSWORD).content.decode()


def test_right_passwords_are_not_counted(team: people.Team) -> None:
    for _try in range(12):
        assert try_password("teammate", people.PASSWORD).status_code == 302


def test_a_panel_signs_in_from_one_address(team: people.Team) -> None:
    panel = people.annotators(team.project, 20, by=team.owner)
    for _round in range(2):
        assert {try_password(user.username, people.PASSWORD).status_code for user in panel} == {302}


def test_the_count_is_in_the_database_where_every_process_sees_it(team: people.Team) -> None:
    for _try in range(5):
        try_password("teammate", "wrong")
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM accounts_cacheentry WHERE cache_key LIKE '%%login_failed%%'")
        assert cursor.fetchone()[0] >= 1
        cursor.execute("DELETE FROM accounts_cacheentry")
    assert try_password("teammate", people.PASSWORD).status_code == 302


@pytest.mark.django_db(transaction=True)
def test_wrong_passwords_sent_at_once_are_not_more_than_five() -> None:
    people.team()

    def guess(number: int) -> bool:
        try:
            page = try_password("teammate", f"wrong{number}").content.decode()
        finally:
            connection.close()
        return "enter a correct username and password" in page

    with ThreadPoolExecutor(8) as pool:
        looked_at = list(pool.map(guess, range(16)))
    assert 1 <= sum(looked_at) <= 5


@pytest.mark.parametrize(("proxies", "locked"), [(0, True), (1, False)])
def test_a_forwarded_address_counts_only_behind_a_proxy_of_ours(
    team: people.Team,
    settings: type[django_settings],  # type: ignore[valid-type]
    proxies: int,
    locked: bool,
) -> None:
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = proxies
    for number in range(5):
        try_password("teammate", "wrong", HTTP_X_FORWARDED_FOR=f"192.0.2.{number}")
    last = try_password("teammate", people.PASSWORD, HTTP_X_FORWARDED_FOR="192.0.2.99")
    assert (last.status_code == 302) is not locked


def test_a_new_password_by_mail_ends_the_wait(team: people.Team) -> None:
    for _try in range(6):
        try_password("teammate", "wrong")
    client = Client()
    client.post("/accounts/password/", {"email": "teammate@example.org"})
    found = re.search(r"http://testserver(\S+)", str(mail.outbox[0].body))
    assert found
    form = client.get(found[1], follow=True).redirect_chain[-1][0]
    client.post(form, {"password1": "another-long-password", "password2": "another-long-password"})
    assert try_password("teammate", "another-long-password").status_code == 302


def test_a_changed_password_needs_the_old_one_and_ends_other_sessions(team: people.Team) -> None:
    here, elsewhere = signed_in(team.teammate), signed_in(team.teammate)
    new = {"password1": "another-long-password", "password2": "another-long-password"}
    refused = here.post("/accounts/password/change/", {"oldpassword": "wrong", **new})
    assert "This is not your current password." in refused.content.decode()
    changed = here.post("/accounts/password/change/", {"oldpassword": people.PASSWORD, **new})
    assert changed.headers["Location"] == "/accounts/me/"
    assert here.get("/accounts/me/").status_code == 200
    assert elsewhere.get("/accounts/me/").status_code == 302


def test_a_new_address_counts_once_its_link_was_opened(team: people.Team) -> None:
    client = signed_in(team.teammate)
    assert client.get("/accounts/email/").headers["Location"].startswith("/accounts/reauthenticate/")
    client.post("/accounts/reauthenticate/", {"password": people.PASSWORD})
    client.post("/accounts/email/", {"email": "new@example.org", "action_add": ""})
    team.teammate.refresh_from_db()
    assert team.teammate.email == "teammate@example.org"
    (message,) = mail.outbox
    assert message.to == ["new@example.org"]
    found = re.search(r"http://testserver(\S+)", str(message.body))
    assert found
    assert "Is new@example.org your address?" in client.get(found[1]).content.decode()
    client.post(found[1])
    team.teammate.refresh_from_db()
    assert team.teammate.email == "new@example.org"
    assert EmailAddress.objects.get(user=team.teammate).verified


def code(secret: str, *, steps: int = 0) -> str:
    """What the app shows; ``steps`` periods from now."""
    return format_hotp_value(hotp_value(secret, int(time.time()) // 30 + steps))


def with_two_steps(user: User) -> tuple[Client, str, list[str]]:
    """The person's browser after they set the app up, the app's secret, and their recovery codes."""
    client = signed_in(user)
    assert client.get("/accounts/mfa/totp/activate/").headers["Location"].startswith("/accounts/reauthenticate/")
    client.post("/accounts/reauthenticate/", {"password": people.PASSWORD})
    page = client.get("/accounts/mfa/totp/activate/").content.decode()
    assert 'src="data:image/svg+xml;base64,' in page
    found = re.search(r'id="secret" class="copyable" value="(\w+)"', page)
    assert found
    wrong = client.post("/accounts/mfa/totp/activate/", {"code": "000000"})
    assert "This code is wrong" in wrong.content.decode()
    codes = client.post("/accounts/mfa/totp/activate/", {"code": code(found[1])}, follow=True).content.decode()
    return client, found[1], re.findall(r"<li><code>(\w+)</code>", codes)


def test_two_step_sign_in_asks_for_a_code_that_works_once(team: people.Team) -> None:
    _client, secret, _codes = with_two_steps(team.teammate)
    client = Client()
    halfway = try_password("teammate", people.PASSWORD, client=client)
    assert halfway.headers["Location"] == "/accounts/mfa/authenticate/"
    assert client.get("/p/alpha/").status_code == 302
    assert "This code is wrong" in client.post("/accounts/mfa/authenticate/", {"code": "000000"}).content.decode()
    shown = code(secret)
    assert client.post("/accounts/mfa/authenticate/", {"code": shown}, follow=True).redirect_chain[-1][0] == "/p/alpha/"
    thief = Client()
    try_password("teammate", people.PASSWORD, client=thief)
    assert "was used already" in thief.post("/accounts/mfa/authenticate/", {"code": shown}).content.decode()
    assert thief.get("/p/alpha/").status_code == 302


def test_a_recovery_code_lets_in_once(team: people.Team) -> None:
    _client, _secret, codes = with_two_steps(team.teammate)
    assert len(codes) == 10
    for expected in (302, 200):
        client = Client()
        try_password("teammate", people.PASSWORD, client=client)
        assert client.post("/accounts/mfa/authenticate/", {"code": codes[0]}).status_code == expected


def test_codes_are_not_to_be_guessed(team: people.Team) -> None:
    _client, secret, _codes = with_two_steps(team.teammate)
    client = Client()
    try_password("teammate", people.PASSWORD, client=client)
    for number in range(5):
        client.post("/accounts/mfa/authenticate/", {"code": f"00000{number}"})
    last = client.post("/accounts/mfa/authenticate/", {"code": code(secret)})
    assert "Too many wrong entries" in last.content.decode()


def test_the_second_step_is_turned_off_with_a_fresh_password_only(team: people.Team) -> None:
    client, _secret, _codes = with_two_steps(team.teammate)
    assert (
        signed_in(team.teammate)
        .post("/accounts/mfa/totp/deactivate/")
        .headers["Location"]
        .startswith("/accounts/reauthenticate/")
    )
    assert Authenticator.objects.filter(user=team.teammate).count() == 2
    client.post("/accounts/mfa/totp/deactivate/")
    assert not Authenticator.objects.filter(user=team.teammate).exists()
    assert try_password("teammate", people.PASSWORD).headers["Location"] == "/"
