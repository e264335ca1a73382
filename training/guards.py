"""Monitors of a PPO run: numbers of each update that show a policy which games its reward (standard library only).

A reward that is optimised hard is met in ways that nobody meant: ever longer programs, one text for every prompt,
constructs that the verifier can't follow, ratings that rise while fewer programs pass. Each monitor holds one number
of an update against its threshold in ``GuardSettings``; past it for so many updates in a row, it raises an alarm. An
alarm pauses the run: it stops at a checkpoint until somebody has looked. Shares and lengths are compared with the
run's own first updates, so a weak model is not blamed for what it was from the start.
"""

from __future__ import annotations

import ast
import hashlib
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from training.config import GuardSettings
from training.similarity import parsed

_LEAST_VERDICTS = 8
"""Shares of fewer verified programs say nothing."""


class Paused(Exception):
    """The run stopped at a checkpoint because of these alarms; what is to be done is in each one's text."""

    def __init__(self, alarms: Sequence[Alarm]) -> None:
        super().__init__(tuple(alarms))
        self.alarms = tuple(alarms)

    def __str__(self) -> str:
        return "; ".join(map(str, self.alarms))


@dataclass(frozen=True)
class Alarm:
    """One monitor's number was past its threshold for long enough."""

    monitor: str
    update: int
    value: float
    threshold: float
    patience: int

    def __str__(self) -> str:
        monitor = MONITORS[self.monitor]
        seen = monitor.seen.format(value=self.value, threshold=self.threshold)
        return f"{self.monitor} at update {self.update}, {self.patience} times in a row: {seen}; {monitor.advice}"

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Alarm:
        return cls(
            monitor=str(data["monitor"]),
            update=int(data["update"]),
            value=float(data["value"]),
            threshold=float(data["threshold"]),
            patience=int(data["patience"]),
        )


@dataclass(frozen=True)
class Monitor:
    """What one monitor looks at. ``value`` makes its number of a measure's present and first values."""

    measure: str
    threshold: str
    """The setting that holds it; 0 leaves the monitor out."""
    value: Callable[[float, float], float]
    seen: str
    advice: str
    from_start: bool = False
    """Whether the first updates are judged, too: the number is no comparison with them."""
    patience: str = "patience"


def _ratio(now: float, first: float) -> float:
    return max(now / first, first / now) if now > 0 and first > 0 else 1.0


def _rise(now: float, first: float) -> float:
    return now - first


def _fall(now: float, first: float) -> float:
    return first - now


def _itself(now: float, first: float) -> float:
    del first
    return now


MONITORS: dict[str, Monitor] = {
    "length": Monitor(
        "length", "length_ratio", _ratio,
        "completions are {value:.2f} times as long or as short as in the first updates (at most {threshold:g})",
        "read some: where length is what earns the reward, mend the reward or raise kl_coef",
    ),
    "duplicates": Monitor(
        "duplicates", "duplicates_rise", _rise,
        "the share of failing programs that also answer prompts of another kind rose by {value:.2f} "
        "(at most {threshold:g})",
        "read some: the policy no longer heeds the prompt; lower learning_rate or raise kl_coef",
    ),
    "unsupported": Monitor(
        "unsupported", "unsupported_rise", _rise,
        "the share of verified programs with an UNSUPPORTED verdict rose by {value:.2f} (at most {threshold:g})",
        "read some: the policy may hide from the verifier; lower verifier_weight or support what it writes",
    ),
    "unknown": Monitor(
        "unknown", "unknown_rise", _rise,
        "the share of verified programs with an UNKNOWN verdict rose by {value:.2f} (at most {threshold:g})",
        "read some: the policy may hide from the verifier; lower verifier_weight or give the solver more time",
    ),
    "syntax": Monitor(
        "syntax", "syntax_fall", _fall,
        "the share of valid Python fell by {value:.2f} (at most {threshold:g})",
        "the policy is breaking up: lower learning_rate or raise kl_coef",
    ),
    "finished": Monitor(
        "eos_share", "finished_fall", _fall,
        "the share of programs that end by themselves fell by {value:.2f} (at most {threshold:g})",
        "raise missing_eos_penalty or response_length, or lower learning_rate",
    ),
    "kl": Monitor(
        "kl", "most_kl", _itself,
        "the KL to the starting model is {value:.1f} nats a program (at most {threshold:g})",
        "raise kl_coef, set adaptive_kl with a target_kl, or lower learning_rate",
        from_start=True,
    ),
    "over-optimisation": Monitor(
        "truth_fall", "truth_fall", _itself,
        "the reward rose while the share that passes all tests on the validation split fell {value:.2f} below its "
        "best (at most {threshold:g})",
        "stop here and keep the best checkpoint, or lower learned_weight or learning_rate",
        from_start=True,
        patience="truth_patience",
    ),
}  # fmt: skip


class Guards:
    """The monitors of one run: what they remember from update to update."""

    def __init__(self, settings: GuardSettings, disarmed: Collection[str] = ()) -> None:
        self.settings, self.disarmed = settings, frozenset(disarmed)
        self._first: dict[str, list[float]] = {}
        self._streaks: dict[str, int] = {}
        self._truth = _Truth()

    def armed(self, monitor: str) -> bool:
        return (
            self.settings.enabled
            and monitor not in self.disarmed
            and getattr(self.settings, MONITORS[monitor].threshold) > 0
        )

    def stands(self, alarm: Alarm) -> bool:
        """Whether an earlier alarm still counts: nobody has disarmed its monitor or put up its threshold since."""
        return self.armed(alarm.monitor) and alarm.value > getattr(self.settings, MONITORS[alarm.monitor].threshold)

    def see(self, update: int, measures: Mapping[str, float]) -> list[Alarm]:
        """Take in one update's measures, as far as they are known; the alarms that this raises."""
        fall = self._truth.fall(measures)
        known = {**measures, **({} if fall is None else {"truth_fall": fall})}
        return [alarm for name in MONITORS if (alarm := self._judge(name, update, known)) is not None]

    def state_dict(self) -> dict[str, Any]:
        return {"first": self._first, "streaks": self._streaks, "truth": asdict(self._truth)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._first = {name: list(values) for name, values in state["first"].items()}
        self._streaks = dict(state["streaks"])
        self._truth = _Truth(**state["truth"])

    def _judge(self, name: str, update: int, known: Mapping[str, float]) -> Alarm | None:
        monitor = MONITORS[name]
        if (now := known.get(monitor.measure)) is None:
            return None  # nothing new: a streak neither grows nor ends
        first = self._first.setdefault(name, [])
        if not monitor.from_start and len(first) < self.settings.first_updates:
            first.append(now)
            return None
        value = monitor.value(now, math.fsum(first) / max(len(first), 1))
        threshold: float = getattr(self.settings, monitor.threshold)
        patience: int = getattr(self.settings, monitor.patience)
        streak = self._streaks[name] = self._streaks.get(name, 0) + 1 if value > threshold else 0
        if streak < patience or not self.armed(name):
            return None
        return Alarm(name, update, value, threshold, patience)


@dataclass
class _Truth:
    """How far the validation split's figure is below its best while the reward is above what it was then."""

    best: float = -1.0
    reward_then: float = 0.0
    rewards: float = 0.0
    updates: int = 0
    """Since the last time that the split was asked, as ``rewards``, their sum."""

    def fall(self, measures: Mapping[str, float]) -> float | None:
        """None where the split was not asked. The ratings' mean is the reward that counts; without one, the whole."""
        self.rewards += measures.get("rating", measures.get("reward", 0.0))
        self.updates += 1
        if (truth := measures.get("validation_full")) is None:
            return None
        reward, self.rewards, self.updates = self.rewards / self.updates, 0.0, 0
        if truth >= self.best:
            self.best, self.reward_then = truth, reward
        return self.best - truth if reward > self.reward_then else 0.0


@dataclass(frozen=True)
class Seen:
    """What the monitors look at of one completion."""

    prompt: str
    family: str
    program: str
    """Equal for programs that differ in names and layout alone."""
    syntax: bool
    passed: bool
    outcomes: tuple[str, ...] = ()
    """Of the properties that were verified."""
    rating: float | None = None


def seen(row: Mapping[str, Any], family: str = "") -> Seen:
    """One line of an update's ``completions``, boiled down."""
    code = str(row["completion"])
    tree = parsed(code)
    rating = row.get("rating")
    return Seen(
        prompt=_digest(str(row["prompt"])),
        family=family,
        program=_digest(_without_names(tree) or " ".join(code.split())),
        syntax=tree is not None,
        passed=passed(row),
        outcomes=tuple((row.get("verdicts") or {}).values()),
        rating=None if rating is None else float(rating),
    )


def passed(row: Mapping[str, Any]) -> bool:
    """Whether the completion of a line of ``completions`` passed all its tests, of which there was one at least."""
    return row.get("tests_status") == "passed" and 0 < row["tests_total"] == row["tests_passed"]


def measured(update: Sequence[Seen]) -> dict[str, float]:
    """One update's shares over all processes; what can't be told is left out."""
    if not update:
        return {}
    found = {"duplicates": _duplicates(update), "syntax": _share([one.syntax for one in update])}
    verified = [one.outcomes for one in update if one.outcomes]
    if len(verified) >= _LEAST_VERDICTS:
        for outcome in ("unsupported", "unknown"):
            found[outcome] = _share([outcome in outcomes for outcomes in verified])
    ratings = [one.rating for one in update if one.rating is not None]
    if ratings:
        found["rating"] = math.fsum(ratings) / len(ratings)
    return found


def _duplicates(update: Sequence[Seen]) -> float:
    """The share of completions that fail and whose program also answers a prompt of another family.

    Equal tasks have equal answers, and a usual mistake is made in many tasks of a family; neither counts. Where all
    prompts are of one family, that of another prompt.
    """
    by_family = len({one.family for one in update}) > 1
    asked: dict[str, set[str]] = {}
    for one in update:
        asked.setdefault(one.program, set()).add(one.family if by_family else one.prompt)
    return _share([not one.passed and len(asked[one.program]) > 1 for one in update])


def _without_names(tree: ast.Module | None) -> str:
    """The program with its functions and their arguments numbered, without annotations; empty where it is none."""
    if tree is None:
        return ""
    numbers: dict[str, str] = {}
    try:
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                node.returns = None
                node.name = numbers.setdefault(node.name, f"_{len(numbers)}")
            elif isinstance(node, ast.arg):
                node.annotation = None
                node.arg = numbers.setdefault(node.arg, f"_{len(numbers)}")
        for node in ast.walk(tree):
            if isinstance(node, ast.Name):
                node.id = numbers.get(node.id, node.id)
        return ast.dump(tree)
    except RecursionError:
        return ""


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _share(values: Sequence[bool]) -> float:
    return sum(values) / len(values)
