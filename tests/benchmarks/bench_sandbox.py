"""How many programs a core judges in a second, beside a fresh `python -I -S -c` for each.

Run by hand: ``make bench NAME=sandbox ARGS="--jobs 1000"``. Seconds are CPU seconds of all the processes involved: this
one, the zygotes and what they fork. The ratios are taken in one run.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

from verification.sandbox import Job, Pool

PROGRAM = "def add(a, b):\n    return a + b\n"
VALUES = ["assert add(1, 2) == 3", "assert add(-1, 1) == 0", "assert add('a', 'b') == 'ab'"]
SCRIPT = [
    "assert add(1, 2) + 0 == 3",
    "assert [add(-1, 1)] == [0]",
    "for x in 'ab':\n    assert add(x, 'b') == x + 'b'",
]


FULL = "import datetime\n" + PROGRAM
"""The same, where the lean image of the interpreter does not do."""


def judged(program: str, tests: list[str], jobs: int) -> float:
    """CPU seconds for so many programs, in a pool that is up already."""
    with Pool() as pool:
        pool.run_many([Job.tests(program, "add", tests)])
        watchers = pool.process_ids()
        zygotes = [child for watcher in watchers for child in _children(watcher)]
        assert len(zygotes) == len(watchers)
        before = time.process_time() + sum(map(_cpu_seconds, (*watchers, *zygotes)))
        results = pool.run_many([Job.tests(program, "add", tests) for _ in range(jobs)])
        after = time.process_time() + sum(map(_cpu_seconds, (*watchers, *zygotes)))
    assert all(result.status == "passed" and result.passed == 3 for result in results)
    return after - before


def fresh(runs: int) -> float:
    """The same program and tests, without any isolation, in an interpreter of their own."""
    script = "\n".join((PROGRAM, *VALUES))
    before = _own_and_ended()
    for _ in range(runs):
        subprocess.run([sys.executable, "-I", "-S", "-c", script], check=True)
    return _own_and_ended() - before


def _own_and_ended() -> float:
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _cpu_seconds(process: int) -> float:
    """Of a process and its ended children."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def _children(process: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    runs = max(1, chosen.jobs // 10)
    for number in range(1, chosen.rounds + 1):
        plain = fresh(runs) / runs
        measured = {"python -I -S -c": plain}
        for image, program in (("", PROGRAM), (", full image", FULL)):
            for mode, tests in (("values", VALUES), ("assert", SCRIPT)):
                measured[f"{mode} mode{image}"] = judged(program, tests, chosen.jobs) / chosen.jobs
        print(f"round {number}, CPU per program (a second of CPU judges):")
        for name, seconds in measured.items():
            print(
                f"  {name:<24} {1000 * seconds:6.2f} ms  {1 / seconds:6.0f}/s  {plain / seconds:5.2f} times python -c"
            )


if __name__ == "__main__":
    main()
