"""The experiment as a command runs it: settings kept, pieces done, the table shown and written."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from training.config import ExperimentSettings, SettingsError, read, to_json
from workers.experiment.findings import METRICS, collect
from workers.experiment.plan import ARMS, pieces
from workers.experiment.schedule import SETTINGS, Working, do_all, folder_of, write_json
from workers.problems import Problem
from workers.progress import Reporter

FINDINGS = "findings.json"
_TITLES = {
    "full": "full pass@1",
    "public": "public pass@1",
    "syntax": "valid syntax",
    "unsafe": "known unsafe",
    "proved and full": "proved, full",
    "tokens": "tokens",
    "kl": "KL (nats)",
}
_NUMBERS = ("tokens", "kl")


def run(
    out: Path, settings: ExperimentSettings, *, seeds: Sequence[int], arms: Sequence[str], jobs: int, reporter: Reporter
) -> dict[str, Any]:
    """Do what isn't done and return the findings, which are written to ``findings.json`` too."""
    _keep(out, settings)
    with reporter.stage("experiment") as stage:

        def watch(working: Sequence[Working], done: int, total: int) -> None:
            stage.at(done, total, note=", ".join(_note(one, out) for one in working))

        do_all(pieces(seeds, arms), out, jobs=jobs, watch=watch)
    found = collect(out, seeds, settings)
    write_json(out / FINDINGS, found)
    return found


def show(found: Mapping[str, Any], console: Console) -> None:
    """The table by split, arms side by side, and the claims with their figures."""
    for split, arms in found["table"].items():
        prompts = max((estimate["prompts"] for metrics in arms.values() for estimate in metrics.values()), default=0)
        table = Table(title=f"{split} (n = {prompts})", title_justify="left", box=SIMPLE_HEAD)
        for heading in ("", *(_TITLES.get(metric, metric) for metric in METRICS), "CPU s"):
            table.add_column(heading, justify="right" if heading else "left", no_wrap=True)
        for arm, metrics in arms.items():
            cells = [_cell(metrics.get(metric), metric) for metric in METRICS]
            table.add_row(ARMS[arm], *cells, f"{found['arms'][arm]['cpu_seconds']:.0f}")
        console.print(table)
    for piece, by_split in found["preferred"].items():
        shares = ", ".join(f"{split} {_percent(one)}" for split, one in by_split.items())
        console.print(f"{piece.removeprefix('judged-')}: PPO with all preferred (wins and half the ties): {shares}")
    for check in found["checks"]:
        mark = "[green]met[/green]    " if check["met"] else "[red]not met[/red]"
        console.print(f"{mark} {check['claim']}: {check['found']} (wanted: {check['wanted']})")


def _keep(out: Path, settings: ExperimentSettings) -> None:
    """Write the settings, or compare them with those that the folder was begun with."""
    out.mkdir(parents=True, exist_ok=True)
    path = out / SETTINGS
    try:
        # Read, not compared as text: a setting that came with a later version has its default.
        begun = read(ExperimentSettings, json.loads(path.read_text(encoding="utf-8"))) if path.exists() else settings
    except (SettingsError, ValueError) as error:
        raise Problem(f"{path} can't be read ({error}): choose another folder with --out") from None
    if begun != settings:
        raise Problem(f"{out} holds an experiment with other settings: choose another folder with --out")
    write_json(path, to_json(settings))


def _note(one: Working, out: Path) -> str:
    path = folder_of(out, one.piece.seed) / f"{one.piece.name}.progress.json"
    try:
        progress = json.loads(path.read_text(encoding="utf-8"))
        share = f" {100 * progress['step'] / progress['total']:.0f}%" if progress["total"] else ""
    except (FileNotFoundError, ValueError):
        share = ""
    return f"{one.piece.name} (seed {one.piece.seed}){share}"


def _cell(estimate: Mapping[str, float] | None, metric: str) -> str:
    if estimate is None:
        return "-"
    if metric in _NUMBERS:
        return f"{estimate['mean']:.1f}"
    return _percent(estimate)


def _percent(estimate: Mapping[str, float]) -> str:
    return f"{100 * estimate['mean']:.1f} [{100 * estimate['low']:.1f}, {100 * estimate['high']:.1f}]"
