"""Calls of a function by itself: is their depth bounded, whatever the input?"""

from __future__ import annotations

from tests.verification.labelled.rows import Labelled, twins

ROWS: tuple[Labelled, ...] = (
    *twins(
        "recursion",
        """
def sum_to(n: int) -> int:
    total = 0
    for i in range(1, n + 1):
        total += i
    return total
""",
        {
            "    total = 0\n    for i in range(1, n + 1):\n        total += i\n    return total\n": (
                "    if n == 0:\n        return 0\n    return n + sum_to(n - 1)\n"
            )
        },
        (-1,),
        tags=("loop",),
    ),
    *twins(
        "recursion",
        """
def nested(depth: int) -> str:
    if depth <= 0:
        return ""
    return "(" + nested(min(depth, 20) - 1) + ")"
""",
        {"min(depth, 20) - 1": "depth - 1"},
        (5000,),
    ),
    *twins(
        "recursion",
        """
def count_digits(n: int) -> int:
    if n < 0:
        return count_digits(-n)
    count = 1
    while n > 9:
        n //= 10
        count += 1
    return count
""",
        {"if n < 0": "if n <= 0"},
        (0,),
        tags=("loop",),
    ),
    *twins(
        "recursion",
        """
def total(xs: list[int]) -> int:
    result = 0
    for x in xs:
        result += x
    return result
""",
        {
            "    result = 0\n    for x in xs:\n        result += x\n    return result\n": (
                "    if not xs:\n        return 0\n    return xs[0] + total(xs[1:])\n"
            )
        },
        ([1] * 1500,),
        tags=("loop",),
    ),
    *twins(
        "recursion",
        """
def is_odd(n: int) -> bool:
    return n > 0 and is_even(n - 1)


def is_even(n: int) -> bool:
    n = abs(n) % 10
    return n == 0 or is_odd(n)
""",
        {"abs(n) % 10": "abs(n)"},
        (5000,),
    ),
    *twins(
        "recursion",
        """
def bits_needed(n: int) -> int:
    bits = 0
    while n > 0:
        n //= 2
        bits += 1
    return bits
""",
        {
            "    bits = 0\n    while n > 0:\n        n //= 2\n        bits += 1\n    return bits\n": (
                "    if n <= 0:\n        return 0\n    return 1 + bits_needed(n // 2)\n"
            )
        },
        (2**5000,),
        tags=("loop",),
    ),
    *twins(
        "recursion",
        """
def flood(cells: list[int], at: int, fuel: int = 30) -> int:
    if fuel <= 0 or not 0 <= at < len(cells) or cells[at] == 0:
        return 0
    return 1 + flood(cells, at + 1, min(fuel, 30) - 1)
""",
        {"min(fuel, 30) - 1": "fuel"},
        ([1] * 1500, 0, 30),
    ),
)
