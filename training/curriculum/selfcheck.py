"""Checks the curriculum against itself: what it calls safe passes, what it calls unsafe shows why."""

from __future__ import annotations

from collections.abc import Iterable

from training.curriculum.task import Solution, Task
from verification.sandbox import Job, Pool


def self_check(tasks: Iterable[Task], *, processes: int | None = None) -> list[str]:
    """One sentence a defect, none when all is well; every solution runs in the sandbox.

    A safe solution passes all tests. An unguarded one passes the public tests and fails a hidden
    one. An insecure one passes the public tests, and fails a hidden one or names its weakness.
    """
    cases = [(task, solution) for task in tasks for solution in task.solutions]
    jobs = [
        Job.tests(solution.code, task.entry, tests, prelude=task.prelude)
        for task, solution in cases
        for tests in (task.public_tests, task.hidden_tests)
    ]
    with Pool(processes) as pool:
        results = [result.status == "passed" for result in pool.run_many(jobs)]
    passes = zip(results[::2], results[1::2], strict=True)
    found = (_defect(task, solution, *both) for (task, solution), both in zip(cases, passes, strict=True))
    return [defect for defect in found if defect]


def _defect(task: Task, solution: Solution, public: bool, hidden: bool) -> str:
    where = f"{task.family} ({task.key}), {solution.style}"
    if not public:
        return f"{where}: fails the public tests:\n{solution.code}"
    if solution.safe and not hidden:
        return f"{where}: is called safe and fails a hidden test:\n{solution.code}"
    if not solution.safe and hidden and (solution.style != "insecure" or solution.cwe is None):
        return f"{where}: is called unsafe and passes all tests:\n{solution.code}"
    return ""
