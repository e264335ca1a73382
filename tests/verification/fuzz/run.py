"""A campaign: programs one after the other, their disagreements minimised and told, the figures at the end."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from typing import Any, TextIO

from tests.verification.fuzz.checker import Checked, Disagreement, check
from tests.verification.fuzz.contracts import contract_for
from tests.verification.fuzz.engines import ENGINES, IN_TURN, Engine
from tests.verification.fuzz.grammar import ENTRY, program
from tests.verification.fuzz.minimise import minimise
from verification import Contract
from verification.outcome import Outcome
from verification.verifier import verify

CHUNK = 20
TELL_EVERY = 30.0
MINIMISED = 3
"""Disagreements of one cause that are minimised."""

VERIFIED_TWICE = 10
"""Two programs in so many are verified a second time."""


@dataclass(frozen=True)
class Finding:
    """A disagreement, with what it takes to see it again."""

    seed: str
    disagreement: Disagreement
    contract: Contract | None
    source: str
    minimised: str

    def __str__(self) -> str:
        under = f"\nunder {self.contract}" if self.contract else ""
        return f"### seed {self.seed}: {self.disagreement}{under}\n{self.minimised}\n--- as generated\n{self.source}"

    def to_json(self) -> dict[str, str]:
        told = self.disagreement
        return {
            "seed": self.seed,
            "kind": told.kind,
            "property": told.slug,
            "detail": told.detail,
            "minimised": self.minimised,
        }


@dataclass
class Tally:
    """Figures of a campaign."""

    programs: int = 0
    with_a_proof: int = 0
    """Programs with at least one verdict that is PROVED, not VACUOUS."""

    inputs: int = 0
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By property and outcome."""

    refusals: Counter[str] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)

    def count(self, checked: Checked) -> None:
        self.programs += 1
        self.inputs += checked.runs
        if checked.report is None:
            return
        verdicts = checked.report.verdicts
        self.with_a_proof += any(verdict.outcome is Outcome.PROVED for verdict in verdicts)
        self.outcomes.update((verdict.property, str(verdict.outcome)) for verdict in verdicts)
        self.refusals.update({verdict.reason for verdict in verdicts if verdict.outcome is Outcome.UNSUPPORTED})

    def add(self, other: Tally) -> None:
        self.programs += other.programs
        self.with_a_proof += other.with_a_proof
        self.inputs += other.inputs
        self.outcomes.update(other.outcomes)
        self.refusals.update(other.refusals)
        self.findings += other.findings

    def line(self, seconds: float) -> str:
        by_outcome: Counter[str] = Counter()
        for (_, outcome), number in self.outcomes.items():
            by_outcome[outcome] += number
        told = ", ".join(f"{outcome} {by_outcome[outcome]}" for outcome in map(str, Outcome))
        refused = "; ".join(f"{reason} {number}" for reason, number in self.refusals.most_common(3))
        share = self.with_a_proof / max(self.programs, 1)
        slow = sum(finding.disagreement.kind == "not ended" for finding in self.findings)
        return (
            f"{seconds:.0f} s: {self.programs} programs, {self.programs / max(seconds, 1e-9):.1f} a second; {told}; "
            f"{share:.0%} with a proof; refused most: {refused or 'nothing'}; {len(self.findings) - slow} disagreements"
            + (f"; {slow} proofs of an end that did not come, to be looked at" if slow else "")
        )

    def to_json(self, seconds: float) -> dict[str, Any]:
        by_slug: dict[str, dict[str, int]] = {}
        for (slug, outcome), number in sorted(self.outcomes.items()):
            by_slug.setdefault(slug, {})[outcome] = number
        return {
            "programs": self.programs,
            "seconds": round(seconds, 1),
            "inputs": self.inputs,
            "with_a_proof": round(self.with_a_proof / max(self.programs, 1), 3),
            "proved_share": {
                slug: round(told.get("proved", 0) / sum(told.values()), 3) for slug, told in by_slug.items()
            },
            "outcomes": by_slug,
            "unsupported": dict(self.refusals.most_common(40)),
            "disagreements": [finding.to_json() for finding in self.findings],
        }


def campaign(
    seed: object,
    numbers: Iterable[int],
    *,
    write: Callable[[object], str] = program,
    engine: str | Engine = "",
    shrink: bool = True,
    causes: Counter[str] | None = None,
) -> Tally:
    """Check the programs of a seed with these numbers, each with the engine of its turn unless one is named; `causes` counts what was seen, as only the first are minimised."""
    tally = Tally()
    causes = Counter() if causes is None else causes
    for number in numbers:
        name = f"{seed}:{number}"
        source = write(name)
        contract = contract_for(source, ENTRY, name)
        verifier = engine if callable(engine) else ENGINES[engine or IN_TURN[number % len(IN_TURN)]]
        checked = check(source, seed=name, contract=contract, again=number % VERIFIED_TWICE < 2, verifier=verifier)
        tally.count(checked)
        for disagreement in checked.disagreements:
            causes[disagreement.cause] += 1
            wanted = shrink and causes[disagreement.cause] <= MINIMISED
            smaller = shrunk(source, name, disagreement, contract, verifier) if wanted else source
            tally.findings.append(Finding(name, disagreement, contract, source, smaller))
    return tally


def shrunk(
    source: str, seed: str, told: Disagreement, contract: Contract | None = None, verifier: Engine = verify
) -> str:
    """The smallest program found that has a disagreement of the same kind on the same property."""
    asked = [told.slug] if told.slug else None

    def holds(candidate: str) -> bool:
        if f"def {ENTRY}(" not in candidate:
            return False
        found = check(
            candidate,
            seed=seed,
            properties=asked,
            contract=contract,
            again=told.kind == "unstable",
            verifier=verifier,
        ).disagreements
        return any((one.kind, one.slug) == (told.kind, told.slug) for one in found)

    return minimise(source, holds)


def run_for(
    seconds: float,
    seed: int,
    *,
    jobs: int = 1,
    write: Callable[[object], str] = program,
    engine: str = "",
    out: TextIO = sys.stdout,
) -> Tally:
    """Programs until the time is up, a line of figures now and then, each disagreement as soon as it is known."""
    started = told = time.monotonic()
    tally = Tally()
    run = partial(campaign, seed, write=write, engine=engine, causes=Counter())
    for part in _chunks(run, jobs, lambda: time.monotonic() - started < seconds):
        tally.add(part)
        for finding in part.findings:
            print(finding, file=out, flush=True)
        now = time.monotonic()
        if now - told >= TELL_EVERY:
            told = now
            print(tally.line(now - started), file=out, flush=True)
    print(json.dumps(tally.to_json(time.monotonic() - started)), file=out, flush=True)
    return tally


def _chunks(run: Callable[[range], Tally], jobs: int, goes_on: Callable[[], bool]) -> Iterator[Tally]:
    """Tallies of twenty programs each, in this process or in several."""
    starts = iter(range(0, 1 << 40, CHUNK))
    if jobs == 1:
        while goes_on():
            start = next(starts)
            yield run(range(start, start + CHUNK))
        return
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as workers:
        while goes_on():
            batch = [next(starts) for _ in range(jobs)]
            yield from workers.map(run, [range(start, start + CHUNK) for start in batch])
