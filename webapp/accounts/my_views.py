"""What people see and decide about their own data: their page, the download, the erasure, the consent."""

from __future__ import annotations

import time

from allauth.account.internal.flows.login import get_authentication_records
from allauth.mfa.utils import is_mfa_enabled
from allauth.socialaccount.models import SocialAccount
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_safe

from webapp.accounts import my_data, privacy
from webapp.accounts.erasure import ErasureRefused, erase
from webapp.accounts.forms import ErasureForm
from webapp.accounts.queries import signed_in
from webapp.catalog.models import Membership, Project
from webapp.permissions import role_required

JUST_NOW = 300
"""Seconds after signing in during which a person without a password is taken at their word."""


@never_cache
@require_safe
@login_required
def me(request: HttpRequest) -> HttpResponse:
    user = signed_in(request)
    context = {
        "memberships": [(row, privacy.needs_consent(row)) for row in my_data.memberships(user)],
        "two_step": is_mfa_enabled(user),
        "organisation": bool(settings.SOCIALACCOUNT_PROVIDERS),
        "connected": SocialAccount.objects.filter(user=user).exists(),
        "language_choices": settings.LANGUAGES,
    }
    return render(request, "accounts/me.html", context)


@never_cache
@require_safe
@login_required
def data(request: HttpRequest) -> HttpResponse:
    """Everything that is stored about the person, as one file."""
    response = JsonResponse(my_data.export(signed_in(request)), json_dumps_params={"ensure_ascii": False, "indent": 1})
    response.headers["Content-Disposition"] = 'attachment; filename="aval-my-data.json"'
    return response


@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "POST"])
@login_required
def erase_me(request: HttpRequest) -> HttpResponse:
    """The typed pseudonym and the password erase the person; who has no password must have signed in just now."""
    user = signed_in(request)
    form = ErasureForm(user, request.POST if request.method == "POST" else None)
    if form.is_bound and not user.has_usable_password() and not _signed_in_just_now(request):
        form.add_error(None, _("Sign out and in again, then come back here within five minutes."))
    if not form.is_valid():
        return render(request, "accounts/erase.html", {"form": form}, status=422 if form.is_bound else 200)
    try:
        erase(user)
    except ErasureRefused as refusal:
        form.add_error(None, str(refusal))
        return render(request, "accounts/erase.html", {"form": form}, status=409)
    logout(request)
    return render(request, "accounts/erased.html")


@never_cache
@require_http_methods(["GET", "POST"])
@role_required()
def consent(request: HttpRequest, project: Project) -> HttpResponse:
    """What is stored of an annotator's work; they agree before they rate, and may take it back here."""
    membership: Membership = request.membership  # type: ignore[attr-defined]
    onward = _onward(request)
    if request.method == "POST" and request.POST.get("decision") == "withdraw":
        privacy.withdraw_consent(membership)
        messages.success(request, _("You have taken your consent back. You are asked again before you rate."))
        return redirect("accounts:me")
    if request.method == "POST":
        privacy.give_consent(membership)
        return redirect(onward or reverse("feedback:rate", kwargs={"slug": project.slug}))
    context = {
        "project": project,
        "membership": membership,
        "next": onward,
        "needed": privacy.needs_consent(membership),
        "version": privacy.CONSENT_VERSION,
        "wording": f"accounts/_consent_{'es' if (get_language() or '').startswith('es') else 'en'}.html",
    }
    return render(request, "accounts/consent.html", context)


def _signed_in_just_now(request: HttpRequest) -> bool:
    records = get_authentication_records(request, signed_in(request))
    return bool(records) and time.time() - records[-1]["at"] < JUST_NOW


def _onward(request: HttpRequest) -> str:
    """Where the person was going, if that is a page of ours."""
    wanted = request.POST.get("next") or request.GET.get("next") or ""
    safe = url_has_allowed_host_and_scheme(
        wanted, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return wanted if safe else ""
