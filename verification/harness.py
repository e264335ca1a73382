"""Functions that put a question about a function as an assertion: equivalence to a reference, and a range of integers.

A harness is added to the program and takes the entry's own parameters; where its assertion holds on all runs, so does
the property. The reference's names are written otherwise, so that they meet none of the program's. Both ways of ending
count: what a function raises is told by a number for each kind of exception. Together they are a product program
(Barthe, Crespo and Kunz, "Relational verification using product programs", 2011).
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from verification.symbolic.inputs import Parameter

HARNESS = "_aval_harness"
_OTHERWISE = "_aval_reference_"

_KINDS = ("ZeroDivisionError", "IndexError", "KeyError", "ValueError", "TypeError", "AttributeError", "AssertionError")
"""Exceptions that are told apart."""

_NARROWER = ("UnicodeError",)
"""Kinds of them that code raises: not told apart from others, and so never taken for the same."""

_OTHER = 99
_PLAIN = frozenset({"int", "bool", "str", "float", "None"})
_COPIES = {"list": "[:]", "tuple": "", "tuple...": "", "frozenset": "", "set": ".copy()", "dict": ".copy()"}
_KNOWN_MODULES = frozenset(
    ("__future__", "bisect", "collections", "functools", "heapq", "itertools", "math", "operator", "string", "typing")
)
"""Modules whose functions raise no exception classes of their own."""


class NoHarness(Exception):
    """Why a question can't be put; its text names a construct, as that of a refusal does."""


@dataclass(frozen=True)
class Harness:
    """A program with a question in it."""

    tree: ast.Module
    pre: str | None
    """The precondition, with what the question itself assumes."""


def equivalence(
    tree: ast.Module, entry: str, parameters: Sequence[Parameter], reference: ast.Module, pre: str | None
) -> Harness:
    """Whether the entry and the reference's function of that name end alike on the same arguments."""
    _refuse_own_exceptions(tree, reference)
    if entry in (one.name for one in parameters):
        raise NoHarness("a parameter of the function's own name")
    names = [one.name for one in parameters]
    text = (
        f"def {HARNESS}({_signature(parameters)}):\n"
        + "".join(f"    _aval_{one.name} = {one.name}{_copy(one)}\n" for one in parameters)
        + _outcome("1", _call(entry, parameters, names))
        + _outcome("2", _call(_OTHERWISE + entry, parameters, [f"_aval_{name}" for name in names]))
        + f"    assert _aval_kind1 == _aval_kind2 and _aval_kind1 != {_OTHER}\n"
        + "    assert _aval_kind1 != 0 or _aval_result1 == _aval_result2\n"
    )
    return Harness(_joined(tree, [*_renamed(reference), *ast.parse(text).body]), pre)


def int_bounds(
    tree: ast.Module, entry: str, parameters: Sequence[Parameter], int_range: tuple[int, int], pre: str | None
) -> Harness:
    """Whether the integer that the entry returns lies within the range where its integer arguments do."""
    low, high = int_range
    if entry in (one.name for one in parameters):
        raise NoHarness("a parameter of the function's own name")
    text = (
        f"def {HARNESS}({_signature(parameters)}):\n"
        "    try:\n"
        f"        _aval_result = {_call(entry, parameters, [one.name for one in parameters])}\n"
        "    except Exception:\n"
        "        return\n"
        "    assert _aval_result is None or isinstance(_aval_result, (bool, int, float, str))\n"
        f"    assert not isinstance(_aval_result, int) or {low} <= _aval_result <= {high}\n"
    )
    within = [f"{low} <= {one.name} <= {high}" for one in parameters if one.kind is not None and one.kind.name == "int"]
    conditions = [f"({pre})"] if pre else []
    return Harness(_joined(tree, ast.parse(text).body), " and ".join([*conditions, *within]) or None)


def _joined(tree: ast.Module, added: Sequence[ast.stmt]) -> ast.Module:
    return ast.fix_missing_locations(ast.Module([*tree.body, *added], []))


def _signature(parameters: Sequence[Parameter]) -> str:
    return _with_star(
        parameters, [f"{one.name}: {one.annotation}" if one.annotation else one.name for one in parameters]
    )


def _with_star(parameters: Sequence[Parameter], texts: Sequence[str]) -> str:
    positional = [text for one, text in zip(parameters, texts, strict=True) if not one.keyword_only]
    named = [text for one, text in zip(parameters, texts, strict=True) if one.keyword_only]
    return ", ".join([*positional, *(["*", *named] if named else [])])


def _call(function: str, parameters: Sequence[Parameter], values: Sequence[str]) -> str:
    given = [
        f"{one.name}={value}" if one.keyword_only else value for one, value in zip(parameters, values, strict=True)
    ]
    return f"{function}({', '.join(given)})"


def _outcome(number: str, call: str) -> str:
    """Statements that set `_aval_kind` and `_aval_result` of that number."""
    lines = [f"    _aval_kind{number} = 0", f"    _aval_result{number} = None", "    try:"]
    lines.append(f"        _aval_result{number} = {call}")
    for name in _NARROWER:
        lines += [f"    except {name}:", f"        _aval_kind{number} = {_OTHER}"]
    for kind, name in enumerate(_KINDS, 1):
        lines += [f"    except {name}:", f"        _aval_kind{number} = {kind}"]
    lines += ["    except Exception:", f"        _aval_kind{number} = {_OTHER}"]
    return "\n".join(lines) + "\n"


def _copy(parameter: Parameter) -> str:
    """What makes a copy of its value that shares nothing with it; empty for what never changes."""
    kind = parameter.kind
    if kind is None:
        raise NoHarness("a parameter without annotation")
    parts = kind.arguments if kind.name == "|" else (kind,)
    if all(part.name in _PLAIN for part in parts):
        return ""
    if kind.name not in _COPIES or not all(inner.name in _PLAIN for inner in kind.arguments):
        raise NoHarness("a parameter of containers that hold containers, for a reference")
    return _COPIES[kind.name]


def _renamed(reference: ast.Module) -> list[ast.stmt]:
    """Its statements, with every name that the module binds written otherwise."""
    body = [node for node in reference.body if not _is_future(node)]
    bound = {name for node in body for name in _bound_by(node)}
    renaming = _Renaming(bound)
    return [renaming.visit(node) for node in body]


def _bound_by(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, ast.FunctionDef):
        yield node.name
    elif isinstance(node, ast.Import | ast.ImportFrom):
        yield from (alias.asname or alias.name for alias in node.names)
    elif isinstance(node, ast.Assign | ast.AnnAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        for target in targets:
            yield from (inner.id for inner in ast.walk(target) if isinstance(inner, ast.Name))
    elif not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
        raise NoHarness("a reference with such a statement outside of its functions")


class _Renaming(ast.NodeTransformer):
    """Of the module's names, where no scope inside binds one of them too."""

    def __init__(self, names: set[str]) -> None:
        self._names = names
        self._inside = False

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        if not self._inside:
            node.name = _OTHERWISE + node.name
        elif node.name in self._names:
            raise NoHarness("a reference that gives a name two meanings")
        outer, self._inside = self._inside, True
        self.generic_visit(node)
        self._inside = outer
        return node

    def visit_Name(self, node: ast.Name) -> ast.Name:
        if node.id in self._names:
            if self._inside and not isinstance(node.ctx, ast.Load):
                raise NoHarness("a reference that gives a name two meanings")
            node.id = _OTHERWISE + node.id
        return node

    def visit_arg(self, node: ast.arg) -> ast.arg:
        if node.arg in self._names:
            raise NoHarness("a reference that gives a name two meanings")
        self.generic_visit(node)
        return node

    def visit_alias(self, node: ast.alias) -> ast.alias:
        name = node.asname or node.name
        if self._inside or "." in name:
            raise NoHarness("such an import in a reference")
        node.asname = _OTHERWISE + name
        return node

    def _refused(self, node: ast.AST) -> ast.AST:
        raise NoHarness(f"{type(node).__name__} in a reference")

    visit_Global = visit_Nonlocal = visit_MatchAs = visit_MatchStar = visit_ClassDef = visit_AsyncFunctionDef = _refused

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> ast.ExceptHandler:
        if node.name in self._names:
            raise NoHarness("a reference that gives a name two meanings")
        self.generic_visit(node)
        return node


def _refuse_own_exceptions(*trees: ast.Module) -> None:
    for node in (node for tree in trees for node in ast.walk(tree)):
        if isinstance(node, ast.ClassDef):
            raise NoHarness("a class, for a reference")
        for module in _imported(node):
            if module.partition(".")[0] not in _KNOWN_MODULES:
                raise NoHarness(f"the module {module}, for a reference")


def _imported(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        yield node.module or ""


def _is_future(node: ast.stmt) -> bool:
    return isinstance(node, ast.ImportFrom) and node.module == "__future__"
