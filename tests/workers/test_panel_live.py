"""The simulated panel before the real pages: marked as simulated, and leaving pairs for people."""

from __future__ import annotations

import pytest
from pytest_django.live_server_helper import LiveServer

from tests.webapp import people, scene
from verification.sandbox import Pool
from webapp.feedback.models import Rating
from workers.panel import Panel, Suite, character

pytestmark = pytest.mark.django_db(transaction=True)

GOOD, BAD = scene.SAFE_MEAN, "def mean(xs: list[int]) -> float:\n    return None\n"


def test_the_panel_rates_what_works_higher_and_stops_at_the_number_that_it_was_given(live_server: LiveServer) -> None:
    project = scene.project("live")
    model = scene.model(project, "m")
    for number in range(3):
        prompt = scene.prompt(project, f"Return the mean, {number} times.")
        scene.comparison(scene.sample(prompt, model, GOOD), scene.sample(prompt, model, BAD))
    for name in ("panel-1", "panel-2"):
        user = scene.person(name, "annotator", project, simulated=True)
        user.set_password(people.PASSWORD)
        user.save()
    suite = Suite("mean", ("assert mean([1, 3]) == 2", "assert mean([]) == 0.0"))
    suites = {(prompt.text, prompt.signature): suite for prompt in project.prompts.all()}
    heard = []
    with Pool(1) as pool:
        panel = Panel(address=live_server.url, project="live", suites=suites, pool=pool)
        panellists = [character(f"panel-{n}", people.PASSWORD, seed=n) for n in (1, 2)]
        assert panel.rate_all(panellists, at_most=5, on_rating=lambda: heard.append(1)) == 5
        assert panel.rate_all(panellists, at_most=0, on_rating=heard.clear) == 0
        assert panel.rate_all(panellists, at_most=9, on_rating=lambda: heard.append(1)) == 1
    ratings = Rating.objects.all()
    assert len(heard) == len(ratings) == 6
    assert all(rating.simulated for rating in ratings)
    assert all(rating.preference is not None and rating.preference < 0 for rating in ratings)  # A is the good one
    assert all(rating.scales_a["correctness"] > rating.scales_b["correctness"] for rating in ratings)
