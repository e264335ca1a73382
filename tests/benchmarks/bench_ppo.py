"""What one update of PPO costs beside TRL's: CPU seconds of its parts on one thread, and memory.

Run by hand: ``make bench NAME=ppo ARGS="--peer-venv FOLDER"``, with the virtual environment of
``tests/benchmarks/trl_ppo_peer.py``. GPT-2, 6 layers of 256, 64 rollouts of 32 + 64 tokens, 4 epochs of one mini-batch,
micro-batches of 16; the reward is the same model's forward pass on both sides. Each side has a process of its own, and
they take turns update by update, so that what else the machine does falls on all alike. Medians, without the first
update. Twice over: completions that all run to the limit, and completions that end at half of it on average.

The peer's figures to compare with are those of its cheapest control that trains what it trains by itself: as shipped (LoRA,
float32), or tuned (explicit attention, and the weights' type that is the faster; on a CPU without bfloat16 instructions
that is float32 by far). It trains its whole value model, ours a head; so one more control has LoRA on that too.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any

from tests.benchmarks import ppo_setting as setting

PARTS = ("total", "generation", "scoring", "reward model", "optimisation", "peak_mb", "tokens")
"""``reward model`` is within scoring; ``peak_mb`` is above what imports take; ``tokens`` are a completion's."""
CONTROLS = ("TRL as shipped", "TRL tuned")
"""The cheapest of them is what ours is held against."""
OURS = {"all layers": 0, "top 2 layers": 2}
"""How many layers are adapted from the top; 0: all."""
TARGETS = {
    False: {"all layers": 0.67, "top 2 layers": 0.30},
    True: {"all layers": 0.45, "top 2 layers": 0.25},
}
"""Most CPU seconds an update, as a share of the control's; by whether completions end before the limit."""
MEMORY_TARGET = 0.6


@dataclass
class Contestant:
    """A process that runs an update whenever it is told to."""

    name: str
    command: list[str]
    about: dict[str, float] = field(default_factory=dict)
    rows: list[dict[str, float]] = field(default_factory=list)

    def start(self, log: Path) -> None:
        threads = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
        self._log = log / f"{self.name}.log"
        with self._log.open("w") as errors:
            self.process = subprocess.Popen(
                self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True,
                env=os.environ | threads | {"HF_HUB_OFFLINE": "1"},
            )  # fmt: skip
        self.about = self._row()

    def update(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        self.rows.append(self._row())

    def stop(self) -> None:
        self.process.kill()
        self.process.communicate()

    def medians(self) -> dict[str, float]:
        """Over all updates but the first; of memory the most."""
        found = {part: statistics.median(row[part] for row in self.rows[1:]) for part in PARTS}
        return {**found, "peak_mb": max(row["peak_mb"] for row in self.rows), **self.about}

    def _row(self) -> dict[str, float]:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("ROW "):
                row: dict[str, float] = json.loads(line[4:])
                return row
        raise RuntimeError(f"{self.name} has ended:\n{self._log.read_text()[-2000:]}")


def measured(contestants: Sequence[Contestant], updates: int, log: Path) -> dict[str, dict[str, float]]:
    """Each contestant's medians; they take turns."""
    with contextlib.ExitStack() as stack:
        for contestant in contestants:
            contestant.start(log)
            stack.callback(contestant.stop)
        for number in range(updates):
            for contestant in contestants:
                contestant.update()
                row = {name: round(value, 3) for name, value in contestant.rows[-1].items()}
                print(json.dumps({"contestant": contestant.name, "update": number, **row}), flush=True)
    return {contestant.name: contestant.medians() for contestant in contestants}


def contestants(chosen: argparse.Namespace, *, ends: bool) -> list[Contestant]:
    """The peer's and ours, by turns."""
    ending = [*(["--ends"] if ends else []), "--updates", str(chosen.updates), "--activation", chosen.activation]
    ours = [
        Contestant(name, [sys.executable, "-m", "tests.benchmarks.bench_ppo", "--run", str(layers), *ending])
        for name, layers in OURS.items()
    ]
    peers = []
    if chosen.peer_venv:
        tuned = ["--attention", "eager", "--weights", chosen.weights]
        shapes = {"TRL as shipped": [], "TRL tuned": tuned, "TRL tuned, value LoRA": [*tuned, "--lora-value"]}
        command = [str(chosen.peer_venv / "bin/python"), "-m", "tests.benchmarks.trl_ppo_peer", *ending]
        peers = [
            Contestant(name, [*command, *options])
            for name, options in shapes.items()
            if name == "TRL tuned" or not chosen.tuned_only
        ]
    return [one for pair in zip_longest(peers, ours) for one in pair if one is not None]


# -- our side


def run(layers: int, chosen: argparse.Namespace) -> None:
    """In a process of its own: an update whenever a line comes in."""
    import torch
    from transformers import PrinterCallback, TrainerCallback

    from training import adapters
    from training.config import LoraSettings
    from training.models import attention_for
    from training.ppo import PPOConfig, PPOTrainer

    meter = setting.Meter()
    options = {"attn_implementation": attention_for("gpt2"), "activation_function": chosen.activation}

    class Trainer(PPOTrainer):
        def collect(self, update: int) -> Any:
            experience = super().collect(update)
            meter.enter("optimisation")
            return experience

    class Clock(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if state.global_step % args.steps_per_update == 0:
                meter.end()

    reward_model = setting.scorer(**options)

    @torch.no_grad()
    def reward(prompt_ids: list[list[int]], completion_ids: list[list[int]], **_: Any) -> list[float]:
        meter.enter("scoring")
        began = time.process_time()
        lengths = torch.tensor([len(ids) for ids in completion_ids])
        rows = [[*prompt, *ids] for prompt, ids in zip(prompt_ids, completion_ids, strict=True)]
        width = setting.PROMPT_TOKENS + setting.NEW_TOKENS
        ids = torch.tensor([row + [setting.PAD] * (width - len(row)) for row in rows])
        held = (torch.arange(width) < (setting.PROMPT_TOKENS + lengths)[:, None]).long()
        states = reward_model.transformer(input_ids=ids, attention_mask=held, use_cache=False).last_hidden_state
        scores = reward_model.score(states)[torch.arange(len(rows)), setting.PROMPT_TOKENS + lengths - 1, 0]
        meter.note("reward model", time.process_time() - began)
        meter.note("tokens", float(lengths.float().mean()))
        return scores.tolist()

    prompts = setting.prompt_ids()
    model = setting.policy(ends=chosen.ends, **options)
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(
            model,
            reward,
            PPOConfig(
                folder,
                num_updates=chosen.updates,
                batch_size=setting.ROLLOUTS,
                mini_batch_size=setting.ROLLOUTS,
                per_device_train_batch_size=setting.MICRO_BATCH,
                num_ppo_epochs=setting.EPOCHS,
                response_length=setting.NEW_TOKENS,
                missing_eos_penalty=0.0,
                value_pretraining_updates=0,
                learning_rate=setting.LEARNING_RATE,
                log_completions=False,
                report_to="none",
                use_cpu=True,
                disable_tqdm=True,
            ),
            train_dataset=[{"prompt": " ".join(f"w{n}" for n in ids), "prompt_ids": ids} for ids in prompts],
            processing_class=setting.tokenizer(),
            peft_config=adapters.lora_config(LoraSettings(r=setting.RANK, alpha=setting.ALPHA, layers=layers), model),
            callbacks=[Clock()],
        )
        trainer.remove_callback(PrinterCallback)
        meter.ready(trainer.model)
        trainer.train()


# -- the table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--updates", type=int, default=4, help="of each; the first does not count")
    parser.add_argument("--peer-venv", type=Path, default=os.environ.get("TRL_VENV"), help="with torch, trl 1.12, peft")
    parser.add_argument("--weights", default="float32", choices=["float32", "bfloat16"], help="of the tuned control")
    parser.add_argument("--activation", default="gelu_new", help="of all models, by transformers' name")
    parser.add_argument("--tuned-only", action="store_true", help="no other peer than the tuned control")
    parser.add_argument("--run", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--ends", action="store_true", help="only completions that end before the limit")
    parser.add_argument("--limit", action="store_true", help="only completions that run to the limit")
    chosen = parser.parse_args()
    if chosen.run is not None:
        run(chosen.run, chosen)
        return
    chosen.peer_venv = chosen.peer_venv and Path(chosen.peer_venv)
    load = os.getloadavg()[0]
    results: dict[str, dict[str, dict[str, float]]] = {}
    ratios: dict[str, dict[str, dict[str, float]]] = {}
    with tempfile.TemporaryDirectory(prefix="aval-bench-") as folder:
        for name, ends in (("to the limit", False), ("ending", True)):
            if (chosen.ends and not ends) or (chosen.limit and ends):
                continue
            results[name] = measured(contestants(chosen, ends=ends), chosen.updates, Path(folder))
            ratios[name] = compared(results[name])
            _print(name, results[name], ratios[name], ends=ends)
    if not chosen.peer_venv:
        print(
            "peer missing: TRL 1.12 (name an environment with torch, trl==1.12.0 and peft by --peer-venv or TRL_VENV)"
        )
    sides = [
        {name: {who: row for who, row in rows.items() if (who in OURS) == is_ours} for name, rows in results.items()}
        for is_ours in (True, False)
    ]
    settings = {
        "unit": "CPU seconds an update, one thread; MB above imports",
        "updates": chosen.updates,
        "rollouts": setting.ROLLOUTS, "prompt": setting.PROMPT_TOKENS, "completion": setting.NEW_TOKENS,
        "epochs": setting.EPOCHS, "micro_batch": setting.MICRO_BATCH, "vocabulary": setting.VOCABULARY,
        "layers": setting.LAYERS, "width": setting.WIDTH, "rank": setting.RANK, "activation": chosen.activation,
        "tuned control": f"{chosen.weights}, eager", "load": [load, os.getloadavg()[0]],
    }  # fmt: skip
    print(json.dumps({"name": "ppo", "ours": sides[0], "peers": sides[1], "ratios": ratios, "settings": settings}))


def compared(rows: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
    """Ours as a share of each peer's."""
    shares = ("total", "generation", "scoring", "optimisation", "peak_mb")
    return {
        f"{ours} / {peer}": {part: round(rows[ours][part] / rows[peer][part], 3) for part in shares}
        for ours in OURS
        for peer in rows
        if peer not in OURS
    }


def _print(name: str, rows: dict[str, dict[str, float]], ratios: dict[str, dict[str, float]], *, ends: bool) -> None:
    print(f"\ncompletions {name}, load {os.getloadavg()[0]:.1f}")
    columns = [*PARTS, "trained", "imports_mb"]
    print(f"{'':<36}" + "".join(f"{column:>14}" for column in columns))
    for who, row in rows.items():
        print(
            f"{who:<36}"
            + "".join(f"{row[column]:>14,.0f}" if row[column] > 50 else f"{row[column]:>14.2f}" for column in columns)
        )
    for pair, shares in ratios.items():
        print(
            f"{pair:<36}"
            + "".join(f"{shares[column]:>14.2f}" if column in shares else f"{'':>14}" for column in columns)
        )
    controls = [who for who in CONTROLS if who in rows]
    if not controls:
        return
    control = min(controls, key=lambda who: rows[who]["total"])
    for ours, target in TARGETS[ends].items():
        shares = ratios[f"{ours} / {control}"]
        print(f"{ours}: {shares['total']:.2f} of the CPU of {control} (at most {target}: "
              f"{_met(shares['total'], target)}), {shares['peak_mb']:.2f} of its memory "
              f"(at most {MEMORY_TARGET}: {_met(shares['peak_mb'], MEMORY_TARGET)})")  # fmt: skip


def _met(share: float, target: float) -> str:
    return "met" if share <= target else "MISSED"


if __name__ == "__main__":
    main()
