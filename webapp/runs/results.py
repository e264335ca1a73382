"""What a run ended with, as tables for its page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

ESTIMATE = ("value", "mean", "estimate")
"""Keys under which a figure may stand beside the ``low`` and ``high`` of its 95% interval."""


@dataclass(frozen=True)
class Cell:
    """One figure with the ends of its interval, where it has one."""

    value: str
    interval: str = ""


@dataclass(frozen=True)
class Table:
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]


def tables(result: Mapping[str, Any] | None) -> list[Table]:
    """The figures of a result, a table for each group of figures that belong together.

    A result is JSON: numbers, estimates (``{"value": …, "low": …, "high": …}``) and groups of these by
    name. Groups that hold the same figures (two models, say) become the columns of one table.
    """
    return _tables(result or {}, "")


def _tables(group: Mapping[str, Any], title: str) -> list[Table]:
    children = {name: child for name, child in group.items() if isinstance(child, Mapping) and not _is_figure(child)}
    leaves = {name: child for name, child in group.items() if _is_figure(child)}
    found: list[Table] = []
    if leaves:
        found.append(Table(title, ("",), tuple((name, (_cell(value),)) for name, value in leaves.items())))
    if _comparable(children):
        return [*found, _side_by_side(children, title)]
    for name, child in children.items():
        found += _tables(child, f"{title} · {name}" if title else name)
    return found


def _comparable(children: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether these are the same figures of several things."""
    return len(children) > 1 and all(
        child and all(_is_figure(value) for value in child.values()) for child in children.values()
    )


def _side_by_side(children: Mapping[str, Mapping[str, Any]], title: str) -> Table:
    names = list(dict.fromkeys(name for child in children.values() for name in child))
    rows = tuple(
        (name, tuple(_cell(child[name]) if name in child else Cell("") for child in children.values()))
        for name in names
    )
    return Table(title, tuple(children), rows)


def _is_figure(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(isinstance(value.get(key), (int, float)) for key in ESTIMATE)
    return value is None or isinstance(value, (int, float, str))


def _cell(value: Any) -> Cell:
    if not isinstance(value, Mapping):
        return Cell(number(value))
    figure = next(value[key] for key in ESTIMATE if key in value)
    if value.get("low") is None or value.get("high") is None:
        return Cell(number(figure))
    return Cell(number(figure), f"{number(value['low'])} – {number(value['high'])}")


def number(value: Any) -> str:
    """Four significant digits at most, whole numbers whole, a dash for what is missing."""
    if value is None:
        return "—"
    if isinstance(value, float) and not isinstance(value, bool):
        return f"{value:.4g}"
    return str(value)
