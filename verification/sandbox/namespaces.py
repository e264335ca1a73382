"""Namespaces as depth: an empty root, no network, no other processes, where the machine allows them."""

from __future__ import annotations

import os

from verification.sandbox import kernel

_ALL = (
    kernel.CLONE_NEWNS
    | kernel.CLONE_NEWPID
    | kernel.CLONE_NEWNET
    | kernel.CLONE_NEWIPC
    | kernel.CLONE_NEWUTS
    | kernel.CLONE_NEWCGROUP
)
_MOUNT_POINTS = ("/tmp", "/var/tmp", "/mnt", "/dev/shm")  # noqa: S108 - covered by our own empty mount, not written to
_INSIDE_ID = 65534


def possible() -> str:
    """Empty when a throw-away child could enter and leave its root behind; else the reason."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        _try(writer)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        answer = pipe.read().decode(errors="replace")
    os.waitpid(child, 0)
    return "" if answer == "ok" else answer or "the trial process died"


def enter() -> None:
    """New namespaces for this process and its children; the next child is process 1 of the new process namespace."""
    user, group = os.geteuid(), os.getegid()
    if user == 0:
        kernel.unshare(_ALL)
    else:
        kernel.unshare(kernel.CLONE_NEWUSER | _ALL)
        for name, line in (
            ("setgroups", "deny"),
            ("uid_map", f"{_INSIDE_ID} {user} 1"),
            ("gid_map", f"{_INSIDE_ID} {group} 1"),
        ):
            with open(f"/proc/self/{name}", "w") as file:
                file.write(line)
    kernel.mount(None, "/", None, kernel.MS_REC | kernel.MS_PRIVATE)  # before any mount, or the host would see it


def leave_root() -> None:
    """Replace the root by an empty folder that can't be written to. What is open stays open."""
    here = next((path for path in _MOUNT_POINTS if os.path.isdir(path)), "/")
    kernel.mount("none", here, "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, "size=4k,nr_inodes=4,mode=0555")
    os.chdir(here)
    kernel.pivot_root_here()
    kernel.detach(".")
    os.chdir("/")
    read_only = kernel.MS_REMOUNT | kernel.MS_RDONLY | kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC
    kernel.mount("none", "/", "tmpfs", read_only, "size=4k,nr_inodes=4,mode=0555")


def _try(writer: int) -> None:
    """The child of `possible`: goes all the way, says how it went, ends."""
    answer = "ok"
    try:
        enter()
        child = os.fork()
        if child == 0:
            _try_root(writer)
        _, status = os.waitpid(child, 0)
        if status != 0:
            os._exit(0)
    except OSError as error:
        answer = f"the kernel denies them ({error.strerror})"
    os.write(writer, answer.encode())
    os._exit(0)


def _try_root(writer: int) -> None:
    try:
        leave_root()
    except OSError as error:
        os.write(writer, f"the kernel denies an own root ({error.strerror})".encode())
        os._exit(1)
    os._exit(0)
