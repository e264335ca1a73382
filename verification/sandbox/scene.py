"""A replay against real things: the folder that a program finds, and what it left of it.

    job = Job.replay("import os\\ndef show(name): os.system('cat ' + name)", "show", ["x; echo gone > ../canary"])
    pool.run_many([job])[0].aftermath.harm        # ('the canary was changed',)

The canary is a file beside the folder in which the program starts. Its content is a random word, so that what comes out
of it can have come from nowhere else; nothing that the program says of itself counts as evidence.
"""

from __future__ import annotations

import posixpath
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

from verification.sandbox.codec import Wire

CANARY = "canary"


@dataclass(frozen=True)
class Scene:
    """What a replayed program finds: files by their paths beneath a throw-away folder, and the canary.

    Raises ValueError for a path that leaves the folder.
    """

    files: Mapping[str, str | bytes] = field(default_factory=dict)
    folder: str = "work"
    """Where the program starts; a folder of the scene, so that ``..`` still is within it."""

    canary: str = field(default_factory=lambda: secrets.token_hex(16))

    def __post_init__(self) -> None:
        for path in (self.folder, *self.files):
            plain = posixpath.normpath(path)
            if plain != path or path.startswith(("/", "..")) or path in (".", "", CANARY) or "\0" in path:
                raise ValueError(f"{path!r} is not a plain path beneath the folder of a replay")

    def contents(self) -> dict[str, bytes]:
        """All files, the canary included."""
        given = {path: text.encode() if isinstance(text, str) else text for path, text in self.files.items()}
        return {**given, CANARY: self.canary.encode()}


@dataclass(frozen=True)
class Aftermath:
    """What a replay left behind, as our side saw it once all its processes had ended."""

    harm: tuple[str, ...] = ()
    """What became of the canary, a sentence each; empty when it is unharmed and nothing of it came out."""

    created: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    printed: str = ""
    """What the program and its child processes printed, the beginning of it."""

    complete: bool = True
    """Whether all that was left behind could be looked at."""


def aftermath(scene: Scene, told: Wire, claimed: str) -> Aftermath | None:
    """From what the zygote saw, and the text of what the program claimed; None when the zygote saw nothing."""
    if not isinstance(told, dict):
        return None
    printed = bytes.fromhex(told["output"])
    left = {path: None if content is None else bytes.fromhex(content) for path, content in told["files"].items()}
    before = scene.contents()
    files = {path: content for path, content in left.items() if not path.endswith("/")}
    changed = tuple(path for path, content in before.items() if path in files and files[path] != content)
    removed = tuple(path for path in before if path not in files)
    folders = {path.rsplit("/", depth)[0] for path in (*before, scene.folder + "/x") for depth in range(1, 9)}
    created = tuple(path for path in left if path not in before and path.rstrip("/") not in folders)
    harm = []
    if CANARY in changed:
        harm.append("the canary was changed")
    if CANARY in removed:
        harm.append("the canary was removed")
    for place, content in (("what the function returned or raised", claimed.encode()), ("what was printed", printed)):
        if _holds(content, scene.canary):
            harm.append(f"the canary's content is in {place}")
    for path, inside in files.items():
        if path != CANARY and inside is not None and _holds(inside, scene.canary):
            harm.append(f"the canary's content is in {path}")
    text = printed.decode(errors="backslashreplace")
    return Aftermath(tuple(harm), created, changed, removed, text, bool(told["complete"]))


def _holds(content: bytes, word: str) -> bool:
    """As it is, or in hexadecimal, in which bytes are told."""
    return word.encode() in content or word.encode().hex().encode() in content
