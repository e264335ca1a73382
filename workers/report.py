"""What the demo ends with: a table in the terminal and a page that stands alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from workers.charts import line_chart

if TYPE_CHECKING:
    from webapp.catalog.models import ModelVersion, Sample
    from webapp.runs.models import Run

METRICS = (
    "full",
    "public",
    "refuted",
    "unsupported",
    "unknown",
    "bounded",
    "proved",
    "syntax",
    "reward total",
    "reward ratings",
    "kl",
    "tokens",
)
SHARES = {"full", "public", "refuted", "unsupported", "unknown", "bounded", "proved", "syntax"}
CURVES = {"sft": ("loss",), "reward_model": ("loss", "accuracy"), "ppo": ("reward", "kl", "entropy", "length")}
MOST_POINTS = 400


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
            title=_split_title(split),
            prompts=int(next(iter(models["base"].values()))["prompts"]),
            rows=tuple(_rows(models, result.get("comparison", {}).get(split, {}))),
            mcnemar=_mcnemar(result.get("comparison", {}).get(split, {}).get("full")),
        )
        for split, models in result["summary"].items()
    ]


def print_table(run: Run, console: Console, *, language: str) -> None:
    """The table in the terminal: each figure with its interval below it."""
    from django.utils import translation
    from django.utils.translation import gettext as _

    with translation.override(language):
        for split in split_tables(run.result or {}):
            table = Table(title=f"{split.title} (n = {split.prompts})", title_justify="left")
            for heading in ("", _("supervised"), _("aligned"), _("difference")):
                table.add_column(heading, justify="right" if heading else "left")
            for row in split.rows:
                table.add_row(row.title, *(f"{cell.value} {cell.interval}".strip() for cell in row.cells))
            console.print()
            console.print(table)
            console.print(split.mcnemar)


def write_report(run: Run, path: Path, *, language: str, seconds: Mapping[str, float]) -> None:
    """Write the page: figures, curves, pairs before and after, and how it was made."""
    from django.template.loader import render_to_string
    from django.utils import translation
    from django.utils.formats import date_format
    from django.utils.timezone import now

    with translation.override(language):
        page = render_to_string(
            "report.html",
            {
                "project": run.project.name,
                "written": date_format(now(), "DATETIME_FORMAT"),
                "splits": split_tables(run.result or {}),
                "charts": list(_charts(run)),
                "examples": list(_examples(run)),
                "facts": list(_facts(run, seconds)),
            },
        )
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(page, encoding="utf-8")
    partial.replace(path)


def metric_title(metric: str) -> str:
    from django.utils.translation import gettext as _

    titles = {
        "full": _("full pass@1 (all tests)"),
        "public": _("pass@1 on public tests"),
        "refuted": _("refuted"),
        "unsupported": _("unsupported"),
        "unknown": _("unknown"),
        "bounded": _("bounded"),
        "proved": _("proved"),
        "syntax": _("valid syntax"),
        "reward total": _("reward"),
        "reward ratings": _("reward model's score"),
        "kl": _("KL from the supervised model (nats)"),
        "tokens": _("length (tokens)"),
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
    scale, unit, digits = (100, " %", 1) if metric in SHARES else (1, "", 2)
    sign = "+" if signed else ""
    low, high = (f"{scale * figure[end]:{sign}.{digits}f}" for end in ("low", "high"))
    return Cell(f"{scale * figure['mean']:{sign}.{digits}f}{unit}", f"[{low}, {high}]")


def _mcnemar(comparison: Mapping[str, Any] | None) -> str:
    from django.utils.translation import gettext as _

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


def _split_title(split: str) -> str:
    from django.utils.translation import gettext as _

    titles = {
        "iid": _("Unseen tasks of known kinds"),
        "para": _("Unseen wordings"),
        "slots": _("Unseen values"),
        "comp": _("Unseen compositions"),
        "cross": _("Unseen pairs of families"),
    }
    return titles.get(split, split)


def _ancestors(run: Run) -> list[Run]:
    """The runs that led to the evaluation, in the order in which they ran."""
    models = (run.base_model, run.reward_model, run.candidate)
    return [model.run for model in models if model is not None and model.run is not None]


def _charts(run: Run) -> Iterator[str]:
    from django.utils.safestring import mark_safe

    for ancestor in _ancestors(run):
        for name in CURVES.get(ancestor.kind, ()):
            points = list(ancestor.metrics.filter(name=name).order_by("step").values_list("step", "value"))
            if points:
                title = f"{ancestor.get_kind_display()}: {name}"
                yield mark_safe(line_chart(title, _thinned(points)))  # noqa: S308 (our own drawing, escaped)


def _thinned(points: Sequence[tuple[int, float]]) -> Sequence[tuple[int, float]]:
    stride = -(-len(points) // MOST_POINTS)
    return [*points[::stride], points[-1]] if stride > 1 else points


def _examples(run: Run) -> Iterator[dict[str, Any]]:
    from django.utils.translation import gettext as _

    names = {"base": _("supervised"), "candidate": _("aligned")}
    versions = {"base": run.base_model, "candidate": run.candidate}
    for pair in (run.result or {}).get("pairs", ()):
        found = [_stored(run, versions[name], pair, pair[name]["code"]) for name in names if name in pair]
        samples = [sample for sample in found if sample is not None]
        if len(samples) == len(names):
            yield {
                "prompt": pair["prompt"],
                "signature": pair["signature"],
                "split": _split_title(pair["split"]),
                "language": samples[0].prompt.language,
                "sides": [_side(title, sample) for title, sample in zip(names.values(), samples, strict=True)],
            }


def _stored(run: Run, version: ModelVersion | None, pair: Mapping[str, Any], code: str) -> Sample | None:
    from webapp.catalog.models import Sample

    return (
        Sample.objects.filter(
            model_version=version,
            prompt__project=run.project,
            prompt__split=pair["split"],
            prompt__task__key=pair["key"],
            text=code,
        )
        .select_related("prompt")
        .first()
    )


def _side(title: str, sample: Sample) -> dict[str, Any]:
    executions = list(sample.executions.all())
    return {
        "title": title,
        "code": sample.text,
        "passed": sum(execution.passed for execution in executions),
        "total": sum(execution.total for execution in executions),
        "verdicts": [
            {
                "property": verdict.property,
                "outcome": verdict.outcome,
                "outcome_title": metric_title(verdict.outcome),
                "line": verdict.line,
                "reason": verdict.reason,
                "counterexample": verdict.counterexample,
            }
            for verdict in sample.verifications.order_by("pk")
            if verdict.outcome != "vacuous"
        ],
    }


def _facts(run: Run, seconds: Mapping[str, float]) -> Iterator[tuple[str, str]]:
    from django.utils.translation import gettext as _

    yield (
        _("Models"),
        ", ".join(
            f"{model.name} ({model.sha256[:12]})"
            for model in (run.base_model, run.reward_model, run.candidate)
            if model
        ),
    )
    for ancestor in [*_ancestors(run), run]:
        facts = {"worker": ancestor.owner, "attempts": ancestor.attempts, "seed": ancestor.seed}
        yield str(ancestor.get_kind_display()), ", ".join(f"{name} {value}" for name, value in facts.items())
    snapshot = run.reward_model.run.snapshot if run.reward_model and run.reward_model.run else None
    if snapshot is not None:
        yield _("Ratings"), _("%(count)s, snapshot %(sha)s") % {"count": snapshot.count, "sha": snapshot.sha256[:12]}
    yield _("Wall time of this start"), ", ".join(f"{name} {value:.0f} s" for name, value in seconds.items())
