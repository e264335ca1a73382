"""``aval export``: a project's ratings as a file, and what was written."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from workers.commands.platform import database, project_named, user_named
from workers.problems import Problem

if TYPE_CHECKING:
    from webapp.accounts.models import User
    from webapp.catalog.models import Project
    from webapp.feedback.export import Selection, Tally
    from webapp.runs.models import DatasetSnapshot

STANDARD_OUTPUT = Path("-")


def add_command(commands: Any) -> None:
    export = commands.add_parser("export", help="a project's ratings as a file: TRL preferences, ratings or comments")
    export.add_argument("--project", required=True, metavar="SLUG")
    export.add_argument("--dataset", choices=("preferences", "ratings", "comments"), default="preferences")
    export.add_argument("--format", choices=("jsonl", "parquet"), default=None, help="default: by the file's name")
    export.add_argument("--out", type=Path, required=True, metavar="FILE", help="- for standard output")
    export.add_argument("--force", action="store_true", help="replace the file if it is there")
    _add_filters(export)
    export.add_argument("--simulated", action="store_true", help="simulated ratings, too; every row says so")
    export.add_argument("--ties", action="store_true", help="preferences: ties and unusable pairs, too, marked")
    export.add_argument("--snapshot", action="store_true", help="freeze the same ratings to train on; needs --by")
    export.add_argument("--by", default="", metavar="USERNAME", help="who exports, for the audit log")
    export.add_argument("--json", action="store_true")
    export.set_defaults(run=_export)


def _add_filters(export: argparse.ArgumentParser) -> None:
    export.add_argument("--since", type=_day, default=None, metavar="YYYY-MM-DD", help="first day, of UTC")
    export.add_argument("--until", type=_day, default=None, metavar="YYYY-MM-DD", help="last day, of UTC")
    export.add_argument("--family", default="", help="of the prompts")
    export.add_argument("--language", default="", help="of the prompts")
    export.add_argument("--split", default="", help="of the prompts")
    export.add_argument("--annotator", default="", metavar="PSEUDONYM")
    export.add_argument("--model", default="", metavar="NAME", help="a model version that wrote one of the two samples")
    gold = export.add_mutually_exclusive_group()
    gold.add_argument("--only-gold", dest="gold", action="store_true", default=None, help="gold questions alone")
    gold.add_argument("--without-gold", dest="gold", action="store_false", default=None)
    export.add_argument("--without-surplus", dest="surplus", action="store_false", help="leave surplus ratings out")


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a day like 2026-01-31, not {text!r}") from None


def _export(chosen: argparse.Namespace) -> int:
    _check(chosen)
    kind = chosen.format or ("parquet" if chosen.out.suffix == ".parquet" else "jsonl")
    with database():
        project, by = project_named(chosen.project), user_named(chosen.by) if chosen.by else None
        selection = _selection(chosen, project)
        with _file(chosen.out) as file:
            tally, snapshot = _written(file, project, selection, kind, by if chosen.snapshot else None)
            # Before the file takes its name: nothing goes out unrecorded.
            _record(project, by, selection, kind, tally)
    told = {"rows": tally.rows, "bytes": tally.size, "sha256": tally.sha256, "file": str(chosen.out)}
    told |= {"snapshot": snapshot.sha256, "snapshot_rows": snapshot.count} if snapshot else {}
    _tell(chosen, told)
    return 0


def _check(chosen: argparse.Namespace) -> None:
    """What can be told before the database is asked."""
    if chosen.since and chosen.until and chosen.since > chosen.until:
        raise Problem("--until is before --since: exchange them")
    if chosen.ties and chosen.dataset != "preferences":
        raise Problem(f"--ties is for --dataset preferences: {chosen.dataset} leave none out")
    if chosen.snapshot and chosen.dataset == "comments":
        raise Problem("--snapshot freezes ratings: not with --dataset comments")
    if chosen.snapshot and not chosen.by:
        raise Problem("--snapshot needs --by USERNAME: a snapshot says who took it")
    if chosen.out == STANDARD_OUTPUT:
        return
    if chosen.out.is_dir():
        raise Problem(f"{chosen.out} is a folder: name a file in it")
    if chosen.out.exists() and not chosen.force:
        raise Problem(f"{chosen.out} is there already: choose another name, or replace it with --force")
    if not chosen.out.parent.is_dir():
        raise Problem(f"there is no folder {chosen.out.parent}: make it, or choose another place with --out")


def _selection(chosen: argparse.Namespace, project: Project) -> Selection:
    """The options as a selection; a Problem for a name that the project doesn't have."""
    from webapp.feedback.export import Selection, choices

    for name, known in choices(project).items():
        given = getattr(chosen, name)
        if given and given not in known:
            some = ", ".join(known[:10]) or "none yet"
            raise Problem(f"--{name} {given} is not in {project.slug} (there are: {some})")
    return Selection(**{name: getattr(chosen, name) for name in asdict(Selection())})


@contextmanager
def _file(out: Path) -> Iterator[IO[bytes]]:
    """The file under a temporary name in its folder, which takes the real one when all of it is there."""
    if out == STANDARD_OUTPUT:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    partial = out.with_name(f".{out.name}.{os.getpid()}.partial")
    try:
        file = partial.open("wb")
    except OSError as error:
        raise Problem(f"can't write in {out.parent} ({error.strerror}): choose another place with --out") from None
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.rename(out)
    finally:
        partial.unlink(missing_ok=True)


def _written(
    file: IO[bytes], project: Project, selection: Selection, kind: str, snapshot_by: User | None
) -> tuple[Tally, DatasetSnapshot | None]:
    """Write the rows and, for somebody, freeze the same ratings: from one state of the database, or not at all.

    A snapshot is one row with all of its ratings in it, so it is held in memory, which the file is not.
    """
    from django.db import connection, transaction

    from webapp.feedback.export import Tally, open_connection, ratings, stream
    from webapp.runs.actions import take_snapshot

    tally = Tally()
    with transaction.atomic() if snapshot_by else nullcontext():
        if snapshot_by:
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        with nullcontext(connection.connection) if snapshot_by else open_connection() as opened:
            for data in stream(opened, project, selection, kind, tally):
                file.write(data)
        snapshot = take_snapshot(project, snapshot_by, ratings(project, selection)) if snapshot_by else None
    return tally, snapshot


def _record(project: Project, by: User | None, selection: Selection, kind: str, tally: Tally) -> None:
    from webapp.audit.actions import record
    from webapp.feedback.export import EXPORTED

    about = {"dataset": selection.dataset, "format": kind, "filters": selection.filters(), **tally.told()}
    record(EXPORTED, actor=by, project=project, **about)


def _tell(chosen: argparse.Namespace, told: dict[str, Any]) -> None:
    where = sys.stderr if chosen.out == STANDARD_OUTPUT else sys.stdout
    if chosen.json:
        print(json.dumps(told), file=where)
        return
    print(f"{told['rows']} rows, {told['bytes']} bytes, sha256 {told['sha256']}: {told['file']}", file=where)
    if "snapshot" in told:
        print(f"the same {told['snapshot_rows']} ratings are frozen as snapshot {told['snapshot']}", file=where)
