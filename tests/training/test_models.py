"""Models come from safetensors alone, run no code of their own, and say in one line why they can't be had."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from training import models
from training.config import ModelSettings
from training.data.tokenizer import tokenizer_for
from training.models import (
    PRESETS,
    ModelError,
    backbone_sha256,
    bf16_pays,
    build_model,
    load,
    load_model,
    load_tokenizer,
)


@pytest.fixture
def folder(micro_model: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(micro_model, tmp_path / "model"))


@pytest.mark.parametrize(
    ("preset", "low", "high"), [("aval-micro", 0.2e6, 0.3e6), ("aval-tiny", 4.5e6, 5.5e6), ("gpt2-small", 80e6, 130e6)]
)
def test_presets_have_the_size_they_claim(micro_tokenizer, preset: str, low: float, high: float) -> None:
    with torch.device("meta"):
        model = build_model(ModelSettings(preset=preset), micro_tokenizer)
    more_tokens = ModelSettings().vocab_size - len(micro_tokenizer)  # than this small one has
    assert low < model.num_parameters() + more_tokens * model.config.n_embd < high
    assert model.config.n_positions == PRESETS[preset]["n_positions"]
    assert model.config.pad_token_id != model.config.eos_token_id


def test_weights_come_from_the_seed_and_leave_the_global_generator_alone(micro_tokenizer) -> None:
    settings = ModelSettings(preset="aval-micro")
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    first, again = (build_model(settings, micro_tokenizer, seed=1).transformer.wte.weight for _ in range(2))
    other = build_model(settings, micro_tokenizer, seed=2).transformer.wte.weight
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(before, torch.random.get_rng_state())


def test_a_saved_model_loads_with_its_tokenizer(micro_model: Path) -> None:
    model, tokenizer = load(micro_model)
    assert not model.training
    assert model.dtype == torch.float32
    assert model.config.vocab_size == len(tokenizer)


def test_the_digest_of_a_backbone_is_of_its_weights(micro_model: Path, folder: Path, micro_tokenizer) -> None:
    assert backbone_sha256(folder) == backbone_sha256(micro_model)
    build_model(ModelSettings(preset="aval-micro"), micro_tokenizer, seed=9).save_pretrained(str(folder))
    assert backbone_sha256(folder) != backbone_sha256(micro_model)


def _only_bin(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def _no_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def _no_config(folder: Path) -> None:
    (folder / "config.json").unlink()


def _adapter(folder: Path) -> None:
    _no_config(folder)
    (folder / "adapter_config.json").write_text("{}")


def _own_code(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "strange", "auto_map": {"AutoConfig": "m.C", "AutoModelForCausalLM": "m.M"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "m.py").write_text("raise SystemExit('ran')\n")


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (_only_bin, r"weights in \.bin \(pickle\) files alone.*convert them to safetensors"),
        (_no_weights, r"holds no model\.safetensors"),
        (_no_config, r"holds no config\.json: give the folder of a saved model"),
        (_adapter, r"is an adapter, not a whole model: merge it"),
        (_own_code, r"needs code of its own, which Aval does not run|unknown model"),
    ],
)
def test_a_model_that_can_not_be_used_is_refused_in_one_line(folder: Path, harm, message: str) -> None:
    harm(folder)
    with pytest.raises(ModelError, match=message) as caught:
        load_model(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["/no/such/folder", "./nothing", "a/b/c", "no-such-owner/no-such-model", ""])
def test_an_unknown_model_is_refused_in_one_line(name: str) -> None:
    with pytest.raises(ModelError, match="unknown model") as caught:
        load_model(name)
    assert "\n" not in str(caught.value)
    assert "hub id" in str(caught.value)


def test_a_tokenizer_that_does_not_fit_the_model_is_refused(folder: Path, micro_tokenizer) -> None:
    larger = load_tokenizer(folder)
    larger.add_tokens([f"<extra{number}>" for number in range(3)])
    larger.save_pretrained(str(folder))
    with pytest.raises(ModelError, match="they don't belong together"):
        load(folder)


def test_a_tokenizer_of_the_same_size_that_another_model_was_trained_with_is_refused(folder: Path, splits) -> None:
    tokenizer = tokenizer_for(splits["iid"], vocab_size=600)
    assert len(tokenizer) <= load_model(folder).get_input_embeddings().weight.shape[0]
    tokenizer.save_pretrained(str(folder))
    with pytest.raises(ModelError, match="is not the one its model was trained with") as caught:
        load(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("flags", "pays"), [({"avx2"}, False), ({"avx512f", "avx512_bf16"}, True), ({"amx_bf16"}, True), (set(), False)]
)
def test_bfloat16_is_used_where_the_processor_has_it(
    monkeypatch: pytest.MonkeyPatch, flags: set[str], pays: bool
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(models, "_cpu_flags", lambda: flags)
    assert bf16_pays() is pays
    assert not bf16_pays(False)
