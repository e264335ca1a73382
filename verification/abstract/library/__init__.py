"""Builtin functions and the common parts of the standard library: which exceptions they raise, and what they give.

A function that isn't in the tables is refused. Each handler gets arguments that are no choices.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MethodDescriptorType

from verification.abstract import containers
from verification.abstract.library import collections, iterators, numbers, patterns, sequences, types
from verification.abstract.library.given import Given, Handler, wrong
from verification.abstract.machine import Machine
from verification.abstract.state import State
from verification.abstract.values import Method, Partial, Tup, Unbound, Value, type_name
from verification.symbolic.values import Unsupported

_TYPES: dict[str, type] = {"str": str, "list": list, "dict": dict, "set": set}


def call_builtin(
    name: str, args: Sequence[Value], keywords: Mapping[str, Value], state: State, run: Machine, line: int
) -> Value:
    """Call a function of the library."""
    handler = FUNCTIONS.get(name)
    if handler is None:
        kind, _, method = name.partition(".")
        if kind in _TYPES and args and isinstance(getattr(_TYPES[kind], method, None), MethodDescriptorType):
            return _unbound_method(kind, method, args, keywords, state, run, line)
        raise Unsupported(f"{name}()", line)
    named = list(keywords)
    count = len(args)

    def one(inside: State, given: tuple[Value, ...]) -> Value:
        for value in given:
            if isinstance(value, Unbound):
                raise Unsupported("an unset argument", line)
        call = Given(name, given[:count], dict(zip(named, given[count:], strict=True)), line)
        return handler(call, inside, run)

    return run.cases(state, [*args, *(keywords[key] for key in named)], one)


def _unbound_method(
    kind: str,
    method: str,
    args: Sequence[Value],
    keywords: Mapping[str, Value],
    state: State,
    run: Machine,
    line: int,
) -> Value:
    """`str.lower(text)`."""
    from verification.abstract.methods import call_method

    def one(inside: State, given: tuple[Value, ...]) -> Value:
        if type_name(given[0]) != kind:
            return wrong(given[0], inside, run, line)
        return call_method(Method(given[0], method), args[1:], keywords, inside, run, line)

    return run.cases(state, [args[0]], one)


def call_partial(
    function: Partial, args: Sequence[Value], keywords: Mapping[str, Value], state: State, run: Machine, line: int
) -> Value:
    """Call what `itemgetter` and `partial` give."""
    from verification.abstract.calls import call_value

    if function.name == "itemgetter" and len(args) == 1 and not keywords:
        found = [
            run.cases(state, [args[0], key], lambda now, given: containers.get_item(given[0], given[1], now, run, line))
            for key in function.parts
        ]
        return found[0] if len(found) == 1 else Tup(tuple(found))
    if function.name == "partial":
        return call_value(function.parts[0], [*function.parts[1:], *args], keywords, state, run, line)
    raise Unsupported(f"a call of {function.name}", line)


FUNCTIONS: dict[str, Handler] = {
    **numbers.FUNCTIONS,
    **sequences.FUNCTIONS,
    **types.FUNCTIONS,
    **collections.FUNCTIONS,
    **iterators.FUNCTIONS,
    **patterns.FUNCTIONS,
}
