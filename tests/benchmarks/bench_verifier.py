"""What the verifier decides of many functions and what that costs, beside CrossHair on the same functions in one run.

Run by hand: ``make bench NAME=verifier ARGS="--functions FILE.jsonl --survive 200"``, rows of ``{id, entry, code}`` with
annotated functions; ``--humaneval FILE.jsonl.gz`` takes HumanEval's reference solutions. Without either, the table of the
language that the tests go through is measured.

A function counts as refuted if any runtime property is, and as proved if all are proved or have nothing to prove; both
together are the definite ones. Ours are CPU seconds of this process and of the sandbox, imports not counted; the peer's
those of a forked child each, in which it is imported already. ``--survive N`` runs every function that was proved on N
inputs in the sandbox: an exception is a wrong verdict, and so is a peer's counterexample that the sandbox confirms. The
peer itself executes the functions outside of the sandbox: give it functions that you would run, or ``--no-peer``.
"""

from __future__ import annotations

import argparse
import ast
import gzip
import json
import os
import re
import subprocess
import sys
import tempfile
import venv
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from tests.verification.programs import RUNTIME as TABLE
from tests.verification.random_inputs import random_inputs
from verification import Report, Verdict, verify
from verification.inference import annotated, guesses
from verification.outcome import WORST_FIRST, Outcome
from verification.properties import RUNTIME
from verification.replay import Call, replay
from verification.sandbox import Job, Pool
from verification.symbolic.explore import RESOURCES
from verification.symbolic.inputs import parameters

PEER = "crosshair-tool==0.0.113"
PEERS = Path("~/.cache/aval/peers").expanduser()
RUNNER = Path(__file__).with_name("crosshair_peer.py")
MOST_REASONS = 40
CALLS_TOGETHER = 20
"""Inputs that travel in one job; they share its CPU limit."""


@dataclass(frozen=True)
class Function:
    id: str
    entry: str
    code: str


@dataclass(frozen=True)
class Raised:
    """A call and the exception that it was seen to raise."""

    call: str
    exception: str

    def is_outside(self, assumptions: str) -> bool:
        """Whether a proof under these assumptions says nothing of it."""
        if self.exception.startswith(RESOURCES):
            return True
        huge = self.exception.startswith("OverflowError") and any(map(_is_huge, ast.walk(ast.parse(self.call))))
        return huge and "turned into floats" in assumptions

    def __str__(self) -> str:
        return f"{self.call} raises {self.exception}"


def _is_huge(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, int) and node.value >= 2**64


@dataclass
class Measured:
    """What one side said of each function, and its CPU seconds."""

    name: str
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)
    reasons: Counter[tuple[Outcome, str]] = field(default_factory=Counter)
    refuting: dict[str, Raised] = field(default_factory=dict)
    """A call that refutes the function, by its id."""

    assumptions: dict[str, str] = field(default_factory=dict)
    """What the verdicts on a function rest on."""

    def share(self, *outcomes: Outcome) -> float:
        """Percent of the functions."""
        return 100 * sum(one in outcomes for one in self.outcomes.values()) / max(len(self.outcomes), 1)

    def summary(self) -> dict[str, float]:
        ordered = sorted(self.seconds)
        return {
            "functions": len(self.outcomes),
            "definite_percent": round(self.share(Outcome.PROVED, Outcome.REFUTED), 1),
            "proved_percent": round(self.share(Outcome.PROVED), 1),
            "refuted_percent": round(self.share(Outcome.REFUTED), 1),
            "functions_per_cpu_second": round(len(ordered) / sum(ordered), 2),
            "median_ms": round(1000 * median(ordered), 2),
            "p95_ms": round(1000 * ordered[int(0.95 * (len(ordered) - 1))], 2),
        }


def main() -> None:
    chosen = _options()
    load = os.getloadavg()[0]
    with Pool(1) as pool:
        verify(TABLE[0][0], pool=pool)  # imports, and the sandbox's start
        results = {name: _dataset(name, functions, chosen, pool) for name, functions in _datasets(chosen)}
    ours, peers, ratios, wrong = ({name: result[at] for name, result in results.items()} for at in range(4))
    settings = {
        "unit": "CPU seconds",
        "properties": list(RUNTIME),
        "peer_budget": chosen.budget,
        "survive": chosen.survive,
        "wrong_verdicts": wrong,
        "load": [load, os.getloadavg()[0]],
        "python": sys.version.split()[0],
    }
    print(json.dumps({"name": "verifier", "ours": ours, "peers": peers, "ratios": ratios, "settings": settings}))
    sys.exit(1 if any(wrong.values()) else 0)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--functions", type=Path, help="JSON Lines of {id, entry, code}")
    parser.add_argument("--humaneval", type=Path, help="HumanEval's JSON Lines, gzipped or not")
    parser.add_argument("--limit", type=int, help="only so many functions of each")
    parser.add_argument("--survive", type=int, default=0, metavar="N", help="run what is proved on N inputs")
    parser.add_argument("--seed", type=int, default=0, help="of those inputs")
    parser.add_argument("--budget", type=float, default=0.25, help="the peer's CPU seconds a function")
    parser.add_argument("--peers", type=Path, default=PEERS, help="where peers have environments of their own")
    parser.add_argument("--no-peer", action="store_true")
    parser.add_argument("--out", type=Path, help="write what is said of each function as JSON Lines")
    return parser.parse_args()


def _datasets(chosen: argparse.Namespace) -> Iterable[tuple[str, list[Function]]]:
    found: list[tuple[str, list[Function]]] = []
    if chosen.functions:
        rows = _rows(chosen.functions)
        found.append(("functions", [Function(str(row["id"]), row["entry"], row["code"]) for row in rows]))
    if chosen.humaneval:
        rows = _rows(chosen.humaneval)
        programs = [(row, row["prompt"] + row["canonical_solution"]) for row in rows]
        found.append(("humaneval", [Function(row["task_id"], row["entry_point"], code) for row, code in programs]))
    if not found:
        sources = dict.fromkeys(source for source, _, _ in TABLE)
        found.append(("table", [Function(str(number), "f", source) for number, source in enumerate(sources)]))
    return [(name, functions[: chosen.limit]) for name, functions in found]


def _rows(path: Path) -> list[dict[str, Any]]:
    data = path.read_bytes()
    text = gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data
    return [json.loads(line) for line in text.split(b"\n") if line.strip()]


def _dataset(
    name: str, functions: Sequence[Function], chosen: argparse.Namespace, pool: Pool
) -> tuple[dict[str, float], dict[str, Any], dict[str, float], int]:
    """(our summary, the peers', the ratios, how many verdicts are wrong)."""
    ours = _ours(functions, pool, chosen.out)
    print(f"\n{name}, {len(functions)} functions, load {os.getloadavg()[0]:.1f}")
    peer = None if chosen.no_peer else _peer(functions, chosen, pool)
    _print_table([ours] if peer is None else [ours, peer])
    _print_reasons(ours)
    wrong = _contradictions(ours, peer)
    if chosen.survive:
        wrong += _survival(functions, ours, chosen.survive, chosen.seed, pool)
    for line in wrong:
        print(f"WRONG VERDICT  {line}")
    mine = ours.summary()
    theirs = None if peer is None else peer.summary()
    ratios = {} if theirs is None else {key: _ratio(mine[key], theirs[key]) for key in mine if key != "functions"}
    return mine, {} if chosen.no_peer else {PEER: theirs}, ratios, len(wrong)


def _ratio(mine: float, theirs: float) -> float:
    return round(mine / theirs, 3) if theirs else float("nan")


# --- ours


def _ours(functions: Sequence[Function], pool: Pool, out: Path | None) -> Measured:
    measured = Measured("aval")
    lines = []
    for function in functions:
        report = verify(function.code, entry=function.entry, properties=RUNTIME, pool=pool)
        outcome, deciding = decided(report)
        measured.outcomes[function.id] = outcome
        measured.seconds.append(report.cpu_seconds)
        measured.assumptions[function.id] = "; ".join(
            text for verdict in report.verdicts for text in verdict.assumptions
        )
        if deciding is not None and deciding.counterexample is not None:
            seen = deciding.counterexample
            measured.refuting[function.id] = Raised(seen.call, seen.observed)
        elif deciding is not None and outcome is not Outcome.PROVED:
            measured.reasons[outcome, masked(deciding.reason)] += 1
        lines.append(json.dumps({"id": function.id, "function": str(outcome), **report.to_json()}) + "\n")
    if out is not None:
        with out.open("a", encoding="utf-8") as file:
            file.writelines(lines)
    return measured


def decided(report: Report) -> tuple[Outcome, Verdict | None]:
    """What is said of a function as a whole, and the first verdict that says so; only runtime properties count."""
    verdicts = [verdict for verdict in report.verdicts if verdict.property in RUNTIME]
    worst = min(verdicts, key=lambda verdict: WORST_FIRST.index(verdict.outcome), default=None)
    if worst is None or worst.outcome is Outcome.VACUOUS:
        return Outcome.PROVED, worst
    return worst.outcome, worst


_MASKS = (
    (r"was not confirmed: .*\) ([a-z ]+)$", r"was not confirmed: CALL \1"),
    (r"parameter \S+", "parameter NAME"),
    (r"function named .*", "function named NAME"),
    (r"(['\"]).*?\1", "'...'"),
    (r"\d+", "N"),
)


def masked(reason: str) -> str:
    """A reason without the names and numbers of one program."""
    for pattern, replacement in _MASKS:
        reason = re.sub(pattern, replacement, reason, flags=re.DOTALL)
    return reason


# --- the peer


def _peer(functions: Sequence[Function], chosen: argparse.Namespace, pool: Pool) -> Measured | None:
    python = _installed(chosen.peers)
    if python is None:
        print(f"the peer {PEER} is missing: it could not be installed under {chosen.peers}")
        return None
    with tempfile.TemporaryDirectory() as folder:
        given, out = Path(folder, "in.jsonl"), Path(folder, "out.jsonl")
        given.write_text("".join(json.dumps(vars(function)) + "\n" for function in functions))
        subprocess.run([python, RUNNER, given, out, "--budget", str(chosen.budget)], check=True)
        found = [json.loads(line) for line in out.read_text().splitlines()]
    measured = Measured(PEER)
    for function, row in zip(functions, found, strict=True):
        outcome = Outcome(row["state"])
        if outcome is Outcome.REFUTED:
            raised = _replayed(function, row["call"], pool)
            if raised is None:
                outcome = Outcome.UNKNOWN
            else:
                measured.refuting[function.id] = raised
        measured.outcomes[function.id] = outcome
        measured.seconds.append(row["cpu_seconds"])
    return measured


def _installed(peers: Path) -> Path | None:
    """The interpreter of the peer's environment, which is made and filled if it is not there."""
    folder = peers / "crosshair"
    python = folder / "bin" / "python"
    try:
        if not python.exists():
            venv.create(folder, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", PEER], check=True, stdout=subprocess.DEVNULL)
    except (OSError, subprocess.CalledProcessError):
        return None
    return python


def _replayed(function: Function, call: str, pool: Pool) -> Raised | None:
    """What the peer's counterexample raises in our sandbox, if it raises."""
    try:
        ast.parse(call, mode="eval")
    except (SyntaxError, ValueError):
        return None
    program = f"{function.code}\n\ndef counterexample_of_a_peer():\n    return {call}\n"
    result = pool.run_many([Job.call(program, "counterexample_of_a_peer", [])])[0]
    return Raised(call, result.exception or "") if result.status == "exception" else None


# --- wrong verdicts


def _contradictions(ours: Measured, peer: Measured | None) -> list[str]:
    """Functions that we proved and the peer refuted, with a call that raises and that our assumptions do not exclude."""
    refuted = {} if peer is None else peer.refuting
    proved = {name: raised for name, raised in refuted.items() if ours.outcomes[name] is Outcome.PROVED}
    excluded = [name for name, raised in proved.items() if raised.is_outside(ours.assumptions[name])]
    print(
        f"proved here and refuted by the peer: {len(proved)}, of which outside of stated assumptions: {len(excluded)}"
    )
    return [f"{name}: proved, but {raised}" for name, raised in proved.items() if name not in excluded]


def _survival(functions: Sequence[Function], ours: Measured, count: int, seed: int, pool: Pool) -> list[str]:
    """Run each proved function on so many inputs; a line for each call that raised all the same."""
    wrong: list[str] = []
    statuses: Counter[str] = Counter()
    proved = [function for function in functions if ours.outcomes[function.id] is Outcome.PROVED]
    for function in proved:
        node = _definition(function)  # with the types that its verdict assumes
        try:
            rows = random_inputs(parameters(node), seed, count)
        except ValueError as error:
            statuses[str(error)] += 1
            continue
        for start in range(0, len(rows), CALLS_TOGETHER):
            calls = [_call(node, row) for row in rows[start : start + CALLS_TOGETHER]]
            for observation in replay(function.code, calls, pool=pool)[0]:
                raised = Raised(observation.call, f"{observation.exception}: {observation.message}")
                outside = observation.status == "raised" and raised.is_outside(ours.assumptions[function.id])
                excluded = f"{observation.exception} outside of stated assumptions"
                statuses[excluded if outside else observation.status] += 1
                if observation.status == "raised" and not outside:
                    wrong.append(f"{function.id}: proved, but {raised}")
    told = ", ".join(f"{number} {status}" for status, number in statuses.most_common()) or "nothing to run"
    print(f"survival of {len(proved)} proved functions on {count} inputs each: {told}")
    return wrong


def _definition(function: Function) -> ast.FunctionDef:
    tree = ast.parse(function.code)
    tree = annotated(tree, function.entry, guesses(tree, function.entry))
    found = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == function.entry]
    return found[-1]


def _call(node: ast.FunctionDef, row: Sequence[object]) -> Call:
    positional = len(node.args.posonlyargs) + len(node.args.args)
    keywords = zip((argument.arg for argument in node.args.kwonlyargs), row[positional:], strict=True)
    return Call(node.name, tuple(row[:positional]), tuple(keywords))


# --- tables


def _print_table(sides: Sequence[Measured]) -> None:
    columns = list(sides[0].summary())
    print("  ".join([f"{'':<24}", *(f"{column:>{max(len(column), 8)}}" for column in columns)]))
    for side in sides:
        cells = [f"{value:>{max(len(column), 8)}}" for column, value in side.summary().items()]
        print("  ".join([f"{side.name:<24}", *cells]))
    for side in sides:
        counts = Counter(side.outcomes.values())
        print(
            f"{side.name}: " + ", ".join(f"{counts[outcome]} {outcome}" for outcome in WORST_FIRST if counts[outcome])
        )


def _print_reasons(ours: Measured) -> None:
    """Refusals and the other reasons for which nothing was proved, the most frequent first."""
    groups = [("refusals", [Outcome.UNSUPPORTED]), ("other reasons", [Outcome.UNKNOWN, Outcome.BOUNDED])]
    for title, outcomes in groups:
        found = Counter({reason: n for (outcome, reason), n in ours.reasons.items() if outcome in outcomes})
        print(f"{title}: {sum(found.values())} functions")
        for reason, number in found.most_common(MOST_REASONS):
            print(f"  {number:5}  {reason[:150]}")


if __name__ == "__main__":
    main()
