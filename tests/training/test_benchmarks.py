"""Files in MBPP's and HumanEval's formats become tasks whose references pass in the sandbox."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from training.curriculum import TaskFileError
from training.curriculum.selfcheck import self_check
from training.data.benchmarks import read_humaneval, read_mbpp

MBPP = {
    "task_id": 7,
    "prompt": "Write a function to halve a number.",
    "code": "import math\r\ndef half(x, by=2):\r\n  return x / by",
    "test_imports": ["import math"],
    "test_list": ["assert math.isclose(half(3), 1.5)", "assert half(4) == 2"],
}
HUMANEVAL = {
    "task_id": "python/3",
    "prompt": (
        "from typing import List\n\n\ndef helper(x):\n    return x + 1\n\n\n"
        'def last(xs: List[int]) -> int:\n    """ El último de xs, más uno.\n    >>> last([1])\n    2\n    """\n'
    ),
    "entry_point": "last",
    "test": "def check(candidate):\n    assert candidate([1, 2]) == 3\n",
    "canonical_solution": "    return helper(xs[-1])\n",
}


def test_a_row_of_mbpp_is_a_task(tmp_path: Path) -> None:
    (tmp_path / "sanitized.json").write_text(json.dumps([MBPP]))
    (task,) = read_mbpp(tmp_path / "sanitized.json")
    assert (task.entry, task.signature) == ("half", "def half(x, by=2):")
    assert task.public_tests == ("assert math.isclose(half(3), 1.5)",)
    assert task.hidden_tests == ("assert half(4) == 2",)
    assert self_check([task]) == []
    older = {"text": MBPP["prompt"], "test_setup_code": "import math"}
    (tmp_path / "mbpp.jsonl").write_text(json.dumps({**{k: v for k, v in MBPP.items() if k != "prompt"}, **older}))
    assert read_mbpp(tmp_path / "mbpp.jsonl")[0].text == task.text


def test_a_row_of_humaneval_is_a_task(tmp_path: Path) -> None:
    (tmp_path / "xl.jsonl.gz").write_bytes(gzip.compress((json.dumps(HUMANEVAL) + "\n\n").encode()))
    (task,) = read_humaneval(tmp_path / "xl.jsonl.gz", language="es")
    assert (task.entry, task.signature) == ("last", "def last(xs: List[int]) -> int:")
    assert task.text.startswith("El último de xs")
    assert task.language == "es"
    assert "def helper" in task.prelude
    assert "def last" not in task.prelude
    assert self_check([task]) == []


def test_a_description_after_an_import_is_found(tmp_path: Path) -> None:
    prompt = 'def last(xs):\n    import math\n    """\n    The last,\n      floored.\n    """\n'
    (tmp_path / "rows.jsonl").write_text(json.dumps({**HUMANEVAL, "prompt": prompt}))
    assert read_humaneval(tmp_path / "rows.jsonl")[0].text == "The last,\n  floored."


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"test_list": []}, "row 1: not a task .*'test_list' is empty"),
        ({"test_list": ["assert other(1)"]}, "row 1: not a task .*calls no function that the code defines"),
        ({"code": "def half(:"}, "row 1: the code is not Python"),
        ({"prompt": " "}, "row 1: not a task .*no description"),
        ({"code": None}, "row 1: not a task"),
    ],
)
def test_a_bad_row_is_named(tmp_path: Path, change: dict[str, object], message: str) -> None:
    (tmp_path / "mbpp.json").write_text(json.dumps([{**MBPP, **change}]))
    with pytest.raises(TaskFileError, match=message) as caught:
        read_mbpp(tmp_path / "mbpp.json")
    assert "\n" not in str(caught.value)


def test_a_missing_field_and_a_broken_line_are_named(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({k: v for k, v in HUMANEVAL.items() if k != "test"}))
    with pytest.raises(TaskFileError, match="row 1: the field 'test' is missing"):
        read_humaneval(path)
    path.write_text(json.dumps(HUMANEVAL) + "\n{")
    with pytest.raises(TaskFileError, match="row 2: not JSON"):
        read_humaneval(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(TaskFileError, match="can't be read as text"):
        read_humaneval(path)
