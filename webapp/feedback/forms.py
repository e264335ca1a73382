"""The rating form, what of it is kept as a draft, and the small forms around it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
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
STRONGEST = max(value for value, _name, _label in PREFERENCES)
LONGEST_RATIONALE = 4000
LONGEST_COMMENT = 1000
LONGEST_CODE = 100_000
MOST_COMMENTS = 200
"""A side's, of one judgement."""
LONGEST_SECONDS = 24 * 3600.0


class RatingForm(forms.Form):
    """Everything of one judgement, in the order of the screen."""

    assignment = forms.IntegerField(min_value=1)
    submission = forms.UUIDField()
    preference = forms.IntegerField(min_value=-STRONGEST, max_value=STRONGEST, required=False)
    unusable = forms.BooleanField(required=False)
    rationale = forms.CharField(required=False, max_length=LONGEST_RATIONALE, strip=True)
    seconds = forms.FloatField(required=False, min_value=0)

    def __init__(self, *args: Any, scales: Sequence[str] = SCALES, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._scales = tuple(scales)
        for side in SIDES:
            self.fields[f"{side}_edited"] = forms.CharField(required=False, max_length=LONGEST_CODE, strip=False)
            for name in self._scales:
                self.fields[f"{side}_{name}"] = forms.IntegerField(min_value=1, max_value=5, required=False)

    def clean(self) -> dict[str, Any]:
        """A judgement says which is better, or that neither is of use; ``unusable`` wins when both are given."""
        data: dict[str, Any] = super().clean() or self.cleaned_data
        if not data.get("unusable") and data.get("preference") is None and "preference" not in self.errors:
            self.add_error("preference", _("Choose one of the seven preferences, or mark both as unusable."))
        for side in SIDES:
            data[f"{side}_comments"] = self._comments(side)
        return data

    def _comments(self, side: str) -> dict[int, str]:
        """What is said of single lines of one side, in fields by number or in the row that needs no script."""
        found = {
            int(match[1]): str(value).strip()
            for name, value in self.data.items()
            if (match := _COMMENT.fullmatch(name)) and name.startswith(side)
        }
        line, text = (str(self.data.get(f"{side}_new_{part}", "")).strip() for part in ("line", "comment"))
        if text and not line.isdecimal():
            self.add_error(None, _("Say which line the comment is about, as a number."))
        elif text and len(line) < 6:
            found[int(line)] = f"{found[int(line)]}\n{text}" if found.get(int(line)) else text
        found = {line: text for line, text in found.items() if text}
        if any(len(text) > LONGEST_COMMENT for text in found.values()) or len(found) > MOST_COMMENTS:
            longest = {"count": LONGEST_COMMENT, "most": MOST_COMMENTS}
            self.add_error(None, _("A comment may have %(count)s characters, a program %(most)s comments.") % longest)
        return found

    def judgement(self) -> Judgement:
        data = self.cleaned_data
        left, right = (
            {name: data[f"{side}_{name}"] for name in self._scales if data.get(f"{side}_{name}") is not None}
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
            first_comments=data["left_comments"],
            second_comments=data["right_comments"],
            first_edited=data["left_edited"].replace("\r\n", "\n"),
            second_edited=data["right_edited"].replace("\r\n", "\n"),
        )


class SkipForm(forms.Form):
    assignment = forms.IntegerField(min_value=1)
    reason = forms.ChoiceField(
        choices=SKIP_REASONS, error_messages={"required": gettext_lazy("Choose a reason for skipping.")}
    )


class FlagForm(forms.Form):
    assignment = forms.IntegerField(min_value=1)
    problem = forms.CharField(
        max_length=1000, error_messages={"required": gettext_lazy("Say in a few words what is wrong with this pair.")}
    )


class RevisionForm(forms.Form):
    """A changed mind, in the order of the screen."""

    choice = forms.ChoiceField(
        choices=[*((str(value), name) for value, name, _label in PREFERENCES), ("unusable", "unusable")],
        error_messages={"required": gettext_lazy("Choose one of the seven preferences, or mark both as unusable.")},
    )
    reason = forms.CharField(required=False, max_length=1000)

    @property
    def unusable(self) -> bool:
        return bool(self.cleaned_data["choice"] == "unusable")

    @property
    def preference(self) -> int | None:
        return None if self.unusable else int(self.cleaned_data["choice"])


@dataclass(frozen=True)
class Comment:
    """What is said of one line, as the page draws it."""

    line: int
    text: str
    name: str


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
    names = ("preference", "unusable", "rationale", "seconds", *_scale_fields(), *_free_fields())
    commented = [name for name in data if _COMMENT.fullmatch(name)][: 2 * MOST_COMMENTS]
    kept = {
        name: str(data[name])[: LONGEST_CODE if name.endswith("_edited") else LONGEST_RATIONALE].replace("\0", "")
        for name in (*names, *commented)
        if name in data
    }
    return {name: value for name, value in kept.items() if value}


def comments_of(side: str, values: Mapping[str, Any]) -> list[Comment]:
    """The comments of one side in a half-filled form, by line."""
    numbered = [(int(match[1]), name) for name in values if (match := _COMMENT.fullmatch(name))]
    return [Comment(line, str(values[name]), name) for line, name in sorted(numbered) if name.startswith(side)]


def preference_points(values: Mapping[str, Any]) -> list[Point]:
    chosen = str(values.get("preference", ""))
    return [Point(value, name, str(label), str(value) == chosen) for value, name, label in PREFERENCES]


def in_words(preference: int | None) -> str:
    """A preference as people say it; None is "both unusable"."""
    if preference is None:
        return _("Both are unusable")
    return str(next(label for value, _name, label in PREFERENCES if value == preference))


def scale_rows(side: str, values: Mapping[str, Any], scales: Sequence[str] = SCALES) -> list[ScaleRow]:
    return [_scale_row(f"{side}_{name}", name, values) for name in scales if name in SCALE_NAMES]


def _scale_row(field: str, name: str, values: Mapping[str, Any]) -> ScaleRow:
    chosen = str(values.get(field, ""))
    points = tuple(Point(point, str(point), str(point), str(point) == chosen) for point in range(1, 6))
    low, high = SCALE_ENDS[name]
    return ScaleRow(field, str(SCALE_NAMES[name]), str(low), str(high), points)


_COMMENT = re.compile(r"(?:left|right)_comment_([1-9]\d{0,4})")


def _free_fields() -> Iterator[str]:
    return (f"{side}_{name}" for side in SIDES for name in ("edited", "new_line", "new_comment"))


def _scale_fields() -> Iterator[str]:
    return (f"{side}_{name}" for side in SIDES for name in SCALES)
