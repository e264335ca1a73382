"""Statements that are written once in a process: on busy pages most of the time goes into writing them anew."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from typing import Any, Generic, TypeVar

from django.db import connection
from django.db.models import Field, JSONField, Model, QuerySet

_MARK = -7_200_000_001
"""Not a number that occurs by itself: keys are positive."""
Row = TypeVar("Row", bound=tuple[Any, ...])


class Prepared(Generic[Row]):
    """A queryset of ``values_list`` as a function of whole numbers and texts, which must not change its shape.

    The first call has the statement written with a mark in place of each; from then on they are put in.
    """

    def __init__(self, build: Callable[..., QuerySet[Any, Row]]) -> None:
        self.build = build
        self.written: tuple[str, tuple[object, ...]] | None = None

    def __call__(self, *given: int | str) -> list[Row]:
        marks = [_mark(place, value) for place, value in enumerate(given)]
        if self.written is None:
            sql, parameters = self.build(*marks).query.sql_with_params()
            assert set(marks) <= {value for value in parameters if isinstance(value, int | str)}
            self.written = sql, parameters
        sql, parameters = self.written
        put_in = dict(zip(marks, given, strict=True))
        values: list[Any] = [
            put_in.get(value, value) if isinstance(value, int | str) else value for value in parameters
        ]
        with connection.cursor() as cursor:
            cursor.execute(sql, values)
            rows: list[Row] = cursor.fetchall()
        return rows


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
