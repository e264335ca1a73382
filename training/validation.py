"""Tasks that PPO never trains on: asked now and then, they say which of its adapters is the best."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from training.config import DecodingSettings, PPOSettings
from training.curriculum.task import Task
from training.evidence import TestReward, passes
from training.ppo import PPOTrainer
from training.prompting import encode_all, format_prompt
from training.reporting import gathered
from training.rollout import Decoder, PromptError

_LARGEST_SHARE = 5
"""At most one training task in so many is kept out."""


def keep_out(
    tasks: Sequence[Task], settings: PPOSettings, given: Sequence[Task] | None = None
) -> tuple[list[Task], list[Task]]:
    """The tasks to train on, and those to validate with; which they are follows from their keys alone.

    Of the latter up to half are taken from those that are ``given``, such as tasks in unseen wordings. No task is in
    both parts.
    """
    wanted = settings.validation_prompts
    if wanted == 0:
        return list(tasks), []
    others = _in_order(given or ())[: wanted // 2]
    candidates = _in_order(tasks)
    own = candidates[: min(wanted - len(others), len(candidates) // _LARGEST_SHARE)]
    taken = {task.key for task in (*own, *others)}
    return [task for task in tasks if task.key not in taken], [*own, *others]


class Validation:
    """The kept-out tasks, ready to be put to a policy."""

    def __init__(self, tasks: Sequence[Task], tests: TestReward) -> None:
        self.tasks, self.tests = list(tasks), tests
        self.digest = hashlib.sha256(json.dumps([task.key for task in tasks]).encode()).hexdigest()
        """Two figures can be compared where this is the same."""

    def check(self, tokenizer: Any, *, room: int) -> None:
        """PromptError if a prompt leaves no room for its completion."""
        for task, ids in zip(self.tasks, encode_all(tokenizer, self._prompts(tokenizer)), strict=True):
            if len(ids) > room:
                raise PromptError(
                    f"validation task {task.key} has a prompt of {len(ids)} tokens; with the completion only {room} "
                    "fit into the model's context: leave it out or lower response_length"
                )

    def full(self, trainer: PPOTrainer) -> float:
        """The share of the tasks all of whose tests the present policy's greedy answers pass.

        Of several processes each answers its share; all must call this, and all are told the same.
        """
        mine = range(trainer.args.process_index, len(self.tasks), trainer.args.world_size)
        tasks = [self.tasks[number] for number in mine]
        prompts = self._prompts(trainer.processing_class)
        settings = DecodingSettings(
            max_new_tokens=trainer.args.response_length,
            temperature=0.0,
            batch_size=trainer.args.batch_size // trainer.args.world_size,
        )
        decoder = Decoder(trainer.decoder.refresh(), trainer.processing_class, bf16=trainer.args.bf16)
        answers = decoder.complete([prompts[number] for number in mine], settings)
        results = self.tests.results_of([answer.text for answer in answers], tasks)
        passed = gathered([passes(result) for result in results])
        return sum(passed) / len(passed)

    def _prompts(self, tokenizer: Any) -> list[str]:
        return [format_prompt(tokenizer, task.text, task.signature) for task in self.tasks]


def _in_order(tasks: Sequence[Task]) -> list[Task]:
    """Each key's first task, in an order that looks like none and is always the same."""
    first = {task.key: task for task in reversed(tasks)}
    return sorted(first.values(), key=lambda task: hashlib.sha256(task.key.encode()).digest())
