"""Consent, one's own data, erasure, and the end of old text."""

from __future__ import annotations

import json
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.apps import apps
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.webapp import people
from tests.webapp.people import signed_in
from webapp.accounts import actions, privacy
from webapp.accounts.erasure import ErasureRefused, erase, models_touched
from webapp.accounts.models import User
from webapp.audit.models import AuditEvent
from webapp.catalog.actions import add_member, set_role
from webapp.catalog.models import Membership, ModelVersion
from webapp.feedback.actions import expire_leases, next_assignment, save_draft, submit
from webapp.feedback.afterwards import flag, revise
from webapp.feedback.errors import FeedbackError
from webapp.feedback.judgement import Judgement
from webapp.feedback.models import Adjudication, Assignment, Comparison, LineComment, Rating, Revision
from webapp.runs.actions import take_snapshot
from webapp.runs.models import ErasureNotice, Run
from workers.dispatch import texts

SECRET = "xyzzy-secret-words"
"""What the teammate writes wherever they may write freely."""


def judged(text: str = SECRET, preference: int = 2) -> Judgement:
    return Judgement(
        preference=preference,
        unusable=False,
        first={"correctness": 2},
        second={"correctness": 5},
        rationale=text,
        seconds=4.0,
        first_comments={1: text},
        second_comments={},
        first_edited=text,
        second_edited="",
    )


def rate(user: User, team: people.Team) -> Rating:
    lease = next_assignment(user, team.project)
    assert lease
    return submit(user, lease.pk, judged(f"{SECRET} of {user.pseudonym}"), submission=uuid.uuid4())


def busy(team: people.Team) -> Rating:
    """The teammate has written everywhere: a rating with comment, edit and revision, a draft, a flag, a reason."""
    people.pairs(team.project, 4, by=team.owner)
    rating = rate(team.teammate, team)
    revise(team.teammate, rating.pk, preference=-1, unusable=False, reason=SECRET)
    flag(team.teammate, rating.assignment_id, problem=SECRET)
    lease = next_assignment(team.teammate, team.project)
    assert lease
    save_draft(team.teammate, lease.pk, {"rationale": SECRET})
    return rating


def tables_with(text: str) -> list[str]:
    """Every table of the database that holds the text anywhere."""
    found = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            quoted = connection.ops.quote_name(table)
            cursor.execute(f"SELECT count(*) FROM {quoted} AS row WHERE row::text LIKE %s", [f"%{text}%"])
            if cursor.fetchone()[0]:
                found.append(table)
    return found


def counters_are_exact() -> bool:
    live = ("leased", "submitted")
    return all(
        pair.open_slots == pair.overlap - pair.assignments.filter(state__in=live).count()
        for pair in Comparison.objects.all()
    )


# ---- consent ----


@pytest.fixture
def team(db: None) -> people.Team:
    return people.team(agreed=False)


def test_nobody_rates_before_they_have_agreed(team: people.Team) -> None:
    people.pairs(team.project, 1, by=team.owner)
    client = signed_in(team.teammate)
    asked = client.get("/p/alpha/rate/")
    assert asked.headers["Location"] == "/p/alpha/consent/?next=%2Fp%2Falpha%2Frate%2F"
    assert not Assignment.objects.exists()
    client.post("/p/alpha/consent/", {"decision": "give", "next": "/p/alpha/rate/"})
    assert 'id="rating"' in client.get("/p/alpha/rate/").content.decode()


def test_a_new_member_has_to_agree_once_for_each_project(team: people.Team) -> None:
    mine = Membership.objects.get(user=team.teammate)
    assert privacy.needs_consent(mine)
    client = signed_in(team.teammate)
    page = client.get("/p/alpha/consent/?next=/p/alpha/rate/mine/").content.decode()
    assert "Under your pseudonym, <strong>teammate</strong>" in page
    agreed = client.post("/p/alpha/consent/", {"decision": "give", "next": "/p/alpha/rate/mine/"})
    assert agreed.headers["Location"] == "/p/alpha/rate/mine/"
    mine.refresh_from_db()
    assert mine.consent_version == privacy.CONSENT_VERSION
    assert mine.consented_at is not None
    assert not privacy.needs_consent(mine)
    other = add_member(team.elsewhere, team.teammate, role="annotator", by=team.stranger)
    assert privacy.needs_consent(other)


def test_agreeing_twice_is_recorded_once_and_a_new_wording_is_asked_for(
    team: people.Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = Membership.objects.get(user=team.teammate)
    privacy.give_consent(mine)
    first = mine.consented_at
    privacy.give_consent(mine)
    assert mine.consented_at == first
    (event,) = AuditEvent.objects.filter(action="consent.given")
    assert (event.actor, event.project, event.payload) == (team.teammate, team.project, {"version": 1})
    monkeypatch.setattr(privacy, "CONSENT_VERSION", 2)
    assert privacy.needs_consent(mine)


def test_consent_is_taken_back_on_the_same_page(team: people.Team) -> None:
    mine = Membership.objects.get(user=team.teammate)
    privacy.give_consent(mine)
    client = signed_in(team.teammate)
    assert "You agreed on" in client.get("/p/alpha/consent/").content.decode()
    client.post("/p/alpha/consent/", {"decision": "withdraw"})
    mine.refresh_from_db()
    assert privacy.needs_consent(mine)
    assert AuditEvent.objects.filter(action="consent.withdrawn", actor=team.teammate).count() == 1


def test_simulated_people_are_not_asked(team: people.Team) -> None:
    panellist = people.person("panellist", simulated=True)
    assert not privacy.needs_consent(add_member(team.project, panellist, role="annotator", by=team.owner))


def test_the_consent_leads_to_no_foreign_page(team: people.Team) -> None:
    client = signed_in(team.teammate)
    for address in ("https://example.org/", "//example.org/"):
        agreed = client.post("/p/alpha/consent/", {"decision": "give", "next": address})
        assert agreed.headers["Location"] == "/p/alpha/rate/"


def test_the_consent_is_read_in_spanish_and_names_the_time_that_text_is_kept(team: people.Team) -> None:
    team.project.retention_days = 90
    team.project.save()
    page = signed_in(team.teammate).get("/p/alpha/consent/", headers={"accept-language": "es"}).content.decode()
    assert "Lo que escribiste se borra a los 90 días." in page


# ---- my data ----


def test_my_page_shows_how_i_am_known_and_leads_to_everything(team: people.Team) -> None:
    page = signed_in(team.teammate).get("/accounts/me/").content.decode()
    for part in ("<strong>teammate</strong>", "teammate@example.org", "/accounts/mfa/", "/accounts/password/change/"):
        assert part in page
    assert "/p/alpha/consent/" in page


def test_the_download_holds_all_that_the_person_wrote_and_did(team: people.Team) -> None:
    rating = busy(team)
    privacy.give_consent(Membership.objects.get(user=team.teammate))
    answer = signed_in(team.teammate).get("/accounts/me/data/")
    assert answer.headers["Content-Disposition"].startswith("attachment")
    found = json.loads(answer.content)
    assert found["account"]["email"] == "teammate@example.org"
    assert found["memberships"][0]["consent_version"] == 1
    (kept,) = found["ratings"]
    assert kept["id"] == rating.pk
    assert kept["rationale"].startswith(SECRET)
    assert kept["comments"][0]["text"].startswith(SECRET)
    assert kept["revision"]["reason"] == SECRET
    assert {row["state"] for row in found["assignments"]} == {"submitted", "leased"}
    assert any(row["draft"] == {"rationale": SECRET} for row in found["assignments"])
    assert any(row["flag"] == SECRET for row in found["assignments"])
    assert "consent.given" in [event["action"] for event in found["audit_events"]]


def test_the_download_holds_nothing_of_others_no_secret_and_no_answer_to_a_gold_question(team: people.Team) -> None:
    rating = busy(team)
    other = people.annotators(team.project, 1, by=team.owner)[0]
    theirs = rate(other, team)
    assert theirs.comparison_id == rating.comparison_id
    text = signed_in(team.teammate).get("/accounts/me/data/").content.decode()
    for hidden in (other.pseudonym, "secret-model-name", team.teammate.password, "is_gold", "is_superuser"):
        assert hidden not in text


# ---- erasure ----


def test_erasing_leaves_no_word_of_the_person_in_the_whole_database(team: people.Team) -> None:
    busy(team)
    pair = Comparison.objects.order_by("pk")[3]
    Adjudication.objects.create(comparison=pair, preference=1, reason=SECRET, decided_by=team.teammate)
    EmailAddress.objects.create(user=team.teammate, email="teammate@example.org", verified=True)
    Authenticator.objects.create(user=team.teammate, type="totp", data={"secret": SECRET})
    SocialAccount.objects.create(user=team.teammate, provider="oidc", uid="42", extra_data={"name": SECRET})
    User.objects.filter(pk=team.teammate.pk).update(first_name=SECRET, last_name=SECRET)
    assert len(tables_with(SECRET)) == 8
    assert tables_with("teammate@example.org") != []
    erase(team.teammate)
    assert tables_with(SECRET) == []
    assert tables_with("teammate@example.org") == []


def test_erasing_keeps_the_numbers_and_the_pseudonym(team: people.Team) -> None:
    rating = busy(team)
    before = (rating.preference, rating.scales_a, rating.scales_b)
    erase(team.teammate)
    rating.refresh_from_db()
    assert (rating.preference, rating.scales_a, rating.scales_b) == before
    assert rating.revision.preference is not None
    assert rating.annotator.pseudonym == "teammate"
    assert LineComment.objects.count() == 0


def test_the_erased_cannot_sign_in_and_are_signed_out_everywhere(team: people.Team) -> None:
    elsewhere = signed_in(team.teammate)
    other = signed_in(team.owner)
    erase(team.teammate)
    left = User.objects.get(pk=team.teammate.pk)
    assert (left.username, left.email, left.is_active) == (f"erased-{left.pk}", "", False)
    assert left.erased_at is not None
    assert not left.has_usable_password()
    assert elsewhere.get("/accounts/me/").status_code == 302
    assert other.get("/accounts/me/").status_code == 200
    assert [session.get_decoded()["_auth_user_id"] for session in Session.objects.all()] == [str(team.owner.pk)]
    for name in ("teammate", left.username, "teammate@example.org"):
        page = Client().post("/accounts/login/", {"username": name, "password": people.PASSWORD})
        assert page.status_code == 200
    assert not Membership.objects.filter(user=left).exists()


def test_nobody_may_take_the_name_of_somebody_erased(team: people.Team) -> None:
    token = actions.invite(team.project, "annotator", by=team.owner).token
    new = {"username": f"Erased-{team.teammate.pk}", "pseudonym": "Kestrel", "email": "n@example.org", "language": "en"}
    sent = {**new, "password1": people.PASSWORD, "password2": people.PASSWORD}
    assert Client().post(f"/accounts/join/{token}/", sent).status_code == 422
    people.person(f"erased-{team.teammate.pk}")  # Made by somebody who runs the server.
    erase(team.teammate)
    assert User.objects.get(pk=team.teammate.pk).username.startswith(f"erased-{team.teammate.pk}-")


def test_a_lease_of_the_erased_goes_to_somebody_else(team: people.Team) -> None:
    people.pairs(team.project, 1, by=team.owner)
    Comparison.objects.update(overlap=1, open_slots=1)
    lease = next_assignment(team.teammate, team.project)
    other = people.annotators(team.project, 1, by=team.owner)[0]
    assert next_assignment(other, team.project) is None
    erase(team.teammate)
    assert counters_are_exact()
    assert lease
    assert Assignment.objects.get(pk=lease.pk).state == "skipped"
    found = next_assignment(other, team.project)
    assert found
    assert found.comparison_id == lease.comparison_id


def test_what_is_on_its_way_when_somebody_is_erased_is_refused(team: people.Team) -> None:
    people.pairs(team.project, 2, by=team.owner)
    lease = next_assignment(team.teammate, team.project)
    assert lease
    erase(team.teammate)
    for send in (
        lambda: submit(team.teammate, lease.pk, judged(), submission=uuid.uuid4()),
        lambda: save_draft(team.teammate, lease.pk, {"rationale": SECRET}),
        lambda: flag(team.teammate, lease.pk, problem=SECRET),
    ):
        with pytest.raises(FeedbackError):
            send()
    assert tables_with(SECRET) == []


def test_snapshots_with_rows_of_the_erased_are_marked_and_others_are_not(team: people.Team) -> None:
    people.pairs(team.project, 2, by=team.owner)
    other = people.annotators(team.project, 1, by=team.owner)[0]
    rate(other, team)
    without = take_snapshot(team.project, team.owner)
    rate(team.teammate, team)
    rate(team.teammate, team)
    holding = take_snapshot(team.project, team.owner)
    rows = holding.rows
    erase(team.teammate)
    (notice,) = ErasureNotice.objects.all()
    assert (notice.snapshot, notice.pseudonym, notice.rows) == (holding, "teammate", 2)
    assert not ErasureNotice.objects.filter(snapshot=without).exists()
    holding.refresh_from_db()
    assert holding.rows == rows


def test_the_models_touched_are_those_trained_on_the_erased_and_all_made_from_them(team: people.Team) -> None:
    people.pairs(team.project, 1, by=team.owner)
    rate(team.teammate, team)
    snapshot = take_snapshot(team.project, team.owner)

    def model(name: str, **about: Any) -> ModelVersion:
        run = Run.objects.create(project=team.project, kind="ppo", created_by=team.owner, **about.pop("run", {}))
        facts = {"kind": "aligned", "path": name, "sha256": "1" * 64, **about}
        return ModelVersion.objects.create(project=team.project, name=name, run=run, **facts)

    backbone = model("backbone", kind="supervised")
    reward = model("reward", kind="reward", parent=backbone, run={"snapshot": snapshot})
    aligned = model("aligned", parent=backbone, run={"reward_model": reward, "base_model": backbone})
    again = model("again", parent=aligned)
    judged_by_it = model("judged", run={"reward_model": aligned, "base_model": backbone})
    model("apart", parent=backbone)
    assert models_touched(team.project) == set()
    erase(team.teammate)
    with CaptureQueriesContext(connection) as caught:
        assert models_touched(team.project) == {reward.pk, aligned.pk, again.pk, judged_by_it.pk}
    assert len(caught) == 1
    assert models_touched(team.elsewhere) == set()


def test_the_erasure_is_in_the_log_without_anything_personal(team: people.Team) -> None:
    erase(team.teammate)
    (event,) = AuditEvent.objects.filter(action="person.erased")
    assert (event.project, event.payload) == (team.project, {"snapshots": 0})


def test_the_only_admin_stays_until_somebody_else_is_one(team: people.Team) -> None:
    with pytest.raises(ErasureRefused, match="Alpha"):
        erase(team.owner)
    team.owner.refresh_from_db()
    assert team.owner.is_active
    set_role(Membership.objects.get(user=team.teammate), "admin", by=team.owner)
    erase(team.owner)
    assert not User.objects.get(pk=team.owner.pk).is_active


@pytest.mark.django_db(transaction=True)
def test_of_two_admins_who_leave_at_once_one_stays() -> None:
    team = people.team()
    set_role(Membership.objects.get(user=team.teammate), "admin", by=team.owner)

    def leave(user: User) -> bool:
        try:
            erase(user)
        except ErasureRefused:
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(2) as pool:
        gone = list(pool.map(leave, [team.owner, team.teammate]))
    assert sorted(gone) == [False, True]
    assert Membership.objects.filter(project=team.project, role="admin").count() == 1


@pytest.mark.django_db(transaction=True)
def test_ratings_sent_while_somebody_is_erased_leave_counters_exact_and_no_text() -> None:
    team = people.team()
    people.pairs(team.project, 6, by=team.owner)

    def work(_number: int) -> None:
        try:
            while lease := next_assignment(team.teammate, team.project):
                save_draft(team.teammate, lease.pk, {"rationale": SECRET})
                submit(team.teammate, lease.pk, judged(), submission=uuid.uuid4())
        except FeedbackError:
            pass
        finally:
            connection.close()

    def leave() -> None:
        try:
            erase(team.teammate)
        finally:
            connection.close()

    with ThreadPoolExecutor(3) as pool:
        jobs = [pool.submit(work, 1), pool.submit(work, 2), pool.submit(leave)]
        for job in jobs:
            job.result()
    assert counters_are_exact()
    assert tables_with(SECRET) == []
    expire_leases(now=timezone.now() + timedelta(days=1))  # One that was asked for meanwhile runs out like any other.
    assert counters_are_exact()
    assert not Assignment.objects.filter(annotator=team.teammate, state="leased").exists()


def test_erasing_by_the_page_needs_the_pseudonym_and_the_password(team: people.Team) -> None:
    client = signed_in(team.teammate)
    assert "This can't be taken back." in client.get("/accounts/me/erase/").content.decode()
    for sent, said in (
        ({"pseudonym": "someone", "password": people.PASSWORD}, "This is not your pseudonym."),
        ({"pseudonym": "teammate", "password": "wrong"}, "This is not your password."),
    ):
        refused = client.post("/accounts/me/erase/", sent)
        assert refused.status_code == 422
        assert said in refused.content.decode()
    done = client.post("/accounts/me/erase/", {"pseudonym": "teammate", "password": people.PASSWORD})
    assert "Your account is erased" in done.content.decode()
    assert client.get("/accounts/me/").status_code == 302


def test_the_page_names_the_projects_that_need_another_admin(team: people.Team) -> None:
    client = signed_in(team.owner)
    refused = client.post("/accounts/me/erase/", {"pseudonym": "owner", "password": people.PASSWORD})
    assert refused.status_code == 409
    assert "You are the only admin of Alpha: make somebody else an admin there first." in refused.content.decode()


def test_who_has_no_password_must_have_signed_in_just_now(team: people.Team) -> None:
    team.teammate.set_unusable_password()
    team.teammate.save()
    client = signed_in(team.teammate)
    refused = client.post("/accounts/me/erase/", {"pseudonym": "teammate"})
    assert "Sign out and in again" in refused.content.decode()
    session = client.session
    session["account_authentication_methods_user"] = str(team.teammate.pk)
    session["account_authentication_methods"] = [{"method": "socialaccount", "at": timezone.now().timestamp()}]
    session.save()
    assert client.post("/accounts/me/erase/", {"pseudonym": "teammate"}).status_code == 200
    assert not User.objects.get(pk=team.teammate.pk).is_active


# ---- retention ----


def age(rating: Rating, days: int) -> None:
    when = timezone.now() - timedelta(days=days)
    Rating.objects.filter(pk=rating.pk).update(created_at=when)
    Revision.objects.filter(rating=rating).update(created_at=when)
    Assignment.objects.filter(pk=rating.assignment_id).update(leased_at=when)


def test_text_older_than_the_projects_days_is_erased_and_newer_text_is_not(team: people.Team) -> None:
    rating = busy(team)
    other = people.annotators(team.project, 1, by=team.owner)[0]
    fresh = rate(other, team)
    team.project.retention_days = 30
    team.project.save()
    age(rating, 31)
    assert privacy.erase_old_text(timezone.now()) == 4
    rating.refresh_from_db()
    assert (rating.rationale, rating.edited_a, rating.revision.reason, rating.assignment.flag) == ("", "", "", "")
    assert rating.preference is not None
    fresh.refresh_from_db()
    assert fresh.rationale.startswith(SECRET)
    assert [comment.rating_id for comment in LineComment.objects.all()] == [fresh.pk]
    (event,) = AuditEvent.objects.filter(action="text.retired")
    assert (event.actor, event.project) == (None, team.project)
    assert {name: event.payload[name] for name in ("ratings", "revisions", "comments", "assignments")} == {
        "ratings": 1,
        "revisions": 1,
        "comments": 1,
        "assignments": 1,
    }


def test_nothing_is_erased_where_the_project_keeps_text_or_twice(team: people.Team) -> None:
    rating = busy(team)
    age(rating, 4000)
    assert privacy.erase_old_text(timezone.now()) == 0
    team.project.retention_days = 30
    team.project.save()
    assert privacy.erase_old_text(timezone.now()) == 4
    assert privacy.erase_old_text(timezone.now()) == 0
    assert AuditEvent.objects.filter(action="text.retired").count() == 1


def test_old_text_is_erased_in_batches_by_the_scheduled_task(
    team: people.Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    people.pairs(team.project, 5, by=team.owner)
    while lease := next_assignment(team.teammate, team.project):
        submit(team.teammate, lease.pk, judged(), submission=uuid.uuid4())
    long_ago = timezone.now() - timedelta(days=10)
    Rating.objects.update(created_at=long_ago)
    team.project.retention_days = 7
    team.project.save()
    monkeypatch.setattr(privacy, "BATCH", 2)
    texts()
    assert tables_with(SECRET) == []
    assert AuditEvent.objects.get(action="text.retired").payload["ratings"] == 5


def test_every_table_that_names_a_person_is_thought_of_here(db: None) -> None:
    """A new one has to be added to the download, and to the erasure if it holds words of theirs; then it is listed."""
    thought_of = {
        "account.EmailAddress.user",
        "accounts.Invitation.accepted_by",
        "accounts.Invitation.created_by",
        "audit.AuditEvent.actor",
        "catalog.Membership.user",
        "feedback.Adjudication.decided_by",
        "feedback.Assignment.annotator",
        "feedback.Rating.annotator",
        "mfa.Authenticator.user",
        "review.Promotion.approved_by",
        "review.Promotion.requested_by",
        "review.ReviewDecision.reviewer",
        "runs.DatasetSnapshot.created_by",
        "runs.Run.created_by",
        "socialaccount.SocialAccount.user",
    }
    found = {
        f"{model._meta.app_label}.{model.__name__}.{field.name}"
        for model in apps.get_models()
        for field in model._meta.concrete_fields
        if field.related_model is User
    }
    assert found == thought_of
