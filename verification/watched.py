"""A sandbox that tells whether it had an answer to everything; where it had none, a report is not remembered."""

from __future__ import annotations

import atexit
import os
from collections.abc import Sequence

from verification.sandbox import Job, Pool, Result


class WatchedPool(Pool):
    """Counts the jobs that brought no answer, for whatever reason: time, memory, or the sandbox itself."""

    unanswered = 0

    def run_many(self, jobs: Sequence[Job]) -> list[Result]:
        results = super().run_many(jobs)
        self.unanswered += sum(result.status != "passed" for result in results)
        return results


_pools: dict[int, WatchedPool] = {}


def own_pool() -> WatchedPool:
    """This process's own; a pool does not survive a fork."""
    process = os.getpid()
    if process not in _pools:
        _pools[process] = WatchedPool(1)
        atexit.register(_pools[process].close)
    return _pools[process]
