"""Settings are read and judged in one place."""

from __future__ import annotations

import json

import pytest

from training.config import SCALES, PPOSettings, SettingsError, TaskSettings, read, to_json


@pytest.mark.parametrize("name", SCALES)
def test_every_scale_survives_a_trip_through_json(name: str) -> None:
    scale = SCALES[name]
    for part in (scale.tasks, scale.model, scale.sft, scale.reward_model, scale.ppo, scale.evaluation):
        assert read(type(part), json.loads(json.dumps(to_json(part)))) == part


@pytest.mark.parametrize(
    ("values", "field", "problem"),
    [
        ({"learning_rate": -1}, "learning_rate", "must be above 0, not -1"),
        ({"learning_rate": "fast"}, "learning_rate", "must be a number, not 'fast'"),
        ({"learning_rate": "nan"}, "learning_rate", "must be a finite number"),
        ({"num_updates": "3.5"}, "num_updates", "must be a whole number, not '3.5'"),
        ({"num_updates": 0}, "num_updates", "must be at least 1, not 0"),
        ({"lam": 1.5}, "lam", "must be at most 1, not 1.5"),
        ({"bf16": "perhaps"}, "bf16", "must be true or false"),
        ({"lora": {"r": 0}}, "lora.r", "must be at least 1, not 0"),
        ({"lora": 3}, "lora", "must be a group of settings"),
    ],
)
def test_a_bad_value_is_named_with_one_sentence(values: dict[str, object], field: str, problem: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read(PPOSettings, values)
    assert caught.value.problems == {field: problem}


def test_all_problems_are_reported_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        read(PPOSettings, {"learning_rate": 0, "gamma": 2, "speed": 1})
    assert set(caught.value.problems) == {"learning_rate", "gamma", "speed"}


def test_a_form_may_give_lists_as_text() -> None:
    assert read(TaskSettings, {"families": "clamp, gcd"}).families == ("clamp", "gcd")
