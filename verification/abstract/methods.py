"""Methods of text, lists, dicts, sets and deques: which exceptions they raise, and what they give."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from verification.abstract import containers, operators
from verification.abstract.library.given import (
    Given,
    apply,
    elements,
    hashable_shape,
    need_flag,
    need_int,
    need_order,
    pairs,
    wrong,
)
from verification.abstract.machine import Machine, settled
from verification.abstract.state import State
from verification.abstract.values import (
    NEVER,
    NONE,
    STR,
    Bool,
    Float,
    Int,
    Method,
    NoneValue,
    Opaque,
    Ref,
    Scalar,
    Seq,
    Shape,
    Table,
    Text,
    Tup,
    TupleShape,
    Value,
    join,
    shape,
    type_name,
)
from verification.symbolic import encoding, terms
from verification.symbolic.values import Unsupported

Handler = Callable[[Any, Given, State, Machine], Value]


def call_method(
    method: Method, args: Sequence[Value], keywords: Mapping[str, Value], state: State, run: Machine, line: int
) -> Value:
    """`receiver.name(...)`."""
    receiver = method.receiver
    kind = "float" if isinstance(receiver, Float) else type_name(receiver)
    handler = _METHODS.get((kind, method.name))
    if handler is None:
        raise Unsupported(f"the method {method.name} of {kind}", line)
    named = list(keywords)
    count = len(args)

    def one(inside: State, given: tuple[Value, ...]) -> Value:
        call = Given(method.name, given[:count], dict(zip(named, given[count:], strict=True)), line)
        return handler(receiver, call, inside, run)

    return run.cases(state, [*args, *(keywords[key] for key in named)], one)


# --- text


def _text_argument(value: Value, state: State, run: Machine, line: int) -> Text:
    if not isinstance(value, Text):
        wrong(value, state, run, line)
    assert isinstance(value, Text)
    return value


def _native(text: Text, call: Given, run: Machine) -> Value | None:
    """Python's own answer where all is known, short, and the answer is text, a number or a truth."""
    if (
        text.literal is None
        or call.keywords
        or not all(isinstance(arg, Text) and arg.literal is not None for arg in call.args)
    ):
        return None
    try:
        answer = getattr(text.literal, call.name)(*(arg.literal for arg in call.args))  # type: ignore[union-attr]
    except (TypeError, ValueError):
        return None
    if isinstance(answer, bool):
        return Bool(answer)
    if isinstance(answer, int):
        return Int(answer)
    return run.literal(answer) if isinstance(answer, str) else None


def _test(text: Text, call: Given, state: State, run: Machine) -> Value:
    call.expect(0, 0)
    known = _native(text, call, run)
    if known is not None:
        return known
    if text.digits and call.name in ("isdigit", "isdecimal", "isnumeric", "isalnum", "isascii"):
        return Bool(True)
    result = run.truth_symbol(call.name)
    if call.name not in ("isascii", "isprintable"):
        state.assume(terms.Implies(result, run.lift(text.length) >= 1))
    return Bool(result)


def _rewritten(text: Text, call: Given, state: State, run: Machine) -> Value:
    """`lower` and the like: the length may change (a single character may become several)."""
    call.expect(0, 0)
    known = _native(text, call, run)
    if known is not None:
        return known
    if text.digits:
        return text
    result = run.text(state, call.name)
    state.assume((result.length == 0) == (run.lift(text.length) == 0))
    return result


def _stripped(text: Text, call: Given, state: State, run: Machine) -> Value:
    args = call.expect(0, 1)
    if args and not isinstance(args[0], NoneValue):
        _text_argument(args[0], state, run, call.line)
    known = _native(text, call, run)
    if known is not None:
        return known
    result = run.text(state, call.name)
    state.assume(result.length <= text.length)
    return result


def _affix(text: Text, call: Given, state: State, run: Machine) -> Value:
    args = call.expect(1, 1)
    if isinstance(args[0], Ref):
        raise Unsupported(f"{call.name} with a value of type {type_name(args[0])}", call.line)
    parts = args[0].items if isinstance(args[0], Tup) else (args[0],)
    if len(parts) > 1 and not all(isinstance(part, Text) for part in parts):
        raise Unsupported(f"{call.name} with parts of several kinds", call.line)
    result = run.truth_symbol(call.name)
    lengths = []
    for part in parts:
        found = _text_argument(part, state, run, call.line)
        lengths.append(run.lift(text.length) >= found.length)
    known = _native(text, call, run)
    if known is not None:
        return known
    if lengths:
        state.assume(terms.Implies(result, terms.Or(*lengths)))
    return Bool(result)


def _without_affix(text: Text, call: Given, state: State, run: Machine) -> Value:
    _text_argument(call.expect(1, 1)[0], state, run, call.line)
    result = run.text(state, call.name)
    state.assume(result.length <= text.length)
    return result


def _find(text: Text, call: Given, state: State, run: Machine) -> Value:
    args = call.expect(1, 3)
    part = _text_argument(args[0], state, run, call.line)
    for value in args[1:]:
        if not isinstance(value, NoneValue):
            need_int(value, state, run, call.line)
    known = _native(text, call, run)
    if known is not None:
        return known
    at = run.symbol("at")
    state.assume(terms.And(at >= -1, terms.Implies(at >= 0, at + part.length <= text.length)))
    if len(args) > 1 and operators.is_whole(args[1]):
        start = run.lift(encoding.whole(args[1]))
        state.assume(terms.Implies(terms.And(at >= 0, start >= 0), at >= start))
    return Int(at)


def _index_text(text: Text, call: Given, state: State, run: Machine) -> Value:
    run.oblige("value-error")
    found = _find(text, call, state, run)
    assert isinstance(found, Int)
    run.may_raise(state, encoding.at_least(found.term, 0), "ValueError", call.line)
    return found


def _count_text(text: Text, call: Given, state: State, run: Machine) -> Value:
    part = _text_argument(call.expect(1, 1)[0], state, run, call.line)
    known = _native(text, call, run)
    if known is not None:
        return known
    count = run.symbol("count", low=0)
    most = text.length if part.length == 1 else text.length + 1
    state.assume(terms.And(count >= 0, count <= most))
    return Int(count)


def _replace(text: Text, call: Given, state: State, run: Machine) -> Value:
    args = call.expect(2, 3)
    before, after = (_text_argument(value, state, run, call.line) for value in args[:2])
    if len(args) == 3:
        need_int(args[2], state, run, call.line)
    elif (known := _native(text, call, run)) is not None:
        return known
    result = run.text(state, "replaced")
    state.assume(terms.Implies(run.lift(before.length) == run.lift(after.length), result.length == text.length))
    shrinks = terms.And(run.lift(before.length) >= 1, run.lift(after.length) <= run.lift(before.length))
    state.assume(terms.Implies(shrinks, result.length <= text.length))
    return result


def _split(text: Text, call: Given, state: State, run: Machine) -> Value:
    """A list of parts: none may be left without a separator, one at least with one."""
    args = call.expect(0, 2, "maxsplit", "sep")
    separator = args[0] if args else call.keywords.get("sep", NONE)
    limit = args[1] if len(args) == 2 else call.keywords.get("maxsplit")
    most = None
    if limit is not None:
        number = need_int(limit, state, run, call.line)
        most = number + 1 if isinstance(number, int) and number >= 0 else None
    if isinstance(separator, NoneValue):
        size = run.any_length(state, "parts", most=text.length)
        return _parts(size, most, state, run)
    run.oblige("value-error")
    part = _text_argument(separator, state, run, call.line)
    run.may_raise(state, encoding.compared(">=", part.length, 1), "ValueError", call.line)
    size = run.any_length(state, "parts", least=1, most=text.length + 1)
    return _parts(size, most, state, run)


def _parts(size: Any, most: int | None, state: State, run: Machine) -> Value:
    if most is not None:
        state.assume(size <= most)
    return run.sequence(state, STR, size)


def _lines(text: Text, call: Given, state: State, run: Machine) -> Value:
    for flag in (*call.expect(0, 1, "keepends"), *call.keywords.values()):
        need_flag(flag, call)
    return run.sequence(state, STR, run.any_length(state, "lines", most=text.length))


def _partition(text: Text, call: Given, state: State, run: Machine) -> Value:
    part = _text_argument(call.expect(1, 1)[0], state, run, call.line)
    run.oblige("value-error")
    run.may_raise(state, encoding.compared(">=", part.length, 1), "ValueError", call.line)
    pieces = [run.text(state, "piece") for _ in range(3)]
    total = pieces[0].length + pieces[1].length + pieces[2].length
    state.assume(total == text.length)
    return Tup(tuple(pieces))


def _join_text(text: Text, call: Given, state: State, run: Machine) -> Value:
    (value,) = call.expect(1, 1)
    found, size = elements(value, state, run, call.line)
    bad = [kind for kind in found.kinds if kind.key != "str"]
    if bad:
        fine = run.lift(size) == 0 if len(bad) == len(found.kinds) else run.truth_symbol("joinable")
        run.may_raise(state, fine, "TypeError", call.line, about_none=any(kind.key == "None" for kind in bad))
    digits = text.literal == "" and all(isinstance(kind, Scalar) and kind.digits for kind in found.kinds)
    joined = run.text(state, "joined")
    state.assume(terms.Implies(run.lift(size) == 0, joined.length == 0))
    if digits and found.kinds:
        state.assume(joined.length >= size)
    return joined


def _justified(text: Text, call: Given, state: State, run: Machine) -> Value:
    args = call.expect(1, 1 if call.name == "zfill" else 2)
    width = need_int(args[0], state, run, call.line)
    if len(args) == 2:
        fill = _text_argument(args[1], state, run, call.line)
        run.may_raise(state, encoding.compared("==", fill.length, 1), "TypeError", call.line)
    length = encoding.choice(width > text.length, width, text.length)
    digits = text.digits and call.name == "zfill"
    return Text(run.symbol("justified"), length, None, digits)


def _format(text: Text, call: Given, state: State, run: Machine) -> Value:
    """`"{} {}".format(a, b)` with plain fields, one for each argument."""
    if text.literal is None or call.keywords:
        raise Unsupported("str.format of this kind", call.line)
    fields = text.literal.count("{}")
    rest = text.literal.replace("{}", "")
    if "{" in rest or "}" in rest or fields > len(call.args):
        raise Unsupported("str.format with such fields", call.line)
    for value in call.args:
        if isinstance(value, Opaque):
            raise Unsupported(f"the text of a value of type {type_name(value)}", call.line)
    return run.text(state, "formatted")


def _translate(text: Text, call: Given, state: State, run: Machine) -> Value:
    (value,) = call.expect(1, 1)
    if not isinstance(value, Opaque) or value.type != "translation":
        raise Unsupported("str.translate with such a table", call.line)
    return run.text(state, "translated")


# --- lists


def _append(receiver: Ref, call: Given, state: State, run: Machine) -> Value:
    containers.append(receiver, call.expect(1, 1)[0], state, run, call.line)
    return NONE


def _append_left(receiver: Ref, call: Given, state: State, run: Machine) -> Value:
    containers.append(receiver, call.expect(1, 1)[0], state, run, call.line, front=True)
    return NONE


def _extend(receiver: Ref, call: Given, state: State, run: Machine) -> Value:
    containers.extend(receiver, call.expect(1, 1)[0], state, run, call.line)
    return NONE


def _pop(receiver: Ref, call: Given, state: State, run: Machine) -> Value:
    args = call.expect(0, 0 if receiver.kind == "deque" else 1)
    index = need_int(args[0], state, run, call.line) if args else -1
    return containers.pop(receiver, index, state, run, call.line)


def _pop_left(receiver: Ref, call: Given, state: State, run: Machine) -> Value:
    call.expect(0, 0)
    return containers.pop(receiver, 0, state, run, call.line)


def _insert(receiver: Ref, call: Given, state: State, run: Machine) -> Value:
    index, value = call.expect(2, 2)
    need_int(index, state, run, call.line)
    content = containers.opened(receiver, state, run)
    found = join(content.element, run.stored_shape(state, value))
    containers.replaced(receiver, found, content.length + 1, state, run, call.line)
    return NONE


def _remove(receiver: Ref, call: Given, state: State, run: Machine) -> Value:
    (value,) = call.expect(1, 1)
    run.oblige("value-error")
    run.may_raise(state, containers.contains(receiver, value, state, run, call.line), "ValueError", call.line)
    content = containers.opened(receiver, state, run)
    containers.replaced(receiver, content.element, content.length - 1, state, run, call.line)
    return NONE


def _index(receiver: Value, call: Given, state: State, run: Machine) -> Value:
    args = call.expect(1, 3)
    for bound in args[1:]:
        need_int(bound, state, run, call.line)
    run.oblige("value-error")
    found = (
        containers.contains(receiver, args[0], state, run, call.line) if len(args) == 1 else run.truth_symbol("found")
    )
    run.may_raise(state, found, "ValueError", call.line)
    at = run.symbol("at", low=0)
    state.assume(terms.And(at >= 0, at < run.lift(containers.length(state, receiver, run))))
    return Int(at)


def _count(receiver: Value, call: Given, state: State, run: Machine) -> Value:
    call.expect(1, 1)
    count = run.symbol("count", low=0)
    state.assume(terms.And(count >= 0, count <= run.lift(containers.length(state, receiver, run))))
    return Int(count)


def _sort(receiver: Ref, call: Given, state: State, run: Machine) -> Value:
    call.expect(0, 0, "key", "reverse")
    need_flag(call.keywords.get("reverse", Bool(False)), call)
    content = containers.opened(receiver, state, run)
    key = call.keywords.get("key", NONE)
    keys = (
        content.element
        if isinstance(key, NoneValue)
        else _sort_keys(receiver, key, content.element, state, run, call.line)
    )
    need_order(keys, state, run, call.line)
    containers.replaced(receiver, content.element, content.length, state, run, call.line, resized=False)
    return NONE


def _sort_keys(receiver: Ref, key: Value, elements_: Shape, state: State, run: Machine, line: int) -> Shape:
    """What the key gives. While it is asked the list is empty, and so it may be seen by any name."""
    inside = state.copy()
    for address in sorted({receiver.address, *state.shared} & inside.heap.keys()):
        held = inside.heap[address]
        if isinstance(held, Seq) and held.origin is None:
            inside.heap[address] = run.any_content(inside, held, True)
    found = apply(key, [elements_], inside, run, line)
    state.shared |= inside.shared & state.heap.keys()
    return found


def _reverse(receiver: Ref, call: Given, state: State, run: Machine) -> Value:
    call.expect(0, 0)
    content = containers.opened(receiver, state, run)
    containers.replaced(receiver, content.element, content.length, state, run, call.line, resized=False)
    return NONE


def _clear(receiver: Ref, call: Given, state: State, run: Machine) -> Value:
    call.expect(0, 0)
    held = state.heap[receiver.address]
    if isinstance(held, Seq):
        element = run.element_shape(state, held)
        run.put(state, receiver.address, Seq(element, 0), call.line, resized=True)
    else:
        run.put(state, receiver.address, replace(held, size=0, members=()), call.line, resized=True)
    return NONE


def _copy(receiver: Ref, call: Given, state: State, run: Machine) -> Value:
    call.expect(0, 0)
    containers.share_items(receiver, state, run)
    address = run.allocate()
    state.heap[address] = state.heap[receiver.address]
    return Ref(receiver.kind, address)


# --- dicts


def _get(receiver: Ref, call: Given, state: State, run: Machine) -> Value:
    args = call.expect(1, 2)
    run.oblige("none-deref") if len(args) == 1 else None
    default = args[1] if len(args) == 2 else NONE
    present = settled(containers.has_key(receiver, args[0], state, run, call.line))
    content = containers.table(state, receiver)
    if not (content.value or NEVER).kinds or present is False:
        return default
    value = containers.value_of(content, state, run)
    if present is True:
        return value
    for option in (value, default):
        run.share(state, option)
    return run.merge_values(present, value, default)


def _set_default(receiver: Ref, call: Given, state: State, run: Machine) -> Value:
    args = call.expect(1, 2)
    default = args[1] if len(args) == 2 else NONE
    containers.set_key(receiver, args[0], default, state, run, call.line)
    return containers.value_of(containers.table(state, receiver), state, run)


def _pop_key(receiver: Ref, call: Given, state: State, run: Machine) -> Value:
    args = call.expect(1, 2)
    present = containers.has_key(receiver, args[0], state, run, call.line)
    if len(args) == 1:
        run.oblige("key-error")
        run.may_raise(state, present, "KeyError", call.line)
        value = containers.value_of(containers.table(state, receiver), state, run)
        containers.remove_key(receiver, args[0], state, run, call.line)
        return value
    content = containers.table(state, receiver)
    found = join(content.value or NEVER, run.stored_shape(state, args[1]))
    size = (
        content.size - encoding.choice(present, 1, 0) if not isinstance(present, bool) else content.size - int(present)
    )
    members = containers._with(content, args[0], False, run)
    run.put(state, receiver.address, replace(content, size=size, members=members), call.line, resized=True)
    return run.fresh(state, found, "popped")


def _pop_item(receiver: Ref, call: Given, state: State, run: Machine) -> Value:
    call.expect(0, 0)
    run.oblige("key-error")
    content = containers.table(state, receiver)
    run.may_raise(state, encoding.compared(">=", content.size, 1), "KeyError", call.line)
    value = Tup((run.fresh(state, content.key, "key"), containers.value_of(content, state, run)))
    run.put(state, receiver.address, replace(content, size=content.size - 1, members=()), call.line, resized=True)
    return value


def _view(receiver: Ref, call: Given, state: State, run: Machine) -> Value:
    """`keys`, `values`, `items` of the dict as it is whenever they are gone through."""
    call.expect(0, 0)
    view: Table | Seq = Seq(NEVER, 0, origin=receiver.address, pairs=call.name == "items")
    if call.name == "keys":
        view = Table(NEVER, None, 0, origin=receiver.address)
    return run.new(state, f"dict_{call.name}", view)


def _update(receiver: Ref, call: Given, state: State, run: Machine) -> Value:
    from verification.abstract.expressions import update

    (value,) = call.expect(1, 1)
    if containers.table(state, receiver).default == "Counter":
        raise Unsupported("the method update of a Counter", call.line)
    if isinstance(value, Ref) and value.kind == "dict":
        update(receiver, value, state, run, call.line)
        return NONE
    found, size = elements(value, state, run, call.line)
    content = containers.table(state, receiver)
    if content.value is None:
        hashable_shape(found, state, run, call.line)
        new = replace(content, key=join(content.key, found))
    else:
        key, held = pairs(found, run, call.line)
        hashable_shape(key, state, run, call.line)
        new = replace(content, key=join(content.key, key), value=join(content.value, held))
    total = run.any_length(state, "size", most=content.size + size)
    state.assume(total >= run.lift(content.size))
    run.put(state, receiver.address, replace(new, size=total, members=()), call.line, resized=True)
    return NONE


def _most_common(receiver: Ref, call: Given, state: State, run: Machine) -> Value:
    args = call.expect(0, 1)
    content = containers.table(state, receiver)
    if content.default != "Counter":
        raise Unsupported("the method most_common of dict", call.line)
    size = content.size
    if args and not isinstance(args[0], NoneValue):
        number = need_int(args[0], state, run, call.line)
        number = encoding.choice(number > 0, number, 0)
        size = encoding.choice(number <= size, number, size)
    pair = shape(TupleShape((content.key, content.value or NEVER))) if content.key.kinds else NEVER
    return run.sequence(state, pair, size)


# --- sets


def _add(receiver: Ref, call: Given, state: State, run: Machine) -> Value:
    containers.set_key(receiver, call.expect(1, 1)[0], NONE, state, run, call.line)
    return NONE


def _discard(receiver: Ref, call: Given, state: State, run: Machine) -> Value:
    (value,) = call.expect(1, 1)
    present = containers.has_key(receiver, value, state, run, call.line)
    if call.name == "remove":
        run.oblige("key-error")
        run.may_raise(state, present, "KeyError", call.line)
        containers.remove_key(receiver, value, state, run, call.line)
        return NONE
    content = containers.table(state, receiver)
    members = containers._with(content, value, False, run)
    size = content.size - (int(present) if isinstance(present, bool) else encoding.choice(present, 1, 0))
    run.put(state, receiver.address, replace(content, size=size, members=members), call.line, resized=True)
    return NONE


def _pop_set(receiver: Ref, call: Given, state: State, run: Machine) -> Value:
    call.expect(0, 0)
    run.oblige("key-error")
    content = containers.table(state, receiver)
    run.may_raise(state, encoding.compared(">=", content.size, 1), "KeyError", call.line)
    value = run.fresh(state, content.key, "popped")
    run.put(state, receiver.address, replace(content, size=content.size - 1, members=()), call.line, resized=True)
    return value


def _set_method(receiver: Ref, call: Given, state: State, run: Machine) -> Value:
    """`union` and the like, of any iterables."""
    result: Value = receiver
    for other in call.expect(1, 1) if call.name == "symmetric_difference" else call.expect(0, 4):
        found, size = elements(other, state, run, call.line)
        hashable_shape(found, state, run, call.line)
        operand = run.table(state, receiver.kind, found, None, run.any_length(state, "size", most=size))
        result = operators.set_operation(call.name, result, operand, state, run)
    if result is receiver:
        return _copy(receiver, replace(call, args=()), state, run)
    return result


def _set_test(receiver: Ref, call: Given, state: State, run: Machine) -> Value:
    found, _ = elements(call.expect(1, 1)[0], state, run, call.line)
    hashable_shape(found, state, run, call.line)
    return run.open_truth(call.name)


# --- numbers, tuples, matches


def _is_integer(receiver: Float, call: Given, state: State, run: Machine) -> Value:
    call.expect(0, 0)
    return run.open_truth("whole")


def _bit_length(receiver: Int, call: Given, state: State, run: Machine) -> Value:
    call.expect(0, 0)
    result = run.symbol("bits", low=0)
    state.assume(terms.And(result >= 0, (result == 0) == (run.lift(encoding.whole(receiver)) == 0)))
    return Int(result)


def _group(receiver: Opaque, call: Given, state: State, run: Machine) -> Value:
    args = call.expect(0, 1)
    if args and not (isinstance(args[0], Int) and isinstance(args[0].term, int) and args[0].term == 0):
        raise Unsupported("a group of a match", call.line)
    return run.text(state, "matched")


def _span(receiver: Opaque, call: Given, state: State, run: Machine) -> Value:
    call.expect(0, 0)
    start, end = run.symbol("start", low=0), run.symbol("end", low=0)
    state.assume(terms.And(start >= 0, end >= start))
    return {"start": Int(start), "end": Int(end)}.get(call.name) or Tup((Int(start), Int(end)))


_TESTS = [
    "isalnum",
    "isalpha",
    "isascii",
    "isdecimal",
    "isdigit",
    "isidentifier",
    "islower",
    "isnumeric",
    "isprintable",
    "isspace",
    "istitle",
    "isupper",
]

_METHODS: dict[tuple[str, str], Handler] = {
    **{("str", name): _test for name in _TESTS},
    **{("str", name): _rewritten for name in ("capitalize", "casefold", "lower", "swapcase", "title", "upper")},
    **{("str", name): _stripped for name in ("strip", "lstrip", "rstrip")},
    ("str", "startswith"): _affix,
    ("str", "endswith"): _affix,
    ("str", "removeprefix"): _without_affix,
    ("str", "removesuffix"): _without_affix,
    ("str", "find"): _find,
    ("str", "rfind"): _find,
    ("str", "index"): _index_text,
    ("str", "rindex"): _index_text,
    ("str", "count"): _count_text,
    ("str", "replace"): _replace,
    ("str", "split"): _split,
    ("str", "rsplit"): _split,
    ("str", "splitlines"): _lines,
    ("str", "partition"): _partition,
    ("str", "rpartition"): _partition,
    ("str", "join"): _join_text,
    ("str", "zfill"): _justified,
    ("str", "ljust"): _justified,
    ("str", "rjust"): _justified,
    ("str", "center"): _justified,
    ("str", "format"): _format,
    ("str", "translate"): _translate,
    ("list", "append"): _append,
    ("list", "extend"): _extend,
    ("list", "pop"): _pop,
    ("list", "insert"): _insert,
    ("list", "remove"): _remove,
    ("list", "index"): _index,
    ("list", "count"): _count,
    ("list", "sort"): _sort,
    ("list", "reverse"): _reverse,
    ("list", "clear"): _clear,
    ("list", "copy"): _copy,
    ("tuple", "index"): _index,
    ("tuple", "count"): _count,
    ("deque", "append"): _append,
    ("deque", "appendleft"): _append_left,
    ("deque", "pop"): _pop,
    ("deque", "popleft"): _pop_left,
    ("deque", "extend"): _extend,
    ("deque", "clear"): _clear,
    ("dict", "get"): _get,
    ("dict", "setdefault"): _set_default,
    ("dict", "pop"): _pop_key,
    ("dict", "popitem"): _pop_item,
    ("dict", "keys"): _view,
    ("dict", "values"): _view,
    ("dict", "items"): _view,
    ("dict", "update"): _update,
    ("dict", "copy"): _copy,
    ("dict", "clear"): _clear,
    ("dict", "most_common"): _most_common,
    ("set", "add"): _add,
    ("set", "remove"): _discard,
    ("set", "discard"): _discard,
    ("set", "pop"): _pop_set,
    ("set", "update"): _update,
    ("set", "copy"): _copy,
    ("set", "clear"): _clear,
    **{
        (kind, name): _set_method
        for kind in ("set", "frozenset")
        for name in ("union", "intersection", "difference", "symmetric_difference")
    },
    **{(kind, name): _set_test for kind in ("set", "frozenset") for name in ("issubset", "issuperset", "isdisjoint")},
    ("float", "is_integer"): _is_integer,
    ("int", "bit_length"): _bit_length,
    ("Match", "group"): _group,
    ("Match", "start"): _span,
    ("Match", "end"): _span,
    ("Match", "span"): _span,
}
