"""Signing in and out, joining by invitation, a new password, and the language."""

from __future__ import annotations

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth import views as auth
from django.contrib.auth.forms import AuthenticationForm, SetPasswordForm
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse_lazy
from django.utils.translation import get_language, override
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST
from django.views.i18n import set_language as set_language_cookie

from webapp.accounts import actions
from webapp.accounts.forms import SignUpForm
from webapp.accounts.models import Invitation, User
from webapp.accounts.queries import open_invitation


class Login(auth.LoginView):
    template_name = "accounts/login.html"
    redirect_authenticated_user = True

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        """Sign in, and speak the person's language from the next page on."""
        response = super().form_valid(form)
        user = form.get_user()
        if isinstance(user, User):
            _remember_language(response, user.language)
        return response


class PasswordReset(auth.PasswordResetView):
    template_name = "accounts/password_reset.html"
    email_template_name = "accounts/password_reset_email.txt"
    subject_template_name = "accounts/password_reset_subject.txt"
    success_url = reverse_lazy("accounts:password_reset_sent")


class PasswordResetSent(auth.PasswordResetDoneView):
    template_name = "accounts/password_reset_sent.html"


class PasswordResetConfirm(auth.PasswordResetConfirmView):
    template_name = "accounts/password_reset_confirm.html"
    success_url = reverse_lazy("accounts:login")

    def form_valid(self, form: SetPasswordForm[User]) -> HttpResponse:
        messages.success(self.request, _("Your password has been changed. Sign in with the new one."))
        return super().form_valid(form)


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
        return render(request, "accounts/join.html", {"invitation": invitation, "form": form}, status=status)
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
    _remember_language(response, user.language)
    return response


def _remember_language(response: HttpResponse, code: str) -> None:
    response.set_cookie(
        settings.LANGUAGE_COOKIE_NAME, code, max_age=365 * 24 * 3600, samesite="Lax", secure=settings.SECURE_COOKIES
    )
