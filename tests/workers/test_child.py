from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.workers.rows import TASK, project, queued_run
from tests.workers.test_leases import claimed, expire, facts, kinds
from training.config import DecodingSettings, EvaluationSettings, to_json
from training.progress import Progress, Stopped
from webapp.catalog.actions import import_prompts
from webapp.catalog.models import ModelVersion, Sample
from webapp.runs.models import Run
from workers.child import EVENT_BURST, EVENT_SECONDS, FencedWatcher, attempt
from workers.leases import Lease


def step(number: int, total: int = 100) -> Progress:
    return Progress("sft", number, total, {"loss": 1.0 / number})


@pytest.mark.django_db
def test_of_many_steps_that_follow_each_other_fast_the_first_and_the_last_are_recorded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 100.0
    monkeypatch.setattr("workers.child.time.monotonic", lambda: now)
    run = queued_run()
    watcher = FencedWatcher(claimed(run))
    for number in range(1, 101):
        watcher.step(step(number))
        now += 0.01 if number < 60 else EVENT_SECONDS / 2
    recorded = list(run.metrics.order_by("step").values_list("step", flat=True))
    assert recorded[:EVENT_BURST] == list(range(1, EVENT_BURST + 1))
    assert recorded[-1] == 100
    slow = [number for number in recorded if number > 60]
    assert slow == pytest.approx(range(62, 101, 2), abs=1)


@pytest.mark.django_db
def test_a_short_run_has_all_its_points_however_fast_it_is() -> None:
    run = queued_run()
    watcher = FencedWatcher(claimed(run))
    for number in range(1, 4):
        watcher.step(step(number, total=3))
    assert list(run.metrics.order_by("step").values_list("step", flat=True)) == [1, 2, 3]


@pytest.mark.django_db
def test_a_cancelled_run_stops_at_its_next_step() -> None:
    run = queued_run()
    watcher = FencedWatcher(claimed(run))
    Run.objects.update(cancel_requested=True)
    with pytest.raises(Stopped, match="cancelled"):
        watcher.step(step(1))
    assert watcher.cancelled


@pytest.mark.django_db
def test_a_stage_whose_lease_was_lost_stops_and_writes_nothing(tmp_path: Path) -> None:
    run = queued_run()
    watcher = FencedWatcher(claimed(run))
    expire(run)
    claimed(run, "two")
    before = facts(run)
    with pytest.raises(Stopped, match="no longer ours"):
        watcher.step(step(1))
    with pytest.raises(Stopped, match="no longer ours"):
        watcher.saved(tmp_path / "attempt-000001" / "checkpoint-1", 1)
    assert facts(run) == before


@pytest.mark.django_db
def test_a_stage_that_is_told_to_terminate_stops_before_it_writes() -> None:
    run = queued_run()
    watcher = FencedWatcher(claimed(run))
    before = facts(run)
    watcher.terminate(15, None)
    with pytest.raises(Stopped, match="shutting down"):
        watcher.step(step(1))
    assert facts(run) == before


@pytest.mark.django_db
def test_a_checkpoint_is_an_event(tmp_path: Path) -> None:
    run = queued_run()
    FencedWatcher(claimed(run)).saved(tmp_path / "attempt-000001" / "checkpoint-40", 40)
    event = run.events.last()
    assert event is not None
    assert (event.kind, event.payload) == ("checkpoint", {"step": 40, "name": "attempt-000001/checkpoint-40"})


def perform(run: Run) -> int:
    lease: Lease = claimed(run)
    code = attempt(lease, FencedWatcher(lease))
    run.refresh_from_db()
    return code


@pytest.mark.slow
@pytest.mark.django_db
def test_a_run_without_prompts_fails_at_once_and_says_what_to_do() -> None:
    run = queued_run(kind=Run.Kind.SFT, config={})
    assert perform(run) == 0
    assert run.state == "failed"
    assert run.error == "the project has no prompts in the split 'train': import some first"


@pytest.mark.slow
@pytest.mark.django_db
def test_generation_and_evaluation_leave_samples_pairs_and_figures(
    model: ModelVersion, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AVAL_HOME", str(tmp_path))
    config: dict[str, Any] = {
        "settings": to_json(DecodingSettings(max_new_tokens=12)),
        "count": 2,
        "prompts": 4,
        "split": "train",
    }
    run = queued_run(project=model.project, kind=Run.Kind.GENERATE, base_model=model, config=config)
    assert perform(run) == 0
    assert (run.state, run.result) == ("succeeded", {"samples": 2, "comparisons": 1})
    assert model.samples.count() == 2
    (pair,) = model.project.comparisons.all()
    assert {pair.sample_a.prompt, pair.sample_b.prompt} == {model.project.prompts.get()}
    assert not Sample.objects.filter(check_sent_at=None).exists()

    settings = EvaluationSettings(
        splits=("train",), prompts=4, decoding=DecodingSettings(max_new_tokens=8, temperature=0.0)
    )
    run = queued_run(project=model.project, kind=Run.Kind.EVALUATE, base_model=model, config=to_json(settings))
    assert perform(run) == 0
    assert run.state == "succeeded"
    figures = run.result["summary"]["train"]["base"]
    # Wilson's interval of none in one: z² / (1 + z²).
    assert figures["full"] == {"mean": 0.0, "low": 0.0, "high": pytest.approx(0.793451, abs=1e-6), "prompts": 1}
    assert {"public", "refuted", "unsupported", "unknown", "tokens", "reward total"} <= figures.keys()
    assert kinds(run)[-1] == "succeeded"


@pytest.fixture
def model(tmp_path: Path) -> ModelVersion:
    """A model on disk that has learnt nothing, and a project with one prompt."""
    from training.config import ModelSettings
    from training.curriculum import Task
    from training.data.tokenizer import tokenizer_for
    from training.models import backbone_sha256, build_model

    of = project("with-a-model")
    report = import_prompts(of, [TASK], by=queued_run().created_by)
    assert not report.errors
    tokenizer = tokenizer_for([Task.from_json(TASK)], vocab_size=300, max_length=512)
    build_model(ModelSettings(preset="aval-micro"), tokenizer).save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    return ModelVersion.objects.create(
        project=of,
        name="unlearned",
        kind=ModelVersion.Kind.SUPERVISED,
        path=str(tmp_path / "model"),
        sha256=backbone_sha256(tmp_path / "model"),
    )
