"""Light imports, the same verdict every time, and no program that makes the verifier fail."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.verification.programs import REFUSALS, RUNTIME
from verification import Limits, verify
from verification.outcome import Outcome, Report
from verification.properties import DEFAULT, SECURITY
from verification.security.findings import RULES
from verification.symbolic.solver import Solver


@pytest.mark.parametrize(
    "name",
    ["verification", "verification.outcome", "verification.properties", "verification.sandbox", "verification.cli"],
)
def test_importing_the_light_parts_loads_no_solver(name: str) -> None:
    script = f"import {name}, sys; print([m for m in ('z3', 'cvc5', 'torch', 'django') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_what_the_package_offers_is_what_it_says() -> None:
    import verification

    assert all(getattr(verification, name) is not None for name in verification.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = verification.nothing


def plain(report: Report) -> str:
    """A report without its times."""
    data = report.to_json()
    for part in (data, *data["verdicts"]):
        part.pop("cpu_seconds")
    return json.dumps(data, sort_keys=True)


def test_a_second_run_says_the_same_whatever_ran_between() -> None:
    sources = [source for source, _, _ in RUNTIME[::6]]
    first = [plain(verify(source, entry="f", certify=True)) for source in sources]
    second = [plain(verify(source, entry="f", certify=True)) for source in reversed(sources)]
    assert first == second[::-1]


def test_no_question_hangs_on_what_was_asked_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """Z3 goes by the order in which terms were made: each answer takes the same work, to the last unit."""
    log: list[tuple[str, int]] = []
    ask = Solver._ask

    def listen(solver: Solver, *arguments: Any) -> Any:
        found = ask(solver, *arguments)
        log.append((found[0], solver.room.spent))
        return found

    def asked(source: str) -> list[tuple[str, int]]:
        log.clear()
        verify(source, entry="f")
        return log.copy()

    monkeypatch.setattr(Solver, "_ask", listen)
    sources = [source for source, _, _ in RUNTIME[::6]]
    first = list(map(asked, sources))
    assert sum(map(len, first)) > len(sources)
    assert first == list(map(asked, reversed(sources)))[::-1]


SNIPPETS = st.sampled_from([source for source, *_ in RUNTIME] + [source for source, *_ in REFUSALS])


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(SNIPPETS, st.data())
def test_damaged_programs_are_verdicts(source: str, data: st.DataObject) -> None:
    """Cut, doubled or with foreign text in the middle: never an exception of ours."""
    at = data.draw(st.integers(0, len(source)))
    kind = data.draw(st.sampled_from(["cut", "double", "insert"]))
    pieces = {"cut": source[:at], "double": source[:at] + source[at // 2 :]}
    inserted = data.draw(
        st.sampled_from(["\0", "(", "    ", "\t", "lambda: ", "not ", "*", "é", "await ", "yield ", "; x = 1; "])
    )
    damaged = pieces.get(kind, source[:at] + inserted + source[at:])
    report = verify(damaged, properties=(*DEFAULT, *RULES), limits=Limits(steps=2_000, total_rlimit=50_000))
    assert len(report.verdicts) == len(DEFAULT) + len(RULES)


@pytest.mark.parametrize(
    "source",
    [
        "def f(a: int) -> int:\n" + "".join(f"    x{i} = a + {i}\n" for i in range(3_000)) + "    return a\n",
        "def f(a: int) -> int:\n    while a:\n        a = a * a + 1\n    return a\n",
        "def f(a: int, b: int) -> int:\n    while a != b:\n        a, b = b % (a + 1), a * b\n    return a\n",
        "def f(a: int) -> int:\n    return f(a + 1) + f(a - 1)\n",
        "def f(xs: list[int]) -> int:\n    for i in xs:\n        for j in xs:\n            for k in xs:\n                if i * j * k == 7:\n                    return 1\n    return 0\n",
        "def f(s: str, t: str) -> bool:\n    while s + t != t + s:\n        s = s + t[1:]\n    return s in t\n",
        "def f(a: int) -> int:\n    x = 3\n    for i in range(40):\n        x = x * x\n    return x\n",
        "def f(a: int) -> list:\n    return [0] * 10 ** 12\n",
        "def f(a: int) -> str:\n    return 'x' * 10 ** 12\n",
        "def f(a: int) -> int:\n    return " + " + ".join(["a"] * 55) + "\n",
        "def f(a: bool) -> int:\n"
        + "".join(f"    if a == {i}:\n        a += 1\n" for i in range(200))
        + "    return 1\n",
        "f = 3\n\ndef f(a: int) -> int:\n    return 1\n\nf = 4\n",
        "import sys\nsys.exit(3)\n\ndef f(a: int) -> int:\n    return 1\n",
        "def f(a: int) -> int:\n    raise SystemExit\n",
        "def f(a: int) -> int:\n    import os\n    os._exit(3)\n",
    ],
    ids=range(15),
)
def test_hostile_programs_end_in_a_verdict_soon(source: str) -> None:
    started = time.process_time()
    report = verify(source, entry="f", properties=(*DEFAULT, *SECURITY))
    assert report.outcome in set(Outcome)
    assert time.process_time() - started < 20  # generous: a bound on work, not on this machine's speed


def test_an_unused_budget_changes_nothing() -> None:
    for source, slug, expected in RUNTIME[:8]:
        (verdict,) = verify(source, entry="f", properties=[slug], limits=Limits(steps=50_000, paths=1_000)).verdicts
        assert verdict.outcome is expected
