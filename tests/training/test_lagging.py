"""Draws that go to the groups that lag behind: shares, turns, and what a checkpoint brings back."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.training.test_ppo import PROMPTS, share_of_target
from tests.training.test_ppo_features import trainer_of
from training.experience import draw
from training.lagging import FLOOR, Groups

NAMES = ["a"] * 10 + ["b"] * 10 + ["c"] * 20


def seen(**means: float) -> Groups:
    groups = Groups(NAMES, seed=0)
    for name, mean in means.items():
        groups.see([NAMES.index(name)], [mean])
    return groups


def test_before_anything_is_known_each_group_has_its_share() -> None:
    assert Groups(NAMES, seed=0).weights() == pytest.approx({"a": 0.25, "b": 0.25, "c": 0.5})
    assert seen(a=1.0, b=1.0, c=1.0).weights() == pytest.approx({"a": 0.25, "b": 0.25, "c": 0.5})


def test_a_group_counts_by_its_share_and_by_how_far_it_is_behind() -> None:
    weights = seen(a=2.0, b=0.0, c=1.5).weights()
    parts = {"a": 10 * FLOOR, "b": 10.0, "c": 20 * (FLOOR + (1 - FLOOR) * 0.25)}
    assert weights == pytest.approx({name: part / sum(parts.values()) for name, part in parts.items()})


def test_a_group_that_was_never_seen_counts_as_the_last() -> None:
    weights = seen(a=2.0, b=0.0).weights()
    assert weights["c"] == pytest.approx(2 * weights["b"])


def test_newer_scores_count_more() -> None:
    groups = seen(a=0.0, b=1.0)
    for _ in range(200):
        groups.see([0, 10], [2.0, 1.0])
    assert groups.weights()["b"] > groups.weights()["a"]


@given(
    st.lists(st.sampled_from("abcde"), min_size=1, max_size=40),
    st.dictionaries(st.sampled_from("abcde"), st.floats(-3, 3, allow_nan=False)),
    st.integers(1, 64),
    st.integers(0, 1000),
)
def test_each_group_is_drawn_to_the_nearest_whole_of_its_part(
    names: list[str], means: dict[str, float], count: int, update: int
) -> None:
    groups = Groups(names, seed=1)
    for name, mean in means.items():
        if name in names:
            groups.see([names.index(name)], [mean])
    weights = groups.weights()
    assert sum(weights.values()) == pytest.approx(1.0)
    rows = groups.draw(update, count)
    assert len(rows) == count
    drawn = Counter(names[row] for row in rows)
    assert all(abs(drawn[name] - weight * count) < 1 + 1e-6 for name, weight in weights.items())


def test_a_group_goes_through_all_its_rows_before_any_comes_again() -> None:
    groups = Groups(NAMES, seed=3)
    rows = [row for update in range(160) for row in groups.draw(update, 1)]
    for name in "abc":
        own = [row for row in rows if NAMES[row] == name]
        size = NAMES.count(name)
        first, second = own[:size], own[size : 2 * size]
        assert sorted(first) == sorted(second) == [row for row, other in enumerate(NAMES) if other == name]
        assert first != second


def test_its_state_comes_back_as_it_was() -> None:
    groups, other = seen(a=1.0, b=2.0), Groups(NAMES, seed=0)
    groups.draw(0, 7)
    other.load_state_dict(groups.state_dict())
    assert other.weights() == groups.weights()
    assert other.draw(1, 9) == groups.draw(1, 9)


def test_a_trainer_draws_by_a_column_and_goes_on_from_a_checkpoint(tmp_path: Path) -> None:
    rows = [{**row, "kind": "short" if row["length"] < 4 else "long"} for row in PROMPTS]
    options = {
        "rows": rows, "lagging_column": "kind", "imitation_coef": 0.3, "num_updates": 4, "save_strategy": "steps",
        "save_steps": 8, "learning_rate": 1e-2,
    }  # fmt: skip

    def kinds(completion_ids: list[list[int]], kind: list[str], **_: object) -> list[float | None]:
        shares = share_of_target(completion_ids)
        return [1.0 if one == "short" else share for share, one in zip(shares, kind, strict=True)]

    whole = trainer_of(tmp_path / "whole", None, kinds, **options)
    whole.train()
    assert whole.groups is not None
    weights = whole.groups.weights()
    assert weights["long"] > 1.5 * weights["short"] * sum(r["kind"] == "long" for r in rows) / sum(
        r["kind"] == "short" for r in rows
    )
    resumed = trainer_of(tmp_path / "resumed", None, kinds, **options)
    resumed.train(resume_from_checkpoint=tmp_path / "whole" / "checkpoint-8")
    assert resumed.groups is not None
    assert resumed.groups.state_dict() == whole.groups.state_dict()
    assert resumed.successes.state_dict() == whole.successes.state_dict()


def test_a_column_that_rows_lack_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="row 0 of the training dataset has no 'kind'"):
        trainer_of(tmp_path, lagging_column="kind")


def test_without_the_setting_draws_are_the_plain_series(tmp_path: Path) -> None:
    trainer = trainer_of(tmp_path)
    assert trainer._draw(1) == draw(len(PROMPTS), 16, 16, seed=trainer.args.seed)
