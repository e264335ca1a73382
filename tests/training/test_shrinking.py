"""An adapter is scaled down as far as its validation tasks' reward allows, and no further."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from training import adapters, align, shrinking
from training.config import LoraSettings, PPOSettings
from training.curriculum import Task
from training.models import load_model
from training.progress import Silent
from training.shrinking import SCALES, scaled, smallest_scale

SETTINGS = PPOSettings(
    num_updates=2,
    batch_size=8,
    mini_batch_size=4,
    micro_batch_size=4,
    learning_rate=1e-2,
    response_length=24,
    value_pretraining_updates=0,
    validation_prompts=4,
    validation_every=1,
    save_steps=1,
    lora=LoraSettings(r=4, alpha=8),
    bf16=False,
    shrink_adapter=True,
)


def by_scale(means: dict[float, float], *, spread: float = 1.0, prompts: int = 100) -> Any:
    """Rewards with these means, half of the prompts ``spread`` above and half below."""

    def rewards(scale: float) -> list[float]:
        mean = means.get(scale, means[1.0])
        return [mean + spread, mean - spread] * (prompts // 2)

    return rewards


def test_the_smallest_scale_within_a_standard_error_is_chosen_and_the_search_ends_below_it() -> None:
    # A standard error of 1 / sqrt(100).
    scale, means = smallest_scale(by_scale({1.0: 5.0, 0.7: 4.95, 0.6: 4.91, 0.5: 4.89}))
    assert scale == 0.6
    assert list(means) == ["1", "0.9", "0.8", "0.7", "0.6", "0.5"]
    assert means["0.5"] == pytest.approx(4.89)


def test_what_is_held_against_is_the_whole_adapter_and_not_the_last_scale() -> None:
    falling = {1.0: 5.0, **{scale: 5.0 - 0.04 * place for place, scale in enumerate(SCALES, start=1)}}
    assert smallest_scale(by_scale(falling))[0] == 0.8
    assert smallest_scale(by_scale({1.0: 5.0, 0.9: 4.8}))[0] == 1.0
    assert smallest_scale(by_scale({1.0: 5.0}))[0] == SCALES[-1]


def test_scaled_weights_are_so_much_nearer_to_the_backbone(micro_model: Path) -> None:
    model = load_model(micro_model)
    policy = adapters.attach(model, adapters.lora_config(LoraSettings(r=2), model))
    weights = {name: torch.randn_like(one) for name, one in policy.named_parameters() if "lora_" in name}
    found = []
    for scale in (0.0, 1.0, 0.3):
        policy.load_state_dict(scaled(weights, scale), strict=False)
        found.append({name: one.clone() for name, one in adapters.merged(policy).named_parameters()})
    apart = 0
    for name, start in found[0].items():
        whole = found[1][name] - start
        assert torch.allclose(found[2][name] - start, 0.3 * whole, atol=1e-5), name
        apart += bool(whole.abs().max() > 1e-3)
    assert apart >= 4


@pytest.mark.parametrize("chosen", [1.0, 0.4])
def test_an_alignment_ends_in_the_scaled_adapter_and_tells_its_scale(
    chosen: float,
    micro_model: Path,
    splits: dict[str, list[Task]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: dict[float, list[float]] = {}

    def choose(rewards: Any) -> tuple[float, dict[str, float]]:
        seen.update({scale: rewards(scale) for scale in (1.0, 0.5, 1.0)})
        return chosen, {"1": 0.0}

    monkeypatch.setattr(shrinking, "smallest_scale", choose)
    plain, shrunk = (
        align.align(
            micro_model,
            splits["train"][:24],
            reward_model=None,
            settings=replace(SETTINGS, shrink_adapter=shrink),
            run_folder=tmp_path / str(shrink),
            fence=1,
            watcher=Silent(),
        )
        for shrink in (False, True)
    )
    assert len(seen[1.0]) == 4, "a reward for each validation task"
    before, after = (load_file(folder / "adapter_model.safetensors") for folder in (plain, shrunk))
    assert before.keys() == after.keys()
    for name, weight in before.items():
        expected = weight * chosen if ".lora_B." in name else weight
        assert torch.allclose(after[name], expected), name
    told = [json.loads((folder / align.SUMMARY).read_text()) for folder in (plain, shrunk)]
    assert "adapter_scale" not in told[0]
    assert (told[1]["adapter_scale"], told[1]["reward_by_scale"]) == (chosen, {"1": 0.0})
