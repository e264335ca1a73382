import gc
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from verification.sandbox import Job, Limits, Pool, SandboxError, SandboxUnavailable, call, check, run_tests

IDENTITY = Job.tests("def f(x): return x", "f", ["assert f(1) == 1"])


def descendants(process: int) -> list[int]:
    """Process ids of all that a process has started."""
    try:
        children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    except OSError:
        return []
    return [found for child in map(int, children) for found in (child, *descendants(child))]


def is_gone(process: int) -> bool:
    try:
        return "State:\tZ" in Path(f"/proc/{process}/status").read_text()
    except OSError:
        return True


def wait_until_gone(processes: list[int], seconds: float = 5) -> bool:
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        if all(map(is_gone, processes)):
            return True
        time.sleep(0.02)
    return False


def zygotes_of(pool: Pool) -> list[int]:
    """The zygotes' host process ids: the watchers' children."""
    return [child for watcher in pool.process_ids() for child in descendants(watcher)[:1]]


def test_results_come_in_the_order_of_the_jobs(pool: Pool) -> None:
    jobs = [Job.call("def f(x): return x", "f", [number]) for number in range(50)]

    assert [result.value for result in pool.run_many(jobs)] == list(range(50))


def test_no_job_is_no_work(pool: Pool) -> None:
    assert pool.run_many([]) == []


def test_a_few_hundred_runs_leave_nothing_behind() -> None:
    code = "import threading, os\ndef f(x):\n    if x == 1: os._exit(1)\n    if x == 2: threading.Thread(target=threading.Event().wait, daemon=True).start()\n    return x"
    jobs = [Job.call(code, "f", [number % 3]) for number in range(60)] + [
        Job.tests(code, "f", ["for i in [0, 3]:\n    assert f(i) == i"]) for _ in range(15)
    ]
    files = set(os.listdir("/tmp")) | set(os.listdir("/dev/shm"))
    with Pool(1) as own:
        own.run_many(jobs)
        gc.collect()
        descriptors, resident = len(os.listdir("/proc/self/fd")), _resident(zygotes_of(own)[0])
        own.run_many(jobs * 2)
        gc.collect()

        assert len(os.listdir("/proc/self/fd")) == descriptors
        assert [len(descendants(watcher)) for watcher in own.process_ids()] == [1, 1]  # a zygote of each image
        assert _resident(zygotes_of(own)[0]) < resident + 1000
        started = [found for watcher in own.process_ids() for found in (watcher, *descendants(watcher))]
    assert wait_until_gone(started)
    assert not {name for name in os.listdir("/tmp") if name not in files and "attack" in name}


def _resident(process: int) -> int:
    line = next(line for line in Path(f"/proc/{process}/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1])


@pytest.mark.parametrize("victim", ["zygote", "watcher"])
def test_a_zygote_killed_in_a_batch_loses_no_job_and_repeats_none_that_answered(victim: str) -> None:
    jobs = [
        Job.call("import time\ndef f(x):\n    time.sleep(0.02)\n    return x", "f", [number]) for number in range(40)
    ]
    with Pool(2) as own:
        target = own.process_ids()[0] if victim == "watcher" else zygotes_of(own)[0]
        timer = threading.Timer(0.3, os.kill, (target, signal.SIGKILL))
        timer.start()

        results = own.run_many(jobs)
        timer.join()

        assert [result.value for result in results] == list(range(40))
        assert is_gone(target)
        assert own.run_many([IDENTITY])[0].status == "passed"


def test_nothing_outlives_the_process_that_opened_the_pool() -> None:
    script = textwrap.dedent("""
        import sys, threading
        from verification.sandbox import Job, Pool
        pool = Pool(1).__enter__()
        pool.run_many([Job.call("def f(): pass", "f", [])])
        threading.Thread(target=pool.run_many, args=([Job.call("import time\\ndef f(): time.sleep(60)", "f", [])],)).start()
        print(pool.process_ids()[0], flush=True)
        sys.stdin.read()
    """)
    root = Path(__file__).resolve().parents[3]
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={"PYTHONPATH": str(root)}
    ) as other:
        assert other.stdout is not None
        watcher = int(other.stdout.readline())
        limit = time.monotonic() + 10
        while len(descendants(watcher)) < 2 and time.monotonic() < limit:
            time.sleep(0.02)
        started = [watcher, *descendants(watcher)]
        other.kill()

    assert len(started) == 3
    assert wait_until_gone(started)


def test_a_program_that_is_stopped_from_outside_is_not_judged() -> None:
    job = Job.call("import time\ndef f():\n    time.sleep(60)", "f", [], limits=Limits(wall_seconds=0.5))
    stopping = threading.Event()
    with Pool(1) as own:
        own.run_many([IDENTITY])

        def stop_programs() -> None:
            while not stopping.wait(0.02):
                for process in descendants(own.process_ids()[0])[1:]:
                    try:
                        os.kill(process, signal.SIGSTOP)
                    except ProcessLookupError:
                        pass

        thread = threading.Thread(target=stop_programs)
        thread.start()
        try:
            with pytest.raises(SandboxError, match="did not let the program run") as caught:
                own.run_many([job])
        finally:
            stopping.set()
            thread.join()

    assert [result.status for result in caught.value.results] == ["infra_error"]


def test_a_program_that_sleeps_is_judged() -> None:
    result = call("import time\ndef f():\n    time.sleep(60)", "f", [], limits=Limits(wall_seconds=0.3))

    assert (result.status, result.detail) == ("timeout", "waited until the wall limit")


def test_requests_and_answers_longer_than_the_kernels_buffers_pass() -> None:
    text = "x" * 3_000_000

    result = call("def f(t): return t", "f", [text])

    assert result.value == text


def test_several_threads_may_use_the_shared_pool() -> None:
    found: list[str] = []

    def run(number: int) -> None:
        found.append(run_tests("def f(x): return x", "f", [f"assert f({number}) == {number}"]).status)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found == ["passed"] * 6


def test_a_forked_process_opens_a_pool_of_its_own() -> None:
    assert run_tests("def f(x): return x", "f", ["assert f(1) == 1"]).status == "passed"
    script = (
        "import os, warnings\nfrom verification.sandbox import call\nassert call('def f(): return 1', 'f', []).value == 1\n"
        "if os.fork() == 0:\n    os._exit(0 if call('def f(): return 2', 'f', []).value == 2 else 1)\n"
        "assert os.wait()[1] == 0\nassert call('def f(): return 3', 'f', []).value == 3"
    )
    root = Path(__file__).resolve().parents[3]

    subprocess.run([sys.executable, "-c", script], check=True, env={"PYTHONPATH": str(root)}, timeout=60)


def test_the_package_is_light() -> None:
    script = (
        "import sys, verification.sandbox\n"
        "print([m for m in sys.modules if m.partition('.')[0] in ('z3', 'cvc5', 'torch', 'django', 'asyncio', 'ctypes')])"
    )
    root = Path(__file__).resolve().parents[3]

    done = subprocess.run(
        [sys.executable, "-c", script], check=True, env={"PYTHONPATH": str(root)}, capture_output=True, text=True
    )

    assert done.stdout.strip() == "[]"


def test_the_zygote_holds_no_module_of_ours_but_the_sandboxs_and_the_drivers(pool: Pool) -> None:
    code = "import sys\ndef f(): return sorted(m for m in sys.modules if m.partition('.')[0] in ('verification', 'z3', 'training'))"

    (result,) = pool.run_many([Job.call(code, "f", [])])

    known = ("verification.sandbox", "verification.driver")
    assert all(name == "verification" or name.startswith(known) for name in result.value)


TIERS = {"all": (), "no namespaces": ("namespaces",), "no landlock": ("landlock",)}


@pytest.mark.parametrize("tier", TIERS)
def test_the_report_tells_which_layers_hold(tier: str) -> None:
    report = check(forgo=TIERS[tier])

    layers = {layer.name: layer.holds for layer in report.layers}
    if report.refusal:
        pytest.skip(f"this machine lacks a layer: {report.refusal}")
    assert report.ok, list(report.lines())
    assert layers["seccomp"]
    assert layers["landlock"] or layers["mount namespace"]
    if tier == "no namespaces":
        assert not layers["mount namespace"]
    if tier == "no landlock":
        assert not layers["landlock"]
    assert len(report.attacks) >= 30


@pytest.mark.parametrize("tier", TIERS)
def test_every_tier_runs_programs_and_stops_attacks(tier: str) -> None:
    try:
        with Pool(1, forgo=TIERS[tier]) as own:
            results = own.run_many(
                [
                    IDENTITY,
                    Job.tests("def f(x): return x", "f", ["for i in [1]: assert f(i) == i"]),
                    Job.call("def f(): return open('/etc/passwd').read()", "f", []),
                    Job.call("import sqlite3, asyncio\ndef f(): return 1", "f", []),
                    Job.call("def f():\n    while True: pass", "f", [], limits=Limits(cpu_seconds=0.2)),
                ]
            )
    except SandboxUnavailable as error:
        pytest.skip(str(error))

    assert [result.status for result in results] == ["passed", "passed", "exception", "passed", "timeout"]
    assert {result.forgone for result in results} == {TIERS[tier]}, "what was done without is recorded"


@pytest.mark.parametrize(
    ("forgo", "named"),
    [(("seccomp",), "seccomp"), (("landlock", "namespaces"), "neither Landlock .* nor a mount namespace")],
)
def test_without_a_required_layer_it_refuses_and_names_the_layer(forgo: tuple[str, ...], named: str) -> None:
    with pytest.raises(SandboxUnavailable, match=named):
        Pool(1, forgo=forgo).__enter__()
    report = check(forgo=forgo)
    assert not report.ok
    assert report.refusal in list(report.lines())[-1]


def test_on_another_system_it_says_how_to_run_in_a_container(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")

    with pytest.raises(SandboxUnavailable, match="Linux container"):
        Pool(1)


AS_USER = """
import os, sys
os.setgroups([]); os.setresgid(65534, 65534, 65534); os.setresuid(65534, 65534, 65534)
from verification.sandbox import Job, Pool, check
for forgo in ((), ("namespaces",)):
    report = check(forgo=forgo)
    assert report.ok, list(report.lines())
    with Pool(1, forgo=forgo) as pool:
        results = pool.run_many([
            Job.call("import json, sqlite3\\ndef f(): return 1", "f", []),
            Job.tests("def f(x): return x", "f", ["for i in [1]: assert f(i) == i"]),
            Job.call("def f(): return open('/etc/passwd').read()", "f", []),
            Job.replay("import os\\ndef f(x): os.system('echo ' + x)", "f", ["a; echo b > ../canary"]),
            Job.replay(BOMB, "f", []),
        ])
    print([result.status for result in results], [layer.name for layer in report.layers if layer.holds])
    assert results[3].aftermath.harm == ("the canary was changed",)
    assert 0 < results[4].value < 100, results[4]
"""
FORKS = """
import os, time
def f():
    started = 0
    try:
        while True:
            if os.fork() == 0:
                time.sleep(60)
            started += 1
    except OSError:
        return started
"""


def test_an_ordinary_user_is_confined_as_well() -> None:
    if os.geteuid() != 0:
        pytest.skip("this suite is run by an ordinary user already")
    interpreter = "/usr/bin/python3.11"
    root = Path(__file__).resolve().parents[3]
    if not os.path.exists(interpreter):
        pytest.skip("no interpreter that an ordinary user may run")

    done = subprocess.run(
        [interpreter, "-c", AS_USER.replace("BOMB", repr(FORKS))],
        env={"PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.count("['passed', 'passed', 'exception', 'passed', 'passed']") == 2
    assert "'landlock'" in done.stdout
