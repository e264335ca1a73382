"""Random statements: assignments of every kind, changes in place, branches, loops, exceptions, nested functions."""

from __future__ import annotations

from collections.abc import Callable

from tests.verification.fuzz import types
from tests.verification.fuzz.expressions import (
    constant,
    expression,
    index,
    sequence,
    sized,
    slice_of,
    source_and_target,
)
from tests.verification.fuzz.types import BOOL, FLOAT, INT, INTS, NONE, STR, Type, list_of, optional
from tests.verification.fuzz.writer import Block, Writer, indented

Statement = Callable[[Writer, int], "Block | None"]
"""Writes a statement with blocks nested up to the given depth; None where nothing in scope will do."""

STATEMENTS: list[tuple[float, Statement]] = []
PLAIN: list[tuple[float, Statement]] = []
"""Those of the simplest programs."""

ERRORS = ("ZeroDivisionError", "IndexError", "KeyError", "ValueError", "TypeError", "LookupError", "Exception")


def block(w: Writer, depth: int, most: int = 3) -> Block:
    """One to a few statements."""
    lines: Block = []
    for _ in range(w.chance.randint(1, most)):
        lines += statement(w, depth)
    return lines


def statement(w: Writer, depth: int) -> Block:
    if w.budget <= 0:
        return []
    w.budget -= 1
    for _ in range(8):
        lines = w.weighted(PLAIN if w.plain else STATEMENTS)(w, depth)
        if lines is not None:
            return lines
    return []


def writes(weight: float, *, plain: float = 0.0) -> Callable[[Statement], Statement]:
    """Register a statement with its weight, and the one that it has in the simplest programs."""

    def register(function: Statement) -> Statement:
        STATEMENTS.append((weight, function))
        PLAIN.append((plain, function))
        return function

    return register


def mutable(kind: Type) -> bool:
    return kind.name in ("list", "dict", "set")


# --- assignments


@writes(10, plain=2)
def _assign(w: Writer, depth: int) -> Block:
    kind = types.draw(w.chance, plain=w.plain) if w.odds(0.4) else w.pick(INT, INT, INT, INTS, STR, BOOL, FLOAT)
    value = expression(w, kind)
    name = w.bind(w.fresh(kind), kind)
    return [f"{name}: {kind} = {value}" if w.odds(0.15) else f"{name} = {value}"]


@writes(6, plain=2)
def _augmented(w: Writer, depth: int) -> Block | None:
    name = w.name(lambda kind: kind.name in ("int", "str", "list", "float", "set"))
    if name is None:
        return None
    kind = w.variables[name]
    operators = {"int": ("+=", "-=", "*=", "//=", "%="), "str": ("+=",), "list": ("+=",), "set": ("|=", "-=", "&=")}
    operator = w.pick("+=", "+=", *operators.get(kind.name, ("+=", "-=", "*="))) if kind.name != "set" else "|="
    value = expression(w, kind, 1)
    if operator in ("//=", "%=") and w.careful():
        value = w.pick("2", "3", "10")
    return [f"{name} {operator} {value}"]


@writes(2, plain=0.5)
def _alias(w: Writer, depth: int) -> Block | None:
    """A second name for a container, or for a part of one."""
    name = w.name(mutable)
    if name is None:
        return None
    kind = w.variables[name]
    if kind.arguments and mutable(kind.arguments[-1]) and w.odds(0.6):
        inner = kind.arguments[-1]
        at = index(w, name, 0) if kind.name == "list" else expression(w, kind.arguments[0], 0)
        guard = f"{at} in {name}" if kind.name == "dict" else f"len({name}) > {at} >= 0"
        part = w.fresh(inner)
        value = f"{name}[{at}] if {guard} else {constant(w, inner)}" if w.careful() else f"{name}[{at}]"
        return [f"{w.bind(part, inner)} = {value}"]
    other = w.fresh(kind)
    w.bind(other, kind)
    return [f"{other} = {name}"] if w.odds(0.7) else [f"{other} = {name} or {constant(w, kind)}"]


@writes(2)
def _unpacked(w: Writer, depth: int) -> Block | None:
    name = w.name(lambda kind: kind.name in ("list", "tuple", "tuple...") and bool(kind.arguments))
    if name is None or w.odds(0.4):
        first, second = expression(w, INT, 1), expression(w, INT, 1)
        a, b = w.fresh(INT), w.fresh(INT)
        w.bind(a, INT)
        w.bind(b, INT)
        return [f"{a}, {b} = {first}, {second}"]
    kind = w.variables[name]
    if kind.name == "tuple":
        targets = [w.bind(w.fresh(part), part) for part in kind.arguments]
        return [f"{', '.join(targets)} = {name}"]
    head, rest = w.bind(w.fresh(kind.element), kind.element), w.fresh(list_of(kind.element))
    if w.careful() or w.odds(0.6):
        w.bind(rest, list_of(kind.element))
        source = f"{name} or [{constant(w, kind.element)}]" if w.careful() else name
        return [w.pick(f"{head}, *{rest} = {source}", f"*{rest}, {head} = {source}")]
    return [f"{head}, {w.bind('second', kind.element)} = {name}"]


@writes(1)
def _chained(w: Writer, depth: int) -> Block:
    kind = w.pick(INT, INTS, list_of(STR))
    value = expression(w, kind, 1)
    a, b = w.fresh(kind), w.fresh(kind)
    return [f"{w.bind(a, kind)} = {w.bind(b, kind)} = {value}"]


@writes(1)
def _swapped(w: Writer, depth: int) -> Block | None:
    name = w.name(lambda kind: kind.name == "list")
    if name is not None and (name in w.indexes.values() or not w.careful()):
        i, j = index(w, name, 0), index(w, name, 0)
        return [f"{name}[{i}], {name}[{j}] = {name}[{j}], {name}[{i}]"]
    found = w.names(INT)
    if len(found) < 2:
        return None
    a, b = w.chance.sample(found, 2)
    return [f"{a}, {b} = {b}, {a}"]


@writes(0.6)
def _rows(w: Writer, depth: int) -> Block:
    """A grid whose rows may be one list."""
    n, m = expression(w, INT, 0), expression(w, INT, 0)
    name = w.bind(w.fresh(list_of(INTS)), list_of(INTS))
    return [f"{name} = " + w.pick(f"[[0] * {n}] * {m}", f"[[0] * {n} for _ in range({m})]", f"[[]] * {m}")]


@writes(0.6)
def _deleted(w: Writer, depth: int) -> Block | None:
    name = w.name(lambda kind: kind.name in ("list", "dict"))
    if name is None:
        return None
    kind = w.variables[name]
    if kind.name == "dict":
        key = expression(w, kind.arguments[0], 0)
        return [f"if {key} in {name}:", f"    del {name}[{key}]"] if w.careful() else [f"del {name}[{key}]"]
    return [f"del {name}[{slice_of(w) if w.careful() else index(w, name, 0)}]"]


# --- changes in place


@writes(5, plain=1)
def _list_change(w: Writer, depth: int) -> Block | None:
    name = w.name(lambda kind: kind.name == "list")
    if name is None:
        return None
    element = w.variables[name].element
    value, at = expression(w, element, 1), index(w, name, 1)
    risk = 0.0 if w.careful() else 5.0
    reach = 3.0 if name in w.indexes.values() else risk
    return [
        w.weighted(
            [
                (6, f"{name}.append({value})"),
                (reach, f"{name}[{at}] = {value}"),
                (reach, f"{name}[{at}] {'+=' if element.name in ('int', 'str', 'list') else '='} {value}"),
                (risk, f"{name}.pop()"),
                (risk, f"{name}.pop({at})"),
                (1, f"{name}.insert({expression(w, INT, 0)}, {value})"),
                (1, f"{name}.extend({expression(w, w.variables[name], 1)})"),
                (0.7 if element.name in ("int", "str", "float", "tuple") else risk, f"{name}.sort()"),
                (0.5, f"{name}.reverse()"),
                (risk, f"{name}.remove({value})"),
                (0.4, f"{name}.clear()"),
                (0.8, f"{name}[{slice_of(w)}] = {expression(w, w.variables[name], 1)}"),
            ]
        )
    ]


@writes(4)
def _dict_change(w: Writer, depth: int) -> Block | None:
    name = w.name(lambda kind: kind.name == "dict")
    if name is None:
        return None
    key_type, value_type = w.variables[name].arguments
    key, value = expression(w, key_type, 1), expression(w, value_type, 1)
    lines = [f"{name}[{key}] = {value}", f"{name}.setdefault({key}, {value})", f"{name}.pop({key}, None)"]
    lines += [f"{name}.update({{{key}: {value}}})", f"{name}.clear()"]
    if not w.careful():
        lines += [f"{name}.pop({key})", f"{name}.popitem()", f"{name}[{key}] += {value}"]
    if value_type == INT:
        lines += [f"{name}[{key}] = {name}.get({key}, 0) + 1"]
    if value_type.name == "list":
        lines += [f"{name}.setdefault({key}, []).append({expression(w, value_type.element, 1)})"] * 2
    return [w.chance.choice(lines)]


@writes(1.5)
def _set_change(w: Writer, depth: int) -> Block | None:
    name = w.name(lambda kind: kind.name == "set")
    if name is None:
        return None
    value = expression(w, w.variables[name].element, 1)
    risky = () if w.careful() else (f"{name}.remove({value})", f"{name}.pop()")
    return [w.pick(f"{name}.add({value})", f"{name}.add({value})", f"{name}.discard({value})", *risky)]


@writes(0.8)
def _grid_change(w: Writer, depth: int) -> Block | None:
    name = w.name(lambda kind: kind.name in ("list", "dict") and kind.arguments[-1].name == "list")
    if name is None:
        return None
    kind = w.variables[name]
    at = index(w, name, 0) if kind.name == "list" else expression(w, kind.arguments[0], 0)
    value = expression(w, kind.arguments[-1].element, 1)
    change = w.pick(f"{name}[{at}].append({value})", f"{name}[{at}].insert(0, {value})", f"{name}[{at}].clear()")
    if w.careful() and kind.name == "dict":
        return [f"if {at} in {name}:", f"    {change}"]
    return (
        [change] if name in w.indexes.values() or not w.careful() else [f"if len({name}) > {at} >= 0:", f"    {change}"]
    )


# --- branches


@writes(6, plain=2)
def _if(w: Writer, depth: int) -> Block | None:
    if depth <= 0:
        return None
    lines = [f"if {expression(w, BOOL)}:"]
    with w.inner_scope(leaks=w.boldness):
        lines += indented(block(w, depth - 1))
    if w.odds(0.25):
        lines.append(f"elif {expression(w, BOOL)}:")
        with w.inner_scope(leaks=w.boldness):
            lines += indented(block(w, depth - 1, 2))
    if w.odds(0.4):
        lines.append("else:")
        with w.inner_scope(leaks=w.boldness):
            lines += indented(block(w, depth - 1, 2))
    return lines


@writes(1, plain=1)
def _bound_both_ways(w: Writer, depth: int) -> Block:
    kind = w.pick(INT, INTS, STR, optional(INT))
    test, one, other = expression(w, BOOL), expression(w, kind), expression(w, kind)
    name = w.bind(w.fresh(kind), kind)
    return [f"if {test}:", f"    {name} = {one}", "else:", f"    {name} = {other}"]


@writes(1.5, plain=1)
def _early_exit(w: Writer, depth: int) -> Block:
    test = expression(w, BOOL)
    return [f"if {test}:", f"    return {expression(w, w.result, 1)}"]


@writes(0.7)
def _raise(w: Writer, depth: int) -> Block | None:
    if w.careful() and w.odds(0.7):
        return None
    error = w.pick("ValueError('bad')", "KeyError", "IndexError()", "TypeError('t')", "RuntimeError('r')")
    return [f"if {expression(w, BOOL)}:", f"    raise {error}"]


@writes(1.5, plain=1)
def _assert(w: Writer, depth: int) -> Block | None:
    """A claim that is often true: about lengths, signs and what was just tested."""
    name, number = w.name(sized), w.name(INT)
    if name is None or number is None:
        return None
    claims = [
        f"len({name}) >= 0",
        f"{number} * {number} >= 0",
        f"{number} - {number} == 0",
        f"{number} <= abs({number})",
    ]
    claims += [f"not {name} or len({name}) > 0", f"sum(1 for _ in {name}) == len({name})"]
    if not w.careful():
        claims += [expression(w, BOOL), f"{number} >= 0", f"len({name}) > 0"] * 3
    return [f"assert {w.chance.choice(claims)}"]


@writes(0.5)
def _match(w: Writer, depth: int) -> Block | None:
    name = w.name(lambda kind: kind.name in ("int", "str", "list", "|", "tuple"))
    if name is None or depth <= 0:
        return None
    kind = w.variables[name]
    pattern = w.pick("0", "1 | 2", "[]", "[first]", "[first, *others]", "int()", "str()", "None", "(a, b)", "'a'")
    value = w.fresh(INT)
    lines = [f"match {name}:", f"    case {pattern}:", f"        {value} = {expression(w, INT, 1)}"]
    if "first" in pattern and kind.name == "list":
        lines[-1] = f"        {value} = {w.pick('first', 'len(' + name + ')') if kind.element == INT else '1'}"
    lines += ["    case _:", f"        {value if w.careful() else 'unmatched'} = {constant(w, INT)}"]
    w.bind(value, INT)
    return lines


@writes(2, plain=0.5)
def _try(w: Writer, depth: int) -> Block | None:
    if depth <= 0:
        return None
    caught = w.pick(*ERRORS, "(ZeroDivisionError, IndexError)", "(KeyError, ValueError) as e", "IndexError as e", "")
    lines = ["try:"]
    with w.inner_scope(leaks=w.boldness):
        lines += indented(block(w, depth - 1))
        lines += [f"except {caught}:" if caught else "except:"]
        ending = w.pick(["pass"], None, [f"return {constant(w, w.result)}"])
        lines += indented(block(w, depth - 1, 1) if ending is None else ending)
        if w.odds(0.2):
            lines += ["else:", *indented(block(w, depth - 1, 1))]
        if w.odds(0.2):
            lines += ["finally:", *indented(block(w, depth - 1, 1))]
    return lines


# --- loops


@writes(6, plain=1)
def _for(w: Writer, depth: int) -> Block | None:
    if depth <= 0:
        return None
    with w.inner_scope(leaks=w.boldness):
        accumulator = _accumulator(w)
        lines = [f"for {source_and_target(w, 1)}:"]
        w.in_loop += 1
        lines += indented(_loop_body(w, depth) + accumulator[1])
        w.in_loop -= 1
    for line in accumulator[0]:
        w.bind(line.split(" = ")[0], INT if line.endswith("0") else INTS)
    if w.odds(0.12):
        lines += ["else:", *indented(block(w, depth - 1, 1))]
    return [*accumulator[0], *lines]


def _accumulator(w: Writer) -> tuple[Block, Block]:
    """What goes before a loop and at the end of its body; its value is written where the loop's names are known."""
    if w.odds(0.5):
        return [], []
    if w.odds(0.5):
        name = w.bind(w.fresh(INT), INT)
        return [f"{name} = 0"], [w.pick(f"{name} += 1", f"{name} += {expression(w, INT, 1)}")]
    name = w.bind(w.fresh(INTS), INTS)
    return [f"{name} = []"], [f"{name}.append({expression(w, INT, 1)})"]


def _loop_body(w: Writer, depth: int) -> Block:
    lines = block(w, depth - 1)
    if w.odds(0.3):
        lines += [f"if {expression(w, BOOL, 1)}:", f"    {w.pick('break', 'break', 'continue')}"]
        if w.odds(0.5):
            lines += block(w, depth - 1, 1)
    return lines


@writes(3, plain=0.5)
def _counting_while(w: Writer, depth: int) -> Block | None:
    """A counter that goes up or down; now and then one that doesn't."""
    if depth <= 0:
        return None
    name = w.name(sequence)
    counter = w.pick("i", "n", "left", "pos")
    if name is not None and w.odds(0.6):
        upwards = w.odds(0.7)
        head = [f"{counter} = {w.pick('0', '0', '1') if upwards else f'len({name}) - 1'}"]
        test = w.pick(f"{counter} < len({name})", f"{counter} < len({name}) - 1") if upwards else f"{counter} >= 0"
        w.indexes[w.bind(counter, INT)] = name
    else:
        head = [f"{counter} = {expression(w, INT, 1)}"]
        upwards = w.odds(0.4)
        w.bind(counter, INT)
        test = f"{counter} < {expression(w, INT, 0)}" if upwards else f"{counter} {w.pick('>', '>=', '>', '!=')} 0"
    if w.odds(0.3):
        test += f" and {expression(w, BOOL, 1)}"
    with w.inner_scope(leaks=w.boldness):
        w.in_loop += 1
        lines = block(w, depth - 1)
        w.in_loop -= 1
    step = f"{counter} {'+=' if upwards else '-='} {w.pick('1', '1', '1', '2')}"
    if not upwards and w.odds(0.25):
        step = f"{counter} //= 2"
    lines = [step, *lines] if w.odds(0.2) else [*lines, step]
    return [*head, f"while {test}:", *indented(lines)]


@writes(1.5)
def _worklist(w: Writer, depth: int) -> Block | None:
    name = w.name(lambda kind: kind.name == "list")
    if name is None or depth <= 0:
        return None
    target = w.fresh(w.variables[name].element)
    test = w.pick(name, name, name, f"len({name}) > 0", f"len({name}) > 1", f"len({name})")
    with w.inner_scope(leaks=w.boldness):
        w.bind(target, w.variables[name].element)
        body = [f"{target} = {name}.pop({w.pick('', '', '0')})", *block(w, depth - 1, 2)]
    return [f"while {test}:", *indented(body)]


@writes(1)
def _two_pointers(w: Writer, depth: int) -> Block | None:
    name = w.name(sequence)
    if name is None or depth <= 0:
        return None
    w.indexes[w.bind("left", INT)] = name
    w.indexes[w.bind("right", INT)] = name
    test = w.pick("left < right", "left <= right", "left < right", "left != right")
    end = f"len({name}) - 1" if w.careful() else f"len({name})"
    with w.inner_scope():
        comparison = f"{name}[left] {w.pick('==', '<', '!=')} {name}[right]"
        body = [f"if {comparison}:", *indented(block(w, 0, 1)), "left += 1"]
    body += w.pick(["right -= 1"], ["right -= 1"], ["if left < 0:", "    right -= 1"])
    return [f"left, right = 0, {end}", f"while {test}:", *indented(body)]


@writes(0.5)
def _jump(w: Writer, depth: int) -> Block | None:
    if not w.in_loop:
        return None
    return [f"if {expression(w, BOOL, 1)}:", f"    {w.pick('break', 'continue')}"]


# --- functions, closures, iterators


@writes(1.2)
def _nested_function(w: Writer, depth: int) -> Block | None:
    """A closure that reads, rebinds or changes what is outside of it, called at once or later."""
    if depth <= 0 or w.in_loop:
        return None
    name = w.pick("inner", "visit", "bump")
    outer = w.name(INT)
    lines = [f"def {name}(v: int) -> int:"]
    with w.inner_scope():
        if outer is not None and w.odds(0.5):
            lines += [f"    nonlocal {outer}", f"    {outer} {w.pick('+=', '-=', '=')} {w.pick('v', '1', '0')}"]
        w.bind("v", INT)
        kept, w.result = w.result, INT
        budget, w.budget = w.budget, 2
        if w.odds(0.6):
            lines += indented(_list_change(w, 0) or _dict_change(w, 0) or [])
        w.result, w.budget = kept, budget
        lines += [f"    return {expression(w, INT, 1)}"]
    w.helpers[name] = ((INT,), INT)
    return lines


@writes(0.5)
def _late_binding(w: Writer, depth: int) -> Block | None:
    name = w.name(INT)
    if name is None:
        return None
    w.bind("late", NONE)
    if w.careful():
        return [f"late = lambda v: v + {name}", f"{name} -= 1", f"{w.bind(w.fresh(INT), INT)} = late(1)"]
    changed = w.pick(f"{name} = 0", f"{name} -= 1", f"del {name}", f"{name} = None")
    result = w.bind(w.fresh(INT), INT)
    return [f"late = lambda v: {w.pick('10 // ' + name, 'v + ' + name)}", changed, f"{result} = late(1)"]


@writes(0.6)
def _iterator(w: Writer, depth: int) -> Block | None:
    """An iterator or generator that is kept, and advanced after its source may have changed."""
    name = w.name(lambda kind: kind.name == "list")
    if name is None:
        return None
    element = w.variables[name].element
    made = w.pick(
        f"iter({name})", f"(e for e in {name})", f"iter({name}[1:])", f"zip({name}, {name})", f"reversed({name})"
    )
    lines = [f"it = {made}", w.pick("pass", f"{name}.clear()", f"{name} = []", "a = list(it)")]
    target = w.fresh(element)
    if made.startswith("zip"):
        return [*lines, w.pick("b = next(it, None)", "b = list(it)")]
    w.bind(target, element)
    return [*lines, f"{target} = next(it{', ' + constant(w, element) if w.careful() else ''})"]


@writes(0.8)
def _collection(w: Writer, depth: int) -> Block:
    """A Counter, defaultdict, deque or heap, and a use of it that may fail."""
    source, value = expression(w, INTS, 1), expression(w, INT, 0)
    made, uses, module = w.pick(
        (
            f"collections.Counter({source})",
            ("most_common(1)[0][1]", "most_common(1)", f"get({value}, 0)"),
            "collections",
        ),
        (f"collections.deque({source})", ("popleft()", "pop()", f"append({value})", "rotate(1)"), "collections"),
        (
            "collections.defaultdict(int)",
            (f"get({value}, 0)", f"pop({value}, 0)", f"setdefault({value}, 1)"),
            "collections",
        ),
    )
    w.uses(module)
    use = f"box.{w.pick(*uses)}"
    guarded = w.careful()
    name = w.bind("taken", INT)
    return [f"box = {made}", f"{name} = {use} if box else 0" if guarded else f"{name} = {use}"]


@writes(0.5)
def _heap(w: Writer, depth: int) -> Block:
    w.uses("heapq")
    source = expression(w, INTS, 1)
    name = w.bind("heap", INTS)
    result = w.bind(w.fresh(INT), INT)
    pop = f"{result} = heapq.heappop({name})"
    if w.careful():
        pop += f" if {name} else 0"
    body = w.pick(
        [pop], [f"heapq.heappush({name}, {constant(w, INT)})", pop], [f"{result} = 0", f"while {name}:", f"    {pop}"]
    )
    return [f"{name} = {source}", f"heapq.heapify({name})", *body]


@writes(0.4)
def _none_result(w: Writer, depth: int) -> Block | None:
    """The result of a method that returns nothing."""
    name = w.name(lambda kind: kind.name == "list" and kind.element.name in ("int", "str"))
    if name is None:
        return None
    if w.careful():
        return None
    kind = w.variables[name]
    return [f"{w.bind(w.fresh(kind), kind)} = {name}.{w.pick('sort()', 'reverse()', 'copy()', 'append(1)')}"]
