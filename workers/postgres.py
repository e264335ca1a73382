"""An embedded PostgreSQL: a wheel's binaries under our own launcher.

The server listens on a unix socket alone and asks for scram passwords that are kept in AVAL_HOME.
PostgreSQL refuses to run as root, so root's server runs as an existing unprivileged user. That user
can't pass through AVAL_HOME's parents (``/root`` is closed to it), and opening those up would be
wrong; instead the server inherits its folders as open descriptors and knows them as
``/proc/self/fd/N``. Nothing outside AVAL_HOME changes its mode and no user is created.

The server outlives a parent that was killed; the next start adopts it.
"""

from __future__ import annotations

import errno
import hashlib
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql

from workers import binaries
from workers.binaries import MAJOR
from workers.home import Home
from workers.problems import Problem, explained
from workers.processes import dying_with

ADMIN, OWNER, APP, BROKER = "aval_admin", "aval_owner", "aval_app", "aval_broker"
DATABASE, BROKER_DATABASE = "aval", "aval_broker"

_PORT = 5432  # only a part of the socket's name: nothing listens on TCP
_LONGEST_SOCKET = 107  # bytes, sockaddr_un less its final zero
_UNPRIVILEGED = ("postgres", "nobody")
_SERVER_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0600",
    "shared_buffers": "64MB",
    "max_connections": "200",
    # The passwords are random, so stretching them adds nothing; every page opens a connection.
    "scram_iterations": "256",
    "password_encryption": "scram-sha-256",
    # Parallel queries need shared memory, of which containers have little.
    "max_parallel_workers_per_gather": "0",
    "log_min_messages": "warning",
    "log_checkpoints": "off",
}


@dataclass(frozen=True)
class Account:
    """Whom the server runs as when we are root."""

    uid: int
    gid: int


class Postgres:
    """The server of one AVAL_HOME."""

    def __init__(
        self, home: Home, *, settings: Mapping[str, str] | None = None, dies_with_parent: bool = False
    ) -> None:
        self.home = home
        self.data = home.path / "postgres"
        self.log = home.logs / "postgres.log"
        self.settings = {**_SERVER_SETTINGS, **(settings or {})}
        self.dies_with_parent = dies_with_parent
        self.account = _account(self.data)
        self.sockets = _socket_folder(home)
        self._process: subprocess.Popen[bytes] | None = None  # None for an adopted server

    def start(self, *, timeout: float = 60.0) -> bool:
        """Start the server, or adopt the one that already serves this folder (then True)."""
        self.home.prepare()
        self._prepare_sockets()
        pid = self.pid()
        if pid is None:
            if not self.data.exists():
                self._initialise()
            self._check_version()
            self._launch_and_wait(timeout)
        else:
            self._wait(None, timeout)
        self._ensure_roles()
        return pid is not None

    def stop(self, *, timeout: float = 30.0) -> None:
        """Fast shutdown: open transactions are rolled back, the data is flushed."""
        pid = self.pid()
        if pid is None:
            return
        os.kill(pid, signal.SIGINT)
        deadline = time.monotonic() + timeout
        while self._lives(pid):
            if time.monotonic() > deadline:
                os.kill(pid, signal.SIGQUIT)
                deadline = time.monotonic() + timeout
            time.sleep(0.02)

    def pid(self) -> int | None:
        """The server's process, if it runs: the one named by its file whose working folder is our data folder."""
        try:
            pid = int((self.data / "postmaster.pid").read_text().split("\n", 1)[0])
        except (OSError, ValueError):
            return None
        if not self._lives(pid):
            return None
        with suppress(OSError):
            return pid if os.path.samefile(f"/proc/{pid}/cwd", self.data) else None
        return pid if not Path("/proc/self").exists() and self._answers() else None

    def _lives(self, pid: int) -> bool:
        if self._process is not None and self._process.pid == pid:
            return self._process.poll() is None
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass
        return True

    def url(self, role: str = APP, database: str = DATABASE) -> str:
        """A postgresql:// address by way of the socket."""
        password = quote(self.home.secret(role), safe="")
        return f"postgresql://{role}:{password}@/{database}?host={quote(str(self.sockets), safe='')}"

    def broker_url(self) -> str:
        """The address for kombu's SQLAlchemy transport."""
        return "sqla+" + self.url(BROKER, BROKER_DATABASE).replace("postgresql://", "postgresql+psycopg://", 1)

    def environment(self) -> dict[str, str]:
        """The addresses by which the other services reach it."""
        return {"DATABASE_URL": self.url(), "DATABASE_OWNER_URL": self.url(OWNER), "BROKER_URL": self.broker_url()}

    # -- starting

    def _initialise(self) -> None:
        """Make the data folder under a temporary name, so that a half-made one is never taken for a whole one."""
        partial = self.data.with_name("postgres.partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(mode=0o700)
        self._give(partial)
        password = self.sockets / f".password-{os.getpid()}"
        password.write_text(self.home.secret(ADMIN))
        password.chmod(0o600)
        self._give(password)
        try:
            with self._inherited(partial, self.sockets) as (names, descriptors):
                command = [str(self._binaries() / "initdb"), "--pgdata", names[0], "--username", ADMIN, "--no-sync"]
                command += ["--auth", "scram-sha-256", "--pwfile", f"{names[1]}/{password.name}"]
                command += ["--encoding", "UTF8", "--locale", "C"]
                command += ["--locale-provider", "builtin", "--builtin-locale", "C.UTF-8"]
                done = self._run(command, descriptors)
        finally:
            password.unlink()
        if done.returncode:
            shutil.rmtree(partial, ignore_errors=True)
            raise _refusal("PostgreSQL's data folder could not be made", done.stdout, self.data)
        partial.rename(self.data)

    def _launch_and_wait(self, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        while True:
            try:
                self._process = self._launch()
                self._wait(self._process, timeout)
            except _StillInUse:
                # The last server was killed and a process of it has not noticed yet.
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)
            else:
                return

    def _launch(self) -> subprocess.Popen[bytes]:
        self._forget_reused_pid()
        with self._inherited(self.data, self.sockets) as (names, descriptors), self.log.open("ab") as log:
            command = [str(self._binaries() / "postgres"), "-D", names[0], "-k", names[1], "-p", str(_PORT)]
            for name, value in self.settings.items():
                command += ["-c", f"{name}={value}"]
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=_ENVIRONMENT,
                cwd="/",
                pass_fds=descriptors,
                start_new_session=True,
                preexec_fn=dying_with(os.getpid(), signal.SIGQUIT) if self.dies_with_parent else None,
                **self._switch_user(),  # type: ignore[call-overload]
            )

    def _wait(self, process: subprocess.Popen[bytes] | None, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        while not self._answers():
            if process is not None and process.poll() is not None:
                raise self._failure()
            if time.monotonic() > deadline:
                raise Problem(f"PostgreSQL did not answer within {timeout:.0f} s: see {self.log}")
            time.sleep(0.02)

    def _failure(self) -> Problem:
        """Why the server ended, from the end of its log."""
        said = b"\n".join(self.log.read_bytes().splitlines()[-8:])
        if b"pre-existing shared memory block" in said:
            return _StillInUse(f"{self.data} is still in use by processes of a PostgreSQL that was killed: end them")
        return _refusal(f"PostgreSQL did not start (see {self.log})", said, self.data)

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url(ADMIN, "postgres"), connect_timeout=5).close()
        except psycopg.OperationalError as error:
            if "password authentication failed" in str(error):
                raise Problem(
                    f"the password in {self.home.secrets / ADMIN} is not this server's: put the right one back"
                ) from None
            return False
        return True

    def _ensure_roles(self) -> None:
        """The roles and databases, made if missing: the application's role owns nothing and makes nothing."""
        with psycopg.connect(self.url(ADMIN, "postgres"), autocommit=True) as connection:
            roles = {row[0] for row in connection.execute("SELECT rolname FROM pg_roles")}
            databases = {row[0] for row in connection.execute("SELECT datname FROM pg_database")}
            for role in (OWNER, APP, BROKER):
                if role not in roles:
                    command = sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}")
                    password = sql.Literal(self.home.secret(role))
                    connection.execute(command.format(sql.Identifier(role), password))
            for database, owner in ((DATABASE, OWNER), (BROKER_DATABASE, BROKER)):
                if database in databases:
                    continue
                names = sql.Identifier(database), sql.Identifier(owner)
                connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(*names))
                connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(names[0]))
        with psycopg.connect(self.url(ADMIN, DATABASE), autocommit=True) as connection:
            connection.execute(f"GRANT CONNECT, TEMPORARY ON DATABASE {DATABASE} TO {APP}")
            connection.execute(f"GRANT USAGE ON SCHEMA public TO {APP}")

    def _forget_reused_pid(self) -> None:
        """After a reboot the number in the server's file may be another process's; the server would not start."""
        file = self.data / "postmaster.pid"
        with suppress(OSError, ValueError):
            os.kill(int(file.read_text().split("\n", 1)[0]), 0)
            file.unlink()

    def _check_version(self) -> None:
        found = (self.data / "PG_VERSION").read_text().strip()
        if found != str(MAJOR):
            raise Problem(
                f"{self.data} was made by PostgreSQL {found}, and this aval brings {MAJOR}: "
                "dump it with the older aval, or set AVAL_HOME to a new folder"
            )

    # -- running as somebody else

    def _prepare_sockets(self) -> None:
        self.sockets.mkdir(mode=0o700, exist_ok=True)
        found = self.sockets.lstat()
        ours = {os.geteuid(), self.account.uid} if self.account else {os.geteuid()}
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in ours or found.st_mode & 0o077:
            raise Problem(f"{self.sockets} belongs to somebody else: delete it, or set AVAL_HOME to a shorter path")
        self._give(self.sockets)

    def _give(self, path: Path) -> None:
        if self.account:
            os.chown(path, self.account.uid, self.account.gid)

    @contextmanager
    def _inherited(self, *folders: Path) -> Iterator[tuple[list[str], tuple[int, ...]]]:
        """The names by which the server's process knows the folders, and the descriptors it must inherit for that."""
        if not self.account:
            yield [str(folder) for folder in folders], ()
            return
        descriptors = tuple(os.open(folder, os.O_RDONLY | os.O_DIRECTORY) for folder in folders)
        try:
            yield [f"/proc/self/fd/{descriptor}" for descriptor in descriptors], descriptors
        finally:
            for descriptor in descriptors:
                os.close(descriptor)

    def _run(self, command: list[str], descriptors: tuple[int, ...]) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=_ENVIRONMENT,
            cwd="/",
            pass_fds=descriptors,
            check=False,
            **self._switch_user(),  # type: ignore[call-overload]
        )

    def _switch_user(self) -> dict[str, object]:
        if not self.account:
            return {}
        return {"user": self.account.uid, "group": self.account.gid, "extra_groups": [], "umask": 0o077}

    def _binaries(self) -> Path:
        return binaries.for_others() if self.account else binaries.in_place()


class _StillInUse(Problem):
    """The data folder's shared memory still has users."""


_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


def _account(data: Path) -> Account | None:
    """None for an ordinary user; for root the data folder's owner, else the first user that can serve."""
    if os.geteuid() != 0:
        return None
    if data.exists():
        return Account(data.stat().st_uid, data.stat().st_gid)
    for name in _UNPRIVILEGED:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_uid, entry.pw_gid)
    raise Problem(
        f"PostgreSQL refuses to run as root and there is no user {' or '.join(_UNPRIVILEGED)}: "
        "start aval as an ordinary user, or set DATABASE_URL to a PostgreSQL of your own"
    )


def _socket_folder(home: Home) -> Path:
    """``run`` in the home, or a short folder of ours where a socket's path would be too long there."""
    folder = home.path / "run"
    if len(os.fsencode(folder / f".s.PGSQL.{_PORT}.lock")) <= _LONGEST_SOCKET:
        return folder
    name = hashlib.sha256(os.fsencode(home.path)).hexdigest()[:16]
    return Path("/tmp") / f"aval-{os.geteuid()}-{name}"  # noqa: S108 (its owner and mode are checked)


def _refusal(what: str, output: bytes, folder: Path) -> Problem:
    """What a program of PostgreSQL's said last; a full disk in our own words."""
    text = output.decode(errors="replace")
    if "No space left on device" in text:
        return explained(OSError(errno.ENOSPC, "No space left on device", str(folder)))
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    telling = [line for line in lines if "error:" in line or "FATAL:" in line]
    return Problem(f"{what}: {(telling or lines or ['it said nothing'])[-1]}")


if sys.platform not in {"linux", "darwin"}:  # pragma: no cover
    raise ImportError("the embedded PostgreSQL runs on Linux and macOS")
