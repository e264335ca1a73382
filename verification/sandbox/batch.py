"""A batch of jobs, handed out to the zygotes and collected; no job is lost, and none is repeated that has answered."""

from __future__ import annotations

import _socket
import select
import time
from collections import deque
from collections.abc import Callable, Sequence

from verification.sandbox import frames, protocol
from verification.sandbox.handle import Zygote
from verification.sandbox.jobs import Channel, End, Job, conclude, infrastructure_fault, requests, wants_library
from verification.sandbox.policy import Limits, Result
from verification.sandbox.testspec import Script

ATTEMPTS = 3
"""How often a job is tried whose failure says nothing of the program."""

_AFTERMATH = 16 << 20
"""Bytes that a zygote may need to tell of a replay's folder; it is bounded where it is read."""

_AHEAD = 2
"""Jobs that a zygote has been sent: the one at work and the next."""

_GRACE = 10.0
"""Seconds past a job's wall limit after which the zygote itself is taken for dead."""

_PATIENCE = 0.02
"""Seconds until a job's answer is read while it runs; most have ended by then."""


class Batch:
    """Hands out jobs, collects answers; knows for each job whether it has answered."""

    def __init__(
        self,
        jobs: Sequence[Job],
        limits: Limits,
        start: Callable[[str], Sequence[Zygote]],
        replace: Callable[[Zygote], Zygote],
        discard: Callable[[Zygote], None],
    ) -> None:
        self._waiting: dict[str, deque[_Task]] = {
            image: deque() for image in (protocol.LEAN, protocol.FULL, protocol.REPLAY)
        }
        for number, job in enumerate(jobs):
            self._waiting[job.image()].append(_Task(number, job, limits))
        self._start, self._replace, self._discard = start, replace, discard
        self._started: set[str] = set()
        self._at_work = 0
        """How many zygotes may work at once: as many as there are of one image."""

        self._results: list[Result | None] = [None] * len(jobs)
        self._left = len(jobs)
        self._poll = select.epoll()
        self._given: dict[Zygote, deque[_Task]] = {}
        self._controls: dict[int, Zygote] = {}
        self._channels: dict[int, Channel] = {}

    def run(self) -> list[Result]:
        try:
            while self._left:
                self._start_wanted()
                for one in list(self._controls.values()):
                    self._fill(one)
                self._wait()
        finally:
            self._poll.close()
            if self._left:  # interrupted: what is under way belongs to nobody any more
                for one in list(self._given):
                    self._abandon(one)
        return [result for result in self._results if result is not None]

    def _start_wanted(self) -> None:
        for image, waiting in self._waiting.items():
            if waiting and image not in self._started:
                self._started.add(image)
                zygotes = self._start(image)
                self._at_work = max(self._at_work, len(zygotes))
                for one in zygotes:
                    self._watch_control(one)

    def _watch_control(self, one: Zygote) -> None:
        self._given[one] = deque()
        self._controls[one.control.fileno()] = one
        self._poll.register(one.control.fileno(), select.EPOLLIN)

    def _fill(self, one: Zygote) -> None:
        waiting, given = self._waiting[one.image], self._given[one]
        if not given and sum(map(bool, self._given.values())) >= self._at_work:
            return
        while waiting and len(given) < _AHEAD:
            task = waiting.popleft()
            if not self._send(one, task):
                waiting.appendleft(task)
                self._lose(one)
                return
            given.append(task)
            if len(given) == 1:
                task.sent_at = time.monotonic()

    def _send(self, one: Zygote, task: _Task) -> bool:
        """Give a job to a zygote; False when it has died."""
        limits = task.limits
        task.channels, task.watched = [], False
        theirs: list[_socket.socket] = []
        for number, request in enumerate(requests(task.job, limits)):
            mine, other = _socket.socketpair()
            mine.setblocking(False)
            longest = _AFTERMATH if number == 1 and task.job.scene is not None else limits.message_bytes
            task.channels.append(Channel(mine, memoryview(request), frames.Splitter(longest)))
            theirs.append(other)
        mode = protocol.VALUES if task.job.scene is None else protocol.REPLAYED
        if isinstance(task.job.plan, Script):
            mode = protocol.ASSERTS
            link = _socket.socketpair()
            theirs = [theirs[0], link[0], theirs[1], link[1]]
        memory = limits.memory_mb << 20
        header = protocol.JOB.pack(task.number, mode, limits.cpu_seconds, limits.wall_seconds, memory, limits.threads)
        try:
            for channel in task.channels:
                if not channel.write():
                    self._watch(task)
            frames.send_descriptors(one.control, header, [end.fileno() for end in theirs])
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
        for one, tasks in list(self._given.items()):
            if tasks and now - tasks[0].sent_at > tasks[0].limits.wall_seconds + _GRACE:
                self._lose(one)

    def _unwatched(self) -> list[_Task]:
        return [tasks[0] for tasks in self._given.values() if tasks and not tasks[0].watched]

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
            channel.socket.shutdown(_socket.SHUT_RDWR)

    def _forget(self, channel: Channel) -> None:
        descriptor = channel.socket.fileno()
        if self._channels.pop(descriptor, None) is not None:
            self._poll.unregister(descriptor)

    def _hear(self, one: Zygote) -> None:
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
        task = self._given[one].popleft()
        if task.number != number:
            raise AssertionError("a zygote answered out of turn")
        if self._given[one]:
            self._given[one][0].sent_at = time.monotonic()
        for channel in task.channels:
            self._forget(channel)
            channel.finish()
        if one.image == protocol.LEAN and wants_library(task.channels):
            self._waiting[protocol.FULL].append(task)
            return
        ends = [End(*parts[:4]), End(*parts[4:])][: len(task.channels)]
        fault = infrastructure_fault(task.channels, ends)
        if fault:
            self._try_again(one.image, task, fault)
        else:
            self._answer(task, conclude(task.job, task.channels, ends))

    def _answer(self, task: _Task, result: Result) -> None:
        self._results[task.number] = result
        self._left -= 1

    def _try_again(self, image: str, task: _Task, fault: str) -> None:
        task.attempts += 1
        if task.attempts >= ATTEMPTS:
            self._answer(task, Result("infra_error", total=len(task.job.plan.tests), detail=fault))
        else:
            self._waiting[image].appendleft(task)

    def _lose(self, one: Zygote) -> None:
        """A zygote died: only the job at work may be to blame; a fresh zygote takes its place."""
        self._controls.pop(one.control.fileno(), None)
        tasks = self._given.pop(one)
        for task in reversed(tasks):
            self._close(task)
            if task is tasks[0]:
                self._try_again(one.image, task, "the zygote died or did not answer")
            else:
                self._waiting[one.image].appendleft(task)
        self._watch_control(self._replace(one))

    def _abandon(self, one: Zygote) -> None:
        tasks = self._given.pop(one, None)
        for task in tasks or ():
            for channel in task.channels:
                channel.socket.close()
        if tasks:
            self._discard(one)

    def _close(self, task: _Task) -> None:
        for channel in task.channels:
            self._forget(channel)
            channel.socket.close()


class _Task:
    """A job of a batch, over its attempts."""

    def __init__(self, number: int, job: Job, limits: Limits) -> None:
        self.number, self.job, self.limits = number, job, job.limits or limits
        self.attempts = 0
        self.channels: list[Channel] = []
        self.watched = False
        self.sent_at = 0.0
