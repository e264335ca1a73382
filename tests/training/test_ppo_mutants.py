"""What PPO must get right, one point after the other: each is broken once, and the tests must notice.

A mutant changes one thing in the real code; its check is a test of this suite, most of them from test_ppo.py and
test_advantages.py. What those leave open is tested here.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate.optimizer import AcceleratedOptimizer
from torch.optim.lr_scheduler import LambdaLR
from transformers import TrainerCallback

from tests.training import test_advantages as arithmetic
from tests.training import test_imitation as successes
from tests.training import test_lagging as lagging
from tests.training import test_ppo as whole
from tests.training.test_ppo import tiny_model, trainer_of, updates, weights
from tests.training.test_ppo_features import trainer_of as trainer_on
from training import adapters, advantages, imitation, networks, ppo, ppo_files, roles
from training.experience import Experience, StepStatistics
from training.lagging import Groups
from training.policy import PolicyWithValue, Scores
from training.ppo import PPOConfig, PPOTrainer

Patch = pytest.MonkeyPatch


# -- what the other files leave open


def moved(trainer: PPOTrainer) -> PPOTrainer:
    """With a policy that is no longer the reference, and a value that is not 0."""
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in trainer.model.trainable().values():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return trainer


def whole_logits(trainer: PPOTrainer, ids: Sequence[int], *, adapted: bool = True) -> torch.Tensor:
    """(time, vocabulary) by the model's own forward pass, one row alone."""
    model = trainer.model.policy
    with torch.no_grad():
        if adapted:
            return model(input_ids=torch.tensor([list(ids)])).logits[0]
        with model.disable_adapter():
            return model(input_ids=torch.tensor([list(ids)])).logits[0]


def test_a_completion_without_eos_is_penalised_though_its_prompt_holds_one(tmp_path: Path) -> None:
    rows = [{"prompt": text} for text in ("a <eos> b", "d <eos>", "<eos> e f g")]
    options = {"missing_eos_penalty": 0.5, "kl_coef": 0.0, "lam": 1.0, "rows": rows}
    trainer = trainer_on(tmp_path, None, lambda completions, **_: [1.0] * len(completions), **options)
    assert all(trainer.eos in ids for ids in trainer.prompts.ids)
    experience = trainer.collect(0)
    finished = [ids[-1] == trainer.eos for ids in experience.completion_ids]
    assert any(finished)
    assert not all(finished)
    # Value 0 and no KL: each return is what the completion as a whole was given.
    for row, ended in enumerate(finished):
        assert float(experience.returns[row, 0]) == pytest.approx(1.0 if ended else 0.5)


def test_kl_and_entropy_are_measured_on_the_real_tokens_alone(tmp_path: Path) -> None:
    trainer = moved(trainer_of(tmp_path))
    experience = trainer.collect(0)
    kl, entropies = [], []
    for prompt, completion in zip(experience.prompt_ids, experience.completion_ids, strict=True):
        places = slice(len(prompt) - 1, len(prompt) + len(completion) - 1)
        policy, reference = (
            torch.log_softmax(whole_logits(trainer, prompt + completion, adapted=adapted)[places], -1)
            for adapted in (True, False)
        )
        chosen = (range(len(completion)), completion)
        kl.append(float((policy[chosen] - reference[chosen]).sum()))
        entropies += (-(policy.exp() * policy).sum(-1)).tolist()
    assert len({len(ids) for ids in experience.completion_ids}) > 1
    assert trainer._measured["kl"] == pytest.approx(math.fsum(kl) / len(kl), abs=1e-4)
    assert trainer._measured["entropy"] == pytest.approx(math.fsum(entropies) / len(entropies), abs=1e-4)


def test_rollouts_follow_the_present_policys_whole_distribution(tmp_path: Path) -> None:
    """2,000 first tokens of each of two prompts, in one batch with padding; at a temperature that is not 1."""
    count, prompts = 4000, [[3, 4, 5, 6, 7], [8]]
    trainer = moved(trainer_of(tmp_path, batch_size=count, mini_batch_size=count, temperature=2.0, response_length=1))
    drawn = trainer._generate([prompts[row % 2] for row in range(count)], 0)
    for row, prompt in enumerate(prompts):
        expected = torch.softmax(whole_logits(trainer, prompt)[-1] / 2.0, -1)
        tokens = torch.tensor([ids[0] for ids in drawn[row::2]])
        found = torch.bincount(tokens, minlength=len(expected)) / len(tokens)
        # Half the sum of the distances; chance alone makes it about 0.04.
        assert float((found - expected).abs().sum()) / 2 < 0.08


def test_dropout_is_off_in_a_models_own_forward_pass_too(tmp_path: Path) -> None:
    trainer = trainer_of(tmp_path, model=tiny_model(dropout=0.5), num_updates=1)
    trainer.model.blocks = None
    trainer.train()
    assert updates(trainer)[0]["first_ratio_error"] < 1e-5


def test_advantages_are_whitened_by_the_statistics_of_all_processes(tmp_path: Path) -> None:
    """Two processes with the same rollouts: of 2n numbers the unbiased variance is a little smaller than of n."""
    with Patch.context() as patch:
        alone = trainer_of(tmp_path / "alone").collect(0)
        patch.setattr(PPOTrainer, "_sum", lambda self, value: 2 * value)
        both = trainer_of(tmp_path / "both").collect(0)
    assert alone.completion_ids == both.completion_ids
    n = int(alone.lengths.sum())
    expected = alone.advantages * math.sqrt((2 * n - 1) / (2 * n - 2))
    torch.testing.assert_close(both.advantages, expected, atol=1e-5, rtol=1e-5)


class Watching(TrainerCallback):
    """Remembers the weights behind every optimiser step."""

    def __init__(self) -> None:
        self.seen: list[torch.Tensor] = []

    def on_step_end(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        self.seen.append(torch.cat([p.detach().flatten().clone() for p in model.trainable().values()]))


def test_every_mini_batch_changes_the_weights(tmp_path: Path) -> None:
    watching = Watching()
    trainer_of(tmp_path, num_updates=1, num_ppo_epochs=2, callbacks=[watching]).train()
    assert len(watching.seen) == 4
    assert all(not torch.equal(one, following) for one, following in itertools.pairwise(watching.seen))


def test_each_process_draws_a_share_of_its_own(tmp_path: Path) -> None:
    trainer = trainer_of(tmp_path)
    prompts = [[3, 4]] * trainer.args.batch_size
    alone = trainer._generate(prompts, 0)
    shares = []
    for rank in range(2):
        with Patch.context() as patch:
            patch.setattr(type(trainer.args), "world_size", 2)
            patch.setattr(type(trainer.args), "process_index", rank)
            shares.append(trainer._generate(prompts[rank::2], 0))
    assert shares[0] != shares[1]
    assert [ids for pair in zip(*shares, strict=True) for ids in pair] == alone


def test_policy_and_value_come_from_one_forward_of_the_module_that_is_wrapped(tmp_path: Path) -> None:
    """DistributedDataParallel sees only what goes through its own forward."""
    trainer = trainer_of(tmp_path)
    trainer._experience = trainer.collect(0)
    inside, heads, calls = [False], [], []

    class Wrapper(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.module = trainer.model

        def forward(self, **rows: Any) -> Scores:
            calls.append(None)
            inside[0] = True
            scores = self.module(**rows)
            inside[0] = False
            return scores

    hook = trainer.model.value_head.register_forward_hook(lambda *_: heads.append(inside[0]))
    trainer.compute_loss(Wrapper(), trainer._inputs(torch.arange(4)), num_items_in_batch=torch.tensor(10))
    hook.remove()
    assert len(calls) == 1
    assert heads == [True]


def test_a_run_goes_on_from_its_checkpoint_with_the_same_numbers(tmp_path: Path) -> None:
    options = {**whole.RESUMED, "num_updates": 3, "save_steps": 8}
    straight, resumed = (trainer_of(tmp_path / name, whole.Remembering(), **options) for name in ("a", "b"))
    straight.train()
    resumed.train(resume_from_checkpoint=tmp_path / "a" / "checkpoint-8")
    assert updates(resumed) == updates(straight)
    assert all(torch.equal(value, weights(resumed)[name]) for name, value in weights(straight).items())
    assert resumed.kl_controller.value == straight.kl_controller.value


# -- the checks that take values


def some_rows(kinds: int, *, size: float = 1.0) -> arithmetic.Rows:
    draw = torch.Generator().manual_seed(0)
    lengths = [4, 1, 6, 2]
    columns = [[(size * torch.randn(n, generator=draw)).tolist() for n in lengths] for _ in range(kinds)]
    return arithmetic.Rows(lengths, columns)


def on(test: Any, **values: Any) -> Callable[[Path], None]:
    """A property test on one example: a mutant's counterexample is neither searched for nor kept."""

    def check(tmp_path: Path) -> None:
        del tmp_path
        test.hypothesis.inner_test(**values)

    check.__name__ = test.__name__
    return check


def plain(test: Callable[..., None], *values: Any) -> Callable[[Path], None]:
    def check(tmp_path: Path) -> None:
        del tmp_path
        test(*values)

    check.__name__ = test.__name__
    return check


score_lands = on(
    arithmetic.test_the_score_lands_on_the_last_real_token_only,
    rows=some_rows(1), scores=[1.0, -2.0, 0.5, 3.0], coefficient=0.3,
)  # fmt: skip
mean_and_variance = on(arithmetic.test_masked_mean_and_variance_are_those_of_the_real_tokens, rows=some_rows(1))
kl_estimates = on(
    arithmetic.test_kl_estimates_follow_their_definitions_with_the_log_ratio_clamped, rows=some_rows(2, size=30.0)
)
whitening = on(
    arithmetic.test_whitening_scales_the_real_tokens_and_zeroes_the_rest, rows=some_rows(1, size=3.0), shift=True
)
gae = on(
    arithmetic.test_advantages_are_the_discounted_sums_of_the_temporal_differences,
    rows=some_rows(2), gamma=0.9, lam=0.7,
)  # fmt: skip
policy_loss = on(
    arithmetic.test_the_clipped_policy_loss_and_its_gradient_match_the_paper, rows=some_rows(3), cliprange=0.2
)
value_loss = on(arithmetic.test_the_clipped_value_loss_is_the_larger_of_both_halves, rows=some_rows(3), cliprange=0.2)
controller = on(
    arithmetic.test_the_adaptive_controller_follows_its_proportional_rule,
    start=0.1, target=6.0, kl=30.0, rollouts=64,
)  # fmt: skip
scores_of_the_model = plain(whole.test_scores_are_those_of_the_whole_models_softmax_one_row_at_a_time)
reference_of_the_model = plain(whole.test_the_reference_is_the_backbone_alone_at_the_same_temperature)
one_update = whole.test_one_update_agrees_with_a_second_implementation_row_by_row
micro_batches = whole.test_micro_batches_change_speed_and_not_the_update
imitated = successes.test_a_step_adds_the_gradient_of_its_successes_to_that_of_its_rollouts
imitation_loss = on(successes.test_the_loss_agrees_with_a_plain_loop, rows=[(-1.0, 0.5, 2.0), (-0.3, 1.0, -1.0)])
learning = whole.test_ppo_learns_to_write_the_rewarded_letter


# -- the mutants


@dataclass(frozen=True)
class Mutant:
    point: int
    """Of what PPO must get right."""
    change: Callable[[Patch], None]
    check: Callable[[Path], None]


def around(owner: Any, name: str, wrapper: Callable[..., Any]) -> Callable[[Patch], None]:
    """A change: ``wrapper`` is called in place of ``owner.name``, with the real one before its arguments."""

    def change(patch: Patch) -> None:
        real = getattr(owner, name)
        patch.setattr(owner, name, lambda *args, **options: wrapper(real, *args, **options))

    return change


def with_options(owner: Any, name: str, **forced: Any) -> Callable[[Patch], None]:
    return around(owner, name, lambda real, *args, **options: real(*args, **{**options, **forced}))


def with_setting(name: str, value: Any) -> Callable[[Patch], None]:
    """A setting that is always the same, whatever is asked for."""

    def set_it(real: Any, self: PPOConfig) -> None:
        setattr(self, name, value)
        real(self)

    return around(PPOConfig, "__post_init__", set_it)


def score_in_column(column: Callable[[torch.Tensor, int], torch.Tensor]) -> Callable[[Patch], None]:
    def misplaced(real: Any, scores: Any, kl: Any, lengths: Any, **options: Any) -> torch.Tensor:
        rewards = real(torch.zeros_like(scores), kl, lengths, **options)
        return rewards.scatter_add(1, column(lengths, kl.shape[1])[:, None], scores[:, None].to(rewards.dtype))

    return around(advantages, "token_rewards", misplaced)


def _eos_in_the_prompt_counts(real: Any, self: Any, prompt_ids: Any, completion_ids: Any, scores: Any, *rest: Any):
    pairs = zip(prompt_ids, completion_ids, scores, strict=True)
    penalty = self.args.missing_eos_penalty
    forgiven = [
        score + (penalty if self.eos in prompt and ids[-1] != self.eos else 0.0) for prompt, ids, score in pairs
    ]
    return real(self, prompt_ids, completion_ids, forgiven, *rest)


def measured_over_padding(name: str) -> Callable[[Patch], None]:
    """The mean over the whole grid, in which padding holds 0."""

    def diluted(real: Any, self: PPOTrainer, *args: Any) -> Any:
        experience, measured = real(self, *args)
        share = float(experience.lengths.sum()) / experience.logprobs.numel()
        return experience, {**measured, name: measured[name] * share}

    return around(PPOTrainer, "_score", diluted)


def _left_out_where_pad(real: Any, self: PPOTrainer, *args: Any) -> list[list[int]]:
    return [[token for token in ids if token != self.pad] or ids[:1] for ids in real(self, *args)]


def _one_place_further(real: Any, prompts: Any, completions: Any, *, pad: int, device: Any) -> Any:
    """A pad token on the left that counts as a position and is seen."""
    return real([[pad, *ids] for ids in prompts], completions, pad=pad, device=device)


def _padding_counts_as_positions(real: Any, self: Any, ids: Any, padding: Any, cache: Any) -> Any:
    _, mask = real(self, ids, padding, cache)
    positions, _ = real(self, ids, torch.zeros_like(padding), cache)
    return positions, mask


def without_temperature(name: str) -> Callable[[Patch], None]:
    def at_one(real: Any, self: PolicyWithValue, *args: Any, **options: Any) -> Any:
        temperature, self.temperature = self.temperature, 1.0
        try:
            return real(self, *args, **options)
        finally:
            self.temperature = temperature

    return around(PolicyWithValue, name, at_one)


def old_logprobs(found: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[Patch], None]:
    def changed(real: Any, self: PPOTrainer, *args: Any) -> Experience:
        experience = real(self, *args)
        return replace(experience, logprobs=found(experience.logprobs))

    return around(PPOTrainer, "collect", changed)


def _scored_by_the_reference(real: Any, self: PolicyWithValue, *args: Any, **options: Any) -> Scores:
    scores = real(self, *args, **options)
    if torch.is_grad_enabled():
        return scores
    return scores._replace(logprobs=self.reference_logprobs(*args, **options))


def _returns_of_whitened(real: Any, rewards: Any, values: Any, lengths: Any, **options: Any) -> Any:
    gained, _ = real(rewards, values, lengths, **options)
    mask = advantages.length_mask(lengths, rewards.shape[1])
    return gained, torch.where(mask, advantages.whiten(gained, mask) + values, torch.zeros_like(gained))


def _whitened_rewards(real: Any, scores: Any, kl: Any, lengths: Any, **options: Any) -> torch.Tensor:
    rewards = real(scores, kl, lengths, **options)
    return advantages.whiten(rewards, advantages.length_mask(lengths, kl.shape[1]), shift_mean=False)


def _whitened_with_padding(real: Any, values: Any, mask: Any, **options: Any) -> torch.Tensor:
    filled = torch.where(mask, values, torch.zeros_like(values))
    return torch.where(mask, real(filled, torch.ones_like(mask), **options), torch.zeros_like(values))


def _whitened_alone(real: Any, values: Any, mask: Any, **options: Any) -> torch.Tensor:
    return real(values, mask, **{**options, "across": lambda part: part})


def _whitened_by_micro_batch(real: Any, self: Experience, rows: Any) -> dict[str, torch.Tensor]:
    flat = real(self, rows)
    gained = flat["advantages"]
    return {**flat, "advantages": advantages.whiten(gained, torch.ones_like(gained, dtype=torch.bool))}


def _kinder_half(real: Any, logprobs: Any, old: Any, gained: Any, mask: Any, *, cliprange: float) -> advantages.Loss:
    """The smaller of both halves in place of the larger: clipped where it should not be."""
    mirrored = real(logprobs, old, -gained, mask, cliprange=cliprange)
    return advantages.Loss(-mirrored.total, mirrored.clipped)


def _over_the_micro_batch(real: Any, self: PPOTrainer, model: Any, inputs: Any, *args: Any, **options: Any) -> Any:
    tokens = torch.tensor(float(inputs["advantages"].numel()))
    return real(self, model, inputs, *args, **{**options, "num_items_in_batch": tokens})


def _mini_batches_do_not_step(patch: Patch) -> None:
    """A mini-batch is a matter of memory alone: one step an epoch, on all rollouts."""

    def everything(self: PPOTrainer, completion_ids: Any, step: int) -> Any:
        rows = torch.arange(len(completion_ids))
        yield from rows.split(self.args.mini_batch_size)

    patch.setattr(PPOConfig, "steps_per_update", property(lambda self: self.num_ppo_epochs))
    patch.setattr(PPOTrainer, "_micro_batches", everything)


def _every_second_step_is_left_out(patch: Patch) -> None:
    calls, step = itertools.count(), AcceleratedOptimizer.step
    patch.setattr(AcceleratedOptimizer, "step", lambda self, *args: next(calls) % 2 and step(self, *args))


def _the_same_mini_batch_every_time(real: Any, self: PPOTrainer, completion_ids: Any, step: int) -> Any:
    return real(self, completion_ids, 0)


def _unclipped(real: Any, self: advantages.AdaptiveKLController, kl: float, *, rollouts: int) -> None:
    self.value *= 1 + (kl / self.target - 1) * rollouts / self.horizon


def _each_process_numbers_from_zero(real: Any, model: Any, prompt_ids: Any, **options: Any) -> list[list[int]]:
    return real(model, prompt_ids, **{**options, "rows": range(len(prompt_ids))})


def _value_by_a_second_forward(real: Any, self: PPOTrainer, model: Any, inputs: Any, *args: Any, **options: Any) -> Any:
    def two(**rows: Any) -> Scores:
        return model(**rows)._replace(values=self.model(**rows).values)

    return real(self, two, inputs, *args, **options)


def _value_head_anew(real: Any, saved: Any, *args: Any, **options: Any) -> None:
    kept = {name: torch.zeros_like(value) if "value_head" in name else value for name, value in saved.items()}
    real(kept, *args, **options)


def _draws_by_a_counter(patch: Patch) -> None:
    """Random numbers from a state that goes on from call to call, and is not saved."""
    calls, generate_ids = itertools.count(), ppo.generate_ids

    def counted(*args: Any, **options: Any) -> list[list[int]]:
        return generate_ids(*args, **{**options, "seed": next(calls)})

    patch.setattr(ppo, "generate_ids", counted)


def state_without(**forced: Any) -> Callable[[Patch], None]:
    return around(ppo_files, "read_state", lambda real, *args: {**real(*args), **forced})


def not_loaded(owner: Any) -> Callable[[Patch], None]:
    return around(owner, "load_state_dict", lambda real, *args, **options: None)


penalty, measured = (
    test_a_completion_without_eos_is_penalised_though_its_prompt_holds_one,
    test_kl_and_entropy_are_measured_on_the_real_tokens_alone,
)
rollouts = test_rollouts_follow_the_present_policys_whole_distribution
resuming = test_a_run_goes_on_from_its_checkpoint_with_the_same_numbers
all_processes = test_advantages_are_whitened_by_the_statistics_of_all_processes


def _away_from_successes(real: Any, *arguments: Any) -> advantages.Loss:
    loss = real(*arguments)
    return replace(loss, total=-loss.total)


def _failures_too(real: Any, logprobs: torch.Tensor, values: torch.Tensor, returns: torch.Tensor) -> advantages.Loss:
    loss = real(logprobs, values, returns)
    return replace(loss, total=-(logprobs * (returns - values).detach()).sum())


def _with_values(real: Any, logprobs: torch.Tensor, values: torch.Tensor, returns: torch.Tensor) -> advantages.Loss:
    loss = real(logprobs, values, returns)
    return replace(loss, total=-(logprobs * (returns - values).clamp(min=0.0)).sum())


def _imitates_at_once(real: Any, self: PPOTrainer, model: Any, step: int) -> None:
    with Patch.context() as patch:
        patch.setattr(self.args, "value_pretraining_updates", 0)
        real(self, model, step)


def _without_groups(real: Any, self: imitation.Successes, count: int, *numbers: int, **_: Any) -> list[int]:
    alike = imitation.Successes(self.capacity, seed=self.seed)
    alike.add(replace(one, group="") for one in self)
    found: list[int] = real(alike, count, *numbers)
    return found


MUTANTS: dict[str, Mutant] = {
    # 1. The score on the last real token; the missing EOS.
    "score behind the padding": Mutant(1, score_in_column(lambda n, width: torch.full_like(n, width - 1)), score_lands),
    "score on the first token": Mutant(1, score_in_column(lambda n, width: torch.zeros_like(n)), score_lands),
    "score before the last token": Mutant(1, score_in_column(lambda n, width: (n - 2).clamp(min=0)), one_update),
    "EOS in the prompt counts": Mutant(1, around(PPOTrainer, "_score", _eos_in_the_prompt_counts), penalty),
    "no missing-EOS penalty": Mutant(1, with_setting("missing_eos_penalty", 0.0), penalty),
    # 2. KL a token in the reward; masked statistics.
    "KL not in the reward": Mutant(2, with_options(advantages, "token_rewards", kl_coef=0.0), one_update),
    "KL by k3 where k1 is asked for": Mutant(2, with_options(advantages, "kl_estimate", kind="k3"), one_update),
    "log-ratio not clamped": Mutant(2, with_options(advantages, "kl_estimate", limit=math.inf), kl_estimates),
    "KL measured over padding": Mutant(2, measured_over_padding("kl"), measured),
    "entropy measured over padding": Mutant(2, measured_over_padding("entropy"), measured),
    "masked mean over padding": Mutant(
        2, around(advantages, "masked_mean", lambda real, values, mask: values.nan_to_num().mean()), mean_and_variance
    ),
    # 3. Masks by length; positions in rollout and update.
    "masked where the token is the pad token": Mutant(
        3, around(PPOTrainer, "_generate", _left_out_where_pad),
        whole.test_a_pad_token_that_is_the_eos_token_gives_the_same_update,
    ),
    "positions shifted in the update": Mutant(3, around(ppo, "pad_rows", _one_place_further), one_update),
    "positions shifted in the rollout": Mutant(
        3, around(networks.Network, "_places", _padding_counts_as_positions), rollouts
    ),
    # 4. The temperature everywhere; no dropout; nothing left out of the rollouts' distribution.
    "temperature left out of the policy": Mutant(4, without_temperature("forward"), scores_of_the_model),
    "temperature left out of the reference": Mutant(
        4, without_temperature("reference_logprobs"), reference_of_the_model
    ),
    "temperature left out of rollouts": Mutant(4, with_options(ppo, "generate_ids", temperature=1.0), rollouts),
    "top-k in rollouts": Mutant(4, with_options(ppo, "generate_ids", top_k=12), rollouts),
    "top-p in rollouts": Mutant(4, with_options(ppo, "generate_ids", top_p=0.8), rollouts),
    "dropout left on": Mutant(
        4, around(roles, "without_dropout", lambda real, model: None),
        test_dropout_is_off_in_a_models_own_forward_pass_too,
    ),
    # 5. Old log-probabilities by the forward pass that is trained, of the policy that drew.
    "old log-probabilities in bfloat16": Mutant(5, old_logprobs(lambda found: found.bfloat16().float()), learning),
    "old log-probabilities of an earlier policy": Mutant(
        5, around(PolicyWithValue, "forward", _scored_by_the_reference), one_update
    ),
    "rollouts of an earlier policy": Mutant(
        5, around(adapters.MergedCopy, "refresh", lambda real, self: self.model), rollouts
    ),
    # 6. Advantages and returns.
    "gamma below 1": Mutant(6, with_setting("gamma", 0.9), one_update),
    "lambda 1": Mutant(6, with_setting("lam", 1.0), one_update),
    "the next value left out": Mutant(6, with_options(advantages, "gae", gamma=0.0), gae),
    "returns from whitened advantages": Mutant(6, around(advantages, "gae", _returns_of_whitened), one_update),
    "whitening over padding": Mutant(6, around(advantages, "whiten", _whitened_with_padding), whitening),
    "whitening in the trainer over padding": Mutant(6, around(advantages, "whiten", _whitened_with_padding), one_update),
    "whitening by micro-batch": Mutant(6, around(Experience, "flat", _whitened_by_micro_batch), micro_batches),
    "whitened rewards": Mutant(6, around(advantages, "token_rewards", _whitened_rewards), one_update),
    # 7. Losses and steps.
    "ratio not clipped": Mutant(7, with_options(advantages, "policy_loss", cliprange=math.inf), policy_loss),
    "the smaller half of the policy loss": Mutant(7, around(advantages, "policy_loss", _kinder_half), policy_loss),
    "value not clipped": Mutant(7, with_options(advantages, "value_loss", cliprange_value=math.inf), value_loss),
    "vf_coef ignored": Mutant(7, with_setting("vf_coef", 1.0), one_update),
    "loss over the micro-batch": Mutant(7, around(PPOTrainer, "compute_loss", _over_the_micro_batch), micro_batches),
    "mini-batches do not step": Mutant(
        7, _mini_batches_do_not_step, whole.test_every_minibatch_steps_and_an_epoch_covers_each_rollout_once
    ),
    "the same mini-batch every time": Mutant(
        7, around(PPOTrainer, "_micro_batches", _the_same_mini_batch_every_time),
        whole.test_every_minibatch_steps_and_an_epoch_covers_each_rollout_once,
    ),
    "every second step left out": Mutant(7, _every_second_step_is_left_out, test_every_mini_batch_changes_the_weights),
    # 8. Controllers, value pretraining, Adam, seeds.
    "controller not clipped": Mutant(8, around(advantages.AdaptiveKLController, "update", _unclipped), controller),
    "controller never asked": Mutant(
        8, around(advantages.AdaptiveKLController, "update", lambda real, self, kl, *, rollouts: None),
        whole.test_the_adaptive_controller_raises_the_coefficient_when_the_policy_strays,
    ),
    "no early stop": Mutant(
        8, with_options(StepStatistics, "end_step", max_update_kl=0.0),
        whole.test_an_update_ends_early_when_the_policy_has_moved_too_far,
    ),
    "value pretraining moves the policy": Mutant(
        8, with_options(PolicyWithValue, "forward", value_only=False),
        whole.test_value_pretraining_leaves_the_policy_where_it_was,
    ),
    "no value pretraining": Mutant(
        8, with_setting("value_pretraining_updates", 0), whole.test_value_pretraining_leaves_the_policy_where_it_was
    ),
    "Adam's own epsilon": Mutant(8, with_setting("adam_epsilon", 1e-8), one_update),
    "the same random numbers in every process": Mutant(
        8, around(ppo, "generate_ids", _each_process_numbers_from_zero), test_each_process_draws_a_share_of_its_own
    ),
    # 9. One forward of the wrapped module; statistics of all processes.
    "value by a second forward": Mutant(
        9, around(PPOTrainer, "compute_loss", _value_by_a_second_forward),
        test_policy_and_value_come_from_one_forward_of_the_module_that_is_wrapped,
    ),
    "whitening by one process alone": Mutant(9, around(advantages, "whiten", _whitened_alone), all_processes),
    # 10. Checkpoints.
    "value head not saved": Mutant(10, around(ppo_files, "save_file", _value_head_anew), resuming),
    "optimiser not loaded": Mutant(10, not_loaded(AcceleratedOptimizer), resuming),
    "scheduler not loaded": Mutant(10, not_loaded(LambdaLR), resuming),
    "KL coefficient not loaded": Mutant(10, state_without(kl_coef=0.03), resuming),
    "rewards' memory not loaded": Mutant(10, state_without(rewards={}), resuming),
    "draws that depend on what was drawn": Mutant(10, _draws_by_a_counter, resuming),
    "successes not loaded": Mutant(10, state_without(successes=[]), resuming),
    "groups not loaded": Mutant(
        10, state_without(groups=None), lagging.test_a_trainer_draws_by_a_column_and_goes_on_from_a_checkpoint
    ),
    # 11. Successes that are learnt from again, and groups that lag behind.
    "successes push away": Mutant(11, around(advantages, "imitation_loss", _away_from_successes), imitated),
    "what did worse is imitated too": Mutant(11, around(advantages, "imitation_loss", _failures_too), imitation_loss),
    "imitation moves the value": Mutant(11, around(advantages, "imitation_loss", _with_values), imitation_loss),
    "imitation without discount": Mutant(
        11, around(imitation.Success, "returns", lambda real, self, gamma: real(self, 1.0)), imitated
    ),
    "imitation while the value alone is trained": Mutant(
        11, around(PPOTrainer, "_imitate", _imitates_at_once),
        successes.test_what_is_learnt_from_again_is_reweighed_and_told,
    ),
    "gains never looked at again": Mutant(
        11, around(imitation.Successes, "reweigh", lambda real, self, gains: None),
        plain(successes.test_no_place_is_drawn_twice_and_none_that_teaches_nothing),
    ),
    "groups by their number of successes": Mutant(
        11, around(imitation.Successes, "draw", _without_groups),
        plain(successes.test_groups_are_drawn_for_alike_however_many_successes_they_have),
    ),
    "what its group has learnt is imitated on": Mutant(
        11, around(imitation.Successes, "draw", lambda real, self, count, *numbers, **_: real(self, count, *numbers)),
        successes.test_a_trainer_does_not_imitate_what_its_groups_have_learnt,
    ),
    "exploration keeps all": Mutant(
        11, around(ppo, "above_their_group", lambda real, found: found),
        successes.test_exploring_fills_the_memory_with_what_beats_its_groups_mean_and_teaches_nothing_by_itself,
    ),
    "the best group is drawn most": Mutant(
        11, around(Groups, "see", lambda real, self, rows, scores: real(self, rows, [-one for one in scores])),
        plain(lagging.test_a_group_counts_by_its_share_and_by_how_far_it_is_behind),
    ),
}  # fmt: skip

CHECKS = {mutant.check.__name__: mutant.check for mutant in MUTANTS.values()}
EXAMPLES = {
    name for name, check in CHECKS.items() if check.__module__ == __name__ and not hasattr(check, "__wrapped__")
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_is_noticed(name: str, tmp_path: Path) -> None:
    mutant = MUTANTS[name]
    with Patch.context() as patch:
        mutant.change(patch)
        # An error of any other kind would be the mutant's own.
        with pytest.raises((AssertionError, pytest.fail.Exception)):
            mutant.check(tmp_path)


@pytest.mark.parametrize(
    "name",
    # The others are tests that run by themselves; they run here once more only with the slow ones.
    [pytest.param(name, marks=[] if name in EXAMPLES else [pytest.mark.slow]) for name in CHECKS],
)
def test_its_check_passes_without_the_mutant(name: str, tmp_path: Path) -> None:
    CHECKS[name](tmp_path)


def test_no_point_is_left_without_a_mutant() -> None:
    assert {mutant.point for mutant in MUTANTS.values()} == set(range(1, 12))
