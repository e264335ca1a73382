"""Options: errors in one line, and one option for each setting of a stage."""

from __future__ import annotations

import argparse
import typing
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, NoReturn, TypeVar

from training.config import SettingsError, read
from workers.problems import Problem

S = TypeVar("S")


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, and where to read more."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"allow_abbrev": False, **options})

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


def add_settings(parser: argparse.ArgumentParser, kind: type[Any], *, prefix: str = "") -> None:
    """One option a field, ``--learning-rate`` or, of a nested group, ``--lora.r``."""
    hints = typing.get_type_hints(kind)
    for item in fields(kind):
        hint = hints[item.name]
        if hasattr(hint, "__dataclass_fields__"):
            add_settings(parser, hint, prefix=f"{prefix}{item.name}.")
            continue
        default = getattr(kind(), item.name)
        parser.add_argument(
            f"--{prefix}{item.name}".replace("_", "-"),
            dest=f"setting:{prefix}{item.name}",
            metavar="VALUE",
            default=argparse.SUPPRESS,
            help=_described(default, item.metadata),
        )


def read_settings(kind: type[S], chosen: argparse.Namespace) -> S:
    """The settings from the options that were given; a Problem names each bad one as it was typed."""
    values: dict[str, Any] = {}
    names = _names(kind)
    for key, value in vars(chosen).items():
        name = key.removeprefix("setting:")
        if key == name or name not in names:
            continue
        *groups, last = name.split(".")
        place = values
        for group in groups:
            place = place.setdefault(group, {})
        place[last] = value
    try:
        return read(kind, values)
    except SettingsError as error:
        raise as_options(error.problems) from None


def as_options(problems: Mapping[str, str]) -> Problem:
    return Problem("; ".join(f"--{name.replace('_', '-')} {text}" for name, text in problems.items()))


def whole_number(low: int, high: int) -> Any:
    """An argument type: a whole number in a range."""

    def convert(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"must be a whole number, not {text!r}") from None
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"must be from {low} to {high}, not {value}")
        return value

    return convert


def _names(kind: type[Any], prefix: str = "") -> set[str]:
    hints = typing.get_type_hints(kind)
    found: set[str] = set()
    for item in fields(kind):
        hint = hints[item.name]
        if hasattr(hint, "__dataclass_fields__"):
            found |= _names(hint, f"{prefix}{item.name}.")
        else:
            found.add(prefix + item.name)
    return found


def _described(default: Any, metadata: Mapping[str, Any]) -> str:
    shown = ",".join(default) if isinstance(default, tuple) else default
    choices = f"{', '.join(metadata['choices'])}; " if metadata.get("choices") else ""
    return f"{choices}default {shown}" if shown not in ("", None) else f"{choices}default none"
