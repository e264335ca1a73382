"""The few names of pytest that tests of a single function use: raises, approx, fixture, mark.parametrize."""

from __future__ import annotations

import inspect
import math
import re
import types
from collections.abc import Callable, Iterator, Sequence
from typing import Any


def module() -> types.ModuleType:
    """What ``import pytest`` brings in the tester."""
    found = types.ModuleType("pytest")
    for name, value in (("raises", Raises), ("approx", Approx), ("fixture", fixture), ("mark", _Mark())):
        setattr(found, name, value)
    return found


def cases(function: types.FunctionType, namespace: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The keyword arguments of each call of a test function: parametrised values and plain fixtures."""
    tables: list[tuple[list[str], Sequence[Any]]] = getattr(function, "parameters", [])
    for chosen in _product(tables):
        wanted = [name for name in inspect.signature(function).parameters if name not in chosen]
        yield {**{name: _fixture_value(name, namespace) for name in wanted}, **chosen}


class Raises:
    """``with pytest.raises(ValueError, match=...)``, or ``pytest.raises(ValueError, f, 1)``."""

    def __new__(cls, kinds: Any, *call: Any, match: str | None = None, **named: Any) -> Any:
        self = super().__new__(cls)
        self.kinds, self.match, self.value = kinds, match, None
        if not call:
            return self
        with self:
            call[0](*call[1:], **named)
        return self

    kinds: Any
    match: str | None
    value: BaseException | None

    def __enter__(self) -> Raises:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, _: object) -> bool:
        if kind is None:
            raise AssertionError(f"did not raise {self.kinds}")
        if not issubclass(kind, self.kinds):
            return False
        self.value = value
        if self.match is not None and not re.search(self.match, str(value)):
            raise AssertionError(f"the message {str(value)!r} does not match {self.match!r}")
        return True


class Approx:
    """Equal to numbers, or to sequences and dictionaries of numbers, within pytest's tolerances."""

    def __init__(self, expected: Any, rel: float | None = None, abs: float | None = None) -> None:
        self._expected, self._relative, self._absolute = expected, rel, abs

    def __eq__(self, other: object) -> bool:
        return self._close(self._expected, other)

    __hash__ = None  # type: ignore[assignment]

    def _close(self, expected: Any, value: Any) -> bool:
        if isinstance(expected, dict):
            return isinstance(value, dict) and expected.keys() == value.keys() and self._all(expected, value)
        if isinstance(expected, list | tuple):
            same = type(expected) is type(value) and len(expected) == len(value)
            return same and all(map(self._close, expected, value))
        if not isinstance(expected, int | float) or not isinstance(value, int | float):
            return bool(expected == value)
        relative = self._relative if self._relative is not None else (0.0 if self._absolute is not None else 1e-6)
        absolute = self._absolute if self._absolute is not None else 1e-12
        return expected == value or abs(expected - value) <= max(relative * math.fabs(expected), absolute)

    def _all(self, expected: dict[Any, Any], value: dict[Any, Any]) -> bool:
        return all(self._close(item, value[key]) for key, item in expected.items())


def fixture(function: Callable[..., Any] | None = None, **_: Any) -> Any:
    """Marks a function whose value a test asks for by name."""
    if function is None:
        return fixture
    function.is_fixture = True  # type: ignore[attr-defined]
    return function


class _Mark:
    """pytest.mark: parametrize has a meaning, other marks have none here."""

    def parametrize(self, names: str | Sequence[str], values: Sequence[Any], **_: Any) -> Callable[..., Any]:
        listed = [name.strip() for name in names.split(",")] if isinstance(names, str) else list(names)

        def mark(function: Any) -> Any:
            function.parameters = [(listed, list(values)), *getattr(function, "parameters", [])]
            return function

        return mark

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def mark(*arguments: Any, **_: Any) -> Any:
            return arguments[0] if len(arguments) == 1 and callable(arguments[0]) else mark

        return mark


def _product(tables: list[tuple[list[str], Sequence[Any]]]) -> Iterator[dict[str, Any]]:
    if not tables:
        yield {}
        return
    names, rows = tables[0]
    for row in rows:
        values = [row] if len(names) == 1 else list(row)
        for rest in _product(tables[1:]):
            yield {**dict(zip(names, values, strict=True)), **rest}


def _fixture_value(name: str, namespace: dict[str, Any]) -> Any:
    function: Any = namespace.get(name)
    if not getattr(function, "is_fixture", False):
        raise NameError(f"no fixture named {name}")
    arguments = {wanted: _fixture_value(wanted, namespace) for wanted in inspect.signature(function).parameters}
    value = function(**arguments)
    return next(value) if isinstance(value, types.GeneratorType) else value
