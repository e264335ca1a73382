"""Families over text: palindromes, truncation, initials, missing text, numbers and addresses in text."""

from __future__ import annotations

from random import Random

from training.curriculum.family import Arguments, Family, Slots, idiomatic, unguarded, verbose
from training.curriculum.slots import FALLBACKS, TEXTS, WORDS, numbers


def _palindrome(rng: Random, slots: Slots) -> Arguments:
    half = rng.choice(["ab", "xyz", "noo", "lev", "ka", "re"])
    return (half + half[::-1] if rng.random() < 0.5 else half + "q",)


def _palindrome_edges(rng: Random, slots: Slots) -> list[Arguments]:
    return [("",), ("A",), ("Anna",), ("Noon",), ("aB",), ("LEVEl",)]


def _long(rng: Random, slots: Slots) -> Arguments:
    return (" ".join(rng.choice(WORDS) for _ in range(rng.randint(6, 8))),)


def _long_edges(rng: Random, slots: Slots) -> list[Arguments]:
    n = int(slots["n"])
    return [("",), ("x" * (n - 1),), ("y" * n,), ("z" * (n + 1),), (rng.choice(WORDS)[:3],)]


def _words(rng: Random, slots: Slots) -> Arguments:
    return (" ".join(rng.choice(WORDS) for _ in range(rng.randint(2, 4))),)


def _words_edges(rng: Random, slots: Slots) -> list[Arguments]:
    word = rng.choice(WORDS)
    return [("",), (f"{word}  {word}",), (f" {word}",), ("   ",), ("x",)]


def _maybe(rng: Random, slots: Slots) -> Arguments:
    return (rng.choice(WORDS),)


def _maybe_edges(rng: Random, slots: Slots) -> list[Arguments]:
    return [(None,), ("",), ("a b",)]


def _number(rng: Random, slots: Slots) -> Arguments:
    return (str(rng.randint(-500, 5000)),)


def _number_edges(rng: Random, slots: Slots) -> list[Arguments]:
    return [("",), (rng.choice(WORDS),), ("1.5",), (" 7 ",), ("-",), ("²",)]


def _address(rng: Random, slots: Slots) -> Arguments:
    good = f"{rng.choice(WORDS)}@{rng.choice(WORDS)}.{rng.choice(['com', 'org', 'es', 'net'])}"
    return (good if rng.random() < 0.7 else good.replace("@", "at"),)


def _address_edges(rng: Random, slots: Slots) -> list[Arguments]:
    word = rng.choice(WORDS)
    return [("",), (f"{word}@mail.com\n",), (f"{word}@mail.com, b@c.es",), (f"{word}@mail",), (f"{word}@mail.es",)]


PALINDROME = Family(
    slug="palindrome",
    parameters="$s: str",
    returns="bool",
    names={"s": TEXTS},
    english=(
        "Tell whether $s reads the same backwards, ignoring case.",
        "Return True if $s is a palindrome; capital letters count as small ones.",
        "Is $s equal to its own reverse, upper and lower case being alike?",
        "Check that $s is the same from both ends without regard to case.",
        "With all its letters made lower case, is $s the same text from right to left?",
        "True if $s is symmetric about its middle, with capitals making no difference, and False if not.",
        "Lower-case $s, turn it round and say whether both versions match.",
        "Find out whether reversing $s changes nothing, with 'A' and 'a' taken as the same letter.",
        "Decide whether $s is a palindrome, case aside.",
        "Does $s stay the same when reversed, whatever the case of its letters?",
    ),
    spanish=(
        "Di si $s se lee igual al revés, sin distinguir mayúsculas.",
        "Devuelve True si $s es un palíndromo; las mayúsculas cuentan como minúsculas.",
        "¿Es $s igual a su inverso, sin distinguir mayúsculas y minúsculas?",
        "Comprueba que $s es igual por ambos extremos sin atender a las mayúsculas.",
        "Con todas sus letras en minúscula, ¿es $s el mismo texto de derecha a izquierda?",
        "True si $s es simétrico respecto a su centro, sin que importen las mayúsculas, y False si no.",
        "Pasa $s a minúsculas, dale la vuelta y di si las dos versiones coinciden.",
        "Averigua si invertir $s no cambia nada, tomando 'A' y 'a' por la misma letra.",
        "Decide si $s es un palíndromo, mayúsculas aparte.",
        "¿Queda $s igual al invertirla, sean como sean sus mayúsculas?",
    ),
    variants=(
        idiomatic("return $s.lower() == $s.lower()[::-1]"),
        verbose("out = $s.lower()\nreturn out == out[::-1]"),
        unguarded("return $s == $s[::-1]", cwe=178),
        unguarded("return ''.join(reversed($s)) == $s", cwe=178),
        unguarded(
            "for pos in range(len($s) // 2):\n    if $s[pos] != $s[-pos - 1]:\n        return False\nreturn True",
            cwe=178,
        ),
    ),
    basic=_palindrome,
    edges=_palindrome_edges,
    properties=("index-error", "return-type"),
)

TRUNCATE = Family(
    slug="truncate",
    parameters="$s: str",
    returns="str",
    names={"s": TEXTS},
    constants={"n": numbers(8, 26)},
    english=(
        "Shorten $s to $n characters, the last three being dots, if it is longer.",
        "Return $s cut to length $n with '...' at its end; shorter text stays as it is.",
        "If $s has more than $n characters, keep $n of them and end in an ellipsis.",
        "Truncate $s so that it takes at most $n characters, marking the cut by '...'.",
        "When $s fits in $n characters return it untouched; otherwise its beginning and '...', $n in all.",
        "A preview of $s: all of it up to $n characters, and beyond that the first $n - 3 followed by '...'.",
        "How does $s look in a column of width $n? If it does not fit, '...' replaces its end within the $n.",
        "Text $s for a label of $n characters; if too long it ends in '...', these dots being part of the $n.",
        "Fit $s into $n characters, with three dots where it had to be cut.",
        "Limit the length of $s to $n, ending in '...' only when something was left out.",
    ),
    spanish=(
        "Acorta $s a $n caracteres, los tres últimos puntos, si es más larga.",
        "Devuelve $s cortado a longitud $n con '...' al final; un texto más corto queda igual.",
        "Si $s tiene más de $n caracteres, conserva $n y termina en puntos suspensivos.",
        "Trunca $s para que ocupe como mucho $n caracteres, marcando el corte con '...'.",
        "Si $s cabe en $n caracteres, devuélvelo sin tocar; si no, su comienzo y '...', $n en total.",
        "Vista previa de $s: entero hasta $n caracteres y, si tiene más, los primeros $n - 3 seguidos de '...'.",
        "¿Cómo se ve $s en una columna de ancho $n? Si no cabe, '...' sustituye a su final dentro de los $n.",
        "Texto $s para una etiqueta de $n caracteres; si es más largo acaba en '...', puntos incluidos en los $n.",
        "Haz caber $s en $n caracteres, con tres puntos donde haya que cortar.",
        "Limita la longitud de $s a $n, con '...' al final solo si algo quedó fuera.",
    ),
    variants=(
        idiomatic("return $s if len($s) <= $n else $s[: $n - 3] + '...'"),
        verbose("if len($s) <= $n:\n    return $s\nreturn $s[: $n - 3] + '...'"),
        unguarded("return $s[: $n - 3] + '...'", cwe=682),
        unguarded("out = $s[: $n - 3]\nreturn out + '...'", cwe=682),
        unguarded("return ''.join(($s[: $n - 3], '...'))", cwe=682),
    ),
    basic=_long,
    edges=_long_edges,
    properties=("contract",),
    post="len(result) <= $n and (len($s) > $n or result == $s)",
)

INITIALS = Family(
    slug="initials",
    parameters="$s: str",
    returns="str",
    names={"s": TEXTS},
    english=(
        "Join the first letter of each word of $s; extra spaces do not matter.",
        "Return the initials of the words in $s, however many spaces part them.",
        "Build a string from the first character of every word in $s.",
        "What are the initials of $s? Ignore repeated or leading spaces.",
        "Split $s at any run of spaces and put the first letters together, just as they are.",
        "If $s has words, chain their first characters in order; blank text gives an empty string.",
        "Which string remains of $s if each word keeps only its first letter and all spaces go?",
        "Acronym of $s: one letter a word, the first, unchanged in case, skipping any surplus space.",
        "Give the initial letters of all words of $s, robust to odd spacing.",
        "Abbreviate $s to the first letters of its words.",
    ),
    spanish=(
        "Une la primera letra de cada palabra de $s; los espacios de más no importan.",
        "Devuelve las iniciales de las palabras de $s, las separen los espacios que las separen.",
        "Forma una cadena con el primer carácter de cada palabra de $s.",
        "¿Cuáles son las iniciales de $s? Ignora espacios repetidos o iniciales.",
        "Separa $s por cualquier tramo de espacios y junta las primeras letras, tal como están.",
        "Si $s tiene palabras, encadena en orden sus primeros caracteres; un texto en blanco da una cadena vacía.",
        "¿Qué cadena queda de $s si cada palabra conserva solo su primera letra y se quitan todos los espacios?",
        "Siglas de $s: una letra por palabra, la primera, sin cambiar mayúsculas y saltando espacios sobrantes.",
        "Da las letras iniciales de todas las palabras de $s, con espacios irregulares o sin ellos.",
        "Abrevia $s a las primeras letras de sus palabras.",
    ),
    variants=(
        idiomatic("return ''.join(item[0] for item in $s.split())"),
        verbose("out = ''\nfor item in $s.split():\n    out += item[0]\nreturn out"),
        unguarded("return ''.join(item[0] for item in $s.split(' '))", cwe=129),
        unguarded("out = ''\nfor item in $s.split(' '):\n    out += item[0]\nreturn out", cwe=129),
        unguarded("return ''.join([item[0] for item in $s.split(' ')])", cwe=129),
    ),
    basic=_words,
    edges=_words_edges,
    properties=("index-error",),
)

LENGTH_OR_DEFAULT = Family(
    slug="length-or-default",
    parameters="$s: str | None",
    returns="int",
    names={"s": TEXTS},
    constants={"d": numbers(-60, -1) + numbers(-199, -61)},
    english=(
        "Return the length of $s, or $d when it is None.",
        "Count the characters of $s; a missing text (None) counts as $d.",
        "How long is $s? Answer $d if it is None.",
        "Give the number of characters in $s and $d for None.",
        "If $s is None the result is $d; otherwise it is however many characters there are, 0 for empty text.",
        "None has no length, so return $d for it; for any real text $s return its len.",
        "Safe len of $s that yields $d instead of failing on None.",
        "When a text $s is given, how many characters does it have? When None is given, the answer is $d.",
        "Measure the length of $s, with $d if there is no text at all.",
        "Size of the text $s, which may be None, and then it is $d.",
    ),
    spanish=(
        "Devuelve la longitud de $s, o $d cuando sea None.",
        "Cuenta los caracteres de $s; un texto ausente (None) cuenta como $d.",
        "¿Qué longitud tiene $s? Responde $d si es None.",
        "Da el número de caracteres de $s y $d para None.",
        "Si $s es None, el resultado es $d; si no, son los caracteres que tenga, 0 para un texto vacío.",
        "None no tiene longitud, así que devuelve $d en ese caso; para un texto $s de verdad, devuelve su len.",
        "Un len de $s a prueba de None: en lugar de fallar, da $d.",
        "Cuando llegue un texto $s, ¿cuántos caracteres tiene? Cuando llegue None, la respuesta es $d.",
        "Mide la longitud de $s, con $d si no hay texto alguno.",
        "Tamaño del texto $s, que puede ser None, y entonces es $d.",
    ),
    variants=(
        idiomatic("return $d if $s is None else len($s)"),
        verbose("if $s is None:\n    return $d\nreturn len($s)"),
        unguarded("return len($s)", cwe=476),
        unguarded("out = len($s) if $s else $d\nreturn out", cwe=697),
        unguarded("out = 0\nfor _ in $s:\n    out += 1\nreturn out", cwe=476),
    ),
    basic=_maybe,
    edges=_maybe_edges,
    properties=("none-deref", "type-error"),
)

PARSE_INT = Family(
    slug="parse-int",
    parameters="$s: str",
    returns="int",
    names={"s": TEXTS},
    constants={"d": FALLBACKS},
    english=(
        "Convert $s to an integer, or return $d if it is not one.",
        "Parse the text $s as a whole number; anything else gives $d.",
        "Read an int from $s and fall back to $d on bad input.",
        "Which integer does $s hold? Answer $d when it holds none.",
        "If $s cannot be read as an int the result is $d; if it can, the result is that int.",
        "The user typed $s: give the integer that it stands for, and $d if it makes no sense as one.",
        "Safe conversion of $s to int: text that is no integer, such as '' or '1.5', produces $d.",
        "What number does int() make of $s? When it raises a ValueError, return $d.",
        "Turn the string $s into an int, with $d for invalid text.",
        "Interpret $s as an integer and use $d if that fails.",
    ),
    spanish=(
        "Convierte $s en entero, o devuelve $d si no lo es.",
        "Interpreta el texto $s como número entero; cualquier otra cosa da $d.",
        "Lee un entero de $s y recurre a $d si la entrada es mala.",
        "¿Qué entero contiene $s? Responde $d cuando no contenga ninguno.",
        "Si $s no se puede leer como int, el resultado es $d; si se puede, el resultado es ese int.",
        "El usuario ha escrito $s: da el entero que representa, y $d si no tiene sentido como tal.",
        "Conversión segura de $s a int: un texto que no sea un entero, como '' o '1.5', produce $d.",
        "¿Qué número saca int() de $s? Cuando lance un ValueError, devuelve $d.",
        "Pasa la cadena $s a entero, con $d para texto no válido.",
        "Toma $s como entero y usa $d si eso falla.",
    ),
    variants=(
        idiomatic("try:\n    return int($s)\nexcept ValueError:\n    return $d"),
        verbose("try:\n    out = int($s)\nexcept ValueError:\n    out = $d\nreturn out"),
        unguarded("return int($s)", cwe=248),
        unguarded("return int($s) if $s else $d", cwe=248),
        unguarded("return int(float($s))", cwe=248),
    ),
    basic=_number,
    edges=_number_edges,
    properties=("value-error",),
)

EMAIL = Family(
    slug="email",
    parameters="$s: str",
    returns="bool",
    names={"s": TEXTS},
    english=(
        "Check that all of $s is an e-mail address like name@site.com.",
        "Tell whether $s is a valid email address and nothing else.",
        "Validate the e-mail $s with a regular expression over the whole text.",
        "Is the string $s exactly one email address?",
        "Accept $s only when its full text has the form user@domain.tld: True if so, otherwise False.",
        "Does $s match the pattern of an email from its first character to its last, with nothing after it?",
        "Give False for every $s that is no e-mail address or has anything before or after it, else True.",
        "Strict email test for $s: a name, an @, a domain, a dot, an ending, and not one character more.",
        "Decide whether $s, taken whole, is an e-mail address.",
        "Return True only if $s is an email address from beginning to end.",
    ),
    spanish=(
        "Comprueba que todo $s es una dirección de correo como nombre@sitio.com.",
        "Di si $s es un correo electrónico válido y nada más.",
        "Valida el correo $s con una expresión regular sobre todo el texto.",
        "¿Es la cadena $s exactamente una dirección de correo electrónico?",
        "Acepta $s solo si todo su texto tiene la forma usuario@dominio.tld: True si es así, y False si no.",
        "¿Encaja $s con el patrón de un correo desde el primer carácter hasta el último, sin nada detrás?",
        "Da False para todo $s que no sea un correo electrónico o lleve algo antes o después; si no, True.",
        "Prueba estricta de correo para $s: un nombre, una @, un dominio, un punto, un final y nada más.",
        "Decide si $s, tomado entero, es una dirección de correo.",
        "Devuelve True solo si $s es un correo electrónico de principio a fin.",
    ),
    variants=(
        idiomatic(r"return re.fullmatch(r'[\w.+-]+@[\w-]+\.[a-z]+', $s) is not None", imports="import re"),
        verbose(
            r"out = re.compile(r'[\w.+-]+@[\w-]+\.[a-z]+')" + "\nreturn bool(out.fullmatch($s))", imports="import re"
        ),
        unguarded(r"return re.match(r'[\w.+-]+@[\w-]+\.[a-z]+', $s) is not None", cwe=625, imports="import re"),
        unguarded("return '@' in $s", cwe=20),
    ),
    basic=_address,
    edges=_address_edges,
    properties=("redos", "contract"),
    post="not result or '@' in $s",
)

FAMILIES = (PALINDROME, TRUNCATE, INITIALS, LENGTH_OR_DEFAULT, PARSE_INT, EMAIL)
