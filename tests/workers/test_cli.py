"""The command line: what a user can mend is told in one line, with exit code 2."""

from __future__ import annotations

import ast
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from workers.commands import main

ROOT = Path(__file__).resolve().parents[2]
CLI = [sys.executable, "-m", "workers.cli"]


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line that a refused command says."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "exit", _exit)
        try:
            code = main(arguments)
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 1
    output = capsys.readouterr()
    assert code == 2, output
    lines = output.err.strip().splitlines()
    assert len(lines) == 1, lines
    return lines[0]


def _exit(code: int) -> None:
    raise SystemExit(code)


def at_home(home: Path) -> dict[str, str]:
    """The environment of a command that keeps all its state in this folder, the database too."""
    clean = {name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "BROKER_URL"}}
    return {**clean, "AVAL_HOME": str(home)}


def aval(*arguments: str, home: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*CLI, *arguments],
        cwd=ROOT,
        env={**at_home(home), **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_command_line_starts_without_django_torch_or_a_solver() -> None:
    script = (
        "import sys; from workers.commands import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "print(sorted({'django', 'torch', 'z3', 'celery', 'rich', 'psycopg'} & sys.modules.keys()), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
    assert "aval" in done.stdout


def test_help_comes_within_the_blink_of_an_eye() -> None:
    best = min(_cpu_seconds([*CLI, "--help"]) for _ in range(3))
    assert best < 0.5


def _cpu_seconds(command: list[str]) -> float:
    before = os.times()
    subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, check=True)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def test_an_old_python_can_parse_the_first_file_and_is_refused() -> None:
    ast.parse((ROOT / "workers" / "cli.py").read_text(), feature_version=(3, 4))
    ast.parse((ROOT / "workers" / "__init__.py").read_text(), feature_version=(3, 4))
    script = (
        "import runpy, sys; sys.version_info = (3, 9, 18, 'final', 0); "
        "sys.modules.pop('workers.commands', None); runpy.run_path('workers/cli.py', run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("aval needs Python 3.11 or later, not 3.9: install one")
    assert len(done.stderr.splitlines()) == 1


def test_a_negative_learning_rate_is_refused_by_its_option(capsys: pytest.CaptureFixture[str]) -> None:
    line = told(capsys, "train", "ppo", "--backbone", "x", "--tasks", "y", "--out", "z", "--learning-rate", "-1")
    assert line == "aval: --learning-rate must be above 0, not -1"


def test_every_bad_setting_is_named_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    line = told(
        capsys, "train", "reward", "--backbone", "x", "--preferences", "y", "--out", "z", "--lora.r", "0", "--epochs=no"
    )
    assert "--lora.r must be at least 1, not 0" in line
    assert "--epochs must be a number, not 'no'" in line


def test_a_file_of_tasks_with_a_broken_line_is_refused_by_its_number(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tasks = tmp_path / "tasks.jsonl"
    assert main(["data", "tasks", "--out", str(tmp_path), "--train", "4", "--held-out", "2"]) == 0
    capsys.readouterr()
    lines = (tmp_path / "train.jsonl").read_text().splitlines()
    tasks.write_text("\n".join([*lines[:2], lines[2][:-20], *lines[3:]]))
    line = told(capsys, "train", "sft", "--tasks", str(tasks), "--out", str(tmp_path / "run"))
    assert line.startswith(f"aval: {tasks}, line 3: not JSON")
    assert not (tmp_path / "run").exists()


def test_a_task_without_a_test_and_an_unknown_split_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "tasks", "--out", str(tmp_path), "--train", "2", "--held-out", "2"]) == 0
    capsys.readouterr()
    tasks = tmp_path / "iid.jsonl"
    first, second = map(json.loads, tasks.read_text().splitlines())
    del second["hidden_tests"]
    tasks.write_text(f"{json.dumps(first)}\n{json.dumps(second)}\n")
    line = told(capsys, "evaluate", "--model", "x", "--tasks", str(tmp_path), "--splits", "iid")
    assert line == f"aval: {tasks}, line 2: the field 'hidden_tests' is missing"
    line = told(capsys, "evaluate", "--model", "x", "--tasks", str(tmp_path), "--splits", "para,others")
    assert line == f"aval: unknown split 'others': {tmp_path} has comp, cross, iid, para, slots, train"


def test_a_benchmarks_file_becomes_tasks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, out = tmp_path / "mbpp.jsonl", tmp_path / "tasks.jsonl"
    row = {
        "task_id": 1,
        "text": "Add one.",
        "code": "def inc(x):\n    return x + 1",
        "test_list": ["assert inc(1) == 2"],
    }
    file.write_text(json.dumps(row))
    assert main(["data", "convert", str(file), "--format", "mbpp", "--out", str(out)]) == 0
    capsys.readouterr()
    assert json.loads(out.read_text())["signature"] == "def inc(x):"
    line = told(capsys, "data", "convert", str(file), "--format", "humaneval", "--out", str(out))
    assert line == f"aval: {file}, row 1: the field 'prompt' is missing"


def test_a_file_of_preferences_with_a_broken_line_is_refused_by_its_number(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "preferences.jsonl"
    good = {"prompt_text": "p", "signature": "def f():", "chosen": "a", "rejected": "b"}
    file.write_text(json.dumps(good) + "\n" + json.dumps({**good, "margin": 9}) + "\n")
    out = str(tmp_path / "run")
    line = told(capsys, "train", "reward", "--backbone", "x", "--preferences", str(file), "--out", out)
    assert line == f"aval: {file}, line 2: not a preference (margin must be 1, 2 or 3, not 9)"


def test_a_missing_file_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missing = tmp_path / "none.jsonl"
    line = told(capsys, "train", "sft", "--tasks", str(missing), "--out", str(tmp_path / "run"))
    assert line == f"aval: there is no {missing}: check the path"


def test_an_unknown_base_model_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "tasks", "--out", str(tmp_path), "--train", "4", "--held-out", "2"]) == 0
    capsys.readouterr()
    done = aval(
        *("train", "sft", "--tasks", str(tmp_path / "train.jsonl"), "--out", str(tmp_path / "run")),
        *("--base-model", "/no/such/model"),
        home=tmp_path / "home",
    )
    assert done.returncode == 2
    assert done.stderr.strip().splitlines()[-1].startswith("aval: unknown model '/no/such/model'")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["frobnicate"], "invalid choice: 'frobnicate'"),
        (["up", "--port", "99999"], "must be from 1 to 65535, not 99999"),
        (["up", "--port", "http"], "must be a whole number, not 'http'"),
        (["train", "sft"], "the following arguments are required: --out, --tasks"),
        (["train", "kto"], "invalid choice: 'kto'"),
    ],
)
def test_wrong_usage_is_told_in_one_line(arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    line = told(capsys, *arguments)
    assert says in line
    assert "--help" in line


def test_a_taken_port_is_named_with_the_option_and_nothing_is_left_behind(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = aval("up", "--port", str(port), home=tmp_path / "home")
    assert done.returncode == 2
    assert done.stderr == f"aval: port {port} is taken: stop what uses it, or choose another with --port\n"
    assert not (tmp_path / "home" / "postgres").exists()
    assert processes_of(tmp_path / "home") == []


def test_a_home_that_is_no_folder_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "home"
    file.write_text("")
    done = aval("up", home=file)
    assert done.returncode == 2
    assert done.stderr == f"aval: AVAL_HOME is {file}, which is not a folder: set it to one\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small disk")
@pytest.mark.parametrize(
    ("option", "says"),
    [("ro", "not allowed to write"), ("size=48k", "the disk is full"), ("size=16m", "the disk is full")],
)
def test_a_full_disk_and_a_read_only_one_are_told_in_one_line(tmp_path: Path, option: str, says: str) -> None:
    if shutil.which("unshare") is None or subprocess.run(["unshare", "-m", "true"], check=False).returncode:
        pytest.skip("no mount namespaces here")
    home = tmp_path / "home"
    home.mkdir()
    command = f"mount -t tmpfs -o {option} tmpfs {home} && exec {' '.join(CLI)} up --port 0"
    command = command.replace("--port 0", f"--port {free_port()}")
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", command],
        cwd=ROOT,
        env={**os.environ, "AVAL_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    *notes, line = done.stderr.splitlines()
    assert line.startswith(f"aval: {says}")
    assert str(home) in line
    assert notes in ([], ["  PostgreSQL …"])
    assert processes_of(home) == []


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def processes_of(home: Path) -> list[int]:
    """Whatever still runs for a home: its services by their environment, its server by its working folder."""
    time.sleep(0.2)
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            ours = f"AVAL_HOME={home}".encode() in (process / "environ").read_bytes().split(b"\0")
            ours = ours or (process / "cwd").resolve() == home / "postgres"
            if ours and (process / "stat").read_text().rpartition(")")[2].split()[0] != "Z":
                found.append(int(process.name))
        except OSError:
            continue
    return found
