"""Gold questions, whose right answer is known, and the qualification round, which is made of them."""

from __future__ import annotations

from collections.abc import Mapping

from django.db import transaction
from django.utils import timezone

from webapp.accounts.models import User
from webapp.audit.actions import record
from webapp.catalog.models import Membership, Project
from webapp.feedback import slots
from webapp.feedback.locks import lock_comparison
from webapp.feedback.models import Comparison, Gold, Rating

GOLD_OVERLAP = 32_000
"""Everybody in a project may be asked a gold question."""


@transaction.atomic
def make_gold(
    comparison: Comparison,
    *,
    by: User,
    lowest: int | None,
    highest: int | None,
    explanation: Mapping[str, str] | None = None,
    qualifying: bool = False,
) -> Gold:
    """Tell the right answer to a pair: preferences from ``lowest`` to ``highest``, or both None for "both unusable".

    Everybody may be asked it from now on, whatever the pair's overlap was. Saying it again changes the answer.
    """
    if (lowest is None) != (highest is None):
        raise ValueError("give both ends of the right preferences, or neither for a pair that is unusable")
    comparison = lock_comparison(comparison.pk)
    gold, _created = Gold.objects.update_or_create(
        comparison=comparison,
        defaults={
            "lowest": lowest,
            "highest": highest,
            "unusable": lowest is None,
            "explanation": dict(explanation or {}),
            "qualifying": qualifying,
        },
    )
    comparison.overlap = GOLD_OVERLAP
    Comparison.objects.filter(pk=comparison.pk).update(
        is_gold=True, overlap=GOLD_OVERLAP, open_slots=GOLD_OVERLAP - slots.live(comparison).count()
    )
    record("gold.set", actor=by, project=comparison.project, target=comparison, qualifying=qualifying)
    return gold


def is_qualified(annotator: User, project: Project) -> bool:
    return Membership.objects.filter(project=project, user=annotator, qualified_at__isnull=False).exists()


def conclude_qualification(annotator: User, comparison: Comparison) -> None:
    """Once the round's pairs are rated: passed or failed, by the share that was right."""
    open_round = Membership.objects.filter(
        project=comparison.project_id,
        user=annotator,
        qualified_at__isnull=True,
        failed_at__isnull=True,
        project__qualification__gt=0,
    )
    membership = open_round.select_related("project").first()
    if membership is None:
        return
    project = membership.project
    answered = list(
        Rating.objects.filter(annotator=annotator, comparison__project=project, comparison__gold__qualifying=True)
        .select_related("comparison__gold")
        .order_by("pk")
    )
    if len(answered) % project.qualification:
        return
    answered = answered[-project.qualification :]  # A second round is judged by its own questions.
    right = sum(rating.comparison.gold.agrees(rating.preference, rating.unusable) for rating in answered)
    passed = right >= project.qualification_share * len(answered)
    now = timezone.now()
    open_round.update(**({"qualified_at": now} if passed else {"failed_at": now}))
    record(
        "qualification.passed" if passed else "qualification.failed",
        actor=annotator,
        project=project,
        target=membership,
        right=right,
        of=len(answered),
    )
