"""What a call was seen to break, beside what its exception breaks: a check a property, each with its words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from verification.driver.annotations import UNKNOWN, matches, named, returned_by
from verification.driver.values import NotPlain, changed, frozen, message, numbers, shown

LARGEST_INT = 2**64
"""Arguments beyond it may overflow a float in an honest program."""


class Seen:
    """One call that returned or raised."""

    def __init__(
        self,
        value: Any,
        error: BaseException | None,
        *,
        before: Callable[[], dict[str, Any]],
        after: dict[str, Any],
        kept: bool,
        entry: Any,
        names: dict[str, Any],
        int_range: tuple[int, int] | None,
        reference: tuple[Any, BaseException | None] | None,
    ) -> None:
        """`before` and `after` are the arguments by name, `kept` whether they are known to be the same.

        `names` are the program's globals; `reference` is what the reference returned or raised, or None where it was
        not run to its end.
        """
        self.value = value
        self.error = error
        self.before = before
        self.after = after
        self.kept = kept
        self.entry = entry
        self.names = names
        self.int_range = int_range
        self.reference = reference


def found(seen: Seen, slugs: list[str]) -> list[list[str]]:
    """[slug, what was seen] of each of the properties that is broken."""
    broken = []
    for slug in slugs:
        text = _CHECKS[slug](seen) if slug in _CHECKS else ""
        if text:
            broken.append([slug, text])
    return broken


def _mutation(seen: Seen) -> str:
    if seen.kept:
        return ""
    for name, before in seen.before().items():
        if changed(before, seen.after[name]):
            return f"changed its argument {name} from {shown(before)} to {shown(seen.after[name])}"
    return ""


def _return_type(seen: Seen) -> str:
    if seen.error is not None:
        return ""
    annotation = returned_by(seen.entry, seen.names)
    if annotation is UNKNOWN or matches(seen.value, annotation):
        return ""
    return f"{_did(seen.value)}, which is not of the annotated type {named(annotation)}"


def _float(seen: Seen) -> str:
    overflowed = isinstance(seen.error, OverflowError)
    if not overflowed and (seen.error is not None or all(map(_is_finite, numbers(seen.value)))):
        return ""
    if not all(map(_is_ordinary, numbers(seen.before()))):
        return ""
    return _did(seen.value) if seen.error is None else _told(seen.error)


def _is_ordinary(number: Any) -> bool:
    return abs(number) < LARGEST_INT if type(number) is int else _is_finite(number)


def _is_finite(number: Any) -> bool:
    return type(number) is int or number - number == 0


def _recursion(seen: Seen) -> str:
    return _told(seen.error) if isinstance(seen.error, RecursionError) else ""


def _int_bounds(seen: Seen) -> str:
    """Only calls whose own integers keep within the range tell something."""
    if seen.int_range is None or seen.error is not None or _is_within(seen.value, seen.int_range):
        return ""
    if not _is_within(seen.before(), seen.int_range):
        return ""
    return f"{_did(seen.value)}, which is not between {seen.int_range[0]} and {seen.int_range[1]}"


def _is_within(value: Any, int_range: tuple[int, int]) -> bool:
    return all(type(number) is not int or int_range[0] <= number <= int_range[1] for number in numbers(value))


def _equivalence(seen: Seen) -> str:
    if seen.reference is None:
        return ""
    value, error = seen.reference
    if isinstance(error, RecursionError):
        return ""
    if seen.error is None and error is None:
        try:
            same = frozen(seen.value, exact=False) == frozen(value, exact=False)
        except NotPlain:
            return ""
    else:
        same = type(seen.error).__name__ == type(error).__name__
    return "" if same else f"{_did(seen.value, seen.error)} where the reference {_did(value, error)}"


def _did(value: Any, error: BaseException | None = None) -> str:
    return f"returned {shown(value)}" if error is None else f"raised {type(error).__name__}"


def _told(error: BaseException) -> str:
    """The exception as Python prints it."""
    text = message(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


_CHECKS: dict[str, Callable[[Seen], str]] = {
    "argument-mutation": _mutation,
    "return-type": _return_type,
    "float": _float,
    "recursion": _recursion,
    "int-bounds": _int_bounds,
    "equivalence": _equivalence,
}
