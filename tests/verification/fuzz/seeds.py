"""Programs as models write them, most of them safe, and traps: programs that a prover is tempted to believe in.

Mutation makes unsafe neighbours of the former; the latter are each a rule of Python that is easily got wrong, such as
a name that `except` unbinds, an alias inside a container, or a text that grows in upper case.
"""

from __future__ import annotations

from pathlib import Path

_FOLDER = Path(__file__).parent / "programs"


def _read(name: str) -> tuple[str, ...]:
    return tuple(text.strip() + "\n" for text in (_FOLDER / name).read_text().split("\n---\n"))


SEEDS = _read("seeds.txt")
TRAPS = _read("traps.txt")
GROWING = _read("growing.txt")
"""Each of all defines an entry named `f`."""
