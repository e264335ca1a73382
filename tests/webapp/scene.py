"""Rows that the tests of the runs, review and audit pages start from. Plain functions, real rows."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.utils import timezone

from webapp.accounts.models import User
from webapp.catalog.models import Execution, Membership, ModelVersion, Project, Prompt, Sample, Verification
from webapp.feedback.models import Assignment, Comparison, Rating

MEAN = "def mean(xs: list[int]) -> float:\n    total = 0\n    for x in xs:\n        total += x\n    return total / len(xs)\n"
SAFE_MEAN = "def mean(xs: list[int]) -> float:\n    return sum(xs) / len(xs) if xs else 0.0\n"


def project(slug: str = "beta") -> Project:
    return Project.objects.create(slug=slug, name=slug.capitalize())


def person(name: str, role: str = "", team: Project | None = None, **about: Any) -> User:
    """Somebody who can sign in (``client.force_login``); with a role, a member of the team."""
    user = User.objects.create_user(name, password=None, pseudonym=f"p-{name}", **about)
    if team is not None:
        Membership.objects.create(project=team, user=user, role=role)
    return user


def model(team: Project, name: str, kind: str = "supervised", parent: ModelVersion | None = None) -> ModelVersion:
    return ModelVersion.objects.create(
        project=team, name=name, kind=kind, path=f"models/{name}", sha256=_sha(name), parent=parent
    )


def prompt(team: Project, text: str = "Return the mean of the numbers.", *, family: str = "mean") -> Prompt:
    return Prompt.objects.create(
        project=team,
        sha256=_sha(text),
        text=text,
        signature="def mean(xs: list[int]) -> float:",
        entry="mean",
        language="en",
        family=family,
        split="train",
        task={"hidden_tests": ["assert mean([1, 3]) == 2"]},
    )


def sample(of: Prompt, by: ModelVersion, text: str = MEAN) -> Sample:
    return Sample.objects.create(prompt=of, model_version=by, text=text, sha256=_sha(text), checked_at=timezone.now())


def verdict(of: Sample, slug: str, outcome: str, *, version: str = "1", **about: Any) -> Verification:
    if outcome == "refuted":
        about.setdefault("counterexample", {"call": "mean([])", "observed": "ZeroDivisionError: division by zero"})
    return Verification.objects.create(sample=of, property=slug, outcome=outcome, verifier_version=version, **about)


def execution(of: Sample, suite: str, passed: int, total: int) -> Execution:
    status = "passed" if passed == total else "wrong"
    return Execution.objects.create(sample=of, suite=suite, environment="e", status=status, passed=passed, total=total)


def comparison(a: Sample, b: Sample) -> Comparison:
    return Comparison.objects.create(
        project=a.prompt.project, prompt=a.prompt, sample_a=a, sample_b=b, overlap=4, open_slots=4
    )


def rating(of: Comparison, by: User, preference: int | None = 1, **about: Any) -> Rating:
    now = timezone.now()
    lease = Assignment.objects.create(
        comparison=of,
        annotator=by,
        slot=of.assignments.count(),
        state="submitted",
        swapped=False,
        leased_at=now,
        expires_at=now + timedelta(minutes=30),
    )
    values: Mapping[str, Any] = {"preference": preference, "unusable": preference is None, "simulated": by.simulated}
    return Rating.objects.create(assignment=lease, comparison=of, annotator=by, **{**values, **about})


def _sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
