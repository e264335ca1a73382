"""`itertools`, `functools`, `operator`, `heapq` and `bisect`."""

from __future__ import annotations

import ast

from verification.abstract import containers, operators
from verification.abstract.library.given import (
    Given,
    Handler,
    apply,
    elements,
    iterated,
    keyed,
    need_int,
    need_iterables,
    need_order,
    wrong,
)
from verification.abstract.machine import INDEXABLE, Machine
from verification.abstract.state import State
from verification.abstract.values import (
    INT,
    NEVER,
    NONE,
    Bool,
    Builtin,
    Choice,
    ContainerShape,
    ExceptionClass,
    Func,
    Int,
    Method,
    NoneValue,
    Partial,
    Ref,
    Term,
    Tup,
    TupleShape,
    Value,
    join,
    shape,
    type_name,
)
from verification.symbolic import encoding, terms
from verification.symbolic.values import Unsupported


def _chain(call: Given, state: State, run: Machine) -> Value:
    values = call.args
    if any(isinstance(value, Partial) for value in values):
        if len(values) != 1:
            raise Unsupported("these arguments of itertools.chain", call.line)
        return _chained(values[0].parts[0], state, run, call.line)  # type: ignore[union-attr]
    call.expect(0, 16)
    need_iterables(call)
    parts = [elements(value, state, run, call.line) for value in values]
    total: Term = 0
    for _, size in parts:
        total = total + size
    return run.sequence(state, join(*(found for found, _ in parts)), total, "iterator")


def _chain_from(call: Given, state: State, run: Machine) -> Value:
    (value,) = call.expect(1, 1)
    need_iterables(call)
    return _chained(value, state, run, call.line)


def _chained(value: Value, state: State, run: Machine, line: int) -> Value:
    if isinstance(value, Choice):
        raise Unsupported("a chain of a value of several kinds", line)
    found, _ = elements(value, state, run, line)
    inner = NEVER
    for kind in found.kinds:
        inner = join(inner, iterated(kind, state, run, line))
    return run.sequence(state, inner, run.any_length(state, "chained"), "iterator")


def _selections(call: Given, state: State, run: Machine) -> Value:
    """`combinations`, `permutations`, `product`: tuples of elements."""
    name = call.name.split(".")[1]
    if name == "product":
        args = call.expect(1, 4, "repeat")
        parts = [elements(value, state, run, call.line) for value in args]
        if "repeat" in call.keywords:
            run.oblige("value-error")
            count = need_int(call.keywords["repeat"], state, run, call.line)
            run.may_raise(state, encoding.at_least(count, 0), "ValueError", call.line)
            row = shape(ContainerShape("tuple...", join(*(found for found, _ in parts))))
        else:
            row = shape(TupleShape(tuple(found for found, _ in parts)))
        empty = any(not found.kinds for found, _ in parts) and "repeat" not in call.keywords
        return run.sequence(state, NEVER if empty else row, run.any_length(state, "rows"), "iterator")
    args = call.expect(1 if name == "permutations" else 2, 2)
    if len(args) == 2 and isinstance(args[1], NoneValue):
        raise Unsupported("permutations with None", call.line)
    found, size = elements(args[0], state, run, call.line)
    if len(args) == 1:
        row = shape(ContainerShape("tuple...", found, None, size))
        return run.sequence(state, row, run.any_length(state, "rows", least=1), "iterator")
    run.oblige("value-error")
    count = need_int(args[1], state, run, call.line)
    run.may_raise(state, encoding.at_least(count, 0), "ValueError", call.line)
    if isinstance(count, int) and count <= 8:
        row = shape(TupleShape((found,) * count))
        return run.sequence(
            state, row if found.kinds or not count else NEVER, run.any_length(state, "rows"), "iterator"
        )
    row = shape(ContainerShape("tuple...", found, None, count))
    return run.sequence(state, row, run.any_length(state, "rows"), "iterator")


def _accumulate(call: Given, state: State, run: Machine) -> Value:
    (value,) = call.expect(1, 1)
    found, size = elements(value, state, run, call.line)
    if found.kinds and not found.only("int"):
        raise Unsupported("itertools.accumulate of anything but ints", call.line)
    return run.sequence(state, found if not found.kinds else INT, size, "iterator")


def _group_by(call: Given, state: State, run: Machine) -> Value:
    args = call.expect(1, 2, "key")
    found, size = elements(args[0], state, run, call.line)
    key = call.keywords.get("key", args[1] if len(args) == 2 else NONE)
    keys = found if isinstance(key, NoneValue) else apply(key, [found], state, run, call.line)
    row = shape(TupleShape((keys, shape(ContainerShape("group", found)))))
    amount = run.any_length(state, "groups", most=size)
    return run.sequence(state, row if found.kinds else NEVER, amount, "iterator")


def _zip_longest(call: Given, state: State, run: Machine) -> Value:
    args = call.expect(1, 4, "fillvalue")
    fill = run.stored_shape(state, call.keywords.get("fillvalue", NONE))
    parts = [elements(value, state, run, call.line) for value in args]
    most = parts[0][1]
    for _, size in parts[1:]:
        most = encoding.choice(most >= size, most, size)
    row = shape(TupleShape(tuple(join(found, fill) for found, _ in parts)))
    return run.sequence(state, row, most, "iterator")


def _slice_of(call: Given, state: State, run: Machine) -> Value:
    args = call.expect(2, 3)
    run.oblige("value-error")
    for value in args[1:]:
        if not isinstance(value, NoneValue | Int | Bool):
            raise Unsupported("such a bound of itertools.islice", call.line)
        if not isinstance(value, NoneValue):
            run.may_raise(state, encoding.at_least(encoding.whole(value), 0), "ValueError", call.line)
    found, size = elements(args[0], state, run, call.line)
    return run.sequence(state, found, run.any_length(state, "slice", most=size), "iterator")


def _while_true(call: Given, state: State, run: Machine) -> Value:
    function, value = call.expect(2, 2)
    found, size = elements(value, state, run, call.line)
    apply(function, [found], state, run, call.line)
    return run.sequence(state, found, run.any_length(state, "kept", most=size), "iterator")


def _reduce(call: Given, state: State, run: Machine) -> Value:
    """The shape of what is folded, widened until a step leaves it as it is."""
    function, value, *initial = call.expect(2, 3)
    found, size = elements(value, state, run, call.line)
    if initial:
        held = run.stored_shape(state, initial[0])
    else:
        run.oblige("type-error")
        run.may_raise(state, encoding.compared(">=", size, 1), "TypeError", call.line)
        held = found
    with run.rehearsal():
        for _ in range(6):
            wider = join(held, apply(function, [held, found], state.copy(), run, call.line))
            if wider == held:
                break
            held = wider
        else:
            raise Unsupported("a reduction whose types never settle", call.line)
    apply(function, [held, found], state, run, call.line)
    return run.fresh(state, held, "reduced")


def _item_getter(call: Given, state: State, run: Machine) -> Value:
    return Partial("itemgetter", call.expect(1, 4))


def _partial(call: Given, state: State, run: Machine) -> Value:
    if call.keywords:
        raise Unsupported("functools.partial with keywords", call.line)
    if not call.args or not isinstance(call.args[0], Func | Builtin | Method | Partial | ExceptionClass):
        raise Unsupported("functools.partial of what may not be called", call.line)
    return Partial("partial", call.args)


_OPERATORS: dict[str, type[ast.operator]] = {
    "add": ast.Add,
    "sub": ast.Sub,
    "mul": ast.Mult,
    "floordiv": ast.FloorDiv,
    "truediv": ast.Div,
    "mod": ast.Mod,
    "pow": ast.Pow,
    "and_": ast.BitAnd,
    "or_": ast.BitOr,
    "xor": ast.BitXor,
}


def _operator(call: Given, state: State, run: Machine) -> Value:
    left, right = call.expect(2, 2)
    return operators.binary(_OPERATORS[call.name.split(".")[1]], left, right, state, run, call.line)


def _heap_list(value: Value, state: State, run: Machine, line: int) -> Ref:
    if not isinstance(value, Ref) or value.kind != "list":
        wrong(value, state, run, line)
    assert isinstance(value, Ref)
    return value


def _heapify(call: Given, state: State, run: Machine) -> Value:
    ref = _heap_list(call.expect(1, 1)[0], state, run, call.line)
    content = containers.opened(ref, state, run)
    need_order(content.element, state, run, call.line)
    containers.replaced(ref, content.element, content.length, state, run, call.line, resized=False)
    return NONE


def _heap_push(call: Given, state: State, run: Machine) -> Value:
    args = call.expect(2, 2)
    ref = _heap_list(args[0], state, run, call.line)
    content = containers.opened(ref, state, run)
    found = join(content.element, run.stored_shape(state, args[1]))
    need_order(found, state, run, call.line)
    containers.replaced(ref, found, content.length + 1, state, run, call.line)
    return NONE


def _heap_pop(call: Given, state: State, run: Machine) -> Value:
    ref = _heap_list(call.expect(1, 1)[0], state, run, call.line)
    content = containers.opened(ref, state, run)
    run.oblige("index-error")
    run.may_raise(state, encoding.compared(">=", content.length, 1), "IndexError", call.line)
    need_order(content.element, state, run, call.line)
    containers.replaced(ref, content.element, content.length - 1, state, run, call.line)
    return run.fresh(state, content.element, "popped")


def _largest(call: Given, state: State, run: Machine) -> Value:
    count, value = call.expect(2, 2, "key")
    number = need_int(count, state, run, call.line)
    found, size = elements(value, state, run, call.line)
    need_order(keyed(call, found, state, run), state, run, call.line)
    number = encoding.choice(number > 0, number, 0)
    return run.sequence(state, found, encoding.choice(number <= size, number, size))


def _merge(call: Given, state: State, run: Machine) -> Value:
    call.expect(0, 8)
    need_iterables(call)
    parts = [elements(value, state, run, call.line) for value in call.args]
    found = join(*(each for each, _ in parts))
    need_order(found, state, run, call.line)
    total: Term = 0
    for _, size in parts:
        total = total + size
    return run.sequence(state, found, total, "iterator")


def _bisect(call: Given, state: State, run: Machine) -> Value:
    args = call.expect(2, 2)
    listed = isinstance(args[0], Ref) and args[0].kind == "list"
    if not listed and ("insort" in call.name or not isinstance(args[0], Tup | Ref)):
        raise Unsupported(f"{call.name} of a value of type {type_name(args[0])}", call.line)
    if isinstance(args[0], Ref) and args[0].kind not in INDEXABLE:
        raise Unsupported(f"{call.name} of a value of type {type_name(args[0])}", call.line)
    found = containers.whole_shape(args[0], state, run, call.line)
    item = run.stored_shape(state, args[1])
    if not (operators.orderable(found, item) and operators.orderable(item, found)):
        about_none = operators.holds_none(found, item)
        run.may_raise(state, run.truth_symbol("orderable"), "TypeError", call.line, about_none=about_none)
    at = run.symbol("place", low=0)
    size = containers.length(state, args[0], run)
    state.assume(terms.And(at >= 0, at <= run.lift(size)))
    if "insort" in call.name:
        ref = _heap_list(args[0], state, run, call.line)
        content = containers.opened(ref, state, run)
        containers.replaced(ref, join(content.element, item), content.length + 1, state, run, call.line)
        return NONE
    return Int(at)


FUNCTIONS: dict[str, Handler] = {
    "bisect.bisect": _bisect,
    "bisect.bisect_left": _bisect,
    "bisect.bisect_right": _bisect,
    "bisect.insort": _bisect,
    "bisect.insort_left": _bisect,
    "bisect.insort_right": _bisect,
    "functools.partial": _partial,
    "functools.reduce": _reduce,
    "heapq.heapify": _heapify,
    "heapq.heappop": _heap_pop,
    "heapq.heappush": _heap_push,
    "heapq.merge": _merge,
    "heapq.nlargest": _largest,
    "heapq.nsmallest": _largest,
    "itertools.accumulate": _accumulate,
    "itertools.chain": _chain,
    "itertools.chain.from_iterable": _chain_from,
    "itertools.combinations": _selections,
    "itertools.dropwhile": _while_true,
    "itertools.groupby": _group_by,
    "itertools.islice": _slice_of,
    "itertools.permutations": _selections,
    "itertools.product": _selections,
    "itertools.takewhile": _while_true,
    "itertools.zip_longest": _zip_longest,
    "operator.itemgetter": _item_getter,
    **{f"operator.{name}": _operator for name in _OPERATORS},
}
