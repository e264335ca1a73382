"""How little the rating page asks of the database, and that what it remembers between requests is never out of date."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest

from tests.webapp import people
from tests.webapp.people import signed_in
from tests.webapp.test_rating_queue import in_threads
from webapp.catalog.actions import set_guideline
from webapp.feedback import queries
from webapp.feedback.actions import next_assignment, submit
from webapp.feedback.afterwards import undo_last
from webapp.feedback.gold import make_gold
from webapp.feedback.judgement import Judgement
from webapp.feedback.models import Assignment, Comparison, Rating

RATE = "/p/alpha/rate/"


def test_next_and_submit_take_few_statements(
    team: people.Team, django_assert_max_num_queries: Callable[..., Any]
) -> None:
    """Session, person, membership and the transaction's begin and end among them."""
    people.pairs(team.project, 4, by=team.owner)
    mate = signed_in(team.teammate)
    mate.post(RATE + "submit/", people.answer(mate.get(RATE).context))
    with django_assert_max_num_queries(12):
        page = mate.get(RATE)
    # Submit and next in one, and what is known of the last pair too: less than twice twelve.
    with django_assert_max_num_queries(19):
        page = mate.post(RATE + "submit/", people.answer(page.context))
    with django_assert_max_num_queries(12):
        page = mate.get(page.headers["Content-Location"])
    assert page.context["last"].rating.comparison_id != page.context["assignment"].comparison_id


def test_a_new_version_of_the_guideline_is_shown_at_once(team: people.Team) -> None:
    people.pairs(team.project, 1, by=team.owner)
    mate = signed_in(team.teammate)
    before = mate.get(RATE).context["guideline"]
    assert mate.get(RATE).context["guideline"] == before
    set_guideline(team.project, texts={"en": "Only correctness counts."}, by=team.owner)
    assert "Only correctness counts." in mate.get(RATE).content.decode()
    assert mate.get(RATE).context["guideline"].version == before.version + 1


def test_what_is_left_is_counted_up_to_a_limit(team: people.Team, monkeypatch: pytest.MonkeyPatch) -> None:
    people.pairs(team.project, 4, by=team.owner)
    assert queries.progress(team.teammate, team.project) == queries.Progress(0, 4, False, _newest(team))
    lease = next_assignment(team.teammate, team.project)
    assert lease is not None
    assert queries.progress(team.teammate, team.project).left == 4
    submit(team.teammate, lease.pk, Judgement(preference=1), submission=uuid.uuid4())
    found = queries.progress(team.teammate, team.project)
    assert (found.done, found.left, found.more) == (1, 3, False)
    monkeypatch.setattr(queries, "MOST_LEFT", 2)
    found = queries.progress(team.teammate, team.project)
    assert (found.left, found.more) == (2, True)


def test_a_gold_question_that_may_never_come_is_not_counted_as_left(team: people.Team) -> None:
    gold, _other = people.pairs(team.project, 2, by=team.owner)
    make_gold(gold, by=team.owner, lowest=1, highest=3)
    assert queries.progress(team.teammate, team.project).left == 1


def _newest(team: people.Team) -> int:
    return int(team.project.guidelines.order_by("-pk").values_list("pk", flat=True)[0])


def test_the_results_of_the_last_pair_are_the_newest_of_each_kind(team: people.Team) -> None:
    from webapp.catalog.models import Execution, Verification

    (pair,) = people.pairs(team.project, 1, by=team.owner)
    lease = next_assignment(team.teammate, team.project)
    assert lease is not None
    rating = submit(team.teammate, lease.pk, Judgement(preference=1, first={"security": 2}), submission=uuid.uuid4())
    for sample, suite, passed in (
        (pair.sample_a, "public", 1),
        (pair.sample_a, "hidden", 2),
        (pair.sample_b, "hidden", 3),
    ):
        Execution.objects.create(sample=sample, suite=suite, environment="e", status="x", passed=passed, total=3)
    Execution.objects.create(sample=pair.sample_a, suite="hidden", environment="f", status="x", passed=0, total=3)
    for version, outcome, example in (("1", "unknown", None), ("2", "refuted", {"call": "f(0)", "observed": "error"})):
        Verification.objects.create(
            sample=pair.sample_a,
            property="zero-division",
            verifier_version=version,
            outcome=outcome,
            counterexample=example,
        )
    last = queries.last_pair(team.teammate, team.project, rating.pk)
    assert last is not None
    side = last.sides[1 if lease.swapped else 0]
    assert side.suites == (("public tests", 1, 3), ("hidden tests", 0, 3))
    assert [(finding.outcome, finding.call) for finding in side.findings] == [("refuted", "f(0)")]
    assert last.shown.first == {"security": 2}
    assert last.sides[0 if lease.swapped else 1].suites == (("hidden tests", 3, 3),)


@pytest.mark.django_db(transaction=True)
def test_two_people_who_take_back_what_the_other_holds_do_not_wait_for_each_other_for_ever() -> None:
    team = people.team()
    one, two = people.pairs(team.project, 2, by=team.owner)
    crowd = people.annotators(team.project, 2, by=team.owner)
    for _ in range(8):
        for person, other in zip(crowd, (two, one), strict=True):
            Comparison.objects.filter(pk=other.pk).update(open_slots=0)
            lease = next_assignment(person, team.project)
            assert lease is not None
            submit(person, lease.pk, Judgement(preference=0), submission=uuid.uuid4())
            Comparison.objects.filter(pk=other.pk).update(open_slots=2 - other.assignments.count())
        for person in crowd:
            assert next_assignment(person, team.project) is not None
        in_threads([lambda person=person: undo_last(person, team.project) for person in crowd])  # type: ignore[misc]
        assert not Rating.objects.exists()
        Assignment.objects.all().delete()
        Comparison.objects.update(open_slots=2)
