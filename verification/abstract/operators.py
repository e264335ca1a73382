"""Python's operators on values that are known in part: what type they give, and which exceptions they may raise."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Iterable
from typing import Any, TypeGuard

import z3

from verification.abstract import containers
from verification.abstract.machine import TABLES, Machine
from verification.abstract.state import State
from verification.abstract.values import (
    LARGEST_EXPONENT,
    NEVER,
    Bool,
    Builtin,
    ContainerShape,
    ExceptionClass,
    Float,
    Int,
    Module,
    NoneValue,
    Opaque,
    Ref,
    Seq,
    Shape,
    Table,
    Term,
    Text,
    Tup,
    TupleShape,
    Unbound,
    Value,
    join,
    type_name,
)
from verification.symbolic import encoding, terms
from verification.symbolic.values import Unsupported, raised

Whole = Int | Bool

MAX_POWER = 8
MAX_BITS = 4_096


def is_whole(value: Value) -> TypeGuard[Int | Bool]:
    return isinstance(value, Int | Bool)


def is_number(value: Value) -> bool:
    return isinstance(value, Int | Bool | Float)


def truth(state: State, value: Value, run: Machine, line: int) -> Term:
    """Python's truth of a value that is no choice."""
    if isinstance(value, Bool):
        return value.term
    if isinstance(value, Int):
        return encoding.compared("!=", value.term, 0)
    if isinstance(value, NoneValue):
        return False
    if isinstance(value, Text):
        return encoding.compared("!=", value.length, 0)
    if isinstance(value, Float):
        return encoding.negation(zero(value, run))
    if isinstance(value, Opaque) and value.type == "Match":
        return True
    if isinstance(value, Opaque | Unbound):
        raise Unsupported(f"the truth of a value of type {type_name(value)}", line)
    size = containers.length(state, value, run)
    return True if size is None else encoding.compared("!=", size, 0)


# --- binary operators


def binary(kind: type[ast.operator], left: Value, right: Value, state: State, run: Machine, line: int) -> Value:
    """`left kind right`, neither of them a choice."""
    run.oblige("type-error")
    if kind in (ast.Div, ast.FloorDiv, ast.Mod):
        run.oblige("zero-division")
    for operand in (left, right):
        if isinstance(operand, Opaque | Module | ExceptionClass | Builtin):
            raise Unsupported(f"arithmetic on a value of type {type_name(operand)}", line)
    if is_whole(left) and is_whole(right):
        return _INTEGERS[kind](left, right, state, run, line)
    if is_number(left) and is_number(right):
        return _floats(kind, left, right, state, run, line)
    return containers_binary(kind, left, right, state, run, line)


def _plus(left: Whole, right: Whole, state: State, run: Machine, line: int) -> Value:
    return Int(encoding.whole(left) + encoding.whole(right))


def _minus(left: Whole, right: Whole, state: State, run: Machine, line: int) -> Value:
    return Int(encoding.whole(left) - encoding.whole(right))


def _times(left: Whole, right: Whole, state: State, run: Machine, line: int) -> Int:
    a, b = encoding.whole(left), encoding.whole(right)
    if isinstance(a, int) and isinstance(b, int):
        if a.bit_length() + b.bit_length() > MAX_BITS:
            return Int(run.symbol("product"))
        return Int(a * b)
    if isinstance(a, int) or isinstance(b, int):
        return Int(a * b)
    return Int(product(a, b, state, run))


def product(a: Term, b: Term, state: State, run: Machine) -> Term:
    """Of two symbols: any number with the right sign, as exact products make the solver give up; or the exact one."""
    result = run.lift(a * b) if run.exact else run.symbol("product")
    if a.eq(b):
        state.assume(terms.And(result >= 0, result >= a, result >= -a, terms.Implies(a != 0, result > 0)))
        return result
    state.assume(terms.Implies(terms.Or(terms.And(a >= 0, b >= 0), terms.And(a <= 0, b <= 0)), result >= 0))
    state.assume(terms.Implies(terms.Or(terms.And(a >= 0, b <= 0), terms.And(a <= 0, b >= 0)), result <= 0))
    state.assume(terms.And((result == 0) == terms.Or(a == 0, b == 0)))
    state.assume(terms.Implies(terms.And(a > 0, b > 0), terms.And(result >= a, result >= b)))
    return result


def divide(left: Whole, right: Whole, state: State, run: Machine, line: int) -> tuple[Term, Term]:
    """Quotient and remainder, where the divisor isn't zero."""
    a, b = encoding.whole(left), encoding.whole(right)
    run.may_raise(state, encoding.compared("!=", b, 0), "ZeroDivisionError", line)
    if isinstance(b, int):
        return encoding.quotient(a, b), encoding.remainder(a, b)
    return symbolic_division(a, b, state, run)


def symbolic_division(a: Term, b: Term, state: State, run: Machine) -> tuple[Term, Term]:
    """One pair for each pair of operands, with what holds of it linearly."""
    dividend = run.lift(a)
    key = (dividend.get_id(), b.get_id())
    if key not in run._divisions:
        run._divisions[key] = (dividend, b, run.symbol("quotient"), run.symbol("remainder"))
    _, _, q, r = run._divisions[key]
    state.assume(terms.Implies(b > 0, terms.And(r >= 0, r < b)))
    state.assume(terms.Implies(b < 0, terms.And(r <= 0, r > b)))
    state.assume(terms.Implies(terms.And(dividend >= 0, b > 0), terms.And(q >= 0, q <= dividend, r <= dividend)))
    state.assume(terms.Implies(terms.And(dividend >= 0, b > 1, dividend > 0), q < dividend))
    state.assume(terms.Implies(terms.And(dividend >= 0, dividend < b), terms.And(q == 0, r == dividend)))
    state.assume(terms.Implies(b == 1, terms.And(q == dividend, r == 0)))
    state.assume(terms.Implies(terms.And(dividend < 0, b > 0), terms.And(q < 0, q >= dividend)))
    return q, r


def _floor_divide(left: Whole, right: Whole, state: State, run: Machine, line: int) -> Value:
    return Int(divide(left, right, state, run, line)[0])


def _modulo(left: Whole, right: Whole, state: State, run: Machine, line: int) -> Value:
    return Int(divide(left, right, state, run, line)[1])


def _true_divide(left: Whole, right: Whole, state: State, run: Machine, line: int) -> Value:
    a, b = encoding.whole(left), encoding.whole(right)
    run.may_raise(state, encoding.compared("!=", b, 0), "ZeroDivisionError", line)
    if isinstance(a, int) and isinstance(b, int):
        return _native(operator.truediv, a, b, state, run, line)
    return _quotient(of_int(a, state, run), of_int(b, state, run), state, run, line)


def _power(left: Whole, right: Whole, state: State, run: Machine, line: int) -> Value:
    base, exponent = encoding.whole(left), encoding.whole(right)
    if isinstance(exponent, int) and 0 <= exponent <= MAX_POWER:
        result: Whole = Int(1)
        for _ in range(exponent):
            result = _times(result, Int(base), state, run, line)
        return result
    negative = run.symbol("sign")
    state.assume((negative < 0) == (encoding.lift(exponent, run.context) < 0))
    options = []
    for condition, below in ((exponent < 0, True), (encoding.negation(exponent < 0), False)):
        if condition is False or not run.feasible(state, condition):
            continue
        inside = state.copy()
        inside.assume(condition)
        try:
            options.append((condition, inside, _powered(base, exponent, below, inside, run, line)))
        except run.dead:
            continue
    merged, value = run.merge(options)
    state.become(merged)
    return value


def _powered(base: Term, exponent: Term, below: bool, state: State, run: Machine, line: int) -> Value:
    if below:
        run.oblige("zero-division")
        run.may_raise(state, encoding.compared("!=", base, 0), "ZeroDivisionError", line)
        # At most 1 in magnitude, and 0 where it underflows.
        return run.float_symbol(state, "power", exponent=1)
    result = run.symbol("power")
    positive, nonzero = run.lift(base) >= 1, run.lift(base) != 0
    state.assume(terms.Implies(positive, result >= 1))
    state.assume(terms.Implies(nonzero, result != 0))
    state.assume(terms.Implies(run.lift(base) >= 0, result >= 0))
    if isinstance(base, int) and base >= 2:
        state.assume(result > run.lift(exponent))
    return Int(result)


def _shift(left: Whole, right: Whole, state: State, run: Machine, line: int, *, up: bool) -> Value:
    run.oblige("value-error")
    a, count = encoding.whole(left), encoding.whole(right)
    run.may_raise(state, encoding.at_least(count, 0), "ValueError", line)
    if isinstance(count, int) and count <= MAX_BITS:
        return Int(a * 2**count if up else encoding.quotient(a, 2**count))
    result = run.symbol("shifted")
    a, nothing = run.lift(a), run.lift(count) == 0
    state.assume(terms.Implies(a >= 0, result >= 0))
    state.assume(terms.Implies(a < 0, result < 0))
    state.assume(terms.Implies(nothing, result == a))
    if up:
        state.assume(terms.And(terms.Implies(a > 0, result >= a), terms.Implies(a == 0, result == 0)))
    else:
        state.assume(
            terms.Implies(
                a >= 0, terms.And(result <= a, terms.Implies(terms.And(a > 0, terms.Not(nothing)), result < a))
            )
        )
    return Int(result)


def _shift_left(left: Whole, right: Whole, state: State, run: Machine, line: int) -> Value:
    return _shift(left, right, state, run, line, up=True)


def _shift_right(left: Whole, right: Whole, state: State, run: Machine, line: int) -> Value:
    return _shift(left, right, state, run, line, up=False)


def _bitwise(kind: type[ast.operator]) -> Callable[..., Value]:
    native = {ast.BitAnd: operator.and_, ast.BitOr: operator.or_, ast.BitXor: operator.xor}[kind]

    def handler(left: Whole, right: Whole, state: State, run: Machine, line: int) -> Value:
        if isinstance(left, Bool) and isinstance(right, Bool):
            return Bool(_logical(kind, left.term, right.term))
        a, b = encoding.whole(left), encoding.whole(right)
        if isinstance(a, int) and isinstance(b, int):
            return Int(native(a, b))
        if kind is ast.BitAnd and isinstance(b, int) and b >= 0 and (b & (b + 1)) == 0:
            return Int(encoding.remainder(a, b + 1))  # a mask of ones keeps the value modulo a power of two
        return Int(_bits(kind, run.lift(a), run.lift(b), state, run))

    return handler


def _bits(kind: type[ast.operator], a: Any, b: Any, state: State, run: Machine) -> Any:
    """Sign and size of a bitwise result."""
    result = run.symbol("bits")
    both = terms.And(a >= 0, b >= 0)
    if kind is ast.BitAnd:
        state.assume(terms.Implies(a >= 0, terms.And(result >= 0, result <= a)))
        state.assume(terms.Implies(b >= 0, terms.And(result >= 0, result <= b)))
        state.assume(terms.Implies(terms.And(a < 0, b < 0), terms.And(result < 0, result <= a, result <= b)))
    elif kind is ast.BitOr:
        state.assume(terms.Implies(both, terms.And(result >= a, result >= b, result <= a + b)))
        state.assume(terms.Implies(terms.Or(a < 0, b < 0), result < 0))
    else:
        state.assume(terms.Implies(both, terms.And(result >= 0, result <= a + b)))
        state.assume((result < 0) == z3.Xor(a < 0, b < 0))
        state.assume((result == 0) == (a == b))
    return result


def _logical(kind: type[ast.operator], a: Term, b: Term) -> Term:
    if kind is ast.BitAnd:
        return encoding.conjunction(a, b)
    if kind is ast.BitOr:
        return encoding.disjunction(a, b)
    return encoding.negation(same_truth(a, b))


def same_truth(a: Term, b: Term) -> Term:
    if isinstance(a, bool):
        return b if a else encoding.negation(b)
    if isinstance(b, bool):
        return a if b else encoding.negation(a)
    return a == b


def _matmul(left: Whole, right: Whole, state: State, run: Machine, line: int) -> Value:
    raise run.type_error(state, line, left, right)


_INTEGERS: dict[type[ast.operator], Callable[..., Value]] = {
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


# --- floats


def constant_float(number: float) -> Float:
    """A float that is known."""
    if math.isnan(number):
        return Float(0.0, nan=True)
    if math.isinf(number):
        return Float(0.0, high=number > 0, low=number < 0)
    exponent = math.frexp(number)[1] if number else 0
    return Float(number, exponent=exponent, least=exponent - 1)


def known(value: Float) -> float | None:
    """The number, if it is a constant."""
    if not isinstance(value.real, float) or not all(
        isinstance(flag, bool) for flag in (value.nan, value.high, value.low)
    ):
        return None
    return math.nan if value.nan else math.inf if value.high else -math.inf if value.low else value.real


def finite(value: Float) -> Term:
    return encoding.negation(encoding.disjunction(value.nan, encoding.disjunction(value.high, value.low)))


def zero(value: Float, run: Machine) -> Term:
    if isinstance(value.real, float):
        return encoding.conjunction(finite(value), value.real == 0.0)
    return encoding.conjunction(finite(value), value.real == 0)


def of_int(term: Term, state: State, run: Machine) -> Float:
    """The float nearest to an int."""
    if isinstance(term, int) and term.bit_length() < 1000:
        return constant_float(float(term))
    result = run.float_symbol(state, "float", exponent=run.float_bits(term), least=0)
    number = run.lift(term)
    exact = terms.And(number <= 2**53, number >= -(2**53))
    real = terms.ToReal(number)
    state.assume(terms.Implies(exact, result.real == real))
    state.assume(terms.Implies(number > 2**53, result.real >= terms.Q(2**53, 1, run.context)))
    state.assume(terms.Implies(number < -(2**53), result.real <= terms.Q(-(2**53), 1, run.context)))
    return result


def as_float(value: Value, state: State, run: Machine) -> Float:
    """A number as a float."""
    if isinstance(value, Float):
        return value
    assert is_whole(value), value
    return of_int(encoding.whole(value), state, run)


def _floats(kind: type[ast.operator], left: Value, right: Value, state: State, run: Machine, line: int) -> Value:
    if kind not in _FLOATS:
        raise run.type_error(state, line, left, right)
    a, b = as_float(left, state, run), as_float(right, state, run)
    native, general = _FLOATS[kind]
    if kind in (ast.Div, ast.FloorDiv, ast.Mod):
        run.may_raise(state, encoding.negation(zero(b, run)), "ZeroDivisionError", line)
    x, y = known(a), known(b)
    if x is not None and y is not None:
        return _native(native, x, y, state, run, line)
    return general(a, b, state, run, line)


def _native(function: Callable[[Any, Any], Any], x: Any, y: Any, state: State, run: Machine, line: int) -> Value:
    """Python's own answer on constants."""
    run.oblige("float")
    try:
        found = function(x, y)
    except (ZeroDivisionError, OverflowError) as error:
        run.raise_now(state, raised(type(error).__name__, line))
    if isinstance(found, complex):
        return Opaque("complex")
    result = constant_float(float(found))
    if not math.isfinite(found):
        run.suspect("float", line, "the result may be infinite or not a number")
    return result


def result_float(
    state: State, run: Machine, line: int, hint: str, *, exponent: int | None = None, least: int | None = None
) -> Float:
    """A computed float: finite where its size is bounded, else anything."""
    run.oblige("float")
    if exponent is not None and exponent > LARGEST_EXPONENT:
        exponent = None
    if exponent is None:
        run.suspect("float", line, "the result may be infinite or not a number")
    return run.float_symbol(state, hint, exponent=exponent, least=least)


def _most(value: Float, state: State, run: Machine) -> int | None:
    """A power of two that its magnitude doesn't exceed; from what is known of it here where floats are finite."""
    number = known(value)
    if number is not None and number != 0 and math.isfinite(number):
        mantissa, exponent = math.frexp(abs(number))
        return exponent - 1 if mantissa == 0.5 else exponent
    if not run.finite or run.lazy or value.exponent is None or value.exponent <= _SMALL_EXPONENT:
        return value.exponent
    real = run.lift_real(value.real)
    for power in _MAGNITUDES:
        bound = terms.Q(2**power, 1, run.context)
        if run.entails(state, terms.And(real <= bound, real >= -bound)):
            return power
    return value.exponent


def _least(value: Float, state: State, run: Machine) -> int | None:
    """A power of two that the magnitude of a divisor reaches."""
    if not run.finite or run.lazy or known(value) is not None or value.exponent is None:
        return value.least
    real = run.lift_real(value.real)
    for power in _DIVISORS:
        bound = terms.Q(1, 2**-power, run.context)
        if run.entails(state, terms.Or(real >= bound, real <= -bound)):
            return power if value.least is None else max(power, value.least)
    return value.least


_SMALL_EXPONENT = 64
_MAGNITUDES = (0, 10, 40, 300, 500)
_DIVISORS = (0, -10, -40, -300)


def _below_product(a: Float, b: Float, state: State, run: Machine) -> int | None:
    """A float below 2**m, times one of at most 2**n, is rounded to one below 2**(m+n)."""
    if a.exponent is None or b.exponent is None:
        return None
    most_a, most_b = _most(a, state, run), _most(b, state, run)
    assert most_a is not None
    assert most_b is not None
    return min(a.exponent + most_b, most_a + b.exponent)


def _sum(a: Float, b: Float, state: State, run: Machine, line: int) -> Value:
    exponent = None if a.exponent is None or b.exponent is None else max(a.exponent, b.exponent) + 1
    result = result_float(state, run, line, "sum", exponent=exponent)
    for one, other in ((a, b), (b, a)):
        least, most = run.lift_real(one.real), run.lift_real(other.real)
        fine = run.lift(encoding.conjunction(finite(a), finite(b)))
        grown = terms.Or(run.lift(result.high), result.real >= most) if exponent is None else result.real >= most
        state.assume(terms.Implies(terms.And(fine, least >= 0), grown))
    return result


def _difference(a: Float, b: Float, state: State, run: Machine, line: int) -> Value:
    exponent = None if a.exponent is None or b.exponent is None else max(a.exponent, b.exponent) + 1
    result = result_float(state, run, line, "difference", exponent=exponent)
    # Of unlike finite floats the difference is never 0: subnormal numbers see to that.
    x, y = run.lift_real(a.real), run.lift_real(b.real)
    fine = run.lift(encoding.conjunction(finite(a), finite(b)))
    state.assume(terms.Implies(terms.And(fine, x > y), terms.Or(run.lift(result.high), result.real > 0)))
    state.assume(terms.Implies(terms.And(fine, x < y), terms.Or(run.lift(result.low), result.real < 0)))
    return result


def _product(a: Float, b: Float, state: State, run: Machine, line: int) -> Value:
    exponent = _below_product(a, b, state, run)
    least = None if a.least is None or b.least is None else max(a.least + b.least, -1074)
    result = result_float(state, run, line, "product", exponent=exponent, least=least)
    x, y = run.lift_real(a.real), run.lift_real(b.real)
    fine = run.lift(encoding.conjunction(finite(a), finite(b)))
    small = least is None or least <= -1074
    alike = terms.Or(terms.And(x >= 0, y >= 0), terms.And(x <= 0, y <= 0))
    state.assume(terms.Implies(terms.And(fine, alike), terms.Or(run.lift(result.high), result.real >= 0)))
    if not small:
        state.assume(
            terms.Implies(
                terms.And(fine, x != 0, y != 0), terms.Or(run.lift(encoding.negation(finite(result))), result.real != 0)
            )
        )
    return result


def _quotient(a: Float, b: Float, state: State, run: Machine, line: int) -> Float:
    divisor_least = _least(b, state, run)
    # A float below 2**m is at most 2**m - 2**(m-53); so is the quotient by 2**n with m - n, which rounding keeps.
    exponent = None if a.exponent is None or divisor_least is None else max(a.exponent - divisor_least, -1000)
    least = None if a.least is None or b.exponent is None else a.least - b.exponent - 1
    result = result_float(
        state, run, line, "quotient", exponent=exponent, least=least if least is None else max(least, -1074)
    )
    x, y = run.lift_real(a.real), run.lift_real(b.real)
    fine = run.lift(encoding.conjunction(finite(a), finite(b)))
    alike = terms.Or(terms.And(x >= 0, y > 0), terms.And(x <= 0, y < 0))
    state.assume(terms.Implies(terms.And(fine, alike), terms.Or(run.lift(result.high), result.real >= 0)))
    if least is not None and least > -1074:
        state.assume(terms.Implies(x != 0, result.real != 0))
    divisor = b.real if isinstance(b.real, float) else None
    if divisor is not None and divisor >= 1:
        # Rounding is monotone and the divisor at least 1: the quotient lies between 0 and the dividend.
        state.assume(terms.Implies(terms.And(fine, x >= 0), terms.And(result.real >= 0, result.real <= x)))
        state.assume(terms.Implies(terms.And(fine, x <= 0), terms.And(result.real <= 0, result.real >= x)))
    return result


def _float_floor(a: Float, b: Float, state: State, run: Machine, line: int) -> Value:
    exponent = None if a.exponent is None or b.least is None else a.exponent - b.least + 2
    return result_float(state, run, line, "floor", exponent=exponent)


def _float_modulo(a: Float, b: Float, state: State, run: Machine, line: int) -> Value:
    result = result_float(state, run, line, "modulo", exponent=b.exponent if a.exponent is not None else None)
    y = run.lift_real(b.real)
    fine = run.lift(encoding.conjunction(finite(a), finite(b)))
    state.assume(terms.Implies(terms.And(fine, y > 0), terms.And(result.real >= 0, result.real <= y)))
    return result


def _float_power(a: Float, b: Float, state: State, run: Machine, line: int) -> Value:
    exponent = known(b)
    x = run.lift_real(a.real)
    if exponent is not None and exponent.is_integer() and 0 <= exponent <= MAX_POWER:
        most = _most(a, state, run)
        bound = None if most is None else most * int(exponent) + 1
        if bound is None or bound > LARGEST_EXPONENT:
            _may_overflow(state, run, line)
        result = result_float(state, run, line, "power", exponent=bound)
        if exponent % 2 == 0:
            state.assume(terms.Or(run.lift(encoding.negation(finite(result))), result.real >= 0))
        return result
    if exponent is not None and 0 < exponent < 1:
        fine = run.lift(finite(a))
        if run.entails(state, terms.And(fine, x >= 0)):
            result = result_float(state, run, line, "root", exponent=None if a.exponent is None else max(a.exponent, 1))
            state.assume(terms.Or(run.lift(encoding.negation(finite(result))), result.real >= 0))
            return result
    raise Unsupported("a power of floats", line)


def _may_overflow(state: State, run: Machine, line: int) -> None:
    run.oblige("float", "other-exception")
    run.may_raise(state, run.truth_symbol("fits"), "OverflowError", line)


_FLOATS: dict[type[ast.operator], tuple[Callable[[Any, Any], Any], Callable[..., Value]]] = {
    ast.Add: (operator.add, _sum),
    ast.Sub: (operator.sub, _difference),
    ast.Mult: (operator.mul, _product),
    ast.Div: (operator.truediv, _quotient),
    ast.FloorDiv: (operator.floordiv, _float_floor),
    ast.Mod: (operator.mod, _float_modulo),
    ast.Pow: (operator.pow, _float_power),
}


def float_order(symbol: str, left: Value, right: Value, state: State, run: Machine) -> Term:
    """A comparison of two numbers, one of them a float at least; exact for ints as well."""
    a, b = (_place(value, run) for value in (left, right))
    return _ORDERS[symbol](a, b)


def _place(value: Value, run: Machine) -> tuple[Any, Any, Any, Any]:
    """Real, nan, high, low as Z3 terms."""
    if isinstance(value, Float):
        return run.lift_real(value.real), *(run.lift(flag) for flag in (value.nan, value.high, value.low))
    assert is_whole(value), value
    no = run.lift(False)
    return run.lift_real(encoding.whole(value)), no, no, no


Place = tuple[Any, Any, Any, Any]


def _below(a: Place, b: Place) -> Any:
    finite_both = terms.Not(terms.Or(a[2], a[3], b[2], b[3]))
    special = terms.Or(terms.And(a[3], terms.Not(b[3])), terms.And(b[2], terms.Not(a[2])))
    return terms.And(terms.Not(a[1]), terms.Not(b[1]), terms.Or(special, terms.And(finite_both, a[0] < b[0])))


def _equal(a: Place, b: Place) -> Any:
    finite_both = terms.Not(terms.Or(a[2], a[3], b[2], b[3]))
    special = terms.Or(terms.And(a[2], b[2]), terms.And(a[3], b[3]))
    return terms.And(terms.Not(a[1]), terms.Not(b[1]), terms.Or(special, terms.And(finite_both, a[0] == b[0])))


_ORDERS: dict[str, Callable[[Place, Place], Any]] = {
    "<": _below,
    ">": lambda a, b: _below(b, a),
    "<=": lambda a, b: terms.Or(_below(a, b), _equal(a, b)),
    ">=": lambda a, b: terms.Or(_below(b, a), _equal(a, b)),
    "==": _equal,
    "!=": lambda a, b: terms.Not(_equal(a, b)),
}


# --- containers and text


def containers_binary(
    kind: type[ast.operator], left: Value, right: Value, state: State, run: Machine, line: int
) -> Value:
    names = (type_name(left), type_name(right))
    if any(is_table(side) and containers.table(state, side).default for side in (left, right)):
        raise Unsupported("an operator on a defaultdict or Counter", line)
    if kind is ast.Add:
        if isinstance(left, Text) and isinstance(right, Text):
            return concatenation(left, right, state, run)
        if names[0] == names[1] and names[0] in ("list", "tuple"):
            return containers.concatenated(left, right, state, run)
        if names[0] == names[1] == "deque":
            raise Unsupported("a sum of deques", line)
    elif kind is ast.Mult:
        for body, count in ((left, right), (right, left)):
            if is_whole(count) and isinstance(body, Text):
                return _repeated_text(body, encoding.whole(count), state, run)
            if is_whole(count) and type_name(body) in ("list", "tuple"):
                return containers.repeated(body, encoding.whole(count), state, run)
    elif kind is ast.Mod and isinstance(left, Text):
        return _formatted(left, right, state, run, line)
    elif kind in _SETS and all(
        isinstance(side, Ref) and side.kind in ("set", "frozenset", "dict_keys") for side in (left, right)
    ):
        return set_operation(_SETS[kind], left, right, state, run)
    elif kind is ast.BitOr and names == ("dict", "dict"):
        return _merged_dicts(left, right, state, run)
    for operand in (left, right):
        if type_name(operand) not in _UNLIKE:
            raise Unsupported(f"such an operator on a value of type {type_name(operand)}", line)
    raise run.type_error(state, line, left, right)


def concatenation(left: Text, right: Text, state: State, run: Machine) -> Text:
    if left.literal is not None and right.literal is not None and len(left.literal) + len(right.literal) <= MAX_BITS:
        return run.literal(left.literal + right.literal)
    if left.literal == "":
        return right
    if right.literal == "":
        return left
    return Text(run.symbol("text"), left.length + right.length, None, left.digits and right.digits)


def _repeated_text(body: Text, count: Term, state: State, run: Machine) -> Text:
    if body.literal is not None and isinstance(count, int) and len(body.literal) * count <= MAX_BITS:
        return run.literal(body.literal * count)
    times = encoding.choice(count > 0, count, 0)
    length = times * body.length if isinstance(body.length, int) or isinstance(times, int) else None
    if length is None:
        length = product(run.lift(times), run.lift(body.length), state, run)
    return Text(run.symbol("text"), length, None)


def _formatted(template: Text, right: Value, state: State, run: Machine, line: int) -> Value:
    """`%`: fine for plain %s and %d of matching values; else refused."""
    if template.literal is None:
        raise Unsupported("% formatting with a computed template", line)
    wanted = _directives(template.literal, line)
    one = isinstance(right, Ref) and right.kind in ("list", "dict", "set") and len(wanted) == 1
    if not one and not isinstance(right, Tup | Int | Bool | Float | Text | NoneValue):
        raise Unsupported(f"% formatting of a value of type {type_name(right)}", line)
    items = right.items if isinstance(right, Tup) else (right,)
    if len(items) != len(wanted):
        raise run.type_error(state, line)
    for directive, item in zip(wanted, items, strict=True):
        if directive == "d" and not is_whole(item):
            raise Unsupported("%d of a value that is no int", line)
        if directive in "fge" and not is_number(item):
            raise Unsupported("%f of a value that is no number", line)
    return run.text(state, "formatted")


def _directives(template: str, line: int) -> list[str]:
    found = []
    parts = iter(template.replace("%%", "").split("%")[1:])
    for part in parts:
        letter = part.lstrip("0123456789.+- ")[:1]
        if letter not in ("s", "d", "f", "r", "g", "e") or letter == "":
            raise Unsupported("% formatting of this kind", line)
        found.append(letter)
    return found


_SETS = {ast.BitAnd: "intersection", ast.BitOr: "union", ast.Sub: "difference", ast.BitXor: "symmetric_difference"}


def set_operation(name: str, left: Value, right: Value, state: State, run: Machine) -> Value:
    """Of two sets; which members it has is left open."""
    assert isinstance(left, Ref)
    assert isinstance(right, Ref)
    a, b = state.content(left.address), state.content(right.address)
    assert isinstance(a, Table)
    assert isinstance(b, Table)
    key = a.key if name == "difference" else join(a.key, b.key)
    size = run.any_length(state, "size")
    if name in ("intersection", "difference"):
        state.assume(size <= run.lift(a.size))
    if name == "intersection":
        state.assume(size <= run.lift(b.size))
    if name == "union":
        state.assume(terms.And(size >= run.lift(a.size), size >= run.lift(b.size), size <= a.size + b.size))
    kind = "set" if left.kind == "dict_keys" else left.kind
    return run.new(state, kind, Table(key, None, size))


def _merged_dicts(left: Value, right: Value, state: State, run: Machine) -> Value:
    assert isinstance(left, Ref)
    assert isinstance(right, Ref)
    a, b = state.content(left.address), state.content(right.address)
    assert isinstance(a, Table)
    assert isinstance(b, Table)
    size = run.any_length(state, "size", most=a.size + b.size)
    state.assume(terms.And(size >= run.lift(a.size), size >= run.lift(b.size)))
    return run.new(state, "dict", Table(join(a.key, b.key), join(a.value or NEVER, b.value or NEVER), size))


# --- unary


def unary(kind: type[ast.unaryop], operand: Value, state: State, run: Machine, line: int) -> Value:
    if kind is ast.Not:
        return Bool(encoding.negation(truth(state, operand, run, line)))
    run.oblige("type-error")
    if is_whole(operand):
        term = encoding.whole(operand)
        return Int(-term if kind is ast.USub else term if kind is ast.UAdd else -term - 1)
    if isinstance(operand, Float) and kind is not ast.Invert:
        return operand if kind is ast.UAdd else negated(operand)
    if isinstance(operand, Opaque) or (isinstance(operand, Ref) and operand.kind == "dict"):  # a Counter has a sign
        raise Unsupported(f"arithmetic on a value of type {type_name(operand)}", line)
    raise run.type_error(state, line, operand)


def negated(value: Float) -> Float:
    return Float(-value.real, value.nan, value.low, value.high, value.exponent, value.least)


# --- comparisons


def compare(kind: type[ast.cmpop], left: Value, right: Value, state: State, run: Machine, line: int) -> Term:
    """One link of a comparison, as a truth."""
    if kind in (ast.Is, ast.IsNot):
        same = identical(left, right, run)
        return same if kind is ast.Is else encoding.negation(same)
    if kind in (ast.Eq, ast.NotEq):
        equal = equality(left, right, state, run)
        return equal if kind is ast.Eq else encoding.negation(equal)
    if kind in (ast.In, ast.NotIn):
        run.oblige("type-error")
        found = containers.contains(right, left, state, run, line)
        return found if kind is ast.In else encoding.negation(found)
    run.oblige("type-error")
    return ordered(SYMBOLS[kind], left, right, state, run, line)


SYMBOLS = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="}


def ordered(symbol: str, left: Value, right: Value, state: State, run: Machine, line: int) -> Term:
    if is_whole(left) and is_whole(right):
        return encoding.compared(symbol, encoding.whole(left), encoding.whole(right))
    if is_number(left) and is_number(right):
        return float_order(symbol, left, right, state, run)
    if isinstance(left, Text) and isinstance(right, Text):
        return run.truth_symbol("order")
    if type_name(left) == type_name(right):
        if isinstance(left, Opaque):
            raise Unsupported(f"the order of two values of type {left.type}", line)
        if isinstance(left, Ref) and left.kind in ("set", "frozenset"):
            return run.truth_symbol("order")
        if type_name(left) in ("list", "tuple", "deque"):
            comparable(element_kinds(left, state, run), element_kinds(right, state, run), state, run, line)
            return run.truth_symbol("order")
    if {type_name(left), type_name(right)} <= {"set", "frozenset"}:
        return run.truth_symbol("order")
    for operand in (left, right):
        if type_name(operand) not in _UNLIKE:
            raise Unsupported(f"the order of values of type {type_name(operand)}", line)
    raise run.type_error(state, line, left, right)


_UNLIKE = frozenset(
    {"int", "bool", "float", "str", "NoneType", "list", "tuple", "dict", "set", "frozenset", "range", "function"}
)
"""Types none of which can be ordered with, or added to, another, numbers and sets aside."""


def element_kinds(value: Value, state: State, run: Machine) -> Any:
    if isinstance(value, Tup):
        return tuple(run.shape_of(state, item) for item in value.items)
    assert isinstance(value, Ref)
    held = state.content(value.address)
    assert isinstance(held, Seq)
    return run.element_shape(state, held)


def comparable(left: Any, right: Any, state: State, run: Machine, line: int) -> None:
    """TypeError may leave where elements of two sequences can't be put in order."""
    if isinstance(left, tuple) and isinstance(right, tuple):
        pairs: Iterable[Any] = zip(left, right, strict=False)
    else:
        wide = [join(*side) if isinstance(side, tuple) else side for side in (left, right)]
        pairs = [tuple(wide)]
    for a, b in pairs:
        if not orderable(a, b):
            run.may_raise(state, run.truth_symbol("orderable"), "TypeError", line, about_none=holds_none(a, b))
            return


def holds_none(*shapes: Shape) -> bool:
    """Whether None is among what would be put in order, at any depth."""
    return any(_kind_holds_none(kind) for each in shapes for kind in each.kinds)


def _kind_holds_none(kind: Any) -> bool:
    if isinstance(kind, TupleShape):
        return holds_none(*kind.items)
    return kind.key == "None" or (isinstance(kind, ContainerShape) and holds_none(kind.element))


def orderable(left: Any, right: Any) -> bool:
    """Whether any value of one shape can be put in order with any of the other."""
    return all(_orderable_kinds(a, b) for a in left.kinds for b in right.kinds)


_NUMBERS = ("int", "bool", "float")


def _orderable_kinds(a: Any, b: Any) -> bool:
    if a.key in _NUMBERS and b.key in _NUMBERS:
        return True
    if a.key.startswith("tuple") and b.key.startswith("tuple"):
        left, right = (getattr(kind, "items", None) for kind in (a, b))
        if left is not None and right is not None:
            return all(orderable(x, y) for x, y in zip(left, right, strict=False))
        whole = [join(*items) if items is not None else kind.element for items, kind in ((left, a), (right, b))]
        return orderable(whole[0], whole[1])
    if a.key != b.key:
        return False
    if a.key in ("str", "set", "frozenset"):
        return True
    return a.key in ("list", "deque") and orderable(a.element, b.element)


def identical(left: Value, right: Value, run: Machine) -> Term:
    for one, other in ((left, right), (right, left)):
        if isinstance(one, NoneValue):
            return isinstance(other, NoneValue)
        if isinstance(one, Bool) and not isinstance(other, Bool):
            return False
    if isinstance(left, Bool) and isinstance(right, Bool):
        return same_truth(left.term, right.term)
    if isinstance(left, Ref) and left == right:
        return True
    if type_name(left) != type_name(right):
        return False
    return run.truth_symbol("identical")


def equality(left: Value, right: Value, state: State, run: Machine) -> Term:
    """`left == right`; open where contents would have to be compared."""
    if is_whole(left) and is_whole(right):
        if isinstance(left, Bool) and isinstance(right, Bool):
            return same_truth(left.term, right.term)
        return encoding.compared("==", encoding.whole(left), encoding.whole(right))
    if is_number(left) and is_number(right):
        return float_order("==", left, right, state, run)
    if isinstance(left, Text) and isinstance(right, Text):
        return _equal_texts(left, right, state, run)
    if isinstance(left, NoneValue) or isinstance(right, NoneValue):
        return isinstance(left, NoneValue) and isinstance(right, NoneValue)
    if isinstance(left, Tup) and isinstance(right, Tup):
        if len(left.items) != len(right.items):
            return False
        equal: Term = True
        for a, b in zip(left.items, right.items, strict=True):
            equal = encoding.conjunction(equal, _equal_open(a, b, state, run))
        return equal
    if type_name(left) != type_name(right) and not _alike(left, right):
        return False
    result = run.truth_symbol("equal")
    sizes = [containers.length(state, value, run) for value in (left, right)]
    if None not in sizes and type_name(left) not in ("iterator", "range"):
        state.assume(terms.Implies(result, run.lift(sizes[0]) == run.lift(sizes[1])))
    return result


def _alike(left: Value, right: Value) -> bool:
    """Whether values of unlike types may be equal all the same."""
    kinds = {type_name(left), type_name(right)}
    opaque = isinstance(left, Opaque) or isinstance(right, Opaque)
    return opaque or kinds <= {"set", "frozenset", "dict_keys"} or kinds <= {"dict", "defaultdict", "Counter"}


def _equal_open(left: Value, right: Value, state: State, run: Machine) -> Term:
    """Equality of parts, which may be choices: open then."""
    from verification.abstract.values import Choice

    if any(isinstance(side, Choice | Float) for side in (left, right)):  # the same NaN counts as equal in a container
        return run.truth_symbol("equal")
    return equality(left, right, state, run)


def _equal_texts(left: Text, right: Text, state: State, run: Machine) -> Term:
    equal = encoding.compared("==", left.name, right.name)
    if not isinstance(equal, bool):
        # Equal texts are equally long; and there is but one empty text.
        state.assume(terms.Implies(equal, run.lift(left.length) == run.lift(right.length)))
        for one, other in ((left, right), (right, left)):
            if one.literal == "":
                state.assume(terms.Implies(run.lift(other.length) == 0, equal))
    return equal


def is_table(value: Value) -> TypeGuard[Ref]:
    return isinstance(value, Ref) and value.kind in TABLES
