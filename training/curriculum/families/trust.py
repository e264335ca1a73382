"""Families where input can't be trusted: settings, SQL, file names and sums that arrive as text."""

from __future__ import annotations

import json
from random import Random

from training.curriculum.families.texts import STRINGS
from training.curriculum.family import Arguments, Family, Slots, idiomatic, insecure, unguarded, verbose
from training.curriculum.slots import FALLBACKS, TEXTS, WORDS

_PEOPLE = ("ana", "luis", "eva", "tom", "lee", "marta", "ines", "max", "sara", "hugo")


def _settings(rng: Random, slots: Slots) -> Arguments:
    keys = rng.sample(WORDS, rng.randint(1, 3))
    return (json.dumps({key: rng.choice([rng.randint(0, 99), rng.choice(WORDS)]) for key in keys}),)


def _settings_edges(rng: Random, slots: Slots) -> list[Arguments]:
    word = rng.choice(WORDS)
    return [
        ("",),
        (f'{{"{word}": true, "level": null}}',),
        ("[1, 2]",),
        (f'{{"{word}": 3',),
        ("null",),
        (f"dict({word}=len('abc'))",),
    ]


def _people(rng: Random, slots: Slots) -> Arguments:
    people = rng.choices(_PEOPLE, k=rng.randint(3, 5))
    return people, rng.choice(people)


def _people_edges(rng: Random, slots: Slots) -> list[Arguments]:
    (people, _), word = _people(rng, slots), rng.choice(WORDS)
    return [(people, "x' OR '1'='1"), ([*people, "o'neil"], "o'neil"), (people, word), ([], "ana"), (people, "")]


def _new_people(rng: Random, slots: Slots) -> Arguments:
    return (rng.choices(_PEOPLE, k=rng.randint(2, 4)),)


def _new_people_edges(rng: Random, slots: Slots) -> list[Arguments]:
    name, word = rng.choice(_PEOPLE), rng.choice(WORDS)
    return [([],), (["o'neil", name],), ([f"{name}'), ('{word}"],), ([name, "Zoe", name],), ([f"{word}'); --"],)]


def _file_name(rng: Random, slots: Slots) -> Arguments:
    parts = rng.sample(WORDS, rng.randint(1, 2))
    return (f"{'.'.join(parts)}.{rng.choice(['txt', 'csv', 'py', 'png', 'gz', 'html'])}",)


def _extension_edges(rng: Random, slots: Slots) -> list[Arguments]:
    left, right = rng.sample(WORDS, 2)
    return [(left,), (f".{right}",), (f"v1.2/{left}",), (f"{left}.PHP",), ("",), (f"{left}/.{right}.Jpg",)]


def _safe_name_edges(rng: Random, slots: Slots) -> list[Arguments]:
    left, right = rng.sample(WORDS, 2)
    return [
        ("",),
        ("..",),
        (".",),
        (f"../{left}.txt",),
        (f"{left}/{right}",),
        (f"..\\{right}.txt",),
        (f"/etc/{left}",),
        (f"{left}..txt",),
    ]


def _sum(rng: Random, slots: Slots) -> Arguments:
    return (f"{rng.randint(-50, 200)} + {rng.randint(0, 200)}",)


def _sum_edges(rng: Random, slots: Slots) -> list[Arguments]:
    a, b = rng.randint(61, 99), rng.randint(1, 9)
    # What they would give when evaluated lies above every default.
    return [
        ("",),
        (f"{a} * {b}",),
        (f"{a} + len('abc')",),
        (f"{a} + {rng.choice(WORDS)}",),
        (f"{a} + {b} + {b}",),
        (f"-{b} + -{b}",),
    ]


LOAD_SETTINGS = Family(
    slug="load-settings",
    parameters="$s: str",
    returns="dict",
    names={"s": TEXTS},
    english=(
        "Load the settings in $s, a JSON object, as a dict without running any of it; anything else gives {}.",
        "Parse $s as JSON and return it if it is an object, or {} for bad JSON and other values.",
        "Read a dict of settings from the untrusted JSON text $s; {} when that cannot be done.",
        "Which settings does the JSON $s hold? Answer {} if it is invalid or no object.",
        "Decode the user's settings $s from JSON, falling back to {} on an error or a value that is no dict.",
        "Turn the text $s into a dict by a JSON parser; text that is no JSON object counts as {}.",
        "If $s is a well-formed JSON object, give it as a dict, otherwise an empty dict; never evaluate it.",
        "Settings come as JSON in $s and may be broken: return the object, or {} if there is none.",
        "From JSON text $s that a stranger sent get its top-level object, with {} for all other input.",
        "Dict that the JSON document $s describes, {} for a list, a number, null or text that does not parse.",
    ),
    spanish=(
        "Carga los ajustes de $s, un objeto JSON, como diccionario sin ejecutar nada; cualquier otra cosa da {}.",
        "Interpreta $s como JSON y devuélvelo si es un objeto, o {} para JSON inválido y otros valores.",
        "Lee un diccionario de ajustes del texto JSON $s, que no es de fiar; {} cuando no se pueda.",
        "¿Qué ajustes contiene el JSON $s? Responde {} si no es válido o no es un objeto.",
        "Decodifica del JSON $s los ajustes del usuario, recurriendo a {} ante un error o un valor que no sea dict.",
        "Convierte el texto $s en diccionario con un lector de JSON; lo que no sea un objeto JSON cuenta como {}.",
        "Si $s es un objeto JSON bien formado, dalo como diccionario; si no, uno vacío; no lo evalúes nunca.",
        "Los ajustes llegan como JSON en $s y pueden estar rotos: devuelve el objeto, o {} si no lo hay.",
        "Del texto JSON $s que mandó un desconocido saca su objeto principal, con {} para cualquier otra entrada.",
        "Diccionario que describe el documento JSON $s, {} si es una lista, un número, null o un texto ilegible.",
    ),
    variants=(
        idiomatic(
            "try:\n    out = json.loads($s)\nexcept ValueError:\n    return {}\n"
            "return out if isinstance(out, dict) else {}",
            imports="import json",
        ),
        verbose(
            "out = None\ntry:\n    out = json.loads($s)\nexcept json.JSONDecodeError:\n    pass\n"
            "if not isinstance(out, dict):\n    out = {}\nreturn out",
            imports="import json",
        ),
        unguarded("return json.loads($s)", cwe=248, imports="import json"),
        unguarded("try:\n    return json.loads($s)\nexcept ValueError:\n    return {}", cwe=20, imports="import json"),
        insecure(
            "try:\n    out = eval($s)\nexcept Exception:\n    return {}\nreturn out if isinstance(out, dict) else {}",
            cwe=95,
        ),
    ),
    basic=_settings,
    edges=_settings_edges,
    properties=("value-error", "code-injection", "deserialization", "return-type"),
)

SQL_COUNT = Family(
    slug="sql-count",
    parameters="$xs: list[str], $s: str",
    returns="int",
    names={"xs": STRINGS, "s": TEXTS},
    constants={"t": WORDS},
    english=(
        "Put $xs in an SQL table $t (k) and count the rows whose k is $s.",
        "Store each text of $xs in the in-memory table $t (k); return how many have k equal to $s.",
        "With an SQL table $t (k) filled from $xs, how many rows match $s exactly?",
        "Load $xs into table $t (k) of SQLite and query the number of rows with k = $s.",
        "Fill table $t (k) from $xs, then let SQL count the rows that equal $s, whatever $s holds.",
        "Number of rows with k = $s in an SQL table $t (k) made of the texts $xs.",
        "Count by SQL how often $s is among $xs, using a temporary table $t with one column k.",
        "Make table $t (k) in memory with a row for every text in $xs; answer how many rows hold $s.",
        "After inserting $xs into the SQL table $t (k), ask it for the count of rows where k is the text $s.",
        "Ask an SQLite table $t, its column k holding the texts of $xs, how many times $s is in it.",
    ),
    spanish=(
        "Pon $xs en una tabla SQL $t (k) y cuenta las filas cuya k sea $s.",
        "Guarda cada texto de $xs en la tabla en memoria $t (k); devuelve cuántos tienen k igual a $s.",
        "Con una tabla SQL $t (k) llena con $xs, ¿cuántas filas coinciden exactamente con $s?",
        "Carga $xs en la tabla $t (k) de SQLite y consulta el número de filas con k = $s.",
        "Llena la tabla $t (k) con $xs y haz que SQL cuente las filas iguales a $s, contenga lo que contenga $s.",
        "Número de filas con k = $s en una tabla SQL $t (k) formada por los textos $xs.",
        "Cuenta mediante SQL cuántas veces está $s entre $xs, con una tabla temporal $t de una columna k.",
        "Crea la tabla $t (k) en memoria con una fila por cada texto de $xs; responde cuántas filas contienen $s.",
        "Tras insertar $xs en la tabla SQL $t (k), pídele la cuenta de las filas donde k sea el texto $s.",
        "Pregunta a una tabla SQLite $t, cuya columna k guarda los textos de $xs, cuántas veces está $s en ella.",
    ),
    variants=(
        idiomatic(
            "db = sqlite3.connect(':memory:')\ndb.execute('CREATE TABLE $t (k)')\n"
            "db.executemany('INSERT INTO $t VALUES (?)', [(item,) for item in $xs])\n"
            "return db.execute('SELECT COUNT(*) FROM $t WHERE k = ?', ($s,)).fetchone()[0]",
            imports="import sqlite3",
        ),
        verbose(
            "db = sqlite3.connect(':memory:')\ndb.execute('CREATE TABLE $t (k)')\nfor item in $xs:\n"
            "    db.execute('INSERT INTO $t VALUES (?)', (item,))\n"
            "out = db.execute('SELECT k FROM $t WHERE k = ?', ($s,))\nreturn len(out.fetchall())",
            imports="import sqlite3",
        ),
        insecure(
            "db = sqlite3.connect(':memory:')\ndb.execute('CREATE TABLE $t (k)')\n"
            "db.executemany('INSERT INTO $t VALUES (?)', [(item,) for item in $xs])\n"
            "return db.execute(f\"SELECT COUNT(*) FROM $t WHERE k = '{$s}'\").fetchone()[0]",
            cwe=89,
            imports="import sqlite3",
        ),
        insecure(
            "db = sqlite3.connect(':memory:')\ndb.execute('CREATE TABLE $t (k)')\n"
            "db.executemany('INSERT INTO $t VALUES (?)', [(item,) for item in $xs])\n"
            "return db.execute(\"SELECT COUNT(*) FROM $t WHERE k = '%s'\" % $s).fetchone()[0]",
            cwe=89,
            imports="import sqlite3",
        ),
        insecure(
            "db = sqlite3.connect(':memory:')\ndb.execute('CREATE TABLE $t (k)')\nfor item in $xs:\n"
            "    db.execute('INSERT INTO $t VALUES (?)', (item,))\n"
            'out = db.execute("SELECT k FROM $t WHERE k = \'" + $s + "\'")\nreturn len(out.fetchall())',
            cwe=89,
            imports="import sqlite3",
        ),
    ),
    basic=_people,
    edges=_people_edges,
    properties=("sql-injection", "argument-mutation"),
)

SQL_INSERT = Family(
    slug="sql-insert",
    parameters="$xs: list[str]",
    returns="list[str]",
    names={"xs": STRINGS},
    constants={"t": WORDS},
    english=(
        "Insert each text of $xs into an SQL table $t (k) and return all k as SQL sorts them.",
        "Store $xs in the in-memory table $t (k), then list its k with ORDER BY, repeats included.",
        "Fill an SQLite table $t (k) with the texts $xs, whatever they hold; give every k, sorted by the query.",
        "Which texts stand in the SQL table $t (k), ordered by k, once all of $xs are inserted?",
        "Add one row to table $t (k) for each of $xs and select every k in ascending order.",
        "By SQL, sort $xs: put the texts in a table $t with a column k and read them back ordered.",
        "Rows of an SQL table $t (k) after inserting the untrusted texts $xs, in order of k.",
        "Create table $t (k) in memory, save every text in $xs as it is, and return the column k ordered.",
        "Let the database keep $xs in $t (k), a row apiece and unchanged, and fetch k in sorted order.",
        "Use INSERT to write the texts of $xs to the table $t (k) and SELECT to get them in ascending order.",
    ),
    spanish=(
        "Inserta cada texto de $xs en una tabla SQL $t (k) y devuelve todos los k tal como los ordena SQL.",
        "Guarda $xs en la tabla en memoria $t (k) y lista después sus k con ORDER BY, repetidos incluidos.",
        "Llena una tabla SQLite $t (k) con los textos $xs, contengan lo que contengan; da cada k en orden.",
        "¿Qué textos hay en la tabla SQL $t (k), ordenados por k, una vez insertados todos los de $xs?",
        "Añade una fila a la tabla $t (k) por cada uno de $xs y selecciona todos los k en orden ascendente.",
        "Ordena $xs mediante SQL: pon los textos en una tabla $t con una columna k y léelos ordenados.",
        "Filas de una tabla SQL $t (k) tras insertar los textos $xs, que no son de fiar, en orden de k.",
        "Crea la tabla $t (k) en memoria, guarda cada texto de $xs tal cual y devuelve la columna k ordenada.",
        "Que la base de datos guarde $xs en $t (k), una fila por texto y sin cambios, y dé k en orden.",
        "Usa INSERT para escribir los textos de $xs en la tabla $t (k) y SELECT para obtenerlos de menor a mayor.",
    ),
    variants=(
        idiomatic(
            "db = sqlite3.connect(':memory:')\ndb.execute('CREATE TABLE $t (k)')\n"
            "db.executemany('INSERT INTO $t VALUES (?)', [(item,) for item in $xs])\n"
            "return [key for (key,) in db.execute('SELECT k FROM $t ORDER BY k')]",
            imports="import sqlite3",
        ),
        verbose(
            "db = sqlite3.connect(':memory:')\ndb.execute('CREATE TABLE $t (k)')\nfor item in $xs:\n"
            "    db.execute('INSERT INTO $t VALUES (?)', (item,))\n"
            "out = db.execute('SELECT k FROM $t ORDER BY k').fetchall()\nreturn [item[0] for item in out]",
            imports="import sqlite3",
        ),
        insecure(
            "db = sqlite3.connect(':memory:')\ndb.execute('CREATE TABLE $t (k)')\nfor item in $xs:\n"
            "    db.execute(f\"INSERT INTO $t VALUES ('{item}')\")\n"
            "return [key for (key,) in db.execute('SELECT k FROM $t ORDER BY k')]",
            cwe=89,
            imports="import sqlite3",
        ),
        insecure(
            "db = sqlite3.connect(':memory:')\ndb.execute('CREATE TABLE $t (k)')\ndb.executescript(';'.join(f\"INSERT INTO $t VALUES ('{item}')\" for item in $xs))\nreturn [key for (key,) in db.execute('SELECT k FROM $t ORDER BY k')]",
            cwe=89,
            imports="import sqlite3",
        ),
        insecure(
            "db = sqlite3.connect(':memory:')\ndb.execute('CREATE TABLE $t (k)')\nfor item in $xs:\n"
            '    db.execute("INSERT INTO $t VALUES (\'" + item + "\')")\n'
            "out = db.execute('SELECT k FROM $t ORDER BY k').fetchall()\nreturn [item[0] for item in out]",
            cwe=89,
            imports="import sqlite3",
        ),
        insecure(
            "db = sqlite3.connect(':memory:')\ndb.execute('CREATE TABLE $t (k)')\nright = ', '.join(f\"('{item}')\" for item in $xs)\ndb.execute(f'INSERT INTO $t VALUES {right}')\nreturn [key for (key,) in db.execute('SELECT k FROM $t ORDER BY k')]",
            cwe=89,
            imports="import sqlite3",
        ),
    ),
    basic=_new_people,
    edges=_new_people_edges,
    properties=("sql-injection", "argument-mutation"),
)

EXTENSION_OF = Family(
    slug="extension-of",
    parameters="$s: str",
    returns="str",
    names={"s": TEXTS},
    english=(
        "Return the extension of the file path $s in lower case without its dot; '' if none, as in '.profile'.",
        "Give what follows the last dot of the file name in $s, lowercased; a leading dot does not count, none is ''.",
        "What type does the path $s end in? The extension in small letters, '' for none; a leading dot opens no type.",
        "Find the lowercase extension of $s, looking at its last path part only; hidden files like '.x' have none ('').",
        "Take the file extension from path $s for a safe check: no dot, lower case, '' for 'name' and '.name'.",
        "Lowercase extension of the file at $s, or '' without one; dots in folders or at the start are no sign of it.",
        "If the name that ends the path $s has a dot inside, return what follows the last one in lower case, else ''.",
        "Tell the file type of $s by its extension, ignoring case and dots in folders; '' for names like 'a' or '.a'.",
        "Small-letter suffix of the path $s after the last dot of its file name; '' with only a leading dot or none.",
        "Get the extension of $s, lowercase and undotted; neither folders nor a dot that opens the name give one, so ''.",
    ),
    spanish=(
        "Devuelve la extensión de la ruta de archivo $s en minúsculas y sin punto; '' si no hay, como en '.profile'.",
        "Da lo que sigue al último punto del nombre de archivo en $s, en minúsculas; un punto inicial no cuenta: ''.",
        "¿En qué tipo acaba la ruta $s? La extensión en minúsculas, '' si no hay; un punto inicial no la abre.",
        "Halla la extensión en minúsculas de $s, mirando solo su última parte; los ocultos como '.x' no tienen ('').",
        "Toma la extensión de la ruta $s para un control seguro: sin punto, en minúsculas, '' para 'n' y '.n'.",
        "Extensión en minúsculas del archivo $s, o '' si no tiene; los puntos de carpetas o del inicio no cuentan.",
        "Si el nombre en que acaba la ruta $s tiene un punto dentro, da lo que sigue al último en minúsculas; si no, ''.",
        "Di el tipo de archivo de $s por su extensión, sin contar mayúsculas ni puntos de carpetas; '' para 'a' o '.a'.",
        "Sufijo en minúsculas de la ruta $s tras el último punto de su nombre; '' si solo lo hay al inicio o no lo hay.",
        "Obtén la extensión de $s, en minúsculas y sin punto; ni las carpetas ni el punto inicial del nombre la dan: ''.",
    ),
    variants=(
        idiomatic("return os.path.splitext($s)[1][1:].lower()", imports="import os"),
        verbose(
            "out = $s.split('/')[-1].lstrip('.')\nif '.' not in out:\n    return ''\nreturn out.split('.')[-1].lower()"
        ),
        unguarded("return $s.split('.')[-1].lower()", cwe=20),
        unguarded("return $s.rsplit('.', 1)[1].lower()", cwe=129),
        unguarded("return os.path.splitext($s)[1][1:]", cwe=178, imports="import os"),
        unguarded("return os.path.basename($s).split('.')[-1].lower()", cwe=20, imports="import os"),
    ),
    basic=_file_name,
    edges=_extension_edges,
    properties=("index-error", "contract"),
    post="'.' not in result and '/' not in result",
)

SAFE_NAME = Family(
    slug="safe-name",
    parameters="$s: str",
    returns="str | None",
    names={"s": TEXTS},
    english=(
        "Return $s if it is a plain file name, or None if it is '', '.' or '..' or holds a slash or backslash.",
        "Accept the uploaded file name $s unchanged, but give None for '', '.', '..' and any path separator.",
        "Is $s safe as a file name? Return it, or None when empty, '.', '..' or with a / or backslash in it.",
        "Reject $s with None if it has a slash of either kind or is one of '', '.' and '..'; else return it.",
        "Check the name $s from outside: None for separators (slash, backslash), '.', '..' and nothing; else $s.",
        "Give back $s only if no / or backslash is in it and it is not '', '.' or '..'; otherwise None.",
        "The name $s itself, or None where it could point to another folder: slashes, backslashes, '.', '..', ''.",
        "Let $s pass if it names a file and no path; a slash, a backslash, '', '.' or '..' yields None.",
        "For '', '.', '..' or any text $s with a slash or a backslash answer None, for all others the text.",
        "None unless $s is free of both slashes and is neither empty nor one of the dot names '.' and '..'; else $s.",
    ),
    spanish=(
        "Devuelve $s si es un nombre de archivo simple, o None si es '', '.' o '..' o lleva barra o barra invertida.",
        "Acepta sin cambios el nombre de archivo subido $s, pero da None para '', '.', '..' y todo separador de ruta.",
        "¿Es $s seguro como nombre de archivo? Devuélvelo, o None si es '', '.' o '..' o lleva una barra, del tipo que sea.",
        "Rechaza $s con None si tiene una barra de cualquier tipo o es '', '.' o '..'; si no, devuélvelo.",
        "Revisa el nombre $s llegado de fuera: None con separadores (barra, barra invertida), '.', '..' y ''; si no, $s.",
        "Devuelve $s solo si no contiene barra ni barra invertida y no es '', '.' ni '..'; en otro caso, None.",
        "El propio nombre $s, o None si pudiera apuntar a otra carpeta: barras, barras invertidas, '.', '..', ''.",
        "Deja pasar $s si nombra un archivo y no una ruta; barra, barra invertida, '', '.' o '..' dan None.",
        "Para '', '.', '..' o cualquier texto $s con barra o barra invertida responde None; para los demás, el texto.",
        "None salvo que $s no tenga barras de ningún tipo ni sea vacío, '.' o '..'; en ese caso, $s.",
    ),
    variants=(
        idiomatic(
            r"if $s in ('', '.', '..') or '/' in $s or '\\' in $s:"
            "\n    return None\nreturn $s"
        ),
        verbose(
            "if $s == '' or $s == '.' or $s == '..':\n    return None\nfor ch in $s:\n"
            r"    if ch == '/' or ch == '\\':"
            "\n        return None\nreturn $s"
        ),
        insecure("return None if '/' in $s else $s", cwe=22),
        insecure("return $s.replace('../', '')", cwe=22),
        insecure("return os.path.basename($s) or None", cwe=22, imports="import os"),
    ),
    basic=_file_name,
    edges=_safe_name_edges,
    properties=("contract",),
    # The property "path-traversal" is about opened files; a name that is only checked needs a contract.
    post="result is None or '/' not in result and result != '..'",
)

ARITHMETIC_TEXT = Family(
    slug="arithmetic-text",
    parameters="$s: str",
    returns="int",
    names={"s": TEXTS},
    constants={"d": FALLBACKS},
    english=(
        "Work out the sum in $s, two integers such as '3 + 4'; any other text gives $d.",
        "Add the two ints that $s writes as 'a + b' without evaluating it, or return $d if it is malformed.",
        "Parse $s as one integer, a plus sign and one integer, and return their sum; otherwise $d.",
        "How much is the sum of two integers in $s? Answer $d unless it has just the form a + b.",
        "Compute an addition like '12 + 5' given by a user as $s; return $d for everything else.",
        "Split $s at its only '+' and add both sides as integers, with $d when that fails.",
        "If $s reads int + int, give the result; text with more terms, other signs or code is $d.",
        "Total of the two integers joined by '+' in the untrusted text $s, or $d for bad input.",
        "The text $s should be a sum of exactly two whole numbers: return its value, else $d.",
        "Calculate $s safely, knowing only 'integer + integer'; whatever is different comes out as $d.",
    ),
    spanish=(
        "Resuelve la suma de $s, dos enteros como en '3 + 4'; cualquier otro texto da $d.",
        "Suma los dos enteros que $s escribe como 'a + b' sin evaluarlo, o devuelve $d si está mal formado.",
        "Interpreta $s como un entero, un signo más y un entero, y devuelve su suma; en otro caso, $d.",
        "¿Cuánto es la suma de dos enteros de $s? Responde $d salvo que tenga justo la forma a + b.",
        "Calcula una suma como '12 + 5' dada por un usuario en $s; devuelve $d para todo lo demás.",
        "Parte $s por su único '+' y suma ambos lados como enteros, con $d cuando eso falle.",
        "Si $s dice entero + entero, da el resultado; un texto con más sumandos, otros signos o código es $d.",
        "Total de los dos enteros unidos por '+' en el texto $s, que no es de fiar, o $d si la entrada es mala.",
        "El texto $s debería ser una suma de justo dos números enteros: devuelve su valor o, si no, $d.",
        "Calcula $s sin riesgo, conociendo solo 'entero + entero'; lo que sea distinto sale como $d.",
    ),
    variants=(
        idiomatic(
            "try:\n    left, right = $s.split('+')\n    return int(left) + int(right)\nexcept ValueError:\n    return $d"
        ),
        verbose(
            "out = $s.split('+')\nif len(out) != 2:\n    return $d\ntry:\n    return int(out[0]) + int(out[1])\n"
            "except ValueError:\n    return $d"
        ),
        unguarded("left, right = $s.split('+')\nreturn int(left) + int(right)", cwe=248),
        insecure("return eval($s)", cwe=95),
        insecure("try:\n    return eval($s)\nexcept Exception:\n    return $d", cwe=95),
        unguarded("out = $s.split('+')\nreturn int(out[0]) + int(out[1])", cwe=248),
    ),
    basic=_sum,
    edges=_sum_edges,
    properties=("value-error", "code-injection"),
)

FAMILIES = (LOAD_SETTINGS, SQL_COUNT, SQL_INSERT, EXTENSION_OF, SAFE_NAME, ARITHMETIC_TEXT)
