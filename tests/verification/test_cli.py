"""The commands: exit codes, what a reader sees, what a machine reads, and one clear line for each mistake."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import pytest

from verification.cli import certify_main, verify_main
from verification.worker import NoSandbox

UNSAFE = "def mean(xs: list[int]) -> float:\n    return sum(xs) / len(xs)\n"
SAFE = "def safe(a: int, b: int) -> int:\n    return a // b if b else 0\n"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Reports are kept here, not in the user's own folder."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("AVAL_CACHE", str(folder))
    return folder


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
    assert "REFUTED      zero-division: never divides by zero (CWE-369)" in shown
    assert "2 |     return sum(xs) / len(xs)\n                 |            ^^^^^^^^^^^^^^^^^" in shown
    assert "call    mean([])\n               result  ZeroDivisionError: division by zero" in shown
    assert "\x1b" not in shown


def test_the_same_in_spanish(unsafe: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert verify_main([unsafe, "--property", "zero-division", "--language", "es"]) == 1
    assert "REFUTADO     zero-division: nunca divide por cero" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("variable", "value", "coloured"), [("NO_COLOR", "", True), ("NO_COLOR", "1", False), ("TERM", "dumb", False)]
)
def test_a_terminal_is_shown_colours_unless_it_wants_none(
    variable: str, value: str, coloured: bool, safe: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, default in (("NO_COLOR", ""), ("TERM", "xterm")):
        monkeypatch.setenv(name, default)
    monkeypatch.setenv(variable, value)
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("sys.stdout", terminal)
    assert verify_main([safe, "--property", "zero-division"]) == 0
    assert ("\x1b[" in terminal.getvalue()) is coloured


def test_a_safe_program_exits_with_0_and_states_assumptions(safe: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert verify_main([safe]) == 0
    shown = capsys.readouterr().out
    assert "PROVED       zero-division" in shown
    assert "Assumptions:\n  - arguments are exactly of their annotated types" in shown
    assert f"{safe}: PROVED. 9 properties: " in shown


def test_standard_input_and_a_byte_order_mark(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    marked = tmp_path / "marked.py"
    marked.write_bytes(b"\xef\xbb\xbf" + SAFE.encode())
    assert verify_main([str(marked), "--property", "zero-division"]) == 0
    with marked.open() as standard_input:
        monkeypatch.setattr("sys.stdin", standard_input)
        assert verify_main(["-", "--property", "zero-division"]) == 0
    assert "<stdin>: PROVED. 1 property: 1 proved." in capsys.readouterr().out


def test_text_that_standard_output_cannot_encode_is_escaped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "f.py"
    path.write_text("def f(s: str) -> str:\n    assert s != '\\ud800ñ'\n    return s\n", encoding="utf-8")
    output = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr("sys.stdout", output)
    assert verify_main([str(path), "--property", "assertion", "--json"]) in (0, 1)
    output.flush()
    assert json.loads(output.buffer.getvalue())["entry"] == "f"


def test_json_holds_the_report(unsafe: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert verify_main([unsafe, "--json", "--property", "zero-division"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert (report["entry"], report["outcome"]) == ("mean", "refuted")
    assert report["verdicts"][0]["counterexample"]["call"] == "mean([])"


def test_sarif_holds_what_is_refuted_and_notes_if_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "f.py"
    path.write_text("def f(a: int, b: int) -> int:\n    return hash(str(a)) + 1 // b\n")
    assert verify_main([str(path), "--sarif"]) == 1
    (run,) = json.loads(capsys.readouterr().out)["runs"]
    assert [(result["ruleId"], result["level"]) for result in run["results"]] == [("zero-division", "error")]
    assert run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == path.as_uri()
    assert verify_main([str(path), "--sarif", "--undecided"]) == 1
    (run,) = json.loads(capsys.readouterr().out)["runs"]
    assert {result["level"] for result in run["results"]} == {"error", "note"}


def test_a_report_is_kept_and_shown_again_unless_told_not_to(
    unsafe: str, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert verify_main([unsafe, "--no-cache"]) == 1
    assert not cache.exists()
    assert verify_main([unsafe]) == 1
    assert list(cache.rglob("*.json"))
    assert verify_main([unsafe]) == 1
    first, second, third = (re.sub(r"\d+ ms", "", part) for part in _reports(capsys.readouterr().out))
    assert first == second == third


def _reports(text: str) -> list[str]:
    return [part + " of CPU." for part in text.split(" of CPU.\n")[:-1]]


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
    forged = json.loads(stored.read_text())
    forged["obligations"][0] = "(set-logic ALL)\n(declare-fun b () Int)\n(assert (= b 1))\n(check-sat)\n"
    stored.write_text(json.dumps(forged))
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
        (["--jsonl", "{safe}", "--out", "x.jsonl"], "safe.py, line 1: not a row (not JSON: Expecting value"),
        (["--jsonl", "{rows}", "--out", "{rows}"], "is the input itself"),
        (["--jsonl", "{rows}", "--out", "/no/such/folder/x"], "cannot write /no/such/folder/x: No such file"),
        (["/"], "cannot read /: Is a directory"),
        (["{latin}"], "latin.py: it is not UTF-8 text"),
    ],
)
def test_a_mistake_is_one_clear_line_and_exit_2(
    arguments: list[str], message: str, safe: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = {"safe": safe, "rows": str(tmp_path / "rows.jsonl"), "latin": str(tmp_path / "latin.py")}
    Path(paths["rows"]).write_text(json.dumps({"code": SAFE}))
    Path(paths["latin"]).write_bytes("# señal\n".encode("latin-1"))
    assert verify_main([part.format(**paths) for part in arguments]) == 2
    assert json.loads(Path(paths["rows"]).read_text()) == {"code": SAFE}
    assert not Path("x.jsonl").exists()
    shown = capsys.readouterr().err
    assert message in shown
    assert shown.startswith("aval: ")
    assert shown.count("\n") == 1


def test_a_bad_row_leaves_nothing_half_done(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    given.write_text(json.dumps({"code": SAFE}) + "\n{}\n")
    out.write_text("kept")
    assert verify_main(["--jsonl", str(given), "--out", str(out)]) == 2
    assert capsys.readouterr().err == f"aval: {given}, line 2: not a row (no text under `code`)\n"
    assert out.read_text() == "kept"


def test_rows_with_odd_ids_come_back_and_their_certificates_stay_in_the_folder(tmp_path: Path) -> None:
    given, out, folder = tmp_path / "in.jsonl", tmp_path / "out.jsonl", tmp_path / "certificates"
    row = {"id": "../ñ\ud800/x", "code": SAFE, "properties": ["zero-division"]}
    given.write_text(json.dumps(row))
    assert verify_main(["--jsonl", str(given), "--out", str(out), "--certificates", str(folder)]) == 0
    (line,) = out.read_text(encoding="utf-8").splitlines()
    answered = json.loads(line)
    assert answered["id"] == row["id"]
    assert answered["verdicts"][0]["certificate"]["property"] == "zero-division"
    assert [path.name for path in folder.iterdir()] == ["_ñ__x.zero-division.json"]


def test_no_sandbox_is_told_in_one_line(
    safe: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*arguments: object, **options: object) -> object:
        raise NoSandbox("seccomp is missing")

    monkeypatch.setattr("verification.cli.verify_all", fail)
    assert verify_main([safe]) == 2
    assert capsys.readouterr().err == "aval: seccomp is missing\n"


def test_a_folder_without_certificates_is_a_mistake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert certify_main([str(tmp_path)]) == 2
    assert "holds no certificates" in capsys.readouterr().err
