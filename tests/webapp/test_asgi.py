"""The application behind granian: many pages at once on few connections, which may break (webapp.asgi)."""

from __future__ import annotations

import time
import urllib.error
import urllib.parse
import urllib.request
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.db import connection
from django.test import Client

from tests.webapp import people
from tests.webapp.server import serving

THREADS = 32  # webapp.asgi.THREADS, whose module is for the server alone
pytestmark = pytest.mark.django_db(transaction=True)


def opened(address: str, session: str, body: bytes | None = None) -> tuple[int, bytes]:
    request = urllib.request.Request(address, data=body, headers={"Cookie": f"sessionid={session}"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read()


def others() -> list[int]:
    """The database's other connections."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            " AND backend_type = 'client backend'"
        )
        return [pid for (pid,) in cursor.fetchall()]


def test_pages_share_connections_and_outlive_them(tmp_path: Path) -> None:
    team = people.team()
    people.pairs(team.project, 2, by=team.owner)
    client = Client()
    client.force_login(team.teammate)
    session, before = client.cookies["sessionid"].value, set(others())
    with serving(tmp_path) as address, ThreadPoolExecutor(3 * THREADS) as crowd:
        page = f"{address}/p/alpha/rate/"
        answers = Counter(status for status, _ in crowd.map(lambda _: opened(page, session), range(5 * THREADS)))
        assert answers == {200: 5 * THREADS}
        mine = set(others()) - before
        assert 1 <= len(mine) <= THREADS
        with connection.cursor() as cursor:
            for pid in mine:
                cursor.execute("SELECT pg_terminate_backend(%s)", [pid])
        deadline = time.monotonic() + 10
        while set(others()) & mine and time.monotonic() < deadline:
            time.sleep(0.02)
        status, text = opened(page, session)
        assert status == 200
        assert b'id="rating"' in text


def test_whatever_is_asked_is_answered_and_gives_its_connection_back(tmp_path: Path) -> None:
    team = people.team()
    client = Client()
    client.force_login(team.owner)
    session, before = client.cookies["sessionid"].value, set(others())
    with serving(tmp_path) as address:
        for _round in range(2 * THREADS):  # More often than there are connections to lose.
            assert opened(f"{address}/p/alpha/nowhere/", session)[0] == 404
            assert opened(f"{address}/p/alpha/%ff/", session)[0] == 404
            assert opened(f"{address}/p/alpha/", session)[0] == 200
        assert opened(f"{address}/p/alpha/rate/submit/", session, b"a=" + b"x" * 3_000_000)[0] == 403  # no CSRF token
        download = "/p/alpha/export/download/?" + urllib.parse.urlencode({"dataset": "ratings", "format": "jsonl"})
        assert opened(address + download, session)[0] in {200, 404, 405}
        status, sheet = opened(f"{address}/static/css/app.css", session)
        assert (status, sheet[:2]) == (200, b"/*")
        assert len(set(others()) - before) <= THREADS
