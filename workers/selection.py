"""After a reward model's training: the project's open pairs, those first on which its members disagree most.

The order is computed in the run's own process, which has the model at hand, and stored in the transaction that ends
the run.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from webapp.catalog.models import Project
from webapp.feedback.actions import MOST_PRIORITIES, set_priorities
from webapp.feedback.models import Comparison
from webapp.runs.actions import append_event
from webapp.runs.models import Run

if TYPE_CHECKING:
    from training.reward_ensemble import RewardModel
    from training.selection import Candidate

MOST = 2_000
"""Pairs that are scored after one run, drawn from all open ones; a small model needs a minute or two for them."""
assert MOST <= MOST_PRIORITIES

Commit = Callable[[Run], None]


def order(project: Project, reward_model: Path, *, backbone: Path, seed: int) -> dict[int, float]:
    """A priority for each open pair of the project, at most ``MOST``; the seed draws them where there are more."""
    from training.reward_ensemble import RewardModel
    from training.selection import priorities, ranked

    pairs = _open_pairs(project, seed)
    if not pairs:
        return {}
    model = RewardModel.load(reward_model, backbone=backbone)
    return priorities(ranked(_candidates(pairs, model)))


def ordering(commit: Commit, order: dict[int, float]) -> Commit:
    """What ``commit`` writes, and then the new order; the run's events say how many pairs got another place."""

    def both(run: Run) -> None:
        commit(run)
        if changed := set_priorities(run.project, order, by=run.created_by):
            append_event(run, "prioritised", {"count": changed})

    return both


def _open_pairs(project: Project, seed: int) -> list[Comparison]:
    rows = Comparison.objects.filter(project=project, is_gold=False, open_slots__gt=0)
    keys = list(rows.order_by("pk").values_list("pk", flat=True))
    if len(keys) > MOST:
        keys = random.Random(f"pairs:{seed}").sample(keys, MOST)  # noqa: S311
    found = Comparison.objects.filter(pk__in=keys).select_related("prompt", "sample_a", "sample_b")
    return list(found.defer("prompt__task").order_by("pk"))


def _candidates(pairs: Sequence[Comparison], model: RewardModel) -> list[Candidate]:
    """The pairs with the members' scores; without those that are too long for the model."""
    from training.models import context_length
    from training.prompting import format_prompt
    from training.reward_ensemble import encoded
    from training.selection import Candidate

    prompts = {
        pair.prompt_id: format_prompt(model.tokenizer, pair.prompt.text, pair.prompt.signature) for pair in pairs
    }
    samples = {sample.pk: sample for pair in pairs for sample in (pair.sample_a, pair.sample_b)}
    texts = {pk: (prompts[sample.prompt_id], sample.text) for pk, sample in samples.items()}
    lengths = map(len, encoded(model.tokenizer, list(texts.values())))
    longest = context_length(model.ensemble.model)
    fitting = {pk: text for (pk, text), length in zip(texts.items(), lengths, strict=True) if length <= longest}
    scores = (
        dict(zip(fitting, model.score_members(*zip(*fitting.values(), strict=True)), strict=True)) if fitting else {}
    )
    return [
        Candidate(
            key=pair.pk,
            prompt=prompts[pair.prompt_id],
            code_a=pair.sample_a.text,
            code_b=pair.sample_b.text,
            differences=tuple(b - a for a, b in zip(scores[pair.sample_a_id], scores[pair.sample_b_id], strict=True)),
        )
        for pair in pairs
        if pair.sample_a_id in scores and pair.sample_b_id in scores
    ]
