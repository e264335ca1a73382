"""The article's text measures: exact match up to layout, BLEU against several references."""

import math

import pytest

from training.similarity import bleu, parsed, same_program

ONE = "def f(x: int) -> int:\n    return x + 1"
OTHER = "def f(x: int) -> int:\n    out = x\n    out += 1\n    return out"


@pytest.mark.parametrize(
    "code",
    [
        ONE,
        "def f(x: int) -> int:\n        return (x + 1)  # one more\n\n",
        OTHER,
        "def f(x: int)->int: return x+1",
    ],
)
def test_layout_comments_and_parentheses_do_not_matter(code: str) -> None:
    assert same_program(code, [ONE, OTHER])


@pytest.mark.parametrize("code", ["def f(y: int) -> int:\n    return y + 1", ONE.replace("1", "2"), "", "def (", "\0"])
def test_another_program_is_another(code: str) -> None:
    assert not same_program(code, [ONE, OTHER])


def test_a_copy_of_any_reference_has_a_bleu_of_one() -> None:
    assert bleu(ONE, [OTHER, ONE]) == pytest.approx(1.0)
    assert bleu(OTHER, [OTHER, ONE]) == pytest.approx(1.0)


def test_bleu_is_the_papers_formula_on_a_small_case() -> None:
    # a b c d against a b x d: 3 of 4 words, 1 of 3 pairs, no triple, no quadruple; the last three smoothed by one.
    expected = math.exp((math.log(3 / 4) + math.log(2 / 4) + math.log(1 / 3) + math.log(1 / 2)) / 4)

    assert bleu("a b c d", ["a b x d"]) == pytest.approx(expected)


def test_a_word_counts_no_more_often_than_in_one_reference() -> None:
    assert bleu("the the the the", ["the cat", "the dog the"]) < bleu("the dog the cat", ["the cat", "the dog the"])


def test_a_short_answer_is_held_down_by_the_nearest_length() -> None:
    long = "a b c d e f g h"

    assert bleu("a b c d", [long]) == pytest.approx(math.exp(1 - 8 / 4))
    assert bleu("a b c d", [long, "a b c d x"]) == pytest.approx(math.exp(1 - 5 / 4))


@pytest.mark.parametrize(("code", "references"), [("", [ONE]), (ONE, []), ("zzz", [ONE])])
def test_nothing_in_common_is_zero(code: str, references: list[str]) -> None:
    assert bleu(code, references) == 0.0


def test_generated_code_that_python_warns_of_is_read_without_a_word(recwarn: pytest.WarningsRecorder) -> None:
    assert parsed("x = 1or 2") is not None
    assert parsed("x = 0b") is None
    assert not recwarn.list
