"""What the demo ends with: a table in the terminal and a page that stands alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from workers.charts import line_chart

if TYPE_CHECKING:
    from webapp.catalog.models import ModelVersion, Sample
    from webapp.runs.models import DatasetSnapshot, Run

CURVES = {"sft": ("loss",), "reward_model": ("loss", "accuracy"), "ppo": ("reward", "kl", "entropy", "length")}
MOST_POINTS = 400


def print_table(run: Run, console: Console, *, language: str) -> None:
    """The table in the terminal: each figure with its interval below it."""
    from django.utils import translation

    from webapp.runs.comparison import caption, headings, split_tables

    with translation.override(language):
        console.print(f"\n{caption()}")
        for split in split_tables(run.result or {}):
            table = Table(title=f"{split.title} (n = {split.prompts})", title_justify="left", box=SIMPLE_HEAD)
            for heading in ("", *headings()):
                table.add_column(heading, justify="right" if heading else "left", no_wrap=True)
            for row in split.rows:
                table.add_row(row.title, *(f"{cell.value} {cell.interval}".strip() for cell in row.cells))
            console.print(table)
            console.print(split.mcnemar)


def write_report(run: Run, path: Path, *, language: str, seconds: Mapping[str, float]) -> None:
    """Write the page: figures, curves, pairs before and after, and how it was made."""
    from django.template.loader import render_to_string
    from django.utils import translation
    from django.utils.formats import date_format
    from django.utils.timezone import now

    from webapp.runs.comparison import split_tables

    with translation.override(language):
        page = render_to_string(
            "report.html",
            {
                "project": run.project.name,
                "written": date_format(now(), "DATETIME_FORMAT"),
                "splits": split_tables(run.result or {}),
                "charts": list(_charts(run)),
                "examples": list(_examples(run)),
                "run": run,
                "stages": [*_ancestors(run), run],
                "models": [model for model in (run.base_model, run.reward_model, run.candidate) if model],
                "snapshot": _snapshot(run),
                "seconds": seconds,
            },
        )
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(page, encoding="utf-8")
    partial.replace(path)


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
    from webapp.runs.comparison import headings, split_title

    names = dict(zip(("base", "candidate"), headings(), strict=False))
    versions = {"base": run.base_model, "candidate": run.candidate}
    for pair in (run.result or {}).get("pairs", ()):
        found = [_stored(run, versions[name], pair, pair[name]["code"]) for name in names if name in pair]
        samples = [sample for sample in found if sample is not None]
        if len(samples) == len(names):
            yield {
                "prompt": pair["prompt"],
                "signature": pair["signature"],
                "split": split_title(pair["split"]),
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
    from webapp.review.wording import OUTCOMES

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
                "outcome_title": OUTCOMES[verdict.outcome][0],
                "line": verdict.line,
                "reason": verdict.reason,
                "counterexample": verdict.counterexample,
            }
            for verdict in sample.verifications.order_by("pk")
            if verdict.outcome != "vacuous"
        ],
    }


def _snapshot(run: Run) -> DatasetSnapshot | None:
    trained = run.reward_model.run if run.reward_model else None
    return trained.snapshot if trained else None
