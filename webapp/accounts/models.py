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
    erased_at = models.DateTimeField(null=True, blank=True)
    """When the person asked to be forgotten: the pseudonym is all that is left."""

    def __str__(self) -> str:
        return self.pseudonym


class Invitation(models.Model):
    """A link that lets one person join one project in one role; only the token's hash is kept."""

    project = models.ForeignKey("catalog.Project", on_delete=models.CASCADE, related_name="invitations")
    role = models.CharField(
        max_length=16,
        choices=[
            ("annotator", _("annotator")),
            ("lead", _("lead annotator")),
            ("engineer", _("engineer")),
            ("admin", _("admin")),
        ],
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


class CacheEntry(models.Model):
    """A row of Django's database cache, which reads and writes it with SQL of its own; a model only to be migrated.

    It holds how often somebody gave a wrong password lately and which one-time codes were used. All web processes
    share it, and nothing is lost when it is emptied but these counts.
    """

    cache_key = models.CharField(max_length=255, primary_key=True)
    value = models.TextField()
    expires = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return self.cache_key
