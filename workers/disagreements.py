"""Puts before annotators what a PPO run showed its reward model to be wrong about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from training.config import DecodingSettings, PPOSettings, to_json
from training.disagreements import Disagreement, completions_of, disagreements
from training.models import bf16_pays, load
from training.prompting import format_prompt
from training.rollout import Decoder
from webapp.catalog.actions import NewSample, add_samples
from webapp.catalog.models import ModelVersion, Prompt, Sample
from webapp.feedback.actions import create_comparisons
from webapp.runs.models import Run
from workers.dispatch import send_unchecked
from workers.text import storable

PRIORITY = 100.0
"""Before the pairs that are there for other reasons."""
_DRAWS = 4
"""Tries to get another completion from the aligned model, the first of them greedy."""

Pair = tuple[NewSample, NewSample]


def disputed_pairs(run: Run, folder: Path, model: Path, settings: PPOSettings) -> list[Pair]:
    """The completions of the run on which ratings and tests disagree most, each beside another of its prompt.

    Where the run drew no other, the aligned model does; a prompt to which it knows one answer only is left out.
    """
    found = disagreements(completions_of(folder), settings.disagreements)
    if not found:
        return []
    network, tokenizer = load(model)
    rows = Prompt.objects.filter(project=run.project, split="train").order_by("-pk").only("pk", "text", "signature")
    prompts = {format_prompt(tokenizer, row.text, row.signature): row.pk for row in rows}
    draws = _Draws(prompts, settings)
    found = [one for one in found if one.prompt in prompts]
    others = draws.others(found, Decoder(network, tokenizer, bf16=bf16_pays()))
    return [(draws.disputed(one), others[one.prompt]) for one in found if one.prompt in others]


def put_before_annotators(run: Run, model: ModelVersion, pairs: Sequence[Pair]) -> None:
    """Store the completions as those of the run's model, which made them or was in the making, and their pairs."""
    ids = add_samples(model, [sample for pair in pairs for sample in pair])
    rows = Sample.objects.select_related("prompt").in_bulk(ids)
    create_comparisons(
        run.project,
        [(rows[first], rows[second]) for first, second in zip(ids[::2], ids[1::2], strict=True)],
        priority=PRIORITY,
    )
    send_unchecked(ids)


class _Draws:
    """Makes samples of completions; ``prompts`` are the ids by text."""

    def __init__(self, prompts: Mapping[str, int], settings: PPOSettings) -> None:
        self.prompts, self.settings = prompts, settings

    def disputed(self, one: Disagreement) -> NewSample:
        return self._rollout(one.prompt, one.completion, one.finished, one.update)

    def others(self, found: Sequence[Disagreement], decoder: Decoder) -> dict[str, NewSample]:
        """By prompt another completion than the disputed one, as far as there is any."""
        others = {
            one.prompt: self._rollout(one.prompt, one.other["completion"], one.other["finished"], one.other["update"])
            for one in found
            if one.other is not None
        }
        for draw in range(_DRAWS):
            waiting = [one for one in found if one.prompt not in others]
            if not waiting:
                break
            chosen = DecodingSettings(
                max_new_tokens=self.settings.response_length,
                temperature=self.settings.temperature if draw else 0.0,
                seed=(self.settings.seed + draw) % 2**31,
            )
            answers = decoder.complete([one.prompt for one in waiting], chosen)
            for one, answer in zip(waiting, answers, strict=True):
                if (text := storable(answer.text)) != storable(one.completion):
                    others[one.prompt] = NewSample(
                        self.prompts[one.prompt], text, chosen.seed, to_json(chosen), answer.finished
                    )
        return others

    def _rollout(self, prompt: str, text: str, finished: bool, update: int) -> NewSample:
        drawn = {"temperature": self.settings.temperature, "update": update}
        return NewSample(self.prompts[prompt], storable(text), self.settings.seed, drawn, bool(finished))
