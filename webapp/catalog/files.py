"""Rows of an uploaded file: JSON Lines, one JSON list, either of them gzipped, or Parquet."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator, Mapping
from typing import IO, Any

import pyarrow
import pyarrow.parquet
from django.utils.translation import gettext as _

from training.data.formats import CONVERTERS
from webapp.catalog.tasks import Row, TaskProblem, parsed, read_task

LARGEST = 256 * 1024 * 1024
"""Bytes that a gzipped file may unpack to."""
_BATCH = 500


class FileProblem(Exception):
    """The file as a whole can't be read; the message says why."""


def rows_of(file: IO[bytes]) -> Iterator[Row]:
    """The file's rows, as lines or as objects. FileProblem for a file that holds none, wherever that shows."""
    file.seek(0)
    start = file.read(4)
    file.seek(0)
    if start == b"PAR1":
        yield from _parquet(file)
    elif start[:2] == b"\x1f\x8b":
        yield from _text(_unpacked(file))
    else:
        yield from _text(file)


def reader(kind: str, language: str) -> Callable[[Row], dict[str, Any]]:
    """How a row of a file of this kind (``tasks``, ``mbpp`` or ``humaneval``) becomes a task."""
    if kind == "tasks":
        return read_task
    convert = CONVERTERS[kind]

    def read(row: Row) -> dict[str, Any]:
        try:
            return read_task(convert(row if isinstance(row, Mapping) else parsed(row), language))
        except KeyError as error:
            raise TaskProblem(_("the field %(field)s is missing") % {"field": error.args[0]}) from None
        except SyntaxError as error:
            raise TaskProblem(_("the code is not Python (%(problem)s)") % {"problem": error.msg}) from None
        except (TypeError, ValueError, AttributeError, RecursionError) as error:
            raise TaskProblem(_("not a row of this format (%(problem)s)") % {"problem": error}) from None

    return read


def _unpacked(file: IO[bytes]) -> Iterator[bytes]:
    total = 0
    try:
        with gzip.open(file) as lines:
            for line in lines:
                total += len(line)
                if total > LARGEST:
                    raise FileProblem(_("The file unpacks to more than 256 MB; split it into several."))
                yield line
    except (EOFError, gzip.BadGzipFile, OSError) as error:
        raise FileProblem(_("The file can't be unpacked (%(problem)s).") % {"problem": error}) from None


def _text(lines: Iterator[bytes] | IO[bytes]) -> Iterator[Row]:
    """Lines, or the objects of one JSON list."""
    rest = iter(lines)
    for line in rest:
        if line.strip() in (b"[", b"\xef\xbb\xbf[") or line.lstrip()[:2] == b"[{":
            yield from _listed(line + b"".join(rest))
            return
        yield line


def _listed(content: bytes) -> Iterator[Row]:
    try:
        rows = json.loads(content.decode("utf-8-sig"))
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        raise FileProblem(
            _("The file is neither JSON Lines nor a JSON list (%(problem)s).") % {"problem": error}
        ) from None
    for row in rows if isinstance(rows, list) else [rows]:
        yield row if isinstance(row, Mapping) else json.dumps(row)


def _parquet(file: IO[bytes]) -> Iterator[Row]:
    try:
        for batch in pyarrow.parquet.ParquetFile(file).iter_batches(batch_size=_BATCH):
            yield from batch.to_pylist()
    except (pyarrow.ArrowException, OSError) as error:
        raise FileProblem(_("The Parquet file can't be read (%(problem)s).") % {"problem": error}) from None
