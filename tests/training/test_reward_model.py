"""The reward model learns an order from ratings, and says so when ratings can't teach one.

What each claim rests on is broken once (weights, margin, scales, the split of the calibration): a test must notice.
"""

from __future__ import annotations

import json
import math
import random
import shutil
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig
from peft.tuners.lora import LoraLayer
from transformers.modeling_outputs import SequenceClassifierOutputWithPast

from training import adapters, checkpoints, reward_ensemble, reward_model
from training.calibration import calibration_error, cross_fitted, temperature_of
from training.config import LoraSettings, RewardModelSettings
from training.memory import Memory
from training.models import backbone_sha256, load_model, load_tokenizer
from training.progress import Progress, Silent, Stopped
from training.prompting import format_prompt
from training.reliability import Gold
from training.reward_model import (
    Preference,
    PreferenceError,
    RewardModel,
    Summary,
    check,
    comparison_loss,
    split_by_prompt,
    train,
    usable,
)
from training.reward_rows import collate, rows_of, times_drawn
from training.reward_summary import Scored, calibrated, summarise

SETTINGS = RewardModelSettings(
    epochs=6.0, batch_size=8, learning_rate=5e-3, lora=LoraSettings(r=4, alpha=8), save_steps=4, members=2
)
ALONE = replace(SETTINGS, members=1)


def pair(number: int, *, times: int | None = None, preference: int | None = None, **options: Any) -> Preference:
    """One program guards its division, the other does not; raters prefer the guard."""
    times = number // 4 if times is None else times
    name = "abcdefgh"[number % 8]
    guarded = f"def f({name}: int) -> int:\n    return 10 // {name} if {name} else 0\n"
    bare = f"def f({name}: int) -> int:\n    return 10 // {name}\n"
    guard_is_b = number % 2 == 0
    return Preference(
        prompt_text=f"Divide 10 by {name}, {times} times.",
        signature=f"def f({name}: int) -> int:",
        code_a=bare if guard_is_b else guarded,
        code_b=guarded if guard_is_b else bare,
        preference=(2 if guard_is_b else -2) if preference is None else preference,
        annotator=f"annotator-{number % 3}",
        **options,
    )


PAIRS = [pair(number) for number in range(40)]


def programs(model: RewardModel, pairs: Sequence[Preference]) -> tuple[list[str], list[str]]:
    """Formatted prompts and programs, A and B of each pair."""
    prompts = [format_prompt(model.tokenizer, one.prompt_text, one.signature) for one in pairs for _ in "ab"]
    return prompts, [code for one in pairs for code in (one.code_a, one.code_b)]


def right(model: RewardModel, pairs: Sequence[Preference]) -> int:
    """How many pairs the scores order as the raters do."""
    scores = model.score(*programs(model, pairs))
    return sum((b > a) == (one.preference > 0) for one, a, b in zip(pairs, scores[::2], scores[1::2], strict=True))


@pytest.fixture(scope="module")
def trained(micro_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("reward-model")
    return train(micro_model, PAIRS, settings=SETTINGS, run_folder=run, fence=1, watcher=Silent())


def test_it_learns_what_raters_prefer_on_prompts_it_has_not_seen(trained: Path) -> None:
    summary = json.loads((trained / "reward_model.json").read_text())
    assert summary["accuracy"] >= 0.9
    assert summary["held_out"] >= 1
    assert summary["comparisons"] + summary["held_out"] == 40
    assert summary["count"] == 2 * summary["comparisons"]


def test_scores_order_new_programs_and_do_not_depend_on_the_batch(trained: Path, micro_model: Path) -> None:
    model = RewardModel.load(trained, backbone=micro_model, bf16=False)
    new = [pair(number, times=number // 4 + 1) for number in range(8)]
    assert not {one.prompt_text for one in new} & {one.prompt_text for one in PAIRS}
    assert right(model, new) >= 7
    prompts, codes = programs(model, new)
    again = RewardModel.load(trained, backbone=micro_model, bf16=False)
    alone = [again.score([prompt], [code])[0] for prompt, code in zip(prompts, codes, strict=True)]
    assert model.score(prompts, codes) == pytest.approx(alone, abs=1e-4)
    assert model.score([], []) == []


def test_the_score_head_is_trained_and_saved_with_the_adapter(trained: Path) -> None:
    from safetensors.torch import load_file

    weights = load_file(str(trained / "member-0" / "adapter_model.safetensors"))
    heads = [value for name, value in weights.items() if "score" in name]
    assert len(heads) == 1
    torch.manual_seed(SETTINGS.seed)
    assert heads[0].abs().max() > 0.06  # three standard deviations of its random start
    config = json.loads((trained / "member-0" / "adapter_config.json").read_text())
    assert config["task_type"] == "SEQ_CLS"
    assert "score" in config["modules_to_save"]


def test_a_frozen_score_head_is_refused(micro_model: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    untyped = LoraConfig(r=4, target_modules=["c_attn"], fan_in_fan_out=True)
    monkeypatch.setattr(adapters, "lora_config", lambda settings, model, reward: untyped)
    with pytest.raises(RuntimeError, match="score head is frozen"):
        train(micro_model, PAIRS, settings=SETTINGS, run_folder=tmp_path, fence=1, watcher=Silent())


def test_it_refuses_another_backbone(trained: Path, micro_model: Path, tmp_path: Path) -> None:
    other = load_model(micro_model)
    with torch.no_grad():
        other.transformer.wpe.weight[0, 0] += 1.0
    other.save_pretrained(str(tmp_path))
    with pytest.raises(adapters.AdapterError, match="was trained on the backbone"):
        RewardModel.load(trained, backbone=tmp_path)


def test_in_bfloat16_the_scores_are_nearly_the_same(
    trained: Path, micro_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = RewardModel.load(trained, backbone=micro_model, bf16=False)
    monkeypatch.setattr(reward_ensemble, "bf16_pays", lambda wanted: wanted)
    half = RewardModel.load(trained, backbone=micro_model, bf16=True)
    assert next(half.ensemble._trunk.parameters()).dtype == torch.bfloat16
    asked = programs(half, PAIRS[:8])
    one, other = (torch.tensor(model.score_members(*asked)) for model in (whole, half))
    assert 0 < float((one - other).abs().max()) < 0.2


# -- resuming


class StopAt(Silent):
    def __init__(self, step: int) -> None:
        self.at = step
        self.seen: list[Progress] = []

    def step(self, progress: Progress) -> None:
        self.seen.append(progress)
        if progress.step == self.at:
            raise Stopped


def test_a_resumed_training_ends_with_the_same_scores(trained: Path, micro_model: Path, tmp_path: Path) -> None:
    with pytest.raises(Stopped):
        train(micro_model, PAIRS, settings=SETTINGS, run_folder=tmp_path, fence=1, watcher=StopAt(10))
    start = checkpoints.latest(tmp_path / "member-0")
    assert start is not None
    assert checkpoints.step_of(start) == 8
    watcher = StopAt(-1)
    folder = train(micro_model, PAIRS, settings=SETTINGS, run_folder=tmp_path, fence=2, watcher=watcher)
    assert watcher.seen[0].step == 9
    assert watcher.seen[0].stage == "reward-model"
    assert "accuracy" in watcher.seen[0].metrics
    assert watcher.seen[-1].step == watcher.seen[-1].total
    assert [one.step for one in watcher.seen] == sorted(one.step for one in watcher.seen)
    found, expected = (json.loads((one / "reward_model.json").read_text()) for one in (folder, trained))
    assert found == expected
    again = train(micro_model, PAIRS, settings=SETTINGS, run_folder=tmp_path, fence=3, watcher=StopAt(-1))
    assert again == folder


def test_a_member_that_had_ended_is_not_trained_again(micro_model: Path, tmp_path: Path) -> None:
    short = replace(SETTINGS, epochs=1.0)
    first = StopOnceEnded(tmp_path / "member-0" / "attempt-000001" / "final" / "COMPLETE")
    with pytest.raises(Stopped):
        train(micro_model, PAIRS, settings=short, run_folder=tmp_path, fence=1, watcher=first)
    weights = next((tmp_path / "member-0").glob("attempt-000001/final/adapter_model.safetensors"))
    before = weights.stat().st_mtime_ns
    watcher = StopAt(-1)
    folder = train(micro_model, PAIRS, settings=short, run_folder=tmp_path, fence=2, watcher=watcher)
    assert watcher.seen[0].step == first.seen[-1].step, "the second member from its start: it had no checkpoint"
    assert not (tmp_path / "member-0" / "attempt-000002").exists()
    assert weights.stat().st_mtime_ns == before
    assert (folder / "member-0" / weights.name).read_bytes() == weights.read_bytes()


class StopOnceEnded(StopAt):
    """Stops at the first step after this folder is there."""

    def __init__(self, folder: Path) -> None:
        super().__init__(-1)
        self.folder = folder

    def step(self, progress: Progress) -> None:
        super().step(progress)
        if self.folder.exists():
            raise Stopped


# -- the members


def test_members_learn_from_prompts_of_their_own_drawing_and_one_alone_from_all() -> None:
    prompts = [f"prompt {number}" for number in range(40)]
    one, other = (times_drawn(prompts, bagging=True, chance=random.Random(number)) for number in range(2))
    assert one != other
    assert sum(one.values()) == sum(other.values()) == len(prompts)
    assert min(one.values()) == 0
    assert max(one.values()) > 1
    assert times_drawn(prompts, bagging=False, chance=random.Random(0)) == dict.fromkeys(prompts, 1)


def test_a_prompt_drawn_twice_counts_twice_and_one_not_drawn_not_at_all() -> None:
    learnt = [(one, 1.0) for one in PAIRS[:4]]
    times = {PAIRS[0].prompt: 2, PAIRS[1].prompt: 0, PAIRS[2].prompt: 1, PAIRS[3].prompt: 1}
    rows = rows_of(learnt, [], times, margin=1.0, chance=random.Random(0))
    assert [row.chosen[0] for row in rows] == [PAIRS[place].prompt_text for place in (0, 2, 3)]
    assert [row.weights for row in rows] == [(1.5,), (0.75,), (0.75,)]


def test_all_that_was_said_of_two_programs_is_one_row_whatever_side_they_were_on() -> None:
    one = replace(PAIRS[0], scales_b={"security": 5})
    turned = replace(one, code_a=one.code_b, code_b=one.code_a, scales_a={"security": 3}, scales_b={}, preference=1)
    tie = replace(one, preference=0, scales_b={})
    rated = [(one, 2.0), (turned, 1.0), (tie, 1.0), (replace(PAIRS[1], scales_a={"security": 1}), 2.0)]
    row, _ = rows_of(rated, [], {one.prompt: 1, PAIRS[1].prompt: 1}, margin=3.0, chance=random.Random(0))
    assert (row.chosen[2], row.rejected[2]) == (one.code_b, one.code_a), "2 times 2 against 1"
    assert (row.better, row.margins) == ((1, -1, 0), (2.0, 1.0, 0.0))
    assert row.weights == (2 / 3, 1 / 3, 1 / 3)
    deviation = math.sqrt((2 * (5 - 3) ** 2 + 2 * (1 - 3) ** 2) / 5)  # from their mean, 3
    assert row.chosen_scales[3] == pytest.approx(((5 * 2 + 3) / 3 - 3) / deviation)
    assert math.isnan(row.rejected_scales[3])


def test_members_start_and_end_apart(trained: Path) -> None:
    one, other = ((trained / f"member-{n}" / "adapter_model.safetensors").read_bytes() for n in range(2))
    assert one != other
    summary = Summary.read(trained)
    assert summary.members == len(summary.member_accuracies) == 2
    assert summary.disagreement > 0
    assert -1 <= (summary.member_correlation or 0) < 1


def test_a_score_is_the_mean_of_the_members_and_the_statistics_are_of_those(trained: Path, micro_model: Path) -> None:
    model = RewardModel.load(trained, backbone=micro_model, bf16=False)
    learnt, _ = split_by_prompt(PAIRS, held_out=SETTINGS.held_out, seed=SETTINGS.seed)
    members = torch.tensor(model.score_members(*programs(model, learnt)))
    scores = torch.tensor(model.score(*programs(model, learnt)))
    assert members.shape == (2 * len(learnt), 2)
    assert torch.allclose(members.mean(1), scores)
    assert members.mean(0).tolist() == pytest.approx([0, 0], abs=1e-3), "no member's constant is in the disagreement"
    assert model.mean == pytest.approx(float(scores.mean()), abs=1e-4)
    assert model.std == pytest.approx(float(scores.std()), rel=1e-3)
    assert model.count == len(scores)


def test_a_folder_s_digest_covers_all_members(trained: Path, tmp_path: Path) -> None:
    digest = backbone_sha256(trained)
    for number in range(2):
        copy = shutil.copytree(trained, tmp_path / str(number))
        weights = copy / f"member-{number}" / "adapter_model.safetensors"
        weights.write_bytes(weights.read_bytes()[:-1] + b"x")
        assert backbone_sha256(copy) != digest


def test_an_older_folder_with_one_adapter_still_loads(trained: Path, micro_model: Path, tmp_path: Path) -> None:
    old = shutil.copytree(trained / "member-1", tmp_path / "old")
    names = ["accuracy", "training_accuracy", "comparisons", "held_out", "ties", "unusable", "mean", "std", "count"]
    summary = {name: value for name, value in asdict(Summary.read(trained)).items() if name in names}
    (old / "reward_model.json").write_text(json.dumps({**summary, "mean": 0.5}))
    one, both = (RewardModel.load(path, backbone=micro_model, bf16=False) for path in (old, trained))
    asked = programs(one, PAIRS[:3])
    raw = torch.tensor(one.score_members(*asked))
    assert (one.mean, raw.shape[1]) == (0.5, 1)
    known = both.summary
    expected = (raw[:, 0] - known.member_means[1]) / known.member_stds[1] / known.temperature
    assert torch.allclose(torch.tensor(both.score_members(*asked))[:, 1], expected, atol=1e-5)


# -- scoring


def test_equal_programs_are_scored_once_and_remembered(
    trained: Path, micro_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = RewardModel.load(trained, backbone=micro_model, bf16=False)
    asked: list[int] = []
    scores = model.ensemble.scores
    monkeypatch.setattr(model.ensemble, "scores", lambda rows: asked.append(len(rows)) or scores(rows))
    prompts, codes = programs(model, PAIRS[:2])
    first = model.score_members(prompts + prompts, codes + codes)
    assert first[:4] == first[4:]
    assert model.score_members(prompts[:1], codes[:1]) == first[:1]
    assert model.score_members([prompts[0], prompts[2]], [codes[2], codes[0]])[0] not in first
    assert asked == [4, 0, 2]


def test_the_memory_forgets_what_was_asked_for_longest_ago() -> None:
    memory: Memory[int] = Memory(2)
    memory.put("a", 1)
    memory.put("b", 2)
    assert memory.get("a") == 1
    memory.put("c", 3)
    assert [memory.get(key) for key in "abc"] == [1, None, 3]
    assert len(memory) == 2


@pytest.mark.parametrize("layers", [0, 1])
def test_shared_layers_give_what_each_whole_member_gives_and_run_once(
    layers: int, micro_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = replace(SETTINGS, epochs=1.0, lora=LoraSettings(r=4, alpha=8, dropout=0.1, layers=layers))
    folder = train(micro_model, PAIRS, settings=settings, run_folder=tmp_path, fence=1, watcher=Silent())
    model = RewardModel.load(folder, backbone=micro_model, bf16=False)
    assert model.ensemble._blocks is not None
    seen: list[int] = []
    blocks = type(model.ensemble._blocks[0])
    layer = blocks._layer
    monkeypatch.setattr(blocks, "_layer", lambda self, index, *rest: seen.append(index) or layer(self, index, *rest))
    fast = model.score_members(*programs(model, PAIRS))
    batches = -(-len({*zip(*programs(model, PAIRS), strict=True)}) // model.ensemble.batch_size)
    assert seen.count(0) == batches * (1 if layers else 2)
    assert seen.count(1) == batches * 2
    whole = RewardModel.load(folder, backbone=micro_model, bf16=False)
    whole.ensemble._blocks = None
    slow = whole.score_members(*programs(whole, PAIRS))
    assert [value for row in fast for value in row] == pytest.approx([value for row in slow for value in row], abs=1e-3)


def test_scores_are_read_at_the_last_token_that_is_no_padding(trained: Path, micro_model: Path) -> None:
    model = RewardModel.load(trained, backbone=micro_model, bf16=False)
    rows = reward_ensemble.encoded(model.tokenizer, list(zip(*programs(model, PAIRS[:2]), strict=True)))
    bare = reward_ensemble.sequence_model(micro_model, model.tokenizer, outputs=1)
    sha256 = backbone_sha256(micro_model)
    plain = adapters.load(bare, trained / "member-0", kind="reward", backbone_sha256=sha256).eval()
    width = max(map(len, rows))
    ids = torch.tensor([row + [model.tokenizer.pad_token_id] * (width - len(row)) for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows])
    with torch.no_grad():
        expected = plain(input_ids=ids, attention_mask=mask).logits[:, 0]
    assert torch.allclose(model.ensemble.scores(rows)[:, 0], expected, atol=1e-4)
    padded = [[*row, model.tokenizer.pad_token_id] for row in rows]
    assert torch.equal(model.ensemble.scores(padded), model.ensemble.scores(rows))


@pytest.mark.parametrize("bf16", [False, True])
def test_members_train_by_a_pass_of_their_own_that_says_what_the_model_says(bf16: bool, micro_model: Path) -> None:
    tokenizer = load_tokenizer(micro_model)
    ids = [[5, 9, tokenizer.pad_token_id, 11, 4, 8], [7, 6], [3, 5, 8, 2]]  # a pad token among others is one of them
    batch = torch.tensor([row + [tokenizer.pad_token_id] * (8 - len(row)) for row in ids])
    held = torch.arange(8)[None, :] < torch.tensor([[6], [2], [4]])
    found = []
    for packed in (False, True):
        model = reward_model._new_model(micro_model, tokenizer, ALONE, outputs=3)
        generator = torch.Generator().manual_seed(1)
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.data = torch.randn(parameter.shape, generator=generator) * 0.1
        if packed:
            reward_ensemble.pack(model, bf16=bf16)
            assert model.get_base_model().transformer.wte.weight.dtype == (torch.bfloat16 if bf16 else torch.float32)
        logits = model(input_ids=batch, attention_mask=held.long()).logits
        assert logits.dtype == torch.float32
        (logits * torch.tensor([[1.0], [-2.0], [0.5]])).sum().backward()
        trained = {name: one for name, one in model.named_parameters() if one.requires_grad}
        assert all(one.dtype == torch.float32 for one in trained.values())
        found.append((logits.detach(), {name: one.grad for name, one in trained.items()}))
    (logits, gradients), (own_logits, own_gradients) = found
    assert torch.allclose(logits, own_logits, atol=0.05 if bf16 else 1e-5)
    for name, gradient in gradients.items():
        assert gradient is not None, name
        assert own_gradients[name] is not None, name
        apart = (gradient - own_gradients[name]).norm() / gradient.norm()
        assert apart < (0.05 if bf16 else 1e-4), name


def test_a_member_that_is_not_known_trains_by_its_own_pass(micro_model: Path) -> None:
    model = reward_model._new_model(micro_model, load_tokenizer(micro_model), ALONE, outputs=1)
    for module in model.modules():
        if isinstance(module, LoraLayer):
            module.lora_dropout["default"] = torch.nn.Dropout(0.5)  # no low-rank sum any more
    before = model.get_base_model().forward
    reward_ensemble.pack(model, bf16=True)
    assert model.get_base_model().forward == before
    assert model.get_base_model().transformer.wte.weight.dtype == torch.float32


# -- the loss


def test_the_loss_asks_for_a_margin_and_pulls_ties_together() -> None:
    difference = torch.tensor([0.3, 0.3, 0.0, 1.5])
    margin = torch.tensor([0.0, 1.0, 0.0, 0.0])
    tie = torch.tensor([False, False, True, True])
    expected = [
        -math.log(1 / (1 + math.exp(-0.3))),
        -math.log(1 / (1 + math.exp(0.7))),
        math.log(2.0),
        -0.5 * math.log(1 / (1 + math.exp(-1.5))) - 0.5 * math.log(1 / (1 + math.exp(1.5))),
    ]
    assert comparison_loss(difference, margin, tie).tolist() == pytest.approx(expected)


def trainer_on(
    rows: Sequence[dict[str, Any]], micro_model: Path, folder: Path, *, outputs: int = 5, scales_weight: float = 0.5
) -> tuple[Any, dict[str, torch.Tensor]]:
    """A trainer, and its batch of these rows."""
    settings = replace(ALONE, scales_weight=scales_weight)
    tokenizer = load_tokenizer(micro_model)
    model = reward_model._new_model(micro_model, tokenizer, settings, outputs=outputs)
    trainer = reward_model._trainer(model, tokenizer, list(rows), settings, folder, Silent())
    return trainer, collate(rows, tokenizer.pad_token_id)


def tokenised(
    pairs: Sequence[Preference], micro_model: Path | None = None, *, unusable: Sequence[Preference] = (), **more: Any
) -> list[dict[str, Any]]:
    learnt, marked = ([(one, one.weight) for one in ratings] for ratings in (pairs, unusable))
    tokenizer = FakeTokenizer() if micro_model is None else load_tokenizer(micro_model)
    ratings = reward_model._Ratings(learnt, [], marked, len(marked), {})
    return reward_model._rows(ratings, tokenizer, 10_000, replace(ALONE, **more), 0)


class FakeTokenizer:
    """A token a character."""

    sep_token, eos_token_id, all_special_tokens = "<sep>", 0, ()

    def __call__(self, texts: Sequence[str], **_: Any) -> dict[str, list[list[int]]]:
        return {"input_ids": [[ord(letter) for letter in text] for text in texts]}


def test_the_trainer_s_loss_is_that_of_weights_margins_ties_and_scales(micro_model: Path, tmp_path: Path) -> None:
    marks = {"correctness": 5, "security": 2}
    pairs = [
        pair(0, weight=0.5, scales_a={"correctness": 1}, scales_b=marks),
        pair(1, preference=3, scales_a={"readability": 4, "correctness": 4}),
        replace(pair(1, preference=-1), annotator="another"),
        pair(2, preference=0, weight=2.0),
        pair(3, preference=-1),
    ]
    rows = tokenised(pairs, micro_model, margin=2.0)
    trainer, batch = trainer_on(rows, micro_model, tmp_path)
    model = trainer.model.eval()
    with torch.no_grad():
        logits = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
        loss = float(trainer.compute_loss(model, dict(batch)))
        alone = float(trainer_on(rows, micro_model, tmp_path, scales_weight=0.0)[0].compute_loss(model, dict(batch)))
    chosen, rejected = logits[:4, 0], logits[4:, 0]
    mean = (0.5 + 2 + 2 + 1) / 4
    costs = []
    for place, way, strength, weight in [
        (0, 1, 4 / 3, 0.5), (1, 1, 2.0, 1.0), (1, -1, 2 / 3, 1.0), (2, 0, 0.0, 2.0), (3, 1, 2 / 3, 1.0),
    ]:  # fmt: skip
        difference = float(chosen[place] - rejected[place])
        log = [math.log(1 / (1 + math.exp(-(sign * difference - strength)))) for sign in (1, -1)]
        costs.append(weight / mean * (-sum(log) / 2 if way == 0 else -log[way < 0]))
    assert alone == pytest.approx(sum(costs) / 4, rel=1e-5)
    # Correctness 1 and 5, of weight a half, and 4, of weight 1: mean 3.5. The other scales are given once: at their mean.
    spread = math.sqrt(sum(weight * (value - 3.5) ** 2 for value, weight in ((1, 0.5), (5, 0.5), (4, 1.0))) / 2)
    better_1 = 1 if rows[1]["chosen_scales"][0] == rows[1]["chosen_scales"][0] else 5
    targets = [(0, 0, 5), (0, 3, None), (4, 0, 1), (better_1, 0, 4), (better_1, 1, None)]  # row, scale, mark
    weights = [0.5, 2.0, 2.0, 1.0]
    squares = [
        weights[row % 4]
        / mean
        * (float(logits[row, 1 + scale]) - (0.0 if mark is None else (mark - 3.5) / spread)) ** 2
        for row, scale, mark in targets
    ]
    assert loss - alone == pytest.approx(0.5 * sum(squares) / 5, rel=1e-4)


def test_a_tie_pulls_two_scores_together(micro_model: Path, tmp_path: Path) -> None:
    trainer, batch = trainer_on(tokenised([pair(0, preference=0)], micro_model), micro_model, tmp_path, outputs=1)
    scores = torch.tensor([[2.0], [-1.0]], requires_grad=True)
    trainer.compute_loss(lambda **_: SequenceClassifierOutputWithPast(logits=scores), batch).backward()
    assert scores.grad is not None
    assert scores.grad[0] > 0.1
    assert scores.grad[1] < -0.1


@pytest.mark.parametrize("broken", ["weights", "margins", "better", "scales"])
def test_whatever_of_it_is_ignored_changes_the_loss(broken: str, micro_model: Path, tmp_path: Path) -> None:
    pairs = [
        pair(0, weight=0.5, scales_b={"correctness": 5}),
        pair(1, scales_a={"correctness": 2}),
        pair(2, preference=0),
    ]
    trainer, batch = trainer_on(tokenised(pairs, micro_model), micro_model, tmp_path)
    model = trainer.model.eval()
    with torch.no_grad():
        whole = float(trainer.compute_loss(model, dict(batch)))
        ignored = {"weights": torch.ones(3, 1), "margins": torch.zeros(3, 1), "better": torch.ones(3, 1)}
        ignored["scales"] = torch.full_like(batch["scales"], math.nan)
        left = float(trainer.compute_loss(model, {**batch, broken: ignored[broken]}))
    assert abs(whole - left) > 1e-4


def test_weights_decide_between_raters_who_contradict_each_other(micro_model: Path, tmp_path: Path) -> None:
    contrary = [replace(one, preference=-one.preference, annotator="random", weight=0.05) for one in PAIRS]
    folder = train(micro_model, [*contrary, *PAIRS], settings=ALONE, run_folder=tmp_path, fence=1, watcher=Silent())
    assert right(RewardModel.load(folder, backbone=micro_model, bf16=False), PAIRS) >= 36


def rated_by(names: Sequence[str], *, seed: int = 1) -> list[Preference]:
    """Each pair rated by two of the careful and by all others, who answer by their name's first letter."""
    chance = random.Random(seed)
    found = []
    for one in PAIRS:
        found += [replace(one, annotator=name) for name in chance.sample(["careful-1", "careful-2", "careful-3"], 2)]
        for name in names:
            sign = -1 if name[0] == "t" else chance.choice([1, -1])
            found.append(replace(one, preference=sign * one.preference, annotator=name))
    return found


def test_raters_at_random_or_the_wrong_way_round_weigh_little_unless_they_are_believed() -> None:
    rows = rated_by(["random", "turned"])
    for believing, settings in ((False, SETTINGS), (True, replace(SETTINGS, weigh_annotators=False))):
        ratings = reward_model._rated(rows, settings)
        weights = {one.annotator: weight for one, weight in ratings.learnt}
        assert weights["careful-1"] > 0.7
        assert (weights["random"] > 0.9, weights["turned"] > 0.9) == (believing, believing)
        assert (weights["random"] < 0.5, weights["turned"] == 0.0) == (not believing, not believing)
        assert ratings.reliabilities["turned"] == 0.0, "told in any case"


def test_a_majority_that_gold_questions_find_out_is_learnt_from_only_where_it_is_believed(
    micro_model: Path, tmp_path: Path
) -> None:
    rows = rated_by(["turned-1", "turned-2", "turned-3"])
    gold = [replace(one, gold=Gold(1, 3) if one.code_b.find(" if ") > 0 else Gold(-3, -1)) for one in rows[:60]]
    rows = gold + rows[60:]
    counts = {}
    for believe in (True, False):
        settings = replace(ALONE, weigh_annotators=not believe)
        folder = train(
            micro_model, rows, settings=settings, run_folder=tmp_path / str(believe), fence=1, watcher=Silent()
        )
        counts[believe] = right(RewardModel.load(folder, backbone=micro_model, bf16=False), PAIRS)
    assert counts[False] >= 36
    assert counts[True] <= 12


def test_one_who_contradicts_himself_has_one_voice_half_on_either_side() -> None:
    twice = PAIRS + [replace(one, preference=-one.preference) for one in PAIRS[::2]]
    ratings = reward_model._rated(twice, replace(SETTINGS, weigh_annotators=False))
    rows = rows_of(ratings.learnt, [], {one.prompt: 1 for one in PAIRS}, margin=1.0, chance=random.Random(0))
    said = {tuple(sorted(zip(row.better, row.weights, strict=True))) for row in rows}
    assert said == {((1, 1.0),), ((-1, 0.5), (1, 0.5))}


# -- scales


def marked(pairs: Sequence[Preference]) -> list[Preference]:
    """The guarded program is secure; only every other pair has marks."""
    found = []
    for place, one in enumerate(pairs):
        marks = [{"security": 5 if " if " in code else 1, "readability": None} for code in (one.code_a, one.code_b)]
        found.append(one if place % 2 else replace(one, scales_a=marks[0], scales_b=marks[1]))
    return found


def test_marks_of_somebody_who_counts_for_nothing_leave_those_of_others_as_they_are() -> None:
    """Marks all over the scale would make the others' look alike, and what is learnt of them fainter."""
    rated = [(one, 1.0) for one in marked(PAIRS[:8])]
    blind = [
        (
            replace(one, annotator="blind", scales_a={"security": 1 + place % 5}, scales_b={"security": 5 - place % 5}),
            0.0,
        )
        for place, one in enumerate(PAIRS[:8])
    ]
    times = {one.prompt: 1 for one in PAIRS[:8]}
    alone, beside = (
        rows_of(rows, [], times, margin=1.0, chance=random.Random(0)) for rows in (rated, [*rated, *blind])
    )
    assert any(row.chosen_scales[3] > 0.5 for row in alone)
    assert repr(beside) == repr(alone)  # NaN is not like itself


def test_marks_of_weight_two_are_marks_given_twice() -> None:
    rated = [replace(one, scales_a={"security": 1 + place % 5}) for place, one in enumerate(PAIRS[:8])]
    heavier = [(one, 2.0 if place < 3 else 1.0) for place, one in enumerate(rated)]
    again = [(one, 1.0) for one in [*rated, *rated[:3]]]
    times = {one.prompt: 1 for one in rated}
    heavy, twice = (rows_of(told, [], times, margin=1.0, chance=random.Random(0)) for told in (heavier, again))
    for one, other in zip(heavy, twice, strict=True):
        assert one.chosen_scales[3] == pytest.approx(other.chosen_scales[3], nan_ok=True)
        assert one.rejected_scales[3] == pytest.approx(other.rejected_scales[3], nan_ok=True)


def test_the_head_learns_the_scales_where_they_are_given(micro_model: Path, tmp_path: Path) -> None:
    settings = replace(ALONE, scales_weight=1.0)
    folder = train(micro_model, marked(PAIRS), settings=settings, run_folder=tmp_path, fence=1, watcher=Silent())
    model = RewardModel.load(folder, backbone=micro_model, bf16=False)
    bare = model.ensemble.model.get_base_model()
    head = bare.score.modules_to_save["default"].weight
    assert head.shape[0] == 5
    assert right(model, PAIRS) >= 36
    model.ensemble.heads = head[4:5].detach()  # security
    model.summary = replace(model.summary, member_means=[])
    assert right(model, PAIRS) >= 36


def test_without_scales_or_at_weight_0_there_is_one_output(micro_model: Path) -> None:
    for pairs, weight, outputs in ((PAIRS, 0.5, 1), (marked(PAIRS), 0.0, 1), (marked(PAIRS), 0.5, 5)):
        settings = replace(ALONE, scales_weight=weight)
        assert reward_model._outputs(reward_model._rated(pairs, settings), settings) == outputs


# -- both unusable


def test_an_unusable_program_loses_to_usable_ones_and_scores_below_their_mean(
    micro_model: Path, tmp_path: Path
) -> None:
    junk = [
        replace(one, code_a="x = = 1\n" * (1 + place % 2), code_b="return return\n", preference=0, unusable=True)
        for place, one in enumerate(PAIRS[:16])
    ]
    ratings = reward_model._rated(PAIRS + junk, ALONE)
    assert {one.prompt for one, _ in ratings.unusable}.isdisjoint(one.prompt for one, _ in ratings.judged)
    rows = tokenised(PAIRS, unusable=junk)
    extra = rows[len(PAIRS) :]
    assert [(row["better"], row["margins"]) for row in extra] == [([1], [0.0])] * 32
    text = ["".join(map(chr, row["rejected_ids"])) for row in extra]
    assert all("= =" in one or "return return" in one for one in text)
    assert not any("= =" in "".join(map(chr, row["chosen_ids"])) for row in extra)
    assert extra[0]["weights"][0] == pytest.approx(rows[0]["weights"][0] / 2)
    folder = train(micro_model, PAIRS + junk, settings=ALONE, run_folder=tmp_path, fence=1, watcher=Silent())
    model = RewardModel.load(folder, backbone=micro_model, bf16=False)
    scores = torch.tensor(model.score(*programs(model, PAIRS)))
    assert max(model.score(*programs(model, junk))) < float(scores.mean())
    assert Summary.read(folder).unusable == 16


# -- calibration


def noisy(count: int, *, temperature: float, seed: int = 0) -> tuple[list[float], list[bool]]:
    chance = random.Random(seed)
    differences = [chance.gauss(0, 3) for _ in range(count)]
    better = [chance.random() < 1 / (1 + math.exp(-value / temperature)) for value in differences]
    return differences, better


@pytest.mark.parametrize("temperature", [0.3, 1.0, 4.0])
def test_the_temperature_is_found_and_calibrates(temperature: float) -> None:
    differences, better = noisy(3000, temperature=temperature)
    found = temperature_of(differences, better, [1.0] * 3000)
    assert found == pytest.approx(temperature, rel=0.15)
    scaled = [value / found for value in differences]
    assert calibration_error(scaled, better).error < 0.025
    assert calibration_error([6 * value for value in scaled], better).error > 0.04


def test_comparisons_of_no_weight_do_not_count_and_none_leave_the_temperature_at_1() -> None:
    differences, better = noisy(200, temperature=2.0)
    wrong = [not one for one in better]
    weights = [1.0] * 200 + [0.0] * 200
    assert temperature_of(differences * 2, better + wrong, weights) == pytest.approx(
        temperature_of(differences, better, [1.0] * 200)
    )
    assert temperature_of([], [], []) == temperature_of([1.0], [True], [0.0]) == 1.0
    assert 0.001 < temperature_of([5.0] * 20, [True] * 20, [1.0] * 20) < 1, "finite where all is right"


def test_the_calibration_error_is_that_of_a_sum_over_bins() -> None:
    log_odds = [math.log(0.9 / 0.1)] * 10 + [-math.log(0.6 / 0.4)] * 10
    better = [True] * 8 + [False] * 2 + [False] * 7 + [True] * 3
    found = calibration_error(log_odds, better, bins=2)
    assert (found.bins, found.comparisons) == (2, 20)
    assert found.error == pytest.approx((abs(0.9 - 0.8) + abs(0.6 - 0.7)) / 2)
    turned = calibration_error([-value for value in log_odds], [not one for one in better], bins=2)
    assert turned.error == pytest.approx(found.error)
    assert calibration_error([0.0] * 4, [True] * 4).error == 0.0
    assert [calibration_error([1.0] * count, [True] * count).bins for count in (5, 60, 1000)] == [1, 2, 10]


def test_no_comparison_has_a_part_in_the_temperature_that_it_is_judged_by() -> None:
    differences, better = noisy(60, temperature=1.0)
    groups = [f"prompt-{place % 12}" for place in range(60)]
    before = cross_fitted(differences, better, [1.0] * 60, groups)
    for group in ("prompt-0", "prompt-7"):
        mine = [place for place in range(60) if groups[place] == group]
        changed = [not one if place in mine else one for place, one in enumerate(better)]
        after = cross_fitted(differences, changed, [1.0] * 60, groups)
        assert before is not None
        assert after is not None
        assert [after[place] for place in mine] == [before[place] for place in mine]
        assert after != before, "the others' temperature has changed"
    assert cross_fitted([1.0], [True], [1.0], ["one prompt"]) is None


def scored(count: int, *, seed: int, prompts: int = 10, members: int = 2) -> Scored:
    chance = random.Random(seed)
    ratings = []
    for number in range(count):
        one = pair(0, times=number % prompts, preference=chance.choice([-2, -1, 0, 1, 2]))
        ratings.append((one, 1.0 if number % 3 else 0.5))
    random_ = torch.Generator().manual_seed(seed)
    sides = torch.tensor([[-one.preference, one.preference] for one, _ in ratings])
    noise = torch.randn(count, 2, members, generator=random_)
    return Scored(ratings, sides[:, :, None] * 0.5 + 2 * noise + torch.tensor([100.0, -7.0])[:members])


def test_the_summary_s_calibration_error_is_the_cross_fitted_one_and_not_that_of_the_same_comparisons() -> None:
    learnt, held_out = scored(200, seed=1), scored(40, seed=2, prompts=4)
    found = summarise(learnt, held_out, unusable=3, reliabilities={"a": 0.5})
    unit = (held_out.scores.double() - torch.tensor(found.member_means)) / torch.tensor(found.member_stds)
    chosen = [place for place, (one, _) in enumerate(held_out.ratings) if one.preference]
    differences = (unit[:, 1] - unit[:, 0]).mean(-1)[chosen].tolist()
    better = [held_out.ratings[place][0].preference > 0 for place in chosen]
    weights = [held_out.ratings[place][1] for place in chosen]
    groups = [held_out.ratings[place][0].prompt for place in chosen]
    fitted = cross_fitted(differences, better, weights, groups)
    assert fitted is not None
    assert found.temperature == pytest.approx(temperature_of(differences, better, weights), rel=1e-6)
    honest = calibration_error(fitted, better, weights).error
    same = calibration_error([value / found.temperature for value in differences], better, weights).error
    assert found.calibration_error == pytest.approx(honest, abs=1e-9)
    assert abs(honest - same) > 1e-4
    assert (found.calibration_comparisons, found.calibration_bins) == (len(chosen), max(1, len(chosen) // 30))
    assert (found.members, found.unusable, found.reliabilities) == (2, 3, {"a": 0.5})
    assert found.held_out == len(chosen)


def test_a_member_s_own_constant_and_scale_say_nothing() -> None:
    learnt, held_out = scored(100, seed=1), scored(60, seed=2)
    moved = [Scored(one.ratings, one.scores * torch.tensor([3.0, 0.2]) + 5) for one in (learnt, held_out)]
    one, other = (summarise(*parts, unusable=0, reliabilities={}) for parts in ((learnt, held_out), moved))
    for name in ("accuracy", "temperature", "calibration_error", "disagreement", "member_correlation", "std"):
        assert getattr(other, name) == pytest.approx(getattr(one, name), rel=1e-4), name
    before, after = calibrated(learnt.scores, one), calibrated(moved[0].scores, other)
    assert torch.allclose(before, after, atol=1e-3)


def test_the_figures_of_members_are_told() -> None:
    learnt, held_out = scored(200, seed=3), scored(200, seed=4)
    same = [Scored(one.ratings, one.scores[:, :, :1].expand(-1, -1, 2)) for one in (learnt, held_out)]
    found = summarise(*same, unusable=0, reliabilities={})
    assert found.disagreement == pytest.approx(0.0, abs=1e-6)
    assert found.member_correlation == pytest.approx(1.0)
    assert found.disagreement_and_error is None
    assert found.member_accuracies == [found.accuracy, found.accuracy]
    assert found.accuracy is not None
    assert found.accuracy > 0.6
    apart = summarise(learnt, held_out, unusable=0, reliabilities={})
    assert apart.disagreement > 0.1
    assert 0 < (apart.member_correlation or 0) < 0.9
    assert -1 < (apart.disagreement_and_error or 0) < 1
    nothing = summarise(learnt, Scored([], torch.zeros(0, 2, 2)), unusable=0, reliabilities={})
    assert (nothing.accuracy, nothing.calibration_error, nothing.temperature) == (None, None, 1.0)
    assert nothing.disagreement > 0


# -- what can't teach


@pytest.mark.parametrize(
    ("preferences", "message"),
    [
        ([], "no usable comparison"),
        ([pair(1, unusable=True), pair(2, weight=0.0)], "no usable comparison"),
        ([pair(number, preference=0) for number in range(4)], "all 4 comparisons are ties"),
        ([pair(number, preference=3) for number in range(12)], "all 12 preferences are for side B"),
        ([pair(number, preference=-1) for number in range(8)], "all 8 preferences are for side A"),
    ],
)
def test_a_snapshot_that_can_teach_nothing_is_an_error(preferences: list[Preference], message: str) -> None:
    with pytest.raises(PreferenceError, match=message):
        check(usable(preferences))


def test_ratings_that_nobody_s_agree_with_are_an_error() -> None:
    gold = [replace(one, gold=Gold(-3, -1) if one.preference > 0 else Gold(1, 3), annotator="turned") for one in PAIRS]
    with pytest.raises(PreferenceError, match="agree with the others' better than chance"):
        reward_model._rated(gold, SETTINGS)
    assert reward_model._rated(gold, replace(SETTINGS, weigh_annotators=False)).learnt


def test_a_scale_outside_1_to_5_is_refused() -> None:
    with pytest.raises(PreferenceError, match="security is a number from 1 to 5, not 6"):
        pair(1, scales_b={"security": 6})


def test_an_impossible_rating_is_refused() -> None:
    with pytest.raises(PreferenceError, match="-3 to 3, not 4"):
        pair(1, preference=4)
    with pytest.raises(PreferenceError, match="at least 0, not nan"):
        pair(1, weight=math.nan)


def test_a_comparison_longer_than_the_context_is_refused(micro_model: Path, tmp_path: Path) -> None:
    endless = [replace(one, code_a=one.code_a + "    # more\n" * 600) for one in PAIRS]
    with pytest.raises(PreferenceError, match="more than the backbone's context of 512"):
        train(micro_model, endless, settings=SETTINGS, run_folder=tmp_path, fence=1, watcher=Silent())


def test_no_prompt_is_both_learnt_from_and_judged_by_whatever_the_order_of_rows() -> None:
    learnt, judged = split_by_prompt(PAIRS, held_out=0.3, seed=1)
    assert {one.prompt_text for one in learnt}.isdisjoint(one.prompt_text for one in judged)
    assert len(learnt) + len(judged) == 40
    assert judged
    backwards = split_by_prompt(PAIRS[::-1], held_out=0.3, seed=1)
    assert {id(one) for one in backwards[1]} == {id(one) for one in judged}
    assert split_by_prompt(PAIRS[:1], held_out=0.5, seed=0) == (PAIRS[:1], [])
