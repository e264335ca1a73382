"""Zygotes, one a core, and the jobs that are handed to them."""

from __future__ import annotations

import atexit
import json
import os
import select
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from verification.sandbox import frames, protocol
from verification.sandbox.jobs import Channel, End, Job, conclude, infrastructure_fault, requests
from verification.sandbox.policy import (
    Attack,
    Layer,
    Limits,
    Result,
    SandboxError,
    SandboxReport,
    SandboxUnavailable,
)
from verification.sandbox.testspec import Script

ATTEMPTS = 3
"""How often a job is tried whose failure says nothing of the program."""

_AHEAD = 2
"""Jobs that a zygote has been sent: the one at work and the next."""

_GRACE = 10.0
"""Seconds past a job's wall limit after which the zygote itself is taken for dead."""

_START_SECONDS = 60.0
_PATIENCE = 0.02
"""Seconds until a job's answer is read while it runs; most have ended by then."""

_FOLDER = Path(__file__).resolve().parent
# Stands in for the packages, whose own __init__ would load what a zygote must not hold.
_BOOT = """
import os, sys, types
os.register_at_fork = lambda **_: None  # hooks cost a third of a fork; one thread needs none of them
for name, folder in (("verification", sys.argv[2]), ("verification.sandbox", sys.argv[1])):
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = [folder]
from verification.sandbox.zygote import main
main(int(sys.argv[3]), int(sys.argv[4]), sys.argv[5].split())
"""
_ENVIRONMENT = {"PYTHONHASHSEED": "0", "LC_ALL": "C.UTF-8", "TZ": "UTC", "MALLOC_ARENA_MAX": "1"}


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
        self._zygotes: list[_Zygote] = []

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
            results = _Batch(jobs, self._zygotes, self._limits, self._replace).run()
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
        starting = [_Zygote(self._forgo) for _ in range(self._size - len(self._zygotes))]
        try:
            for one in starting:
                one.wait_until_ready()
        except SandboxError:
            for one in starting:
                one.close(kill=True)
            raise
        self._zygotes += starting

    def _replace(self, lost: _Zygote) -> _Zygote:
        lost.close(kill=True)
        fresh = _Zygote(self._forgo)
        self._zygotes[self._zygotes.index(lost)] = fresh
        fresh.wait_until_ready()
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


class _Zygote:
    """One zygote as the pool sees it: its process, its socket, and what it was given."""

    def __init__(self, forgo: Sequence[str]) -> None:
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        arguments = [str(_FOLDER), str(_FOLDER.parent), str(theirs.fileno()), str(os.getpid()), " ".join(forgo)]
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-s", "-S", "-P", "-B", "-X", "utf8", "-c", _BOOT, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                pass_fds=[theirs.fileno()],
                env=_ENVIRONMENT,
                cwd="/",
            )
        self.layers: tuple[Layer, ...] = ()
        self.attacks: tuple[Attack, ...] = ()
        self.given: deque[_Task] = deque()
        self._ready = False

    def wait_until_ready(self) -> None:
        """Raises SandboxUnavailable when it refuses, SandboxError when it can't start or a self-attack escaped."""
        self.control.settimeout(_START_SECONDS)
        try:
            message = self.control.recv(1 << 16)
        except TimeoutError:
            raise SandboxError(
                f"a zygote did not start within {_START_SECONDS:.0f} s: is the machine overloaded?"
            ) from None
        stderr = self.process.stderr
        assert stderr is not None
        if not message:
            last = stderr.read().decode(errors="replace").strip().rpartition("\n")[2]
            raise SandboxError(f"a zygote ended as it started: {last or 'it was killed'}")
        stderr.close()
        told = json.loads(message)
        if "refusal" in told:
            raise SandboxUnavailable(told["refusal"])
        self.layers = tuple(Layer(**layer) for layer in told["layers"])
        self.attacks = (*self._attack(protocol.FILE_ATTACKS), *self._attack(protocol.CALL_ATTACKS))
        escaped = [attack for attack in self.attacks if not attack.contained]
        if escaped:
            raise SandboxUnavailable(
                f"the {escaped[0].layer} layer does not hold: an attempt to {escaped[0].name} succeeded"
            )
        self.control.setblocking(False)

    def _attack(self, mode: int) -> list[Attack]:
        mine, theirs = socket.socketpair()
        with mine, theirs:
            job = protocol.JOB.pack(0, mode, 5.0, 30.0, 256 << 20, 0)
            socket.send_fds(self.control, [job], [theirs.fileno()])
            theirs.close()
            splitter = frames.Splitter(1 << 16)
            mine.settimeout(_START_SECONDS)
            while data := mine.recv(1 << 16):
                splitter.feed(data)
        self.control.recv(protocol.END.size)
        found = list(splitter.messages()) if splitter.confined else []
        if not found:
            raise SandboxError(f"the self-attacks did not come to an end: {splitter.failure()}")
        if mode == protocol.CALL_ATTACKS:
            layer = "seccomp"
        else:
            layer = next(one.name for one in self.layers if one.holds and one.name in ("landlock", "mount namespace"))
        return [Attack(name, contained, layer) for name, contained in found[0]]

    def close(self, *, kill: bool) -> None:
        """Hang up, upon which it ends; the kernel ends what it had started."""
        self.control.close()
        if self.process.stderr is not None:
            self.process.stderr.close()
        if kill:
            self.process.kill()
            self.process.wait()


class _Task:
    """A job of a batch, over its attempts."""

    def __init__(self, number: int, job: Job, limits: Limits) -> None:
        self.number, self.job, self.limits = number, job, job.limits or limits
        self.attempts = 0
        self.channels: list[Channel] = []
        self.watched = False
        self.sent_at = 0.0


class _Batch:
    """Hands out jobs, collects answers; knows for each job whether it has answered."""

    def __init__(self, jobs: Sequence[Job], zygotes: list[_Zygote], limits: Limits, replace: Any) -> None:
        self._waiting = deque(_Task(number, job, limits) for number, job in enumerate(jobs))
        self._zygotes, self._replace = zygotes, replace
        self._results: list[Result | None] = [None] * len(jobs)
        self._left = len(jobs)
        self._poll = select.epoll()
        self._controls: dict[int, _Zygote] = {}
        self._channels: dict[int, Channel] = {}

    def run(self) -> list[Result]:
        try:
            for one in self._zygotes:
                self._watch_control(one)
            while self._left:
                for one in list(self._controls.values()):
                    self._fill(one)
                self._wait()
        finally:
            self._poll.close()
            if self._left:  # interrupted: what is under way belongs to nobody any more
                for one in list(self._zygotes):
                    self._abandon(one)
        return [result for result in self._results if result is not None]

    def _watch_control(self, one: _Zygote) -> None:
        self._controls[one.control.fileno()] = one
        self._poll.register(one.control.fileno(), select.EPOLLIN)

    def _fill(self, one: _Zygote) -> None:
        while self._waiting and len(one.given) < _AHEAD:
            task = self._waiting.popleft()
            if not self._send(one, task):
                self._waiting.appendleft(task)
                self._lose(one)
                return
            one.given.append(task)
            if len(one.given) == 1:
                task.sent_at = time.monotonic()

    def _send(self, one: _Zygote, task: _Task) -> bool:
        """Give a job to a zygote; False when it has died."""
        limits = task.limits
        task.channels, task.watched = [], False
        theirs: list[socket.socket] = []
        for request in requests(task.job, limits):
            mine, other = socket.socketpair()
            mine.setblocking(False)
            task.channels.append(Channel(mine, memoryview(request), frames.Splitter(limits.message_bytes)))
            theirs.append(other)
        mode = protocol.VALUES
        if isinstance(task.job.plan, Script):
            mode = protocol.ASSERTS
            link = socket.socketpair()
            theirs = [theirs[0], link[0], theirs[1], link[1]]
        memory = limits.memory_mb << 20
        header = protocol.JOB.pack(task.number, mode, limits.cpu_seconds, limits.wall_seconds, memory, limits.threads)
        try:
            for channel in task.channels:
                if not channel.write():
                    self._watch(task)
            socket.send_fds(one.control, [header], [end.fileno() for end in theirs])
        except OSError:
            self._close(task)
            return False
        finally:
            for end in theirs:
                end.close()
        return True

    def _watch(self, task: _Task) -> None:
        """Follow a job while it runs: its request or its answer is longer than the kernel buffers."""
        task.watched = True
        for channel in task.channels:
            descriptor = channel.socket.fileno()
            if descriptor not in self._channels:
                self._channels[descriptor] = channel
                self._poll.register(descriptor, select.EPOLLIN | (select.EPOLLOUT if channel.pending else 0))

    def _wait(self) -> None:
        events = self._poll.poll(_PATIENCE if self._unwatched() else 0.5)
        for descriptor, happened in events:
            if descriptor in self._controls:
                self._hear(self._controls[descriptor])
            elif descriptor in self._channels:
                self._serve(descriptor, happened)
        if not events:
            for task in self._unwatched():
                self._watch(task)
        now = time.monotonic()
        for one in list(self._controls.values()):
            if one.given and now - one.given[0].sent_at > one.given[0].limits.wall_seconds + _GRACE:
                self._lose(one)

    def _unwatched(self) -> list[_Task]:
        return [one.given[0] for one in self._zygotes if one.given and not one.given[0].watched]

    def _serve(self, descriptor: int, happened: int) -> None:
        channel = self._channels[descriptor]
        if happened & select.EPOLLOUT and channel.write():
            self._poll.modify(descriptor, select.EPOLLIN)
        if happened & select.EPOLLIN:
            channel.read()
        if happened & (select.EPOLLHUP | select.EPOLLERR):
            self._forget(channel)
        if channel.splitter.overrun:
            self._forget(channel)
            channel.socket.shutdown(socket.SHUT_RDWR)

    def _forget(self, channel: Channel) -> None:
        descriptor = channel.socket.fileno()
        if self._channels.pop(descriptor, None) is not None:
            self._poll.unregister(descriptor)

    def _hear(self, one: _Zygote) -> None:
        """A zygote says how a job ended, or has died."""
        try:
            message = one.control.recv(protocol.END.size)
        except BlockingIOError:
            return
        except OSError:
            message = b""
        if len(message) != protocol.END.size:
            self._lose(one)
            return
        number, *parts = protocol.END.unpack(message)
        task = one.given.popleft()
        if task.number != number:
            raise AssertionError("a zygote answered out of turn")
        if one.given:
            one.given[0].sent_at = time.monotonic()
        for channel in task.channels:
            self._forget(channel)
            channel.finish()
        ends = [End(*parts[:4]), End(*parts[4:])][: len(task.channels)]
        fault = infrastructure_fault(task.channels, ends)
        if fault:
            self._try_again(task, fault)
        else:
            self._answer(task, conclude(task.job, task.channels, ends))

    def _answer(self, task: _Task, result: Result) -> None:
        self._results[task.number] = result
        self._left -= 1

    def _try_again(self, task: _Task, fault: str) -> None:
        task.attempts += 1
        if task.attempts >= ATTEMPTS:
            self._answer(task, Result("infra_error", total=len(task.job.plan.tests), detail=fault))
        else:
            self._waiting.appendleft(task)

    def _lose(self, one: _Zygote) -> None:
        """A zygote died: only the job at work may be to blame; a fresh zygote takes its place."""
        self._controls.pop(one.control.fileno(), None)
        tasks = list(one.given)
        one.given.clear()
        for task in reversed(tasks):
            self._close(task)
            if task is tasks[0]:
                self._try_again(task, "the zygote died or did not answer")
            else:
                self._waiting.appendleft(task)
        self._watch_control(self._replace(one))

    def _abandon(self, one: _Zygote) -> None:
        for task in one.given:
            for channel in task.channels:
                channel.socket.close()
        if one.given:
            one.given.clear()
            self._zygotes.remove(one)
            one.close(kill=True)

    def _close(self, task: _Task) -> None:
        for channel in task.channels:
            self._forget(channel)
            channel.socket.close()
