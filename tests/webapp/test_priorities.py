"""The order in which pairs are given out, set anew (webapp.feedback.actions.set_priorities)."""

from __future__ import annotations

import threading

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from tests.webapp import people
from tests.webapp.test_rating_queue import assert_invariants, rate
from webapp.audit.models import AuditEvent
from webapp.feedback.actions import MOST_PRIORITIES, next_assignment, set_priorities
from webapp.feedback.models import Comparison


def stored(*pairs: Comparison) -> list[float]:
    found = dict(Comparison.objects.values_list("pk", "priority"))
    return [found[pair.pk] for pair in pairs]


def test_the_queue_hands_pairs_out_by_their_new_priorities(team: people.Team) -> None:
    last, unknown, first = people.pairs(team.project, 3, by=team.owner)
    assert set_priorities(team.project, {last.pk: -0.5, first.pk: 0.5}) == 2
    given = [rate(team.teammate, team.project) for _ in range(3)]
    assert [rating.comparison_id for rating in given if rating] == [first.pk, unknown.pk, last.pk]


def test_gold_questions_full_pairs_urgent_ones_and_those_of_others_stay(team: people.Team) -> None:
    gold, full, urgent, open_ = people.pairs(team.project, 4, by=team.owner)
    (foreign,) = people.pairs(team.elsewhere, 1, by=team.stranger)
    Comparison.objects.filter(pk=gold.pk).update(is_gold=True)
    Comparison.objects.filter(pk=full.pk).update(open_slots=0)
    Comparison.objects.filter(pk=urgent.pk).update(priority=2.0)
    wanted = {pair.pk: 0.25 for pair in (gold, full, urgent, open_, foreign)} | {10**9: 0.25}
    assert set_priorities(team.project, wanted) == 1
    assert stored(gold, full, urgent, open_, foreign) == [0.0, 0.0, 2.0, 0.25, 0.0]


def test_who_has_a_pair_keeps_it_whatever_its_priority_becomes(team: people.Team) -> None:
    first, second = people.pairs(team.project, 2, by=team.owner)
    lease = next_assignment(team.teammate, team.project)
    assert lease is not None
    assert lease.comparison_id == first.pk
    assert set_priorities(team.project, {first.pk: -1.0, second.pk: 1.0}) == 2
    again = next_assignment(team.teammate, team.project)
    assert again is not None
    assert again.pk == lease.pk
    # What others have begun comes first still, so that pairs get all their ratings.
    other = next_assignment(team.owner, team.project)
    assert other is not None
    assert other.comparison_id == first.pk
    assert_invariants(team.project)


@pytest.mark.parametrize("value", [1.01, -2.0, float("nan"), float("inf")])
def test_a_priority_out_of_range_is_refused_and_nothing_is_stored(team: people.Team, value: float) -> None:
    one, two = people.pairs(team.project, 2, by=team.owner)
    with pytest.raises(ValueError, match="from -1 to 1"):
        set_priorities(team.project, {one.pk: 0.5, two.pk: value})
    assert stored(one, two) == [0.0, 0.0]


def test_too_many_at_once_are_refused(team: people.Team) -> None:
    with pytest.raises(ValueError, match="at most"):
        set_priorities(team.project, dict.fromkeys(range(MOST_PRIORITIES + 1), 0.0))


def test_the_change_is_one_statement_and_in_the_log_and_the_same_again_is_no_change(team: people.Team) -> None:
    rows = people.pairs(team.project, 5, by=team.owner)
    wanted = {row.pk: 0.1 * number for number, row in enumerate(rows, start=1)}
    with CaptureQueriesContext(connection) as queries:
        assert set_priorities(team.project, wanted, by=team.owner) == 5
    assert sum("UPDATE" in query["sql"] for query in queries) == 1
    event = AuditEvent.objects.filter(action="comparisons.prioritised").get()
    assert (event.actor, event.project, event.payload) == (team.owner, team.project, {"count": 5})
    assert set_priorities(team.project, wanted, by=team.owner) == 0
    assert set_priorities(team.project, {}) == 0
    assert AuditEvent.objects.filter(action="comparisons.prioritised").count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_pair_that_somebody_is_sending_just_now_is_passed_over_and_not_waited_for() -> None:
    team = people.team()
    busy, idle = people.pairs(team.project, 2, by=team.owner)
    changed: list[int] = []

    def set_both() -> None:
        try:
            changed.append(set_priorities(team.project, {busy.pk: 0.5, idle.pk: 0.5}))
        finally:
            connection.close()

    with transaction.atomic():
        Comparison.objects.select_for_update(no_key=True).get(pk=busy.pk)
        other = threading.Thread(target=set_both)
        other.start()
        other.join(timeout=20)
        assert not other.is_alive()
    assert changed == [1]
    assert stored(busy, idle) == [0.0, 0.5]
