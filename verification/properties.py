"""The catalogue of properties: slug, weakness (CWE), and what each obliges a program to (standard library only)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    RUNTIME = "runtime"
    CONTRACT = "contract"
    SECURITY = "security"


@dataclass(frozen=True)
class PropertyInfo:
    """One entry of the catalogue."""

    slug: str
    kind: Kind
    obliges: str
    """What the program must do, in one plain sentence."""
    cwe: int | None = None


def _runtime(slug: str, obliges: str, cwe: int | None = None) -> PropertyInfo:
    return PropertyInfo(slug, Kind.RUNTIME, obliges, cwe)


def _contract(slug: str, obliges: str, cwe: int | None = None) -> PropertyInfo:
    return PropertyInfo(slug, Kind.CONTRACT, obliges, cwe)


def _security(slug: str, obliges: str, cwe: int | None = None) -> PropertyInfo:
    return PropertyInfo(slug, Kind.SECURITY, obliges, cwe)


_ALL = (
    _runtime("zero-division", "never divides by zero", 369),
    _runtime("index-error", "never indexes outside a sequence", 129),
    _runtime("key-error", "never reads a missing key", 248),
    _runtime("value-error", "never lets a ValueError escape", 248),
    _runtime("type-error", "never lets a TypeError escape", 704),
    _runtime("none-deref", "never uses None as an object", 476),
    _runtime("unbound-local", "never reads a variable before it is set", 457),
    _runtime("other-exception", "lets no other exception escape", 248),
    _runtime("termination", "ends for every input", 835),
    _runtime("recursion", "keeps its recursion depth bounded", 674),
    _runtime("int-bounds", "keeps integers within the stated range", 190),
    _runtime("float", "produces no unexpected overflow, infinity or NaN", 682),
    _contract("assertion", "never fails an assert statement", 617),
    _contract("contract", "meets its postcondition whenever the precondition holds", 617),
    _contract("argument-mutation", "leaves its arguments as they were", 374),
    _contract("return-type", "returns a value of the annotated type", 704),
    _contract("equivalence", "returns what the reference returns"),
    _security("sql-injection", "never lets input change the structure of an SQL statement", 89),
    _security("command-injection", "never lets input change a shell command", 78),
    _security("path-traversal", "never leaves the base folder", 22),
    _security("code-injection", "never evaluates input as code", 95),
    _security("deserialization", "never deserialises untrusted data with a loader that runs code", 502),
    _security("html-injection", "never lets input change the structure of a page", 79),
    _security("redos", "has no regular expression of exponential cost", 1333),
    _security("hardcoded-secret", "holds no secret in its source", 798),
    _security("weak-hash", "uses no broken hash for security", 327),
    _security("insecure-random", "draws secrets from a secure source", 330),
    _security("insecure-temp-file", "creates temporary files safely", 377),
    _security("tls-verification", "keeps certificate checks on", 295),
    _security("xml-external-entity", "resolves no external entities", 611),
    _security("unsafe-buffer", "writes within its buffers", 787),
)

CATALOGUE: dict[str, PropertyInfo] = {info.slug: info for info in _ALL}
"""Every property by its slug, in the order in which reports list them."""

RUNTIME: tuple[str, ...] = tuple(info.slug for info in _ALL if info.kind is Kind.RUNTIME)
SECURITY: tuple[str, ...] = tuple(info.slug for info in _ALL if info.kind is Kind.SECURITY)

DEFAULT: tuple[str, ...] = (
    "zero-division",
    "index-error",
    "key-error",
    "value-error",
    "type-error",
    "none-deref",
    "unbound-local",
    "other-exception",
    "assertion",
)
"""What ``verify`` checks when nothing is asked for: the exceptions that may escape, and assertions."""


def known(slug: str) -> PropertyInfo:
    """The catalogue's entry; ValueError that lists the known slugs when there is none."""
    try:
        return CATALOGUE[slug]
    except KeyError:
        listed = ", ".join(CATALOGUE)
        raise ValueError(f"unknown property {slug!r}: choose from {listed}") from None
