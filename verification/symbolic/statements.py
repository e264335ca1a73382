"""What each statement of Python does: a table of handlers by syntax node."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import replace

from verification.symbolic import dicts, operators, sequences
from verification.symbolic.calls import define
from verification.symbolic.expressions import condition
from verification.symbolic.loops import execute_for, execute_while
from verification.symbolic.machine import Flow, Jump, Machine, Returned, StatementHandler, unsupported_use
from verification.symbolic.state import State
from verification.symbolic.targets import assign, store_item
from verification.symbolic.values import (
    NONE,
    DictRef,
    ExceptionClass,
    ExceptionValue,
    ListRef,
    Module,
    Opaque,
    Raised,
    Tuple,
    Unmodelled,
    Unsupported,
    Value,
    raised,
)

IGNORED_MODULES = ("typing", "__future__", "collections.abc")


def _expression(node: ast.Expr, state: State, run: Machine) -> Iterator[Flow]:
    for after, value in run.evaluate(node.value, state):
        yield after, value if isinstance(value, Raised) else None


def _assign(node: ast.Assign, state: State, run: Machine) -> Iterator[Flow]:
    for after, value in run.evaluate(node.value, state):
        if isinstance(value, Raised):
            yield after, value
            continue
        flows: list[Flow] = [(after, None)]
        for target in node.targets:
            flows = [
                flow
                for current, signal in flows
                for flow in (assign(target, value, current, run) if signal is None else [(current, signal)])
            ]
        yield from flows


def _annotated(node: ast.AnnAssign, state: State, run: Machine) -> Iterator[Flow]:
    if node.value is None:
        yield state, None
        return
    for after, value in run.evaluate(node.value, state):
        if isinstance(value, Raised):
            yield after, value
        else:
            yield from assign(node.target, value, after, run)


def _augmented(node: ast.AugAssign, state: State, run: Machine) -> Iterator[Flow]:
    if isinstance(node.target, ast.Attribute):
        raise Unsupported("an assignment to an attribute", node.lineno)
    if isinstance(node.target, ast.Name):
        name = ast.copy_location(ast.Name(node.target.id, ast.Load()), node.target)
        for after, parts in run.evaluate_all((name, node.value), state):
            if isinstance(parts, Raised):
                yield after, parts
                continue
            for last, result in _in_place(node, parts[0], parts[1], after, run):
                if isinstance(result, Raised):
                    yield last, result
                else:
                    yield from assign(node.target, result, last, run)
        return
    yield from _augmented_item(node, node.target, state, run)


def _augmented_item(node: ast.AugAssign, target: ast.Subscript, state: State, run: Machine) -> Iterator[Flow]:
    """`xs[i] += v`: the container and index are evaluated once, then the item, then the value."""
    if isinstance(target.slice, ast.Slice):
        raise Unsupported("an augmented assignment to a slice", node.lineno)
    for after, parts in run.evaluate_all((target.value, target.slice), state):
        if isinstance(parts, Raised):
            yield after, parts
            continue
        container, index = parts
        getter = dicts.get_key if isinstance(container, DictRef) else sequences.get_item
        for middle, item in getter(container, index, after, run, node.lineno):  # type: ignore[arg-type]
            if isinstance(item, Raised):
                yield middle, item
                continue
            for later, value in run.evaluate(node.value, middle):
                if isinstance(value, Raised):
                    yield later, value
                    continue
                for last, result in _in_place(node, item, value, later, run):
                    if isinstance(result, Raised):
                        yield last, result
                    else:
                        yield from store_item(container, index, result, last, run, node.lineno)


def _in_place(
    node: ast.AugAssign, left: Value, right: Value, state: State, run: Machine
) -> Iterator[tuple[State, Value | Raised]]:
    """`+=` on a list changes that list; on anything else it is the plain operator."""
    if isinstance(left, ListRef) and isinstance(node.op, ast.Add):
        if not isinstance(right, ListRef | Tuple):
            raise unsupported_use(right, node.lineno, "extending a list by a value")
        yield from extend(left, right, state, run, node.lineno)
    elif isinstance(left, ListRef | DictRef) and not isinstance(node.op, ast.Add):
        raise Unsupported("an augmented assignment to a container", node.lineno)
    else:
        yield from operators.binary(type(node.op), left, right, state, run, node.lineno)


def extend(
    left: ListRef, right: Value, state: State, run: Machine, line: int
) -> Iterator[tuple[State, Value | Raised]]:
    for middle, more in sequences.spread(right, state, run, line):
        alive = [middle]
        for item in more:
            alive = [after for current in alive for after in sequences.append(left, item, current, run, line)]
        for last in alive:
            yield last, left


def _if(node: ast.If, state: State, run: Machine) -> Iterator[Flow]:
    for after, truth in condition(node.test, state, run):
        if isinstance(truth, Raised):
            yield after, truth
        else:
            yield from run.execute_block(node.body if truth else node.orelse, after)


def _return(node: ast.Return, state: State, run: Machine) -> Iterator[Flow]:
    if node.value is None:
        yield state, Returned(NONE, node.lineno)
        return
    for after, value in run.evaluate(node.value, state):
        yield after, value if isinstance(value, Raised) else Returned(value, node.lineno)


def _raise(node: ast.Raise, state: State, run: Machine) -> Iterator[Flow]:
    if node.exc is None:
        if state.handling:
            yield state, state.handling[-1]
        else:
            run.oblige("other-exception")
            yield state, raised("RuntimeError", node.lineno)
        return
    parts = [node.exc] if node.cause is None else [node.exc, node.cause]
    for after, values in run.evaluate_all(parts, state):
        if isinstance(values, Raised):
            yield after, values
            continue
        cause = values[1] if node.cause is not None else NONE
        if not (isinstance(cause, ExceptionValue | ExceptionClass) or cause is NONE):
            raise unsupported_use(cause, node.lineno, "a cause of an exception")
        yield after, _thrown(values[0], run, node.lineno)


def _thrown(value: Value, run: Machine, line: int) -> Raised:
    if isinstance(value, ExceptionValue):
        return Raised(value.cls, line)
    if isinstance(value, ExceptionClass):
        return Raised(value, line)
    if isinstance(value, Unmodelled | Opaque):
        raise unsupported_use(value, line, "raising a value")
    return run.type_error(line)


def _assert(node: ast.Assert, state: State, run: Machine) -> Iterator[Flow]:
    run.oblige("assertion")
    for after, truth in condition(node.test, state, run):
        if isinstance(truth, Raised) or truth:
            yield after, None if truth is True else truth
        elif node.msg is None:
            yield after, raised("AssertionError", node.lineno)
        else:
            for last, message in run.evaluate(node.msg, after):
                yield last, message if isinstance(message, Raised) else raised("AssertionError", node.lineno)


def _try(node: ast.Try, state: State, run: Machine) -> Iterator[Flow]:
    for after, signal in _guarded(node, state, run):
        if not node.finalbody:
            yield after, signal
            continue
        for last, override in run.execute_block(node.finalbody, after):
            yield last, signal if override is None else override


def _guarded(node: ast.Try, state: State, run: Machine) -> Iterator[Flow]:
    for after, signal in run.execute_block(node.body, state):
        if signal is None:
            yield from run.execute_block(node.orelse, after)
        elif isinstance(signal, Raised):
            yield from _handle(node, signal, after, run)
        else:
            yield after, signal


def _handle(node: ast.Try, exception: Raised, state: State, run: Machine) -> Iterator[Flow]:
    """The first handler whose class is the exception's or one of its ancestors."""
    for handler in node.handlers:
        caught = _catches(handler, exception, state, run)
        if isinstance(caught, Raised):
            yield state, caught
            return
        if caught:
            yield from _handler_body(handler, exception, state, run)
            return
    yield state, exception


def _catches(handler: ast.ExceptHandler, exception: Raised, state: State, run: Machine) -> bool | Raised:
    if handler.type is None:
        return True
    results = list(run.evaluate(handler.type, state))
    if len(results) != 1:
        raise Unsupported("an exception class that depends on the input", handler.lineno)
    value = results[0][1]
    if isinstance(value, Raised):
        return value
    classes = value.items if isinstance(value, Tuple) else (value,)
    for cls in classes:
        if not isinstance(cls, ExceptionClass):
            raise unsupported_use(cls, handler.lineno, "catching a value")
        if cls.name in exception.cls.ancestors:
            return True
    return False


def _handler_body(handler: ast.ExceptHandler, exception: Raised, state: State, run: Machine) -> Iterator[Flow]:
    inside = replace(state, handling=(*state.handling, exception))
    if handler.name:
        inside = inside.assigned(handler.name, ExceptionValue(exception.cls))
    for after, signal in run.execute_block(handler.body, inside):
        last = replace(after, handling=state.handling)
        yield last.deleted(handler.name) if handler.name else last, signal


def _for(node: ast.For, state: State, run: Machine) -> Iterator[Flow]:
    yield from execute_for(node, state, run)


def _while(node: ast.While, state: State, run: Machine) -> Iterator[Flow]:
    yield from execute_while(node, state, run)


def _break(node: ast.Break, state: State, run: Machine) -> Iterator[Flow]:
    yield state, Jump(breaks=True)


def _continue(node: ast.Continue, state: State, run: Machine) -> Iterator[Flow]:
    yield state, Jump(breaks=False)


def _pass(node: ast.Pass, state: State, run: Machine) -> Iterator[Flow]:
    yield state, None


def _delete(node: ast.Delete, state: State, run: Machine) -> Iterator[Flow]:
    for target in node.targets:
        if not isinstance(target, ast.Name):
            raise Unsupported("del of an item", node.lineno)
        if target.id not in state.variables:
            yield state, raised("UnboundLocalError", node.lineno)
            return
        state = state.deleted(target.id)
    yield state, None


def _import(node: ast.Import, state: State, run: Machine) -> Iterator[Flow]:
    for alias in node.names:
        if alias.name not in MODULES:
            raise Unsupported(f"the module {alias.name}", node.lineno)
        state = state.assigned(alias.asname or alias.name, Module(alias.name))
    yield state, None


def _import_from(node: ast.ImportFrom, state: State, run: Machine) -> Iterator[Flow]:
    module = node.module or ""
    if node.level or (module not in MODULES and module not in IGNORED_MODULES):
        raise Unsupported(f"the module {module or '.'}", node.lineno)
    for alias in node.names:
        if alias.name == "*":
            raise Unsupported("import *", node.lineno)
        name = alias.asname or alias.name
        state = state.assigned(name, Unmodelled(f"{module}.{alias.name}", node.lineno))
    yield state, None


MODULES = frozenset({"math", "typing", "string", "re", "itertools", "functools", "collections", "operator", "heapq"})
"""Standard modules whose import has no effect on the rest; what they hold is refused where it is used."""


def _function(node: ast.FunctionDef, state: State, run: Machine) -> Iterator[Flow]:
    yield from define(node, state, run)


def _class(node: ast.ClassDef, state: State, run: Machine) -> Iterator[Flow]:
    """Only an exception of the program's own: a base and nothing inside."""
    if len(node.bases) != 1 or node.keywords or node.decorator_list or not all(map(_is_empty, node.body)):
        raise Unsupported("a class", node.lineno)
    for after, base in run.evaluate(node.bases[0], state):
        if not isinstance(base, ExceptionClass):
            raise Unsupported("a class", node.lineno)
        yield after.assigned(node.name, ExceptionClass(node.name, (node.name, *base.ancestors))), None


def _is_empty(node: ast.stmt) -> bool:
    return isinstance(node, ast.Pass) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))


STATEMENTS: dict[type[ast.stmt], StatementHandler] = {
    ast.Expr: _expression,
    ast.Assign: _assign,
    ast.AnnAssign: _annotated,
    ast.AugAssign: _augmented,
    ast.If: _if,
    ast.Return: _return,
    ast.Raise: _raise,
    ast.Assert: _assert,
    ast.Try: _try,
    ast.For: _for,
    ast.While: _while,
    ast.Break: _break,
    ast.Continue: _continue,
    ast.Pass: _pass,
    ast.Delete: _delete,
    ast.Import: _import,
    ast.ImportFrom: _import_from,
    ast.FunctionDef: _function,
    ast.ClassDef: _class,
}
