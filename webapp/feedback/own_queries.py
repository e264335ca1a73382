"""One annotator's own ratings, in the order in which the pairs were shown to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from webapp.accounts.models import User
from webapp.catalog.models import Project
from webapp.feedback.forms import in_words
from webapp.feedback.judgement import turned
from webapp.feedback.models import Gold, Rating

RIGHT, WRONG = "right", "wrong"


@dataclass(frozen=True)
class OwnRating:
    """One rating, in words."""

    rating: Rating
    said: str
    changed_to: str
    """What they said once they had seen the results; empty when they did not change their mind."""
    gold: str
    """``right`` or ``wrong`` for a gold question; empty for any other pair."""
    expected: str
    explanation: str


@dataclass(frozen=True)
class GoldScore:
    """Answers to gold questions."""

    right: int
    answered: int


def ratings(annotator: User, project: Project) -> QuerySet[Rating]:
    """Newest first."""
    return (
        Rating.objects.filter(annotator=annotator, comparison__project=project)
        .select_related("assignment", "comparison__prompt", "comparison__gold", "revision")
        .order_by("-pk")
    )


def gold_score(annotator: User, project: Project) -> GoldScore:
    answers = Rating.objects.filter(
        annotator=annotator, comparison__project=project, comparison__is_gold=True
    ).select_related("comparison__gold")
    right = [rating.comparison.gold.agrees(rating.preference, rating.unusable) for rating in answers]
    return GoldScore(right=sum(right), answered=len(right))


def own_rating(rating: Rating, language: str) -> OwnRating:
    swapped = rating.assignment.swapped
    revision = getattr(rating, "revision", None)
    gold: Gold | None = getattr(rating.comparison, "gold", None)
    return OwnRating(
        rating=rating,
        said=in_words(turned(rating.preference, swapped)),
        changed_to=in_words(turned(revision.preference, swapped)) if revision else "",
        gold="" if gold is None else RIGHT if gold.agrees(rating.preference, rating.unusable) else WRONG,
        expected="" if gold is None else _expected(gold, swapped),
        explanation="" if gold is None else _explanation(gold.explanation, language),
    )


def _expected(gold: Gold, swapped: bool) -> str:
    if gold.unusable:
        return in_words(None)
    ends = sorted(end for end in (turned(gold.lowest, swapped), turned(gold.highest, swapped)) if end is not None)
    words = [in_words(end) for end in dict.fromkeys(ends)]
    return words[0] if len(words) == 1 else _("from “%(low)s” to “%(high)s”") % {"low": words[0], "high": words[-1]}


def _explanation(texts: Mapping[str, str], language: str) -> str:
    return texts.get(language) or texts.get("en") or next(iter(texts.values()), "")
