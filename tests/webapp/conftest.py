"""Fixtures of the web tests: cheap password hashes, the team, and a browser."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from django.conf import settings as django_settings
from django.utils import translation

from tests.webapp import people
from webapp.frontend.build import FrontendError, build

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(autouse=True)
def cheap_passwords(settings: type[django_settings]) -> None:  # type: ignore[valid-type]
    """A real hash takes a tenth of a second each time somebody signs in."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(autouse=True)
def in_english() -> Iterator[None]:
    """A request in Spanish leaves its thread in Spanish: the next request chooses anew, but a test need not send one."""
    with translation.override("en"):
        yield


@pytest.fixture
def team(db: None) -> people.Team:
    return people.team()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium, the machine's or Playwright's own, and the bundles that pages load."""
    # Imported here: the other web tests need no Playwright.
    from playwright.sync_api import sync_playwright

    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        # Playwright's loop runs in this thread, where the tests use the database between their steps.
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        path = _chromium() or playwright.chromium.executable_path
        if not Path(path).exists():
            _not_to_be_had("no Chromium found: run `make services`, or set AVAL_CHROMIUM to one")
        try:
            build()
        except FrontendError as error:
            _not_to_be_had(f"the pages' scripts could not be built: {error}")
        browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM_ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    with browser.new_context(locale="en-US", viewport={"width": 1280, "height": 900}) as context:
        yield context


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """A tab in which no script may fail and nothing may break the content security policy."""
    page = context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    yield page
    # What a refused form answers is no failure of the page.
    assert [problem for problem in problems if "422" not in problem] == []


def _not_to_be_had(reason: str) -> None:
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def _chromium() -> str:
    if named := os.environ.get("AVAL_CHROMIUM"):
        return named
    found = (shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"))
    return next((path for path in found if path), "")
