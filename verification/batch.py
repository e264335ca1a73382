"""Many programs at once: each is verified in a worker process, and the reports come back in the programs' order.

A worker is given so many programs and then replaced, and so is one that its guard ended or that was killed. A program
that lost its worker is tried once more, in a fresh one, so that what earlier programs left behind decides nothing; if
it fails there too, it is UNKNOWN and the others go on.
"""

from __future__ import annotations

import json
import re
import selectors
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from verification.cache import Request
from verification.outcome import Outcome, Report, Verdict
from verification.properties import known
from verification.request import Contract, Limits, asked_for, stated
from verification.worker import Answer, Guard, NoSandbox, Worker

PROGRAMS = 500
"""How many programs a worker is given."""

ATTEMPTS = 2

LOOK_AHEAD = 64
"""How many programs a job may be ahead of the oldest that is not done."""


def verify_all(
    requests: Iterable[Request],
    *,
    jobs: int = 1,
    cache: Path | None = None,
    guard: Guard | None = None,
    programs: int = PROGRAMS,
) -> Iterator[Report]:
    """The reports in the order of the requests, as soon as they are known.

    Raises NoSandbox when the sandbox can't do its work: nothing can be said of any program then.
    """
    with _Crew(jobs, cache, guard or Guard(), programs) as crew:
        yield from crew.run(requests)


@dataclass
class _Task:
    number: int
    request: Request
    attempts: int = 0
    fresh: bool = False
    """Whether it was the first that its worker was asked."""


class _Crew:
    """The workers, what they are at, and what is done but not yet due."""

    def __init__(self, jobs: int, cache: Path | None, guard: Guard, programs: int) -> None:
        self._jobs, self._cache, self._guard, self._programs = jobs, cache, guard, programs
        self._idle: list[Worker] = []
        self._busy: dict[Worker, _Task] = {}
        self._again: deque[_Task] = deque()
        self._done: dict[int, Report] = {}
        self._selector = selectors.DefaultSelector()

    def __enter__(self) -> _Crew:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in [*self._idle, *self._busy]:
            worker.close()
        self._selector.close()

    def run(self, requests: Iterable[Request]) -> Iterator[Report]:
        tasks = (_Task(number, request) for number, request in enumerate(requests))
        due = 0
        while True:
            self._give_out(tasks, before=due + self._jobs * LOOK_AHEAD)
            if not self._busy:
                return
            for key, _ in self._selector.select():
                self._collect(key.fileobj)  # type: ignore[arg-type]  # only workers are registered
            while due in self._done:
                yield self._done.pop(due)
                due += 1

    def _give_out(self, tasks: Iterator[_Task], before: int) -> None:
        while len(self._busy) < self._jobs:
            task = self._next(tasks, before)
            if task is None:
                return
            worker = self._fresh() if task.attempts or not self._idle else self._idle.pop()
            task.attempts += 1
            task.fresh = worker.answered == 0
            self._busy[worker] = task
            self._selector.register(worker, selectors.EVENT_READ)
            worker.ask(task.request)

    def _next(self, tasks: Iterator[_Task], before: int) -> _Task | None:
        if self._again:
            return self._again.popleft()
        newest = max((task.number for task in self._busy.values()), default=-1)
        newest = max([newest, *self._done])
        return next(tasks, None) if newest + 1 < before else None

    def _fresh(self) -> Worker:
        if len(self._idle) + len(self._busy) >= self._jobs:
            self._idle.pop().close()
        return Worker(self._cache, self._guard)

    def _collect(self, worker: Worker) -> None:
        answer = worker.hear()
        if answer is None:
            return
        task = self._busy.pop(worker)
        self._selector.unregister(worker)
        if answer.report is not None and worker.answered < self._programs:
            self._idle.append(worker)
        else:
            worker.close()
        if answer.report is not None:
            self._done[task.number] = answer.report
        elif task.attempts < ATTEMPTS and not (task.fresh and answer.spent and not answer.killed):
            self._again.append(task)
        else:
            self._done[task.number] = _without_report(task.request, answer)


def _without_report(request: Request, answer: Answer) -> Report:
    if answer.sandbox:
        raise NoSandbox(answer.sandbox)
    if answer.spent:
        reason = f"the verifier ran out of its own budget ({answer.spent})"
    else:
        reason = f"the verifier itself failed on this program ({answer.failed})"
    share = answer.cpu_seconds / max(len(request.properties), 1)
    verdicts = [Verdict(slug, Outcome.UNKNOWN, reason, cpu_seconds=share) for slug in request.properties]
    return Report(request.entry or "", tuple(verdicts), answer.cpu_seconds)


# --- rows


class BadRow(ValueError):
    """A line of the input is no row; the message names file and line."""


@dataclass(frozen=True)
class Row:
    """One line of the input."""

    id: str | int
    request: Request

    @property
    def file_name(self) -> str:
        """The row's id as the name of a file."""
        return re.sub(r"[^\w.-]", "_", str(self.id))[:100].lstrip(".") or "_"

    def answered(self, report: Report) -> dict[str, Any]:
        """The line of the output."""
        plain = report.to_json()
        return {"id": self.id, **{key: plain[key] for key in ("outcome", "verdicts", "cpu_seconds")}}


def read_rows(text: bytes, *, name: str, limits: Limits, certify: bool = False) -> list[Row]:
    """All rows of a JSON Lines file, or BadRow for the first line that is none."""
    rows: list[Row] = []
    taken: dict[str, int] = {}
    for number, line in enumerate(text.split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            row = _row(json.loads(line.decode()), number, limits, certify)
            if certify and row.file_name in taken:
                raise ValueError(f"its certificates would take the place of those of line {taken[row.file_name]}")
        except (ValueError, RecursionError) as error:
            raise BadRow(f"{name}, line {number}: not a row ({_told(error)})") from None
        taken[row.file_name] = number
        rows.append(row)
    return rows


def _told(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8 text"
    if isinstance(error, json.JSONDecodeError):
        return f"not JSON: {error.msg} at column {error.colno}"
    return "it is nested too deeply" if isinstance(error, RecursionError) else str(error)


def _row(data: object, number: int, limits: Limits, certify: bool) -> Row:
    if not isinstance(data, dict):
        raise ValueError("it is no JSON object")
    name = data.get("id", number)
    if not isinstance(name, str | int):
        raise ValueError("`id` is neither text nor a number")
    source = _text(data, "code")
    if source is None:
        raise ValueError("no text under `code`")
    pre, post, allowed = _text(data, "pre") or None, _text(data, "post") or None, _texts(data, "allowed_exceptions")
    contract = stated(Contract(pre, post, allowed, _text(data, "reference"), _range(data)))
    properties = _texts(data, "properties") or asked_for(contract)
    for slug in properties:
        known(slug)
    return Row(name, Request(source, _text(data, "entry"), properties, contract, limits, certify))


def _range(data: Mapping[str, Any]) -> tuple[int, int] | None:
    value = data.get("int_range")
    if value is None:
        return None
    if not isinstance(value, list) or [type(end) for end in value] != [int, int]:
        raise ValueError("`int_range` is not a list of two whole numbers")
    return value[0], value[1]


def _text(data: Mapping[str, Any], key: str) -> str | None:
    value = data.get(key)
    if value is not None and not isinstance(value, str):
        raise ValueError(f"`{key}` is not text")
    return value


def _texts(data: Mapping[str, Any], key: str) -> tuple[str, ...]:
    value = data.get(key) or []
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise ValueError(f"`{key}` is not a list of texts")
    return tuple(value)


def verify_rows(rows: Sequence[Row], **options: Any) -> Iterator[tuple[Row, Report]]:
    """Each row with its report, in order; the options are those of `verify_all`."""
    return zip(rows, verify_all((row.request for row in rows), **options), strict=True)
