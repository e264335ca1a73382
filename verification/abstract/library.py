"""Builtin functions and the common parts of the standard library: which exceptions they raise, and what they give.

A function that isn't in the tables is refused. Each handler gets arguments that are no choices.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import z3

from verification.abstract import containers, operators
from verification.abstract.calls import callable_shape
from verification.abstract.machine import SPACES, Machine, settled
from verification.abstract.state import State
from verification.abstract.values import (
    BOOL,
    FLOAT,
    INT,
    NEVER,
    NONE,
    STR,
    Bool,
    Builtin,
    Choice,
    ContainerShape,
    ExceptionClass,
    ExceptionValue,
    Float,
    Int,
    Method,
    NoneValue,
    Opaque,
    Partial,
    Range,
    Ref,
    Scalar,
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
    list_of,
    shape,
    type_name,
)
from verification.symbolic import encoding
from verification.symbolic.values import Unsupported, raised

DIGITS = "integers that are turned into text, or read from it, have at most 4,300 digits"


@dataclass(frozen=True)
class Given:
    """A call of the library."""

    name: str
    args: tuple[Value, ...]
    keywords: Mapping[str, Value]
    line: int

    def expect(self, least: int, most: int, *keywords: str) -> tuple[Value, ...]:
        """The positional arguments; a call that doesn't fit what is modelled is refused."""
        if not least <= len(self.args) <= most or any(name not in keywords for name in self.keywords):
            raise Unsupported(f"these arguments of {self.name}", self.line)
        return self.args


Handler = Callable[[Given, State, Machine], Value]


def call_builtin(
    name: str, args: Sequence[Value], keywords: Mapping[str, Value], state: State, run: Machine, line: int
) -> Value:
    """Call a function of the library."""
    handler = FUNCTIONS.get(name)
    if handler is None:
        kind, _, method = name.partition(".")
        if kind in ("str", "list", "dict", "set") and method and args:
            return _unbound_method(kind, method, args, keywords, state, run, line)
        raise Unsupported(f"{name}()", line)
    named = list(keywords)
    count = len(args)

    def one(inside: State, given: tuple[Value, ...]) -> Value:
        for value in given:
            if isinstance(value, Unbound):
                raise Unsupported("an unset argument", line)
        call = Given(name, given[:count], dict(zip(named, given[count:], strict=True)), line)
        return handler(call, inside, run)

    return run.cases(state, [*args, *(keywords[key] for key in named)], one)


def _unbound_method(
    kind: str,
    method: str,
    args: Sequence[Value],
    keywords: Mapping[str, Value],
    state: State,
    run: Machine,
    line: int,
) -> Value:
    """`str.lower(text)`."""
    from verification.abstract.methods import call_method

    def one(inside: State, given: tuple[Value, ...]) -> Value:
        if type_name(given[0]) != kind:
            return wrong(given[0], inside, run, line)
        return call_method(Method(given[0], method), args[1:], keywords, inside, run, line)

    return run.cases(state, [args[0]], one)


def call_partial(
    function: Partial, args: Sequence[Value], keywords: Mapping[str, Value], state: State, run: Machine, line: int
) -> Value:
    """Call what `itemgetter` and `partial` give."""
    from verification.abstract.calls import call_value

    if function.name == "itemgetter" and len(args) == 1 and not keywords:
        found = [
            run.cases(state, [args[0], key], lambda now, given: containers.get_item(given[0], given[1], now, run, line))
            for key in function.parts
        ]
        return found[0] if len(found) == 1 else Tup(tuple(found))
    if function.name == "partial":
        return call_value(function.parts[0], [*function.parts[1:], *args], keywords, state, run, line)
    raise Unsupported(f"a call of {function.name}", line)


# --- helpers


def elements(value: Value, state: State, run: Machine, line: int) -> tuple[Shape, Term]:
    """The shape of any element of an iterable, and how many there are. It is used up if it is an iterator."""
    containers.iterable(value, state, run, line)
    containers.share_items(value, state, run)
    found = containers.whole_shape(value, state, run, line), containers.count(value, state, run)
    containers.consumed(value, state, run, line)
    return found


def wrong(value: Value, state: State, run: Machine, line: int) -> Any:
    """TypeError for a value of a type that is known; others are refused."""
    if isinstance(value, Opaque | Builtin | ExceptionClass | ExceptionValue | Partial):
        raise Unsupported(f"this use of a value of type {type_name(value)}", line)
    return run.type_error(state, line, value)


def need_int(value: Value, state: State, run: Machine, line: int) -> Term:
    if not operators.is_whole(value):
        raise wrong(value, state, run, line)
    return encoding.whole(value)


def apply(function: Value, shapes: Sequence[Shape], state: State, run: Machine, line: int) -> Shape:
    """What a function gives for any elements; nothing where there are none."""
    if any(not each.kinds for each in shapes):
        return NEVER
    return callable_shape(function, shapes, state, run, line)


def need_order(keys: Shape, state: State, run: Machine, line: int) -> None:
    if not operators.orderable(keys, keys):
        about_none = operators.holds_none(keys)
        run.may_raise(state, run.truth_symbol("orderable"), "TypeError", line, about_none=about_none)


def keyed(call: Given, found: Shape, state: State, run: Machine) -> Shape:
    """The shape of what is compared: the key's results, or the elements."""
    key = call.keywords.get("key", NONE)
    return found if isinstance(key, NoneValue) else apply(key, [found], state, run, call.line)


# --- numbers


def _abs(call: Given, state: State, run: Machine) -> Value:
    (value,) = call.expect(1, 1)
    if operators.is_whole(value):
        return Int(encoding.magnitude(encoding.whole(value)))
    if isinstance(value, Float):
        real = abs(value.real) if isinstance(value.real, float) else z3.If(value.real >= 0, value.real, -value.real)
        high = encoding.disjunction(value.high, value.low)
        return Float(real, value.nan, high, False, value.exponent, value.least)
    return wrong(value, state, run, call.line)


def _int(call: Given, state: State, run: Machine) -> Value:
    args = call.expect(0, 2)
    value = args[0] if args else Int(0)
    line = call.line
    if len(args) == 2:
        if not isinstance(value, Text):
            return wrong(value, state, run, line)
        need_int(args[1], state, run, line)
        return _parsed_int(replace(value, digits=False), state, run, line)
    if operators.is_whole(value):
        return Int(encoding.whole(value))
    if isinstance(value, Float):
        return truncated(value, state, run, line)
    if isinstance(value, Text):
        return _parsed_int(value, state, run, line)
    return wrong(value, state, run, line)


def truncated(value: Float, state: State, run: Machine, line: int) -> Value:
    """`int(x)`: towards zero; infinities and NaN have no int."""
    run.oblige("value-error", "float", "other-exception")
    run.may_raise(state, encoding.negation(value.nan), "ValueError", line)
    run.may_raise(state, operators.finite(value), "OverflowError", line)
    known = operators.known(value)
    if known is not None:
        return Int(int(known))
    result = run.symbol("whole")
    real, whole = run.lift_real(value.real), z3.ToReal(result)
    state.assume(z3.Implies(real >= 0, z3.And(whole <= real, real < whole + 1)))
    state.assume(z3.Implies(real < 0, z3.And(whole >= real, real > whole - 1)))
    return Int(result)


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
        real, whole = run.lift_real(value.real), z3.ToReal(result)
        if direction == "down":
            state.assume(z3.And(whole <= real, real < whole + 1))
        else:
            state.assume(z3.And(whole >= real, real > whole - 1))
        return Int(result)

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
        real, whole = run.lift_real(value.real), z3.ToReal(result)
        state.assume(z3.And(whole - real <= z3.Q(1, 2, run.context), real - whole <= z3.Q(1, 2, run.context)))
        return Int(result)
    exponent = None if value.exponent is None else value.exponent + 1
    if exponent is None:
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
        state.assume(z3.Implies(run.lift(text.length) == 1, result <= 9))
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
            return operators.constant_float(float(value.literal))
        except ValueError:
            run.raise_now(state, raised("ValueError", call.line))
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
    nonzero = encoding.compared("!=", modulus, 0)
    run.may_raise(state, encoding.conjunction(nonzero, encoding.at_least(exponent, 0)), "ValueError", call.line)
    result = run.symbol("power")
    modulus = run.lift(modulus)
    state.assume(z3.Implies(modulus > 0, z3.And(result >= 0, result < modulus)))
    state.assume(z3.Implies(modulus < 0, z3.And(result <= 0, result > modulus)))
    del base
    return Int(result)


def _chr(call: Given, state: State, run: Machine) -> Value:
    (value,) = call.expect(1, 1)
    number = need_int(value, state, run, call.line)
    run.oblige("value-error")
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
    state.assume(z3.And(result >= 0, result < 0x110000))
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
        args = call.expect(1, 2)
        for value in args:
            if not operators.is_number(value):
                wrong(value, state, run, call.line)
            if kind == "bounded":
                _finite_argument(value, state, run, call.line)
        exponent = 64 if kind == "bounded" else None
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
    fine = z3.Or(run.lift(number.nan), run.lift(number.high), z3.And(run.lift(operators.finite(number)), real >= 0))
    run.may_raise(state, settled(z3.simplify(fine)), "ValueError", call.line)
    exponent = None if number.exponent is None else max(number.exponent, 1)
    result = operators.result_float(state, run, call.line, "root", exponent=exponent)
    state.assume(
        z3.Implies(run.lift(operators.finite(number)), z3.And(result.real >= 0, (result.real == 0) == (real == 0)))
    )
    state.assume(z3.Implies(real >= 1, z3.And(result.real >= 1, result.real <= real)))
    return result


def _logarithm(call: Given, state: State, run: Machine) -> Value:
    args = call.expect(1, 2 if call.name == "math.log" else 1)
    run.oblige("value-error")
    for value in args:
        if not operators.is_number(value):
            return wrong(value, state, run, call.line)
        number = operators.as_float(value, state, run)
        real = run.lift_real(number.real)
        fine = z3.Or(run.lift(number.nan), run.lift(number.high), z3.And(run.lift(operators.finite(number)), real > 0))
        run.may_raise(state, settled(z3.simplify(fine)), "ValueError", call.line)
    if len(args) == 2:
        run.oblige("zero-division")
        base = operators.as_float(args[1], state, run)
        run.may_raise(state, settled(z3.simplify(run.lift_real(base.real) != 1)), "ZeroDivisionError", call.line)
        return operators.result_float(state, run, call.line, "logarithm")
    number = operators.as_float(args[0], state, run)
    exponent = 12 if number.exponent is not None else None
    result = operators.result_float(state, run, call.line, "logarithm", exponent=exponent)
    state.assume(
        z3.Implies(z3.And(run.lift(operators.finite(number)), run.lift_real(number.real) >= 1), result.real >= 0)
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
    small = z3.Or(z3.Not(run.lift(operators.finite(number))), real <= 700)
    run.may_raise(state, settled(z3.simplify(small)), "OverflowError", call.line)
    exponent = 1020 if number.exponent is not None else None
    result = operators.result_float(state, run, call.line, "exponential", exponent=exponent)
    state.assume(z3.Or(run.lift(result.nan), result.real >= 0))
    return result


def _math_pow(call: Given, state: State, run: Machine) -> Value:
    for value in call.expect(2, 2):
        if not operators.is_number(value):
            return wrong(value, state, run, call.line)
    run.oblige("value-error", "other-exception")
    base, exponent = (operators.as_float(value, state, run) for value in call.args)
    power = operators.known(exponent)
    bounded = power is not None and power.is_integer() and 0 <= power <= 8 and base.exponent is not None
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
    state.assume(z3.And(result >= 0, result <= number, (result == 0) == (number == 0)))
    state.assume(z3.Implies(number >= 2, result < number))
    return Int(result)


def _gcd(call: Given, state: State, run: Machine) -> Value:
    if not call.args:
        return Int(0)
    numbers = [run.lift(need_int(value, state, run, call.line)) for value in call.expect(1, 8)]
    result = run.symbol("gcd", low=0)
    zero = z3.And(*(number == 0 for number in numbers))
    state.assume(z3.And(result >= 0, (result == 0) == zero))
    for number in numbers:
        state.assume(z3.Implies(number != 0, z3.And(result <= z3.If(number > 0, number, -number))))
    return Int(result)


def _lcm(call: Given, state: State, run: Machine) -> Value:
    numbers = [run.lift(need_int(value, state, run, call.line)) for value in call.expect(1, 8)]
    result = run.symbol("lcm", low=0)
    state.assume(z3.And(result >= 0, (result == 0) == z3.Or(*(number == 0 for number in numbers))))
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
    for value in args:
        run.may_raise(state, encoding.at_least(need_int(value, state, run, call.line), 0), "ValueError", call.line)
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


# --- sequences


def _len(call: Given, state: State, run: Machine) -> Value:
    (value,) = call.expect(1, 1)
    size = containers.length(state, value, run)
    if size is None:
        return wrong(value, state, run, call.line)
    return Int(size)


def _range(call: Given, state: State, run: Machine) -> Value:
    terms = [need_int(value, state, run, call.line) for value in call.expect(1, 3)]
    start, stop = (0, terms[0]) if len(terms) == 1 else (terms[0], terms[1])
    step = terms[2] if len(terms) == 3 else 1
    if len(terms) == 3:
        run.oblige("value-error")
        run.may_raise(state, encoding.compared("!=", step, 0), "ValueError", call.line)
    if isinstance(step, int):
        return Range(start, stop, step)
    # With a step that varies: any numbers between the ends, at least one where the first is within.
    start_, stop_ = run.lift(start), run.lift(stop)
    size = run.any_length(state, "range.len")
    state.assume(
        z3.Implies(step > 0, z3.And(size <= z3.If(stop_ > start_, stop_ - start_, 0), (size > 0) == (stop_ > start_)))
    )
    state.assume(
        z3.Implies(step < 0, z3.And(size <= z3.If(start_ > stop_, start_ - stop_, 0), (size > 0) == (start_ > stop_)))
    )
    return _bounded_ints(size, start_, stop_, state, run)


def _bounded_ints(size: Any, start: Any, stop: Any, state: State, run: Machine) -> Value:
    """An iterator over ints of which nothing but the number is known."""
    low = run.low_of(start) if run.low_of(stop) is not None else None
    return run.sequence(state, shape(Scalar("int", low=0 if low is not None else None)), size, "tuple...")


def _extreme(call: Given, state: State, run: Machine) -> Value:
    """`max`, `min`: of an iterable, or of the arguments."""
    args = call.expect(1, 64, "default", "key")
    run.oblige("value-error", "type-error")
    if len(args) > 1:
        return _extreme_of(call, args, state, run)
    known = containers.known_items(args[0], state)
    if known and "key" not in call.keywords and not any(isinstance(item, Choice) for item in known):
        if len(known) == 1:
            return known[0]
        return _extreme_of(call, known, state, run)
    found, size = elements(args[0], state, run, call.line)
    need_order(keyed(call, found, state, run), state, run, call.line)
    if "default" in call.keywords:
        found = join(found, run.stored_shape(state, call.keywords["default"]))
    else:
        run.may_raise(state, encoding.compared(">=", size, 1), "ValueError", call.line)
    return run.fresh(state, found, call.name)


def _extreme_of(call: Given, args: Sequence[Value], state: State, run: Machine) -> Value:
    if "default" in call.keywords and len(call.args) > 1:
        return run.type_error(state, call.line)
    if "key" not in call.keywords and all(isinstance(value, Int) for value in args):
        kept = args[0].term  # type: ignore[union-attr]
        for value in args[1:]:
            better = encoding.compared(">" if call.name == "max" else "<", value.term, kept)  # type: ignore[union-attr]
            kept = encoding.choice(better, value.term, kept)  # type: ignore[union-attr]
        return Int(kept)
    shapes = [run.stored_shape(state, value) for value in args]
    found = join(*shapes)
    need_order(keyed(call, found, state, run), state, run, call.line)
    result = run.fresh(state, found, call.name)
    if isinstance(result, Float) and "key" not in call.keywords:
        _bound_floats(call.name, result, args, state, run)
    return result


def _bound_floats(name: str, result: Float, args: Sequence[Value], state: State, run: Machine) -> None:
    """The extreme of finite floats is one of them, and none is beyond it."""
    floats = [operators.as_float(value, state, run) for value in args]
    fine = z3.And(*(run.lift(operators.finite(value)) for value in floats))
    reals = [run.lift_real(value.real) for value in floats]
    beyond = [result.real >= real if name == "max" else result.real <= real for real in reals]
    is_one = z3.Or(*(result.real == real for real in reals))
    state.assume(z3.Implies(fine, z3.And(run.lift(operators.finite(result)), is_one, *beyond)))


def _sum(call: Given, state: State, run: Machine) -> Value:
    args = call.expect(1, 2, "start")
    start = call.keywords.get("start", args[1] if len(args) == 2 else Int(0))
    found, size = elements(args[0], state, run, call.line)
    line = call.line
    if isinstance(start, Text):
        return run.type_error(state, line, start)
    if isinstance(start, Ref) and start.kind == "list" and all(kind.key == "list" for kind in found.kinds):
        inner = join(*(kind.element for kind in found.kinds if isinstance(kind, ContainerShape)))
        whole = join(containers.whole_shape(start, state, run, line), inner)
        return run.sequence(state, whole, run.any_length(state, "sum.len"))
    if not operators.is_number(start):
        raise Unsupported("sum from such a start", line)
    bad = [kind for kind in found.kinds if kind.key not in ("int", "bool", "float")]
    if bad:
        none_of_them = encoding.compared("==", size, 0)
        fine = none_of_them if len(bad) == len(found.kinds) else run.truth_symbol("summable")
        run.may_raise(state, fine, "TypeError", line, about_none=any(kind.key == "None" for kind in bad))
        found = Shape(tuple(kind for kind in found.kinds if kind not in bad))
    return _total(start, found, size, state, run, line)


def _total(start: Value, found: Shape, size: Term, state: State, run: Machine, line: int) -> Value:
    floats = any(kind.key == "float" for kind in found.kinds)
    if not floats and operators.is_whole(start):
        begin = encoding.whole(start)
        if not found.kinds:
            return Int(begin)
        lows = [kind.low if isinstance(kind, Scalar) and kind.type == "int" else 0 for kind in found.kinds]
        low = 0 if None not in lows and run.low_of(begin) is not None else None
        result = run.symbol("sum", low=low)
        if None not in lows:
            state.assume(result >= begin)
            if all(isinstance(each, int) and each >= 1 for each in lows):
                state.assume(result >= begin + size)
        if found.only("bool"):
            state.assume(result <= begin + size)
        state.assume(z3.Implies(run.lift(size) == 0, result == begin))
        return Int(result)
    exponents = [kind.exponent if isinstance(kind, Scalar) and kind.type == "float" else 64 for kind in found.kinds]
    exponent = None if None in exponents else max([64, *(each for each in exponents if each is not None)]) + 64
    total = operators.result_float(state, run, line, "sum", exponent=exponent)
    if not operators.is_whole(start):
        return total
    # With no element at all the sum is the int it started from; with ints among the elements it may be one as well.
    if found.only("float"):
        return run.merge_values(run.lift(size) == 0, start, total)
    return run.merge_values(run.truth_symbol("whole"), Int(run.symbol("sum")), total)


def _sorted(call: Given, state: State, run: Machine) -> Value:
    (value,) = call.expect(1, 1, "key", "reverse")
    found, size = elements(value, state, run, call.line)
    need_order(keyed(call, found, state, run), state, run, call.line)
    return run.sequence(state, found, size)


def _reversed(call: Given, state: State, run: Machine) -> Value:
    (value,) = call.expect(1, 1)
    if isinstance(value, Ref) and value.kind in ("set", "frozenset", "iterator"):
        return run.type_error(state, call.line, value)
    found, size = elements(value, state, run, call.line)
    return run.sequence(state, found, size, "iterator")


def _list(call: Given, state: State, run: Machine) -> Value:
    args = call.expect(0, 1)
    if not args:
        return run.new_list(state, ())
    return _copied(args[0], "list", state, run, call.line)


def _tuple(call: Given, state: State, run: Machine) -> Value:
    args = call.expect(0, 1)
    if not args:
        return Tup(())
    if isinstance(args[0], Tup):
        return args[0]
    items = containers.known_items(args[0], state)
    if items is not None:
        return Tup(items)
    return _copied(args[0], "tuple...", state, run, call.line)


def _copied(value: Value, kind: str, state: State, run: Machine, line: int) -> Value:
    """A new sequence of the same elements."""
    items = containers.known_items(value, state)
    if items is not None:
        containers.iterable(value, state, run, line)
        containers.consumed(value, state, run, line)
        return run.new_list(state, items, kind)
    array = None
    if isinstance(value, Ref):
        content = state.heap[value.address]
        array = content.array if isinstance(content, Seq) else None
    found, size = elements(value, state, run, line)
    made = run.sequence(state, found, size, kind)
    if array is not None:
        state.heap[made.address] = replace(containers.held(state, made), array=array)
    return made


def _set(call: Given, state: State, run: Machine) -> Value:
    args = call.expect(0, 1)
    kind = call.name
    if not args:
        return run.empty_table(state, kind)
    value = args[0]
    if isinstance(value, Ref) and isinstance(state.heap[value.address], Table):
        content = containers.table(state, value)
        return run.new(state, kind, Table(content.key, None, content.size, content.members))
    found, size = elements(value, state, run, call.line)
    hashable_shape(found, state, run, call.line)
    amount = run.any_length(state, "size", most=size)
    state.assume(z3.Implies(run.lift(size) >= 1, amount >= 1))
    return run.table(state, kind, found, None, amount)


def hashable_shape(found: Shape, state: State, run: Machine, line: int) -> None:
    """TypeError may leave where elements have no hash."""
    if any(kind.key.split(":")[0] in ("list", "dict", "set", "deque") for kind in found.kinds):
        run.may_raise(state, run.truth_symbol("hashable"), "TypeError", line)
    for kind in found.kinds:
        if isinstance(kind, TupleShape):
            for item in kind.items:
                hashable_shape(item, state, run, line)
        elif isinstance(kind, ContainerShape) and kind.type == "tuple...":
            hashable_shape(kind.element, state, run, line)


def _dict(call: Given, state: State, run: Machine) -> Value:
    args = call.expect(0, 1)
    if not args:
        return run.empty_table(state, "dict")
    value = args[0]
    if isinstance(value, Ref) and value.kind == "dict":
        content = containers.table(state, value)
        return run.new(state, "dict", replace(content, default=None))
    found, size = elements(value, state, run, call.line)
    key, held = pairs(found, run, call.line)
    hashable_shape(key, state, run, call.line)
    amount = run.any_length(state, "size", most=size)
    state.assume(z3.Implies(run.lift(size) >= 1, amount >= 1))
    return run.table(state, "dict", key, held, amount)


def pairs(found: Shape, run: Machine, line: int) -> tuple[Shape, Shape]:
    """The shapes of keys and values in an iterable of pairs."""
    key, value = NEVER, NEVER
    for kind in found.kinds:
        if not isinstance(kind, TupleShape) or len(kind.items) != 2:
            raise Unsupported("a dict of anything but pairs", line)
        key, value = join(key, kind.items[0]), join(value, kind.items[1])
    return key, value


def _quantifier(call: Given, state: State, run: Machine) -> Value:
    (value,) = call.expect(1, 1)
    found, size = elements(value, state, run, call.line)
    if any(kind.key.startswith("fixed") for kind in found.kinds):
        raise Unsupported("the truth of such elements", call.line)
    result = run.truth_symbol(call.name)
    empty = run.lift(size) == 0
    state.assume(z3.Implies(empty, result if call.name == "all" else z3.Not(result)))
    return Bool(result)


def _enumerate(call: Given, state: State, run: Machine) -> Value:
    args = call.expect(1, 2, "start")
    start = call.keywords.get("start", args[1] if len(args) == 2 else Int(0))
    number = need_int(start, state, run, call.line)
    found, size = elements(args[0], state, run, call.line)
    index = shape(Scalar("int", low=run.low_of(number)))
    return run.sequence(state, shape(TupleShape((index, found))) if found.kinds else NEVER, size, "iterator")


def _zip(call: Given, state: State, run: Machine) -> Value:
    if call.keywords:
        raise Unsupported("zip(strict=)", call.line)
    if len(call.args) == 1 and isinstance(call.args[0], Partial):
        return _zip_starred(call, call.args[0].parts[0], state, run)
    parts = [elements(value, state, run, call.line) for value in call.args]
    if not parts:
        return run.new_list(state, (), "iterator")
    least = parts[0][1]
    for _, size in parts[1:]:
        least = encoding.choice(least <= size, least, size)
    row = shape(TupleShape(tuple(found for found, _ in parts)))
    return run.sequence(state, row if all(found.kinds for found, _ in parts) else NEVER, least, "iterator")


def _zip_starred(call: Given, value: Value, state: State, run: Machine) -> Value:
    """`zip(*rows)`: tuples of one element of each row."""
    if isinstance(value, Choice):
        raise Unsupported("zip of a value of several kinds", call.line)
    found, rows = elements(value, state, run, call.line)
    inner = NEVER
    for kind in found.kinds:
        if isinstance(kind, ContainerShape) and kind.type not in ("iterator",):
            inner = join(inner, kind.element)
        elif isinstance(kind, TupleShape):
            inner = join(inner, *kind.items)
        elif kind.key == "str":
            inner = join(inner, STR)
        else:
            raise Unsupported("zip of rows of such a type", call.line)
    column = shape(ContainerShape("tuple...", inner, None, rows))
    return run.sequence(state, column if found.kinds else NEVER, run.any_length(state, "columns"), "iterator")


def _map(call: Given, state: State, run: Machine) -> Value:
    function, *values = call.expect(2, 4)
    parts = [elements(value, state, run, call.line) for value in values]
    least = parts[0][1]
    for _, size in parts[1:]:
        least = encoding.choice(least <= size, least, size)
    found = apply(function, [each for each, _ in parts], state, run, call.line)
    return run.sequence(state, found, least, "iterator")


def _filter(call: Given, state: State, run: Machine) -> Value:
    function, value = call.expect(2, 2)
    found, size = elements(value, state, run, call.line)
    if not isinstance(function, NoneValue):
        apply(function, [found], state, run, call.line)
    return run.sequence(state, found, run.any_length(state, "kept", most=size), "iterator")


def _iter(call: Given, state: State, run: Machine) -> Value:
    (value,) = call.expect(1, 1)
    found, size = elements(value, state, run, call.line)
    return run.sequence(state, found, size, "iterator")


def _next(call: Given, state: State, run: Machine) -> Value:
    args = call.expect(1, 2)
    if not isinstance(args[0], Ref) or args[0].kind != "iterator":
        return wrong(args[0], state, run, call.line)
    found, size = elements(args[0], state, run, call.line)
    if len(args) == 2:
        return run.fresh(state, join(found, run.stored_shape(state, args[1])), "next")
    run.oblige("other-exception")
    run.may_raise(state, encoding.compared(">=", size, 1), "StopIteration", call.line)
    return run.fresh(state, found, "next")


# --- text and types


def _str(call: Given, state: State, run: Machine) -> Value:
    args = call.expect(0, 1)
    if not args:
        return run.literal("")
    value = args[0]
    if isinstance(value, Text) and call.name == "str":
        return value
    if isinstance(value, Opaque | Unbound):
        raise Unsupported(f"the text of a value of type {type_name(value)}", call.line)
    run.assume(DIGITS)
    if isinstance(value, Int):
        if isinstance(value.term, int) and abs(value.term) < 10**300:
            return run.literal(str(value.term))
        natural = run.low_of(value.term) is not None or (not run.lazy and run.entails(state, run.lift(value.term) >= 0))
        return run.text(state, "digits", least=1, digits=natural)
    return run.text(state, "text", least=0 if isinstance(value, Text | ExceptionValue) else 1)


def _print(call: Given, state: State, run: Machine) -> Value:
    call.expect(0, 64, "sep", "end", "flush")
    for value in call.args:
        if isinstance(value, Opaque | Unbound):
            raise Unsupported(f"printing a value of type {type_name(value)}", call.line)
    for key in ("sep", "end"):
        if not isinstance(call.keywords.get(key, NONE), Text | NoneValue):
            raise Unsupported("these arguments of print", call.line)
    run.assume(DIGITS)
    return NONE


_CLASSES = frozenset(
    {"int", "bool", "str", "float", "list", "tuple", "dict", "range", "set", "frozenset", "bytes", "complex"}
)


def _isinstance(call: Given, state: State, run: Machine) -> Value:
    value, classes = call.expect(2, 2)
    names = []
    for cls in classes.items if isinstance(classes, Tup) else (classes,):
        if isinstance(cls, Builtin | ExceptionClass) and (isinstance(cls, ExceptionClass) or cls.name in _CLASSES):
            names.append(cls.name)
        else:
            raise Unsupported("isinstance with this class", call.line)
    if isinstance(value, Opaque):
        raise Unsupported(f"isinstance of a value of type {type_name(value)}", call.line)
    lineage: tuple[str, ...] = (type_name(value),)
    if isinstance(value, Bool):
        lineage = ("bool", "int")
    elif isinstance(value, ExceptionValue):
        lineage = value.cls.ancestors
    elif isinstance(value, Ref) and value.kind == "dict":
        lineage = ("dict",)
    return Bool(any(name in lineage for name in names))


def _type(call: Given, state: State, run: Machine) -> Value:
    (value,) = call.expect(1, 1)
    name = type_name(value)
    default = isinstance(value, Ref) and value.kind == "dict" and containers.table(state, value).default
    if name in ("int", "bool", "str", "float", "list", "tuple", "dict", "set") and not default:
        return Builtin(name)
    raise Unsupported(f"the type of a value of type {name}", call.line)


def _callable(call: Given, state: State, run: Machine) -> Value:
    call.expect(1, 1)
    return run.open_truth("callable")


def _copy(call: Given, state: State, run: Machine) -> Value:
    """A copy of the same shape; nothing of it is shared with the original where it is deep."""
    (value,) = call.expect(1, 1)
    if isinstance(value, Ref) and call.name == "copy.copy":
        containers.share_items(value, state, run)
        address = run.allocate()
        state.heap[address] = state.heap[value.address]
        return Ref(value.kind, address)
    before = state.shared
    made = run.fresh(state, run.shape_of(state, value), "copy")
    if isinstance(made, Ref):
        state.shared = before
    return made


# --- collections


def _counter(call: Given, state: State, run: Machine) -> Value:
    args = call.expect(0, 1)
    if not args:
        return run.empty_table(state, "dict", default="Counter")
    value = args[0]
    if isinstance(value, Ref) and value.kind == "dict":
        raise Unsupported("a Counter of a dict", call.line)
    found, size = elements(value, state, run, call.line)
    hashable_shape(found, state, run, call.line)
    amount = run.any_length(state, "size", most=size)
    state.assume(z3.Implies(run.lift(size) >= 1, amount >= 1))
    return run.table(state, "dict", found, shape(Scalar("int", low=1)), amount, default="Counter")


def _default_dict(call: Given, state: State, run: Machine) -> Value:
    args = call.expect(0, 1)
    if not args or isinstance(args[0], NoneValue):
        return run.empty_table(state, "dict")
    if isinstance(args[0], Builtin) and args[0].name in ("int", "list", "set", "dict", "str", "float", "bool"):
        return run.empty_table(state, "dict", default=args[0].name)
    raise Unsupported("a defaultdict of such a factory", call.line)


def _deque(call: Given, state: State, run: Machine) -> Value:
    args = call.expect(0, 1)
    if not args:
        return run.new_list(state, (), "deque")
    return _copied(args[0], "deque", state, run, call.line)


# --- itertools, functools, operator, heapq, bisect


def _chain(call: Given, state: State, run: Machine) -> Value:
    values = call.args
    if any(isinstance(value, Partial) for value in values):
        if len(values) != 1:
            raise Unsupported("these arguments of itertools.chain", call.line)
        return _chained(values[0].parts[0], state, run, call.line)  # type: ignore[union-attr]
    call.expect(0, 16)
    parts = [elements(value, state, run, call.line) for value in values]
    total: Term = 0
    for _, size in parts:
        total = total + size
    return run.sequence(state, join(*(found for found, _ in parts)), total, "iterator")


def _chain_from(call: Given, state: State, run: Machine) -> Value:
    (value,) = call.expect(1, 1)
    return _chained(value, state, run, call.line)


def _chained(value: Value, state: State, run: Machine, line: int) -> Value:
    if isinstance(value, Choice):
        raise Unsupported("a chain of a value of several kinds", line)
    found, _ = elements(value, state, run, line)
    inner = NEVER
    for kind in found.kinds:
        inner = join(inner, iterated(kind, state, run, line))
    return run.sequence(state, inner, run.any_length(state, "chained"), "iterator")


def iterated(kind: Any, state: State, run: Machine, line: int) -> Shape:
    """The shape of the elements of something of a kind; TypeError may leave if it has none."""
    if isinstance(kind, ContainerShape):
        return kind.element
    if isinstance(kind, TupleShape):
        return join(*kind.items)
    if kind.key == "str":
        return STR
    run.may_raise(state, run.truth_symbol("iterable"), "TypeError", line, about_none=kind.key == "None")
    return NEVER


def _selections(call: Given, state: State, run: Machine) -> Value:
    """`combinations`, `permutations`, `product`: tuples of elements."""
    name = call.name.split(".")[1]
    if name == "product":
        args = call.expect(1, 4, "repeat")
        parts = [elements(value, state, run, call.line) for value in args]
        if "repeat" in call.keywords:
            run.oblige("value-error")
            count = need_int(call.keywords["repeat"], state, run, call.line)
            run.may_raise(state, encoding.at_least(count, 0), "ValueError", call.line)
            row = shape(ContainerShape("tuple...", join(*(found for found, _ in parts))))
        else:
            row = shape(TupleShape(tuple(found for found, _ in parts)))
        empty = any(not found.kinds for found, _ in parts) and "repeat" not in call.keywords
        return run.sequence(state, NEVER if empty else row, run.any_length(state, "rows"), "iterator")
    args = call.expect(1 if name == "permutations" else 2, 2)
    found, size = elements(args[0], state, run, call.line)
    if len(args) == 1:
        row = shape(ContainerShape("tuple...", found, None, size))
        return run.sequence(state, row, run.any_length(state, "rows", least=1), "iterator")
    run.oblige("value-error")
    count = need_int(args[1], state, run, call.line)
    run.may_raise(state, encoding.at_least(count, 0), "ValueError", call.line)
    if isinstance(count, int) and count <= 8:
        row = shape(TupleShape((found,) * count))
        return run.sequence(
            state, row if found.kinds or not count else NEVER, run.any_length(state, "rows"), "iterator"
        )
    row = shape(ContainerShape("tuple...", found, None, count))
    return run.sequence(state, row, run.any_length(state, "rows"), "iterator")


def _accumulate(call: Given, state: State, run: Machine) -> Value:
    (value,) = call.expect(1, 1)
    found, size = elements(value, state, run, call.line)
    if found.kinds and not found.only("int"):
        raise Unsupported("itertools.accumulate of anything but ints", call.line)
    return run.sequence(state, found if not found.kinds else INT, size, "iterator")


def _group_by(call: Given, state: State, run: Machine) -> Value:
    args = call.expect(1, 2, "key")
    found, size = elements(args[0], state, run, call.line)
    key = call.keywords.get("key", args[1] if len(args) == 2 else NONE)
    keys = found if isinstance(key, NoneValue) else apply(key, [found], state, run, call.line)
    row = shape(TupleShape((keys, shape(ContainerShape("group", found)))))
    amount = run.any_length(state, "groups", most=size)
    return run.sequence(state, row if found.kinds else NEVER, amount, "iterator")


def _zip_longest(call: Given, state: State, run: Machine) -> Value:
    args = call.expect(1, 4, "fillvalue")
    fill = run.stored_shape(state, call.keywords.get("fillvalue", NONE))
    parts = [elements(value, state, run, call.line) for value in args]
    most = parts[0][1]
    for _, size in parts[1:]:
        most = encoding.choice(most >= size, most, size)
    row = shape(TupleShape(tuple(join(found, fill) for found, _ in parts)))
    return run.sequence(state, row, most, "iterator")


def _slice_of(call: Given, state: State, run: Machine) -> Value:
    args = call.expect(2, 3)
    found, size = elements(args[0], state, run, call.line)
    run.oblige("value-error")
    for value in args[1:]:
        if not isinstance(value, NoneValue | Int | Bool):
            raise Unsupported("such a bound of itertools.islice", call.line)
        if not isinstance(value, NoneValue):
            run.may_raise(state, encoding.at_least(encoding.whole(value), 0), "ValueError", call.line)
    return run.sequence(state, found, run.any_length(state, "slice", most=size), "iterator")


def _while_true(call: Given, state: State, run: Machine) -> Value:
    function, value = call.expect(2, 2)
    found, size = elements(value, state, run, call.line)
    apply(function, [found], state, run, call.line)
    return run.sequence(state, found, run.any_length(state, "kept", most=size), "iterator")


def _reduce(call: Given, state: State, run: Machine) -> Value:
    """The shape of what is folded, widened until a step leaves it as it is."""
    function, value, *initial = call.expect(2, 3)
    found, size = elements(value, state, run, call.line)
    if initial:
        held = run.stored_shape(state, initial[0])
    else:
        run.oblige("type-error")
        run.may_raise(state, encoding.compared(">=", size, 1), "TypeError", call.line)
        held = found
    with run.rehearsal():
        for _ in range(6):
            wider = join(held, apply(function, [held, found], state.copy(), run, call.line))
            if wider == held:
                break
            held = wider
        else:
            raise Unsupported("a reduction whose types never settle", call.line)
    apply(function, [held, found], state, run, call.line)
    return run.fresh(state, held, "reduced")


def _item_getter(call: Given, state: State, run: Machine) -> Value:
    return Partial("itemgetter", call.expect(1, 4))


def _partial(call: Given, state: State, run: Machine) -> Value:
    if call.keywords:
        raise Unsupported("functools.partial with keywords", call.line)
    return Partial("partial", call.args)


_OPERATORS: dict[str, type[ast.operator]] = {
    "add": ast.Add,
    "sub": ast.Sub,
    "mul": ast.Mult,
    "floordiv": ast.FloorDiv,
    "truediv": ast.Div,
    "mod": ast.Mod,
    "pow": ast.Pow,
    "and_": ast.BitAnd,
    "or_": ast.BitOr,
    "xor": ast.BitXor,
}


def _operator(call: Given, state: State, run: Machine) -> Value:
    left, right = call.expect(2, 2)
    return operators.binary(_OPERATORS[call.name.split(".")[1]], left, right, state, run, call.line)


def _heap_list(value: Value, state: State, run: Machine, line: int) -> Ref:
    if not isinstance(value, Ref) or value.kind != "list":
        wrong(value, state, run, line)
    assert isinstance(value, Ref)
    return value


def _heapify(call: Given, state: State, run: Machine) -> Value:
    ref = _heap_list(call.expect(1, 1)[0], state, run, call.line)
    content = containers.opened(ref, state, run)
    need_order(content.element, state, run, call.line)
    containers.replaced(ref, content.element, content.length, state, run, call.line, resized=False)
    return NONE


def _heap_push(call: Given, state: State, run: Machine) -> Value:
    args = call.expect(2, 2)
    ref = _heap_list(args[0], state, run, call.line)
    content = containers.opened(ref, state, run)
    found = join(content.element, run.stored_shape(state, args[1]))
    need_order(found, state, run, call.line)
    containers.replaced(ref, found, content.length + 1, state, run, call.line)
    return NONE


def _heap_pop(call: Given, state: State, run: Machine) -> Value:
    ref = _heap_list(call.expect(1, 1)[0], state, run, call.line)
    content = containers.opened(ref, state, run)
    run.oblige("index-error")
    run.may_raise(state, encoding.compared(">=", content.length, 1), "IndexError", call.line)
    need_order(content.element, state, run, call.line)
    containers.replaced(ref, content.element, content.length - 1, state, run, call.line)
    return run.fresh(state, content.element, "popped")


def _largest(call: Given, state: State, run: Machine) -> Value:
    count, value = call.expect(2, 2, "key")
    number = need_int(count, state, run, call.line)
    found, size = elements(value, state, run, call.line)
    need_order(keyed(call, found, state, run), state, run, call.line)
    number = encoding.choice(number > 0, number, 0)
    return run.sequence(state, found, encoding.choice(number <= size, number, size))


def _merge(call: Given, state: State, run: Machine) -> Value:
    parts = [elements(value, state, run, call.line) for value in call.expect(0, 8)]
    found = join(*(each for each, _ in parts))
    need_order(found, state, run, call.line)
    total: Term = 0
    for _, size in parts:
        total = total + size
    return run.sequence(state, found, total, "iterator")


def _bisect(call: Given, state: State, run: Machine) -> Value:
    args = call.expect(2, 2)
    found = containers.whole_shape(args[0], state, run, call.line) if isinstance(args[0], Ref | Tup) else None
    if found is None:
        return wrong(args[0], state, run, call.line)
    item = run.stored_shape(state, args[1])
    if not (operators.orderable(found, item) and operators.orderable(item, found)):
        about_none = operators.holds_none(found, item)
        run.may_raise(state, run.truth_symbol("orderable"), "TypeError", call.line, about_none=about_none)
    at = run.symbol("place", low=0)
    size = containers.length(state, args[0], run)
    state.assume(z3.And(at >= 0, at <= run.lift(size)))
    if "insort" in call.name:
        ref = _heap_list(args[0], state, run, call.line)
        content = containers.opened(ref, state, run)
        containers.replaced(ref, join(content.element, item), content.length + 1, state, run, call.line)
        return NONE
    return Int(at)


# --- regular expressions


def _pattern(value: Value, line: int) -> re.Pattern[str]:
    if not isinstance(value, Text) or value.literal is None:
        raise Unsupported("a regular expression that is not constant", line)
    try:
        return re.compile(value.literal)
    except re.error:
        raise Unsupported("a regular expression that is not valid", line) from None


def _subject(value: Value, state: State, run: Machine, line: int) -> Text:
    if not isinstance(value, Text):
        wrong(value, state, run, line)
    assert isinstance(value, Text)
    return value


def _search(call: Given, state: State, run: Machine) -> Value:
    """A match object or None; a match object is true."""
    args = call.expect(2, 2)
    _pattern(args[0], call.line)
    _subject(args[1], state, run, call.line)
    return run.merge_values(run.truth_symbol("found"), Opaque("Match"), NONE)


def _find_all(call: Given, state: State, run: Machine) -> Value:
    args = call.expect(2, 2)
    pattern = _pattern(args[0], call.line)
    subject = _subject(args[1], state, run, call.line)
    size = run.any_length(state, "found", most=subject.length + 1)
    found = STR if pattern.groups <= 1 else shape(TupleShape((STR,) * pattern.groups))
    return run.sequence(state, found, size)


def _substitute(call: Given, state: State, run: Machine) -> Value:
    args = call.expect(3, 4, "count", "flags")
    pattern = _pattern(args[0], call.line)
    _subject(args[2], state, run, call.line)
    if not isinstance(args[1], Text) or args[1].literal is None:
        raise Unsupported("a replacement that is not constant text", call.line)
    try:
        re.sub(pattern, args[1].literal, "")
        re._parser.parse_template(args[1].literal, pattern)  # type: ignore[attr-defined]
    except (re.error, IndexError):
        raise Unsupported("a replacement that is not valid", call.line) from None
    return run.text(state, "replaced")


def _split_by(call: Given, state: State, run: Machine) -> Value:
    args = call.expect(2, 2)
    pattern = _pattern(args[0], call.line)
    _subject(args[1], state, run, call.line)
    found = STR if not pattern.groups else join(STR, shape(Scalar("None")))
    return run.sequence(state, found, run.any_length(state, "parts", least=1))


FUNCTIONS: dict[str, Handler] = {
    "abs": _abs,
    "all": _quantifier,
    "any": _quantifier,
    "bin": _based,
    "bool": _bool,
    "callable": _callable,
    "chr": _chr,
    "dict": _dict,
    "divmod": _divmod,
    "enumerate": _enumerate,
    "filter": _filter,
    "float": _float,
    "frozenset": _set,
    "hex": _based,
    "int": _int,
    "isinstance": _isinstance,
    "iter": _iter,
    "len": _len,
    "list": _list,
    "map": _map,
    "max": _extreme,
    "min": _extreme,
    "next": _next,
    "oct": _based,
    "ord": _ord,
    "pow": _pow,
    "print": _print,
    "range": _range,
    "repr": _str,
    "reversed": _reversed,
    "round": _round,
    "set": _set,
    "sorted": _sorted,
    "str": _str,
    "sum": _sum,
    "tuple": _tuple,
    "type": _type,
    "zip": _zip,
    "bisect.bisect": _bisect,
    "bisect.bisect_left": _bisect,
    "bisect.bisect_right": _bisect,
    "bisect.insort": _bisect,
    "bisect.insort_left": _bisect,
    "bisect.insort_right": _bisect,
    "collections.Counter": _counter,
    "collections.OrderedDict": _dict,
    "collections.defaultdict": _default_dict,
    "collections.deque": _deque,
    "copy.copy": _copy,
    "copy.deepcopy": _copy,
    "functools.partial": _partial,
    "functools.reduce": _reduce,
    "heapq.heapify": _heapify,
    "heapq.heappop": _heap_pop,
    "heapq.heappush": _heap_push,
    "heapq.merge": _merge,
    "heapq.nlargest": _largest,
    "heapq.nsmallest": _largest,
    "itertools.accumulate": _accumulate,
    "itertools.chain": _chain,
    "itertools.chain.from_iterable": _chain_from,
    "itertools.combinations": _selections,
    "itertools.dropwhile": _while_true,
    "itertools.groupby": _group_by,
    "itertools.islice": _slice_of,
    "itertools.permutations": _selections,
    "itertools.product": _selections,
    "itertools.takewhile": _while_true,
    "itertools.zip_longest": _zip_longest,
    "math.ceil": _rounded("up"),
    "math.comb": _comb,
    "math.cos": _number_result("bounded"),
    "math.exp": _overflowing,
    "math.fabs": _number_result("any"),
    "math.factorial": _factorial,
    "math.floor": _rounded("down"),
    "math.gcd": _gcd,
    "math.hypot": _number_result("any"),
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
    "math.trunc": _int,
    "operator.itemgetter": _item_getter,
    **{f"operator.{name}": _operator for name in _OPERATORS},
    "re.findall": _find_all,
    "re.fullmatch": _search,
    "re.match": _search,
    "re.search": _search,
    "re.split": _split_by,
    "re.sub": _substitute,
}

__all__ = ["BOOL", "FLOAT", "SPACES", "call_builtin", "list_of"]
