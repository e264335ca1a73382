"""A run's events as they happen, as server-sent events.

Each process keeps one connection that LISTENs on ``run_events`` while anybody watches, and one to
read with; the payload is ``run_id:seq`` only. New rows are read once and fanned out to everybody who
watches that run, each with a bounded queue. Whoever falls behind, and everybody after the connection
was lost, reads again from the table: events are numbered without a gap, so nothing is sent twice or
left out.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from weakref import WeakKeyDictionary

import psycopg
from django.db import connection

from webapp.runs.models import Run, RunEvent

logger = logging.getLogger(__name__)

CHANNEL = "run_events"
PING_SECONDS = 15.0
QUEUE_SIZE = 64
BATCH = 500
LAST_EVENTS = {Run.State.SUCCEEDED, Run.State.FAILED, Run.State.CANCELLED}
"""A run's last event is named after the state it ended in."""

_READ = f"""
    SELECT seq, kind, payload, created_at FROM {RunEvent._meta.db_table}
    WHERE run_id = %s AND seq > %s ORDER BY seq LIMIT {BATCH}
"""  # noqa: S608  the table's name and a constant

Connect = Callable[[], Awaitable[psycopg.AsyncConnection[Any]]]


@dataclass(frozen=True)
class Event:
    """One row of RunEvent."""

    seq: int
    kind: str
    payload: dict[str, Any]
    created_at: datetime

    @property
    def is_last(self) -> bool:
        return self.kind in LAST_EVENTS

    def encode(self) -> bytes:
        """The event as the browser's EventSource reads it; its id comes back as ``Last-Event-ID``."""
        body = {"seq": self.seq, "kind": self.kind, "payload": self.payload, "at": self.created_at.isoformat()}
        return f"id: {self.seq}\ndata: {json.dumps(body)}\n\n".encode()


async def stream(run_id: int, after: int) -> AsyncIterator[bytes]:
    """The run's events after number ``after``, as bytes of an event stream, until the run has ended."""
    yield b"retry: 2000\n\n"
    async for event in follow(current_hub(), run_id, after):
        yield event.encode() if event else b": ping\n\n"
    yield b"event: end\ndata: {}\n\n"


async def follow(
    hub: Hub, run_id: int, after: int, *, ping_seconds: float = PING_SECONDS
) -> AsyncIterator[Event | None]:
    """Every event after ``after`` once, in order, up to the run's last; None when nothing came for a while."""
    seen = after
    async with hub.subscription(run_id) as queue:
        while True:
            try:
                async with asyncio.timeout(ping_seconds):
                    arrived = await queue.get()
            except TimeoutError:
                yield None
                continue
            async for event in _missing(hub, run_id, seen, arrived):
                seen = event.seq
                yield event
                if event.is_last:
                    return


async def _missing(hub: Hub, run_id: int, seen: int, arrived: Event | None) -> AsyncIterator[Event]:
    """What of ``arrived`` is new; all rows after ``seen`` when it is None or doesn't follow directly."""
    if arrived is not None and arrived.seq <= seen + 1:
        if arrived.seq == seen + 1:
            yield arrived
        return
    while events := await hub.read(run_id, seen):
        for event in events:
            seen = event.seq
            yield event


async def open_connection() -> psycopg.AsyncConnection[Any]:
    """A connection of our own to Django's database, outside Django's hands, which belong to threads."""
    params = {**connection.get_connection_params(), "keepalives_idle": 15, "keepalives_interval": 5}
    params.pop("cursor_factory", None)
    params.pop("context", None)
    return await psycopg.AsyncConnection.connect(**params, autocommit=True)


@dataclass
class Hub:
    """Who watches which run in this event loop, and the two connections that serve them."""

    connect: Connect = open_connection
    retry_seconds: float = 1.0
    _queues: dict[int, set[asyncio.Queue[Event | None]]] = field(default_factory=dict)
    _announced: dict[int, int] = field(default_factory=dict)
    _listener: asyncio.Task[None] | None = None
    _reader: psycopg.AsyncConnection[Any] | None = None
    _reading: asyncio.Lock = field(default_factory=asyncio.Lock)

    @asynccontextmanager
    async def subscription(self, run_id: int) -> AsyncIterator[asyncio.Queue[Event | None]]:
        """A queue of the run's new events; None in it means: read the table again. It begins with one."""
        queue: asyncio.Queue[Event | None] = asyncio.Queue(QUEUE_SIZE)
        queue.put_nowait(None)
        self._queues.setdefault(run_id, set()).add(queue)
        if self._listener is None:
            self._listener = asyncio.create_task(self._listen())
        try:
            yield queue
        finally:
            self._leave(run_id, queue)

    async def read(self, run_id: int, after: int) -> list[Event]:
        """Up to BATCH events after ``after``, in order."""
        async with self._reading:
            try:
                return await self._read(run_id, after)
            except psycopg.OperationalError:
                await self._close_reader()
                return await self._read(run_id, after)

    @property
    def idle(self) -> bool:
        return not self._queues

    async def _read(self, run_id: int, after: int) -> list[Event]:
        if self._reader is None:
            self._reader = await self.connect()
        cursor = await self._reader.execute(_READ, (run_id, after))
        return [Event(*row) for row in await cursor.fetchall()]

    def _leave(self, run_id: int, queue: asyncio.Queue[Event | None]) -> None:
        self._queues[run_id].discard(queue)
        if not self._queues[run_id]:
            del self._queues[run_id]
            self._announced.pop(run_id, None)
        if self.idle:
            self._retire()

    def _retire(self) -> None:
        """Nobody watches: close the connections. The next to watch gets a new hub."""
        for loop, hub in list(_hubs.items()):
            if hub is self:
                del _hubs[loop]
        if self._listener is not None:
            self._listener.cancel()
            self._listener = None

    async def _listen(self) -> None:
        """Hear announcements until cancelled; connect again when the connection is lost."""
        try:
            while True:
                try:
                    await self._hear()
                except psycopg.OperationalError as error:
                    logger.warning("no announcements of run events, connecting again: %s", error)
                await asyncio.sleep(self.retry_seconds)
        finally:
            await self._close_reader()

    async def _close_reader(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None:
            with suppress(psycopg.Error):
                await reader.close()

    async def _hear(self) -> None:
        listening = await self.connect()
        # Not ``async with listening``: that would first roll back, which can wait for ever when cancelled here.
        try:
            await listening.execute(f"LISTEN {CHANNEL}")
            self._read_again()
            while True:
                async with aclosing(listening.notifies(timeout=PING_SECONDS)) as notices:
                    async for notice in notices:
                        await self._announce(notice.payload)
                await listening.execute("SELECT 1")  # a connection that died silently fails here
        finally:
            await listening.close()

    def _read_again(self) -> None:
        """Announcements may have been missed: everybody reads the table."""
        self._announced.clear()
        for queues in self._queues.values():
            for queue in queues:
                _offer(queue, None)

    async def _announce(self, payload: str) -> None:
        """Read the rows that are new since the last announcement and hand them to the run's watchers."""
        run_id, seq = (int(part) for part in payload.split(":"))
        if run_id not in self._queues or seq <= self._announced.get(run_id, 0):
            return
        events = await self.read(run_id, max(self._announced.get(run_id, 0), seq - 1))
        for event in events:
            self._announced[run_id] = event.seq
            for queue in self._queues.get(run_id, ()):
                _offer(queue, event)


def _offer(queue: asyncio.Queue[Event | None], event: Event | None) -> None:
    """Hand over one event; whoever is too slow is told to read the table instead."""
    try:
        queue.put_nowait(event)
    except asyncio.QueueFull:
        while not queue.empty():
            queue.get_nowait()
        queue.put_nowait(None)


_hubs: WeakKeyDictionary[asyncio.AbstractEventLoop, Hub] = WeakKeyDictionary()


def current_hub() -> Hub:
    """The one hub of this process's event loop."""
    return _hubs.setdefault(asyncio.get_running_loop(), Hub())
