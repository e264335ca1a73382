"""What annotators can do about a pair besides rating it: take a rating back, change their mind, flag the pair."""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from webapp.accounts.models import User
from webapp.audit.actions import record
from webapp.catalog.models import Project
from webapp.feedback import slots
from webapp.feedback.actions import loaded
from webapp.feedback.errors import FeedbackError, NotYours, TooLate, not_yours
from webapp.feedback.judgement import Judgement, turned
from webapp.feedback.locks import assignments_of, lock_annotator, lock_comparisons
from webapp.feedback.models import Adjudication, Assignment, Gold, Rating, Revision
from webapp.runs.models import DatasetSnapshot

State = Assignment.State
UNDO_MINUTES = 10


@transaction.atomic
def undo_last(annotator: User, project: Project) -> Assignment:
    """Take the last rating back and lease its pair again, filled in as it was; the pair held meanwhile is given back.

    TooLate once it is older than UNDO_MINUTES, was frozen in a snapshot, counted for the qualification round, was
    revised or adjudicated.
    """
    lock_annotator(annotator)
    rating = (
        Rating.objects.filter(annotator=annotator, comparison__project=project)
        .select_related("assignment")
        .order_by("-pk")
        .first()
    )
    if rating is None or not _may_be_undone(rating, project):
        raise TooLate(_("There is no rating that could still be taken back."))
    held = Assignment.objects.filter(annotator=annotator, state=State.LEASED).first()
    locked = lock_comparisons(rating.comparison_id, held.comparison_id if held else rating.comparison_id)
    comparison = locked[rating.comparison_id]
    if held and Assignment.objects.filter(pk=held.pk, state=State.LEASED).update(state=State.EXPIRED):
        slots.recount(locked[held.comparison_id])
    draft = draft_from(rating)
    rating.delete()
    now = timezone.now()
    Assignment.objects.filter(pk=rating.assignment_id, state=State.SUBMITTED).update(
        state=State.LEASED,
        draft=draft,
        leased_at=now,
        expires_at=now + timedelta(minutes=project.lease_minutes),
    )
    slots.recount(comparison)
    record("rating.undone", actor=annotator, project=project, target=comparison)
    return loaded(rating.assignment_id)


@transaction.atomic
def revise(annotator: User, rating_id: int, *, preference: int | None, unusable: bool, reason: str = "") -> Revision:
    """What the annotator says after seeing the results, in the order of the screen. The first judgement stays."""
    lock_annotator(annotator)
    rating = Rating.objects.filter(pk=rating_id, annotator=annotator).select_related("assignment").first()
    if rating is None or not assignments_of(annotator).filter(pk=rating.assignment_id).exists():
        raise NotYours(_("There is no such rating of yours."))
    if unusable == (preference is not None):
        raise FeedbackError(_("Choose one of the seven preferences, or mark both as unusable."))
    revision, created = Revision.objects.get_or_create(
        rating=rating,
        defaults={
            "preference": turned(preference, rating.assignment.swapped),
            "unusable": unusable,
            "reason": reason.strip()[:1000],
        },
    )
    if not created:
        raise TooLate(_("You have changed your mind about this pair already; that stays."))
    return revision


@transaction.atomic
def flag(annotator: User, assignment_id: int, *, problem: str) -> None:
    """Tell the leads that something is wrong with the pair; it can be rated or skipped all the same."""
    if not problem.strip():
        raise FeedbackError(_("Say in a few words what is wrong with this pair."))
    lock_annotator(annotator)
    assignment = _mine(annotator, assignment_id)
    Assignment.objects.filter(pk=assignment.pk).update(flag=problem.strip()[:1000], flag_resolved_at=None)


def draft_from(rating: Rating) -> dict[str, str]:
    """The form's fields as they were when the rating was sent."""
    swapped = rating.assignment.swapped
    comments: dict[str, dict[int, str]] = {"a": {}, "b": {}}
    for comment in rating.comments.all():
        comments[comment.side][comment.line] = comment.text
    stored = Judgement(
        preference=rating.preference,
        unusable=rating.unusable,
        first=rating.scales_a,
        second=rating.scales_b,
        rationale=rating.rationale,
        seconds=rating.seconds,
        first_comments=comments["a"],
        second_comments=comments["b"],
        first_edited=rating.edited_a,
        second_edited=rating.edited_b,
    ).turned(swapped)
    return as_draft(stored)


def as_draft(judgement: Judgement) -> dict[str, str]:
    """A judgement as the form's fields."""
    sides = (
        ("left", judgement.first, judgement.first_comments, judgement.first_edited),
        ("right", judgement.second, judgement.second_comments, judgement.second_edited),
    )
    draft = {
        "preference": "" if judgement.preference is None else str(judgement.preference),
        "unusable": "on" if judgement.unusable else "",
        "rationale": judgement.rationale,
        "seconds": "" if judgement.seconds is None else str(judgement.seconds),
    }
    for side, scales, comments, edited in sides:
        draft |= {f"{side}_{name}": str(point) for name, point in scales.items()}
        draft |= {f"{side}_comment_{line}": text for line, text in comments.items()}
        draft[f"{side}_edited"] = edited
    return {name: value for name, value in draft.items() if value}


def _may_be_undone(rating: Rating, project: Project) -> bool:
    recent = rating.created_at > timezone.now() - timedelta(minutes=UNDO_MINUTES)
    frozen = DatasetSnapshot.objects.filter(project=project, created_at__gte=rating.created_at).exists()
    fixed = (
        Revision.objects.filter(rating=rating).exists()
        or Adjudication.objects.filter(comparison=rating.comparison_id).exists()
    )
    qualifying = Gold.objects.filter(comparison=rating.comparison_id, qualifying=True).exists()
    return recent and not rating.surplus and not frozen and not fixed and not qualifying


def _mine(annotator: User, assignment_id: int) -> Assignment:
    found = assignments_of(annotator).filter(pk=assignment_id).first()
    if found is None:
        raise not_yours()
    return found
