"""Proves or refutes safety properties of Python programs, and runs them in a sandbox.

Names are loaded when they are first used, so that importing this package loads no solver.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from verification.outcome import Certificate, Counterexample, Outcome, Report, Verdict
    from verification.request import Contract, Limits
    from verification.verifier import verify

VERIFIER_VERSION = "0.3.1"
"""Changes whenever a verdict may change: stored beside each verdict."""

__all__ = [
    "VERIFIER_VERSION",
    "Certificate",
    "Contract",
    "Counterexample",
    "Limits",
    "Outcome",
    "Report",
    "Verdict",
    "verify",
]

_HOMES = {
    "verify": "verification.verifier",
    "Contract": "verification.request",
    "Limits": "verification.request",
    "Certificate": "verification.outcome",
    "Counterexample": "verification.outcome",
    "Outcome": "verification.outcome",
    "Report": "verification.outcome",
    "Verdict": "verification.outcome",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value
