"""Certificates: a second solver confirms them, and a certificate that was changed is not confirmed."""

from __future__ import annotations

import ast
import dataclasses
import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.verification.programs import RUNTIME
from verification import VERIFIER_VERSION, Certificate, verify
from verification.abstract import narrowing
from verification.abstract.machine import Machine
from verification.abstract.values import Choice, Text
from verification.certificates import answer, load, obligations, recheck, write
from verification.outcome import Outcome
from verification.symbolic.explore import explore

SAFE = "def f(a: int, b: int) -> int:\n    if b == 0:\n        return 0\n    return a // b\n"
PROVED = [(source, slug) for source, slug, outcome in RUNTIME if outcome is Outcome.PROVED]


def certificate(source: str, slug: str = "zero-division") -> Certificate:
    (verdict,) = verify(source, properties=[slug], certify=True).verdicts
    assert verdict.certificate is not None, verdict
    return verdict.certificate


def test_a_certificate_names_its_program_its_property_and_its_solvers() -> None:
    found = certificate(SAFE)
    assert found.source_sha256 == hashlib.sha256(SAFE.encode()).hexdigest()
    assert found.property == "zero-division"
    assert found.versions["verifier"] == VERIFIER_VERSION
    assert set(found.versions) == {"verifier", "z3", "cvc5", "python"}


def test_most_proofs_are_confirmed_and_none_is_contradicted() -> None:
    confirmed = 0
    for source, slug in PROVED:
        answers = {answer(script) for script in certificate(source, slug).obligations}
        assert "sat" not in answers, source
        confirmed += answers == {"unsat"}
    assert confirmed >= 0.9 * len(PROVED)


def test_a_path_that_was_left_out_is_noticed() -> None:
    """The cover of single paths without one of them has an input that is on none."""
    exploration = explore(ast.parse(SAFE), "f")
    cover = obligations(exploration)[0]
    assert cover.count("(assert") == 3
    assert answer(cover) == "unsat"
    start = cover.rindex("(assert")
    assert answer(cover[:start] + "(check-sat)\n") == "sat"


def test_a_kind_of_value_that_was_left_out_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a value is one of several kinds, a proof that forgets one holds a cover that is not unsatisfiable."""
    source = "def f(a: int | str | None) -> int:\n    return [1, 2][1 if a else 0]\n"
    assert recheck(certificate(source, "index-error"))
    whole = Machine.cases

    def without_the_last(run: Any, state: Any, given: Any, act: Any) -> Any:
        cut = [replace(v, options=v.options[:-1]) if isinstance(v, Choice) and len(v.options) > 2 else v for v in given]
        return whole(run, state, cut, act)

    monkeypatch.setattr(Machine, "cases", without_the_last)
    assert not recheck(certificate(source, "index-error"))


def test_a_kind_that_a_test_does_not_rule_out_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    source = "def f(a: int | str | None) -> int:\n    return 1 if a is None or isinstance(a, int) else len(a)\n"
    assert recheck(certificate(source, "type-error"))
    whole = narrowing._keep
    monkeypatch.setattr(
        narrowing,
        "_keep",
        lambda name, state, run, fits: whole(name, state, run, lambda option: isinstance(option, Text)),
    )
    assert not recheck(certificate(source, "type-error"))


def test_a_certificate_without_obligations_shows_nothing() -> None:
    assert not recheck(dataclasses.replace(certificate(SAFE), obligations=()))


def test_nonsense_is_not_confirmed() -> None:
    assert not recheck(dataclasses.replace(certificate(SAFE), obligations=("(assert", "hello")))


def test_certificates_survive_the_disk(tmp_path: Path) -> None:
    found = certificate(SAFE)
    path = write(found, tmp_path / "new", "program")
    assert path.name == "program.zero-division.json"
    assert load(path) == found
    assert recheck(load(path))


def test_a_file_that_is_no_certificate_is_named(tmp_path: Path) -> None:
    path = tmp_path / "broken.json"
    path.write_text("{}")
    with pytest.raises(ValueError, match=r"broken\.json is not a certificate"):
        load(path)


def test_without_asking_no_certificate_is_written() -> None:
    (verdict,) = verify(SAFE, properties=["zero-division"]).verdicts
    assert (verdict.outcome, verdict.certificate) == (Outcome.PROVED, None)
