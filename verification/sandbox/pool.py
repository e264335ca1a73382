"""Zygotes, one a core, and the jobs that are handed to them."""

from __future__ import annotations

import atexit
import os
import sys
import threading
from collections.abc import Collection, Mapping, Sequence
from types import TracebackType
from typing import Any

from verification.sandbox.batch import Batch
from verification.sandbox.handle import Zygote
from verification.sandbox.jobs import Job
from verification.sandbox.policy import Limits, Result, SandboxError, SandboxReport, SandboxUnavailable


class Pool:
    """Runs many jobs at once. Use it as a context manager; one batch at a time, from any thread.

    `forgo` names layers to do without ("namespaces", "landlock"), to see how a lesser machine fares. What is required
    stays required: SandboxUnavailable is raised, naming the layer.
    """

    def __init__(self, size: int | None = None, *, limits: Limits | None = None, forgo: Collection[str] = ()) -> None:
        if not sys.platform.startswith("linux"):
            raise SandboxUnavailable(
                f"{sys.platform} has no means to confine untrusted code: run Aval in a Linux container "
                "(docker run, or compose.yaml)"
            )
        self._limits = limits or Limits()
        self._forgo = tuple(sorted(forgo))
        self._size = size or len(os.sched_getaffinity(0))
        self._lock = threading.Lock()
        self._owner = os.getpid()
        self._zygotes: list[Zygote] = []

    def __enter__(self) -> Pool:
        with self._lock:
            self._start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def run_many(self, jobs: Sequence[Job]) -> list[Result]:
        """The results, in the jobs' order. Raises SandboxError when some jobs could not be run, after the rest."""
        with self._lock:
            self._start()
            results = Batch(jobs, self._zygotes, self._limits, self._replace).run()
        failed = [result for result in results if result.status == "infra_error"]
        if failed:
            raise SandboxError(f"{len(failed)} of {len(jobs)} jobs could not be run: {failed[0].detail}", results)
        return results

    def report(self) -> SandboxReport:
        """The layers that hold here and the self-attacks made when the first zygote started."""
        with self._lock:
            self._start()
            return SandboxReport(self._zygotes[0].layers, self._zygotes[0].attacks)

    def process_ids(self) -> list[int]:
        """The watcher of each zygote."""
        return [one.process.pid for one in self._zygotes]

    def close(self) -> None:
        with self._lock:
            for one in self._zygotes:
                one.close(kill=self._owner == os.getpid())
            self._zygotes.clear()

    def _start(self) -> None:
        if self._owner != os.getpid():
            raise SandboxError("a pool does not survive a fork: open one in each process")
        starting = [Zygote(self._forgo) for _ in range(self._size - len(self._zygotes))]
        try:
            for one in starting:
                one.wait_until_ready()
        except SandboxError:
            for one in starting:
                one.close(kill=True)
            raise
        self._zygotes += starting

    def _replace(self, lost: Zygote) -> Zygote:
        self._zygotes.remove(lost)
        lost.close(kill=True)
        fresh = Zygote(self._forgo)
        try:
            fresh.wait_until_ready()
        except SandboxError:
            fresh.close(kill=True)
            raise
        self._zygotes.append(fresh)
        return fresh


def run_tests(
    code: str, entry_point: str, tests: Sequence[str], *, prelude: str = "", limits: Limits | None = None
) -> Result:
    """Run a program's tests in this process's own pool, which is started at the first use."""
    return _shared_pool().run_many([Job.tests(code, entry_point, tests, prelude, limits)])[0]


def call(
    code: str,
    entry_point: str,
    args: Sequence[Any],
    kwargs: Mapping[str, Any] | None = None,
    *,
    limits: Limits | None = None,
) -> Result:
    """Call one function of a program: `value` with status passed, or `exception`."""
    return _shared_pool().run_many([Job.call(code, entry_point, args, kwargs, limits)])[0]


def check(*, forgo: Collection[str] = ()) -> SandboxReport:
    """Start a zygote, and say which layers hold and whether every self-attack was contained."""
    try:
        with Pool(1, forgo=forgo) as pool:
            return pool.report()
    except SandboxError as error:
        return SandboxReport(refusal=str(error))


_shared: tuple[int, Pool] | None = None
_sharing = threading.Lock()


def _shared_pool() -> Pool:
    global _shared
    with _sharing:
        if _shared is None or _shared[0] != os.getpid():
            _shared = (os.getpid(), Pool(1))
            atexit.register(_shared[1].close)
        return _shared[1]
