"""Which pair somebody gets next, locked.

First what they had begun, then what others have, then by priority; gold questions are mixed in, and the qualification
round comes before all else.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any, cast

from django.db.models import BooleanField, Exists, ExpressionWrapper, F, OuterRef, Q, QuerySet

from webapp.accounts.models import User
from webapp.catalog.models import ModelVersion, Project, Prompt, Sample
from webapp.feedback.gold import is_qualified
from webapp.feedback.models import Assignment, Comparison
from webapp.prepared import Joined, Prepared

_SHORTLIST = 16
"""How many pairs of a kind are looked at before one is locked; more than people who choose at the same instant."""
SHOWN = ("prompt", "sample_a__model_version", "sample_b__model_version")
"""What is read of a comparison together with it."""
_PAIR = Joined(
    ("", Comparison),
    ("prompt", Prompt),
    ("sample_a", Sample),
    ("sample_b", Sample),
    ("sample_a__model_version", ModelVersion),
    ("sample_b__model_version", ModelVersion),
    without=("task", "decoding"),
)


def claim(annotator: User, project: Project, begun: Mapping[int, int]) -> Comparison | None:
    """A locked comparison with an open slot for this annotator.

    Locked ones are passed over; when nothing else is left, they are waited for.
    """
    assigned = Assignment.objects.filter(comparison=OuterRef("pk"), annotator=annotator)
    if project.qualification and not is_qualified(annotator, project):
        round_ = Comparison.objects.filter(project=project, is_gold=True, gold__qualifying=True)
        return (_first(round_.filter(pk__in=begun)) if begun else None) or _first(round_.exclude(Exists(assigned)))
    if project.gold_every and not secrets.randbelow(project.gold_every):
        gold = Comparison.objects.filter(project=project, is_gold=True, gold__qualifying=False)
        if (question := _first(gold.exclude(Exists(assigned)))) is not None:
            return question
    mine = Comparison.objects.filter(project=project, open_slots__gt=0, pk__in=begun)
    if begun and (found := _first(mine, skip_locked=True)) is not None:
        return found
    for row in _shortlisted(annotator.pk, project.pk):
        return cast(Comparison, _PAIR.models(row))
    fresh = _fresh(annotator.pk, project.pk)
    return _first(fresh, skip_locked=True) or (_first(mine) if begun else None) or _first(fresh)


def _fresh(annotator: int, project: int) -> QuerySet[Comparison]:
    """Pairs with an open slot that this person never had.

    Not by EXISTS: the database looks a whole list up in a hash, whatever it believes of the tables' sizes.
    """
    had = Assignment.objects.filter(annotator=annotator).values("comparison")
    return Comparison.objects.filter(project=project, open_slots__gt=0, is_gold=False).exclude(pk__in=had)


@Prepared
def _shortlisted(annotator: int, project: int) -> QuerySet[Comparison, tuple[Any, ...]]:
    """The first that nobody has locked, of the few that others have begun and the few that nobody has."""
    by_rank = _fresh(annotator, project).order_by("-priority", "id").values("pk")
    started = by_rank.filter(open_slots__lt=F("overlap"))[:_SHORTLIST]
    untouched = by_rank.filter(open_slots=F("overlap"))[:_SHORTLIST]
    shortlist = Comparison.objects.filter(pk__in=started.union(untouched, all=True), open_slots__gt=0)
    started_first = ExpressionWrapper(Q(open_slots=F("overlap")), BooleanField())
    locked = shortlist.select_for_update(skip_locked=True, no_key=True, of=("self",))
    return locked.order_by(started_first, "-priority", "id").values_list(*_PAIR.columns)[:1]


def _first(candidates: QuerySet[Comparison], *, skip_locked: bool = False) -> Comparison | None:
    """Locked, with all that the rating page shows of it."""
    locked = candidates.select_for_update(skip_locked=skip_locked, no_key=True, of=("self",))
    return locked.select_related(*SHOWN).defer("prompt__task").order_by("-priority", "id").first()
