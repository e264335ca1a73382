"""The experiment: what each line of the table needs, what is done once, who judges whom, and which claims hold."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from training.config import EXPERIMENTS, ExperimentSettings, read, to_json
from training.curriculum import build
from training.evaluate import Comparison, Evaluation, Row
from training.statistics import Estimate
from verification.sandbox import Result
from workers.commands import main
from workers.experiment import findings, pieces, schedule
from workers.experiment.plan import ALL, ARMS, CONTROL, DPO, JUDGED, SUPERVISED, VOICES, Piece
from workers.experiment.plan import pieces as planned
from workers.experiment.run import run
from workers.panel import character
from workers.problems import Problem
from workers.progress import Reporter

TINY = EXPERIMENTS["tiny"]


# -- the plan


@pytest.mark.parametrize("arms", [[arm] for arm in ARMS] + [list(ARMS), [SUPERVISED, ALL], [CONTROL, DPO]])
def test_every_piece_comes_after_what_it_needs(arms: Sequence[str]) -> None:
    found = planned([0, 3], arms)
    for number, piece in enumerate(found):
        before = {(one.seed, one.name) for one in found[:number]}
        assert {(piece.seed, need) for need in piece.needs} <= before, piece
    assert len({(one.seed, one.name) for one in found}) == len(found)
    assert {f"evaluated-{arm}" for arm in arms} <= {piece.name for piece in found}


def test_a_line_alone_asks_for_no_more_than_it_needs() -> None:
    assert [piece.name for piece in planned([0], [SUPERVISED])] == ["tasks", SUPERVISED, "evaluated-supervised"]
    assert "ratings" not in {piece.name for piece in planned([0], ["tests-verifier"])}
    assert "reward-model" not in {piece.name for piece in planned([0], [DPO])}
    # What the control may use is what the line with all voices took.
    assert ALL in {piece.name for piece in planned([0], [CONTROL])}


def test_each_line_has_its_voices() -> None:
    settings = EXPERIMENTS["full"].ppo
    for arm, (verifier, ratings) in VOICES.items():
        weights = pieces._weighed(settings, verifier=verifier, ratings=ratings).reward
        assert (weights.verifier_weight > 0, weights.learned_weight > 0) == (verifier, ratings), arm
        assert weights.tests_weight > 0


def test_the_settings_are_read_back_as_they_were_written() -> None:
    for settings in EXPERIMENTS.values():
        assert read(ExperimentSettings, json.loads(json.dumps(to_json(settings)))) == settings


# -- the work


def finished(out: Path, piece: Piece, value: Any, cpu_seconds: float = 1.0) -> None:
    folder = schedule.folder_of(out, piece.seed)
    folder.mkdir(parents=True, exist_ok=True)
    schedule.write_json(folder / f"{piece.name}.json", {"value": value, "cpu_seconds": cpu_seconds})


def test_what_is_done_is_not_done_again_and_a_failure_names_its_log(tmp_path: Path) -> None:
    schedule.write_json(tmp_path / schedule.SETTINGS, to_json(TINY))
    done = Piece(0, "tasks")
    finished(tmp_path, done, {"train": 1})
    broken = Piece(0, SUPERVISED, ("tasks",))  # there is no file of tasks
    seen: list[tuple[int, int]] = []
    with pytest.raises(Problem, match=r"supervised of seed 0 failed .*train\.jsonl.*supervised\.log.*start again"):
        schedule.do_all([done, broken], tmp_path, jobs=2, watch=lambda working, n, total: seen.append((n, total)))
    assert seen[0] == (1, 2)
    assert not (schedule.folder_of(tmp_path, 0) / "tasks.log").exists()


def test_at_most_so_many_pieces_at_a_time_and_none_before_what_it_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[str] = []

    class Process:
        def __init__(self, piece: Piece) -> None:
            self.piece, self.returncode, self.until = piece, 0, time.monotonic() + 0.1

        def poll(self) -> int | None:
            if time.monotonic() < self.until:
                return None
            finished(tmp_path, self.piece, {})
            return 0

    def start(piece: Piece, out: Path) -> schedule.Working:
        assert all((schedule.folder_of(out, piece.seed) / f"{need}.json").exists() for need in piece.needs)
        started.append(piece.name)
        return schedule.Working(piece, Process(piece), 0.0)  # type: ignore[arg-type]

    monkeypatch.setattr(schedule, "_start", start)
    monkeypatch.setattr(schedule, "_POLL_SECONDS", 0.01)
    most = 0

    def watch(working: Sequence[schedule.Working], done: int, total: int) -> None:
        nonlocal most
        most = max(most, len(working))

    wanted = planned([0, 1], list(ARMS))
    schedule.do_all(wanted, tmp_path, jobs=3, watch=watch)
    assert len(started) == len(wanted)
    assert most == 3


def test_a_folder_keeps_its_settings(tmp_path: Path) -> None:
    for piece in planned([0], [SUPERVISED]):
        finished(tmp_path, piece, evaluation([True]).to_json() if piece.name.startswith("evaluated") else {})
    reporter = Reporter()
    run(tmp_path, TINY, seeds=[0], arms=[SUPERVISED], jobs=1, reporter=reporter)
    with pytest.raises(Problem, match="other settings: choose another folder"):
        run(tmp_path, replace(TINY, pairs=41), seeds=[0], arms=[SUPERVISED], jobs=1, reporter=reporter)


def test_a_wrong_line_or_seed_is_told_in_one_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["experiment", "--out", str(tmp_path), "--lines", "everything"]) == 2
    assert "there is no line 'everything': choose from supervised, control" in capsys.readouterr().err
    for seeds in ("a", "0,0", "-1"):
        assert main(["experiment", "--out", str(tmp_path), "--seeds", seeds]) == 2
        assert "--seeds takes" in capsys.readouterr().err


# -- the panel


def result(passed: int, total: int = 4) -> Result:
    return Result(status="passed" if passed == total else "wrong", passed=passed, total=total)


def test_half_of_the_panel_rates_and_the_other_half_judges(tmp_path: Path) -> None:
    raters, judges = pieces.panellists(pieces.Seed(replace(TINY, panel=8), tmp_path, 1))
    assert len(raters) == len(judges) == 4
    assert not {one.username for one in raters} & {one.username for one in judges}
    assert not {one.seed for one in raters} & {one.seed for one in judges}


def test_a_rating_is_of_a_and_b_whatever_side_each_was_shown_on() -> None:
    task = build(replace(TINY.tasks, train=1, held_out=1))["train"][0]
    good, bad = "def f(x):\n    return x\n", "def f(x):\n    return None\n"
    for number in range(40):  # sides are drawn anew for each
        person = replace(character("p", "", seed=number), noise=0.0, side_bias=0.0)
        row = pieces.rating(person, task, [good, bad], [result(4), result(0)], number)
        assert row["preference"] < 0, "A does the job, B doesn't"
        assert row["scales_a"]["correctness"] == 5
        assert row["scales_b"]["correctness"] == 1
        mirrored = pieces.rating(person, task, [bad, good], [result(0), result(4)], number)
        assert mirrored["preference"] > 0


def test_a_bias_for_one_side_favours_neither_program() -> None:
    task = build(replace(TINY.tasks, train=1, held_out=1))["train"][0]
    code = "def f(x):\n    return x\n"
    person = replace(character("p", "", seed=0), noise=0.0, side_bias=1.0)
    found = [pieces.rating(person, task, [code, code], [result(4)] * 2, number)["preference"] for number in range(400)]
    assert 0.4 < sum(one < 0 for one in found) / len(found) < 0.6


def test_two_answers_to_compare_differ_in_their_tests_where_any_do() -> None:
    codes = [f"def f(x):\n    return {number}\n" for number in range(4)]
    one, other = pieces._unlike(codes, [result(0), result(0), result(4), result(0)]) or (0, 0)
    assert 2 in (one, other)
    assert one != other
    assert pieces._unlike(codes[:1], [result(4)]) is None


def test_mostly_two_that_pass_all_tests_are_compared() -> None:
    found = {True: 0, False: 0}
    for number in range(400):
        codes = [f"def f(x):\n    return {number}, {answer}\n" for answer in range(4)]
        chosen = pieces._unlike(codes, [result(0), result(4), result(2), result(4)])
        assert chosen is not None
        assert chosen[0] != chosen[1]
        found[set(chosen) == {1, 3}] += 1
    # A quarter compares the best with the next, which passes too here, or with the worst: even odds.
    assert 320 < found[True] < 380
    codes = ["def f(x):\n    return x\n", "def f(y):\n    return y\n", "def f(x):\n    for i in x:\n        print(i)\n"]
    alike = [set(pieces._unlike([*codes, f"# {number}"], [result(4)] * 3 + [result(0)]) or ()) for number in range(40)]
    assert {0, 2} in alike or {1, 2} in alike
    assert {0, 1} not in [one for one in alike if 3 not in one], "the least alike"
    codes = [f"def f(x):\n    return {answer}\n" for answer in range(3)]
    assert {1} < set(pieces._unlike(codes, [result(0), result(4), result(0)]) or ()), "only one passes"


def test_the_panel_is_asked_of_every_family_as_often() -> None:
    tasks = build(replace(TINY.tasks, train=200, held_out=1))["train"]
    chosen = pieces._evenly(tasks, 70)
    counts = Counter(task.family for task in chosen)
    assert len(chosen) == 70
    assert max(counts.values()) - min(counts.values()) <= 1
    assert len(counts) == len({task.family for task in tasks})
    assert chosen == [task for task in tasks if task in chosen], "in their order"
    assert pieces._evenly(tasks, 1000) == tasks


def test_sides_of_pairs_are_even() -> None:
    chance = Random(0)
    first = 0
    for _ in range(400):
        codes = [f"def f(x):\n    return {chance.random()}\n" for _ in range(2)]
        found = pieces._unlike(codes, [result(4), result(0)])
        assert found is not None
        first += found[0] == 0
    assert 150 < first < 250


# -- the findings


def evaluation(full: Sequence[bool], *, split: str = "iid", unsafe: bool = False, **changes: Any) -> Evaluation:
    base = Row(
        "k", "f", split, "en", "p", "s", "c",
        public=True, full=True, syntax=True, outcome="proved", verdicts={}, tokens=9, finished=True,
    )  # fmt: skip
    rows = [replace(base, key=str(n), full=value, unsafe=unsafe, **changes) for n, value in enumerate(full)]
    return Evaluation("m", {}, tuple(rows))


def checks_of(tmp_path: Path, **arms: Evaluation) -> dict[str, bool]:
    for arm, found in arms.items():
        finished(tmp_path, Piece(0, f"evaluated-{arm}"), found.to_json())
        finished(tmp_path, Piece(0, arm), {})
    settings = replace(TINY, evaluation=replace(TINY.evaluation, splits=("iid",)))
    collected = findings.collect(tmp_path, [0], settings)
    json.dumps(collected)
    return {check["claim"]: check["met"] for check in collected["checks"]}


def test_claims_are_met_where_the_figures_say_so_and_nowhere_else(tmp_path: Path) -> None:
    half, most = [True] * 50 + [False] * 50, [True] * 90 + [False] * 10
    good = checks_of(tmp_path / "a", supervised=evaluation(half), all=evaluation(most), control=evaluation(half))
    assert good["full pass@1 of all against supervised, iid"]
    assert good["full pass@1 of all, iid"]
    assert good["full pass@1 of all against the control, iid"]
    assert good["known unsafe answers of all, iid"]
    assert good["proved and passing, iid"]
    assert not good["splits on which all is better than the control with p < 0.01"], "one split is not two"

    none = checks_of(tmp_path / "b", supervised=evaluation(half), all=evaluation(half, unsafe=True))
    assert not none["full pass@1 of all against supervised, iid"]
    assert not none["full pass@1 of all, iid"]
    assert not none["known unsafe answers of all, iid"]
    assert not none["proved and passing, iid"]

    low = [True] * 40 + [False] * 60
    worse = checks_of(
        tmp_path / "c",
        supervised=evaluation(half),
        control=evaluation(half),
        all=evaluation(low, syntax=False, outcome="unsupported", public=False),
    )
    for claim in (
        "syntax, iid",
        "unsupported, iid",
        "public pass@1, iid",
        "full pass@1 of all against the control, iid",
    ):
        assert not worse[claim], claim


def test_preference_counts_wins_and_half_the_ties(tmp_path: Path) -> None:
    judgements = [{"split": "iid", "key": str(n), "preference": p, "same": False} for n, p in enumerate((3, 1, 0, -1))]
    finished(tmp_path, Piece(0, "judged-control"), {"arms": list(JUDGED["judged-control"]), "judgements": judgements})
    settings = replace(TINY, evaluation=replace(TINY.evaluation, splits=("iid",)))
    found = findings.collect(tmp_path, [0], settings)
    assert found["preferred"]["judged-control"]["all"]["mean"] == pytest.approx(2.5 / 4)
    assert [check["met"] for check in found["checks"]] == [True]


def test_seeds_are_pooled_though_their_tasks_share_names(tmp_path: Path) -> None:
    for seed, values in ((0, [True, True]), (1, [False, True])):
        finished(tmp_path, Piece(seed, "evaluated-supervised"), evaluation(values).to_json())
        finished(tmp_path, Piece(seed, SUPERVISED), {}, cpu_seconds=10.0 * (seed + 1))
    settings = replace(TINY, evaluation=replace(TINY.evaluation, splits=("iid",)))
    found = findings.collect(tmp_path, [0, 1], settings)
    assert found["table"]["iid"][SUPERVISED]["full"]["mean"] == pytest.approx(0.75)
    assert found["table"]["iid"][SUPERVISED]["full"]["prompts"] == 4
    assert found["by_seed"][SUPERVISED] == {"0": {"iid": 1.0}, "1": {"iid": 0.5}}
    assert found["arms"][SUPERVISED]["cpu_seconds"] == pytest.approx(15.0)


def test_line_credit_is_counted_in_the_updates_that_it_needs(tmp_path: Path) -> None:
    def curve(*shares: float) -> dict[str, Any]:
        return {"summary": {"validation": {"full": {str(10 * n + 10): share for n, share in enumerate(shares)}}}}

    for seed, credited in ((0, curve(0.5, 0.8, 0.9)), (1, curve(0.5, 0.6, 0.7)), (2, curve(0.8, 0.8, 0.8))):
        finished(tmp_path, Piece(seed, ALL), curve(0.4, 0.7, 0.8))
        finished(tmp_path, Piece(seed, "all-credit"), credited)

    def check(*seeds: int) -> dict[str, Any]:
        (found,) = findings.collect(tmp_path, seeds, TINY)["checks"]
        return dict(found)

    assert (check(0)["met"], check(0)["found"]) == (True, "67%")
    assert (check(1)["met"], check(1)["found"]) == (False, "never")
    assert not check(0, 1)["met"], "one seed in which it never does is not met"
    assert check(0, 2)["found"] == "67%, 33%"


@pytest.mark.slow
def test_all_lines_from_nothing_and_again_from_what_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["experiment", "--out", str(tmp_path), "--scale", "tiny", "--seeds", "0", "--jobs", "2", "--json"]
    assert main(arguments) == 0
    first = json.loads(capsys.readouterr().out)
    assert set(first["arms"]) == set(ARMS)
    assert all(len(arms) == len(ARMS) for arms in first["table"].values())
    assert first["preferred"]
    assert first["checks"]
    (schedule.folder_of(tmp_path, 0) / "evaluated-all.json").unlink()
    began = time.monotonic()
    assert main(arguments) == 0
    assert time.monotonic() - began < 60.0
    again = json.loads(capsys.readouterr().out)
    assert again["table"] == first["table"]


def test_a_difference_that_is_just_allowed_is_allowed() -> None:
    """772 of 1,000 less 792 of 1,000 is two points, whatever floats make of it."""
    difference = 0.772 - 0.792
    assert difference < -0.02
    found = Comparison("public", Estimate(difference, -0.04, 0.0, 1000), 50, 30, 0.03)
    assert findings._points(found) == -2.0
