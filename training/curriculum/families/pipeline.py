"""Compositions: keep some numbers, change each, reduce them to one. Unseen triples make the ``comp`` split."""

from __future__ import annotations

from random import Random

from training.curriculum.family import Arguments, Family, Slots, fill, idiomatic, unguarded, verbose
from training.curriculum.slots import LISTS, is_unseen

_KEEP = {
    "even": ("item % 2 == 0", "even numbers", "números pares"),
    "odd": ("item % 2 == 1", "odd numbers", "números impares"),
    "positive": ("item > 0", "positive numbers", "números positivos"),
    "negative": ("item < 0", "negative numbers", "números negativos"),
    "small": ("item < 10", "numbers below ten", "números menores que diez"),
}
_CHANGE = {
    "double": ("item * 2", "double", "duplica"),
    "square": ("item * item", "square", "eleva al cuadrado"),
    "next": ("item + 1", "add one to", "suma uno a"),
    "negate": ("-item", "negate", "cambia de signo"),
}
_REDUCE = {
    "sum": ("sum(out)", "sum(out)", "sum", "la suma"),
    "max": ("max(out, default=0)", "max(out)", "largest", "el mayor"),
    "min": ("min(out, default=0)", "min(out)", "smallest", "el menor"),
    "last": ("out[-1] if out else 0", "out[-1]", "last", "el último"),
}
_WHOLE = "$value for item in $xs if $test"
_AT_ONCE = {
    "sum": (f"sum({_WHOLE})", f"sum({_WHOLE})", f"sum({_WHOLE})"),
    "max": (f"max(({_WHOLE}), default=0)", f"max({_WHOLE})", f"max([{_WHOLE}])"),
    "min": (f"min(({_WHOLE}), default=0)", f"min({_WHOLE})", f"min([{_WHOLE}])"),
    "last": (f"([0] + [{_WHOLE}])[-1]", f"[{_WHOLE}][-1]", f"list({_WHOLE})[-1]"),
}
"""The same in one expression: guarded, and bare in two ways. A sum needs no guard."""


def _phrases(slots: Slots, language: str) -> Slots:
    column = {"en": -2, "es": -1}[language]
    return {
        "keeping": _KEEP[slots["keep"]][column],
        "changing": _CHANGE[slots["change"]][column],
        "reducing": _REDUCE[slots["reduce"]][column],
    }


def _snippets(slots: Slots) -> Slots:
    guarded, bare, *_ = _REDUCE[slots["reduce"]]
    parts = {"test": _KEEP[slots["keep"]][0], "value": _CHANGE[slots["change"]][0]}
    safe, *unsafe = (fill(text, {**slots, **parts}) for text in _AT_ONCE[slots["reduce"]])
    at_once = {"at_once": safe, "at_once_bare": unsafe[0], "at_once_listed": unsafe[1]}
    return {**parts, **at_once, "guarded": guarded, "bare": bare}


def _held_out(slots: Slots) -> bool:
    return is_unseen("-".join((slots["keep"], slots["change"], slots["reduce"])))


def _basic(rng: Random, slots: Slots) -> Arguments:
    # One number of each kind, so that no stage is left without work.
    values = [rng.randrange(2, 9, 2), rng.randrange(1, 9, 2), -rng.randint(1, 9), rng.randint(10, 40)]
    rng.shuffle(values)
    return (values,)


def _edges(rng: Random, slots: Slots) -> list[Arguments]:
    return [([],), ([0],), ([11, 13],), ([-2, -4],), ([12, 14],), ([rng.randint(-30, 30) for _ in range(6)],)]


PIPELINE = Family(
    slug="pipeline",
    parameters="$xs: list[int]",
    returns="int",
    names={"xs": LISTS},
    english=(
        "Take the $keeping of $xs, $changing each, and return the $reducing; 0 if there are none.",
        "From $xs keep the $keeping, $changing every one, then give the $reducing or 0.",
        "Of the $keeping in $xs, $changing each and find the $reducing (0 for none).",
        "Select the $keeping from $xs; $changing each of them; answer the $reducing, else 0.",
        "Return 0 when $xs has no $keeping; when it has some, $changing each one and return the $reducing.",
        "Ignore all but the $keeping of $xs, $changing each that remains, and get the $reducing, or 0 for none.",
        "What is the $reducing once you $changing each of the $keeping in $xs? Say 0 when there are none.",
        "The $reducing is wanted at the end, 0 if there are none: extract the $keeping of $xs and $changing each.",
        "Among $xs pick the $keeping, $changing each, and report the $reducing, or 0.",
        "With the $keeping of $xs only: $changing each and compute the $reducing, 0 if none.",
    ),
    spanish=(
        "Toma los $keeping de $xs, $changing cada uno y devuelve $reducing; 0 si no hay ninguno.",
        "De $xs conserva los $keeping, $changing todos y da $reducing o 0.",
        "De los $keeping en $xs, $changing cada uno y encuentra $reducing (0 si no hay).",
        "Selecciona los $keeping de $xs; $changing cada uno; responde $reducing, si no 0.",
        "Devuelve 0 si $xs no tiene $keeping; si los tiene, $changing cada uno y da $reducing.",
        "Ignora todo salvo los $keeping de $xs, $changing los que queden y obtén $reducing, o 0 si no hay.",
        "Quédate con los $keeping de $xs y $changing cada uno: ¿cuál es $reducing? Di 0 si no hay ninguno.",
        "Se pide al final $reducing, 0 si no queda ninguno: extrae los $keeping de $xs y $changing cada uno.",
        "Entre $xs elige los $keeping, $changing cada uno e informa $reducing, o 0.",
        "Solo cuentan en $xs los $keeping: $changing cada cual y calcula $reducing, 0 si no hay.",
    ),
    variants=(
        idiomatic("out = [$value for item in $xs if $test]\nreturn $guarded"),
        verbose("out = []\nfor item in $xs:\n    if $test:\n        out.append($value)\nreturn $guarded"),
        verbose("kept = [item for item in $xs if $test]\nout = [$value for item in kept]\nreturn $guarded"),
        idiomatic("return $at_once"),
        unguarded("out = [$value for item in $xs if $test]\nreturn $bare", cwe=248),
        unguarded("out = []\nfor item in $xs:\n    if $test:\n        out.append($value)\nreturn $bare", cwe=248),
        unguarded("kept = [item for item in $xs if $test]\nout = [$value for item in kept]\nreturn $bare", cwe=248),
        unguarded("return $at_once_bare", cwe=248),
        unguarded("return $at_once_listed", cwe=248),
    ),
    basic=_basic,
    edges=_edges,
    properties=("index-error", "value-error"),
    phrases=_phrases,
    snippets=_snippets,
    held_out=_held_out,
    weight=10,
    stages={"keep": tuple(_KEEP), "change": tuple(_CHANGE), "reduce": tuple(_REDUCE)},
)

FAMILIES = (PIPELINE,)
