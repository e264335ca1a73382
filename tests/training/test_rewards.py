"""Rewards: what they say of real programs, and the order in which they are heard."""

from __future__ import annotations

import itertools
import math
import pickle
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.config import RewardSettings
from training.evidence import POINTS, POINTS_STEP, Moments, passes
from training.rewards import Gated, LearnedReward, Ordered, TestReward, VerifierReward, WeightedSum
from training.scoring import Scorer
from verification.outcome import Outcome
from verification.sandbox import Result, SandboxError

SAFE = "def ratio(a: int, b: int) -> int:\n    return a // b if b else 0\n"
UNSAFE = "def ratio(a: int, b: int) -> int:\n    return a // b\n"
NOTHING = "def ratio(a: int, b: int) -> int:\n    return 0\n"
BROKEN = "def ratio(a: int, b: int) -> int\n    return"
TESTS = ["assert ratio(6, 3) == 2", "assert ratio(7, 2) == 3", "assert ratio(-1, 1) == -1"]
EDGE = "assert ratio(1, 0) == 0"


def task(count: int, *, tests: Sequence[str] = (*TESTS, EDGE), properties: Sequence[str] = ("zero-division",)) -> Any:
    return {
        "entry": ["ratio"] * count,
        "tests": [list(tests)] * count,
        "prelude": [""] * count,
        "properties": [list(properties)] * count,
        "contract": [None] * count,
    }


class Ratings:
    """A reward model that knows a few programs by heart."""

    mean, std, count = 0.0, 1.0, 1000

    def __init__(self, scores: dict[str, float]) -> None:
        self.scores = scores

    def score(self, prompts: Sequence[str], completions: Sequence[str]) -> list[float]:
        return [self.scores.get(code, 0.0) for code in completions]


@pytest.fixture(scope="module")
def tests() -> Iterator[TestReward]:
    reward = TestReward()
    yield reward
    reward.close()


# -- tests


def test_the_tests_reward_is_the_fraction_passed_and_a_bonus_for_all(tests: TestReward) -> None:
    codes = [SAFE, UNSAFE, NOTHING, BROKEN]
    found = tests([""] * 4, codes, **task(4))
    assert found == [1.0, pytest.approx(0.5 * 3 / 4), pytest.approx(0.5 * 1 / 4), 0.0]


def test_a_program_that_lies_about_its_equality_gains_nothing_by_it(tests: TestReward) -> None:
    liar = (
        "class Yes(int):\n    def __eq__(self, other): return True\n    __hash__ = None\ndef ratio(a, b): return Yes()"
    )
    assert tests([""] * 2, [liar, NOTHING], **task(2)) == [0.125, 0.125]


def test_components_are_logged_a_completion(tests: TestReward) -> None:
    logged: dict[str, list[Any]] = {}
    tests([""] * 2, [SAFE, UNSAFE], log_extra=logged.__setitem__, **task(2))
    assert logged["tests_passed"] == [4, 3]
    assert logged["tests_total"] == [4, 4]
    assert logged["tests_status"][0] == "passed"


class CountingPool:
    """A pool that counts its jobs, and can't run the first few of its batches whole."""

    def __init__(self, *, faults: int = 0) -> None:
        self.jobs, self.faults = 0, faults

    def run_many(self, jobs: Sequence[Any]) -> list[Result]:
        self.jobs += len(jobs)
        results = [Result(status="passed", passed=4, total=4) for _ in jobs]
        if self.faults:
            self.faults -= 1
            results[-1] = Result(status="infra_error")
            raise SandboxError(f"1 of {len(jobs)} jobs could not be run: the machine is busy", results)
        return results


def test_the_same_program_of_the_same_task_runs_once() -> None:
    pool = CountingPool()
    reward = TestReward(pool=pool)  # type: ignore[arg-type]
    for _ in range(2):
        reward([""] * 3, [SAFE, SAFE, UNSAFE], **task(3))
    assert pool.jobs == 2
    reward([""], [SAFE], **task(1, tests=TESTS))
    assert pool.jobs == 3


def test_what_the_sandbox_could_not_run_is_tried_again_and_only_that() -> None:
    pool = CountingPool(faults=2)
    reward = TestReward(pool=pool)  # type: ignore[arg-type]
    reward.pauses = (0.0, 0.0, 0.0)
    assert reward([""] * 3, [SAFE, UNSAFE, NOTHING], **task(3)) == [1.0, 1.0, 1.0]
    assert pool.jobs == 3 + 1 + 1


def test_a_lasting_fault_of_the_sandbox_is_an_error_and_never_a_reward() -> None:
    reward = TestReward(pool=CountingPool(faults=9))  # type: ignore[arg-type]
    reward.pauses = (0.0, 0.01)
    with pytest.raises(SandboxError, match="could not be run"):
        Scorer([Ordered(reward, None, None, RewardSettings())])([""], [SAFE], [[1]], task(1))


# -- proofs


def test_proved_beats_refuted_and_a_task_without_properties_has_no_verdict() -> None:
    reward = VerifierReward()
    proved, refuted = reward([""] * 2, [SAFE, UNSAFE], **task(2))
    assert (proved, refuted) == (1.0, 0.0)
    assert reward([""], [SAFE], **task(1, properties=())) == [None]


def test_the_points_keep_the_order_of_outcomes() -> None:
    points = [POINTS[Outcome(name)] for name in ("refuted", "unsupported", "unknown", "bounded", "proved")]
    assert points == sorted(points)
    assert len(set(points)) == 5
    assert POINTS[Outcome.VACUOUS] == POINTS[Outcome.PROVED]
    gaps = [b - a for a, b in itertools.pairwise(points)]
    assert min(gaps) == POINTS_STEP
    assert set(POINTS) == set(Outcome)


# -- ratings


def test_ratings_are_z_scored_over_all_that_was_seen_and_clipped() -> None:
    reward = LearnedReward(Ratings({"good": 1.0, "odd": 50.0}), clip=2.0)
    assert reward([""], ["good"])[0] == pytest.approx(0.5, abs=0.01)
    assert reward([""] * 2, ["odd", "good"])[0] == 1.0


def test_a_learned_rewards_statistics_survive_a_checkpoint() -> None:
    reward = LearnedReward(Ratings({"a": 3.0, "b": -1.0}))
    reward([""] * 2, ["a", "b"])
    again = LearnedReward(Ratings({"a": 3.0, "b": -1.0}))
    again.load_state_dict(reward.state_dict())
    assert again([""] * 2, ["a", "b"]) == reward([""] * 2, ["a", "b"])


@given(st.lists(st.floats(-100, 100), min_size=2, max_size=30), st.integers(0, 30))
def test_running_moments_are_those_of_the_whole_series(values: list[float], cut: int) -> None:
    found = Moments().with_values(values[:cut]).with_values(values[cut:])
    mean = math.fsum(values) / len(values)
    std = math.sqrt(math.fsum((x - mean) ** 2 for x in values) / (len(values) - 1))
    assert found.mean == pytest.approx(mean, abs=1e-9)
    assert found.std == pytest.approx(std, abs=1e-6)


# -- composition


def test_a_gate_keeps_its_reward_from_even_looking() -> None:
    seen: list[list[str]] = []
    logged: dict[str, list[Any]] = {}

    def inner(prompts: Any, completions: list[str], completion_ids: Any = None, **columns: Any) -> list[float | None]:
        seen.append(completions)
        columns["log_extra"]("length", [len(code) for code in completions])
        assert columns["entry"] == ["f2", "f3"]
        return [1.0, None]

    gated = Gated(inner, lambda completions, **_: [len(code) > 1 for code in completions])
    entries = ["f1", "f2", "f3"]
    assert gated([""] * 3, ["a", "bb", "cc"], entry=entries, log_extra=logged.__setitem__) == [0.0, 1.0, None]
    assert seen == [["bb", "cc"]]
    assert logged["length"] == [None, 2, 2]


def test_a_weighted_sum_leaves_none_out() -> None:
    def first(prompts: Any, completions: Any, completion_ids: Any = None, **_: Any) -> list[float | None]:
        return [1.0, None, None]

    def second(prompts: Any, completions: Any, completion_ids: Any = None, **_: Any) -> list[float | None]:
        return [2.0, 2.0, None]

    assert WeightedSum([(first, 0.5), (second, 2.0)])([""] * 3, ["", "", ""]) == [4.5, 4.0, None]


def test_the_composed_reward_of_real_programs_is_in_order(tests: TestReward) -> None:
    liked = {UNSAFE: 9.0, NOTHING: 9.0, BROKEN: 9.0, SAFE: -9.0}
    reward = Ordered(tests, VerifierReward(), LearnedReward(Ratings(liked)), RewardSettings())
    found = reward([""] * 4, [SAFE, UNSAFE, NOTHING, BROKEN], **task(4))
    assert found == sorted(found, reverse=True)  # type: ignore[type-var]
    both_pass = reward([""] * 2, [SAFE, UNSAFE], **task(2, tests=TESTS))
    assert both_pass[0] > both_pass[1]  # the verdict decides between two that pass, however well the worse is liked


def test_verdicts_do_not_count_for_a_program_that_fails_a_test(tests: TestReward) -> None:
    logged: dict[str, list[Any]] = {}
    reward = Ordered(tests, VerifierReward(), None, RewardSettings())
    found = reward([""] * 2, [NOTHING, SAFE], log_extra=logged.__setitem__, **task(2))
    assert found == [pytest.approx(0.5 * 1 / 4), 1.5]
    assert logged["verdicts"] == [None, {"zero-division": "proved"}]
    assert logged["reward_verifier"] == [0.0, 0.5]


@st.composite
def programs(draw: st.DrawFn) -> tuple[RewardSettings, int, int, list[tuple[int, list[Outcome], float]]]:
    """Settings, and what tests, verifier and raters say of two programs for one task."""
    weight = st.floats(0.01, 10)
    chosen = RewardSettings(
        tests_weight=draw(weight), verifier_weight=draw(weight), learned_weight=draw(st.floats(0, 10)),
        all_pass_share=draw(st.floats(0, 0.95)),
    )  # fmt: skip
    count, properties = draw(st.integers(1, 12)), draw(st.integers(0, 4))
    found = []
    for _ in range(2):
        outcomes = draw(st.lists(st.sampled_from(list(Outcome)), min_size=properties, max_size=properties))
        found.append((draw(st.integers(0, count)), outcomes, draw(st.floats(-1, 1))))
    return chosen, count, properties, found


@settings(max_examples=400, deadline=None)
@given(programs())
def test_no_weaker_voice_ever_outranks_a_stronger(
    drawn: tuple[RewardSettings, int, int, list[tuple[int, list[Outcome], float]]],
) -> None:
    chosen, count, properties, pair = drawn
    reward = Ordered(TestReward(all_pass_share=chosen.all_pass_share), VerifierReward(), None, chosen)
    totals, ranks = [], []
    for passed, outcomes, rating in pair:
        result = Result(status="passed" if passed == count else "wrong", passed=passed, total=count)
        points = VerifierReward.value({str(i): str(outcome) for i, outcome in enumerate(outcomes)})
        totals.append(math.fsum(reward.parts(result, points, rating, properties=properties)))
        verdict = round(sum(POINTS[outcome] for outcome in outcomes) / POINTS_STEP) if passes(result) else 0
        ranks.append((passed, verdict, rating))
    (first, second), (a, b) = ranks, totals
    if first[:2] != second[:2]:
        assert (a > b) == (first[:2] > second[:2])
    elif chosen.learned_weight > 0.001 and abs(first[2] - second[2]) > 1e-6:
        assert (a > b) == (first[2] > second[2])


def test_a_voice_of_weight_zero_is_silent(tests: TestReward) -> None:
    rated = LearnedReward(Ratings({SAFE: 1.0, UNSAFE: -1.0}))
    only_tests = Ordered(tests, VerifierReward(), rated, RewardSettings(verifier_weight=0.0, learned_weight=0.0))
    assert only_tests([""] * 2, [SAFE, UNSAFE], **task(2, tests=TESTS)) == [1.0, 1.0]


def test_rewards_travel_to_another_process() -> None:
    reward = Ordered(TestReward(), VerifierReward(), LearnedReward(Ratings({SAFE: 1.0})), RewardSettings())
    again = pickle.loads(pickle.dumps(reward))
    assert again([""], [SAFE], **task(1)) == reward([""], [SAFE], **task(1))
    reward.close()
    again.close()
