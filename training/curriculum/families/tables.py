"""Families over dictionaries of numbers: inverting, merging, grouping, counting, filtering, the largest."""

from __future__ import annotations

from random import Random

from training.curriculum.families.texts import STRINGS
from training.curriculum.family import Arguments, Family, Slots, idiomatic, unguarded, verbose
from training.curriculum.slots import DICTS, WORDS, numbers


def _distinct_values(rng: Random, slots: Slots) -> Arguments:
    keys = rng.sample(WORDS, rng.randint(2, 4))
    return (dict(zip(keys, rng.sample(range(1, 90), len(keys)), strict=True)),)


def _invert_edges(rng: Random, slots: Slots) -> list[Arguments]:
    left, right, other = rng.sample(WORDS, 3)
    return [({},), ({left: 1, right: 1},), ({left: 0, right: 7, other: 0},), ({left: -3},)]


def _two_tables(rng: Random, slots: Slots) -> Arguments:
    (table,) = _distinct_values(rng, slots)
    return table, {key: rng.randint(1, 40) for key in rng.sample(list(table), rng.randint(1, len(table)))}


def _merge_edges(rng: Random, slots: Slots) -> list[Arguments]:
    left, right = rng.sample(WORDS, 2)
    return [
        ({}, {}),
        ({}, {left: 2}),
        ({left: 5}, {right: -5}),
        ({left: 4, right: 1}, {left: -4}),
        ({left: 0}, {}),
    ]


def _by_length(rng: Random, slots: Slots) -> Arguments:
    # Words of equal length stand together, as in a list that is already in order.
    return (sorted(rng.sample(WORDS, rng.randint(3, 5)), key=len),)


def _group_edges(rng: Random, slots: Slots) -> list[Arguments]:
    word = rng.choice(WORDS)
    return [([],), (["ab", word * 2, "cd"],), (["x", "", "y", ""],), ([word, "a", word],), ([""],)]


def _repeated_values(rng: Random, slots: Slots) -> Arguments:
    values = rng.sample(range(1, 60), 2)
    return ({key: rng.choice(values) for key in rng.sample(WORDS, rng.randint(2, 5))},)


def _count_edges(rng: Random, slots: Slots) -> list[Arguments]:
    left, right, other = rng.sample(WORDS, 3)
    return [({},), ({left: None, right: 4},), ({left: 0, right: 0, other: 5},), ({left: None},), ({left: -1},)]


def _around(rng: Random, slots: Slots) -> Arguments:
    others = [number for number in range(-40, 90) if number != int(slots["c"])]
    return ({key: rng.choice(others) for key in rng.sample(WORDS, rng.randint(2, 4))},)


def _around_edges(rng: Random, slots: Slots) -> list[Arguments]:
    c = int(slots["c"])
    left, right, other = rng.sample(WORDS, 3)
    return [({},), ({left: c},), ({left: c, right: c + 1, other: c - 1},), ({left: c - 5},), ({right: c + 1},)]


def _top_edges(rng: Random, slots: Slots) -> list[Arguments]:
    left, right = rng.sample(WORDS, 2)
    return [({},), ({left: 3, right: 3},), ({left: -4, right: -2},), ({left: 0},), ({right: -1, left: -1},)]


INVERT = Family(
    slug="invert",
    parameters="$d: dict[str, int]",
    returns="dict[int, str]",
    names={"d": DICTS},
    english=(
        "Swap keys and values of $d; if a value occurs twice, its first key stays.",
        "Return $d inverted, from each value to the first key that holds it.",
        "Build the dictionary that leads from the values of $d back to their keys, the earliest key winning.",
        "Which key does each value of $d belong to? Map value to key and prefer the first of several.",
        "Invert $d so that its values become keys; for a repeated value ignore all keys after the first.",
        "For every distinct value in $d, store under it the key where it appears first.",
        "Reverse lookup table of $d: value to key, with the first key in case of duplicates.",
        "Given $d, give a new dict of value: key, in which a later key never replaces an earlier one.",
        "Turn the pairs of $d around; of keys that share a value only the one that comes first is kept.",
        "Where does a value of $d occur first? Answer for all its values in a dict from value to key.",
    ),
    spanish=(
        "Intercambia claves y valores de $d; si un valor se repite, queda su primera clave.",
        "Devuelve $d invertido, de cada valor a la primera clave que lo contiene.",
        "Forma el diccionario que lleva de los valores de $d a sus claves, con prioridad para la clave más temprana.",
        "¿A qué clave pertenece cada valor de $d? Asocia valor y clave, y prefiere la primera si hay varias.",
        "Invierte $d para que sus valores sean claves; si un valor se repite, ignora las claves tras la primera.",
        "Por cada valor distinto de $d, guarda bajo él la clave donde aparece antes.",
        "Tabla de búsqueda inversa de $d: de valor a clave, con la primera clave en caso de duplicados.",
        "Dado $d, da un nuevo diccionario valor: clave en el que una clave posterior nunca sustituya a otra anterior.",
        "Da la vuelta a los pares de $d; de las claves que comparten un valor solo se conserva la que va primero.",
        "¿Dónde aparece por primera vez un valor de $d? Responde por todos en un diccionario de valor a clave.",
    ),
    variants=(
        idiomatic("out = {}\nfor key, item in $d.items():\n    out.setdefault(item, key)\nreturn out"),
        verbose(
            "out = {}\nfor key in $d:\n    item = $d[key]\n    if item not in out:\n        out[item] = key\nreturn out"
        ),
        unguarded("return {item: key for key, item in $d.items()}", cwe=682),
        unguarded("return dict(zip($d.values(), $d))", cwe=682),
        unguarded("out = {}\nfor key in $d:\n    out[$d[key]] = key\nreturn out", cwe=682),
    ),
    basic=_distinct_values,
    edges=_invert_edges,
    properties=("key-error", "argument-mutation", "contract"),
    post="len(result) <= len($d)",
)

MERGE_SUM = Family(
    slug="merge-sum",
    parameters="$d: dict[str, int], $e: dict[str, int]",
    returns="dict[str, int]",
    names={"d": DICTS, "e": DICTS},
    english=(
        "Add $d and $e key by key; a key of only one of them keeps its value, and zero sums stay.",
        "Return a dict with all keys of $d and $e and the sum of their values, a missing one counting as 0.",
        "Merge $d with $e, adding the numbers of shared keys; keep every key, whatever its total.",
        "Sum the two tables $d and $e by key; negative and zero totals are kept as well.",
        "What do $d and $e hold together? Give for every key of either the total of both.",
        "Combine the amounts of $d and $e: shared keys are added up, all others copied.",
        "For each key in $d or $e, store what $d has for it plus what $e has, 0 where it has nothing.",
        "Totals by key over $d and $e, including keys of just one and totals of zero or less.",
        "Key by key, put $d and $e together into a new dict; where both have a number, add the two.",
        "Union of $d and $e in which the values of a common key are summed and no key is dropped.",
    ),
    spanish=(
        "Suma $d y $e clave a clave; una clave que solo esté en uno conserva su valor, y las sumas cero se quedan.",
        "Devuelve un diccionario con todas las claves de $d y $e y la suma de sus valores, 0 si falta alguno.",
        "Fusiona $d con $e sumando los números de las claves comunes; conserva toda clave, sea cual sea su total.",
        "Suma por claves las tablas $d y $e; los totales negativos y los nulos también se conservan.",
        "¿Qué contienen $d y $e en conjunto? Da para cada clave de cualquiera de los dos el total de ambos.",
        "Combina las cantidades de $d y $e: las claves compartidas se suman y las demás se copian.",
        "Por cada clave de $d o de $e, guarda lo que tiene $d más lo que tiene $e, 0 donde no haya nada.",
        "Totales por clave de $d y $e, incluidas las claves de uno solo y los totales de cero o menos.",
        "Clave a clave, reúne $d y $e en un diccionario nuevo; donde ambos tengan un número, suma los dos.",
        "Unión de $d y $e en la que se suman los valores de una clave común y no se pierde ninguna clave.",
    ),
    variants=(
        idiomatic("return {key: $d.get(key, 0) + $e.get(key, 0) for key in {**$d, **$e}}"),
        verbose("out = dict($d)\nfor key, item in $e.items():\n    out[key] = out.get(key, 0) + item\nreturn out"),
        unguarded("out = dict($d)\nfor key, item in $e.items():\n    out[key] += item\nreturn out", cwe=248),
        unguarded(
            "return dict(collections.Counter($d) + collections.Counter($e))", cwe=682, imports="import collections"
        ),
        unguarded("return {key: $d.get(key, 0) + $e.get(key, 0) for key in $d}", cwe=682),
    ),
    basic=_two_tables,
    edges=_merge_edges,
    properties=("key-error", "argument-mutation", "contract"),
    post="len(result) >= len($d)",
)

GROUP_BY_LENGTH = Family(
    slug="group-by-length",
    parameters="$xs: list[str]",
    returns="dict[int, list[str]]",
    names={"xs": STRINGS},
    english=(
        "Group the texts of $xs by length: a dict from each length to its texts, in their order.",
        "Return a dict of lists in which every text of $xs stands under its length, repeats included.",
        "Sort $xs into lists by the number of characters; keys are the lengths and the order stays.",
        "Which texts of $xs have which length? Map each length to the list of them, as they come.",
        "Put each text of $xs in the list of its length and return those lists in a dict; [] gives {}.",
        "Collect $xs by text length; texts of equal length share a list wherever they stand.",
        "Dict from length to all texts of $xs that are so long, in their order of appearance.",
        "By length, file the texts in $xs: {length: [texts]}, keeping order and duplicates.",
        "For every length that occurs in $xs, list all its texts of that length, the earliest first.",
        "Split $xs into groups of texts that are equally long and return them keyed by that length.",
    ),
    spanish=(
        "Agrupa los textos de $xs por longitud: un diccionario de cada longitud a sus textos, en su orden.",
        "Devuelve un diccionario de listas donde cada texto de $xs está bajo su longitud, repetidos incluidos.",
        "Clasifica $xs en listas según el número de caracteres; las claves son las longitudes y el orden se conserva.",
        "¿Qué textos de $xs tienen cada longitud? Asocia cada longitud con la lista de ellos, tal como llegan.",
        "Pon cada texto de $xs en la lista de su longitud y devuelve las listas en un diccionario; [] da {}.",
        "Reúne $xs por longitud de texto; los textos igual de largos comparten lista estén donde estén.",
        "Diccionario de longitud a todos los textos de $xs así de largos, en orden de aparición.",
        "Por longitud, archiva los textos de $xs: {longitud: [textos]}, con su orden y sus duplicados.",
        "Por cada longitud que se dé en $xs, lista todos sus textos de esa longitud, primero los más tempranos.",
        "Divide $xs en grupos de textos igual de largos y devuélvelos con esa longitud como clave.",
    ),
    variants=(
        idiomatic("out = {}\nfor item in $xs:\n    out.setdefault(len(item), []).append(item)\nreturn out"),
        verbose(
            "out = {}\nfor item in $xs:\n    if len(item) not in out:\n        out[len(item)] = []\n"
            "    out[len(item)].append(item)\nreturn out"
        ),
        unguarded(
            "return {key: list(item) for key, item in itertools.groupby($xs, key=len)}",
            cwe=682,
            imports="import itertools",
        ),
        unguarded(
            "out = {}\nfor item in $xs:\n    if item not in out.setdefault(len(item), []):\n"
            "        out[len(item)].append(item)\nreturn out",
            cwe=682,
        ),
    ),
    basic=_by_length,
    edges=_group_edges,
    properties=("key-error", "argument-mutation", "contract"),
    post="len(result) <= len($xs)",
)

COUNT_VALUES = Family(
    slug="count-values",
    parameters="$d: dict[str, int | None]",
    returns="dict[int, int]",
    names={"d": DICTS},
    english=(
        "Count how often each value occurs in $d, leaving None out.",
        "Return a dict from each number in the values of $d to its frequency; None is not counted.",
        "How many keys of $d share each value? Map value to count, without None.",
        "Tally the values of $d, zeros included, and skip those that are None.",
        "For every value of $d other than None, give the number of times that it appears.",
        "Frequencies of the values in $d as a dict, missing ones (None) aside.",
        "Skipping None, tell for each value of $d how many entries have it.",
        "Histogram of the numbers stored in $d: {value: occurrences}, with no entry for None.",
        "Build a table of how many times each number is a value of $d; a None does not count, a 0 does.",
        "Unless it is None, each value in $d adds one to its own count; return the counts.",
    ),
    spanish=(
        "Cuenta cuántas veces aparece cada valor en $d, sin contar None.",
        "Devuelve un diccionario de cada número entre los valores de $d a su frecuencia; None no se cuenta.",
        "¿Cuántas claves de $d comparten cada valor? Asocia valor y cantidad, sin None.",
        "Haz el recuento de los valores de $d, ceros incluidos, y salta los que sean None.",
        "Por cada valor de $d distinto de None, da el número de veces que aparece.",
        "Frecuencias de los valores de $d en un diccionario, dejando aparte los ausentes (None).",
        "Sin tener en cuenta None, di para cada valor de $d cuántas entradas lo tienen.",
        "Histograma de los números guardados en $d: {valor: apariciones}, sin entrada para None.",
        "Forma una tabla con las veces que cada número es un valor de $d; un None no cuenta, un 0 sí.",
        "Salvo que sea None, cada valor de $d suma uno a su propia cuenta; devuelve las cuentas.",
    ),
    variants=(
        idiomatic(
            "return dict(collections.Counter(item for item in $d.values() if item is not None))",
            imports="import collections",
        ),
        verbose(
            "out = {}\nfor item in $d.values():\n    if item is not None:\n        out[item] = out.get(item, 0) + 1\n"
            "return out"
        ),
        unguarded("return dict(collections.Counter($d.values()))", cwe=476, imports="import collections"),
        unguarded(
            "out = {}\nfor item in $d.values():\n    if item:\n        out[item] = out.get(item, 0) + 1\nreturn out",
            cwe=682,
        ),
        unguarded(
            "return dict(collections.Counter(item for item in $d.values() if item))",
            cwe=682,
            imports="import collections",
        ),
    ),
    basic=_repeated_values,
    edges=_count_edges,
    properties=("none-deref", "key-error", "argument-mutation", "contract"),
    post="None not in result and len(result) <= len($d)",
)

KEEP_ABOVE = Family(
    slug="keep-above",
    parameters="$d: dict[str, int]",
    returns="dict[str, int]",
    names={"d": DICTS},
    constants={"c": numbers(-20, 60)},
    english=(
        "Keep the entries of $d whose value is greater than $c; a value of exactly $c goes.",
        "Return the part of $d with values strictly above $c.",
        "Filter $d so that only values over $c remain, $c itself not among them.",
        "Which entries of $d exceed $c? Give them as a dict, without those equal to it.",
        "Drop from a copy of $d each key whose value is $c or less.",
        "Entries of $d that have more than $c, in a new dict.",
        "From $d take every pair whose number is larger than $c, and no other.",
        "Select in $d the keys with values beyond $c, not at it, together with those values.",
        "Leave out of $d whatever does not rise above $c, values equal to $c included; $d itself must not change.",
        "If a value of $d is at most $c, its entry is left out; return a dict of the others.",
    ),
    spanish=(
        "Conserva las entradas de $d cuyo valor sea mayor que $c; un valor de $c justo se va.",
        "Devuelve la parte de $d con valores estrictamente por encima de $c.",
        "Filtra $d para que solo queden valores superiores a $c, sin contar el propio $c.",
        "¿Qué entradas de $d superan $c? Dalas en un diccionario, sin las que sean iguales.",
        "Quita de una copia de $d cada clave cuyo valor sea $c o menos.",
        "Entradas de $d que tienen más de $c, en un diccionario nuevo.",
        "De $d toma cada par cuyo número sea mayor que $c, y ningún otro.",
        "Selecciona en $d las claves con valores más allá de $c, no iguales, junto con esos valores.",
        "Deja fuera de $d lo que no pase de $c, incluidos los valores iguales a $c; $d no debe cambiar.",
        "Si un valor de $d es como mucho $c, su entrada se descarta; devuelve un diccionario con las demás.",
    ),
    variants=(
        idiomatic("return {key: item for key, item in $d.items() if item > $c}"),
        verbose("out = {}\nfor key in $d:\n    if $d[key] > $c:\n        out[key] = $d[key]\nreturn out"),
        unguarded("return {key: item for key, item in $d.items() if item >= $c}", cwe=193),
        unguarded(
            "out = dict($d)\nfor key, item in $d.items():\n    if item < $c:\n        del out[key]\nreturn out", cwe=193
        ),
    ),
    basic=_around,
    edges=_around_edges,
    properties=("key-error", "argument-mutation", "contract"),
    post="all(item > $c for item in result.values())",
)

TOP_KEY = Family(
    slug="top-key",
    parameters="$d: dict[str, int]",
    returns="str | None",
    names={"d": DICTS},
    english=(
        "Return the key of the largest value in $d, the first one on a tie, or None if it is empty.",
        "Find which key of $d has the highest number; equal ones go to the earlier key, an empty dict gives None.",
        "Who leads in $d? Answer the key with the greatest value, the first of equals, None for nobody.",
        "Give the key under which $d stores its maximum; None without entries, the earliest of several.",
        "Key of the top value of $d, or None for an empty dict; ties are won by the first key.",
        "If $d is empty return None, else the first key that no other exceeds in value.",
        "Among the keys of $d pick the one with the biggest value, the earliest if tied; {} gives None.",
        "Look for the winner of $d, that is, the first key with the maximum value; None if there is none.",
        "The best key in $d by value, with None when there are no keys; of equally good ones, the first.",
        "Run through $d and remember a key whenever its value beats all before; return the last remembered, or None.",
    ),
    spanish=(
        "Devuelve la clave del mayor valor de $d, la primera si hay empate, o None si está vacío.",
        "Encuentra qué clave de $d tiene el número más alto; si empatan, la anterior; un diccionario vacío da None.",
        "¿Quién va en cabeza en $d? Responde la clave de mayor valor, la primera entre iguales, None si nadie.",
        "Da la clave bajo la que $d guarda su máximo; None sin entradas, la más temprana si hay varias.",
        "Clave del valor más alto de $d, o None para un diccionario vacío; los empates los gana la primera.",
        "Si $d está vacío devuelve None; si no, la primera clave a la que ninguna otra supere en valor.",
        "Entre las claves de $d elige la de mayor valor, la más temprana si empatan; {} da None.",
        "Busca la ganadora de $d, es decir, la primera clave con el valor máximo; None si no la hay.",
        "La mejor clave de $d por su valor, con None cuando no haya claves; entre las igual de buenas, la primera.",
        "Recorre $d y recuerda una clave si su valor supera a todos los previos; da la última recordada, o None.",
    ),
    variants=(
        idiomatic("return max($d, key=$d.get, default=None)"),
        verbose("out = None\nfor key in $d:\n    if out is None or $d[key] > $d[out]:\n        out = key\nreturn out"),
        unguarded("return max($d, key=$d.get)", cwe=248),
        unguarded("return sorted($d, key=$d.get)[-1]", cwe=129),
        unguarded(
            "out, right = None, 0\nfor key, item in $d.items():\n    if item > right:\n        out, right = key, item\n"
            "return out",
            cwe=665,
        ),
    ),
    basic=_distinct_values,
    edges=_top_edges,
    properties=("value-error", "index-error", "key-error", "contract"),
    post="result in $d if $d else result is None",
)

FAMILIES = (INVERT, MERGE_SUM, GROUP_BY_LENGTH, COUNT_VALUES, KEEP_ABOVE, TOP_KEY)
