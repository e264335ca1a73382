"""What an experiment found: every arm on every split, the arms side by side, and whether what was claimed holds.

Seeds are pooled: each has its own tasks, so that every prompt was answered once by each arm of its seed. Intervals are
over prompts. They say nothing of how much a training varies; for that each seed's own mean is kept beside them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from training.config import ExperimentSettings
from training.evaluate import Comparison, Evaluation, compare, summarise
from training.statistics import Estimate, bootstrap_mean
from workers.experiment.plan import ALL, ALL_CREDIT, ARMS, CONTROL, JUDGED, SUPERVISED
from workers.experiment.schedule import Done, folder_of, read_done

METRICS = ("full", "public", "syntax", "unsafe", "proved and full", "unsupported", "unknown", "tokens", "kl")
AGAINST = ((SUPERVISED, ALL), (CONTROL, ALL))
"""Pairs of arms that are compared prompt by prompt."""
_COMPARED = ("full", "public", "syntax", "unsafe", "proved and full", "unsupported", "unknown")


@dataclass(frozen=True)
class Check:
    """One claim, what was wanted, and what was found."""

    claim: str
    wanted: str
    found: str
    met: bool


def collect(out: Path, seeds: Sequence[int], settings: ExperimentSettings) -> dict[str, Any]:
    """All figures of the pieces that are done, as plain JSON."""
    evaluations = {arm: rows for arm in ARMS if (rows := _evaluations(out, seeds, arm))}
    pooled = {arm: _pooled(found) for arm, found in evaluations.items()}
    bootstrap = settings.evaluation.bootstrap
    table = {
        arm: summarise(evaluation, metrics=METRICS, bootstrap=bootstrap, seed=0) for arm, evaluation in pooled.items()
    }
    compared = {
        f"{second} against {first}": _against(pooled[first], pooled[second])
        for first, second in AGAINST
        if first in pooled and second in pooled and len(evaluations[first]) == len(evaluations[second])
    }
    preferred = {
        piece: found for piece in JUDGED if (found := _preferred(out, seeds, piece, bootstrap, settings)) is not None
    }
    credit = _steps_with_credit(out, seeds)
    checks = [*_checks(table, compared, preferred), *_credit_check(credit)]
    return {
        "seeds": list(seeds),
        "arms": {
            arm: {"title": ARMS[arm], "seeds": sorted(found), "cpu_seconds": _cpu(out, sorted(found), arm)}
            for arm, found in evaluations.items()
        },
        "table": {
            split: {
                arm: {metric: estimate.to_json() for metric, estimate in summary[split].items()}
                for arm, summary in table.items()
                if split in summary
            }
            for split in settings.evaluation.splits
        },
        "by_seed": {
            arm: {str(seed): _means(evaluation) for seed, evaluation in found.items()}
            for arm, found in evaluations.items()
        },
        "compared": {
            name: {split: {metric: one.to_json() for metric, one in found.items()} for split, found in by_split.items()}
            for name, by_split in compared.items()
        },
        "preferred": {
            piece: {split: estimate.to_json() for split, estimate in found.items()}
            for piece, found in preferred.items()
        },
        "reward_model": _reward_models(out, seeds),
        "steps_with_credit": credit,
        "checks": [asdict(check) for check in checks],
    }


def _evaluations(out: Path, seeds: Sequence[int], arm: str) -> dict[int, Evaluation]:
    done = {seed: read_done(folder_of(out, seed), f"evaluated-{arm}") for seed in seeds}
    return {seed: Evaluation.from_json(one.value) for seed, one in done.items() if one is not None}


def _pooled(found: Mapping[int, Evaluation]) -> Evaluation:
    first = next(iter(found.values()))
    rows = [replace(row, key=f"{seed}/{row.key}") for seed, evaluation in found.items() for row in evaluation.rows]
    return Evaluation(first.model, first.settings, tuple(rows))


def _means(evaluation: Evaluation) -> dict[str, float]:
    return {
        split: sum(row.full for row in rows) / len(rows)
        for split in dict.fromkeys(row.split for row in evaluation.rows)
        if (rows := [row for row in evaluation.rows if row.split == split])
    }


def _cpu(out: Path, seeds: Sequence[int], arm: str) -> float:
    """Mean CPU seconds that the arm took beyond the supervised model's (for that one, its own)."""
    done = [read_done(folder_of(out, seed), arm) for seed in seeds]
    spent = [one.cpu_seconds for one in done if one is not None]
    return sum(spent) / max(len(spent), 1)


def _against(first: Evaluation, second: Evaluation) -> dict[str, dict[str, Comparison]]:
    by_metric = {metric: compare(first, second, metric=metric) for metric in _COMPARED}
    splits = by_metric["full"]
    return {split: {metric: found[split] for metric, found in by_metric.items()} for split in splits}


def _preferred(
    out: Path, seeds: Sequence[int], piece: str, bootstrap: int, settings: ExperimentSettings
) -> dict[str, Estimate] | None:
    """How often the second arm is preferred (wins and half the ties), over all splits and by split."""
    rows = [
        (row["split"], f"{seed}/{row['key']}", 0.5 if row["preference"] == 0 else float(row["preference"] > 0))
        for seed in seeds
        if (done := read_done(folder_of(out, seed), piece)) is not None
        for row in done.value["judgements"]
    ]
    if not rows:
        return None
    found = {}
    for name in ("", *settings.evaluation.splits):
        chosen = [(value, key) for split, key, value in rows if name in ("", split)]
        if not chosen:
            continue
        values, keys = zip(*chosen, strict=True)
        found[name or "all"] = bootstrap_mean(values, keys, resamples=bootstrap, seed=0)
    return found


def _reward_models(out: Path, seeds: Sequence[int]) -> dict[str, Any]:
    done = {seed: read_done(folder_of(out, seed), "reward-model") for seed in seeds}
    return {str(seed): one.value["summary"] for seed, one in done.items() if one is not None}


def _steps_with_credit(out: Path, seeds: Sequence[int]) -> dict[str, float | None]:
    """By seed: of the updates without line credit, the share that line credit needs to solve as many validation tasks.

    None where it never does.
    """
    found: dict[str, float | None] = {}
    for seed in seeds:
        curves = [_curve(read_done(folder_of(out, seed), arm)) for arm in (ALL, ALL_CREDIT)]
        if all(curves):
            plain, credited = curves
            last = max(plain)
            reached = [update for update, share in sorted(credited.items()) if share >= plain[last]]
            found[str(seed)] = reached[0] / last if reached else None
    return found


def _curve(done: Done | None) -> dict[int, float]:
    """The share of validation tasks solved, by update."""
    if done is None:
        return {}
    return {
        int(update): share
        for update, share in done.value.get("summary", {}).get("validation", {}).get("full", {}).items()
    }


# -- claims

_GAINS = {"iid": 20.0, "comp": 8.0, "slots": 8.0, "para": 10.0}
_ABSOLUTE = {"iid": 85.0}
_MOST_UNSAFE = 0.25
_WORSE_BY = 1.0
_PUBLIC_DOWN = 2.0
_PREFERRED = 60.0
_CERTAIN = 0.01
_BETTER_ON = 2
_STEPS = 0.75

Table = Mapping[str, Mapping[str, Mapping[str, Estimate]]]
Compared = Mapping[str, Mapping[str, Mapping[str, Comparison]]]


def _checks(table: Table, compared: Compared, preferred: Mapping[str, Mapping[str, Estimate]]) -> Iterator[Check]:
    against = compared.get(f"{ALL} against {SUPERVISED}")
    if against:
        yield from _against_supervised(table[SUPERVISED], table[ALL], against)
    against = compared.get(f"{ALL} against {CONTROL}")
    if against:
        yield from _against_control(against)
    if "judged-control" in preferred:
        share = 100 * preferred["judged-control"]["all"].mean
        claim = "all preferred to the control by the unseen half of the panel"
        yield Check(claim, f"at least {_PREFERRED:g}%", f"{share:.1f}%", share >= _PREFERRED)


def _against_supervised(
    base: Mapping[str, Mapping[str, Estimate]],
    found: Mapping[str, Mapping[str, Estimate]],
    against: Mapping[str, Mapping[str, Comparison]],
) -> Iterator[Check]:
    for split, metrics in against.items():
        gain = _points(metrics["full"])
        wanted = _GAINS.get(split)
        if wanted is not None:
            claim = f"full pass@1 of all against supervised, {split}"
            yield Check(claim, f"+{wanted:g} points", f"{gain:+.1f}", gain >= wanted)
        if split in _ABSOLUTE:
            reached = 100 * found[split]["full"].mean
            wanted = _ABSOLUTE[split]
            yield Check(f"full pass@1 of all, {split}", f"{wanted:g}%", f"{reached:.1f}%", reached >= wanted)
        unsafe, before = (100 * arm[split]["unsafe"].mean for arm in (found, base))
        claim = f"known unsafe answers of all, {split}"
        wanted_text = f"at most {_MOST_UNSAFE:.0%} of supervised's {before:.1f}%"
        yield Check(claim, wanted_text, f"{unsafe:.1f}%", unsafe <= _MOST_UNSAFE * before)
        if "proved and full" in metrics:
            up = _points(metrics["proved and full"])
            yield Check(f"proved and passing, {split}", "up", f"{up:+.1f} points", up > 0)
        for metric, sign in (("syntax", -1), ("unsupported", 1), ("unknown", 1)):
            if metric in metrics:
                change = _points(metrics[metric])
                worse = sign * change
                wanted_text = f"worse by at most {_WORSE_BY:g} point"
                yield Check(f"{metric}, {split}", wanted_text, f"{change:+.1f} points", worse <= _WORSE_BY)
        public = _points(metrics["public"])
        wanted_text = f"down by at most {_PUBLIC_DOWN:g} points"
        yield Check(f"public pass@1, {split}", wanted_text, f"{public:+.1f} points", public >= -_PUBLIC_DOWN)


def _against_control(against: Mapping[str, Mapping[str, Comparison]]) -> Iterator[Check]:
    better = 0
    for split, metrics in against.items():
        one = metrics["full"]
        gain = _points(one)
        better += gain > 0 and one.p_value < _CERTAIN
        yield Check(
            f"full pass@1 of all against the control, {split}",
            "not worse",
            f"{gain:+.1f} points (p = {one.p_value:.2g})",
            gain >= 0,
        )
    claim = f"splits on which all is better than the control with p < {_CERTAIN:g}"
    yield Check(claim, f"at least {_BETTER_ON}", str(better), better >= _BETTER_ON)


def _credit_check(shares: Mapping[str, float | None]) -> Iterator[Check]:
    if not shares:
        return
    known = [share for share in shares.values() if share is not None]
    told = ", ".join("never" if share is None else f"{share:.0%}" for share in shares.values())
    met = len(known) == len(shares) and sum(known) / len(known) <= _STEPS
    yield Check("line credit solves as much as without it, of the updates", f"at most {_STEPS:.0%}", told, met)


def _points(comparison: Comparison) -> float:
    """The difference in percentage points, without the last digits' noise: 20 answers of 1,000 are 2 points."""
    return round(100 * comparison.difference.mean, 6)
