"""What each expression evaluates to on all paths at once: a table of handlers by syntax node.

A handler changes the state in place and returns the one value; exceptions leave through `Machine.exits`.
"""

from __future__ import annotations

import ast
import builtins
import math
import re
from collections.abc import Callable, Sequence
from typing import Any

from verification.abstract import containers, operators
from verification.abstract.calls import call_value
from verification.abstract.containers import Source
from verification.abstract.machine import Dead, Machine, settled
from verification.abstract.narrowing import narrow
from verification.abstract.state import State
from verification.abstract.targets import assign
from verification.abstract.values import (
    NEVER,
    NONE,
    UNBOUND,
    Bool,
    Builtin,
    Choice,
    ExceptionClass,
    Func,
    Int,
    Method,
    Module,
    NoneValue,
    Opaque,
    Ref,
    Shape,
    Table,
    Term,
    Text,
    Tup,
    Unbound,
    Value,
    join,
    options_of,
    type_name,
)
from verification.nodes import walk
from verification.symbolic import encoding, terms
from verification.symbolic.machine import describe
from verification.symbolic.values import DIGITS, Raised, Unsupported, builtin_exception, raised


def evaluate(node: ast.expr, state: State, run: Machine) -> Value:
    """The value of an expression; Dead if no run gets past it."""
    run.tick()
    handler = _HANDLERS.get(type(node))
    if handler is None:
        raise Unsupported(describe(node), node.lineno)
    return handler(node, state, run)


def condition(node: ast.expr, state: State, run: Machine) -> Term:
    """The truth of an expression, as one term."""
    return truth(evaluate(node, state, run), state, run, node.lineno)


def truth(value: Value, state: State, run: Machine, line: int) -> Term:
    def one(inside: State, given: tuple[Value, ...]) -> Value:
        return Bool(operators.truth(inside, given[0], run, line))

    if not isinstance(value, Choice):
        return operators.truth(state, value, run, line)
    found = run.cases(state, [value], one)
    assert isinstance(found, Bool)
    return found.term


def _constant(node: ast.Constant, state: State, run: Machine) -> Value:
    return constant(node.value, state, run, node.lineno)


def constant(value: object, state: State, run: Machine, line: int) -> Value:
    if value is None:
        run.oblige("none-deref")
        return NONE
    if isinstance(value, bool):
        return Bool(value)
    if isinstance(value, int):
        return Int(value)
    if isinstance(value, str):
        return run.literal(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            run.oblige("float")
            run.suspect("float", line, "the result may be infinite or not a number")
        return operators.constant_float(value)
    if value is Ellipsis or isinstance(value, bytes | complex):
        return Opaque(type(value).__name__)
    raise Unsupported(f"a constant of type {type(value).__name__}", line)


def _name(node: ast.Name, state: State, run: Machine) -> Value:
    frame, value = look_up(node.id, state, run, node.lineno)
    if not any(isinstance(option, Unbound) for option in options_of(value)):
        return value

    def bound(inside: State, given: tuple[Value, ...]) -> Value:
        if isinstance(given[0], Unbound):
            run.oblige("unbound-local")
            run.raise_now(inside, raised("UnboundLocalError", node.lineno))
        return given[0]

    found = run.cases(state, [value], bound)
    state.frames[frame].variables[node.id] = found  # from here on it is set
    return found


def look_up(name: str, state: State, run: Machine, line: int) -> tuple[int, Value]:
    """A variable of this or an enclosing scope with its frame's place; or a builtin, with -1."""
    at = len(state.frames) - 1
    while at >= 0:
        frame = state.frames[at]
        if name in frame.variables:
            run.oblige("unbound-local")
            return at, frame.variables[name]
        if name in frame.locals:
            run.oblige("unbound-local")
            return at, UNBOUND
        at = frame.parent
    return -1, _builtin(name, state, run, line)


def _builtin(name: str, state: State, run: Machine, line: int) -> Value:
    exception = builtin_exception(name)
    if exception is not None:
        return exception
    if hasattr(builtins, name):
        return Builtin(name)
    if name == "__name__":
        return run.literal("program")
    run.oblige("unbound-local")
    run.raise_now(state, raised("NameError", line))
    raise Dead


def _binary(node: ast.BinOp, state: State, run: Machine) -> Value:
    left = evaluate(node.left, state, run)
    right = evaluate(node.right, state, run)
    return binary(type(node.op), left, right, state, run, node.lineno)


def binary(kind: type[ast.operator], left: Value, right: Value, state: State, run: Machine, line: int) -> Value:
    return run.cases(
        state, [left, right], lambda inside, given: operators.binary(kind, given[0], given[1], inside, run, line)
    )


def _unary(node: ast.UnaryOp, state: State, run: Machine) -> Value:
    operand = evaluate(node.operand, state, run)
    if isinstance(node.op, ast.Not):
        return Bool(encoding.negation(truth(operand, state, run, node.lineno)))
    return run.cases(
        state, [operand], lambda inside, given: operators.unary(type(node.op), given[0], inside, run, node.lineno)
    )


def _boolean(node: ast.BoolOp, state: State, run: Machine) -> Value:
    """`and`, `or`: each operand only where the ones before it leave it open."""
    stops_at = isinstance(node.op, ast.Or)
    first = evaluate(node.values[0], state, run)
    if len(node.values) == 1:
        return first
    rest = node.values[1] if len(node.values) == 2 else ast.copy_location(ast.BoolOp(node.op, node.values[1:]), node)
    test = truth(first, state, run, node.lineno)
    goes_on = encoding.negation(test) if stops_at else test
    return branch(
        state,
        run,
        goes_on,
        lambda inside: _narrowed(node.values[0], not stops_at, rest, inside, run),
        lambda inside: _decided(first, stops_at, inside, run, node.lineno),
    )


def _narrowed(test: ast.expr, holds: bool, node: ast.expr, state: State, run: Machine) -> Value:
    narrow(test, holds, state, run)
    return evaluate(node, state, run)


def _decided(value: Value, truth_: bool, state: State, run: Machine, line: int) -> Value:
    """An operand whose truth is known: of a choice, what can have that truth."""
    if isinstance(value, Bool):
        return Bool(truth_)
    if not isinstance(value, Choice):
        return value
    kept = []
    for number, option in value.options:
        test = operators.truth(state, option, run, line)
        if test is not (not truth_):
            kept.append((number, option))
    return Choice(value.tag, tuple(kept)) if len(kept) > 1 else kept[0][1] if kept else value


def branch(
    state: State,
    run: Machine,
    test: Term,
    yes: Callable[[State], Value],
    no: Callable[[State], Value],
) -> Value:
    """Evaluate one of two ways, or both and merge."""
    test = settled(test)
    if isinstance(test, bool):
        return yes(state) if test else no(state)
    branches: list[tuple[Any, State, Value]] = []
    for holds, act in ((test, yes), (terms.Not(test), no)):
        inside = state.copy()
        inside.assume(holds)
        try:
            value = act(inside)
        except Dead:
            continue
        branches.append((holds, inside, value))
    merged, value = run.merge(branches)
    state.become(merged)
    return value


def _compare(node: ast.Compare, state: State, run: Machine) -> Value:
    left = evaluate(node.left, state, run)
    return _chain(node, 0, left, state, run)


def _chain(node: ast.Compare, at: int, left: Value, state: State, run: Machine) -> Value:
    """Each operand is evaluated once, and not after the first link that fails."""
    right = evaluate(node.comparators[at], state, run)
    kind = type(node.ops[at])
    link = compare(kind, left, right, state, run, node.lineno)
    if at == len(node.ops) - 1:
        return Bool(link)
    return branch(
        state,
        run,
        link,
        lambda inside: _chain(node, at + 1, right, inside, run),
        lambda inside: Bool(False),
    )


def compare(kind: type[ast.cmpop], left: Value, right: Value, state: State, run: Machine, line: int) -> Term:
    if kind in (ast.Is, ast.IsNot) and (isinstance(left, Choice) or isinstance(right, Choice)):
        same = _identical(left, right, state, run)
        if same is not None:
            return same if kind is ast.Is else encoding.negation(same)

    def one(inside: State, given: tuple[Value, ...]) -> Value:
        return Bool(operators.compare(kind, given[0], given[1], inside, run, line))

    found = run.cases(state, [left, right], one)
    assert isinstance(found, Bool)
    return found.term


def _identical(left: Value, right: Value, state: State, run: Machine) -> Term | None:
    """`x is None` for a choice is a question about its tag."""
    for one, other in ((left, right), (right, left)):
        if isinstance(one, NoneValue) and isinstance(other, Choice):
            number = run.kind_number(NONE)
            return other.tag == number if any(at == number for at, _ in other.options) else False
    return None


def _conditional(node: ast.IfExp, state: State, run: Machine) -> Value:
    test = condition(node.test, state, run)
    return branch(
        state,
        run,
        test,
        lambda inside: _narrowed(node.test, True, node.body, inside, run),
        lambda inside: _narrowed(node.test, False, node.orelse, inside, run),
    )


def _list(node: ast.List, state: State, run: Machine) -> Value:
    return _display(node.elts, state, run, "list", node.lineno)


def _tuple(node: ast.Tuple, state: State, run: Machine) -> Value:
    return _display(node.elts, state, run, "tuple", node.lineno)


def _display(parts: Sequence[ast.expr], state: State, run: Machine, kind: str, line: int) -> Value:
    if not any(isinstance(part, ast.Starred) for part in parts):
        items = tuple(evaluate(part, state, run) for part in parts)
        if kind == "tuple":
            return Tup(items)
        made = run.new_list(state, items)
        return made
    with run.watching() as written:
        values = [evaluate(part.value if isinstance(part, ast.Starred) else part, state, run) for part in parts]
    if written:
        raise Unsupported("a starred part beside one that changes an object", line)
    elements: Shape = NEVER
    size: Term = 0
    for part, value in zip(parts, values, strict=True):
        if isinstance(part, ast.Starred):
            source = single(value, part.lineno)
            containers.iterable(source, state, run, line)
            containers.share_items(source, state, run)
            elements = join(elements, containers.whole_shape(source, state, run, line))
            size = size + containers.count(source, state, run)
            containers.consumed(source, state, run, line)
        else:
            elements = join(elements, run.stored_shape(state, value))
            size = size + 1
    return run.sequence(state, elements, size, "list" if kind == "list" else "tuple...")


def single(value: Value, line: int) -> Value:
    """A value that is no choice; one that is, is refused."""
    if isinstance(value, Choice):
        raise Unsupported("a value of several kinds in this place", line)
    return value


def _set(node: ast.Set, state: State, run: Machine) -> Value:
    made = run.empty_table(state, "set")
    for part in node.elts:
        if isinstance(part, ast.Starred):
            raise Unsupported("a starred expression in a set", node.lineno)
        add_to_set(made, evaluate(part, state, run), state, run, node.lineno)
    return made


def add_to_set(ref: Ref, value: Value, state: State, run: Machine, line: int) -> None:
    def one(inside: State, given: tuple[Value, ...]) -> Value:
        containers.set_key(ref, given[0], NONE, inside, run, line)
        return NONE

    run.cases(state, [value], one)


def _dict(node: ast.Dict, state: State, run: Machine) -> Value:
    made = run.empty_table(state, "dict")
    for key, value in zip(node.keys, node.values, strict=True):
        if key is None:
            other = single(evaluate(value, state, run), node.lineno)
            update(made, other, state, run, node.lineno)
            continue
        name = evaluate(key, state, run)
        held = evaluate(value, state, run)
        store_key(made, name, held, state, run, node.lineno)
    return made


def store_key(ref: Ref, key: Value, value: Value, state: State, run: Machine, line: int) -> None:
    def one(inside: State, given: tuple[Value, ...]) -> Value:
        containers.set_key(ref, given[0], value, inside, run, line)
        return NONE

    run.cases(state, [key], one)


def update(ref: Ref, other: Value, state: State, run: Machine, line: int) -> None:
    """`d.update(other)` for a dict."""
    if not isinstance(other, Ref) or other.kind != "dict":
        raise Unsupported("an update from a value that is no dict", line)
    mine, theirs = containers.table(state, ref), containers.table(state, other)
    size = run.any_length(state, "size", most=mine.size + theirs.size)
    state.assume(terms.And(size >= run.lift(mine.size), size >= run.lift(theirs.size)))
    key, value = join(mine.key, theirs.key), join(mine.value or NEVER, theirs.value or NEVER)
    run.put(state, ref.address, Table(key, value, size, (), mine.default), line, resized=True)


_GENERIC = frozenset({"list", "dict", "tuple", "set", "frozenset", "type"})


def _subscript(node: ast.Subscript, state: State, run: Machine) -> Value:
    receiver = evaluate(node.value, state, run)
    if (isinstance(receiver, Builtin) and receiver.name in _GENERIC) or (
        isinstance(receiver, Opaque) and receiver.type == "type"
    ):
        return Opaque("type")  # a generic type such as list[int]
    if isinstance(node.slice, ast.Slice):
        bounds = slice_bounds(node.slice, state, run)
        return run.cases(
            state,
            [receiver, *bounds],
            lambda inside, given: containers.get_slice(given[0], given[1:], inside, run, node.lineno),
        )
    index = evaluate(node.slice, state, run)
    return run.cases(
        state,
        [receiver, index],
        lambda inside, given: containers.get_item(given[0], given[1], inside, run, node.lineno),
    )


def slice_bounds(node: ast.Slice, state: State, run: Machine) -> tuple[Value, Value, Value]:
    low, high, step = (
        NONE if part is None else evaluate(part, state, run) for part in (node.lower, node.upper, node.step)
    )
    return low, high, step


_TYPES: dict[str, type] = {
    "int": int,
    "bool": bool,
    "str": str,
    "float": float,
    "NoneType": type(None),
    "tuple": tuple,
    "range": range,
    "list": list,
    "dict": dict,
    "set": set,
    "frozenset": frozenset,
}


def _attribute(node: ast.Attribute, state: State, run: Machine) -> Value:
    receiver = evaluate(node.value, state, run)
    return run.cases(state, [receiver], lambda inside, given: attribute(given[0], node.attr, inside, run, node.lineno))


def attribute(receiver: Value, name: str, state: State, run: Machine, line: int) -> Value:
    """`receiver.name`: a method to call, a name of a module, or AttributeError."""
    if isinstance(receiver, Module):
        return module_name(receiver, name, state, run, line)
    if isinstance(receiver, Builtin) and receiver.name in ("str", "dict", "int", "list", "set", "float"):
        return Builtin(f"{receiver.name}.{name}")
    if isinstance(receiver, Ref) and receiver.kind == "deque":
        return Method(receiver, name)
    if isinstance(receiver, Opaque) and receiver.type == "Match":
        return Method(receiver, name)
    if isinstance(receiver, Opaque | ExceptionClass | Builtin | Func):
        raise Unsupported(f"the attribute {name} of a value of type {type_name(receiver)}", line)
    if isinstance(receiver, Ref) and receiver.kind == "dict" and containers.table(state, receiver).default:
        return Method(receiver, name)
    python = _TYPES.get(type_name(receiver))
    if python is None:
        raise Unsupported(f"the attribute {name} of a value of type {type_name(receiver)}", line)
    run.oblige("other-exception")
    if not hasattr(python, name):
        run.attribute_error(state, line, receiver)
    return Method(receiver, name)


def module_name(module: Module, name: str, state: State, run: Machine, line: int) -> Value:
    from verification.abstract.modules import CONSTANTS

    found = CONSTANTS.get(f"{module.name}.{name}")
    if found is not None:
        return constant(found, state, run, line)
    return Builtin(f"{module.name}.{name}")


def _call(node: ast.Call, state: State, run: Machine) -> Value:
    function = evaluate(node.func, state, run)
    args: list[Value] = []
    for part in node.args:
        if isinstance(part, ast.Starred):
            args.extend(_unpacked(evaluate(part.value, state, run), state, part.lineno, function))
        else:
            args.append(evaluate(part, state, run))
    keywords: dict[str, Value] = {}
    for keyword in node.keywords:
        if keyword.arg is None:
            raise Unsupported("** in a call", node.lineno)
        keywords[keyword.arg] = evaluate(keyword.value, state, run)
    _check_iterators(node, args)
    return run.cases(
        state, [function], lambda inside, given: call_value(given[0], args, keywords, inside, run, node.lineno)
    )


def _check_iterators(node: ast.Call, args: Sequence[Value]) -> None:
    """What an iterator goes through must not change before it is used."""
    lazy = [at for at, value in enumerate(args) if isinstance(value, Ref) and value.kind == "iterator"]
    if not lazy:
        return
    later = [*node.args[lazy[0] + 1 :], *(keyword.value for keyword in node.keywords)]
    calls = [inner for part in later for inner in walk(part) if isinstance(inner, ast.Call)]
    if any(not _is_wrapper(call) for call in calls):
        raise Unsupported("an iterator beside a call that may change what it goes through", node.lineno)


_PURE = frozenset(
    {"len", "range", "map", "zip", "enumerate", "reversed", "filter", "int", "str", "abs", "iter", "set", "list"}
)


def _is_wrapper(call: ast.Call) -> bool:
    return isinstance(call.func, ast.Name) and call.func.id in _PURE


def _unpacked(value: Value, state: State, line: int, function: Value) -> Sequence[Value]:
    from verification.abstract.values import Partial

    items = containers.known_items(value, state)
    if items is None:
        if isinstance(function, Builtin) and function.name in (
            "zip",
            "print",
            "max",
            "min",
            "set.union",
            "itertools.chain",
        ):
            return (Partial("starred", (value,)),)
        raise Unsupported("a starred argument of unknown length", line)
    return items


def _lambda(node: ast.Lambda, state: State, run: Machine) -> Value:
    if node.args.vararg or node.args.kwarg or node.args.kwonlyargs:
        raise Unsupported("a lambda with *args or keywords", node.lineno)
    defaults = tuple(evaluate(part, state, run) for part in node.args.defaults)
    return Func(node, state.frames[-1].ident, defaults)


def _text(node: ast.JoinedStr, state: State, run: Machine) -> Value:
    """An f-string of plain values can't raise; its content is left open, its length is not."""
    total: Term = 0
    for piece in node.values:
        if isinstance(piece, ast.Constant):
            total = total + len(str(piece.value))
            continue
        assert isinstance(piece, ast.FormattedValue)
        value = evaluate(piece.value, state, run)
        least = 0
        for option in options_of(value):
            printable(option, run, node.lineno)
            if piece.format_spec is not None and piece.conversion != -1:
                raise Unsupported("a format specification after a conversion", node.lineno)
            if piece.format_spec is not None:
                _check_format(piece.format_spec, option, node.lineno)
        if not isinstance(value, Choice) and not isinstance(value, Text):
            least = 1
        if isinstance(value, Text) and piece.format_spec is None and piece.conversion == -1:
            total = total + value.length
        else:
            total = total + run.any_length(state, "formatted", least=least)
    return Text(run.symbol("formatted"), total)


def _check_format(node: ast.expr, value: Value, line: int) -> None:
    """A format that certainly suits the type of the value; others are refused."""
    spec = "".join(str(part.value) for part in node.values if isinstance(part, ast.Constant))  # type: ignore[attr-defined]
    constant_only = all(isinstance(part, ast.Constant) for part in node.values)  # type: ignore[attr-defined]
    sample = {"int": 1, "bool": True, "float": 1.5, "str": "a"}.get(type_name(value))
    if not constant_only or sample is None or re.search("[0-9]{4}|c$", spec):
        raise Unsupported("such a format specification", line)
    try:
        format(sample, spec)
    except (ValueError, TypeError):
        raise Unsupported("a format specification that doesn't suit the value", line) from None


def printable(value: Value, run: Machine, line: int) -> None:
    """Refuse values whose text isn't known to exist."""
    if isinstance(value, Opaque | Unbound):
        raise Unsupported(f"the text of a value of type {type_name(value)}", line)
    run.assume(DIGITS)


def _formatted(node: ast.FormattedValue, state: State, run: Machine) -> Value:
    raise Unsupported("a formatted value on its own", node.lineno)


def _assignment(node: ast.NamedExpr, state: State, run: Machine) -> Value:
    value = evaluate(node.value, state, run)
    assign(node.target, value, state, run)
    return value


# --- comprehensions


def _list_comprehension(node: ast.ListComp, state: State, run: Machine) -> Value:
    return _comprehended(node, node.elt, state, run, "list")


def _generator(node: ast.GeneratorExp, state: State, run: Machine) -> Value:
    """Evaluated here and now, which finds no fewer exceptions: an iterator that is kept for later is refused."""
    with run.keeping_exits() as kept:
        try:
            value = _comprehended(node, node.elt, state, run, "iterator")
        except Dead:
            value = None
    run.exits += [(after, _from_generator(exception)) for after, exception in kept]
    if value is None:
        raise Dead
    return value


def _from_generator(exception: Raised) -> Raised:
    """What leaves a generator: StopIteration becomes RuntimeError."""
    return raised("RuntimeError", exception.line) if "StopIteration" in exception.cls.ancestors else exception


def _set_comprehension(node: ast.SetComp, state: State, run: Machine) -> Value:
    elements, size = comprehend(node.generators, [node.elt], state, run, hashed=True)
    amount = run.any_length(state, "size", most=size)
    return run.table(state, "set", elements[0], None, amount)


def _dict_comprehension(node: ast.DictComp, state: State, run: Machine) -> Value:
    elements, size = comprehend(node.generators, [node.key, node.value], state, run, hashed=True)
    amount = run.any_length(state, "size", most=size)
    return run.table(state, "dict", elements[0], elements[1], amount)


def _comprehended(node: Any, element: ast.expr, state: State, run: Machine, kind: str) -> Value:
    elements, size = comprehend(node.generators, [element], state, run)
    return run.sequence(state, elements[0], size, kind)


def comprehend(
    generators: Sequence[ast.comprehension],
    parts: Sequence[ast.expr],
    state: State,
    run: Machine,
    *,
    hashed: bool = False,
) -> tuple[list[Shape], Term]:
    """The parts at one arbitrary element: their shapes, and how many elements there are."""
    for generator in generators:
        if generator.is_async:
            raise Unsupported("async for", generator.target.lineno)
    _check_comprehension(generators, parts)
    mark = run.number()
    inside = state.copy()
    exact = len(generators) == 1 and not generators[0].ifs
    source = sources(generators[0].iter, inside, run)
    total = source.size(inside, run)
    state.become(inside.copy())  # what evaluating the first source did has happened in any case
    # A scope of its own; only the first source is evaluated outside of it.
    depth = len(inside.frames)
    run.push_frame(inside, depth - 1, {}, frozenset(_targets(generators)))
    shapes = [NEVER for _ in parts]
    with run.watching() as written, run.keeping_exits() as kept:
        try:
            bind(source, generators[0], inside, run)
            for generator in generators[1:]:
                bind(sources(generator.iter, inside, run), generator, inside, run)
            values = [evaluate(part, inside, run) for part in parts]
            if hashed:
                _check_hashable(values[0], inside, run, parts[0].lineno)
            shapes = [settled_shape(run.stored_shape(inside, value), run, mark) for value in values]
        except Dead:
            pass
    for after, _ in kept:
        after.frames = after.frames[:depth]
    run.exits += kept
    if written & state.heap.keys():
        raise Unsupported("a comprehension that changes an object", parts[0].lineno)
    state.shared |= inside.shared & state.heap.keys()
    size = total if exact else run.any_length(state, "kept", most=total if len(generators) == 1 else None)
    return shapes, size


def _check_hashable(value: Value, state: State, run: Machine, line: int) -> None:
    def one(inside: State, given: tuple[Value, ...]) -> Value:
        containers.hashable(inside, given[0], run, line)
        return given[0]

    run.cases(state, [value], one)


def settled_shape(given: Shape, run: Machine, mark: int) -> Shape:
    """The shape without lengths that depend on which element was looked at."""
    return Shape(tuple(_settled_kind(kind, run, mark) for kind in given.kinds))


def _settled_kind(kind: Any, run: Machine, mark: int) -> Any:
    from dataclasses import replace

    from verification.abstract.values import ContainerShape, TupleShape

    if isinstance(kind, TupleShape):
        return TupleShape(tuple(settled_shape(item, run, mark) for item in kind.items))
    if isinstance(kind, ContainerShape):
        length = None if run.is_new(kind.length, mark) else kind.length
        value = None if kind.value is None else settled_shape(kind.value, run, mark)
        return replace(kind, element=settled_shape(kind.element, run, mark), value=value, length=length)
    return kind


def _check_comprehension(generators: Sequence[ast.comprehension], parts: Sequence[ast.expr]) -> None:
    """A walrus carries values from element to element, which one arbitrary element doesn't show."""
    for node in (*parts, *generators):
        for inner in walk(node):
            if isinstance(inner, ast.NamedExpr | ast.Yield | ast.Await):
                raise Unsupported("an assignment inside a comprehension", parts[0].lineno)
            if isinstance(inner, ast.Lambda) and _reads(inner, generators):
                raise Unsupported("a lambda that sees a comprehension's variable", inner.lineno)


def _reads(node: ast.Lambda, generators: Sequence[ast.comprehension]) -> bool:
    """Whether a lambda depends on what a comprehension goes through, which may be over when it is called."""
    own = {argument.arg for argument in node.args.args}
    seen = _targets(generators) - own
    return any(isinstance(name, ast.Name) and name.id in seen for name in walk(node.body))


def _targets(generators: Sequence[ast.comprehension]) -> set[str]:
    """The names that a comprehension binds."""
    return {name.id for each in generators for name in walk(each.target) if isinstance(name, ast.Name)}


def bind(source: Source, generator: ast.comprehension, state: State, run: Machine) -> None:
    """Take one arbitrary element that passes the filters."""
    at = run.symbol("at", low=0)
    state.assume(at >= 0)
    size = source.size(state, run)
    if size is False or (isinstance(size, int) and size <= 0):
        raise Dead
    state.assume(at < size)
    assign(generator.target, source.item(at, state, run), state, run)
    for test in generator.ifs:
        holds = settled(condition(test, state, run))
        if holds is False:
            raise Dead
        state.assume(holds)
        narrow(test, True, state, run)


WRAPPERS = ("enumerate", "zip", "reversed")


def sources(node: ast.expr, state: State, run: Machine) -> Source:
    """What an expression after `in` goes through."""
    wrapper, arguments = _unwrap(node, state)
    values = [evaluate(argument, state, run) for argument in arguments]
    start: Term = 0
    if wrapper == "enumerate" and len(values) == 2:
        if not isinstance(values[1], Int):
            raise Unsupported("enumerate from a start that is not an int", node.lineno)
        start = values[1].term
        values = values[:1]
    run.oblige("type-error")
    return Source(tuple(sourced(value, state, run, node.lineno) for value in values), wrapper, start)


def sourced(value: Value, state: State, run: Machine, line: int) -> Value:
    """Something to go through; of a choice, any of what can be."""
    if isinstance(value, Choice):
        return _any_of(value, state, run, line)
    containers.iterable(value, state, run, line)
    return value


def _any_of(value: Choice, state: State, run: Machine, line: int) -> Value:
    """Several kinds of iterables as one sequence of any of their elements."""

    def one(inside: State, given: tuple[Value, ...]) -> Value:
        containers.iterable(given[0], inside, run, line)
        found.append(containers.whole_shape(given[0], inside, run, line))
        return Int(containers.count(given[0], inside, run))

    found: list[Shape] = []
    size = run.cases(state, [value], one)
    assert isinstance(size, Int)
    for option in options_of(value):
        containers.share_items(option, state, run)
        if isinstance(option, Ref) and option.kind == "iterator":
            raise Unsupported("an iterator that may be something else", line)
    return run.sequence(state, join(*found), size.term, "iterator")


def _unwrap(node: ast.expr, state: State) -> tuple[str, list[ast.expr]]:
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in WRAPPERS):
        return "", [node]
    name = node.func.id
    shadowed = any(name in frame.variables or name in frame.locals for frame in state.frames)
    most = {"enumerate": 2, "zip": 8, "reversed": 1}[name]
    starred = any(isinstance(arg, ast.Starred) for arg in node.args)
    named = {keyword.arg: keyword.value for keyword in node.keywords}
    if name == "enumerate" and set(named) == {"start"} and len(node.args) == 1 and not (shadowed or starred):
        return name, [*node.args, named["start"]]
    if shadowed or named or starred or not 1 <= len(node.args) <= most:
        return "", [node]
    return name, node.args


_HANDLERS: dict[type[ast.expr], Callable[[Any, State, Machine], Value]] = {
    ast.Constant: _constant,
    ast.Name: _name,
    ast.BinOp: _binary,
    ast.UnaryOp: _unary,
    ast.BoolOp: _boolean,
    ast.Compare: _compare,
    ast.IfExp: _conditional,
    ast.List: _list,
    ast.Tuple: _tuple,
    ast.Set: _set,
    ast.Dict: _dict,
    ast.Subscript: _subscript,
    ast.Attribute: _attribute,
    ast.Call: _call,
    ast.Lambda: _lambda,
    ast.ListComp: _list_comprehension,
    ast.SetComp: _set_comprehension,
    ast.DictComp: _dict_comprehension,
    ast.GeneratorExp: _generator,
    ast.JoinedStr: _text,
    ast.FormattedValue: _formatted,
    ast.NamedExpr: _assignment,
}
