"""Families of arithmetic: modular powers, primes, sequences of numbers, bits, bases, multiples."""

from __future__ import annotations

from random import Random

from training.curriculum.family import Arguments, Family, Slots, idiomatic, unguarded, verbose
from training.curriculum.slots import FALLBACKS, INTS, numbers

_BELOW_ZERO = numbers(-40, -1)
_DIGITS = "'0123456789abcdef'"


def _power(rng: Random, slots: Slots) -> Arguments:
    return rng.randint(2, 30), rng.randint(1, 9), rng.randint(2, 60)


def _power_edges(rng: Random, slots: Slots) -> list[Arguments]:
    # 2 has no inverse modulo 4, so that a negative exponent can't be computed there.
    return [(rng.randint(2, 9), rng.randint(1, 5), 0), (2, -1, 4), (3, -rng.randint(1, 5), 9), (5, 0, 1), (0, 3, 7)]


def _bound(rng: Random, slots: Slots) -> Arguments:
    # A composite bound, where code that forgets the bound itself works.
    while True:
        n = rng.randint(4, 260)
        if any(n % factor == 0 for factor in range(2, 17) if factor < n):
            return (n,)


def _bound_edges(rng: Random, slots: Slots) -> list[Arguments]:
    return [(0,), (1,), (-rng.randint(1, 30),), (2,), (3,), (rng.choice([5, 7, 11, 13, 17, 23, 31]),)]


def _position(rng: Random, slots: Slots) -> Arguments:
    return (rng.randint(1, 20),)


def _position_edges(rng: Random, slots: Slots) -> list[Arguments]:
    return [(0,), (1,), (-1,), (-2,), (-rng.randint(3, 30),)]


def _start(rng: Random, slots: Slots) -> Arguments:
    return (rng.randint(1, 600),)


def _start_edges(rng: Random, slots: Slots) -> list[Arguments]:
    return [(0,), (-1,), (-rng.randint(2, 60),), (1,), (2,), (27,)]


def _bits(rng: Random, slots: Slots) -> Arguments:
    return (rng.randint(1, 5_000),)


def _bits_edges(rng: Random, slots: Slots) -> list[Arguments]:
    return [(0,), (-1,), (-rng.randint(2, 900),), (2**20,), (2**20 - 1,), (-(2**9),)]


def _based(rng: Random, slots: Slots) -> Arguments:
    return (rng.randint(1, 4_000),)


def _based_edges(rng: Random, slots: Slots) -> list[Arguments]:
    base = int(slots["b"])
    return [(0,), (-1,), (-rng.randint(20, 900),), (base - 1,), (base,), (-base,)]


def _multiple(rng: Random, slots: Slots) -> Arguments:
    return rng.randint(0, 300), rng.randint(1, 24)


def _multiple_edges(rng: Random, slots: Slots) -> list[Arguments]:
    return [(rng.randint(1, 50), 0), (0, 0), (7, -3), (-8, 5), (-10, 5), (3, 9)]


def _positive_pair(rng: Random, slots: Slots) -> Arguments:
    factor = rng.choice([1, 1, 2, 3, 5])
    return factor * rng.randint(1, 24), factor * rng.randint(1, 24)


def _pair_edges(rng: Random, slots: Slots) -> list[Arguments]:
    return [(0, 0), (0, rng.randint(1, 30)), (rng.randint(1, 30), 0), (-4, 6), (6, -9), (-10, -4)]


POWER_MOD = Family(
    slug="power-mod",
    parameters="$a: int, $b: int, $m: int",
    returns="int",
    names={"a": INTS, "b": INTS, "m": INTS},
    constants={"d": FALLBACKS},
    english=(
        "Return $a to the power $b modulo $m, or $d when $m is zero or $b is negative.",
        "Compute pow($a, $b, $m); a zero modulus or a negative exponent gives $d.",
        "What remainder does $a ** $b leave when divided by $m? Answer $d if $m is 0 or $b is below 0.",
        "If $m is 0 or $b is negative, return $d; otherwise raise $a to $b and reduce it modulo $m.",
        "Modular power with base $a, exponent $b and modulus $m; $d for modulus 0 or an exponent under 0.",
        "Raise $a to the power $b and keep only its residue mod $m, with $d if $m == 0 or $b < 0.",
        "Give ($a ** $b) % $m, falling back to $d for a negative $b or an $m equal to zero.",
        "$d if $b is less than zero or $m is zero, and in all other cases $a to the power $b mod $m.",
        "Find the residue of $a raised to $b with respect to $m, but $d for exponents below 0 or modulus 0.",
        "Multiply $b factors equal to $a and reduce the product mod $m; a zero $m or a $b under zero gives $d.",
    ),
    spanish=(
        "Devuelve $a elevado a $b módulo $m, o $d cuando $m sea cero o $b sea negativo.",
        "Calcula pow($a, $b, $m); un módulo cero o un exponente negativo dan $d.",
        "¿Qué resto deja $a ** $b al dividirlo entre $m? Responde $d si $m es 0 o $b es menor que 0.",
        "Si $m es 0 o $b es negativo, devuelve $d; si no, eleva $a a $b y redúcelo módulo $m.",
        "Potencia modular de base $a, exponente $b y módulo $m; $d con módulo 0 o exponente bajo cero.",
        "Eleva $a a la potencia $b y quédate solo con su resto módulo $m, con $d si $m == 0 o $b < 0.",
        "Da ($a ** $b) % $m y recurre a $d ante un $b negativo o un $m igual a cero.",
        "$d si $b es menor que cero o $m vale cero; en los demás casos, $a elevado a $b módulo $m.",
        "Halla el residuo de $a elevado a $b respecto de $m, pero $d si el exponente baja de 0 o el módulo es 0.",
        "Obtén la potencia $a ** $b reducida módulo $m; usa $d si $m es nulo o $b queda por debajo de cero.",
    ),
    variants=(
        idiomatic("if $m == 0 or $b < 0:\n    return $d\nreturn pow($a, $b, $m)"),
        verbose(
            "if $m == 0 or $b < 0:\n    return $d\nout = 1 % $m\nwhile $b > 0:\n    if $b % 2 == 1:\n"
            "        out = out * $a % $m\n    $a, $b = $a * $a % $m, $b // 2\nreturn out"
        ),
        unguarded("return pow($a, $b, $m)", cwe=248),
        unguarded("return $a ** $b % $m", cwe=369),
        unguarded("if $m == 0:\n    return $d\nreturn pow($a, $b, $m)", cwe=248),
        unguarded("out = 1\nfor _ in range($b):\n    out = out * $a % $m\nreturn out", cwe=369),
    ),
    basic=_power,
    edges=_power_edges,
    properties=("zero-division", "value-error", "contract"),
    post="result == $d if $m == 0 or $b < 0 else $m < 0 or 0 <= result < $m",
    weight=2,
)

PRIMES_UPTO = Family(
    slug="primes-upto",
    parameters="$n: int",
    returns="list[int]",
    names={"n": INTS},
    english=(
        "Return the list of all primes up to $n inclusive; it is empty when $n is less than 2.",
        "List every prime number not greater than $n in increasing order, or [] if $n is below 2.",
        "Which numbers from 2 to $n are prime? Give them in order, with an empty list if $n < 2.",
        "Collect the primes p with p <= $n from smallest to largest; no primes means [].",
        "All prime numbers no larger than $n, ascending; [] for any $n under 2.",
        "If $n is below 2 return [], otherwise the primes between 2 and $n, both included, in order.",
        "Find the primes that do not exceed $n, sorted; zero, one and negative numbers give [].",
        "Starting at 2 and ending at $n itself, keep only the primes; an $n of 1 or less gives [].",
        "Give an ascending list of each prime less than or equal to $n, and [] if none exists.",
        "Sieve the integers up to and including $n and return the primes in order, [] if $n is at most 1.",
    ),
    spanish=(
        "Devuelve la lista de todos los primos hasta $n inclusive; está vacía cuando $n es menor que 2.",
        "Enumera en orden creciente los números primos no mayores que $n, o [] si $n es menor que 2.",
        "¿Qué números del 2 al $n son primos? Dalos en orden, con una lista vacía si $n < 2.",
        "Reúne los primos p con p <= $n de menor a mayor; si no hay primos, [].",
        "Todos los números primos que no pasan de $n, en orden ascendente; [] para un $n inferior a 2.",
        "Si $n es menor que 2 devuelve []; si no, los primos entre 2 y $n, ambos incluidos, en orden.",
        "Encuentra los primos que no superan $n, ordenados; el cero, el uno y los negativos dan [].",
        "Empezando en 2 y acabando en el propio $n, conserva solo los primos; un $n de 1 o menos da [].",
        "Da una lista ascendente con cada primo menor o igual que $n, y [] si no existe ninguno.",
        "Criba los enteros hasta $n incluido y devuelve los primos en orden; [] si $n vale como mucho 1.",
    ),
    variants=(
        idiomatic(
            "return [item for item in range(2, $n + 1) if all(item % pos for pos in range(2, math.isqrt(item) + 1))]",
            imports="import math",
        ),
        verbose(
            "out = []\nfor item in range(2, $n + 1):\n    if all(item % pos for pos in out):\n"
            "        out.append(item)\nreturn out"
        ),
        unguarded(
            "out = [True] * ($n + 1)\nout[0] = out[1] = False\nfor pos in range(2, $n + 1):\n    if out[pos]:\n"
            "        for item in range(pos * pos, $n + 1, pos):\n            out[item] = False\n"
            "return [pos for pos in range($n + 1) if out[pos]]",
            cwe=129,
        ),
        unguarded(
            "return [item for item in range(2, $n) if all(item % pos for pos in range(2, math.isqrt(item) + 1))]",
            cwe=193,
            imports="import math",
        ),
        unguarded(
            "out = [2]\nfor item in range(3, $n + 1, 2):\n    if all(item % pos for pos in out):\n"
            "        out.append(item)\nreturn out",
            cwe=682,
        ),
        unguarded(
            "return [2] + [item for item in range(3, $n + 1, 2) if all(item % pos for pos in range(3, math.isqrt(item) + 1))]",
            cwe=682,
            imports="import math",
        ),
    ),
    basic=_bound,
    edges=_bound_edges,
    properties=("index-error", "zero-division", "contract"),
    post="result == [] if $n < 2 else result[0] == 2 and result[-1] <= $n",
)

FIBONACCI = Family(
    slug="fibonacci",
    parameters="$n: int",
    returns="int",
    names={"n": INTS},
    constants={"d": _BELOW_ZERO},
    english=(
        "Return the Fibonacci number at position $n, positions 0 and 1 holding 0 and 1; negatives give $d.",
        "Compute F($n) with F(0) = 0 and F(1) = 1, or $d when $n is negative.",
        "What is term $n of 0, 1, 1, 2, 3, 5..., counting from zero? Answer $d if $n is below 0.",
        "If $n < 0 return $d, else the Fibonacci number with index $n (index 0 is 0, index 1 is 1).",
        "Fibonacci term number $n, where terms 0 and 1 are 0 and 1; $d for a negative $n.",
        "Starting from 0 and 1, add the last two numbers until index $n is reached; $d if $n is negative.",
        "Give the value of index $n in the sequence 0, 1, 1, 2, 3..., with $d for indexes under zero.",
        "$d for any $n less than 0, and otherwise the Fibonacci number F($n), given F(0) = 0 and F(1) = 1.",
        "Find the Fibonacci number of index $n, which is 0 for index 0 and 1 for index 1; use $d below zero.",
        "Walk the Fibonacci sequence from F(0) = 0 and F(1) = 1 to F($n); a negative $n yields $d.",
    ),
    spanish=(
        "Devuelve el número de Fibonacci en la posición $n (0 y 1 en las posiciones 0 y 1); un negativo da $d.",
        "Calcula F($n) con F(0) = 0 y F(1) = 1, o $d cuando $n sea negativo.",
        "¿Cuál es el término $n de 0, 1, 1, 2, 3, 5..., contando desde cero? Responde $d si $n es menor que 0.",
        "Si $n < 0 devuelve $d; si no, el número de Fibonacci de índice $n (el índice 0 es 0 y el 1 es 1).",
        "Término número $n de Fibonacci, donde los términos 0 y 1 son 0 y 1; $d si $n es negativo.",
        "Partiendo de 0 y 1, suma los dos últimos números hasta llegar al índice $n; $d si $n es negativo.",
        "Da el valor de índice $n en la sucesión 0, 1, 1, 2, 3..., con $d para índices bajo cero.",
        "$d para todo $n menor que 0 y, si no, el número de Fibonacci F($n), sabiendo que F(0) = 0 y F(1) = 1.",
        "Halla el número de Fibonacci de índice $n, que es 0 para el índice 0 y 1 para el 1; usa $d bajo cero.",
        "Recorre la sucesión de Fibonacci desde F(0) = 0 y F(1) = 1 hasta F($n); un $n negativo da $d.",
    ),
    variants=(
        idiomatic(
            "if $n < 0:\n    return $d\nout, item = 0, 1\nfor _ in range($n):\n    out, item = item, out + item\n"
            "return out"
        ),
        verbose(
            "if $n < 0:\n    return $d\nout = [0, 1]\nwhile len(out) <= $n:\n    out.append(out[-1] + out[-2])\n"
            "return out[$n]"
        ),
        unguarded("return $n if $n < 2 else $f($n - 1) + $f($n - 2)", cwe=682),
        unguarded("if $n == 0:\n    return 0\nif $n == 1:\n    return 1\nreturn $f($n - 1) + $f($n - 2)", cwe=674),
        unguarded("out = [0, 1]\nwhile len(out) <= $n:\n    out.append(out[-1] + out[-2])\nreturn out[$n]", cwe=129),
        unguarded("out, item = 0, 1\nfor _ in range($n):\n    out, item = item, out + item\nreturn out", cwe=682),
    ),
    basic=_position,
    edges=_position_edges,
    properties=("index-error", "contract"),
    post="result == $d if $n < 0 else result >= 0",
)

COLLATZ_STEPS = Family(
    slug="collatz-steps",
    parameters="$n: int",
    returns="int",
    names={"n": INTS},
    constants={"d": _BELOW_ZERO},
    english=(
        "Count the Collatz steps that take $n to 1; return $d if $n is less than 1.",
        "How often must $n be halved if even, or tripled plus one if odd, to become 1? Answer $d if $n < 1.",
        "Return the number of steps of the 3x + 1 process from $n down to 1, or $d when $n is not positive.",
        "If $n is below 1 give $d; else apply x / 2 (even) or 3x + 1 (odd) to it until 1 and count the steps.",
        "Length in steps of the Collatz path from $n to 1, with $d for zero and negative numbers.",
        "Halve $n when even, otherwise triple it and add 1; count the rounds until 1, or give $d if $n < 1.",
        "Give the steps that $n needs in the Collatz game before it is 1; anything under 1 gives $d.",
        "Only a positive $n has a Collatz count, its number of steps to 1; for all others answer $d.",
        "Find how many steps the Collatz sequence of $n takes to arrive at 1, and use $d if $n <= 0.",
        "Number of moves, x / 2 for even x and 3x + 1 for odd x, that lead from $n to 1; $d unless $n >= 1.",
    ),
    spanish=(
        "Cuenta los pasos de Collatz que llevan $n a 1; devuelve $d si $n es menor que 1.",
        "¿Cuántas veces hay que dividir $n entre 2 (par) o triplicarlo y sumar 1 (impar) hasta el 1? $d si $n < 1.",
        "Devuelve el número de pasos del proceso 3x + 1 desde $n hasta 1, o $d cuando $n no sea positivo.",
        "Si $n es menor que 1 da $d; si no, aplícale x / 2 (par) o 3x + 1 (impar) hasta 1 y cuenta los pasos.",
        "Longitud en pasos del camino de Collatz de $n a 1, con $d para el cero y los negativos.",
        "Divide $n entre 2 si es par; si no, triplícalo y suma 1; cuenta las veces hasta 1, o da $d si $n < 1.",
        "Da los pasos que necesita $n en el juego de Collatz para ser 1; todo lo menor que 1 da $d.",
        "Solo un $n positivo tiene cuenta de Collatz, sus pasos hasta 1; para los demás responde $d.",
        "Averigua en cuántos pasos llega a 1 la sucesión de Collatz de $n, y usa $d si $n <= 0.",
        "Número de jugadas, x / 2 con x par y 3x + 1 con x impar, que llevan de $n a 1; $d salvo si $n >= 1.",
    ),
    variants=(
        idiomatic(
            "if $n < 1:\n    return $d\nout = 0\nwhile $n != 1:\n    $n = $n // 2 if $n % 2 == 0 else 3 * $n + 1\n"
            "    out += 1\nreturn out"
        ),
        verbose(
            "if $n < 1:\n    return $d\nout = [$n]\nwhile out[-1] > 1:\n    item = out[-1]\n"
            "    out.append(item * 3 + 1 if item % 2 else item // 2)\nreturn len(out) - 1"
        ),
        unguarded(
            "out = 0\nwhile $n > 1:\n    $n = $n // 2 if $n % 2 == 0 else 3 * $n + 1\n    out += 1\nreturn out", cwe=20
        ),
        unguarded("return 0 if $n == 1 else 1 + $f($n // 2 if $n % 2 == 0 else 3 * $n + 1)", cwe=674),
        unguarded(
            "if $n == 0:\n    return $d\nout = 0\nwhile $n > 1:\n    $n = $n // 2 if $n % 2 == 0 else 3 * $n + 1\n    out += 1\nreturn out",
            cwe=20,
        ),
    ),
    basic=_start,
    edges=_start_edges,
    properties=("index-error", "contract"),
    post="result == $d if $n < 1 else result >= 0",
    weight=2,
)

BIT_COUNT = Family(
    slug="bit-count",
    parameters="$n: int",
    returns="int",
    names={"n": INTS},
    english=(
        "Return how many bits of $n are 1, taking the absolute value of a negative number.",
        "Count the ones in the binary form of $n; ignore its sign.",
        "How many 1 digits does abs($n) have in base 2?",
        "Write $n in binary without its sign and count the ones.",
        "Number of set bits of $n, where -5 counts the same as 5.",
        "Use the absolute value if $n is negative; give the quantity of binary ones.",
        "Sum of the binary digits of the magnitude of $n, sign aside.",
        "Find the Hamming weight of $n or, for a number below zero, that of its opposite.",
        "Tell the total of ones among the bits of $n, be it positive, zero or negative (sign dropped).",
        "Drop the sign of $n and determine how many of its bits are set.",
    ),
    spanish=(
        "Devuelve cuántos bits de $n valen 1, tomando el valor absoluto si es negativo.",
        "Cuenta los unos de la forma binaria de $n; ignora su signo.",
        "¿Cuántas cifras 1 tiene abs($n) en base 2?",
        "Escribe $n en binario sin su signo y cuenta los unos.",
        "Número de bits a uno de $n, donde -5 cuenta lo mismo que 5.",
        "Usa el valor absoluto si $n es negativo; da la cantidad de unos binarios.",
        "Suma de las cifras binarias de la magnitud de $n, sin atender al signo.",
        "Halla el peso de Hamming de $n o, para un número bajo cero, el de su opuesto.",
        "Di el total de unos entre los bits de $n, sea positivo, cero o negativo (sin el signo).",
        "Quita el signo de $n y determina cuántos de sus bits están activos.",
    ),
    variants=(
        idiomatic("return abs($n).bit_count()"),
        verbose("$n = abs($n)\nout = 0\nwhile $n > 0:\n    out += $n % 2\n    $n //= 2\nreturn out"),
        unguarded("out = 0\nwhile $n > 0:\n    out += $n & 1\n    $n >>= 1\nreturn out", cwe=682),
        unguarded("return sum(int(ch) for ch in f'{$n:b}')", cwe=248),
        unguarded("return $n % 2 + $f($n // 2) if $n else 0", cwe=674),
    ),
    basic=_bits,
    edges=_bits_edges,
    properties=("value-error", "contract"),
    post="(result > 0) == ($n != 0)",
)

TO_BASE = Family(
    slug="to-base",
    parameters="$n: int",
    returns="str",
    names={"n": INTS},
    constants={"b": numbers(2, 16)},
    english=(
        "Return $n written in base $b with digits 0-9a-f; zero is '0' and negatives start with '-'.",
        "Convert $n to a string of base $b digits (0-9, then a-f), '0' for zero, with '-' if negative.",
        "How is $n written in base $b? Use lower-case letters past 9, '-' before negatives and '0' for zero.",
        "Write the integer $n in base $b as text: a leading '-' below zero, '0' for 0, letters in lower case.",
        "Base $b notation of $n as a string with lower-case digits, the sign kept and '0' for zero.",
        "If $n is 0 give '0'; else its base $b digits (0-9a-f), with '-' in front when $n is negative.",
        "Express $n as a base $b numeral with digits 0-9a-f, putting '-' before negatives; zero is '0'.",
        "Text with the digits of $n in base $b, using a-f beyond 9; keep the minus sign and turn 0 into '0'.",
        "Give the base $b representation of $n in lower case; '0' stands for zero and '-' precedes negatives.",
        "Change $n from a number to its base $b digits 0-9a-f; negatives keep their '-', zero becomes '0'.",
    ),
    spanish=(
        "Devuelve $n escrito en base $b con cifras 0-9a-f; el cero es '0' y los negativos empiezan por '-'.",
        "Convierte $n en una cadena de cifras en base $b (0-9 y luego a-f), '0' si es cero y con '-' si es negativo.",
        "¿Cómo se escribe $n en base $b? Usa minúsculas tras el 9, '-' ante los negativos y '0' para el cero.",
        "Escribe el entero $n en base $b como texto: un '-' delante si es negativo, '0' para 0 y letras minúsculas.",
        "Notación en base $b de $n como cadena con cifras en minúscula, conservando el signo y con '0' para el cero.",
        "Si $n es 0 da '0'; si no, sus cifras en base $b (0-9a-f), con '-' delante cuando $n sea negativo.",
        "Expresa $n como numeral en base $b con cifras 0-9a-f, con '-' ante los negativos; el cero es '0'.",
        "Texto con las cifras de $n en base $b, con a-f tras el 9; conserva el signo menos y pasa 0 a '0'.",
        "Da la representación de $n en base $b, en minúsculas; '0' equivale al cero y '-' precede a los negativos.",
        "Pasa $n de número a sus cifras 0-9a-f en base $b; los negativos mantienen el '-' y el cero queda en '0'.",
    ),
    variants=(
        idiomatic(
            f"out, pos = '', abs($n)\nwhile pos:\n    out = {_DIGITS}[pos % $b] + out\n    pos //= $b\n"
            "return '-' + out if $n < 0 else out or '0'"
        ),
        verbose(
            f"if $n == 0:\n    return '0'\nout = ''\npos = abs($n)\nwhile pos > 0:\n    pos, item = divmod(pos, $b)\n"
            f"    out = {_DIGITS}[item] + out\nreturn out if $n > 0 else '-' + out"
        ),
        unguarded(f"out = ''\nwhile $n > 0:\n    out = {_DIGITS}[$n % $b] + out\n    $n //= $b\nreturn out", cwe=682),
        unguarded(
            f"out = ''\nwhile $n > 0:\n    out = {_DIGITS}[$n % $b] + out\n    $n //= $b\nreturn out or '0'", cwe=682
        ),
        unguarded(
            f"if $n < $b:\n    return {_DIGITS}[$n]\nreturn $f($n // $b) + {_DIGITS}[$n % $b]",
            cwe=129,
        ),
        unguarded(
            "out, pos = '', $n\nwhile pos > 0:\n    out = '0123456789abcdef'[pos % $b] + out\n    pos //= $b\nreturn out or '0'",
            cwe=682,
        ),
    ),
    basic=_based,
    edges=_based_edges,
    properties=("index-error", "contract"),
    post="result != '' and (result[0] == '-') == ($n < 0)",
)

ROUND_TO_MULTIPLE = Family(
    slug="round-to-multiple",
    parameters="$n: int, $k: int",
    returns="int",
    names={"n": INTS, "k": INTS},
    english=(
        "Round $n down to a multiple of $k; return $n itself when $k is zero or negative.",
        "Return the largest multiple of $k not above $n, or $n unchanged if $k is less than 1.",
        "Which multiple of $k comes closest to $n without exceeding it? If $k <= 0, the answer is $n.",
        "If $k is positive lower $n to the nearest multiple of $k, otherwise leave $n as it is.",
        "The highest multiple of $k that is at most $n; for $k below 1, just $n.",
        "Bring $n down to a whole number of steps of $k, even if negative; a $k under 1 changes nothing.",
        "Snap $n to the grid of multiples of $k, always downwards; give back $n when $k is not positive.",
        "With $k above zero, take from $n what exceeds a multiple of $k; with any other $k give $n.",
        "Give the multiple of $k just below or equal to $n, and $n as it came if $k is 0 or less.",
        "Floor $n to multiples of $k, keeping $n untouched for zero or negative $k.",
    ),
    spanish=(
        "Redondea $n hacia abajo a un múltiplo de $k; devuelve el propio $n cuando $k sea cero o negativo.",
        "Devuelve el mayor múltiplo de $k que no supera $n, o $n sin cambios si $k es menor que 1.",
        "¿Qué múltiplo de $k se acerca más a $n sin pasarse? Si $k <= 0, la respuesta es $n.",
        "Si $k es positivo baja $n al múltiplo de $k más cercano; si no, deja $n como está.",
        "El múltiplo más alto de $k que es como mucho $n; para $k menor que 1, simplemente $n.",
        "Baja $n hasta un número entero de pasos de $k, aunque sea negativo; un $k menor que 1 no cambia nada.",
        "Ajusta $n a la rejilla de múltiplos de $k, siempre hacia abajo; devuelve $n cuando $k no sea positivo.",
        "Con $k mayor que cero, quita a $n lo que exceda de un múltiplo de $k; con cualquier otro $k da $n.",
        "Da el múltiplo de $k igual a $n o justo por debajo, y $n tal como llegó si $k es 0 o menos.",
        "Lleva $n al múltiplo de $k inmediatamente inferior o igual, sin tocar $n para un $k nulo o negativo.",
    ),
    variants=(
        idiomatic("return $n - $n % $k if $k > 0 else $n"),
        verbose("if $k <= 0:\n    return $n\nout = $n // $k\nreturn out * $k"),
        unguarded("return $n // $k * $k", cwe=369),
        unguarded("if $k == 0:\n    return $n\nreturn $n - $n % $k", cwe=20),
        unguarded("return int($n / $k) * $k if $k > 0 else $n", cwe=682),
    ),
    basic=_multiple,
    edges=_multiple_edges,
    properties=("zero-division", "contract"),
    post="result <= $n",
)

LCM = Family(
    slug="lcm",
    parameters="$a: int, $b: int",
    returns="int",
    names={"a": INTS, "b": INTS},
    english=(
        "Return the least common multiple of $a and $b, never negative; it is 0 if either is zero.",
        "Find the smallest positive number that both $a and $b divide, or 0 when one of them is 0.",
        "What is the lcm of $a and $b, regardless of sign? Answer 0 if either of the two is 0.",
        "If $a or $b is zero return 0, else their lowest common multiple without sign.",
        "Lowest positive multiple shared by $a and $b, with 0 whenever one of them is zero.",
        "Compute the least common multiple of the absolute values of $a and $b; a zero argument gives 0.",
        "Give lcm($a, $b) as a non-negative integer that is 0 if $a or $b is 0.",
        "0 for a zero in $a or $b; otherwise the smallest multiple above zero that $a and $b have in common.",
        "Work out the first positive integer divisible by $a and by $b; when either is zero, use 0.",
        "Smallest common multiple of $a and $b, ignoring minus signs, where zero with anything makes 0.",
    ),
    spanish=(
        "Devuelve el mínimo común múltiplo de $a y $b, nunca negativo; es 0 si alguno es cero.",
        "Encuentra el menor número positivo al que dividen tanto $a como $b, o 0 cuando uno de ellos sea 0.",
        "¿Cuál es el mcm de $a y $b, sin importar el signo? Responde 0 si alguno de los dos es 0.",
        "Si $a o $b es cero devuelve 0; si no, su mínimo común múltiplo sin signo.",
        "Menor múltiplo positivo que comparten $a y $b, con 0 siempre que uno de ellos sea cero.",
        "Calcula el mínimo común múltiplo de los valores absolutos de $a y $b; un argumento cero da 0.",
        "Da mcm($a, $b) como entero no negativo, que es 0 si $a o $b vale 0.",
        "0 si hay un cero en $a o $b; en otro caso, el menor múltiplo mayor que cero común a $a y $b.",
        "Averigua el primer entero positivo divisible entre $a y entre $b; cuando alguno sea cero, usa 0.",
        "Múltiplo común más pequeño de $a y $b, ignorando los signos menos, donde un cero siempre da 0.",
    ),
    variants=(
        idiomatic("return math.lcm($a, $b)", imports="import math"),
        verbose(
            "if $a == 0 or $b == 0:\n    return 0\nreturn abs($a * $b) // math.gcd($a, $b)",
            imports="import math",
        ),
        unguarded("return abs($a * $b) // math.gcd($a, $b)", cwe=369, imports="import math"),
        unguarded("return $a * $b // math.gcd($a, $b)", cwe=682, imports="import math"),
        unguarded("out = max($a, $b)\nwhile out % $a or out % $b:\n    out += 1\nreturn out", cwe=369),
    ),
    basic=_positive_pair,
    edges=_pair_edges,
    properties=("zero-division", "contract"),
    post="result >= 0",
)

FAMILIES = (
    POWER_MOD,
    PRIMES_UPTO,
    FIBONACCI,
    COLLATZ_STEPS,
    BIT_COUNT,
    TO_BASE,
    ROUND_TO_MULTIPLE,
    LCM,
)
