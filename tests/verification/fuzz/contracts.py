"""Random pre- and postconditions over a program's own parameters, and exceptions that may escape."""

from __future__ import annotations

import ast
from random import Random

from tests.verification.fuzz import types
from verification import Contract

OFTEN = 0.15
"""The part of the programs that are verified under a contract."""

_ABOUT: dict[str, tuple[str, ...]] = {
    "int": (
        "{n} > 0",
        "{n} >= 0",
        "{n} != 0",
        "0 <= {n} < 10",
        "{n} % 2 == 0",
        "{n} * {n} > {n}",
        "abs({n}) < 5",
        "{n} == 3",
    ),
    "bool": ("{n}", "not {n}"),
    "float": ("{n} > 0", "{n} == {n}", "0.0 <= {n} <= 1.0", "{n} != 0", "not {n} < 0", "abs({n}) < 100"),
    "str": ("{n}", "len({n}) > 1", "{n}.isdigit()", "{n}.startswith('a')", "{n} == {n}[::-1]", "' ' not in {n}"),
    "list": (
        "{n}",
        "len({n}) > 1",
        "all({n})",
        "len({n}) == 3",
        "{n} == sorted({n})",
        "len(set({n})) == len({n})",
        "None not in {n}",
    ),
    "dict": ("{n}", "len({n}) > 1", "'a' in {n}", "all(v > 0 for v in {n}.values())"),
    "set": ("{n}", "1 in {n}"),
    "|": ("{n} is not None", "{n}", "{n} is None"),
    "tuple": ("{n}", "{n}[0]"),
    "tuple...": ("{n}", "len({n}) > 1"),
}
_RESULT: dict[str, tuple[str, ...]] = {
    "int": ("result >= 0", "result != 3", "result == result", "isinstance(result, int)", "result < 100", "result == 0"),
    "bool": ("result in (True, False)", "not result"),
    "float": ("result >= 0", "result == result", "isinstance(result, float)"),
    "str": ("len(result) >= 0", "result", "isinstance(result, str)", "result == result.lower()"),
    "list": (
        "len(result) >= 0",
        "result",
        "all(v == v for v in result)",
        "result == sorted(result)",
        "len(result) < 9",
    ),
    "dict": ("len(result) >= 0", "result", "all(k in result for k in result)"),
    "|": ("result is not None", "result is None", "result is None or result == result"),
}
_WITH: tuple[str, ...] = (
    "len(result) <= len({n})",
    "result in {n}",
    "result != {n}",
    "result == {n}",
    "result is not {n}",
    "result >= {n}",
)
_EXCEPTIONS = (
    "ValueError",
    "IndexError",
    "KeyError",
    "ZeroDivisionError",
    "TypeError",
    "LookupError",
    "ArithmeticError",
    "Exception",
)


def contract_for(source: str, entry: str, seed: object) -> Contract | None:
    """The contract of a seed; mostly none."""
    chance = Random(f"contract of {seed}")
    function = next((n for n in ast.parse(source).body if isinstance(n, ast.FunctionDef) and n.name == entry), None)
    if function is None or chance.random() > OFTEN:
        return None
    named = [(argument.arg, types.parse(argument.annotation)) for argument in function.args.args]
    about = [text.format(n=name) for name, kind in named if kind is not None for text in _ABOUT.get(kind.name, ())]
    kind = types.parse(function.returns)
    result = [*_RESULT.get(kind.name if kind else "int", ("result == result",))]
    result += [text.format(n=name) for name, _ in named for text in _WITH]
    return Contract(
        pre=chance.choice(about) if about and chance.random() < 0.6 else None,
        post=chance.choice(result) if chance.random() < 0.7 else None,
        allowed_exceptions=tuple(chance.sample(_EXCEPTIONS, chance.choice((0, 0, 0, 1, 2)))),
    )
