"""Why a completion got its reward: what tests, verdicts and rating gave, what held the rating back, and the evidence.

``explain`` judges programs anew; ``recall`` says what a run logged of them, without their tests. Both give an
``Explanation``, in which None stands for what is not known.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from training.curriculum.task import Task
from training.evidence import POINTS, LearnedReward, VerifierReward, failed, judged, passes
from training.rewards import Ordered, unfinished
from training.similarity import parsed
from verification.outcome import Outcome, Report, Verdict
from verification.sandbox import Result


@dataclass(frozen=True)
class FailedTest:
    """A test that a program did not pass, counted from 0."""

    number: int
    test: str | None = None
    status: str | None = None
    """``not reached`` where the program had ended before."""


@dataclass(frozen=True)
class Tests:
    """What the tests gave and why."""

    passed: int
    total: int
    status: str
    error: str | None
    failed: tuple[FailedTest, ...]
    reward: float


@dataclass(frozen=True)
class Property:
    """One declared property's verdict."""

    property: str
    outcome: str
    points: float
    line: int | None = None
    reason: str = ""
    call: str | None = None
    observed: str | None = None


@dataclass(frozen=True)
class Rating:
    """What the reward model gave and what became of it."""

    mean: float
    disagreement: float
    value: float
    """Z-scored less the disagreement's cost and clipped, -1 to 1."""

    bound: float | None
    """The most that it may move the reward."""

    held_by: str | None
    """Whether its own ``weight``, the next ``test``, the next ``verdict`` or a lacking ``syntax`` bounds it."""

    reward: float
    deviations: float | None = None
    """Before clipping, in standard deviations."""

    among_best: float | None = None
    """Where a run had it stand among its family's programs that tests and verdicts can't tell apart, -1 to 1."""

    @property
    def clipped(self) -> bool:
        return abs(self.value) >= 1.0


@dataclass(frozen=True)
class Explanation:
    """All that a completion's reward is made of."""

    row: int
    task: str
    entry: str
    reward: float
    tests: Tests
    verdicts: tuple[Property, ...] | None
    """None where there are none: the program fails a test, or its task declares nothing."""

    verdicts_reward: float
    rating: Rating | None
    tokens: int | None
    lines: int
    finished: bool | None
    logged: float | None = None
    """What the run itself gave."""

    notes: tuple[str, ...] = field(default=())

    def to_json(self) -> dict[str, Any]:
        found = asdict(self)
        if self.rating is not None:
            found["rating"]["clipped"] = self.rating.clipped
        return found


@dataclass(frozen=True)
class Completion:
    """One program to explain, and what was logged of it."""

    row: int
    code: str
    logged: Mapping[str, Any] = field(default_factory=dict)

    @property
    def finished(self) -> bool | None:
        return self.logged.get("finished")


def explain(
    completions: Sequence[Completion],
    tasks: Sequence[Task],
    reward: Ordered,
    *,
    learned: LearnedReward | None = None,
    prompts: Sequence[str] = (),
) -> list[Explanation]:
    """Run, verify and rate programs, each for the task beside it; ``prompts`` are what ``learned`` reads.

    Without a reward model a rating that was logged is taken over.
    """
    codes = [one.code for one in completions]
    found = reward.tests.results_of(codes, tasks)
    results = [
        unfinished(result) if one.finished is False else result for one, result in zip(completions, found, strict=True)
    ]
    reports = _reports(codes, tasks, results, reward)
    ratings = _ratings(completions, learned, prompts)
    return [
        _explained(*row, reward=reward)
        for row in zip(completions, tasks, found, results, reports, ratings, strict=True)
    ]


def recall(completion: Completion) -> Explanation:
    """What the run logged; KeyError names what it did not."""
    logged = completion.logged
    passed, total, status = logged["tests_passed"], logged["tests_total"], logged["tests_status"]
    numbers = logged.get("tests_failed") or ()
    return Explanation(
        row=completion.row,
        task=str(logged.get("key", "")),
        entry="",
        reward=float(logged["reward"]),
        tests=Tests(
            passed, total, status, logged.get("tests_error"), tuple(map(FailedTest, numbers)), logged["reward_tests"]
        ),
        verdicts=_recalled_verdicts(logged),
        verdicts_reward=logged["reward_verifier"],
        rating=_recalled_rating(logged, logged["reward_learned"]),
        tokens=logged.get("tokens"),
        lines=len(completion.code.splitlines()),
        finished=logged.get("finished"),
        notes=_score_note(logged),
    )


def _reports(
    codes: Sequence[str], tasks: Sequence[Task], results: Sequence[Result], reward: Ordered
) -> list[Report | None]:
    reports: list[Report | None] = [None] * len(codes)
    rows = [row for row, result in enumerate(results) if passes(result)]
    if reward.verifier is None or not rows:
        return reports
    verifier = reward.verifier.reward
    assert isinstance(verifier, VerifierReward)
    found = verifier.reports(
        [codes[row] for row in rows],
        entry=[tasks[row].entry for row in rows],
        properties=[tasks[row].properties for row in rows],
        contract=[tasks[row].contract for row in rows],
        signature=[tasks[row].signature for row in rows],
    )
    for row, report in zip(rows, found, strict=True):
        reports[row] = report
    return reports


_Rated = tuple[float, float, float, float | None]
"""Mean score, disagreement, value, and its standard deviations before clipping."""


def _ratings(
    completions: Sequence[Completion], learned: LearnedReward | None, prompts: Sequence[str]
) -> list[_Rated | None]:
    if learned is None:
        return [_logged_rating(one.logged) for one in completions]
    means, spreads = judged(learned.model, prompts, [one.code for one in completions])
    return [
        (mean, spread, learned.value(mean, spread), learned.deviations(mean, spread))
        for mean, spread in zip(means, spreads, strict=True)
    ]


def _logged_rating(logged: Mapping[str, Any]) -> _Rated | None:
    if logged.get("rating") is None or logged.get("learned") is None:
        return None
    return float(logged["rating"]), float(logged.get("disagreement") or 0.0), float(logged["learned"]), None


def _explained(
    completion: Completion,
    task: Task,
    ran: Result,
    counts: Result,
    report: Report | None,
    rated: _Rated | None,
    *,
    reward: Ordered,
) -> Explanation:
    """``ran`` is what the tests said, ``counts`` what of it counts."""
    verdict = None if report is None else VerifierReward.value({v.property: v.outcome for v in report.verdicts})
    declared = len(task.properties)
    is_python = parsed(completion.code) is not None
    value = None if rated is None else rated[2]
    parts = reward.parts(counts, verdict, value, properties=declared, is_python=is_python)
    rating = None
    if rated is not None:
        limits = reward.limits(counts, verdict, properties=declared, is_python=is_python)
        held_by = min(limits, key=lambda name: limits[name])
        mean, spread, value, deviations = rated
        rating = Rating(mean, spread, value, limits[held_by], held_by, parts[2], deviations)
    logged = completion.logged.get("reward")
    return Explanation(
        row=completion.row,
        task=task.key,
        entry=task.entry,
        reward=math.fsum(parts),
        tests=Tests(ran.passed, ran.total, ran.status, ran.exception, tuple(_failed(ran, task)), parts[0]),
        verdicts=None if report is None else tuple(map(_property, report.verdicts)),
        verdicts_reward=parts[1],
        rating=rating,
        tokens=completion.logged.get("tokens"),
        lines=len(completion.code.splitlines()),
        finished=completion.finished,
        logged=None if logged is None else float(logged),
        notes=_score_note(completion.logged),
    )


def _failed(result: Result, task: Task) -> Iterator[FailedTest]:
    for number in failed(result):
        reached = number < len(result.tests)
        yield FailedTest(number, task.tests[number], result.tests[number] if reached else "not reached")


def _property(verdict: Verdict) -> Property:
    shown = verdict.counterexample
    return Property(
        verdict.property,
        str(verdict.outcome),
        POINTS[verdict.outcome],
        verdict.line,
        verdict.reason,
        shown.call if shown else None,
        shown.observed if shown else None,
    )


def _recalled_verdicts(logged: Mapping[str, Any]) -> tuple[Property, ...] | None:
    if not logged.get("verdicts"):
        return None
    broken = logged.get("refutations") or {}
    found = []
    for slug, outcome in logged["verdicts"].items():
        shown = broken.get(slug, {})
        points = POINTS[Outcome(outcome)]
        found.append(Property(slug, outcome, points, shown.get("line"), "", shown.get("call"), shown.get("observed")))
    return tuple(found)


def _recalled_rating(logged: Mapping[str, Any], moved: float) -> Rating | None:
    rated = _logged_rating(logged)
    if rated is None:
        return None
    mean, spread, value, _ = rated
    standing = logged.get("learned_among_best")
    return Rating(mean, spread, value, logged.get("learned_bound"), None, moved, among_best=standing)


def _score_note(logged: Mapping[str, Any]) -> tuple[str, ...]:
    """What the trainer did to the reward afterwards."""
    reward, score = logged.get("reward"), logged.get("score")
    if reward is None or score is None or math.isclose(reward, score):
        return ()
    return (f"the trainer scored {score:.3f}: {score - reward:+.3f} for not coming to its end",)


# -- in words


def in_words(one: Explanation) -> str:
    """A few lines a completion."""
    parts = [
        " ".join(
            filter(None, (f"row {one.row}:", f"reward {one.reward:.3f}", one.entry, one.task and f"(task {one.task})"))
        ),
        *_tests_in_words(one),
        *_verdicts_in_words(one),
        *_rating_in_words(one),
        _part("length", None, _length(one)),
        *(_part("", None, note) for note in one.notes),
    ]
    if one.logged is not None and not math.isclose(one.logged, one.reward, abs_tol=1e-6):
        note = f"the run logged {one.logged:.3f}: it had other settings, another reward model or other statistics"
        parts.append(_part("", None, note))
    return "\n".join(parts)


def _part(name: str, value: float | None, text: str) -> str:
    number = "" if value is None else f"{value:+.3f}"
    return f"  {name:<9}{number:>8}  {text}".rstrip()


def _tests_in_words(one: Explanation) -> Iterator[str]:
    tests = one.tests
    text = f"passes {tests.passed} of {tests.total} tests"
    if one.finished is False:
        text += ", but never came to its end: counts as passing none"
    elif tests.passed < tests.total:
        text += f": {tests.status}" + (f", {tests.error}" if tests.error else "")
    if tests.reward < 0:
        text += "; no Python at all is below whatever runs and fails"
    yield _part("tests", tests.reward, text)
    for test in tests.failed:
        told = ": ".join(filter(None, (test.status, test.test)))
        yield _part("", None, f"test {test.number + 1} fails" + (f" ({told})" if told else ""))


def _verdicts_in_words(one: Explanation) -> Iterator[str]:
    if one.verdicts is None:
        passed = one.tests.passed == one.tests.total and one.finished is not False
        why = (
            "none: the task declares no property, or the verifier has no weight"
            if passed
            else "do not count: not all tests pass"
        )
        yield _part("verdicts", one.verdicts_reward, why)
        return
    points = math.fsum(verdict.points for verdict in one.verdicts) / len(one.verdicts)
    yield _part("verdicts", one.verdicts_reward, f"{points:.2f} of 1 point on average")
    for verdict in one.verdicts:
        where = "" if verdict.line is None else f", line {verdict.line}"
        if verdict.call:
            why = f": {verdict.call} gives {verdict.observed}"
        else:
            why = f": {verdict.reason}" if verdict.reason else ""
        yield _part("", None, f"{verdict.property} {verdict.outcome} ({verdict.points:.2f}){where}{why}")


_HELD = {
    "weight": "its weight",
    "best": "its weight, where it adds, for tests and verdicts know of no better program",
    "test": "just under half of what one test more or less is worth",
    "verdict": "just under half of what one verdict better or worse is worth",
    "syntax": "what is no Python is not rated",
}


def _rating_in_words(one: Explanation) -> Iterator[str]:
    rating = one.rating
    if rating is None:
        yield _part("rating", None, "none")
        return
    text = f"score {rating.mean:.3f}, members {rating.disagreement:.3f} apart"
    if rating.deviations is not None:
        text += f"; {rating.deviations:+.2f} standard deviations when that is taken off"
    text += f"; {rating.value:+.2f} of 1" + (", clipped" if rating.clipped else "")
    if rating.among_best is not None:
        text += f"; {rating.among_best:+.2f} among those of its family that tests and verdicts can't tell apart"
    yield _part("rating", rating.reward, text)
    if rating.value > 0 and one.tests.passed == 0:
        yield _part("", None, "a program that passes no test gains nothing by being liked")
    elif rating.bound is not None:
        why = f": {_HELD[rating.held_by]}" if rating.held_by else ""
        yield _part("", None, f"may move the reward by at most {rating.bound:.3f}{why}")


def _length(one: Explanation) -> str:
    tokens = "" if one.tokens is None else f"{one.tokens} tokens, "
    return f"{tokens}{one.lines} lines"
