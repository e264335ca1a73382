"""LoRA adapters on one frozen backbone: made, saved with the backbone's sha256, loaded, merged.

An adapter folder is a plain PEFT folder (``adapter_config.json``, ``adapter_model.safetensors``) and one file more,
``backbone.json``, that says which backbone the adapter was trained on and what it is for. An adapter refuses any
other backbone: on different weights it would run, and mean nothing.
"""

from __future__ import annotations

import contextlib
import copy
import json
import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import torch
from peft import LoraConfig, PeftConfig, PeftModel, TaskType, get_peft_model
from peft.tuners.lora import LoraLayer
from torch import Tensor
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from training.config import LoraSettings

RECORD = "backbone.json"
_LAYER = re.compile(r"\.(\d+)\.")
"""The number of a layer in the names of its parts: ``transformer.h.3.attn.c_attn``."""


class AdapterError(ValueError):
    """An adapter can't be used here; the message says why and what to do."""


@dataclass(frozen=True)
class Record:
    """What an adapter folder says of itself."""

    kind: str
    """``policy``, ``value`` or ``reward``."""
    backbone_sha256: str


def lora_config(settings: LoraSettings, model: PreTrainedModel, *, reward: bool = False) -> LoraConfig:
    """LoRA on every linear map but the output's, in the top ``settings.layers`` layers (0: all).

    A reward adapter is of type ``SEQ_CLS``: without it PEFT leaves the new score head frozen at its random start.
    """
    return LoraConfig(
        r=settings.r,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules=_top_maps(model, settings.layers) if settings.layers else "all-linear",
        task_type=TaskType.SEQ_CLS if reward else TaskType.CAUSAL_LM,
        fan_in_fan_out=any(isinstance(module, Conv1D) for module in model.modules()),
    )


def _top_maps(model: PreTrainedModel, layers: int) -> list[str]:
    """The names of the linear maps in the last so many of the model's layers."""
    linear = (torch.nn.Linear, Conv1D)
    numbered = {
        name: int(found[1])
        for name, module in model.named_modules()
        if isinstance(module, linear) and (found := _LAYER.search(name))
    }
    first = max(numbered.values(), default=-1) + 1 - layers
    if first < 0:
        raise AdapterError(f"an adapter on the top {layers} layers was asked for; the model has {layers + first}")
    return [name for name, layer in numbered.items() if layer >= first]


def attach(model: PreTrainedModel, config: PeftConfig) -> PeftModel:
    """The model, frozen, with a new trainable adapter in float32."""
    with quiet():
        return get_peft_model(model, config)


def save(
    model: PeftModel, folder: Path, record: Record | None = None, *, weights: Mapping[str, Tensor] | None = None
) -> None:
    """Write the active adapter (and, of a reward model, its score head) and, if given, the record.

    ``weights`` are the adapter's under the names they have in the model, where the model itself holds pieces of them.
    """
    # "auto" would ask the hub whether the vocabulary was resized.
    more = {} if weights is None else {"state_dict": dict(weights)}
    model.save_pretrained(str(folder), save_embedding_layers=False, selected_adapters=[model.active_adapter], **more)
    if record is not None:
        write_record(folder, record)


def write_record(folder: Path, record: Record) -> None:
    (folder / RECORD).write_text(json.dumps(asdict(record), indent=2) + "\n")


def read_record(folder: Path) -> Record:
    """The adapter's record; AdapterError if the folder holds no adapter of ours."""
    try:
        data = json.loads((folder / RECORD).read_text())
        return Record(kind=str(data["kind"]), backbone_sha256=str(data["backbone_sha256"]))
    except FileNotFoundError:
        raise AdapterError(
            f"{folder} has no {RECORD}, so it is not known which backbone it belongs to: "
            "give an adapter folder that aval wrote"
        ) from None
    except (KeyError, TypeError, json.JSONDecodeError) as error:
        raise AdapterError(f"{folder / RECORD} is damaged ({error}): write the adapter again") from error


def check(folder: Path, *, kind: str, backbone_sha256: str) -> None:
    """AdapterError unless the folder holds an adapter of this kind for this very backbone."""
    record = read_record(folder)
    if record.kind != kind:
        raise AdapterError(f"{folder} holds a {record.kind} adapter, but a {kind} adapter is needed")
    if record.backbone_sha256 != backbone_sha256:
        raise AdapterError(
            f"{folder} was trained on the backbone {record.backbone_sha256[:12]}, not on {backbone_sha256[:12]}: "
            "use the backbone it was trained on, or train it again on this one"
        )


def load(model: PreTrainedModel, folder: Path, *, kind: str, backbone_sha256: str) -> PeftModel:
    """Put a saved adapter, frozen, on a freshly loaded backbone whose sha256 the caller names."""
    check(folder, kind=kind, backbone_sha256=backbone_sha256)
    with quiet():
        return PeftModel.from_pretrained(model, str(folder), is_trainable=False)


def merged(model: PeftModel) -> PreTrainedModel:
    """A plain model with the adapter added into copies of the weights; the given model stays as it is."""
    return copy.deepcopy(model).merge_and_unload()


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """PEFT asks transformers for an attribute under its old name, which warns; nothing for our user to mend."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="`is_gradient_checkpointing` is deprecated", category=FutureWarning)
        yield


class MergedCopy:
    """A plain copy of a LoRA policy for decoding: no adapter arithmetic at every token.

    The sum is taken from the backbone anew at every refresh. Merging in place and taking the adapter out again
    would leave rounding errors in the frozen weights, at every update some more.
    """

    def __init__(self, policy: PeftModel) -> None:
        self._policy = policy
        self.is_sum = _is_sum(policy.active_peft_config)
        """Whether the adapter adds to weights and does nothing else; only then has each layer a sum of its own."""
        self.model: PreTrainedModel = merged(policy).eval().requires_grad_(False)
        inner = policy.get_base_model()
        self.layers = {name: layer for name, layer in inner.named_modules() if isinstance(layer, LoraLayer)}

    @torch.no_grad()
    def refresh(self) -> PreTrainedModel:
        """Take over the adapter's present weights."""
        if not self.is_sum:
            self.model = merged(self._policy).eval().requires_grad_(False)
            return self.model
        for name in self.layers:
            self.take(name)
        return self.model

    @torch.no_grad()
    def take(self, name: str) -> None:
        """Take over one layer's present weights."""
        layer, target = self.layers[name], cast(Any, self.model.get_submodule(name))
        weight = layer.get_base_layer().weight.float()
        for adapter in layer.active_adapters:
            weight = weight + layer.get_delta_weight(adapter).float()
        target.weight.copy_(weight)


def _is_sum(config: PeftConfig) -> bool:
    """Whether an adapter adds to the weights of linear maps and does nothing else."""
    more = ("use_dora", "lora_bias", "modules_to_save", "trainable_token_indices", "target_parameters")
    return not any(getattr(config, name, None) for name in more) and getattr(config, "bias", "none") == "none"
