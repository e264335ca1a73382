"""A program without its names and its layout: two programs of one shape differ in nothing that a proof could see.

What is left out: comments, docstrings, blank lines, spacing, and the names of functions, parameters and local
variables. Which nodes share a line stays in, so that a line of one program has exactly one counterpart in another of
the same shape. A name is left in wherever the program might tell it from another one: as a keyword, as a word of a
string, imported, or of a function that is handed about. A program that looks at names in any other way, or is of a kind
not listed here, has no shape.
"""

from __future__ import annotations

import ast
import builtins
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Shape:
    """The text that programs of one shape share, and what it leaves out."""

    text: str
    numbers: Mapping[str, int]
    """The names that the text does not hold, and what stands for each."""

    lines: tuple[int, ...]
    """The program's lines that hold code, in order: equal positions correspond."""


def shape(tree: ast.Module, conditions: Sequence[str] = ()) -> Shape | None:
    """The shape of a program together with conditions over its arguments; None if its names may matter."""
    try:
        trees: list[ast.AST] = [tree, *(ast.parse(text, mode="eval").body for text in conditions)]
        if not all(map(_is_plain, _nodes(trees))):
            return None
        writer = _Writer(tree, _nameless(trees))
        text = json.dumps([writer.write(one, placed=one is tree) for one in trees])
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return Shape(text, writer.numbers, writer.lines)


def _nodes(trees: Sequence[ast.AST]) -> Iterator[ast.AST]:
    for tree in trees:
        yield from ast.walk(tree)


# --- programs that can't see names

_PLAIN: tuple[type[ast.AST], ...] = (
    *(ast.Module, ast.FunctionDef, ast.arguments, ast.arg, ast.Return, ast.Delete, ast.Assign, ast.AugAssign),
    *(ast.AnnAssign, ast.For, ast.While, ast.If, ast.With, ast.withitem, ast.Raise, ast.Try, ast.ExceptHandler),
    *(ast.Assert, ast.Import, ast.ImportFrom, ast.alias, ast.Expr, ast.Pass, ast.Break, ast.Continue),
    *(ast.BoolOp, ast.NamedExpr, ast.BinOp, ast.UnaryOp, ast.Lambda, ast.IfExp, ast.Dict, ast.Set, ast.ListComp),
    *(ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.comprehension, ast.Yield, ast.YieldFrom, ast.Compare),
    *(ast.Call, ast.keyword, ast.FormattedValue, ast.JoinedStr, ast.Constant, ast.Attribute, ast.Subscript),
    *(ast.Starred, ast.Name, ast.List, ast.Tuple, ast.Slice),
    *(ast.expr_context, ast.boolop, ast.operator, ast.unaryop, ast.cmpop),
)

_LOOKING = frozenset(
    "globals locals vars dir eval exec compile getattr setattr delattr hasattr help breakpoint input open".split()  # noqa: SIM905
)

_BLIND_MODULES = frozenset(
    "__future__ array bisect cmath collections copy datetime decimal fractions functools heapq itertools json math "  # noqa: SIM905
    "numbers operator random re statistics string textwrap time typing".split()
)
"""Modules that tell a program nothing of its own names, unless it hands them a function of its own."""

_FRAMES = ("__", "f_", "tb_", "co_", "gi_", "cr_", "ag_")
"""How the attributes begin that lead to code and frames."""


def _is_plain(node: ast.AST) -> bool:
    """Whether a node is of a kind that is handled here and looks at no names."""
    if not isinstance(node, _PLAIN) or getattr(node, "type_params", None):
        return False
    if isinstance(node, ast.Name):
        return node.id not in _LOOKING and not node.id.startswith("__")
    if isinstance(node, ast.Attribute):
        return not node.attr.startswith(_FRAMES)
    if isinstance(node, ast.Import):
        return all(alias.name.split(".")[0] in _BLIND_MODULES for alias in node.names)
    if isinstance(node, ast.ImportFrom):
        known = not node.level and (node.module or "").split(".")[0] in _BLIND_MODULES
        return known and all(alias.name != "*" for alias in node.names)
    if isinstance(node, ast.ExceptHandler):
        return node.name is None  # the exception's text may hold names
    if isinstance(node, ast.keyword):
        return node.arg is not None
    return not isinstance(node, ast.arguments) or node.kwarg is None


# --- names that may be left out


def _nameless(trees: Sequence[ast.AST]) -> frozenset[str]:
    """The names that are bound by the program itself and that nothing tells from others."""
    bound: set[str] = set()
    kept = {"result", *dir(builtins), *_BLIND_MODULES}
    for node in _nodes(trees):
        bound.update(_bound(node))
        kept.update(_shown(node))
    kept.update(_of_functions_handed_about(trees))
    return frozenset(bound - kept)


def _bound(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        yield node.id
    elif isinstance(node, ast.arg):
        yield node.arg
    elif isinstance(node, ast.FunctionDef):
        yield node.name


def _shown(node: ast.AST) -> Iterator[str]:
    """Names that the program has as text, or that others see."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes):
        text = node.value if isinstance(node.value, str) else node.value.decode("latin-1")
        yield from re.findall(r"\w+", text)
    elif isinstance(node, ast.keyword) and node.arg is not None:
        yield node.arg
    elif isinstance(node, ast.alias):
        yield from re.findall(r"\w+", f"{node.name} {node.asname}")
    elif isinstance(node, ast.arg) and node.annotation is None:
        yield node.arg
    else:
        yield from _names_of_types(node)


def _names_of_types(node: ast.AST) -> Iterator[str]:
    """Names in annotations, which the verifier reads by their spelling."""
    annotations = (getattr(node, field, None) for field in ("annotation", "returns"))
    for annotation in filter(None, annotations):
        yield from (inner.id for inner in ast.walk(annotation) if isinstance(inner, ast.Name))


def _of_functions_handed_about(trees: Sequence[ast.AST]) -> set[str]:
    """Names and parameters of functions that are used other than by calling them: whoever gets one can ask for both."""
    called = {id(node.func) for node in _nodes(trees) if isinstance(node, ast.Call)}
    handed = {
        node.id
        for node in _nodes(trees)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and id(node) not in called
    }
    names: set[str] = set()
    for node in _nodes(trees):
        if isinstance(node, ast.FunctionDef) and (node.name in handed or node.decorator_list):
            names.add(node.name)
            names.update(_parameters(node.args))
        elif isinstance(node, ast.Lambda):
            names.update(_parameters(node.args))
    return names


def _parameters(arguments: ast.arguments) -> Iterator[str]:
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    return (argument.arg for argument in (*every, *filter(None, [arguments.vararg])))


# --- the text


class _Writer:
    """Writes trees as nested lists in which a name that is left out is the number of its first occurrence."""

    def __init__(self, tree: ast.Module, nameless: frozenset[str]) -> None:
        self.numbers: dict[str, int] = {}
        self._nameless = nameless
        self._docstrings = {id(text) for node in ast.walk(tree) for text in _docstring(node)}
        self.lines = tuple(sorted({*self._lines(tree)}))
        self._places = {line: place for place, line in enumerate(self.lines)}

    def _lines(self, node: ast.AST) -> Iterator[int]:
        if id(node) not in self._docstrings:
            if hasattr(node, "lineno"):
                yield node.lineno
            for child in ast.iter_child_nodes(node):
                yield from self._lines(child)

    def write(self, value: Any, *, placed: bool) -> Any:
        if isinstance(value, list):
            return [self.write(one, placed=placed) for one in value if id(one) not in self._docstrings]
        if not isinstance(value, ast.AST):
            return value
        if isinstance(value, ast.Constant):
            written: list[Any] = [repr(value.value)]
        else:
            written = [self._field(name, part, placed=placed) for name, part in ast.iter_fields(value)]
        place = self._places[value.lineno] if placed and hasattr(value, "lineno") else None
        return [type(value).__name__, place, *written]

    def _field(self, name: str, value: Any, *, placed: bool) -> Any:
        if isinstance(value, str) and name in ("id", "arg", "name"):
            return self._name(value)
        return self.write(value, placed=placed)

    def _name(self, name: str) -> str | int:
        if name not in self._nameless:
            return name
        return self.numbers.setdefault(name, len(self.numbers))


def _docstring(node: ast.AST) -> Iterator[ast.stmt]:
    if isinstance(node, ast.Module | ast.FunctionDef) and node.body:
        first = node.body[0]
        if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
            yield first
