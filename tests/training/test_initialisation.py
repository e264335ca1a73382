"""A new model copies from its first step, and only what is written into it makes it do so."""

from __future__ import annotations

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from training.initialisation import write_induction_heads
from training.models import PRESETS

_VOCABULARY = 1000


def _new(preset: str, **changes: int) -> GPT2LMHeadModel:
    config = GPT2Config(**{**PRESETS[preset], **changes}, vocab_size=_VOCABULARY, bos_token_id=0, eos_token_id=0)
    config._attn_implementation = "eager"
    torch.manual_seed(3)
    return GPT2LMHeadModel(config).eval()


def _written(preset: str, seed: int = 3) -> GPT2LMHeadModel:
    model = _new(preset)
    write_induction_heads(model, seed=seed)
    return model


def _repeated(length: int = 40) -> torch.Tensor:
    """Eight rows of distinct random tokens, each row twice over: (8, 2 * length)."""
    generator = torch.Generator().manual_seed(5)
    rows = torch.stack([torch.randperm(_VOCABULARY, generator=generator)[:length] for _ in range(8)])
    return torch.cat([rows, rows], dim=1)


@torch.no_grad()
def _copied(model: GPT2LMHeadModel, ids: torch.Tensor) -> float:
    """Of the second half's tokens, the share whose likeliest successor is the one that came after them before.

    The token itself does not count: the output layer is the embedding, so at first each token calls for itself.
    """
    half = ids.shape[1] // 2
    logits = model(ids).logits.scatter(2, ids[:, :, None], float("-inf"))
    guessed = logits[:, half:-1].argmax(-1)
    return float((guessed == ids[:, half + 1 :]).float().mean())


@pytest.mark.parametrize("preset", ["aval-mini", "aval-tiny"])
def test_an_untrained_model_goes_on_with_what_it_has_seen(preset: str) -> None:
    ids = _repeated()
    assert _copied(_written(preset), ids) > 0.95
    assert _copied(_new(preset), ids) < 0.05


@torch.no_grad()
@pytest.mark.parametrize("preset", ["aval-mini", "aval-tiny"])
def test_one_head_looks_back_by_one_wherever_it_stands(preset: str) -> None:
    ids = torch.randint(_VOCABULARY, (2, 500), generator=torch.Generator().manual_seed(1))
    looks = _written(preset)(ids, output_attentions=True).attentions[0][:, 0]  # (2, 500, 500)
    assert looks.diagonal(offset=-1, dim1=1, dim2=2).min() > 0.9


@torch.no_grad()
def test_without_the_note_of_the_previous_token_nothing_is_copied() -> None:
    model = _written("aval-tiny")
    model.transformer.h[0].attn.c_proj.weight[:64] = 0.0
    assert _copied(model, _repeated()) < 0.2


def test_the_seed_alone_decides() -> None:
    first, again, other = (_written("aval-mini", seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["transformer.wte.weight"], other["transformer.wte.weight"])


@pytest.mark.parametrize("changes", [{"n_layer": 1}, {"n_head": 2}, {"n_embd": 24, "n_head": 4}])
def test_a_model_too_small_keeps_its_weights(changes: dict[str, int]) -> None:
    model = _new("aval-mini", **changes)
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    write_induction_heads(model, seed=0)
    assert all(torch.equal(weight, before[name]) for name, weight in model.state_dict().items())
