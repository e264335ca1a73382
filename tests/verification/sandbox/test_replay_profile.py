"""Counterexamples to security properties, replayed against real files and a real shell, in a folder of their own."""

import os
import socket
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.verification.sandbox.test_pool import descendants, wait_until_gone
from verification.sandbox import Job, Limits, Pool, Result, SandboxUnavailable, Scene, check
from verification.sandbox.scene import CANARY

TIERS = {"all": (), "no namespaces": ("namespaces",)}


@pytest.fixture(scope="module", params=TIERS)
def stage(request: pytest.FixtureRequest) -> Iterator[Pool]:
    limits = Limits(cpu_seconds=0.5, wall_seconds=1.5, memory_mb=128)
    with Pool(1, limits=limits, forgo=TIERS[request.param]) as opened:
        yield opened


def replay(stage: Pool, code: str, argument: object = "", scene: Scene | None = None) -> Result:
    (result,) = stage.run_many([Job.replay(textwrap.dedent(code), "f", [argument], scene=scene)])
    return result


def harm(result: Result) -> tuple[str, ...]:
    assert result.aftermath is not None
    return result.aftermath.harm


# A function with a hole, its safe twin, an input that goes through the hole, and what becomes of the canary.
HOLES = {
    "a command line": (
        "import os\ndef f(x): os.system('echo ' + x)",
        "import os, shlex\ndef f(x): os.system('echo ' + shlex.quote(x))",
        "a; echo gone > ../canary",
        "the canary was changed",
    ),
    "a shell that subprocess starts": (
        "import subprocess\ndef f(x): return subprocess.run(f'echo {x}', shell=True, capture_output=True, text=True).stdout",
        "import subprocess\ndef f(x): return subprocess.run(['/bin/sh', '-c', 'echo \"$1\"', 'sh', x], capture_output=True, text=True).stdout",
        "$(read w < ../canary; echo $w)",
        "the canary's content is in what the function returned or raised",
    ),
    "a command whose output is shown": (
        "import os\ndef f(x): os.system('echo ' + x)",
        "def f(x): print(x)",
        "`read w < ../canary; echo $w`",
        "the canary's content is in what was printed",
    ),
    "a path": (
        "import os\ndef f(x):\n    with open(os.path.join('data', x)) as file: return file.read()",
        "import os\ndef f(x):\n    with open(os.path.join('data', os.path.basename(x))) as file: return file.read()",
        "../../canary",
        "the canary's content is in what the function returned or raised",
    ),
    "a path that is removed": (
        "import os\ndef f(x): os.remove('data/' + x)",
        "import os\ndef f(x):\n    p = os.path.realpath('data/' + x)\n    assert p.startswith(os.getcwd())\n    os.remove(p)",
        "../../canary",
        "the canary was removed",
    ),
    "a copy out of the folder": (
        "import shutil\ndef f(x): shutil.copyfile('data/' + x, 'copy')",
        "def f(x): return x.replace('/', '')",
        "../../canary",
        "the canary's content is in work/copy",
    ),
    "an archive": (
        "import io, zipfile\ndef f(x):\n    for i in zipfile.ZipFile(io.BytesIO(x)).infolist():\n        with open(i.filename, 'wb') as o: o.write(b'gone')",
        "import io, zipfile\ndef f(x): zipfile.ZipFile(io.BytesIO(x)).extractall('out')",
        None,
        "the canary was changed",
    ),
    "an evaluated text": (
        "def f(x): return eval(x)",
        "import ast\ndef f(x): return ast.literal_eval(x)",
        "open('../canary').read()",
        "the canary's content is in what the function returned or raised",
    ),
    "a pickle": (
        "import pickle\ndef f(x): return pickle.loads(x)",
        "import json\ndef f(x): return json.loads(x)",
        b"cos\nsystem\n(S'echo gone > ../canary'\ntR.",
        "the canary was changed",
    ),
    "a query": (
        "import sqlite3\ndef f(x):\n    d = sqlite3.connect('t.db')\n    d.execute('create table s(w)')\n    d.execute('insert into s values (?)', [open('../canary').read()])\n"
        "    d.execute('create table n(w)')\n    d.commit()\n    r = d.execute(f\"select w from n where w = '{x}'\").fetchall()\n    d.close()\n    import os\n    os.remove('t.db')\n    return r",
        "import sqlite3\ndef f(x):\n    d = sqlite3.connect('t.db')\n    d.execute('create table s(w)')\n    d.execute('insert into s values (?)', [open('../canary').read()])\n"
        "    d.execute('create table n(w)')\n    d.commit()\n    r = d.execute('select w from n where w = ?', [x]).fetchall()\n    d.close()\n    import os\n    os.remove('t.db')\n    return r",
        "' union select w from s --",
        "the canary's content is in what the function returned or raised",
    ),
}


def through(name: str) -> object:
    given = HOLES[name][2]
    if given is not None:
        return given
    import io
    import zipfile

    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("../canary", "gone")
    return packed.getvalue()


@pytest.mark.parametrize("name", HOLES)
def test_a_hole_shows_by_the_canary(name: str, stage: Pool) -> None:
    code, _, _, expected = HOLES[name]

    assert harm(replay(stage, code, through(name), Scene({"work/data/a": "an ordinary file"}))) == (expected,)


@pytest.mark.parametrize("name", HOLES)
def test_a_safe_twin_leaves_the_canary_alone(name: str, stage: Pool) -> None:
    _, twin, _, _ = HOLES[name]

    assert harm(replay(stage, twin, through(name), Scene({"work/data/a": "an ordinary file"}))) == ()


def test_what_a_replay_made_changed_and_removed_is_told(stage: Pool) -> None:
    code = """
        import os
        def f(x):
            open('new', 'w').write('1')
            open('old', 'w').write('2')
            os.remove('sub/other')
            os.makedirs('deep/er')
    """

    result = replay(stage, code, scene=Scene({"work/old": "1", "work/sub/other": b"\0", "kept": "as it is"}))

    assert result.aftermath is not None
    assert result.aftermath.created == ("work/new", "work/deep/", "work/deep/er/") or set(result.aftermath.created) == {
        "work/new",
        "work/deep/",
        "work/deep/er/",
    }
    assert result.aftermath.changed == ("work/old",)
    assert result.aftermath.removed == ("work/sub/other",)
    assert result.aftermath.harm == ()


def test_a_link_to_the_canary_is_not_its_content(stage: Pool) -> None:
    code = "import os\ndef f(x): os.symlink('../canary', 'link')"

    assert harm(replay(stage, code)) == ()


def test_a_shell_has_no_way_to_speak_in_the_programs_place(stage: Pool) -> None:
    code = "import os\ndef f(x): return [os.system(f'echo forged >&{n}') for n in range(3, 10)]"

    result = replay(stage, code)

    assert result.status == "passed"
    assert all(result.value)


def test_each_replay_finds_a_fresh_folder(stage: Pool) -> None:
    code = "import os\ndef f(x):\n    seen = sorted(os.listdir('.')) + sorted(os.listdir('..'))\n    open('left', 'w').close()\n    return seen"

    values = [replay(stage, code).value for _ in range(3)]

    assert values == [[CANARY, "work"]] * 3


def test_the_word_of_the_canary_is_new_each_time() -> None:
    assert len({Scene().canary for _ in range(50)}) == 50


@pytest.mark.parametrize("path", ["/etc/x", "../x", "a/../../x", "", ".", "canary", "a//b", "a/", "x\0y"])
def test_a_scene_with_a_path_that_leaves_it_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="not a plain path"):
        Scene({path: "1"})
    with pytest.raises(ValueError, match="not a plain path"):
        Scene(folder=path)


# What a program may try that is let near a shell. Each returns or raises; none may get anywhere.
ESCAPES = {
    "reads a file of the machine": "def f(x): return open('/etc/passwd').read()",
    "reads it by the shell": "import os\ndef f(x): return 0 if os.system('read w < /etc/passwd') else 'read'",
    "lists the root": "import os\ndef f(x): return os.listdir('/')",
    "lists its neighbours": "import os\ndef f(x): return os.listdir('../..')",
    "follows a link": "import os\ndef f(x):\n    os.symlink('/etc/passwd', 'l')\n    return open('l').read()",
    "writes beside its folder": "def f(x): open('../../escaped', 'w').write('1'); return 1",
    "writes to /tmp": "def f(x): open('/tmp/escaped-replay', 'w').write('1'); return 1",
    "writes to /tmp by the shell": "import os\ndef f(x): return 0 if os.system('echo 1 > /tmp/escaped-replay') else 1",
    "renames itself out": "import os\ndef f(x): os.rename('../../' + os.path.basename(os.path.dirname(os.getcwd())), '/tmp/out'); return 1",
    "runs another program": "import subprocess\ndef f(x): return subprocess.run(['/usr/bin/env']).returncode == 0",
    "runs another program by the shell": "import os\ndef f(x): return 0 if os.system('/bin/ls /') else 1",
    "runs a program it wrote": (
        "import os\ndef f(x):\n    fd = os.open('p', os.O_CREAT | os.O_WRONLY, 0o777)\n    os.write(fd, b'#!/bin/sh\\necho 1\\n')\n"
        "    os.close(fd)\n    return 0 if os.system('./p') else 1"
    ),
    "runs the interpreter": "import subprocess, sys\ndef f(x): return subprocess.run([sys.executable, '-c', '1']).returncode == 0",
    "opens a socket": "import socket\ndef f(x): return socket.socket().fileno()",
    "opens a unix socket": "import socket\ndef f(x): return socket.socket(socket.AF_UNIX).fileno()",
    "changes a mode": "import os\ndef f(x): os.chmod('.', 0o777); return 1",
    "makes a pipe in the file system": "import os\ndef f(x): os.mkfifo('p'); return 1",
    "makes a device": "import os, stat\ndef f(x): os.mknod('d', stat.S_IFCHR | 0o600, os.makedev(1, 1)); return 1",
    "mounts": "import ctypes\ndef f(x): return ctypes.CDLL(None).mount(b'none', b'.', b'tmpfs', 0, None) == 0",
    "asks for a namespace": "import ctypes\ndef f(x): return ctypes.CDLL(None).unshare(0x10000000) == 0",
    "starts a process in a namespace": "import ctypes\ndef f(x): return ctypes.CDLL(None).syscall(56, 0x10000011, 0, 0, 0, 0) > 0",
    "leaves its group": "import os\ndef f(x): os.setsid(); return 1",
    "leaves its group otherwise": "import os\ndef f(x): os.setpgid(0, 0); return 1",
    "signals its parent": "import os\ndef f(x): os.kill(os.getppid(), 9); return 1",
    "traces its parent": "import ctypes, os\ndef f(x): return ctypes.CDLL(None).ptrace(16, os.getppid(), 0, 0) == 0",
    "reads its parent": "import os\ndef f(x): return open(f'/proc/{os.getppid()}/environ', 'rb').read()",
    "writes to a descriptor of the zygote": (
        "import os\ndef f(x):\n    done = 0\n    for n in range(4, 64):\n        try: done += os.write(n, b'x')\n        except OSError: pass\n    return done"
    ),
    "truncates a file of the machine": "import os\ndef f(x): os.truncate('/etc/passwd', 0); return 1",
    "lifts its limits": "import resource\ndef f(x): resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 30,) * 2); return 1",
}


@pytest.mark.parametrize("name", ESCAPES)
def test_nothing_comes_of_a_replayed_program_that(name: str, stage: Pool) -> None:
    before = Path("/etc/passwd").read_bytes()

    result = replay(stage, ESCAPES[name])

    assert result.status == "exception" or (result.status == "passed" and not result.value), result
    assert not os.path.exists("/tmp/escaped-replay")
    assert Path("/etc/passwd").read_bytes() == before


def test_no_server_of_the_machine_is_reached(stage: Pool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        port = server.getsockname()[1]
        code = f"import socket\ndef f(x): socket.create_connection(('127.0.0.1', {port}), timeout=1); return 1"

        result = replay(stage, code)

        assert result.status == "exception"
        with pytest.raises(TimeoutError):
            server.accept()


DENIALS = {
    "fills the disk": "import os\ndef f(x):\n    n = 0\n    while True:\n        n += 1\n        open(str(n), 'wb').write(bytes(1 << 19))",
    "writes one large file": "def f(x):\n    with open('big', 'wb') as o:\n        while True: o.write(bytes(1 << 16))",
    "makes many files": "def f(x):\n    n = 0\n    while n < 3000:\n        n += 1\n        open(str(n), 'w').close()",
    "nests folders": "import os\ndef f(x):\n    for _ in range(1500):\n        os.mkdir('d')\n        os.chdir('d')",
    "makes folders that nobody may read": "import os\ndef f(x):\n    os.mkdir('d', 0o300)\n    open('d/x', 'w').close()\n    os.umask(0o777)\n    open('y', 'w').close()",
    "bombs with forks": "import os\ndef f(x):\n    while True: os.fork()",
    "bombs by the shell": "import os\ndef f(x): os.system('f() { f | f & f; }; f')",
    "leaves processes behind": "import os\ndef f(x): os.system('while :; do :; done & while :; do :; done &')",
    "leaves a sleeper behind": "import os, time\ndef f(x):\n    if os.fork() == 0:\n        time.sleep(60)",
    "waits for its shell for ever": "import os\ndef f(x): os.system('while :; do read a; done')",
    "prints for ever": "import os\ndef f(x): os.system('while :; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; done')",
    "stops itself": "import os, signal\ndef f(x): os.kill(os.getpid(), signal.SIGSTOP)",
}


@pytest.mark.parametrize("name", DENIALS)
def test_it_is_over_soon_with_a_replayed_program_that(name: str, stage: Pool) -> None:
    replay(stage, "def f(x): pass")
    (zygote,) = stage._zygotes["replay"]
    start = time.monotonic()

    result = replay(stage, DENIALS[name])

    assert time.monotonic() - start < 30
    assert result.aftermath is not None, result
    assert [len(descendants(zygote.process.pid))] == [1], "a process outlived its replay"
    assert not list(processes_in(zygote._folder))
    again = replay(stage, "import os\ndef f(x): return os.listdir('..')")
    assert sorted(again.value) == [CANARY, "work"]


def processes_in(folder: str) -> Iterator[str]:
    """Processes, wherever they hang, whose environment names a replay's folder: its shells and what they started."""
    for entry in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"HOME={folder}/".encode() in entry.read_bytes():
                yield entry.parent.name
        except OSError:
            continue


def test_the_search_for_processes_finds_them(stage: Pool) -> None:
    found: list[str] = []
    (zygote,) = stage._zygotes["replay"]
    thread = threading.Thread(target=replay, args=(stage, DENIALS["waits for its shell for ever"]))
    thread.start()
    while thread.is_alive() and not found:
        found = list(processes_in(zygote._folder))
    thread.join()

    assert found


def test_nothing_is_left_of_a_pool() -> None:
    before = set(os.listdir(tempfile.gettempdir()))
    for forgo in TIERS.values():
        with Pool(1, forgo=forgo) as own:
            replay(own, "def f(x): open('left', 'w').write('1')")

    assert not {name for name in os.listdir(tempfile.gettempdir()) if name not in before and "replay" in name}


@pytest.mark.parametrize("tier", TIERS)
def test_nothing_is_left_of_a_pool_whose_process_was_killed(tier: str) -> None:
    script = textwrap.dedent(f"""
        import sys, threading
        from verification.sandbox import Job, Pool
        pool = Pool(1, forgo={TIERS[tier]!r}).__enter__()
        pool.run_many([Job.replay("def f(): pass", "f", [])])
        job = Job.replay("import os\\ndef f():\\n    open('left', 'w').close()\\n    os.fork() or __import__('time').sleep(600)\\n    os.system('while :; do :; done')", "f", [])
        threading.Thread(target=pool.run_many, args=([job],)).start()
        print(*pool.process_ids(), flush=True)
        sys.stdin.read()
    """)
    root = Path(__file__).resolve().parents[3]
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        environment = {"PYTHONPATH": str(root), "TMPDIR": folder}
        with subprocess.Popen(
            [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
        ) as other:
            assert other.stdout is not None
            watchers = list(map(int, other.stdout.readline().split()))
            time.sleep(0.3)
            started = [one for watcher in watchers for one in (watcher, *descendants(watcher))]
            assert os.listdir(folder)
            other.kill()

        assert wait_until_gone(started)
        limit = time.monotonic() + 5
        while os.listdir(folder) and time.monotonic() < limit:
            time.sleep(0.05)
        assert os.listdir(folder) == []


def test_tests_never_get_a_shell(stage: Pool) -> None:
    code = "import os\ndef f(x): return os.system('echo')"

    (plain,) = stage.run_many([Job.call(code, "f", [1])])

    assert plain.status == "exception" or plain.value != 0
    assert plain.aftermath is None


def test_without_landlock_a_replay_is_refused_and_tests_still_run() -> None:
    report = check(forgo=("landlock",))
    if report.refusal:
        pytest.skip(report.refusal)

    assert any(line.startswith("replay profile     absent") and "Landlock" in line for line in report.lines())
    with Pool(1, forgo=("landlock",)) as own:
        with pytest.raises(SandboxUnavailable, match="needs Landlock"):
            own.run_many([Job.replay("def f(): pass", "f", [])])
        assert own.run_many([Job.call("def f(): return 1", "f", [])])[0].value == 1


def test_replays_and_tests_share_a_batch(stage: Pool) -> None:
    jobs = [
        Job.call("def f(x): return x", "f", [n]) if n % 2 else Job.replay("def f(x): return x", "f", [n])
        for n in range(10)
    ]

    assert [result.value for result in stage.run_many(jobs)] == list(range(10))


def test_the_limits_hold_for_a_replay_that_is_stopped(stage: Pool) -> None:
    results: list[Result] = []
    thread = threading.Thread(target=lambda: results.append(replay(stage, "def f(x):\n    while True: pass")))
    thread.start()
    thread.join()

    assert [result.status for result in results] == ["timeout"]
