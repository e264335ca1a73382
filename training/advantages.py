"""The arithmetic of PPO as pure functions: masks, KL, rewards a token, advantages, losses, KL controllers.

Shapes: ``(batch, time)`` with one row a completion; row ``i`` holds ``lengths[i]`` real tokens from column 0 on,
and whatever stands behind them is ignored. Means over tokens are taken over the real ones only.

References: Schulman et al. 2017 (arXiv 1707.06347, clipped losses), Schulman et al. 2016 (arXiv 1506.02438,
generalised advantage estimation), Ziegler et al. 2019 (arXiv 1909.08593, KL in the reward and its controller).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

LOG_RATIO_LIMIT = 20.0
"""Log-ratios are clamped to plus or minus this many nats, so that one absurd token cannot overflow an exponential."""


def length_mask(lengths: Tensor, width: int) -> Tensor:
    """``(batch,)`` lengths to a boolean ``(batch, width)`` mask of the real tokens."""
    return torch.arange(width, device=lengths.device)[None, :] < lengths[:, None]


def masked_sum(values: Tensor, mask: Tensor) -> Tensor:
    """The sum over real tokens; what the mask hides may be anything, NaN included."""
    return torch.where(mask, values, torch.zeros_like(values)).sum()


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """The mean over real tokens; 0 where there is none."""
    return masked_sum(values, mask) / mask.sum().clamp(min=1)


def masked_var(values: Tensor, mask: Tensor, *, across: Callable[[Tensor], Tensor] = lambda part: part) -> Tensor:
    """The unbiased variance over real tokens; 0 with fewer than two. ``across`` sums a scalar over processes."""
    count = across(mask.sum())
    mean = across(masked_sum(values, mask)) / count.clamp(min=1)
    return across(masked_sum((values - mean) ** 2, mask)) / (count - 1).clamp(min=1)


def whiten(
    values: Tensor,
    mask: Tensor,
    *,
    shift_mean: bool = True,
    epsilon: float = 1e-8,
    across: Callable[[Tensor], Tensor] = lambda part: part,
) -> Tensor:
    """Scale the real tokens to unit variance and, unless told otherwise, to mean 0; the others become 0.

    ``across`` sums a scalar over processes, so that the statistics are those of the global batch.
    """
    count = across(mask.sum())
    mean = across(masked_sum(values, mask)) / count.clamp(min=1)
    variance = across(masked_sum((values - mean) ** 2, mask)) / (count - 1).clamp(min=1)
    scaled = (values - mean) * torch.rsqrt(variance + epsilon)
    if not shift_mean:
        scaled = scaled + mean
    return torch.where(mask, scaled, torch.zeros_like(scaled))


def kl_estimate(logprobs: Tensor, ref_logprobs: Tensor, *, kind: str = "k1", limit: float = LOG_RATIO_LIMIT) -> Tensor:
    """A sampled token's estimate of KL(policy, reference), in nats, shape as given.

    ``k1`` is log p - log q, unbiased; ``k3`` is q/p - 1 - log(q/p), unbiased too and never negative
    (Schulman, "Approximating KL divergence", 2020). The log-ratio is clamped to plus or minus ``limit``.
    """
    log_ratio = (logprobs - ref_logprobs).clamp(-limit, limit)
    if kind == "k1":
        return log_ratio
    if kind == "k3":
        return torch.expm1(-log_ratio) + log_ratio
    raise ValueError(f"unknown KL estimator {kind!r}: choose k1 or k3")


def token_rewards(
    scores: Tensor, kl: Tensor, lengths: Tensor, *, kl_coef: float, given: Tensor | None = None
) -> Tensor:
    """Each token's reward: minus ``kl_coef`` times its KL, plus the completion's score on its last real token.

    ``scores`` and ``lengths`` are ``(batch,)``, lengths at least 1; ``kl`` and the result ``(batch, time)``, and so is
    ``given``: what single tokens earned besides.
    """
    if bool((lengths < 1).any()):
        raise ValueError("a completion without a token has nowhere to put its score: every length must be at least 1")
    rewards = -kl_coef * kl if given is None else given - kl_coef * kl
    rewards = torch.where(length_mask(lengths, kl.shape[1]), rewards, torch.zeros_like(kl))
    last = (lengths - 1)[:, None]
    return rewards.scatter_add(1, last, scores[:, None].to(rewards.dtype))


def gae(rewards: Tensor, values: Tensor, lengths: Tensor, *, gamma: float, lam: float) -> tuple[Tensor, Tensor]:
    """Generalised advantages and returns, ``(batch, time)`` each, 0 behind the last real token.

    delta_t = r_t + gamma V_{t+1} - V_t;  A_t = delta_t + gamma lam A_{t+1};  return_t = A_t + V_t.
    The value behind the last real token is 0: the completion ends there.
    """
    mask = length_mask(lengths, rewards.shape[1])
    zeros = torch.zeros_like(rewards)
    rewards, values = torch.where(mask, rewards, zeros), torch.where(mask, values, zeros)
    following = torch.zeros_like(rewards[:, 0])  # (batch,): A_{t+1}
    next_value = torch.zeros_like(following)
    columns = []
    for time in reversed(range(rewards.shape[1])):
        delta = rewards[:, time] + gamma * next_value - values[:, time]
        # Behind the end of a row reward, value and advantage are all 0, so the row's real part starts from 0.
        following = delta + gamma * lam * following
        next_value = values[:, time]
        columns.append(following)
    advantages = torch.stack(columns[::-1], dim=1)
    return advantages, advantages + values


@dataclass(frozen=True)
class Loss:
    """A loss over tokens, as sums, so that micro-batches and processes can be added up before dividing."""

    total: Tensor
    """The sum over the real tokens, with its gradient."""
    clipped: Tensor
    """How many real tokens took the clipped branch."""


def policy_loss(logprobs: Tensor, old_logprobs: Tensor, advantages: Tensor, mask: Tensor, *, cliprange: float) -> Loss:
    """PPO's clipped surrogate, negated: max(-A ratio, -A clip(ratio, 1 - c, 1 + c)), summed over real tokens."""
    difference = torch.where(mask, logprobs - old_logprobs, torch.zeros_like(logprobs))
    ratio = difference.clamp(-LOG_RATIO_LIMIT, LOG_RATIO_LIMIT).exp()
    plain = -advantages * ratio
    clipped = -advantages * ratio.clamp(1 - cliprange, 1 + cliprange)
    return Loss(masked_sum(torch.maximum(plain, clipped), mask), (mask & (clipped > plain)).sum())


def value_loss(values: Tensor, old_values: Tensor, returns: Tensor, mask: Tensor, *, cliprange_value: float) -> Loss:
    """Half the squared error, the larger of plain and clipped to ``old_values`` plus or minus the range, summed."""
    values = torch.where(mask, values, torch.zeros_like(values))
    near = torch.clamp(values, old_values - cliprange_value, old_values + cliprange_value)
    plain, clipped = (values - returns) ** 2, (near - returns) ** 2
    return Loss(0.5 * masked_sum(torch.maximum(plain, clipped), mask), (mask & (clipped > plain)).sum())


def imitation_gains(values: Tensor, returns: Tensor) -> Tensor:
    """By how much each token's return is above its value, ``(tokens,)``, 0 where it is not; without a gradient."""
    return (returns - values).clamp(min=0.0).detach()


def imitation_loss(logprobs: Tensor, values: Tensor, returns: Tensor) -> Loss:
    """Self-imitation: -log p times max(return - value, 0), summed over tokens; ``(tokens,)`` each.

    The values take no gradient. ``clipped`` counts the tokens whose value has reached the return: they teach nothing.
    Oh et al. 2018 (arXiv 1806.05635), equation 2.
    """
    gains = imitation_gains(values, returns)
    return Loss(-(logprobs * gains).sum(), (gains == 0).sum())


def explained_variance(
    values: Tensor, returns: Tensor, mask: Tensor, *, across: Callable[[Tensor], Tensor] = lambda part: part
) -> Tensor:
    """1 - Var(return - value) / Var(return): 1 is perfect, 0 no better than a constant; 0 if returns don't vary.

    ``across`` sums a scalar over processes, as in ``whiten``.
    """
    spread = masked_var(returns, mask, across=across)
    if float(spread) == 0.0:
        return torch.zeros_like(spread)
    return 1 - masked_var(returns - values, mask, across=across) / spread


class KLController(Protocol):
    """What weighs the KL in the reward; ``value`` is all the state it has."""

    value: float

    def update(self, kl: float, *, rollouts: int) -> None:
        """Take in the mean KL a sequence (nats) of so many rollouts."""
        ...


@dataclass
class FixedKLController:
    """The coefficient stays what it is."""

    value: float

    def update(self, kl: float, *, rollouts: int) -> None:
        del kl, rollouts


@dataclass
class AdaptiveKLController:
    """Ziegler et al. 2019, section 2.2: proportional control of log(coefficient), its error clipped at 0.2."""

    value: float
    target: float
    """Mean KL a sequence to aim at, in nats."""
    horizon: int = 10_000
    """Rollouts over which an error of 1 would multiply the coefficient by 2."""

    def __post_init__(self) -> None:
        if self.target <= 0:
            raise ValueError("the adaptive KL controller needs a target above 0 (target_kl)")

    def update(self, kl: float, *, rollouts: int) -> None:
        error = min(max(kl / self.target - 1, -0.2), 0.2)
        self.value *= 1 + error * rollouts / self.horizon
