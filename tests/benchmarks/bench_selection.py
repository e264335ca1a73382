"""How many ratings active selection needs for the accuracy that random choice has at its full budget.

Run by hand: ``make bench NAME=selection ARGS="--backbone FOLDER --cache FOLDER"``; without ``--backbone`` one is trained
for ``--minutes`` of CPU. Several take turns, one a seed. Each seed has tasks, programs and a simulated panel of its own
(``selection_setting``); the answers are judged by pairs of other tasks, by the panel's utility without noise.

Ratings are drawn in rounds, the first at random. The model that chooses, and that is judged, is a light ensemble:
Bradley-Terry heads, with the loss of ``training.reward_model``, each on the ratings with random weights of its own (the
Bayesian bootstrap), on features of the frozen backbone. It is fitted within milliseconds, so that each way of choosing
is run several times a seed. Ratings needed are read off the mean curve, made monotonous. ``--real 0,1`` then trains
``training.reward_model`` itself on those seeds: on random ratings, and on ``--share`` of them that were chosen by the
light ensemble or, with ``--real-rounds N``, in so many rounds after a random one by the reward model's own members.
"""

from __future__ import annotations

import argparse
import json
import pickle
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from tests.benchmarks.selection_setting import Pair, pairs
from training import selection
from training.config import CORE_FAMILIES, ModelSettings, RewardModelSettings, SFTSettings, TaskSettings
from training.curriculum import build
from training.models import load
from training.preferences import Preference
from training.progress import Silent
from training.prompting import encode_completion, encode_prompt, format_prompt
from training.reward_model import RewardModel, train
from training.sft import train as train_supervised

Array = NDArray[np.float64]
Choose = Callable[[Array, "Data", Array, int], Sequence[int]]
"""(members' differences of all pairs, data, free rows, how many): which of the free rows come next."""

DIRECTIONS = 96
"""Principal components of the differences of features that the heads see."""
SPREAD = 0.4
"""Their mean standard deviation, against a prior of standard deviation 1 for each weight."""


@dataclass(frozen=True)
class Data:
    """One seed's pairs to choose from and to judge by; B less A in all that is a difference."""

    pool: list[Pair]
    judged: list[Pair]
    seen: Array
    """(pool, DIRECTIONS)"""
    asked: Array
    """(judged, DIRECTIONS)"""
    code: Array
    """(pool, places): what selection compares pairs by."""
    backbone: Path

    @property
    def given(self) -> Array:
        return np.array([pair.given for pair in self.pool], dtype=np.float64)

    def accuracy(self, differences: Array) -> float:
        """Of the judged pairs that ``(judged, members)`` differences, by their mean, order as the panel does."""
        margins = np.array([pair.margin for pair in self.judged])
        return float(((differences.mean(1) > 0) == (margins > 0)).mean())


def main() -> None:
    chosen = _options()
    torch.set_num_threads(1)
    backbones = chosen.backbone or [_backbone(chosen.minutes, chosen.cache)]
    curves: dict[str, list[Array]] = {name: [] for name in WAYS}
    seconds = dict.fromkeys([*WAYS, "setting"], 0.0)
    real = []
    for seed in range(chosen.seeds):
        start = time.process_time()
        data = _data(seed, backbones[seed % len(backbones)], chosen)
        seconds["setting"] += time.process_time() - start
        for name, choose in WAYS.items():
            start = time.process_time()
            runs = [_run(data, choose, chosen, np.random.default_rng([seed, run]))[0] for run in range(chosen.repeats)]
            curves[name].append(np.mean(runs, 0))
            seconds[name] += time.process_time() - start
        print(f"seed {seed}: {len(data.pool)} pairs, {len(data.judged)} to judge by", flush=True)
        if seed in chosen.real:
            real.append(_real(data, chosen, seed))
    result = _result(curves, chosen)
    print(_table(result, seconds, chosen))
    settings = {name: value for name, value in vars(chosen).items() if name not in ("backbone", "cache")}
    settings["cpu_seconds"] = {name: round(value, 1) for name, value in seconds.items()}
    print(json.dumps({"name": "selection", "ours": result, "real": real, "settings": settings}))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backbone", type=Path, action="append", help="a supervised model; may be repeated")
    parser.add_argument("--minutes", type=float, default=8.0, help="CPU minutes of training where none is given")
    parser.add_argument("--cache", type=Path, help="keep programs, test results and features here")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--pool", type=int, default=1000, help="pairs to choose from")
    parser.add_argument("--held-out", type=int, default=600, help="pairs to judge by")
    parser.add_argument("--budget", type=int, default=240, help="ratings")
    parser.add_argument("--round", type=int, default=24, help="ratings between two fits")
    parser.add_argument("--members", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=12, help="runs of each way a seed")
    parser.add_argument("--real", type=lambda text: [int(one) for one in text.split(",")], default=[])
    parser.add_argument("--share", type=float, default=0.7, help="of the budget, for the real model's own choice")
    parser.add_argument("--real-rounds", type=int, default=0, help="of its own choice; 0: the light ensemble chooses")
    parser.add_argument("--real-way", choices=list(WAYS), action="append", help=f"how its ratings are chosen ({OURS})")
    parser.add_argument("--real-members", type=int, default=3)
    parser.add_argument("--epochs", type=float, default=4.0, help="of the real reward model")
    return parser.parse_args()


# --- the ways of choosing


def _random(said: Array, data: Data, free: Array, count: int) -> Sequence[int]:
    del said, data
    return list(free[:count])  # They come shuffled.


def _best(worth: Callable[[Array], Array]) -> Choose:
    """The best one by one."""

    def choose(said: Array, data: Data, free: Array, count: int) -> Sequence[int]:
        del data
        return list(free[np.argsort(-worth(said[free]), kind="stable")[:count]])

    return choose


def _diverse(worth: Callable[[Array], Array]) -> Choose:
    """By ``training.selection``'s own discount for what is alike."""

    def choose(said: Array, data: Data, free: Array, count: int) -> Sequence[int]:
        found = selection._greedy(worth(said[free]), data.code[free], [False] * len(free), batch=count)
        return list(free[found[:count]])

    return choose


def _uncertainty(said: Array) -> Array:
    """The entropy of the mean chance."""
    return selection._entropy((1 / (1 + np.exp(-said))).mean(1))


def _equal(said: Array) -> Array:
    return np.ones(len(said))


WAYS: dict[str, Choose] = {
    "random": _random,
    "uncertainty": _best(_uncertainty),
    "disagreement": _best(selection.disagreement),
    "BALD": _best(selection.information),
    "diversity": _diverse(_equal),
    "uncertainty, diverse": _diverse(_uncertainty),
    "disagreement, diverse": _diverse(selection.disagreement),
    "BALD, diverse": _diverse(selection.information),
}
OURS = "disagreement, diverse"
"""What training.selection does unless told otherwise."""


# --- the light ensemble


def _run(
    data: Data, choose: Choose, chosen: argparse.Namespace, chance: np.random.Generator
) -> tuple[Array, list[int]]:
    """The accuracy after each round, and the pairs as they were rated."""
    rated = list(chance.permutation(len(data.pool))[: chosen.round])
    found = []
    while True:
        heads = _heads(data.seen[rated], data.given[rated], chance, chosen.members)
        found.append(data.accuracy(data.asked @ heads.T))
        if len(rated) >= chosen.budget:
            return np.array(found), rated
        free = chance.permutation(np.setdiff1d(np.arange(len(data.pool)), rated))
        rated += choose(data.seen @ heads.T, data, free, min(chosen.round, chosen.budget - len(rated)))


def _heads(seen: Array, given: Array, chance: np.random.Generator, members: int) -> Array:
    return np.stack([_head(seen, given, chance.exponential(size=len(given))) for _ in range(members)])


def _head(seen: Array, given: Array, weight: Array) -> Array:
    """Newton's method on the loss of ``training.reward_model`` with a prior of variance 1."""
    tie = given == 0
    turned = np.where(tie, 1.0, np.sign(given))[:, None] * seen
    margin = np.abs(given) / 3
    head = np.zeros(seen.shape[1])
    for _ in range(8):
        chance = 1 / (1 + np.exp(np.clip(margin - turned @ head, -30, 30)))
        slope = np.where(tie, chance - 0.5, chance - 1)
        curvature = (turned * (weight * chance * (1 - chance))[:, None]).T @ turned + np.eye(len(head))
        step = np.linalg.solve(curvature, turned.T @ (weight * slope) + head)
        head -= step
        if np.abs(step).max() < 1e-3:
            break
    return head


# --- the real reward model


def _real(data: Data, chosen: argparse.Namespace, seed: int) -> dict[str, Any]:
    """``training.reward_model``'s accuracy on random ratings, on as many chosen ones, and on all of the budget."""
    start = time.process_time()
    few = round(chosen.share * chosen.budget)
    order = list(np.random.default_rng([seed, 0]).permutation(len(data.pool)))  # It begins as the chosen ones do.
    found: dict[str, Any] = {"seed": seed}
    ratings = {f"random, {few}": order[:few], f"random, {chosen.budget}": order[: chosen.budget]}
    ratings |= {f"{way}, {few}": _chosen(data, seed, few, WAYS[way], chosen) for way in chosen.real_way or [OURS]}
    for name, rows in ratings.items():
        found[name] = round(data.accuracy(_trained(data, rows, chosen, data.judged)), 4)
        print(f"seed {seed}, the reward model itself: {name}: {100 * found[name]:.1f} %", flush=True)
    return found | {"cpu_seconds": round(time.process_time() - start)}


def _chosen(data: Data, seed: int, count: int, way: Choose, chosen: argparse.Namespace) -> list[int]:
    """So many pairs, chosen in rounds by the light ensemble or by the reward model's own members."""
    chance, rounds = np.random.default_rng([seed, 0]), chosen.real_rounds
    if not rounds:
        return _run(data, way, chosen, chance)[1][:count]
    rated = list(chance.permutation(len(data.pool))[: round(count / (rounds + 1))])
    for part in range(2, rounds + 2):
        said = _trained(data, rated, chosen, data.pool)
        free = np.setdiff1d(np.arange(len(data.pool)), rated)
        rated += way(said, data, free, round(count * part / (rounds + 1)) - len(rated))
    return rated


def _trained(data: Data, rated: Sequence[int], chosen: argparse.Namespace, asked: Sequence[Pair]) -> Array:
    """(asked, members): what a reward model says of the pairs once it is trained on the rated ones."""
    preferences = [
        Preference(pair.task.text, pair.task.signature, pair.code_a, pair.code_b, pair.given, "panel")
        for pair in (data.pool[at] for at in rated)
    ]
    settings = RewardModelSettings(
        epochs=chosen.epochs, held_out=0.1, members=chosen.real_members, weigh_annotators=False, save_steps=100_000
    )
    with tempfile.TemporaryDirectory() as folder:
        path = train(data.backbone, preferences, settings=settings, run_folder=Path(folder), fence=1, watcher=Silent())
        model = RewardModel.load(path, backbone=data.backbone)
    prompts = [format_prompt(model.tokenizer, pair.task.text, pair.task.signature) for pair in asked]
    sides = [model.score_members(prompts, [getattr(pair, side) for pair in asked]) for side in ("code_a", "code_b")]
    return np.array(sides[1]) - np.array(sides[0])


# --- data


def _backbone(minutes: float, cache: Path | None) -> Path:
    """A small supervised model, trained on tasks of the core families."""
    tasks = build(TaskSettings(train=20_000, held_out=100, families=CORE_FAMILIES))
    return train_supervised(
        tasks["train"],
        tasks["iid"],
        model=ModelSettings(),
        settings=SFTSettings(epochs=100.0, max_cpu_seconds=60 * minutes, save_steps=100_000),
        run_folder=(cache or Path(tempfile.mkdtemp())) / f"backbone-{minutes:g}",
        fence=1,
        watcher=Silent(),
    )


def _data(seed: int, backbone: Path, chosen: argparse.Namespace) -> Data:
    kept = chosen.cache and chosen.cache / f"selection-{seed}-{chosen.pool}-{chosen.held_out}.pickle"
    if kept and kept.exists():
        pool, judged, features = pickle.loads(kept.read_bytes())
    else:
        pool, judged = pairs(seed, pool=chosen.pool, held_out=chosen.held_out)
        features = _features(backbone, [*pool, *judged])
        if kept:
            kept.write_bytes(pickle.dumps((pool, judged, features)))
    features = (features - features[: len(pool)].mean((0, 1))) / (features[: len(pool)].std((0, 1)) + 1e-6)
    differences = features[:, 1] - features[:, 0]
    _, _, components = np.linalg.svd(differences[: len(pool)], full_matrices=False)
    reduced = differences @ components[:DIRECTIONS].T
    reduced *= SPREAD / reduced[: len(pool)].std(0).mean()
    code = selection._directions([selection.Candidate(0, "", pair.code_a, pair.code_b, ()) for pair in pool])
    return Data(pool, judged, reduced[: len(pool)], reduced[len(pool) :], code, backbone)


@torch.no_grad()
def _features(backbone: Path, asked: Sequence[Pair]) -> Array:
    """(pairs, sides, width): the last state, and the mean over the code of the last and of a middle layer's states."""
    model, tokenizer = load(backbone)
    model.eval()
    rows = [
        (encode_prompt(tokenizer, pair.task.text, pair.task.signature), encode_completion(tokenizer, code))
        for pair in asked
        for code in (pair.code_a, pair.code_b)
    ]
    found = []
    for prompt, code in rows:
        states = model(input_ids=torch.tensor([prompt + code]), output_hidden_states=True).hidden_states
        last, middle = states[-1][0, len(prompt) :], states[-2][0, len(prompt) :]
        found.append(torch.cat([last[-1], last.mean(0), middle.mean(0)]).double().numpy())
    return np.stack(found).reshape(len(asked), 2, -1)


# --- the result


def _result(curves: dict[str, list[Array]], chosen: argparse.Namespace) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, rows in curves.items():
        shares = [
            _needed(row, float(_monotonous(base)[-1]), chosen.round) / chosen.budget
            for row, base in zip(rows, curves["random"], strict=True)
        ]
        found[name] = {
            "accuracy": [round(float(value), 4) for value in np.mean(rows, 0)],
            "share_by_seed": [round(share, 3) for share in shares],
            "share": round(float(np.mean(shares)), 3),
        }
    return found


def _needed(curve: Array, target: float, step: int) -> float:
    """Ratings until the curve, made monotonous, reaches the target; one round more than the budget where it doesn't."""
    curve = _monotonous(curve)
    if target > curve[-1]:
        return step * (len(curve) + 1.0)
    at = int(np.argmax(curve >= target))
    if at == 0:
        return float(step)
    return step * (at + (target - curve[at - 1]) / (curve[at] - curve[at - 1]))


def _monotonous(curve: Array) -> Array:
    """The nearest curve that never falls (isotonic regression: neighbours in the wrong order are averaged)."""
    blocks: list[tuple[float, int]] = []
    for value in curve:
        mean, size = float(value), 1
        while blocks and blocks[-1][0] > mean:
            before, count = blocks.pop()
            mean, size = (before * count + mean * size) / (count + size), count + size
        blocks.append((mean, size))
    return np.repeat([mean for mean, _ in blocks], [size for _, size in blocks])


def _table(result: dict[str, Any], seconds: dict[str, float], chosen: argparse.Namespace) -> str:
    half = chosen.budget // 2 // chosen.round - 1
    lines = [
        f"\n{'':<24}{'accuracy at half':>18}{'at the budget':>15}{'ratings needed':>16}{'by seed':>34}{'CPU s':>8}"
    ]
    for name, row in result.items():
        shares = " ".join(f"{share:.2f}" for share in row["share_by_seed"])
        half_way, end = (f"{100 * row['accuracy'][at]:.1f} %" for at in (half, -1))
        lines.append(f"{name:<24}{half_way:>18}{end:>15}{100 * row['share']:>14.0f} %{shares:>34}{seconds[name]:>8.0f}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
