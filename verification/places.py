"""Where in a program's text a verdict points: its line, and in it the expression at fault if that can be told."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from functools import cached_property

from verification.outcome import Outcome, Verdict


@dataclass(frozen=True)
class Place:
    """A part of one line; columns count characters from 0, and the end is exclusive."""

    line: int
    text: str
    start: int
    end: int


class Program:
    """A program's text, taken apart once for all its verdicts."""

    def __init__(self, source: str) -> None:
        self._lines = re.split(r"\r\n|\r|\n", source)  # as Python counts them, unlike str.splitlines
        self._source = source

    def place(self, verdict: Verdict) -> Place | None:
        """Where a verdict points; None if it names no line of the program."""
        if verdict.line is None or not 1 <= verdict.line <= len(self._lines):
            return None
        text = self._lines[verdict.line - 1]
        if verdict.outcome is Outcome.REFUTED:
            suspects = [node for node in self._nodes.get(verdict.line, []) if _may_break(node, verdict)]
            if len(suspects) == 1 and suspects[0].end_lineno == verdict.line:
                start, end = (_column(text, at or 0) for at in (suspects[0].col_offset, suspects[0].end_col_offset))
                return Place(verdict.line, text, start, end)
        return Place(verdict.line, text, *self._whole(verdict.line, text))

    @cached_property
    def _nodes(self) -> dict[int, list[ast.expr | ast.stmt]]:
        nodes: dict[int, list[ast.expr | ast.stmt]] = {}
        for node in ast.walk(_parsed(self._source)):
            if isinstance(node, ast.expr | ast.stmt):
                nodes.setdefault(node.lineno, []).append(node)
        return nodes

    def _whole(self, line: int, text: str) -> tuple[int, int]:
        """The columns of all code on a line, without what surrounds it."""
        start, end = len(text) - len(text.lstrip()), len(text.rstrip())
        here = self._nodes.get(line, [])
        if here and all(node.end_lineno == line for node in here):  # then what follows the last node is a comment
            end = _column(text, max(node.end_col_offset or 0 for node in here))
        return start, max(end, start)


def _parsed(source: str) -> ast.Module:
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ast.Module([], [])


def _column(text: str, offset: int) -> int:
    """Python counts bytes of UTF-8."""
    return len(text.encode(errors="replace")[:offset].decode(errors="ignore"))


# --- which expressions can break a property


def _may_break(node: ast.expr | ast.stmt, verdict: Verdict) -> bool:
    """Whether Python's message, else the property, points to such a node."""
    observed = verdict.counterexample.observed if verdict.counterexample else verdict.reason
    if observed.startswith("ZeroDivisionError"):
        return _divides(node)
    for pattern, kinds in _MESSAGES:
        found = re.search(pattern, observed)
        if found:
            return isinstance(node, kinds) and _names(node) in (None, *found.groups()) and not _is_harmless(node)
    if isinstance(node, ast.Call) and _called(node) in _CALLS.get(verdict.property, ()):
        return True
    return isinstance(node, _NODES.get(verdict.property, ())) and not _is_harmless(node)


_MESSAGES: tuple[tuple[str, tuple[type[ast.AST], ...]], ...] = (
    (r"^(?:NameError|UnboundLocalError): .*?'(\w+)'", (ast.Name,)),
    (r"has no attribute '(\w+)'", (ast.Attribute,)),
    (r"unsupported operand|can only concatenate|can't multiply sequence", (ast.BinOp, ast.AugAssign)),
    (r"not supported between", (ast.Compare,)),
    (r"bad operand type for unary", (ast.UnaryOp,)),
    (r"not subscriptable|indices must be|does not support item", (ast.Subscript,)),
    (r"not callable|missing \d+ required|takes \d+ positional|unexpected keyword", (ast.Call,)),
    (r"values to unpack", (ast.Assign, ast.For)),
)
"""What Python's messages say of the node; a group is the name that it must have."""

_NODES: dict[str, tuple[type[ast.AST], ...]] = {
    "index-error": (ast.Subscript,),
    "key-error": (ast.Subscript,),
    "value-error": (ast.Raise, ast.Call),
    "type-error": (ast.Raise, ast.Call),
    "other-exception": (ast.Raise,),
    "assertion": (ast.Assert,),
}

_CALLS: dict[str, frozenset[str]] = {
    "index-error": frozenset({"pop", "popleft", "heappop"}),
    "key-error": frozenset({"pop", "popitem", "remove"}),
}


def _divides(node: ast.AST) -> bool:
    if isinstance(node, ast.BinOp | ast.AugAssign):
        return isinstance(node.op, ast.Div | ast.FloorDiv | ast.Mod | ast.Pow)
    return isinstance(node, ast.Call) and _called(node) in ("divmod", "pow", "fmod", "Fraction", "mean")


def _names(node: ast.AST) -> str | None:
    if isinstance(node, ast.Name):
        return node.id
    return node.attr if isinstance(node, ast.Attribute) else None


def _called(node: ast.Call) -> str:
    if isinstance(node.func, ast.Name):
        return node.func.id
    return node.func.attr if isinstance(node.func, ast.Attribute) else ""


def _is_harmless(node: ast.AST) -> bool:
    """Whether a node of a suspected kind can't be at fault, since its operator takes anything."""
    if isinstance(node, ast.Compare):
        return all(isinstance(op, ast.Is | ast.IsNot | ast.Eq | ast.NotEq) for op in node.ops)
    return isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)
