"""The commands: exit codes, what a reader sees, what a machine reads, and one clear line for each mistake."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from verification.cli import certify_main, verify_main

UNSAFE = "def mean(xs: list[int]) -> float:\n    return sum(xs) / len(xs)\n"
SAFE = "def safe(a: int, b: int) -> int:\n    return a // b if b else 0\n"


@pytest.fixture
def unsafe(tmp_path: Path) -> str:
    path = tmp_path / "mean.py"
    path.write_text(UNSAFE)
    return str(path)


@pytest.fixture
def safe(tmp_path: Path) -> str:
    path = tmp_path / "safe.py"
    path.write_text(SAFE)
    return str(path)


def test_a_refuted_program_exits_with_1_and_shows_line_and_call(
    unsafe: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert verify_main([unsafe, "--property", "zero-division"]) == 1
    shown = capsys.readouterr().out
    assert "REFUTED     zero-division: broken: the call below was run and failed" in shown
    assert "line 2:     return sum(xs) / len(xs)\n                  ^" in shown
    assert "call: mean([])\n      result: ZeroDivisionError: division by zero" in shown


def test_the_same_in_spanish(unsafe: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert verify_main([unsafe, "--property", "zero-division", "--language", "es"]) == 1
    assert "REFUTADO    zero-division: no se cumple" in capsys.readouterr().out


def test_a_safe_program_exits_with_0_and_states_assumptions(safe: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert verify_main([safe]) == 0
    shown = capsys.readouterr().out
    assert "PROVED      zero-division: holds for every input" in shown
    assert "assuming:\n  - arguments are exactly of their annotated types" in shown


def test_json_holds_the_report(unsafe: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert verify_main([unsafe, "--json", "--property", "zero-division"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert (report["entry"], report["outcome"]) == ("mean", "refuted")
    assert report["verdicts"][0]["counterexample"]["call"] == "mean([])"


def test_a_contract_from_the_command_line(safe: str) -> None:
    assert verify_main([safe, "--pre", "a >= 0 and b > 0", "--post", "0 <= result <= a"]) == 0
    assert verify_main([safe, "--post", "result >= 0"]) == 1


def test_certificates_are_written_and_rechecked(safe: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "certificates"
    assert verify_main([safe, "--certificates", str(folder)]) == 0
    assert certify_main([str(folder)]) == 0
    shown = capsys.readouterr()
    assert "confirmed: safe.zero-division.json (zero-division)" in shown.out
    assert "certificates confirmed by cvc5" in shown.err
    stored = folder / "safe.zero-division.json"
    stored.write_text(stored.read_text().replace("(= b 0)", "(= b 1)"))
    assert certify_main([str(folder)]) == 1


def test_rows_in_rows_out_the_same_with_two_jobs(tmp_path: Path) -> None:
    rows = [
        {"id": "unsafe", "code": UNSAFE, "entry": "mean", "properties": ["zero-division"]},
        {"id": "safe", "code": SAFE, "entry": "safe", "pre": "b > 0", "post": "result <= a or a < 0"},
        {"id": "broken", "code": "def f(:\n", "entry": "f"},
    ]
    given = tmp_path / "in.jsonl"
    given.write_text("\n".join(map(json.dumps, rows)) + "\n\n")
    outcomes = []
    for jobs in ("1", "2"):
        out = tmp_path / f"out{jobs}.jsonl"
        assert verify_main(["--jsonl", str(given), "--out", str(out), "--jobs", jobs]) == 1
        read = [json.loads(line) for line in out.read_text().splitlines()]
        assert [set(row) for row in read] == [{"id", "outcome", "verdicts", "cpu_seconds"}] * 3
        outcomes.append([(row["id"], row["outcome"], [v["reason"] for v in row["verdicts"]]) for row in read])
    assert outcomes[0] == outcomes[1]
    assert [(row[0], row[1]) for row in outcomes[0]] == [
        ("unsafe", "refuted"),
        ("safe", "proved"),
        ("broken", "unsupported"),
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give a FILE.py, or --jsonl IN with --out OUT"),
        (["no-such-file.py"], "cannot read no-such-file.py: No such file or directory"),
        (["{safe}", "--property", "speed"], "unknown property 'speed': choose from zero-division"),
        (["{safe}", "--pre", "b !="], "is not a Python expression"),
        (["{safe}", "--allow", "Nothing"], "'Nothing' is not a builtin exception"),
        (["{safe}", "--unroll", "0"], "limit unroll is 0"),
        (["--jsonl", "{safe}"], "--jsonl needs --out OUT"),
        (["--jsonl", "{safe}", "--out", "x.jsonl", "--jobs", "0"], "--jobs is 0"),
        (["--jsonl", "{safe}", "--out", "x.jsonl"], "safe.py, line 1: not a row"),
    ],
)
def test_a_mistake_is_one_clear_line_and_exit_2(
    arguments: list[str], message: str, safe: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert verify_main([part.format(safe=safe) for part in arguments]) == 2
    shown = capsys.readouterr().err
    assert message in shown
    assert shown.startswith("aval: ")
    assert shown.count("\n") == 1


def test_a_folder_without_certificates_is_a_mistake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert certify_main([str(tmp_path)]) == 2
    assert "holds no certificates" in capsys.readouterr().err
