"""Plain values: compared exactly, walked, and told in words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

DEEPEST = 100
SHOWN = 200
"""Characters of a value that are told."""

LONGEST_MESSAGE = 300

_SCALARS = (str, bytes, type(None), type(...), range)
_NUMBERS = (bool, int, float, complex)


class NotPlain(Exception):
    """The value is not built of builtin types alone, or holds itself."""


def frozen(value: Any, *, exact: bool, depth: int = 0) -> object:
    """A hashable stand-in: equal for equal values of the same types, nan for nan. Only builtin types are looked into.

    Where not `exact`, numbers compare across types as Python compares them. The order of a dict's items does not count.
    """
    kind = type(value)
    if kind in _NUMBERS:
        return _number(value, exact)
    if kind in _SCALARS:
        return kind, value
    if depth == DEEPEST:
        raise NotPlain
    if kind is dict:
        pairs = [
            (frozen(key, exact=exact, depth=depth + 1), frozen(item, exact=exact, depth=depth + 1))
            for key, item in value.items()
        ]
        return kind, frozenset(pairs)
    if kind in (list, tuple):
        return kind, tuple([frozen(item, exact=exact, depth=depth + 1) for item in value])
    if kind in (set, frozenset):
        return kind, frozenset([frozen(item, exact=exact, depth=depth + 1) for item in value])
    if kind is bytearray:
        return kind, bytes(value)
    raise NotPlain


def _number(value: Any, exact: bool) -> object:
    if exact:  # by the text, nan is nan and -0.0 is not 0.0
        return type(value), repr(value) if type(value) in (float, complex) else value
    return "nan" if value != value else value


def changed(before: Any, after: Any) -> bool:
    """Whether a plain value is no longer what it was."""
    try:
        return frozen(before, exact=True) != frozen(after, exact=True)
    except NotPlain:  # it was plain before
        return True


def numbers(value: Any, depth: int = 0) -> Iterator[Any]:
    """All numbers in a value, bools left out; only lists, tuples, sets and dicts are looked into."""
    kind = type(value)
    if kind in (int, float, complex):
        yield value
    elif depth < DEEPEST and kind in (list, tuple, set, frozenset, dict):
        for item in value:
            yield from numbers(item, depth + 1)
        if kind is dict:
            for item in value.values():
                yield from numbers(item, depth + 1)


def shown(value: Any) -> str:
    """The value's own text, shortened, without the addresses that differ from run to run."""
    if type(value) in (list, tuple, str) and len(value) > 2 * SHOWN:
        value = value[: 2 * SHOWN]  # a part that is more than what is told
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001 - the program's own __repr__ may raise anything
        return "a value without a text"
    if " at 0x" in text:
        text = re.sub(" at 0x[0-9a-fA-F]+", "", text)
    return text if len(text) <= SHOWN else text[:SHOWN] + "..."


def message(error: BaseException) -> str:
    try:
        return str(error)[:LONGEST_MESSAGE]
    except Exception:  # noqa: BLE001 - the program's own __str__ may raise anything
        return ""
