"""What the rows of an export hold: each dataset's columns, as SQL and as types.

PostgreSQL builds the JSON (``row_to_json`` keeps the columns' order), so one expression a column is the whole
description, and Parquet takes its schema from the same list. Aliases: r rating, s assignment, c comparison,
p prompt, a and b its samples, u annotator, l line comment.
"""

from __future__ import annotations

from dataclasses import dataclass

from webapp.feedback.judgement import SCALES

PREFERENCES, RATINGS, COMMENTS = "preferences", "ratings", "comments"


@dataclass(frozen=True)
class Column:
    """One field of a row. ``kind``: text, whole, small (a whole number up to 127), number, flag, scales or verdict."""

    name: str
    sql: str
    kind: str = "text"


@dataclass(frozen=True)
class Dataset:
    """One kind of row, and where it comes from."""

    columns: tuple[Column, ...]
    tables: str
    key: str
    """The column by whose values a page of rows is fetched."""
    order: str

    @property
    def page_sql(self) -> str:
        """One JSON text a row, for the keys in ``%(keys)s``, in order."""
        columns = ", ".join(f"{column.sql} AS {column.name}" for column in self.columns)
        rows = f"SELECT {columns} FROM {self.tables} WHERE {self.key} = ANY(%(keys)s::bigint[])"  # noqa: S608
        return f"SELECT row_to_json(t)::text FROM ({rows}) t ORDER BY {self.order}"  # noqa: S608


def _instant(column: str) -> str:
    return f"""to_char({column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""


def _scales(column: str) -> str:
    """All four scales, null where a scale was not asked for or not answered."""
    fields = ", ".join(f"{column}->'{name}' AS {name}" for name in SCALES)
    return f"(SELECT row_to_json(x) FROM (SELECT {fields}) x)"  # noqa: S608


def _verdict(alias: str) -> str:
    """A later judgement of the pair with its reason; null where there is none."""
    fields = f"SELECT {alias}.preference, {alias}.unusable, {alias}.reason"
    return f"(SELECT row_to_json(x) FROM ({fields}) x WHERE {alias}.id IS NOT NULL)"  # noqa: S608


_OF_RATING = """
    JOIN feedback_comparison c ON c.id = r.comparison_id
    JOIN catalog_prompt p ON p.id = c.prompt_id
    JOIN catalog_sample a ON a.id = c.sample_a_id
    JOIN catalog_sample b ON b.id = c.sample_b_id
    JOIN accounts_user u ON u.id = r.annotator_id"""

_PLACE = (
    Column("comparison", "c.id", "whole"),
    Column("prompt_id", "p.id", "whole"),
    Column("family", "p.family"),
    Column("language", "p.language"),
    Column("split", "p.split"),
    Column("annotator", "u.pseudonym"),
    Column("simulated", "r.simulated", "flag"),
    Column("surplus", "r.surplus", "flag"),
    Column("gold", "c.is_gold", "flag"),
)
_B_IS_CHOSEN = "coalesce(r.preference, 0) > 0"

DATASETS: dict[str, Dataset] = {
    PREFERENCES: Dataset(
        columns=(
            Column("prompt", r"p.text || E'\n' || p.signature"),
            Column("chosen", f"CASE WHEN {_B_IS_CHOSEN} THEN b.text ELSE a.text END"),
            Column("rejected", f"CASE WHEN {_B_IS_CHOSEN} THEN a.text ELSE b.text END"),
            Column("margin", "coalesce(abs(r.preference), 0)", "small"),
            Column("id", "%(slug)s || '/' || r.id"),
            Column("rating", "r.id", "whole"),
            *_PLACE,
            Column("tie", "r.preference IS NOT DISTINCT FROM 0", "flag"),
            Column("unusable", "r.unusable", "flag"),
            Column("prompt_text", "p.text"),
            Column("signature", "p.signature"),
        ),
        tables=f"feedback_rating r{_OF_RATING}",
        key="r.id",
        order="t.rating",
    ),
    RATINGS: Dataset(
        columns=(
            Column("rating", "r.id", "whole"),
            *_PLACE,
            Column("sample_a_sha256", "a.sha256"),
            Column("sample_b_sha256", "b.sha256"),
            Column("model_a", "ma.name"),
            Column("model_b", "mb.name"),
            Column("swapped", "s.swapped", "flag"),
            Column("preference", "r.preference", "small"),
            Column("unusable", "r.unusable", "flag"),
            Column("scales_a", _scales("r.scales_a"), "scales"),
            Column("scales_b", _scales("r.scales_b"), "scales"),
            Column("rationale", "r.rationale"),
            Column("edited_a", "r.edited_a"),
            Column("edited_b", "r.edited_b"),
            Column("seconds", "r.seconds", "number"),
            Column("guideline_version", "r.guideline_version", "whole"),
            Column("revision", _verdict("v"), "verdict"),
            Column("adjudication", _verdict("j"), "verdict"),
            Column("submission", "r.submission"),
            Column("created_at", _instant("r.created_at")),
        ),
        tables=f"""feedback_rating r{_OF_RATING}
    JOIN feedback_assignment s ON s.id = r.assignment_id
    JOIN catalog_modelversion ma ON ma.id = a.model_version_id
    JOIN catalog_modelversion mb ON mb.id = b.model_version_id
    LEFT JOIN feedback_revision v ON v.rating_id = r.id
    LEFT JOIN feedback_adjudication j ON j.comparison_id = c.id""",
        key="r.id",
        order="t.rating",
    ),
    COMMENTS: Dataset(
        columns=(
            Column("rating", "r.id", "whole"),
            *_PLACE,
            Column("side", "l.side"),
            Column("sample_sha256", "CASE l.side WHEN 'a' THEN a.sha256 ELSE b.sha256 END"),
            Column("line", "l.line", "whole"),
            Column("text", "l.text"),
            Column("created_at", _instant("r.created_at")),
        ),
        tables=f"feedback_linecomment l JOIN feedback_rating r ON r.id = l.rating_id{_OF_RATING}",
        key="l.id",
        order="t.rating, t.side, t.line",
    ),
}
