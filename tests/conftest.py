"""One embedded PostgreSQL for the tests that want a database; the others don't pay for it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from workers.postgres import Postgres

# Before Django's settings are read: nothing of a test may land in the user's own folder.
_FOLDER = tempfile.TemporaryDirectory(prefix="aval-tests-")
os.environ["AVAL_HOME"] = _FOLDER.name

_BROWSER_TESTS_NOT_RUN: list[str] = []
_NO_SYNC = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}


def pytest_configure() -> None:
    """pytest-django reads the settings before this file sets AVAL_HOME: what they took from it is set again."""
    from django.conf import settings

    settings.AVAL_HOME = Path(_FOLDER.name)
    settings.EMAIL_FILE_PATH = settings.AVAL_HOME / "mail"


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.skipped and "browser" in report.keywords:
        _BROWSER_TESTS_NOT_RUN.append(report.nodeid)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Browser tests that had no browser are named at the very end: a green run without them is not the whole."""
    if _BROWSER_TESTS_NOT_RUN:
        terminalreporter.section("browser tests not run: no Chromium was found (make services)")
        for name in dict.fromkeys(_BROWSER_TESTS_NOT_RUN):
            terminalreporter.line(name)


def pytest_unconfigure() -> None:
    _FOLDER.cleanup()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """The session's own server; its owner role may create test databases and act as the application's role."""
    import psycopg

    from workers.home import Home
    from workers.postgres import ADMIN, APP, OWNER, Postgres

    server = Postgres(Home(Path(_FOLDER.name)), settings=_NO_SYNC, dies_with_parent=True)
    server.start()
    try:
        with psycopg.connect(server.url(ADMIN, "postgres"), autocommit=True) as connection:
            connection.execute(f"ALTER ROLE {OWNER} CREATEDB")
            connection.execute(f"GRANT {APP} TO {OWNER}")
            connection.execute(f"GRANT SET ON PARAMETER session_replication_role TO {OWNER}")
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    django_db_modify_db_settings_parallel_suffix: None, request: pytest.FixtureRequest
) -> Iterator[None]:
    """Point Django at the embedded server as the tables' owner, unless DATABASE_URL names another."""
    del django_db_modify_db_settings_parallel_suffix
    from django.db import connections
    from django.db.backends.postgresql.operations import DatabaseOperations

    if not os.environ.get("DATABASE_URL"):
        from webapp.environment import database
        from workers.postgres import OWNER

        server: Postgres = request.getfixturevalue("postgres")
        settings = connections["default"].settings_dict
        # The name stays: pytest-xdist's suffix for each of its workers is in it already.
        settings.update({key: value for key, value in database(server.url(OWNER)).items() if key != "NAME"})

    original = DatabaseOperations.execute_sql_flush

    def flush_past_triggers(self: DatabaseOperations, sql_list: list[str]) -> Any:
        """Empty the tables after a test with real transactions, append-only ones too."""
        return original(self, ["SET LOCAL session_replication_role = replica", *sql_list])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DatabaseOperations, "execute_sql_flush", flush_past_triggers)
        yield
