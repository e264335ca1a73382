"""The zygote's watcher: it ends with the pool's process, and has eyes where the zygote, confined, has none."""

from __future__ import annotations

import _socket
import os
import select
import struct

from verification.sandbox import frames, kernel

QUESTION = struct.Struct("=d")
"""Seconds of waiting for a processor past which a process counts as starved; its descriptor comes along."""


def watch_over(pool: int, child: int, questions: _socket.socket, proc: int) -> None:
    """Until the pool's process or the zygote ends; the kernel kills the zygote with this process.

    Meanwhile answers, for a zygote that can't open /proc, whether a child of its was starved.
    """
    ended = os.pidfd_open(child)
    waiting = select.poll()
    for descriptor in (pool, ended, questions.fileno()):
        waiting.register(descriptor, select.POLLIN)
    while all(ready == questions.fileno() for ready, _ in waiting.poll()):
        question, descriptors = frames.receive_descriptors(questions, QUESTION.size, 1)
        if not descriptors:
            break
        questions.send(b"y" if _was_starved(proc, descriptors[0], *QUESTION.unpack(question)) else b"n")
        os.close(descriptors[0])
    try:
        os.kill(child, kernel.SIGKILL)
    except ProcessLookupError:
        pass
    os.waitpid(child, 0)
    _end_orphans(proc)


def _end_orphans(proc: int) -> None:
    """What a replay had started, where no namespace of processes ended it with the zygote: it is this process's now."""
    while True:
        try:
            if os.waitpid(-1, os.WNOHANG)[0]:
                continue
        except ChildProcessError:
            return
        for one in _read(proc, f"self/task/{os.getpid()}/children").split():
            os.kill(int(one), kernel.SIGKILL)
        os.waitpid(-1, 0)


def _was_starved(proc: int, descriptor: int, seconds: float) -> bool:
    """Whether a process is stopped, or waited for a processor so long, rather than slept of its own will."""
    try:
        fields = dict(line.split(":", 1) for line in _read(proc, f"self/fdinfo/{descriptor}").splitlines())
        number = int(fields["Pid"])
        state = _read(proc, f"{number}/stat").rpartition(") ")[2][:1]
        _, waited, _ = map(int, _read(proc, f"{number}/schedstat").split())
    except (OSError, KeyError, ValueError):
        return False
    return state in ("T", "t") or waited > 1e9 * seconds


def _read(folder: int, path: str) -> str:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC, dir_fd=folder)
    try:
        return os.read(descriptor, 4096).decode("utf-8", "replace")
    finally:
        os.close(descriptor)
