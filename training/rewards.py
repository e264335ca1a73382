"""Rewards composed so that no weaker voice outranks a stronger: tests, then proofs, then ratings.

``Ordered`` holds that order by construction: test results first; among programs that pass all tests the verdicts on
the properties which the task declares; the learned reward only moves within what those two leave open. A program
that fails a test has no verdicts (``return 0`` proves everything), one that passes none gains nothing by being liked,
and a completion that never came to its end counts as passing none. ``Gated`` and ``WeightedSum`` are for orders of
one's own. All take and return what TRL's GRPO reward functions do.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from training.config import RewardSettings
from training.evidence import (
    POINTS_STEP,
    LearnedReward,
    Moments,
    Reward,
    Rewards,
    TestReward,
    VerifierReward,
    log,
    passes,
    tell,
)
from training.similarity import parsed
from verification.sandbox import Result

__all__ = ["Gated", "LearnedReward", "Ordered", "Reward", "TestReward", "VerifierReward", "WeightedSum", "unfinished"]

_PRIOR = 4
"""So many ratings spread as all are stand for those of a family's best programs before any is seen."""
_LEAST_SPREAD = 0.25
"""Of that of all ratings: what differs by less than that among the best programs is not made more of."""
_MARGIN = 0.45
"""Share of a gap that the next weaker voice may fill from either side; below a half, so neighbours never meet."""


class Gated:
    """A reward that counts only where a gate opens; the others get ``closed`` and are not even looked at."""

    def __init__(self, reward: Reward, gate: Callable[..., Sequence[bool]], *, closed: float = 0.0) -> None:
        self.reward, self.gate, self.closed = reward, gate, closed
        self.name = getattr(reward, "name", "gated")

    def __call__(
        self,
        prompts: Sequence[str],
        completions: Sequence[str],
        completion_ids: Sequence[Sequence[int]] | None = None,
        **columns: Any,
    ) -> Rewards:
        opened = list(self.gate(prompts=prompts, completions=completions, completion_ids=completion_ids, **columns))
        rows = [row for row, is_open in enumerate(opened) if is_open]
        rewards: Rewards = [self.closed] * len(completions)
        if rows:
            chosen = {name: _rows(values, rows, len(completions)) for name, values in columns.items()}
            chosen["log_extra"] = _spread(columns.get("log_extra"), rows, len(completions))
            found = self.reward(
                [prompts[row] for row in rows],
                [completions[row] for row in rows],
                None if completion_ids is None else [completion_ids[row] for row in rows],
                **chosen,
            )
            for row, value in zip(rows, found, strict=True):
                rewards[row] = value
        return rewards

    def state_dict(self) -> dict[str, Any]:
        return _state_of(self.reward)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        _restore(self.reward, state)


class WeightedSum:
    """Rewards added up by weight; None leaves one out of that row's sum, and a row of None stays None."""

    name = "weighted_sum"

    def __init__(self, parts: Sequence[tuple[Reward, float]]) -> None:
        self.parts = list(parts)

    def __call__(
        self,
        prompts: Sequence[str],
        completions: Sequence[str],
        completion_ids: Sequence[Sequence[int]] | None = None,
        **columns: Any,
    ) -> Rewards:
        found = [(weight, reward(prompts, completions, completion_ids, **columns)) for reward, weight in self.parts]
        for (reward, _), (_, values) in zip(self.parts, found, strict=True):
            log(columns, f"part_{getattr(reward, 'name', type(reward).__name__)}", values)
        return [_weighted([(weight, values[row]) for weight, values in found]) for row in range(len(completions))]

    def state_dict(self) -> dict[str, Any]:
        return {str(i): _state_of(reward) for i, (reward, _) in enumerate(self.parts)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        for i, (reward, _) in enumerate(self.parts):
            _restore(reward, state.get(str(i), {}))


class Ordered:
    """Tests, then verdicts, then ratings: each weaker reward stays within the gaps that the stronger ones leave.

    What is no Python at all is below whatever runs and fails, by ``syntax_weight``.

    A program that passes gets ``tests_weight`` plus ``verifier_weight`` times its points; one that fails, its share
    of ``tests_weight``. Either is moved by the learned reward (-1 to 1), at most by ``learned_weight`` and never by
    more than just under half the gap to the next better or worse result that the task allows. Nothing is better than
    a program that passes all and of which all is proved: there a rating may add its whole weight, so that it decides
    between programs which tests and verdicts can't tell apart. Most of what ratings say is what tests say too, or how
    hard the task is, so that the best programs of a task's ``family`` (a column; all are one where there is none) are
    rated almost alike: their ratings are standardised among those of the family that came before, and what else they
    say counts.

    ``gather`` makes a list of all processes that train together out of each one's. ``eos`` is the token that ends a
    completion: where token ids are given, one without it at its end never finished.
    """

    name = "ordered"

    def __init__(
        self,
        tests: TestReward,
        verifier: VerifierReward | None,
        learned: Reward | None,
        settings: RewardSettings,
        *,
        eos: int | None = None,
        gather: Callable[[list[tuple[str, float]]], list[tuple[str, float]]] = list,
    ) -> None:
        self.tests, self.learned, self.settings, self.eos, self.gather = tests, learned, settings, eos, gather
        self.spread = 1 / settings.learned_clip
        """One standard deviation of all ratings, as a share of the largest."""
        self._among_best: dict[str, Moments] = {}
        self.verifier = None if verifier is None else Gated(verifier, self._passed)

    def __call__(
        self,
        prompts: Sequence[str],
        completions: Sequence[str],
        completion_ids: Sequence[Sequence[int]] | None = None,
        **columns: Any,
    ) -> Rewards:
        arguments = (prompts, completions, completion_ids)
        self.tests(*arguments, **columns)  # logs what was found, which the results below repeat from memory
        results = self._results(completions, completion_ids, **columns)
        nothing: Rewards = [None] * len(completions)
        verdicts = self.verifier(*arguments, **columns) if self.verifier else nothing
        declared = [len(slugs or ()) for slugs in columns.get("properties") or [()] * len(completions)]
        ratings = self.learned(*arguments, **columns) if self.learned else nothing
        if self.learned:
            tell(columns, "learned", ratings)
            best = [
                self.is_best(result, verdict, properties=count)
                for result, verdict, count in zip(results, verdicts, declared, strict=True)
            ]
            standings = self._standings(ratings, best, columns.get("family") or [""] * len(completions))
            log(columns, "learned_among_best", standings)
            ratings = [value if at is None else at for value, at in zip(ratings, standings, strict=True)]
        rows = list(zip(results, verdicts, ratings, declared, strict=True))
        # What passes a test is Python: most completions need no parsing.
        pythons = [
            result.passed > 0 or parsed(code) is not None for result, code in zip(results, completions, strict=True)
        ]
        parts = [
            self.parts(result, verdict, rating, properties=count, is_python=python)
            for (result, verdict, rating, count), python in zip(rows, pythons, strict=True)
        ]
        bounds = [
            self.bound(result, verdict, properties=count, is_python=python)
            for (result, verdict, _, count), python in zip(rows, pythons, strict=True)
        ]
        log(columns, "learned_bound", bounds)
        self._log(columns, completions, completion_ids, results, verdicts, parts)
        return [math.fsum(row) for row in parts]

    def among_best(self, family: str = "") -> Moments:
        """The ratings (-1 to 1) of the family's best programs so far."""
        return self._among_best.get(family) or Moments(_PRIOR, 0.0, self.spread**2 * (_PRIOR - 1))

    def _standings(self, ratings: Rewards, best: Sequence[bool], families: Sequence[str | None]) -> Rewards:
        """The best programs' ratings as they stand among those of their family before, -1 to 1; None for the others."""
        standings: Rewards = []
        seen: list[tuple[str, float]] = []
        for rating, is_best, family in zip(ratings, best, families, strict=True):
            if rating is None or not is_best:
                standings.append(None)
                continue
            before, value = self.among_best(family or ""), _within_one(rating)
            deviations = (value - before.mean) / max(before.std, self.spread * _LEAST_SPREAD)
            standings.append(_within_one(deviations * self.spread))
            seen.append((family or "", value))
        for name, value in self.gather(seen):
            self._among_best[name] = self.among_best(name).with_values([value])
        return standings

    def parts(
        self, result: Result, verdict: float | None, rating: float | None, *, properties: int, is_python: bool = True
    ) -> tuple[float, float, float]:
        """What tests, verdicts and rating add to one program's reward."""
        settings = self.settings
        if self._is_unreadable(result, is_python=is_python):
            # Below the worst that a rating can make of a program that runs and fails.
            return -settings.syntax_weight - self.bound(result, verdict, properties=properties), 0.0, 0.0
        tests = settings.tests_weight * self.tests.value(result)
        verified = settings.verifier_weight * (verdict or 0.0) if passes(result) else 0.0
        bound, liked = self.bound(result, verdict, properties=properties), _within_one(rating)
        if liked < 0 and self.is_best(result, verdict, properties=properties):
            bound = min([bound, *self._held(result, properties=properties).values()])
        return tests, verified, bound * (liked if result.passed else min(liked, 0.0))

    def _is_unreadable(self, result: Result, *, is_python: bool) -> bool:
        return not is_python and result.passed == 0 and self.settings.syntax_weight > 0

    def is_best(self, result: Result, verdict: float | None, *, properties: int) -> bool:
        """Whether neither tests nor verdicts know of a better program."""
        undecided = self.settings.verifier_weight > 0 and self.verifier and properties and verdict != 1.0
        return passes(result) and not undecided

    def bound(self, result: Result, verdict: float | None, *, properties: int, is_python: bool = True) -> float:
        """The most that a rating may move a program's reward: never as far as a neighbour's may come."""
        return min(self.limits(result, verdict, properties=properties, is_python=is_python).values())

    def limits(
        self, result: Result, verdict: float | None, *, properties: int, is_python: bool = True
    ) -> dict[str, float]:
        """What holds a rating back: its own ``weight``, the next ``test`` and the next ``verdict``, where they do.

        Nothing does above a program than which none is better: its limit is ``best``, for a rating that adds. Of what
        is no Python nothing is left to rate: its ``syntax`` holds the rating at 0.
        """
        if self._is_unreadable(result, is_python=is_python):
            return {"syntax": 0.0}
        if self.is_best(result, verdict, properties=properties):
            return {"best": self.settings.learned_weight}
        return {"weight": self.settings.learned_weight, **self._held(result, properties=properties)}

    def _held(self, result: Result, *, properties: int) -> dict[str, float]:
        """How far the next test and the next verdict let a rating move the reward."""
        weights, tests = self.settings, max(result.total, 1)
        verified = weights.verifier_weight if self.verifier and properties else 0.0
        one_verdict = verified * POINTS_STEP / max(properties, 1)
        one_test = weights.tests_weight * (1 - weights.all_pass_share) / tests
        last_test = one_test + weights.tests_weight * weights.all_pass_share
        if passes(result):
            gaps = {"test": last_test, "verdict": one_verdict}
        else:
            next_test = one_test or last_test
            gaps = {"test": next_test, "verdict": 0.0 if next_test else one_verdict}
        # A voice of weight 0 says nothing, so it leaves no gap to stay within.
        return {name: _MARGIN * gap for name, gap in gaps.items() if gap > 0}

    def _results(
        self, completions: Sequence[str], completion_ids: Sequence[Sequence[int]] | None, **columns: Any
    ) -> list[Result]:
        """What counts of the tests: all of it for a completion that came to its end."""
        results = self.tests.results(completions, **columns)
        finished = self._finished(completion_ids, len(results))
        return [result if ended else unfinished(result) for result, ended in zip(results, finished, strict=True)]

    def _finished(self, completion_ids: Sequence[Sequence[int]] | None, count: int) -> list[bool]:
        if self.eos is None or completion_ids is None:
            return [True] * count
        return [bool(ids) and ids[-1] == self.eos for ids in completion_ids]

    def _passed(
        self, *, completions: Sequence[str], completion_ids: Sequence[Sequence[int]] | None = None, **columns: Any
    ) -> list[bool]:
        return [passes(result) for result in self._results(completions, completion_ids, **columns)]

    def _log(
        self,
        columns: Mapping[str, Any],
        completions: Sequence[str],
        completion_ids: Sequence[Sequence[int]] | None,
        results: Sequence[Result],
        verdicts: Rewards,
        parts: Sequence[tuple[float, float, float]],
    ) -> None:
        """Each component and the length of each completion, and their means."""
        for name, index in (("tests", 0), ("verifier", 1), ("learned", 2)):
            log(columns, f"reward_{name}", [row[index] for row in parts])
        lengths = {"lines": [len(code.splitlines()) for code in completions]}
        if completion_ids is not None:
            lengths["tokens"] = [len(ids) for ids in completion_ids]
        for name, counts in lengths.items():
            log(columns, name, counts)
            tell(columns, name, counts)
        if "key" in columns:
            log(columns, "key", columns["key"])
        passed = [passes(result) for result in results]
        tell(columns, "tests", [self.tests.value(result) for result in results])
        tell(columns, "passed", list(map(float, passed)))
        if self.verifier:
            tell(columns, "verifier", [v for v, ok in zip(verdicts, passed, strict=True) if ok])

    def close(self) -> None:
        """End the sandbox's processes."""
        self.tests.close()

    def state_dict(self) -> dict[str, Any]:
        if self.learned is None:
            return {}
        among_best = {family: moments.state_dict() for family, moments in self._among_best.items()}
        return {"learned": _state_of(self.learned), "among_best": among_best}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        if state:
            _restore(self.learned, state["learned"])
            self._among_best = {family: Moments.of(found) for family, found in state["among_best"].items()}


def unfinished(result: Result) -> Result:
    """What counts of the tests of a completion that never came to its end."""
    return replace(result, status="wrong", passed=0)


def _within_one(rating: float | None) -> float:
    """A rating as the order needs it, -1 to 1; None is 0."""
    if rating is None:
        return 0.0
    if math.isnan(rating):
        raise ValueError("the learned reward is not a number (NaN): return a number or None for each completion")
    return max(-1.0, min(1.0, rating))


def _weighted(parts: Sequence[tuple[float, float | None]]) -> float | None:
    known = [weight * value for weight, value in parts if value is not None]
    return math.fsum(known) if known else None


def _rows(values: Any, rows: Sequence[int], count: int) -> Any:
    """The chosen rows of a column; what is no column stays as it is."""
    return [values[row] for row in rows] if isinstance(values, list | tuple) and len(values) == count else values


def _spread(log_extra: Any, rows: Sequence[int], count: int) -> Any:
    """``log_extra`` for some rows: the others are logged as None."""
    if log_extra is None:
        return None

    def spread(name: str, values: Sequence[Any]) -> None:
        whole: list[Any] = [None] * count
        for row, value in zip(rows, values, strict=True):
            whole[row] = value
        log_extra(name, whole)

    return spread


def _state_of(reward: object) -> dict[str, Any]:
    state = getattr(reward, "state_dict", None)
    return dict(state()) if state is not None else {}


def _restore(reward: object, state: Mapping[str, Any]) -> None:
    load = getattr(reward, "load_state_dict", None)
    if load is not None and state:
        load(state)
