"""How a long stage tells the outside where it is, and how the outside stops it (standard library only)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class Progress:
    """One step of a stage."""

    stage: str
    step: int
    total: int
    """The last step's number; 0 while it is not known."""
    metrics: Mapping[str, float] = field(default_factory=dict)


class Stopped(Exception):
    """The watcher wants the stage to end now; what was saved stays, nothing more is written."""


class Watcher(Protocol):
    """What a stage calls while it works. Either method may raise ``Stopped``."""

    def step(self, progress: Progress) -> None: ...

    def saved(self, checkpoint: Path, step: int) -> None:
        """Called after a checkpoint is complete on disk."""
        ...


class Silent:
    """A watcher that neither shows nor stops anything."""

    def step(self, progress: Progress) -> None:
        del progress

    def saved(self, checkpoint: Path, step: int) -> None:
        del checkpoint, step
