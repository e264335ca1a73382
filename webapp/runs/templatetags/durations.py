"""How long something took, for pages."""

from __future__ import annotations

from datetime import datetime

from django import template
from django.utils import timezone
from django.utils.translation import gettext as _

register = template.Library()


@register.filter
def lasted(start: datetime, end: datetime | None = None) -> str:
    """``48 s``, ``12 min 56 s``, ``3 h 05 min``; until now where there is no end yet."""
    seconds = max(0, round(((end or timezone.now()) - start).total_seconds()))
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return _("%(hours)s h %(minutes)s min") % {"hours": hours, "minutes": f"{minutes:02}"}
    if minutes:
        return _("%(minutes)s min %(seconds)s s") % {"minutes": minutes, "seconds": f"{seconds:02}"}
    return _("%(seconds)s s") % {"seconds": seconds}
