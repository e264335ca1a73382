"""One judgement, as an annotator sees the pair (left, right) and as it is stored (A, B)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

SCALES = ("correctness", "readability", "efficiency", "security")
SIDES = ("left", "right")


@dataclass(frozen=True)
class Judgement:
    """What was said of the pair. ``preference`` is from -3 (first much better) to 3 (second much better)."""

    preference: int | None
    """None when both are unusable."""
    unusable: bool = False
    first: Mapping[str, int] = field(default_factory=dict)
    """Scales from 1 to 5 by name; absent when not given."""
    second: Mapping[str, int] = field(default_factory=dict)
    rationale: str = ""
    seconds: float | None = None

    def turned(self, swapped: bool) -> Judgement:
        """The same judgement with the sides exchanged: from the screen's order to the stored one, and back."""
        if not swapped:
            return self
        preference = None if self.preference is None else -self.preference
        return Judgement(preference, self.unusable, self.second, self.first, self.rationale, self.seconds)
