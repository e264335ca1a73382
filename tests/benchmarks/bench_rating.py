"""What a rating costs with 100,000 open pairs: SQL statements, web CPU, and how long the next pair takes to come.

The answer to a rating is the next pair, so "next" is the time from sending one to having the other. Run by
hand: ``make bench NAME=rating ARGS="--pairs 20000"``. It starts an embedded PostgreSQL of its own and serves the
application with granian. CPU is that of granian's processes, so other load on the machine does not count; latencies are
wall clock. ``--peer-venv`` names a virtual environment with label-studio and gunicorn, which is then measured too, on
``--peer-database``.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import re
import shutil
import statistics
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from tests.benchmarks import label_studio_peer
from workers.home import Home
from workers.postgres import OWNER, Postgres

SLUG, ANNOTATORS, USERS = "bench", 200, 8
LARGE = 10_000
"""Rows from which no statement may read a table from end to end."""
CODE = (
    "def solve(xs):\n"
    + "".join(f"    part_{n} = sum(x * {n} for x in xs)\n" for n in range(48))
    + "    return part_0\n"
)
SEED = """
INSERT INTO catalog_prompt (id, project_id, sha256, text, signature, entry, language, family, split, task, created_at)
    SELECT n, {project}, md5(n::text), 'Sum xs, variant ' || n, 'def solve(xs):', 'solve', 'en', 'sum', 'train', '{{}}', now()
    FROM generate_series(1, {pairs}) n;
INSERT INTO catalog_sample (id, prompt_id, model_version_id, text, sha256, seed, decoding, finished, created_at,
    check_attempts, check_error, checked_at, tokens)
    SELECT n, (n + 1) / 2, {model}, $code${code}$code$ || '# ' || n || E'\n', md5(n::text), 0, '{{}}', true, now(), 1, '', now(),
    '{tokens} ' || length('# ' || n) || 'c1 1'
    FROM generate_series(1, 2 * {pairs}) n;
INSERT INTO feedback_comparison (id, project_id, prompt_id, sample_a_id, sample_b_id, priority, is_gold, overlap, open_slots,
    created_at)
    SELECT n, {project}, n, 2 * n - 1, 2 * n, {priority}, false, 2, 2, now() FROM generate_series(1, {pairs}) n;
"""


@dataclass
class Times:
    """Seconds that requests took."""

    next: list[float] = field(default_factory=list)
    submit: list[float] = field(default_factory=list)
    """Where an answer brings no pair: the peer's."""


class Annotator:
    """One person's browser, without the browser: opens the page, sends the form that it finds there."""

    def __init__(self, address: str, session: str) -> None:
        self.host, self.session, self.page = urlsplit(address).netloc, session, ""
        self.connection = http.client.HTTPConnection(self.host, timeout=60)

    def rate(self, times: Times) -> bool:
        """An answer to the pair on the page, which brings the next; False when there is no pair."""
        page = self.page or self._ask("GET", f"/p/{SLUG}/rate/")
        fields = dict(re.findall(r'name="(csrfmiddlewaretoken|assignment|submission)" value="([^"]+)"', page))
        if "submission" not in fields:
            return False
        form = {
            **fields,
            "preference": "1",
            "left_correctness": "4",
            "right_correctness": "5",
            "rationale": "B is clearer.",
        }
        sent = time.perf_counter()
        self.page = self._ask("POST", f"/p/{SLUG}/rate/submit/", form)
        times.next.append(time.perf_counter() - sent)
        return True

    def _ask(self, method: str, path: str, form: dict[str, str] | None = None) -> str:
        token = form["csrfmiddlewaretoken"] if form else ""
        headers = {
            "Cookie": f"sessionid={self.session}; csrftoken={token}",
            "Content-Type": "application/x-www-form-urlencoded",
        }
        self.connection.request(method, path, urlencode(form) if form else None, headers)
        reply = self.connection.getresponse()
        text = reply.read().decode()
        if reply.status != 200:
            raise RuntimeError(f"{method} {path}: {reply.status} {text[:500]}")
        return text


def measured(server: Postgres, chosen: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Fill the database, then measure: statements and plans in this process, the rest from outside."""
    os.environ |= {"DATABASE_URL": server.url(OWNER), "DJANGO_SETTINGS_MODULE": "webapp.settings"}
    import django

    django.setup()
    from django.core.management import call_command
    from django.test.utils import setup_test_environment

    setup_test_environment(debug=False)
    call_command("migrate", verbosity=0)
    sessions = _seed(chosen)
    _statements(sessions[0])  # What is written, read and compiled once in a process.
    found: dict[str, Any] = {"first": _statements(sessions[2])}
    from tests.webapp.server import serving

    before = set(_children(os.getpid()))
    with serving(folder) as address:
        (granian,) = set(_children(os.getpid())) - before
        Annotator(address, sessions[0]).rate(Times())
        found["alone"] = _alone(Annotator(address, sessions[1]), chosen.solo, granian)
        found["500th"] = _statements(sessions[1])
        crowd = [Annotator(address, session) for session in sessions[3 : 3 + USERS]]
        found["together"] = _together(crowd, chosen.seconds, granian)
        found["a second each"] = _together(crowd, chosen.seconds, granian, pause=1.0)
    return found


def _seed(chosen: argparse.Namespace) -> list[str]:
    """100,000 pairs and 200 annotators; the sessions of the first few."""
    from django.db import connection
    from django.test import Client
    from django.utils import timezone

    from tests.webapp import people
    from webapp.accounts.models import User
    from webapp.accounts.privacy import CONSENT_VERSION
    from webapp.catalog.actions import create_project
    from webapp.catalog.highlight import tokens
    from webapp.catalog.models import Membership, ModelVersion
    from webapp.feedback.models import Comparison

    began = time.monotonic()
    project = create_project(name="Bench", slug=SLUG, by=people.person("owner"), overlap=2)
    model = ModelVersion.objects.create(project=project, name="m", kind="supervised", path="m", sha256="0" * 64)
    priority = "random()" if chosen.priorities else "0"
    seed = SEED.format(
        project=project.pk, model=model.pk, pairs=chosen.pairs, code=CODE, priority=priority, tokens=tokens(CODE)
    )
    users = User.objects.bulk_create(User(username=f"a{n}", pseudonym=f"a{n}", password="!") for n in range(ANNOTATORS))
    agreed = {"consent_version": CONSENT_VERSION, "consented_at": timezone.now()}
    Membership.objects.bulk_create(Membership(project=project, user=user, role="annotator", **agreed) for user in users)
    with connection.cursor() as cursor:
        cursor.execute(seed)
        for table in ("catalog_prompt", "catalog_sample", "feedback_comparison"):
            cursor.execute(f"SELECT setval('{table}_id_seq', (SELECT max(id) FROM {table}))")
        cursor.execute("VACUUM ANALYZE")
    assert Comparison.objects.count() == chosen.pairs
    print(f"{chosen.pairs:,} pairs, {ANNOTATORS} annotators, {time.monotonic() - began:.0f} s to make them")
    sessions = []
    for user in users[: 3 + USERS]:
        client = Client()
        client.force_login(user)
        sessions.append(client.cookies["sessionid"].value)
    return sessions


def _statements(session: str) -> dict[str, Any]:
    """How many statements the next pair and an answer take, and which of them read a large table from end to end."""
    from django.db import connection, reset_queries
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    reset_queries()
    client = Client()
    client.cookies["sessionid"] = session
    seen: list[str] = []
    with CaptureQueriesContext(connection) as captured:
        page = client.get(f"/p/{SLUG}/rate/")
    found: dict[str, Any] = {"page opened": len(captured)}
    seen += [query["sql"] for query in captured]
    form = {"assignment": page.context["assignment"].pk, "submission": page.context["submission"], "preference": "1"}
    with CaptureQueriesContext(connection) as captured:
        client.post(f"/p/{SLUG}/rate/submit/", form)
    found["submit and next"] = len(captured)
    seen += [query["sql"] for query in captured]
    return {**found, "plans": [plan for sql in seen if (plan := _plan(sql)) is not None]}


def _plan(sql: str) -> dict[str, Any] | None:
    """The statement's plan, with what it really took where it changes nothing."""
    from django.db import connection, transaction

    if sql.split(" ", 1)[0] not in {"SELECT", "UPDATE", "INSERT"}:
        return None
    options = "ANALYZE, FORMAT JSON" if sql.startswith("SELECT") else "FORMAT JSON"
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN ({options}) {sql}".replace("%", "%%"), [])
        (found,) = cursor.fetchone()
    return {"sql": sql, "ms": found[0].get("Execution Time", 0.0), "scans": sorted(set(_scanned(found[0]["Plan"])))}


def _scanned(node: dict[str, Any]) -> list[str]:
    """The large tables that are read from end to end."""
    from django.db import connection

    found = [name for child in node.get("Plans", ()) for name in _scanned(child)]
    if node["Node Type"] == "Seq Scan":
        with connection.cursor() as cursor:
            cursor.execute("SELECT reltuples FROM pg_class WHERE relname = %s", [node["Relation Name"]])
            if cursor.fetchone()[0] > LARGE:
                found.append(node["Relation Name"])
    return found


def _alone(annotator: Annotator, ratings: int, granian: int) -> dict[str, float]:
    """One person, one rating after another."""
    times = Times()
    cpu = _cpu_seconds(granian)
    for _ in range(ratings):
        assert annotator.rate(times)
    return {
        "web CPU ms a rating": 1000 * (_cpu_seconds(granian) - cpu) / ratings,
        "next p50 ms, first 50": _ms(times.next[:50], 50),
        "next p50 ms, last 50": _ms(times.next[-50:], 50),
        "next p95 ms": _ms(times.next, 95),
    }


def _together(annotators: Sequence[Annotator], seconds: float, granian: int, pause: float = 0.0) -> dict[str, float]:
    """All at once, each as fast as they are answered, or after about so many seconds on a pair."""
    times, failures, until = Times(), [], time.monotonic() + seconds

    def work(annotator: Annotator) -> None:
        try:
            while time.monotonic() < until and annotator.rate(times):
                time.sleep(random.uniform(0.5, 1.5) * pause)
        except Exception as failure:  # noqa: BLE001 (raised again below)
            failures.append(failure)

    cpu, began = _cpu_seconds(granian), time.monotonic()
    threads = [threading.Thread(target=work, args=(annotator,)) for annotator in annotators]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    took, count = time.monotonic() - began, len(times.next)
    return {
        "web CPU ms a rating": 1000 * (_cpu_seconds(granian) - cpu) / count,
        "ratings a second": count / took,
        **{
            f"{name} p{q} ms": _ms(values, q)
            for name, values in (("next", times.next), ("submit", times.submit))
            for q in (50, 95)
            if values
        },
    }


def _ms(seconds: Sequence[float], percent: int) -> float:
    return 1000 * statistics.quantiles(seconds, n=100, method="inclusive")[percent - 1]


def _cpu_seconds(process: int) -> float:
    """Of a process and all below it."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK") + sum(map(_cpu_seconds, _children(process)))


def _children(process: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{process}/task").iterdir():
        with suppress(FileNotFoundError):  # A thread that has ended meanwhile.
            found += map(int, (task / "children").read_text().split())
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=100_000)
    parser.add_argument("--solo", type=int, default=500, help="ratings by one person alone")
    parser.add_argument("--seconds", type=float, default=15.0, help="how long eight people rate at once")
    parser.add_argument("--priorities", action="store_true", help="give each pair a priority of its own")
    parser.add_argument(
        "--peer-venv", type=Path, default=os.environ.get("LS_VENV"), help="with label-studio and gunicorn"
    )
    parser.add_argument("--peer-database", help="an empty one for it, on a server with pg_trgm, as postgresql://…")
    parser.add_argument("--peer-pairs", type=int, default=1_000, help="its tasks: it takes long to read them in")
    parser.add_argument("--peer-solo", type=int, default=100, help="its ratings by one person alone")
    chosen = parser.parse_args()
    if chosen.peer_venv and not chosen.peer_database:
        parser.error("--peer-venv needs --peer-database")
    folder = Path(tempfile.mkdtemp(prefix="aval-bench-"))
    os.environ["AVAL_HOME"] = str(folder)
    server = Postgres(Home(folder), dies_with_parent=True)
    server.start()
    try:
        load, speed = os.getloadavg()[0], _speed()
        ours = measured(server, chosen, folder)
        peer = label_studio_peer.measured(chosen) if chosen.peer_venv else None
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)
    print(f"load {load:.1f}, {speed:.2f} s of CPU for ten million additions")
    _print(ours, peer)
    plans = [plan for when in ("first", "500th") for plan in ours[when].pop("plans")]
    scans = sorted({scan for plan in plans for scan in plan["scans"]})
    ratios = {}
    if peer:
        ratios = {name: peer[part][name] / ours[part][name] for part, name in label_studio_peer.COMPARED}
    settings = {"pairs": chosen.pairs, "overlap": 2, "annotators": ANNOTATORS, "users": USERS, "seconds": chosen.seconds, "peer's pairs": chosen.peer_pairs,
                "own priorities": chosen.priorities, "load": load, "CPU seconds for ten million additions": speed}  # fmt: skip
    summary = {"name": "rating", "ours": {**ours, "tables read from end to end": scans}, "peers": {}, "ratios": ratios}
    print(json.dumps({**summary, "peers": {"Label Studio": peer} if peer else {}, "settings": settings}))


def _speed() -> float:
    """CPU seconds for ten million additions, to read the other figures by: machines that are shared differ by the hour."""
    began, total = time.process_time(), 0
    for number in range(10_000_000):
        total += number
    return time.process_time() - began


def _print(ours: dict[str, Any], peer: dict[str, Any] | None) -> None:
    for when in ("first", "500th"):
        plans = ours[when]["plans"]
        slowest = max(plans, key=lambda plan: plan["ms"])
        print(f"SQL statements, begin and commit among them, {when} rating:")
        for name in ("page opened", "submit and next"):
            print(f"  {name:<24} {ours[when][name]:6}")
        print(f"  in the database, ms      {sum(plan['ms'] for plan in plans):6.2f} of all SELECTs, "
              f"{slowest['ms']:.2f} of the slowest: {slowest['sql'][:60]}...")  # fmt: skip
        print(f"  tables of more than {LARGE:,} rows read from end to end: "
              f"{sorted({scan for plan in plans for scan in plan['scans']}) or 'none'}")  # fmt: skip
    parts = {
        "alone": "one person alone:",
        "together": f"{USERS} people at once:",
        "a second each": f"{USERS} people who look at a pair for a second:",
    }
    for part, title in parts.items():
        print(title)
        for name, value in ours[part].items():
            beside = f"   Label Studio {peer[part][name]:8.1f}" if peer and name in peer.get(part, {}) else ""
            print(f"  {name:<24} {value:8.1f}{beside}")
    if peer is None:
        print(
            "peer missing: Label Studio (name an environment with label-studio and gunicorn by --peer-venv or LS_VENV)"
        )


if __name__ == "__main__":
    main()
