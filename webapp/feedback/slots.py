"""A comparison's slots: as many as its overlap, one for each lease or rating. They change under its lock alone."""

from __future__ import annotations

from typing import cast

from django.db import connection
from django.db.models import QuerySet

from webapp.feedback.models import Assignment, Comparison

State = Assignment.State
LIVE = (State.LEASED, State.SUBMITTED)
"""The states that hold a slot."""
_RECOUNT = """
UPDATE feedback_comparison SET open_slots = overlap - (
    SELECT count(*) FROM feedback_assignment WHERE comparison_id = feedback_comparison.id AND state = ANY(%s)
) WHERE id = %s"""

_TAKE = """
WITH live AS (SELECT slot FROM feedback_assignment WHERE comparison_id = %(comparison)s AND state = ANY(%(live)s)),
    next AS (SELECT 0 AS slot UNION SELECT slot + 1 FROM live EXCEPT SELECT slot FROM live),
    free AS (
        SELECT min(slot) AS slot FROM next
        WHERE slot < (SELECT overlap FROM feedback_comparison WHERE id = %(comparison)s)
    )
UPDATE feedback_comparison SET open_slots = overlap - (SELECT count(*) FROM live) - (free.slot IS NOT NULL)::int
FROM free WHERE id = %(comparison)s RETURNING free.slot"""


_KEEP = """
UPDATE feedback_assignment SET state = %(state)s, slot = %(slot)s, draft = '{}'
WHERE id = %(pk)s AND state = %(before)s"""


def live(comparison: Comparison) -> QuerySet[Assignment]:
    return Assignment.objects.filter(comparison=comparison, state__in=LIVE)


def take(comparison: Comparison) -> int | None:
    """The lowest slot that nobody holds, counted as taken from here on; None when there is none.

    Read and counted in one statement, under the comparison's lock. Without a slot the counter was wrong; now it
    is right.
    """
    with connection.cursor() as cursor:
        cursor.execute(_TAKE, {"comparison": comparison.pk, "live": list(LIVE)})
        (slot,) = cursor.fetchone()
    return cast("int | None", slot)


def keep(assignment: Assignment, state: Assignment.State, slot: int | None) -> bool:
    """The assignment's last state, and its draft gone; False when it was in another state than it was read in."""
    changed = {"state": state.value, "slot": slot, "pk": assignment.pk, "before": assignment.state}
    with connection.cursor() as cursor:
        cursor.execute(_KEEP, changed)
        return bool(cursor.rowcount == 1)


def recount(comparison: Comparison) -> None:
    """Set the counter from the rows; exact, because every change happens under the comparison's lock."""
    with connection.cursor() as cursor:
        cursor.execute(_RECOUNT, [list(LIVE), comparison.pk])
