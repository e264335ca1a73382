"""The update's own forward pass says what the model says, forwards and backwards (training.blocks)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from peft import LoraConfig, PeftModel
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    PrinterCallback,
    Qwen2Config,
    Qwen2ForCausalLM,
)

from tests.training.test_ppo import PROMPTS, config, share_of_target, tiny_model, tiny_tokenizer, updates, weights
from training import adapters
from training.blocks import Ragged, blocks_for
from training.config import LoraSettings
from training.policy import PolicyWithValue, chosen_logprobs, pad_rows
from training.ppo import PPOTrainer

VOCABULARY = 24
SHAPE = {
    "vocab_size": VOCABULARY, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3,
    "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 64, "initializer_range": 0.3,
}  # fmt: skip


def gpt2(**options: Any) -> GPT2LMHeadModel:
    shape = {"vocab_size": VOCABULARY, "n_positions": 64, "n_embd": 32, "n_layer": 3, "n_head": 4}
    return GPT2LMHeadModel(GPT2Config(**shape, initializer_range=0.3, attn_implementation="eager", **options))


BUILDERS = {
    "gpt2": gpt2,
    "llama": lambda: LlamaForCausalLM(LlamaConfig(**SHAPE)),
    "qwen2": lambda: Qwen2ForCausalLM(Qwen2Config(**SHAPE)),
}


def adapted(kind: str, *, layers: int = 0, **options: Any) -> PeftModel:
    torch.manual_seed(0)
    model = BUILDERS[kind]().eval()
    config = adapters.lora_config(LoraSettings(r=3, alpha=6, layers=layers), model)
    policy = adapters.attach(model, replace(config, **options))
    with torch.no_grad():
        for name, parameter in policy.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.2)
    return policy


def scores_and_gradients(model: PolicyWithValue, rows: dict[str, Any], **options: Any) -> tuple[Any, dict[str, Any]]:
    model.zero_grad()
    scores = model(**rows, **options)
    weights = torch.linspace(-1, 1, len(scores.logprobs))
    ((scores.logprobs * weights).sum() + (scores.values * weights.flip(0)).sum()).backward()
    return scores, {name: p.grad.clone() for name, p in model.trainable().items() if p.grad is not None}


def agree(one: tuple[Any, dict[str, Any]], other: tuple[Any, dict[str, Any]]) -> None:
    for name in ("logprobs", "values"):
        torch.testing.assert_close(getattr(one[0], name), getattr(other[0], name), atol=2e-5, rtol=1e-4)
    assert one[1].keys() == other[1].keys()
    for name, gradient in one[1].items():
        torch.testing.assert_close(gradient, other[1][name], atol=2e-4, rtol=1e-3, msg=name)


lengths = st.lists(st.tuples(st.integers(1, 7), st.integers(1, 9)), min_size=1, max_size=5)


@pytest.mark.parametrize("kind", BUILDERS)
@pytest.mark.parametrize("layers", [0, 2, 1])
@settings(max_examples=8, deadline=None)
@given(shape=lengths, seed=st.integers(0, 1000))
def test_scores_and_gradients_are_those_of_the_model_itself(
    kind: str, layers: int, shape: list[tuple[int, int]], seed: int
) -> None:
    model = PolicyWithValue(adapted(kind, layers=layers), temperature=0.8)
    with torch.no_grad():
        model.value_head.out.weight.normal_(std=0.5)
    draw = torch.Generator().manual_seed(seed)
    texts = [[torch.randint(VOCABULARY, (n,), generator=draw).tolist() for n in pair] for pair in shape]
    rows = pad_rows([prompt for prompt, _ in texts], [completion for _, completion in texts], pad=0, device="cpu")
    fast = scores_and_gradients(model, rows)
    kept = scores_and_gradients(model, rows, trunk=model.trunk(**rows))
    reference = model.reference_logprobs(**rows)
    assert model.blocks is not None
    assert model.blocks.first_adapted == (3 - layers) % 3
    model.blocks = None
    slow = scores_and_gradients(model, rows)
    agree(fast, slow)
    agree(kept, slow)
    torch.testing.assert_close(reference, model.reference_logprobs(**rows), atol=2e-5, rtol=1e-4)


@settings(max_examples=30, deadline=None)
@given(shape=lengths)
def test_tokens_are_found_again_wherever_their_rows_begin(shape: list[tuple[int, int]]) -> None:
    prompts, completions = (torch.tensor(part) for part in zip(*shape, strict=True))
    rows = Ragged(prompts + completions)
    wanted = Ragged(completions, start=prompts - 1)
    grid = torch.arange(len(shape))[:, None] * 100 + torch.arange(rows.shape[1])
    packed = rows.pack(grid)
    assert packed.tolist() == [100 * row + column for row, (p, c) in enumerate(shape) for column in range(p + c)]
    found = packed[wanted.within(rows)]
    assert found.tolist() == [100 * row + p - 1 + i for row, (p, c) in enumerate(shape) for i in range(c)]
    assert torch.equal(rows.pack(rows.spread(packed)), packed)


@pytest.mark.parametrize(
    ("kind", "options"),
    [("llama", {"use_dora": True}), ("gpt2", {"lora_bias": True}), ("llama", {"lora_dropout": 0.1})],
)
def test_an_adapter_that_is_more_than_a_low_rank_sum_is_left_to_the_model(kind: str, options: dict[str, Any]) -> None:
    assert blocks_for(adapted(kind, **options)) is None


def test_a_model_of_another_kind_is_left_to_itself() -> None:
    torch.manual_seed(0)
    model = gpt2(scale_attn_by_inverse_layer_idx=True)
    config = LoraConfig(r=2, target_modules=["c_attn"], task_type="CAUSAL_LM", fan_in_fan_out=True)
    assert blocks_for(adapters.attach(model, config)) is None


@pytest.mark.parametrize("layers", [0, 1])
def test_an_update_is_the_same_with_and_without_blocks_and_kept_states(tmp_path: Path, layers: int) -> None:
    found = []
    for fast in (True, False):
        model = tiny_model()
        trainer = PPOTrainer(
            model,
            share_of_target,
            config(tmp_path / str(fast), num_updates=2),
            train_dataset=PROMPTS,
            processing_class=tiny_tokenizer(),
            peft_config=adapters.lora_config(LoraSettings(r=4, alpha=8, layers=layers), model),
        )
        trainer.remove_callback(PrinterCallback)
        if not fast:
            trainer.model.blocks = None
        experience = trainer.collect(0)
        assert (experience.trunk is not None) == (fast and layers == 1)
        if experience.trunk is not None:
            sizes = [len(p) + len(c) for p, c in zip(experience.prompt_ids, experience.completion_ids, strict=True)]
            assert [len(states) for states in experience.trunk] == sizes
        trainer.train()
        found.append((updates(trainer), weights(trainer)))
    assert found[0][0][0]["first_ratio_error"] == 0.0
    for name, value in found[0][1].items():
        torch.testing.assert_close(value, found[1][1][name], atol=5e-5, rtol=1e-3)


@settings(max_examples=20, deadline=None)
@given(tokens=st.integers(1, 5), size=st.floats(0.1, 30.0), seed=st.integers(0, 1000))
def test_chosen_logprobs_and_their_gradient_are_those_of_a_log_softmax(tokens: int, size: float, seed: int) -> None:
    draw = torch.Generator().manual_seed(seed)
    logits = (size * torch.randn(tokens, 7, generator=draw, dtype=torch.float64)).requires_grad_()
    targets = torch.randint(7, (tokens,), generator=draw)
    weights = torch.randn(tokens, generator=draw, dtype=torch.float64)
    (found,) = torch.autograd.grad((chosen_logprobs(logits, targets) * weights).sum(), logits)
    expected = torch.log_softmax(logits, -1)[range(tokens), targets]
    torch.testing.assert_close(chosen_logprobs(logits, targets), expected, atol=1e-10, rtol=1e-10)
    torch.testing.assert_close(
        found, torch.autograd.grad((expected * weights).sum(), logits)[0], atol=1e-10, rtol=1e-10
    )
