"""Dicts: of known entries, or an argument whose keys are looked up one by one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import z3

from verification.symbolic import encoding, sequences, terms
from verification.symbolic.machine import Evaluated, Machine
from verification.symbolic.operators import equal_keys, has_key, need_key
from verification.symbolic.state import State
from verification.symbolic.values import (
    DictRef,
    Entries,
    Mapping,
    Unsupported,
    Value,
    is_whole,
    raised,
)


def new_dict(pairs: Sequence[tuple[Value, Value]], state: State, run: Machine, line: int) -> Iterator[Evaluated]:
    """A dict display: later pairs replace earlier ones of the same key."""
    address = run.allocate()
    ref = DictRef(address)
    alive = [state.stored(address, Entries(()))]
    for key, value in pairs:
        alive = [after for current in alive for after in set_key(ref, key, value, current, run, line)]
    for last in alive:
        yield last, ref


def get_key(ref: DictRef, key: Value, state: State, run: Machine, line: int) -> Iterator[Evaluated]:
    """`d[key]`."""
    run.oblige("key-error")
    for after, present in run.fork(state, has_key(state, ref, key, line)):
        if present:
            yield from lookup(ref, key, after, run, line)
        else:
            yield after, raised("KeyError", line)


def get_default(ref: DictRef, key: Value, default: Value, state: State, run: Machine, line: int) -> Iterator[Evaluated]:
    """`d.get(key, default)`."""
    for after, present in run.fork(state, has_key(state, ref, key, line)):
        if present:
            yield from lookup(ref, key, after, run, line)
        else:
            yield after, default


def lookup(ref: DictRef, key: Value, state: State, run: Machine, line: int) -> Iterator[Evaluated]:
    """The value of a key known to be present."""
    held = state.heap[ref.address]
    if isinstance(held, Mapping):
        yield state, sequences.wrap(held.element, terms.Select(held.values, run.lift(_key_term(key))))
        return
    assert isinstance(held, Entries)
    current: State | None = state
    for candidate, value in held.pairs:
        if current is None:
            return
        here, current = current, None
        for after, same in run.fork(here, equal_keys(candidate, key, line)):
            if same:
                yield after, value
            else:
                current = after


def set_key(ref: DictRef, key: Value, value: Value, state: State, run: Machine, line: int) -> Iterator[State]:
    """`d[key] = value`; a key that is there keeps its place."""
    held = state.heap[ref.address]
    if isinstance(held, Mapping):
        yield run.change(state, ref.address, _stored(held, key, value, run, line), line)
        return
    assert isinstance(held, Entries)
    current: State | None = state
    for at, (candidate, _) in enumerate(held.pairs):
        if current is None:
            return
        here, current = current, None
        for after, same in run.fork(here, equal_keys(candidate, key, line)):
            if same:
                pairs = (*held.pairs[:at], (candidate, value), *held.pairs[at + 1 :])
                yield run.change(after, ref.address, Entries(pairs), line)
            else:
                current = after
    if current is not None:
        need_key(key, line)
        yield run.change(current, ref.address, Entries((*held.pairs, (key, value))), line)


def _stored(held: Mapping, key: Value, value: Value, run: Machine, line: int) -> Mapping:
    if type(value) is not held.element or type(key) is not held.key:
        raise Unsupported("storing another type into a dict argument", line)
    at = run.lift(key.term)
    return replace(
        held,
        present=z3.Store(held.present, at, run.lift(True)),
        values=z3.Store(held.values, at, run.lift(value.term)),
    )


def _key_term(key: Value) -> object:
    return encoding.whole(key) if is_whole(key) else key.term  # type: ignore[union-attr]


def keys(ref: DictRef, state: State, line: int) -> tuple[tuple[Value, Value], ...]:
    """The entries in insertion order, where they are known."""
    held = state.heap[ref.address]
    if not isinstance(held, Entries):
        raise Unsupported("iteration over a dict argument", line)
    return held.pairs
