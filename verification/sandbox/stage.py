"""The replay profile, seen from its zygote: a throw-away folder for each run, and a look at it afterwards.

A counterexample to a security property is replayed against real things: files, a shell, child processes. Landlock
keeps a run within its own folder and lets it execute one shell; there is no network. What a run did is read from its
folder by the zygote, once all its processes have ended; nothing that it says of itself counts.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
from typing import Any

from verification.sandbox import kernel, landlock

SHELL = "/bin/sh"
_INTERPRETER = re.compile(rb"/lib[\w./+-]*/ld[\w.+-]*\.so[\w.]*")
MOST_FILES, MOST_BYTES, _DEEPEST = 200, 1 << 14, 12
"""What is told of a folder: so many files, so much of each, and nothing deeper."""

_HIGH = 30
_FOLDERS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Stage:
    """The folders of a zygote's runs, one at a time, beneath one that the pool made."""

    def __init__(self, base: str) -> None:
        """To be made while files can still be opened."""
        self._base = base
        self._shared = _shared()
        self._number = 0
        self._renamed = 0

    def exempt(self) -> list[landlock.Exempt]:
        """What the zygote keeps for itself and its children: its base folder, the shell and what the shell loads."""
        return [*self._shared, landlock.Exempt(_path(self._base, _HIGH - 1), landlock.OWN)]

    def set(self) -> tuple[str, str]:
        """(a fresh, empty folder, a file for what is printed) for the next run."""
        self._number += 1
        folder, printed = f"{self._base}/{self._number}", f"{self._base}/{self._number}.out"
        os.mkdir(folder, 0o700)
        return folder, printed

    def enter(self, folder: str, printed: str) -> None:
        """In the child: nothing is left but this folder and the shell; what is printed goes into a file outside it."""
        os.setpgid(0, 0)  # no process of a run can leave this group, so that all can be ended together
        output = os.open(printed, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        for descriptor in (1, 2):
            os.dup2(output, descriptor)
        os.close(output)
        own = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        ruleset = landlock.ruleset([*self._shared, landlock.Exempt(own, landlock.OWN)])
        landlock.restrict(ruleset)
        for descriptor in (ruleset, own):
            os.close(descriptor)
        os.chdir(folder)

    def strike(self, folder: str, printed: str) -> dict[str, Any]:
        """What a run left behind, and what it printed; then all of it is removed. All its processes have ended."""
        files: dict[str, str | None] = {}
        top = os.open(folder, _FOLDERS)
        complete = self._look(top, "", files)
        os.close(top)
        output = _content(printed) or ""
        self._remove(folder)
        with contextlib.suppress(FileNotFoundError):  # it ended before it had anything to write to
            os.unlink(printed)
        return {"files": files, "complete": complete, "output": output}

    def _look(self, folder: int, path: str, files: dict[str, str | None], depth: int = 0) -> bool:
        """Fill in the files' contents in hexadecimal, None for what is no plain file; whether that was all."""
        complete = depth < _DEEPEST
        with os.scandir(folder) as entries:
            for entry in entries if complete else ():
                if len(files) >= MOST_FILES:
                    return False
                name = f"{path}{entry.name}"
                if entry.is_dir(follow_symlinks=False):
                    try:
                        inner = os.open(entry.name, _FOLDERS, dir_fd=folder)
                    except OSError:
                        files[name + "/"] = None
                        continue
                    files[name + "/"] = ""
                    complete &= self._look(inner, name + "/", files, depth + 1)
                    os.close(inner)
                else:
                    files[name] = _content(entry.name, folder)
        return complete

    def _remove(self, folder: str) -> None:
        """However deep it is: folders within are first moved up, so that no path grows long."""
        waiting = [folder]
        while waiting:
            current = waiting.pop()
            moved = []
            os.chmod(current, 0o700)
            with os.scandir(current) as entries:
                found = [(entry.path, entry.is_dir(follow_symlinks=False)) for entry in entries]
            for path, is_folder in found:
                if is_folder:
                    self._renamed += 1
                    moved.append(f"{self._base}/r{self._renamed}")
                    os.rename(path, moved[-1])
                else:
                    os.unlink(path)
            os.rmdir(current)
            waiting += moved


def _shared() -> list[landlock.Exempt]:
    """The shell, its dynamic linker, the folders of the libraries that this process has loaded, the null device."""
    shell = os.path.realpath(SHELL)
    with open(shell, "rb") as file:
        interpreter = _INTERPRETER.search(file.read(4096))
    wanted = {shell: landlock.RUN, "/dev/null": landlock.READ_WRITE}
    if interpreter:
        wanted[os.path.realpath(interpreter[0].decode())] = landlock.RUN
    for folder in _library_folders():
        wanted[folder] = landlock.READ
    return [landlock.Exempt(_path(path, _HIGH + n), rights) for n, (path, rights) in enumerate(wanted.items())]


def _path(path: str, place: int) -> int:
    """A descriptor for Landlock alone, out of the way of those that jobs bring."""
    low = os.open(path, os.O_PATH | os.O_CLOEXEC)
    os.dup2(low, place, inheritable=False)
    os.close(low)
    return place


def _library_folders() -> set[str]:
    """Where the C library lies; a shell needs nothing else."""
    folders = set()
    with open("/proc/self/maps") as file:
        for line in file:
            path = line.rpartition(" ")[2].strip()
            if re.fullmatch(r"(libc\.so|libc-|libc\.musl|ld-musl).*", os.path.basename(path)):
                folders.add(os.path.dirname(path))
    return folders


def _content(name: str, folder: int | None = None) -> str | None:
    """The beginning of a plain file, in hexadecimal; no link is followed, nothing is waited for."""
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    except OSError:
        return None
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        return os.read(descriptor, MOST_BYTES).hex()
    finally:
        os.close(descriptor)


def cover(base: str) -> None:
    """Where there is a mount namespace: memory of a bounded size in the folder's place, gone with the namespace."""
    flags = kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC
    kernel.mount("none", base, "tmpfs", flags, "size=16m,nr_inodes=2048,mode=0777")


def remove(base: str) -> None:
    """The end of a zygote's folder, by its watcher, who still may."""
    import shutil

    try:
        kernel.detach(base)
    except OSError:
        pass  # it was not covered
    shutil.rmtree(base, ignore_errors=True)
