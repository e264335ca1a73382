"""The embedded server, as root (when the tests are) and as an ordinary user."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from workers.binaries import MAJOR, copy, reachable, wheel
from workers.home import Home, InUse
from workers.postgres import ADMIN, APP, BROKER, BROKER_DATABASE, OWNER, Postgres
from workers.problems import Problem

NO_SYNC = {"fsync": "off"}
ROOT = Path(__file__).resolve().parents[2]
NOBODY = 65534


@pytest.fixture(scope="module")
def home() -> Iterator[Home]:
    """A home below a folder that is closed to everybody else, as root's own home is."""
    closed = Path(tempfile.mkdtemp(prefix="aval-closed-"))
    yield Home(closed / "home")
    shutil.rmtree(closed)


@pytest.fixture(scope="module")
def server(home: Home) -> Iterator[Postgres]:
    server = Postgres(home, settings=NO_SYNC, dies_with_parent=True)
    assert server.start() is False
    yield server
    server.stop()


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_server_runs_as_somebody_who_is_not_root(server: Postgres) -> None:
    pid = server.pid()
    assert pid is not None
    assert Path(f"/proc/{pid}").stat().st_uid != 0


def test_no_parent_folder_changes_its_mode(server: Postgres) -> None:
    assert mode(server.home.path.parent) == 0o700
    assert mode(server.home.path) == 0o700
    assert mode(server.data) == 0o700
    assert mode(server.sockets) == 0o700


def test_passwords_are_kept_for_their_owner_alone_and_are_asked_for(server: Postgres) -> None:
    for role in (ADMIN, OWNER, APP, BROKER):
        assert mode(server.home.secrets / role) == 0o600
    wrong = server.url(APP).replace(server.home.secret(APP), "guess")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(wrong)
    with psycopg.connect(server.url(ADMIN, "postgres")) as connection:
        stored = dict(connection.execute("SELECT rolname, left(rolpassword, 14) FROM pg_authid WHERE rolcanlogin"))
    assert set(stored.values()) == {"SCRAM-SHA-256$"}


def test_nothing_listens_on_the_network(server: Postgres) -> None:
    with psycopg.connect(server.url(ADMIN, "postgres")) as connection:
        assert connection.execute("SHOW listen_addresses").fetchone() == ("",)


def test_the_applications_role_makes_no_tables_and_the_owner_does(server: Postgres) -> None:
    with psycopg.connect(server.url(APP)) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("CREATE TABLE mine (id int)")
    with psycopg.connect(server.url(OWNER)) as connection:
        connection.execute("CREATE TABLE ours (id int)")
        connection.rollback()


def test_the_brokers_role_reaches_its_own_database_alone(server: Postgres) -> None:
    with psycopg.connect(server.url(BROKER, BROKER_DATABASE)) as connection:
        connection.execute("CREATE TABLE messages (id int)")
        connection.rollback()
    with pytest.raises(psycopg.OperationalError, match="permission denied"):
        psycopg.connect(server.url(BROKER))


def test_a_running_server_is_adopted(server: Postgres) -> None:
    again = Postgres(server.home, settings=NO_SYNC)
    assert again.start() is True
    assert again.pid() == server.pid()


def test_a_second_holder_of_the_folder_is_refused_in_one_line(home: Home) -> None:
    home.prepare()
    with home.locked(), pytest.raises(InUse, match=rf"in use by another aval \(process {os.getpid()}\)"), home.locked():
        pass


def test_data_of_another_major_version_is_refused(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.prepare()
    server = Postgres(home)
    server.data.mkdir()
    (server.data / "PG_VERSION").write_text("12\n")
    with pytest.raises(Problem, match=f"made by PostgreSQL 12, and this aval brings {MAJOR}"):
        server.start()


def test_a_server_whose_starter_was_killed_lives_on_and_is_adopted_and_stopped() -> None:
    """Also: with a path too long for a socket; and, where the tests run as root, as an ordinary user."""
    folder = Path(tempfile.mkdtemp(prefix="aval-long-"))
    home = folder / ("deep-" * 22)
    if os.geteuid() == 0:
        if not reachable(wheel()):
            pytest.skip("an ordinary user can't read this checkout's packages")
        os.chown(folder, NOBODY, NOBODY)
    try:
        killed = run_as_ordinary_user(home, "print(server.pid(), flush=True); os.kill(os.getpid(), signal.SIGKILL)")
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        pid = int(killed.stdout)
        os.kill(pid, 0)
        adopted = run_as_ordinary_user(home, "print(adopted, server.pid(), server.sockets, flush=True); server.stop()")
        assert adopted.returncode == 0, adopted.stderr
        answer, again, sockets = adopted.stdout.split()
        assert (answer, int(again)) == ("True", pid)
        assert sockets.startswith("/tmp/aval-")
        gone(pid)
        shutil.rmtree(sockets)
    finally:
        shutil.rmtree(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server as somebody else")
def test_a_copy_of_the_programs_runs_for_a_user_who_can_not_reach_the_wheel() -> None:
    folder = Path(tempfile.mkdtemp(prefix="aval-copy-", dir="/var/tmp"))
    try:
        folder.chmod(0o755)
        copy(folder / "copy")
        assert mode(folder / "copy") == 0o755
        for program in (folder / "copy" / "wheel" / f"pginstall{MAJOR}" / "bin").iterdir():
            done = subprocess.run(
                [program, "--version"], user=NOBODY, group=NOBODY, extra_groups=[], capture_output=True, text=True
            )
            assert f"(PostgreSQL) {MAJOR}" in done.stdout, done.stderr
    finally:
        shutil.rmtree(folder)


def run_as_ordinary_user(home: Path, then: str) -> subprocess.CompletedProcess[str]:
    """Root's interpreter may be closed to others, so everything is loaded before the user is changed."""
    script = textwrap.dedent(
        f"""
        import contextlib, os, signal
        from pathlib import Path
        import psycopg
        from workers.home import Home
        from workers.postgres import Postgres
        with contextlib.suppress(psycopg.OperationalError):
            psycopg.connect("host=/nowhere")
        if os.geteuid() == 0:
            os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})
        server = Postgres(Home(Path({str(home)!r})), settings={NO_SYNC!r})
        adopted = server.start()
        {then}
        """
    )
    return subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )


def gone(pid: int) -> None:
    deadline = time.monotonic() + 10
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < deadline, f"process {pid} is still there"
        time.sleep(0.05)
