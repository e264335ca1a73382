"""How many programs a core judges in a second, beside a fresh `python -I -S -c` for each.

Run by hand: ``make bench NAME=sandbox ARGS="--jobs 1000"``. Seconds are CPU seconds of all the processes involved: this
one, the zygotes and what they fork. The ratios are taken in one run.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import resource
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from random import Random
from statistics import median

from verification.sandbox import Job, Limits, Pool

PROGRAM = "def add(a, b):\n    return a + b\n"
VALUES = ["assert add(1, 2) == 3", "assert add(-1, 1) == 0", "assert add('a', 'b') == 'ab'"]
SCRIPT = [
    "assert add(1, 2) + 0 == 3",
    "assert [add(-1, 1)] == [0]",
    "for x in 'ab':\n    assert add(x, 'b') == x + 'b'",
]


PEER = "python -I -S -c"
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


MIXED = (
    lambda: Job.tests(PROGRAM, "add", VALUES),
    lambda: Job.tests(PROGRAM, "add", SCRIPT),
    lambda: Job.tests(FULL, "add", VALUES),
    lambda: Job.tests("def add(a, b): return a - b", "add", VALUES),
    lambda: Job.tests("def add(a, b): raise ValueError", "add", SCRIPT),
    lambda: Job.tests("import os\ndef add(a, b): os._exit(3)", "add", VALUES),
    lambda: Job.call("def f(n): return [0] * n", "f", [20_000]),
    lambda: Job.call("def f(:", "f", []),
    lambda: Job.call("def f(): open('/tmp/x', 'w')", "f", []),
    lambda: Job.call("import threading as t\ndef f(): t.Thread(target=t.Event().wait, daemon=True).start()", "f", []),
    lambda: Job.replay("import os\ndef f(): os.system('echo x > y &')", "f", []),
)
RARE = (
    lambda: Job.call("def f():\n    while True: pass", "f", [], limits=Limits(cpu_seconds=0.05)),
    lambda: Job.call("def f(): return ['x' * 10**7] * 99", "f", [], limits=Limits(memory_mb=64)),
    lambda: Job.replay("import os\ndef f():\n    while True: os.fork()", "f", [], limits=Limits(wall_seconds=0.1)),
)


def soak(jobs: int) -> int:
    """Many different programs in one pool: the exit status, 1 when a process, descriptor, file or megabyte is left."""
    random, statuses, batch = Random(1), Counter[str](), 500
    started = time.monotonic()
    with Pool(2) as pool:

        def run() -> None:
            mixed = [random.choice(RARE if random.random() < 0.01 else MIXED)() for _ in range(batch)]
            statuses.update(result.status for result in pool.run_many(mixed))

        run()
        run()
        before, files = _state(pool), _files()
        for _ in range(2, jobs // batch):
            run()
        after, left = _state(pool), _files() - files
    print(f"{sum(statuses.values())} programs in {time.monotonic() - started:.0f} s: {dict(statuses)}")
    print(f"new files in the temporary folders: {sorted(left) or 'none'}")
    grown = list(left)
    for (process, descriptors, kilobytes, children), now in zip(before, after, strict=True):
        print(f"  process {process}: descriptors {descriptors} -> {now[1]}, resident {kilobytes} -> {now[2]} kB, "
              f"children {children} -> {now[3]}")  # fmt: skip
        if now[0] != process or now[1] > descriptors or now[3] != children or now[2] > kilobytes + 4096:
            grown.append(str(process))
    print("nothing was left" if not grown else f"LEFT: {grown}")
    return 1 if grown else 0


def _state(pool: Pool) -> list[tuple[int, int, int, int]]:
    """(process, open descriptors, resident kilobytes, children) of this process, the watchers and the zygotes."""
    gc.collect()
    watchers = pool.process_ids()
    zygotes = [child for watcher in watchers for child in _children(watcher)]
    return [
        (
            process,
            len(os.listdir(f"/proc/{process}/fd")),
            int(Path(f"/proc/{process}/statm").read_text().split()[1]) * resource.getpagesize() // 1024,
            0 if process == os.getpid() else len(_children(process)),
        )
        for process in (os.getpid(), *watchers, *zygotes)
    ]


def _files() -> set[str]:
    return {f"{folder}/{name}" for folder in ("/tmp", "/dev/shm") for name in os.listdir(folder)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--soak", type=int, metavar="N", help="instead: run N mixed programs, see whether anything is left"
    )
    chosen = parser.parse_args()
    if chosen.soak:
        sys.exit(soak(chosen.soak))
    runs = max(1, chosen.jobs // 10)
    rounds = [_round(chosen.jobs, runs) for _ in range(chosen.rounds)]
    for number, (load, measured) in enumerate(rounds, start=1):
        plain = measured[PEER]
        print(f"round {number}, load {load:.1f}, CPU per program (a second of CPU judges):")
        for name, seconds in measured.items():
            print(f"  {name:<24} {1000 * seconds:6.2f} ms  {1 / seconds:6.0f}/s  {plain / seconds:5.2f} times {PEER}")
    ours = [name for name in rounds[0][1] if name != PEER]
    summary = {
        "name": "sandbox",
        "ours": {name: median(measured[name] for _, measured in rounds) for name in ours},
        "peers": {PEER: median(measured[PEER] for _, measured in rounds)},
        "ratios": {name: median(measured[PEER] / measured[name] for _, measured in rounds) for name in ours},
        "settings": {"unit": "CPU seconds a program", "jobs": chosen.jobs, "rounds": chosen.rounds, "tests": 3},
    }
    print(json.dumps(summary))


def _round(jobs: int, runs: int) -> tuple[float, dict[str, float]]:
    """(load average before it, CPU seconds a program of the peer and of each mode), one after the other."""
    load = os.getloadavg()[0]
    measured = {PEER: fresh(runs) / runs}
    for image, program in (("", PROGRAM), (", full image", FULL)):
        for mode, tests in (("values", VALUES), ("assert", SCRIPT)):
            measured[f"{mode} mode{image}"] = judged(program, tests, jobs) / jobs
    return load, measured


if __name__ == "__main__":
    main()
