"""Statements that are written once in a process: on busy pages most of the time goes into writing them anew."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from django.db import connection
from django.db.models import Field, JSONField, Model, QuerySet
from psycopg.sql import Literal

if TYPE_CHECKING:
    from webapp.database.base import DatabaseWrapper

_MARK = -7_200_000_001
"""Not a number that occurs by itself: keys are positive."""
_PLACE = re.compile("%[s%]")
Row = TypeVar("Row", bound=tuple[Any, ...])


class Prepared(Generic[Row]):
    """A queryset of ``values_list`` as a function of whole numbers and texts, which must not change its shape.

    The first call has the statement written with a mark in place of each; from then on they are put in. All else
    stands in the statement as it is, so that the server, which plans it once a connection, knows which index fits.
    """

    def __init__(self, build: Callable[..., QuerySet[Any, Row]]) -> None:
        self.build = build
        self.written: tuple[str, tuple[int, ...]] | None = None

    def __call__(self, *given: int | str) -> list[Row]:
        if self.written is None:
            self.written = self._write(given)
        sql, places = self.written
        with cast("DatabaseWrapper", connection).prepared_cursor() as cursor:
            cursor.execute(sql, [given[place] for place in places])
            rows: list[Row] = cursor.fetchall()
        return rows

    def _write(self, given: tuple[int | str, ...]) -> tuple[str, tuple[int, ...]]:
        """The statement, and which of what is given goes where."""
        marks = [_mark(place, value) for place, value in enumerate(given)]
        sql, parameters = self.build(*marks).query.sql_with_params()
        connection.ensure_connection()
        places: list[int] = []
        left = iter(parameters)

        def fixed_or_marked(found: re.Match[str]) -> str:
            if found.group() == "%%":
                return "%%"
            value = next(left)
            if isinstance(value, int | str) and value in marks:
                places.append(marks.index(value))
                return "%s"
            return Literal(value).as_string(connection.connection).replace("%", "%%")

        sql = _PLACE.sub(fixed_or_marked, sql)
        assert set(places) == set(range(len(given)))
        return sql, tuple(places)


def _mark(place: int, value: int | str) -> int | str:
    return _MARK - place if isinstance(value, int) else f"mark {place} of a prepared statement"


class Joined:
    """Which columns of a row, and of the rows that it refers to, a prepared statement reads; and the models from them.

    The first part is the row itself, ``("", Comparison)``; others are named by their way from it, after it. What is
    left out is read when it is asked for.
    """

    def __init__(self, *parts: tuple[str, type[Model]], without: Collection[str] = ()) -> None:
        self.parts = [
            (way, model, [field for field in model._meta.concrete_fields if field.name not in without])
            for way, model in parts
        ]
        self.columns = [
            f"{way}__{field.attname}" if way else field.attname for way, _, part in self.parts for field in part
        ]

    def models(self, row: Sequence[Any]) -> Any:
        """The first part's model, which holds the others."""
        found: dict[str, Model] = {}
        for way, model, fields in self.parts:
            values, row = row[: len(fields)], row[len(fields) :]
            names = [field.attname for field in fields]
            found[way] = model.from_db(
                connection.alias, names, [_read(*pair) for pair in zip(fields, values, strict=True)]
            )
            if way:
                holder, _, name = way.rpartition("__")
                setattr(found[holder], name, found[way])
        return found[""]


def _read(field: Field[Any, Any], value: Any) -> Any:
    """JSON comes as text from a statement that is not a queryset any more."""
    return json.loads(value) if isinstance(field, JSONField) and value is not None else value
