"""The platform as it is started for real, and an engineer before it: a PPO run launched in the browser trains."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.webapp.conftest import browser as browser
from tests.workers.test_cli import ROOT, at_home
from tests.workers.test_services import PATIENCE, home, started
from training.config import ModelSettings, TaskSettings
from training.curriculum import build, write_jsonl

if TYPE_CHECKING:
    from playwright.sync_api import Browser

__all__ = ["browser", "home"]

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("services")]

PASSWORD = "a-long-password-of-tests"
ROWS = """
import sys
from pathlib import Path
from workers.commands.platform import database

with database():
    from webapp.accounts.actions import create_user
    from webapp.catalog.actions import add_member, create_project, import_prompts
    from webapp.catalog.models import ModelVersion

    from training.models import backbone_sha256

    model, tasks, password = sys.argv[1:]
    admin = create_user(username="admin", password=password)
    engineer = create_user(username="engineer", password=password)
    project = create_project(slug="alpha", name="Alpha", by=admin)
    add_member(project, engineer, role="engineer", by=admin)
    assert not import_prompts(project, Path(tasks).read_text().splitlines(), by=admin).errors
    ModelVersion.objects.create(
        project=project, name="base", kind="supervised", path=model, sha256=backbone_sha256(Path(model))
    )
"""


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model that has learnt nothing: that its reward moves is no matter here."""
    from training.data.tokenizer import tokenizer_for
    from training.models import build_model

    tasks = build(TaskSettings(train=24, held_out=2, families=("safe-division",)))["train"]
    write_jsonl(tmp_path / "tasks.jsonl", tasks)
    tokenizer = tokenizer_for(tasks, vocab_size=400)
    build_model(ModelSettings(preset="aval-micro"), tokenizer).save_pretrained(str(tmp_path / "model"))
    tokenizer.save_pretrained(str(tmp_path / "model"))
    return tmp_path / "model"


def test_an_engineer_launches_a_tiny_ppo_run_and_sees_its_points_appear_without_reloading(
    home: Path, model: Path, browser: Browser
) -> None:
    platform, port = started(home)
    address = f"http://127.0.0.1:{port}"
    fill_in(home, model)
    page = browser.new_page(locale="en-US")
    page.set_default_timeout(1000 * PATIENCE)
    page.goto(f"{address}/accounts/login/")
    page.get_by_label("Username").fill("engineer")
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{address}/p/alpha/")

    page.goto(f"{address}/p/alpha/runs/new/ppo/?scale=tiny")
    page.get_by_label("Updates", exact=True).fill("3")
    page.get_by_role("button", name="Launch").click()
    page.wait_for_url(f"{address}/p/alpha/runs/*/")
    page.evaluate("window.stayed = true")
    assert page.locator("#run-head .badge-succeeded").count() == 0

    page.wait_for_selector('[data-metric="reward"]')
    page.wait_for_selector("#run-head .badge-succeeded")
    page.wait_for_selector('[data-metric="reward"][data-points="3"]')
    assert page.evaluate("window.stayed") is True
    head = page.locator("#run-head").inner_text()
    assert "3 / 3" in head
    assert "train@" in head
    assert "1 / 5" in head  # attempts
    assert list((home / "runs").glob("*/attempt-000001/final-merged/model.safetensors"))
    page.close()
    platform.send_signal(signal.SIGINT)
    assert platform.wait(PATIENCE) == 130


def fill_in(home: Path, model: Path) -> None:
    """People, prompts and a model to start from, as other processes of the platform write them."""
    subprocess.run(
        [sys.executable, "-c", ROWS, str(model), str(model.with_name("tasks.jsonl")), PASSWORD],
        cwd=ROOT,
        env={**at_home(home), "DJANGO_SETTINGS_MODULE": "webapp.settings", "PYTHONPATH": str(ROOT)},
        check=True,
        timeout=PATIENCE,
    )
