"""Statements that are written once (webapp.prepared): they find what their querysets find, and the server keeps them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.db.models import Q, QuerySet, Value
from django.db.models.functions import Concat
from django.test.utils import CaptureQueriesContext

from tests.webapp import people
from webapp.accounts.models import User
from webapp.catalog.models import Project
from webapp.environment import PREPARED_FROM, EnvironmentProblem, database
from webapp.links import Storage
from webapp.prepared import Prepared

pytestmark = pytest.mark.django_db


def _named(name: str, at_least: int) -> QuerySet[User, tuple[Any, ...]]:
    """Constants of every kind beside what is given, ``%s`` in a text among them."""
    odd = Concat(Value("100%s '%%' \\ "), "pseudonym")
    wanted = Q(username=name) | Q(username="o'%s%%\\")
    return User.objects.annotate(odd=odd).filter(wanted, pk__gte=at_least, simulated=False).values_list("pk", "odd")


@pytest.fixture
def kept() -> Iterator[None]:
    """The test's connection as the web process has it."""
    connection.ensure_connection()
    raw = connection.connection
    before, raw.prepare_threshold = raw.prepare_threshold, PREPARED_FROM
    yield
    raw.prepare_threshold = before


@pytest.mark.parametrize("name", ["owner", "teammate", "o'%s%%\\", "%s", "'; DROP TABLE x; --", "-7200000001", "ñ漢"])
def test_a_statement_finds_what_its_queryset_finds(team: people.Team, kept: None, name: str) -> None:
    people.person("o'%s%%\\")
    people.person(name) if not User.objects.filter(username=name).exists() else None
    ask = Prepared(_named)
    for _again in range(PREPARED_FROM + 2):
        for lowest in (1, team.teammate.pk, 40_000, 3_000_000_000):  # int2, int4 and int8 for the driver
            assert sorted(ask(name, lowest)) == sorted(_named(name, lowest))
            assert sorted(ask("owner", lowest)) == sorted(_named("owner", lowest))


def test_the_server_keeps_the_plan_of_what_is_asked_often(team: people.Team, kept: None) -> None:
    def mine(user: int) -> QuerySet[Project, tuple[Any, ...]]:
        return Project.objects.filter(memberships__user=user).values_list("slug")

    def plans() -> int:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%catalog_membership%'")
            return int(cursor.fetchone()[0])

    ask, before = Prepared(mine), plans()
    for asked in range(PREPARED_FROM + 3):
        assert plans() - before == (asked > PREPARED_FROM)
        assert ask(team.owner.pk) == [("alpha",)]
    assert ask(team.stranger.pk) == [("elsewhere",)]
    assert plans() - before == 1


def test_a_prepared_statement_is_seen_by_who_counts_statements(team: people.Team) -> None:
    ask = Prepared(_named)
    ask("owner", 1)
    with CaptureQueriesContext(connection) as seen:
        ask("owner", 1)
    assert [("'owner'" in query["sql"]) for query in seen.captured_queries] == [True]


def test_statements_are_kept_only_where_connections_are() -> None:
    url = "postgresql://me@host/aval"
    assert database(url, kept=True)["OPTIONS"]["prepare_threshold"] == PREPARED_FROM
    assert "prepare_threshold" not in database(url)["OPTIONS"]
    assert "prepare_threshold" not in database(f"{url}?prepare_threshold=none", kept=True)["OPTIONS"]
    assert database(f"{url}?prepare_threshold=7", kept=True)["OPTIONS"]["prepare_threshold"] == 7
    with pytest.raises(EnvironmentProblem, match="a number or none, not soon"):
        database(f"{url}?prepare_threshold=soon")


def test_static_files_keep_their_address() -> None:
    storage = Storage()
    assert storage.url("css/app.css") == storage.url("css/app.css") == "/static/css/app.css"
