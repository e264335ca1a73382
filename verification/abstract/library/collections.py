"""`Counter`, `defaultdict` and `deque`."""

from __future__ import annotations

from verification.abstract.library.given import (
    Given,
    Handler,
    elements,
    hashable_shape,
)
from verification.abstract.library.sequences import copied
from verification.abstract.machine import Machine
from verification.abstract.state import State
from verification.abstract.values import (
    Builtin,
    NoneValue,
    Ref,
    Scalar,
    Value,
    shape,
)
from verification.symbolic import terms
from verification.symbolic.values import Unsupported


def _counter(call: Given, state: State, run: Machine) -> Value:
    args = call.expect(0, 1)
    if not args:
        return run.empty_table(state, "dict", default="Counter")
    value = args[0]
    if isinstance(value, NoneValue):
        return run.empty_table(state, "dict", default="Counter")
    if isinstance(value, Ref) and value.kind == "dict":
        raise Unsupported("a Counter of a dict", call.line)
    found, size = elements(value, state, run, call.line)
    hashable_shape(found, state, run, call.line)
    amount = run.any_length(state, "size", most=size)
    state.assume(terms.Implies(run.lift(size) >= 1, amount >= 1))
    return run.table(state, "dict", found, shape(Scalar("int", low=1)), amount, default="Counter")


def _default_dict(call: Given, state: State, run: Machine) -> Value:
    args = call.expect(0, 1)
    if not args or isinstance(args[0], NoneValue):
        return run.empty_table(state, "dict")
    if isinstance(args[0], Builtin) and args[0].name in ("int", "list", "set", "dict", "str", "float", "bool"):
        return run.empty_table(state, "dict", default=args[0].name)
    raise Unsupported("a defaultdict of such a factory", call.line)


def _deque(call: Given, state: State, run: Machine) -> Value:
    args = call.expect(0, 1)
    if not args:
        return run.new_list(state, (), "deque")
    return copied(args[0], "deque", state, run, call.line)


FUNCTIONS: dict[str, Handler] = {
    "collections.Counter": _counter,
    "collections.defaultdict": _default_dict,
    "collections.deque": _deque,
}
