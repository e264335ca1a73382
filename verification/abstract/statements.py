"""What each statement does on all paths at once: a table of handlers by syntax node.

A handler changes the state in place, or raises Dead where nothing goes on; returns, jumps and exceptions leave
through the lists of the machine.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

from verification.abstract import containers, operators
from verification.abstract.expressions import (
    branch,
    condition,
    evaluate,
    printable,
    single,
    slice_bounds,
    sources,
)
from verification.abstract.loops import run_for, run_while
from verification.abstract.machine import Dead, Machine, settled
from verification.abstract.matching import run_match
from verification.abstract.modules import MODULES
from verification.abstract.narrowing import narrow
from verification.abstract.state import State
from verification.abstract.targets import assign, bind, store_item
from verification.abstract.values import (
    NONE,
    UNBOUND,
    Choice,
    ExceptionClass,
    ExceptionValue,
    Func,
    Module,
    Opaque,
    Ref,
    Tup,
    Unbound,
    Value,
    options_of,
    type_name,
)
from verification.nodes import walk
from verification.symbolic import encoding, terms
from verification.symbolic.machine import describe
from verification.symbolic.values import Raised, Unsupported, raised

T = TypeVar("T")


def execute_block(body: Sequence[ast.stmt], state: State, run: Machine) -> None:
    for statement in body:
        execute(statement, state, run)


def execute(statement: ast.stmt, state: State, run: Machine) -> None:
    run.tick()
    handler = _HANDLERS.get(type(statement))
    if handler is None:
        raise Unsupported(describe(statement), statement.lineno)
    handler(statement, state, run)


def _expression(node: ast.Expr, state: State, run: Machine) -> None:
    evaluate(node.value, state, run)


def _assign(node: ast.Assign, state: State, run: Machine) -> None:
    value = evaluate(node.value, state, run)
    for target in node.targets:
        assign(target, value, state, run)


def _annotated(node: ast.AnnAssign, state: State, run: Machine) -> None:
    if node.value is not None:
        assign(node.target, evaluate(node.value, state, run), state, run)


def _augmented(node: ast.AugAssign, state: State, run: Machine) -> None:
    kind, line = type(node.op), node.lineno
    if isinstance(node.target, ast.Name):
        name = ast.copy_location(ast.Name(node.target.id, ast.Load()), node.target)
        before = evaluate(name, state, run)
        value = evaluate(node.value, state, run)
        bind(node.target.id, in_place(kind, before, value, state, run, line), state, line)
        return
    if not isinstance(node.target, ast.Subscript) or isinstance(node.target.slice, ast.Slice):
        raise Unsupported("such an augmented assignment", line)
    receiver = evaluate(node.target.value, state, run)
    index = evaluate(node.target.slice, state, run)
    before = run.cases(
        state, [receiver, index], lambda now, given: containers.get_item(given[0], given[1], now, run, line)
    )
    value = evaluate(node.value, state, run)
    store_item(receiver, index, in_place(kind, before, value, state, run, line), state, run, line)


def in_place(kind: type[ast.operator], left: Value, right: Value, state: State, run: Machine, line: int) -> Value:
    """`left kind= right`: a list or set changes itself, anything else is the plain operator."""

    def one(now: State, given: tuple[Value, ...]) -> Value:
        mine, other = given
        if isinstance(mine, Ref) and mine.kind in ("list", "deque") and kind is ast.Add:
            containers.extend(mine, other, now, run, line)
            return mine
        if isinstance(mine, Ref) and mine.kind == "list" and kind is ast.Mult:
            raise Unsupported("an augmented repetition of a list", line)
        if isinstance(mine, Ref) and mine.kind in ("set", "dict"):
            return _table_in_place(kind, mine, other, now, run, line)
        return operators.binary(kind, mine, other, now, run, line)

    return run.cases(state, [left, right], one)


def _table_in_place(kind: type[ast.operator], mine: Ref, other: Value, state: State, run: Machine, line: int) -> Value:
    if mine.kind == "dict" and not (isinstance(other, Ref) and other.kind == "dict"):
        raise Unsupported("an augmented assignment to a dict from a value that is none", line)
    result = operators.binary(kind, mine, other, state, run, line)
    assert isinstance(result, Ref)
    content = containers.table(state, result)
    run.put(state, mine.address, content, line, resized=True)
    return mine


def _if(node: ast.If, state: State, run: Machine) -> None:
    test = condition(node.test, state, run)

    def way(body: Sequence[ast.stmt], holds: bool) -> Callable[[State], Value]:
        def act(inside: State) -> Value:
            narrow(node.test, holds, inside, run)
            execute_block(body, inside, run)
            return NONE

        return act

    branch(state, run, test, way(node.body, True), way(node.orelse, False))


def _return(node: ast.Return, state: State, run: Machine) -> None:
    value = NONE if node.value is None else evaluate(node.value, state, run)
    run.returns.append((state.copy(), value))
    raise Dead


def _raise(node: ast.Raise, state: State, run: Machine) -> None:
    line = node.lineno
    if node.exc is None:
        run.oblige("other-exception")
        run.raise_now(state, state.handling[-1] if state.handling else raised("RuntimeError", line))
        return
    value = single(evaluate(node.exc, state, run), line)
    if node.cause is not None:
        evaluate(node.cause, state, run)
    if isinstance(value, ExceptionValue):
        run.raise_now(state, Raised(value.cls, line))
    if isinstance(value, ExceptionClass):
        run.raise_now(state, Raised(value, line))
    if isinstance(value, Opaque):
        raise Unsupported(f"raising a value of type {type_name(value)}", line)
    run.type_error(state, line)


def _assert(node: ast.Assert, state: State, run: Machine) -> None:
    run.oblige("assertion")
    holds = condition(node.test, state, run)
    if node.msg is not None and settled(holds) is not True:
        failing = state.copy()
        failing.assume(
            encoding.negation(holds) if not isinstance(holds, bool) else terms.BoolVal(not holds, run.context)
        )
        try:
            for option in options_of(evaluate(node.msg, failing, run)):
                printable(option, run, node.lineno)
        except Dead:
            pass
    run.may_raise(state, holds, "AssertionError", node.lineno)
    narrow(node.test, True, state, run)


# --- try


def _try(node: ast.Try, state: State, run: Machine) -> None:
    if not node.finalbody:
        _guarded(node, state, run)
        return
    outer = (run.exits, run.returns, run.breaks, run.continues)
    run.exits, run.returns, run.breaks, run.continues = [], [], [], []
    alive = True
    try:
        _guarded(node, state, run)
    except Dead:
        alive = False
    finally:
        inner = (run.exits, run.returns, run.breaks, run.continues)
        run.exits, run.returns, run.breaks, run.continues = outer
    exits, returns, breaks, continues = inner
    for after, exception in exits:
        _finally(node, after, run, partial(_leave, run.exits, exception))
    for after, value in returns:
        _finally(node, after, run, partial(_leave, run.returns, value))
    for after in breaks:
        _finally(node, after, run, run.breaks.append)
    for after in continues:
        _finally(node, after, run, run.continues.append)
    if not alive:
        raise Dead
    execute_block(node.finalbody, state, run)


def _leave(way: list[tuple[State, T]], what: T, state: State) -> None:
    way.append((state, what))


def _finally(node: ast.Try, state: State, run: Machine, go_on: Callable[[State], Any]) -> None:
    """The final block on a way out, which goes on unless the block itself goes elsewhere."""
    try:
        execute_block(node.finalbody, state, run)
    except Dead:
        return
    go_on(state)


def _guarded(node: ast.Try, state: State, run: Machine) -> None:
    branches: list[tuple[Any, State, Value]] = []
    with run.keeping_exits() as raised_inside:
        try:
            execute_block(node.body, state, run)
            alive = True
        except Dead:
            alive = False
    if alive:
        try:
            execute_block(node.orelse, state, run)
            branches.append((None, state.copy(), NONE))
        except Dead:
            pass
    for after, exception in raised_inside:
        handler = _handler_of(node, exception, after, run)
        if handler is None:
            run.exits.append((after, exception))
            continue
        try:
            _handle(handler, exception, after, run)
        except Dead:
            continue
        branches.append((None, after, NONE))
    merged, _ = run.merge(branches)
    state.become(merged)


def _handler_of(node: ast.Try, exception: Raised, state: State, run: Machine) -> ast.ExceptHandler | None:
    for handler in node.handlers:
        if handler.type is None:
            return handler
        value = evaluate(handler.type, state, run)
        for cls in value.items if isinstance(value, Tup) else (value,):
            if not isinstance(cls, ExceptionClass):
                raise Unsupported("catching a value that is no exception of a known class", handler.lineno)
            if cls.name in exception.cls.ancestors:
                return handler
    return None


def _handle(handler: ast.ExceptHandler, exception: Raised, state: State, run: Machine) -> None:
    """Run a handler. On every way out of it the exception is done with, and its name is unset."""
    before = state.handling
    state.handling = (*before, exception)
    if handler.name:
        state.variables[handler.name] = ExceptionValue(exception.cls)
    outer = (run.exits, run.returns, run.breaks, run.continues)
    run.exits, run.returns, run.breaks, run.continues = [], [], [], []
    try:
        execute_block(handler.body, state, run)
    finally:
        inner = (run.exits, run.returns, run.breaks, run.continues)
        run.exits, run.returns, run.breaks, run.continues = outer
        exits, returns, breaks, continues = inner
        leaving = [*(after for after, _ in exits), *(after for after, _ in returns), *breaks, *continues]
        for after in (*leaving, state):
            after.handling = before
            if handler.name:
                after.variables[handler.name] = UNBOUND
        run.exits += exits
        run.returns += returns
        run.breaks += breaks
        run.continues += continues


# --- loops and jumps


def _for(node: ast.For, state: State, run: Machine) -> None:
    run_for(node, state, run, execute_block, sources)


def _while(node: ast.While, state: State, run: Machine) -> None:
    run_while(node, state, run, execute_block, condition)


def _break(node: ast.Break, state: State, run: Machine) -> None:
    run.breaks.append(state.copy())
    raise Dead


def _continue(node: ast.Continue, state: State, run: Machine) -> None:
    run.continues.append(state.copy())
    raise Dead


def _pass(node: ast.stmt, state: State, run: Machine) -> None:
    return


def _delete(node: ast.Delete, state: State, run: Machine) -> None:
    for target in node.targets:
        if isinstance(target, ast.Name):
            evaluate(ast.copy_location(ast.Name(target.id, ast.Load()), target), state, run)
            state.variables[target.id] = UNBOUND
        elif isinstance(target, ast.Subscript):
            _delete_item(target, state, run)
        else:
            raise Unsupported("del of an attribute", node.lineno)


def _delete_item(target: ast.Subscript, state: State, run: Machine) -> None:
    line = target.lineno
    receiver = single(evaluate(target.value, state, run), line)
    if not isinstance(receiver, Ref) or receiver.kind not in ("list", "dict"):
        raise Unsupported(f"del of an item of a value of type {type_name(receiver)}", line)
    if isinstance(target.slice, ast.Slice):
        bounds = slice_bounds(target.slice, state, run)

        def cut(inside: State, given: tuple[Value, ...]) -> Value:
            containers.set_slice(receiver, given, run.new_list(inside, ()), inside, run, line)
            return NONE

        run.cases(state, bounds, cut)
        return
    index = single(evaluate(target.slice, state, run), line)
    if receiver.kind == "dict" and containers.table(state, receiver).default:
        raise Unsupported("del of an item of a Counter or defaultdict", line)
    if receiver.kind == "dict":
        run.oblige("key-error")
        run.may_raise(state, containers.has_key(receiver, index, state, run, line), "KeyError", line)
        containers.remove_key(receiver, index, state, run, line)
        return
    if not operators.is_whole(index):
        raise run.type_error(state, line, index)
    containers.pop(receiver, encoding.whole(index), state, run, line)


# --- definitions and imports


def _import(node: ast.Import, state: State, run: Machine) -> None:
    for alias in node.names:
        if alias.name not in MODULES:
            raise Unsupported(f"the module {alias.name}", node.lineno)
        state.variables[alias.asname or alias.name] = Module(alias.name)


def _import_from(node: ast.ImportFrom, state: State, run: Machine) -> None:
    module = node.module or ""
    if node.level or (module not in MODULES and module not in ("typing", "__future__", "collections.abc")):
        raise Unsupported(f"the module {module or '.'}", node.lineno)
    for alias in node.names:
        if alias.name == "*":
            raise Unsupported("import *", node.lineno)
        name = alias.asname or alias.name
        if module in MODULES:
            from verification.abstract.expressions import module_name

            state.variables[name] = module_name(Module(module), alias.name, state, run, node.lineno)
        else:
            state.variables[name] = Opaque("type")


def _function(node: ast.FunctionDef, state: State, run: Machine) -> None:
    defaults = tuple(evaluate(part, state, run) for part in node.args.defaults)
    named = [a.arg for a, d in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True) if d is not None]
    values = [evaluate(part, state, run) for part in node.args.kw_defaults if part is not None]
    reason = _refused(node)
    if reason:
        state.variables[node.name] = Opaque(reason)
        return
    if len(state.frames) > 1 and any(not _is_plain(value) for value in (*defaults, *values)):
        raise Unsupported("a nested function with a mutable default", node.lineno)
    state.variables[node.name] = Func(node, state.frames[-1].ident, defaults, tuple(zip(named, values, strict=True)))


def _is_plain(value: Value) -> bool:
    return not isinstance(value, Ref | Choice | Unbound)


@functools.lru_cache(maxsize=512)
def _refused(node: ast.FunctionDef) -> str | None:
    if node.decorator_list:
        return "decorated function"
    if node.args.vararg or node.args.kwarg:
        return "function with *args or **kwargs"
    for inner in walk(node):
        if isinstance(inner, ast.Global | ast.Nonlocal):
            return "function with global or nonlocal"
        if isinstance(inner, ast.Yield | ast.YieldFrom):
            return "generator function"
    return None


def _class(node: ast.ClassDef, state: State, run: Machine) -> None:
    """An exception of the program's own: a base and nothing inside. Any other class is refused where it is used."""
    plain = all(
        isinstance(part, ast.Pass) or (isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant))
        for part in node.body
    )
    if plain and len(node.bases) == 1 and not node.keywords and not node.decorator_list:
        base = evaluate(node.bases[0], state, run)
        if isinstance(base, ExceptionClass):
            state.variables[node.name] = ExceptionClass(node.name, (node.name, *base.ancestors))
            return
    raise Unsupported("a class", node.lineno)


_HANDLERS: dict[type[ast.stmt], Callable[[Any, State, Machine], None]] = {
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
    ast.Match: run_match,
}
