"""The forms with which people sign in; allauth's, with our names and words."""

from __future__ import annotations

from typing import Any

from allauth.account.forms import AddEmailForm, LoginForm
from allauth.account.internal.flows.email_verification import send_verification_email_to_address
from allauth.account.models import EmailAddress
from allauth.socialaccount.forms import SignupForm
from django import forms
from django.db import transaction
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from webapp.accounts.models import User


class SignInForm(LoginForm):  # type: ignore[misc]
    """Username or email, and password."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        login, password = self.fields["login"], self.fields["password"]
        login.label = _("Username or email")
        login.widget.attrs = {"autocomplete": "username", "autocapitalize": "none", "autofocus": True}
        password.help_text = ""
        password.widget.attrs.pop("placeholder", None)

    def add_prefix(self, field_name: str) -> str:
        """The field that allauth calls ``login`` is ``username`` in the page, as browsers and scripts know it."""
        prefixed: str = super().add_prefix("username" if field_name == "login" else field_name)
        return prefixed


class ChangeEmailForm(AddEmailForm):  # type: ignore[misc]
    """A new address, which takes the old one's place once its link was opened; until then the old one stays."""

    @transaction.atomic
    def save(self, request: HttpRequest) -> EmailAddress:
        """allauth's own would drop the current address at once where that was never confirmed."""
        mine = EmailAddress.objects.filter(user=self.user)
        mine.filter(verified=False).exclude(email=self.user.email).delete()
        address = EmailAddress.objects.create(user=self.user, email=self.cleaned_data["email"])
        send_verification_email_to_address(request, address)
        return address


class OrganisationSignUpForm(SignupForm):  # type: ignore[misc]
    """What somebody new adds to what their organisation says of them: a username and a pseudonym."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        del self.fields["email"]  # The organisation's is taken.
        self.fields["username"].label = _("Username")
        self.fields["username"].widget.attrs.pop("placeholder", None)
        self.fields["pseudonym"] = forms.CharField(
            label=_("Pseudonym"), max_length=40, help_text=_("What others in the project see instead of your name.")
        )

    def clean_pseudonym(self) -> str:
        pseudonym: str = self.cleaned_data["pseudonym"]
        if User.objects.filter(pseudonym=pseudonym).exists():
            raise forms.ValidationError(_("This pseudonym is taken."))
        return pseudonym
