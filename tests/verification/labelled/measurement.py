"""What the verifier makes of the labelled set, counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tests.verification.labelled.rows import Labelled
from verification import Outcome, Verdict, verify

SHOWN_SAFE = (Outcome.PROVED, Outcome.VACUOUS)


@dataclass(frozen=True)
class Judged:
    """A row and the verdict on its property."""

    row: Labelled
    verdict: Verdict
    cpu_seconds: float

    @property
    def shown_safe(self) -> bool:
        return self.verdict.outcome in SHOWN_SAFE

    @property
    def refuted(self) -> bool:
        return self.verdict.outcome is Outcome.REFUTED

    @property
    def false_alarm(self) -> bool:
        return self.row.safe and self.refuted

    @property
    def false_proof(self) -> bool:
        return not self.row.safe and self.shown_safe

    @property
    def missed(self) -> bool:
        """Neither wrong nor decided."""
        return not (self.shown_safe or self.refuted)

    @property
    def line(self) -> str:
        """For a reader: the row, and what the verifier said of it."""
        where = f" (line {self.verdict.line})" if self.verdict.line else ""
        seen = f" [{self.verdict.counterexample.call}]" if self.verdict.counterexample else ""
        return f"{self.row.name}: {self.verdict.outcome}, {self.verdict.reason}{where}{seen}"


def judge(row: Labelled) -> Judged:
    """The verifier's verdict on the property at stake, and on nothing else."""
    report = verify(row.source, entry=row.entry, properties=(row.slug,), contract=row.contract)
    (verdict,) = report.verdicts
    return Judged(row, verdict, report.cpu_seconds)


def measure(rows: Sequence[Labelled]) -> dict[str, Any]:
    """Counts over the rows, the same by property, and each row that is wrong or was not decided, with the reason."""
    judged = [judge(row) for row in rows]
    slugs = dict.fromkeys(row.slug for row in rows)
    return {
        **count(judged),
        "by_slug": {slug: count([one for one in judged if one.row.slug == slug]) for slug in slugs},
        "wrong": [one.line for one in judged if one.false_alarm or one.false_proof],
        "missed": [one.line for one in judged if one.missed],
        "cpu_seconds": round(sum(one.cpu_seconds for one in judged), 2),
    }


def count(judged: Sequence[Judged]) -> dict[str, int]:
    safe = [one for one in judged if one.row.safe]
    unsafe = [one for one in judged if not one.row.safe]
    loops = [one for one in safe if "loop" in one.row.tags]
    endless = [one for one in unsafe if one.row.slug == "termination"]
    return {
        "safe": len(safe),
        "safe_proved": sum(one.shown_safe for one in safe),
        "loops": len(loops),
        "loop_proofs": sum(one.shown_safe for one in loops),
        "unsafe": len(unsafe),
        "unsafe_refuted": sum(one.refuted for one in unsafe),
        "endless": len(endless),
        "termination_refutations": sum(one.refuted for one in endless),
        "false_alarms": sum(one.false_alarm for one in safe),
        "false_proofs": sum(one.false_proof for one in unsafe),
    }
