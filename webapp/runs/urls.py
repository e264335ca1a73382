"""Addresses of the runs pages."""

from __future__ import annotations

from django.urls import path

from webapp.runs import views

app_name = "runs"
urlpatterns = [
    path("", views.run_list, name="list"),
    path("new/<slug:kind>/", views.new, name="new"),
    path("<int:run_id>/", views.detail, name="detail"),
    path("<int:run_id>/summary/", views.summary, name="summary"),
    path("<int:run_id>/cancel/", views.cancel, name="cancel"),
    path("<int:run_id>/resume/", views.resume, name="resume"),
    path("<int:run_id>/events", views.events, name="events"),
]
