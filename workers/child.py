"""``python -m workers.child RUN FENCE``: one attempt at one run, in a process of its own.

It records the run's end itself: the output and the state change are one transaction under the fence.
Exit codes: 0 the end is recorded, or the lease was lost and nothing more was written; anything else
leaves the run to the worker that started this process.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from training.guards import Paused
from training.progress import Progress, Stopped
from workers.problems import in_one_line, of_user

if TYPE_CHECKING:
    from workers.leases import Lease

logger = logging.getLogger("workers.child")

EVENT_SECONDS = 0.5
"""In the long run one step in so many seconds is recorded."""
EVENT_BURST = 20
"""So many steps are recorded however fast they follow each other: a short run's curves are whole."""
EX_TEMPFAIL = 75


class FencedWatcher:
    """Records progress under the lease, and stops the stage when the lease is lost or the run cancelled."""

    def __init__(self, lease: Lease) -> None:
        self.lease = lease
        self.cancelled = False
        self.terminated = False
        self._allowed = float(EVENT_BURST)
        self._counted = time.monotonic()

    def step(self, progress: Progress) -> None:
        from workers import leases

        self._stop_if_terminated()
        if not self._may_record() and progress.step != progress.total:
            return
        self._obey(
            lambda: leases.progress(
                self.lease,
                step=progress.step,
                total=progress.total,
                metrics=progress.metrics,
                stage=progress.stage,
            )
        )

    def saved(self, checkpoint: Path, step: int) -> None:
        from workers import leases

        self._stop_if_terminated()
        name = f"{checkpoint.parent.name}/{checkpoint.name}"
        self._obey(lambda: leases.checkpointed(self.lease, step=step, name=name))

    def terminate(self, number: int, frame: FrameType | None) -> None:
        """A signal handler: stop at the next step."""
        del number, frame
        self.terminated = True

    def _may_record(self) -> bool:
        """Whether one more step may be recorded (a token bucket)."""
        now = time.monotonic()
        self._allowed = min(EVENT_BURST, self._allowed + (now - self._counted) / EVENT_SECONDS)
        self._counted = now
        if self._allowed < 1:
            return False
        self._allowed -= 1
        return True

    def _obey(self, write: Callable[[], bool]) -> None:
        from workers.leases import FencedOut

        try:
            self.cancelled = write()
        except FencedOut as error:
            raise Stopped(str(error)) from error
        if self.cancelled:
            raise Stopped("the run was cancelled")

    def _stop_if_terminated(self) -> None:
        if self.terminated:
            raise Stopped("the worker is shutting down")


def main(arguments: Sequence[str] | None = None) -> int:
    run_id, fence = (int(argument) for argument in (sys.argv[1:] if arguments is None else arguments))
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "webapp.settings")
    import django

    django.setup()
    from workers.leases import Lease

    lease = Lease(run_id, fence)
    watcher = FencedWatcher(lease)
    signal.signal(signal.SIGTERM, watcher.terminate)
    return attempt(lease, watcher)


def attempt(lease: Lease, watcher: FencedWatcher) -> int:
    """Do the run's stage and record how it ended."""
    from workers import leases, stages

    try:
        output = stages.perform(lease, watcher)
        leases.finish(lease, result=output.result, commit=output.commit)
    except Stopped as stopped:
        logger.info("run %s stopped: %s", lease.run_id, stopped)
        if watcher.cancelled:
            return _record(lambda: leases.cancelled(lease))
        return EX_TEMPFAIL if watcher.terminated else 0
    except Paused as paused:
        logger.warning("run %s is paused: %s", lease.run_id, paused)
        alarms = [alarm.to_json() for alarm in paused.alarms]
        return _record(lambda: leases.pause(lease, alarms))
    except leases.FencedOut as lost:
        logger.warning("%s", lost)
        return 0
    except Exception as error:
        message = in_one_line(error)
        if of_user(error):
            logger.error("run %s: %s", lease.run_id, message)
            return _record(lambda: leases.fail(lease, message))
        logger.exception("run %s", lease.run_id)
        return _record(lambda: leases.release(lease, reason=message))
    return 0


def _record(write: Callable[[], None]) -> int:
    from workers.leases import FencedOut

    try:
        write()
    except FencedOut as lost:
        logger.warning("%s", lost)
    return 0


if __name__ == "__main__":
    sys.exit(main())
