"""Doing an experiment's pieces: some at a time, each in a process of its own, none twice.

A piece's result is a JSON file that appears whole or not at all. A piece that was killed starts again; training goes
on from its last checkpoint. CPU seconds are those of the piece's process and of all that it waited for.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workers.experiment.plan import Piece
from workers.problems import Problem
from workers.processes import end, spawn

SETTINGS = "experiment.json"
_POLL_SECONDS = 0.2
_TOLD_LINES = 5


@dataclass(frozen=True)
class Done:
    """A piece's result."""

    value: Any
    cpu_seconds: float


@dataclass(frozen=True)
class Working:
    """A piece that is being done."""

    piece: Piece
    process: subprocess.Popen[bytes]
    began: float


def folder_of(out: Path, seed: int) -> Path:
    """Where a seed's pieces lie."""
    return out / f"seed-{seed}"


def read_done(folder: Path, name: str) -> Done | None:
    """A piece's result; None while it isn't there."""
    try:
        found = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return Done(found["value"], found["cpu_seconds"])


def write_json(path: Path, value: Any) -> None:
    """Write a file that appears whole or not at all."""
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")
    partial.replace(path)


def do_all(
    pieces: Sequence[Piece], out: Path, *, jobs: int, watch: Callable[[Sequence[Working], int, int], None]
) -> None:
    """Do what isn't done; Problem names the first piece that failed, with the end of its log."""
    waiting = [piece for piece in pieces if read_done(folder_of(out, piece.seed), piece.name) is None]
    done, total = len(pieces) - len(waiting), len(pieces)
    working: list[Working] = []
    try:
        while waiting or working:
            for piece in list(_ready(waiting, out))[: jobs - len(working)]:
                waiting.remove(piece)
                working.append(_start(piece, out))
            for one in [one for one in working if one.process.poll() is not None]:
                working.remove(one)
                _finish(one, out)
                done += 1
            watch(working, done, total)
            time.sleep(_POLL_SECONDS)
    finally:
        for one in working:
            end(one.process, grace=5.0)


def _ready(waiting: Sequence[Piece], out: Path) -> Iterator[Piece]:
    for piece in waiting:
        folder = folder_of(out, piece.seed)
        if all((folder / f"{need}.json").exists() for need in piece.needs):
            yield piece


def _start(piece: Piece, out: Path) -> Working:
    folder = folder_of(out, piece.seed)
    folder.mkdir(parents=True, exist_ok=True)
    # Each on one thread: threads that wait for each other use up CPU seconds, which are what arms are held equal by.
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with (folder / f"{piece.name}.log").open("ab") as log:
        command = [sys.executable, "-m", "workers.experiment.pieces", str(out), str(piece.seed), piece.name]
        process = spawn(command, env=environment, log=log.fileno())
    return Working(piece, process, time.monotonic())


def _finish(one: Working, out: Path) -> None:
    folder = folder_of(out, one.piece.seed)
    if one.process.returncode == 0 and read_done(folder, one.piece.name) is not None:
        return
    log = folder / f"{one.piece.name}.log"
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-_TOLD_LINES:]
    last = " / ".join(line.strip() for line in lines if line.strip()) or "nothing was said"
    raise Problem(
        f"{one.piece.name} of seed {one.piece.seed} failed ({last}): see {log}; start again to go on from there"
    )
