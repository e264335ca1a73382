"""Who may work on a run: a lease with a fencing token, kept in the run's row.

Every write is one conditional UPDATE whose row count is checked. A worker that lost its lease holds
an older fence, so its writes match no row: it is told so by ``FencedOut`` and changes nothing. Times
are the database's, so workers' clocks need not agree.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Coalesce, Now

from webapp.broker import TRAIN_QUEUE, send_on_commit
from webapp.runs.actions import START_TASK, append_event
from webapp.runs.models import Run

State = Run.State


class FencedOut(Exception):
    """The lease is lost: another attempt has the run, or it has ended. Write nothing more."""


@dataclass(frozen=True)
class Lease:
    """The right to write to one run, as long as nobody claims it after us."""

    run_id: int
    fence: int

    def row(self) -> QuerySet[Run]:
        return Run.objects.filter(pk=self.run_id, fence=self.fence, state=State.RUNNING)


def lease_time() -> timedelta:
    """How long a silent worker keeps a run (``AVAL_LEASE_SECONDS``, 30 by default)."""
    return timedelta(seconds=float(os.environ.get("AVAL_LEASE_SECONDS", "30")))


def worker_name() -> str:
    """This process, as the run's page shows it."""
    return f"{os.environ.get('AVAL_WORKER', 'worker')}@{socket.gethostname()}:{os.getpid()}"[:120]


@transaction.atomic
def claim(run_id: int, *, owner: str) -> Lease | None:
    """Take a queued run, or one whose lease has run out; None when there is nothing to take."""
    free = Q(state=State.QUEUED) | Q(state=State.RUNNING, lease_until__lt=Now())
    taken = Run.objects.filter(free, pk=run_id, cancel_requested=False, attempts__lt=F("max_attempts")).update(
        state=State.RUNNING,
        fence=F("fence") + 1,
        attempts=F("attempts") + 1,
        owner=owner,
        lease_until=Now() + lease_time(),
        started_at=Coalesce("started_at", Now()),
        error="",
    )
    if not taken:
        return None
    run = Run.objects.get(pk=run_id)
    append_event(run, "claimed", {"owner": owner, "attempt": run.attempts, "fence": run.fence})
    return Lease(run_id, run.fence)


def heartbeat(lease: Lease) -> bool:
    """Extend the lease; True when the run is to be cancelled."""
    return _extend(lease)


@transaction.atomic
def progress(lease: Lease, *, step: int, total: int, metrics: Mapping[str, float], stage: str) -> bool:
    """Record a step with its metrics and extend the lease; True when the run is to be cancelled."""
    cancel = _extend(lease, step=step, total_steps=total)
    append_event(Run(pk=lease.run_id), "progress", {"stage": stage, "total": total}, metrics, step)
    return cancel


@transaction.atomic
def checkpointed(lease: Lease, *, step: int, name: str) -> bool:
    """Record that a checkpoint is complete on disk; True when the run is to be cancelled."""
    cancel = _extend(lease)
    append_event(Run(pk=lease.run_id), "checkpoint", {"step": step, "name": name})
    return cancel


@transaction.atomic
def finish(
    lease: Lease, *, result: Mapping[str, Any] | None = None, commit: Callable[[Run], None] = lambda run: None
) -> None:
    """End the run as succeeded; ``commit`` writes its output in the same transaction."""
    _end(lease, State.SUCCEEDED, result=result)
    run = Run.objects.get(pk=lease.run_id)
    commit(run)
    append_event(run, "succeeded", {})


@transaction.atomic
def fail(lease: Lease, error: str) -> None:
    """End the run as failed."""
    _end(lease, State.FAILED, error=error)
    append_event(Run(pk=lease.run_id), "failed", {"error": error})


@transaction.atomic
def cancelled(lease: Lease) -> None:
    """End the run as cancelled."""
    _end(lease, State.CANCELLED)
    append_event(Run(pk=lease.run_id), "cancelled", {})


@transaction.atomic
def pause(lease: Lease, alarms: Sequence[Mapping[str, Any]]) -> None:
    """Leave the run to somebody who looks at the alarms; cancelled instead where that was asked for meanwhile.

    It has no lease then and nobody takes it up, until it is resumed. The attempt does not count.
    """
    run = lease.row().select_for_update().first()
    if run is None:
        raise FencedOut(f"run {lease.run_id} is no longer ours")
    if run.cancel_requested:
        _close(run, State.CANCELLED, "")
        append_event(run, "cancelled", {})
        return
    lease.row().update(state=State.PAUSED, alarms=list(alarms), attempts=F("attempts") - 1, lease_until=None)
    append_event(run, "paused", {"alarms": list(alarms)})


@transaction.atomic
def release(lease: Lease, *, reason: str, counts: bool = True) -> None:
    """Give the run back to be started again; failed instead when it has no attempts left.

    An attempt that was ended from outside (a shutdown) does not count.
    """
    run = lease.row().select_for_update().first()
    if run is None:
        raise FencedOut(f"run {lease.run_id} is no longer ours")
    requeue(run, reason=reason, counts=counts)


def requeue(run: Run, *, reason: str, counts: bool = True) -> None:
    """Put a running run that is locked by the caller's transaction back into the queue, or end it for good."""
    if run.cancel_requested:
        _close(run, State.CANCELLED, "")
        append_event(run, "cancelled", {})
    elif counts and run.attempts >= run.max_attempts:
        error = f"gave up after {run.attempts} attempts; the last one: {reason}"
        _close(run, State.FAILED, error)
        append_event(run, "failed", {"error": error})
    else:
        Run.objects.filter(pk=run.pk).update(
            state=State.QUEUED,
            lease_until=None,
            attempts=F("attempts") - (0 if counts else 1),
            error=reason,
            sent_at=Now(),
        )
        append_event(run, "requeued", {"reason": reason})
        send_on_commit(START_TASK, run.pk, queue=TRAIN_QUEUE)


def _extend(lease: Lease, **changes: Any) -> bool:
    with transaction.atomic():
        if not lease.row().update(lease_until=Now() + lease_time(), **changes):
            raise FencedOut(f"run {lease.run_id} is no longer ours")
        return Run.objects.values_list("cancel_requested", flat=True).get(pk=lease.run_id)


def _end(lease: Lease, state: str, *, result: Mapping[str, Any] | None = None, error: str = "") -> None:
    changes = {"state": state, "result": result, "error": error, "lease_until": None, "finished_at": Now()}
    if not lease.row().update(**changes):
        raise FencedOut(f"run {lease.run_id} is no longer ours")


def _close(run: Run, state: str, error: str) -> None:
    Run.objects.filter(pk=run.pk).update(state=state, error=error, lease_until=None, finished_at=Now())
