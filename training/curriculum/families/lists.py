"""Families over lists of integers: indexing, averages, extremes, chunks, duplicates."""

from __future__ import annotations

from random import Random

from training.curriculum.family import Arguments, Family, Slots, idiomatic, unguarded, verbose
from training.curriculum.slots import FALLBACKS, INTS, LISTS


def _numbers(rng: Random, slots: Slots) -> Arguments:
    return ([rng.randint(-20, 90) for _ in range(rng.randint(2, 6))],)


def _numbers_edges(rng: Random, slots: Slots) -> list[Arguments]:
    return [([],), ([rng.randint(-9, 9)],), ([-5, -2, -9],), ([0, 0, 0],)]


def _at(rng: Random, slots: Slots) -> Arguments:
    (values,) = _numbers(rng, slots)
    return values, rng.randrange(len(values))


def _at_edges(rng: Random, slots: Slots) -> list[Arguments]:
    size = rng.randint(2, 5)
    values = [rng.randint(-20, 90) for _ in range(size)]
    return [(values, size), (values, -1), ([], 0), (values, size - 1), (values, -size - 1)]


def _distinct(rng: Random, slots: Slots) -> Arguments:
    return (rng.sample(range(-20, 90), rng.randint(3, 6)),)


def _second_edges(rng: Random, slots: Slots) -> list[Arguments]:
    value = rng.randint(1, 50)
    return [([],), ([value],), ([value, value],), ([value, value, value - 1],), ([-3, -1, -2],)]


def _chunks(rng: Random, slots: Slots) -> Arguments:
    return [rng.randint(0, 60) for _ in range(rng.randint(3, 7))], rng.randint(1, 4)


def _chunks_edges(rng: Random, slots: Slots) -> list[Arguments]:
    return [([1, 2, 3], 0), ([4, 5], -rng.randint(1, 3)), ([], 2), ([1], 5)]


def _repeats(rng: Random, slots: Slots) -> Arguments:
    start = rng.randint(0, 8)
    values = list(range(start, start + rng.randint(2, 4)))
    return (values + values[:1],)


def _repeats_edges(rng: Random, slots: Slots) -> list[Arguments]:
    return [([],), ([9, 3, 9, 1, 3],), ([5, -2, 5, 5, 0],), ([40, 7, 33, 7, 12],)]


ELEMENT_AT = Family(
    slug="element-at",
    parameters="$xs: list[int], $i: int",
    returns="int",
    names={"xs": LISTS, "i": INTS},
    constants={"d": FALLBACKS},
    english=(
        "Return the element of $xs at position $i, or $d if there is no such position.",
        "Get item number $i of the list $xs; negative or too large positions give $d.",
        "Read $xs at index $i and fall back to $d outside the list.",
        "Which number stands at place $i of $xs, counting from 0? Answer $d if none does.",
        "If $i is at least 0 and less than the length of $xs, return that element; otherwise return $d.",
        "Positions in $xs start at zero; hand back the value at $i, or $d when $i is negative or too big.",
        "The answer is $d whenever $i is negative or not below the size of $xs; else it is $xs[$i].",
        "What does the list $xs hold at index $i? Past the end, or below zero, the answer is $d.",
        "Give the entry $i of $xs, with $d for an index out of range.",
        "Look up index $i in the list $xs; use $d when it is not a valid position.",
    ),
    spanish=(
        "Devuelve el elemento de $xs en la posición $i, o $d si no existe esa posición.",
        "Obtén el elemento número $i de la lista $xs; posiciones negativas o demasiado grandes dan $d.",
        "Lee $xs en el índice $i y recurre a $d fuera de la lista.",
        "¿Qué número está en el lugar $i de $xs, contando desde 0? Responde $d si ninguno.",
        "Si $i es al menos 0 y menor que la longitud de $xs, devuelve ese elemento; si no, devuelve $d.",
        "Las posiciones de $xs empiezan en cero; da el valor que hay en $i, o $d si $i es negativo o excesivo.",
        "La respuesta es $d si $i es negativo o no es menor que el tamaño de $xs; en otro caso, es $xs[$i].",
        "¿Qué contiene la lista $xs en el índice $i? Pasado el final, o por debajo de cero, la respuesta es $d.",
        "Da la entrada $i de $xs, con $d para un índice fuera de rango.",
        "Busca el índice $i en la lista $xs; usa $d cuando no sea una posición válida.",
    ),
    variants=(
        idiomatic("return $xs[$i] if 0 <= $i < len($xs) else $d"),
        verbose("if $i < 0 or $i >= len($xs):\n    return $d\nreturn $xs[$i]"),
        unguarded("return $xs[$i]", cwe=129),
        unguarded("return $xs[$i] if $i < len($xs) else $d", cwe=129),
        unguarded("try:\n    return $xs[$i]\nexcept IndexError:\n    return $d", cwe=129),
    ),
    basic=_at,
    edges=_at_edges,
    properties=("index-error",),
)

LAST = Family(
    slug="last-element",
    parameters="$xs: list[int]",
    returns="int",
    names={"xs": LISTS},
    constants={"d": FALLBACKS},
    english=(
        "Return the last number of $xs, or $d when it is empty.",
        "Give the final element of the list $xs; an empty list gives $d.",
        "What does $xs end with? Answer $d if it has no elements.",
        "Take the last item of $xs and use $d for an empty list.",
        "With $xs empty the result is $d; with anything in it, the result is the number in last place.",
        "Reading $xs from left to right, which number comes last? Say $d when there are no numbers.",
        "The element that closes $xs is wanted; should the list be empty, $d stands in for it.",
        "Guarded access to the end of $xs, which produces $d rather than fail on an empty list.",
        "Fetch the number at the end of $xs, with $d if there is none.",
        "Last value of $xs, or $d without values.",
    ),
    spanish=(
        "Devuelve el último número de $xs, o $d cuando esté vacía.",
        "Da el elemento final de la lista $xs; una lista vacía da $d.",
        "¿Con qué termina $xs? Responde $d si no tiene elementos.",
        "Toma el último elemento de $xs y usa $d para una lista vacía.",
        "Con $xs vacía el resultado es $d; si tiene algo, es el número que ocupa el último puesto.",
        "Al leer $xs de izquierda a derecha, ¿qué número sale el último? Di $d si no hay números.",
        "Se pide el elemento que cierra $xs; si la lista está vacía, $d ocupa su lugar.",
        "Acceso seguro al final de $xs, que produce $d en vez de fallar con una lista vacía.",
        "Obtén el número al final de $xs, con $d si no hay ninguno.",
        "Último valor de $xs, o $d sin valores.",
    ),
    variants=(
        idiomatic("return $xs[-1] if $xs else $d"),
        verbose("if len($xs) == 0:\n    return $d\nreturn $xs[len($xs) - 1]"),
        unguarded("return $xs[-1]", cwe=129),
        unguarded("out = list(reversed($xs))\nreturn out[0]", cwe=129),
        unguarded("for out in $xs:\n    pass\nreturn out", cwe=457),
    ),
    basic=_numbers,
    edges=_numbers_edges,
    properties=("index-error",),
)

MEAN = Family(
    slug="mean",
    parameters="$xs: list[int]",
    returns="int",
    names={"xs": LISTS},
    constants={"d": FALLBACKS},
    english=(
        "Return the mean of $xs rounded down, or $d for an empty list.",
        "Compute the average of the numbers in $xs as a whole number; no numbers give $d.",
        "Average $xs with integer division and answer $d if it is empty.",
        "What is the arithmetic mean of $xs, rounded down? Use $d when there are no values.",
        "If $xs has no numbers give $d; otherwise divide their sum by how many there are, rounding down.",
        "Add up $xs and floor-divide by its length; a length of zero means $d.",
        "How big are the numbers of $xs on average? Round down to an integer, and say $d for no numbers.",
        "Floor of the mean value of $xs; without a single element it is $d.",
        "Give the whole average of $xs, with $d if the list is empty.",
        "Integer mean of the list $xs, or $d when nothing is in it.",
    ),
    spanish=(
        "Devuelve la media de $xs redondeada hacia abajo, o $d para una lista vacía.",
        "Calcula el promedio de los números de $xs como entero; sin números da $d.",
        "Promedia $xs con división entera y responde $d si está vacía.",
        "¿Cuál es la media aritmética de $xs, redondeada hacia abajo? Usa $d si no hay valores.",
        "Si $xs no tiene números da $d; si los tiene, divide su suma entre cuántos son, redondeando hacia abajo.",
        "Suma $xs y haz la división entera por su longitud; una longitud de cero significa $d.",
        "¿Cuánto valen por término medio los números de $xs? Redondea a la baja y di $d si no hay ninguno.",
        "Valor medio de $xs redondeado a la baja; a falta de elementos, es $d.",
        "Da el promedio entero de $xs, con $d si la lista está vacía.",
        "Media entera de la lista $xs, o $d cuando no haya nada en ella.",
    ),
    variants=(
        idiomatic("return sum($xs) // len($xs) if $xs else $d"),
        verbose("if not $xs:\n    return $d\nout = 0\nfor item in $xs:\n    out += item\nreturn out // len($xs)"),
        unguarded("return sum($xs) // len($xs)", cwe=369),
        unguarded("return divmod(sum($xs), len($xs))[0]", cwe=369),
        unguarded("out = 0\nfor item in $xs:\n    out += item\nreturn out // len($xs)", cwe=369),
    ),
    basic=_numbers,
    edges=_numbers_edges,
    properties=("zero-division",),
)

LARGEST = Family(
    slug="largest",
    parameters="$xs: list[int]",
    returns="int",
    names={"xs": LISTS},
    constants={"d": FALLBACKS},
    english=(
        "Return the largest number of $xs, or $d when it is empty.",
        "Find the maximum of the list $xs; an empty list gives $d.",
        "What is the greatest value in $xs? Answer $d if it has none.",
        "Pick the highest of the numbers $xs and use $d for an empty list.",
        "When $xs has no items the answer is $d; otherwise it is the item that no other one exceeds.",
        "Go through $xs and keep the highest number seen; with nothing to go through, return $d.",
        "How high do the numbers in $xs reach? Say $d for a list of length zero.",
        "Maximum of $xs that does not fail on an empty list but produces $d.",
        "Give the biggest element of $xs, with $d if there are no elements.",
        "Top value of $xs, or $d without values.",
    ),
    spanish=(
        "Devuelve el número más grande de $xs, o $d cuando esté vacía.",
        "Encuentra el máximo de la lista $xs; una lista vacía da $d.",
        "¿Cuál es el mayor valor de $xs? Responde $d si no tiene ninguno.",
        "Elige el más alto de los números $xs y usa $d para una lista vacía.",
        "Si $xs no tiene elementos, la respuesta es $d; si los tiene, es aquel al que ningún otro supera.",
        "Recorre $xs y quédate con el número más alto que veas; si no hay nada que recorrer, devuelve $d.",
        "¿Hasta qué valor llegan los números de $xs? Di $d para una lista de longitud cero.",
        "Máximo de $xs que no falla con una lista vacía, sino que produce $d.",
        "Da el mayor elemento de $xs, con $d si no hay elementos.",
        "Valor máximo de $xs, o $d sin valores.",
    ),
    variants=(
        idiomatic("return max($xs, default=$d)"),
        verbose(
            "if not $xs:\n    return $d\nout = $xs[0]\nfor item in $xs:\n    if item > out:\n        out = item\nreturn out"
        ),
        unguarded("return max($xs)", cwe=248),
        unguarded("return sorted($xs)[-1]", cwe=129),
        unguarded("out = $xs[0]\nfor item in $xs:\n    if item > out:\n        out = item\nreturn out", cwe=129),
    ),
    basic=_numbers,
    edges=_numbers_edges,
    properties=("value-error", "index-error"),
)

SECOND_LARGEST = Family(
    slug="second-largest",
    parameters="$xs: list[int]",
    returns="int | None",
    names={"xs": LISTS},
    english=(
        "Return the second largest distinct number of $xs, or None if there is none.",
        "Find the runner-up among the different values of $xs; None with fewer than two.",
        "What is the second highest different value in $xs? Return None if it does not exist.",
        "Give the largest number of $xs below its maximum, or None.",
        "Leave out every copy of the maximum of $xs and return the greatest number left; None if nothing is left.",
        "If $xs has at least two different numbers, return the second from the top; otherwise return None.",
        "Sort $xs from high to low without repeats and take what comes second, or None if nothing does.",
        "Once repeats are removed, which number of $xs comes right after the largest? None when no number does.",
        "Second greatest distinct element of $xs, with None when there are not two.",
        "Pick the value of $xs that only the maximum exceeds; None if no value does.",
    ),
    spanish=(
        "Devuelve el segundo número distinto más grande de $xs, o None si no lo hay.",
        "Encuentra el segundo de los valores diferentes de $xs; None con menos de dos.",
        "¿Cuál es el segundo valor distinto más alto de $xs? Devuelve None si no existe.",
        "Da el mayor número de $xs por debajo de su máximo, o None.",
        "Aparta de $xs todas las copias del máximo y devuelve el mayor número que quede; None si no queda ninguno.",
        "Si $xs tiene al menos dos números diferentes, devuelve el segundo por arriba; si no, devuelve None.",
        "Ordena $xs de mayor a menor sin repetidos y toma el que va segundo, o None si no hay segundo.",
        "Sin contar repeticiones, ¿qué número de $xs va justo detrás del mayor? None cuando no vaya ninguno.",
        "Segundo mayor elemento distinto de $xs, con None cuando no haya dos.",
        "Elige el valor de $xs al que solo supera el máximo; None si no lo hay.",
    ),
    variants=(
        idiomatic("out = sorted(set($xs))\nreturn out[-2] if len(out) > 1 else None"),
        verbose("out = sorted(set($xs))\nif len(out) < 2:\n    return None\nreturn out[-2]"),
        unguarded("return sorted($xs)[-2]", cwe=129),
        unguarded("return sorted(set($xs))[-2]", cwe=129),
        unguarded("out = set($xs)\nout.remove(max(out))\nreturn max(out)", cwe=248),
    ),
    basic=_distinct,
    edges=_second_edges,
    properties=("index-error",),
)

CHUNK = Family(
    slug="chunk",
    parameters="$xs: list[int], $n: int",
    returns="list[list[int]]",
    names={"xs": LISTS, "n": INTS},
    english=(
        "Split $xs into pieces of $n elements; return an empty list unless $n is positive.",
        "Cut the list $xs in chunks of size $n, or nothing if $n is below 1.",
        "Group $xs by $n consecutive items; a size of zero or less gives no groups.",
        "Break $xs into runs of $n numbers, and return [] when $n is not positive.",
        "When $n is 1 or more, slice $xs into lists of $n items, the last perhaps shorter; otherwise give [].",
        "Walk through $xs taking $n numbers at a time and collect these lists; with $n under 1 collect none.",
        "Into which successive slices of size $n does $xs fall? Into none, that is [], if $n is zero or negative.",
        "Batches of $n taken in order from $xs, the last with whatever remains; a non-positive $n gives [].",
        "Chop $xs into lists of length $n; [] for a length under one.",
        "Partition $xs in consecutive blocks of $n, with [] if $n is zero or negative.",
    ),
    spanish=(
        "Divide $xs en trozos de $n elementos; devuelve una lista vacía si $n no es positivo.",
        "Corta la lista $xs en bloques de tamaño $n, o nada si $n es menor que 1.",
        "Agrupa $xs de $n en $n elementos seguidos; un tamaño de cero o menos no da grupos.",
        "Parte $xs en tramos de $n números y devuelve [] cuando $n no sea positivo.",
        "Cuando $n sea 1 o más, corta $xs en listas de $n elementos, la última quizá más corta; si no, da [].",
        "Recorre $xs tomando $n números cada vez y reúne esas listas; con $n menor que 1 no reúnas ninguna.",
        "¿En qué tramos sucesivos de tamaño $n se parte $xs? En ninguno, es decir, [], si $n es cero o negativo.",
        "Lotes de $n tomados en orden de $xs, el último con lo que quede; un $n no positivo da [].",
        "Trocea $xs en listas de longitud $n; [] para una longitud menor que uno.",
        "Reparte $xs en bloques seguidos de $n, con [] si $n es cero o negativo.",
    ),
    variants=(
        idiomatic("if $n < 1:\n    return []\nreturn [$xs[pos : pos + $n] for pos in range(0, len($xs), $n)]"),
        verbose(
            "out = []\nif $n < 1:\n    return out\nfor pos in range(0, len($xs), $n):\n"
            "    out.append($xs[pos : pos + $n])\nreturn out"
        ),
        unguarded("return [$xs[pos : pos + $n] for pos in range(0, len($xs), $n)]", cwe=248),
        unguarded(
            "out = []\nfor pos in range(0, len($xs), $n):\n    out.append($xs[pos : pos + $n])\nreturn out", cwe=248
        ),
        unguarded("return list(map(lambda pos: $xs[pos : pos + $n], range(0, len($xs), $n)))", cwe=248),
        unguarded(
            "if $n < 1:\n    return [$xs]\nreturn [$xs[pos : pos + $n] for pos in range(0, len($xs), $n)]", cwe=20
        ),
    ),
    basic=_chunks,
    edges=_chunks_edges,
    properties=("value-error",),
)

DEDUP = Family(
    slug="dedup",
    parameters="$xs: list[int]",
    returns="list[int]",
    names={"xs": LISTS},
    english=(
        "Remove repeated numbers from $xs and keep the order of first appearance.",
        "Return the distinct values of $xs in the order in which they come.",
        "Drop duplicates from the list $xs without changing the order.",
        "List each number of $xs once, the earliest first.",
        "If a number of $xs was already met further left, skip it; return the others as they come.",
        "Build a new list with every value of $xs the first time it shows up and never again.",
        "Which different numbers does $xs contain? List them by first occurrence, not sorted.",
        "Repetitions in $xs must go: only the first copy of each number stays, and the order does not change.",
        "Deduplicate $xs; what comes first stays first.",
        "Give $xs without its repetitions, in the original order.",
    ),
    spanish=(
        "Quita los números repetidos de $xs y conserva el orden de aparición.",
        "Devuelve los valores distintos de $xs en el orden en que llegan.",
        "Elimina los duplicados de la lista $xs sin cambiar el orden.",
        "Lista cada número de $xs una sola vez, primero el más temprano.",
        "Si un número de $xs ya ha salido más a la izquierda, sáltalo; devuelve los demás tal como vienen.",
        "Construye una lista nueva con cada valor de $xs la primera vez que aparece y nunca más.",
        "¿Qué números diferentes contiene $xs? Enuméralos según su primera aparición, sin ordenarlos.",
        "Las repeticiones de $xs sobran: de cada número queda solo la primera copia, y el orden no se altera.",
        "Deja $xs sin duplicados; lo que llega antes queda antes.",
        "Da $xs sin sus repeticiones, en el orden original.",
    ),
    variants=(
        idiomatic("return list(dict.fromkeys($xs))"),
        verbose("out = []\nfor item in $xs:\n    if item not in out:\n        out.append(item)\nreturn out"),
        unguarded("return sorted(set($xs))", cwe=682),
        unguarded("return list(dict.fromkeys(sorted($xs)))", cwe=682),
        unguarded("out = []\nfor item in sorted(set($xs)):\n    out.append(item)\nreturn out", cwe=682),
        unguarded(
            "out = []\nfor item in sorted($xs):\n    if item not in out:\n        out.append(item)\nreturn out", cwe=682
        ),
    ),
    basic=_repeats,
    edges=_repeats_edges,
    properties=("argument-mutation", "other-exception"),
)

FAMILIES = (ELEMENT_AT, LAST, MEAN, LARGEST, SECOND_LARGEST, CHUNK, DEDUP)
