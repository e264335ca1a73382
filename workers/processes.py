"""Child processes that die with their parent, and are ended together with their own children."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
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


def kill_group(leader: int) -> None:
    """Kill whatever is left of a group of which the process was the leader."""
    try:
        os.killpg(leader, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass
