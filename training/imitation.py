"""Self-imitation: completions that did better than the value expected are kept, and learnt from more than once.

PPO learns from a rollout within its update and then forgets it. On a prompt that the policy hardly ever answers well
its one good answer so is outweighed by the noise of the others. Here it is kept, with what it gained over the value
of its prompt, and drawn again in proportion to that gain, until the value has learnt to expect it
(Oh et al. 2018, arXiv 1806.05635; prioritised replay as in its section 3). Where prompts are in groups each is drawn
for as often, so that four successes of a hard kind are not lost among a thousand of the others, and nothing gains more
than it is above what its group earns by now: a gain is that of when it was last looked at, long ago for most.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch

from training.experience import seed_for

_PURPOSE = 3
"""Sets these draws apart from the trainer's others of the same update."""


@dataclass(frozen=True)
class Success:
    """A completion that did better than expected."""

    row: int
    """Its prompt's, in the dataset."""
    completion_ids: list[int]
    score: float
    """What the completion earned, all in all, without the KL."""
    gain: float
    """By how much the score was above the values when it was last looked at; 0 is never drawn."""
    group: str = ""
    """What its prompt has in the column by which groups are told apart."""

    def returns(self, gamma: float) -> torch.Tensor:
        """``(tokens,)``: what is still to come of the score, from each of the completion's tokens on."""
        return self.score * gamma ** torch.arange(len(self.completion_ids) - 1, -1, -1)


def above_their_group(found: Sequence[Success]) -> list[Success]:
    """The same with what each gained over its group's mean, while no value knows yet what to expect."""
    scores: dict[str, list[float]] = defaultdict(list)
    for one in found:
        scores[one.group].append(one.score)
    means = {group: math.fsum(values) / len(values) for group, values in scores.items()}
    return [replace(one, gain=one.score - means[one.group]) for one in found]


class Successes:
    """The newest ``capacity`` of them, the same in every process."""

    def __init__(self, capacity: int, *, seed: int) -> None:
        self.capacity, self.seed = capacity, seed
        self._kept: list[Success] = []

    def __len__(self) -> int:
        return len(self._kept)

    def __getitem__(self, place: int) -> Success:
        return self._kept[place]

    def add(self, found: Iterable[Success]) -> None:
        """Keep those that gained anything; the oldest make room. Places that were drawn before are void then."""
        self._kept = [*self._kept, *(one for one in found if one.gain > 0)][-self.capacity :]

    def draw(self, count: int, *numbers: int, expected: Mapping[str, float] | None = None) -> list[int]:
        """Places of up to ``count`` different successes, every group as likely, in it in proportion to the gains.

        ``expected`` has the groups' present mean scores, of those that are known: what is not above it isn't drawn. A
        function of the seed, the ``numbers``, what is kept and what is expected.
        """
        means = expected or {}
        gains = [max(0.0, min(one.gain, one.score - means.get(one.group, -math.inf))) for one in self._kept]
        totals: dict[str, float] = defaultdict(float)
        for one, gain in zip(self._kept, gains, strict=True):
            totals[one.group] += gain
        chances = torch.tensor(
            [gain / totals[one.group] if gain > 0 else 0.0 for one, gain in zip(self._kept, gains, strict=True)],
            dtype=torch.float64,
        )
        count = min(count, int((chances > 0).sum()))
        if count == 0:
            return []
        generator = torch.Generator().manual_seed(seed_for(self.seed, _PURPOSE, *numbers))
        return [int(place) for place in torch.multinomial(chances, count, generator=generator)]

    def reweigh(self, gains: Mapping[int, float]) -> None:
        """What the successes at these places gain by the present values."""
        for place, gain in gains.items():
            self._kept[place] = replace(self._kept[place], gain=max(gain, 0.0))

    def state_dict(self) -> list[dict[str, Any]]:
        return [asdict(one) for one in self._kept]

    def load_state_dict(self, state: Sequence[Mapping[str, Any]]) -> None:
        self._kept = [Success(**one) for one in state][-self.capacity :]
