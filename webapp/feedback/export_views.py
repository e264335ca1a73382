"""The export page, for engineers and admins: choose, see how many rows that is, download."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Generator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.db import connection
from django.http import HttpRequest, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import content_disposition_header
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy
from django.views.decorators.http import require_http_methods

from webapp.accounts.models import User
from webapp.audit.actions import record
from webapp.audit.models import AuditEvent
from webapp.catalog.models import Project
from webapp.feedback import export
from webapp.permissions import Role, role_required

EXPORTERS = (Role.ENGINEER, Role.ADMIN)
SHOWN = 10


class ExportForm(forms.Form):
    """A selection, as the page asks for it."""

    dataset = forms.ChoiceField(
        label=_("Dataset"),
        choices=[
            (export.PREFERENCES, _("Preferences (TRL)")),
            (export.RATINGS, _("Ratings, with all that was said")),
            (export.COMMENTS, _("Comments on single lines")),
        ],
    )
    format = forms.ChoiceField(label=_("Format"), choices=[("jsonl", "JSONL"), ("parquet", "Parquet")])
    since = forms.DateField(label=_("From day"), required=False, widget=forms.DateInput({"type": "date"}, "%Y-%m-%d"))
    until = forms.DateField(label=_("To day"), required=False, widget=forms.DateInput({"type": "date"}, "%Y-%m-%d"))
    family = forms.ChoiceField(label=_("Family"), required=False)
    language = forms.ChoiceField(label=_("Language"), required=False)
    split = forms.ChoiceField(label=_("Split"), required=False)
    annotator = forms.ChoiceField(label=_("Annotator"), required=False)
    model = forms.ChoiceField(label=_("Model"), required=False)
    gold = forms.ChoiceField(
        label=_("Gold questions"),
        required=False,
        choices=[
            ("", _("with the others")),
            ("only", _("only gold questions")),
            ("without", _("without gold questions")),
        ],
    )
    without_surplus = forms.BooleanField(
        label=_("Leave surplus ratings out"),
        required=False,
        help_text=_("Those that came late, when somebody else had the place."),
    )
    simulated = forms.BooleanField(
        label=_("Include simulated ratings"), required=False, help_text=_("They are marked as such in every row.")
    )
    ties = forms.BooleanField(
        label=_("Include ties and unusable pairs"),
        required=False,
        help_text=_("In preferences only, where they are marked and have a margin of 0."),
    )

    def __init__(self, project: Project, data: Any = None) -> None:
        super().__init__(data)
        for name, values in export.choices(project).items():
            field = self.fields[name]
            assert isinstance(field, forms.ChoiceField)
            field.choices = [("", pgettext_lazy("filter", "all")), *((value, value) for value in values)]

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or self.cleaned_data
        since, until = data.get("since"), data.get("until")
        if since and until and since > until:
            self.add_error("until", _("The last day is before the first: exchange them."))
        return data

    def selection(self) -> export.Selection:
        data = dict(self.cleaned_data)
        del data["format"]
        gold = {"only": True, "without": False}.get(data.pop("gold"))
        return export.Selection(**data | {"gold": gold, "surplus": not data.pop("without_surplus")})

    def query(self) -> str:
        """The choices as a part of an address."""
        given = {name: value for name, value in self.cleaned_data.items() if value}
        return urlencode({name: "on" if value is True else value for name, value in given.items()})


@dataclass(frozen=True)
class Download:
    """An earlier download, as the page shows it. Without ``rows`` it is still under way, or was never ended."""

    at: datetime
    by: User | None
    dataset: str
    format: str
    rows: int | None
    sha256: str
    complete: bool


@require_http_methods(["GET", "HEAD", "POST"])
@role_required(*EXPORTERS)
def page(request: HttpRequest, project: Project) -> HttpResponseBase:
    """The form with the number of rows; sent with its download button, the file."""
    asked = request.POST if request.method == "POST" else request.GET
    form = ExportForm(project, {"dataset": export.PREFERENCES, "format": "jsonl", **asked.dict()})
    if not form.is_valid():
        return render(request, "feedback/export.html", _context(project, form), status=422)
    if request.method != "POST":
        return render(request, "feedback/export.html", _context(project, form))
    if "download" in request.POST:
        assert isinstance(request.user, User)  # role_required lets nobody else through
        return _download(project, form.selection(), form.cleaned_data["format"], request.user)
    return redirect(f"{reverse('export', args=[project.slug])}?{form.query()}")


def _context(project: Project, form: ExportForm) -> dict[str, Any]:
    counts = export.count(project, form.selection()) if form.is_valid() else None
    rows = counts and counts.real + (counts.simulated if form.selection().simulated else 0)
    return {"project": project, "form": form, "counts": counts, "rows": rows, "downloads": _downloads(project)}


def _download(project: Project, chosen: export.Selection, kind: str, by: User) -> HttpResponseBase:
    about: dict[str, Any] = {"dataset": chosen.dataset, "format": kind, "filters": chosen.filters()}
    event = record(export.EXPORTED, actor=by, project=project, **about)
    name = f"{project.slug}-{chosen.dataset}-{timezone.now():%Y-%m-%d}.{kind}"
    return StreamingHttpResponse(
        in_a_thread(_recorded(event, project, chosen, kind)),
        content_type=export.FORMATS[kind],
        headers={
            "Content-Disposition": content_disposition_header(True, name) or "",
            "Cache-Control": "no-store",
            "X-Accel-Buffering": "no",
        },
    )


def _recorded(event: AuditEvent, project: Project, chosen: export.Selection, kind: str) -> Generator[bytes, None, None]:
    """The file, and at its end (the reader's going away is one, too) what of it was sent."""
    tally = export.Tally()
    try:
        with export.open_connection() as opened:
            yield from export.stream(opened, project, chosen, kind, tally)
    finally:
        try:
            record(export.FINISHED, actor=event.actor, project=project, target=event, **tally.told())
        finally:
            connection.close()  # this thread's own


async def in_a_thread(chunks: Generator[bytes, None, None]) -> AsyncIterator[bytes]:
    """The chunks as they are asked for, each made in a thread that is this download's own.

    Whoever goes away in the middle leaves a chunk under way: closing waits for it in the same thread, and nobody
    waits for that.
    """
    thread = ThreadPoolExecutor(1, thread_name_prefix="export")
    loop = asyncio.get_running_loop()
    try:
        while (chunk := await loop.run_in_executor(thread, next, chunks, None)) is not None:
            yield chunk
    finally:
        thread.submit(chunks.close)
        thread.shutdown(wait=False)


def _downloads(project: Project) -> list[Download]:
    """The project's latest downloads, newest first."""
    started = AuditEvent.objects.filter(project=project, action=export.EXPORTED).select_related("actor").order_by("-pk")
    latest = list(started[:SHOWN])
    targets = [f"{AuditEvent._meta.label_lower}:{event.pk}" for event in latest]
    ended = AuditEvent.objects.filter(project=project, action=export.FINISHED, target__in=targets)
    results = {event.target: event.payload for event in ended}
    return [_shown(event, results.get(target, event.payload)) for event, target in zip(latest, targets, strict=True)]


def _shown(event: AuditEvent, result: dict[str, Any]) -> Download:
    return Download(
        at=event.created_at,
        by=event.actor,
        dataset=event.payload.get("dataset", ""),
        format=event.payload.get("format", ""),
        rows=result.get("rows"),
        sha256=result.get("sha256", ""),
        complete=result.get("complete", False),
    )
