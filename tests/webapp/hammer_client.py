"""One process of the hammer: some people, two clients each, who rate through the real queue and remember what it said.

Run as ``python -m tests.webapp.hammer_client`` with a plan as JSON on standard input and DATABASE_URL in the
environment; what was acknowledged is written as JSON to standard output. See tests/webapp/hammer.py.
"""

from __future__ import annotations

import json
import os
import random
import sys
import threading
import time
import traceback
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

ABANDONED, LATE, TWICE = 0.25, 0.15, 0.20
"""Shares of leases that are left behind, that are answered too late, and of answers that are sent twice."""
SKIPPED, UNDONE, HELD = 0.05, 0.05, 0.06
PATIENCE = 8
"""A client goes home when it was told so often in a row that there is nothing to do."""


@dataclass(frozen=True)
class Plan:
    """What one process does."""

    project: int
    people: list[int]
    seed: int
    seconds: float
    """At most; less when the work is done."""
    stop: str
    """The clients end once this file exists."""
    sweeps: bool = False
    mutant: str = ""
    restarts: bool = False
    """Whether a lost connection is to be expected."""


@dataclass
class Records:
    """What the process's clients were told, and what should not have happened to them."""

    ratings: list[dict[str, Any]] = field(default_factory=list)
    drafts: list[dict[str, Any]] = field(default_factory=list)
    shown: list[dict[str, Any]] = field(default_factory=list)
    """The drafts that came with the leases."""
    violations: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)


class Turns:
    """Says when it is time for the rare things of a process: after each 1 / share occasions rather than by luck.

    By luck alone one run in a hundred has none of them, and proves less than it says.
    """

    def __init__(self) -> None:
        self.owed: dict[str, float] = defaultdict(float)
        self.lock = threading.Lock()

    def due(self, kind: str, share: float) -> bool:
        with self.lock:
            self.owed[kind] += share
            now = self.owed[kind] >= 1
            if now:
                self.owed[kind] -= 1
            return now

    def put_off(self, kind: str) -> None:
        """It could not be done now: it is due again on the next occasion."""
        with self.lock:
            self.owed[kind] += 1


@dataclass(frozen=True)
class Tabs:
    """What the two clients of one person share."""

    alone: threading.Lock = field(default_factory=threading.Lock)
    away: threading.Event = field(default_factory=threading.Event)
    """Set while the person does nothing at all, so that a lease may end or be seen not to."""
    working: set[int] = field(default_factory=set)
    """The tabs that are about something."""


def main() -> None:
    plan = Plan(**json.load(sys.stdin))
    os.environ["DJANGO_SETTINGS_MODULE"] = "webapp.settings"
    import django

    django.setup()
    from django.db import connections

    # What is acknowledged must outlive a crash of the server, whatever the tests' server has as its default.
    options = connections["default"].settings_dict["OPTIONS"]
    options["options"] = f"{options.get('options', '')} -c synchronous_commit=on"
    if plan.mutant:
        from tests.webapp.hammer_mutants import MUTANTS

        MUTANTS[plan.mutant].change()
    records = Records()
    run(plan, records)
    json.dump(records.__dict__, sys.stdout)


def run(plan: Plan, records: Records) -> None:
    people = {pk: Tabs() for pk in plan.people}
    turns = Turns()
    clients = [Client(plan, records, turns, person=pk, number=n, tabs=people[pk]) for pk in plan.people for n in (1, 2)]
    ended = threading.Event()
    threads = [threading.Thread(target=_guarded, args=(client.work, records)) for client in clients]
    if plan.sweeps:
        threads.append(threading.Thread(target=_guarded, args=(lambda: _sweep(plan, records, ended), records)))
    for thread in threads:
        thread.start()
    for thread in threads[: len(clients)]:
        thread.join()
    ended.set()
    threads[-1].join()


def _guarded(job: Callable[[], None], records: Records) -> None:
    from django.db import connection

    try:
        with connection.execute_wrapper(_Watch(records)):
            job()
    except Exception:  # noqa: BLE001 (whatever reaches a client is what the hammer looks for)
        records.violations.append(f"error: {traceback.format_exc(limit=-6)}")
    finally:
        connection.close()


def _sweep(plan: Plan, records: Records, ended: threading.Event) -> None:
    from webapp.feedback import actions

    while not ended.wait(0.03):
        records.counts["swept"] += _until_answered(actions.expire_leases, plan, records)


class _Watch:
    """Sees each statement that a constraint stops: with the locks in place none of them ever has to."""

    def __init__(self, records: Records) -> None:
        self.records = records

    def __call__(self, execute: Callable[..., T], sql: Any, params: Any, many: bool, context: Any) -> T:
        from django.db import IntegrityError

        try:
            return execute(sql, params, many, context)
        except IntegrityError as error:
            self.records.violations.append(f"constraint: {str(error).splitlines()[0]}")
            raise


def _until_answered(action: Callable[[], T], plan: Plan, records: Records) -> T:
    """Where the server may go away: connect and ask again until there is an answer, as a browser's user would."""
    from django.db import InterfaceError, OperationalError, connection

    while True:
        try:
            return action()
        except (OperationalError, InterfaceError) as error:
            if not plan.restarts or not _connection_lost(error):
                raise
            records.counts["reconnected"] += 1
            connection.close()
            time.sleep(0.1)


def _connection_lost(error: Exception) -> bool:
    """Not a deadlock, which comes as the same class: no code, or one of shutting down and starting up."""
    code = getattr(error.__cause__, "sqlstate", None)
    return code is None or code.startswith("08") or code in {"57P01", "57P02", "57P03", "57P05"}


class Client:
    """One browser tab of one person."""

    def __init__(self, plan: Plan, records: Records, turns: Turns, *, person: int, number: int, tabs: Tabs) -> None:
        from webapp.accounts.models import User
        from webapp.catalog.models import Project

        self.plan, self.records, self.turns = plan, records, turns
        self.tabs, self.number = tabs, number
        self.random = random.Random(f"{plan.seed}-{person}-{number}")
        self.person = User.objects.get(pk=person)
        self.project = Project.objects.get(pk=plan.project)
        self.until = time.monotonic() + plan.seconds

    def work(self) -> None:
        idle = 0
        while idle < PATIENCE and time.monotonic() < self.until and not Path(self.plan.stop).exists():
            self.tabs.working.add(self.number)
            try:
                lease = 0 if self.tabs.away.is_set() else self.visit()
            finally:
                self.tabs.working.discard(self.number)
            idle = idle + 1 if lease is None else 0
            if not lease:
                time.sleep(0.3 if lease is None else 0.02)

    def visit(self) -> int | None:
        """Open the page and treat its pair: drafts, then an answer, late, twice, or none."""
        fate = self.random.random()
        with self.going_away() if fate < ABANDONED + LATE + HELD else nullcontext(False) as gone:
            lease = self.open_page()
            if lease is None:
                return None
            for _ in range(self.random.choice((0, 1, 1, 2))):
                self.draft(lease)
            if gone and fate >= ABANDONED + LATE:
                self.hold(lease)
            ended = gone and fate < ABANDONED + LATE and self.run_out(lease)
        if ended and fate < ABANDONED:
            self.records.counts["abandoned"] += 1
        else:
            self.records.counts["late"] += ended
            self.answer(lease)
        return lease

    def open_page(self) -> int | None:
        from webapp.feedback import actions

        began = time.time()
        lease = self.ask(lambda: actions.next_assignment(self.person, self.project))
        if self.plan.mutant and self.records.violations:
            Path(self.plan.stop).touch()
        if lease is None:
            return None
        self.records.counts["leases"] += 1
        shown = {"assignment": lease.pk, "shown": lease.draft, "began": began, "ended": time.time()}
        self.records.shown.append(shown)
        return lease.pk

    def ask(self, action: Callable[[], T]) -> T:
        return _until_answered(action, self.plan, self.records)

    def answer(self, lease: int) -> None:
        from webapp.feedback import actions

        if self.random.random() < 0.2:
            self.ask(lambda: actions.renew(self.person, lease))
        if self.turns.due("skip", SKIPPED):
            self.skip(lease)
        else:
            self.submit(lease)

    def draft(self, lease: int) -> bool:
        from webapp.feedback import actions
        from webapp.feedback.errors import AlreadyRated

        typed = {"rationale": uuid.uuid4().hex}
        began = time.time()
        try:
            self.ask(lambda: actions.save_draft(self.person, lease, typed))
        except AlreadyRated:
            return False  # The other tab has sent or skipped it.
        self.records.drafts.append({"assignment": lease, "typed": typed, "began": began, "ended": time.time()})
        return True

    def hold(self, lease: int) -> None:
        """Let the lease come close to its end, save a draft in time, and see that the pair is still held after that."""
        from webapp.feedback.models import Assignment

        if not self.ends_in(lease, 0.4) or not self.draft(lease):
            return
        if not self.ask(lambda: Assignment.objects.filter(pk=lease, state="leased").exists()):
            return  # The draft came too late, on a slow machine.
        time.sleep(0.8)
        self.records.counts["held"] += 1
        if self.ask(lambda: Assignment.objects.filter(pk=lease, state="expired").exists()):
            self.records.violations.append(f"renewal: assignment {lease} ended although a draft had renewed it")

    def run_out(self, lease: int) -> bool:
        """Do nothing until a sweeper, or somebody who wants work, has ended the lease."""
        from webapp.feedback.models import Assignment

        if not self.ends_in(lease, -1.0):
            return False
        held = Assignment.objects.filter(pk=lease, state="leased")
        for _ in range(100):
            if not self.ask(held.exists):
                return True
            time.sleep(0.03)
        self.records.violations.append(f"sweep: assignment {lease} has run out and nobody ends it")
        return False

    def ends_in(self, lease: int, seconds: float) -> int:
        from django.utils import timezone

        from webapp.feedback.models import Assignment

        held = Assignment.objects.filter(pk=lease, state="leased")
        return self.ask(lambda: held.update(expires_at=timezone.now() + timedelta(seconds=seconds)))

    @contextmanager
    def going_away(self) -> Iterator[bool]:
        """The other tab, which would renew the lease by asking for work, rests. False when it is going away itself."""
        if not self.tabs.alone.acquire(blocking=False):
            yield False
            return
        try:
            self.tabs.away.set()
            while self.tabs.working != {self.number}:
                time.sleep(0.01)
            yield True
        finally:
            self.tabs.away.clear()
            self.tabs.alone.release()

    def skip(self, lease: int) -> None:
        from webapp.feedback import actions
        from webapp.feedback.errors import AlreadyRated

        try:
            self.ask(lambda: actions.skip(self.person, lease, reason="unclear"))
            self.records.counts["skipped"] += 1
        except AlreadyRated:
            self.turns.put_off("skip")

    def submit(self, lease: int) -> None:
        said = self.opinion()
        twice, at_once = self.random.random() < TWICE, self.random.random() < 0.5
        if twice and at_once:
            again = threading.Thread(target=_guarded, args=(lambda: self.send(lease, said), self.records))
            again.start()
            self.send(lease, said)
            again.join()
        elif self.send(lease, said) and twice:
            self.send(lease, said)
        self.records.counts["twice"] += twice
        if self.turns.due("undo", UNDONE):
            self.undo()

    def undo(self) -> None:
        from webapp.feedback import afterwards
        from webapp.feedback.errors import TooLate

        if self.tabs.away.is_set():
            self.turns.put_off("undo")
            return
        try:
            self.ask(lambda: afterwards.undo_last(self.person, self.project))
            self.records.counts["undone"] += 1
        except TooLate:
            self.turns.put_off("undo")

    def send(self, lease: int, said: dict[str, Any]) -> bool:
        from webapp.feedback import actions
        from webapp.feedback.errors import AlreadyRated
        from webapp.feedback.judgement import Judgement

        answer = Judgement(said["preference"], first=said["first"], second=said["second"], rationale=said["rationale"])
        began = time.time()
        try:
            rating = self.ask(
                lambda: actions.submit(self.person, lease, answer, submission=uuid.UUID(said["submission"]))
            )
        except AlreadyRated:
            return False  # The other tab was faster.
        told = {"assignment": lease, "rating": rating.pk, "surplus": rating.surplus, "began": began}
        self.records.ratings.append({**said, **told, "ended": time.time()})
        return True

    def opinion(self) -> dict[str, Any]:
        point = self.random.randint
        return {
            "submission": str(uuid.UUID(int=self.random.getrandbits(128), version=4)),
            "preference": point(-3, 3),
            "first": {"correctness": point(1, 5)},
            "second": {"correctness": point(1, 5)},
            "rationale": uuid.uuid4().hex,
        }


if __name__ == "__main__":
    main()
