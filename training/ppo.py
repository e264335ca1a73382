"""PPO on a language model, by default with LoRA on one frozen backbone, as a ``transformers.Trainer``.

    trainer = PPOTrainer("path/to/model", [reward], PPOConfig("out"), train_dataset=[{"prompt": "..."}, ...])
    trainer.train()
    merged = trainer.merged()

An *update* draws ``batch_size`` prompts, decodes one completion each, scores them with the reward functions, and
takes ``num_ppo_epochs`` times ``batch_size / mini_batch_size`` optimiser steps. The trainer's ``global_step``
counts optimiser steps. Everything that an update draws is a function of (seed, update, process), so a resumed run
goes on with the same numbers. Whether a completion was cut off is judged on the completion alone, masks go by
length, and old log-probabilities come from the very forward pass that is trained, never from the decoder.

Ouyang et al. 2022 (arXiv 2203.02155) is the method; the value head is trained alone for the first
``value_pretraining_updates`` (VC-PPO, arXiv 2503.01491). With ``imitation_coef`` each optimiser step also learns from
earlier completions that did better than expected (``training.imitation``). Not covered: tensor and sequence
parallelism.
"""

from __future__ import annotations

import contextlib
import copy
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import DistributedType, gather_object
from peft import PeftConfig, PeftModel
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

from training import adapters, advantages, models, ppo_files, sharding
from training.experience import Experience, Prompts, StepStatistics, cut, micro_batches, seed_for
from training.imitation import Success, Successes, above_their_group
from training.lagging import Groups
from training.policy import PolicyWithValue, pad_rows
from training.ppo_config import PPOConfig, kl_controller
from training.reporting import DistributionError
from training.roles import Live, roles_for
from training.rollout import generate_ids
from training.scoring import RewardFunction, Scored, Scorer

__all__ = ["PPOConfig", "PPOTrainer"]


class PPOTrainer(Trainer):
    """Trains a policy and its value with PPO; see the module's description.

    A model that has a LoRA adapter already is trained on from there, and held to what it was.
    """

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
        self.backbone_sha256: str | None = None
        """Known of a folder; adapters are saved with it, and resuming on another backbone is refused."""
        if isinstance(model, str | Path):
            folder = Path(model)
            model, own = models.load(model) if processing_class is None else (models.load_model(model), None)
            processing_class = processing_class or own
            self.backbone_sha256 = models.backbone_sha256(folder) if folder.is_dir() else None
        self.base_name = str(getattr(model.config, "_name_or_path", ""))
        if processing_class is None:
            raise ValueError("give the tokenizer as processing_class, or the model as a path")
        self.eos, self.pad = _special_tokens(processing_class)
        self.scorer = Scorer([reward_funcs] if callable(reward_funcs) else reward_funcs, args.reward_weights)
        room = models.context_length(model) - args.response_length
        self.prompts = Prompts(train_dataset, processing_class, room=room, seed=args.seed)
        highest = max(self.eos, *(max(ids) for ids in self.prompts.ids))
        if highest >= (known := model.get_input_embeddings().weight.shape[0]):
            raise ValueError(f"the tokenizer has a token {highest}, the model {known} rows: they don't belong together")
        self.kl_controller = kl_controller(args)
        self.groups: Groups | None = None
        if args.lagging_column:
            self.groups = Groups(self.prompts.groups(args.lagging_column), seed=args.seed)
        self.successes = Successes(args.imitation_memory, seed=args.seed)
        self._gains: dict[int, float] = {}
        """What the update's imitated completions gain by the present values, by place; this process's."""
        self._experience: Experience | None = None
        self._measured: dict[str, float] = {}
        self._steps = StepStatistics()
        # Before the adapter's and the value head's random start, so that both follow from the seed alone.
        set_seed(args.seed)
        roles = roles_for(
            model,
            peft_config,
            full_finetuning=args.full_finetuning,
            value_adapter=args.value_adapter,
            bf16=args.bf16,
        )
        super().__init__(
            model=PolicyWithValue(
                roles.policy, temperature=args.temperature, reference=roles.reference, value_adapter=roles.value
            ),
            args=args,
            train_dataset=self.prompts,
            processing_class=processing_class,
            callbacks=[_EndOfUpdate(self), *(callbacks or [])],
            optimizers=optimizers,
        )
        if self.accelerator.distributed_type == DistributedType.DEEPSPEED:
            raise DistributionError(
                "PPO works on the whole model, which DEEPSPEED cuts up: "
                "start it with torchrun, or with accelerate launch and plain data parallelism"
            )
        self.decoder: Live | adapters.MergedCopy | sharding.GatheredCopy
        if self.is_fsdp_enabled:
            sharding.configure(self.accelerator.state.fsdp_plugin)
            self.model.blocks = None  # They read weights without the calls that gather them.
            self.decoder = sharding.GatheredCopy(self.model, self.args.device)
        else:
            self.decoder = Live(roles.policy) if self.model.is_whole else adapters.MergedCopy(roles.policy)

    @property
    def updates_done(self) -> int:
        """Updates whose every step was taken; also the number, from 0, of the update in progress."""
        return int(self.state.global_step) // self.args.steps_per_update

    def merged(self) -> PreTrainedModel:
        """A plain model, a copy: the backbone with the policy's adapter merged in.

        Under FSDP every process calls it.
        """
        if self.is_fsdp_enabled:
            return copy.deepcopy(self.decoder.refresh())
        return copy.deepcopy(self.model.policy) if self.model.is_whole else adapters.merged(self.model.policy)

    def policy_weights(self) -> dict[str, Tensor]:
        """The weights of the policy's adapter under their names in the policy; under FSDP every process calls it."""
        return ppo_files.under("policy.", sharding.whole(ppo_files.kept(self.model)))

    def train(self, resume_from_checkpoint: str | Path | None = None, **options: Any) -> Any:
        """Train, or go on from a checkpoint's folder."""
        if resume_from_checkpoint is None:
            return super().train(**options)
        state = ppo_files.read_state(Path(resume_from_checkpoint), self.model, self.backbone_sha256)
        sharding.check_checkpoint(Path(resume_from_checkpoint), sharded=self.is_fsdp_enabled)
        self.kl_controller.value = state["kl_coef"]
        self.scorer.load_state_dict(state["rewards"])
        self.successes.load_state_dict(state.get("successes", []))
        if self.groups is not None and state.get("groups"):
            self.groups.load_state_dict(state["groups"])
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
        # Before the others: DDP sums up at the last backward pass, which must have come through every weight.
        self._imitate(model, step)
        batches = list(self._micro_batches(self._experience.completion_ids, step))
        tokens = self._sum(torch.stack([self._experience.lengths[rows].sum() for rows in batches]).sum())
        for rows in batches:
            with contextlib.nullcontext() if rows is batches[-1] else self.accelerator.no_sync(model):
                part = self.compute_loss(model, self._inputs(rows), num_items_in_batch=tokens)
                self.accelerator.backward(part)
            loss += part.detach()
        if self.model.is_sharded:
            self.model.fill_gradients()
        self._steps.end_step(float(tokens), self._sum, max_update_kl=self.args.max_update_kl)
        self._steps.seconds += time.perf_counter() - started
        return loss

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """The clipped policy loss plus ``vf_coef`` times the value loss, over the mini-batch's global token count."""
        value_only = self.updates_done < self.args.value_pretraining_updates
        with self.accelerator.autocast():
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
        if update == 0:
            self._explore()
        clock = [time.perf_counter()]
        rows = self._draw(self.args.exploration_batches + update)
        prompt_ids = [self.prompts.ids[row] for row in rows]
        completion_ids = self._generate(prompt_ids, self.args.exploration_batches + update)
        clock.append(time.perf_counter())
        scored = self._reward(rows, completion_ids)
        finished = [ids[-1] == self.eos for ids in completion_ids]
        scores, last = (self._penalised(values, completion_ids) for values in (scored.total, scored.whole))
        clock.append(time.perf_counter())
        experience, measured = self._score(prompt_ids, completion_ids, last, scored.tokens)
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
        if self._remembers:
            found = self._everyones(rows, completion_ids, scores, experience.values[:, 0].tolist())
            self._remember(found, found)
        if update >= self.args.value_pretraining_updates:
            self.kl_controller.update(measured["kl"], rollouts=self.args.batch_size)
        self._show_completions(update, rows, completion_ids, scored, scores)
        return experience

    def finish_update(self) -> None:
        """Log the update whose last optimiser step was just taken."""
        imitated = self._reweigh()
        rate = float(self.lr_scheduler.get_last_lr()[0])
        counted = {"learning_rate": rate, "update": self.updates_done}
        self.log({**self._measured, **self._steps.metrics(), **imitated, **counted})

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """Write the adapters as PEFT folders (or the whole model), with a card and what a resumed run needs.

        All is safetensors, JSON and text. Under FSDP every process calls it.
        """
        model = self.accelerator.unwrap_model(self.model)
        weights = sharding.whole(ppo_files.kept(model))
        policy = self.decoder.refresh() if model.is_whole else model.policy
        if not self.args.should_save:
            return
        folder = Path(output_dir or self.args.output_dir)
        state = {
            "kl_coef": self.kl_controller.value,
            "rewards": self.scorer.state_dict(),
            "successes": self.successes.state_dict(),
            "groups": None if self.groups is None else self.groups.state_dict(),
        }
        ppo_files.save(
            folder, model, self.processing_class, state, self.backbone_sha256, policy=policy, weights=weights
        )
        self._write_card(folder)

    def create_model_card(
        self, model_name: str | None = None, dataset_name: str | None = None, tags: str | list[str] | None = None
    ) -> None:
        """Write ``README.md`` into the output folder: what was trained on what, the rewards, settings, last metrics."""
        if self.is_world_process_zero():
            named = [tags] if isinstance(tags, str) else list(tags or [])
            self._write_card(Path(self.args.output_dir), model_name, dataset_name, named)

    # -- helpers

    @property
    def _remembers(self) -> bool:
        return self.groups is not None or self.args.imitation_coef > 0

    def _explore(self) -> None:
        """Draw completions for the memory alone, every group's prompts as often, before anything is learnt.

        No value knows yet what to expect: a success is what beats the mean of its group.
        """
        found: list[Success] = []
        for number in range(self.args.exploration_batches):
            rows = self._draw(number, even=True)
            completion_ids = self._generate([self.prompts.ids[row] for row in rows], number)
            scores = self._penalised(self._reward(rows, completion_ids).total, completion_ids)
            found += self._everyones(rows, completion_ids, scores, [0.0] * len(rows))
        self._remember(found, above_their_group(found))

    def _remember(self, found: Sequence[Success], successes: Sequence[Success]) -> None:
        """Keep the successes for imitation, and let the groups know what their completions scored."""
        if self.args.imitation_coef > 0:
            self.successes.add(successes)
        if self.groups is not None:
            self.groups.see([one.row for one in found], [one.score for one in found])

    def _everyones(
        self, rows: Sequence[int], completion_ids: list[list[int]], scores: Sequence[float], values: Sequence[float]
    ) -> list[Success]:
        """What all processes' completions gained over the values, in the order of the rollouts."""
        found = zip(rows, completion_ids, scores, values, strict=True)
        name_of = self.groups.name_of if self.groups else lambda row: ""
        mine = [Success(row, ids, score, score - value, name_of(row)) for row, ids, score, value in found]
        return [one for turn in zip(*gather_object([mine]), strict=True) for one in turn]

    def _penalised(self, values: Sequence[float], completion_ids: Sequence[Sequence[int]]) -> list[float]:
        """Less what a completion without EOS costs."""
        penalty = self.args.missing_eos_penalty
        return [
            value if ids[-1] == self.eos else value - penalty for value, ids in zip(values, completion_ids, strict=True)
        ]

    def _imitate(self, model: Any, step: int) -> None:
        """Add the gradient of this process's share of the successes drawn for a step."""
        if self.args.imitation_coef == 0 or self.updates_done < self.args.value_pretraining_updates:
            return
        world = self.args.world_size
        expected = None if self.groups is None else self.groups.means
        places = self.successes.draw(self.args.imitation_batch_size, self.updates_done, step, expected=expected)
        # An equal count in every process: under FSDP each forward pass is one of all of them.
        mine = places[: len(places) - len(places) % world][self.args.process_index :: world]
        chosen = [self.successes[place] for place in mine]
        prompts, completions = [self.prompts.ids[one.row] for one in chosen], [one.completion_ids for one in chosen]
        tokens = self._sum(torch.tensor(float(sum(map(len, completions))), device=self.args.device))
        for rows in micro_batches(completions, range(len(chosen)), self.args.per_device_train_batch_size):
            with self.accelerator.no_sync(model):
                with self.accelerator.autocast():
                    found = model(**self._rows(prompts, completions, torch.tensor(rows)))
                returns = torch.cat([chosen[row].returns(self.args.gamma) for row in rows]).to(self.args.device)
                part = advantages.imitation_loss(found.logprobs, found.values, returns)
                share = self.accelerator.num_processes / tokens
                self.accelerator.backward(self.args.imitation_coef * share * part.total)
            lengths = [len(completions[row]) for row in rows]
            split = advantages.imitation_gains(found.values, returns).split(lengths)
            gains = [float(gain.mean()) for gain in split]
            self._gains.update({mine[row]: gain for row, gain in zip(rows, gains, strict=True)})

    def _reweigh(self) -> dict[str, float]:
        """Let the successes know what they gain by the values that the update leaves."""
        if self.args.imitation_coef == 0:
            return {}
        found = {place: gain for gains in gather_object([self._gains]) for place, gain in gains.items()}
        self.successes.reweigh(found)
        self._gains = {}
        return {"successes": float(len(self.successes)), "imitated": float(len(found))}

    def _draw(self, number: int, *, even: bool = False) -> list[int]:
        """This process's share of a batch of prompts; ``even`` asks every group as often."""
        if self.groups is None:
            rows = self.prompts.draw(number * self.args.batch_size, self.args.batch_size)
        else:
            rows = self.groups.draw(number, self.args.batch_size, even=even)
        return rows[self.args.process_index :: self.args.world_size]

    def _generate(self, prompt_ids: list[list[int]], number: int) -> list[list[int]]:
        completions = generate_ids(
            self.decoder.refresh(),
            prompt_ids,
            max_new_tokens=self.args.response_length,
            temperature=self.args.temperature,
            top_k=0,
            top_p=1.0,
            eos_token_id=self.eos,
            pad_token_id=self.pad,
            seed=seed_for(self.args.seed, 1, number),
            bf16=self.args.bf16,
            rows=range(self.args.process_index, self.args.batch_size, self.args.world_size),
        )
        return [cut(ids, self.eos) for ids in completions]

    def _reward(self, rows: Sequence[int], completion_ids: Sequence[Sequence[int]]) -> Scored:
        columns = self.prompts.columns(rows)
        prompts = columns.pop("prompt")
        completions = self.prompts.completions(rows, self._texts(completion_ids))
        return self.scorer(prompts, completions, completion_ids, columns, trainer_state=self.state)

    @torch.no_grad()
    def _score(
        self,
        prompt_ids: list[list[int]],
        completion_ids: list[list[int]],
        scores: Sequence[float],
        tokens: Sequence[Sequence[float]] | None = None,
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
        given = None if tokens is None else kl.new_zeros(kl.shape).masked_scatter(mask, _flat(tokens, kl))
        rewards = advantages.token_rewards(score, kl, lengths, kl_coef=self.kl_controller.value, given=given)
        gained, returns = advantages.gae(rewards, values, lengths, gamma=self.args.gamma, lam=self.args.lam)
        whitened = advantages.whiten(gained, mask, across=self._sum)
        measured = {
            "kl": self._mean(advantages.kl_estimate(logprobs, reference).sum(1)),
            "kl_coef": self.kl_controller.value,
            "entropy": self._mean(entropy[mask]),
            "explained_variance": float(advantages.explained_variance(values, returns, mask, across=self._sum)),
        }
        kept_rows = [trunk[row] for row in range(len(trunk))] or None
        return Experience(prompt_ids, completion_ids, lengths, logprobs, values, whitened, returns, kept_rows), measured

    def _micro_batches(self, completion_ids: Sequence[Sequence[int]], step: int) -> Iterator[Tensor]:
        """Row numbers of the micro-batches of the ``step``-th optimiser step of the update in progress.

        A step takes one of the update's rollouts from each class modulo ``mini_batch_size``, drawn by class: the
        same rollouts, an equal share in every process, whatever the number of processes.
        """
        size, world = self.args.mini_batch_size, self.args.world_size
        epoch, index = divmod(step, self.args.batch_size // size)
        generator = torch.Generator().manual_seed(seed_for(self.args.seed, 2, self.updates_done, epoch))
        order = torch.rand(size, self.args.batch_size // size, generator=generator).argsort(dim=1)  # (class, step)
        rollouts = order[:, index] * size + torch.arange(size)
        mine = (rollouts[self.args.process_index :: world] // world).tolist()
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
        # A function may log a name for some completions only, so in some processes only; every process must ask for it.
        logged = {name: [scored.metrics[name]] if name in scored.metrics else [] for name in self._names(scored)}
        return {f"reward/{name}": self._mean(values) for name, values in {**known, **logged}.items()}

    @staticmethod
    def _names(scored: Scored) -> list[str]:
        """The metrics that were logged in any process."""
        return sorted(dict.fromkeys(gather_object(list(scored.metrics))))

    def _mean(self, values: Sequence[float] | Tensor) -> float:
        """The mean over all processes' values; 0 of none."""
        numbers = torch.as_tensor(values, dtype=torch.float64, device=self.args.device).flatten()
        count = self._sum(torch.tensor(float(numbers.numel()), device=self.args.device))
        return float(self._sum(numbers.sum()) / count.clamp(min=1.0))

    def _sum(self, value: Tensor) -> Tensor:
        """The sum over all processes."""
        # Between GPUs only what lies on them travels.
        return self.accelerator.reduce(value.to(self.args.device), reduction="sum").to(value.device)

    def _show_completions(
        self,
        update: int,
        rows: Sequence[int],
        completion_ids: Sequence[Sequence[int]],
        scored: Scored,
        scores: Sequence[float],
    ) -> None:
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
        if self.args.log_completions:
            place = (Path(self.args.output_dir), update + 1, self.args.process_index, self.args.world_size)
            ppo_files.write_completions(ppo_files.completions_file(*place), update + 1, columns)
        every = self.args.print_completions
        if every and (update + 1) % every == 0 and self.is_world_process_zero():
            print(ppo_files.table(update + 1, columns), flush=True)

    def _write_card(
        self, folder: Path, name: str | None = None, dataset: str | None = None, tags: Sequence[str] = ()
    ) -> None:
        text = ppo_files.card(
            name=name or Path(self.args.output_dir).name,
            model=self.model,
            base=self.base_name,
            dataset=f"{len(self.prompts)} prompts" + (f" of {dataset}" if dataset else ""),
            tags=tags,
            rewards=dict(zip(self.scorer.names, self.scorer.weights, strict=True)),
            settings={setting: getattr(self.args, setting) for setting in self.args.told},
            metrics=next((row for row in reversed(self.state.log_history) if "update" in row), {}),
        )
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "README.md").write_text(text, encoding="utf-8")


class _EndOfUpdate(TrainerCallback):
    """Logs each update right after its last optimiser step, before anything is saved."""

    def __init__(self, trainer: PPOTrainer) -> None:
        self.trainer = trainer

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> TrainerControl:
        del args, state, kwargs
        self.trainer.model.gather_for_reference()
        return control

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> TrainerControl:
        del args, kwargs
        if int(state.global_step) % self.trainer.args.steps_per_update == 0:
            self.trainer.finish_update()
        return control


def _special_tokens(tokenizer: Any) -> tuple[int, int]:
    if tokenizer.eos_token_id is None:
        raise ValueError("the tokenizer has no EOS token: PPO could not tell when a completion ends")
    pad = tokenizer.pad_token_id
    return int(tokenizer.eos_token_id), int(tokenizer.eos_token_id if pad is None else pad)


def _flat(rows: Sequence[Sequence[float]], like: Tensor) -> Tensor:
    return like.new_tensor([number for row in rows for number in row])
