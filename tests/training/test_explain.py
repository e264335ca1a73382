"""Explanations: they add up to the reward, and name what it rests on."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from training.config import RewardSettings
from training.curriculum import Task
from training.curriculum.task import Solution
from training.evidence import LearnedReward, TestReward, VerifierReward
from training.explain import Completion, Explanation, explain, in_words, recall
from training.rewards import Ordered
from training.scoring import Scorer

SAFE = "def ratio(a: int, b: int) -> int:\n    return a // b if b else 0\n"
HOLE = "def ratio(a: int, b: int) -> int:\n    if a == 77:\n        return a // b\n    return a // b if b else 0\n"
UNSAFE = "def ratio(a: int, b: int) -> int:\n    return a // b\n"
TASK = Task(
    key="k1", family="ratio", split="train", language="en", text="Divide a by b, or give 0.", entry="ratio",
    signature="def ratio(a: int, b: int) -> int:", solutions=(Solution(SAFE, True),),
    public_tests=("assert ratio(6, 3) == 2",), hidden_tests=("assert ratio(1, 0) == 0", "assert ratio(7, 2) == 3"),
    properties=("zero-division",),
)  # fmt: skip
CODES = [SAFE, HOLE, UNSAFE, "def ratio("]


class Ensemble:
    mean, std, count = 0.0, 1.0, 10**9

    def score(self, prompts: Sequence[str], completions: Sequence[str]) -> list[float]:
        return [sum(scores) / len(scores) for scores in self.score_members(prompts, completions)]

    def score_members(self, prompts: Sequence[str], completions: Sequence[str]) -> list[list[float]]:
        return [{SAFE: [0.5, 0.7], HOLE: [9.0, 9.0]}.get(code, [1.0, 1.0]) for code in completions]


@pytest.fixture(scope="module")
def reward() -> Iterator[Ordered]:
    reward = Ordered(TestReward(), VerifierReward(), LearnedReward(Ensemble()), RewardSettings(), eos=0)
    yield reward
    reward.close()


@pytest.fixture(scope="module")
def logged(reward: Ordered) -> list[dict[str, Any]]:
    """What a run writes of four completions, of which the last never came to its end."""
    columns = {
        "key": [TASK.key], "entry": [TASK.entry], "tests": [list(TASK.tests)], "prelude": [""],
        "properties": [list(TASK.properties)], "contract": [None], "signature": [TASK.signature],
    }  # fmt: skip
    ids = [[1, 0], [1, 0], [1, 0], [1, 2]]
    scored = Scorer([reward])([""] * 4, CODES, ids, {name: values * 4 for name, values in columns.items()})
    rows = [dict(zip(scored.extra, values, strict=True)) for values in zip(*scored.extra.values(), strict=True)]
    finished = [True, True, True, False]
    return [
        {**row, "completion": code, "reward": total, "score": total - (not ended), "finished": ended}
        for row, code, total, ended in zip(rows, CODES, scored.total, finished, strict=True)
    ]


def explained(reward: Ordered, rows: Sequence[dict[str, Any]]) -> list[Explanation]:
    completions = [Completion(number, row["completion"], row) for number, row in enumerate(rows, start=1)]
    learned = reward.learned
    assert isinstance(learned, LearnedReward)
    return explain(completions, [TASK] * len(rows), reward, learned=learned, prompts=[""] * len(rows))


def test_an_explanation_adds_up_to_the_reward_that_the_run_logged(
    reward: Ordered, logged: list[dict[str, Any]]
) -> None:
    for one, row in zip(explained(reward, logged), logged, strict=True):
        assert one.reward == pytest.approx(row["reward"])
        rating = one.rating.reward if one.rating else 0.0
        assert math.fsum([one.tests.reward, one.verdicts_reward, rating]) == pytest.approx(one.reward)
        json.dumps(one.to_json())


def test_what_was_logged_tells_the_same_without_the_tests(reward: Ordered, logged: list[dict[str, Any]]) -> None:
    for one, row in zip(explained(reward, logged), logged, strict=True):
        told = recall(Completion(1, row["completion"], row))
        assert told.reward == row["reward"]
        assert [test.number for test in told.tests.failed] == [test.number for test in one.tests.failed]
        assert (told.verdicts is None) == (one.verdicts is None)
        for a, b in zip(told.verdicts or (), one.verdicts or (), strict=True):
            assert (a.property, a.outcome, a.points) == (b.property, b.outcome, b.points)
            assert a.outcome != "refuted" or (a.line, a.call, a.observed) == (b.line, b.call, b.observed)
        assert told.rating is not None
        assert one.rating is not None
        assert told.rating.bound == pytest.approx(one.rating.bound)
        assert told.rating.value == pytest.approx(one.rating.value, abs=1e-6)


def test_it_says_in_words_what_gave_what_and_why(reward: Ordered, logged: list[dict[str, Any]]) -> None:
    safe, hole, unsafe, broken = map(in_words, explained(reward, logged))
    assert "passes 3 of 3 tests" in safe
    assert "zero-division proved (1.00)" in safe
    assert "members 0.141 apart" in safe
    assert "zero-division refuted (0.00), line 3: ratio(77, 0) gives ZeroDivisionError" in hole
    assert "+1.00 of 1, clipped" in hole
    assert "at most 0.056: just under half of what one verdict" in hole
    assert "passes 2 of 3 tests: exception, ZeroDivisionError" in unsafe
    assert "test 2 fails (exception: assert ratio(1, 0) == 0)" in unsafe
    assert "do not count: not all tests pass" in unsafe
    assert "at most 0.075: just under half of what one test" in unsafe
    assert "never came to its end: counts as passing none" in broken
    assert "no Python at all is below whatever runs and fails" in broken
    assert "gains nothing by being liked" in broken
    assert "-1.000 for not coming to its end" in broken


def test_another_setting_than_the_runs_is_told(logged: list[dict[str, Any]]) -> None:
    other = Ordered(TestReward(), None, None, RewardSettings(verifier_weight=0.0))
    try:
        (one,) = explain([Completion(1, SAFE, logged[0])], [TASK], other)
    finally:
        other.close()
    assert f"the run logged {logged[0]['reward']:.3f}" in in_words(one)
    assert "the verifier has no weight" in in_words(one)


def test_what_was_not_logged_is_named() -> None:
    with pytest.raises(KeyError, match="tests_passed"):
        recall(Completion(1, SAFE, {"completion": SAFE}))
