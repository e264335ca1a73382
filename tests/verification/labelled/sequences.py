"""Lists and strings by index: does a position ever leave the sequence?"""

from __future__ import annotations

from tests.verification.labelled.rows import Labelled, twins

ROWS: tuple[Labelled, ...] = (
    *twins(
        "index-error",
        """
def binary_search(xs: list[int], target: int) -> int:
    low, high = 0, len(xs) - 1
    while low <= high:
        middle = (low + high) // 2
        if xs[middle] == target:
            return middle
        if xs[middle] < target:
            low = middle + 1
        else:
            high = middle - 1
    return -1
""",
        {"len(xs) - 1": "len(xs)"},
        ([1], 2),
        tags=("loop",),
    ),
    *twins(
        "index-error",
        """
def is_palindrome(text: str) -> bool:
    left, right = 0, len(text) - 1
    while left < right:
        if text[left] != text[right]:
            return False
        left += 1
        right -= 1
    return True
""",
        {"len(text) - 1": "len(text)"},
        ("ab",),
        tags=("loop",),
    ),
    *twins(
        "index-error",
        """
def merge(xs: list[int], ys: list[int]) -> list[int]:
    merged: list[int] = []
    i = j = 0
    while i < len(xs) and j < len(ys):
        if xs[i] <= ys[j]:
            merged.append(xs[i])
            i += 1
        else:
            merged.append(ys[j])
            j += 1
    return merged + xs[i:] + ys[j:]
""",
        {"i < len(xs) and j": "i < len(xs) or j"},
        ([1], []),
        tags=("loop",),
    ),
    *twins(
        "index-error",
        """
def skip_spaces(text: str, start: int) -> int:
    i = max(start, 0)
    while i < len(text) and text[i] == " ":
        i += 1
    return i
""",
        {'i < len(text) and text[i] == " "': 'text[i] == " " and i < len(text)'},
        (" ", 0),
        tags=("loop",),
    ),
    *twins(
        "index-error",
        """
def best_window(xs: list[int], size: int) -> int:
    if size <= 0 or size > len(xs):
        return 0
    window = sum(xs[:size])
    best = window
    for i in range(size, len(xs)):
        window += xs[i] - xs[i - size]
        best = max(best, window)
    return best
""",
        {"range(size, len(xs))": "range(size, len(xs) + 1)"},
        ([1], 1),
        tags=("loop",),
    ),
    *twins(
        "index-error",
        """
def differences(xs: list[int]) -> list[int]:
    result = []
    for i in range(len(xs) - 1):
        result.append(xs[i + 1] - xs[i])
    return result
""",
        {"range(len(xs) - 1)": "range(len(xs))"},
        ([1],),
        tags=("loop",),
    ),
    *twins(
        "index-error",
        """
def balanced(text: str) -> bool:
    stack: list[str] = []
    for char in text:
        if char == "(":
            stack.append(char)
        elif char == ")":
            if not stack:
                return False
            stack.pop()
    return not stack
""",
        {"            if not stack:\n                return False\n": ""},
        (")",),
        tags=("loop",),
    ),
    *twins(
        "index-error",
        """
def trace(matrix: list[list[int]]) -> int:
    total = 0
    for i, row in enumerate(matrix):
        if i < len(row):
            total += row[i]
    return total
""",
        {"i < len(row)": "i < len(matrix)"},
        ([[]],),
        tags=("loop",),
    ),
    *twins(
        "index-error",
        """
def rotate(xs: list[int], steps: int) -> list[int]:
    if not xs:
        return []
    return [xs[(i - steps) % len(xs)] for i in range(len(xs))]
""",
        {"(i - steps) % len(xs)": "i - steps"},
        ([1], 5),
        tags=("loop",),
    ),
    *twins(
        "index-error",
        """
def climb_ways(n: int) -> int:
    if n < 0:
        return 0
    ways = [1] + [0] * (n + 1)
    ways[1] = 1
    for step in range(2, n + 1):
        ways[step] = ways[step - 1] + ways[step - 2]
    return ways[n]
""",
        {"[0] * (n + 1)": "[0] * n"},
        (0,),
        tags=("loop",),
    ),
    *twins(
        "index-error",
        """
def primes_up_to(limit: int) -> list[int]:
    if limit < 2:
        return []
    prime = [True] * (limit + 1)
    for p in range(2, limit + 1):
        if prime[p]:
            for multiple in range(p * p, limit + 1, p):
                prime[multiple] = False
    return [n for n in range(2, limit + 1) if prime[n]]
""",
        {"[True] * (limit + 1)": "[True] * limit"},
        (2,),
        tags=("loop",),
    ),
    *twins(
        "index-error",
        """
def run_lengths(text: str) -> list[int]:
    lengths = []
    i = 0
    while i < len(text):
        j = i
        while j < len(text) and text[j] == text[i]:
            j += 1
        lengths.append(j - i)
        i = j
    return lengths
""",
        {"while j < len(text) and text[j]": "while text[j]"},
        ("a",),
        tags=("loop",),
    ),
    *twins(
        "index-error",
        """
def last_standing(count: int, step: int) -> int:
    circle = list(range(count))
    at = 0
    while len(circle) > 1:
        at = (at + step) % len(circle)
        circle.pop(at)
    return circle[0] if circle else -1
""",
        {"circle[0] if circle else -1": "circle[0]"},
        (0, 1),
        tags=("loop",),
    ),
    *twins(
        "index-error",
        """
def nth_field(line: str, n: int, default: str = "") -> str:
    fields = line.split(",")
    if 0 <= n < len(fields):
        return fields[n].strip()
    return default
""",
        {"n < len(fields)": "n <= len(fields)"},
        ("a", 1, ""),
    ),
    *twins(
        "index-error",
        """
def to_base(n: int, base: int) -> str:
    digits = "0123456789abcdef"
    if n < 0 or not 2 <= base <= 16:
        return ""
    text = ""
    while n > 0:
        text = digits[n % base] + text
        n //= base
    return text or "0"
""",
        {"base <= 16": "base <= 36"},
        (16, 17),
        tags=("loop",),
    ),
    *twins(
        "index-error",
        """
def bubble_sort(xs: list[int]) -> list[int]:
    items = list(xs)
    for end in range(len(items) - 1, 0, -1):
        for i in range(end):
            if items[i] > items[i + 1]:
                items[i], items[i + 1] = items[i + 1], items[i]
    return items
""",
        {"range(len(items) - 1, 0, -1)": "range(len(items), 0, -1)"},
        ([1],),
        tags=("loop",),
    ),
    *twins(
        "index-error",
        """
def drop_negatives(xs: list[int]) -> list[int]:
    kept = list(xs)
    i = 0
    while i < len(kept):
        if kept[i] < 0:
            kept.pop(i)
        else:
            i += 1
    return kept
""",
        {
            "    i = 0\n    while i < len(kept):\n": "    for i in range(len(kept)):\n",
            "        else:\n            i += 1\n": "",
        },
        ([-1, 1],),
        tags=("loop",),
    ),
)
