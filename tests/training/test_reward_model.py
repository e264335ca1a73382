"""The reward model learns an order from ratings, and says so when ratings can't teach one."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig

from training import adapters, checkpoints
from training.config import LoraSettings, RewardModelSettings
from training.models import load_model, load_tokenizer
from training.progress import Progress, Silent, Stopped
from training.prompting import format_prompt
from training.reward_model import (
    Preference,
    PreferenceError,
    RewardModel,
    check,
    comparison_loss,
    split_by_prompt,
    train,
    usable,
)

SETTINGS = RewardModelSettings(
    epochs=4.0, batch_size=8, learning_rate=5e-3, lora=LoraSettings(r=4, alpha=8), save_steps=4
)


def pair(number: int, *, times: int | None = None, preference: int | None = None, **options: Any) -> Preference:
    """One program guards its division, the other does not; raters prefer the guard."""
    times = number // 4 if times is None else times
    name = "abcdefgh"[number % 8]
    guarded = f"def f({name}: int) -> int:\n    return 10 // {name} if {name} else 0\n"
    bare = f"def f({name}: int) -> int:\n    return 10 // {name}\n"
    guard_is_b = number % 2 == 0
    return Preference(
        prompt_text=f"Divide 10 by {name}, {times} times.",
        signature=f"def f({name}: int) -> int:",
        code_a=bare if guard_is_b else guarded,
        code_b=guarded if guard_is_b else bare,
        preference=(2 if guard_is_b else -2) if preference is None else preference,
        annotator=f"annotator-{number % 3}",
        **options,
    )


PAIRS = [pair(number) for number in range(40)]


@pytest.fixture(scope="module")
def trained(micro_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("reward-model")
    return train(micro_model, PAIRS, settings=SETTINGS, run_folder=run, fence=1, watcher=Silent())


def test_it_learns_what_raters_prefer_on_prompts_it_has_not_seen(trained: Path) -> None:
    summary = json.loads((trained / "reward_model.json").read_text())
    assert summary["accuracy"] >= 0.9
    assert summary["held_out"] >= 1
    assert summary["comparisons"] + summary["held_out"] == 40
    assert summary["count"] == 2 * summary["comparisons"]


def test_scores_order_new_programs_and_do_not_depend_on_the_batch(trained: Path, micro_model: Path) -> None:
    model = RewardModel.load(trained, backbone=micro_model, bf16=False)
    tokenizer = load_tokenizer(micro_model)
    new = [pair(number, times=number // 4 + 1) for number in range(8)]
    assert not {one.prompt_text for one in new} & {one.prompt_text for one in PAIRS}
    prompts = [format_prompt(tokenizer, one.prompt_text, one.signature) for one in new for _ in range(2)]
    codes = [code for one in new for code in (one.code_a, one.code_b)]
    scores = model.score(prompts, codes)
    better = [(b > a) == (one.preference > 0) for one, a, b in zip(new, scores[::2], scores[1::2], strict=True)]
    assert sum(better) >= 7
    alone = [model.score([prompt], [code])[0] for prompt, code in zip(prompts, codes, strict=True)]
    assert scores == pytest.approx(alone, abs=1e-4)
    assert model.score([], []) == []


def test_the_score_head_is_trained_and_saved_with_the_adapter(trained: Path) -> None:
    from safetensors.torch import load_file

    weights = load_file(str(trained / "adapter_model.safetensors"))
    heads = [value for name, value in weights.items() if "score" in name]
    assert len(heads) == 1
    torch.manual_seed(SETTINGS.seed)
    assert heads[0].abs().max() > 0.06  # three standard deviations of its random start
    config = json.loads((trained / "adapter_config.json").read_text())
    assert config["task_type"] == "SEQ_CLS"
    assert "score" in config["modules_to_save"]


def test_a_frozen_score_head_is_refused(micro_model: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    untyped = LoraConfig(r=4, target_modules=["c_attn"], fan_in_fan_out=True)
    monkeypatch.setattr(adapters, "lora_config", lambda settings, model, reward: untyped)
    with pytest.raises(RuntimeError, match="score head is frozen"):
        train(micro_model, PAIRS, settings=SETTINGS, run_folder=tmp_path, fence=1, watcher=Silent())


def test_it_refuses_another_backbone(trained: Path, micro_model: Path, tmp_path: Path) -> None:
    other = load_model(micro_model)
    with torch.no_grad():
        other.transformer.wpe.weight[0, 0] += 1.0
    other.save_pretrained(str(tmp_path))
    with pytest.raises(adapters.AdapterError, match="was trained on the backbone"):
        RewardModel.load(trained, backbone=tmp_path)


# -- resuming


class StopAt(Silent):
    def __init__(self, step: int) -> None:
        self.at = step
        self.seen: list[Progress] = []

    def step(self, progress: Progress) -> None:
        self.seen.append(progress)
        if progress.step == self.at:
            raise Stopped


def test_a_resumed_training_ends_with_the_same_scores(trained: Path, micro_model: Path, tmp_path: Path) -> None:
    with pytest.raises(Stopped):
        train(micro_model, PAIRS, settings=SETTINGS, run_folder=tmp_path, fence=1, watcher=StopAt(10))
    start = checkpoints.latest(tmp_path)
    assert start is not None
    assert checkpoints.step_of(start) == 8
    watcher = StopAt(-1)
    folder = train(micro_model, PAIRS, settings=SETTINGS, run_folder=tmp_path, fence=2, watcher=watcher)
    assert watcher.seen[0].step == 9
    assert watcher.seen[0].stage == "reward-model"
    assert "accuracy" in watcher.seen[0].metrics
    found, expected = (json.loads((one / "reward_model.json").read_text()) for one in (folder, trained))
    assert found == expected
    again = train(micro_model, PAIRS, settings=SETTINGS, run_folder=tmp_path, fence=3, watcher=StopAt(-1))
    assert again == folder


# -- the loss


def test_the_loss_asks_for_a_margin_and_pulls_ties_together() -> None:
    difference = torch.tensor([0.3, 0.3, 0.0, 1.5])
    margin = torch.tensor([0.0, 1.0, 0.0, 0.0])
    tie = torch.tensor([False, False, True, True])
    expected = [
        -math.log(1 / (1 + math.exp(-0.3))),
        -math.log(1 / (1 + math.exp(0.7))),
        math.log(2.0),
        -0.5 * math.log(1 / (1 + math.exp(-1.5))) - 0.5 * math.log(1 / (1 + math.exp(1.5))),
    ]
    assert comparison_loss(difference, margin, tie).tolist() == pytest.approx(expected)


def test_weights_decide_between_raters_who_contradict_each_other(micro_model: Path, tmp_path: Path) -> None:
    reliable = [replace(one, weight=1.0) for one in PAIRS]
    contrary = [replace(one, preference=-one.preference, annotator="random", weight=0.05) for one in PAIRS]
    folder = train(
        micro_model, [*contrary, *reliable], settings=SETTINGS, run_folder=tmp_path, fence=1, watcher=Silent()
    )
    model = RewardModel.load(folder, backbone=micro_model, bf16=False)
    tokenizer = load_tokenizer(micro_model)
    prompts = [format_prompt(tokenizer, one.prompt_text, one.signature) for one in PAIRS]
    a = model.score(prompts, [one.code_a for one in PAIRS])
    b = model.score(prompts, [one.code_b for one in PAIRS])
    right = [(y > x) == (one.preference > 0) for one, x, y in zip(PAIRS, a, b, strict=True)]
    assert sum(right) >= 36


# -- what can't teach


@pytest.mark.parametrize(
    ("preferences", "message"),
    [
        ([], "no usable comparison"),
        ([pair(1, unusable=True), pair(2, weight=0.0)], "no usable comparison"),
        ([pair(number, preference=0) for number in range(4)], "all 4 comparisons are ties"),
        ([pair(number, preference=3) for number in range(12)], "all 12 preferences are for side B"),
        ([pair(number, preference=-1) for number in range(8)], "all 8 preferences are for side A"),
    ],
)
def test_a_snapshot_that_can_teach_nothing_is_an_error(preferences: list[Preference], message: str) -> None:
    with pytest.raises(PreferenceError, match=message):
        check(usable(preferences))


def test_an_impossible_rating_is_refused() -> None:
    with pytest.raises(PreferenceError, match="-3 to 3, not 4"):
        pair(1, preference=4)
    with pytest.raises(PreferenceError, match="at least 0, not nan"):
        pair(1, weight=math.nan)


def test_a_comparison_longer_than_the_context_is_refused(micro_model: Path, tmp_path: Path) -> None:
    endless = [replace(one, code_a=one.code_a + "    # more\n" * 600) for one in PAIRS]
    with pytest.raises(PreferenceError, match="more than the backbone's context of 512"):
        train(micro_model, endless, settings=SETTINGS, run_folder=tmp_path, fence=1, watcher=Silent())


def test_no_prompt_is_both_learnt_from_and_judged_by_whatever_the_order_of_rows() -> None:
    learnt, judged = split_by_prompt(PAIRS, held_out=0.3, seed=1)
    assert {one.prompt_text for one in learnt}.isdisjoint(one.prompt_text for one in judged)
    assert len(learnt) + len(judged) == 40
    assert judged
    backwards = split_by_prompt(PAIRS[::-1], held_out=0.3, seed=1)
    assert {id(one) for one in backwards[1]} == {id(one) for one in judged}
    assert split_by_prompt(PAIRS[:1], held_out=0.5, seed=0) == (PAIRS[:1], [])
