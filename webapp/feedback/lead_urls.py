"""Addresses of the leads' pages, below ``/p/<slug>/quality/``."""

from __future__ import annotations

from django.urls import path

from webapp.feedback import lead_views as views

app_name = "quality"
urlpatterns = [
    path("", views.overview, name="overview"),
    path("annotators/<int:user_id>/", views.annotator, name="annotator"),
    path("annotators/<int:user_id>/let-in/", views.let_in, name="let-in"),
    path("annotators/<int:user_id>/try-again/", views.try_again, name="try-again"),
    path("adjudication/", views.adjudications, name="adjudications"),
    path("adjudication/<int:comparison_id>/", views.pair, name="pair"),
    path("adjudication/<int:comparison_id>/decide/", views.decide, name="decide"),
    path("gold/", views.gold, name="gold"),
    path("gold/make/", views.make_gold, name="make-gold"),
    path("gold/<int:gold_id>/qualifying/", views.qualifying, name="qualifying"),
    path("flags/", views.flags, name="flags"),
    path("flags/<int:assignment_id>/resolve/", views.resolve_flag, name="resolve-flag"),
]
