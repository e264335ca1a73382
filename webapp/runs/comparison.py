"""A supervised model against an aligned one: the evaluation's figures in words, with their intervals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from webapp.review.wording import OUTCOMES

METRICS = (
    "full",
    "public",
    "unsafe",
    "refuted",
    "unsupported",
    "unknown",
    "bounded",
    "proved",
    "proved and full",
    "syntax",
    "reward total",
    "reward ratings",
    "kl",
    "tokens",
)
SHARES = set(METRICS) - {"reward total", "reward ratings", "kl", "tokens"}


@dataclass(frozen=True)
class Cell:
    value: str
    interval: str = ""


@dataclass(frozen=True)
class MetricRow:
    """One metric of one split: supervised, aligned, and their paired difference where it was tested."""

    title: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class SplitTable:
    title: str
    prompts: int
    rows: tuple[MetricRow, ...]
    mcnemar: str


def split_tables(result: Mapping[str, Any]) -> list[SplitTable]:
    """The evaluation's figures with their 95% intervals, a table a split, in the active language."""
    return [
        SplitTable(
            title=split_title(split),
            prompts=int(next(iter(models["base"].values()))["prompts"]),
            rows=tuple(_rows(models, result.get("comparison", {}).get(split, {}))),
            mcnemar=_mcnemar(result.get("comparison", {}).get(split, {}).get("full")),
        )
        for split, models in result["summary"].items()
    ]


def headings() -> tuple[str, str, str]:
    return _("supervised"), _("aligned"), _("difference")


def caption() -> str:
    return _("Supervised against PPO on tests, proofs and ratings, with 95% intervals; rated by a simulated panel")


def split_title(split: str) -> str:
    titles = {
        "iid": _("Unseen tasks of known kinds"),
        "para": _("Unseen wordings"),
        "slots": _("Unseen values"),
        "comp": _("Unseen compositions"),
        "cross": _("Unseen pairs of families"),
    }
    return titles.get(split, split)


def metric_title(metric: str) -> str:
    if metric in OUTCOMES:
        return f"{OUTCOMES[metric][0]}, %"
    titles = {
        "full": _("full pass@1, %"),
        "public": _("public pass@1, %"),
        "unsafe": _("a known unsafe solution, %"),
        "proved and full": _("proved, and full, %"),
        "syntax": _("valid syntax, %"),
        "reward total": _("reward"),
        "reward ratings": _("reward model's score"),
        "kl": _("KL from supervised, nats"),
        "tokens": _("length, tokens"),
    }
    return titles.get(metric, metric)


def _rows(models: Mapping[str, Any], comparison: Mapping[str, Any]) -> Iterator[MetricRow]:
    for metric in METRICS:
        figures = [models.get(name, {}).get(metric) for name in ("base", "candidate")]
        if all(figure is None for figure in figures):
            continue
        cells = (*(_cell(metric, figure) for figure in figures), _cell(metric, comparison.get(metric), signed=True))
        yield MetricRow(metric_title(metric), cells)


def _cell(metric: str, figure: Mapping[str, Any] | None, *, signed: bool = False) -> Cell:
    if figure is None:
        return Cell("" if signed else "—")
    scale, digits = (100, 1) if metric in SHARES else (1, 2)
    sign = "+" if signed else ""
    low, high = (f"{scale * figure[end]:{sign}.{digits}f}" for end in ("low", "high"))
    return Cell(f"{scale * figure['mean']:{sign}.{digits}f}", f"[{low}, {high}]")


def _mcnemar(comparison: Mapping[str, Any] | None) -> str:
    if comparison is None:
        return ""
    text = _(
        "Full pass@1: %(better)s prompts only the aligned model solves, %(worse)s only the supervised one; "
        "exact McNemar p = %(p)s."
    )
    return text % {
        "better": comparison["only_second"],
        "worse": comparison["only_first"],
        "p": f"{comparison['p_value']:.2g}",
    }
