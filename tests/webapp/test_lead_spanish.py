"""The leads' pages in Spanish: every text of ours that a reader or a screen reader meets, with and without rows."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping

import pytest
from django.test import Client
from django.utils import timezone

from tests.webapp import people, scene
from tests.webapp.test_lead_pages import Desk, gold
from webapp import messages
from webapp.accounts.models import User
from webapp.catalog.models import Membership, Prompt, Sample
from webapp.feedback import lead_actions
from webapp.feedback.models import Assignment, LineComment, Rating, Revision

PAGES = (
    *("", "?simulated=1", "annotators/{rater}/", "adjudication/", "adjudication/?simulated=1"),
    *("adjudication/{pair}/", "adjudication/{decided}/", "flags/"),
    *("gold/", "gold/?comparison={pair}", "gold/?comparison={decided}"),
)
POSTS: Mapping[str, tuple[str, dict[str, str]]] = {
    "a decision without a reason": ("adjudication/{pair}/decide/", {"preference": "1"}),
    "a decision without a preference": ("adjudication/{pair}/decide/", {"reason": "xyzzy"}),
    "a decision": ("adjudication/{pair}/decide/", {"preference": "1", "reason": "xyzzy"}),
    "gold without an answer": ("gold/make/", {"comparison": "{pair}"}),
    "gold the wrong way round": ("gold/make/", {"comparison": "{pair}", "lowest": "2", "highest": "-2"}),
    "gold": ("gold/make/", {"comparison": "{pair}", "lowest": "1", "highest": "2"}),
    "no such pair": ("gold/make/", {"comparison": "999999", "lowest": "1", "highest": "2"}),
    "into the qualification": ("gold/{question}/qualifying/", {"qualifying": "1"}),
    "a flag": ("flags/{flagged}/resolve/", {}),
    "letting in": ("annotators/{rater}/let-in/", {}),
    "trying again": ("annotators/{rater}/try-again/", {}),
    "letting in who did not fail": ("annotators/{other}/let-in/", {}),
}
SAME = {"Aval", "EN", "ES", "EN ES", "English", "Español", "no"}
"""What both languages may write alike, beside the data and what the catalogue itself leaves as it is."""
ENGLISH = re.compile(
    r"\b(the|of|and|is|are|with|this|that|was|were|have|not|for|which|from|they|their|there|each|who|whose)\b", re.I
)
"""Words of which an English sentence holds one and a Spanish one none."""


@pytest.fixture
def desk(team: people.Team) -> Desk:
    return Desk(team)


@pytest.fixture
def keys(desk: Desk) -> dict[str, int]:
    """One row at least of everything that the pages tell, and the rows that addresses name."""
    rater, other, _third = desk.crowd
    panel = scene.person("panel", "annotator", desk.project, simulated=True)
    for number in range(25):
        pair = desk.pair(2, -2, 2, seconds=30.0 + number, rationale="xyzzy")
        if number < 10:
            Rating.objects.filter(comparison=pair, annotator=rater).update(seconds=0.5)
        if number < 5:
            scene.rating(pair, panel, -1)
    pair, decided = desk.pair(3, -3, None, rationale="xyzzy"), desk.pair(3, -3, 0)
    LineComment.objects.create(rating=pair.ratings.filter(annotator=rater).get(), side="a", line=1, text="xyzzy")
    Revision.objects.create(rating=pair.ratings.filter(annotator=other).get(), preference=1, reason="xyzzy")
    lead_actions.adjudicate(decided, by=desk.lead, preference=1, unusable=False, reason="xyzzy")
    question = gold(desk, desk.pair(2, -1), 1, 3, explanation={"en": "xyzzy", "es": "xyzzy"})
    gold(desk, desk.pair(None), None, None, qualifying=True)
    flagged = Assignment.objects.filter(annotator=rater).first()
    assert flagged
    Assignment.objects.filter(pk=flagged.pk).update(flag="xyzzy")
    Assignment.objects.filter(comparison__in=desk.odd()).update(swapped=True)
    left = scene.person("gone", "annotator", desk.project)
    scene.rating(desk.pair(), left, 1)
    Membership.objects.filter(user=left).delete()
    Membership.objects.filter(user=rater).update(failed_at=timezone.now())
    return {
        "rater": rater.pk,
        "other": other.pk,
        "pair": pair.pk,
        "decided": decided.pk,
        "question": question.pk,
        "flagged": flagged.pk,
    }


def client(user: User, language: str) -> Client:
    found = Client()
    found.force_login(user)
    found.cookies["django_language"] = language
    return found


def texts(page: str) -> set[str]:
    """What is read of a page: its text between tags, and what screen readers, pointers and empty fields tell."""
    page = re.sub(r"<(script|style)\b.*?</\1>", "", page, flags=re.S)
    told = re.findall(r'\s(?:aria-label|title|placeholder|alt)="([^"]+)"', page)
    return {words for part in [*told, *re.split(r"<[^>]+>", page)] if (words := " ".join(html.unescape(part).split()))}


def left_in_english(spanish: str, english: str) -> set[str]:
    """Texts that are the same in both languages, and those with an English word."""
    ours = {text for text in texts(spanish) if re.search(r"[^\W\d_]{2}", _ours(text))}
    alike = SAME | {str(item.id) for item in messages.read_catalog("es") if item.id == item.string}
    return ((ours & texts(english)) - alike) | {text for text in ours if ENGLISH.search(text)}


def _ours(text: str) -> str:
    """What is left of a text without what the project's people and programs said."""
    names = "|".join(re.escape(user.pseudonym) for user in User.objects.all())
    text = re.sub(rf"#\d+|\b(?:{names}|alpha|xyzzy)\b|…$", "", text, flags=re.I).strip()
    programs = [" ".join(sample.text.split()) for sample in Sample.objects.all()]
    prompts = [" ".join(f"{prompt.text} {prompt.signature}".split()) for prompt in Prompt.objects.all()]
    return "" if any(text in said for said in (*programs, *prompts)) else text


def in_both(desk: Desk, address: str) -> set[str]:
    """What is left in English of a page."""
    spanish, english = (client(desk.lead, code).get(f"/p/alpha/quality/{address}") for code in ("es", "en"))
    assert (spanish.status_code, english.status_code) == (200, 200)
    assert '<html lang="es">' in spanish.content.decode()
    return left_in_english(spanish.content.decode(), english.content.decode())


def test_pages_with_rows_hold_no_english(desk: Desk, keys: dict[str, int]) -> None:
    found = {page: in_both(desk, page.format(**keys)) for page in PAGES}
    assert {page: left for page, left in found.items() if left} == {}


def test_pages_without_rows_hold_no_english(desk: Desk) -> None:
    pages = ("", "adjudication/", "gold/", "flags/", f"annotators/{desk.crowd[0].pk}/")
    assert {page: left for page in pages if (left := in_both(desk, page))} == {}


def test_answers_hold_no_english(desk: Desk, keys: dict[str, int]) -> None:
    """Told by English words alone: a second answer may say that there is nothing left to do."""
    lead, found = client(desk.lead, "es"), {}
    for said, (address, sent) in POSTS.items():
        given = {name: value.format(**keys) for name, value in sent.items()}
        answer = lead.post(f"/p/alpha/quality/{address.format(**keys)}", given, follow=True)
        assert answer.status_code in {200, 404, 422}, said
        found[said] = left_in_english(answer.content.decode(), "")
    assert {said: left for said, left in found.items() if left} == {}


def test_the_check_notices_english(desk: Desk) -> None:
    page = client(desk.lead, "es").get("/p/alpha/quality/flags/").content.decode()
    for added in ("<p>Nothing here</p>", '<a title="Close">x</a>', "<p>3 of 4 pares</p>"):
        assert left_in_english(page + added, page + added) - left_in_english(page, "") != set()
