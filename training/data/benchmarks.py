"""Tasks from files in the formats of MBPP and HumanEval (HumanEval-XL and HumanEval+ have the latter).

Austin et al. 2021, "Program Synthesis with Large Language Models"; Chen et al. 2021, "Evaluating Large Language Models
Trained on Code". Both give one reference and no hidden tests. Of MBPP's tests the first is public, as its own prompts
show it, and the others are hidden; HumanEval's are one ``check``, which is both. Their references run nowhere here.
"""

from __future__ import annotations

import ast
import gzip
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from inspect import cleandoc
from pathlib import Path
from typing import Any

from training.curriculum.task import Solution, Task, TaskFileError, told_of

SPLIT = "real"


def read_mbpp(path: Path, *, language: str = "en") -> list[Task]:
    """MBPP: JSON Lines, or the sanitized set's one JSON list; TaskFileError names the first row that is no task."""
    return [_converted(path, number, row, _from_mbpp, language) for number, row in _rows(path)]


def read_humaneval(path: Path, *, language: str = "en") -> list[Task]:
    """HumanEval: JSON Lines; TaskFileError names the first row that is no task."""
    return [_converted(path, number, row, _from_humaneval, language) for number, row in _rows(path)]


FORMATS: dict[str, Callable[..., list[Task]]] = {"mbpp": read_mbpp, "humaneval": read_humaneval}


def _rows(path: Path) -> Iterator[tuple[int, Any]]:
    """Rows with their numbers, from 1; a name that ends in .gz is unpacked."""
    try:
        raw = path.read_bytes()
        text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode()
    except (EOFError, gzip.BadGzipFile, UnicodeDecodeError) as error:
        raise TaskFileError(f"{path}: can't be read as text ({error})") from None
    if text.lstrip().startswith("["):
        try:
            yield from enumerate(json.loads(text), start=1)
        except json.JSONDecodeError as error:
            raise TaskFileError(f"{path}, line {error.lineno}: not JSON ({error.msg})") from None
        return
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                yield number, json.loads(line)
            except json.JSONDecodeError as error:
                raise TaskFileError(f"{path}, row {number}: not JSON ({error.msg})") from None


def _converted(
    path: Path, number: int, row: Any, convert: Callable[[Mapping[str, Any], str], Task], language: str
) -> Task:
    with told_of(f"{path}, row {number}"):
        return convert(row, language)


def _from_mbpp(row: Mapping[str, Any], language: str) -> Task:
    code, tests = row["code"].replace("\r\n", "\n"), tuple(row["test_list"])
    if not tests:
        raise ValueError("'test_list' is empty")
    defined = {node.name: node for node in ast.parse(code).body if isinstance(node, ast.FunctionDef)}
    called = (
        node.func.id
        for node in ast.walk(ast.parse(tests[0]))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    )
    entry = next((name for name in called if name in defined), None)
    if entry is None:
        raise ValueError("the first test calls no function that the code defines")
    prelude = "\n".join(row.get("test_imports") or ()) or row.get("test_setup_code", "")
    return _task(
        f"mbpp/{row['task_id']}",
        language,
        text=row.get("prompt") or row["text"],
        function=defined[entry],
        code=code,
        tests=(tests[:1], tests[1:] or tests),
        prelude=prelude,
    )


def _from_humaneval(row: Mapping[str, Any], language: str) -> Task:
    prompt, entry = row["prompt"], row["entry_point"]
    tree = ast.parse(prompt)
    function = next((node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == entry), None)
    if function is None:
        raise ValueError(f"the prompt does not define {entry}")
    # Imports and helpers that the prompt gives; an answer need not repeat them.
    given = [node for node in tree.body if node is not function]
    return _task(
        f"humaneval/{row['task_id']}",
        language,
        text=_description(function),
        function=function,
        code=prompt + row["canonical_solution"],
        tests=((f"{row['test']}\ncheck({entry})",),) * 2,
        prelude="\n".join(ast.unparse(node) for node in given),
    )


def _description(function: ast.FunctionDef) -> str:
    """Its first text; one of HumanEval's functions imports something before it."""
    for statement in function.body:
        match statement:
            case ast.Expr(value=ast.Constant(value=str(text))):
                return cleandoc(text)
    return ""


def _task(
    name: str,
    language: str,
    *,
    text: str,
    function: ast.FunctionDef,
    code: str,
    tests: tuple[tuple[str, ...], tuple[str, ...]],
    prelude: str,
) -> Task:
    if not text.strip():
        raise ValueError("it has no description")
    returns = f" -> {ast.unparse(function.returns)}" if function.returns else ""
    return Task(
        key=hashlib.sha256(f"{name}/{language}/{text}".encode()).hexdigest()[:20],
        family=name.split("/")[0],
        split=SPLIT,
        language=language,
        text=text.strip(),
        entry=function.name,
        signature=f"def {function.name}({ast.unparse(function.args)}){returns}:",
        solutions=(Solution(code, safe=True),),
        public_tests=tests[0],
        hidden_tests=tests[1],
        prelude=prelude,
    )
