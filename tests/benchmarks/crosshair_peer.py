"""Runs CrossHair on the functions of a JSON Lines file; for the interpreter of CrossHair's own environment.

``python crosshair_peer.py IN OUT --budget 0.25``. Each function gets the contract ``post: True``, so that any exception
that escapes refutes it, and a forked child in which CrossHair is imported already. The budget is CrossHair's own, in CPU
seconds for each condition; a child that uses far more is killed. CPU seconds are all that the child used.

CrossHair executes what it analyses, outside of any sandbox: its audit wall and the child's limits are all there is. Give
it functions that you would run.
"""

from __future__ import annotations

import argparse
import ast
import gc
import importlib.util
import json
import os
import re
import resource
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from crosshair.auditwall import engage_auditwall
from crosshair.core_and_libs import MessageType, analyze_function, run_checkables
from crosshair.options import AnalysisKind, AnalysisOptionSet

GRACE_SECONDS = 2
"""CPU seconds past the budget until a child is killed; limits count whole ones."""

MEMORY = 4 << 30


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("given", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--budget", type=float, default=0.25)
    chosen = parser.parse_args()
    gc.freeze()  # what is imported is not copied into each child
    with chosen.out.open("w", encoding="utf-8") as out, tempfile.TemporaryDirectory() as folder:
        for number, line in enumerate(chosen.given.read_text(encoding="utf-8").splitlines()):
            row = json.loads(line)
            found = in_child(
                lambda row=row, number=number: analysed(row, f"{folder}/f{number}.py", chosen.budget), chosen.budget
            )
            out.write(json.dumps({"id": row["id"], **found}) + "\n")
            out.flush()


def in_child(work: Callable[[], dict[str, Any]], budget: float) -> dict[str, Any]:
    """What the work returns in a forked child, and the CPU seconds of that child."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.close(reading)
            seconds = int(budget) + GRACE_SECONDS
            resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
            with open(writing, "w", encoding="utf-8") as pipe:
                pipe.write(json.dumps(work()))
            status = 0
        finally:
            os._exit(status)
    os.close(writing)
    with open(reading, encoding="utf-8") as pipe:
        told = pipe.read()
    _, _, used = os.wait4(child, 0)
    found = json.loads(told) if told else {"state": "unknown", "detail": "the child was killed or failed"}
    return {**found, "cpu_seconds": used.ru_utime + used.ru_stime}


def analysed(row: dict[str, Any], path: str, budget: float) -> dict[str, Any]:
    """CrossHair's answer: proved, refuted with a call, or unknown."""
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 1)
    os.dup2(silent, 2)
    Path(path).write_text(with_contract(row["code"], row["entry"]), encoding="utf-8")
    engage_auditwall()
    spec = importlib.util.spec_from_file_location(Path(path).stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    options = AnalysisOptionSet(analysis_kind=[AnalysisKind.PEP316], per_condition_timeout=budget, report_all=True)
    messages = run_checkables(analyze_function(getattr(module, row["entry"]), options))
    for message in messages:
        if message.state in (MessageType.EXEC_ERR, MessageType.POST_ERR, MessageType.POST_FAIL):
            found = re.search(r" when calling (.+)", message.message, re.DOTALL)
            call = re.sub(r" \(which returns .*\)$", "", found[1], flags=re.DOTALL) if found else ""
            return {"state": "refuted", "call": call, "detail": message.message}
    if messages and all(message.state is MessageType.CONFIRMED for message in messages):
        return {"state": "proved", "detail": ""}
    return {"state": "unknown", "detail": "; ".join(message.state.name for message in messages) or "no message"}


def with_contract(code: str, entry: str) -> str:
    """The program with CrossHair's contract in the place of the entry's docstring."""
    tree = ast.parse(code)
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == entry:
            if ast.get_docstring(node) is not None:
                del node.body[0]
            node.body.insert(0, ast.Expr(ast.Constant("post: True")))
    return ast.unparse(ast.fix_missing_locations(tree)) + "\n"


if __name__ == "__main__":
    main()
