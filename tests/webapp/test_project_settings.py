"""A project's settings and guideline, changed by its admin."""

from __future__ import annotations

import pytest
from django.test import Client

from tests.webapp import people
from webapp.audit.models import AuditEvent
from webapp.catalog.models import Guideline
from webapp.feedback.gold import make_gold

pytestmark = pytest.mark.django_db

PATH = "/p/alpha/settings/"


def filled(**changes: object) -> dict[str, object]:
    return {
        "form": "settings",
        "name": "Alpha",
        "overlap": 3,
        "lease_minutes": 20,
        "blind": "on",
        "reveal": "never",
        "scales": ["security", "correctness"],
        "gold_every": 0,
        "qualification": 0,
        "qualification_percent": 80,
        "retention_days": "",
        **changes,
    }


@pytest.fixture
def admin(team: people.Team, client: Client) -> Client:
    client.force_login(team.owner)
    return client


def test_an_admin_changes_the_settings_and_the_log_says_which(team: people.Team, admin: Client) -> None:
    response = admin.post(PATH, filled(), follow=True)
    assert "The settings have been changed." in response.content.decode()
    team.project.refresh_from_db()
    assert (team.project.overlap, team.project.lease_minutes, team.project.reveal) == (3, 20, "never")
    assert team.project.scales == ["correctness", "security"]
    assert team.project.qualification_share == 0.8
    changed = AuditEvent.objects.get(action="project.changed").payload
    assert changed == {
        "overlap": 3,
        "lease_minutes": 20,
        "reveal": "never",
        "scales": ["correctness", "security"],
        "qualification_share": 0.8,
    }


def test_the_same_settings_again_change_nothing(admin: Client) -> None:
    admin.post(PATH, filled())
    assert "Nothing was changed." in admin.post(PATH, filled(), follow=True).content.decode()
    assert AuditEvent.objects.filter(action="project.changed").count() == 1


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"overlap": 0}, "at least 1"),
        ({"lease_minutes": -1}, "greater than or equal to 0"),
        ({"qualification": 2}, "There are 0 qualifying gold questions"),
        ({"qualification_percent": 101}, "less than or equal to 100"),
        ({"scales": ["beauty"]}, "not one of the available choices"),
        ({"name": ""}, "required"),
    ],
)
def test_settings_that_make_no_sense_are_refused_with_the_reason(
    team: people.Team, admin: Client, changes: dict[str, object], said: str
) -> None:
    response = admin.post(PATH, filled(**changes))
    assert response.status_code == 422
    assert said in response.content.decode()
    team.project.refresh_from_db()
    assert team.project.overlap == 2


def test_only_the_scales_of_the_project_are_asked_for_and_kept(team: people.Team, admin: Client) -> None:
    admin.post(PATH, filled(scales=["security"]))
    people.pairs(team.project, 1, by=team.owner)
    page = admin.get("/p/alpha/rate/")
    assert "left_security" in page.content.decode()
    assert "left_correctness" not in page.content.decode()
    admin.post("/p/alpha/rate/submit/", people.answer(page.context, left_security="4"))
    (rating,) = team.owner.ratings.all()
    assert {**rating.scales_a, **rating.scales_b} == {"security": 4}


def test_a_changed_guideline_is_a_new_version_that_ratings_remember(team: people.Team, admin: Client) -> None:
    people.pairs(team.project, 1, by=team.owner)
    texts = {"form": "guideline", "text_en": "Correct first.", "text_es": "Primero, que sea correcto."}
    response = admin.post(PATH, texts, follow=True)
    assert "now version 2" in response.content.decode()
    assert Guideline.objects.get(project=team.project, version=2, language="es").text == "Primero, que sea correcto."
    assert "Nothing was changed." in admin.post(PATH, texts, follow=True).content.decode()
    page = admin.get("/p/alpha/rate/")
    assert "Correct first." in page.content.decode()
    admin.post("/p/alpha/rate/submit/", people.answer(page.context))
    assert team.owner.ratings.get().guideline_version == 2


def test_a_guideline_needs_a_text_in_each_language(team: people.Team, admin: Client) -> None:
    response = admin.post(PATH, {"form": "guideline", "text_en": "Correct first.", "text_es": ""})
    assert response.status_code == 422
    assert Guideline.objects.filter(project=team.project).count() == 2


def test_a_qualification_round_can_be_asked_for_once_there_is_gold(team: people.Team, admin: Client) -> None:
    for pair in people.pairs(team.project, 2, by=team.owner):
        make_gold(pair, by=team.owner, lowest=1, highest=3, qualifying=True)
    assert admin.post(PATH, filled(qualification=2)).status_code == 302


@pytest.mark.parametrize(("who", "status"), [("teammate", 403), ("stranger", 404)])
def test_settings_are_for_admins(team: people.Team, client: Client, who: str, status: int) -> None:
    client.force_login(getattr(team, who))
    assert client.get(PATH).status_code == status
    assert client.post(PATH, filled()).status_code == status
