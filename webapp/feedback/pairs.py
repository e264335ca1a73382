"""What the page shows of a pair: its two sides in the annotator's order, and where they differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from webapp.catalog.models import Project, Sample
from webapp.feedback import forms
from webapp.feedback.models import Assignment

LONGEST_DIFF = 2_000
"""Lines of both programs beyond which no difference is shown."""


@dataclass(frozen=True)
class Side:
    """One side of the page."""

    side: str
    letter: str
    sample: Sample
    project_scales: Sequence[str]
    values: Mapping[str, Any]
    comments: Sequence[forms.Comment]
    edited: str
    """The code in the editor: the annotator's version, or the sample as it is."""
    changed: bool
    new_line: str
    new_comment: str

    @property
    def scales(self) -> list[forms.ScaleRow]:
        return forms.scale_rows(self.side, self.values, self.project_scales)

    @property
    def chosen(self) -> str:
        """What the drawing of the scales depends on."""
        return " ".join(f"{name}:{self.values.get(f'{self.side}_{name}', '')}" for name in self.project_scales)


@dataclass(frozen=True)
class DiffRow:
    """One row of the comparison: the number of a line of each side, either of which may be missing."""

    kind: str
    """``same``, ``changed``, ``left`` (only there) or ``right``."""
    left_line: int | None
    right_line: int | None


def samples(assignment: Assignment) -> tuple[Sample, Sample]:
    """Left and right."""
    pair = (assignment.comparison.sample_a, assignment.comparison.sample_b)
    return (pair[1], pair[0]) if assignment.swapped else pair


def sides(project: Project, assignment: Assignment, values: Mapping[str, Any]) -> list[Side]:
    return [
        _side(side, letter, sample, project, values)
        for side, letter, sample in zip(("left", "right"), "AB", samples(assignment), strict=True)
    ]


def _side(side: str, letter: str, sample: Sample, project: Project, values: Mapping[str, Any]) -> Side:
    edited = str(values.get(f"{side}_edited") or sample.text)
    return Side(
        side=side,
        letter=letter,
        sample=sample,
        project_scales=project.scales,
        values=values,
        comments=forms.comments_of(side, values),
        edited=edited,
        changed=not same_code(edited, sample.text),
        new_line=str(values.get(f"{side}_new_line", "")),
        new_comment=str(values.get(f"{side}_new_comment", "")),
    )


def same_code(one: str, other: str) -> bool:
    """Whether two texts differ in nothing but how lines end; forms send other line ends than they were given."""
    return one.splitlines() == other.splitlines()


def lines(code: str) -> list[str]:
    """As the page numbers them."""
    return code.removesuffix("\n").split("\n")


def difference(left: str, right: str) -> list[DiffRow]:
    """Line by line, aligned; empty where the programs are too long to be compared."""
    old, new = lines(left), lines(right)
    if len(old) + len(new) > LONGEST_DIFF:
        return []
    return list(_rows(old, new))


def _rows(old: Sequence[str], new: Sequence[str]) -> Iterator[DiffRow]:
    for tag, start, end, other_start, other_end in SequenceMatcher(a=old, b=new, autojunk=False).get_opcodes():
        for offset in range(max(end - start, other_end - other_start)):
            at, other = start + offset, other_start + offset
            here, there = at < end, other < other_end
            kind = "same" if tag == "equal" else "changed" if here and there else "left" if here else "right"
            yield DiffRow(
                kind=kind,
                left_line=at + 1 if here else None,
                right_line=other + 1 if there else None,
            )
