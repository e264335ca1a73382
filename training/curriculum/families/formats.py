"""Families that read small formats: CSV, query strings, key-value lines, versions, Roman numerals, colours."""

from __future__ import annotations

from random import Random

from training.curriculum.family import Arguments, Family, Slots, idiomatic, unguarded, verbose
from training.curriculum.slots import INTS, TEXTS, WORDS, numbers


def _row(rng: Random, slots: Slots) -> Arguments:
    fields = [rng.choice([word, str(rng.randint(0, 99))]) for word in rng.sample(WORDS, rng.randint(2, 4))]
    return ",".join(fields), rng.randrange(len(fields))


def _row_edges(rng: Random, slots: Slots) -> list[Arguments]:
    left, right = rng.sample(WORDS, 2)
    return [
        (f'"{left}, {right}",{right}', 1),
        (f'{left},"the ""{right}"""', 1),
        (f"{left},{right}", 2),
        (f"{left},{right}", -1),
        ("", 0),
        (f"{left},,{right}", 1),
    ]


def _query(rng: Random, slots: Slots) -> Arguments:
    others = rng.sample([word for word in WORDS if not word.endswith(slots["k"])], 2)
    pairs = [f"{key}={rng.choice([rng.choice(WORDS), rng.randint(0, 99)])}" for key in (slots["k"], *others)]
    rng.shuffle(pairs)
    return ("&".join(pairs),)


def _query_edges(rng: Random, slots: Slots) -> list[Arguments]:
    key, word = slots["k"], rng.choice(WORDS)
    return [("",), (f"{key}=my%20{word}%26co",), (f"id=1&{key}=a+{word}",), (f"all{key}=5",), ("id=7",), (f"{key}=",)]


def _lines(rng: Random, slots: Slots) -> Arguments:
    pairs = [f"{key}={rng.choice([rng.choice(WORDS), rng.randint(0, 99)])}" for key in rng.sample(WORDS, 3)]
    return ("\n".join(pairs[: rng.randint(1, 3)]),)


def _lines_edges(rng: Random, slots: Slots) -> list[Arguments]:
    left, right = rng.sample(WORDS, 2)
    return [("",), (f"{left}=1\n\n{right}=2\n",), (f"{left}\n{right}=5",), (f"{left}=a=b",), (f"{left}=",)]


def _version(rng: Random, slots: Slots) -> Arguments:
    return (".".join(str(rng.randint(0, rng.choice([9, 30, 200]))) for _ in range(3)),)


def _version_edges(rng: Random, slots: Slots) -> list[Arguments]:
    version = _version(rng, slots)[0]
    long = "9" * (int(slots["n"]) + 1)
    return [("",), (f"{version}-beta",), ("1.2",), (f"{version}.4",), (f"v{version}",), ("1..3",), (f"1.{long}.2",)]


def _numeral(rng: Random, slots: Slots) -> Arguments:
    out, left = "", rng.randint(1, 2999)
    for value, sign in zip(_VALUES, _SIGNS, strict=True):
        out += sign * (left // value)
        left %= value
    return (out,)


_VALUES = (1000, 900, 500, 400, 100, 90, 50, 40, 10, 9, 5, 4, 1)
_SIGNS = ("M", "CM", "D", "CD", "C", "XC", "L", "XL", "X", "IX", "V", "IV", "I")


def _numeral_edges(rng: Random, slots: Slots) -> list[Arguments]:
    (numeral,) = _numeral(rng, slots)
    return [(f"{numeral}A",), (f"{numeral} ",), (numeral.lower(),), ("MCMXCIV",), (f"{rng.randint(1, 99)}X",)]


def _color(rng: Random, slots: Slots) -> Arguments:
    return (f"#{rng.randrange(16**6):06x}",)


def _color_edges(rng: Random, slots: Slots) -> list[Arguments]:
    (color,) = _color(rng, slots)
    return [("",), (color[1:],), (f"{color}ff",), ("#FFa0B1",), (color[:4],), (f"{color[:-1]}g",)]


CSV_FIELD = Family(
    slug="csv-field",
    parameters="$s: str, $n: int",
    returns="str",
    names={"s": TEXTS, "n": INTS},
    english=(
        "Return field $n (from 0) of the CSV row $s, which may have quoted fields, or '' if there is none.",
        "Parse $s as one line of CSV, quotes included, and give column $n; '' when $n is negative or too large.",
        "What does the CSV line $s hold in column $n, the first being 0? Answer '' for a column that is missing.",
        "Read column $n, counted from zero, of the comma-separated row $s; honour quotes, use '' out of range.",
        "Take the field of index $n >= 0 from the CSV record $s (commas may be quoted), or '' without one.",
        "If the CSV row $s has a field number $n >= 0, return it without its quotes, otherwise ''.",
        "Split $s by the rules of CSV, not at quoted commas, and pick item $n from 0; no such item gives ''.",
        "Cell number $n, beginning at 0, in the row $s of a CSV file with quoting; '' if the row has no such cell.",
        "Decode the CSV row $s with its quotes; its field at position $n from 0, or '' outside the row.",
        "Look into the CSV text $s, one row with quotes, for the value at index $n; a negative or too large one means ''.",
    ),
    spanish=(
        "Devuelve el campo $n (desde 0) de la fila CSV $s, que puede llevar comillas, o '' si no existe.",
        "Interpreta $s como una línea CSV, comillas incluidas, y da la columna $n; '' si $n es negativo o excesivo.",
        "¿Qué contiene la línea CSV $s en la columna $n, contando desde 0? Responde '' si esa columna falta.",
        "Lee la columna $n, contada desde cero, de la fila CSV $s; respeta las comillas y usa '' fuera de rango.",
        "Toma el campo de índice $n >= 0 del registro CSV $s (puede haber comas entre comillas), o '' si no lo hay.",
        "Si la fila CSV $s tiene un campo número $n >= 0, devuélvelo sin sus comillas; si no, ''.",
        "Separa $s según las reglas de CSV, no por comas entre comillas, y elige el elemento $n desde 0; si falta, ''.",
        "Celda número $n, empezando en 0, de la fila $s de un CSV con comillas; '' si la fila no tiene esa celda.",
        "Decodifica la fila CSV $s con sus comillas; su campo en la posición $n desde 0, o '' fuera de la fila.",
        "Busca en el texto CSV $s, una fila con comillas, el valor de índice $n; si es negativo o excesivo, ''.",
    ),
    variants=(
        idiomatic(
            "out = next(csv.reader([$s]), [])\nreturn out[$n] if 0 <= $n < len(out) else ''", imports="import csv"
        ),
        verbose(
            "for item in csv.reader([$s]):\n    if $n >= 0 and $n < len(item):\n        return item[$n]\nreturn ''",
            imports="import csv",
        ),
        unguarded("return $s.split(',')[$n]", cwe=129),
        unguarded("out = $s.split(',')\nreturn out[$n] if 0 <= $n < len(out) else ''", cwe=20),
        unguarded("return next(csv.reader([$s]))[$n]", cwe=129, imports="import csv"),
    ),
    basic=_row,
    edges=_row_edges,
    properties=("index-error",),
)

QUERY_VALUE = Family(
    slug="query-value",
    parameters="$s: str",
    returns="str",
    names={"s": TEXTS},
    constants={"k": WORDS},
    english=(
        "Return the decoded value of '$k' in the URL query string $s, or '' if it is not there.",
        "Parse $s as a query string like a=1&b=2 and give '$k' with %XX and + decoded; '' when missing.",
        "What is the value of the parameter '$k' in the query $s, percent-decoded? Answer '' for none.",
        "Get '$k' out of the URL parameters in $s, undoing their encoding, with '' for an absent name.",
        "Read the query string $s and look up '$k'; the value comes unquoted, a missing one is ''.",
        "From the web query $s take what '$k' is set to, %20 and + being spaces again, otherwise ''.",
        "If the query string $s sets '$k', return its URL-decoded value, and '' if it does not.",
        "Decoded parameter '$k' of the query string $s, where '' stands for a parameter not given.",
        "Among the name=value pairs that & joins in $s, find the name '$k' and URL-decode its value, or give ''.",
        "Fetch the URL parameter called exactly '$k' from $s and undo its percent-encoding; '' if there is none.",
    ),
    spanish=(
        "Devuelve el valor decodificado de '$k' en la cadena de consulta $s de una URL, o '' si no está.",
        "Interpreta $s como una consulta del tipo a=1&b=2 y da '$k' con %XX y + decodificados; '' si falta.",
        "¿Qué valor tiene el parámetro '$k' en la consulta $s, decodificado de %XX? Responde '' si no lo hay.",
        "Saca '$k' de los parámetros de URL de $s, deshaciendo su codificación, con '' para un nombre ausente.",
        "Lee la cadena de consulta $s y busca '$k'; el valor sale decodificado y uno que falta es ''.",
        "De la consulta web $s toma lo que se asigna a '$k', con %20 y + de nuevo como espacios; si no, ''.",
        "Si la cadena de consulta $s asigna '$k', devuelve su valor decodificado de la URL; si no lo hace, ''.",
        "Parámetro '$k' decodificado de la cadena de consulta $s, donde '' indica un parámetro no dado.",
        "Entre los pares nombre=valor que & une en $s, halla el nombre '$k' y decodifica su valor, o da ''.",
        "Obtén de $s el parámetro de URL llamado justo '$k' y deshaz su codificación con %; '' si no existe.",
    ),
    variants=(
        idiomatic("return urllib.parse.parse_qs($s).get('$k', [''])[0]", imports="import urllib.parse"),
        verbose(
            "for key, item in urllib.parse.parse_qsl($s):\n    if key == '$k':\n        return item\nreturn ''",
            imports="import urllib.parse",
        ),
        unguarded("return urllib.parse.parse_qs($s)['$k'][0]", cwe=248, imports="import urllib.parse"),
        unguarded("return dict(item.split('=') for item in $s.split('&')).get('$k', '')", cwe=20),
        unguarded("return $s.split('$k=')[1].split('&')[0]", cwe=129),
    ),
    basic=_query,
    edges=_query_edges,
    properties=("key-error", "index-error", "value-error"),
)

KEY_VALUE_LINES = Family(
    slug="key-value-lines",
    parameters="$s: str",
    returns="dict[str, str]",
    names={"s": TEXTS},
    english=(
        "Read the lines key=value of $s into a dict, splitting at the first '=' and skipping lines without one.",
        "Parse $s, one setting k=v a line, into a dict; lines with no '=' are ignored, a value may hold more of them.",
        "Turn the text $s with a pair name=value on each line into a dict; skip whatever line has no '='.",
        "Which value does each key get in the lines $s? What is before the first '=' is the key; ignore other lines.",
        "Load the configuration $s, made of key=value lines, leaving out malformed lines, which have no '='.",
        "For each line of $s with an '=', map the text before the first one to the text after it.",
        "Dict of the key=value lines in $s, cut at their first '='; blank and other lines do not matter.",
        "Skipping lines that lack '=', build a dict from $s with what stands before and after the first '='.",
        "Collect the settings of $s, a k=v per line; only the first '=' of a line parts it, and without any it is dropped.",
        "A line of $s such as a=b=c gives key a and value b=c, one without '=' gives nothing; return the dict.",
    ),
    spanish=(
        "Lee las líneas clave=valor de $s en un diccionario, partiendo por el primer '=' y saltando las que no lo tengan.",
        "Interpreta $s, un ajuste k=v por línea, como diccionario; sin '=' se ignora la línea, y el valor puede llevar más.",
        "Convierte el texto $s, con un par nombre=valor por línea, en un diccionario; salta toda línea sin '='.",
        "¿Qué valor recibe cada clave en las líneas $s? La clave es lo previo al primer '='; ignora las demás líneas.",
        "Carga la configuración $s, hecha de líneas clave=valor, sin las líneas mal formadas, que no tienen '='.",
        "Por cada línea de $s con un '=', asocia el texto anterior al primero con el texto que lo sigue.",
        "Diccionario de las líneas clave=valor de $s, cortadas por su primer '='; las vacías y las otras no importan.",
        "Saltando las líneas que carezcan de '=', forma un diccionario con lo que hay en $s antes y después del primero.",
        "Reúne los ajustes de $s, un k=v por línea; solo el primer '=' de la línea la divide, y sin ninguno se descarta.",
        "Una línea de $s como a=b=c da la clave a y el valor b=c; una sin '=' no da nada; devuelve el diccionario.",
    ),
    variants=(
        idiomatic("return dict(item.split('=', 1) for item in $s.splitlines() if '=' in item)"),
        verbose(
            "out = {}\nfor item in $s.splitlines():\n    key, pos, right = item.partition('=')\n    if pos:\n"
            "        out[key] = right\nreturn out"
        ),
        unguarded("return dict(item.split('=', 1) for item in $s.splitlines())", cwe=248),
        unguarded("return dict(item.split('=') for item in $s.splitlines() if '=' in item)", cwe=248),
        unguarded(
            "out = {}\nfor item in $s.splitlines():\n    key, right = item.split('=', 1)\n    out[key] = right\n"
            "return out",
            cwe=248,
        ),
    ),
    basic=_lines,
    edges=_lines_edges,
    properties=("value-error", "index-error"),
)

VERSION_TUPLE = Family(
    slug="version-tuple",
    parameters="$s: str",
    returns="list[int]",
    names={"s": TEXTS},
    constants={"n": numbers(3, 22)},
    english=(
        "Split the version $s into its three numbers of up to $n digits each, or return [] if it is not like 1.2.3.",
        "Parse $s as a version of three numbers with dots, none over $n digits; anything else gives [].",
        "Turn a version text $s such as 1.2.3 into [1, 2, 3]; parts have 1 to $n digits, and other text gives [].",
        "Which three numbers make up the version $s? Answer [] unless it is three parts of 1 to $n digits.",
        "List major, minor and patch of $s as ints; [] if a part is missing, extra, no number or over $n digits long.",
        "Return [] unless all of $s is three runs of 1 to $n digits joined by dots; then return them as ints.",
        "The numbers of the version in $s, exactly three with at most $n digits apiece, or [] for a malformed one.",
        "Read $s in the form number.number.number, at most $n digits in each, to a list; [] in any other form.",
        "Check that $s is a three-part version, no part above $n digits, and convert it to a list of ints, else [].",
        "From the version $s get [major, minor, patch]; with suffixes, other parts or more than $n digits in one, [].",
    ),
    spanish=(
        "Divide la versión $s en sus tres números de hasta $n cifras cada uno, o devuelve [] si no es como 1.2.3.",
        "Interpreta $s como versión de tres números con puntos, ninguno de más de $n cifras; lo demás da [].",
        "Convierte una versión $s como 1.2.3 en [1, 2, 3]; las partes tienen de 1 a $n cifras y otro texto da [].",
        "¿Qué tres números forman la versión $s? Responde [] salvo que sean tres partes de 1 a $n cifras.",
        "Lista los tres números de la versión $s; [] si una parte falta, sobra, no es número o pasa de $n cifras.",
        "Devuelve [] a menos que todo $s sean tres tramos de 1 a $n cifras unidos por puntos; si es así, dalos como enteros.",
        "Los números de la versión de $s, justo tres y de $n cifras como mucho cada uno, o [] si está mal formada.",
        "Lee $s en la forma número.número.número, con $n cifras como máximo en cada uno, a una lista; [] en otra forma.",
        "Comprueba que $s es una versión de tres partes, ninguna de más de $n cifras, y pásala a lista; si no, [].",
        "De la versión $s saca [mayor, menor, parche]; con sufijos, otras partes o más de $n cifras en una, [].",
    ),
    variants=(
        idiomatic(
            r"if not re.fullmatch(r'[0-9]{1,$n}(\.[0-9]{1,$n}){2}', $s):"
            "\n    return []\nreturn [int(item) for item in $s.split('.')]",
            imports="import re",
        ),
        verbose(
            r"out = re.fullmatch(r'([0-9]{1,$n})\.([0-9]{1,$n})\.([0-9]{1,$n})', $s)"
            "\nif out is None:\n    return []\nreturn [int(item) for item in out.groups()]",
            imports="import re",
        ),
        unguarded("return [int(item) for item in $s.split('.')]", cwe=248),
        unguarded(
            "try:\n    return [int(item) for item in $s.split('.')]\nexcept ValueError:\n    return []",
            cwe=20,
        ),
        unguarded(
            r"out = re.match(r'([0-9]+)\.([0-9]+)\.([0-9]+)', $s)"
            "\nreturn [int(item) for item in out.groups()] if out else []",
            cwe=625,
            imports="import re",
        ),
        unguarded(
            "if not re.match(r'[0-9]{1,$n}(\\.[0-9]{1,$n}){2}', $s):\n    return []\nreturn [int(item) for item in $s.split('.')]",
            cwe=625,
            imports="import re",
        ),
    ),
    basic=_version,
    edges=_version_edges,
    properties=("value-error", "none-deref", "redos", "contract"),
    post="len(result) in (0, 3)",
)

ROMAN = Family(
    slug="roman",
    parameters="$s: str",
    returns="int",
    names={"s": TEXTS},
    english=(
        "Return the value of the Roman numeral $s, or 0 if any character is not one of IVXLCDM.",
        "Convert the Roman number $s to an int; text with other characters than the capitals IVXLCDM gives 0.",
        "What number is $s in Roman numerals? Answer 0 when it holds anything but the letters IVXLCDM.",
        "Read $s as a Roman numeral, with IV as 4 and IX as 9; a foreign character makes the result 0.",
        "Decode the Roman numeral in $s to an integer, and give 0 for a character that is no Roman capital.",
        "Work out how much the Roman numeral $s is worth; small letters, spaces or other signs in it mean 0.",
        "Add up the Roman letters of $s, subtracting one that stands before a greater one; 0 if others occur.",
        "Arabic value of the Roman numeral $s, with 0 for any text that is not all of IVXLCDM.",
        "If $s has only the signs I, V, X, L, C, D and M, return the Roman number they make, otherwise 0.",
        "Translate $s from Roman numerals, capitals only, into a whole number; any other sign in it gives 0.",
    ),
    spanish=(
        "Devuelve el valor del número romano $s, o 0 si algún carácter no es uno de IVXLCDM.",
        "Convierte el número romano $s en entero; un texto con caracteres que no sean las mayúsculas IVXLCDM da 0.",
        "¿Qué número es $s en números romanos? Responde 0 cuando contenga algo distinto de las letras IVXLCDM.",
        "Lee $s como número romano, con IV como 4 y IX como 9; un carácter ajeno hace que el resultado sea 0.",
        "Decodifica a entero el número romano de $s, y da 0 ante un carácter que no sea una mayúscula romana.",
        "Averigua cuánto vale el número romano $s; si hay en él minúsculas, espacios u otros signos, es 0.",
        "Suma las letras romanas de $s restando la que preceda a una mayor; 0 si aparecen otros signos.",
        "Valor arábigo del número romano $s, con 0 para todo texto que no conste solo de IVXLCDM.",
        "Si $s solo tiene los signos I, V, X, L, C, D y M, devuelve el número romano que forman; si no, 0.",
        "Traduce $s de números romanos, solo en mayúsculas, a un número entero; cualquier otro signo da 0.",
    ),
    variants=(
        idiomatic(
            "key = dict(zip('IVXLCDM', (1, 5, 10, 50, 100, 500, 1000)))\nout = [key.get(ch, 0) for ch in $s]\n"
            "if 0 in out:\n    return 0\n"
            "return sum(-left if left < right else left for left, right in zip(out, out[1:] + [0]))"
        ),
        verbose(
            "key = {'I': 1, 'V': 5, 'X': 10, 'L': 50, 'C': 100, 'D': 500, 'M': 1000}\nout = right = 0\n"
            "for ch in $s[::-1]:\n    if ch not in key:\n        return 0\n"
            "    out += -key[ch] if key[ch] < right else key[ch]\n    right = key[ch]\nreturn out"
        ),
        unguarded(
            "key = {'I': 1, 'V': 5, 'X': 10, 'L': 50, 'C': 100, 'D': 500, 'M': 1000}\nout = [key[ch] for ch in $s]\n"
            "return sum(-left if left < right else left for left, right in zip(out, out[1:] + [0]))",
            cwe=248,
        ),
        unguarded(
            "key = {'I': 1, 'V': 5, 'X': 10, 'L': 50, 'C': 100, 'D': 500, 'M': 1000}\nout = right = 0\n"
            "for ch in $s[::-1]:\n    out += -key[ch] if key[ch] < right else key[ch]\n    right = key[ch]\nreturn out",
            cwe=248,
        ),
        unguarded(
            "key = dict(zip('IVXLCDM', (1, 5, 10, 50, 100, 500, 1000)))\n"
            "out = [key.get(ch, 0) for ch in $s.upper()]\n"
            "return sum(-left if left < right else left for left, right in zip(out, out[1:] + [0]))",
            cwe=20,
        ),
    ),
    basic=_numeral,
    edges=_numeral_edges,
    properties=("key-error", "index-error", "contract"),
    post="result >= 0",
    weight=2,
)

HEX_COLOR = Family(
    slug="hex-color",
    parameters="$s: str",
    returns="list[int]",
    names={"s": TEXTS},
    english=(
        "Convert the colour $s, '#' and six hex digits, to its [red, green, blue] from 0 to 255; otherwise [].",
        "Return the three bytes of a colour $s like '#a1b2c3' as ints, or [] for text of any other form.",
        "Parse $s as '#' with exactly six hexadecimal digits of either case into three numbers; else give [].",
        "Which red, green and blue does the web colour $s stand for? Answer [] unless it is '#' and 6 hex digits.",
        "Split the hex colour $s into three values below 256; a malformed one, with no '#' or not 6 digits, gives [].",
        "Read $s in the form #rrggbb and list its components as integers; [] if it has any other form.",
        "If all of $s is '#' plus six hex digits, small or capital, return its three components, and [] if not.",
        "RGB list of the colour code $s; [] for one without '#', with more or fewer than 6 digits, or not hex.",
        "Components, as ints, of the colour $s written #rrggbb in hexadecimal; no other text has any, so [].",
        "Decode the six hex digits after '#' in $s two by two; for whatever is not such a colour return [].",
    ),
    spanish=(
        "Convierte el color $s, '#' y seis cifras hexadecimales, en [rojo, verde, azul] de 0 a 255; si no, [].",
        "Devuelve los tres bytes de un color $s como '#a1b2c3' en forma de enteros, o [] para otro tipo de texto.",
        "Interpreta $s como '#' y justo seis cifras hexadecimales, mayúsculas o no, y da tres números; si no, [].",
        "¿Qué rojo, verde y azul representa el color web $s? Responde [] salvo que sea '#' y 6 cifras hex.",
        "Divide el color hex $s en tres valores menores que 256; uno mal formado, sin '#' o sin 6 cifras, da [].",
        "Lee $s en la forma #rrggbb y lista sus componentes como enteros; [] si tiene cualquier otra forma.",
        "Si todo $s es '#' más seis cifras hex, minúsculas o mayúsculas, devuelve sus tres componentes; si no, [].",
        "Lista RGB del código de color $s; [] para uno sin '#', con más o menos de 6 cifras o que no sea hex.",
        "Componentes, como enteros, del color $s escrito #rrggbb en hexadecimal; otro texto no los tiene: [].",
        "Decodifica de dos en dos las seis cifras hex tras '#' en $s; para lo que no sea un color así devuelve [].",
    ),
    variants=(
        idiomatic(
            "if not re.fullmatch('#[0-9a-fA-F]{6}', $s):\n    return []\n"
            "return [int($s[pos : pos + 2], 16) for pos in (1, 3, 5)]",
            imports="import re",
        ),
        verbose(
            "if len($s) != 7 or $s[0] != '#' or not set($s[1:]) <= set(string.hexdigits):\n    return []\n"
            "return [int($s[1:3], 16), int($s[3:5], 16), int($s[5:7], 16)]",
            imports="import string",
        ),
        unguarded("return [int($s[pos : pos + 2], 16) for pos in (1, 3, 5)]", cwe=248),
        unguarded(
            "try:\n    return [int($s[pos : pos + 2], 16) for pos in (1, 3, 5)]\nexcept ValueError:\n    return []",
            cwe=20,
        ),
        unguarded("return list(bytes.fromhex($s.lstrip('#')))", cwe=20),
        unguarded(
            "if not re.match('#[0-9a-fA-F]{6}', $s):\n    return []\nreturn [int($s[pos : pos + 2], 16) for pos in (1, 3, 5)]",
            cwe=625,
            imports="import re",
        ),
    ),
    basic=_color,
    edges=_color_edges,
    properties=("value-error", "index-error", "contract"),
    post="len(result) in (0, 3) and all(0 <= item < 256 for item in result)",
)

FAMILIES = (CSV_FIELD, QUERY_VALUE, KEY_VALUE_LINES, VERSION_TUPLE, ROMAN, HEX_COLOR)
