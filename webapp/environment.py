"""Reading the environment: secrets may come as NAME or as NAME_FILE, and a missing one says so."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit


class EnvironmentProblem(Exception):
    """A variable is missing or can't be used; the message names it and says what to set."""


def secret(name: str, default: str | None = None) -> str:
    """The value of NAME, or the contents of the file that NAME_FILE names."""
    if value := os.environ.get(name):
        return value
    if path := os.environ.get(f"{name}_FILE"):
        try:
            return Path(path).read_text().strip()
        except OSError as error:
            raise EnvironmentProblem(f"{name}_FILE names {path}, which can't be read: {error.strerror}") from error
    if default is None:
        raise EnvironmentProblem(f"set {name}, or {name}_FILE to a file that holds it")
    return default


IDLE_SECONDS = 20
"""After so long the database ends a transaction in which nothing happens: a process that was stopped in the middle of
one (a suspended machine) would otherwise keep its locks, and nobody could take over what it leased."""


PREPARED_FROM = 2
"""How often a statement of webapp.prepared is asked on a kept connection before the server keeps its plan."""


def database(url: str, *, kept: bool = False) -> dict[str, Any]:
    """Django's settings for a postgresql:// URL; a socket folder may be given as ?host=/folder.

    ``kept``: each thread keeps its connection for its next request, and looks whether it is alive before that. A pooler
    between them must know prepared statements, or be kept from them by ``?prepare_threshold=none``.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"postgresql", "postgres"}:
        raise EnvironmentProblem(f"DATABASE_URL must begin with postgresql://, not {parts.scheme or 'nothing'}://")
    options: dict[str, Any] = dict(parse_qsl(parts.query))
    host = options.pop("host", None) or unquote(parts.hostname or "")
    port = options.pop("port", None) or (str(parts.port) if parts.port else "")
    options.setdefault("options", f"-c idle_in_transaction_session_timeout={IDLE_SECONDS}s")
    threshold = options.pop("prepare_threshold", str(PREPARED_FROM) if kept else "none")
    if threshold != "none":
        if not threshold.isdecimal():
            raise EnvironmentProblem(f"DATABASE_URL's prepare_threshold is a number or none, not {threshold}")
        options["prepare_threshold"] = int(threshold)
    return {
        "ENGINE": "webapp.database",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": host,
        "PORT": port,
        "CONN_MAX_AGE": None if kept else 0,
        "CONN_HEALTH_CHECKS": kept,
        "OPTIONS": options,
    }


def flag(name: str, default: bool = False) -> bool:
    return os.environ.get(name, str(default)).strip().lower() in {"1", "true", "yes", "on"}
