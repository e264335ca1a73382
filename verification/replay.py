"""Runs calls of a program in the sandbox and says which properties each call broke.

All calls travel together. A driver (`verification.driver`) holds the source as text, executes it anew for each call,
and counts executed lines, so that an endless loop ends at the same step on every machine.
"""

from __future__ import annotations

import marshal
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from verification.request import Contract
from verification.sandbox import Job, Limits, Pool, Result
from verification.sandbox import call as shared_call

MAX_LINES = 14_000
"""Steps that one call may take: lines, calls and returns."""

MAX_BATCH_LINES = 28_000
"""Steps that a batch may take, beyond which each further call may take few."""

SANDBOX = Limits(cpu_seconds=0.5, memory_mb=64)
"""For all calls together; what is lost to it is unknown, never a verdict."""

MAX_LOST = 2

LONG = 60
"""Items from which on a value that repeats one is told in short."""

SEEN = ("termination", "recursion", "int-bounds", "float", "argument-mutation", "return-type", "equivalence")
"""The properties that a call can be seen to break without an exception of their own."""


@dataclass(frozen=True)
class Call:
    """A call of the entry with plain Python values."""

    entry: str
    values: tuple[object, ...]
    keywords: tuple[tuple[str, object], ...] = ()

    def __str__(self) -> str:
        return self._text

    @cached_property
    def _text(self) -> str:
        """As a reader would type it."""
        named = (f"{name}={literal(value)}" for name, value in self.keywords)
        return f"{self.entry}({', '.join([*map(literal, self.values), *named])})"

    @cached_property
    def blob(self) -> bytes:
        """As the driver takes it: no value is the same object as another, as a caller's need not be."""
        plain: Any = (self.entry, self.values, dict(self.keywords))
        return marshal.dumps(plain, 2)


@dataclass(frozen=True)
class Observation:
    """What one call did."""

    made: Call

    status: str
    """``returned``, ``raised``, ``broken`` (the postcondition), ``excluded`` (by the precondition),
    ``endless`` (a state came again), ``budget`` (too many lines or too much memory),
    or ``lost`` (the sandbox ended the call)."""

    exception: str = ""
    ancestors: tuple[str, ...] = ()
    message: str = ""
    line: int | None = None
    """Of the exception; or the last one before the call returned, of the state that came again, or of the loop."""

    shown: str = ""
    """The returned value, shortened; of a call that ran out of lines, the variables at the head of its loop."""

    breaks: tuple[str, ...] = ()
    """Which of the properties that were asked for, and are among `SEEN`, the call was seen to break."""

    evidence: tuple[str, ...] = ()
    """For each of them, in words."""

    @property
    def call(self) -> str:
        """As text, such as ``mean([])``."""
        return str(self.made)

    @property
    def about_none(self) -> bool:
        return "NoneType" in self.message

    @property
    def observed(self) -> str:
        """What to tell a reader: how the call ended, and all that it was seen to break."""
        ending = self._ending
        rest = [text for text in dict.fromkeys(self.evidence) if text != ending]
        if rest and rest[0].startswith(ending):
            return "; ".join(rest)
        return "; ".join([ending, *rest])

    def shows(self, slug: str) -> str:
        """What to tell a reader of one property."""
        return dict(zip(self.breaks, self.evidence, strict=True)).get(slug, self._ending)

    @property
    def _ending(self) -> str:
        if self.status == "raised":
            return f"{self.exception}: {self.message}" if self.message else self.exception
        if self.status == "broken":
            return f"returned {self.shown}, which breaks the postcondition"
        if self.status == "endless":
            return "".join(self.evidence)
        return f"returned {self.shown}" if self.status == "returned" else self.status


_SPECIAL = re.compile("[{]|inf|nan").search


def literal(value: object) -> str:
    """The value as an expression that makes it, whatever the order in which this process holds its sets."""
    text = repr(value)
    if len(text) < LONG and not _SPECIAL(text):
        return text  # without sets, whose order is this process's, and what repr writes as a name that nothing has
    kind = type(value)
    if isinstance(value, float) and value - value != 0:
        return f"float({str(value)!r})"
    if isinstance(value, str | list | tuple) and _is_monotonous(value):
        return f"{literal(value[:1])} * {len(value)}"
    if isinstance(value, tuple) and kind is tuple:
        return f"({', '.join(map(literal, value))}{',' * (len(value) == 1)})"
    if isinstance(value, list) and kind is list:
        return f"[{', '.join(map(literal, value))}]"
    if isinstance(value, dict) and kind is dict:
        return f"{{{', '.join(f'{literal(key)}: {literal(item)}' for key, item in value.items())}}}"
    if isinstance(value, set | frozenset) and value:
        items = f"{{{', '.join(sorted(map(literal, value)))}}}"
        return items if kind is set else f"frozenset({items})"
    return repr(value)


def _is_monotonous(value: str | list[object] | tuple[object, ...]) -> bool:
    """Whether it is long and says one thing again and again, which takes less room to write."""
    if len(value) < LONG or type(value[0]) not in (int, bool, str, type(None)):
        return False
    return all(type(item) is type(value[0]) and item == value[0] for item in value)


@dataclass(frozen=True)
class _Program:
    """What is the same for all calls."""

    source: str
    parameters: tuple[str, ...]
    contract: Contract
    properties: tuple[str, ...]

    def results(self, calls: Sequence[Call], pool: Pool | None) -> Result:
        asked = [slug for slug in self.properties if slug in SEEN]
        options = {
            "parameters": list(self.parameters),
            "pre": self.contract.pre,
            "post": self.contract.post,
            "properties": asked,
            "int_range": self.contract.int_range,
            "reference": self.contract.reference,
            "limit": MAX_LINES,
            "batch": MAX_BATCH_LINES,
        }
        blobs = [call.blob for call in calls]
        return drive(_loader(self.source), pool, [blobs, options])


def replay(
    source: str,
    calls: Sequence[Call],
    *,
    parameters: Sequence[str] = (),
    contract: Contract | None = None,
    pool: Pool | None = None,
    properties: Sequence[str] = (),
) -> tuple[list[Observation], float]:
    """Run each call; observations in the same order, and the CPU seconds that it took.

    What the calls break is looked for among `properties`, int-bounds and equivalence only where the contract speaks of
    them. Only what was seen counts: a call that runs out of lines breaks nothing.
    """
    if not calls:
        return [], 0.0
    program = _Program(source, tuple(parameters), contract or Contract(), tuple(properties))
    result = program.results(calls, pool)
    rows = _rows(result, len(calls))
    if rows is not None:
        return [_observation(call, row) for call, row in zip(calls, rows, strict=True)], result.cpu_seconds
    if len(calls) == 1:
        return [_lost(calls[0], result.status)], result.cpu_seconds
    return _one_by_one(program, calls, pool, result.cpu_seconds)


def _one_by_one(
    program: _Program, calls: Sequence[Call], pool: Pool | None, spent: float
) -> tuple[list[Observation], float]:
    """One call took the others with it: run each on its own, until too many are lost."""
    seen: list[Observation] = []
    for call in calls:
        if sum(observation.status == "lost" for observation in seen) >= MAX_LOST:
            seen.append(_lost(call, "not run"))
            continue
        result = program.results([call], pool)
        rows = _rows(result, 1)
        seen.append(_observation(call, rows[0]) if rows else _lost(call, result.status))
        spent += result.cpu_seconds
    return seen, spent


def _lost(call: Call, why: str) -> Observation:
    return Observation(call, "lost", message=why)


_LOADER = """
def drive(*arguments):
    import sys

    return sys.modules["verification.driver.run"].run(source, *arguments)
"""


def _loader(source: str) -> str:
    """The sandbox's program, whose function ``drive`` takes what the driver's ``run`` does after the source.

    It holds the tested program as a literal a line, where the sandbox sees which modules are imported.
    """
    lines = "\n".join(map(repr, source.splitlines(keepends=True)))
    return f"source = (\n{lines or repr('')}\n)\n{_LOADER}"


def drive(code: str, pool: Pool | None, arguments: Sequence[object] = ()) -> Result:
    """Run a driver program in the given pool, or in the one that this process shares."""
    if pool is None:
        return shared_call(code, "drive", arguments, limits=SANDBOX)
    return pool.run_many([Job.call(code, "drive", arguments, limits=SANDBOX)])[0]


def _rows(result: Result, expected: int) -> list[list[object]] | None:
    """The driver's answer, if it has the shape that the driver gives it."""
    value = result.value
    if result.status != "passed" or not isinstance(value, list) or len(value) != expected:
        return None
    return value if all(map(_is_row, value)) else None


def _is_row(row: object) -> bool:
    if not (isinstance(row, list) and len(row) == 7 and isinstance(row[6], list)):
        return False
    return all(isinstance(pair, list) and len(pair) == 2 and pair[0] in SEEN for pair in row[6])


def _observation(call: Call, row: Sequence[object]) -> Observation:
    status, exception, ancestors, message, line, shown, broken = row
    assert isinstance(broken, list)
    return Observation(
        made=call,
        status=str(status),
        exception=str(exception),
        ancestors=tuple(str(ancestors).split()),
        message=str(message),
        line=line if isinstance(line, int) else None,
        shown=str(shown),
        breaks=tuple(str(slug) for slug, _ in broken),
        evidence=tuple(str(seen) for _, seen in broken),
    )
