"""What the rating page shows: progress, and what became of the pair that was rated last."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Exists, OuterRef, Q

from verification.outcome import Outcome
from webapp.accounts.models import User
from webapp.catalog.models import Execution, Project, Sample, Verification
from webapp.feedback.judgement import Judgement
from webapp.feedback.models import Assignment, Comparison, Rating
from webapp.review.wording import OUTCOMES, PROPERTIES


@dataclass(frozen=True)
class Progress:
    """How far one annotator is in one project."""

    done: int
    left: int
    """Pairs that they could rate now, the one that they have included."""

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
    mine = Assignment.objects.filter(comparison=OuterRef("pk"), annotator=annotator)
    open_pairs = Comparison.objects.filter(project=project)
    leased = Q(Exists(mine.filter(state=Assignment.State.LEASED)))
    possible = Q(open_slots__gt=0) & (~Q(Exists(mine)) | Q(Exists(mine.filter(state=Assignment.State.EXPIRED))))
    return Progress(
        done=Rating.objects.filter(annotator=annotator, comparison__project=project).count(),
        left=open_pairs.filter(leased | possible).count(),
    )


def last_pair(annotator: User, project: Project, rating_id: int) -> LastPair | None:
    """The annotator's own rating with the results, if the project reveals them; None otherwise."""
    if project.reveal != Project.Reveal.AFTER_SUBMIT:
        return None
    rating = (
        Rating.objects.select_related("assignment", "comparison__sample_a", "comparison__sample_b")
        .filter(pk=rating_id, annotator=annotator, comparison__project=project)
        .first()
    )
    if rating is None:
        return None
    samples = [rating.comparison.sample_a, rating.comparison.sample_b]
    if rating.assignment.swapped:
        samples.reverse()
    stored = Judgement(rating.preference, rating.unusable, rating.scales_a, rating.scales_b, rating.rationale)
    left, right = (_side(letter, sample) for letter, sample in zip("AB", samples, strict=True))
    return LastPair(rating, stored.turned(rating.assignment.swapped), (left, right))


def _side(letter: str, sample: Sample) -> SideResult:
    executions = Execution.objects.filter(sample=sample).order_by("suite", "-pk")
    latest = {execution.suite: execution for execution in reversed(executions)}
    newest = {verdict.property: verdict for verdict in Verification.objects.filter(sample=sample).order_by("pk")}
    shown = [verdict for verdict in newest.values() if verdict.outcome != Outcome.VACUOUS]
    return SideResult(
        letter=letter,
        checked=sample.checked_at is not None,
        suites=tuple((run.get_suite_display(), run.passed, run.total) for run in latest.values()),
        findings=tuple(_finding(verdict) for verdict in sorted(shown, key=_worst_first)),
    )


def _finding(verdict: Verification) -> Finding:
    example = verdict.counterexample or {}
    label, meaning = OUTCOMES[verdict.outcome]
    return Finding(
        outcome=verdict.outcome,
        label=str(label),
        obligation=str(PROPERTIES.get(verdict.property, verdict.property)),
        meaning=str(meaning),
        call=str(example.get("call", "")),
        observed=str(example.get("observed", "")),
    )


def _worst_first(verdict: Verification) -> int:
    order = (Outcome.REFUTED, Outcome.UNSUPPORTED, Outcome.UNKNOWN, Outcome.BOUNDED, Outcome.PROVED)
    return order.index(Outcome(verdict.outcome))
