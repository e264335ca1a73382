"""Methods of lists, dicts and strings: modelled exactly, left open (`guess`), or refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import z3

from verification.symbolic import dicts, encoding, operators, sequences, terms
from verification.symbolic.builtins import in_order
from verification.symbolic.encoding import MAX_LITERAL
from verification.symbolic.machine import Call, Evaluated, Machine
from verification.symbolic.state import State
from verification.symbolic.values import (
    NONE,
    Bool,
    DictRef,
    Int,
    Items,
    ListRef,
    Method,
    Raised,
    Str,
    Tuple,
    Unsupported,
    Value,
    View,
    from_python,
    is_concrete,
    is_whole,
    raised,
    to_python,
    type_name,
)


def call_method(method: Method, call: Call, state: State, run: Machine) -> Iterator[Evaluated]:
    """`receiver.name(...)`."""
    receiver = method.receiver
    if isinstance(receiver, Str):
        yield from _string_method(receiver, method.name, call, state, run)
        return
    handler: Callable[[Any, Call, State, Machine], Iterator[Evaluated]] | None = None
    if isinstance(receiver, ListRef):
        handler = _LISTS.get(method.name)
    elif isinstance(receiver, DictRef):
        handler = _DICTS.get(method.name)
    arity = _ARITY.get((type_name(receiver), method.name))
    if handler is None or arity is None or len(call.args) not in arity:
        raise Unsupported(f"the method {method.name} of {type_name(receiver)}", call.line)
    if call.keywords and method.name != "sort":
        raise Unsupported(f"these arguments of the method {method.name}", call.line)
    yield from handler(receiver, call, state, run)


# --- lists


def _append(receiver: ListRef, call: Call, state: State, run: Machine) -> Iterator[Evaluated]:
    for after in sequences.append(receiver, call.args[0], state, run, call.line):
        yield after, NONE


def _extend(receiver: ListRef, call: Call, state: State, run: Machine) -> Iterator[Evaluated]:
    for middle, items in sequences.spread(call.args[0], state, run, call.line):
        alive = [middle]
        for item in items:
            alive = [after for now in alive for after in sequences.append(receiver, item, now, run, call.line)]
        for last in alive:
            yield last, NONE


def _pop(receiver: ListRef, call: Call, state: State, run: Machine) -> Iterator[Evaluated]:
    index = call.args[0] if call.args else Int(-1)
    if not is_whole(index):
        raise Unsupported("pop at anything but an int", call.line)
    run.oblige("index-error")
    size = sequences.length(state, receiver, call.line)
    offset = encoding.position(encoding.whole(index), size)
    for after, inside in run.fork(state, encoding.within(offset, size)):
        if not inside:
            yield after, raised("IndexError", call.line)
        else:
            yield from _removed_at(receiver, encoding.whole(index), after, run, call.line)


def _removed_at(receiver: ListRef, index: object, state: State, run: Machine, line: int) -> Iterator[Evaluated]:
    held = sequences.content(state, receiver)
    if isinstance(held, View) and index in (0, -1):
        at = held.offset if index == 0 else held.offset + held.length - 1
        start = held.offset + 1 if index == 0 else held.offset
        shorter = replace(held, offset=start, length=held.length - 1)
        item = sequences.wrap(held.element, terms.Select(held.array, run.lift(at)))
        yield run.change(state, receiver.address, shorter, line), item
        return
    for after, items in sequences.spread(receiver, state, run, line):
        if not isinstance(index, int):
            raise Unsupported("pop at a symbolic index", line)
        rest = list(items)
        item = rest.pop(index)
        yield run.change(after, receiver.address, Items(tuple(rest)), line), item


def _insert(receiver: ListRef, call: Call, state: State, run: Machine) -> Iterator[Evaluated]:
    index, value = call.args
    if not (isinstance(index, Int) and isinstance(index.term, int)):
        raise Unsupported("insert at a symbolic index", call.line)
    for after, items in sequences.spread(receiver, state, run, call.line):
        longer = list(items)
        longer.insert(index.term, value)
        yield run.change(after, receiver.address, Items(tuple(longer)), call.line), NONE


def _remove(receiver: ListRef, call: Call, state: State, run: Machine) -> Iterator[Evaluated]:
    for after, items, at in _found(receiver, call.args[0], state, run, call.line):
        if at is None:
            yield after, raised("ValueError", call.line)
        else:
            yield run.change(after, receiver.address, Items(items[:at] + items[at + 1 :]), call.line), NONE


def _index(receiver: ListRef, call: Call, state: State, run: Machine) -> Iterator[Evaluated]:
    for after, _, at in _found(receiver, call.args[0], state, run, call.line):
        yield after, raised("ValueError", call.line) if at is None else Int(at)


def _found(
    receiver: ListRef, value: Value, state: State, run: Machine, line: int
) -> Iterator[tuple[State, tuple[Value, ...], int | None]]:
    """The place of the first element that equals the value, on each path."""
    run.oblige("value-error")
    for after, items in sequences.spread(receiver, state, run, line):
        yield from _first_equal(items, 0, value, after, run, line)


def _first_equal(
    items: tuple[Value, ...], at: int, value: Value, state: State, run: Machine, line: int
) -> Iterator[tuple[State, tuple[Value, ...], int | None]]:
    if at == len(items):
        yield state, items, None
        return
    for middle, equal in operators.equality(items[at], value, state, run, line):
        for after, same in run.fork(middle, equal):
            if same:
                yield after, items, at
            else:
                yield from _first_equal(items, at + 1, value, after, run, line)


def _count(receiver: ListRef, call: Call, state: State, run: Machine) -> Iterator[Evaluated]:
    for after, items in sequences.spread(receiver, state, run, call.line):
        alive: list[tuple[State, object]] = [(after, 0)]
        for item in items:
            alive = [
                (last, total + encoding.choice(equal, 1, 0))
                for now, total in alive
                for last, equal in operators.equality(item, call.args[0], now, run, call.line)
            ]
        for last, total in alive:
            yield last, Int(total)


def _sort(receiver: ListRef, call: Call, state: State, run: Machine) -> Iterator[Evaluated]:
    if any(name != "reverse" for name in call.keywords):
        raise Unsupported("sort with a key", call.line)
    for after, items in sequences.spread(receiver, state, run, call.line):
        ordered = in_order(items, call.keywords.get("reverse"), run, call.line)
        yield run.change(after, receiver.address, Items(ordered), call.line), NONE


def _reverse(receiver: ListRef, call: Call, state: State, run: Machine) -> Iterator[Evaluated]:
    for after, items in sequences.spread(receiver, state, run, call.line):
        yield run.change(after, receiver.address, Items(items[::-1]), call.line), NONE


def _clear(receiver: ListRef, call: Call, state: State, run: Machine) -> Iterator[Evaluated]:
    yield run.change(state, receiver.address, Items(()), call.line), NONE


def _copy(receiver: ListRef, call: Call, state: State, run: Machine) -> Iterator[Evaluated]:
    address = run.allocate()
    yield state.stored(address, state.heap[receiver.address]), ListRef(address)


_LISTS: dict[str, Callable[[ListRef, Call, State, Machine], Iterator[Evaluated]]] = {
    "append": _append,
    "clear": _clear,
    "copy": _copy,
    "count": _count,
    "extend": _extend,
    "index": _index,
    "insert": _insert,
    "pop": _pop,
    "remove": _remove,
    "reverse": _reverse,
    "sort": _sort,
}


# --- dicts


def _get(receiver: DictRef, call: Call, state: State, run: Machine) -> Iterator[Evaluated]:
    default = call.args[1] if len(call.args) == 2 else NONE
    if default is NONE:
        run.oblige("none-deref")
    yield from dicts.get_default(receiver, call.args[0], default, state, run, call.line)


def _set_default(receiver: DictRef, call: Call, state: State, run: Machine) -> Iterator[Evaluated]:
    key, default = call.args
    for after, present in run.fork(state, operators.has_key(state, receiver, key, call.line)):
        if present:
            yield from dicts.lookup(receiver, key, after, run, call.line)
        else:
            for last in dicts.set_key(receiver, key, default, after, run, call.line):
                yield last, default


def _copy_dict(receiver: DictRef, call: Call, state: State, run: Machine) -> Iterator[Evaluated]:
    address = run.allocate()
    yield state.stored(address, state.heap[receiver.address]), DictRef(address)


_DICTS: dict[str, Callable[[DictRef, Call, State, Machine], Iterator[Evaluated]]] = {
    "copy": _copy_dict,
    "get": _get,
    "setdefault": _set_default,
}

_ARITY: dict[tuple[str, str], tuple[int, ...]] = {
    ("dict", "copy"): (0,),
    ("dict", "get"): (1, 2),
    ("dict", "setdefault"): (2,),
    ("list", "append"): (1,),
    ("list", "clear"): (0,),
    ("list", "copy"): (0,),
    ("list", "count"): (1,),
    ("list", "extend"): (1,),
    ("list", "index"): (1,),
    ("list", "insert"): (2,),
    ("list", "pop"): (0, 1),
    ("list", "remove"): (1,),
    ("list", "reverse"): (0,),
    ("list", "sort"): (0,),
}


# --- strings

_TESTS = frozenset(
    {"isalnum", "isalpha", "isascii", "isdecimal", "isdigit", "isidentifier"}
    | {"islower", "isnumeric", "isprintable", "isspace", "istitle", "isupper"}
)
_REWRITES = {"capitalize": 0, "casefold": 0, "lower": 0, "swapcase": 0, "title": 0, "upper": 0}
_STRIPS = ("strip", "lstrip", "rstrip")


def _string_method(text: Str, name: str, call: Call, state: State, run: Machine) -> Iterator[Evaluated]:
    if call.keywords:
        raise Unsupported(f"these arguments of the method {name}", call.line)
    if is_concrete(text) and name in _NATIVE and all(is_concrete(value) for value in call.args):
        yield _native(text, name, call, state, run)
    elif name in ("startswith", "endswith") and len(call.args) == 1:
        yield state, _affix(text, name, call.args[0], run, call.line)
    elif name in _TESTS and not call.args:
        yield run.guess(state, Bool, name)
    elif name in _REWRITES and not call.args:
        yield run.guess(state, Str, name)
    elif name in _STRIPS and all(isinstance(value, Str) for value in call.args) and len(call.args) <= 1:
        guessed, stripped = run.guess(state, Str, name)
        shorter = encoding.compared("<=", z3.Length(stripped.term), encoding.string_length(text.term))  # type: ignore[union-attr]
        yield run.fact(guessed, shorter), stripped
    elif name == "find" and len(call.args) == 1 and isinstance(call.args[0], Str):
        at = z3.IndexOf(run.lift(text.term), run.lift(call.args[0].term), run.lift(0))
        yield state, Int(at)
    elif name == "split" and len(call.args) <= 1:
        yield from _split(text, call, state, run)
    elif name == "join" and len(call.args) == 1:
        yield from _join(call, state, run)
    else:
        raise Unsupported(f"the method {name} of str", call.line)


_NATIVE = (
    frozenset(_REWRITES)
    | _TESTS
    | frozenset(_STRIPS)
    | {"startswith", "endswith", "find", "rfind", "count", "index", "rindex"}
    | {"replace", "split", "splitlines", "zfill"}
)


def _native(text: Str, name: str, call: Call, state: State, run: Machine) -> Evaluated:
    """Python's own answer on constants."""
    run.oblige("value-error")
    given = [to_python(value) for value in call.args]
    if _longest(str(to_python(text)), name, given) > MAX_LITERAL:
        raise Unsupported(f"a constant text of more than {MAX_LITERAL} characters", call.line)
    try:
        answer = getattr(str(to_python(text)), name)(*given)
    except (TypeError, ValueError) as error:
        return state, raised(type(error).__name__, call.line)
    if isinstance(answer, list):
        return run.new_list(state, [Str(part) for part in answer])
    value = from_python(answer)
    assert value is not None
    return state, value


def _longest(text: str, name: str, given: Sequence[object]) -> int:
    """How long at most the method's result is."""
    if name == "zfill":
        return max((abs(width) for width in given if isinstance(width, int)), default=0)
    if name == "replace" and len(given) >= 2:
        return (len(text) + 1) * (1 + len(str(given[1])))
    return len(text)


def _affix(text: Str, name: str, affix: Value, run: Machine, line: int) -> Value | Raised:
    parts = affix.items if isinstance(affix, Tuple) else (affix,)
    found: object = False
    if len(parts) > 1 and not all(isinstance(part, Str) for part in parts):
        raise Unsupported(f"{name} with parts of several kinds", line)
    for part in parts:
        if not isinstance(part, Str):
            return run.type_error(line, part)
        found = encoding.disjunction(found, encoding.string_test(name, text.term, part.term))
    return Bool(found)


def _split(text: Str, call: Call, state: State, run: Machine) -> Iterator[Evaluated]:
    """A list of unknown parts: none may be left without a separator, one at least with one."""
    run.oblige("value-error")
    separator = call.args[0] if call.args else NONE
    if isinstance(separator, Str):
        for after, empty in run.fork(state, encoding.compared("==", separator.term, "")):
            yield (after, raised("ValueError", call.line)) if empty else _parts(after, 1, run)
    elif separator is NONE:
        yield _parts(state, 0, run)
    else:
        yield state, run.type_error(call.line, separator)


def _parts(state: State, least: int, run: Machine) -> Evaluated:
    guessed, size = run.guess(state, Int, "parts")
    address = run.allocate()
    view = View(run.fresh_array(Int, Str, "part"), 0, size.term, Str)  # type: ignore[union-attr]
    return run.fact(guessed, size.term >= least).stored(address, view), ListRef(address)  # type: ignore[union-attr]


def _join(call: Call, state: State, run: Machine) -> Iterator[Evaluated]:
    held = call.args[0]
    if isinstance(held, ListRef) and isinstance(view := sequences.content(state, held), View):
        if view.element is not Str:
            raise Unsupported("join of a list that does not hold text", call.line)
        yield run.guess(state, Str, "joined")
        return
    for after, items in sequences.spread(held, state, run, call.line):
        wrong = [item for item in items if type_name(item) != "str"]
        yield (after, run.type_error(call.line, wrong[0])) if wrong else run.guess(after, Str, "joined")
