"""Addresses of the feedback pages."""

from __future__ import annotations

from django.urls import path

from webapp.feedback import views

app_name = "feedback"
urlpatterns = [
    path("", views.rate, name="rate"),
    path("submit/", views.submit, name="submit"),
    path("draft/", views.draft, name="draft"),
    path("skip/", views.skip, name="skip"),
]
