"""What a reader sees: the right part of the right line, the call, the meaning in both languages, and no surprises."""

from __future__ import annotations

import ast
import re

import pytest

from verification import verify
from verification.outcome import Counterexample, Outcome, Report, Verdict
from verification.places import Program
from verification.presentation import show
from verification.properties import CATALOGUE, SECURITY
from verification.wording import LANGUAGES, WORDS, assumption, obliges, observed, reason

MIXED = """\
def mean(xs: list[int], k: int | None) -> float:
\tt = sum(xs) / len(xs)  # größe
\treturn t + k
"""

REFUTED = """\
  REFUTED      zero-division: never divides by zero (CWE-369)
               broken: the call below was run and failed
               2 |     t = sum(xs) / len(xs)  # größe
                 |         ^^^^^^^^^^^^^^^^^
               call    mean([], 0)
               result  ZeroDivisionError: division by zero
"""

REFUTED_ES = """\
  REFUTADO     zero-division: nunca divide por cero (CWE-369)
               no se cumple: la llamada de abajo se ejecutó y falló
               2 |     t = sum(xs) / len(xs)  # größe
                 |         ^^^^^^^^^^^^^^^^^
               llamada    mean([], 0)
               resultado  ZeroDivisionError: division by zero
"""


def mixed() -> Report:
    """One verdict of each outcome."""
    zero = Counterexample("mean([], 0)", "ZeroDivisionError: division by zero")
    none = Counterexample("mean([0], None)", "TypeError: unsupported operand type(s) for +: 'float' and 'NoneType'")
    return Report(
        "mean",
        (
            Verdict("assertion", Outcome.VACUOUS, "nothing in the program can break it"),
            Verdict(
                "unbound-local", Outcome.PROVED, "all 3 paths hold", assumptions=("memory and recursion depth suffice",)
            ),
            Verdict("zero-division", Outcome.REFUTED, zero.observed, 2, zero),
            Verdict("type-error", Outcome.REFUTED, none.observed, 3, none),
            Verdict("none-deref", Outcome.REFUTED, none.observed, 3, none),
            Verdict(
                "index-error", Outcome.BOUNDED, "no violation with up to 3 iterations, elements or nested calls", 2
            ),
            Verdict("key-error", Outcome.UNKNOWN, "the budget of 500 solver queries was used up"),
            Verdict("value-error", Outcome.UNSUPPORTED, "a lambda is not modelled", 1),
        ),
        0.0345,
    )


def test_a_finding_shows_line_caret_call_and_what_was_seen() -> None:
    assert REFUTED in show(mixed(), MIXED, name="mean.py")
    assert REFUTED_ES in show(mixed(), MIXED, name="mean.py", language="es")


def test_properties_of_which_the_same_is_said_stand_together_and_the_worst_come_first() -> None:
    shown = show(mixed(), MIXED, name="mean.py")
    together = (
        "type-error: never lets a TypeError escape (CWE-704)\n               none-deref: never uses None as an object"
    )
    assert together in shown
    order = [shown.index(word) for word in ("REFUTED ", "UNSUPPORTED", "UNKNOWN ", "BOUNDED", "PROVED ", "VACUOUS")]
    assert order == sorted(order)


@pytest.mark.parametrize(
    ("language", "summary"),
    [
        (
            "en",
            "mean.py: REFUTED. 8 properties: 3 refuted, 1 unsupported, 1 unknown, 1 bounded, 1 proved, "
            "1 with nothing to prove. 34 ms of CPU.",
        ),
        (
            "es",
            "mean.py: REFUTADO. 8 propiedades: 3 refutadas, 1 no admitida, 1 desconocida, 1 acotada, 1 demostrada, "
            "1 sin nada que demostrar. 34 ms de CPU.",
        ),
    ],
)
def test_the_last_line_sums_up(language: str, summary: str) -> None:
    assert show(mixed(), MIXED, name="mean.py", language=language).split("\n")[-1] == summary


def test_assumptions_are_listed_once() -> None:
    assert "Assumptions:\n  - memory and recursion depth suffice\n" in show(mixed(), MIXED, name="mean.py")
    assert "Supuestos:\n  - la memoria y la profundidad de recursión son suficientes\n" in show(
        mixed(), MIXED, name="mean.py", language="es"
    )


def test_colour_only_where_it_is_asked_for_and_it_changes_nothing_else() -> None:
    without, with_colour = (show(mixed(), MIXED, name="mean.py", colour=colour) for colour in (False, True))
    assert "\x1b" not in without
    assert "\x1b[1;31mREFUTED    \x1b[0m" in with_colour
    assert re.sub(r"\x1b\[[\d;]*m", "", with_colour) == without


def test_nothing_that_the_program_says_reaches_the_terminal_as_a_command() -> None:
    source = "def f(a: int) -> int:\n    return 1 // a  # \x1b[2J\u202egone\n"
    seen = Counterexample("f('\x1b]0;title\x07')", "ValueError: \x1b[31mred\r\n\x9b\u2028end")
    report = Report("f", (Verdict("value-error", Outcome.REFUTED, seen.observed, 2, seen),))
    shown = show(report, source, name="\x1b[31m.py")
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u202e]", shown)
    assert r"ValueError: \x1b[31mred\r\n\x9b\u2028end" in shown
    assert r"\x1b[2J\u202egone" in shown


def test_lines_and_calls_of_any_length_stay_readable() -> None:
    source = "def f(a: int, b: int) -> list[int]:\n    return [" + "1, " * 5_000 + "a // b" + ", 1" * 5_000 + "]\n"
    seen = Counterexample("f(" + "9" * 5_000 + ", 0)", "ZeroDivisionError: division by zero")
    shown = show(Report("f", (Verdict("zero-division", Outcome.REFUTED, "", 2, seen),)), source, name="f.py")
    line, caret = next(
        pair
        for pair in zip(shown.split("\n"), shown.split("\n")[1:], strict=False)
        if pair[0].lstrip().startswith("2 |")
    )
    assert len(line) < 120
    assert line[caret.index("^") : caret.rindex("^") + 1] == "a // b"
    assert all(len(line) < 600 for line in shown.split("\n"))


# --- places


@pytest.mark.parametrize(
    ("line", "slug", "seen", "marked"),
    [
        ("x = a // b", "zero-division", "ZeroDivisionError: integer division or modulo by zero", "a // b"),
        ("x = (a + b) % (a - b)", "zero-division", "ZeroDivisionError: integer modulo by zero", "(a + b) % (a - b)"),
        ("x = a // b + a // 2", "zero-division", "ZeroDivisionError: ...", "x = a // b + a // 2"),
        ("x = divmod(a, b)[0]", "zero-division", "ZeroDivisionError: ...", "divmod(a, b)"),
        ("x //= b  # twice", "zero-division", "ZeroDivisionError: ...", "x //= b"),
        ("x = xs[a] + 1", "index-error", "IndexError: list index out of range", "xs[a]"),
        ("x = xs.pop() + 1", "index-error", "IndexError: pop from empty list", "xs.pop()"),
        ("x = xs[ys[a]]", "index-error", "IndexError: list index out of range", "x = xs[ys[a]]"),
        ("x = d['größe'] + 1", "key-error", "KeyError: 'größe'", "d['größe']"),
        ("x = '日本' + d[a]", "key-error", "KeyError: 0", "d[a]"),
        ("raise ValueError(1)", "assertion", "AssertionError", "raise ValueError(1)"),
        ("assert a > 0, 'no'", "assertion", "AssertionError: no", "assert a > 0, 'no'"),
        ("x = int(s) + 1", "value-error", "ValueError: invalid literal for int() with base 10: ''", "int(s)"),
        (
            "x = s.upper() + t.lower()",
            "none-deref",
            "AttributeError: 'NoneType' object has no attribute 'lower'",
            "t.lower",
        ),
        ("x = a + k", "none-deref", "TypeError: unsupported operand type(s) for +: 'int' and 'NoneType'", "a + k"),
        ("x = a if k < 2 else 0", "type-error", "TypeError: '<' not supported between instances of ...", "k < 2"),
        ("x = y + b", "unbound-local", "UnboundLocalError: cannot access local variable 'y' where ...", "y"),
        ("x = c + b", "unbound-local", "NameError: name 'c' is not defined", "c"),
        ("x = c + c", "unbound-local", "NameError: name 'c' is not defined", "x = c + c"),
        ("x = -k", "type-error", "TypeError: bad operand type for unary -: 'NoneType'", "-k"),
        ("x = k[0]", "none-deref", "TypeError: 'NoneType' object is not subscriptable", "k[0]"),
        ("x = g(1) + a", "type-error", "TypeError: g() missing 1 required positional argument: 'b'", "g(1)"),
    ],
)
def test_the_caret_marks_the_expression_at_fault_or_else_the_statement(
    line: str, slug: str, seen: str, marked: str
) -> None:
    source = f"def f(a: int) -> int:\n    {line}\n    return a\n"
    ast.parse(source)
    place = Program(source).place(Verdict(slug, Outcome.REFUTED, seen, 2, Counterexample("f(0)", seen)))
    assert place is not None
    assert place.text[place.start : place.end] == marked


def test_lines_are_counted_as_python_counts_them() -> None:
    source = "x = 'a\x0cb\x1c\u2028'\r\ny = 1\rz = 1 // 0\n"
    place = Program(source).place(Verdict("zero-division", Outcome.REFUTED, "ZeroDivisionError", 3))
    assert place is not None
    assert place.text == "z = 1 // 0"


def test_wide_characters_push_the_caret() -> None:
    seen = Counterexample("f(0)", "ZeroDivisionError: division by zero")
    source = "def f(a: int) -> float:\n    return len('日本') / a\n"
    shown = show(Report("f", (Verdict("zero-division", Outcome.REFUTED, "", 2, seen),)), source, name="f.py")
    assert "| " + " " * 11 + "^" * len("len('日本') / a") + "^^\n" in shown


@pytest.mark.parametrize("line", [None, 0, 3, 99])
def test_a_verdict_may_name_no_line_of_the_program(line: int | None) -> None:
    assert Program("x = 1\n").place(Verdict("assertion", Outcome.UNKNOWN, "", line)) is None


def test_a_program_that_is_not_python_is_shown_as_well() -> None:
    report = verify("def f(:\n", properties=["assertion"])
    shown = show(report, "def f(:\n", name="f.py", language="es")
    assert shown.startswith("f.py\n\n  NO ADMITIDO  assertion\n")
    assert "1 | def f(:\n                 | ^^^^^^^" in shown
    assert "motivo  no es Python válido: invalid syntax" in shown


# --- wording


def test_every_outcome_and_property_has_words_in_every_language() -> None:
    for language in LANGUAGES:
        words = WORDS[language]
        for table in (words.outcomes, words.meanings, words.counted):
            assert set(table) == set(Outcome)
    translated = [obliges(slug, "es") for slug in CATALOGUE]
    assert len(set(translated)) == len(CATALOGUE)
    assert not set(translated) & {info.obliges for info in CATALOGUE.values()}


@pytest.mark.parametrize(
    ("english", "spanish"),
    [
        ("no violation with up to one iteration, element or nested call", "ninguna infracción con hasta una iteración, un elemento o una llamada anidada"),
        ("a lambda is not modelled", "no está modelado: una lambda"),
        ("hash() is not modelled", "no está modelado: hash()"),
        ("parameter a of type list[list[int]] is not modelled", "no está modelado: el parámetro a de tipo list[list[int]]"),
        ("the module numpy is not modelled", "no está modelado: el módulo numpy"),
        ("a thing that nobody knew is not modelled", "no está modelado: «a thing that nobody knew» (en inglés)"),
        ("the budget of 500 solver queries was used up", "se agotó el presupuesto: 500 consultas al resolutor"),
        ("a possible violation at line 3 was not confirmed: f(0, 'a b') returned normally", "no se confirmó una posible infracción en la línea 3: f(0, 'a b') terminó con normalidad"),
        ("not valid Python: invalid syntax", "no es Python válido: invalid syntax"),
        ("the verifier ran out of its own budget (2 CPU seconds)", "el verificador agotó su propio presupuesto (2 segundos de CPU)"),
        ("something entirely new", "«something entirely new» (en inglés)"),
        ("{braces} is not modelled", "no está modelado: «{braces}» (en inglés)"),
    ],
)  # fmt: skip
def test_reasons_in_spanish(english: str, spanish: str) -> None:
    assert reason(english, "es") == spanish
    assert reason(english, "en") == english


def test_what_the_program_says_is_not_translated() -> None:
    assert (
        observed("ValueError: returned 3, which breaks nothing", "es") == "ValueError: returned 3, which breaks nothing"
    )
    assert (
        observed("returned -1, which breaks the postcondition", "es") == "devolvió -1, lo que incumple la poscondición"
    )
    assert observed("os.system received 'ls x'", "es") == "os.system recibió 'ls x'"


def test_what_common_proofs_assume_is_said_in_spanish() -> None:
    safe = "def f(a: int, b: int) -> int:\n    return a // b if b else 0\n"
    report = verify(safe, properties=["zero-division", *SECURITY])
    assumptions = {text for verdict in report.verdicts for text in verdict.assumptions}
    assert assumptions
    assert [text for text in assumptions if "(en inglés)" in assumption(text, "es")] == []
