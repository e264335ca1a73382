"""What the verifier says, in the reader's language: outcomes, obligations, reasons and assumptions (en, es).

Reasons are made in English where a verdict is reached. Their Spanish stands here as patterns; what has none is quoted
as it is. What the program itself says, such as an exception's message, is never translated.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from verification.outcome import Outcome
from verification.properties import CATALOGUE

LANGUAGES = ("en", "es")


@dataclass(frozen=True)
class Words:
    """The fixed words of a report."""

    outcomes: dict[Outcome, str]
    meanings: dict[Outcome, str]
    counted: dict[Outcome, tuple[str, str]]
    """One of them, and several."""

    call: str
    observed: str
    reason: str
    assuming: str
    total: tuple[str, str]
    cpu: str


ENGLISH = Words(
    outcomes={outcome: outcome.name for outcome in Outcome},
    meanings={
        Outcome.PROVED: "holds for every input, under the assumptions listed",
        Outcome.REFUTED: "broken: the call below was run and failed",
        Outcome.BOUNDED: "no violation up to the stated bound; beyond it nothing is known",
        Outcome.UNKNOWN: "could not be decided: the solver gave up or a budget was used up",
        Outcome.UNSUPPORTED: "not decided: the verifier doesn't model this program",
        Outcome.VACUOUS: "nothing to prove: nothing in this program could break it",
    },
    counted={
        Outcome.PROVED: ("proved", "proved"),
        Outcome.REFUTED: ("refuted", "refuted"),
        Outcome.BOUNDED: ("bounded", "bounded"),
        Outcome.UNKNOWN: ("unknown", "unknown"),
        Outcome.UNSUPPORTED: ("unsupported", "unsupported"),
        Outcome.VACUOUS: ("with nothing to prove", "with nothing to prove"),
    },
    call="call",
    observed="result",
    reason="reason",
    assuming="Assumptions",
    total=("1 property", "{} properties"),
    cpu="{:.0f} ms of CPU",
)

SPANISH = Words(
    outcomes={
        Outcome.PROVED: "DEMOSTRADO",
        Outcome.REFUTED: "REFUTADO",
        Outcome.BOUNDED: "ACOTADO",
        Outcome.UNKNOWN: "DESCONOCIDO",
        Outcome.UNSUPPORTED: "NO ADMITIDO",
        Outcome.VACUOUS: "VACÍO",
    },
    meanings={
        Outcome.PROVED: "se cumple para toda entrada, bajo los supuestos indicados",
        Outcome.REFUTED: "no se cumple: la llamada de abajo se ejecutó y falló",
        Outcome.BOUNDED: "ninguna infracción hasta la cota indicada; más allá no se sabe nada",
        Outcome.UNKNOWN: "no se pudo decidir: el resolutor se rindió o se agotó un presupuesto",
        Outcome.UNSUPPORTED: "sin decidir: el verificador no modela este programa",
        Outcome.VACUOUS: "nada que demostrar: nada en este programa podría incumplirla",
    },
    counted={
        Outcome.PROVED: ("demostrada", "demostradas"),
        Outcome.REFUTED: ("refutada", "refutadas"),
        Outcome.BOUNDED: ("acotada", "acotadas"),
        Outcome.UNKNOWN: ("desconocida", "desconocidas"),
        Outcome.UNSUPPORTED: ("no admitida", "no admitidas"),
        Outcome.VACUOUS: ("sin nada que demostrar", "sin nada que demostrar"),
    },
    call="llamada",
    observed="resultado",
    reason="motivo",
    assuming="Supuestos",
    total=("1 propiedad", "{} propiedades"),
    cpu="{:.0f} ms de CPU",
)

WORDS = {"en": ENGLISH, "es": SPANISH}


def obliges(slug: str, language: str) -> str:
    """What a property asks of a program."""
    return _OBLIGES.get(slug, CATALOGUE[slug].obliges) if language == "es" else CATALOGUE[slug].obliges


def reason(text: str, language: str) -> str:
    """Why a verdict is what it is."""
    return _translated(text, _REASONS) if language == "es" else text


def observed(text: str, language: str) -> str:
    """What a replayed call showed; mostly the program's own words, which stay as they are."""
    known = language == "es" and any(re.fullmatch(pattern, text, re.DOTALL) for pattern, _ in _OBSERVED)
    return _translated(text, _OBSERVED) if known else text


def assumption(text: str, language: str) -> str:
    """What a proof rests on."""
    return _translated(text, _ASSUMPTIONS) if language == "es" else text


Patterns = tuple[tuple[str, str], ...]


def _translated(text: str, patterns: Patterns) -> str:
    for pattern, spanish in patterns:
        found = re.fullmatch(pattern, text, re.DOTALL)
        if found:
            parts = {name: _part(name, part) for name, part in found.groupdict().items()}
            return spanish.format(**parts)
    return f"«{text}» (en inglés)"


def _part(name: str, text: str) -> str:
    """A part of a reason that is a reason's own, by its group's name; any other part stays as it is."""
    patterns = {"construct": _CONSTRUCTS, "budget": _BUDGETS, "status": _STATUSES, "bound": _BOUNDS}.get(name)
    is_code = re.fullmatch(r"[\w.]+\(\)|\w+(\.\w+)+", text)
    return text if patterns is None or is_code else _translated(text, patterns)


_OBLIGES: dict[str, str] = {
    "zero-division": "nunca divide por cero",
    "index-error": "nunca accede fuera de una secuencia",
    "key-error": "nunca lee una clave que no existe",
    "value-error": "nunca deja escapar un ValueError",
    "type-error": "nunca deja escapar un TypeError",
    "none-deref": "nunca usa None como objeto",
    "unbound-local": "nunca lee una variable antes de asignarla",
    "other-exception": "no deja escapar ninguna otra excepción",
    "termination": "termina con toda entrada",
    "recursion": "mantiene acotada la profundidad de recursión",
    "int-bounds": "mantiene los enteros dentro del rango indicado",
    "float": "no produce desbordamientos, infinitos ni NaN inesperados",
    "assertion": "nunca incumple una instrucción assert",
    "contract": "cumple su poscondición siempre que se dé la precondición",
    "argument-mutation": "deja sus argumentos como estaban",
    "return-type": "devuelve un valor del tipo anotado",
    "equivalence": "devuelve lo mismo que la referencia",
    "sql-injection": "nunca deja que la entrada cambie la estructura de una sentencia SQL",
    "command-injection": "nunca deja que la entrada cambie una orden del intérprete",
    "path-traversal": "nunca sale de la carpeta base",
    "code-injection": "nunca evalúa la entrada como código",
    "deserialization": "nunca deserializa datos no fiables con un cargador que ejecuta código",
    "html-injection": "nunca deja que la entrada cambie la estructura de una página",
    "redos": "no contiene expresiones regulares de coste exponencial",
    "hardcoded-secret": "no guarda secretos en su código",
    "weak-hash": "no usa para seguridad funciones de resumen rotas",
    "insecure-random": "obtiene los secretos de una fuente segura",
    "insecure-temp-file": "crea los archivos temporales de forma segura",
    "tls-verification": "mantiene activa la comprobación de certificados",
    "xml-external-entity": "no resuelve entidades externas",
    "unsafe-buffer": "escribe dentro de sus búferes",
}

_REASONS: Patterns = (
    (r"no violation with up to (?P<bound>.+)", "ninguna infracción con hasta {bound}"),
    (r"all (?P<paths>\d+) paths hold", "se cumple en los {paths} caminos"),
    (r"no run breaks it", "ninguna ejecución la incumple"),
    (r"no range was stated", "no se indicó ningún rango"),
    (r"no reference was given", "no se dio ninguna referencia"),
    (
        r"(?P<call>.+) raises (?P<what>\w+), which may be no call that is meant",
        "{call} lanza {what}, y puede que no sea una llamada prevista",
    ),
    (r"it was not shown that the reference does the same", "no se demostró que la referencia haga lo mismo"),
    (
        r"it was not shown that the result stays within the range",
        "no se demostró que el resultado quede dentro del rango",
    ),
    (r"(?P<what>\w+) could not be excluded", "no se pudo descartar {what}"),
    (r"the recursion was not shown to end", "no se demostró que la recursión termine"),
    (r"nothing in the program can break it", "nada en el programa puede incumplirla"),
    (r"the program does nothing that could break it", "el programa no hace nada que pueda incumplirla"),
    (r"no input meets the precondition", "ninguna entrada cumple la precondición"),
    (r"no postcondition was given", "no se dio ninguna poscondición"),
    (r"this version does not check the property", "esta versión no comprueba la propiedad"),
    (r"(?P<construct>.+) is not modelled", "no está modelado: {construct}"),
    (r"the budget of (?P<budget>.+) was used up", "se agotó el presupuesto: {budget}"),
    (
        r"a proof about strings that the second solver did not confirm",
        "una demostración sobre cadenas de texto que el segundo resolutor no confirmó",
    ),
    (
        r"a possible violation at line (?P<line>\d+) has no input that could be shown \((?P<note>.+)\)",
        "hay una posible infracción en la línea {line}, pero ninguna entrada que mostrar ({note})",
    ),
    (
        r"a possible violation at line (?P<line>\d+) was not confirmed: (?P<call>.+\)) (?P<status>[a-z ]+)",
        "no se confirmó una posible infracción en la línea {line}: {call} {status}",
    ),
    (
        r"(?P<sink>.+) at line (?P<line>\d+) was found, but no input was seen to reach it",
        "se encontró {sink} en la línea {line}, pero no se vio que ninguna entrada llegara hasta ahí",
    ),
    (
        r"no dangerous call was found, but (?P<sink>.+) may reach one that the syntax does not show",
        "no se encontró ninguna llamada peligrosa, pero {sink} podría llegar a una que la sintaxis no muestra",
    ),
    (r"no dangerous call is in the source", "no hay ninguna llamada peligrosa en el código"),
    (
        r"the program has (?P<many>\d+) characters, more than (?P<most>\d+)",
        "el programa tiene {many} caracteres, más de {most}",
    ),
    (
        r"the program is nested deeper than (?P<most>\d+) levels",
        "el programa tiene más de {most} niveles de anidamiento",
    ),
    (
        r"one expression has (?P<many>\d+) parts, more than (?P<most>\d+)",
        "una expresión tiene {many} partes, más de {most}",
    ),
    (r"a number has more than 4300 digits", "un número tiene más de 4300 cifras"),
    (r"the program is nested too deeply to be read", "el programa está demasiado anidado para poder leerlo"),
    (r"the program defines no function named (?P<name>.+)", "el programa no define ninguna función llamada {name}"),
    (r"the program defines no function", "el programa no define ninguna función"),
    (
        r"not valid Python: the text holds half a character \(a lone surrogate\)",
        "no es Python válido: el texto contiene medio carácter (un sustituto suelto)",
    ),
    (r"not valid Python: (?P<message>.+)", "no es Python válido: {message}"),
    (
        r"the verifier ran out of its own budget \((?P<budget>.+)\)",
        "el verificador agotó su propio presupuesto ({budget})",
    ),
    (
        r"the verifier itself failed on this program \((?P<error>.+)\)",
        "el propio verificador falló con este programa ({error})",
    ),
)

_OBSERVED: Patterns = (
    (r"returned (?P<value>.+), which breaks the postcondition", "devolvió {value}, lo que incumple la poscondición"),
    (r"(?P<sink>[\w.]+) received (?P<value>.+)", "{sink} recibió {value}"),
    (r"(?P<sink>[\w.]+) was called", "se llamó a {sink}"),
)

_BOUNDS: Patterns = (
    (
        r"(?P<many>\d+) iterations, elements or nested calls",
        "{many} iteraciones, elementos o llamadas anidadas",
    ),
    (r"one iteration, element or nested call", "una iteración, un elemento o una llamada anidada"),
)

_BUDGETS: Patterns = (
    (r"(?P<many>\d+) execution steps", "{many} pasos de ejecución"),
    (r"(?P<many>\d+) solver resource units", "{many} unidades de recursos del resolutor"),
    (r"(?P<many>\d+) solver queries", "{many} consultas al resolutor"),
    (r"(?P<many>\d+) paths", "{many} caminos"),
    (r"(?P<many>\d+) elements in one sequence", "{many} elementos en una secuencia"),
    (r"(?P<many>[\d.]+) CPU seconds", "{many} segundos de CPU"),
    (r"(?P<many>\d+) MB of memory", "{many} MB de memoria"),
    (r"its process was ended by (?P<signal>\w+)", "su proceso fue terminado por {signal}"),
)

_STATUSES: Patterns = (
    (r"returned normally", "terminó con normalidad"),
    (r"raised another exception", "lanzó otra excepción"),
    (r"does not meet the precondition", "no cumple la precondición"),
    (r"never ends", "no termina nunca"),
    (r"ran for too many steps", "dio demasiados pasos"),
    (r"could not be run in the sandbox", "no se pudo ejecutar en el entorno aislado"),
)

_CONSTRUCTS: Patterns = (
    (r"parameter (?P<name>\S+) of type (?P<type>.+)", "el parámetro {name} de tipo {type}"),
    (r"parameter (?P<name>\S+) with no annotation", "el parámetro {name} sin anotación"),
    (r"parameter (?P<name>\S+) with the annotation (?P<type>.+)", "el parámetro {name} con la anotación {type}"),
    (r"the annotation (?P<type>.+)", "la anotación {type}"),
    (r"the module (?P<name>\S+)", "el módulo {name}"),
    (r"the method (?P<name>\S+) of (?P<type>.+)", "el método {name} de {type}"),
    (r"these arguments of the method (?P<name>\S+)", "estos argumentos del método {name}"),
    (r"these arguments of a builtin function", "estos argumentos de una función incorporada"),
    (r"these arguments of (?P<name>\S+)", "estos argumentos de {name}"),
    (r"calls nested deeper than (?P<most>\d+)", "llamadas anidadas a más de {most} niveles"),
    (r"so deep a nesting of calls and syntax", "un anidamiento tan profundo de llamadas y sintaxis"),
    (r"a signature with many unions", "una firma con muchas uniones"),
    (r"a lambda", "una lambda"),
    (r"a class", "una clase"),
    (r"a set", "un conjunto"),
    (r"a nested function", "una función anidada"),
    (r"a generator function", "una función generadora"),
    (r"an async function", "una función asíncrona"),
    (r"a decorator", "un decorador"),
    (r"a decorated function", "una función decorada"),
    (r"a function with global or nonlocal", "una función con global o nonlocal"),
    (r"a generator expression that is kept", "una expresión generadora que se guarda"),
    (r"an iterator or a view of a dict that is kept", "un iterador o una vista de un diccionario que se guarda"),
    (r"a function with \*args or \*\*kwargs", "una función con *args o **kwargs"),
    (r"a format specification", "una especificación de formato"),
    (r"% formatting(?: of this kind)?", "el formato con %"),
    (r"\*\* with an exponent that is not constant", "** con un exponente que no es constante"),
    (r"\*\* with a result of thousands of digits", "** con un resultado de miles de cifras"),
    (r"constants of thousands of digits", "constantes de miles de cifras"),
    (r"such a pattern", "un patrón de ese tipo"),
    (r"a starred name", "un nombre con asterisco"),
    (r"a class, for a reference", "una clase, ante una referencia"),
    (r"the module (?P<name>.+), for a reference", "el módulo {name}, ante una referencia"),
    (
        r"a parameter of containers that hold containers, for a reference",
        "un parámetro con contenedores dentro de contenedores, ante una referencia",
    ),
    (r"a parameter without annotation", "un parámetro sin anotación"),
    (r"a parameter of the function's own name", "un parámetro con el nombre de la propia función"),
    (r"a reference without a function named (?P<name>.+)", "una referencia sin una función llamada {name}"),
    (r"a reference that gives a name two meanings", "una referencia que da dos significados a un nombre"),
    (
        r"a reference with such a statement outside of its functions",
        "una referencia con una sentencia de ese tipo fuera de sus funciones",
    ),
    (r"such an import in a reference", "una importación de ese tipo en una referencia"),
    (r"(?P<word>\w+) in a reference", "{word} en una referencia"),
    (r"a starred argument", "un argumento con asterisco"),
    (r"a comparison of a computed float", "la comparación de un número de coma flotante calculado"),
    (r"sort with a key", "la ordenación con clave"),
    (
        r"change of a module-level object or a default argument",
        "la modificación de un objeto del módulo o de un argumento por defecto",
    ),
    (r"(?P<word>with|match|global|nonlocal|yield|await|del|import \*|async for)", "{word}"),
)

_ASSUMPTIONS: Patterns = (
    (
        r"arguments are exactly of their annotated types, and no two of them (?:share an|are the same) object",
        "los argumentos son exactamente de los tipos anotados y no hay dos que compartan un objeto",
    ),
    (r"memory and recursion depth suffice", "la memoria y la profundidad de recursión son suficientes"),
    (
        r"memory and recursion depth suffice; counts and positions stay below (?P<most>\S+), "
        r"code points below (?P<last>\S+)",
        "la memoria y la profundidad de recursión son suficientes; las cantidades y las posiciones quedan por debajo "
        "de {most}, los puntos de código por debajo de {last}",
    ),
    (r"floats in the arguments are finite", "los números de coma flotante de los argumentos son finitos"),
    *(
        (
            rf"parameter (?P<name>\w+), {lacks}, takes (?P<type>.+), as its {english} shows?",
            f"el parámetro {{name}}, {sin}, toma {{type}}, según {spanish}",
        )
        for lacks, sin in (
            ("which has no annotation", "que no tiene anotación"),
            ("whose annotation tells no elements", "cuya anotación no dice qué elementos tiene"),
        )
        for english, spanish in (("examples", "sus ejemplos"), ("default", "su valor por defecto"), ("use", "su uso"))
    ),
    (r"text that is printed can be encoded", "el texto que se imprime se puede codificar"),
    (
        r"integers that are turned into floats stay below (?P<most>\S+) in magnitude",
        "los enteros que se convierten en números de coma flotante quedan por debajo de {most} en valor absoluto",
    ),
    (
        r"integers that are turned into floats are not beyond the largest float",
        "los enteros que se convierten en números de coma flotante no pasan del mayor de estos",
    ),
    (
        r"integers that are turned into text, or read from it, have at most 4,300 digits",
        "los enteros que se convierten en texto, o se leen de él, tienen 4300 cifras como mucho",
    ),
    (
        r"imported modules of the standard library behave as documented, "
        r"and no argument is itself a dangerous function",
        "los módulos importados de la biblioteca estándar se comportan como está documentado y ningún argumento es en "
        "sí mismo una función peligrosa",
    ),
)
