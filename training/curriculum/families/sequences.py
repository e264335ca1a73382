"""Families over sequences: rotations, windows, running sums, pairs of lists, partitions, searches, matrices."""

from __future__ import annotations

from random import Random

from training.curriculum.family import Arguments, Family, Slots, idiomatic, unguarded, verbose
from training.curriculum.slots import INTS, LISTS, numbers


def _values(rng: Random, low: int, high: int) -> list[int]:
    return [rng.randint(-20, 90) for _ in range(rng.randint(low, high))]


def _turn(rng: Random, slots: Slots) -> Arguments:
    values = _values(rng, 3, 6)
    return values, rng.randint(0, len(values) - 1)


def _turn_edges(rng: Random, slots: Slots) -> list[Arguments]:
    values = rng.sample(range(-20, 90), 3)
    return [([], rng.randint(1, 5)), ([], 0), (values, 4), (values, -1), (values, -4), (values, 3)]


def _nested(rng: Random, slots: Slots) -> Arguments:
    return ([_values(rng, 1, 3) for _ in range(rng.randint(2, 4))],)


def _nested_edges(rng: Random, slots: Slots) -> list[Arguments]:
    value = rng.randint(-9, 60)
    return [([],), ([[]],), ([[], []],), ([[value], [], [value, 1]],), ([[value]],)]


def _window(rng: Random, slots: Slots) -> Arguments:
    values = [rng.randint(0, 60) for _ in range(rng.randint(3, 6))]
    return values, rng.randint(1, len(values))


def _window_edges(rng: Random, slots: Slots) -> list[Arguments]:
    low, high = rng.randint(1, 9), rng.randint(10, 60)
    return [([low, high], 0), ([low, high], -1), ([low, high], 3), ([], 1), ([low, -high, -low], 2), ([-high], 1)]


def _mean_edges(rng: Random, slots: Slots) -> list[Arguments]:
    return [*_window_edges(rng, slots), ([-3, -4, 2], 2)]


def _list(rng: Random, slots: Slots) -> Arguments:
    return (_values(rng, 2, 6),)


def _list_edges(rng: Random, slots: Slots) -> list[Arguments]:
    return [([],), ([rng.randint(-9, 60)],), ([0, 0],), ([-3, -1, -2],)]


def _equally_long(rng: Random, slots: Slots) -> Arguments:
    first = _values(rng, 2, 5)
    return first, [rng.randint(-20, 90) for _ in first]


def _pair_edges(rng: Random, slots: Slots) -> list[Arguments]:
    value = rng.randint(1, 60)
    return [([], []), ([value], []), ([], [value]), ([1, 2, value], [5, 6]), ([value], [-value, 3, 4])]


def _around(rng: Random, slots: Slots) -> Arguments:
    # Numbers on both sides of the limit, and never the limit itself.
    limit = int(slots["c"])
    values = [limit - rng.randint(1, 25) for _ in range(rng.randint(1, 3))]
    values += [limit + rng.randint(1, 25) for _ in range(rng.randint(1, 3))]
    rng.shuffle(values)
    return (values,)


def _around_edges(rng: Random, slots: Slots) -> list[Arguments]:
    limit = int(slots["c"])
    return [
        ([],),
        ([limit, limit - 1],),
        ([limit],),
        ([limit + 1, limit, limit - 2, limit],),
        ([limit - 1, limit - 3],),
    ]


def _shared(rng: Random, slots: Slots) -> Arguments:
    # In increasing order and without repeats, as code that sorts or repeats them needs it.
    first = sorted(rng.sample(range(-20, 90), rng.randint(3, 5)))
    second = rng.sample(first, 2) + _values(rng, 1, 3)
    rng.shuffle(second)
    return first, second


def _shared_edges(rng: Random, slots: Slots) -> list[Arguments]:
    low, high = rng.randint(-9, 20), rng.randint(30, 60)
    return [([], [low]), ([low], []), ([high, low, high], [low, high]), ([low], [high]), ([high, high], [high, high])]


def _found(rng: Random, slots: Slots) -> Arguments:
    values = sorted(rng.sample(range(-20, 90), rng.randint(3, 7)))
    return values, rng.choice(values)


def _found_edges(rng: Random, slots: Slots) -> list[Arguments]:
    low, high = rng.randint(-20, 20), rng.randint(40, 90)
    return [
        ([], low),
        ([low, high], high + 1),
        ([low, high], low - 1),
        ([low, high], low + 1),
        ([low], low),
        ([low, 30, high], high),
    ]


def _matrix(rng: Random, slots: Slots) -> Arguments:
    width = rng.randint(1, 4)
    return ([[rng.randint(-9, 60) for _ in range(width)] for _ in range(rng.randint(2, 3))],)


def _matrix_edges(rng: Random, slots: Slots) -> list[Arguments]:
    low, high = rng.randint(-9, 9), rng.randint(10, 60)
    return [([],), ([[]],), ([[low, high], [high]],), ([[low], [high, 5]],), ([[low, high]],), ([[1, 2], []],)]


def _distinct(rng: Random, slots: Slots) -> Arguments:
    return (rng.sample(range(-20, 90), rng.randint(3, 6)),)


def _maybe_edges(rng: Random, slots: Slots) -> list[Arguments]:
    value = rng.randint(1, 60)
    return [(None,), ([],), ([value, value],), ([-value, value, -value],), ([value],)]


ROTATE = Family(
    slug="rotate",
    parameters="$xs: list[int], $k: int",
    returns="list[int]",
    names={"xs": LISTS, "k": INTS},
    english=(
        "Rotate $xs to the left by $k places; a negative $k turns right, and an empty list stays empty.",
        "Return $xs with its first $k elements moved to the end, in a cycle for any integer $k; [] stays [].",
        "Shift $xs left in a circle by $k, which may be negative or exceed the length; [] gives [].",
        "What does $xs look like after $k left rotations? A negative $k means to the right; [] gives [].",
        "Left rotation of $xs by $k places, wrapping around if $k is large or negative, empty lists included.",
        "Start $xs at index $k modulo its length and wrap around to the beginning; an empty $xs gives [].",
        "If $xs is empty return []; else turn it $k steps to the left, or to the right when $k < 0.",
        "Cyclic shift of the list $xs: $k steps left, any whole $k allowed, and nothing to do for [].",
        "Take an element off the front of $xs and put it at the back, $k times (reversed if $k < 0); [] gives [].",
        "Move every number of $xs $k places towards the front, circularly, whatever $k is; [] for [].",
    ),
    spanish=(
        "Rota $xs a la izquierda $k lugares; un $k negativo gira a la derecha y una lista vacía queda vacía.",
        "Devuelve $xs con sus $k primeros elementos pasados al final, en ciclo para todo entero $k; [] no cambia.",
        "Desplaza $xs en círculo $k lugares a la izquierda, aunque $k sea negativo o supere la longitud; [] da [].",
        "¿Cómo queda $xs tras $k rotaciones a la izquierda? Un $k negativo indica a la derecha; [] da [].",
        "Rotación de $xs $k lugares a la izquierda, en círculo si $k es grande o negativo, también con listas vacías.",
        "Empieza $xs en el índice $k módulo su longitud y sigue en círculo desde el principio; $xs vacía da [].",
        "Si $xs está vacía devuelve []; si no, gírala $k pasos a la izquierda, o a la derecha cuando $k < 0.",
        "Desplazamiento cíclico de la lista $xs: $k pasos a la izquierda, vale cualquier entero $k y [] no cambia.",
        "Quita un elemento del principio de $xs y ponlo al final, $k veces (al revés si $k < 0); [] da [].",
        "Mueve cada número de $xs $k lugares hacia el principio, en círculo, sea cual sea $k; [] para [].",
    ),
    variants=(
        idiomatic("pos = $k % len($xs) if $xs else 0\nreturn $xs[pos:] + $xs[:pos]"),
        verbose("out = []\nfor pos in range(len($xs)):\n    out.append($xs[(pos + $k) % len($xs)])\nreturn out"),
        unguarded("pos = $k % len($xs)\nreturn $xs[pos:] + $xs[:pos]", cwe=369),
        unguarded("return $xs[$k:] + $xs[:$k]", cwe=682),
        unguarded("for _ in range($k):\n    $xs.append($xs.pop(0))\nreturn $xs", cwe=129),
    ),
    basic=_turn,
    edges=_turn_edges,
    properties=("zero-division", "index-error", "argument-mutation", "contract"),
    post="not $xs or result[0] == $xs[$k % len($xs)]",
)

FLATTEN = Family(
    slug="flatten",
    parameters="$xs: list[list[int]]",
    returns="list[int]",
    names={"xs": LISTS},
    english=(
        "Join the inner lists of $xs into one list, in order; no inner lists give [].",
        "Flatten $xs by one level and return a new list, empty if $xs is.",
        "What numbers do the lists inside $xs hold, one after another? Answer [] when there are none.",
        "Put all elements of the sublists of $xs in a single list, keeping their order; [] for an empty $xs.",
        "A flat list with the contents of every list in $xs, from first to last, even when $xs is empty.",
        "Concatenate the lists that $xs contains; without any, the result is an empty list.",
        "If $xs is empty return []; otherwise chain its lists together in a new one.",
        "Turn the list of lists $xs into a plain list of its numbers, in order and with [] for nothing.",
        "Remove one level of nesting from $xs, where both $xs and its parts may be empty.",
        "Read $xs row by row and collect each number in one list, which is empty if $xs has no rows.",
    ),
    spanish=(
        "Une las listas interiores de $xs en una sola, en orden; si no hay listas interiores, da [].",
        "Aplana $xs un nivel y devuelve una lista nueva, vacía si $xs lo está.",
        "¿Qué números contienen, una tras otra, las listas de $xs? Responde [] cuando no haya ninguno.",
        "Pon todos los elementos de las sublistas de $xs en una única lista, en su orden; [] si $xs está vacía.",
        "Lista plana con el contenido de cada lista de $xs, de la primera a la última, aunque $xs esté vacía.",
        "Concatena las listas que contiene $xs; si no hay ninguna, el resultado es una lista vacía.",
        "Si $xs está vacía devuelve []; en otro caso, encadena sus listas en una nueva.",
        "Convierte la lista de listas $xs en una lista simple de sus números, en orden y con [] si no hay nada.",
        "Quita un nivel de anidamiento a $xs, donde tanto $xs como sus partes pueden estar vacías.",
        "Lee $xs fila a fila y recoge cada número en una sola lista, que queda vacía si $xs no tiene filas.",
    ),
    variants=(
        idiomatic("return [item for left in $xs for item in left]"),
        verbose("out = []\nfor item in $xs:\n    out.extend(item)\nreturn out"),
        unguarded("out = $xs[0]\nfor item in $xs[1:]:\n    out = out + item\nreturn out", cwe=129),
        unguarded(
            "return functools.reduce(lambda left, right: left + right, $xs)", cwe=248, imports="import functools"
        ),
        unguarded("return sum($xs[1:], $xs[0])", cwe=129),
    ),
    basic=_nested,
    edges=_nested_edges,
    properties=("index-error", "type-error", "argument-mutation"),
)

WINDOW_SUMS = Family(
    slug="window-sums",
    parameters="$xs: list[int], $k: int",
    returns="list[int]",
    names={"xs": LISTS, "k": INTS},
    english=(
        "Return the sums of all runs of $k consecutive numbers in $xs; [] if $k is below 1 or too large.",
        "Slide a window of width $k over $xs and sum it at each place; $k under 1 or over the length gives [].",
        "What are the totals of every $k neighbouring elements of $xs? Answer [] unless 1 <= $k <= len($xs).",
        "If $k is below 1 or above the length of $xs return [], else the sum of each window of size $k.",
        "Sliding sums of $xs with width $k, or an empty list when $k is not between 1 and the length.",
        "Add up each stretch of $k adjacent items of $xs, left to right; [] if none fits or $k < 1.",
        "For every start where $k elements of $xs fit, give their sum; [] if none fit or $k is not positive.",
        "List the sums of the contiguous slices of $xs of length $k, or [] for $k zero, negative or too big.",
        "Total each block of $k numbers in a row in $xs, with overlap; a $k that is too wide or below 1 gives [].",
        "Moving sum of $xs over $k elements at a time; the list is empty if $k < 1 or $k > len($xs).",
    ),
    spanish=(
        "Devuelve las sumas de todos los tramos de $k números seguidos de $xs; [] si $k es menor que 1 o excesivo.",
        "Desliza una ventana de ancho $k sobre $xs y súmala en cada lugar; $k menor que 1 o mayor que la longitud da [].",
        "¿Cuánto suman cada $k elementos vecinos de $xs? Responde [] salvo que 1 <= $k <= len($xs).",
        "Si $k es menor que 1 o supera la longitud de $xs devuelve []; si no, la suma de cada ventana de tamaño $k.",
        "Sumas deslizantes de $xs con ancho $k, o una lista vacía cuando $k no esté entre 1 y la longitud.",
        "Suma cada tramo de $k elementos contiguos de $xs, de izquierda a derecha; [] si no cabe ninguno o $k < 1.",
        "Para cada inicio en el que quepan $k elementos de $xs, da su suma; [] si no caben o $k no es positivo.",
        "Lista las sumas de los trozos contiguos de $xs de longitud $k, o [] con $k cero, negativo o demasiado grande.",
        "Totaliza cada bloque de $k números seguidos de $xs, con solape; un $k demasiado ancho o menor que 1 da [].",
        "Suma móvil de $xs con $k elementos cada vez; la lista queda vacía si $k < 1 o $k > len($xs).",
    ),
    variants=(
        idiomatic("if $k < 1:\n    return []\nreturn [sum($xs[pos : pos + $k]) for pos in range(len($xs) - $k + 1)]"),
        verbose(
            "if $k < 1 or $k > len($xs):\n    return []\nout = [sum($xs[:$k])]\nfor pos in range($k, len($xs)):\n"
            "    out.append(out[-1] + $xs[pos] - $xs[pos - $k])\nreturn out"
        ),
        unguarded("return [sum($xs[pos : pos + $k]) for pos in range(len($xs) - $k + 1)]", cwe=20),
        unguarded(
            "out = [sum($xs[:$k])]\nfor pos in range($k, len($xs)):\n"
            "    out.append(out[-1] + $xs[pos] - $xs[pos - $k])\nreturn out",
            cwe=20,
        ),
    ),
    basic=_window,
    edges=_window_edges,
    properties=("index-error", "contract"),
    post="result == [] if $k < 1 else len(result) == max(0, len($xs) - $k + 1)",
)

RUNNING_TOTAL = Family(
    slug="running-total",
    parameters="$xs: list[int]",
    returns="list[int]",
    names={"xs": LISTS},
    english=(
        "Return the list of running totals of $xs; an empty list gives [].",
        "For each position of $xs give the sum of all numbers up to and including it; [] for [].",
        "What does the sum of $xs amount to after each element? Return a list, empty if $xs is.",
        "Cumulative sums of $xs, in a new list that is empty for an empty $xs.",
        "Accumulate $xs: each result adds one more number to the previous total, and [] stays [].",
        "If $xs is empty return []; otherwise the partial sums of its numbers from the first one on.",
        "Build a list where every entry is the total of $xs so far, with no entries for an empty $xs.",
        "Keep adding the numbers of $xs and note the sum after each; without numbers give [].",
        "Turn $xs into its prefix sums, one for each element, so that [] gives [].",
        "List of the same length as $xs, even if that is 0, whose items are the sums up to each place.",
    ),
    spanish=(
        "Devuelve la lista de totales acumulados de $xs; una lista vacía da [].",
        "Para cada posición de $xs da la suma de todos los números hasta ella, incluida; [] para [].",
        "¿Cuánto va sumando $xs tras cada elemento? Devuelve una lista, vacía si $xs lo está.",
        "Sumas acumuladas de $xs, en una lista nueva que queda vacía si lo está $xs.",
        "Acumula $xs: cada resultado añade un número más al total anterior, y [] sigue siendo [].",
        "Si $xs está vacía devuelve []; en otro caso, las sumas parciales de sus números desde el primero.",
        "Construye una lista en la que cada entrada sea el total de $xs hasta ahí, sin entradas si $xs está vacía.",
        "Ve sumando los números de $xs y anota la suma tras cada uno; si no hay números, da [].",
        "Convierte $xs en sus sumas de prefijos, una por elemento, de modo que [] dé [].",
        "Lista de igual longitud que $xs, aunque sea 0, cuyos elementos son las sumas hasta cada lugar.",
    ),
    variants=(
        idiomatic("out, left = [], 0\nfor item in $xs:\n    left += item\n    out.append(left)\nreturn out"),
        idiomatic("return list(accumulate($xs))", imports="from itertools import accumulate"),
        unguarded("out = [$xs[0]]\nfor item in $xs[1:]:\n    out.append(out[-1] + item)\nreturn out", cwe=129),
        unguarded("out = [$xs.pop(0)]\nfor item in $xs:\n    out.append(out[-1] + item)\nreturn out", cwe=129),
        unguarded(
            "left = $xs[0]\nout = [left]\nfor item in $xs[1:]:\n    left += item\n    out.append(left)\nreturn out",
            cwe=129,
        ),
        unguarded(
            "return functools.reduce(lambda left, right: [*left, left[-1] + right], $xs[1:], [$xs[0]])",
            cwe=129,
            imports="import functools",
        ),
    ),
    basic=_list,
    edges=_list_edges,
    properties=("index-error", "argument-mutation", "contract"),
    post="len(result) == len($xs)",
)

ZIP_SUM = Family(
    slug="zip-sum",
    parameters="$xs: list[int], $ys: list[int]",
    returns="list[int]",
    names={"xs": LISTS, "ys": LISTS},
    english=(
        "Add $xs and $ys element by element; stop at the end of the shorter list.",
        "Return the sums of the numbers of $xs and $ys at equal positions, ignoring what one list has in excess.",
        "What do $xs and $ys add up to place by place? Only the places that both have count.",
        "Pair the items of $xs with those of $ys and sum each pair; leftovers of the longer one are dropped.",
        "Elementwise sum of the lists $xs and $ys, as long as the shorter of them.",
        "If $xs and $ys differ in length cut the longer one, then add the numbers at the same index.",
        "For every index that exists in both $xs and $ys, give the sum of the two numbers there.",
        "Combine $xs with $ys by adding their first numbers, their second ones and so on while both last.",
        "List whose entry at each position is the total of $xs and $ys there, without the tail of the longer.",
        "Walk through $xs and $ys in step, collecting the sum of each two numbers until either list ends.",
    ),
    spanish=(
        "Suma $xs y $ys elemento a elemento; detente al final de la lista más corta.",
        "Devuelve las sumas de los números de $xs y $ys en posiciones iguales, sin lo que sobre en una de ellas.",
        "¿Cuánto suman $xs y $ys lugar por lugar? Solo cuentan los lugares que tienen ambas.",
        "Empareja los elementos de $xs con los de $ys y suma cada pareja; lo que sobre de la más larga se descarta.",
        "Suma por posiciones de las listas $xs y $ys, tan larga como la más corta de las dos.",
        "Si $xs y $ys difieren en longitud recorta la más larga, y luego suma los números de igual índice.",
        "Para cada índice que exista tanto en $xs como en $ys, da la suma de los dos números que hay en él.",
        "Combina $xs con $ys sumando sus primeros números, los segundos y así sucesivamente mientras duren ambas.",
        "Lista cuya entrada en cada posición es el total de $xs y $ys en ella, sin la cola de la más larga.",
        "Recorre $xs y $ys a la par y reúne la suma de cada dos números hasta que se acabe una de las listas.",
    ),
    variants=(
        idiomatic("return [left + right for left, right in zip($xs, $ys)]"),
        verbose(
            "out = []\nfor pos in range(min(len($xs), len($ys))):\n    out.append($xs[pos] + $ys[pos])\nreturn out"
        ),
        unguarded("return [$xs[pos] + $ys[pos] for pos in range(len($xs))]", cwe=129),
        unguarded("return [left + right for left, right in zip($xs, $ys, strict=True)]", cwe=248),
        unguarded("return [item + $ys[pos] for pos, item in enumerate($xs)]", cwe=129),
    ),
    basic=_equally_long,
    edges=_pair_edges,
    properties=("index-error", "value-error", "contract"),
    post="len(result) == min(len($xs), len($ys))",
)

PARTITION_AT = Family(
    slug="partition-at",
    parameters="$xs: list[int]",
    returns="list[int]",
    names={"xs": LISTS},
    constants={"c": numbers(-20, 60)},
    english=(
        "Put the numbers of $xs below $c first and the others after them, keeping the order within both groups.",
        "Return a new list with the elements of $xs under $c, then the rest, each part in its original order.",
        "Copy $xs so that values less than $c lead and those of $c or more follow, in their old order.",
        "Stable partition of $xs at $c: smaller numbers in front, equal or larger ones behind.",
        "Which list has the values of $xs smaller than $c and then all the rest, both in the order they came?",
        "Split $xs at $c and join it again, lower values first, then $c and above; otherwise the order stays.",
        "What is less than $c in $xs goes to the front and what is at least $c to the back, without sorting.",
        "First the items of $xs lower than $c, then those that are not, neither group being reordered.",
        "Arrange a copy of $xs so that numbers under $c precede numbers from $c up, with no other change of order.",
        "Move the elements of $xs that are $c or greater behind the smaller ones; the order is otherwise kept.",
    ),
    spanish=(
        "Pon primero los números de $xs menores que $c y después los demás, conservando el orden en ambos grupos.",
        "Devuelve una lista nueva con los elementos de $xs por debajo de $c y luego el resto, en su orden original.",
        "Copia $xs de modo que los valores menores que $c vayan delante y los de $c o más detrás, en su orden.",
        "Partición estable de $xs en $c: los números menores delante, los iguales o mayores detrás.",
        "¿Qué lista tiene los valores de $xs menores que $c y luego todos los demás, en el orden en que llegaron?",
        "Separa $xs por $c y vuelve a unirla, antes los valores más bajos, luego $c y los superiores, sin más cambios.",
        "Lo que en $xs es menor que $c va al principio y lo que vale al menos $c al final, sin ordenar nada más.",
        "Primero los elementos de $xs inferiores a $c, luego los que no lo son, sin reordenar ningún grupo.",
        "Dispón una copia de $xs con los números bajo $c antes que los de $c en adelante, sin otro cambio de orden.",
        "Lleva los elementos de $xs que son $c o mayores detrás de los más pequeños; por lo demás, el orden no varía.",
    ),
    variants=(
        idiomatic("return [item for item in $xs if item < $c] + [item for item in $xs if item >= $c]"),
        idiomatic("return sorted($xs, key=lambda item: item >= $c)"),
        verbose(
            "left, right = [], []\nfor item in $xs:\n    if item < $c:\n        left.append(item)\n"
            "    else:\n        right.append(item)\nreturn left + right"
        ),
        unguarded("return [item for item in $xs if item < $c] + [item for item in $xs if item > $c]", cwe=193),
        unguarded("return sorted($xs, key=lambda item: item > $c)", cwe=193),
    ),
    basic=_around,
    edges=_around_edges,
    properties=("argument-mutation", "contract"),
    post="len(result) == len($xs)",
)

COMMON_VALUES = Family(
    slug="common-values",
    parameters="$xs: list[int], $ys: list[int]",
    returns="list[int]",
    names={"xs": LISTS, "ys": LISTS},
    english=(
        "Return the values that occur in both $xs and $ys, each once, in the order of $xs.",
        "List the numbers of $xs that $ys also has, without repeats, as they first appear in $xs.",
        "Which numbers are in $xs as well as in $ys? Name each once, in the order in which $xs has them.",
        "Keep from $xs only what is in $ys too, dropping duplicates but not the order.",
        "Intersection of $xs and $ys, ordered like $xs and free of repetitions.",
        "Take each different element of $xs in turn and keep it if $ys contains it.",
        "The shared values of the lists $xs and $ys: no value twice, order taken from $xs.",
        "If a number of $xs is found in $ys, include it the first time it comes; leave out all else.",
        "Filter $xs by membership in $ys and remove repeated values, the earliest staying in place.",
        "Give once, and in the sequence $xs has them, the elements common to $xs and $ys.",
    ),
    spanish=(
        "Devuelve los valores que aparecen tanto en $xs como en $ys, cada uno una vez, en el orden de $xs.",
        "Enumera los números de $xs que también tiene $ys, sin repetir y según aparecen por primera vez en $xs.",
        "¿Qué números están en $xs y además en $ys? Nombra cada uno una sola vez, en el orden que tienen en $xs.",
        "Conserva de $xs solo lo que también está en $ys, quitando los duplicados pero no el orden.",
        "Intersección de $xs y $ys, ordenada como $xs y libre de repeticiones.",
        "Toma uno por uno los elementos distintos de $xs y quédate con los que $ys contenga.",
        "Los valores compartidos por las listas $xs y $ys: ninguno dos veces, con el orden de $xs.",
        "Si un número de $xs se encuentra en $ys, inclúyelo la primera vez que salga; deja fuera todo lo demás.",
        "Filtra $xs según lo que hay en $ys y elimina los valores repetidos, dejando el primero en su sitio.",
        "Da una sola vez, y en la secuencia en que $xs los tiene, los elementos comunes a $xs y $ys.",
    ),
    variants=(
        idiomatic("return [item for item in dict.fromkeys($xs) if item in $ys]"),
        verbose(
            "out = []\nfor item in $xs:\n    if item in $ys and item not in out:\n        out.append(item)\nreturn out"
        ),
        unguarded("return sorted(set($xs) & set($ys))", cwe=682),
        unguarded("return [item for item in $xs if item in $ys]", cwe=682),
        unguarded("left = set($ys)\nreturn [item for item in $xs if item in left]", cwe=682),
    ),
    basic=_shared,
    edges=_shared_edges,
    properties=("argument-mutation", "contract"),
    post="len(result) == len(set($xs) & set($ys))",
)

BINARY_SEARCH = Family(
    slug="binary-search",
    parameters="$xs: list[int], $n: int",
    returns="int",
    names={"xs": LISTS, "n": INTS},
    english=(
        "Return the index of $n in the sorted list $xs, or -1 if it is not there.",
        "Search the ascending list $xs for $n by halving; give its position, and -1 when it is missing.",
        "At which index of the sorted $xs does $n stand? Answer -1 if at none.",
        "Binary search for $n in $xs, already in increasing order; -1 if there is no such element.",
        "If the ordered list $xs contains $n return where, counting from 0; otherwise return -1.",
        "Find $n in $xs, which is sorted upwards, and report its index; an absent number gives -1.",
        "Position of $n within the sorted numbers $xs, with -1 for a number not among them.",
        "-1 if $n does not occur in $xs, else its index there, given that $xs is in ascending order.",
        "Locate the number $n in the list $xs, sorted from low to high, using -1 for not found.",
        "Look for $n between the two ends of the sorted list $xs and tell its index, or -1 if it is absent.",
    ),
    spanish=(
        "Devuelve el índice de $n en la lista ordenada $xs, o -1 si no está.",
        "Busca $n en la lista ascendente $xs partiéndola por la mitad; da su posición, y -1 cuando falte.",
        "¿En qué índice de $xs, ya ordenada, se encuentra $n? Responde -1 si en ninguno.",
        "Búsqueda binaria de $n en $xs, que está en orden creciente; -1 si no hay tal elemento.",
        "Si la lista ordenada $xs contiene $n devuelve dónde, contando desde 0; si no, devuelve -1.",
        "Encuentra $n en $xs, ordenada de forma creciente, e informa de su índice; un número ausente da -1.",
        "Posición de $n entre los números ordenados $xs, con -1 para un número que no esté entre ellos.",
        "-1 si $n no aparece en $xs y, si aparece, su índice, sabiendo que $xs está en orden ascendente.",
        "Localiza el número $n en la lista $xs, ordenada de menor a mayor, usando -1 si no se halla.",
        "Mira entre los dos extremos de la lista ordenada $xs dónde está $n y di su índice, o -1 si no aparece.",
    ),
    variants=(
        idiomatic(
            "pos = bisect_left($xs, $n)\nreturn pos if pos < len($xs) and $xs[pos] == $n else -1",
            imports="from bisect import bisect_left",
        ),
        verbose(
            "low, high = 0, len($xs)\nwhile low < high:\n    pos = (low + high) // 2\n    if $xs[pos] < $n:\n"
            "        low = pos + 1\n    else:\n        high = pos\n"
            "return low if low < len($xs) and $xs[low] == $n else -1"
        ),
        unguarded(
            "pos = bisect_left($xs, $n)\nreturn pos if $xs[pos] == $n else -1",
            cwe=129,
            imports="from bisect import bisect_left",
        ),
        unguarded("return $xs.index($n)", cwe=248),
        unguarded(
            "low, high = 0, len($xs) - 1\nwhile low < high:\n    pos = (low + high) // 2\n    if $xs[pos] < $n:\n"
            "        low = pos + 1\n    else:\n        high = pos\nreturn low if $xs[low] == $n else -1",
            cwe=129,
        ),
        unguarded(
            "pos = bisect_left($xs, $n)\nreturn pos if pos <= len($xs) and $xs[pos] == $n else -1",
            cwe=193,
            imports="from bisect import bisect_left",
        ),
    ),
    basic=_found,
    edges=_found_edges,
    properties=("index-error", "value-error", "contract"),
    post="result == -1 or (0 <= result < len($xs) and $xs[result] == $n)",
)

MOVING_AVERAGE = Family(
    slug="moving-average",
    parameters="$xs: list[int], $k: int",
    returns="list[int]",
    names={"xs": LISTS, "k": INTS},
    english=(
        "Return the average of each $k consecutive numbers of $xs, rounded down; [] if $k < 1 or $k > len($xs).",
        "Slide a window of $k over $xs and give each mean, rounded down; [] if $k is below 1 or no window fits.",
        "What are the floored means of every $k neighbours in $xs? Answer [] for $k not from 1 to its length.",
        "If $k is under 1 or exceeds the length of $xs return []; else floor the mean of every window of size $k.",
        "Integer moving average of $xs with width $k, rounding down; [] when $k is not positive or too wide.",
        "For each group of $k adjacent values in $xs compute sum // $k; a $k under 1 or too big gives [].",
        "Smooth $xs: replace each window of $k numbers by its floored average, or give [] for $k not in 1..len($xs).",
        "Averages, rounded down, of the contiguous slices of $xs of length $k; [] if $k < 1 or none fits.",
        "Take $k elements of $xs at a time, advancing by one, and list their floored means; [] if $k < 1 or none fit.",
        "Rolling mean of $xs over $k items, always rounded down, with [] if $k is zero, negative or too large.",
    ),
    spanish=(
        "Devuelve la media de cada $k números seguidos de $xs, redondeada hacia abajo; [] si $k < 1 o $k > len($xs).",
        "Desliza una ventana de $k sobre $xs y da cada media redondeada hacia abajo; [] si $k < 1 o no cabe ninguna.",
        "¿Qué media, redondeada a la baja, tiene cada grupo de $k vecinos de $xs? [] si $k no va de 1 a su longitud.",
        "Si $k < 1 o supera la longitud de $xs devuelve []; si no, la media de cada $k seguidos, redondeada a la baja.",
        "Media móvil entera de $xs con ancho $k, redondeando hacia abajo; [] cuando $k no sea positivo o no quepa.",
        "Para cada grupo de $k valores contiguos de $xs calcula suma // $k; un $k menor que 1 o demasiado grande da [].",
        "Suaviza $xs: cambia cada ventana de $k números por su media a la baja, o da [] si $k no está en 1..len($xs).",
        "Promedios, redondeados hacia abajo, de los trozos contiguos de $xs de longitud $k; [] si $k < 1 o no caben.",
        "Toma $k elementos de $xs cada vez, avanzando uno, y lista sus medias a la baja; [] si $k < 1 o no caben.",
        "Promedio móvil de $xs sobre $k elementos, siempre a la baja, con [] si $k es cero, negativo o excesivo.",
    ),
    variants=(
        idiomatic(
            "if $k < 1:\n    return []\nreturn [sum($xs[pos : pos + $k]) // $k for pos in range(len($xs) - $k + 1)]"
        ),
        verbose(
            "out = []\nif $k > 0:\n    for pos in range(len($xs) - $k + 1):\n"
            "        item = sum($xs[pos : pos + $k])\n        out.append(item // $k)\nreturn out"
        ),
        unguarded("return [sum($xs[pos : pos + $k]) // $k for pos in range(len($xs) - $k + 1)]", cwe=369),
        unguarded(
            "if $k == 0:\n    return []\nreturn [sum($xs[pos : pos + $k]) // $k for pos in range(len($xs) - $k + 1)]",
            cwe=20,
        ),
        unguarded(
            "if $k < 1:\n    return []\nreturn [int(sum($xs[pos : pos + $k]) / $k) for pos in range(len($xs) - $k + 1)]",
            cwe=682,
        ),
    ),
    basic=_window,
    edges=_mean_edges,
    properties=("zero-division", "contract"),
    post="result == [] if $k < 1 else len(result) == max(0, len($xs) - $k + 1)",
)

TRANSPOSE = Family(
    slug="transpose",
    parameters="$xs: list[list[int]]",
    returns="list[list[int]]",
    names={"xs": LISTS},
    english=(
        "Swap rows and columns of $xs; the shortest row decides how many columns count, and [] gives [].",
        "Return the transpose of the matrix $xs, cutting all rows to the shortest; no rows give [].",
        "What are the columns of $xs as lists? Ragged rows count up to the shortest; an empty $xs gives [].",
        "If $xs has no rows return [], else its columns, as many as its shortest row has elements.",
        "Transposed copy of $xs, with the excess of longer rows left out and [] for an empty matrix.",
        "Turn each column of $xs into a row, up to where the shortest row ends; [] stays [].",
        "Build the list of columns of $xs; a column counts only if every row reaches it, and [] has none.",
        "Flip the table $xs over its diagonal, trimming rows to the length of the shortest; [] if it is empty.",
        "For every position that all rows of $xs have, list their numbers there; without rows the result is [].",
        "Make the rows of $xs its columns and the columns its rows, dropping incomplete columns; [] for [].",
    ),
    spanish=(
        "Intercambia filas y columnas de $xs; la fila más corta decide cuántas columnas cuentan, y [] da [].",
        "Devuelve la traspuesta de la matriz $xs, recortando las filas a la más corta; sin filas da [].",
        "¿Cuáles son las columnas de $xs como listas? Las filas desiguales valen hasta la más corta; $xs vacía da [].",
        "Si $xs no tiene filas devuelve []; si no, sus columnas, tantas como elementos tenga su fila más corta.",
        "Copia traspuesta de $xs, sin lo que sobra de las filas más largas y con [] para una matriz vacía.",
        "Convierte cada columna de $xs en fila, hasta donde acaba la fila más corta; [] sigue siendo [].",
        "Forma la lista de columnas de $xs; una columna solo cuenta si toda fila llega a ella, y [] no tiene ninguna.",
        "Voltea la tabla $xs sobre su diagonal, recortando las filas a la longitud de la más corta; [] si está vacía.",
        "Para cada posición que tengan todas las filas de $xs, lista sus números en ella; sin filas, el resultado es [].",
        "Haz de las filas de $xs columnas y de las columnas filas, descartando las columnas incompletas; [] para [].",
    ),
    variants=(
        idiomatic("return [list(item) for item in zip(*$xs)]"),
        verbose(
            "out = []\nfor pos in range(min((len(item) for item in $xs), default=0)):\n"
            "    out.append([item[pos] for item in $xs])\nreturn out"
        ),
        unguarded("return [[item[pos] for item in $xs] for pos in range(len($xs[0]))]", cwe=129),
        unguarded(
            "out = []\nfor pos in range(min(len(item) for item in $xs)):\n"
            "    out.append([item[pos] for item in $xs])\nreturn out",
            cwe=248,
        ),
        unguarded("return [list(item) for item in zip(*$xs, strict=True)]", cwe=248),
    ),
    basic=_matrix,
    edges=_matrix_edges,
    properties=("index-error", "value-error", "contract"),
    post="len(result) == (min(map(len, $xs)) if $xs else 0)",
)

SORTED_COPY = Family(
    slug="sorted-copy",
    parameters="$xs: list[int] | None",
    returns="list[int]",
    names={"xs": LISTS},
    english=(
        "Return a new list with the numbers of $xs from largest to smallest; None gives [].",
        "Sort $xs in descending order without changing it, and return [] if it is None.",
        "What are the numbers of $xs, repeats included, from high to low? Answer [] for None.",
        "If $xs is None give []; otherwise a copy of it in decreasing order, the original left alone.",
        "Descending copy of the list $xs, or an empty list when there is no list (None).",
        "Put the elements of $xs, biggest first, in another list; a missing list (None) counts as empty.",
        "Order all values of $xs downwards in a fresh list, treating None as [].",
        "Give $xs ranked from its maximum to its minimum, repeats kept, as a separate list; [] in place of None.",
        "Copy $xs so that no number is followed by a greater one; for None the copy is empty.",
        "Arrange a copy of $xs with each number at most as large as the one before; None yields [].",
    ),
    spanish=(
        "Devuelve una lista nueva con los números de $xs de mayor a menor; None da [].",
        "Ordena $xs de forma descendente sin modificarla y devuelve [] si es None.",
        "¿Cuáles son los números de $xs, con sus repeticiones, del más alto al más bajo? Responde [] para None.",
        "Si $xs es None da []; en otro caso, una copia suya en orden decreciente, sin tocar la original.",
        "Copia descendente de la lista $xs, o una lista vacía cuando no haya lista (None).",
        "Pon los elementos de $xs, el mayor primero, en otra lista; si falta la lista (None) cuenta como vacía.",
        "Coloca todos los valores de $xs de más a menos en una lista aparte, tratando None como [].",
        "Da $xs desde su máximo hasta su mínimo, con sus repetidos, en una lista separada; [] en lugar de None.",
        "Copia $xs de modo que a ningún número lo siga otro mayor; para None la copia queda vacía.",
        "Dispón una copia de $xs con cada número menor o igual que el anterior; None da lugar a [].",
    ),
    variants=(
        idiomatic("return sorted($xs or [], reverse=True)"),
        verbose("if $xs is None:\n    return []\nout = list($xs)\nout.sort(reverse=True)\nreturn out"),
        unguarded("return sorted($xs, reverse=True)", cwe=476),
        unguarded("$xs.sort(reverse=True)\nreturn $xs", cwe=476),
        unguarded("return sorted(set($xs or []), reverse=True)", cwe=682),
    ),
    basic=_distinct,
    edges=_maybe_edges,
    properties=("none-deref", "type-error", "argument-mutation", "contract"),
    post="len(result) == len($xs or [])",
)

FAMILIES = (
    ROTATE,
    FLATTEN,
    WINDOW_SUMS,
    RUNNING_TOTAL,
    ZIP_SUM,
    PARTITION_AT,
    COMMON_VALUES,
    BINARY_SEARCH,
    MOVING_AVERAGE,
    TRANSPOSE,
    SORTED_COPY,
)
