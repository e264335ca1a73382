"""Which modules may be imported, and their constants."""

from __future__ import annotations

import math
import string
import sys

MODULES = frozenset(
    {
        "bisect",
        "collections",
        "copy",
        "functools",
        "heapq",
        "itertools",
        "math",
        "operator",
        "re",
        "string",
        "sys",
        "typing",
    }
)
"""Standard modules whose import has no effect on the rest; what isn't modelled of them is refused where it is used."""

CONSTANTS: dict[str, object] = {
    "math.pi": math.pi,
    "math.e": math.e,
    "math.tau": math.tau,
    "math.inf": math.inf,
    "math.nan": math.nan,
    "sys.maxsize": sys.maxsize,
    **{f"string.{name}": value for name, value in vars(string).items() if name[0] != "_" and isinstance(value, str)},
}
