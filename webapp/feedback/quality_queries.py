"""How good a project's ratings are, and each annotator's: a fixed number of statements, however many ratings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from django.db.models import Count, Q, QuerySet
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from webapp.accounts.models import User
from webapp.catalog.models import Membership, Project
from webapp.feedback import quality
from webapp.feedback.alpha import Alpha
from webapp.feedback.lead_queries import disagreements, flags
from webapp.feedback.models import Assignment, Gold, Rating
from webapp.feedback.quality import UNUSABLE, Agreement, Figures, Judgements

State = Assignment.State
PROBLEMS: dict[str, str | Promise] = {
    "failed": _("failed the qualification"),
    "gold": _("misses gold questions"),
    "alone": _("agrees with others less often than most"),
    "side": _("prefers one side of the screen"),
    "fast": _("many very quick ratings"),
    "skips": _("skips a lot"),
}
"""What can be remarkable about an annotator, the worst first."""
LEAST_GOLD = 5
LEAST_DECIDED = 20
UNEVEN = 0.01
"""The p-value below which one side of the screen is said to be preferred."""
MANY = 0.1
"""The share of quick ratings from which they are many."""
MANY_SKIPS = 0.3
GOLD_SHOWN = 50
RECENT_SHOWN = 20


@dataclass(frozen=True)
class Tally:
    """What is counted of an annotator without looking into the judgements."""

    surplus: int = 0
    revised: int = 0
    all_ratings: int = 0
    """Surplus ones included."""
    skipped: int = 0
    flags: int = 0

    @property
    def revised_percent(self) -> float | None:
        return 100 * self.revised / self.all_ratings if self.all_ratings else None


@dataclass(frozen=True)
class AnnotatorRow:
    """One line of the table of annotators."""

    user: User
    membership: Membership | None
    """None for somebody who has left the project."""
    figures: Figures
    tally: Tally
    problems: tuple[str, ...]

    @property
    def problem_names(self) -> list[str]:
        return [str(PROBLEMS[name]) for name in self.problems]


@dataclass(frozen=True)
class NamedAgreement:
    """How often two people agree, by their names."""

    first: User
    second: User
    counts: Agreement

    @property
    def direction(self) -> float:
        """Percent of the common pairs in which they prefer the same side."""
        return 100 * self.counts.same_direction / self.counts.common

    @property
    def exact(self) -> float:
        """Percent of the common pairs of which they say exactly the same."""
        return 100 * self.counts.exact / self.counts.common


@dataclass(frozen=True)
class Overview:
    """The quality of a project's ratings."""

    judgements: int
    ordinal: Alpha
    nominal: Alpha
    bound: float | None
    """Seconds below which a rating is remarkably quick."""
    annotators: list[AnnotatorRow]
    agreements: list[NamedAgreement]
    """The worst first."""
    to_adjudicate: int
    open_flags: int
    left_out: int
    """Simulated ratings that are not counted here."""


@dataclass(frozen=True)
class GoldAnswer:
    """One answer to a gold question."""

    rating: Rating
    gold: Gold
    right: bool


@dataclass(frozen=True)
class AnnotatorPage:
    """One annotator's ratings."""

    row: AnnotatorRow
    bound: float | None
    bins: list[quality.Bin]
    agreements: list[NamedAgreement]
    gold: list[GoldAnswer]
    """Newest first, like ``recent``."""
    recent: list[Rating]


def overview(project: Project, *, simulated: bool) -> Overview:
    judged = judgements(project, simulated=simulated)
    rows = _rows(project, judged, simulated=simulated)
    return Overview(
        judgements=len(judged),
        ordinal=quality.alpha(judged, "ordinal"),
        nominal=quality.alpha(judged, "nominal"),
        bound=quality.speed_bound(judged),
        annotators=sorted(rows.values(), key=_worst_first),
        agreements=_named(quality.agreements(judged), rows),
        to_adjudicate=disagreements(project, simulated=simulated).count(),
        open_flags=flags(project).count(),
        left_out=0 if simulated else _ratings(project, simulated=True).filter(simulated=True).count(),
    )


def annotator(project: Project, user: User, *, simulated: bool) -> AnnotatorPage:
    """One member's page; the figures are those of the overview."""
    judged = judgements(project, simulated=simulated)
    rows = _rows(project, judged, simulated=simulated, also=user)
    theirs = [item for item in quality.agreements(judged) if user.pk in (item.first, item.second)]
    ratings = (
        _ratings(project, simulated=simulated)
        .filter(annotator=user)
        .select_related("comparison__gold", "comparison__prompt", "revision", "assignment")
        .defer("comparison__prompt__task")
        .order_by("-pk")
    )
    return AnnotatorPage(
        row=rows[user.pk],
        bound=quality.speed_bound(judged),
        bins=quality.histogram(judged.seconds[judged.annotator == user.pk]),
        agreements=_named(theirs, rows),
        gold=[
            GoldAnswer(
                rating, rating.comparison.gold, rating.comparison.gold.agrees(rating.preference, rating.unusable)
            )
            for rating in ratings.filter(comparison__gold__isnull=False, surplus=False)[:GOLD_SHOWN]
        ],
        recent=list(ratings[:RECENT_SHOWN]),
    )


def judgements(project: Project, *, simulated: bool) -> Judgements:
    """The project's ratings as columns, surplus ones left out."""
    rows = (
        _ratings(project, simulated=simulated)
        .filter(surplus=False)
        .order_by()
        .values_list("comparison_id", "annotator_id", "preference", "assignment__swapped", "seconds")
    )
    gold = {
        pair: (UNUSABLE, UNUSABLE) if lowest is None or highest is None else (lowest, highest)
        for pair, lowest, highest in Gold.objects.filter(comparison__project=project).values_list(
            "comparison_id", "lowest", "highest"
        )
    }
    return Judgements.of(rows, gold)


def _ratings(project: Project, *, simulated: bool) -> QuerySet[Rating]:
    found = Rating.objects.filter(comparison__project=project)
    return found if simulated else found.filter(simulated=False)


def _tallies(project: Project, *, simulated: bool) -> dict[int, Tally]:
    ratings = {
        person: (surplus, revised, all_ratings)
        for person, surplus, revised, all_ratings in _ratings(project, simulated=simulated)
        .values("annotator")
        .annotate(surplus_count=Count("pk", filter=Q(surplus=True)), revised=Count("revision"), all_ratings=Count("pk"))
        .values_list("annotator", "surplus_count", "revised", "all_ratings")
    }
    assignments = Assignment.objects.filter(comparison__project=project)
    if not simulated:
        assignments = assignments.filter(annotator__simulated=False)
    others = {
        person: (skipped, flagged)
        for person, skipped, flagged in assignments.values("annotator")
        .annotate(skipped=Count("pk", filter=Q(state=State.SKIPPED)), flagged=Count("pk", filter=~Q(flag="")))
        .values_list("annotator", "skipped", "flagged")
    }
    return {
        person: Tally(*ratings.get(person, (0, 0, 0)), *others.get(person, (0, 0)))
        for person in ratings.keys() | others.keys()
    }


def _rows(
    project: Project, judged: Judgements, *, simulated: bool, also: User | None = None
) -> dict[int, AnnotatorRow]:
    """Everybody with something to count, and the project's annotators, by id."""
    figures, tallies = quality.figures(judged), _tallies(project, simulated=simulated)
    wanted = figures.keys() | tallies.keys() | ({also.pk} if also else set())
    members = {found.user_id: found for found in Membership.objects.filter(project=project).select_related("user")}
    people = {pk: found.user for pk, found in members.items() if pk in wanted or _listed(found, simulated)}
    people |= {user.pk: user for user in User.objects.filter(pk__in=wanted - members.keys())}
    rows = {
        pk: AnnotatorRow(
            user, members.get(pk), figures.get(pk, Figures(pk, ratings=0)), tallies.get(pk, Tally()), problems=()
        )
        for pk, user in people.items()
    }
    needed = project.qualification_share
    return {
        pk: replace(row, problems=tuple(_problems(row, usual=_usual(figures, pk), needed=needed)))
        for pk, row in rows.items()
    }


def _listed(membership: Membership, simulated: bool) -> bool:
    rates = membership.role == Membership.Role.ANNOTATOR or membership.failed_at is not None
    return rates and (simulated or not membership.user.simulated)


def _usual(figures: Mapping[int, Figures], leaving_out: int) -> float:
    """The share of all judgements but one person's that the others' majority confirms."""
    shares = [found.peers for pk, found in figures.items() if found.peers is not None and pk != leaving_out]
    return sum(share.hits for share in shares) / sum(share.of for share in shares) if shares else 0.0


def _problems(row: AnnotatorRow, *, usual: float, needed: float) -> Iterator[str]:
    """Keys of PROBLEMS; each wants enough observations, so that nobody is named after a few ratings."""
    found, tally = row.figures, row.tally
    if row.membership is not None and row.membership.failed_at is not None:
        yield "failed"
    if found.gold is not None and found.gold.of >= LEAST_GOLD and found.gold.value < needed:
        yield "gold"
    if found.peers is not None and found.peers.high < usual:
        yield "alone"
    if found.side is not None and found.side.left.of >= LEAST_DECIDED and found.side.p_value < UNEVEN:
        yield "side"
    if found.timed >= quality.LEAST_TIMED and found.fast > MANY * found.timed:
        yield "fast"
    if tally.skipped > MANY_SKIPS * (tally.skipped + tally.all_ratings) and tally.skipped >= LEAST_GOLD:
        yield "skips"


def _worst_first(row: AnnotatorRow) -> tuple[int, int, float, str]:
    order = list(PROBLEMS)
    reliability = row.figures.reliability
    return (
        order.index(row.problems[0]) if row.problems else len(order),
        -len(row.problems),
        reliability.mean if reliability else 1.0,
        row.user.pseudonym,
    )


def _named(agreements: Iterable[Agreement], rows: Mapping[int, AnnotatorRow]) -> list[NamedAgreement]:
    named = [NamedAgreement(rows[item.first].user, rows[item.second].user, item) for item in agreements]
    return sorted(named, key=lambda item: (item.direction, -item.counts.common))
