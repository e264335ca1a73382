"""Exceptions that no other property names."""

from __future__ import annotations

from tests.verification.labelled.rows import Labelled, twins

ROWS: tuple[Labelled, ...] = (
    *twins(
        "other-exception",
        """
def drop_zeros(counts: dict[str, int]) -> dict[str, int]:
    left = dict(counts)
    for key in list(left):
        if left[key] == 0:
            del left[key]
    return left
""",
        {"in list(left)": "in left"},
        ({"a": 0, "b": 1},),
        tags=("loop",),
    ),
    *twins(
        "other-exception",
        """
def first_long(words: list[str], size: int) -> str:
    longer = (word for word in words if len(word) >= size)
    return next(longer, "")
""",
        {'next(longer, "")': "next(longer)"},
        ([], 1),
        tags=("loop",),
    ),
    *twins(
        "other-exception",
        """
def shout(value: int | str) -> str:
    if isinstance(value, str):
        return value.upper()
    return str(value)
""",
        {"if isinstance(value, str)": "if value"},
        (1,),
    ),
    *twins(
        "other-exception",
        """
def apply(op: str, a: int, b: int) -> int:
    if op not in ("+", "-", "*"):
        return 0
    if op == "+":
        return a + b
    if op == "-":
        return a - b
    if op == "*":
        return a * b
    raise NotImplementedError(op)
""",
        {'("+", "-", "*")': '("+", "-", "*", "%")'},
        ("%", 1, 2),
    ),
    *twins(
        "other-exception",
        """
def with_halves(start: set[int]) -> set[int]:
    found = set(start)
    for x in sorted(found):
        found.add(x // 2)
    return found
""",
        {"sorted(found)": "found"},
        ({4},),
        tags=("loop",),
    ),
    *twins(
        "other-exception",
        """
def open_doors(events: list[str]) -> int:
    doors = 0
    for event in events:
        if event == "open":
            doors += 1
        elif event == "close" and doors > 0:
            doors -= 1
    if doors < 0:
        raise RuntimeError("more doors closed than opened")
    return doors
""",
        {" and doors > 0": ""},
        (["close"],),
        tags=("loop",),
    ),
    *twins(
        "other-exception",
        """
def take(text: str, count: int) -> str:
    if count < 0 or count > len(text):
        count = len(text)
    taken = text[:count]
    if len(taken) != count:
        raise EOFError("short read")
    return taken
""",
        {"count < 0 or count > len(text)": "count < 0"},
        ("", 1),
    ),
)
