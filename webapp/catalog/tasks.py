"""Reading tasks that come from outside: each row is a task, or one sentence saying why it is none."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from verification.properties import CATALOGUE

LONGEST_LINE = 1_000_000
"""Bytes; a longer one is no task."""
CONTRACT_FIELDS = {"pre", "post", "allowed_exceptions"}

Row = Mapping[str, Any] | str | bytes


class TaskProblem(Exception):
    """The row is no task; the message names the field and what it should be."""


@dataclass(frozen=True)
class LineError:
    """One row that is no task."""

    line: int
    """Counted from 1; for an upload, the line of the file."""
    message: str

    def __str__(self) -> str:
        return _("line %(line)s: %(message)s") % {"line": self.line, "message": self.message}


def read_task(row: Row) -> dict[str, Any]:
    """The row as a task that can be stored; TaskProblem otherwise."""
    task = row if isinstance(row, Mapping) else parsed(row)
    for field, check in _CHECKS.items():
        check(field, task)
    storable(task)
    return {**task}


def task_sha256(task: Mapping[str, Any]) -> str:
    """What makes a task the same task: its text, its signature and its tests."""
    parts = [task["text"], task["signature"], list(task["public_tests"]), list(task["hidden_tests"])]
    return hashlib.sha256(json.dumps(parts, ensure_ascii=False, separators=(",", ":")).encode()).hexdigest()


def numbered(rows: Iterable[Row]) -> Iterable[tuple[int, Row]]:
    """The rows with their line numbers, blank lines left out."""
    for number, row in enumerate(rows, start=1):
        if isinstance(row, Mapping) or row.strip():
            yield number, row


def parsed(row: str | bytes) -> Mapping[str, Any]:
    if len(row) > LONGEST_LINE:
        raise TaskProblem(_("longer than %(bytes)s bytes") % {"bytes": LONGEST_LINE})
    try:
        text = row.decode("utf-8-sig") if isinstance(row, bytes) else row
        task = json.loads(text, parse_constant=_no_constant)
    except UnicodeDecodeError:
        raise TaskProblem(_("not UTF-8 text")) from None
    except json.JSONDecodeError as error:
        raise TaskProblem(
            _("not JSON (%(problem)s, column %(column)s)") % {"problem": error.msg, "column": error.colno}
        ) from None
    except ValueError:
        raise TaskProblem(_("holds a number that is too long")) from None
    except RecursionError:
        raise TaskProblem(_("nested too deeply")) from None
    if not isinstance(task, Mapping):
        raise TaskProblem(_("not a JSON object"))
    return task


def _no_constant(name: str) -> None:
    raise TaskProblem(_("%(name)s is no JSON number") % {"name": name})


def storable(task: Mapping[str, Any]) -> None:
    """PostgreSQL stores neither NUL characters nor halves of characters."""
    try:
        text = json.dumps(task, ensure_ascii=False, allow_nan=False)
        text.encode()
    except (UnicodeEncodeError, TypeError, ValueError):
        raise TaskProblem(_("holds something that is not text, a finite number, a list or an object")) from None
    if re.search(r"(?<!\\)(\\\\)*\\u0000", text):
        raise TaskProblem(_("holds a NUL character, which can't be stored"))


def _value(field: str, task: Mapping[str, Any]) -> Any:
    if field not in task:
        raise TaskProblem(_("the field %(field)s is missing") % {"field": field})
    return task[field]


def _text(longest: int) -> Callable[[str, Mapping[str, Any]], None]:
    def check(field: str, task: Mapping[str, Any]) -> None:
        value = _value(field, task)
        if not isinstance(value, str) or not value.strip():
            raise TaskProblem(_("%(field)s must be a text that is not empty") % {"field": field})
        if len(value) > longest:
            raise TaskProblem(_("%(field)s is longer than %(count)s characters") % {"field": field, "count": longest})

    return check


def _language(field: str, task: Mapping[str, Any]) -> None:
    if _value(field, task) not in ("en", "es"):
        raise TaskProblem(_("%(field)s must be en or es") % {"field": field})


def _entry(field: str, task: Mapping[str, Any]) -> None:
    _text(120)(field, task)
    if not task[field].isidentifier():
        raise TaskProblem(_("%(field)s must be the name of a function") % {"field": field})


def _signature(field: str, task: Mapping[str, Any]) -> None:
    _text(2000)(field, task)
    if not re.match(rf"(async\s+)?def\s+{re.escape(task['entry'])}\s*\(", task[field].strip()):
        raise TaskProblem(_("%(field)s must begin with def %(entry)s(") % {"field": field, "entry": task["entry"]})


def _tests(field: str, task: Mapping[str, Any]) -> None:
    tests = _value(field, task)
    if not isinstance(tests, list | tuple) or not tests or not all(isinstance(test, str) and test for test in tests):
        raise TaskProblem(_("%(field)s must be a list of at least one assert statement") % {"field": field})


def _solutions(field: str, task: Mapping[str, Any]) -> None:
    solutions = _value(field, task)
    ok = isinstance(solutions, list | tuple) and bool(solutions) and all(map(_is_solution, solutions))
    if not ok:
        raise TaskProblem(
            _("%(field)s must be a list of at least one object with code (text) and safe (true or false)")
            % {"field": field}
        )


def _is_solution(value: Any) -> bool:
    return isinstance(value, Mapping) and isinstance(value.get("code"), str) and isinstance(value.get("safe"), bool)


def _prelude(field: str, task: Mapping[str, Any]) -> None:
    if not isinstance(task.get(field, ""), str):
        raise TaskProblem(_("%(field)s must be a text") % {"field": field})


def _properties(field: str, task: Mapping[str, Any]) -> None:
    slugs = task.get(field, ())
    if not isinstance(slugs, list | tuple) or not all(isinstance(slug, str) for slug in slugs):
        raise TaskProblem(_("%(field)s must be a list of names of properties") % {"field": field})
    if unknown := [slug for slug in slugs if slug not in CATALOGUE]:
        raise TaskProblem(_("%(field)s: there is no property %(name)s") % {"field": field, "name": unknown[0]})


def _contract(field: str, task: Mapping[str, Any]) -> None:
    contract = task.get(field)
    if contract is not None and not (isinstance(contract, Mapping) and set(contract) <= CONTRACT_FIELDS):
        raise TaskProblem(
            _("%(field)s must be an object with pre, post and allowed_exceptions only") % {"field": field}
        )


_CHECKS: dict[str, Callable[[str, Mapping[str, Any]], None]] = {
    "key": _text(1000),
    "family": _text(60),
    "split": _text(16),
    "language": _language,
    "text": _text(20_000),
    "entry": _entry,
    "signature": _signature,
    "solutions": _solutions,
    "public_tests": _tests,
    "hidden_tests": _tests,
    "prelude": _prelude,
    "properties": _properties,
    "contract": _contract,
}
