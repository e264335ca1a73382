"""The runs and review pages in a real Chromium, served by granian."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from django.db import connection
from django.test import Client

from tests.webapp import scene
from tests.webapp.server import serving
from training.config import SCALES
from webapp.accounts.models import User
from webapp.catalog.models import Project
from webapp.review.models import ReviewDecision
from webapp.runs.actions import append_event, launch
from webapp.runs.models import Run

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


class Stage:
    """A served project with a running run and a refuted sample."""

    def __init__(self, address: str, browser: Browser) -> None:
        self.address = address
        self.browser = browser
        self.team: Project = scene.project("alpha")
        self.engineer = scene.person("engineer", "engineer", self.team)
        self.admin = scene.person("admin", "admin", self.team)
        self.model = scene.model(self.team, "supervised-1")
        self.complaints: list[str] = []

    def running(self) -> Run:
        run = launch(self.team, "generate", config={}, created_by=self.engineer, base_model=self.model)
        Run.objects.filter(pk=run.pk).update(
            state="running", lease_until="2100-01-01T00:00Z", total_steps=12, attempts=1
        )
        append_event(run, "claimed", {"owner": "train-1@host:9", "attempt": 1, "fence": 1})
        append_event(run, "progress", {"total": 12}, {"reward": 0.1, "kl": 0.0}, 1)
        return run

    def page(self, user: User, **options: object) -> Page:
        client = Client()
        client.force_login(user)
        context = self.browser.new_context(**options)  # type: ignore[arg-type]
        context.add_cookies([{"name": "sessionid", "value": client.cookies["sessionid"].value, "url": self.address}])
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda said: self.complaints.append(said.text) if said.type == "error" else None)
        return page


@pytest.fixture(autouse=True)
def beside_playwright(monkeypatch: pytest.MonkeyPatch) -> None:
    """Playwright's event loop runs in the test's thread, where Django would otherwise refuse the database."""
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")


@pytest.fixture
def stage(transactional_db: None, tmp_path: Path, browser: Browser) -> Iterator[Stage]:
    with serving(tmp_path) as address:
        stage = Stage(address, browser)
        yield stage
        for context in browser.contexts:
            context.close()
        # A refused script or style (content security policy) is said on the console.
        assert stage.complaints == []


def elsewhere(work: Callable[[], object]) -> None:
    """Do it in another thread and on another connection, as a worker would."""

    def wrapped() -> None:
        try:
            work()
        finally:
            connection.close()

    thread = threading.Thread(target=wrapped)
    thread.start()
    thread.join()


def test_an_engineer_sees_points_appear_and_the_run_end_without_reloading(stage: Stage) -> None:
    run = stage.running()
    page = stage.page(stage.engineer)
    page.goto(f"{stage.address}/p/alpha/runs/{run.pk}/")
    page.evaluate("window.stayed = true")
    page.wait_for_selector('[data-metric="reward"][data-points="1"]')

    def steps() -> None:
        for step in range(2, 8):
            Run.objects.filter(pk=run.pk).update(step=step)
            append_event(run, "progress", {"total": 12}, {"reward": step / 10, "kl": 0.1, "entropy": 1.0}, step)
            time.sleep(0.05)

    elsewhere(steps)
    page.wait_for_selector('[data-metric="reward"][data-points="7"]')
    page.wait_for_selector('[data-metric="entropy"][data-points="6"]')
    assert page.locator('[data-metric="reward"] .chart-value').inner_text() == "step 7: 0.7"
    assert [chart.get_attribute("data-metric") for chart in page.locator(".chart").all()] == ["reward", "kl", "entropy"]
    page.wait_for_selector('#run-progress[value="7"]')

    def end() -> None:
        Run.objects.filter(pk=run.pk).update(state="succeeded", step=12, lease_until=None, result={"samples": 24})
        append_event(run, "succeeded", {})

    elsewhere(end)
    page.wait_for_selector("#run-head .badge-succeeded")
    assert "24" in page.locator("#results-title ~ *").first.inner_text()
    assert page.locator("#cancel").count() == 0
    assert page.evaluate("window.stayed") is True


def test_a_page_whose_server_went_away_catches_up_when_it_is_back(
    transactional_db: None, tmp_path: Path, browser: Browser
) -> None:
    with serving(tmp_path) as address:
        stage = Stage(address, browser)
        run = stage.running()
        page = stage.page(stage.engineer)
        page.goto(f"{address}/p/alpha/runs/{run.pk}/")
        page.wait_for_selector('[data-metric="reward"][data-points="1"]')
        port = int(address.rpartition(":")[2])
    elsewhere(lambda: [append_event(run, "progress", {}, {"reward": 0.5}, step) for step in range(2, 6)])
    with serving(tmp_path, port=port):
        page.wait_for_selector('[data-metric="reward"][data-points="5"]')
    page.context.close()


def test_without_scripts_the_latest_values_stand_in_a_table(stage: Stage) -> None:
    run = stage.running()
    page = stage.page(stage.engineer, java_script_enabled=False)
    page.goto(f"{stage.address}/p/alpha/runs/{run.pk}/")
    assert page.locator("#run-tail tbody tr").all_inner_texts() == ["reward\t1\t0.1", "kl\t1\t0"]
    assert page.locator(".chart").count() == 0


def test_an_engineer_launches_a_tiny_ppo_run_and_is_told_of_a_bad_value(stage: Stage) -> None:
    page = stage.page(stage.engineer)
    page.goto(f"{stage.address}/p/alpha/runs/")
    page.get_by_role("link", name="PPO with LoRA", exact=True).click()
    page.get_by_role("link", name="tiny, for a trial").click()
    page.get_by_label("Updates", exact=True).fill("2")
    page.get_by_label("Learning rate", exact=True).fill("-1")
    page.get_by_role("button", name="Launch").click()
    assert page.locator(".errorlist").all_inner_texts() == ["Must be above 0, not -1"]
    assert page.get_by_label("Updates", exact=True).input_value() == "2"
    stage.complaints.clear()  # the browser says on its console that the answer was 422
    page.get_by_label("Learning rate", exact=True).fill("0.001")
    page.get_by_role("button", name="Launch").click()
    page.wait_for_selector("h1 .badge-queued")
    run = Run.objects.get(kind="ppo")
    assert (run.config["num_updates"], run.config["learning_rate"], run.config["batch_size"]) == (
        2,
        0.001,
        SCALES["tiny"].ppo.batch_size,
    )


def test_an_admin_rejects_a_refuted_program_with_a_reason(stage: Stage) -> None:
    sample = scene.sample(scene.prompt(stage.team), stage.model)
    scene.verdict(sample, "zero-division", "refuted", line=5)
    scene.execution(sample, "hidden", 6, 8)
    page = stage.page(stage.admin)
    page.goto(f"{stage.address}/p/alpha/review/")
    page.get_by_label("Outcome").select_option("refuted")
    page.get_by_role("button", name="Filter").click()
    page.get_by_role("link", name=f"#{sample.pk}").click()
    assert page.locator(".line-fault").inner_text().strip().endswith("return total / len(xs)")
    page.get_by_role("button", name="Reject").click()
    assert "A rejection needs a reason" in page.locator(".errorlist").inner_text()
    stage.complaints.clear()
    page.get_by_label("Reason").fill("mean([]) divides by zero")
    page.get_by_role("button", name="Reject").click()
    page.wait_for_selector("h1 .badge-rejected")
    decision = ReviewDecision.objects.get(sample=sample)
    assert (decision.decision, decision.reason) == ("rejected", "mean([]) divides by zero")
