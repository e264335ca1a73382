"""The leads' pages: who sees them, what they show, and what leads decide there."""

from __future__ import annotations

import random
import re
import threading
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.webapp import people, scene
from webapp.accounts.models import User
from webapp.audit.models import AuditEvent
from webapp.catalog.models import Membership, Project
from webapp.feedback import actions, afterwards, lead_actions, lead_queries, quality, quality_queries
from webapp.feedback.gold import make_gold
from webapp.feedback.judgement import Judgement
from webapp.feedback.models import Adjudication, Assignment, Comparison, Gold, LineComment, Rating, Revision
from webapp.runs.actions import append_event
from webapp.runs.models import Run

PAGES = ("", "adjudication/", "gold/", "flags/")


class Desk:
    """The team with a lead, an engineer and three annotators, and pairs that they have rated."""

    def __init__(self, team: people.Team) -> None:
        self.team, self.project = team, team.project
        self.lead = scene.person("lead", "lead", team.project)
        self.engineer = scene.person("engineer", "engineer", team.project)
        self.crowd = [scene.person(f"rater{number}", "annotator", team.project) for number in range(3)]
        self.model = scene.model(team.project, "secret-model-name")
        self.prompts = 0

    def pair(self, *said: int | None, overlap: int | None = None, **about: Any) -> Comparison:
        """A pair that the crowd has rated, one preference each, with as many slots as there are ratings."""
        self.prompts += 1
        prompt = scene.prompt(self.project, f"Return the mean, number {self.prompts}.")
        made = scene.comparison(scene.sample(prompt, self.model), scene.sample(prompt, self.model, scene.SAFE_MEAN))
        slots = overlap or max(len(said), 1)
        Comparison.objects.filter(pk=made.pk).update(overlap=slots, open_slots=slots - len(said))
        for user, preference in zip(self.crowd, said, strict=False):
            scene.rating(made, user, preference, **about)
        made.refresh_from_db()
        return made

    def odd(self) -> list[int]:
        """Every other pair's id."""
        return list(Comparison.objects.order_by("pk").values_list("pk", flat=True))[::2]

    def client(self, user: User) -> Client:
        client = Client()
        client.force_login(user)
        return client

    def get(self, address: str = "", *, by: User | None = None, **given: str) -> Any:
        return self.client(by or self.lead).get(f"/p/alpha/quality/{address}", given)

    def post(self, address: str, *, by: User | None = None, **given: str) -> Any:
        return self.client(by or self.lead).post(f"/p/alpha/quality/{address}", given, follow=True)

    def decide(self, pair: Comparison, *, by: User | None = None, **given: str) -> Any:
        return self.post(
            f"adjudication/{pair.pk}/decide/", by=by, **{"preference": "2", "reason": "B is right for [].", **given}
        )

    def events(self, action: str) -> list[AuditEvent]:
        return list(AuditEvent.objects.filter(action=action))


@pytest.fixture
def desk(team: people.Team) -> Desk:
    return Desk(team)


def text(response: Any) -> str:
    """What a reader sees, without tags and runs of spaces."""
    return " ".join(re.sub(r"<[^>]+>", " ", response.content.decode()).split())


def gold(desk: Desk, pair: Comparison, lowest: int | None, highest: int | None, **about: Any) -> Gold:
    return make_gold(pair, by=desk.lead, lowest=lowest, highest=highest, **about)


# ---- who may do what ----


def test_leads_engineers_and_admins_read_and_nobody_else(desk: Desk) -> None:
    pair = desk.pair(3, -3)
    pages = [*PAGES, f"annotators/{desk.crowd[0].pk}/", f"adjudication/{pair.pk}/", f"gold/?comparison={pair.pk}"]
    team = desk.team
    who = ((desk.lead, 200), (desk.engineer, 200), (team.owner, 200), (desk.crowd[0], 403), (team.stranger, 404))
    for page in pages:
        for user, status in who:
            assert desk.get(page, by=user).status_code == status, (page, user)
        assert Client().get(f"/p/alpha/quality/{page}").status_code == 302


def test_annotators_and_strangers_change_nothing(desk: Desk) -> None:
    pair = desk.pair(3, -3)
    question = gold(desk, desk.pair(1), 1, 3)
    rater = desk.crowd[0]
    Assignment.objects.filter(annotator=rater).update(flag="broken")
    Membership.objects.filter(user=rater).update(failed_at=timezone.now())
    flagged = Assignment.objects.filter(annotator=rater).first()
    assert flagged is not None
    posts: dict[str, dict[str, str]] = {
        f"adjudication/{pair.pk}/decide/": {"preference": "1", "reason": "x"},
        "gold/make/": {"comparison": str(pair.pk), "lowest": "1", "highest": "2"},
        f"gold/{question.pk}/qualifying/": {"qualifying": "1"},
        f"flags/{flagged.pk}/resolve/": {},
        f"annotators/{rater.pk}/let-in/": {},
        f"annotators/{rater.pk}/try-again/": {},
    }
    for address, given in posts.items():
        for user, status in ((rater, 403), (desk.team.stranger, 404)):
            assert desk.client(user).post(f"/p/alpha/quality/{address}", given).status_code == status, address
        assert desk.client(desk.lead).get(f"/p/alpha/quality/{address}").status_code == 405, address
    assert not Adjudication.objects.exists()
    assert Gold.objects.count() == 1
    assert not Gold.objects.get().qualifying
    assert Assignment.objects.filter(flag_resolved_at__isnull=False).count() == 0
    assert Membership.objects.get(user=rater).failed_at is not None


def test_what_belongs_to_another_project_is_not_found(desk: Desk) -> None:
    prompt, model = scene.prompt(desk.team.elsewhere), scene.model(desk.team.elsewhere, "theirs")
    theirs = scene.comparison(scene.sample(prompt, model), scene.sample(prompt, model, scene.SAFE_MEAN))
    question = make_gold(theirs, by=desk.team.stranger, lowest=1, highest=1)
    lease = scene.rating(theirs, desk.team.stranger, 1).assignment
    Assignment.objects.filter(pk=lease.pk).update(flag="broken")
    stranger = desk.team.stranger
    assert desk.get(f"adjudication/{theirs.pk}/").status_code == 404
    assert desk.get(f"annotators/{stranger.pk}/").status_code == 404
    assert desk.post(f"adjudication/{theirs.pk}/decide/", preference="1", reason="x").status_code == 404
    assert desk.post("gold/make/", comparison=str(theirs.pk), lowest="1", highest="1").status_code == 404
    assert desk.post(f"gold/{question.pk}/qualifying/", qualifying="1").status_code == 404
    assert desk.post(f"flags/{lease.pk}/resolve/").status_code == 404
    assert desk.post(f"annotators/{stranger.pk}/let-in/").status_code == 404
    assert "no pair with this number" in text(
        desk.client(desk.lead).get(f"/p/alpha/quality/gold/?comparison={theirs.pk}", follow=True)
    )
    for page in PAGES:
        assert f"#{theirs.pk} " not in text(desk.get(page))


# ---- the overview ----


def test_an_empty_project_has_not_enough_yet(desk: Desk) -> None:
    for page in PAGES:
        response = desk.get(page)
        assert response.status_code == 200
        assert "nan" not in text(response).lower().split()
    assert "Not enough yet." in text(desk.get())
    for said in ((2,), (2, None)):
        desk.pair(*said)
        shown = text(desk.get())
        assert "Not enough yet." in shown
        assert "nan" not in shown.lower().split()
        assert "not enough yet" in text(desk.get(f"annotators/{desk.crowd[0].pk}/"))


def test_the_overview_shows_the_figures_that_are_computed(desk: Desk) -> None:
    chance = random.Random(4)
    for number in range(30):
        truth = chance.choice([-2, 2])
        desk.pair(*(truth + chance.randint(-1, 1) for _ in range(3)), seconds=20.2 + number)
    found = quality_queries.judgements(desk.project, simulated=False)
    expected, nominal = quality.alpha(found, "ordinal"), quality.alpha(found, "nominal")
    assert expected.value is not None
    page = desk.get()
    assert f'id="alpha">{expected.value:.2f}<' in page.content.decode()
    assert f'id="alpha-nominal">{nominal.value:.2f}<' in page.content.decode()
    assert f"95% interval: {expected.low:.2f} to {expected.high:.2f}" in text(page)
    for person, row in quality.figures(found).items():
        name = User.objects.get(pk=person).pseudonym
        line = next(line for line in re.findall(r"<tr>.*?</tr>", page.content.decode(), re.S) if f">{name}<" in line)
        words = " ".join(re.sub(r"<[^>]+>", " ", line).split())
        assert row.reliability is not None
        assert row.peers is not None
        assert row.side is not None
        assert f" {row.ratings} {row.reliability.mean:.2f} " in words
        assert f"({row.peers.hits}/{row.peers.of})" in words
        assert f"({row.side.left.hits}/{row.side.left.of})" in words
        assert f"{row.median_seconds:.0f} s" in words
    shown = {frozenset((item.first.pk, item.second.pk)): item.counts for item in page.context["agreements"]}
    assert shown == {frozenset((item.first, item.second)): item for item in quality.agreements(found)}


def test_the_overview_says_by_what_open_pairs_are_given_out(desk: Desk) -> None:
    assert "in the order in which they were made" in text(desk.get())
    run = Run.objects.create(project=desk.project, kind=Run.Kind.REWARD_MODEL, created_by=desk.engineer)
    append_event(run, "prioritised", {"count": 3})
    assert f"members disagree about them, as run {run.pk} found" in text(desk.get())


def test_surplus_ratings_are_counted_apart(desk: Desk) -> None:
    pair = desk.pair(1, 1)
    desk.pair(1, 1)
    Rating.objects.filter(comparison=pair, annotator=desk.crowd[0]).update(surplus=True)
    assert len(quality_queries.judgements(desk.project, simulated=False)) == 3
    row = next(row for row in desk.get().context["found"].annotators if row.user == desk.crowd[0])
    assert (row.figures.ratings, row.tally.surplus, row.tally.all_ratings) == (1, 1, 2)


def test_skips_flags_and_changes_of_mind_are_counted(desk: Desk) -> None:
    rater = desk.crowd[0]
    pairs = [desk.pair(2) for _ in range(4)]
    Revision.objects.create(rating=pairs[0].ratings.get(), preference=-2)
    Assignment.objects.filter(comparison=pairs[1]).update(flag="the prompt is cut off")
    skipped = desk.pair()
    scene.rating(skipped, rater, 1).delete()
    Assignment.objects.filter(comparison=skipped).update(state="skipped")
    row = next(row for row in desk.get().context["found"].annotators if row.user == rater)
    assert (row.tally.skipped, row.tally.flags, row.tally.revised, row.tally.revised_percent) == (1, 1, 1, 25)


def test_simulated_ratings_count_only_when_asked_for_and_are_marked(desk: Desk) -> None:
    panel = scene.person("panel", "annotator", desk.project, simulated=True)
    for _ in range(12):
        scene.rating(desk.pair(2), panel, -2)
    page = desk.get()
    assert page.context["found"].judgements == 12
    assert page.context["found"].agreements == []
    assert "12 ratings by simulated panellists are left out." in text(page)
    assert "p-panel" not in text(page)
    marked = desk.get(simulated="1")
    assert marked.context["found"].judgements == 24
    assert "p-panel simulated" in text(marked)
    assert "count ratings by simulated panellists like those of people" in text(marked)
    assert desk.get(f"annotators/{panel.pk}/").context["row"].figures.ratings == 12


def test_annotators_with_problems_come_first(desk: Desk) -> None:
    desk.crowd.append(scene.person("rater3", "annotator", desk.project))
    good, left, quick, _other = desk.crowd
    for number in range(25):
        pair = desk.pair(2, -2, 2, 2, seconds=30.0 + number)
        if number < 10:
            Rating.objects.filter(comparison=pair, annotator=quick).update(seconds=0.5)
    # Nothing is swapped: who always prefers A prefers the left, and who prefers B the right.
    Assignment.objects.filter(annotator__in=(good, quick), comparison__in=desk.odd()).update(swapped=True)
    Membership.objects.filter(user=quick).update(failed_at=timezone.now())
    rows = desk.get().context["found"].annotators
    named = {row.user: set(row.problems) for row in rows}
    assert named[left] == {"alone", "side"}
    assert named[quick] == {"failed", "fast"}
    assert named[good] == set()
    assert [row.user for row in rows[:2]] == [quick, left]
    assert {"failed the qualification", "many very quick ratings"} <= set(rows[0].problem_names)


def test_a_person_who_left_is_named_but_has_no_page(desk: Desk) -> None:
    desk.pair(1, 1)
    Membership.objects.filter(user=desk.crowd[0]).delete()
    assert "p-rater0 has left" in text(desk.get())
    assert desk.get(f"annotators/{desk.crowd[0].pk}/").status_code == 404
    assert desk.get(f"annotators/{desk.crowd[1].pk}/").status_code == 200


def test_an_annotators_page_shows_gold_answers_times_and_ratings(desk: Desk) -> None:
    rater = desk.crowd[0]
    for number, (said, lowest, highest) in enumerate([(2, 1, 3), (-1, 1, 3), (None, None, None)]):
        gold(desk, desk.pair(said, seconds=7.0 + number), lowest, highest)
    desk.pair(-3, 1, seconds=50.0, rationale="A is <b>shorter</b>")
    page = desk.get(f"annotators/{rater.pk}/")
    assert [answer.right for answer, _given, _right in page.context["gold"]] == [True, False, True]
    assert (page.context["row"].figures.gold.hits, page.context["row"].figures.gold.of) == (2, 3)
    assert "A is slightly better B is slightly better … B is much better wrong" in text(page)
    assert "5–10 3" in text(page)
    assert "40–80 1" in text(page)
    assert "A is much better" in text(page)
    assert "<b>shorter</b>" not in page.content.decode()
    assert desk.get(f"annotators/{desk.lead.pk}/").status_code == 200


@pytest.mark.parametrize("page", [*PAGES, "annotators/{rater}/", "adjudication/{pair}/", "gold/?comparison={pair}"])
def test_the_number_of_statements_does_not_grow(desk: Desk, page: str) -> None:
    def fill() -> Comparison:
        for number in range(3):
            question = desk.pair(2, -1, 1, seconds=9.0)
            Revision.objects.create(rating=question.ratings.all()[number], preference=1)
            Assignment.objects.filter(comparison=question, annotator=desk.crowd[number]).update(flag="?")
            gold(desk, question, 1, 3)
        pairs = [desk.pair(3, -3, None, seconds=9.0) for _ in range(5)]
        lead_actions.adjudicate(pairs[0], by=desk.team.owner, preference=1, unusable=False, reason="so")
        return pairs[1]

    def statements(pair: Comparison) -> int:
        client = desk.client(desk.lead)
        with CaptureQueriesContext(
            connection,
        ) as caught:
            address = page.format(rater=desk.crowd[0].pk, pair=pair.pk)
            assert client.get(f"/p/alpha/quality/{address}").status_code == 200
        return len(caught)

    few = statements(fill())
    newest = [scene.person(f"late{number}", "annotator", desk.project) for number in range(3)]
    desk.crowd[:] = newest
    fill()
    last = fill()
    assert statements(last) == few
    assert few <= 16


# ---- disagreements ----


def test_the_queue_is_what_the_definition_says(desk: Desk) -> None:
    chance = random.Random(5)
    expected = []
    for _ in range(60):
        said = [chance.choice([None, -3, -2, -1, 0, 1, 2, 3]) for _ in range(chance.randint(1, 3))]
        overlap = len(said) + (chance.random() < 0.2)
        pair = desk.pair(*said, overlap=overlap)
        if quality.disagree(said) and overlap == len(said):
            expected.append((-quality.gap(said), pair.pk))
    found = [(-pair.gap, pair.pk) for pair in lead_queries.disagreements(desk.project, simulated=False)]  # type: ignore[attr-defined]
    assert found == sorted(expected)
    assert len(found) > 10


def test_surplus_gold_simulated_and_decided_pairs_are_not_in_the_queue(desk: Desk) -> None:
    surplus = desk.pair(3, -3)
    Rating.objects.filter(comparison=surplus, annotator=desk.crowd[1]).update(surplus=True)
    gold(desk, desk.pair(3, -3), 1, 3)
    decided = desk.pair(3, -3)
    lead_actions.adjudicate(decided, by=desk.lead, preference=3, unusable=False, reason="so")
    panel = scene.person("panel", "annotator", desk.project, simulated=True)
    mixed = desk.pair(3, 3, overlap=3)
    scene.rating(mixed, panel, -3)
    assert list(lead_queries.disagreements(desk.project, simulated=False)) == []
    assert list(lead_queries.disagreements(desk.project, simulated=True)) == [mixed]
    assert "Nothing to decide" in text(desk.get("adjudication/"))
    assert f"#{mixed.pk} " in text(desk.get("adjudication/", simulated="1"))


def test_the_queue_comes_in_pages(desk: Desk) -> None:
    for _ in range(53):
        desk.pair(1, -1)
    assert len(desk.get("adjudication/").context["page"]) == 50
    assert len(desk.get("adjudication/", page="2").context["page"]) == 3
    assert "Page 2 of 2" in text(desk.get("adjudication/", page="2"))


def test_a_pairs_page_shows_programs_ratings_reasons_and_comments(desk: Desk) -> None:
    pair = desk.pair(3, -2)
    rating = pair.ratings.get(annotator=desk.crowd[0])
    Rating.objects.filter(pk=rating.pk).update(rationale="B handles <i>nothing</i>.")
    Revision.objects.create(rating=rating, preference=1, reason="the tests")
    LineComment.objects.create(rating=rating, side="a", line=5, text="divides by zero")
    page = desk.get(f"adjudication/{pair.pk}/")
    shown = text(page)
    for words in ("p-rater0", "B is much better", "p-rater1", "A is better", "A :5", "divides by zero"):
        assert words.replace(" :", ":") in shown
    assert "After seeing the results: B is slightly better" in shown
    assert "&lt;i&gt;nothing&lt;/i&gt;" in page.content.decode()
    assert '<span class="k">def</span>' in page.content.decode()
    assert "secret-model-name" not in shown
    assert "assert mean" not in shown


def test_ratings_are_not_shown_before_all_are_in(desk: Desk) -> None:
    for pair in (desk.pair(3, -3, overlap=3), gold(desk, desk.pair(3, -3), 1, 3).comparison):
        page = desk.get(f"adjudication/{pair.pk}/")
        assert page.status_code == 200
        assert "p-rater" not in text(page)
        assert desk.decide(pair).status_code == 200
    assert not Adjudication.objects.exists()
    assert "does not have all its ratings yet" in text(desk.decide(desk.pair(3, -3, overlap=3)))


def test_a_decision_is_stored_once_with_its_reason_and_in_the_audit_log(desk: Desk) -> None:
    pair = desk.pair(3, -3)
    assert "Decided." in text(desk.decide(pair))
    made = Adjudication.objects.get()
    assert (made.comparison, made.preference, made.unusable, made.reason) == (pair, 2, False, "B is right for [].")
    assert made.decided_by == desk.lead
    (event,) = desk.events("comparison.adjudicated")
    assert (event.actor, event.target, event.payload) == (
        desk.lead,
        f"feedback.comparison:{pair.pk}",
        {"preference": 2, "unusable": False},
    )
    again = text(desk.decide(pair, by=desk.team.owner, preference="-3"))
    assert "p-lead has decided about this pair already." in again
    assert "B is better" in again
    assert Adjudication.objects.get().preference == 2
    assert len(desk.events("comparison.adjudicated")) == 1
    assert [rating.preference for rating in pair.ratings.order_by("pk")] == [3, -3]


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"reason": ""}, "Give a reason"),
        ({"reason": "   "}, "Give a reason"),
        ({"preference": ""}, "Choose one of the seven preferences"),
        ({"preference": "4"}, "Select a valid choice"),
    ],
)
def test_a_decision_without_reason_or_choice_is_refused_and_what_was_typed_stays(
    desk: Desk, given: dict[str, str], problem: str
) -> None:
    pair = desk.pair(3, -3)
    page = desk.decide(pair, **given)
    assert page.status_code == 422
    assert problem in text(page)
    if "reason" not in given:
        assert "B is right for []." in page.content.decode()
    assert not Adjudication.objects.exists()


def test_both_unusable_wins_over_a_preference(desk: Desk) -> None:
    desk.decide(desk.pair(3, None), unusable="on")
    assert (Adjudication.objects.get().preference, Adjudication.objects.get().unusable) == (None, True)


def test_nobody_decides_about_a_pair_that_they_rated(desk: Desk) -> None:
    pair = desk.pair(3, overlap=2)
    scene.rating(pair, desk.lead, -3)
    assert "You have rated this pair yourself" in text(desk.get(f"adjudication/{pair.pk}/"))
    assert "You have rated this pair yourself" in text(desk.decide(pair))
    assert not Adjudication.objects.exists()
    desk.decide(pair, by=desk.team.owner)
    assert Adjudication.objects.get().decided_by == desk.team.owner


def test_where_people_agree_there_is_nothing_to_decide(desk: Desk) -> None:
    pair = desk.pair(3, 2)
    assert "there is nothing to decide" in text(desk.get(f"adjudication/{pair.pk}/"))
    assert "there is nothing to decide" in text(desk.decide(pair))
    assert not Adjudication.objects.exists()


def at_once(*tasks: Callable[[], None]) -> list[BaseException]:
    """Run them in threads of their own, begun together; what was raised."""
    gate, raised = threading.Barrier(len(tasks)), list[BaseException]()

    def run(task: Callable[[], None]) -> None:
        gate.wait(10)
        try:
            task()
        except Exception as error:  # noqa: BLE001
            raised.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(task,)) for task in tasks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not any(thread.is_alive() for thread in threads)
    return raised


@pytest.mark.django_db(transaction=True)
def test_of_two_leads_at_once_one_decides_and_the_other_is_told() -> None:
    desk = Desk(people.team())
    for _ in range(10):
        pair = desk.pair(3, -3)

        def decide(by: User, preference: int, pair: Comparison = pair) -> None:
            lead_actions.adjudicate(pair, by=by, preference=preference, unusable=False, reason="so")

        raised = at_once(lambda: decide(desk.lead, 3), lambda: decide(desk.team.owner, -3))
        assert [type(error) for error in raised] == [lead_actions.AlreadyDone]
        made = Adjudication.objects.get(comparison=pair)
        assert (made.decided_by, made.preference) in ((desk.lead, 3), (desk.team.owner, -3))
    assert len(desk.events("comparison.adjudicated")) == 10


# ---- gold questions ----


@pytest.mark.parametrize(
    ("decided", "ends"),
    [(3, (2, 3)), (2, (1, 3)), (1, (1, 2)), (0, (0, 0)), (-1, (-2, -1)), (-2, (-3, -1)), (-3, (-3, -2)), (None, None)],
)
def test_a_decision_gives_the_answers_one_point_around_it(decided: int | None, ends: tuple[int, int] | None) -> None:
    assert lead_actions.gold_range(Adjudication(preference=decided, unusable=decided is None)) == ends


def test_a_decided_pair_becomes_gold_with_the_range_that_is_proposed(desk: Desk) -> None:
    pair = desk.pair(3, -3)
    desk.decide(pair, preference="1")
    assert f"#{pair.pk}" in text(desk.get("gold/"))
    form = desk.get("gold/", comparison=str(pair.pk))
    initial = form.context["form"].initial
    assert (initial["lowest"], initial["highest"]) == (1, 2)
    assert re.search(r'<option value="2" selected>B is better', form.content.decode())
    sent = {"comparison": str(pair.pk), "lowest": "1", "highest": "2", "qualifying": "on"}
    page = desk.post("gold/make/", **sent, explanation_en="B is safe.", explanation_es="B es segura.")
    assert f"Pair {pair.pk} is a gold question." in text(page)
    made = Gold.objects.get()
    assert (made.lowest, made.highest, made.qualifying, made.unusable) == (1, 2, True, False)
    assert made.explanation == {"en": "B is safe.", "es": "B es segura."}
    assert desk.events("gold.set")[0].actor == desk.lead
    # It is not offered again, and its form starts with what it is.
    assert desk.get("gold/").context["decided"] == []
    assert desk.get("gold/", comparison=str(pair.pk)).context["form"].initial["explanation_es"] == "B es segura."


def test_an_unusable_pair_can_be_gold(desk: Desk) -> None:
    pair = desk.pair(3, None)
    desk.decide(pair, unusable="on")
    assert desk.get("gold/", comparison=str(pair.pk)).context["form"].initial["unusable"] is True
    desk.post("gold/make/", comparison=str(pair.pk), unusable="on", lowest="1", highest="2")
    assert (Gold.objects.get().unusable, Gold.objects.get().lowest) == (True, None)


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({}, "Choose both ends"),
        ({"lowest": "1"}, "Choose both ends"),
        ({"lowest": "2", "highest": "1"}, "exchange them"),
        ({"lowest": "-4", "highest": "1"}, "Select a valid choice"),
    ],
)
def test_a_wrong_range_is_refused(desk: Desk, given: dict[str, str], problem: str) -> None:
    pair = desk.pair(3, 3)
    page = desk.post("gold/make/", comparison=str(pair.pk), explanation_en="kept", **given)
    assert page.status_code == 422
    assert problem in text(page)
    assert "kept" in page.content.decode()
    assert not Gold.objects.exists()


@pytest.mark.parametrize("number", ["0", "-1", "x", "9" * 30, "999999", "²"])
def test_a_number_without_a_pair_is_refused(desk: Desk, number: str) -> None:
    page = desk.client(desk.lead).get("/p/alpha/quality/gold/", {"comparison": number}, follow=True)
    assert "There is no pair with this number in the project." in text(page)
    assert desk.post("gold/make/", comparison=number, lowest="1", highest="1").status_code == 404


def test_the_list_counts_answers_and_right_ones(desk: Desk) -> None:
    chance = random.Random(6)
    panel = scene.person("panel", "annotator", desk.project, simulated=True)
    for _ in range(12):
        said = [chance.choice([None, -3, -1, 0, 1, 3]) for _ in range(3)]
        lowest = chance.choice([None, -3, 0, 1])
        made = gold(desk, desk.pair(*said), lowest, None if lowest is None else lowest + 2)
        scene.rating(made.comparison, panel, 1)
        desk.pair(*said)
    questions = desk.get("gold/").context["questions"]
    assert len(questions) == 12
    for question, _words in questions:
        given = question.comparison.ratings.filter(simulated=False)
        right = sum(question.agrees(rating.preference, rating.unusable) for rating in given)
        assert (question.answered, question.right) == (3, right)
    assert {question.answered for question, _words in desk.get("gold/", simulated="1").context["questions"]} == {4}


def test_a_question_is_put_into_the_qualification_and_taken_out(desk: Desk) -> None:
    question = gold(desk, desk.pair(1, 1), 1, 2, explanation={"en": "why"})
    for wanted in (True, False):
        desk.post(f"gold/{question.pk}/qualifying/", qualifying="1" if wanted else "0")
        question.refresh_from_db()
        assert (question.qualifying, question.lowest, question.highest) == (wanted, 1, 2)
        assert question.explanation == {"en": "why"}
    assert len(desk.events("gold.set")) == 3


def test_the_form_asks_not_to_speak_of_sides_and_refuses_nobody_who_does(desk: Desk) -> None:
    pair = desk.pair(1, 1)
    page = desk.get(f"gold/?comparison={pair.pk}")
    assert "not “A” and “B”" in text(page)
    assert page.content.decode().count('aria-describedby="id_explanation_help"') == 2
    desk.post("gold/make/", comparison=str(pair.pk), lowest="1", highest="2", explanation_en="B is right for [].")
    assert Gold.objects.get().explanation == {"en": "B is right for []."}


# ---- flags ----


def test_a_flag_is_resolved_once(desk: Desk) -> None:
    pair = desk.pair(2, 2)
    lease = Assignment.objects.get(comparison=pair, annotator=desk.crowd[0])
    afterwards.flag(desk.crowd[0], lease.pk, problem="the <b>prompt</b> is cut off")
    page = desk.get("flags/")
    assert "p-rater0" in text(page)
    assert "the &lt;b&gt;prompt&lt;/b&gt; is cut off" in page.content.decode()
    assert desk.get().context["found"].open_flags == 1
    assert "The flag is resolved." in text(desk.post(f"flags/{lease.pk}/resolve/"))
    assert "No open flags" in text(desk.get("flags/"))
    assert "resolved already" in text(desk.post(f"flags/{lease.pk}/resolve/"))
    (event,) = desk.events("flag.resolved")
    assert (event.actor, event.target, event.payload) == (
        desk.lead,
        f"feedback.comparison:{pair.pk}",
        {"assignment": lease.pk},
    )
    afterwards.flag(desk.crowd[0], lease.pk, problem="still cut off")
    assert "still cut off" in text(desk.get("flags/"))


def test_what_was_never_flagged_can_not_be_resolved(desk: Desk) -> None:
    lease = Assignment.objects.get(comparison=desk.pair(2))
    assert desk.post(f"flags/{lease.pk}/resolve/").status_code == 404


# ---- who failed the qualification ----


def failed(desk: Desk, *, questions: int) -> Membership:
    """A rater who failed a round of two questions, with so many others that they don't know."""
    Project.objects.filter(pk=desk.project.pk).update(qualification=2)
    for _ in range(2):
        gold(desk, desk.pair(-3), 1, 3, qualifying=True)
    for _ in range(questions):
        gold(desk, desk.pair(), 1, 3, qualifying=True)
    Membership.objects.filter(user=desk.crowd[0]).update(failed_at=timezone.now())
    return Membership.objects.get(user=desk.crowd[0])


def test_somebody_who_failed_is_let_in(desk: Desk) -> None:
    member = failed(desk, questions=0)
    assert "Let in" in text(desk.get())
    assert "p-rater0 may rate now." in text(desk.post(f"annotators/{member.user_id}/let-in/"))
    member.refresh_from_db()
    assert member.failed_at is None
    assert member.qualified_at is not None
    assert desk.events("qualification.let_in")[0].target == f"catalog.membership:{member.pk}"
    assert "Let in" not in text(desk.get())
    assert "not waiting for a decision" in text(desk.post(f"annotators/{member.user_id}/let-in/"))
    assert len(desk.events("qualification.let_in")) == 1


def test_trying_again_needs_enough_questions_that_are_new_to_the_person(desk: Desk) -> None:
    member = failed(desk, questions=1)
    skipped = desk.pair()
    gold(desk, skipped, 1, 3, qualifying=True)
    scene.rating(skipped, member.user, 1).delete()
    Assignment.objects.filter(comparison=skipped).update(state="skipped")
    shown = text(desk.post(f"annotators/{member.user_id}/try-again/"))
    assert "mark 1 more gold question as qualifying first" in shown
    member.refresh_from_db()
    assert member.failed_at is not None
    gold(desk, desk.pair(), 1, 3, qualifying=True)
    assert "p-rater0 may try again." in text(desk.post(f"annotators/{member.user_id}/try-again/"))
    member.refresh_from_db()
    assert (member.failed_at, member.qualified_at) == (None, None)
    assert len(desk.events("qualification.reopened")) == 1
    assert "not waiting for a decision" in text(desk.post(f"annotators/{member.user_id}/try-again/"))


def test_a_second_round_is_judged_by_its_own_questions(desk: Desk) -> None:
    member = failed(desk, questions=2)
    lead_actions.let_try_again(member, by=desk.lead)
    for expected in (False, True):
        lease = actions.next_assignment(member.user, Project.objects.get(pk=desk.project.pk))
        assert lease is not None
        judgement = Judgement(preference=-2 if lease.swapped else 2)
        actions.submit(member.user, lease.pk, judgement, submission=uuid.uuid4())
        member.refresh_from_db()
        assert member.failed_at is None
        assert (member.qualified_at is not None) is expected


def test_nobody_lets_themselves_in(desk: Desk) -> None:
    member = failed(desk, questions=2)
    Membership.objects.filter(pk=member.pk).update(role="lead")
    for address in ("let-in", "try-again"):
        assert "Somebody else has to decide" in text(
            desk.post(f"annotators/{member.user_id}/{address}/", by=member.user)
        )
    member.refresh_from_db()
    assert member.failed_at is not None
    assert member.qualified_at is None
