"""Rows that the tests of the workers start from."""

from __future__ import annotations

from typing import Any

from webapp.accounts.models import User
from webapp.catalog.models import ModelVersion, Project, Prompt, Sample
from webapp.runs.models import Run

TASK: dict[str, Any] = {
    "key": "halve",
    "family": "halve",
    "split": "train",
    "language": "en",
    "text": "Return half of n, rounded down.",
    "entry": "halve",
    "signature": "def halve(n: int) -> int:",
    "solutions": [{"code": "def halve(n: int) -> int:\n    return n // 2", "safe": True}],
    "public_tests": ["assert halve(4) == 2"],
    "hidden_tests": ["assert halve(-3) == -2"],
    "prelude": "",
    "properties": ["zero-division"],
    "contract": None,
}


def person(name: str = "owner") -> User:
    return User.objects.create_user(name, pseudonym=name)


def project(slug: str = "halves") -> Project:
    return Project.objects.create(slug=slug, name=slug)


def queued_run(**changes: Any) -> Run:
    """A run that waits for a worker, in a project of its own."""
    number = Run.objects.count()
    values = {
        "project": project(f"project-{number}"),
        "kind": Run.Kind.SFT,
        "created_by": person(f"engineer-{number}"),
    }
    return Run.objects.create(**{**values, **changes})


def sample(text: str, *, of: Project | None = None, **changes: Any) -> Sample:
    """A completion of the one prompt by a model that needs not exist on disk."""
    of = of or project()
    prompt, _ = Prompt.objects.get_or_create(
        project=of,
        sha256="0" * 64,
        defaults={name: TASK[name] for name in ("text", "signature", "entry", "language", "family", "split")}
        | {"task": TASK},
    )
    model, _ = ModelVersion.objects.get_or_create(
        project=of,
        name="model",
        defaults={"kind": ModelVersion.Kind.SUPERVISED, "path": "/nowhere", "sha256": "0" * 64},
    )
    return Sample.objects.create(
        prompt=prompt, model_version=model, text=text, sha256=f"{hash(text) & (1 << 64) - 1:064x}", **changes
    )
