"""Annotators' comments on single lines, as a PPO run reads them."""

from __future__ import annotations

from collections import defaultdict

from django.db.models import Q

from training.credit import line_text
from webapp.feedback.models import LineComment
from webapp.runs.models import Run


def commented_lines(run: Run) -> dict[str, list[str]]:
    """By task, the text of each line on which an annotator commented before the run was launched.

    Only of samples that they did not like better than the other: a comment may be praise. Simulated ratings and
    those of gold pairs are left out. A run that is resumed reads the same again, as long as nobody erases theirs.
    """
    worse = Q(rating__unusable=True) | Q(side="a", rating__preference__gte=0) | Q(side="b", rating__preference__lte=0)
    rows = (
        LineComment.objects.filter(
            worse,
            rating__comparison__project=run.project,
            rating__comparison__is_gold=False,
            rating__simulated=False,
            rating__created_at__lt=run.created_at,
        )
        .order_by("pk")
        .values_list(
            "rating__comparison__prompt__task__key",
            "side",
            "line",
            "rating__comparison__sample_a__text",
            "rating__comparison__sample_b__text",
        )
    )
    found: dict[str, list[str]] = defaultdict(list)
    for key, side, line, code_a, code_b in rows.iterator():
        text = line_text(code_a if side == "a" else code_b, line)
        if text and text not in found[key]:
            found[key].append(text)
    return dict(found)
