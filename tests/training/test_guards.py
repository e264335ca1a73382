"""The monitors of a PPO run: each against a policy that went wrong in its own way, and all against one that did not."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any

import pytest

from training.config import GuardSettings, PPOSettings, SettingsError, read
from training.guards import MONITORS, Alarm, Guards, Paused, measured, passed, seen

WRONG_FROM = 8
UPDATES = 16
Row = dict[str, Any]

PROGRAMS = {
    "clamp": "def {f}({a}: int) -> int:\n    return max(0, min({a}, 9))",
    "mean": "def {f}({a}: list[int]) -> float:\n    return sum({a}) / len({a})",
    "last": "def {f}({a}: list[int]) -> int:\n    return {a}[-1] if {a} else 0",
    "parse": "def {f}({a}: str) -> int:\n    return int({a}) if {a}.isdigit() else 0",
}


def rollouts(update: int) -> list[Row]:
    """What a healthy policy draws: of each family the usual answers, in which only means of nothing fail."""
    return [
        {
            "prompt": f"{family} {number}",
            "family": family,
            "completion": program.format(f=f"f{number}", a="xyz"[number % 3]),
            "tests_passed": 9,
            "tests_total": 10 if family == "mean" else 9,
            "tests_status": "exception" if family == "mean" else "passed",
            "verdicts": None if family == "mean" else {"no-crash": "proved"},
            "rating": 0.1 * update,
        }
        for family, program in PROGRAMS.items()
        for number in range(8)
    ]


class Policy:
    """A policy that learns as it should; a mutant changes what it draws, or how it measures, from an update on."""

    def __init__(
        self,
        *,
        draws: Callable[[Row], Row] = lambda row: row,
        measures: Callable[[Mapping[str, float]], Mapping[str, float]] = lambda found: {},
    ) -> None:
        self.draws, self.measures = draws, measures
        self.found: dict[int, dict[str, float]] = {}

    def measured(self, update: int) -> dict[str, float]:
        if update not in self.found:
            self.found[update] = self._measured(update)
        return self.found[update]

    def _measured(self, update: int) -> dict[str, float]:
        wrong = update >= WRONG_FROM
        rows = [self.draws(row) if wrong else row for row in rollouts(update)]
        found = measured([seen(row, row["family"]) for row in rows]) | {
            "reward": 1.0 + 0.02 * update,
            "length": 36.0 + 0.3 * update,
            "eos_share": 0.98 + 0.001 * update,
            "kl": 0.1 * update,
        }
        if update % 2 == 0:
            found["validation_full"] = 0.5 + 0.02 * update
        return found | dict(self.measures(found) if wrong else {})


def fails(row: Row, **changes: Any) -> Row:
    return row | {"tests_passed": 1, "tests_status": "wrong", "verdicts": None} | changes


def unsure(outcome: str) -> Callable[[Row], Row]:
    return lambda row: row | {"verdicts": row["verdicts"] and {"no-crash": outcome, "bounds": "proved"}}


MUTANTS: dict[str, Policy] = {
    "length": Policy(measures=lambda found: {"length": 3 * found["length"]}),
    "duplicates": Policy(draws=lambda row: fails(row, completion=row["completion"].split("\n")[0] + "\n    return 0")),
    "unsupported": Policy(draws=unsure("unsupported")),
    "unknown": Policy(draws=unsure("unknown")),
    "syntax": Policy(draws=lambda row: fails(row, completion=row["completion"] + f"\n    return ({row['prompt']}")),
    "finished": Policy(measures=lambda found: {"eos_share": 0.6}),
    "kl": Policy(measures=lambda found: {"kl": 35.0}),
    "over-optimisation": Policy(
        measures=lambda found: {"validation_full": 0.3} if "validation_full" in found else {},
    ),
}


def alarms(policy: Policy, settings: GuardSettings | None = None, *, disarmed: Sequence[str] = ()) -> list[Alarm]:
    guards = Guards(settings or GuardSettings(), disarmed)
    return [alarm for update in range(1, UPDATES + 1) for alarm in guards.see(update, policy.measured(update))]


def test_a_policy_that_learns_as_it_should_raises_no_alarm() -> None:
    assert alarms(Policy()) == []


@pytest.mark.parametrize("monitor", MONITORS)
def test_each_monitor_meets_the_policy_that_went_wrong_its_way_and_no_other_does(monitor: str) -> None:
    found = alarms(MUTANTS[monitor])
    assert {alarm.monitor for alarm in found} == {monitor}
    # Not at the first time, but at the third in a row; of the validation split, which is asked every other update, at
    # the second.
    assert found[0].update == WRONG_FROM + 2
    assert found[0].value > found[0].threshold


@pytest.mark.parametrize("monitor", MONITORS)
def test_without_its_monitor_each_of_these_policies_goes_unnoticed(monitor: str) -> None:
    assert alarms(MUTANTS[monitor], GuardSettings(**{MONITORS[monitor].threshold: 0.0})) == []
    assert alarms(MUTANTS[monitor], disarmed=[monitor]) == []
    assert alarms(MUTANTS[monitor], GuardSettings(enabled=False)) == []


@pytest.mark.parametrize("monitor", MONITORS)
def test_an_alarm_names_itself_its_number_its_threshold_and_what_to_do(monitor: str) -> None:
    alarm = alarms(MUTANTS[monitor])[0]
    text = str(alarm)
    shown = f"{alarm.value:.1f}" if monitor == "kl" else f"{alarm.value:.2f}"
    assert text.startswith(f"{monitor} at update {alarm.update}, {alarm.patience} times in a row: ")
    assert shown in text
    assert f"at most {alarm.threshold:g}" in text
    assert text.endswith(MONITORS[monitor].advice)
    assert Alarm.from_json(json.loads(json.dumps(alarm.to_json()))) == alarm


def test_a_pause_tells_all_its_alarms_in_one_line_and_travels_between_processes() -> None:
    paused = Paused([Alarm("kl", 9, 35.0, 20.0, 3), Alarm("syntax", 9, 0.5, 0.2, 3)])
    again = pickle.loads(pickle.dumps(paused))
    assert again.alarms == paused.alarms
    assert "; syntax at update 9" in str(again)
    assert "\n" not in str(again)


def test_an_alarm_stands_until_its_monitor_is_off_or_its_threshold_above_it() -> None:
    alarm = Alarm("kl", 9, 35.0, 20.0, 3)
    assert Guards(GuardSettings()).stands(alarm)
    assert not Guards(GuardSettings(most_kl=40.0)).stands(alarm)
    assert not Guards(GuardSettings(most_kl=0.0)).stands(alarm)
    assert not Guards(GuardSettings(enabled=False)).stands(alarm)
    assert not Guards(GuardSettings(), ["kl"]).stands(alarm)


def kl_alarms(values: Sequence[float | None]) -> list[int]:
    guards = Guards(GuardSettings())
    measures = [{} if value is None else {"kl": value} for value in values]
    return [update for update, found in enumerate(measures, start=1) if guards.see(update, found)]


def test_one_update_within_the_threshold_ends_a_row_and_one_of_which_nothing_is_known_does_not() -> None:
    assert kl_alarms([30, 30, 10, 30, 30]) == []
    assert kl_alarms([30, 30, None, 30]) == [4]
    assert kl_alarms([30, 30, 20, 30, 30, 30]) == [6]  # at the threshold is not past it


def test_a_model_that_was_weak_from_the_start_is_not_blamed_for_it() -> None:
    weak = {"length": 64.0, "eos_share": 0.1, "syntax": 0.05, "duplicates": 0.9, "unsupported": 1.0, "unknown": 1.0}
    guards = Guards(GuardSettings())
    assert not any(guards.see(update, weak) for update in range(1, 20))


def test_what_the_monitors_remember_survives_a_stop_at_any_update() -> None:
    for monitor, policy in MUTANTS.items():
        straight = alarms(policy)
        for stop in range(1, UPDATES):
            first, second = Guards(GuardSettings()), Guards(GuardSettings())
            before = [alarm for u in range(1, stop + 1) for alarm in first.see(u, policy.measured(u))]
            second.load_state_dict(json.loads(json.dumps(first.state_dict())))
            after = [alarm for u in range(stop + 1, UPDATES + 1) for alarm in second.see(u, policy.measured(u))]
            assert before + after == straight, (monitor, stop)


def test_a_fall_on_the_validation_split_counts_only_while_the_reward_rises() -> None:
    def fell(update: int) -> float:
        return 0.8 if update < 4 else 0.4

    def after(reward: float) -> list[Alarm]:
        guards = Guards(GuardSettings())
        found = []
        for update in range(1, 9):
            found += guards.see(update, {"reward": 1.0 if update < 4 else reward, "validation_full": fell(update)})
        return found

    assert [alarm.monitor for alarm in after(1.1)][:1] == ["over-optimisation"]
    assert after(0.9) == []
    assert after(1.0) == []


def test_the_ratings_mean_is_the_reward_that_rises_where_there_are_ratings() -> None:
    def with_rating(rating: float) -> list[Alarm]:
        guards, found = Guards(GuardSettings()), []
        for update in range(1, 9):
            late = update >= 4
            found += guards.see(
                update,
                {
                    "reward": 1.0 - 0.1 * late,
                    "rating": 1.0 + rating * late,
                    "validation_full": 0.4 if late else 0.8,
                },
            )
        return found

    assert with_rating(+0.5)
    assert not with_rating(-0.5)


def duplicates(rows: Sequence[Row]) -> float:
    return measured([seen(row, row["family"]) for row in rows])["duplicates"]


def row(prompt: str, family: str, completion: str, *, ok: bool = False) -> Row:
    return {
        "prompt": prompt, "family": family, "completion": completion, "tests_passed": 2 if ok else 1, "tests_total": 2,
        "tests_status": "passed" if ok else "wrong",
    }  # fmt: skip


def test_equal_answers_to_equal_tasks_are_no_duplicates_but_one_answer_to_all_is() -> None:
    mistake = "def {f}(xs):\n    return sum(xs) / len(xs)"
    same_family = [row(f"mean {i}", "mean", mistake.format(f=f"f{i}")) for i in range(4)]
    other = [row("clamp", "clamp", "def g(x):\n    return x")]
    assert duplicates(same_family + other) == 0.0
    right = [row(f"{family} task", family, f"def {family}(x):\n    return x", ok=True) for family in "abcd"]
    assert duplicates(right) == 0.0
    collapsed = [row(f"{family} task", family, f"def {family}({family}x: int) -> int:\n  return 0") for family in "abc"]
    assert duplicates(collapsed + right) == pytest.approx(3 / 7)
    silent = [row(f"{family} task", family, "") for family in "abcd"]
    assert duplicates(silent) == 1.0
    gibberish = [row(f"{family} task", family, "def (( ") for family in "ab"]
    assert duplicates(gibberish) == 1.0


def test_where_all_prompts_are_of_one_family_those_of_different_prompts_are_duplicates() -> None:
    assert duplicates([row(f"task {i}", "mbpp", f"def f{i}(x):\n    return 0") for i in range(4)]) == 1.0
    assert duplicates([row("task", "mbpp", "def f(x):\n    return 0") for _ in range(4)]) == 0.0


def test_shares_of_a_few_verdicts_are_not_told() -> None:
    few = [{**row(f"p{i}", "a", "def f(): 0", ok=True), "verdicts": {"bounds": "unknown"}} for i in range(7)]
    assert "unknown" not in measured([seen(one) for one in few])
    assert measured([seen(one) for one in [*few, few[0]]])["unknown"] == 1.0
    assert measured([]) == {}


def test_a_program_without_tests_has_not_passed_them() -> None:
    assert passed({"tests_status": "passed", "tests_passed": 2, "tests_total": 2})
    assert not passed({"tests_status": "passed", "tests_passed": 0, "tests_total": 0})
    assert not passed({"tests_status": "wrong", "tests_passed": 1, "tests_total": 2})
    assert not passed({})


def test_hostile_completions_are_looked_at_without_an_error() -> None:
    for code in (
        "(" * 5000,
        "x = " + "-" * 100_000 + "1",
        "\0",
        "def f(:",
        "\ud800",
        "a" * 10**6,
        "f(" * 90 + ")" * 90,
    ):
        assert isinstance(seen({"prompt": "p", "completion": code}).syntax, bool)


def test_every_threshold_of_the_settings_belongs_to_one_monitor() -> None:
    others = {"enabled", "first_updates", "patience", "truth_patience"}
    assert sorted(one.threshold for one in MONITORS.values()) == sorted(
        {field.name for field in fields(GuardSettings)} - others
    )


def test_a_length_ratio_that_every_length_exceeds_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"guards.length_ratio: must be above 1, or 0 to leave it out"):
        read(PPOSettings, {"guards": {"length_ratio": 0.5}})
    assert read(PPOSettings, {"guards": {"length_ratio": 0}}).guards.length_ratio == 0
