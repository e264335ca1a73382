"""Runs of long jobs, their events and metrics, and the snapshots they are trained on.

The run's row is the truth; a message in the broker is only a hint that there is work.
"""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class DatasetSnapshot(models.Model):
    """An immutable set of rows (a trigger refuses changes), known by its hash."""

    project = models.ForeignKey("catalog.Project", on_delete=models.CASCADE, related_name="snapshots")
    kind = models.CharField(max_length=32)
    sha256 = models.CharField(max_length=64)
    """Of the rows as canonical JSON."""
    rows = models.JSONField()
    count = models.PositiveIntegerField()
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "kind", "sha256"], name="snapshot_once")]

    def __str__(self) -> str:
        return f"{self.kind} {self.sha256[:12]}"


class ErasureNotice(models.Model):
    """Somebody whose ratings a snapshot holds has erased what they wrote; models trained on it are marked so."""

    snapshot = models.ForeignKey(DatasetSnapshot, on_delete=models.CASCADE, related_name="erasures")
    pseudonym = models.CharField(max_length=40)
    rows = models.PositiveIntegerField()
    """How many of the snapshot's rows are theirs."""
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["snapshot", "pseudonym"], name="erasure_once")]

    def __str__(self) -> str:
        return f"{self.pseudonym} in {self.snapshot}"


class Run(models.Model):
    """One long job: who owns it now, how far it is, and what it was asked to do."""

    class Kind(models.TextChoices):
        SFT = "sft", _("supervised training")
        GENERATE = "generate", _("generation")
        REWARD_MODEL = "reward_model", _("reward model")
        PPO = "ppo", _("PPO with LoRA")
        EVALUATE = "evaluate", _("evaluation")

    class State(models.TextChoices):
        QUEUED = "queued", _("queued")
        RUNNING = "running", _("running")
        PAUSED = "paused", _("paused")
        SUCCEEDED = "succeeded", _("succeeded")
        FAILED = "failed", _("failed")
        CANCELLED = "cancelled", _("cancelled")

    OPEN = (State.QUEUED, State.RUNNING, State.PAUSED)
    """Not ended."""

    project = models.ForeignKey("catalog.Project", on_delete=models.CASCADE, related_name="runs")
    kind = models.CharField(max_length=16, choices=Kind.choices)
    state = models.CharField(max_length=16, choices=State.choices, default=State.QUEUED)
    config = models.JSONField(default=dict)
    """The settings (training.config) as JSON, complete."""
    base_model = models.ForeignKey(
        "catalog.ModelVersion", on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    candidate = models.ForeignKey(
        "catalog.ModelVersion", on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    """For an evaluation: the model compared with the base model on the same prompts."""
    reward_model = models.ForeignKey(
        "catalog.ModelVersion", on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    snapshot = models.ForeignKey(DatasetSnapshot, on_delete=models.PROTECT, null=True, blank=True, related_name="runs")
    seed = models.BigIntegerField(default=0)
    commit = models.CharField(max_length=64, blank=True)
    """The code's version when it was launched."""
    step = models.PositiveIntegerField(default=0)
    total_steps = models.PositiveIntegerField(default=0)
    result = models.JSONField(null=True, blank=True)
    error = models.TextField(blank=True)

    fence = models.PositiveIntegerField(default=0)
    """Raised at every claim; writes under an older fence change nothing."""
    owner = models.CharField(max_length=120, blank=True)
    """The worker that has it, or had it last."""
    lease_until = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    max_attempts = models.PositiveSmallIntegerField(default=5)
    cancel_requested = models.BooleanField(default=False)
    alarms = models.JSONField(default=list, blank=True)
    """What paused it, each as ``training.guards.Alarm`` tells it; empty in any other state."""
    disarmed = models.JSONField(default=list, blank=True)
    """The monitors whose alarms somebody has seen and gone on from; they don't pause it again."""
    sent_at = models.DateTimeField(null=True, blank=True)
    """When the broker was last told of it."""

    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="runs")
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=~Q(state="running") | Q(lease_until__isnull=False), name="run_leased"),
            models.CheckConstraint(condition=~Q(state="paused") | Q(lease_until__isnull=True), name="run_paused_free"),
        ]
        indexes = [models.Index(fields=["state", "lease_until"], name="run_due")]

    def __str__(self) -> str:
        return f"{self.kind} run {self.pk}"

    @property
    def ended(self) -> bool:
        return self.state not in self.OPEN


class RunEvent(models.Model):
    """Something that happened to a run; a trigger notifies the channel ``run_events`` with ``run_id:seq``."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="events")
    seq = models.PositiveIntegerField()
    kind = models.CharField(max_length=32)
    """queued, claimed, progress, checkpoint, requeued, cancel_requested, paused, resumed, succeeded, failed,
    cancelled."""
    payload = models.JSONField(default=dict)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "seq"], name="run_event_once")]

    def __str__(self) -> str:
        return f"{self.run} #{self.seq} {self.kind}"


class Metric(models.Model):
    """One value of one curve."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="metrics")
    name = models.CharField(max_length=60)
    step = models.PositiveIntegerField()
    value = models.FloatField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "name", "step"], name="metric_once")]

    def __str__(self) -> str:
        return f"{self.run} {self.name}[{self.step}] = {self.value:g}"
