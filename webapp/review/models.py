"""Decisions on verified outputs, and promotions of model versions."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _


class ReviewDecision(models.Model):
    """An admin's decision on one sample; a later one replaces an earlier one by being newer."""

    class Decision(models.TextChoices):
        APPROVED = "approved", _("approved")
        REJECTED = "rejected", _("rejected")

    sample = models.ForeignKey("catalog.Sample", on_delete=models.CASCADE, related_name="decisions")
    reviewer = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="decisions")
    decision = models.CharField(max_length=16, choices=Decision.choices)
    reason = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(decision="approved") | ~Q(reason=""), name="reject_has_reason"),
        ]

    def __str__(self) -> str:
        return f"{self.sample}: {self.decision}"


class Promotion(models.Model):
    """A request to serve a model version, approved by a second person."""

    model_version = models.ForeignKey("catalog.ModelVersion", on_delete=models.PROTECT, related_name="promotions")
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    requested_at = models.DateTimeField(auto_now_add=True)
    approved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    approved_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(approved_by__isnull=True) | ~Q(approved_by=F("requested_by")), name="promotion_two_people"
            ),
        ]

    def __str__(self) -> str:
        return f"promotion of {self.model_version}"
