"""Families over integers: division, percentages, bounds, common divisors, factorials, digits."""

from __future__ import annotations

from random import Random

from training.curriculum.family import Arguments, Family, Slots, idiomatic, unguarded, verbose
from training.curriculum.slots import FALLBACKS, INTS, numbers


def _divide(rng: Random, slots: Slots) -> Arguments:
    return rng.randint(-50, 200), rng.choice([-7, -3, 2, 3, 4, 5, 6, 9, 10])


def _divide_edges(rng: Random, slots: Slots) -> list[Arguments]:
    return [(rng.randint(1, 50), 0), (0, 0), (0, rng.randint(1, 9)), (-7, 2), (7, -2)]


def _share(rng: Random, slots: Slots) -> Arguments:
    return rng.randint(0, 60), rng.randint(1, 80)


def _share_edges(rng: Random, slots: Slots) -> list[Arguments]:
    return [(rng.randint(1, 50), 0), (0, 0), (0, 5), (rng.randint(1, 9), 1)]


def _clamp(rng: Random, slots: Slots) -> Arguments:
    return (rng.randint(int(slots["low"]) - 20, int(slots["high"]) + 40),)


def _clamp_edges(rng: Random, slots: Slots) -> list[Arguments]:
    low, high = int(slots["low"]), int(slots["high"])
    return [(low - 1,), (low,), (high,), (high + 1,), (-(10**6),), (10**6,)]


def _pair(rng: Random, slots: Slots) -> Arguments:
    factor = rng.choice([1, 2, 3, 5, 6])
    return factor * rng.randint(1, 30), factor * rng.randint(1, 30)


def _pair_edges(rng: Random, slots: Slots) -> list[Arguments]:
    return [(0, 0), (rng.randint(1, 9), 0), (0, rng.randint(1, 9)), (-4, 6), (4, -6), (-9, -6)]


def _factorial(rng: Random, slots: Slots) -> Arguments:
    return (rng.randint(1, 9),)


def _factorial_edges(rng: Random, slots: Slots) -> list[Arguments]:
    return [(0,), (1,), (-1,), (-rng.randint(2, 30),), (12,)]


def _digits(rng: Random, slots: Slots) -> Arguments:
    return (rng.randint(10, 99_999),)


def _digits_edges(rng: Random, slots: Slots) -> list[Arguments]:
    return [(0,), (7,), (-1,), (-rng.randint(10, 9_999),), (10**12 + 5,)]


SAFE_DIVISION = Family(
    slug="safe-division",
    parameters="$a: int, $b: int",
    returns="int",
    names={"a": INTS, "b": INTS},
    constants={"d": FALLBACKS},
    english=(
        "Divide $a by $b rounding down; return $d when $b is zero.",
        "Return the integer quotient of $a and $b, or $d if the divisor is zero.",
        "Compute $a // $b, and give back $d instead when $b equals 0.",
        "How many whole times does $b fit in $a? Answer $d if $b is 0.",
        "If $b is 0 the result is $d; otherwise it is $a divided by $b, rounded down.",
        "I need $a over $b as an integer, rounded towards minus infinity, and $d whenever $b is zero.",
        "Floored quotient with $a as dividend and $b as divisor; dividing by zero should produce $d.",
        "Avoid the error when $b is 0 by returning $d; in all other cases floor-divide $a by $b.",
        "Floor division of $a by $b that yields $d for a zero divisor.",
        "Give the whole part of $a divided by $b, with $d for division by zero.",
    ),
    spanish=(
        "Divide $a entre $b redondeando hacia abajo; devuelve $d cuando $b sea cero.",
        "Devuelve el cociente entero de $a y $b, o $d si el divisor es cero.",
        "Calcula $a // $b y devuelve $d en su lugar cuando $b valga 0.",
        "¿Cuántas veces enteras cabe $b en $a? Responde $d si $b es 0.",
        "Si $b es 0, el resultado es $d; si no, es $a dividido entre $b y redondeado hacia abajo.",
        "Necesito $a entre $b como entero, redondeado hacia menos infinito, y $d siempre que $b sea cero.",
        "Cociente redondeado a la baja, con $a como dividendo y $b como divisor; dividir por cero debe dar $d.",
        "Que un $b de 0 no dé error, sino $d; en los demás casos, divide $a entre $b con //.",
        "División entera de $a entre $b que da $d con divisor cero.",
        "Da la parte entera de $a dividido entre $b, con $d para la división por cero.",
    ),
    variants=(
        idiomatic("return $a // $b if $b != 0 else $d"),
        verbose("if $b == 0:\n    return $d\nreturn $a // $b"),
        unguarded("return $a // $b", cwe=369),
        unguarded("return divmod($a, $b)[0]", cwe=369),
        unguarded("out = $a // $b\nreturn out", cwe=369),
    ),
    basic=_divide,
    edges=_divide_edges,
    properties=("zero-division",),
    post="result == ($a // $b if $b != 0 else $d)",
)

PERCENT = Family(
    slug="percent",
    parameters="$a: int, $b: int",
    returns="int",
    names={"a": INTS, "b": INTS},
    constants={"d": numbers(-5, 40)},
    english=(
        "Return $a as a whole percentage of $b; a total of zero gives $d.",
        "What percent of $b is $a, rounded down? Use $d if $b is 0.",
        "Compute the percentage that $a is of $b, or $d when $b is zero.",
        "Express $a as percent of $b with integers, and return $d for an empty total.",
        "When $b is 0 give $d; otherwise work out $a * 100 / $b and round it down.",
        "The total is $b and the part is $a: say how many whole percent that makes, or $d for a zero total.",
        "I want the floor of 100 times $a over $b, guarded so that it yields $d when $b is zero.",
        "Turn the share $a of $b into percent, rounding down; where $b is zero the share counts as $d.",
        "Tell which percentage of $b the part $a makes up; answer $d when $b is 0.",
        "Percentage of $a over $b, rounded down, with $d if there is no total.",
    ),
    spanish=(
        "Devuelve $a como porcentaje entero de $b; un total de cero da $d.",
        "¿Qué porcentaje de $b es $a, redondeado hacia abajo? Usa $d si $b es 0.",
        "Calcula el porcentaje que $a representa de $b, o $d cuando $b sea cero.",
        "Expresa $a como porcentaje de $b con enteros y devuelve $d si el total es cero.",
        "Cuando $b sea 0 da $d; en otro caso, calcula $a * 100 / $b y redondea hacia abajo.",
        "El total es $b y la parte es $a: di cuánto es en tanto por ciento, a la baja, o $d si el total es cero.",
        "Quiero cien veces $a dividido entre $b, redondeado a la baja; si $b vale cero, quiero $d.",
        "Convierte la parte $a de $b en porcentaje, redondeando a la baja; con $b igual a cero resulta $d.",
        "Di qué porcentaje de $b supone la parte $a; responde $d cuando $b sea 0.",
        "Porcentaje de $a sobre $b, redondeado hacia abajo, con $d si no hay total.",
    ),
    variants=(
        idiomatic("return $a * 100 // $b if $b else $d"),
        verbose("if $b == 0:\n    return $d\nreturn $a * 100 // $b"),
        unguarded("return $a * 100 // $b", cwe=369),
        unguarded("out = $a * 100\nreturn out // $b", cwe=369),
        unguarded("return divmod($a * 100, $b)[0]", cwe=369),
    ),
    basic=_share,
    edges=_share_edges,
    properties=("zero-division",),
)

CLAMP = Family(
    slug="clamp",
    parameters="$n: int",
    returns="int",
    names={"n": INTS},
    constants={"low": numbers(-30, 20) + numbers(-99, -31), "high": numbers(21, 299)},
    english=(
        "Limit $n to the range from $low to $high.",
        "Return $n, but never less than $low nor more than $high.",
        "Clamp $n between $low and $high.",
        "Keep $n within $low and $high, using the nearest bound outside them.",
        "If $n is under $low give $low, if it is over $high give $high, and otherwise give $n itself.",
        "What is the number closest to $n that is at least $low and at most $high?",
        "A value smaller than $low becomes $low and one greater than $high becomes $high; apply that to $n.",
        "Saturate $n: the smallest result allowed is $low and the largest is $high.",
        "Force $n to lie between $low and $high inclusive.",
        "Bound $n below by $low and above by $high.",
    ),
    spanish=(
        "Limita $n al rango de $low a $high.",
        "Devuelve $n, pero nunca menos de $low ni más de $high.",
        "Acota $n entre $low y $high.",
        "Mantén $n entre $low y $high, usando el límite más cercano si se sale.",
        "Si $n es menor que $low da $low, si es mayor que $high da $high, y en otro caso da el propio $n.",
        "¿Qué número que no baje de $low ni pase de $high está más cerca de $n?",
        "Todo valor inferior a $low pasa a ser $low y todo valor superior a $high, $high; aplícalo a $n.",
        "Satura $n: el menor resultado permitido es $low y el mayor es $high.",
        "Obliga a $n a estar entre $low y $high, ambos incluidos.",
        "Acota $n por abajo con $low y por arriba con $high.",
    ),
    variants=(
        idiomatic("return max($low, min($n, $high))"),
        verbose("if $n < $low:\n    return $low\nif $n > $high:\n    return $high\nreturn $n"),
    ),
    basic=_clamp,
    edges=_clamp_edges,
    properties=("contract", "other-exception"),
    post="$low <= result <= $high",
)

GCD = Family(
    slug="gcd",
    parameters="$a: int, $b: int",
    returns="int",
    names={"a": INTS, "b": INTS},
    english=(
        "Return the greatest common divisor of $a and $b, never negative.",
        "Find the largest whole number that divides both $a and $b; the sign does not matter.",
        "Compute the gcd of $a and $b as a non-negative number.",
        "What is the highest common factor of $a and $b? It must not be negative.",
        "If $a and $b are both 0 the answer is 0; otherwise it is their largest shared divisor, always positive.",
        "Reduce the pair $a, $b to its gcd by repeated remainders and drop any minus sign at the end.",
        "By what number, as large as possible, can $a and $b be divided? Ignore signs; say 0 if both are 0.",
        "Whatever the signs of $a and $b, work out the gcd of their absolute values.",
        "Give the biggest common divisor of the integers $a and $b, without sign.",
        "Euclid's algorithm for $a and $b; the answer is never below zero.",
    ),
    spanish=(
        "Devuelve el máximo común divisor de $a y $b, nunca negativo.",
        "Encuentra el mayor entero que divide a $a y a $b; el signo no importa.",
        "Calcula el mcd de $a y $b como número no negativo.",
        "¿Cuál es el mayor factor común de $a y $b? No debe ser negativo.",
        "Si $a y $b son 0, la respuesta es 0; si no, su mayor divisor compartido, siempre positivo.",
        "Reduce el par $a, $b a su mcd con restos sucesivos y quita al final el signo menos, si lo hay.",
        "¿Qué número, lo más grande posible, divide sin resto a $a y $b? Sin signo, y 0 si ambos son 0.",
        "Sean cuales sean los signos de $a y $b, halla el mcd de sus valores absolutos.",
        "Da el divisor común más grande de los enteros $a y $b, sin signo.",
        "Algoritmo de Euclides para $a y $b; la respuesta nunca baja de cero.",
    ),
    variants=(
        idiomatic("while $b:\n    $a, $b = $b, $a % $b\nreturn abs($a)"),
        verbose("return math.gcd($a, $b)", imports="import math"),
        unguarded("while $b:\n    $a, $b = $b, $a % $b\nreturn $a", cwe=682),
        unguarded("return $f($b, $a % $b) if $b else $a", cwe=682),
        unguarded("if $b == 0:\n    return $a\nreturn $f($b, $a % $b)", cwe=682),
    ),
    basic=_pair,
    edges=_pair_edges,
    properties=("zero-division", "contract"),
    post="result >= 0",
    weight=2,
)

FACTORIAL = Family(
    slug="factorial",
    parameters="$n: int",
    returns="int",
    names={"n": INTS},
    constants={"d": FALLBACKS},
    english=(
        "Return the factorial of $n, or $d when $n is negative.",
        "Multiply all whole numbers from 1 to $n; a negative $n gives $d.",
        "Compute $n factorial and answer $d for numbers below zero.",
        "What is $n! ? Return $d if $n is less than 0.",
        "For $n below zero the answer is $d; for 0 it is 1; beyond that, the product of all integers up to $n.",
        "In how many orders can $n different things be arranged? A negative amount means $d.",
        "Work out $n * ($n - 1) * ... * 1, taking it as 1 when $n is 0 and as $d when $n is under 0.",
        "I want $n factorial, except that negative input should produce $d rather than an error.",
        "Give the product 1 * 2 * ... * $n, with $d for any negative $n.",
        "Factorial of $n that answers $d if the number is negative.",
    ),
    spanish=(
        "Devuelve el factorial de $n, o $d cuando $n sea negativo.",
        "Multiplica todos los enteros de 1 a $n; un $n negativo da $d.",
        "Calcula el factorial de $n y responde $d para números bajo cero.",
        "¿Cuánto es $n! ? Devuelve $d si $n es menor que 0.",
        "Con $n bajo cero la respuesta es $d; con 0 es 1; a partir de ahí, el producto de los enteros hasta $n.",
        "¿De cuántas formas se pueden ordenar $n cosas distintas? Una cantidad negativa da $d.",
        "Halla $n * ($n - 1) * ... * 1, que vale 1 si $n es 0 y $d si $n está por debajo de 0.",
        "Quiero $n factorial, solo que con una entrada negativa hay que dar $d en vez de un error.",
        "Da el producto 1 * 2 * ... * $n, con $d para cualquier $n negativo.",
        "Factorial de $n que responde $d si el número es negativo.",
    ),
    variants=(
        idiomatic("if $n < 0:\n    return $d\nreturn math.factorial($n)", imports="import math"),
        verbose("if $n < 0:\n    return $d\nout = 1\nfor item in range(2, $n + 1):\n    out *= item\nreturn out"),
        unguarded("return math.factorial($n)", cwe=248, imports="import math"),
        unguarded("return 1 if $n == 0 else $n * $f($n - 1)", cwe=674),
        unguarded(
            "return reduce(lambda x, y: x * y, range(1, $n + 1))", cwe=248, imports="from functools import reduce"
        ),
    ),
    basic=_factorial,
    edges=_factorial_edges,
    properties=("value-error", "other-exception"),
)

DIGIT_SUM = Family(
    slug="digit-sum",
    parameters="$n: int",
    returns="int",
    names={"n": INTS},
    english=(
        "Return the sum of the decimal digits of $n, whatever its sign.",
        "Add up the digits of $n; ignore a minus sign.",
        "Sum all digits of the integer $n, negative or not.",
        "How much do the digits of $n add up to? The sign does not count.",
        "Take the absolute value of $n and total its decimal digits.",
        "Write $n in base ten, leave out any minus, and sum the figures that remain.",
        "One number is wanted: all the figures of $n added, with -$n giving the same as $n.",
        "What results from adding the digits of $n one by one, once any sign has been removed?",
        "Give the total of the digits of $n, for negative numbers as well.",
        "Digit sum of $n, which may be negative.",
    ),
    spanish=(
        "Devuelve la suma de las cifras decimales de $n, sea cual sea su signo.",
        "Suma las cifras de $n; ignora el signo menos.",
        "Suma todos los dígitos del entero $n, negativo o no.",
        "¿Cuánto suman las cifras de $n? El signo no cuenta.",
        "Toma el valor absoluto de $n y halla el total de sus cifras decimales.",
        "Escribe $n en base diez, prescinde del menos si lo hay y suma las cifras que quedan.",
        "Se pide un solo número: todas las cifras de $n sumadas, de modo que -$n dé lo mismo que $n.",
        "¿Qué resulta de sumar uno a uno los dígitos de $n una vez quitado el signo?",
        "Da el total de los dígitos de $n, también para números negativos.",
        "Suma de cifras de $n, que puede ser negativo.",
    ),
    variants=(
        idiomatic("return sum(int(ch) for ch in str(abs($n)))"),
        verbose("$n = abs($n)\nout = 0\nwhile $n > 0:\n    out += $n % 10\n    $n //= 10\nreturn out"),
        unguarded("return sum(int(ch) for ch in str($n))", cwe=248),
        unguarded("out = 0\nwhile $n > 0:\n    out += $n % 10\n    $n //= 10\nreturn out", cwe=682),
        unguarded("return $n % 10 + $f($n // 10) if $n else 0", cwe=674),
    ),
    basic=_digits,
    edges=_digits_edges,
    properties=("value-error", "contract"),
    post="result >= 0",
)

FAMILIES = (SAFE_DIVISION, PERCENT, CLAMP, GCD, FACTORIAL, DIGIT_SUM)
