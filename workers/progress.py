"""Showing long stages: a bar with the time left in a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
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
    "dpo": {"en": "DPO with LoRA", "es": "DPO con LoRA"},
    "grpo": {"en": "GRPO with LoRA", "es": "GRPO con LoRA"},
    "rloo": {"en": "RLOO with LoRA", "es": "RLOO con LoRA"},
    "experiment": {"en": "Experiment", "es": "Experimento"},
    "evaluate": {"en": "Evaluation", "es": "Evaluación"},
    "report": {"en": "Report", "es": "Informe"},
}

PHRASES = {
    "tasks": {"en": "{tasks} tasks in {splits} splits", "es": "{tasks} tareas en {splits} particiones"},
    "kept": {"en": "kept from an earlier start", "es": "se conserva de un arranque anterior"},
    "checked": {
        "en": "{samples} samples executed and verified",
        "es": "{samples} muestras ejecutadas y verificadas",
    },
    "unchecked": {"en": ", {failed} could not be", "es": ", {failed} no se pudieron comprobar"},
    "rated": {
        "en": "{ratings} simulated ratings of {wanted} wanted",
        "es": "{ratings} valoraciones simuladas de {wanted} pedidas",
    },
    "left": {"en": ", about {seconds:.0f} s left", "es": ", quedan unos {seconds:.0f} s"},
    "worker": {"en": "worker {name}", "es": "proceso {name}"},
    "serving": {"en": "Serving until Ctrl-C.", "es": "En servicio hasta Ctrl-C."},
    "stopping": {"en": "Stopping.", "es": "Deteniendo."},
}


class Stage:
    """One stage being shown."""

    def __init__(self, title: str, console: Console, bar: Progress | None, *, left: str) -> None:
        self._title = title
        self._left_phrase = left
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
            self._console.print(
                f"  {self._title}: {step}/{total or '?'}{self._left(step, total)} {note}".rstrip(), markup=False
            )

    def done(self, summary: str = "") -> None:
        self.summary = summary

    def seconds(self) -> float:
        return time.monotonic() - self._started

    def _left(self, step: int, total: int) -> str:
        if not step or not total:
            return ""
        return self._left_phrase.format(seconds=self.seconds() / step * (total - step))


class Reporter:
    """Shows stages one after the other, and keeps how long each took."""

    def __init__(self, *, language: str = "en", console: Console | None = None) -> None:
        self.console = console or Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH)
        self.seconds: dict[str, float] = {}
        self._language = language

    def say(self, phrase: str, **values: object) -> str:
        """One of ``PHRASES`` in the reporter's language."""
        return self._in_language(PHRASES[phrase]).format(**values)

    @contextmanager
    def stage(self, name: str) -> Iterator[Stage]:
        title, left = self._in_language(TITLES[name]), self._in_language(PHRASES["left"])
        if self.console.is_terminal:
            with _bar(self.console) as bar:
                stage = Stage(title, self.console, bar, left=left)
                yield stage
        else:
            stage = Stage(title, self.console, None, left=left)
            yield stage
        self.seconds[name] = self.seconds.get(name, 0.0) + stage.seconds()
        self.console.print(f"[green]✓[/green] {title:<30} {stage.seconds():6.1f} s  {escape(stage.summary)}")

    def _in_language(self, texts: Mapping[str, str]) -> str:
        return texts.get(self._language, texts["en"])


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
