"""Launching, cancelling and recording runs, and freezing ratings: ``webapp.runs.actions``."""

from __future__ import annotations

import math
import random
import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction

from tests.webapp import scene
from training.config import PPOSettings, RewardModelSettings, SettingsError, read, to_json
from webapp import broker
from webapp.audit.models import AuditEvent
from webapp.catalog.models import Project
from webapp.feedback.models import Comparison, Gold
from webapp.runs import actions, wording
from webapp.runs.actions import append_event, launch, request_cancel, take_snapshot
from webapp.runs.configs import CONFIGS
from webapp.runs.models import DatasetSnapshot, Metric, Run, RunEvent


class World:
    """One project with a supervised model, a reward model on it, and another backbone with its own."""

    def __init__(self) -> None:
        self.team = scene.project()
        self.engineer = scene.person("engineer", "engineer", self.team)
        self.backbone = scene.model(self.team, "backbone")
        self.reward = scene.model(self.team, "reward", "reward", self.backbone)
        self.aligned = scene.model(self.team, "aligned", "aligned", self.backbone)
        self.other = scene.model(self.team, "other")
        self.other_reward = scene.model(self.team, "other-reward", "reward", self.other)
        self.foreign = scene.model(scene.project("elsewhere"), "foreign")

    def launch(self, kind: str, config: dict[str, Any] | None = None, **given: Any) -> Run:
        return launch(self.team, kind, config=config or {}, created_by=self.engineer, **given)

    def rated(self, *preferences: int | None) -> None:
        """One comparison a preference, each by somebody new."""
        prompt = scene.prompt(self.team)
        first = scene.sample(prompt, self.backbone)
        for number, preference in enumerate(preferences):
            second = scene.sample(prompt, self.backbone, f"{scene.SAFE_MEAN}# {number}\n")
            rater = scene.person(f"rater{number}", "annotator", self.team, simulated=number % 2 == 1)
            scene.rating(scene.comparison(first, second), rater, preference)


@pytest.fixture
def world(db: None) -> World:
    return World()


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What reaches the broker, in order; nothing is delivered."""
    messages: list[tuple[Any, ...]] = []
    monkeypatch.setattr(broker, "send", lambda task, *args, queue: messages.append((task, *args, queue)))
    return messages


def test_a_launched_run_holds_every_setting_and_is_sent_after_commit(
    world: World, sent: list[Any], django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        run = world.launch("ppo", {"num_updates": "3", "lora": {"r": 4}}, base_model=world.backbone, seed=7)
        assert sent == []
    assert sent == [("workers.train.start_run", run.pk, "train")]
    settings = read(PPOSettings, run.config)
    assert (settings.num_updates, settings.lora.r, settings.seed, run.seed) == (3, 4, 7, 7)
    assert run.config == to_json(settings)
    assert run.state == "queued"
    assert run.commit
    assert [(event.seq, event.kind) for event in run.events.all()] == [(1, "queued")]
    assert AuditEvent.objects.get(action="run.launched").target == f"runs.run:{run.pk}"


def test_a_seed_in_the_settings_wins_over_the_launch_s_own(world: World) -> None:
    assert world.launch("generate", {"settings": {"seed": 5}}, base_model=world.backbone, seed=1).seed == 5


@pytest.mark.parametrize(
    ("kind", "config", "given", "field", "words"),
    [
        ("ppo", {"learning_rate": -1}, ["backbone"], "learning_rate", "above 0"),
        ("ppo", {"learning_rate": "quick"}, ["backbone"], "learning_rate", "number"),
        ("ppo", {"learning_rate": "nan"}, ["backbone"], "learning_rate", "finite"),
        ("ppo", {"lora": {"r": 0}}, ["backbone"], "lora.r", "at least 1"),
        ("ppo", {"reward": 1}, ["backbone"], "reward", "group"),
        ("ppo", {"lr": 1}, ["backbone"], "lr", "unknown"),
        ("ppo", {"batch_size": 8, "mini_batch_size": 16, "micro_batch_size": 8}, ["backbone"], "mini_batch_size", "8"),
        ("ppo", {"mini_batch_size": 8, "micro_batch_size": 16}, ["backbone"], "micro_batch_size", "at most 8"),
        ("ppo", {}, [], "base_model", "choose"),
        ("ppo", {}, ["aligned"], "base_model", "supervised"),
        ("ppo", {}, ["foreign"], "base_model", "another project"),
        ("reward_model", {}, ["backbone"], "snapshot", "snapshot"),
        ("generate", {"count": 0}, ["backbone"], "count", "at least 1"),
        ("generate", {"settings": {"top_p": 2}}, ["backbone"], "settings.top_p", "at most 1"),
        ("generate", {"settings": 3}, ["backbone"], "settings", "group"),
        ("generate", {}, ["reward"], "base_model", "generates nothing"),
        ("evaluate", {"bootstrap": 1}, ["backbone"], "bootstrap", "at least 100"),
        ("sft", {}, ["backbone"], "base_model", "not used"),
        ("sft", {"model": {"preset": "huge"}}, [], "model.preset", "one of"),
        ("dream", {}, [], "kind", "one of"),
    ],
)
def test_what_cannot_run_is_refused_at_its_field_and_nothing_is_stored(
    world: World, kind: str, config: dict[str, Any], given: list[str], field: str, words: str
) -> None:
    base = getattr(world, given[0]) if given else None
    with pytest.raises(SettingsError) as refusal:
        world.launch(kind, config, base_model=base)
    assert words in refusal.value.problems[field]
    assert not Run.objects.exists()
    assert not AuditEvent.objects.exists()


def test_a_reward_model_of_another_backbone_is_refused(world: World) -> None:
    for kind in ("ppo", "evaluate"):
        with pytest.raises(SettingsError) as refusal:
            world.launch(kind, base_model=world.backbone, reward_model=world.other_reward)
        assert "another backbone" in refusal.value.problems["reward_model"]
    with pytest.raises(SettingsError, match="not a reward model"):
        world.launch("ppo", base_model=world.backbone, reward_model=world.aligned)
    assert world.launch("ppo", base_model=world.backbone, reward_model=world.reward).reward_model == world.reward


def test_an_evaluation_compares_two_models_on_the_reward_model_of_their_backbone(world: World) -> None:
    run = world.launch("evaluate", base_model=world.aligned, candidate=world.backbone, reward_model=world.reward)
    assert run.candidate == world.backbone
    with pytest.raises(SettingsError, match="base model itself"):
        world.launch("evaluate", base_model=world.backbone, candidate=world.backbone)


@pytest.mark.parametrize("kind", CONFIGS)
def test_every_kind_keeps_a_config_that_reads_back_as_it_was(world: World, kind: str) -> None:
    world.rated(2)
    given: dict[str, Any] = {} if kind == "sft" else {"base_model": world.backbone}
    if kind == "reward_model":
        given["snapshot"] = take_snapshot(world.team, world.engineer)
    run = world.launch(kind, **given)
    run.refresh_from_db()
    assert to_json(read(CONFIGS[kind], run.config)) == run.config


def test_a_queued_run_is_cancelled_at_once(world: World) -> None:
    run = request_cancel(world.launch("generate", base_model=world.backbone), world.engineer)
    assert run.state == "cancelled"
    assert run.finished_at is not None
    assert run.events.last().kind == "cancelled"
    assert AuditEvent.objects.filter(action="run.cancelled", actor=world.engineer).exists()


def test_a_running_run_is_asked_to_stop_and_an_ended_one_is_left_alone(world: World) -> None:
    run = world.launch("generate", base_model=world.backbone)
    Run.objects.filter(pk=run.pk).update(state="running", lease_until="2100-01-01T00:00Z")
    run = request_cancel(run, world.engineer)
    assert (run.state, run.cancel_requested) == ("running", True)
    Run.objects.filter(pk=run.pk).update(state="succeeded", lease_until=None)
    with pytest.raises(actions.RunEnded):
        request_cancel(run, world.engineer)
    run.refresh_from_db()
    assert run.state == "succeeded"
    assert [event.kind for event in run.events.order_by("seq")] == ["queued", "cancel_requested"]


def test_a_step_done_again_replaces_its_points_and_strange_numbers_survive(world: World) -> None:
    run = world.launch("generate", base_model=world.backbone)
    append_event(run, "progress", {"total": 9}, {"loss": 2.0, "kl": math.inf}, 1)
    event = append_event(run, "progress", {}, {"loss": 1.5, "kl": math.nan}, 1)
    assert event.payload == {"step": 1, "metrics": {"loss": 1.5, "kl": None}}
    assert event.seq == 3
    values = dict(Metric.objects.filter(run=run, step=1).values_list("name", "value"))
    assert values["loss"] == 1.5
    assert math.isnan(values["kl"])


@pytest.mark.django_db(transaction=True)
def test_events_appended_at_once_are_numbered_without_gap_and_committed_in_order() -> None:
    world = World()
    run = world.launch("generate", base_model=world.backbone)
    seen_gap: list[list[int]] = []
    done = threading.Event()

    def append(seed: int) -> None:
        chance = random.Random(seed)
        try:
            for _ in range(15):
                with transaction.atomic():
                    append_event(run, "progress", {"by": seed})
                    if chance.random() < 0.2:
                        transaction.set_rollback(True)
        finally:
            connection.close()

    def watch() -> None:
        """No reader may ever see a number before all lower ones."""
        try:
            while not done.is_set():
                seqs = list(RunEvent.objects.filter(run=run).order_by("seq").values_list("seq", flat=True))
                if seqs != list(range(1, len(seqs) + 1)):
                    seen_gap.append(seqs)
        finally:
            connection.close()

    threads = [threading.Thread(target=append, args=(seed,)) for seed in range(4)]
    watcher = threading.Thread(target=watch)
    for thread in [watcher, *threads]:
        thread.start()
    for thread in threads:
        thread.join()
    done.set()
    watcher.join()
    assert seen_gap == []
    assert run.events.count() > 20


def test_the_same_ratings_give_the_same_snapshot_once(world: World) -> None:
    world.rated(2, -1, None)
    first = take_snapshot(world.team, world.engineer)
    again = take_snapshot(world.team, world.engineer)
    assert first.pk == again.pk
    assert first.count == 3
    stored = DatasetSnapshot.objects.get(pk=first.pk)
    assert actions.canonical_sha256(stored.rows) == stored.sha256
    assert AuditEvent.objects.filter(action="snapshot.taken").count() == 1


def test_a_snapshot_holds_each_rating_as_it_was_given(world: World) -> None:
    world.rated(2, None)
    rows = take_snapshot(world.team, world.engineer).rows
    assert [row["preference"] for row in rows] == [2, None]
    assert [row["unusable"] for row in rows] == [False, True]
    assert [row["simulated"] for row in rows] == [False, True]
    assert rows[0]["code_a"] == scene.MEAN
    assert rows[0]["code_b"].startswith(scene.SAFE_MEAN)
    assert rows[0]["annotator"] == "p-rater0"
    assert rows[0]["prompt_text"] == "Return the mean of the numbers."


def test_a_snapshot_tells_the_right_answers_to_gold_questions_and_only_of_those(world: World) -> None:
    world.rated(2, None)
    pairs = Comparison.objects.order_by("pk")
    assert not any("gold" in row for row in take_snapshot(world.team, world.engineer).rows)
    Gold.objects.create(comparison=pairs[0], lowest=1, highest=3)
    Gold.objects.create(comparison=pairs[1], unusable=True)
    rows = take_snapshot(world.team, world.engineer).rows
    assert {row["comparison"]: row["gold"] for row in rows} == {
        pairs[0].pk: {"lowest": 1, "highest": 3},
        pairs[1].pk: {"lowest": None, "highest": None},
    }


def test_surplus_ratings_and_other_projects_are_left_out_and_a_new_rating_makes_a_new_snapshot(world: World) -> None:
    world.rated(1)
    first = take_snapshot(world.team, world.engineer)
    prompt = scene.prompt(world.team, "Another one.")
    pair = scene.comparison(scene.sample(prompt, world.backbone), scene.sample(prompt, world.backbone, "x = 1\n"))
    scene.rating(pair, scene.person("late", "annotator", world.team), 3, surplus=True)
    assert take_snapshot(world.team, world.engineer).pk == first.pk
    scene.rating(pair, scene.person("timely", "annotator", world.team), -3)
    second = take_snapshot(world.team, world.engineer)
    assert second.sha256 != first.sha256
    assert second.count == 2
    with pytest.raises(SettingsError, match="no ratings yet"):
        take_snapshot(Project.objects.get(slug="elsewhere"), world.engineer)


def test_a_snapshot_cannot_be_changed(world: World) -> None:
    world.rated(1)
    snapshot = take_snapshot(world.team, world.engineer)
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        DatasetSnapshot.objects.filter(pk=snapshot.pk).update(rows=[])
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        with pytest.raises(DatabaseError, match="append-only"):
            cursor.execute("TRUNCATE runs_datasetsnapshot CASCADE")


def test_every_sentence_about_a_setting_can_be_said_in_another_language() -> None:
    """A sentence that no pattern knows would reach a Spanish page in English."""
    known = [pattern for pattern, _ in wording._SENTENCES]
    for values in (
        {"learning_rate": "x"},
        {"learning_rate": "inf"},
        {"learning_rate": -1},
        {"epochs": 1e9},
        {"batch_size": 0},
        {"batch_size": "1.5"},
        {"bf16": "perhaps"},
    ):
        with pytest.raises(SettingsError) as refusal:
            read(RewardModelSettings, values)
        for sentence in refusal.value.problems.values():
            assert any(pattern.fullmatch(sentence) for pattern in known), sentence
