"""What a run ended with, as tables for its page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

METRICS: dict[str, str | Promise] = {
    "full": gettext_lazy("Passes all tests"),
    "public": gettext_lazy("Passes the public tests"),
    "syntax": gettext_lazy("Is valid Python"),
    "refuted": gettext_lazy("Refuted"),
    "unsupported": gettext_lazy("Unsupported"),
    "unknown": gettext_lazy("Unknown"),
    "bounded": gettext_lazy("Bounded"),
    "proved": gettext_lazy("Proved"),
    "vacuous": gettext_lazy("Nothing to prove"),
    "finished": gettext_lazy("Ended by itself"),
    "exact": gettext_lazy("Is a known solution"),
    "unsafe": gettext_lazy("Is a known unsafe solution"),
    "proved and full": gettext_lazy("Proved, and passes all tests"),
    "bleu": gettext_lazy("BLEU against the known solutions"),
    "tokens": gettext_lazy("Length in tokens"),
    "kl": gettext_lazy("KL from the base model, in nats"),
}
SHARES = frozenset(METRICS) - {"tokens", "kl", "bleu"}
FIGURES: dict[str, str | Promise] = {
    "samples": gettext_lazy("Programs"),
    "comparisons": gettext_lazy("Comparisons"),
    "accuracy": gettext_lazy("Held-out preferences ordered alike"),
    "held_out": gettext_lazy("Held-out preferences"),
    "calibration_error": gettext_lazy("Calibration error"),
    "members": gettext_lazy("Members"),
    "member_correlation": gettext_lazy("Correlation of two members' scores"),
    "disagreement": gettext_lazy("Disagreement of the members"),
    "disagreement_and_error": gettext_lazy("Correlation of disagreement and error"),
    "best_update": gettext_lazy("Best update"),
    "adapter_scale": gettext_lazy("Scale of the adapter"),
    "validation": gettext_lazy("Share of validation tasks that pass all tests"),
    "sha256": gettext_lazy("SHA-256 of the weights"),
}
"""Single figures of a result that the page shows."""


@dataclass(frozen=True)
class Cell:
    """One figure with the ends of its 95% interval, where it has one."""

    value: str
    interval: str = ""


@dataclass(frozen=True)
class Table:
    """Figures with a label a row; ``columns`` is empty where there is one column that needs no name."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]
    note: str = ""


def tables(result: Mapping[str, Any] | None) -> list[Table]:
    """The figures of a run's result: an evaluation's tables, one a split, else the single figures in it."""
    if not result:
        return []
    if isinstance(result.get("summary"), Mapping):
        return [_split_table(split, result) for split in result["summary"]]
    rows = tuple((str(label), (Cell(number(result[name])),)) for name, label in FIGURES.items() if name in result)
    return [Table("", (), rows)] if rows else []


def number(value: Any) -> str:
    """Four significant digits at most, whole numbers whole, a dash for what is missing."""
    if value is None:
        return "—"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _split_table(split: str, result: Mapping[str, Any]) -> Table:
    """Models side by side on one split and, where two were compared, the paired difference."""
    models: Mapping[str, Mapping[str, Any]] = result["summary"][split]
    differences = result.get("comparison", {}).get(split, {})
    metrics = list(dict.fromkeys(metric for summary in models.values() for metric in summary))
    columns = [_model_name(name, result) for name in models]
    rows = []
    for metric in sorted(metrics, key=_place):
        cells = [_estimate(summary.get(metric), metric) for summary in models.values()]
        if differences:
            cells.append(_estimate(differences.get(metric), metric, signed=True))
        rows.append((_label(metric), tuple(cells)))
    if differences:
        columns.append(_("difference"))
    prompts = max(
        (estimate.get("prompts", 0) for summary in models.values() for estimate in summary.values()), default=0
    )
    title = _("Split %(split)s, %(prompts)s prompts") % {"split": split, "prompts": prompts}
    return Table(title, tuple(columns), tuple(rows), _exact_test(differences.get("full")))


def _exact_test(difference: Mapping[str, Any] | None) -> str:
    if not difference or "p_value" not in difference:
        return ""
    return _(
        "Passes all tests: %(first)s prompts only by the first model, %(second)s only by the second; "
        "exact McNemar test p = %(p)s."
    ) % {"first": difference["only_first"], "second": difference["only_second"], "p": number(difference["p_value"])}


def _estimate(estimate: Mapping[str, Any] | None, metric: str, *, signed: bool = False) -> Cell:
    if estimate is None:
        return Cell("—")
    scale, digits, unit = (100, ".1f", " pp" if signed else " %") if _is_share(metric) else (1, ".4g", "")
    figures = (scale * estimate[name] for name in ("mean", "low", "high"))
    value, low, high = (
        f"{figure:{'+' if signed else ''}{digits}}".replace("-", "\N{MINUS SIGN}") for figure in figures
    )
    return Cell(value + unit, f"{low} … {high}")


def _is_share(metric: str) -> bool:
    return metric in SHARES or metric.startswith("full@")


def _model_name(name: str, result: Mapping[str, Any]) -> str:
    return str(result.get("models", {}).get(name, {}).get("name", name))


def _label(metric: str) -> str:
    if metric.startswith("reward "):
        return _("Reward: %(part)s") % {"part": metric.removeprefix("reward ")}
    if metric.startswith("full@"):
        return _("Passes all tests, best of %(k)s") % {"k": metric.removeprefix("full@")}
    return str(METRICS.get(metric, metric))


def _place(metric: str) -> tuple[int, str]:
    order = list(METRICS)
    return (order.index(metric) if metric in METRICS else len(order), metric)
