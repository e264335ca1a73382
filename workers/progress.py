"""Showing long stages: a bar with the time left in a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

LINE_EVERY_SECONDS = 15.0
WIDTH = 120
"""Of what is written to a file or a pipe, in characters."""

TITLES = {
    "services": {"en": "Services", "es": "Servicios"},
    "tasks": {"en": "Tasks", "es": "Tareas"},
    "sft": {"en": "Supervised training", "es": "Entrenamiento supervisado"},
    "generate": {"en": "Samples", "es": "Muestras"},
    "checks": {"en": "Execution and proofs", "es": "Ejecución y pruebas formales"},
    "panel": {"en": "Simulated panel rates", "es": "El panel simulado valora"},
    "reward_model": {"en": "Reward model", "es": "Modelo de recompensa"},
    "ppo": {"en": "PPO with LoRA", "es": "PPO con LoRA"},
    "evaluate": {"en": "Evaluation", "es": "Evaluación"},
    "report": {"en": "Report", "es": "Informe"},
}


class Stage:
    """One stage being shown."""

    def __init__(self, title: str, console: Console, bar: Progress | None) -> None:
        self._title = title
        self._console = console
        self._bar = bar
        self._task: TaskID | None = bar.add_task(title, total=None, note="") if bar else None
        self._started = self._printed = time.monotonic()
        self.summary = ""

    def at(self, step: int, total: int, note: str = "") -> None:
        """Step ``step`` of ``total`` (0 while it is not known)."""
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=step, total=total or None, note=note)
        elif time.monotonic() - self._printed > LINE_EVERY_SECONDS:
            self._printed = time.monotonic()
            self._console.print(f"  {self._title}: {step}/{total or '?'}{self._left(step, total)} {note}".rstrip())

    def done(self, summary: str = "") -> None:
        self.summary = summary

    def seconds(self) -> float:
        return time.monotonic() - self._started

    def _left(self, step: int, total: int) -> str:
        if not step or not total:
            return ""
        return f", about {self.seconds() / step * (total - step):.0f} s left"


class Reporter:
    """Shows stages one after the other, and keeps how long each took."""

    def __init__(self, *, language: str = "en", console: Console | None = None) -> None:
        self.console = console or Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH)
        self.seconds: dict[str, float] = {}
        self._language = language

    @contextmanager
    def stage(self, name: str) -> Iterator[Stage]:
        title = TITLES[name].get(self._language, TITLES[name]["en"])
        if self.console.is_terminal:
            with _bar(self.console) as bar:
                stage = Stage(title, self.console, bar)
                yield stage
        else:
            stage = Stage(title, self.console, None)
            yield stage
        self.seconds[name] = self.seconds.get(name, 0.0) + stage.seconds()
        self.console.print(f"[green]✓[/green] {title:<30} {stage.seconds():6.1f} s  {stage.summary}")


def _bar(console: Console) -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description:<30}"),
        BarColumn(bar_width=28),
        TextColumn("{task.completed:.0f}/{task.total}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
        console=console,
        transient=True,
    )
