"""Tasks are the same everywhere, share nothing between splits, and their solutions are as safe as they say."""

from __future__ import annotations

import ast
import builtins
import hashlib
import json
import keyword
import os
import re
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from training.config import TaskSettings
from training.curriculum import (
    FAMILIES,
    CurriculumError,
    Task,
    TaskFileError,
    assert_no_leaks,
    build,
    read_jsonl,
    write_jsonl,
)
from training.curriculum.build import _draw_slots, _new_task
from training.curriculum.family import HELD_OUT_WORDINGS, fill
from training.curriculum.selfcheck import self_check
from training.curriculum.slots import LISTS, SQL_KEYWORDS, invent, is_unseen, part_of
from verification.properties import CATALOGUE

SETTINGS = TaskSettings(train=60, held_out=20, seed=3)


def _digest(settings: TaskSettings) -> str:
    lines = [json.dumps(task.to_json()) for tasks in build(settings).values() for task in tasks]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def test_the_same_seed_gives_the_same_tasks_in_another_process_with_other_hashes() -> None:
    script = (
        "import sys; sys.path.insert(0, '.')\n"
        "from tests.training.test_curriculum import SETTINGS, _digest\n"
        "print(_digest(SETTINGS))"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "12345"}
    other = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=True)
    assert other.stdout.strip() == _digest(SETTINGS)


def test_the_tasks_of_a_seed_do_not_change_unnoticed() -> None:
    assert _digest(SETTINGS)[:16] == "6fd3075c2b4e62a3"


def test_another_seed_gives_other_tasks() -> None:
    assert _digest(SETTINGS) != _digest(replace(SETTINGS, seed=4))


def test_every_solution_is_as_safe_as_it_says() -> None:
    tasks = [
        task
        for tasks in build(TaskSettings(train=2 * len(FAMILIES), held_out=len(FAMILIES), seed=11)).values()
        for task in tasks
    ]
    assert {task.family for task in tasks} == set(FAMILIES)
    assert self_check(tasks) == []


def test_the_self_check_finds_a_wrong_reference_and_a_harmless_unsafe_variant(splits: dict[str, list[Task]]) -> None:
    task = next(task for task in splits["train"] if task.family == "largest")
    reference, unsafe = task.solutions[0], next(s for s in task.solutions if not s.safe)
    swapped = (replace(unsafe, safe=True), replace(reference, safe=False, style="unguarded"))
    found = self_check([replace(task, solutions=swapped, shown=0)])
    assert len(found) == 2
    assert "is called safe and fails a hidden test" in found[0]
    assert "is called unsafe and passes all tests" in found[1]


def test_no_table_is_called_what_sql_calls_something_else() -> None:
    for word in SQL_KEYWORDS:
        with pytest.raises(sqlite3.OperationalError):
            sqlite3.connect(":memory:").execute(f"CREATE TABLE {word} (k)")
    for slug in ("sql-count", "sql-insert", "sql-select"):
        assert FAMILIES[slug].keywords == SQL_KEYWORDS
    assert not FAMILIES["clamp"].keywords


def test_splits_share_neither_a_task_nor_a_question(splits: dict[str, list[Task]]) -> None:
    assert list(splits) == ["train", "iid", "para", "slots", "comp", "cross"]
    assert_no_leaks(splits)
    copied = replace(splits["train"][0], split="iid")
    with pytest.raises(AssertionError, match="both in train and in iid"):
        assert_no_leaks({**splits, "iid": [copied]})
    reworded = replace(copied, key="other")
    with pytest.raises(AssertionError, match="both in train and in iid"):
        assert_no_leaks({**splits, "iid": [reworded]})


def test_no_held_out_solution_is_a_training_tasks_either(splits: dict[str, list[Task]]) -> None:
    known = {ast.dump(ast.parse(task.solutions[0].code)) for task in splits["train"]}
    for name in ("iid", "para", "slots", "comp", "cross"):
        assert not [task for task in splits[name] if ast.dump(ast.parse(task.solutions[0].code)) in known]
    task = splits["train"][0]
    reworded = replace(task, key="other", text=task.text + " Please.", split="iid")
    with pytest.raises(AssertionError, match="is in train as well"):
        assert_no_leaks({**splits, "iid": [reworded]})
    assert_no_leaks({**splits, "iid": [reworded]}, solutions=False)


def test_a_held_out_wording_that_repeats_thirteen_words_of_training_is_found(splits: dict[str, list[Task]]) -> None:
    words = "one long row of words that is meant to be seen in a single place"
    told = replace(splits["train"][0], key="told", text=f"At 12, {words}, 5.", entry="told", signature="def told():")
    train = [*splits["train"], told]
    twelve = replace(splits["para"][0], text=" ".join(words.split()[:12]))
    assert_no_leaks({**splits, "train": train, "para": [twelve]}, solutions=False)
    thirteen = replace(twelve, text="Now: " + " 7 ".join(words.upper().split()[1:14]))
    with pytest.raises(AssertionError, match="in para shares 13 words in a row with training"):
        assert_no_leaks({**splits, "train": train, "para": [thirteen]}, solutions=False)


def test_training_has_more_of_what_is_composed_and_other_splits_have_not() -> None:
    plain, composed = "clamp", "pipeline"
    rounds = 6
    train = rounds * (1 + FAMILIES[composed].weight)
    drawn = build(TaskSettings(train=train, held_out=20, families=(plain, composed)))
    counts = {split: [task.family for task in tasks].count(composed) for split, tasks in drawn.items()}
    assert FAMILIES[plain].weight == 1
    assert counts["train"] == rounds * FAMILIES[composed].weight
    assert counts["iid"] == counts["para"] == 10


def test_the_reference_is_shown_more_often_than_each_other_safe_solution() -> None:
    tasks = build(TaskSettings(train=600, held_out=4, unsafe_share=0.5, families=("mean",)))["train"]
    safe = [task.shown for task in tasks if task.demonstration.safe]
    assert 0.4 < len(safe) / len(tasks) < 0.6
    assert 2 < safe.count(0) / safe.count(1) < 4.5


def test_held_out_wordings_slots_and_compositions_are_in_their_own_splits_alone() -> None:
    splits = build(TaskSettings(train=300, held_out=80, seed=5))
    seen_texts = {task.text for task in splits["train"]}
    assert all(task.text not in seen_texts for task in splits["para"])
    assert {task.family for task in splits["comp"]} == {"pipeline"}
    assert {task.family for task in splits["cross"]} == {"chain"}
    triples = {(name, _body(task)) for name in ("train", "comp") for task in splits[name] if task.family == "pipeline"}
    assert not {body for name, body in triples if name == "train"} & {body for name, body in triples if name == "comp"}
    pairs = {(name, _body(task)) for name in ("train", "cross") for task in splits[name] if task.family == "chain"}
    assert not {body for name, body in pairs if name == "train"} & {body for name, body in pairs if name == "cross"}
    nouns = {task.entry.split("_")[-1] for task in splits["train"]}
    assert not nouns & {task.entry.split("_")[-1] for task in splits["slots"]}
    assert all(is_unseen(task.entry.split("_")[-1]) for task in splits["slots"])


def _body(task: Task) -> str:
    """A pipeline's stages, without its names."""
    tree = ast.parse(task.solutions[0].code)
    return ast.unparse(tree).split("\n", 1)[1].replace(tree.body[0].args.args[0].arg, "xs")  # type: ignore[attr-defined]


@pytest.mark.parametrize("family", FAMILIES.values(), ids=lambda family: family.slug)
def test_a_family_has_wordings_pools_and_known_properties(family) -> None:
    assert len(family.english) == len(family.spanish) >= 4 + HELD_OUT_WORDINGS
    assert len(set(family.english + family.spanish)) == 2 * len(family.english)
    assert family.variants[0].safe
    assert set(family.properties) <= set(CATALOGUE)
    for pool in (*family.names.values(), *family.constants.values()):
        assert len(part_of(pool, unseen=True)) >= 2
        assert len(part_of(pool, unseen=False)) >= 4
    slots = {name: name for name in (*family.names, *family.constants, *family.stages, "f")}
    phrases = {"keeping": "k", "changing": "c", "reducing": "r", "doing": "d", "giving": "g"}
    for wording in family.english + family.spanish:
        assert all(f"${name}" in wording for name in family.names), wording
        assert "$" not in fill(wording, {**slots, **phrases})


@pytest.mark.parametrize(("share", "low", "high"), [(0.0, 0, 0), (0.5, 0.35, 0.65), (1.0, 1, 1)])
def test_the_share_of_unsafe_demonstrations_is_a_setting(share: float, low: float, high: float) -> None:
    tasks = build(TaskSettings(train=200, held_out=1, unsafe_share=share))["train"]
    able = [task for task in tasks if any(not solution.safe for solution in task.solutions)]
    assert low <= sum(not task.demonstration.safe for task in able) / len(able) <= high
    assert all(task.demonstration.safe for task in tasks if task not in able)


def test_tests_are_asserts_on_literals(splits: dict[str, list[Task]]) -> None:
    for task in splits["train"]:
        assert len(task.public_tests) == 3
        assert len(task.hidden_tests) >= 3
        assert not set(task.public_tests) & set(task.hidden_tests)
        for test in task.tests:
            (statement,) = ast.parse(test).body
            assert isinstance(statement, ast.Assert)
            assert isinstance(statement.test, ast.Compare)
            call = statement.test.left
            assert isinstance(call, ast.Call)
            assert all(repr(ast.literal_eval(argument)) for argument in call.args)


def test_a_file_of_tasks_reads_back_equal(splits: dict[str, list[Task]], tmp_path: Path) -> None:
    path = tmp_path / "tasks.jsonl"
    write_jsonl(path, splits["para"])
    assert read_jsonl(path) == splits["para"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data.pop("hidden_tests"), r"line 2: the field 'hidden_tests' is missing"),
        (lambda data: data.update(public_tests=[]), r"line 2: not a task \('public_tests' must be a list"),
        (lambda data: data.update(text=3), r"line 2: not a task \('text' must be a string"),
        (lambda data: data.update(solutions=[{"code": "x"}]), r"line 2: not a task"),
        (lambda data: data.update(shown=9), r"line 2: not a task \('shown' is 9"),
    ],
)
def test_a_broken_line_is_named(splits: dict[str, list[Task]], tmp_path: Path, change, message: str) -> None:
    good, bad = splits["iid"][0].to_json(), splits["iid"][1].to_json()
    change(bad)
    path = tmp_path / "tasks.jsonl"
    path.write_text(json.dumps(good) + "\n" + json.dumps(bad) + "\n")
    with pytest.raises(TaskFileError, match=message):
        read_jsonl(path)


def test_a_line_that_is_no_json_is_named(tmp_path: Path) -> None:
    path = tmp_path / "tasks.jsonl"
    path.write_text("{\n")
    with pytest.raises(TaskFileError, match="line 1: not JSON"):
        read_jsonl(path)


def test_an_unknown_family_is_refused_by_name() -> None:
    with pytest.raises(CurriculumError, match="unknown family 'sorting': choose from safe-division"):
        build(TaskSettings(families=("sorting",)))


def test_a_pool_that_is_used_up_says_so() -> None:
    class Everything(set[str]):
        def __contains__(self, item: object) -> bool:
            return True

    with pytest.raises(CurriculumError, match=r"the family digit-sum has no new tasks left for iid"):
        _new_task(Random(0), FAMILIES["digit-sum"], "iid", SETTINGS, Everything())


@pytest.mark.parametrize(("share", "low", "high"), [(0.0, 0, 0), (0.5, 0.35, 0.65), (1.0, 1, 1)])
def test_the_share_of_invented_names_is_a_setting(share: float, low: float, high: float) -> None:
    splits = build(TaskSettings(train=200, held_out=100, families=("largest",), invented=share))
    for name in ("train", "iid", "slots"):
        arguments = [re.findall(r"\((\w+):", task.signature)[0] for task in splits[name]]
        assert low <= sum(argument not in LISTS for argument in arguments) / len(arguments) <= high
        assert all(is_unseen(argument) == (name == "slots") for argument in arguments)


def test_invented_names_are_many_and_none_is_pythons_own() -> None:
    rng = Random(1)
    names = {invent(rng, unseen=False) for _ in range(20_000)}

    assert len(names) > 15_000
    assert not names & ({*keyword.kwlist, *dir(builtins)} | sys.stdlib_module_names)
    assert all(name.isidentifier() and name == name.lower() for name in names)


def test_no_name_is_one_that_the_familys_solutions_use_themselves() -> None:
    family = FAMILIES["gcd"]
    assert {"while", "return", "abs", "math"} <= family.own_names
    changed = replace(family, names={**family.names, "a": ("left", "abs", "math")})
    drawn = {_draw_slots(Random(seed), changed, "train", TaskSettings(invented=0.0))["a"] for seed in range(30)}
    assert drawn == {"left"}


def test_the_number_of_wordings_in_training_is_a_setting() -> None:
    def shapes(limit: int) -> set[str]:
        tasks = build(TaskSettings(train=120, held_out=1, families=("gcd",), wordings=limit, invented=1.0))["train"]
        names = [re.findall(r"(\w+): int", task.signature) for task in tasks]
        return {
            re.sub("|".join(rf"\b{name}\b" for name in each), "_", task.text)
            for task, each in zip(tasks, names, strict=True)
        }

    assert len(shapes(3)) == 2 * 3
    assert len(shapes(0)) == 2 * 8


def test_with_few_names_and_constants_only_those_are_seen_but_unseen_values_stay_many() -> None:
    few = build(TaskSettings(train=40, held_out=40, families=("last-element", "clamp"), names=1, constants=5))
    train, slots = ([(task.entry, task.signature) for task in few[split]] for split in ("train", "slots"))
    assert len({entry for entry, _ in train}) == 1
    assert len(set(train)) == 2  # one a family
    numbers = {number for task in few["train"] for number in re.findall(r"-?\d+", task.text)}
    assert len(numbers) == 15  # five for each of three slots
    assert len({entry for entry, _ in slots}) > 20
