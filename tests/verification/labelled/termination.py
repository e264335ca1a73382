"""Loops that end for every input, and near-twins that don't on some.

Each witness makes its loop go on for ever: a state comes back, or the loop has passed the only value that ends it.
"""

from __future__ import annotations

from tests.verification.labelled.rows import Labelled, twins

ROWS: tuple[Labelled, ...] = (
    *twins(
        "termination",
        """
def gcd(a: int, b: int) -> int:
    a, b = abs(a), abs(b)
    if a == 0 or b == 0:
        return a + b
    while a != b:
        if a > b:
            a -= b
        else:
            b -= a
    return a
""",
        {"    if a == 0 or b == 0:\n        return a + b\n": ""},
        (1, 0),
        tags=("loop",),
    ),
    *twins(
        "termination",
        """
def count_odd(xs: list[int]) -> int:
    count = i = 0
    while i < len(xs):
        x = xs[i]
        i += 1
        if x % 2 == 0:
            continue
        count += 1
    return count
""",
        {
            "        i += 1\n        if x % 2 == 0:\n            continue\n": (
                "        if x % 2 == 0:\n            continue\n        i += 1\n"
            )
        },
        ([2],),
        tags=("loop",),
    ),
    *twins(
        "termination",
        """
def pairs_in(n: int) -> int:
    pairs = 0
    while n > 0:
        n -= 2
        pairs += 1
    return pairs
""",
        {"while n > 0": "while n != 0"},
        (1,),
        tags=("loop",),
    ),
    *twins(
        "termination",
        """
def bit_length(n: int) -> int:
    bits = 0
    while n > 0:
        n //= 2
        bits += 1
    return bits
""",
        {"while n > 0": "while n"},
        (-1,),  # -1 // 2 is -1
        tags=("loop",),
    ),
    *twins(
        "termination",
        """
def popcount(n: int) -> int:
    n = abs(n)
    count = 0
    while n:
        count += n & 1
        n >>= 1
    return count
""",
        {"    n = abs(n)\n": ""},
        (-1,),
        tags=("loop",),
    ),
    *twins(
        "termination",
        """
def lower_bound(xs: list[int], target: int) -> int:
    low, high = 0, len(xs)
    while low < high:
        middle = (low + high) // 2
        if xs[middle] < target:
            low = middle + 1
        else:
            high = middle
    return low
""",
        {"low = middle + 1": "low = middle"},
        ([0], 1),
        tags=("loop",),
    ),
    *twins(
        "termination",
        """
def collatz_steps(n: int) -> int:
    steps = 0
    while n > 1 and steps < 100:
        n = n // 2 if n % 2 == 0 else 3 * n + 1
        steps += 1
    return steps
""",
        {"while n > 1 and steps < 100": "while n != 1"},
        (0,),
        tags=("loop",),
    ),
    *twins(
        "termination",
        """
def count_part(text: str, part: str) -> int:
    count = 0
    at = text.find(part)
    while at >= 0:
        count += 1
        at = text.find(part, at + 1)
    return count
""",
        {"at + 1": "at + len(part)"},
        ("a", ""),
        tags=("loop",),
    ),
    *twins(
        "termination",
        """
def squeeze(text: str) -> str:
    while "  " in text:
        text = text.replace("  ", " ")
    return text
""",
        {'text.replace("  ", " ")': 'text.replace("   ", " ")'},
        ("  ",),
        tags=("loop",),
    ),
    *twins(
        "termination",
        """
def laps(size: int, step: int) -> int:
    if size <= 0:
        return 0
    at, moves = step % size, 1
    while at != 0:
        at = (at + step) % size
        moves += 1
    return moves
""",
        {"step % size, 1": "1 % size, 1"},
        (4, 2),
        tags=("loop",),
    ),
    *twins(
        "termination",
        """
def digit_total(values: list[int]) -> int:
    stack = list(values)
    total = 0
    while stack:
        value = stack.pop()
        if value > 9:
            stack.append(value // 10)
            value %= 10
        total += value
    return total
""",
        {"if value > 9": "if not 0 <= value <= 9"},
        ([-1],),
        tags=("loop",),
    ),
    *twins(
        "termination",
        """
def echo_positives(xs: list[int]) -> list[int]:
    result = list(xs)
    for x in xs:
        if x > 0:
            result.append(x)
    return result
""",
        {"for x in xs": "for x in result"},
        ([1],),
        tags=("loop",),
    ),
    *twins(
        "termination",
        """
def find_root(parents: dict[int, int], node: int) -> int:
    seen: set[int] = set()
    while node in parents and node not in seen:
        seen.add(node)
        node = parents[node]
    return node
""",
        {" and node not in seen": ""},
        ({1: 2, 2: 1}, 1),
        tags=("loop",),
    ),
    *twins(
        "termination",
        """
def ticks(stop: int) -> int:
    x = 0.0
    count = 0
    while x < stop and count < 1000:
        x += 0.1
        count += 1
    return count
""",
        {"while x < stop and count < 1000": "while x != stop"},
        (1,),  # ten times 0.1 is 0.9999999999999999, and x only grows
        tags=("loop",),
    ),
    *twins(
        "termination",
        """
def letter_runs(text: str) -> list[str]:
    found: list[str] = []
    i = 0
    while i < len(text):
        start = i
        while i < len(text) and text[i].isalpha():
            i += 1
        if i > start:
            found.append(text[start:i])
        else:
            i += 1
    return found
""",
        {"else:": 'elif text[i] == " ":'},
        ("1",),
        tags=("loop",),
    ),
    *twins(
        "termination",
        """
def next_multiple(n: int, k: int) -> int:
    if k <= 0:
        return n
    while n % k != 0:
        n += 1
    return n
""",
        {"n += 1": "n += k"},
        (1, 2),
        tags=("loop",),
    ),
    *twins(
        "termination",
        """
def newton_root(n: int) -> int:
    if n < 2:
        return max(n, 0)
    x = n
    y = (x + 1) // 2
    while y < x:
        x = y
        y = (x + n // x) // 2
    return x
""",
        {"while y < x": "while y != x"},
        (3,),  # 1 and 2 take turns
        tags=("loop",),
    ),
    *twins(
        "termination",
        """
def is_power_of_two(n: int) -> bool:
    if n < 1:
        return False
    while n % 2 == 0:
        n //= 2
    return n == 1
""",
        {"n < 1": "n < 0"},
        (0,),
        tags=("loop",),
    ),
    *twins(
        "termination",
        """
def digital_root(n: int) -> int:
    n = abs(n)
    while n > 9:
        total = 0
        while n > 0:
            total += n % 10
            n //= 10
        n = total
    return n
""",
        {"while n > 9": "while n > 8"},
        (9,),
        tags=("loop",),
    ),
    *twins(
        "termination",
        """
def ladder(start: int, stop: int, step: int) -> list[int]:
    rungs: list[int] = []
    if step <= 0:
        return rungs
    while start < stop:
        rungs.append(start)
        start += step
    return rungs
""",
        {"if step <= 0": "if step < 0"},
        (0, 1, 0),
        tags=("loop",),
    ),
    *twins(
        "termination",
        """
def common_count(xs: list[int], ys: list[int]) -> int:
    i = j = count = 0
    while i < len(xs) and j < len(ys):
        if xs[i] == ys[j]:
            count += 1
        if xs[i] <= ys[j]:
            i += 1
        else:
            j += 1
    return count
""",
        {"if xs[i] <= ys[j]:": "if xs[i] < ys[j]:", "else:": "elif xs[i] > ys[j]:"},
        ([1], [1]),
        tags=("loop",),
    ),
)
