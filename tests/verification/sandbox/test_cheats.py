"""Programs that want to pass without the right answer. What they return is 0, or something that claims to be 42."""

import pytest

from verification.sandbox import Job, Pool

EQUAL = "    def __eq__(self, other): return True\n    def __ne__(self, other): return False\n    __hash__ = object.__hash__\n"
CHEATS = {
    "equals everything": f"class A:\n{EQUAL}def f(x): return A()",
    "is a number that equals everything": f"class A(int):\n{EQUAL}def f(x): return A(0)",
    "is a text that equals everything": f"class A(str):\n{EQUAL}def f(x): return A('42')",
    "is a list that equals everything": f"class A(list):\n{EQUAL}def f(x): return A()",
    "compares by its metaclass": (
        "class M(type):\n    def __eq__(self, other): return True\n    __hash__ = type.__hash__\n"
        "class A(metaclass=M): pass\ndef f(x): return A"
    ),
    "lies about its class": (
        f"class A:\n    __class__ = int\n    def __int__(self): return 42\n    def __index__(self): return 42\n{EQUAL}"
        "def f(x): return A()"
    ),
    "changes builtins": (
        "import builtins\nbuiltins.isinstance = lambda *a: True\nbuiltins.all = lambda *a: True\n"
        "builtins.AssertionError = type('A', (Exception,), {})\ndef f(x): return 0"
    ),
    "changes operator": "import operator\noperator.eq = lambda a, b: True\ndef f(x): return 0",
    "changes math": "import math\nmath.isclose = lambda *a, **k: True\ndef f(x): return 0",
    "changes the codec": (
        "import sys\nm = sys.modules['verification.sandbox.codec']\nm.matches = lambda *a: True\n"
        "m.decode = lambda *a, **k: 42\ndef f(x): return 0"
    ),
    "changes json": "import json\njson.dumps = lambda *a, **k: '\"passed\"'\ndef f(x): return 0",
    "writes a forged verdict": (
        "import os, struct, json\ndef f(x):\n    b = json.dumps(['passed', None]).encode()\n"
        "    os.write(3, struct.pack('>I', len(b)) + b)\n    os._exit(0)"
    ),
    "writes many forged verdicts": (
        "import os, struct, json\ndef f(x):\n    b = json.dumps(['passed', None]).encode()\n"
        "    for n in range(3, 60):\n        for _ in range(9):\n            try: os.write(n, struct.pack('>I', len(b)) + b)\n"
        "            except OSError: pass\n    os._exit(0)"
    ),
    "says it is ready again": "import os\nos.write(3, b'ready\\n' * 3)\ndef f(x): return 0",
    "ends well": "import os\ndef f(x): os._exit(0)",
    "ends well when it is loaded": "import os\nos._exit(0)",
    "raises SystemExit": "def f(x): raise SystemExit(0)",
    "raises StopIteration": "def f(x): raise StopIteration(42)",
    "raises GeneratorExit": "def f(x): raise GeneratorExit",
    "raises KeyboardInterrupt": "def f(x): raise KeyboardInterrupt",
    "returns in an exception": "class R(Exception):\n    value = 42\ndef f(x): raise R(42)",
    "prints the answer": "def f(x):\n    print(42)\n    print('PASSED')",
    "prints at exit": "import atexit\natexit.register(print, 'passed')\ndef f(x): return 0",
    "looks through the frames": (
        "import sys\ndef f(x):\n    frame = sys._getframe()\n    while frame:\n"
        "        for value in frame.f_locals.values():\n            if '== ' + str(42) in repr(value): return 42\n"
        "        frame = frame.f_back\n    return 0"
    ),
    "looks through memory": (
        "import gc\ndef f(x):\n    for o in gc.get_objects():\n        try:\n"
        "            if isinstance(o, (list, tuple, dict)) and '== ' + str(42) in repr(o): return 42\n"
        "        except Exception: pass\n    return 0"
    ),
    "traces its caller": (
        "import sys\nseen = []\ndef t(frame, event, arg):\n    seen.append(repr(frame.f_locals))\n    return t\nsys.settrace(t)\n"
        "def f(x):\n    return 42 if any('== ' + str(42) in s for s in seen) else 0"
    ),
    "reads the test's source": (
        "import linecache, inspect, sys\ndef f(x):\n    try: lines = inspect.getsource(sys._getframe(1))\n"
        "    except Exception: lines = ''\n    return 42 if '== ' + str(42) in lines else 0"
    ),
    "reads its channel": (
        "import os\ndef f(x):\n    os.set_blocking(3, False)\n    try: return 42 if b'42' in os.read(3, 9999) else 0\n"
        "    except OSError: return 0"
    ),
    "returns a generator that changes": "def f(x):\n    yield 41",
    "is a mapping of everything": "class D(dict):\n    def __missing__(self, k): return 42\ndef f(x): return D()",
    "defines assert's helpers": "def check(c): pass\nTrue_ = True\ndef f(x): return 0",
    "replaces itself on the next call": (
        "import sys\ndef f(x):\n    sys.modules['__main__'].__dict__['f'] = lambda x: 42\n    return 0"
    ),
    "pickles code": "import os\nclass P:\n    def __reduce__(self): return (eval, ('42',))\ndef f(x): return P()",
    "is not a number": "def f(x): return float('nan')",
    "is not implemented": "def f(x): return NotImplemented",
    "returns a property": f"class A:\n{EQUAL}    @property\n    def __class__(self): return int\ndef f(x): return A()",
    "returns a deep impostor": f"class A(int):\n{EQUAL}def f(x): return [A(0)]",
}
VALUES = ["assert f(1) == 42", "assert 42 == f(2)", "assert f(3) in [42]"]
SCRIPT = [
    "result = f(1)\nassert result + 0 == 42",
    "assert all(map(lambda x: f(x) == 42, [1, 2]))",
    "for x in range(2):\n    assert f(x) == 42",
    "assert [f(1)] == [42]",
]


@pytest.mark.usefixtures("image")
@pytest.mark.parametrize("tests", [VALUES, SCRIPT], ids=["values", "asserts"])
@pytest.mark.parametrize("name", CHEATS)
def test_no_test_passes_for_a_program_that(name: str, tests: list[str], pool: Pool) -> None:
    (result,) = pool.run_many([Job.tests(CHEATS[name], "f", tests)])

    assert result.status not in ("passed", "infra_error"), result
    assert result.passed == 0, result


def test_an_impostor_passes_no_other_comparison(pool: Pool) -> None:
    code = (
        "class A:\n    def __getattr__(self, n): return lambda *a: True\n"
        "    __lt__ = __gt__ = __contains__ = __ne__ = lambda *a: True\ndef f(): return A()"
    )
    tests = ["assert f() != 3", "assert f() < 3", "assert 3 in f()", "assert f() is None", "assert f() is not None"]

    (result,) = pool.run_many([Job.tests(code, "f", tests)])

    assert result.tests == ("unserialisable",) * 5


def test_what_a_program_changes_in_its_process_reaches_no_other(pool: Pool) -> None:
    vandal = (
        "import sys, builtins, math\nmath.sqrt = builtins.len = lambda *a: 42\nsys.modules.clear()\ndef f(x): return 1"
    )
    honest = "import math\ndef f(x): return math.sqrt(x) + len('ab')"

    results = pool.run_many(
        [Job.tests(vandal, "f", ["assert f(1) == 1"]), Job.tests(honest, "f", ["assert f(4) == 4"])] * 4
    )

    assert [result.status for result in results[1::2]] == ["passed"] * 4
