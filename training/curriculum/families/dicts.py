"""Families over dictionaries and JSON: lookups and fields that may be missing."""

from __future__ import annotations

import json
from random import Random

from training.curriculum.family import Arguments, Family, Slots, idiomatic, insecure, unguarded, verbose
from training.curriculum.slots import DICTS, FALLBACKS, TEXTS, WORDS


def _table(rng: Random) -> dict[str, int]:
    return {word: rng.randint(0, 90) for word in rng.sample(WORDS, rng.randint(2, 4))}


def _lookup(rng: Random, slots: Slots) -> Arguments:
    table = _table(rng)
    return table, rng.choice(list(table))


def _lookup_edges(rng: Random, slots: Slots) -> list[Arguments]:
    return [({}, "x"), (_table(rng), "missing"), (_table(rng), ""), ({"a": 0}, "a")]


def _nested(rng: Random, slots: Slots) -> Arguments:
    table = {word: _table(rng) for word in rng.sample(WORDS, 2)}
    outer = rng.choice(list(table))
    return table, outer, rng.choice(list(table[outer]))


def _nested_edges(rng: Random, slots: Slots) -> list[Arguments]:
    return [({}, "x", "y"), ({"x": {}}, "x", "y"), ({"x": {"y": 3}}, "z", "y"), ({"x": {"y": 0}}, "x", "y")]


def _document(rng: Random, slots: Slots) -> Arguments:
    return (json.dumps({slots["k"]: rng.randint(0, 90), "id": rng.randint(1, 9)}),)


def _document_edges(rng: Random, slots: Slots) -> list[Arguments]:
    return [("",), ("{",), ("{}",), ("[1, 2]",), ("null",), (json.dumps({slots["k"]: 0}),)]


LOOKUP = Family(
    slug="lookup",
    parameters="$d: dict[str, int], $k: str",
    returns="int",
    names={"d": DICTS, "k": TEXTS},
    constants={"z": FALLBACKS},
    english=(
        "Return the value of $k in $d, or $z if the key is missing.",
        "Look up $k in the dictionary $d; an unknown key gives $z.",
        "Read the entry $k of $d and fall back to $z when there is none.",
        "What does $d hold under $k? Answer $z if nothing.",
        "If $d has the key $k return what it maps to; otherwise return $z.",
        "Is $k among the keys of $d? Then hand back its value; if it is not, hand back $z.",
        "Safe access to $d: the key is $k and the default is $z.",
        "Use $k to index $d without risking an error: absent keys count as $z.",
        "Fetch $k from $d, with $z for a key that is not there.",
        "Give the number stored in $d for $k, or else $z.",
    ),
    spanish=(
        "Devuelve el valor de $k en $d, o $z si falta la clave.",
        "Busca $k en el diccionario $d; una clave desconocida da $z.",
        "Lee la entrada $k de $d y recurre a $z cuando no la haya.",
        "¿Qué guarda $d bajo $k? Responde $z si nada.",
        "Si $d tiene la clave $k, devuelve lo que le asigna; en caso contrario, devuelve $z.",
        "¿Está $k entre las claves de $d? Entonces entrega su valor; si no está, entrega $z.",
        "Acceso seguro a $d: la clave es $k y el valor por defecto es $z.",
        "Usa $k como clave de $d sin arriesgarte a un error: las claves ausentes cuentan como $z.",
        "Obtén $k de $d, con $z para una clave que no esté.",
        "Da el número guardado en $d para $k, o si no $z.",
    ),
    variants=(
        idiomatic("return $d.get($k, $z)"),
        verbose("if $k in $d:\n    return $d[$k]\nreturn $z"),
        unguarded("return $d[$k]", cwe=248),
        unguarded("return $d.get($k)", cwe=476),
        unguarded("out = $d[$k]\nreturn out", cwe=248),
    ),
    basic=_lookup,
    edges=_lookup_edges,
    properties=("key-error",),
)

NESTED_LOOKUP = Family(
    slug="nested-lookup",
    parameters="$d: dict[str, dict[str, int]], $j: str, $k: str",
    returns="int",
    names={"d": DICTS, "j": TEXTS, "k": TEXTS},
    constants={"z": FALLBACKS},
    english=(
        "Return the value of $k in the part $j of $d, or $z if either is missing.",
        "Look up $j in $d and then $k in what is found; a missing key gives $z.",
        "Read $d at $j and there at $k, falling back to $z.",
        "What does $d hold under $j and then $k? Answer $z if nothing.",
        "If $d has $j and $d[$j] has $k, return that number; in every other case return $z.",
        "Does $k exist inside $j in $d? Then hand back its number; if not, or without $j, hand back $z.",
        "Follow the keys $j and $k, in that order, down into $d; if the path breaks off, return $z.",
        "Access to $d on two levels: outer key $j, inner key $k, and default $z for both.",
        "Fetch the nested entry $j, $k of $d, with $z where a key is absent.",
        "Give the number that $d stores for $k inside $j, or else $z.",
    ),
    spanish=(
        "Devuelve el valor de $k en la parte $j de $d, o $z si falta alguna.",
        "Busca $j en $d y luego $k en lo encontrado; una clave ausente da $z.",
        "Lee $d en $j y ahí en $k, recurriendo a $z.",
        "¿Qué guarda $d bajo $j y luego $k? Responde $z si nada.",
        "Si $d tiene $j y $d[$j] tiene $k, devuelve ese número; en cualquier otro caso, devuelve $z.",
        "¿Existe $k dentro de $j en $d? Entonces entrega su número; si no, o si no hay $j, entrega $z.",
        "Sigue las claves $j y $k, en ese orden, hacia el interior de $d; si el camino se corta, devuelve $z.",
        "Acceso a $d en dos niveles: clave exterior $j, clave interior $k y $z por defecto para ambas.",
        "Obtén la entrada anidada $j, $k de $d, con $z donde falte una clave.",
        "Da el número que $d guarda para $k dentro de $j, o si no $z.",
    ),
    variants=(
        idiomatic("return $d.get($j, {}).get($k, $z)"),
        verbose("if $j in $d and $k in $d[$j]:\n    return $d[$j][$k]\nreturn $z"),
        unguarded("return $d[$j][$k]", cwe=248),
        unguarded("return $d[$j].get($k, $z)", cwe=248),
        unguarded("return $d.get($j).get($k, $z)", cwe=476),
    ),
    basic=_nested,
    edges=_nested_edges,
    properties=("key-error", "none-deref"),
    weight=2,
)

JSON_FIELD = Family(
    slug="json-field",
    parameters="$s: str",
    returns="int",
    names={"s": TEXTS},
    constants={"k": WORDS, "z": FALLBACKS},
    english=(
        "Read the field '$k' of the JSON object in $s; bad JSON or no such field gives $z.",
        "Parse $s as JSON and return its '$k', or $z if that is not possible.",
        "Decode the JSON text $s and take '$k', falling back to $z.",
        "What is '$k' in the JSON document $s? Answer $z when it is invalid or missing.",
        "If $s is a JSON object with '$k', return that value; broken text, another type or no '$k' gives $z.",
        "Extract '$k' from the JSON $s without ever failing: $z is for when there is nothing to extract.",
        "Does $s decode to a JSON object that has '$k'? Then hand back its value; any other text gives $z.",
        "Value of '$k' in the JSON $s, by default $z: for malformed text, non-objects and absent fields.",
        "Get '$k' out of the JSON string $s, with $z for anything wrong.",
        "From the JSON in $s return the value of '$k', or else $z.",
    ),
    spanish=(
        "Lee el campo '$k' del objeto JSON en $s; un JSON malo o sin ese campo da $z.",
        "Interpreta $s como JSON y devuelve su '$k', o $z si no es posible.",
        "Decodifica el texto JSON $s y toma '$k', recurriendo a $z.",
        "¿Cuánto vale '$k' en el documento JSON $s? Responde $z si no es válido o falta.",
        "Si $s es un objeto JSON con '$k', devuelve ese valor; si es otra cosa, está roto o no lo trae, $z.",
        "Extrae '$k' del JSON $s sin fallar nunca: $z es para cuando no haya nada que extraer.",
        "¿Se decodifica $s como un objeto JSON con '$k'? Entonces entrega su valor; cualquier otro texto da $z.",
        "Valor de '$k' en el JSON $s, por defecto $z: si está mal formado, no es un objeto o falta el campo.",
        "Saca '$k' de la cadena JSON $s, con $z si algo va mal.",
        "Del JSON en $s devuelve el valor de '$k', o si no $z.",
    ),
    variants=(
        idiomatic(
            "try:\n    return json.loads($s)['$k']\nexcept (ValueError, KeyError, TypeError):\n    return $z",
            imports="import json",
        ),
        verbose(
            "try:\n    out = json.loads($s)\nexcept ValueError:\n    return $z\n"
            "return out.get('$k', $z) if isinstance(out, dict) else $z",
            imports="import json",
        ),
        unguarded("return json.loads($s)['$k']", cwe=248, imports="import json"),
        unguarded("out = json.loads($s)\nreturn out['$k'] if '$k' in out else $z", cwe=248, imports="import json"),
        insecure("return eval($s)['$k']", cwe=95),
        unguarded(
            "try:\n    return json.loads($s)['$k']\nexcept KeyError:\n    return $z", cwe=248, imports="import json"
        ),
    ),
    basic=_document,
    edges=_document_edges,
    properties=("key-error", "value-error", "code-injection"),
)

FAMILIES = (LOOKUP, NESTED_LOOKUP, JSON_FIELD)
