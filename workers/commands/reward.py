"""``aval reward``: why completions got their rewards."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training.config import RewardSettings
from workers.commands.options import add_settings, read_settings, whole_number
from workers.problems import Problem

if TYPE_CHECKING:
    from training.curriculum import Task
    from training.evidence import LearnedReward
    from training.explain import Completion, Explanation

SHOWN = 10


def add_commands(commands: Any) -> None:
    reward = commands.add_parser("reward", help="explain: why completions got their rewards")
    actions = reward.add_subparsers(metavar="ACTION", required=True)
    explain = actions.add_parser("explain", help="in words, what tests, verdicts and rating gave each completion")
    explain.add_argument(
        "file", type=Path, metavar="FILE", help="a PPO run's completions/*.jsonl, or rows of {key or prompt, code}"
    )
    explain.add_argument(
        "--tasks", type=Path, default=None, metavar="FILE", help="judge anew; without, what the run logged is told"
    )
    explain.add_argument("--reward-model", type=Path, default=None, metavar="FOLDER", help="needs --backbone, --tasks")
    explain.add_argument("--backbone", type=Path, default=None, metavar="FOLDER", help="that of the reward model")
    explain.add_argument(
        "--row", type=whole_number(1, 10**9), default=None, metavar="N", help="this line of FILE alone"
    )
    explain.add_argument(
        "--limit", type=whole_number(1, 10**9), default=SHOWN, metavar="N", help=f"most rows; default {SHOWN}"
    )
    explain.add_argument("--json", action="store_true", help="one JSON object a row")
    add_settings(explain, RewardSettings)
    explain.set_defaults(run=_explain)


def _explain(chosen: argparse.Namespace) -> int:
    _check(chosen)
    settings = read_settings(RewardSettings, chosen)
    rows = _read(chosen.file)
    if chosen.row is not None and chosen.row not in rows:
        raise Problem(f"--row {chosen.row}: {chosen.file} has {len(rows)} rows, counted from 1 by line")
    wanted = [chosen.row] if chosen.row is not None else list(rows)[: chosen.limit]
    told = _told(chosen, {number: rows[number] for number in wanted}, settings)
    if chosen.json:
        for one in told:
            print(json.dumps(one.to_json(), ensure_ascii=False))
        return 0
    from training.explain import in_words

    print("\n\n".join(map(in_words, told)))
    if chosen.row is None and len(rows) > len(wanted):
        print(f"\n{len(rows) - len(wanted)} rows more: see them with --limit {len(rows)}")
    return 0


def _check(chosen: argparse.Namespace) -> None:
    """What can be told before anything is read."""
    if (chosen.reward_model is None) != (chosen.backbone is None):
        missing = "--backbone" if chosen.backbone is None else "--reward-model"
        raise Problem(f"{missing} is missing: --reward-model and --backbone go together")
    if chosen.reward_model is not None and chosen.tasks is None:
        raise Problem("--reward-model needs --tasks: without, what the run logged is told")


def _read(path: Path) -> dict[int, dict[str, Any]]:
    """The rows by line."""
    with path.open(encoding="utf-8") as file:
        rows = {number: _row(path, number, line) for number, line in enumerate(file, start=1) if line.strip()}
    if not rows:
        raise Problem(f"{path} holds no completions: name a file of a run's folder completions, or write rows of code")
    return rows


def _row(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise Problem(f"{path}, line {number}: not JSON ({error.msg}); mend or delete the line") from None
    code = row.get("completion", row.get("code")) if isinstance(row, dict) else None
    if not isinstance(code, str):
        raise Problem(f"{path}, line {number}: no completion: give the program's text as 'completion' or 'code'")
    return {**row, "completion": code}


def _told(
    chosen: argparse.Namespace, rows: Mapping[int, Mapping[str, Any]], settings: RewardSettings
) -> Sequence[Explanation]:
    from training.explain import Completion, recall

    completions = [Completion(number, row["completion"], row) for number, row in rows.items()]
    if chosen.tasks is not None:
        return _judged(chosen, completions, settings)
    told = []
    for one in completions:
        try:
            told.append(recall(one))
        except KeyError as error:
            raise Problem(
                f"{chosen.file}, line {one.row}: no {error} was logged: judge the program anew with --tasks FILE"
            ) from None
    return told


def _judged(
    chosen: argparse.Namespace, completions: Sequence[Completion], settings: RewardSettings
) -> Sequence[Explanation]:
    from training.curriculum import read_jsonl

    found = _Tasks(chosen.tasks, read_jsonl(chosen.tasks))
    tasks = [found.of(chosen.file, one) for one in completions]
    from training.evidence import TestReward, VerifierReward
    from training.explain import explain
    from training.rewards import Ordered
    from verification.cache import default_folder

    learned, prompts = _ratings(chosen, tasks, settings) if chosen.reward_model else (None, ())
    verifier = VerifierReward(cache=default_folder()) if settings.verifier_weight > 0 else None
    reward = Ordered(TestReward(all_pass_share=settings.all_pass_share), verifier, None, settings)
    try:
        return explain(completions, tasks, reward, learned=learned, prompts=prompts)
    finally:
        reward.close()


def _ratings(
    chosen: argparse.Namespace, tasks: Sequence[Task], settings: RewardSettings
) -> tuple[LearnedReward, Sequence[str]]:
    """Scaled by the statistics of the reward model's training data: a run's own ones are in its checkpoints."""
    from training.evidence import LearnedReward
    from training.models import load_tokenizer
    from training.prompting import format_prompt
    from training.reward_model import RewardModel

    model = RewardModel.load(chosen.reward_model, backbone=chosen.backbone)
    tokenizer = load_tokenizer(chosen.backbone)
    learned = LearnedReward(model, clip=settings.learned_clip, pessimism=settings.learned_pessimism)
    return learned, [format_prompt(tokenizer, task.text, task.signature) for task in tasks]


class _Tasks:
    """Tasks by what a row may know of its own: its key, or its prompt."""

    def __init__(self, path: Path, tasks: Sequence[Task]) -> None:
        self._path = path
        self._by_key = {task.key: task for task in tasks}
        self._by_signature: dict[str, list[Task]] = {}
        for task in tasks:
            self._by_signature.setdefault(task.signature.strip(), []).append(task)

    def of(self, file: Path, completion: Completion) -> Task:
        logged = completion.logged
        key, prompt = logged.get("key", logged.get("id")), logged.get("prompt")
        if isinstance(key, str) and key in self._by_key:
            return self._by_key[key]
        if isinstance(prompt, str):
            alike = (tasks for signature, tasks in self._by_signature.items() if signature in prompt)
            found = [task for tasks in alike for task in tasks if _asks(prompt, task)]
            if found:
                return max(found, key=lambda task: len(task.text))
        if key is None and prompt is None:
            raise Problem(f"{file}, line {completion.row}: which task is it for? Give the row its 'key' or 'prompt'")
        raise Problem(
            f"{file}, line {completion.row}: no task with {'this prompt' if key is None else f'key {key!r}'} in "
            f"{self._path}: give the file of tasks that the completions were written for"
        )


def _asks(prompt: str, task: Task) -> bool:
    """Whether a prompt, in whatever form, asks for the task: a form may begin each line of the description alike."""
    return all(line.strip() in prompt for line in task.text.strip().splitlines())
