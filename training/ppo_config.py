"""Settings of PPO, with TRL's names."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

import torch
from transformers import TrainingArguments

from training import advantages, models


@dataclass
class PPOConfig(TrainingArguments):
    """Settings of ``PPOTrainer``, with TRL's names.

    ``per_device_train_batch_size`` is the most rows of one forward and backward pass; it changes speed and memory,
    not results. ``save_steps`` counts optimiser steps and must fall on the end of an update.
    """

    num_updates: int = field(default=60, metadata={"help": "Rollout phases."})
    batch_size: int = field(default=128, metadata={"help": "Rollouts an update, over all processes."})
    mini_batch_size: int = field(default=64, metadata={"help": "Rollouts an optimiser step, over all processes."})
    num_ppo_epochs: int = field(default=2, metadata={"help": "Passes over an update's rollouts."})
    response_length: int = field(default=128, metadata={"help": "Most tokens of a completion."})
    temperature: float = field(default=1.0, metadata={"help": "Of rollouts and of every log-probability."})
    missing_eos_penalty: float = field(default=1.0, metadata={"help": "Taken off a completion without EOS."})
    reward_weights: list[float] | None = field(default=None, metadata={"help": "One a reward function; 1 each."})
    kl_coef: float = field(default=0.03, metadata={"help": "Weight of the KL to the reference in the reward."})
    kl_estimator: str = field(default="k1", metadata={"help": "k1 or k3."})
    adaptive_kl: bool = field(default=False, metadata={"help": "Steer kl_coef towards target_kl."})
    target_kl: float = field(default=0.0, metadata={"help": "Mean KL a sequence to aim at, in nats."})
    kl_horizon: int = field(default=10_000, metadata={"help": "The controller's horizon, in rollouts."})
    max_update_kl: float = field(
        default=0.0, metadata={"help": "Mean KL a token (old to new) past which an update ends early; 0 is never."}
    )
    cliprange: float = field(default=0.2, metadata={"help": "Clip range of the policy's ratio."})
    cliprange_value: float = field(default=0.2, metadata={"help": "Clip range of the value."})
    vf_coef: float = field(default=0.1, metadata={"help": "Weight of the value loss."})
    gamma: float = field(default=1.0, metadata={"help": "Discount."})
    lam: float = field(default=0.95, metadata={"help": "Lambda of the advantage estimation."})
    value_pretraining_updates: int = field(default=2, metadata={"help": "First updates that train the value alone."})
    imitation_coef: float = field(
        default=0.0, metadata={"help": "Weight of learning again from completions that beat their values; 0 is never."}
    )
    imitation_batch_size: int = field(default=32, metadata={"help": "Those an optimiser step, over all processes."})
    exploration_batches: int = field(
        default=0,
        metadata={"help": "Of rollouts before the first update, of which only the successes are learnt from."},
    )
    imitation_memory: int = field(default=4096, metadata={"help": "How many of the newest are kept."})
    lagging_column: str = field(
        default="",
        metadata={"help": "Draw more prompts of the groups, by this column, that score less; empty draws all alike."},
    )
    full_finetuning: bool = field(
        default=False, metadata={"help": "Train all weights, held to a frozen copy of the model; no LoRA."}
    )
    value_adapter: bool = field(
        default=False, metadata={"help": "Give the value a LoRA adapter of its own, beside the policy's."}
    )
    log_completions: bool = field(default=True, metadata={"help": "Write each update's completions as JSON lines."})
    print_completions: int = field(default=0, metadata={"help": "Updates between printed completions; 0 is never."})

    learning_rate: float = 5e-4
    lr_scheduler_type: str = "cosine"
    adam_epsilon: float = 1e-5
    bf16: bool = True
    per_device_train_batch_size: int = 32
    logging_strategy: str = "no"
    save_strategy: str = "no"
    remove_unused_columns: bool = False
    ddp_find_unused_parameters: bool | None = False

    def __post_init__(self) -> None:
        self._check()
        self.max_steps = self.num_updates * self.steps_per_update
        # On hardware that does not compute in bfloat16 it is many times slower than float32.
        self.bf16 = models.bf16_pays(self.bf16)
        # Where the bfloat16 is the CPU's, transformers wants to be told that a CPU is meant.
        if self.bf16 and not torch.cuda.is_available():
            self.use_cpu = True
        super().__post_init__()
        for name in ("batch_size", "mini_batch_size"):
            if getattr(self, name) % self.world_size:
                raise ValueError(f"{name} ({getattr(self, name)}) must be a multiple of {self.world_size} processes")

    @property
    def steps_per_update(self) -> int:
        return self.num_ppo_epochs * (self.batch_size // self.mini_batch_size)

    @property
    def told(self) -> list[str]:
        """The settings that a model card tells: those of PPO, and the optimiser's."""
        general = {item.name for item in fields(TrainingArguments)}
        own = [item.name for item in fields(self) if item.name not in general and "completions" not in item.name]
        return [*own, "learning_rate", "lr_scheduler_type", "weight_decay", "max_grad_norm", "bf16", "seed"]

    def _check(self) -> None:
        counts = ("num_updates", "batch_size", "mini_batch_size", "num_ppo_epochs", "response_length")
        for name in (*counts, "imitation_batch_size", "imitation_memory", "per_device_train_batch_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.batch_size % self.mini_batch_size:
            raise ValueError(
                f"batch_size ({self.batch_size}) must be a multiple of mini_batch_size ({self.mini_batch_size})"
            )
        if self.gradient_accumulation_steps != 1:
            raise ValueError("gradient_accumulation_steps must stay 1: mini_batch_size says what a step takes in")
        if self.exploration_batches and not self.imitation_coef:
            raise ValueError("exploration_batches only fill the memory that imitation_coef learns from: set both")
        if self.exploration_batches < 0:
            raise ValueError(f"exploration_batches must be at least 0, not {self.exploration_batches}")
        if self.imitation_coef < 0:
            raise ValueError(f"imitation_coef must be at least 0, not {self.imitation_coef}")
        if self.temperature <= 0:
            raise ValueError("temperature must be above 0: PPO learns from drawn completions, not from greedy ones")
        if self.adaptive_kl and self.target_kl <= 0:
            raise ValueError("adaptive_kl needs a target_kl above 0")
        if self.save_strategy == "steps" and int(self.save_steps) % self.steps_per_update:
            raise ValueError(
                f"save_steps ({self.save_steps}) must be a multiple of {self.steps_per_update}, "
                "the optimiser steps of one update: rollouts are not saved"
            )
        if self.full_finetuning and self.value_adapter:
            raise ValueError("value_adapter needs LoRA: choose either it or full_finetuning")
        if self.kl_estimator not in ("k1", "k3"):
            raise ValueError(f"unknown kl_estimator {self.kl_estimator!r}: choose k1 or k3")


def kl_controller(args: PPOConfig) -> advantages.KLController:
    """What weighs the KL, by the settings."""
    if args.adaptive_kl:
        return advantages.AdaptiveKLController(args.kl_coef, args.target_kl, args.kl_horizon)
    return advantages.FixedKLController(args.kl_coef)
