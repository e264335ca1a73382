"""Comparisons, the leases under which they are rated, and ratings."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _


class Comparison(models.Model):
    """Two samples of one prompt, put before ``overlap`` annotators."""

    project = models.ForeignKey("catalog.Project", on_delete=models.CASCADE, related_name="comparisons")
    prompt = models.ForeignKey("catalog.Prompt", on_delete=models.CASCADE, related_name="comparisons")
    sample_a = models.ForeignKey("catalog.Sample", on_delete=models.CASCADE, related_name="+")
    sample_b = models.ForeignKey("catalog.Sample", on_delete=models.CASCADE, related_name="+")
    priority = models.FloatField(default=0)
    overlap = models.PositiveSmallIntegerField()
    open_slots = models.PositiveSmallIntegerField()
    """Slots neither leased nor submitted: a counter for finding work; the slot constraint is the guarantee."""
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["sample_a", "sample_b"], name="comparison_once"),
            models.CheckConstraint(condition=~Q(sample_a=F("sample_b")), name="comparison_of_two"),
            models.CheckConstraint(condition=Q(open_slots__lte=F("overlap"), overlap__gte=1), name="comparison_slots"),
        ]
        indexes = [
            models.Index(fields=["project", "-priority", "id"], condition=Q(open_slots__gt=0), name="comparison_open"),
            models.Index(
                fields=["project", "-priority", "id"],
                condition=Q(open_slots__gt=0, open_slots__lt=F("overlap")),
                name="comparison_started",
            ),
        ]

    def __str__(self) -> str:
        return f"comparison {self.pk}"


class Assignment(models.Model):
    """One annotator's lease on one slot of a comparison."""

    class State(models.TextChoices):
        LEASED = "leased", _("leased")
        SUBMITTED = "submitted", _("submitted")
        EXPIRED = "expired", _("expired")
        SKIPPED = "skipped", _("skipped")
        SURPLUS = "surplus", _("surplus")
        """Submitted late, when the slot had gone to somebody else: kept, and counted apart."""

    comparison = models.ForeignKey(Comparison, on_delete=models.CASCADE, related_name="assignments")
    annotator = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="assignments")
    slot = models.PositiveSmallIntegerField()
    state = models.CharField(max_length=16, choices=State.choices, default=State.LEASED)
    swapped = models.BooleanField()
    """True when sample B is shown on the left."""
    leased_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    draft = models.JSONField(default=dict)
    skip_reason = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["comparison", "annotator"], name="assignment_once_each"),
            models.UniqueConstraint(
                fields=["comparison", "slot"],
                condition=Q(state__in=["leased", "submitted"]),
                name="assignment_slot_taken_once",
            ),
            models.UniqueConstraint(
                fields=["annotator"], condition=Q(state="leased"), name="assignment_one_lease_each"
            ),
        ]
        indexes = [models.Index(fields=["expires_at"], condition=Q(state="leased"), name="assignment_expiring")]

    def __str__(self) -> str:
        return f"{self.annotator} on {self.comparison}: {self.state}"


class Rating(models.Model):
    """One annotator's judgement of one comparison, in the comparison's own order (A, B), whatever side was shown."""

    assignment = models.OneToOneField(Assignment, on_delete=models.PROTECT, related_name="rating")
    comparison = models.ForeignKey(Comparison, on_delete=models.CASCADE, related_name="ratings")
    annotator = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="ratings")
    submission = models.UUIDField(default=uuid.uuid4, unique=True)
    """Made by the client; sending the same one again changes nothing."""
    preference = models.SmallIntegerField(null=True, blank=True)
    """-3 (A much better) to 3 (B much better); null when both are unusable."""
    unusable = models.BooleanField(default=False)
    scales_a = models.JSONField(default=dict)
    """correctness, readability, efficiency, security: 1 to 5 each, absent when not given."""
    scales_b = models.JSONField(default=dict)
    rationale = models.TextField(blank=True)
    seconds = models.FloatField(null=True, blank=True)
    surplus = models.BooleanField(default=False)
    simulated = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["comparison", "annotator"], name="rating_once_each"),
            models.CheckConstraint(
                condition=Q(unusable=True, preference__isnull=True) | Q(unusable=False, preference__range=(-3, 3)),
                name="rating_preference_range",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.annotator} on {self.comparison}: {self.preference}"
