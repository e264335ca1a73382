"""What each kind of run can be set to.

``Run.config`` is the JSON of one of these, complete, so a worker reads it back with
``read(CONFIGS[run.kind], run.config)``. Kinds with one group of settings keep them at the top
(``{"learning_rate": ...}``); supervised training and generation have several and keep the stage's
own below ``settings``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from training.config import (
    DecodingSettings,
    EvaluationSettings,
    ModelSettings,
    PPOSettings,
    RewardModelSettings,
    SettingsError,
    SFTSettings,
    TaskSettings,
    read,
    setting,
)
from webapp.runs.models import Run


@dataclass(frozen=True)
class SFTConfig:
    """Supervised training: ``{"settings": …, "model": …, "tasks": …}``."""

    settings: SFTSettings = field(default_factory=SFTSettings)
    model: ModelSettings = field(default_factory=ModelSettings)
    tasks: TaskSettings = field(default_factory=TaskSettings)


@dataclass(frozen=True)
class GenerateConfig:
    """Generation: ``count`` completions for each of the first ``prompts`` prompts of ``split``."""

    settings: DecodingSettings = field(default_factory=DecodingSettings)
    count: int = setting(2, low=1, high=64)
    prompts: int = setting(240, low=1, high=100_000)
    split: str = setting("train")


CONFIGS: dict[str, type[Any]] = {
    Run.Kind.SFT: SFTConfig,
    Run.Kind.GENERATE: GenerateConfig,
    Run.Kind.REWARD_MODEL: RewardModelSettings,
    Run.Kind.PPO: PPOSettings,
    Run.Kind.EVALUATE: EvaluationSettings,
}


def read_config(kind: str, config: Mapping[str, Any], *, seed: int = 0) -> Any:
    """The kind's settings, every range checked; ``seed`` stands in where the config names none.

    SettingsError maps each field, dotted as in ``reward.tests_weight``, to one sentence.
    """
    if kind not in CONFIGS:
        raise SettingsError({"kind": f"must be one of {', '.join(CONFIGS)}, not {kind!r}"})
    chosen = read(CONFIGS[kind], _with_seed(kind, config, seed))
    if isinstance(chosen, PPOSettings):
        _check_batches(chosen)
    return chosen


def seed_of(config: Any) -> int:
    """The seed that the run itself uses."""
    group = config.settings if isinstance(config, (SFTConfig, GenerateConfig)) else config
    return int(group.seed)


def _with_seed(kind: str, config: Mapping[str, Any], seed: int) -> dict[str, Any]:
    values = dict(config)
    if kind not in {Run.Kind.SFT, Run.Kind.GENERATE}:
        return {"seed": seed} | values
    group = values.get("settings", {})
    if isinstance(group, Mapping):
        values["settings"] = {"seed": seed} | dict(group)
    return values


def _check_batches(settings: PPOSettings) -> None:
    """A part of a batch can't be larger than the batch."""
    problems: dict[str, str] = {}
    if settings.mini_batch_size > settings.batch_size:
        problems["mini_batch_size"] = f"must be at most {settings.batch_size:g}, not {settings.mini_batch_size:g}"
    if settings.micro_batch_size > settings.mini_batch_size:
        problems["micro_batch_size"] = (
            f"must be at most {settings.mini_batch_size:g}, not {settings.micro_batch_size:g}"
        )
    if problems:
        raise SettingsError(problems)
