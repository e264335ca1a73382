"""Data out: ``webapp.feedback.export``, and the page that gives it to engineers and admins."""

from __future__ import annotations

import asyncio
import hashlib
import http.client
import io
import json
import time
import tracemalloc
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from django.db import connection
from django.http import StreamingHttpResponse
from django.test import Client, RequestFactory

from tests.benchmarks.bench_export import FILL
from tests.webapp import people, scene
from tests.webapp.server import serving
from webapp.accounts.models import User
from webapp.audit.models import AuditEvent
from webapp.catalog.models import Membership, Project, Prompt
from webapp.feedback import actions, afterwards, export
from webapp.feedback.export import COMMENTS, PREFERENCES, RATINGS, Selection, Tally, open_connection, stream
from webapp.feedback.export_views import page
from webapp.feedback.judgement import Judgement
from webapp.feedback.models import Adjudication, Assignment, Comparison, LineComment, Rating

WORSE = "def add_0(x: int) -> int:\n    return 1  # peor\n"
BETTER = 'def add_0(x: int) -> int:\n    return x  # "mejor" → sí\n'


def written(project: Project, chosen: Selection, kind: str = "jsonl") -> tuple[bytes, Tally]:
    """The file, by way of the test's own transaction."""
    connection.ensure_connection()
    tally = Tally()
    assert connection.connection is not None
    return b"".join(stream(connection.connection, project, chosen, kind, tally)), tally


def rows(project: Project, dataset: str = PREFERENCES, **chosen: Any) -> list[dict[str, Any]]:
    data, tally = written(project, Selection(dataset=dataset, **chosen))
    found = [json.loads(line) for line in data.decode().split("\n")[:-1]]
    assert tally.rows == len(found)
    return found


def rate(annotator: User, project: Project, *, swapped: bool, **judgement: Any) -> Rating:
    """A rating through the real queue, said in the order of the screen."""
    lease = actions.next_assignment(annotator, project)
    assert lease is not None
    Assignment.objects.filter(pk=lease.pk).update(swapped=swapped)
    return actions.submit(annotator, lease.pk, Judgement(**judgement), submission=uuid.uuid4())


@pytest.fixture
def rated(team: people.Team) -> tuple[Rating, Rating]:
    """One pair, of which B is better: said by two people, the second of whom saw it with the sides exchanged."""
    people.pairs(team.project, 1, by=team.owner, codes=(WORSE, BETTER))
    said: dict[str, Any] = {"rationale": '«sí»\n\t\u2028\\ "ends"', "seconds": 12.0}
    first = rate(team.teammate, team.project, swapped=False, preference=3, second={"correctness": 5}, **said)
    other = people.annotators(team.project, 1, by=team.owner)[0]
    comments = {2: "returns its argument"}
    second = rate(
        other, team.project, swapped=True, preference=-1, first={"correctness": 4}, first_comments=comments, **said
    )
    return first, second


def test_chosen_is_the_preferred_code_whatever_side_was_shown(team: people.Team, rated: tuple[Rating, Rating]) -> None:
    found = rows(team.project)
    assert [(row["chosen"], row["rejected"], row["margin"]) for row in found] == [
        (BETTER, WORSE, 3),
        (BETTER, WORSE, 1),
    ]
    Rating.objects.update(preference=-2)
    assert {(row["chosen"], row["rejected"], row["margin"]) for row in rows(team.project)} == {(WORSE, BETTER, 2)}


def test_preferences_have_the_columns_of_trl_and_ours(team: people.Team, rated: tuple[Rating, Rating]) -> None:
    prompt = Prompt.objects.get()
    first, _second = rows(team.project)
    assert list(first)[:3] == ["prompt", "chosen", "rejected"]
    assert first["prompt"] == f"{prompt.text}\n{prompt.signature}"
    assert (
        first
        | {
            "id": f"alpha/{rated[0].pk}",
            "rating": rated[0].pk,
            "comparison": rated[0].comparison_id,
            "prompt_id": prompt.pk,
            "family": "add",
            "language": "en",
            "split": "train",
            "annotator": team.teammate.pseudonym,
            "simulated": False,
            "surplus": False,
            "gold": False,
            "tie": False,
            "unusable": False,
        }
        == first
    )


def test_a_rating_is_exported_in_the_comparison_s_own_order_with_all_that_was_said(
    team: people.Team, rated: tuple[Rating, Rating]
) -> None:
    _first, second = rated
    afterwards.revise(second.annotator, second.pk, preference=None, unusable=True, reason="Saw the tests.")
    Adjudication.objects.create(comparison=second.comparison, preference=2, reason="Clear.", decided_by=team.owner)
    pair = Comparison.objects.select_related("sample_a", "sample_b").get()
    first_row, row = rows(team.project, RATINGS)
    second.refresh_from_db()
    none = {"readability": None, "efficiency": None, "security": None}
    expected = {
        "rating": second.pk,
        "preference": 1,
        "unusable": False,
        "swapped": True,
        "scales_a": {"correctness": None, **none},
        "scales_b": {"correctness": 4, **none},
        "rationale": '«sí»\n\t\u2028\\ "ends"',
        "edited_a": "",
        "edited_b": "",
        "seconds": 12.0,
        "guideline_version": second.guideline_version,
        "revision": {"preference": None, "unusable": True, "reason": "Saw the tests."},
        "adjudication": {"preference": 2, "unusable": False, "reason": "Clear."},
        "sample_a_sha256": hashlib.sha256(WORSE.encode()).hexdigest(),
        "sample_b_sha256": hashlib.sha256(BETTER.encode()).hexdigest(),
        "model_a": "secret-model-name",
        "model_b": "secret-model-name",
        "annotator": second.annotator.pseudonym,
        "submission": str(second.submission),
        "created_at": second.created_at.isoformat(timespec="microseconds").replace("+00:00", "Z"),
    }
    assert row | expected == row
    assert pair.sample_b.sha256 == row["sample_b_sha256"]
    assert (first_row["revision"], first_row["swapped"], first_row["preference"]) == (None, False, 3)


def test_a_comment_names_the_code_that_it_is_about(team: people.Team, rated: tuple[Rating, Rating]) -> None:
    _first, second = rated
    LineComment.objects.create(rating=second, side="a", line=1, text="fine")
    found = rows(team.project, COMMENTS)
    assert [(row["side"], row["line"], row["text"]) for row in found] == [
        ("a", 1, "fine"),
        ("b", 2, "returns its argument"),
    ]
    assert [row["sample_sha256"] for row in found] == [
        hashlib.sha256(code.encode()).hexdigest() for code in (WORSE, BETTER)
    ]
    assert {row["rating"] for row in found} == {second.pk}
    assert {row["annotator"] for row in found} == {second.annotator.pseudonym}
    assert export.count(team.project, Selection(dataset=COMMENTS)) == export.Counts(real=2, simulated=0)


@pytest.mark.parametrize("dataset", [PREFERENCES, RATINGS, COMMENTS])
def test_parquet_holds_the_same_rows_as_jsonl_and_the_same_rows_give_the_same_bytes(
    team: people.Team, rated: tuple[Rating, Rating], dataset: str
) -> None:
    afterwards.revise(rated[0].annotator, rated[0].pk, preference=0, unusable=False)
    chosen = Selection(dataset=dataset)
    lines, tally = written(team.project, chosen)
    packed, packed_tally = written(team.project, chosen, "parquet")
    table = pq.read_table(io.BytesIO(packed))
    assert table.to_pylist() == rows(team.project, dataset) != []
    assert (packed_tally.rows, packed_tally.complete) == (tally.rows, True) == (table.num_rows, tally.complete)
    assert tally.sha256 == hashlib.sha256(lines).hexdigest()
    assert packed_tally.sha256 == hashlib.sha256(packed).hexdigest()
    assert (tally.size, packed_tally.size) == (len(lines), len(packed))
    assert written(team.project, chosen)[0] == lines
    assert written(team.project, chosen, "parquet")[0] == packed


def test_other_letters_stand_as_they_are_and_each_row_is_one_line(
    team: people.Team, rated: tuple[Rating, Rating]
) -> None:
    data, _tally = written(team.project, Selection(dataset=RATINGS))
    assert "«sí»".encode() in data
    assert data.count(b"\n") == 2
    assert data.endswith(b"}\n")


def test_no_rows_make_an_empty_file_with_the_schema(team: people.Team) -> None:
    assert written(team.project, Selection())[0] == b""
    table = pq.read_table(io.BytesIO(written(team.project, Selection(), "parquet")[0]))
    assert table.num_rows == 0
    assert table.column_names[:3] == ["prompt", "chosen", "rejected"]


def test_rows_of_several_pages_and_groups_come_in_the_order_of_their_ratings(
    team: people.Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "PAGE", 2)
    monkeypatch.setattr(export, "GROUP_ROWS", 4)
    for pair in people.pairs(team.project, 7, by=team.owner):
        scene.rating(pair, team.teammate)
    packed, _tally = written(team.project, Selection(), "parquet")
    file = pq.ParquetFile(io.BytesIO(packed))
    assert [file.metadata.row_group(number).num_rows for number in range(file.num_row_groups)] == [4, 3]
    numbers = [row["rating"] for row in rows(team.project)]
    assert numbers == sorted(numbers) == file.read().column("rating").to_pylist()
    assert len(numbers) == 7


def test_long_programs_end_a_group_early_and_its_end_repeats_none_of_them(
    team: people.Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "PAGE", 1)
    monkeypatch.setattr(export, "GROUP_BYTES", 5_000)
    codes = (f"x = '{'a' * 1500}'\n", f"x = '{'b' * 1500}'\n")
    for pair in people.pairs(team.project, 4, by=team.owner, codes=codes):
        scene.rating(pair, team.teammate)
    described = pq.ParquetFile(io.BytesIO(written(team.project, Selection(), "parquet")[0])).metadata
    assert [described.row_group(number).num_rows for number in range(described.num_row_groups)] == [2, 2]
    columns = [described.row_group(0).column(number) for number in range(described.num_columns)]
    with_values = {column.path_in_schema for column in columns if column.statistics and column.statistics.has_min_max}
    assert {"margin", "rating"} <= with_values
    assert not {"prompt", "chosen", "rejected", "prompt_text"} & with_values


@pytest.fixture
def mixed(db: None) -> Project:
    """Ratings of every kind, each known by its rationale."""
    team = scene.project("alpha")
    one, two = scene.model(team, "one"), scene.model(team, "two")
    ana, bot = scene.person("ana", "annotator", team), scene.person("bot", "annotator", team, simulated=True)
    mean, other = scene.prompt(team), scene.prompt(team, "Otra.", family="sort")
    Prompt.objects.filter(pk=other.pk).update(language="es", split="held-out")
    pair = scene.comparison(scene.sample(mean, one), scene.sample(mean, one, scene.SAFE_MEAN))
    second = scene.comparison(scene.sample(other, one), scene.sample(other, two, scene.SAFE_MEAN))
    gold = scene.comparison(scene.sample(mean, one, "x = 1\n"), scene.sample(mean, one, "x = 2\n"))
    Comparison.objects.filter(pk=gold.pk).update(is_gold=True)
    scene.rating(pair, ana, 2, rationale="plain")
    scene.rating(second, ana, 0, rationale="tie")
    scene.rating(gold, ana, -1, rationale="gold")
    scene.rating(pair, bot, 1, rationale="simulated")
    zoe = scene.person("zoe", "annotator", team)
    scene.rating(pair, zoe, None, rationale="unusable")
    scene.rating(second, zoe, 1, rationale="surplus", surplus=True)
    Rating.objects.filter(rationale="plain").update(created_at=datetime(2026, 3, 1, 23, 59, 59, 999_999, UTC))
    elsewhere = scene.project("elsewhere")
    theirs = scene.prompt(elsewhere)
    model = scene.model(elsewhere, "one")
    scene.rating(
        scene.comparison(scene.sample(theirs, model), scene.sample(theirs, model, "y\n")), ana, rationale="theirs"
    )
    return team


@pytest.mark.parametrize(
    ("chosen", "kept"),
    [
        ({}, "plain tie gold unusable surplus"),
        ({"simulated": True}, "plain tie gold simulated unusable surplus"),
        ({"since": date(2026, 3, 2)}, "tie gold unusable surplus"),
        ({"until": date(2026, 3, 1)}, "plain"),
        ({"since": date(2026, 3, 1), "until": date(2026, 3, 1)}, "plain"),
        ({"until": date(2026, 2, 28)}, ""),
        ({"family": "sort"}, "tie surplus"),
        ({"language": "es"}, "tie surplus"),
        ({"split": "held-out"}, "tie surplus"),
        ({"annotator": "p-zoe"}, "unusable surplus"),
        ({"annotator": "p-bot"}, ""),
        ({"annotator": "p-bot", "simulated": True}, "simulated"),
        ({"model": "two"}, "tie surplus"),
        ({"gold": True}, "gold"),
        ({"gold": False}, "plain tie unusable surplus"),
        ({"surplus": False}, "plain tie gold unusable"),
        ({"surplus": False, "family": "sort"}, "tie"),
    ],
)
def test_only_what_is_chosen_is_exported_and_counted(mixed: Project, chosen: dict[str, Any], kept: str) -> None:
    found = rows(mixed, RATINGS, **chosen)
    assert [row["rationale"] for row in found] == kept.split()
    counts = export.count(mixed, Selection(dataset=RATINGS, **chosen))
    assert len(found) == counts.real + (counts.simulated if chosen.get("simulated") else 0)


def test_ties_unusable_pairs_and_simulated_ratings_are_preferences_only_when_asked_for_and_marked(
    mixed: Project,
) -> None:
    pseudonyms = {"p-ana", "p-zoe"}
    assert {row["annotator"] for row in rows(mixed)} == pseudonyms
    assert not any(row["simulated"] or row["tie"] or row["unusable"] for row in rows(mixed))
    assert {row["margin"] for row in rows(mixed)} == {1, 2}
    marks = [(row["margin"], row["tie"], row["unusable"]) for row in rows(mixed, ties=True) if not row["margin"]]
    assert marks == [(0, True, False), (0, False, True)]
    assert [row["annotator"] for row in rows(mixed, simulated=True) if row["simulated"]] == ["p-bot"]
    assert export.count(mixed, Selection()) == export.Counts(real=3, simulated=1)


def test_memory_stays_flat_over_twenty_thousand_rows(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(FILL, {"prompts": 100, "pairs": 100, "samples": 20, "ratings": 20_000})
    connection.ensure_connection()
    assert connection.connection is not None
    for kind, share in (("jsonl", 4), ("parquet", 2)):
        tally = Tally()
        chunks = stream(connection.connection, Project.objects.get(), Selection(), kind, tally)
        next(chunks)
        tracemalloc.start()
        try:
            for _chunk in chunks:
                pass
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert tally.rows == 20_000
        lines = 20_000 * 2_300  # bytes of JSON, from which Parquet is made, too
        assert peak < lines / share


def test_arrow_holds_a_group_and_what_reading_a_page_takes(db: None) -> None:
    """Python's own count of memory, above, knows nothing of Arrow's."""
    with connection.cursor() as cursor:
        cursor.execute(FILL, {"prompts": 100, "pairs": 100, "samples": 20, "ratings": 20_000})
    connection.ensure_connection()
    assert connection.connection is not None
    usual = pa.default_memory_pool()
    counted = pa.proxy_memory_pool(usual)
    pa.set_memory_pool(counted)
    try:
        for _chunk in stream(connection.connection, Project.objects.get(), Selection(), "parquet", Tally()):
            assert counted.bytes_allocated() < 1_000_000
    finally:
        pa.set_memory_pool(usual)
    assert counted.max_memory() < 11_000_000


def test_a_reader_may_be_slow(team: people.Team, rated: tuple[Rating, Rating], monkeypatch: pytest.MonkeyPatch) -> None:
    """The platform's connections end a transaction in which nothing happens for 20 seconds."""
    monkeypatch.setattr(export, "PAGE", 1)
    assert connection.connection is not None
    chunks = stream(connection.connection, team.project, Selection(), "jsonl", Tally())
    next(chunks)
    with connection.cursor() as cursor:
        cursor.execute("SHOW idle_in_transaction_session_timeout")
        assert cursor.fetchone()[0] == "10min"


@pytest.mark.django_db(transaction=True)
def test_the_rows_are_those_of_one_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "PAGE", 1)
    team = people.team()
    last, *others = reversed(
        [scene.rating(pair, team.teammate) for pair in people.pairs(team.project, 3, by=team.owner)]
    )
    with open_connection() as opened:
        tally = Tally()
        chunks = stream(opened, team.project, Selection(), "jsonl", tally)
        next(chunks)
        last.delete()
        Rating.objects.filter(pk=others[0].pk).update(preference=-3)
        assert [json.loads(line)["margin"] for line in chunks] == [1, 1]
    assert tally.complete


# -- the page


def log_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def test_only_engineers_and_admins_of_the_project_may_export(team: people.Team) -> None:
    engineer = scene.person("engineer", "engineer", team.project)
    lead = scene.person("lead", "lead", team.project)
    for user, status in ((team.owner, 200), (engineer, 200), (lead, 403), (team.teammate, 403), (team.stranger, 404)):
        client = log_in(user)
        assert client.get("/p/alpha/export/").status_code == status
        if status != 200:
            assert client.post("/p/alpha/export/", {"download": "yes"}).status_code == status
    assert Client().get("/p/alpha/export/").status_code == 302
    assert not AuditEvent.objects.filter(action__startswith="ratings.exported").exists()


def test_a_download_needs_the_form_s_token(team: people.Team) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(team.owner)
    assert client.post("/p/alpha/export/", {"download": "yes"}).status_code == 403


def test_the_page_tells_how_many_rows_there_are_and_keeps_what_was_chosen(mixed: Project) -> None:
    client = log_in(scene.person("engineer", "engineer", mixed))
    shown = client.get("/p/alpha/export/")
    assert (shown.context["counts"], shown.context["rows"]) == (export.Counts(3, 1), 3)
    sent = {"dataset": "ratings", "format": "parquet", "annotator": "p-bot", "simulated": "on", "count": "yes"}
    shown = client.post("/p/alpha/export/", sent, follow=True)
    assert shown.redirect_chain[0][0] == "/p/alpha/export/?dataset=ratings&format=parquet&annotator=p-bot&simulated=on"
    assert (shown.context["counts"], shown.context["rows"]) == (export.Counts(0, 1), 1)
    assert '<option value="p-bot" selected>' in shown.content.decode()
    assert "theirs" not in shown.content.decode()


@pytest.mark.parametrize(
    ("sent", "says"),
    [
        ({"since": "yesterday"}, "Enter a valid date"),
        ({"since": "2026-02-01", "until": "2026-01-01"}, "The last day is before the first"),
        ({"annotator": "p-nobody"}, "Select a valid choice"),
        ({"format": "xml"}, "Select a valid choice"),
    ],
)
def test_what_cannot_be_chosen_is_told_beside_its_field(mixed: Project, sent: dict[str, str], says: str) -> None:
    client = log_in(scene.person("engineer", "engineer", mixed))
    for response in (
        client.post("/p/alpha/export/", {**sent, "download": "yes"}),
        client.get("/p/alpha/export/", sent),
    ):
        assert response.status_code == 422
        assert says in response.content.decode()
    assert not AuditEvent.objects.filter(action="ratings.exported").exists()


def _finished() -> AuditEvent:
    """The second event, which is recorded by another thread."""
    for _ in range(100):
        if found := AuditEvent.objects.filter(action=export.FINISHED).first():
            return found
        time.sleep(0.05)
    raise AssertionError("the end of the download was not recorded")


@pytest.mark.django_db(transaction=True)
def test_whoever_goes_away_in_the_middle_is_recorded_with_what_they_got(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "PAGE", 1)
    team = people.team()
    for pair in people.pairs(team.project, 3, by=team.owner):
        scene.rating(pair, team.teammate)

    request = RequestFactory().post("/p/alpha/export/", {"download": "yes"})
    request.user = team.owner
    response = page(request, slug="alpha")
    assert isinstance(response, StreamingHttpResponse)

    async def begin() -> bytes:
        parts = aiter(response.streaming_content)  # type: ignore[arg-type]
        first: bytes = await anext(parts)
        await parts.aclose()  # type: ignore[attr-defined]
        return first

    first = asyncio.run(begin())
    began = AuditEvent.objects.get(action=export.EXPORTED)
    assert began.actor == team.owner
    assert began.payload == {"dataset": "preferences", "format": "jsonl", "filters": {}}
    ended = _finished()
    assert ended.target == f"audit.auditevent:{began.pk}"
    assert ended.payload == {
        "rows": 1,
        "bytes": len(first),
        "sha256": hashlib.sha256(first).hexdigest(),
        "complete": False,
    }
    assert "not finished" in log_in(team.owner).get("/p/alpha/export/").content.decode()
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%%'")
        assert cursor.fetchone()[0] == 0


@pytest.mark.django_db(transaction=True)
def test_granian_serves_the_file_and_the_audit_log_knows_its_hash(tmp_path: Path) -> None:
    team = people.team()
    engineer = scene.person("engineer", "engineer", team.project)
    for pair in people.pairs(team.project, 2, by=team.owner):
        scene.rating(pair, team.teammate, 2)
    with serving(tmp_path) as address:
        with downloaded(address, team.project, engineer, dataset="ratings", format="parquet", family="add") as response:
            data = response.read()
        ended = _finished()
    assert response.status == 200
    assert response.headers["Content-Type"] == "application/vnd.apache.parquet"
    name = f'attachment; filename="alpha-ratings-{datetime.now(UTC):%Y-%m-%d}.parquet"'
    assert response.headers["Content-Disposition"] == name
    assert pq.read_table(io.BytesIO(data)).column("preference").to_pylist() == [2, 2]
    assert ended.payload == {
        "rows": 2,
        "bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "complete": True,
    }
    assert AuditEvent.objects.get(action=export.EXPORTED).payload["filters"] == {"family": "add"}
    shown = log_in(engineer).get("/p/alpha/export/").content.decode()
    assert hashlib.sha256(data).hexdigest() in shown
    assert "p-engineer" in shown


@pytest.mark.django_db(transaction=True)
def test_granian_stops_reading_the_rows_when_the_client_hangs_up(tmp_path: Path) -> None:
    with connection.cursor() as cursor:
        cursor.execute(FILL, {"prompts": 100, "pairs": 100, "samples": 20, "ratings": 20_000})
    project, engineer = Project.objects.get(), User.objects.get(pk=1)
    Membership.objects.create(project=project, user=engineer, role="engineer")
    with serving(tmp_path) as address:
        with downloaded(address, project, engineer) as response:
            assert len(response.read(100_000)) == 100_000
        ended = _finished()
    assert ended.payload["complete"] is False
    assert 0 < ended.payload["rows"] < 20_000


@contextmanager
def downloaded(address: str, project: Project, by: User, **chosen: str) -> Iterator[http.client.HTTPResponse]:
    """The answer to the form that somebody sends with its download button."""
    path, client = f"/p/{project.slug}/export/", log_in(by)
    client.get(path)
    session, token = (client.cookies[name].value for name in ("sessionid", "csrftoken"))
    headers = {
        "Cookie": f"sessionid={session}; csrftoken={token}",
        "Content-Type": "application/x-www-form-urlencoded",
        "Origin": address,
    }
    link = http.client.HTTPConnection(urlsplit(address).netloc, timeout=60)
    link.request("POST", path, urlencode({**chosen, "csrfmiddlewaretoken": token, "download": "yes"}), headers)
    response = link.getresponse()
    try:
        yield response
    finally:
        response.close()
        link.close()


def test_memberships_of_other_projects_open_nothing(team: people.Team) -> None:
    Membership.objects.create(project=team.elsewhere, user=team.teammate, role="admin")
    assert log_in(team.teammate).get("/p/alpha/export/").status_code == 403
