"""Length-prefixed messages over a descriptor, for the confined side (blocking) and for the parent (incremental)."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator

from verification.sandbox.codec import Unserialisable, Wire, dumps, loads
from verification.sandbox.protocol import FAILED, READY

_HEADER = struct.Struct(">I")


def pack(wire: Wire) -> bytes:
    body = dumps(wire)
    return _HEADER.pack(len(body)) + body


def write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def send(descriptor: int, wire: Wire) -> None:
    write_all(descriptor, pack(wire))


def receive(descriptor: int, longest: int = 1 << 30) -> Wire:
    """The next message; EOFError when the other side has gone."""
    (length,) = _HEADER.unpack(_read_exactly(descriptor, _HEADER.size))
    if length > longest:
        raise Unserialisable(f"a message of {length} bytes")
    return loads(_read_exactly(descriptor, length))


class Splitter:
    """Bytes in, messages out; holds at most what it was told the sender may say in all."""

    def __init__(self, longest: int) -> None:
        self._buffer = bytearray()
        self._left = longest
        self.overrun = False
        self.confined = False
        """Whether the handshake has come, which nothing that follows can take back."""

    def feed(self, data: bytes) -> None:
        if self.overrun:
            return
        self._buffer += data
        if not self.confined and self._buffer.startswith(READY):
            self.confined = True
            del self._buffer[: len(READY)]
        self._left -= len(data)
        if self._left < 0:
            self.overrun = True
            self._buffer.clear()

    def failure(self) -> str:
        """Why the process could not be confined, as far as it could say."""
        if self._buffer.startswith(FAILED):
            return self._buffer[len(FAILED) :].decode(errors="replace")
        return "it ended before it was confined"

    def messages(self) -> Iterator[Wire]:
        """All complete messages; an incomplete one is left. A malformed one raises Unserialisable."""
        start = 0
        while len(self._buffer) - start >= _HEADER.size:
            (length,) = _HEADER.unpack_from(self._buffer, start)
            end = start + _HEADER.size + length
            if end > len(self._buffer):
                break
            yield loads(bytes(self._buffer[start + _HEADER.size : end]))
            start = end
        del self._buffer[:start]


def _read_exactly(descriptor: int, length: int) -> bytes:
    parts = []
    while length:
        part = os.read(descriptor, min(length, 1 << 20))
        if not part:
            raise EOFError("the other side has gone")
        parts.append(part)
        length -= len(part)
    return b"".join(parts)
