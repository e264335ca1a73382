"""The queue of comparisons: leases, drafts, ratings.

What holds whatever happens at once: a comparison never has more leases and ratings than its overlap,
nobody has two assignments on one comparison, nobody has two leases, what was acknowledged is kept,
and sending the same submission again changes nothing.

Locks are always taken in the order annotator, comparison, assignment. The annotator's lock makes two
tabs of one person wait for each other; the comparison's lock guards its slots; the constraints of the
tables hold when a lock is forgotten. Two comparisons are locked in one statement, in the order of their keys.
"""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeVar, cast

from django.db import IntegrityError, connection, transaction
from django.db.models import BooleanField, Exists, ExpressionWrapper, F, OuterRef, Q, QuerySet, Subquery
from django.utils import timezone
from django.utils.translation import gettext as _

from webapp.accounts.models import User
from webapp.audit.actions import record
from webapp.catalog.models import Guideline, Membership, ModelVersion, Project, Prompt, Sample
from webapp.feedback.judgement import Judgement, turned
from webapp.feedback.models import Adjudication, Assignment, Comparison, Gold, LineComment, Rating, Revision
from webapp.feedback.prepared import Joined, Prepared
from webapp.runs.models import DatasetSnapshot

State = Assignment.State
LIVE = (State.LEASED, State.SUBMITTED)
"""The states that hold a slot."""
T = TypeVar("T")
GOLD_OVERLAP = 32_000
"""Everybody in a project may be asked a gold question."""
UNDO_MINUTES = 10
_ATTEMPTS = 5
_SWEEP = 500
_SHORTLIST = 16
"""How many pairs of a kind are looked at before one is locked; more than people who choose at the same instant."""
_BEGUN = 50
_RECOUNT = """
UPDATE feedback_comparison SET open_slots = overlap - (
    SELECT count(*) FROM feedback_assignment WHERE comparison_id = feedback_comparison.id AND state = ANY(%s)
) WHERE id = %s"""
_SHOWN = ("prompt", "sample_a__model_version", "sample_b__model_version")
"""What is read of a comparison together with it."""
_PAIR = Joined(
    ("", Comparison),
    ("prompt", Prompt),
    ("sample_a", Sample),
    ("sample_b", Sample),
    ("sample_a__model_version", ModelVersion),
    ("sample_b__model_version", ModelVersion),
    without=("task", "decoding"),
)
_COMPARISON, _ASSIGNMENT = Joined(("", Comparison)), Joined(("", Assignment))


class FeedbackError(Exception):
    """What the annotator asked for can't be done; the message says why and what to do."""


class NotYours(FeedbackError):
    """There is no such assignment, or it is somebody else's: the two look the same from outside."""


class SubmissionReused(FeedbackError):
    """The submission's id belongs to another rating already."""


class AlreadyRated(FeedbackError):
    """The pair has this annotator's rating already."""


class TooLate(FeedbackError):
    """What was sent can't be taken back or changed any more."""


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
def make_gold(
    comparison: Comparison,
    *,
    by: User,
    lowest: int | None,
    highest: int | None,
    explanation: Mapping[str, str] | None = None,
    qualifying: bool = False,
) -> Gold:
    """Tell the right answer to a pair: preferences from ``lowest`` to ``highest``, or both None for "both unusable".

    Everybody may be asked it from now on, whatever the pair's overlap was. Saying it again changes the answer.
    """
    if (lowest is None) != (highest is None):
        raise ValueError("give both ends of the right preferences, or neither for a pair that is unusable")
    comparison = _lock_comparison(comparison.pk)
    gold, _created = Gold.objects.update_or_create(
        comparison=comparison,
        defaults={
            "lowest": lowest,
            "highest": highest,
            "unusable": lowest is None,
            "explanation": dict(explanation or {}),
            "qualifying": qualifying,
        },
    )
    comparison.overlap = GOLD_OVERLAP
    Comparison.objects.filter(pk=comparison.pk).update(
        is_gold=True, overlap=GOLD_OVERLAP, open_slots=GOLD_OVERLAP - _live(comparison).count()
    )
    record("gold.set", actor=by, project=comparison.project, target=comparison, qualifying=qualifying)
    return gold


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
    mine = _of(annotator).filter(pk=assignment_id)
    lease_minutes = mine.values_list("comparison__project__lease_minutes", flat=True).first()
    if lease_minutes is None:
        raise _not_yours()
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
    _lock_annotator(annotator)
    comparison = _lock_comparison_of(annotator, assignment_id)
    assignment = Assignment.objects.filter(pk=assignment_id)
    open_states = (State.LEASED, State.EXPIRED)
    if assignment.filter(state__in=open_states).update(state=State.SKIPPED, skip_reason=reason[:200]):
        _recount(comparison)
    elif not assignment.filter(state=State.SKIPPED).exists():
        raise AlreadyRated(_("You have rated this pair already, so it can't be skipped."))


def renew(annotator: User, assignment_id: int) -> datetime | None:
    """The page is still open: renew the lease; until when it holds, or None if it has ended."""
    lease = _of(annotator).filter(pk=assignment_id, state=State.LEASED)
    minutes = lease.values_list("comparison__project__lease_minutes", flat=True).first()
    if minutes is None:
        return None
    until = timezone.now() + timedelta(minutes=minutes)
    held = Assignment.objects.filter(pk=assignment_id, state=State.LEASED)
    return until if held.update(expires_at=until) else None


@transaction.atomic
def flag(annotator: User, assignment_id: int, *, problem: str) -> None:
    """Tell the leads that something is wrong with the pair; it can be rated or skipped all the same."""
    if not problem.strip():
        raise FeedbackError(_("Say in a few words what is wrong with this pair."))
    _lock_annotator(annotator)
    assignment = _mine(annotator, assignment_id)
    Assignment.objects.filter(pk=assignment.pk).update(flag=problem.strip()[:1000], flag_resolved_at=None)


@transaction.atomic
def undo_last(annotator: User, project: Project) -> Assignment:
    """Take the last rating back and lease its pair again, filled in as it was; the pair held meanwhile is given back.

    TooLate once it is older than UNDO_MINUTES, was frozen in a snapshot, counted for the qualification round, was
    revised or adjudicated.
    """
    _lock_annotator(annotator)
    rating = (
        Rating.objects.filter(annotator=annotator, comparison__project=project)
        .select_related("assignment")
        .order_by("-pk")
        .first()
    )
    if rating is None or not _may_be_undone(rating, project):
        raise TooLate(_("There is no rating that could still be taken back."))
    held = Assignment.objects.filter(annotator=annotator, state=State.LEASED).first()
    locked = _lock_comparisons(rating.comparison_id, held.comparison_id if held else rating.comparison_id)
    comparison = locked[rating.comparison_id]
    if held and Assignment.objects.filter(pk=held.pk, state=State.LEASED).update(state=State.EXPIRED):
        _recount(locked[held.comparison_id])
    draft = draft_from(rating)
    rating.delete()
    now = timezone.now()
    Assignment.objects.filter(pk=rating.assignment_id, state=State.SUBMITTED).update(
        state=State.LEASED,
        draft=draft,
        leased_at=now,
        expires_at=now + timedelta(minutes=project.lease_minutes),
    )
    _recount(comparison)
    record("rating.undone", actor=annotator, project=project, target=comparison)
    return _loaded(rating.assignment_id)


@transaction.atomic
def revise(annotator: User, rating_id: int, *, preference: int | None, unusable: bool, reason: str = "") -> Revision:
    """What the annotator says after seeing the results, in the order of the screen. The first judgement stays."""
    _lock_annotator(annotator)
    rating = Rating.objects.filter(pk=rating_id, annotator=annotator).select_related("assignment").first()
    if rating is None or not _of(annotator).filter(pk=rating.assignment_id).exists():
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


def expire_leases(*, project: Project | None = None, now: datetime | None = None) -> int:
    """End the leases that have run out, so that their slots are free again; how many they were."""
    due = now or timezone.now()
    leases = Assignment.objects.filter(state=State.LEASED, expires_at__lt=due)
    if project is not None:
        leases = leases.filter(comparison__project=project)
    found = list(leases.order_by("expires_at").values_list("pk", "comparison_id")[:_SWEEP])
    return sum(_end_lease(pk, comparison_id, due=due) for pk, comparison_id in found)


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
    _lock_annotator(annotator)
    expires = timezone.now() + timedelta(minutes=project.lease_minutes)
    held, begun = _unfinished(annotator, project)
    if held is not None:
        if Assignment.objects.filter(pk=held, state=State.LEASED).update(expires_at=expires):
            return _loaded(held)
        raise _Again  # A sweeper ended it between the two statements.
    while (comparison := _claim(annotator, project, begun)) is not None:
        slot = _free_slot(comparison)
        found = None if slot is None else _take(annotator, comparison, slot, expires, begun.get(comparison.pk))
        _recount(comparison)  # Without a slot the counter was wrong, and is right from here on.
        if found is not None:
            return found
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


def _claim(annotator: User, project: Project, begun: Mapping[int, int]) -> Comparison | None:
    """A locked comparison with an open slot for this annotator.

    First what they had begun, then what others have, then by priority. Locked ones are passed over;
    when nothing else is left, they are waited for.
    """
    assigned = Assignment.objects.filter(comparison=OuterRef("pk"), annotator=annotator)
    if project.qualification and not _qualified(annotator, project):
        round_ = Comparison.objects.filter(project=project, is_gold=True, gold__qualifying=True)
        return (_first(round_.filter(pk__in=begun)) if begun else None) or _first(round_.exclude(Exists(assigned)))
    if project.gold_every and not secrets.randbelow(project.gold_every):
        gold = Comparison.objects.filter(project=project, is_gold=True, gold__qualifying=False)
        if (question := _first(gold.exclude(Exists(assigned)))) is not None:
            return question
    mine = Comparison.objects.filter(project=project, open_slots__gt=0, pk__in=begun)
    if begun and (found := _first(mine, skip_locked=True)) is not None:
        return found
    for row in _shortlisted(annotator.pk, project.pk):
        return cast(Comparison, _PAIR.models(row))
    fresh = _fresh(annotator.pk, project.pk)
    return _first(fresh, skip_locked=True) or (_first(mine) if begun else None) or _first(fresh)


def _fresh(annotator: int, project: int) -> QuerySet[Comparison]:
    """Pairs with an open slot that this person never had.

    Not by EXISTS: the database looks a whole list up in a hash, whatever it believes of the tables' sizes.
    """
    had = Assignment.objects.filter(annotator=annotator).values("comparison")
    return Comparison.objects.filter(project=project, open_slots__gt=0, is_gold=False).exclude(pk__in=had)


@Prepared
def _shortlisted(annotator: int, project: int) -> QuerySet[Comparison, tuple[Any, ...]]:
    """The first that nobody has locked, of the few that others have begun and the few that nobody has."""
    by_rank = _fresh(annotator, project).order_by("-priority", "id").values("pk")
    started = by_rank.filter(open_slots__lt=F("overlap"))[:_SHORTLIST]
    untouched = by_rank.filter(open_slots=F("overlap"))[:_SHORTLIST]
    shortlist = Comparison.objects.filter(pk__in=started.union(untouched, all=True), open_slots__gt=0)
    started_first = ExpressionWrapper(Q(open_slots=F("overlap")), BooleanField())
    locked = shortlist.select_for_update(skip_locked=True, no_key=True, of=("self",))
    return locked.order_by(started_first, "-priority", "id").values_list(*_PAIR.columns)[:1]


def _first(candidates: QuerySet[Comparison], *, skip_locked: bool = False) -> Comparison | None:
    """Locked, with all that the rating page shows of it."""
    locked = candidates.select_for_update(skip_locked=skip_locked, no_key=True, of=("self",))
    return locked.select_related(*_SHOWN).defer("prompt__task").order_by("-priority", "id").first()


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
    return _loaded(begun)


@transaction.atomic
def _submit(annotator: User, assignment_id: int, judgement: Judgement, submission: uuid.UUID) -> Rating:
    _lock_annotator(annotator)
    comparison = _lock_comparison_of(annotator, assignment_id)
    assignment, guideline_version = _lock_assignment(assignment_id, comparison)
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
        _conclude_qualification(annotator, comparison)
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


def _qualified(annotator: User, project: Project) -> bool:
    return Membership.objects.filter(project=project, user=annotator, qualified_at__isnull=False).exists()


def _conclude_qualification(annotator: User, comparison: Comparison) -> None:
    """Once the round's pairs are rated: passed or failed, by the share that was right."""
    open_round = Membership.objects.filter(
        project=comparison.project_id,
        user=annotator,
        qualified_at__isnull=True,
        failed_at__isnull=True,
        project__qualification__gt=0,
    )
    membership = open_round.select_related("project").first()
    if membership is None:
        return
    project = membership.project
    answered = list(
        Rating.objects.filter(annotator=annotator, comparison__project=project, comparison__gold__qualifying=True)
        .select_related("comparison__gold")
        .order_by("pk")
    )
    if len(answered) % project.qualification:
        return
    answered = answered[-project.qualification :]  # A second round is judged by its own questions.
    right = sum(rating.comparison.gold.agrees(rating.preference, rating.unusable) for rating in answered)
    passed = right >= project.qualification_share * len(answered)
    now = timezone.now()
    open_round.update(**({"qualified_at": now} if passed else {"failed_at": now}))
    record(
        "qualification.passed" if passed else "qualification.failed",
        actor=annotator,
        project=project,
        target=membership,
        right=right,
        of=len(answered),
    )


def _may_be_undone(rating: Rating, project: Project) -> bool:
    recent = rating.created_at > timezone.now() - timedelta(minutes=UNDO_MINUTES)
    frozen = DatasetSnapshot.objects.filter(project=project, created_at__gte=rating.created_at).exists()
    fixed = (
        Revision.objects.filter(rating=rating).exists()
        or Adjudication.objects.filter(comparison=rating.comparison_id).exists()
    )
    qualifying = Gold.objects.filter(comparison=rating.comparison_id, qualifying=True).exists()
    return recent and not rating.surplus and not frozen and not fixed and not qualifying


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
def _end_lease(assignment_id: int, comparison_id: int, *, due: datetime | None = None) -> int:
    """End it, if it still holds and, where ``due`` is given, had run out by then."""
    comparison = _lock_comparison(comparison_id)
    lease = Assignment.objects.filter(pk=assignment_id, state=State.LEASED)
    ended = (lease.filter(expires_at__lt=due) if due else lease).update(state=State.EXPIRED)
    if ended:
        _recount(comparison)
    return ended


def _free_slot(comparison: Comparison) -> int | None:
    """The lowest slot that nobody holds, read again under the comparison's lock."""
    taken = {slot for (slot,) in _taken(comparison.pk)}
    return next((slot for slot in range(comparison.overlap) if slot not in taken), None)


@Prepared
def _taken(comparison: int) -> QuerySet[Assignment, tuple[int]]:
    return Assignment.objects.filter(comparison=comparison, state__in=LIVE).values_list("slot")


def _recount(comparison: Comparison) -> None:
    """Set the counter from the rows; exact, because every change happens under the comparison's lock."""
    with connection.cursor() as cursor:
        cursor.execute(_RECOUNT, [list(LIVE), comparison.pk])


def _live(comparison: Comparison) -> QuerySet[Assignment]:
    return Assignment.objects.filter(comparison=comparison, state__in=LIVE)


def _lock_annotator(annotator: User) -> None:
    _locked_annotator(annotator.pk)


@Prepared
def _locked_annotator(pk: int) -> QuerySet[User, tuple[int]]:
    return User.objects.select_for_update(no_key=True).filter(pk=pk).values_list("pk")


def _lock_comparison(pk: int) -> Comparison:
    return Comparison.objects.select_for_update(no_key=True).get(pk=pk)


def _lock_comparisons(*pks: int) -> dict[int, Comparison]:
    """By key. One statement and one order, or two people who undo would wait for each other."""
    locked = Comparison.objects.select_for_update(no_key=True).filter(pk__in=pks).order_by("pk")
    return {comparison.pk: comparison for comparison in locked}


def _lock_comparison_of(annotator: User, assignment_id: int) -> Comparison:
    """The locked comparison of one of the annotator's own assignments, while they are in its project."""
    rows = _locked_comparison_of(annotator.pk, assignment_id)
    if not rows:
        raise _not_yours()
    return cast(Comparison, _COMPARISON.models(rows[0]))


@Prepared
def _locked_comparison_of(annotator: int, assignment: int) -> QuerySet[Comparison, tuple[Any, ...]]:
    mine = _of(annotator).filter(pk=assignment).values("comparison")
    locked = Comparison.objects.select_for_update(no_key=True)
    return locked.filter(pk=Subquery(mine)).values_list(*_COMPARISON.columns)


def _lock_assignment(pk: int, comparison: Comparison) -> tuple[Assignment, int | None]:
    """The locked assignment, read under its comparison's lock, and the guideline's version that is current."""
    ((*row, guideline_version),) = _locked_assignment(pk, comparison.project_id)
    return _ASSIGNMENT.models(row), guideline_version


@Prepared
def _locked_assignment(pk: int, project: int) -> QuerySet[Assignment, tuple[Any, ...]]:
    guideline = Guideline.objects.filter(project=project).order_by("-version").values("version")[:1]
    locked = Assignment.objects.select_for_update(no_key=True).filter(pk=pk)
    return locked.values_list(*_ASSIGNMENT.columns, Subquery(guideline))


def _mine(annotator: User, assignment_id: int) -> Assignment:
    found = _of(annotator).filter(pk=assignment_id).first()
    if found is None:
        raise _not_yours()
    return found


def _of(annotator: User | int) -> QuerySet[Assignment]:
    """The annotator's assignments in the projects that they are still in."""
    project = "comparison__project__memberships__user"
    return Assignment.objects.filter(annotator=annotator, **{project: annotator})


def _loaded(pk: int) -> Assignment:
    shown = [f"comparison__{name}" for name in _SHOWN]
    return Assignment.objects.select_related(*shown).defer("comparison__prompt__task").get(pk=pk)


def _not_yours() -> NotYours:
    return NotYours(_("This pair is not assigned to you."))


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
