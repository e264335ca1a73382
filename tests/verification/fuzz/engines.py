"""What is tested: `verify()` as a whole, and its two ways to a proof alone.

In `verify()` a few calls are run first, and what they refute needs no proof. That is right for a verdict and hides an
unsound rule, so most programs go to the engines behind it.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence

from verification import Contract, Limits, Outcome, Report, Verdict, certificates, verify
from verification.abstract.prove import prove, prove_finite
from verification.annotations import strange_annotation
from verification.symbolic.explore import EXPLORED_SLUGS, explore_within
from verification.verifier import PROVABLE

Engine = Callable[..., Report]


def prover(source: str, *, entry: str, properties: Sequence[str], contract: Contract | None = None) -> Report:
    """The proof of the whole program by over-approximation, without anything run before."""
    tree = ast.parse(source)
    slugs = [slug for slug in properties if slug in PROVABLE]
    if strange_annotation(tree) is not None:
        return _report(entry, slugs, "an annotation is not modelled")
    proof = prove(tree, entry, contract=contract, limits=Limits(), slugs=slugs)
    if proof.refusal is not None:
        return _report(entry, slugs, f"{proof.refusal.construct} is not modelled")
    if not proof.complete:
        return _report(entry, slugs, "the budget was used up")
    proofs = dict.fromkeys(slugs, proof)
    if "float" in slugs and not proof.holds("float"):
        proofs["float"] = prove_finite(tree, entry, contract=contract, limits=Limits())
    verdicts = []
    for slug, found in proofs.items():
        shown = Outcome.PROVED if slug in found.obligations else Outcome.VACUOUS
        outcome = shown if found.holds(slug) else Outcome.UNKNOWN
        verdicts.append(Verdict(slug, outcome, "prover alone", assumptions=found.assumptions))
    return Report(entry, tuple(verdicts))


def paths(source: str, *, entry: str, properties: Sequence[str], contract: Contract | None = None) -> Report:
    """The exploration of single paths, where it is complete."""
    slugs = [slug for slug in properties if slug in EXPLORED_SLUGS]
    tree = ast.parse(source)
    found = explore_within(
        tree, entry, contract=contract, limits=Limits(steps=3_000, queries=150, total_rlimit=300_000)
    )
    if strange_annotation(tree) is not None or found.machine.refusals:
        reasons = [f"{refusal.construct} is not modelled" for refusal in found.machine.refusals]
        return _report(entry, slugs, (reasons or ["an annotation is not modelled"])[0])
    doubted = found.machine.uses_text and not certificates.agrees(certificates.obligations(found))
    if not found.complete or doubted or not found.leaves:
        return _report(entry, slugs, "not every path was seen")
    broken = {violation.property for violation in found.violations}
    return Report(
        entry,
        tuple(
            Verdict(
                slug,
                Outcome.UNKNOWN if slug in broken else Outcome.PROVED,
                "paths alone",
                assumptions=tuple(found.machine.assumptions),
            )
            for slug in slugs
        ),
    )


def _report(entry: str, slugs: Sequence[str], reason: str) -> Report:
    return Report(entry, tuple(Verdict(slug, Outcome.UNSUPPORTED, reason) for slug in slugs))


ENGINES: dict[str, Engine] = {"verify": verify, "prover": prover, "paths": paths}
IN_TURN = ("verify", "prover", "prover", "prover", "paths")
"""Which engine each program goes to, by its number."""
