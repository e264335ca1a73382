"""A project's overview, members and prompts, and who may see them."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from tests.webapp import people
from tests.webapp.people import signed_in
from webapp.audit.models import AuditEvent
from webapp.catalog import actions
from webapp.catalog.actions import NewSample, add_samples, import_prompts
from webapp.catalog.models import Membership, ModelVersion, Prompt, Sample
from webapp.catalog.queries import guideline
from webapp.catalog.tasks import TaskProblem, read_task


def lines(*tasks: dict[str, Any] | str) -> list[str]:
    return [task if isinstance(task, str) else json.dumps(task) for task in tasks]


def upload(client: Client, *tasks: dict[str, Any] | str) -> Any:
    file = SimpleUploadedFile("tasks.jsonl", "\n".join(lines(*tasks)).encode())
    return client.post("/p/alpha/prompts/import/", {"file": file})


PAGES = [
    # (method, path, owner, engineer, teammate)
    ("get", "/p/alpha/", 200, 200, 200),
    ("get", "/p/alpha/members/", 200, 403, 403),
    ("post", "/p/alpha/members/invite/", 422, 403, 403),
    ("post", "/p/alpha/members/1000000/role/", 404, 403, 403),
    ("post", "/p/alpha/members/1000000/second-step/", 404, 403, 403),
    ("get", "/p/alpha/prompts/import/", 200, 200, 403),
    ("post", "/p/alpha/prompts/import/", 422, 422, 403),
    ("get", "/p/alpha/rate/", 200, 200, 200),
    ("post", "/p/alpha/rate/submit/", 404, 404, 404),
    ("post", "/p/alpha/rate/draft/", 404, 404, 404),
    ("post", "/p/alpha/rate/skip/", 302, 302, 302),
    ("get", "/p/alpha/runs/", 200, 200, 403),
    ("get", "/p/alpha/review/", 200, 403, 403),
]


@pytest.mark.parametrize(("method", "path", "owner", "engineer", "teammate"), PAGES)
def test_each_page_is_for_its_roles_and_does_not_exist_for_strangers(
    team: people.Team, method: str, path: str, owner: int, engineer: int, teammate: int
) -> None:
    helper = people.person("engineer")
    actions.add_member(team.project, helper, role="engineer", by=team.owner)
    people.agree(team.project)
    wanted = {team.owner: owner, helper: engineer, team.teammate: teammate, team.stranger: 404}
    found = {user: getattr(signed_in(user), method)(path).status_code for user in wanted}
    assert found == wanted
    anonymous = getattr(Client(), method)(path)
    assert anonymous.headers["Location"].startswith("/accounts/login/")


def test_the_overview_shows_what_the_role_is_for(team: people.Team) -> None:
    people.pairs(team.project, 2, by=team.owner)
    owner = signed_in(team.owner).get("/p/alpha/").content.decode()
    teammate = signed_in(team.teammate).get("/p/alpha/").content.decode()
    assert "2 pairs left for you" in owner
    assert "2 pairs left for you" in teammate
    assert "secret-model-name" in owner
    assert "secret-model-name" not in teammate
    assert "/p/alpha/members/" in owner
    assert "/p/alpha/members/" not in teammate


def test_simulated_people_and_ratings_carry_a_badge(team: people.Team) -> None:
    robot = people.person("robot", simulated=True)
    actions.add_member(team.project, robot, role="annotator", by=team.owner)
    assert "badge-simulated" in signed_in(team.owner).get("/p/alpha/members/").content.decode()
    assert "badge-simulated" in signed_in(robot).get("/p/alpha/").content.decode()
    assert "badge-simulated" not in signed_in(team.teammate).get("/p/alpha/").content.decode()


def test_two_projects_are_listed_and_one_is_opened(team: people.Team) -> None:
    actions.add_member(team.elsewhere, team.teammate, role="annotator", by=team.stranger)
    assert signed_in(team.owner).get("/").headers["Location"] == "/p/alpha/"
    page = signed_in(team.teammate).get("/").content.decode()
    assert "/p/alpha/" in page
    assert "/p/elsewhere/" in page


def test_an_admin_changes_roles_but_never_takes_the_last_admin_away(team: people.Team) -> None:
    client = signed_in(team.owner)
    mate = Membership.objects.get(user=team.teammate)
    own = Membership.objects.get(user=team.owner, project=team.project)
    client.post(f"/p/alpha/members/{mate.pk}/role/", {"role": "engineer"})
    mate.refresh_from_db()
    assert mate.role == "engineer"
    page = client.post(f"/p/alpha/members/{own.pk}/role/", {"role": "annotator"}, follow=True)
    assert "A project needs an admin" in page.content.decode()
    own.refresh_from_db()
    assert own.role == "admin"
    assert AuditEvent.objects.filter(action="member.role_changed", project=team.project).count() == 1


def test_the_members_of_other_projects_are_out_of_reach(team: people.Team) -> None:
    theirs = Membership.objects.get(project=team.elsewhere)
    page = signed_in(team.owner).post(f"/p/alpha/members/{theirs.pk}/role/", {"role": "annotator"})
    assert page.status_code == 404


def test_an_unknown_role_is_refused(team: people.Team) -> None:
    page = signed_in(team.owner).post("/p/alpha/members/invite/", {"role": "king"})
    assert page.status_code == 422


def test_a_file_of_tasks_becomes_prompts_and_a_second_upload_changes_nothing(team: people.Team) -> None:
    client = signed_in(team.owner)
    assert upload(client, people.task(0), "", people.task(1), people.task(0)).status_code == 302
    assert Prompt.objects.count() == 2
    assert "2 new prompts. 1 was known already." in str(client.get("/p/alpha/").content)
    upload(client, people.task(0), people.task(1))
    assert Prompt.objects.count() == 2
    stored = Prompt.objects.get(entry="add_1")
    assert stored.task["hidden_tests"] == ["assert add_1(1) == 2"]
    assert AuditEvent.objects.filter(action="prompts.imported").count() == 1


def test_one_wrong_line_keeps_everything_out_and_is_named(team: people.Team) -> None:
    page = upload(signed_in(team.owner), people.task(0), "{broken", people.task(2), '{"key": "only"}')
    text = page.content.decode()
    assert page.status_code == 422
    assert "Nothing was imported: 2 lines are wrong." in text
    assert '<td class="num">2</td><td>not JSON' in text
    assert '<td class="num">4</td><td>the field family is missing' in text
    assert Prompt.objects.count() == 0


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("[]", "not a JSON object"),
        ('{"text": NaN}', "NaN is no JSON number"),
        (b"\xff\xfe", "not UTF-8 text"),
        ("[" * 100_000, "nested too deeply"),
        ('{"text": ' + "9" * 5000 + "}", "a number that is too long"),
        (" " + "x" * 1_000_001, "longer than 1000000 bytes"),
        (people.task(0, text=""), "text must be a text that is not empty"),
        (people.task(0, text=7), "text must be a text"),
        (people.task(0, text="x" * 20_001), "longer than 20000"),
        (people.task(0, text="a\0b"), "NUL character"),
        (people.task(0, text="\ud800"), "not text"),
        (people.task(0, prelude=float("inf")), "prelude must be a text"),
        (people.task(0, language="fr"), "language must be en or es"),
        (people.task(0, language=[]), "language must be en or es"),
        (people.task(0, entry="not a name"), "name of a function"),
        (people.task(0, signature="x = 1"), "signature must begin with def add_0("),
        (people.task(0, public_tests=[]), "at least one assert"),
        (people.task(0, hidden_tests="assert True"), "at least one assert"),
        (people.task(0, solutions=[{"code": 1}]), "solutions must be"),
        (people.task(0, properties=["no-such"]), "there is no property no-such"),
        (people.task(0, properties=[["x"]]), "names of properties"),
        (people.task(0, contract={"pre": "x", "colour": 1}), "pre, post and allowed_exceptions only"),
        (people.task(0, extra=float("inf")), "finite number"),
    ],
)
def test_a_row_that_is_no_task_says_why(row: Any, said: str) -> None:
    with pytest.raises(TaskProblem, match=re.escape(said)):
        read_task(row)


def test_a_backslash_before_u0000_is_text_and_can_be_stored(team: people.Team) -> None:
    report = import_prompts(team.project, [people.task(0, text=r"Replace \u0000 by a space.")], by=team.owner)
    assert report.created == 1
    assert Prompt.objects.get().text == r"Replace \u0000 by a space."


def test_no_more_than_fifty_errors_are_listed_and_all_are_counted(team: people.Team) -> None:
    report = import_prompts(team.project, ["{"] * 70, by=team.owner)
    assert (len(report.errors), report.error_count) == (50, 70)


def test_an_upload_without_a_file_says_so(team: people.Team) -> None:
    assert signed_in(team.owner).post("/p/alpha/prompts/import/").status_code == 422


def test_a_sample_is_stored_once_for_its_text_and_its_id_is_given_again(team: people.Team) -> None:
    import_prompts(team.project, [people.task(0)], by=team.owner)
    prompt = Prompt.objects.get()
    model = ModelVersion.objects.create(project=team.project, name="m", kind="supervised", path="m", sha256="0" * 64)
    first = add_samples(model, [NewSample(prompt.pk, "a"), NewSample(prompt.pk, "b"), NewSample(prompt.pk, "a")])
    assert first[0] == first[2] != first[1]
    assert add_samples(model, [NewSample(prompt.pk, "b")]) == [first[1]]
    assert Sample.objects.count() == 2


def test_the_guideline_comes_in_the_readers_language_and_its_newest_version(team: people.Team) -> None:
    spanish, french = guideline(team.project, "es"), guideline(team.project, "fr")
    assert spanish is not None
    assert french is not None
    assert (spanish.language, french.language) == ("es", "en")
    assert actions.set_guideline(team.project, texts={"en": "Be kind."}, by=team.owner) == 2
    newest = guideline(team.project, "es")
    assert newest is not None
    assert newest.text == "Be kind."
