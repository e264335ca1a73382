"""Rewards composed so that no weaker voice outranks a stronger: tests, then proofs, then ratings.

``Ordered`` holds that order by construction: test results first; among programs that pass all tests the verdicts on
the properties which the task declares; the learned reward only moves within what those two leave open. A program
that fails a test has no verdicts (``return 0`` proves everything). ``Gated`` and ``WeightedSum`` are for orders of
one's own. All take and return what TRL's GRPO reward functions do.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from training.config import RewardSettings
from training.evidence import (
    POINTS_STEP,
    LearnedReward,
    Reward,
    Rewards,
    TestReward,
    VerifierReward,
    log,
    passes,
)
from verification.sandbox import Result

__all__ = ["Gated", "LearnedReward", "Ordered", "Reward", "TestReward", "VerifierReward", "WeightedSum"]

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

    A program that passes gets ``tests_weight`` plus ``verifier_weight`` times its points; one that fails, its share
    of ``tests_weight``. To either the learned reward (-1 to 1) adds at most ``learned_weight``, and never more than
    just under half the gap to the next better or worse result that the task allows.
    """

    name = "ordered"

    def __init__(
        self,
        tests: TestReward,
        verifier: VerifierReward | None,
        learned: Reward | None,
        settings: RewardSettings,
    ) -> None:
        self.tests, self.learned, self.settings = tests, learned, settings
        self.verifier = None if verifier is None else Gated(verifier, self._passed)

    def __call__(
        self,
        prompts: Sequence[str],
        completions: Sequence[str],
        completion_ids: Sequence[Sequence[int]] | None = None,
        **columns: Any,
    ) -> Rewards:
        results = self.tests.results(completions, **columns)
        nothing: Rewards = [None] * len(completions)
        arguments = (prompts, completions, completion_ids)
        tests = self.tests(*arguments, **columns)
        verdicts = self.verifier(*arguments, **columns) if self.verifier else nothing
        ratings = self.learned(*arguments, **columns) if self.learned else nothing
        declared = columns.get("properties") or [()] * len(completions)
        parts = [
            self.parts(result, verdict, rating, properties=len(slugs or ()))
            for result, verdict, rating, slugs in zip(results, verdicts, ratings, declared, strict=True)
        ]
        self._log_parts(columns, results, tests, verdicts, ratings, parts)
        return [math.fsum(row) for row in parts]

    def parts(
        self, result: Result, verdict: float | None, rating: float | None, *, properties: int
    ) -> tuple[float, float, float]:
        """What tests, verdicts and rating add to one program's reward."""
        settings, passed = self.settings, passes(result)
        tests = settings.tests_weight * self.tests.value(result)
        verified = settings.verifier_weight * (verdict or 0.0) if passed else 0.0
        room = self._room(passed, max(result.total, 1), properties if self.verifier else 0)
        return tests, verified, min(settings.learned_weight, room) * (rating or 0.0)

    def _room(self, passed: bool, tests: int, properties: int) -> float:
        """How far a rating may move a reward without reaching a neighbour's."""
        settings = self.settings
        one_test = settings.tests_weight * (1 - settings.all_pass_share) / tests
        gaps = [one_test + settings.tests_weight * settings.all_pass_share if passed else one_test]
        if passed and properties:
            gaps.append(settings.verifier_weight * POINTS_STEP / properties)
        # A voice of weight 0 says nothing, so it leaves no gap to stay within.
        return _MARGIN * min((gap for gap in gaps if gap > 0), default=math.inf)

    def _passed(self, *, completions: Sequence[str], **columns: Any) -> list[bool]:
        columns.pop("completion_ids", None)
        return [passes(result) for result in self.tests.results(completions, **columns)]

    def _log_parts(
        self,
        columns: Mapping[str, Any],
        results: Sequence[Result],
        tests: Rewards,
        verdicts: Rewards,
        ratings: Rewards,
        parts: Sequence[tuple[float, float, float]],
    ) -> None:
        for name, index in (("tests", 0), ("verifier", 1), ("learned", 2)):
            log(columns, f"reward_{name}", [row[index] for row in parts])
        metric = columns.get("log_metric")
        if metric is None:
            return
        passed = [passes(result) for result in results]
        metric("tests", _mean(tests))
        metric("passed", _mean([float(one) for one in passed]))
        if self.verifier and any(passed):
            metric("verifier", _mean([v for v, ok in zip(verdicts, passed, strict=True) if ok]))
        if self.learned:
            metric("learned", _mean(ratings))

    def close(self) -> None:
        """End the sandbox's processes."""
        self.tests.close()

    def state_dict(self) -> dict[str, Any]:
        return _state_of(self.learned)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        _restore(self.learned, state)


def _weighted(parts: Sequence[tuple[float, float | None]]) -> float | None:
    known = [weight * value for weight, value in parts if value is not None]
    return math.fsum(known) if known else None


def _mean(values: Sequence[float | None]) -> float:
    known = [value for value in values if value is not None]
    return math.fsum(known) / len(known) if known else 0.0


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
