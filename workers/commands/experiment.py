"""``aval experiment``: what ratings, tests and proofs change, in one table."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

from training.config import EXPERIMENTS
from workers.commands.options import whole_number
from workers.problems import Problem


def add_command(commands: Any) -> None:
    experiment = commands.add_parser(
        "experiment", help="compare alignment by tests, proofs and ratings with its controls, over seeds"
    )
    experiment.add_argument(
        "--out", type=Path, required=True, metavar="FOLDER", help="a killed experiment goes on there"
    )
    experiment.add_argument(
        "--scale", choices=tuple(EXPERIMENTS), default="full", help="tiny: every piece once, minutes"
    )
    experiment.add_argument("--seeds", default="0,1,2", help="as in 0,1,2; each has its own tasks and models")
    experiment.add_argument("--lines", default="", help="of the table, as in supervised,all; default: all eight")
    experiment.add_argument(
        "--jobs", type=whole_number(1, 64), default=None, help="pieces at a time; default: one a core"
    )
    experiment.add_argument("--json", action="store_true", help="print the findings as JSON")
    experiment.set_defaults(run=_experiment)


def _experiment(chosen: argparse.Namespace) -> int:
    from rich.console import Console

    from workers.experiment.plan import ARMS
    from workers.progress import Reporter

    lines = [line.strip() for line in chosen.lines.split(",") if line.strip()] or list(ARMS)
    for line in lines:
        if line not in ARMS:
            raise Problem(f"there is no line {line!r}: choose from {', '.join(ARMS)}")
    seeds = _seeds(chosen.seeds)
    from workers.experiment.run import run, show

    reporter = Reporter(console=Console(stderr=True, highlight=False))
    jobs = chosen.jobs or os.cpu_count() or 1
    found = run(chosen.out, EXPERIMENTS[chosen.scale], seeds=seeds, arms=lines, jobs=jobs, reporter=reporter)
    if chosen.json:
        print(json.dumps(found))
    else:
        show(found, Console(highlight=False, width=None if os.isatty(1) else 240))
    return 0


def _seeds(text: str) -> list[int]:
    try:
        found = [int(part) for part in text.split(",")]
    except ValueError:
        raise Problem(f"--seeds takes whole numbers with commas between them, as in 0,1,2, not {text!r}") from None
    if len(set(found)) != len(found) or min(found) < 0:
        raise Problem("--seeds takes different numbers of at least 0")
    return found
