"""What admins and engineers fill in on the catalog pages."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _

from webapp.catalog.models import Membership

LARGEST_UPLOAD = 64 * 1024 * 1024
"""Bytes."""


class RoleForm(forms.Form):
    role = forms.ChoiceField(label=_("Role"), choices=Membership.Role.choices)


class PromptsForm(forms.Form):
    file = forms.FileField(
        label=_("A JSONL file of tasks"),
        help_text=_("One task a line: key, family, split, language, text, entry, signature, solutions and tests."),
        widget=forms.ClearableFileInput(attrs={"accept": ".jsonl,application/jsonl,application/x-ndjson"}),
    )

    def clean_file(self) -> object:
        upload = self.cleaned_data["file"]
        if upload.size > LARGEST_UPLOAD:
            raise forms.ValidationError(_("The file is larger than 64 MB; split it into several."))
        return upload
