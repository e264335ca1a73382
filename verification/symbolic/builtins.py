"""Python's builtin functions and a few of `math`: modelled exactly, left open (`guess`), or refused."""

from __future__ import annotations

import ast
import math
from collections.abc import Iterator, Sequence

import z3

from verification.symbolic import encoding, operators, sequences, terms
from verification.symbolic.machine import Call, CallHandler, Evaluated, Machine, unsupported_use
from verification.symbolic.state import State
from verification.symbolic.values import (
    DIGITS,
    NONE,
    PRINTED,
    Bool,
    Builtin,
    DictRef,
    Entries,
    ExceptionClass,
    ExceptionValue,
    Float,
    Function,
    Int,
    ListRef,
    Module,
    NoneValue,
    Opaque,
    Raised,
    Range,
    Str,
    Term,
    Tuple,
    Unmodelled,
    Unsupported,
    Value,
    View,
    is_number,
    is_whole,
    raised,
    type_name,
)


def _arguments(call: Call, least: int, most: int, *, keywords: Sequence[str] = ()) -> tuple[Value, ...]:
    """The positional arguments; a call that doesn't fit what is modelled is refused."""
    if not least <= len(call.args) <= most or any(name not in keywords for name in call.keywords):
        raise Unsupported("these arguments of a builtin function", call.line)
    return call.args


def _len(call: Call, state: State, run: Machine) -> Iterator[Evaluated]:
    (value,) = _arguments(call, 1, 1)
    size = sequences.length(state, value, call.line)
    yield state, run.type_error(call.line, value) if size is None else Int(size)


def _abs(call: Call, state: State, run: Machine) -> Iterator[Evaluated]:
    (value,) = _arguments(call, 1, 1)
    if is_whole(value):
        yield state, Int(encoding.magnitude(encoding.whole(value)))
    elif isinstance(value, Float):
        yield state, Float(abs(value.value))
    elif is_number(value):
        yield state, value
    else:
        yield state, _wrong(value, run, call.line)


def _wrong(value: Value, run: Machine, line: int) -> Raised:
    """TypeError for a value of a modelled type."""
    if isinstance(value, Unmodelled | Builtin | Module | ExceptionClass | ExceptionValue):
        raise unsupported_use(value, line, "this use of a value")
    return run.type_error(line, value)


def _extreme(symbol: str) -> CallHandler:
    def handler(call: Call, state: State, run: Machine) -> Iterator[Evaluated]:
        args = _arguments(call, 1, 64, keywords=("default",))
        if len(args) > 1:
            yield from _fold_extreme(symbol, args, state, run, call.line)
            return
        for after, items in _elements(args[0], state, run, call.line):
            if isinstance(items, Raised):
                yield after, items
            elif items:
                yield from _fold_extreme(symbol, items, after, run, call.line)
            elif "default" in call.keywords:
                yield after, call.keywords["default"]
            else:
                yield after, raised("ValueError", call.line)
        run.oblige("value-error")

    return handler


def _fold_extreme(symbol: str, items: Sequence[Value], state: State, run: Machine, line: int) -> Iterator[Evaluated]:
    """Keep the first of the extreme items, as Python does."""
    kept = items[0]
    for at, item in enumerate(items[1:], start=1):
        if type(item) is type(kept) and isinstance(item, Int) and isinstance(kept, Int):
            kept = Int(encoding.choice(encoding.compared(symbol, item.term, kept.term), item.term, kept.term))
            continue
        kind = ast.Lt if symbol == "<" else ast.Gt
        for middle, link in operators.compare(kind, item, kept, state, run, line):
            if isinstance(link, Raised):
                yield middle, link
                continue
            for after, better in run.fork(middle, link.term):
                rest = (item if better else kept, *items[at + 1 :])
                yield from _fold_extreme(symbol, rest, after, run, line)
        return
    yield state, kept


def _elements(
    value: Value, state: State, run: Machine, line: int
) -> Iterator[tuple[State, tuple[Value, ...] | Raised]]:
    """A sequence's elements, or the TypeError of what is none."""
    if isinstance(value, NoneValue | Function) or is_number(value):
        yield state, run.type_error(line, value)
    elif isinstance(value, DictRef):
        held = state.heap[value.address]
        if not isinstance(held, Entries):
            raise Unsupported("iteration over a dict argument", line)
        yield state, tuple(key for key, _ in held.pairs)
    else:
        yield from sequences.spread(value, state, run, line)


def _sum(call: Call, state: State, run: Machine) -> Iterator[Evaluated]:
    args = _arguments(call, 1, 2, keywords=("start",))
    start = call.keywords.get("start", args[1] if len(args) == 2 else Int(0))
    if type_name(start) == "str":
        yield state, run.type_error(call.line, start)
        return
    for after, items in _elements(args[0], state, run, call.line):
        if isinstance(items, Raised):
            yield after, items
        else:
            yield from _add_up(start, items, after, run, call.line)


def _add_up(total: Value, items: Sequence[Value], state: State, run: Machine, line: int) -> Iterator[Evaluated]:
    if not items:
        yield state, total
        return
    for after, partial in operators.binary(ast.Add, total, items[0], state, run, line):
        if isinstance(partial, Raised):
            yield after, partial
        else:
            yield from _add_up(partial, items[1:], after, run, line)


def _sorted(call: Call, state: State, run: Machine) -> Iterator[Evaluated]:
    (value,) = _arguments(call, 1, 1, keywords=("reverse",))
    for after, items in _elements(value, state, run, call.line):
        if isinstance(items, Raised):
            yield after, items
        else:
            yield run.new_list(after, in_order(items, call.keywords.get("reverse"), run, call.line))


def in_order(items: Sequence[Value], reverse: Value | None, run: Machine, line: int) -> tuple[Value, ...]:
    """Ints in ascending order, by a network of exchanges."""
    run.spend(len(items) ** 2)
    if not all(isinstance(item, Int) for item in items):
        raise Unsupported("sorting anything but ints", line)
    if not (reverse is None or (isinstance(reverse, Bool) and isinstance(reverse.term, bool))):
        raise Unsupported("sorting in an order that is not constant", line)
    numbers: list[Term] = [item.term for item in items]  # type: ignore[union-attr]
    for end in range(len(numbers) - 1, 0, -1):
        for at in range(end):
            low, high = numbers[at], numbers[at + 1]
            swap = encoding.compared(">", low, high)
            numbers[at], numbers[at + 1] = encoding.choice(swap, high, low), encoding.choice(swap, low, high)
    descending = reverse is not None and bool(reverse.term)
    return tuple(map(Int, reversed(numbers) if descending else numbers))


def _range(call: Call, state: State, run: Machine) -> Iterator[Evaluated]:
    args = _arguments(call, 1, 3)
    for value in args:
        if not is_whole(value):
            yield state, _wrong(value, run, call.line)
            return
    bounds = [encoding.whole(value) for value in args]
    start, stop = (0, bounds[0]) if len(bounds) == 1 else (bounds[0], bounds[1])
    step = bounds[2] if len(bounds) == 3 else 1
    if len(bounds) == 3:
        run.oblige("value-error")
    if not isinstance(step, int):
        raise Unsupported("a range with a step that is not constant", call.line)
    yield state, raised("ValueError", call.line) if step == 0 else Range(start, stop, step)


def _int(call: Call, state: State, run: Machine) -> Iterator[Evaluated]:
    args = _arguments(call, 0, 1)
    value = args[0] if args else Int(0)
    if is_whole(value):
        yield state, Int(encoding.whole(value))
    elif isinstance(value, Float):
        yield state, _converted(int, value.value, call.line, run)
    elif isinstance(value, Str):
        yield from _parsed(value, int, state, run, call.line)
    elif isinstance(value, Opaque):
        raise Unsupported("int() of a computed value", call.line)
    else:
        yield state, _wrong(value, run, call.line)


def _float(call: Call, state: State, run: Machine) -> Iterator[Evaluated]:
    args = _arguments(call, 0, 1)
    value = args[0] if args else Float(0.0)
    if is_whole(value) and isinstance(term := encoding.whole(value), int):
        yield state, _converted(float, term, call.line, run)
    elif is_whole(value):
        run.assume(operators.FLOATS)
        yield state, Opaque("float")
    elif is_number(value):
        yield state, value
    elif isinstance(value, Str):
        yield from _parsed(value, float, state, run, call.line)
    elif isinstance(value, Opaque):
        raise Unsupported("float() of a computed text", call.line)
    else:
        yield state, _wrong(value, run, call.line)


def _parsed(text: Str, kind: type, state: State, run: Machine, line: int) -> Iterator[Evaluated]:
    """`int(text)`, `float(text)`: exact on constants; else either outcome is left open."""
    run.oblige("value-error")
    if isinstance(text.term, str):
        yield state, _converted(kind, text.term, line, run)
        return
    run.assume(DIGITS)
    guessed, parses = run.guess(state, Bool, "parses")
    for after, good in run.fork(guessed, parses.term):  # type: ignore[union-attr]
        if not good:
            yield after, raised("ValueError", line)
        else:
            yield run.guess(after, Int, "parsed") if kind is int else (after, Opaque("float"))


def _converted(kind: type, constant: object, line: int, run: Machine) -> Value | Raised:
    run.oblige("value-error")
    try:
        number = kind(constant)
    except (ValueError, OverflowError) as error:
        return raised(type(error).__name__, line)
    return Int(number) if kind is int else Float(number)


def _bool(call: Call, state: State, run: Machine) -> Iterator[Evaluated]:
    args = _arguments(call, 0, 1)
    yield state, Bool(sequences.truth(state, args[0], call.line) if args else False)


def _str(call: Call, state: State, run: Machine) -> Iterator[Evaluated]:
    args = _arguments(call, 0, 1)
    value = args[0] if args else Str("")
    if type_name(value) == "str":
        yield state, value
    elif isinstance(value, Int) and isinstance(value.term, int) and abs(value.term) < 10**4000:
        yield state, Str(str(value.term))
    elif isinstance(value, Bool):
        yield state, Str(encoding.choice(value.term, "True", "False"))
    elif isinstance(value, NoneValue):
        yield state, Str("None")
    elif isinstance(value, Int):
        run.assume(DIGITS)
        guessed, text = run.guess(state, Str, "digits")
        yield run.fact(guessed, z3.Length(text.term) >= 1), text  # type: ignore[union-attr]
    elif is_number(value) or isinstance(value, ExceptionValue):
        yield state, Opaque("str")
    else:
        raise unsupported_use(value, call.line, "the text of a value")


_CLASSES = ("int", "bool", "str", "float", "list", "tuple", "dict", "range", "set", "frozenset", "bytes", "complex")


def _isinstance(call: Call, state: State, run: Machine) -> Iterator[Evaluated]:
    value, classes = _arguments(call, 2, 2)
    if isinstance(value, Unmodelled | Function | Builtin | Module | ExceptionClass):
        raise unsupported_use(value, call.line, "isinstance of a value")
    names = []
    for cls in classes.items if isinstance(classes, Tuple) else (classes,):
        if isinstance(cls, ExceptionClass) or (isinstance(cls, Builtin) and cls.name in _CLASSES):
            names.append(cls.name)
        else:
            raise Unsupported("isinstance with this class", call.line)
    lineage: tuple[str, ...] = (type_name(value),)
    if isinstance(value, Bool):
        lineage = ("bool", "int")
    elif isinstance(value, ExceptionValue):
        lineage = value.cls.ancestors
    yield state, Bool(any(name in lineage for name in names))


def _print(call: Call, state: State, run: Machine) -> Iterator[Evaluated]:
    args = _arguments(call, 0, 64, keywords=("sep", "end"))
    for value in call.keywords.values():
        if not isinstance(value, Str | NoneValue):
            raise Unsupported("these arguments of print", call.line)
    for value in args:
        if isinstance(value, Unmodelled):
            raise unsupported_use(value, call.line, "printing a value")
    run.assume(DIGITS)
    run.assume(PRINTED)
    yield state, NONE


def _list(call: Call, state: State, run: Machine) -> Iterator[Evaluated]:
    args = _arguments(call, 0, 1)
    if not args:
        yield run.new_list(state, ())
        return
    if isinstance(args[0], ListRef) and isinstance(held := sequences.content(state, args[0]), View):
        address = run.allocate()
        yield state.stored(address, held), ListRef(address)
        return
    for after, items in _elements(args[0], state, run, call.line):
        yield (after, items) if isinstance(items, Raised) else run.new_list(after, items)


def _tuple(call: Call, state: State, run: Machine) -> Iterator[Evaluated]:
    args = _arguments(call, 0, 1)
    if not args:
        yield state, Tuple(())
        return
    for after, items in _elements(args[0], state, run, call.line):
        yield after, items if isinstance(items, Raised) else Tuple(items)


def _dict(call: Call, state: State, run: Machine) -> Iterator[Evaluated]:
    _arguments(call, 0, 0)
    address = run.allocate()
    yield state.stored(address, Entries(())), DictRef(address)


def _divmod(call: Call, state: State, run: Machine) -> Iterator[Evaluated]:
    left, right = _arguments(call, 2, 2)
    run.oblige("zero-division")
    if not (is_whole(left) and is_whole(right)):
        raise Unsupported("divmod of anything but ints", call.line)
    for after, parts in operators.divide(left, right, state, run, call.line):
        yield after, parts if isinstance(parts, Raised) else Tuple((Int(parts[0]), Int(parts[1])))


def _pow(call: Call, state: State, run: Machine) -> Iterator[Evaluated]:
    left, right = _arguments(call, 2, 2)
    yield from operators.binary(ast.Pow, left, right, state, run, call.line)


def _round(call: Call, state: State, run: Machine) -> Iterator[Evaluated]:
    args = _arguments(call, 1, 2)
    digits = args[1] if len(args) == 2 else NONE
    if not (digits is NONE or (isinstance(digits, Int) and isinstance(digits.term, int) and 0 <= digits.term <= 300)):
        raise Unsupported("round to a number of digits that is not a small constant", call.line)
    if is_whole(args[0]):
        yield state, Int(encoding.whole(args[0]))
    elif isinstance(args[0], Opaque) and args[0].kind == "float" and digits is not NONE:
        yield state, args[0]
    elif is_number(args[0]):
        raise Unsupported("round of a float", call.line)
    else:
        yield state, _wrong(args[0], run, call.line)


def _quantifier(stops_at: bool) -> CallHandler:
    def handler(call: Call, state: State, run: Machine) -> Iterator[Evaluated]:
        (value,) = _arguments(call, 1, 1)
        for after, items in _elements(value, state, run, call.line):
            if isinstance(items, Raised):
                yield after, items
            else:
                yield from _first_truth(stops_at, items, after, run, call.line)

    return handler


def _first_truth(stops_at: bool, items: Sequence[Value], state: State, run: Machine, line: int) -> Iterator[Evaluated]:
    if not items:
        yield state, Bool(not stops_at)
        return
    for after, truth in run.fork(state, sequences.truth(state, items[0], line)):
        if truth is stops_at:
            yield after, Bool(stops_at)
        else:
            yield from _first_truth(stops_at, items[1:], after, run, line)


def _ord(call: Call, state: State, run: Machine) -> Iterator[Evaluated]:
    (value,) = _arguments(call, 1, 1)
    if not isinstance(value, Str):
        yield state, _wrong(value, run, call.line)
        return
    for after, single in run.fork(state, encoding.compared("==", encoding.string_length(value.term), 1)):
        if not single:
            yield after, raised("TypeError", call.line)
        elif isinstance(value.term, str):
            yield after, Int(ord(value.term))
        else:
            yield after, Int(z3.StrToCode(value.term))


def _square_root(call: Call, state: State, run: Machine) -> Iterator[Evaluated]:
    """`math.sqrt`, `math.log`: whether they raise; the float is left open."""
    (value,) = _arguments(call, 1, 1)
    run.oblige("value-error")
    if isinstance(value, Float) or (is_number(value) and not is_whole(value)):
        raise Unsupported("math on a float", call.line)
    if not is_whole(value):
        yield state, _wrong(value, run, call.line)
        return
    run.assume(operators.FLOATS)
    least = 0 if isinstance(call.function, Builtin) and call.function.name == "math.sqrt" else 1
    for after, fine in run.fork(state, encoding.at_least(encoding.whole(value), least)):
        yield after, Opaque("float") if fine else raised("ValueError", call.line)


def _integer_root(call: Call, state: State, run: Machine) -> Iterator[Evaluated]:
    (value,) = _arguments(call, 1, 1)
    run.oblige("value-error")
    if not is_whole(value):
        raise Unsupported("math.isqrt of anything but an int", call.line)
    number = encoding.whole(value)
    for after, fine in run.fork(state, encoding.at_least(number, 0)):
        if not fine:
            yield after, raised("ValueError", call.line)
        elif isinstance(number, int):
            yield after, Int(math.isqrt(number))
        else:
            root = run.fresh(Int, "root")
            exact = terms.And(root >= 0, root * root <= number, number < (root + 1) * (root + 1))
            yield run.fact(after, terms.Or(number < 0, exact)), Int(root)


def _gcd(call: Call, state: State, run: Machine) -> Iterator[Evaluated]:
    left, right = _arguments(call, 2, 2)
    if not (is_whole(left) and is_whole(right)):
        raise Unsupported("math.gcd of anything but ints", call.line)
    a, b = encoding.whole(left), encoding.whole(right)
    if isinstance(a, int) and isinstance(b, int):
        yield state, Int(math.gcd(a, b))
        return
    guessed, common = run.guess(state, Int, "gcd")
    term = common.term  # type: ignore[union-attr]
    both_zero = encoding.conjunction(encoding.compared("==", a, 0), encoding.compared("==", b, 0))
    yield run.fact(guessed, terms.And(term >= 0, run.lift(both_zero) == (term == 0))), common


FUNCTIONS: dict[str, CallHandler] = {
    "abs": _abs,
    "all": _quantifier(False),
    "any": _quantifier(True),
    "bool": _bool,
    "dict": _dict,
    "divmod": _divmod,
    "float": _float,
    "int": _int,
    "isinstance": _isinstance,
    "len": _len,
    "list": _list,
    "math.gcd": _gcd,
    "math.isqrt": _integer_root,
    "math.log": _square_root,
    "math.sqrt": _square_root,
    "max": _extreme(">"),
    "min": _extreme("<"),
    "ord": _ord,
    "pow": _pow,
    "print": _print,
    "range": _range,
    "round": _round,
    "sorted": _sorted,
    "str": _str,
    "sum": _sum,
    "tuple": _tuple,
}
