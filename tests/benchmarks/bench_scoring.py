"""What it costs to score an update's completions, by component: tests, verifier, ratings; cold and warm.

Run by hand: ``make bench NAME=scoring``. Without files the completions are made from solutions of the demo's families as
a policy in training writes them: right, unsafe, mistaken, cut off. ``--completions FILE... --tasks FILE`` takes those of
a PPO run. The reward model is the demo's, of its size and with its members, trained for a moment; ``--reward-model`` and
``--backbone`` name another.

- cold: nothing is known, no process has started, no solver is loaded; only the reward model is in memory.
- warm: the same process scores as many completions, 70% of which it has scored before.
- again: the same process scores the same completions.
- next run: another run scores what the first one did: it has that one's folder of verdicts, and nothing in memory.

CPU seconds are those of this process and of all below it: the sandbox's watchers, zygotes and programs.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import torch

from training import reward_model
from training.align import columns
from training.config import SCALES
from training.curriculum import Task, build, read_jsonl
from training.data.tokenizer import save_tokenizer, tokenizer_for
from training.evidence import LearnedReward, Reward, Rewards, TestReward, VerifierReward
from training.models import build_model
from training.progress import Silent
from training.rewards import Ordered
from verification.sandbox import Result

COLD, WARM = 30.0, 12.0
"""CPU seconds that 1,024 completions may take."""

KNOWN = 0.7
"""Share of a warm call's completions that were scored before."""

PARTS = ("tests", "verifier", "ratings", "the rest")
Sample = tuple[Task, str]


class Meter:
    """CPU seconds by part of what runs within it."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        before = _cpu_seconds()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + _cpu_seconds() - before


class MeteredTests(TestReward):
    """TestReward whose results are measured, whoever asks for them."""

    def __init__(self, meter: Meter, **options: Any) -> None:
        super().__init__(**options)
        self.meter = meter

    def results(self, completions: Sequence[str], **columns: Any) -> list[Result]:  # type: ignore[override]
        with self.meter.part("tests"):
            return super().results(completions, **columns)


@dataclass
class Metered:
    """A reward that is measured."""

    reward: Reward
    name: str
    meter: Meter

    def __call__(self, *arguments: Any, **columns: Any) -> Rewards:
        with self.meter.part(self.name):
            return self.reward(*arguments, **columns)


class Scoring:
    """The composed reward of one run, measured."""

    def __init__(self, model: Any, cache: Path) -> None:
        settings = SCALES["demo"].ppo.reward
        self.meter = Meter()
        self.tests = MeteredTests(self.meter, all_pass_share=settings.all_pass_share)
        verifier = Metered(VerifierReward(cache=cache), "verifier", self.meter)
        learned = LearnedReward(model, clip=settings.learned_clip, pessimism=settings.learned_pessimism)
        self.reward = Ordered(self.tests, verifier, Metered(learned, "ratings", self.meter), settings)  # type: ignore[arg-type]
        self.tokenizer = model.tokenizer
        self.passed = 0.0

    def __call__(self, samples: Sequence[Sample]) -> dict[str, float]:
        """CPU seconds by part."""
        rows = [columns(task, self.tokenizer) for task, _ in samples]
        given = {name: [row[name] for row in rows] for name in rows[0]}
        prompts, codes = given.pop("prompt"), [code for _, code in samples]
        means: dict[str, float] = {}
        self.meter.seconds.clear()
        before = _cpu_seconds()
        self.reward(prompts, codes, **given, log_extra=lambda *_: None, log_metric=means.__setitem__)
        total = _cpu_seconds() - before
        self.passed = means["passed"]
        found = {part: self.meter.seconds.get(part, 0.0) for part in PARTS[:-1]}
        return {**found, PARTS[-1]: total - sum(found.values()), "all": total}


# -- completions


def drawn(tasks: Sequence[Task], count: int, seed: int) -> list[Sample]:
    """As many completions, one a task while there are tasks."""
    rng = Random(seed)
    order = [task for _ in range(count // len(tasks) + 1) for task in rng.sample(tasks, len(tasks))]
    return [(task, _completion(rng, task)) for task in order[:count]]


def _completion(rng: Random, task: Task) -> str:
    code = rng.choice(task.solutions).code
    kind = rng.random()
    if kind < 0.55:
        return code
    if kind < 0.65:
        return code[: rng.randrange(len(code) // 2, len(code))]
    if kind < 0.80:
        lines = code.splitlines()
        del lines[rng.randrange(len(lines))]
        return "\n".join(lines)
    return _mistaken(rng, code, task.entry)


def _mistaken(rng: Random, code: str, entry: str) -> str:
    """With another number, name or operator in one place."""
    places = [place for place in re.finditer(r"\b(?:\d+|[a-z_]\w*)\b|[<>+-]", code) if place.group() != entry]
    place = rng.choice(places)
    other = {"<": ">", ">": "<", "+": "-", "-": "+"}.get(place.group()) or rng.choice(places).group()
    return code[: place.start()] + other + code[place.end() :]


def logged(files: Sequence[Path], tasks: Sequence[Task]) -> list[Sample]:
    """The completions of a run that was started with these tasks."""
    rows = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    by_key = {task.key: task for task in tasks}
    samples = [(by_key.get(row.get("key")) or tasks[row["row"]], str(row["completion"])) for row in rows]
    for task, _ in (
        strange for strange in zip(samples, rows, strict=True) if strange[0][0].entry not in strange[1]["prompt"]
    ):
        sys.exit(f"a completion is for no task of the file ({task[0].key}): give the run's own tasks")
    return samples


# -- the reward model


def trained(tasks: Sequence[Task], folder: Path) -> tuple[Path, Path]:
    """A backbone and a reward model of the demo's shape; what they say matters to no measure."""
    scale = SCALES["demo"]
    backbone = folder / "backbone"
    tokenizer = tokenizer_for(tasks, vocab_size=scale.model.vocab_size)
    build_model(scale.model, tokenizer).save_pretrained(str(backbone))
    save_tokenizer(tokenizer, backbone)
    pairs = [
        reward_model.Preference(task.text, task.signature, task.solutions[0].code, task.solutions[-1].code, side, "a")
        for task, side in zip(tasks[:32], (-2, 2) * 16, strict=False)
    ]
    settings = replace(scale.reward_model, epochs=1.0)
    return backbone, reward_model.train(
        backbone, pairs, settings=settings, run_folder=folder / "ratings", fence=1, watcher=Silent()
    )


# -- CPU time


def _cpu_seconds() -> float:
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + ended.ru_utime + ended.ru_stime + sum(map(_of_process, _below(os.getpid())))


def _of_process(process: int) -> float:
    """Of a process and of its ended children."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:  # ended meanwhile: its parent has its time now
        return 0.0
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def _below(process: int) -> Iterator[int]:
    for thread in Path(f"/proc/{process}/task").glob("*/children"):
        try:
            children = [int(child) for child in thread.read_text().split()]
        except OSError:
            continue
        for child in children:
            yield child
            yield from _below(child)


# -- the benchmark


def main() -> None:
    chosen = _options()
    torch.set_num_threads(1)
    started = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tasks = read_jsonl(chosen.tasks) if chosen.tasks else build(SCALES["demo"].tasks)["train"]
        samples = _samples(chosen, tasks)
        backbone, path = (chosen.backbone, chosen.reward_model) if chosen.backbone else trained(tasks, folder)
        load = partial(reward_model.RewardModel.load, path, backbone=backbone)
        found, passed, members = measured(samples, chosen.count, load, folder / "verdicts")
    _print(found, chosen.count)
    allowed = chosen.count / 1024
    ratios = {"cold": found["cold"]["all"] / (COLD * allowed), "warm": found["warm"]["all"] / (WARM * allowed)}
    settings = {
        "unit": "CPU seconds", "completions": chosen.count, "passing": passed, "known_when_warm": KNOWN,
        "source": "a run" if chosen.completions else "made", "members": members,
        "load": [started, os.getloadavg()[0]], "limits": {"cold": COLD, "warm": WARM}, "python": sys.version.split()[0],
    }  # fmt: skip
    print(json.dumps({"name": "scoring", "ours": found, "peers": {}, "ratios": ratios, "settings": settings}))
    sys.exit(1 if max(ratios.values()) > 1 else 0)


def measured(
    samples: Sequence[Sample], count: int, load: Callable[[], Any], cache: Path
) -> tuple[dict[str, dict[str, float]], float, int]:
    """CPU seconds by call and part, the share that passes all tests, and how many members rate."""
    kept = round(KNOWN * count)
    first, more = samples[:count], samples[count : 2 * count - kept]
    found: dict[str, dict[str, float]] = {}
    model = load()
    scoring = Scoring(model, cache)
    try:
        found["cold"] = scoring(first)
        passed = scoring.passed
        found["warm"] = scoring([*first[-kept:], *more])
        found["again"] = scoring(first)
    finally:
        scoring.reward.close()
    following = Scoring(load(), cache)
    try:
        found["next run"] = following(first)
    finally:
        following.reward.close()
    return found, passed, len(model.score_members(["a"], ["b"])[0])


def _samples(chosen: argparse.Namespace, tasks: Sequence[Task]) -> list[Sample]:
    needed = 2 * chosen.count - round(KNOWN * chosen.count)
    if not chosen.completions:
        return drawn(tasks, needed, chosen.seed)
    samples = list(islice(logged(chosen.completions, tasks), needed))
    if len(samples) < needed:
        sys.exit(
            f"{needed} completions are needed, and there are {len(samples)}: name more files, or a smaller --count"
        )
    return samples


def _print(found: Mapping[str, Mapping[str, float]], count: int) -> None:
    print(f"CPU seconds for {count} completions, load {os.getloadavg()[0]:.1f}")
    print(f"{'':<10}" + "".join(f"{part:>10}" for part in (*PARTS, "all")))
    for call, seconds in found.items():
        print(f"{call:<10}" + "".join(f"{seconds[part]:10.2f}" for part in (*PARTS, "all")))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=1024, help="completions a call")
    parser.add_argument("--completions", type=Path, nargs="+", metavar="FILE", help="a PPO run's completions/*.jsonl")
    parser.add_argument("--tasks", type=Path, metavar="FILE", help="those of that run")
    parser.add_argument("--reward-model", type=Path, metavar="FOLDER")
    parser.add_argument("--backbone", type=Path, metavar="FOLDER", help="that of the reward model")
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    for one, other in (("completions", "tasks"), ("reward_model", "backbone")):
        if bool(getattr(chosen, one)) != bool(getattr(chosen, other)):
            parser.error(f"--{one} and --{other} go together".replace("_", "-"))
    return chosen


if __name__ == "__main__":
    main()
