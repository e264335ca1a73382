"""The queue with one of its safeguards taken out. The hammer must notice each of them.

The pauses make a window that is there anyway wider, so that a short run hits it every time.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from webapp.feedback.models import Comparison

PAUSE = 0.01


@dataclass(frozen=True)
class Mutant:
    """A change to webapp.feedback in the process that calls it."""

    change: Callable[[], None]
    noticed: tuple[str, ...]
    """The kinds of violation by which it shows; one of them has to come up."""
    without: tuple[str, ...] = ()
    """Constraints that are dropped too."""


SLOT, COUNTER = "assignment_slot_taken_once", "feedback_comparison_open_slots_check"


def _no_lock() -> None:
    """Nothing is locked: the comparison, the annotator, the assignment."""
    from django.db.models import QuerySet

    QuerySet.select_for_update = lambda self, *args, **options: self  # type: ignore[method-assign]


def _stale_slots() -> None:
    """The comparison is chosen and its slots are read, then it is locked; what was read is not read again."""
    from webapp.feedback import choice, slots
    from webapp.feedback.locks import lock_comparison

    claim, take, seen = choice.claim, slots.take, threading.local()

    def read(comparison: Comparison) -> int | None:
        taken = set(slots.live(comparison).values_list("slot", flat=True))
        return next((slot for slot in range(comparison.overlap) if slot not in taken), None)

    def stale_claim(annotator: Any, project: Any, begun: Mapping[int, int]) -> Comparison | None:
        found = claim(annotator, project, begun)
        if found is not None:
            seen.slot = read(found)
            time.sleep(PAUSE)
            lock_comparison(found.pk)
        return found

    def stale_slot(comparison: Comparison) -> int | None:
        slot, fresh = seen.__dict__.pop("slot", None), take(comparison)
        return fresh if slot is None else slot

    _choose_without_lock()
    choice.claim, slots.take = stale_claim, stale_slot


def _choose_without_lock() -> None:
    from webapp.feedback import choice
    from webapp.prepared import Prepared

    build = choice._shortlisted.build

    def unlocked(annotator: int, project: int) -> Any:
        chosen = build(annotator, project)
        chosen.query.select_for_update = False
        return chosen

    def first(candidates: Any, *, skip_locked: bool = False) -> Any:
        return candidates.select_related(*choice.SHOWN).order_by("-priority", "id").first()

    choice._shortlisted, choice._first = Prepared(unlocked), first


def _check_after_insert() -> None:
    """The comparison is not locked; instead the leases are counted once the new one is in."""
    from webapp.feedback import actions, slots

    take = actions._take

    def checked(annotator: Any, comparison: Any, slot: int, expires: datetime, begun: int | None) -> Any:
        time.sleep(PAUSE)
        lease = take(annotator, comparison, slot, expires, begun)
        if slots.live(comparison).count() > comparison.overlap:
            raise actions._Again
        return lease

    _choose_without_lock()
    actions._take = checked


def _draft_does_not_renew() -> None:
    from django.utils import timezone

    from webapp.feedback import actions
    from webapp.feedback.errors import AlreadyRated
    from webapp.feedback.models import Assignment

    def save_draft(annotator: Any, assignment_id: int, draft: Mapping[str, Any]) -> datetime:
        unfinished = Assignment.objects.filter(pk=assignment_id, annotator=annotator, state__in=("leased", "expired"))
        if not unfinished.update(draft=dict(draft)):
            raise AlreadyRated
        return timezone.now()

    actions.save_draft = save_draft


def _late_rating_is_dropped() -> None:
    """A rating that comes when the slot is gone is acknowledged and thrown away."""
    from django.db import transaction

    from webapp.feedback import actions

    submit = actions.submit

    def dropping(*args: Any, **options: Any) -> Any:
        with transaction.atomic():
            rating = submit(*args, **options)
            if rating.surplus:
                transaction.set_rollback(True)
        return rating

    actions.submit = dropping


def _draft_is_emptied_on_return() -> None:
    """Whoever comes back to a pair finds an empty form."""
    from webapp.feedback import actions
    from webapp.feedback.models import Assignment

    take = actions._take

    def emptied(annotator: Any, comparison: Any, slot: int, expires: datetime, begun: int | None) -> Any:
        lease = take(annotator, comparison, slot, expires, begun)
        Assignment.objects.filter(pk=lease.pk).update(draft={})
        return lease

    actions._take = emptied


MUTANTS: dict[str, Mutant] = {
    # Two people insert the same slot, and the constraint stops one of them; the counter, which two transactions set
    # from what each of them saw, drifts from the rows.
    "no lock": Mutant(_no_lock, ("constraint", "counter", "error")),
    # The slot constraint alone keeps the promise here: a person sees nothing but a slower page, as the attempt is
    # repeated. What the hammer notices is that a constraint had to step in, which it never has to otherwise.
    "no re-read": Mutant(_stale_slots, ("constraint",)),
    # With the slots the promise goes, unless the counter stops it, which is set from the rows and may not become negative.
    "no re-read and no slot constraint": Mutant(_stale_slots, ("constraint", "overlap"), without=(SLOT,)),
    # With both gone the promise itself is broken.
    "no re-read and no constraint": Mutant(_stale_slots, ("overlap",), without=(SLOT, COUNTER)),
    # Neither of two transactions sees the other's row, so both count too few.
    "check after insert": Mutant(_check_after_insert, ("overlap", "counter"), without=(SLOT,)),
    # No constraint knows of it: somebody who goes on typing loses the pair.
    "a draft does not renew": Mutant(_draft_does_not_renew, ("renewal",)),
    # These two keep every constraint and lose what was acknowledged.
    "a late rating is dropped": Mutant(_late_rating_is_dropped, ("rating",)),
    "a draft is emptied on return": Mutant(_draft_is_emptied_on_return, ("draft",)),
}
