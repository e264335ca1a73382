"""What each expression of Python evaluates to: a table of handlers by syntax node."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from verification.nodes import walk
from verification.symbolic import dicts, encoding, operators, sequences
from verification.symbolic.iteration import iterate, sources
from verification.symbolic.machine import Call, Evaluated, ExpressionHandler, Machine, describe, unsupported_use
from verification.symbolic.state import State
from verification.symbolic.straight import straight
from verification.symbolic.targets import assign
from verification.symbolic.values import (
    NONE,
    Bool,
    Builtin,
    DictRef,
    ExceptionValue,
    Int,
    Items,
    ListRef,
    Method,
    Module,
    Opaque,
    Raised,
    Str,
    Tuple,
    Unsupported,
    Value,
    builtin_exception,
    from_python,
    is_number,
    raised,
    type_name,
)

DIGITS = "integers that are turned into text have at most 4,300 digits"


def _constant(node: ast.Constant, state: State, run: Machine) -> Iterator[Evaluated]:
    value = from_python(node.value)
    if value is None:
        raise Unsupported(f"a constant of type {type(node.value).__name__}", node.lineno)
    if isinstance(value, Str) and any(ord(c) > encoding.MAX_CHARACTER for c in value.term):
        raise Unsupported("a character above U+2FFFF", node.lineno)
    if value is NONE:
        run.oblige("none-deref")
    yield state, value


def _name(node: ast.Name, state: State, run: Machine) -> Iterator[Evaluated]:
    yield state, look_up(node.id, state, run, node.lineno)


def look_up(name: str, state: State, run: Machine, line: int) -> Value | Raised:
    """A variable, a global or a builtin; an unset local raises UnboundLocalError."""
    if name in state.variables:
        run.oblige("unbound-local")
        return state.variables[name]
    if name in state.locals:
        run.oblige("unbound-local")
        return raised("UnboundLocalError", line)
    if name in run.globals:
        return run.globals[name]
    exception = builtin_exception(name)
    if exception is not None:
        return exception
    if hasattr(builtins, name):
        return Builtin(name)
    if name in ("__name__", "__file__", "__doc__", "__builtins__", "__spec__", "__loader__", "__package__"):
        raise Unsupported(name, line)
    run.oblige("unbound-local")
    return raised("NameError", line)


def _binary(node: ast.BinOp, state: State, run: Machine) -> Iterator[Evaluated]:
    for after, operands in run.evaluate_all((node.left, node.right), state):
        if isinstance(operands, Raised):
            yield after, operands
        else:
            yield from operators.binary(type(node.op), operands[0], operands[1], after, run, node.lineno)


def _unary(node: ast.UnaryOp, state: State, run: Machine) -> Iterator[Evaluated]:
    for after, operand in run.evaluate(node.operand, state):
        if isinstance(operand, Raised):
            yield after, operand
        else:
            yield from operators.unary(type(node.op), operand, after, run, node.lineno)


def _boolean(node: ast.BoolOp, state: State, run: Machine) -> Iterator[Evaluated]:
    """`and`, `or`: the first operand that decides, with the later ones not evaluated."""
    stops_at = isinstance(node.op, ast.Or)
    for after, value in run.evaluate(node.values[0], state):
        if isinstance(value, Raised) or len(node.values) == 1:
            yield after, value
            continue
        for last, truth in run.fork(after, sequences.truth(after, value, node.lineno)):
            if truth is stops_at:
                yield last, _decided(value, truth)
            else:
                rest = ast.copy_location(ast.BoolOp(node.op, node.values[1:]), node)
                yield from run.evaluate(rest, last)


def _decided(value: Value, truth: bool) -> Value:
    """A bool whose truth the path has decided is a constant."""
    return Bool(truth) if isinstance(value, Bool) else value


def _compare(node: ast.Compare, state: State, run: Machine) -> Iterator[Evaluated]:
    """A chain: each operand is evaluated once, and not after the first link that fails."""
    for after, left in run.evaluate(node.left, state):
        if isinstance(left, Raised):
            yield after, left
        else:
            yield from _chain(node, 0, left, after, run)


def _chain(node: ast.Compare, at: int, left: Value, state: State, run: Machine) -> Iterator[Evaluated]:
    for middle, right in run.evaluate(node.comparators[at], state):
        if isinstance(right, Raised):
            yield middle, right
            continue
        for after, link in operators.compare(type(node.ops[at]), left, right, middle, run, node.lineno):
            if isinstance(link, Raised) or at == len(node.ops) - 1:
                yield after, link
                continue
            for last, holds in run.fork(after, link.term):
                if holds:
                    yield from _chain(node, at + 1, right, last, run)
                else:
                    yield last, Bool(False)


def _conditional(node: ast.IfExp, state: State, run: Machine) -> Iterator[Evaluated]:
    for after, truth in condition(node.test, state, run):
        if isinstance(truth, Raised):
            yield after, truth
        else:
            yield from run.evaluate(node.body if truth else node.orelse, after)


def condition(node: ast.expr, state: State, run: Machine) -> Iterator[tuple[State, bool | Raised]]:
    """An expression's truth on each path."""
    for after, value in run.evaluate(node, state):
        if isinstance(value, Raised):
            yield after, value
        else:
            yield from run.fork(after, sequences.truth(after, value, node.lineno))


def _merged(general: Callable[[Any, State, Machine], Iterator[Evaluated]]) -> ExpressionHandler:
    """Try the expression as one term first."""

    def handler(node: Any, state: State, run: Machine) -> Iterator[Evaluated]:
        value = straight(node, state, run)
        if value is not None:
            yield state, value
        else:
            yield from general(node, state, run)

    return handler


def _list(node: ast.List, state: State, run: Machine) -> Iterator[Evaluated]:
    for after, items in run.evaluate_all(node.elts, state):
        yield (after, items) if isinstance(items, Raised) else run.new_list(after, items)


def _tuple(node: ast.Tuple, state: State, run: Machine) -> Iterator[Evaluated]:
    for after, items in run.evaluate_all(node.elts, state):
        yield after, items if isinstance(items, Raised) else Tuple(items)


def _dict(node: ast.Dict, state: State, run: Machine) -> Iterator[Evaluated]:
    parts: list[ast.expr] = []
    for key, value in zip(node.keys, node.values, strict=True):
        if key is None:
            raise Unsupported("** in a dict", node.lineno)
        parts += [key, value]
    for after, evaluated in run.evaluate_all(parts, state):
        if isinstance(evaluated, Raised):
            yield after, evaluated
        else:
            pairs = list(zip(evaluated[::2], evaluated[1::2], strict=True))
            yield from dicts.new_dict(pairs, after, run, node.lineno)


def _subscript(node: ast.Subscript, state: State, run: Machine) -> Iterator[Evaluated]:
    if isinstance(node.slice, ast.Slice):
        yield from _slice(node, node.slice, state, run)
        return
    for after, parts in run.evaluate_all((node.value, node.slice), state):
        if isinstance(parts, Raised):
            yield after, parts
        elif isinstance(parts[0], DictRef):
            yield from dicts.get_key(parts[0], parts[1], after, run, node.lineno)
        else:
            yield from sequences.get_item(parts[0], parts[1], after, run, node.lineno)


def _slice(node: ast.Subscript, bounds: ast.Slice, state: State, run: Machine) -> Iterator[Evaluated]:
    missing = ast.copy_location(ast.Constant(None), node)
    parts = (node.value, bounds.lower or missing, bounds.upper or missing, bounds.step or missing)
    for after, values in run.evaluate_all(parts, state):
        if isinstance(values, Raised):
            yield after, values
        else:
            yield from sequences.get_slice(values[0], (values[1], values[2], values[3]), after, run, node.lineno)


def _attribute(node: ast.Attribute, state: State, run: Machine) -> Iterator[Evaluated]:
    for after, receiver in run.evaluate(node.value, state):
        if isinstance(receiver, Raised):
            yield after, receiver
        else:
            yield after, attribute(receiver, node.attr, run, node.lineno)


_PYTHON_TYPES: dict[str, type] = {
    "int": int,
    "bool": bool,
    "str": str,
    "float": float,
    "NoneType": type(None),
    "tuple": tuple,
    "range": range,
    "list": list,
    "dict": dict,
}


def attribute(receiver: Value, name: str, run: Machine, line: int) -> Value | Raised:
    """`receiver.name`: a method to call, a name of a module, or AttributeError."""
    if isinstance(receiver, Module):
        return Builtin(f"{receiver.name}.{name}")
    python = _PYTHON_TYPES.get(type_name(receiver))
    if python is None:
        raise unsupported_use(receiver, line, f"the attribute {name} of a value")
    run.oblige("other-exception")
    if not hasattr(python, name):
        return run.attribute_error(receiver, line)
    return Method(receiver, name)


def _call(node: ast.Call, state: State, run: Machine) -> Iterator[Evaluated]:
    for argument in node.args:
        if isinstance(argument, ast.Starred):
            raise Unsupported("a starred argument", node.lineno)
    names = [keyword.arg for keyword in node.keywords]
    if None in names:
        raise Unsupported("** in a call", node.lineno)
    for after, function in run.evaluate(node.func, state):
        if isinstance(function, Raised):
            yield after, function
            continue
        lazy = _lazy_argument(function, node)
        if lazy is not None:
            yield from _short_circuit(lazy, function, after, run)
            continue
        parts = [*map(_eager, node.args), *(_eager(keyword.value) for keyword in node.keywords)]
        for last, values in run.evaluate_all(parts, after):
            if isinstance(values, Raised):
                yield last, values
            else:
                given = {str(name): value for name, value in zip(names, values[len(node.args) :], strict=True)}
                call = Call(function, values[: len(node.args)], given, node.lineno)
                yield from run.call(call, last)


def _eager(node: ast.expr) -> ast.expr:
    """A generator expression that its call consumes whole is a list."""
    if isinstance(node, ast.GeneratorExp):
        return ast.copy_location(ast.ListComp(node.elt, node.generators), node)
    return node


_CONSUMERS = frozenset({"sum", "list", "tuple", "sorted", "max", "min"})


def _lazy_argument(function: Value, node: ast.Call) -> ast.GeneratorExp | None:
    """The generator of `any(...)` and `all(...)`, which stop early; a generator for others is refused."""
    generators = [argument for argument in node.args if isinstance(argument, ast.GeneratorExp)]
    if not generators:
        return None
    name = function.name if isinstance(function, Builtin) else ""
    if name in ("any", "all") and len(node.args) == 1 and not node.keywords:
        return generators[0]
    if name not in _CONSUMERS:
        raise Unsupported(describe(generators[0]), node.lineno)
    return None


def _short_circuit(node: ast.GeneratorExp, function: Value, state: State, run: Machine) -> Iterator[Evaluated]:
    _refuse_assignments(node)
    stops_at = isinstance(function, Builtin) and function.name == "any"

    def body(current: State) -> Iterator[tuple[State, bool | Raised]]:
        """False goes on; True stops."""
        for after, truth in condition(node.elt, current, run):
            yield after, truth if isinstance(truth, Raised) else truth is stops_at

    for after, stopped in _generate(node.generators, state, run, body):
        yield after, stopped if isinstance(stopped, Raised) else Bool(stops_at if stopped else not stops_at)


def _refuse_assignments(node: ast.ListComp | ast.GeneratorExp) -> None:
    """`:=` in a comprehension binds a name of the function around it."""
    for inner in walk(node):
        if isinstance(inner, ast.NamedExpr):
            raise Unsupported("an assignment inside a comprehension", inner.lineno)


def _list_comprehension(node: ast.ListComp, state: State, run: Machine) -> Iterator[Evaluated]:
    _refuse_assignments(node)
    address = run.allocate()
    ref = ListRef(address)
    started = state.stored(address, Items(()))

    def body(current: State) -> Iterator[tuple[State, bool | Raised]]:
        for after, value in run.evaluate(node.elt, current):
            if isinstance(value, Raised):
                yield after, value
            else:
                for last in sequences.append(ref, value, after, run, node.lineno):
                    yield last, False

    for after, stopped in _generate(node.generators, started, run, body):
        yield after, stopped if isinstance(stopped, Raised) else ref


def _generate(
    generators: list[ast.comprehension],
    state: State,
    run: Machine,
    body: Callable[[State], Iterator[tuple[State, bool | Raised]]],
) -> Iterator[tuple[State, bool | Raised]]:
    """Run `body` for each element, in a scope of its own; True if it stopped early."""
    for after, result in _nest(generators, state, run, body):
        yield replace(after, variables=state.variables), result


def _nest(
    generators: list[ast.comprehension],
    state: State,
    run: Machine,
    body: Callable[[State], Iterator[tuple[State, bool | Raised]]],
) -> Iterator[tuple[State, bool | Raised]]:
    if not generators:
        yield from body(state)
        return
    first = generators[0]
    if first.is_async:
        raise Unsupported("async for", first.target.lineno)

    def each(item: Value, current: State) -> Iterator[tuple[State, bool | Raised]]:
        for bound, signal in assign(first.target, item, current, run):
            if isinstance(signal, Raised):
                yield bound, signal
                continue
            for after, passed in _filters(first.ifs, bound, run):
                if passed is True:
                    yield from _nest(generators[1:], after, run, body)
                else:
                    yield after, passed

    for after, loop in sources(first.iter, state, run):
        if isinstance(loop, Raised):
            yield after, loop
        else:
            yield from iterate(loop, after, run, each)


def _filters(tests: list[ast.expr], state: State, run: Machine) -> Iterator[tuple[State, bool | Raised]]:
    if not tests:
        yield state, True
        return
    for after, truth in condition(tests[0], state, run):
        if truth is True:
            yield from _filters(tests[1:], after, run)
        else:
            yield after, truth


def _text(node: ast.JoinedStr, state: State, run: Machine) -> Iterator[Evaluated]:
    """An f-string of plain parts: it can't raise, and its content is left open."""
    parts: list[ast.expr] = []
    for piece in node.values:
        if isinstance(piece, ast.FormattedValue):
            if piece.format_spec is not None:
                raise Unsupported("a format specification", node.lineno)
            parts.append(piece.value)
    for after, values in run.evaluate_all(parts, state):
        if isinstance(values, Raised):
            yield after, values
        else:
            check_printable(values, run, node.lineno)
            yield after, Opaque("str")


def check_printable(values: tuple[Value, ...], run: Machine, line: int) -> None:
    """Refuse values whose text isn't known to exist."""
    for value in values:
        if isinstance(value, Int):
            run.assume(DIGITS)
        elif not (is_number(value) or value is NONE or isinstance(value, Str | Opaque | ExceptionValue)):
            raise unsupported_use(value, line, "the text of a value")


def _assignment(node: ast.NamedExpr, state: State, run: Machine) -> Iterator[Evaluated]:
    assert isinstance(node.target, ast.Name)
    for after, value in run.evaluate(node.value, state):
        yield (after, value) if isinstance(value, Raised) else (after.assigned(node.target.id, value), value)


EXPRESSIONS: dict[type[ast.expr], ExpressionHandler] = {
    ast.Constant: _constant,
    ast.Name: _name,
    ast.BinOp: _merged(_binary),
    ast.UnaryOp: _merged(_unary),
    ast.BoolOp: _merged(_boolean),
    ast.Compare: _merged(_compare),
    ast.IfExp: _merged(_conditional),
    ast.List: _list,
    ast.Tuple: _tuple,
    ast.Dict: _dict,
    ast.Subscript: _subscript,
    ast.Attribute: _attribute,
    ast.Call: _call,
    ast.ListComp: _list_comprehension,
    ast.JoinedStr: _text,
    ast.NamedExpr: _assignment,
}
