"""The queue of comparisons: leases, drafts, ratings.

What holds whatever happens at once: a comparison never has more leases and ratings than its overlap,
nobody has two assignments on one comparison, nobody has two leases, what was acknowledged is kept,
and sending the same submission again changes nothing.

Locks are always taken in the order annotator, comparison, assignment. The annotator's lock makes two
tabs of one person wait for each other; the comparison's lock guards its slots; the constraints of the
tables hold when a lock is forgotten.
"""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeVar

from django.db import IntegrityError, transaction
from django.db.models import Exists, F, OuterRef, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from webapp.accounts.models import User
from webapp.catalog.models import Project, Sample
from webapp.feedback.judgement import Judgement
from webapp.feedback.models import Assignment, Comparison, Rating

State = Assignment.State
LIVE = (State.LEASED, State.SUBMITTED)
"""The states that hold a slot."""
T = TypeVar("T")
_ATTEMPTS = 5
_SWEEP = 500


class FeedbackError(Exception):
    """What the annotator asked for can't be done; the message says why and what to do."""


class NotYours(FeedbackError):
    """There is no such assignment, or it is somebody else's: the two look the same from outside."""


class SubmissionReused(FeedbackError):
    """The submission's id belongs to another rating already."""


class AlreadyRated(FeedbackError):
    """The pair has this annotator's rating already."""


def create_comparisons(
    project: Project, pairs: Iterable[tuple[Sample, Sample]], *, priority: float = 0.0, overlap: int | None = None
) -> int:
    """Put pairs before the annotators; how many of them were new. ValueError for a pair that can't be compared."""
    wanted = overlap or project.overlap
    rows = [_comparison(project, *pair, priority=priority, overlap=wanted) for pair in pairs]
    with transaction.atomic():
        before = Comparison.objects.filter(project=project).count()
        Comparison.objects.bulk_create(rows, ignore_conflicts=True, batch_size=500)
        return Comparison.objects.filter(project=project).count() - before


def next_assignment(annotator: User, project: Project) -> Assignment | None:
    """The annotator's lease on a pair of the project: the one they have, renewed, or a new one; None without work."""
    _release_elsewhere(annotator, project)
    found = _retried(partial(_lease, annotator, project))
    if found is None and expire_leases(project=project):
        found = _retried(partial(_lease, annotator, project))
    return found


def save_draft(annotator: User, assignment_id: int, draft: Mapping[str, Any]) -> datetime:
    """Keep what was filled in so far and renew the lease; the time of saving. AlreadyRated when it is too late."""
    mine = _of(annotator).filter(pk=assignment_id)
    lease_minutes = mine.values_list("comparison__project__lease_minutes", flat=True).first()
    if lease_minutes is None:
        raise NotYours(_("This pair is not assigned to you."))
    now = timezone.now()
    # Also when the lease has ended: what somebody typed is kept for when they come back.
    unfinished = Assignment.objects.filter(pk=assignment_id, state__in=(State.LEASED, State.EXPIRED))
    if not unfinished.update(draft=dict(draft), expires_at=now + timedelta(minutes=lease_minutes)):
        raise AlreadyRated(_("You have finished this pair already."))
    return now


def submit(annotator: User, assignment_id: int, judgement: Judgement, *, submission: uuid.UUID) -> Rating:
    """Store the judgement, given in the order of the screen. Sending the same submission again returns its rating.

    A late judgement takes a free slot if there is one and is kept as surplus otherwise.
    """
    try:
        return _submit(annotator, assignment_id, judgement, submission)
    except IntegrityError:
        # Somebody else's submission with this id, stored at the same moment.
        if Rating.objects.filter(submission=submission).exclude(annotator=annotator).exists():
            raise _reused() from None
        raise


@transaction.atomic
def skip(annotator: User, assignment_id: int, *, reason: str) -> None:
    """Give the pair back with a reason; it is not offered to this annotator again."""
    _lock_annotator(annotator)
    assignment = _mine(annotator, assignment_id)
    comparison = _lock_comparison(assignment.comparison_id)
    open_states = (State.LEASED, State.EXPIRED)
    changed = Assignment.objects.filter(pk=assignment.pk, state__in=open_states).update(
        state=State.SKIPPED, skip_reason=reason[:200]
    )
    if changed:
        _recount(comparison)
    elif assignment.state != State.SKIPPED:
        raise AlreadyRated(_("You have rated this pair already, so it can't be skipped."))


def expire_leases(*, project: Project | None = None, now: datetime | None = None) -> int:
    """End the leases that have run out, so that their slots are free again; how many they were."""
    due = now or timezone.now()
    leases = Assignment.objects.filter(state=State.LEASED, expires_at__lt=due)
    if project is not None:
        leases = leases.filter(comparison__project=project)
    found = list(leases.order_by("expires_at").values_list("pk", "comparison_id")[:_SWEEP])
    return sum(_expire(pk, comparison_id, due) for pk, comparison_id in found)


def _comparison(project: Project, one: Sample, two: Sample, *, priority: float, overlap: int) -> Comparison:
    if one.prompt_id != two.prompt_id:
        raise ValueError(f"samples {one.pk} and {two.pk} answer different prompts, so they can't be compared")
    if one.prompt.project_id != project.pk:
        raise ValueError(f"samples {one.pk} and {two.pk} belong to another project than {project.slug}")
    if one.text == two.text:
        raise ValueError(f"samples {one.pk} and {two.pk} hold the same code, so there is nothing to compare")
    first, second = sorted((one, two), key=lambda sample: sample.pk)
    return Comparison(
        project=project,
        prompt_id=one.prompt_id,
        sample_a=first,
        sample_b=second,
        priority=priority,
        overlap=overlap,
        open_slots=overlap,
    )


@transaction.atomic
def _lease(annotator: User, project: Project) -> Assignment | None:
    _lock_annotator(annotator)
    expires = timezone.now() + timedelta(minutes=project.lease_minutes)
    held = Assignment.objects.filter(annotator=annotator, state=State.LEASED, comparison__project=project)
    if (pk := held.values_list("pk", flat=True).first()) is not None:
        if Assignment.objects.filter(pk=pk, state=State.LEASED).update(expires_at=expires):
            return _loaded(pk)
        raise _Again  # A sweeper ended it between the two statements.
    while (comparison := _claim(annotator, project)) is not None:
        slot = _free_slot(comparison)
        pk = None if slot is None else _take(annotator, comparison, slot, expires)
        _recount(comparison)  # Without a slot the counter was wrong, and is right from here on.
        if pk is not None:
            return _loaded(pk)
    return None


def _claim(annotator: User, project: Project) -> Comparison | None:
    """A locked comparison with an open slot for this annotator.

    First what they had begun, then what others have, then by priority. Locked ones are passed over;
    when nothing else is left, they are waited for.
    """
    assigned = Assignment.objects.filter(comparison=OuterRef("pk"), annotator=annotator)
    open_pairs = Comparison.objects.filter(project=project, open_slots__gt=0)
    begun = open_pairs.filter(Exists(assigned.filter(state=State.EXPIRED)))
    fresh = open_pairs.exclude(Exists(assigned))
    for candidates in (begun, fresh.filter(open_slots__lt=F("overlap")), fresh):
        if (found := _first(candidates, skip_locked=True)) is not None:
            return found
    return _first(begun) or _first(fresh)


def _first(candidates: QuerySet[Comparison], *, skip_locked: bool = False) -> Comparison | None:
    locked = candidates.select_for_update(skip_locked=skip_locked, no_key=True, of=("self",))
    return locked.order_by("-priority", "id").first()


def _take(annotator: User, comparison: Comparison, slot: int, expires: datetime) -> int:
    """Lease the slot: again, with the draft and the sides as they were, or for the first time."""
    begun = Assignment.objects.filter(comparison=comparison, annotator=annotator, state=State.EXPIRED)
    pk = begun.values_list("pk", flat=True).first()
    if pk is None:
        return Assignment.objects.create(
            comparison=comparison,
            annotator=annotator,
            slot=slot,
            swapped=bool(secrets.randbits(1)),
            leased_at=timezone.now(),
            expires_at=expires,
        ).pk
    begun.update(state=State.LEASED, slot=slot, leased_at=timezone.now(), expires_at=expires)
    return pk


@transaction.atomic
def _submit(annotator: User, assignment_id: int, judgement: Judgement, submission: uuid.UUID) -> Rating:
    _lock_annotator(annotator)
    if (sent := Rating.objects.filter(submission=submission).first()) is not None:
        if sent.annotator_id != annotator.pk or sent.assignment_id != assignment_id:
            raise _reused()
        return sent
    assignment = _mine(annotator, assignment_id)
    comparison = _lock_comparison(assignment.comparison_id)
    assignment = Assignment.objects.select_for_update(no_key=True).get(pk=assignment.pk)
    if assignment.state in (State.SUBMITTED, State.SURPLUS):
        raise AlreadyRated(_("You have rated this pair already; the first rating stays."))
    surplus = not _keep_slot(assignment, comparison)
    stored = judgement.turned(assignment.swapped)
    return Rating.objects.create(
        assignment=assignment,
        comparison=comparison,
        annotator=annotator,
        submission=submission,
        preference=stored.preference,
        unusable=stored.unusable,
        scales_a=dict(stored.first),
        scales_b=dict(stored.second),
        rationale=stored.rationale,
        seconds=stored.seconds,
        surplus=surplus,
        simulated=annotator.simulated,
    )


def _keep_slot(assignment: Assignment, comparison: Comparison) -> bool:
    """Move the assignment to submitted, with its own slot or a free one; to surplus when there is none."""
    slot: int | None = assignment.slot
    if assignment.state != State.LEASED:
        slot = _free_slot(comparison)
    state = State.SURPLUS if slot is None else State.SUBMITTED
    changed = Assignment.objects.filter(pk=assignment.pk, state=assignment.state).update(
        state=state, slot=assignment.slot if slot is None else slot, draft={}
    )
    if changed != 1:
        raise IntegrityError(f"assignment {assignment.pk} changed under its lock")
    _recount(comparison)
    return slot is not None


@transaction.atomic
def _expire(assignment_id: int, comparison_id: int, due: datetime) -> int:
    comparison = _lock_comparison(comparison_id)
    ended = Assignment.objects.filter(pk=assignment_id, state=State.LEASED, expires_at__lt=due).update(
        state=State.EXPIRED
    )
    if ended:
        _recount(comparison)
    return ended


def _release_elsewhere(annotator: User, project: Project) -> None:
    """A person has one lease; going to another project gives the earlier pair back and keeps its draft."""
    held = Assignment.objects.filter(annotator=annotator, state=State.LEASED).exclude(comparison__project=project)
    for pk, comparison_id in list(held.values_list("pk", "comparison_id")):
        with transaction.atomic():
            comparison = _lock_comparison(comparison_id)
            if Assignment.objects.filter(pk=pk, state=State.LEASED).update(state=State.EXPIRED):
                _recount(comparison)


def _free_slot(comparison: Comparison) -> int | None:
    """The lowest slot that nobody holds, read again under the comparison's lock."""
    taken = set(_live(comparison).values_list("slot", flat=True))
    return next((slot for slot in range(comparison.overlap) if slot not in taken), None)


def _recount(comparison: Comparison) -> None:
    """Set the counter from the rows; exact, because every change happens under the comparison's lock."""
    open_slots = comparison.overlap - _live(comparison).count()
    Comparison.objects.filter(pk=comparison.pk).update(open_slots=open_slots)


def _live(comparison: Comparison) -> QuerySet[Assignment]:
    return Assignment.objects.filter(comparison=comparison, state__in=LIVE)


def _lock_annotator(annotator: User) -> None:
    User.objects.select_for_update(no_key=True).values_list("pk").get(pk=annotator.pk)


def _lock_comparison(pk: int) -> Comparison:
    return Comparison.objects.select_for_update(no_key=True).get(pk=pk)


def _mine(annotator: User, assignment_id: int) -> Assignment:
    found = _of(annotator).filter(pk=assignment_id).first()
    if found is None:
        raise NotYours(_("This pair is not assigned to you."))
    return found


def _of(annotator: User) -> QuerySet[Assignment]:
    """The annotator's assignments in the projects that they are still in."""
    project = "comparison__project__memberships__user"
    return Assignment.objects.filter(annotator=annotator, **{project: annotator})


def _loaded(pk: int) -> Assignment:
    related = ("comparison__prompt", "comparison__sample_a", "comparison__sample_b")
    return Assignment.objects.select_related(*related).get(pk=pk)


def _reused() -> SubmissionReused:
    return SubmissionReused(_("This form was sent for another pair already. Reload the page and rate again."))


class _Again(IntegrityError):
    """The state changed between two statements; begin again."""


def _retried(action: Callable[[], T]) -> T:
    """Do it again when a constraint stopped it: another transaction was faster."""
    for _attempt in range(_ATTEMPTS - 1):
        try:
            return action()
        except IntegrityError:
            continue
    return action()
