"""Functions that assert their own invariants."""

from __future__ import annotations

from tests.verification.labelled.rows import Labelled, twins

ROWS: tuple[Labelled, ...] = (
    *twins(
        "assertion",
        """
def sum_of_squares(xs: list[int]) -> int:
    total = 0
    for x in xs:
        total += x * x
    assert total >= 0
    return total
""",
        {"total >= 0": "total > 0"},
        ([],),
        tags=("loop",),
    ),
    *twins(
        "assertion",
        """
def partition(xs: list[int], pivot: int) -> tuple[list[int], list[int]]:
    low: list[int] = []
    high: list[int] = []
    for x in xs:
        if x < pivot:
            low.append(x)
        else:
            high.append(x)
    assert len(low) + len(high) == len(xs)
    return low, high
""",
        {"else:": "elif x > pivot:"},
        ([1], 1),
        tags=("loop",),
    ),
    *twins(
        "assertion",
        """
def integer_root(n: int) -> int:
    n = max(n, 0)
    root = 0
    while (root + 1) * (root + 1) <= n:
        root += 1
    assert root * root <= n < (root + 1) * (root + 1)
    return root
""",
        {"while (root + 1) * (root + 1) <= n": "while (root + 1) * (root + 1) < n"},
        (1,),
        tags=("loop",),
    ),
    *twins(
        "assertion",
        """
def divide(a: int, b: int) -> tuple[int, int]:
    if a < 0 or b <= 0:
        return 0, a
    quotient, rest = 0, a
    while rest >= b:
        rest -= b
        quotient += 1
    assert 0 <= rest < b and quotient * b + rest == a
    return quotient, rest
""",
        {"while rest >= b": "while rest > b"},
        (1, 1),
        tags=("loop",),
    ),
    *twins(
        "assertion",
        """
def midpoint(low: int, high: int) -> int:
    if low > high:
        low, high = high, low
    middle = low + (high - low) // 2
    assert low <= middle <= high
    return middle
""",
        {"(high - low) // 2": "high // 2"},
        (4, 4),
    ),
    *twins(
        "assertion",
        """
def running_peaks(xs: list[int]) -> list[int]:
    best = 0
    peaks: list[int] = []
    for x in xs:
        if x > best:
            best = x
        assert best >= x
        peaks.append(best)
    return peaks
""",
        {"if x > best": "if abs(x) > abs(best)"},
        ([-5, 3],),
        tags=("loop",),
    ),
    *twins(
        "assertion",
        """
def vowels_and_rest(text: str) -> tuple[int, int]:
    vowels = rest = 0
    for char in text:
        if char in "aeiou":
            vowels += 1
        else:
            rest += 1
    assert vowels + rest == len(text)
    return vowels, rest
""",
        {"for char in text:": "for char in text.lower():"},
        ("İ",),  # becomes two characters
        tags=("loop",),
    ),
    *twins(
        "assertion",
        """
def gcd(a: int, b: int) -> int:
    a, b = abs(a), abs(b)
    while b:
        a, b = b, a % b
    assert a >= 0
    return a
""",
        {"abs(a), abs(b)": "a, abs(b)"},
        (-4, 0),
        tags=("loop",),
    ),
)
