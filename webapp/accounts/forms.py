"""What people fill in about themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from allauth.account.adapter import get_adapter
from django import forms
from django.contrib.auth.forms import BaseUserCreationForm
from django.utils.translation import gettext_lazy as _

from webapp.accounts.actions import is_reserved
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
        if is_reserved(username) or User.objects.filter(username__iexact=username).exists():
            raise forms.ValidationError(_("This username is taken."))
        return username


class ErasureForm(forms.Form):
    """The typed pseudonym, and the password of who has one: nobody is erased by a slip, or by another at their desk."""

    pseudonym = forms.CharField(
        label=_("Your pseudonym"),
        help_text=_("Type it exactly as it is shown above."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "none"}),
    )
    password = forms.CharField(
        label=_("Your password"),
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )

    def __init__(self, user: User, data: Mapping[str, Any] | None = None) -> None:
        super().__init__(data)
        self.user = user
        if not user.has_usable_password():
            del self.fields["password"]

    def clean_pseudonym(self) -> str:
        typed: str = self.cleaned_data["pseudonym"]
        if typed != self.user.pseudonym:
            raise forms.ValidationError(_("This is not your pseudonym."))
        return typed

    def clean_password(self) -> str:
        """Counted like a wrong password at sign-in."""
        password: str = self.cleaned_data["password"]
        adapter = get_adapter()
        if not adapter.reauthenticate(self.user, password):
            raise adapter.validation_error("incorrect_password")
        return password
