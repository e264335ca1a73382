"""Families over texts: ciphers, slugs, counts, masks, runs, prefixes and anagrams."""

from __future__ import annotations

from random import Random
from string import ascii_lowercase, digits

from training.curriculum.family import Arguments, Family, Slots, idiomatic, unguarded, verbose
from training.curriculum.slots import TEXTS, WORDS, numbers

# fmt: off
STRINGS = (
    "words", "names", "lines", "titles", "texts", "labels", "strings", "tokens", "phrases", "terms", "tags",
    "pieces", "comments", "messages", "notes", "replies", "headers", "topics", "sentences", "authors", "queries",
    "answers",
)
"""Names for lists of texts."""
# fmt: on


def _caesar(rng: Random, slots: Slots) -> Arguments:
    letters = ascii_lowercase[: 26 - int(slots["k"])]  # far enough from z for a shift without wrapping
    words = ["".join(rng.choices(letters, k=rng.randint(2, 5))) for _ in range(2)]
    return (rng.choice([" ", ", ", " 7 "]).join(words),)


def _caesar_edges(rng: Random, slots: Slots) -> list[Arguments]:
    word = rng.choice(WORDS)
    return [("xyz",), ("",), (f"{word.title()} 24!",), ("ZEBRA",), (f"{word}-Zz",)]


def _phrase(rng: Random, slots: Slots) -> Arguments:
    words = rng.sample(WORDS, rng.randint(2, 4))
    return (" ".join(rng.choice([word, word.title(), str(rng.randint(1, 99))]) for word in words),)


def _phrase_edges(rng: Random, slots: Slots) -> list[Arguments]:
    left, right = rng.sample(WORDS, 2)
    return [("",), (f" {left} ",), (f"{left.title()}, {right}!",), ("--",), (f"{left}  {right}",), (f"{left}_{right}",)]


def _camel(rng: Random, slots: Slots) -> Arguments:
    first, *rest = rng.sample(WORDS, rng.randint(2, 4))
    return (first + "".join(word.title() for word in rest),)


def _camel_edges(rng: Random, slots: Slots) -> list[Arguments]:
    word = rng.choice(WORDS)
    return [(f"{word.title()}Id",), (f"{word}2Page",), ("",), ("X",), (f"{word}ID",), (word,)]


def _lower(rng: Random, slots: Slots) -> Arguments:
    return (" ".join(rng.sample(WORDS, rng.randint(1, 3))),)


def _vowel_edges(rng: Random, slots: Slots) -> list[Arguments]:
    word = rng.choice(WORDS)
    return [("AEIOU",), ("",), ("rhythm",), (word.upper(),), ("Él y Ángela",)]


def _card(rng: Random, slots: Slots) -> Arguments:
    return ("".join(rng.choices(digits, k=int(slots["n"]) + rng.randint(1, 6))),)


def _card_edges(rng: Random, slots: Slots) -> list[Arguments]:
    n = int(slots["n"])
    digit = rng.choice(digits)
    return [
        ("-".join(digit * (n + 2)),),
        (f"{digit * (n + 1)} ok",),
        (f"ref {digit * n}",),
        ("",),
        (digit * (n - 1),),
    ]


def _runs(rng: Random, slots: Slots) -> Arguments:
    return ("".join(ch * rng.randint(1, 4) for ch in rng.sample(ascii_lowercase, rng.randint(2, 4))),)


def _runs_edges(rng: Random, slots: Slots) -> list[Arguments]:
    left, right = rng.sample(ascii_lowercase, 2)
    return [("",), (left + right + left,), (left * 2 + right * 3 + left,), (right,), ("  ",)]


def _family_of(rng: Random, slots: Slots) -> Arguments:
    start = rng.choice(WORDS)[: rng.randint(1, 5)]
    return ([start + rng.choice(WORDS) for _ in range(rng.randint(2, 4))],)


def _family_edges(rng: Random, slots: Slots) -> list[Arguments]:
    word = rng.choice(WORDS)
    return [([],), ([word],), ([word, ""],), ([word, word],), ([f"a{word}", f"b{word}"],), ([word, word[:2]],)]


def _anagram(rng: Random, slots: Slots) -> Arguments:
    word = rng.choice(WORDS)
    if rng.random() < 0.6:
        return word, "".join(rng.sample(word, len(word)))
    return word, rng.choice([other for other in WORDS if set(other) != set(word)])


def _anagram_edges(rng: Random, slots: Slots) -> list[Arguments]:
    word = rng.choice(WORDS)
    return [(word.title(), word[::-1]), ("a dog", "go da"), ("aab", "abb"), ("", " "), (word, word + word[0])]


CAESAR = Family(
    slug="caesar",
    parameters="$s: str",
    returns="str",
    names={"s": TEXTS},
    constants={"k": numbers(1, 18)},
    english=(
        "Shift each letter a-z of $s by $k places, wrapping after z; keep its case and all other characters.",
        "Encode $s with a Caesar cipher of key $k; capitals stay capitals and what is no letter does not change.",
        "Return $s with its letters moved $k places along the alphabet (a follows z), case kept, the rest unchanged.",
        "What does $s become when its letters advance $k places, from z on to a? Case and other characters stay.",
        "Caesar cipher: rotate the letters of $s by $k, each in its own case, and leave digits and signs alone.",
        "Replace each letter of $s by the one $k places later in a circular alphabet, in the same case; leave the rest.",
        "If a character of $s is a letter, move it $k letters forward (z goes on to a) in its case; otherwise keep it.",
        "Encrypt the text $s by turning the alphabet $k steps: the letters change but not their case, all else stays.",
        "Rotate the alphabet by $k and rewrite $s with it, capitals as capitals; keep whatever is not a letter.",
        "The text $s after a cyclic shift of its letters by $k, upper case staying upper, other characters untouched.",
    ),
    spanish=(
        "Desplaza $k posiciones cada letra a-z de $s, volviendo a la a tras la z; no cambies mayúsculas ni lo demás.",
        "Codifica $s con el cifrado César de clave $k: las mayúsculas siguen siéndolo y lo que no es letra no cambia.",
        "Devuelve $s con sus letras $k puestos más allá en el alfabeto (tras la z, la a) y el resto como estaba.",
        "¿En qué se convierte $s si sus letras avanzan $k puestos, de la z a la a? Mayúsculas y otros signos se respetan.",
        "Cifrado César: gira $k lugares las letras de $s, mayúsculas y minúsculas aparte; cifras y signos no cambian.",
        "Cambia cada letra de $s por la que está $k lugares después en un alfabeto circular; respeta mayúsculas y signos.",
        "Si un carácter de $s es una letra, avánzalo $k letras (tras la z, la a), mayúsculas incluidas; si no, déjalo.",
        "Cifra el texto $s girando el alfabeto $k pasos: cambian las letras, pero no sus mayúsculas ni los demás signos.",
        "Gira el alfabeto $k posiciones y reescribe $s con él, mayúsculas incluidas; conserva lo que no sea letra.",
        "El texto $s tras un giro cíclico de $k puestos en sus letras; las mayúsculas lo siguen siendo y el resto no cambia.",
    ),
    variants=(
        idiomatic(
            "left = string.ascii_lowercase\nright = left[$k:] + left[:$k]\n"
            "return $s.translate(str.maketrans(left + left.upper(), right + right.upper()))",
            imports="import string",
        ),
        verbose(
            "out = ''\nfor ch in $s:\n    if 'a' <= ch <= 'z':\n        ch = chr((ord(ch) - 97 + $k) % 26 + 97)\n"
            "    elif 'A' <= ch <= 'Z':\n        ch = chr((ord(ch) - 65 + $k) % 26 + 65)\n    out += ch\nreturn out"
        ),
        unguarded("return ''.join(chr(ord(ch) + $k) if ch.isalpha() else ch for ch in $s)", cwe=682),
        unguarded("return ''.join(chr((ord(ch) - 97 + $k) % 26 + 97) if ch.islower() else ch for ch in $s)", cwe=178),
        unguarded(
            "out = ''\nfor ch in $s:\n    if ch.isalpha():\n"
            "        ch = chr((ord(ch.lower()) - 97 + $k) % 26 + 97)\n    out += ch\nreturn out",
            cwe=178,
        ),
        unguarded(
            "left = string.ascii_lowercase\nright = left[$k:] + left[:$k]\nreturn $s.translate(str.maketrans(left, right))",
            cwe=178,
            imports="import string",
        ),
    ),
    basic=_caesar,
    edges=_caesar_edges,
    properties=("value-error", "index-error", "contract"),
    post="len(result) == len($s)",
    weight=2,
)

SLUGIFY = Family(
    slug="slugify",
    parameters="$s: str",
    returns="str",
    names={"s": TEXTS},
    english=(
        "Make a slug of $s: its runs of a-z and 0-9, in lower case, joined by single hyphens; '' if it has none.",
        "Lowercase $s and join its words with '-', a word being letters a-z and digits; without words return ''.",
        "Return the words of $s (letters a-z, digits) in small letters with '-' between them and nowhere else.",
        "Turn the title $s into a URL slug such as 'my-first-page', without hyphens at its ends; no words give ''.",
        "What is the slug of $s? Small letters a-z and digits, one '-' for whatever parts the words, none at the ends.",
        "In lower case, keep only the letters a-z and digits of $s, with one hyphen between words and none outside.",
        "Drop spaces and signs from $s, lowercase its words and hyphenate them; text without words becomes ''.",
        "Web address part for $s: every word in lower case, a single '-' between words, punctuation left out.",
        "Slug for $s, that is, lowercase words of a-z and 0-9 with hyphens only between them, or '' without words.",
        "From $s take each run of letters a-z or digits, lowercase it, and string them together with hyphens.",
    ),
    spanish=(
        "Haz un slug de $s: sus tramos de a-z y 0-9, en minúsculas, unidos por un guion; '' si no hay ninguno.",
        "Pasa $s a minúsculas y une sus palabras, de letras a-z y cifras, con '-'; sin palabras devuelve ''.",
        "Devuelve las palabras de $s (letras a-z, cifras) en minúsculas con '-' entre ellas y en ningún otro sitio.",
        "Convierte el título $s en un slug como 'mi-primera-hoja', sin guiones en los extremos; sin palabras da ''.",
        "¿Cuál es el slug de $s? Letras a-z y cifras en minúsculas, un '-' entre palabras y ninguno en los extremos.",
        "En minúsculas, conserva solo letras a-z y cifras de $s, con un guion entre palabras y ninguno por fuera.",
        "Quita espacios y signos de $s, pasa sus palabras a minúsculas y únelas con guiones; sin palabras, queda ''.",
        "Trozo de dirección web para $s: cada palabra en minúsculas, un solo '-' entre palabras y sin puntuación.",
        "Slug para $s, o sea, palabras en minúscula de a-z y 0-9 con guiones solo entre ellas, o '' si no hay palabras.",
        "De $s toma cada tramo de letras a-z o cifras, pásalo a minúsculas y enlázalos todos con guiones.",
    ),
    variants=(
        idiomatic("return '-'.join(re.findall('[a-z0-9]+', $s.lower()))", imports="import re"),
        verbose(
            "out = ''\nfor ch in $s.lower():\n    out += ch if 'a' <= ch <= 'z' or '0' <= ch <= '9' else ' '\n"
            "return '-'.join(out.split())"
        ),
        unguarded("return $s.lower().replace(' ', '-')", cwe=20),
        unguarded("return re.sub('[^a-z0-9]+', '-', $s.lower())", cwe=185, imports="import re"),
        unguarded("return '-'.join($s.lower().split())", cwe=20),
        unguarded("return '-'.join(re.findall(r'\\w+', $s.lower()))", cwe=20, imports="import re"),
    ),
    basic=_phrase,
    edges=_phrase_edges,
    properties=("redos", "contract"),
    post="'--' not in result and ' ' not in result",
)

SNAKE_CASE = Family(
    slug="snake-case",
    parameters="$s: str",
    returns="str",
    names={"s": TEXTS},
    english=(
        "Turn the camelCase name $s into snake_case: '_' before each capital A-Z except at the start, all lowercase.",
        "Return $s in lower case with an underscore put before every capital A-Z that is not at the start.",
        "Convert $s from camel case to snake case; each capital opens a new part, but none gets '_' at the start.",
        "What is $s in snake_case? Every capital after the first character becomes '_' and the small letter.",
        "Rewrite the identifier $s without capitals, marking each of them by '_' except when it comes first.",
        "Snake case of $s: an underscore and the lowercase letter for each capital; a leading capital gets none.",
        "Wherever a capital follows another character in $s, insert '_'; then lowercase the whole.",
        "Put '_' in front of all capital letters of $s save one that opens it, and make everything lowercase.",
        "Take the name $s, split it before each capital, join the parts with '_' and write them in small letters.",
        "In $s, replace each capital by '_' and its small letter; at the very beginning, by the small letter alone.",
    ),
    spanish=(
        "Pasa el nombre $s de camelCase a snake_case: '_' ante cada mayúscula A-Z salvo al inicio, todo en minúsculas.",
        "Devuelve $s en minúsculas con un guion bajo delante de cada mayúscula A-Z que no esté al principio.",
        "Convierte $s de camel case a snake case; cada mayúscula abre una parte, pero nunca pongas '_' al inicio.",
        "¿Cómo se escribe $s en snake_case? Cada mayúscula tras el primer carácter pasa a '_' y su minúscula.",
        "Reescribe el identificador $s sin mayúsculas, señalando cada una con '_' excepto si va la primera.",
        "Snake case de $s: guion bajo y minúscula por cada mayúscula; si la mayúscula abre el texto, sin guion.",
        "Allí donde en $s una mayúscula siga a otro carácter, inserta '_'; después ponlo todo en minúsculas.",
        "Pon '_' delante de todas las mayúsculas de $s menos de la que lo empiece, y déjalo todo en minúsculas.",
        "Toma el nombre $s, pártelo antes de cada mayúscula, une las partes con '_' y escríbelas en minúsculas.",
        "En $s, cambia cada mayúscula por '_' y su minúscula; al principio del todo, solo por la minúscula.",
    ),
    variants=(
        idiomatic("return re.sub('(?<!^)(?=[A-Z])', '_', $s).lower()", imports="import re"),
        verbose(
            "out = ''\nfor pos, ch in enumerate($s):\n    if pos > 0 and 'A' <= ch <= 'Z':\n        out += '_'\n"
            "    out += ch\nreturn out.lower()"
        ),
        unguarded("return ''.join('_' + ch.lower() if ch.isupper() else ch for ch in $s)", cwe=682),
        unguarded(r"return re.sub('([a-z])([A-Z])', r'\1_\2', $s).lower()", cwe=185, imports="import re"),
    ),
    basic=_camel,
    edges=_camel_edges,
    properties=("index-error", "redos", "contract"),
    post="len(result) >= len($s)",
)

VOWEL_COUNT = Family(
    slug="vowel-count",
    parameters="$s: str",
    returns="int",
    names={"s": TEXTS},
    english=(
        "Count the vowels a, e, i, o, u of $s, small or capital; accented letters do not count.",
        "Return how many letters of $s are plain vowels in either case, leaving accented ones out.",
        "How many vowels does $s have? Capitals count too, letters with accents do not.",
        "Number of vowels without accent in $s, whatever their case.",
        "Find how often a, e, i, o or u occurs in $s, as a small or a capital letter but never with an accent.",
        "Ignoring case, and without accented letters, tell the number of vowels that $s holds.",
        "Go through $s and add one for each unaccented vowel, upper or lower case.",
        "Give the total of the characters of $s that are among aeiou or AEIOU.",
        "Only the ten letters aeiouAEIOU are vowels here: count those in $s.",
        "Tell how many plain vowels, capital ones included, appear in the text $s; accented letters are no vowels.",
    ),
    spanish=(
        "Cuenta las vocales a, e, i, o, u de $s, minúsculas o mayúsculas; las letras con tilde no cuentan.",
        "Devuelve cuántas letras de $s son vocales sin tilde, en mayúscula o minúscula.",
        "¿Cuántas vocales tiene $s? Las mayúsculas también cuentan; las que llevan tilde, no.",
        "Número de vocales sin acento gráfico en $s, sean mayúsculas o minúsculas.",
        "Halla cuántas veces sale a, e, i, o, u en $s, en minúscula o mayúscula pero nunca con tilde.",
        "Sin distinguir mayúsculas y sin las letras acentuadas, di el número de vocales que contiene $s.",
        "Recorre $s y suma uno por cada vocal sin tilde, esté en mayúscula o en minúscula.",
        "Da el total de caracteres de $s que están entre aeiou o AEIOU.",
        "Aquí solo son vocales las diez letras aeiouAEIOU: cuenta las que haya en $s.",
        "Di cuántas vocales sin tilde, incluidas las mayúsculas, aparecen en el texto $s; las acentuadas no valen.",
    ),
    variants=(
        idiomatic("return sum(ch in 'aeiouAEIOU' for ch in $s)"),
        verbose("out = 0\nfor ch in $s:\n    if ch in 'aeiouAEIOU':\n        out += 1\nreturn out"),
        unguarded("return sum(ch in 'aeiou' for ch in $s)", cwe=178),
        unguarded("out = 0\nfor ch in 'aeiou':\n    out += $s.count(ch)\nreturn out", cwe=178),
    ),
    basic=_lower,
    edges=_vowel_edges,
    properties=("contract", "return-type"),
    post="0 <= result <= len($s)",
)

MASK_DIGITS = Family(
    slug="mask-digits",
    parameters="$s: str",
    returns="str",
    names={"s": TEXTS},
    constants={"n": numbers(1, 20)},
    english=(
        "Replace every digit of $s by '*' except the last $n digits; all other characters stay.",
        "Mask the number in $s with '*', showing only its final $n digits and leaving separators as they are.",
        "Return $s with '*' for each digit that has at least $n digits after it; the rest does not change.",
        "Hide all but the last $n digits of $s behind asterisks, and keep spaces, hyphens and letters.",
        "What does $s look like when only its last $n digits stay readable, the others being '*'? Keep other signs.",
        "Leave the $n digits nearest the end of $s, write '*' over the earlier digits, and touch nothing else.",
        "Overwrite with '*' each digit of $s, sparing the last $n digits and every character of another kind.",
        "Star out the digits of $s, but not the last $n of them, nor anything that is no digit.",
        "Text $s with its digits covered by '*', save the $n that come last; letters and signs remain.",
        "If more than $n digits are in $s, turn the earlier ones into '*'; non-digits never change.",
    ),
    spanish=(
        "Sustituye por '*' cada cifra de $s salvo las $n últimas cifras; los demás caracteres quedan igual.",
        "Enmascara con '*' el número de $s, dejando ver solo sus $n cifras finales y respetando los separadores.",
        "Devuelve $s con '*' en lugar de cada cifra que tenga al menos $n cifras detrás; el resto no cambia.",
        "Oculta con asteriscos todas las cifras de $s menos las $n últimas, y conserva espacios, guiones y letras.",
        "¿Cómo queda $s si solo se leen sus $n últimas cifras y las demás son '*'? Conserva los otros signos.",
        "Deja las $n cifras más cercanas al final de $s, escribe '*' sobre las anteriores y no toques nada más.",
        "Con $n cifras visibles al final como mucho, tapa con '*' las demás cifras de $s; lo que no es cifra se queda.",
        "Cambia las cifras de $s por asteriscos, pero no las $n últimas ni nada que no sea una cifra.",
        "Texto $s con las cifras tapadas por '*', excepto las $n que van al final; letras y signos permanecen.",
        "Si hay más de $n cifras en $s, convierte las primeras en '*'; lo que no sea cifra nunca cambia.",
    ),
    variants=(
        idiomatic("return re.sub('[0-9](?=([^0-9]*[0-9]){$n})', '*', $s)", imports="import re"),
        verbose(
            "out = ''\npos = 0\nfor ch in $s[::-1]:\n    if '0' <= ch <= '9':\n        pos += 1\n"
            "        ch = ch if pos <= $n else '*'\n    out = ch + out\nreturn out"
        ),
        unguarded("return '*' * (len($s) - $n) + $s[-$n:]", cwe=682),
        unguarded("return re.sub('[0-9]', '*', $s[:-$n]) + $s[-$n:]", cwe=682, imports="import re"),
        unguarded("return re.sub('[0-9](?=.{$n})', '*', $s)", cwe=682, imports="import re"),
    ),
    basic=_card,
    edges=_card_edges,
    properties=("index-error", "contract"),
    post="len(result) == len($s)",
)

RUN_LENGTH = Family(
    slug="run-length",
    parameters="$s: str",
    returns="list[tuple[str, int]]",
    names={"s": TEXTS},
    english=(
        "Encode $s as a list of (character, count) tuples, one for each run; an empty text gives [].",
        "Return the runs of equal characters in $s as pairs of the character and its length, in order.",
        "Run-length encoding of $s: tuples (char, times) for each stretch, a later stretch being a new tuple.",
        "Group equal neighbours in $s and list each group as (character, size); [] without characters.",
        "Which character repeats how often in a row in $s? List (character, count) from left to right.",
        "Compress $s into tuples of a character and how many of it stand in a row; nothing gives [].",
        "For every maximal run of one character in $s, in order, put (character, length) in a list.",
        "Walk along $s and note each change of character: the result holds (character, run length) pairs.",
        "List of (char, n) for the consecutive repetitions of $s; the same char may come again later.",
        "Break $s where the character changes, and give a (character, length) tuple for every piece.",
    ),
    spanish=(
        "Codifica $s como lista de tuplas (carácter, cantidad), una por tramo; un texto vacío da [].",
        "Devuelve los tramos de caracteres iguales de $s como pares de carácter y longitud, en orden.",
        "Codificación por tramos de $s: tuplas (carácter, veces), y un tramo posterior es otra tupla.",
        "Agrupa los vecinos iguales de $s y lista cada grupo como (carácter, tamaño); [] sin caracteres.",
        "¿Qué carácter se repite seguido en $s y cuántas veces? Lista (carácter, veces) de izquierda a derecha.",
        "Comprime $s en tuplas con un carácter y las veces que aparece seguido; si no hay nada, [].",
        "Por cada tramo máximo de un mismo carácter en $s, en orden, añade (carácter, longitud) a una lista.",
        "Recorre $s y anota cada cambio de carácter: el resultado son pares (carácter, longitud del tramo).",
        "Lista de (carácter, n) con las repeticiones seguidas de $s; un carácter puede volver más tarde.",
        "Corta $s donde cambie el carácter y da una tupla (carácter, longitud) por cada trozo.",
    ),
    variants=(
        idiomatic(
            "return [(key, len(list(item))) for key, item in itertools.groupby($s)]",
            imports="import itertools",
        ),
        verbose(
            "out = []\nfor ch in $s:\n    if out and out[-1][0] == ch:\n        out[-1] = (ch, out[-1][1] + 1)\n"
            "    else:\n        out.append((ch, 1))\nreturn out"
        ),
        unguarded(
            "out = []\nleft, right = $s[0], 0\nfor ch in $s:\n    if ch != left:\n        out.append((left, right))\n"
            "        left, right = ch, 0\n    right += 1\nreturn out + [(left, right)]",
            cwe=129,
        ),
        unguarded("return list(collections.Counter($s).items())", cwe=682, imports="import collections"),
        unguarded("return [(ch, $s.count(ch)) for ch in dict.fromkeys($s)]", cwe=682),
    ),
    basic=_runs,
    edges=_runs_edges,
    properties=("index-error", "contract"),
    post="len(result) <= len($s)",
)

COMMON_PREFIX = Family(
    slug="common-prefix",
    parameters="$xs: list[str]",
    returns="str",
    names={"xs": STRINGS},
    english=(
        "Return the longest text with which all of $xs begin, or '' if the list is empty.",
        "Find the common prefix of the texts in $xs; an empty list gives ''.",
        "What do all texts of $xs start with? Answer the longest such beginning, '' for no texts.",
        "Give the longest shared beginning of the strings $xs, and '' when there are none.",
        "Longest prefix common to every text of $xs, with '' for an empty list.",
        "Compare the texts of $xs from the left and return the part that agrees in all; '' for no texts.",
        "For a list $xs of texts, how do all begin alike? Return that part, or '' when the list is empty.",
        "Take characters from the start of the texts $xs while they are all the same; [] gives ''.",
        "As long as every text in $xs has the same next character, keep it; return what was kept, '' for [].",
        "The beginning that the texts in $xs share, as long as it can be; without any text, ''.",
    ),
    spanish=(
        "Devuelve el texto más largo con el que empiezan todos los de $xs, o '' si la lista está vacía.",
        "Encuentra el prefijo común de los textos de $xs; una lista vacía da ''.",
        "¿Con qué empiezan todos los textos de $xs? Responde el comienzo más largo, '' si no hay textos.",
        "Da el comienzo compartido más largo de las cadenas $xs, y '' cuando no haya ninguna.",
        "Prefijo más largo común a todos los textos de $xs, con '' para una lista vacía.",
        "Compara los textos de $xs desde la izquierda y devuelve lo que coincide en todos; '' si no hay textos.",
        "Dada una lista $xs de textos, ¿qué comienzo comparten todos? Devuélvelo, o '' si la lista está vacía.",
        "Toma caracteres del inicio de los textos $xs mientras sean iguales en todos; [] da ''.",
        "Mientras todos los textos de $xs tengan el mismo carácter siguiente, guárdalo; da lo guardado, '' para [].",
        "El comienzo que comparten los textos de $xs, lo más largo posible; sin ningún texto, ''.",
    ),
    variants=(
        idiomatic(
            "out = ''\nfor item in zip(*$xs):\n    if len(set(item)) > 1:\n        break\n    out += item[0]\nreturn out"
        ),
        verbose(
            "if not $xs:\n    return ''\nout = $xs[0]\nfor item in $xs:\n    while not item.startswith(out):\n"
            "        out = out[:-1]\nreturn out"
        ),
        unguarded(
            "out = $xs[0]\nfor item in $xs:\n    while not item.startswith(out):\n        out = out[:-1]\nreturn out",
            cwe=129,
        ),
        unguarded(
            "left, right = min($xs), max($xs)\nfor pos, ch in enumerate(left):\n    if right[pos] != ch:\n"
            "        return left[:pos]\nreturn left",
            cwe=248,
        ),
        unguarded(
            "out = ''\nfor item in zip(*$xs):\n    if len(set(item)) > 1:\n        return out\n    out += item[0]\nreturn $xs[0]",
            cwe=129,
        ),
    ),
    basic=_family_of,
    edges=_family_edges,
    properties=("index-error", "value-error", "argument-mutation"),
)

ANAGRAM = Family(
    slug="anagram",
    parameters="$s: str, $u: str",
    returns="bool",
    names={"s": TEXTS, "u": TEXTS},
    english=(
        "Tell whether $s and $u are anagrams, ignoring case and spaces.",
        "Return True if $s and $u have the same letters equally often; case and spaces do not matter.",
        "Is $u a rearrangement of $s once spaces are dropped and case is ignored?",
        "Check that $s and $u use the same characters the same number of times, apart from spaces and case.",
        "Without spaces and in lower case, do $s and $u consist of the same characters, repeats included?",
        "Decide whether the letters of $s can be reordered into $u; skip spaces, treat capitals as small.",
        "Anagram test for $s and $u that disregards spaces and the difference between capital and small letters.",
        "Can $u be spelled with exactly the letters of $s, whatever the case and the spaces?",
        "Drop the spaces from $s and $u, lowercase both, and say whether one is a permutation of the other.",
        "True when $s is $u in another order of letters (spaces and capitals being of no account), False if not.",
    ),
    spanish=(
        "Di si $s y $u son anagramas, sin tener en cuenta mayúsculas ni espacios.",
        "Devuelve True si $s y $u tienen las mismas letras las mismas veces; mayúsculas y espacios no importan.",
        "¿Es $u una reordenación de $s, una vez quitados los espacios y sin distinguir mayúsculas?",
        "Comprueba que $s y $u usan los mismos caracteres las mismas veces, salvo espacios y mayúsculas.",
        "Sin espacios y en minúsculas, ¿constan $s y $u de los mismos caracteres, con sus repeticiones?",
        "Decide si las letras de $s pueden reordenarse en $u; salta los espacios y toma las mayúsculas por minúsculas.",
        "Prueba de anagrama para $s y $u que prescinde de los espacios y de las mayúsculas.",
        "¿Puede escribirse $u con exactamente las letras de $s, sean cuales sean las mayúsculas y los espacios?",
        "Quita los espacios de $s y $u, pásalos a minúsculas y di si uno es una permutación del otro.",
        "True cuando $s sea $u con las letras en otro orden (espacios y mayúsculas no cuentan); False si no.",
    ),
    variants=(
        idiomatic("return sorted($s.lower().replace(' ', '')) == sorted($u.lower().replace(' ', ''))"),
        verbose(
            "left = sorted(ch for ch in $s.lower() if ch != ' ')\n"
            "right = sorted(ch for ch in $u.lower() if ch != ' ')\nreturn left == right"
        ),
        unguarded("return sorted($s) == sorted($u)", cwe=178),
        unguarded("return sorted($s.lower()) == sorted($u.lower())", cwe=682),
        unguarded("return set($s.lower().replace(' ', '')) == set($u.lower().replace(' ', ''))", cwe=682),
    ),
    basic=_anagram,
    edges=_anagram_edges,
    properties=("return-type", "contract"),
    post="result or $s != $u",
)

FAMILIES = (CAESAR, SLUGIFY, SNAKE_CASE, VOWEL_COUNT, MASK_DIGITS, RUN_LENGTH, COMMON_PREFIX, ANAGRAM)
