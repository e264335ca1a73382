"""The queue of comparisons: leases, slots, drafts and submissions (webapp.feedback.actions)."""

from __future__ import annotations

import random
import threading
import uuid
from collections import Counter
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from tests.webapp import people
from webapp.accounts.models import User
from webapp.catalog.models import Membership, Project
from webapp.feedback import slots
from webapp.feedback.actions import create_comparisons, expire_leases, next_assignment, save_draft, skip, submit
from webapp.feedback.errors import AlreadyRated, NotYours, SubmissionReused
from webapp.feedback.judgement import Judgement
from webapp.feedback.models import Assignment, Comparison, Rating

BETTER = Judgement(preference=2, first={"correctness": 1}, second={"correctness": 5}, rationale="clear", seconds=3.0)


def rate(annotator: User, project: Project, judgement: Judgement = BETTER) -> Rating | None:
    lease = next_assignment(annotator, project)
    return submit(annotator, lease.pk, judgement, submission=uuid.uuid4()) if lease else None


def run_out(lease: Assignment) -> None:
    Assignment.objects.filter(pk=lease.pk).update(expires_at=timezone.now() - timedelta(seconds=1))


def assert_invariants(project: Project) -> None:
    for comparison in Comparison.objects.filter(project=project):
        live = comparison.assignments.filter(state__in=slots.LIVE).count()
        assert live <= comparison.overlap
        assert comparison.open_slots == comparison.overlap - live
        counted = comparison.ratings.filter(surplus=False)
        assert counted.count() == comparison.assignments.filter(state="submitted").count()
        assert comparison.ratings.values("annotator").distinct().count() == comparison.ratings.count()


def test_a_second_tab_gets_the_same_lease_and_renews_it(team: people.Team) -> None:
    people.pairs(team.project, 2, by=team.owner)
    first = next_assignment(team.teammate, team.project)
    assert first is not None
    Assignment.objects.filter(pk=first.pk).update(expires_at=timezone.now() + timedelta(minutes=1))
    second = next_assignment(team.teammate, team.project)
    assert second is not None
    assert second.pk == first.pk
    assert second.expires_at > timezone.now() + timedelta(minutes=team.project.lease_minutes - 1)
    assert_invariants(team.project)


def test_each_pair_goes_to_as_many_people_as_the_overlap_and_to_nobody_twice(team: people.Team) -> None:
    people.pairs(team.project, 3, by=team.owner)
    crowd = [team.owner, team.teammate, *people.annotators(team.project, 2, by=team.owner)]
    while any(rate(person, team.project) for person in crowd):
        pass
    assert Rating.objects.count() == 3 * team.project.overlap
    assert_invariants(team.project)
    assert [next_assignment(person, team.project) for person in crowd] == [None] * 4


def test_pairs_that_somebody_has_begun_come_first_and_then_those_of_higher_priority(team: people.Team) -> None:
    low, begun = people.pairs(team.project, 2, by=team.owner)
    (urgent,) = people.pairs(team.project, 1, by=team.owner, priority=5.0)
    one, two = people.annotators(team.project, 2, by=team.owner)
    Comparison.objects.filter(pk__in=[low.pk, urgent.pk]).update(open_slots=0)
    assert rate(one, team.project).comparison_id == begun.pk  # type: ignore[union-attr]
    Comparison.objects.filter(pk__in=[low.pk, urgent.pk]).update(open_slots=2)
    order = [rate(two, team.project).comparison_id for _ in range(3)]  # type: ignore[union-attr]
    assert order == [begun.pk, urgent.pk, low.pk]


def test_the_preference_is_stored_in_the_order_of_the_pair_whatever_side_was_shown(team: people.Team) -> None:
    people.pairs(team.project, 2, by=team.owner)
    for swapped in (False, True):
        lease = next_assignment(team.teammate, team.project)
        assert lease is not None
        Assignment.objects.filter(pk=lease.pk).update(swapped=swapped)
        rating = submit(team.teammate, lease.pk, BETTER, submission=uuid.uuid4())
        assert rating.preference == (-2 if swapped else 2)
        assert (rating.scales_a, rating.scales_b) == (
            ({"correctness": 5}, {"correctness": 1}) if swapped else ({"correctness": 1}, {"correctness": 5})
        )


def test_both_sides_come_up_on_the_left(team: people.Team) -> None:
    people.pairs(team.project, 40, by=team.owner)
    while rate(team.teammate, team.project):
        pass
    assert 5 < Assignment.objects.filter(swapped=True).count() < 35


def test_sending_a_submission_again_changes_nothing(team: people.Team) -> None:
    people.pairs(team.project, 1, by=team.owner)
    lease = next_assignment(team.teammate, team.project)
    assert lease is not None
    token = uuid.uuid4()
    first = submit(team.teammate, lease.pk, BETTER, submission=token)
    again = submit(team.teammate, lease.pk, Judgement(preference=-3), submission=token)
    assert again.pk == first.pk
    assert Rating.objects.get().preference == first.preference
    assert_invariants(team.project)


def test_a_submission_of_another_pair_or_person_is_refused(team: people.Team) -> None:
    people.pairs(team.project, 2, by=team.owner)
    lease = next_assignment(team.teammate, team.project)
    assert lease is not None
    token = uuid.uuid4()
    submit(team.teammate, lease.pk, BETTER, submission=token)
    second = next_assignment(team.teammate, team.project)
    others = next_assignment(team.owner, team.project)
    assert second is not None
    assert others is not None
    with pytest.raises(SubmissionReused):
        submit(team.teammate, second.pk, BETTER, submission=token)
    with pytest.raises(SubmissionReused):
        submit(team.owner, others.pk, BETTER, submission=token)
    assert Rating.objects.count() == 1


def test_a_pair_is_rated_once_by_one_person(team: people.Team) -> None:
    people.pairs(team.project, 1, by=team.owner)
    lease = next_assignment(team.teammate, team.project)
    assert lease is not None
    submit(team.teammate, lease.pk, BETTER, submission=uuid.uuid4())
    with pytest.raises(AlreadyRated):
        submit(team.teammate, lease.pk, Judgement(preference=-3), submission=uuid.uuid4())
    assert Rating.objects.get().rationale == "clear"


def test_a_lease_that_ran_out_goes_to_somebody_else(team: people.Team) -> None:
    (pair,) = people.pairs(team.project, 1, by=team.owner)
    Comparison.objects.update(overlap=1, open_slots=1)
    lease = next_assignment(team.teammate, team.project)
    assert lease is not None
    assert next_assignment(team.owner, team.project) is None
    run_out(lease)
    # No sweeper has come by: asking for work is enough.
    taken = next_assignment(team.owner, team.project)
    assert taken is not None
    assert taken.comparison_id == pair.pk
    assert_invariants(team.project)


def test_the_sweeper_ends_what_ran_out_and_nothing_else(team: people.Team) -> None:
    people.pairs(team.project, 2, by=team.owner)
    old, fresh = next_assignment(team.teammate, team.project), next_assignment(team.owner, team.project)
    assert old is not None
    assert fresh is not None
    run_out(old)
    assert expire_leases() == 1
    assert expire_leases() == 0
    old.refresh_from_db()
    fresh.refresh_from_db()
    assert (old.state, fresh.state) == ("expired", "leased")
    assert_invariants(team.project)


def test_a_draft_outlives_its_lease(team: people.Team) -> None:
    people.pairs(team.project, 3, by=team.owner)
    lease = next_assignment(team.teammate, team.project)
    assert lease is not None
    save_draft(team.teammate, lease.pk, {"rationale": "half a thou"})
    run_out(lease)
    expire_leases()
    save_draft(team.teammate, lease.pk, {"rationale": "half a thought"})
    back = next_assignment(team.teammate, team.project)
    assert back is not None
    assert (back.pk, back.swapped, back.draft) == (lease.pk, lease.swapped, {"rationale": "half a thought"})
    assert_invariants(team.project)


def test_a_draft_renews_the_lease(team: people.Team) -> None:
    people.pairs(team.project, 1, by=team.owner)
    lease = next_assignment(team.teammate, team.project)
    assert lease is not None
    run_out(lease)
    save_draft(team.teammate, lease.pk, {"preference": "1"})
    assert expire_leases() == 0


def test_a_late_rating_takes_a_free_slot_or_is_kept_as_surplus(team: people.Team) -> None:
    people.pairs(team.project, 1, by=team.owner)
    Comparison.objects.update(overlap=1, open_slots=1)
    lease = next_assignment(team.teammate, team.project)
    assert lease is not None
    run_out(lease)
    others = next_assignment(team.owner, team.project)
    assert others is not None
    late = submit(team.teammate, lease.pk, BETTER, submission=uuid.uuid4())
    assert late.surplus
    assert late.assignment.state == "surplus" or Assignment.objects.get(pk=lease.pk).state == "surplus"
    run_out(others)
    expire_leases()
    on_time = submit(team.owner, others.pk, BETTER, submission=uuid.uuid4())
    assert not on_time.surplus
    assert_invariants(team.project)


def test_a_skipped_pair_goes_to_others_only(team: people.Team) -> None:
    people.pairs(team.project, 1, by=team.owner)
    lease = next_assignment(team.teammate, team.project)
    assert lease is not None
    skip(team.teammate, lease.pk, reason="unclear")
    skip(team.teammate, lease.pk, reason="unclear")
    assert next_assignment(team.teammate, team.project) is None
    assert next_assignment(team.owner, team.project) is not None
    assert Assignment.objects.get(pk=lease.pk).skip_reason == "unclear"
    assert_invariants(team.project)


def test_what_is_rated_can_not_be_skipped(team: people.Team) -> None:
    people.pairs(team.project, 1, by=team.owner)
    rating = rate(team.teammate, team.project)
    assert rating is not None
    with pytest.raises(AlreadyRated):
        skip(team.teammate, rating.assignment_id, reason="unclear")


def test_the_assignments_of_others_do_not_exist_for_a_person(team: people.Team) -> None:
    people.pairs(team.project, 1, by=team.owner)
    lease = next_assignment(team.teammate, team.project)
    assert lease is not None
    for action in (
        lambda: submit(team.owner, lease.pk, BETTER, submission=uuid.uuid4()),
        lambda: save_draft(team.owner, lease.pk, {}),
        lambda: skip(team.owner, lease.pk, reason="other"),
    ):
        with pytest.raises(NotYours):
            action()


def test_who_has_left_the_project_can_not_rate_in_it(team: people.Team) -> None:
    people.pairs(team.project, 1, by=team.owner)
    lease = next_assignment(team.teammate, team.project)
    assert lease is not None
    Membership.objects.filter(user=team.teammate).delete()
    with pytest.raises(NotYours):
        submit(team.teammate, lease.pk, BETTER, submission=uuid.uuid4())


def test_going_to_another_project_gives_the_pair_back_and_keeps_its_draft(team: people.Team) -> None:
    people.pairs(team.project, 1, by=team.owner)
    people.pairs(team.elsewhere, 1, by=team.stranger)
    Membership.objects.create(project=team.elsewhere, user=team.teammate, role="annotator")
    lease = next_assignment(team.teammate, team.project)
    assert lease is not None
    save_draft(team.teammate, lease.pk, {"rationale": "later"})
    assert next_assignment(team.teammate, team.elsewhere) is not None
    back = next_assignment(team.teammate, team.project)
    assert back is not None
    assert (back.pk, back.draft) == (lease.pk, {"rationale": "later"})
    assert_invariants(team.project)
    assert_invariants(team.elsewhere)


def test_ratings_of_simulated_people_are_marked(team: people.Team) -> None:
    people.pairs(team.project, 1, by=team.owner)
    robot = people.person("robot", simulated=True)
    Membership.objects.create(project=team.project, user=robot, role="annotator")
    rating, human = rate(robot, team.project), rate(team.teammate, team.project)
    assert rating is not None
    assert human is not None
    assert (rating.simulated, human.simulated) == (True, False)


def test_pairs_that_can_not_be_compared_are_refused(team: people.Team) -> None:
    one, two = people.pairs(team.project, 2, by=team.owner)
    (foreign,) = people.pairs(team.elsewhere, 1, by=team.stranger)
    for pair in (
        (one.sample_a, two.sample_a),
        (foreign.sample_a, foreign.sample_b),
        (one.sample_a, one.sample_a),
    ):
        with pytest.raises(ValueError, match=r"compare|another project"):
            create_comparisons(team.project, [pair])
    assert create_comparisons(team.project, [(one.sample_b, one.sample_a)]) == 0


def test_the_slots_are_guarded_by_the_database_itself(team: people.Team) -> None:
    (pair,) = people.pairs(team.project, 1, by=team.owner)
    lease = next_assignment(team.teammate, team.project)
    assert lease is not None
    with pytest.raises(IntegrityError), transaction.atomic():
        Assignment.objects.create(
            comparison=pair,
            annotator=team.owner,
            slot=lease.slot,
            swapped=False,
            leased_at=timezone.now(),
            expires_at=timezone.now(),
        )


def test_the_slot_that_became_free_is_given_and_not_one_that_is_held(team: people.Team) -> None:
    people.pairs(team.project, 1, by=team.owner)
    one, two, three = people.annotators(team.project, 3, by=team.owner)
    first, second = next_assignment(one, team.project), next_assignment(two, team.project)
    assert first is not None
    assert second is not None
    run_out(first)
    expire_leases()
    third = next_assignment(three, team.project)
    assert third is not None
    assert (first.slot, second.slot, third.slot) == (0, 1, 0)
    assert_invariants(team.project)


def test_a_counter_that_promises_too_much_is_put_right(team: people.Team) -> None:
    (pair,) = people.pairs(team.project, 1, by=team.owner)
    crowd = people.annotators(team.project, 3, by=team.owner)
    assert rate(crowd[0], team.project)
    assert rate(crowd[1], team.project)
    Comparison.objects.filter(pk=pair.pk).update(open_slots=1)
    assert next_assignment(crowd[2], team.project) is None
    assert_invariants(team.project)


@pytest.mark.django_db(transaction=True)
def test_eight_people_at_once_never_exceed_the_overlap_and_never_rate_twice() -> None:
    team = people.team()
    people.pairs(team.project, 12, by=team.owner)
    crowd = people.annotators(team.project, 8, by=team.owner)
    sent: list[tuple[int, uuid.UUID]] = []

    def work(person: User, chance: random.Random) -> None:
        for _ in range(30):
            lease = next_assignment(person, team.project)
            if lease is None:
                return
            fate = chance.random()
            if fate < 0.15:
                run_out(lease)
                expire_leases()
            if fate < 0.1:
                continue
            if fate > 0.9:
                skip(person, lease.pk, reason="other")
                continue
            token = uuid.uuid4()
            rating = submit(person, lease.pk, BETTER, submission=token)
            sent.append((rating.pk, token))
            if fate > 0.6:
                assert submit(person, lease.pk, BETTER, submission=token).pk == rating.pk

    in_threads([lambda person=person, n=n: work(person, random.Random(n)) for n, person in enumerate(crowd)])  # type: ignore[misc]
    assert_invariants(team.project)
    assert set(Rating.objects.values_list("pk", "submission")) == set(sent)
    per_pair = Counter(Rating.objects.filter(surplus=False).values_list("comparison_id", flat=True))
    assert per_pair
    assert max(per_pair.values()) == team.project.overlap


@pytest.mark.django_db(transaction=True)
def test_the_tabs_of_one_person_get_one_lease_between_them() -> None:
    team = people.team()
    people.pairs(team.project, 8, by=team.owner)
    leases: list[int] = []

    def open_tab() -> None:
        lease = next_assignment(team.teammate, team.project)
        assert lease is not None
        leases.append(lease.pk)

    in_threads([open_tab] * 8)
    assert len(leases) == 8
    assert len(set(leases)) == 1
    assert_invariants(team.project)


@pytest.mark.django_db(transaction=True)
def test_the_same_form_sent_eight_times_at_once_is_one_rating() -> None:
    team = people.team()
    people.pairs(team.project, 1, by=team.owner)
    lease = next_assignment(team.teammate, team.project)
    assert lease is not None
    token, found = uuid.uuid4(), []

    in_threads([lambda: found.append(submit(team.teammate, lease.pk, BETTER, submission=token).pk)] * 8)
    assert len(found) == 8
    assert set(found) == {Rating.objects.get().pk}


def in_threads(jobs: list[Callable[[], None]]) -> None:
    """Run all at once, each on its own connection; the first failure is raised here."""
    failures: list[BaseException] = []
    start = threading.Barrier(len(jobs))

    def run(job: Callable[[], None]) -> None:
        try:
            start.wait(timeout=30)
            job()
        except BaseException as failure:  # noqa: BLE001 (raised again in the test's own thread)
            failures.append(failure)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    assert not any(thread.is_alive() for thread in threads)
    if failures:
        raise failures[0]
