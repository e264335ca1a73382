"""What minutes of supervised training from nothing give: pass@1 by split, over seeds and budgets, and best-of-8.

Run by hand: ``make bench NAME=supervised ARGS="--minutes 8 --seeds 0,1,2 --out FOLDER"``; ``--families all --minutes 40``
for all families. Minutes are CPU minutes of the training process (all threads), from the first token read to the last step.
Answers are greedy, their tests run in the sandbox. ``--best-of 8`` draws as many answers a prompt at temperature 1 on
``iid`` and keeps the one that passes all tests, if any does. Models are kept under ``--out``.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from training.config import (
    CORE_FAMILIES,
    DecodingSettings,
    EvaluationSettings,
    ModelSettings,
    SFTSettings,
    TaskSettings,
)
from training.curriculum import Task, build
from training.evaluate import evaluate, summarise, table
from training.progress import Silent
from training.sft import SUMMARY, train

METRICS = ("full", "public", "syntax")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--families", choices=("core", "all"), default="core", help="core: the sixteen of config.py")
    parser.add_argument("--minutes", default="8", help="CPU minutes of each training, as in 2,4,8")
    parser.add_argument("--seeds", default="0", help="of tasks, weights and order, as in 0,1,2")
    parser.add_argument("--tasks", type=int, default=20_000, help="tasks for training")
    parser.add_argument("--prompts", type=int, default=1000, help="a split")
    parser.add_argument("--best-of", type=int, default=0)
    parser.add_argument("--preset", default="aval-tiny")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True)
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    results = []
    for seed in map(int, chosen.seeds.split(",")):
        families = CORE_FAMILIES if chosen.families == "core" else ()
        tasks = build(TaskSettings(train=chosen.tasks, held_out=chosen.prompts, families=families, seed=seed))
        for minutes in map(float, chosen.minutes.split(",")):
            results.append(_measured(chosen, tasks, seed, minutes))
    print(json.dumps(results))


def _measured(chosen: argparse.Namespace, tasks: dict[str, list[Task]], seed: int, minutes: float) -> dict[str, Any]:
    name = f"{chosen.families}-{minutes:g}min-{seed}"
    model = train(
        tasks["train"],
        tasks["iid"][:100],
        model=ModelSettings(preset=chosen.preset),
        # More epochs than any budget holds, so that the budget ends the training.
        settings=SFTSettings(epochs=100.0, max_cpu_seconds=60 * minutes, save_steps=100_000, seed=seed),
        run_folder=chosen.out / name,
        fence=1,
        watcher=Silent(),
    )
    held_out = tuple(split for split in tasks if split != "train")
    settings = EvaluationSettings(splits=held_out, prompts=chosen.prompts, verify=False)
    found = evaluate(model, tasks, settings=settings, watcher=Silent())
    training = json.loads((model / SUMMARY).read_text())
    print(f"\n{name}: {training['steps']} steps, perplexity {training['perplexity']:.3f}, {model}")
    print(table({"greedy": found}, metrics=METRICS))
    print(table({"greedy": found}, by="family", metrics=("full", "public")), flush=True)
    result: dict[str, Any] = {"name": name, "steps": training["steps"], "splits": _means(found, METRICS)}
    if chosen.best_of:
        drawn = replace(
            settings, splits=("iid",), samples=chosen.best_of, decoding=DecodingSettings(temperature=1.0, seed=seed)
        )
        several = evaluate(model, tasks, settings=drawn, watcher=Silent())
        metrics = ("full", f"full@{chosen.best_of}")
        print(table({f"best of {chosen.best_of}": several}, metrics=metrics), flush=True)
        result["drawn"] = _means(several, metrics)
    return result


def _means(found: Any, metrics: tuple[str, ...]) -> dict[str, dict[str, float]]:
    summary = summarise(found, metrics=metrics)
    return {split: {name: round(value.mean, 4) for name, value in row.items()} for split, row in summary.items()}


if __name__ == "__main__":
    main()
