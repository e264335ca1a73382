"""Which prompts PPO draws: more of the groups whose scores lag behind.

A policy soon answers most kinds of prompts as well as it ever will, and learns nothing from more of them. Its rollouts
go where there is something left to learn: a group (all prompts that agree in one column, such as a task's family) is
drawn by its share of the dataset times ``FLOOR`` to 1, by how far its mean score is behind the best group's. The idea
is that of prioritised level replay (Jiang et al. 2021, arXiv 2010.03934), with groups for levels and what is lacking
for the priority.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from training.experience import draw, seed_for

FLOOR = 0.25
"""What is left of the share of the group that does best."""
_MEMORY = 64
"""Of about so many of its newest scores a group's mean is."""
_PURPOSE = 4
"""Sets these draws apart from the trainer's others of the same update."""


class Groups:
    """Rows by group, what each group scored of late, and how much of it was drawn; the same in every process."""

    def __init__(self, names: Sequence[str], *, seed: int) -> None:
        self.seed = seed
        self._rows: dict[str, list[int]] = {}
        for row, name in enumerate(names):
            self._rows.setdefault(name, []).append(row)
        self._names = list(names)
        self._drawn = dict.fromkeys(self._rows, 0)
        self.means: dict[str, float] = {}
        """What each group that was seen scored of late."""

    def weights(self) -> dict[str, float]:
        """Each group's part of the next draws; all together 1. A group that was never seen counts as the last."""
        best, worst = max(self.means.values(), default=0.0), min(self.means.values(), default=0.0)
        lags = {
            name: (best - self.means[name]) / (best - worst) if name in self.means and best > worst else 1.0
            for name in self._rows
        }
        weights = {name: len(rows) * (FLOOR + (1 - FLOOR) * lags[name]) for name, rows in self._rows.items()}
        total = sum(weights.values())
        return {name: weight / total for name, weight in weights.items()}

    def name_of(self, row: int) -> str:
        """The group of a row."""
        return self._names[row]

    def draw(self, number: int, count: int, *, even: bool = False) -> list[int]:
        """The rows of a batch, in an order that looks like none; each group goes through its rows in turn.

        By their weights, or ``even``: of each group as many.
        """
        chance = torch.Generator().manual_seed(seed_for(self.seed, _PURPOSE, number))
        weights = dict.fromkeys(self._rows, 1 / len(self._rows)) if even else self.weights()
        rows: list[int] = []
        # One random start, then equal steps: every group gets its part to the nearest whole.
        mark, reached, place = float(torch.rand(1, generator=chance)), 0.0, 0
        for group, (name, weight) in enumerate(weights.items()):
            reached += weight * count
            wanted = 0
            while place < count and (mark + place < reached or group == len(self._rows) - 1):
                place, wanted = place + 1, wanted + 1
            own = draw(len(self._rows[name]), self._drawn[name], wanted, seed=seed_for(self.seed, group))
            rows += [self._rows[name][place_in_group] for place_in_group in own]
            self._drawn[name] += wanted
        return [rows[place] for place in torch.randperm(count, generator=chance).tolist()]

    def see(self, rows: Sequence[int], scores: Sequence[float]) -> None:
        """Take in what the completions of these rows scored."""
        found: dict[str, list[float]] = {}
        for row, score in zip(rows, scores, strict=True):
            found.setdefault(self._names[row], []).append(score)
        for name, values in found.items():
            mean = sum(values) / len(values)
            kept = (1 - 1 / _MEMORY) ** len(values) if name in self.means else 0.0
            self.means[name] = kept * self.means.get(name, 0.0) + (1 - kept) * mean

    def state_dict(self) -> dict[str, Any]:
        return {"drawn": dict(self._drawn), "means": dict(self.means)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._drawn.update(state["drawn"])
        self.means = dict(state["means"])
