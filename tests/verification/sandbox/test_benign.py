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


@pytest.mark.usefixtures("image")
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


EVERYDAY = {
    "sorts by a key": "def f(): return sorted(['bb', 'a', 'ccc'], key=lambda s: (-len(s), s))",
    "counts words": "from collections import Counter\ndef f(): return Counter('a b a'.split()).most_common(1)",
    "remembers results": (
        "from functools import lru_cache\n@lru_cache(None)\ndef g(n): return n if n < 2 else g(n - 1) + g(n - 2)\n"
        "def f(): return g(80)"
    ),
    "makes permutations": "from itertools import permutations\ndef f(): return list(permutations('abc', 2))",
    "matches a pattern": "import re\ndef f(): return re.findall(r'(\\w)=(\\d+)', 'a=1, b=22')",
    "splits and joins a path": "import os.path\ndef f(): return os.path.normpath(os.path.join('a', '..', 'b'))",
    "parses JSON": "import json\ndef f(): return json.loads('{\"a\": [1, 2.5, null]}')",
    "writes CSV": (
        "import csv, io\ndef f():\n    b = io.StringIO()\n    csv.writer(b).writerow([1, 'a,b'])\n    return b.getvalue()"
    ),
    "keeps a heap": "import heapq\ndef f():\n    h = [5, 1, 3]\n    heapq.heapify(h)\n    return [heapq.heappop(h) for _ in h[:]]",
    "searches breadth first": (
        "from collections import deque\ndef f():\n    g = {1: [2, 3], 2: [4], 3: [4], 4: []}\n    seen, q = [], deque([1])\n"
        "    while q:\n        n = q.popleft()\n        if n not in seen:\n            seen.append(n)\n            q.extend(g[n])\n"
        "    return seen"
    ),
    "sieves primes": (
        "def f():\n    s = [True] * 100\n    for i in range(2, 10):\n        if s[i]:\n            s[i*i::i] = [False] * len(s[i*i::i])\n"
        "    return [i for i in range(2, 100) if s[i]]"
    ),
    "multiplies matrices": "def f(): return [[sum(a * b for a, b in zip(r, c)) for c in zip(*[[1, 2], [3, 4]])] for r in [[5, 6]]]",
    "converts bases": "def f(): return [int('ff', 16), bin(10), hex(255), oct(8), format(5, '08b')]",
    "formats numbers": "def f(): return f'{3.14159:.2f} {1234567:,} {0.5:%} {42:>6}'",
    "rounds as banks do": "def f(): return [round(0.5), round(1.5), round(2.675, 2), round(-7, -1)]",
    "slices every way": "def f(): return ['abcdef'[::-2], [1, 2, 3][-2:], (1, 2, 3)[5:]]",
    "unpacks": "def f():\n    a, *b, c = range(5)\n    return a, b, c",
    "uses a walrus": "def f(): return [y for x in range(5) if (y := x * x) % 2 == 0]",
    "matches structure": (
        "def f():\n    match {'k': [1, 2]}:\n        case {'k': [a, b]}:\n            return a + b\n        case _:\n            return 0"
    ),
    "inherits and overrides": (
        "class A:\n    def n(self): return 'a'\nclass B(A):\n    def n(self): return super().n() + 'b'\ndef f(): return B().n()"
    ),
    "defines operators": (
        "class V:\n    def __init__(self, x): self.x = x\n    def __add__(self, o): return V(self.x + o.x)\n"
        "    def __eq__(self, o): return self.x == o.x\ndef f(): return V(1) + V(2) == V(3)"
    ),
    "closes over a counter": (
        "def f():\n    n = 0\n    def up():\n        nonlocal n\n        n += 1\n        return n\n    return [up(), up()]"
    ),
    "catches what it raises": (
        "def f():\n    try:\n        int('x')\n    except ValueError as e:\n        return str(e)\n    finally:\n        pass"
    ),
    "chains exceptions": (
        "def f():\n    try:\n        try: 1 / 0\n        except ZeroDivisionError as e: raise KeyError('k') from e\n"
        "    except KeyError as e: return type(e.__cause__).__name__"
    ),
    "manages a context": (
        "from contextlib import contextmanager\nlog = []\n@contextmanager\ndef c():\n    log.append(1)\n    yield 2\n    log.append(3)\n"
        "def f():\n    with c() as x: log.append(x)\n    return log"
    ),
    "computes statistics": "import statistics as s\ndef f(): return [s.mean([1, 2, 3]), s.median([3, 1, 2]), s.mode('aab')]",
    "uses exact decimals": "from decimal import Decimal as D\ndef f(): return D('0.1') + D('0.2') == D('0.3')",
    "counts days": "import datetime as d\ndef f(): return (d.date(2024, 3, 1) - d.date(2024, 2, 1)).days",
    "encodes and decodes": "import base64\ndef f(): return base64.b64decode(base64.b64encode('ñ'.encode())).decode()",
    "solves with backtracking": (
        "def f():\n    def q(n, r=0, c=()):\n        return 1 if r == n else sum(q(n, r + 1, c + (k,)) for k in range(n)\n"
        "            if all(k != x and abs(k - x) != r - i for i, x in enumerate(c)))\n    return q(6)"
    ),
    "walks a tree": (
        "def f():\n    def d(t): return 0 if t is None else 1 + max(d(t[0]), d(t[1]))\n    return d(((None, None), (None, ((None, None), None))))"
    ),
    "works on bits": "def f(): return [6 & 3, 6 | 3, 6 ^ 3, ~6, 1 << 70, -5 >> 1, (7).bit_length(), (7).bit_count()]",
    "divides as Python does": "def f(): return [-7 // 2, -7 % 2, divmod(7, -2), 7 / 2, 2 ** -1, pow(3, 5, 7)]",
}


@pytest.mark.usefixtures("image")
@pytest.mark.parametrize("name", EVERYDAY)
def test_a_program_returns_what_it_returns_outside_when_it(name: str, pool: Pool) -> None:
    names: dict[str, Any] = {"__name__": "program"}
    exec(EVERYDAY[name], names)

    (result,) = pool.run_many([Job.call(EVERYDAY[name], "f", [])])

    assert result.status == "passed", result
    assert result.value == names["f"]()
