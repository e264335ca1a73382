"""Sees whether a loop comes back to a state that it has been in, from which a deterministic program goes on for ever.

Brent's method: keep one state, compare what comes with it, and keep another one after twice as long.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from verification.driver.heads import written
from verification.driver.loops import Loop, find
from verification.driver.states import State, brief
from verification.driver.values import NotPlain

MOST_WRITTEN = 20_000
"""Parts of states that are written down in one window."""

_GENERATOR = 0x20 | 0x80 | 0x200
"""Flags of code between two lines of which other code may run."""


class Cycles:
    """Of one program."""

    def __init__(self, source: str) -> None:
        self._loops = find(source)

    def head(self, frame: Any) -> str:
        """What the frame's variables hold, as a dict's text, where it stands at the head of a loop and all is plain."""
        return written(frame) if frame.f_lineno in self._loops.heads else ""

    def window(self) -> Callable[[Any], str] | None:
        """A look at one frame after another, all lines of which it must see; None if there is nothing to look at."""
        if not self._loops.places:
            return None
        kept: dict[Any, _Kept] = {}
        written = 0

        def write(frame: Any, loop: Loop) -> State | None:
            nonlocal written
            if written > MOST_WRITTEN:
                return None
            try:
                state = State(frame, self._loops, loop)
            except NotPlain:
                return None
            written += len(state.text)
            return state

        def look(frame: Any) -> str:
            code = frame.f_code
            safe = self._loops.places.get((code.co_name, code.co_firstlineno))
            if safe is None or code.co_filename != "program.py" or code.co_flags & _GENERATOR:
                return ""
            if frame not in kept:
                kept[frame] = _Kept(write)
            return kept[frame].look(frame, safe)

        return look


class _Kept:
    """What is kept of one frame."""

    def __init__(self, write: Callable[[Any, Loop], State | None]) -> None:
        self._write = write
        self._lines = 0
        self._due = 1
        self._since = 0
        self._state: State | None = None
        self._place = 0
        self._loop: Loop | None = None

    def look(self, frame: Any, safe: dict[int, Loop]) -> str:
        """What to tell if the state is the one that is kept."""
        line = frame.f_lineno
        self._lines += 1
        if self._state is not None and self._loop is not None:
            if not self._loop.first <= line <= self._loop.last:  # beyond it, a frame may hold other things than before
                self._state, self._due = None, self._lines
            elif self._is_back(frame, self._state, self._loop):
                return _told(self._lines - self._since, self._loop)
        if self._lines >= self._due and line in safe:
            self._since, self._due = self._lines, 2 * self._lines
            self._place, self._loop = frame.f_lasti, safe[line]
            self._state = self._write(frame, self._loop)
        return ""

    def _is_back(self, frame: Any, state: State, loop: Loop) -> bool:
        if frame.f_lasti != self._place or brief(frame, loop) != state.brief:
            return False
        again = self._write(frame, loop)
        return again is not None and again.text == state.text


def _told(lines: int, loop: Loop) -> str:
    again = f"after {lines} line{'s' * (lines != 1)} the same state comes again"
    but = ", ".join(sorted(name for name, kinds in loop.gathered.items() if kinds is not None))
    return f"{again}, but for {but}" if but else again
