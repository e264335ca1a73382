"""The filter, run by a BPF interpreter: on both architectures, though only this machine's is executed elsewhere."""

import platform
from collections.abc import Callable
from functools import cache, partial

import pytest

from verification.sandbox import seccomp
from verification.sandbox.seccomp import ALLOW, ARCHITECTURES, KILL_PROCESS

EPERM, ENOENT, EACCES, ENOTTY, ENOSYS = (0x50000 | number for number in (1, 2, 13, 25, 38))


@cache
def assembled(program: Callable[[str], list[seccomp.Instruction]], architecture: str) -> list[seccomp.Instruction]:
    return program(architecture)


def decide(
    architecture: str,
    number: int,
    *arguments: int,
    audit: int | None = None,
    program: Callable[[str], list[seccomp.Instruction]] = seccomp.program,
) -> int:
    """What the filter answers to a system call."""
    words = {0: number, 4: ARCHITECTURES[architecture][1] if audit is None else audit}
    for index in range(6):
        value = arguments[index] if index < len(arguments) else 0
        words[16 + 8 * index], words[20 + 8 * index] = value & 0xFFFFFFFF, value >> 32
    lines, accumulator, at = assembled(program, architecture), 0, 0
    while True:
        line = lines[at]
        at += 1
        if line.code == 0x20:
            accumulator = words[line.value]
        elif line.code == 0x54:
            accumulator &= line.value
        elif line.code == 0x05:
            at += line.value
        elif line.code == 0x06:
            return line.value
        else:
            holds = {
                0x15: accumulator == line.value,
                0x35: accumulator >= line.value,
                0x45: bool(accumulator & line.value),
            }
            at += line.if_true if holds[line.code] else line.if_false


def number_of(architecture: str, name: str) -> int:
    tables = (seccomp.PLAIN, seccomp.CHECKED, seccomp.NO_SUCH_FILE, seccomp.NO_SUCH_CALL)
    column = ARCHITECTURES[architecture][0]
    found = next(table[name][column] for table in tables if name in table)
    if found is None:
        pytest.skip(f"{architecture} has no {name}")
    return found


BOTH = pytest.mark.parametrize("architecture", ARCHITECTURES)
RULES = [
    ("read", (), ALLOW),
    ("exit_group", (), ALLOW),
    ("mmap", (0, 4096, 3), ALLOW),
    ("mmap", (0, 4096, 5), EACCES),
    ("mprotect", (0, 4096, 1), ALLOW),
    ("mprotect", (0, 4096, 7), EACCES),
    ("clone", (0x3D0F00,), ALLOW),
    ("clone", (0x7D0F00,), ALLOW),
    ("clone", (17,), EPERM),
    ("clone", (0x3D0F00 | 0x10000000,), EPERM),
    ("clone", (0x3D0F00 | 1 << 32,), EPERM),
    ("clone3", (), ENOSYS),
    ("openat2", (), ENOSYS),
    ("openat", (0, 0, 0o0), ENOENT),
    ("openat", (0, 0, 0o2), EACCES),
    ("openat", (0, 0, 0o101), EACCES),
    ("newfstatat", (), ENOENT),
    ("statx", (), ENOENT),
    ("open", (), ENOENT),
    ("ioctl", (0, 0x5401), ALLOW),
    ("ioctl", (0, 0x5412), ENOTTY),
    ("fcntl", (0, 3), ALLOW),
    ("fcntl", (0, 8), EPERM),
    ("socketpair", (1, 1), ALLOW),
    ("socketpair", (1, 0x80801), ALLOW),
    ("socketpair", (1, 2), EPERM),
    ("socketpair", (2, 1), EPERM),
    ("sendto", (0, 0, 0, 0, 0), ALLOW),
    ("sendto", (0, 0, 0, 0, 4096), EPERM),
    ("sendto", (0, 0, 0, 0, 1 << 32), EPERM),
    ("prlimit64", (0, 7, 0, 4096), ALLOW),
    ("prlimit64", (0, 7, 4096, 0), EPERM),
    ("prlimit64", (1, 7, 0, 4096), EPERM),
]


@BOTH
@pytest.mark.parametrize(("name", "arguments", "answer"), RULES)
def test_the_filter_answers(architecture: str, name: str, arguments: tuple[int, ...], answer: int) -> None:
    assert decide(architecture, number_of(architecture, name), *arguments) == answer


def decide_both(architecture: str, number: int, *arguments: int, audit: int | None = None) -> int:
    """What a child's two filters amount to: the stricter answer; of two refusals, the newer filter's."""
    newer = decide(architecture, number, *arguments, audit=audit, program=seccomp.for_child)
    older = decide(architecture, number, *arguments, audit=audit, program=seccomp.for_zygote)
    return older if (newer == ALLOW or older == KILL_PROCESS) else newer


@BOTH
@pytest.mark.parametrize(("name", "arguments", "answer"), RULES)
def test_a_childs_two_filters_answer_as_the_one(
    architecture: str, name: str, arguments: tuple[int, ...], answer: int
) -> None:
    assert decide_both(architecture, number_of(architecture, name), *arguments) == answer


@BOTH
def test_a_childs_two_filters_amount_to_the_one_for_every_call(architecture: str) -> None:
    arguments = ((), (17,), (0x3D0F00,), (1, 1), (0, 3), (0, 0x5401), (0, 4096, 5), (0, 0, 2, 0, 4096), (1, 7, 4096))
    for number in (*range(600), 0x40000000, 0x7FFFFFFF):
        for given in arguments:
            assert decide_both(architecture, number, *given) == decide(architecture, number, *given), (number, given)
    assert decide_both(architecture, 0, audit=0x40000003) == KILL_PROCESS


in_replay = partial(seccomp.program, replay=True)
REPLAY_RULES = [
    ("execve", (), ALLOW),
    ("openat", (0, 0, 0o101), ALLOW),
    ("clone", (17,), ALLOW),
    ("clone", (0x4111,), ALLOW),  # CLONE_VM | CLONE_VFORK
    ("clone", (0x3D0F00,), ALLOW),
    ("clone", (17 | 1 << 32,), EPERM),
    ("mmap", (0, 4096, 5), ALLOW),
    ("fcntl", (0, 6), ALLOW),
    ("fcntl", (0, 8), EPERM),
    ("socketpair", (1, 1), ALLOW),
    ("socketpair", (2, 1), EPERM),
    ("clone3", (), ENOSYS),
    *(("clone", (17 | 1 << bit,), EPERM) for bit in (7, 17, 25, 26, 27, 28, 29, 30)),
]


@BOTH
@pytest.mark.parametrize(("name", "arguments", "answer"), REPLAY_RULES)
def test_the_replay_profile_answers(architecture: str, name: str, arguments: tuple[int, ...], answer: int) -> None:
    tables = seccomp.PLAIN | seccomp.CHECKED | seccomp.NO_SUCH_CALL | seccomp.REPLAY
    number = tables[name][ARCHITECTURES[architecture][0]]
    assert number is not None

    assert decide(architecture, number, *arguments, program=in_replay) == answer


@BOTH
@pytest.mark.parametrize(
    "numbers",
    [
        (41, 198), (42, 203), (44 + 5, 200), (62, 129), (101, 117), (90, 52), (268, 53), (93, 55), (260, 54), (76, 45),
        (133, None), (259, 33), (112, 157), (109, 154), (161, 51), (165, 40), (272, 97), (308, 268), (444, 444),
        (319, 279), (322, 281), (157, 167), (188, 5), (280, 88), (46, 211),
    ],
)  # fmt: skip
def test_the_replay_profile_keeps_forbidding(architecture: str, numbers: tuple[int, int | None]) -> None:
    """Sockets, signals, ptrace, modes, owners, special files, sessions, mounts, namespaces, execveat, times."""
    number = numbers[ARCHITECTURES[architecture][0]]

    assert number is None or decide(architecture, number, program=in_replay) == EPERM


@BOTH
def test_a_replayed_childs_two_filters_amount_to_the_one(architecture: str) -> None:
    child, zygote = (partial(made, replay=True) for made in (seccomp.for_child, seccomp.for_zygote))
    for number in range(600):
        for given in ((), (17,), (1, 1), (0, 3), (0, 6), (0, 4096, 5), (0, 0, 2, 0, 4096), (1, 7, 4096)):
            newer, older = (decide(architecture, number, *given, program=made) for made in (child, zygote))
            both = older if newer == ALLOW else newer
            assert both == decide(architecture, number, *given, program=in_replay), (number, given)


@BOTH
def test_the_zygote_itself_may_not_do_much(architecture: str) -> None:
    column = ARCHITECTURES[architecture][0]
    passing = {n for n in range(600) if decide(architecture, n, program=seccomp.for_zygote) == ALLOW}
    own = {n for n in range(600) if decide(architecture, n) == ALLOW}

    assert passing - own <= {numbers[column] for numbers in seccomp.ZYGOTE.values()}
    for name, number in (("execve", (59, 221)), ("ptrace", (101, 117)), ("socket", (41, 198)), ("unshare", (272, 97))):
        assert decide(architecture, number[column], program=seccomp.for_zygote) == EPERM, name


@BOTH
def test_every_call_that_is_not_listed_is_refused(architecture: str) -> None:
    column = ARCHITECTURES[architecture][0]
    tables = (seccomp.PLAIN, seccomp.CHECKED, seccomp.NO_SUCH_FILE, seccomp.NO_SUCH_CALL)
    listed = {numbers[column] for table in tables for numbers in table.values()}

    assert {decide(architecture, number) for number in range(600) if number not in listed} == {EPERM}


@BOTH
def test_a_call_of_another_architecture_ends_the_process(architecture: str) -> None:
    assert decide(architecture, 0, audit=0x40000003) == KILL_PROCESS


def test_a_call_of_the_x32_kind_ends_the_process() -> None:
    assert decide("x86_64", 0x40000000) == KILL_PROCESS


@BOTH
def test_the_program_is_one_the_kernel_takes(architecture: str) -> None:
    lines = seccomp.program(architecture)

    assert len(lines) < 4096
    assert all(line.if_true < 256 and line.if_false < 256 for line in lines)


@BOTH
def test_the_numbers_are_the_kernels(architecture: str) -> None:
    """Against the kernel's own headers, where they are installed."""
    path = {
        "x86_64": "/usr/include/x86_64-linux-gnu/asm/unistd_64.h",
        "aarch64": "/usr/include/asm-generic/unistd.h",
    }[architecture]
    known = {}
    try:
        with open(path) as file:
            for line in file:
                words = line.replace("__NR3264_", "__NR_").split()
                if len(words) == 3 and words[1].startswith("__NR_") and words[2].isdigit():
                    known[words[1].removeprefix("__NR_")] = int(words[2])
    except OSError:
        pytest.skip(f"no kernel headers on this {platform.machine()} machine")
    if architecture == "aarch64":
        known["newfstatat"] = known["fstatat"]
    column = ARCHITECTURES[architecture][0]
    for table in (
        seccomp.PLAIN,
        seccomp.CHECKED,
        seccomp.NO_SUCH_FILE,
        seccomp.NO_SUCH_CALL,
        seccomp.ZYGOTE,
        seccomp.REPLAY,
        seccomp.STAGE,
    ):
        for name, numbers in table.items():
            assert numbers[column] == known.get(name), name
