"""Preferences from a file: what ``aval export`` writes, and ``aval train reward`` and ``aval train dpo`` read."""

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
        unusable = bool(row.get("unusable", False))
        undecided = unusable or bool(row.get("tie", False))
        margin = 0 if undecided else row.get("margin", 1)
        if not undecided and (not isinstance(margin, int) or not 1 <= margin <= 3):
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
    # The file does not say on which side a program was shown. They take turns, so that no side seems to be favoured.
    b_is_chosen = number % 2 == 0
    return {
        "prompt_text": texts["prompt_text"],
        "signature": texts["signature"],
        "code_a": texts["rejected"] if b_is_chosen else texts["chosen"],
        "code_b": texts["chosen"] if b_is_chosen else texts["rejected"],
        "preference": margin if b_is_chosen else -margin,
        "annotator": str(row.get("annotator", "")),
        "unusable": unusable,
    }
