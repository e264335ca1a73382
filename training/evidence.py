"""What tests, proofs and ratings say of a program, each as a reward of TRL's GRPO signature.

A reward takes ``prompts``, ``completions``, ``completion_ids`` and the dataset's columns by keyword, and returns one
number or None a completion. These read a task's columns ``entry``, ``tests``, ``prelude``, ``properties`` and
``contract``, and log what they saw of each completion through ``log_extra``. A fault of the sandbox or the verifier
is an exception, never a reward.
"""

from __future__ import annotations

import hashlib
import json
import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from training.curriculum.task import Task
from training.memory import Memory
from training.signatures import report_of
from verification.outcome import Outcome, Report
from verification.sandbox import BadTest, Job, Pool, Result, SandboxError, SandboxUnavailable

Rewards = list[float | None]


class Reward(Protocol):
    """TRL's signature for GRPO's reward functions."""

    def __call__(
        self,
        prompts: Sequence[str],
        completions: Sequence[str],
        completion_ids: Sequence[Sequence[int]] | None = None,
        **columns: Any,
    ) -> Rewards: ...


class ScoringModel(Protocol):
    """What ``LearnedReward`` needs of a reward model.

    An ensemble has ``score_members(prompts, completions)`` too: for each completion one score a member.
    """

    mean: float
    std: float
    count: int

    def score(self, prompts: Sequence[str], completions: Sequence[str]) -> list[float]: ...


POINTS: Mapping[Outcome, float] = {
    Outcome.REFUTED: 0.0,
    Outcome.UNSUPPORTED: 0.25,
    Outcome.UNKNOWN: 0.5,
    Outcome.BOUNDED: 0.75,
    Outcome.PROVED: 1.0,
    Outcome.VACUOUS: 1.0,
}
"""A declared property's points; where the verifier can't follow, hiding gains less than being hard."""

POINTS_STEP = 0.25
"""The least difference between two outcomes that differ in points."""

_REMEMBERED = 100_000


class TestReward:
    """How much of its task's tests a program passes, 0 to 1.

    ``all_pass_share`` of it is earned only by passing them all; the rest by the fraction that passes.
    """

    name = "tests"
    __test__ = False  # not a class of tests, whatever its name begins with

    pauses = (0.0, 1.0, 5.0, 20.0)
    """Seconds before each try of what the sandbox could not run."""

    def __init__(self, *, all_pass_share: float = 0.5, pool: Pool | None = None) -> None:
        self.all_pass_share = all_pass_share
        self._pool = pool
        self._known: Memory[Result] = Memory(_REMEMBERED)

    def __call__(
        self,
        prompts: Sequence[str],
        completions: Sequence[str],
        completion_ids: Sequence[Sequence[int]] | None = None,
        **columns: Any,
    ) -> Rewards:
        del prompts, completion_ids
        results = self.results(completions, **columns)
        log(columns, "tests_passed", [result.passed for result in results])
        log(columns, "tests_total", [result.total for result in results])
        log(columns, "tests_status", [result.status for result in results])
        log(columns, "tests_failed", [failed(result) for result in results])
        log(columns, "tests_error", [result.exception for result in results])
        return [self.value(result) for result in results]

    def value(self, result: Result) -> float:
        """The reward of one result."""
        if passes(result):
            return 1.0
        return (1 - self.all_pass_share) * result.passed / max(result.total, 1)

    def results(
        self,
        completions: Sequence[str],
        *,
        entry: Sequence[str],
        tests: Sequence[Sequence[str]],
        prelude: Sequence[str] | None = None,
        **columns: Any,
    ) -> list[Result]:
        """What the sandbox said of each program; a program and its tests are run once."""
        del columns
        rows = list(zip(completions, entry, tests, prelude or [""] * len(completions), strict=True))
        keys = [_digest(code, name, list(asserts), head) for code, name, asserts, head in rows]
        found = {key: self._known.get(key) for key in keys}
        wanted = {key: row for key, row in zip(keys, rows, strict=True) if found[key] is None}
        jobs = [Job.tests(code, name, tuple(asserts), prelude=head) for code, name, asserts, head in wanted.values()]
        for key, result in zip(wanted, self._run(jobs), strict=True):
            self._known.put(key, result)
            found[key] = result
        return [known for key in keys if (known := found[key]) is not None]

    def results_of(self, completions: Sequence[str], tasks: Sequence[Task]) -> list[Result]:
        """``results`` of programs, each for the task beside it."""
        return self.results(
            completions,
            entry=[task.entry for task in tasks],
            tests=[task.tests for task in tasks],
            prelude=[task.prelude for task in tasks],
        )

    def _run(self, jobs: Sequence[Job]) -> list[Result]:
        """All results; jobs that a busy machine did not let run are tried again before that is an error."""
        results: list[Result | None] = [None] * len(jobs)
        for attempt, pause in enumerate(self.pauses, start=1):
            open_rows = [row for row, result in enumerate(results) if result is None]
            if not open_rows:
                break
            time.sleep(pause)
            try:
                found = self._open_pool().run_many([jobs[row] for row in open_rows])
            except (SandboxUnavailable, BadTest):
                raise
            except SandboxError as error:
                if attempt == len(self.pauses) or len(error.results) != len(open_rows):
                    raise
                found = list(error.results)
            for row, result in zip(open_rows, found, strict=True):
                results[row] = None if result.status == "infra_error" else result
        return [result for result in results if result is not None]

    def close(self) -> None:
        """End the sandbox's processes."""
        if self._pool is not None:
            self._pool.close()
            self._pool = None

    def _open_pool(self) -> Pool:
        if self._pool is None:
            self._pool = Pool()
        return self._pool

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_pool": None}


def passes(result: Result) -> bool:
    """Whether a program passed every test, of which there was at least one."""
    return result.status == "passed" and result.total > 0 and result.passed == result.total


def failed(result: Result) -> list[int]:
    """Which tests a program did not pass, counted from 0; those that were never reached count."""
    return [test for test in range(result.total) if result.tests[test : test + 1] != ("passed",)]


class VerifierReward:
    """The mean points of the properties that the task declares, 0 to 1; None where it declares none.

    On its own it can be gamed by programs that do nothing: gate it by tests (``Gated``, ``Ordered``). A program that
    declares other types than its task is UNSUPPORTED (see ``signatures``). ``cache`` is a folder of earlier reports,
    which runs and processes may share.
    """

    name = "verifier"

    def __init__(self, *, cache: Path | None = None) -> None:
        self.cache = cache
        self._known: Memory[Report] = Memory(_REMEMBERED)

    def __call__(
        self,
        prompts: Sequence[str],
        completions: Sequence[str],
        completion_ids: Sequence[Sequence[int]] | None = None,
        **columns: Any,
    ) -> Rewards:
        del prompts, completion_ids
        reports = self.reports(completions, **columns)
        outcomes = [_outcomes(report) for report in reports]
        log(columns, "verdicts", outcomes)
        log(columns, "refutations", [_refutations(report) for report in reports])
        return [self.value(found) for found in outcomes]

    @staticmethod
    def value(outcomes: Mapping[str, str]) -> float | None:
        """The reward of one program's outcomes by property."""
        if not outcomes:
            return None
        return math.fsum(POINTS[Outcome(outcome)] for outcome in outcomes.values()) / len(outcomes)

    def outcomes(self, completions: Sequence[str], **columns: Any) -> list[dict[str, str]]:
        """Each program's outcome by declared property; columns as for ``reports``."""
        return [_outcomes(report) for report in self.reports(completions, **columns)]

    def reports(
        self,
        completions: Sequence[str],
        *,
        entry: Sequence[str],
        properties: Sequence[Sequence[str]],
        contract: Sequence[Mapping[str, Any] | None] | None = None,
        signature: Sequence[str | None] | None = None,
        **columns: Any,
    ) -> list[Report | None]:
        """What the verifier says of each program's declared properties; a program is verified once."""
        del columns
        nothing = [None] * len(completions)
        rows = zip(completions, entry, properties, contract or nothing, signature or nothing, strict=True)
        return [
            self._report(code, name, tuple(slugs or ()), promise, head) for code, name, slugs, promise, head in rows
        ]

    def _report(
        self,
        code: str,
        entry: str,
        properties: tuple[str, ...],
        contract: Mapping[str, Any] | None,
        signature: str | None,
    ) -> Report | None:
        if not properties:
            return None
        key = _digest(code, entry, list(properties), dict(contract) if contract else None, signature)
        report = self._known.get(key)
        if report is None:
            report = report_of(code, entry, properties, signature=signature, contract=contract, cache=self.cache)
            self._known.put(key, report)
        return report


class LearnedReward:
    """A reward model's score less ``pessimism`` times its members' disagreement, z-scored and clipped: -1 to 1.

    What the members of an ensemble disagree on, none of them has learnt, so a policy that is drawn there is drawn by
    their errors: each standard deviation between them costs ``pessimism`` of the score. A model of one member has no
    disagreement.

    The statistics are those of the mean scores of all that was seen so far. They start from those of the reward
    model's own training data, so that the first batches are not scaled by chance; they are kept in a run's
    checkpoints. Where several processes train together, ``gather`` makes the scores of all of them out of each one's,
    and all must call this reward as often.
    """

    name = "learned"

    def __init__(
        self,
        model: ScoringModel,
        *,
        clip: float = 2.0,
        pessimism: float = 1.0,
        gather: Callable[[list[float]], list[float]] = list,
    ) -> None:
        self.model = model
        self.clip, self.pessimism = clip, pessimism
        self.gather = gather
        self.moments = Moments(model.count, model.mean, model.std**2 * max(model.count - 1, 0))

    def __call__(
        self,
        prompts: Sequence[str],
        completions: Sequence[str],
        completion_ids: Sequence[Sequence[int]] | None = None,
        **columns: Any,
    ) -> Rewards:
        del completion_ids
        ratings, disagreements = judged(self.model, prompts, completions)
        self.moments = self.moments.with_values(self.gather(ratings))
        values = [self.value(*pair) for pair in zip(ratings, disagreements, strict=True)]
        for name, seen in (("rating", ratings), ("disagreement", disagreements), ("learned", values)):
            log(columns, name, seen)
        tell(columns, "rating", ratings)
        tell(columns, "disagreement", disagreements)
        return list(values)

    def value(self, rating: float, disagreement: float) -> float:
        """The reward of one mean score and its members' standard deviation."""
        return max(-1.0, min(1.0, self.deviations(rating, disagreement) / self.clip))

    def deviations(self, rating: float, disagreement: float) -> float:
        """By how many standard deviations a pessimistic score is above the mean of all scores; not yet clipped."""
        return (rating - self.pessimism * disagreement - self.moments.mean) / (self.moments.std or 1.0)

    def state_dict(self) -> dict[str, float]:
        return self.moments.state_dict()

    def load_state_dict(self, state: Mapping[str, float]) -> None:
        self.moments = Moments.of(state)


def judged(model: ScoringModel, prompts: Sequence[str], completions: Sequence[str]) -> tuple[list[float], list[float]]:
    """Each completion's mean score over the model's members, and their standard deviation.

    ValueError for a score that is no number: it would outlast its batch in the running statistics.
    """
    members = getattr(model, "score_members", None)
    rows = members(prompts, completions) if members else [[score] for score in model.score(prompts, completions)]
    for row, scores in enumerate(rows):
        if not scores or not all(map(math.isfinite, scores)):
            raise ValueError(f"the reward model scored completion {row} {scores}: train it anew, or leave it out")
    means = [math.fsum(scores) / len(scores) for scores in rows]
    return means, [statistics.stdev(scores) if len(scores) > 1 else 0.0 for scores in rows]


class Moments:
    """Running mean and spread (Welford), as a value that new numbers do not change but replace."""

    def __init__(self, count: int = 0, mean: float = 0.0, squares: float = 0.0) -> None:
        self.count, self.mean, self.squares = count, mean, squares

    @property
    def std(self) -> float:
        return math.sqrt(self.squares / (self.count - 1)) if self.count > 1 else 0.0

    def state_dict(self) -> dict[str, float]:
        return {"count": self.count, "mean": self.mean, "squares": self.squares}

    @classmethod
    def of(cls, state: Mapping[str, float]) -> Moments:
        return cls(int(state["count"]), float(state["mean"]), float(state["squares"]))

    def with_values(self, values: Sequence[float]) -> Moments:
        count, mean, squares = self.count, self.mean, self.squares
        for value in values:
            count += 1
            distance = value - mean
            mean += distance / count
            squares += distance * (value - mean)
        return Moments(count, mean, squares)


def log(columns: Mapping[str, Any], name: str, values: Sequence[Any]) -> None:
    log_extra = columns.get("log_extra")
    if log_extra is not None:
        log_extra(name, list(values))


def tell(columns: Mapping[str, Any], name: str, values: Sequence[float | None]) -> None:
    """Log the mean of what is known."""
    known = [value for value in values if value is not None]
    metric = columns.get("log_metric")
    if metric is not None and known:
        metric(name, math.fsum(known) / len(known))


def _outcomes(report: Report | None) -> dict[str, str]:
    return {} if report is None else {verdict.property: str(verdict.outcome) for verdict in report.verdicts}


def _refutations(report: Report | None) -> dict[str, Any]:
    """Where and by which call each refuted property is broken."""
    return {
        verdict.property: {
            "line": verdict.line,
            "call": verdict.counterexample.call if verdict.counterexample else None,
            "observed": verdict.counterexample.observed if verdict.counterexample else verdict.reason,
        }
        for verdict in (report.verdicts if report else ())
        if verdict.outcome is Outcome.REFUTED
    }


def _digest(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
