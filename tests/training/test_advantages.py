"""The arithmetic of PPO against a second one, written from the papers as plain loops over Python floats."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from training import advantages as adv

LIMIT = 20.0
TOLERANCE = 1e-10


@dataclass
class Rows:
    """Ragged rows of floats, and the same padded with rubbish."""

    lengths: list[int]
    columns: list[list[list[float]]]  # (kind, row, time)

    def tensor(self, kind: int) -> torch.Tensor:
        width = max(self.lengths)
        rows = self.columns[kind]
        return torch.tensor([row + [math.nan] * (width - len(row)) for row in rows], dtype=torch.float64)

    @property
    def mask(self) -> torch.Tensor:
        return adv.length_mask(torch.tensor(self.lengths), max(self.lengths))

    def flat(self, kind: int) -> list[float]:
        return [value for row in self.columns[kind] for value in row]


@st.composite
def ragged(draw: st.DrawFn, kinds: int = 1, *, size: float = 5.0) -> Rows:
    lengths = draw(st.lists(st.integers(1, 7), min_size=1, max_size=5))
    number = st.floats(-size, size, allow_nan=False, allow_subnormal=False)
    columns = [[[draw(number) for _ in range(length)] for length in lengths] for _ in range(kinds)]
    return Rows(lengths, columns)


def close(found: torch.Tensor | float, expected: float) -> bool:
    return math.isclose(float(found), expected, rel_tol=TOLERANCE, abs_tol=TOLERANCE)


def rows_close(found: torch.Tensor, expected: list[list[float]]) -> bool:
    return all(
        close(found[i, t], expected[i][t] if t < len(expected[i]) else 0.0)
        for i in range(found.shape[0])
        for t in range(found.shape[1])
    )


@settings(max_examples=60, deadline=None)
@given(ragged())
def test_masked_mean_and_variance_are_those_of_the_real_tokens(rows: Rows) -> None:
    flat = rows.flat(0)
    mean = math.fsum(flat) / len(flat)
    variance = math.fsum((x - mean) ** 2 for x in flat) / (len(flat) - 1) if len(flat) > 1 else 0.0
    assert close(adv.masked_mean(rows.tensor(0), rows.mask), mean)
    assert close(adv.masked_var(rows.tensor(0), rows.mask), variance)


@settings(max_examples=60, deadline=None)
@given(ragged(), st.booleans())
def test_whitening_scales_the_real_tokens_and_zeroes_the_rest(rows: Rows, shift: bool) -> None:
    flat = rows.flat(0)
    mean = math.fsum(flat) / len(flat)
    variance = math.fsum((x - mean) ** 2 for x in flat) / max(len(flat) - 1, 1)
    expected = [
        [(x - mean) / math.sqrt(variance + 1e-8) + (0.0 if shift else mean) for x in row] for row in rows.columns[0]
    ]
    # 1 / sqrt(1e-8) magnifies the last bits of the mean by 10,000 where all tokens are equal.
    found = adv.whiten(rows.tensor(0), rows.mask, shift_mean=shift)
    wanted = torch.tensor([row + [0.0] * (found.shape[1] - len(row)) for row in expected], dtype=torch.float64)
    assert torch.allclose(found, wanted, rtol=1e-10, atol=1e-10)


@settings(max_examples=60, deadline=None)
@given(ragged(2, size=30.0))
def test_kl_estimates_follow_their_definitions_with_the_log_ratio_clamped(rows: Rows) -> None:
    policy, reference = rows.tensor(0), rows.tensor(1)
    k1, k3 = adv.kl_estimate(policy, reference), adv.kl_estimate(policy, reference, kind="k3")
    for i, (p_row, q_row) in enumerate(zip(*rows.columns, strict=True)):
        for t, (p, q) in enumerate(zip(p_row, q_row, strict=True)):
            ratio = min(max(p - q, -LIMIT), LIMIT)
            assert close(k1[i, t], ratio)
            assert math.isclose(float(k3[i, t]), math.expm1(-ratio) + ratio, rel_tol=1e-10, abs_tol=1e-10)
            assert float(k3[i, t]) >= 0.0


def test_an_unknown_kl_estimator_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="choose k1 or k3"):
        adv.kl_estimate(torch.zeros(1, 1), torch.zeros(1, 1), kind="k2")


@settings(max_examples=60, deadline=None)
@given(ragged(), st.lists(st.floats(-3, 3), min_size=5, max_size=5), st.floats(0, 1))
def test_the_score_lands_on_the_last_real_token_only(rows: Rows, scores: list[float], coefficient: float) -> None:
    expected = [[-coefficient * kl for kl in row] for row in rows.columns[0]]
    for row, score in zip(expected, scores, strict=False):
        row[-1] += score
    found = adv.token_rewards(
        torch.tensor(scores[: len(rows.lengths)], dtype=torch.float64),
        rows.tensor(0),
        torch.tensor(rows.lengths),
        kl_coef=coefficient,
    )
    assert rows_close(found, expected)


def test_a_completion_without_a_token_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        adv.token_rewards(torch.ones(2), torch.zeros(2, 3), torch.tensor([3, 0]), kl_coef=0.1)


@settings(max_examples=80, deadline=None)
@given(ragged(2), st.floats(0.1, 1.0), st.floats(0.0, 1.0))
def test_advantages_are_the_discounted_sums_of_the_temporal_differences(rows: Rows, gamma: float, lam: float) -> None:
    expected, returns = [], []
    for rewards, values in zip(*rows.columns, strict=True):
        deltas = [
            r + gamma * (values[t + 1] if t + 1 < len(values) else 0.0) - values[t] for t, r in enumerate(rewards)
        ]
        row = [
            math.fsum((gamma * lam) ** (k - t) * deltas[k] for k in range(t, len(deltas))) for t in range(len(deltas))
        ]
        expected.append(row)
        returns.append([a + v for a, v in zip(row, values, strict=True)])
    found = adv.gae(rows.tensor(0), rows.tensor(1), torch.tensor(rows.lengths), gamma=gamma, lam=lam)
    assert rows_close(found[0], expected)
    assert rows_close(found[1], returns)


def test_with_gamma_and_lambda_1_the_return_is_the_sum_of_the_rewards_still_to_come() -> None:
    rewards = torch.tensor([[1.0, 2.0, 3.0]], dtype=torch.float64)
    values = torch.tensor([[9.0, -4.0, 2.5]], dtype=torch.float64)
    _, returns = adv.gae(rewards, values, torch.tensor([3]), gamma=1.0, lam=1.0)
    assert returns.tolist() == [[6.0, 5.0, 3.0]]


@settings(max_examples=80, deadline=None)
@given(ragged(3, size=2.0), st.floats(0.05, 0.9))
def test_the_clipped_policy_loss_and_its_gradient_match_the_paper(rows: Rows, cliprange: float) -> None:
    new = rows.tensor(0).requires_grad_()
    found = adv.policy_loss(new, rows.tensor(1), rows.tensor(2), rows.mask, cliprange=cliprange)
    found.total.backward()
    total, clipped = 0.0, 0
    for i, (new_row, old_row, a_row) in enumerate(zip(*rows.columns, strict=True)):
        for t, (p, q, a) in enumerate(zip(new_row, old_row, a_row, strict=True)):
            ratio = math.exp(p - q)
            bounded = min(max(ratio, 1 - cliprange), 1 + cliprange)
            total -= min(ratio * a, bounded * a)
            clipped += bounded * a < ratio * a
            if abs(bounded * a - ratio * a) > 1e-9:
                assert close(new.grad[i, t], 0.0 if bounded * a < ratio * a else -a * ratio)  # type: ignore[index]
    assert close(found.total.detach(), total)
    assert int(found.clipped) == clipped
    assert not torch.isnan(new.grad).any()  # type: ignore[arg-type]


@settings(max_examples=80, deadline=None)
@given(ragged(3, size=2.0), st.floats(0.05, 0.9))
def test_the_clipped_value_loss_is_the_larger_of_both_halves(rows: Rows, cliprange: float) -> None:
    new = rows.tensor(0).requires_grad_()
    found = adv.value_loss(new, rows.tensor(1), rows.tensor(2), rows.mask, cliprange_value=cliprange)
    found.total.backward()
    total, clipped = 0.0, 0
    for triple in zip(*(rows.flat(kind) for kind in range(3)), strict=True):
        value, old, target = triple
        near = min(max(value, old - cliprange), old + cliprange)
        total += 0.5 * max((value - target) ** 2, (near - target) ** 2)
        clipped += (near - target) ** 2 > (value - target) ** 2
    assert close(found.total.detach(), total)
    assert int(found.clipped) == clipped
    assert not torch.isnan(new.grad).any()  # type: ignore[arg-type]


@settings(max_examples=60, deadline=None)
@given(ragged(2))
def test_explained_variance_is_one_minus_the_unexplained_share(rows: Rows) -> None:
    def variance(numbers: list[float]) -> float:
        mean = math.fsum(numbers) / len(numbers)
        return math.fsum((x - mean) ** 2 for x in numbers) / max(len(numbers) - 1, 1)

    values, returns = rows.flat(0), rows.flat(1)
    found = adv.explained_variance(rows.tensor(0), rows.tensor(1), rows.mask)
    if variance(returns) > 1e-6:
        errors = [r - v for r, v in zip(returns, values, strict=True)]
        assert math.isclose(float(found), 1 - variance(errors) / variance(returns), rel_tol=1e-8, abs_tol=1e-8)


def test_explained_variance_of_constant_returns_is_zero_and_not_nan() -> None:
    ones = torch.ones(2, 2)
    assert float(adv.explained_variance(torch.randn(2, 2), ones, ones.bool())) == 0.0


@given(st.floats(0.001, 10), st.floats(0.1, 50), st.floats(0, 200), st.integers(1, 4096))
def test_the_adaptive_controller_follows_its_proportional_rule(
    start: float, target: float, kl: float, rollouts: int
) -> None:
    controller = adv.AdaptiveKLController(start, target, horizon=5000)
    controller.update(kl, rollouts=rollouts)
    error = max(-0.2, min(0.2, (kl - target) / target))
    assert close(controller.value, start * (1 + error * rollouts / 5000))


def test_the_fixed_controller_stays_and_an_adaptive_one_needs_a_target() -> None:
    fixed = adv.FixedKLController(0.03)
    fixed.update(100.0, rollouts=128)
    assert fixed.value == 0.03
    with pytest.raises(ValueError, match="target above 0"):
        adv.AdaptiveKLController(0.03, 0.0)
