"""Real training in real processes that are killed, stopped and shut down while they work."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from django.db import connection
from django.utils import timezone

from tests.workers.rows import queued_run
from tests.workers.test_leases import facts, kinds
from training.config import ModelSettings, SFTSettings, TaskSettings, to_json
from training.curriculum import build
from webapp.catalog.actions import import_prompts
from webapp.runs.actions import request_cancel
from webapp.runs.models import Run
from workers import dispatch, leases

ROOT = Path(__file__).resolve().parents[2]
LEASE_SECONDS = 2.0
PATIENCE = 120.0

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("training")]


@pytest.fixture
def run() -> Run:
    """A supervised training of a few hundred quick steps, with a checkpoint every ten."""
    run = queued_run(
        config={
            "settings": to_json(SFTSettings(epochs=24.0, batch_size=4, save_steps=10)),
            "model": to_json(ModelSettings(preset="aval-micro", vocab_size=400)),
            "tasks": {},
        }
    )
    tasks = build(TaskSettings(train=24, held_out=2, families=("safe-division",)))["train"]
    report = import_prompts(run.project, [task.to_json() for task in tasks], by=run.created_by)
    assert not report.errors
    return run


Start = Callable[[Run], "subprocess.Popen[bytes]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a worker's process that takes a run, as a pool process of Celery does."""
    environment = {
        **os.environ,
        "AVAL_HOME": str(tmp_path),
        "AVAL_LEASE_SECONDS": str(LEASE_SECONDS),
        "AVAL_WORKER": "train",
        "BROKER_URL": "memory://",
        "DATABASE_URL": database_url(),
        "DJANGO_SETTINGS_MODULE": "webapp.settings",
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(ROOT),
    }
    script = "import sys, django; django.setup(); from workers.train import start_run; start_run(int(sys.argv[1]))"
    started: list[subprocess.Popen[bytes]] = []

    def worker(run: Run) -> subprocess.Popen[bytes]:
        process = subprocess.Popen([sys.executable, "-c", script, str(run.pk)], env=environment, cwd=ROOT)
        started.append(process)
        return process

    yield worker
    for process in started:
        for child in children(process.pid):
            os.kill(child, signal.SIGKILL)
        process.kill()
        process.wait()


def test_a_training_child_that_is_killed_loses_at_most_one_checkpoint_interval(run: Run, start: Start) -> None:
    worker = start(run)
    wait_for(lambda: "checkpoint" in kinds(run), worker)
    os.kill(only_child(worker), signal.SIGKILL)
    assert worker.wait(PATIENCE) == 0
    run.refresh_from_db()
    assert run.state == "queued"
    assert run.error == "the training process was killed by SIGKILL"
    saved = max(event.payload["step"] for event in run.events.filter(kind="checkpoint"))

    assert start(run).wait(PATIENCE) == 0
    run.refresh_from_db()
    assert (run.state, run.attempts, run.error) == ("succeeded", 2, "")
    second = run.events.filter(kind="claimed").last()
    assert second is not None
    resumed = run.events.filter(kind="progress", seq__gt=second.seq).first()
    assert resumed is not None
    assert resumed.payload["step"] > saved
    assert list(run.events.order_by("seq").values_list("seq", flat=True)) == list(range(1, run.events.count() + 1))
    assert (Path(run.output.path) / "model.safetensors").exists()
    assert run.output.path == run.result["path"]
    assert Path(run.output.path).parent.name == "attempt-000002"


def test_a_worker_that_was_stopped_past_its_lease_writes_nothing_when_it_goes_on(run: Run, start: Start) -> None:
    worker = start(run)
    wait_for(lambda: "progress" in kinds(run), worker)
    child = only_child(worker)
    for process in (worker.pid, child):
        os.kill(process, signal.SIGSTOP)
    wait_for(lambda: Run.objects.filter(pk=run.pk, lease_until__lt=timezone.now()).exists(), worker)
    taken = leases.claim(run.pk, owner="another")
    assert taken is not None
    assert taken.fence == 2
    before = facts(run)
    for process in (child, worker.pid):
        os.kill(process, signal.SIGCONT)
    assert worker.wait(PATIENCE) == 0
    assert not Path(f"/proc/{child}").exists()
    assert facts(run) == before


def test_a_killed_worker_takes_its_training_along_and_the_run_is_queued_again(run: Run, start: Start) -> None:
    worker = start(run)
    wait_for(lambda: "progress" in kinds(run), worker)
    child = only_child(worker)
    worker.kill()
    worker.wait()
    wait_for(lambda: not Path(f"/proc/{child}").exists())
    assert facts(run)["state"] == "running"
    wait_for(lambda: dispatch.requeue_expired() == 1)
    run.refresh_from_db()
    assert run.state == "queued"
    assert "was silent for longer than its lease" in run.error


@pytest.mark.slow
def test_a_shutdown_gives_the_run_back_without_counting_the_attempt(run: Run, start: Start) -> None:
    worker = start(run)
    wait_for(lambda: "progress" in kinds(run), worker)
    child = only_child(worker)
    worker.terminate()
    assert worker.wait(PATIENCE) == 0
    assert not Path(f"/proc/{child}").exists()
    run.refresh_from_db()
    assert (run.state, run.attempts) == ("queued", 0)


@pytest.mark.slow
def test_a_run_that_is_cancelled_while_it_trains_stops_within_seconds(run: Run, start: Start) -> None:
    worker = start(run)
    wait_for(lambda: "progress" in kinds(run), worker)
    request_cancel(run, run.created_by)
    asked = time.monotonic()
    assert worker.wait(PATIENCE) == 0
    assert time.monotonic() - asked < 10
    run.refresh_from_db()
    assert run.state == "cancelled"
    assert kinds(run)[-1] == "cancelled"


@pytest.mark.slow
def test_an_unknown_base_model_fails_the_run_at_once_and_in_one_line(run: Run, start: Start) -> None:
    run.config["model"]["base_model"] = "/no/such/model"
    run.save()
    assert start(run).wait(PATIENCE) == 0
    run.refresh_from_db()
    assert (run.state, run.attempts) == ("failed", 1)
    assert run.error.startswith("unknown model '/no/such/model'")
    assert "\n" not in run.error


def database_url() -> str:
    """The test database, for other processes."""
    settings = connection.settings_dict
    account = f"{quote(settings['USER'], safe='')}:{quote(settings['PASSWORD'], safe='')}"
    port = f"&port={settings['PORT']}" if settings["PORT"] else ""
    return f"postgresql://{account}@/{settings['NAME']}?host={quote(settings['HOST'], safe='')}{port}"


def wait_for(what: Callable[[], Any], worker: subprocess.Popen[bytes] | None = None) -> None:
    deadline = time.monotonic() + PATIENCE
    while not what():
        assert worker is None or worker.poll() is None, f"the worker ended early with {worker.returncode}"
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.1)


def only_child(worker: subprocess.Popen[bytes]) -> int:
    (child,) = children(worker.pid)
    return child


def children(parent: int) -> list[int]:
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, ppid = entry.read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue
        if int(ppid) == parent and state != "Z":
            found.append(int(entry.parent.name))
    return found
