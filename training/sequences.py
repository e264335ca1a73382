"""How far one model is from another along given completions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch


@torch.no_grad()
def completion_divergences(
    model: Any,
    reference: Any,
    prompts: Sequence[Sequence[int]],
    completions: Sequence[Sequence[int]],
    *,
    batch_size: int = 16,
) -> list[float]:
    """KL(model || reference) of each completion in nats: over the whole vocabulary, summed over its positions.

    Unlike a difference of log-probabilities it is never negative, and says the same however the
    completions were decoded: how differently the models would go on from each of their prefixes.
    Rows are padded on the right, where a causal model does not look, so that positions need no care.
    """
    order = sorted(range(len(prompts)), key=lambda index: len(prompts[index]) + len(completions[index]))
    found: dict[int, float] = {}
    for start in range(0, len(order), batch_size):
        chosen = order[start : start + batch_size]
        rows = [[*prompts[index], *completions[index]] for index in chosen]
        ours, theirs = _log_distributions(model, rows), _log_distributions(reference, rows)
        divergence = (ours.exp() * (ours - theirs)).sum(-1)  # (batch, time - 1)
        for index, values in zip(chosen, divergence, strict=True):
            first = len(prompts[index]) - 1
            found[index] = max(0.0, float(values[first : first + len(completions[index])].sum()))
    return [found[index] for index in range(len(prompts))]


def _log_distributions(model: Any, rows: list[list[int]]) -> torch.Tensor:
    """Of the tokens from the second on, given those before: (batch, time - 1, vocabulary)."""
    device = next(model.parameters()).device
    width = max(map(len, rows))
    ids = torch.tensor([row + [0] * (width - len(row)) for row in rows], device=device)  # (batch, time)
    attention = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows], device=device)
    logits = model(input_ids=ids, attention_mask=attention, use_cache=False).logits[:, :-1]
    return logits.float().log_softmax(-1)
