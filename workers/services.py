"""The platform on one machine: PostgreSQL, web, two workers and beat as one supervised process tree.

Every child dies with this process (its parent-death signal), and takes its own children along.
PostgreSQL alone survives a kill, since its data matters more; the next start adopts it.
"""

from __future__ import annotations

import errno
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.parse import unquote, urlsplit

from workers.home import Home, InUse
from workers.postgres import Postgres
from workers.problems import Problem
from workers.processes import end_family, kill_group, signal_group, spawn

DEFAULT_PORT = 8000
ROOT = Path(__file__).resolve().parents[1]

_STEADY_SECONDS = 60.0
"""A service that ran for this long before it died is not failing to start."""
_MOST_RESTARTS = 5
_LONGEST_PAUSE = 30.0


@dataclass(frozen=True)
class Service:
    """One child: how it is started, and how long it may take to end."""

    name: str
    arguments: tuple[str, ...]
    """Of the Python interpreter."""
    grace: float = 3.0
    """Seconds in which its children may end by themselves."""


@dataclass
class _Running:
    service: Service
    process: subprocess.Popen[bytes]
    started: float
    restarts: int = 0
    restart_at: float | None = None


class Services:
    """The services that are up. ``watch`` must be called now and then: it restarts what died."""

    def __init__(self, home: Home, *, host: str, port: int, environment: Mapping[str, str]) -> None:
        self.home = home
        self.address = f"http://{'127.0.0.1' if host in {'0.0.0.0', '::'} else host}:{port}"  # noqa: S104
        self.environment = dict(environment)
        self._running: list[_Running] = []

    def start(self, services: Sequence[Service]) -> None:
        for service in services:
            self._running.append(_Running(service, self._spawn(service), time.monotonic()))

    def watch(self) -> None:
        """Restart what has died, later each time; Problem when a service keeps dying."""
        now = time.monotonic()
        for entry in self._running:
            if entry.restart_at is not None:
                if now >= entry.restart_at:
                    entry.process, entry.started, entry.restart_at = self._spawn(entry.service), now, None
            elif entry.process.poll() is not None:
                self._plan_restart(entry, now)

    def wait_until_answering(self, *, timeout: float = 60.0) -> None:
        """Until the health check says that the web application reaches its database."""
        deadline = time.monotonic() + timeout
        while not _healthy(f"{self.address}/health/"):
            self.watch()
            if time.monotonic() > deadline:
                raise Problem(f"the web application did not answer within {timeout:.0f} s: see {self._log('web')}")
            time.sleep(0.1)

    def pids(self) -> dict[str, int]:
        return {entry.service.name: entry.process.pid for entry in self._running}

    def stop(self) -> None:
        """End everything: all are asked at once, then killed after their grace."""
        for entry in self._running:
            signal_group(entry.process.pid, signal.SIGTERM)
        for entry in self._running:
            end_family(entry.process, grace=entry.service.grace)
        self._running.clear()

    def _plan_restart(self, entry: _Running, now: float) -> None:
        kill_group(entry.process.pid)
        entry.restarts = 0 if now - entry.started > _STEADY_SECONDS else entry.restarts + 1
        if entry.restarts > _MOST_RESTARTS:
            raise Problem(f"the {entry.service.name} service keeps ending: see {self._log(entry.service.name)}")
        entry.restart_at = now + min(_LONGEST_PAUSE, 0.5 * 2**entry.restarts)

    def _spawn(self, service: Service) -> subprocess.Popen[bytes]:
        with self._log(service.name).open("ab") as log:
            environment = {**self.environment, "AVAL_WORKER": service.name}
            return spawn([sys.executable, *service.arguments], env=environment, log=log.fileno())

    def _log(self, name: str) -> Path:
        return self.home.logs / f"{name}.log"


@contextmanager
def up(
    home: Home,
    *,
    host: str = "127.0.0.1",
    port: int = DEFAULT_PORT,
    verify_processes: int | None = None,
    note: Callable[[str], None] = lambda line: None,
) -> Iterator[Services]:
    """Start everything, yield it answering, and end everything, whatever happens.

    ``note`` is told what is being done. A SIGTERM or SIGHUP meanwhile arrives as KeyboardInterrupt.
    """
    with ExitStack() as stack:
        stack.enter_context(_signals_interrupt())
        environment = stack.enter_context(prepared(home, note=note, before=lambda: check_port(host, port)))
        note("front-end")
        build_pages()
        note("web application and workers")
        services = Services(home, host=host, port=port, environment=environment)
        stack.callback(services.stop)
        services.start(service_list(host=host, port=port, verify_processes=verify_processes or os.cpu_count() or 1))
        services.wait_until_answering()
        yield services


@contextmanager
def prepared(
    home: Home, *, note: Callable[[str], None] = lambda line: None, before: Callable[[], None] = lambda: None
) -> Iterator[dict[str, str]]:
    """The database, migrated: the environment that reaches it. The embedded server ends with the block.

    The home is held meanwhile, so that no second aval uses it.
    """
    home.prepare()
    with home.locked(), ExitStack() as stack:
        before()
        environment = _environment(home)
        if not (environment.get("DATABASE_URL") and environment.get("BROKER_URL")):
            environment |= _embedded(home, environment, stack, note)
        migrate(environment)
        prepare_broker(environment["BROKER_URL"])
        yield environment


@contextmanager
def connected(home: Home) -> Iterator[dict[str, str]]:
    """The environment that reaches the database: the platform's that is up, else started for this block alone."""
    home.prepare()
    try:
        with prepared(home) as environment:
            yield environment
    except InUse:
        # Whoever holds the home serves it: its server answers to the passwords that lie there.
        server = Postgres(home)
        environment = _environment(home)
        if server.pid() is None and not environment.get("DATABASE_URL"):
            raise
        yield server.environment() | environment


def migrate_given(home: Home) -> bool:
    """Migrate the database that the environment names; False when it names none."""
    environment = _environment(home)
    if environment.get("DATABASE_OWNER_URL"):
        environment.setdefault("DATABASE_URL", environment["DATABASE_OWNER_URL"])
    if not environment.get("DATABASE_URL"):
        return False
    migrate(environment)
    return True


def migrate(environment: Mapping[str, str]) -> None:
    """Bring the tables up to date as their owner, and let the application's role use them."""
    owner_url = environment.get("DATABASE_OWNER_URL") or environment["DATABASE_URL"]
    as_owner = {**environment, "DATABASE_URL": owner_url}
    _run(as_owner, "-m", "webapp.manage", "migrate", "--no-input", "-v", "0", failure="the database was not migrated")
    role = unquote(urlsplit(environment["DATABASE_URL"]).username or "")
    if role and role != unquote(urlsplit(owner_url).username or ""):
        _run(as_owner, "-m", "webapp.manage", "grant", role, failure=f"the role {role} was not given its rights")


def prepare_broker(url: str) -> None:
    """Make the tables of a broker in the database, and its queues: services that start together would race for it."""
    if not url.startswith("sqla+"):
        return
    from kombu import Connection

    with Connection(url) as connection:
        channel: Any = connection.channel()
        for queue in ("train", "verify", "beat"):
            channel.queue_declare(queue)
        channel.session.close()
        channel.session.get_bind().dispose()


def build_pages() -> None:
    """Bundle the front-end and compile the translations, where that was not done."""
    from webapp.frontend.build import FrontendError, build
    from webapp.messages import compile_catalogues

    try:
        build()
    except FrontendError as error:
        raise Problem(str(error)) from None
    compile_catalogues()


def service_list(*, host: str, port: int, verify_processes: int) -> list[Service]:
    """The children, as ``compose.yaml`` runs them too."""
    granian = ["-m", "granian", "--interface", "asginl", "--host", host, "--port", str(port)]
    # An open page of a run holds a connection; the default stops at 1,024 of them.
    granian += ["--backlog", "4096", "--backpressure", "4096", "--no-ws", "workers.web:application"]
    celery = ["-m", "celery", "-A", "workers.app"]
    return [
        Service("web", tuple(granian)),
        Service("verify", (*celery, *_worker("verify,beat", verify_processes, "verify"))),
        # The task hears of a shutdown too: it ends its training process and gives the run back.
        Service("train", (*celery, *_worker("train", 1, "train")), grace=10.0),
        Service(
            "beat", (*celery, "beat", "--scheduler", "celery.beat:Scheduler", "--pidfile=", "--loglevel", "WARNING")
        ),
    ]


def check_port(host: str, port: int) -> None:
    """Problem when nothing can listen there."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise Problem(f"port {port} is taken: stop what uses it, or choose another with --port") from None
            raise Problem(
                f"can't listen on {host}, port {port} ({error.strerror}): choose others with --host and --port"
            ) from None


def _environment(home: Home) -> dict[str, str]:
    """Ours, with the secrets that were given as files, and what the services find in the home."""
    from webapp.environment import secret

    environment = {**os.environ, "AVAL_HOME": str(home.path), "PYTHONPATH": _python_path()}
    environment.setdefault("DJANGO_SETTINGS_MODULE", "webapp.settings")
    given = {name: secret(name, default="") for name in ("DATABASE_URL", "DATABASE_OWNER_URL", "BROKER_URL")}
    environment["SECRET_KEY"] = secret("SECRET_KEY", default="") or home.secret("secret-key")
    return environment | {name: value for name, value in given.items() if value}


def _embedded(
    home: Home, environment: Mapping[str, str], stack: ExitStack, note: Callable[[str], None]
) -> dict[str, str]:
    """The embedded server's addresses, for what the environment does not name."""
    if url := environment.get("DATABASE_URL"):
        # A PostgreSQL of the user's own carries the messages too.
        owner = environment.get("DATABASE_OWNER_URL") or url
        return {"BROKER_URL": "sqla+postgresql+psycopg://" + owner.split("://", 1)[1]}
    note("PostgreSQL")
    server = Postgres(home)
    stack.callback(server.stop)
    server.start()
    return {name: value for name, value in server.environment().items() if not environment.get(name)}


def _worker(queues: str, processes: int, name: str) -> tuple[str, ...]:
    quiet = ("--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "INFO")
    return ("worker", "--queues", queues, "--concurrency", str(processes), "--hostname", f"{name}@%h", *quiet)


def _run(environment: Mapping[str, str], *arguments: str, failure: str) -> None:
    """Run one of our commands to its end; its last line tells what went wrong."""
    done = subprocess.run(
        [sys.executable, *arguments],
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        raise Problem(f"{failure}: {_reason(done.stdout)}")


def _reason(output: str) -> str:
    """The last error that a command's output names, else its last line."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if re.match(r"[\w.]+(Error|Problem|Exception): ", line)]
    return (errors or lines or ["no reason given"])[-1]


def _python_path() -> str:
    return os.pathsep.join(part for part in (str(ROOT), os.environ.get("PYTHONPATH", "")) if part)


def _healthy(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:  # noqa: S310 (our own address)
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


@contextmanager
def _signals_interrupt() -> Iterator[None]:
    """SIGTERM and SIGHUP end us as Ctrl-C does, and none of them interrupts the ending."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def interrupt(number: int, frame: FrameType | None) -> None:
        del number, frame
        for each in numbers:
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
