"""Averages, ratios, remainders: is the divisor ever 0?"""

from __future__ import annotations

from tests.verification.labelled.rows import Labelled, twins
from verification import Contract

ROWS: tuple[Labelled, ...] = (
    *twins(
        "zero-division",
        """
def mean_of_positives(readings: list[int]) -> float:
    total = 0
    count = 0
    for reading in readings:
        if reading > 0:
            total += reading
            count += 1
    if count == 0:
        return 0.0
    return total / count
""",
        {"if count == 0": "if not readings"},
        ([-1],),
        tags=("loop",),
    ),
    *twins(
        "zero-division",
        '''
def smoothed_ratio(hits: list[bool]) -> float:
    """The share of hits, as if one miss had been seen before."""
    seen = 1
    good = 0
    for hit in hits:
        seen += 1
        if hit:
            good += 1
    return good / seen
''',
        {"seen = 1\n": "seen = 0\n"},
        ([],),
        tags=("loop",),
    ),
    *twins(
        "zero-division",
        """
def normalise(scores: list[int]) -> list[float]:
    low = min(scores, default=0)
    span = max(scores, default=0) - low
    if span == 0:
        return [0.0 for _ in scores]
    return [(score - low) / span for score in scores]
""",
        {"if span == 0": "if not scores"},
        ([3, 3],),
    ),
    *twins(
        "zero-division",
        """
def lcm(a: int, b: int) -> int:
    x, y = abs(a), abs(b)
    while y:
        x, y = y, x % y
    if x == 0:
        return 0
    return abs(a * b) // x
""",
        {"    if x == 0:\n        return 0\n": ""},
        (0, 0),
        tags=("loop",),
    ),
    *twins(
        "zero-division",
        """
def growth_rates(values: list[int]) -> list[float]:
    rates: list[float] = []
    for i in range(1, len(values)):
        previous = values[i - 1]
        if previous != 0:
            rates.append((values[i] - previous) / previous)
    return rates
""",
        {"if previous != 0": "if values[i] != 0"},
        ([0, 1],),
        tags=("loop",),
    ),
    *twins(
        "zero-division",
        """
def pages_needed(items: int, per_page: int = 10) -> int:
    if items <= 0 or per_page <= 0:
        return 0
    return (items + per_page - 1) // per_page
""",
        {"per_page <= 0": "per_page < 0"},
        (1, 0),
    ),
    *twins(
        "zero-division",
        """
def running_average(xs: list[int]) -> list[float]:
    averages: list[float] = []
    total = 0
    for i, x in enumerate(xs, start=1):
        total += x
        averages.append(total / i)
    return averages
""",
        {"enumerate(xs, start=1)": "enumerate(xs)"},
        ([5],),
        tags=("loop",),
    ),
    *twins(
        "zero-division",
        """
def bucket_sizes(keys: list[int], buckets: int) -> list[int]:
    buckets = max(buckets, 1)
    sizes = [0] * buckets
    for key in keys:
        sizes[key % buckets] += 1
    return sizes
""",
        {"max(buckets, 1)": "max(buckets, 0)"},
        ([1], 0),
        tags=("loop",),
    ),
    *twins(
        "zero-division",
        """
def decimal_places(numerator: int, denominator: int, places: int) -> list[int]:
    if denominator <= 0:
        return []
    digits: list[int] = []
    rest = numerator % denominator
    for _ in range(places):
        rest *= 10
        digits.append(rest // denominator)
        rest %= denominator
    return digits
""",
        {"denominator <= 0": "denominator < 0"},
        (1, 0, 1),
        tags=("loop",),
    ),
    *twins(
        "zero-division",
        """
def smallest_factor(n: int) -> int:
    factor = 2
    while factor * factor <= n:
        if n % factor == 0:
            return factor
        factor += 1
    return n
""",
        {"factor = 2": "factor = 0"},
        (0,),
        tags=("loop",),
    ),
    *twins(
        "zero-division",
        """
def average_word_length(text: str) -> float:
    words = text.split()
    letters = 0
    for word in words:
        letters += len(word)
    return letters / len(words) if words else 0.0
""",
        {"if words else": "if text else"},
        (" ",),
        tags=("loop",),
    ),
    *twins(
        "zero-division",
        """
def shares(amounts: dict[str, int]) -> dict[str, float]:
    total = 0
    for amount in amounts.values():
        total += abs(amount) + 1
    return {name: amount / total for name, amount in amounts.items()}
""",
        {"abs(amount) + 1": "abs(amount)"},
        ({"a": 0},),
        tags=("loop",),
    ),
    *twins(
        "zero-division",
        """
def seats_left(booked: list[int], per_row: int) -> int:
    total = 0
    for count in booked:
        total += count % per_row
    return total // len(booked)
""",
        {"total // len(booked)": "total // (len(booked) - 1)"},
        ([4], 3),
        contract=Contract(pre="per_row > 0 and len(booked) > 0"),
        tags=("loop",),
    ),
)
