"""The task that executes and verifies samples: short, safe to run twice, and silent when it can't know.

A sample's rows are written in one transaction with ``checked_at``. While a sample is being checked its
row is locked, so that a duplicate of the message passes it by. A failure of the sandbox itself is never
stored as a result: the sample stays unchecked, the dispatcher sends it again, and in the end an error says so.
"""

from __future__ import annotations

import hashlib
import logging
import platform
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from verification import VERIFIER_VERSION
from verification.outcome import Report, Verdict
from verification.properties import DEFAULT
from webapp.catalog.highlight import tokens
from webapp.catalog.models import Execution, Sample, Verification
from workers.app import app
from workers.dispatch import MAX_CHECK_ATTEMPTS
from workers.text import storable

if TYPE_CHECKING:
    from verification.sandbox import Pool, Result

logger = logging.getLogger(__name__)


@app.task(name="workers.verify.check_samples", acks_late=True, reject_on_worker_lost=True)
def check_samples(sample_ids: Sequence[int]) -> None:
    """Run the public and hidden tests of each sample and verify the properties that its task declares."""
    from verification.sandbox import Pool, SandboxError  # here, since the training worker loads this module too

    with ExitStack() as stack:
        pool: Pool | None = None
        for sample_id in filter(_begin, sample_ids):
            try:
                pool = pool or stack.enter_context(Pool(size=1))
                _check(sample_id, pool)
            except (SandboxError, OSError) as error:
                logger.error("sample %s: the sandbox failed, which says nothing of the sample: %s", sample_id, error)
                _note(sample_id, f"the sandbox failed: {error}")
            except Exception as error:
                logger.exception("sample %s", sample_id)
                _note(sample_id, f"{type(error).__name__}: {error}")


@transaction.atomic
def _begin(sample_id: int) -> bool:
    """Count the attempt first, so that a sample that kills its checker is not tried for ever."""
    if not _waiting(sample_id).filter(check_attempts__lt=MAX_CHECK_ATTEMPTS).exists():
        return False
    Sample.objects.filter(pk=sample_id).update(check_attempts=F("check_attempts") + 1, check_sent_at=Now())
    return True


@transaction.atomic
def _check(sample_id: int, pool: Pool) -> None:
    from training.signatures import report_of
    from verification.sandbox import Job

    sample = _waiting(sample_id).select_related("prompt").first()
    if sample is None:
        return
    task = sample.prompt.task
    suites = {Execution.Suite.PUBLIC: task["public_tests"], Execution.Suite.HIDDEN: task["hidden_tests"]}
    jobs = [Job.tests(sample.text, task["entry"], tests, task.get("prelude", "")) for tests in suites.values()]
    results = pool.run_many(jobs)
    properties = tuple(task.get("properties") or DEFAULT)
    report = report_of(
        sample.text, task["entry"], properties, signature=task.get("signature"), contract=task.get("contract")
    )
    Execution.objects.bulk_create(
        [_execution(sample, suite, result, _environment(pool)) for suite, result in zip(suites, results, strict=True)],
        ignore_conflicts=True,
    )
    Verification.objects.bulk_create(_verifications(sample, report), ignore_conflicts=True)
    Sample.objects.filter(pk=sample_id).update(checked_at=Now(), check_error="", tokens=tokens(sample.text))


def _waiting(sample_id: int) -> Any:
    """The sample, locked, if nobody has checked it and nobody is at it; others may still refer to the row."""
    return Sample.objects.select_for_update(skip_locked=True, no_key=True, of=("self",)).filter(
        pk=sample_id, checked_at__isnull=True, check_error=""
    )


def _note(sample_id: int, error: str) -> None:
    """After the last attempt the sample is closed with the error, and without a result."""
    Sample.objects.filter(pk=sample_id, checked_at__isnull=True, check_attempts__gte=MAX_CHECK_ATTEMPTS).update(
        check_error=error
    )


def _environment(pool: Pool) -> str:
    """Digest of what a program's behaviour may depend on: the interpreter and the sandbox's layers."""
    layers = sorted(f"{layer.name}={layer.holds}" for layer in pool.report().layers)
    return hashlib.sha256("\n".join([sys.version, platform.machine(), *layers]).encode()).hexdigest()


def _execution(sample: Sample, suite: str, result: Result, environment: str) -> Execution:
    return Execution(
        sample=sample,
        suite=suite,
        environment=environment,
        status=result.status,
        passed=result.passed,
        total=result.total,
        detail=storable(result.detail),
        cpu_seconds=result.cpu_seconds,
    )


def _verifications(sample: Sample, report: Report) -> list[Verification]:
    return [_verification(sample, verdict) for verdict in report.verdicts]


def _verification(sample: Sample, verdict: Verdict) -> Verification:
    plain = verdict.to_json()
    return Verification(
        sample=sample,
        property=verdict.property,
        verifier_version=VERIFIER_VERSION,
        outcome=plain["outcome"],
        reason=storable(verdict.reason),
        line=verdict.line,
        counterexample=storable(plain["counterexample"]),
        certificate=storable(plain["certificate"]),
        assumptions=plain["assumptions"],
        cpu_seconds=verdict.cpu_seconds,
    )
