"""Signing in and out, joining by invitation, a new password, and the language."""

from __future__ import annotations

from typing import Any

from allauth.account import views as allauth
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse_lazy
from django.utils.translation import get_language, override
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST
from django.views.i18n import set_language as set_language_cookie

from webapp.accounts import actions, oidc
from webapp.accounts.adapters import remember_language
from webapp.accounts.forms import SignUpForm
from webapp.accounts.models import Invitation, User
from webapp.accounts.queries import INVITATION_KEY, open_invitation


class Login(allauth.LoginView):  # type: ignore[misc]
    template_name = "accounts/login.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return {**super().get_context_data(**kwargs), "organisation": _organisation()}


class PasswordReset(allauth.PasswordResetView):  # type: ignore[misc]
    template_name = "accounts/password_reset.html"
    success_url = reverse_lazy("accounts:password_reset_sent")


class PasswordResetSent(allauth.PasswordResetDoneView):  # type: ignore[misc]
    template_name = "accounts/password_reset_sent.html"


class PasswordResetConfirm(allauth.PasswordResetFromKeyView):  # type: ignore[misc]
    template_name = "accounts/password_reset_confirm.html"
    success_url = reverse_lazy("accounts:login")


logout = require_POST(allauth.logout)


@require_POST
def language(request: HttpRequest) -> HttpResponseBase:
    """Switch the language for this browser and, when signed in, for the person."""
    chosen = request.POST.get("language", "")
    if isinstance(request.user, User) and chosen in dict(settings.LANGUAGES):
        actions.set_language(request.user, chosen)
    return set_language_cookie(request)


@never_cache
@sensitive_post_parameters("password1", "password2")
@require_http_methods(["GET", "POST"])
def join(request: HttpRequest, token: str) -> HttpResponse:
    """Where an invitation's link leads: sign up, or accept it as the person who is signed in."""
    invitation = open_invitation(token)
    if invitation is None:
        return render(request, "accounts/invitation_gone.html", status=410)
    if isinstance(request.user, User):
        return _accept(request, invitation, request.user)
    if _organisation():
        request.session[INVITATION_KEY] = invitation.pk
    return _sign_up(request, invitation)


def _accept(request: HttpRequest, invitation: Invitation, user: User) -> HttpResponse:
    if request.method != "POST":
        return render(request, "accounts/join.html", {"invitation": invitation})
    try:
        actions.accept(invitation, user)
    except actions.InvitationRefused as refusal:
        messages.warning(request, str(refusal))
        return redirect("home")
    messages.success(request, _("Welcome to %(project)s.") % {"project": invitation.project.name})
    return redirect("catalog:project", slug=invitation.project.slug)


def _sign_up(request: HttpRequest, invitation: Invitation) -> HttpResponse:
    sent = request.method == "POST"
    form = SignUpForm(request.POST if sent else None, initial={"language": get_language()})
    if not form.is_valid():
        status = 422 if sent else 200
        context = {"invitation": invitation, "form": form, "organisation": _organisation()}
        return render(request, "accounts/join.html", context, status=status)
    data = form.cleaned_data
    try:
        user = actions.sign_up(
            invitation,
            username=data["username"],
            password=data["password1"],
            pseudonym=data["pseudonym"],
            email=data["email"],
            language=data["language"],
        )
    except actions.InvitationRefused:
        return render(request, "accounts/invitation_gone.html", status=410)
    login(request, user)
    with override(user.language):
        messages.success(request, _("Welcome to %(project)s.") % {"project": invitation.project.name})
    response = redirect("catalog:project", slug=invitation.project.slug)
    remember_language(response, user.language)
    return response


def _organisation() -> dict[str, str] | None:
    """The organisation whose server people may sign in with: its provider's id and its name."""
    apps = settings.SOCIALACCOUNT_PROVIDERS.get("openid_connect", {}).get("APPS", [])
    return {"id": oidc.PROVIDER_ID, "name": apps[0]["name"]} if apps else None
