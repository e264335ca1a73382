"""The system calls a tested program may make, as a BPF filter (seccomp(2)); anything else fails with EPERM.

There is no file system in it: no call that takes a path is allowed. Python's modules come from memory (`stdlib`).
The replay profile adds files, processes and a shell to it, which Landlock keeps within one folder; no sockets.
The aarch64 table is checked by a BPF interpreter in the tests and has not been executed on such a machine.
"""

from __future__ import annotations

import ctypes
import errno
import struct
from collections.abc import Callable, Iterator
from typing import NamedTuple

from verification.sandbox import kernel

# fmt: off
# name: (x86_64, aarch64), None where the architecture has no such call. From asm/unistd_64.h and asm-generic/unistd.h.
PLAIN: dict[str, tuple[int | None, int | None]] = {
    "read": (0, 63), "write": (1, 64), "readv": (19, 65), "writev": (20, 66), "close": (3, 57), "fstat": (5, 80),
    "lseek": (8, 62), "munmap": (11, 215), "brk": (12, 214), "mremap": (25, 216), "madvise": (28, 233),
    "rt_sigaction": (13, 134), "rt_sigprocmask": (14, 135), "rt_sigreturn": (15, 139), "sigaltstack": (131, 132),
    "rt_sigpending": (127, 136), "rt_sigsuspend": (130, 133), "rt_sigtimedwait": (128, 137), "pause": (34, None),
    "alarm": (37, None), "getitimer": (36, 102), "setitimer": (38, 103), "restart_syscall": (219, 128),
    "poll": (7, None), "ppoll": (271, 73), "select": (23, None), "pselect6": (270, 72), "sched_yield": (24, 124),
    "epoll_create1": (291, 20), "epoll_ctl": (233, 21), "epoll_wait": (232, None), "epoll_pwait": (281, 22),
    "dup": (32, 23), "dup2": (33, None), "dup3": (292, 24), "pipe": (22, None), "pipe2": (293, 59),
    "nanosleep": (35, 101), "clock_nanosleep": (230, 115), "clock_gettime": (228, 113), "clock_getres": (229, 114),
    "gettimeofday": (96, 169), "time": (201, None), "times": (100, 153), "getrusage": (98, 165),
    "getpid": (39, 172), "gettid": (186, 178), "getppid": (110, 173), "getuid": (102, 174), "geteuid": (107, 175),
    "getgid": (104, 176), "getegid": (108, 177), "getpgrp": (111, None), "getgroups": (115, 158),
    "uname": (63, 160), "sysinfo": (99, 179), "getcwd": (79, 17), "getrlimit": (97, 163), "getcpu": (309, 168),
    "sched_getaffinity": (204, 123), "futex": (202, 98), "set_robust_list": (273, 99), "rseq": (334, 293),
    "membarrier": (324, 283), "getrandom": (318, 278), "exit": (60, 93), "exit_group": (231, 94),
    "recvfrom": (45, 207), "shutdown": (48, 210), "getsockname": (51, 204), "getpeername": (52, 205),
    "eventfd2": (290, 19), "close_range": (436, 436),
}
# Looking for a file finds none, as in an empty folder; to open one for writing is refused (see `_rules`).
NO_SUCH_FILE: dict[str, tuple[int | None, int | None]] = {
    "open": (2, None), "stat": (4, None), "lstat": (6, None), "newfstatat": (262, 79), "statx": (332, 291),
    "access": (21, None), "faccessat": (269, 48), "faccessat2": (439, 439), "readlink": (89, None),
    "readlinkat": (267, 78),
}
# glibc falls back to an older call, whose arguments a filter can read.
NO_SUCH_CALL: dict[str, tuple[int | None, int | None]] = {"clone3": (435, 435), "openat2": (437, 437)}
CHECKED: dict[str, tuple[int | None, int | None]] = {
    "mmap": (9, 222), "mprotect": (10, 226), "clone": (56, 220), "ioctl": (16, 29), "fcntl": (72, 25),
    "socketpair": (53, 199), "sendto": (44, 206), "prlimit64": (302, 261), "openat": (257, 56),
}
# What the zygote does beside, and each child until it has taken this away from itself: start processes, wait for them,
# hand over descriptors, set limits, and try (in vain, that is the self-attack) to get at files.
ZYGOTE: dict[str, tuple[int | None, int | None]] = {
    "clone": (56, 220), "wait4": (61, 260), "kill": (62, 129), "pidfd_open": (434, 434), "sendmsg": (46, 211),
    "recvmsg": (47, 212), "prctl": (157, 167), "prlimit64": (302, 261), "open": (2, None), "openat": (257, 56),
    "getdents64": (217, 61), "mkdir": (83, None), "mkdirat": (258, 34),
}
# The replay profile: a program may start processes and use the files that Landlock leaves it. Calls that Landlock does
# not look at (chmod, chown, truncate by path, extended attributes, special files) stay forbidden, as do new sessions.
REPLAY: dict[str, tuple[int | None, int | None]] = {
    "execve": (59, 221), "fork": (57, None), "vfork": (58, None), "wait4": (61, 260), "waitid": (247, 95),
    "open": (2, None), "openat": (257, 56), "stat": (4, None), "lstat": (6, None), "newfstatat": (262, 79),
    "statx": (332, 291), "access": (21, None), "faccessat": (269, 48), "faccessat2": (439, 439), "readlink": (89, None),
    "readlinkat": (267, 78), "getdents64": (217, 61), "chdir": (80, 49), "fchdir": (81, 50), "mkdir": (83, None),
    "mkdirat": (258, 34), "rmdir": (84, None), "unlink": (87, None), "unlinkat": (263, 35), "rename": (82, None),
    "renameat": (264, 38), "renameat2": (316, 276), "symlink": (88, None), "symlinkat": (266, 36),
    "ftruncate": (77, 46), "pread64": (17, 67), "pwrite64": (18, 68), "fsync": (74, 82), "fdatasync": (75, 83),
    "umask": (95, 166), "getpgid": (121, 155), "getresuid": (118, 148), "getresgid": (120, 150),
    "set_tid_address": (218, 96), "arch_prctl": (158, None), "mmap": (9, 222), "mprotect": (10, 226),
}
# Beside ZYGOTE's: what sets up a replay.
STAGE: dict[str, tuple[int | None, int | None]] = {
    "landlock_create_ruleset": (444, 444), "landlock_add_rule": (445, 445), "landlock_restrict_self": (446, 446),
    "setpgid": (109, 154), "chmod": (90, None), "fchmodat": (268, 53),
}
# fmt: on

THREAD_FLAGS = (0x3D0F00, 0x7D0F00)  # what glibc's and musl's pthread_create pass to clone, and nothing else
IOCTLS = (0x5401, 0x541B, 0x5421, 0x5450, 0x5451)  # TCGETS (isatty), FIONREAD, FIONBIO, FIONCLEX, FIOCLEX
FCNTLS = (0, 1, 2, 3, 4, 1030)  # F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_DUPFD_CLOEXEC
LOCKS = (5, 6, 7, 36, 37, 38)  # F_GETLK, F_SETLK, F_SETLKW and their kind for open file descriptions
NEW_NAMESPACES = 0x7E020080  # any CLONE_NEW* of clone(2)
PROT_EXEC = 4
WRITING = 0o1 | 0o2 | 0o100 | 0o1000  # O_WRONLY, O_RDWR, O_CREAT, O_TRUNC
UNIX_STREAM = (1, 1)  # AF_UNIX, SOCK_STREAM

ALLOW = 0x7FFF0000
KILL_PROCESS = 0x80000000
X32_BIT = 0x40000000
ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}

_LOAD, _JUMP, _JEQ, _JGE, _JSET, _AND, _RETURN = 0x20, 0x05, 0x15, 0x35, 0x45, 0x54, 0x06
_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 22, 2


class Instruction(NamedTuple):
    """One BPF instruction; the two jumps count instructions to skip."""

    code: int
    value: int
    if_true: int = 0
    if_false: int = 0

    def pack(self) -> bytes:
        return struct.pack("=HBBI", self.code, self.if_true, self.if_false, self.value)


def program(architecture: str, *, replay: bool = False) -> list[Instruction]:
    """What holds for a tested program: foreign calls kill, listed ones pass, the rest gets EPERM."""
    return _entry(architecture) + _tree(sorted(_answers(architecture, replay).items()), _fail(errno.EPERM))


def for_zygote(architecture: str, *, replay: bool = False) -> list[Instruction]:
    """The same, and the zygote's own calls pass. Children are born with it."""
    answers = _answers(architecture, replay)
    for number in _zygotes(architecture, replay):
        answers[number] = [Instruction(_RETURN, ALLOW)]
    return _entry(architecture) + _tree(sorted(answers.items()), _fail(errno.EPERM))


def for_child(architecture: str, *, replay: bool = False) -> list[Instruction]:
    """What is left to take away from a child: with `for_zygote` it amounts to `program`, and is short.

    The kernel compiles a filter where it is installed, and tries it on every call there is: 0.2 ms for the whole one.
    """
    answers = _answers(architecture, replay)
    left = {number: answers.get(number, [_fail(errno.EPERM)]) for number in _zygotes(architecture, replay)}
    return _entry(architecture) + _tree(sorted(left.items()), Instruction(_RETURN, ALLOW))


class _SockFprog(ctypes.Structure):
    _fields_ = [("len", ctypes.c_ushort), ("filter", ctypes.c_void_p)]


class Filter:
    """A filter for this machine, assembled once."""

    def __init__(self, instructions: Callable[..., list[Instruction]], *, replay: bool = False) -> None:
        machine = kernel.MACHINE
        if machine not in ARCHITECTURES:
            raise OSError(f"no system call table for {machine}: only {', '.join(ARCHITECTURES)} are supported")
        packed = b"".join(instruction.pack() for instruction in instructions(machine, replay=replay))
        self._buffer = ctypes.create_string_buffer(packed, len(packed))
        self._program = _SockFprog(len(packed) // 8, ctypes.addressof(self._buffer))
        self._prctl = ctypes.CDLL(None).prctl
        self._arguments = (
            ctypes.c_int(_PR_SET_SECCOMP),
            ctypes.c_ulong(_SECCOMP_MODE_FILTER),
            ctypes.c_void_p(ctypes.addressof(self._program)),
            ctypes.c_ulong(0),
            ctypes.c_ulong(0),
        )

    def install(self) -> None:
        """Confine this process for good; needs no_new_privs."""
        if self._prctl(*self._arguments) != 0:
            raise OSError("the kernel refused the seccomp filter")


def _entry(architecture: str) -> list[Instruction]:
    _, audit = ARCHITECTURES[architecture]
    lines = [Instruction(_LOAD, 4), Instruction(_JEQ, audit, 1, 0), Instruction(_RETURN, KILL_PROCESS)]
    lines.append(Instruction(_LOAD, 0))
    if architecture == "x86_64":
        lines += [Instruction(_JGE, X32_BIT, 0, 1), Instruction(_RETURN, KILL_PROCESS)]
    return lines


def _zygotes(architecture: str, replay: bool) -> list[int]:
    """The numbers of what a zygote may do beside what its children may."""
    column = ARCHITECTURES[architecture][0]
    table = ZYGOTE | STAGE if replay else ZYGOTE
    return [number for numbers in table.values() if (number := numbers[column]) is not None]


def _answers(architecture: str, replay: bool) -> dict[int, list[Instruction]]:
    """What follows each call that is known: instructions that end in a return."""
    column = ARCHITECTURES[architecture][0]
    found: dict[int, list[Instruction]] = {}
    tables: list[tuple[dict[str, tuple[int | None, int | None]], Callable[[str], list[Instruction]]]] = [
        (PLAIN, lambda _: [Instruction(_RETURN, ALLOW)]),
        (CHECKED, lambda name: list(_rules(name, replay))),
        (NO_SUCH_FILE, lambda _: [_fail(errno.ENOENT)]),
        (NO_SUCH_CALL, lambda _: [_fail(errno.ENOSYS)]),
    ]
    if replay:
        tables.append((REPLAY, lambda _: [Instruction(_RETURN, ALLOW)]))
    for table, answer in tables:
        for name, numbers in table.items():
            number = numbers[column]
            if number is not None:
                found[number] = answer(name)
    return found


def _tree(answers: list[tuple[int, list[Instruction]]], otherwise: Instruction) -> list[Instruction]:
    """A binary search: the kernel tries a new filter on every call there is, so a long chain is dear at each fork."""
    if len(answers) == 1:
        number, answer = answers[0]
        return [Instruction(_JEQ, number, 1, 0), otherwise, *answer]
    middle = len(answers) // 2
    below, rest = _tree(answers[:middle], otherwise), _tree(answers[middle:], otherwise)
    return [Instruction(_JGE, answers[middle][0], 0, 1), Instruction(_JUMP, len(below)), *below, *rest]


def _fail(error: int) -> Instruction:
    return Instruction(_RETURN, 0x00050000 | error)


def _argument(index: int, *, high: bool = False) -> Instruction:
    return Instruction(_LOAD, 16 + 8 * index + (4 if high else 0))


def _one_of(index: int, values: tuple[int, ...], otherwise: int) -> Iterator[Instruction]:
    yield _argument(index)
    for value in values:
        yield from (Instruction(_JEQ, value, 0, 1), Instruction(_RETURN, ALLOW))
    yield _fail(otherwise)


def _zero_pointer(index: int) -> Iterator[Instruction]:
    for high in (False, True):
        yield from (_argument(index, high=high), Instruction(_JEQ, 0, 1, 0), _fail(errno.EPERM))


def _rules(name: str, replay: bool) -> Iterator[Instruction]:
    """Instructions that end in a return: what the call's arguments must be."""
    if name in ("mmap", "mprotect"):
        yield from (_argument(2), Instruction(_JSET, PROT_EXEC, 0, 1), _fail(errno.EACCES), Instruction(_RETURN, ALLOW))
    elif name == "clone":
        yield from (_argument(0, high=True), Instruction(_JEQ, 0, 1, 0), _fail(errno.EPERM))
        if replay:
            yield from (_argument(0), Instruction(_JSET, NEW_NAMESPACES, 0, 1), _fail(errno.EPERM))
            yield Instruction(_RETURN, ALLOW)
        else:
            yield from _one_of(0, THREAD_FLAGS, errno.EPERM)
    elif name == "ioctl":
        yield from _one_of(1, IOCTLS, errno.ENOTTY)
    elif name == "fcntl":
        yield from _one_of(1, FCNTLS + LOCKS if replay else FCNTLS, errno.EPERM)
    elif name == "socketpair":
        yield from (_argument(0), Instruction(_JEQ, UNIX_STREAM[0], 1, 0), _fail(errno.EPERM))
        yield from (_argument(1), Instruction(_AND, 0xFFFFFFFF ^ 0x80800))  # without SOCK_CLOEXEC, SOCK_NONBLOCK
        yield from (Instruction(_JEQ, UNIX_STREAM[1], 1, 0), _fail(errno.EPERM), Instruction(_RETURN, ALLOW))
    elif name == "sendto":
        yield from _zero_pointer(4)
        yield Instruction(_RETURN, ALLOW)
    elif name == "prlimit64":
        yield from (_argument(0), Instruction(_JEQ, 0, 1, 0), _fail(errno.EPERM))
        yield from _zero_pointer(2)
        yield Instruction(_RETURN, ALLOW)
    elif name == "openat":
        yield from (_argument(2), Instruction(_JSET, WRITING, 0, 1), _fail(errno.EACCES), _fail(errno.ENOENT))
    else:
        raise ValueError(f"no rule for {name}")
