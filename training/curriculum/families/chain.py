"""Compositions of two families' work: change a list, then reduce it. Unseen pairs make the ``cross`` split."""

from __future__ import annotations

from random import Random

from training.curriculum.family import Arguments, Family, Slots, idiomatic, unguarded, verbose
from training.curriculum.slots import LISTS, is_unseen

_FIRST = {  # the new list, from `out`; what it is called in English and in Spanish
    "distinct": ("list(dict.fromkeys(out))", "drop repeated numbers", "quita los números repetidos"),
    "ascending": ("sorted(out)", "sort in ascending order", "ordena de menor a mayor"),
    "reversed": ("out[::-1]", "reverse the order", "invierte el orden"),
    "tail": ("out[1:]", "leave out the first number", "descarta el primer número"),
    "top": (
        "sorted(out, reverse=True)[:3]",
        "keep the three largest in descending order",
        "quédate con los tres mayores en orden descendente",
    ),
    "steps": (
        "[right - left for left, right in zip(out, out[1:])]",
        "take the differences between neighbours",
        "toma las diferencias entre vecinos",
    ),
    "absolute": ("[abs(item) for item in out]", "take absolute values", "toma valores absolutos"),
    "totals": ("[sum(out[: pos + 1]) for pos in range(len(out))]", "take running totals", "toma sumas acumuladas"),
}
_SECOND = {  # the result, guarded and bare; in English and in Spanish
    "sum": ("sum(out)", "sum(out)", "the sum", "la suma"),
    "maximum": ("max(out, default=0)", "max(out)", "the maximum", "el máximo"),
    "mean": (
        "sum(out) // len(out) if out else 0",
        "sum(out) // len(out)",
        "the mean rounded down",
        "la media redondeada hacia abajo",
    ),
    "first": ("out[0] if out else 0", "out[0]", "the first number", "el primer número"),
    "final": ("out[-1] if out else 0", "out[-1]", "the last number", "el último número"),
    "count": ("len(out)", "len(out)", "the number of elements", "el número de elementos"),
    "range": (
        "max(out) - min(out) if out else 0",
        "max(out) - min(out)",
        "the maximum minus the minimum",
        "el máximo menos el mínimo",
    ),
}


def _phrases(slots: Slots, language: str) -> Slots:
    column = {"en": -2, "es": -1}[language]
    return {"doing": _FIRST[slots["first"]][column], "giving": _SECOND[slots["second"]][column]}


def _snippets(slots: Slots) -> Slots:
    guarded, bare, *_ = _SECOND[slots["second"]]
    change = _FIRST[slots["first"]][0]
    return {"change": change, "start": change.replace("out", slots["xs"]), "guarded": guarded, "bare": bare}


def _held_out(slots: Slots) -> bool:
    return is_unseen(f"{slots['first']} then {slots['second']}")


def _basic(rng: Random, slots: Slots) -> Arguments:
    values = [rng.randint(-9, 40) for _ in range(rng.randint(3, 5))]
    return ([*values, rng.choice(values)],)


def _edges(rng: Random, slots: Slots) -> list[Arguments]:
    value = rng.randint(1, 30)
    return [([],), ([value],), ([value, value],), ([-value, 0],), ([0, -3, -value],)]


CHAIN = Family(
    slug="chain",
    parameters="$xs: list[int]",
    returns="int",
    names={"xs": LISTS},
    english=(
        "Given $xs, $doing, then return $giving; 0 if nothing is left.",
        "First $doing in $xs; after that give $giving, or 0 when there is nothing.",
        "Return $giving once you $doing of $xs, and 0 for no numbers.",
        "In two steps: $doing for $xs, and answer with $giving (0 if empty).",
        "What is $giving after you $doing in $xs? Answer 0 if no number remains.",
        "Starting from $xs, $doing. The result is $giving, with 0 for an empty list.",
        "For the list $xs: $doing; compute $giving; an empty outcome counts as 0.",
        "If you $doing in $xs, what do you get for $giving? Zero when nothing remains.",
        "Process $xs so: $doing, and report $giving; report 0 if that leaves nothing.",
        "Begin with $xs, $doing, and finish with $giving, or else 0.",
    ),
    spanish=(
        "Dada $xs, $doing y luego devuelve $giving; 0 si no queda nada.",
        "Primero $doing en $xs; después da $giving, o 0 cuando no haya nada.",
        "Parte de $xs, $doing y responde con $giving; sin números, 0.",
        "En dos pasos: $doing en $xs y responde con $giving (0 si está vacía).",
        "Con $xs haz esto: $doing. ¿Cuánto vale $giving? Responde 0 si no queda ningún número.",
        "A partir de $xs, $doing. El resultado es $giving, con 0 para una lista vacía.",
        "Para la lista $xs: $doing; calcula $giving; un resultado vacío cuenta como 0.",
        "Recibes $xs: $doing y di $giving. Cero cuando no quede nada.",
        "Procesa $xs así: $doing, e informa $giving; informa 0 si eso no deja nada.",
        "Empieza con $xs, $doing y termina con $giving, o si no 0.",
    ),
    variants=(
        idiomatic("out = $start\nreturn $guarded"),
        verbose("out = list($xs)\nout = $change\nreturn $guarded"),
        verbose("kept = $start\nout = list(kept)\nreturn $guarded"),
        unguarded("out = $start\nreturn $bare", cwe=248),
        unguarded("out = list($xs)\nout = $change\nreturn $bare", cwe=248),
        unguarded("kept = $start\nout = list(kept)\nreturn $bare", cwe=248),
    ),
    basic=_basic,
    edges=_edges,
    properties=("index-error", "value-error", "zero-division"),
    phrases=_phrases,
    snippets=_snippets,
    held_out=_held_out,
    held_out_split="cross",
    weight=5,
    stages={"first": tuple(_FIRST), "second": tuple(_SECOND)},
)

FAMILIES = (CHAIN,)
