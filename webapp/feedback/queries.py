"""What the rating page shows: progress, and what became of the pair that was rated last."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import JSONObject

from verification.outcome import Outcome
from webapp.accounts.models import User
from webapp.catalog.models import Execution, Guideline, Project, Sample, Verification
from webapp.feedback.counting import Count
from webapp.feedback.judgement import Judgement
from webapp.feedback.models import Assignment, Comparison, Rating, Revision
from webapp.prepared import Joined, Prepared
from webapp.review.wording import OUTCOMES, PROPERTIES

_RATED = Joined(
    ("", Rating),
    ("assignment", Assignment),
    ("comparison", Comparison),
    ("comparison__sample_a", Sample),
    ("comparison__sample_b", Sample),
    without=("draft", "decoding", "text", "tokens"),
)
MOST_LEFT = 500
"""Pairs are counted so far: nobody plans by the difference between five hundred and a hundred thousand."""


@dataclass(frozen=True)
class Progress:
    """How far one annotator is in one project."""

    done: int
    left: int
    """Pairs that they could rate now, the one that they have included; MOST_LEFT at most."""
    more: bool = False
    """Whether there are more than ``left``: say "more than"."""
    newest_guideline: int | None = None
    """The project's newest guideline row, by which webapp.catalog.queries.guideline knows whether it has it already."""

    @property
    def total(self) -> int:
        return self.done + self.left


@dataclass(frozen=True)
class Finding:
    """A verdict in plain language."""

    outcome: str
    label: str
    obligation: str
    meaning: str
    call: str = ""
    """An input that shows a refuted property, where there is one."""
    observed: str = ""


@dataclass(frozen=True)
class SideResult:
    """What is known of the sample on one side."""

    letter: str
    checked: bool
    suites: tuple[tuple[str, int, int], ...]
    """(name, passed, total)"""
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class LastPair:
    """The annotator's own last judgement of a pair, and what tests and verifier say of it."""

    rating: Rating
    shown: Judgement
    sides: tuple[SideResult, SideResult]


def progress(annotator: User, project: Project) -> Progress:
    """One statement, whose cost does not grow with the project."""
    ((done, held, fresh, guideline),) = _progress(annotator.pk, project.pk)
    left = held + fresh
    return Progress(done=done, left=min(left, MOST_LEFT), more=left > MOST_LEFT, newest_guideline=guideline)


@Prepared
def _progress(annotator: int, project: int) -> QuerySet[Project, tuple[int, int, int, int | None]]:
    had = Assignment.objects.filter(annotator=annotator).exclude(state=Assignment.State.EXPIRED).values("comparison")
    fresh = Comparison.objects.filter(project=project, open_slots__gt=0, is_gold=False).exclude(pk__in=had)
    held = Assignment.objects.filter(annotator=annotator, comparison__project=project, state=Assignment.State.LEASED)
    rated = Rating.objects.filter(annotator=annotator, comparison__project=project)
    # In the order of the index, which is read no further than that.
    capped = fresh.order_by("-priority", "pk")[: MOST_LEFT + 1]
    return Project.objects.filter(pk=project).values_list(
        Count(rated.values("pk")), Count(held.values("pk")), Count(capped.values("pk")), _newest_guideline()
    )


def _newest_guideline() -> Subquery:
    """The key of the row that was added last: another one as soon as there is a new version or language."""
    return Subquery(Guideline.objects.filter(project=OuterRef("pk")).order_by("-pk").values("pk")[:1])


def last_pair(annotator: User, project: Project, rating_id: int) -> LastPair | None:
    """The annotator's own rating with the results, if the project reveals them; None otherwise."""
    if project.reveal != Project.Reveal.AFTER_SUBMIT:
        return None
    rows = _last(rating_id, annotator.pk, project.pk)
    if not rows:
        return None
    *columns, runs, verdicts, revised = rows[0]
    rating: Rating = _RATED.models(columns)
    if not revised:
        rating._state.fields_cache["revision"] = None  # Known: the page need not ask for it.
    samples = [rating.comparison.sample_a, rating.comparison.sample_b]
    if rating.assignment.swapped:
        samples.reverse()
    stored = Judgement(rating.preference, rating.unusable, rating.scales_a, rating.scales_b, rating.rationale)
    known = [json.loads(run) for run in runs], [json.loads(verdict) for verdict in verdicts]
    left, right = (_side(letter, sample, *known) for letter, sample in zip("AB", samples, strict=True))
    return LastPair(rating, stored.turned(rating.assignment.swapped), (left, right))


@Prepared
def _last(rating: int, annotator: int, project: int) -> QuerySet[Rating, tuple[Any, ...]]:
    """The rating and all that is known of its two samples, oldest first; certificates are left where they are."""
    either = Q(sample=OuterRef("comparison__sample_a")) | Q(sample=OuterRef("comparison__sample_b"))
    run = JSONObject(sample="sample", suite="suite", passed="passed", total="total")
    verdict = JSONObject(sample="sample", property="property", outcome="outcome", counterexample="counterexample")
    mine = Rating.objects.filter(pk=rating, annotator=annotator, comparison__project=project)
    return mine.values_list(
        *_RATED.columns,
        ArraySubquery(Execution.objects.filter(either).order_by("pk").values(json=run)),
        ArraySubquery(Verification.objects.filter(either).order_by("pk").values(json=verdict)),
        Exists(Revision.objects.filter(rating=OuterRef("pk"))),
    )


def _side(
    letter: str, sample: Sample, runs: Sequence[Mapping[str, Any]], verdicts: Sequence[Mapping[str, Any]]
) -> SideResult:
    latest = {run["suite"]: run for run in runs if run["sample"] == sample.pk}
    newest = {verdict["property"]: verdict for verdict in verdicts if verdict["sample"] == sample.pk}
    shown = [verdict for verdict in newest.values() if verdict["outcome"] != Outcome.VACUOUS]
    suites = ((str(Execution.Suite(suite).label), run) for suite, run in sorted(latest.items(), reverse=True))
    return SideResult(
        letter=letter,
        checked=sample.checked_at is not None,
        suites=tuple((name, run["passed"], run["total"]) for name, run in suites),
        findings=tuple(_finding(verdict) for verdict in sorted(shown, key=_worst_first)),
    )


def _finding(verdict: Mapping[str, Any]) -> Finding:
    example = verdict["counterexample"] or {}
    label, meaning = OUTCOMES[verdict["outcome"]]
    return Finding(
        outcome=verdict["outcome"],
        label=str(label),
        obligation=str(PROPERTIES.get(verdict["property"], verdict["property"])),
        meaning=str(meaning),
        call=str(example.get("call", "")),
        observed=str(example.get("observed", "")),
    )


def _worst_first(verdict: Mapping[str, Any]) -> int:
    order = (Outcome.REFUTED, Outcome.UNSUPPORTED, Outcome.UNKNOWN, Outcome.BOUNDED, Outcome.PROVED)
    return order.index(Outcome(verdict["outcome"]))
