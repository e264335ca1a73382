"""Shows that a call never ends: from a state in which it was seen at a `while` loop's head, no run leaves the loop.

The states that the loop can reach from there, over-approximated by the prover's invariants, are a recurrent set (Gupta,
Henzinger, Majumdar, Rybalchenko and Xu, "Proving non-termination", 2008): the loop's test holds in all of them, and
none breaks out, returns or raises.
"""

from __future__ import annotations

import ast
import functools
from dataclasses import dataclass

from verification.abstract.prove import never_left
from verification.nodes import all_arguments, walk
from verification.request import Limits
from verification.symbolic.calls import local_names

SHOWN = 40
"""Characters of a value that are told."""

_ALONE = "_aval_loop"
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)


@dataclass(frozen=True)
class Stand:
    """Where a call was seen to stand: the line of a loop's head, and the text of a dict of the variables."""

    line: int
    variables: str


@functools.lru_cache(maxsize=16)
def goes_on_for_ever(tree: ast.Module, entry: str, stand: Stand, limits: Limits) -> bool:
    """Whether no run of the entry that comes to stand there ever ends; False where that is not shown."""
    alone = _alone(tree, entry, stand)
    return alone is not None and never_left(alone, _ALONE, limits)


def told(stand: Stand) -> str:
    """For a reader."""
    held = ", ".join(f"{name} = {_short(ast.unparse(value))}" for name, value in _values(stand).items())
    return f"never ends: {f'with {held}, ' if held else ''}nothing gets it out of the loop at line {stand.line}"


def _short(text: str) -> str:
    return text if len(text) <= SHOWN else text[:SHOWN] + "..."


def _alone(tree: ast.Module, entry: str, stand: Stand) -> ast.Module | None:
    """The program with a function that does nothing but set the variables and enter the loop."""
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == entry]
    if not functions:
        return None
    function = functions[-1]
    inside = _own(function)
    loops = [node for node in inside if isinstance(node, ast.While) and node.lineno == stand.line]
    if len(loops) != 1 or any(isinstance(node, _SCOPES) for node in inside):
        return None
    loop = loops[0]
    held = _values(stand)
    local = local_names(function) | {each.arg for each in all_arguments(function)}
    parts = [node for node in walk(loop) if isinstance(node, ast.Name)]
    set_inside = {node.id for node in parts if not isinstance(node.ctx, ast.Load)}
    if any(node.id in local and node.id not in held and node.id not in set_inside for node in parts):
        return None  # it would be another name's value here, and is none there
    start = [ast.Assign([ast.Name(name, ast.Store())], value, lineno=stand.line) for name, value in held.items()]
    nobody = ast.arguments(posonlyargs=[], args=[], kwonlyargs=[], kw_defaults=[], defaults=[])
    again = ast.While(loop.test, loop.body, [], lineno=loop.lineno)
    added = ast.FunctionDef(_ALONE, nobody, [*start, again], [], lineno=stand.line)
    return ast.fix_missing_locations(ast.Module([*tree.body, added], []))


def _own(function: ast.FunctionDef) -> list[ast.AST]:
    return [node for statement in function.body for node in walk(statement)]


def _values(stand: Stand) -> dict[str, ast.expr]:
    """The variables and the expressions of their values; none where the text is not what the driver writes."""
    try:
        found = ast.parse(stand.variables, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return {}
    if not isinstance(found, ast.Dict):
        return {}
    pairs = zip(found.keys, found.values, strict=True)
    return {key.value: value for key, value in pairs if isinstance(key, ast.Constant) and isinstance(key.value, str)}
