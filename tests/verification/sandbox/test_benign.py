"""Honest programs run as they would outside."""

# ruff: noqa: SIM905 - a table of words

import datetime
from collections import deque
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from verification.sandbox import Job, Member, Pool, Record

STANDARD_LIBRARY = (
    "math re json itertools functools collections heapq bisect string datetime decimal fractions statistics random "
    "hashlib secrets os.path pathlib urllib.parse html sqlite3 tempfile typing dataclasses enum operator copy base64 "
    "csv io calendar textwrap ast shlex subprocess pickle uuid time unicodedata asyncio threading concurrent.futures "
    "contextlib abc types numbers cmath struct array queue xml.etree.ElementTree logging difflib pprint argparse zlib "
    "bz2 lzma gzip zipfile inspect traceback warnings weakref graphlib ipaddress email.message http.client "
    "urllib.request configparser string sys os socket select signal unittest doctest fnmatch glob shutil "
    "multiprocessing zoneinfo tomllib encodings.idna"
).split()

PROGRAMS: dict[str, tuple[str, Any]] = {
    "none": ("def f(): return None", None),
    "a negative float": ("def f(): return -1.5e-300", -1.5e-300),
    "an infinity": ("def f(): return float('-inf')", float("-inf")),
    "a large integer": ("def f(): return 7 ** 5000", 7**5000),
    "a text with all kinds of characters": ("def f(): return 'a\\x00é\\ud800\\U0001f600\"'", 'a\x00é\ud800\U0001f600"'),
    "bytes": ("def f(): return bytes(range(256))", bytes(range(256))),
    "nested containers": (
        "def f(): return {'a': [(1, {2: {3}})], None: frozenset({4})}",
        {"a": [(1, {2: {3}})], None: frozenset({4})},
    ),
    "a complex number": ("def f(): return 1 - 2j", 1 - 2j),
    "a decimal": ("from decimal import Decimal\ndef f(): return Decimal('1.10')", Decimal("1.10")),
    "a fraction": ("from fractions import Fraction\ndef f(): return Fraction(3, 9)", Fraction(1, 3)),
    "dates": (
        "import datetime as d\ndef f(): return [d.date(2020, 2, 29), d.datetime(2020, 1, 1, 5, tzinfo=d.timezone.utc), "
        "d.time(1, 2), d.timedelta(-1, 5)]",
        [
            datetime.date(2020, 2, 29),
            datetime.datetime(2020, 1, 1, 5, tzinfo=datetime.UTC),
            datetime.time(1, 2),
            datetime.timedelta(-1, 5),
        ],
    ),
    "a deque": ("from collections import deque\ndef f(): return deque([1, 2])", deque([1, 2])),
    "a range": ("def f(): return range(1, 10, 3)", range(1, 10, 3)),
    "a counter, as its content": ("from collections import Counter\ndef f(): return Counter('aab')", {"a": 2, "b": 1}),
    "a named tuple, as a tuple": (
        "from collections import namedtuple\nP = namedtuple('P', 'x y')\ndef f(): return P(1, 2)",
        (1, 2),
    ),
    "an enumeration's number": ("import enum\nclass E(enum.IntEnum):\n    A = 3\ndef f(): return E.A", 3),
    "an enumeration's member": (
        "import enum\nclass E(enum.Enum):\n    A = 3\ndef f(): return E.A",
        Member("E", "A", 3),
    ),
    "a data class": (
        "from dataclasses import dataclass\n@dataclass\nclass P:\n    x: int\n    y: list\ndef f(): return P(1, [2])",
        Record("P", (("x", 1), ("y", [2]))),
    ),
    "a value of the standard library": (
        "import hashlib\ndef f(): return hashlib.sha256(b'a').hexdigest()[:8]",
        "ca978112",
    ),
    "the sum of a coroutine": (
        "import asyncio\nasync def g(x):\n    await asyncio.sleep(0.001)\n    return x\n"
        "def f():\n    async def main(): return sum(await asyncio.gather(g(1), g(2)))\n    return asyncio.run(main())",
        3,
    ),
    "the work of threads": (
        "from concurrent.futures import ThreadPoolExecutor\n"
        "def f():\n    with ThreadPoolExecutor(4) as pool: return list(pool.map(abs, [-1, -2, -3]))",
        [1, 2, 3],
    ),
    "a query of a database in memory": (
        "import sqlite3\ndef f():\n    c = sqlite3.connect(':memory:')\n    c.execute('create table t (x)')\n"
        "    c.execute('insert into t values (5)')\n    return c.execute('select x + 1 from t').fetchone()",
        (6,),
    ),
    "a parsed document": (
        "import xml.etree.ElementTree as E\ndef f(): return E.fromstring('<a><b x=\"1\"/></a>')[0].attrib",
        {"x": "1"},
    ),
    "what it printed to a buffer": (
        "import io, contextlib\ndef f():\n    b = io.StringIO()\n    with contextlib.redirect_stdout(b): print('hi')\n    return b.getvalue()",
        "hi\n",
    ),
    "a compressed text": (
        "import zlib\ndef f(): return zlib.decompress(zlib.compress(b'a' * 1000)) == b'a' * 1000",
        True,
    ),
    "deep recursion within Python's limit": ("def f(n=900):\n    return 0 if n == 0 else 1 + f(n - 1)", 900),
    "the answer of an alarm": (
        "import signal, time\ndef f():\n    class T(Exception): pass\n    def h(*a): raise T\n"
        "    signal.signal(signal.SIGALRM, h)\n    signal.setitimer(signal.ITIMER_REAL, 0.02)\n"
        "    try: time.sleep(5)\n    except T: return 'woken'",
        "woken",
    ),
    "nothing at the end of its input": ("import sys\ndef f(): return sys.stdin.read()", ""),
    "no file where there is none": (
        "import os, pathlib\ndef f(): return os.path.exists('/x') or pathlib.Path('/x').exists()",
        False,
    ),
    "what a type hint resolves to": (
        "import dataclasses, typing\n@dataclasses.dataclass\nclass P:\n    x: 'int'\n"
        "def f(): return typing.get_type_hints(P)['x'] is int",
        True,
    ),
    "a bisected list": ("import bisect\ndef f(): return bisect.bisect([1, 3, 5], 3)", 2),
    "the same random numbers each time": ("import random\ndef f(): return isinstance(random.random(), float)", True),
    "no __main__ block": ("x = 1\nif __name__ == '__main__':\n    x = 2\ndef f(): return x", 1),
    "a pickled copy": (
        "import pickle\nclass A:\n    pass\ndef f(): return type(pickle.loads(pickle.dumps(A()))) is A",
        True,
    ),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_may_return(name: str, pool: Pool) -> None:
    code, expected = PROGRAMS[name]

    (result,) = pool.run_many([Job.call(code, "f", [])])

    assert result.status == "passed", result
    assert result.value == expected
    assert type(result.value) is type(expected)


def test_the_standard_library_is_there_without_a_file_system(pool: Pool) -> None:
    jobs = [Job.call(f"import {name}\ndef f(): return True", "f", []) for name in STANDARD_LIBRARY]

    results = pool.run_many(jobs)

    assert [
        (name, result.exception) for name, result in zip(STANDARD_LIBRARY, results, strict=True) if not result.value
    ] == []


def test_a_generators_values_are_told(pool: Pool) -> None:
    (result,) = pool.run_many([Job.call("def f(n):\n    yield from range(n)", "f", [3])])

    assert list(result.value) == [0, 1, 2]


def test_arguments_arrive_as_they_were_sent(pool: Pool) -> None:
    args = [1, -(2**80), "é", [1.5, None], {"a": (1, {2})}, Decimal("1.5"), datetime.date(2020, 1, 1), b"\xff"]
    code = "def f(*args, **kwargs): return [list(args), kwargs, [type(a).__name__ for a in args]]"

    (result,) = pool.run_many([Job.call(code, "f", args, {"key": {"x"}})])

    assert result.value == [args, {"key": {"x"}}, [type(value).__name__ for value in args]]


def test_unseeded_random_numbers_are_the_same_in_every_run(pool: Pool) -> None:
    job = Job.call("import random\ndef f(): return random.random()", "f", [])

    assert len({result.value for result in pool.run_many([job] * 4)}) == 1


def test_an_exception_is_told_with_its_line(pool: Pool) -> None:
    (result,) = pool.run_many([Job.call("def g(x):\n    return 1 // x\ndef f(x):\n    return g(x)", "f", [0])])

    assert (result.status, result.exception) == ("exception", "ZeroDivisionError: integer division or modulo by zero")
    assert result.detail == "line 2"


def test_a_method_is_found_by_its_dotted_name(pool: Pool) -> None:
    (result,) = pool.run_many([Job.call("class A:\n    @staticmethod\n    def f(x): return x", "A.f", [1])])

    assert result.value == 1
