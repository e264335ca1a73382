"""Values on the wire between processes that don't trust each other: a tagged JSON of builtin values.

A scalar is itself; anything else is an array that begins with its tag: ``["l", 1, 2]``. Objects are never sent, so no
method of the tested program runs on the reading side.
"""

from __future__ import annotations

import enum
import importlib
import json
import sys
import types
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

Wire = Any
"""What json.loads returns: None, bool, int, float, str or a list of these."""

MAX_DEPTH = 100
MAX_YIELDED = 10_000
"""How much of a returned iterator is drawn."""

_PLAIN = frozenset((type(None), bool, int, float, str))
"""Kinds of values that are in wire form what they are."""

_LONG_NUMBER = 20_000  # characters; beyond, Decimal and Fraction arithmetic is no longer cheap
_SAME_HASH = 32  # so many different keys with one hash are an attack


class Unserialisable(ValueError):
    """A value of a kind that can't cross, or bytes that are no value."""


class _Told:
    """An object that is known by its parts only; equal to its like and to nothing else."""

    __slots__ = ("parts",)

    def __init__(self, *parts: Any) -> None:
        self.parts = parts

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other.parts == self.parts

    def __hash__(self) -> int:
        return hash(self.parts)

    def __repr__(self) -> str:
        return f"{type(self).__name__}{self.parts}"


class Record(_Told):
    """An object of a class that the program defined: its type's name, and (name, value) of its fields."""

    __slots__ = ()


class Member(_Told):
    """A member of an enumeration that the program defined: its type's name, its own, its value."""

    __slots__ = ()


class Yielded(list[Any]):
    """What an iterator yielded; no list equals it, as no list equals an iterator."""

    def __eq__(self, other: object) -> bool:
        return self is other

    __hash__ = object.__hash__  # type: ignore[assignment]


def _refuse(value: object) -> Wire:
    raise TypeError(f"a {type(value).__name__} in wire form")


# The two functions in C that json.dumps and json.loads end in, made once: what a fork does not touch it does not copy.
_scan = json.JSONDecoder().scan_once  # type: ignore[attr-defined]
_make = getattr(json.encoder, "c_make_encoder", None)
_chunks: Callable[[Wire, int], Iterable[str]] | None = None
if _make is not None:  # which another interpreter may lack
    _chunks = _make(None, _refuse, json.encoder.encode_basestring_ascii, None, ":", ",", False, False, True)


def dumps(wire: Wire) -> bytes:
    if _chunks is None:
        return json.dumps(wire, separators=(",", ":"), check_circular=False).encode()
    return "".join(_chunks(wire, 0)).encode()


def loads(data: bytes) -> Wire:
    """Bytes, as `dumps` makes them, to wire form; hostile bytes raise Unserialisable and nothing else."""
    try:
        text = data.decode()
        wire, end = _scan(text, 0)
    except (ValueError, RecursionError, StopIteration) as error:
        raise Unserialisable(f"not a message: {type(error).__name__}") from None
    if end != len(text):
        raise Unserialisable("more than a message")
    return wire


def encode(value: Any, depth: int = 0) -> Wire:
    """A builtin value, or an object by its fields, in wire form."""
    kind = type(value)
    if value is None or kind is bool or kind is str or kind is float:
        return value
    if kind is int:
        return value if -(1 << 62) < value < 1 << 62 else ["i", hex(value)]
    if depth >= MAX_DEPTH:
        raise Unserialisable(f"nested deeper than {MAX_DEPTH} levels, or within itself")
    encoder = _ENCODERS.get(kind) or _encoder_of_base(value)
    return encoder(value, depth + 1)


def decode(wire: Wire, *, iterator: Callable[[list[Any]], Any] = Yielded, depth: int = 0) -> Any:
    """Wire form to a builtin value; refuses keys made to collide, and numbers made to be slow."""
    if type(wire) in _PLAIN:
        return wire
    if not isinstance(wire, list) or not wire or depth > MAX_DEPTH:
        raise Unserialisable("not a tagged value")
    tag = wire[0]
    if not isinstance(tag, str):
        raise Unserialisable("not a tagged value")
    if tag in SEQUENCES:
        below = depth + 1
        items = [
            item if type(item) in _PLAIN else decode(item, iterator=iterator, depth=below)
            for item in islice(wire, 1, None)
        ]
        if tag in ("s", "fs"):
            _refuse_collisions(items)
        return iterator(items) if tag == "g" else SEQUENCES[tag](items)
    if tag == "d":
        pairs = [_pair(item, iterator, depth) for item in wire[1:]]
        _refuse_collisions([key for key, _ in pairs])
        return dict(pairs)
    return _decode_scalar(wire, iterator, depth)


def extend(
    *,
    encoders: dict[type, Callable[[Any, int], Wire]] | None = None,
    readers: dict[str, Callable[..., Any]] | None = None,
    fallback: Callable[[Any, int], Wire] | None = None,
) -> None:
    """More kinds of values for this process; done in confined children only."""
    global _fallback
    _ENCODERS.update(encoders or {})
    _SCALARS.update(readers or {})
    _fallback = fallback or _fallback


def encode_exception(error: BaseException) -> Wire:
    """[names of the classes from the exception's own to its oldest ancestor, message, line in the program]."""
    kinds = [kind.__name__ for kind in type.mro(type(error)) if kind is not object]
    try:
        message = str(error)[:1000]
    except Exception:  # noqa: BLE001 - the program's own __str__ may raise anything
        message = ""
    return [kinds[:20], message, _line(error)]


def decode_exception(wire: Wire) -> tuple[tuple[str, ...], str, int | None]:
    """The three parts, checked."""
    if not (isinstance(wire, list) and len(wire) == 3 and isinstance(wire[0], list) and wire[0]):
        raise Unserialisable("not an exception")
    kinds, message, line = wire
    if not all(isinstance(kind, str) for kind in kinds) or not isinstance(message, str):
        raise Unserialisable("not an exception")
    sensible = type(line) is int and 0 < line < 1 << 31
    return tuple(kind[:200] for kind in kinds[:20]), message[:1000], line if sensible else None


_fallback: Callable[[Any, int], Wire] | None = None
"""What to do with an object of the program's own; None: send its fields, or refuse."""


def _line(error: BaseException) -> int | None:
    """The last line of the tested program that the exception passed."""
    if isinstance(error, SyntaxError) and error.filename == PROGRAM_NAME:  # of the program, not of a text it compiled
        return error.lineno
    line, frame = None, error.__traceback__
    while frame is not None:
        if frame.tb_frame.f_code.co_filename == PROGRAM_NAME:
            line = frame.tb_lineno
        frame = frame.tb_next
    return line


PROGRAM_NAME = "<program>"


def _items(tag: str) -> Callable[[Any, int], Wire]:
    return lambda value, depth: [tag, *(encode(item, depth) for item in value)]


def _encode_dict(value: dict[Any, Any], depth: int) -> Wire:
    return ["d", *([encode(key, depth), encode(item, depth)] for key, item in dict.items(value))]


def _encode_yielded(value: Iterable[Any], depth: int) -> Wire:
    items: list[Wire] = ["g"]
    for item in value:
        if len(items) > MAX_YIELDED:
            raise Unserialisable(f"an iterator of more than {MAX_YIELDED} items")
        items.append(encode(item, depth))
    return items


_ENCODERS: dict[type, Callable[[Any, int], Wire]] = {
    int: lambda value, _: value if -(1 << 62) < value < 1 << 62 else ["i", hex(value)],
    list: _items("l"),
    tuple: _items("t"),
    set: _items("s"),
    frozenset: _items("fs"),
    deque: _items("q"),
    dict: _encode_dict,
    bytes: lambda value, _: ["b", value.hex()],
    bytearray: lambda value, _: ["ba", value.hex()],
    complex: lambda value, _: ["c", value.real, value.imag],
    range: lambda value, depth: ["r", *(encode(part, depth) for part in (value.start, value.stop, value.step))],
    slice: lambda value, depth: ["sl", *(encode(part, depth) for part in (value.start, value.stop, value.step))],
    type(Ellipsis): lambda value, _: ["."],
    type: lambda value, _: ["T", value.__name__],
    type({}.keys()): lambda value, depth: ["s", *(encode(item, depth) for item in value)],
    type({}.items()): lambda value, depth: ["s", *(encode(item, depth) for item in value)],
    type({}.values()): _encode_yielded,
}
# Of modules that are not loaded for a value's sake: where the program has one, its module is there.
_LIBRARY: dict[str, tuple[str, Callable[[Any, int], Wire]]] = {
    "Decimal": ("decimal", lambda value, _: ["D", str(value)]),
    "Fraction": (
        "fractions",
        lambda value, depth: ["F", encode(value.numerator, depth), encode(value.denominator, depth)],
    ),
    "date": ("datetime", lambda value, _: ["dd", value.isoformat()]),
    "datetime": ("datetime", lambda value, _: ["dt", value.isoformat()]),
    "time": ("datetime", lambda value, _: ["tm", value.isoformat()]),
    "timedelta": ("datetime", lambda value, _: ["td", value.days, value.seconds, value.microseconds]),
}
_BASES: tuple[type, ...] = (int, float, str, bytes, bytearray, complex, tuple, list, dict, set, frozenset, deque)


def _encoder_of_base(value: Any) -> Callable[[Any, int], Wire]:
    """How to encode an instance of a subclass or of a class of the program's own."""
    library = _of_library(type(value))
    if _fallback is not None and library is None and not isinstance(value, _BASES):
        return _fallback
    if isinstance(value, types.FunctionType | types.MethodType | types.ModuleType):
        raise Unserialisable(f"a {type(value).__name__} can't leave the sandbox")
    for base in _BASES:
        if isinstance(value, base):
            return _as(base)
    if isinstance(value, enum.Enum):
        return lambda member, depth: ["E", type(member).__name__, member.name, encode(member.value, depth)]
    if hasattr(type(value), "__dataclass_fields__"):
        return _encode_dataclass
    if library is not None:
        return library
    if isinstance(value, type):
        return _ENCODERS[type]
    if isinstance(value, Iterator):
        return _encode_yielded
    raise Unserialisable(f"a {type(value).__name__} can't leave the sandbox")


def _of_library(kind: type) -> Callable[[Any, int], Wire] | None:
    for base in type.mro(kind):
        module, encoder = _LIBRARY.get(base.__name__, ("", None))
        if encoder is not None and getattr(sys.modules.get(module), base.__name__, None) is base:
            return encoder
    return None


def _as(base: type) -> Callable[[Any, int], Wire]:
    """A subclass by the content of its builtin base, read with the base's own methods."""
    readers: dict[type, Callable[[Any], Any]] = {
        int: lambda value: int.__add__(value, 0),
        float: lambda value: float.__add__(value, 0.0) if value else float.__abs__(value),
        str: str.__str__,
        complex: lambda value: complex(complex.__add__(value, 0)),
        tuple: lambda value: tuple(tuple.__iter__(value)),
        list: lambda value: list(list.__iter__(value)),
        dict: lambda value: dict(dict.items(value)),
        set: lambda value: set(set.__iter__(value)),
        frozenset: lambda value: frozenset(frozenset.__iter__(value)),
        deque: lambda value: deque(deque.__iter__(value)),
        bytes: lambda value: bytes.__getitem__(value, slice(None)),
        bytearray: lambda value: bytearray(bytearray.__iter__(value)),
    }
    return lambda value, depth: encode(readers[base](value), depth)


def _encode_dataclass(value: Any, depth: int) -> Wire:
    names = [field.name for field in importlib.import_module("dataclasses").fields(value)]
    return ["o", type(value).__name__, [[name, encode(getattr(value, name), depth)] for name in names]]


SEQUENCES: dict[Any, Callable[[list[Any]], Any]] = {
    "l": list,
    "t": tuple,
    "s": lambda items: set(_hashable(items)),
    "fs": lambda items: frozenset(_hashable(items)),
    "q": deque,
    "g": Yielded,
}


def _hashable(items: list[Any]) -> list[Any]:
    try:
        return [item for item in items if hash(item) is not None]
    except TypeError as error:
        raise Unserialisable(str(error)) from None


def _pair(wire: Wire, iterator: Callable[[list[Any]], Any], depth: int) -> tuple[Any, Any]:
    if not isinstance(wire, list) or len(wire) != 2:
        raise Unserialisable("not an item of a dictionary")
    key = decode(wire[0], iterator=iterator, depth=depth + 1)
    return _hashable([key])[0], decode(wire[1], iterator=iterator, depth=depth + 1)


def _refuse_collisions(keys: list[Any]) -> None:
    """Integers that are equal modulo 2**61 - 1 share a hash: a table of 90,000 such keys takes minutes to build."""
    if len(keys) > _SAME_HASH and max(Counter(map(hash, _hashable(keys))).values()) > _SAME_HASH:
        raise Unserialisable("keys made to collide")


def _decode_scalar(wire: list[Any], iterator: Callable[[list[Any]], Any], depth: int) -> Any:
    reader = _SCALARS.get(wire[0])
    if reader is None:
        raise Unserialisable("an unknown tag")
    try:
        return reader(*wire[1:])
    except Unserialisable:
        raise
    except (TypeError, ValueError, ArithmeticError, KeyError) as error:
        raise Unserialisable(f"a malformed value: {type(error).__name__}") from None


def _library(module: str, name: str) -> Any:
    """A class of a module that is loaded only once a value asks for it."""
    return getattr(importlib.import_module(module), name)


def _integer(text: Any) -> int:
    return int(_text(text, 1 << 30), 16)


def _small(wire: Wire) -> int:
    """An integer of a size at which gcd and division are cheap."""
    value = decode(wire)
    if type(value) is not int or value.bit_length() > _LONG_NUMBER:
        raise Unserialisable("not an integer of a sensible size")
    return value


def _optional(wire: Wire) -> int | None:
    return None if wire is None else _small(wire)


def _text(value: Any, longest: int = _LONG_NUMBER) -> str:
    if type(value) is not str or len(value) > longest:
        raise Unserialisable("not a text of a sensible size")
    return value


def _float(value: Any) -> float:
    if type(value) is not float:
        raise Unserialisable("not a float")
    return value


def _record(name: Any, fields: Any) -> Record:
    pairs = [(_text(field, 1000), decode(value)) for field, value in fields]
    return Record(_text(name, 1000), tuple(pairs))


_SCALARS: dict[str, Callable[..., Any]] = {
    "i": _integer,
    "b": lambda text: bytes.fromhex(_text(text, 1 << 30)),
    "ba": lambda text: bytearray.fromhex(_text(text, 1 << 30)),
    "c": lambda real, imaginary: complex(_float(real), _float(imaginary)),
    "r": lambda start, stop, step: range(_small(start), _small(stop), _small(step)),
    "sl": lambda start, stop, step: slice(_optional(start), _optional(stop), _optional(step)),
    "D": lambda text: _library("decimal", "Decimal")(_text(text)),
    "F": lambda numerator, denominator: _library("fractions", "Fraction")(_small(numerator), _small(denominator)),
    "dd": lambda text: _library("datetime", "date").fromisoformat(_text(text, 40)),
    "dt": lambda text: _library("datetime", "datetime").fromisoformat(_text(text, 60)),
    "tm": lambda text: _library("datetime", "time").fromisoformat(_text(text, 40)),
    "td": lambda days, seconds, micro: _library("datetime", "timedelta")(_small(days), _small(seconds), _small(micro)),
    ".": lambda: Ellipsis,
    "T": lambda name: _TYPES[_text(name, 100)],
    "E": lambda kind, name, value: Member(_text(kind, 1000), _text(name, 1000), decode(value)),
    "o": _record,
}
_TYPES: dict[str, type] = {
    kind.__name__: kind
    for kind in (int, float, str, bool, bytes, bytearray, complex, list, tuple, dict, set, frozenset, range)
} | {"NoneType": type(None)}
