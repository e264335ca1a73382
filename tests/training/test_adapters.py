"""Adapters know their backbone, refuse any other, and merge without touching it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from training import adapters
from training.config import LoraSettings
from training.models import backbone_sha256, load_model, load_tokenizer

IDS = torch.tensor([[5, 9, 40, 7, 3]])


def adapted(backbone: Path, *, seed: int = 0) -> object:
    """A policy on the backbone whose adapter does something."""
    torch.manual_seed(seed)
    model = load_model(backbone)
    policy = adapters.attach(model, adapters.lora_config(LoraSettings(r=4, alpha=8), model))
    with torch.no_grad():
        for name, parameter in policy.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.2)
    return policy


@torch.no_grad()
def logits(model: object) -> torch.Tensor:
    return model(input_ids=IDS, attention_mask=torch.ones_like(IDS)).logits  # type: ignore[operator]


def test_every_linear_layer_but_the_output_gets_an_adapter_and_nothing_else_is_trainable(micro_model: Path) -> None:
    policy = adapted(micro_model)
    trainable = [name for name, parameter in policy.named_parameters() if parameter.requires_grad]
    assert len(trainable) == 2 * 4 * 2  # A and B of attention's two and the MLP's two layers, in two blocks
    assert all("lora_" in name for name in trainable)
    assert not any("lm_head" in name or "wte" in name for name in trainable)


def test_a_saved_adapter_loads_on_its_backbone_with_the_same_outputs(micro_model: Path, tmp_path: Path) -> None:
    policy = adapted(micro_model)
    digest = backbone_sha256(micro_model)
    adapters.save(policy, tmp_path, adapters.Record("policy", digest))
    again = adapters.load(load_model(micro_model), tmp_path, kind="policy", backbone_sha256=digest)
    assert torch.equal(logits(again), logits(policy))
    assert not any(parameter.requires_grad for parameter in again.parameters())
    assert (tmp_path / "adapter_model.safetensors").exists()
    assert not [path.name for path in tmp_path.iterdir() if path.suffix in {".bin", ".pt", ".pkl"}]


def test_an_adapter_refuses_another_backbone_though_its_shapes_fit(micro_model: Path, tmp_path: Path) -> None:
    adapters.save(adapted(micro_model), tmp_path / "adapter", adapters.Record("policy", backbone_sha256(micro_model)))
    other = load_model(micro_model)
    with torch.no_grad():
        other.transformer.wte.weight[0, 0] += 1e-3
    other.save_pretrained(str(tmp_path / "other"))
    with pytest.raises(adapters.AdapterError, match="was trained on the backbone"):
        adapters.load(other, tmp_path / "adapter", kind="policy", backbone_sha256=backbone_sha256(tmp_path / "other"))


def test_a_reward_adapter_is_no_policy(micro_model: Path, tmp_path: Path) -> None:
    digest = backbone_sha256(micro_model)
    adapters.save(adapted(micro_model), tmp_path, adapters.Record("reward", digest))
    with pytest.raises(adapters.AdapterError, match="holds a reward adapter, but a policy adapter is needed"):
        adapters.check(tmp_path, kind="policy", backbone_sha256=digest)


def test_a_folder_without_a_record_or_with_a_damaged_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(adapters.AdapterError, match=r"has no backbone\.json"):
        adapters.read_record(tmp_path)
    (tmp_path / adapters.RECORD).write_text(json.dumps({"kind": "policy"}))
    with pytest.raises(adapters.AdapterError, match="is damaged"):
        adapters.read_record(tmp_path)


def test_merging_gives_a_plain_model_with_the_same_outputs_and_leaves_the_policy_alone(micro_model: Path) -> None:
    policy = adapted(micro_model)
    before = logits(policy)
    plain = adapters.merged(policy)
    assert type(plain) is type(load_model(micro_model))
    assert torch.allclose(logits(plain), before, atol=1e-5)
    assert torch.equal(logits(policy), before)


def test_the_merged_copy_follows_the_adapter_and_the_backbone_never_drifts(micro_model: Path) -> None:
    policy = adapted(micro_model)
    copy = adapters.MergedCopy(policy)
    frozen = {name: value.clone() for name, value in policy.state_dict().items() if "lora_" not in name}
    for _ in range(3):
        with torch.no_grad():
            for name, parameter in policy.named_parameters():
                if "lora_" in name:
                    parameter.add_(torch.randn_like(parameter) * 0.1)
        assert torch.allclose(logits(copy.refresh()), logits(policy), atol=1e-5)
    assert all(torch.equal(policy.state_dict()[name], value) for name, value in frozen.items())
    with policy.disable_adapter():
        assert torch.equal(logits(policy), logits(load_model(micro_model)))


def test_the_aligned_model_exports_as_a_plain_folder_with_its_tokenizer(micro_model: Path, tmp_path: Path) -> None:
    from training.align import merge

    policy = adapted(micro_model)
    adapters.save(policy, tmp_path / "adapter", adapters.Record("policy", backbone_sha256(micro_model)))
    folder = merge(micro_model, tmp_path / "adapter", tmp_path / "merged")
    assert torch.allclose(logits(load_model(folder)), logits(policy), atol=1e-5)
    assert load_tokenizer(folder).get_vocab() == load_tokenizer(micro_model).get_vocab()
    assert not (folder / "adapter_config.json").exists()
