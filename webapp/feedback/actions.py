"""The queue of comparisons: leases, drafts, ratings.

What holds whatever happens at once: a comparison never has more leases and ratings than its overlap,
nobody has two assignments on one comparison, nobody has two leases, what was acknowledged is kept,
and sending the same submission again changes nothing. The locks that this rests on are those of ``locks``.
"""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeVar

from django.db import IntegrityError, connection, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from webapp.accounts.models import User
from webapp.audit.actions import record
from webapp.catalog.models import Project, Sample
from webapp.feedback import choice, slots
from webapp.feedback.errors import AlreadyRated, SubmissionReused, not_yours
from webapp.feedback.gold import conclude_qualification
from webapp.feedback.judgement import Judgement
from webapp.feedback.locks import assignments_of, lock_annotator, lock_assignment, lock_comparison, lock_comparison_of
from webapp.feedback.models import Assignment, Comparison, LineComment, Rating
from webapp.prepared import Prepared

State = Assignment.State
T = TypeVar("T")
MOST_PRIORITIES = 10_000
"""That are set at once."""
_ATTEMPTS = 5
_SWEEP = 500
_BEGUN = 50
_PRIORITIES = """
WITH given AS (SELECT * FROM unnest(%(pks)s::bigint[], %(priorities)s::float8[]) AS given (id, priority)),
    free AS (
        SELECT pair.id FROM feedback_comparison AS pair JOIN given USING (id)
        WHERE pair.project_id = %(project)s AND NOT pair.is_gold AND pair.open_slots > 0
            AND pair.priority <= 1 AND pair.priority <> given.priority
        ORDER BY pair.id FOR NO KEY UPDATE OF pair SKIP LOCKED
    )
UPDATE feedback_comparison AS pair SET priority = given.priority
FROM given JOIN free USING (id) WHERE pair.id = given.id"""


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


@transaction.atomic
def set_priorities(project: Project, priorities: Mapping[int, float], *, by: User | None = None) -> int:
    """Order the project's open pairs anew: by comparison's key a number from -1 to 1; how many were changed.

    ValueError for any other number, or for too many. Left as they are: gold questions, pairs without an open slot,
    those of other projects, what was put above 1 because it can't wait, and whatever somebody is taking or sending
    just now, so that nobody waits for this.
    """
    if len(priorities) > MOST_PRIORITIES:
        raise ValueError(f"{len(priorities)} priorities at once: set at most {MOST_PRIORITIES}")
    if (wrong := next((value for value in priorities.values() if not -1.0 <= value <= 1.0), None)) is not None:
        raise ValueError(f"a priority is a number from -1 to 1, not {wrong}")
    pks, values = list(priorities), list(priorities.values())
    with connection.cursor() as cursor:
        cursor.execute(_PRIORITIES, {"pks": pks, "priorities": values, "project": project.pk})
        changed = int(cursor.rowcount)
    if changed:
        record("comparisons.prioritised", actor=by, project=project, count=changed)
    return changed


def next_assignment(annotator: User, project: Project) -> Assignment | None:
    """The annotator's lease on a pair of the project: the one they have, renewed, or a new one; None without work.

    Before the qualification round is passed, only its pairs are given.
    """
    found = _leased(annotator, project)
    if found is None and expire_leases(project=project):
        found = _leased(annotator, project)
    return found


def save_draft(annotator: User, assignment_id: int, draft: Mapping[str, Any]) -> datetime:
    """Keep what was filled in so far and renew the lease; the time of saving. AlreadyRated when it is too late."""
    mine = assignments_of(annotator).filter(pk=assignment_id)
    lease_minutes = mine.values_list("comparison__project__lease_minutes", flat=True).first()
    if lease_minutes is None:
        raise not_yours()
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
        # The same id for two pairs: the table takes one of them. What was sent again for one pair never comes here.
        if Rating.objects.filter(submission=submission).exists():
            raise _reused() from None
        raise


@transaction.atomic
def skip(annotator: User, assignment_id: int, *, reason: str) -> None:
    """Give the pair back with a reason; it is not offered to this annotator again."""
    lock_annotator(annotator)
    comparison = lock_comparison_of(annotator, assignment_id)
    assignment = Assignment.objects.filter(pk=assignment_id)
    open_states = (State.LEASED, State.EXPIRED)
    if assignment.filter(state__in=open_states).update(state=State.SKIPPED, skip_reason=reason[:200]):
        slots.recount(comparison)
    elif not assignment.filter(state=State.SKIPPED).exists():
        raise AlreadyRated(_("You have rated this pair already, so it can't be skipped."))


def renew(annotator: User, assignment_id: int) -> datetime | None:
    """The page is still open: renew the lease; until when it holds, or None if it has ended."""
    lease = assignments_of(annotator).filter(pk=assignment_id, state=State.LEASED)
    minutes = lease.values_list("comparison__project__lease_minutes", flat=True).first()
    if minutes is None:
        return None
    until = timezone.now() + timedelta(minutes=minutes)
    held = Assignment.objects.filter(pk=assignment_id, state=State.LEASED)
    return until if held.update(expires_at=until) else None


def expire_leases(*, project: Project | None = None, now: datetime | None = None) -> int:
    """End the leases that have run out, so that their slots are free again; how many they were."""
    due = now or timezone.now()
    leases = Assignment.objects.filter(state=State.LEASED, expires_at__lt=due)
    if project is not None:
        leases = leases.filter(comparison__project=project)
    found = list(leases.order_by("expires_at").values_list("pk", "comparison_id")[:_SWEEP])
    return sum(_end_lease(pk, comparison_id, due=due) for pk, comparison_id in found)


def loaded(pk: int) -> Assignment:
    shown = [f"comparison__{name}" for name in choice.SHOWN]
    return Assignment.objects.select_related(*shown).defer("comparison__prompt__task").get(pk=pk)


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


def _leased(annotator: User, project: Project) -> Assignment | None:
    """A lease in the project. A person has one; going elsewhere gives the earlier pair back and keeps its draft."""
    while True:
        try:
            return _retried(partial(_lease, annotator, project))
        except _LeasedElsewhere as elsewhere:
            # On its own: nothing else is locked while that pair's lock is waited for.
            _end_lease(elsewhere.assignment, elsewhere.comparison)


@transaction.atomic
def _lease(annotator: User, project: Project) -> Assignment | None:
    lock_annotator(annotator)
    expires = timezone.now() + timedelta(minutes=project.lease_minutes)
    held, begun = _unfinished(annotator, project)
    if held is not None:
        if Assignment.objects.filter(pk=held, state=State.LEASED).update(expires_at=expires):
            return loaded(held)
        raise _Again  # A sweeper ended it between the two statements.
    while (comparison := choice.claim(annotator, project, begun)) is not None:
        if (slot := slots.take(comparison)) is not None:
            return _take(annotator, comparison, slot, expires, begun.get(comparison.pk))
    return None


def _unfinished(annotator: User, project: Project) -> tuple[int | None, dict[int, int]]:
    """The lease held in the project, and by comparison the assignments that ran out while their pair has a slot."""
    begun: dict[int, int] = {}
    for pk, state, comparison, where in _unfinished_rows(annotator.pk, project.pk):
        if state == State.EXPIRED:
            begun[comparison] = pk
        elif where == project.pk:
            return pk, {}
        else:
            raise _LeasedElsewhere(pk, comparison)
    return None, begun


@Prepared
def _unfinished_rows(annotator: int, project: int) -> QuerySet[Assignment, tuple[int, str, int, int]]:
    may_go_on = Q(state=State.EXPIRED, comparison__project=project, comparison__open_slots__gt=0)
    return (
        Assignment.objects.filter(Q(state=State.LEASED) | may_go_on, annotator=annotator)
        .order_by("-state", "-comparison__priority", "comparison")
        .values_list("pk", "state", "comparison", "comparison__project")[:_BEGUN]
    )


def _take(
    annotator: User, comparison: Comparison, slot: int, expires: datetime, begun: int | None = None
) -> Assignment:
    """Lease the slot: again, with the draft and the sides as they were, or for the first time."""
    now = timezone.now()
    if begun is None:
        return Assignment.objects.create(
            comparison=comparison,
            annotator=annotator,
            slot=slot,
            swapped=bool(secrets.randbits(1)),
            leased_at=now,
            expires_at=expires,
        )
    again = Assignment.objects.filter(pk=begun, state=State.EXPIRED)
    if again.update(state=State.LEASED, slot=slot, leased_at=now, expires_at=expires) != 1:
        raise IntegrityError(f"assignment {begun} changed under its annotator's lock")
    return loaded(begun)


@transaction.atomic
def _submit(annotator: User, assignment_id: int, judgement: Judgement, submission: uuid.UUID) -> Rating:
    lock_annotator(annotator)
    comparison = lock_comparison_of(annotator, assignment_id)
    assignment, guideline_version = lock_assignment(assignment_id, comparison)
    if assignment.state in (State.SUBMITTED, State.SURPLUS):
        return _sent_before(assignment, submission)
    surplus = not _keep_slot(assignment, comparison)
    stored = judgement.turned(assignment.swapped)
    rating = Rating.objects.create(
        assignment=assignment,
        comparison=comparison,
        annotator=annotator,
        submission=submission,
        preference=stored.preference,
        unusable=stored.unusable,
        scales_a=dict(stored.first),
        scales_b=dict(stored.second),
        rationale=stored.rationale,
        edited_a=stored.first_edited,
        edited_b=stored.second_edited,
        seconds=stored.seconds,
        surplus=surplus,
        simulated=annotator.simulated,
        guideline_version=guideline_version,
    )
    _keep_comments(rating, stored)
    if comparison.is_gold:
        conclude_qualification(annotator, comparison)
    return rating


def _sent_before(assignment: Assignment, submission: uuid.UUID) -> Rating:
    """The assignment's rating, when this submission is what made it."""
    if assignment.rating.submission == submission:
        return assignment.rating
    if Rating.objects.filter(submission=submission).exists():
        raise _reused()
    raise AlreadyRated(_("You have rated this pair already; the first rating stays."))


def _keep_comments(rating: Rating, stored: Judgement) -> None:
    sides = (("a", stored.first_comments), ("b", stored.second_comments))
    rows = [
        LineComment(rating=rating, side=side, line=line, text=text)
        for side, comments in sides
        for line, text in sorted(comments.items())
    ]
    if rows:
        LineComment.objects.bulk_create(rows)


def _keep_slot(assignment: Assignment, comparison: Comparison) -> bool:
    """Move the assignment to submitted, with its own slot or a free one; to surplus when there is none."""
    slot: int | None = assignment.slot
    if assignment.state != State.LEASED:
        slot = slots.take(comparison)
    state = State.SURPLUS if slot is None else State.SUBMITTED
    if not slots.keep(assignment, state, assignment.slot if slot is None else slot):
        raise IntegrityError(f"assignment {assignment.pk} changed under its lock")
    return slot is not None


@transaction.atomic
def _end_lease(assignment_id: int, comparison_id: int, *, due: datetime | None = None) -> int:
    """End it, if it still holds and, where ``due`` is given, had run out by then."""
    comparison = lock_comparison(comparison_id)
    lease = Assignment.objects.filter(pk=assignment_id, state=State.LEASED)
    ended = (lease.filter(expires_at__lt=due) if due else lease).update(state=State.EXPIRED)
    if ended:
        slots.recount(comparison)
    return ended


def _reused() -> SubmissionReused:
    return SubmissionReused(_("This form was sent for another pair already. Reload the page and rate again."))


class _Again(IntegrityError):
    """The state changed between two statements; begin again."""


class _LeasedElsewhere(Exception):
    """The annotator's lease is in another project."""

    def __init__(self, assignment: int, comparison: int) -> None:
        super().__init__(assignment, comparison)
        self.assignment, self.comparison = assignment, comparison


def _retried(action: Callable[[], T]) -> T:
    """Do it again when a constraint stopped it: another transaction was faster."""
    for _attempt in range(_ATTEMPTS - 1):
        try:
            return action()
        except IntegrityError:
            continue
    return action()
