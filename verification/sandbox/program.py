"""Inside the sandbox: the tested program, called with arguments (values mode) or by a tester (assert mode).

Everything here runs beside hostile code that may replace any of it. That is why it knows no expected value, and why
whatever it says is a claim about what the program returned.
"""

from __future__ import annotations

import builtins
import io
import operator
import os
import sys
import types
from collections import deque
from collections.abc import Callable
from typing import Any

from verification.sandbox import codec, frames
from verification.sandbox.codec import PROGRAM_NAME, Unserialisable, Wire

MODULE_NAME = "program"
_MUTABLE = (list, dict, set, bytearray, deque)


class Printed(io.RawIOBase):
    """What a program prints: counted and thrown away."""

    left = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        size = len(data)
        self.left -= size
        if self.left < 0:
            raise OSError("the program printed more than it may")
        return size


def prepare(request: dict[str, Any], printed: Printed) -> None:
    """Limits that the interpreter keeps, counted from here."""
    printed.left = request["output"]
    depth, frame = 0, sys._getframe()
    while frame.f_back is not None:
        depth, frame = depth + 1, frame.f_back
    sys.setrecursionlimit(request["recursion"] + depth + 3)


def run_values(descriptor: int, request: dict[str, Any]) -> None:
    """Make the calls one after the other; one message each: [status, what it brought, the arguments asked for]."""
    say = _teller(descriptor)
    try:
        namespace = _load(request)
        entry = _resolve(namespace, request["entry"])
    except BaseException as error:  # noqa: BLE001 - the program may raise anything
        say(["load", *_failure(error)])
        return
    for args, kwargs, watched in request["calls"]:
        values = codec.decode(args)
        named = codec.decode(kwargs)
        try:
            value = entry(*values, **named)
            outcome = _claim(value)
        except BaseException as error:  # noqa: BLE001
            outcome = _failure(error)
        say([*outcome, _watched(values, watched)])


def run_replay(descriptor: int, request: dict[str, Any]) -> None:
    """Values mode, in a folder with files and a shell: this process is in the folder, which is empty."""
    for path, content in request["files"].items():
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        with open(path, "wb") as file:
            file.write(bytes.fromhex(content))
    os.makedirs(request["folder"], exist_ok=True)
    os.chdir(request["folder"])
    here = os.getcwd()
    os.environ.update(PATH="/usr/bin:/bin", HOME=here, TMPDIR=here)
    for number, name in ((1, "stdout"), (2, "stderr")):
        printed = io.TextIOWrapper(io.FileIO(number, "w", closefd=False), "utf-8", "backslashreplace")
        setattr(sys, name, printed)
        setattr(sys, f"__{name}__", printed)
    del request["files"]
    try:
        run_values(descriptor, request)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


def serve(descriptor: int, link: int, request: dict[str, Any]) -> None:
    """Assert mode: load the program, then do what the tester on the other end of the link asks."""
    say = _teller(link)
    held: list[Any] = []

    numbers: dict[int, int] = {}

    def hold(value: Any, _: int = 0) -> Wire:
        number = numbers.setdefault(id(value), len(held))
        if number == len(held):
            held.append(value)
        is_error = isinstance(value, type) and issubclass(value, BaseException)
        return ["h", number, type(value).__name__, is_error]

    def hold_type(value: type, _: int) -> Wire:
        return hold(value) if value.__module__ == MODULE_NAME else ["T", value.__name__]

    def callback(number: int) -> Callable[..., Any]:
        def call_tester(*args: Any, **kwargs: Any) -> Any:
            say(["callback", number, codec.encode(list(args)), codec.encode(kwargs)])
            status, answer = frames.receive(link)
            if status == "v":
                return codec.decode(answer)
            raise RuntimeError(str(answer))

        return call_tester

    codec.extend(encoders={type: hold_type}, readers={"H": lambda number: held[number], "cb": callback}, fallback=hold)
    try:
        namespace = _load(request)
    except BaseException as error:  # noqa: BLE001
        say(_failure(error))
        return
    say(["v", _defined(namespace, request["names"]), []])
    while True:
        message = frames.receive(link)
        try:
            value, arguments = _serve_one(message, held)
            before = arguments[0] if arguments else []
            outcome = ["v", codec.encode(value)]
            changes = _changes(*arguments) if before else []
        except BaseException as error:  # noqa: BLE001
            outcome, changes = _failure(error), []
        say([*outcome, changes])


def _defined(namespace: dict[str, Any], names: list[str]) -> list[Wire]:
    """[name, value] of those that the program defines and that can leave."""
    found: list[Wire] = []
    for name in names:
        if name in namespace:
            try:
                found.append([name, codec.encode(namespace[name])])
            except Unserialisable:
                continue
    return found


def _serve_one(message: Wire, held: list[Any]) -> tuple[Any, tuple[Any, ...]]:
    """(value, (arguments as they came in wire form, as they are now)) of one request."""
    kind, target, *rest = message
    if kind == "get":
        return getattr(held[target], rest[0]), ()
    if kind == "set":
        setattr(held[target], rest[0], codec.decode(rest[1]))
        return None, ()
    if kind == "special":
        return _special(held[target], rest[0], codec.decode(rest[1])), ()
    args, kwargs = codec.decode(rest[0]), codec.decode(rest[1])
    value = held[target](*args, **kwargs)
    return value, (rest[0], args)


def _special(value: Any, name: str, args: list[Any]) -> Any:
    """What an operator or a builtin function does with the value: ``__len__``, ``__add__``, ``__radd__``."""
    plain = name.strip("_")
    if plain in ("len", "int", "float", "str", "repr", "iter", "next", "abs", "bool"):
        return getattr(builtins, plain)(value, *args)
    if plain in ("radd", "rsub", "rmul"):
        return getattr(operator, plain[1:])(*args, value)
    if plain in ("enter", "exit"):
        return getattr(type(value), name)(value, *args)
    return getattr(operator, name)(value, *args)


def _changes(before: Wire, after: list[Any]) -> list[Wire]:
    """[index, new content] of each mutable argument that the call changed in place."""
    changed = []
    for index, (old, value) in enumerate(zip(before[1:], after, strict=True)):
        if type(value) in _MUTABLE:
            new = codec.encode(value)
            if new != old:
                changed.append([index, new])
    return changed


def _load(request: dict[str, Any]) -> dict[str, Any]:
    """Execute the program in a module of its own, as an import would (so no ``__main__`` block runs)."""
    module = types.ModuleType(MODULE_NAME)
    sys.modules[MODULE_NAME] = module
    namespace = module.__dict__
    if request["imports"]:
        exec(compile(request["imports"], "<imports>", "exec", dont_inherit=True), namespace)  # noqa: S102
    exec(compile(request["code"], PROGRAM_NAME, "exec", dont_inherit=True), namespace)  # noqa: S102
    return namespace


def _resolve(namespace: dict[str, Any], dotted: str) -> Any:
    first, *rest = dotted.split(".")
    if first not in namespace:
        raise NameError(f"the program does not define {first}")
    value = namespace[first]
    for name in rest:
        value = getattr(value, name)
    return value


def _claim(value: Any) -> list[Wire]:
    """The value; or, where it can't leave, whether it is true, which is all that ``assert f(x)`` asks."""
    try:
        return ["v", codec.encode(value)]
    except Unserialisable as error:
        return ["u", [str(error)[:300], bool(value)]]


def _failure(error: BaseException) -> list[Wire]:
    """[status, details] for whatever the program raised, or for a value that can't leave."""
    if isinstance(error, Unserialisable):
        return ["u", [str(error)[:300], None]]
    if isinstance(error, MemoryError):
        return ["m", None]
    try:
        return ["x", codec.encode_exception(error)]
    except BaseException:  # noqa: BLE001 - an exception made to break its own report
        return ["x", [["Exception"], "", None]]


def _watched(values: list[Any], watched: list[int]) -> list[Wire]:
    found: list[Wire] = []
    for index in watched:
        try:
            found.append(codec.encode(values[index]))
        except BaseException:  # noqa: BLE001 - the argument now holds something that can't leave
            found.append(["?"])
    return found


def _teller(descriptor: int) -> Callable[[Wire], None]:
    def say(wire: Wire) -> None:
        try:
            message = frames.pack(wire)
        except MemoryError:  # the value fits, its message does not
            message = frames.pack(["m", None, []])
        frames.write_all(descriptor, message)

    return say
