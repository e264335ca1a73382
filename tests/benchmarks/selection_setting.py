"""What the measurement of active selection rates: pairs of programs for generated tasks, and a simulated panel.

The programs of a task are its solutions, safe and unsafe, and corruptions of them: a comparison turned round, a number
off by one, an early return left out, another value returned, a line cut in two. Their tests run once, in the sandbox.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random
from statistics import fmean

from training.config import CORE_FAMILIES, TaskSettings
from training.curriculum import Task, build
from training.similarity import parsed
from verification.sandbox import Job, Pool, Result
from workers.panel import STEPS, Panellist, character, preference, utility

CORRUPTED = 2
"""Corruptions tried of each solution; those that are no new program are left out."""
PANEL = 4


@dataclass(frozen=True)
class Pair:
    """Two programs for one task, and what the panel says of them."""

    task: Task
    code_a: str
    code_b: str
    given: int
    """The one rating that it gets, by one of the panel: -3 (A much better) to 3."""
    margin: float
    """By how much the panel's mean utility of B, without noise, exceeds A's."""

    @property
    def decided(self) -> bool:
        """Whether the panel without noise prefers either."""
        return abs(self.margin) > STEPS[0]


def pairs(seed: int, *, pool: int, held_out: int) -> tuple[list[Pair], list[Pair]]:
    """Pairs to choose from, and pairs with a preference to judge by; one a task, no task in both."""
    rng = Random(f"selection/{seed}")
    tasks = build(TaskSettings(train=pool, held_out=2 * held_out, families=CORE_FAMILIES, seed=10_000 + seed))
    panel = [character(f"panel{number}", "", seed=100 * seed + number) for number in range(PANEL)]
    drawn = [(task, *_two(task, rng)) for task in (*tasks["train"], *tasks["iid"])]
    jobs = [Job.tests(code, task.entry, task.tests, prelude=task.prelude) for task, *codes in drawn for code in codes]
    with Pool(1) as sandbox:
        results = sandbox.run_many(jobs)
    rated = [
        _rated(task, (code_a, code_b), (results[2 * number], results[2 * number + 1]), panel, rng)
        for number, (task, code_a, code_b) in enumerate(drawn)
    ]
    judged = [pair for pair in rated[len(tasks["train"]) :] if pair.decided]
    return rated[: len(tasks["train"])], judged[:held_out]


def _rated(
    task: Task, codes: tuple[str, str], results: tuple[Result, Result], panel: Sequence[Panellist], rng: Random
) -> Pair:
    means = [
        fmean(utility(person, code, result) for person in panel) for code, result in zip(codes, results, strict=True)
    ]
    person = rng.choice(panel)
    noisy = [
        utility(person, code, result) + rng.gauss(0.0, person.noise)
        for code, result in zip(codes, results, strict=True)
    ]
    left = rng.random() < 0.5  # whether A is shown there
    noisy[0 if left else 1] += person.side_bias
    return Pair(task, *codes, given=preference(*noisy), margin=means[1] - means[0])


def _two(task: Task, rng: Random) -> tuple[str, str]:
    """Two different programs of the task."""
    found = dict.fromkeys(solution.code for solution in task.solutions)
    for solution in task.solutions:
        for _ in range(CORRUPTED):
            found.setdefault(corrupted(solution.code, rng))
    one, two = rng.sample(list(found), 2)
    return one, two


def corrupted(code: str, rng: Random) -> str:
    """The program with one mistake in it."""
    if rng.random() < 0.1:
        lines = code.split("\n")
        return "\n".join([*lines[:-1], lines[-1][: rng.randrange(5, len(lines[-1]) + 1)].rstrip() + " ("])
    tree = parsed(code)
    assert tree is not None
    rng.choice(list(_places(tree)))(rng)
    return ast.unparse(tree)


def _places(tree: ast.Module) -> Iterator[Callable[[Random], object]]:
    """What can be changed, each as a function that does so. Every program returns something."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            yield lambda rng, node=node: _turn(node, rng)
        elif isinstance(node, ast.Constant) and type(node.value) is int:
            yield lambda rng, node=node: setattr(node, "value", node.value + rng.choice((-1, 1)))
        elif isinstance(node, ast.Return) and node.value is not None:
            yield lambda rng, node=node: setattr(node, "value", ast.Constant(rng.choice((None, 0, -1, ""))))
        elif isinstance(node, ast.FunctionDef):
            for at, child in enumerate(node.body[:-1]):
                if isinstance(child, ast.If):
                    yield lambda rng, node=node, at=at: node.body.pop(at)
        elif isinstance(node, ast.IfExp):
            yield lambda rng, node=node: _swap(node)


_TURNED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Gt, ast.Gt: ast.GtE, ast.GtE: ast.Lt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip


def _turn(node: ast.Compare, rng: Random) -> None:
    at = rng.randrange(len(node.ops))
    node.ops[at] = _TURNED[type(node.ops[at])]()


def _swap(node: ast.IfExp) -> None:
    node.body, node.orelse = node.orelse, node.body
