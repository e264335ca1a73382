"""Label Studio rated in the same way as the rating queue: the next task, an annotation of it, and again.

It is installed by whoever runs the benchmark (an environment with label-studio and gunicorn), who also names an empty
database: it needs the extension pg_trgm, which the embedded server lacks. Its API is used, which spares it the drawing
of a page that ours does.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from psycopg.conninfo import conninfo_to_dict

PORT, WORKERS = 18_080, 1
COMPARED = (
    ("alone", "web CPU ms a rating"),
    ("together", "web CPU ms a rating"),
    ("together", "next p95 ms"),
)
CONFIG = """<View><Text name="prompt" value="$prompt"/><Pairwise name="better" toName="a,b"/>
<Text name="a" value="$a"/><Text name="b" value="$b"/><Rating name="correctness" toName="prompt"/></View>"""
PEOPLE = """
import json
from organizations.models import Organization, OrganizationMember
from rest_framework.authtoken.models import Token
from users.models import User
users = [User.objects.create_user(email=f"u{n}@example.org", password="a-password-of-tests") for n in range({count})]
organization = Organization.create_organization(created_by=users[0], title="Bench")
organization.jwt.legacy_api_tokens_enabled = True
organization.jwt.save()
for user in users:
    OrganizationMember.objects.get_or_create(user=user, organization=organization)
    user.active_organization = organization
    user.save()
print("TOKENS", json.dumps([Token.objects.get_or_create(user=user)[0].key for user in users]))
"""


class Annotator:
    """One person with a token."""

    def __init__(self, token: str, project: int = 0) -> None:
        self.token, self.project = token, project
        self.connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=600)

    def rate(self, times: Any) -> bool:
        began = time.perf_counter()
        status, task = self.ask("GET", f"/api/projects/{self.project}/next")
        if status == 404:
            return False
        opened = time.perf_counter()
        answers = [
            {"from_name": "correctness", "to_name": "prompt", "type": "rating", "value": {"rating": 4}},
            {"from_name": "better", "to_name": "a", "type": "pairwise", "value": {"selected": "left"}},
        ]
        sent = time.perf_counter()
        self.ask("POST", f"/api/tasks/{task['id']}/annotations/", {"result": answers, "lead_time": 5})
        times.next.append(opened - began)
        times.submit.append(time.perf_counter() - sent)
        return True

    def ask(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        headers = {"Authorization": f"Token {self.token}", "Content-Type": "application/json"}
        self.connection.request(method, path, None if body is None else json.dumps(body), headers)
        reply = self.connection.getresponse()
        text = reply.read()
        if reply.status not in (200, 201, 404):
            raise RuntimeError(f"Label Studio, {method} {path}: {reply.status} {text[:300]!r}")
        return reply.status, json.loads(text) if text[:1] in b"[{" else None


def measured(chosen: argparse.Namespace) -> dict[str, Any]:
    """The same two rounds: one person alone, then several at once."""
    from tests.benchmarks import bench_rating

    with tempfile.TemporaryDirectory(prefix="aval-bench-peer-") as folder:
        environment = _environment(chosen.peer_database, folder)
        tokens = _prepared(chosen.peer_venv, environment, bench_rating.USERS)
        with _serving(chosen.peer_venv, environment) as master:
            project = _filled(Annotator(tokens[0]), chosen.peer_pairs, bench_rating.CODE)
            people = [Annotator(token, project) for token in tokens]
            return {
                "alone": bench_rating._alone(people[0], chosen.peer_solo, master),
                "together": bench_rating._together(people, chosen.seconds, master),
            }


def _environment(database: str, folder: str) -> dict[str, str]:
    about = conninfo_to_dict(database)
    named = {"NAME": "dbname", "USER": "user", "PASSWORD": "password", "HOST": "host", "PORT": "port"}
    return {
        "PATH": os.environ["PATH"],
        "HOME": folder,
        "DJANGO_DB": "default",
        **{f"POSTGRE_{name}": str(about.get(key, "")) for name, key in named.items()},
        "DJANGO_SETTINGS_MODULE": "core.settings.label_studio",
        "LABEL_STUDIO_BASE_DATA_DIR": folder,
        "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true",
        "COLLECT_ANALYTICS": "false",
        "LATEST_VERSION_CHECK": "false",
        "LOG_LEVEL": "ERROR",
        "DEBUG": "false",
    }


def _source(venv: Path) -> Path:
    (found,) = venv.glob("lib/python3*/site-packages/label_studio")
    return found


def _prepared(venv: Path, environment: dict[str, str], count: int) -> list[str]:
    """Tables and people; the people's tokens."""
    manage = [str(venv / "bin/python"), "manage.py"]
    options: dict[str, Any] = {"cwd": _source(venv), "env": environment, "check": True, "capture_output": True}
    subprocess.run([*manage, "migrate", "-v0"], **options)
    said = subprocess.run([*manage, "shell", "-c", PEOPLE.replace("{count}", str(count))], text=True, **options).stdout
    (line,) = (line for line in said.splitlines() if line.startswith("TOKENS "))
    tokens: list[str] = json.loads(line.removeprefix("TOKENS "))
    return tokens


def _filled(owner: Annotator, tasks: int, code: str) -> int:
    """A project with so many tasks, at overlap 2; its number."""
    about = {"title": "bench", "label_config": CONFIG, "maximum_annotations": 2, "sampling": "Sequential sampling"}
    project = int(owner.ask("POST", "/api/projects/", about)[1]["id"])
    for first in range(0, tasks, 1000):
        numbers = range(first, min(tasks, first + 1000))
        rows = [{"data": {"prompt": f"Sum xs, variant {n}", "a": code, "b": f"{code}# {n}\n"}} for n in numbers]
        owner.ask("POST", f"/api/projects/{project}/import", rows)
    return project


@contextmanager
def _serving(venv: Path, environment: dict[str, str]) -> Iterator[int]:
    """gunicorn's process."""
    command = [
        str(venv / "bin/gunicorn"),
        "core.wsgi:application",
        "-b",
        f"127.0.0.1:{PORT}",
        "-w",
        str(WORKERS),
        "-t",
        "600",
    ]
    process = subprocess.Popen(command, cwd=_source(venv), env=environment, stderr=subprocess.DEVNULL)
    try:
        for _ in range(300):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{PORT}/health", timeout=2).close()
                break
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                time.sleep(0.2)
        yield process.pid
    finally:
        process.terminate()
        process.wait(30)
