"""What people fill in about themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django import forms
from django.contrib.auth.forms import BaseUserCreationForm
from django.utils.translation import gettext_lazy as _

from webapp.accounts.models import User

if TYPE_CHECKING:
    _UserCreationForm = BaseUserCreationForm[User]
else:  # It is generic for type checkers only.
    _UserCreationForm = BaseUserCreationForm


class SignUpForm(_UserCreationForm):
    """A new account; the passwords are checked by Django's validators."""

    email = forms.EmailField(
        label=_("Email"), max_length=254, help_text=_("Only used to send you a link when you forget your password.")
    )

    class Meta:
        model = User
        fields = ("username", "pseudonym", "email", "language")
        labels = {"pseudonym": _("Pseudonym"), "language": _("Language")}
        help_texts = {"pseudonym": _("What others in the project see instead of your name.")}

    def clean_username(self) -> str:
        """Names that differ in case only would be mistaken for each other."""
        username: str = self.cleaned_data["username"]
        if User.objects.filter(username__iexact=username).exists():
            raise forms.ValidationError(_("This username is taken."))
        return username
