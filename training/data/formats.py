"""Rows of MBPP and HumanEval as tasks: plain dictionaries, from the standard library alone.

Austin et al. 2021, "Program Synthesis with Large Language Models"; Chen et al. 2021, "Evaluating Large Language Models
Trained on Code". Both give one reference and no hidden tests. Of MBPP's tests the first is public, as its own prompts
show it, and the others are hidden; HumanEval's are one ``check``, which is both. Their references run nowhere here.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Callable, Mapping
from inspect import cleandoc
from typing import Any

SPLIT = "real"


def mbpp_task(row: Mapping[str, Any], language: str) -> dict[str, Any]:
    """A row of MBPP, plain or sanitized; KeyError, TypeError, ValueError or SyntaxError for one that is no task."""
    code, tests = row["code"].replace("\r\n", "\n"), list(row["test_list"])
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


def humaneval_task(row: Mapping[str, Any], language: str) -> dict[str, Any]:
    """A row of HumanEval, HumanEval+ or HumanEval-XL; errors as for `mbpp_task`."""
    prompt, entry = row["prompt"], row["entry_point"]
    tree = ast.parse(prompt)
    function = next((node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == entry), None)
    if function is None:
        raise ValueError(f"the prompt does not define {entry}")
    # Imports and helpers that the prompt gives; an answer need not repeat them.
    given = [node for node in tree.body if node is not function]
    tests = [f"{row['test']}\ncheck({entry})"]
    return _task(
        f"humaneval/{row['task_id']}",
        language,
        text=_description(function),
        function=function,
        code=prompt + row["canonical_solution"],
        tests=(tests, tests),
        prelude="\n".join(ast.unparse(node) for node in given),
    )


CONVERTERS: dict[str, Callable[[Mapping[str, Any], str], dict[str, Any]]] = {
    "mbpp": mbpp_task,
    "humaneval": humaneval_task,
}


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
    tests: tuple[list[str], list[str]],
    prelude: str,
) -> dict[str, Any]:
    if not text.strip():
        raise ValueError("it has no description")
    returns = f" -> {ast.unparse(function.returns)}" if function.returns else ""
    return {
        "key": hashlib.sha256(f"{name}/{language}/{text}".encode()).hexdigest()[:20],
        "family": name.split("/")[0],
        "split": SPLIT,
        "language": language,
        "text": text.strip(),
        "entry": function.name,
        "signature": f"def {function.name}({ast.unparse(function.args)}){returns}:",
        "solutions": [{"code": code, "safe": True}],
        "public_tests": tests[0],
        "hidden_tests": tests[1],
        "prelude": prelude,
    }
