"""Does every path return a value of the annotated type?"""

from __future__ import annotations

from tests.verification.labelled.rows import Labelled, twins

ROWS: tuple[Labelled, ...] = (
    *twins(
        "return-type",
        """
def sign(x: int) -> int:
    if x > 0:
        return 1
    if x < 0:
        return -1
    return 0
""",
        {"    return 0\n": ""},
        (0,),
    ),
    *twins(
        "return-type",
        """
def find(xs: list[int], x: int) -> int:
    for i, item in enumerate(xs):
        if item == x:
            return i
    return -1
""",
        {"return -1": "return None"},
        ([], 1),
        tags=("loop",),
    ),
    *twins(
        "return-type",
        """
def parse_numbers(text: str) -> list[int]:
    numbers: list[int] = []
    for token in text.split():
        if token.isascii() and token.isdigit():
            numbers.append(int(token))
    return numbers
""",
        {"int(token)": "token"},
        ("1",),
        tags=("loop",),
    ),
    *twins(
        "return-type",
        """
def bounds(xs: list[int]) -> tuple[int, int]:
    if not xs:
        return (0, 0)
    return (min(xs), max(xs))
""",
        {"(0, 0)": "(0,)"},
        ([],),
    ),
    *twins(
        "return-type",
        """
def halfway(a: int, b: int) -> int:
    low, high = min(a, b), max(a, b)
    return low + (high - low) // 2
""",
        {"//": "/"},
        (0, 2),
    ),
    *twins(
        "return-type",
        """
def fits(name: str, limit: int) -> bool:
    trimmed = name.strip()
    return len(trimmed) > 0 and len(trimmed) <= limit
""",
        {"len(trimmed) > 0": "trimmed"},
        ("", 1),
    ),
    *twins(
        "return-type",
        """
def invert(numbers: dict[str, int]) -> dict[int, str]:
    result: dict[int, str] = {}
    for name, number in numbers.items():
        result[number] = name
    return result
""",
        {"result[number] = name": "result[name] = number"},
        ({"a": 1},),
        tags=("loop",),
    ),
    *twins(
        "return-type",
        """
def reverse_words(text: str) -> str:
    words = text.split()
    words.reverse()
    return " ".join(words)
""",
        {'" ".join(words)': "words"},
        ("a b",),
    ),
)
