"""What leads fill in: a decision about a pair, and the right answer to a gold question."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from webapp.feedback.forms import PREFERENCES, in_words, preference_points

LONGEST_REASON = 4000
_POINTS = [(value, label) for value, _name, label in PREFERENCES]

__all__ = ["AdjudicationForm", "GoldForm", "in_words", "preference_points", "range_in_words"]


def range_in_words(lowest: int | None, highest: int | None) -> str:
    """The right answers to a gold question."""
    if lowest == highest:
        return in_words(lowest)
    return _("%(low)s … %(high)s") % {"low": in_words(lowest), "high": in_words(highest)}


class AdjudicationForm(forms.Form):
    """One of seven preferences or "both unusable", with a reason."""

    preference = forms.TypedChoiceField(choices=_POINTS, coerce=int, empty_value=None, required=False)
    unusable = forms.BooleanField(required=False)
    reason = forms.CharField(
        max_length=LONGEST_REASON,
        error_messages={"required": gettext_lazy("Give a reason: the annotators can learn from it.")},
    )

    def clean(self) -> dict[str, Any]:
        """``unusable`` wins when both are given, as on the rating page."""
        data: dict[str, Any] = super().clean() or self.cleaned_data
        if data.get("unusable"):
            data["preference"] = None
        elif data.get("preference") is None and "preference" not in self.errors:
            self.add_error("preference", _("Choose one of the seven preferences, or mark both as unusable."))
        return data


class GoldForm(forms.Form):
    """The right answers to a pair, why, and whether it is part of the qualification round."""

    ABOUT_SIDES = gettext_lazy(
        "Name the programs by what they do, not “A” and “B”: each annotator sees the two in an order drawn at random."
    )

    comparison = forms.IntegerField(min_value=1, max_value=2**63 - 1, widget=forms.HiddenInput)
    lowest = forms.TypedChoiceField(choices=[("", "—"), *_POINTS], coerce=int, empty_value=None, required=False)
    highest = forms.TypedChoiceField(choices=[("", "—"), *_POINTS], coerce=int, empty_value=None, required=False)
    unusable = forms.BooleanField(required=False)
    explanation_en = forms.CharField(required=False, max_length=LONGEST_REASON, help_text=ABOUT_SIDES)
    explanation_es = forms.CharField(required=False, max_length=LONGEST_REASON, help_text=ABOUT_SIDES)
    qualifying = forms.BooleanField(required=False)

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or self.cleaned_data
        if data.get("unusable"):
            data["lowest"] = data["highest"] = None
            return data
        lowest, highest = data.get("lowest"), data.get("highest")
        if lowest is None or highest is None:
            self.add_error("lowest", _("Choose both ends of the right answers, or mark both as unusable."))
        elif lowest > highest:
            self.add_error("lowest", _("The first end has to be nearer to A than the second: exchange them."))
        return data

    def explanation(self) -> Mapping[str, str]:
        """By language; what was left empty is left out."""
        given = {language: self.cleaned_data[f"explanation_{language}"].strip() for language in ("en", "es")}
        return {language: text for language, text in given.items() if text}
