"""Where a program's loops can be judged by a state that comes again: nothing else may decide how they go on.

That holds for programs of an allowed kind only, and at lines at which a frame holds no value beside its variables: no
iterator of a `for`, no exit of a `with`, no half of an expression.
"""

# ruff: noqa: SIM905 - tables of words
from __future__ import annotations

import _ast as ast
import builtins
from collections.abc import Iterator, Sequence
from typing import Any

from verification.driver.gathering import Kinds, gathered
from verification.driver.syntax import walk

MODULES = frozenset(
    "__future__ bisect cmath collections collections.abc copy functools heapq itertools math re string typing".split()
)
"""They hold no state that a program could see change."""

_FUNCTIONS = (
    "abs all any ascii bin bool bytearray bytes callable chr complex dict divmod enumerate filter float format "
    "frozenset int isinstance issubclass len list map max min oct ord pow print range repr reversed round set slice "
    "sorted str sum tuple type zip hex NotImplemented Ellipsis __name__"
).split()
_EXCEPTIONS = [name for name, value in vars(builtins).items() if type(value) is type and BaseException in value.__mro__]
BUILTINS = frozenset((*_FUNCTIONS, *_EXCEPTIONS))
"""Builtins whose results depend on their arguments alone."""

REMOVALS = frozenset(
    "clear difference_update discard intersection_update pop popitem remove symmetric_difference_update".split()
)
"""Methods after which a set or a dict of the same items may be laid out, and hence go on, in another way."""

_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_CONSTANTS = (None, True, False, ...)


class Loop:
    """A `while` loop."""

    def __init__(self, node: ast.While) -> None:
        self.first = node.lineno
        self.last = node.end_lineno or node.lineno
        self.gathered: dict[str, Kinds] = gathered(node)
        """Variables on which it does not depend how the loop goes on."""


Marks = dict[int, Loop | None]


class Loops:
    """What is known of a program's `while` loops."""

    def __init__(
        self,
        places: dict[tuple[str, int], dict[int, Loop]],
        heads: frozenset[int] = frozenset(),
        *,
        sets: bool = False,
        dicts: bool = False,
    ) -> None:
        self.heads = heads
        """Lines that hold the test of a `while` loop and nothing else, where no function sets another's variables."""
        self.places = places
        """By a function's name and first line: lines that are safe to compare at, and the loop that each lies in."""
        self.sets = sets
        """Whether sets tell by what they hold how they go on."""
        self.dicts = dicts


def find(source: str) -> Loops:
    """The loops of a program that compiles; without any place where something may hide from the comparison."""
    tree = compile(source, "program.py", "exec", ast.PyCF_ONLY_AST, dont_inherit=True)
    nodes = list(walk(tree))
    if any(map(_hides, nodes)):
        return Loops({})
    places = {_key(node): _safe_lines(node) for node in nodes if isinstance(node, ast.FunctionDef)}
    return Loops(
        {key: lines for key, lines in places.items() if lines},
        frozenset() if any(isinstance(node, ast.Global | ast.Nonlocal) for node in nodes) else _heads(nodes),
        sets=not any(map(_removes, nodes)),
        dicts=not (any(map(_removes, nodes)) and any(_may_remove(part) for node in nodes for part in _repeated(node))),
    )


def _key(node: ast.FunctionDef) -> tuple[str, int]:
    """As the code object has them."""
    return node.name, min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])


def _heads(nodes: Sequence[Any]) -> frozenset[int]:
    loops = [node for node in nodes if isinstance(node, ast.While)]
    return frozenset(node.lineno for node in loops if (node.test.end_lineno or 0) == node.lineno < node.body[0].lineno)


# --- what may hide


def _hides(node: Any) -> bool:
    """Whether it may read or keep a state that a look at the variables doesn't show."""
    check = _HIDING.get(type(node))
    return check is not None and check(node)


def _unknown_import(node: Any) -> bool:
    return any(alias.name not in MODULES for alias in node.names)


def _unknown_source(node: Any) -> bool:
    return node.level > 0 or node.module not in MODULES or any(alias.name == "*" for alias in node.names)


def _unknown_name(node: Any) -> bool:
    name = node.id
    return (name.startswith("__") or hasattr(builtins, name)) and name not in BUILTINS


def _odd_attribute(node: Any) -> bool:
    return not isinstance(node.ctx, ast.Load) or node.attr.startswith("__")


def _tells_objects_apart(node: Any) -> bool:
    """`is` between equal values, of which a state doesn't tell which one it holds."""
    sides = [node.left, *node.comparators]
    return any(
        isinstance(operator, ast.Is | ast.IsNot) and not any(map(_is_constant, sides[at : at + 2]))
        for at, operator in enumerate(node.ops)
    )


def _is_constant(node: Any) -> bool:
    return isinstance(node, ast.Constant) and any(node.value is constant for constant in _CONSTANTS)


_HIDING: dict[type, Any] = {
    ast.Import: _unknown_import,
    ast.ImportFrom: _unknown_source,
    ast.Name: _unknown_name,
    ast.Attribute: _odd_attribute,
    ast.Compare: _tells_objects_apart,
    **dict.fromkeys((ast.With, ast.AsyncWith, ast.AsyncFor, ast.AsyncFunctionDef, ast.Await), lambda _: True),
}


def _removes(node: Any) -> bool:
    """Whether it may take something out of a set or a dict."""
    if isinstance(node, ast.Attribute):
        return node.attr in REMOVALS
    if isinstance(node, ast.Delete):
        return any(isinstance(target, ast.Subscript) for target in node.targets)
    if isinstance(node, ast.AugAssign):
        shrinks = isinstance(node.op, ast.Sub | ast.BitAnd | ast.BitXor)
        return shrinks and not isinstance(node.value, ast.Constant)
    return False


def _repeated(node: Any) -> Iterator[ast.AST]:
    """All that runs while an iteration is under way, which the layout of what it iterates over may then change."""
    if isinstance(node, ast.For):
        for statement in node.body:
            yield from walk(statement)
    elif isinstance(node, (*_COMPREHENSIONS, ast.Lambda)):
        yield from walk(node)


def _may_remove(node: Any) -> bool:
    """By itself, or in a function of the program's."""
    calls = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not hasattr(builtins, node.func.id)
    return calls or _removes(node)


# --- where to compare


def _safe_lines(function: ast.FunctionDef) -> dict[int, Loop]:
    marks: Marks = {}
    _mark_body(function.body, None, marks)
    return {line: loop for line, loop in marks.items() if loop is not None}


def _mark_body(body: Sequence[Any], loop: Loop | None, marks: Marks) -> None:
    """Mark the lines of statements that run while the frame holds what it held as it entered the loop.

    `loop` is the outermost one that this can be said of; None where there is none, or where the frame may hold more.
    """
    for node in body:
        if isinstance(node, ast.While):
            inside = loop or Loop(node)
            _mark(node, node.test, inside, marks)
            _mark_body(node.body, inside, marks)
            _mark_body(node.orelse, loop, marks)
        elif isinstance(node, ast.If):
            _mark(node, node.test, loop, marks)
            _mark_body([*node.body, *node.orelse], loop, marks)
        elif isinstance(node, ast.Try):
            _mark_body([*node.body, *node.orelse], loop, marks)
            for handler in node.handlers:
                marks[handler.lineno] = None
                _mark_body(handler.body, None, marks)
            _mark_body(node.finalbody, None, marks)
        elif isinstance(node, ast.For):
            _mark(node, node.iter, None, marks)
            _mark_body([*node.body, *node.orelse], None, marks)
        else:
            _mark(node, node, loop, marks)


def _mark(node: Any, expression: Any, loop: Loop | None, marks: Marks) -> None:
    """A line is safe if all that is on it is, and no expression goes on from it to another or comes back to it."""
    last = expression.end_lineno or node.lineno
    whole = last == node.lineno and not any(isinstance(part, _COMPREHENSIONS) for part in walk(expression))
    for line in range(node.lineno, last + 1):
        known = marks.setdefault(line, loop if whole else None)
        if not whole or known is not loop:
            marks[line] = None
