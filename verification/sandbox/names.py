"""Which names a test and its prelude define, and which they expect of the tested program."""

# ruff: noqa: SIM905 - tables of words
from __future__ import annotations

import ast
import builtins


def bound(trees: list[ast.Module]) -> set[str]:
    """Names that don't mean what the library means: bound in the tests or the prelude, or not imported there."""
    found = set(_LIBRARY_NAMES - imported(trees))
    for node in (node for tree in trees for node in ast.walk(tree)):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            found.add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.arg):
            found.add(node.arg)
        elif isinstance(node, ast.ExceptHandler) and node.name:
            found.add(node.name)
        elif isinstance(node, ast.ImportFrom):
            known = _TRUSTED_NAMES.get(node.module or "", frozenset())
            found |= {alias.asname or alias.name for alias in node.names if alias.asname or alias.name not in known}
        elif isinstance(node, ast.Import):
            found |= {alias.asname for alias in node.names if alias.asname}
    return found


_LIBRARY_NAMES = frozenset(
    "math isclose Decimal decimal Fraction fractions deque collections date datetime timedelta".split()
)
_TRUSTED_NAMES = {
    "math": frozenset({"isclose", "inf", "nan", "pi", "e", "tau"}),
    "decimal": frozenset({"Decimal"}),
    "fractions": frozenset({"Fraction"}),
    "datetime": frozenset({"date", "datetime", "time", "timedelta"}),
    "collections": frozenset({"deque"}),
    "pytest": frozenset({"raises"}),
    "typing": frozenset({"List", "Dict", "Set", "Tuple", "Optional", "Any", "Union"}),
}


def free_names(trees: list[ast.Module]) -> set[str]:
    """Names that the tests use and do not define: the program's."""
    used = {
        node.id
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
    }
    mine = (bound(trees) - _LIBRARY_NAMES) | imported(trees)
    return {name for name in used - mine if not hasattr(builtins, name)}


def imported(trees: list[ast.Module]) -> set[str]:
    return {
        (alias.asname or alias.name).partition(".")[0]
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
