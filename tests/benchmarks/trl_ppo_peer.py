"""TRL's PPOTrainer on the PPO benchmark's setting; for the interpreter of an environment with torch, trl 1.12 and peft.

``python -m tests.benchmarks.trl_ppo_peer --weights float32 --attention eager``, in the repository's root. TRL 1.12 is the
last that has the trainer. It trains a LoRA policy, and beside it a whole value model (``--lora-value``: with LoRA as well).
Gradient checkpointing, on by default, would only cost time here and is off. Each update waits for a line on the standard
input, and tells its figures on the standard output.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
import warnings
from typing import Any

os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")
warnings.filterwarnings("ignore")

import torch  # noqa: E402
from datasets import Dataset  # noqa: E402
from peft import LoraConfig, inject_adapter_in_model  # noqa: E402
from transformers import PrinterCallback, TrainerCallback  # noqa: E402
from trl.experimental.ppo import PPOConfig, PPOTrainer, ppo_trainer  # noqa: E402

from tests.benchmarks import ppo_setting as setting  # noqa: E402

MAPS = ["c_attn", "c_proj", "c_fc"]


class Clock(TrainerCallback):
    def __init__(self, meter: setting.Meter) -> None:
        self.meter = meter

    def on_step_end(self, *_: Any, **__: Any) -> None:
        self.meter.end()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--updates", type=int, default=3)
    parser.add_argument("--weights", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--attention", default="sdpa", choices=["sdpa", "eager"])
    parser.add_argument("--activation", default="gelu_new")
    parser.add_argument("--lora-value", action="store_true")
    parser.add_argument("--ends", action="store_true", help="completions end before the limit")
    chosen = parser.parse_args()
    meter = setting.Meter()
    with tempfile.TemporaryDirectory() as folder:
        trainer = _trainer(chosen, meter, folder)
        _watch(trainer.reward_model, meter)
        meter.ready(trainer.model)
        trainer.train()


def _trainer(chosen: argparse.Namespace, meter: setting.Meter, folder: str) -> PPOTrainer:
    options = {"attn_implementation": chosen.attention, "activation_function": chosen.activation}
    policy = setting.policy(ends=chosen.ends, **options)
    value, reward = setting.scorer(seed=2, **options), setting.scorer(**options)
    models = [model.to(getattr(torch, chosen.weights)) for model in (policy, value, reward)]
    if chosen.lora_value:
        value.requires_grad_(False)
        inject_adapter_in_model(_lora(), value)
        value.score.requires_grad_(True)
    trainer = PPOTrainer(
        PPOConfig(
            output_dir=folder,
            per_device_train_batch_size=setting.MICRO_BATCH,
            gradient_accumulation_steps=setting.ROLLOUTS // setting.MICRO_BATCH,
            local_rollout_forward_batch_size=setting.ROLLOUTS,
            num_mini_batches=1,
            num_ppo_epochs=setting.EPOCHS,
            total_episodes=setting.ROLLOUTS * chosen.updates,
            response_length=setting.NEW_TOKENS,
            stop_token="eos" if chosen.ends else None,
            temperature=1.0,
            learning_rate=setting.LEARNING_RATE,
            bf16=False,
            gradient_checkpointing=False,
            num_sample_generations=0,
            save_strategy="no",
            report_to=[],
            use_cpu=True,
            disable_tqdm=True,
        ),
        setting.tokenizer(),
        models[0],
        None,
        models[2],
        Dataset.from_dict({"input_ids": setting.prompt_ids()}),
        models[1],
        callbacks=[Clock(meter)],
        peft_config=_lora(),
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def _lora() -> LoraConfig:
    return LoraConfig(r=setting.RANK, lora_alpha=setting.ALPHA, target_modules=MAPS, fan_in_fan_out=True)


def _watch(reward_model: torch.nn.Module, meter: setting.Meter) -> None:
    """Scoring begins behind generation, and ends where the first forward pass asks for a gradient."""
    generate, forward, get_reward = ppo_trainer.batch_generation, ppo_trainer.forward, ppo_trainer.get_reward

    def generating(*arguments: Any) -> Any:
        made = generate(*arguments)
        meter.enter("scoring")
        return made

    def passing(*arguments: Any) -> Any:
        if torch.is_grad_enabled():
            meter.enter("optimisation")
        return forward(*arguments)

    def rewarding(model: torch.nn.Module, ids: torch.Tensor, pad: int, start: int) -> Any:
        began = time.process_time()
        found = get_reward(model, ids, pad, start)
        if model is reward_model:
            meter.note("reward model", time.process_time() - began)
            meter.note("tokens", float((ids[:, start:] != pad).sum()) / len(ids))
        return found

    ppo_trainer.batch_generation, ppo_trainer.forward, ppo_trainer.get_reward = generating, passing, rewarding


if __name__ == "__main__":
    main()
