"""Two ways to one list: tested by the one, changed by the other, used by the first again."""

from __future__ import annotations

from tests.verification.fuzz.guards import HELPERS
from tests.verification.fuzz.types import INT, INTS, STR, Type, dict_of, list_of, optional, tuple_of
from tests.verification.fuzz.writer import Block, Writer, indented, mentions

ROOTS: dict[str, Type] = {
    "xs": INTS,
    "ys": INTS,
    "g": list_of(INTS),
    "d": dict_of(STR, INTS),
    "t": tuple_of(INTS, INT),
    "ts": list_of(tuple_of(INTS, INT)),
    "m": optional(INTS),
    "n": INT,
    "k": STR,
}
"""Parameters that a program takes where it speaks of them."""

LISTS = (
    *(
        "xs",
        "xs",
        "ys",
        "g[0]",
        "g[-1]",
        "g[n]",
        "d[k]",
        "d.get(k, [])",
        "d.setdefault(k, [])",
        "t[0]",
        "ts[0][0]",
        "m or []",
    ),
    *(
        "xs or ys",
        "(xs if n else ys)",
        "max(g, key=len)",
        "next(iter(g))",
        "g.pop()",
        "[xs, ys][n % 2]",
        "{'a': xs}['a']",
    ),
    *(
        "(xs, ys)[0]",
        "list(d.values())[0]",
        "[r for r in g][0]",
        "sorted(g)[0]",
        "g[1:][0]",
        "(g + [xs])[-1]",
        "g[::-1][0]",
    ),
    *(
        "min(g)",
        "[*g][0]",
        "list(zip(g, g))[0][1]",
        "[xs] * 2",
        "dict(d)[k]",
        "[xs][0]",
        "(lambda z: z)(xs)",
        "same(xs)",
        "tuple(g)[0]",
    ),
    *(
        "xs[:]",
        "list(xs)",
        "xs + []",
        "[x for x in xs]",
        "sorted(xs)",
        "xs.copy()",
        "xs * 1",
        "[*xs]",
        "g[0][:]",
        "list(d[k])",
    ),
)
"""Expressions that give a list, most of them one that is known by other names too; the last row are copies."""

HOLDERS = (
    *(
        "box = [xs, ys]",
        "box = [xs] * 2",
        "box = {'a': xs, 'b': ys}",
        "box = (xs, ys)",
        "box = g",
        "box = g[:]",
        "box = list(g)",
    ),
    *(
        "box = [r for r in g]",
        "box = [r[:] for r in g]",
        "box = {i: r for i, r in enumerate(g)}",
        "box = list(d.values())",
        "box = dict(d)",
    ),
    *(
        "box = g + [xs]",
        "box = [g[0], xs]",
        "box = []; box.append(xs)",
        "box = {}; box['a'] = xs",
        "box = list(reversed(g))",
        "box = d",
    ),
    *(
        "box = [[xs]]; box = box[0]",
        "first, *box = [xs, ys, xs]",
        "box = [t[0], xs]",
        "box = [(xs, 1)]; box = [box[0][0]]",
        "box = sorted(g)",
    ),
    *(
        "box = [xs if n else ys]",
        "box = list(map(same, [xs]))",
        "box = list(filter(None, g))",
        "box = [xs, *g]",
        "box = {'a': xs}; box['a'] = ys",
    ),
)
"""Ways to put lists into a container; what is in it is then changed by going through it."""

CHANGES = (
    *(
        "{b}.pop()",
        "{b}.clear()",
        "del {b}[0]",
        "{b}[:] = []",
        "del {b}[:]",
        "{b} *= 0",
        "{b}[0:1] = []",
        "shrink({b})",
        "{b}.remove({b}[0])",
    ),
    *(
        "while {b}: {b}.pop()",
        "{b}.append(0)",
        "{b}.insert(0, 0)",
        "{b}[0] = 0",
        "{b}.sort()",
        "{b}.extend({b})",
        "{b} += [0]",
        "{b}.reverse()",
    ),
    *(
        "{b} = []",
        "{b} = {b} + [0]",
        "(lambda z: z.clear())({b})",
        "drop({b}, 1)",
        "[{b}.pop() for _ in {b}[:1]]",
        "{b}[-1] = 0",
        "{b}.append(None)",
    ),
)
THROUGH = (
    *(
        "for r in {c}: r.clear()",
        "for r in {c}: r.pop()",
        "{c}[0].clear()",
        "{c}[-1].pop()",
        "for r in {c}.values(): r.clear()",
        "{c}['a'].clear()",
    ),
    *(
        "[r.clear() for r in {c}]",
        "for i in range(len({c})): {c}[i].clear()",
        "while {c}: {c}.pop().clear()",
        "r, *_ = {c}; r.clear()",
        "{c}[k].pop()",
    ),
    *(
        "for r in {c}: r.append(0)",
        "for r in {c}: r[0] = 0",
        "{c}[0], {c}[-1] = {c}[-1], {c}[0]",
        "{c}[0] = []",
        "for r in {c}: r = []",
        "{c}[n].clear()",
    ),
    *(
        "list(map(lambda r: r.clear(), {c}))",
        "(lambda z: z[0].clear())({c})",
        "for r in list({c}): shrink(r)",
        "shrink({c}[0])",
        "{c}.clear()",
    ),
)
TESTS = (
    "{a}",
    "len({a}) > 0",
    "len({a}) >= 2",
    "{a} and {a}[0]",
    "{a} and {a}[-1]",
    "len({a}) == len({a2})",
    "0 <= n < len({a})",
    "1 in {a}",
)
USES = (
    *(
        "{a}[0]",
        "{a}[-1]",
        "10 // len({a})",
        "10 // {a}[0]",
        "max({a})",
        "{a}[n]",
        "{a}[len({a}) - 1]",
        "{a}.pop()",
        "{a}[0] + 1",
        "10 // {a}[-1]",
    ),
    *(
        "{a}.index(1)",
        "next(iter({a}))",
        "sum({a}) // len({a})",
        "[10 // len({a}) for _ in range(2)]",
        "{a2}[len({a}) - 1]",
        "min({a}) + max({a})",
    ),
)
_DEFINITIONS = {
    **HELPERS,
    "same": "def same(z):\n    return z\n",
    "drop": "def drop(z, count):\n    for _ in range(count):\n        z.pop()\n",
}


def aliased_alone(w: Writer) -> tuple[dict[str, Type], Block]:
    """The parameters of such a program, and its statements."""
    lines = [f"a = {w.pick(*LISTS)}"]
    if w.odds(0.5):
        lines.append(f"b = {w.pick(*LISTS)}")
        change = w.pick(*CHANGES).format(b=w.pick("b", "b", "b", "xs"))
    else:
        lines.append(w.pick(*HOLDERS))
        change = w.pick(*THROUGH).format(c=w.pick("box", "box", "g"))
    if w.odds(0.2):
        lines = lines[::-1]
    names = {"a": w.pick("a", "a", "a", "xs"), "a2": w.pick("a", "xs", "ys")}
    test, use = w.pick(*TESTS).format(**names), w.pick(*USES).format(**names)
    body = w.weighted(
        [
            (5, [f"if {test}:", *indented([change, f"return {use}"])]),
            (2, [f"if not ({test}):", "    return 0", change, f"return {use}"]),
            (1.5, [f"if {test}:", *indented(["for _ in range(2):", *indented([f"got = {use}", change])])]),
            (
                1,
                [
                    "try:",
                    *indented([f"assert {test}", change]),
                    "except (IndexError, AssertionError):",
                    "    return 0",
                    f"return {use}",
                ],
            ),
            (1, ["def act():", f"    {change}", f"if {test}:", *indented(["act()", f"return {use}"])]),
        ]
    )
    text = "\n".join([*lines, *body])
    for name, source in _DEFINITIONS.items():
        if f"{name}(" in text or f"({name}," in text:
            w.definitions[name] = source
    parameters = {name: kind for name, kind in ROOTS.items() if mentions(text, name)}
    return parameters, [*lines, *body]
