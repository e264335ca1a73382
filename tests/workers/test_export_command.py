"""``aval export``: the file, what is told of it, and what is refused in one line."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from django.db import connection

from tests.webapp import people, scene
from tests.workers.test_cli import told
from webapp.audit.models import AuditEvent
from webapp.catalog.models import Project
from webapp.feedback.models import Rating
from webapp.runs.models import DatasetSnapshot
from workers.commands import export, main
from workers.preferences import read_preferences

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def on_the_test_s_database(monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands would start a database of their own."""

    @contextmanager
    def connected() -> Iterator[None]:
        yield

    monkeypatch.setattr(export, "database", connected)


@pytest.fixture
def project(transactional_db: None) -> Project:
    """Three ratings: two by people, one of them a tie, and a simulated one."""
    team = people.team()
    bot = scene.person("bot", "annotator", team.project, simulated=True)
    first, second = people.pairs(team.project, 2, by=team.owner)
    scene.rating(first, team.teammate, -2, rationale="¿Y si no?")
    scene.rating(second, team.teammate, 0)
    scene.rating(first, bot, 3)
    return team.project


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, object]:
    """What the command tells with ``--json``."""
    assert main(["export", "--project", "alpha", *arguments, "--json"]) == 0
    answer: dict[str, object] = json.loads(capsys.readouterr().out)
    return answer


def test_the_file_is_what_is_told_of_it(project: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "ratings.jsonl"
    answer = run(capsys, "--dataset", "ratings", "--out", str(out))
    data = out.read_bytes()
    assert answer == {"rows": 2, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest(), "file": str(out)}
    assert [json.loads(line)["preference"] for line in data.splitlines()] == [-2, 0]
    assert [path.name for path in tmp_path.iterdir()] == ["ratings.jsonl"]
    event = AuditEvent.objects.get(action="ratings.exported")
    assert (event.actor, event.project) == (None, project)
    assert event.payload["sha256"] == answer["sha256"]


def test_a_line_for_people_names_rows_bytes_and_hash(
    project: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "p.jsonl"
    assert main(["export", "--project", "alpha", "--out", str(out)]) == 0
    data = out.read_bytes()
    told = capsys.readouterr().out
    assert told == f"1 rows, {len(data)} bytes, sha256 {hashlib.sha256(data).hexdigest()}: {out}\n"


def test_the_format_follows_the_file_s_name_or_the_option(
    project: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(capsys, "--out", str(tmp_path / "p.parquet"))
    run(capsys, "--out", str(tmp_path / "p.bin"), "--format", "parquet", "--simulated", "--ties")
    assert pq.read_table(tmp_path / "p.parquet").num_rows == 1
    assert pq.read_table(tmp_path / "p.bin").column("margin").to_pylist() == [2, 0, 3]


def test_the_training_command_reads_what_is_exported(
    project: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "p.jsonl"
    run(capsys, "--out", str(out))
    (read,) = read_preferences(out)
    pair = Rating.objects.get(preference=-2).comparison
    assert read["code_a"] == pair.sample_a.text, "the preferred one"
    assert (read["code_b"], read["preference"]) == (pair.sample_b.text, -2)
    assert (read["prompt_text"], read["signature"]) == (pair.prompt.text, pair.prompt.signature)


def test_the_options_choose(project: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = ("--out", str(tmp_path / "x"), "--force", "--dataset", "ratings")
    today = Rating.objects.latest("pk").created_at.date().isoformat()
    for options, count in (
        (("--simulated",), 3),
        (("--annotator", "p-bot", "--simulated"), 1),
        (("--since", today, "--until", today), 2),
        (("--until", "2020-01-01"), 0),
        (("--only-gold",), 0),
        (("--without-gold", "--without-surplus", "--family", "add", "--language", "en", "--split", "train"), 2),
        (("--model", "secret-model-name"), 2),
    ):
        assert run(capsys, *file, *options)["rows"] == count, options


def test_standard_output_holds_the_rows_alone(project: Project, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert main(["export", "--project", "alpha", "--format", "parquet", "--out", "-"]) == 0
    output = capfdbinary.readouterr()
    assert pq.read_table(io.BytesIO(output.out)).num_rows == 1
    assert output.err.startswith(b"1 rows, ")


def test_a_snapshot_freezes_the_same_ratings(
    project: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "x")
    answer = run(capsys, "--dataset", "ratings", "--out", out, "--snapshot", "--by", "owner")
    snapshot = DatasetSnapshot.objects.get()
    assert (answer["snapshot"], answer["snapshot_rows"]) == (snapshot.sha256, 2)
    assert [row["preference"] for row in snapshot.rows] == [-2, 0]
    assert snapshot.created_by.username == "owner"
    assert AuditEvent.objects.get(action="ratings.exported").actor == snapshot.created_by
    answer = run(capsys, "--out", out, "--force", "--snapshot", "--by", "owner", "--simulated")
    assert {row["preference"] for row in DatasetSnapshot.objects.latest("pk").rows} == {-2, 3}
    with connection.cursor() as cursor:
        cursor.execute("SHOW default_transaction_isolation")
        assert cursor.fetchone()[0] == "read committed"


def test_what_a_user_can_mend_is_told_in_one_line(
    project: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    there = tmp_path / "there"
    there.write_text("mine")
    new = str(tmp_path / "new")

    def refused(*options: str, project: str = "alpha", out: str = new) -> str:
        line = told(capsys, "export", "--project", project, "--out", out, *options)
        assert line.startswith("aval")
        return line

    assert "there is no project beta (there are: alpha, elsewhere)" in refused(project="beta")
    assert f"{there} is there already" in refused(out=str(there))
    assert f"{tmp_path} is a folder: name a file in it" in refused(out=str(tmp_path))
    assert f"there is no folder {tmp_path}/none: make it" in refused(out=str(tmp_path / "none" / "x"))
    assert f"can't write in {tmp_path} (File name too long)" in refused(out=str(tmp_path / ("x" * 250)))
    assert "--family sort is not in alpha (there are: add)" in refused("--family", "sort")
    assert "--annotator p-nobody is not in alpha" in refused("--annotator", "p-nobody")
    assert "must be a day like 2026-01-31, not 'soon'" in refused("--since", "soon")
    assert "--until is before --since" in refused("--since", "2026-02-01", "--until", "2026-01-01")
    assert "--snapshot needs --by" in refused("--snapshot")
    assert "not with --dataset comments" in refused("--snapshot", "--by", "owner", "--dataset", "comments")
    assert "--ties is for --dataset preferences" in refused("--ties", "--dataset", "ratings")
    assert "nobody is called ghost" in refused("--by", "ghost")
    assert "there are no ratings yet" in refused("--snapshot", "--by", "owner", "--until", "2020-01-01")
    assert there.read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["there"]
    assert not AuditEvent.objects.filter(action="ratings.exported").exists()


def test_a_failure_in_the_middle_leaves_the_old_file_and_nothing_else(
    project: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "x"
    out.write_text("old")

    def fails(*_given: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(export.os, "fsync", fails)
    line = told(capsys, "export", "--project", "alpha", "--out", str(out), "--force")
    assert "the disk is full" in line
    assert out.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["x"]
