"""Files of tasks and of samples, in every format: all of a file, or nothing and the wrong lines."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse
from django.test import Client

from tests.webapp import people
from webapp.audit.models import AuditEvent
from webapp.catalog import files
from webapp.catalog.actions import import_prompts
from webapp.catalog.models import ModelVersion, Prompt, Sample
from webapp.feedback.models import Comparison

pytestmark = pytest.mark.django_db

Rows = Sequence[Mapping[str, Any]]

MBPP = {
    "task_id": 2,
    "text": "Write a function to add one.",
    "code": "def add_one(x):\r\n  return x + 1\r\n",
    "test_list": ["assert add_one(1) == 2", "assert add_one(-1) == 0"],
    "test_setup_code": "",
    "challenge_test_list": [],
}
HUMANEVAL = {
    "task_id": "HumanEval/0",
    "prompt": 'def twice(x: int) -> int:\n    """Return the double of x.\n    """\n',
    "entry_point": "twice",
    "canonical_solution": "    return 2 * x\n",
    "test": "def check(candidate):\n    assert candidate(2) == 4\n",
}


def as_lines(rows: Rows) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def as_list(rows: Rows) -> bytes:
    return json.dumps(list(rows), indent=1).encode()


def as_parquet(rows: Rows) -> bytes:
    file = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist([dict(row) for row in rows]), file)
    return file.getvalue()


def gzipped(rows: Rows) -> bytes:
    return gzip.compress(as_lines(rows))


@pytest.fixture
def engineer(team: people.Team, client: Client) -> Client:
    client.force_login(team.owner)
    return client


def send(client: Client, content: bytes, kind: str, **about: str) -> HttpResponse:
    data = {"file": SimpleUploadedFile("upload", content), "kind": kind, **about}
    return client.post("/p/alpha/prompts/import/", data)  # type: ignore[return-value]


@pytest.mark.parametrize("write", [as_lines, as_list, as_parquet, gzipped])
def test_tasks_come_in_any_container(engineer: Client, write: Callable[[Rows], bytes]) -> None:
    rows = [{**people.task(number), "contract": None} for number in range(3)]
    assert send(engineer, write(rows), "tasks").status_code == 302
    assert sorted(Prompt.objects.values_list("entry", flat=True)) == ["add_0", "add_1", "add_2"]
    assert Prompt.objects.get(entry="add_1").task["hidden_tests"] == ["assert add_1(1) == 2"]


@pytest.mark.parametrize("write", [as_lines, as_list, as_parquet, gzipped])
def test_mbpp_keeps_its_first_test_public(engineer: Client, write: Callable[[Rows], bytes]) -> None:
    assert send(engineer, write([MBPP]), "mbpp", language="es").status_code == 302
    prompt = Prompt.objects.get()
    assert (prompt.entry, prompt.signature, prompt.language, prompt.family) == (
        "add_one",
        "def add_one(x):",
        "es",
        "mbpp",
    )
    assert prompt.task["public_tests"] == MBPP["test_list"][:1]  # type: ignore[index]
    assert prompt.task["hidden_tests"] == MBPP["test_list"][1:]  # type: ignore[index]


def test_humaneval_brings_its_description_and_its_check(engineer: Client) -> None:
    assert send(engineer, as_lines([HUMANEVAL]), "humaneval").status_code == 302
    prompt = Prompt.objects.get()
    assert (prompt.text, prompt.entry) == ("Return the double of x.", "twice")
    assert prompt.task["hidden_tests"][0].endswith("check(twice)")


@pytest.mark.parametrize(
    ("kind", "row", "said"),
    [
        ("mbpp", {**MBPP, "test_list": []}, "is empty"),
        ("mbpp", {name: value for name, value in MBPP.items() if name != "code"}, "the field code is missing"),
        ("mbpp", {**MBPP, "code": "def add_one(x:"}, "the code is not Python"),
        ("mbpp", {**MBPP, "code": 7}, "not a row of this format"),
        ("humaneval", MBPP, "the field prompt is missing"),
        ("humaneval", {**HUMANEVAL, "entry_point": "thrice"}, "the prompt does not define thrice"),
        ("tasks", MBPP, "the field key is missing"),
    ],
)
def test_one_wrong_row_imports_nothing_and_is_named(
    engineer: Client, kind: str, row: Mapping[str, Any], said: str
) -> None:
    good = {"mbpp": MBPP, "humaneval": HUMANEVAL, "tasks": people.task()}[kind]
    response = send(engineer, as_lines([good, row]), kind)
    text = response.content.decode()
    assert response.status_code == 422
    assert "Nothing was imported: 1 line is wrong." in text
    assert said in text
    assert '<td class="num">2</td>' in text
    assert not Prompt.objects.exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"PAR1 and nothing more", "Parquet file can&#x27;t be read"),
        (b"\x1f\x8b\x08 broken", "can&#x27;t be unpacked"),
        (b"[\n{]", "neither JSON Lines nor a JSON list"),
    ],
)
def test_a_file_that_can_not_be_read_says_so(engineer: Client, content: bytes, said: str) -> None:
    response = send(engineer, content, "tasks")
    assert response.status_code == 422
    assert said in response.content.decode()


def test_a_file_that_unpacks_to_too_much_is_stopped(engineer: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "LARGEST", 1000)
    response = send(engineer, gzip.compress(b" " * 900 + b"\n" + b" " * 900), "tasks")
    assert "unpacks to more than" in response.content.decode()


# --- samples


def sample(number: int, code: str, **about: Any) -> dict[str, Any]:
    return {"key": f"add/en/{number}", "model": "their-model", "code": code, **about}


@pytest.mark.parametrize("write", [as_lines, as_parquet])
def test_samples_are_stored_once_and_compared_in_pairs(
    team: people.Team, engineer: Client, write: Callable[[Rows], bytes]
) -> None:
    import_prompts(team.project, [people.task(0), people.task(1)], by=team.owner)
    rows = [sample(0, "a = 1"), sample(0, "a = 2"), sample(0, "a = 3"), sample(1, "b = 1"), sample(1, "b = 1")]
    assert send(engineer, write(rows), "samples", pair="on").status_code == 302
    assert Sample.objects.count() == 4
    assert Comparison.objects.filter(prompt__entry="add_0").count() == 3
    assert not Comparison.objects.filter(prompt__entry="add_1").exists()
    assert ModelVersion.objects.get().kind == "external"
    response = engineer.get(send(engineer, write(rows), "samples", pair="on").headers["Location"])
    assert "0 new samples. 5 were known already." in response.content.decode()
    assert Comparison.objects.count() == 3
    assert AuditEvent.objects.filter(action="samples.imported").count() == 1


def test_samples_name_their_prompt_by_its_hash_or_its_text(team: people.Team, engineer: Client) -> None:
    import_prompts(team.project, [people.task(0)], by=team.owner)
    prompt = Prompt.objects.get()
    rows = [
        {"prompt_sha256": prompt.sha256, "model": "m", "code": "a"},
        {"text": prompt.text, "signature": prompt.signature, "model": "m", "code": "b"},
    ]
    assert send(engineer, as_lines(rows), "samples").status_code == 302
    assert Sample.objects.filter(prompt=prompt).count() == 2
    assert not Comparison.objects.exists()


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (sample(7, "x"), "there is no such prompt"),
        (sample(0, " "), "code must be a text that is not empty"),
        (sample(0, "x", model=3), "model must be a text that is not empty"),
        (sample(0, "x\0"), "NUL"),
        (sample(0, "x", key=["a"]), "there is no such prompt"),
    ],
)
def test_a_wrong_sample_stores_none_of_them(
    team: people.Team, engineer: Client, row: Mapping[str, Any], said: str
) -> None:
    import_prompts(team.project, [people.task(0)], by=team.owner)
    response = send(engineer, as_lines([sample(0, "fine"), row]), "samples")
    assert response.status_code == 422
    assert said in response.content.decode()
    assert not Sample.objects.exists()
    assert not ModelVersion.objects.exists()


def test_a_prompt_of_another_project_is_not_found(team: people.Team, engineer: Client) -> None:
    import_prompts(team.elsewhere, [people.task(0)], by=team.stranger)
    assert "there is no such prompt" in send(engineer, as_lines([sample(0, "x")]), "samples").content.decode()
