"""Inside the sandbox, assert mode: the process that runs the tests. The tested program is in another process.

What the tests call are proxies; only decoded builtin values come back. An object of the program's own class stays over
there and is used through its attributes and methods; it can't be compared, for its ``__eq__`` would be the judge.
Not covered: the identity of an argument that is returned (``f(xs) is xs``), and aliases within arguments.
"""

# ruff: noqa: SIM905 - tables of words
from __future__ import annotations

import builtins
import importlib
import sys
import types
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from verification.sandbox import codec, frames
from verification.sandbox.codec import Unserialisable, Wire

# An exception of these kinds, raised where a test iterates, would end the loop in silence.
_CONTROL = ("StopIteration", "StopAsyncIteration", "GeneratorExit", "SystemExit", "KeyboardInterrupt")


_PASSED: list[Wire] = ["passed", None]


class ProgramEnded(BaseException):
    """The tested process has gone; no later test can be run."""


class ProgramError(Exception):
    """An exception that the program raised, of a class that only the program knows, or one that would steer a test."""


def run_tests(descriptor: int, link: int, request: dict[str, Any]) -> None:
    """Run the tests in order; one message each: [status, details]."""
    remote = _Remote(link, mentioned=request["tests"])
    namespace: dict[str, Any] = {"__name__": "tests", "__builtins__": builtins}
    failed = remote.load(request["names"], namespace)
    if failed:
        frames.send(descriptor, failed)
        return
    frames.send(descriptor, ["ok", None])
    # Building it touches pages that a fork would have to copy, and few tests want it.
    if any("pytest" in text for text in (request["prelude"], *request["tests"])):
        sys.modules["pytest"] = _pytest_names().module()
    setup = _run(partial(_execute, request["prelude"], namespace), remote) if request["prelude"] else _PASSED
    for test in request["tests"]:
        status = setup if setup[0] != "passed" else _run(partial(_execute, test, namespace), remote)
        frames.send(descriptor, status)
        if status[0] == "died":
            return


def _execute(test: str, namespace: dict[str, Any]) -> None:
    """One test: its statements, then the test functions it defines, as pytest would call them."""
    known = {name: value for name, value in namespace.items() if name.startswith("test")}
    exec(compile(test, "<test>", "exec"), namespace)  # noqa: S102
    for name, value in list(namespace.items()):
        if name.startswith("test") and isinstance(value, types.FunctionType) and known.get(name) is not value:
            for arguments in _pytest_names().cases(value, namespace):
                value(**arguments)


def _pytest_names() -> types.ModuleType:
    """The module, which the full image has loaded; the lean one has not, and its children say so."""
    return importlib.import_module("verification.sandbox.pytest_names")


def _run(action: Callable[[], Any], remote: _Remote) -> list[Wire]:
    remote.memory = False
    try:
        action()
        return _PASSED
    except ProgramEnded:
        return ["died", None]
    except AssertionError as error:
        return ["exception" if remote.is_from_program(error) else "wrong", remote.told(error)]
    except Unserialisable as error:
        return ["unserialisable", str(error)[:300]]
    except BaseException as error:  # noqa: BLE001 - a test may raise anything
        return ["memory" if remote.memory else "exception", remote.told(error)]


class _Remote:
    """The tested program, on the other end of the link."""

    def __init__(self, link: int, mentioned: list[str]) -> None:
        self._link = link
        self._mentioned = "\n".join(mentioned)
        self._callbacks: list[Callable[..., Any]] = []
        self._errors: dict[str, type[BaseException]] = {}
        self._raised: BaseException | None = None
        self._line: int | None = None
        """Of the program, where it raised that, as it says."""

        self.memory = False
        codec.extend(
            encoders={
                Proxy: lambda value, _: ["H", value._number],
                types.FunctionType: self._offer,
                types.BuiltinFunctionType: self._offer,
                types.MethodType: self._offer,
            },
            readers={"h": self._receive},
        )

    def load(self, names: list[str], namespace: dict[str, Any]) -> list[Wire] | None:
        """Put what the program defines of these names there; else the message that says why it was not loaded.

        A test that uses a name which is missing meets a NameError, as it would beside the program.
        """
        try:
            status, detail, *_ = frames.receive(self._link)
            if status == "v":
                namespace.update((name, codec.decode(value)) for name, value in detail if name in names)
                return None
        except (EOFError, Unserialisable, ValueError, TypeError, OSError):
            return ["died", None]
        return ["memory" if status == "m" else "exception", detail]

    def is_from_program(self, error: BaseException) -> bool:
        return error is self._raised

    def told(self, error: BaseException) -> Wire:
        """An exception for the parent; one of the program's with the line that the program told."""
        kinds, message, line = codec.encode_exception(error)
        return [kinds, message, self._line if self.is_from_program(error) else line]

    def ask(self, message: Wire, arguments: tuple[Any, ...] = ()) -> Any:
        """One request; serves what the program calls back meanwhile."""
        answer = self._exchange(frames.pack(message))
        while isinstance(answer, list) and len(answer) == 4 and answer[0] == "callback":
            answer = self._exchange(frames.pack(self._call_back(*answer[1:])))
        if not isinstance(answer, list) or len(answer) != 3:
            raise Unserialisable("not an answer")
        status, value, changes = answer
        if status == "v":
            self._apply(arguments, changes)
            return codec.decode(value, iterator=iter)
        if status == "x":
            self._raised = self._exception(value)
            raise self._raised
        if status == "m":
            self.memory = True
            raise MemoryError("the program ran out of memory")
        raise Unserialisable(str(value[0] if isinstance(value, list) and value else value)[:300])

    def _exchange(self, packed: bytes) -> Wire:
        try:
            frames.write_all(self._link, packed)
            return frames.receive(self._link)
        except (EOFError, OSError):
            raise ProgramEnded from None

    def _apply(self, arguments: tuple[Any, ...], changes: Wire) -> None:
        """Write into the test's own arguments what the program changed in place."""
        for index, wire in changes if isinstance(changes, list) else ():
            if type(index) is not int or not 0 <= index < len(arguments):
                raise Unserialisable("a change of no argument")
            argument, value = arguments[index], codec.decode(wire)
            if type(argument) is not type(value):
                raise Unserialisable("a change of an argument's type")
            if isinstance(argument, list | bytearray):
                argument[:] = value
            elif isinstance(argument, dict | set):
                argument.clear()
                argument.update(value)
            else:
                argument.clear()
                argument.extend(value)

    def _exception(self, wire: Wire) -> BaseException:
        kinds, message, self._line = codec.decode_exception(wire)
        for kind in kinds:
            if kind in self._errors:
                return self._errors[kind](message)
            builtin = getattr(builtins, kind, None)
            if isinstance(builtin, type) and issubclass(builtin, BaseException):
                if kind in _CONTROL and kind not in self._mentioned:
                    return ProgramError(f"{kind}: {message}")
                return _instance(builtin, message)
        return ProgramError(f"{kinds[0]}: {message}")

    def _offer(self, function: Callable[..., Any], _: int) -> Wire:
        self._callbacks.append(function)
        return ["cb", len(self._callbacks) - 1]

    def _call_back(self, number: Any, args: Wire, kwargs: Wire) -> list[Wire]:
        try:
            function = self._callbacks[number]
            return ["v", codec.encode(function(*codec.decode(args, iterator=iter), **codec.decode(kwargs)))]
        except Exception as error:  # noqa: BLE001 - a test's function, called with what the program chose
            return ["x", f"{type(error).__name__}: {error}"[:300]]

    def _receive(self, number: Any, kind: Any, is_error: Any) -> Any:
        if type(number) is not int:
            raise Unserialisable("not a handle")
        proxy = Proxy(self, number, str(kind)[:100])
        if is_error:
            name = str(self.ask(["get", number, "__name__"]))
            return self._errors.setdefault(name, type(name, (Exception,), {}))
        return proxy


def _instance(kind: type[BaseException], message: str) -> BaseException:
    try:
        return kind(message)
    except TypeError:  # UnicodeDecodeError and its like want more arguments
        return ProgramError(f"{kind.__name__}: {message}")


class Proxy:
    """An object of the program's: called and asked for attributes over the link, never compared here."""

    def __init__(self, remote: _Remote, number: int, kind: str) -> None:
        object.__setattr__(self, "_remote", remote)
        object.__setattr__(self, "_number", number)
        object.__setattr__(self, "_kind", kind)

    _remote: _Remote
    _number: int
    _kind: str

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        message = ["call", self._number, codec.encode(list(args)), codec.encode(kwargs)]
        return self._remote.ask(message, args)

    def __getattr__(self, name: str) -> Any:
        return self._remote.ask(["get", self._number, name])

    def __setattr__(self, name: str, value: Any) -> None:
        self._remote.ask(["set", self._number, name, codec.encode(value)])

    def __iter__(self) -> Iterator[Any]:
        found = self._special("__iter__")
        return iter(found if not isinstance(found, Proxy) else found._drain())

    def _drain(self) -> Iterator[Any]:
        while True:
            try:
                yield self._special("__next__")
            except (StopIteration, ProgramError) as error:
                if isinstance(error, StopIteration) or str(error).startswith("StopIteration"):
                    return
                raise

    def _special(self, name: str, *args: Any) -> Any:
        return self._remote.ask(["special", self._number, name, codec.encode(list(args))])

    def _refuse(self, _: object) -> bool:
        raise Unserialisable(f"a {self._kind} of the program's own can't be compared in a test")

    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _refuse
    __hash__ = None  # type: ignore[assignment]


def _forward(name: str, check: Callable[[Any], Any]) -> Callable[..., Any]:
    return lambda self, *args: check(self._special(name, *args))


def _same(value: Any) -> Any:
    return value


for _name in (
    "add radd sub rsub mul rmul truediv floordiv mod pow neg pos abs matmul and or xor invert getitem setitem delitem "
    "contains enter exit next"
).split():
    setattr(Proxy, f"__{_name}__", _forward(f"__{_name}__", _same))
for _name, _check in (("len", int), ("bool", bool), ("int", int), ("float", float), ("str", str), ("repr", str)):
    setattr(Proxy, f"__{_name}__", _forward(f"__{_name}__", _check))
