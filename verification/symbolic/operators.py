"""Python's operators on values: which types they take, which exception they raise, and when they fork."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Iterator
from typing import Any

from verification.symbolic import encoding, sequences, terms
from verification.symbolic.machine import Evaluated, Machine, unsupported_use
from verification.symbolic.state import State
from verification.symbolic.values import (
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
    Mapping,
    Method,
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
    is_concrete,
    is_number,
    is_whole,
    raised,
    to_python,
    type_name,
)

FLOATS = "integers stay below 2**1023 where they are turned into floats"
MAX_EXPONENT = 8
MAX_DEGREE = 32
MAX_CONSTANT_BITS = 20_000

Operands = tuple[Value, Value]


def binary(
    kind: type[ast.operator], left: Value, right: Value, state: State, run: Machine, line: int
) -> Iterator[Evaluated]:
    """`left kind right` on every path."""
    run.oblige("type-error")
    if kind in _DIVISIONS:
        run.oblige("zero-division")
    for operand in (left, right):
        if isinstance(operand, Unmodelled | Method | Builtin | ExceptionClass | Module):
            raise unsupported_use(operand, line, "arithmetic on a value")
    if is_whole(left) and is_whole(right):
        yield from _INTEGERS[kind](left, right, state, run, line)
    elif is_number(left) and is_number(right):
        yield from _floats(kind, left, right, state, run, line)
    else:
        yield from _SEQUENCES.get(kind, _mismatch)(left, right, state, run, line)


def _mismatch(left: Value, right: Value, state: State, run: Machine, line: int) -> Iterator[Evaluated]:
    yield state, run.type_error(line, left, right)


# --- integers


def _plus(left: Value, right: Value, state: State, run: Machine, line: int) -> Iterator[Evaluated]:
    yield state, Int(encoding.whole(left) + encoding.whole(right))


def _minus(left: Value, right: Value, state: State, run: Machine, line: int) -> Iterator[Evaluated]:
    yield state, Int(encoding.whole(left) - encoding.whole(right))


def _times(left: Value, right: Value, state: State, run: Machine, line: int) -> Iterator[Evaluated]:
    a, b = encoding.whole(left), encoding.whole(right)
    _check_size(a, b, line=line)
    _check_degree(run.degree(a) + run.degree(b), line)
    yield state, Int(a * b)


def _floor_divide(left: Value, right: Value, state: State, run: Machine, line: int) -> Iterator[Evaluated]:
    for after, parts in divide(left, right, state, run, line):
        yield after, parts if isinstance(parts, Raised) else Int(parts[0])


def _modulo(left: Value, right: Value, state: State, run: Machine, line: int) -> Iterator[Evaluated]:
    for after, parts in divide(left, right, state, run, line):
        yield after, parts if isinstance(parts, Raised) else Int(parts[1])


def divide(
    left: Value, right: Value, state: State, run: Machine, line: int
) -> Iterator[tuple[State, tuple[Term, Term] | Raised]]:
    """Quotient and remainder of two ints."""
    a, b = encoding.whole(left), encoding.whole(right)
    for after, zero in run.fork(state, encoding.compared("==", b, 0)):
        if zero:
            yield after, raised("ZeroDivisionError", line)
        elif isinstance(b, int):
            yield after, (encoding.quotient(a, b), encoding.remainder(a, b))
        else:
            yield _shared_division(a, b, after, run)


def _shared_division(a: Term, b: Term, state: State, run: Machine) -> tuple[State, tuple[Term, Term]]:
    """One quotient and remainder for each pair of operands, so that `a // b` and `a % b` agree."""
    q, r = run.division_symbols(a, b)
    return run.fact(state, encoding.division_fact(a, b, q, r)), (q, r)


def _true_divide(left: Value, right: Value, state: State, run: Machine, line: int) -> Iterator[Evaluated]:
    a, b = encoding.whole(left), encoding.whole(right)
    if isinstance(a, int) and isinstance(b, int):
        yield state, _native(operator.truediv, a, b, line)
        return
    for after, zero in run.fork(state, encoding.compared("==", b, 0)):
        if zero:
            yield after, raised("ZeroDivisionError", line)
        else:
            run.assume(FLOATS)
            yield after, Opaque("float")


def _power(left: Value, right: Value, state: State, run: Machine, line: int) -> Iterator[Evaluated]:
    base, exponent = encoding.whole(left), encoding.whole(right)
    if not isinstance(exponent, int):
        raise Unsupported("** with an exponent that is not constant", line)
    if exponent < 0:
        for after, zero in run.fork(state, encoding.compared("==", base, 0)):
            run.assume(FLOATS)
            yield after, raised("ZeroDivisionError", line) if zero else Opaque("float")
        return
    if isinstance(base, int):
        if abs(base).bit_length() * exponent > MAX_CONSTANT_BITS:
            raise Unsupported("** with a result of thousands of digits", line)
    elif exponent > MAX_EXPONENT:
        raise Unsupported(f"** with an exponent above {MAX_EXPONENT}", line)
    _check_degree(run.degree(base) * exponent, line)
    yield state, Int(encoding.power(base, exponent))


def _shift_left(left: Value, right: Value, state: State, run: Machine, line: int) -> Iterator[Evaluated]:
    for after, count in _shift_count(right, state, run, line):
        if isinstance(count, Raised):
            yield after, count
        else:
            yield after, Int(encoding.whole(left) * 2**count)


def _shift_right(left: Value, right: Value, state: State, run: Machine, line: int) -> Iterator[Evaluated]:
    for after, count in _shift_count(right, state, run, line):
        yield after, count if isinstance(count, Raised) else Int(encoding.quotient(encoding.whole(left), 2**count))


def _shift_count(right: Value, state: State, run: Machine, line: int) -> Iterator[tuple[State, int | Raised]]:
    run.oblige("value-error")
    count = encoding.whole(right)
    if not isinstance(count, int) or count > MAX_CONSTANT_BITS:
        raise Unsupported("a shift by a count that is not a small constant", line)
    yield state, raised("ValueError", line) if count < 0 else count


def _bitwise(kind: type[ast.operator]) -> Callable[..., Iterator[Evaluated]]:
    def handler(left: Value, right: Value, state: State, run: Machine, line: int) -> Iterator[Evaluated]:
        if isinstance(left, Bool) and isinstance(right, Bool):
            yield state, Bool(_logical(kind, left.term, right.term))
            return
        a, b = encoding.whole(left), encoding.whole(right)
        if isinstance(a, int) and isinstance(b, int):
            yield state, Int(_BITS[kind](a, b))
            return
        if isinstance(a, int):
            a, b = b, a
        if kind is ast.BitAnd and isinstance(b, int) and b >= 0 and (b & (b + 1)) == 0:
            yield state, Int(encoding.remainder(a, b + 1))  # a mask of ones keeps the value modulo a power of two
            return
        raise Unsupported("a bitwise operation on symbolic integers", line)

    return handler


_BITS: dict[type[ast.operator], Callable[[int, int], int]] = {
    ast.BitAnd: operator.and_,
    ast.BitOr: operator.or_,
    ast.BitXor: operator.xor,
}


def _logical(kind: type[ast.operator], a: Term, b: Term) -> Term:
    if kind is ast.BitAnd:
        return encoding.conjunction(a, b)
    if kind is ast.BitOr:
        return encoding.disjunction(a, b)
    return encoding.negation(equal_booleans(a, b))


def _matmul(left: Value, right: Value, state: State, run: Machine, line: int) -> Iterator[Evaluated]:
    yield state, run.type_error(line, left, right)


_INTEGERS: dict[type[ast.operator], Callable[..., Iterator[Evaluated]]] = {
    ast.Add: _plus,
    ast.Sub: _minus,
    ast.Mult: _times,
    ast.FloorDiv: _floor_divide,
    ast.Mod: _modulo,
    ast.Div: _true_divide,
    ast.Pow: _power,
    ast.LShift: _shift_left,
    ast.RShift: _shift_right,
    ast.BitAnd: _bitwise(ast.BitAnd),
    ast.BitOr: _bitwise(ast.BitOr),
    ast.BitXor: _bitwise(ast.BitXor),
    ast.MatMult: _matmul,
}
_DIVISIONS = (ast.Div, ast.FloorDiv, ast.Mod)


def _check_size(a: Term, b: Term, *, line: int) -> None:
    if isinstance(a, int) and isinstance(b, int) and a.bit_length() + b.bit_length() > MAX_CONSTANT_BITS:
        raise Unsupported("constants of thousands of digits", line)


def _check_degree(degree: int, line: int) -> None:
    """Keep values small enough for the solver to write them down."""
    if degree > MAX_DEGREE:
        raise Unsupported(f"a product of more than {MAX_DEGREE} symbolic factors", line)


# --- floats


def _floats(
    kind: type[ast.operator], left: Value, right: Value, state: State, run: Machine, line: int
) -> Iterator[Evaluated]:
    """At least one operand is a float: exact on constants; else only whether it raises is known."""
    if kind not in _FLOAT_OPERATORS:
        if kind is ast.Pow:
            raise Unsupported("** on floats", line)
        yield state, run.type_error(line, left, right)
        return
    if is_concrete(left) and is_concrete(right):
        yield state, _native(_FLOAT_OPERATORS[kind], to_python(left), to_python(right), line)
        return
    run.assume(FLOATS)
    if kind not in _DIVISIONS:
        yield state, Opaque("float")
        return
    if isinstance(right, Opaque):
        raise Unsupported("division by a computed float", line)
    divisor = right.value if isinstance(right, Float) else encoding.whole(right)
    zero_divisor = divisor == 0.0 if isinstance(divisor, float) else encoding.compared("==", divisor, 0)
    for after, zero in run.fork(state, zero_divisor):
        yield after, raised("ZeroDivisionError", line) if zero else Opaque("float")


_FLOAT_OPERATORS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}


def _native(function: Callable[[Any, Any], Any], a: Any, b: Any, line: int) -> Value | Raised:
    """Python's own answer on constants."""
    try:
        return Float(function(a, b))
    except (ZeroDivisionError, OverflowError) as error:
        return raised(type(error).__name__, line)


# --- sequences


def _join(left: Value, right: Value, state: State, run: Machine, line: int) -> Iterator[Evaluated]:
    if type_name(left) == type_name(right) == "str":
        both = isinstance(left, Str) and isinstance(right, Str)
        yield state, Str(run.concatenation(left.term, right.term)) if both else Opaque("str")  # type: ignore[union-attr]
    elif isinstance(left, Tuple) and isinstance(right, Tuple):
        run.check_elements(len(left.items) + len(right.items))
        yield state, Tuple(left.items + right.items)
    elif isinstance(left, ListRef) and isinstance(right, ListRef):
        for middle, first in sequences.spread(left, state, run, line):
            for after, second in sequences.spread(right, middle, run, line):
                yield run.new_list(after, first + second)
    else:
        yield state, run.type_error(line, left, right)


def _repeat(left: Value, right: Value, state: State, run: Machine, line: int) -> Iterator[Evaluated]:
    if is_whole(left):
        left, right = right, left
    if not is_whole(right) or not (isinstance(left, ListRef | Tuple) or type_name(left) == "str"):
        yield state, run.type_error(line, left, right)
        return
    count = encoding.whole(right)
    if isinstance(left, ListRef):
        for after, items in sequences.spread(left, state, run, line):
            yield sequences.repeated(items, count, after, run, line)
        return
    if not isinstance(count, int) or not (isinstance(left, Tuple) or is_concrete(left)):
        raise Unsupported("a repetition of text or of a tuple", line)
    if isinstance(left, Tuple):
        run.check_elements(len(left.items) * max(count, 0))
        yield state, Tuple(left.items * count)
    else:
        text = str(to_python(left))
        run.check_elements(len(text) * max(count, 0))
        yield state, Str(text * count)


def _format(left: Value, right: Value, state: State, run: Machine, line: int) -> Iterator[Evaluated]:
    if type_name(left) == "str":
        raise Unsupported("% formatting", line)
    yield state, run.type_error(line, left, right)


def _union(left: Value, right: Value, state: State, run: Machine, line: int) -> Iterator[Evaluated]:
    if isinstance(left, DictRef) and isinstance(right, DictRef):
        raise Unsupported("a union of dicts", line)
    yield state, run.type_error(line, left, right)


_SEQUENCES: dict[type[ast.operator], Callable[..., Iterator[Evaluated]]] = {
    ast.Add: _join,
    ast.Mult: _repeat,
    ast.Mod: _format,
    ast.BitOr: _union,
}


# --- unary


def unary(kind: type[ast.unaryop], operand: Value, state: State, run: Machine, line: int) -> Iterator[Evaluated]:
    """`kind operand`; `not` is the machine's truth, negated."""
    if kind is ast.Not:
        yield state, Bool(encoding.negation(sequences.truth(state, operand, line)))
        return
    run.oblige("type-error")
    if isinstance(operand, Unmodelled):
        raise unsupported_use(operand, line, "arithmetic on a value")
    if is_whole(operand):
        term = encoding.whole(operand)
        yield state, Int(-term if kind is ast.USub else term if kind is ast.UAdd else -term - 1)
    elif is_number(operand) and kind is not ast.Invert:
        if isinstance(operand, Float):
            yield state, Float(-operand.value if kind is ast.USub else operand.value)
        else:
            yield state, operand
    else:
        yield state, run.type_error(line, operand)


# --- comparisons


def compare(
    kind: type[ast.cmpop], left: Value, right: Value, state: State, run: Machine, line: int
) -> Iterator[tuple[State, Bool | Raised]]:
    """One link of a comparison."""
    for operand in (left, right):
        if isinstance(operand, Unmodelled):
            raise unsupported_use(operand, line, "a comparison of a value")
    if kind in (ast.Is, ast.IsNot):
        same = _identical(left, right, line)
        yield state, Bool(same if kind is ast.Is else encoding.negation(same))
    elif kind in (ast.Eq, ast.NotEq):
        for after, equal in equality(left, right, state, run, line):
            yield after, Bool(equal if kind is ast.Eq else encoding.negation(equal))
    elif kind in (ast.In, ast.NotIn):
        run.oblige("type-error")
        for after, found in contains(right, left, state, run, line):
            if isinstance(found, Raised):
                yield after, found
            else:
                yield after, Bool(found if kind is ast.In else encoding.negation(found))
    else:
        run.oblige("type-error")
        yield state, _ordered(_SYMBOLS[kind], left, right, run, line)


_SYMBOLS = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="}


def _ordered(symbol: str, left: Value, right: Value, run: Machine, line: int) -> Bool | Raised:
    if is_whole(left) and is_whole(right):
        return Bool(encoding.compared(symbol, encoding.whole(left), encoding.whole(right)))
    if is_number(left) and is_number(right):
        return Bool(_with_float(symbol, left, right, line))
    if isinstance(left, Str) and isinstance(right, Str):
        return Bool(encoding.compared(symbol, left.term, right.term))
    if type_name(left) == type_name(right) and not isinstance(left, NoneValue | DictRef | Range | Function):
        raise Unsupported(f"the order of two values of type {type_name(left)}", line)
    return run.type_error(line, left, right)


_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}


def _with_float(symbol: str, left: Value, right: Value, line: int) -> Term:
    if isinstance(left, Opaque) or isinstance(right, Opaque):
        raise Unsupported("a comparison of a computed float", line)
    if isinstance(left, Float):
        if isinstance(right, Float):
            return _native_order(symbol, left, right)
        return encoding.compared_with_float(_MIRRORED[symbol], encoding.whole(right), left.value)
    assert isinstance(right, Float)
    return encoding.compared_with_float(symbol, encoding.whole(left), right.value)


def _native_order(symbol: str, left: Float, right: Float) -> bool:
    functions = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
    functions |= {"==": operator.eq, "!=": operator.ne}
    return bool(functions[symbol](left.value, right.value))


def _identical(left: Value, right: Value, line: int) -> Term:
    for one, other in ((left, right), (right, left)):
        if isinstance(one, NoneValue):
            return isinstance(other, NoneValue)
        if isinstance(one, Bool):
            return equal_booleans(one.term, other.term) if isinstance(other, Bool) else False
    if isinstance(left, ListRef | DictRef) or isinstance(right, ListRef | DictRef):
        return left == right
    raise Unsupported("`is` between values whose identity Python leaves open", line)


def equal_booleans(a: Term, b: Term) -> Term:
    if isinstance(a, bool):
        return b if a else encoding.negation(b)
    if isinstance(b, bool):
        return a if b else encoding.negation(a)
    return a == b


def equality(left: Value, right: Value, state: State, run: Machine, line: int) -> Iterator[tuple[State, Term]]:
    """`left == right`."""
    if isinstance(left, Tuple) and isinstance(right, Tuple):
        yield from _equal_items(left.items, right.items, state, run, line)
    elif isinstance(left, ListRef) and isinstance(right, ListRef):
        if left == right:
            yield state, True
            return
        for middle, first in sequences.spread(left, state, run, line):
            for after, second in sequences.spread(right, middle, run, line):
                yield from _equal_items(first, second, after, run, line)
    else:
        yield state, equal_scalars(left, right, line)


def _equal_items(
    first: tuple[Value, ...], second: tuple[Value, ...], state: State, run: Machine, line: int
) -> Iterator[tuple[State, Term]]:
    if len(first) != len(second):
        yield state, False
    elif not first:
        yield state, True
    else:
        for middle, head in equality(first[0], second[0], state, run, line):
            for after, tail in _equal_items(first[1:], second[1:], middle, run, line):
                yield after, encoding.conjunction(head, tail)


def equal_scalars(left: Value, right: Value, line: int) -> Term:
    """`left == right` where no sequence meets another of its type."""
    if isinstance(left, Bool) and isinstance(right, Bool):
        return equal_booleans(left.term, right.term)
    if is_whole(left) and is_whole(right):
        return encoding.compared("==", encoding.whole(left), encoding.whole(right))
    if is_number(left) and is_number(right):
        return _with_float("==", left, right, line)
    if isinstance(left, Str) and isinstance(right, Str):
        return encoding.compared("==", left.term, right.term)
    if isinstance(left, NoneValue) and isinstance(right, NoneValue):
        return True
    unclear = (Range, Function, Builtin, Method, Module, ExceptionClass, ExceptionValue, DictRef)
    if type_name(left) == type_name(right) or (isinstance(left, unclear) and isinstance(right, unclear)):
        raise Unsupported(f"equality of two values of type {type_name(left)}", line)
    return False


def contains(
    container: Value, item: Value, state: State, run: Machine, line: int
) -> Iterator[tuple[State, Term | Raised]]:
    """`item in container`."""
    if type_name(container) == "str":
        if type_name(item) != "str":
            yield state, run.type_error(line, item)
            return
        if not (isinstance(container, Str) and isinstance(item, Str)):
            raise Unsupported("`in` on a computed text", line)
        yield state, encoding.string_test("contains", container.term, item.term)
    elif isinstance(container, Range):
        yield state, _in_range(container, item, line)
    elif isinstance(container, DictRef):
        yield state, has_key(state, container, item, line)
    elif isinstance(container, ListRef | Tuple):
        for after, items in sequences.spread(container, state, run, line):
            yield from _any_equal(items, item, after, run, line)
    elif isinstance(container, NoneValue | Function) or is_number(container):
        yield state, run.type_error(line, container)
    else:
        raise unsupported_use(container, line, "`in` on a value")


def _any_equal(
    items: tuple[Value, ...], item: Value, state: State, run: Machine, line: int
) -> Iterator[tuple[State, Term]]:
    if not items:
        yield state, False
        return
    for middle, head in equality(items[0], item, state, run, line):
        for after, tail in _any_equal(items[1:], item, middle, run, line):
            yield after, encoding.disjunction(head, tail)


def _in_range(container: Range, item: Value, line: int) -> Term:
    if not is_whole(item):
        if is_number(item):
            raise Unsupported("a float in a range", line)
        return False
    number = encoding.whole(item)
    if container.step > 0:
        inside = encoding.conjunction(number >= container.start, number < container.stop)
    else:
        inside = encoding.conjunction(number <= container.start, number > container.stop)
    aligned = encoding.compared("==", encoding.remainder(number - container.start, abs(container.step)), 0)
    return encoding.conjunction(inside, aligned)


def has_key(state: State, container: DictRef, key: Value, line: int) -> Term:
    """`key in container` for a dict; an unhashable key is refused."""
    held = state.heap[container.address]
    if isinstance(held, Mapping):
        known = key if type(key) is held.key else None
        if known is None:
            if is_whole(key) and held.key is Int:
                known = Int(encoding.whole(key))
            elif isinstance(key, NoneValue | Str | Int | Bool):
                return False
            else:
                raise Unsupported(f"a dict key of type {type_name(key)}", line)
        return terms.Select(held.present, encoding.lift(known.term, held.present.ctx))
    assert isinstance(held, Entries)
    need_key(key, line)
    found: Term = False
    for candidate, _ in held.pairs:
        found = encoding.disjunction(found, equal_keys(candidate, key, line))
    return found


def equal_keys(left: Value, right: Value, line: int) -> Term:
    """Whether two scalar keys are the same key."""
    for key in (left, right):
        need_key(key, line)
    return equal_scalars(left, right, line)


def need_key(key: Value, line: int) -> None:
    """Keys that are modelled; others may have no hash, which even an empty dict asks for."""
    if not isinstance(key, Int | Bool | Str | NoneValue):
        raise Unsupported(f"a dict key of type {type_name(key)}", line)
