"""Counting rows inside another statement, at most so many of them."""

from __future__ import annotations

from django.db.models import IntegerField, Subquery


class Count(Subquery):
    """How many rows a queryset has, as an expression. A slice stops counting at its end."""

    template = "(SELECT count(*) FROM (%(subquery)s) counted)"
    output_field = IntegerField()
