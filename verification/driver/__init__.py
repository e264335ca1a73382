"""What runs beside a tested program in the sandbox: it makes the calls and says what each was seen to break.

The modules are compiled here and travel as code, for the sandbox can read no file; a group of them is unpacked when it
is needed, for memory that a forked process writes to costs it more than the work does. They import only what the lean
image of the sandbox's interpreter holds. They share a process with hostile code, which can silence them or make them
say anything: their word may refute a property, and nothing is ever proved by it.
"""

from __future__ import annotations

import functools
import marshal
from collections.abc import Iterable
from pathlib import Path

GROUPS = {
    "calls": ("values", "steps", "run"),
    "checks": ("annotations", "breaks"),
    "cycles": ("syntax", "gathering", "loops", "states", "cycles"),
}
"""Modules in the order in which they are loaded; the last one is what the group is for."""

_LOADER = """
def drive(groups, *arguments):
    import marshal, sys, types

    def load(group):
        for name, code in marshal.loads(groups[group]):
            module = sys.modules[name] = types.ModuleType(name)
            exec(code, module.__dict__)
        return module

    return load("calls").run(load, source, *arguments)
"""


def loader(source: str) -> str:
    """The sandbox's program, whose function ``drive`` takes packed groups and then what ``run`` takes.

    It holds the tested program as a literal a line, where the sandbox sees which modules are imported.
    """
    lines = "\n".join(map(repr, source.splitlines(keepends=True)))
    return f"source = (\n{lines or repr('')}\n)\n{_LOADER}"


def packed(groups: Iterable[str]) -> dict[str, bytes]:
    return {group: _packed(group) for group in groups}


@functools.cache
def _packed(group: str) -> bytes:
    """The modules' names and code, for this version of Python only; without docstrings."""
    codes = []
    for name in GROUPS[group]:
        path = Path(__file__).with_name(f"{name}.py")
        code = compile(path.read_text(encoding="utf-8"), f"<{name}>", "exec", dont_inherit=True, optimize=2)
        codes.append((f"{__name__}.{name}", code))
    return marshal.dumps(codes)
