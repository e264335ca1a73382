"""Parsing, unpacking and domains of functions: does a ValueError escape?"""

from __future__ import annotations

from tests.verification.labelled.rows import Labelled, twins

ROWS: tuple[Labelled, ...] = (
    *twins(
        "value-error",
        """
def parse_port(text: str) -> int:
    text = text.strip()
    if not (text.isascii() and text.isdigit()) or len(text) > 5:
        return -1
    return int(text)
""",
        {"not (text.isascii() and text.isdigit())": "not text.isdigit()"},
        ("²",),
    ),
    *twins(
        "value-error",
        """
def best_score(rounds: list[list[int]]) -> int:
    best = 0
    for scores in rounds:
        if scores:
            best = max(best, max(scores))
    return best
""",
        {"if scores:": "if rounds:"},
        ([[]],),
        tags=("loop",),
    ),
    *twins(
        "value-error",
        """
def parse_pairs(text: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for part in text.split(";"):
        if part.count("=") == 1:
            key, value = part.split("=")
            pairs[key.strip()] = value.strip()
    return pairs
""",
        {'part.count("=") == 1': '"=" in part'},
        ("a=b=c",),
        tags=("loop",),
    ),
    *twins(
        "value-error",
        """
def move_to_front(xs: list[int], x: int) -> list[int]:
    items = list(xs)
    if x in items:
        items.remove(x)
        items.insert(0, x)
    return items
""",
        {"if x in items": "if items"},
        ([1], 2),
    ),
    *twins(
        "value-error",
        """
def every_nth(xs: list[int], n: int) -> list[int]:
    step = n if n > 0 else 1
    picked = []
    for i in range(0, len(xs), step):
        picked.append(xs[i])
    return picked
""",
        {"if n > 0": "if n >= 0"},
        ([1], 0),
    ),
    *twins(
        "value-error",
        """
def checksum(digits: list[int]) -> int:
    total = 0
    for digit in digits:
        total = (total * 3 + digit) % 97
    if not 0 <= total < 97:
        raise ValueError("checksum out of range")
    return total
""",
        {"total < 97": "total < 96"},
        ([96],),
        tags=("loop",),
    ),
    *twins(
        "value-error",
        """
import math


def integer_norm(xs: list[int]) -> int:
    total = 0
    for x in xs:
        total += x * x
    return math.isqrt(total)
""",
        {"x * x": "x * 2"},
        ([-1],),
        tags=("loop",),
    ),
    *twins(
        "value-error",
        """
def caesar(text: str, shift: int) -> str:
    result = ""
    for char in text:
        if "a" <= char <= "z":
            char = chr((ord(char) - 97 + shift) % 26 + 97)
        result += char
    return result
""",
        {"(ord(char) - 97 + shift) % 26 + 97": "ord(char) + shift"},
        ("a", -200),
        tags=("loop",),
    ),
    *twins(
        "value-error",
        """
def domain(address: str) -> str:
    at = address.rfind("@")
    if at < 0:
        return ""
    return address[at + 1 :].lower()
""",
        {"rfind": "rindex"},
        ("a",),
    ),
    *twins(
        "value-error",
        """
def sum_numbers(line: str) -> int:
    total = 0
    for token in line.split(","):
        try:
            total += int(token)
        except ValueError:
            continue
    return total
""",
        {"except ValueError": "except TypeError"},
        ("",),
        tags=("loop",),
    ),
    *twins(
        "value-error",
        """
def dot(xs: list[int], ys: list[int]) -> int:
    size = min(len(xs), len(ys))
    total = 0
    for x, y in zip(xs[:size], ys[:size], strict=True):
        total += x * y
    return total
""",
        {"ys[:size]": "ys"},
        ([], [1]),
        tags=("loop",),
    ),
)
