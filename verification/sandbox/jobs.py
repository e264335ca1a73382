"""A job on its way: what is sent to the confined processes, and what is concluded from what they said."""

from __future__ import annotations

import _socket
import json
import re
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from verification.sandbox import codec, frames, lean, protocol, testspec
from verification.sandbox.codec import Unserialisable, Wire
from verification.sandbox.policy import Limits, Result
from verification.sandbox.scene import Aftermath, Scene, aftermath

_LINE_BREAK = re.compile(r"\r\n?|\n")


@dataclass(frozen=True)
class Job:
    """One program and what is to be done with it."""

    code: str
    entry_point: str
    plan: testspec.Values | testspec.Script
    is_call: bool = False
    limits: Limits | None = None
    """None: the pool's."""

    scene: Scene | None = None
    """The folder of a replay (`Job.replay`); None for all other jobs, which see no file at all."""

    @classmethod
    def tests(
        cls, code: str, entry_point: str, tests: Sequence[str], prelude: str = "", limits: Limits | None = None
    ) -> Job:
        """The tests of a task: statements that assert something of the function named `entry_point`.

        `prelude` holds the task's own imports and helpers; the program gets the imports, the tests get all of it.
        """
        return cls(code, entry_point, testspec.parse(tuple(tests), entry_point, prelude), limits=limits)

    @classmethod
    def call(
        cls,
        code: str,
        entry_point: str,
        args: Sequence[Any],
        kwargs: Mapping[str, Any] | None = None,
        limits: Limits | None = None,
    ) -> Job:
        """One call, for its value or exception. Raises Unserialisable for arguments that can't be sent."""
        call = testspec.Call(codec.encode(list(args)), codec.encode(dict(kwargs or {})))
        return cls(code, entry_point, testspec.Values((call,), ((),), (1,)), is_call=True, limits=limits)

    @classmethod
    def replay(
        cls,
        code: str,
        entry_point: str,
        args: Sequence[Any],
        kwargs: Mapping[str, Any] | None = None,
        scene: Scene | None = None,
        limits: Limits | None = None,
    ) -> Job:
        """One call in a throw-away folder, with a shell and a canary: what it did is in the result's `aftermath`.

        For counterexamples to security properties only. Raises Unserialisable for arguments that can't be sent.
        """
        return replace(cls.call(code, entry_point, args, kwargs, limits), scene=scene or Scene())

    def image(self) -> str:
        """The image of the interpreter that it seems to need."""
        if self.scene is not None:
            return protocol.REPLAY
        texts = [self.code, self.plan.imports]
        if isinstance(self.plan, testspec.Script):
            texts += [self.plan.prelude, *self.plan.tests]
        return protocol.LEAN if lean.suits(texts) else protocol.FULL


@dataclass(frozen=True)
class End:
    """How a confined process ended, as the zygote saw it."""

    stopped: int
    status: int
    cpu_seconds: float
    peak_kilobytes: int


@dataclass
class Channel:
    """The parent's end of the socket to one confined process."""

    socket: _socket.socket
    pending: memoryview
    splitter: frames.Splitter
    messages: list[Wire] = field(default_factory=list)
    malformed: str = ""

    def write(self) -> bool:
        """Send what the kernel takes; True when nothing is left."""
        try:
            while self.pending:
                self.pending = self.pending[self.socket.send(self.pending) :]
        except BlockingIOError:
            return False
        except OSError:  # the process has ended
            self.pending = memoryview(b"")
        return True

    def read(self) -> None:
        """Take what has come so far."""
        try:
            while not self.splitter.overrun and (data := self.socket.recv(1 << 15)):
                self.splitter.feed(data)
        except (BlockingIOError, ConnectionResetError):
            pass

    def finish(self) -> None:
        """Take what is left, once the process has ended, and read it."""
        self.read()
        self.socket.close()
        if not self.splitter.confined:
            return
        try:
            for message in self.splitter.messages():
                self.messages.append(message)
        except Unserialisable as error:
            self.malformed = str(error)
        if self.splitter.overrun:
            self.malformed = "the answer is longer than the limit"


def requests(job: Job, limits: Limits) -> list[bytes]:
    """What each confined process of this job is told: the program, and in assert mode its tester."""
    told: dict[str, Any] = {
        "role": "values",
        "code": job.code,
        "entry": job.entry_point,
        "imports": job.plan.imports,
        "output": limits.output_bytes,
        "recursion": limits.recursion,
    }
    if isinstance(job.plan, testspec.Values):
        told["calls"] = [[call.args, call.kwargs, call.watched] for call in job.plan.calls]
        if job.scene is not None:
            files = {path: content.hex() for path, content in job.scene.contents().items()}
            # The second channel is the zygote's own, to tell what it found afterwards.
            return [frames.pack({**told, "role": "replay", "folder": job.scene.folder, "files": files}), b""]
        return [frames.pack(told)]
    tester = {
        "role": "tester",
        "tests": job.plan.tests,
        "prelude": job.plan.prelude,
        "names": job.plan.names,
        "output": limits.output_bytes,
        "recursion": limits.recursion,
    }
    return [frames.pack({**told, "role": "program", "names": job.plan.names}), frames.pack(tester)]


def infrastructure_fault(channels: Sequence[Channel], ends: Sequence[End]) -> str:
    """Why nothing can be said of the program; empty when something can."""
    for channel, end in zip(channels, ends, strict=True):
        if not channel.splitter.confined and end.stopped != protocol.NOT_NEEDED:
            return f"a process could not be confined: {channel.splitter.failure()}"
        if channel.pending and end.stopped == protocol.WALL_TIME:
            return "the program was not told in full what to do within the wall limit"
        if end.stopped == protocol.STARVED:
            return "the machine did not let the program run within the wall limit"
    return ""


def wants_library(channels: Sequence[Channel]) -> bool:
    """Whether a process of the lean image needs the full one."""
    return any([protocol.WANTS_LIBRARY] in channel.messages for channel in channels)


def conclude(job: Job, channels: Sequence[Channel], ends: Sequence[End]) -> Result:
    """The result of a job whose processes have ended."""
    cpu_seconds = sum(end.cpu_seconds for end in ends)
    if isinstance(job.plan, testspec.Script):
        outcomes = _scripted(job.plan, channels, ends)
    else:
        outcomes = _valued(job.plan, channels[0], ends[0], is_call=job.is_call)
    found = _Outcome("passed")
    for outcome in reversed(outcomes):
        found = outcome if outcome.status != "passed" or job.is_call else found
    line = found.line if found.line is not None and found.line <= _lines(job.code) else None
    return Result(
        status=found.status,
        passed=sum(outcome.status == "passed" for outcome in outcomes),
        total=len(job.plan.tests),
        value=found.value if job.is_call else None,
        exception=found.exception,
        line=line,
        cpu_seconds=cpu_seconds,
        detail=found.detail or (f"line {line}" if line else ""),
        tests=tuple(outcome.status for outcome in outcomes),
        aftermath=_aftermath(job.scene, channels) if job.scene else None,
    )


def _lines(code: str) -> int:
    """How many lines Python counts in a program."""
    return 1 + len(_LINE_BREAK.findall(code))


def _aftermath(scene: Scene, channels: Sequence[Channel]) -> Aftermath | None:
    program, zygote = channels
    return aftermath(scene, zygote.messages[0] if zygote.messages else None, json.dumps(program.messages))


@dataclass(frozen=True)
class _Outcome:
    """Of one test."""

    status: str
    exception: str | None = None
    detail: str = ""
    value: Any = None
    line: int | None = None
    """A claim."""


def _valued(plan: testspec.Values, channel: Channel, end: End, *, is_call: bool) -> list[_Outcome]:
    """Values mode: judge each test by the claims about its calls, up to the first claim that is missing."""
    claims = channel.messages[: len(plan.calls)]
    if claims and isinstance(claims[0], list) and claims[0][:1] == ["load"]:
        return [_not_a_value(claims[0][1:])]
    outcomes = []
    start = 0
    for checks, end_call in zip(plan.tests, plan.last_call, strict=True):
        if end_call > len(claims):
            outcomes.append(_ended(channel, end))
            break
        outcomes.append(_returned(claims[0]) if is_call else _judge(checks, claims, range(start, end_call)))
        start = end_call
    return outcomes


def _judge(checks: Sequence[testspec.Check], claims: list[Wire], calls: range) -> _Outcome:
    """One test: its calls in order, each with its checks; the first that fails decides."""
    for number in calls:
        outcome = _judge_call([check for check in checks if check.call == number], claims[number])
        if outcome.status != "passed":
            return outcome
    return _Outcome("passed")


def _judge_call(checks: Sequence[testspec.Check], claim: Wire) -> _Outcome:
    """One call. A claim is [status, what it brought, the arguments asked for]."""
    if not isinstance(claim, list) or len(claim) != 3 or not isinstance(claim[2], list):
        return _not_a_value(None)
    if checks and checks[0].operator == "raises":
        kind = str(checks[0].expected)
        if _raised(claim, kind):
            return _Outcome("passed")
        return _Outcome("wrong", detail=f"did not raise {kind}", line=_not_a_value(claim).line)
    status, value, arguments = claim
    about_value = {check.operator for check in checks if check.argument is None}
    truth = _truth(value) if status == "u" else None
    if truth is not None and about_value <= {"true", "false"}:  # whether it is true is all that is asked
        status, value = "v", truth
    if status != "v":
        return _not_a_value(claim)
    for check in checks:
        subject = value if check.argument is None else _argument_after(arguments, checks, check.argument)
        if not testspec.holds(check, subject):
            return _Outcome("wrong", detail=_difference(check, subject))
    return _Outcome("passed")


def _returned(claim: Wire) -> _Outcome:
    """What a single call brought (`Job.call`)."""
    if not isinstance(claim, list) or len(claim) != 3 or claim[0] != "v":
        return _not_a_value(claim)
    try:
        return _Outcome("passed", value=codec.decode(claim[1]))
    except Unserialisable as error:
        return _Outcome("unserialisable", detail=str(error))


def _argument_after(watched: list[Wire], checks: Sequence[testspec.Check], argument: int) -> Wire:
    places = sorted({check.argument for check in checks if check.argument is not None})
    place = places.index(argument)
    return watched[place] if place < len(watched) else ["?"]


def _raised(claim: Wire, expected: str) -> bool:
    try:
        status, details, _ = claim
        return status == "x" and expected in codec.decode_exception(details)[0]
    except (TypeError, ValueError):
        return False


def _not_a_value(claim: Wire) -> _Outcome:
    status = claim[0] if isinstance(claim, list) and len(claim) > 1 else None
    if status == "x":
        return _exception("exception", claim[1])
    if status == "m":
        return _Outcome("memory", exception="MemoryError", detail="the program ran out of memory")
    if status == "u":
        reason = claim[1][0] if isinstance(claim[1], list) and claim[1] else claim[1]
        return _Outcome("unserialisable", detail=str(reason)[:300])
    return _Outcome("died", detail="the program's answer makes no sense")


def _truth(details: Wire) -> bool | None:
    """Whether a value that can't leave is true, as the program says; None when it does not say."""
    return details[1] if isinstance(details, list) and len(details) == 2 and isinstance(details[1], bool) else None


def _exception(status: str, details: Wire) -> _Outcome:
    try:
        kinds, message, line = codec.decode_exception(details)
    except Unserialisable:
        return _Outcome("died", detail="the program's answer makes no sense")
    text = f"{kinds[0]}: {message}" if message else kinds[0]
    return _Outcome(status, exception=text, line=line)


def _scripted(plan: testspec.Script, channels: Sequence[Channel], ends: Sequence[End]) -> list[_Outcome]:
    """Assert mode: the tester's word counts, for the program has no way to speak in its place."""
    _, tester = channels
    outcomes = []
    loaded, *told = tester.messages or [["died", None]]
    if loaded[0] != "ok":
        told = [loaded]
    for status, details in told[: len(plan.tests)]:
        if status == "died":
            outcomes.append(_ended(channels[0], ends[0]))
        elif status in ("exception", "wrong", "memory") and isinstance(details, list):
            outcomes.append(_exception(status, details))
        else:
            outcomes.append(_Outcome(status, detail=str(details or "")))
        if outcomes[-1].status == "died" or status == "died":
            return outcomes
    if loaded[0] == "ok" and len(outcomes) < len(plan.tests):
        which = 0 if ends[0].stopped in (protocol.CPU_TIME, protocol.WALL_TIME) else 1
        outcomes.append(_ended(channels[which], ends[which]))
    return outcomes


def _ended(channel: Channel, end: End) -> _Outcome:
    """Why a process said no more."""
    if end.stopped == protocol.CPU_TIME:
        return _Outcome("timeout", detail="used up its CPU time")
    if end.stopped == protocol.WALL_TIME:
        return _Outcome("timeout", detail="waited until the wall limit")
    if channel.malformed:
        return _Outcome("unserialisable", detail=channel.malformed)
    if end.status & 0x7F:
        return _Outcome("died", detail=f"ended by {signal.Signals(end.status & 0x7F).name}")
    return _Outcome("died", detail="ended without an answer")


def _difference(check: testspec.Check, wire: Wire) -> str:
    try:
        claimed = repr(codec.decode(wire))
    except (Unserialisable, ValueError):
        claimed = "something that is no plain value"
    expected = "" if check.operator in ("true", "false") else f" {check.expected!r}"[:200]
    return f"{claimed[:200]} is not {check.operator}{expected}"
