from __future__ import annotations

import sys
import threading
from typing import Any

import pytest
from django.db import connection, transaction

from tests.workers.rows import project, sample
from webapp.catalog.highlight import tokens
from webapp.catalog.models import Execution, Sample, Verification
from workers.dispatch import MAX_CHECK_ATTEMPTS
from workers.text import storable
from workers.verify import check_samples

GOOD = "def halve(n: int) -> int:\n    return n // 2"
SHALLOW = "def halve(n: int) -> int:\n    return n // 2 if n > 0 else 1 // (n + 3)"


@pytest.fixture(autouse=True)
def sandbox() -> None:
    if not sys.platform.startswith("linux"):
        pytest.skip("the sandbox is for Linux")


def executions(of: Sample) -> dict[str, tuple[str, int, int]]:
    return {row.suite: (row.status, row.passed, row.total) for row in of.executions.all()}


@pytest.mark.django_db
def test_a_sample_gets_its_tests_its_verdicts_and_the_time_of_its_check() -> None:
    of = project()
    good, shallow = sample(GOOD, of=of), sample(SHALLOW, of=of)
    check_samples([good.pk, shallow.pk])
    assert executions(good) == {"public": ("passed", 1, 1), "hidden": ("passed", 1, 1)}
    assert executions(shallow) == {"public": ("passed", 1, 1), "hidden": ("exception", 0, 1)}
    good.refresh_from_db()
    assert good.checked_at is not None
    assert good.tokens == tokens(good.text) != ""
    assert good.check_attempts == 1
    assert [(row.property, row.outcome) for row in good.verifications.all()] in (
        [("zero-division", "proved")],
        [("zero-division", "vacuous")],
    )
    (refuted,) = shallow.verifications.all()
    assert refuted.outcome == "refuted"
    assert refuted.counterexample == {"call": "halve(-3)", "observed": refuted.counterexample["observed"]}
    assert "ZeroDivisionError" in refuted.counterexample["observed"]


@pytest.mark.django_db
def test_a_second_message_for_a_checked_sample_changes_nothing() -> None:
    good = sample(GOOD)
    check_samples([good.pk])
    before = state_of_everything()
    check_samples([good.pk])
    assert state_of_everything() == before


@pytest.mark.django_db(transaction=True)
def test_a_sample_that_another_worker_is_checking_is_passed_by() -> None:
    busy = sample(GOOD)
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic():
            Sample.objects.select_for_update(no_key=True).get(pk=busy.pk)
            held.set()
            done.wait(60)
        connection.close()

    holder = threading.Thread(target=hold)
    holder.start()
    assert held.wait(60)
    check_samples([busy.pk])
    done.set()
    holder.join()
    busy.refresh_from_db()
    assert (busy.check_attempts, busy.checked_at) == (0, None)


@pytest.mark.django_db
def test_a_broken_sandbox_is_never_a_result(monkeypatch: pytest.MonkeyPatch) -> None:
    unlucky = sample(GOOD)
    monkeypatch.setattr(sys, "executable", "/bin/false")  # what a zygote is started with
    for attempt in range(1, MAX_CHECK_ATTEMPTS + 1):
        check_samples([unlucky.pk])
        unlucky.refresh_from_db()
        assert (unlucky.check_attempts, unlucky.checked_at) == (attempt, None)
    assert unlucky.check_error.startswith("the sandbox failed:")
    assert not Execution.objects.exists()
    assert not Verification.objects.exists()
    check_samples([unlucky.pk])
    unlucky.refresh_from_db()
    assert unlucky.check_attempts == MAX_CHECK_ATTEMPTS


def test_what_postgresql_can_not_store_is_replaced() -> None:
    assert storable({"a\0": ["b\0c", "\ud800", 1, None]}) == {"a\ufffd": ["b\ufffdc", "?", 1, None]}


def state_of_everything() -> list[list[dict[str, Any]]]:
    return [list(model.objects.order_by("pk").values()) for model in (Sample, Execution, Verification)]
