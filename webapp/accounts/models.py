"""People, and how they are invited."""

from __future__ import annotations

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.utils.translation import gettext_lazy as _


class User(AbstractUser):
    """A person, or a simulated panellist, who signs in."""

    pseudonym = models.CharField(max_length=40, unique=True)
    """What others see of them, and what stays when they are erased."""
    language = models.CharField(max_length=8, choices=[("en", "English"), ("es", "Español")], default="en")
    simulated = models.BooleanField(default=False)
    """Ratings by a simulated panellist are marked as such wherever they are shown."""

    def __str__(self) -> str:
        return self.pseudonym


class Invitation(models.Model):
    """A link that lets one person join one project in one role; only the token's hash is kept."""

    project = models.ForeignKey("catalog.Project", on_delete=models.CASCADE, related_name="invitations")
    role = models.CharField(
        max_length=16, choices=[("annotator", _("annotator")), ("engineer", _("engineer")), ("admin", _("admin"))]
    )
    token_sha256 = models.CharField(max_length=64, unique=True)
    created_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="invitations_sent")
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    accepted_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="invitations_accepted"
    )
    accepted_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.role} in {self.project}"
