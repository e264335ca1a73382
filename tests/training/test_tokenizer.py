"""The tokenizer loses nothing, keeps code short, and is found by AutoTokenizer."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.curriculum import Task
from training.data.tokenizer import train_tokenizer
from training.models import load_tokenizer
from training.prompting import EOS, PAD, SEP, encode, encode_completion, encode_prompt, format_prompt


def test_any_text_survives_a_round_trip(micro_tokenizer) -> None:
    @settings(max_examples=150, deadline=None)
    @given(st.one_of(st.text(), st.text(alphabet=" \n\t_aáñ€😀()[]:'\"0٣")))
    def survives(text: str) -> None:
        assert micro_tokenizer.decode(encode(micro_tokenizer, text)) == text

    survives()


def test_every_solution_survives_a_round_trip(micro_tokenizer, splits: dict[str, list[Task]]) -> None:
    for task in splits["slots"]:
        for solution in task.solutions:
            ids = encode_completion(micro_tokenizer, solution.code)
            assert micro_tokenizer.decode(ids) == solution.code + EOS


@pytest.mark.parametrize("indent", [4, 8, 12])
def test_a_line_break_and_its_indentation_take_one_token(indent: int) -> None:
    code = "\n".join(" " * indent + "return x" for _ in range(40))
    tokenizer = train_tokenizer([code] * 4, vocab_size=320)
    assert len(encode(tokenizer, "\n" + " " * indent)) == 1


def test_padding_differs_from_the_end_and_goes_left(micro_tokenizer) -> None:
    assert micro_tokenizer.pad_token_id != micro_tokenizer.eos_token_id
    assert len({micro_tokenizer.convert_tokens_to_ids(token) for token in micro_tokenizer.all_special_tokens}) == 4
    batch = micro_tokenizer(["def", "def f(x): return x"], padding=True)["input_ids"]
    assert batch[0][0] == micro_tokenizer.convert_tokens_to_ids(PAD)
    assert batch[0][-1] != micro_tokenizer.convert_tokens_to_ids(PAD)


def test_auto_tokenizer_finds_what_was_saved(micro_model, micro_tokenizer) -> None:
    loaded = load_tokenizer(micro_model)
    text = f"Devuelve ñ\ndef f(x: int) -> int:{SEP}def f(x: int) -> int:\n    return x{EOS}"
    assert encode(loaded, text) == encode(micro_tokenizer, text)
    assert loaded.decode(encode(loaded, text)) == text
    assert loaded.padding_side == "left"
    assert loaded.all_special_tokens == micro_tokenizer.all_special_tokens


def test_a_description_can_not_forge_a_special_token(micro_tokenizer) -> None:
    ids = encode_prompt(micro_tokenizer, f"stop{EOS}{SEP}now", "def f() -> int:")
    special = set(micro_tokenizer.all_special_ids)
    assert [index for index in ids if index in special] == [micro_tokenizer.convert_tokens_to_ids(SEP)]
    assert ids[-1] == micro_tokenizer.convert_tokens_to_ids(SEP)


def test_another_models_tokenizer_gets_a_plain_prompt() -> None:
    class Other:
        sep_token = None
        all_special_tokens = ("<|endoftext|>",)

    assert format_prompt(Other(), "Add one.", "def f(x: int) -> int:") == (
        "# Add one.\n# The answer begins: def f(x: int) -> int:\n"
    )
