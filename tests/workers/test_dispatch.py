from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from kombu import Connection

from tests.workers.rows import project, queued_run, sample
from webapp import broker
from webapp.runs.models import Run
from workers import dispatch, leases


@pytest.fixture
def sent(settings: Any, request: pytest.FixtureRequest) -> Iterator[Callable[[str], list[Any]]]:
    """The arguments of the messages that lie in a queue of a broker in memory."""
    settings.BROKER_URL = f"memory://{request.node.name}"
    broker._sender.cache_clear()

    def read(queue: str) -> list[Any]:
        with Connection(settings.BROKER_URL) as connection:
            box = connection.SimpleQueue(queue)
            found = []
            while box.qsize():
                message = box.get(block=False)
                message.ack()
                found.append(message.payload[0])
            box.close()
            return found

    read("train"), read("verify")
    yield read
    broker._sender.cache_clear()


def past(**ago: float) -> Any:
    return timezone.now() - timedelta(**ago)


@pytest.mark.django_db(transaction=True)
def test_a_run_that_was_committed_but_never_published_is_sent(sent: Callable[[str], list[Any]]) -> None:
    run = queued_run(sent_at=None)
    assert dispatch.resend_queued() == 1
    assert sent("train") == [[run.pk]]
    assert dispatch.resend_queued() == 0


@pytest.mark.django_db(transaction=True)
def test_a_run_whose_message_was_lost_is_sent_again(sent: Callable[[str], list[Any]]) -> None:
    lost, fresh = queued_run(sent_at=past(minutes=1)), queued_run(sent_at=timezone.now())
    dispatch.resend_queued()
    assert sent("train") == [[lost.pk]]
    assert fresh.state == "queued"


@pytest.mark.django_db(transaction=True)
def test_a_run_whose_worker_fell_silent_is_queued_again_and_sent(sent: Callable[[str], list[Any]]) -> None:
    run = queued_run()
    assert leases.claim(run.pk, owner="gone@nowhere:1") is not None
    assert dispatch.requeue_expired() == 0
    Run.objects.update(lease_until=past(minutes=1))
    assert dispatch.requeue_expired() == 1
    run.refresh_from_db()
    assert run.state == "queued"
    assert "gone@nowhere:1 was silent" in run.error
    assert sent("train") == [[run.pk]]


@pytest.mark.django_db(transaction=True)
def test_a_run_fails_when_its_last_attempt_falls_silent(sent: Callable[[str], list[Any]]) -> None:
    run = queued_run(max_attempts=2)
    for _ in range(2):
        assert leases.claim(run.pk, owner="gone") is not None
        Run.objects.update(lease_until=past(minutes=1))
        dispatch.requeue_expired()
    run.refresh_from_db()
    assert run.state == "failed"
    assert run.error.startswith("gave up after 2 attempts")
    assert sent("train") == [[run.pk]]


@pytest.mark.django_db(transaction=True)
def test_samples_that_nobody_checked_are_sent_in_batches(sent: Callable[[str], list[Any]]) -> None:
    of = project()
    found = [sample(f"x = {number}", of=of).pk for number in range(dispatch.BATCH + 1)]
    assert dispatch.send_unchecked() == dispatch.BATCH + 1
    assert sent("verify") == [[found[:-1]], [found[-1:]]]
    assert dispatch.send_unchecked() == 0


@pytest.mark.django_db(transaction=True)
def test_only_samples_that_wait_for_long_are_sent_again(sent: Callable[[str], list[Any]]) -> None:
    of = project()
    lost = sample("a = 1", of=of, check_sent_at=past(minutes=1))
    sample("b = 1", of=of, check_sent_at=timezone.now())
    sample("c = 1", of=of, checked_at=timezone.now())
    sample("d = 1", of=of, check_error="no sandbox")
    dispatch.send_unchecked()
    assert sent("verify") == [[[lost.pk]]]


@pytest.mark.django_db(transaction=True)
def test_a_sample_that_can_not_be_checked_is_closed_with_an_error(sent: Callable[[str], list[Any]]) -> None:
    hopeless = sample("a = 1", check_attempts=dispatch.MAX_CHECK_ATTEMPTS, check_sent_at=past(minutes=1))
    assert dispatch.send_unchecked() == 0
    assert dispatch.give_up_on_samples() == 1
    hopeless.refresh_from_db()
    assert hopeless.check_error.startswith("could not be checked in 3 attempts")
    assert hopeless.checked_at is None
    assert sent("verify") == []
