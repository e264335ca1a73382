"""Many programs: in order, the same for any number of jobs, and no program takes the others with it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.verification.labelled import ALL
from tests.verification.programs import RUNTIME
from tests.verification.test_cache import plain
from verification import batch, verify
from verification.batch import BadRow, read_rows, verify_all
from verification.cache import Request
from verification.outcome import Outcome, Report
from verification.properties import DEFAULT
from verification.request import Limits
from verification.worker import Answer, Guard, NoSandbox, Worker

SAFE = "def safe(a: int, b: int) -> int:\n    return a // b if b else 0\n"
BOOM = "def boom(a: int) -> int:\n    return a\n"
LONG = "def f(a: int) -> int:\n" + "    a += 1\n" * 9_000 + "    return a\n"
"""Takes long, and much memory, to be read at all."""


def proved(*sources: str) -> list[Request]:
    return [Request(source, properties=("type-error",)) for source in sources]


def outcomes(reports: Iterator[Report]) -> list[str]:
    return [str(report.outcome) for report in reports]


def test_reports_are_in_order_and_the_same_for_one_job_two_jobs_and_none() -> None:
    requests = [Request(source, "f", (slug,)) for source, slug, _ in RUNTIME[::8]]
    requests.insert(3, Request(LONG, "f", ("type-error",)))  # finishes after those behind it
    expected = [plain(verify(request.source, entry="f", properties=request.properties)) for request in requests]
    for jobs in (1, 2):
        assert list(map(plain, verify_all(requests, jobs=jobs))) == expected


def test_reports_are_the_same_again_while_other_work_takes_every_core() -> None:
    """The labelled functions with loops are where the solver works longest."""
    chosen = [row for row in ALL if "loop" in row.tags][::5]
    requests = [Request(row.source, row.entry, (*DEFAULT, "termination")) for row in chosen]
    alone = list(map(plain, verify_all(requests, jobs=2)))
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2 * (os.cpu_count() or 1))]
    try:
        pressed = list(map(plain, verify_all(requests, jobs=2)))
    finally:
        for other in others:
            other.kill()
            other.wait()
    assert pressed == alone


def test_reports_come_as_soon_as_they_are_known() -> None:
    taken = []

    def requests() -> Iterator[Request]:
        for number in range(10_000):
            taken.append(number)
            yield Request(f"def f(a: int) -> int:\n    return a + {number}\n", properties=("type-error",))

    reports = verify_all(requests(), jobs=2)
    next(reports)
    assert len(taken) < 1_000
    reports.close()  # type: ignore[attr-defined]


def test_a_worker_is_replaced_after_so_many_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    started = []

    class Counted(Worker):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            started.append(self.process_id)

    monkeypatch.setattr(batch, "Worker", Counted)
    assert outcomes(verify_all(proved(*[SAFE] * 5), programs=2)) == ["proved"] * 5
    assert len(started) == 3
    assert not any(map(_is_alive, started))


def test_a_worker_ends_with_its_owner_or_when_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    reports = verify_all(proved(SAFE, SAFE, SAFE), jobs=2)
    next(reports)
    crew = reports.gi_frame.f_locals["crew"]  # type: ignore[attr-defined]
    workers = [worker.process_id for worker in (*crew._idle, *crew._busy)]
    assert workers
    assert all(map(_is_alive, workers))
    reports.close()  # type: ignore[attr-defined]
    assert not any(map(_is_alive, workers))


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


# --- workers that die


def killed_at_boom(monkeypatch: pytest.MonkeyPatch, times: int) -> list[int]:
    """Workers are killed as they are asked of BOOM, so often."""
    killed: list[int] = []
    ask = Worker.ask

    def ask_and_kill(self: Worker, request: Request) -> None:
        if request.source == BOOM and len(killed) < times:
            killed.append(self.process_id)
            os.kill(self.process_id, signal.SIGKILL)
        ask(self, request)

    monkeypatch.setattr(Worker, "ask", ask_and_kill)
    return killed


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_program_whose_worker_was_killed_is_tried_in_a_fresh_one(jobs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    killed = killed_at_boom(monkeypatch, times=1)
    assert outcomes(verify_all(proved(SAFE, BOOM, SAFE), jobs=jobs)) == ["proved"] * 3
    assert len(killed) == 1


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_program_whose_workers_are_killed_is_unknown_and_the_others_are_not_lost(
    jobs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed_at_boom(monkeypatch, times=100)
    reports = list(verify_all(proved(SAFE, BOOM, SAFE, SAFE), jobs=jobs))
    assert [str(report.outcome) for report in reports] == ["proved", "unknown", "proved", "proved"]
    (verdict,) = reports[1].verdicts
    assert verdict.reason == "the verifier ran out of its own budget (its process was ended by SIGKILL)"


def test_a_program_that_takes_too_much_cpu_is_unknown() -> None:
    (report,) = verify_all([Request(LONG, "f", ("type-error",))], guard=Guard(cpu_seconds=0.02))
    (verdict,) = report.verdicts
    assert verdict.outcome is Outcome.UNKNOWN
    assert verdict.reason == "the verifier ran out of its own budget (0.02 CPU seconds)"
    assert report.cpu_seconds == 0.02


def test_a_program_that_takes_too_much_memory_is_not_judged_and_the_next_one_is_fine() -> None:
    """Python's parser, too, says that it ran out of memory, where it means a program nested too deeply."""
    first, second = verify_all([Request(LONG, "f", ("type-error",)), *proved(SAFE)], guard=Guard(memory_mb=124))
    (verdict,) = first.verdicts
    assert verdict.outcome in (Outcome.UNKNOWN, Outcome.UNSUPPORTED)
    assert "budget" in verdict.reason or "nested too deeply" in verdict.reason
    assert second.outcome is Outcome.PROVED


def test_a_mistake_of_the_verifiers_is_told_and_loses_nobody_else() -> None:
    first, second = verify_all([Request(SAFE, properties=("speed",)), *proved(SAFE)])
    assert first.outcome is Outcome.UNKNOWN
    assert first.verdicts[0].reason.startswith(
        "the verifier itself failed on this program (ValueError: unknown property 'speed'"
    )
    assert second.outcome is Outcome.PROVED


def test_a_sandbox_that_fails_twice_ends_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Worker, "hear", lambda self: self._process.stdout.readline() and Answer(sandbox="no seccomp"))
    with pytest.raises(NoSandbox, match="no seccomp"):
        list(verify_all(proved(SAFE)))


# --- rows


def rows(*lines: object) -> bytes:
    return b"\n".join(line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines)


def test_rows_become_requests() -> None:
    text = rows(
        {"code": SAFE},
        b"",
        {
            "id": "b",
            "code": SAFE,
            "entry": "safe",
            "pre": "b > 0",
            "properties": ["zero-division"],
            "prompt": "ignored",
        },
        {"id": 7, "code": SAFE, "pre": "", "post": None, "allowed_exceptions": []},
        b'{"id": "\xe2\x80\xa8", "code": "x = \\"\xe2\x80\xa8\\""}\r',
    )
    found = read_rows(text, name="in.jsonl", limits=Limits())
    assert [row.id for row in found] == [1, "b", 7, "\u2028"]
    assert found[1].request.properties == ("zero-division",)
    assert found[1].request.contract is not None
    assert found[2].request.contract is None
    assert found[3].request.source == 'x = "\u2028"'


@pytest.mark.parametrize(
    ("line", "trouble"),
    [
        (b"def f(): pass", "not JSON: Expecting value at column 1"),
        (b'{"code": "x"', "not JSON: Expecting ',' delimiter at column 13"),
        (b"[1]", "it is no JSON object"),
        (b"[" * 100_000, "it is nested too deeply"),
        (b'{"code": "\xff"}', "it is not UTF-8 text"),
        ({}, "no text under `code`"),
        ({"code": 3}, "`code` is not text"),
        ({"code": SAFE, "id": [1]}, "`id` is neither text nor a number"),
        ({"code": SAFE, "entry": 1}, "`entry` is not text"),
        ({"code": SAFE, "properties": "zero-division"}, "`properties` is not a list of texts"),
        ({"code": SAFE, "properties": ["speed"]}, "unknown property 'speed'"),
        ({"code": SAFE, "pre": "b !="}, "'b !=' is not a Python expression"),
        ({"code": SAFE, "allowed_exceptions": ["Nothing"]}, "'Nothing' is not a builtin exception"),
    ],
)
def test_a_bad_row_is_named_with_file_and_line(line: object, trouble: str) -> None:
    with pytest.raises(BadRow) as caught:
        read_rows(rows({"code": SAFE}, line, {"code": SAFE}), name="in.jsonl", limits=Limits())
    assert str(caught.value).startswith(f"in.jsonl, line 2: not a row ({trouble}")
    assert "\n" not in str(caught.value)


def test_certificates_of_two_rows_must_not_share_a_file() -> None:
    text = rows({"id": "a/b", "code": SAFE}, {"id": "a_b", "code": SAFE})
    assert len(read_rows(text, name="in.jsonl", limits=Limits())) == 2
    with pytest.raises(BadRow, match=r"line 2: .* those of line 1"):
        read_rows(text, name="in.jsonl", limits=Limits(), certify=True)


@pytest.mark.parametrize(("name", "file"), [("../../x", "_.._x"), ("a b", "a_b"), ("..", "_"), ("", "_"), (3, "3")])
def test_an_id_becomes_a_plain_file_name(name: object, file: str, tmp_path: Path) -> None:
    (row,) = read_rows(rows({"id": name, "code": SAFE}), name="in.jsonl", limits=Limits())
    assert row.file_name == file
    assert (tmp_path / row.file_name).parent == tmp_path
