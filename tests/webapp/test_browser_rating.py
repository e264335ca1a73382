"""The rating screen in a real browser: lines, own versions, differences, undo, two tabs, ten pairs by keyboard."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from pytest_django.live_server_helper import LiveServer

from tests.webapp import people
from tests.webapp.test_browser import sign_in
from webapp.catalog.models import Sample
from webapp.feedback import actions
from webapp.feedback.models import Assignment, LineComment, Rating, Revision

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

ONE = "def f(xs):\n    total = 0\n    for x in xs:\n        total += x\n    return total / len(xs)\n"
OTHER = "def f(xs):\n    return sum(xs) / len(xs) if xs else 0.0\n"


def at_a_pair(page: Page, address: str, count: int = 1) -> people.Team:
    team = people.team()
    people.pairs(team.project, count, by=team.owner, codes=(ONE, OTHER))
    sign_in(page, address, "teammate")
    page.goto(f"{address}/p/alpha/rate/")
    return team


def side_of(text: str) -> str:
    """The side on which the teammate sees this code: left or right."""
    lease = Assignment.objects.get(annotator__username="teammate", state="leased")
    first = lease.comparison.sample_a.text == text
    return "left" if first != lease.swapped else "right"


def test_ten_pairs_are_rated_by_keyboard_alone(page: Page, live_server: LiveServer) -> None:
    at_a_pair(page, live_server.url, 10)
    for number in range(10):
        expect(page.locator("#rating")).to_be_visible()
        before = page.locator("#rating").get_attribute("data-assignment")
        page.keyboard.press(str(number % 7 + 1))
        page.keyboard.press("Enter")
        page.wait_for_function("before => document.getElementById('rating')?.dataset.assignment !== before", arg=before)
    expect(page.locator("#no-work")).to_be_visible()
    assert Rating.objects.count() == 10
    shown = [
        -rating.preference if rating.assignment.swapped else rating.preference
        for rating in Rating.objects.order_by("pk").select_related("assignment")
        if rating.preference is not None
    ]
    assert shown == [-3, -2, -1, 0, 1, 2, 3, -3, -2, -1]


def test_a_click_on_a_line_comments_on_it_and_the_comment_is_kept_with_its_sample(
    page: Page, live_server: LiveServer
) -> None:
    at_a_pair(page, live_server.url)
    side = side_of(ONE)
    page.locator(f"#{side}-code .line").nth(4).click()
    field = page.locator(f"#{side}_comment_5")
    expect(field).to_be_focused()
    page.keyboard.type("fails for 2 empty lists")
    expect(page.locator(f"#{side}-comments [data-count]")).to_have_text("1")
    page.locator(f"#{side}-code").focus()
    for key in ("ArrowDown", "ArrowDown", "c"):
        page.keyboard.press(key)
    expect(page.locator(f"#{side}_comment_2")).to_be_focused()
    page.keyboard.type("fine")
    expect(page.locator("#saved")).to_contain_text("saved")
    page.reload()
    expect(page.locator(f"#{side}_comment_5")).to_have_value("fails for 2 empty lists")
    page.locator("#content").focus()
    page.keyboard.press("7" if side == "left" else "1")
    page.keyboard.press("Enter")
    expect(page.locator("#no-work")).to_be_visible()
    found = LineComment.objects.order_by("line").select_related("rating__comparison__sample_a")
    assert [(comment.line, comment.text) for comment in found] == [(2, "fine"), (5, "fails for 2 empty lists")]
    rating = Rating.objects.get()
    of = {"a": rating.comparison.sample_a, "b": rating.comparison.sample_b}
    assert {of[comment.side].text for comment in found} == {ONE}


def test_code_is_rewritten_in_the_editor_and_only_what_was_changed_is_kept(page: Page, live_server: LiveServer) -> None:
    at_a_pair(page, live_server.url)
    side, other = side_of(ONE), "left" if side_of(ONE) == "right" else "right"
    page.locator(f"#{side}-edit summary").click()
    page.locator(f"#{other}-edit summary").click()
    editor = page.locator(f"#{side}-edit aval-editor .cm-content")
    expect(editor).to_be_visible()
    editor.click()
    page.keyboard.press("Control+End")
    page.keyboard.type("# 7 and u are typed here")
    expect(page.locator("[name=preference]:checked")).to_have_count(0)
    expect(page.locator("#saved")).to_contain_text("saved")
    page.locator("label.preference-point").nth(0).click()
    page.get_by_role("button", name="Submit and go on").click()
    expect(page.locator("#no-work")).to_be_visible()
    rating = Rating.objects.get()
    edited = {rating.comparison.sample_a.text: rating.edited_a, rating.comparison.sample_b.text: rating.edited_b}
    assert edited == {ONE: ONE + "# 7 and u are typed here", OTHER: ""}


def test_the_differences_are_shown_line_by_line(page: Page, live_server: LiveServer) -> None:
    at_a_pair(page, live_server.url)
    page.keyboard.press("d")
    table = page.locator("table.difference")
    expect(table).to_be_visible()
    expect(table.locator("tr.difference-same")).to_have_count(1)
    expect(table).to_contain_text("return sum(xs) / len(xs) if xs else 0.0")


def test_after_a_rating_the_next_pair_is_there_and_reloading_sends_nothing_again(
    page: Page, live_server: LiveServer
) -> None:
    at_a_pair(page, live_server.url, 3)
    first = page.locator("#rating").get_attribute("data-assignment")
    sent: list[str] = []
    page.on("request", lambda request: sent.append(f"{request.method} {request.url.removeprefix(live_server.url)}"))
    page.keyboard.press("5")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/p/alpha/rate/\?rated=\d+$"))
    second = page.locator("#rating").get_attribute("data-assignment")
    assert second != first
    pages = [one for one in sent if one.startswith(("POST", "GET /p/"))]
    assert pages[-1] == "POST /p/alpha/rate/submit/"  # One trip.
    sent.clear()
    page.reload()
    assert page.locator("#rating").get_attribute("data-assignment") == second
    expect(page.locator("#last-pair, .note-good").first).to_be_visible()
    page.go_back()
    page.go_forward()
    assert page.locator("#rating").get_attribute("data-assignment") == second
    assert not [one for one in sent if one.endswith("/rate/submit/")]
    assert Rating.objects.count() == 1


def test_the_last_rating_is_taken_back_and_stands_filled_in_as_it_was(page: Page, live_server: LiveServer) -> None:
    at_a_pair(page, live_server.url, 2)
    first = page.locator("#rating").get_attribute("data-assignment")
    page.locator("#rationale").fill("too fast")
    page.locator("#content").focus()
    page.keyboard.press("2")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"rated=\d+"))
    assert page.locator("#rating").get_attribute("data-assignment") != first
    page.locator("#content").focus()
    page.keyboard.press("z")
    expect(page.get_by_text("Taken back.")).to_be_visible()
    assert page.locator("#rating").get_attribute("data-assignment") == first
    expect(page.locator("#rationale")).to_have_value("too fast")
    expect(page.locator("[name=preference][value='-2']")).to_be_checked()
    assert not Rating.objects.exists()


def test_a_changed_mind_is_kept_beside_the_first_judgement(page: Page, live_server: LiveServer) -> None:
    at_a_pair(page, live_server.url, 2)
    page.keyboard.press("1")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"rated=\d+"))
    page.locator("#last-pair > summary").click()
    page.locator(".revise > summary").click()
    page.get_by_label("Now you would say").select_option("3")
    page.get_by_role("button", name="Keep it").click()
    expect(page.get_by_text("as a changed mind")).to_be_visible()
    rating, revision = Rating.objects.select_related("assignment").get(), Revision.objects.get()
    assert revision.preference == -(rating.preference or 0)
    assert abs(rating.preference or 0) == 3


def test_a_reported_problem_reaches_the_leads_and_the_pair_stays(page: Page, live_server: LiveServer) -> None:
    at_a_pair(page, live_server.url)
    first = page.locator("#rating").get_attribute("data-assignment")
    page.keyboard.press("f")
    page.keyboard.type("the prompt is cut off")
    page.get_by_role("button", name="Tell the leads").click()
    expect(page.get_by_text("the leads will see it")).to_be_visible()
    assert page.locator("#rating").get_attribute("data-assignment") == first
    assert Assignment.objects.get().flag == "the prompt is cut off"


def test_two_tabs_share_one_lease_and_both_may_send_it(
    page: Page, context: BrowserContext, live_server: LiveServer
) -> None:
    at_a_pair(page, live_server.url, 2)
    tab = context.new_page()
    tab.goto(f"{live_server.url}/p/alpha/rate/")
    assert tab.locator("#rating").get_attribute("data-assignment") == page.locator("#rating").get_attribute(
        "data-assignment"
    )
    assert Assignment.objects.filter(state="leased").count() == 1
    for one in (page, tab):
        one.keyboard.press("5")
    page.keyboard.press("Enter")
    expect(page.locator("#last-pair, .note-good").first).to_be_visible()
    tab.keyboard.press("Enter")
    expect(tab.locator("#conflict")).to_contain_text("You have rated this pair already")
    assert Rating.objects.count() == 1
    tab.close()


def test_comments_and_own_versions_need_no_script(browser: Browser, live_server: LiveServer) -> None:
    team = people.team()
    people.pairs(team.project, 1, by=team.owner, codes=(ONE, OTHER))
    with browser.new_context(java_script_enabled=False, viewport={"width": 390, "height": 844}) as context:
        tab = context.new_page()
        sign_in(tab, live_server.url, "teammate")
        tab.goto(f"{live_server.url}/p/alpha/rate/")
        tab.locator("#difference > summary").click()
        with context.expect_page() as opened:
            tab.locator("#difference a").click()
        expect(opened.value.locator("table.difference tr.difference-same")).to_have_count(1)
        tab.locator("#left-comments > summary").click()
        tab.locator("#left-new-line").fill("99")
        tab.locator("#left-new-comment").fill("here")
        tab.locator("label.preference-point").nth(3).click()
        tab.get_by_role("button", name="Submit and go on").click()
        expect(tab.locator("#errors")).to_contain_text("There is no line 99 in A")
        tab.locator("input[name$='_comment_99'], #left-new-line").first.fill("2")
        tab.get_by_role("button", name="Submit and go on").click()
        expect(tab.locator("#no-work")).to_be_visible()
    assert [comment.line for comment in LineComment.objects.all()] == [2]


def test_an_ended_lease_is_said_and_its_rating_still_counts(page: Page, live_server: LiveServer) -> None:
    at_a_pair(page, live_server.url)
    actions.expire_leases(now=Assignment.objects.get().expires_at.replace(year=2100))
    answer = page.evaluate(
        """async () => {
            const form = document.getElementById("rating");
            const body = new FormData();
            for (const name of ["csrfmiddlewaretoken", "assignment"]) body.set(name, form.elements[name].value);
            return await (await fetch(form.dataset.renew, { method: "POST", body })).json();
        }"""
    )
    assert answer == {"held": False}
    page.keyboard.press("4")
    page.keyboard.press("Enter")
    expect(page.locator("#no-work")).to_be_visible()
    assert Rating.objects.get().surplus is False
    assert Sample.objects.count() == 2
