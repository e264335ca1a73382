"""The raw system calls that the standard library does not offer (ctypes; x86_64 and aarch64 share these numbers)."""

from __future__ import annotations

import ctypes
import os

CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC = 0x00020000, 0x02000000, 0x04000000, 0x08000000
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT = 1, 2, 4, 8, 32
MS_REC, MS_PRIVATE = 0x4000, 1 << 18
MNT_DETACH = 2

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_CHILD_SUBREAPER, _PR_SET_NO_NEW_PRIVS = 1, 4, 36, 38
_CAPSET = {"x86_64": 126, "aarch64": 91}
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
_CAPABILITY_VERSION = 0x20080522

MACHINE = os.uname().machine
SIGKILL = 9

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long
_ZERO = ctypes.c_ulong(0)
_DIE_WITH_PARENT = ctypes.c_int(_PR_SET_PDEATHSIG), ctypes.c_ulong(SIGKILL), _ZERO, _ZERO, _ZERO
"""Made beforehand, for each fork calls it."""


def syscall(number: int, *arguments: object) -> int:
    """A system call by number; raises OSError as the library's own wrappers do."""
    return _checked(_libc.syscall(ctypes.c_long(number), *arguments))


def set_no_new_privileges() -> None:
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)


def die_with_parent(parent: int) -> None:
    """SIGKILL when the parent ends; it may have ended before this call, hence the check of its process id."""
    _checked(_libc.prctl(*_DIE_WITH_PARENT))
    if os.getppid() != parent:
        os._exit(1)


def adopt_orphans() -> None:
    """Processes whose parent ended become this process's children, to be waited for."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def hide_memory() -> None:
    """Undumpable: no other process of this user may trace it or open its /proc files."""
    _prctl(_PR_SET_DUMPABLE, 0)


def trim_heap() -> None:
    """Give free pages back, so that no fork has to carry them (glibc only)."""
    if hasattr(_libc, "malloc_trim"):
        _libc.malloc_trim(ctypes.c_size_t(0))


def unshare(flags: int) -> None:
    _checked(_libc.unshare(ctypes.c_int(flags)))


def mount(source: str | None, target: str, kind: str | None, flags: int, options: str | None = None) -> None:
    encoded = [text.encode() if text is not None else None for text in (source, target, kind)]
    data = options.encode() if options is not None else None
    _checked(_libc.mount(*encoded, ctypes.c_ulong(flags), data))


def detach(target: str) -> None:
    _checked(_libc.umount2(target.encode(), ctypes.c_int(MNT_DETACH)))


def pivot_root_here() -> None:
    """Make the current folder, which must be a mount, the root; the old root is stacked on top, to be detached."""
    syscall(_PIVOT_ROOT[MACHINE], b".", b".")


def drop_capabilities() -> None:
    """Empty the effective, permitted and inheritable sets of this process."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)
    nothing = (ctypes.c_uint32 * 6)()
    syscall(_CAPSET[MACHINE], ctypes.byref(header), ctypes.byref(nothing))


def _prctl(option: int, value: int) -> None:
    _checked(_libc.prctl(ctypes.c_int(option), ctypes.c_ulong(value), _ZERO, _ZERO, _ZERO))


def _checked(result: int) -> int:
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return result
