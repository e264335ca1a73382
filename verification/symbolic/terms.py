"""Z3's terms over ints and truths, built without what z3py does around each: the names and the meanings are z3py's own.

An executor makes a thousand terms for each that it asks the solver about. z3py looks up sorts and contexts, converts
arguments and asks for error codes each time, which took more of the verifier's time than Z3 itself. The classes here
know their sort, so one foreign call makes a term. Whatever they don't know goes to z3py, and both kinds mix freely.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Sequence
from typing import Any, Literal

import z3
from z3 import z3core
from z3.z3types import Ast

_POINTER = ctypes.c_void_p
_PAIR = Ast * 2


def _foreign(name: str, *arguments: Any, result: Any = Ast) -> Any:
    """A function of the library that z3py loaded, with a prototype of our own."""
    loaded = getattr(z3core, name).__defaults__[-1].f
    address = ctypes.cast(loaded, _POINTER).value
    assert address is not None
    return ctypes.CFUNCTYPE(result, _POINTER, *arguments)(address)


_inc_ref = _foreign("Z3_inc_ref", _POINTER, result=None)
_dec_ref = _foreign("Z3_dec_ref", _POINTER, result=None)
_ast_id = _foreign("Z3_get_ast_id", _POINTER, result=ctypes.c_uint)
_mk_int64 = _foreign("Z3_mk_int64", ctypes.c_int64, _POINTER)
_mk_not = _foreign("Z3_mk_not", _POINTER)
_mk_eq = _foreign("Z3_mk_eq", _POINTER, _POINTER)
_mk_le = _foreign("Z3_mk_le", _POINTER, _POINTER)
_mk_lt = _foreign("Z3_mk_lt", _POINTER, _POINTER)
_mk_ge = _foreign("Z3_mk_ge", _POINTER, _POINTER)
_mk_gt = _foreign("Z3_mk_gt", _POINTER, _POINTER)
_mk_div = _foreign("Z3_mk_div", _POINTER, _POINTER)
_mk_mod = _foreign("Z3_mk_mod", _POINTER, _POINTER)
_mk_implies = _foreign("Z3_mk_implies", _POINTER, _POINTER)
_mk_ite = _foreign("Z3_mk_ite", _POINTER, _POINTER, _POINTER)
_mk_minus = _foreign("Z3_mk_unary_minus", _POINTER)
_mk_add = _foreign("Z3_mk_add", ctypes.c_uint, _POINTER)
_mk_sub = _foreign("Z3_mk_sub", ctypes.c_uint, _POINTER)
_mk_mul = _foreign("Z3_mk_mul", ctypes.c_uint, _POINTER)
_mk_and = _foreign("Z3_mk_and", ctypes.c_uint, _POINTER)
_mk_or = _foreign("Z3_mk_or", ctypes.c_uint, _POINTER)
_mk_distinct = _foreign("Z3_mk_distinct", ctypes.c_uint, _POINTER)
_mk_select = _foreign("Z3_mk_select", _POINTER, _POINTER)
_mk_string_symbol = _foreign("Z3_mk_string_symbol", ctypes.c_char_p, result=_POINTER)
_mk_const = _foreign("Z3_mk_const", _POINTER, _POINTER)
_mk_app = _foreign("Z3_mk_app", _POINTER, ctypes.c_uint, _POINTER)
_get_sort = _foreign("Z3_get_sort", _POINTER, result=_POINTER)
_get_sort_kind = _foreign("Z3_get_sort_kind", _POINTER, result=ctypes.c_uint)
_get_app_decl = _foreign("Z3_get_app_decl", _POINTER, result=_POINTER)
_get_decl_kind = _foreign("Z3_get_decl_kind", _POINTER, result=ctypes.c_uint)
_get_app_num_args = _foreign("Z3_get_app_num_args", _POINTER, result=ctypes.c_uint)
_get_app_arg = _foreign("Z3_get_app_arg", _POINTER, ctypes.c_uint)
_mk_int2real = _foreign("Z3_mk_int2real", _POINTER)
_mk_real = _foreign("Z3_mk_real_int64", ctypes.c_int64, ctypes.c_int64)
_mk_array_sort = _foreign("Z3_mk_array_sort", _POINTER, _POINTER)
_translate = _foreign("Z3_translate", _POINTER, _POINTER)
_model_eval = _foreign(
    "Z3_model_eval", _POINTER, _POINTER, ctypes.c_bool, ctypes.POINTER(_POINTER), result=ctypes.c_bool
)
_solver_assert = _foreign("Z3_solver_assert", _POINTER, _POINTER, result=None)
_solver_check = _foreign("Z3_solver_check", _POINTER, result=ctypes.c_int)
_solver_push = _foreign("Z3_solver_push", _POINTER, result=None)
_solver_pop = _foreign("Z3_solver_pop", _POINTER, ctypes.c_uint, result=None)
_solver_statistics = _foreign("Z3_solver_get_statistics", _POINTER, result=_POINTER)
_stats_inc_ref = _foreign("Z3_stats_inc_ref", _POINTER, result=None)
_stats_dec_ref = _foreign("Z3_stats_dec_ref", _POINTER, result=None)
_stats_size = _foreign("Z3_stats_size", _POINTER, result=ctypes.c_uint)
_stats_key = _foreign("Z3_stats_get_key", _POINTER, ctypes.c_uint, result=ctypes.c_char_p)
_stats_uint = _foreign("Z3_stats_get_uint_value", _POINTER, ctypes.c_uint, result=ctypes.c_uint)

_SMALL = 1 << 62


class _Known:
    """What is cheaper for a term whose sort is known."""

    ast: Any
    ctx: Any

    def __init__(self, ast: Any, ctx: Any) -> None:
        if not ast.value:
            raise z3.Z3Exception("no such term")
        self.ast = ast
        self.ctx = ctx
        _inc_ref(ctx.ctx, ast)

    def __del__(self) -> None:
        context = self.ctx.ctx
        if context is not None:
            _dec_ref(context, self.ast)

    def get_id(self) -> int:
        return int(_ast_id(self.ctx.ctx, self.ast))

    def eq(self, other: Any) -> bool:
        return bool(self.ast.value == other.ast.value)  # terms written alike are one object in Z3

    def __hash__(self) -> int:
        return hash(self.ast.value)


class BoolTerm(_Known, z3.BoolRef):
    """A truth."""

    def __eq__(self, other: object) -> Any:
        if isinstance(other, z3.BoolRef):
            return BoolTerm(_mk_eq(self.ctx.ctx, self.ast, other.ast), self.ctx)
        if isinstance(other, bool):
            return self if other else Not(self)
        return z3.BoolRef.__eq__(self, other)

    __hash__ = _Known.__hash__


def _numeral(value: int, context: Any) -> Any:
    known = context.numerals.get(value)
    if known is None:
        if -_SMALL < value < _SMALL:
            known = context.keep(_mk_int64(context.ctx, value, context.int_sort))
        else:
            known = context.keep(z3.IntVal(value, context).ast)
        context.numerals[value] = known
    return known


def _fraction(above: int, below: int, context: Any) -> Any:
    known = context.fractions.get((above, below))
    if known is None:
        if -_SMALL < above < _SMALL and below < _SMALL:
            known = context.keep(_mk_real(context.ctx, above, below))
        else:
            known = context.keep(z3.Q(above, below, context).ast)
        context.fractions[above, below] = known
    return known


def _whole(value: Any, context: Any) -> Any:
    """The term of an int; None for what z3py has to look at."""
    kind = type(value)
    if kind is IntTerm:
        return value.ast
    if kind is int:
        return _numeral(value, context)
    return value.ast if isinstance(value, z3.ArithRef) and value.is_int() else None


def _real(value: Any, context: Any) -> Any:
    """The term of a real number; None for what z3py has to look at."""
    if type(value) is RealTerm:
        return value.ast
    return _fraction(value, 1, context) if type(value) is int else None


def _relation(make: Any, plain: Any, read: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """A comparison with what `read` makes a term of; z3py looks at anything else."""

    def compared(self: Any, other: Any) -> Any:
        ast = read(other, self.ctx)
        return plain(self, other) if ast is None else BoolTerm(make(self.ctx.ctx, self.ast, ast), self.ctx)

    return compared


def _operation(make: Any, plain: Any, *, swapped: bool = False) -> Callable[[Any, Any], Any]:
    def result(self: IntTerm, other: Any) -> Any:
        ast = _whole(other, self.ctx)
        if ast is None:
            return plain(self, other)
        pair = _PAIR(ast, self.ast) if swapped else _PAIR(self.ast, ast)
        return IntTerm(make(self.ctx.ctx, 2, pair), self.ctx)

    return result


def _division(make: Any, plain: Any) -> Callable[[Any, Any], Any]:
    def result(self: IntTerm, other: Any) -> Any:
        ast = _whole(other, self.ctx)
        return plain(self, other) if ast is None else IntTerm(make(self.ctx.ctx, self.ast, ast), self.ctx)

    return result


def _unequal(context: Any, left: Any, right: Any) -> Any:
    return _mk_distinct(context, 2, _PAIR(left, right))


class IntTerm(_Known, z3.ArithRef):
    """An int."""

    __eq__ = _relation(_mk_eq, z3.ArithRef.__eq__, _whole)
    __ne__ = _relation(_unequal, z3.ArithRef.__ne__, _whole)
    __le__ = _relation(_mk_le, z3.ArithRef.__le__, _whole)
    __lt__ = _relation(_mk_lt, z3.ArithRef.__lt__, _whole)
    __ge__ = _relation(_mk_ge, z3.ArithRef.__ge__, _whole)
    __gt__ = _relation(_mk_gt, z3.ArithRef.__gt__, _whole)
    __add__ = _operation(_mk_add, z3.ArithRef.__add__)
    __radd__ = _operation(_mk_add, z3.ArithRef.__radd__, swapped=True)
    __sub__ = _operation(_mk_sub, z3.ArithRef.__sub__)
    __rsub__ = _operation(_mk_sub, z3.ArithRef.__rsub__, swapped=True)
    __mul__ = _operation(_mk_mul, z3.ArithRef.__mul__)
    __rmul__ = _operation(_mk_mul, z3.ArithRef.__rmul__, swapped=True)
    __truediv__ = _division(_mk_div, z3.ArithRef.__truediv__)
    __mod__ = _division(_mk_mod, z3.ArithRef.__mod__)
    __hash__ = _Known.__hash__

    def __neg__(self) -> Any:
        return IntTerm(_mk_minus(self.ctx.ctx, self.ast), self.ctx)


class RealTerm(_Known, z3.ArithRef):
    """A real number."""

    __eq__ = _relation(_mk_eq, z3.ArithRef.__eq__, _real)
    __ne__ = _relation(_unequal, z3.ArithRef.__ne__, _real)
    __le__ = _relation(_mk_le, z3.ArithRef.__le__, _real)
    __lt__ = _relation(_mk_lt, z3.ArithRef.__lt__, _real)
    __ge__ = _relation(_mk_ge, z3.ArithRef.__ge__, _real)
    __gt__ = _relation(_mk_gt, z3.ArithRef.__gt__, _real)
    __hash__ = _Known.__hash__


class Context(z3.Context):
    """Where terms live; keeps what they need again and again, as bare pointers, since an object would keep it alive."""

    def __init__(self) -> None:
        super().__init__()
        self._kept: list[Any] = []
        kept = (z3.IntSort(self), z3.BoolSort(self), z3.RealSort(self), z3.BoolVal(False, self), z3.BoolVal(True, self))
        self.int_sort, self.bool_sort, self.real_sort, *self.truths = (self.keep(term.as_ast()) for term in kept)
        self.numerals: dict[int, Any] = {}
        self.fractions: dict[tuple[int, int], Any] = {}
        self.array_sorts: dict[bool, Any] = {}
        """Of arrays from ints to truths, and to ints."""
        self.spent = 0
        """Resource units that its solvers have used."""

    def keep(self, ast: Any) -> Any:
        if not ast.value:
            raise z3.Z3Exception("no such term")
        _inc_ref(self.ctx, ast)
        self._kept.append(ast)
        return ast

    def __del__(self) -> None:
        # A context that is deleted with terms in use looks for them one by one.
        if self.ctx is not None and _dec_ref is not None:  # at the end of the process there is nothing left to call
            for ast in self._kept:
                _dec_ref(self.ctx, ast)
        super().__del__()


_OFTEN = 1_000
"""Programs for whose terms one context serves: then a new one drops what the last has gathered."""


class _Served(threading.local):
    context: Context | None = None
    programs = 0


_served = _Served()


def shared() -> Context:
    """This thread's context for terms whose solver works in another one: see `solver.Room`."""
    if _served.context is None or _served.programs == _OFTEN:
        _served.context, _served.programs = Context(), 0
    _served.programs += 1
    return _served.context


def brought(term: Any, context: Any) -> Any:
    """The same term in another context."""
    if term.ctx is context:
        return term
    return _of_any_sort(_translate(term.ctx.ctx, term.ast, context.ctx), context)


def wrap(term: Any) -> Any:
    """A term of z3py's, as one of these if it is an int or a truth."""
    if type(term) is z3.BoolRef:
        return BoolTerm(term.ast, term.ctx)
    if type(term) is z3.ArithRef and term.is_int():
        return IntTerm(term.ast, term.ctx)
    if type(term) is z3.ArithRef:
        return RealTerm(term.ast, term.ctx)
    return term


def _of_any_sort(ast: Any, context: Any) -> Any:
    kind = _get_sort_kind(context.ctx, _get_sort(context.ctx, ast))
    if kind == z3.Z3_INT_SORT:
        return IntTerm(ast, context)
    if kind == z3.Z3_BOOL_SORT:
        return BoolTerm(ast, context)
    if kind == z3.Z3_REAL_SORT:
        return RealTerm(ast, context)
    return z3.z3._to_expr_ref(ast, context)


# --- what z3py calls by these names


def Int(name: str, context: Any) -> Any:
    symbol = _mk_string_symbol(context.ctx, name.encode())
    return IntTerm(_mk_const(context.ctx, symbol, context.int_sort), context)


def Bool(name: str, context: Any) -> Any:
    symbol = _mk_string_symbol(context.ctx, name.encode())
    return BoolTerm(_mk_const(context.ctx, symbol, context.bool_sort), context)


def Real(name: str, context: Any) -> Any:
    symbol = _mk_string_symbol(context.ctx, name.encode())
    return RealTerm(_mk_const(context.ctx, symbol, context.real_sort), context)


def Q(above: int, below: int, context: Any) -> Any:
    return RealTerm(_fraction(above, below, context), context)


def ToReal(term: Any) -> Any:
    return RealTerm(_mk_int2real(term.ctx.ctx, term.ast), term.ctx)


def IntArray(name: str, context: Any, *, truths: bool = False) -> Any:
    """An array from ints to ints, or to truths."""
    sort = context.array_sorts.get(truths)
    if sort is None:
        element = context.bool_sort if truths else context.int_sort
        sort = context.array_sorts[truths] = context.keep(_mk_array_sort(context.ctx, context.int_sort, element))
    symbol = _mk_string_symbol(context.ctx, name.encode())
    return z3.ArrayRef(_mk_const(context.ctx, symbol, sort), context)


def IntVal(value: int, context: Any) -> Any:
    return IntTerm(_numeral(int(value), context), context)


def BoolVal(value: bool, context: Any) -> Any:
    return BoolTerm(context.truths[bool(value)], context)


def Not(term: Any) -> Any:
    return BoolTerm(_mk_not(term.ctx.ctx, term.ast), term.ctx)


def And(*terms: Any) -> Any:
    return _joined(_mk_and, terms, neutral=True)


def Or(*terms: Any) -> Any:
    return _joined(_mk_or, terms, neutral=False)


def _joined(make: Any, terms: Sequence[Any], *, neutral: bool) -> Any:
    context = next(term.ctx for term in terms if not isinstance(term, bool))
    asts = [term.ast for term in terms if not isinstance(term, bool)]
    if len(asts) < len(terms) and any(term is not neutral for term in terms if isinstance(term, bool)):
        return BoolVal(not neutral, context)
    if len(asts) == 1:
        return BoolTerm(asts[0], context)
    return BoolTerm(make(context.ctx, len(asts), (Ast * len(asts))(*asts)), context)


def Implies(condition: Any, consequence: Any) -> Any:
    context = consequence.ctx if isinstance(condition, bool) else condition.ctx
    sides = [BoolVal(side, context) if isinstance(side, bool) else side for side in (condition, consequence)]
    return BoolTerm(_mk_implies(context.ctx, sides[0].ast, sides[1].ast), context)


def If(condition: Any, yes: Any, no: Any) -> Any:
    context = condition.ctx
    if isinstance(yes, bool | z3.BoolRef) and isinstance(no, bool | z3.BoolRef):
        sides = [BoolVal(side, context) if isinstance(side, bool) else side for side in (yes, no)]
        return BoolTerm(_mk_ite(context.ctx, condition.ast, sides[0].ast, sides[1].ast), context)
    first, second = _whole(yes, context), _whole(no, context)
    if first is None or second is None:
        return wrap(z3.If(condition, yes, no))
    return IntTerm(_mk_ite(context.ctx, condition.ast, first, second), context)


def Select(array: Any, index: Any) -> Any:
    ast = _whole(index, array.ctx)
    if ast is None:
        return wrap(z3.Select(array, index))
    return _of_any_sort(_mk_select(array.ctx.ctx, array.ast, ast), array.ctx)


def apply(function: Any, *terms: Any) -> Any:
    """The application of an uninterpreted function to terms of its sorts."""
    asts = (Ast * len(terms))(*(term.ast for term in terms))
    return _of_any_sort(_mk_app(function.ctx.ctx, function.ast, len(terms), asts), function.ctx)


def assume(solver: Any, terms: Sequence[Any]) -> None:
    """`solver.add(*terms)`, for terms of the solver's context or all of another one."""
    context = solver.ctx.ctx
    asts = [term.ast for term in terms if not isinstance(term, bool)]
    if any(term is False for term in terms):
        _solver_assert(context, solver.solver, solver.ctx.truths[0])
    if not asts:
        return
    home = next(term.ctx for term in terms if not isinstance(term, bool))
    if home is solver.ctx:
        for ast in asts:
            _solver_assert(context, solver.solver, ast)
        return
    # Bringing them over at once takes little longer than bringing one.
    every = asts[0] if len(asts) == 1 else _mk_and(home.ctx, len(asts), (Ast * len(asts))(*asts))
    _inc_ref(home.ctx, every)
    _solver_assert(context, solver.solver, _translate(home.ctx, every, context))
    _dec_ref(home.ctx, every)


def push(solver: Any) -> None:
    _solver_push(solver.ctx.ctx, solver.solver)


def pop(solver: Any, scopes: int = 1) -> None:
    _solver_pop(solver.ctx.ctx, solver.solver, scopes)


def check(solver: Any) -> Literal["sat", "unsat", "unknown"]:
    answer = _solver_check(solver.ctx.ctx, solver.solver)
    return "sat" if answer == 1 else "unsat" if answer == -1 else "unknown"


def resources(solver: Any) -> int:
    """Resource units that the whole context has spent; among the last of what may be a thousand statistics."""
    context = solver.ctx.ctx
    held = _solver_statistics(context, solver.solver)
    _stats_inc_ref(context, held)
    try:
        for at in range(_stats_size(context, held) - 1, -1, -1):
            if _stats_key(context, held, at) == b"rlimit count":
                return int(_stats_uint(context, held, at))
    finally:
        _stats_dec_ref(context, held)
    return 0


# --- reading terms


def known(term: Any) -> bool | None:
    """Which truth a constant is; None for any other term."""
    return _truth(term.ast, term.ctx)


def truth_in(model: Any, term: Any) -> bool | None:
    """A term's truth in a model, whose open parts are filled in; None if the model doesn't tell."""
    found, context = _POINTER(), model.ctx
    ast = term.ast if term.ctx is context else _translate(term.ctx.ctx, term.ast, context.ctx)
    if not _model_eval(context.ctx, model.model, ast, True, ctypes.byref(found)):
        return None
    return _truth(found, context)


def _truth(ast: Any, context: Any) -> bool | None:
    if ast.value == context.truths[1].value:
        return True
    return False if ast.value == context.truths[0].value else None


def operator_of(term: Any) -> int:
    """The outermost operator of a term without quantifiers, as z3's ``Z3_OP_...``."""
    context = term.ctx.ctx
    return int(_get_decl_kind(context, _get_app_decl(context, term.ast)))


def arguments_of(term: Any) -> list[Any]:
    context = term.ctx.ctx
    count = _get_app_num_args(context, term.ast)
    return [_of_any_sort(_get_app_arg(context, term.ast, at), term.ctx) for at in range(count)]


def numeral_of(term: Any) -> int:
    """The number that a numeral is."""
    return int(z3.Z3_get_numeral_string(term.ctx.ctx, term.ast))
