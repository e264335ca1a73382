"""Calls: definitions of functions, binding of arguments, and the program's own functions executed in place."""

from __future__ import annotations

import ast
import builtins as python_builtins
import functools
from collections.abc import Iterator, Sequence
from dataclasses import replace

from verification.nodes import all_arguments, children, walk
from verification.symbolic.builtins import FUNCTIONS
from verification.symbolic.machine import Call, Evaluated, Flow, Machine, Returned, unsupported_use
from verification.symbolic.methods import call_method
from verification.symbolic.state import State
from verification.symbolic.values import (
    NONE,
    Builtin,
    ExceptionClass,
    ExceptionValue,
    Function,
    Method,
    NoneValue,
    Raised,
    Unmodelled,
    Unsupported,
    Value,
    is_number,
    raised,
)

MAX_CALLS = 30
"""Calls nested deeper are refused, so that the executor's own recursion stays small."""


def call(request: Call, state: State, run: Machine) -> Iterator[Evaluated]:
    """Call a function of the program, a builtin, a method or an exception class."""
    run.oblige("type-error")
    function = request.function
    if isinstance(function, Function):
        yield from call_function(function, request, state, run)
    elif isinstance(function, Builtin):
        handler = FUNCTIONS.get(function.name)
        if handler is None:
            raise Unsupported(f"{function.name}()", request.line)
        yield from handler(request, state, run)
    elif isinstance(function, Method):
        yield from call_method(function, request, state, run)
    elif isinstance(function, ExceptionClass):
        yield state, _new_exception(function, request)
    elif isinstance(function, NoneValue) or is_number(function):
        yield state, run.type_error(request.line, function)
    else:
        raise unsupported_use(function, request.line, "a call of a value")


_PARTICULAR = ("UnicodeError", "OSError", "BaseExceptionGroup", "SyntaxError")
"""Exceptions whose construction depends on their arguments."""


def _new_exception(cls: ExceptionClass, request: Call) -> ExceptionValue:
    if request.keywords or (request.args and any(name in cls.ancestors for name in _PARTICULAR)):
        raise Unsupported(f"these arguments of {cls.name}", request.line)
    return ExceptionValue(cls)


def call_function(function: Function, request: Call, state: State, run: Machine) -> Iterator[Evaluated]:
    """Execute the body in a scope of its own, then come back to the caller's."""
    bound = _bind(function, request)
    if bound is None:
        yield state, raised("TypeError", request.line)
        return
    nested = _nesting(function, state)
    if nested > run.limits.unroll:
        run.cut(request.line)
        return
    if len(state.calls) >= MAX_CALLS:
        raise Unsupported(f"calls nested deeper than {MAX_CALLS}", request.line)
    inside = replace(
        state,
        variables=bound,
        locals=local_names(function.node),
        calls=(*state.calls, (function.name, state.decisions)),
        nested=nested,
        handling=(),
    )
    for after, signal in run.execute_block(function.node.body, inside):
        back = replace(
            after,
            variables=state.variables,
            locals=state.locals,
            calls=state.calls,
            nested=state.nested,
            handling=state.handling,
        )
        if isinstance(signal, Returned):
            yield back, signal.value
        elif isinstance(signal, Raised):
            yield back, signal
        else:
            run.oblige("none-deref")
            yield back, NONE


def _nesting(function: Function, state: State) -> int:
    """How many calls of the function by itself depended on the input, this one included."""
    for name, decisions in reversed(state.calls):
        if name == function.name:
            return state.nested + (1 if state.decisions > decisions else 0)
    return state.nested


def _bind(function: Function, request: Call) -> dict[str, Value] | None:
    """The parameters' values; None if the call doesn't fit the signature, which is a TypeError."""
    arguments = function.node.args
    positional = [a.arg for a in (*arguments.posonlyargs, *arguments.args)]
    if len(request.args) > len(positional):
        return None
    bound = dict(zip(positional, request.args, strict=False))
    allowed = {a.arg for a in (*arguments.args, *arguments.kwonlyargs)}
    for name, value in request.keywords.items():
        if name not in allowed or name in bound:
            return None
        bound[name] = value
    defaults = dict(zip(positional[len(positional) - len(function.defaults) :], function.defaults, strict=True))
    defaults.update(function.keyword_defaults)
    for name in (*positional, *(a.arg for a in arguments.kwonlyargs)):
        if name not in bound:
            if name not in defaults:
                return None
            bound[name] = defaults[name]
    return bound


def define(node: ast.FunctionDef, state: State, run: Machine) -> Iterator[Flow]:
    """Bind a function's name; what isn't modelled is refused when it is called."""
    refused = _refused(node, state)
    missing = _undefined_annotation(node, state, run)
    if missing is not None:
        yield state, raised("NameError", missing)
        return
    defaults = [*node.args.defaults, *(d for d in node.args.kw_defaults if d is not None)]
    for after, values in run.evaluate_all(defaults, state):
        if isinstance(values, Raised):
            yield after, values
            continue
        split = len(node.args.defaults)
        named = [a.arg for a, d in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True) if d is not None]
        keyword_defaults = tuple(zip(named, values[split:], strict=True))
        value: Value = Function(node.name, node, values[:split], keyword_defaults)
        yield after.assigned(node.name, Unmodelled(refused, node.lineno) if refused else value), None


def _refused(node: ast.FunctionDef, state: State) -> str | None:
    if state.calls:
        return "a nested function"
    if node.decorator_list:
        return "a decorator"
    if node.args.vararg or node.args.kwarg:
        return "a function with *args or **kwargs"
    for inner in _own_nodes(node.body):
        if isinstance(inner, ast.Global | ast.Nonlocal):
            return "global"
        if isinstance(inner, ast.Yield | ast.YieldFrom):
            return "a generator function"
    return None


def _undefined_annotation(node: ast.FunctionDef, state: State, run: Machine) -> int | None:
    """The line of an annotation that names nothing: Python evaluates annotations when it defines the function."""
    if state.calls or run.annotations_postponed:
        return None
    annotations = [argument.annotation for argument in all_arguments(node)] + [node.returns]
    for annotation in annotations:
        for name in walk(annotation) if annotation is not None else ():
            if isinstance(name, ast.Name) and name.id not in state.variables and not hasattr(python_builtins, name.id):
                return name.lineno
    return None


@functools.lru_cache(maxsize=512)
def local_names(node: ast.FunctionDef) -> frozenset[str]:
    """The names that a function binds somewhere in its own scope."""
    names: set[str] = set()
    for inner in _own_nodes(node.body):
        if isinstance(inner, ast.Name):
            if isinstance(inner.ctx, ast.Store | ast.Del):
                names.add(inner.id)
        elif isinstance(inner, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef | ast.ExceptHandler):
            names.add(inner.name or "")
        elif isinstance(inner, ast.Import | ast.ImportFrom):
            names.update((alias.asname or alias.name).split(".")[0] for alias in inner.names)
        elif isinstance(inner, ast.MatchAs | ast.MatchStar) and inner.name:
            names.add(inner.name)
    return frozenset(names)


_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def _own_nodes(body: Sequence[ast.AST]) -> Iterator[ast.AST]:
    """The nodes of a scope, without those of the scopes inside it."""
    waiting: list[ast.AST] = list(body)
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, _COMPREHENSIONS):
            waiting.extend(walrus.target for walrus in walk(node) if isinstance(walrus, ast.NamedExpr))
        elif not isinstance(node, _SCOPES):
            waiting.extend(children(node))
