"""The rating form, and what of it is kept as a draft."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django import forms
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from webapp.feedback.judgement import SCALES, SIDES, Judgement

PREFERENCES: tuple[tuple[int, str, str | Promise], ...] = (
    (-3, "A3", gettext_lazy("A is much better")),
    (-2, "A2", gettext_lazy("A is better")),
    (-1, "A1", gettext_lazy("A is slightly better")),
    (0, "=", gettext_lazy("Both are equally good")),
    (1, "B1", gettext_lazy("B is slightly better")),
    (2, "B2", gettext_lazy("B is better")),
    (3, "B3", gettext_lazy("B is much better")),
)
SCALE_NAMES: dict[str, str | Promise] = {
    "correctness": gettext_lazy("Correctness"),
    "readability": gettext_lazy("Readability"),
    "efficiency": gettext_lazy("Efficiency"),
    "security": gettext_lazy("Security"),
}
SCALE_ENDS: dict[str, tuple[str | Promise, str | Promise]] = {
    "correctness": (gettext_lazy("wrong"), gettext_lazy("correct for every input")),
    "readability": (gettext_lazy("hard to follow"), gettext_lazy("clear at first reading")),
    "efficiency": (gettext_lazy("wasteful"), gettext_lazy("nothing to gain")),
    "security": (gettext_lazy("dangerous"), gettext_lazy("safe with any input")),
}
SKIP_REASONS: tuple[tuple[str, str | Promise], ...] = (
    ("unclear", gettext_lazy("The prompt is unclear")),
    ("expertise", gettext_lazy("Outside what I know")),
    ("same", gettext_lazy("The two are the same")),
    ("display", gettext_lazy("Something is not shown properly")),
    ("other", gettext_lazy("Another reason")),
)
LONGEST_RATIONALE = 4000
LONGEST_SECONDS = 24 * 3600.0


class RatingForm(forms.Form):
    """Everything of one judgement, in the order of the screen."""

    assignment = forms.IntegerField(min_value=1)
    submission = forms.UUIDField()
    preference = forms.TypedChoiceField(
        choices=[(value, name) for value, name, _label in PREFERENCES], coerce=int, empty_value=None, required=False
    )
    unusable = forms.BooleanField(required=False)
    rationale = forms.CharField(required=False, max_length=LONGEST_RATIONALE, strip=True)
    seconds = forms.FloatField(required=False, min_value=0)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for side in SIDES:
            for name in SCALES:
                self.fields[f"{side}_{name}"] = forms.TypedChoiceField(
                    choices=[(point, str(point)) for point in range(1, 6)], coerce=int, empty_value=None, required=False
                )

    def clean(self) -> dict[str, Any]:
        """A judgement says which is better, or that neither is of use; ``unusable`` wins when both are given."""
        data: dict[str, Any] = super().clean() or self.cleaned_data
        if not data.get("unusable") and data.get("preference") is None and "preference" not in self.errors:
            self.add_error("preference", _("Choose one of the seven preferences, or mark both as unusable."))
        return data

    def judgement(self) -> Judgement:
        data = self.cleaned_data
        left, right = (
            {name: data[f"{side}_{name}"] for name in SCALES if data.get(f"{side}_{name}") is not None}
            for side in SIDES
        )
        seconds = data.get("seconds")
        return Judgement(
            preference=None if data["unusable"] else data["preference"],
            unusable=data["unusable"],
            first=left,
            second=right,
            rationale=data["rationale"],
            seconds=None if seconds is None else min(seconds, LONGEST_SECONDS),
        )


class SkipForm(forms.Form):
    assignment = forms.IntegerField(min_value=1)
    reason = forms.ChoiceField(
        choices=SKIP_REASONS, error_messages={"required": gettext_lazy("Choose a reason for skipping.")}
    )


@dataclass(frozen=True)
class Point:
    """One radio button of a scale or of the preference."""

    value: int
    name: str
    label: str
    checked: bool


@dataclass(frozen=True)
class ScaleRow:
    """One scale of one side, as the page draws it."""

    field: str
    label: str
    low: str
    high: str
    points: tuple[Point, ...]


def draft_of(data: Mapping[str, Any]) -> dict[str, str]:
    """What of a half-filled form is worth keeping, as it was typed."""
    names = ("preference", "unusable", "rationale", "seconds", *_scale_fields())
    kept = {name: str(data[name])[:LONGEST_RATIONALE].replace("\0", "") for name in names if name in data}
    return {name: value for name, value in kept.items() if value}


def preference_points(values: Mapping[str, Any]) -> list[Point]:
    chosen = str(values.get("preference", ""))
    return [Point(value, name, str(label), str(value) == chosen) for value, name, label in PREFERENCES]


def scale_rows(side: str, values: Mapping[str, Any]) -> list[ScaleRow]:
    return [_scale_row(f"{side}_{name}", name, values) for name in SCALES]


def _scale_row(field: str, name: str, values: Mapping[str, Any]) -> ScaleRow:
    chosen = str(values.get(field, ""))
    points = tuple(Point(point, str(point), str(point), str(point) == chosen) for point in range(1, 6))
    low, high = SCALE_ENDS[name]
    return ScaleRow(field, str(SCALE_NAMES[name]), str(low), str(high), points)


def _scale_fields() -> Iterator[str]:
    return (f"{side}_{name}" for side in SIDES for name in SCALES)
