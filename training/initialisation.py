"""Weights to begin with for a GPT-2 that has to learn to copy within minutes.

A description's names have to appear in the code, names never seen before included. What does this in a transformer is
a pair of attention heads (an *induction head*, Olsson et al. 2022, "In-context learning and induction heads"): one in
the first layer looks at the previous token and notes it down at its own place; one in the second layer looks for the
place that noted the present token, and says what stands there. From random weights that pair takes millions of tokens
to appear. Here it is there from the first step, written into the weights in the spirit of Trockman and Kolter 2023
("Mimetic initialization of self-attention layers"), and training goes on from it as it likes. The architecture is
GPT-2's, so any tool loads the result.

How the width of the residual stream is used at the start: the last ``head`` places hold the position as sines and
cosines, the ``head`` places before them what the first layer notes down, the others the token. Not the whole model is
written: all other heads and layers are random.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from transformers import GPT2LMHeadModel

_TOKEN_STD = 0.1
"""Of the token part of an embedding; GPT-2's 0.02 makes the first hundred steps pass with its growth alone."""
_QUIET = 0.1
"""The token embeddings' share of that where notes and positions are written."""
_GAIN = 0.64
"""Standard deviation of the other matrices, times the square root of the width."""
_PREVIOUS_PEAK, _MATCH_PEAK = 13.5, 8.0
"""Attention scores, before the softmax, of the previous token and of a match alone in its place."""
_NOTE = 0.1
"""How loud the note of the previous token is, beside the token itself."""
_COPY = 0.3
"""How loud each copying head is at first."""
_COPYING_HEADS = 3


@torch.no_grad()
def write_induction_heads(model: GPT2LMHeadModel, *, seed: int) -> None:
    """Give a new GPT-2 of two layers or more its induction heads, in place.

    One head of the first layer looks at the previous token, up to three of the second layer copy (one stays random).
    A model too small for it (one layer, fewer than three heads, heads whose width four does not divide) keeps the
    weights it has, and so does one without weights (on the device ``meta``).
    """
    config = model.config
    width, head = config.n_embd, config.n_embd // config.n_head
    if config.n_layer < 2 or config.n_head < 3 or head % 4 or model.device.type == "meta":
        return
    generator = torch.Generator().manual_seed(seed)
    frequencies = _frequencies(head // 2, config.n_positions)
    _draw_others(model, generator)
    model.transformer.wpe.weight.copy_(_positions(config.n_positions, width, frequencies))

    match = _orthogonal(width - 2 * head, head, generator)  # the token, as queries and notes have it
    match = torch.cat([match, torch.zeros(2 * head, head)])  # (width, head)
    noted = torch.zeros(width, head)
    noted[width - 2 * head : width - head] = torch.eye(head)
    # Normed, each place holds about one; a score is a product of two vectors of ``head`` places over its root.
    sharp, sharper = (math.sqrt(peak / math.sqrt(head)) for peak in (_PREVIOUS_PEAK, _MATCH_PEAK))
    first, second = (model.transformer.h[index].attn for index in (0, 1))
    _write_head(
        first,
        0,
        query=sharp * _turned(width, frequencies),
        key=sharp * _turned(width, torch.zeros_like(frequencies)),
        value=match,
        output=_NOTE * noted.T,
    )
    for index in range(min(_COPYING_HEADS, config.n_head - 1)):
        carried = _orthogonal(width - 2 * head, head, generator)
        carried = torch.cat([carried, torch.zeros(2 * head, head)])
        _write_head(second, index, query=sharper * match, key=sharper * noted, value=carried, output=_COPY * carried.T)


def _draw_others(model: GPT2LMHeadModel, generator: torch.Generator) -> None:
    width, head = model.config.n_embd, model.config.n_embd // model.config.n_head
    for block in model.transformer.h:
        for matrix in (block.attn.c_attn, block.mlp.c_fc):
            matrix.weight.normal_(0.0, _GAIN / math.sqrt(width), generator=generator)
        for matrix in (block.attn.c_proj, block.mlp.c_proj):  # nothing is written but by the heads below
            matrix.weight.zero_()
    embedding = model.transformer.wte.weight  # (vocabulary, width); the output layer is the same
    embedding.normal_(0.0, _TOKEN_STD, generator=generator)
    embedding[:, width - 2 * head :] *= _QUIET


def _frequencies(count: int, context: int) -> Tensor:
    """Half of them fast, evenly spread, to tell neighbours apart; half slow, down to one turn in the whole context."""
    fast = count // 2
    slow = count - fast
    return torch.cat([torch.linspace(0.1, 3.0, fast), float(context) ** -(torch.arange(slow) / slow)])


def _positions(context: int, width: int, frequencies: Tensor) -> Tensor:
    """Position embeddings (context, width): zero, then sines, then cosines, as loud as a token's embedding."""
    angles = torch.arange(context, dtype=torch.float32)[:, None] * frequencies
    waves = torch.cat([angles.sin(), angles.cos()], dim=1) * _TOKEN_STD * math.sqrt(2)
    return torch.cat([torch.zeros(context, width - waves.shape[1]), waves], dim=1)


def _turned(width: int, frequencies: Tensor) -> Tensor:
    """(width, head) to read the position one place to the left, or as it is where the frequencies are zero."""
    cosine, sine = torch.diag(frequencies.cos()), torch.diag(frequencies.sin())
    # sin(w(t - 1)) = sin(wt) cos(w) - cos(wt) sin(w), and cos(w(t - 1)) = sin(wt) sin(w) + cos(wt) cos(w)
    turn = torch.cat([torch.cat([cosine, sine], dim=1), torch.cat([-sine, cosine], dim=1)])
    return torch.cat([torch.zeros(width - len(turn), len(turn)), turn])


def _orthogonal(rows: int, columns: int, generator: torch.Generator) -> Tensor:
    drawn = torch.randn(max(rows, columns), min(rows, columns), generator=generator)
    basis = torch.linalg.qr(drawn).Q
    return basis if rows >= columns else basis.T


def _write_head(attention: object, index: int, *, query: Tensor, key: Tensor, value: Tensor, output: Tensor) -> None:
    """Queries, keys and values as (width, head), the output as (head, width), of one head of GPT-2's attention."""
    width, head = query.shape
    joint, back = attention.c_attn.weight, attention.c_proj.weight  # type: ignore[attr-defined]
    for offset, matrix in enumerate((query, key, value)):
        start = offset * width + index * head
        joint[:, start : start + head] = matrix
    back[index * head : (index + 1) * head] = output
