"""Random programs: a function `f` of annotated parameters, with helpers, globals and imports, from a seed alone."""

from __future__ import annotations

import ast
import warnings
from random import Random

from tests.verification.fuzz import types
from tests.verification.fuzz.aliases import aliased_alone
from tests.verification.fuzz.claims import claimed_alone
from tests.verification.fuzz.expressions import constant, expression
from tests.verification.fuzz.guards import guarded_alone
from tests.verification.fuzz.loops import looped_alone
from tests.verification.fuzz.mutate import mutated
from tests.verification.fuzz.seeds import SEEDS, TRAPS
from tests.verification.fuzz.statements import block, mutable
from tests.verification.fuzz.types import BOOL, INT, INTS, STR, dict_of, list_of, optional, set_of, tuple_of
from tests.verification.fuzz.writer import Block, Writer, indented

ENTRY = "f"
PARAMETER_NAMES = ("xs", "ys", "a", "b", "s", "t", "d", "data", "grid", "x", "y", "p", "q", "m")
HELPER_NAMES = ("helper", "score", "check", "build")
RESULTS = (
    INT,
    INT,
    INT,
    BOOL,
    STR,
    INTS,
    list_of(STR),
    dict_of(STR, INT),
    optional(INT),
    tuple_of(INT, INT),
    set_of(INT),
)


def program(seed: object) -> str:
    """The program of a seed; it compiles."""
    chance = Random(f"{seed}")
    while True:
        write = chance.choices((_single, _written, _seed), (50, 30, 20))[0]
        source = write(chance)
        if not compiles(source):
            continue
        if write is _seed or chance.random() < 0.2:
            source = mutated(source, chance, edits=chance.choice((0, 1, 1, 2, 2, 3, 4)))
        if compiles(source):
            return source


def compiles(source: str) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(source, "program.py", "exec", dont_inherit=True)
            return any(isinstance(node, ast.FunctionDef) and node.name == ENTRY for node in ast.parse(source).body)
    except (SyntaxError, ValueError):
        return False


def _seed(chance: Random) -> str:
    return chance.choice(SEEDS + TRAPS)


def _single(chance: Random) -> str:
    """One claim, guarded operation, alias or loop and nothing else: decided fast, and hidden by nothing."""
    w = Writer(chance)
    w.boldness, w.plain = 0.0, True
    w.budget = 1
    parameters, body = w.pick(claimed_alone, guarded_alone, guarded_alone, aliased_alone, looped_alone)(w)
    signature = ", ".join(f"{name}: {kind}" for name, kind in parameters.items())
    imports = [f"import {module}\n" for module in w.imports]
    lines = [f"def {ENTRY}({signature}) -> int:", *indented([*body, "return 0"])]
    return "".join([*imports, *w.definitions.values()]) + "\n".join(lines) + "\n"


def _written(chance: Random) -> str:
    w = Writer(chance)
    module = _globals(w) if w.odds(0.12) else []
    functions = [_helper(w, name) for name in HELPER_NAMES[: w.pick(0, 0, 0, 0, 1, 1, 2)]]
    entry = _entry(w)
    order = [*functions, entry] if w.odds(0.8) else [entry, *functions]
    imports = [f"import {module}" for module in w.imports]
    return "\n".join([*imports, *module, *w.definitions.values(), *("\n".join(lines) + "\n" for lines in order)])


def _globals(w: Writer) -> Block:
    """Module-level names that functions read, and may change in place or shadow."""
    kind = w.pick(INT, INTS, dict_of(STR, INT), list_of(STR), dict_of(INT, INTS))
    name = "LIMIT" if kind == INT else w.pick("CACHE", "TABLE", "SEEN")
    value = constant(w, kind)
    w.bind(name, kind)
    return [f"{name} = {value}"]


def _helper(w: Writer, name: str) -> Block:
    """A function of its own scope; now and then recursive, unannotated, or without a result on some path."""
    before = dict(w.variables)
    kinds = tuple(types.draw(w.chance, plain=w.plain) for _ in range(w.pick(1, 1, 2)))
    result = w.chance.choice(RESULTS)
    names = [w.bind(f"{'uvw'[at]}", kind) for at, kind in enumerate(kinds)]
    w.result, w.budget = result, w.pick(1, 2, 3)
    lines = block(w, 1, 2)
    recursive = kinds[0] in (INT, INTS) and w.odds(0.25)
    if recursive:
        ends = "u <= 0" if kinds[0] == INT else "not u"
        smaller = w.pick("u - 1", "u - 2", "u // 2") if kinds[0] == INT else w.pick("u[1:]", "u[:-1]")
        rest = f"{name}({', '.join([smaller, *names[1:]])})"
        lines = [f"if {ends}:", f"    return {expression(w, result, 1)}", *lines, f"got = {rest}"]
        w.bind("got", result)
    if w.odds(0.9):
        lines.append(f"return {expression(w, result)}")
    annotated = w.odds(0.8)
    signature = ", ".join(f"{name}: {kind}" if annotated else name for name, kind in zip(names, kinds, strict=True))
    w.variables = before
    w.helpers[name] = (kinds, result)
    return [f"def {name}({signature}){f' -> {result}' if annotated else ''}:", *indented(lines)]


def _entry(w: Writer) -> Block:
    held = list(w.variables)
    count = w.pick(1, 1, 2, 2, 2, 3, 3, 4)
    parameters: list[str] = []
    for name in w.chance.sample(PARAMETER_NAMES, count):
        kind = types.draw(w.chance, plain=w.plain)
        if parameters and w.odds(0.4):
            kind = w.variables[w.chance.choice(list(w.variables)[len(held) :])]
        w.bind(name, kind)
        parameters.append(f"{name}: {kind}")
    if w.odds(0.08):
        kind = w.pick(INT, INTS, dict_of(STR, INT))
        w.bind("extra", kind)
        parameters.append(f"extra: {kind} = {'[]' if kind == INTS else '{}' if mutable(kind) else '0'}")
    w.result = w.chance.choice(RESULTS)
    w.budget = w.pick(1, 1, 2, 3) if w.plain else w.pick(2, 3, 4, 5, 6, 8, 10)
    lines = [f"global {held[0]}"] if held and w.odds(0.3) else []
    while w.budget > 0:
        lines += block(w, 2, 2)
    lines.append(_ending(w))
    return [f"def {ENTRY}({', '.join(parameters)}) -> {w.result}:", *indented(lines)]


def _ending(w: Writer) -> str:
    if w.odds(0.04):
        return "pass"
    name = w.name(w.result)
    return (
        f"return {name}"
        if name is not None and w.odds(0.8 if w.plain else 0.4)
        else f"return {expression(w, w.result)}"
    )
