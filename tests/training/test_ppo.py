"""PPO on a model so small that whole runs take seconds."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast, PrinterCallback

from training import adapters, advantages, checkpoints
from training.config import LoraSettings
from training.experience import Prompts, StepStatistics, cut, micro_batches
from training.policy import PolicyWithValue, pad_rows
from training.ppo import PPOConfig, PPOTrainer
from training.progress import Silent, Stopped
from training.reporting import Reporter
from training.scoring import RewardError

WORDS = ["<pad>", "<eos>", *"abcdefghijklmnopqrstuv"]
TARGET = WORDS.index("c")
PROMPTS = [{"prompt": text, "length": len(text)} for text in ("a b", "d", "e f g h", "i j k", "l m", "n o p q r")]


def tiny_tokenizer(*, pad: str = "<pad>") -> PreTrainedTokenizerFast:
    words = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="<pad>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=words, pad_token=pad, eos_token="<eos>")


def tiny_model(*, seed: int = 0, dropout: float = 0.0) -> GPT2LMHeadModel:
    config = GPT2Config(
        vocab_size=len(WORDS), n_positions=48, n_embd=32, n_layer=2, n_head=2, bos_token_id=1, eos_token_id=1,
        resid_pdrop=dropout, embd_pdrop=dropout, attn_pdrop=dropout, initializer_range=0.3,
        attn_implementation="eager",
    )  # fmt: skip
    torch.manual_seed(seed)
    return GPT2LMHeadModel(config)


def share_of_target(completion_ids: Sequence[Sequence[int]], **_: Any) -> list[float | None]:
    """The share of the letter c: 1 at its best."""
    return [sum(token == TARGET for token in ids) / len(ids) for ids in completion_ids]


def config(folder: Path, **options: Any) -> PPOConfig:
    chosen: dict[str, Any] = {
        "num_updates": 2, "batch_size": 16, "mini_batch_size": 8, "per_device_train_batch_size": 16,
        "num_ppo_epochs": 2, "response_length": 8, "missing_eos_penalty": 0.0, "value_pretraining_updates": 0,
        "learning_rate": 3e-3, "bf16": False, "use_cpu": True, "disable_tqdm": True, **options,
    }  # fmt: skip
    return PPOConfig(str(folder), **chosen)


def trainer_of(folder: Path, reward: Any = share_of_target, *, callbacks: Any = None, **options: Any) -> PPOTrainer:
    model = options.pop("model", None) or tiny_model()
    trainer = PPOTrainer(
        model,
        reward,
        config(folder, **options),
        train_dataset=options.pop("rows", PROMPTS),
        processing_class=tiny_tokenizer(),
        peft_config=adapters.lora_config(LoraSettings(r=4, alpha=8), model),
        callbacks=callbacks,
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def updates(trainer: PPOTrainer) -> list[dict[str, float]]:
    """The logged updates without what a clock measured."""
    rows = [row for row in trainer.state.log_history if "update" in row]
    return [{name: value for name, value in row.items() if not name.startswith("seconds")} for row in rows]


def weights(trainer: PPOTrainer) -> dict[str, torch.Tensor]:
    return {name: value.detach().clone() for name, value in trainer.model.trainable().items()}


# -- learning


def test_ppo_learns_to_write_the_rewarded_letter(tmp_path: Path) -> None:
    trainer = trainer_of(tmp_path, num_updates=12, batch_size=32, mini_batch_size=16, learning_rate=1e-2)
    trainer.train()
    rewards = [row["reward"] for row in updates(trainer)]
    assert rewards[0] < 0.15
    assert sum(rewards[-3:]) / 3 > 0.5
    assert all(row["first_ratio_error"] < 1e-5 for row in updates(trainer))


def test_a_strong_kl_penalty_keeps_the_policy_at_the_reference(tmp_path: Path) -> None:
    options = {"num_updates": 8, "batch_size": 32, "mini_batch_size": 16, "learning_rate": 1e-2}
    free, held = trainer_of(tmp_path / "free", **options), trainer_of(tmp_path / "held", kl_coef=5.0, **options)
    free.train()
    held.train()
    assert updates(held)[-1]["kl"] < 0.25 * updates(free)[-1]["kl"]


def test_another_architecture_trains_through_generate(tmp_path: Path) -> None:
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(WORDS),
            hidden_size=32,
            intermediate_size=48,
            num_hidden_layers=1,
            num_attention_heads=2,
            num_key_value_heads=1,
            max_position_embeddings=64,
            bos_token_id=1,
            eos_token_id=1,
            initializer_range=0.3,
        )
    )
    trainer = trainer_of(tmp_path, model=model, num_updates=6, batch_size=32, mini_batch_size=16, learning_rate=1e-2)
    trainer.train()
    rows = updates(trainer)
    assert all(row["first_ratio_error"] < 1e-5 for row in rows)
    assert rows[-1]["reward"] > rows[0]["reward"] + 0.05
    merged = trainer.merged()
    assert type(merged) is LlamaForCausalLM


# -- the forward pass


def scored(model: PolicyWithValue, prompts: list[list[int]], completions: list[list[int]], *, pad: int = 0) -> Any:
    with torch.no_grad():
        return model(**pad_rows(prompts, completions, pad=pad, device="cpu"))


def policy_with_value(*, temperature: float = 1.0) -> PolicyWithValue:
    model = tiny_model()
    policy = adapters.attach(model, adapters.lora_config(LoraSettings(r=4, alpha=8), model))
    whole = PolicyWithValue(policy, temperature=temperature).eval()
    with torch.no_grad():
        for name, parameter in whole.named_parameters():
            if "lora_B" in name or "value_head.out" in name:
                parameter.normal_(std=0.3)
    return whole


def test_scores_are_those_of_the_whole_models_softmax_one_row_at_a_time() -> None:
    model = policy_with_value(temperature=0.7)
    prompts, completions = [[3, 4, 5], [6]], [[7, 8], [9, 2, 3, 1]]
    found = scored(model, prompts, completions)
    expected, entropy = [], []
    for prompt, completion in zip(prompts, completions, strict=True):
        ids = torch.tensor([prompt + completion])
        with torch.no_grad():
            whole = torch.log_softmax(model.policy(input_ids=ids).logits[0].double() / 0.7, -1)
        for place, token in enumerate(completion, start=len(prompt) - 1):
            expected.append(whole[place, token])
            entropy.append(-(whole[place].exp() * whole[place]).sum())
    assert torch.allclose(found.logprobs.double(), torch.stack(expected), atol=1e-5)
    assert torch.allclose(found.entropy.double(), torch.stack(entropy), atol=1e-5)


@pytest.mark.parametrize("pad", [0, 1, 9])
def test_neither_padding_nor_the_pad_token_changes_a_score(pad: int) -> None:
    model = policy_with_value()
    prompts, completions = [[3, 4, 5, 6, 7, 8], [6], [9, 9]], [[7, 8, 1], [9], [1, 1, 1, 1, 1, 1, 1]]
    together = scored(model, prompts, completions, pad=pad)
    alone = [scored(model, [p], [c]) for p, c in zip(prompts, completions, strict=True)]
    for name in ("logprobs", "values", "entropy"):
        assert torch.allclose(getattr(together, name), torch.cat([getattr(one, name) for one in alone]), atol=1e-6)


def test_the_reference_is_the_backbone_alone_at_the_same_temperature() -> None:
    model = policy_with_value(temperature=1.3)
    rows = pad_rows([[3, 4]], [[5, 6, 1]], pad=0, device="cpu")
    ids = torch.tensor([[3, 4, 5, 6, 1]])
    with torch.no_grad():
        expected = torch.log_softmax(tiny_model().eval()(input_ids=ids).logits[0] / 1.3, -1)
    expected = expected[[1, 2, 3], [5, 6, 1]]
    assert torch.allclose(model.reference_logprobs(**rows), expected, atol=1e-6)
    assert not torch.allclose(scored(model, [[3, 4]], [[5, 6, 1]]).logprobs, expected, atol=1e-3)


def test_a_model_whose_logits_are_more_than_its_output_layer_takes_the_general_path() -> None:
    model = policy_with_value()
    plain = scored(model, [[3, 4], [5]], [[5, 6, 1], [7]])
    model._plain_head = False
    general = scored(model, [[3, 4], [5]], [[5, 6, 1], [7]])
    assert torch.allclose(plain.logprobs, general.logprobs, atol=1e-6)
    assert torch.allclose(plain.values, general.values, atol=1e-6)


# -- one update against a second implementation


def test_one_update_agrees_with_a_second_implementation_row_by_row(tmp_path: Path) -> None:
    """No batching, no masks, no shared trunk: each row through the whole model, then Adam by hand."""
    options = {"num_updates": 1, "num_ppo_epochs": 1, "batch_size": 8, "mini_batch_size": 8, "max_grad_norm": 0.0}
    trainer = trainer_of(tmp_path, vf_coef=0.3, lr_scheduler_type="constant", **options)
    with torch.no_grad():
        for parameter in trainer.model.trainable().values():
            parameter.add_(0.05 * torch.randn_like(parameter))
    before = weights(trainer)
    prompts = [trainer.prompts.ids[row] for row in trainer.prompts.draw(0, 8)]
    model = trainer.model
    completions = trainer._generate(prompts, 0)
    rewards = share_of_target(completions)

    def row_terms(prompt: list[int], completion: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
        output = model.policy(input_ids=torch.tensor([prompt + completion]), output_hidden_states=True)
        places = slice(len(prompt) - 1, len(prompt) + len(completion) - 1)
        logprobs = torch.log_softmax(output.logits[0, places], -1)
        return logprobs[range(len(completion)), completion], model.value_head(output.hidden_states[-1][0, places])

    advantages_of, returns_of, old = [], [], []
    for prompt, completion, reward in zip(prompts, completions, rewards, strict=True):
        with torch.no_grad():
            logprobs, values = row_terms(prompt, completion)
            with model.policy.disable_adapter():
                reference, _ = row_terms(prompt, completion)
        step_rewards = (-0.03 * (logprobs - reference)).tolist()
        step_rewards[-1] += reward  # type: ignore[operator]
        gained, following = [0.0] * len(completion), 0.0
        for t in reversed(range(len(completion))):
            ahead = float(values[t + 1]) if t + 1 < len(completion) else 0.0
            following = step_rewards[t] + ahead - float(values[t]) + 0.95 * following
            gained[t] = following
        advantages_of.append(gained)
        returns_of.append([a + float(v) for a, v in zip(gained, values, strict=True)])
        old.append((logprobs, values))
    flat = torch.tensor([a for row in advantages_of for a in row])
    mean, std = flat.mean(), flat.std()
    total = torch.zeros(())
    for i, (prompt, completion) in enumerate(zip(prompts, completions, strict=True)):
        logprobs, values = row_terms(prompt, completion)
        white = (torch.tensor(advantages_of[i]) - mean) / std
        ratio = (logprobs - old[i][0]).exp()
        total = total + torch.max(-white * ratio, -white * ratio.clamp(0.8, 1.2)).sum()
        near = old[i][1] + (values - old[i][1]).clamp(-0.2, 0.2)
        target = torch.tensor(returns_of[i])
        total = total + 0.3 * 0.5 * torch.max((values - target) ** 2, (near - target) ** 2).sum()
    names = list(before)
    gradients = torch.autograd.grad(total / len(flat), [model.trainable()[name] for name in names])
    # Adam's first step: the bias corrections cancel, so it is the gradient over its size.
    expected = {
        name: before[name] - 3e-3 * gradient / (gradient.abs() + 1e-5)
        for name, gradient in zip(names, gradients, strict=True)
    }
    trainer.train()
    assert all(torch.allclose(weights(trainer)[name], expected[name], atol=1e-5) for name in names)


def test_micro_batches_change_speed_and_not_the_update(tmp_path: Path) -> None:
    found = []
    for size in (1, 3, 8):
        trainer = trainer_of(tmp_path / str(size), num_updates=1, num_ppo_epochs=1, per_device_train_batch_size=size)
        trainer.train()
        found.append(weights(trainer))
    for name, value in found[0].items():
        assert torch.allclose(value, found[1][name], atol=2e-5)
        assert torch.allclose(value, found[2][name], atol=2e-5)


def test_every_minibatch_steps_and_an_epoch_covers_each_rollout_once(tmp_path: Path) -> None:
    trainer = trainer_of(tmp_path, num_updates=1, num_ppo_epochs=3, batch_size=12, mini_batch_size=4)
    completions = [[2] * (1 + row % 5) for row in range(12)]
    for epoch in range(3):
        steps = [
            [row for rows in trainer._micro_batches(completions, 3 * epoch + i) for row in rows.tolist()]
            for i in range(3)
        ]
        assert sorted(row for rows in steps for row in rows) == list(range(12))
        assert [len(rows) for rows in steps] == [4, 4, 4]
    trainer.train()
    assert trainer.state.global_step == 9
    assert updates(trainer)[0]["steps_taken"] == 9


# -- what is scored


def test_the_reward_lands_after_the_missing_eos_penalty_and_parts_are_measured(tmp_path: Path) -> None:
    def always(completions: Sequence[str], **_: Any) -> list[float | None]:
        return [2.0 for _ in completions]

    def sometimes(completions: Sequence[str], log_extra: Any, log_metric: Any, **_: Any) -> list[float | None]:
        log_extra("letters", [len(text.split()) for text in completions])
        log_metric("seen", 7.0)
        return [None if row % 2 else 1.0 for row in range(len(completions))]

    trainer = trainer_of(
        tmp_path, [always, sometimes], num_updates=1, missing_eos_penalty=0.5, reward_weights=[1.0, 0.25]
    )
    trainer.train()
    (row,) = updates(trainer)
    assert row["reward"] == pytest.approx(2.125)
    assert row["reward/always"] == 2.0
    assert row["reward/sometimes"] == 1.0
    assert row["reward/seen"] == 7.0
    assert row["score"] == pytest.approx(2.125 - 0.5 * (1 - row["eos_share"]))
    table = [json.loads(line) for line in (tmp_path / "completions" / "000001.jsonl").read_text().splitlines()]
    assert len(table) == 16
    assert table[1]["reward/sometimes"] is None
    assert all(line["score"] == line["reward"] - (0.0 if line["finished"] else 0.5) for line in table)
    assert all(line["letters"] == len(line["completion"].split()) for line in table)


def test_reward_functions_see_the_datasets_columns_and_may_be_coroutines(tmp_path: Path) -> None:
    seen: list[Any] = []

    async def slow(prompts: list[str], length: list[int], completion_ids: list[list[int]], **_: Any) -> list[float]:
        seen.append((prompts, length))
        return [float(len(ids)) for ids in completion_ids]

    trainer_of(tmp_path, slow, num_updates=1).train()
    ((prompts, lengths),) = seen
    assert len(prompts) == 16
    assert lengths == [len(prompt) for prompt in prompts]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1.0], "returned 1 rewards for 16 completions"),
        ([math.nan] * 16, "returned nan for completion 0: a reward must be finite"),
        ([0.0] * 15 + [math.inf], "returned inf for completion 15"),
        ([None] * 16, "no reward function scored completion 0"),
        (["good"] * 16, "returned 'good' for completion 0"),
        (None, "returned NoneType, not a list"),
    ],
)
def test_a_reward_that_can_be_none_is_an_error_before_the_first_step(tmp_path: Path, values: Any, message: str) -> None:
    trainer = trainer_of(tmp_path, lambda **_: values)
    before = weights(trainer)
    with pytest.raises(RewardError, match=message):
        trainer.train()
    assert trainer.state.global_step == 0
    assert all(torch.equal(before[name], value) for name, value in weights(trainer).items())


# -- settings and data that can't be used


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mini_batch_size": 5}, "multiple of mini_batch_size"),
        ({"gradient_accumulation_steps": 2}, "must stay 1"),
        ({"temperature": 0.0}, "temperature must be above 0"),
        ({"adaptive_kl": True}, "needs a target_kl"),
        ({"save_strategy": "steps", "save_steps": 3}, "must be a multiple of 4"),
        ({"kl_estimator": "k2"}, "choose k1 or k3"),
    ],
)
def test_settings_that_do_not_fit_each_other_are_refused(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        config(tmp_path, **options)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "is empty"),
        ([{"prompt": "a"}, {"prompt": ""}], "row 1 of the training dataset has an empty prompt"),
        ([{"prompt": "a " * 41}], "has a prompt of 41 tokens; with the completion only 40"),
        ([{"prompt": 3}], "must be text, not int"),
    ],
)
def test_prompts_that_can_not_be_used_are_refused_before_training(rows: Any, message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        Prompts(rows, tiny_tokenizer(), room=40, seed=0)


def test_a_pad_token_that_is_the_eos_token_gives_the_same_update(tmp_path: Path) -> None:
    found = []
    for pad in ("<pad>", "<eos>"):
        model = tiny_model()
        trainer = PPOTrainer(
            model,
            share_of_target,
            config(tmp_path / pad.strip("<>"), num_updates=1),
            train_dataset=PROMPTS,
            processing_class=tiny_tokenizer(pad=pad),
            peft_config=adapters.lora_config(LoraSettings(r=4, alpha=8), model),
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train()
        found.append((updates(trainer), weights(trainer)))
    assert found[0][0] == found[1][0]
    assert all(torch.equal(value, found[1][1][name]) for name, value in found[0][1].items())


def test_dropout_in_the_model_is_off(tmp_path: Path) -> None:
    trainer = trainer_of(tmp_path, model=tiny_model(dropout=0.5), num_updates=1)
    trainer.train()
    assert updates(trainer)[0]["first_ratio_error"] < 1e-6


# -- controllers


def test_value_pretraining_leaves_the_policy_where_it_was(tmp_path: Path) -> None:
    trainer = trainer_of(tmp_path, num_updates=2, value_pretraining_updates=2)
    before = weights(trainer)
    trainer.train()
    after = weights(trainer)
    assert all(torch.equal(before[name], after[name]) for name in before if "lora_" in name)
    assert not any(torch.equal(before[name], after[name]) for name in before if "value_head" in name)


def test_an_update_ends_early_when_the_policy_has_moved_too_far(tmp_path: Path) -> None:
    options = {"num_ppo_epochs": 4, "learning_rate": 5e-2, "num_updates": 1}
    far, near = trainer_of(tmp_path / "far", **options), trainer_of(tmp_path / "near", max_update_kl=0.005, **options)
    far.train()
    near.train()
    assert updates(far)[0]["steps_taken"] == 8
    assert 1 < updates(near)[0]["steps_taken"] < 8
    assert near.state.global_step == 8  # the schedule goes on as if every step had been taken


def test_the_adaptive_controller_raises_the_coefficient_when_the_policy_strays(tmp_path: Path) -> None:
    trainer = trainer_of(tmp_path, num_updates=6, learning_rate=2e-2, adaptive_kl=True, target_kl=0.01, kl_horizon=100)
    trainer.train()
    coefficients = [row["kl_coef"] for row in updates(trainer)]
    assert coefficients[-1] > coefficients[0]
    for row, following in zip(updates(trainer), coefficients[1:], strict=False):
        controller = advantages.AdaptiveKLController(row["kl_coef"], 0.01, 100)
        controller.update(row["kl"], rollouts=16)
        assert following == pytest.approx(controller.value)


# -- resuming


class Remembering:
    """A reward that changes with what it has seen, as running statistics do."""

    __name__ = "remembering"

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, completion_ids: Sequence[Sequence[int]], **_: Any) -> list[float]:
        self.calls += 1
        return [value * self.calls for value in share_of_target(completion_ids)]  # type: ignore[operator]

    def state_dict(self) -> dict[str, int]:
        return {"calls": self.calls}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.calls = state["calls"]


RESUMED = {
    "num_updates": 6, "save_strategy": "steps", "save_steps": 12, "adaptive_kl": True, "target_kl": 0.05,
    "value_pretraining_updates": 1, "learning_rate": 1e-2, "imitation_coef": 0.3,
}  # fmt: skip


class StopAfter:
    """A watcher that ends the run at an update."""

    def __init__(self, update: int) -> None:
        self.update = update

    def step(self, progress: Any) -> None:
        if progress.step == self.update:
            raise Stopped

    def saved(self, checkpoint: Path, step: int) -> None:
        del checkpoint, step


def test_a_resumed_run_has_the_numbers_of_one_that_was_never_stopped(tmp_path: Path) -> None:
    straight = trainer_of(tmp_path / "straight", Remembering(), **RESUMED)
    straight.train()
    first = checkpoints.attempt_folder(tmp_path / "run", 1)
    reporter = Reporter("ppo", first, StopAfter(5), total=6, step_metric="update")
    with pytest.raises(Stopped):
        trainer_of(first, Remembering(), callbacks=[reporter], **RESUMED).train()
    start = checkpoints.latest(tmp_path / "run")
    assert start is not None
    assert checkpoints.step_of(start) == 12
    second = checkpoints.attempt_folder(tmp_path / "run", 2)
    resumed = trainer_of(second, Remembering(), model=tiny_model(seed=0), **RESUMED)
    resumed.train(resume_from_checkpoint=start)
    assert updates(resumed) == updates(straight)
    assert all(torch.equal(value, weights(resumed)[name]) for name, value in weights(straight).items())
    assert resumed.kl_controller.value == straight.kl_controller.value
    files = {path.name for path in start.iterdir()}
    assert {"adapter_model.safetensors", "model.safetensors", "ppo_state.json", "optimizer.pt"} <= files


def test_a_checkpoint_of_another_adapter_is_refused(tmp_path: Path) -> None:
    trainer = trainer_of(tmp_path / "a", num_updates=1, save_strategy="steps", save_steps=4)
    trainer.train()
    model = tiny_model()
    other = PPOTrainer(
        model,
        share_of_target,
        config(tmp_path / "b"),
        train_dataset=PROMPTS,
        processing_class=tiny_tokenizer(),
        peft_config=adapters.lora_config(LoraSettings(r=4), model).__class__(
            r=4, target_modules=["c_fc"], fan_in_fan_out=True, task_type="CAUSAL_LM"
        ),
    )
    with pytest.raises(ValueError, match="is of another adapter"):
        other.train(resume_from_checkpoint=tmp_path / "a" / "checkpoint-4")


CHILD = """
import sys
import torch
torch.set_num_threads(1)
from pathlib import Path
from training import checkpoints
from training.progress import Silent
from training.reporting import Reporter
from tests.training.test_ppo import RESUMED, Remembering, trainer_of
import os, signal

class KilledAfter(Silent):
    def step(self, progress):
        if progress.step == 5:
            os.kill(os.getpid(), signal.SIGKILL)

attempt = checkpoints.attempt_folder(Path(sys.argv[1]), 1)
reporter = Reporter("ppo", attempt, KilledAfter(), total=6, step_metric="update")
trainer_of(attempt, Remembering(), callbacks=[reporter], **RESUMED).train()
"""


def test_a_run_killed_outright_resumes_in_another_process_with_the_same_weights(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root), "HF_HUB_OFFLINE": "1"}
    child = subprocess.run(
        [sys.executable, "-c", CHILD, str(tmp_path / "run")], env=environment, cwd=tmp_path, capture_output=True
    )
    assert child.returncode == -signal.SIGKILL, child.stderr.decode()
    start = checkpoints.latest(tmp_path / "run")
    assert start is not None
    resumed = trainer_of(tmp_path / "second", Remembering(), **RESUMED)
    resumed.train(resume_from_checkpoint=start)
    straight = trainer_of(tmp_path / "straight", Remembering(), **RESUMED)
    straight.train()
    assert updates(resumed) == updates(straight)
    assert all(torch.equal(value, weights(resumed)[name]) for name, value in weights(straight).items())


# -- small parts


def test_prompts_come_without_replacement_and_from_any_place_of_the_series() -> None:
    prompts = Prompts(PROMPTS, tiny_tokenizer(), room=40, seed=3)
    series = prompts.draw(0, 30)
    assert all(sorted(series[start : start + 6]) == list(range(6)) for start in range(0, 30, 6))
    assert series[:6] != series[6:12]
    assert prompts.draw(7, 11) == series[7:18]


def test_a_completion_ends_with_its_first_eos() -> None:
    assert cut([4, 5, 1, 6, 1], 1) == [4, 5, 1]
    assert cut([4, 5], 1) == [4, 5]


def test_micro_batches_hold_rows_of_like_length() -> None:
    completions = [[0] * length for length in (5, 1, 4, 1, 3, 9)]
    assert list(micro_batches(completions, [0, 1, 2, 3, 5], 2)) == [[1, 3], [2, 0], [5]]


def test_the_steps_measurements_are_means_over_tokens() -> None:
    steps = StepStatistics()
    loss = advantages.Loss(torch.tensor(6.0), torch.tensor(1))
    steps.see(torch.zeros(3), torch.tensor([0.0, 0.0, math.log(2.0)]), loss, loss)
    steps.end_step(4.0, lambda value: 2 * value, max_update_kl=0.0)
    found = steps.metrics()
    assert found["policy_loss"] == found["value_loss"] == 3.0
    assert found["clip_fraction"] == 0.5
    assert found["first_ratio_error"] == pytest.approx(0.5)


def test_the_watcher_hears_of_every_update(tmp_path: Path) -> None:
    heard = []

    class Listening(Silent):
        def step(self, progress: Any) -> None:
            heard.append((progress.stage, progress.step, progress.total, progress.metrics["reward"]))

    trainer = trainer_of(tmp_path, callbacks=[Reporter("ppo", tmp_path, Listening(), total=2, step_metric="update")])
    trainer.train()
    assert heard == [("ppo", 1, 2, updates(trainer)[0]["reward"]), ("ppo", 2, 2, updates(trainer)[1]["reward"])]
