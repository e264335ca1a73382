"""What was done by whom; append-only (a trigger refuses changes, and the application's role may only insert)."""

from __future__ import annotations

from django.conf import settings
from django.db import models


class AuditEvent(models.Model):
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    """Null for the system itself."""
    project = models.ForeignKey(
        "catalog.Project", on_delete=models.DO_NOTHING, db_constraint=False, null=True, blank=True, related_name="+"
    )
    action = models.CharField(max_length=60)
    """A dotted verb: ``run.launched``, ``sample.rejected``, ``member.invited``."""
    target = models.CharField(max_length=120, blank=True)
    """``model:id`` of what it was done to."""
    payload = models.JSONField(default=dict)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes = [models.Index(fields=["project", "-created_at"], name="audit_by_project")]

    def __str__(self) -> str:
        return f"{self.action} {self.target}"
