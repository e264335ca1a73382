"""Landlock (Linux 5.13): no file may be touched, no TCP port bound or reached, no abstract socket, no signal sent out.

The rule set is empty: whatever the running kernel's version can restrict is denied everywhere. Numbers are from
linux/landlock.h. Metadata (stat) is outside Landlock's reach; the seccomp filter takes care of that.
"""

from __future__ import annotations

import ctypes

from verification.sandbox import kernel

_CREATE, _RESTRICT = 444, 446
_QUERY_VERSION = 1
_FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}  # version: how many of the access bits it knows
_TCP_RIGHTS = 0b11  # bind, connect (version 4)
_SCOPES = 0b11  # abstract unix sockets, signals (version 6)


class _RulesetAttributes(ctypes.Structure):
    _fields_ = [("files", ctypes.c_uint64), ("network", ctypes.c_uint64), ("scoped", ctypes.c_uint64)]


def version() -> int:
    """The kernel's Landlock version, 0 where it is missing or switched off."""
    try:
        return kernel.syscall(_CREATE, None, ctypes.c_size_t(0), ctypes.c_uint32(_QUERY_VERSION))
    except OSError:
        return 0


def ruleset() -> int:
    """A descriptor of a rule set that denies all that this kernel's version can deny."""
    known = version()
    attributes = _RulesetAttributes(
        files=(1 << _FILE_RIGHTS.get(known, 16)) - 1,
        network=_TCP_RIGHTS if known >= 4 else 0,
        scoped=_SCOPES if known >= 6 else 0,
    )
    size = 24 if known >= 6 else 16 if known >= 4 else 8
    return kernel.syscall(_CREATE, ctypes.byref(attributes), ctypes.c_size_t(size), ctypes.c_uint32(0))


def restrict(descriptor: int) -> None:
    """Confine this process, on top of what confines it already; needs no_new_privs."""
    kernel.syscall(_RESTRICT, ctypes.c_int(descriptor), ctypes.c_uint32(0))
