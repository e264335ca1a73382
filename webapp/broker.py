"""Telling the workers that there is work: a task's name and an id, sent after commit.

The row is the truth and the message a hint: when the broker can't be reached the dispatcher sends
it again, so a failure here is logged and nothing more.
"""

from __future__ import annotations

import logging
from functools import cache
from typing import Any

from celery import Celery
from django.conf import settings
from django.db import transaction
from kombu.exceptions import OperationalError

logger = logging.getLogger(__name__)

TRAIN_QUEUE = "train"
VERIFY_QUEUE = "verify"


def send_on_commit(task: str, *args: Any, queue: str) -> None:
    """Send the task by name once the current transaction has been committed."""
    transaction.on_commit(lambda: send(task, *args, queue=queue))


def send(task: str, *args: Any, queue: str) -> None:
    """Send the task by name now."""
    try:
        _sender().send_task(task, args=args, queue=queue, ignore_result=True)
    except OperationalError as error:
        logger.warning("broker not reached; the dispatcher will send %s%s again: %s", task, args, error)


@cache
def _sender() -> Celery:
    app = Celery("webapp", broker=settings.BROKER_URL)
    if settings.BROKER_URL.startswith(("amqp", "pyamqp")):
        # The workers' queues are quorum queues there, and a queue can't be declared in two ways.
        app.conf.task_create_missing_queue_type = "quorum"
    return app
