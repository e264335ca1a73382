"""Addresses of the feedback pages."""

from __future__ import annotations

from django.urls import path

from webapp.feedback import own_views, views

app_name = "feedback"
urlpatterns = [
    path("", views.rate, name="rate"),
    path("submit/", views.submit, name="submit"),
    path("draft/", views.draft, name="draft"),
    path("renew/", views.renew, name="renew"),
    path("skip/", views.skip, name="skip"),
    path("flag/", views.flag, name="flag"),
    path("undo/", views.undo, name="undo"),
    path("difference/<int:assignment_id>/", views.difference, name="difference"),
    path("<int:rating_id>/revise/", views.revise, name="revise"),
    path("mine/", own_views.mine, name="mine"),
]
