"""``python -m tests.verification.labelled``: a table by property, the rows that were missed, JSON as the last line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tests.verification.labelled import ALL
from tests.verification.labelled.measurement import measure

COLUMNS = ("property", "safe", "proved", "with loop", "proved", "unsafe", "refuted", "false alarms", "false proofs")
COUNTS = ("safe", "safe_proved", "loops", "loop_proofs", "unsafe", "unsafe_refuted", "false_alarms", "false_proofs")


def main() -> None:
    found = measure(ALL)
    print_row(COLUMNS)
    for slug, counts in found["by_slug"].items():
        print_row(cells(slug, counts))
    print_row(cells("all", found))
    for title in ("wrong", "missed"):
        print(f"\n{title}: {len(found[title])}")
        for line in found[title]:
            print(f"  {line}")
    print(json.dumps({key: value for key, value in found.items() if key not in ("wrong", "missed")}))


def cells(title: str, counts: Mapping[str, Any]) -> tuple[str, ...]:
    return (title, *(str(counts[name]) for name in COUNTS))


def print_row(row: tuple[str, ...]) -> None:
    print(f"{row[0]:18}", *(f"{cell:>{len(head)}}" for cell, head in zip(row[1:], COLUMNS[1:], strict=True)), sep="  ")


if __name__ == "__main__":
    main()
