"""The lean image of the interpreter: what the sandbox itself needs and what most programs import, and nothing else.

A fork costs what its parent has mapped and touched: a child of the full image (`stdlib`) costs 1.5 times as much. A
program that imports something else raises its hand, and is run again, from its start, by a zygote of the full image.
"""

# ruff: noqa: SIM905 - a table of words
from __future__ import annotations

import importlib
import importlib.machinery
import os
import re
import sys
from collections.abc import Iterable, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType

from verification.sandbox import frames
from verification.sandbox.protocol import WANTS_LIBRARY

MODULES = frozenset(
    "__future__ abc bisect builtins codecs collections contextlib copy enum functools heapq io itertools json keyword "
    "math operator os re string struct sys types typing warnings weakref".split()
)
_HERE = MODULES.union(sys.builtin_module_names)
FULL_ONLY = ("verification.sandbox.pytest_names",)
_PARTS = ("collections.abc", "os.path")
_IMPORTS = re.compile(r"\b(?:from\s+([\w.]+)\s+import\b|import\s+([\w., \t]+))")
_DYNAMIC = re.compile(r"\b(?:__import__|importlib|pytest|def\s+test)\b")


def suits(texts: Iterable[str]) -> bool:
    """Whether programs seem to need no more than this image holds; a wrong guess costs time and nothing else."""
    for text in texts:
        if _DYNAMIC.search(text):
            return False
        for source, names in _IMPORTS.findall(text):
            for name in (source or names).split(","):
                words = name.split()
                if words and words[0].partition(".")[0] not in _HERE:
                    return False
    return True


def load() -> None:
    """Import the modules; every later import of another one ends the process with the wish for the full image."""
    for name in (*sorted(MODULES), *_PARTS):
        importlib.import_module(name)
    sys.meta_path[:] = [importlib.machinery.BuiltinImporter, importlib.machinery.FrozenImporter, HandRaiser]
    sys.path[:] = []
    sys.path_hooks[:] = []
    sys.path_importer_cache.clear()


class HandRaiser:
    """Finds nothing: asked for a module of the standard library, it says so to the pool and ends the process."""

    armed = False
    """Whether this process is a job's; the zygote's own imports fail in the ordinary way."""

    @staticmethod
    def find_spec(
        fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        known = fullname.partition(".")[0] in sys.stdlib_module_names or fullname in FULL_ONLY
        if known and HandRaiser.armed:
            frames.send(3, [WANTS_LIBRARY])
            os._exit(0)
        return None
