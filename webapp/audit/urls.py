"""The address of the audit log."""

from __future__ import annotations

from django.urls import path

from webapp.audit import views

app_name = "audit"
urlpatterns = [path("", views.event_list, name="list")]
