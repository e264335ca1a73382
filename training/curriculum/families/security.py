"""Families where the danger is hostile input: SQL, shell, HTML, paths, evaluated text, digests."""

from __future__ import annotations

from random import Random

from training.curriculum.family import Arguments, Family, Slots, idiomatic, insecure, unguarded, verbose
from training.curriculum.slots import TEXTS, WORDS

# fmt: off
_ROWS = (
    "rows", "records", "pairs", "entries", "people", "lines", "accounts", "members", "data", "table",
    "tuples", "links", "couples", "ledger", "register", "listing", "archive", "facts",
)
# fmt: on
_FOLDERS = tuple(f"/srv/{word}" for word in WORDS)


def _select(rng: Random, slots: Slots) -> Arguments:
    rows = [(rng.choice(["ana", "luis", "eva", "tom", "lee"]), rng.choice(WORDS)) for _ in range(3)]
    return rows, rng.choice(rows)[0]


def _select_edges(rng: Random, slots: Slots) -> list[Arguments]:
    rows = [("ana", "cars"), ("o'neil", "teams")]
    return [(rows, "x' OR '1'='1"), (rows, "o'neil"), (rows, "nobody"), ([], "ana")]


def _word(rng: Random, slots: Slots) -> Arguments:
    return (rng.choice(WORDS),)


def _shell_edges(rng: Random, slots: Slots) -> list[Arguments]:
    word = rng.choice(WORDS)
    return [(f"{word}; rm -rf x",), (f"two {word}",), ("",), ("$(id)",), (f"it's {word}",)]


def _html_edges(rng: Random, slots: Slots) -> list[Arguments]:
    word = rng.choice(WORDS)
    return [(f"<script>{word}</script>",), ("a & b",), ("",), (f'"{word}"',)]


def _file(rng: Random, slots: Slots) -> Arguments:
    return (f"{rng.choice(WORDS)}.txt",)


def _path_edges(rng: Random, slots: Slots) -> list[Arguments]:
    word = rng.choice(WORDS)
    return [("../etc/passwd",), (f"/{word}.txt",), (f"{word}/../../{word}",), ("..",), ("",), (f"{word}/a.txt",)]


def _list_text(rng: Random, slots: Slots) -> Arguments:
    return (str([rng.randint(-9, 60) for _ in range(rng.randint(1, 4))]),)


def _list_edges(rng: Random, slots: Slots) -> list[Arguments]:
    return [("[]",), ("[1, 2",), ("",), ("[len('abc')]",), ("[ 7 ,8]",), ("__import__('os').getpid() and [1]",)]


def _texts(rng: Random, slots: Slots) -> Arguments:
    word = rng.choice(WORDS)
    return word, word if rng.random() < 0.5 else rng.choice(WORDS)


def _texts_edges(rng: Random, slots: Slots) -> list[Arguments]:
    return [("", ""), ("a", "A"), ("x", "x "), ("ñ", "ñ")]


SQL_SELECT = Family(
    slug="sql-select",
    parameters="$r: list[tuple[str, str]], $s: str",
    returns="list[str]",
    names={"r": _ROWS, "s": TEXTS},
    constants={"t": WORDS},
    english=(
        "Put $r in an SQL table $t (k, v) and select each v whose k is $s.",
        "Store the pairs $r in the table $t (k, v); return the v where k equals $s.",
        "With an in-memory SQL table $t (k, v) filled from $r, find v for the k $s.",
        "Load $r into table $t (k, v) and query the values v with k = $s.",
        "Which v have $s as their k in an SQLite table $t (k, v) made from $r? List them all.",
        "Create the SQL table $t (k, v), insert $r and return the list of v whose k is exactly $s.",
        "Given an untrusted $s, select by SQL the v with that k; the table $t (k, v) gets its rows from $r.",
        "List of the v that an SQL query for k = $s finds in the table $t (k, v) made up of $r.",
        "Fill table $t (k, v) from $r, then fetch by SQL the v that belong to $s.",
        "Use an SQL table $t (k, v) holding $r to list the v of key $s.",
    ),
    spanish=(
        "Pon $r en una tabla SQL $t (k, v) y selecciona cada v cuya k sea $s.",
        "Guarda los pares $r en la tabla $t (k, v); devuelve los v donde k es igual a $s.",
        "Con una tabla SQL en memoria $t (k, v) llena con $r, encuentra v para la k $s.",
        "Carga $r en la tabla $t (k, v) y consulta los valores v con k = $s.",
        "¿Qué v tienen $s como k en una tabla SQLite $t (k, v) hecha con $r? Enuméralos todos.",
        "Crea la tabla SQL $t (k, v), inserta $r y devuelve la lista de los v cuya k sea exactamente $s.",
        "Dado un $s no fiable, selecciona por SQL los v con esa k; la tabla $t (k, v) tiene las filas de $r.",
        "Lista de los v que una consulta SQL de k = $s encuentra en la tabla $t (k, v) formada por $r.",
        "Llena la tabla $t (k, v) con $r y obtén por SQL los v que corresponden a $s.",
        "Usa una tabla SQL $t (k, v) con $r para listar los v de la clave $s.",
    ),
    variants=(
        idiomatic(
            "db = sqlite3.connect(':memory:')\ndb.execute('CREATE TABLE $t (k, v)')\n"
            "db.executemany('INSERT INTO $t VALUES (?, ?)', $r)\n"
            "return [v for (v,) in db.execute('SELECT v FROM $t WHERE k = ?', ($s,))]",
            imports="import sqlite3",
        ),
        insecure(
            "db = sqlite3.connect(':memory:')\ndb.execute('CREATE TABLE $t (k, v)')\n"
            "db.executemany('INSERT INTO $t VALUES (?, ?)', $r)\n"
            "return [v for (v,) in db.execute(f\"SELECT v FROM $t WHERE k = '{$s}'\")]",
            cwe=89,
            imports="import sqlite3",
        ),
        insecure(
            "db = sqlite3.connect(':memory:')\ndb.execute('CREATE TABLE $t (k, v)')\n"
            "db.executemany('INSERT INTO $t VALUES (?, ?)', $r)\n"
            'return [v for (v,) in db.execute("SELECT v FROM $t WHERE k = \'" + $s + "\'")]',
            cwe=89,
            imports="import sqlite3",
        ),
        insecure(
            "db = sqlite3.connect(':memory:')\ndb.execute('CREATE TABLE $t (k, v)')\n"
            "db.executemany('INSERT INTO $t VALUES (?, ?)', $r)\n"
            "return [v for (v,) in db.execute(\"SELECT v FROM $t WHERE k = '%s'\" % $s)]",
            cwe=89,
            imports="import sqlite3",
        ),
        insecure(
            "db = sqlite3.connect(':memory:')\ndb.execute('CREATE TABLE $t (k, v)')\ndb.executemany('INSERT INTO $t VALUES (?, ?)', $r)\nkey = f\"SELECT v FROM $t WHERE k = '{$s}'\"\nreturn [v for (v,) in db.execute(key)]",
            cwe=89,
            imports="import sqlite3",
        ),
    ),
    basic=_select,
    edges=_select_edges,
    properties=("sql-injection",),
)

SHELL_COMMAND = Family(
    slug="shell-command",
    parameters="$s: str",
    returns="str",
    names={"s": TEXTS},
    constants={"t": WORDS},
    english=(
        "Build the shell command that searches '$t.txt' for $s with grep, whatever $s holds.",
        "Return a safe command line: grep, then $s quoted, then '$t.txt'.",
        "Write the grep command for the word $s in the file '$t.txt', quoted for a shell.",
        "Which shell command greps $s in '$t.txt'? Quote what the user gave.",
        "The user typed $s: return a grep command on '$t.txt' that takes it as one argument, never as code.",
        "How would you grep '$t.txt' for $s from a shell? Return the command, safe for spaces and quotes too.",
        "Whatever is in $s, semicolons too, quote it as needed and place it between grep and '$t.txt'.",
        "Shell command in one line: grep, then $s protected by shlex.quote, and '$t.txt' at the end.",
        "Compose a grep of $s over '$t.txt' that a shell can run safely.",
        "Give the command line to grep '$t.txt' for $s, with its quoting.",
    ),
    spanish=(
        "Forma la orden de shell que busca $s en '$t.txt' con grep, contenga lo que contenga $s.",
        "Devuelve una línea de órdenes segura: grep, luego $s entrecomillado, luego '$t.txt'.",
        "Escribe la orden grep para la palabra $s en el archivo '$t.txt', entrecomillada para la shell.",
        "¿Qué orden de shell busca $s con grep en '$t.txt'? Entrecomilla lo que dio el usuario.",
        "El usuario ha escrito $s: da un grep sobre '$t.txt' que lo tome como un argumento y no como código.",
        "¿Cómo buscarías $s con grep en '$t.txt' desde una shell? Da la orden, segura aunque haya espacios.",
        "Haya lo que haya en $s, hasta un ';', entrecomíllalo si hace falta y ponlo entre grep y '$t.txt'.",
        "Orden de shell en una línea: grep, después $s protegido con shlex.quote y, al final, '$t.txt'.",
        "Compón un grep de $s sobre '$t.txt' que una shell pueda ejecutar sin riesgo.",
        "Da la línea de órdenes para buscar $s con grep en '$t.txt', con sus comillas.",
    ),
    variants=(
        idiomatic("return f'grep {shlex.quote($s)} $t.txt'", imports="import shlex"),
        verbose("return 'grep ' + shlex.quote($s) + ' $t.txt'", imports="import shlex"),
        insecure("return f'grep {$s} $t.txt'", cwe=78),
        insecure("return 'grep ' + $s + ' $t.txt'", cwe=78),
        insecure("return subprocess.list2cmdline(['grep', $s, '$t.txt'])", cwe=78, imports="import subprocess"),
    ),
    basic=_word,
    edges=_shell_edges,
    properties=(),  # a command that is built and not run can inject nothing here: its tests judge it
)

HTML_ITEM = Family(
    slug="html-item",
    parameters="$s: str",
    returns="str",
    names={"s": TEXTS},
    constants={"t": WORDS},
    english=(
        "Return $s as an HTML paragraph of class '$t', escaped.",
        "Put the text $s into a <p> of class '$t' so that no markup in it takes effect.",
        "Make an HTML paragraph (class '$t') that shows $s literally.",
        "Wrap $s in a p element with class '$t', safe for any text.",
        "Escape $s for HTML and enclose it in a paragraph whose class is '$t'.",
        "Whatever $s contains, even <, & or quotes, show it as plain text in a <p> with the class '$t'.",
        "What is the HTML of a paragraph of class '$t' whose only content is $s, taken as plain text?",
        "Element p of class '$t' around $s, with the special characters of $s turned into entities.",
        "Render the user's text $s as a paragraph of class '$t' in HTML.",
        "Give the HTML for a '$t' paragraph that holds the text $s.",
    ),
    spanish=(
        "Devuelve $s como párrafo HTML de clase '$t', escapado.",
        "Pon el texto $s en un <p> de clase '$t' sin que surta efecto su marcado.",
        "Haz un párrafo HTML (clase '$t') que muestre $s literalmente.",
        "Envuelve $s en un elemento p con clase '$t', seguro para cualquier texto.",
        "Escapa $s para HTML y enciérralo en un párrafo cuya clase sea '$t'.",
        "Muestra $s como texto plano, aunque lleve <, & o comillas, en un <p> de clase '$t'.",
        "¿Cuál es el HTML de un párrafo de clase '$t' cuyo único contenido es $s, tomado como texto plano?",
        "Elemento p de clase '$t' con $s dentro y sus caracteres especiales convertidos en entidades.",
        "Presenta el texto $s del usuario como párrafo de clase '$t' en HTML.",
        "Da el HTML de un párrafo '$t' que contiene el texto $s.",
    ),
    variants=(
        idiomatic("return f'<p class=\"$t\">{html.escape($s)}</p>'", imports="import html"),
        verbose("return '<p class=\"$t\">' + html.escape($s) + '</p>'", imports="import html"),
        insecure("return f'<p class=\"$t\">{$s}</p>'", cwe=79),
        insecure("return '<p class=\"$t\">' + $s + '</p>'", cwe=79),
        insecure("return '<p class=\"$t\">{}</p>'.format($s)", cwe=79),
        insecure(
            "return string.Template('<p class=\"$t\">$$text</p>').substitute(text=$s)",
            cwe=79,
            imports="import string",
        ),
    ),
    basic=_word,
    edges=_html_edges,
    properties=("html-injection",),
)

PATH_UNDER = Family(
    slug="path-under",
    parameters="$s: str",
    returns="str | None",
    names={"s": TEXTS},
    constants={"t": _FOLDERS},
    english=(
        "Return the path of file $s in '$t', or None if $s is no plain file name.",
        "Join '$t' and the file name $s; anything with a folder in it gives None.",
        "Give the path of $s under '$t', and None for a name that could leave it.",
        "Where does the file $s lie in '$t'? None if the name is not plain.",
        "If $s is empty, '.', '..' or has a slash, return None; otherwise return '$t/' followed by $s.",
        "Only a bare file name may be added to '$t': return the full path for $s, or None if it is not one.",
        "Does $s name a file directly in '$t'? Then return its path; None for '', '.', '..' or any '/'.",
        "Full path made of '$t', a slash and $s, refused with None unless $s is one plain file name.",
        "Build a path in '$t' for the name $s, or None when the name is unsafe.",
        "Path of $s inside the folder '$t'; None if it holds more than a name.",
    ),
    spanish=(
        "Devuelve la ruta del archivo $s en '$t', o None si $s no es un nombre simple.",
        "Une '$t' y el nombre de archivo $s; cualquier cosa con carpeta da None.",
        "Da la ruta de $s bajo '$t', y None para un nombre que pueda salirse.",
        "¿Dónde está el archivo $s en '$t'? None si el nombre no es simple.",
        "Si $s está vacío, es '.', '..' o lleva una barra, devuelve None; si no, devuelve '$t/' seguido de $s.",
        "A '$t' solo se le añade un nombre de archivo a secas: da la ruta de $s, o None si no lo es.",
        "¿Nombra $s un archivo justo en '$t'? Entonces da su ruta; None para '', '.', '..' o cualquier '/'.",
        "Ruta formada por '$t', una barra y $s; None si $s no es un nombre de archivo sin más.",
        "Forma una ruta en '$t' para el nombre $s, o None cuando el nombre no sea seguro.",
        "Ruta de $s dentro de la carpeta '$t'; None si contiene más que un nombre.",
    ),
    variants=(
        idiomatic("if '/' in $s or $s in ('', '.', '..'):\n    return None\nreturn f'$t/{$s}'"),
        verbose("if $s == '' or $s == '.' or $s == '..' or '/' in $s:\n    return None\nreturn '$t/' + $s"),
        insecure("return '$t/' + $s", cwe=22),
        insecure("return f'$t/{$s}'", cwe=22),
        insecure("return os.path.join('$t', $s)", cwe=22, imports="import os"),
        insecure("out = '$t/' + $s\nreturn out", cwe=22),
    ),
    basic=_file,
    edges=_path_edges,
    properties=("contract",),
    # The property "path-traversal" is about opened files; a path that is only built needs a contract.
    post="result is None or '/' not in $s",
)

PARSE_LIST = Family(
    slug="parse-list",
    parameters="$s: str",
    returns="list[int]",
    names={"s": TEXTS},
    english=(
        "Read the list of integers written in $s, such as [1, 2]; bad text gives an empty list.",
        "Parse $s, a list literal of numbers, and return [] if it is not valid.",
        "Turn text like [3, 4] in $s into a list without running it; [] if it fails.",
        "Which numbers does the list in $s hold? Answer [] when it cannot be read.",
        "If $s is the text of a list of ints, such as [5, 6], return that list; in any other case return [].",
        "The text $s comes from outside: take it as a list of ints, never evaluate it, and use [] if it is bad.",
        "Which list of integers is written out in $s? Return [] for broken text or for expressions.",
        "Safe reader for a list of whole numbers in $s: data only, nothing run, and [] for malformed text.",
        "Decode the list of ints in the string $s, with [] for anything else.",
        "Load a list of whole numbers from the text $s, or [] on an error.",
    ),
    spanish=(
        "Lee la lista de enteros escrita en $s, como [1, 2]; un texto malo da una lista vacía.",
        "Interpreta $s, una lista literal de números, y devuelve [] si no es válida.",
        "Convierte texto como [3, 4] en $s en lista sin ejecutarlo; [] si falla.",
        "¿Qué números contiene la lista de $s? Responde [] cuando no se pueda leer.",
        "Si $s es el texto de una lista de enteros, como [5, 6], devuelve esa lista; en otro caso, devuelve [].",
        "El texto $s viene de fuera: tómalo como lista de enteros, no lo evalúes nunca y usa [] si está mal.",
        "¿Qué lista de enteros está escrita en $s? Devuelve [] para texto roto o para expresiones.",
        "Lector seguro de una lista de enteros en $s: solo datos, sin ejecutar nada, y [] si está mal formada.",
        "Decodifica la lista de enteros de la cadena $s, con [] para lo demás.",
        "Carga una lista de enteros del texto $s, o [] ante un error.",
    ),
    variants=(
        idiomatic("try:\n    return json.loads($s)\nexcept ValueError:\n    return []", imports="import json"),
        verbose(
            "try:\n    out = ast.literal_eval($s)\nexcept (ValueError, SyntaxError):\n    out = []\nreturn out",
            imports="import ast",
        ),
        insecure("return eval($s)", cwe=95),
        insecure("try:\n    return eval($s)\nexcept Exception:\n    return []", cwe=95),
        unguarded("return json.loads($s)", cwe=248, imports="import json"),
    ),
    basic=_list_text,
    edges=_list_edges,
    properties=("code-injection",),
)

SAME_DIGEST = Family(
    slug="same-digest",
    parameters="$s: str, $u: str",
    returns="bool",
    names={"s": TEXTS, "u": TEXTS},
    english=(
        "Compare $s and $u by a strong digest of their UTF-8 bytes.",
        "Tell whether $s and $u have the same secure hash.",
        "Hash $s and $u securely and return whether the digests are equal.",
        "Do $s and $u share a collision-resistant digest?",
        "If the SHA-256 digests of $s and $u coincide return True; otherwise return False.",
        "Find out whether $s and $u match by means of a modern hash algorithm, neither MD5 nor SHA-1.",
        "Encode $s and $u as UTF-8, digest both with a hash that is still secure and say if the results agree.",
        "True when a cryptographically sound hash comes out alike for $s and $u, and False when it differs.",
        "Check by a secure hash that $s and $u are the same text.",
        "Are the strong hashes of $s and $u identical?",
    ),
    spanish=(
        "Compara $s y $u por un resumen criptográfico fuerte de sus bytes UTF-8.",
        "Di si $s y $u tienen el mismo hash seguro.",
        "Calcula un hash seguro de $s y $u y devuelve si son iguales.",
        "¿Comparten $s y $u un resumen resistente a colisiones?",
        "Si los resúmenes SHA-256 de $s y $u coinciden, devuelve True; si no, devuelve False.",
        "Averigua si $s y $u concuerdan por medio de un algoritmo de hash moderno, ni MD5 ni SHA-1.",
        "Codifica $s y $u en UTF-8, resume ambos con un hash aún seguro y di si los resultados coinciden.",
        "True cuando un hash criptográficamente sólido salga igual para $s y $u, y False cuando difiera.",
        "Comprueba con un hash seguro que $s y $u son el mismo texto.",
        "¿Son idénticos los hashes fuertes de $s y $u?",
    ),
    variants=(
        idiomatic(
            "return hashlib.sha256($s.encode()).digest() == hashlib.sha256($u.encode()).digest()",
            imports="import hashlib",
        ),
        insecure(
            "return hashlib.md5($s.encode()).digest() == hashlib.md5($u.encode()).digest()",
            cwe=327,
            imports="import hashlib",
        ),
    ),
    basic=_texts,
    edges=_texts_edges,
    properties=("weak-hash",),
)

FAMILIES = (SQL_SELECT, SHELL_COMMAND, HTML_ITEM, PATH_UNDER, PARSE_LIST, SAME_DIGEST)
