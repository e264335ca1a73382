"""Child processes that die with their parent, and are ended together with their own children."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def spawn(
    command: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    log: IO[bytes] | int | None = None,
    death_signal: signal.Signals = signal.SIGKILL,
) -> subprocess.Popen[bytes]:
    """Start a command as the leader of its own session; it gets ``death_signal`` when this process dies."""
    return subprocess.Popen(
        list(command),
        env=dict(env) if env is not None else None,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT if log is not None else None,
        start_new_session=True,
        preexec_fn=dying_with(os.getpid(), death_signal),  # two system calls: safe after a fork
    )


def dying_with(parent: int, death_signal: signal.Signals = signal.SIGKILL) -> Callable[[], None]:
    """What a fresh child calls so that it is signalled when ``parent`` dies (Linux; elsewhere nothing)."""

    def die_with_parent() -> None:
        if _libc is None:
            return
        _libc.prctl(_PR_SET_PDEATHSIG, int(death_signal))
        if os.getppid() != parent:  # it died before the request was made
            os._exit(1)

    return die_with_parent


def end(process: subprocess.Popen[bytes], *, first: signal.Signals = signal.SIGTERM, grace: float = 10.0) -> int:
    """Ask the process to end; after ``grace`` seconds kill it. Its whole group is gone afterwards."""
    if process.poll() is None:
        process.send_signal(first)
        try:
            process.wait(grace)
        except subprocess.TimeoutExpired:
            pass
    kill_group(process.pid)
    return process.wait()


def end_family(process: subprocess.Popen[bytes], *, grace: float = 10.0) -> None:
    """Ask a leader and its children to end, wait for the children, and kill what is left.

    The leader is not waited for once its children are gone: a Celery worker has nothing left to do
    then, and takes seconds to notice.
    """
    children = group_members(process.pid) - {process.pid}
    signal_group(process.pid, signal.SIGTERM)
    deadline = time.monotonic() + grace
    while process.poll() is None and children & group_members(process.pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    kill_group(process.pid)
    process.wait()


def group_members(leader: int) -> set[int]:
    """The living processes of a group (Linux; elsewhere the leader alone)."""
    found = {leader}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The name, which may hold anything, stands in parentheses before the fields.
            state, _, group = entry.read_text().rpartition(")")[2].split()[:3]
        except OSError:
            continue
        if int(group) == leader and state != "Z":
            found.add(int(entry.parent.name))
    return found


def kill_group(leader: int) -> None:
    """Kill whatever is left of a group of which the process was the leader."""
    signal_group(leader, signal.SIGKILL)


def signal_group(leader: int, number: signal.Signals) -> None:
    try:
        os.killpg(leader, number)
    except (ProcessLookupError, PermissionError):
        pass
