"""What admins and engineers fill in on the catalog pages."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _

from webapp.catalog.models import Membership

LARGEST_UPLOAD = 64 * 1024 * 1024
"""Bytes."""


class RoleForm(forms.Form):
    role = forms.ChoiceField(label=_("Role"), choices=Membership.Role.choices)


class ImportForm(forms.Form):
    kind = forms.ChoiceField(
        label=_("What the file holds"),
        choices=(
            ("tasks", _("tasks of Aval")),
            ("mbpp", _("tasks in the format of MBPP")),
            ("humaneval", _("tasks in the format of HumanEval")),
            ("samples", _("samples: code for prompts that are here")),
        ),
        initial="tasks",
        required=False,
        help_text=_(
            "A task has key, family, split, language, text, entry, signature, solutions and tests; a sample has code, "
            "model, and its prompt's key (or text and signature)."
        ),
    )
    language = forms.ChoiceField(
        label=_("Language of the descriptions"),
        choices=(("en", _("English")), ("es", _("Spanish"))),
        initial="en",
        required=False,
        help_text=_("Only for MBPP and HumanEval, whose files don't say."),
    )
    pair = forms.BooleanField(label=_("Put the samples of each prompt before the annotators, in pairs"), required=False)
    file = forms.FileField(
        label=_("File"),
        help_text=_("JSON Lines, a JSON list, either of them gzipped, or Parquet."),
        widget=forms.ClearableFileInput(attrs={"accept": ".jsonl,.json,.gz,.parquet,application/json"}),
    )

    def clean_kind(self) -> str:
        return self.cleaned_data["kind"] or "tasks"

    def clean_language(self) -> str:
        return self.cleaned_data["language"] or "en"

    def clean_file(self) -> object:
        upload = self.cleaned_data["file"]
        if upload.size > LARGEST_UPLOAD:
            raise forms.ValidationError(_("The file is larger than 64 MB; split it into several."))
        return upload
