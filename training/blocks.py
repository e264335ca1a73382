"""The update's forward pass over a model's own weights: GPT-2, and Llama with Qwen2.

It says what the model and its LoRA adapter say, in less time and memory: linear maps run on tokens alone, never on
padding; a layer's adapter is added into its weight for each pass, so that it costs no arithmetic a token, and the
backward pass is that of one product; the last layer looks at the states that precede a completion's tokens and at no
others; and it can start above the layers that carry no adapter, from states that were kept. ``blocks_for`` says which
models it knows; any other goes through its own ``forward``.

Rows are padded on the right: under causal attention no token sees what stands behind it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import torch
import torch.nn.functional as F
from peft import PeftModel
from peft.tuners.lora import LoraLayer
from torch import Tensor
from transformers import Conv1D, GPT2LMHeadModel, LlamaForCausalLM, Qwen2ForCausalLM

from training.networks import ACTIVATIONS, is_plain_gpt2, is_plain_llama, rotated


class Ragged:
    """Rows of unlike length: each holds the columns from ``start`` to ``start + length`` of ``(batch, width)``.

    Tokens are *packed* as ``(tokens, ...)``, row after row, or *spread* as ``(batch, longest, ...)``.
    """

    def __init__(self, lengths: Tensor, start: Tensor | None = None) -> None:
        longest = int(lengths.max())
        places = torch.arange(longest, device=lengths.device)
        held = places[None, :] < lengths[:, None]  # (batch, longest)
        self.shape = (len(lengths), longest)
        self.columns = places[None, :] if start is None else places[None, :] + start[:, None]
        """Which column each place is: (1 or batch, longest)."""
        self.count = int(lengths.sum())
        """How many tokens there are."""
        self._held = None if bool(held.all()) else held.flatten().nonzero()[:, 0]

    def pack(self, spread: Tensor) -> Tensor:
        """(batch, longest, ...) to (tokens, ...)."""
        flat = spread.flatten(0, 1)
        return flat if self._held is None else flat[self._held]

    def spread(self, packed: Tensor) -> Tensor:
        """(tokens, ...) to (batch, longest, ...), with zeros where no token is."""
        if self._held is None:
            return packed.unflatten(0, self.shape)
        flat = packed.new_zeros((self.shape[0] * self.shape[1], *packed.shape[1:]))
        return flat.index_copy(0, self._held, packed).unflatten(0, self.shape)

    def within(self, whole: Ragged) -> Tensor:
        """Where these tokens are among the packed ones of ``whole``, whose rows begin at column 0: (tokens,)."""
        return self.take(whole.spread(torch.arange(whole.count, device=self.columns.device)))

    def take(self, grid: Tensor, *, ahead: int = 0) -> Tensor:
        """What ``grid`` (batch, width) holds in these tokens' columns, or so many further on: (tokens,)."""
        columns = (self.columns + ahead).clamp(max=grid.shape[1] - 1)  # A place without a token may lie outside.
        return self.pack(grid.gather(1, columns.expand(self.shape)))

    @property
    def positions(self) -> Tensor:
        """Each token's column: (tokens,)."""
        return self.pack(self.columns.expand(self.shape))


class Blocks(ABC):
    """A decoder's layers as functions of packed states ``(tokens, width)``."""

    layers: int
    first_adapted: int
    """The lowest layer with an adapter; those below give the same whatever is learned. ``layers`` where none has."""
    heads: int
    key_heads: int
    head_width: int

    @abstractmethod
    def embed(self, ids: Tensor, rows: Ragged) -> Tensor:
        """The states that enter the first layer; ``ids`` is (batch, longest)."""

    @abstractmethod
    def norm(self, hidden: Tensor) -> Tensor:
        """What the output layer sees of the last layer's states."""

    def run(
        self,
        hidden: Tensor,
        rows: Ragged,
        *,
        first: int = 0,
        stop: int | None = None,
        wanted: Ragged | None = None,
        adapted: bool = True,
    ) -> Tensor:
        """The states behind layer ``stop``; behind the last layer of the ``wanted`` tokens alone, where given."""
        stop = self.layers if stop is None else stop
        with torch.autocast(hidden.device.type, enabled=False):
            for index in range(first, stop):
                some = wanted if index + 1 == self.layers else None
                hidden = self._layer(index, hidden, rows, some, adapted)
        return hidden

    @abstractmethod
    def _layer(self, index: int, hidden: Tensor, rows: Ragged, wanted: Ragged | None, adapted: bool) -> Tensor: ...

    def _attend(self, query: Tensor, key: Tensor, value: Tensor, rows: Ragged, wanted: Ragged | None) -> Tensor:
        """Causal attention of packed (tokens, heads, head width); returns packed (tokens, heads * head width)."""
        asked = wanted or rows
        spread_query = asked.spread(query).transpose(1, 2)  # (batch, head, time, width)
        spread_key, spread_value = (rows.spread(x).transpose(1, 2) for x in (key, value))
        if self.key_heads != self.heads:
            times = self.heads // self.key_heads
            spread_key, spread_value = (x.repeat_interleave(times, dim=1) for x in (spread_key, spread_value))
        may = torch.arange(rows.shape[1], device=query.device) <= asked.columns[:, :, None]
        may = may[:, None]  # (1 or batch, 1, time, past and present)
        if query.device.type == "cpu":  # The fused kernel is slower there on short rows.
            scores = (spread_query * self.head_width**-0.5) @ spread_key.transpose(-1, -2)
            weights = scores.masked_fill_(~may, torch.finfo(scores.dtype).min).softmax(-1)
            mixed = weights @ spread_value
        else:
            mixed = F.scaled_dot_product_attention(spread_query, spread_key, spread_value, attn_mask=may)
        return asked.pack(mixed.transpose(1, 2)).flatten(1)


def blocks_for(policy: Any) -> Blocks | None:
    """The model's layers with its active adapter; None for a model, or a kind of adapter, that isn't known here.

    A model without adapters may be trained through them too, all its weights.
    """
    model = policy.get_base_model() if isinstance(policy, PeftModel) else policy
    try:
        if isinstance(model, GPT2LMHeadModel) and is_plain_gpt2(model, wrapped=_base):
            return _GPT2(model)
        if isinstance(model, LlamaForCausalLM | Qwen2ForCausalLM) and is_plain_llama(model, wrapped=_base):
            return _Llama(model)
    except _Unknown:
        pass
    return None


def _base(layer: Any) -> Any:
    return layer.get_base_layer() if isinstance(layer, LoraLayer) else layer


class _Unknown(Exception):
    """An adapter that is more than a low-rank sum."""


class _Sum(torch.autograd.Function):
    """``x (W + scale A'B') + bias``; the gradient goes to x, A and B alone."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, a: Tensor, b: Tensor, scale: float) -> Tensor:
        """x (tokens, in), weight (in, out), a (rank, in), b (out, rank)."""
        ctx.save_for_backward(x, weight, a, b)
        ctx.scale = scale
        merged = _merged(weight, a, b, scale)
        return x @ merged if bias is None else torch.addmm(bias, x, merged)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = gradients
        x, weight, a, b = ctx.saved_tensors
        # Merged anew: kept, the sums would take as much memory as the model.
        for_x = gradient @ _merged(weight, a, b, ctx.scale).t() if ctx.needs_input_grad[0] else None
        low_a, low_b = a.to(x.dtype), b.to(x.dtype)
        for_a = ((gradient @ low_b).t() @ x).to(a.dtype).mul_(ctx.scale)
        for_b = (gradient.t() @ (x @ low_a.t())).to(b.dtype).mul_(ctx.scale)
        return for_x, None, None, for_a, for_b, None


def _merged(weight: Tensor, a: Tensor, b: Tensor, scale: float) -> Tensor:
    if weight.dtype == a.dtype:
        return torch.addmm(weight, a.t(), b.t(), alpha=scale)
    return (weight.to(a.dtype) + scale * (a.t() @ b.t())).to(weight.dtype)


class _Linear:
    """A linear map's frozen weight, and its adapter's factors where it has one."""

    def __init__(self, module: Any) -> None:
        self._module = _base(module)
        self._is_conv = isinstance(self._module, Conv1D)
        self.adapter = _adapter(module) if isinstance(module, LoraLayer) else None

    @property
    def weight(self) -> Tensor:
        """(in, out)"""
        weight: Tensor = self._module.weight
        return weight if self._is_conv else weight.t()

    def __call__(self, x: Tensor, *, adapted: bool, part: slice = slice(None)) -> Tensor:
        """(tokens, in) to (tokens, out), or to the columns ``part`` of it."""
        weight, bias = self.weight[:, part], self._module.bias
        bias = None if bias is None else bias[part]
        if self.adapter is None or not adapted:
            return x @ weight if bias is None else torch.addmm(bias, x, weight)
        module, name = self.adapter
        a, b = module.lora_A[name].weight, module.lora_B[name].weight[part]
        summed: Tensor = _Sum.apply(x, weight, bias, a, b, float(module.scaling[name]))
        return summed


def _adapter(module: Any) -> tuple[Any, str]:
    """The layer and the name of its one active adapter; _Unknown where that is more than ``scale B A x``."""
    active = [name for name in module.active_adapters if name in module.lora_A]
    if len(active) != 1 or module.merged:
        raise _Unknown
    name = active[0]
    dropout = module.lora_dropout[name]
    plain = (
        not getattr(module, "use_dora", {}).get(name, False)
        and not getattr(module, "lora_bias", {}).get(name, False)
        and name not in getattr(module, "lora_variant", {})
        and float(getattr(dropout, "p", 0.0)) == 0.0
        and module.lora_A[name].bias is None
    )
    if not plain:
        raise _Unknown
    return module, name


def _first_adapted(layers: list[list[_Linear]]) -> int:
    return next((i for i, maps in enumerate(layers) if any(one.adapter for one in maps)), len(layers))


class _GPT2(Blocks):
    def __init__(self, model: GPT2LMHeadModel) -> None:
        trunk, config = model.transformer, model.config
        self.heads = self.key_heads = config.n_head
        self.head_width = config.n_embd // config.n_head
        self._width = config.n_embd
        self._activation = ACTIVATIONS[config.activation_function]
        self._trunk = trunk
        self._maps = [[_Linear(x) for x in (b.attn.c_attn, b.attn.c_proj, b.mlp.c_fc, b.mlp.c_proj)] for b in trunk.h]
        self.layers = len(self._maps)
        self.first_adapted = _first_adapted(self._maps)

    def embed(self, ids: Tensor, rows: Ragged) -> Tensor:
        return F.embedding(rows.pack(ids), self._trunk.wte.weight) + F.embedding(rows.positions, self._trunk.wpe.weight)

    def norm(self, hidden: Tensor) -> Tensor:
        return self._trunk.ln_f(hidden)

    def _layer(self, index: int, hidden: Tensor, rows: Ragged, wanted: Ragged | None, adapted: bool) -> Tensor:
        block, (attend, project, widen, narrow) = self._trunk.h[index], self._maps[index]
        normed = block.ln_1(hidden)
        if wanted is None:
            query, key, value = attend(normed, adapted=adapted).split(self._width, dim=-1)
        else:
            key, value = attend(normed, adapted=adapted, part=slice(self._width, None)).split(self._width, dim=-1)
            places = wanted.within(rows)
            hidden, asking = hidden[places], normed[places]
            query = attend(asking, adapted=adapted, part=slice(self._width))
        query, key, value = (x.unflatten(-1, (-1, self.head_width)) for x in (query, key, value))
        hidden = hidden + project(self._attend(query, key, value, rows, wanted), adapted=adapted)
        widened = self._activation(widen(block.ln_2(hidden), adapted=adapted))
        return hidden + narrow(widened, adapted=adapted)


class _Llama(Blocks):
    """Llama (Touvron et al. 2023) and Qwen2, which adds biases to queries, keys and values."""

    def __init__(self, model: LlamaForCausalLM | Qwen2ForCausalLM) -> None:
        trunk, config = model.model, model.config
        self.heads, self.key_heads = config.num_attention_heads, config.num_key_value_heads
        self.head_width = int(getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads)
        self._activation = ACTIVATIONS[config.hidden_act]
        self._trunk = trunk
        self._maps = [
            [
                *(_Linear(x) for x in (b.self_attn.q_proj, b.self_attn.k_proj, b.self_attn.v_proj, b.self_attn.o_proj)),
                *(_Linear(x) for x in (b.mlp.gate_proj, b.mlp.up_proj, b.mlp.down_proj)),
            ]
            for b in trunk.layers
        ]
        self.layers = len(self._maps)
        self.first_adapted = _first_adapted(self._maps)

    def embed(self, ids: Tensor, rows: Ragged) -> Tensor:
        return F.embedding(rows.pack(ids), self._trunk.embed_tokens.weight)

    def norm(self, hidden: Tensor) -> Tensor:
        return self._trunk.norm(hidden)

    def _layer(self, index: int, hidden: Tensor, rows: Ragged, wanted: Ragged | None, adapted: bool) -> Tensor:
        block, (ask, recognise, tell, project, gate, widen, narrow) = self._trunk.layers[index], self._maps[index]
        normed = asking = block.input_layernorm(hidden)
        if wanted is not None:
            places = wanted.within(rows)
            hidden, asking = hidden[places], normed[places]
        query = self._turned(ask(asking, adapted=adapted), wanted or rows)
        key = self._turned(recognise(normed, adapted=adapted), rows)
        value = tell(normed, adapted=adapted).unflatten(-1, (-1, self.head_width))
        hidden = hidden + project(self._attend(query, key, value, rows, wanted), adapted=adapted)
        normed = block.post_attention_layernorm(hidden)
        gated = self._activation(gate(normed, adapted=adapted)) * widen(normed, adapted=adapted)
        return hidden + narrow(gated, adapted=adapted)

    def _turned(self, x: Tensor, rows: Ragged) -> Tensor:
        """Packed (tokens, heads * head width) to (tokens, heads, head width), each turned by its position."""
        x = x.unflatten(-1, (-1, self.head_width))
        cosine, sine = (part[0][:, None] for part in self._trunk.rotary_emb(x, rows.positions[None]))
        return rotated(x, cosine, sine).to(x.dtype)
