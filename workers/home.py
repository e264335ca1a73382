"""AVAL_HOME: the one folder that holds an installation's state, secrets and logs."""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from workers.problems import Problem, explained


class InUse(Problem):
    """Another aval holds the installation."""


@dataclass(frozen=True)
class Home:
    """The folder and what lies where in it."""

    path: Path

    @classmethod
    def from_environment(cls) -> Home:
        return cls(Path(os.environ.get("AVAL_HOME") or Path.home() / ".aval").absolute())

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def runs(self) -> Path:
        return self.path / "runs"

    @property
    def static(self) -> Path:
        return self.path / "static"

    @property
    def secrets(self) -> Path:
        return self.path / "secrets"

    def prepare(self) -> None:
        """Make the folder, readable by its owner alone, and see that it can be written to."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            for folder in (self.logs, self.runs, self.secrets, self.static):
                folder.mkdir(mode=0o700, exist_ok=True)
            probe = self.path / f".writable-{os.getpid()}"
            try:
                probe.write_bytes(b"\0" * 65536)
            finally:
                probe.unlink(missing_ok=True)
        except (FileExistsError, NotADirectoryError):
            raise Problem(f"AVAL_HOME is {self.path}, which is not a folder: set it to one") from None
        except OSError as error:
            error.filename = str(self.path)
            raise explained(error) from None

    def secret(self, name: str) -> str:
        """A random secret of this installation, made when first asked for (256 bits, mode 0600)."""
        path = self.secrets / name
        partial = path.with_name(f".{name}.{os.getpid()}")
        if not path.exists():
            descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(secrets.token_urlsafe(32))
            try:
                os.link(partial, path)  # unlike rename it never replaces one that another process just made
            except FileExistsError:
                pass
            partial.unlink()
        return path.read_text().strip()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the installation; InUse when another process does."""
        with (self.path / "lock").open("a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                holder = file.read().strip() or "unknown"
                raise InUse(
                    f"{self.path} is in use by another aval (process {holder}): "
                    "stop it, or set AVAL_HOME to another folder"
                ) from None
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            yield
