"""Postconditions that a caller states, some under a precondition."""

from __future__ import annotations

from tests.verification.labelled.rows import Labelled, twins
from verification import Contract

ROWS: tuple[Labelled, ...] = (
    *twins(
        "contract",
        """
def wrap_angle(degrees: int) -> int:
    turned = degrees % 360
    if turned > 180:
        turned -= 360
    return turned
""",
        {"turned > 180": "turned >= 180"},
        (180,),
        contract=Contract(post="-180 < result <= 180"),
    ),
    *twins(
        "contract",
        """
def count_above(xs: list[int], floor: int) -> int:
    count = 0
    for x in xs:
        if x > floor:
            count += 1
    return count
""",
        {"count = 0": "count = 1"},
        ([5], 0),
        contract=Contract(post="0 <= result <= len(xs)"),
        tags=("loop",),
    ),
    *twins(
        "contract",
        """
def maximum(xs: list[int]) -> int:
    best = xs[0]
    for x in xs[1:]:
        if x > best:
            best = x
    return best
""",
        {"xs[1:]": "xs[1:-1]"},
        ([1, 2],),
        contract=Contract(pre="len(xs) > 0", post="all(x <= result for x in xs)"),
        tags=("loop",),
    ),
    *twins(
        "contract",
        """
def insert_sorted(xs: list[int], x: int) -> list[int]:
    i = 0
    while i < len(xs) and xs[i] < x:
        i += 1
    return xs[:i] + [x] + xs[i:]
""",
        {"xs[i:]": "xs[i + 1 :]"},
        ([1], 0),
        contract=Contract(post="len(result) == len(xs) + 1"),
        tags=("loop",),
    ),
    *twins(
        "contract",
        """
def triangle(n: int) -> int:
    total = 0
    for i in range(1, n + 1):
        total += i
    return total
""",
        {"range(1, n + 1)": "range(1, n)"},
        (1,),
        contract=Contract(pre="n >= 0", post="result * 2 == n * (n + 1)"),
        tags=("loop",),
    ),
    *twins(
        "contract",
        """
def factorial(n: int) -> int:
    result = 1
    while n > 1:
        result *= n
        n -= 1
    return result
""",
        {"while n > 1": "while n >= 0"},
        (0,),
        contract=Contract(pre="0 <= n <= 50", post="result >= 1"),
        tags=("loop",),
    ),
    *twins(
        "contract",
        """
def truncate(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    return text[: limit - 3] + "..."
""",
        {"limit - 3": "limit"},
        ("abcd", 3),
        contract=Contract(pre="limit >= 3", post="len(result) <= limit"),
    ),
    *twins(
        "contract",
        """
def dedupe(xs: list[int]) -> list[int]:
    seen: set[int] = set()
    unique: list[int] = []
    for x in xs:
        if x not in seen:
            seen.add(x)
            unique.append(x)
    return unique
""",
        {"            seen.add(x)\n": ""},
        ([1, 1],),
        contract=Contract(post="len(result) == len(set(xs))"),
        tags=("loop",),
    ),
    *twins(
        "contract",
        """
def level(experience: int) -> int:
    if experience < 0:
        raise ValueError("negative experience")
    return min(experience // 100, 99)
""",
        {"experience < 0": "experience < -1"},
        (-1,),
        contract=Contract(post="0 <= result <= 99", allowed_exceptions=("ValueError",)),
    ),
    *twins(
        "contract",
        """
def split_bill(total: int, people: int) -> list[int]:
    share, extra = divmod(total, people)
    return [share + 1] * extra + [share] * (people - extra)
""",
        {"people - extra": "people"},
        (3, 2),
        contract=Contract(pre="0 < people <= 100 and total >= 0", post="sum(result) == total"),
    ),
)
