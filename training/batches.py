"""The order of examples, fixed by the seed before training starts: what was killed goes on with the same batches."""

from __future__ import annotations

import math
from collections.abc import Sequence
from random import Random

_MEGABATCH = 4
"""Batches whose examples are sorted by length together. More pads less, but makes each batch of one family."""


def batch_order(lengths: Sequence[int], batch_size: int, epochs: float, seed: int) -> list[int]:
    """Indices of the examples of all epochs, in order: batches hold like lengths and come shuffled."""
    order: list[int] = []
    wanted = math.ceil(len(lengths) * epochs)
    for epoch in range(math.ceil(epochs)):
        rng = Random(f"{seed}/{epoch}")  # noqa: S311 - an order, no secret
        indices = list(range(len(lengths)))
        rng.shuffle(indices)
        batches = [
            batch
            for start in range(0, len(indices), batch_size * _MEGABATCH)
            for batch in _batches(indices[start : start + batch_size * _MEGABATCH], lengths, batch_size)
        ]
        # A batch that is not full comes last in its epoch, lest it shift the ones after it.
        batches.sort(key=lambda batch: (len(batch) < batch_size, rng.random()))
        order.extend(index for batch in batches for index in batch)
    return order[:wanted]


def _batches(indices: list[int], lengths: Sequence[int], batch_size: int) -> list[list[int]]:
    indices = sorted(indices, key=lambda index: -lengths[index])
    return [indices[start : start + batch_size] for start in range(0, len(indices), batch_size)]
