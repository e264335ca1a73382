"""What a run may use, which layers must hold, and what is said of it afterwards (standard library only)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from verification.sandbox.layers import Layer
from verification.sandbox.scene import Aftermath

STATUSES = ("passed", "wrong", "exception", "timeout", "memory", "unserialisable", "died", "infra_error")


class SandboxError(RuntimeError):
    """The sandbox could not do its work; nothing is said of the tested program.

    `results` holds what a batch did bring; the jobs that failed have the status `infra_error`.
    """

    def __init__(self, message: str, results: Sequence[Result] = ()) -> None:
        super().__init__(message)
        self.results = tuple(results)


class SandboxUnavailable(SandboxError):
    """A required layer of isolation is missing on this machine, so untrusted code is not run at all."""


class BadTest(SandboxError):
    """A test that the task brought is not Python, or is of a kind that can't be run."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one job may use. A job is one program with all its tests."""

    cpu_seconds: float = 2.0
    """User and system time of the tested process."""

    wall_seconds: float = 10.0
    """Generous, because a busy machine must not decide a verdict; CPU time does."""

    memory_mb: int = 512
    """Address space on top of what the interpreter has mapped already."""

    output_bytes: int = 1 << 20
    """What may be printed; it is thrown away, and past this many bytes printing raises OSError."""

    message_bytes: int = 4 << 20
    """What the process may answer in all; more is `unserialisable`."""

    recursion: int = 1000
    """Python's recursion limit, counted from the tested function."""

    threads: int = 16
    """Threads beside the main one; kept by the kernel when the process has a user id or a user namespace of its own."""

    def __post_init__(self) -> None:
        for name in ("cpu_seconds", "wall_seconds", "memory_mb", "output_bytes", "message_bytes", "recursion"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be positive, not {getattr(self, name)!r}")


@dataclass(frozen=True)
class Result:
    """What is known of one job; everything the program itself said was treated as a claim."""

    status: str
    """One of STATUSES: that of the first test which did not pass, or passed."""

    passed: int = 0
    total: int = 0
    value: Any = None
    """What the called function returned (`call` only), as builtin values."""

    exception: str | None = None
    """``ZeroDivisionError: division by zero``, as the program told it."""

    line: int | None = field(default=None, kw_only=True)
    """The program's line, from 1, that the first failing test's exception passed last, as the program told it.

    It is one of the program's lines; None where no exception was told, as for a wrong value.
    """

    cpu_seconds: float = 0.0
    detail: str = ""
    tests: tuple[str, ...] = ()
    """The status of each test that was reached, in order."""

    forgone: tuple[str, ...] = ()
    """Layers of isolation that the pool was told to do without (`Pool(forgo=...)`); none by default."""

    aftermath: Aftermath | None = None
    """What a replay did to its folder and its canary (`Job.replay` only)."""


@dataclass(frozen=True)
class Attack:
    """One attempt of ours to get out, made from inside."""

    name: str
    contained: bool
    layer: str

    def line(self) -> str:
        return f"{self.name:<28} {'contained' if self.contained else 'ESCAPED'} ({self.layer})"


@dataclass(frozen=True)
class SandboxReport:
    """Which layers hold on this machine, and how the attacks of our own went."""

    layers: tuple[Layer, ...] = ()
    attacks: tuple[Attack, ...] = ()
    refusal: str = ""
    """Why untrusted code is not run here; empty when it is."""

    facts: tuple[str, ...] = ()
    """Lines on what else is there."""

    @property
    def ok(self) -> bool:
        return not self.refusal and bool(self.layers) and all(attack.contained for attack in self.attacks)

    def lines(self) -> Iterator[str]:
        yield from (layer.line() for layer in self.layers)
        yield from self.facts
        yield from (attack.line() for attack in self.attacks)
        if self.refusal:
            yield f"refused: {self.refusal}"
        else:
            escaped = sum(not attack.contained for attack in self.attacks)
            yield f"{len(self.attacks) - escaped} of {len(self.attacks)} self-attacks contained"
