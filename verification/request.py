"""What can be asked of the verifier: a contract and deterministic limits (standard library only)."""

from __future__ import annotations

import ast
import builtins
from dataclasses import dataclass

from verification.properties import DEFAULT


@dataclass(frozen=True)
class Contract:
    """What a caller promises and expects, as Python expressions over the arguments and `result`."""

    pre: str | None = None
    """Over the arguments; inputs for which it is false, or raises, are left out."""

    post: str | None = None
    """Over the arguments, as they are when the function returns, and ``result``."""

    allowed_exceptions: tuple[str, ...] = ()
    """Builtin exceptions that may escape; they then break no property."""

    reference: str | None = None
    """For equivalence: the source of a program that defines a function of the entry's name."""

    int_range: tuple[int, int] | None = None
    """For int-bounds: what the integers of the result stay within, where those of the arguments do; both ends count."""

    def __post_init__(self) -> None:
        for side in (self.pre, self.post):
            if side is not None:
                _check_expression(side)
        for name in self.allowed_exceptions:
            kind = getattr(builtins, name, None)
            if not (isinstance(kind, type) and issubclass(kind, BaseException)):
                raise ValueError(f"{name!r} is not a builtin exception: allow ValueError, KeyError and the like")
        if self.reference is not None:
            _check_program(self.reference)
        if self.int_range is not None and self.int_range[0] > self.int_range[1]:
            raise ValueError(f"the range {self.int_range[0]} to {self.int_range[1]} is empty: give the lower end first")


def stated(contract: Contract) -> Contract | None:
    """None for a contract that says nothing."""
    return None if contract == Contract() else contract


def asked_for(contract: Contract | None) -> tuple[str, ...]:
    """The properties to check where none are named: the default ones, and those that the contract speaks of."""
    if contract is None:
        return DEFAULT
    stated = {
        "contract": contract.pre or contract.post or contract.allowed_exceptions,
        "equivalence": contract.reference is not None,
        "int-bounds": contract.int_range is not None,
    }
    return (*DEFAULT, *(slug for slug, speaks in stated.items() if speaks))


@dataclass(frozen=True)
class Limits:
    """Budgets that count work, never time, so that a verdict is the same on every machine."""

    unroll: int = 3
    """Iterations of a loop, elements of a list, or nested calls, whose number depends on the input."""

    paths: int = 128
    """Paths that may be alive or finished before the exploration stops."""

    steps: int = 10_000
    """Syntax nodes that may be executed over all paths."""

    rlimit: int = 100_000
    """Z3's own resource units for one query."""

    total_rlimit: int = 500_000
    """Z3's resource units for one program: about a quarter of a second's worth of linear queries."""

    queries: int = 500
    """Solver queries for one program."""

    source_characters: int = 100_000
    """Longer programs are refused unread."""

    nesting: int = 60
    """Deeper nested programs are refused."""

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value < 1:
                raise ValueError(f"limit {name} is {value}: give a whole number of at least 1")


def _check_expression(text: str) -> None:
    try:
        ast.parse(text, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ValueError(f"{text!r} is not a Python expression ({error}): write pre and post as expressions") from None


def _check_program(text: str) -> None:
    try:
        ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ValueError(f"the reference is not a Python program ({error})") from None
