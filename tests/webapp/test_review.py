"""The review pages: what is shown of a verified program, decisions with reasons, promotions by two people."""

from __future__ import annotations

import json
import re
from typing import Any

import cvc5
import pytest
from django.db import IntegrityError, transaction
from django.test import Client

from tests.webapp import people, scene
from verification.outcome import Outcome
from verification.properties import CATALOGUE
from webapp.accounts.models import User
from webapp.audit.models import AuditEvent
from webapp.catalog.models import Sample
from webapp.review import actions, queries
from webapp.review.actions import PromotionRefused, ReasonMissing, approve_promotion, decide, request_promotion
from webapp.review.code import marked
from webapp.review.models import Promotion, ReviewDecision
from webapp.review.wording import OUTCOMES, PROPERTIES

UNSAT = "(set-logic QF_LIA)\n(declare-const n Int)\n(assert (= n 0))\n(assert (> n 0))\n(check-sat)"
CERTIFICATE = {
    "obligations": [UNSAT, UNSAT],
    "source_sha256": "a" * 64,
    "property": "zero-division",
    "assumptions": ["xs is a list\nof int"],
    "versions": {"z3": "5.4"},
}


class Desk:
    """The team with an engineer, one refuted and one proved sample."""

    def __init__(self, team: people.Team) -> None:
        self.team = team
        self.engineer = scene.person("engineer", "engineer", team.project)
        self.model = scene.model(team.project, "supervised-1")
        self.prompt = scene.prompt(team.project)
        self.refuted = scene.sample(self.prompt, self.model)
        scene.verdict(self.refuted, "zero-division", "refuted", line=5, reason="len(xs) may be 0")
        scene.verdict(self.refuted, "index-error", "proved")
        scene.execution(self.refuted, "public", 3, 3)
        scene.execution(self.refuted, "hidden", 6, 8)
        self.proved = scene.sample(self.prompt, self.model, scene.SAFE_MEAN)
        self.proof = scene.verdict(
            self.proved, "zero-division", "proved", certificate=CERTIFICATE, assumptions=["xs is a list of int"]
        )
        scene.verdict(self.proved, "index-error", "vacuous")
        scene.execution(self.proved, "public", 3, 3)

    def client(self, user: User) -> Client:
        client = Client()
        client.force_login(user)
        return client

    def get(self, address: str = "", **given: str) -> Any:
        return self.client(self.team.owner).get(f"/p/alpha/review/{address}", given)

    def listed(self, **filters: str) -> list[Sample]:
        return [row.sample for row, _ in self.get(**filters).context["rows"]]


@pytest.fixture
def desk(team: people.Team) -> Desk:
    return Desk(team)


def test_only_admins_of_the_project_review(desk: Desk) -> None:
    team = desk.team
    pages = ["", f"{desk.refuted.pk}/", f"certificates/{desk.proof.pk}.json", f"certificates/{desk.proof.pk}.smt2"]
    for page in pages:
        for user, status in ((team.owner, 200), (desk.engineer, 403), (team.teammate, 403), (team.stranger, 404)):
            assert desk.client(user).get(f"/p/alpha/review/{page}").status_code == status, (page, user)
    for user, status in ((desk.engineer, 403), (team.teammate, 403), (team.stranger, 404)):
        address = f"/p/alpha/review/{desk.refuted.pk}/decide/"
        assert desk.client(user).post(address, {"decision": "approved"}).status_code == status
    assert not ReviewDecision.objects.exists()


def test_a_sample_of_another_project_is_not_found(desk: Desk) -> None:
    theirs = scene.sample(scene.prompt(desk.team.elsewhere), scene.model(desk.team.elsewhere, "theirs"))
    assert desk.get(f"{theirs.pk}/").status_code == 404


def test_the_page_shows_the_counterexample_the_faulting_line_and_the_tests(desk: Desk) -> None:
    text = desk.get(f"{desk.refuted.pk}/").content.decode()
    assert re.search(r'class="line line-fault" title="zero-division" id="line-5"', text)
    assert text.count("line-fault") == 1
    assert "Never divides by zero" in text
    assert "CWE-369" in text
    assert "<code>mean([])</code>" in text
    assert "ZeroDivisionError: division by zero" in text
    assert "3 of 3" in text
    assert "6 of 8" in text


def test_hostile_code_and_verdicts_are_inert(desk: Desk) -> None:
    hostile = "x = '</pre><script>alert(1)</script>'\n"
    sample = scene.sample(desk.prompt, desk.model, hostile)
    scene.verdict(
        sample,
        '"><script>',
        "refuted",
        line=1,
        reason="<script>reason</script>",
        counterexample={"call": "<script>call", "observed": "<script>seen"},
    )
    text = desk.get(f"{sample.pk}/").content.decode()
    assert "<script>alert" not in text
    assert not re.search(r"<script>(reason|call|seen)", text)
    assert '"><script>' not in text


def test_lines_are_numbered_as_the_verifier_counts_them() -> None:
    code = 'def f():\n    """One\n\n    two."""\n    return 1 // 0\n'
    shown = str(marked(Sample(text=code), {5: "zero-division", 99: "nowhere"}))
    assert shown.count('<span class="line') == 5
    assert "return" in shown.split("\n")[4]
    assert 'line-fault" title="zero-division" id="line-5"' in shown.split("\n")[4]


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({}, ["proved", "refuted"]),
        ({"outcome": "refuted"}, ["refuted"]),
        ({"outcome": "proved"}, ["proved"]),
        ({"outcome": "unknown"}, []),
        ({"tests": "passed"}, ["proved"]),
        ({"tests": "failed"}, ["refuted"]),
        ({"family": "mean"}, ["proved", "refuted"]),
        ({"family": "other"}, []),
        ({"decision": "undecided"}, ["proved"]),
        ({"decision": "rejected"}, ["refuted"]),
        ({"decision": "approved"}, []),
        ({"outcome": "refuted", "tests": "passed"}, []),
        ({"outcome": "nonsense", "model": "nonsense", "page": "nonsense"}, ["proved", "refuted"]),
    ],
)
def test_the_list_is_narrowed_by_its_filters(desk: Desk, filters: dict[str, str], found: list[str]) -> None:
    decide(desk.refuted, "approved", by=desk.team.owner)
    decide(desk.refuted, "rejected", by=desk.team.owner, reason="divides by zero")
    assert desk.listed(**filters) == [getattr(desk, name) for name in found]


def test_the_newest_verifier_s_verdicts_count(desk: Desk) -> None:
    scene.verdict(desk.refuted, "zero-division", "proved", version="2")
    assert desk.listed(outcome="refuted") == []
    assert desk.listed(outcome="proved") == [desk.proved, desk.refuted]
    assert [verdict.verifier_version for verdict in queries.verdicts_of(desk.refuted)] == ["2"]


def test_the_list_needs_few_queries_however_long_it_is(desk: Desk, django_assert_max_num_queries: Any) -> None:
    for number in range(20):
        sample = scene.sample(desk.prompt, desk.model, f"x = {number}\n")
        scene.verdict(sample, "zero-division", "vacuous")
    client = desk.client(desk.team.owner)
    with django_assert_max_num_queries(12):
        assert len(client.get("/p/alpha/review/").context["rows"]) == 22


def test_a_rejection_without_a_reason_is_refused_by_page_action_and_database(desk: Desk) -> None:
    client = desk.client(desk.team.owner)
    address = f"/p/alpha/review/{desk.refuted.pk}/decide/"
    page = client.post(address, {"decision": "rejected", "reason": "  \n"})
    assert page.status_code == 422
    assert "A rejection needs a reason" in page.content.decode()
    assert client.post(address, {"decision": "maybe", "reason": "typed"}).status_code == 422
    assert "typed" in client.post(address, {"decision": "maybe", "reason": "typed"}).content.decode()
    with pytest.raises(ReasonMissing):
        decide(desk.refuted, "rejected", by=desk.team.owner)
    with pytest.raises(IntegrityError), transaction.atomic():
        ReviewDecision.objects.create(sample=desk.refuted, reviewer=desk.team.owner, decision="rejected", reason="")
    assert not ReviewDecision.objects.exists()
    assert not AuditEvent.objects.filter(action__startswith="sample.").exists()


def test_decisions_stay_in_the_history_and_in_the_audit_log(desk: Desk) -> None:
    client = desk.client(desk.team.owner)
    address = f"/p/alpha/review/{desk.refuted.pk}/decide/"
    client.post(address, {"decision": "approved"})
    client.post(f"{address}?outcome=refuted", {"decision": "rejected", "reason": "mean([]) raises"})
    text = desk.get(f"{desk.refuted.pk}/").content.decode()
    assert text.index("mean([]) raises") < text.rindex("approved")
    events = AuditEvent.objects.filter(action__startswith="sample.").order_by("pk")
    assert [event.action for event in events] == ["sample.approved", "sample.rejected"]
    assert events[1].payload["reason"] == "mean([]) raises"
    assert events[1].actor == desk.team.owner


def test_the_next_undecided_sample_is_within_the_same_filters(desk: Desk) -> None:
    other = scene.sample(desk.prompt, desk.model, "x = 1 // 0\n")
    scene.verdict(other, "zero-division", "refuted", line=1)
    page = desk.get(f"{other.pk}/", outcome="refuted")
    assert page.context["next"] == desk.refuted
    assert f'href="/p/alpha/review/{desk.refuted.pk}/?outcome=refuted"' in page.content.decode()
    decide(desk.refuted, "approved", by=desk.team.owner)
    assert desk.get(f"{other.pk}/", outcome="refuted").context["next"] is None


def test_ratings_are_seen_from_the_sample_s_side_and_simulated_ones_are_counted(desk: Desk) -> None:
    pair = scene.comparison(desk.refuted, desk.proved)
    raters = [desk.team.teammate, scene.person("panel", "annotator", desk.team.project, simulated=True)]
    raters += [scene.person(f"rater{number}", "annotator", desk.team.project) for number in range(2)]
    for rater, preference in zip(raters, (2, 1, 0, None), strict=True):
        scene.rating(pair, rater, preference)
    mine, other = queries.ratings_of(desk.refuted), queries.ratings_of(desk.proved)
    assert (mine.better, mine.worse, mine.equal, mine.unusable) == (0, 2, 1, 1)
    assert (other.better, other.worse, other.equal, other.unusable) == (2, 0, 1, 1)
    assert (mine.simulated, mine.total) == (1, 4)
    assert "1 of 4 simulated" in desk.get(f"{desk.refuted.pk}/").content.decode()


def test_a_certificate_is_downloaded_as_json_and_as_a_script_that_another_solver_accepts(desk: Desk) -> None:
    stored = desk.get(f"certificates/{desk.proof.pk}.json")
    assert json.loads(stored.content) == CERTIFICATE
    assert stored.headers["Content-Disposition"].endswith(f'"sample-{desk.proved.pk}-zero-division.json"')
    script = desk.get(f"certificates/{desk.proof.pk}.smt2").content.decode()
    assert "; assumption: xs is a list of int\n" in script
    assert _answers(script) == ["unsat", "unsat"]
    unproved = desk.refuted.verifications.get(property="zero-division")
    assert desk.get(f"certificates/{unproved.pk}.json").status_code == 404


def _answers(script: str) -> list[str]:
    """What cvc5 answers to an SMT-LIB script, command by command."""
    solver = cvc5.Solver()
    parser = cvc5.InputParser(solver)
    parser.setStringInput(cvc5.InputLanguage.SMT_LIB_2_6, script, "certificate")
    answers = []
    while not (command := parser.nextCommand()).isNull():
        if said := str(command.invoke(solver, parser.getSymbolManager())).strip():
            answers.append(said)
    return answers


def test_every_property_is_explained_in_the_catalogue_s_words_and_every_outcome_too() -> None:
    assert {slug: str(text) for slug, text in PROPERTIES.items()} == {
        slug: info.obliges for slug, info in CATALOGUE.items()
    }
    assert set(OUTCOMES) == set(Outcome)


def test_a_promotion_needs_a_second_person(desk: Desk) -> None:
    owner = desk.team.owner
    promotion = request_promotion(desk.model, by=owner)
    with pytest.raises(PromotionRefused, match="second person"):
        approve_promotion(promotion, by=owner)
    with pytest.raises(IntegrityError), transaction.atomic():
        Promotion.objects.filter(pk=promotion.pk).update(approved_by=owner)
    second = scene.person("second", "admin", desk.team.project)
    assert approve_promotion(promotion, by=second).approved_by == second
    with pytest.raises(PromotionRefused, match="already"):
        approve_promotion(promotion, by=scene.person("third", "admin", desk.team.project))
    actions_done = AuditEvent.objects.filter(action__startswith="promotion.").order_by("pk")
    assert [(event.action, event.actor) for event in actions_done] == [
        ("promotion.requested", owner),
        ("promotion.approved", second),
    ]


def test_a_promotion_is_not_asked_for_twice_at_once_nor_for_a_reward_model(desk: Desk) -> None:
    request_promotion(desk.model, by=desk.engineer)
    with pytest.raises(PromotionRefused, match="already"):
        request_promotion(desk.model, by=desk.team.owner)
    with pytest.raises(PromotionRefused, match="reward model"):
        request_promotion(scene.model(desk.team.project, "r", "reward", desk.model), by=desk.engineer)


def test_engineers_request_and_admins_approve_on_the_page(desk: Desk) -> None:
    request = f"/p/alpha/review/promotions/request/{desk.model.pk}/"
    assert desk.client(desk.team.teammate).post(request).status_code == 403
    assert desk.client(desk.team.stranger).post(request).status_code == 404
    assert desk.client(desk.engineer).get(request).status_code == 405
    desk.client(desk.engineer).post(request)
    promotion = Promotion.objects.get()
    approve = f"/p/alpha/review/promotions/{promotion.pk}/approve/"
    assert desk.client(desk.engineer).post(approve).status_code == 403
    assert "button-primary" not in desk.client(desk.engineer).get("/p/alpha/review/promotions/").content.decode()
    page = desk.client(desk.team.owner).post(approve, follow=True).content.decode()
    assert "The promotion is approved." in page
    assert "p-engineer" in page
    promotion.refresh_from_db()
    assert promotion.approved_by == desk.team.owner
    theirs = actions.request_promotion(scene.model(desk.team.elsewhere, "theirs"), by=desk.team.stranger)
    assert desk.client(desk.team.owner).post(f"/p/alpha/review/promotions/{theirs.pk}/approve/").status_code == 404


def test_the_page_speaks_spanish(desk: Desk) -> None:
    client = desk.client(desk.team.owner)
    client.cookies["django_language"] = "es"
    text = client.get(f"/p/alpha/review/{desk.refuted.pk}/").content.decode()
    assert "refutado" in text
    assert "Nunca divide por cero" in text
    assert "Rechazar" in text
