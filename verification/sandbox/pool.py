"""Zygotes, one a core and image, and the jobs that are handed to them."""

from __future__ import annotations

import atexit
import os
import sys
import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any

from verification.sandbox.batch import Batch
from verification.sandbox.handle import Zygote
from verification.sandbox.jobs import Job
from verification.sandbox.policy import Limits, Result, SandboxError, SandboxReport, SandboxUnavailable
from verification.sandbox.protocol import FULL, LEAN, REPLAY


class Pool:
    """Runs many jobs at once. Use it as a context manager; one batch at a time, from any thread.

    `forgo` names layers to do without ("namespaces", "landlock"), to see how a lesser machine fares; every result says
    so. What is required stays required: SandboxUnavailable is raised, naming the layer.
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
        self._zygotes: dict[str, list[Zygote]] = {LEAN: [], FULL: [], REPLAY: []}

    def __enter__(self) -> Pool:
        with self._lock:
            self._start(LEAN)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def run_many(self, jobs: Sequence[Job]) -> list[Result]:
        """The results, in the jobs' order. Raises SandboxError when some jobs could not be run, after the rest."""
        with self._lock:
            results = Batch(jobs, self._limits, self._start, self._replace, self._discard).run()
        if self._forgo:
            results = [replace(result, forgone=self._forgo) for result in results]
        failed = [result for result in results if result.status == "infra_error"]
        if failed:
            raise SandboxError(f"{len(failed)} of {len(jobs)} jobs could not be run: {failed[0].detail}", results)
        return results

    def report(self) -> SandboxReport:
        """The layers that hold here and the self-attacks made when the first zygote of each kind started."""
        with self._lock:
            images = {image: self._start(image)[0] for image in (LEAN, FULL)}
            facts = ["replay profile     holds    a throw-away folder, one shell, no network"]
            try:
                images[REPLAY] = self._start(REPLAY)[0]
            except SandboxUnavailable as error:
                facts = [f"replay profile     absent   {error}"]
            attacks = tuple(
                replace(attack, layer=f"{attack.layer}, {image} image")
                for image, zygote in images.items()
                for attack in zygote.attacks
            )
            return SandboxReport(images[LEAN].layers, attacks, facts=tuple(facts))

    def process_ids(self) -> list[int]:
        """The watcher of each zygote."""
        return [one.process.pid for one in self._all()]

    def close(self) -> None:
        with self._lock:
            for one in self._all():
                one.close(kill=self._owner == os.getpid())
            self._zygotes = {LEAN: [], FULL: [], REPLAY: []}

    def _all(self) -> list[Zygote]:
        return [one for zygotes in self._zygotes.values() for one in zygotes]

    def _start(self, image: str) -> Sequence[Zygote]:
        """The zygotes of an image; those that are missing are started, each of which makes the self-attacks."""
        if self._owner != os.getpid():
            raise SandboxError("a pool does not survive a fork: open one in each process")
        zygotes = self._zygotes[image]
        wanted = 1 if image == REPLAY else self._size  # replays are rare
        starting = [Zygote(image, self._forgo) for _ in range(wanted - len(zygotes))]
        try:
            for one in starting:
                one.wait_until_ready()
        except SandboxError:
            for one in starting:
                one.close(kill=True)
            raise
        zygotes += starting
        return zygotes

    def _replace(self, lost: Zygote) -> Zygote:
        self._discard(lost)
        fresh = Zygote(lost.image, self._forgo)
        try:
            fresh.wait_until_ready()
        except SandboxError:
            fresh.close(kill=True)
            raise
        self._zygotes[lost.image].append(fresh)
        return fresh

    def _discard(self, one: Zygote) -> None:
        self._zygotes[one.image].remove(one)
        one.close(kill=True)


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
