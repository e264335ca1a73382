"""A project's settings and its guideline, as an admin fills them in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django import forms
from django.conf import settings
from django.utils.translation import gettext_lazy as _

from webapp.catalog.models import Project, all_scales
from webapp.catalog.queries import newest_guidelines

if TYPE_CHECKING:
    _ProjectForm = forms.ModelForm[Project]
else:  # It is generic for type checkers only.
    _ProjectForm = forms.ModelForm

SCALE_CHOICES = (
    ("correctness", _("Correctness")),
    ("readability", _("Readability")),
    ("efficiency", _("Efficiency")),
    ("security", _("Security")),
)
LONGEST_GUIDELINE = 20_000


class ProjectForm(_ProjectForm):
    """How pairs are given out, what annotators see, and who may begin."""

    scales = forms.MultipleChoiceField(
        label=_("Scales"),
        choices=SCALE_CHOICES,
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=_("What is asked of each program besides the preference."),
    )
    qualification_percent = forms.IntegerField(
        label=_("Right answers needed, in percent"), min_value=0, max_value=100, initial=70
    )

    class Meta:
        model = Project
        fields = (
            "name",
            "overlap",
            "lease_minutes",
            "blind",
            "reveal",
            "scales",
            "gold_every",
            "qualification",
            "qualification_percent",
            "retention_days",
        )
        labels = {
            "name": _("Name"),
            "overlap": _("Ratings a pair"),
            "lease_minutes": _("Minutes to rate a pair"),
            "blind": _("Hide which model wrote a program"),
            "reveal": _("Show tests and proofs"),
            "gold_every": _("One gold question in so many pairs"),
            "qualification": _("Gold questions before anything else"),
            "retention_days": _("Days after which free text is erased"),
        }
        help_texts = {
            "overlap": _("For pairs that come from now on. Two or more show how far annotators agree."),
            "lease_minutes": _("A page that stays open renews them by itself."),
            "gold_every": _("On average; 0 for none."),
            "qualification": _("The qualification round of new annotators; 0 for none."),
            "retention_days": _("Rationales, comments and own versions. Empty: they are kept."),
        }

    def __init__(self, data: Mapping[str, Any] | None = None, *, instance: Project) -> None:
        super().__init__(data, instance=instance)
        if data is None:
            self.initial["qualification_percent"] = round(100 * instance.qualification_share)
        self.fields["overlap"].min_value = self.fields["lease_minutes"].min_value = 1  # type: ignore[attr-defined]

    def clean_scales(self) -> list[str]:
        """In the order in which they are shown everywhere."""
        return [name for name in all_scales() if name in self.cleaned_data["scales"]]

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or self.cleaned_data
        for name in ("overlap", "lease_minutes", "retention_days"):
            if data.get(name) is not None and data[name] < 1:
                self.add_error(name, _("Give a number of at least 1."))
        wanted = data.get("qualification") or 0
        known = self.instance.comparisons.filter(gold__qualifying=True).count()
        if wanted > known:
            self.add_error(
                "qualification",
                _("There are %(known)s qualifying gold questions: make more first.") % {"known": known},
            )
        return data

    def changes(self) -> dict[str, Any]:
        """The settings as they are to be stored."""
        data = {name: self.cleaned_data[name] for name in self.Meta.fields if name != "qualification_percent"}
        return {**data, "qualification_share": self.cleaned_data["qualification_percent"] / 100}


class GuidelineForm(forms.Form):
    """The guideline in each language."""

    def __init__(self, data: Mapping[str, Any] | None = None, *, project: Project) -> None:
        super().__init__(data)
        newest = newest_guideline(project)
        for code, name in settings.LANGUAGES:
            self.fields[f"text_{code}"] = forms.CharField(
                label=name,
                max_length=LONGEST_GUIDELINE,
                initial=newest.get(code, ""),
                widget=forms.Textarea(attrs={"rows": 14, "lang": code}),
            )

    def texts(self) -> dict[str, str]:
        return {code: self.cleaned_data[f"text_{code}"].replace("\r\n", "\n") for code, _name in settings.LANGUAGES}


def newest_guideline(project: Project) -> dict[str, str]:
    """The latest version's text by language."""
    return {row.language: row.text for row in newest_guidelines(project.pk)}
