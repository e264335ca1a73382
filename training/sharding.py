"""PPO under FSDP2: what is refused of it, and its pieces put together for rollouts and for what is written.

FSDP2 cuts the copy of the model that is trained: parameters, gradients, the optimiser's state. A *unit* is a module
whose weights FSDP gathers together. Whatever gathers is a collective: every process must call it, in the same order.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from accelerate.utils.constants import FSDP_MODEL_NAME
from torch import Tensor, nn
from torch.distributed.fsdp import CPUOffloadPolicy, FSDPModule, MixedPrecisionPolicy
from torch.distributed.tensor import DTensor
from transformers import PreTrainedModel

from training.adapters import MergedCopy
from training.policy import PolicyWithValue
from training.reporting import DistributionError


def configure(plugin: Any) -> None:
    """Set accelerate's FSDP plugin up for PPO; DistributionError for what PPO can't do with it."""
    if plugin.fsdp_version != 2:
        raise DistributionError("PPO needs FSDP2: set fsdp_version to 2")
    if plugin.cpu_ram_efficient_loading:
        raise DistributionError(
            "PPO loads the model in every process, which keeps a whole copy for its rollouts: "
            "set fsdp_cpu_ram_efficient_loading to false"
        )
    if plugin.activation_checkpointing:
        raise DistributionError("PPO switches adapters between passes: set fsdp_activation_checkpointing to false")
    if isinstance(plugin.cpu_offload, CPUOffloadPolicy):
        raise DistributionError("PPO trains on the device that decodes: set fsdp_offload_params to false")
    # Each weight in its own type, and autocast does the rest, as without FSDP; accelerate's policy would give
    # log-probabilities in bfloat16.
    plugin.mixed_precision_policy = MixedPrecisionPolicy()


def check_checkpoint(folder: Path, *, sharded: bool) -> None:
    """DistributionError unless the checkpoint's optimiser state is of this kind."""
    made_sharded = any(folder.glob(f"{FSDP_MODEL_NAME}*"))
    if made_sharded != sharded:
        made, here = ("with", "without") if made_sharded else ("without", "with")
        raise DistributionError(
            f"{folder} was made {made} FSDP and this run is {here} it: resume it as it was made, "
            "or start anew from its adapter"
        )


def whole(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights, those that are cut up gathered from all processes."""
    return {name: weight.full_tensor() if isinstance(weight, DTensor) else weight for name, weight in weights.items()}


class GatheredCopy:
    """A whole plain copy of a policy that is cut up, for decoding; every process has one.

    Made before the policy is cut up. DistributionError for an adapter that does more than add to weights.
    """

    def __init__(self, model: PolicyWithValue, device: torch.device) -> None:
        self._model = model
        self._merged = None if model.is_whole else MergedCopy(model.policy)
        if self._merged is not None and not self._merged.is_sum:
            raise DistributionError("under FSDP the adapter must be plain LoRA: no DoRA, biases or modules_to_save")
        plain = copy.deepcopy(model.policy) if self._merged is None else self._merged.model
        self.model: PreTrainedModel = plain.to(device).eval().requires_grad_(False)
        bare = model.policy if self._merged is None else model.policy.get_base_model()
        layers = dict(bare.named_modules()) if self._merged is None else self._merged.layers
        self._names = {layer: name for name, layer in layers.items()}

    @torch.no_grad()
    def refresh(self) -> PreTrainedModel:
        """Take over the policy's present weights, unit by unit; a collective."""
        for unit, modules in _units(self._model):
            with _unsharded(unit):
                for module in modules:
                    if module in self._names:
                        self._take(module, self._names[module])
        return self.model

    def _take(self, module: nn.Module, name: str) -> None:
        if self._merged is not None:
            self._merged.take(name)
            return
        target = self.model.get_submodule(name)
        for own, weight in module.named_parameters(recurse=False):
            target.get_parameter(own).copy_(weight)


def _units(model: nn.Module) -> list[tuple[nn.Module, list[nn.Module]]]:
    """Each unit with its modules outside any smaller unit; a model that isn't cut up is one unit."""
    units: dict[nn.Module, list[nn.Module]] = {}

    def walk(module: nn.Module, unit: nn.Module) -> None:
        unit = module if isinstance(module, FSDPModule) else unit
        units.setdefault(unit, []).append(module)
        for child in module.children():
            walk(child, unit)

    walk(model, model)
    return list(units.items())


@contextlib.contextmanager
def _unsharded(unit: nn.Module) -> Iterator[None]:
    """With the unit's weights whole; those of smaller units in it stay as they are."""
    if not isinstance(unit, FSDPModule):
        yield
        return
    unit.unshard()
    try:
        yield
    finally:
        unit.reshard()
