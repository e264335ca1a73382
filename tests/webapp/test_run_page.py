"""The runs pages: who may open them, launching with bad and good settings, what they show, cancelling."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from tests.webapp import people, scene
from training.config import SCALES, PPOSettings, read
from webapp.accounts.models import User
from webapp.catalog.models import ModelVersion
from webapp.runs import queries, results, wording
from webapp.runs.actions import append_event, launch
from webapp.runs.forms import BASIC, LaunchForm
from webapp.runs.models import Run
from webapp.runs.templatetags.durations import lasted


class Place:
    """The team with an engineer, a supervised model and a queued run."""

    def __init__(self, team: people.Team) -> None:
        self.team = team
        self.engineer = scene.person("engineer", "engineer", team.project)
        self.model = scene.model(team.project, "supervised-1")
        self.reward = scene.model(team.project, "reward-1", "reward", self.model)
        self.run = launch(team.project, "generate", config={}, created_by=self.engineer, base_model=self.model)

    def client(self, user: User) -> Client:
        client = Client()
        client.force_login(user)
        return client

    def form(self, kind: str) -> dict[str, str]:
        """What a browser sends when the form is left as it is."""
        page = self.client(self.engineer).get(f"/p/alpha/runs/new/{kind}/")
        form: LaunchForm = page.context["form"]
        fields = [*form.models, *form.basic, *(field for group in form.advanced for field in group.fields)]
        return {
            field.name: "true" if field.kind == "checkbox" else field.value
            for field in fields
            if field.kind != "checkbox" or field.value == "True"
        }

    def send(self, kind: str, data: Mapping[str, str]) -> Any:
        return self.client(self.engineer).post(f"/p/alpha/runs/new/{kind}/", data)


@pytest.fixture
def place(team: people.Team) -> Place:
    return Place(team)


PAGES = ("", "new/ppo/", "new/reward_model/", "new/generate/", "new/evaluate/", "{run}/", "{run}/summary/")


@pytest.mark.parametrize("page", PAGES)
def test_engineers_and_admins_open_it_and_nobody_else(place: Place, page: str) -> None:
    address = f"/p/alpha/runs/{page.format(run=place.run.pk)}"
    team = place.team
    for user, status in ((place.engineer, 200), (team.owner, 200), (team.teammate, 403), (team.stranger, 404)):
        assert place.client(user).get(address).status_code == status, user
    assert Client().get(address).headers["Location"].startswith("/accounts/login/")


def test_cancelling_is_for_engineers_and_by_post(place: Place) -> None:
    address = f"/p/alpha/runs/{place.run.pk}/cancel/"
    assert place.client(place.team.teammate).post(address).status_code == 403
    assert place.client(place.team.stranger).post(address).status_code == 404
    assert place.client(place.engineer).get(address).status_code == 405
    place.run.refresh_from_db()
    assert place.run.state == "queued"
    page = place.client(place.engineer).post(address, follow=True)
    assert "The run is cancelled." in page.content.decode()
    place.run.refresh_from_db()
    assert place.run.state == "cancelled"
    again = place.client(place.engineer).post(address, follow=True)
    assert "has ended already" in again.content.decode()


def test_a_run_of_another_project_is_not_found(place: Place) -> None:
    other = scene.model(place.team.elsewhere, "theirs")
    theirs = launch(place.team.elsewhere, "generate", config={}, created_by=place.team.stranger, base_model=other)
    for page in ("", "summary/"):
        assert place.client(place.engineer).get(f"/p/alpha/runs/{theirs.pk}/{page}").status_code == 404
    assert place.client(place.engineer).post(f"/p/alpha/runs/{theirs.pk}/cancel/").status_code == 404


@pytest.mark.parametrize("kind", ["ppo", "generate", "evaluate"])
def test_a_form_sent_as_it_came_launches_the_run(place: Place, kind: str) -> None:
    scene.prompt(place.team.project)
    response = place.send(kind, place.form(kind))
    run = Run.objects.filter(kind=kind).latest("pk")
    assert response.headers["Location"] == f"/p/alpha/runs/{run.pk}/"
    assert run.base_model == place.model
    if kind == "ppo":
        assert read(PPOSettings, run.config) == PPOSettings()
        assert run.reward_model == place.reward


def test_what_is_typed_reaches_the_run(place: Place) -> None:
    sent = place.form("ppo") | {"num_updates": "2", "lora.r": "4", "reward_model": str(place.reward.pk)}
    sent.pop("bf16")
    place.send("ppo", sent)
    run = Run.objects.get(kind="ppo")
    settings = read(PPOSettings, run.config)
    assert (settings.num_updates, settings.lora.r, settings.bf16) == (2, 4, False)
    assert run.reward_model == place.reward


def test_the_tiny_scale_fills_the_form_with_its_settings(place: Place) -> None:
    page = place.client(place.engineer).get("/p/alpha/runs/new/ppo/?scale=tiny").content.decode()
    tiny = SCALES["tiny"].ppo
    assert f'name="num_updates" value="{tiny.num_updates}"' in page
    assert f'name="batch_size" value="{tiny.batch_size}"' in page
    assert tiny.batch_size != PPOSettings().batch_size


def test_a_negative_learning_rate_is_one_line_at_its_field_and_nothing_typed_is_lost(place: Place) -> None:
    response = place.send("ppo", place.form("ppo") | {"learning_rate": "-0.001", "num_updates": "77"})
    page = response.content.decode()
    assert response.status_code == 422
    assert re.findall(r'id="id_learning_rate_error"><li>(.*?)</li>', page) == ["Must be above 0, not -0.001"]
    assert page.count("errorlist") == 1
    assert 'value="-0.001"' in page
    assert 'name="num_updates" value="77"' in page
    assert not Run.objects.filter(kind="ppo").exists()


def test_a_problem_among_the_folded_settings_opens_them(place: Place) -> None:
    page = place.send("ppo", place.form("ppo") | {"lora.r": "none"}).content.decode()
    assert '<details class="card" open>' in page
    assert "Must be a whole number, not “none”" in page


def test_a_refused_model_is_said_at_its_field(place: Place) -> None:
    other = scene.model(place.team.project, "other")
    wrong = place.form("ppo") | {"base_model": str(other.pk), "reward_model": str(place.reward.pk)}
    assert "trained on another backbone" in place.send("ppo", wrong).content.decode()
    for value in ("", "nonsense", "9" * 30, str(scene.model(place.team.elsewhere, "theirs").pk)):
        page = place.send("ppo", place.form("ppo") | {"base_model": value})
        assert page.status_code == 422
        assert "Choose the supervised model to start from" in page.content.decode()


def test_a_reward_model_is_trained_on_a_snapshot_taken_at_launch(place: Place) -> None:
    page = place.send("reward_model", place.form("reward_model"))
    assert page.status_code == 422
    assert "Ratings: there are no ratings yet: rate some comparisons first" in page.content.decode()
    prompt = scene.prompt(place.team.project)
    pair = scene.comparison(scene.sample(prompt, place.model), scene.sample(prompt, place.model, scene.SAFE_MEAN))
    scene.rating(pair, place.team.teammate, 2)
    scene.rating(pair, scene.person("panel", "annotator", place.team.project, simulated=True), 1)
    form = place.client(place.engineer).get("/p/alpha/runs/new/reward_model/").content.decode()
    assert "of 2 ratings" in form
    assert "1 simulated" in form
    place.send("reward_model", place.form("reward_model"))
    run = Run.objects.get(kind="reward_model")
    assert run.snapshot is not None
    assert [row["preference"] for row in run.snapshot.rows] == [1, 2]
    shown = place.client(place.engineer).get(f"/p/alpha/runs/{run.pk}/").content.decode()
    assert run.snapshot.sha256[:12] in shown
    assert "1 simulated" in shown


def test_a_refused_reward_model_leaves_no_snapshot_behind(place: Place) -> None:
    prompt = scene.prompt(place.team.project)
    pair = scene.comparison(scene.sample(prompt, place.model), scene.sample(prompt, place.model, scene.SAFE_MEAN))
    scene.rating(pair, place.team.teammate, 2)
    assert place.send("reward_model", place.form("reward_model") | {"epochs": "-1"}).status_code == 422
    assert not place.team.project.snapshots.exists()


def test_the_run_page_shows_worker_attempts_progress_and_the_latest_values(place: Place) -> None:
    run = place.run
    Run.objects.filter(pk=run.pk).update(
        state="running", lease_until="2100-01-01T00:00Z", owner="train-1@host:17", attempts=2, step=2, total_steps=8
    )
    append_event(run, "claimed", {"owner": "train-1@host:17", "attempt": 2, "fence": 2})
    for step in (1, 2):
        append_event(run, "progress", {"total": 8}, {"loss": 1 / step, "kl": float("nan")}, step)
    page = place.client(place.engineer).get(f"/p/alpha/runs/{run.pk}/")
    text = page.content.decode()
    assert "train-1@host:17" in text
    assert "Attempt 2 begun by train-1@host:17." in text
    assert 'value="2" max="8"' in text
    assert re.search(r"loss</th><td class=\"num\">2</td><td class=\"num\">0.5</td>", text)
    series = json.loads(re.search(r'id="run-series" type="application/json">(.*?)</script>', text)[1])  # type: ignore[index]
    assert series == {"kl": [[1, None], [2, None]], "loss": [[1, 1.0], [2, 0.5]]}
    assert f'data-events="/p/alpha/runs/{run.pk}/events?after=4"' in text


def test_an_ended_run_shows_its_error_and_is_not_followed(place: Place) -> None:
    Run.objects.filter(pk=place.run.pk).update(state="failed", error="no space left: free some <b>now</b>")
    text = place.client(place.engineer).get(f"/p/alpha/runs/{place.run.pk}/").content.decode()
    assert "no space left: free some &lt;b&gt;now&lt;/b&gt;" in text
    assert "data-events" not in text
    assert "/cancel/" not in text


def estimate(mean: float, spread: float) -> dict[str, float]:
    return {"mean": mean, "low": mean - spread, "high": mean + spread, "prompts": 24}


def test_an_evaluation_s_page_sets_both_models_beside_their_paired_difference(place: Place) -> None:
    result = {
        "models": {"base": {"name": "supervised-1"}, "candidate": {"name": "aligned-2"}},
        "summary": {
            "iid": {
                "base": {"full": estimate(0.5, 0.1), "tokens": estimate(40.0, 2.0)},
                "candidate": {"full": estimate(0.625, 0.1), "tokens": estimate(44.0, 2.0), "kl": estimate(3.0, 1.0)},
            }
        },
        "comparison": {"iid": {"full": {**estimate(0.125, 0.15), "only_first": 1, "only_second": 4, "p_value": 0.375}}},
        "pairs": [],
    }
    Run.objects.filter(pk=place.run.pk).update(kind="evaluate", state="succeeded", result=result)
    text = place.client(place.engineer).get(f"/p/alpha/runs/{place.run.pk}/").content.decode()
    assert "Split iid, 24 prompts" in text
    (table,) = results.tables(result)
    assert table.columns == ("supervised-1", "aligned-2", "difference")
    figures = {label: [(cell.value, cell.interval) for cell in cells] for label, cells in table.rows}
    assert figures["Passes all tests"] == [
        ("50.0 %", "40.0 … 60.0"),
        ("62.5 %", "52.5 … 72.5"),
        ("+12.5 pp", "−2.5 … +27.5"),
    ]
    assert figures["KL from the base model, in nats"][0] == ("—", "")
    assert "p = 0.375" in table.note


def test_a_long_curve_is_thinned_and_keeps_its_newest_point(place: Place) -> None:
    count = 2 * queries.MOST_POINTS + 2
    place.run.metrics.bulk_create(
        [queries.Metric(run=place.run, name="loss", step=step, value=step) for step in range(count)]
    )
    points = queries.series_of(place.run)["loss"]
    assert len(points) <= queries.MOST_POINTS + 1
    assert points[0] == (0, 0.0)
    assert points[-1] == (count - 1, count - 1.0)


def test_the_list_shows_each_run_with_its_model_and_needs_few_queries(
    place: Place, django_assert_max_num_queries: Any
) -> None:
    for number in range(5):
        run = launch(place.team.project, "generate", config={}, created_by=place.engineer, base_model=place.model)
        ModelVersion.objects.create(
            project=place.team.project, name=f"made-{number}", kind="aligned", path="x", sha256="0", run=run
        )
    client = place.client(place.engineer)
    with django_assert_max_num_queries(8):
        text = client.get("/p/alpha/runs/").content.decode()
    assert all(f"made-{number}" in text for number in range(5))


@pytest.mark.parametrize("kind", BASIC)
def test_every_setting_of_a_form_has_a_label(place: Place, kind: str) -> None:
    form = LaunchForm(place.team.project, kind)
    names = [field.name for field in form.models] + [name for name, _, _ in form._settings]
    parts = {part for name in names for part in name.split(".")}
    assert parts <= wording.SETTINGS.keys()


def test_the_pages_speak_spanish(place: Place) -> None:
    client = place.client(place.engineer)
    client.cookies["django_language"] = "es"
    form = client.get("/p/alpha/runs/new/ppo/").content.decode()
    assert "Tasa de aprendizaje" in form
    sent = client.post("/p/alpha/runs/new/ppo/", place.form("ppo") | {"learning_rate": "-1"}).content.decode()
    assert "Debe ser mayor que 0, no -1" in sent


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.2, "0 s"), (48, "48 s"), (776, "12 min 56 s"), (3600 * 3 + 300, "3 h 05 min"), (-5, "0 s")]
)
def test_how_long_a_run_took_is_told_to_the_second(seconds: float, text: str) -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    assert lasted(start, start + timedelta(seconds=seconds)) == text
