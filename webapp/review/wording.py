"""What outcomes and properties mean, in plain words and in the reader's language."""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from verification.outcome import Outcome

OUTCOMES: dict[str, tuple[str | Promise, str | Promise]] = {
    # outcome: (name, meaning)
    Outcome.PROVED: (_("proved"), _("holds for every input, under the assumptions listed")),
    Outcome.REFUTED: (_("refuted"), _("a call that breaks it was found, and it broke when it was run")),
    Outcome.BOUNDED: (_("bounded"), _("no violation up to the stated bound; beyond it nothing is known")),
    Outcome.UNKNOWN: (_("unknown"), _("the solver gave up or ran out of budget")),
    Outcome.UNSUPPORTED: (_("unsupported"), _("the program uses Python that the verifier doesn't model")),
    Outcome.VACUOUS: (_("nothing to prove"), _("nothing in this program could break it")),
}

PROPERTIES: dict[str, str | Promise] = {
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
"""The catalogue's ``obliges`` (verification.properties), spelled out here so that it can be translated."""
