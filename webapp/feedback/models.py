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
    is_gold = models.BooleanField(default=False)
    """Whether the right answer is known (see Gold): everybody may be asked, apart from the queue."""
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
            models.Index(
                fields=["project", "-priority", "id"],
                condition=Q(open_slots__gt=0, is_gold=False),
                name="comparison_open",
            ),
            models.Index(
                fields=["project", "-priority", "id"],
                condition=Q(open_slots__gt=0, open_slots__lt=F("overlap"), is_gold=False),
                name="comparison_started",
            ),
            models.Index(fields=["project", "id"], condition=Q(is_gold=True), name="comparison_gold"),
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
    flag = models.CharField(max_length=1000, blank=True)
    """What the annotator says is wrong with the pair, for the leads to look at."""
    flag_resolved_at = models.DateTimeField(null=True, blank=True)

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
        indexes = [
            models.Index(fields=["expires_at"], condition=Q(state="leased"), name="assignment_expiring"),
            models.Index(
                fields=["id"], condition=~Q(flag="") & Q(flag_resolved_at__isnull=True), name="assignment_flagged"
            ),
        ]

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
    edited_a = models.TextField(blank=True)
    """The code as the annotator would have it; empty when they changed nothing."""
    edited_b = models.TextField(blank=True)
    guideline_version = models.PositiveIntegerField(null=True, blank=True)
    """The guideline that was current when it was judged."""
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


class Revision(models.Model):
    """What the annotator says once they have seen tests and verdicts. The first judgement stays as it was."""

    rating = models.OneToOneField(Rating, on_delete=models.CASCADE, related_name="revision")
    preference = models.SmallIntegerField(null=True, blank=True)
    """In the comparison's own order, like the rating's."""
    unusable = models.BooleanField(default=False)
    reason = models.CharField(max_length=1000, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(unusable=True, preference__isnull=True) | Q(unusable=False, preference__range=(-3, 3)),
                name="revision_preference_range",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.rating}, then {self.preference}"


class LineComment(models.Model):
    """What an annotator says of one line of one sample."""

    class Side(models.TextChoices):
        A = "a", "A"
        B = "b", "B"

    rating = models.ForeignKey(Rating, on_delete=models.CASCADE, related_name="comments")
    side = models.CharField(max_length=1, choices=Side.choices)
    """In the comparison's own order, whatever side was shown."""
    line = models.PositiveIntegerField()
    """From 1."""
    text = models.CharField(max_length=1000)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["rating", "side", "line"], name="line_comment_once")]

    def __str__(self) -> str:
        return f"{self.side}:{self.line} {self.text[:40]}"


class Gold(models.Model):
    """A comparison whose right answer is known: it shows how well an annotator judges, and teaches."""

    comparison = models.OneToOneField(Comparison, on_delete=models.CASCADE, related_name="gold")
    lowest = models.SmallIntegerField(null=True, blank=True)
    """The preferences from ``lowest`` to ``highest`` are right; null where both samples are unusable."""
    highest = models.SmallIntegerField(null=True, blank=True)
    unusable = models.BooleanField(default=False)
    explanation = models.JSONField(default=dict)
    """Why, by language; shown once the annotator has answered."""
    qualifying = models.BooleanField(default=False)
    """Whether it is part of the qualification round."""
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(unusable=True, lowest__isnull=True, highest__isnull=True)
                | Q(unusable=False, lowest__gte=-3, highest__lte=3, lowest__lte=F("highest")),
                name="gold_answer",
            ),
        ]

    def __str__(self) -> str:
        return f"gold {self.comparison}"

    def agrees(self, preference: int | None, unusable: bool) -> bool:
        """Whether a judgement in the comparison's own order is right."""
        if self.unusable or unusable or preference is None:
            return self.unusable and unusable
        assert self.lowest is not None
        assert self.highest is not None
        return self.lowest <= preference <= self.highest


class Adjudication(models.Model):
    """What a lead decides about a pair on which annotators disagree; the ratings stay as they are."""

    comparison = models.OneToOneField(Comparison, on_delete=models.CASCADE, related_name="adjudication")
    preference = models.SmallIntegerField(null=True, blank=True)
    unusable = models.BooleanField(default=False)
    reason = models.TextField(blank=True)
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    decided_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(unusable=True, preference__isnull=True) | Q(unusable=False, preference__range=(-3, 3)),
                name="adjudication_preference_range",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.comparison}: {self.preference}"
