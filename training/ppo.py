"""PPO with LoRA on one frozen backbone, as a ``transformers.Trainer``.

    trainer = PPOTrainer("path/to/model", [reward], PPOConfig("out"), train_dataset=[{"prompt": "..."}, ...])
    trainer.train()
    merged = trainer.merged()

An *update* draws ``batch_size`` prompts, decodes one completion each, scores them with the reward functions, and
takes ``num_ppo_epochs`` times ``batch_size / mini_batch_size`` optimiser steps. The trainer's ``global_step``
counts optimiser steps. Everything that an update draws is a function of (seed, update, process), so a resumed run
goes on with the same numbers. Whether a completion was cut off is judged on the completion alone, masks go by
length, and old log-probabilities come from the very forward pass that is trained, never from the decoder.

Ouyang et al. 2022 (arXiv 2203.02155) is the method; the value head is trained alone for the first
``value_pretraining_updates`` (VC-PPO, arXiv 2503.01491). Not covered: tensor and sequence parallelism.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from peft import PeftConfig, PeftModel
from safetensors.torch import save_file
from torch import Tensor
from torch.utils.data import DataLoader
from transformers import (
    PreTrainedModel,
    PreTrainedTokenizerBase,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
    set_seed,
)

from training import adapters, advantages, models
from training.config import LoraSettings
from training.experience import Experience, Prompts, StepStatistics, cut, micro_batches, seed_for
from training.policy import PolicyWithValue, pad_rows
from training.rollout import generate_ids
from training.scoring import RewardFunction, Scored, Scorer

STATE = "ppo_state.json"


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
    log_completions: bool = field(default=True, metadata={"help": "Write each update's completions as JSON lines."})

    learning_rate: float = 5e-4
    lr_scheduler_type: str = "cosine"
    adam_epsilon: float = 1e-5
    bf16: bool = True
    per_device_train_batch_size: int = 32
    logging_strategy: str = "no"
    save_strategy: str = "no"
    remove_unused_columns: bool = False

    def __post_init__(self) -> None:
        self._check()
        self.max_steps = self.num_updates * self.steps_per_update
        # On hardware that does not compute in bfloat16 it is many times slower than float32.
        self.bf16 = models.bf16_pays(self.bf16)
        super().__post_init__()
        for name in ("batch_size", "mini_batch_size"):
            if getattr(self, name) % self.world_size:
                raise ValueError(f"{name} ({getattr(self, name)}) must be a multiple of {self.world_size} processes")

    @property
    def steps_per_update(self) -> int:
        return self.num_ppo_epochs * (self.batch_size // self.mini_batch_size)

    def _check(self) -> None:
        if self.batch_size % self.mini_batch_size:
            raise ValueError(
                f"batch_size ({self.batch_size}) must be a multiple of mini_batch_size ({self.mini_batch_size})"
            )
        if self.gradient_accumulation_steps != 1:
            raise ValueError("gradient_accumulation_steps must stay 1: mini_batch_size says what a step takes in")
        if self.temperature <= 0:
            raise ValueError("temperature must be above 0: PPO learns from drawn completions, not from greedy ones")
        if self.adaptive_kl and self.target_kl <= 0:
            raise ValueError("adaptive_kl needs a target_kl above 0")
        if self.save_strategy == "steps" and int(self.save_steps) % self.steps_per_update:
            raise ValueError(
                f"save_steps ({self.save_steps}) must be a multiple of {self.steps_per_update}, "
                "the optimiser steps of one update: rollouts are not saved"
            )
        if self.kl_estimator not in ("k1", "k3"):
            raise ValueError(f"unknown kl_estimator {self.kl_estimator!r}: choose k1 or k3")


class PPOTrainer(Trainer):
    """Trains a LoRA policy and a value head with PPO; see the module's description."""

    def __init__(
        self,
        model: PreTrainedModel | PeftModel | str | Path,
        reward_funcs: RewardFunction | Sequence[RewardFunction],
        args: PPOConfig | None = None,
        *,
        train_dataset: Sequence[Mapping[str, Any]],
        processing_class: PreTrainedTokenizerBase | None = None,
        peft_config: PeftConfig | None = None,
        callbacks: list[TrainerCallback] | None = None,
        optimizers: tuple[Any, Any] = (None, None),
    ) -> None:
        args = args or PPOConfig("ppo")
        if isinstance(model, str | Path):
            processing_class = processing_class or models.load_tokenizer(model)
            model = models.load_model(model)
        if processing_class is None:
            raise ValueError("give the tokenizer as processing_class, or the model as a path")
        self.eos, self.pad = _special_tokens(processing_class)
        self.scorer = Scorer([reward_funcs] if callable(reward_funcs) else reward_funcs, args.reward_weights)
        room = models.context_length(model) - args.response_length
        self.prompts = Prompts(train_dataset, processing_class, room=room, seed=args.seed)
        self.kl_controller = _kl_controller(args)
        self._experience: Experience | None = None
        self._measured: dict[str, float] = {}
        self._steps = StepStatistics()
        # Before the adapter's and the value head's random start, so that both follow from the seed alone.
        set_seed(args.seed)
        policy = _policy(model, peft_config, bf16=args.bf16)
        super().__init__(
            model=PolicyWithValue(policy, temperature=args.temperature),
            args=args,
            train_dataset=self.prompts,
            processing_class=processing_class,
            callbacks=[_EndOfUpdate(self), *(callbacks or [])],
            optimizers=optimizers,
        )
        self.decoder = adapters.MergedCopy(policy)

    @property
    def updates_done(self) -> int:
        """Updates whose every step was taken; also the number, from 0, of the update in progress."""
        return int(self.state.global_step) // self.args.steps_per_update

    def merged(self) -> PreTrainedModel:
        """A plain model: the backbone with the adapter merged in."""
        return adapters.merged(self.model.policy)

    def train(self, resume_from_checkpoint: str | Path | None = None, **options: Any) -> Any:
        """Train, or go on from a checkpoint's folder."""
        if resume_from_checkpoint is None:
            return super().train(**options)
        state = json.loads((Path(resume_from_checkpoint) / STATE).read_text())
        self.kl_controller.value = state["kl_coef"]
        self.scorer.load_state_dict(state["rewards"])
        return super().train(resume_from_checkpoint=str(resume_from_checkpoint), **options)

    def get_train_dataloader(self) -> Any:
        """One empty item an optimiser step: what a step trains on follows from ``global_step``."""
        return DataLoader([{"step": step} for step in range(self.args.max_steps)], collate_fn=lambda rows: rows[0])

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> Tensor:
        """One optimiser step's gradient: its mini-batch, in micro-batches of rows of like length."""
        step = int(self.state.global_step) % self.args.steps_per_update
        if step == 0:
            self._steps = StepStatistics()
            self._experience = self.collect(self.updates_done)
        loss = torch.zeros((), device=self.args.device)
        if self._steps.stopped or self._experience is None:
            return loss  # without a gradient the optimiser's step changes nothing
        started = time.perf_counter()
        batches = list(self._micro_batches(self._experience.completion_ids, step))
        tokens = self._sum(torch.stack([self._experience.lengths[rows].sum() for rows in batches]).sum())
        for rows in batches:
            with contextlib.nullcontext() if rows is batches[-1] else self.accelerator.no_sync(model):
                part = self.compute_loss(model, self._inputs(rows), num_items_in_batch=tokens)
                self.accelerator.backward(part)
            loss += part.detach()
        self._steps.end_step(float(tokens), self._sum, max_update_kl=self.args.max_update_kl)
        self._steps.seconds += time.perf_counter() - started
        return loss

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """The clipped policy loss plus ``vf_coef`` times the value loss, over the mini-batch's global token count."""
        value_only = self.updates_done < self.args.value_pretraining_updates
        scores = model(**inputs["rows"], value_only=value_only)
        real = torch.ones_like(scores.logprobs, dtype=torch.bool)
        policy = advantages.policy_loss(
            scores.logprobs, inputs["logprobs"], inputs["advantages"], real, cliprange=self.args.cliprange
        )
        value = advantages.value_loss(
            scores.values, inputs["values"], inputs["returns"], real, cliprange_value=self.args.cliprange_value
        )
        self._steps.see(scores.logprobs.detach(), inputs["logprobs"], policy, value)
        loss = self.args.vf_coef * value.total + (0.0 if value_only else policy.total)
        # DDP takes the mean of the processes' gradients; the token count is already that of all of them.
        loss = loss / num_items_in_batch * self.accelerator.num_processes
        return (loss, scores) if return_outputs else loss

    def collect(self, update: int) -> Experience:
        """Draw prompts, decode, reward, and score one update's completions with the present policy."""
        clock = [time.perf_counter()]
        rows = self._draw(update)
        prompt_ids = [self.prompts.ids[row] for row in rows]
        completion_ids = self._generate(prompt_ids, update)
        clock.append(time.perf_counter())
        scored = self._reward(rows, completion_ids)
        finished = [ids[-1] == self.eos for ids in completion_ids]
        penalty = self.args.missing_eos_penalty
        scores = [total - (0.0 if ended else penalty) for total, ended in zip(scored.total, finished, strict=True)]
        clock.append(time.perf_counter())
        experience, measured = self._score(prompt_ids, completion_ids, scores)
        clock.append(time.perf_counter())
        self._measured = {
            "reward": self._mean(scored.total),
            "score": self._mean(scores),
            **self._part_means(scored),
            **measured,
            "length": self._mean([float(len(ids)) for ids in completion_ids]),
            "eos_share": self._mean([float(ended) for ended in finished]),
            "seconds_rollout": clock[1] - clock[0],
            "seconds_reward": clock[2] - clock[1],
            "seconds_score": clock[3] - clock[2],
        }
        if update >= self.args.value_pretraining_updates:
            self.kl_controller.update(measured["kl"], rollouts=self.args.batch_size)
        if self.args.log_completions:
            self._write_completions(update, rows, completion_ids, scored, scores)
        return experience

    def finish_update(self) -> None:
        """Log the update whose last optimiser step was just taken."""
        rate = float(self.lr_scheduler.get_last_lr()[0])
        self.log({**self._measured, **self._steps.metrics(), "learning_rate": rate, "update": self.updates_done})

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """Write the adapter as a PEFT folder, and beside it what a resumed run needs (safetensors and JSON only)."""
        if not self.args.should_save:
            return
        folder = Path(output_dir or self.args.output_dir)
        folder.mkdir(parents=True, exist_ok=True)
        model = self.accelerator.unwrap_model(self.model)
        adapters.save(model.policy, folder)
        # The Trainer loads this file on resuming: adapter and value head, under the names they have in the model.
        weights = {name: parameter.detach().cpu().contiguous() for name, parameter in model.trainable().items()}
        save_file(weights, str(folder / "model.safetensors"), metadata={"format": "pt"})
        state = {"kl_coef": self.kl_controller.value, "rewards": self.scorer.state_dict()}
        (folder / STATE).write_text(json.dumps(state))

    # -- helpers

    def _draw(self, update: int) -> list[int]:
        """This process's share of the update's prompts."""
        rows = self.prompts.draw(update * self.args.batch_size, self.args.batch_size)
        return rows[self.args.process_index :: self.args.world_size]

    def _generate(self, prompt_ids: list[list[int]], update: int) -> list[list[int]]:
        completions = generate_ids(
            self.decoder.refresh(),
            prompt_ids,
            max_new_tokens=self.args.response_length,
            temperature=self.args.temperature,
            top_k=0,
            top_p=1.0,
            eos_token_id=self.eos,
            pad_token_id=self.pad,
            seed=seed_for(self.args.seed, 1, update),
            rows=range(self.args.process_index, self.args.batch_size, self.args.world_size),
        )
        return [cut(ids, self.eos) for ids in completions]

    def _reward(self, rows: Sequence[int], completion_ids: Sequence[Sequence[int]]) -> Scored:
        columns = self.prompts.columns(rows)
        prompts = columns.pop("prompt")
        return self.scorer(prompts, self._texts(completion_ids), completion_ids, columns, trainer_state=self.state)

    @torch.no_grad()
    def _score(
        self, prompt_ids: list[list[int]], completion_ids: list[list[int]], scores: Sequence[float]
    ) -> tuple[Experience, dict[str, float]]:
        """Log-probabilities, reference and values by the forward pass that will be trained; then advantages."""
        lengths = torch.tensor([len(ids) for ids in completion_ids], device=self.args.device)
        mask = advantages.length_mask(lengths, int(lengths.max()))
        logprobs, values, entropy, reference = (torch.zeros(mask.shape, device=self.args.device) for _ in range(4))
        trunk: dict[int, Tensor] = {}
        # The first epoch's micro-batches: equal shapes give equal roundings, so that its first ratios are 1.
        for step in range(self.args.batch_size // self.args.mini_batch_size):
            for rows in self._micro_batches(completion_ids, step):
                inputs = self._rows(prompt_ids, completion_ids, rows)
                with self.accelerator.autocast():
                    kept = self.model.trunk(**inputs)
                    found = self.model(**inputs, trunk=kept)
                    found_reference = self.model.reference_logprobs(**inputs, trunk=kept)
                if kept is not None:
                    sizes = (inputs["prompt_lengths"] + inputs["lengths"]).tolist()
                    trunk.update(zip(rows.tolist(), kept.split(sizes), strict=True))
                pairs = ((logprobs, found.logprobs), (values, found.values), (entropy, found.entropy))
                for whole, part in (*pairs, (reference, found_reference)):
                    whole[rows] = torch.zeros_like(whole[rows]).masked_scatter(mask[rows], part.float())
        kl = advantages.kl_estimate(logprobs, reference, kind=self.args.kl_estimator)
        score = torch.tensor(scores, dtype=torch.float32, device=self.args.device)
        rewards = advantages.token_rewards(score, kl, lengths, kl_coef=self.kl_controller.value)
        gained, returns = advantages.gae(rewards, values, lengths, gamma=self.args.gamma, lam=self.args.lam)
        whitened = advantages.whiten(gained, mask, across=self._sum)
        measured = {
            "kl": self._mean(advantages.kl_estimate(logprobs, reference).sum(1)),
            "kl_coef": self.kl_controller.value,
            "entropy": self._mean(entropy[mask]),
            "explained_variance": self._mean(advantages.explained_variance(values, returns, mask)),
        }
        kept_rows = [trunk[row] for row in range(len(trunk))] or None
        return Experience(prompt_ids, completion_ids, lengths, logprobs, values, whitened, returns, kept_rows), measured

    def _micro_batches(self, completion_ids: Sequence[Sequence[int]], step: int) -> Iterator[Tensor]:
        """Row numbers of the micro-batches of the ``step``-th optimiser step of the update in progress."""
        epoch, index = divmod(step, self.args.batch_size // self.args.mini_batch_size)
        seed = seed_for(self.args.seed, 2, self.updates_done, epoch)
        order = torch.randperm(len(completion_ids), generator=torch.Generator().manual_seed(seed)).tolist()
        size = self.args.mini_batch_size // self.args.world_size
        mine = order[index * size : (index + 1) * size]
        for rows in micro_batches(completion_ids, mine, self.args.per_device_train_batch_size):
            yield torch.tensor(rows, device=self.args.device)

    def _inputs(self, rows: Tensor) -> dict[str, Any]:
        assert self._experience is not None
        experience = self._experience
        inputs: dict[str, Any] = self._rows(experience.prompt_ids, experience.completion_ids, rows)
        if experience.trunk is not None:
            inputs["trunk"] = torch.cat([experience.trunk[row] for row in rows.tolist()])
        return {"rows": inputs, **experience.flat(rows)}

    def _rows(
        self, prompt_ids: Sequence[Sequence[int]], completion_ids: Sequence[Sequence[int]], rows: Tensor
    ) -> dict[str, Tensor]:
        chosen = rows.tolist()
        prompts, completions = [prompt_ids[row] for row in chosen], [completion_ids[row] for row in chosen]
        return pad_rows(prompts, completions, pad=self.pad, device=self.args.device)

    def _texts(self, completion_ids: Sequence[Sequence[int]]) -> list[str]:
        return [self.processing_class.decode(list(ids), skip_special_tokens=True) for ids in completion_ids]

    def _part_means(self, scored: Scored) -> dict[str, float]:
        known = {name: [value for value in values if value is not None] for name, values in scored.parts.items()}
        logged = {name: [value] for name, value in scored.metrics.items()}
        return {f"reward/{name}": self._mean(values) for name, values in {**known, **logged}.items()}

    def _mean(self, values: Sequence[float] | Tensor) -> float:
        """The mean over all processes' values; 0 of none."""
        numbers = torch.as_tensor(values, dtype=torch.float64, device=self.args.device).flatten()
        count = self._sum(torch.tensor(float(numbers.numel()), device=self.args.device))
        return float(self._sum(numbers.sum()) / count.clamp(min=1.0))

    def _sum(self, value: Tensor) -> Tensor:
        """The sum over all processes."""
        return self.accelerator.reduce(value, reduction="sum")

    def _write_completions(
        self,
        update: int,
        rows: Sequence[int],
        completion_ids: Sequence[Sequence[int]],
        scored: Scored,
        scores: Sequence[float],
    ) -> None:
        """One file an update and process: an update that is done again after a crash replaces its first try."""
        folder = Path(self.args.output_dir) / "completions"
        folder.mkdir(parents=True, exist_ok=True)
        suffix = f"-{self.args.process_index}" if self.args.world_size > 1 else ""
        columns = {
            "row": list(rows),
            "prompt": self.prompts.columns(rows)["prompt"],
            "completion": self._texts(completion_ids),
            "tokens": [len(ids) for ids in completion_ids],
            "finished": [ids[-1] == self.eos for ids in completion_ids],
            "reward": scored.total,
            "score": list(scores),
            **{f"reward/{name}": values for name, values in scored.parts.items()},
            **scored.extra,
        }
        with (folder / f"{update + 1:06d}{suffix}.jsonl").open("w", encoding="utf-8") as file:
            for values in zip(*columns.values(), strict=True):
                row = {"update": update + 1, **dict(zip(columns, values, strict=True))}
                file.write(json.dumps(row, ensure_ascii=False, default=str) + "\n")


class _EndOfUpdate(TrainerCallback):
    """Logs each update right after its last optimiser step, before anything is saved."""

    def __init__(self, trainer: PPOTrainer) -> None:
        self.trainer = trainer

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> TrainerControl:
        del args, kwargs
        if int(state.global_step) % self.trainer.args.steps_per_update == 0:
            self.trainer.finish_update()
        return control


def _policy(model: PreTrainedModel | PeftModel, peft_config: PeftConfig | None, *, bf16: bool) -> PeftModel:
    """The model with a LoRA adapter in float32 on a frozen backbone, in bfloat16 where training computes in it."""
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    if not isinstance(model, PeftModel):
        config = peft_config or adapters.lora_config(LoraSettings(), model)
        if bf16:
            model = model.to(torch.bfloat16)
        model = adapters.attach(model, config)
    elif peft_config is not None:
        raise ValueError("the model has an adapter already: give either it or peft_config, not both")
    return model


def _special_tokens(tokenizer: Any) -> tuple[int, int]:
    if tokenizer.eos_token_id is None:
        raise ValueError("the tokenizer has no EOS token: PPO could not tell when a completion ends")
    pad = tokenizer.pad_token_id
    return int(tokenizer.eos_token_id), int(tokenizer.eos_token_id if pad is None else pad)


def _kl_controller(args: PPOConfig) -> advantages.KLController:
    if args.adaptive_kl:
        return advantages.AdaptiveKLController(args.kl_coef, args.target_kl, args.kl_horizon)
    return advantages.FixedKLController(args.kl_coef)
