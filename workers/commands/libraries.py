"""``aval data``, ``train``, ``generate``, ``evaluate``: the libraries' stages on files, with no database."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training import launch
from training.config import (
    DecodingSettings,
    DPOSettings,
    EvaluationSettings,
    GRPOSettings,
    ModelSettings,
    PPOSettings,
    RewardModelSettings,
    RLOOSettings,
    SFTSettings,
    TaskSettings,
)
from training.guards import Paused
from training.progress import Silent
from workers.commands.options import add_settings, read_settings, whole_number
from workers.problems import Problem

if TYPE_CHECKING:
    from training.curriculum import Task
    from training.evaluate import Evaluation
    from training.progress import Progress, Watcher
    from training.reward_model import Preference
    from workers.progress import Stage

PAUSED = 3
"""The exit code of a run that an alarm has paused."""
_GROUP_NOTES = ("reward", "kl", "loss")


def add_commands(commands: Any) -> None:
    _add_data(commands)
    _add_train(commands)
    _add_generate(commands)
    _add_evaluate(commands)


def _add_data(commands: Any) -> None:
    data = commands.add_parser("data", help="make data").add_subparsers(metavar="ACTION", required=True)
    tasks = data.add_parser("tasks", help="draw tasks with tests and solutions, one file a split")
    tasks.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    add_settings(tasks, TaskSettings)
    tasks.set_defaults(run=_tasks)
    convert = data.add_parser("convert", help="make tasks of a benchmark's file")
    convert.add_argument("file", type=Path, metavar="FILE", help="JSON or JSON Lines, plain or .gz")
    convert.add_argument("--format", required=True, choices=("mbpp", "humaneval"), help="HumanEval-XL: humaneval")
    convert.add_argument("--language", default="en", choices=("en", "es"), help="of the descriptions")
    convert.add_argument("--out", type=Path, required=True, metavar="FILE")
    convert.set_defaults(run=_convert)


def _convert(chosen: argparse.Namespace) -> int:
    from training.curriculum import write_jsonl
    from training.data.benchmarks import FORMATS

    tasks = FORMATS[chosen.format](chosen.file, language=chosen.language)
    write_jsonl(chosen.out, tasks)
    print(f"{len(tasks):6} tasks in {chosen.out}")
    return 0


def _tasks(chosen: argparse.Namespace) -> int:
    from training.curriculum import build, write_jsonl

    settings = read_settings(TaskSettings, chosen)
    chosen.out.mkdir(parents=True, exist_ok=True)
    for split, tasks in build(settings).items():
        path = chosen.out / f"{split}.jsonl"
        write_jsonl(path, tasks)
        print(f"{len(tasks):6} tasks in {path}")
    return 0


def _add_train(commands: Any) -> None:
    train = commands.add_parser("train", help="train a model: sft, reward, ppo, dpo, grpo, rloo")
    stages = train.add_subparsers(metavar="STAGE", required=True)
    sft = _stage(stages, "sft", "supervised training on the tasks' demonstrations", _sft)
    sft.add_argument("--tasks", type=Path, required=True, metavar="FILE", help="from aval data tasks")
    sft.add_argument("--validation", type=Path, default=None, metavar="FILE")
    add_settings(sft, ModelSettings)
    add_settings(sft, SFTSettings)
    _add_preferring(stages, "reward", "a reward model on preferences", _reward, RewardModelSettings)
    _add_preferring(stages, "dpo", "DPO with LoRA on preferences (TRL)", _dpo, DPOSettings)
    ppo = _add_rewarded(stages, "ppo", "PPO with LoRA on tests, verdicts and ratings", _ppo, PPOSettings)
    ppo.add_argument(
        "--validation", type=Path, default=None, metavar="FILE",
        help="tasks of which up to half the validation tasks are taken, such as unseen wordings",
    )  # fmt: skip
    ppo.add_argument("--ignore-guards", action="store_true", help="go on past every alarm; as --guards.enabled no")
    _add_launcher(ppo)
    _add_rewarded(stages, "grpo", "GRPO with LoRA on the same rewards as ppo (TRL)", _grpo, GRPOSettings)
    _add_rewarded(stages, "rloo", "RLOO with LoRA on the same rewards as ppo (TRL)", _rloo, RLOOSettings)


def _add_preferring(
    stages: Any, name: str, text: str, run: Callable[[argparse.Namespace], int], settings: type[Any]
) -> None:
    """A stage that learns from a file of preferences."""
    stage = _stage(stages, name, text, run)
    stage.add_argument("--backbone", type=Path, required=True, metavar="FOLDER", help="a supervised model")
    stage.add_argument("--preferences", type=Path, required=True, metavar="FILE", help="from aval export")
    add_settings(stage, settings)


def _add_rewarded(
    stages: Any, name: str, text: str, run: Callable[[argparse.Namespace], int], settings: type[Any]
) -> argparse.ArgumentParser:
    """A stage that learns from rewards for its own completions."""
    stage = _stage(stages, name, text, run)
    stage.add_argument("--backbone", type=Path, required=True, metavar="FOLDER", help="a supervised model")
    stage.add_argument("--tasks", type=Path, required=True, metavar="FILE", help="from aval data tasks")
    stage.add_argument("--reward-model", type=Path, default=None, metavar="FOLDER")
    add_settings(stage, settings)
    return stage


def _add_launcher(stage: argparse.ArgumentParser) -> None:
    stage.add_argument(
        "--launcher",
        choices=("none", "ray"),
        default="none",
        help="none: in this process, or in those that torchrun started (the default); ray: in workers of Ray Train",
    )
    stage.add_argument(
        "--processes", type=whole_number(1, 4096), default=None, metavar="N", help="with --launcher ray; default 1"
    )


def _stage(stages: Any, name: str, text: str, run: Callable[[argparse.Namespace], int]) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = stages.add_parser(name, help=text)
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="checkpoints; a killed run resumes")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.set_defaults(run=run)
    return parser


def _sft(chosen: argparse.Namespace) -> int:
    model, settings = read_settings(ModelSettings, chosen), read_settings(SFTSettings, chosen)
    tasks = _read_tasks(chosen.tasks)
    validation = _read_tasks(chosen.validation) if chosen.validation else []
    from training.sft import train

    with _shown("sft") as watcher:
        path = train(
            tasks,
            validation,
            model=model,
            settings=settings,
            run_folder=chosen.out,
            fence=_fence(chosen.out),
            watcher=watcher,
        )
    return _say(chosen, model=str(path))


def _reward(chosen: argparse.Namespace) -> int:
    settings = read_settings(RewardModelSettings, chosen)
    preferences = _read_preferences(chosen.preferences)
    from training.reward_model import train

    with _shown("reward_model") as watcher:
        path = train(
            chosen.backbone,
            preferences,
            settings=settings,
            run_folder=chosen.out,
            fence=_fence(chosen.out),
            watcher=watcher,
        )
    return _say(chosen, reward_model=str(path))


def _ppo(chosen: argparse.Namespace) -> int:
    settings, tasks = read_settings(PPOSettings, chosen), _read_tasks(chosen.tasks)
    if chosen.ignore_guards:
        settings = replace(settings, guards=replace(settings.guards, enabled=False))
    validation = _read_tasks(chosen.validation) if chosen.validation else None
    _check_launcher(chosen)
    from training.align import align

    run = partial(
        align,
        tasks=tasks,
        reward_model=chosen.reward_model.absolute() if chosen.reward_model else None,
        settings=settings,
        validation=validation,
    )
    try:
        return _aligned(chosen, "ppo", run)
    except Paused as paused:
        if launch.is_main():
            told = f"paused by {paused}; to go on, give the same command with --ignore-guards"
            print(f"aval: {told}", file=sys.stderr)
        return PAUSED


def _grpo(chosen: argparse.Namespace) -> int:
    settings, tasks = read_settings(GRPOSettings, chosen), _read_tasks(chosen.tasks)
    from training.trl_stages import grpo

    run = partial(grpo, tasks=tasks, reward_model=chosen.reward_model, settings=settings)
    return _aligned(chosen, "grpo", run, notes=_GROUP_NOTES)


def _rloo(chosen: argparse.Namespace) -> int:
    settings, tasks = read_settings(RLOOSettings, chosen), _read_tasks(chosen.tasks)
    from training.trl_stages import rloo

    run = partial(rloo, tasks=tasks, reward_model=chosen.reward_model, settings=settings)
    return _aligned(chosen, "rloo", run, notes=_GROUP_NOTES)


def _dpo(chosen: argparse.Namespace) -> int:
    settings, preferences = read_settings(DPOSettings, chosen), _read_preferences(chosen.preferences)
    from training.trl_stages import dpo, pairs

    run = partial(dpo, preferences=preferences, settings=settings)
    notes = ("loss", "rewards/accuracies", "rewards/margins")
    return _aligned(chosen, "dpo", run, notes=notes, told=pairs(preferences).told())


def _aligned(
    chosen: argparse.Namespace,
    stage: str,
    run: Callable[..., Path],
    *,
    notes: Sequence[str] = (),
    told: Mapping[str, int] | None = None,
) -> int:
    """Run a stage that ends in a policy's adapter, and merge that into a model beside it."""
    from training.align import merge

    work = partial(_work, run, stage, chosen.backbone.absolute(), chosen.out.absolute(), notes)
    if getattr(chosen, "launcher", "none") == "ray":
        adapter = launch.on_ray(work, processes=chosen.processes or 1, storage=chosen.out / "ray")
    else:
        adapter = work()
    if not launch.is_main():
        return 0
    merged = merge(chosen.backbone, adapter, adapter.with_name(f"{adapter.name}-merged"))
    return _say(chosen, **(told or {}), adapter=str(adapter), model=str(merged))


def _work(run: Callable[..., Path], stage: str, backbone: Path, out: Path, notes: Sequence[str]) -> Path:
    """What each process of a training does."""
    with _shown(stage, notes=notes) as watcher:
        return run(backbone, run_folder=out, fence=_fence(out), watcher=watcher)


def _check_launcher(chosen: argparse.Namespace) -> None:
    started = int(os.environ.get("WORLD_SIZE") or 1)
    if chosen.launcher == "none" and chosen.processes is not None:
        raise Problem(
            "--processes needs --launcher ray; without Ray: "
            f"torchrun --nproc-per-node {chosen.processes} -m workers.cli train ppo ..."
        )
    if chosen.launcher == "ray" and started > 1:
        raise Problem(
            f"--launcher ray starts the processes itself, but torchrun has started {started}: use one of them"
        )


def _add_generate(commands: Any) -> None:
    generate = commands.add_parser("generate", help="write completions of a model for a file of tasks")
    generate.add_argument("--model", required=True, metavar="FOLDER|HUB-ID")
    generate.add_argument("--tasks", type=Path, required=True, metavar="FILE")
    generate.add_argument("--out", type=Path, required=True, metavar="FILE")
    generate.add_argument("--json", action="store_true", help="print the result as JSON")
    add_settings(generate, DecodingSettings)
    generate.set_defaults(run=_generate)


def _generate(chosen: argparse.Namespace) -> int:
    settings = read_settings(DecodingSettings, chosen)
    tasks = _read_tasks(chosen.tasks)
    from training.models import bf16_pays, load
    from training.progress import Progress
    from training.prompting import format_prompt
    from training.rollout import Decoder

    model, tokenizer = load(chosen.model)
    prompts = [format_prompt(tokenizer, task.text, task.signature) for task in tasks]
    with _shown("generate") as watcher:
        completions = Decoder(model, tokenizer, bf16=bf16_pays()).complete(
            prompts, settings, lambda done, total: watcher.step(Progress("generate", done, total))
        )
    unfinished = chosen.out.with_name(f".{chosen.out.name}.partial")
    with unfinished.open("w", encoding="utf-8") as file:
        for task, completion in zip(tasks, completions, strict=True):
            row = {"id": task.key, "entry": task.entry, "code": completion.text, "finished": completion.finished}
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    unfinished.rename(chosen.out)
    return _say(chosen, completions=len(completions), file=str(chosen.out))


def _add_evaluate(commands: Any) -> None:
    evaluate = commands.add_parser("evaluate", help="tests, verdicts and reward of a model on held-out tasks")
    evaluate.add_argument("--model", type=Path, required=True, metavar="FOLDER")
    evaluate.add_argument("--against", type=Path, default=None, metavar="FOLDER", help="compare with this model")
    evaluate.add_argument("--tasks", type=Path, required=True, metavar="FOLDER", help="from aval data tasks")
    evaluate.add_argument("--json", action="store_true", help="print the result as JSON, not as tables")
    add_settings(evaluate, EvaluationSettings)
    evaluate.set_defaults(run=_evaluate)


def _evaluate(chosen: argparse.Namespace) -> int:
    settings = read_settings(EvaluationSettings, chosen)
    tasks = {split: _read_split(chosen.tasks, split) for split in settings.splits}
    from workers.evaluation import compared

    models = {"model": chosen.model} | ({"against": chosen.against} if chosen.against else {})
    with _shown("evaluate") as watcher:
        result, found = compared(models, tasks, settings=settings, watcher=watcher)
    print(json.dumps(result) if chosen.json else _tables(found, result, settings))
    return 0


def _tables(found: Mapping[str, Evaluation], result: Mapping[str, Any], settings: EvaluationSettings) -> str:
    """All figures by split, the tests' by language and family, and what two models differ in."""
    from training.evaluate import table

    shown = partial(table, found, bootstrap=settings.bootstrap, seed=settings.seed)
    parts = [shown(), *(shown(by=by, metrics=("full", "public")) for by in ("language", "family"))]
    for split, metrics in result.get("comparison", {}).items():
        one = metrics["full"]
        parts.append(
            f"{split}: {one['only_first']} prompts only the first solves, {one['only_second']} only the second; "
            f"exact McNemar p = {one['p_value']:.2g}"
        )
    return "\n\n".join(parts)


@contextmanager
def _shown(stage: str, *, notes: Sequence[str] = ()) -> Iterator[Watcher]:
    """A watcher that draws progress on standard error, with these metrics or else the first three.

    Of several processes that train together only the main one speaks.
    """
    if not launch.is_main():
        yield Silent()
        return
    from rich.console import Console

    from workers.progress import Reporter

    with Reporter(console=Console(stderr=True, highlight=False)).stage(stage) as shown:
        yield _Shown(shown, notes)


@dataclass(frozen=True)
class _Shown:
    stage: Stage
    notes: Sequence[str]

    def step(self, progress: Progress) -> None:
        names = [name for name in self.notes or list(progress.metrics)[:3] if name in progress.metrics]
        notes = [f"{name} {progress.metrics[name]:.3g}" for name in names]
        self.stage.at(progress.step, progress.total, note=", ".join(notes))

    def saved(self, checkpoint: Path, step: int) -> None:
        del checkpoint, step


def _read_preferences(path: Path) -> list[Preference]:
    from workers.preferences import read_preferences

    rows = read_preferences(path)  # before torch is loaded: a broken line is told at once
    from training.reward_model import Preference

    return [Preference(**row) for row in rows]


def _read_tasks(path: Path) -> Sequence[Task]:
    from training.curriculum import read_jsonl

    tasks = read_jsonl(path)
    if not tasks:
        raise Problem(f"{path} holds no tasks: write some with aval data tasks")
    return tasks


def _read_split(folder: Path, split: str) -> Sequence[Task]:
    path = folder / f"{split}.jsonl"
    found = sorted(file.stem for file in folder.glob("*.jsonl"))
    if found and split not in found:
        raise Problem(f"unknown split {split!r}: {folder} has {', '.join(found)}")
    return _read_tasks(path)


def _fence(folder: Path) -> int:
    """The next attempt's number, one for all processes that train together: on files nobody else competes."""
    found = [int(path.name.removeprefix("attempt-")) for path in folder.glob("attempt-*") if path.name[8:].isdigit()]
    return launch.agreed(max(found, default=0) + 1)


def _say(chosen: argparse.Namespace, **result: Any) -> int:
    if not launch.is_main():
        return 0
    if chosen.json:
        print(json.dumps(result))
    else:
        for name, value in result.items():
            print(f"{name.replace('_', ' ')}: {value}")
    return 0
