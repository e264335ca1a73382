"""Checkpoints of a run that may be started several times (standard library only).

A run's folder holds one folder an attempt, named after the attempt's fencing token, so that an
attempt that lost its lease can never write into the folder of the one that replaced it::

    run/attempt-000002/checkpoint-40/...
                       checkpoint-40/COMPLETE

A checkpoint counts only once its marker is on disk.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

MARKER = "COMPLETE"
_ATTEMPT = re.compile(r"attempt-(\d{6,})")
_CHECKPOINT = re.compile(r"checkpoint-(\d+)")


def attempt_folder(run: Path, fence: int) -> Path:
    """The folder that the attempt with this fencing token, and no other, writes to; made if missing."""
    folder = run / f"attempt-{fence:06d}"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def complete(checkpoint: Path) -> None:
    """Mark a checkpoint as complete: all its files and its marker are flushed to disk first."""
    for path in sorted(checkpoint.rglob("*")):
        if path.is_file():
            _flush(path)
    marker = checkpoint / MARKER
    partial = checkpoint / f".{MARKER}"
    partial.write_text("complete\n")
    _flush(partial)
    partial.rename(marker)
    _flush(checkpoint)


def step_of(checkpoint: Path) -> int:
    """The step in the checkpoint's name."""
    match = _CHECKPOINT.fullmatch(checkpoint.name)
    if match is None:
        raise ValueError(f"{checkpoint} is not a checkpoint folder (checkpoint-N)")
    return int(match[1])


def latest(run: Path) -> Path | None:
    """The complete checkpoint of the highest step over all attempts, the newest attempt's among equals."""
    found = [
        (int(step[1]), int(attempt[1]), path.parent)
        for path in run.glob(f"attempt-*/checkpoint-*/{MARKER}")
        if (step := _CHECKPOINT.fullmatch(path.parent.name))
        and (attempt := _ATTEMPT.fullmatch(path.parent.parent.name))
    ]
    return max(found)[2] if found else None


def keep_newest(attempt: Path, count: int) -> None:
    """Delete all but the newest ``count`` complete checkpoints of one attempt."""
    done = sorted((path.parent for path in attempt.glob(f"checkpoint-*/{MARKER}")), key=step_of)
    for checkpoint in done[: max(0, len(done) - count)]:
        (checkpoint / MARKER).unlink()
        shutil.rmtree(checkpoint)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
