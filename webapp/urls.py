"""Every page's address. Project pages live below ``/p/<slug>/``."""

from __future__ import annotations

from django.urls import include, path

from webapp import home

urlpatterns = [
    path("", home.home, name="home"),
    path("health/", home.health, name="health"),
    path("i18n/", include("django.conf.urls.i18n")),
    path("accounts/", include("webapp.accounts.urls")),
    path("p/<slug:slug>/", include("webapp.catalog.urls")),
    path("p/<slug:slug>/rate/", include("webapp.feedback.urls")),
    path("p/<slug:slug>/runs/", include("webapp.runs.urls")),
    path("p/<slug:slug>/review/", include("webapp.review.urls")),
    path("p/<slug:slug>/audit/", include("webapp.audit.urls")),
]
