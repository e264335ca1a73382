"""What an experiment consists of: its arms, the pieces of work of a seed, and what each piece needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

SUPERVISED, CONTROL, ALL, ALL_CREDIT, DPO = "supervised", "control", "all", "all-credit", "dpo"

ARMS: Mapping[str, str] = {
    SUPERVISED: "supervised",
    CONTROL: "supervised on the best of its own answers, equal CPU",
    "tests": "PPO with tests only",
    "tests-verifier": "PPO with tests and verifier",
    "tests-ratings": "PPO with tests and ratings",
    ALL: "PPO with all",
    ALL_CREDIT: "PPO with all, line credit",
    DPO: "DPO on the ratings",
}
"""The table's lines, in its order."""

VOICES: Mapping[str, tuple[bool, bool]] = {
    "tests": (False, False),
    "tests-verifier": (True, False),
    "tests-ratings": (False, True),
    ALL: (True, True),
    ALL_CREDIT: (True, True),
}
"""Whether the verifier and the ratings have a say in an arm's reward."""

JUDGED: Mapping[str, tuple[str, str]] = {"judged-control": (CONTROL, ALL), "judged-supervised": (SUPERVISED, ALL)}
"""Pairs of arms whose answers the unseen half of the panel compares, by piece."""


@dataclass(frozen=True)
class Piece:
    """One piece of work; ``name`` says which function of ``workers.experiment.pieces`` does it."""

    seed: int
    name: str
    needs: tuple[str, ...] = ()


def pieces(seeds: Sequence[int], arms: Sequence[str]) -> list[Piece]:
    """The work that the chosen arms need, each piece after those that it needs."""
    return [piece for seed in seeds for piece in _of_seed(seed, arms)]


def _of_seed(seed: int, arms: Sequence[str]) -> list[Piece]:
    wanted = [arm for arm in ARMS if arm in arms]
    if CONTROL in wanted and ALL not in wanted:
        wanted.append(ALL)  # its CPU is what the control may use
    found = [Piece(seed, "tasks"), Piece(seed, SUPERVISED, ("tasks",))]
    rated = DPO in wanted or any(VOICES[arm][1] for arm in wanted if arm in VOICES)
    if rated:
        found += [Piece(seed, "pairs", (SUPERVISED,)), Piece(seed, "ratings", ("pairs",))]
    if any(VOICES[arm][1] for arm in wanted if arm in VOICES):
        found.append(Piece(seed, "reward-model", ("ratings",)))
    for arm in (*VOICES, DPO, CONTROL):
        if arm in wanted:
            found.append(Piece(seed, arm, _inputs(arm)))
    found += [Piece(seed, f"evaluated-{arm}", (arm,)) for arm in ARMS if arm in wanted]
    for name, pair in JUDGED.items():
        if set(pair) <= set(wanted):
            found.append(Piece(seed, name, tuple(f"evaluated-{arm}" for arm in pair)))
    return found


def _inputs(arm: str) -> tuple[str, ...]:
    if arm == CONTROL:
        return (SUPERVISED, ALL)
    if arm == DPO:
        return (SUPERVISED, "ratings")
    return (SUPERVISED, "reward-model") if VOICES[arm][1] else (SUPERVISED,)
