"""Families over regular expressions: times, identity numbers, addresses, hashtags, numbers to hide."""

from __future__ import annotations

from random import Random
from string import ascii_uppercase

from training.curriculum.family import Arguments, Family, Slots, idiomatic, unguarded, verbose
from training.curriculum.slots import TEXTS, WORDS

_DNI_LETTERS = "TRWAGMYFPDXBNJZSQVHLCKE"


def _time(rng: Random, slots: Slots) -> Arguments:
    hour, minute = rng.randrange(24), rng.randrange(60)
    if rng.random() < 0.6:
        return (f"{hour:02}:{minute:02}",)
    return (rng.choice([f"{hour % 10}:{minute:02}", f"{hour:02}.{minute:02}", f"{hour:02}h{minute:02}"]),)


def _time_edges(rng: Random, slots: Slots) -> list[Arguments]:
    time = f"{rng.randrange(24):02}:{rng.randrange(60):02}"
    return [("",), ("24:00",), (f"{time}:30",), (f"{time}\n",), (f"12:{rng.randint(60, 99)}",), ("00:00",), ("23:59",)]


def _dni(rng: Random, slots: Slots) -> Arguments:
    number = rng.randrange(10**8)
    right = _DNI_LETTERS[number % 23]
    letter = right if rng.random() < 0.6 else rng.choice(ascii_uppercase.replace(right, ""))
    return (f"{number:08}{letter}",)


def _dni_edges(rng: Random, slots: Slots) -> list[Arguments]:
    number = rng.randrange(10**8)
    good = f"{number:08}{_DNI_LETTERS[number % 23]}"
    return [("",), (f"{good}{good[-1]}",), (f"{good}\n",), (good.lower(),), (good[:-1],), (f"{good[:-1]}-{good[-1]}",)]


def _ipv4(rng: Random, slots: Slots) -> Arguments:
    parts = [str(rng.randrange(256)) for _ in range(4 if rng.random() < 0.6 else rng.randint(2, 3))]
    return (".".join(parts),)


def _ipv4_edges(rng: Random, slots: Slots) -> list[Arguments]:
    address = ".".join(str(rng.randrange(256)) for _ in range(4))
    return [
        ("",),
        (f"{address}.7",),
        (f"10.0.0.{rng.randint(256, 999)}",),
        ("a.b.c.d",),
        (f"{address}\n",),
        ("1..2.3",),
    ]


def _post(rng: Random, slots: Slots) -> Arguments:
    words = rng.sample(WORDS, rng.randint(3, 5))
    return (" ".join(rng.choice([word, f"#{word}"]) for word in words),)


def _post_edges(rng: Random, slots: Slots) -> list[Arguments]:
    word = rng.choice(WORDS)
    return [("",), (f"#{word}, #{word}!",), ("# 1",), (f"(#{word.title()}2)",), (f"#{word}#año_2",), (f"##{word}",)]


def _digits(rng: Random, slots: Slots) -> Arguments:
    return (" ".join(f"{rng.randint(0, 9)} {word}" for word in rng.sample(WORDS, rng.randint(1, 3))),)


def _digits_edges(rng: Random, slots: Slots) -> list[Arguments]:
    word, number = rng.choice(WORDS), rng.randint(100, 9_999)
    return [
        ("",),
        (f"{word}{number}",),
        (f"{number}kg of {word}",),
        (f"{number}.50",),
        (word,),
        (f"({number}) #{word}",),
    ]


ISO_TIME = Family(
    slug="iso-time",
    parameters="$s: str",
    returns="bool",
    names={"s": TEXTS},
    english=(
        "Tell whether all of $s is a time HH:MM from 00:00 to 23:59, with two digits each.",
        "Return True only if $s is exactly a valid 24-hour time such as 08:30.",
        "Check $s for the form HH:MM, with hours 00-23 and minutes 00-59, from beginning to end.",
        "Is the text $s a time of day in the form HH:MM and nothing else?",
        "Validate $s as hours and minutes, two digits and two digits with a colon, in range and without extras.",
        "Decide if $s, taken whole, is a 24-hour clock time HH:MM that exists.",
        "False unless $s is five characters HH:MM, the hour below 24 and the minute below 60.",
        "Does $s hold a real HH:MM time, without seconds, spaces or line ends around it?",
        "A time of day is written 00:00 up to 23:59; say whether the string $s is one and no more.",
        "With a match of the full text, verify that $s is HH:MM and that both numbers are possible.",
    ),
    spanish=(
        "Di si todo $s es una hora HH:MM de 00:00 a 23:59, con dos cifras en cada parte.",
        "Devuelve True solo si $s es exactamente una hora válida de 24 horas, como 08:30.",
        "Comprueba que $s tiene la forma HH:MM, con horas 00-23 y minutos 00-59, de principio a fin.",
        "¿Es el texto $s una hora del día en la forma HH:MM y nada más?",
        "Valida $s como horas y minutos, dos cifras y dos cifras con dos puntos, dentro de rango y sin añadidos.",
        "Decide si $s, tomado entero, es una hora HH:MM de 24 horas que existe.",
        "False salvo que $s sean cinco caracteres HH:MM, la hora menor que 24 y el minuto menor que 60.",
        "¿Contiene $s una hora HH:MM real, sin segundos, espacios ni saltos de línea alrededor?",
        "Una hora del día se escribe de 00:00 a 23:59; di si la cadena $s es una y nada más.",
        "Con una coincidencia de todo el texto, verifica que $s es HH:MM y que ambos números son posibles.",
    ),
    variants=(
        idiomatic("return re.fullmatch('([01][0-9]|2[0-3]):[0-5][0-9]', $s) is not None", imports="import re"),
        verbose(
            "out = re.fullmatch('([0-9]{2}):([0-9]{2})', $s)\nif out is None:\n    return False\n"
            "return int(out[1]) < 24 and int(out[2]) < 60",
            imports="import re",
        ),
        unguarded("return re.match('([01][0-9]|2[0-3]):[0-5][0-9]', $s) is not None", cwe=625, imports="import re"),
        unguarded("return re.fullmatch('[0-9]{2}:[0-9]{2}', $s) is not None", cwe=185, imports="import re"),
        unguarded(
            "return bool(re.match('^([01][0-9]|2[0-3]):[0-5][0-9]$$', $s))",  # lets a final line end pass
            cwe=625,
            imports="import re",
        ),
    ),
    basic=_time,
    edges=_time_edges,
    properties=("value-error", "redos", "contract"),
    post="not result or len($s) == 5",
)

DNI_LETTER = Family(
    slug="dni-letter",
    parameters="$s: str",
    returns="bool",
    names={"s": TEXTS},
    english=(
        "Tell whether $s is a valid Spanish DNI: exactly 8 digits and their correct capital control letter.",
        "Return True only if all of $s is 8 digits with the DNI letter that belongs to them, as a capital.",
        "Check the Spanish identity number $s: eight digits, then the right one of TRWAGMYFPDXBNJZSQVHLCKE (mod 23).",
        "Is $s a DNI from Spain with the right capital letter after its 8 digits, and nothing else?",
        "Validate the DNI $s, form and letter: any other length, separator or small letter makes it False.",
        "Decide if the capital at the end of $s is the control letter of the DNI number, 8 digits, before it.",
        "For a text $s of 8 digits and a capital, say if the letter fits the DNI number; False for other texts.",
        "Spanish DNI check of $s, which must be 8 digits and a matching capital from beginning to end.",
        "Does the number modulo 23 give the capital in the DNI $s? Anything but 8 digits and a capital is False.",
        "Verify that $s consists of eight digits followed by the upper-case letter of that Spanish DNI number.",
    ),
    spanish=(
        "Di si $s es un DNI español válido: exactamente 8 cifras y su letra de control correcta en mayúscula.",
        "Devuelve True solo si todo $s son 8 cifras con la letra de DNI que les corresponde, en mayúscula.",
        "Comprueba el DNI $s: ocho cifras y luego la letra debida de TRWAGMYFPDXBNJZSQVHLCKE (módulo 23).",
        "¿Es $s un DNI de España con la letra mayúscula correcta tras sus 8 cifras, y nada más?",
        "Valida el DNI $s, forma y letra: cualquier otra longitud, separador o minúscula lo hace False.",
        "Decide si la mayúscula final de $s es la letra de control del número de DNI, de 8 cifras, que la precede.",
        "Para un texto $s de 8 cifras y una mayúscula, di si la letra casa con el número de DNI; False para otros.",
        "Prueba de DNI español de $s, que debe ser 8 cifras y su mayúscula de principio a fin.",
        "¿Da el número módulo 23 la mayúscula del DNI $s? Lo que no sean 8 cifras y una mayúscula es False.",
        "Verifica que $s consta de ocho cifras seguidas de la letra, en mayúscula, de ese número de DNI español.",
    ),
    variants=(
        idiomatic(
            "if not re.fullmatch('[0-9]{8}[A-Z]', $s):\n    return False\n"
            "return 'TRWAGMYFPDXBNJZSQVHLCKE'[int($s[:8]) % 23] == $s[8]",
            imports="import re",
        ),
        verbose(
            "out = re.fullmatch('([0-9]{8})([A-Z])', $s)\nif out is None:\n    return False\n"
            "return 'TRWAGMYFPDXBNJZSQVHLCKE'[int(out[1]) % 23] == out[2]",
            imports="import re",
        ),
        unguarded("return 'TRWAGMYFPDXBNJZSQVHLCKE'[int($s[:8]) % 23] == $s[8]", cwe=248),
        unguarded(
            "if not re.match('[0-9]{8}[A-Z]', $s):\n    return False\n"
            "return 'TRWAGMYFPDXBNJZSQVHLCKE'[int($s[:8]) % 23] == $s[8]",
            cwe=625,
            imports="import re",
        ),
        unguarded("return $s[-1] == 'TRWAGMYFPDXBNJZSQVHLCKE'[int($s[:-1]) % 23]", cwe=129),
    ),
    basic=_dni,
    edges=_dni_edges,
    properties=("value-error", "index-error", "redos", "contract"),
    post="not result or len($s) == 9",
)

IPV4 = Family(
    slug="ipv4",
    parameters="$s: str",
    returns="bool",
    names={"s": TEXTS},
    english=(
        "Tell whether $s is an IPv4 address: four numbers of 1 to 3 digits, 0 to 255, with dots, and nothing else.",
        "Return True only if all of $s is four numbers from 0 to 255 joined by dots.",
        "Check that $s is a dotted IPv4 address from beginning to end, with no number over 255.",
        "Is the text $s exactly an IPv4 address such as 10.0.0.1, each of its four parts at most 255?",
        "Validate the IP address $s: four groups of one to three digits, none above 255, no other character.",
        "Decide if $s, taken whole, has the form of an IPv4 address and its numbers are in range.",
        "False unless $s has just four parts between dots, each made of 1 to 3 digits and below 256.",
        "Does $s consist of four numbers between 0 and 255 with single dots between them, and of nothing more?",
        "An IPv4 address has four decimal numbers up to 255; say whether $s is one, without anything around it.",
        "Verify $s as an internet address of version 4, its whole text and the range of every number included.",
    ),
    spanish=(
        "Di si $s es una dirección IPv4: cuatro números de 1 a 3 cifras, de 0 a 255, con puntos, y nada más.",
        "Devuelve True solo si todo $s son cuatro números de 0 a 255 unidos por puntos.",
        "Comprueba que $s es una dirección IPv4 con puntos de principio a fin, sin ningún número mayor que 255.",
        "¿Es el texto $s exactamente una dirección IPv4 como 10.0.0.1, con sus cuatro partes de 255 como mucho?",
        "Valida la dirección IP $s: cuatro grupos de una a tres cifras, ninguno mayor que 255, sin otro carácter.",
        "Decide si $s, tomado entero, tiene la forma de una dirección IPv4 y sus números están en rango.",
        "False salvo que $s tenga justo cuatro partes entre puntos, cada una de 1 a 3 cifras y menor que 256.",
        "¿Consta $s de cuatro números entre 0 y 255 con un solo punto entre ellos, y de nada más?",
        "Una dirección IPv4 tiene cuatro números decimales de hasta 255; di si $s es una, sin nada alrededor.",
        "Verifica $s como dirección de internet de la versión 4, con todo su texto y el rango de cada número.",
    ),
    variants=(
        idiomatic(
            "out = $s.split('.')\n"
            "return len(out) == 4 and all(re.fullmatch('[0-9]{1,3}', item) and int(item) < 256 for item in out)",
            imports="import re",
        ),
        verbose(
            r"if not re.fullmatch(r'[0-9]{1,3}(\.[0-9]{1,3}){3}', $s):"
            "\n    return False\nreturn all(int(item) <= 255 for item in $s.split('.'))",
            imports="import re",
        ),
        unguarded(r"return re.fullmatch(r'[0-9]{1,3}(\.[0-9]{1,3}){3}', $s) is not None", cwe=185, imports="import re"),
        unguarded(
            r"out = re.match(r'([0-9]{1,3})\.([0-9]{1,3})\.([0-9]{1,3})\.([0-9]{1,3})', $s)"
            "\nreturn out is not None and all(int(item) < 256 for item in out.groups())",
            cwe=625,
            imports="import re",
        ),
        unguarded("out = $s.split('.')\nreturn len(out) == 4 and all(int(item) < 256 for item in out)", cwe=248),
    ),
    basic=_ipv4,
    edges=_ipv4_edges,
    properties=("value-error", "redos", "contract"),
    post="not result or 7 <= len($s) <= 15",
)

HASHTAGS = Family(
    slug="hashtags",
    parameters="$s: str",
    returns="list[str]",
    names={"s": TEXTS},
    english=(
        "List the hashtags of $s in order, each '#' with the one or more letters, digits and '_' right after it.",
        "Return every hashtag in $s with its '#'; it ends before the first sign that is no letter, digit or '_'.",
        "Find all hashtags in the text $s, repeats too: a '#' followed by one or more letters, digits or '_'.",
        "Which hashtags does $s contain? List them with '#', without the punctuation after them.",
        "Extract from $s the words marked by '#', where words are letters, digits and '_'; a bare '#' is none.",
        "Collect as a list each '#' of $s that is directly before a word, together with that word.",
        "Hashtags of the message $s, from left to right and with their '#', wherever in the text they stand.",
        "Whatever stands around them, pick out the hashtags (# and at least one word character) from $s.",
        "Search $s for '#' plus at least one letter, digit or underscore, as many as follow; return all that is found.",
        "Give a list of the tags in $s, every one being '#' and the longest word that comes directly after it.",
    ),
    spanish=(
        "Lista las etiquetas de $s en orden, cada '#' con las letras, cifras y '_', una o más, que lo siguen.",
        "Devuelve cada hashtag de $s con su '#'; acaba antes del primer signo que no sea letra, cifra o '_'.",
        "Encuentra todos los hashtags del texto $s, también repetidos: un '#' seguido de una o más letras, cifras o '_'.",
        "¿Qué hashtags contiene $s? Lístalos con '#', sin la puntuación que venga detrás.",
        "Extrae de $s las palabras marcadas con '#', hechas de letras, cifras y '_'; un '#' suelto no lo es.",
        "Reúne en una lista cada '#' de $s que vaya justo delante de una palabra, junto con esa palabra.",
        "Hashtags del mensaje $s, de izquierda a derecha y con su '#', estén donde estén en el texto.",
        "Sea lo que sea lo que los rodee, saca de $s los hashtags (# y al menos un carácter de palabra).",
        "Busca en $s '#' más al menos una letra, cifra o guion bajo, cuantos sigan, y devuelve todo lo encontrado.",
        "Da una lista de las etiquetas de $s, cada una '#' y la palabra más larga que venga justo después.",
    ),
    variants=(
        idiomatic(r"return re.findall(r'#\w+', $s)", imports="import re"),
        verbose(
            "out = []\n" r"for item in re.finditer(r'#\w+', $s):" "\n    out.append(item.group())\nreturn out",
            imports="import re",
        ),
        unguarded("return [item for item in $s.split() if item.startswith('#')]", cwe=20),
        unguarded("return re.findall('#[a-z]+', $s)", cwe=185, imports="import re"),
        unguarded(r"return re.findall(r'#\S+', $s)", cwe=185, imports="import re"),
    ),
    basic=_post,
    edges=_post_edges,
    properties=("redos", "index-error", "contract"),
    post="len(result) <= $s.count('#')",
)

REDACT_NUMBERS = Family(
    slug="redact-numbers",
    parameters="$s: str",
    returns="str",
    names={"s": TEXTS},
    english=(
        "Replace each run of digits 0-9 in $s by a single '#'.",
        "Return $s with every number, of any length and wherever it stands, turned into one '#'.",
        "Hide the numbers of $s: one '#' takes the place of all digits in a row.",
        "What is left of $s when each group of consecutive digits becomes '#'?",
        "Redact $s so that no digit remains, putting '#' once for each unbroken run of them.",
        "Wherever digits follow one another in $s, even inside a word, write one '#' instead of them.",
        "Text $s with '#' for every sequence of digits and all other characters as they were.",
        "Substitute '#' for the numbers in $s, so that neither their digits nor their length can be seen.",
        "No digit of $s may survive: as many as stand together shrink to one '#', the rest does not change.",
        "Censor all numbers in the string $s with one '#' apiece, those stuck to letters included.",
    ),
    spanish=(
        "Sustituye cada tramo de cifras 0-9 de $s por un solo '#'.",
        "Devuelve $s con cada número, de la longitud que sea y esté donde esté, convertido en un '#'.",
        "Oculta los números de $s: un '#' ocupa el lugar de todas las cifras seguidas.",
        "¿Qué queda de $s cuando cada grupo de cifras consecutivas pasa a ser '#'?",
        "Censura $s para que no quede ninguna cifra, poniendo '#' una vez por cada tramo ininterrumpido.",
        "Allí donde haya cifras seguidas en $s, incluso dentro de una palabra, escribe un '#' en vez de ellas.",
        "Texto $s con '#' por cada secuencia de cifras y los demás caracteres como estaban.",
        "Pon '#' en lugar de los números de $s, de modo que no se vean ni sus cifras ni su longitud.",
        "Ninguna cifra de $s debe quedar: las que vayan juntas se reducen a un '#' y el resto no cambia.",
        "Tacha todos los números de la cadena $s con un '#' cada uno, también los pegados a letras.",
    ),
    variants=(
        idiomatic("return re.sub('[0-9]+', '#', $s)", imports="import re"),
        verbose("out = re.split('[0-9]+', $s)\nreturn '#'.join(out)", imports="import re"),
        unguarded("return re.sub('[0-9]', '#', $s)", cwe=185, imports="import re"),
        unguarded(r"return re.sub(r'\b[0-9]+\b', '#', $s)", cwe=212, imports="import re"),
        unguarded("return ' '.join('#' if item.isdigit() else item for item in $s.split(' '))", cwe=212),
    ),
    basic=_digits,
    edges=_digits_edges,
    properties=("redos", "contract"),
    post="len(result) <= len($s)",
)

FAMILIES = (ISO_TIME, DNI_LETTER, IPV4, HASHTAGS, REDACT_NUMBERS)
