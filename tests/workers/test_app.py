from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from django.test import override_settings

from webapp import broker
from workers.app import celery_app

ROOT = Path(__file__).resolve().parents[2]
BROKERS = ("sqla+postgresql+psycopg://u:p@/db?host=/run", "amqp://guest@localhost//", "redis://localhost:6379/0")


@pytest.mark.parametrize("url", BROKERS)
def test_sender_and_workers_declare_the_queues_alike(url: str) -> None:
    broker._sender.cache_clear()
    with override_settings(BROKER_URL=url):
        sender = broker._sender()
    broker._sender.cache_clear()
    workers = celery_app(url)
    for name in ("train", "verify"):
        ours, theirs = workers.amqp.queues[name], sender.amqp.queues[name]
        assert ours.exchange == theirs.exchange
        assert ours.routing_key == theirs.routing_key == name
        assert (ours.queue_arguments or {}) == (theirs.queue_arguments or {})


@pytest.mark.parametrize("url", BROKERS)
def test_each_queue_has_an_exchange_of_its_own(url: str) -> None:
    queues = celery_app(url).amqp.queues
    assert {name: queue.exchange.name for name, queue in queues.items()} == {
        name: name for name in ("train", "verify", "beat")
    }


def test_queues_of_rabbitmq_are_quorum_queues() -> None:
    queues = celery_app("amqp://guest@localhost//").amqp.queues
    assert {queue.queue_arguments["x-queue-type"] for queue in queues.values()} == {"quorum"}


def test_messages_are_json_and_no_results_are_kept() -> None:
    conf = celery_app(BROKERS[0]).conf
    assert (conf.accept_content, conf.task_serializer, conf.task_ignore_result) == (["json"], "json", True)
    assert conf.result_backend is None


def test_training_acknowledges_early_and_checks_late() -> None:
    from workers.train import start_run
    from workers.verify import check_samples

    assert not start_run.acks_late
    assert check_samples.acks_late
    assert check_samples.reject_on_worker_lost


def test_beat_sends_every_dispatch_to_the_queue_of_the_dispatcher() -> None:
    app = celery_app(BROKERS[0])
    assert set(app.conf.beat_schedule) == {"runs", "samples", "ratings", "messages", "texts"}
    for entry in app.conf.beat_schedule.values():
        assert entry["options"]["queue"] == "beat"


def test_the_workers_modules_load_neither_torch_nor_a_solver() -> None:
    script = (
        "import sys, django; django.setup(); import workers.train, workers.verify, workers.dispatch, workers.services\n"
        "print(sorted({'torch', 'transformers', 'z3', 'cvc5'} & sys.modules.keys()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env={"DJANGO_SETTINGS_MODULE": "webapp.settings", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"
