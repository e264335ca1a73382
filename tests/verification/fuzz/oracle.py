"""What CPython does on given calls, told by the sandbox, and which properties that breaks.

The mapping from what happened to properties is written anew here, not imported from the verifier that is under test.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass

from tests.verification.fuzz import types
from verification import Contract
from verification.sandbox import Limits, Result
from verification.sandbox import call as sandbox_call

LINES = 3_000
"""Lines that one history may execute."""

PATIENT_LINES = 200_000
"""Lines after which a call that should end is said not to."""

LIMITS = Limits(cpu_seconds=2.0, message_bytes=1 << 20)
MAX_LOST = 3

ORDINARY = 2**64
"""Arguments beyond it may overflow a float in an honest program."""


@dataclass(frozen=True)
class Run:
    """What the last call of a history did."""

    history: tuple[str, ...]
    """Calls made one after the other in one fresh module."""

    status: str
    """``returned``, ``raised``, ``excluded`` (by the precondition), ``budget`` (too many lines), ``unloadable`` (the
    arguments can't be made), or ``lost`` (the sandbox ended it)."""

    broken: tuple[str, ...] = ()
    """The properties that the call broke."""

    ancestors: tuple[str, ...] = ()
    """The exception's class and those above it, by name."""

    message: str = ""
    line: int | None = None
    shown: str = ""
    earlier: tuple[tuple[tuple[str, ...], str], ...] = ()
    """The exceptions that were being handled when it was raised: (classes, message) of each."""

    @property
    def excused(self) -> bool:
        """Whether the verifier's stated assumptions leave the call out; what comes of an error that they do, they do too."""
        errors = ((self.ancestors, self.message), *self.earlier)
        return any(name in kinds and part in message for kinds, message in errors for name, part in EXCUSED)

    def __str__(self) -> str:
        told = f"{self.ancestors[0]}: {self.message}" if self.ancestors else f"{self.status} {self.shown}"
        return f"{'; '.join(self.history)} -> {told}"


EXCUSED = (
    ("MemoryError", ""),
    ("ValueError", "Exceeds the limit (4300 digits)"),
    ("OverflowError", "int too large to convert to float"),
    ("OverflowError", "integer division result too large"),
    ("OverflowError", "cannot fit 'int' into an index-sized integer"),
    ("OverflowError", "Python int too large to convert to C ssize_t"),
    ("OverflowError", "Python int too large to convert to C long"),
    ("OverflowError", "too many digits in integer"),
    ("OverflowError", "factorial() argument should not exceed"),
    ("OverflowError", "must not exceed 9223372036854775807"),
)
"""What the assumptions leave out: integers of thousands of bits as text or as floats, and counts and positions beyond
2**63. An index of that size is an IndexError, which nothing excuses."""

_SLUGS = {
    "ZeroDivisionError": "zero-division",
    "IndexError": "index-error",
    "KeyError": "key-error",
    "ValueError": "value-error",
    "TypeError": "type-error",
    "NameError": "unbound-local",
    "AssertionError": "assertion",
    "RecursionError": "recursion",
}


def _broken_by(ancestors: Sequence[str], message: str, contract: Contract) -> list[str]:
    """The first ancestor that is named decides; a TypeError or AttributeError about None is a use of None too."""
    if any(name in contract.allowed_exceptions for name in ancestors):
        return []
    found = [_SLUGS[name] for name in ancestors if name in _SLUGS][:1]
    if "NoneType" in message and ("TypeError" in ancestors or "AttributeError" in ancestors):
        found.append("none-deref")
    if not found and "MemoryError" not in ancestors:
        found = ["other-exception"]
    if contract.post is not None or contract.allowed_exceptions:
        found.append("contract")
    return found


def observe(
    source: str,
    entry: str,
    histories: Sequence[tuple[str, ...]],
    *,
    contract: Contract | None = None,
    lines: int = LINES,
) -> list[Run]:
    """Run each history in a module of its own, all of them in one sandboxed process as far as that goes."""
    return _Observer(source, entry, contract or Contract(), lines).observe(list(histories))


class _Observer:
    """Halves a batch that the sandbox ended, until too many single histories were lost."""

    def __init__(self, source: str, entry: str, contract: Contract, lines: int) -> None:
        self._source, self._entry, self._contract, self._lines = source, entry, contract, lines
        self._lost = 0

    def observe(self, histories: list[tuple[str, ...]]) -> list[Run]:
        if not histories:
            return []
        if self._lost >= MAX_LOST:
            return [Run(history, "lost") for history in histories]
        rows = _rows(sandbox_call(self._driver(histories), "drive", [], limits=LIMITS), len(histories))
        if rows is not None:
            return [self._run(history, row) for history, row in zip(histories, rows, strict=True)]
        if len(histories) == 1:
            self._lost += 1
            return [Run(histories[0], "lost")]
        middle = len(histories) // 2
        return self.observe(histories[:middle]) + self.observe(histories[middle:])

    def _run(self, history: tuple[str, ...], row: list[object]) -> Run:
        status, seen, names, message, line, shown, before = row
        assert isinstance(seen, list)
        assert isinstance(before, list)
        assert line is None or isinstance(line, int)
        ancestors = tuple(str(names).split())
        broken = [*map(str, seen), *(_broken_by(ancestors, str(message), self._contract) if ancestors else ())]
        earlier = tuple((tuple(str(kinds).split()), str(text)) for kinds, text in before)
        return Run(history, str(status), tuple(broken), ancestors, str(message), line, str(shown), earlier)

    def _driver(self, histories: list[tuple[str, ...]]) -> str:
        function = _entry(self._source, self._entry)
        kind = types.parse(function.returns) if function else None
        return _DRIVER.format(
            source=self._source,
            entry=self._entry,
            histories=[[_spoken(call, self._entry) for call in history] for history in histories],
            parameters=[argument.arg for argument in function.args.args] if function else [],
            returns=None if kind is None else _plain(kind),
            pre=self._contract.pre,
            post=self._contract.post,
            lines=self._lines,
            ordinary=ORDINARY,
        )


def _spoken(call: str, entry: str) -> str:
    """The call with the entry's name replaced by that of the driver's function that only takes the arguments."""
    assert call.startswith(f"{entry}("), call
    return "arguments_of" + call[len(entry) :]


def _entry(source: str, entry: str) -> ast.FunctionDef | None:
    found = [node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef) and node.name == entry]
    return found[-1] if found else None


def _plain(kind: types.Type) -> list[object]:
    return [kind.name, *map(_plain, kind.arguments)]


def _rows(result: Result, expected: int) -> list[list[object]] | None:
    value = result.value
    if result.status != "passed" or not isinstance(value, list) or len(value) != expected:
        return None
    return value


_DRIVER = """
def drive():
    import sys

    source, entry, returns = {source!r}, {entry!r}, {returns!r}
    histories, parameters, pre, post = {histories!r}, {parameters!r}, {pre!r}, {post!r}
    program = compile(source, "program.py", "exec", dont_inherit=True)

    class Budget(BaseException):
        pass

    def watched(act, left):
        # What `act` returns; `left` counts down the lines that may yet be executed.

        def trace(frame, event, argument):
            left[0] -= 1
            if left[0] < 0:
                raise Budget
            return trace

        sys.settrace(trace)
        try:
            return act()
        finally:
            sys.settrace(None)

    def arguments(call):
        return eval(call, {{"arguments_of": lambda *values, **named: (values, named)}})

    def same(a, b):
        if type(a) is not type(b):
            return False
        if isinstance(a, (list, tuple)):
            return len(a) == len(b) and all(map(same, a, b))
        if isinstance(a, dict):
            keys, others = ({{repr(key): key for key in each}} for each in (a, b))
            return keys.keys() == others.keys() and all(same(a[keys[name]], b[others[name]]) for name in keys)
        if isinstance(a, set):
            return sorted(map(repr, a)) == sorted(map(repr, b))
        return repr(a) == repr(b) if isinstance(a, float) else a == b

    def fits(value, kind):
        name, *parts = kind
        if name in ("|", "None", "Any"):
            return name == "Any" or (value is None if name == "None" else any(fits(value, part) for part in parts))
        if not isinstance(value, classes[name]):
            return False
        if name == "tuple":
            return not parts or (len(value) == len(parts) and all(map(fits, value, parts)))
        if name == "dict" and parts:
            return all(fits(key, parts[0]) and fits(item, parts[1]) for key, item in value.items())
        return not parts or all(fits(item, parts[0]) for item in value)

    classes = {{
        "int": int, "float": (int, float), "bool": bool, "str": str, "list": list, "set": set, "dict": dict,
        "tuple": tuple, "tuple...": tuple,
    }}

    def numbers(value):
        if isinstance(value, (int, float, complex)):
            yield value
        elif isinstance(value, (list, tuple, set, dict)):
            for item in value:
                yield from numbers(item)
            for item in value.values() if isinstance(value, dict) else ():
                yield from numbers(item)

    def finite(number):
        return isinstance(number, int) or number - number == 0

    def short(value):
        try:
            return repr(value)[:80]
        except Exception:
            return "a value without a text"

    def raised(error, seen):
        line, step = None, error.__traceback__
        while step is not None:
            if step.tb_frame.f_code.co_filename == "program.py":
                line = step.tb_lineno
            step = step.tb_next
        try:
            message = str(error)[:200]
        except Exception:
            message = ""
        before, step = [], error.__context__  # what was being handled when it was raised
        while step is not None and len(before) < 5:
            before.append([" ".join(kind.__name__ for kind in type(step).__mro__), str(step)[:200]])
            step = step.__context__
        return ["raised", seen, " ".join(kind.__name__ for kind in type(error).__mro__), message, line, "", before]

    def other(status):
        return [status, [], "", "", None, "", []]

    def seen_of(value, error, given, call):
        # What can be seen beside the exception: a change of an argument, a result that is not what it should be.
        seen, fresh = [], arguments(call)
        if not same(given, fresh):
            seen.append("argument-mutation")
        if error is None and returns is not None and not fits(value, returns):
            seen.append("return-type")
        ordinary = all(abs(number) < {ordinary} if isinstance(number, int) else finite(number) for number in numbers(fresh))
        infinite = isinstance(error, OverflowError) or (error is None and not all(map(finite, numbers(value))))
        return seen + ["float"] * (ordinary and infinite)

    def holds(text, names, given, **more):
        values, named = given
        try:
            return bool(eval(text, {{**names, **dict(zip(parameters, values)), **named, **more}}))
        except Exception:
            return False

    def run(history):
        names, left = {{"__name__": "program"}}, [{lines}]
        try:
            watched(lambda: exec(program, names), left)
        except BaseException as error:
            return unless_spent(left, raised(error, []))
        for call in history:
            try:
                given = arguments(call)
            except Exception:
                return other("unloadable")
            if pre is not None and not holds(pre, names, arguments(call)):
                row = other("excluded")
                continue
            value = trouble = None
            try:
                value = watched(lambda: names[entry](*given[0], **given[1]), left)
            except BaseException as error:
                trouble = error
            try:
                seen = seen_of(value, trouble, given, call)
            except RecursionError:  # a value within itself
                seen = []
            row = raised(trouble, seen) if trouble is not None else ["returned", seen, "", "", None, short(value), []]
            if trouble is None and post is not None and not holds(post, names, given, result=value):
                seen.append("contract")
        return unless_spent(left, row)

    def unless_spent(left, row):
        # A program may catch what ends it: nothing that it does afterwards counts.
        return row if left[0] >= 0 else other("budget")

    return [run(history) for history in histories]
"""
