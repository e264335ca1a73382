"""Who may open what, over every address there is; what each answer says to browsers; nothing of others by its number."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.template.loader import get_template
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.urls.resolvers import RoutePattern

from tests.webapp import people, scene
from tests.webapp.people import signed_in
from verification.outcome import Certificate
from webapp.catalog.actions import add_member
from webapp.catalog.models import Membership, Sample
from webapp.feedback.actions import next_assignment, submit
from webapp.feedback.gold import make_gold
from webapp.feedback.judgement import Judgement
from webapp.feedback.models import Assignment, Comparison, Rating
from webapp.review.models import Promotion
from webapp.runs.models import Run

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = ROOT / "webapp" / "templates"

OPEN = {
    "health",
    "set_language",
    "accounts:login",
    "accounts:logout",
    "accounts:language",
    "accounts:join",
    "accounts:password_reset",
    "accounts:password_reset_sent",
    "accounts:password_reset_confirm",
    "account_login",
    "account_logout",
    "account_inactive",
    "account_signup",
    "account_confirm_email",
    "account_email_verification_sent",
    "account_reset_password",
    "account_reset_password_done",
    "account_reset_password_from_key",
    "account_reset_password_from_key_done",
    "mfa_authenticate",
    "socialaccount_login_cancelled",
    "socialaccount_login_error",
    "socialaccount_signup",
    "openid_connect_login",
    "openid_connect_callback",
}
"""Addresses that somebody who is not signed in may open. All others lead them to sign in."""

ANNOTATORS = {
    "consent",
    "catalog:project",
    "feedback:rate",
    "feedback:submit",
    "feedback:draft",
    "feedback:renew",
    "feedback:skip",
    "feedback:flag",
    "feedback:undo",
    "feedback:revise",
    "feedback:difference",
    "feedback:mine",
}
"""Pages of a project that its annotators may open. All others of the project answer them 403 or 404."""


STREAMS = {"runs:events"}
"""Answers that don't end, to scripts: who gets them is told in test_sse."""


@dataclass(frozen=True)
class Address:
    """One address of the site: its name, and its route with ``<kind:name>`` where something varies."""

    name: str
    route: str

    def __str__(self) -> str:
        return self.name

    @property
    def in_project(self) -> bool:
        return self.route.startswith("p/<slug:slug>/")


def addresses() -> list[Address]:
    return [address for address in _walk(get_resolver().url_patterns) if address.name not in STREAMS]


def _walk(patterns: list[Any], route: str = "", namespace: str = "") -> Iterator[Address]:
    for entry in patterns:
        piece = entry.pattern._route if isinstance(entry.pattern, RoutePattern) else str(entry.pattern).lstrip("^")
        if isinstance(entry, URLResolver):
            inner = f"{namespace}{entry.namespace}:" if entry.namespace else namespace
            yield from _walk(entry.url_patterns, route + piece, inner)
        elif isinstance(entry, URLPattern):
            yield Address(f"{namespace}{entry.name}", route + piece)


def fill(address: Address, given: dict[str, str]) -> str:
    """The address with rows that exist, so that a 404 tells of permission and not of a missing row."""
    path = re.sub(r"\(\?P<(\w+)>[^)]*\)", r"<\1>", address.route).rstrip("$")
    names = re.findall(r"<(?:\w+:)?(\w+)>", path)
    missing = [name for name in names if name not in given]
    assert not missing, f"{address.name}: give an example of {missing} in test_security.world"
    return "/" + re.sub(r"<(?:\w+:)?(\w+)>", lambda found: given[found[1]], path)


@dataclass(frozen=True)
class World:
    team: people.Team
    examples: dict[str, str]


@pytest.fixture
def world(team: people.Team) -> World:
    """Project Alpha with one row of everything that an address can name."""
    pair, known = people.pairs(team.project, 2, by=team.owner)
    gold = make_gold(known, by=team.owner, lowest=1, highest=3)
    lease = next_assignment(team.owner, team.project)
    assert lease
    judgement = Judgement(preference=1, unusable=False, first={}, second={}, rationale="", seconds=1.0)
    rating = submit(team.owner, lease.pk, judgement, submission=uuid.uuid4())
    sample = Sample.objects.get(pk=pair.sample_a_id)
    certificate = Certificate(("(assert false)",), "0" * 64, "zero-division", (), {})
    verification = scene.verdict(sample, "zero-division", "proved", certificate=certificate.to_json())
    run = Run.objects.create(project=team.project, kind="sft", created_by=team.owner)
    promotion = Promotion.objects.create(model_version=sample.model_version, requested_by=team.owner)
    owners = Membership.objects.get(project=team.project, user=team.owner)
    examples = {
        "slug": "alpha",
        "kind": "sft",
        "pk": owners.pk,
        "membership_id": owners.pk,
        "user_id": team.owner.pk,
        "run_id": run.pk,
        "sample_id": sample.pk,
        "verification_id": verification.pk,
        "model_id": sample.model_version_id,
        "promotion_id": promotion.pk,
        "rating_id": rating.pk,
        "assignment_id": lease.pk,
        "comparison_id": pair.pk,
        "gold_id": gold.pk,
        "token": "made-up",
        "uidb36": "1",
        "key": "made-up",
        "provider_id": "oidc",
        "format": "jsonl",
        "name": "preferences",
    }
    return World(team, {name: str(value) for name, value in examples.items()})


def ask(client: Client, path: str) -> tuple[int, str]:
    """The status, and where it leads; by POST where the page takes no GET."""
    answer = client.get(path)
    if answer.status_code == 405:
        answer = client.post(path)
    return answer.status_code, answer.headers.get("Location", "")


def test_the_walk_finds_the_whole_site() -> None:
    names = [address.name for address in addresses()]
    assert len(names) > 60
    assert {"home", "feedback:rate", "runs:detail", "review:decide", "audit:list", "mfa_activate_totp"} <= set(names)
    assert set(names) >= OPEN | ANNOTATORS


def test_whoever_is_not_signed_in_is_led_to_sign_in(world: World) -> None:
    open_to_all = []
    for address in addresses():
        if address.name in OPEN:
            continue
        status, target = ask(Client(), fill(address, world.examples))
        if not (status == 302 and target.startswith("/accounts/login/")):
            open_to_all.append((address.name, status, target))
    assert open_to_all == []


def test_what_is_open_to_all_never_breaks(world: World) -> None:
    broken = [
        (address.name, status)
        for address in addresses()
        if address.name in OPEN and (status := ask(Client(), fill(address, world.examples))[0]) >= 500
    ]
    assert broken == []


def test_a_stranger_cannot_tell_that_a_project_exists(world: World) -> None:
    stranger = signed_in(world.team.stranger)
    seen = [
        (address.name, status)
        for address in addresses()
        if address.in_project and (status := ask(stranger, fill(address, world.examples))[0]) != 404
    ]
    assert seen == []


def test_annotators_open_their_own_pages_and_no_others(world: World) -> None:
    annotator = signed_in(world.team.teammate)
    wrong = []
    for address in (found for found in addresses() if found.in_project):
        status, _target = ask(annotator, fill(address, world.examples))
        # Another's rating is no page of theirs (404), nor is a form without what it asks for (404, 422).
        allowed = {200, 302, 404, 409, 422} if address.name in ANNOTATORS else {403, 404}
        if status not in allowed:
            wrong.append((address.name, status))
    assert wrong == []


def test_an_admin_opens_every_page_so_that_the_refusals_above_are_about_the_person(world: World) -> None:
    admin = signed_in(world.team.owner)
    refused = [
        (address.name, status)
        for address in addresses()
        if address.in_project and (status := ask(admin, fill(address, world.examples))[0]) in {403, 500}
    ]
    assert refused == []


# ---- of others, nothing by its number ----


@pytest.fixture
def theirs(team: people.Team) -> tuple[Rating, Assignment]:
    """Another annotator's rating, and the pair that they hold."""
    people.pairs(team.project, 3, by=team.owner)
    other = people.annotators(team.project, 1, by=team.owner)[0]
    lease = next_assignment(other, team.project)
    assert lease
    judgement = Judgement(preference=1, unusable=False, first={}, second={}, rationale="mine", seconds=1.0)
    rating = submit(other, lease.pk, judgement, submission=uuid.uuid4())
    held = next_assignment(other, team.project)
    assert held
    return rating, held


def test_another_persons_pair_cannot_be_drafted_rated_skipped_flagged_or_held(
    team: people.Team, theirs: tuple[Rating, Assignment]
) -> None:
    rating, held = theirs
    client = signed_in(team.teammate)
    for target in (held.pk, rating.assignment_id):
        assert client.get(f"/p/alpha/rate/difference/{target}/").status_code == 404
        sent = {"assignment": target, "submission": str(uuid.uuid4()), "preference": "1", "seconds": "1"}
        assert client.post("/p/alpha/rate/draft/", {**sent, "rationale": "theirs"}).status_code == 404
        assert client.post("/p/alpha/rate/submit/", sent).status_code == 404
        assert client.post("/p/alpha/rate/submit/", {**sent, "preference": ""}).status_code == 404
        assert client.post("/p/alpha/rate/skip/", {**sent, "reason": "unclear"}).status_code == 404
        assert client.post("/p/alpha/rate/flag/", {**sent, "problem": "broken"}).status_code == 404
        assert client.post("/p/alpha/rate/renew/", sent).json() == {"held": False}
    held.refresh_from_db()
    assert (held.state, held.draft, held.flag) == ("leased", {}, "")
    assert Rating.objects.count() == 1


def test_another_persons_rating_is_neither_shown_nor_changed(
    team: people.Team, theirs: tuple[Rating, Assignment]
) -> None:
    rating, _held = theirs
    client = signed_in(team.teammate)
    sent = {"choice": "-3", "reason": "no"}
    assert client.post(f"/p/alpha/rate/{rating.pk}/revise/", sent).status_code == 404
    shown = client.get(f"/p/alpha/rate/?rated={rating.pk}").content.decode()
    assert rating.annotator.pseudonym not in shown
    assert 'id="last"' not in shown
    client.post("/p/alpha/rate/undo/")
    assert Rating.objects.filter(pk=rating.pk, rationale="mine").exists()


def test_a_row_of_another_project_is_not_reached_through_ones_own(team: people.Team) -> None:
    people.pairs(team.project, 1, by=team.owner)
    run = Run.objects.create(project=team.project, kind="sft", created_by=team.owner)
    sample = Sample.objects.first()
    assert sample
    member = Membership.objects.get(project=team.project, user=team.owner)
    admin_elsewhere = signed_in(team.stranger)
    for path in (f"runs/{run.pk}/", f"runs/{run.pk}/summary/", f"review/{sample.pk}/"):
        assert admin_elsewhere.get(f"/p/elsewhere/{path}").status_code == 404
    paths = [f"runs/{run.pk}/cancel/", f"review/{sample.pk}/decide/"]
    for path in (*paths, f"members/{member.pk}/role/", f"members/{member.pk}/second-step/"):
        sent = {"role": "annotator", "decision": "approved"}
        assert admin_elsewhere.post(f"/p/elsewhere/{path}", sent).status_code == 404
    run.refresh_from_db()
    member.refresh_from_db()
    assert (run.state, run.cancel_requested, member.role) == ("queued", False, "admin")


def test_who_left_a_project_reaches_nothing_of_it(team: people.Team) -> None:
    people.pairs(team.project, 1, by=team.owner)
    lease = next_assignment(team.teammate, team.project)
    assert lease
    Membership.objects.filter(user=team.teammate).delete()
    client = signed_in(team.teammate)
    sent = {"assignment": lease.pk, "submission": str(uuid.uuid4()), "preference": "1", "seconds": "1"}
    assert client.get("/p/alpha/rate/").status_code == 404
    assert client.post("/p/alpha/rate/submit/", sent).status_code == 404
    # Nor through a project that they are in.
    add_member(team.elsewhere, team.teammate, role="annotator", by=team.stranger)
    assert client.post("/p/elsewhere/rate/submit/", sent).status_code == 404
    assert client.post("/p/elsewhere/rate/draft/", sent).status_code == 404
    assert Comparison.objects.get(pk=lease.comparison_id).ratings.count() == 0


# ---- what answers say to browsers ----


def test_every_kind_of_answer_carries_the_headers(world: World) -> None:
    member = signed_in(world.team.teammate)
    answers = [
        Client().get("/accounts/login/"),
        Client().get("/health/"),
        member.get("/p/alpha/"),
        member.get("/p/alpha/rate/"),
        member.get("/accounts/me/"),
        member.get("/accounts/me/data/"),
        member.get("/p/alpha/members/"),
        member.get("/no/such/page/"),
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 200, 200, 200, 403, 404]
    for answer in answers:
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert answer.headers["Referrer-Policy"] == "same-origin"
        assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert "Strict-Transport-Security" not in answer.headers


def test_the_policy_allows_scripts_and_styles_of_ours_only(world: World) -> None:
    policy = signed_in(world.team.teammate).get("/p/alpha/rate/").headers["Content-Security-Policy"]
    allowed = {words[0]: words[1:] for part in policy.split(";") if (words := part.split())}
    assert "unsafe" not in policy
    assert allowed["script-src"] == allowed["style-src"] == allowed["default-src"] == ["'self'"]
    assert allowed["object-src"] == allowed["frame-ancestors"] == ["'none'"]
    assert allowed["form-action"] == allowed["base-uri"] == ["'self'"]


def test_no_template_holds_a_script_a_style_or_a_handler_that_the_policy_would_refuse() -> None:
    inline = re.compile(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=\"|javascript:", re.IGNORECASE)
    found = {
        str(path.relative_to(TEMPLATES)): inline.findall(path.read_text())
        for path in TEMPLATES.rglob("*.html")
        if path.name != "report.html"  # A file to be kept, which no page of ours serves.
        and inline.search(path.read_text())
    }
    assert found == {}


def test_every_page_of_allauth_that_can_be_reached_has_a_template_of_ours() -> None:
    wanted = set()
    for entry in _views(get_resolver().url_patterns):
        name = getattr(getattr(entry, "view_class", None), "template_name", None)
        wanted |= {name} if name else set()
    wanted -= {"account/logout.html", "account/signup.html"}  # Signing out is a POST, and signing up is closed.
    wanted |= {"account/signup_closed.html", "socialaccount/login.html", "429.html"}
    wanted |= {f"account/email/{name}_{part}.txt" for name in MAILS for part in ("subject", "message")}
    assert len(wanted) > 20
    for name in sorted(wanted):
        assert str(get_template(name).origin.name).startswith(str(TEMPLATES)), name  # type: ignore[attr-defined]


MAILS = ("password_reset_key", "email_confirmation", "account_already_exists", "second_step_reset")


def _views(patterns: list[Any]) -> Iterator[Any]:
    for entry in patterns:
        if isinstance(entry, URLResolver):
            yield from _views(entry.url_patterns)
        else:
            view = entry.callback
            while view is not None:
                yield view
                view = getattr(view, "__wrapped__", None)


def settings_with(**environment: str) -> dict[str, Any]:
    """What the settings are in a process with this environment."""
    names = (
        "SESSION_COOKIE_SECURE",
        "CSRF_COOKIE_SECURE",
        "SECURE_HSTS_SECONDS",
        "ALLAUTH_TRUSTED_PROXY_COUNT",
        "SOCIALACCOUNT_PROVIDERS",
        "CONTENT_SECURITY_POLICY",
    )
    script = f"import json; from webapp import settings as s; print(json.dumps({{n: getattr(s, n) for n in {names}}}))"
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_behind_https_cookies_are_secure_browsers_stay_there_and_one_proxy_is_trusted() -> None:
    found = settings_with(AVAL_HTTPS="1")
    assert found["SESSION_COOKIE_SECURE"]
    assert found["CSRF_COOKIE_SECURE"]
    assert found["SECURE_HSTS_SECONDS"] >= 30 * 24 * 3600
    assert found["ALLAUTH_TRUSTED_PROXY_COUNT"] == 1
    plain = settings_with()
    assert (plain["SECURE_HSTS_SECONDS"], plain["ALLAUTH_TRUSTED_PROXY_COUNT"]) == (0, 0)
    assert settings_with(AVAL_PROXIES="2")["ALLAUTH_TRUSTED_PROXY_COUNT"] == 2


def test_https_answers_carry_the_header_that_keeps_browsers_there(
    settings: type[django_settings],  # type: ignore[valid-type]
    db: None,
) -> None:
    settings.SECURE_HSTS_SECONDS = 1000
    assert Client().get("/accounts/login/", secure=True).headers["Strict-Transport-Security"] == "max-age=1000"


def test_an_organisations_server_is_configured_by_the_environment_alone(tmp_path: Path) -> None:
    assert settings_with()["SOCIALACCOUNT_PROVIDERS"] == {}
    (tmp_path / "secret").write_text("hush\n")
    found = settings_with(
        AVAL_OIDC_ISSUER="https://id.example.org/realm",
        AVAL_OIDC_CLIENT_ID="aval",
        AVAL_OIDC_CLIENT_SECRET_FILE=str(tmp_path / "secret"),
    )
    (app,) = found["SOCIALACCOUNT_PROVIDERS"]["openid_connect"]["APPS"]
    assert (app["client_id"], app["secret"], app["name"]) == ("aval", "hush", "id.example.org")
    assert app["settings"]["server_url"] == "https://id.example.org/realm"
    assert found["CONTENT_SECURITY_POLICY"]["DIRECTIVES"]["form-action"] == ["'self'", "https://id.example.org"]
