"""A run's events as a stream: ``webapp.runs.sse``, driven directly and through granian."""

from __future__ import annotations

import asyncio
import http.client
import json
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from django.db import connection, transaction
from django.test import AsyncClient, Client

from tests.webapp import scene
from tests.webapp.server import serving
from webapp.accounts.models import User
from webapp.runs import sse
from webapp.runs.actions import append_event, launch
from webapp.runs.models import Run
from webapp.runs.sse import Event, Hub, follow

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def run(transactional_db: None) -> Run:
    """A run with one event, in a project with one person a role."""
    team = scene.project()
    for role in ("annotator", "engineer", "admin"):
        scene.person(role, role, team)
    scene.person("stranger", "engineer", scene.project("elsewhere"))
    engineer = User.objects.get(username="engineer")
    return launch(team, "generate", config={}, created_by=engineer, base_model=scene.model(team, "m"))


def in_thread(work: Callable[[], object]) -> threading.Thread:
    """Do it beside the test, on a database connection of its own."""

    def wrapped() -> None:
        try:
            work()
        finally:
            connection.close()

    thread = threading.Thread(target=wrapped)
    thread.start()
    return thread


def append(run: Run, count: int, *, last: str = "", pause: float = 0.0) -> None:
    for number in range(count):
        append_event(run, "progress", {"total": count}, {"loss": 1.0 / (number + 1)}, number)
        time.sleep(pause)
    if last:
        append_event(run, last, {})


async def collect(events: AsyncIterator[Event | None], count: int = 10_000) -> list[int]:
    """The numbers of the next ``count`` events."""
    found: list[int] = []
    async for event in events:
        if event is not None:
            found.append(event.seq)
        if len(found) == count:
            break
    await events.aclose()  # type: ignore[attr-defined]
    return found


def test_it_catches_up_from_the_table_and_ends_with_the_run(run: Run) -> None:
    append(run, 5, last="succeeded")
    assert asyncio.run(collect(follow(Hub(), run.pk, 0))) == [1, 2, 3, 4, 5, 6, 7]
    assert asyncio.run(collect(follow(Hub(), run.pk, 4))) == [5, 6, 7]


def test_readers_that_come_back_miss_nothing_and_see_nothing_twice_while_events_arrive(run: Run) -> None:
    """Three readers leave and come back again and again, with the last number as ``Last-Event-ID``."""

    async def reader(hub: Hub, batch: int) -> list[int]:
        seen: list[int] = []
        while not seen or seen[-1] < 202:
            seen += await collect(follow(hub, run.pk, seen[-1] if seen else 0), batch)
        return seen

    async def watch() -> list[list[int]]:
        hub = Hub()
        return await asyncio.gather(*(reader(hub, batch) for batch in (1, 7, 1000)))

    writers = [in_thread(lambda: append(run, 100)), in_thread(lambda: append(run, 100))]

    def finish() -> None:
        for writer in writers:
            writer.join()
        append_event(run, "succeeded", {})

    closing = in_thread(finish)
    seen = asyncio.run(asyncio.wait_for(watch(), 60))
    closing.join()
    assert all(numbers == list(range(1, 203)) for numbers in seen)


def test_a_lost_connection_is_made_again_and_nothing_is_missed(run: Run) -> None:
    lost: list[str] = []

    def cut() -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid() "
                "AND query IN ('LISTEN run_events', 'SELECT 1')"
            )
            lost.extend(str(row[0]) for row in cursor.fetchall())

    async def watch() -> list[int]:
        events = follow(Hub(retry_seconds=0.1), run.pk, 0)
        seen = [(await anext(events)).seq]  # type: ignore[union-attr]
        for step in (cut, lambda: append(run, 30), lambda: append_event(run, "failed", {})):
            await asyncio.sleep(0.2)
            await asyncio.to_thread(in_thread(step).join)
        return seen + await collect(events)

    assert asyncio.run(asyncio.wait_for(watch(), 30)) == list(range(1, 33))
    assert lost, "no listening connection was found to cut"


def test_a_database_that_cannot_be_reached_is_tried_again(run: Run) -> None:
    tries = 0

    async def connect() -> psycopg.AsyncConnection[Any]:
        nonlocal tries
        tries += 1
        if tries in (2, 3):
            raise psycopg.OperationalError("the database is starting up")
        return await sse.open_connection()

    async def watch() -> list[int]:
        events = follow(Hub(connect=connect, retry_seconds=0.2), run.pk, 0, ping_seconds=0.02)
        first = (await anext(events)).seq  # type: ignore[union-attr]
        assert await anext(events) is None, "it has caught up"
        await asyncio.to_thread(in_thread(lambda: append(run, 3, last="cancelled")).join)
        return [first, *await collect(events)]

    assert asyncio.run(asyncio.wait_for(watch(), 30)) == [1, 2, 3, 4, 5]
    assert tries >= 4


@pytest.mark.parametrize("behind", [sse.QUEUE_SIZE + 1, 3 * sse.QUEUE_SIZE])
def test_a_slow_reader_reads_the_table_instead_of_filling_memory(run: Run, behind: int) -> None:
    """The first size overflows the queue with the very last event, after which nothing would wake the reader."""

    async def watch() -> tuple[list[int], int]:
        hub = Hub()
        events = follow(hub, run.pk, 0, ping_seconds=0.3)
        seen = [(await anext(events)).seq]  # type: ignore[union-attr]
        assert await anext(events) is None, "it has caught up"
        await asyncio.to_thread(in_thread(lambda: append(run, behind - 1, last="succeeded")).join)
        await asyncio.sleep(0.5)
        (queue,) = hub._queues[run.pk]
        return seen + await collect(events), queue.qsize()

    seen, waiting = asyncio.run(asyncio.wait_for(watch(), 60))
    assert seen == list(range(1, behind + 2))
    assert waiting < sse.QUEUE_SIZE, "the queue overflowed, and then held less"


def test_an_event_that_does_not_follow_sends_the_reader_to_the_table(run: Run) -> None:
    async def watch() -> list[int]:
        hub = Hub(connect=sse.open_connection)
        events = follow(hub, run.pk, 0, ping_seconds=0.3)
        seen = [(await anext(events)).seq]  # type: ignore[union-attr]
        assert await anext(events) is None, "it has caught up"
        await asyncio.to_thread(in_thread(lambda: _unannounced(run, 3)).join)
        (queue,) = hub._queues[run.pk]
        queue.put_nowait((await hub.read(run.pk, 3))[0])
        return seen + await collect(events, 3)

    assert asyncio.run(asyncio.wait_for(watch(), 30)) == [1, 2, 3, 4]


def _unannounced(run: Run, count: int) -> None:
    """Events of which nobody is told: the table's trigger is passed by."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        append(run, count)


def test_silence_is_filled_with_pings(run: Run) -> None:
    async def watch() -> list[Event | None]:
        events = follow(Hub(), run.pk, 1, ping_seconds=0.05)
        found = [await anext(events), await anext(events)]
        await events.aclose()  # type: ignore[attr-defined]
        return found

    assert asyncio.run(watch()) == [None, None]


def test_its_connections_are_closed_when_nobody_watches(run: Run) -> None:
    def listening() -> int:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%%'"
            )
            return int(cursor.fetchone()[0])

    async def watch() -> tuple[int, int]:
        first, second = sse.stream(run.pk, 0), sse.stream(run.pk, 0)
        for stream in (first, second):
            await anext(stream)
            await anext(stream)
        await asyncio.sleep(0.3)
        during = await asyncio.to_thread(_closing(listening))
        for stream in (first, second):
            await stream.aclose()  # type: ignore[attr-defined]
        await asyncio.sleep(0.3)
        return during, await asyncio.to_thread(_closing(listening))

    assert asyncio.run(watch()) == (1, 0)


def _closing(ask: Callable[[], int]) -> Callable[[], int]:
    def asked() -> int:
        try:
            return ask()
        finally:
            connection.close()

    return asked


@pytest.mark.parametrize(
    ("name", "status"), [("", 403), ("annotator", 403), ("stranger", 404), ("engineer", 200), ("admin", 200)]
)
def test_only_engineers_and_admins_of_the_project_may_follow(run: Run, name: str, status: int) -> None:
    append_event(run, "succeeded", {})
    client = AsyncClient()
    if name:
        client.force_login(User.objects.get(username=name))

    async def ask() -> int:
        response = await client.get(f"/p/beta/runs/{run.pk}/events")
        if response.streaming:
            assert b"succeeded" in b"".join([part async for part in response])
        return int(response.status_code)

    assert asyncio.run(ask()) == status


def test_an_ended_run_that_was_seen_to_its_end_tells_the_browser_not_to_come_back(run: Run) -> None:
    append_event(run, "failed", {})
    Run.objects.filter(pk=run.pk).update(state="failed")
    client = AsyncClient()
    client.force_login(User.objects.get(username="engineer"))

    async def ask(last_event_id: str) -> int:
        headers = {"Last-Event-ID": last_event_id}
        return int((await client.get(f"/p/beta/runs/{run.pk}/events", headers=headers)).status_code)

    assert asyncio.run(ask("2")) == 204
    assert asyncio.run(ask("1")) == 200
    assert asyncio.run(ask("nonsense")) == 200
    assert asyncio.run(ask("9" * 40)) == 204


def test_granian_streams_events_as_they_are_appended(run: Run, tmp_path: Path) -> None:
    client = Client()
    client.force_login(User.objects.get(username="engineer"))
    cookie = {"Cookie": f"sessionid={client.cookies['sessionid'].value}"}
    path = f"/p/beta/runs/{run.pk}/events"
    with serving(tmp_path) as address:
        with _get(address, path, cookie) as response:
            assert response.status == 200
            assert response.headers["Content-Type"] == "text/event-stream"
            events = _events(response)
            assert next(events)["kind"] == "queued"
            writer = in_thread(lambda: append(run, 20, pause=0.01))
            head = [next(events) for _ in range(5)]
        writer.join()
        append_event(run, "succeeded", {})
        with _get(address, path, {**cookie, "Last-Event-ID": str(head[-1]["seq"])}) as response:
            rest = list(_events(response))
        assert [event["seq"] for event in [*head, *rest]] == list(range(2, 23))
        assert head[0]["payload"] == {"total": 20, "step": 0, "metrics": {"loss": 1.0}}
        with _get(address, path, {}) as response:
            assert response.status == 403


@contextmanager
def _get(address: str, path: str, headers: dict[str, str]) -> Iterator[http.client.HTTPResponse]:
    link = http.client.HTTPConnection(urlsplit(address).netloc, timeout=20)
    link.request("GET", path, headers=headers)
    response = link.getresponse()
    try:
        yield response
    finally:
        response.close()
        link.close()


def _events(response: http.client.HTTPResponse) -> Iterator[dict[str, Any]]:
    """The stream's events until it says that it has ended."""
    for raw in response:
        line = raw.decode().rstrip("\n")
        if line == "event: end":
            return
        if line.startswith("data: "):
            yield json.loads(line.removeprefix("data: "))
