"""The people of the web tests, and pairs for them to rate. Plain functions, real rows through the real actions.

The owner is the project's admin, the teammate an annotator in it, the stranger has a project of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.test import Client
from django.utils import timezone

from webapp.accounts.actions import create_user
from webapp.accounts.models import User
from webapp.accounts.privacy import CONSENT_VERSION
from webapp.catalog.actions import NewSample, add_member, add_samples, create_project, import_prompts
from webapp.catalog.models import Membership, ModelVersion, Project, Prompt, Sample
from webapp.feedback.actions import create_comparisons
from webapp.feedback.models import Comparison

PASSWORD = "a-long-password-of-tests"


@dataclass(frozen=True)
class Team:
    """One project and the three people around it."""

    project: Project
    owner: User
    teammate: User
    stranger: User
    elsewhere: Project
    """The stranger's own project."""


def team(*, overlap: int = 2, agreed: bool = True) -> Team:
    """The three of them; those of the project have agreed to what is kept of them, unless told otherwise."""
    owner, teammate, stranger = person("owner"), person("teammate"), person("stranger")
    project = create_project(name="Alpha", slug="alpha", by=owner, overlap=overlap)
    add_member(project, teammate, role="annotator", by=owner)
    if agreed:
        agree(project)
    return Team(project, owner, teammate, stranger, create_project(name="Elsewhere", slug="elsewhere", by=stranger))


def agree(project: Project) -> None:
    """All members agree to what is kept of them."""
    Membership.objects.filter(project=project).update(consent_version=CONSENT_VERSION, consented_at=timezone.now())


def person(name: str, **about: Any) -> User:
    return create_user(username=name, password=PASSWORD, email=f"{name}@example.org", **about)


def signed_in(user: User) -> Client:
    """A browser in which the person is signed in."""
    client = Client()
    client.force_login(user)
    return client


def annotators(project: Project, count: int, *, by: User) -> list[User]:
    found = [person(f"annotator{number}") for number in range(count)]
    for user in found:
        add_member(project, user, role="annotator", by=by)
    agree(project)
    return found


def task(number: int = 0, **changes: Any) -> dict[str, Any]:
    """A task as training.curriculum writes it."""
    return {
        "key": f"add/en/{number}",
        "family": "add",
        "split": "train",
        "language": "en",
        "text": f"Return the sum of x and {number}.",
        "entry": f"add_{number}",
        "signature": f"def add_{number}(x: int) -> int:",
        "solutions": [{"code": f"def add_{number}(x: int) -> int:\n    return x + {number}\n", "safe": True}],
        "public_tests": [f"assert add_{number}(0) == {number}"],
        "hidden_tests": [f"assert add_{number}(1) == {number + 1}"],
        "prelude": "",
        "properties": ["zero-division"],
        "contract": None,
        "shown": 0,
        **changes,
    }


def pairs(
    project: Project, count: int, *, by: User, codes: tuple[str, str] | None = None, priority: float = 0.0
) -> list[Comparison]:
    """Pairs of samples, each of its own prompt."""
    first = Prompt.objects.filter(project=project).count()
    import_prompts(project, [task(first + number) for number in range(count)], by=by)
    model, _ = ModelVersion.objects.get_or_create(
        project=project, name="secret-model-name", kind="supervised", path="models/x", sha256="0" * 64
    )
    prompts = list(Prompt.objects.filter(project=project).order_by("pk")[first:])
    before = list(project.comparisons.values_list("pk", flat=True))
    for prompt in prompts:
        texts = codes or (f"{prompt.signature}\n    return x + 1\n", f"{prompt.signature}\n    return 1 + x\n")
        ids = add_samples(model, [NewSample(prompt.pk, text) for text in texts])
        one, two = (Sample.objects.get(pk=pk) for pk in ids)
        create_comparisons(project, [(one, two)], priority=priority)
    return list(project.comparisons.exclude(pk__in=before).order_by("pk"))


def answer(page: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
    """What a browser sends for the page's pair (the context of a response), B slightly better unless changed."""
    sent: dict[str, Any] = {
        "assignment": page["assignment"].pk,
        "submission": str(page["submission"]),
        "preference": "1",
        "left_correctness": "2",
        "right_correctness": "5",
        "rationale": "B handles zero.",
        "seconds": "12.5",
        **changes,
    }
    return {name: value for name, value in sent.items() if value is not None}
