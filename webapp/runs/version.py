"""Which version of the code is running, for the rows that must say what made them."""

from __future__ import annotations

import os
import subprocess
from functools import cache
from importlib import metadata
from pathlib import Path


@cache
def code_version() -> str:
    """The commit (``AVAL_COMMIT``, or git's answer in a checkout), else the installed version."""
    return os.environ.get("AVAL_COMMIT") or _checked_out() or _installed()


def _checked_out() -> str:
    try:
        found = subprocess.run(
            ["git", "rev-parse", "HEAD"],
            cwd=Path(__file__).resolve().parents[2],
            capture_output=True,
            text=True,
            timeout=5,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return found.stdout.strip() if found.returncode == 0 else ""


def _installed() -> str:
    try:
        return f"aval {metadata.version('aval')}"
    except metadata.PackageNotFoundError:
        return "unknown"
