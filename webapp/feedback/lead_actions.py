"""What leads decide: disagreements, flags, and who may rate after a failed qualification round.

Locks are taken as in ``locks``: the comparison's before anything below it.
"""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from webapp.accounts.models import User
from webapp.audit.actions import record
from webapp.catalog.models import Membership, Project
from webapp.feedback.gold import make_gold
from webapp.feedback.locks import lock_comparison
from webapp.feedback.models import Adjudication, Assignment, Comparison, Gold, Rating
from webapp.feedback.quality import disagree

State = Assignment.State


class LeadError(Exception):
    """What the lead asked for can't be done; the message says why and what to do."""


class AlreadyDone(LeadError):
    """Somebody else was faster."""


class OwnWork(LeadError):
    """Nobody decides about what they did themselves."""


class NothingToDecide(LeadError):
    """The pair does not wait for a decision."""


class TooFewQuestions(LeadError):
    """There are not enough qualifying questions left for another round."""


@transaction.atomic
def adjudicate(
    comparison: Comparison, *, by: User, preference: int | None, unusable: bool, reason: str
) -> Adjudication:
    """Decide about a pair on which annotators disagree, in the pair's own order; the ratings stay as they are."""
    if unusable == (preference is not None):
        raise LeadError(_("Choose one of the seven preferences, or mark both as unusable."))
    if not reason.strip():
        raise LeadError(_("Give a reason: the annotators can learn from it."))
    comparison = lock_comparison(comparison.pk)
    _refuse_unless_open(comparison, by)
    decision = Adjudication.objects.create(
        comparison=comparison, preference=preference, unusable=unusable, reason=reason.strip(), decided_by=by
    )
    record(
        "comparison.adjudicated",
        actor=by,
        project=comparison.project,
        target=comparison,
        preference=preference,
        unusable=unusable,
    )
    return decision


@transaction.atomic
def resolve_flag(assignment: Assignment, *, by: User) -> None:
    """Take a flag off the list, once."""
    still_open = Assignment.objects.filter(pk=assignment.pk, flag_resolved_at__isnull=True).exclude(flag="")
    if not still_open.update(flag_resolved_at=timezone.now()):
        raise AlreadyDone(_("This flag has been resolved already."))
    comparison = assignment.comparison
    record("flag.resolved", actor=by, project=comparison.project, target=comparison, assignment=assignment.pk)


@transaction.atomic
def set_qualifying(gold: Gold, qualifying: bool, *, by: User) -> None:
    """Put a gold question into the qualification round, or take it out; its answer stays."""
    make_gold(
        gold.comparison,
        by=by,
        lowest=gold.lowest,
        highest=gold.highest,
        explanation=gold.explanation,
        qualifying=qualifying,
    )


@transaction.atomic
def let_in(membership: Membership, *, by: User) -> None:
    """Let a member who failed the qualification round rate all the same."""
    _conclude(membership, by, qualified_at=timezone.now())
    record("qualification.let_in", actor=by, project=membership.project, target=membership)


@transaction.atomic
def let_try_again(membership: Membership, *, by: User) -> None:
    """Open a second round to a member who failed; TooFewQuestions when too few are left that they don't know yet."""
    project = membership.project
    missing = project.qualification - questions_left(membership.user, project)
    if missing > 0:
        raise TooFewQuestions(
            ngettext(
                "Nobody rates a pair twice, so another round needs new questions: "
                "mark %(count)s more gold question as qualifying first.",
                "Nobody rates a pair twice, so another round needs new questions: "
                "mark %(count)s more gold questions as qualifying first.",
                missing,
            )
            % {"count": missing}
        )
    _conclude(membership, by)
    record("qualification.reopened", actor=by, project=project, target=membership)


def questions_left(user: User, project: Project) -> int:
    """Qualifying pairs that the person has neither rated nor skipped."""
    done = Assignment.objects.filter(annotator=user, state__in=(State.SUBMITTED, State.SURPLUS, State.SKIPPED))
    questions = Comparison.objects.filter(project=project, is_gold=True, gold__qualifying=True)
    return questions.exclude(pk__in=done.values("comparison")).count()


def gold_range(decision: Adjudication) -> tuple[int, int] | None:
    """The right answers that follow from a decision: one point either way on the same side; None for "unusable"."""
    chosen = decision.preference
    if chosen is None:
        return None
    if chosen == 0:
        return 0, 0
    return (max(chosen - 1, 1), min(chosen + 1, 3)) if chosen > 0 else (max(chosen - 1, -3), min(chosen + 1, -1))


def _refuse_unless_open(comparison: Comparison, by: User) -> None:
    """Read under the comparison's lock."""
    if (earlier := Adjudication.objects.filter(comparison=comparison).select_related("decided_by").first()) is not None:
        raise AlreadyDone(_("%(name)s has decided about this pair already.") % {"name": earlier.decided_by})
    if Rating.objects.filter(comparison=comparison, annotator=by).exists():
        raise OwnWork(_("You have rated this pair yourself: another lead has to decide about it."))
    if comparison.is_gold:
        raise NothingToDecide(_("This is a gold question: its answer is known."))
    given = list(Rating.objects.filter(comparison=comparison, surplus=False).values_list("preference", flat=True))
    if len(given) < comparison.overlap:
        raise NothingToDecide(_("This pair does not have all its ratings yet: decide once they are in."))
    if not disagree(given):
        raise NothingToDecide(_("The ratings of this pair agree: there is nothing to decide."))


def _conclude(membership: Membership, by: User, **changes: object) -> None:
    if membership.user_id == by.pk:
        raise OwnWork(_("Somebody else has to decide about your own qualification."))
    failed = Membership.objects.filter(pk=membership.pk, failed_at__isnull=False)
    if not failed.update(failed_at=None, **changes):
        raise AlreadyDone(_("This person is not waiting for a decision: somebody else has taken it already."))
