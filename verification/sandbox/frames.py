"""Length-prefixed messages over a descriptor, for the confined side (blocking) and for the parent (incremental)."""

from __future__ import annotations

import _socket
import os
import struct
from collections.abc import Iterator, Sequence

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
    """The one message that is under way; EOFError when the other side has gone.

    Nobody says more than one thing at a time here: what follows a message is an error, not the next one.
    """
    data = _read(descriptor, 1 << 12)
    while len(data) < _HEADER.size:
        data += _read(descriptor, _HEADER.size)
    (length,) = _HEADER.unpack_from(data)
    left = length + _HEADER.size - len(data)
    if length > longest or left < 0:
        raise Unserialisable(f"a message of {length} bytes, or more than a message")
    if left:
        parts = [data]
        while left:
            parts.append(_read(descriptor, min(left, 1 << 20)))
            left -= len(parts[-1])
        data = b"".join(parts)
    return loads(data[_HEADER.size :])


def send_descriptors(channel: _socket.socket, data: bytes, descriptors: Sequence[int]) -> None:
    """socket.send_fds, without what that module loads."""
    packed = struct.pack(f"{len(descriptors)}i", *descriptors)
    channel.sendmsg([data], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, packed)])


def receive_descriptors(channel: _socket.socket, size: int, most: int) -> tuple[bytes, list[int]]:
    """socket.recv_fds: (data, descriptors), which close when a program is executed."""
    data, ancillary, _, _ = channel.recvmsg(size, _socket.CMSG_SPACE(4 * most), _socket.MSG_CMSG_CLOEXEC)
    descriptors: list[int] = []
    for level, kind, packed in ancillary:
        if (level, kind) == (_socket.SOL_SOCKET, _socket.SCM_RIGHTS):
            descriptors += struct.unpack(f"{len(packed) // 4}i", packed)
    return data, descriptors


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


def _read(descriptor: int, most: int) -> bytes:
    data = os.read(descriptor, most)
    if not data:
        raise EOFError("the other side has gone")
    return data
