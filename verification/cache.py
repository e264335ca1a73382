"""Remembers reports on disk: a program seen before is not verified again, also under other names or laid out otherwise.

A report is stored under its exact request. Where the program has a shape (see `shape`) and nothing that the report says
holds a name, it is stored under the shape as well, its lines as positions among the program's lines and its calls
without the entry's name, so that it can be told of another program of that shape. In doubt a program is verified.

Keys hold a digest of the verifier's own source and the versions of what it rests on: a changed verifier starts anew.
Reports on security properties, or with certificates, are never shared between programs. What the sandbox could not
answer is not stored.
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
import json
import os
import platform
import re
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cache as once
from functools import cached_property
from pathlib import Path
from typing import Any

from verification import VERIFIER_VERSION
from verification.inference import guesses
from verification.outcome import Counterexample, Report, Verdict
from verification.properties import CATALOGUE, DEFAULT, Kind
from verification.request import Contract, Limits
from verification.shape import Shape, shape
from verification.triage import choose_entry, read

MOST_BYTES = 256 << 20
"""What a folder may hold, about; the entries that were used longest ago go first."""

LONGEST = 20_000
"""Characters of a program that is looked up by its shape; longer ones hardly come back under other names."""

_SHARDS = 256


@dataclass(frozen=True)
class Request:
    """A program and what is asked of it: the arguments of `verify`, as plain data."""

    source: str
    entry: str | None = None
    properties: tuple[str, ...] = DEFAULT
    contract: Contract | None = None
    limits: Limits = field(default_factory=Limits)
    certify: bool = False

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Request:
        contract = data["contract"]
        if contract is not None:
            contract = Contract(
                contract["pre"],
                contract["post"],
                tuple(contract["allowed_exceptions"]),
                contract["reference"],
                contract["int_range"] and tuple(contract["int_range"]),
            )
        return cls(
            data["source"],
            data["entry"],
            tuple(data["properties"]),
            contract,
            Limits(**data["limits"]),
            data["certify"],
        )


def cached_verify(
    source: str,
    *,
    cache: Path | None,
    entry: str | None = None,
    properties: Sequence[str] = DEFAULT,
    contract: Contract | None = None,
    limits: Limits | None = None,
    certify: bool = False,
) -> Report:
    """What `verify` says, from the folder `cache` if it is known there; its CPU seconds are those spent now."""
    question = Question(Request(source, entry, tuple(properties), contract, limits or Limits(), certify), cache)
    return question.known() or question.verified()


class Question:
    """A request beside a folder of earlier reports: ask what is `known`, then have it `verified`."""

    def __init__(self, request: Request, cache: Path | None) -> None:
        self._request = request
        self._store = Store.open(cache)

    def known(self) -> Report | None:
        """The report, if the request or one of its shape has been answered before."""
        if self._store is None:
            return None
        started = time.process_time()
        for key in (self._exact, self._shaped):
            stored = None if key is None else self._store.get(key.digest)
            report = None if key is None or stored is None else key.told(stored)
            if report is not None:
                return _timed(report, time.process_time() - started)
        return None

    def verified(self) -> Report:
        """Verify, and remember what may be."""
        from verification.verifier import verify  # loads Z3

        arguments = {key: value for key, value in vars(self._request).items() if key != "source"}
        if self._store is None:
            return verify(self._request.source, **arguments)
        from verification.watched import own_pool  # loads the sandbox, which a known report does without

        pool = own_pool()
        pool.unanswered = 0
        report = verify(self._request.source, pool=pool, **arguments)
        starved = any("out of memory" in verdict.reason for verdict in report.verdicts)  # as Z3 says it
        for key in () if starved or pool.unanswered else (self._exact, self._shaped):
            neutral = None if key is None else key.neutral(report)
            if key is not None and neutral is not None:
                self._store.put(key.digest, neutral)
        return report

    @cached_property
    def _exact(self) -> _Exact:
        return _Exact(_digest(["exact", self._request.source, self._request.entry, self._rest]))

    @cached_property
    def _shaped(self) -> _Shaped | None:
        request = self._request
        if request.certify or len(request.source) > LONGEST or not all(map(_is_blind_to_names, request.properties)):
            return None
        tree = read(request.source, request.limits)
        name = choose_entry(tree, request.entry) if isinstance(tree, ast.Module) else None
        if not isinstance(tree, ast.Module) or not isinstance(name, str):
            return None
        if guesses(tree, name):  # from what a shape leaves out, such as a docstring
            return None
        contract = request.contract or Contract()
        found = shape(tree, [text for text in (contract.pre, contract.post) if text is not None])
        if found is None:
            return None
        sides = [
            contract.pre is not None,
            contract.post is not None,
            contract.allowed_exceptions,
            contract.reference,
            contract.int_range,
        ]
        rest = {**self._rest, "contract": None if request.contract is None else sides}
        return _Shaped(_digest(["shape", found.text, found.numbers.get(name, name), rest]), found, name)

    @cached_property
    def _rest(self) -> dict[str, Any]:
        return {key: value for key, value in self._request.to_json().items() if key not in ("source", "entry")}


def default_folder() -> Path | None:
    """Where the command line keeps its reports: AVAL_CACHE (empty for nowhere), else the user's folder for caches."""
    chosen = os.environ.get("AVAL_CACHE")
    if chosen is not None:
        return Path(chosen) if chosen else None
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(base, "aval", "verdicts")


def _timed(report: Report, seconds: float) -> Report:
    share = seconds / max(len(report.verdicts), 1)
    return replace(
        report,
        verdicts=tuple(replace(verdict, cpu_seconds=share) for verdict in report.verdicts),
        cpu_seconds=seconds,
    )


# --- keys, and reports as they are stored


def _is_blind_to_names(slug: str) -> bool:
    return CATALOGUE[slug].kind is not Kind.SECURITY and slug != "equivalence"


def _digest(parts: Sequence[Any]) -> str:
    return hashlib.sha256(json.dumps([_environment(), *parts], sort_keys=True).encode()).hexdigest()


@once
def _environment() -> tuple[str, ...]:
    """What a verdict may depend on beside its request."""
    digest = hashlib.sha256()
    from importlib.metadata import version  # slow to load

    folder = Path(__file__).resolve().parent
    for path in sorted(folder.rglob("*.py")):
        digest.update(str(path.relative_to(folder)).encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    versions = [f"{name} {version(name)}" for name in ("z3-solver", "cvc5")]
    return (VERIFIER_VERSION, digest.hexdigest(), sys.version, platform.machine(), *versions)


@dataclass(frozen=True)
class _Exact:
    """Of one request, to the letter."""

    digest: str

    def neutral(self, report: Report) -> dict[str, Any]:
        return _timed(report, 0.0).to_json()

    def told(self, stored: Mapping[str, Any]) -> Report | None:
        return report_from_json(stored)


@dataclass(frozen=True)
class _Shaped:
    """Of all requests whose programs have one shape."""

    digest: str
    shape: Shape
    entry: str

    def neutral(self, report: Report) -> dict[str, Any] | None:
        """The report without names and lines of its own; None where it says something that may hold one."""
        verdicts = [self._neutral(verdict) for verdict in report.verdicts]
        known = [verdict for verdict in verdicts if verdict is not None]
        if len(known) < len(verdicts) or report.entry != self.entry:
            return None
        return replace(_timed(report, 0.0), entry="", verdicts=tuple(known)).to_json()

    def _neutral(self, verdict: Verdict) -> Verdict | None:
        counterexample = verdict.counterexample
        if counterexample is not None:
            start = f"{self.entry}("
            if not counterexample.call.startswith(start):
                return None
            counterexample = Counterexample(counterexample.call[len(start) :], counterexample.observed)
        line = verdict.line
        if line is not None and line not in self.shape.lines:
            return None
        place = None if line is None else self.shape.lines.index(line)
        neutral = replace(verdict, line=place, counterexample=counterexample, cpu_seconds=0.0)
        return neutral if self._is_nameless(neutral) else None

    def _is_nameless(self, verdict: Verdict) -> bool:
        texts = [verdict.reason, *verdict.assumptions]
        if verdict.counterexample is not None:
            texts += [verdict.counterexample.call, verdict.counterexample.observed]
        words = {word for text in texts for word in re.findall(r"\w+", text)}
        numbered = any(re.search(r"\blines? \d", text) for text in texts)
        return not numbered and self.shape.numbers.keys().isdisjoint(words)

    def told(self, stored: Mapping[str, Any]) -> Report | None:
        """What was stored, said of this program."""
        report = report_from_json(stored)
        if report is None:
            return None
        try:
            verdicts = tuple(self._told(verdict) for verdict in report.verdicts)
        except IndexError:
            return None
        return replace(report, entry=self.entry, verdicts=verdicts)

    def _told(self, verdict: Verdict) -> Verdict:
        counterexample = verdict.counterexample
        if counterexample is not None:
            counterexample = Counterexample(f"{self.entry}({counterexample.call}", counterexample.observed)
        line = None if verdict.line is None else self.shape.lines[verdict.line]
        return replace(verdict, line=line, counterexample=counterexample)


def report_from_json(data: Mapping[str, Any]) -> Report | None:
    """The report that `Report.to_json` wrote; None if it isn't one."""
    try:
        verdicts = tuple(Verdict.from_json(verdict) for verdict in data["verdicts"])
        return Report(str(data["entry"]), verdicts, float(data["cpu_seconds"]))
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


# --- the folder


@dataclass(frozen=True)
class Store:
    """A folder of JSON objects by key, bounded in size, which many processes may use at once."""

    folder: Path
    most_bytes: int = MOST_BYTES

    @classmethod
    def open(cls, folder: Path | None) -> Store | None:
        """None where nothing can be kept, or where others might have written: a verdict must be our own."""
        if folder is None:
            return None
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            status = folder.stat()
        except OSError:
            return None
        return cls(folder) if status.st_uid == os.geteuid() and not status.st_mode & 0o022 else None

    def get(self, key: str) -> dict[str, Any] | None:
        """What was put under a key; None if that is nothing, or damaged."""
        path = self._path(key)
        try:
            digest, _, text = path.read_bytes().partition(b"\n")
            if hashlib.sha256(text).hexdigest().encode() != digest:
                return None
            found = json.loads(text)
            os.utime(path)
        except (OSError, ValueError, RecursionError):
            return None
        return found if isinstance(found, dict) else None

    def put(self, key: str, value: Mapping[str, Any]) -> None:
        """Keep a value, whole or not at all; a folder that can't be written is no error."""
        path = self._path(key)
        text = json.dumps(value).encode()
        try:
            path.parent.mkdir(exist_ok=True, mode=0o700)
            handle, temporary = tempfile.mkstemp(dir=path.parent)
            with open(handle, "wb") as file:
                file.write(hashlib.sha256(text).hexdigest().encode() + b"\n" + text)
            os.replace(temporary, path)
            self._prune(path.parent)
        except OSError:
            return

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key[2:]}.json"

    def _prune(self, shard: Path) -> None:
        """Keys are spread evenly, so that each shard answers for its share of the bound."""
        used = []
        for path in shard.iterdir():
            with contextlib.suppress(FileNotFoundError):  # another process was quicker
                status = path.stat()
                used.append((status.st_mtime_ns, status.st_size, path))
        total = sum(size for _, size, _ in used)
        for _, size, path in sorted(used):
            if total <= self.most_bytes // _SHARDS:
                return
            path.unlink(missing_ok=True)
            total -= size
