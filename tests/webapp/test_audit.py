"""The audit log: append-only for everybody, readable by admins, and what ``manage.py grant`` allows the application."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from typing import NoReturn

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, ProgrammingError, connection, transaction
from django.test import Client
from psycopg.errors import InsufficientPrivilege

from tests.webapp import people, scene
from webapp.accounts.models import User
from webapp.audit.actions import record
from webapp.audit.models import AuditEvent
from webapp.review.actions import decide
from webapp.runs.actions import append_event, launch, take_snapshot
from webapp.runs.models import DatasetSnapshot, Run

ROLE = "aval_app"


def log_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.mark.parametrize(
    "statement",
    ["UPDATE audit_auditevent SET action = 'x'", "DELETE FROM audit_auditevent", "TRUNCATE audit_auditevent"],
)
def test_the_log_can_only_grow_even_for_its_owner(team: people.Team, statement: str) -> None:
    record("run.launched", actor=team.owner, project=team.project)
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            cursor.execute(statement)
    assert AuditEvent.objects.filter(action="run.launched").exists()


def test_only_admins_of_the_project_read_it(team: people.Team) -> None:
    engineer = scene.person("engineer", "engineer", team.project)
    for user, status in ((team.owner, 200), (engineer, 403), (team.teammate, 403), (team.stranger, 404)):
        assert log_in(user).get("/p/alpha/audit/").status_code == status


def test_it_is_shown_newest_first_a_page_at_a_time_and_holds_no_other_project_s_events(team: people.Team) -> None:
    for number in range(105):
        record("thing.done", actor=None, project=team.project, number=number)
    record("thing.done", actor=team.stranger, project=team.elsewhere, number="theirs")
    first = log_in(team.owner).get("/p/alpha/audit/", {"action": "thing.done"})
    assert [event.payload["number"] for event, _ in first.context["rows"]] == list(range(104, 4, -1))
    second = log_in(team.owner).get("/p/alpha/audit/", {"action": "thing.done", "page": "2"})
    assert [event.payload["number"] for event, _ in second.context["rows"]] == [4, 3, 2, 1, 0]
    assert "?action=thing.done&amp;page=2" in first.content.decode()


def test_it_is_narrowed_by_action_person_and_day(team: people.Team) -> None:
    engineer = scene.person("engineer", "engineer", team.project)
    launch(team.project, "sft", config={}, created_by=engineer)
    record("run.cancelled", actor=team.owner, project=team.project, note="<script>alert(1)</script>")

    def actions(**filters: str) -> list[str]:
        return [event.action for event, _ in log_in(team.owner).get("/p/alpha/audit/", filters).context["rows"]]

    assert actions(action="run") == ["run.cancelled", "run.launched"]
    assert actions(action="run.launched") == ["run.launched"]
    assert actions(actor=str(engineer.pk)) == ["run.launched"]
    assert actions(action="run", since="2100-01-01") == []
    assert actions(action="run", until="2100-01-01") == ["run.cancelled", "run.launched"]
    assert actions(action="run", since="2026-99-99", actor="x") == ["run.cancelled", "run.launched"]
    assert "<script>alert" not in log_in(team.owner).get("/p/alpha/audit/").content.decode()


@contextmanager
def as_application() -> Iterator[None]:
    """Act as the application's role for a while, in the test's own transaction."""
    with connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL ROLE {ROLE}")
        try:
            yield
        finally:
            if not connection.needs_rollback:
                cursor.execute("RESET ROLE")


@pytest.fixture
def granted(db: None) -> None:
    """The application's role, which starts without rights here, granted what it may do; rolled back afterwards."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [ROLE])
        if cursor.fetchone() is None:  # a server of somebody else's (DATABASE_URL)
            cursor.execute(f"CREATE ROLE {ROLE}")
            cursor.execute(f"GRANT {ROLE} TO CURRENT_USER")
    assert refused("SELECT 1 FROM audit_auditevent")
    call_command("grant", ROLE, stdout=StringIO())


def refused(statement: str) -> bool:
    """Whether the application is not permitted to do this; it is undone if it is."""
    with as_application(), connection.cursor() as cursor:
        try:
            with transaction.atomic():
                cursor.execute(statement)
                transaction.set_rollback(True)
        except ProgrammingError as error:
            # Anything but a lack of rights is a mistake in the test.
            return isinstance(error.__cause__, InsufficientPrivilege) or _fail(error)
    return False


def _fail(error: Exception) -> NoReturn:
    raise error


def test_the_application_works_with_what_it_is_granted(granted: None) -> None:
    with as_application():
        team = people.team()
        model = scene.model(team.project, "m")
        prompt = scene.prompt(team.project)
        pair = scene.comparison(scene.sample(prompt, model), scene.sample(prompt, model, scene.SAFE_MEAN))
        scene.rating(pair, team.teammate)
        snapshot = take_snapshot(team.project, team.owner)
        run = launch(
            team.project, "reward_model", config={}, created_by=team.owner, base_model=model, snapshot=snapshot
        )
        append_event(run, "progress", {}, {"loss": 1.0}, 1)
        append_event(run, "progress", {}, {"loss": 0.9}, 1)
        decide(pair.sample_a, "rejected", by=team.owner, reason="no")
        Run.objects.filter(pk=run.pk).update(step=1)
        connection.check_constraints()
    assert AuditEvent.objects.filter(project=team.project, action="sample.rejected").exists()
    assert DatasetSnapshot.objects.filter(pk=snapshot.pk).exists()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_auditevent SET action = ''",
        "DELETE FROM audit_auditevent",
        "TRUNCATE audit_auditevent",
        "UPDATE runs_datasetsnapshot SET rows = '[]'",
        "DELETE FROM runs_datasetsnapshot",
        "CREATE TABLE mine (id int)",
        "DROP TABLE runs_metric",
        "ALTER TABLE audit_auditevent DISABLE TRIGGER ALL",
        "TRUNCATE runs_metric",
        "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    ],
)
def test_the_application_may_not(granted: None, statement: str) -> None:
    assert refused(statement)


def test_tables_of_later_migrations_are_granted_too(granted: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE later (id serial PRIMARY KEY)")
    assert not refused("INSERT INTO later DEFAULT VALUES")
    assert not refused("DELETE FROM later")


def test_granting_again_changes_nothing(granted: None) -> None:
    call_command("grant", ROLE, stdout=StringIO())
    assert not refused("DELETE FROM runs_metric")
    assert refused("DELETE FROM audit_auditevent")


def test_a_role_that_does_not_exist_or_that_no_grant_holds_is_named(db: None) -> None:
    with pytest.raises(CommandError, match="no role 'nobody_here'"):
        call_command("grant", "nobody_here")
    with connection.cursor() as cursor:
        cursor.execute("SELECT rolname FROM pg_roles WHERE rolsuper LIMIT 1")
        superuser = cursor.fetchone()[0]
    with pytest.raises(CommandError, match="superuser"):
        call_command("grant", superuser)
