"""The line at which a failing test's exception was raised: what the program says of it is a claim, and checked."""

import pytest

from verification.sandbox import Job, Pool

VALUES = ["assert f(1) == 1"]
SCRIPT = ["for x in [1]:\n    assert f(x) == 1"]
DIVIDES = "def g(x):\n    return 1 // x\n\ndef f(x):\n    return g(x - 1)\n"
PROGRAMS = {  # name: (program, line)
    "raises in a helper": (DIVIDES, 2),
    "raises in the library": ("import json\ndef f(x):\n    y = 'no'\n    return json.loads(y)", 4),
    "raises at the top": ("x = 1\ny = x / 0\ndef f(x): return x", 2),
    "fails its own assertion": ("def f(x):\n    y = x\n    assert y > 1\n    return y", 3),
    "raises over several lines": ("def f(x):\n    return [\n        1,\n        x[0],\n    ]", 4),
    "is not Python": ("def f(x):\n    return x +\n", 2),
    "is not Python at its end": ("def f(x):\n    return (x", 2),
    "reads a text that is not Python": ("def f(x):\n    y = 1\n    return eval('1 +' + '\\n' * 9)", 3),
    "raises a SyntaxError of its own": ("def f(x):\n    y = 1\n    raise SyntaxError('x')", 3),
    "recurses": ("def f(x):\n    return f(x)", 2),
    "counts carriage returns": ("def f(x):\r\n    y = 1\r    return y.z", 3),
    "does not count form feeds": ("def f(x):\n    y = '\\x0c \\u2028'\n\x0c\n    return y.z", 4),
    "lacks the function": ("def g(x): return x", None),
    "returns another value": ("def f(x):\n    return x + 1", None),
    "passes": ("def f(x):\n    return x", None),
    "catches what it raises": ("def f(x):\n    try:\n        return x.y\n    except AttributeError:\n        return x", None),
    "ends": ("import os\ndef f(x): os._exit(0)", None),
}  # fmt: skip


@pytest.mark.usefixtures("image")
@pytest.mark.parametrize("tests", [VALUES, SCRIPT], ids=["values", "asserts"])
@pytest.mark.parametrize("name", PROGRAMS)
def test_the_line_of_a_program_that(name: str, tests: list[str], pool: Pool) -> None:
    program, line = PROGRAMS[name]

    (result,) = pool.run_many([Job.tests(program, "f", tests)])

    assert result.line == line, result
    assert (result.status == "passed") == (name in ("passes", "catches what it raises"))


@pytest.mark.parametrize("tests", [VALUES, SCRIPT], ids=["values", "asserts"])
def test_the_line_is_that_of_the_first_test_that_fails(tests: list[str], pool: Pool) -> None:
    program = "def f(x):\n    if x == 1:\n        return 1\n    if x == 2:\n        return x.y\n    return x.z"
    more = [*tests, "assert f(2) == 2", "assert f(3) == 3"]

    (result,) = pool.run_many([Job.tests(program, "f", more)])

    assert result.tests == ("passed", "exception", "exception")
    assert (result.line, result.detail) == (5, "line 5")


def test_a_value_that_is_wrong_before_an_exception_leaves_the_line_unknown(pool: Pool) -> None:
    program = "def f(x):\n    if x == 1:\n        return 0\n    return x.z"

    (result,) = pool.run_many([Job.tests(program, "f", [*VALUES, "assert f(2) == 2"])])

    assert (result.tests, result.line) == (("wrong", "exception"), None)


@pytest.mark.parametrize("tests", [VALUES, SCRIPT], ids=["values", "asserts"])
def test_a_preludes_lines_do_not_count(tests: list[str], pool: Pool) -> None:
    prelude = "import math\nimport string\n\n\ndef helper(x):\n    return x\n"

    (result,) = pool.run_many([Job.tests(DIVIDES, "f", tests, prelude=prelude)])

    assert result.line == 2


@pytest.mark.parametrize("tests", [VALUES, SCRIPT], ids=["values", "asserts"])
def test_an_exception_of_the_test_itself_has_no_line(tests: list[str], pool: Pool) -> None:
    (result,) = pool.run_many([Job.tests("def f(x):\n    return x", "f", [*tests, "assert f(1).a == 2"])])

    assert (result.status, result.line) == ("exception", None)


def test_the_wrong_exception_is_told_with_its_line(pool: Pool) -> None:
    test = "import pytest\nwith pytest.raises(ValueError):\n    f(1)"

    results = pool.run_many([Job.tests(code, "f", [test]) for code in (DIVIDES, "def f(x):\n    return x")])

    assert [(result.status, result.detail, result.line) for result in results] == [
        ("wrong", "did not raise ValueError", 2),
        ("wrong", "did not raise ValueError", None),
    ]


CLAIMS = ["10 ** 9", "10 ** 3999", "0", "-1", "True", "'2'", "2.0", "[2]", "None", "4", "float('nan')"]
FORGED = (
    "import os, struct, json\ndef f(x):\n    b = json.dumps(['x', [['E'], '', {claim}], []]).encode()\n"
    "    for n in range(3, 7):\n        try: os.write(n, struct.pack('>I', len(b)) + b)\n"
    "        except OSError: pass\n    os._exit(0)"
)


@pytest.mark.parametrize("claim", CLAIMS)
def test_a_forged_line_is_one_of_the_programs_or_none(claim: str, pool: Pool) -> None:
    code = FORGED.format(claim=claim)

    results = pool.run_many([Job.tests(code, "f", tests) for tests in (VALUES, SCRIPT)])

    lines = {result.line for result in results}
    assert lines == {4} if claim == "4" else lines == {None}
    assert all(result.status == "exception" or claim == "10 ** 3999" for result in results), results
    assert {result.detail for result in results if result.status == "exception"} <= {"", "line 4"}


@pytest.mark.parametrize("tests", [VALUES, SCRIPT], ids=["values", "asserts"])
def test_a_frame_that_only_bears_the_programs_name_names_no_line_beyond_it(tests: list[str], pool: Pool) -> None:
    program = "def f(x):\n    exec(compile('\\n' * 40 + 'x.y', '<program>', 'exec'), {'x': x})"

    (result,) = pool.run_many([Job.tests(program, "f", tests)])

    assert (result.status, result.line, result.detail) == ("exception", None, "")
