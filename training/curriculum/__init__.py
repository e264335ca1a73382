"""Generated tasks in English and Spanish, with solutions of differing safety and the tests that tell them apart."""

from training.curriculum.build import CurriculumError, assert_no_leaks, build
from training.curriculum.families import FAMILIES
from training.curriculum.task import Solution, Task, TaskFileError, read_jsonl, write_jsonl

__all__ = [
    "FAMILIES",
    "CurriculumError",
    "Solution",
    "Task",
    "TaskFileError",
    "assert_no_leaks",
    "build",
    "read_jsonl",
    "write_jsonl",
]
