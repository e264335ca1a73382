"""Values of several types, and values that may be missing."""

from __future__ import annotations

from tests.verification.labelled.rows import Labelled, twins

ROWS: tuple[Labelled, ...] = (
    *twins(
        "type-error",
        """
def csv_line(values: list[int]) -> str:
    cells: list[str] = []
    for value in values:
        cells.append(str(value))
    return ",".join(cells)
""",
        {"str(value)": "value"},
        ([1],),
        tags=("loop",),
    ),
    *twins(
        "type-error",
        """
def total_size(items: list[int | str]) -> int:
    total = 0
    for item in items:
        if isinstance(item, str):
            total += len(item)
        else:
            total += abs(item)
    return total
""",
        {"isinstance(item, str)": "item"},
        ([1],),
        tags=("loop",),
    ),
    *twins(
        "type-error",
        """
def numbered(name: str, index: int) -> str:
    suffix = str(index) if index > 0 else ""
    return name + suffix
""",
        {'else ""': "else 0"},
        ("a", 0),
    ),
    *twins(
        "type-error",
        """
def smallest(values: list[int | None]) -> int | None:
    present = [value for value in values if value is not None]
    return min(present) if present else None
""",
        {"if value is not None": "if value != 0"},
        ([1, None],),
        tags=("loop",),
    ),
    *twins(
        "type-error",
        """
def distinct_rows(rows: list[list[int]]) -> int:
    seen: set[tuple[int, ...]] = set()
    for row in rows:
        seen.add(tuple(row))
    return len(seen)
""",
        {"tuple(row)": "row"},
        ([[1]],),
        tags=("loop",),
    ),
    *twins(
        "type-error",
        """
def centred(text: str, width: int) -> str:
    padding = max(width - len(text), 0)
    left = padding // 2
    return " " * left + text + " " * (padding - left)
""",
        {"padding // 2": "padding / 2"},
        ("a", 3),
    ),
    *twins(
        "type-error",
        """
def median(xs: list[int]) -> int:
    if not xs:
        return 0
    ordered = sorted(xs)
    return ordered[len(ordered) // 2]
""",
        {"len(ordered) // 2": "len(ordered) / 2"},
        ([1],),
    ),
    *twins(
        "none-deref",
        """
def mail_domain(emails: dict[str, str], user: str) -> str:
    email = emails.get(user)
    if email is None:
        return ""
    return email.partition("@")[2]
""",
        {"if email is None": 'if user == ""'},
        ({}, "a"),
    ),
    *twins(
        "none-deref",
        """
def sum_present(values: list[int | None]) -> int:
    result = 0
    for value in values:
        if value is not None:
            result += value
    return result
""",
        {"value is not None": "value != 0"},
        ([None],),
        tags=("loop",),
    ),
    *twins(
        "none-deref",
        """
def longest_word(text: str) -> int:
    best: str | None = None
    for word in text.split():
        if best is None or len(word) > len(best):
            best = word
    return len(best) if best is not None else 0
""",
        {"len(best) if best is not None else 0": "len(best)"},
        ("",),
        tags=("loop",),
    ),
    *twins(
        "none-deref",
        """
def nearest(xs: list[int], target: int) -> int | None:
    best: int | None = None
    for x in xs:
        if best is None or abs(x - target) < abs(best - target):
            best = x
    return best
""",
        {
            "best is None or abs(x - target) < abs(best - target)": "abs(x - target) < abs(best - target) or best is None"
        },
        ([1], 0),
        tags=("loop",),
    ),
    *twins(
        "none-deref",
        r"""
import re


def find_year(text: str) -> str:
    found = re.search(r"\d{4}", text)
    if found is None:
        return ""
    return found.group(0)
""",
        {'    if found is None:\n        return ""\n': ""},
        ("",),
    ),
    *twins(
        "none-deref",
        """
def top_two(xs: list[int]) -> list[int]:
    ordered = sorted(xs)
    return ordered[-2:]
""",
        {"sorted(xs)": "xs.sort()"},
        ([1],),
    ),
    *twins(
        "none-deref",
        """
def with_extra(xs: list[int], extra: list[int] | None = None) -> list[int]:
    if extra is None:
        extra = []
    return xs + extra
""",
        {"if extra is None": "if extra == []"},
        ([1], None),
    ),
    *twins(
        "none-deref",
        """
def position(xs: list[int], x: int) -> int | None:
    for i, item in enumerate(xs):
        if item == x:
            return i
    return None


def rest_after(xs: list[int], x: int) -> list[int]:
    found = position(xs, x)
    return xs[found + 1 :] if found is not None else []
""",
        {"if found is not None else": "if xs else"},
        ([1], 2),
        tags=("loop",),
    ),
)
