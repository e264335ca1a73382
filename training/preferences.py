"""Pairwise ratings: what a row holds, which of them teach, how they are split by prompt, and how much each counts."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from training.reliability import Estimate, Gold, Judgement, estimate

SCALE_NAMES = ("correctness", "readability", "efficiency", "security")
STRONGEST = 3
_LOWEST, _HIGHEST = 1, 5
_ONE_SIDED = 8
"""From this many preferences on, all for the same side is no accident: below 1% by chance."""


class PreferenceError(ValueError):
    """The comparisons can't teach a reward model; the message says why."""


@dataclass(frozen=True)
class Preference:
    """One rater's judgement of two programs for the same prompt."""

    prompt_text: str
    signature: str
    code_a: str
    code_b: str
    preference: int
    """-3 (A is much better) to 3 (B is much better); 0 is a tie."""
    annotator: str
    """Empty where it isn't known."""
    weight: float = 1.0
    unusable: bool = False
    """Neither program is worth comparing."""
    scales_a: Mapping[str, float] = field(default_factory=dict)
    """1 to 5 by SCALE_NAMES; absent or None where not given."""
    scales_b: Mapping[str, float] = field(default_factory=dict)
    gold: Gold | None = None
    """The right answer, where it is known."""

    def __post_init__(self) -> None:
        if not -STRONGEST <= self.preference <= STRONGEST:
            raise PreferenceError(f"a preference is -3 to 3, not {self.preference}")
        if not (math.isfinite(self.weight) and self.weight >= 0):
            raise PreferenceError(f"a rating's weight is a number of at least 0, not {self.weight}")
        for name, value in [*self.scales_a.items(), *self.scales_b.items()]:
            if name in SCALE_NAMES and value is not None and not _LOWEST <= value <= _HIGHEST:
                raise PreferenceError(f"{name} is a number from 1 to 5, not {value}")

    @property
    def prompt(self) -> str:
        """What tells its prompt from others."""
        return f"{self.prompt_text}\n{self.signature}"

    def scales(self, side: str) -> tuple[float, ...]:
        """The scales of side ``a`` or ``b`` in the order of SCALE_NAMES; NaN where not given."""
        given = self.scales_a if side == "a" else self.scales_b
        return tuple(math.nan if (value := given.get(name)) is None else float(value) for name in SCALE_NAMES)


def usable(preferences: Iterable[Preference]) -> list[Preference]:
    """The comparisons that say which is better, or that neither is: not marked unusable, nor of weight 0."""
    return [one for one in preferences if not one.unusable and one.weight > 0]


def split_by_prompt(
    preferences: Sequence[Preference], *, held_out: float, seed: int
) -> tuple[list[Preference], list[Preference]]:
    """To learn from, and to judge by: no prompt in both, the same whatever the rows' order.

    With fewer than two prompts nothing is held out.
    """
    prompts = shuffled({one.prompt for one in preferences}, seed=seed)
    count = min(max(1, round(held_out * len(prompts))), len(prompts) - 1) if prompts else 0
    kept = set(prompts[:count])
    learnt = [one for one in preferences if one.prompt not in kept]
    return learnt, [one for one in preferences if one.prompt in kept]


def check(preferences: Sequence[Preference]) -> None:
    """PreferenceError where there is nothing to learn, or where only one side ever wins."""
    sides = [one.preference > 0 for one in preferences if one.preference != 0]
    if not preferences:
        raise PreferenceError("no usable comparison to learn from: rate some pairs first")
    if not sides:
        raise PreferenceError(f"all {len(preferences)} comparisons are ties: nothing says which program is better")
    if len(sides) >= _ONE_SIDED and len(set(sides)) == 1:
        side = "B" if sides[0] else "A"
        raise PreferenceError(
            f"all {len(sides)} preferences are for side {side}: sides are shown at random, so this snapshot is biased "
            "or was written wrongly; look at its ratings before training on it"
        )


def estimate_of(preferences: Sequence[Preference]) -> Estimate:
    """What the ratings say of their annotators; ratings of the same two programs belong together, whatever side."""
    return estimate([_judgement(one) for one in preferences])


def weights(preferences: Sequence[Preference], believed: Estimate, *, by_reliability: bool) -> list[float]:
    """How much each rating counts: its own weight, its share of its annotator's one voice, and their reliability."""
    shares = believed.weights if by_reliability else believed.shares
    return [one.weight * share for one, share in zip(preferences, shares, strict=True)]


def shuffled(names: Iterable[str], *, seed: int) -> list[str]:
    """The names in an order that depends on the seed and on nothing else."""
    return sorted(names, key=lambda name: hashlib.sha256(f"{seed}/{name}".encode()).hexdigest())


def _judgement(one: Preference) -> Judgement:
    turned = one.code_a > one.code_b
    codes = sorted((one.code_a, one.code_b))
    key = hashlib.sha256("\0".join((one.prompt, *codes)).encode()).hexdigest()
    preference = -one.preference if turned else one.preference
    gold = one.gold.turned() if one.gold is not None and turned else one.gold
    return Judgement(key, one.annotator, None if one.unusable else preference, gold, one.weight)
