"""Gold questions and the qualification round; undo, changed minds and flags."""

from __future__ import annotations

import uuid

import pytest
from django.test import Client

from tests.webapp import people
from webapp.accounts.models import User
from webapp.catalog.models import Membership, Project
from webapp.feedback import actions, afterwards, slots
from webapp.feedback.errors import TooLate
from webapp.feedback.gold import make_gold
from webapp.feedback.judgement import Judgement
from webapp.feedback.models import Assignment, Comparison, Gold, LineComment, Rating, Revision
from webapp.runs.actions import take_snapshot

pytestmark = pytest.mark.django_db


def rate(annotator: User, project: Project, preference: int | None = 2, **about: object) -> Rating | None:
    """Rate whatever comes, with a preference in the comparison's own order."""
    lease = actions.next_assignment(annotator, project)
    if lease is None:
        return None
    said = Judgement(preference, unusable=preference is None, **about)  # type: ignore[arg-type]
    return actions.submit(annotator, lease.pk, said.turned(lease.swapped), submission=uuid.uuid4())


def gold(team: people.Team, count: int = 1, *, qualifying: bool = False) -> list[Comparison]:
    found = people.pairs(team.project, count, by=team.owner)
    for comparison in found:
        make_gold(comparison, by=team.owner, lowest=1, highest=3, qualifying=qualifying)
    return found


def test_a_gold_question_is_asked_of_everybody_whatever_the_overlap(team: people.Team) -> None:
    gold(team)
    Project.objects.filter(pk=team.project.pk).update(gold_every=1)
    team.project.refresh_from_db()
    crowd = people.annotators(team.project, 4, by=team.owner)
    assert [rate(person, team.project) is not None for person in crowd] == [True] * 4
    comparison = Comparison.objects.get()
    assert comparison.open_slots == comparison.overlap - 4
    assert not Rating.objects.filter(surplus=True).exists()
    assert rate(crowd[0], team.project) is None


def test_without_gold_questions_wanted_none_is_asked(team: people.Team) -> None:
    gold(team)
    assert actions.next_assignment(team.teammate, team.project) is None


def test_about_one_pair_in_so_many_is_gold(team: people.Team) -> None:
    gold(team, 12)
    people.pairs(team.project, 24, by=team.owner)
    Project.objects.filter(pk=team.project.pk).update(gold_every=3)
    team.project.refresh_from_db()
    for _ in range(24):
        rate(team.teammate, team.project)
    asked = Rating.objects.filter(comparison__is_gold=True).count()
    assert 1 <= asked <= 12  # By chance outside with less than one in ten thousand.


@pytest.mark.parametrize(
    ("lowest", "highest", "said", "right"),
    [
        (1, 3, 2, True),
        (1, 3, 0, False),
        (1, 3, None, False),
        (0, 0, 0, True),
        (-3, -1, -3, True),
        (None, None, None, True),
        (None, None, 3, False),
    ],
)
def test_an_answer_is_right_within_the_range(
    team: people.Team, lowest: int | None, highest: int | None, said: int | None, right: bool
) -> None:
    (comparison,) = people.pairs(team.project, 1, by=team.owner)
    answer = make_gold(comparison, by=team.owner, lowest=lowest, highest=highest)
    assert answer.agrees(said, said is None) is right


def test_a_right_answer_can_be_corrected_and_needs_both_ends(team: people.Team) -> None:
    (comparison,) = gold(team)
    make_gold(comparison, by=team.owner, lowest=-3, highest=-1)
    assert Gold.objects.get().highest == -1
    with pytest.raises(ValueError, match="both ends"):
        make_gold(comparison, by=team.owner, lowest=1, highest=None)


# --- the qualification round


def with_a_round(team: people.Team, pairs: int = 2) -> None:
    gold(team, pairs, qualifying=True)
    people.pairs(team.project, 1, by=team.owner)
    Project.objects.filter(pk=team.project.pk).update(qualification=pairs, qualification_share=0.5)
    team.project.refresh_from_db()


def test_the_round_comes_first_and_who_passes_it_goes_on(team: people.Team) -> None:
    with_a_round(team)
    first, second = rate(team.teammate, team.project, 2), rate(team.teammate, team.project, -2)
    assert first is not None
    assert second is not None
    assert first.comparison.is_gold
    assert second.comparison.is_gold
    assert Membership.objects.get(user=team.teammate).qualified_at is not None
    third = rate(team.teammate, team.project)
    assert third is not None
    assert not third.comparison.is_gold


def test_who_fails_the_round_gets_no_other_pair_and_is_told(team: people.Team, client: Client) -> None:
    with_a_round(team)
    for _ in range(2):
        rate(team.teammate, team.project, -2)
    membership = Membership.objects.get(user=team.teammate)
    assert membership.qualified_at is None
    assert membership.failed_at is not None
    client.force_login(team.teammate)
    page = client.get("/p/alpha/rate/").content.decode()
    assert "The qualification round is over" in page
    assert 'id="rating"' not in page


def test_an_answer_of_the_round_is_not_taken_back(team: people.Team) -> None:
    with_a_round(team)
    rate(team.teammate, team.project)
    with pytest.raises(TooLate):
        afterwards.undo_last(team.teammate, team.project)


def test_gold_feedback_stands_on_ones_own_page_alone(team: people.Team, client: Client) -> None:
    (comparison,) = people.pairs(team.project, 1, by=team.owner)
    make_gold(comparison, by=team.owner, lowest=1, highest=3, explanation={"en": "It fails for [].", "es": "No."})
    Project.objects.filter(pk=team.project.pk).update(gold_every=1)
    team.project.refresh_from_db()
    rate(team.teammate, team.project, -1, rationale="my own words")
    client.force_login(team.teammate)
    mine = client.get("/p/alpha/rate/mine/").content.decode()
    assert "not what was expected" in mine
    assert "It fails for []." in mine
    assert "my own words" in mine
    client.force_login(team.owner)
    assert "my own words" not in client.get("/p/alpha/rate/mine/").content.decode()
    client.force_login(team.stranger)
    assert client.get("/p/alpha/rate/mine/").status_code == 404


# --- afterwards


def test_undo_gives_the_pair_back_filled_in_and_the_held_one_too(team: people.Team) -> None:
    people.pairs(team.project, 2, by=team.owner)
    rating = rate(team.teammate, team.project, 3, rationale="quick", first_comments={2: "why?"}, first_edited="pass\n")
    assert rating is not None
    held = actions.next_assignment(team.teammate, team.project)
    assert held is not None
    actions.save_draft(team.teammate, held.pk, {"rationale": "begun"})
    back = afterwards.undo_last(team.teammate, team.project)
    assert back.pk == rating.assignment_id
    assert back.draft["rationale"] == "quick"
    side = "right" if back.swapped else "left"
    assert back.draft[f"{side}_comment_2"] == "why?"
    assert back.draft[f"{side}_edited"] == "pass\n"
    assert not Rating.objects.exists()
    assert not LineComment.objects.exists()
    held.refresh_from_db()
    assert (held.state, held.draft) == (Assignment.State.EXPIRED, {"rationale": "begun"})
    for comparison in Comparison.objects.all():
        live = comparison.assignments.filter(state__in=slots.LIVE).count()
        assert comparison.open_slots == comparison.overlap - live


def test_what_was_frozen_is_not_taken_back(team: people.Team) -> None:
    people.pairs(team.project, 1, by=team.owner)
    rate(team.teammate, team.project)
    take_snapshot(team.project, team.owner)
    with pytest.raises(TooLate):
        afterwards.undo_last(team.teammate, team.project)
    assert Rating.objects.count() == 1


def test_a_mind_is_changed_once_and_both_judgements_stay(team: people.Team) -> None:
    people.pairs(team.project, 1, by=team.owner)
    rating = rate(team.teammate, team.project, 2)
    assert rating is not None
    shown = -3 if not rating.assignment.swapped else 3
    afterwards.revise(team.teammate, rating.pk, preference=shown, unusable=False, reason="it is refuted")
    assert (Rating.objects.get().preference, Revision.objects.get().preference) == (2, -3)
    with pytest.raises(TooLate):
        afterwards.revise(team.teammate, rating.pk, preference=0, unusable=False)


@pytest.mark.parametrize("who", ["owner", "stranger"])
def test_nobody_changes_somebody_elses_mind(team: people.Team, client: Client, who: str) -> None:
    people.pairs(team.project, 1, by=team.owner)
    rating = rate(team.teammate, team.project)
    assert rating is not None
    client.force_login(getattr(team, who))
    assert client.post(f"/p/alpha/rate/{rating.pk}/revise/", {"choice": "3"}).status_code == 404
    assert not Revision.objects.exists()


def test_a_flag_is_kept_and_needs_words(team: people.Team, client: Client) -> None:
    people.pairs(team.project, 1, by=team.owner)
    lease = actions.next_assignment(team.teammate, team.project)
    assert lease is not None
    client.force_login(team.teammate)
    assert (
        "Say in a few words"
        in client.post("/p/alpha/rate/flag/", {"assignment": lease.pk, "problem": " "}, follow=True).content.decode()
    )
    client.post("/p/alpha/rate/flag/", {"assignment": lease.pk, "problem": "both are empty"})
    assert Assignment.objects.get().flag == "both are empty"
    client.force_login(team.owner)
    assert client.post("/p/alpha/rate/flag/", {"assignment": lease.pk, "problem": "x"}).status_code == 404


def test_a_page_that_stays_open_keeps_its_lease_and_an_ended_one_says_so(team: people.Team) -> None:
    people.pairs(team.project, 1, by=team.owner)
    lease = actions.next_assignment(team.teammate, team.project)
    assert lease is not None
    Assignment.objects.update(expires_at=lease.leased_at)
    until = actions.renew(team.teammate, lease.pk)
    assert until is not None
    assert Assignment.objects.get().expires_at == until > lease.leased_at
    assert actions.renew(team.owner, lease.pk) is None
    Assignment.objects.update(state=Assignment.State.EXPIRED)
    assert actions.renew(team.teammate, lease.pk) is None
