"""Signing in with an organisation's OpenID Connect server: a real one, small, that says what a test wants."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.conf import settings as django_settings
from django.http import HttpResponse
from django.test import Client

from tests.webapp import people
from webapp.accounts import actions, oidc
from webapp.accounts.models import Invitation, User
from webapp.audit.models import AuditEvent
from webapp.catalog.models import Membership

LOGIN = "/accounts/oidc/oidc/login/"
KEY = "a-key-of-tests-that-is-long-enough-for-its-hash"


@dataclass
class Server:
    """The organisation: ``says`` is what it tells of whoever comes."""

    address: str = ""
    says: dict[str, Any] = field(default_factory=dict)
    asked: list[dict[str, list[str]]] = field(default_factory=list)


@pytest.fixture
def organisation(
    settings: type[django_settings],  # type: ignore[valid-type]
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Server]:
    server = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/.well-known/openid-configuration":
                parts = ("authorization", "token", "userinfo")
                points = {f"{part}_endpoint": f"{server.address}/{part}" for part in parts}
                self._answer({"issuer": server.address, "jwks_uri": f"{server.address}/keys", **points})
            elif self.path == "/userinfo":
                self._answer(server.says)

        def do_POST(self) -> None:
            server.asked.append(parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode()))
            claims = {"iss": server.address, "aud": "aval", "exp": 4_000_000_000, "iat": 1, **server.says}
            self._answer({"access_token": "t", "token_type": "Bearer", "id_token": jwt.encode(claims, KEY, "HS256")})

        def _answer(self, content: dict[str, Any]) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(content).encode())

        def log_message(self, *_args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        server.address = f"http://127.0.0.1:{listening.server_port}"
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        monkeypatch.setenv("AVAL_OIDC_ISSUER", server.address)
        monkeypatch.setenv("AVAL_OIDC_NAME", "Example Org")
        monkeypatch.setenv("AVAL_OIDC_CLIENT_ID", "aval")
        monkeypatch.setenv("AVAL_OIDC_CLIENT_SECRET", "hush")
        settings.SOCIALACCOUNT_PROVIDERS = oidc.providers()
        yield server
        listening.shutdown()
        thread.join()


def come_back(client: Client, server: Server, *, path: str = LOGIN, follow: bool = True, **says: Any) -> HttpResponse:
    """Go to the organisation, be vouched for there, and come back."""
    server.says = {"sub": "1", "preferred_username": "jo", "name": "Jo Doe", **says}
    away = client.post(path)
    assert away.status_code == 302
    target = urlsplit(away.headers["Location"])
    query = parse_qs(target.query)
    assert f"{target.scheme}://{target.netloc}" == server.address
    assert query["code_challenge_method"] == ["S256"]
    assert query["redirect_uri"] == ["http://testserver/accounts/oidc/oidc/login/callback/"]
    returned = {"code": "c", "state": query["state"][0]}
    return client.get(f"{LOGIN}callback/", returned, follow=follow)  # type: ignore[return-value]


def confirmed(user: User) -> User:
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    return user


def is_signed_in(client: Client) -> bool:
    return client.get("/accounts/me/").status_code == 200


def test_the_pages_offer_it_only_where_it_is_configured(team: people.Team) -> None:
    assert "organisation" not in Client().get("/accounts/login/").content.decode()
    assert Client().post(LOGIN).status_code == 404


def test_the_button_leads_there_by_a_post(team: people.Team, organisation: Server) -> None:
    page = Client().get("/accounts/login/").content.decode()
    assert "Sign in with Example Org" in page
    assert Client().get(LOGIN).status_code == 200  # A page with a button: a mere link starts nothing.


def test_somebody_without_an_account_or_an_invitation_is_told_so_and_nothing_is_made(
    team: people.Team, organisation: Server
) -> None:
    client = Client()
    page = come_back(client, organisation, email="jo@example.org", email_verified=True)
    assert "No account here belongs to this sign-in" in page.content.decode()
    assert not is_signed_in(client)
    assert User.objects.count() == 3
    assert not SocialAccount.objects.exists()
    client.get("/accounts/organisation/signup/")
    assert User.objects.count() == 3


def test_a_confirmed_address_leads_to_its_account_from_then_on(team: people.Team, organisation: Server) -> None:
    confirmed(team.teammate)
    client = Client()
    page = come_back(client, organisation, email="teammate@example.org", email_verified=True)
    assert page.redirect_chain[-1][0] == "/p/alpha/"  # type: ignore[attr-defined]
    assert SocialAccount.objects.get().user == team.teammate
    assert team.teammate.check_password(people.PASSWORD)
    later = Client()
    come_back(later, organisation, email="renamed@example.org", email_verified=True)
    assert is_signed_in(later)
    assert organisation.asked[0]["code_verifier"]


@pytest.mark.parametrize(
    ("ours", "said"),
    [(False, True), (True, False), (True, "false"), (True, None)],
    ids=["not confirmed here", "not confirmed there", "the word false", "nothing said"],
)
def test_an_address_that_either_side_has_not_confirmed_leads_nowhere(
    team: people.Team, organisation: Server, ours: bool, said: Any
) -> None:
    EmailAddress.objects.create(user=team.teammate, email=team.teammate.email, verified=ours, primary=True)
    client = Client()
    says = {} if said is None else {"email_verified": said}
    come_back(client, organisation, email="teammate@example.org", **says)
    assert not is_signed_in(client)
    assert not SocialAccount.objects.exists()
    team.teammate.refresh_from_db()
    assert team.teammate.check_password(people.PASSWORD)


def test_the_second_step_is_asked_for_here_too(team: people.Team, organisation: Server) -> None:
    confirmed(team.teammate)
    Authenticator.objects.create(user=team.teammate, type="totp", data={"secret": "A" * 32})
    client = Client()
    page = come_back(client, organisation, email="teammate@example.org", email_verified=True, follow=False)
    assert page.headers["Location"] == "/accounts/mfa/authenticate/"
    assert not is_signed_in(client)


def test_the_erased_and_the_closed_do_not_come_back(team: people.Team, organisation: Server) -> None:
    confirmed(team.teammate)
    SocialAccount.objects.create(user=team.teammate, provider="oidc", uid="1")
    User.objects.filter(pk=team.teammate.pk).update(is_active=False)
    client = Client()
    come_back(client, organisation, email="teammate@example.org", email_verified=True)
    assert not is_signed_in(client)


def test_somebody_invited_joins_with_a_pseudonym_of_their_own(team: people.Team, organisation: Server) -> None:
    link = f"/accounts/join/{actions.invite(team.project, 'engineer', by=team.owner).token}/"
    client = Client()
    assert "Join with Example Org instead" in client.get(link).content.decode()
    form = come_back(client, organisation, email="jo@example.org", email_verified=True)
    assert "choose how you are called here" in form.content.decode()
    taken = client.post("/accounts/organisation/signup/", {"username": "jo", "pseudonym": "teammate"})
    assert "This pseudonym is taken." in taken.content.decode()
    done = client.post("/accounts/organisation/signup/", {"username": "jo", "pseudonym": "Kestrel"}, follow=True)
    assert done.redirect_chain[-1][0] == "/p/alpha/"
    user = User.objects.get(username="jo")
    assert (user.pseudonym, user.email, user.first_name) == ("Kestrel", "jo@example.org", "")
    assert not user.has_usable_password()
    assert Membership.objects.get(user=user).role == "engineer"
    assert Invitation.objects.get().accepted_by == user
    assert AuditEvent.objects.filter(action="member.joined", actor=user).count() == 1
    assert EmailAddress.objects.get(user=user).verified


def test_an_invitation_that_was_used_meanwhile_makes_no_account(team: people.Team, organisation: Server) -> None:
    link = f"/accounts/join/{actions.invite(team.project, 'engineer', by=team.owner).token}/"
    client = Client()
    client.get(link)
    come_back(client, organisation, email="jo@example.org", email_verified=True)
    actions.accept(Invitation.objects.get(), team.stranger)
    client.post("/accounts/organisation/signup/", {"username": "jo", "pseudonym": "Kestrel"})
    assert not User.objects.filter(username="jo").exists()
    assert not SocialAccount.objects.exists()
    assert not is_signed_in(client)


def test_the_session_keeps_the_invitations_number_and_never_its_token(team: people.Team, organisation: Server) -> None:
    token = actions.invite(team.project, "annotator", by=team.owner).token
    client = Client()
    client.get(f"/accounts/join/{token}/")
    assert token not in json.dumps(dict(client.session.items()))


def test_who_is_signed_in_connects_and_disconnects_after_their_password(
    team: people.Team, organisation: Server
) -> None:
    client = Client()
    client.force_login(team.teammate)
    client.post("/accounts/reauthenticate/", {"password": people.PASSWORD})
    page = come_back(client, organisation, path=f"{LOGIN}?process=connect", email="other@example.org")
    assert "now leads to this account" in page.content.decode()
    account = SocialAccount.objects.get()
    assert account.user == team.teammate
    assert "Disconnect" in client.get("/accounts/organisation/").content.decode()
    client.post("/accounts/organisation/", {"account": account.pk})
    assert not SocialAccount.objects.exists()


def test_connecting_without_a_fresh_password_is_held_back(team: people.Team, organisation: Server) -> None:
    client = Client()
    client.force_login(team.teammate)
    page = come_back(client, organisation, path=f"{LOGIN}?process=connect", email="other@example.org")
    assert page.redirect_chain[-1][0] == "/accounts/reauthenticate/"  # type: ignore[attr-defined]
    assert not SocialAccount.objects.exists()


def test_a_made_up_return_signs_nobody_in(team: people.Team, organisation: Server) -> None:
    client = Client()
    answer = client.get(f"{LOGIN}callback/", {"code": "c", "state": "made-up"})
    assert answer.status_code == 401
    assert "Signing in with your organisation failed" in answer.content.decode()
    assert not is_signed_in(client)
