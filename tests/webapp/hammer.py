"""Thirty-two clients of sixteen people rate at once, badly behaved, and everything that the queue promises is checked.

The clients live in several processes (tests/webapp/hammer_client.py) and use the queue's own functions. A quarter of
their leases are abandoned, some are answered late, some answers are sent twice, also at the same moment, ratings are
taken back, and in each process a sweeper ends what ran out. The rows are looked at while they work, one statement at a
time, so that each look is at one state of the database; at the end what the clients were told is compared with them.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import IO, Any

from django.db import connection
from django.utils import timezone

from tests.webapp import people
from tests.webapp.hammer_client import Plan
from tests.webapp.server import ROOT, _database_url
from webapp.accounts.models import User
from webapp.audit.models import AuditEvent
from webapp.catalog.models import ModelVersion, Project, Prompt, Sample
from webapp.feedback.actions import create_comparisons, expire_leases, next_assignment, submit
from webapp.feedback.judgement import Judgement
from webapp.feedback.models import Assignment, Comparison, Rating

PEOPLE, PROCESSES = 16, 2
BATCH = 24
"""So many pairs are put before the people at a time, so that they crowd on few."""
SWEEPERS = 2
STATEMENTS = {
    "overlap": """
        SELECT c.id, count(*) FROM feedback_comparison c JOIN feedback_assignment a ON a.comparison_id = c.id
        WHERE a.state IN ('leased', 'submitted') GROUP BY c.id HAVING count(*) > c.overlap""",
    "twice": """
        SELECT comparison_id, annotator_id FROM feedback_assignment
        GROUP BY comparison_id, annotator_id HAVING count(*) > 1""",
    "leases": """
        SELECT annotator_id, count(*) FROM feedback_assignment WHERE state = 'leased'
        GROUP BY annotator_id HAVING count(*) > 1""",
    "counter": """
        SELECT c.id, c.overlap, c.open_slots FROM feedback_comparison c
        WHERE c.open_slots <> c.overlap - (SELECT count(*) FROM feedback_assignment a
            WHERE a.comparison_id = c.id AND a.state IN ('leased', 'submitted'))""",
    "ratings": """
        SELECT a.id, a.state, r.id, r.surplus FROM feedback_assignment a
        LEFT JOIN feedback_rating r ON r.assignment_id = a.id
        WHERE (a.state IN ('submitted', 'surplus')) <> (r.id IS NOT NULL) OR r.surplus <> (a.state = 'surplus')""",
}
"""By the kind of violation: rows of which there must be none at any moment."""


@dataclass
class Found:
    """What a run was like, and what it showed."""

    violations: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    counts: Counter[str] = field(default_factory=Counter)

    def add(self, kind: str, what: object) -> None:
        if len(self.violations[kind]) < 20:
            self.violations[kind].append(str(what))

    def __str__(self) -> str:
        lines = [f"{kind}: {what}" for kind, found in self.violations.items() for what in found[:5]]
        return "\n".join([str(dict(self.counts)), *lines])


def hammer(
    *, pairs: int, seconds: float = 120.0, mutant: str = "", restart: Sequence[tuple[float, Callable[[], None]]] = ()
) -> Found:
    """Let them rate until no work is left or the time is up. ``restart``: what to do to the server after so many seconds.

    A mutant's run ends at the first thing that is noticed.
    """
    team = people.team()
    crowd = people.annotators(team.project, PEOPLE, by=team.owner)
    stock = _stock(team.project, pairs)
    found = Found()
    with tempfile.TemporaryDirectory(prefix="hammer-") as folder:
        stop = Path(folder) / "stop"
        plans = [
            Plan(
                team.project.pk, [user.pk for user in crowd[n::PROCESSES]], n, seconds, str(stop),
                sweeps=n < SWEEPERS, mutant=mutant, restarts=bool(restart),
            )
            for n in range(PROCESSES)
        ]  # fmt: skip
        _release(team.project, stock)
        started = [_started(plan, Path(folder) / f"{n}") for n, plan in enumerate(plans)]
        try:
            _watch(team.project, stock, started, found, stop=stop if mutant else None, restart=list(restart))
        finally:
            stop.touch()
            ended = [process.wait(60) for process, _out in started]
        records = [_records(out) for _process, out in started]
    if any(ended):
        found.add("error", f"processes ended with {ended}")
    _compare(records, found)
    if not found.violations:
        _work_off(team.project, crowd, found)
    return found


def _stock(project: Project, count: int) -> list[tuple[Sample, Sample]]:
    """Pairs of samples that are not yet put before anybody, the last one first."""
    model = ModelVersion.objects.create(project=project, name="m", kind="supervised", path="m", sha256="0" * 64)
    prompts = Prompt.objects.bulk_create(
        Prompt(project=project, sha256=_sha(f"p{n}"), text=f"Add {n}.", signature="def f(x):", entry="f",
               language="en", family="add", split="train", task={})
        for n in range(count)
    )  # fmt: skip
    samples = Sample.objects.bulk_create(
        Sample(prompt=prompt, model_version=model, text=text, sha256=_sha(text))
        for prompt in prompts
        for text in ("def f(x):\n    return x + 1\n", "def f(x):\n    return 1 + x\n")
    )
    return [(samples[n], samples[n + 1]) for n in range(0, len(samples), 2)][::-1]


def _release(project: Project, stock: list[tuple[Sample, Sample]]) -> None:
    create_comparisons(project, [stock.pop() for _ in range(min(BATCH, len(stock)))])


def _started(plan: Plan, out: Path) -> tuple[subprocess.Popen[bytes], Path]:
    with out.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.webapp.hammer_client"],
            cwd=ROOT,
            env={**os.environ, "DATABASE_URL": _database_url()},
            stdin=subprocess.PIPE,
            stdout=file,
        )
    stdin: IO[bytes] | None = process.stdin
    assert stdin is not None
    stdin.write(json.dumps(asdict(plan)).encode())
    stdin.close()
    return process, out


def _records(out: Path) -> dict[str, Any]:
    text = out.read_text()
    empty: dict[str, Any] = {
        "ratings": [],
        "drafts": [],
        "shown": [],
        "violations": ["error: no records"],
        "counts": {},
    }
    return json.loads(text) if text else empty


def _watch(
    project: Project,
    stock: list[tuple[Sample, Sample]],
    started: Sequence[tuple[subprocess.Popen[bytes], Path]],
    found: Found,
    *,
    stop: Path | None,
    restart: list[tuple[float, Callable[[], None]]],
) -> None:
    """Until they have ended: look at the rows, put new pairs before them, restart the server when it is time."""
    began = time.monotonic()
    while any(process.poll() is None for process, _out in started):
        if restart and time.monotonic() - began > restart[0][0]:
            connection.close()
            restart.pop(0)[1]()
            found.counts["restarts"] += 1
        _look(found)
        if stop and found.violations:
            stop.touch()
        if stock and Comparison.objects.filter(project=project, open_slots__gt=0).count() < BATCH // 2:
            _release(project, stock)
        time.sleep(0.1)
    _look(found)


def _look(found: Found) -> None:
    found.counts["looks"] += 1
    with connection.cursor() as cursor:
        for kind, statement in STATEMENTS.items():
            cursor.execute(statement)
            for row in cursor.fetchall():
                found.add(kind, row)


def _compare(records: Sequence[Mapping[str, Any]], found: Found) -> None:
    """What the clients were told, beside the rows."""
    for record in records:
        found.counts.update(record["counts"])
        for violation in record["violations"]:
            kind, what = violation.split(": ", 1)
            found.add(kind, what)
    told = [rating for record in records for rating in record["ratings"]]
    typed = [draft for record in records for draft in record["drafts"]]
    found.counts["acknowledged"] = len({rating["submission"] for rating in told})
    found.counts["drafts"] = len(typed)
    _compare_ratings(told, found)
    _compare_drafts(typed, [look for record in records for look in record["shown"]], found)


def _compare_ratings(told: Sequence[Mapping[str, Any]], found: Found) -> None:
    """Each acknowledged rating is there as it was sent, and there is no other. Only the audit log excuses a missing one."""
    rows = {str(row.submission): row for row in Rating.objects.select_related("assignment")}
    pairs = dict(Assignment.objects.values_list("pk", "comparison_id"))
    people_of = dict(Assignment.objects.values_list("pk", "annotator_id"))
    undone = _undone()
    found.counts["surplus"] = sum(row.surplus for row in rows.values())
    found.counts["kept"] = len(rows)
    for sent in told:
        row = rows.get(sent["submission"])
        back = undone[pairs[sent["assignment"]], people_of[sent["assignment"]]]
        if row is None or row.pk != sent["rating"]:
            if not any(when >= sent["began"] for when in back):
                found.add("rating", f"{sent['submission']} was acknowledged and is {'gone' if row is None else row.pk}")
        elif _said(row) != (sent["preference"], sent["first"], sent["second"], sent["rationale"], sent["surplus"]):
            found.add("rating", f"{sent['submission']} is not as it was sent: {_said(row)}")
    for submission in rows.keys() - {sent["submission"] for sent in told}:
        found.add("rating", f"{submission} was acknowledged to nobody")


def _said(row: Rating) -> tuple[object, ...]:
    """In the order of the screen."""
    stored = Judgement(row.preference, row.unusable, row.scales_a, row.scales_b, row.rationale)
    shown = stored.turned(row.assignment.swapped)
    return (shown.preference, shown.first, shown.second, shown.rationale, row.surplus)


def _compare_drafts(typed: Sequence[Mapping[str, Any]], shown: Sequence[Mapping[str, Any]], found: Found) -> None:
    """Whenever a pair was given out, and at the end: what had been typed last is there.

    Pairs that were taken back are left out, since that fills the form in anew.
    """
    drafts: dict[int, list[Mapping[str, Any]]] = defaultdict(list)
    for draft in typed:
        drafts[draft["assignment"]].append(draft)
    undone = _undone()
    rows = {row.pk: row for row in Assignment.objects.all()}
    now = time.time()
    unfinished = [row for row in rows.values() if row.state in ("leased", "expired", "skipped")]
    at_the_end = [{"assignment": row.pk, "shown": row.draft, "began": now, "ended": now} for row in unfinished]
    for look in [*shown, *at_the_end]:
        row = rows[look["assignment"]]
        if not undone[row.comparison_id, row.annotator_id]:
            found.counts["drafts compared"] += bool(look["shown"])
            if look["shown"] not in _possible(drafts[row.pk], look["began"], look["ended"]):
                found.add("draft", f"assignment {row.pk} came with {look['shown']}, not with what was typed last")


def _possible(drafts: Sequence[Mapping[str, Any]], began: float, ended: float) -> list[object]:
    """What somebody who asks in that time may be shown; of drafts saved at the same moment it is either."""
    saved = [draft for draft in drafts if draft["ended"] <= began]
    latest = max((draft["began"] for draft in saved), default=0.0)
    possible = [draft["typed"] for draft in drafts if draft["began"] <= ended and draft["ended"] >= latest]
    return possible if saved else [*possible, {}]


def _undone() -> dict[tuple[int, int], list[float]]:
    """When ratings were taken back, by comparison and person."""
    found: dict[tuple[int, int], list[float]] = defaultdict(list)
    for event in AuditEvent.objects.filter(action="rating.undone"):
        pair = int(event.target.rpartition(":")[2])
        found[pair, event.actor_id or 0].append(event.created_at.timestamp())
    return found


def _work_off(project: Project, crowd: Sequence[User], found: Found) -> None:
    """Nothing is stuck: what is left can be rated until no pair has both an open slot and somebody to take it."""
    expire_leases(now=timezone.now() + timedelta(days=1))
    for person in crowd:
        while (lease := next_assignment(person, project)) is not None:
            submit(person, lease.pk, Judgement(preference=0), submission=uuid.uuid4())
            found.counts["worked off"] += 1
    for pair in Comparison.objects.filter(project=project, open_slots__gt=0):
        taken = pair.assignments.exclude(state="expired").values("annotator")
        if User.objects.filter(pk__in=[user.pk for user in crowd]).exclude(pk__in=taken).exists():
            found.add("stuck", f"comparison {pair.pk} has an open slot that nobody gets")
    _look(found)


def _sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
