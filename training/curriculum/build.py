"""Draws tasks into splits that share nothing they should not.

train  seen wordings, seen names, numbers and words, seen compositions
iid    like train, other tasks
para   unseen wordings
slots  unseen names, numbers and words
comp   unseen compositions of seen stages
cross  unseen pairs of what different families do

The same settings give the same tasks on every machine: all choices come from ``random.Random``
seeded with text, and no choice depends on the order of a set.
"""

from __future__ import annotations

import ast
import copy
import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import islice
from random import Random
from typing import Any

from training.config import TaskSettings
from training.curriculum.families import FAMILIES
from training.curriculum.family import Arguments, Family, Slots
from training.curriculum.slots import draw, draw_entry
from training.curriculum.task import Task

SPLITS = ("train", "iid", "para", "slots", "comp", "cross")
_COMPOSED = ("comp", "cross")
LANGUAGES = ("en", "es")
PUBLIC_TESTS = 3
_MORE_BASIC = 2
_TRIES = 500
_FINEST = 12
"""The largest denominator of a reference's weight."""
_GRAM = 13
"""Words in a row that show where a text comes from (Brown et al. 2020, appendix C)."""
_WORD = re.compile(r"[^\W\d]+")


class CurriculumError(ValueError):
    """Tasks can't be drawn as asked; the message says what to change."""


def build(settings: TaskSettings) -> dict[str, list[Task]]:
    """The tasks of every split that the chosen families allow, free of leaks.

    No held-out task asks what a training task asks, nor has its reference solution; the latter only where names and
    constants are not limited to a few, of which all solutions are made.
    """
    families = _chosen(settings.families)
    taken: set[str] = set()
    splits: dict[str, list[Task]] = {}
    for split in SPLITS:
        able = [family for family in families if split not in _COMPOSED or _composes(family, split)]
        if able:
            count = settings.train if split == "train" else settings.held_out
            splits[split] = list(islice(_draws(able, split, settings, taken), count))
    assert_no_leaks(splits, solutions=not _is_limited(settings))
    return splits


def assert_no_leaks(splits: Mapping[str, Sequence[Task]], *, solutions: bool = True) -> None:
    """AssertionError names a task that is in two splits, or twice in one, by key or by what it asks; one of ``para``
    whose description shares thirteen words in a row with training's; or, with ``solutions``, one whose reference
    solution training has, up to layout."""
    owners: dict[tuple[str, ...], str] = {}
    seen = {_solution_digest(task.solutions[0].code) for task in splits.get("train", ())} if solutions else set()
    for split, tasks in splits.items():
        for task in tasks:
            for mark in (("key", task.key), ("asks", task.text, task.signature)):
                if mark in owners:
                    raise AssertionError(f"task {task.key} ({task.text!r}) is both in {owners[mark]} and in {split}")
            owners["key", task.key] = owners["asks", task.text, task.signature] = split
            if split != "train" and seen and _solution_digest(task.solutions[0].code) in seen:
                raise AssertionError(f"the solution of task {task.key} ({task.text!r}) in {split} is in train as well")
    known = {gram for task in splits.get("train", ()) for gram in _grams(task.text)}
    for task in splits.get("para", ()):
        if not known.isdisjoint(_grams(task.text)):
            raise AssertionError(f"task {task.key} ({task.text!r}) in para shares {_GRAM} words in a row with training")


def _grams(text: str) -> Iterator[tuple[str, ...]]:
    """Runs of words, numbers left out: they vary between the tasks of one wording."""
    words = _WORD.findall(text.lower())
    return (tuple(words[start : start + _GRAM]) for start in range(len(words) - _GRAM + 1))


def _composes(family: Family, split: str) -> bool:
    return family.held_out is not None and family.held_out_split == split


def _chosen(slugs: Sequence[str]) -> list[Family]:
    unknown = [slug for slug in slugs if slug not in FAMILIES]
    if unknown:
        raise CurriculumError(f"unknown family {unknown[0]!r}: choose from {', '.join(FAMILIES)}")
    return [FAMILIES[slug] for slug in slugs] if slugs else list(FAMILIES.values())


def _draws(families: Sequence[Family], split: str, settings: TaskSettings, taken: set[str]) -> Iterator[Task]:
    """New tasks without end: each round goes through the families in a new order, in training by their weights."""
    rng = Random(f"{settings.seed}/{split}")
    round_ = [family for family in families for _ in range(family.weight if split == "train" else 1)]
    while True:
        for family in rng.sample(round_, len(round_)):
            yield _new_task(rng, family, split, settings, taken)


def _new_task(rng: Random, family: Family, split: str, settings: TaskSettings, taken: set[str]) -> Task:
    for _ in range(_TRIES):
        language = rng.choice(LANGUAGES)
        wordings = family.wordings(language, held_out=split == "para")
        wording = rng.choice(wordings[: settings.wordings or None])
        slots = _draw_slots(rng, family, split, settings)
        text = family.describe(wording, slots, language)
        key = _digest([family.slug, language, wording, slots])
        marks = {key, _digest([text, family.signature(slots)])}
        solved = _solution_digest(family.solutions(slots)[0].code)
        if taken.isdisjoint(marks) and (split == "train" or _is_limited(settings) or solved not in taken):
            taken |= marks | ({solved} if split == "train" else set())
            task = _task(family, split, language, text, slots, key)
            return task if split != "train" else _show(rng, task, settings)
    raise CurriculumError(
        f"the family {family.slug} has no new tasks left for {split}: ask for fewer tasks, more families, names or constants"
    )


def _draw_slots(rng: Random, family: Family, split: str, settings: TaskSettings) -> dict[str, str]:
    unseen = split == "slots"
    names, constants = (0, 0) if unseen else (settings.names, settings.constants)
    invented = settings.invented
    slots = draw(rng, family.names, unseen=unseen, limit=names, taken=family.own_names, invented=invented)
    taken = {*slots.values(), *family.keywords}
    slots |= draw(rng, family.constants, unseen=unseen, limit=constants, taken=taken, invented=invented)
    slots["f"] = draw_entry(rng, unseen=unseen, limit=names, invented=invented)
    if family.held_out is None:
        return slots
    while True:
        stages = {slot: rng.choice(pool) for slot, pool in family.stages.items()}
        if family.held_out(stages) == (split == family.held_out_split):
            return {**slots, **stages}


def _task(family: Family, split: str, language: str, text: str, slots: Slots, key: str) -> Task:
    solutions = family.solutions(slots)
    public, hidden = _inputs(family, slots, key)
    reference = _reference(solutions[0].code, slots["f"])
    return Task(
        key=key,
        family=family.slug,
        split=split,
        language=language,
        text=text,
        entry=slots["f"],
        signature=family.signature(slots),
        solutions=solutions,
        public_tests=tuple(_test(reference, slots["f"], arguments) for arguments in public),
        hidden_tests=tuple(_test(reference, slots["f"], arguments) for arguments in hidden),
        properties=family.properties,
        contract=family.contract(slots),
    )


def _show(rng: Random, task: Task, settings: TaskSettings) -> Task:
    """Choose the demonstration: an unsafe one with the given chance, where the task has any.

    Of the safe ones the reference has a weight of its own: people who know a language mostly write it alike.
    """
    safe = [index for index, solution in enumerate(task.solutions) if solution.safe]
    unsafe = [index for index, solution in enumerate(task.solutions) if not solution.safe]
    if unsafe and rng.random() < settings.unsafe_share:
        return replace(task, shown=rng.choice(unsafe))
    weight = Fraction(settings.reference_weight).limit_denominator(_FINEST)
    return replace(task, shown=rng.choice([0] * weight.numerator + safe[1:] * weight.denominator))


def _inputs(family: Family, slots: Slots, key: str) -> tuple[list[Arguments], list[Arguments]]:
    """Public and hidden arguments: ordinary ones, and further ordinary ones with all edges."""
    rng = Random(f"inputs/{key}")
    basic = _distinct(family.basic(rng, slots) for _ in range(_TRIES))
    public = list(islice(basic, PUBLIC_TESTS))
    known = {repr(arguments) for arguments in public}
    edges = [arguments for arguments in _distinct(iter(family.edges(rng, slots))) if repr(arguments) not in known]
    known.update(map(repr, edges))
    more = (arguments for arguments in basic if repr(arguments) not in known)
    return public, [*edges, *islice(more, _MORE_BASIC)]


def _distinct(draws: Iterator[Arguments]) -> Iterator[Arguments]:
    seen: set[str] = set()
    for arguments in draws:
        if repr(arguments) not in seen:
            seen.add(repr(arguments))
            yield arguments


def _reference(code: str, entry: str) -> Any:
    """The reference as a function. This runs our own templates, never generated code."""
    namespace: dict[str, Any] = {}
    exec(compile(code, "<reference>", "exec"), namespace)  # noqa: S102
    return namespace[entry]


def _test(reference: Any, entry: str, arguments: Arguments) -> str:
    call = f"{entry}({', '.join(map(repr, arguments))})"
    expected = reference(*copy.deepcopy(arguments))
    if expected is None:
        return f"assert {call} is None"
    if ast.literal_eval(repr(expected)) != expected:
        raise CurriculumError(f"{call} gives {expected!r}, which can't be written as a literal")
    return f"assert {call} == {expected!r}"


def _is_limited(settings: TaskSettings) -> bool:
    return bool(settings.names or settings.constants)


def _solution_digest(code: str) -> str:
    return "solution " + _digest(ast.dump(ast.parse(code)))


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:20]
