"""A process that verifies one program after another under a hard guard, and the handle that its owner holds.

A verification's own budgets count work and decide what is said of a program. The guard comes after them: it counts CPU
seconds and memory, so that no program, however hostile, eats the machine. A process that it ends takes nobody with it.
Requests and answers are lines of JSON.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from verification.cache import Question, Request, report_from_json
from verification.outcome import Report

_BOOT = """
import json, sys
options = json.loads(sys.argv[1])
sys.path[:] = options["path"]
from verification.worker import main
main(options)
"""
_CHUNK = 1 << 16
_UNTOUCHED_MB = 40
"""Of the libraries: mapped before a program is begun, and resident only once it makes use of them."""


class NoSandbox(RuntimeError):
    """The sandbox could not do its work, which says nothing of any program."""


@dataclass(frozen=True)
class Guard:
    """What one program may cost this process; what runs in the sandbox has limits of its own."""

    cpu_seconds: float = 2.0
    memory_mb: int = 500
    """Resident memory of the whole process, what it was before included."""

    @contextlib.contextmanager
    def enforced(self) -> Iterator[None]:
        """The process is ended when its CPU seconds are spent; where its memory is, allocations fail.

        Both end with the block. A sandbox that is started within it is left its hard limits.
        """
        before = resource.getrlimit(resource.RLIMIT_AS)
        mapped, resident = _memory()
        left = max((self.memory_mb - _UNTOUCHED_MB << 20) - resident, 0)
        resource.setrlimit(resource.RLIMIT_AS, (mapped + left, before[1]))
        signal.setitimer(signal.ITIMER_PROF, self.cpu_seconds)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            resource.setrlimit(resource.RLIMIT_AS, before)


def _memory() -> tuple[int, int]:
    """Bytes that this process has mapped, and how many of them are resident."""
    mapped, resident, *_ = map(int, Path("/proc/self/statm").read_text().split())
    return mapped * resource.getpagesize(), resident * resource.getpagesize()


@dataclass(frozen=True)
class Answer:
    """What came of one request: a report, or one of the reasons why there is none."""

    report: Report | None = None
    spent: str = ""
    """Which part of the guard ended it."""

    failed: str = ""
    """An error of the verifier's own."""

    sandbox: str = ""
    """Why the sandbox could not do its work, which says nothing of the program."""

    cpu_seconds: float = 0.0
    """What was spent without a report, as far as it is known."""

    killed: bool = False
    """Whether the process was killed, which may have been somebody else's doing."""


# --- the owner's side


class Worker:
    """A handle on a process of its own; it is asked one thing at a time."""

    def __init__(self, cache: Path | None, guard: Guard) -> None:
        folder = None if cache is None else str(cache)
        options = json.dumps({"path": sys.path, "cache": folder, "guard": asdict(guard)})
        self._guard = guard
        self.answered = 0
        self._heard = bytearray()
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", _BOOT, options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    @property
    def process_id(self) -> int:
        return self._process.pid

    def fileno(self) -> int:
        """Readable once there is something to `hear`."""
        assert self._process.stdout is not None
        return self._process.stdout.fileno()

    def ask(self, request: Request) -> None:
        """Hand over a request; that the process has died is heard later."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(request.to_json()).encode() + b"\n")
            self._process.stdin.flush()

    def hear(self) -> Answer | None:
        """The answer, or None while it is not whole; one also when the process has died."""
        data = os.read(self.fileno(), _CHUNK)
        if not data:
            return self._last_words()
        self._heard += data
        if not data.endswith(b"\n"):
            return None
        told = json.loads(bytes(self._heard))
        self._heard.clear()
        self.answered += 1
        report = told.pop("report", None)
        return Answer(None if report is None else report_from_json(report), **told)

    def close(self) -> None:
        """End the process, whatever it is doing."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            with contextlib.suppress(BrokenPipeError):
                stream.close()

    def _last_words(self) -> Answer:
        status = self._process.wait()
        if status == -signal.SIGPROF:
            seconds = self._guard.cpu_seconds
            return Answer(spent=f"{seconds:g} CPU seconds", cpu_seconds=seconds)
        if status >= 0:
            return Answer(failed=f"its process ended with status {status}")
        name = signal.Signals(-status).name
        return Answer(spent=f"its process was ended by {name}", killed=status == -signal.SIGKILL)


# --- the process's side


def main(options: Mapping[str, Any]) -> None:
    """Answer requests from standard input until it is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the owner's to handle, which then ends this process
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    cache = None if options["cache"] is None else Path(options["cache"])
    guard = Guard(**options["guard"])
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints is no answer
    for line in sys.stdin.buffer:
        told = _answer(Request.from_json(json.loads(line)), cache, guard)
        answers.write(json.dumps(told).encode() + b"\n")
        answers.flush()


def _answer(request: Request, cache: Path | None, guard: Guard) -> Mapping[str, Any]:
    started = time.process_time()
    try:
        return {"report": _report(request, cache, guard).to_json()}
    except MemoryError:
        reason = {"spent": f"{guard.memory_mb} MB of memory"}
    except NoSandbox as error:
        reason = {"sandbox": str(error)}
    except Exception as error:  # noqa: BLE001 - a mistake of ours in one program must not lose the others
        reason = {"failed": f"{type(error).__name__}: {error}"}
    return {**reason, "cpu_seconds": time.process_time() - started}


def _report(request: Request, cache: Path | None, guard: Guard) -> Report:
    with guard.enforced():
        question = Question(request, cache)
        report = question.known()
    return _verified(question, guard) if report is None else report


def _verified(question: Question, guard: Guard) -> Report:
    import cvc5  # noqa: F401 - here, so that no program pays for what takes long to load

    import verification.verifier  # noqa: F401
    from verification.sandbox import SandboxError

    try:
        with guard.enforced():
            return question.verified()
    except SandboxError as error:
        raise NoSandbox(str(error)) from error
