"""Makes the calls, each on a program loaded anew, and writes a row on each."""

from __future__ import annotations

import marshal
import sys
from types import CodeType
from typing import Any

from verification.driver import breaks, cycles
from verification.driver.steps import Look, Watch
from verification.driver.values import message, shown

HEADROOM = 3
"""Frames between the sandbox's limit and the program's own: with them it recurs as deep as in a script."""

CATCHES = 2
"""Calls that ran too long of which it is told in what state they were."""

EARLY = 60
"""After so many steps they are looked at once more, if by then there is too much to tell."""

LEAST = 2_000
"""Steps that every call may take, however many the calls before it took."""

Row = list[Any]
"""[status, exception, its class and ancestors, message, line, value shown, [slug, what was seen] of what is broken]"""


def run(source: str, blobs: list[bytes], options: dict[str, Any]) -> list[Row]:
    """A row for each call. A blob holds the entry's name, the positional arguments and the named ones.

    Options: `parameters` (names), `pre`, `post` and `reference` (source or None), `properties` (slugs to look for),
    `int_range`, `limit` (steps of one call) and `batch` (of all).
    """
    sys.setrecursionlimit(sys.getrecursionlimit() + HEADROOM)
    runner = _Runner(source, options)
    return [runner.row(blob) for blob in blobs]


class _Attempt:
    """What came of one call."""

    def __init__(self, blob: bytes) -> None:
        # Anew, so that no call sees what another one changed.
        self.entry, self.values, self.keywords = marshal.loads(blob)  # noqa: S302 - written by us
        self.names: dict[str, Any] = {"__name__": "program"}
        self.status = "returned"
        self.value: Any = None
        self.error: BaseException | None = None

    def packed(self) -> bytes | None:
        """The arguments as they are now, packed as they were; None where they are no longer plain."""
        try:
            return marshal.dumps((self.entry, self.values, self.keywords), 2)
        except ValueError:
            return None


class _Runner:
    def __init__(self, source: str, options: dict[str, Any]) -> None:
        self._source = source
        self._program = _compiled(source, "program.py")
        self._parameters: list[str] = options["parameters"]
        self._slugs: list[str] = options["properties"]
        self._int_range: tuple[int, int] | None = options["int_range"]
        self._pre = options["pre"] and _compiled(options["pre"], "<string>", "eval")
        self._post = options["post"] and _compiled(options["post"], "<string>", "eval")
        self._reference = options["reference"] and _compiled(options["reference"], "program.py")
        self._limit: int = options["limit"]
        self._left: int = options["batch"]
        self._cycles: cycles.Cycles | None = None
        self._catches = CATCHES
        self._looks = "termination" in self._slugs and "while" in source

    def row(self, blob: bytes) -> Row:
        catching = self._looks and self._catches > 0
        made, watch = self._attempt(self._program, blob, self._pre, catching=catching)
        if made.status == "endless":
            return ["endless", "", "", "", watch.line, "", [["termination", f"never ends: {watch.evidence}"]]]
        if made.status not in ("returned", "raised"):
            if watch.ended and catching:
                self._catches -= 1
                if not watch.caught:
                    _, watch = self._attempt(self._program, blob, self._pre, limit=EARLY, catching=True)
            said = "" if made.error is None else message(made.error)
            return [made.status, "", "", said, watch.line if watch.caught else None, watch.caught, []]
        broken = breaks.found(self._seen(made, blob), self._slugs) if self._slugs else []
        if made.error is not None:
            kind = type(made.error)
            ancestors = " ".join(base.__name__ for base in kind.__mro__)
            return ["raised", kind.__name__, ancestors, message(made.error), _line(made.error), "", broken]
        status = "returned" if self._post is None or self._holds(made) else "broken"
        line = watch.entered.f_lineno if watch.entered is not None else None
        return [status, "", "", "", line, shown(made.value), broken]

    def _attempt(
        self, code: CodeType, blob: bytes, pre: CodeType | None, *, limit: int = 0, catching: bool = False
    ) -> tuple[_Attempt, Watch]:
        made = _Attempt(blob)
        most = limit or max(LEAST, min(self._limit, self._left))
        watch = Watch(most, self._open_window if self._looks and not limit else None, self._catch if catching else None)
        _settle()
        try:
            watch.start()
            exec(code, made.names)  # noqa: S102 - in the sandbox
            if made.entry not in made.names:
                made.status = "lost"
            elif pre is not None and not self._admits(made, pre, blob):
                made.status = "excluded"
            else:
                entry = made.names[made.entry]
                watch.entered = None
                made.value = entry(*made.values, **made.keywords)
        except BaseException as error:  # noqa: BLE001 - the program may raise anything
            sys.settrace(None)
            made.error, made.status = error, "raised"
        finally:
            sys.settrace(None)
        self._left -= watch.steps
        if watch.ended:  # whatever the program made of it
            made.status, made.error = watch.ended, None
        elif isinstance(made.error, MemoryError):  # the sandbox's, which says nothing of the program
            made.status = "budget"
        return made, watch

    def _open_window(self) -> Look | None:
        look: Look | None = self._known_cycles().window()
        return look

    def _catch(self, frame: Any) -> str:
        return self._known_cycles().head(frame)

    def _known_cycles(self) -> cycles.Cycles:
        if self._cycles is None:
            self._cycles = cycles.Cycles(self._source)
        return self._cycles

    def _admits(self, made: _Attempt, pre: CodeType, blob: bytes) -> bool:
        """Whether the precondition holds, of a copy of the arguments."""
        try:
            return bool(eval(pre, {**made.names, **self._named(_Attempt(blob))}))  # noqa: S307 - in the sandbox
        except Exception:  # noqa: BLE001 - then it does not hold
            return False

    def _holds(self, made: _Attempt) -> bool:
        """The postcondition; the arguments as globals, for a generator in it would not see locals."""
        try:
            scope = {**made.names, **self._named(made), "result": made.value}
            return bool(eval(self._post, scope))  # noqa: S307 - in the sandbox
        except Exception:  # noqa: BLE001 - then it does not hold
            return False

    def _named(self, made: _Attempt) -> dict[str, Any]:
        """The arguments by name."""
        known, given = self._parameters, len(made.values)
        names = [*known, *(f"number {at + 1}" for at in range(len(known), given))]
        return {**dict(zip(names, made.values, strict=False)), **made.keywords}

    def _seen(self, made: _Attempt, blob: bytes) -> Any:
        return breaks.Seen(
            made.value,
            made.error,
            before=lambda: self._named(_Attempt(blob)),
            after=self._named(made),
            kept=made.packed() == blob,
            entry=made.names.get(made.entry),
            names=made.names,
            int_range=self._int_range,
            reference=self._by_reference(blob) if "equivalence" in self._slugs else None,
        )

    def _by_reference(self, blob: bytes) -> tuple[Any, BaseException | None] | None:
        """What the reference returned or raised on the same arguments, which met the precondition."""
        if self._reference is None:
            return None
        made, _ = self._attempt(self._reference, blob, None)
        return (made.value, made.error) if made.status in ("returned", "raised") else None


def _compiled(text: str, name: str, mode: str = "exec") -> CodeType:
    code: CodeType = compile(text, name, mode, dont_inherit=True)
    return code


def _settle() -> None:
    """Chance is the same at each call; a program may still read a clock."""
    module = sys.modules.get("random")
    if module is not None:
        module.seed(0)


def _line(error: BaseException) -> int | None:
    """The last line of the program that the exception passed."""
    line, step = None, error.__traceback__
    while step is not None:
        if step.tb_frame.f_code.co_filename == "program.py":
            line = step.tb_lineno
        step = step.tb_next
    return line
