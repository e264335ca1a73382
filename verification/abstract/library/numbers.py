"""Numbers: conversions, `math`, and arithmetic beyond the operators."""

from __future__ import annotations

import ast
import math

from verification.abstract import operators
from verification.abstract.library.given import (
    Given,
    Handler,
    elements,
    need_int,
    wrong,
)
from verification.abstract.machine import Machine, settled
from verification.abstract.state import State
from verification.abstract.values import (
    LARGEST_EXPONENT,
    NONE,
    Bool,
    Float,
    Int,
    NoneValue,
    Text,
    Tup,
    Value,
)
from verification.symbolic import encoding, terms
from verification.symbolic.values import DIGITS, Unsupported, raised


def _abs(call: Given, state: State, run: Machine) -> Value:
    (value,) = call.expect(1, 1)
    if operators.is_whole(value):
        return Int(encoding.magnitude(encoding.whole(value)))
    if isinstance(value, Float):
        real = abs(value.real) if isinstance(value.real, float) else terms.If(value.real >= 0, value.real, -value.real)
        high = encoding.disjunction(value.high, value.low)
        return Float(real, value.nan, high, False, value.exponent, value.least)
    return wrong(value, state, run, call.line)


def _int(call: Given, state: State, run: Machine) -> Value:
    args = call.expect(0, 2)
    value = args[0] if args else Int(0)
    line = call.line
    if len(args) == 2:
        if not isinstance(value, Text) or not operators.is_whole(args[1]):
            raise Unsupported("int with a base and such an argument", line)
        run.oblige("value-error")
        run.may_raise(state, run.truth_symbol("parses"), "ValueError", line)
        return Int(run.symbol("parsed"))
    if operators.is_whole(value):
        return Int(encoding.whole(value))
    if isinstance(value, Float):
        return truncated(value, state, run, line)
    if isinstance(value, Text):
        return _parsed_int(value, state, run, line)
    return wrong(value, state, run, line)


def _trunc(call: Given, state: State, run: Machine) -> Value:
    (value,) = call.expect(1, 1)
    return wrong(value, state, run, call.line) if isinstance(value, Text) else _int(call, state, run)


def truncated(value: Float, state: State, run: Machine, line: int) -> Value:
    """`int(x)`: towards zero; infinities and NaN have no int."""
    run.oblige("value-error", "float", "other-exception")
    run.may_raise(state, encoding.negation(value.nan), "ValueError", line)
    run.may_raise(state, operators.finite(value), "OverflowError", line)
    known = operators.known(value)
    if known is not None:
        return Int(int(known))
    result = run.symbol("whole")
    real, whole = run.lift_real(value.real), terms.ToReal(result)
    state.assume(terms.Implies(real >= 0, terms.And(whole <= real, real < whole + 1)))
    state.assume(terms.Implies(real < 0, terms.And(whole >= real, real > whole - 1)))
    return run.from_float(result, value.exponent)


def _rounded(direction: str) -> Handler:
    def handler(call: Given, state: State, run: Machine) -> Value:
        (value,) = call.expect(1, 1)
        if operators.is_whole(value):
            return Int(encoding.whole(value))
        if not isinstance(value, Float):
            return wrong(value, state, run, call.line)
        run.oblige("value-error", "float", "other-exception")
        run.may_raise(state, encoding.negation(value.nan), "ValueError", call.line)
        run.may_raise(state, operators.finite(value), "OverflowError", call.line)
        result = run.symbol("whole")
        real, whole = run.lift_real(value.real), terms.ToReal(result)
        if direction == "down":
            state.assume(terms.And(whole <= real, real < whole + 1))
        else:
            state.assume(terms.And(whole >= real, real > whole - 1))
        return run.from_float(result, None if value.exponent is None else value.exponent + 1)

    return handler


def _round(call: Given, state: State, run: Machine) -> Value:
    args = call.expect(1, 2)
    value = args[0]
    digits = args[1] if len(args) == 2 else NONE
    if not isinstance(digits, NoneValue):
        need_int(digits, state, run, call.line)
    if operators.is_whole(value):
        known = isinstance(digits, NoneValue) or (isinstance(digits, Int) and settled(digits.term >= 0) is True)
        return Int(encoding.whole(value) if known else run.symbol("rounded"))
    if not isinstance(value, Float):
        return wrong(value, state, run, call.line)
    if isinstance(digits, NoneValue):
        run.oblige("value-error", "float", "other-exception")
        run.may_raise(state, encoding.negation(value.nan), "ValueError", call.line)
        run.may_raise(state, operators.finite(value), "OverflowError", call.line)
        result = run.symbol("rounded")
        real, whole = run.lift_real(value.real), terms.ToReal(result)
        state.assume(terms.And(whole - real <= terms.Q(1, 2, run.context), real - whole <= terms.Q(1, 2, run.context)))
        return run.from_float(result, None if value.exponent is None else value.exponent + 1)
    run.oblige("float")
    exponent = None if value.exponent is None else value.exponent + 1
    if isinstance(digits, Int) and settled(digits.term >= 0) is True:
        # A float so large that it could be rounded beyond the largest one has no digits after the point.
        limit = None if exponent is None else min(exponent, LARGEST_EXPONENT)
        return run.float_symbol(state, "rounded", exponent=limit)
    if exponent is None or exponent > LARGEST_EXPONENT:
        run.oblige("other-exception")
        run.may_raise(state, run.truth_symbol("fits"), "OverflowError", call.line)
        return run.float_symbol(state, "rounded")
    return run.float_symbol(state, "rounded", exponent=exponent)


def _parsed_int(text: Text, state: State, run: Machine, line: int) -> Value:
    run.oblige("value-error")
    run.assume(DIGITS)
    if text.digits:
        result = run.symbol("parsed", low=0)
        state.assume(result >= 0)
        state.assume(terms.Implies(run.lift(text.length) == 1, result <= 9))
        return Int(result)
    if text.literal is not None:
        try:
            return Int(int(text.literal))
        except ValueError:
            run.raise_now(state, raised("ValueError", line))
    run.may_raise(state, run.truth_symbol("parses"), "ValueError", line)
    return Int(run.symbol("parsed"))


def _float(call: Given, state: State, run: Machine) -> Value:
    args = call.expect(0, 1)
    value = args[0] if args else Int(0)
    if operators.is_number(value):
        return operators.as_float(value, state, run)
    if not isinstance(value, Text):
        return wrong(value, state, run, call.line)
    run.oblige("value-error")
    if value.literal is not None:
        try:
            parsed = float(value.literal)
        except ValueError:
            run.raise_now(state, raised("ValueError", call.line))
            raise
        if not math.isfinite(parsed):
            run.oblige("float")
            run.suspect("float", call.line, "the result may be infinite or not a number")
        return operators.constant_float(parsed)
    if not value.digits:
        run.may_raise(state, run.truth_symbol("parses"), "ValueError", call.line)
    return operators.result_float(state, run, call.line, "parsed")


def _bool(call: Given, state: State, run: Machine) -> Value:
    args = call.expect(0, 1)
    return Bool(operators.truth(state, args[0], run, call.line) if args else False)


def _divmod(call: Given, state: State, run: Machine) -> Value:
    left, right = call.expect(2, 2)
    run.oblige("zero-division")
    if not (operators.is_whole(left) and operators.is_whole(right)):
        raise Unsupported("divmod of anything but ints", call.line)
    q, r = operators.divide(left, right, state, run, call.line)
    return Tup((Int(q), Int(r)))


def _pow(call: Given, state: State, run: Machine) -> Value:
    args = call.expect(2, 3)
    if len(args) == 2:
        return operators.binary(ast.Pow, args[0], args[1], state, run, call.line)
    base, exponent, modulus = (need_int(value, state, run, call.line) for value in args)
    run.oblige("value-error")
    run.may_raise(state, encoding.compared("!=", modulus, 0), "ValueError", call.line)
    if not run.entails(state, run.lift(encoding.at_least(exponent, 0))):
        raise Unsupported("pow with a modulus and an exponent that may be negative", call.line)
    result = run.symbol("power")
    modulus = run.lift(modulus)
    state.assume(terms.Implies(modulus > 0, terms.And(result >= 0, result < modulus)))
    state.assume(terms.Implies(modulus < 0, terms.And(result <= 0, result > modulus)))
    del base
    return Int(result)


def _chr(call: Given, state: State, run: Machine) -> Value:
    (value,) = call.expect(1, 1)
    number = need_int(value, state, run, call.line)
    run.oblige("value-error", "other-exception", "float")
    fits = encoding.conjunction(encoding.at_least(number, -(2**31)), encoding.less(number, 2**31))
    run.may_raise(state, fits, "OverflowError", call.line)
    inside = encoding.conjunction(encoding.at_least(number, 0), encoding.less(number, 0x110000))
    run.may_raise(state, inside, "ValueError", call.line)
    if isinstance(number, int) and not 0xD800 <= number < 0xE000:
        return run.literal(chr(number))
    return Text(run.symbol("character"), 1)


def _ord(call: Given, state: State, run: Machine) -> Value:
    (value,) = call.expect(1, 1)
    if not isinstance(value, Text):
        return wrong(value, state, run, call.line)
    run.may_raise(state, encoding.compared("==", value.length, 1), "TypeError", call.line)
    if value.literal is not None:
        return Int(ord(value.literal))
    result = run.symbol("code", low=0)
    state.assume(terms.And(result >= 0, result < 0x110000))
    return Int(result)


def _based(call: Given, state: State, run: Machine) -> Value:
    (value,) = call.expect(1, 1)
    number = need_int(value, state, run, call.line)
    if isinstance(number, int):
        return run.literal({"bin": bin, "hex": hex, "oct": oct}[call.name](number))
    return run.text(state, call.name, least=3)


def _number_result(kind: str) -> Handler:
    """A function of numbers that raises nothing on finite ones."""

    def handler(call: Given, state: State, run: Machine) -> Value:
        args = call.expect(2, 2) if kind == "two" else call.expect(1, 1)
        for value in args:
            if not operators.is_number(value):
                raise wrong(value, state, run, call.line)
            if kind == "bounded":
                _finite_argument(value, state, run, call.line)
        certain = operators.as_float(args[0], state, run).exponent is not None  # else it may be NaN, and the result too
        exponent = 64 if kind == "bounded" and certain else None
        return operators.result_float(state, run, call.line, "result", exponent=exponent)

    return handler


def _finite_argument(value: Value, state: State, run: Machine, line: int) -> None:
    """Infinities have no sine."""
    if isinstance(value, Float):
        run.oblige("value-error")
        infinite = encoding.disjunction(value.high, value.low)
        run.may_raise(state, encoding.negation(infinite), "ValueError", line)


def _square_root(call: Given, state: State, run: Machine) -> Value:
    (value,) = call.expect(1, 1)
    if not operators.is_number(value):
        return wrong(value, state, run, call.line)
    run.oblige("value-error")
    number = operators.as_float(value, state, run)
    real = run.lift_real(number.real)
    fine = terms.Or(
        run.lift(number.nan), run.lift(number.high), terms.And(run.lift(operators.finite(number)), real >= 0)
    )
    run.may_raise(state, settled(run.room.simplified(fine)), "ValueError", call.line)
    exponent = None if number.exponent is None else max(number.exponent, 1)
    result = operators.result_float(state, run, call.line, "root", exponent=exponent)
    state.assume(
        terms.Implies(
            run.lift(operators.finite(number)), terms.And(result.real >= 0, (result.real == 0) == (real == 0))
        )
    )
    state.assume(terms.Implies(real >= 1, terms.And(result.real >= 1, result.real <= real)))
    return result


def _logarithm(call: Given, state: State, run: Machine) -> Value:
    args = call.expect(1, 2 if call.name == "math.log" else 1)
    run.oblige("value-error")
    for value in args:
        if not operators.is_number(value):
            return wrong(value, state, run, call.line)
        number = operators.as_float(value, state, run)
        real = run.lift_real(number.real)
        fine = terms.Or(
            run.lift(number.nan), run.lift(number.high), terms.And(run.lift(operators.finite(number)), real > 0)
        )
        run.may_raise(state, settled(run.room.simplified(fine)), "ValueError", call.line)
    if len(args) == 2:
        run.oblige("zero-division")
        base = operators.as_float(args[1], state, run)
        run.may_raise(
            state, settled(run.room.simplified(run.lift_real(base.real) != 1)), "ZeroDivisionError", call.line
        )
        return operators.result_float(state, run, call.line, "logarithm")
    number = operators.as_float(args[0], state, run)
    exponent = 12 if number.exponent is not None else None
    result = operators.result_float(state, run, call.line, "logarithm", exponent=exponent)
    state.assume(
        terms.Implies(terms.And(run.lift(operators.finite(number)), run.lift_real(number.real) >= 1), result.real >= 0)
    )
    return result


def _overflowing(call: Given, state: State, run: Machine) -> Value:
    """`math.exp` and the like: OverflowError where the result doesn't fit."""
    (value,) = call.expect(1, 1)
    if not operators.is_number(value):
        return wrong(value, state, run, call.line)
    run.oblige("other-exception", "float")
    number = operators.as_float(value, state, run)
    real = run.lift_real(number.real)
    small = terms.Or(terms.Not(run.lift(operators.finite(number))), real <= 700)
    run.may_raise(state, settled(run.room.simplified(small)), "OverflowError", call.line)
    exponent = 1020 if number.exponent is not None else None
    result = operators.result_float(state, run, call.line, "exponential", exponent=exponent)
    state.assume(terms.Or(run.lift(result.nan), result.real >= 0))
    return result


def _math_pow(call: Given, state: State, run: Machine) -> Value:
    for value in call.expect(2, 2):
        if not operators.is_number(value):
            return wrong(value, state, run, call.line)
    run.oblige("value-error", "other-exception")
    base, exponent = (operators.as_float(value, state, run) for value in call.args)
    power = operators.known(exponent)
    bounded = power is not None and power.is_integer() and 0 <= power <= 8 and base.exponent is not None
    bounded = bounded and (base.exponent or 0) * int(power or 0) + 1 <= LARGEST_EXPONENT
    if not bounded:
        run.may_raise(state, run.truth_symbol("defined"), "ValueError", call.line)
        run.may_raise(state, run.truth_symbol("fits"), "OverflowError", call.line)
    limit = base.exponent * int(power or 0) + 1 if bounded and base.exponent is not None else None
    return operators.result_float(state, run, call.line, "power", exponent=limit)


def _integer_root(call: Given, state: State, run: Machine) -> Value:
    (value,) = call.expect(1, 1)
    number = need_int(value, state, run, call.line)
    run.oblige("value-error")
    run.may_raise(state, encoding.at_least(number, 0), "ValueError", call.line)
    if isinstance(number, int):
        return Int(math.isqrt(number))
    result = run.symbol("root", low=0)
    state.assume(terms.And(result >= 0, result <= number, (result == 0) == (number == 0)))
    state.assume(terms.Implies(number >= 2, result < number))
    return Int(result)


def _gcd(call: Given, state: State, run: Machine) -> Value:
    if not call.expect(0, 8):
        return Int(0)
    numbers = [run.lift(need_int(value, state, run, call.line)) for value in call.args]
    result = run.symbol("gcd", low=0)
    zero = terms.And(*(number == 0 for number in numbers))
    state.assume(terms.And(result >= 0, (result == 0) == zero))
    for number in numbers:
        state.assume(terms.Implies(number != 0, terms.And(result <= terms.If(number > 0, number, -number))))
    return Int(result)


def _lcm(call: Given, state: State, run: Machine) -> Value:
    numbers = [run.lift(need_int(value, state, run, call.line)) for value in call.expect(1, 8)]
    result = run.symbol("lcm", low=0)
    state.assume(terms.And(result >= 0, (result == 0) == terms.Or(*(number == 0 for number in numbers))))
    return Int(result)


def _factorial(call: Given, state: State, run: Machine) -> Value:
    (value,) = call.expect(1, 1)
    if isinstance(value, Float):
        raise Unsupported("math.factorial of a float", call.line)
    number = need_int(value, state, run, call.line)
    run.oblige("value-error")
    run.may_raise(state, encoding.at_least(number, 0), "ValueError", call.line)
    result = run.symbol("factorial", low=1)
    state.assume(result >= 1)
    return Int(result)


def _comb(call: Given, state: State, run: Machine) -> Value:
    args = call.expect(1 if call.name == "math.perm" else 2, 2)
    run.oblige("value-error")
    if call.name == "math.perm" and isinstance(args[-1], NoneValue):
        args = args[:1]
    for number in [need_int(value, state, run, call.line) for value in args]:
        run.may_raise(state, encoding.at_least(number, 0), "ValueError", call.line)
    result = run.symbol("ways", low=0)
    state.assume(result >= 0)
    return Int(result)


def _float_test(call: Given, state: State, run: Machine) -> Value:
    (value,) = call.expect(1, 1)
    if not operators.is_number(value):
        return wrong(value, state, run, call.line)
    number = operators.as_float(value, state, run)
    infinite = encoding.disjunction(number.high, number.low)
    return Bool(
        {"math.isnan": number.nan, "math.isinf": infinite, "math.isfinite": operators.finite(number)}[call.name]
    )


def _close(call: Given, state: State, run: Machine) -> Value:
    for value in call.expect(2, 2, "rel_tol", "abs_tol"):
        if not operators.is_number(value):
            return wrong(value, state, run, call.line)
    for value in call.keywords.values():
        if not isinstance(value, Float) or operators.known(value) is None or value.real < 0:
            raise Unsupported("such a tolerance of math.isclose", call.line)
    return run.open_truth("close")


def _product_of(call: Given, state: State, run: Machine) -> Value:
    (value,) = call.expect(1, 1)
    found, _ = elements(value, state, run, call.line)
    if found.kinds and not all(kind.key in ("int", "bool") for kind in found.kinds):
        raise Unsupported("math.prod of anything but ints", call.line)
    return Int(run.symbol("product"))


FUNCTIONS: dict[str, Handler] = {
    "abs": _abs,
    "bin": _based,
    "bool": _bool,
    "chr": _chr,
    "divmod": _divmod,
    "float": _float,
    "hex": _based,
    "int": _int,
    "oct": _based,
    "ord": _ord,
    "pow": _pow,
    "round": _round,
    "math.ceil": _rounded("up"),
    "math.comb": _comb,
    "math.cos": _number_result("bounded"),
    "math.exp": _overflowing,
    "math.fabs": _number_result("any"),
    "math.factorial": _factorial,
    "math.floor": _rounded("down"),
    "math.gcd": _gcd,
    "math.hypot": _number_result("two"),
    "math.isclose": _close,
    "math.isfinite": _float_test,
    "math.isinf": _float_test,
    "math.isnan": _float_test,
    "math.isqrt": _integer_root,
    "math.lcm": _lcm,
    "math.log": _logarithm,
    "math.log10": _logarithm,
    "math.log2": _logarithm,
    "math.perm": _comb,
    "math.pow": _math_pow,
    "math.prod": _product_of,
    "math.radians": _number_result("any"),
    "math.degrees": _number_result("any"),
    "math.sin": _number_result("bounded"),
    "math.sqrt": _square_root,
    "math.tan": _number_result("bounded"),
    "math.atan": _number_result("any"),
    "math.trunc": _trunc,
}
