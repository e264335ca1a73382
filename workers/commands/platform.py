"""``aval up``, ``demo``, ``user``, ``project``, ``invite``: what needs the database."""

from __future__ import annotations

import argparse
import json
import os
import secrets
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from workers.commands.options import whole_number
from workers.home import Home
from workers.problems import Problem


def add_commands(commands: Any) -> None:
    up = commands.add_parser("up", help="start the platform and keep it up until Ctrl-C")
    _add_address(up)
    up.set_defaults(run=_up)

    demo = commands.add_parser("demo", help="run the whole loop: train, rate, prove, align, report")
    _add_address(demo)
    demo.add_argument("--scale", choices=("demo", "tiny"), default="demo", help="how much of everything")
    demo.add_argument("--base-model", default="", metavar="PATH|HUB-ID", help="start from this model, not from nothing")
    demo.add_argument("--report", type=Path, default=Path("report.html"), help="where the report is written")
    demo.add_argument("--language", choices=("en", "es"), default="en")
    demo.set_defaults(run=_demo)

    migrate = commands.add_parser("migrate", help="bring the database's tables up to date, as their owner")
    migrate.set_defaults(run=_migrate)

    _add_user(commands)
    _add_project(commands)
    _add_invite(commands)


def _add_address(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (AVAL_HOSTS lists allowed names)")
    parser.add_argument("--port", type=whole_number(1, 65535), default=8000, help="default 8000")
    parser.add_argument("--verify-processes", type=whole_number(1, 256), default=None, help="default: one a core")


def _up(chosen: argparse.Namespace) -> int:
    from workers import services

    home = Home.from_environment()
    with services.up(
        home, host=chosen.host, port=chosen.port, verify_processes=chosen.verify_processes, note=_note
    ) as running:
        print(f"Aval is up at {running.address} (Ctrl-C ends it; logs are in {home.logs})", flush=True)
        while True:
            time.sleep(0.5)
            running.watch()


def _migrate(chosen: argparse.Namespace) -> int:
    """``DATABASE_OWNER_URL`` migrates; the role of ``DATABASE_URL`` is given the rights it needs."""
    del chosen
    from workers import services

    home = Home.from_environment()
    home.prepare()
    if not services.migrate_given(home):
        with services.prepared(home, note=_note):  # migrates, too
            pass
    print("the database is up to date")
    return 0


def _demo(chosen: argparse.Namespace) -> int:
    from workers.demo import Options, run

    options = Options(
        scale=chosen.scale,
        host=chosen.host,
        port=chosen.port,
        language=chosen.language,
        report=chosen.report,
        base_model=chosen.base_model,
        serve=sys.stdout.isatty(),
    )
    return run(options, Home.from_environment())


def _add_user(commands: Any) -> None:
    user = commands.add_parser("user", help="people who may sign in").add_subparsers(metavar="ACTION", required=True)
    create = user.add_parser("create", help="a new person; prints a password unless one is given on standard input")
    create.add_argument("username")
    create.add_argument("--email", default="")
    create.add_argument("--language", choices=("en", "es"), default="en")
    create.add_argument("--password-stdin", action="store_true", help="read the password from standard input")
    create.add_argument("--json", action="store_true")
    create.set_defaults(run=_create_user)


def _create_user(chosen: argparse.Namespace) -> int:
    password = sys.stdin.readline().rstrip("\n") if chosen.password_stdin else secrets.token_urlsafe(12)
    with database():
        from django.contrib.auth.password_validation import validate_password
        from django.core.exceptions import ValidationError

        from webapp.accounts.actions import create_user
        from webapp.accounts.models import User

        if User.objects.filter(username=chosen.username).exists():
            raise Problem(f"there is a person called {chosen.username} already: choose another name")
        try:
            validate_password(password)
        except ValidationError as error:
            raise Problem(f"the password can't be used: {' '.join(error.messages)}") from None
        create_user(username=chosen.username, password=password, email=chosen.email, language=chosen.language)
    shown = "" if chosen.password_stdin else password
    if chosen.json:
        print(json.dumps({"username": chosen.username, **({"password": shown} if shown else {})}))
    else:
        print(f"{chosen.username} may sign in" + (f" with the password {shown}" if shown else ""))
    return 0


def _add_project(commands: Any) -> None:
    project = commands.add_parser("project", help="projects").add_subparsers(metavar="ACTION", required=True)
    create = project.add_parser("create", help="a new project, whose first admin is the person named")
    create.add_argument("slug")
    create.add_argument("--name", default="")
    create.add_argument("--admin", required=True, metavar="USERNAME")
    create.add_argument("--overlap", type=whole_number(1, 100), default=2, help="ratings a comparison; default 2")
    create.set_defaults(run=_create_project)
    fill = project.add_parser("import", help="import prompts: one task a line, all of them or none")
    fill.add_argument("slug")
    fill.add_argument("file", type=Path)
    fill.add_argument("--by", required=True, metavar="USERNAME")
    fill.set_defaults(run=_import_prompts)


def _create_project(chosen: argparse.Namespace) -> int:
    from django.core.exceptions import ValidationError
    from django.core.validators import validate_slug

    with database():
        from webapp.catalog.actions import create_project
        from webapp.catalog.models import Project

        try:
            validate_slug(chosen.slug)
        except ValidationError:
            raise Problem(f"{chosen.slug!r} can't be part of an address: use letters, digits, - and _") from None
        if Project.objects.filter(slug=chosen.slug).exists():
            raise Problem(f"there is a project {chosen.slug} already: choose another slug")
        create_project(
            name=chosen.name or chosen.slug, slug=chosen.slug, by=user_named(chosen.admin), overlap=chosen.overlap
        )
    print(f"project {chosen.slug} is there; {chosen.admin} is its admin")
    return 0


def _import_prompts(chosen: argparse.Namespace) -> int:
    lines = _lines(chosen.file)
    with database():
        from webapp.catalog.actions import import_prompts

        report = import_prompts(project_named(chosen.slug), lines, by=user_named(chosen.by))
    if report.errors:
        first = report.errors[0]
        more = f" (and {report.error_count - 1} more)" if report.error_count > 1 else ""
        raise Problem(f"{chosen.file}: {first}{more}; nothing was imported")
    print(f"{report.created} prompts imported, {report.known} known already")
    return 0


def _add_invite(commands: Any) -> None:
    invite = commands.add_parser("invite", help="a link by which one person joins a project")
    invite.add_argument("project", metavar="SLUG")
    invite.add_argument("--role", choices=("annotator", "engineer", "admin"), default="annotator")
    invite.add_argument("--by", required=True, metavar="USERNAME", help="an admin of the project")
    invite.add_argument("--address", default="http://127.0.0.1:8000", help="where the platform is reached")
    invite.set_defaults(run=_invite)


def _invite(chosen: argparse.Namespace) -> int:
    with database():
        from django.urls import reverse

        from webapp.accounts.actions import invite
        from webapp.catalog.models import Membership

        project, by = project_named(chosen.project), user_named(chosen.by)
        if not Membership.objects.filter(project=project, user=by, role=Membership.Role.ADMIN).exists():
            raise Problem(f"{chosen.by} is not an admin of {chosen.project}: name one with --by")
        new = invite(project, chosen.role, by=by)
        print(chosen.address.rstrip("/") + reverse("accounts:join", args=[new.token]))
    return 0


@contextmanager
def database() -> Iterator[None]:
    """Django, connected: to the platform that is up, or to its database started for this command alone."""
    from workers.services import connected

    with connected(Home.from_environment()) as environment:
        os.environ.update(environment)
        import django

        django.setup()
        try:
            yield
        finally:
            from django.db import connections

            connections.close_all()


def user_named(username: str) -> Any:
    from webapp.accounts.models import User

    user = User.objects.filter(username=username).first()
    if user is None:
        raise Problem(f"nobody is called {username}: make the person with aval user create {username}")
    return user


def project_named(slug: str) -> Any:
    from webapp.catalog.models import Project

    project = Project.objects.filter(slug=slug).first()
    if project is None:
        known = ", ".join(Project.objects.order_by("slug").values_list("slug", flat=True)[:10]) or "none yet"
        raise Problem(f"there is no project {slug} (there are: {known})")
    return project


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise Problem(f"{path} is not UTF-8 text (byte {error.start}): save it as UTF-8") from None


def _note(line: str) -> None:
    print(f"  {line} …", file=sys.stderr, flush=True)
