"""Whether a program is what its task declares: proofs hold for the types that a program states, and contracts for what
the names in them mean.

A policy chooses both. ``def f(xs: list[int], i: bool)`` is safe where ``i: int`` is not, ``-> object`` is kept by any
result, and after ``len = lambda xs: 0`` so is ``len(result) <= len(xs)``. A proof also holds for a program that is run
as the verifier runs it, which ``if __name__ == ...`` can tell from others. What departs from the task in such a way is
not verified.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from verification.outcome import Outcome, Report, Verdict
from verification.request import Limits
from verification.triage import read


@dataclass(frozen=True)
class Departure:
    """What a program declares otherwise than its task."""

    reason: str
    line: int


def report_of(
    code: str,
    entry: str,
    properties: Sequence[str],
    *,
    signature: str | None = None,
    contract: Mapping[str, Any] | None = None,
    cache: Path | None = None,
) -> Report:
    """What the verifier says of a program for a task; of one that departs from it UNSUPPORTED, and why."""
    departs = departure(code, entry, signature=signature, contract=contract)
    if departs is not None:
        refused = (Verdict(slug, Outcome.UNSUPPORTED, departs.reason, departs.line) for slug in properties)
        return Report(entry, tuple(refused))
    # The solver is loaded when the first program passes its tests, not with this module.
    from verification import Contract
    from verification.cache import cached_verify

    promise = None
    if contract:
        allowed = tuple(contract.get("allowed_exceptions") or ())
        promise = Contract(contract.get("pre"), contract.get("post"), allowed)
    return cached_verify(code, cache=cache, entry=entry, properties=tuple(properties), contract=promise)


def departure(
    code: str, entry: str, *, signature: str | None = None, contract: Mapping[str, Any] | None = None
) -> Departure | None:
    """The first departure; None where there is none, or where the program can't be read or has no such function.

    Types are compared as they are written, those of arguments by position; names where the contract holds them. What
    the task's signature leaves open, the program may declare.
    """
    tree = read(code, Limits())
    if not isinstance(tree, ast.Module):
        return None
    spoken_of = _names(contract or {})
    asked = _asked(signature)
    found = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == entry]
    for node in found:
        departs = _of_definition(node, asked, spoken_of) if asked else None
        if departs is not None:
            return departs
    known = {argument.arg for node in found for argument in _positional(asked or node)}
    outside = spoken_of - known - {"result"}
    for name, line in _bindings(tree):
        if name in outside or (name == "*" and outside):
            return Departure(f"binds {name}, which the task's contract speaks of", line)
    return _of_surroundings(tree)


def _asked(signature: str | None) -> ast.FunctionDef | None:
    if not signature:
        return None
    try:
        node = ast.parse(f"{signature.strip()}\n    pass").body[-1]
    except SyntaxError:
        return None
    return node if isinstance(node, ast.FunctionDef) else None


def _of_definition(node: ast.FunctionDef, asked: ast.FunctionDef, spoken_of: frozenset[str]) -> Departure | None:
    given, wanted = _positional(node), _positional(asked)
    if len(given) < len(wanted):
        return Departure(f"{node.name} takes {len(given)} arguments by position, not {len(wanted)}", node.lineno)
    for have, want in zip(given, wanted, strict=False):
        is_named = want.arg not in spoken_of or have.arg == want.arg
        if not is_named or (want.annotation and _text(have.annotation) != _text(want.annotation)):
            return Departure(f"declares {ast.unparse(have)}, where the task has {ast.unparse(want)}", have.lineno)
    if asked.returns and _text(node.returns) != _text(asked.returns):
        declared = _text(node.returns) or "nothing"
        return Departure(f"declares {declared} as its result, where the task has {_text(asked.returns)}", node.lineno)
    return None


def _of_surroundings(tree: ast.Module) -> Departure | None:
    """The first look at how the program is run: ``__name__``, ``__file__``, ``__debug__`` and the like."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id.startswith("__") and node.id.endswith("__"):
            return Departure(f"reads {node.id}, which tells how it is run", node.lineno)
    return None


def _positional(node: ast.FunctionDef) -> list[ast.arg]:
    return [*node.args.posonlyargs, *node.args.args]


def _text(node: ast.expr | None) -> str | None:
    return None if node is None else ast.unparse(node)


def _names(contract: Mapping[str, Any]) -> frozenset[str]:
    """What the contract's expressions read and do not bind themselves."""
    nodes = [
        node
        for side in ("pre", "post")
        if contract.get(side)
        for node in ast.walk(ast.parse(contract[side], mode="eval"))
        if isinstance(node, ast.Name)
    ]
    bound = {node.id for node in nodes if isinstance(node.ctx, ast.Store)}  # by a comprehension
    return frozenset(node.id for node in nodes) - bound


def _bindings(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Every name that the program binds or deletes, wherever it does, with its line (arguments aside); ``*`` is any."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            yield node.id, node.lineno
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name, node.lineno
        elif isinstance(node, ast.Import | ast.ImportFrom):
            for alias in node.names:
                yield alias.asname or alias.name.partition(".")[0], node.lineno
        elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
            yield node.name, node.lineno
        elif isinstance(node, ast.MatchMapping) and node.rest:
            yield node.rest, node.lineno
