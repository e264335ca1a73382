"""Regular expressions that are constant: whether they raise, and what type they give."""

from __future__ import annotations

import re

from verification.abstract.library.given import (
    Given,
    Handler,
    need_flag,
    wrong,
)
from verification.abstract.machine import Machine
from verification.abstract.state import State
from verification.abstract.values import (
    NONE,
    STR,
    Opaque,
    Scalar,
    Text,
    TupleShape,
    Value,
    join,
    shape,
)
from verification.symbolic.values import Unsupported


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
    for number in (*args[3:], *call.keywords.values()):
        need_flag(number, call)
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
    "re.findall": _find_all,
    "re.fullmatch": _search,
    "re.match": _search,
    "re.search": _search,
    "re.split": _split_by,
    "re.sub": _substitute,
}
