"""What simulated panellists see on a page, and what they think of code."""

from __future__ import annotations

from dataclasses import replace

import pytest

from verification.sandbox import Result
from workers.browser import Page
from workers.panel import character, preference, scales, utility

PAGE = """
<body><div id="prompt-text">Suma <b>dos</b> números</div>
<form id="other" action="/x"><input name="q" value="1"></form>
<form id="rating" action="/p/demo/rate/submit/" data-assignment="7">
<input type="hidden" name="csrfmiddlewaretoken" value="token">
<input type="radio" name="preference" value="-1"><input type="radio" name="preference" value="1" checked>
<textarea name="rationale"></textarea>
<pre id="left-code"><span class="k">def</span> f(a, b):
    return a &lt; b
</pre><button name="skip" type="submit" value="1">skip</button></form></body>
"""


def result(passed: int, total: int = 4) -> Result:
    status = "passed" if passed == total else "wrong"
    return Result(status=status, passed=passed, total=total, value=None, exception=None, cpu_seconds=0.0, detail="")


def test_a_page_gives_the_exact_code_and_the_fields_that_a_browser_would_send() -> None:
    page = Page("http://127.0.0.1/p/demo/rate/", PAGE)
    assert page.text["left-code"] == "def f(a, b):\n    return a < b\n"
    assert page.text["prompt-text"] == "Suma dos números"
    form = page.form("rating")
    assert form.action == "/p/demo/rate/submit/"
    assert form.values == {"csrfmiddlewaretoken": "token", "preference": "1", "rationale": ""}


def test_code_that_does_the_job_is_worth_more_than_code_that_does_not_whatever_the_taste() -> None:
    good, bad = "def f(x):\n    return x + 1\n", "def f(x):\n    return x if x else [y for y in x]\n"
    for seed in range(50):
        person = character("p", "secret", seed=seed)
        assert utility(person, good, result(4)) > utility(person, bad, result(0))


def test_risky_code_is_worth_less_than_careful_code_that_passes_the_same_tests() -> None:
    person = replace(character("p", "secret", seed=1), brevity=0.0, idiom=0.0)
    careful = "def f(s):\n    if not s:\n        return None\n    return int(s)\n"
    risky = "def f(s):\n    return eval(s)\n"
    assert utility(person, careful, result(3)) > utility(person, risky, result(3))


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        (
            "def f(xs):\n    return max(xs, default=-1)\n",
            "def f(xs):\n    if not xs:\n        return -1\n    out = xs[0]\n    for x in xs:\n"
            "        if x > out:\n            out = x\n    return out\n",
        ),
        (
            "def f(table, key):\n    return table.get(key, 0)\n",
            "def f(table, key):\n    if key in table:\n        return table[key]\n    return 0\n",
        ),
        (
            "def f(xs):\n    return [x for x in xs if x > 0]\n",
            "def f(xs):\n    out = []\n    for x in xs:\n        if x > 0:\n            out.append(x)\n    return out\n",
        ),
        (
            "def f(a, b):\n    return a // b if b else 0\n",
            "def f(a, b):\n    if b == 0:\n        return 0\n    return a // b\n",
        ),
        (
            "def f(x):\n    return max(0, min(x, 9))\n",
            "def f(x):\n    if x < 0:\n        return 0\n    if x > 9:\n        return 9\n    return x\n",
        ),
        (
            "def f(xs):\n    out = [-x for x in xs]\n    return out[-1] if out else 0\n",
            "def f(xs):\n    out = []\n    for x in xs:\n        out.append(-x)\n    return out[-1] if out else 0\n",
        ),
    ],
)
def test_of_two_that_do_the_job_everybody_prefers_the_idiomatic_one(better: str, worse: str) -> None:
    for seed in range(20):
        person = character("p", "secret", seed=seed)
        assert utility(person, better, result(4)) > utility(person, worse, result(4))


def test_preferences_are_symmetric_and_have_seven_points() -> None:
    found = {preference(0.0, step / 10) for step in range(-30, 31)}
    assert found == {-3, -2, -1, 0, 1, 2, 3}
    assert all(preference(a, b) == -preference(b, a) for a in (0.0, 0.4, 2.0) for b in (0.1, 1.0, 3.0))


def test_scales_stay_between_one_and_five_also_for_broken_code() -> None:
    for code in ("def f(:", "import hashlib\nhashlib.md5(b'')", "def f(x):\n    return [y for y in x if y]"):
        for passed in (0, 2, 4):
            assert all(1 <= value <= 5 for value in scales(code, result(passed)).values())
