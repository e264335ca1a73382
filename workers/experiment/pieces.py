"""The pieces of an experiment, each a function of the settings and the seed's folder (run as a process of its own)."""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from training.config import DecodingSettings, ExperimentSettings, PPOSettings, RewardSettings, read
from training.curriculum import Solution, Task, build, read_jsonl, write_jsonl
from training.evidence import passes
from training.progress import Progress
from training.similarity import bleu
from verification.sandbox import Result
from workers.experiment.plan import ALL, ALL_CREDIT, CONTROL, DPO, JUDGED, SUPERVISED, VOICES
from workers.experiment.schedule import SETTINGS, Done, folder_of, read_done, write_json
from workers.panel import Panellist, character, judge_blind

if TYPE_CHECKING:
    from training.evidence import TestReward
    from training.reward_model import Preference
    from training.rollout import Completion

_FENCE = 1
_CHUNK = 512
_EQUALS = 0.75
"""Share of the prompts at which two answers that pass all tests are compared."""


@dataclass(frozen=True)
class Seed:
    """One seed's settings and folder."""

    settings: ExperimentSettings
    folder: Path
    number: int

    def tasks(self, split: str) -> list[Task]:
        return list(read_jsonl(self.folder / "tasks" / f"{split}.jsonl"))

    def done(self, piece: str) -> Done:
        found = read_done(self.folder, piece)
        if found is None:
            raise RuntimeError(f"{piece} isn't done yet")
        return found

    def value(self, piece: str) -> Any:
        return self.done(piece).value

    def model(self, arm: str) -> Path:
        return self.folder / str(self.value(arm)["model"])

    def splits(self) -> dict[str, list[Task]]:
        return {split: self.tasks(split) for split in self.settings.evaluation.splits}


class _Watcher:
    """Writes where a piece is, for whoever looks."""

    def __init__(self, path: Path) -> None:
        self.path, self._written = path, 0.0

    def step(self, progress: Progress) -> None:
        if time.monotonic() - self._written > 1.0 or progress.step == progress.total:
            self._written = time.monotonic()
            write_json(self.path, {"step": progress.step, "total": progress.total})

    def saved(self, checkpoint: Path, step: int) -> None:
        del checkpoint, step


# -- pieces


def tasks(seed: Seed, watcher: _Watcher) -> dict[str, Any]:
    splits = build(replace(seed.settings.tasks, seed=seed.number))
    (seed.folder / "tasks").mkdir(exist_ok=True)
    for split, found in splits.items():
        write_jsonl(seed.folder / "tasks" / f"{split}.jsonl", found)
    return {split: len(found) for split, found in splits.items()}


def supervised(seed: Seed, watcher: _Watcher) -> dict[str, Any]:
    from training.sft import train

    rows = seed.tasks("train")
    path = train(
        rows,
        [],
        model=seed.settings.model,
        settings=replace(seed.settings.sft, seed=seed.number),
        run_folder=seed.folder / SUPERVISED,
        fence=_FENCE,
        watcher=watcher,
    )
    return _model(seed, path)


def pairs(seed: Seed, watcher: _Watcher) -> dict[str, Any]:
    """Programs of the supervised model to compare: of some answers to a prompt, two that are unlike."""
    settings = seed.settings
    asked = _evenly(seed.tasks("train"), settings.pairs)
    decoding = DecodingSettings(seed=seed.number, max_new_tokens=settings.evaluation.decoding.max_new_tokens)
    drawn = _drawn(seed, seed.model(SUPERVISED), asked, settings.draws, decoding, watcher)
    with _tests() as tests:
        results = tests.results_of(
            [answer.text for answers in drawn for answer in answers],
            [task for task in asked for _ in range(settings.draws)],
        )
    found, each = [], iter(results)
    for task, answers in zip(asked, drawn, strict=True):
        by_code = {answer.text: next(each) for answer in answers}
        codes = list(by_code)
        if chosen := _unlike(codes, list(by_code.values())):
            found.append({"task": task.key, "codes": [codes[i] for i in chosen]})
    write_json(seed.folder / "pairs-drawn.json", found)
    return {"prompts": len(asked), "pairs": len(found)}


def ratings(seed: Seed, watcher: _Watcher) -> dict[str, Any]:
    """What the first half of the panel says of the pairs, ``overlap`` of them of each."""
    by_key = {task.key: task for task in seed.tasks("train")}
    drawn = json.loads((seed.folder / "pairs-drawn.json").read_text(encoding="utf-8"))
    panel = panellists(seed)[0]
    rows = []
    with _tests() as tests:
        asked = [by_key[pair["task"]] for pair in drawn]
        first, second = (tests.results_of([pair["codes"][side] for pair in drawn], asked) for side in (0, 1))
    for number, (pair, task, *results) in enumerate(zip(drawn, asked, first, second, strict=True)):
        for turn in range(seed.settings.overlap):
            person = panel[(number + turn) % len(panel)]
            rows.append(rating(person, task, pair["codes"], results, seed.number))
    write_json(seed.folder / "rated.json", rows)
    return {
        "ratings": len(rows),
        "panel": [vars(person) | {"password": ""} for person in panel],
        "ties": sum(row["preference"] == 0 and not row["unusable"] for row in rows),
        "unusable": sum(row["unusable"] for row in rows),
    }


def reward_model(seed: Seed, watcher: _Watcher) -> dict[str, Any]:
    from training.reward_model import SUMMARY, train

    path = train(
        seed.model(SUPERVISED),
        _preferences(seed),
        settings=replace(seed.settings.reward_model, seed=seed.number),
        run_folder=seed.folder / "reward-model",
        fence=_FENCE,
        watcher=watcher,
    )
    return {**_model(seed, path), "summary": json.loads((path / SUMMARY).read_text(encoding="utf-8"))}


def ppo(seed: Seed, watcher: _Watcher, *, arm: str) -> dict[str, Any]:
    from training.align import SUMMARY, align, merge

    verifier, rated = VOICES[arm]
    settings = replace(_weighed(seed.settings.ppo, verifier=verifier, ratings=rated), seed=seed.number)
    if arm == ALL_CREDIT:
        settings = replace(settings, line_credit=seed.settings.line_credit)
    backbone = seed.model(SUPERVISED)
    adapter = align(
        backbone,
        seed.tasks("train"),
        reward_model=seed.model("reward-model") if rated else None,
        settings=settings,
        run_folder=seed.folder / arm,
        fence=_FENCE,
        watcher=watcher,
    )
    merged = merge(backbone, adapter, adapter.with_name(f"{adapter.name}-merged"))
    return {**_model(seed, merged), "summary": json.loads((adapter / SUMMARY).read_text(encoding="utf-8"))}


def dpo(seed: Seed, watcher: _Watcher) -> dict[str, Any]:
    from training.align import merge
    from training.trl_stages import dpo as train

    backbone = seed.model(SUPERVISED)
    adapter = train(
        backbone,
        _preferences(seed),
        settings=replace(seed.settings.dpo, seed=seed.number),
        run_folder=seed.folder / DPO,
        fence=_FENCE,
        watcher=watcher,
    )
    return _model(seed, merge(backbone, adapter, adapter.with_name(f"{adapter.name}-merged")))


def control(seed: Seed, watcher: _Watcher) -> dict[str, Any]:
    """The supervised model trained on the best of its own answers, for the CPU seconds that ``all`` took.

    Answers are judged by the same tests and verdicts as PPO's. First as many prompts are drawn for as the drawing's
    share of the CPU allows; the rest goes to training on what passed.
    """
    from training.sft import train

    limit = seed.done(ALL).cpu_seconds
    kept = seed.folder / f"{CONTROL}-answers.json"
    if not kept.exists():
        write_json(kept, _best_answers(seed, limit * seed.settings.rejection_share))
    chosen = json.loads(kept.read_text(encoding="utf-8"))
    by_key = {task.key: task for task in seed.tasks("train")}
    shown = [
        replace(by_key[row["task"]], solutions=(Solution(row["code"], safe=True),), shown=0)
        for row in chosen["answers"]
    ]
    settings = replace(
        seed.settings.sft,
        learning_rate=seed.settings.rejection_learning_rate,
        epochs=1000.0,
        max_cpu_seconds=max(1.0, limit - chosen["cpu_seconds"]),
        seed=seed.number,
    )
    path = train(
        shown,
        [],
        model=replace(seed.settings.model, base_model=str(seed.model(SUPERVISED))),
        settings=settings,
        run_folder=seed.folder / CONTROL,
        fence=_FENCE,
        watcher=watcher,
    )
    return {**_model(seed, path), "limit": limit, **{name: chosen[name] for name in ("prompts", "cpu_seconds")}}


def evaluated(seed: Seed, watcher: _Watcher, *, arm: str) -> dict[str, Any]:
    from training.evaluate import evaluate

    first = seed.model(SUPERVISED)
    found = evaluate(
        seed.model(arm),
        seed.splits(),
        settings=seed.settings.evaluation,
        watcher=watcher,
        reference=None if arm == SUPERVISED else first,
    )
    return found.to_json()


def judged(seed: Seed, watcher: _Watcher, *, piece: str) -> dict[str, Any]:
    """What the unseen half of the panel says of two arms' answers, blind: sides are drawn, one panellist a prompt."""
    from training.evaluate import Evaluation

    panel = panellists(seed)[1]
    rows = [Evaluation.from_json(seed.value(f"evaluated-{arm}")).rows for arm in JUDGED[piece]]
    by_key = {(task.split, task.key): task for found in seed.splits().values() for task in found}
    with _tests() as tests:
        asked = [by_key[row.split, row.key] for row in rows[0]]
        results = [tests.results_of([row.code for row in arm], asked) for arm in rows]
    verdicts = []
    for first, second, *tested in zip(*rows, *results, strict=True):
        chance = Random(f"judged/{seed.number}/{piece}/{first.split}/{first.key}")  # noqa: S311
        person = panel[chance.randrange(len(panel))]
        found = judge_blind(person, chance, [first.code, second.code], tested)
        # Equal programs can't be told apart: what a biased or noisy judge says of them is chance.
        same = first.code == second.code
        preference = 0 if same else found.preference or 0
        verdicts.append({"split": first.split, "key": first.key, "preference": preference, "same": same})
    return {"arms": list(JUDGED[piece]), "judgements": verdicts}


# -- helpers


def panellists(seed: Seed) -> tuple[list[Panellist], list[Panellist]]:
    """The half of the panel that rates for training, and the half that only judges."""
    people = [
        character(f"panel-{number}", "", seed=1000 * seed.number + number) for number in range(seed.settings.panel)
    ]
    half = len(people) // 2
    return people[:half], people[half:]


def _weighed(settings: PPOSettings, *, verifier: bool, ratings: bool) -> PPOSettings:
    weights: RewardSettings = settings.reward
    if not verifier:
        weights = replace(weights, verifier_weight=0.0)
    if not ratings:
        weights = replace(weights, learned_weight=0.0)
    return replace(settings, reward=weights)


def _model(seed: Seed, path: Path) -> dict[str, Any]:
    return {"model": str(path.relative_to(seed.folder))}


def rating(person: Panellist, task: Task, codes: Sequence[str], results: Sequence[Result], seed: int) -> dict[str, Any]:
    """One panellist's judgement of A and B, who are shown on either side."""
    chance = Random(f"rating/{seed}/{person.username}/{task.key}")  # noqa: S311
    found = judge_blind(person, chance, codes, results)
    return {
        "prompt_text": task.text,
        "signature": task.signature,
        "code_a": codes[0],
        "code_b": codes[1],
        "preference": found.preference or 0,
        "unusable": found.preference is None,
        "annotator": person.username,
        "scales_a": found.scales[0],
        "scales_b": found.scales[1],
    }


def _preferences(seed: Seed) -> list[Preference]:
    from dataclasses import fields

    from training.reward_model import Preference

    known = {field.name for field in fields(Preference)}
    rows = json.loads((seed.folder / "rated.json").read_text(encoding="utf-8"))
    return [Preference(**{name: value for name, value in row.items() if name in known}) for row in rows]


def _drawn(
    seed: Seed, path: Path, asked: Sequence[Task], draws: int, decoding: DecodingSettings, watcher: _Watcher
) -> list[list[Completion]]:
    from training.models import bf16_pays, load
    from training.prompting import format_prompt
    from training.rollout import Decoder

    model, tokenizer = load(path)
    decoder = Decoder(model, tokenizer, bf16=bf16_pays())
    prompts = [format_prompt(tokenizer, task.text, task.signature) for task in asked for _ in range(draws)]
    found = decoder.complete(prompts, decoding, lambda done, total: watcher.step(Progress("pairs", done, total)))
    return [list(found[start : start + draws]) for start in range(0, len(found), draws)]


def _evenly(tasks: Sequence[Task], count: int) -> list[Task]:
    """The first so many tasks, of every family as many as there are, up to its equal share."""
    turns: dict[str, int] = {}
    places = []
    for place, task in enumerate(tasks):
        turns[task.family] = turns.get(task.family, 0) + 1
        places.append((turns[task.family], place))
    return [tasks[place] for place in sorted(place for _, place in sorted(places)[:count])]


def _unlike(codes: Sequence[str], results: Sequence[Result]) -> tuple[int, int] | None:
    """Two answers to compare; mostly two that pass all tests, where there are two, the least alike.

    Which of those is better no test says: it is what raters are there for. At the others the best by its tests and
    one that differs from it, the worst as often as the next.
    """
    if len(codes) < 2:
        return None
    order = sorted(range(len(codes)), key=lambda i: (-results[i].passed, codes[i]))
    chance = Random("\n".join(codes))  # noqa: S311
    passing = [i for i in order if passes(results[i])]
    if chance.random() < _EQUALS and len(passing) > 1:
        pair = min(combinations(passing, 2), key=lambda two: _likeness(*(codes[i] for i in two)))
    else:
        pair = order[0], chance.choice((order[1], order[-1]))
    return pair if chance.random() < 0.5 else pair[::-1]


def _likeness(one: str, other: str) -> float:
    """How much of each program is in the other, from 0 to 1."""
    return (bleu(one, [other]) + bleu(other, [one])) / 2


def _best_answers(seed: Seed, cpu_seconds: float) -> dict[str, Any]:
    """Of several answers a prompt one that passes all tests and has the best verdicts, until the CPU is used up."""
    from training.evidence import VerifierReward
    from training.models import bf16_pays, load
    from training.prompting import format_prompt
    from training.rollout import Decoder

    settings, began = seed.settings, _cpu()
    model, tokenizer = load(seed.model(SUPERVISED))
    decoder, verifier = Decoder(model, tokenizer, bf16=bf16_pays()), VerifierReward()
    answers, asked, draws = [], 0, settings.rejection_draws
    with _tests() as tests:
        for number, chunk in enumerate(_chunks(seed.tasks("train"), max(1, _CHUNK // draws))):
            if _cpu() - began >= cpu_seconds:
                break
            rows = [task for task in chunk for _ in range(draws)]
            prompts = [format_prompt(tokenizer, task.text, task.signature) for task in rows]
            limit = settings.evaluation.decoding.max_new_tokens
            decoding = DecodingSettings(seed=1000 * seed.number + number, max_new_tokens=limit)
            texts = [completion.text for completion in decoder.complete(prompts, decoding)]
            good = [passes(result) for result in tests.results_of(texts, rows)]
            asked += len(chunk)
            for start, task in zip(range(0, len(rows), draws), chunk, strict=True):
                codes = sorted({texts[i] for i in range(start, start + draws) if good[i]})
                if not codes:
                    continue
                found = verifier.outcomes(
                    codes,
                    entry=[task.entry] * len(codes),
                    properties=[task.properties] * len(codes),
                    contract=[task.contract] * len(codes),
                    signature=[task.signature] * len(codes),
                )
                points = [VerifierReward.value(one) or 0.0 for one in found]
                best = [code for code, value in zip(codes, points, strict=True) if value == max(points)]
                chance = Random(f"control/{seed.number}/{task.key}")  # noqa: S311
                answers.append({"task": task.key, "code": chance.choice(best)})
    return {"answers": answers, "prompts": asked, "cpu_seconds": _cpu() - began}


@contextmanager
def _tests() -> Iterator[TestReward]:
    """A sandbox to run tests in, closed at the end."""
    from training.evidence import TestReward

    tests = TestReward()
    try:
        yield tests
    finally:
        tests.close()


def _chunks(rows: Sequence[Task], size: int) -> Iterator[Sequence[Task]]:
    return (rows[start : start + size] for start in range(0, len(rows), size))


def _cpu() -> float:
    """CPU seconds of this process and of all that it waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def _function(name: str) -> Callable[[Seed, _Watcher], Any]:
    if name in VOICES:
        return lambda seed, watcher: ppo(seed, watcher, arm=name)
    if name in JUDGED:
        return lambda seed, watcher: judged(seed, watcher, piece=name)
    if name.startswith("evaluated-"):
        return lambda seed, watcher: evaluated(seed, watcher, arm=name.removeprefix("evaluated-"))
    return _SIMPLE[name]


_SIMPLE: Mapping[str, Callable[[Seed, _Watcher], Any]] = {
    "tasks": tasks,
    SUPERVISED: supervised,
    "pairs": pairs,
    "ratings": ratings,
    "reward-model": reward_model,
    DPO: dpo,
    CONTROL: control,
}


def main(arguments: Sequence[str]) -> int:
    """``OUT SEED PIECE``: do the piece and write its result."""
    out, number, name = Path(arguments[0]), int(arguments[1]), arguments[2]
    settings = read(ExperimentSettings, json.loads((out / SETTINGS).read_text(encoding="utf-8")))
    folder = folder_of(out, number)
    spent = folder / f"{name}.cpu.json"
    before = json.loads(spent.read_text(encoding="utf-8")) if spent.exists() else 0.0
    watcher = _Watcher(folder / f"{name}.progress.json")
    try:
        value = _function(name)(Seed(settings, folder, number), watcher)
    finally:
        # Kept for an attempt that failed, too: what comes after it goes on from its checkpoints.
        write_json(spent, before + _cpu())
    write_json(folder / f"{name}.json", {"value": value, "cpu_seconds": before + _cpu()})
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
