"""The same pages under the names that allauth reverses, and those of its pages that have no name of ours."""

from __future__ import annotations

from allauth.account import views as allauth
from allauth.account.decorators import reauthentication_required
from django.urls import include, path, re_path
from django.views.generic import RedirectView

from webapp.accounts import views

urlpatterns = [
    path("login/", views.Login.as_view(), name="account_login"),
    path("logout/", views.logout, name="account_logout"),
    path("inactive/", allauth.account_inactive, name="account_inactive"),
    path("signup/", allauth.signup, name="account_signup"),
    path("reauthenticate/", allauth.reauthenticate, name="account_reauthenticate"),
    path("email/", reauthentication_required(allauth.email), name="account_email"),
    path("confirm-email/", allauth.email_verification_sent, name="account_email_verification_sent"),
    re_path(r"^confirm-email/(?P<key>[-:\w]+)/$", allauth.confirm_email, name="account_confirm_email"),
    path("password/", views.PasswordReset.as_view(), name="account_reset_password"),
    path("password/sent/", views.PasswordResetSent.as_view(), name="account_reset_password_done"),
    path("password/change/", allauth.password_change, name="account_change_password"),
    path("password/set/", reauthentication_required(allauth.password_set), name="account_set_password"),
    re_path(
        r"^password/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$",
        views.PasswordResetConfirm.as_view(),
        name="account_reset_password_from_key",
    ),
    path(
        "password/done/",
        RedirectView.as_view(pattern_name="accounts:login"),
        name="account_reset_password_from_key_done",
    ),
    path("mfa/", include("allauth.mfa.urls")),
    path("organisation/", include("allauth.socialaccount.urls")),
    path("", include("allauth.socialaccount.providers.openid_connect.urls")),
]
