"""Text of values, and questions about their types."""

from __future__ import annotations

from verification.abstract import containers
from verification.abstract.library.given import (
    Given,
    Handler,
)
from verification.abstract.machine import Machine
from verification.abstract.state import State
from verification.abstract.values import (
    NONE,
    Bool,
    Builtin,
    ExceptionClass,
    ExceptionValue,
    Int,
    NoneValue,
    Opaque,
    Ref,
    Text,
    Tup,
    Unbound,
    Value,
    lineage,
    type_name,
)
from verification.symbolic.values import DIGITS, PRINTED, Unsupported


def _str(call: Given, state: State, run: Machine) -> Value:
    args = call.expect(0 if call.name == "str" else 1, 1)
    if not args:
        return run.literal("")
    value = args[0]
    if isinstance(value, Text) and call.name == "str":
        return value
    if isinstance(value, Opaque | Unbound):
        raise Unsupported(f"the text of a value of type {type_name(value)}", call.line)
    run.assume(DIGITS)
    if isinstance(value, Int):
        if isinstance(value.term, int) and abs(value.term) < 10**300:
            return run.literal(str(value.term))
        natural = run.low_of(value.term) is not None or (not run.lazy and run.entails(state, run.lift(value.term) >= 0))
        return run.text(state, "digits", least=1, digits=natural)
    return run.text(state, "text", least=0 if isinstance(value, Text | ExceptionValue) else 1)


def _print(call: Given, state: State, run: Machine) -> Value:
    call.expect(0, 64, "sep", "end", "flush")
    for value in call.args:
        if isinstance(value, Opaque | Unbound):
            raise Unsupported(f"printing a value of type {type_name(value)}", call.line)
    for key in ("sep", "end"):
        if not isinstance(call.keywords.get(key, NONE), Text | NoneValue):
            raise Unsupported("these arguments of print", call.line)
    run.assume(DIGITS)
    run.assume(PRINTED)
    return NONE


_CLASSES = frozenset(
    {"int", "bool", "str", "float", "list", "tuple", "dict", "range", "set", "frozenset", "bytes", "complex"}
)


def _isinstance(call: Given, state: State, run: Machine) -> Value:
    value, classes = call.expect(2, 2)
    names = []
    for cls in classes.items if isinstance(classes, Tup) else (classes,):
        if isinstance(cls, Builtin | ExceptionClass) and (isinstance(cls, ExceptionClass) or cls.name in _CLASSES):
            names.append(cls.name)
        else:
            raise Unsupported("isinstance with this class", call.line)
    if isinstance(value, Opaque):
        raise Unsupported(f"isinstance of a value of type {type_name(value)}", call.line)
    return Bool(any(name in lineage(value) for name in names))


def _type(call: Given, state: State, run: Machine) -> Value:
    (value,) = call.expect(1, 1)
    name = type_name(value)
    default = isinstance(value, Ref) and value.kind == "dict" and containers.table(state, value).default
    if name in ("int", "bool", "str", "float", "list", "tuple", "dict", "set") and not default:
        return Builtin(name)
    raise Unsupported(f"the type of a value of type {name}", call.line)


def _callable(call: Given, state: State, run: Machine) -> Value:
    call.expect(1, 1)
    return run.open_truth("callable")


def _copy(call: Given, state: State, run: Machine) -> Value:
    """A copy of the same shape; nothing of it is shared with the original where it is deep."""
    (value,) = call.expect(1, 1)
    unchanging = not isinstance(value, Ref) or value.kind in ("tuple...", "frozenset")
    if unchanging and (call.name == "copy.copy" or not isinstance(value, Ref | Tup)):
        return value
    if isinstance(value, Ref) and call.name == "copy.copy":
        containers.share_items(value, state, run)
        address = run.allocate()
        state.heap[address] = state.heap[value.address]
        return Ref(value.kind, address)
    before = state.shared
    made = run.fresh(state, run.shape_of(state, value), "copy")
    if isinstance(made, Ref):
        state.shared = before
    return made


FUNCTIONS: dict[str, Handler] = {
    "callable": _callable,
    "isinstance": _isinstance,
    "print": _print,
    "repr": _str,
    "str": _str,
    "type": _type,
    "copy.copy": _copy,
    "copy.deepcopy": _copy,
}
