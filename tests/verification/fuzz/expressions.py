"""Random expressions by type: asked for an int, they give something that is an int, save for a rare slip."""

from __future__ import annotations

from collections.abc import Callable

from tests.verification.fuzz import types
from tests.verification.fuzz.types import BOOL, FLOAT, INT, INTS, NONE, STR, STRS, Type, dict_of, list_of
from tests.verification.fuzz.writer import Writer

Producer = Callable[[Writer, Type, int], "str | None"]
"""Writes an expression of the type with operands of the given depth; None where nothing in scope will do."""

PRODUCERS: dict[str, list[tuple[float, Producer]]] = {}
SLIP = 0.05
"""How often a bold expression is of another type than the one that was asked for."""


def expression(w: Writer, kind: Type, depth: int = 2) -> str:
    """An expression of the type; a constant or a name where the depth is used up."""
    if w.odds(SLIP) and not w.careful():
        kind = types.draw(w.chance, plain=w.plain)
    if depth <= 0:
        return simple(w, kind)
    table = PRODUCERS[kind.name]
    for _ in range(6):
        text = w.weighted(table)(w, kind, depth - 1)
        if text is not None:
            return text
    return simple(w, kind)


def simple(w: Writer, kind: Type) -> str:
    """A name of the type in scope, or a constant."""
    name = w.name(kind)
    return name if name is not None and w.odds(0.75) else constant(w, kind)


def constant(w: Writer, kind: Type) -> str:
    if kind.name == "|":
        return constant(w, w.pick(*kind.arguments))
    if kind.name == "tuple":
        return f"({', '.join(constant(w, part) for part in kind.arguments)})"
    if kind.name == "tuple...":
        return w.pick("()", f"({constant(w, kind.element)},)", f"({constant(w, kind.element)},) * 3")
    if kind.name in ("list", "set", "dict"):
        return _display(w, kind, lambda part: constant(w, part))
    return w.pick(*_CONSTANTS[kind.name])


_CONSTANTS = {
    "int": ("0", "0", "1", "1", "2", "3", "-1", "10"),
    "bool": ("True", "False"),
    "float": ("0.0", "1.0", "0.5", "2.5", "-1.5"),
    "str": ("''", "'a'", "'b'", "'ab'", "','", "' '", "'abc'", "'0'"),
    "None": ("None",),
    "Any": ("0", "None"),
}


def _display(w: Writer, kind: Type, part: Callable[[Type], str]) -> str:
    """A literal container of up to three parts."""
    count = w.pick(0, 1, 2, 2, 3)
    if kind.name == "dict":
        return f"{{{', '.join(f'{part(kind.arguments[0])}: {part(kind.arguments[1])}' for _ in range(count))}}}"
    items = ", ".join(part(kind.element) for _ in range(count))
    return f"[{items}]" if kind.name == "list" else f"{{{items}}}" if items else "set()"


def produces(name: str, weight: float) -> Callable[[Producer], Producer]:
    """Register a producer for the types of that name."""

    def register(producer: Producer) -> Producer:
        PRODUCERS.setdefault(name, []).append((weight, producer))
        return producer

    return register


# --- pieces that several types share


def sized(kind: Type) -> bool:
    return kind.name in ("list", "dict", "set", "str", "tuple...")


def sequence(kind: Type) -> bool:
    return kind.name in ("list", "str", "tuple...")


def iterable_of(element: Type) -> Callable[[Type], bool]:
    """Passes the types whose values yield such elements; a dict yields its keys."""
    return lambda kind: kind.name in ("list", "set", "tuple...", "dict", "str") and kind.element == element


def index(w: Writer, name: str, depth: int) -> str:
    """An index of a sequence: in bounds by construction, off by one, or anything."""
    fitting = [at for at, source in w.indexes.items() if source == name]
    if fitting and (w.odds(0.7) or w.careful()):
        return w.chance.choice(fitting) + ("" if w.careful() else w.pick("", " - 1", " + 1"))
    return w.weighted(
        [
            (3, "0"),
            (3, "-1"),
            (2, f"len({name}) - 1"),
            (1, f"len({name}) // 2"),
            (1, "1"),
            (0.5, "-2"),
            (1.5, expression(w, INT, min(depth, 1))),
            (1, f"{expression(w, INT, 0)} % len({name})"),
        ]
    )


def slice_of(w: Writer) -> str:
    a, b = expression(w, INT, 0), expression(w, INT, 0)
    return w.pick("1:", ":-1", "::-1", ":", f"{a}:", f":{b}", f"{a}:{b}", "::2", "1:-1", f"-{a}:", f"{a}:{b}:2")


def variable(w: Writer, kind: Type, depth: int) -> str | None:
    return w.name(kind)


def conditional(w: Writer, kind: Type, depth: int) -> str:
    return f"({expression(w, kind, depth)} if {expression(w, BOOL, depth)} else {expression(w, kind, depth)})"


def item(w: Writer, kind: Type, depth: int) -> str | None:
    """An item of a list, tuple or dict in scope whose values have the type."""
    name = w.name(lambda held: held.name in ("list", "tuple...", "tuple", "dict") and kind in held.arguments)
    if name is None:
        return None
    held = w.variables[name]
    if held.name == "tuple":
        return f"{name}[{held.arguments.index(kind)}]"
    if held.name != "dict":
        at = index(w, name, depth)
        if name in w.indexes.values() or not w.careful():
            return f"{name}[{at}]"
        return f"({name}[{w.pick('0', '-1')}] if {name} else {constant(w, kind)})"
    key = expression(w, held.arguments[0], min(depth, 1))
    if held.arguments[1] != kind:
        return None
    return f"{name}.get({key}, {constant(w, kind)})" if w.careful() else f"{name}[{key}]"


def nested_item(w: Writer, kind: Type, depth: int) -> str | None:
    """An item of an item: of a row of a grid, of a pair in a list, of a list in a dict."""
    name = w.name(lambda held: held.name in ("list", "dict") and kind in held.arguments[-1].arguments)
    if name is None:
        return None
    outer = w.variables[name]
    inner = outer.arguments[-1]
    at = index(w, name, depth) if outer.name == "list" else expression(w, outer.arguments[0], 0)
    if w.careful() and name not in w.indexes.values():
        return None
    if inner.name == "dict":
        return f"{name}[{at}].get({expression(w, inner.arguments[0], 0)}, {constant(w, kind)})"
    where = str(inner.arguments.index(kind)) if inner.name == "tuple" else w.pick("0", "-1", expression(w, INT, 0))
    return f"{name}[{at}][{where}]"


def helper_call(w: Writer, kind: Type, depth: int) -> str | None:
    found = [name for name, (_, result) in w.helpers.items() if result == kind]
    if not found:
        return None
    name = w.chance.choice(found)
    return f"{name}({', '.join(expression(w, part, depth) for part in w.helpers[name][0])})"


def narrowed(w: Writer, kind: Type, depth: int) -> str | None:
    """A value of a union in scope, made to be of the type by a test or a default."""
    name = w.name(lambda held: held.name == "|" and kind in held.arguments)
    if name is None:
        return None
    other = constant(w, kind)
    forms = [f"({name} if isinstance({name}, {kind.name}) else {other})"]
    if NONE in w.variables[name].arguments:
        forms += [f"({name} if {name} is not None else {other})", f"({name} or {other})"]
    return w.pick(*forms) if w.careful() else name


def walrus(w: Writer, kind: Type, depth: int) -> str:
    """Binds a name for later statements to stumble on; it isn't put in scope, as the text may be thrown away."""
    return f"({w.fresh(kind)} := {expression(w, kind, depth)})"


def loop_clause(w: Writer, depth: int) -> str:
    """`for x in xs` of a comprehension, with what it binds in scope, and at times a filter or a second loop."""
    text = f"for {source_and_target(w, depth)}"
    if w.odds(0.15):
        text += f" for {source_and_target(w, depth)}"
    if w.odds(0.4):
        text += f" if {expression(w, BOOL, depth)}"
    return text


def source_and_target(w: Writer, depth: int) -> str:
    """`x in xs`, `i, x in enumerate(xs)`, `k, v in d.items()`; the targets are bound from here on."""
    name = w.name(sized)
    if name is None or w.odds(0.2):
        bound = expression(w, INT, min(depth, 1))
        target = w.pick("i", "j", "k")
        text = w.pick(f"range({bound})", f"range({bound})", f"range(1, {bound})", f"range({bound}, 0, -1)")
        w.bind(target, INT)
        return f"{target} in {text}"
    kind = w.variables[name]
    if kind.name == "dict":
        return _dict_loop(w, name, kind)
    style = w.chance.random()
    if style < 0.2 and sequence(kind):
        target = w.bind(w.pick("i", "j"), INT)
        w.indexes[target] = name
        return f"{target} in range(len({name}))"
    if style < 0.35:
        return _enumerated(w, name, kind)
    if kind.element.name == "tuple" and style < 0.8:
        targets = [w.bind(f"{part.name[0]}{at}", part) for at, part in enumerate(kind.element.arguments)]
        return f"{', '.join(targets)} in {name}"
    if style < 0.45 and sequence(kind):
        other = w.name(lambda held: sequence(held) and held.element == kind.element) or name
        text = f"{{}}, {{}} in zip({name}, {w.pick(other, f'{name}[1:]')})"
        return text.format(w.bind("p", kind.element), w.bind("q", kind.element))
    order = w.pick(name, name, name, f"reversed({name})" if sequence(kind) else name, f"list({name})", f"{name}[1:]")
    if kind.name == "set" and order.endswith("[1:]"):
        order = f"sorted({name})"
    return f"{w.bind(w.pick('x', 'y', 'item', 'e'), kind.element)} in {order}"


def _dict_loop(w: Writer, name: str, kind: Type) -> str:
    key, value = kind.arguments
    if w.odds(0.5):
        return f"{w.bind('k', key)}, {w.bind('v', value)} in {name}.items()"
    if w.odds(0.3):
        return f"{w.bind('v', value)} in {name}.values()"
    return f"{w.bind('k', key)} in {w.pick(name, f'list({name})', f'{name}.keys()', f'sorted({name})')}"


def _enumerated(w: Writer, name: str, kind: Type) -> str:
    at = w.bind(w.pick("i", "j"), INT)
    target = w.bind("x", kind.element)
    if w.odds(0.15):
        return f"{at}, {target} in enumerate({name}, 1)"
    if sequence(kind):
        w.indexes[at] = name
    return f"{at}, {target} in enumerate({name})"


def comprehended(w: Writer, element: Type, depth: int) -> str:
    """The inside of a comprehension that yields such elements."""
    with w.inner_scope():
        clause = loop_clause(w, min(depth, 1))
        return f"{expression(w, element, depth)} {clause}"


for _name in ("int", "bool", "float", "str", "list", "set", "dict", "tuple", "tuple...", "|", "None", "Any"):
    produces(_name, 6)(variable)
    produces(_name, 0.8)(conditional)
    produces(_name, 1.5)(helper_call)
    produces(_name, 0.3)(walrus)
    produces(_name, 2)(item)
    produces(_name, 1.5)(nested_item)
    produces(_name, 1.5)(narrowed)
    produces(_name, 0.5)(lambda w, kind, depth: constant(w, kind))


# --- int


@produces("int", 6)
def _arithmetic(w: Writer, kind: Type, depth: int) -> str:
    return f"({expression(w, INT, depth)} {w.pick('+', '-', '+', '-', '*')} {expression(w, INT, depth)})"


@produces("int", 2)
def _divided(w: Writer, kind: Type, depth: int) -> str:
    right = w.pick("2", "3", "10", "-2") if w.careful() else expression(w, INT, depth)
    return f"({expression(w, INT, depth)} {w.pick('//', '%')} {right})"


@produces("int", 4)
def _length(w: Writer, kind: Type, depth: int) -> str | None:
    name = w.name(sized)
    return None if name is None else f"len({name})"


@produces("int", 2)
def _of_two(w: Writer, kind: Type, depth: int) -> str:
    a, b = expression(w, INT, depth), expression(w, INT, depth)
    return w.pick(f"max({a}, {b})", f"min({a}, {b})", f"abs({a})", f"-{a}", f"max({a}, {b}, 1)", f"abs({a} - {b})")


@produces("int", 3)
def _of_ints(w: Writer, kind: Type, depth: int) -> str | None:
    name = w.name(iterable_of(INT))
    if name is None:
        return f"sum({expression(w, INTS, depth)})"
    return w.weighted(
        [
            (3, f"sum({name})"),
            (0.7, f"(max({name}) if {name} else 0)" if w.careful() else f"max({name})"),
            (0.7, f"(min({name}) if {name} else 0)" if w.careful() else f"min({name})"),
            (1, f"max({name}, default={constant(w, INT)})"),
            (0.5, f"min({name}, key=lambda e: abs(e), default=0)"),
            (0.6, f"next(iter({name}), 0)"),
            (0.5, f"len(set({name}))"),
            (0.5, f"sum({name}[:{expression(w, INT, 0)}])" if w.variables[name].name == "list" else "0"),
        ]
    )


@produces("int", 2)
def _of_generator(w: Writer, kind: Type, depth: int) -> str:
    inside = comprehended(w, INT, depth)
    return w.pick(f"sum({inside})", f"sum({inside})", f"max(({inside}), default=0)", f"next(({inside}), -1)")


@produces("int", 1)
def _of_text(w: Writer, kind: Type, depth: int) -> str:
    text, part = expression(w, STR, depth), constant(w, STR)
    risk = 0.0 if w.careful() else 2.0
    return w.weighted(
        [
            (2, f"{text}.count({part})"),
            (2, f"{text}.find({part})"),
            (1, f"len({text})"),
            (risk, f"ord({text})"),
            (risk, f"int({text})"),
            (risk, f"{text}.index({part})"),
            (0.5, f"(int({text}) if {text}.isdigit() else 0)"),
            (0.4, f"sum(ord(e) for e in {text})"),
            (0.4, f"len({text}.split())"),
        ]
    )


@produces("int", 1)
def _numeric(w: Writer, kind: Type, depth: int) -> str:
    a, b, number = expression(w, INT, depth), expression(w, INT, depth), expression(w, FLOAT, depth)
    form, module = w.pick(
        (f"({a} & {b})", ""),
        (f"({a} ^ {b})", ""),
        (f"({a} | 1)", ""),
        (f"({a} >> 1)", ""),
        (f"(1 << ({a} % 8))", ""),
        (f"{a} ** 2", ""),
        (f"pow({a}, 2, 7)", ""),
        (f"divmod({a}, 3)[1]", ""),
        (f"~{a}", ""),
        (f"int({number})", ""),
        (f"round({number})", ""),
        (f"int({expression(w, BOOL, depth)})", ""),
        (f"({expression(w, BOOL, depth)}) + 1", ""),
        (f"math.gcd({a}, {b})", "math"),
        (f"math.floor({number})", "math"),
        (f"math.isqrt(abs({a}))", "math"),
        (f"({a}).bit_length()", ""),
    )
    if module:
        w.uses(module)
    return f"({form})" if form.endswith("+ 1") else form


@produces("int", 0.8)
def _of_library(w: Writer, kind: Type, depth: int) -> str | None:
    name = w.name(INTS)
    if name is None:
        return None
    value = expression(w, INT, 0)
    safe = (
        (f"bisect.bisect_left({name}, {value})", "bisect"),
        (f"functools.reduce(lambda p, q: p + q, {name}, 0)", "functools"),
        (f"collections.Counter({name})[{value}]", "collections"),
        (f"{name}.count({value})", ""),
        (f"sum(map(abs, {name}))", ""),
        (f"sum(itertools.accumulate({name}))", "itertools"),
        (f"len(list(itertools.combinations({name}, 2)))", "itertools"),
        (f"math.prod({name})", "math"),
    )
    risky = (
        (f"functools.reduce(lambda p, q: p * q, {name})", "functools"),
        (f"{name}.index({value})", ""),
        (f"{name}.pop()", ""),
        (f"sorted({name})[0]", ""),
    )
    form, module = w.chance.choice(safe if w.careful() else risky)
    if module:
        w.uses(module)
    return form


# --- bool

_ORDER = ("<", "<=", ">", ">=", "==", "!=")


@produces("bool", 8)
def _compared(w: Writer, kind: Type, depth: int) -> str:
    a, b = expression(w, INT, depth), expression(w, INT, depth)
    if w.odds(0.15):
        return f"{expression(w, INT, 0)} {w.pick('<', '<=')} {a} {w.pick('<', '<=', '>')} {b}"
    return f"{a} {w.pick(*_ORDER)} {b}"


@produces("bool", 3)
def _connected(w: Writer, kind: Type, depth: int) -> str:
    a, b = expression(w, BOOL, depth), expression(w, BOOL, depth)
    return w.pick(f"({a} and {b})", f"({a} or {b})", f"not ({a})")


@produces("bool", 3)
def _membership(w: Writer, kind: Type, depth: int) -> str | None:
    name = w.name(lambda held: sized(held) and held.name != "str")
    if name is None:
        return f"{constant(w, STR)} in {expression(w, STR, depth)}"
    held = w.variables[name]
    return f"{expression(w, held.element, min(depth, 1))} {w.pick('in', 'in', 'not in')} {name}"


@produces("bool", 2)
def _truth(w: Writer, kind: Type, depth: int) -> str | None:
    name = w.name(sized)
    return None if name is None else w.pick(f"bool({name})", f"not {name}", f"len({name}) > 0", f"len({name}) == 1")


@produces("bool", 2)
def _about_text(w: Writer, kind: Type, depth: int) -> str:
    text = expression(w, STR, depth)
    method = w.pick("isdigit", "isalpha", "isupper", "isspace", "isalnum")
    other = expression(w, STR, 0)
    return w.pick(f"{text} == {other}", f"{text}.startswith({other})", f"{text}.{method}()", f"{text} < {other}")


@produces("bool", 1)
def _about_class(w: Writer, kind: Type, depth: int) -> str | None:
    name = w.name(lambda held: held.name == "|")
    if name is None:
        return None
    return w.pick(f"{name} is None", f"{name} is not None", f"isinstance({name}, {w.pick('int', 'str', 'list')})")


@produces("bool", 1.5)
def _quantified(w: Writer, kind: Type, depth: int) -> str:
    return f"{w.pick('any', 'all')}({comprehended(w, BOOL, depth)})"


@produces("bool", 1)
def _compared_floats(w: Writer, kind: Type, depth: int) -> str:
    return f"{expression(w, FLOAT, depth)} {w.pick(*_ORDER)} {expression(w, FLOAT, 0)}"


# --- float


@produces("float", 5)
def _float_arithmetic(w: Writer, kind: Type, depth: int) -> str:
    a, b = expression(w, FLOAT, depth), expression(w, w.pick(FLOAT, INT), depth)
    divisor = w.pick("2", "10") if w.careful() else b
    return w.pick(f"({a} + {b})", f"({a} - {b})", f"({a} * {b})", f"{a} / {divisor}", f"abs({a})")


@produces("float", 3)
def _ratio(w: Writer, kind: Type, depth: int) -> str | None:
    name = w.name(INTS) or w.name(list_of(FLOAT))
    if name is None:
        return f"({expression(w, INT, depth)} / {'4' if w.careful() else expression(w, INT, 0)})"
    return f"(sum({name}) / len({name}) if {name} else 0.0)" if w.careful() else f"(sum({name}) / len({name}))"


@produces("float", 2)
def _float_functions(w: Writer, kind: Type, depth: int) -> str:
    a, whole = expression(w, FLOAT, depth), expression(w, INT, depth)
    w.uses("math")
    return w.pick(
        *(f"math.sqrt(abs({a}))", f"float({whole})", f"round({a}, 2)", f"max({a}, 0.0)"),
        *(f"math.log(abs({a}) + 1)", f"{a} ** 2", f"math.exp(-abs({a}))", f"min({a}, {whole})", f"{a} % 2.0"),
    )


# --- str


@produces("str", 4)
def _text_of(w: Writer, kind: Type, depth: int) -> str:
    text = expression(w, STR, depth)
    part = constant(w, STR)
    return w.pick(
        *(f"({text} + {expression(w, STR, depth)})", f"{text}.strip()", f"{text}.lower()", f"{text}.upper()"),
        *(
            f"{text}.replace({part}, {constant(w, STR)})",
            f"{text}[{slice_of(w)}]",
            f"({text} * {expression(w, INT, 0)})",
        ),
        *(f"{text}.rstrip({part})", f"{text}.title()", f"{text}.zfill(3)", f"{text}.join([{part}, {part}])"),
    )


@produces("str", 2)
def _character(w: Writer, kind: Type, depth: int) -> str | None:
    name = w.name(STR)
    if name is None:
        return None
    at = index(w, name, depth)
    return f"{name}[:1]" if w.careful() and name not in w.indexes.values() else f"{name}[{at}]"


@produces("str", 3)
def _formatted(w: Writer, kind: Type, depth: int) -> str:
    value = expression(w, w.pick(INT, STR, BOOL), min(depth, 1)).replace("'", '"')
    number = expression(w, FLOAT, 0)
    return w.pick(
        *(f"f'{{{value}}}'", f"f'<{{{value}}}>'", f"str({value})", f"f'{{{number}:.2f}}'", f"f'{{{value}!r:>5}}'"),
        *(f"'%s' % ({value},)", f"'{{}}-{{}}'.format({value}, 1)", f"chr({expression(w, INT, 0)} % 26 + 97)"),
    )


@produces("str", 2)
def _joined(w: Writer, kind: Type, depth: int) -> str:
    return f"{w.pick(chr(39) * 2, repr(','))}.join({w.pick(expression(w, STRS, depth), comprehended(w, STR, depth))})"


# --- containers


@produces("list", 3)
@produces("set", 3)
@produces("dict", 3)
def _displayed(w: Writer, kind: Type, depth: int) -> str:
    return _display(w, kind, lambda part: expression(w, part, depth))


@produces("tuple", 6)
def _paired(w: Writer, kind: Type, depth: int) -> str:
    return f"({', '.join(expression(w, part, depth) for part in kind.arguments)})"


@produces("tuple...", 5)
def _many(w: Writer, kind: Type, depth: int) -> str:
    return f"tuple({expression(w, list_of(kind.element), depth)})"


@produces("list", 5)
def _list_of_list(w: Writer, kind: Type, depth: int) -> str:
    xs, more = expression(w, kind, depth), expression(w, kind, depth)
    element = expression(w, kind.element, depth)
    forms = [f"{xs}[{slice_of(w)}]", f"({xs} + {more})", f"list({xs})", f"[*{xs}, {element}]", f"{xs}.copy()"]
    forms += [f"({xs} or {more})", f"([{element}] * {expression(w, INT, 0)})", f"list(reversed({xs}))"]
    if kind.element.name in ("int", "str", "float", "tuple", "list"):
        forms += [f"sorted({xs})", f"sorted({xs}, reverse=True)", f"sorted(set({xs}))"]
        keys = {"int": ("-e", "abs(e)", "e % 3"), "tuple": ("e[0]", "e[1]", "(e[1], e[0])")}.get(
            kind.element.name, ("e",)
        )
        key = w.pick(*keys) if w.careful() else w.pick("-e", "e[0]", "len(e)")
        forms += [f"sorted({xs}, key=lambda e: {key})"]
    if kind.element.name == "list":
        forms += [f"[row[:] for row in {xs}]", f"([{constant(w, kind.element)}] * 2)"]
    return w.chance.choice(forms)


@produces("list", 4)
def _list_comprehension(w: Writer, kind: Type, depth: int) -> str:
    return f"[{comprehended(w, kind.element, depth)}]"


@produces("list", 2)
def _list_from(w: Writer, kind: Type, depth: int) -> str | None:
    if kind == INTS:
        return w.pick(f"list(range({expression(w, INT, depth)}))", f"([0] * {expression(w, INT, depth)})")
    if kind == STRS:
        text = expression(w, STR, depth)
        return w.pick(
            f"{text}.split()", f"{text}.split(',')", f"list({text})", f"list(map(str, {expression(w, INTS, 0)}))"
        )
    name = w.name(lambda held: held.name in ("set", "dict", "tuple...") and kind.element in held.arguments)
    if name is None:
        return None
    held = w.variables[name]
    if held.name == "dict" and held.arguments[0] != kind.element:
        return f"list({name}.values())"
    return w.pick(f"list({name})", f"sorted({name})")


@produces("set", 3)
def _set_of(w: Writer, kind: Type, depth: int) -> str:
    other = expression(w, kind, depth)
    return w.pick(
        *(f"set({expression(w, list_of(kind.element), depth)})", f"{{{comprehended(w, kind.element, depth)}}}"),
        *(f"({expression(w, kind, depth)} {w.pick('&', '|', '-')} {other})", f"set({other})"),
    )


@produces("dict", 3)
def _dict_of(w: Writer, kind: Type, depth: int) -> str:
    key, value = kind.arguments
    with w.inner_scope():
        clause = loop_clause(w, min(depth, 1))
        comprehension = f"{{{expression(w, key, depth)}: {expression(w, value, depth)} {clause}}}"
    held = expression(w, dict_of(key, value), depth)
    keys = expression(w, list_of(key), depth)
    return w.pick(
        comprehension, comprehension, f"dict({held})", f"{{**{held}}}", f"dict.fromkeys({keys}, {constant(w, value)})"
    )


@produces("|", 6)
def _one_of(w: Writer, kind: Type, depth: int) -> str:
    return expression(w, w.pick(*kind.arguments), depth)


@produces("|", 3)
def _looked_up(w: Writer, kind: Type, depth: int) -> str | None:
    if NONE not in kind.arguments:
        return None
    inner = kind.arguments[0]
    name = w.name(lambda held: held.name == "dict" and held.arguments[1] == inner)
    if name is not None and w.odds(0.7):
        return f"{name}.get({expression(w, w.variables[name].arguments[0], 0)})"
    inside = comprehended(w, inner, depth)
    return w.pick(f"next(({inside}), None)", f"max([{inside}], default=None)")
