"""Preferences from a file: what ``aval export`` writes and ``aval train reward`` reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from workers.problems import Problem


def read_preferences(path: Path) -> list[dict[str, Any]]:
    """The fields of one ``training.reward_model.Preference`` a line; a Problem names the first line that is none."""
    with path.open(encoding="utf-8") as file:
        rows = [_read_line(path, number, line) for number, line in enumerate(file, start=1) if line.strip()]
    if not rows:
        raise Problem(f"{path} holds no preferences: write some with aval export")
    return rows


def _read_line(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
        margin = row.get("margin", 1)
        if not isinstance(margin, int) or not 1 <= margin <= 3:
            raise ValueError(f"margin must be 1, 2 or 3, not {margin!r}")
        texts = {name: row[name] for name in ("prompt_text", "signature", "chosen", "rejected")}
        for name, text in texts.items():
            if not isinstance(text, str):
                raise TypeError(f"{name} must be a string")
    except json.JSONDecodeError as error:
        raise Problem(f"{path}, line {number}: not JSON ({error.msg}); mend or delete the line") from None
    except KeyError as error:
        raise Problem(f"{path}, line {number}: the field {error} is missing") from None
    except (TypeError, ValueError, AttributeError) as error:
        raise Problem(f"{path}, line {number}: not a preference ({error})") from None
    return {
        "prompt_text": texts["prompt_text"],
        "signature": texts["signature"],
        "code_a": texts["rejected"],
        "code_b": texts["chosen"],
        "preference": margin,
        "annotator": str(row.get("annotator", "")),
    }
