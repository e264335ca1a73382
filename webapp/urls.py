"""Every page's address. Project pages live below ``/p/<slug>/``."""

from __future__ import annotations

from django.urls import include, path

from webapp import home
from webapp.accounts import my_views
from webapp.feedback import export_views

urlpatterns = [
    path("", home.home, name="home"),
    path("health/", home.health, name="health"),
    path("i18n/", include("django.conf.urls.i18n")),
    path("accounts/", include("webapp.accounts.urls")),
    path("accounts/", include("webapp.accounts.allauth_urls")),
    path("p/<slug:slug>/consent/", my_views.consent, name="consent"),
    path("p/<slug:slug>/", include("webapp.catalog.urls")),
    path("p/<slug:slug>/rate/", include("webapp.feedback.urls")),
    path("p/<slug:slug>/quality/", include("webapp.feedback.lead_urls")),
    path("p/<slug:slug>/export/", export_views.page, name="export"),
    path("p/<slug:slug>/runs/", include("webapp.runs.urls")),
    path("p/<slug:slug>/review/", include("webapp.review.urls")),
    path("p/<slug:slug>/audit/", include("webapp.audit.urls")),
]
