"""A project's ratings as files: what is chosen, how many rows that is, and the rows as a stream of bytes.

``preferences`` are TRL's explicit-prompt preference rows, ``ratings`` hold all of every rating in the comparison's
own order (A, B) whatever side was shown, ``comments`` what was said of single lines. A row of ``preferences`` tells
the annotator's first judgement; revisions and adjudications stand in ``ratings``. Simulated ratings, ties and pairs of
which both are unusable are left out unless asked for, and always marked.

A server-side cursor gives the keys in order, and each page of rows is fetched by its keys inside the same
transaction: whatever the planner chooses, nothing wide is sorted, and neither side holds more than two pages.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, date, datetime, time
from typing import Any

import psycopg
from django.db import connection as django_connection
from django.db.models import Count, Exists, OuterRef, Q, QuerySet

from webapp.accounts.models import User
from webapp.catalog.models import ModelVersion, Project, Prompt
from webapp.feedback.export_columns import COMMENTS, DATASETS, PREFERENCES, RATINGS, Column, Dataset
from webapp.feedback.judgement import SCALES
from webapp.feedback.models import LineComment, Rating

__all__ = ["COMMENTS", "DATASETS", "FORMATS", "PREFERENCES", "RATINGS"]

EXPORTED, FINISHED = "ratings.exported", "ratings.exported.finished"
"""In the audit log. A download's first event is recorded before any row leaves, its second at its end."""
FORMATS = {"jsonl": "application/jsonl", "parquet": "application/vnd.apache.parquet"}
PAGE = 1000
"""Rows that are fetched at once."""
GROUP_ROWS, GROUP_BYTES = 3000, 16 * 1024 * 1024
"""A row group of a Parquet file ends with the page that reaches either (bytes as Arrow holds them)."""
STALL_SECONDS = 600
"""A reader that takes nothing for so long is cut off."""

# A page is looked up by its keys in every table. The planner would rather read a table of some 100,000 rows whole,
# for every page again. The keys' own query is planned before this.
_BY_KEYS = "SET LOCAL enable_seqscan = off; SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off"


@dataclass(frozen=True)
class Selection:
    """Which rows of which dataset. Days are days of UTC, both included."""

    dataset: str = PREFERENCES
    since: date | None = None
    until: date | None = None
    family: str = ""
    language: str = ""
    split: str = ""
    annotator: str = ""
    """A pseudonym."""
    model: str = ""
    """The name of a model version that wrote one of the two samples."""
    gold: bool | None = None
    """Only gold questions, or all but them."""
    surplus: bool = True
    simulated: bool = False
    ties: bool = False
    """Of ``preferences``: ties and unusable pairs, too."""

    def filters(self) -> dict[str, Any]:
        """What differs from taking everything by default, for the audit log."""
        chosen = {name: value for name, value in asdict(self).items() if value != getattr(Selection(), name)}
        chosen.pop("dataset", None)
        return {name: value.isoformat() if isinstance(value, date) else value for name, value in chosen.items()}


@dataclass(frozen=True)
class Counts:
    """How many rows there are now. ``simulated`` ones are exported only when asked for."""

    real: int
    simulated: int


@dataclass
class Tally:
    """What has been written so far."""

    rows: int = 0
    size: int = 0
    """Bytes."""
    complete: bool = False
    _digest: Any = field(default_factory=hashlib.sha256)

    @property
    def sha256(self) -> str:
        return str(self._digest.hexdigest())

    def told(self) -> dict[str, Any]:
        return {"rows": self.rows, "bytes": self.size, "sha256": self.sha256, "complete": self.complete}

    def passed(self, data: bytes) -> bytes:
        self.size += len(data)
        self._digest.update(data)
        return data


def ratings(project: Project, chosen: Selection) -> QuerySet[Rating]:
    """The ratings that the selection keeps, by id."""
    found = Rating.objects.filter(comparison__project=project).order_by("pk")
    if chosen.since:
        found = found.filter(created_at__gte=datetime.combine(chosen.since, time.min, UTC))
    if chosen.until:
        found = found.filter(created_at__lte=datetime.combine(chosen.until, time.max, UTC))
    exact = {
        "comparison__prompt__family": chosen.family,
        "comparison__prompt__language": chosen.language,
        "comparison__prompt__split": chosen.split,
        "annotator__pseudonym": chosen.annotator,
    }
    found = found.filter(**{name: value for name, value in exact.items() if value})
    if chosen.model:
        one, two = (f"comparison__sample_{side}__model_version__name" for side in "ab")
        found = found.filter(Q(**{one: chosen.model}) | Q(**{two: chosen.model}))
    if chosen.gold is not None:
        found = found.filter(comparison__is_gold=chosen.gold)
    if not chosen.surplus:
        found = found.filter(surplus=False)
    if not chosen.simulated:
        found = found.filter(simulated=False)
    if chosen.dataset == PREFERENCES and not chosen.ties:
        found = found.exclude(Q(preference=0) | Q(preference__isnull=True))
    return found


def count(project: Project, chosen: Selection) -> Counts:
    """The rows that the other choices leave, real and simulated apart."""
    found = ratings(project, replace(chosen, simulated=True)).order_by()
    what = Count("comments") if chosen.dataset == COMMENTS else Count("pk")
    by_kind = dict(found.values_list("simulated").annotate(rows=what))
    return Counts(real=by_kind.get(False, 0), simulated=by_kind.get(True, 0))


def choices(project: Project) -> dict[str, list[str]]:
    """The values that the project has for each choice that names something."""
    prompts = Prompt.objects.filter(project=project)
    found = {
        name: list(prompts.order_by(name).values_list(name, flat=True).distinct())
        for name in ("family", "language", "split")
    }
    rated = Rating.objects.filter(annotator=OuterRef("pk"), comparison__project=project)
    raters = User.objects.filter(Exists(rated)).order_by("pseudonym")
    models = ModelVersion.objects.filter(project=project, samples__isnull=False).order_by("name").distinct()
    return {
        **found,
        "annotator": list(raters.values_list("pseudonym", flat=True)),
        "model": list(models.values_list("name", flat=True)),
    }


@contextmanager
def open_connection() -> Iterator[psycopg.Connection[Any]]:
    """A connection of our own to Django's database, whose transactions see one state of it and change nothing.

    Of our own, because a download goes on after its request's thread is done with Django's.
    """
    params = django_connection.get_connection_params()
    params.pop("cursor_factory", None)
    params.pop("context", None)
    with psycopg.connect(**{**params, "prepare_threshold": 2}, autocommit=True) as opened:
        opened.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        opened.read_only = True
        yield opened


def stream(
    connection: psycopg.Connection[Any], project: Project, chosen: Selection, kind: str, tally: Tally
) -> Iterator[bytes]:
    """The file's bytes, page by page; ``tally`` tells what has been given so far, ``complete`` at the end."""
    pages = _pages(connection, project, chosen, tally)
    written = _parquet(pages, DATASETS[chosen.dataset].columns) if kind == "parquet" else pages
    for data in written:
        yield tally.passed(data)
    tally.complete = True


def _pages(connection: psycopg.Connection[Any], project: Project, chosen: Selection, tally: Tally) -> Iterator[bytes]:
    """JSON lines, page by page; the database makes the next one while the reader has the last."""
    dataset = DATASETS[chosen.dataset]
    statement, params = _keys(project, chosen).query.sql_with_params()
    with connection.transaction():
        # The default would end the transaction of a reader that is slow to take what it was sent.
        connection.execute(f"SET LOCAL idle_in_transaction_session_timeout = '{STALL_SECONDS}s'")
        connection.execute("SET LOCAL cursor_tuple_fraction = 1")
        with connection.cursor(name="exported_keys") as keys:
            keys.execute(statement, params)
            connection.execute(_BY_KEYS)

            def fetched() -> tuple[int, bytes]:
                page = [key for (key,) in keys.fetchmany(PAGE)]
                return len(page), _page(connection, dataset, page, project.slug) if page else b""

            # Left only when the page that is being made is there: nobody else is to use the connection meanwhile.
            with ThreadPoolExecutor(1, thread_name_prefix="export") as ahead:
                coming = ahead.submit(fetched)
                while True:
                    rows, lines = coming.result()
                    if not rows:
                        return
                    coming = ahead.submit(fetched)
                    tally.rows += rows
                    yield lines


def _page(connection: psycopg.Connection[Any], dataset: Dataset, keys: list[int], slug: str) -> bytes:
    cursor = connection.execute(dataset.page_sql, {"keys": keys, "slug": slug})
    found = cursor.pgresult  # read directly: the lines are UTF-8 as they came, and needn't become text in between
    assert found is not None
    assert found.ntuples == len(keys), "rows changed within one transaction"
    return b"\n".join([*(found.get_value(row, 0) or b"" for row in range(found.ntuples)), b""])


def _keys(project: Project, chosen: Selection) -> QuerySet[Any, Any]:
    found = ratings(project, chosen)
    if chosen.dataset != COMMENTS:
        return found.values_list("pk")
    comments = LineComment.objects.filter(rating__in=found.order_by())
    return comments.order_by("rating_id", "side", "line").values_list("pk")


def _parquet(pages: Iterator[bytes], columns: tuple[Column, ...]) -> Iterator[bytes]:
    """The same rows as a Parquet file: groups of pages, each page read as JSON against the dataset's own schema.

    By itself, because reading takes Arrow several times a text's bytes.
    """
    # Imported here: Arrow is large, and only an export needs it.
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema, sink = _schema(columns), _Drained()
    # Smallest and largest values of every group are kept until the file's end. Of texts they would be whole programs.
    told = [column.name for column in columns if column.kind in {"whole", "small", "number", "flag"}]
    with pq.ParquetWriter(pa.PythonFile(sink, mode="w"), schema, compression="zstd", write_statistics=told) as writer:
        for group in _grouped(_table(lines, schema) for lines in pages):
            writer.write_table(group)
            del group  # Not kept while the next one is read.
            yield sink.taken()
    yield sink.taken()


def _grouped(tables: Iterator[Any]) -> Iterator[Any]:
    held: list[Any] = []
    for table in tables:
        held.append(table)
        del table
        if sum(part.num_rows for part in held) >= GROUP_ROWS or sum(part.nbytes for part in held) >= GROUP_BYTES:
            yield _taken(held)
    if held:
        yield _taken(held)


def _taken(held: list[Any]) -> Any:
    """The tables as one, which nothing here holds any more."""
    import pyarrow as pa

    whole = pa.concat_tables(held)
    held.clear()
    return whole


def _table(lines: bytes, schema: Any) -> Any:
    import pyarrow as pa
    from pyarrow import json as arrow_json

    return arrow_json.read_json(
        pa.BufferReader(lines),
        # One block: a row may not lie across two, and threads would hold several at once.
        read_options=arrow_json.ReadOptions(use_threads=False, block_size=len(lines) + 1),
        parse_options=arrow_json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="error"),
    )


def _schema(columns: tuple[Column, ...]) -> Any:
    import pyarrow as pa

    kinds = {
        "text": pa.string(),
        "whole": pa.int64(),
        "small": pa.int8(),
        "number": pa.float64(),
        "flag": pa.bool_(),
        "scales": pa.struct([(name, pa.int8()) for name in SCALES]),
        "verdict": pa.struct([("preference", pa.int8()), ("unusable", pa.bool_()), ("reason", pa.string())]),
    }
    return pa.schema([(column.name, kinds[column.kind]) for column in columns])


class _Drained(io.RawIOBase):
    """A file that is only written to, and whose bytes are taken away as they come."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def taken(self) -> bytes:
        found = b"".join(self._parts)
        self._parts.clear()
        return found
