"""The state of a frame, written so that equal texts are equal states: all that its further course depends on."""

from __future__ import annotations

import collections
import re
import types
from typing import Any

from verification.driver.loops import MODULES, Loop, Loops
from verification.driver.values import NotPlain

LARGEST = 2_000
"""Parts of one state; a larger one is not looked at."""

_SCALARS = frozenset((bool, int, str, bytes, complex, type(None), type(...), range))
_MAPPINGS = frozenset((dict, collections.OrderedDict, collections.Counter, collections.defaultdict))
_SIZED = _MAPPINGS.union((list, tuple, set, bytearray, collections.deque))
_IN_PLACE = _SIZED.difference((tuple,))
_OF_AN_EMPTY_CLASS = frozenset(
    ("__module__", "__doc__", "__weakref__", "__dict__", "__firstlineno__", "__static_attributes__")
)


class State:
    """A frame at one instruction."""

    def __init__(self, frame: Any, loops: Loops, loop: Loop) -> None:
        """Within a loop; of what it adds to, only the types are written. Raises NotPlain where that fails."""
        self.brief = brief(frame, loop)
        self.text: list[Any] = []
        self._kept: list[Any] = []  # what is told by its identity, so that nothing else gets its number meanwhile
        self._numbers: dict[int, int] = {}
        self._loops = loops
        held = {name: value for name, value in frame.f_locals.items() if not _is_overwritten(name, loop)}
        added = {name: value for name, value in held.items() if _is_added_to(name, value, loop)}
        for name, value in added.items():
            self.text += (name, type(value))
            self._same(value if type(value) in _IN_PLACE else None)
        self._mapping({name: value for name, value in held.items() if name not in added})
        self._mapping({name: value for name, value in frame.f_globals.items() if name != "__builtins__"})
        if any(id(value) in self._numbers for value in added.values() if type(value) in _IN_PLACE):
            raise NotPlain  # another name for it may be read

    def _add(self, value: Any) -> None:
        kind = type(value)
        if len(self.text) > LARGEST:
            raise NotPlain
        if kind in _SCALARS:
            self.text += (kind, value)
        elif kind is float:
            self.text += (kind, _exact(value))
        elif kind is tuple:
            self.text.append(kind)
            self._items(value)
        elif id(value) in self._numbers:
            self.text += ("again", self._numbers[id(value)])
        else:
            self._numbers[id(value)] = len(self._numbers)
            self.text.append(kind)
            self._add_object(kind, value)

    def _add_object(self, kind: type, value: Any) -> None:
        """What may be changed, so that it matters whether two names mean the same one; and what never changes."""
        if kind is list:
            self._items(value)
        elif kind is collections.deque:
            self.text.append(value.maxlen)
            self._items(value)
        elif kind in _MAPPINGS and self._loops.dicts:
            self._add(getattr(value, "default_factory", None))
            self._mapping(value)
        elif kind is set and self._loops.sets:
            self._same(value)
            self.text.append(len(value))  # which tells what it holds, as it only grows
        elif kind is bytearray:
            self.text.append(bytes(value))
        elif kind is types.FunctionType and value.__code__.co_filename == "program.py":
            self._add_function(value)
        elif _never_changes(value):
            self._same(value)
        else:
            raise NotPlain

    def _items(self, values: Any) -> None:
        self.text.append(len(values))
        for value in values:
            self._add(value)

    def _mapping(self, mapping: Any) -> None:
        """The items in their order, which a program may see."""
        self.text.append(len(mapping))
        for key, value in mapping.items():
            self._add(key)
            self._add(value)

    def _add_function(self, function: types.FunctionType) -> None:
        """Its code, and what it keeps between calls."""
        self._same(function.__code__)
        self._add(function.__defaults__)
        self._add(function.__kwdefaults__)
        for cell in function.__closure__ or ():
            self._same(cell)
            try:
                content = cell.cell_contents
            except ValueError:
                self.text.append("empty")
            else:
                self._add(content)

    def _same(self, value: Any) -> None:
        self._kept.append(value)
        self.text.append(id(value))


def brief(frame: Any, loop: Loop) -> list[Any]:
    """Enough to tell most states apart, at little cost."""
    return [
        len(value) if type(value) in _SIZED else value if type(value) in _SCALARS or type(value) is float else None
        for name, value in frame.f_locals.items()
        if name not in loop.gathered
    ]


def _is_overwritten(name: str, loop: Loop) -> bool:
    return name in loop.gathered and loop.gathered[name] is None


def _is_added_to(name: str, value: Any, loop: Loop) -> bool:
    return type(value) in (loop.gathered.get(name) or ())


def _exact(value: float) -> str:
    if value != value:  # whether a list holds it depends on which nan it is
        raise NotPlain
    return value.hex()


def _never_changes(value: Any) -> bool:
    """Modules, classes and functions that keep no state, and what stands for types."""
    if isinstance(value, types.ModuleType):
        return value.__name__ in MODULES
    if isinstance(value, type):
        return value.__module__ != "program" or set(vars(value)) <= _OF_AN_EMPTY_CLASS
    if isinstance(value, types.BuiltinFunctionType):
        return value.__self__ is None or isinstance(value.__self__, types.ModuleType)
    if isinstance(value, types.FunctionType):
        return value.__module__ in MODULES
    return type(value).__module__ == "typing" or isinstance(value, types.GenericAlias | types.UnionType | re.Pattern)
