"""Random programs of the supported subset, and random inputs for their annotated parameters."""

from __future__ import annotations

import random

from hypothesis import strategies as st

PARAMETERS = {"a": "int", "b": "int", "p": "bool", "q": "int | None", "xs": "list[int]", "s": "str"}
"""Every generated function takes all of these."""

SIGNATURE = "def f(a: int, b: int, p: bool, q: int | None, xs: list[int], s: str):\n"


def _binary(inner: st.SearchStrategy[str], operators: list[str]) -> st.SearchStrategy[str]:
    return st.tuples(inner, st.sampled_from(operators), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})")


NUMBERS = st.one_of(
    st.sampled_from(["a", "b", "p", "q", "len(xs)", "len(s)", "True", "False"]),
    st.integers(-4, 4).map(lambda n: f"({n})"),
)


def _grow_numbers(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    conditions = _conditions(inner)
    return st.one_of(
        _binary(inner, ["+", "-", "*", "//", "%", "+", "-"]),
        inner.map(lambda e: f"(-{e})"),
        inner.map(lambda e: f"abs({e})"),
        st.tuples(inner, inner).map(lambda t: f"max({t[0]}, {t[1]})"),
        st.tuples(inner, inner).map(lambda t: f"min({t[0]}, {t[1]})"),
        inner.map(lambda e: f"xs[{e}]"),
        inner.map(lambda e: f"(3, 5, 8)[{e}]"),
        inner.map(lambda e: f"[4, 6][{e}]"),
        st.tuples(inner, conditions, inner).map(lambda t: f"({t[0]} if {t[1]} else {t[2]})"),
        st.tuples(conditions, inner).map(lambda t: f"({t[0]} and {t[1]})"),
        st.tuples(inner, inner).map(lambda t: f"({t[0]} or {t[1]})"),
        st.tuples(inner, inner).map(lambda t: f"xs[{t[0]}:{t[1]}][0]"),
        inner.map(lambda e: f"int(s[{e}] == 'x')"),
        inner.map(lambda e: f"int({e})"),
        inner.map(lambda e: f"sum([{e}, a, p])"),
        inner.map(lambda e: f"{{1: 5, 0: a}}[{e}]"),
    )


def _conditions(numbers: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    plain = st.one_of(
        _binary(numbers, ["<", "<=", ">", ">=", "==", "!="]),
        st.tuples(numbers, numbers, numbers, st.sampled_from(["<", "<=", "==", ">"])).map(
            lambda t: f"({t[0]} {t[3]} {t[1]} < {t[2]})"
        ),
        st.sampled_from(["p", "xs", "s", "q is None", "q is not None", "s == 'ab'", "'a' in s", "s.startswith('b')"]),
        numbers.map(lambda e: f"({e} in [1, a, b])"),
        numbers.map(lambda e: f"({e} in range(-2, 3))"),
        numbers.map(lambda e: f"(s < 'b' or {e} == 1)"),
    )
    return st.one_of(
        plain,
        plain.map(lambda c: f"(not {c})"),
        st.tuples(plain, st.sampled_from(["and", "or"]), plain).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
    )


expressions = st.recursive(NUMBERS, _grow_numbers, max_leaves=6)
conditions = _conditions(st.recursive(NUMBERS, _grow_numbers, max_leaves=3))


def _indent(lines: list[str]) -> list[str]:
    return ["    " + line for line in lines]


def _statement(draw: st.DrawFn, depth: int) -> list[str]:
    kinds = ["assign", "augment", "assert", "store", "append", "unpack", "raise", "swap"]
    if depth > 0:
        kinds += ["if", "if", "for", "while", "try", "comprehension"]
    kind = draw(st.sampled_from(kinds))
    name = draw(st.sampled_from(["a", "b", "c"]))
    if kind == "assign":
        return [f"{name} = {draw(expressions)}"]
    if kind == "augment":
        return [f"{name} {draw(st.sampled_from(['+=', '-=', '*=', '//=', '%=']))} {draw(expressions)}"]
    if kind == "assert":
        return [f"assert {draw(conditions)}"]
    if kind == "store":
        return [f"xs[{draw(expressions)}] = {draw(expressions)}"]
    if kind == "append":
        return [f"xs.append({draw(expressions)})"]
    if kind == "unpack":
        return [f"{name}, a = xs"]
    if kind == "swap":
        return ["ys = xs", f"ys += [{draw(expressions)}]", "a = xs.pop()"]
    if kind == "raise":
        error = draw(st.sampled_from(["ValueError", "KeyError('k')", "NotImplementedError", "ZeroDivisionError()"]))
        return [f"if {draw(conditions)}:", f"    raise {error}"]
    if kind == "comprehension":
        return [f"b = sum([{draw(expressions)} for i in xs if i > {draw(expressions)}])"]
    return _compound(draw, kind, depth)


def _compound(draw: st.DrawFn, kind: str, depth: int) -> list[str]:
    body = _indent(_block(draw, depth - 1))
    if kind == "if":
        other = _indent(_block(draw, depth - 1))
        return [f"if {draw(conditions)}:", *body, "else:", *other]
    if kind == "for":
        source = draw(st.sampled_from(["range(a)", "range(2)", "xs", "range(3, 0, -1)", "[a, b]"]))
        ending = draw(st.sampled_from([[], [f"    if {draw(conditions)}:", "        break"]]))
        return [f"for i in {source}:", *body, *ending, "else:", "    c = 1"]
    if kind == "while":
        return ["n = 0", f"while n < 3 and {draw(conditions)}:", "    n += 1", *body]
    error = draw(
        st.sampled_from(["ZeroDivisionError", "IndexError", "(KeyError, TypeError)", "Exception", "LookupError"])
    )
    tail = draw(st.sampled_from([[], ["finally:", "    b = 2"], ["else:", "    c = 3"]]))
    return ["try:", *body, f"except {error}:", f"    c = {draw(expressions)}", *tail]


def _block(draw: st.DrawFn, depth: int) -> list[str]:
    return [line for _ in range(draw(st.integers(1, 2))) for line in _statement(draw, depth)]


@st.composite
def programs(draw: st.DrawFn) -> str:
    """A function of every parameter: up to three statements, then a return."""
    lines = [line for _ in range(draw(st.integers(0, 3))) for line in _statement(draw, 2)]
    return SIGNATURE + "\n".join(_indent([*lines, f"return {draw(expressions)}"])) + "\n"


def inputs(seed: int, count: int) -> list[tuple[object, ...]]:
    """Random and boundary rows of arguments."""
    chance = random.Random(seed)

    def number() -> int:
        return chance.choice([0, 1, -1, 2, -2, 3, 4, 5, -5, 8, 10**20, chance.randint(-9, 9)])

    def row() -> tuple[object, ...]:
        xs = [number() for _ in range(chance.choice([0, 0, 1, 1, 2, 3, 5]))]
        text = "".join(chance.choice("abx²") for _ in range(chance.choice([0, 1, 2, 3])))
        return (number(), number(), chance.random() < 0.5, chance.choice([None, number()]), xs, text)

    return [row() for _ in range(count)]
