"""Local names: is each one set before it is read?"""

from __future__ import annotations

from tests.verification.labelled.rows import Labelled, twins

ROWS: tuple[Labelled, ...] = (
    *twins(
        "unbound-local",
        """
def last_even(xs: list[int]) -> int:
    found = -1
    for x in xs:
        if x % 2 == 0:
            found = x
    return found
""",
        {"    found = -1\n": ""},
        ([],),
        tags=("loop",),
    ),
    *twins(
        "unbound-local",
        """
def grade(score: int) -> str:
    if score >= 90:
        letter = "A"
    elif score >= 60:
        letter = "B"
    else:
        letter = "C"
    return letter
""",
        {"else:": "elif score >= 0:"},
        (-1,),
    ),
    *twins(
        "unbound-local",
        """
def parse_or_zero(text: str) -> int:
    try:
        value = int(text)
    except ValueError:
        value = 0
    return value
""",
        {"        value = 0\n": "        pass\n"},
        ("",),
    ),
    *twins(
        "unbound-local",
        """
def leading_digit(n: int) -> int:
    n = abs(n)
    digit = 0
    while n > 0:
        n, digit = divmod(n, 10)
    return digit
""",
        {"    digit = 0\n": ""},
        (0,),
        tags=("loop",),
    ),
    *twins(
        "unbound-local",
        """
def first_gap(xs: list[int]) -> int:
    for i in range(1, len(xs)):
        if xs[i] - xs[i - 1] > 1:
            gap = i
            break
    else:
        gap = len(xs)
    return gap
""",
        {"    else:\n        gap = len(xs)\n": "    if not xs:\n        gap = 0\n"},
        ([1, 2],),
        tags=("loop",),
    ),
    *twins(
        "unbound-local",
        """
def spread(xs: list[int]) -> int:
    seen = False
    for x in xs:
        if not seen:
            low = high = x
            seen = True
        low, high = min(low, x), max(high, x)
    return high - low if seen else 0
""",
        {"high - low if seen else 0": "high - low"},
        ([],),
        tags=("loop",),
    ),
)
