"""Functions that build something new from their arguments, or that change them."""

from __future__ import annotations

from tests.verification.labelled.rows import Labelled, twins

ROWS: tuple[Labelled, ...] = (
    *twins(
        "argument-mutation",
        """
def middle_value(xs: list[int]) -> int:
    ordered = sorted(xs)
    return ordered[len(ordered) // 2] if ordered else 0
""",
        {"ordered = sorted(xs)": "ordered = xs\n    ordered.sort()"},
        ([2, 1],),
    ),
    *twins(
        "argument-mutation",
        """
def with_total(xs: list[int]) -> list[int]:
    result = xs[:]
    result.append(sum(xs))
    return result
""",
        {"xs[:]": "xs"},
        ([],),
    ),
    *twins(
        "argument-mutation",
        """
def chain(base: list[int], extra: list[int]) -> list[int]:
    combined = base
    combined = combined + extra
    return combined
""",
        {"combined = combined + extra": "combined += extra"},
        ([], [1]),
    ),
    *twins(
        "argument-mutation",
        """
def brighten(grid: list[list[int]]) -> list[list[int]]:
    result = [list(row) for row in grid]
    for row in result:
        for i in range(len(row)):
            row[i] += 1
    return result
""",
        {"[list(row) for row in grid]": "list(grid)"},
        ([[1]],),
        tags=("loop",),
    ),
    *twins(
        "argument-mutation",
        """
def without(options: dict[str, int], name: str) -> dict[str, int]:
    rest = dict(options)
    rest.pop(name, None)
    return rest
""",
        {"dict(options)": "options"},
        ({"a": 1}, "a"),
    ),
    *twins(
        "argument-mutation",
        """
def merge_counts(first: dict[str, int], second: dict[str, int]) -> dict[str, int]:
    merged = {**first}
    for key, value in second.items():
        merged[key] = merged.get(key, 0) + value
    return merged
""",
        {"{**first}": "first"},
        ({}, {"a": 1}),
        tags=("loop",),
    ),
    *twins(
        "argument-mutation",
        """
def run_all(tasks: list[str]) -> int:
    pending = list(tasks)
    done = 0
    while pending:
        pending.pop()
        done += 1
    return done
""",
        {"list(tasks)": "tasks"},
        (["a"],),
        tags=("loop",),
    ),
)
