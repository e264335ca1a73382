"""Addresses of the review pages."""

from __future__ import annotations

from django.urls import path

from webapp.review import views

app_name = "review"
urlpatterns = [
    path("", views.sample_list, name="list"),
    path("<int:sample_id>/", views.detail, name="detail"),
    path("<int:sample_id>/decide/", views.decide, name="decide"),
    path("certificates/<int:verification_id>.json", views.certificate_json, name="certificate-json"),
    path("certificates/<int:verification_id>.smt2", views.certificate_smt, name="certificate-smt"),
    path("promotions/", views.promotions, name="promotions"),
    path("promotions/request/<int:model_id>/", views.request_promotion, name="request-promotion"),
    path("promotions/<int:promotion_id>/approve/", views.approve_promotion, name="approve-promotion"),
]
