"""The page of a run that an alarm has paused: what it says, in both languages, and who may go on with it."""

from __future__ import annotations

import html
import re

import pytest
from django.test import Client
from django.utils import translation

from tests.webapp import people, scene
from tests.webapp.test_run_page import Place
from training.config import GuardSettings
from training.guards import MONITORS, Alarm
from webapp.catalog import queries
from webapp.runs import wording
from webapp.runs.actions import append_event
from webapp.runs.models import Run

ALARMS = [Alarm("over-optimisation", 18, 0.14, 0.1, 2), Alarm("length", 18, 2.4, 2.0, 3)]


@pytest.fixture
def place(team: people.Team) -> Place:
    found = Place(team)
    pause(found)
    return found


def pause(place: Place) -> None:
    told = [alarm.to_json() for alarm in ALARMS]
    Run.objects.filter(pk=place.run.pk).update(
        kind="ppo", state="paused", alarms=told, step=18, total_steps=36, started_at="2026-01-01T00:00Z"
    )
    append_event(place.run, "paused", {"alarms": told})


def page(place: Place, language: str = "en") -> str:
    client = place.client(place.engineer)
    client.cookies["django_language"] = language
    text = html.unescape(client.get(f"/p/alpha/runs/{place.run.pk}/").content.decode())
    return re.sub(r"\s+", " ", text)


def test_the_page_says_what_was_seen_and_what_to_do(place: Place) -> None:
    text = page(place)
    assert "An alarm paused it." in text
    assert (
        "The reward rose while the share of validation tasks that pass all tests fell 14 percentage points below its "
        "best; allowed: 10. Cancel it, or lower the weight of the ratings" in text
    )
    assert "Programs are 2.4 times as long, or as short, as in the first updates; allowed: 2. Read some." in text
    assert "Paused by an alarm: over-optimisation, length." in text
    assert f'action="/p/alpha/runs/{place.run.pk}/resume/"' in text
    assert f'action="/p/alpha/runs/{place.run.pk}/cancel/"' in text
    assert "badge-paused" in text
    assert "data-events" in text  # it may go on at any time
    assert "Running for" not in text


def test_the_page_says_it_in_spanish(place: Place) -> None:
    text = page(place, "es")
    assert "Una alarma la ha puesto en pausa." in text
    assert "bajó 14 puntos porcentuales por debajo de su mejor valor; permitido: 10." in text
    assert "Los programas son 2.4 veces más largos, o más cortos, que en las primeras actualizaciones" in text
    assert "En pausa por una alarma: sobreoptimización, longitud." in text
    assert "Continuar" in text
    assert "en pausa" in re.findall(r"badge-paused\">(.*?)<", text)


@pytest.mark.parametrize("language", ["en", "es"])
@pytest.mark.parametrize("monitor", MONITORS)
def test_every_monitor_has_a_sentence_with_its_figures_in_both_languages(monitor: str, language: str) -> None:
    with translation.override(language):
        seen, advice = wording.alarm(Alarm(monitor, 9, 0.37, 0.2, 3).to_json())
        name = str(wording.ALARMS[monitor][0])
    whole = monitor in ("length", "kl")
    assert ("0.4" if whole else "37") in seen
    assert ("0.2" if whole else "20") in seen
    assert advice.endswith(".")
    assert "%" not in seen
    if language == "es":
        assert seen != wording.alarm(Alarm(monitor, 9, 0.37, 0.2, 3).to_json())[0]
        assert (name == str(wording.ALARMS[monitor][0])) == (monitor == "kl")


def test_every_monitor_has_a_sentence_and_every_threshold_a_label() -> None:
    assert wording.ALARMS.keys() == MONITORS.keys()
    assert set(vars(GuardSettings())) <= wording.SETTINGS.keys()


def test_an_alarm_of_a_monitor_that_is_gone_is_shown_by_its_name() -> None:
    seen, advice = wording.alarm({**ALARMS[0].to_json(), "monitor": "100% new"})
    assert (seen, advice) == ("100% new: 0.14", "")
    assert wording.event("paused", {"alarms": [{"monitor": "100% new"}]}) == "Paused by an alarm: 100% new."


def test_an_engineer_lets_it_go_on_and_a_second_click_is_told(place: Place) -> None:
    address = f"/p/alpha/runs/{place.run.pk}/resume/"
    client = place.client(place.engineer)
    assert "The run goes on from its checkpoint." in client.post(address, follow=True).content.decode()
    place.run.refresh_from_db()
    assert (place.run.state, place.run.disarmed) == ("queued", ["length", "over-optimisation"])
    assert "The run is not paused any more." in client.post(address, follow=True).content.decode()
    text = page(place)
    assert "An alarm paused it." not in text
    assert "/resume/" not in text
    assert f"Resumed by {place.engineer.pseudonym}; no longer watched: over-optimisation, length." in text


def test_going_on_is_for_engineers_and_by_post(place: Place) -> None:
    address = f"/p/alpha/runs/{place.run.pk}/resume/"
    assert place.client(place.team.teammate).post(address).status_code == 403
    assert place.client(place.team.stranger).post(address).status_code == 404
    assert place.client(place.engineer).get(address).status_code == 405
    assert Client().post(address).headers["Location"].startswith("/accounts/login/")
    elsewhere = scene.model(place.team.elsewhere, "theirs")
    theirs = Run.objects.create(
        project=place.team.elsewhere, kind="ppo", state="paused", base_model=elsewhere, created_by=place.team.stranger
    )
    assert place.client(place.engineer).post(f"/p/alpha/runs/{theirs.pk}/resume/").status_code == 404
    for run in (place.run, theirs):
        run.refresh_from_db()
        assert run.state == "paused"


def test_a_paused_run_is_cancelled_from_its_page(place: Place) -> None:
    response = place.client(place.engineer).post(f"/p/alpha/runs/{place.run.pk}/cancel/", follow=True)
    assert "The run is cancelled." in response.content.decode()
    assert "An alarm paused it." not in page(place)


def test_it_stands_among_the_projects_open_runs(place: Place) -> None:
    overview = queries.overview(place.team.project)
    assert place.run in overview.active_runs
    assert place.run not in overview.latest_runs
    listed = place.client(place.engineer).get("/p/alpha/runs/").content.decode()
    assert "badge-paused" in listed
