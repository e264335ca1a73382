"""Operations under guards: the guard right, slightly wrong, or made void between the test and the use.

Each hazard is a use that may fail, with tests of which some rule the failure out and some only seem to, and with
changes of which some make a right test void and some only seem to. An unsound prover is found where it believes one.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence

from tests.verification.fuzz.expressions import constant, expression
from tests.verification.fuzz.hazards import (
    CORES,
    DICTS,
    FLOATS,
    GRIDS,
    LISTS,
    NUMBERS,
    OPTIONALS,
    SETS,
    TEXTS,
    Hazard,
)
from tests.verification.fuzz.statements import statement, writes
from tests.verification.fuzz.types import BOOL, FLOAT, INT, INTS, PARAMETER_TYPES, STR, Type, dict_of, optional, set_of
from tests.verification.fuzz.writer import Block, Writer, indented

HELPERS = {
    "shrink": "def shrink(z):\n    if z:\n        z.pop()\n",
    "grow": "def grow(z):\n    z.append(z[0] if z else 0)\n",
    "forget": "def forget(z, k):\n    z.pop(k, None)\n",
    "halve": "def halve(z: int) -> int:\n    return z // 2\n",
    "maybe": "def maybe(z: int) -> int | None:\n    if z > 0:\n        return z\n",
}


def _hazard(kind: Type) -> Hazard | None:
    if kind.name == "list":
        return GRIDS if kind.element.name == "list" else LISTS
    by_name = {"dict": DICTS, "int": NUMBERS, "float": FLOATS, "str": TEXTS, "|": OPTIONALS, "set": SETS}
    return by_name.get(kind.name)


@writes(9, plain=8)
def guarded(w: Writer, depth: int) -> Block | None:
    """A test, perhaps a change, and a use, in one of the shapes in which programs write them."""
    name = w.name(lambda kind: _hazard(kind) is not None)
    return None if name is None else _guarded(w, name, depth)


def guarded_alone(w: Writer) -> tuple[dict[str, Type], Block]:
    """The parameters that a guarded operation takes, and the operation."""
    kinds = [kind for _, kind in PARAMETER_TYPES if _hazard(kind) is not None]
    kind = w.pick(
        w.pick(*kinds),
        w.pick(INT, INTS, INTS, FLOAT, STR, dict_of(STR, INT), dict_of(INT, INT), set_of(INT), optional(INT)),
    )
    key = kind.arguments[0] if kind.name == "dict" else INT
    for name, held in (("v", kind), ("w", kind), ("i", key)):
        if name == "v" or w.odds(0.75):
            w.bind(name, held)
    return dict(w.variables), _guarded(w, "v", 1)


def _guarded(w: Writer, name: str, depth: int) -> Block:
    kind = w.variables[name]
    hazard = _hazard(kind)
    assert hazard is not None
    if kind.name in CORES and hazard is not GRIDS and w.odds(0.55):
        hazard = w.pick(*CORES[kind.name])
    holes = _holes(w, name, kind)
    test, use, wrong = (fill(w, w.pick(*texts), holes) for texts in (hazard.tests, hazard.uses, hazard.changes))
    between: Block = []
    if w.odds(0.45):
        between = [wrong] if w.odds(0.8) else [*statement(w, 0)]
        if w.odds(0.25):
            between = [f"if {expression(w, BOOL, 1)}:", *indented(between)]
    return w.weighted(SHAPES)(w, test, use, between, depth)


def _holes(w: Writer, name: str, kind: Type) -> dict[str, str]:
    key = kind.arguments[0] if kind.name == "dict" else INT
    element = kind.element if kind.name in ("list", "set") else kind.arguments[0] if kind.arguments else INT
    inner = next((part for part in kind.arguments if part.name != "None"), INT) if kind.name == "|" else INT
    number = w.name(key) or constant(w, key)
    return {
        "v": name,
        "w": next((other for other in w.names(kind) if other != name), name),
        "i": number,
        "i2": w.name(INT) or "7",
        "e": expression(w, element, 0),
        "e2": constant(w, kind.arguments[-1]) if kind.arguments else "0",
        "t": inner.name,
        "use": _USES_OF.get(inner.name, "{v}[0]").replace("{v}", name),
    }


_USES_OF = {"int": "{v} + 1", "str": "{v}.upper()", "dict": "len({v})", "float": "{v} * 2", "list": "len({v})"}


def fill(w: Writer, text: str, holes: dict[str, str]) -> str:
    """The text with its holes filled; what it calls is defined, what it uses is imported."""
    filled = text.format(**holes)
    try:
        ast.parse(filled)
    except SyntaxError:  # a change of what is a constant here
        return "pass"
    for helper, source in HELPERS.items():
        if f"{helper}(" in filled:
            w.definitions[helper] = source
    if "math." in filled:
        w.uses("math")
    return filled


# --- the shapes

Shape = Callable[[Writer, str, str, Block, int], Block]


def _in_block(w: Writer, test: str, use: str, between: Block, depth: int) -> Block:
    lines = [f"if {test}:", *indented([*between, *_used(w, use)])]
    return lines + (["else:", *indented(statement(w, 0))] if w.odds(0.2) else [])


def _after_exit(w: Writer, test: str, use: str, between: Block, depth: int) -> Block:
    leave = "return " + constant(w, w.result)
    if w.in_loop and w.odds(0.6):
        leave = w.pick("continue", "break")
    elif w.odds(0.15):
        leave = "raise ValueError('no')"
    return [f"if not ({test}):", f"    {leave}", *between, *_used(w, use)]


def _asserted(w: Writer, test: str, use: str, between: Block, depth: int) -> Block:
    return [f"assert {test}", *between, *_used(w, use)]


def _named(w: Writer, test: str, use: str, between: Block, depth: int) -> Block:
    """The test's outcome kept in a variable, used after the change."""
    return [f"fine = bool({test})", *between, "if fine:", *indented(_used(w, use))]


def _inline(w: Writer, test: str, use: str, between: Block, depth: int) -> Block:
    value = w.pick(f"({use}) if {test} else {constant(w, INT)}", f"{test} and {use}", f"not ({test}) or {use}")
    return [*between, *_used(w, value)]


def _in_loop(w: Writer, test: str, use: str, between: Block, depth: int) -> Block:
    """Tested once before the loop, changed after the use in its body: right the first time round."""
    head = w.pick("for _ in range(3):", "for turn in range(2):", "while True:", "for _ in [1, 2]:")
    body = [*_used(w, use), *between]
    if head.startswith("while"):
        body += [f"if {expression(w, BOOL, 1)}:", "    break"]
    return [f"if {test}:", *indented([head, *indented(body)])]


def _while_tested(w: Writer, test: str, use: str, between: Block, depth: int) -> Block:
    """The loop's own test is the guard."""
    body = [*between, *_used(w, use)] if w.odds(0.5) else [*_used(w, use), *between]
    return ["turns = 0", f"while ({test}) and turns < 3:", *indented([*body, "turns += 1"])]


def _in_try(w: Writer, test: str, use: str, between: Block, depth: int) -> Block:
    """Perhaps caught, perhaps by the wrong handler, with the change in the try, the handler or the end."""
    caught = w.pick(
        "IndexError", "KeyError", "ZeroDivisionError", "ValueError", "TypeError", "LookupError", "Exception"
    )
    risky = _used(w, use)
    shape = w.pick(0, 1, 2, 3)
    if shape == 0:
        return ["try:", *indented([*between, *risky]), f"except {caught}:", "    pass"]
    if shape == 1:
        return [f"if {test}:", *indented(["try:", *indented(between), f"except {caught}:", "    pass", *risky])]
    if shape == 2:
        return [f"if {test}:", *indented(["try:", *indented(risky), "finally:", *indented(between)]), *risky]
    return ["try:", *indented(risky), f"except {caught}:", *indented(between), "else:", *indented(risky)]


def _by_closure(w: Writer, test: str, use: str, between: Block, depth: int) -> Block:
    """The change made by a nested function that is called between the test and the use."""
    if w.in_loop or not between:
        return _in_block(w, test, use, between, depth)
    names = [name for name in w.variables if any(line.split(" ")[0] == name for line in between)]
    head = [f"nonlocal {', '.join(names)}"] if names and w.odds(0.7) else []
    return ["def change():", *indented([*head, *between]), f"if {test}:", *indented(["change()", *_used(w, use)])]


def _used(w: Writer, use: str) -> Block:
    """The use, kept, printed, returned or thrown away."""
    style = w.chance.random()
    if style < 0.5:
        return [f"got = {use}"]
    if style < 0.75:
        return [use]
    return [f"got = [{use}]"] if style < 0.9 else [f"return {use}"]


SHAPES: Sequence[tuple[float, Shape]] = (
    (5, _in_block),
    (4, _after_exit),
    (1, _asserted),
    (1, _named),
    (3, _inline),
    (2.5, _in_loop),
    (1.5, _while_tested),
    (1.5, _in_try),
    (1, _by_closure),
)
