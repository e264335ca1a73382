"""A run that an alarm pauses: who may go on with it, what happens at once, and what a worker's death leaves."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import IntegrityError, connection

from tests.workers.rows import queued_run
from tests.workers.test_leases import claimed, expire, facts, kinds
from tests.workers.test_training_child import Start, only_child, start, wait_for
from training.config import GuardSettings, LoraSettings, ModelSettings, PPOSettings, RewardSettings, TaskSettings
from training.config import to_json as settings_json
from training.guards import Alarm, Paused
from training.progress import Watcher
from webapp.audit.models import AuditEvent
from webapp.catalog.actions import import_prompts
from webapp.catalog.models import ModelVersion
from webapp.runs.actions import NotPaused, RunEnded, request_cancel, resume
from webapp.runs.models import Run
from workers import dispatch, leases, stages
from workers.child import FencedWatcher, attempt
from workers.leases import FencedOut, Lease

__all__ = ["start"]

ALARM = Alarm("kl", 9, 35.0, 20.0, 3)


def paused_run(**changes: Any) -> Run:
    run = queued_run(kind=Run.Kind.PPO, **changes)
    leases.pause(claimed(run), [ALARM.to_json()])
    run.refresh_from_db()
    return run


@pytest.mark.django_db
def test_a_paused_run_has_no_lease_and_keeps_its_alarm_and_its_attempts() -> None:
    run = paused_run()
    assert (run.state, run.lease_until, run.finished_at, run.attempts) == ("paused", None, None, 0)
    assert [Alarm.from_json(alarm) for alarm in run.alarms] == [ALARM]
    assert not run.ended
    assert kinds(run) == ["claimed", "paused"]
    assert run.events.last().payload == {"alarms": [ALARM.to_json()]}  # type: ignore[union-attr]


@pytest.mark.django_db
def test_nobody_takes_up_a_paused_run() -> None:
    run = paused_run(sent_at=None)
    before = facts(run)
    assert leases.claim(run.pk, owner="two") is None
    assert dispatch.requeue_expired() == 0
    assert dispatch.resend_queued() == 0
    assert facts(run) == before


@pytest.mark.django_db
def test_the_database_refuses_a_paused_run_with_a_lease() -> None:
    run = queued_run()
    claimed(run)
    with pytest.raises(IntegrityError, match="run_paused_free"):
        Run.objects.filter(pk=run.pk).update(state="paused")


@pytest.mark.django_db
@pytest.mark.parametrize("since", ["another has it", "it has ended", "it is paused already"])
def test_a_worker_whose_lease_is_lost_pauses_nothing(since: str) -> None:
    run = queued_run()
    stale = claimed(run)
    if since == "another has it":
        expire(run)
        claimed(run, "two")
    elif since == "it has ended":
        leases.finish(stale)
    else:
        leases.pause(stale, [ALARM.to_json()])
    before = facts(run)
    with pytest.raises(FencedOut):
        leases.pause(stale, [ALARM.to_json()])
    assert facts(run) == before


@pytest.mark.django_db
def test_a_run_whose_cancellation_was_asked_for_is_cancelled_not_paused() -> None:
    run = queued_run()
    lease = claimed(run)
    request_cancel(run, run.created_by)
    leases.pause(lease, [ALARM.to_json()])
    run.refresh_from_db()
    assert (run.state, run.alarms) == ("cancelled", [])
    assert kinds(run) == ["claimed", "cancel_requested", "cancelled"]


@pytest.mark.django_db
def test_a_resumed_run_waits_for_a_worker_without_the_monitor_that_paused_it() -> None:
    run = paused_run()
    resume(run, run.created_by)
    assert (run.state, run.alarms, run.disarmed, run.cancel_requested) == ("queued", [], ["kl"], False)
    assert kinds(run) == ["claimed", "paused", "resumed"]
    pseudonym = run.created_by.pseudonym
    assert run.events.last().payload == {"by": pseudonym, "monitors": ["kl"]}  # type: ignore[union-attr]
    entry = AuditEvent.objects.get(action="run.resumed")
    assert (entry.actor, entry.target, entry.payload) == (run.created_by, f"runs.run:{run.pk}", {"monitors": ["kl"]})
    assert claimed(run, "two").fence == 2
    leases.pause(Lease(run.pk, 2), [Alarm("syntax", 12, 0.4, 0.2, 3).to_json()])
    resume(run, run.created_by)
    assert run.disarmed == ["kl", "syntax"]


@pytest.mark.django_db
def test_pausing_and_resuming_does_not_use_up_a_runs_attempts() -> None:
    run = queued_run(max_attempts=1)
    for number in range(1, 4):
        leases.pause(claimed(run), [ALARM.to_json()])
        resume(run, run.created_by)
        assert (run.fence, run.attempts) == (number, 0)
    assert claimed(run)


@pytest.mark.django_db
@pytest.mark.parametrize("state", ["queued", "succeeded", "failed", "cancelled"])
def test_only_a_paused_run_is_resumed(state: str) -> None:
    run = queued_run(state=state)
    before = facts(run)
    with pytest.raises(NotPaused):
        resume(run, run.created_by)
    assert facts(run) == before


@pytest.mark.django_db
def test_a_paused_run_is_cancelled_at_once() -> None:
    run = paused_run()
    request_cancel(run, run.created_by)
    run.refresh_from_db()
    assert (run.state, run.alarms) == ("cancelled", [])
    assert run.finished_at is not None
    assert AuditEvent.objects.filter(action="run.cancelled").count() == 1
    with pytest.raises(NotPaused):
        resume(run, run.created_by)
    with pytest.raises(RunEnded):
        request_cancel(run, run.created_by)


def at_once(*deeds: Callable[[], object]) -> list[Exception]:
    """All of them in threads of their own; what they raised."""
    begin, raised = threading.Barrier(len(deeds)), []

    def act(deed: Callable[[], object]) -> None:
        begin.wait()
        try:
            deed()
        except (NotPaused, RunEnded) as error:
            raised.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=act, args=(deed,)) for deed in deeds]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return raised


def fresh(run: Run) -> Run:
    return Run.objects.select_related("project", "created_by").get(pk=run.pk)


@pytest.mark.django_db(transaction=True)
def test_of_many_who_resume_at_once_one_does_and_the_others_are_told() -> None:
    run = paused_run()
    rows = [fresh(run) for _ in range(6)]
    raised = at_once(*(lambda row=row: resume(row, row.created_by) for row in rows))
    assert [type(error) for error in raised] == [NotPaused] * 5
    assert kinds(run) == ["claimed", "paused", "resumed"]
    assert AuditEvent.objects.filter(action="run.resumed").count() == 1


@pytest.mark.django_db(transaction=True)
def test_who_resumes_and_who_cancels_at_once_leave_a_cancelled_run() -> None:
    for _ in range(5):
        run = paused_run()
        one, two = fresh(run), fresh(run)
        raised = at_once(
            lambda row=one: resume(row, row.created_by), lambda row=two: request_cancel(row, row.created_by)
        )
        run.refresh_from_db()
        assert run.state == "cancelled"
        assert kinds(run) in (["claimed", "paused", "resumed", "cancelled"], ["claimed", "paused", "cancelled"])
        assert len(raised) == ("resumed" not in kinds(run))


@pytest.mark.django_db(transaction=True)
def test_a_pause_and_a_cancellation_at_once_end_in_a_cancelled_run() -> None:
    for _ in range(5):
        run = queued_run()
        lease, row = claimed(run), fresh(run)
        assert (
            at_once(
                lambda lease=lease: leases.pause(lease, [ALARM.to_json()]),
                lambda row=row: request_cancel(row, row.created_by),
            )
            == []
        )
        run.refresh_from_db()
        assert run.state == "cancelled"


def alarming(lease: Lease, watcher: Watcher) -> stages.Output:
    raise Paused([ALARM])


@pytest.mark.django_db
def test_a_stage_that_raises_an_alarm_leaves_its_run_paused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stages, "perform", alarming)
    run = queued_run()
    lease = claimed(run)
    assert attempt(lease, FencedWatcher(lease)) == 0
    run.refresh_from_db()
    assert (run.state, run.error) == ("paused", "")


@pytest.mark.django_db
def test_an_alarm_of_a_worker_that_was_fenced_out_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stages, "perform", alarming)
    run = queued_run()
    lease = claimed(run)
    expire(run)
    claimed(run, "two")
    before = facts(run)
    assert attempt(lease, FencedWatcher(lease)) == 0
    assert facts(run) == before


# -- a real PPO run; outside a transaction, which must not stand idle for as long as training may take


PPO = PPOSettings(
    num_updates=4, batch_size=4, mini_batch_size=4, micro_batch_size=4, num_ppo_epochs=1, response_length=8,
    learning_rate=1e-2, save_steps=1, value_pretraining_updates=0, validation_prompts=2, validation_every=2,
    lora=LoraSettings(r=4, alpha=8), reward=RewardSettings(verifier_weight=0.0), bf16=False,
    guards=GuardSettings(patience=1, most_kl=1e-9),
)  # fmt: skip


def ppo_run(folder: Path, settings: PPOSettings = PPO) -> Run:
    """PPO on an untrained model, which its KL pauses at the second update."""
    from training.curriculum import build
    from training.data.tokenizer import tokenizer_for
    from training.models import backbone_sha256, build_model

    run = queued_run(kind=Run.Kind.PPO, config=settings_json(settings))
    tasks = build(TaskSettings(train=24, held_out=2, families=("safe-division",)))["train"]
    assert not import_prompts(run.project, [task.to_json() for task in tasks], by=run.created_by).errors
    tokenizer = tokenizer_for(tasks, vocab_size=400)
    for part in (build_model(ModelSettings(preset="aval-micro"), tokenizer), tokenizer):
        part.save_pretrained(str(folder / "model"))
    run.base_model = ModelVersion.objects.create(
        project=run.project,
        name="unlearned",
        kind=ModelVersion.Kind.SUPERVISED,
        path=str(folder / "model"),
        sha256=backbone_sha256(folder / "model"),
    )
    run.save()
    return run


def perform(run: Run) -> int:
    lease = claimed(run)
    code = attempt(lease, FencedWatcher(lease))
    run.refresh_from_db()
    return code


class Death(BaseException):
    """What kill -9 looks like from within: nothing more is done."""


@pytest.mark.django_db(transaction=True)
def test_a_worker_that_dies_between_the_checkpoint_and_the_pause_leaves_a_run_that_is_paused_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AVAL_HOME", str(tmp_path))
    run = ppo_run(tmp_path)

    def die(lease: Lease, alarms: Any) -> None:
        raise Death

    with monkeypatch.context() as context:
        context.setattr(leases, "pause", die)
        with pytest.raises(Death):
            perform(run)
    assert facts(run)["state"] == "running"
    expire(run)
    assert dispatch.requeue_expired() == 1
    points = list(run.metrics.values())
    assert perform(run) == 0
    assert (run.state, [alarm["monitor"] for alarm in run.alarms]) == ("paused", ["kl"])
    assert list(run.metrics.values()) == points  # nothing was trained twice
    resume(run, run.created_by)
    assert perform(run) == 0
    assert (run.state, run.step, run.error) == ("succeeded", 4, "")
    assert run.result["best_update"] in (1, 2, 4)
    assert 0.0 <= run.result["validation"] <= 1.0
    assert kinds(run).count("paused") == 1


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
@pytest.mark.xdist_group("training")
def test_a_killed_training_process_ends_up_paused_and_goes_on_when_it_is_resumed(tmp_path: Path, start: Start) -> None:
    run = ppo_run(tmp_path)
    worker = start(run)
    wait_for(lambda: kinds(run).count("checkpoint") >= 1, worker)
    try:
        os.kill(only_child(worker), signal.SIGKILL)
    except ValueError:
        pass  # it had recorded its pause just before
    assert worker.wait(120) == 0
    run.refresh_from_db()
    if run.state == "queued":
        assert start(run).wait(120) == 0
    run.refresh_from_db()
    assert run.state == "paused"
    resume(run, run.created_by)
    assert start(run).wait(120) == 0
    run.refresh_from_db()
    assert (run.state, run.step) == ("succeeded", 4)


# -- what ratings and tests disagree on


@pytest.mark.django_db(transaction=True)
def test_a_runs_largest_disagreements_are_put_before_annotators_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from training import align as alignment
    from workers import disagreements

    monkeypatch.setenv("AVAL_HOME", str(tmp_path))
    compose = alignment.compose

    def rated(*arguments: Any, **options: Any) -> Any:
        """The reward, and a rating that likes long programs."""
        reward = compose(*arguments, **options)
        usual = reward.__class__.__call__

        class Rated(reward.__class__):  # type: ignore[misc, name-defined]
            def __call__(self, prompts: Any, completions: Any, completion_ids: Any = None, **columns: Any) -> Any:
                columns["log_extra"]("rating", [float(len(text)) for text in completions])
                return usual(self, prompts, completions, completion_ids, **columns)

        reward.__class__ = Rated
        return reward

    monkeypatch.setattr(alignment, "compose", rated)
    run = ppo_run(tmp_path, PPOSettings(**{**vars(PPO), "guards": GuardSettings(enabled=False), "disagreements": 3}))
    assert perform(run) == 0
    assert (run.state, run.error) == ("succeeded", "")
    pairs = list(run.project.comparisons.select_related("sample_a", "sample_b", "prompt"))
    assert len(pairs) == run.result["comparisons"] == 3
    assert {pair.priority for pair in pairs} == {disagreements.PRIORITY}
    assert len({pair.prompt_id for pair in pairs}) == 3
    for pair in pairs:
        assert pair.sample_a.prompt_id == pair.sample_b.prompt_id == pair.prompt_id
        assert {pair.sample_a.model_version, pair.sample_b.model_version} == {run.output}
        assert "update" in pair.sample_a.decoding or "update" in pair.sample_b.decoding
        assert pair.sample_a.check_sent_at is not None


@pytest.mark.django_db(transaction=True)
def test_a_run_without_ratings_asks_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AVAL_HOME", str(tmp_path))
    run = ppo_run(tmp_path, PPOSettings(**{**vars(PPO), "guards": GuardSettings(enabled=False), "num_updates": 1}))
    assert perform(run) == 0
    assert (run.state, run.result["comparisons"]) == ("succeeded", 0)
    assert not run.project.comparisons.exists()
