"""``python -m tests.verification.fuzz --seconds 600 --seed 0``: look for false proofs for so long."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.verification.fuzz.corpus import Corpus
from tests.verification.fuzz.engines import ENGINES
from tests.verification.fuzz.grammar import program
from tests.verification.fuzz.run import campaign, run_for


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.verification.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument(
        "--corpus", type=Path, metavar="JSONL", help="edit these programs (code, entry) instead of writing some"
    )
    parser.add_argument(
        "--engine", choices=list(ENGINES), default="", help="test this one alone; by default they take turns"
    )
    parser.add_argument("--only", metavar="SEED:NUMBER", help="check the one program that a disagreement named")
    options = parser.parse_args()
    write = Corpus(options.corpus) if options.corpus else program
    if options.only:
        seed, _, number = options.only.partition(":")
        print(write(options.only))
        findings = campaign(seed, [int(number)], write=write, engine=options.engine).findings
        print(*findings, sep="\n")
    else:
        findings = run_for(
            options.seconds, options.seed, jobs=options.jobs, write=write, engine=options.engine
        ).findings
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
