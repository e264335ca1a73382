"""Builtins that make sequences, dicts and sets, or go through them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from verification.abstract import containers, operators
from verification.abstract.library.given import (
    Given,
    Handler,
    apply,
    elements,
    hashable_shape,
    keyed,
    need_flag,
    need_int,
    need_order,
    pairs,
    wrong,
)
from verification.abstract.machine import Machine
from verification.abstract.state import State
from verification.abstract.values import (
    NEVER,
    STR,
    Bool,
    Choice,
    ContainerShape,
    Float,
    Int,
    NoneValue,
    Partial,
    Range,
    Ref,
    Scalar,
    Seq,
    Shape,
    Table,
    Term,
    Text,
    Tup,
    TupleShape,
    Value,
    join,
    shape,
)
from verification.symbolic import encoding, terms
from verification.symbolic.values import Unsupported


def _len(call: Given, state: State, run: Machine) -> Value:
    (value,) = call.expect(1, 1)
    size = containers.length(state, value, run)
    if size is None:
        return wrong(value, state, run, call.line)
    return Int(size)


def _range(call: Given, state: State, run: Machine) -> Value:
    bounds = [need_int(value, state, run, call.line) for value in call.expect(1, 3)]
    start, stop = (0, bounds[0]) if len(bounds) == 1 else (bounds[0], bounds[1])
    step = bounds[2] if len(bounds) == 3 else 1
    if len(bounds) == 3:
        run.oblige("value-error")
        run.may_raise(state, encoding.compared("!=", step, 0), "ValueError", call.line)
    if isinstance(step, int):
        return Range(start, stop, step)
    # With a step that varies: any numbers between the ends, at least one where the first is within.
    start_, stop_ = run.lift(start), run.lift(stop)
    size = run.any_length(state, "range.len")
    state.assume(
        terms.Implies(
            step > 0, terms.And(size <= terms.If(stop_ > start_, stop_ - start_, 0), (size > 0) == (stop_ > start_))
        )
    )
    state.assume(
        terms.Implies(
            step < 0, terms.And(size <= terms.If(start_ > stop_, start_ - stop_, 0), (size > 0) == (start_ > stop_))
        )
    )
    return _bounded_ints(size, start_, stop_, state, run)


def _bounded_ints(size: Any, start: Any, stop: Any, state: State, run: Machine) -> Value:
    """An iterator over ints of which nothing but the number is known."""
    low = run.low_of(start) if run.low_of(stop) is not None else None
    return run.sequence(state, shape(Scalar("int", low=0 if low is not None else None)), size, "tuple...")


def _extreme(call: Given, state: State, run: Machine) -> Value:
    """`max`, `min`: of an iterable, or of the arguments."""
    args = call.expect(1, 64, "default", "key")
    run.oblige("value-error", "type-error")
    if len(args) > 1:
        return _extreme_of(call, args, state, run)
    known = containers.known_items(args[0], state)
    if known and "key" not in call.keywords and not any(isinstance(item, Choice) for item in known):
        if len(known) == 1:
            return known[0]
        return _extreme_of(call, known, state, run)
    found, size = elements(args[0], state, run, call.line)
    need_order(keyed(call, found, state, run), state, run, call.line)
    if "default" in call.keywords:
        found = join(found, run.stored_shape(state, call.keywords["default"]))
    else:
        run.may_raise(state, encoding.compared(">=", size, 1), "ValueError", call.line)
    return run.fresh(state, found, call.name)


def _extreme_of(call: Given, args: Sequence[Value], state: State, run: Machine) -> Value:
    if "default" in call.keywords and len(call.args) > 1:
        return run.type_error(state, call.line)
    if "key" not in call.keywords and all(isinstance(value, Int) for value in args):
        kept = args[0].term  # type: ignore[union-attr]
        for value in args[1:]:
            better = encoding.compared(">" if call.name == "max" else "<", value.term, kept)  # type: ignore[union-attr]
            kept = encoding.choice(better, value.term, kept)  # type: ignore[union-attr]
        return Int(kept)
    shapes = [run.stored_shape(state, value) for value in args]
    found = join(*shapes)
    need_order(keyed(call, found, state, run), state, run, call.line)
    result = run.fresh(state, found, call.name)
    if isinstance(result, Float) and "key" not in call.keywords:
        _bound_floats(call.name, result, args, state, run)
    return result


def _bound_floats(name: str, result: Float, args: Sequence[Value], state: State, run: Machine) -> None:
    """The extreme of finite floats is one of them, and none is beyond it."""
    floats = [operators.as_float(value, state, run) for value in args]
    fine = terms.And(*(run.lift(operators.finite(value)) for value in floats))
    reals = [run.lift_real(value.real) for value in floats]
    beyond = [result.real >= real if name == "max" else result.real <= real for real in reals]
    is_one = terms.Or(*(result.real == real for real in reals))
    state.assume(terms.Implies(fine, terms.And(run.lift(operators.finite(result)), is_one, *beyond)))


def _sum(call: Given, state: State, run: Machine) -> Value:
    args = call.expect(1, 2, "start")
    start = call.keywords.get("start", args[1] if len(args) == 2 else Int(0))
    found, size = elements(args[0], state, run, call.line)
    line = call.line
    if isinstance(start, Text):
        return run.type_error(state, line, start)
    if isinstance(start, Ref) and start.kind == "list" and all(kind.key == "list" for kind in found.kinds):
        inner = join(*(kind.element for kind in found.kinds if isinstance(kind, ContainerShape)))
        whole = join(containers.whole_shape(start, state, run, line), inner)
        return run.sequence(state, whole, run.any_length(state, "sum.len"))
    if not operators.is_whole(start):
        raise Unsupported("sum from such a start", line)
    bad = [kind for kind in found.kinds if kind.key not in ("int", "bool", "float")]
    if bad:
        none_of_them = encoding.compared("==", size, 0)
        fine = none_of_them if len(bad) == len(found.kinds) else run.truth_symbol("summable")
        run.may_raise(state, fine, "TypeError", line, about_none=any(kind.key == "None" for kind in bad))
        found = Shape(tuple(kind for kind in found.kinds if kind not in bad))
    return _total(start, found, size, state, run, line)


def _total(start: Value, found: Shape, size: Term, state: State, run: Machine, line: int) -> Value:
    floats = any(kind.key == "float" for kind in found.kinds)
    if not floats and operators.is_whole(start):
        begin = encoding.whole(start)
        if not found.kinds:
            return Int(begin)
        lows = [kind.low if isinstance(kind, Scalar) and kind.type == "int" else 0 for kind in found.kinds]
        low = 0 if None not in lows and run.low_of(begin) is not None else None
        result = run.symbol("sum", low=low)
        if None not in lows:
            state.assume(result >= begin)
            if all(isinstance(each, int) and each >= 1 for each in lows):
                state.assume(result >= begin + size)
        if found.only("bool"):
            state.assume(result <= begin + size)
        state.assume(terms.Implies(run.lift(size) == 0, result == begin))
        return Int(result)
    exponents = [kind.exponent if isinstance(kind, Scalar) and kind.type == "float" else 64 for kind in found.kinds]
    exponent = None if None in exponents else max([64, *(each for each in exponents if each is not None)]) + 64
    total = operators.result_float(state, run, line, "sum", exponent=exponent)
    if not operators.is_whole(start):
        return total
    # With no element at all the sum is the int it started from; with ints among the elements it may be one as well.
    if found.only("float"):
        return run.merge_values(run.lift(size) == 0, start, total)
    return run.merge_values(run.truth_symbol("whole"), Int(run.symbol("sum")), total)


def _sorted(call: Given, state: State, run: Machine) -> Value:
    (value,) = call.expect(1, 1, "key", "reverse")
    need_flag(call.keywords.get("reverse", Bool(False)), call)
    found, size = elements(value, state, run, call.line)
    need_order(keyed(call, found, state, run), state, run, call.line)
    return run.sequence(state, found, size)


def _reversed(call: Given, state: State, run: Machine) -> Value:
    (value,) = call.expect(1, 1)
    if isinstance(value, Ref) and value.kind in ("set", "frozenset", "iterator"):
        return run.type_error(state, call.line, value)
    found, size = elements(value, state, run, call.line)
    return run.sequence(state, found, size, "iterator")


def _list(call: Given, state: State, run: Machine) -> Value:
    args = call.expect(0, 1)
    if not args:
        return run.new_list(state, ())
    return copied(args[0], "list", state, run, call.line)


def _tuple(call: Given, state: State, run: Machine) -> Value:
    args = call.expect(0, 1)
    if not args:
        return Tup(())
    if isinstance(args[0], Tup):
        return args[0]
    items = containers.known_items(args[0], state)
    if items is not None:
        return Tup(items)
    return copied(args[0], "tuple...", state, run, call.line)


def copied(value: Value, kind: str, state: State, run: Machine, line: int) -> Value:
    """A new sequence of the same elements."""
    items = containers.known_items(value, state)
    if items is not None:
        containers.iterable(value, state, run, line)
        containers.consumed(value, state, run, line)
        return run.new_list(state, items, kind)
    array = None
    if isinstance(value, Ref):
        content = state.content(value.address)
        array = content.array if isinstance(content, Seq) else None
    found, size = elements(value, state, run, line)
    made = run.sequence(state, found, size, kind)
    if array is not None:
        state.heap[made.address] = replace(containers.held(state, made), array=array)
    return made


def _set(call: Given, state: State, run: Machine) -> Value:
    args = call.expect(0, 1)
    kind = call.name
    if not args:
        return run.empty_table(state, kind)
    value = args[0]
    if isinstance(value, Ref) and isinstance(state.content(value.address), Table):
        content = containers.table(state, value)
        return run.new(state, kind, Table(content.key, None, content.size, content.members))
    found, size = elements(value, state, run, call.line)
    hashable_shape(found, state, run, call.line)
    amount = run.any_length(state, "size", most=size)
    state.assume(terms.Implies(run.lift(size) >= 1, amount >= 1))
    return run.table(state, kind, found, None, amount)


def _dict(call: Given, state: State, run: Machine) -> Value:
    args = call.expect(0, 1)
    if not args:
        return run.empty_table(state, "dict")
    value = args[0]
    if isinstance(value, Ref) and value.kind == "dict":
        content = containers.table(state, value)
        return run.new(state, "dict", replace(content, default=None))
    found, size = elements(value, state, run, call.line)
    key, held = pairs(found, run, call.line)
    hashable_shape(key, state, run, call.line)
    amount = run.any_length(state, "size", most=size)
    state.assume(terms.Implies(run.lift(size) >= 1, amount >= 1))
    return run.table(state, "dict", key, held, amount)


def _quantifier(call: Given, state: State, run: Machine) -> Value:
    (value,) = call.expect(1, 1)
    found, size = elements(value, state, run, call.line)
    if any(kind.key.startswith("fixed") for kind in found.kinds):
        raise Unsupported("the truth of such elements", call.line)
    result = run.truth_symbol(call.name)
    empty = run.lift(size) == 0
    state.assume(terms.Implies(empty, result if call.name == "all" else terms.Not(result)))
    return Bool(result)


def _enumerate(call: Given, state: State, run: Machine) -> Value:
    args = call.expect(1, 2, "start")
    start = call.keywords.get("start", args[1] if len(args) == 2 else Int(0))
    number = need_int(start, state, run, call.line)
    found, size = elements(args[0], state, run, call.line)
    index = shape(Scalar("int", low=run.low_of(number)))
    return run.sequence(state, shape(TupleShape((index, found))) if found.kinds else NEVER, size, "iterator")


def _zip(call: Given, state: State, run: Machine) -> Value:
    if call.keywords:
        raise Unsupported("zip(strict=)", call.line)
    if len(call.args) == 1 and isinstance(call.args[0], Partial):
        return _zip_starred(call, call.args[0].parts[0], state, run)
    parts = [elements(value, state, run, call.line) for value in call.args]
    if not parts:
        return run.new_list(state, (), "iterator")
    least = parts[0][1]
    for _, size in parts[1:]:
        least = encoding.choice(least <= size, least, size)
    row = shape(TupleShape(tuple(found for found, _ in parts)))
    return run.sequence(state, row if all(found.kinds for found, _ in parts) else NEVER, least, "iterator")


def _zip_starred(call: Given, value: Value, state: State, run: Machine) -> Value:
    """`zip(*rows)`: tuples of one element of each row."""
    if isinstance(value, Choice):
        raise Unsupported("zip of a value of several kinds", call.line)
    found, rows = elements(value, state, run, call.line)
    inner = NEVER
    for kind in found.kinds:
        if isinstance(kind, ContainerShape) and kind.type not in ("iterator",):
            inner = join(inner, kind.element)
        elif isinstance(kind, TupleShape):
            inner = join(inner, *kind.items)
        elif kind.key == "str":
            inner = join(inner, STR)
        else:
            raise Unsupported("zip of rows of such a type", call.line)
    column = shape(ContainerShape("tuple...", inner, None, rows))
    return run.sequence(state, column if found.kinds else NEVER, run.any_length(state, "columns"), "iterator")


def _map(call: Given, state: State, run: Machine) -> Value:
    function, *values = call.expect(2, 4)
    parts = [elements(value, state, run, call.line) for value in values]
    least = parts[0][1]
    for _, size in parts[1:]:
        least = encoding.choice(least <= size, least, size)
    found = apply(function, [each for each, _ in parts], state, run, call.line)
    return run.sequence(state, found, least, "iterator")


def _filter(call: Given, state: State, run: Machine) -> Value:
    function, value = call.expect(2, 2)
    found, size = elements(value, state, run, call.line)
    if not isinstance(function, NoneValue):
        apply(function, [found], state, run, call.line)
    return run.sequence(state, found, run.any_length(state, "kept", most=size), "iterator")


def _iter(call: Given, state: State, run: Machine) -> Value:
    (value,) = call.expect(1, 1)
    found, size = elements(value, state, run, call.line)
    return run.sequence(state, found, size, "iterator")


def _next(call: Given, state: State, run: Machine) -> Value:
    args = call.expect(1, 2)
    if isinstance(args[0], Ref) and args[0].kind == "group":
        raise Unsupported("next() of a group", call.line)
    if not isinstance(args[0], Ref) or args[0].kind != "iterator":
        return wrong(args[0], state, run, call.line)
    found, size = elements(args[0], state, run, call.line)
    if len(args) == 2:
        return run.fresh(state, join(found, run.stored_shape(state, args[1])), "next")
    run.oblige("other-exception")
    run.may_raise(state, encoding.compared(">=", size, 1), "StopIteration", call.line)
    return run.fresh(state, found, "next")


FUNCTIONS: dict[str, Handler] = {
    "all": _quantifier,
    "any": _quantifier,
    "dict": _dict,
    "enumerate": _enumerate,
    "filter": _filter,
    "frozenset": _set,
    "iter": _iter,
    "len": _len,
    "list": _list,
    "map": _map,
    "max": _extreme,
    "min": _extreme,
    "next": _next,
    "range": _range,
    "reversed": _reversed,
    "set": _set,
    "sorted": _sorted,
    "sum": _sum,
    "tuple": _tuple,
    "zip": _zip,
    "collections.OrderedDict": _dict,
}
