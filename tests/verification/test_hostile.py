"""Programs made to eat the verifier: each ends in a verdict or in one clear line, and in bounded time and memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from verification.outcome import Outcome
from verification.worker import Guard

MOST_CPU_SECONDS = 3 * Guard().cpu_seconds
"""Of the command, with two interpreters' start; generous, since a busy machine's caches are cold."""

MOST_MEGABYTES = 500
_COMMAND = "import sys; from verification.cli import verify_main; sys.exit(verify_main(sys.argv[1:]))"
_ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Ended:
    """How a command ended, and what it and its workers used at most."""

    status: int
    output: str
    errors: str
    cpu_seconds: float
    megabytes: float


_MEASURED = """
import json, os, sys
process = os.posix_spawn(sys.argv[2], sys.argv[2:], os.environ)
_, status, used = os.wait4(process, 0)
figures = [os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime, used.ru_maxrss]
with open(sys.argv[1], "w") as file:
    json.dump(figures, file)
"""
"""Runs a command from a small process: the kernel counts what its parent held at the start as the command's own."""


def verify(*arguments: str, folder: Path) -> Ended:
    """`aval verify` in a process of its own."""
    with (folder / "out").open("w+b") as out, (folder / "err").open("w+b") as errors:
        subprocess.run(
            [sys.executable, "-c", _MEASURED, str(folder / "used"), sys.executable, "-c", _COMMAND, *arguments],
            stdout=out,
            stderr=errors,
            cwd=_ROOT,
            env={**os.environ, "AVAL_CACHE": str(folder / "cache")},
            check=True,
        )
    printed, told = ((folder / name).read_text(encoding="utf-8") for name in ("out", "err"))
    status, seconds, kilobytes = json.loads((folder / "used").read_text())
    return Ended(status, printed, told, seconds, kilobytes / 1024)


def function(body: str) -> str:
    return f"def f(a: int) -> int:\n    {body}\n"


HOSTILE: dict[str, str] = {
    "a function of a megabyte": "def f(a: int) -> int:\n" + "    a = a + 1\n" * 75_000 + "    return a\n",
    "a megabyte of wide characters": "#" + "日" * 350_000 + "\n" + function("return a"),
    "10,000 nested parentheses": function("return " + "(" * 10_000 + "a" + ")" * 10_000),
    "parentheses that never close": function("return " + "(" * 190),
    "5,000 signs": function("return " + "-" * 5_000 + "a"),
    "45,000 attributes": function("return a" + ".b" * 45_000),
    "18,000 operands of or": function("return a" + " or a" * 18_000),
    "a chain of 45,000 comparisons": function("return a" + " < a" * 24_000),
    "a literal of 4,301 digits": function("return a + " + "1" * 4_301),
    "a literal of 90,000 hexadecimal digits": function("return a + 0x" + "f" * 90_000),
    "a docstring of 40,000 openings": 'def f(a):\n    """' + "f(" * 40_000 + '"""\n    return a\n',
    "a null byte": function("return a\0"),
    "mixed tabs": "def f(a: int) -> int:\n\treturn 1\n        return 2\n",
    "a lone surrogate": function("return len('\ud800')"),
    "half a character escaped": "def f(s: str) -> str:\n    assert s != '\\ud800'\n    return s\n",
    "a list of 100,000 elements": function("return len([" + "0," * 100_000 + "])"),
    "a list of 49,000 elements": function("return len([" + "0," * 49_000 + "])"),
    "5,000 ifs one after another": function("a = a" + "\n    if a: a+=1" * 5_000 + "\n    return a"),
    "20,000 statements on a line": function("a=1;" * 20_000 + "return a"),
    "500 parameters": "def f(" + ", ".join(f"p{i}: int" for i in range(500)) + ") -> int:\n    return p0 // p499\n",
    "500 parameters of two types": "def f("
    + ", ".join(f"p{i}: int | None" for i in range(500))
    + ") -> int:\n    return 0\n",
    "nested unions": "from typing import Optional, Union\n\ndef f(a: "
    + "Union[int, Optional[" * 12
    + "str"
    + "]]" * 12
    + ") -> int:\n    return 1\n",
    "an annotation of 5,000 brackets": "def f(a: '"
    + "list[" * 5_000
    + "int"
    + "]" * 5_000
    + "') -> int:\n    return 1\n",
    "text doubled 60 times": function("s = 'x'" + "\n    s = s + s" * 60 + "\n    return len(s)"),
    "a list doubled in a loop": function("s = [1]\n    for i in range(60):\n        s = s + s\n    return len(s)"),
    "text doubled as the module loads": "s = 'x'\n" + "s = s + s\n" * 60 + function("return len(s)"),
    "a number squared 60 times": function("for i in range(60):\n        a = a * a\n    return 1 // a"),
    "powers of powers": function("return 9 ** 9 ** 9 + a"),
    "a call of itself in a default": function("return a").replace("a: int", "a: int = 1") + "\n"
    "def g(a: int, b: int = f(f(1))) -> int:\n    def h(c=g(a)):\n        return c\n    return h()\n",
    "an endless loop as the module loads": "while True:\n    pass\n\n" + function("return a"),
    "a billion elements": function("return len([0] * 10 ** 9) + len('x' * 10 ** 12)"),
}


@pytest.mark.parametrize("source", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_program_ends_in_a_verdict_or_a_clear_line(source: str, tmp_path: Path) -> None:
    path = tmp_path / "hostile.py"
    path.write_text(source, encoding="utf-8", errors="surrogatepass")
    ended = verify(str(path), "--json", folder=tmp_path)
    assert ended.megabytes < MOST_MEGABYTES
    assert ended.cpu_seconds < MOST_CPU_SECONDS
    if ended.status == 2:
        assert ended.errors == f"aval: cannot read {path}: it is not UTF-8 text\n"
        return
    assert ended.errors == ""
    report = json.loads(ended.output)
    assert report["outcome"] in set(Outcome)
    assert ended.status == (1 if report["outcome"] == "refuted" else 0)


def test_the_terminal_report_of_a_hostile_program_is_short(tmp_path: Path) -> None:
    path = tmp_path / "hostile.py"
    path.write_text(HOSTILE["an annotation of 5,000 brackets"])
    ended = verify(str(path), folder=tmp_path)
    assert len(ended.output) < 5_000
    assert ended.status == 0


def test_hostile_rows_do_not_lose_the_others(tmp_path: Path) -> None:
    names = ("text doubled as the module loads", "a lone surrogate", "500 parameters of two types", "a null byte")
    fine = function("return a // 2")
    rows = [{"id": name, "code": HOSTILE[name], "entry": "f"} for name in names]
    mixed = [row for pair in rows for row in (pair, {"id": "fine", "code": fine})]
    given, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    given.write_text("".join(json.dumps(row) + "\n" for row in mixed))
    ended = verify("--jsonl", str(given), "--out", str(out), "--jobs", "2", folder=tmp_path)
    assert (ended.status, ended.errors) == (0, "")
    assert ended.megabytes < MOST_MEGABYTES
    answered = [json.loads(line) for line in out.read_text().splitlines()]
    assert [row["id"] for row in answered] == [row["id"] for row in mixed]
    assert {row["outcome"] for row in answered if row["id"] == "fine"} == {"proved"}


@pytest.mark.parametrize(
    "line", [b"[" * 1_000_000, b'{"code": "' + b"x" * 1_000_000, b"\xff" * 1000, b'{"code": "x", "id": {"a": {}}}']
)
def test_a_hostile_line_is_one_clear_line(line: bytes, tmp_path: Path) -> None:
    given = tmp_path / "in.jsonl"
    given.write_bytes(b"\n\n" + line + b"\n")
    ended = verify("--jsonl", str(given), "--out", str(tmp_path / "out.jsonl"), folder=tmp_path)
    assert ended.status == 2
    assert ended.errors.startswith(f"aval: {given}, line 3: not a row (")
    assert ended.errors.count("\n") == 1
    assert len(ended.errors) < 300 + len(str(given))
    assert ended.megabytes < MOST_MEGABYTES
