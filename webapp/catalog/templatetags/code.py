"""``{{ sample.text|python }}``: highlighted code for the inside of a ``<pre class="code">``."""

from __future__ import annotations

from django import template
from django.utils.safestring import SafeString

from webapp.catalog.highlight import highlighted

register = template.Library()


@register.filter
def python(code: str) -> SafeString:
    return highlighted(code)
