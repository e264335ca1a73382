"""Credit for lines: it finds a line's tokens, moves a bounded share to them and never changes a reward."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import PrinterCallback

from training import adapters, credit
from training.align import align
from training.config import LoraSettings, PPOSettings, RewardSettings, SettingsError, read
from training.credit import LineCredit, blame, commented, last_tokens, line_text, redistributed, token_ends, token_lines
from training.curriculum import Task
from training.evidence import TestReward, VerifierReward
from training.models import load
from training.ppo import PPOConfig, PPOTrainer
from training.progress import Silent
from training.prompting import encode_completion
from training.rewards import Ordered
from training.scoring import RewardError, Scorer
from verification.outcome import Outcome, Report, Verdict
from verification.sandbox import Result

GOOD = "def f(a: int, b: int) -> int:\n    c = a + b\n    d = a - b\n    return c * d\n"
FAULTY = "def f(a: int, b: int) -> int:\n    c = a + b\n    d = a // 0\n    return c * d\n"
WRONG = "def f(a: int, b: int) -> int:\n    c = a + b\n    d = a - b\n    return c + d\n"
TESTS = ["assert f(3, 1) == 8", "assert f(1, 0) == 1"]
PIECES = st.lists(
    st.sampled_from(["\n", "\n    ", "\r\n", "\r", "    ", "return ", "x", "é", "€", "😀", "ñ = 1", "\t", ":", "\x0c", "\u2028", "12"]),
    max_size=30,
).map("".join)  # fmt: skip


class Words:
    """A tokenizer whose tokens are given texts; the last is the end of the sequence and decodes to nothing."""

    eos_token_id = 0

    def __init__(self, *pieces: str) -> None:
        self.pieces = ["", *pieces]

    @property
    def ids(self) -> list[int]:
        return [*range(1, len(self.pieces)), 0]

    def decode(self, ids: Sequence[int], *, skip_special_tokens: bool = True) -> str:
        assert skip_special_tokens
        return "".join(self.pieces[one] for one in ids)


def lines_by_tokens(*pieces: str) -> list[int]:
    words = Words(*pieces)
    return token_lines("".join(pieces), token_ends(words.ids, words.decode))


# -- tokens of lines


@pytest.mark.parametrize(
    ("pieces", "lines"),
    [
        (("a", "\n", "b"), [1, 1, 2, 2]),
        (("a", "\n    ", "b"), [1, 2, 2, 2]),
        (("a", "\n ", "b"), [1, 2, 2, 2]),
        (("abc\n", "d"), [1, 2, 2]),
        (("abc\nd", "e"), [1, 2, 2]),
        (("a\nb", "c"), [1, 2, 2]),
        (("a", "\n\n", "b"), [1, 2, 3, 3]),
        (("a", "\n\n    ", "b"), [1, 3, 3, 3]),
        (("a", "\r\n", "b"), [1, 1, 2, 2]),
        (("a", "\r", "b"), [1, 1, 2, 2]),
        (("a", "\x0c\u2028\x85", "b"), [1, 1, 1, 1]),
        (("", "a"), [1, 1, 1]),
        (("a", "\n"), [1, 1, 2]),
        ((), [1]),
    ],
)
def test_a_token_is_part_of_the_line_with_most_of_it_the_later_of_equals(pieces: Any, lines: list[int]) -> None:
    assert lines_by_tokens(*pieces) == lines


def test_the_last_token_of_a_line_is_the_last_with_anything_to_see() -> None:
    words = Words("if x", ":", "  ", "\n    ", "y", " = ", "1", " ", "\n", "\n", "z")
    code = words.decode(words.ids)
    assert last_tokens(code, token_ends(words.ids, words.decode)) == {1: 1, 2: 6, 4: 10}


def check_tokens(tokenizer: Any, ids: Sequence[int]) -> None:
    """Tokens part the text, in order; each is part of one line, and each line's text is part of its tokens."""

    def decode(some: list[int]) -> str:
        return str(tokenizer.decode(some, skip_special_tokens=True))

    text = decode(list(ids))
    ends = token_ends(ids, decode)
    assert len(ends) == len(ids)
    assert ends == sorted(ends)
    assert not ids or ends[-1] == len(text)
    assert ends == credit._ends(list(ids), decode, text, window=max(len(ids), 1))
    lines = token_lines(text, ends)
    count = 1 + len(credit._BREAK.findall(text))
    assert lines == sorted(lines)
    assert all(1 <= line <= count for line in lines)
    places = [
        end
        for end in range(1, len(text) + 1)
        if text[:end].endswith(("\n", "\r")) and text[end - 1 : end + 1] != "\r\n"
    ]
    for token, (start, end) in enumerate(zip([0, *ends], ends, strict=False)):
        sizes = [0] * (count + 1)
        for at in range(start, end):
            sizes[1 + sum(place <= at for place in places)] += 1
        if end > start:
            assert sizes[lines[token]] == max(sizes)
            assert all(size < max(sizes) for size in sizes[lines[token] + 1 :])
    for line, token in last_tokens(text, ends).items():
        assert lines[token] == line
        assert all(
            not text[ends[later - 1] : ends[later]].strip()
            for later in range(token + 1, len(ids))
            if lines[later] == line
        )


def test_every_token_of_any_program_is_part_of_one_line_and_all_the_text_is_covered(micro_tokenizer) -> None:
    @settings(max_examples=200, deadline=None)
    @given(st.one_of(PIECES, st.text()))
    def holds(text: str) -> None:
        ids = encode_completion(micro_tokenizer, text)
        assert micro_tokenizer.decode(ids, skip_special_tokens=True) == text
        check_tokens(micro_tokenizer, ids)

    holds()


def test_so_is_every_token_that_a_policy_may_draw_half_a_character_and_special_ones_too(micro_tokenizer) -> None:
    @settings(max_examples=200, deadline=None)
    @given(st.lists(st.integers(0, len(micro_tokenizer) - 1), max_size=60))
    def holds(ids: list[int]) -> None:
        check_tokens(micro_tokenizer, ids)

    holds()


def test_the_ends_are_those_that_the_tokenizer_itself_tells(micro_tokenizer, splits) -> None:
    for task in splits["train"][:40]:
        code = task.solutions[0].code
        told = micro_tokenizer(code, add_special_tokens=False, return_offsets_mapping=True)
        decode = lambda ids: micro_tokenizer.decode(ids, skip_special_tokens=True)  # noqa: E731
        assert token_ends(told["input_ids"], decode) == [end for _, end in told["offset_mapping"]]


def test_a_tokenizer_that_decodes_parts_unlike_the_whole_is_asked_for_the_whole() -> None:
    class Stripping(Words):
        def decode(self, ids: Sequence[int], *, skip_special_tokens: bool = True) -> str:
            return super().decode(ids, skip_special_tokens=skip_special_tokens).lstrip(" ")

    words = Stripping(*["x", " y", "\n", " z"] * 20)
    text = words.decode(words.ids)
    ends = token_ends(words.ids, words.decode)
    assert [text[start:end] for start, end in zip([0, *ends], ends, strict=False)] == [
        *["x", " y", "\n", " z"] * 20,
        "",
    ]


def test_a_character_in_several_tokens_is_part_of_the_one_that_completes_it(micro_tokenizer) -> None:
    ids = encode_completion(micro_tokenizer, "x\n😀")
    ends = token_ends(ids, lambda some: micro_tokenizer.decode(some, skip_special_tokens=True))
    assert ends[-1] == 3
    assert ends.count(2) == 4  # the line break and three of the four bytes
    assert token_lines("x\n😀", ends)[-5:] == [2, 2, 2, 2, 2]


# -- from lines to rewards


def test_lines_share_by_the_weights_of_their_sources() -> None:
    assert blame({"tests": [3], "verdicts": [], "comments": [3, 5]}) == {3: 1.25, 5: 0.25}
    assert blame({"tests": [], "verdicts": [2, 2, 4], "comments": []}) == pytest.approx({2: 2 / 3, 4: 1 / 3})
    assert blame({"tests": [], "verdicts": [], "comments": []}) == {}


def test_a_share_is_taken_at_the_lines_and_given_back_at_the_end() -> None:
    assert redistributed(0.2, 0.3, {1: 1.0}, 4) == pytest.approx([0.0, -0.3, 0.0, 0.5])
    assert redistributed(0.2, 0.3, {1: 1.0, 3: 0.5}, 4) == pytest.approx([0.0, -0.2, 0.0, 0.4])
    assert redistributed(0.2, 0.3, {0: 2.0}, 1) == pytest.approx([0.2])


def test_a_comment_is_on_every_line_with_that_text_and_on_no_blank_one() -> None:
    code = "def f(x):\n    y = 1\n\n    if x:\n        y = 1\n    return y"
    assert commented(code, ["y = 1 ", ""]) == [2, 5]
    assert commented(code, ["y = 2"]) == commented(code, []) == []
    assert [line_text(code, line) for line in (0, 2, 3, 6, 7)] == ["", "y = 1", "", "return y", ""]


class Told(TestReward):
    """Tests whose results are told."""

    def __init__(self, *results: Result) -> None:
        super().__init__()
        self.told = results

    def results(self, completions: Sequence[str], **columns: Any) -> list[Result]:
        del columns
        assert len(completions) == len(self.told)
        return list(self.told)


class Verdicts(VerifierReward):
    """A verifier whose outcome and line of the one property are told."""

    def __init__(self, outcome: Outcome, line: int | None) -> None:
        super().__init__()
        self.report = Report("f", (Verdict("zero-division", outcome, line=line),))

    def reports(self, completions: Sequence[str], **columns: Any) -> list[Report | None]:
        return [self.report if slugs else None for slugs in columns["properties"][: len(completions)]]


def ratings(*values: float) -> Callable[..., list[float]]:
    return lambda prompts, completions, completion_ids=None, **_: list(values)


FAILED = Result("exception", passed=1, total=4, line=2, tests=("passed", "exception", "exception", "exception"))
PASSED = Result("passed", passed=4, total=4, tests=("passed",) * 4)
CODE = Words("def f", "(", "x", ")", ":", "\n    ", "y", " = ", "1", "\n    ", "return ", "y")
TEXT = CODE.decode(CODE.ids)
COLUMNS = {"entry": ["f"], "tests": [["assert f(1)"] * 4], "properties": [["zero-division"]], "contract": [None]}


def credited(result: Result, *, share: float = 0.4, verifier: Any = None, learned: Any = None, **columns: Any) -> Any:
    """(plain reward, reward with credit) of the one program."""
    # Each has seen nothing before: how the best are rated hangs on those that were.
    plain, ordered = (Ordered(Told(result), verifier, learned, RewardSettings()) for _ in range(2))
    arguments = ([""], [columns.pop("code", TEXT)], [columns.pop("ids", CODE.ids)])
    credited = LineCredit(ordered, CODE, share=share)(*arguments, **COLUMNS, **columns)[0]
    return plain(*arguments, **COLUMNS, **columns)[0], credited


def test_the_line_of_a_failing_test_gets_its_share_of_what_the_program_lacks() -> None:
    plain, tokens = credited(FAILED)
    loss = 1.0 - plain
    assert tokens == pytest.approx([*[0.0] * 8, -0.4 * loss, *[0.0] * 3, plain + 0.4 * loss])


def test_what_it_lacks_counts_verdicts_and_ratings_where_the_task_has_them() -> None:
    ordered = Ordered(Told(FAILED), Verdicts(Outcome.PROVED, None), ratings(0.5), RewardSettings())
    best = math.fsum(ordered.parts(PASSED, 1.0, 1.0, properties=1))
    assert best > 1.0
    plain, tokens = credited(FAILED, verifier=Verdicts(Outcome.PROVED, None), learned=ratings(0.5))
    assert tokens[8] == pytest.approx(-0.4 * (best - plain))


def test_the_line_of_a_counterexample_gets_its_share_where_the_tests_pass() -> None:
    plain, tokens = credited(PASSED, verifier=Verdicts(Outcome.REFUTED, 3))
    assert tokens[11] == pytest.approx(-0.4 * RewardSettings().verifier_weight)
    assert math.fsum(tokens) == pytest.approx(plain, abs=1e-12)


def test_the_lines_of_tests_and_comments_share() -> None:
    plain, tokens = credited(FAILED, line_comments=[["return y", "z"]])
    assert tokens[8] == pytest.approx(-0.4 * (1 - plain) * 2 / 3)
    assert tokens[11] == pytest.approx(-0.4 * (1 - plain) * 1 / 3)


def test_comments_alone_name_lines_of_a_program_that_lacks_something() -> None:
    plain, tokens = credited(PASSED, learned=ratings(-0.5), line_comments=[["return y"]])
    assert tokens[11] < 0
    assert math.fsum(tokens) == pytest.approx(plain, abs=1e-12)


UNMOVED = {
    "no line is known": (Result("wrong", passed=1, total=4), {}),
    "the line is blank or beyond the end": (Result("exception", passed=1, total=4, line=9), {}),
    "nothing is lacking": (PASSED, {"line_comments": [["y = 1"]]}),
    "the share is 0": (FAILED, {"share": 0.0}),
    "the property is not refuted": (PASSED, {"verifier": Verdicts(Outcome.UNKNOWN, 3)}),
    "the verdict has no line": (PASSED, {"verifier": Verdicts(Outcome.REFUTED, None)}),
    "the completion was cut off before its verdicts": (PASSED, {"verifier": Verdicts(Outcome.REFUTED, 3), "ids": CODE.ids[:-1]}),
    "the tokens are those of another text": (FAILED, {"code": TEXT + "\n"}),
    "there is no token": (FAILED, {"code": "", "ids": []}),
    "the comments are of other lines": (PASSED, {"learned": ratings(0.0), "line_comments": [["y = 2"]]}),
    "nobody commented": (PASSED, {"learned": ratings(0.0), "line_comments": [None]}),
}  # fmt: skip


@pytest.mark.parametrize("name", UNMOVED)
def test_nothing_is_moved_where(name: str) -> None:
    result, options = UNMOVED[name]
    plain, found = credited(result, **options)
    assert isinstance(found, float)
    assert found == plain


@settings(max_examples=300, deadline=None)
@given(
    passed=st.integers(0, 4),
    line=st.one_of(st.none(), st.integers(1, 5)),
    share=st.floats(0.0, 0.5),
    outcome=st.sampled_from(Outcome),
    refuted_line=st.one_of(st.none(), st.integers(1, 4)),
    rating=st.one_of(st.none(), st.floats(-1.0, 1.0)),
    comments=st.lists(st.sampled_from(["def f(x):", "y = 1", "return y", "z"]), max_size=4),
)
def test_credit_never_changes_a_reward_and_moves_no_more_than_its_share(
    passed, line, share, outcome, refuted_line, rating, comments
) -> None:
    result = Result(
        "passed" if passed == 4 else "exception", passed=passed, total=4, line=None if passed == 4 else line
    )
    learned = None if rating is None else ratings(rating)
    verifier = Verdicts(outcome, refuted_line)
    plain, found = credited(result, share=share, verifier=verifier, learned=learned, line_comments=[comments])
    ordered = Ordered(Told(result), verifier, learned, RewardSettings())
    best = math.fsum(ordered.parts(PASSED, 1.0, None if learned is None else 1.0, properties=1))
    tokens = found if isinstance(found, list) else [0.0] * 12 + [found]
    assert math.fsum(tokens) == pytest.approx(plain, abs=1e-9)
    assert all(token <= 0.0 for token in tokens[:-1])
    assert -math.fsum(tokens[:-1]) <= share * (best - plain) + 1e-9
    named = {line} if passed < 4 else {refuted_line} if outcome is Outcome.REFUTED else set()
    allowed = named | set(commented(TEXT, comments))
    assert {number for number, token in {1: 4, 2: 8, 3: 11}.items() if tokens[token]} <= allowed
    assert all(tokens[token] == 0.0 for token in range(12) if token not in (4, 8, 11))


def test_a_reward_that_is_no_number_stays_what_it_was_and_is_refused() -> None:
    class Broken(Ordered):
        def __call__(self, prompts, completions, completion_ids=None, **columns):
            return [math.nan]

    reward = LineCredit(Broken(Told(FAILED), None, None, RewardSettings()), CODE, share=0.4)
    with pytest.raises(RewardError, match="ordered returned nan for completion 0"):
        Scorer([reward])([""], [TEXT], [CODE.ids], COLUMNS)


def test_it_goes_by_the_name_of_what_it_wraps_and_keeps_its_state() -> None:
    class Remembering:
        state: Any = None

        def __call__(self, *_: Any, **columns: Any) -> list[float | None]:
            return [0.0]

        def state_dict(self) -> dict[str, Any]:
            return {"count": 3}

        def load_state_dict(self, state: Any) -> None:
            self.state = state

    learned = Remembering()
    tests = Told(FAILED)
    reward = LineCredit(Ordered(tests, None, learned, RewardSettings()), CODE, share=0.4)
    scorer = Scorer([reward])
    assert scorer.names == ["ordered"]
    scorer.load_state_dict(scorer.state_dict())
    assert learned.state == {"count": 3}
    reward.close()


@pytest.mark.parametrize("share", [-0.1, 0.51, math.nan])
def test_a_share_beyond_a_half_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="must lie between"):
        LineCredit(Ordered(Told(FAILED), None, None, RewardSettings()), CODE, share=share)


def test_the_setting_has_the_same_bounds() -> None:
    assert PPOSettings().line_credit == 0.0
    assert read(PPOSettings, {"line_credit": 0.5}).line_credit == 0.5
    with pytest.raises(SettingsError):
        read(PPOSettings, {"line_credit": 0.6})


def test_lines_are_logged_and_how_many_programs_have_one() -> None:
    logged: dict[str, Any] = {}
    credited(FAILED, log_extra=logged.__setitem__, log_metric=logged.__setitem__)
    assert (logged["faulty_lines"], logged["credited"]) == ([[2]], 1.0)


# -- an update


@pytest.fixture(scope="module")
def tests_reward() -> Iterator[TestReward]:
    reward = TestReward()
    yield reward
    reward.close()


def trainer_of(folder: Path, model_folder: Path, tests: TestReward, *, share: float, code: str = FAULTY) -> PPOTrainer:
    """A trainer whose policy always writes the same programs: good ones, and one that is not."""
    model, tokenizer = load(model_folder)
    reward = LineCredit(Ordered(tests, None, None, RewardSettings()), tokenizer, share=share)
    row = {"prompt": "multiply\n", "entry": "f", "tests": TESTS, "prelude": "", "properties": [], "contract": None}
    trainer = PPOTrainer(
        model,
        reward,
        PPOConfig(
            str(folder), num_updates=1, batch_size=4, mini_batch_size=4, per_device_train_batch_size=4,
            num_ppo_epochs=1, response_length=128, value_pretraining_updates=0, learning_rate=1e-3, bf16=False,
            use_cpu=True, disable_tqdm=True, save_strategy="no",
        ),
        train_dataset=[row],
        processing_class=tokenizer,
        peft_config=adapters.lora_config(LoraSettings(r=4, alpha=8), model),
    )  # fmt: skip
    trainer.remove_callback(PrinterCallback)
    written = [encode_completion(tokenizer, text) for text in (code, GOOD, GOOD, GOOD)]
    trainer._generate = lambda prompt_ids, update: written  # type: ignore[method-assign]
    return trainer


def line_of_tokens(trainer: PPOTrainer, code: str) -> list[int]:
    ids = encode_completion(trainer.processing_class, code)
    told = trainer.processing_class(code, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
    starts = [start + len(code[start:end]) - len(code[start:end].lstrip()) for start, end in told]
    lines = [1 + code[: min(start, len(code) - 1)].count("\n") for start in starts]
    assert len(lines) == len(ids) - 1
    return lines


def check_advantages(folder: Path, model_folder: Path, tests: TestReward) -> None:
    """With credit the third line's tokens, and no later ones, are blamed more; the sum of rewards is the same."""
    plain, moved = (trainer_of(folder, model_folder, tests, share=share) for share in (0.0, 0.5))
    lines = line_of_tokens(plain, FAULTY)
    without, found = plain.collect(0), moved.collect(0)
    assert found.completion_ids == without.completion_ids
    less = (found.advantages - without.advantages)[0].tolist()
    at = [token for token, line in enumerate(lines) if line == 3]
    seen = [token for token in at if plain.processing_class.decode([found.completion_ids[0][token]]).strip()]
    assert seen[-1] >= at[-1] - 1
    assert all(less[token] < -0.05 for token in at if token <= seen[-1])
    assert all(less[token] > 0.05 for token in range(seen[-1] + 1, len(lines)))
    assert min(range(len(lines)), key=less.__getitem__) == seen[-1]
    assert plain._measured["score"] == pytest.approx(moved._measured["score"], abs=1e-9)
    # With all that each token earns added up, gamma 1 and a value of 0 at the start, the first return is the score.
    last = trainer_of(folder, model_folder, tests, share=0.5)
    last.args.lam, last.kl_controller.value = 1.0, 0.0
    totals = last.collect(0).returns[:, 0].tolist()
    assert totals == pytest.approx([0.0, 1.0, 1.0, 1.0], abs=1e-6)


def test_a_faulty_lines_tokens_get_a_lower_advantage_than_without_credit(
    tmp_path: Path, micro_model: Path, tests_reward: TestReward
) -> None:
    check_advantages(tmp_path, micro_model, tests_reward)


def test_where_no_line_is_known_an_update_is_the_one_without_credit(
    tmp_path: Path, micro_model: Path, tests_reward: TestReward
) -> None:
    plain, moved = (trainer_of(tmp_path, micro_model, tests_reward, share=share, code=WRONG) for share in (0.0, 0.5))
    assert plain.collect(0).advantages.equal(moved.collect(0).advantages)


def test_an_update_makes_the_faulty_line_less_likely_than_without_credit(
    tmp_path: Path, micro_model: Path, tests_reward: TestReward
) -> None:
    found = []
    for share in (0.0, 0.5, 0.5):
        trainer = trainer_of(tmp_path, micro_model, tests_reward, share=share)
        before = trainer.collect(0)
        trainer.train()
        after = trainer.collect(0)
        change = (after.logprobs - before.logprobs)[0].tolist()
        lines = line_of_tokens(trainer, FAULTY)
        found.append([sum(change[token] for token, at in enumerate(lines) if at == line) for line in (3, 4)])
    plain, moved, again = found
    assert moved == again
    assert moved[0] - moved[1] < plain[0] - plain[1]


def shifted(by: int) -> Callable[..., Any]:
    return lambda text, ends: {line + by: token for line, token in last_tokens(text, ends).items()}


def taken_only(reward: float, amount: float, weights: Any, length: int) -> list[float]:
    tokens = redistributed(reward, amount, weights, length)
    return [*tokens[:-1], tokens[-1] - amount]


MUTANTS: dict[str, tuple[str, Any]] = {
    "the line before": ("last_tokens", shifted(1)),
    "the line after": ("last_tokens", shifted(-1)),
    "always the first line": ("blame", lambda sources: {1: 1.0}),
    "no line": ("blame", lambda sources: {}),
    "a total that changes": ("redistributed", taken_only),
    "a reward for faults": ("redistributed", lambda reward, amount, *rest: redistributed(reward, -amount, *rest)),
    "the token before the line's last": (
        "last_tokens", lambda text, ends: {line: token - 1 for line, token in last_tokens(text, ends).items()},
    ),
    "all of it to the program's end": ("redistributed", lambda reward, amount, weights, length: [0.0] * (length - 1) + [reward]),
}  # fmt: skip


@pytest.mark.parametrize("name", MUTANTS)
def test_an_update_by_a_mutant_is_told_apart(
    name: str, tmp_path: Path, micro_model: Path, tests_reward: TestReward, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(credit, *MUTANTS[name])
    with pytest.raises(AssertionError):
        check_advantages(tmp_path, micro_model, tests_reward)


def test_an_alignment_credits_lines_and_reads_comments(
    micro_model: Path, splits: dict[str, list[Task]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task, other = splits["train"][:2]
    first = task.solutions[0].code.splitlines()[0]
    written: list[list[int]] = [[], []]

    def write(trainer: PPOTrainer, prompt_ids: list[list[int]], update: int) -> list[list[int]]:
        codes = [task.solutions[0].code, "def"]
        written[:] = [encode_completion(trainer.processing_class, code) for code in codes]
        return [written[number % 2] for number in range(len(prompt_ids))]

    seen: list[Any] = []
    plain = LineCredit.__call__

    def watched(self: LineCredit, *arguments: Any, **columns: Any) -> Any:
        seen.append(columns["line_comments"])
        return plain(self, *arguments, **columns)

    monkeypatch.setattr(PPOTrainer, "_generate", write)
    monkeypatch.setattr(LineCredit, "__call__", watched)
    settings = PPOSettings(
        num_updates=1, batch_size=4, mini_batch_size=4, micro_batch_size=4, response_length=64, save_steps=1,
        value_pretraining_updates=0, lora=LoraSettings(r=4, alpha=8), bf16=False, line_credit=0.3,
    )  # fmt: skip
    adapter = align(
        micro_model, [task, other], reward_model=None, settings=settings, run_folder=tmp_path, fence=1,
        watcher=Silent(), line_comments={task.key: [first]},
    )  # fmt: skip
    assert sorted(map(tuple, seen[0])) == [(), (), (first,), (first,)]
    table = next((adapter.parent / "completions").glob("*.jsonl")).read_text().splitlines()
    lines = [json.loads(row)["faulty_lines"] for row in table]
    assert lines[1] == lines[3] == [1]  # where "def" ends


def test_the_real_verifiers_line_is_the_one_that_divides(micro_tokenizer, tests_reward: TestReward) -> None:
    code = "def ratio(a: int, b: int) -> int:\n    c = a + 1\n    return c // b\n"
    columns = {
        "entry": ["ratio"],
        "tests": [["assert ratio(3, 2) == 2"]],
        "prelude": [""],
        "properties": [["zero-division"]],
        "contract": [None],
    }
    ids = encode_completion(micro_tokenizer, code)
    reward = LineCredit(Ordered(tests_reward, VerifierReward(), None, RewardSettings()), micro_tokenizer, share=0.5)
    (tokens,) = reward([""], [code], [ids], **columns)
    assert isinstance(tokens, list)
    (token,) = [token for token, value in enumerate(tokens) if value < 0]
    assert micro_tokenizer.decode(ids[: token + 1]) == code.rstrip("\n")
