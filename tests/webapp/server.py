"""The web application as it is really served: granian in a process of its own, on the test's database."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, urlencode

from django.conf import settings
from django.db import connection

ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def serving(tmp_path: Path, *, port: int = 0) -> Iterator[str]:
    """Serve until the block ends; gives the address. For tests with real transactions."""
    port = port or _free_port()
    address = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "granian", "--interface", "asgi", "--host", "127.0.0.1", "--port", str(port)]
    with (tmp_path / "granian.log").open("w+") as log:
        process = subprocess.Popen(
            [*command, "--workers-kill-timeout", "2", "webapp.asgi:application"],
            cwd=ROOT,
            env={
                **os.environ,
                "DATABASE_URL": _database_url(),
                "SECRET_KEY": settings.SECRET_KEY,
                "BROKER_URL": "memory://",
                "AVAL_HOME": str(tmp_path),
            },
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            _wait_until_up(f"{address}/health/", process)
            yield address
        except BaseException:
            log.seek(0)
            print(log.read())
            raise
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _database_url() -> str:
    """Where Django is connected to, as a URL."""
    values = connection.settings_dict
    login = quote(str(values["USER"]), safe="")
    if values["PASSWORD"]:
        login += ":" + quote(str(values["PASSWORD"]), safe="")
    options = {**values["OPTIONS"]}
    if values["HOST"]:
        options["host"] = values["HOST"]
    if values["PORT"]:
        options["port"] = str(values["PORT"])
    at = f"{login}@" if login else ""
    return f"postgresql://{at}/{quote(str(values['NAME']))}?{urlencode(options)}"


def _wait_until_up(address: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(200):
        if process.poll() is not None:
            raise RuntimeError(f"granian ended with {process.returncode}")
        try:
            with urllib.request.urlopen(address, timeout=2):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.1)
    raise RuntimeError("granian did not answer within 20 seconds")


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
