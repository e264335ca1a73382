"""Where allauth asks what is allowed here: nobody signs up, and an organisation's sign-in opens no account unasked."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.core.internal.ratelimit import get_ip
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Q
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import get_language, override
from django.utils.translation import gettext_lazy as _

from webapp.accounts import actions
from webapp.accounts.models import User
from webapp.accounts.queries import pending_invitation

_MISMATCH = _("Please enter a correct username and password. Upper and lower case matter in the password.")


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    """Accounts with a username and a password."""

    error_messages = {
        **DefaultAccountAdapter.error_messages,
        "username_password_mismatch": _MISMATCH,
        "email_password_mismatch": _MISMATCH,
        "too_many_login_attempts": _(
            "Too many wrong entries. Wait a few minutes and try again, or ask for a link to set a new password."
        ),
        "incorrect_password": _("This is not your password."),
        "enter_current_password": _("This is not your current password."),
        "rate_limited": _("Too many wrong entries. Wait a few minutes and try again."),
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def clean_username(self, username: str, shallow: bool = False) -> str:
        if actions.is_reserved(username):
            raise ValidationError(_("This username is taken."))
        cleaned: str = super().clean_username(username, shallow=shallow)
        return cleaned

    def post_login(self, request: HttpRequest, user: User, **about: Any) -> HttpResponseBase:
        """Speak the person's language from the next page on, however they signed in."""
        response: HttpResponseBase = super().post_login(request, user, **about)
        remember_language(response, user.language)
        return response

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        user = context.get("user")
        with override(user.language if isinstance(user, User) else get_language()):
            super().send_mail(template_prefix, email, context)

    def get_password_change_redirect_url(self, request: HttpRequest) -> str:
        return reverse("accounts:me")

    def get_email_verification_redirect_url(self, email_address: Any) -> str:
        return reverse("accounts:me")

    def _get_login_attempts_cache_key(self, request: HttpRequest, **credentials: Any) -> str:
        """Wrong passwords count for one account from one address, whichever of its names was given."""
        return f"{_account(credentials.get('email') or credentials.get('username') or '')} from {get_ip(request)}"


class SecondStepAdapter(DefaultMFAAdapter):  # type: ignore[misc]
    """Codes of an authenticator app, and recovery codes."""

    error_messages = {
        **DefaultMFAAdapter.error_messages,
        "incorrect_code": _("This code is wrong, too old or was used already. Enter the one that the app shows now."),
    }


class OrganisationAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc]
    """Accounts of an organisation's OpenID Connect server."""

    error_messages = {
        **DefaultSocialAccountAdapter.error_messages,
        "no_password": _("Set a password first: without one you could not sign in any more."),
    }

    def is_open_for_signup(self, request: HttpRequest, sociallogin: Any) -> bool:
        return pending_invitation(request) is not None

    def authenticate_by_email(self, sociallogin: Any) -> tuple[User, str] | None:
        """The account whose own address was confirmed, if the server says that it confirmed the same one.

        An address that the account merely names proves nothing: somebody may have joined with another's.
        """
        for address in sociallogin.email_addresses:
            if not _is_true(address.verified):
                continue
            owner = User.objects.filter(
                emailaddress__email__iexact=address.email, emailaddress__verified=True, is_active=True
            ).first()
            if owner is not None:
                return owner, address.email
        return None

    def get_connect_redirect_url(self, request: HttpRequest, socialaccount: Any) -> str:
        return reverse("accounts:me")

    @transaction.atomic
    def save_user(self, request: HttpRequest, sociallogin: Any, form: Any = None) -> User:
        """The account of somebody new, and the membership that they were invited to: both, or neither."""
        invitation = pending_invitation(request)
        if invitation is None or form is None:
            raise _gone(request)
        for address in sociallogin.email_addresses:
            address.verified = _is_true(address.verified)
        user: User = sociallogin.user
        user.username = form.cleaned_data["username"]
        user.pseudonym = form.cleaned_data["pseudonym"]
        user.language = get_language() or settings.LANGUAGE_CODE
        user.first_name = user.last_name = ""
        user.set_unusable_password()
        sociallogin.save(request)
        try:
            actions.join(invitation, user)
        except actions.InvitationRefused:
            raise _gone(request) from None
        sociallogin.state["next"] = reverse("catalog:project", kwargs={"slug": invitation.project.slug})
        return user


def remember_language(response: HttpResponseBase, code: str) -> None:
    response.set_cookie(
        settings.LANGUAGE_COOKIE_NAME, code, max_age=365 * 24 * 3600, samesite="Lax", secure=settings.SECURE_COOKIES
    )


def display_name(user: User) -> str:
    return user.pseudonym


def _account(login: str) -> str:
    named = User.objects.filter(
        Q(username__iexact=login) | Q(email__iexact=login) | Q(emailaddress__email__iexact=login)
    )
    found = named.order_by("pk").values_list("pk", flat=True).first()
    return f"name {login.lower()}" if found is None else f"account {found}"


def _is_true(verified: Any) -> bool:
    """Some servers send the word instead of the value; ``"false"`` must not count as true."""
    return verified is True or str(verified).lower() == "true"


def _gone(request: HttpRequest) -> Exception:
    refusal: Exception = ImmediateHttpResponse(render(request, "accounts/invitation_gone.html", status=410))
    return refusal
