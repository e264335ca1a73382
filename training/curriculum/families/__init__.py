"""All families of tasks, by slug."""

from __future__ import annotations

from training.curriculum.families import dicts, integers, lists, pipeline, security, strings
from training.curriculum.family import Family

FAMILIES: dict[str, Family] = {
    family.slug: family
    for module in (integers, lists, strings, dicts, security, pipeline)
    for family in module.FAMILIES
}
