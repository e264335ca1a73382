"""The lean image of the interpreter and the full one: which a program gets shows in nothing but its cost."""

import subprocess
import sys
from pathlib import Path

import pytest

from verification.sandbox import Job, Pool, lean
from verification.sandbox.protocol import FULL, LEAN, WANTS_LIBRARY

TELL = "import sys\ndef f(): return 'decimal' in sys.modules"


@pytest.mark.parametrize(
    ("code", "image"),
    [
        ("def f(): return 1", LEAN),
        ("import math, re as r\nfrom typing import List\nfrom collections.abc import Iterator", LEAN),
        ("import math\nimport decimal", FULL),
        ("import math, decimal", FULL),
        ("from datetime import date", FULL),
        ("from os.path import join", LEAN),
        ("def f():\n    if True: import random", FULL),
        ("__import__('random')", FULL),
        ("import re; import random", FULL),
        ("import re \\\n  , random", LEAN),  # a wrong guess, which the program puts right itself
    ],
)
def test_a_job_goes_to_the_image_it_seems_to_need(code: str, image: str) -> None:
    assert Job.call(code, "f", []).image() == image


@pytest.mark.parametrize("modules", [["assert f() == 1"], ["import pytest\ndef test_it(): assert f() == 1"]])
def test_a_tests_own_imports_count_as_well(modules: list[str]) -> None:
    expected = FULL if "pytest" in modules[0] else LEAN

    assert Job.tests("def f(): return 1", "f", modules).image() == expected


def test_the_images_differ(pool: Pool) -> None:
    lean_one, full_one = pool.run_many([Job.call(TELL, "f", []), Job.call("import decimal\n" + TELL, "f", [])])

    assert (lean_one.value, full_one.value) == (False, True)


@pytest.mark.parametrize(
    "code",
    [
        "exec('imp' + 'ort random')\ndef f(x): return x",
        "def f(x):\n    exec('imp' + 'ort random')\n    return x",
        "import re \\\n  , random\ndef f(x): return x",
        "def f(x): return x if '\\u00fc'.encode('utf-16') else 0",
    ],
    ids=["at loading", "in a call", "unseen by the guess", "an encoding"],
)
@pytest.mark.parametrize("tests", [["assert f(1) == 1", "assert f(2) == 2"], ["for x in [1, 2]: assert f(x) == x"]])
def test_a_module_that_only_the_full_image_has_is_there_for_the_asking(code: str, tests: list[str], pool: Pool) -> None:
    job = Job.tests(code, "f", tests)
    assert job.image() == LEAN

    (result,) = pool.run_many([job])

    assert result.status == "passed", result


def test_an_argument_may_need_the_full_image(pool: Pool) -> None:
    from decimal import Decimal

    (result,) = pool.run_many([Job.call("def f(x): return x + 1", "f", [Decimal("0.5")])])

    assert result.value == Decimal("1.5")


@pytest.mark.parametrize("tests", [["assert f(1) == 1"], ["for x in [1]: assert f(x) == x"]], ids=["values", "asserts"])
def test_whoever_forges_the_wish_for_the_library_is_run_again_and_no_more(tests: list[str], pool: Pool) -> None:
    forger = (
        f"import os, struct, json\ndef f(x):\n    b = json.dumps([{WANTS_LIBRARY!r}]).encode()\n"
        "    os.write(3, struct.pack('>I', len(b)) + b)\n    os._exit(0)"
    )
    assert Job.tests(forger, "f", tests).image() == LEAN

    (result,) = pool.run_many([Job.tests(forger, "f", tests)])

    assert (result.status, result.passed) == ("died", 0)


def test_an_unknown_module_is_unknown_in_either_image(pool: Pool, image: str) -> None:
    (result,) = pool.run_many([Job.call("import numpy\ndef f(): return 1", "f", [])])

    assert (result.status, result.exception) == ("exception", "ModuleNotFoundError: No module named 'numpy'")


def test_a_batch_of_both_kinds_comes_back_in_order() -> None:
    codes = ["def f(x): return x", "import decimal\ndef f(x): return x", "exec('imp' + 'ort csv')\ndef f(x): return x"]
    jobs = [Job.call(codes[number % 3], "f", [number]) for number in range(60)]
    with Pool(2) as own:
        assert len(own.process_ids()) == 2

        assert [result.value for result in own.run_many(jobs)] == list(range(60))

        assert len(own.process_ids()) == 4


def test_the_lean_image_is_small() -> None:
    """Its modules and what they pull in: a module more is a cost to every run."""
    root = Path(__file__).resolve().parents[3]
    script = "import sys\nfrom verification.sandbox import lean\nlean.load()\nprint(len(sys.modules))"
    stub = "import sys, types\nfor n in ('verification', 'verification.sandbox'):\n    m = sys.modules[n] = types.ModuleType(n)\n    m.__path__ = [%r + n.replace('.', '/')]\n"

    done = subprocess.run(
        [sys.executable, "-S", "-s", "-P", "-c", stub % f"{root}/" + script], check=True, capture_output=True, text=True
    )

    assert int(done.stdout) < 115
    assert "decimal" not in lean.MODULES
