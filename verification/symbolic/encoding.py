"""Python's operators as terms: pure functions that neither fork nor raise.

Each takes plain constants or Z3 terms and stays in Python while everything is constant.
Source of the rules: the Python language reference, "Expressions" (binary arithmetic, comparisons).
"""

from __future__ import annotations

import math
from typing import Any

import z3

from verification.symbolic import terms
from verification.symbolic.values import Bool, Float, Int, Str, Term, Unsupported, Value

MAX_LITERAL = 20_000
MAX_CHARACTER = 0x2FFFF
"""Z3's largest character; strings beyond it are refused."""


def is_constant(term: Term) -> bool:
    return isinstance(term, int | str)


def same(a: Term, b: Term) -> bool:
    """Whether two terms are written alike, which needs no solver; unlike ones may still be equal."""
    if is_constant(a) or is_constant(b):
        return is_constant(a) and is_constant(b) and a == b
    return bool(a.eq(b))


def negation(term: Term) -> Term:
    return (not term) if isinstance(term, bool) else terms.Not(term)


def conjunction(left: Term, right: Term) -> Term:
    if isinstance(left, bool):
        return right if left else False
    if isinstance(right, bool):
        return left if right else False
    return terms.And(left, right)


def disjunction(left: Term, right: Term) -> Term:
    return negation(conjunction(negation(left), negation(right)))


def choice(condition: Term, yes: Term, no: Term) -> Term:
    """``yes if condition else no``; the constants among them are lifted by Z3."""
    if isinstance(condition, bool):
        return yes if condition else no
    if is_constant(yes) and is_constant(no):
        if yes == no and type(yes) is type(no):
            return yes
        return terms.If(condition, lift(yes, condition.ctx), lift(no, condition.ctx))
    return terms.If(condition, yes, no)


def lift(term: Term, context: Any) -> Any:
    """The Z3 expression of a constant; an expression is returned as it is."""
    if isinstance(term, bool):
        return terms.BoolVal(term, context)
    if isinstance(term, int):
        return terms.IntVal(term, context)
    if isinstance(term, str):
        return string_literal(term, context)
    return term


def string_literal(text: str, context: Any) -> Any:
    # Z3 reads escapes inside its literals, so a backslash of ours must be written as one.
    safe = "".join(c if " " <= c <= "~" and c != "\\" else f"\\u{{{ord(c):x}}}" for c in text)
    return z3.SeqRef(z3.Z3_mk_string(context.ref(), safe), context)


def whole(value: Value) -> Term:
    """The integer that an int or a bool is: a bool counts as 0 or 1."""
    if isinstance(value, Bool):
        return int(value.term) if isinstance(value.term, bool) else choice(value.term, 1, 0)
    assert isinstance(value, Int)
    return value.term


def quotient(a: Term, divisor: int) -> Term:
    """``a // divisor`` for a constant divisor other than 0: rounded towards minus infinity."""
    if isinstance(a, int):
        return a // divisor
    # SMT-LIB's div rounds down for a positive divisor only.
    return a / divisor if divisor > 0 else (-a) / (-divisor)


def remainder(a: Term, divisor: int) -> Term:
    """``a % divisor`` for a constant divisor other than 0: has the divisor's sign."""
    if isinstance(a, int):
        return a % divisor
    return a % divisor if divisor > 0 else -((-a) % (-divisor))


def division_fact(a: Term, b: Term, q: Term, r: Term) -> Term:
    """What defines ``q = a // b`` and ``r = a % b`` for a divisor that isn't constant; total, as b = 0 is left free."""
    below = terms.And(b > 0, r >= 0, r < b)
    above = terms.And(b < 0, r <= 0, r > b)
    return terms.Or(b == 0, terms.And(a == b * q + r, terms.Or(below, above)))


def power(base: Term, exponent: int) -> Term:
    """``base ** exponent`` for a small constant exponent of at least 0."""
    if isinstance(base, int):
        return base**exponent
    result: Term = 1
    for _ in range(exponent):
        result = base * result if not is_constant(result) else base
    return result


def magnitude(a: Term) -> Term:
    """``abs(a)``."""
    return abs(a) if isinstance(a, int) else choice(a >= 0, a, -a)


def position(index: Term, length: Term) -> Term:
    """The offset that an index means: a negative one counts from the end."""
    if isinstance(index, int):
        return index if index >= 0 else index + length
    return choice(index >= 0, index, index + length)


def within(offset: Term, length: Term) -> Term:
    """Whether an offset lies in a sequence of that length."""
    return conjunction(at_least(offset, 0), less(offset, length))


def clamp(bound: Term, length: Term) -> Term:
    """Where a slice's bound lands: never outside ``0 .. length``."""
    offset = position(bound, length)
    return choice(less(offset, 0), 0, choice(less(length, offset), length, offset))


def slice_length(low: Term, high: Term) -> Term:
    return choice(less(low, high), high - low, 0)


def less(a: Term, b: Term) -> Term:
    return a < b


def at_least(a: Term, b: Term) -> Term:
    return a >= b


def compared(symbol: str, a: Term, b: Term) -> Term:
    """``a symbol b`` on two ints or two strings, for < <= > >= == !=."""
    if isinstance(a, str) or isinstance(b, str) or _is_string(a) or _is_string(b):
        return _compared_strings(symbol, a, b)
    return _ORDER[symbol](a, b)


_ORDER = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
}


def _is_string(term: Term) -> bool:
    return isinstance(term, z3.SeqRef)


def _compared_strings(symbol: str, a: Term, b: Term) -> Term:
    if isinstance(a, str) and isinstance(b, str):
        return _ORDER[symbol](a, b)
    context = b.ctx if isinstance(a, str) else a.ctx
    return _ORDER[symbol](lift(a, context), lift(b, context))


def compared_with_float(symbol: str, a: Term, b: float) -> Term:
    """``a symbol b`` for an int and a known float, exactly as Python compares them: by their real values."""
    if isinstance(a, int):
        return _ORDER[symbol](a, b)
    if math.isnan(b):
        return symbol == "!="
    if math.isinf(b):
        return bool(_ORDER[symbol](0.0, b))
    if symbol in ("==", "!="):
        return _ORDER[symbol](a, int(b)) if b.is_integer() else symbol == "!="
    # An int lies below b exactly when it lies below b rounded up, and so on.
    rounded = math.ceil(b) if symbol in ("<", ">=") else math.floor(b)
    return _ORDER[symbol](a, rounded)


def truth(value: Value) -> Term | None:
    """Python's truth of a scalar; None for what is not one."""
    if isinstance(value, Bool):
        return value.term
    if isinstance(value, Int):
        return compared("!=", value.term, 0)
    if isinstance(value, Str):
        return compared("!=", value.term, "")
    if isinstance(value, Float):
        return bool(value.value)
    return None


def string_length(term: Term) -> Term:
    return len(term) if isinstance(term, str) else z3.Length(term)


def concatenation(a: Term, b: Term) -> Term:
    if isinstance(a, str) and isinstance(b, str):
        if len(a) + len(b) > MAX_LITERAL:
            raise Unsupported(f"a constant text of more than {MAX_LITERAL} characters", None)
        return a + b
    context = b.ctx if isinstance(a, str) else a.ctx
    return z3.Concat(lift(a, context), lift(b, context))


def substring(text: Term, start: Term, length: Term) -> Term:
    """The part of a string from an offset within it."""
    if isinstance(text, str) and isinstance(start, int) and isinstance(length, int):
        return text[start : start + length]
    context = next(t.ctx for t in (text, start, length) if not is_constant(t))
    return z3.SubString(lift(text, context), lift(start, context), lift(length, context))


def string_test(name: str, text: Term, part: Term) -> Term:
    """``part in text`` ("contains"), ``text.startswith(part)`` or ``text.endswith(part)``."""
    if isinstance(text, str) and isinstance(part, str):
        return {"contains": part in text, "startswith": text.startswith(part), "endswith": text.endswith(part)}[name]
    context = part.ctx if isinstance(text, str) else text.ctx
    whole_text, piece = lift(text, context), lift(part, context)
    if name == "contains":
        return z3.Contains(whole_text, piece)
    return z3.PrefixOf(piece, whole_text) if name == "startswith" else z3.SuffixOf(piece, whole_text)
