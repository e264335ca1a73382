"""The whole platform as one process tree: killed, repaired and ended."""

from __future__ import annotations

import os
import signal
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.workers.test_cli import CLI, ROOT, at_home, free_port, processes_of
from workers.home import Home
from workers.postgres import Postgres

PATIENCE = 120.0

pytestmark = pytest.mark.xdist_group("services")


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "home"
    for process in processes_of(tmp_path / "home"):
        os.kill(process, signal.SIGKILL)


def test_a_killed_platform_leaves_its_database_which_the_next_start_adopts_and_ctrl_c_ends_everything(
    home: Path,
) -> None:
    first, port = started(home)
    server = Postgres(Home(home)).pid()
    assert server is not None
    first.kill()
    first.wait()
    wait_for(lambda: services_of(home, server) == [])
    assert Postgres(Home(home)).pid() == server

    second, port = started(home)
    assert Postgres(Home(home)).pid() == server
    (train,) = workers_of(home, "train")
    os.killpg(train, signal.SIGKILL)
    wait_for(lambda: workers_of(home, "train") not in ([], [train]))
    assert answers(port)

    second.send_signal(signal.SIGINT)
    assert second.wait(PATIENCE) == 130
    assert processes_of(home) == []


def started(home: Path) -> tuple[subprocess.Popen[bytes], int]:
    port = free_port()
    process = subprocess.Popen(
        [*CLI, "up", "--port", str(port), "--verify-processes", "1"],
        cwd=ROOT,
        env=at_home(home),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_for(lambda: process.poll() is not None or answers(port))
    assert process.poll() is None
    return process, port


def answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/", timeout=5) as response:
            return bool(response.status == 200)
    except OSError:
        return False


def services_of(home: Path, server: int) -> list[int]:
    """All but PostgreSQL's processes, which are the server's children."""
    return [process for process in processes_of(home) if server not in {process, parent_of(process)}]


def workers_of(home: Path, queue: str) -> list[int]:
    """The main processes of the workers of a queue."""
    found = []
    for process in processes_of(home):
        try:
            command = Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if queue.encode() in command and os.getpgid(process) == process:
            found.append(process)
    return found


def parent_of(process: int) -> int:
    try:
        return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def wait_for(what: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.1)
