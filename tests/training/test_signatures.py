"""What counts as declared otherwise than by the task."""

from __future__ import annotations

import pytest

from training.evidence import VerifierReward
from training.signatures import departure

SIGNATURE = "def f(xs: list[int], i: int) -> int | None:"
CONTRACT = {"pre": None, "post": "result is None or all(x <= len(xs) for x in [result])", "allowed_exceptions": []}
BODY = "\n    return None\n"
AS_ASKED = SIGNATURE + BODY

ALIKE = (
    AS_ASKED,
    "def f(xs: list[int], i: int)->int|None:" + BODY,
    "import math\n\ndef g(n: int) -> int:\n    return math.gcd(n, 2)\n\n" + AS_ASKED,
    "def f(xs: list[int], i: int, more: int = 0) -> int | None:" + BODY,
    "def f(xs: list[int], position: int) -> int | None:" + BODY,
    SIGNATURE + "\n    x = [x for x in xs]\n    return x[0]\n",
    "def other(xs):\n    return 0\n",
    "def f(xs: list[int], i: int) -> int | None\n    return",
    "",
)
OTHERWISE = (
    ("def f(xs: list[int], i: bool) -> int | None:" + BODY, "declares i: bool, where the task has i: int", 1),
    ("\ndef f(xs: list[int], i) -> int | None:" + BODY, "declares i, where the task has i: int", 2),
    ("def f(xs: list[int], i: int) -> object:" + BODY, "declares object as its result", 1),
    ("def f(xs: list[int], i: int):" + BODY, "declares nothing as its result", 1),
    ("def f(xs: list[int], *i: int) -> int | None:" + BODY, "takes 1 arguments by position, not 2", 1),
    ("xs = []\ndef f(ys: list[int], i: int) -> int | None:" + BODY, "declares ys: list[int]", 2),
    (AS_ASKED + "def f(xs: None, i: int) -> int | None:" + BODY, "declares xs: None", 3),
    (AS_ASKED + "if True:\n    def f(xs: None, i: int) -> int | None:\n        return 1\n", "declares xs: None", 4),
    (AS_ASKED + "len = sum", "binds len", 3),
    (AS_ASKED + "def all(xs: list[bool]) -> bool:\n    return True\n", "binds all", 3),
    (AS_ASKED + "class len: pass", "binds len", 3),
    (AS_ASKED + "import math as len", "binds len", 3),
    (AS_ASKED + "from math import *", "binds *", 3),
    (AS_ASKED + "[all := any]", "binds all", 3),
    (AS_ASKED + "for len in [sum]: pass", "binds len", 3),
    (AS_ASKED + "try: pass\nexcept OSError as len: pass", "binds len", 4),
    (SIGNATURE + "\n    return None if __name__ != 'service' else xs[i]\n", "reads __name__", 2),
    (SIGNATURE + "\n    return None if __debug__ else xs[i]\n", "reads __debug__", 2),
)


@pytest.mark.parametrize("code", ALIKE)
def test_a_program_of_the_tasks_signature_departs_from_nothing(code: str) -> None:
    assert departure(code, "f", signature=SIGNATURE, contract=CONTRACT) is None


@pytest.mark.parametrize(("code", "reason", "line"), OTHERWISE)
def test_a_program_departs_where_it(code: str, reason: str, line: int) -> None:
    found = departure(code, "f", signature=SIGNATURE, contract=CONTRACT)
    assert found is not None
    assert found.reason.startswith(reason) or reason in found.reason
    assert found.line == line


def test_what_the_task_leaves_open_the_program_may_declare() -> None:
    code = "def f(xs: list[int], i: int) -> int:" + BODY
    assert departure(code, "f", signature="def f(xs, i):") is None
    assert departure(code, "f") is None
    assert departure("len = sum\n" + code, "f", signature="def f(xs, i):") is None


def test_without_a_signature_the_contracts_names_are_still_the_tasks() -> None:
    code = "xs = []\ndef f(ys: list[int]) -> int | None:" + BODY
    found = departure(code, "f", contract=CONTRACT)
    assert found is not None
    assert found.reason.startswith("binds xs")


def test_a_program_that_departs_is_unsupported_and_is_told_why() -> None:
    code = "def f(xs: list[int], i: bool) -> int:\n    return xs[i] if 0 <= i < len(xs) else 0\n"
    columns = {"entry": ["f"], "properties": [["index-error"]], "contract": [None]}
    (plain,) = VerifierReward().reports([code], **columns)
    (asked,) = VerifierReward().reports([code], signature=["def f(xs: list[int], i: int) -> int:"], **columns)
    assert plain is not None
    assert asked is not None
    assert str(plain.verdicts[0].outcome) == "proved"
    assert str(asked.verdicts[0].outcome) == "unsupported"
    assert asked.verdicts[0].line == 1
