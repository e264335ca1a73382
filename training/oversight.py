"""Ties a PPO run to its guards and its validation split: what they say is logged, kept in checkpoints, and obeyed.

Of several processes all take part, and all come to the same end: what each saw of its own completions is gathered.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from training import ppo_files
from training.config import GuardSettings
from training.guards import Alarm, Guards, Paused, Seen, measured, seen
from training.models import context_length
from training.ppo import PPOTrainer
from training.reporting import gathered
from training.validation import Validation

STATE = "oversight.json"
BEST = "best.safetensors"
"""The best adapter so far, in a checkpoint of a later one."""


class Oversight(TrainerCallback):
    """Adds to each update's log, stops the run at an alarm, and keeps the best adapter. It goes before the reporter.

    A checkpoint holds all of it: a run that is killed goes on with the same numbers, and one that was killed between
    its alarm and whoever was to record it is paused by the same alarm.
    """

    def __init__(
        self,
        settings: GuardSettings,
        validation: Validation | None,
        *,
        every: int,
        disarmed: Collection[str] = (),
    ) -> None:
        self.guards = Guards(settings, disarmed)
        self.validation, self.every = validation, every
        self.alarms: list[Alarm] = []
        self.figures: dict[int, float] = {}
        """The share of the validation split that passes all tests, by update."""
        self.best_update = 0
        self.best: dict[str, Tensor] | None = None
        self._trainer: PPOTrainer | None = None

    def watch(self, trainer: PPOTrainer) -> None:
        """The trainer whose callback this is."""
        self._trainer = trainer
        if self.validation is not None:
            room = context_length(trainer.model.policy) - trainer.args.response_length
            self.validation.check(trainer.processing_class, room=room)

    def obey(self) -> None:
        """Paused, where an alarm has stopped the run and still stands."""
        if alarms := [alarm for alarm in self.alarms if self.guards.stands(alarm)]:
            raise Paused(alarms)
        self.alarms = []

    def summary(self) -> dict[str, Any]:
        """What the result tells of it."""
        if self.validation is None or self.best is None:
            return {}
        shown = {"tasks": len(self.validation.tasks), "full": {str(key): value for key, value in self.figures.items()}}
        return {"best_update": self.best_update, "validation": shown}

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """The update's log is complete but for this: the callbacks behind this one see it whole."""
        del control, kwargs
        if not logs or "update" not in logs:
            return
        update, last = int(logs["update"]), state.global_step >= state.max_steps
        found = measured(gathered(self._seen(update)))
        if self.validation is not None and (last or update == 1 or update % self.every == 0):
            found["validation_full"] = self._validate(self.validation, update)
        alarms = self.guards.see(update, {**logs, **found})
        # A run that has ended has nothing left to stop.
        self.alarms = [] if last else alarms
        logs.update(found)
        state.log_history[-1].update(found)

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> TrainerControl:
        del args, state, kwargs
        if self.alarms:
            control.should_save = control.should_training_stop = True
        return control

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        del control, kwargs
        if not state.is_world_process_zero:
            return
        checkpoint = Path(args.output_dir or "") / f"checkpoint-{state.global_step}"
        (checkpoint / STATE).write_text(json.dumps(self._state()))
        if self.best is not None:
            save_file(self.best, str(checkpoint / BEST))

    def load(self, checkpoint: Path) -> None:
        """Go on from what a checkpoint holds; one without any of it is of a run that was not watched."""
        if not (checkpoint / STATE).exists():
            return
        state = json.loads((checkpoint / STATE).read_text())
        self.guards.load_state_dict(state["guards"])
        self.alarms = [Alarm.from_json(alarm) for alarm in state["alarms"]]
        if self.validation is not None and state["validation"] == self.validation.digest:
            self.figures = {int(update): value for update, value in state["figures"].items()}
            self.best_update = state["best_update"]
            self.best = load_file(str(checkpoint / BEST)) if (checkpoint / BEST).exists() else None

    def _state(self) -> Mapping[str, Any]:
        return {
            "guards": self.guards.state_dict(),
            "alarms": [alarm.to_json() for alarm in self.alarms],
            "validation": None if self.validation is None else self.validation.digest,
            "figures": self.figures,
            "best_update": self.best_update,
        }

    def _validate(self, validation: Validation, update: int) -> float:
        assert self._trainer is not None
        full = validation.full(self._trainer)
        if self.best is None or full >= least_like_best([*self.figures.values(), full], len(validation.tasks)):
            weights = self._trainer.policy_weights()
            self.best = {name: weight.detach().cpu().clone().contiguous() for name, weight in weights.items()}
            self.best_update = update
        self.figures[update] = full
        return full

    def _seen(self, update: int) -> list[Seen]:
        """This process's completions of the update, as it has just written them down."""
        assert self._trainer is not None
        args, rows = self._trainer.args, self._trainer.prompts.rows
        file = ppo_files.completions_file(Path(args.output_dir or ""), update, args.process_index, args.world_size)
        found = ppo_files.read_completions(file)
        return [seen(row, str(rows[row["row"]].get("family") or "")) for row in found]


def least_like_best(shares: Sequence[float], tasks: int) -> float:
    """The least share of so many tasks that is as good as the best one: at most one standard error below it.

    Of adapters that the tasks can't tell apart the last was rewarded for longest, for what tests don't see as well (the
    one standard error rule, Breiman et al. 1984, section 3.4.3). The error is that of a share with two more tasks
    solved and two more failed (Agresti and Coull 1998), so that a perfect one has an error too.
    """
    best = max(shares)
    share, count = (best * tasks + 2) / (tasks + 4), tasks + 4
    return best - math.sqrt(share * (1 - share) / count)
