"""Calls: the program's own functions in place, recursion by induction over the depth of calls, and the library."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from verification.abstract.machine import Call, Dead, Machine
from verification.abstract.state import State
from verification.abstract.targets import bind
from verification.abstract.values import (
    NEVER,
    NONE,
    Builtin,
    ExceptionClass,
    ExceptionValue,
    Func,
    Method,
    Opaque,
    Partial,
    Shape,
    Value,
    join,
    type_name,
    widened,
)
from verification.symbolic.calls import local_names
from verification.symbolic.values import Unsupported, raised

MAX_CALLS = 12
MAX_ROUNDS = 8
PARTICULAR = ("UnicodeError", "OSError", "BaseExceptionGroup", "SyntaxError")


def call_value(
    function: Value, args: Sequence[Value], keywords: Mapping[str, Value], state: State, run: Machine, line: int
) -> Value:
    """Call anything that can be called."""
    from verification.abstract.library import call_builtin, call_partial
    from verification.abstract.methods import call_method

    run.oblige("type-error")
    if isinstance(function, Func):
        return call_function(function, args, keywords, state, run, line)
    if isinstance(function, Builtin):
        return call_builtin(function.name, args, keywords, state, run, line)
    if isinstance(function, Method):
        return call_method(function, args, keywords, state, run, line)
    if isinstance(function, Partial):
        return call_partial(function, args, keywords, state, run, line)
    if isinstance(function, ExceptionClass):
        if keywords or (args and any(name in function.ancestors for name in PARTICULAR)):
            raise Unsupported(f"these arguments of {function.name}", line)
        return ExceptionValue(function)
    if isinstance(function, Opaque):
        raise Unsupported(f"a call of a value of type {type_name(function)}", line)
    raise run.type_error(state, line, function)


def call_function(
    function: Func, args: Sequence[Value], keywords: Mapping[str, Value], state: State, run: Machine, line: int
) -> Value:
    """Execute the body in a scope of its own."""
    bound = bind_arguments(function, args, keywords)
    if bound is None:
        run.raise_now(state, raised("TypeError", line))
        raise Dead
    for open_call in run.calls:
        if open_call.node is function.node:
            return _by_induction(open_call, bound, state, run, line)
    if len(run.calls) >= MAX_CALLS:
        raise Unsupported(f"calls nested deeper than {MAX_CALLS}", line)
    call = Call(function.node, getattr(function.node, "name", "lambda"))
    trial = state.copy()
    with _entered(call, run):
        value: Value | None = None
        with run.keeping_exits() as kept:
            try:
                value = executed(function, bound, trial, run, line)
            except Dead:  # it never returns; what it raises counts all the same
                pass
        if not call.recursive:
            run.exits += kept
            if value is None:
                raise Dead
            state.become(trial)
            return value
    return _recursive(function, bound, call, state, run, line)


@contextmanager
def _entered(call: Call, run: Machine) -> Iterator[None]:
    run.calls.append(call)
    try:
        yield
    finally:
        run.calls.pop()


def bind_arguments(function: Func, args: Sequence[Value], keywords: Mapping[str, Value]) -> dict[str, Value] | None:
    """The parameters' values; None if the call doesn't fit the signature, which is a TypeError."""
    node = function.node.args
    if any(isinstance(value, Partial) and value.name == "starred" for value in args):
        raise Unsupported("a starred argument of unknown length", function.node.lineno)
    positional = [a.arg for a in (*node.posonlyargs, *node.args)]
    if len(args) > len(positional):
        return None
    bound = dict(zip(positional, args, strict=False))
    allowed = {a.arg for a in (*node.args, *node.kwonlyargs)}
    for name, value in keywords.items():
        if name not in allowed or name in bound:
            return None
        bound[name] = value
    defaults = dict(zip(positional[len(positional) - len(function.defaults) :], function.defaults, strict=True))
    defaults.update(function.keyword_defaults)
    for name in (*positional, *(a.arg for a in node.kwonlyargs)):
        if name not in bound:
            if name not in defaults:
                return None
            bound[name] = defaults[name]
    return bound


def executed(function: Func, bound: Mapping[str, Value], state: State, run: Machine, line: int) -> Value:
    """Run the body; the value is what any of its returns gives."""
    from verification.abstract.expressions import evaluate
    from verification.abstract.statements import execute_block

    parent = next((at for at, frame in enumerate(state.frames) if frame.ident == function.frame), None)
    if parent is None:
        raise Unsupported("a function that outlived its scope", line)
    node = function.node
    names = frozenset(bound) | (local_names(node) if isinstance(node, ast.FunctionDef) else frozenset())
    depth = len(state.frames)
    run.push_frame(state, parent, {}, names)
    for name, value in bound.items():
        bind(name, value, state, line)
    handling, state.handling = state.handling, ()
    outer, run.returns = run.returns, []
    loops, run.breaks, run.continues = (run.breaks, run.continues), [], []
    exits, run.exits = run.exits, []
    try:
        if isinstance(node, ast.Lambda):
            value = evaluate(node.body, state, run)
            run.returns.append((state.copy(), value))
        else:
            execute_block(node.body, state, run)
            run.oblige("none-deref")
            run.returns.append((state.copy(), NONE))
    except Dead:
        pass
    finally:
        returns, run.returns = run.returns, outer
        run.breaks, run.continues = loops
        raised_inside, run.exits = run.exits, exits
    for after, _ in (*returns, *raised_inside):  # back in the caller's scope, whichever way
        after.frames = after.frames[:depth]
        after.handling = handling
    run.exits += raised_inside
    merged, value = run.merge([(None, after, value) for after, value in returns])
    state.become(merged)
    return value


# --- recursion


def _by_induction(call: Call, bound: Mapping[str, Value], state: State, run: Machine, line: int) -> Value:
    """A function calls itself: the inner call, which is nearer to its end, returns what such calls return."""
    call.recursive = True
    run.recursion.add(call.name)
    run.oblige("recursion", "termination")
    run.suspect("recursion", line, "the depth of the calls was not shown to be bounded")
    run.suspect("termination", line, "the recursion was not shown to end")
    for name, value in bound.items():
        run.share(state, value)
        call.arguments[name] = join(call.arguments.get(name, NEVER), run.shape_of(state, value))
    run.disturb(state, call.changes)
    return run.fresh(state, call.result, "result")


def _recursive(function: Func, bound: Mapping[str, Value], call: Call, state: State, run: Machine, line: int) -> Value:
    """All calls of the function by itself at once: any arguments of their shapes, any result of its shape."""
    arguments = {name: run.shape_of(state, value) for name, value in bound.items()}
    for value in bound.values():
        run.share(state, value)
    result: Shape = NEVER
    changes: set[int] = set()
    with run.rehearsal(shaping=True):
        for _ in range(MAX_ROUNDS):
            again = Call(function.node, call.name, {}, result, False, changes)
            returned, written = _round(function, arguments, again, state, run, line)
            wider = {name: widened(before, again.arguments.get(name, NEVER)) for name, before in arguments.items()}
            if wider == arguments and returned == result and written <= changes:
                break
            arguments, result, changes = wider, widened(result, returned), changes | written
        else:
            raise Unsupported("a recursion whose types never settle", line)
    final = Call(function.node, call.name, {}, result, False, changes)
    _round(function, arguments, final, state, run, line)
    run.disturb(state, changes)
    return run.fresh(state, result, "result")


def _round(
    function: Func, arguments: Mapping[str, Shape], call: Call, state: State, run: Machine, line: int
) -> tuple[Shape, set[int]]:
    """One call with any arguments: the shape of what it returns, and which objects it changed."""
    inside = state.copy()
    run.disturb(inside, call.changes)
    with _entered(call, run), run.watching() as written:
        try:
            values = {name: run.fresh(inside, each, name) for name, each in arguments.items()}
            value = executed(function, values, inside, run, line)
            run.share(inside, value)
            returned = run.shape_of(inside, value)
        except Dead:
            returned = NEVER
    return returned, written & state.heap.keys()


def callable_shape(function: Value, arguments: Sequence[Shape], state: State, run: Machine, line: int) -> Shape:
    """What a function gives for any arguments of these shapes: for keys, maps and filters. It must change nothing."""
    from verification.abstract.expressions import settled_shape

    mark = run.number()
    inside = state.copy()
    with run.watching() as written:
        try:
            values = [run.fresh(inside, each, "item") for each in arguments]
            value = run.cases(inside, [function], lambda now, given: call_value(given[0], values, {}, now, run, line))
            found = settled_shape(run.stored_shape(inside, value), run, mark)
        except Dead:
            found = NEVER
    if written & state.heap.keys():
        raise Unsupported("a function that changes an object while a sequence is gone through", line)
    state.shared |= inside.shared & state.heap.keys()
    return found
