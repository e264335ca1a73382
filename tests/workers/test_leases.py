from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from tests.workers.rows import queued_run
from webapp.catalog.models import ModelVersion
from webapp.environment import IDLE_SECONDS, database
from webapp.runs.models import Run
from workers import leases
from workers.leases import FencedOut, Lease

LONG_AGO = timedelta(hours=1)


def expire(run: Run) -> None:
    Run.objects.filter(pk=run.pk).update(lease_until=timezone.now() - LONG_AGO)


def claimed(run: Run, owner: str = "one") -> Lease:
    lease = leases.claim(run.pk, owner=owner)
    assert lease is not None
    return lease


def facts(run: Run) -> dict[str, Any]:
    """Everything that is stored of a run, with its events and points."""
    run.refresh_from_db()
    row = {field.attname: getattr(run, field.attname) for field in run._meta.concrete_fields}
    return {**row, "events": list(run.events.order_by("seq").values()), "metrics": list(run.metrics.values())}


def kinds(run: Run) -> list[str]:
    return list(run.events.order_by("seq").values_list("kind", flat=True))


@pytest.mark.django_db
def test_a_claim_takes_a_queued_run_and_raises_its_fence() -> None:
    run = queued_run()
    lease = claimed(run)
    run.refresh_from_db()
    assert (run.state, run.fence, run.attempts, run.owner) == ("running", 1, 1, "one")
    assert lease.fence == 1
    assert run.lease_until is not None
    assert run.lease_until > timezone.now()
    assert kinds(run) == ["claimed"]


@pytest.mark.django_db
def test_a_second_message_for_a_run_at_work_finds_nothing_to_claim() -> None:
    run = queued_run()
    claimed(run)
    before = facts(run)
    assert leases.claim(run.pk, owner="two") is None
    assert facts(run) == before


@pytest.mark.django_db
@pytest.mark.parametrize("state", ["paused", "succeeded", "failed", "cancelled"])
def test_a_run_that_is_paused_or_has_ended_is_not_claimed(state: str) -> None:
    assert leases.claim(queued_run(state=state).pk, owner="one") is None


@pytest.mark.django_db
def test_a_run_whose_lease_ran_out_goes_to_the_next_worker() -> None:
    run = queued_run()
    claimed(run)
    expire(run)
    assert claimed(run, "two").fence == 2


@pytest.mark.django_db
def test_a_run_without_attempts_left_is_not_claimed() -> None:
    assert leases.claim(queued_run(attempts=5, max_attempts=5).pk, owner="one") is None


@pytest.mark.django_db(transaction=True)
def test_of_many_workers_that_claim_at_once_one_gets_the_run() -> None:
    run = queued_run()
    start = threading.Barrier(8)
    won: list[Lease] = []

    def contend(number: int) -> None:
        start.wait()
        try:
            if lease := leases.claim(run.pk, owner=f"worker-{number}"):
                won.append(lease)
        finally:
            connection.close()

    threads = [threading.Thread(target=contend, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    run.refresh_from_db()
    assert len(won) == 1
    assert (run.fence, run.attempts) == (1, 1)
    assert kinds(run) == ["claimed"]


WRITES = {
    "heartbeat": lambda lease: leases.heartbeat(lease),
    "progress": lambda lease: leases.progress(lease, step=7, total=9, metrics={"loss": 1.0}, stage="sft"),
    "checkpointed": lambda lease: leases.checkpointed(lease, step=7, name="checkpoint-7"),
    "finish": lambda lease: leases.finish(lease, result={"by": "the late one"}, commit=make_model),
    "fail": lambda lease: leases.fail(lease, "late"),
    "cancelled": lambda lease: leases.cancelled(lease),
    "release": lambda lease: leases.release(lease, reason="late"),
    "pause": lambda lease: leases.pause(lease, [{"monitor": "kl"}]),
}


def make_model(run: Run) -> None:
    ModelVersion.objects.create(project=run.project, name="late", kind="supervised", path="", sha256="", run=run)


@pytest.mark.django_db
@pytest.mark.parametrize("write", WRITES)
def test_a_worker_that_was_fenced_out_writes_nothing(write: str) -> None:
    run = queued_run()
    stale = claimed(run)
    expire(run)
    claimed(run, "two")
    before = facts(run)
    with pytest.raises(FencedOut):
        WRITES[write](stale)
    assert facts(run) == before
    assert not ModelVersion.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize("write", WRITES)
def test_nothing_is_written_to_a_run_that_has_ended(write: str) -> None:
    run = queued_run()
    lease = claimed(run)
    leases.finish(lease, result={})
    before = facts(run)
    with pytest.raises(FencedOut):
        WRITES[write](lease)
    assert facts(run) == before


@pytest.mark.django_db
def test_a_step_extends_the_lease_and_records_the_point() -> None:
    run = queued_run()
    lease = claimed(run)
    Run.objects.update(lease_until=timezone.now() + timedelta(seconds=1))
    assert leases.progress(lease, step=3, total=10, metrics={"loss": 0.5}, stage="sft") is False
    run.refresh_from_db()
    assert (run.step, run.total_steps) == (3, 10)
    assert run.lease_until is not None
    assert run.lease_until > timezone.now() + timedelta(seconds=10)
    assert list(run.metrics.values_list("name", "step", "value")) == [("loss", 3, 0.5)]
    assert kinds(run) == ["claimed", "progress"]


@pytest.mark.django_db
def test_a_step_and_a_heartbeat_say_that_the_run_is_to_be_cancelled() -> None:
    run = queued_run()
    lease = claimed(run)
    Run.objects.update(cancel_requested=True)
    assert leases.heartbeat(lease) is True
    assert leases.progress(lease, step=1, total=2, metrics={}, stage="sft") is True


@pytest.mark.django_db
def test_output_and_end_are_one_transaction() -> None:
    run = queued_run()
    lease = claimed(run)

    def break_down(run: Run) -> None:
        make_model(run)
        raise RuntimeError("the disk is gone")

    with pytest.raises(RuntimeError):
        leases.finish(lease, result={}, commit=break_down)
    run.refresh_from_db()
    assert run.state == "running"
    assert not ModelVersion.objects.exists()
    leases.finish(lease, result={"fine": 1}, commit=make_model)
    run.refresh_from_db()
    assert (run.state, run.result, run.output.name) == ("succeeded", {"fine": 1}, "late")
    assert run.finished_at is not None


@pytest.mark.django_db
def test_a_released_run_waits_again_and_its_next_attempt_has_a_newer_fence() -> None:
    run = queued_run()
    leases.release(claimed(run), reason="killed by SIGKILL")
    run.refresh_from_db()
    assert (run.state, run.attempts, run.error, run.lease_until) == ("queued", 1, "killed by SIGKILL", None)
    assert claimed(run, "two").fence == 2


@pytest.mark.django_db
def test_a_shutdown_is_not_counted_as_an_attempt() -> None:
    run = queued_run(max_attempts=1)
    leases.release(claimed(run), reason="shut down", counts=False)
    run.refresh_from_db()
    assert (run.state, run.attempts) == ("queued", 0)


@pytest.mark.django_db
def test_the_last_attempt_that_breaks_off_fails_the_run_and_says_why() -> None:
    run = queued_run(max_attempts=1)
    leases.release(claimed(run), reason="killed by SIGKILL")
    run.refresh_from_db()
    assert run.state == "failed"
    assert run.error == "gave up after 1 attempts; the last one: killed by SIGKILL"
    assert kinds(run) == ["claimed", "failed"]


@pytest.mark.django_db
def test_a_run_that_breaks_off_after_its_cancellation_is_cancelled() -> None:
    run = queued_run()
    lease = claimed(run)
    Run.objects.update(cancel_requested=True)
    leases.release(lease, reason="killed")
    run.refresh_from_db()
    assert run.state == "cancelled"


@pytest.mark.django_db
def test_the_database_ends_a_transaction_whose_process_stands_still() -> None:
    """Else a worker that is stopped in the middle of one would keep its locks, and its run could not be taken over."""
    with connection.cursor() as cursor:
        cursor.execute("SHOW idle_in_transaction_session_timeout")
        assert cursor.fetchone() == (f"{IDLE_SECONDS}s",)


def test_a_database_url_may_set_options_of_its_own() -> None:
    given = database("postgresql://one@here/aval?options=-c%20statement_timeout%3D5s&sslmode=require")

    assert given["OPTIONS"] == {"options": "-c statement_timeout=5s", "sslmode": "require"}
