"""``manage.py grant ROLE``: what the application's role may do with the tables; run by their owner after migrating."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection, transaction
from psycopg import sql

APPEND_ONLY = ("audit_auditevent", "runs_datasetsnapshot")
"""Tables to which the application may add rows and nothing else."""

SCHEMA = sql.Identifier("public")


class Command(BaseCommand):
    help = (
        "Let the application's database role read and write the tables, and only add to the append-only ones. "
        "Run it as the tables' owner after each migration; running it again changes nothing."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("role", help="the application's role, which must exist")

    def handle(self, *args: Any, **options: Any) -> None:
        role = options["role"]
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT rolsuper FROM pg_roles WHERE rolname = %s", [role])
            found = cursor.fetchone()
            if found is None:
                raise CommandError(f"there is no role {role!r}: create it first, with LOGIN and nothing more")
            if found[0]:
                raise CommandError(f"{role!r} is a superuser, whom no grant holds: name an ordinary role")
            for statement in _statements(sql.Identifier(role)):
                cursor.execute(statement)
        self.stdout.write(f"granted to {role}")


def _statements(role: sql.Identifier) -> list[sql.Composed]:
    texts = [
        "REVOKE CREATE ON SCHEMA {schema} FROM PUBLIC, {role}",
        "GRANT USAGE ON SCHEMA {schema} TO {role}",
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {role}",
        "GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA {schema} TO {role}",
        # Tables that later migrations of the same owner add:
        "ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {role}",
        "ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT USAGE, SELECT ON SEQUENCES TO {role}",
    ]
    composed = [sql.SQL(text).format(schema=SCHEMA, role=role) for text in texts]
    for table in APPEND_ONLY:
        text = "REVOKE UPDATE, DELETE, TRUNCATE ON {table} FROM {role}"
        composed.append(sql.SQL(text).format(table=sql.Identifier(table), role=role))
    return composed
