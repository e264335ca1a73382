"""What beat calls every few seconds: it finds the work that messages lost, and the workers that died."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from webapp.broker import TRAIN_QUEUE, VERIFY_QUEUE, send_on_commit
from webapp.catalog.models import Sample
from webapp.runs.actions import START_TASK
from webapp.runs.models import Run
from workers import leases
from workers.app import app

logger = logging.getLogger(__name__)

CHECK_TASK = "workers.verify.check_samples"
RESEND_AFTER = timedelta(seconds=30)
MAX_CHECK_ATTEMPTS = 3
BATCH = 20
"""Samples in one message."""
_AT_ONCE = 100


@app.task(name="workers.dispatch.runs")
def runs() -> None:
    """Start again what lost its worker, and tell the workers again of what waits."""
    requeue_expired()
    resend_queued()


@app.task(name="workers.dispatch.samples")
def samples() -> None:
    """Send samples again that nobody has checked."""
    give_up_on_samples()
    send_unchecked()


@app.task(name="workers.dispatch.ratings")
def ratings() -> None:
    """End the leases of annotators who went away."""
    from webapp.feedback.actions import expire_leases

    expire_leases()


@app.task(name="workers.dispatch.texts")
def texts() -> None:
    """Erase what annotators wrote longer ago than their project keeps it."""
    from webapp.accounts.privacy import erase_old_text

    erase_old_text(timezone.now())


@app.task(name="workers.dispatch.messages")
def messages() -> None:
    """Delete what the database broker has delivered; it keeps those messages as invisible rows."""
    if settings.BROKER_URL.startswith("sqla+"):
        purge_delivered(settings.BROKER_URL)


@transaction.atomic
def requeue_expired() -> int:
    """Runs whose worker was silent for longer than the lease, each back into the queue or ended for good."""
    expired = (
        Run.objects.select_for_update(skip_locked=True)
        .filter(state=Run.State.RUNNING, lease_until__lt=Now())
        .order_by("lease_until")[:_AT_ONCE]
    )
    found = list(expired)
    for run in found:
        leases.requeue(run, reason=f"{run.owner} was silent for longer than its lease")
    return len(found)


@transaction.atomic
def resend_queued() -> int:
    """Queued runs that the broker was not told of lately: the message may be lost, and one too many does no harm."""
    stale = (
        Run.objects.select_for_update(skip_locked=True)
        .filter(Q(sent_at__isnull=True) | Q(sent_at__lt=Now() - RESEND_AFTER), state=Run.State.QUEUED)
        .order_by("created_at")
        .values_list("pk", flat=True)[:_AT_ONCE]
    )
    found = list(stale)
    Run.objects.filter(pk__in=found).update(sent_at=Now())
    for run_id in found:
        send_on_commit(START_TASK, run_id, queue=TRAIN_QUEUE)
    return len(found)


@transaction.atomic
def send_unchecked(sample_ids: Sequence[int] | None = None) -> int:
    """Send samples that have not been checked, in batches: those given, else those not sent lately."""
    waiting = Sample.objects.select_for_update(skip_locked=True).filter(
        checked_at__isnull=True, check_error="", check_attempts__lt=MAX_CHECK_ATTEMPTS
    )
    if sample_ids is None:
        waiting = waiting.filter(Q(check_sent_at__isnull=True) | Q(check_sent_at__lt=Now() - RESEND_AFTER))
    else:
        waiting = waiting.filter(pk__in=sample_ids)
    limit = 20 * BATCH if sample_ids is None else len(sample_ids)
    found = list(waiting.order_by("pk").values_list("pk", flat=True)[:limit])
    Sample.objects.filter(pk__in=found).update(check_sent_at=Now())
    for start in range(0, len(found), BATCH):
        send_on_commit(CHECK_TASK, found[start : start + BATCH], queue=VERIFY_QUEUE)
    return len(found)


@transaction.atomic
def give_up_on_samples() -> int:
    """Samples that could not be checked in all their attempts are closed with an error, never with a result."""
    hopeless = Sample.objects.select_for_update(skip_locked=True).filter(
        checked_at__isnull=True,
        check_error="",
        check_attempts__gte=MAX_CHECK_ATTEMPTS,
        check_sent_at__lt=Now() - RESEND_AFTER,
    )
    found = list(hopeless.values_list("pk", flat=True)[: 20 * BATCH])
    error = f"could not be checked in {MAX_CHECK_ATTEMPTS} attempts: see the verify worker's log"
    return Sample.objects.filter(pk__in=found).update(check_error=error)


def purge_delivered(broker_url: str) -> int:
    """Delete messages that were delivered a minute ago or earlier; how many they were."""
    import psycopg

    with psycopg.connect(broker_url.removeprefix("sqla+").replace("+psycopg", "", 1)) as connection:
        done = connection.execute(
            # kombu stamps a delivery with its own process's local time
            "DELETE FROM kombu_message WHERE NOT visible AND timestamp < %s",
            [datetime.now() - timedelta(minutes=1)],
        )
        return done.rowcount
