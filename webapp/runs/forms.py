"""Launch forms, made from the settings themselves.

``training.config`` judges every value; the form only shows the fields, keeps what was typed and
puts each problem beside its field.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.http import QueryDict

from training.config import SCALES, SettingsError, to_json
from webapp.accounts.models import User
from webapp.catalog.models import ModelVersion, Project
from webapp.runs import queries, wording
from webapp.runs.actions import launch, take_snapshot
from webapp.runs.configs import CONFIGS
from webapp.runs.models import Run

BASIC: dict[str, tuple[str, ...]] = {
    Run.Kind.PPO: ("num_updates", "learning_rate", "batch_size", "kl_coef", "response_length", "seed"),
    Run.Kind.REWARD_MODEL: ("learning_rate", "epochs", "batch_size", "seed"),
    Run.Kind.GENERATE: ("split", "prompts", "count", "settings.temperature", "settings.seed"),
    Run.Kind.EVALUATE: ("splits", "prompts", "seed"),
}
"""The fields shown at once; the others are below "more settings". Its keys are the kinds with a form."""

MODELS: dict[str, dict[str, tuple[Callable[[Project], QuerySet[ModelVersion]], bool]]] = {
    Run.Kind.PPO: {"base_model": (queries.supervised_models, True), "reward_model": (queries.reward_models, False)},
    Run.Kind.REWARD_MODEL: {"base_model": (queries.supervised_models, True)},
    Run.Kind.GENERATE: {"base_model": (queries.generating_models, True)},
    Run.Kind.EVALUATE: {
        "base_model": (queries.generating_models, True),
        "candidate": (queries.generating_models, False),
        "reward_model": (queries.reward_models, False),
    },
}
"""For each kind the models to choose: where from, and whether one must be chosen."""


@dataclass(frozen=True)
class FormField:
    """One setting as the page shows it. ``name`` is dotted, as in ``lora.r``."""

    name: str
    label: str
    help: str
    value: str
    kind: str
    """number, text, checkbox or select."""
    choices: tuple[tuple[str, str], ...] = ()
    error: str = ""

    @property
    def element_id(self) -> str:
        return f"id_{self.name.replace('.', '_')}"

    @property
    def described_by(self) -> str:
        parts = [(self.help, "help"), (self.error, "error")]
        return " ".join(f"{self.element_id}_{suffix}" for text, suffix in parts if text)


@dataclass(frozen=True)
class FormGroup:
    title: str
    fields: tuple[FormField, ...]


class LaunchForm:
    """The launch form of one kind of run in one project, empty or as it was sent."""

    def __init__(self, project: Project, kind: str, data: QueryDict | None = None, *, scale: str = "demo") -> None:
        self.project = project
        self.kind = kind
        self.problems: dict[str, str] = {}
        self._data = data
        self._defaults = _flat(to_json(_defaults(kind, scale)))
        self._settings = list(_describe(CONFIGS[kind]))

    def launch(self, by: User) -> Run | None:
        """Launch what the form asks for; None when it can't be, and then ``problems`` says why."""
        models = self._chosen_models()
        try:
            with transaction.atomic():
                return launch(
                    self.project,
                    self.kind,
                    config=_nested(self._values()),
                    created_by=by,
                    base_model=models.get("base_model"),
                    candidate=models.get("candidate"),
                    reward_model=models.get("reward_model"),
                    snapshot=take_snapshot(self.project, by) if self.kind == Run.Kind.REWARD_MODEL else None,
                )
        except SettingsError as error:
            self.problems = {name: wording.problem(text) for name, text in error.problems.items()}
            return None

    @property
    def models(self) -> list[FormField]:
        return [self._model_field(name) for name in MODELS[self.kind]]

    @property
    def basic(self) -> list[FormField]:
        described = {name: (hint, limits) for name, hint, limits in self._settings}
        return [self._field(name, *described[name]) for name in BASIC[self.kind]]

    @property
    def advanced(self) -> list[FormGroup]:
        """The other settings by the group they stand in, those without a group first."""
        groups: dict[str, list[FormField]] = {}
        for name, hint, limits in self._settings:
            if name not in BASIC[self.kind]:
                groups.setdefault(name.rpartition(".")[0], []).append(self._field(name, hint, limits))
        return [FormGroup(wording.label(title) if title else "", tuple(found)) for title, found in groups.items()]

    @property
    def advanced_problem(self) -> bool:
        """Whether the folded part holds a problem, so that it must be open."""
        return any(field.error for group in self.advanced for field in group.fields)

    @property
    def other_problems(self) -> list[str]:
        """Problems without a field of their own on the page."""
        shown = {name for name, _, _ in self._settings} | set(MODELS[self.kind])
        return [f"{wording.label(name)}: {text}" for name, text in self.problems.items() if name not in shown]

    def _field(self, name: str, hint: Any, limits: Mapping[str, Any]) -> FormField:
        last = name.rpartition(".")[2]
        choices = self._choices(name, limits)
        kind = "checkbox" if hint is bool else "select" if choices else "number" if hint in (int, float) else "text"
        about = " ".join(part for part in (wording.explanation(last), _sentence(wording.range_text(limits))) if part)
        return FormField(
            name=name,
            label=wording.label(last),
            help=about,
            value=self._shown(name, hint),
            kind=kind,
            choices=choices,
            error=self.problems.get(name, ""),
        )

    def _choices(self, name: str, limits: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
        if name == "split":
            return tuple((split, split) for split in queries.splits_of(self.project))
        return tuple((choice, choice) for choice in limits.get("choices") or ())

    def _shown(self, name: str, hint: Any) -> str:
        if self._data is None:
            default = self._defaults[name]
            return ", ".join(default) if isinstance(default, list) else str(default)
        if hint is bool:
            return str(name in self._data)
        return self._data.get(name, "")

    def _model_field(self, name: str) -> FormField:
        source, required = MODELS[self.kind][name]
        models = list(source(self.project))
        choices = [(str(model.pk), _describe_model(model)) for model in models]
        return FormField(
            name=name,
            label=wording.label(name),
            help=wording.explanation(name),
            value=_usual(name, models) if self._data is None else str(self._data.get(name, "")),
            kind="select",
            choices=tuple(choices if required else [("", "—"), *choices]),
            error=self.problems.get(name, ""),
        )

    def _values(self) -> dict[str, str]:
        """What was sent for every setting; one that was not sent at all takes its default."""
        data = self._data if self._data is not None else QueryDict()
        sent = {name: str(data[name]) for name, hint, _ in self._settings if hint is not bool and name in data}
        return sent | {name: str(name in data) for name, hint, _ in self._settings if hint is bool}

    def _chosen_models(self) -> dict[str, ModelVersion | None]:
        data = self._data if self._data is not None else QueryDict()
        return {
            name: source(self.project).filter(pk=int(chosen)).first()
            if (chosen := str(data.get(name, ""))).isdecimal()
            else None
            for name, (source, _) in MODELS[self.kind].items()
        }


def _defaults(kind: str, scale: str) -> Any:
    """The settings that the form starts with: a scale's own where it has them."""
    chosen = SCALES.get(scale, SCALES["demo"])
    by_kind = {
        Run.Kind.PPO: chosen.ppo,
        Run.Kind.REWARD_MODEL: chosen.reward_model,
        Run.Kind.EVALUATE: chosen.evaluation,
    }
    if kind == Run.Kind.GENERATE:
        return CONFIGS[kind](settings=chosen.pair_decoding, prompts=chosen.pairs)
    return by_kind[Run.Kind(kind)]


def _describe(kind: type[Any], prefix: str = "") -> Iterable[tuple[str, Any, Mapping[str, Any]]]:
    """Every setting below ``kind``: its dotted name, type and range."""
    instance = kind()
    for item in fields(kind):
        value = getattr(instance, item.name)
        if is_dataclass(value):
            yield from _describe(type(value), f"{prefix}{item.name}.")
        else:
            yield prefix + item.name, type(value), item.metadata


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in values.items():
        found |= _flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {prefix + name: value}
    return found


def _nested(values: Mapping[str, Any]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for name, value in values.items():
        *groups, last = name.split(".")
        place = tree
        for group in groups:
            place = place.setdefault(group, {})
        place[last] = value
    return tree


def _usual(name: str, models: Sequence[ModelVersion]) -> str:
    """The id of the model that is chosen when the form opens: the newest that fits, else none."""
    kinds = {
        "base_model": ModelVersion.Kind.SUPERVISED,
        "candidate": ModelVersion.Kind.ALIGNED,
        "reward_model": ModelVersion.Kind.REWARD,
    }
    return next((str(model.pk) for model in models if model.kind == kinds[name]), "")


def _describe_model(model: ModelVersion) -> str:
    about = f"{model.name} ({model.get_kind_display()})"
    return f"{about} ← {model.parent.name}" if model.kind == ModelVersion.Kind.REWARD and model.parent else about


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}." if text else ""
