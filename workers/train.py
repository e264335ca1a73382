"""The task behind every run: claim it, give it a process of its own, and keep its lease alive meanwhile.

The work is done in a spawned child (``workers.child``), never in this prefork process: torch's threads
don't survive a fork, and a child can be killed without losing the worker. The child records its own
end; what this side adds is the end of a child that could not: killed, crashed, or shut down.
"""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from workers import leases
from workers.app import app
from workers.home import Home
from workers.leases import FencedOut, Lease
from workers.processes import end, spawn

logger = logging.getLogger(__name__)

GRACE_SECONDS = 5.0
"""What a child gets to end by itself, at a shutdown or once it was cancelled."""


class _ShutDown(BaseException):
    """The worker was asked to end."""


@app.task(name="workers.train.start_run")
def start_run(run_id: int) -> None:
    """Do a run, if it is there to be done; a message too many finds nothing to claim."""
    lease = leases.claim(run_id, owner=leases.worker_name())
    if lease is None:
        logger.info("run %s is not free", run_id)
        return
    try:
        _attempt(lease)
    except FencedOut:
        logger.info("run %s is no longer ours under fence %s: it has ended, or was taken over", run_id, lease.fence)


def _attempt(lease: Lease) -> None:
    with _shutdown_raises():
        child: subprocess.Popen[bytes] | None = None
        try:
            child = _spawn(lease)
            code = _watch(lease, child)
        except _ShutDown:
            if child is not None:
                end(child, grace=GRACE_SECONDS)
            leases.release(lease, reason="the worker was shut down", counts=False)
            raise SystemExit(0) from None
        except FencedOut:
            # The child may have ended the run itself just now, and is about to end too.
            if child is not None:
                end(child, grace=GRACE_SECONDS)
            raise
    if code != 0:
        leases.release(lease, reason=f"the training process {_ending(code)}")


def _spawn(lease: Lease) -> subprocess.Popen[bytes]:
    log = Home.from_environment().logs / f"run-{lease.run_id}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as file:
        return spawn([sys.executable, "-m", "workers.child", str(lease.run_id), str(lease.fence)], log=file.fileno())


def _watch(lease: Lease, child: subprocess.Popen[bytes]) -> int:
    """Wait for the child's end, extending the lease; a child that ignores its cancellation is killed."""
    pause = leases.lease_time().total_seconds() / 5
    cancelled_at: float | None = None
    while True:
        try:
            return child.wait(pause)
        except subprocess.TimeoutExpired:
            pass
        cancel = leases.heartbeat(lease)
        if not cancel:
            continue
        cancelled_at = cancelled_at or time.monotonic()
        if time.monotonic() - cancelled_at > 2 * GRACE_SECONDS:
            end(child, grace=GRACE_SECONDS)
            leases.cancelled(lease)
            return 0


def _ending(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}: see its log"
    try:
        return f"was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"was killed by signal {-code}"


@contextmanager
def _shutdown_raises() -> Iterator[None]:
    """SIGTERM, by which Celery ends its pool, interrupts the waiting (in the main thread, where signals arrive)."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def shut_down(number: int, frame: FrameType | None) -> None:
        del frame
        signal.signal(number, signal.SIG_IGN)
        raise _ShutDown

    before = signal.signal(signal.SIGTERM, shut_down)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
