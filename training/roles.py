"""Who plays what over one backbone: the policy, the reference it is held to, and the value.

By default the policy is a new LoRA adapter and the reference the backbone alone. Of a model that was itself tuned by
LoRA the policy goes on from that adapter, and a frozen copy of it is the reference. In full fine-tuning all weights
are the policy's, and the reference is a frozen copy of the model. The value may have an adapter of its own.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from peft import LoraConfig, PeftConfig, PeftModel, get_peft_model_state_dict, set_peft_model_state_dict
from transformers import PreTrainedModel

from training import adapters
from training.config import LoraSettings

POLICY, REFERENCE, VALUE = "default", "ref", "value"
"""The adapters' names; PEFT saves the first in a folder itself, another in a folder of its name there."""


@dataclass(frozen=True)
class Roles:
    """The models that PPO trains and compares."""

    policy: PeftModel | PreTrainedModel
    reference: str | PreTrainedModel | None = None
    """An adapter's name or another model; None is the backbone alone."""
    value: str | None = None
    """The value's adapter; None is the policy's."""


def roles_for(
    model: PreTrainedModel | PeftModel,
    peft_config: PeftConfig | None,
    *,
    full_finetuning: bool = False,
    value_adapter: bool = False,
    bf16: bool = False,
) -> Roles:
    """The roles over a model: LoRA in float32 on a frozen backbone, that in bfloat16 where asked, or all weights."""
    tuned = isinstance(model, PeftModel)
    if peft_config is not None and (tuned or full_finetuning):
        why = "the model has an adapter already" if tuned else "full_finetuning trains all weights, without an adapter"
        raise ValueError(f"{why}: leave peft_config out")
    _check_finite(model)
    if full_finetuning:
        if tuned:
            raise ValueError("full_finetuning needs a plain model: merge the adapter first (merge_and_unload)")
        without_dropout(model)
        return Roles(model.requires_grad_(True), copy.deepcopy(model).eval().requires_grad_(False))
    if tuned:
        if list(model.peft_config) != [POLICY]:
            raise ValueError(f"the model has the adapters {', '.join(model.peft_config)}: give it one, named {POLICY}")
        if bf16:
            backbone_to_bf16(model)
        policy = model
        _add_copy(policy, REFERENCE)
    else:
        config = peft_config or adapters.lora_config(LoraSettings(), model)
        if not isinstance(config, LoraConfig):
            raise ValueError(f"the adapter must be LoRA (peft.LoraConfig), not {type(config).__name__}")
        policy = adapters.attach(model.to(torch.bfloat16) if bf16 else model, config)
    if value_adapter:
        _add_copy(policy, VALUE)
    without_dropout(policy)
    policy.set_adapter(POLICY)
    policy.set_requires_grad([POLICY, VALUE] if value_adapter else POLICY)
    return Roles(policy, REFERENCE if tuned else None, VALUE if value_adapter else None)


class Live:
    """A policy that is trained whole, for decoding: the model itself."""

    def __init__(self, policy: PreTrainedModel) -> None:
        self.model = policy

    def refresh(self) -> PreTrainedModel:
        return self.model


@contextlib.contextmanager
def playing(policy: PeftModel, adapter: str | None) -> Iterator[None]:
    """The backbone with this adapter, or alone; which weights are trained stays as it was, inside and afterwards."""
    # PEFT freezes every adapter but the active one.
    trained = {name: parameter.requires_grad for name, parameter in policy.named_parameters()}

    def keep_trained() -> None:
        # By name: FSDP puts other tensors in the parameters' places while a layer is gathered.
        for name, parameter in policy.named_parameters():
            parameter.requires_grad_(trained[name])

    try:
        if adapter is None:
            with policy.disable_adapter():
                keep_trained()
                yield
        else:
            policy.set_adapter(adapter)
            keep_trained()
            yield
    finally:
        policy.set_adapter(POLICY)
        keep_trained()


def _add_copy(model: PeftModel, name: str) -> None:
    """A second adapter with the weights of the policy's."""
    model.add_adapter(name, copy.deepcopy(model.peft_config[POLICY]))
    # "auto" would ask the hub whether the vocabulary was resized.
    weights = get_peft_model_state_dict(model, adapter_name=POLICY, save_embedding_layers=False)
    set_peft_model_state_dict(model, weights, adapter_name=name)


def backbone_to_bf16(model: PeftModel) -> None:
    """All weights to bfloat16 but those of adapters and of modules that are trained beside them."""
    own = ("lora_", "modules_to_save")
    for name, parameter in model.named_parameters():
        if not any(part in name for part in own):
            parameter.data = parameter.data.to(torch.bfloat16)


def without_dropout(model: torch.nn.Module) -> None:
    """PPO compares probabilities of one policy; dropout would make a new one at every pass."""
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        if isinstance(getattr(module, "attention_dropout", None), float):
            module.attention_dropout = 0.0


@torch.no_grad()
def _check_finite(model: torch.nn.Module) -> None:
    for name, parameter in model.named_parameters():
        if not bool(torch.isfinite(parameter).all()):
            raise ValueError(f"the model's {name} holds NaN or infinity: give a model whose weights are numbers")
