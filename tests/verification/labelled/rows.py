"""One row of the labelled set, and the two that a safe function and an edit of it make."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass

from verification import Contract


@dataclass(frozen=True)
class Labelled:
    """A function of which it is known whether it keeps a property."""

    slug: str
    """The property at stake."""

    source: str
    safe: bool
    witness: tuple[object, ...] | None = None
    """Arguments on which an unsafe function breaks the property."""

    entry: str = "f"
    """The function to verify; near-twins share its name."""

    contract: Contract | None = None
    tags: tuple[str, ...] = ()
    """``loop``: a proof has to reason through a loop whose number of iterations depends on the input."""

    @property
    def name(self) -> str:
        return f"{self.slug}/{self.entry}/{'safe' if self.safe else 'unsafe'}"

    @property
    def function(self) -> ast.FunctionDef:
        """The entry's syntax."""
        (found,) = (node for node in _functions(self.source) if node.name == self.entry)
        return found


def twins(
    slug: str,
    safe: str,
    edits: Mapping[str, str],
    witness: tuple[object, ...],
    *,
    contract: Contract | None = None,
    tags: tuple[str, ...] = (),
) -> tuple[Labelled, Labelled]:
    """A safe function, which is the source's last, and the unsafe one that the edits make of it."""
    safe = safe.lstrip("\n")
    unsafe = safe
    for old, new in edits.items():
        if unsafe.count(old) != 1:
            raise ValueError(f"{old!r} occurs {unsafe.count(old)} times: name a text that occurs once")
        unsafe = unsafe.replace(old, new)
    entry = _functions(safe)[-1].name
    return (
        Labelled(slug, safe, True, None, entry, contract, tags),
        Labelled(slug, unsafe, False, witness, entry, contract, tags),
    )


def _functions(source: str) -> list[ast.FunctionDef]:
    return [node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)]
