"""An evaluation says what the sandbox and the verifier found, with intervals over prompts and paired tests."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from training.config import DecodingSettings, EvaluationSettings, ModelSettings, TaskSettings
from training.curriculum import Task, build
from training.evaluate import Evaluation, EvaluationError, Row, compare, evaluate, judge, summarise, table
from training.models import build_model, load
from training.progress import Progress, Silent, Stopped
from training.prompting import encode_completion, encode_prompt
from training.rollout import Completion
from training.sequences import completion_divergences
from training.statistics import bootstrap_mean, mcnemar, pass_at


def _answer(code: str) -> Completion:
    return Completion(code, [5] * 7, finished=True)


@pytest.fixture(scope="module")
def divisions() -> list[Task]:
    return build(TaskSettings(train=2, held_out=3, families=("safe-division",)))["iid"]


@pytest.fixture(scope="module")
def judged(divisions: list[Task]) -> list[Row]:
    """A safe answer, an unguarded one and one that is no Python."""
    safe, unguarded = divisions[0].solutions[0], divisions[1].solutions[-1]
    assert not unguarded.safe
    return judge(divisions, [_answer(safe.code), _answer(unguarded.code), _answer("def (")])


def test_answers_are_told_apart_by_tests_syntax_and_verdict(judged: list[Row]) -> None:
    assert [(row.public, row.full, row.syntax) for row in judged] == [
        (True, True, True),
        (True, False, True),
        (False, False, False),
    ]
    assert [row.outcome for row in judged] == ["proved", "refuted", "unsupported"]
    assert judged[1].verdicts == {"zero-division": "refuted"}


def test_an_answer_that_forges_equality_passes_nothing(divisions: list[Task]) -> None:
    task = divisions[0]
    forged = f"class Any:\n    def __eq__(self, other):\n        return True\n\n\n{task.signature}\n    return Any()"
    (row,) = judge([task], [_answer(forged)])
    assert (row.public, row.full) == (False, False)


@pytest.fixture(scope="module")
def evaluation(micro_model: Path, splits: dict[str, list[Task]]) -> Evaluation:
    settings = EvaluationSettings(
        splits=("iid", "comp"), prompts=4, decoding=DecodingSettings(temperature=0.0, max_new_tokens=12)
    )
    lengths = lambda prompts, completions, completion_ids, **_: [float(len(ids)) for ids in completion_ids]  # noqa: E731
    return evaluate(
        micro_model, splits, settings=settings, watcher=Silent(), reference=micro_model, rewards={"length": lengths}
    )


def test_each_split_is_answered_up_to_its_number_of_prompts(
    evaluation: Evaluation, splits: dict[str, list[Task]]
) -> None:
    assert [(row.split, row.key) for row in evaluation.rows] == [
        (split, task.key) for split in ("iid", "comp") for task in splits[split][:4]
    ]
    assert all(row.rewards == {"length": float(row.tokens)} for row in evaluation.rows)


def test_a_model_does_not_diverge_from_itself(evaluation: Evaluation) -> None:
    assert [row.kl for row in evaluation.rows] == pytest.approx([0.0] * 8, abs=1e-5)


def test_divergences_in_a_batch_are_those_of_a_lone_row_by_the_definition(
    micro_tokenizer, micro_model: Path, splits: dict[str, list[Task]]
) -> None:
    model, tokenizer = load(micro_model)
    other = build_model(ModelSettings(preset="aval-micro"), micro_tokenizer, seed=5)
    tasks = splits["iid"][:5]
    prompts = [encode_prompt(tokenizer, task.text, task.signature) for task in tasks]
    completions = [encode_completion(tokenizer, task.solutions[0].code) for task in tasks]
    found = completion_divergences(model, other, prompts, completions, batch_size=5)
    for prompt, completion, value in zip(prompts, completions, found, strict=True):
        with torch.no_grad():
            row = torch.tensor([prompt + completion])
            ours, theirs = (each(row).logits[0, len(prompt) - 1 : -1].double().softmax(-1) for each in (model, other))
        assert value == pytest.approx(float((ours * (ours / theirs).log()).sum()), rel=1e-3)


def test_another_reference_gives_another_divergence(micro_tokenizer, micro_model: Path, splits, tmp_path: Path) -> None:
    build_model(ModelSettings(preset="aval-micro"), micro_tokenizer, seed=5).save_pretrained(str(tmp_path))
    micro_tokenizer.save_pretrained(str(tmp_path))
    settings = EvaluationSettings(splits=("iid",), prompts=3, decoding=DecodingSettings(max_new_tokens=5))
    found = evaluate(micro_model, splits, settings=settings, watcher=Silent(), reference=tmp_path)
    assert all(abs(row.kl or 0.0) > 1e-3 for row in found.rows)


def test_the_watcher_sees_every_pass_and_may_stop_it(micro_model: Path, splits: dict[str, list[Task]]) -> None:
    seen: list[Progress] = []

    class Watcher(Silent):
        def step(self, progress: Progress) -> None:
            seen.append(progress)
            if progress.step == progress.total:
                raise Stopped

    settings = EvaluationSettings(
        splits=("iid",), prompts=2, decoding=DecodingSettings(temperature=0.0, max_new_tokens=4)
    )
    with pytest.raises(Stopped):
        evaluate(micro_model, splits, settings=settings, watcher=Watcher())
    assert [(progress.step, progress.total) for progress in seen] == [(2, 6), (4, 6), (6, 6)]


def test_an_evaluation_survives_json(evaluation: Evaluation) -> None:
    assert Evaluation.from_json(json.loads(json.dumps(evaluation.to_json()))) == evaluation


def test_an_unknown_split_is_refused_by_name(micro_model: Path, splits: dict[str, list[Task]]) -> None:
    with pytest.raises(EvaluationError, match="unknown split 'test': choose from train, iid"):
        evaluate(micro_model, splits, settings=EvaluationSettings(splits=("test",)), watcher=Silent())


def _rows(full: list[bool]) -> Evaluation:
    base = Row(
        "k", "f", "iid", "en", "p", "s", "c",
        public=True, full=True, syntax=True, outcome="proved", verdicts={}, tokens=9, finished=True,
    )  # fmt: skip
    return Evaluation("m", {}, tuple(replace(base, key=str(index), full=value) for index, value in enumerate(full)))


def test_shares_and_their_intervals_are_summarised_by_split() -> None:
    summary = summarise(_rows([True] * 30 + [False] * 70))["iid"]
    assert summary["full"].mean == pytest.approx(0.3)
    assert 0.19 < summary["full"].low < 0.25 < 0.35 < summary["full"].high < 0.41
    assert summary["full"].prompts == 100
    assert (summary["public"].mean, summary["public"].high) == (1.0, 1.0)
    assert 0.95 < summary["public"].low < 0.97  # a hundred of a hundred are no certainty
    assert (summary["proved"].mean, summary["refuted"].mean, summary["tokens"].mean) == (1.0, 0.0, 9.0)
    assert "kl" not in summary


def test_several_answers_a_prompt_give_pass_at_k() -> None:
    def prompt(key: str, *passes: bool) -> list[Row]:
        (base,) = _rows([True]).rows
        return [replace(base, key=key, full=passed, sample=number) for number, passed in enumerate(passes)]

    rows = prompt("a", True, False, False, False) + prompt("b", False, False, False, False)
    summary = summarise(Evaluation("m", {}, tuple(rows)))["iid"]

    assert summary["full"].mean == pytest.approx(1 / 8)
    assert summary["full@2"].mean == pytest.approx((1 / 2 + 0) / 2)
    assert summary["full@4"].mean == pytest.approx((1 + 0) / 2)
    assert summary["full@4"].prompts == 2
    assert "full@8" not in summary


@pytest.mark.parametrize("samples", [1, 3, 5])
def test_pass_at_k_is_the_share_of_subsets_that_hold_a_success(samples: int) -> None:
    for successes in range(samples + 1):
        for k in range(1, samples + 1):
            subsets = list(itertools.combinations([True] * successes + [False] * (samples - successes), k))
            assert pass_at(successes, samples, k) == pytest.approx(sum(map(any, subsets)) / len(subsets))
    with pytest.raises(ValueError, match="does not exist"):
        pass_at(1, samples, samples + 1)


def test_several_samples_need_a_temperature() -> None:
    assert "samples" in EvaluationSettings(samples=2).problems()
    assert EvaluationSettings(samples=2, decoding=DecodingSettings(temperature=0.7)).problems() == {}


def test_samples_differ_and_the_verifier_is_left_out_when_told(
    micro_model: Path, splits: dict[str, list[Task]]
) -> None:
    settings = EvaluationSettings(
        splits=("iid",), prompts=2, samples=3, verify=False, decoding=DecodingSettings(max_new_tokens=8)
    )

    found = evaluate(micro_model, splits, settings=settings, watcher=Silent())

    assert [(row.key, row.sample) for row in found.rows] == [
        (task.key, sample) for task in splits["iid"][:2] for sample in range(3)
    ]
    assert len({row.code for row in found.rows}) > 2
    assert {row.outcome for row in found.rows} == {""}
    summary = summarise(found)["iid"]
    assert "refuted" not in summary
    assert "full@2" in summary


def test_figures_are_told_by_language_and_by_family_as_well() -> None:
    rows = [
        replace(row, language=language, full=language == "en")
        for row, language in zip(_rows([True] * 4).rows, ("en", "es", "en", "es"), strict=True)
    ]
    evaluation = Evaluation("m", {}, tuple(rows))

    by_language = summarise(evaluation, by="language")
    assert {name: summary["full"].mean for name, summary in by_language.items()} == {"iid en": 1.0, "iid es": 0.0}
    assert list(summarise(evaluation, by="family")) == ["iid f"]
    text = table({"m": evaluation}, by="language", metrics=("full",))
    assert [line.split()[:2] for line in text.splitlines()[1:]] == [["iid", "en"], ["iid", "es"]]


def test_rows_of_one_prompt_stay_together_in_the_bootstrap() -> None:
    values = [1.0] * 50 + [0.0] * 50
    alone = bootstrap_mean(values, [str(index) for index in range(100)], resamples=400, seed=0)
    together = bootstrap_mean(values, [str(index // 10) for index in range(100)], resamples=400, seed=0)
    assert alone.mean == together.mean == 0.5
    assert together.high - together.low > 2 * (alone.high - alone.low)
    assert bootstrap_mean(values, ["a"] * 100, resamples=400, seed=0).low == 0.5
    assert bootstrap_mean(values, [str(index) for index in range(100)], resamples=400, seed=0) == alone


@pytest.mark.parametrize(
    ("first", "second", "p_value"), [(0, 0, 1.0), (5, 5, 1.0), (0, 6, 0.03125), (6, 0, 0.03125), (1, 9, 0.021484375)]
)
def test_mcnemar_is_exact(first: int, second: int, p_value: float) -> None:
    assert mcnemar(first, second) == pytest.approx(p_value)


def test_two_models_are_compared_on_the_prompts_they_share() -> None:
    first, second = _rows([True, False, False, False, True]), _rows([True, True, True, False, False, True])
    found = compare(first, second)["iid"]
    assert (found.only_first, found.only_second, found.p_value) == (1, 2, 1.0)
    assert found.difference.mean == pytest.approx(0.2)
    assert found.difference.prompts == 5
    with pytest.raises(EvaluationError, match="not a yes-or-no metric"):
        compare(first, second, metric="tokens")
    with pytest.raises(EvaluationError, match="share no prompt"):
        compare(first, replace(second, rows=()))


def test_the_table_shows_both_models_side_by_side() -> None:
    text = table({"supervised": _rows([True, False]), "aligned": _rows([True, True])})
    lines = text.splitlines()
    assert lines[0].split() == ["split", "metric", "supervised", "aligned"]
    assert lines[1].split(None, 3)[:3] == ["iid", "full", "pass@1"]
    assert "50.0% [9.5, 90.5]" in lines[1]
    assert "100.0% [34.2, 100.0]" in lines[1]
