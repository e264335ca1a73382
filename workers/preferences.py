"""Preferences from a snapshot's rows, and from a file: what ``aval export`` writes and ``aval train`` reads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from training.preferences import SCALE_NAMES, Preference
from training.reliability import Gold
from workers.problems import Problem


def preference_of(row: Mapping[str, Any]) -> Preference:
    """A snapshot's row; older ones hold neither scales nor gold answers."""
    gold = row.get("gold")
    return Preference(
        prompt_text=row["prompt_text"],
        signature=row["signature"],
        code_a=row["code_a"],
        code_b=row["code_b"],
        preference=row["preference"] or 0,
        annotator=row["annotator"],
        unusable=row["unusable"],
        scales_a=row.get("scales_a") or {},
        scales_b=row.get("scales_b") or {},
        gold=None if gold is None else Gold(gold["lowest"], gold["highest"]),
    )


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
        scales = [_scales(row, side) for side in ("chosen", "rejected")]
    except json.JSONDecodeError as error:
        raise Problem(f"{path}, line {number}: not JSON ({error.msg}); mend or delete the line") from None
    except KeyError as error:
        raise Problem(f"{path}, line {number}: the field {error} is missing") from None
    except (TypeError, ValueError, AttributeError) as error:
        raise Problem(f"{path}, line {number}: not a preference ({error})") from None
    # The file does not say on which side a program was shown. They take turns, so that no side seems to be favoured.
    b_is_chosen = number % 2 == 0
    scales_a, scales_b = reversed(scales) if b_is_chosen else scales
    return {
        "prompt_text": texts["prompt_text"],
        "signature": texts["signature"],
        "code_a": texts["rejected"] if b_is_chosen else texts["chosen"],
        "code_b": texts["chosen"] if b_is_chosen else texts["rejected"],
        "preference": margin if b_is_chosen else -margin,
        "annotator": str(row.get("annotator", "")),
        "unusable": unusable,
        "scales_a": scales_a,
        "scales_b": scales_b,
    }


def _scales(row: Mapping[str, Any], side: str) -> dict[str, float]:
    """The file's marks from 1 to 5 for the ``chosen`` or the ``rejected`` program, where it has any."""
    given = row.get(f"scales_{side}") or {}
    found = {name: given[name] for name in SCALE_NAMES if given.get(name) is not None}
    for name, value in found.items():
        if not isinstance(value, int | float) or not 1 <= value <= 5:
            raise ValueError(f"{name} must be a number from 1 to 5, not {value!r}")
    return found
