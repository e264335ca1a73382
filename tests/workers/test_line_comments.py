"""Comments on lines become the texts that a PPO run's completions are compared with."""

from __future__ import annotations

from typing import Any

import pytest

from tests.workers import rows
from webapp.catalog.models import Project, Sample
from webapp.feedback.models import Comparison, LineComment, Rating
from webapp.runs.models import Run
from workers.line_comments import commented_lines

pytestmark = pytest.mark.django_db

BETTER = "def halve(n: int) -> int:\n    return n // 2\n"
WORSE = "def halve(n: int) -> int:\n    m = n / 2\n\n    return int(m)\n"


def rated(project: Project, comments: list[tuple[str, int]], *, name: str = "ana", **about: Any) -> Rating:
    """A rating, by default for sample A, with comments on lines."""
    one, two = (rows_of(project, text) for text in (BETTER, WORSE))
    is_gold = about.pop("is_gold", False)
    comparison, _ = Comparison.objects.get_or_create(
        project=project, prompt=one.prompt, sample_a=one, sample_b=two,
        defaults={"overlap": 2, "open_slots": 0, "is_gold": is_gold},
    )  # fmt: skip
    annotator = rows.person(name)
    assignment = comparison.assignments.create(
        annotator=annotator, slot=comparison.assignments.count(), state="submitted", swapped=False,
        leased_at=project.created_at, expires_at=project.created_at,
    )  # fmt: skip
    rating = Rating.objects.create(
        assignment=assignment, comparison=comparison, annotator=annotator, **{"preference": -2, **about}
    )
    for side, line in comments:
        LineComment.objects.create(rating=rating, side=side, line=line, text="Why?")
    return rating


def rows_of(project: Project, text: str) -> Sample:
    return Sample.objects.filter(prompt__project=project, text=text).first() or rows.sample(text, of=project)


def launched(project: Project) -> Run:
    return rows.queued_run(project=project, kind=Run.Kind.PPO)


def test_a_comment_on_the_worse_sample_names_its_lines_text() -> None:
    project = rows.project()
    rated(project, [("b", 2), ("a", 2)])
    rated(project, [("b", 2), ("b", 4)], name="eva")
    assert commented_lines(launched(project)) == {"halve": ["m = n / 2", "return int(m)"]}


@pytest.mark.parametrize("about", [{"preference": 0}, {"preference": None, "unusable": True}])
def test_where_neither_is_better_both_samples_comments_count(about: dict[str, Any]) -> None:
    project = rows.project()
    rated(project, [("a", 2), ("b", 2)], **about)
    assert commented_lines(launched(project)) == {"halve": ["return n // 2", "m = n / 2"]}


def test_blank_lines_and_those_beyond_the_end_name_nothing() -> None:
    project = rows.project()
    rated(project, [("b", 3), ("b", 99)])
    assert commented_lines(launched(project)) == {}


@pytest.mark.parametrize("about", [{"simulated": True}, {"is_gold": True}])
def test_simulated_ratings_and_gold_pairs_are_left_out(about: dict[str, Any]) -> None:
    project = rows.project()
    rated(project, [("b", 2)], **about)
    assert commented_lines(launched(project)) == {}


def test_a_run_reads_its_own_projects_comments_made_before_it_was_launched() -> None:
    project = rows.project()
    run = launched(project)
    rated(project, [("b", 2)])
    assert commented_lines(run) == commented_lines(launched(rows.project("another"))) == {}
