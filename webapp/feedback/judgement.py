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
    first_comments: Mapping[int, str] = field(default_factory=dict)
    """What is said of single lines, by the line's number from 1."""
    second_comments: Mapping[int, str] = field(default_factory=dict)
    first_edited: str = ""
    """The code as the annotator would have it; empty when nothing was changed."""
    second_edited: str = ""

    def turned(self, swapped: bool) -> Judgement:
        """The same judgement with the sides exchanged: from the screen's order to the stored one, and back."""
        if not swapped:
            return self
        return Judgement(
            preference=turned(self.preference, True),
            unusable=self.unusable,
            first=self.second,
            second=self.first,
            rationale=self.rationale,
            seconds=self.seconds,
            first_comments=self.second_comments,
            second_comments=self.first_comments,
            first_edited=self.second_edited,
            second_edited=self.first_edited,
        )


def turned(preference: int | None, swapped: bool) -> int | None:
    """A preference between the screen's order and the stored one."""
    return preference if preference is None or not swapped else -preference
