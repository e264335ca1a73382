"""Tests of a task mean what they mean to Python: each row is run by CPython as well, and both must agree."""

from typing import Any

import pytest

from verification.sandbox import BadTest, Job, Pool
from verification.sandbox.testspec import Script, Values, parse

IDENTITY = "def f(x): return x"
VALUES = [  # (program, test): read into calls and checks
    (IDENTITY, "assert f(3) == 3"),
    (IDENTITY, "assert f(3) == 4"),
    (IDENTITY, "assert 3 == f(3)"),
    (IDENTITY, "assert f(3) == 3.0"),
    (IDENTITY, "assert f(True) == 1"),
    (IDENTITY, "assert f([1]) == (1,)"),
    (IDENTITY, "assert f((1, [2])) == (1, [2])"),
    (IDENTITY, "assert f({1: 'a', 2: [3]}) == {2: [3], 1: 'a'}"),
    (IDENTITY, "assert f({1: 'a'}) == {1: 'b'}"),
    (IDENTITY, "assert f({1, 2}) == {2, 1}"),
    (IDENTITY, "assert f({1, 2}) == frozenset([2, 1])"),
    (IDENTITY, "assert f({1, 2}) == {1, 3}"),
    (IDENTITY, "assert f({1.0}) == {True}"),
    (IDENTITY, "assert f('a') != 'b'"),
    (IDENTITY, "assert f('a') != 'a'"),
    (IDENTITY, "assert f(None) is None"),
    (IDENTITY, "assert f(0) is None"),
    (IDENTITY, "assert f(1) is True"),
    (IDENTITY, "assert f(1) is not None"),
    (IDENTITY, "assert f(2) in (1, 2)"),
    (IDENTITY, "assert f(2) not in (1, 2)"),
    (IDENTITY, "assert 2 in f([1, 2])"),
    (IDENTITY, "assert 'b' not in f('abc')"),
    (IDENTITY, "assert f(2) < 3"),
    (IDENTITY, "assert 3 < f(2)"),
    (IDENTITY, "assert 2 <= f(2)"),
    (IDENTITY, "assert f('b') >= 'a'"),
    (IDENTITY, "assert not f(0)"),
    (IDENTITY, "assert not f([0])"),
    (IDENTITY, "assert f([])"),
    (IDENTITY, "assert f([1]) and f(2) == 2"),
    (IDENTITY, "import math\nassert math.isclose(f(0.1 + 0.2), 0.3)"),
    (IDENTITY, "import math\nassert math.isclose(f(0.1), 0.3, rel_tol=0.1)"),
    (IDENTITY, "import math\nassert math.isclose(f(0.1), 0.3, abs_tol=0.5)"),
    (IDENTITY, "assert abs(f(1.5) - 1.4) < 0.2"),
    (IDENTITY, "assert abs(1.4 - f(1.5)) < 0.01"),
    (IDENTITY, "assert f(-3) == -3"),
    (IDENTITY, "assert f([0] * 3) == [0, 0, 0]"),
    (IDENTITY, "assert f(2 ** 70) == 1180591620717411303424"),
    (IDENTITY, "assert f(float('inf')) == float('inf')"),
    (IDENTITY, "assert f(float('nan')) == float('nan')"),
    (IDENTITY, "assert f(x=1) == 1"),
    (IDENTITY, "from decimal import Decimal\nassert f(Decimal('1.50')) == Decimal('1.5')"),
    (IDENTITY, "from fractions import Fraction\nassert f(Fraction(1, 2)) == 0.5"),
    (IDENTITY, "import datetime\nassert f(datetime.date(2020, 1, 1)) == datetime.date(2020, 1, 1)"),
    (IDENTITY, "from collections import deque\nassert f(deque([1])) == [1]"),
    (IDENTITY, "x = [1, 2]\nassert f(x) == [1, 2]"),
    (IDENTITY, "got = f(5)\nassert got == 5\nassert got > 4"),
    (IDENTITY, "def check(candidate):\n    assert candidate(1) == 1\n    assert candidate(2) == 3\ncheck(f)"),
    (IDENTITY, "def check(candidate):\n    'doc'\n    assert True, 'x'\n    assert candidate(1) == 1\ncheck(f)"),
    ("def f(x): x.sort()", "x = [2, 1]\nf(x)\nassert x == [1, 2]"),
    ("def f(x): x.sort()", "x = [2, 1]\nf(x)\nassert x == [2, 1]"),
    ("def f(x, y): y[0] = x", "y = [2, 1]\nassert f(5, y) is None\nassert y == [5, 1]"),
    ("def f(x, y):\n    x.append(1)\n    y.add(2)", "x = []\ny = {1}\nf(x, y)\nassert y == {1, 2}\nassert x == [1]"),
    ("def f(x): return 1 // x", "assert f(0) == 1"),
    ("def f(x): yield x", "assert f(1) == [1]"),
    ("import re\ndef f(x): return re.match('a', x)", "assert f('a')"),
    ("import re\ndef f(x): return re.match('a', x)", "assert not f('b')"),
    ("import re\ndef f(x): return re.match('a', x)", "assert not f('a')"),
    ("def f(x): return object()", "f(1)"),
    ("def f(x):\n    x.append(1)\n    return object()", "x = []\ny = f(x)\nassert x == [1]"),
    ("def f(x): return 1 // x", "f(0)"),
    ("class A(int): pass\ndef f(x): return A(x)", "assert f(3) == 3"),
    ("from collections import defaultdict\ndef f(x): return defaultdict(list, {x: [1]})", "assert f(3) == {3: [1]}"),
]
SCRIPTS = [  # (program, test): left to the tester
    (IDENTITY, "for i in range(3):\n    assert f(i) == i"),
    (IDENTITY, "assert f(1) == f(1)"),
    (IDENTITY, "assert f(1) == f(2)"),
    (IDENTITY, "assert len(f('abc')) == 3"),
    (IDENTITY, "assert sorted(f([2, 1])) == [1, 2]"),
    (IDENTITY, "assert 1 < f(2) < 3"),
    (IDENTITY, "assert f(1) == 1 or f(2) == 3"),
    (IDENTITY, "assert isinstance(f(1), str)"),
    (IDENTITY, "assert all(f(i) == i for i in range(5))"),
    (IDENTITY, "x = [1]\nf(x)\nf(x)\nassert x == [1]"),
    (IDENTITY, "import random\nassert f(random.random()) < 1"),
    (IDENTITY, "try:\n    f()\n    assert False\nexcept TypeError:\n    pass"),
    (IDENTITY, "try:\n    f(1)\nexcept TypeError:\n    pass\nelse:\n    assert False"),
    (IDENTITY, "def test_one():\n    assert f(1) == 1\ntest_one()"),
    ("def f(x): x.sort()", "x = [3, 1]\nfor _ in range(2): f(x)\nassert x == [1, 3]"),
    ("def f(x):\n    x['k'] = 1\n    x.pop('d')", "x = {'d': 0}\nfor _ in [0]: f(x)\nassert x == {'k': 1}"),
    ("def f(x): yield from x", "assert list(f([1, 2])) == [1, 2]"),
    ("def f(g, x): return g(g(x))", "assert f(lambda v: v + 1, 1) == 3"),
    ("def f(g, x): return sorted(x, key=g)", "assert f(len, ['aa', 'b']) == ['b', 'aa']"),
    ("class f:\n    def __init__(self): self.items = []\n    def push(self, x): self.items.append(x)\n"
     "    def __len__(self): return len(self.items)", "s = f()\ns.push(1)\nassert s.items == [1] and len(s) == 1"),
    ("class Pair:\n    def __init__(self, a, b): self.a, self.b = a, b\ndef f(ps): return [p.a + p.b for p in ps]",
     "assert f([Pair(1, 2), Pair(3, 4)]) == [3, 7]"),
    ("class E(Exception): pass\ndef f(x): raise E(x)", "try:\n    f(1)\n    assert False\nexcept E as e:\n    assert str(e) == '1'"),
    ("LIMIT = 3\ndef f(x): return LIMIT", "assert f(0) == LIMIT"),
    ("def f(x): raise KeyError(x)", "assert f(1) + 0 == 1"),
    ("def f(x): return x", "assert g(1) == 1"),
    ("def f(x):\n    if x: raise StopIteration\n    return x", "assert list(map(f, [0, 0])) == [0, 0]"),
]  # fmt: skip


def python_says(program: str, test: str) -> bool:
    namespace: dict[str, Any] = {}
    try:
        exec(program, namespace)
        exec(test, namespace)
    except Exception:  # noqa: BLE001 - a test may raise anything
        return False
    return True


@pytest.mark.parametrize(("program", "test"), VALUES)
def test_values_mode_agrees_with_python(program: str, test: str, pool: Pool) -> None:
    job = Job.tests(program, "f", [test])

    (result,) = pool.run_many([job])

    assert isinstance(job.plan, Values)
    assert (result.status == "passed") == python_says(program, test), result


@pytest.mark.parametrize(("program", "test"), SCRIPTS)
def test_assert_mode_agrees_with_python(program: str, test: str, pool: Pool) -> None:
    job = Job.tests(program, "f", [test])

    (result,) = pool.run_many([job])

    assert isinstance(job.plan, Script)
    assert (result.status == "passed") == python_says(program, test), result


PYTEST = {
    "raises": ("import pytest\nwith pytest.raises(ValueError):\n    f('a')", "wrong"),
    "raises what is expected": ("import pytest\nwith pytest.raises(ZeroDivisionError):\n    f(0)", "passed"),
    "raises with a message": (
        "import pytest\ndef test_it():\n    with pytest.raises(ZeroDivisionError, match='division'):\n        f(0)",
        "passed",
    ),
    "runs a test function": ("def test_it():\n    assert f(1) == 2", "wrong"),
    "knows parametrize": (
        "import pytest\n@pytest.mark.parametrize('x, y', [(1, 1), (2, 0.5)])\ndef test_it(x, y):\n    assert f(x) == pytest.approx(y)",
        "passed",
    ),
    "runs every parameter": (
        "import pytest\n@pytest.mark.parametrize('x', [1, 2])\ndef test_it(x):\n    assert f(x) == 1",
        "wrong",
    ),
    "knows fixtures": (
        "import pytest\n@pytest.fixture\ndef two():\n    return 2\ndef test_it(two):\n    assert f(two) == 0.5",
        "passed",
    ),
}


@pytest.mark.parametrize("name", PYTEST)
def test_a_test_in_the_manner_of_pytest(name: str, pool: Pool) -> None:
    test, status = PYTEST[name]

    (result,) = pool.run_many([Job.tests("def f(x): return 1 / x", "f", [test])])

    assert result.status == status, result


def test_the_preludes_helpers_belong_to_the_task(pool: Pool) -> None:
    prelude = "import math\ndef poly(xs, x): return sum(c * math.pow(x, i) for i, c in enumerate(xs))"
    code = "def poly(xs, x): return 0\ndef f(xs): return 5"

    (result,) = pool.run_many([Job.tests(code, "f", ["assert poly([-2, 1], f([-2, 1])) == 0"], prelude)])

    assert result.status == "wrong"


def test_the_program_gets_the_preludes_imports_and_not_its_helpers(pool: Pool) -> None:
    prelude = "import math\ndef answer(): return 42"
    code = "def f(x):\n    return math.sqrt(x)\ndef g(x):\n    return answer()"

    with_import, without_helper = pool.run_many(
        [
            Job.tests(code, "f", ["assert f(4) == 2"], prelude),
            Job.tests(code, "g", ["assert g(1) == answer()"], prelude),
        ]
    )

    assert with_import.status == "passed"
    assert without_helper.exception == "NameError: name 'answer' is not defined"


def test_the_programs_own_comparison_judges_nothing(pool: Pool) -> None:
    code = "class A:\n    def __eq__(self, other): return True\n    __hash__ = None\ndef f(): return A()"

    (result,) = pool.run_many([Job.tests(code, "f", ["x = f()\nfor _ in [0]:\n    assert x == 3"])])

    assert result.status == "unserialisable"


def test_the_first_test_that_does_not_pass_names_the_status(pool: Pool) -> None:
    tests = ["assert f(1) == 1", "assert f(0) == 1", "assert f(2) == 3", "assert f(1) == 1"]

    (result,) = pool.run_many([Job.tests("def f(x): return 1 // x if x < 2 else x", "f", tests)])

    assert (result.status, result.passed, result.total) == ("exception", 2, 4)
    assert result.tests == ("passed", "exception", "wrong", "passed")


def test_a_test_that_is_not_python_is_the_tasks_fault() -> None:
    with pytest.raises(BadTest, match="test 2 is not Python"):
        parse(("assert f(1) == 1", "assert f(1) =="), "f")


def test_no_tests_are_no_success() -> None:
    with pytest.raises(BadTest, match="no test"):
        parse((), "f")


def test_a_test_that_calls_nothing_still_needs_a_program_that_loads(pool: Pool) -> None:
    for test in ("pass", "assert True", "def check(c):\n    assert c(1) == 1"):
        (result,) = pool.run_many([Job.tests("1 / 0", "f", [test])])

        assert (result.status, result.passed) == ("exception", 0)


def test_no_expected_value_is_part_of_what_the_program_is_told() -> None:
    from verification.sandbox import Limits
    from verification.sandbox.jobs import requests

    (told,) = requests(Job.tests("def f(x): ...", "f", ["assert f(17) == 424242"]), Limits())

    assert b"17" in told
    assert b"424242" not in told


def test_expressions_that_would_grow_are_left_to_the_tester() -> None:
    for test in ("assert f(9 ** 9 ** 9) == 1", "assert f('a' * 10 ** 9) == 1", "assert f('%99999999d' % 1) == 1"):
        assert isinstance(parse((test,), "f"), Script)
