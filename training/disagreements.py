"""Where the ratings and the tests of a PPO run disagree most.

A reward model is wrong where it rates high what fails, or low what passes. Those are the programs that are worth a
person's look: asked about them, annotators teach it what it does not know yet.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.guards import passed
from training.ppo_files import read_completions

_UPDATES = 50
"""The last so many are looked at."""


@dataclass(frozen=True)
class Disagreement:
    """One completion, and another of the same prompt where the run drew one."""

    prompt: str
    completion: str
    finished: bool
    update: int
    passed: bool
    extent: float
    """0 to 1: the share of the other ratings that are lower, of a program that fails; higher, of one that passes."""
    other: Mapping[str, Any] | None = None
    """Its line of the run's completions."""


def disagreements(rows: Sequence[Mapping[str, Any]], count: int) -> list[Disagreement]:
    """The largest, from lines of a run's completions; one a prompt, from both sides in turn while both have any.

    Left out are those without a rating, and those that are rated on the right side of the middle. The other completion
    is one that the tests judge otherwise, if there is one.
    """
    rated = [row for row in rows if row.get("rating") is not None]
    ratings = sorted(float(row["rating"]) for row in rated)
    by_prompt: dict[str, list[Mapping[str, Any]]] = {}
    for row in rated:
        by_prompt.setdefault(row["prompt"], []).append(row)
    found = [_disagreement(row, by_prompt[row["prompt"]], ratings) for row in rated]
    found = sorted(
        (one for one in found if one.extent > 0.5), key=lambda one: (-one.extent, one.prompt, one.completion)
    )
    sides = [iter([one for one in found if one.passed is passing]) for passing in (False, True)]
    chosen: dict[str, Disagreement] = {}
    while sides and len(chosen) < count:
        side = sides.pop(0)
        following = next((one for one in side if one.prompt not in chosen), None)
        if following is not None:
            chosen[following.prompt] = following
            sides.append(side)
    return list(chosen.values())


def completions_of(run_folder: Path) -> list[dict[str, Any]]:
    """What the run's last updates drew, in all its processes; of an update that was done again, the last time."""
    newest = {_update(file): file.parent for file in sorted(run_folder.glob("attempt-*/completions/*.jsonl"))}
    updates = sorted(newest)[-_UPDATES:]
    files = [file for update in updates for file in sorted(newest[update].glob(f"{update:06d}*.jsonl"))]
    return [row for file in files for row in read_completions(file) if row["update"] in updates]


def _disagreement(row: Mapping[str, Any], same: Sequence[Mapping[str, Any]], ratings: Sequence[float]) -> Disagreement:
    passing, rating = passed(row), float(row["rating"])
    beyond = len(ratings) - bisect_right(ratings, rating) if passing else bisect_left(ratings, rating)
    others = [other for other in same if other["completion"].strip() != row["completion"].strip()]
    return Disagreement(
        prompt=row["prompt"],
        completion=row["completion"],
        finished=bool(row["finished"]),
        update=int(row["update"]),
        passed=passing,
        extent=beyond / max(len(ratings) - 1, 1),
        other=min(others, key=lambda other: (passed(other) is passing, -other["update"]), default=None),
    )


def _update(file: Path) -> int:
    return int(file.stem.partition("-")[0])
