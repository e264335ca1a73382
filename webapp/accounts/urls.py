"""Addresses of the accounts pages; those that allauth looks up by its own names are in ``allauth_urls``."""

from __future__ import annotations

from allauth.account import views as allauth
from django.urls import path, re_path

from webapp.accounts import my_views, views

app_name = "accounts"
urlpatterns = [
    path("login/", views.Login.as_view(), name="login"),
    path("logout/", views.logout, name="logout"),
    path("language/", views.language, name="language"),
    path("join/<str:token>/", views.join, name="join"),
    path("password/", views.PasswordReset.as_view(), name="password_reset"),
    path("password/sent/", views.PasswordResetSent.as_view(), name="password_reset_sent"),
    path("password/change/", allauth.password_change, name="password_change"),
    re_path(
        r"^password/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$",
        views.PasswordResetConfirm.as_view(),
        name="password_reset_confirm",
    ),
    path("me/", my_views.me, name="me"),
    path("me/data/", my_views.data, name="data"),
    path("me/erase/", my_views.erase_me, name="erase"),
]
