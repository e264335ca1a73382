"""Reads a program before anything else: is it Python, of a size and depth that can be verified?"""

from __future__ import annotations

import ast
import warnings
from dataclasses import dataclass

from verification.request import Limits


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
            if _depth(tree, limits.nesting) > limits.nesting:
                return Unreadable(f"the program is nested deeper than {limits.nesting} levels")
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


def _depth(tree: ast.Module, enough: int) -> int:
    """Levels of the syntax tree, counted breadth first and only as far as `enough`."""
    level: list[ast.AST] = [tree]
    depth = 0
    while level and depth <= enough:
        depth += 1
        level = [child for node in level for child in ast.iter_child_nodes(node)]
    return depth


def choose_entry(tree: ast.Module, entry: str | None) -> str | Unreadable:
    """The function to verify: the one asked for, else the last one defined."""
    names = [node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    if entry is None:
        return names[-1] if names else Unreadable("the program defines no function")
    return entry if entry in names else Unreadable(f"the program defines no function named {entry}")
