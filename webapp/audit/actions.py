"""Writing the audit log."""

from __future__ import annotations

from typing import Any

from django.db.models import Model

from webapp.accounts.models import User
from webapp.audit.models import AuditEvent
from webapp.catalog.models import Project


def record(
    action: str, *, actor: User | None, project: Project | None = None, target: Model | None = None, **payload: Any
) -> AuditEvent:
    """Append one event; call it inside the transaction that makes the change, so that both land or neither."""
    label = f"{target._meta.label_lower}:{target.pk}" if target is not None else ""
    return AuditEvent.objects.create(actor=actor, project=project, action=action, target=label, payload=payload)
