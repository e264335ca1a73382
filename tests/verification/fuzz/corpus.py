"""Programs from a JSONL file (rows with `code` and `entry`), edited at random: what models wrote, and its neighbours."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from random import Random

from tests.verification.fuzz.grammar import ENTRY, compiles
from tests.verification.fuzz.mutate import mutated


class Corpus:
    """Writes the program of a seed, as `grammar.program` does; picklable, so that other processes can have it."""

    def __init__(self, path: Path) -> None:
        rows = [json.loads(line) for line in path.read_text().splitlines() if line.strip()]
        renamed = [_renamed(row["code"], row["entry"]) for row in rows]
        self._programs = [source for source in renamed if source is not None]
        if not self._programs:
            raise ValueError(f"{path} holds no usable program: give rows with code and entry, one JSON object a line")

    def __call__(self, seed: object) -> str:
        chance = Random(f"{seed}")
        while True:
            source = mutated(chance.choice(self._programs), chance, edits=chance.choice((0, 1, 1, 2, 2, 3, 4)))
            if compiles(source):
                return source


def _renamed(source: str, entry: str) -> str | None:
    """The program with its entry called as the fuzzer calls it; None if it isn't Python or uses that name itself."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return None
    for node in ast.walk(tree):
        if (isinstance(node, ast.Name) and node.id == ENTRY) or (isinstance(node, ast.arg) and node.arg == ENTRY):
            return None
        if isinstance(node, ast.FunctionDef) and node.name == entry:
            node.name = ENTRY
        elif isinstance(node, ast.Name) and node.id == entry:
            node.id = ENTRY
    text = ast.unparse(tree) + "\n"
    return text if compiles(text) else None
