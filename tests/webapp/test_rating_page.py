"""The rating page: what it shows, what it refuses, and what others can't reach (webapp.feedback.views)."""

from __future__ import annotations

import re
import uuid
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from tests.webapp import people
from tests.webapp.people import signed_in
from webapp.catalog.highlight import COLOURED, highlighted, tokens
from webapp.catalog.models import Execution, Project, Sample, Verification
from webapp.feedback.actions import next_assignment
from webapp.feedback.judgement import SCALES
from webapp.feedback.models import Assignment, Comparison, Rating

ROOT = Path(__file__).resolve().parents[2]
RATE = "/p/alpha/rate/"


class Texts(HTMLParser):
    """The text of each element with an id, as a browser's textContent gives it."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.texts: dict[str, str] = {}
        self._open: list[tuple[str, str]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in {"input", "meta", "link", "img", "br", "hr"}:
            self._open.append((tag, dict(attrs).get("id") or ""))

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        for _tag, name in self._open:
            if name:
                self.texts[name] = self.texts.get(name, "") + data


def opened(client: Client) -> Any:
    page = client.get(RATE)
    assert page.status_code == 200
    return page


@pytest.fixture
def mate(team: people.Team) -> Client:
    people.pairs(team.project, 2, by=team.owner)
    return signed_in(team.teammate)


def test_the_page_shows_prompt_and_both_programs_exactly_and_names_no_model(mate: Client) -> None:
    page = opened(mate)
    texts = Texts(page.content.decode()).texts
    lease = page.context["assignment"]
    pair = [lease.comparison.sample_a.text, lease.comparison.sample_b.text]
    if lease.swapped:
        pair.reverse()
    assert [texts["left-code"], texts["right-code"]] == pair
    assert texts["prompt-text"] == lease.comparison.prompt.text
    assert texts["prompt-signature"] == lease.comparison.prompt.signature
    assert "secret-model-name" not in page.content.decode()
    assert "hidden" not in lease.comparison.prompt.text
    assert "assert add_" not in page.content.decode()
    assert f'data-assignment="{lease.pk}"' in page.content.decode()


def test_a_project_that_is_not_blind_names_the_models(team: people.Team, mate: Client) -> None:
    Project.objects.filter(pk=team.project.pk).update(blind=False)
    assert "secret-model-name" in opened(mate).content.decode()


def test_a_rating_goes_in_and_the_next_pair_comes(mate: Client) -> None:
    page = opened(mate)
    lease = page.context["assignment"]
    done = mate.post(RATE + "submit/", people.answer(page.context))
    rating = Rating.objects.get()
    assert done.headers["Content-Location"] == f"{RATE}?rated={rating.pk}"
    assert f'data-address="{RATE}?rated={rating.pk}"' in done.content.decode()
    assert done.context["assignment"].comparison_id != lease.comparison_id
    assert rating.preference == (-1 if lease.swapped else 1)
    assert (rating.rationale, rating.seconds, rating.surplus) == ("B handles zero.", 12.5, False)
    assert opened(mate).context["assignment"].comparison_id != lease.comparison_id
    mate.post(RATE + "submit/", people.answer(opened(mate).context))
    assert 'id="no-work"' in opened(mate).content.decode()


def test_both_unusable_needs_no_preference_and_wins_over_one(mate: Client) -> None:
    for preference in (None, "3"):
        sent = people.answer(opened(mate).context, preference=preference, unusable="on")
        assert mate.post(RATE + "submit/", sent).status_code == 200
    assert list(Rating.objects.values_list("preference", "unusable")) == [(None, True)] * 2


def test_sending_the_form_again_changes_nothing(mate: Client) -> None:
    sent = people.answer(opened(mate).context)
    first = mate.post(RATE + "submit/", sent)
    again = mate.post(RATE + "submit/", {**sent, "preference": "-3"})
    assert first.headers["Content-Location"] == again.headers["Content-Location"]
    assert Rating.objects.count() == 1


def test_a_form_of_another_pair_with_the_same_id_is_refused_clearly(mate: Client) -> None:
    first = people.answer(opened(mate).context)
    mate.post(RATE + "submit/", first)
    second = people.answer(opened(mate).context, submission=first["submission"])
    page = mate.post(RATE + "submit/", second)
    assert page.status_code == 409
    assert "sent for another pair already" in page.content.decode()


def test_a_second_judgement_of_a_pair_is_refused_clearly(mate: Client) -> None:
    sent = people.answer(opened(mate).context)
    mate.post(RATE + "submit/", sent)
    page = mate.post(RATE + "submit/", {**sent, "submission": str(uuid.uuid4())})
    assert page.status_code == 409
    assert "the first rating stays" in page.content.decode()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"preference": None}, "Choose one of the seven preferences"),
        ({"preference": "4"}, "less than or equal to 3"),
        ({"preference": "much better"}, "Enter a whole number"),
        ({"left_security": "6"}, "less than or equal to 5"),
        ({"rationale": "x" * 4001}, "at most 4000"),
        ({"rationale": "a\0b"}, "Null characters"),
        ({"seconds": "soon"}, "Enter a number"),
        ({"seconds": "-1"}, "greater than or equal to 0"),
        ({"submission": "not-a-uuid"}, "valid UUID"),
    ],
)
def test_bad_input_is_refused_and_nothing_that_was_typed_is_lost(
    mate: Client, changes: dict[str, Any], said: str
) -> None:
    sent = people.answer(opened(mate).context, **{"rationale": "typed text", **changes})
    page = mate.post(RATE + "submit/", sent)
    assert page.status_code == 422
    assert said in page.content.decode()
    assert page.context["assignment"].pk == sent["assignment"]
    assert re.search(r'name="right_correctness" value="5" checked', page.content.decode())
    if "rationale" not in changes:
        assert "typed text" in page.content.decode()
    assert Rating.objects.count() == 0


def test_the_assignments_of_others_are_out_of_reach(team: people.Team, mate: Client) -> None:
    lease = next_assignment(team.owner, team.project)
    assert lease is not None
    sent = people.answer({"assignment": lease, "submission": uuid.uuid4()})
    assert mate.post(RATE + "submit/", sent).status_code == 404
    assert mate.post(RATE + "submit/", {**sent, "preference": "9"}).status_code == 404
    assert mate.post(RATE + "draft/", {"assignment": lease.pk, "rationale": "x"}).status_code == 404
    assert mate.post(RATE + "skip/", {"assignment": lease.pk, "reason": "other"}).status_code == 404
    for number in ("0", "-1", "x", "9" * 30, ""):
        assert mate.post(RATE + "submit/", {**sent, "assignment": number}).status_code == 404
        assert mate.post(RATE + "draft/", {"assignment": number}).status_code == 404


def test_the_results_of_others_are_out_of_reach(team: people.Team, mate: Client) -> None:
    owner = signed_in(team.owner)
    owner.post(RATE + "submit/", people.answer(opened(owner).context))
    rating = Rating.objects.get()
    assert 'id="last-pair"' in owner.get(f"{RATE}?rated={rating.pk}").content.decode()
    assert 'id="last-pair"' not in mate.get(f"{RATE}?rated={rating.pk}").content.decode()
    for nonsense in ("x", "-1", "9" * 40, "0"):
        assert mate.get(f"{RATE}?rated={nonsense}").status_code == 200


def test_a_draft_is_kept_and_filled_in_again(mate: Client) -> None:
    lease = opened(mate).context["assignment"]
    half = {"assignment": lease.pk, "preference": "-2", "left_security": "3", "rationale": "<b>half</b> a thought"}
    answered = mate.post(RATE + "draft/", half)
    assert re.search(r"saved <time[^>]*>\d\d:\d\d</time>", answered.content.decode())
    page = opened(mate).content.decode()
    assert re.search(r'name="preference" value="-2" checked', page)
    assert re.search(r'name="left_security" value="3" checked', page)
    assert "&lt;b&gt;half&lt;/b&gt; a thought</textarea>" in page


def test_a_draft_of_a_finished_pair_says_so(mate: Client) -> None:
    sent = people.answer(opened(mate).context)
    mate.post(RATE + "submit/", sent)
    answered = mate.post(RATE + "draft/", {"assignment": sent["assignment"], "rationale": "late"})
    assert answered.content.decode() == "You have finished this pair already."
    assert Rating.objects.get().rationale == "B handles zero."


def test_skipping_needs_a_reason_and_gives_another_pair(mate: Client) -> None:
    lease = opened(mate).context["assignment"]
    refused = mate.post(RATE + "skip/", {"assignment": lease.pk}, follow=True)
    assert "Choose a reason for skipping." in refused.content.decode()
    assert opened(mate).context["assignment"].pk == lease.pk
    skipped = mate.post(RATE + "skip/", {"assignment": lease.pk, "reason": "unclear"}, follow=True)
    assert "Somebody else will rate that pair" in skipped.content.decode()
    assert skipped.context["assignment"].pk != lease.pk
    assert Assignment.objects.get(pk=lease.pk).state == "skipped"


def test_a_late_rating_is_kept_and_says_that_it_is_an_extra(team: people.Team, mate: Client) -> None:
    sent = people.answer(opened(mate).context)
    Comparison.objects.update(overlap=1, open_slots=0)
    Assignment.objects.update(state="expired")
    Comparison.objects.filter(assignments=sent["assignment"]).update(open_slots=1)
    assert next_assignment(team.owner, team.project) is not None
    page = mate.post(RATE + "submit/", sent, follow=True)
    assert "yours is kept as an extra" in page.content.decode()
    assert Rating.objects.get().surplus


def test_results_appear_after_the_judgement_if_the_project_reveals_them(team: people.Team, mate: Client) -> None:
    for sample in Sample.objects.all():
        Execution.objects.create(
            sample=sample, suite="hidden", environment="e", status="wrong", passed=3, total=4, detail="secret detail"
        )
        about = {"counterexample": {"call": "add_0(<0>)", "observed": "ZeroDivisionError"}}
        Verification.objects.create(
            sample=sample, property="zero-division", outcome="refuted", verifier_version="1", **about
        )
    Sample.objects.update(checked_at=timezone.now())
    before = opened(mate)
    assert "ZeroDivisionError" not in before.content.decode()
    page = mate.post(RATE + "submit/", people.answer(before.context), follow=True).content.decode()
    assert "hidden tests: 3 of 4 passed" in page
    assert "never divides by zero" in page
    assert "add_0(&lt;0&gt;)" in page
    assert "secret detail" not in page
    Project.objects.filter(pk=team.project.pk).update(reveal="never")
    page = mate.post(RATE + "submit/", people.answer(opened(mate).context), follow=True).content.decode()
    assert "Saved." in page
    assert "ZeroDivisionError" not in page


def test_unchecked_samples_are_called_so(mate: Client) -> None:
    page = mate.post(RATE + "submit/", people.answer(opened(mate).context), follow=True).content.decode()
    assert page.count("not checked yet") == 2


def test_the_page_speaks_spanish_and_shows_the_spanish_guideline(mate: Client) -> None:
    mate.post("/accounts/language/", {"language": "es"})
    page = opened(mate).content.decode()
    assert "¿Qué programa es mejor?" in page
    assert "Primero, que sea correcto" in page


def test_a_rating_works_as_a_plain_form_with_the_token_of_the_page(team: people.Team, mate: Client) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(team.teammate)
    page = opened(client)
    sent = people.answer(page.context)
    assert client.post(RATE + "submit/", sent).status_code == 403
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.content.decode())
    assert token
    assert client.post(RATE + "submit/", {**sent, "csrfmiddlewaretoken": token[1]}).status_code == 200
    for name in ("preference", "unusable", *(f"{side}_{scale}" for side in ("left", "right") for scale in SCALES)):
        assert f'name="{name}"' in page.content.decode()


HOSTILE = '</pre><script>alert(1)</script>\n# \u202e gnihtyreve \u2066\u200b\n\n\n\tx = \'&amp;\' # \x0c\x07 \x85 end\r\ny = """a\n  b"""\n'


@pytest.mark.parametrize(
    "code", ["", "\n", "\n\nx = 1", "x = 1", "x = 1\n", "x\n\n\n", HOSTILE, "def f(:\n  ''' open\n", "é = 'ñ' # 漢字"]
)
def test_highlighted_code_keeps_every_character_and_is_inert(code: str) -> None:
    html = highlighted(code)
    assert "<script" not in html
    assert Texts(f'<pre id="code">{html}</pre>').texts.get("code", "") == code
    outside = re.sub(r'<span class="hidden-char"[^>]*>.</span>', "", html)
    assert not re.search("[\u202a-\u202e\u2066-\u2069\u200b]", outside)


@pytest.mark.parametrize("code", ["", "\n", "x = 1", "x\n\n\n", HOSTILE, "def f(:\n  ''' open\n", "é = 'ñ' # 漢字"])
@pytest.mark.parametrize("known", ["right", "3k 1", '1k"><script> 2 999999', "0k " * 50, "-1k 5", "k k k"])
def test_a_program_is_shown_the_same_whatever_is_kept_of_its_tokens(code: str, known: str) -> None:
    kept = tokens(code) if known == "right" else known
    html = highlighted(code, kept)
    assert "<script" not in html
    assert Texts(f'<pre id="code">{html}</pre>').texts.get("code", "") == code
    if known == "right":
        assert html == highlighted(code)


def test_every_kind_of_token_that_is_kept_has_a_colour() -> None:
    sheet = (ROOT / "webapp/static/css/code.css").read_text()
    assert set(re.findall(r"\.code \.([a-z]{1,2}\d?|err)\b(?!-)", sheet)) == COLOURED
