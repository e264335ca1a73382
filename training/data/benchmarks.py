"""Tasks from files in the formats of MBPP and HumanEval (HumanEval-XL and HumanEval+ have the latter)."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from training.curriculum.task import Task, TaskFileError, told_of
from training.data.formats import CONVERTERS


def read_mbpp(path: Path, *, language: str = "en") -> list[Task]:
    """MBPP: JSON Lines, or the sanitized set's one JSON list; TaskFileError names the first row that is no task."""
    return _read("mbpp", path, language=language)


def read_humaneval(path: Path, *, language: str = "en") -> list[Task]:
    """HumanEval: JSON Lines; TaskFileError names the first row that is no task."""
    return _read("humaneval", path, language=language)


def _read(kind: str, path: Path, *, language: str) -> list[Task]:
    tasks = []
    for number, row in _rows(path):
        with told_of(f"{path}, row {number}"):
            tasks.append(Task.from_json(CONVERTERS[kind](row, language)))
    return tasks


FORMATS: dict[str, Callable[..., list[Task]]] = {kind: partial(_read, kind) for kind in CONVERTERS}


def _rows(path: Path) -> Iterator[tuple[int, Any]]:
    """Rows with their numbers, from 1; a name that ends in .gz is unpacked."""
    try:
        raw = path.read_bytes()
        text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode()
    except (EOFError, gzip.BadGzipFile, UnicodeDecodeError) as error:
        raise TaskFileError(f"{path}: can't be read as text ({error})") from None
    if text.lstrip().startswith("["):
        try:
            yield from enumerate(json.loads(text), start=1)
        except json.JSONDecodeError as error:
            raise TaskFileError(f"{path}, line {error.lineno}: not JSON ({error.msg})") from None
        return
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                yield number, json.loads(line)
            except json.JSONDecodeError as error:
                raise TaskFileError(f"{path}, row {number}: not JSON ({error.msg})") from None
