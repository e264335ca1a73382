"""The guideline that a new project starts with, in each language; projects keep their own versions of it."""

from __future__ import annotations

from pathlib import Path

_FOLDER = Path(__file__).resolve().parent / "guidelines"


def default_guideline() -> dict[str, str]:
    """Its text by language."""
    return {file.stem: file.read_text(encoding="utf-8") for file in sorted(_FOLDER.glob("*.txt"))}
