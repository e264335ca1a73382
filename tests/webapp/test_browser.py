"""Rating in a real browser: by keyboard alone, without scripts, across a closed tab."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from pytest_django.live_server_helper import LiveServer

from tests.webapp import people
from webapp.catalog.models import Sample
from webapp.feedback.models import Assignment, Rating
from webapp.runs.actions import take_snapshot

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

expect.set_options(timeout=20_000)  # Milliseconds: a machine that also trains is slow.

HOSTILE = "def f(x):\n    return '</pre><script>document.title = 1</script>' # \u202e gnihtyreve\n\n\n"


def sign_in(page: Page, address: str, name: str) -> None:
    """By keyboard: the first field has the focus."""
    page.goto(f"{address}/accounts/login/")
    expect(page.get_by_label("Username")).to_be_focused()
    page.keyboard.type(name)
    page.keyboard.press("Tab")
    page.keyboard.type(people.PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{address}/p/alpha/")


def test_an_annotator_rates_by_keyboard_alone_and_the_rating_is_in_the_next_snapshot(
    page: Page, live_server: LiveServer
) -> None:
    team = people.team()
    people.pairs(team.project, 2, by=team.owner)
    sign_in(page, live_server.url, "teammate")
    page.get_by_role("link", name="Rate", exact=True).focus()
    page.keyboard.press("Enter")
    expect(page.locator("#rating")).to_be_visible()
    lease = Assignment.objects.get(annotator=team.teammate, state="leased")

    page.locator("[name=right_correctness][value='4']").focus()
    page.keyboard.press("Space")
    page.keyboard.press("ArrowRight")
    page.locator("#rationale").focus()
    page.keyboard.type("7u? typed, not a shortcut")
    expect(page.locator("#shortcuts")).not_to_be_visible()
    page.locator("#content").focus()
    page.keyboard.press("?")
    expect(page.locator("#shortcuts")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("u")
    expect(page.locator("[name=unusable]")).to_be_checked()
    page.keyboard.press("6")
    expect(page.locator("[name=unusable]")).not_to_be_checked()
    expect(page.locator("[name=preference][value='2']")).to_be_checked()
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"rated=\d+"))

    rating = Rating.objects.get()
    assert rating.assignment_id == lease.pk
    assert rating.preference == (-2 if lease.swapped else 2)
    assert (rating.scales_a if lease.swapped else rating.scales_b) == {"correctness": 5}
    assert rating.rationale == "7u? typed, not a shortcut"
    snapshot = take_snapshot(team.project, team.owner)
    assert [(row["annotator"], row["preference"]) for row in snapshot.rows] == [("teammate", rating.preference)]


def test_skipping_by_keyboard_gives_the_next_pair(page: Page, live_server: LiveServer) -> None:
    team = people.team()
    people.pairs(team.project, 2, by=team.owner)
    sign_in(page, live_server.url, "teammate")
    page.goto(f"{live_server.url}/p/alpha/rate/")
    first = page.locator("#rating").get_attribute("data-assignment")
    page.keyboard.press("s")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Somebody else will rate that pair.")).to_be_visible()
    assert page.locator("#rating").get_attribute("data-assignment") != first
    assert Assignment.objects.get(pk=first).skip_reason == "unclear"


def test_what_was_typed_is_there_again_after_the_tab_was_closed(
    page: Page, context: BrowserContext, live_server: LiveServer
) -> None:
    team = people.team()
    people.pairs(team.project, 1, by=team.owner)
    sign_in(page, live_server.url, "teammate")
    page.goto(f"{live_server.url}/p/alpha/rate/")
    page.keyboard.press("3")
    page.locator("#rationale").fill("half a thought")
    expect(page.locator("#saved")).to_contain_text("saved")
    page.close()
    tab = context.new_page()
    tab.goto(f"{live_server.url}/p/alpha/rate/")
    expect(tab.locator("#rationale")).to_have_value("half a thought")
    expect(tab.locator("[name=preference][value='-1']")).to_be_checked()


def test_without_scripts_one_rates_with_a_plain_form(browser: Browser, live_server: LiveServer) -> None:
    team = people.team()
    people.pairs(team.project, 1, by=team.owner, codes=(HOSTILE, "x = 1\n"))
    with browser.new_context(java_script_enabled=False, viewport={"width": 390, "height": 844}) as context:
        tab = context.new_page()
        sign_in(tab, live_server.url, "teammate")
        tab.goto(f"{live_server.url}/p/alpha/rate/")
        tab.locator("label.preference-point").nth(6).click()
        tab.get_by_role("button", name="Submit and go on").click()
        expect(tab.locator("#no-work")).to_be_visible()
    assert abs(Rating.objects.get().preference or 0) == 3


def test_hostile_code_is_shown_as_it_is_and_does_nothing(page: Page, live_server: LiveServer) -> None:
    team = people.team()
    people.pairs(team.project, 1, by=team.owner, codes=(HOSTILE, "x = 1\n"))
    sign_in(page, live_server.url, "teammate")
    page.goto(f"{live_server.url}/p/alpha/rate/")
    shown = {page.locator(f"#{side}-code").evaluate("element => element.textContent") for side in ("left", "right")}
    assert shown == set(Sample.objects.values_list("text", flat=True))
    assert page.title() == "Rate · Alpha · Aval"


def test_an_incomplete_form_says_what_is_missing_and_can_be_sent_again(page: Page, live_server: LiveServer) -> None:
    team = people.team()
    people.pairs(team.project, 1, by=team.owner)
    sign_in(page, live_server.url, "teammate")
    page.goto(f"{live_server.url}/p/alpha/rate/")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("Choose one of the seven preferences")
    page.keyboard.press("4")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#no-work")).to_be_visible()
    assert Rating.objects.get().preference == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_is_wider_than_a_phone(browser: Browser, live_server: LiveServer, scheme: str) -> None:
    team = people.team()
    people.pairs(team.project, 2, by=team.owner)
    with browser.new_context(color_scheme=scheme, viewport={"width": 390, "height": 844}) as context:  # type: ignore[arg-type]
        tab = context.new_page()
        sign_in(tab, live_server.url, "owner")
        for path in ("", "rate/", "members/", "prompts/import/"):
            tab.goto(f"{live_server.url}/p/alpha/{path}")
            assert tab.evaluate("document.documentElement.scrollWidth") <= 390, path
