"""Families over dates, written YYYY-MM-DD: validity, weekdays, distances, leap years, ages, ends of months."""

from __future__ import annotations

from datetime import date, timedelta
from random import Random

from training.curriculum.family import Arguments, Family, Slots, idiomatic, unguarded, verbose
from training.curriculum.slots import INTS, TEXTS, WORDS, numbers

_BELOW_ZERO = numbers(-40, -1)
_FIRST_DAY = date(1950, 1, 1)


def _day(rng: Random) -> date:
    return _FIRST_DAY + timedelta(days=rng.randrange(90 * 365))


def _maybe_date(rng: Random, slots: Slots) -> Arguments:
    # Besides dates, text that no check takes for one.
    good = rng.random() < 0.6
    return (_day(rng).isoformat() if good else f"{rng.choice(WORDS)} {rng.randint(1, 31)}",)


def _maybe_date_edges(rng: Random, slots: Slots) -> list[Arguments]:
    year, month = rng.randint(1951, 2049), rng.randint(1, 9)
    return [
        ("",),
        (f"{year}-02-30",),
        (f"{year}-13-0{month}",),
        (f"{year}{month:02}15",),
        (f"{year}-{month}-5",),
        ("2024-02-29",),
        ("2023-02-29",),
        (f"{year}-0{month}-11\n",),
    ]


def _date(rng: Random, slots: Slots) -> Arguments:
    return (_day(rng).isoformat(),)


def _date_edges(rng: Random, slots: Slots) -> list[Arguments]:
    year = rng.randint(1951, 2049)
    return [("",), (rng.choice(WORDS),), (f"{year}-02-30",), (f"{year}-13-05",), ("2024-02-29",), ("1900-02-29",)]


def _two_dates(rng: Random, slots: Slots) -> Arguments:
    # In order: code that forgets the sign works.
    day = _day(rng)
    return day.isoformat(), (day + timedelta(days=rng.randint(1, 900))).isoformat()


def _two_dates_edges(rng: Random, slots: Slots) -> list[Arguments]:
    day = _day(rng)
    text, later = day.isoformat(), (day + timedelta(days=rng.randint(1, 400))).isoformat()
    return [(later, text), (text, text), ("", text), (text, "2023-02-29"), (text, rng.choice(WORDS))]


def _year(rng: Random, slots: Slots) -> Arguments:
    # No century: code that forgets their rules works.
    year = rng.randrange(1600, 2400, 4) if rng.random() < 0.5 else rng.randint(1600, 2400)
    return (year if year % 100 else year + rng.choice([1, 2, 4, 7, 8]),)


def _year_edges(rng: Random, slots: Slots) -> list[Arguments]:
    return [(1900,), (2000,), (100 * rng.choice([17, 18, 21, 22, 23]),), (2024,), (2023,), (400,)]


def _birth(rng: Random, slots: Slots) -> Arguments:
    # The birthday is well past and the leap days do not add up to the rest of the year.
    year = rng.randint(1940, 2000)
    born = date(year, rng.randint(1, 5), rng.randint(1, 28))
    return born.isoformat(), date(year + rng.randint(1, 60), rng.randint(6, 11), rng.randint(1, 28)).isoformat()


def _birth_edges(rng: Random, slots: Slots) -> list[Arguments]:
    year, age, day = rng.randint(1940, 1990), rng.randint(8, 30), rng.randint(2, 28)
    born, then = f"{year}-06-{day:02}", f"{year + age}-06"
    return [
        (born, f"{then}-{day - 1:02}"),
        (born, f"{then}-{day:02}"),
        ("", born),
        (born, "2023-02-29"),
        (f"{year + 50}-05-01", f"{year}-06-01"),
        (born, born),
    ]


def _month(rng: Random, slots: Slots) -> Arguments:
    # Neither a leap February nor December, which take more care.
    year, month = rng.randint(1900, 2100), rng.randint(1, 11)
    return (year + 1 if month == 2 and year % 4 == 0 else year), month


def _month_edges(rng: Random, slots: Slots) -> list[Arguments]:
    year = rng.randint(1901, 2099)
    return [(year, 0), (year, 13), (year, -rng.randint(1, 12)), (2024, 2), (1900, 2), (year, 12)]


PARSE_DATE = Family(
    slug="parse-date",
    parameters="$s: str",
    returns="bool",
    names={"s": TEXTS},
    english=(
        "Tell whether $s is a real date written exactly as YYYY-MM-DD.",
        "Return True if $s is a valid calendar date in the form YYYY-MM-DD, zeros included, and False otherwise.",
        "Is $s an existing date in exactly the format of 2024-02-09?",
        "Check $s: four digits, two and two, joined by hyphens, and a day that the calendar has.",
        "If $s names a day that exists, as YYYY-MM-DD and nothing more, answer True; in any other case False.",
        "Validity of the text $s as a YYYY-MM-DD date: both the exact form and the day must be right.",
        "Decide if the string $s holds a correct date in full ISO form with hyphens (YYYY-MM-DD), no more, no less.",
        "False for any $s that is not exactly YYYY-MM-DD or whose day does not exist; True for the rest.",
        "Verify that $s follows YYYY-MM-DD to the letter and is a day of the calendar.",
        "Does $s consist of a four-digit year and two-digit month and day, with hyphens, that form a real date?",
    ),
    spanish=(
        "Di si $s es una fecha real escrita exactamente como AAAA-MM-DD.",
        "Devuelve True si $s es una fecha válida con la forma AAAA-MM-DD, ceros incluidos, y False si no.",
        "¿Es $s una fecha existente con el formato exacto de 2024-02-09?",
        "Comprueba $s: cuatro cifras, dos y dos, unidas por guiones, y un día que esté en el calendario.",
        "Si $s nombra un día que existe, como AAAA-MM-DD y nada más, responde True; en otro caso, False.",
        "Validez del texto $s como fecha AAAA-MM-DD: deben ser correctos tanto la forma exacta como el día.",
        "Decide si la cadena $s contiene una fecha correcta en forma ISO con guiones (AAAA-MM-DD), ni más ni menos.",
        "False para todo $s que no sea exactamente AAAA-MM-DD o cuyo día no exista; True para lo demás.",
        "Verifica que $s sigue AAAA-MM-DD al pie de la letra y es un día del calendario.",
        "¿Consta $s de un año de cuatro cifras y mes y día de dos, con guiones, que forman una fecha real?",
    ),
    variants=(
        idiomatic(
            "try:\n    return datetime.date.fromisoformat($s).isoformat() == $s\nexcept ValueError:\n    return False",
            imports="import datetime",
        ),
        verbose(
            "try:\n    out = datetime.strptime($s, '%Y-%m-%d')\nexcept ValueError:\n    return False\n"
            "return out.date().isoformat() == $s",
            imports="from datetime import datetime",
        ),
        unguarded(
            "try:\n    datetime.date.fromisoformat($s)\n    return True\nexcept ValueError:\n    return False",
            cwe=20,
            imports="import datetime",
        ),
        unguarded(
            "try:\n    datetime.strptime($s, '%Y-%m-%d')\n    return True\nexcept ValueError:\n    return False",
            cwe=20,
            imports="from datetime import datetime",
        ),
        unguarded(
            r"return re.fullmatch(r'\d{4}-\d{2}-\d{2}', $s) is not None",
            cwe=20,
            imports="import re",
        ),
    ),
    basic=_maybe_date,
    edges=_maybe_date_edges,
    properties=("value-error", "return-type", "contract"),
    post="not result or len($s) == 10",
)

WEEKDAY_INDEX = Family(
    slug="weekday-index",
    parameters="$s: str",
    returns="int",
    names={"s": TEXTS},
    constants={"d": _BELOW_ZERO},
    english=(
        "Return the weekday of the date $s (YYYY-MM-DD) from 0 for Monday to 6 for Sunday; bad text gives $d.",
        "Which day of the week is $s, an ISO date? Count Monday as 0 and answer $d if it is no date.",
        "Compute the weekday number of $s (Monday 0, Sunday 6), or $d when $s is not a valid YYYY-MM-DD date.",
        "If $s is not a valid ISO date return $d; else its day of the week, starting from Monday = 0.",
        "Day of the week, 0 to 6 from Monday on, of the YYYY-MM-DD date $s; $d for anything invalid.",
        "Parse $s as YYYY-MM-DD and give its weekday with Monday as 0; use $d if parsing fails.",
        "Find how many days the ISO date $s lies after the Monday of its week, or $d if there is no such date.",
        "$d if $s is no real YYYY-MM-DD date, otherwise 0 for a Monday, 1 for a Tuesday, up to 6.",
        "Give the weekday index of the ISO date in $s, Monday being 0 and Sunday 6, with $d for invalid dates.",
        "Take the YYYY-MM-DD date $s and number its weekday from 0 (Monday); if it is not valid, answer $d.",
    ),
    spanish=(
        "Devuelve el día de la semana de la fecha $s (AAAA-MM-DD), de 0 lunes a 6 domingo; un texto malo da $d.",
        "¿Qué día de la semana es $s, una fecha ISO? Cuenta el lunes como 0 y responde $d si no es una fecha.",
        "Calcula el número de día de la semana de $s (lunes 0, domingo 6), o $d si no es una fecha AAAA-MM-DD válida.",
        "Si $s no es una fecha ISO válida devuelve $d; si no, su día de la semana, empezando por lunes = 0.",
        "Día de la semana, de 0 a 6 a partir del lunes, de la fecha AAAA-MM-DD $s; $d para lo que no sea válido.",
        "Interpreta $s como AAAA-MM-DD y da su día de la semana con el lunes como 0; usa $d si eso falla.",
        "Halla cuántos días después del lunes de su semana cae la fecha ISO $s, o $d si no existe tal fecha.",
        "$d si $s no es una fecha AAAA-MM-DD real; en otro caso, 0 para un lunes, 1 para un martes y así hasta 6.",
        "Da el índice semanal de la fecha ISO que hay en $s, con lunes 0 y domingo 6, y $d para fechas no válidas.",
        "Toma la fecha AAAA-MM-DD $s y numera su día de la semana desde 0 (lunes); si no es válida, responde $d.",
    ),
    variants=(
        idiomatic(
            "try:\n    return datetime.date.fromisoformat($s).weekday()\nexcept ValueError:\n    return $d",
            imports="import datetime",
        ),
        verbose(
            "try:\n    out = datetime.strptime($s, '%Y-%m-%d')\nexcept ValueError:\n    return $d\nreturn out.weekday()",
            imports="from datetime import datetime",
        ),
        unguarded("return datetime.date.fromisoformat($s).weekday()", cwe=248, imports="import datetime"),
        unguarded(
            "if len($s) != 10:\n    return $d\nreturn datetime.date.fromisoformat($s).weekday()",
            cwe=248,
            imports="import datetime",
        ),
        unguarded(
            "left, pos, right = $s.split('-')\nreturn calendar.weekday(int(left), int(pos), int(right))",
            cwe=248,
            imports="import calendar",
        ),
    ),
    basic=_date,
    edges=_date_edges,
    properties=("value-error", "contract"),
    post="result == $d or 0 <= result <= 6",
)

DAYS_BETWEEN = Family(
    slug="days-between",
    parameters="$s: str, $t: str",
    returns="int",
    names={"s": TEXTS, "t": TEXTS},
    constants={"d": _BELOW_ZERO},
    english=(
        "Return the number of days between the dates $s and $t (YYYY-MM-DD), in any order; bad text gives $d.",
        "How many days apart are the ISO dates $s and $t? Answer $d if either is not valid.",
        "Count the days from the earlier to the later of $s and $t, both YYYY-MM-DD, or $d for an invalid date.",
        "If $s or $t is no valid ISO date return $d, else the distance between them in days, never negative.",
        "Absolute difference in days of the YYYY-MM-DD dates $s and $t; $d when one of them is not valid.",
        "Subtract the ISO date $s from the ISO date $t, drop the sign and give the days; $d on a bad date.",
        "Days that separate $s from $t, whichever comes first, with $d unless both are real YYYY-MM-DD dates.",
        "$d for an invalid ISO date in $s or $t; otherwise the days from one to the other, without sign.",
        "Measure the gap in days between two ISO dates, $s and $t, regardless of order, using $d if one is wrong.",
        "Read $s and $t as YYYY-MM-DD and tell how many days part them, never below 0; $d if that fails.",
    ),
    spanish=(
        "Devuelve los días que hay entre las fechas $s y $t (AAAA-MM-DD), en cualquier orden; un texto malo da $d.",
        "¿Cuántos días distan entre sí las fechas ISO $s y $t? Responde $d si alguna no es válida.",
        "Cuenta los días de la anterior a la posterior de las fechas $s y $t (AAAA-MM-DD), o $d si una no es válida.",
        "Si $s o $t no es una fecha ISO válida devuelve $d; si no, la distancia entre ambas en días, nunca negativa.",
        "Diferencia absoluta en días de las fechas AAAA-MM-DD $s y $t; $d cuando una de ellas no sea válida.",
        "Resta la fecha ISO $s de la fecha ISO $t, quita el signo y da los días; $d ante una fecha errónea.",
        "Días que separan $s de $t, vaya antes la que vaya, con $d salvo que ambas sean fechas AAAA-MM-DD reales.",
        "$d si en $s o en $t hay una fecha ISO no válida; en otro caso, los días de una a otra, sin signo.",
        "Mide el intervalo en días entre dos fechas ISO, $s y $t, sin importar el orden, con $d si una está mal.",
        "Lee $s y $t como AAAA-MM-DD y di cuántos días las separan, nunca menos de 0; $d si eso falla.",
    ),
    variants=(
        idiomatic(
            "try:\n    return abs((datetime.date.fromisoformat($t) - datetime.date.fromisoformat($s)).days)\n"
            "except ValueError:\n    return $d",
            imports="import datetime",
        ),
        verbose(
            "try:\n    left = datetime.strptime($s, '%Y-%m-%d')\n    right = datetime.strptime($t, '%Y-%m-%d')\n"
            "except ValueError:\n    return $d\nout = (right - left).days\nreturn out if out >= 0 else -out",
            imports="from datetime import datetime",
        ),
        unguarded(
            "return abs((datetime.date.fromisoformat($t) - datetime.date.fromisoformat($s)).days)",
            cwe=248,
            imports="import datetime",
        ),
        unguarded(
            "return (datetime.date.fromisoformat($t) - datetime.date.fromisoformat($s)).days",
            cwe=248,
            imports="import datetime",
        ),
        unguarded(
            "if not $s or not $t:\n    return $d\n"
            "left, right = datetime.date.fromisoformat($s), datetime.date.fromisoformat($t)\n"
            "return abs((right - left).days)",
            cwe=248,
            imports="import datetime",
        ),
    ),
    basic=_two_dates,
    edges=_two_dates_edges,
    properties=("value-error", "contract"),
    post="result >= 0 or result == $d",
    weight=2,
)

IS_LEAP = Family(
    slug="is-leap",
    parameters="$y: int",
    returns="bool",
    names={"y": INTS},
    english=(
        "Tell whether $y is a leap year in the Gregorian calendar.",
        "Return True if the year $y has a 29 February by the Gregorian rules, and False if not.",
        "Is $y a leap year, century years counting only when divisible by 400?",
        "Check that the year $y is divisible by 4, but not by 100 unless also by 400.",
        "Does February have 29 days in the Gregorian year $y?",
        "Leap year test for $y under the rules of 4, 100 and 400.",
        "Decide if $y has 366 days in the Gregorian calendar.",
        "If 400 divides $y, or 4 does and 100 does not, answer True; else False.",
        "True for a leap year $y and False for a common one, where 1900 is common and 2000 leap.",
        "Say if the Gregorian calendar adds a leap day to the year $y.",
    ),
    spanish=(
        "Di si $y es un año bisiesto del calendario gregoriano.",
        "Devuelve True si el año $y tiene 29 de febrero según las reglas gregorianas, y False si no.",
        "¿Es $y un año bisiesto, contando los múltiplos de 100 solo si lo son también de 400?",
        "Comprueba que el año $y es divisible entre 4, pero no entre 100 salvo que también lo sea entre 400.",
        "¿Tiene 29 días febrero en el año gregoriano $y?",
        "Prueba de año bisiesto para $y con las reglas de 4, 100 y 400.",
        "Decide si $y tiene 366 días en el calendario gregoriano.",
        "Si 400 divide a $y, o lo divide 4 y no 100, responde True; si no, False.",
        "True para un año $y bisiesto y False para uno común, donde 1900 es común y 2000 bisiesto.",
        "Indica si el calendario gregoriano añade un día bisiesto al año $y.",
    ),
    variants=(
        idiomatic("return $y % 4 == 0 and ($y % 100 != 0 or $y % 400 == 0)"),
        verbose("return calendar.isleap($y)", imports="import calendar"),
        verbose("if $y % 400 == 0:\n    return True\nif $y % 100 == 0:\n    return False\nreturn $y % 4 == 0"),
        unguarded("return $y % 4 == 0", cwe=682),
        unguarded("return $y % 4 == 0 and $y % 100 != 0", cwe=682),
        unguarded("return $y % 4 == 0 and ($y % 100 != 0 or $y % 1000 == 0)", cwe=682),
    ),
    basic=_year,
    edges=_year_edges,
    properties=("return-type", "contract"),
    post="result == ($y % 4 == 0 and ($y % 100 != 0 or $y % 400 == 0))",
)

AGE_ON = Family(
    slug="age-on",
    parameters="$s: str, $t: str",
    returns="int",
    names={"s": TEXTS, "t": TEXTS},
    constants={"d": _BELOW_ZERO},
    english=(
        "Return the age in years on $t of someone born on $s, both ISO dates; $d if one is bad or $t is earlier.",
        "How many full years passed from $s to $t, both ISO dates? Answer $d for bad or reversed dates.",
        "Count the yearly anniversaries of $s up to $t inclusive; invalid ISO dates, or $t before $s, give $d.",
        "If $s or $t is no YYYY-MM-DD date, or $t comes first, return $d; else the completed years from $s to $t.",
        "Age in completed years at $t for the birth date $s (YYYY-MM-DD), with $d for invalid or swapped dates.",
        "Years from birth on $s to the day $t, only full ones; $d if either is no ISO date or $t precedes $s.",
        "Work out how old on $t is a person born on $s; dates are YYYY-MM-DD, and bad or reversed ones give $d.",
        "$d if $s or $t is an invalid ISO date or $t lies before $s, otherwise the full years elapsed.",
        "Given a birth date $s and a later date $t as YYYY-MM-DD, give the age; $d if they are invalid or swapped.",
        "Year of $t minus year of $s, less one if the birthday is yet to come; $d for bad or reversed ISO dates.",
    ),
    spanish=(
        "Devuelve los años que tiene en $t quien nació en $s, fechas ISO; $d si una no es válida o $t es anterior.",
        "¿Cuántos años completos pasaron de $s a $t, ambas fechas ISO? Responde $d si son erróneas o van al revés.",
        "Cuenta los aniversarios de $s hasta $t inclusive; las fechas ISO no válidas, o $t anterior a $s, dan $d.",
        "Si $s o $t no es una fecha AAAA-MM-DD, o $t va antes, devuelve $d; si no, los años cumplidos de $s a $t.",
        "Edad en años cumplidos en $t para la fecha de nacimiento $s (AAAA-MM-DD), con $d si no valen o van al revés.",
        "Años desde el nacimiento en $s hasta el día $t, solo completos; $d si no son fechas ISO o $t precede a $s.",
        "Averigua qué edad tiene en $t quien nació en $s; son fechas AAAA-MM-DD, y las erróneas o invertidas dan $d.",
        "$d si $s o $t es una fecha ISO no válida o $t queda antes que $s; en otro caso, los años completos pasados.",
        "Dadas una fecha de nacimiento $s y otra posterior $t (AAAA-MM-DD), da la edad; $d si no valen o van al revés.",
        "Año de $t menos año de $s, menos uno si aún no llegó el cumpleaños; $d con fechas ISO erróneas o invertidas.",
    ),
    variants=(
        idiomatic(
            "try:\n    left, right = datetime.date.fromisoformat($s), datetime.date.fromisoformat($t)\n"
            "except ValueError:\n    return $d\n"
            "if right < left:\n    return $d\n"
            "return right.year - left.year - ((right.month, right.day) < (left.month, left.day))",
            imports="import datetime",
        ),
        verbose(
            "try:\n    left, right = datetime.date.fromisoformat($s), datetime.date.fromisoformat($t)\n"
            "except ValueError:\n    return $d\n"
            "out = right.year - left.year\nif (right.month, right.day) < (left.month, left.day):\n    out -= 1\n"
            "return out if right >= left else $d",
            imports="import datetime",
        ),
        unguarded(
            "left, right = datetime.date.fromisoformat($s), datetime.date.fromisoformat($t)\n"
            "return right.year - left.year - ((right.month, right.day) < (left.month, left.day))",
            cwe=248,
            imports="import datetime",
        ),
        unguarded(
            "try:\n    left, right = datetime.date.fromisoformat($s), datetime.date.fromisoformat($t)\n"
            "except ValueError:\n    return $d\n"
            "return right.year - left.year if right >= left else $d",
            cwe=682,
            imports="import datetime",
        ),
        unguarded(
            "try:\n    out = datetime.date.fromisoformat($t) - datetime.date.fromisoformat($s)\n"
            "except ValueError:\n    return $d\n"
            "return out.days // 365 if out.days >= 0 else $d",
            cwe=682,
            imports="import datetime",
        ),
    ),
    basic=_birth,
    edges=_birth_edges,
    properties=("value-error", "contract"),
    post="result >= 0 or result == $d",
    weight=2,
)

END_OF_MONTH = Family(
    slug="end-of-month",
    parameters="$y: int, $m: int",
    returns="int",
    names={"y": INTS, "m": INTS},
    constants={"d": _BELOW_ZERO},
    english=(
        "Return the number of days of month $m in the year $y, or $d if there is no such month.",
        "What is the last day of month $m of year $y? Answer $d when $m is not from 1 to 12.",
        "Give the day on which month number $m of the year $y ends; a month out of range gives $d.",
        "If $m is below 1 or above 12 return $d, else how many days that month has in the year $y.",
        "Length in days of month $m, leap years considered for the year $y; $d for an impossible month.",
        "Find the final day number, 28 to 31, of month $m in $y, with $d for months outside 1..12.",
        "Tell how many days month $m of $y has, using 29 for February in leap years and $d if $m is no month.",
        "$d unless $m is a month from 1 to 12, and then the number of its last day in the year $y.",
        "Count the days of the month given by year $y and month $m; fall back to $d when $m is out of 1..12.",
        "Look up in the calendar of the year $y where month $m ends; $d stands for an $m that is not 1 to 12.",
    ),
    spanish=(
        "Devuelve el número de días del mes $m en el año $y, o $d si no existe tal mes.",
        "¿Cuál es el último día del mes $m del año $y? Responde $d cuando $m no esté entre 1 y 12.",
        "Da el día en que acaba el mes número $m del año $y; un mes fuera de rango da $d.",
        "Si $m es menor que 1 o mayor que 12 devuelve $d; si no, cuántos días tiene ese mes en el año $y.",
        "Duración en días del mes $m, teniendo en cuenta si el año $y es bisiesto; $d para un mes imposible.",
        "Halla el número del último día, de 28 a 31, del mes $m de $y, con $d para meses fuera de 1..12.",
        "Di cuántos días dura el mes $m de $y, con 29 para febrero en años bisiestos y $d si $m no es un mes.",
        "$d salvo que $m sea un mes del 1 al 12 y, en ese caso, el número de su último día en el año $y.",
        "Cuenta los días del mes dado por el año $y y el mes $m; recurre a $d cuando $m quede fuera de 1..12.",
        "Busca en el calendario del año $y dónde termina el mes $m; $d indica un $m que no va de 1 a 12.",
    ),
    variants=(
        idiomatic("return calendar.monthrange($y, $m)[1] if 1 <= $m <= 12 else $d", imports="import calendar"),
        verbose(
            "if $m < 1 or $m > 12:\n    return $d\nif $m == 2:\n    return 29 if calendar.isleap($y) else 28\n"
            "return 30 if $m in (4, 6, 9, 11) else 31",
            imports="import calendar",
        ),
        unguarded("return calendar.monthrange($y, $m)[1]", cwe=248, imports="import calendar"),
        unguarded("return [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][$m - 1]", cwe=129),
        unguarded(
            "if $m < 1 or $m > 12:\n    return $d\nreturn (datetime.date($y, $m + 1, 1) - datetime.timedelta(days=1)).day",
            cwe=248,
            imports="import datetime",
        ),
        unguarded("return calendar.monthrange($y, $m)[1] if $m <= 12 else $d", cwe=248, imports="import calendar"),
    ),
    basic=_month,
    edges=_month_edges,
    properties=("value-error", "index-error", "contract"),
    post="28 <= result <= 31 if 1 <= $m <= 12 else result == $d",
)

FAMILIES = (PARSE_DATE, WEEKDAY_INDEX, DAYS_BETWEEN, IS_LEAP, AGE_ON, END_OF_MONTH)
