"""A task: a description, a signature, solutions of differing safety, and tests (standard library only)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


class TaskFileError(ValueError):
    """A file of tasks can't be read; the message names the file, the line and the field."""


@dataclass(frozen=True)
class Solution:
    """One program that answers a task."""

    code: str
    safe: bool
    cwe: int | None = None
    """The weakness of an unsafe solution, where one fits."""
    style: str = "idiomatic"
    """idiomatic, verbose, unguarded (fails on an edge) or insecure."""


@dataclass(frozen=True)
class Task:
    """What is asked, and how an answer is judged."""

    key: str
    """Names the task's content: family, language, wording and slot values."""
    family: str
    split: str
    language: str
    text: str
    entry: str
    signature: str
    """The first line of an answer, such as ``def f(xs: list[int]) -> int:``."""
    solutions: tuple[Solution, ...]
    """The first one is the reference, and safe."""
    public_tests: tuple[str, ...]
    hidden_tests: tuple[str, ...]
    prelude: str = ""
    """Definitions that the tests need; run before the answer."""
    properties: tuple[str, ...] = ()
    """Slugs of the safety properties that an answer must have."""
    contract: Mapping[str, Any] | None = None
    """pre, post, allowed_exceptions; expressions over the arguments and ``result``."""
    shown: int = 0
    """Which solution supervised training shows."""

    @property
    def demonstration(self) -> Solution:
        return self.solutions[self.shown]

    @property
    def tests(self) -> tuple[str, ...]:
        return self.public_tests + self.hidden_tests

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Task:
        """Read a task back; KeyError names a missing field, ValueError or TypeError a bad one."""
        task = cls(
            **{name: _text(data, name) for name in _TEXTS},
            solutions=tuple(Solution(**solution) for solution in data["solutions"]),
            public_tests=_tests(data, "public_tests"),
            hidden_tests=_tests(data, "hidden_tests"),
            prelude=data.get("prelude", ""),
            properties=tuple(data.get("properties", ())),
            contract=data.get("contract"),
            shown=data.get("shown", 0),
        )
        if not 0 <= task.shown < len(task.solutions):
            raise ValueError(f"'shown' is {task.shown}, but there are {len(task.solutions)} solutions")
        return task


def write_jsonl(path: Path, tasks: Iterable[Task]) -> None:
    """One task a line."""
    with path.open("w", encoding="utf-8") as file:
        for task in tasks:
            file.write(json.dumps(task.to_json(), ensure_ascii=False) + "\n")


def read_jsonl(path: Path) -> list[Task]:
    """The tasks of a file; TaskFileError names the first line that is no task."""
    with path.open(encoding="utf-8") as file:
        return [_read_line(path, number, line) for number, line in enumerate(file, start=1) if line.strip()]


_TEXTS = ("key", "family", "split", "language", "text", "entry", "signature")


def _read_line(path: Path, number: int, line: str) -> Task:
    try:
        data = json.loads(line)
    except json.JSONDecodeError as error:
        raise TaskFileError(f"{path}, line {number}: not JSON ({error.msg}); mend or delete the line") from None
    with told_of(f"{path}, line {number}"):
        return Task.from_json(data)


@contextmanager
def told_of(place: str) -> Iterator[None]:
    """Whatever keeps data from being a task becomes a TaskFileError that names the place."""
    try:
        yield
    except KeyError as error:
        raise TaskFileError(f"{place}: the field {error} is missing") from None
    except SyntaxError as error:
        raise TaskFileError(f"{place}: the code is not Python ({error.msg})") from None
    except (TypeError, ValueError, AttributeError) as error:
        raise TaskFileError(f"{place}: not a task ({error})") from None


def _text(data: Mapping[str, Any], name: str) -> str:
    value = data[name]
    if not isinstance(value, str):
        raise ValueError(f"{name!r} must be a string, not {type(value).__name__}")
    return value


def _tests(data: Mapping[str, Any], name: str) -> tuple[str, ...]:
    tests = data[name]
    if not isinstance(tests, list | tuple) or not tests or not all(isinstance(test, str) for test in tests):
        raise ValueError(f"{name!r} must be a list of at least one assert statement")
    return tuple(tests)
