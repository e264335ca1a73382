"""Tokens a CPU second of our decoder beside ``generate``, on the same model, the same prompts and in the same run.

Run by hand: ``make bench NAME=decoder ARGS="--batch 128"``. Give a trained model with ``--model``: an untrained one never
ends its answers, so that no row leaves the batch early. Both are greedy, and their answers are compared.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import torch

from training.config import ModelSettings, TaskSettings
from training.curriculum import build
from training.data.tokenizer import tokenizer_for
from training.models import build_model, load
from training.prompting import encode_all, format_prompt
from training.rollout import _generate_by_library, generate_ids


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=None, help="a trained model; default: aval-tiny, untrained")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--new-tokens", type=int, default=96)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)

    tasks = build(TaskSettings(train=400, held_out=max(8, chosen.batch), seed=3))
    with TemporaryDirectory() as folder:
        path = chosen.model or _untrained(tasks["train"], Path(folder))
        model, tokenizer = load(path)
    asked = tasks["iid"][: chosen.batch]
    prompts = encode_all(tokenizer, [format_prompt(tokenizer, task.text, task.signature) for task in asked])
    common: dict[str, Any] = {
        "max_new_tokens": chosen.new_tokens,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    library = {"temperature": 0.0, "top_k": 0, "top_p": 1.0, "seed": 0, "num_beams": 1}
    rounds = []
    for _ in range(chosen.rounds):
        ours, our_rate = _timed(lambda: generate_ids(model, prompts, **common))
        theirs, their_rate = _timed(lambda: _generate_by_library(model, prompts, **common, **library))
        same = sum(a == b for a, b in zip(ours, theirs, strict=True))
        rounds.append((our_rate / their_rate, our_rate, their_rate, same))
        print(
            f"ours {our_rate:8.0f}   generate {their_rate:8.0f} tokens per CPU second   ratio {our_rate / their_rate:.2f}   "
            f"equal answers {same} of {len(prompts)}"
        )
    ratios, ours_all, theirs_all, sames = zip(*rounds, strict=True)
    result = {
        "batch": chosen.batch,
        "ratio": round(median(ratios), 2),
        "ours": round(median(ours_all)),
        "generate": round(median(theirs_all)),
        "equal": min(sames),
    }
    print(json.dumps(result))


def _untrained(tasks: Any, folder: Path) -> Path:
    tokenizer = tokenizer_for(tasks, vocab_size=2048)
    build_model(ModelSettings(preset="aval-tiny"), tokenizer).save_pretrained(str(folder))
    tokenizer.save_pretrained(str(folder))
    return folder


def _timed(run: Callable[[], list[list[int]]]) -> tuple[list[list[int]], float]:
    before = time.process_time()
    answers = run()
    return answers, sum(map(len, answers)) / (time.process_time() - before)


if __name__ == "__main__":
    main()
