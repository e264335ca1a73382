"""How a reward model was trained, how well it orders pairs it has not seen, and how sure its scores may be."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from training.calibration import calibration_error, cross_fitted, temperature_of
from training.preferences import Preference

SUMMARY = "reward_model.json"


@dataclass(frozen=True)
class Summary:
    """What ``reward_model.json`` holds; all that follows ``count`` is missing in older folders."""

    accuracy: float | None
    """Share of held-out preferences (ties left out) that the scores order alike; None where none was held out."""
    training_accuracy: float
    comparisons: int
    held_out: int
    """Held-out comparisons with a preference."""
    ties: int
    unusable: int
    mean: float
    std: float
    count: int
    """Of the scores of all the programs trained on: what the learned reward's statistics start from."""
    members: int = 1
    member_accuracies: list[float | None] = field(default_factory=list)
    """Each member's own, on the held-out preferences."""
    member_means: list[float] = field(default_factory=list)
    member_stds: list[float] = field(default_factory=list)
    """Of each member's raw scores of the programs trained on; empty where scores are not calibrated."""
    temperature: float = 1.0
    calibration_error: float | None = None
    """Expected calibration error on held-out preferences, each judged by a temperature it had no part in."""
    calibration_bins: int = 0
    calibration_comparisons: int = 0
    disagreement: float = 0.0
    """Mean standard deviation between members' scores of a held-out program (of one trained on, where none is)."""
    member_correlation: float | None = None
    """Mean correlation of two members' scores of those programs."""
    disagreement_and_error: float | None = None
    """Correlation, over held-out preferences, of the members' disagreement and the model's being wrong."""
    reliabilities: dict[str, float] = field(default_factory=dict)
    """By annotator, 0 to 1 (``training.reliability``)."""

    @classmethod
    def read(cls, folder: Path) -> Summary:
        """What a reward model's folder says of it."""
        known = {item.name for item in fields(cls)}
        found = json.loads((folder / SUMMARY).read_text())
        return cls(**{name: value for name, value in found.items() if name in known})


@dataclass(frozen=True)
class Scored:
    """Ratings with their weights and the raw scores of their programs."""

    ratings: Sequence[tuple[Preference, float]]
    scores: Tensor
    """(ratings, sides, members)"""

    @property
    def decided(self) -> Scored:
        """Those that prefer a side."""
        chosen = [place for place, (one, _) in enumerate(self.ratings) if one.preference]
        return Scored([self.ratings[place] for place in chosen], self.scores[chosen])

    @property
    def b_is_better(self) -> list[bool]:
        return [one.preference > 0 for one, _ in self.ratings]


def summarise(learnt: Scored, held_out: Scored, *, unusable: int, reliabilities: dict[str, float]) -> Summary:
    """The temperature and all figures, from raw scores."""
    flat = learnt.scores.flatten(0, 1).double()  # (programs, members)
    means, stds = flat.mean(0), flat.std(0, correction=0)
    stds = torch.where(stds > 0, stds, 1.0)
    learnt, held_out = (Scored(part.ratings, (part.scores.double() - means) / stds) for part in (learnt, held_out))
    judged = held_out.decided
    weights = [weight for _, weight in judged.ratings]
    differences = _differences(judged.scores.mean(-1))
    temperature = temperature_of(differences, judged.b_is_better, weights)
    fitted = cross_fitted(differences, judged.b_is_better, weights, [one.prompt for one, _ in judged.ratings])
    off = calibration_error(fitted, judged.b_is_better, weights) if fitted and sum(weights) > 0 else None
    scores = learnt.scores.mean(-1) / temperature
    shown = (held_out if held_out.ratings else learnt).scores.flatten(0, 1) / temperature
    return Summary(
        accuracy=_accuracy(judged.scores.mean(-1), judged),
        training_accuracy=_accuracy(learnt.decided.scores.mean(-1), learnt.decided) or 0.0,
        comparisons=len(learnt.ratings),
        held_out=len(judged.ratings),
        ties=sum(one.preference == 0 for one, _ in learnt.ratings),
        unusable=unusable,
        mean=float(scores.mean()),
        std=float(scores.flatten().std()) if scores.numel() > 1 else 0.0,
        count=scores.numel(),
        members=flat.shape[1],
        member_accuracies=[_accuracy(member, judged) for member in judged.scores.unbind(-1)],
        member_means=means.tolist(),
        member_stds=stds.tolist(),
        temperature=temperature,
        calibration_error=off.error if off else None,
        calibration_bins=off.bins if off else 0,
        calibration_comparisons=off.comparisons if off else 0,
        disagreement=float(shown.std(-1, correction=0).mean()),
        member_correlation=_member_correlation(shown),
        disagreement_and_error=_disagreement_and_error(judged),
        reliabilities=reliabilities,
    )


def calibrated(raw: Tensor, summary: Summary) -> Tensor:
    """(programs, members) to the same."""
    if not summary.member_means:
        return raw
    means, stds = torch.tensor(summary.member_means), torch.tensor(summary.member_stds)
    return (raw - means) / (stds * summary.temperature)


def _differences(scores: Tensor) -> list[float]:
    """(ratings, sides) to the score of B less that of A."""
    return (scores[:, 1] - scores[:, 0]).tolist() if len(scores) else []


def _wrong(scores: Tensor, judged: Scored) -> list[float]:
    """By preference, whether the scores (ratings, sides) order it the other way round; equal ones half."""
    differences = _differences(scores)
    return [
        0.5 if found == 0 else float((found > 0) != better)
        for found, better in zip(differences, judged.b_is_better, strict=True)
    ]


def _accuracy(scores: Tensor, judged: Scored) -> float | None:
    wrong = _wrong(scores, judged)
    return 1 - math.fsum(wrong) / len(wrong) if wrong else None


def _member_correlation(scores: Tensor) -> float | None:
    """The mean over pairs of members of their scores' correlation: (programs, members)."""
    columns = scores.unbind(-1)
    found = [
        value
        for place, one in enumerate(columns)
        for other in columns[:place]
        if (value := _correlation(one.tolist(), other.tolist())) is not None
    ]
    return math.fsum(found) / len(found) if found else None


def _disagreement_and_error(judged: Scored) -> float | None:
    spread = (judged.scores[:, 1] - judged.scores[:, 0]).std(-1, correction=0) if judged.ratings else torch.zeros(0)
    return _correlation(spread.tolist(), _wrong(judged.scores.mean(-1), judged))


def _correlation(one: Sequence[float], other: Sequence[float]) -> float | None:
    """Pearson's; None where either is constant."""
    if len(one) < 2 or min(np.ptp(one), np.ptp(other)) < 1e-12:
        return None
    return float(np.corrcoef(one, other)[0, 1])
