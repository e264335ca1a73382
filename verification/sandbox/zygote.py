"""The zygote: a fresh interpreter that forks a confined child for each job. It sees neither programs nor tests.

It takes descriptors and numbers from the pool, and reports how each child ended. A job in values mode is one child with
one descriptor, in assert mode two: the program (its descriptor, a link) and its tester (a descriptor, the other end of
the link). A child reads what to do only once it is confined.

Two processes: a watcher that ends when the pool's process does, and the zygote itself, process 1 of a namespace where
the machine has any, which the kernel kills with the watcher, and whose children it kills with the zygote.
"""

from __future__ import annotations

import _socket
import gc
import importlib
import io
import json
import os
import select
import sys
import time
from typing import NoReturn

from verification import driver
from verification.sandbox import attacks, confine, frames, kernel, lean, namespaces, program, stage, tester, watcher
from verification.sandbox.layers import Refused
from verification.sandbox.protocol import (
    ASSERTS,
    BY_ITSELF,
    CALL_ATTACKS,
    CPU_TIME,
    END,
    FAILED,
    FILE_ATTACKS,
    JOB,
    LEAN,
    NOT_NEEDED,
    READY,
    REPLAYED,
    STARVED,
    WALL_TIME,
)

_STARVED = 0.25
"""A child that waited for a processor this share of the wall limit that it reached was not judged fairly."""

_CONTROL, _ASKING = 20, 21  # descriptors, so that a job's arrive as 3, 4, 5 and 6

_TICK = 0.5
"""A longer pause between two looks at the clock was not the child's: the machine, or this process, stood still."""


def main(descriptor: int, pool: int, image: str, forgo: list[str], folder: str) -> NoReturn:
    """Start on the pool's socket; `pool` is its process id, `forgo` names layers to do without.

    `folder`, which belongs to this zygote alone, is where replays take place; empty in the profile of tests.
    """
    os.setsid()
    watched = os.pidfd_open(pool)
    if os.getppid() != pool:
        os._exit(1)
    control = _socket.socket(fileno=descriptor)
    why_not = "forgone" if "namespaces" in forgo else namespaces.possible()
    _load(image)
    if not why_not:
        namespaces.enter()
    identity = os.getpid()
    proc = os.open("/proc", os.O_PATH | os.O_CLOEXEC)  # the zygote will take away the root, this process's as well
    asked, asking = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
    child = os.fork()
    if child == 0:
        os.close(watched)
        os.close(proc)
        asked.close()
        _serve(control, asking, identity, forgo, why_not, folder)
    control.close()
    asking.close()
    if folder:
        kernel.adopt_orphans()
    watcher.watch_over(watched, child, asked, proc)
    if folder:
        stage.remove(folder)
    os._exit(0)


def _load(image: str) -> None:
    for name in driver.MODULES:
        importlib.import_module(name)
    if image == LEAN:
        lean.load()
        return
    for name in lean.FULL_ONLY:
        importlib.import_module(name)
    from verification.sandbox import stdlib

    stdlib.load()


def _serve(
    control: _socket.socket, asking: _socket.socket, identity: int, forgo: list[str], why_not: str, folder: str
) -> NoReturn:
    parent = os.getppid()  # 0 when it is outside this process's namespace
    low = _lowered(control), _lowered(asking)
    control, asking = _moved(low[0], _CONTROL), _moved(low[1], _ASKING)
    _be_quiet()
    try:
        confinement = confine.confine_zygote(
            forgo=forgo, identity=identity, in_namespaces=not why_not, why_not=why_not, folder=folder
        )
    except (Refused, OSError) as error:
        reason = str(error) if isinstance(error, Refused) else f"this process could not be confined: {error}"
        control.send(json.dumps({"refusal": reason}).encode())
        os._exit(1)
    kernel.die_with_parent(parent)
    control.send(json.dumps({"layers": confinement.layers}).encode())
    gc.collect()
    kernel.trim_heap()
    gc.freeze()
    gc.disable()
    zygote = _Zygote(control, asking, confinement)
    while zygote.serve_one():
        pass
    os._exit(0)


class _Child:
    """A forked process and what is known of it."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.descriptor = os.pidfd_open(pid)
        self.clock = (~pid << 3) | 2  # the kernel's name for this process's CPU clock: clock_getcpuclockid(3)
        self.stopped = BY_ITSELF
        self.status: int | None = None
        self.cpu_seconds = 0.0
        self.peak_kilobytes = 0

    def cpu_now(self) -> float:
        try:
            return time.clock_gettime(self.clock)
        except OSError:
            return 0.0

    def stop(self, reason: int) -> None:
        self.stopped = reason
        os.kill(self.pid, kernel.SIGKILL)  # not yet waited for, so this number is still this child's

    def reap(self) -> None:
        _, self.status, usage = os.wait4(self.pid, 0)
        self.cpu_seconds = usage.ru_utime + usage.ru_stime
        self.peak_kilobytes = usage.ru_maxrss
        os.close(self.descriptor)


class _Zygote:
    def __init__(self, control: _socket.socket, asking: _socket.socket, confinement: confine.Confinement) -> None:
        self._control = control
        self._asking = asking
        self._confinement = confinement
        self._stage = confinement.stage
        if self._stage:
            kernel.adopt_orphans()
        self._pid = os.getpid()
        self._printed = program.Printed()
        for name in ("stdout", "stderr"):
            setattr(sys, name, io.TextIOWrapper(io.BufferedWriter(self._printed), encoding="utf-8", write_through=True))
            setattr(sys, f"__{name}__", getattr(sys, name))

    def serve_one(self) -> bool:
        """One job from the pool to its end; False when the pool has hung up."""
        header, descriptors = frames.receive_descriptors(self._control, JOB.size, 4)
        if len(header) != JOB.size:
            return False
        number, mode, cpu_seconds, wall_seconds, memory, threads = JOB.unpack(header)
        shares: tuple[list[int], ...] = (descriptors,)
        seen = 0
        if mode == ASSERTS:
            shares = (descriptors[:2], descriptors[2:])
        elif mode == REPLAYED:
            shares, seen = (descriptors[:1],), descriptors[1]
        staged = self._stage.set() if self._stage else None
        children = []
        for share in shares:
            pid = os.fork()
            if pid == 0:
                self._become(share, mode, cpu_seconds, memory, threads, staged)
            children.append(_Child(pid))
        for share in shares:
            for descriptor in share:
                os.close(descriptor)
        self._watch(children, cpu_seconds, wall_seconds)
        self._sweep(children)
        if self._stage and staged:
            self._strike(self._stage, staged, seen)
        parts: list[int | float] = []
        for child in (*children, None)[:2]:
            if child is None:
                parts += [BY_ITSELF, 0, 0.0, 0]
            else:
                parts += [child.stopped, child.status or 0, child.cpu_seconds, child.peak_kilobytes]
        self._control.send(END.pack(number, *parts))
        return True

    def _watch(self, children: list[_Child], cpu_seconds: float, wall_seconds: float) -> None:
        """Wait for the children, stopping those past their limits. The last one, the tester, ends the first."""
        waiting = select.poll()
        for child in children:
            waiting.register(child.descriptor, select.POLLIN)
        running = {child.descriptor: child for child in children}
        left, last = wall_seconds, time.monotonic()
        while running:
            spare = min(cpu_seconds - child.cpu_now() for child in running.values())
            ready = waiting.poll(1000 * max(0.001, min(left, spare + 0.001, _TICK)))
            now = time.monotonic()
            left, last = left - min(now - last, 2 * _TICK), now
            for descriptor, _ in ready:
                child = running.pop(descriptor)
                waiting.unregister(descriptor)
                child.reap()
                if child is children[-1]:
                    _stop_all(running, NOT_NEEDED)
            for child in list(running.values()):
                if child.stopped == BY_ITSELF and child.cpu_now() >= cpu_seconds:
                    child.stop(CPU_TIME)
            if left <= 0:
                starved = any(self._starved(child, _STARVED * wall_seconds) for child in running.values())
                _stop_all(running, STARVED if starved else WALL_TIME)

    def _starved(self, child: _Child, seconds: float) -> bool:
        """The watcher's answer; it sees /proc, which is closed to this process."""
        if child.stopped != BY_ITSELF:
            return False
        try:
            frames.send_descriptors(self._asking, watcher.QUESTION.pack(seconds), [child.descriptor])
            return self._asking.recv(1) == b"y"
        except OSError:
            return False

    def _sweep(self, children: list[_Child]) -> None:
        """Kill what a child left behind. Only a replayed program can start processes; of any other this finds none."""
        try:
            if self._confinement.has_own_processes:
                os.kill(-1, kernel.SIGKILL)
            elif self._stage:
                os.killpg(children[0].pid, kernel.SIGKILL)  # which no process of a replay can leave
            else:
                return
        except ProcessLookupError:
            pass
        try:
            while os.waitpid(-1, 0)[0]:
                pass
        except ChildProcessError:
            pass

    def _strike(self, stage_: stage.Stage, staged: tuple[str, str], descriptor: int) -> None:
        """Remove the folder of a replay, and tell the pool what was in it."""
        told = stage_.strike(*staged)
        if descriptor:
            try:
                frames.write_all(descriptor, READY + frames.pack(told))
            except OSError:  # the pool no longer wants to know
                pass
            os.close(descriptor)

    def _become(
        self,
        descriptors: list[int],
        mode: int,
        cpu_seconds: float,
        memory: int,
        threads: int,
        staged: tuple[str, str] | None,
    ) -> NoReturn:
        """In the child: confine, say so, and only then read what is to be done."""
        status = 1
        try:
            for place, descriptor in enumerate(descriptors, start=3):
                if place != descriptor:
                    os.dup2(descriptor, place, inheritable=False)
            if self._stage and staged:
                self._stage.enter(*staged)
            if mode == FILE_ATTACKS:
                found = attacks.against_files()
            confine.confine_child(
                self._confinement,
                memory=memory,
                cpu_seconds=cpu_seconds,
                threads=threads,
                keep=3 + len(descriptors),
                parent=self._pid,
            )
        except OSError as error:
            frames.write_all(3, FAILED + str(error).encode())
            os._exit(1)
        try:
            frames.write_all(3, READY)
            lean.HandRaiser.armed = True
            if mode == FILE_ATTACKS:
                frames.send(3, found)
            elif mode == CALL_ATTACKS:
                frames.send(3, attacks.against_calls(replay=self._stage is not None))
            else:
                self._obey(frames.receive(3))
            status = 0
        finally:
            os._exit(status)

    def _obey(self, request: dict[str, object]) -> None:
        program.prepare(request, self._printed)
        if request["role"] == "values":
            program.run_values(3, request)
        elif request["role"] == "replay":
            program.run_replay(3, request)
        elif request["role"] == "program":
            program.serve(3, 4, request)
        else:
            tester.run_tests(3, 4, request)


def _stop_all(running: dict[int, _Child], reason: int) -> None:
    for child in running.values():
        if child.stopped == BY_ITSELF:
            child.stop(reason)


def _be_quiet() -> None:
    """Nothing to read, nothing to write on descriptors 0 to 2."""
    nothing = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
    for descriptor in range(3):
        os.dup2(nothing, descriptor, inheritable=False)
    os.close(nothing)


def _lowered(one: _socket.socket) -> int:
    """The lowest free descriptor for it: its own number may be another one's place."""
    low = os.dup(one.fileno())
    one.close()
    return low


def _moved(low: int, place: int) -> _socket.socket:
    os.dup2(low, place, inheritable=False)
    os.close(low)
    return _socket.socket(fileno=place)
