"""Log-probabilities of given completions under a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch


@torch.no_grad()
def completion_log_probabilities(
    model: Any, prompts: Sequence[Sequence[int]], completions: Sequence[Sequence[int]], *, batch_size: int = 32
) -> list[list[float]]:
    """Natural log-probability of each completion token after its prompt, in order.

    Rows are padded on the right, where a causal model does not look, so that positions need no care.
    """
    order = sorted(range(len(prompts)), key=lambda index: len(prompts[index]) + len(completions[index]))
    found: dict[int, list[float]] = {}
    for start in range(0, len(order), batch_size):
        chosen = order[start : start + batch_size]
        rows = [[*prompts[index], *completions[index]] for index in chosen]
        for index, values in zip(chosen, _log_probabilities(model, rows), strict=True):
            first = len(prompts[index]) - 1
            found[index] = values[first : first + len(completions[index])]
    return [found[index] for index in range(len(prompts))]


def _log_probabilities(model: Any, rows: list[list[int]]) -> list[list[float]]:
    """Of each row's tokens from the second on, given those before."""
    device = next(model.parameters()).device
    width = max(map(len, rows))
    ids = torch.tensor([row + [0] * (width - len(row)) for row in rows], device=device)  # (batch, time)
    attention = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows], device=device)
    logits = model(input_ids=ids, attention_mask=attention, use_cache=False).logits[:, :-1].float()
    picked = logits.log_softmax(-1).gather(-1, ids[:, 1:, None])[..., 0]  # (batch, time - 1)
    return [values[: len(row) - 1] for values, row in zip(picked.tolist(), rows, strict=True)]
