"""Counts what one call executes and stops it at its limit, at the same step on every machine, which no clock does."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

PROGRAM = frozenset(("program.py", "<string>"))
"""Files whose lines are counted: the program's, and what it executes itself."""

WINDOWS = ((600, 300), (3_000, 600), (12_000, 1_000))
"""(step, how many) at which states are compared, which costs far more than counting; most calls end before."""

BEYOND = 200
"""Steps beyond the limit in which a call may still come to where its state can be told."""

Look = Callable[[Any], str]
"""Of a frame at a line: how it is seen that it never ends; empty where it isn't."""


class Stopped(BaseException):
    """Raised into a call that may not go on."""


class Watch:
    """Over one call. A step is a line, a call or a return in the program, or a call in the library."""

    def __init__(
        self, limit: int, open_window: Callable[[], Look | None] | None = None, catch: Look | None = None
    ) -> None:
        """`open_window` is asked as a window begins, if the call runs on for so long; without it there is none.

        `catch` is shown the frame that was entered first at each of its lines once the limit is reached, for `BEYOND`
        steps more or until it tells something.
        """
        self.ended = ""
        """``budget`` or ``endless``, whatever the program made of being stopped."""
        self.line: int | None = None
        self.evidence = ""
        """How it is known that the call is endless."""
        self.caught = ""
        """What `catch` told."""
        self.entered: Any = None
        """The program's frame that was entered first; to be reset before the call that counts."""
        self._limit = limit
        self._open_window = open_window
        self._catch = catch
        self._look: Look | None = None
        self._phases = _phases(limit, open_window is not None)
        self._until, _ = next(self._phases)
        self._taken = 0
        self._granted = 0
        self._left: Callable[[], int] = lambda: 0

    @property
    def steps(self) -> int:
        """Taken so far."""
        return self._taken + self._granted - self._left()

    def start(self) -> None:
        """Trace this thread, until ``sys.settrace(None)``."""
        left = self._granted = self._until - 1

        def step(frame: Any, event: str, _: Any) -> None:
            nonlocal left
            left -= 1
            if left < 0:
                left = self._pause(frame, event)

        def enter(frame: Any, event: str, _: Any) -> Any:
            nonlocal left
            left -= 1
            if left < 0:
                left = self._pause(frame, event)
            if frame.f_code.co_filename not in PROGRAM:
                return None
            if self.entered is None:
                self.entered = frame
            return step

        self._left = lambda: left
        sys.settrace(enter)

    def _pause(self, frame: Any, event: str) -> int:
        """What was granted is used up: how many steps may be taken before the next pause."""
        self._taken += self._granted + 1
        self._granted = 0
        if self._taken > self._limit:
            return self._beyond(frame, event)
        try:
            while self._taken >= self._until:
                self._until, looking = next(self._phases)
                self._look = self._open_window() if looking and self._open_window else None
            if self._look and event == "line":
                self.evidence = self._look(frame)
        except RecursionError:  # the program is nearly as deep as it may be, and we are on top of it
            self._look = None
        if self.evidence:
            self._end("endless", frame)
        if not self._look:
            self._granted = max(0, self._until - self._taken - 1)
        return self._granted

    def _beyond(self, frame: Any, event: str) -> int:
        if self._catch and self._taken <= self._limit + BEYOND:
            try:
                if event == "line" and frame is self.entered:
                    self.caught = self._catch(frame)
            except RecursionError:
                pass
            if not self.caught:
                return 0
        self._end("budget", frame)

    def _end(self, how: str, frame: Any) -> NoReturn:
        self.ended, self.line = how, frame.f_lineno
        raise Stopped


def _phases(limit: int, looking: bool) -> Iterator[tuple[int, bool]]:
    """(step at which it ends, whether states are compared) of each; the last ends beyond the limit."""
    for start, length in WINDOWS if looking else ():
        yield start, False
        yield start + length, True
    yield limit + 1, False
