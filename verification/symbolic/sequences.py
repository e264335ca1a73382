"""Lists, tuples, strings and ranges: length, index, slice, and the elements where they are few."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import z3

from verification.symbolic import encoding, terms
from verification.symbolic.machine import Evaluated, Machine, unsupported_use
from verification.symbolic.state import State
from verification.symbolic.values import (
    Bool,
    DictRef,
    Entries,
    Function,
    Int,
    Items,
    ListRef,
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
)

Sized = ListRef | Tuple | Str | Range
SLICED_STRING_STEP = "a slice of a string with a step"


def content(state: State, ref: ListRef) -> Items | View:
    found = state.heap[ref.address]
    assert isinstance(found, Items | View)
    return found


def length(state: State, value: Value, line: int) -> Term | None:
    """`len(value)` as a term; None for what has no length."""
    if isinstance(value, ListRef):
        held = content(state, value)
        return len(held.items) if isinstance(held, Items) else held.length
    if isinstance(value, Tuple):
        return len(value.items)
    if isinstance(value, Str):
        return encoding.string_length(value.term)
    if isinstance(value, Range):
        return range_length(value)
    if isinstance(value, DictRef):
        entries = state.heap[value.address]
        if isinstance(entries, Entries):
            return len(entries.pairs)
        raise Unsupported("the size of a dict argument", line)
    if isinstance(value, Opaque) and value.kind != "float":
        raise unsupported_use(value, line, "the length of a computed value")
    if isinstance(value, Unmodelled):
        raise unsupported_use(value, line, "the length")
    return None


def range_length(value: Range) -> Term:
    if all(isinstance(bound, int) for bound in (value.start, value.stop)):
        return len(range(value.start, value.stop, value.step))
    gap = value.stop - value.start if value.step > 0 else value.start - value.stop
    size = abs(value.step)
    return encoding.choice(gap <= 0, 0, encoding.quotient(gap + (size - 1), size))


def truth(state: State, value: Value, line: int) -> Term:
    """Python's truth of any value."""
    scalar = encoding.truth(value)
    if scalar is not None:
        return scalar
    if isinstance(value, NoneValue):
        return False
    if isinstance(value, Opaque | Unmodelled):
        raise unsupported_use(value, line, "the truth of a computed value")
    size = length(state, value, line)
    return True if size is None else encoding.compared("!=", size, 0)


def wrap(kind: type, term: Term) -> Value:
    """The scalar of a type; Z3's true and false become constants again."""
    if kind is Bool:
        return Bool(True if z3.is_true(term) else False if z3.is_false(term) else term)
    return Int(term) if kind is Int else Str(term)


def get_item(receiver: Value, index: Value, state: State, run: Machine, line: int) -> Iterator[Evaluated]:
    """`receiver[index]` for a sequence."""
    run.oblige("type-error")
    if not isinstance(receiver, Sized):
        yield state, _not_subscriptable(receiver, run, line)
        return
    run.oblige("index-error")
    if not is_whole(index):
        if isinstance(index, Opaque | Unmodelled):
            raise unsupported_use(index, line, "an index")
        yield state, run.type_error(line, index)
        return
    size = length(state, receiver, line)
    offset = encoding.position(encoding.whole(index), size)
    for after, inside in run.fork(state, encoding.within(offset, size)):
        if not inside:
            yield after, raised("IndexError", line)
        else:
            yield from element(receiver, offset, after, run)


def _not_subscriptable(receiver: Value, run: Machine, line: int) -> Raised:
    if isinstance(receiver, NoneValue | Function) or is_number(receiver):
        return run.type_error(line, receiver)
    raise unsupported_use(receiver, line, "a subscript of a value")


def element(receiver: Value, offset: Term, state: State, run: Machine) -> Iterator[Evaluated]:
    """The element at an offset known to lie within the sequence."""
    if isinstance(receiver, Str):
        yield state, Str(encoding.substring(receiver.term, offset, 1))
    elif isinstance(receiver, Range):
        yield state, Int(receiver.start + offset * receiver.step)
    elif isinstance(receiver, Tuple):
        yield from _pick(receiver.items, offset, state, run)
    else:
        assert isinstance(receiver, ListRef)
        held = content(state, receiver)
        if isinstance(held, Items):
            yield from _pick(held.items, offset, state, run)
        else:
            yield state, wrap(held.element, terms.Select(held.array, run.lift(held.offset + offset)))


def _pick(items: Sequence[Value], offset: Term, state: State, run: Machine) -> Iterator[Evaluated]:
    if isinstance(offset, int):
        yield state, items[offset]
        return
    kind = type(items[0])
    if kind in (Int, Bool, Str) and all(type(item) is kind for item in items):
        chosen = run.lift(items[-1].term)  # type: ignore[union-attr]
        for at in range(len(items) - 2, -1, -1):
            chosen = encoding.choice(offset == at, run.lift(items[at].term), chosen)  # type: ignore[union-attr]
        yield state, wrap(kind, chosen)
        return
    for at, item in enumerate(items):
        for after, here in run.fork(state, offset == at):
            if here:
                yield after, item


def set_item(
    receiver: Value, index: Value, value: Value, state: State, run: Machine, line: int
) -> Iterator[tuple[State, Raised | None]]:
    """`receiver[index] = value` for a sequence."""
    run.oblige("type-error", "index-error")
    if not isinstance(receiver, ListRef) or not is_whole(index):
        if isinstance(index, Opaque | Unmodelled):
            raise unsupported_use(index, line, "an index")
        known = isinstance(receiver, Sized)
        yield state, run.type_error(line, index) if known else _not_subscriptable(receiver, run, line)
        return
    size = length(state, receiver, line)
    offset = encoding.position(encoding.whole(index), size)
    for after, inside in run.fork(state, encoding.within(offset, size)):
        if not inside:
            yield after, raised("IndexError", line)
        else:
            for last in _store(receiver, offset, value, after, run, line):
                yield last, None


def _store(receiver: ListRef, offset: Term, value: Value, state: State, run: Machine, line: int) -> Iterator[State]:
    held = content(state, receiver)
    if isinstance(held, View) and type(value) is held.element:
        array = z3.Store(held.array, run.lift(held.offset + offset), run.lift(value.term))
        yield run.change(state, receiver.address, replace(held, array=array), line)
        return
    for after, items in spread(receiver, state, run, line):
        for at in range(len(items)):
            for last, here in run.fork(after, encoding.compared("==", offset, at)):
                if here:
                    yield run.change(last, receiver.address, Items((*items[:at], value, *items[at + 1 :])), line)


def append(receiver: ListRef, value: Value, state: State, run: Machine, line: int) -> Iterator[State]:
    held = content(state, receiver)
    if isinstance(held, Items):
        yield run.change(state, receiver.address, Items((*held.items, value)), line)
    elif type(value) is held.element:
        array = z3.Store(held.array, run.lift(held.offset + held.length), run.lift(value.term))
        yield run.change(state, receiver.address, replace(held, array=array, length=held.length + 1), line)
    else:
        for after, items in spread(receiver, state, run, line):
            yield run.change(after, receiver.address, Items((*items, value)), line)


def spread(value: Value, state: State, run: Machine, line: int) -> Iterator[tuple[State, tuple[Value, ...]]]:
    """The elements of a sequence, one path for each length up to the bound; longer ones are cut off."""
    if isinstance(value, Tuple):
        yield state, value.items
        return
    if isinstance(value, ListRef):
        held = content(state, value)
        if isinstance(held, Items):
            yield state, held.items
            return
    elif not isinstance(value, Str | Range):
        raise unsupported_use(value, line, "iteration over a value")
    size = length(state, value, line)
    if isinstance(size, int):
        run.check_elements(size)
        yield state, tuple(_at(value, offset, state, run) for offset in range(size))
        return
    if run.abstract:
        raise Unsupported("a whole sequence in a summary", line)
    yield from _spread_symbolic(value, size, state, run, line)


def _spread_symbolic(
    value: Value, size: Term, state: State, run: Machine, line: int
) -> Iterator[tuple[State, tuple[Value, ...]]]:
    rest: State | None = state
    for count in range(run.limits.unroll + 1):
        current, rest = rest, None
        assert current is not None
        for after, here in run.fork(current, size == count):
            if not here:
                rest = after
                continue
            items = tuple(_at(value, offset, after, run) for offset in range(count))
            if isinstance(value, ListRef):  # its length is now known: keep it, so that no path forks on it again
                after = after.stored(value.address, Items(items))
            yield after, items
        if rest is None:
            return
    run.cut(line)


def _at(value: Value, offset: int, state: State, run: Machine) -> Value:
    (_, item), *_ = element(value, offset, state, run)
    assert not isinstance(item, Raised)
    return item


def get_slice(
    receiver: Value, bounds: tuple[Value, Value, Value], state: State, run: Machine, line: int
) -> Iterator[Evaluated]:
    """`receiver[low:high:step]`."""
    run.oblige("type-error")
    if not isinstance(receiver, Sized):
        yield state, _not_subscriptable(receiver, run, line)
        return
    for bound in bounds:
        if isinstance(bound, Opaque | Unmodelled):
            raise unsupported_use(bound, line, "a slice bound")
        if not (is_whole(bound) or isinstance(bound, NoneValue)):
            if not isinstance(bounds[2], NoneValue):
                raise Unsupported("such bounds beside a step, which is looked at first", line)
            yield state, run.type_error(line, bound)
            return
    low, high, step = bounds
    if isinstance(step, NoneValue) or (is_whole(step) and isinstance(step.term, int) and int(step.term) == 1):  # type: ignore[union-attr]
        yield from _plain_slice(receiver, low, high, state, run, line)
    else:
        yield from _stepped_slice(receiver, bounds, state, run, line)


def _plain_slice(
    receiver: Value, low: Value, high: Value, state: State, run: Machine, line: int
) -> Iterator[Evaluated]:
    size = length(state, receiver, line)
    start = 0 if isinstance(low, NoneValue) else encoding.clamp(encoding.whole(low), size)
    stop = size if isinstance(high, NoneValue) else encoding.clamp(encoding.whole(high), size)
    count = encoding.slice_length(start, stop)
    if isinstance(receiver, Str):
        yield state, Str(encoding.substring(receiver.term, start, count))
        return
    if isinstance(receiver, ListRef) and isinstance(held := content(state, receiver), View):
        address = run.allocate()
        yield state.stored(address, View(held.array, held.offset + start, count, held.element)), ListRef(address)
        return
    if not (isinstance(start, int) and isinstance(stop, int)):
        raise Unsupported("a slice of a list of known length at symbolic bounds", line)
    if isinstance(receiver, Range):
        raise Unsupported("a slice of a range", line)
    yield _rebuilt(receiver, spread_known(receiver, state)[start:stop], state, run)


def _stepped_slice(
    receiver: Value, bounds: tuple[Value, Value, Value], state: State, run: Machine, line: int
) -> Iterator[Evaluated]:
    python = [None if isinstance(bound, NoneValue) else encoding.whole(bound) for bound in bounds]
    if not all(bound is None or isinstance(bound, int) for bound in python):
        raise Unsupported("a slice with a step at symbolic bounds", line)
    if python[2] == 0:
        run.oblige("value-error")
        yield state, raised("ValueError", line)
        return
    if isinstance(receiver, Range):
        raise Unsupported("a slice of a range", line)
    if isinstance(receiver, Str) and not isinstance(receiver.term, str):
        raise Unsupported(SLICED_STRING_STEP, line)
    if isinstance(receiver, Str):
        yield state, Str(receiver.term[slice(*python)])
        return
    for after, items in spread(receiver, state, run, line):
        yield _rebuilt(receiver, items[slice(*python)], after, run)


def spread_known(value: Value, state: State) -> tuple[Value, ...]:
    """The elements of a tuple or of a list of known length."""
    if isinstance(value, Tuple):
        return value.items
    assert isinstance(value, ListRef)
    held = content(state, value)
    assert isinstance(held, Items)
    return held.items


def _rebuilt(like: Value, items: Sequence[Value], state: State, run: Machine) -> Evaluated:
    if isinstance(like, Tuple):
        return state, Tuple(tuple(items))
    return run.new_list(state, items)


def repeated(items: Sequence[Value], count: Term, state: State, run: Machine, line: int) -> Evaluated:
    """`[x] * count`: a new list."""
    if isinstance(count, int):
        run.check_elements(len(items) * max(count, 0))
        return run.new_list(state, tuple(items) * count)
    if len(items) != 1 or type(items[0]) not in (Int, Bool, Str):
        raise Unsupported("a repetition of several elements a symbolic number of times", line)
    kind = type(items[0])
    array = z3.K(run.sort(Int), run.lift(items[0].term))  # type: ignore[union-attr]
    address = run.allocate()
    size = encoding.choice(count > 0, count, 0)
    return state.stored(address, View(array, 0, size, kind)), ListRef(address)  # type: ignore[arg-type]
