"""Certificates: a second solver confirms them, and a certificate that was changed is not confirmed."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

import pytest

from tests.verification.programs import RUNTIME
from verification import VERIFIER_VERSION, Certificate, verify
from verification.certificates import answer, load, recheck, write
from verification.outcome import Outcome

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
    """The cover without one of its paths has an input that is on none."""
    found = certificate(SAFE)
    cover = found.obligations[0]
    assert cover.count("(assert") == 3
    start = cover.rindex("(assert")
    incomplete = cover[:start] + "(check-sat)\n"
    assert answer(incomplete) == "sat"
    assert not recheck(dataclasses.replace(found, obligations=(incomplete, *found.obligations[1:])))


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
