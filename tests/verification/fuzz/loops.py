"""A loop with something carried from iteration to iteration, used inside and after: what an invariant has to get right."""

from __future__ import annotations

from tests.verification.fuzz.types import INT, INTS, STR, STRS, Type, dict_of, list_of, optional
from tests.verification.fuzz.writer import Block, Writer, indented, mentions

PARAMETERS: dict[str, Type] = {
    "xs": INTS,
    "ys": INTS,
    "g": list_of(INTS),
    "os": list_of(optional(INT)),
    "ws": STRS,
    "d": dict_of(STR, INT),
    "s": STR,
    "n": INT,
    "m": INT,
}

FIRST: dict[str, tuple[str, ...]] = {
    "number": (
        "0",
        "1",
        "-1",
        "2",
        "10",
        "n",
        "len(xs)",
        "len(xs) - 1",
        "xs[0] if xs else 0",
        "m",
        "abs(n)",
        "max(n, 1)",
    ),
    "maybe": ("None", "None", "xs[0] if xs else None", "n or None"),
    "list": ("[]", "[1]", "[0]", "xs[:]", "xs", "[n]", "sorted(xs)", "[0] * n"),
    "table": ("{}", "{0: 1}", "{x: 1 for x in xs}"),
    "set": ("set()", "{1}", "set(xs)"),
    "text": ("''", "'a'", "s", "str(n)"),
    "float": ("0.0", "1.0", "float('inf')", "n / 2"),
}
"""What is carried, by its kind."""

HEADS = (
    *(
        "for i in range(n):",
        "for i in range(len(xs)):",
        "for i in range(1, len(xs)):",
        "for i in range(len(xs) - 1):",
        "for i, x in enumerate(xs):",
    ),
    *(
        "for x in xs:",
        "for x, y in zip(xs, ys):",
        "for i, (x, y) in enumerate(zip(xs, ys)):",
        "for x in reversed(xs):",
        "for i in range(n, 0, -1):",
    ),
    *(
        "for k, x in d.items():",
        "for k in d:",
        "for x in os:",
        "for r in g:",
        "for c in s:",
        "for i, c in enumerate(s):",
        "for w in ws:",
        "for i in range(n, m):",
    ),
    *(
        "for i in range(0, n, 2):",
        "for i in range(len(xs) - 1, -1, -1):",
        "for x in sorted(xs):",
        "for x in xs[1:]:",
        "for x in set(xs):",
        "for i in (3, 2, 1, 0):",
    ),
    *(
        "for x in [y for y in xs if y > 0]:",
        "for i in range(-2, 3):",
        "for x in list(d.values()):",
        "for x in xs[::2]:",
        "for r in g: x = len(r);",
    ),
)
WHILES = (
    *(
        "while i < len(xs):",
        "while i < n:",
        "while n > 0:",
        "while n:",
        "while xs:",
        "while i < len(xs) and xs[i] > 0:",
        "while lo < hi:",
        "while v:",
    ),
    *(
        "while len(xs) > 1:",
        "while i < len(s) and s[i] != 'a':",
        "while n != m:",
        "while n > 0 and m > 0:",
        "while True:",
        "while v and i < n:",
        "while lo <= hi:",
    ),
)
STEPS = {
    "i": ("i += 1", "i += 1", "i += 2", "i -= 1"),
    "n": ("n -= 1", "n -= 2", "n //= 2", "n = n - 1 if n > m else 0"),
    "xs": ("xs.pop()", "x = xs.pop(0)"),
}
UPDATES: dict[str, tuple[str, ...]] = {
    "number": (
        *(
            "v += 1",
            "v -= 1",
            "v *= 2",
            "v = -v",
            "v = i",
            "v = x",
            "v = max(v, x)",
            "v = min(v, x)",
            "v += x",
            "v = x - v",
            "v = 0",
            "v = 1",
            "v = v // 2",
        ),
        *(
            "v = v % 3 + 1",
            "v = x or v",
            "v = v or x",
            "v = i - 1",
            "v = i + 1",
            "v = len(xs)",
            "v = v and x",
            "v = x if x > v else v",
            "v = None",
            "v = abs(v)",
        ),
    ),
    "maybe": (
        "v = x",
        "v = None",
        "v = i",
        "v = v or x",
        "v = x if v is None else v",
        "v = max(v, x) if v is not None else x",
        "v = v and None",
        "v = (v or 0) + 1",
    ),
    "list": (
        "v.append(x)",
        "v.append(i)",
        "v.pop()",
        "v = v[1:]",
        "v = []",
        "v = v + [x]",
        "v[0] = x",
        "v.clear()",
        "v = [x]",
        "v = xs",
        "v.append(None)",
        "v.sort()",
        "v.insert(0, i)",
    ),
    "table": (
        "v[x] = i",
        "v[i] = x",
        "v[x] = v.get(x, 0) + 1",
        "v.pop(x, None)",
        "v = {x: 1}",
        "v.clear()",
        "v.setdefault(x, i)",
        "v.update({x: i})",
        "v[k] = x",
        "v = {}",
    ),
    "set": ("v.add(x)", "v.discard(x)", "v = v | {x}", "v = set()", "v.add(i)", "v -= {x}"),
    "text": (
        "v += 'a'",
        "v = v[:-1]",
        "v = str(x)",
        "v = c",
        "v += c",
        "v = v.strip()",
        "v = v.upper()",
        "v = ''",
        "v = c + v",
    ),
    "float": (
        "v += x",
        "v = x / 2",
        "v = min(v, x)",
        "v /= 2",
        "v = v * x",
        "v = 0.0",
        "v -= 0.5",
        "v = max(v, x / 3)",
    ),
}
_NUMBER_USES = (
    *(
        "10 // v",
        "xs[v]",
        "ys[v]",
        "v + 1",
        "10 // (v - i)",
        "10 // (v + 1)",
        "10 // (i - v + 1)",
        "xs[v - 1]",
        "s[v]",
        "r[v]",
        "10 // (v % 3)",
        "xs[-v]",
    ),
    *(
        "assert v >= 0",
        "assert v <= len(xs)",
        "assert v == i",
        "assert v != 3",
        "assert v == len(xs)",
        "10 // (x + v)",
        "[0] * v",
        "assert v <= i + 1",
        "assert v >= x",
    ),
)
USES: dict[str, tuple[str, ...]] = {
    "number": _NUMBER_USES,
    "maybe": ("v + 1", "v < 3", "-v", "assert v is not None", "10 // v", "xs[v]", "v * 2", "[v][0] + 1"),
    "list": (
        "v[0]",
        "v[-1]",
        "10 // len(v)",
        "v.pop()",
        "max(v)",
        "v[i]",
        "xs[len(v) - 1]",
        "ys[len(v)]",
        "sum(v)",
        "assert len(v) <= len(xs)",
        "assert len(v) == i",
        "v[len(xs) - 1]",
        "10 // v[0]",
    ),
    "table": (
        "v[x]",
        "v[i]",
        "v[k]",
        "10 // len(v)",
        "next(iter(v))",
        "max(v)",
        "10 // v[x]",
        "assert x in v",
        "assert len(v) <= len(xs)",
    ),
    "set": ("v.pop()", "min(v)", "10 // len(v)", "v.remove(x)", "assert x in v", "assert len(v) <= len(xs)"),
    "text": ("v[0]", "v[-1]", "10 // len(v)", "v[i]", "int(v)", "ord(v)", "assert len(v) <= len(s)", "v.index('a')"),
    "float": ("10 / v", "int(v)", "assert v >= 0", "assert v == v", "[0] * int(v)"),
    "any": (
        *(
            "xs[i]",
            "ys[i]",
            "xs[i + 1]",
            "xs[i - 1]",
            "10 // i",
            "10 // x",
            "d[k]",
            "s[i]",
            "r[0]",
            "10 // (n - i)",
            "10 // (len(xs) - i)",
            "x + 1",
            "xs[n]",
            "10 // n",
        ),
        *(
            "assert i < len(xs)",
            "ys[len(xs) - 1]",
            "c.upper()[0]",
            "ord(c)",
            "xs.index(x)",
            "10 // len(xs)",
            "max(xs)",
            "ys[i - 1]",
            "assert i < n",
            "xs[-1]",
            "xs[0]",
        ),
    ),
}
JUMPS = ("break", "break", "continue", "return v", "raise ValueError")
TESTS = (
    *(
        "x > 0",
        "i > 2",
        "x == 0",
        "not v",
        "v",
        "i == 1",
        "x in ys",
        "v is None",
        "x is None",
        "i % 2",
        "v == 2",
        "len(xs) > 2",
        "n > 3",
        "c == 'a'",
        "x != 0",
    ),
    *(
        "i >= len(ys)",
        "i + 1 < len(xs)",
        "v in xs",
        "i < len(ys)",
        "True",
        "r",
        "k in d",
        "v is not None",
        "i > 0",
        "isinstance(v, int)",
        "xs",
        "ys",
        "n > 0",
    ),
)
_CARRIED = ("x", "y", "i", "k", "c", "r", "w")
"""Names that a head may bind."""


def looped_alone(w: Writer) -> tuple[dict[str, Type], Block]:
    """The parameters of such a program, and its statements."""
    kind = w.pick("number", "number", "maybe", "list", "table", "set", "text", "float")
    lines = [f"v = {w.pick(*FIRST[kind])}"]
    head, body = _head(w, lines)
    bound = {name for name in _CARRIED if mentions(" ".join([*lines, head, *body]), name)}
    for _ in range(w.pick(1, 1, 2, 2, 3)):
        statement = _fitting(w, UPDATES[kind], bound) if w.odds(0.55) else _used(w, kind, bound)
        body.insert(w.chance.randint(0, len(body)), statement)
    if w.odds(0.5):
        body.insert(w.chance.randint(0, len(body)), f"if {_fitting(w, TESTS, bound)}: {w.pick(*JUMPS)}")
    if w.odds(0.3):
        at = w.chance.randrange(len(body))
        if not body[at].startswith("if"):
            body[at] = f"if {_fitting(w, TESTS, bound)}: {body[at]}"
    lines += [head, *indented(body)]
    if w.odds(0.15):
        lines += ["else:", f"    {w.pick('v = 1', 'v = 0', 'return 0', 'v = None', 'x = 1', 'pass')}"]
    for _ in range(w.pick(0, 1, 1, 2)):
        guard = f"if {_fitting(w, TESTS, bound)}: " if w.odds(0.4) else ""
        lines.append(guard + _used(w, kind, bound))
    text = " ".join(lines)
    return {name: kind for name, kind in PARAMETERS.items() if mentions(text, name)}, lines


def _head(w: Writer, lines: Block) -> tuple[str, Block]:
    """The loop's first line and what its body has to hold; what goes before the loop is added to the lines."""
    if w.odds(0.75):
        head, _, rest = w.pick(*HEADS).partition(":")
        return f"{head}:", [rest.strip().rstrip(";")] if rest else []
    head = w.pick(*WHILES)
    if "lo" in head:
        lines.append("lo, hi = 0, n")
        return head, ["lo += 1"]
    if mentions(head, "i"):
        lines.append("i = 0")
    return head, [w.pick(*STEPS["i" if mentions(head, "i") else "xs" if mentions(head, "xs") else "n"])]


def _fitting(w: Writer, texts: tuple[str, ...], bound: set[str]) -> str:
    """One that speaks of no name that the loop doesn't bind; rarely any."""
    fitting = [text for text in texts if all(name in bound or not mentions(text, name) for name in _CARRIED)]
    return w.pick(*texts) if w.odds(0.04) or not fitting else w.chance.choice(fitting)


def _used(w: Writer, kind: str, bound: set[str]) -> str:
    use = _fitting(w, USES[kind] if w.odds(0.7) else USES["any"], bound)
    return use if use.startswith("assert") else f"u = {use}"
