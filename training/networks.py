"""Forward passes for drawing completions, over a model's own weights: GPT-2, and Llama with Qwen2.

They keep keys and values in one preallocated cache and give the logits after the last token alone. ``network_for``
says which models they know; any other is left to ``generate``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import Conv1D, GPT2LMHeadModel, LlamaForCausalLM, Qwen2ForCausalLM

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu_new": lambda x: F.gelu(x, approximate="tanh"),
    "gelu_pytorch_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "gelu": F.gelu,
    "relu": F.relu,
    "silu": F.silu,
}


def network_for(model: Any, *, bf16: bool = False) -> Network | None:
    """The fast forward pass of a model; None for one that is wrapped by an adapter, or of another kind."""
    if is_plain_gpt2(model):
        return _GPT2(model, bf16=bf16)
    if isinstance(model, LlamaForCausalLM | Qwen2ForCausalLM) and is_plain_llama(model):
        return _Llama(model, bf16=bf16)
    return None


class Cache:
    """Keys and values of all layers; the first ``length`` positions are filled."""

    def __init__(self, network: Network, *, batch: int, capacity: int) -> None:
        self.length, self.capacity = 0, capacity
        shape = (network.layers, batch, network.key_heads, capacity, network.head_width)
        # (layer, batch, head, time, width)
        self.keys = torch.empty(shape, dtype=network.dtype, device=network.device)
        self.values = torch.empty_like(self.keys)

    def keep(self, rows: Tensor) -> None:
        """Let all other rows go; ``rows`` ascend. In place: each row moves to the left of where it was, or stays."""
        for place, row in enumerate(rows.tolist()):
            if place != row:
                for stored in (self.keys, self.values):
                    stored[:, place, :, : self.length] = stored[:, row, :, : self.length]
        self.keys, self.values = self.keys[:, : len(rows)], self.values[:, : len(rows)]


class Grid:
    """Which places of (batch, time) hold tokens, where rows are padded on the left.

    Linear maps run on the tokens alone, packed as (tokens, width): in a batch of prompts of unlike length much of the
    grid is padding.
    """

    def __init__(self, padding: Tensor, time: int) -> None:
        self.shape = (len(padding), time)
        # Once the prompts are in, each row takes in one token at a time, and none of those is padding.
        first = padding if time > 1 else torch.zeros_like(padding)
        held = torch.arange(time, device=padding.device)[None, :] >= first[:, None]  # (batch, time)
        self._held = None if bool(held.all()) else held.flatten().nonzero()[:, 0]
        self.last = held.sum(1).cumsum(0) - 1
        """Where each row's last token is among the packed ones: (batch,)."""

    def pack(self, grid: Tensor) -> Tensor:
        """(batch, time, ...) to (tokens, ...)."""
        flat = grid.flatten(0, 1)
        return flat if self._held is None else flat[self._held]

    def spread(self, packed: Tensor) -> Tensor:
        """(tokens, ...) to (batch, time, ...), with zeros at the padding."""
        if self._held is None:
            return packed.unflatten(0, self.shape)
        flat = packed.new_zeros((self.shape[0] * self.shape[1], *packed.shape[1:]))
        flat[self._held] = packed
        return flat.unflatten(0, self.shape)


class Network(ABC):
    """A decoder's forward pass, for inference with a cache.

    After the last layer's keys and values only each row's last token is of interest, so the rest of that layer sees no
    other.
    """

    layers: int
    heads: int
    key_heads: int
    """Heads of keys and values; each serves ``heads / key_heads`` heads of queries (Ainslie et al. 2023)."""
    head_width: int
    context: int
    dtype: torch.dtype
    device: torch.device

    @abstractmethod
    def forward(self, ids: Tensor, padding: Tensor, cache: Cache) -> Tensor:
        """Logits after the last of ``ids`` (batch, time), as (batch, vocabulary) in float32.

        ``padding`` (batch,) counts the places on the left of each row that hold nothing.
        """

    def _places(self, ids: Tensor, padding: Tensor, cache: Cache) -> tuple[Tensor, Tensor | None]:
        """Each token's position (batch, time), and what it may look at."""
        start, time = cache.length, ids.shape[1]
        places = torch.arange(start, start + time, device=ids.device)
        positions = (places[None, :] - padding[:, None]).clamp(0, self.context - 1)
        return positions, self._mask(places, padding, start + time)

    def _attend(
        self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, cache: Cache, index: int
    ) -> Tensor:
        """Attention over the cache, into which the new keys and values go: (batch, head, time, width) each.

        Returns (batch, time, heads * width), for as many places as there are queries.
        """
        batch, _, time, _ = query.shape
        start, stop = cache.length, cache.length + key.shape[2]
        cache.keys[index, :, :, start:stop] = key
        cache.values[index, :, :, start:stop] = value
        keys, values = cache.keys[index, :, :, :stop], cache.values[index, :, :, :stop]
        if self.key_heads != self.heads:
            keys, values = (x.repeat_interleave(self.heads // self.key_heads, dim=1) for x in (keys, values))
        scores = query @ keys.transpose(-1, -2) * self.head_width**-0.5  # (batch, head, time, past and present)
        if mask is not None:
            scores = scores + mask
        return (scores.softmax(dim=-1) @ values).transpose(1, 2).reshape(batch, time, -1)

    def _last_only(
        self, hidden: Tensor, query: Tensor, mask: Tensor | None, grid: Grid
    ) -> tuple[Tensor, Tensor, Tensor | None, Grid]:
        """The same of each row's last token alone, which stands in the last column."""
        last = Grid(torch.zeros_like(grid.last), 1)
        return hidden[grid.last], query[:, :, -1:], None if mask is None else mask[:, :, -1:], last

    def _mask(self, places: Tensor, padding: Tensor, stop: int) -> Tensor | None:
        """Zero where a place may look, very low where it may not: (batch, 1, time, past and present)."""
        if len(places) == 1 and not bool(padding.any()):
            return None
        seen = torch.arange(stop, device=places.device)
        allowed = (seen[None, None, :] <= places[None, :, None]) & (seen[None, None, :] >= padding[:, None, None])
        mask = torch.zeros(allowed.shape, dtype=self.dtype, device=places.device)
        # Not minus infinity: a padded place that may look nowhere would give NaN.
        return mask.masked_fill(~allowed, torch.finfo(self.dtype).min)[:, None]


class _GPT2(Network):
    def __init__(self, model: GPT2LMHeadModel, *, bf16: bool) -> None:
        trunk, config = model.transformer, model.config
        self.dtype = torch.bfloat16 if bf16 else trunk.wte.weight.dtype
        self.device = trunk.wte.weight.device
        self.heads = self.key_heads = config.n_head
        self.head_width, self.context = config.n_embd // config.n_head, config.n_positions
        self._epsilon, self._activation = config.layer_norm_epsilon, ACTIVATIONS[config.activation_function]
        self._tokens, self._positions = trunk.wte.weight, trunk.wpe.weight
        self._last_norm = trunk.ln_f
        self._head = model.lm_head.weight.to(self.dtype).t()
        self._blocks = [_GPT2Block(block, self.dtype) for block in trunk.h]
        self.layers = len(self._blocks)

    def forward(self, ids: Tensor, padding: Tensor, cache: Cache) -> Tensor:
        positions, mask = self._places(ids, padding, cache)
        grid = Grid(padding, ids.shape[1])
        hidden = self._tokens[grid.pack(ids)] + self._positions[grid.pack(positions)]  # (tokens, width)
        for index, block in enumerate(self._blocks):
            mixed = grid.spread(_conv1d(self._norm(block.norm_1, hidden), block.attend))
            query, key, value = mixed.unflatten(-1, (3, self.heads, self.head_width)).permute(2, 0, 3, 1, 4)
            if index + 1 == self.layers:
                hidden, query, mask, grid = self._last_only(hidden, query, mask, grid)
            hidden = hidden + _conv1d(grid.pack(self._attend(query, key, value, mask, cache, index)), block.project)
            widened = self._activation(_conv1d(self._norm(block.norm_2, hidden), block.widen))
            hidden = hidden + _conv1d(widened, block.narrow)
        cache.length += ids.shape[1]
        return (self._norm(self._last_norm, hidden) @ self._head).float()

    def _norm(self, layer: torch.nn.LayerNorm, hidden: Tensor) -> Tensor:
        return F.layer_norm(hidden, layer.normalized_shape, layer.weight, layer.bias, self._epsilon).to(self.dtype)


class _GPT2Block:
    """One layer's weights: (weight, bias) of its four linear maps in the wanted type, and its two norms."""

    def __init__(self, block: Any, dtype: torch.dtype) -> None:
        def cast(layer: Any) -> tuple[Tensor, Tensor]:
            return layer.weight.to(dtype), layer.bias.to(dtype)

        self.attend, self.project = cast(block.attn.c_attn), cast(block.attn.c_proj)
        self.widen, self.narrow = cast(block.mlp.c_fc), cast(block.mlp.c_proj)
        self.norm_1, self.norm_2 = block.ln_1, block.ln_2


def _conv1d(x: Tensor, layer: tuple[Tensor, Tensor]) -> Tensor:
    """GPT-2's Conv1D: (tokens, in) to (tokens, out)."""
    weight, bias = layer
    return torch.addmm(bias, x, weight)


def is_plain_gpt2(model: Any, *, wrapped: Callable[[Any], Any] = lambda layer: layer) -> bool:
    """Whether this is GPT-2 as it was published, with nothing around its layers but what ``wrapped`` takes off."""
    if not isinstance(model, GPT2LMHeadModel):
        return False
    config = model.config
    return (
        not config.add_cross_attention
        and not config.scale_attn_by_inverse_layer_idx
        and config.scale_attn_weights
        and config.activation_function in ACTIVATIONS
        and all(type(wrapped(block.attn.c_attn)) is Conv1D for block in model.transformer.h)
    )


class _Llama(Network):
    """Llama (Touvron et al. 2023) and Qwen2, which adds biases to queries, keys and values."""

    def __init__(self, model: LlamaForCausalLM | Qwen2ForCausalLM, *, bf16: bool) -> None:
        trunk, config = model.model, model.config
        self.dtype = torch.bfloat16 if bf16 else trunk.embed_tokens.weight.dtype
        self.device = trunk.embed_tokens.weight.device
        self.heads, self.key_heads = config.num_attention_heads, config.num_key_value_heads
        self.head_width = _head_width(config)
        self.context = config.max_position_embeddings
        self._activation = ACTIVATIONS[config.hidden_act]
        self._tokens, self._rotation = trunk.embed_tokens.weight, trunk.rotary_emb
        self._last_norm = trunk.norm
        self._head = model.lm_head.weight.to(self.dtype)
        self._blocks = [_LlamaBlock(block, self.dtype) for block in trunk.layers]
        self.layers = len(self._blocks)

    def forward(self, ids: Tensor, padding: Tensor, cache: Cache) -> Tensor:
        positions, mask = self._places(ids, padding, cache)
        grid = Grid(padding, ids.shape[1])
        hidden = self._tokens[grid.pack(ids)]  # (tokens, width)
        cosine, sine = (x[:, None] for x in self._rotation(hidden, positions))  # (batch, 1, time, head width)
        for index, block in enumerate(self._blocks):
            normed = self._norm(block.norm_1, hidden)
            query, key, value = (
                grid.spread(_linear(normed, layer)).unflatten(-1, (-1, self.head_width)).transpose(1, 2)
                for layer in block.attend
            )
            query, key = (rotated(x, cosine, sine).to(self.dtype) for x in (query, key))
            if index + 1 == self.layers:
                hidden, query, mask, grid = self._last_only(hidden, query, mask, grid)
            hidden = hidden + _linear(grid.pack(self._attend(query, key, value, mask, cache, index)), block.project)
            normed = self._norm(block.norm_2, hidden)
            gated = self._activation(_linear(normed, block.gate)) * _linear(normed, block.widen)
            hidden = hidden + _linear(gated, block.narrow)
        cache.length += ids.shape[1]
        return (self._norm(self._last_norm, hidden) @ self._head.t()).float()

    def _norm(self, layer: Any, hidden: Tensor) -> Tensor:
        """Root mean square normalisation (Zhang and Sennrich 2019), in float32."""
        wide = hidden.float()
        scale = torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + layer.variance_epsilon)
        return (layer.weight * (wide * scale).to(hidden.dtype)).to(self.dtype)


class _LlamaBlock:
    """One layer's weights: (weight, bias or None) of its linear maps in the wanted type, and its two norms."""

    def __init__(self, block: Any, dtype: torch.dtype) -> None:
        def cast(layer: torch.nn.Linear) -> tuple[Tensor, Tensor | None]:
            return layer.weight.to(dtype), None if layer.bias is None else layer.bias.to(dtype)

        attention, mlp = block.self_attn, block.mlp
        self.attend = [cast(layer) for layer in (attention.q_proj, attention.k_proj, attention.v_proj)]
        self.project = cast(attention.o_proj)
        self.gate, self.widen, self.narrow = (cast(layer) for layer in (mlp.gate_proj, mlp.up_proj, mlp.down_proj))
        self.norm_1, self.norm_2 = block.input_layernorm, block.post_attention_layernorm


def _linear(x: Tensor, layer: tuple[Tensor, Tensor | None]) -> Tensor:
    return F.linear(x, *layer)


def rotated(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Rotary positions (Su et al. 2021): the halves of each head's width are the two coordinates."""
    first, second = x.chunk(2, dim=-1)
    return x * cosine + torch.cat((-second, first), dim=-1) * sine


def _head_width(config: Any) -> int:
    return int(getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads)


def is_plain_llama(
    model: LlamaForCausalLM | Qwen2ForCausalLM, *, wrapped: Callable[[Any], Any] = lambda layer: layer
) -> bool:
    """Every layer sees all that came before; no linear map is quantised, or wrapped but as ``wrapped`` takes it off."""
    config = model.config
    linear = torch.nn.Linear
    return (
        config.hidden_act in ACTIVATIONS
        and set(getattr(config, "layer_types", None) or ["full_attention"]) == {"full_attention"}
        and all(
            type(wrapped(layer)) is linear
            for block in model.model.layers
            for part in (block.self_attn, block.mlp)
            for name, layer in part.named_children()
            if name.endswith("_proj")
        )
    )
