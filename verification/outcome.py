"""What a verification says: outcomes, verdicts, certificates and reports (standard library only)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any


class Outcome(StrEnum):
    """The six things that can be said of one property of one program."""

    PROVED = "proved"
    """Holds for every input, under the certificate's assumptions."""

    REFUTED = "refuted"
    """A counterexample was found and replayed in the sandbox."""

    BOUNDED = "bounded"
    """No violation up to the stated bound."""

    UNKNOWN = "unknown"
    """The solver gave up or the budget was used up; the reason says which."""

    UNSUPPORTED = "unsupported"
    """The program uses Python that is not modelled; the reason names the construct."""

    VACUOUS = "vacuous"
    """Nothing to prove: the property has no obligation in this program."""


WORST_FIRST: tuple[Outcome, ...] = (
    Outcome.REFUTED,
    Outcome.UNSUPPORTED,
    Outcome.UNKNOWN,
    Outcome.BOUNDED,
    Outcome.PROVED,
    Outcome.VACUOUS,
)


def worst(outcomes: Sequence[Outcome]) -> Outcome:
    """The outcome that decides a report; VACUOUS counts as PROVED, and no verdict at all is VACUOUS."""
    if not outcomes:
        return Outcome.VACUOUS
    found = min(outcomes, key=WORST_FIRST.index)
    return Outcome.PROVED if found is Outcome.VACUOUS else found


@dataclass(frozen=True)
class Counterexample:
    """An input that breaks the property, and what the sandbox saw when it was replayed."""

    call: str
    """A runnable call, such as ``mean([])``."""

    observed: str
    """What the replay showed, such as ``ZeroDivisionError: division by zero``."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Counterexample:
        return cls(call=data["call"], observed=data["observed"])


@dataclass(frozen=True)
class Certificate:
    """The obligations that were discharged, as SMT-LIB 2 scripts that another solver can recheck.

    It shows that the *encoding* has no violation; it rests on that encoding of Python.
    """

    obligations: tuple[str, ...]
    """SMT-LIB 2 scripts, each of which must be unsatisfiable."""

    source_sha256: str
    property: str
    assumptions: tuple[str, ...]
    versions: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Certificate:
        return cls(
            obligations=tuple(data["obligations"]),
            source_sha256=data["source_sha256"],
            property=data["property"],
            assumptions=tuple(data["assumptions"]),
            versions=dict(data["versions"]),
        )


@dataclass(frozen=True)
class Verdict:
    """What is known of one property of one program."""

    property: str
    outcome: Outcome
    reason: str = ""
    line: int | None = None
    counterexample: Counterexample | None = None
    certificate: Certificate | None = None
    assumptions: tuple[str, ...] = ()
    cpu_seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        return {
            "property": self.property,
            "outcome": str(self.outcome),
            "reason": self.reason,
            "line": self.line,
            "counterexample": self.counterexample.to_json() if self.counterexample else None,
            "certificate": self.certificate.to_json() if self.certificate else None,
            "assumptions": list(self.assumptions),
            "cpu_seconds": self.cpu_seconds,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Verdict:
        counterexample = data.get("counterexample")
        certificate = data.get("certificate")
        return cls(
            property=data["property"],
            outcome=Outcome(data["outcome"]),
            reason=data.get("reason", ""),
            line=data.get("line"),
            counterexample=Counterexample.from_json(counterexample) if counterexample else None,
            certificate=Certificate.from_json(certificate) if certificate else None,
            assumptions=tuple(data.get("assumptions", ())),
            cpu_seconds=float(data.get("cpu_seconds", 0.0)),
        )


@dataclass(frozen=True)
class Report:
    """All verdicts on one program."""

    entry: str
    verdicts: tuple[Verdict, ...]
    cpu_seconds: float = 0.0

    @property
    def outcome(self) -> Outcome:
        return worst([verdict.outcome for verdict in self.verdicts])

    def to_json(self) -> dict[str, Any]:
        return {
            "entry": self.entry,
            "outcome": str(self.outcome),
            "verdicts": [verdict.to_json() for verdict in self.verdicts],
            "cpu_seconds": self.cpu_seconds,
        }
