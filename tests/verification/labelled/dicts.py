"""Counting, grouping and looking up: is every key that is read there?"""

from __future__ import annotations

from tests.verification.labelled.rows import Labelled, twins

ROWS: tuple[Labelled, ...] = (
    *twins(
        "key-error",
        """
def word_counts(text: str) -> dict[str, int]:
    counts: dict[str, int] = {}
    for word in text.lower().split():
        if word not in counts:
            counts[word] = 0
        counts[word] += 1
    return counts
""",
        {"if word not in counts": "if not counts"},
        ("a b",),
        tags=("loop",),
    ),
    *twins(
        "key-error",
        """
def group_by_length(words: list[str]) -> dict[int, list[str]]:
    groups: dict[int, list[str]] = {}
    for word in words:
        groups.setdefault(len(word), [])
        groups[len(word)].append(word)
    return groups
""",
        {"setdefault": "get"},
        (["a"],),
        tags=("loop",),
    ),
    *twins(
        "key-error",
        """
def two_sum(xs: list[int], target: int) -> tuple[int, int]:
    seen: dict[int, int] = {}
    for i, x in enumerate(xs):
        if target - x in seen:
            return seen[target - x], i
        seen[x] = i
    return -1, -1
""",
        {"if target - x in seen": "if x in seen"},
        ([1, 1], 5),
        tags=("loop",),
    ),
    *twins(
        "key-error",
        """
def roman_to_int(numeral: str) -> int:
    values = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100}
    total = previous = 0
    for letter in reversed(numeral):
        if letter not in values:
            continue
        value = values[letter]
        total += value if value >= previous else -value
        previous = value
    return total
""",
        {"if letter not in values": "if not letter.isupper()"},
        ("A",),
        tags=("loop",),
    ),
    *twins(
        "key-error",
        """
def serve(stock: dict[str, int], orders: list[str]) -> int:
    left = dict(stock)
    served = 0
    for item in orders:
        if left.get(item, 0) > 0:
            left[item] -= 1
            served += 1
    return served
""",
        {"> 0": ">= 0"},
        ({}, ["a"]),
        tags=("loop",),
    ),
    *twins(
        "key-error",
        """
def reachable(graph: dict[int, list[int]], start: int) -> set[int]:
    seen = {start}
    queue = [start]
    while queue:
        node = queue.pop(0)
        for other in graph[node] if node in graph else []:
            if other not in seen:
                seen.add(other)
                queue.append(other)
    return seen
""",
        {"if node in graph else": "if graph else"},
        ({1: []}, 0),
        tags=("loop",),
    ),
    *twins(
        "key-error",
        """
def rename_key(row: dict[str, int], old: str, new: str) -> dict[str, int]:
    result = dict(row)
    if old in result:
        result[new] = result.pop(old)
    return result
""",
        {"if old in result": "if new not in result"},
        ({}, "a", "b"),
    ),
    *twins(
        "key-error",
        """
def unused_digits(text: str) -> list[str]:
    unused = set("0123456789")
    for char in text:
        if char in unused:
            unused.remove(char)
    return sorted(unused)
""",
        {"if char in unused": 'if char in "0123456789"'},
        ("11",),
        tags=("loop",),
    ),
    *twins(
        "key-error",
        """
def ranks(xs: list[int]) -> list[int]:
    ordered = sorted(xs)
    order: dict[int, int] = {}
    for position in range(len(ordered)):
        order[ordered[position]] = position
    return [order[x] for x in xs]
""",
        {"range(len(ordered))": "range(1, len(ordered))"},
        ([3],),
        tags=("loop",),
    ),
    *twins(
        "key-error",
        """
def fibonacci(n: int) -> int:
    memo = {0: 0, 1: 1}
    for i in range(2, n + 1):
        memo[i] = memo[i - 1] + memo[i - 2]
    return memo[max(n, 0)]
""",
        {"memo[max(n, 0)]": "memo[n]"},
        (-1,),
        tags=("loop",),
    ),
)
