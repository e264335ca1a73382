"""A remembered report is the one that a fresh verification gives, whatever the program's names and layout; or it is none."""

from __future__ import annotations

import ast
import builtins
import json
import multiprocessing
import os
import random
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.verification.programs import REFUSALS, RUNTIME
from verification import Contract, Limits, verify
from verification import cache as module
from verification.cache import Question, Request, Store, cached_verify, default_folder
from verification.outcome import Outcome, Report
from verification.sandbox import SandboxError
from verification.shape import shape
from verification.watched import WatchedPool

DIVIDES = "def f(a: int, b: int) -> int:\n    return a // b\n"
RENAMED = "def  half( x: int,\ty: int ) -> int :\n\n    '''Half of it.'''\n    # why not\n    return (x//y)\n"


def plain(report: Report) -> dict[str, Any]:
    """A report without its times."""
    data = report.to_json()
    for part in (data, *data["verdicts"]):
        part.pop("cpu_seconds")
    return data


def entries(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


# --- the same report


class _Renamed(ast.NodeTransformer):
    """Other names for all that a program binds, and for the keywords that go with them."""

    def __init__(self, names: dict[str, str]) -> None:
        self._names = names

    def visit(self, node: ast.AST) -> ast.AST:
        for key, value in ast.iter_fields(node):
            if key in ("id", "arg") or (key == "name" and isinstance(node, ast.FunctionDef | ast.ExceptHandler)):
                setattr(node, key, self._names.get(value, value))
        return self.generic_visit(node)


def variant(source: str, seed: int) -> tuple[str, str]:
    """The program under other names and laid out otherwise, and what its function f is called in it."""
    chance = random.Random(seed)
    tree = ast.parse(source)
    bound = {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    bound |= {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    bound |= {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    bound |= {n.name for n in ast.walk(tree) if isinstance(n, ast.ExceptHandler) and n.name}
    words = [*"abkqn", "total", "line", "größe", "the", "of", "xs", "no", "Value", "paths", "up", "x1"]
    chance.shuffle(words)
    names = dict(zip(sorted(bound - set(dir(builtins))), words, strict=False))
    lines = []
    for line in ast.unparse(_Renamed(names).visit(tree)).split("\n"):
        indent = line[: len(line) - len(line.lstrip())]
        lines += chance.choice([[], [], [""], [f"{indent}# {chance.choice(words)}"], ["", ""]])
        lines.append(line + chance.choice(["", "  ", "  # so"]))
        if line.startswith("def ") and chance.random() < 0.5:
            lines.append('    """What it is for,\n\n    and how."""')
    return "\n".join(lines) + "\n", names.get("f", "f")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


TABLE = st.sampled_from([(source, slug) for source, slug, _ in RUNTIME] + [(s, "type-error") for s, *_ in REFUSALS])


def test_a_known_report_is_what_a_fresh_one_says_of_the_renamed_program(tmp_path: Path) -> None:
    hits = []

    @settings(max_examples=70, deadline=None, derandomize=True)
    @given(TABLE, st.integers(0, 10**6))
    def check(program: tuple[str, str], seed: int) -> None:
        source, slug = program
        other, entry = variant(source, seed)
        cached_verify(source, cache=tmp_path, entry="f", properties=[slug])
        known = Question(Request(other, entry, (slug,)), tmp_path).known()
        hits.append(known is not None)
        report = known or cached_verify(other, cache=tmp_path, entry=entry, properties=[slug])
        assert plain(report) == plain(verify(other, entry=entry, properties=[slug]))

    check()
    assert sum(hits) > len(hits) / 2, "the rest would also hold of a cache that knows nothing"


def test_lines_calls_and_the_entry_come_back_as_they_are_in_the_present_program(tmp_path: Path) -> None:
    cached_verify(DIVIDES, cache=tmp_path)
    report = Question(Request(RENAMED), tmp_path).known()
    assert report is not None
    assert report.entry == "half"
    (refuted,) = [verdict for verdict in report.verdicts if verdict.outcome is Outcome.REFUTED]
    assert refuted.line == 5
    assert refuted.counterexample is not None
    assert refuted.counterexample.call == "half(0, 0)"


def test_the_same_request_is_not_verified_twice(tmp_path: Path) -> None:
    sources = [DIVIDES, "def f(:\n", "def f(a: int) -> int:\n    return c\n"]
    first = [cached_verify(source, cache=tmp_path) for source in sources]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("verification.verifier.verify", None)
        assert [plain(cached_verify(source, cache=tmp_path)) for source in sources] == list(map(plain, first))


def test_a_known_report_tells_the_cpu_seconds_spent_now(tmp_path: Path) -> None:
    first = cached_verify(DIVIDES, cache=tmp_path)
    assert cached_verify(DIVIDES, cache=tmp_path).cpu_seconds < first.cpu_seconds


def test_certificates_are_remembered_for_the_same_text_only(tmp_path: Path) -> None:
    source = "def f(a: int, b: int) -> int:\n    return a // b if b else 0\n"
    report = cached_verify(source, cache=tmp_path, certify=True)
    assert report.verdicts[0].certificate is not None
    assert plain(cached_verify(source, cache=tmp_path, certify=True)) == plain(report)
    renamed = Request(source.replace("a", "x"), certify=True)
    assert Question(renamed, tmp_path).known() is None


def test_contracts_are_renamed_with_the_program(tmp_path: Path) -> None:
    source = "def f(a: int, b: int) -> int:\n    return a // b\n"
    contract = Contract("b > 0", "result <= a or a < 0", ())
    cached_verify(source, cache=tmp_path, contract=contract, properties=["contract", "zero-division"])
    properties = ("contract", "zero-division")
    same = Request(RENAMED, None, properties, Contract("y > 0", "result <= x or x < 0", ()))
    swapped = Request(RENAMED, None, properties, Contract("x > 0", "result <= y or y < 0", ()))
    known = Question(same, tmp_path).known()
    assert known is not None
    assert plain(known) == plain(verify(RENAMED, properties=properties, contract=same.contract))
    assert Question(swapped, tmp_path).known() is None


# --- programs that differ


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (DIVIDES, "def f(a: int, b: int) -> int:\n    return b // a\n"),
        (DIVIDES, "def f(a: int, b: int) -> int:\n    return a // a\n"),
        (DIVIDES, "def f(a: int, b: float) -> int:\n    return a // b\n"),
        (DIVIDES, "def f(a: int, b: int) -> int:\n    return (a\n            // b)\n"),
        (DIVIDES, "def f(a: int, b: int) -> int: return a // b\n"),
        (DIVIDES, DIVIDES + "\ndef g() -> int:\n    return 1\n"),
        ("def f(a: int) -> int:\n    return a + 1\n", "def f(a: int) -> int:\n    return a + True\n"),
        ("def f(a: int) -> int:\n    return a + 1\n", "def f(a: int) -> int:\n    return a + 1.0\n"),
        ("def f(a: int) -> int:\n    return a * 0.0\n", "def f(a: int) -> int:\n    return a * -0.0\n"),
        ("def f(a: int) -> str:\n    return 'a'\n", "def f(a: int) -> str:\n    return b'a'\n"),
        ("def f(a: int) -> int:\n    return b\n", "def f(a: int) -> int:\n    return a\n"),
        ("def f(a: int) -> int:\n    return len\n", "def f(len: int) -> int:\n    return len\n"),
        ("def f(a: int) -> int:\n    return 1 // abs(a)\n", "def f(a: int) -> int:\n    return 1 // int(a)\n"),
        (
            "from math import sqrt as r\ndef f(a: int) -> float:\n    sqrt = a\n    return r(sqrt)\n",
            "from math import ceil as r\ndef f(a: int) -> float:\n    ceil = a\n    return r(ceil)\n",
        ),
        (
            "def g(a: int, b: int) -> int:\n    return a // b\ndef f(x: int) -> int:\n    return g(a=1, b=x)\n",
            "def g(b: int, a: int) -> int:\n    return b // a\ndef f(x: int) -> int:\n    return g(a=1, b=x)\n",
        ),
        (
            "def f(a: int) -> int:\n    '''doc'''\n    'text'\n    return a\n",
            "def f(a: int) -> int:\n    '''doc'''\n    return a\n",
        ),
    ],
)
def test_programs_that_differ_in_more_than_names_and_layout_have_different_shapes(one: str, other: str) -> None:
    first, second = (shape(ast.parse(source)) for source in (one, other))
    assert first is not None
    assert second is not None
    assert first.text != second.text


@pytest.mark.parametrize(
    "body",
    [
        "return len(globals())",
        "return locals()['a']",
        "return eval('a')",
        "return f.__name__ == 'f'",
        "return f.__code__.co_argcount",
        "return vars()",
        "import inspect\n    return 1",
        "import sys\n    return 1",
        "from math import *\n    return 1",
        "global b\n    return 1",
        "class A:\n        pass\n    return 1",
        "try:\n        return g(a)\n    except TypeError as e:\n        return len(str(e))",
        "match a:\n        case b:\n            return b",
        "return g(**{'a': a})",
        "return (x for x in [1]).gi_frame",
    ],
)
def test_a_program_that_may_see_its_names_has_no_shape(body: str) -> None:
    assert shape(ast.parse(f"def f(a: int) -> int:\n    {body}\n")) is None


@pytest.mark.parametrize(
    ("source", "kept"),
    [
        ("def f(a: int) -> str:\n    return 'a'\n", "a"),
        ("def f(a: int) -> str:\n    return f'{a=}'\n", "a"),
        ("def g(a: int) -> int:\n    return a\ndef f(b: int) -> int:\n    return g(a=b)\n", "a"),
        ("def g(a: int) -> int:\n    return a\ndef f(b: list[int]) -> object:\n    return map(g, b)\n", "g"),
        ("def g(a: int) -> int:\n    return a\ndef f(b: list[int]) -> object:\n    return map(g, b)\n", "a"),
        ("def f(b: list[int]) -> object:\n    return map(lambda a: a, b)\n", "a"),
        ("import math\ndef f(b: int) -> float:\n    return math.sqrt(b)\n", "math"),
        ("def f(a, b: int) -> int:\n    return b\n", "a"),
        ("List = list\ndef f(b: List) -> int:\n    return len(b)\n", "List"),
        ("Any = int\ndef f(b: int) -> Any:\n    return b\n", "Any"),
        ("def f(b: int, math: int) -> int:\n    return math\n", "math"),
        ("def f(a: int, max: int) -> int:\n    return max\n", "max"),
        ("def f(a: int, result: int) -> int:\n    return result\n", "result"),
    ],
)
def test_a_name_that_may_be_seen_stays(source: str, kept: str) -> None:
    found = shape(ast.parse(source))
    assert found is not None
    assert kept not in found.numbers
    assert found.numbers


def test_security_is_asked_of_the_text_itself(tmp_path: Path) -> None:
    source = "import hashlib\ndef f(a: str) -> str:\n    return hashlib.md5(a.encode()).hexdigest()\n"
    cached_verify(source, cache=tmp_path, properties=["weak-hash"])
    assert len(entries(tmp_path)) == 1
    assert Question(Request(source + "\n", None, ("weak-hash",)), tmp_path).known() is None


def test_every_part_of_a_request_counts(tmp_path: Path) -> None:
    cached_verify(DIVIDES, cache=tmp_path)
    request = Request(DIVIDES)
    assert Question(request, tmp_path).known() is not None
    others = [
        Request(DIVIDES, properties=("zero-division",)),
        Request(DIVIDES, contract=Contract("b > 0", None, ())),
        Request(DIVIDES, contract=Contract(None, None, ("ZeroDivisionError",))),
        Request(DIVIDES, limits=Limits(unroll=4)),
        Request(DIVIDES, certify=True),
        Request(DIVIDES, entry="g"),
    ]
    assert [Question(other, tmp_path).known() for other in others] == [None] * len(others)


def test_a_changed_verifier_starts_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cached_verify(DIVIDES, cache=tmp_path)
    monkeypatch.setattr(module, "_environment", lambda: ("0.1.0", "another digest"))
    assert Question(Request(DIVIDES), tmp_path).known() is None


# --- what is not remembered


def test_what_the_sandbox_lost_is_not_remembered(tmp_path: Path) -> None:
    source = "def f(a: int) -> int:\n    import os\n    os._exit(3)\n"
    cached_verify(source, cache=tmp_path)
    assert entries(tmp_path) == []


def test_nor_what_came_of_a_sandbox_that_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: WatchedPool, jobs: object) -> list[object]:
        raise SandboxError("no more processes")

    monkeypatch.setattr(WatchedPool, "run_many", fail)
    with pytest.raises(SandboxError):
        cached_verify(DIVIDES, cache=tmp_path)
    assert entries(tmp_path) == []


def test_without_a_folder_nothing_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AVAL_CACHE", str(tmp_path))
    assert plain(cached_verify(DIVIDES, cache=None)) == plain(verify(DIVIDES))
    assert entries(tmp_path) == []


# --- the folder


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[: len(data) // 2],
        lambda data: data.replace(b'"refuted"', b'"proved"'),
        lambda data: b"\0" * len(data),
        lambda data: data + b" ",
    ],
)
def test_a_damaged_entry_is_ignored_and_replaced(tmp_path: Path, damage: Any) -> None:
    expected = plain(cached_verify(DIVIDES, cache=tmp_path))
    whole = {path: path.read_bytes() for path in entries(tmp_path)}
    assert len(whole) == 2
    for path, data in whole.items():
        path.write_bytes(damage(data))
    assert Question(Request(DIVIDES), tmp_path).known() is None
    assert plain(cached_verify(DIVIDES, cache=tmp_path)) == expected
    assert Question(Request(DIVIDES), tmp_path).known() is not None


def test_an_entry_that_is_whole_but_no_report_is_ignored(tmp_path: Path) -> None:
    question = Question(Request(DIVIDES), tmp_path)
    for value in ({}, {"verdicts": [{"property": 1}]}, {"verdicts": 3, "entry": "f", "cpu_seconds": 0.0}):
        Store(tmp_path).put(question._exact.digest, value)
        assert question.known() is None


def test_the_folder_keeps_to_its_size_and_the_oldest_go_first(tmp_path: Path) -> None:
    store = Store(tmp_path, most_bytes=256 * 1000)
    keys = [f"ab{number:062d}" for number in range(10)]
    for age, key in enumerate(keys[:4]):
        store.put(key, {"text": "x" * 150})
        os.utime(tmp_path / "ab" / f"{key[2:]}.json", (1000 + age, 1000 + age))
    assert store.get(keys[0]) is not None  # used just now, so that the next is the oldest
    store.put(keys[4], {"text": "x" * 150})
    assert [key in keys and store.get(key) is not None for key in keys[:5]] == [True, False, True, True, True]
    store.put(keys[5], {"text": "x" * 2000})
    assert sum(path.stat().st_size for path in entries(tmp_path)) <= 1000


def _hammer(folder: str, seed: int) -> int:
    """Put and get few keys often; how many were got, all of them whole."""
    store, chance, found = Store(Path(folder), most_bytes=256 * 3000), random.Random(seed), 0
    for _ in range(300):
        number = chance.randrange(8)
        value = {"number": number, "text": str(number) * 500}
        if chance.random() < 0.5:
            store.put(f"ab{number:062d}", value)
        elif (got := store.get(f"ab{number:062d}")) is not None:
            assert got == value
            found += 1
    return found


def test_many_processes_may_use_a_folder_at_once(tmp_path: Path) -> None:
    with ProcessPoolExecutor(3, mp_context=multiprocessing.get_context("spawn")) as pool:
        found = list(pool.map(_hammer, [str(tmp_path)] * 3, range(3)))
    assert min(found) > 0
    assert all(path.suffix == ".json" for path in entries(tmp_path))


def test_a_folder_that_others_may_write_to_is_not_trusted(tmp_path: Path) -> None:
    cached_verify(DIVIDES, cache=tmp_path)
    tmp_path.chmod(0o777)
    assert Store.open(tmp_path) is None
    assert Question(Request(DIVIDES), tmp_path).known() is None


def test_a_folder_that_cannot_be_used_is_no_error(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    assert plain(cached_verify(DIVIDES, cache=file / "below")) == plain(verify(DIVIDES))


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("AVAL_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def test_where_the_command_line_keeps_reports(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("HOME", "/home/ada")
    assert default_folder() == Path("/home/ada/.cache/aval/verdicts")
    environment.setenv("XDG_CACHE_HOME", "/caches")
    assert default_folder() == Path("/caches/aval/verdicts")
    environment.setenv("AVAL_CACHE", "/mine")
    assert default_folder() == Path("/mine")
    environment.setenv("AVAL_CACHE", "")
    assert default_folder() is None


def test_a_request_survives_json() -> None:
    request = Request(
        "x = '\ud800'", "f", ("contract",), Contract("a > 0", None, ("ValueError",)), Limits(unroll=2), True
    )
    assert Request.from_json(json.loads(json.dumps(request.to_json()))) == request
