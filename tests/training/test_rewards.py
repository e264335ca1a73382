"""Rewards: what they say of real programs, and the order in which they are heard."""

from __future__ import annotations

import itertools
import json
import math
import pickle
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.config import RewardSettings
from training.evidence import POINTS, POINTS_STEP, Moments, failed
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
    assert logged["tests_failed"] == [[], [3]]
    assert logged["tests_error"] == [None, "ZeroDivisionError: integer division or modulo by zero"]


def test_a_test_that_was_never_reached_counts_as_failed() -> None:
    assert failed(Result(status="died", passed=1, total=3, tests=("passed", "died"))) == [1, 2]


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


def test_a_refuted_property_is_logged_with_its_line_and_a_call_that_breaks_it() -> None:
    logged: dict[str, list[Any]] = {}
    VerifierReward()([""] * 2, [SAFE, UNSAFE], log_extra=logged.__setitem__, **task(2))
    assert logged["verdicts"] == [{"zero-division": "proved"}, {"zero-division": "refuted"}]
    assert logged["refutations"][0] == {}
    shown = logged["refutations"][1]["zero-division"]
    assert shown["line"] == 2
    assert shown["call"].startswith("ratio(")
    assert shown["observed"].startswith("ZeroDivisionError")


def test_a_report_in_the_shared_folder_is_not_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = VerifierReward(cache=tmp_path)([""] * 2, [SAFE, UNSAFE], **task(2))

    def verify(*_: Any, **__: Any) -> Any:
        raise AssertionError("verified again")

    monkeypatch.setattr("verification.verifier.verify", verify)
    assert VerifierReward(cache=tmp_path)([""] * 2, [SAFE, UNSAFE], **task(2)) == first


def test_a_fault_of_the_verifiers_sandbox_is_an_error_and_never_a_reward(
    tests: TestReward, monkeypatch: pytest.MonkeyPatch
) -> None:
    def verify(*_: Any, **__: Any) -> Any:
        raise SandboxError("1 of 1 jobs could not be run")

    monkeypatch.setattr("verification.verifier.verify", verify)
    with pytest.raises(SandboxError, match="could not be run"):
        Scorer([Ordered(tests, VerifierReward(), None, RewardSettings())])([""], [SAFE], [[1]], task(1))


# -- ratings


class Ensemble(Ratings):
    """One whose members need not agree."""

    def __init__(self, members: dict[str, list[float]]) -> None:
        super().__init__({code: sum(scores) / len(scores) for code, scores in members.items()})
        self.members = members

    def score_members(self, prompts: Sequence[str], completions: Sequence[str]) -> list[list[float]]:
        return [self.members[code] for code in completions]


def test_what_the_members_disagree_on_is_worth_less() -> None:
    logged: dict[str, list[Any]] = {}
    metrics: dict[str, float] = {}
    reward = LearnedReward(Ensemble({"agreed": [1.0, 1.0], "disputed": [2.0, 0.0]}), clip=4.0, pessimism=1.5)
    agreed, disputed = reward(
        [""] * 2, ["agreed", "disputed"], log_extra=logged.__setitem__, log_metric=metrics.__setitem__
    )
    spread = math.sqrt(2.0)
    assert agreed == pytest.approx(1.0 / 4.0, abs=0.01)
    assert disputed == pytest.approx((1.0 - 1.5 * spread) / 4.0, abs=0.01)
    assert logged == {"rating": [1.0, 1.0], "disagreement": [0.0, pytest.approx(spread)], "learned": [agreed, disputed]}
    assert metrics == {"rating": 1.0, "disagreement": pytest.approx(spread / 2)}


def test_without_pessimism_disagreement_costs_nothing() -> None:
    reward = LearnedReward(Ensemble({"agreed": [1.0, 1.0], "disputed": [2.0, 0.0]}), pessimism=0.0)
    agreed, disputed = reward([""] * 2, ["agreed", "disputed"])
    assert agreed == disputed


def test_a_model_without_members_is_an_ensemble_of_one() -> None:
    plain, alone = Ratings({"a": 1.0, "b": -0.5}), Ensemble({"a": [1.0], "b": [-0.5]})
    assert LearnedReward(plain, pessimism=9.0)([""] * 2, ["a", "b"]) == LearnedReward(alone)([""] * 2, ["a", "b"])


@pytest.mark.parametrize("broken", [math.nan, math.inf])
def test_a_score_that_is_no_number_is_an_error_and_leaves_the_statistics_alone(broken: float) -> None:
    reward = LearnedReward(Ensemble({"a": [1.0, 2.0], "b": [0.0, broken]}))
    before = reward.state_dict()
    with pytest.raises(ValueError, match="scored completion 1"):
        reward([""] * 2, ["a", "b"])
    assert reward.state_dict() == before


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


SPELT_OUT = "def ratio(a: int, b: int) -> int:\n    if b == 0:\n        return 0\n    return a // b\n"


def test_what_ratings_say_of_the_best_counts_as_they_differ_among_themselves(tests: TestReward) -> None:
    """Two that nothing else tells apart: first by a tenth of what ratings span, in the end one is liked, one isn't."""
    apart = 0.4
    learned = LearnedReward(Ratings({SAFE: 1.0 + apart, SPELT_OUT: 1.0, NOTHING: -1.0}))
    reward = Ordered(tests, VerifierReward(), learned, RewardSettings(learned_weight=3.0))

    def found(times: int = 1) -> list[float]:
        codes = [SAFE, SPELT_OUT, NOTHING] * times  # of one family
        return [value for value in reward([""] * len(codes), codes, **task(len(codes))) if value is not None][:3]

    first = found()
    assert first[0] - first[1] == pytest.approx(3.0 * apart / 2, rel=0.02)
    for _ in range(10):
        last = found(30)
    assert last[0] > last[1] > last[2]
    assert last[2] == pytest.approx(first[2], rel=0.1)  # how the others are rated is as it was
    assert last[0] > 1.9 > 1.5 > last[1] > 1.4  # what both are liked for more than others is no longer paid for
    assert reward.among_best().mean == pytest.approx(0.55, abs=0.06)
    assert reward.among_best().std == pytest.approx(0.1, abs=0.05)
    other = reward([""] * 2, [SAFE, SPELT_OUT], family=["other", "other"], **task(2))
    assert min(value or 0.0 for value in other) > 2.5  # each family by itself: there both are rated as all are


def test_where_the_best_stand_is_kept_and_the_same_in_several_processes(tests: TestReward) -> None:
    def made(gather: Any = list) -> Ordered:
        learned = LearnedReward(Ratings({SAFE: 1.4, SPELT_OUT: 1.0, NOTHING: -1.0}))
        return Ordered(tests, VerifierReward(), learned, RewardSettings(), gather=gather)

    codes = [SAFE, SPELT_OUT, NOTHING, SPELT_OUT]
    alone, again = made(), made()
    before = made().state_dict()
    alone([""] * 4, codes, **task(4))
    again.load_state_dict(json.loads(json.dumps(alone.state_dict())))
    assert again.state_dict() == alone.state_dict() != before
    assert again([""] * 4, codes, **task(4)) == alone([""] * 4, codes, **task(4))

    everything = [("", 0.7), ("", 0.5), ("", 0.5)]
    shares = [made(lambda own: everything) for _ in range(2)]
    for reward, part in zip(shares, (codes[:1], codes[1:]), strict=True):
        reward([""] * len(part), part, **task(len(part)))
    whole = made()
    whole([""] * 4, codes, **task(4))
    assert shares[0].among_best().state_dict() == shares[1].among_best().state_dict()
    assert shares[0].among_best().state_dict() == pytest.approx(whole.among_best().state_dict(), rel=0.02)
    nobody = made(lambda own: [])
    nobody([""], [NOTHING], **task(1))  # a process that has none of the best asks the others all the same
    assert nobody.state_dict()["among_best"] == {}


def test_what_is_no_python_is_below_whatever_runs_and_fails(tests: TestReward) -> None:
    logged: dict[str, list[Any]] = {}
    wrong = "def ratio(a: int, b: int) -> int:\n    return 99\n"
    learned = LearnedReward(Ratings({BROKEN: 9.0, wrong: -9.0}))
    reward = Ordered(tests, VerifierReward(), learned, RewardSettings(syntax_weight=0.3))
    fails, no_python = reward([""] * 2, [wrong, BROKEN], log_extra=logged.__setitem__, **task(2))
    one_test = 0.5 / len(task(1)["tests"][0])
    assert no_python == pytest.approx(-0.3 - 0.45 * one_test)
    assert no_python is not None
    assert fails is not None
    assert no_python < fails <= 0
    assert logged["learned_bound"][1] == logged["reward_learned"][1] == 0.0


def test_verdicts_do_not_count_for_a_program_that_fails_a_test(tests: TestReward) -> None:
    logged: dict[str, list[Any]] = {}
    reward = Ordered(tests, VerifierReward(), None, RewardSettings())
    found = reward([""] * 2, [NOTHING, SAFE], log_extra=logged.__setitem__, **task(2))
    assert found == [pytest.approx(0.5 * 1 / 4), 1.5]
    assert logged["verdicts"] == [None, {"zero-division": "proved"}]
    assert logged["reward_verifier"] == [0.0, 0.5]


@dataclass(frozen=True)
class Row:
    """What tests, verifier and raters say of one program."""

    passed: int
    outcomes: tuple[Outcome, ...]
    rating: float
    is_python: bool = True


@dataclass(frozen=True)
class Judged:
    """Some programs for one task, and how they are rewarded."""

    settings: RewardSettings
    tests: int
    rows: tuple[Row, ...]

    def totals(self) -> list[float]:
        chosen = self.settings
        reward = Ordered(TestReward(all_pass_share=chosen.all_pass_share), VerifierReward(), None, chosen)
        totals = []
        for row in self.rows:
            status = "passed" if row.passed == self.tests else "wrong"
            result = Result(status=status, passed=row.passed, total=self.tests)
            points = VerifierReward.value({str(i): str(outcome) for i, outcome in enumerate(row.outcomes)})
            parts = reward.parts(result, points, row.rating, properties=len(row.outcomes), is_python=row.is_python)
            totals.append(math.fsum(parts))
        return totals

    def rank(self, row: Row) -> tuple[int, int]:
        """What decides before any rating: tests, then (for a program that passes) the verdicts' points.

        What is no Python is below all others.
        """
        if not row.is_python:
            return -1, 0
        all_passed = row.passed == self.tests
        tests = row.passed if self.settings.all_pass_share < 1 else int(all_passed)
        verdicts = round(sum(POINTS[outcome] for outcome in row.outcomes) / POINTS_STEP) if all_passed else 0
        return tests, verdicts


WEIGHT = st.floats(0.001, 100)


@st.composite
def judgements(draw: st.DrawFn, *, outcomes: Sequence[Outcome] = tuple(Outcome), rows: int = 2) -> Judged:
    """Any weights in range, and what the voices say of some programs; ratings beyond what they should be, too."""
    chosen = RewardSettings(
        tests_weight=draw(WEIGHT), verifier_weight=draw(WEIGHT), learned_weight=draw(st.floats(0, 100)),
        all_pass_share=draw(st.floats(0, 0.95) | st.just(1.0)), syntax_weight=draw(WEIGHT),
    )  # fmt: skip
    count, properties = draw(st.integers(1, 20)), draw(st.integers(0, 5))
    rating = st.floats(-1, 1) | st.sampled_from([-1.0, 1.0, -1e9, 1e9])
    passed = st.integers(0, count) | st.just(count)
    verdicts = st.lists(st.sampled_from(outcomes), min_size=properties, max_size=properties).map(tuple)
    found = [Row(draw(passed), draw(verdicts), draw(rating)) for _ in range(rows)]
    broken = [draw(st.booleans()) and row.passed == 0 for row in found]
    return Judged(chosen, count, tuple(replace(row, is_python=not no) for row, no in zip(found, broken, strict=True)))


@settings(max_examples=600, deadline=None)
@given(judgements())
def test_no_weaker_voice_ever_outranks_a_stronger(judged: Judged) -> None:
    first, second = judged.rows
    a, b = judged.totals()
    ranks = judged.rank(first), judged.rank(second)
    if ranks[0] != ranks[1]:
        assert (a > b) == (ranks[0] > ranks[1])
        assert a != b
    elif first.rating >= second.rating and bool(first.passed) == bool(second.passed):
        assert a >= b


@settings(max_examples=200, deadline=None)
@given(judgements())
def test_a_rating_decides_between_equals(judged: Judged) -> None:
    first, second = judged.rows
    a, b = judged.totals()
    told_apart = abs(max(-1, min(1, first.rating)) - max(-1, min(1, second.rating))) > 1e-3
    if judged.rank(first) == judged.rank(second) and first.passed and second.passed and told_apart:
        assert (a > b) == (first.rating > second.rating) or judged.settings.learned_weight < 1e-6


def test_between_programs_that_nothing_beats_a_rating_has_its_whole_weight() -> None:
    settings = RewardSettings(tests_weight=1.0, verifier_weight=0.5, learned_weight=3.0, all_pass_share=0.5)

    def total(outcome: Outcome, rating: float) -> float:
        return Judged(settings, 2, (Row(2, (outcome,), rating),)).totals()[0]

    assert [total(Outcome.PROVED, rating) for rating in (0.0, 0.5, 1.0)] == [1.5, 3.0, 4.5]
    # Downwards, and for what is below them, it stays within the next verdict's reach, however much it weighs.
    assert 1.5 > total(Outcome.PROVED, -1.0) > total(Outcome.BOUNDED, 1.0)
    assert total(Outcome.BOUNDED, -1.0) > 1.25 < total(Outcome.BOUNDED, 1.0) < 1.5


@settings(max_examples=200, deadline=None)
@given(judgements(rows=1), st.integers(0, 4))
def test_hiding_from_the_verifier_gains_nothing_over_being_hard_for_it(judged: Judged, place: int) -> None:
    (row,) = judged.rows
    if place >= len(row.outcomes):
        return

    def with_outcome(outcome: Outcome, rating: float) -> float:
        outcomes = (*row.outcomes[:place], outcome, *row.outcomes[place + 1 :])
        return Judged(judged.settings, judged.tests, (Row(judged.tests, outcomes, rating),)).totals()[0]

    assert with_outcome(Outcome.UNSUPPORTED, 1.0) < with_outcome(Outcome.UNKNOWN, -1.0)
    assert with_outcome(Outcome.REFUTED, 1.0) < with_outcome(Outcome.UNSUPPORTED, -1.0)
    assert with_outcome(Outcome.VACUOUS, row.rating) == with_outcome(Outcome.PROVED, row.rating)


@settings(max_examples=200, deadline=None)
@given(judgements(rows=1), st.floats(-1, 1))
def test_a_program_that_passes_nothing_gains_nothing_by_being_liked(judged: Judged, rating: float) -> None:
    (row,) = judged.rows
    (total,) = Judged(judged.settings, judged.tests, (Row(0, row.outcomes, rating),)).totals()
    assert total <= 0.0


@settings(max_examples=100, deadline=None)
@given(WEIGHT, st.floats(0, 100), st.integers(1, 5))
def test_where_the_tests_weigh_nothing_a_proof_still_outranks_a_rating(
    verifier: float, learned: float, properties: int
) -> None:
    chosen = RewardSettings(tests_weight=0.0, verifier_weight=verifier, learned_weight=learned)
    proved = (Outcome.PROVED,) * properties
    least = (Outcome.UNSUPPORTED, *(Outcome.REFUTED,) * (properties - 1))
    for outcomes in (proved, least):
        good, liked = Judged(chosen, 4, (Row(4, outcomes, -1.0), Row(3, proved, 1.0))).totals()
        assert good > liked


def test_a_rating_that_is_no_number_is_an_error() -> None:
    reward = Ordered(TestReward(), None, None, RewardSettings())
    with pytest.raises(ValueError, match="not a number"):
        reward.parts(Result(status="passed", passed=1, total=1), None, math.nan, properties=0)


def test_a_completion_that_never_came_to_its_end_counts_as_passing_nothing(tests: TestReward) -> None:
    logged: dict[str, list[Any]] = {}
    liked = LearnedReward(Ratings({SAFE: 9.0, NOTHING: -9.0}))
    reward = Ordered(tests, VerifierReward(), liked, RewardSettings(), eos=7)
    ids = [[1, 7], [1, 2], [], [1, 7]]
    ended, cut, empty, wrong = reward(
        [""] * 4, [SAFE, SAFE, SAFE, NOTHING], ids, log_extra=logged.__setitem__, **task(4)
    )
    assert None not in (ended, cut, wrong)
    assert ended > wrong > cut == empty == 0.0  # type: ignore[operator]
    assert logged["verdicts"] == [{"zero-division": "proved"}, None, None, None]
    anew = Ordered(tests, VerifierReward(), liked, RewardSettings(), eos=7)
    assert anew([""], [SAFE], **task(1)) == [ended]  # nothing is said of its end where no ids are given


def test_every_component_length_and_disagreement_is_logged_a_sample_and_as_a_mean(tests: TestReward) -> None:
    learned = LearnedReward(Ensemble({SAFE: [1.0, 1.0], BROKEN: [0.0, 2.0]}))
    reward = Ordered(tests, VerifierReward(), learned, RewardSettings())
    columns = {**task(2), "key": ["k1", "k2"]}
    scored = Scorer([reward])([""] * 2, [SAFE, BROKEN], [[1, 2, 3], [1]], columns)
    wanted = {
        "key", "tokens", "lines", "tests_passed", "tests_total", "tests_status", "tests_failed", "tests_error", "verdicts",
        "refutations", "rating", "disagreement", "learned", "learned_bound", "reward_tests", "reward_verifier",
        "reward_learned", "learned_among_best",
    }  # fmt: skip
    assert set(scored.extra) == wanted
    assert scored.extra["tokens"] == [3, 1]
    assert scored.extra["lines"] == [2, 2]
    assert scored.extra["learned_among_best"] == [scored.extra["learned"][0], None]
    means = {"tests", "passed", "verifier", "learned", "rating", "disagreement", "tokens", "lines"}
    assert set(scored.metrics) == means
    assert scored.metrics["tokens"] == 2.0
    parts = ("reward_tests", "reward_verifier", "reward_learned")
    sums = [math.fsum(row) for row in zip(*(scored.extra[name] for name in parts), strict=True)]
    assert sums == scored.total


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
