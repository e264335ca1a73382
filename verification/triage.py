"""Reads a program before anything else: is it Python, of a size, width and depth that can be verified?"""

from __future__ import annotations

import ast
import warnings
from dataclasses import dataclass

from verification.nodes import children
from verification.request import Limits

MOST_PARTS = 2_000
"""Parts of one expression, such as the elements of a list literal or the operands of a chain of `and`."""

LARGEST_NUMBER = 10**4300
"""Python writes no larger integer as decimal text, and neither would a solver be given it."""


@dataclass(frozen=True)
class Unreadable:
    """Why a program can't be verified at all."""

    reason: str
    line: int | None = None


def read(source: str, limits: Limits) -> ast.Module | Unreadable:
    """The program's syntax tree, compiled once so that errors beyond the grammar show too."""
    if len(source) > limits.source_characters:
        return Unreadable(f"the program has {len(source)} characters, more than {limits.source_characters}")
    try:
        source.encode()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(source)
            excess = _excess(tree, limits.nesting)
            if excess is not None:
                return excess
            compile(tree, "program.py", "exec", dont_inherit=True)
    except SyntaxError as error:
        return Unreadable(f"not valid Python: {error.msg}", error.lineno)
    except UnicodeEncodeError:
        return Unreadable("not valid Python: the text holds half a character (a lone surrogate)")
    except ValueError as error:
        return Unreadable(f"not valid Python: {error}")
    except (RecursionError, MemoryError):
        return Unreadable("the program is nested too deeply to be read")
    return tree


def _excess(tree: ast.Module, nesting: int) -> Unreadable | None:
    """What is too deep, too wide or too large in the tree; breadth first, and no further down than is allowed."""
    level: list[ast.AST] = [tree]
    depth = 0
    while level:
        depth += 1
        if depth > nesting:
            return Unreadable(f"the program is nested deeper than {nesting} levels")
        below: list[ast.AST] = []
        for node in level:
            parts = children(node)
            if isinstance(node, ast.expr) and (len(parts) > MOST_PARTS or _is_huge(node)):
                return _too_large(node, len(parts))
            below += parts
        level = below
    return None


def _is_huge(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, int) and node.value >= LARGEST_NUMBER


def _too_large(node: ast.expr, parts: int) -> Unreadable:
    if parts > MOST_PARTS:
        return Unreadable(f"one expression has {parts} parts, more than {MOST_PARTS}", node.lineno)
    return Unreadable("a number has more than 4300 digits", node.lineno)


def choose_entry(tree: ast.Module, entry: str | None) -> str | Unreadable:
    """The function to verify: the one asked for, else the last one defined."""
    names = [node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    if entry is None:
        return names[-1] if names else Unreadable("the program defines no function")
    return entry if entry in names else Unreadable(f"the program defines no function named {entry}")
