"""One operation at a time, on every kind of value: does CPython do there what the model says?

Programs of the grammar seldom give a function of the library a value that it isn't made for, and an operation that is
wrongly taken to fail on every run makes whatever follows it unreachable, which proves anything. So each operation here
is run by CPython first; then comes a program that divides by zero exactly where CPython got to, and a proof that it
never does is false.

``python -m tests.verification.fuzz.operations --seconds 600 --seed 0 --engine prover``
"""

from __future__ import annotations

import argparse
import builtins
import sys
import time
import warnings
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any

from tests.verification.fuzz.engines import ENGINES, Engine
from verification.abstract.library import FUNCTIONS
from verification.outcome import Outcome
from verification.sandbox import Limits
from verification.sandbox import call as sandbox_call

MODULES = ("bisect", "collections", "copy", "functools", "heapq", "itertools", "math", "operator", "re", "string")
OPERATORS = (
    *("+", "-", "*", "//", "/", "%", "**", "<<", ">>", "&", "|", "^", "<", "<=", ">", ">=", "==", "!="),
    *("is", "is not", "in", "not in", "and", "or"),
)
AUGMENTED = ("+", "-", "*", "//", "/", "%", "**", "<<", ">>", "&", "|", "^")
KEYWORDS = (
    *("key", "default", "reverse", "start", "strict", "base", "initial", "repeat", "maxlen", "ndigits", "sep"),
    *("lo", "hi", "n", "maxsplit", "keepends", "end"),
)
SPECS = ("", ":d", ":.2f", ":>5", ":05", ":x", ":s", ":,", ":%", ":e", ":b", ":c")

VALUES = (
    *("True", "False", "None", "0", "1", "2", "3", "5", "16", "-1", "-3", "10**20"),
    *("0.0", "-0.0", "1.5", "-1.5", "1e308", "float('nan')", "float('inf')"),
    *("''", "'a'", "'abc'", "'12'", "' 1 '", "'a b'", "'\\n'", "'ß'", "'0'", "'[]'"),
    *("()", "(1,)", "(1, 2)", "('a', 'b')", "((1, 2), (3, 4))", "('a', 1)", "(1, 'a')"),
    *("[]", "[1]", "[3, 1, 2]", "['a', 'b']", "[[1, 2], [3]]", "[(1, 2)]", "[1, None]", "[1, 'a']", "[1, 2.5, True]"),
    *("[True, 2]", "[float('nan'), 1]", "[(1, 'a'), (2, 'b')]"),
    *("{}", "{1: 2}", "{'a': 1, 'b': 2}", "{1: [1]}", "{(1, 2): 3}", "{'a': [1]}"),
    *("set()", "{1}", "{1, 2, 3}", "{'a'}", "frozenset()", "frozenset({1})"),
    *("range(0)", "range(3)", "range(5, 0, -2)", "b''", "b'ab'", "len", "int", "str", "list", "ValueError"),
    *("(lambda v: v)", "(lambda a, b: a)", "iter([1])", "zip([1], [2])", "enumerate('a')"),
    *("{1: 1}.items()", "{1: 1}.keys()", "{1: 1}.values()"),
    *("collections.Counter('aab')", "collections.deque([1, 2])", "collections.defaultdict(int)"),
)

ARGUMENTS: dict[str, tuple[str, ...]] = {
    "int": ("0", "1", "2", "3", "-1", "-3", "7", "16", "10**20"),
    "bool": ("True", "False"),
    "float": ("0.0", "-0.0", "1.5", "-1.5", "2.0", "0.1", "1e308", "float('nan')", "float('inf')", "-float('inf')"),
    "str": ("''", "'a'", "'abc'", "'12'", "' 1 '", "'a b'", "'-3'", "'ab ab'", "'ß'", "'\\n'", "'a,b,,c'", "'aXa'"),
    "list[int]": ("[]", "[1]", "[3, 1, 2]", "[0, 0]", "[-1, 5]", "[2, 2, 3]"),
    "list[str]": ("[]", "['a']", "['b', 'a']", "['', 'ab']"),
    "list[float]": ("[]", "[1.5, 0.5]"),
    "list[int | None]": ("[]", "[None, 1]"),
    "list[list[int]]": ("[]", "[[1, 2], [3]]", "[[]]"),
    "list[tuple[int, int]]": ("[]", "[(1, 2), (0, 3)]"),
    "tuple[int, int]": ("(1, 2)", "(0, 0)", "(3, -1)"),
    "tuple[int, ...]": ("()", "(1, 2, 3)"),
    "dict[str, int]": ("{}", "{'a': 1, 'b': 2}", "{'a': 0}"),
    "dict[int, int]": ("{}", "{1: 2}", "{0: 0, 3: 1}"),
    "dict[str, list[int]]": ("{}", "{'a': [1]}"),
    "set[int]": ("set()", "{1}", "{1, 2, 3}"),
    "set[str]": ("set()", "{'a'}"),
    "frozenset[int]": ("frozenset({1})",),
    "int | None": ("None", "0", "2"),
    "str | None": ("None", "''", "'ab'"),
}
"""Annotations of parameters, and arguments for them."""

_CLASSES: dict[str, type] = {
    **{cls.__name__: cls for cls in (bool, int, float, str, list, tuple, dict, set, frozenset)},
    **{f"collections.{cls.__name__}": cls for cls in (Counter, defaultdict, deque)},
}
_UNSAFE = ("open(", "input(", "print(", "exit(")
_SIZES = ("cannot fit", "ssize_t", "too many digits", "should not exceed", "sys.maxsize", "too large to convert")
"""What errors say that the assumption about sizes leaves out."""


@dataclass(frozen=True)
class Operation:
    """Statements that bind `r`, in a function of these parameters, and arguments for them."""

    body: tuple[str, ...]
    annotations: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()

    @property
    def names(self) -> str:
        return "abc"[: len(self.arguments)]

    def __str__(self) -> str:
        given = ", ".join(f"{name} = {value}" for name, value in zip(self.names, self.arguments, strict=True))
        return "; ".join((*((given,) if given else ()), *self.body))


def on_constants(random: Random) -> Operation:
    """An operation on values that are written out, of any kind."""

    def value() -> str:
        return random.choice(VALUES)

    def arguments(*weights: int) -> str:
        given = [value() for _ in range(random.choices(range(len(weights)), weights)[0])]
        if random.random() < 0.1:
            given.append(f"{random.choice(KEYWORDS)}={value()}")
        return ", ".join(given)

    kind = random.random()
    if kind < 0.30:
        return Operation((f"r = {random.choice(list(FUNCTIONS))}({arguments(1, 10, 8, 4)})",))
    if kind < 0.60:
        receiver = value()
        return Operation((f"r = ({receiver}).{_method(random, type_of(receiver))}({arguments(3, 10, 6, 2)})",))
    if kind < 0.80:
        return Operation((f"r = {_expression(random, value)}",))
    return Operation(_statements(random, value(), value))


def on_arguments(random: Random) -> Operation:
    """An operation on parameters."""
    annotations = tuple(random.choice(list(ARGUMENTS)) for _ in range(random.choice((1, 2, 2, 3))))
    arguments = tuple(random.choice(ARGUMENTS[annotation]) for annotation in annotations)
    names = "abc"[: len(annotations)]

    def value() -> str:
        known = ("0", "1", "-1", "2", "'a'", "''", "','", "1.5", "None", "True", "[1]")
        return random.choice(names) if random.random() < 0.75 else random.choice(known)

    first = random.choice(names)
    given = ", ".join(value() for _ in range(random.choices((0, 1, 2, 3), (2, 10, 6, 1))[0]))
    kind = random.random()
    if kind < 0.30:
        body: tuple[str, ...] = (f"r = {random.choice(list(FUNCTIONS))}({given})",)
    elif kind < 0.60:
        method = _method(random, annotations[names.index(first)].split("[")[0].split(" ")[0])
        body = (f"r = {first}.{method}({given})", *((f"r = (r, {first})",) if random.random() < 0.5 else ()))
    elif kind < 0.82:
        body = (f"r = {_expression(random, value)}",)
    else:
        body = _statements(random, first, value)
    return Operation(body, annotations, arguments)


def type_of(text: str) -> str:
    """The type that a method is looked for on."""
    if text.startswith("collections."):
        return text.partition("(")[0]
    return type(eval(text)).__name__


def _method(random: Random, kind: str) -> str:
    return random.choice([name for name in dir(_CLASSES.get(kind, str)) if not name.startswith("_")])


def _expression(random: Random, value: Callable[[], str]) -> str:
    def bound() -> str:
        return random.choice(("", value()))

    return random.choice(
        (
            f"({value()}) {random.choice(OPERATORS)} ({value()})",
            f"({value()}) {random.choice(OPERATORS)} ({value()})",
            f"({value()}) {random.choice(OPERATORS)} ({value()})",
            f"{random.choice(('-', '+', '~', 'not '))}({value()})",
            f"({value()})[{value()}]",
            f"({value()})[{bound()}:{bound()}{random.choice(('', ':' + value()))}]",
            f"[*({value()}), *({value()})]",
            f"{{**({value()}), **({value()})}}",
            f'f"{{{value()}{random.choice(SPECS)}}}"',
            f"[x for x in ({value()})]",
            f"{{x: {value()} for x in ({value()})}}",
            f"[x {random.choice(AUGMENTED)} ({value()}) for x in ({value()})]",
            f"sum(x for x in ({value()}))",
            f"(lambda v: v)(*({value()}))",
        )
    )


def _statements(random: Random, receiver: str, value: Callable[[], str]) -> tuple[str, ...]:
    def span() -> str:
        ends = [random.choice(("", value())) for _ in range(2)]
        return ":".join(ends) + random.choice(("", "", f":{value()}"))

    start = f"r = {receiver}"
    return random.choice(
        (
            (start, f"r {random.choice(AUGMENTED)}= {value()}"),
            (start, f"r[{value()}] = {value()}"),
            (start, f"r[{value()}] {random.choice(AUGMENTED)}= {value()}"),
            (start, f"del r[{value()}]"),
            (start, f"r[{span()}] = {value()}"),
            (start, f"del r[{span()}]"),
            (f"x, y = {receiver}", "r = (y, x)"),
            (f"x, *y = {receiver}", "r = (y, x)"),
            ("r = 0", f"for x in {receiver}:", "    r = x"),
            ("r = 0", f"for x, y in {receiver}:", "    r = x"),
            ("r = 0", f"for x in {receiver}:", "    r += x"),
        )
    )


# --- what CPython does, and the program that says so


@dataclass(frozen=True)
class Seen:
    """What an operation did: the exception's class, or None, and a text that is equal to what it gave, if there is."""

    raised: str | None
    text: str | None = None
    type: str = ""
    size: int | None = None


_PROBE = """
def _text(value, depth=0):
    kind = type(value)
    if value is None or kind in (bool, str) or (kind is int and abs(value) < 10**60):
        return repr(value)
    if kind is float and value == value:
        return repr(value) if abs(value) != float("inf") else f"float('{value}')"
    if kind in (list, tuple, set, frozenset, dict) and len(value) < 8 and depth < 4:
        parts = [_text(part, depth + 1) for part in value]
        if kind is dict:
            held = [_text(part, depth + 1) for part in value.values()]
            parts = [None if key is None or one is None else f"{key}: {one}" for key, one in zip(parts, held)]
        if None in parts:
            return None
        inside = ", ".join(parts)
        if kind is list:
            return f"[{inside}]"
        if kind is tuple:
            return f"({inside},)" if parts else "()"
        return f"{{{inside}}}" if parts or kind is dict else "set()"
    return None


def probe(sources):
    seen = []
    for source in sources:
        space = {}
        try:
            exec(source, space)
            value = space["probed"]()
            size = len(value) if type(value) in (list, tuple, dict, set, str) else None
            seen.append(["", _text(value), type(value).__name__, size])
        except SyntaxError:
            seen.append(None)
        except Exception as error:
            module = type(error).__module__
            seen.append([type(error).__name__ if module == "builtins" else "Exception", str(error), "", None])
    return seen
"""


def observe(operations: list[Operation]) -> list[Seen | None]:
    """What CPython does, in the sandbox; None where that tells nothing (a size that is assumed away, say)."""
    result = sandbox_call(_PROBE, "probe", [[probed(each) for each in operations]], limits=Limits(cpu_seconds=10.0))
    if result.status != "passed" or not isinstance(result.value, list):
        if len(operations) == 1:
            return [None]
        middle = len(operations) // 2
        return observe(operations[:middle]) + observe(operations[middle:])
    return [None if row is None else _seen(*row) for row in result.value]


def _seen(name: str, text: str | None, kind: str, size: int | None) -> Seen | None:
    if not name:
        return Seen(None, text, kind, size)
    ignored = name in ("MemoryError", "RecursionError") or any(part in (text or "") for part in _SIZES)
    return None if ignored else Seen(name)


def probed(operation: Operation) -> str:
    """A module whose `probed()` gives what the operation does."""
    parameters = ", ".join(operation.names)
    lines = [*_imports(), f"def f({parameters}):", *(f"    {line}" for line in operation.body), "    return r"]
    return "\n".join([*lines, "def probed():", f"    return f({', '.join(operation.arguments)})"])


def _imports(source: str | None = None) -> list[str]:
    return [f"import {name}" for name in MODULES if source is None or f"{name}." in source]


def program(operation: Operation, seen: Seen, random: Random) -> str:
    """A function that divides by zero where the operation did what was seen."""
    parameters = ", ".join(f"{name}: {kind}" for name, kind in zip(operation.names, operation.annotations, strict=True))
    met = [_met(name, value) for name, value in zip(operation.names, operation.arguments, strict=True)]
    if random.random() < 0.25:
        met = met[:-1]
    body = [f"            {line}" for line in operation.body]
    lines = [
        f"def f({parameters or 'n: int'}) -> int:",
        f"    if {' and '.join(met) or 'True'}:",
        "        try:",
        *body,
    ]
    if seen.raised:
        lines += [f"        except {seen.raised}:", "            return 1 // 0"]
    else:
        lines += ["        except Exception:", "            return 0"]
        lines += [f"        if {_told(seen, random)}:", "            return 1 // 0"]
    source = "\n".join([*lines, "    return 0", ""])
    return "\n".join([*_imports(source), source])


def _met(name: str, value: str) -> str:
    if value == "None":
        return f"{name} is None"
    if "nan" in value:
        return f"{name} != {name}"
    return f"{name} == {value}"


def _told(seen: Seen, random: Random) -> str:
    """A condition on `r` that holds in CPython."""
    named = hasattr(builtins, seen.type)
    told = ["True", *([f"isinstance(r, {seen.type})"] if named and seen.type != "NoneType" else [])]
    if seen.size is not None:
        told.append(f"len(r) == {seen.size}")
    if seen.text is not None:
        told += [f"r == {seen.text}"] * 3
        if seen.type in ("int", "float"):
            told += [f"r <= {seen.text}", f"r >= {seen.text}"]
    return random.choice(told)


# --- a campaign


@dataclass
class Swept:
    """The figures of a sweep."""

    programs: int = 0
    decided: int = 0
    wrong: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.programs} operations, {self.decided} within the model, {len(self.wrong)} false proofs"


BATCH = 50


def sweep(seed: object, engine: Engine, batches: Iterator[Any]) -> Swept:
    """Check so many batches of operations, half of them on constants and half on arguments."""
    random = Random(str(seed))
    swept = Swept()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)
        for _ in batches:
            operations = [
                each
                for number in range(BATCH)
                if not any(word in str(each := (on_constants, on_arguments)[number % 2](random)) for word in _UNSAFE)
            ]
            for operation, seen in zip(operations, observe(operations), strict=True):
                if seen is not None:
                    check(operation, seen, program(operation, seen, random), engine, swept)
    return swept


def check(operation: Operation, seen: Seen, source: str, engine: Engine, swept: Swept) -> None:
    outcome = engine(source, entry="f", properties=("zero-division",)).verdicts[0].outcome
    swept.programs += 1
    swept.decided += outcome is not Outcome.UNSUPPORTED
    if outcome in (Outcome.PROVED, Outcome.VACUOUS):
        swept.wrong.append(f"{operation} -> {seen.raised or seen.text or seen.type}\n{source}")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.verification.fuzz.operations", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--engine", choices=list(ENGINES), default="prover")
    options = parser.parse_args()
    end = time.monotonic() + options.seconds

    def batches() -> Iterator[None]:
        while time.monotonic() < end:
            yield None

    found = sweep(options.seed, ENGINES[options.engine], batches())
    print(*found.wrong, sep="\n")
    print(f"{options.engine}: {found}")
    return 1 if found.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
