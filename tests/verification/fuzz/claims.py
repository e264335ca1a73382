"""Claims about values, some true of all of them and some only of most: what an operator's rule is found wrong by.

A claim that holds always must not be refuted, and one that fails on some input must not be proved. Which it is, CPython
says; the text here needs no care.
"""

from __future__ import annotations

import string

from tests.verification.fuzz.expressions import constant, expression
from tests.verification.fuzz.statements import writes
from tests.verification.fuzz.types import BOOL, FLOAT, INT, INTS, STR, Type, dict_of, list_of, set_of
from tests.verification.fuzz.writer import Block, Writer

HOLES: dict[str, Type] = {
    **dict.fromkeys("abc", INT),
    **dict.fromkeys("pq", BOOL),
    **dict.fromkeys("xy", FLOAT),
    **dict.fromkeys("st", STR),
    **dict.fromkeys(("xs", "ys"), INTS),
    "ws": list_of(STR),
    "d": dict_of(STR, INT),
    "g": list_of(INTS),
    "u": set_of(INT),
}
"""What the names in the claims stand for."""

CLAIMS = (
    # whole numbers
    *("{b} == 0 or {a} // {b} * {b} + {a} % {b} == {a}", "{a} % 3 >= 0", "{a} % -3 <= 0", "{a} // 2 * 2 <= {a}"),
    *("{a} // -3 == -({a} // 3)", "{b} <= 0 or {a} % {b} >= 0", "{b} == 0 or abs({a} % {b}) < abs({b})", "-{a} // 2 == -({a} // 2)"),
    *("{b} >= 0 or {a} % {b} <= 0", "{b} == 0 or {a} // {b} <= {a}", "{a} * {a} >= {a}", "{a} * {a} >= 0", "abs({a}) >= {a}", "{a} - 1 < {a}"),
    *("max({a}, {b}) >= {a}", "max({a}, {b}) + min({a}, {b}) == {a} + {b}", "abs({a} - {b}) == max({a}, {b}) - min({a}, {b})"),
    *("{a} >> 1 == {a} // 2", "({a} & 1) == {a} % 2", "{a} & 1 == {a} % 2", "{a} ^ {a} == 0", "({a} | {b}) >= {a}", "({a} & 7) <= 7"),
    *("{a} < {b} or {b} <= {a}", "not ({a} < {b} < {a})", "{a} <= {b} <= {c} or not {a} <= {c}", "{a} == {b} or {a} != {b}", "{a} in (0, {a})"),
    *("({a} + {b}) % 2 == ({a} - {b}) % 2", "({a} + 1) * ({a} - 1) == {a} * {a} - 1", "{a} ** 2 == {a} * {a}", "{a} - {b} < {a} + {b}"),
    *("int({a} / 2) == {a} // 2", "round({a} / 2) == {a} // 2", "int(str({a})) == {a}", "len(str({a})) >= 1", "{a} % 10 < 10", "abs({a}) % 10 >= 0"),
    *("divmod({a}, 3) == ({a} // 3, {a} % 3)", "{a} or {b} or not {b}", "({a} and {b}) in ({a}, {b})", "{a} != 3 or {b} != {a}", "{a} + {b} != 4"),
    *("{a} * {b} != 6", "{a} // 2 != -1", "{a} % 4 != 3", "{a} * 2 != {b} * 2 + 1", "{a} * {a} != 4", "{a} // {c} != 1 if {c} else True", "-{a} != 2"),
    *("bool({a}) == ({a} != 0)", "({a} > 0) + ({a} < 0) + ({a} == 0) == 1", "{a} << 1 == {a} * 2", "~{a} == -{a} - 1", "{a} is not None"),
    *("pow({a}, 2, 5) < 5", "{a} == int({a})", "{a} - {a} % 2 <= {a}", "{a} % 2 in (0, 1)", "{a} > {b} or {a} < {b}", "sum(range({a})) >= 0"),
    *("len(range({a})) == max({a}, 0)", "len(range({a}, {b})) == max({b} - {a}, 0)", "{a} not in range({a})", "len(range(0, {a}, 2)) == {a} // 2"),
    # booleans
    *("{p} + {q} <= 2", "{p} + 1 > 0", "({p} or {q}) == (not (not {p} and not {q}))", "{p} is True or {p} is False", "{p} < {q} or {p} >= {q}"),
    *("{p} == 1 or {p} == 0", "{p} + {q} != 2", "({p} and {q}) or not {p} or not {q}", "-{p} <= 0", "{p} * 3 in (0, 3)", "{p} ^ {q} == ({p} != {q})"),
    *("{a} == {p} or {a} != {p}", "int({p}) == {p}", "isinstance({p}, int)", "type({p}) is int", "not {p} == (not {p})"),
    # floats
    *("{x} < {y} or {x} >= {y}", "{x} == {x}", "{x} + 1 > {x}", "{x} * 0 == 0", "{x} - {x} == 0", "abs({x}) >= 0", "{x} * {x} >= 0", "{x} / 2 < {x} or {x} <= 0"),
    *("not ({x} > 0 and {y} > 0) or {x} + {y} > 0", "not ({x} > 0 and {y} > 0) or {x} * {y} > 0", "{x} <= 1e308", "({x} + {y}) - {y} == {x}", "max({x}, {y}) >= {x}"),
    *("{x} > 0 or {x} <= 0", "not {x} < 0 or -{x} > 0", "{x} == int({x}) if abs({x}) < 1e6 else True", "{a} < {x} or {a} >= {x}", "{a} + 0.5 != {x}", "{a} / 2 * 2 == {a}"),
    *("not {a} > 0.5 or {a} >= 1", "{x} // 1 <= {x}", "{x} % 1 < 1", "round({x}) - {x} <= 0.5 if abs({x}) < 1e6 else True", "{x} != 0.5", "min({x}, {y}) <= {y}"),
    # text
    *("len({s} + {t}) == len({s}) + len({t})", "({s} + {t}).startswith({s})", "{s} < {t} or {s} >= {t}", "{s}[:{a}] + {s}[{a}:] == {s}", "len({s}.strip()) <= len({s})"),
    *("len({s}.upper()) == len({s})", "len({s}.lower()) == len({s})", "{s}.replace('a', 'b').count('a') == 0", "{s}.find('a') >= -1", "{s}.find('a') < len({s}) or not {s}"),
    *("{s}[::-1][::-1] == {s}", "len({s}[1:]) == len({s}) - 1", "len({s}[{a}:{b}]) <= len({s})", "{s}.count('') == len({s}) + 1", "'' in {s}", "{s} in {s} + {t}", "{s} != 'ab'"),
    *("{s} + {t} != 'ab'", "len({s}.split()) <= len({s})", "len({s}.split(',')) == {s}.count(',') + 1", "','.join({s}.split(',')) == {s}", "{s}.strip() == {s}", "{s} * 2 == {s} + {s}"),
    *("not {s}.isdigit() or int({s}) >= 0", "not {s}.isdigit() or len({s}) > 0", "{s}.upper().lower() == {s}.lower()", "not {s} or {s}[0] in {s}", "{s}.isalpha() or not {s}.isalpha()"),
    *("all(c in {s} for c in {s})", "sorted({s}) == list({s})", "len(set({s})) <= len({s})", "{s} == {t} or {s} != {t}", "{s}.startswith('a') == ({s}[:1] == 'a')", "str({s}) is {s}"),
    *("{s} > 'a' or {s} <= 'a'", "not 'a' < {s} < 'b' or len({s}) > 1", "len({s}.title()) == len({s})", "{s}.zfill(3) != '00a'", "f'{{{s}}}' == {s}", "len(f'{{{a}}}') > 0"),
    # lists
    *("len({xs}[{a}:{b}]) <= len({xs})", "len({xs}[{a}:{b}]) <= max({b} - {a}, 0)", "{xs}[:{a}] + {xs}[{a}:] == {xs}", "len({xs} + {ys}) == len({xs}) + len({ys})"),
    *("len({xs}[1:]) == len({xs}) - 1", "not {xs} or {xs}[0] in {xs}", "not {xs} or min({xs}) <= max({xs})", "not {xs} or {xs}[-1] == {xs}[len({xs}) - 1]", "len(set({xs})) <= len({xs})"),
    *("len({xs} * 2) == 2 * len({xs})", "len({xs} * {a}) == {a} * len({xs})", "sorted({xs}) == {xs}", "len(sorted({xs})) == len({xs})", "not {xs} or sorted({xs})[0] == min({xs})"),
    *("sum({xs}[:{a}]) + sum({xs}[{a}:]) == sum({xs})", "sum({xs}) >= 0", "{xs}.count({a}) <= len({xs})", "({a} in {xs}) == ({xs}.count({a}) > 0)", "{xs}[::-1][::-1] == {xs}"),
    *("len([v for v in {xs} if v > 0]) <= len({xs})", "all(v >= min({xs}) for v in {xs})", "any(v == {a} for v in {xs}) == ({a} in {xs})", "len({xs}[::2]) * 2 >= len({xs})", "len({xs}) != 2"),
    *("len(list(zip({xs}, {ys}))) == min(len({xs}), len({ys}))", "[v for v in {xs}] == {xs}", "list(reversed({xs})) == {xs}[::-1]", "{xs} == {ys} or len({xs}) != len({ys})", "{xs} + {ys} == {ys} + {xs}"),
    *("not {xs} or sum({xs}) / len({xs}) <= max({xs})", "max({xs}, default=0) >= min({xs}, default=0)", "len({xs}[-{a}:]) <= {a} if {a} > 0 else True", "len({xs}[{a}:]) == len({xs}) - {a}", "sum({xs}) != 3"),
    *("len({ws}) <= sum(map(len, {ws}))", "sum(map(len, {ws})) == len(''.join({ws}))", "len(','.join({ws}).split(',')) == len({ws})", "all(len(w) > 0 for w in {ws})", "len(sorted({ws}, key=len)) == len({ws})"),
    *("sum(len(r) for r in {g}) == len([v for r in {g} for v in r])", "all(len(r) == len({g}[0]) for r in {g})", "len({g}) <= sum(map(len, {g}))", "len(list(zip(*{g}))) == (min(map(len, {g})) if {g} else 0)"),
    # dicts and sets
    *("len({d}) == len({d}.keys())", "all(k in {d} for k in {d})", "sum({d}.values()) >= 0", "{d}.get({s}) is None or {s} in {d}", "({s} in {d}) == ({d}.get({s}) is not None)", "len({{**{d}, {s}: 1}}) > len({d})"),
    *("len({{v: k for k, v in {d}.items()}}) <= len({d})", "len({{v: k for k, v in {d}.items()}}) == len({d})", "dict({d}) == {d}", "{d}.get({s}, 0) != 1", "list({d}) == sorted({d})", "len({d}) >= 0"),
    *("{u} | {u} == {u}", "len({u} | {{{a}}}) <= len({u}) + 1", "len({u} - {{{a}}}) == len({u}) - 1", "{a} in {u} | {{{a}}}", "{a} not in {u} - {{{a}}}", "len(set({xs})) == len({xs})", "{u} & set() == set()", "sorted({u}) == list({u})"),
)  # fmt: skip


@writes(3, plain=6)
def _claimed(w: Writer, depth: int) -> Block | None:
    """A claim about what is in scope, asserted or made to matter."""
    for _ in range(12):
        claim = w.pick(*CLAIMS)
        values = {name: _value(w, name) for name in _holes(claim)}
        if None not in values.values():
            return _stated(w, claim.format(**values))
    return None


def claimed_alone(w: Writer) -> tuple[dict[str, Type], Block]:
    """The parameters that a claim takes, and the claim."""
    claim = w.pick(*CLAIMS)
    holes = _holes(claim)
    for name in holes:
        w.bind(name, HOLES[name])
    return dict(w.variables), _stated(w, claim.format(**{name: name for name in holes}))


def _holes(claim: str) -> list[str]:
    return sorted({name for _, name, _, _ in string.Formatter().parse(claim) if name})


def _value(w: Writer, hole: str) -> str | None:
    """A name in scope, at times an expression for a number; None if nothing there has the type."""
    kind = HOLES[hole]
    if kind == INT and w.odds(0.25):
        return f"({expression(w, INT, 1)})"
    if kind == INT and w.odds(0.1):
        return constant(w, INT)
    return w.name(kind)


def _stated(w: Writer, claim: str) -> Block:
    guard = f"if {expression(w, BOOL, 1)}:" if w.odds(0.2) else ""
    line = w.weighted(
        [
            (5, f"assert {claim}"),
            (1, f"got = 1 // int(bool({claim}))"),
            (1, f"got = [0][int(not ({claim}))]"),
            (1, f"got = {{True: 1}}[bool({claim})]"),
            (1, f"got = None if not ({claim}) else 1; got += 1"),
        ]
    )
    return [guard, f"    {line}"] if guard else [line]
