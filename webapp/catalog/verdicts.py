"""Outcomes and properties in plain language, for every page that shows a verdict."""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from verification.outcome import Outcome

LABELS: dict[Outcome, str | Promise] = {
    Outcome.PROVED: _("proved"),
    Outcome.REFUTED: _("refuted"),
    Outcome.BOUNDED: _("bounded"),
    Outcome.UNKNOWN: _("unknown"),
    Outcome.UNSUPPORTED: _("unsupported"),
    Outcome.VACUOUS: _("nothing to prove"),
}

MEANINGS: dict[Outcome, str | Promise] = {
    Outcome.PROVED: _("Holds for every input, under the assumptions listed with the proof."),
    Outcome.REFUTED: _("There is an input that breaks it; it was tried and did."),
    Outcome.BOUNDED: _("No input breaks it within the bound that was searched; beyond it nothing is known."),
    Outcome.UNKNOWN: _("The solver reached its limit before it found a proof or a counterexample."),
    Outcome.UNSUPPORTED: _("The program uses Python that the verifier does not model, so nothing is claimed."),
    Outcome.VACUOUS: _("The program does nothing that could break it."),
}

OBLIGATIONS: dict[str, str | Promise] = {
    "zero-division": _("never divides by zero"),
    "index-error": _("never indexes outside a sequence"),
    "key-error": _("never reads a missing key"),
    "value-error": _("never lets a ValueError escape"),
    "type-error": _("never lets a TypeError escape"),
    "none-deref": _("never uses None as an object"),
    "unbound-local": _("never reads a variable before it is set"),
    "other-exception": _("lets no other exception escape"),
    "termination": _("ends for every input"),
    "recursion": _("keeps its recursion depth bounded"),
    "int-bounds": _("keeps integers within the stated range"),
    "float": _("produces no unexpected overflow, infinity or NaN"),
    "assertion": _("never fails an assert statement"),
    "contract": _("meets its postcondition whenever the precondition holds"),
    "argument-mutation": _("leaves its arguments as they were"),
    "return-type": _("returns a value of the annotated type"),
    "equivalence": _("returns what the reference returns"),
    "sql-injection": _("never lets input change the structure of an SQL statement"),
    "command-injection": _("never lets input change a shell command"),
    "path-traversal": _("never leaves the base folder"),
    "code-injection": _("never evaluates input as code"),
    "deserialization": _("never deserialises untrusted data with a loader that runs code"),
    "html-injection": _("never lets input change the structure of a page"),
    "redos": _("has no regular expression of exponential cost"),
    "hardcoded-secret": _("holds no secret in its source"),
    "weak-hash": _("uses no broken hash for security"),
    "insecure-random": _("draws secrets from a secure source"),
    "insecure-temp-file": _("creates temporary files safely"),
    "tls-verification": _("keeps certificate checks on"),
    "xml-external-entity": _("resolves no external entities"),
    "unsafe-buffer": _("writes within its buffers"),
}


def label(outcome: str) -> str:
    return str(LABELS[Outcome(outcome)])


def meaning(outcome: str) -> str:
    """One sentence: what may be concluded from the outcome."""
    return str(MEANINGS[Outcome(outcome)])


def obligation(slug: str) -> str:
    """What the property obliges a program to; its own name for one that is not known here."""
    return str(OBLIGATIONS.get(slug, slug))
