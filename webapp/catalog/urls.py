"""Addresses of the catalog pages."""

from __future__ import annotations

from django.urls import path

from webapp.catalog import settings_views, views

app_name = "catalog"
urlpatterns = [
    path("", views.project, name="project"),
    path("settings/", settings_views.project_settings, name="settings"),
    path("members/", views.members, name="members"),
    path("members/invite/", views.invitation, name="invite"),
    path("members/<int:pk>/role/", views.role, name="role"),
    path("members/<int:pk>/second-step/", views.second_step, name="second-step"),
    path("prompts/import/", views.import_prompts, name="import"),
]
