"""How well the reward model orders pairs it hasn't seen, how sure it may be, and what raters who answer at random cost.

Run by hand: ``make bench NAME=reward_model ARGS="--experiment FOLDER --seed 0"``, on the tasks, the supervised model and
the pairs of ``aval experiment --out FOLDER`` (its pieces up to ``pairs`` must be done). The simulated panel of ``--raters``
rates the pairs of three prompts in four; the others are kept, and rated too. Accuracies are on those ratings, ties left
out, beside that of the panel's mean utility without noise: what nobody can beat by much. Then a fifth of the raters answer
at random, with and without the annotators' weights; with ``--careful`` what the others' ratings alone teach comes last,
which is the most that weights can do.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

import torch

from training.calibration import calibration_error
from training.config import ExperimentSettings, RewardModelSettings, read
from training.curriculum import Task
from training.models import load_tokenizer
from training.preferences import SCALE_NAMES, Preference
from training.progress import Silent
from training.prompting import format_prompt
from training.reward_model import RewardModel, train
from verification.sandbox import Job, Pool, Result
from workers.experiment.pieces import Seed, rating
from workers.experiment.schedule import SETTINGS, folder_of
from workers.panel import Panellist, character, utility

KEPT = 4
"""One prompt in so many is kept for judging."""
RANDOM_SHARE = 5
"""One rater in so many answers at random."""


@dataclass(frozen=True)
class Pair:
    task: Task
    codes: tuple[str, str]
    results: tuple[Result, Result]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--experiment", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--raters", type=int, default=10)
    parser.add_argument("--overlap", type=int, default=2)
    parser.add_argument(
        "--pairs", type=int, help="learn from so many pairs only: the fewer, the more a bad rater costs"
    )
    parser.add_argument("--skip", type=int, default=0, help="so many of the pairs to learn from, for another sample")
    parser.add_argument("--defaults", action="store_true", help="the reward model's own settings, not the experiment's")
    parser.add_argument("--members", type=int, help="of the ensemble, where not as in the settings")
    parser.add_argument("--noise", type=float, default=1.0, help="so many times the panel's own")
    parser.add_argument("--careful", action="store_true", help="learn from the careful ones' ratings alone as well")
    parser.add_argument("--epochs", type=float, help="passes over them, where not as in the settings")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    settings = read(ExperimentSettings, json.loads((chosen.experiment / SETTINGS).read_text()))
    if chosen.defaults:
        settings = replace(settings, reward_model=RewardModelSettings())
    own = {name: value for name in ("members", "epochs") if (value := getattr(chosen, name))}
    settings = replace(settings, reward_model=replace(settings.reward_model, **own))
    seed = Seed(settings, folder_of(chosen.experiment, chosen.seed), chosen.seed)
    pairs = _pairs(seed)
    learnt = [pair for number, pair in enumerate(pairs) if number % KEPT][chosen.skip :][: chosen.pairs]
    kept = pairs[::KEPT]
    drawn = [
        character(f"rater-{number}", "", seed=5000 + 100 * chosen.seed + number) for number in range(chosen.raters)
    ]
    panel = [replace(person, noise=chosen.noise * person.noise) for person in drawn]
    at_random = {person.username for person in panel[::RANDOM_SHARE]}
    clean = _rated(learnt, panel, chosen.overlap, chosen.seed)
    noisy = [_guessed(one, chosen.seed) if one.annotator in at_random else one for one in clean]
    judged = [
        one for one in _rated(kept, panel, chosen.overlap, chosen.seed + 1) if one.preference and not one.unusable
    ]
    better = _better(kept, panel)
    true = [better[_key(one)] > 0 for one in judged]
    best = _share(true, [one.preference > 0 for one in judged])
    print(
        f"{len(learnt)} pairs with {len(clean)} ratings; {len(judged)} preferences kept; noise-free utility {best:.3f}"
    )
    found = {
        "clean": _measured(seed, clean, judged, true, weigh=True),
        "random, unweighted": _measured(seed, noisy, judged, true, weigh=False),
        "random, weighted": _measured(seed, noisy, judged, true, weigh=True),
    }
    if chosen.careful:
        careful = [one for one in clean if one.annotator not in at_random]
        found["careful ones alone"] = _measured(seed, careful, judged, true, weigh=True)
    for name, row in found.items():
        told = ", ".join(f"{key} {value:.3f}" for key, value in row.items() if isinstance(value, float))
        print(f"{name:20} {told}", flush=True)
    loss = found["clean"]["accuracy"] - found["random, unweighted"]["accuracy"]
    back = found["random, weighted"]["accuracy"] - found["random, unweighted"]["accuracy"]
    weighted = found["random, weighted"]["reliabilities"]
    print(
        "reliabilities:", {name: (value, "at random" if name in at_random else "") for name, value in weighted.items()}
    )
    print(f"lost without weights {100 * loss:.1f} points, of which weights bring back {100 * back:.1f}")
    print(
        json.dumps(
            {
                "name": "reward_model",
                "ours": found,
                "peers": {"noise-free utility": best},
                "ratios": {
                    "accuracy of the utility's": found["clean"]["accuracy"] / best,
                    "recovered": back / loss if loss > 0 else None,
                },
                "settings": {**vars(chosen), "experiment": str(chosen.experiment)},
            }
        )
    )


def _pairs(seed: Seed) -> list[Pair]:
    by_key = {task.key: task for task in seed.tasks("train")}
    drawn = json.loads((seed.folder / "pairs-drawn.json").read_text(encoding="utf-8"))
    rows = [(by_key[pair["task"]], tuple(pair["codes"])) for pair in drawn]
    with Pool() as pool:
        jobs = [Job.tests(code, task.entry, task.tests, prelude=task.prelude) for task, codes in rows for code in codes]
        results = pool.run_many(jobs)
    return [Pair(task, codes, (results[2 * n], results[2 * n + 1])) for n, (task, codes) in enumerate(rows)]


def _rated(pairs: Sequence[Pair], panel: Sequence[Panellist], overlap: int, seed: int) -> list[Preference]:
    rows = [
        rating(panel[(number + turn) % len(panel)], pair.task, pair.codes, pair.results, seed)
        for number, pair in enumerate(pairs)
        for turn in range(overlap)
    ]
    return [Preference(**row) for row in rows]


def _guessed(one: Preference, seed: int) -> Preference:
    """What somebody says who doesn't look."""
    chance = Random(f"{seed}/{one.annotator}/{one.code_a}/{one.code_b}")
    scales = [{name: chance.randint(1, 5) for name in SCALE_NAMES} for _ in range(2)]
    return replace(
        one, preference=chance.randint(-3, 3), unusable=chance.random() < 0.05, scales_a=scales[0], scales_b=scales[1]
    )


def _better(pairs: Sequence[Pair], panel: Sequence[Panellist]) -> dict[tuple[str, ...], float]:
    """By how much the panel's utility, without noise, prefers each pair's second program."""
    return {
        (pair.task.text, *pair.codes): math.fsum(
            utility(person, pair.codes[1], pair.results[1]) - utility(person, pair.codes[0], pair.results[0])
            for person in panel
        )
        for pair in pairs
    }


def _key(one: Preference) -> tuple[str, ...]:
    return one.prompt_text, one.code_a, one.code_b


def _share(found: Sequence[bool], right: Sequence[bool]) -> float:
    return sum(one == other for one, other in zip(found, right, strict=True)) / len(right)


def _measured(
    seed: Seed, ratings: Sequence[Preference], judged: Sequence[Preference], true: Sequence[bool], *, weigh: bool
) -> dict[str, Any]:
    backbone, began = seed.model("supervised"), time.process_time()
    settings = replace(seed.settings.reward_model, seed=seed.number, weigh_annotators=weigh)
    with tempfile.TemporaryDirectory() as scratch:
        folder = train(backbone, ratings, settings=settings, run_folder=Path(scratch), fence=1, watcher=Silent())
        spent = time.process_time() - began
        model = RewardModel.load(folder, backbone=backbone)
    tokenizer = load_tokenizer(backbone)
    prompts = [format_prompt(tokenizer, one.prompt_text, one.signature) for one in judged]
    first, second = (model.score(prompts, [getattr(one, side) for one in judged]) for side in ("code_a", "code_b"))
    differences = [b - a for a, b in zip(first, second, strict=True)]
    preferred = [difference > 0 for difference in differences]
    sides = [one.preference > 0 for one in judged]
    error = calibration_error(differences, sides)
    return {
        "accuracy": _share(preferred, sides),
        "accuracy_without_noise": _share(preferred, true),
        "calibration_error": error.error,
        "own_calibration_error": model.summary.calibration_error,
        "disagreement_and_error": model.summary.disagreement_and_error,
        "cpu_seconds": spent,
        "reliabilities": model.summary.reliabilities,
    }


if __name__ == "__main__":
    main()
