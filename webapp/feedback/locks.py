"""The rows that are locked while the queue changes, and the order in which that happens.

Locks are always taken in the order annotator, comparison, assignment. The annotator's lock makes two
tabs of one person wait for each other; the comparison's lock guards its slots; the constraints of the
tables hold when a lock is forgotten. Two comparisons are locked in one statement, in the order of their keys.
"""

from __future__ import annotations

from typing import Any, cast

from django.db.models import QuerySet, Subquery

from webapp.accounts.models import User
from webapp.catalog.models import Guideline
from webapp.feedback.errors import not_yours
from webapp.feedback.models import Assignment, Comparison
from webapp.prepared import Joined, Prepared

_COMPARISON, _ASSIGNMENT = Joined(("", Comparison)), Joined(("", Assignment))


def lock_annotator(annotator: User) -> None:
    _locked_annotator(annotator.pk)


def lock_comparison(pk: int) -> Comparison:
    return Comparison.objects.select_for_update(no_key=True).get(pk=pk)


def lock_comparisons(*pks: int) -> dict[int, Comparison]:
    """By key. One statement and one order, or two people who undo would wait for each other."""
    locked = Comparison.objects.select_for_update(no_key=True).filter(pk__in=pks).order_by("pk")
    return {comparison.pk: comparison for comparison in locked}


def lock_comparison_of(annotator: User, assignment_id: int) -> Comparison:
    """The locked comparison of one of the annotator's own assignments, while they are in its project."""
    rows = _locked_comparison_of(annotator.pk, assignment_id)
    if not rows:
        raise not_yours()
    return cast(Comparison, _COMPARISON.models(rows[0]))


def lock_assignment(pk: int, comparison: Comparison) -> tuple[Assignment, int | None]:
    """The locked assignment, read under its comparison's lock, and the guideline's version that is current."""
    ((*row, guideline_version),) = _locked_assignment(pk, comparison.project_id)
    return _ASSIGNMENT.models(row), guideline_version


def assignments_of(annotator: User | int) -> QuerySet[Assignment]:
    """The annotator's assignments in the projects that they are still in."""
    project = "comparison__project__memberships__user"
    return Assignment.objects.filter(annotator=annotator, **{project: annotator})


@Prepared
def _locked_annotator(pk: int) -> QuerySet[User, tuple[int]]:
    return User.objects.select_for_update(no_key=True).filter(pk=pk).values_list("pk")


@Prepared
def _locked_comparison_of(annotator: int, assignment: int) -> QuerySet[Comparison, tuple[Any, ...]]:
    mine = assignments_of(annotator).filter(pk=assignment).values("comparison")
    locked = Comparison.objects.select_for_update(no_key=True)
    return locked.filter(pk=Subquery(mine)).values_list(*_COMPARISON.columns)


@Prepared
def _locked_assignment(pk: int, project: int) -> QuerySet[Assignment, tuple[Any, ...]]:
    guideline = Guideline.objects.filter(project=project).order_by("-version").values("version")[:1]
    locked = Assignment.objects.select_for_update(no_key=True).filter(pk=pk)
    return locked.values_list(*_ASSIGNMENT.columns, Subquery(guideline))
