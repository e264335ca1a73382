"""Every page against axe-core's rules (WCAG 2.2 AA and its best practices), in both languages and themes."""

from __future__ import annotations

from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, Page
from pytest_django.live_server_helper import LiveServer

from tests.webapp import people, scene
from webapp.accounts.actions import invite
from webapp.accounts.models import User
from webapp.catalog.actions import add_member
from webapp.feedback.gold import make_gold
from webapp.feedback.models import Comparison, Rating
from webapp.frontend.build import HERE as FRONTEND
from webapp.runs.models import Run

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

AXE = FRONTEND / "node_modules" / "axe-core" / "axe.min.js"
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
OPENED = "details => details.forEach(each => (each.open = true))"


def signed_in(context: BrowserContext, address: str, user: User) -> None:
    """As the person, without the sign-in page in between."""
    client = Client()
    client.force_login(user)
    name = settings.SESSION_COOKIE_NAME
    context.add_cookies([{"name": name, "value": client.cookies[name].value, "url": address}])


def violations(page: Page) -> list[str]:
    """What axe-core finds on the page, with everything that can be opened open."""
    page.eval_on_selector_all("details", OPENED)
    page.wait_for_timeout(60)
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found: list[dict[str, Any]] = page.evaluate(
        "async tags => (await axe.run(document, {runOnly: tags, resultTypes: ['violations']})).violations", TAGS
    )
    return [f"{rule['id']}: {rule['help']}: {node['html'][:200]}" for rule in found for node in rule["nodes"]]


def too_wide(page: Page, path: str) -> list[str]:
    """Whether a phone would have to scroll sideways, with everything open."""
    page.set_viewport_size({"width": 390, "height": 844})
    width = page.evaluate("document.documentElement.scrollWidth")
    page.set_viewport_size({"width": 1280, "height": 900})
    return [f"{path}: {width} pixels wide on a phone"] if width > 390 else []


def furnished() -> tuple[people.Team, list[str], list[str]]:
    """A project with something of everything; the pages of its admin, and those that need nobody."""
    team = people.team()
    add_member(
        team.elsewhere, team.owner, role="annotator", by=team.stranger
    )  # With two projects there is a home page.
    pair, golden, disputed, *_rest = people.pairs(team.project, 4, by=team.owner)
    make_gold(golden, by=team.owner, lowest=1, highest=3, explanation={"en": "Why.", "es": "Por qué."})
    for comparison in (golden, disputed):
        for user, preference in ((team.teammate, 3), (team.owner, -3)):
            scene.rating(comparison, user, preference, rationale="because")
    model = scene.model(team.project, "reviewed")
    sample = scene.sample(pair.prompt, model, scene.MEAN)
    scene.verdict(sample, "zero-division", "refuted")
    scene.execution(sample, "hidden", 1, 2)
    run = Run.objects.create(project=team.project, kind="sft", created_by=team.owner, config={}, state="failed")
    token = invite(team.project, "annotator", by=team.owner).token
    Authenticator.objects.create(user=team.teammate, type="totp", data={"secret": "x"})
    alpha = "/p/alpha/"
    inside = [
        *("/", alpha, f"{alpha}rate/", f"{alpha}rate/mine/", f"{alpha}members/", f"{alpha}settings/"),
        *(f"{alpha}prompts/import/", f"{alpha}runs/", f"{alpha}runs/new/ppo/", f"{alpha}runs/{run.pk}/"),
        *(f"{alpha}review/", f"{alpha}review/{sample.pk}/", f"{alpha}audit/", f"{alpha}export/", f"{alpha}consent/"),
        *(f"{alpha}quality/", f"{alpha}quality/gold/", f"{alpha}quality/flags/", f"{alpha}quality/adjudication/"),
        *(f"{alpha}quality/annotators/{team.teammate.pk}/", f"{alpha}quality/adjudication/{disputed.pk}/"),
        *("/accounts/me/", "/accounts/me/erase/", "/accounts/password/change/"),
    ]
    outside = ["/accounts/login/", "/accounts/password/", f"/accounts/join/{token}/", "/accounts/join/gone/"]
    return team, inside, outside


@pytest.mark.parametrize("language", ["en", "es"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_has_a_violation(browser: Browser, live_server: LiveServer, language: str, scheme: str) -> None:
    team, inside, outside = furnished()
    wrong: list[str] = []
    with browser.new_context(color_scheme=scheme, viewport={"width": 1280, "height": 900}) as context:  # type: ignore[arg-type]
        context.add_cookies([{"name": settings.LANGUAGE_COOKIE_NAME, "value": language, "url": live_server.url}])
        page = context.new_page()
        for path in outside:
            page.goto(live_server.url + path)
            wrong += [f"{path}: {found}" for found in violations(page)]
        signed_in(context, live_server.url, team.owner)
        for path in inside:
            response = page.goto(live_server.url + path)
            assert response is not None
            assert (response.status, page.url) == (200, live_server.url + path)
            assert page.evaluate("document.documentElement.lang") == language, path
            wrong += [f"{path}: {found}" for found in violations(page)]
            wrong += too_wide(page, path)
    assert not wrong, "\n".join(wrong)


def test_axe_sees_what_is_wrong(browser: Browser) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        page.set_content("<html><body><img src='x'><input></body></html>")
        assert {found.split(":")[0] for found in violations(page)} >= {"image-alt", "label", "html-has-lang"}
    assert Comparison.objects.count() == Rating.objects.count() == 0
