"""The queue under thirty-two clients at once (tests/webapp/hammer.py): it keeps its promise, and the hammer would notice."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from django.db import connection

from tests.webapp.hammer import Found, hammer
from tests.webapp.hammer_mutants import COUNTER, MUTANTS, SLOT
from webapp.feedback.models import Assignment, Comparison, Rating

if TYPE_CHECKING:
    from workers.postgres import Postgres

pytestmark = pytest.mark.django_db(transaction=True)


def assert_kept(found: Found) -> None:
    """Nothing was broken, and the run was as rough as it is meant to be."""
    print(found)
    assert not found.violations, str(found)
    counts = found.counts
    for kind in (
        "acknowledged",
        "drafts compared",
        "abandoned",
        "late",
        "twice",
        "swept",
        "surplus",
        "skipped",
        "undone",
    ):
        assert counts[kind] > 0, (kind, counts)
    assert counts["looks"] > 10


def test_thirty_two_clients_at_once_break_none_of_the_promises() -> None:
    assert_kept(hammer(pairs=60))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_restart_and_a_crash_of_the_server_lose_nothing(request: pytest.FixtureRequest) -> None:
    if os.environ.get("DATABASE_URL"):
        pytest.skip("the server of DATABASE_URL is not ours to restart")
    server: Postgres = request.getfixturevalue("postgres")

    def restarted() -> None:
        server.stop()
        time.sleep(0.5)
        server.start()

    def crashed() -> None:
        pid = server.pid()
        assert pid is not None
        os.kill(pid, signal.SIGQUIT)
        server.stop()  # Waits until it is gone.
        server.start()

    found = hammer(pairs=5000, seconds=180, restart=[(60, restarted), (120, crashed)])
    assert_kept(found)
    assert found.counts["restarts"] == 2
    assert found.counts["reconnected"] > 0


@pytest.mark.slow
@pytest.mark.parametrize("name", MUTANTS)
def test_the_hammer_notices_when_a_safeguard_is_taken_out(name: str) -> None:
    mutant = MUTANTS[name]
    with dropped(*mutant.without):
        found = hammer(pairs=60, mutant=name)
    print(found)
    assert set(found.violations) & set(mutant.noticed), str(found)


@contextmanager
def dropped(*names: str) -> Iterator[None]:
    """Without these constraints; the rows that break them are gone before they come back."""
    again = {
        SLOT: "CREATE UNIQUE INDEX assignment_slot_taken_once ON feedback_assignment (comparison_id, slot) "
        "WHERE state IN ('leased', 'submitted')",
        COUNTER: "ALTER TABLE feedback_comparison ADD CONSTRAINT feedback_comparison_open_slots_check "
        "CHECK (open_slots >= 0)",
    }
    with connection.cursor() as cursor:
        if SLOT in names:
            cursor.execute(f"DROP INDEX {SLOT}")
        if COUNTER in names:
            cursor.execute(f"ALTER TABLE feedback_comparison DROP CONSTRAINT {COUNTER}")
    try:
        yield
    finally:
        Rating.objects.all().delete()
        Assignment.objects.all().delete()
        Comparison.objects.all().delete()
        with connection.cursor() as cursor:
            for name in names:
                cursor.execute(again[name])
