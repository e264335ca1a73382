"""An aligned adapter, scaled down as far as tasks that it never trained on allow.

A policy goes on moving long after it does what its reward asks, and what it moves beyond need it pays for on prompts
unlike those it trained on (the alignment tax). Models on the line between the backbone (scale 0) and what was trained
(scale 1) keep most of the gain and pay less (Wortsman et al. 2022, arXiv 2109.01903; Lin et al. 2024, arXiv
2309.06256). The validation tasks can't show that price, for they are like those trained on; they show how far down the
gain stays whole.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from training import adapters
from training.config import DecodingSettings, PPOSettings
from training.models import bf16_pays, load
from training.rewards import Ordered
from training.rollout import Decoder

SCALES = (0.9, 0.8, 0.7, 0.6, 0.5)
"""Not below a half: a few hundred tasks don't see the edge from which the gain falls."""


def scaled(weights: Mapping[str, Tensor], scale: float) -> dict[str, Tensor]:
    """The weights of a LoRA adapter whose sum with the backbone is ``scale`` times as far from it."""
    return {name: weight * scale if ".lora_B." in name else weight for name, weight in weights.items()}


def smallest_scale(rewards: Callable[[float], Sequence[float]]) -> tuple[float, dict[str, float]]:
    """The smallest scale at which the mean reward is like that at 1, and the mean rewards that were looked at.

    Like is: at most one standard error below it (the one standard error rule, Breiman et al. 1984, section 3.4.3). The
    search ends at the first scale that isn't.
    """
    whole = rewards(1.0)
    least = statistics.fmean(whole) - statistics.pstdev(whole) / math.sqrt(len(whole))
    chosen, means = 1.0, {"1": statistics.fmean(whole)}
    for scale in SCALES:
        means[f"{scale:g}"] = found = statistics.fmean(rewards(scale))
        if found < least:
            break
        chosen = scale
    return chosen, means


def shrink(
    weights: Mapping[str, Tensor],
    *,
    backbone: Path,
    rows: Sequence[Mapping[str, Any]],
    reward: Ordered,
    settings: PPOSettings,
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The adapter's weights, scaled, and what a summary tells of it.

    ``rows`` are the validation tasks as the trainer's dataset has them: their greedy answers are given the reward that
    the policy was trained on. Its running statistics stay as they are.
    """
    model, tokenizer = load(backbone)
    policy = adapters.attach(model, adapters.lora_config(settings.lora, model))
    copy = adapters.MergedCopy(policy)
    decoding = DecodingSettings(
        max_new_tokens=settings.response_length, temperature=0.0, batch_size=settings.batch_size
    )
    given = {name: [row[name] for row in rows] for name in rows[0] if name != "prompt"}
    prompts, state = [row["prompt"] for row in rows], reward.state_dict()

    def rewards(scale: float) -> list[float]:
        policy.load_state_dict(scaled(weights, scale), strict=False)
        decoder = Decoder(copy.refresh(), tokenizer, bf16=bf16_pays(settings.bf16))
        answers = decoder.complete(prompts, decoding)
        found = reward(prompts, [one.text for one in answers], [one.token_ids for one in answers], **given)
        reward.load_state_dict(state)
        return [value or 0.0 for value in found]

    scale, means = smallest_scale(rewards)
    return scaled(weights, scale), {"adapter_scale": scale, "reward_by_scale": means}
