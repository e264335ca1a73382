"""Programs that would hang, exhaust or break what runs them end with a status of their own, and soon."""

import time
from dataclasses import replace

import pytest

from tests.verification.sandbox.conftest import QUICK
from verification.sandbox import Job, Pool

FORK_ALL = "import os\ndef f():\n    while True:\n        try: os.fork()\n        except OSError: pass"
DENIALS = {
    "loops": ("def f():\n    while True: pass", "timeout"),
    "loops while it is loaded": ("while True: pass\ndef f(): pass", "timeout"),
    "swallows every exception": (
        "def f():\n    while True:\n        try:\n            while True: pass\n        except BaseException: pass",
        "timeout",
    ),
    "computes a huge power": ("def f():\n    return 7 ** (10 ** 9)", "timeout|memory"),
    "backtracks in a pattern": ("import re\ndef f():\n    return re.match('(a+)+$', 'a' * 60 + 'b')", "timeout"),
    "bombs with forks": (FORK_ALL, "timeout"),
    "makes threads without end": (
        "import threading\ndef f():\n    while True: threading.Thread(target=threading.Event().wait).start()",
        "exception|memory|timeout",
    ),
    "takes all memory": ("def f():\n    return len(bytearray(1 << 34))", "memory"),
    "takes memory bit by bit": ("def f():\n    x = []\n    while True: x.append(bytearray(1 << 20))", "memory"),
    "doubles a list": ("def f():\n    x = [1]\n    while True: x += x", "memory"),
    "maps memory": ("import mmap\ndef f():\n    return mmap.mmap(-1, 1 << 34) and 1", "exception|memory"),
    "prints without end": ("def f():\n    while True: print('x' * 1000)", "exception"),
    "writes without end": ("import os\ndef f():\n    while True: os.write(1, b'x' * 100000)", "timeout"),
    "floods its channel": (
        "import os\ndef f():\n    while True: os.write(3, b'x' * 100000)",
        "unserialisable|exception|died",
    ),
    "announces a huge message": (
        "import os\ndef f():\n    os.write(3, b'\\xff\\xff\\xff\\xff')\n    os._exit(0)",
        "died",
    ),
    "recurses": ("def f():\n    return f()", "exception"),
    "recurses past the limit it sets": (
        "import sys\nsys.setrecursionlimit(10 ** 9)\ndef f(x=0):\n    return f(x + 1)",
        "memory|died|timeout|exception",
    ),
    "breaks the C stack": (
        "import sys\nsys.setrecursionlimit(10 ** 9)\nclass A:\n    def __repr__(self): return repr(self)\n"
        "def f():\n    return repr(A())",
        "died|memory|timeout|exception",
    ),
    "returns a list within itself": ("def f():\n    x = []\n    x.append(x)\n    return x", "unserialisable"),
    "returns a deep list": ("def f():\n    x = []\n    for _ in range(5000): x = [x]\n    return x", "unserialisable"),
    "returns too much": ("def f():\n    return 'x' * (1 << 22)", "unserialisable"),
    "returns an endless iterator": ("import itertools\ndef f():\n    return itertools.count()", "unserialisable"),
    "returns keys that collide": (
        "def f():\n    return {i * (2 ** 61 - 1): 0 for i in range(1, 300)}",
        "unserialisable",
    ),
    "returns a set that collides": (
        "def f():\n    return {i * (2 ** 61 - 1) for i in range(1, 300)}",
        "unserialisable",
    ),
    "returns a huge fraction": (
        "from fractions import Fraction\ndef f():\n    return Fraction(2 ** 99999 + 1, 3 ** 60000)",
        "unserialisable",
    ),
    "crashes": ("import ctypes\ndef f():\n    ctypes.string_at(0)", "died"),
    "aborts": ("import os\ndef f():\n    os.abort()", "died"),
    "exits": ("import os\ndef f():\n    os._exit(0)", "died"),
    "exits as Python does": ("import sys\ndef f():\n    sys.exit(0)", "exception"),
    "sleeps": ("import time\ndef f():\n    time.sleep(1000)", "timeout"),
    "waits for itself": ("import threading\ndef f():\n    l = threading.Lock(); l.acquire(); l.acquire()", "timeout"),
    "blocks every signal": (
        "import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))\ndef f():\n    while True: pass",
        "timeout",
    ),
    "closes its channel": ("import os\ndef f():\n    os.close(3)", "died|exception"),
    "is not Python": ("def f(:", "exception"),
    "holds a null byte": ("def f():\0 pass", "exception"),
    "nests too deeply to compile": ("def f():\n    return " + "(" * 5000 + ")" * 5000, "exception|memory|died"),
    "lacks the function": ("def g(): pass", "exception"),
    "raises what can't be told": (
        "class E(Exception):\n    def __str__(self): raise SystemExit\ndef f():\n    raise E",
        "exception",
    ),
}


WAITING = ("sleeps", "waits for itself")


@pytest.mark.parametrize("name", DENIALS)
def test_it_is_over_soon_with_a_program_that(name: str, pool: Pool) -> None:
    code, statuses = DENIALS[name]
    wall_seconds = 0.5 if name in WAITING else 10.0  # a busy machine may not decide, see infra_error
    limits = replace(QUICK, wall_seconds=wall_seconds, output_bytes=1 << 16)
    started = time.monotonic()

    (result,) = pool.run_many([Job.call(code, "f", [], limits=limits)])

    assert result.status in statuses.split("|"), result
    assert time.monotonic() - started < 40


def test_a_program_can_not_speak_after_its_limit(pool: Pool) -> None:
    code = "def f(x):\n    while x == 2: pass\n    return x"
    tests = ["assert f(1) == 1", "assert f(2) == 2", "assert f(3) == 3"]

    (result,) = pool.run_many([Job.tests(code, "f", tests)])

    assert (result.status, result.passed, result.total) == ("timeout", 1, 3)
    assert result.tests == ("passed", "timeout")


def test_a_value_that_fits_in_memory_while_its_message_does_not_is_a_matter_of_memory(pool: Pool) -> None:
    job = Job.call("def f():\n    return ['x' * 10**7] * 99", "f", [], limits=replace(QUICK, cpu_seconds=5.0))

    (result,) = pool.run_many([job])

    assert result.status == "memory", result
