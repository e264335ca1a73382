"""The open pairs' new order after a reward model's training (workers.selection)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.webapp import people, scene
from tests.workers.rows import queued_run
from tests.workers.test_leases import claimed, kinds
from training.config import ModelSettings, RewardModelSettings, TaskSettings, to_json
from training.curriculum import Task, build
from webapp.accounts.models import User
from webapp.catalog.actions import NewSample, add_samples, import_prompts
from webapp.catalog.models import ModelVersion, Project
from webapp.feedback.actions import create_comparisons, next_assignment
from webapp.feedback.models import Comparison
from webapp.runs.actions import take_snapshot
from webapp.runs.models import Run
from workers import selection
from workers.child import FencedWatcher, attempt

pytestmark = pytest.mark.django_db


class Said:
    """A reward model that knows its members' scores by the program's text; the others' are 0."""

    def __init__(self, backbone: Path, by_text: dict[str, list[float]]) -> None:
        from training.models import load

        network, self.tokenizer = load(backbone)
        self.ensemble = type("Ensemble", (), {"model": network})
        self.by_text = by_text
        self.asked: list[str] = []

    def score_members(self, prompts: list[str], completions: list[str]) -> list[list[float]]:
        assert len(prompts) == len(completions)
        self.asked += completions
        return [self.by_text.get(text, [0.0, 0.0]) for text in completions]


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model on disk that has learnt nothing, and its tokenizer; made before any transaction begins."""
    from training.data.tokenizer import tokenizer_for
    from training.models import build_model

    folder = tmp_path_factory.mktemp("backbone")
    tasks = build(TaskSettings(train=24, held_out=1, families=("safe-division", "largest")))["train"]
    tokenizer = tokenizer_for(tasks, vocab_size=400)
    build_model(ModelSettings(preset="aval-micro"), tokenizer).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def team() -> people.Team:
    return people.team(overlap=1)


@pytest.fixture
def pairs(team: people.Team) -> list[Comparison]:
    return people.pairs(team.project, 4, by=team.owner)


def test_pairs_on_which_the_members_disagree_come_first_and_gold_and_full_ones_are_not_asked_about(
    team: people.Team, pairs: list[Comparison], backbone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sure, split, gold, full = pairs
    Comparison.objects.filter(pk=gold.pk).update(is_gold=True)
    Comparison.objects.filter(pk=full.pk).update(open_slots=0)
    model = Said(backbone, {sure.sample_a.text: [4.0, 4.0], split.sample_a.text: [4.0, -4.0]})
    monkeypatch.setattr("training.reward_ensemble.RewardModel.load", lambda path, *, backbone: model)
    order = selection.order(team.project, Path("/nowhere"), backbone=backbone, seed=0)
    assert order == {split.pk: 1.0, sure.pk: -1.0}
    assert sorted(model.asked) == sorted(
        sample.text for pair in (sure, split) for sample in (pair.sample_a, pair.sample_b)
    )


def test_a_project_without_open_pairs_loads_no_model(team: people.Team) -> None:
    assert selection.order(team.project, Path("/nowhere"), backbone=Path("/nowhere"), seed=0) == {}


def test_of_too_many_pairs_some_are_drawn_and_programs_too_long_for_the_model_are_left_out(
    team: people.Team, pairs: list[Comparison], backbone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Said(backbone, {})
    monkeypatch.setattr("training.reward_ensemble.RewardModel.load", lambda path, *, backbone: model)
    monkeypatch.setattr(selection, "MOST", 3)
    found = {frozenset(selection.order(team.project, Path(), backbone=backbone, seed=seed)) for seed in range(9)}
    assert {len(keys) for keys in found} == {3}
    assert len(found) > 1
    sample = pairs[0].sample_b
    type(sample).objects.filter(pk=sample.pk).update(text=sample.text + "# x\n" * 4000)
    monkeypatch.setattr(selection, "MOST", 4)
    assert pairs[0].pk not in selection.order(team.project, Path(), backbone=backbone, seed=0)


def test_the_new_order_is_stored_with_what_the_run_commits_and_its_events_say_so(
    team: people.Team, pairs: list[Comparison]
) -> None:
    run = queued_run(project=team.project)
    written: list[Run] = []
    commit = selection.ordering(written.append, {pairs[2].pk: 1.0, pairs[0].pk: -1.0})
    commit(run)
    assert written == [run]
    assert [(event.kind, event.payload) for event in run.events.all()] == [("prioritised", {"count": 2})]
    lease = next_assignment(team.teammate, team.project)
    assert lease is not None
    assert lease.comparison_id == pairs[2].pk
    commit(run)
    assert run.events.count() == 1  # The same again changes nothing.


@pytest.mark.timeout(600)
def test_a_reward_models_run_leaves_the_open_pairs_in_its_order(
    backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AVAL_HOME", str(tmp_path))
    run = _reward_run(backbone)
    Comparison.objects.filter(pk=run.project.comparisons.order_by("pk").last().pk).update(is_gold=True)  # type: ignore[union-attr]
    lease = claimed(run)
    assert attempt(lease, FencedWatcher(lease)) == 0
    run.refresh_from_db()
    assert (run.state, run.error) == ("succeeded", "")
    assert kinds(run)[-2:] == ["prioritised", "succeeded"]
    open_ = run.project.comparisons.filter(open_slots__gt=0, is_gold=False)
    assert sorted(open_.values_list("priority", flat=True)) == [-1.0, pytest.approx(-1 / 3), pytest.approx(1 / 3), 1.0]
    assert not run.project.comparisons.exclude(pk__in=open_).exclude(priority=0.0).exists()


def _reward_run(backbone: Path) -> Run:
    """A run on eight rated pairs; five more are open."""
    from training.models import backbone_sha256

    run = queued_run(kind=Run.Kind.REWARD_MODEL)
    tasks = build(TaskSettings(train=13, held_out=1, families=("safe-division", "largest"), seed=1))["train"]
    model = ModelVersion.objects.create(
        project=run.project,
        name="supervised",
        kind=ModelVersion.Kind.SUPERVISED,
        path=str(backbone),
        sha256=backbone_sha256(backbone),
    )
    rater = scene.person("rater")
    for number, pair in enumerate(_compared(run.project, run.created_by, model, tasks)):
        if number < 8:
            scene.rating(pair, rater, 1 if number % 2 else -2)
            Comparison.objects.filter(pk=pair.pk).update(open_slots=0)
    settings: dict[str, Any] = to_json(RewardModelSettings(epochs=1.0, batch_size=4))
    Run.objects.filter(pk=run.pk).update(
        base_model=model, snapshot=take_snapshot(run.project, run.created_by), config=settings
    )
    run.refresh_from_db()
    return run


def _compared(project: Project, by: User, model: ModelVersion, tasks: list[Task]) -> list[Comparison]:
    assert not import_prompts(project, [task.to_json() for task in tasks], by=by).errors
    for prompt, task in zip(project.prompts.order_by("pk"), tasks, strict=True):
        ids = add_samples(model, [NewSample(prompt.pk, solution.code) for solution in task.solutions[:2]])
        one, two = model.samples.filter(pk__in=ids)
        create_comparisons(project, [(one, two)], overlap=1)
    return list(project.comparisons.order_by("pk"))
