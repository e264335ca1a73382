"""The simulated panel: annotators who are programs, marked as such wherever their ratings are shown.

Each panellist signs in and rates through the same pages as a person. What a panellist thinks of a
piece of code is a *utility*: whether it does the job (its task's tests, run in the sandbox), plus a
taste of their own for short, readable and careful code that no test sees, plus noise. Some favour a
side. Preferences are the difference of two utilities, cut into seven points.
"""

from __future__ import annotations

import ast
import random
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from verification.sandbox import Job, Pool, Result
from workers.browser import Browser, Form, Page
from workers.taste import style

SCALES = ("correctness", "readability", "efficiency", "security")
STEPS = (0.15, 0.6, 1.2)
"""Differences of utility at which a preference grows by one point."""


@dataclass(frozen=True)
class Panellist:
    """One simulated annotator's character. Weights are in units of utility."""

    username: str
    password: str
    seed: int
    brevity: float = 0.2
    idiom: float = 0.3
    caution: float = 0.4
    noise: float = 0.3
    """Standard deviation of the error in each judgement."""
    side_bias: float = 0.0
    """Added to the left side's utility."""


@dataclass(frozen=True)
class Suite:
    """What a panellist runs to see whether code does the job."""

    entry: str
    tests: tuple[str, ...]
    prelude: str = ""


def character(username: str, password: str, *, seed: int) -> Panellist:
    """A panellist whose tastes are drawn from the seed."""
    chance = random.Random(f"panellist:{seed}")  # noqa: S311
    return Panellist(
        username=username,
        password=password,
        seed=seed,
        brevity=chance.uniform(0.0, 0.4),
        idiom=chance.uniform(0.1, 0.5),
        caution=chance.uniform(0.2, 0.6),
        noise=chance.uniform(0.2, 0.4),
        side_bias=chance.choice((0.0, 0.0, 0.1, -0.1)),
    )


class Panel:
    """Rates through the web application until no work is left."""

    def __init__(self, *, address: str, project: str, suites: Mapping[tuple[str, str], Suite], pool: Pool) -> None:
        """``suites`` maps (prompt text, signature) as shown on the page to the task's tests."""
        self._address = address
        self._path = f"/p/{project}/rate/"
        self._suites = suites
        self._pool = pool

    def rate_all(self, panellists: Sequence[Panellist], *, at_most: int, on_rating: Callable[[], None]) -> int:
        """Let the panellists rate in turn until none is given work, or so many ratings were sent; how many were."""
        desks = [_Desk(self, panellist) for panellist in panellists] if at_most > 0 else []
        total = 0
        while desks:
            working = []
            for desk in desks:
                if total < at_most and desk.rate_one():
                    working.append(desk)
                    total += 1
                    on_rating()
            desks = working
        return total

    def open_desk(self, panellist: Panellist) -> tuple[Browser, str]:
        browser = Browser(self._address)
        browser.sign_in(panellist.username, panellist.password)
        return browser, self._path

    def results(self, prompt: str, signature: str, codes: Sequence[str]) -> list[Result]:
        suite = self._suites[prompt, signature]
        jobs = [Job.tests(code, suite.entry, suite.tests, prelude=suite.prelude) for code in codes]
        return list(self._pool.run_many(jobs))


class _Desk:
    """One panellist before the rating page."""

    def __init__(self, panel: Panel, panellist: Panellist) -> None:
        self._panel = panel
        self._person = panellist
        self._chance = random.Random(f"ratings:{panellist.seed}")  # noqa: S311
        self._browser, path = panel.open_desk(panellist)
        self._page = self._browser.get(path)

    def rate_one(self) -> bool:
        """Rate the pair on the page; False when there is none. Sending a rating brings the next pair."""
        if "no-work" in self._page.text:
            return False
        form = self._page.form("rating")
        self._page = self._browser.submit(self._page, form, self._judge(self._page, form))
        return True

    def _judge(self, page: Page, form: Form) -> dict[str, str]:
        codes = page.text["left-code"], page.text["right-code"]
        results = self._panel.results(page.text["prompt-text"].strip(), page.text["prompt-signature"].strip(), codes)
        found = judge(self._person, self._chance, codes, results)
        answer = {"submission": form.values.get("submission") or str(uuid.uuid4()), "rationale": ""}
        for side, values in zip(("left", "right"), found.scales, strict=True):
            answer |= {f"{side}_{name}": str(value) for name, value in values.items()}
        if found.preference is None:
            return {**answer, "unusable": "on"}
        return {**answer, "preference": str(found.preference)}


@dataclass(frozen=True)
class Judgement:
    """What a panellist says of a pair."""

    preference: int | None
    """-3 (left much better) to 3 (right much better); None where both are unusable."""
    scales: tuple[dict[str, int], dict[str, int]]
    """Of the left and of the right program."""


def judge(person: Panellist, chance: random.Random, codes: Sequence[str], results: Sequence[Result]) -> Judgement:
    """What this panellist says of two programs, left and right, whose tests had these results."""
    pairs = list(zip(codes, results, strict=True))
    (left_scales, right_scales) = (scales(code, result) for code, result in pairs)
    if all(result.passed == 0 for result in results) and not any(_parses(code) for code in codes):
        return Judgement(None, (left_scales, right_scales))
    left, right = (utility(person, code, result) + chance.gauss(0.0, person.noise) for code, result in pairs)
    return Judgement(preference(left + person.side_bias, right), (left_scales, right_scales))


def judge_blind(person: Panellist, chance: random.Random, codes: Sequence[str], results: Sequence[Result]) -> Judgement:
    """``judge`` with the sides drawn by chance; what is said is of the two programs in the order in which they came."""
    if chance.random() >= 0.5:
        return judge(person, chance, codes, results)
    found = judge(person, chance, codes[::-1], results[::-1])
    turned = None if found.preference is None else -found.preference
    return Judgement(turned, (found.scales[1], found.scales[0]))


def preference(left: float, right: float) -> int:
    """-3 (left much better) to 3 (right much better)."""
    size = sum(abs(right - left) > step for step in STEPS)
    return size if right > left else -size


def utility(person: Panellist, code: str, result: Result) -> float:
    """What this panellist thinks of the code, before noise: about -1 (useless) to 3."""
    fraction = result.passed / result.total if result.total else 0.0
    does_the_job = fraction + (1.0 if result.status == "passed" else 0.0)
    if not _parses(code):
        return does_the_job - 1.0
    traits = style(code)
    return (
        does_the_job
        + person.brevity * traits["short"]
        + person.idiom * traits["idiom"]
        + person.caution * (traits["guard"] - traits["risky"])
    )


def scales(code: str, result: Result) -> dict[str, int]:
    """Four scales of 1 to 5."""
    fraction = result.passed / result.total if result.total else 0.0
    if not _parses(code):
        return dict.fromkeys(SCALES, 1)
    traits = style(code)
    return {
        "correctness": 1 + round(4 * fraction),
        "readability": 2 + round(2 * traits["short"] + traits["idiom"]),
        "efficiency": 3 + round(traits["short"]),
        "security": 1 if traits["risky"] else 3 + round(traits["guard"]),
    }


def _parses(code: str) -> bool:
    try:
        ast.parse(code)
    except (SyntaxError, ValueError):
        return False
    return True
