"""Arithmetic on finite floats: does an infinity, a NaN or an OverflowError come out?"""

from __future__ import annotations

from tests.verification.labelled.rows import Labelled, twins

ROWS: tuple[Labelled, ...] = (
    *twins(
        "float",
        """
def average(a: float, b: float) -> float:
    half_a, half_b = a / 2.0, b / 2.0
    return half_a + half_b
""",
        {"half_a, half_b = a / 2.0, b / 2.0": "total = a + b", "half_a + half_b": "total / 2.0"},
        (1.7e308, 1.7e308),
    ),
    *twins(
        "float",
        """
def scale(value: float, factor: float) -> float:
    factor = max(-1.0, min(factor, 1.0))
    return value * factor
""",
        {"min(factor, 1.0)": "min(factor, 10.0)"},
        (1.7e308, 2.0),
    ),
    *twins(
        "float",
        """
import math


def sigmoid(x: float) -> float:
    if x < -700.0:
        return 0.0
    return 1.0 / (1.0 + math.exp(-x))
""",
        {"-700.0": "-800.0"},
        (-750.0,),
    ),
    *twins(
        "float",
        """
def ratio(a: float, b: float) -> float:
    if abs(b) < 1.0:
        return 0.0
    return a / b
""",
        {"abs(b) < 1.0": "b == 0.0"},
        (1e308, 1e-10),
    ),
    *twins(
        "float",
        """
def smooth(values: list[float]) -> float:
    level = 0.0
    for value in values:
        level = level * 0.5 + value * 0.5
    return level
""",
        {"value * 0.5": "value"},
        ([1.7e308, 1.7e308],),
        tags=("loop",),
    ),
    *twins(
        "float",
        """
def energy(mass: float, speed: float) -> float:
    if abs(mass) > 1.0 or abs(speed) > 1e150:
        return 0.0
    return 0.5 * mass * speed**2
""",
        {"abs(speed) > 1e150": "abs(speed) > 1e200"},
        (1.0, 1e180),
    ),
    *twins(
        "float",
        """
def half_range(xs: list[float]) -> float:
    low = high = 0.0
    for x in xs:
        low, high = min(low, x), max(high, x)
    return high / 2.0 - low / 2.0
""",
        {"high / 2.0 - low / 2.0": "(high - low) / 2.0"},
        ([1.7e308, -1.7e308],),
        tags=("loop",),
    ),
    *twins(
        "float",
        """
def cents(amount: float) -> int:
    if amount > 1e12 or amount < -1e12:
        return 0
    return int(amount * 100.0)
""",
        {" or amount < -1e12": ""},
        (-1.7e308,),
    ),
)
