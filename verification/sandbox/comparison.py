"""Is a claimed value the expected one?

Driven by the *expected* value's shape: what was claimed is read only as far as the expectation goes, and never becomes
the key of a table, so that a claim made to be slow costs its reader nothing.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from typing import Any

from verification.sandbox.codec import SEQUENCES, Unserialisable, Wire, decode


def matches(expected: Any, wire: Wire) -> bool:
    """``expected == claimed``, as Python has it between builtin values."""
    kind = type(expected)
    if kind is list or kind is tuple or kind is deque:
        items = _tagged(wire, _TAG_OF[kind], len(expected))
        return items is not None and all(map(matches, expected, items))
    if kind is dict:
        return _dict_matches(expected, wire)
    if kind is set or kind is frozenset:
        items = _tagged(wire, "s", len(expected))
        if items is None:
            items = _tagged(wire, "fs", len(expected))
        return items is not None and len(_found(expected, items)) == len(expected)
    if expected is None:
        return wire is None
    if isinstance(wire, list) and wire and isinstance(wire[0], str) and wire[0] in SEQUENCES:
        return False
    try:
        return bool(expected == decode(wire))
    except (Unserialisable, ArithmeticError):
        return False


def is_close(expected: Any, claimed: Any, *, relative: float, absolute: float) -> bool:
    """math.isclose between plain numbers; anything else is not close."""
    if type(expected) not in (int, float) or type(claimed) not in (int, float, bool):
        return False
    try:
        return math.isclose(claimed, expected, rel_tol=relative, abs_tol=absolute)
    except OverflowError:
        return False


_TAG_OF: dict[type, str] = {list: "l", tuple: "t", deque: "q"}


def _tagged(wire: Wire, tag: str, length: int) -> list[Wire] | None:
    if isinstance(wire, list) and len(wire) == length + 1 and wire[0] == tag:
        return wire[1:]
    return None


def _dict_matches(expected: dict[Any, Any], wire: Wire) -> bool:
    items = _tagged(wire, "d", len(expected))
    if items is None or not all(isinstance(item, list) and len(item) == 2 for item in items):
        return False
    keys = {key: key for key in expected}
    found = set()
    for claimed_key, claimed in items:
        key = _lookup(keys, claimed_key)
        if key is _MISSING or not matches(expected[key], claimed):
            return False
        found.add(key)
    return len(found) == len(expected)


def _found(expected: Iterable[Any], items: list[Wire]) -> set[Any]:
    """The expected elements that were claimed; hostile values are looked up, never stored."""
    known = {element: element for element in expected}
    found = {_lookup(known, item) for item in items}
    found.discard(_MISSING)
    return found


_MISSING = object()


def _lookup(known: dict[Any, Any], wire: Wire) -> Any:
    try:
        return known.get(decode(wire), _MISSING)
    except (Unserialisable, TypeError):
        return _MISSING
