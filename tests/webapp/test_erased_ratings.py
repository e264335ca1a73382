"""What the pages say of snapshots and models that hold ratings of somebody whose account was erased."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tests.webapp import people, scene
from webapp.accounts.models import User
from webapp.catalog.models import ModelVersion, Project
from webapp.runs.models import DatasetSnapshot, ErasureNotice, Run

TRAINED = "Trained on ratings from an account that has since been erased."
RESTS = "Rests on ratings from an account that has since been erased."


def snapshot(project: Project, by: User) -> DatasetSnapshot:
    facts = {"kind": "preferences", "sha256": "0" * 64, "rows": [], "count": 50}
    return DatasetSnapshot.objects.create(project=project, created_by=by, **facts)


class Chain:
    """A reward model trained on a snapshot, an aligned model made with it, and a model apart; each with a sample."""

    def __init__(self, team: people.Team) -> None:
        self.team = team
        self.snapshot = snapshot(team.project, team.owner)
        self.apart = self.made("apart", "supervised")
        self.reward = self.made("reward", "reward", snapshot=self.snapshot, base_model=self.apart)
        self.aligned = self.made("aligned", "aligned", reward_model=self.reward, base_model=self.apart)
        self.client = Client()
        self.client.force_login(team.owner)

    def made(self, name: str, kind: str, **about: Any) -> ModelVersion:
        run = Run.objects.create(project=self.team.project, kind="ppo", created_by=self.team.owner, **about)
        model = scene.model(self.team.project, name, kind)
        ModelVersion.objects.filter(pk=model.pk).update(run=run)
        model.refresh_from_db()
        return model

    def sample(self, model: ModelVersion) -> int:
        sample = scene.sample(scene.prompt(self.team.project, f"Return the mean, {model.name}."), model)
        scene.verdict(sample, "zero-division", "proved")
        return sample.pk

    def erased(self, *ratings: int) -> None:
        for number, rows in enumerate(ratings):
            ErasureNotice.objects.create(snapshot=self.snapshot, pseudonym=f"gone-{number}", rows=rows)

    def get(self, address: str) -> str:
        return self.client.get(f"/p/alpha/{address}").content.decode()

    def statements(self, address: str) -> int:
        with CaptureQueriesContext(connection) as caught:
            assert self.client.get(f"/p/alpha/{address}").status_code == 200
        return len(caught)


@pytest.fixture
def chain(team: people.Team) -> Chain:
    return Chain(team)


def test_nothing_is_said_while_nobody_was_erased(chain: Chain) -> None:
    sample = chain.sample(chain.aligned)
    pages = ["runs/", "review/", f"review/{sample}/", "review/promotions/"]
    pages += [f"runs/{model.run_id}/" for model in (chain.reward, chain.aligned)]
    assert [page for page in pages if "since been erased" in chain.get(page)] == []


def test_a_runs_page_tells_it_of_its_snapshot_and_of_each_model(chain: Chain) -> None:
    chain.erased(12)
    trained = chain.get(f"runs/{chain.reward.run_id}/")
    assert "Ratings in this snapshot from 1 account that has since been erased: 12." in trained
    assert trained.count(TRAINED) == 1  # the model that it made
    assert chain.get(f"runs/{chain.reward.run_id}/summary/").count(TRAINED) == 1
    made_with_it = chain.get(f"runs/{chain.aligned.run_id}/")
    assert "in this snapshot" not in made_with_it
    assert made_with_it.count(TRAINED) == 2  # the model that it made, and its reward model
    assert "since been erased" not in chain.get(f"runs/{chain.apart.run_id}/")


def test_ratings_of_several_accounts_are_added_up(chain: Chain) -> None:
    chain.erased(12, 30)
    page = chain.get(f"runs/{chain.reward.run_id}/")
    assert "Ratings in this snapshot from 2 accounts that have since been erased: 42." in page


def test_lists_mark_each_row_once(chain: Chain) -> None:
    chain.erased(12)
    waiting = Run.objects.create(
        project=chain.team.project, kind="reward_model", created_by=chain.team.owner, snapshot=chain.snapshot
    )
    page = chain.get("runs/")
    assert f"#{waiting.pk}" in page
    assert page.count(RESTS) == 3  # two with models, one that has not made its model yet
    assert chain.get("review/promotions/").count(TRAINED) == 1  # a reward model is not promoted


def test_a_program_is_marked_by_the_model_that_wrote_it(chain: Chain) -> None:
    chain.erased(12)
    marked, other = chain.sample(chain.aligned), chain.sample(chain.apart)
    assert chain.get(f"review/{marked}/").count(TRAINED) == 1
    assert TRAINED not in chain.get(f"review/{other}/")
    assert chain.get("review/").count(TRAINED) == 1


def test_another_projects_notices_mark_nothing_here(chain: Chain) -> None:
    theirs = snapshot(chain.team.elsewhere, chain.team.stranger)
    ErasureNotice.objects.create(snapshot=theirs, pseudonym="gone", rows=1)
    assert "since been erased" not in chain.get("runs/") + chain.get("review/promotions/")


def test_one_statement_tells_it_of_a_whole_list(chain: Chain) -> None:
    def pages() -> list[int]:
        return [chain.statements(page) for page in ("runs/", "review/", "review/promotions/")]

    chain.sample(chain.aligned)
    chain.erased(12)
    before = pages()
    for number in range(4):
        chain.sample(chain.made(f"more-{number}", "aligned", reward_model=chain.reward))
    assert pages() == before


def test_it_is_said_in_spanish(chain: Chain) -> None:
    chain.erased(12)
    chain.client.cookies["django_language"] = "es"
    page = chain.get(f"runs/{chain.reward.run_id}/")
    assert "Valoraciones de esta instantánea de 1 cuenta que después se borró: 12." in page
    assert "Entrenado con valoraciones de una cuenta que después se borró." in page
