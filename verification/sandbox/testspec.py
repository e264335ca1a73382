"""What tests ask of a function: calls and checks of what they return (values mode), or a script for the tester.

``assert f(1, [2]) == 3`` becomes the call ``f(1, [2])`` and the check ``== 3``. Only the call is sent to the tested
program. A test of any other form makes the whole job run in assert mode.
"""

from __future__ import annotations

import ast
import builtins
import operator
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from verification.sandbox import codec
from verification.sandbox.codec import Unserialisable, Wire
from verification.sandbox.comparison import is_close, matches
from verification.sandbox.literals import NotLiteral, literal
from verification.sandbox.names import bound, free_names
from verification.sandbox.policy import BadTest


@dataclass(frozen=True)
class Call:
    """One call of the tested function, and which of its positional arguments are looked at afterwards."""

    args: Wire
    kwargs: Wire
    watched: tuple[int, ...] = ()


@dataclass(frozen=True)
class Check:
    """What must hold of a call's value, of an argument after it, or of the exception it raised."""

    call: int
    operator: str
    """A key of CHECKS, ``raises``, ``true``, ``false`` or ``close``."""

    expected: Any = None
    argument: int | None = None
    relative: float = 0.0
    absolute: float = 0.0


@dataclass(frozen=True)
class Values:
    """Values mode: all calls in order, and each test's checks."""

    calls: tuple[Call, ...]
    tests: tuple[tuple[Check, ...], ...]
    last_call: tuple[int, ...]
    """For each test, the number of calls made when it is through."""

    imports: str = ""


@dataclass(frozen=True)
class Script:
    """Assert mode: the tests as they are, and the names that they expect from the program."""

    prelude: str
    tests: tuple[str, ...]
    names: tuple[str, ...]
    imports: str = ""


@lru_cache(maxsize=4096)
def parse(tests: tuple[str, ...], entry_point: str, prelude: str = "") -> Values | Script:
    """Values mode where every test allows it. Raises BadTest, naming the test that is not Python."""
    if not tests:
        raise BadTest("there is no test to run: give at least one")
    trees = [_parsed(test, f"test {index}") for index, test in enumerate(tests, start=1)]
    setup = _parsed(prelude, "the prelude")
    imports = "\n".join(ast.unparse(node) for node in setup.body if isinstance(node, ast.Import | ast.ImportFrom))
    try:
        reader = _Reader(entry_point, bound([setup, *trees]))
        read = [tuple(reader.test(tree)) for tree in trees]
        return Values(reader.finished_calls(), tuple(read), tuple(reader.ends), imports)
    except (NotLiteral, Unserialisable):
        names = sorted({entry_point.partition(".")[0], *free_names([setup, *trees])})
        return Script(prelude, tests, tuple(names), imports)


def holds(check: Check, wire: Wire) -> bool:
    """Whether a claimed value passes; the value is hostile and stays data."""
    if check.operator == "==":
        return matches(check.expected, wire)
    if check.operator == "in":
        return any(matches(choice, wire) for choice in check.expected)
    try:
        value = codec.decode(wire)
        if check.operator == "close":
            return is_close(check.expected, value, relative=check.relative, absolute=check.absolute)
        return bool(CHECKS[check.operator](value, check.expected))
    except (Unserialisable, TypeError, ArithmeticError, ValueError):
        return False


CHECKS: dict[str, Callable[[Any, Any], Any]] = {
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "is": lambda value, expected: value is expected,
    "is not": lambda value, expected: value is not expected,
    "not in": lambda value, expected: not any(value == choice for choice in expected),
    "contains": lambda value, expected: expected in value,
    "lacks": lambda value, expected: expected not in value,
    "true": lambda value, _: value,
    "false": lambda value, _: not value,
    "near": lambda value, expected: abs(_number(value) - expected[0]) < expected[1],
    "near or at": lambda value, expected: abs(_number(value) - expected[0]) <= expected[1],
}
_OPERATORS: dict[type[ast.cmpop], tuple[str, str]] = {  # (value on the left, value on the right)
    ast.Eq: ("==", "=="),
    ast.NotEq: ("!=", "!="),
    ast.Lt: ("<", ">"),
    ast.LtE: ("<=", ">="),
    ast.Gt: (">", "<"),
    ast.GtE: (">=", "<="),
    ast.Is: ("is", "is"),
    ast.IsNot: ("is not", "is not"),
    ast.In: ("in", "contains"),
    ast.NotIn: ("not in", "lacks"),
}
_ONE_OF_A_KIND = (None, True, False, Ellipsis)
_TRIVIAL = (ast.Import, ast.ImportFrom, ast.Pass)


def _number(value: Any) -> int | float:
    if not isinstance(value, int | float):
        raise TypeError("not a number")
    return value


@dataclass
class _Subject:
    """What a name of the test stands for: a call's value, or an argument that calls may change."""

    call: int | None = None
    value: Any = None
    passed: list[tuple[int, int]] = field(default_factory=list)
    """(call, position) of each time it was an argument."""


class _Reader:
    """Reads tests one by one; anything beyond the forms it knows raises NotLiteral."""

    def __init__(self, entry_point: str, shadowed: set[str]) -> None:
        self._entry = entry_point
        self._bound = shadowed - {entry_point}
        self._aliases: set[str] = set()
        self._names: dict[str, _Subject] = {}
        self._calls: list[Call] = []
        self._watched: list[set[int]] = []
        self.ends: list[int] = []

    def finished_calls(self) -> tuple[Call, ...]:
        return tuple(
            Call(call.args, call.kwargs, tuple(sorted(watched)))
            for call, watched in zip(self._calls, self._watched, strict=True)
        )

    def test(self, tree: ast.Module) -> Iterator[Check]:
        self._names, self._aliases = {}, set()
        before = len(self._calls)
        yield from self._statements(tree.body, {})
        if len(self._calls) == before:
            raise NotLiteral("a test without a call of the function")
        self.ends.append(len(self._calls))

    def _statements(self, body: Sequence[ast.stmt], functions: dict[str, ast.FunctionDef]) -> Iterator[Check]:
        for node in body:
            if isinstance(node, ast.FunctionDef):
                functions[node.name] = node
            elif isinstance(node, ast.Assert):
                yield from self._assertion(node.test)
            elif isinstance(node, ast.Assign):
                self._assign(node)
            elif isinstance(node, ast.With):
                yield self._raises(node)
            elif isinstance(node, ast.Expr):
                yield from self._expression(node.value, functions)
            elif not isinstance(node, _TRIVIAL):
                raise NotLiteral(type(node).__name__)
        if any(name.startswith("test") for name in functions):
            raise NotLiteral("a test function, which the tester calls")

    def _expression(self, node: ast.expr, functions: dict[str, ast.FunctionDef]) -> Iterator[Check]:
        """A docstring, a bare call, or HumanEval's ``check(f)``."""
        if isinstance(node, ast.Constant):
            return
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in functions:
            yield from self._checker(functions.pop(node.func.id), node)
        else:
            self._call(node)

    def _checker(self, function: ast.FunctionDef, call: ast.Call) -> Iterator[Check]:
        arguments = [ast.unparse(argument) for argument in call.args]
        parameters = [parameter.arg for parameter in function.args.args]
        plain = len(parameters) == 1 and not (function.args.kwonlyargs or function.args.vararg or function.args.kwarg)
        if arguments != [self._entry] or not plain or function.decorator_list:
            raise NotLiteral("a helper function")
        self._aliases.add(parameters[0])
        yield from self._statements(function.body, {})

    def _assign(self, node: ast.Assign) -> None:
        if len(node.targets) != 1 or not isinstance(node.targets[0], ast.Name):
            raise NotLiteral("an assignment of several names")
        if self._is_call(node.value):
            subject = _Subject(call=self._call(node.value))
        else:
            subject = _Subject(value=self._literal(node.value))
        self._names[node.targets[0].id] = subject

    def _raises(self, node: ast.With) -> Check:
        """``with pytest.raises(ValueError): f(...)``"""
        if len(node.items) != 1 or node.items[0].optional_vars is not None or len(node.body) != 1:
            raise NotLiteral("with")
        context, statement = node.items[0].context_expr, node.body[0]
        if not (isinstance(context, ast.Call) and ast.unparse(context.func) in ("pytest.raises", "raises")):
            raise NotLiteral("with")
        if len(context.args) != 1 or context.keywords or not isinstance(statement, ast.Expr):
            raise NotLiteral("raises with more than a class")
        kind = context.args[0]
        known = getattr(builtins, kind.id, None) if isinstance(kind, ast.Name) else None
        if not (isinstance(known, type) and issubclass(known, Exception)):
            raise NotLiteral("an exception that is not builtin")
        return Check(self._call(statement.value), "raises", expected=known.__name__)

    def _assertion(self, node: ast.expr) -> Iterator[Check]:
        if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.And):
            for part in node.values:
                yield from self._assertion(part)
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            yield self._check(node.operand, "false", None)
        elif isinstance(node, ast.Compare):
            yield self._comparison(node)
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("math.isclose", "isclose"):
            yield self._isclose(node)
        elif isinstance(node, ast.Constant) and node.value:
            return
        else:
            yield self._check(node, "true", None)

    def _comparison(self, node: ast.Compare) -> Check:
        if len(node.ops) != 1:
            raise NotLiteral("a chain of comparisons")
        left, right = node.left, node.comparators[0]
        names = _OPERATORS[type(node.ops[0])]
        if self._is_distance(left):
            return self._distance(left, names[0], self._literal(right))
        if self._is_subject(left):
            name, subject, expected = names[0], left, self._literal(right)
        else:
            name, subject, expected = names[1], right, self._literal(left)
        if name in ("is", "is not") and not any(expected is single for single in _ONE_OF_A_KIND):
            raise NotLiteral("the identity of a value")
        if name in ("in", "not in") and not isinstance(expected, list | tuple | set | frozenset):
            raise NotLiteral("a member of something other than a collection")
        return self._check(subject, name, expected)

    def _is_distance(self, node: ast.expr) -> bool:
        """``abs(f(x) - 1.5)``"""
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "abs"):
            return False
        inner = node.args[0] if len(node.args) == 1 and not node.keywords else None
        return isinstance(inner, ast.BinOp) and isinstance(inner.op, ast.Sub) and "abs" not in self._bound

    def _distance(self, node: ast.expr, name: str, tolerance: Any) -> Check:
        assert isinstance(node, ast.Call)
        inner = node.args[0]
        assert isinstance(inner, ast.BinOp)
        subject, other = (inner.left, inner.right) if self._is_subject(inner.left) else (inner.right, inner.left)
        expected = self._literal(other)
        if name not in ("<", "<=") or not all(type(item) in (int, float) for item in (expected, tolerance)):
            raise NotLiteral("a distance")
        return self._check(subject, "near" if name == "<" else "near or at", (expected, tolerance))

    def _isclose(self, node: ast.Call) -> Check:
        if len(node.args) != 2 or ast.unparse(node.func).partition(".")[0] in self._bound:
            raise NotLiteral("isclose")
        subject, other = node.args if self._is_subject(node.args[0]) else reversed(node.args)
        tolerances = {keyword.arg: self._literal(keyword.value) for keyword in node.keywords}
        if not tolerances.keys() <= {"rel_tol", "abs_tol"}:
            raise NotLiteral("isclose")
        found = self._check(subject, "close", self._literal(other))
        relative, absolute = tolerances.get("rel_tol", 1e-9), tolerances.get("abs_tol", 0.0)
        return Check(found.call, "close", found.expected, found.argument, relative, absolute)

    def _check(self, node: ast.expr, name: str, expected: Any) -> Check:
        if self._is_call(node):
            return Check(self._call(node), name, expected)
        subject = self._names.get(node.id) if isinstance(node, ast.Name) else None
        if subject is None:
            raise NotLiteral("an expression around the call")
        if subject.call is not None:
            return Check(subject.call, name, expected)
        if len(subject.passed) != 1:
            raise NotLiteral("an argument of several calls")
        call, position = subject.passed[0]
        self._watched[call].add(position)
        return Check(call, name, expected, argument=position)

    def _is_subject(self, node: ast.expr) -> bool:
        return self._is_call(node) or (isinstance(node, ast.Name) and node.id in self._names)

    def _is_call(self, node: ast.expr) -> bool:
        return isinstance(node, ast.Call) and ast.unparse(node.func) in {self._entry, *self._aliases}

    def _call(self, node: ast.expr) -> int:
        if not isinstance(node, ast.Call) or not self._is_call(node):
            raise NotLiteral("an expression that is no call of the function")
        number = len(self._calls)
        args = [self._argument(argument, number, place) for place, argument in enumerate(node.args)]
        if any(keyword.arg is None for keyword in node.keywords):
            raise NotLiteral("**")
        kwargs = {str(keyword.arg): self._literal(keyword.value) for keyword in node.keywords}
        self._calls.append(Call(codec.encode(args), codec.encode(kwargs)))
        self._watched.append(set())
        return number

    def _argument(self, node: ast.expr, call: int, place: int) -> Any:
        subject = self._names.get(node.id) if isinstance(node, ast.Name) else None
        if subject is None:
            return self._literal(node)
        if subject.call is not None or (subject.passed and isinstance(subject.value, list | dict | set | bytearray)):
            raise NotLiteral("a value that an earlier call may have changed")
        subject.passed.append((call, place))
        return subject.value

    def _literal(self, node: ast.expr) -> Any:
        return literal(node, self._bound)


def _parsed(source: str, what: str) -> ast.Module:
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise BadTest(f"{what} is not Python ({error}): correct the task") from None
