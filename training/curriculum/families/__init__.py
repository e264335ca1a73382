"""All families of tasks, by slug."""

from __future__ import annotations

from training.curriculum.families import (
    arithmetic,
    chain,
    dates,
    dicts,
    formats,
    integers,
    lists,
    patterns,
    pipeline,
    security,
    sequences,
    strings,
    tables,
    texts,
    trust,
)
from training.curriculum.family import Family

FAMILIES: dict[str, Family] = {
    family.slug: family
    for module in (
        integers,
        arithmetic,
        lists,
        sequences,
        strings,
        texts,
        dicts,
        tables,
        formats,
        patterns,
        dates,
        security,
        trust,
        pipeline,
        chain,
    )
    for family in module.FAMILIES
}
