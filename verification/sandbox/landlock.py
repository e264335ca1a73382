"""Landlock (Linux 5.13): no file may be touched, no TCP port bound or reached, no abstract socket, no signal sent out.

The rule set is empty: whatever the running kernel's version can restrict is denied everywhere. The replay profile names
the few exceptions: its folder, its shell. Numbers are from linux/landlock.h. Metadata (stat) is outside Landlock's
reach; the seccomp filter takes care of that, except in the replay profile.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterable
from typing import NamedTuple

from verification.sandbox import kernel

_CREATE, _ADD_RULE, _RESTRICT = 444, 445, 446
_PATH_BENEATH = 1
_QUERY_VERSION = 1
_FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}  # version: how many of the access bits it knows
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR, _REMOVE_DIR, _REMOVE_FILE = (1 << bit for bit in range(6))
_MAKE_DIR, _MAKE_REG, _MAKE_SYM, _REFER, _TRUNCATE = (1 << bit for bit in (7, 8, 12, 13, 14))
READ = _READ_FILE
READ_WRITE = _READ_FILE | _WRITE_FILE
RUN = _READ_FILE | _EXECUTE
OWN = READ_WRITE | _READ_DIR | _REMOVE_DIR | _REMOVE_FILE | _MAKE_DIR | _MAKE_REG | _MAKE_SYM | _REFER | _TRUNCATE
_TCP_RIGHTS = 0b11  # bind, connect (version 4)
_SCOPES = 0b11  # abstract unix sockets, signals (version 6)


class Exempt(NamedTuple):
    """A file, or all that is beneath a folder, and what may be done with it."""

    descriptor: int
    rights: int


class _RulesetAttributes(ctypes.Structure):
    _fields_ = [("files", ctypes.c_uint64), ("network", ctypes.c_uint64), ("scoped", ctypes.c_uint64)]


def version() -> int:
    """The kernel's Landlock version, 0 where it is missing or switched off."""
    try:
        return kernel.syscall(_CREATE, None, ctypes.c_size_t(0), ctypes.c_uint32(_QUERY_VERSION))
    except OSError:
        return 0


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = [("rights", ctypes.c_uint64), ("descriptor", ctypes.c_int32)]


def ruleset(exempt: Iterable[Exempt] = ()) -> int:
    """A descriptor of a rule set that denies all that this kernel's version can deny, but for what is exempt."""
    known = version()
    handled = (1 << _FILE_RIGHTS.get(known, 16)) - 1
    attributes = _RulesetAttributes(
        files=handled, network=_TCP_RIGHTS if known >= 4 else 0, scoped=_SCOPES if known >= 6 else 0
    )
    size = 24 if known >= 6 else 16 if known >= 4 else 8
    made = kernel.syscall(_CREATE, ctypes.byref(attributes), ctypes.c_size_t(size), ctypes.c_uint32(0))
    for one in exempt:
        rule = _PathBeneath(one.rights & handled, one.descriptor)
        arguments = ctypes.c_int(made), ctypes.c_int(_PATH_BENEATH), ctypes.byref(rule), ctypes.c_uint32(0)
        kernel.syscall(_ADD_RULE, *arguments)
    return made


def restrict(descriptor: int) -> None:
    """Confine this process, on top of what confines it already; needs no_new_privs."""
    kernel.syscall(_RESTRICT, ctypes.c_int(descriptor), ctypes.c_uint32(0))
