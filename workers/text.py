"""What PostgreSQL can't store: NUL characters, and half of a surrogate pair. Generated code may hold either."""

from __future__ import annotations

from typing import Any


def storable(value: Any) -> Any:
    """The text, or the JSON value with every text in it, with U+FFFD for what can't be stored."""
    if isinstance(value, str):
        return value.replace("\0", "\ufffd").encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {storable(key): storable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [storable(item) for item in value]
    return value
