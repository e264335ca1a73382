"""``aval demo``: the whole loop on this machine, from nothing to a table and a report.

Every stage is what a team would do through the pages: runs are rows that Celery workers claim, the
simulated panel signs in and rates in the web application. A stage that is finished with the same
settings is not done again, so a second start, or one after a kill, goes on where the last one was.
"""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training.config import SCALES, Scale, to_json
from workers.home import Home
from workers.problems import Problem
from workers.progress import Reporter
from workers.services import DEFAULT_PORT, up

if TYPE_CHECKING:
    from webapp.accounts.models import User
    from webapp.catalog.models import Project
    from webapp.runs.models import Run
    from workers.services import Services

PANEL_SIZE = 4
POLL_SECONDS = 0.3
PEOPLE = (("admin", "admin"), ("engineer", "engineer"), ("annotator", "annotator"))


@dataclass(frozen=True)
class Login:
    """A person of the demo: who they are and how they sign in."""

    username: str
    password: str
    role: str
    simulated: bool = False


@dataclass(frozen=True)
class Finished:
    """What the demo ends with."""

    evaluation: Run
    project: Project
    logins: tuple[Login, ...]


@dataclass(frozen=True)
class Options:
    """What ``aval demo`` was asked for."""

    scale: str = "demo"
    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    language: str = "en"
    report: Path = Path("report.html")
    base_model: str = ""
    """A path or hub id of a causal language model to fine-tune; empty means a small one from nothing."""
    serve: bool = False
    """Keep serving after the table until Ctrl-C."""


def run(options: Options, home: Home) -> int:
    """Start the services, run every stage, print the table, write the report; the exit code."""
    from workers.report import print_table, write_report

    _writable(options.report)
    if options.scale == "tiny":
        # A second thread gains such a model a third at best, and costs it ten times the CPU on a busy machine.
        os.environ.setdefault("OMP_NUM_THREADS", "1")
    reporter = Reporter(language=options.language)
    with ExitStack() as stack:
        with reporter.stage("services") as stage:
            services = stack.enter_context(up(home, host=options.host, port=options.port))
            stage.done(services.address)
        _use(services.environment)
        demo = Demo(
            scale=options.scale,
            home=home,
            address=services.address,
            reporter=reporter,
            base_model=options.base_model,
            alive=services.watch,
        )
        finished = demo.run()
        with reporter.stage("report") as stage:
            write_report(finished.evaluation, options.report, language=options.language, seconds=reporter.seconds)
            stage.done(str(options.report.absolute()))
        print_table(finished.evaluation, reporter.console, language=options.language)
        _print_logins(finished, services.address, reporter)
        if options.serve:
            _serve(services, reporter)
    return 0


class Demo:
    """The stages, in order, against services that are already up (and Django set up)."""

    def __init__(
        self,
        *,
        scale: str,
        home: Home,
        address: str,
        reporter: Reporter,
        base_model: str = "",
        alive: Callable[[], None] = lambda: None,
    ) -> None:
        """``alive`` is called while waiting, and raises Problem when the services have ended."""
        self._name = scale
        self._scale = _with_base_model(SCALES[scale], base_model)
        self._home = home
        self._address = address
        self._reporter = reporter
        self._alive = alive

    def run(self) -> Finished:
        logins = self._logins()
        project, admin, engineer = self._people(logins)
        self._tasks(project, admin)
        scale = self._scale
        supervised = self._run(
            project, engineer, "sft", _plain({"settings": scale.sft, "model": scale.model, "tasks": scale.tasks})
        )
        generation = self._run(
            project,
            engineer,
            "generate",
            _plain(
                {
                    "settings": scale.pair_decoding,
                    "count": 2,
                    "prompts": scale.pairs + scale.pairs_for_people,
                    "split": "train",
                }
            ),
            base_model=supervised.output,
        )
        self._checks(project)
        self._panel(project, logins)
        reward = self._run(
            project,
            engineer,
            "reward_model",
            to_json(scale.reward_model),
            base_model=supervised.output,
            snapshot=_snapshot(project, engineer),
        )
        aligned = self._run(
            project,
            engineer,
            "ppo",
            to_json(scale.ppo),
            base_model=supervised.output,
            reward_model=reward.output,
        )
        evaluation = self._run(
            project,
            engineer,
            "evaluate",
            to_json(scale.evaluation),
            base_model=supervised.output,
            candidate=aligned.output,
            reward_model=reward.output,
        )
        del generation
        self._checks(project)
        return Finished(evaluation, project, logins)

    def _logins(self) -> tuple[Login, ...]:
        """The demo's people with their passwords, which are drawn once and kept in AVAL_HOME."""
        path = self._home.secrets / f"demo-{self._name}.json"
        if path.exists():
            return tuple(Login(**entry) for entry in json.loads(path.read_text()))
        suffix = "" if self._name == "demo" else f"-{self._name}"
        people = [Login(f"{name}{suffix}", _password(), role) for name, role in PEOPLE]
        people += [Login(f"panel-{n}{suffix}", _password(), "annotator", True) for n in range(1, PANEL_SIZE + 1)]
        partial = path.with_suffix(".partial")
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump([vars(person) for person in people], file, indent=1)
        partial.rename(path)
        return tuple(people)

    def _people(self, logins: tuple[Login, ...]) -> tuple[Project, User, User]:
        from webapp.accounts.actions import create_user
        from webapp.accounts.models import User
        from webapp.catalog.actions import add_member, create_project
        from webapp.catalog.models import Project

        slug = self._name if self._name == "demo" else f"demo-{self._name}"
        users: dict[str, User] = {}
        for person in logins:
            users[person.username] = User.objects.filter(username=person.username).first() or create_user(
                username=person.username, password=person.password, simulated=person.simulated
            )
        admin, engineer = users[logins[0].username], users[logins[1].username]
        name = "Aval demo" if self._name == "demo" else f"Aval demo ({self._name})"
        project = Project.objects.filter(slug=slug).first() or create_project(slug=slug, name=name, by=admin)
        for person in logins[1:]:
            add_member(project, users[person.username], role=person.role, by=admin)
        return project, admin, engineer

    def _tasks(self, project: Project, admin: User) -> None:
        from training.curriculum import build
        from webapp.catalog.actions import import_prompts

        with self._reporter.stage("tasks") as stage:
            splits = build(self._scale.tasks)
            tasks = [task.to_json() for split in splits.values() for task in split]
            report = import_prompts(project, tasks, by=admin)
            if report.errors:
                raise Problem(f"the generated tasks were refused: {report.errors[0]}")
            stage.done(self._reporter.say("tasks", tasks=len(tasks), splits=len(splits)))

    def _run(self, project: Project, engineer: User, kind: str, config: Mapping[str, Any], **inputs: Any) -> Run:
        """The newest run with these settings and inputs: found finished, found at work, or launched now."""
        from webapp.runs.actions import launch
        from webapp.runs.configs import read_config

        complete = to_json(read_config(kind, config))
        same = project.runs.filter(kind=kind, config=complete, **inputs).order_by("-pk")
        run = same.filter(state="succeeded").first() or same.filter(state__in=["queued", "running", "paused"]).first()
        reused = run is not None and run.state == "succeeded"
        run = run or launch(project, kind, config=config, created_by=engineer, **inputs)
        with self._reporter.stage(kind) as stage:
            while not run.ended:
                if run.state == run.State.PAUSED:
                    raise Problem(
                        f"the {kind} run {run.pk} was paused by an alarm: resume it on its page, then start again"
                    )
                time.sleep(POLL_SECONDS)
                self._alive()
                run.refresh_from_db()
                stage.at(run.step, run.total_steps, note=self._note(run))
            if run.state != run.State.SUCCEEDED:
                raise Problem(f"the {kind} run {run.pk} {run.state}: {run.error or 'see its page'}")
            stage.done(self._reporter.say("kept") if reused else self._note(run))
        return run

    def _note(self, run: Run) -> str:
        shown = ("loss", "reward", "kl", "accuracy")
        latest = {
            name: run.metrics.filter(name=name).order_by("-step").values_list("value", flat=True).first()
            for name in shown
        }
        parts = [f"{name} {value:.3g}" for name, value in latest.items() if value is not None]
        return ", ".join([*parts, self._reporter.say("worker", name=run.owner)] if run.owner else parts)

    def _checks(self, project: Project) -> None:
        """Wait until the verify workers have executed and verified every sample."""
        from django.db.models import Q

        from webapp.catalog.models import Sample

        samples = Sample.objects.filter(prompt__project=project)
        finished = Q(checked_at__isnull=False) | ~Q(check_error="")
        with self._reporter.stage("checks") as stage:
            total = samples.count()
            while (count := samples.filter(finished).count()) < total:
                stage.at(count, total)
                time.sleep(POLL_SECONDS)
                self._alive()
            failed = samples.exclude(check_error="").count()
            unchecked = self._reporter.say("unchecked", failed=failed) if failed else ""
            stage.done(self._reporter.say("checked", samples=total) + unchecked)

    def _panel(self, project: Project, logins: tuple[Login, ...]) -> None:
        from verification.sandbox import Pool
        from webapp.feedback.models import Rating
        from workers.panel import Panel, Suite, character

        overlaps = list(project.comparisons.order_by("pk").values_list("overlap", flat=True))
        wanted = sum(overlaps[: max(1, len(overlaps) - self._scale.pairs_for_people)])
        count = Rating.objects.filter(comparison__project=project, simulated=True).count()
        with self._reporter.stage("panel") as stage:
            if count >= wanted:
                stage.done(self._reporter.say("kept"))
                return
            suites = {
                (prompt.text.strip(), prompt.signature.strip()): Suite(
                    entry=prompt.entry,
                    tests=(*prompt.task["public_tests"], *prompt.task["hidden_tests"]),
                    prelude=prompt.task.get("prelude", ""),
                )
                for prompt in project.prompts.filter(comparisons__isnull=False).distinct()
            }

            def rated() -> None:
                nonlocal count
                count += 1
                stage.at(count, wanted)
                self._alive()

            simulated = [person for person in logins if person.simulated]
            people = [character(person.username, person.password, seed=n) for n, person in enumerate(simulated)]
            with Pool() as pool:
                panel = Panel(address=self._address, project=project.slug, suites=suites, pool=pool)
                panel.rate_all(people, at_most=wanted - count, on_rating=rated)
            stage.done(self._reporter.say("rated", ratings=count, wanted=wanted))


def _snapshot(project: Project, engineer: User) -> Any:
    from webapp.runs.actions import take_snapshot

    return take_snapshot(project, engineer)


def _with_base_model(scale: Scale, base_model: str) -> Scale:
    return replace(scale, model=replace(scale.model, base_model=base_model)) if base_model else scale


def _plain(groups: Mapping[str, Any]) -> dict[str, Any]:
    return {name: to_json(value) if hasattr(value, "__dataclass_fields__") else value for name, value in groups.items()}


def _password() -> str:
    return secrets.token_urlsafe(9)


def _use(environment: Mapping[str, str]) -> None:
    """Reach the platform's database from this process."""
    import django

    os.environ.update(environment)
    django.setup()


def _writable(report: Path) -> None:
    """Problem now rather than after fifteen minutes, when the report can't be written."""
    there = report.exists()
    try:
        with report.open("a"):
            pass
    except OSError as error:
        where = f"{report} ({error.strerror})"
        raise Problem(f"can't write the report to {where}: name another file with --report") from None
    if not there:
        report.unlink()


def _print_logins(finished: Finished, address: str, reporter: Reporter) -> None:
    reporter.console.print(f"\n{address}")
    for person in finished.logins:
        if not person.simulated:
            reporter.console.print(f"  {person.role:<10} {person.username:<16} {person.password}", markup=False)


def _serve(services: Services, reporter: Reporter) -> None:
    reporter.console.print("\n" + reporter.say("serving"))
    try:
        while True:
            services.watch()
            time.sleep(1.0)
    except KeyboardInterrupt:
        reporter.console.print(reporter.say("stopping"))
