"""Sequences, dicts and sets: length, elements, membership, and their changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import z3

from verification.abstract import operators
from verification.abstract.machine import INDEXABLE, TABLES, Machine, settled
from verification.abstract.state import State
from verification.abstract.values import (
    NEVER,
    Bool,
    Builtin,
    Choice,
    ContainerShape,
    ExceptionClass,
    Func,
    Int,
    Module,
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
    shape,
    type_name,
)
from verification.symbolic import encoding, terms
from verification.symbolic.values import Unsupported

LAZY = ("iterator", "group")
"""Used up by going through them, and without a length."""

VIEWS = ("dict_keys", "dict_values", "dict_items")

UNHASHABLE = frozenset({"list", "dict", "set", "deque", "dict_keys", "dict_items"})

MAX_ITEMS = 64
"""Longer sequences are not kept element by element."""


def held(state: State, value: Ref) -> Seq:
    found = state.content(value.address)
    assert isinstance(found, Seq)
    return found


def table(state: State, value: Ref) -> Table:
    found = state.content(value.address)
    assert isinstance(found, Table)
    return found


def length(state: State, value: Value, run: Machine) -> Term | None:
    """`len(value)` as a term; None for what has no length."""
    if isinstance(value, Tup):
        return len(value.items)
    if isinstance(value, Text):
        return value.length
    if isinstance(value, Range):
        return range_length(value, state, run)
    if isinstance(value, Ref):
        if value.kind in LAZY:
            return None
        found = state.content(value.address)
        return found.length if isinstance(found, Seq) else found.size
    return None


def range_length(value: Range, state: State, run: Machine) -> Term:
    if all(isinstance(bound, int) for bound in (value.start, value.stop, value.step)):
        return len(range(value.start, value.stop, value.step))
    if isinstance(value.step, int):
        gap = value.stop - value.start if value.step > 0 else value.start - value.stop
        size = abs(value.step)
        return encoding.choice(gap <= 0, 0, encoding.quotient(gap + (size - 1), size))
    return run.any_length(state, "range.len")


def element(value: Value, offset: Term, state: State, run: Machine) -> Value:
    """The element at an offset known to lie within a sequence."""
    if isinstance(value, Text):
        return run.character(value, offset)
    if isinstance(value, Range):
        return Int(
            value.start + offset * value.step
            if isinstance(offset, int) or isinstance(value.step, int)
            else run.symbol("at")
        )
    if isinstance(value, Tup):
        return _picked(value.items, offset, state, run)
    assert isinstance(value, Ref)
    content = held(state, value)
    if content.items is not None:
        return _picked(content.items, offset, state, run)
    if content.array is not None:
        return Int(terms.Select(content.array, run.lift(offset)))
    return run.fresh(state, content.element, "item")


def _picked(items: Sequence[Value], offset: Term, state: State, run: Machine) -> Value:
    if isinstance(offset, int):
        return items[offset]
    if not items:
        raise run.dead
    chosen = items[-1]
    for at in range(len(items) - 2, -1, -1):
        chosen = run.merge_values(offset == at, items[at], chosen)
    return chosen


def whole_shape(value: Value, state: State, run: Machine, line: int) -> Shape:
    """The shape of any element of something that can be gone through."""
    if isinstance(value, Text):
        return shape(Scalar("str", digits=value.digits))
    if isinstance(value, Range):
        low = run.low_of(value.start) if isinstance(value.step, int) and value.step > 0 else None
        return shape(Scalar("int", low=low))
    if isinstance(value, Tup):
        return join(*(run.shape_of(state, item) for item in value.items))
    assert isinstance(value, Ref)
    content = state.content(value.address)
    return run.element_shape(state, content) if isinstance(content, Seq) else content.key


def count(value: Value, state: State, run: Machine) -> Term:
    """How many elements it will give."""
    if isinstance(value, Ref) and value.kind in LAZY:
        return held(state, value).length
    size = length(state, value, run)
    assert size is not None
    return size


def iterable(value: Value, state: State, run: Machine, line: int) -> None:
    """TypeError leaves for what can't be gone through; a file or the like is refused."""
    if isinstance(value, Text | Range | Tup | Ref):
        return
    if isinstance(value, Opaque | Module | ExceptionClass | Builtin | Unbound | Func | Partial):
        raise Unsupported(f"iteration over a value of type {type_name(value)}", line)
    raise run.type_error(state, line, value)


def consumed(value: Value, state: State, run: Machine, line: int) -> None:
    """An iterator is used up by going through it."""
    if isinstance(value, Ref) and value.kind in LAZY:
        run.put(state, value.address, replace(held(state, value), length=0, items=None, array=None), line, resized=True)


def known_items(value: Value, state: State) -> tuple[Value, ...] | None:
    """The elements, where each is known."""
    if isinstance(value, Tup):
        return value.items
    if isinstance(value, Ref):
        content = state.content(value.address)
        return content.items if isinstance(content, Seq) else None
    return None


# --- reading


def get_item(receiver: Value, index: Value, state: State, run: Machine, line: int) -> Value:
    """`receiver[index]`."""
    run.oblige("type-error")
    if isinstance(receiver, Ref) and receiver.kind == "dict":
        return get_key(receiver, index, state, run, line)
    if isinstance(receiver, Opaque | Module | Builtin | ExceptionClass):
        raise Unsupported(f"a subscript of a value of type {type_name(receiver)}", line)
    if not _indexable(receiver):
        raise run.type_error(state, line, receiver)
    if not isinstance(index, Int | Bool):
        if isinstance(index, Opaque):
            raise Unsupported(f"an index of type {type_name(index)}", line)
        raise run.type_error(state, line, index)
    offset = checked_offset(receiver, encoding.whole(index), state, run, line)
    return element(receiver, offset, state, run)


def _indexable(value: Value) -> bool:
    return isinstance(value, Text | Range | Tup) or (isinstance(value, Ref) and value.kind in INDEXABLE)


def checked_offset(receiver: Value, index: Term, state: State, run: Machine, line: int) -> Term:
    """Where an index points; IndexError leaves where that is outside."""
    run.oblige("index-error")
    size = length(state, receiver, run)
    offset = encoding.position(index, size)
    run.may_raise(state, encoding.within(offset, size), "IndexError", line)
    return offset


def get_slice(receiver: Value, bounds: Sequence[Value], state: State, run: Machine, line: int) -> Value:
    """`receiver[low:high:step]`."""
    run.oblige("type-error")
    if isinstance(receiver, Opaque | Module | Builtin):
        raise Unsupported(f"a slice of a value of type {type_name(receiver)}", line)
    if not _indexable(receiver) or (isinstance(receiver, Ref) and receiver.kind == "deque"):
        raise run.type_error(state, line, receiver)
    if isinstance(receiver, Range):
        raise Unsupported("a slice of a range", line)
    for bound in bounds:
        if not isinstance(bound, Int | Bool | NoneValue):
            if not isinstance(bounds[2], NoneValue):
                raise Unsupported("such bounds beside a step, which is looked at first", line)
            raise run.type_error(state, line, bound)
    low, high, step = (encoding.whole(bound) if isinstance(bound, Int | Bool) else None for bound in bounds)
    if step is not None and not (isinstance(step, int) and step == 1):
        return _stepped(receiver, low, high, step, state, run, line)
    size = length(state, receiver, run)
    if isinstance(receiver, Tup | Text) or known_items(receiver, state) is not None:
        exact = _exact_slice(receiver, low, high, None, state, run)
        if exact is not None:
            return exact
    start = 0 if low is None else encoding.clamp(low, size)
    stop = size if high is None else encoding.clamp(high, size)
    return _part(receiver, start, encoding.slice_length(start, stop), state, run)


def _exact_slice(
    receiver: Value, low: Term | None, high: Term | None, step: Term | None, state: State, run: Machine
) -> Value | None:
    """The slice of known elements at known bounds."""
    if not all(bound is None or isinstance(bound, int) for bound in (low, high, step)):
        return None
    cut = slice(low, high, step)
    if isinstance(receiver, Text):
        return None if receiver.literal is None else run.literal(receiver.literal[cut])
    items = known_items(receiver, state)
    if items is None:
        return None
    return Tup(items[cut]) if isinstance(receiver, Tup) else run.new_list(state, items[cut], receiver.kind)  # type: ignore[union-attr]


def _part(receiver: Value, start: Term, size: Term, state: State, run: Machine) -> Value:
    if isinstance(receiver, Text):
        part = Text(run.symbol("part"), size)
        if isinstance(size, int) and size == 0:
            return run.literal("")
        return replace(part, digits=False)
    elements = whole_shape(receiver, state, run, 0)
    array = None
    if isinstance(receiver, Ref) and isinstance(start, int) and start == 0:
        array = held(state, receiver).array
    kind = receiver.kind if isinstance(receiver, Ref) else "tuple..."
    share_items(receiver, state, run)
    part_ref = run.sequence(state, elements, size, kind)
    if array is not None:
        run_held = held(state, part_ref)
        state.heap[part_ref.address] = replace(run_held, array=array)
    return part_ref


def share_items(value: Value, state: State, run: Machine) -> None:
    """Objects held by a sequence are reachable from its copies too."""
    for item in known_items(value, state) or ():
        run.share(state, item)


def _stepped(
    receiver: Value, low: Term | None, high: Term | None, step: Term, state: State, run: Machine, line: int
) -> Value:
    run.oblige("value-error")
    run.may_raise(state, encoding.compared("!=", step, 0), "ValueError", line)
    exact = _exact_slice(receiver, low, high, step, state, run)
    if exact is not None:
        return exact
    size = length(state, receiver, run)
    whole = low is None and high is None and isinstance(step, int)
    if whole and step == -1:
        amount = size
    elif whole and step > 0:
        amount = encoding.quotient(size + (step - 1), step)
    else:
        amount = run.any_length(state, "slice.len", most=size)
    if isinstance(receiver, Text):
        return Text(run.symbol("part"), amount, None, receiver.digits and amount is size)
    kind = receiver.kind if isinstance(receiver, Ref) else "tuple..."
    share_items(receiver, state, run)
    return run.sequence(state, whole_shape(receiver, state, run, line), amount, kind)


def concatenated(left: Value, right: Value, state: State, run: Machine) -> Value:
    first, second = known_items(left, state), known_items(right, state)
    kind = left.kind if isinstance(left, Ref) else "tuple..."
    if first is not None and second is not None and len(first) + len(second) <= MAX_ITEMS:
        if isinstance(left, Tup) and isinstance(right, Tup):
            return Tup(first + second)
        return run.new_list(state, first + second, kind)
    for side in (left, right):
        share_items(side, state, run)
    elements = join(whole_shape(left, state, run, 0), whole_shape(right, state, run, 0))
    total = count(left, state, run) + count(right, state, run)
    return run.sequence(state, elements, total, kind)


def repeated(body: Value, times: Term, state: State, run: Machine) -> Value:
    items = known_items(body, state)
    if items is not None and isinstance(times, int) and len(items) * max(times, 0) <= MAX_ITEMS:
        return Tup(items * times) if isinstance(body, Tup) else run.new_list(state, items * times, body.kind)  # type: ignore[union-attr]
    share_items(body, state, run)
    size = length(state, body, run)
    amount = encoding.choice(times > 0, times, 0)
    total = (
        amount * size
        if isinstance(size, int) or isinstance(amount, int)
        else operators.product(run.lift(amount), run.lift(size), state, run)
    )
    kind = body.kind if isinstance(body, Ref) else "tuple..."
    return run.sequence(state, whole_shape(body, state, run, 0), total, kind)


# --- membership


def contains(container: Value, item: Value, state: State, run: Machine, line: int) -> Term:
    """`item in container`."""
    if isinstance(container, Text):
        if not isinstance(item, Text):
            raise run.type_error(state, line, item)
        return _text_contains(container, item, state, run)
    if isinstance(container, Opaque | Module | Builtin):
        raise Unsupported(f"`in` on a value of type {type_name(container)}", line)
    if isinstance(container, Range):
        return _in_range(container, item, run)
    if not isinstance(container, Tup | Ref):
        raise run.type_error(state, line, container)
    if isinstance(container, Ref) and container.kind in TABLES:
        return has_key(container, item, state, run, line)
    if isinstance(container, Ref) and container.kind == "dict_items":
        _hashable_pair(item, state, run, line)
    items = known_items(container, state)
    if items is not None and not isinstance(item, Choice):
        found: Term = False
        for one in items:
            found = encoding.disjunction(found, operators._equal_open(one, item, state, run))
        return found
    assert isinstance(container, Ref)
    return _member(container, item, state, run)


def _hashable_pair(item: Value, state: State, run: Machine, line: int) -> None:
    """The key of a pair is looked up."""
    if isinstance(item, Tup):
        if len(item.items) == 2 and isinstance(item.items[0], Choice):
            raise Unsupported("a key of several kinds", line)
        if len(item.items) == 2:
            hashable(state, item.items[0], run, line)
    elif isinstance(item, Ref | Choice):
        run.may_raise(state, run.truth_symbol("hashable"), "TypeError", line)


def _text_contains(container: Text, item: Text, state: State, run: Machine) -> Term:
    if container.literal is not None and item.literal is not None:
        return item.literal in container.literal
    found = run.truth_symbol("within")
    state.assume(terms.Implies(found, run.lift(item.length) <= run.lift(container.length)))
    if container.literal is not None and item.length == 1:
        # One character within a known text: it is one of those.
        names = [run.literal(character) for character in dict.fromkeys(container.literal)]
        return terms.Or(*(run.lift(item.name) == one.name for one in names)) if names else False
    return found


def _in_range(container: Range, item: Value, run: Machine) -> Term:
    if not isinstance(item, Int | Bool) or not isinstance(container.step, int):
        return run.truth_symbol("within")
    number = encoding.whole(item)
    if container.step > 0:
        inside = encoding.conjunction(number >= container.start, number < container.stop)
    else:
        inside = encoding.conjunction(number <= container.start, number > container.stop)
    aligned = encoding.compared("==", encoding.remainder(number - container.start, abs(container.step)), 0)
    return encoding.conjunction(inside, aligned)


def _member(container: Ref, item: Value, state: State, run: Machine) -> Term:
    """Membership in a sequence, remembered until the sequence changes."""
    content = held(state, container)
    key = run.key_of(item)
    if key is None:
        found = run.truth_symbol("within")
    else:
        space, name = key
        members = dict(content.members or ())
        if space not in members:
            members[space] = run.array_symbol("members", truths=True)
            state.heap[container.address] = replace(content, members=tuple(members.items()))
        found = terms.Select(members[space], run.lift(name))
    state.assume(terms.Implies(found, run.lift(content.length) >= 1))
    return found


def hashable(state: State, value: Value, run: Machine, line: int) -> None:
    """TypeError may leave for a key that has no hash.

    Not on every run: an empty dict has nothing to pop and asks for no hash, and a set is looked up as a frozenset.
    """
    if isinstance(value, Ref) and value.kind in UNHASHABLE:
        run.may_raise(state, run.truth_symbol("hashable"), "TypeError", line)
    if isinstance(value, Tup):
        for item in value.items:
            if isinstance(item, Choice):
                raise Unsupported("a key of several kinds", line)
            hashable(state, item, run, line)
    if isinstance(value, Ref) and value.kind == "tuple..." and not _all_hashable(whole_shape(value, state, run, line)):
        run.may_raise(state, run.truth_symbol("hashable"), "TypeError", line)


def _all_hashable(given: Shape) -> bool:
    """Whether every value of the shape certainly has a hash."""
    for kind in given.kinds:
        if isinstance(kind, TupleShape):
            if not all(map(_all_hashable, kind.items)):
                return False
        elif isinstance(kind, ContainerShape) and (
            kind.type not in ("tuple...", "frozenset") or not _all_hashable(kind.element)
        ):
            return False
    return True


def has_key(container: Ref, key: Value, state: State, run: Machine, line: int) -> Term:
    """`key in container` for a dict or a set."""
    hashable(state, key, run, line)
    content = _with_space(container, key, state, run)
    found = _present(content, key, run)
    if found is None:
        found = run.truth_symbol("present")
    if not isinstance(found, bool):
        state.assume(terms.Implies(found, run.lift(content.size) >= 1))
    return found


def _with_space(ref: Ref, key: Value, state: State, run: Machine) -> Table:
    """The content, with membership set up for the key's space, so that it is remembered from now on."""
    content = table(state, ref)
    known = run.key_of(key)
    if known is not None and content.members and known[0] not in dict(content.members):
        members = (*content.members, (known[0], run.array_symbol("members", truths=True)))
        content = replace(content, members=members)
        state.heap[ref.address] = content
    return content


def _present(content: Table, key: Value, run: Machine) -> Term | None:
    known = run.key_of(key)
    if known is None:
        return None
    array = dict(content.members).get(known[0])
    if array is None:
        return None
    found = terms.Select(array, run.lift(known[1]))
    return found if z3.is_const(array) else run.room.simplified(found)


# --- dicts


def get_key(ref: Ref, key: Value, state: State, run: Machine, line: int) -> Value:
    """`d[key]`."""
    run.oblige("key-error")
    content = table(state, ref)
    if content.default is not None:
        return _get_or_make(ref, key, state, run, line)
    present = settled(has_key(ref, key, state, run, line))
    run.may_raise(state, present, "KeyError", line)
    return value_of(content, state, run)


def value_of(content: Table, state: State, run: Machine) -> Value:
    return run.fresh(state, content.value or NEVER, "value")


_DEFAULTS: dict[str, Value] = {"int": Int(0), "bool": Bool(False)}


def default_value(name: str, state: State, run: Machine) -> Value:
    """What a defaultdict makes for a missing key."""
    if name in _DEFAULTS:
        return _DEFAULTS[name]
    if name == "str":
        return run.literal("")
    if name == "float":
        return operators.constant_float(0.0)
    if name in ("dict", "set"):
        return run.empty_table(state, name)
    if name == "list":
        return run.new_list(state, ())
    raise Unsupported(f"a defaultdict of {name}", None)


def _get_or_make(ref: Ref, key: Value, state: State, run: Machine, line: int) -> Value:
    """A missing key gets its default. Counter makes none, but what is read is the same."""
    content = table(state, ref)
    assert content.default is not None
    made = default_value("int" if content.default == "Counter" else content.default, state, run)
    shape_ = run.stored_shape(state, made)
    if content.default == "Counter":
        hashable(state, key, run, line)
        return run.fresh(state, join(content.value or NEVER, shape_), "value")
    set_key(ref, key, made, state, run, line)
    return run.fresh(state, table(state, ref).value or NEVER, "value")


def set_key(ref: Ref, key: Value, value: Value, state: State, run: Machine, line: int) -> None:
    """`d[key] = value`, or `s.add(key)` where the value is None."""
    hashable(state, key, run, line)
    content = _with_space(ref, key, state, run)
    present = _present(content, key, run)
    if present is None:
        present = run.truth_symbol("present")
    members = _with(content, key, True, run)
    size = content.size + encoding.choice(present, 0, 1)
    new_value = content.value if content.value is None else join(content.value, run.stored_shape(state, value))
    new_key = join(content.key, run.stored_shape(state, key))
    fresh_key = not run.entails(state, present) if not isinstance(present, bool) else not present
    run.put(
        state,
        ref.address,
        replace(content, key=new_key, value=new_value, size=size, members=members),
        line,
        resized=fresh_key,
        additive=True,
    )


def _with(content: Table, key: Value, truth: bool, run: Machine) -> tuple[tuple[str, Any], ...]:
    """Membership after a key was added or removed; a key without a number leaves it open."""
    known = run.key_of(key)
    members = dict(content.members)
    if known is None:
        # It may be equal to a number (a float, say) or to a tuple: what was said of those is open now.
        return tuple((space, array) for space, array in members.items() if space in ("str", "none")) if truth else ()
    space, name = known
    if space in members:
        members[space] = z3.Store(members[space], run.lift(name), run.lift(truth))
    return tuple(members.items())


def remove_key(ref: Ref, key: Value, state: State, run: Machine, line: int) -> None:
    """Drop a key known to be present."""
    content = table(state, ref)
    members = _with(content, key, False, run)
    run.put(state, ref.address, replace(content, size=content.size - 1, members=members), line, resized=True)


# --- changing lists


def set_item(receiver: Value, index: Value, value: Value, state: State, run: Machine, line: int) -> None:
    """`receiver[index] = value`."""
    run.oblige("type-error")
    if isinstance(receiver, Ref) and receiver.kind == "dict":
        set_key(receiver, index, value, state, run, line)
        return
    if isinstance(receiver, Opaque | Module):
        raise Unsupported(f"an item of a value of type {type_name(receiver)}", line)
    if not isinstance(receiver, Ref) or receiver.kind not in ("list", "deque"):
        raise run.type_error(state, line, receiver)
    if not isinstance(index, Int | Bool):
        raise run.type_error(state, line, index)
    offset = checked_offset(receiver, encoding.whole(index), state, run, line)
    content = held(state, receiver)
    if content.items is not None and isinstance(offset, int) and receiver.address not in state.shared:
        items = (*content.items[:offset], value, *content.items[offset + 1 :])
        run.put(state, receiver.address, Seq(NEVER, content.length, items), line, resized=False)
        return
    open_ = opened(receiver, state, run)
    elements = join(open_.element, run.stored_shape(state, value))
    array = None
    if open_.array is not None and isinstance(value, Int):
        array = z3.Store(open_.array, run.lift(offset), run.lift(value.term))
    run.put(state, receiver.address, Seq(elements, open_.length, None, array), line, resized=False)


def opened(receiver: Ref, state: State, run: Machine) -> Seq:
    """The content with its elements known by shape alone."""
    content = held(state, receiver)
    if content.items is None:
        return content
    share_items(receiver, state, run)
    elements = run.element_shape(state, content)
    array = None
    if elements.only("int"):
        array = run.array_symbol("at")
        for at, item in enumerate(content.items):
            assert isinstance(item, Int)
            array = z3.Store(array, run.lift(at), run.lift(item.term))
    return Seq(elements, content.length, None, array)


def append(receiver: Ref, value: Value, state: State, run: Machine, line: int, *, front: bool = False) -> None:
    content = held(state, receiver)
    if content.items is not None and receiver.address not in state.shared and len(content.items) < MAX_ITEMS:
        items = (value, *content.items) if front else (*content.items, value)
        run.put(state, receiver.address, Seq(NEVER, len(items), items), line, resized=True)
        return
    open_ = opened(receiver, state, run)
    elements = join(open_.element, run.stored_shape(state, value))
    array = None
    if open_.array is not None and isinstance(value, Int) and not front:
        array = z3.Store(open_.array, run.lift(open_.length), run.lift(value.term))
    run.put(state, receiver.address, Seq(elements, open_.length + 1, None, array), line, resized=True)


def replaced(
    receiver: Ref, elements: Shape, size: Term, state: State, run: Machine, line: int, *, resized: bool = True
) -> None:
    """The list now holds any elements of the shape."""
    array = run.array_symbol("at") if elements.only("int") else None
    run.put(state, receiver.address, Seq(elements, size, None, array), line, resized=resized)


def extend(receiver: Ref, other: Value, state: State, run: Machine, line: int) -> None:
    iterable(other, state, run, line)
    items = known_items(other, state)
    content = held(state, receiver)
    simple = content.items is not None and receiver.address not in state.shared
    if items is not None and simple and len(items) + len(content.items or ()) <= MAX_ITEMS:
        joined = (*(content.items or ()), *items)
        run.put(state, receiver.address, Seq(NEVER, len(joined), joined), line, resized=True)
    else:
        share_items(other, state, run)
        open_ = opened(receiver, state, run)
        elements = join(open_.element, whole_shape(other, state, run, line))
        replaced(receiver, elements, open_.length + count(other, state, run), state, run, line)
    consumed(other, state, run, line)


def pop(receiver: Ref, index: Term, state: State, run: Machine, line: int) -> Value:
    """Remove and return an element."""
    offset = checked_offset(receiver, index, state, run, line)
    content = held(state, receiver)
    if content.items is not None and isinstance(offset, int) and receiver.address not in state.shared:
        items = content.items[:offset] + content.items[offset + 1 :]
        run.put(state, receiver.address, Seq(NEVER, len(items), items), line, resized=True)
        return content.items[offset]
    open_ = opened(receiver, state, run)
    item = element(receiver, offset, state, run)
    last = isinstance(index, int) and index == -1
    array = open_.array if last else None if open_.array is None else run.array_symbol("at")
    run.put(state, receiver.address, Seq(open_.element, open_.length - 1, None, array), line, resized=True)
    return item


def set_slice(receiver: Value, bounds: Sequence[Value], other: Value, state: State, run: Machine, line: int) -> None:
    """`receiver[low:high] = other`."""
    if not isinstance(receiver, Ref) or receiver.kind != "list" or not isinstance(bounds[2], NoneValue):
        raise Unsupported("an assignment to such a slice", line)
    for bound in bounds:
        if not isinstance(bound, Int | Bool | NoneValue):
            raise run.type_error(state, line, bound)
    iterable(other, state, run, line)
    share_items(other, state, run)
    open_ = opened(receiver, state, run)
    elements = join(open_.element, whole_shape(other, state, run, line))
    size = run.any_length(state, "len", most=open_.length + count(other, state, run))
    replaced(receiver, elements, size, state, run, line)
    consumed(other, state, run, line)


# --- going through


@dataclass(frozen=True)
class Source:
    """What a loop goes through: how many elements there are, and what one of them is."""

    values: tuple[Value, ...]
    """One, or several for zip."""

    wrapper: str = ""
    start: Term = 0

    def size(self, state: State, run: Machine) -> Term:
        """Of the shortest, now: lists may change while they are gone through."""
        sizes = [count(value, state, run) for value in self.values]
        least = sizes[0]
        for other in sizes[1:]:
            least = encoding.choice(least <= other, least, other)
        return least

    def item(self, offset: Term, state: State, run: Machine) -> Value:
        """The element of the iteration of that number, which is below the size."""
        row = tuple(self._one(value, offset, state, run) for value in self.values)
        if self.wrapper == "enumerate":
            return Tup((Int(self.start + offset), row[0]))
        return Tup(row) if self.wrapper == "zip" else row[0]

    def _one(self, value: Value, offset: Term, state: State, run: Machine) -> Value:
        if isinstance(value, Ref) and value.kind in VIEWS:
            return self._viewed(value, state, run)
        if isinstance(value, Ref) and value.kind in TABLES:
            content = table(state, value)
            key = run.fresh(state, content.key, "key")
            present = None if isinstance(key, Choice) else _present(content, key, run)
            if present is not None and not isinstance(present, bool):
                state.assume(present)
            return key
        if self.wrapper == "reversed":
            size = count(value, state, run)
            return element(value, size - 1 - offset, state, run)
        return element(value, offset, state, run)

    def _viewed(self, value: Ref, state: State, run: Machine) -> Value:
        """A key, value or item of the dict as it is now."""
        origin = state.heap[value.address].origin
        assert origin is not None, "a view is made of a dict alone"
        content = state.heap[origin]
        assert isinstance(content, Table)
        key = run.fresh(state, content.key, "key")
        present = None if isinstance(key, Choice) else _present(content, key, run)
        if present is not None and not isinstance(present, bool):
            state.assume(present)
        if value.kind == "dict_keys":
            return key
        held_value = run.fresh(state, content.value or NEVER, "value")
        return held_value if value.kind == "dict_values" else Tup((key, held_value))
