"""Attempts of ours to get out, made from a confined process; each says whether it was stopped (run at every start)."""

from __future__ import annotations

import _socket
import ctypes
import os
import sys
from collections.abc import Callable

from verification.sandbox import kernel

_MMAP = {"x86_64": 9, "aarch64": 222}

_FORBIDDEN_CALLS = {  # name: (x86_64, aarch64)
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "io_uring_setup": (425, 425),
    "bpf": (321, 280),
    "keyctl": (250, 219),
    "userfaultfd": (323, 282),
    "perf_event_open": (298, 241),
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "chroot": (161, 51),
    "memfd_create": (319, 279),
    "open_by_handle_at": (304, 265),
    "pidfd_getfd": (438, 438),
    "init_module": (175, 105),
    "setuid": (105, 146),
    "personality": (135, 92),
    "prctl": (157, 167),
    "name_to_handle_at": (303, 264),
    "sendmsg": (46, 211),
    "setrlimit": (160, 164),
}


def against_files() -> list[tuple[str, bool]]:
    """(attempt, stopped?) against Landlock or the empty root alone, before the seccomp filter is installed."""
    return [
        ("read a file", _stopped(lambda: open(sys.executable, "rb").read(1))),
        ("read /etc/passwd", _stopped(lambda: open("/etc/passwd").read())),
        ("list the root", _stopped(_list_root)),
        ("write to /tmp", _stopped(lambda: os.open("/tmp/escaped", os.O_CREAT | os.O_WRONLY))),  # noqa: S108
        ("write to /dev/shm", _stopped(lambda: os.open("/dev/shm/escaped", os.O_CREAT | os.O_WRONLY))),  # noqa: S108
        ("make a folder", _stopped(lambda: os.mkdir("/tmp/escaped-folder"))),  # noqa: S108
        ("read another process", _stopped(lambda: open(f"/proc/{os.getppid()}/environ").read())),
    ]


def against_calls(*, replay: bool) -> list[tuple[str, bool]]:
    """(attempt, stopped?) against the seccomp filter, with all else in place. A replay may do some of it."""
    column = 0 if kernel.MACHINE == "x86_64" else 1
    attempts: dict[str, Callable[[], object]] = {
        "signal another process": lambda: os.kill(os.getppid(), 18),
        "open a socket": lambda: _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM),
        "open a unix socket": lambda: _socket.socket(_socket.AF_UNIX, _socket.SOCK_DGRAM),
        "open a file": lambda: os.open(sys.executable, os.O_RDONLY),
        "run an interpreter": lambda: os.execv(sys.executable, [sys.executable, "-c", ""]),  # noqa: S606
    }
    if not replay:
        attempts |= {
            "fork": _fork,
            "run a shell": lambda: os.execv("/bin/sh", ["sh", "-c", ":"]),  # noqa: S606
            "ask for metadata": lambda: os.stat("/"),
            "map executable memory": _map_executable,
        }
    found = [(name, _stopped(attempt)) for name, attempt in attempts.items()]
    for name, numbers in _FORBIDDEN_CALLS.items():
        found.append((name, _denied(numbers[column])))
    return found


def _stopped(attempt: Callable[[], object]) -> bool:
    try:
        attempt()
    except OSError:
        return True
    return False


def _list_root() -> None:
    if not os.listdir("/"):
        raise FileNotFoundError("an empty root")


def _fork() -> None:
    if os.fork() == 0:
        os._exit(0)


def _map_executable() -> None:
    read_execute, private_anonymous, none = 5, 0x22, ctypes.c_long(-1)
    size, zero = ctypes.c_size_t(4096), ctypes.c_long(0)
    kernel.syscall(_MMAP[kernel.MACHINE], zero, size, read_execute, private_anonymous, none, zero)


def _denied(number: int) -> bool:
    """Whether the filter, rather than a check of these senseless arguments, ends the call: it says EPERM."""
    nothing = ctypes.c_long(0)
    try:
        kernel.syscall(number, nothing, nothing, nothing, nothing, nothing)
    except OSError as error:
        return error.errno == 1
    return False
