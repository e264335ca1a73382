"""Celery and its queues. A message is a hint that a row wants work; rows are the truth.

Training acknowledges early, since no broker holds a message for hours; execution and verification
acknowledge late, being short and safe to run twice. What a broker loses the dispatcher sends again.
"""

from __future__ import annotations

import os
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "webapp.settings")

from celery import Celery
from django.conf import settings
from kombu import Exchange, Queue

TRAIN, VERIFY, BEAT = "train", "verify", "beat"
DISPATCH_SECONDS = 2.0


def celery_app(broker_url: str) -> Celery:
    """The application for a broker: PostgreSQL (``sqla+postgresql+psycopg://``), RabbitMQ or Redis."""
    arguments = {"x-queue-type": "quorum"} if broker_url.startswith(("amqp", "pyamqp")) else None
    app = Celery("workers", broker=broker_url)
    app.conf.update(
        # An exchange each, as the web application declares them: sharing one, every queue gets every message.
        task_queues=[
            Queue(name, Exchange(name), routing_key=name, queue_arguments=arguments) for name in (TRAIN, VERIFY, BEAT)
        ],
        task_default_queue=VERIFY,
        task_routes={
            "workers.train.*": {"queue": TRAIN},
            "workers.verify.*": {"queue": VERIFY},
            "workers.dispatch.*": {"queue": BEAT},
        },
        task_ignore_result=True,
        task_store_errors_even_if_ignored=False,
        accept_content=["json"],
        task_serializer="json",
        worker_prefetch_multiplier=1,
        # Revoking, inspecting and events don't work on every broker; runs are cancelled by their rows.
        worker_enable_remote_control=False,
        worker_send_task_events=False,
        broker_connection_retry_on_startup=True,
        worker_hijack_root_logger=True,
        timezone="UTC",
        imports=["workers.train", "workers.verify", "workers.dispatch"],
        beat_schedule=_schedule(),
    )
    if broker_url.startswith("sqla+"):
        _poll_often()
    if broker_url.startswith("redis"):
        # No message is held unacknowledged for longer than a batch of checks takes.
        app.conf.broker_transport_options = {"visibility_timeout": 3600}
    return app


def _schedule() -> dict[str, Any]:
    # A tick that could not be taken in time is worthless: the next one does its work.
    every = {
        "runs": DISPATCH_SECONDS,
        "samples": 5.0,
        "ratings": 5.0,
        "messages": 60.0,
        # Retention counts days; every hour, since a schedule of a day would never come round where services restart.
        "texts": 3600.0,
    }
    return {
        name: {
            "task": f"workers.dispatch.{name}",
            "schedule": seconds,
            "options": {"queue": BEAT, "expires": 2 * seconds},
        }
        for name, seconds in every.items()
    }


def _poll_often() -> None:
    """One second between polls is the default; given as a transport option it is refused."""
    from kombu.transport.sqlalchemy import Transport

    Transport.polling_interval = 0.1


app = celery_app(settings.BROKER_URL)
