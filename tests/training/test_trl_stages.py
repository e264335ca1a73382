"""DPO, GRPO and RLOO learn on a very small model, go on after a stop as if there had been none, and refuse bad input."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import GPT2Config, GPT2LMHeadModel

from tests.training.test_ppo import WORDS, share_of_target, tiny_tokenizer
from tests.training.test_reward_model import PAIRS, pair
from training import adapters, checkpoints, trl_stages
from training.align import AlignError, merge
from training.config import (
    DPOSettings,
    GroupSettings,
    GRPOSettings,
    LoraSettings,
    RLOOSettings,
    SettingsError,
    read,
    to_json,
)
from training.curriculum import Task, write_jsonl
from training.models import backbone_sha256, load, load_model
from training.progress import Progress, Silent, Stopped
from training.prompting import encode_completion, encode_prompt
from training.reward_model import Preference, PreferenceError, check, usable
from workers.commands import main
from workers.preferences import read_preferences

LORA = LoraSettings(r=4, alpha=8)
DPO = DPOSettings(learning_rate=1e-2, batch_size=8, epochs=2.0, lora=LORA, save_steps=4, bf16=False)
GROUP: dict[str, Any] = {
    "num_updates": 6, "learning_rate": 2e-2, "lr_scheduler_type": "constant", "batch_size": 32,
    "mini_batch_size": 16, "micro_batch_size": 16, "num_generations": 4, "max_completion_length": 12, "beta": 0.0,
    "lora": LORA, "save_steps": 2, "bf16": False,
}  # fmt: skip
STAGES = {"grpo": (trl_stages.grpo, GRPOSettings(**GROUP)), "rloo": (trl_stages.rloo, RLOOSettings(**GROUP))}


class Recorder(Silent):
    """Keeps what it is told, and stops the run after a step."""

    def __init__(self, *, stop_at: int = 0) -> None:
        self.seen: list[Progress] = []
        self.stop_at = stop_at

    def step(self, progress: Progress) -> None:
        self.seen.append(progress)
        if progress.step == self.stop_at:
            raise Stopped

    def values(self, metric: str) -> list[float]:
        return [one.metrics[metric] for one in self.seen]


class Letter:
    """Rewards the share of the letter c, and remembers how many completions it has judged."""

    name = "letter"
    judged = 0
    closed = False

    def __init__(self) -> None:
        self.seen: list[tuple[str, list[int]]] = []

    def __call__(
        self, prompts: Sequence[str], completions: Sequence[str], completion_ids: Any, key: Any, **columns: Any
    ) -> list[float | None]:
        assert {"entry", "tests", "properties", "contract", "trainer_state", "log_extra"} <= set(columns)
        # A group is one task's: TRL puts its completions side by side.
        assert all(len(set(key[start : start + 4])) == 1 for start in range(0, len(key), 4))
        assert all(len(set(prompts[start : start + 4])) == 1 for start in range(0, len(key), 4))
        self.judged += len(completions)
        self.seen += zip(prompts, completion_ids, strict=True)
        columns["log_metric"]("judged", self.judged)
        return share_of_target(completion_ids)

    def close(self) -> None:
        self.closed = True

    def state_dict(self) -> dict[str, Any]:
        return {"judged": self.judged}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.judged = state["judged"]


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of two dozen words, so that seconds are enough to prefer one of them."""
    config = GPT2Config(
        vocab_size=len(WORDS), n_positions=256, n_embd=32, n_layer=1, n_head=2, initializer_range=0.3,
        bos_token_id=1, eos_token_id=1,
    )  # fmt: skip
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("backbone")
    GPT2LMHeadModel(config).save_pretrained(str(folder))
    tiny_tokenizer().save_pretrained(str(folder))
    return folder


@pytest.fixture
def letters(monkeypatch: pytest.MonkeyPatch) -> list[Letter]:
    """Every stage's reward is one of these; the list holds those that were made."""
    made: list[Letter] = []

    def compose(*_: Any, **__: Any) -> Letter:
        made.append(Letter())
        return made[-1]

    monkeypatch.setattr(trl_stages, "compose", compose)
    return made


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(str(folder / "adapter_model.safetensors"))


def same(one: Path, other: Path) -> bool:
    first, second = weights(one), weights(other)
    return first.keys() == second.keys() and all(torch.equal(value, second[name]) for name, value in first.items())


def summary(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "alignment.json").read_text())


# -- DPO


def logprob(model: Any, tokenizer: Any, one: Preference, code: str) -> float:
    """Of the whole program with its end, one row at a time."""
    prompt = encode_prompt(tokenizer, one.prompt_text, one.signature)
    completion = encode_completion(tokenizer, code)
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([prompt + completion])).logits[0]
    found = torch.log_softmax(logits[len(prompt) - 1 : -1].double(), -1)
    return float(found[range(len(completion)), completion].sum())


def better_and_worse(one: Preference) -> tuple[str, str]:
    return (one.code_b, one.code_a) if one.preference > 0 else (one.code_a, one.code_b)


def run_dpo(backbone: Path, run: Path, watcher: Silent, *, fence: int = 1, settings: DPOSettings = DPO) -> Path:
    return trl_stages.dpo(
        backbone,
        [*PAIRS, pair(1, preference=0), pair(2, unusable=True), pair(3, weight=0.0)],
        settings=settings,
        run_folder=run,
        fence=fence,
        watcher=watcher,
    )


@pytest.fixture(scope="module")
def straight_dpo(micro_model: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Recorder]:
    watcher = Recorder()
    return run_dpo(micro_model, tmp_path_factory.mktemp("dpo"), watcher), watcher


def test_dpo_starts_at_even_odds_and_learns_an_order_that_holds_on_new_prompts(
    straight_dpo: tuple[Path, Recorder], micro_model: Path, tmp_path: Path
) -> None:
    folder, watcher = straight_dpo
    losses = watcher.values("loss")
    assert losses[0] == pytest.approx(math.log(2), abs=1e-4)  # the policy is the reference
    assert losses[-1] < 0.45
    assert watcher.values("rewards/accuracies")[-1] == 1.0
    assert [(one.stage, one.step, one.total) for one in watcher.seen] == [("dpo", i, 10) for i in range(1, 11)]
    found = summary(folder)
    assert (found["pairs"], found["ties_left_out"], found["unusable_left_out"]) == (40, 1, 2)
    before, tokenizer = load(micro_model)
    after = load_model(merge(micro_model, folder, tmp_path / "merged"))
    for number in range(8):
        one = pair(number, times=number // 4 + 1)
        assert one.prompt_text not in {seen.prompt_text for seen in PAIRS}
        gains = [
            logprob(after, tokenizer, one, code) - logprob(before, tokenizer, one, code)
            for code in better_and_worse(one)
        ]
        assert gains[0] > gains[1] + 3.0


def test_dpo_scores_whole_programs_with_their_end_as_a_second_implementation_does(
    micro_model: Path, tmp_path: Path
) -> None:
    watcher = Recorder()
    run_dpo(micro_model, tmp_path, watcher, settings=replace(DPO, batch_size=40, epochs=1.0))
    model, tokenizer = load(micro_model)
    for place, metric in ((0, "logps/chosen"), (1, "logps/rejected")):
        expected = [logprob(model, tokenizer, one, better_and_worse(one)[place]) for one in PAIRS]
        assert watcher.values(metric) == [pytest.approx(sum(expected) / len(expected), abs=1e-2)]


def test_a_stopped_dpo_ends_with_the_same_adapter(
    straight_dpo: tuple[Path, Recorder], micro_model: Path, tmp_path: Path
) -> None:
    with pytest.raises(Stopped):
        run_dpo(micro_model, tmp_path, Recorder(stop_at=7))
    assert checkpoints.step_of(checkpoints.latest(tmp_path) or Path()) == 4
    watcher = Recorder()
    folder = run_dpo(micro_model, tmp_path, watcher, fence=2)
    assert watcher.seen[0].step == 5
    assert same(folder, straight_dpo[0])
    assert run_dpo(micro_model, tmp_path, Recorder(stop_at=1), fence=3) == folder


def test_an_adapter_of_dpo_refuses_another_backbone(straight_dpo: tuple[Path, Recorder], micro_model: Path) -> None:
    adapters.check(straight_dpo[0], kind="policy", backbone_sha256=backbone_sha256(micro_model))
    with pytest.raises(adapters.AdapterError, match="was trained on the backbone"):
        adapters.check(straight_dpo[0], kind="policy", backbone_sha256="0" * 64)


@pytest.mark.parametrize(
    ("preferences", "message"),
    [
        ([], "no pair to learn from"),
        ([pair(0, preference=0), pair(1, unusable=True)], "1 ties and 1 unusable pairs are left out"),
        ([pair(0), replace(pair(1), code_a="x = 1\n" * 400)], "pair 2 has .* more than the backbone's context of 512"),
    ],
)
def test_dpo_refuses_pairs_that_teach_nothing_or_do_not_fit(
    preferences: list[Preference], message: str, micro_model: Path, tmp_path: Path
) -> None:
    with pytest.raises(PreferenceError, match=message):
        trl_stages.dpo(micro_model, preferences, settings=DPO, run_folder=tmp_path, fence=1, watcher=Silent())
    assert not any(tmp_path.iterdir())


# -- GRPO and RLOO


def run_stage(
    stage: str, backbone: Path, tasks: Sequence[Task], run: Path, watcher: Silent, *, fence: int = 1, **changes: Any
) -> Path:
    function, settings = STAGES[stage]
    go: Callable[..., Path] = function
    chosen: GroupSettings = replace(settings, **changes)
    return go(backbone, tasks, reward_model=None, settings=chosen, run_folder=run, fence=fence, watcher=watcher)


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_raises_its_reward_and_a_stopped_one_ends_with_the_same_adapter(
    stage: str, backbone: Path, splits: dict[str, list[Task]], letters: list[Letter], tmp_path: Path
) -> None:
    # Fewer tasks than 6 updates draw: the run goes past the end of a pass over them.
    tasks, watcher = splits["train"][:20], Recorder()
    straight = run_stage(stage, backbone, tasks, tmp_path / "straight", watcher)
    rewards = watcher.values("reward")
    assert rewards[0] < 0.1
    assert rewards[-1] > 0.4
    assert [(one.stage, one.step, one.total) for one in watcher.seen] == [(stage, i, 6) for i in range(1, 7)]
    assert watcher.values("reward/judged") == [32.0 * update for update in range(1, 7)]
    assert summary(straight)["method"] == stage
    assert summary(straight)["last"]["reward"] == pytest.approx(rewards[-1])

    run, resumed = tmp_path / "run", Recorder()
    with pytest.raises(Stopped):
        run_stage(stage, backbone, tasks, run, Recorder(stop_at=5))
    assert checkpoints.step_of(checkpoints.latest(run) or Path()) == 8
    folder = run_stage(stage, backbone, tasks, run, resumed, fence=2)
    assert resumed.values("reward") == rewards[4:]
    assert resumed.values("reward/judged") == [160.0, 192.0]
    assert same(folder, straight)
    assert all(reward.closed for reward in letters)
    assert run_stage(stage, backbone, tasks, run, Recorder(stop_at=1), fence=3) == folder
    merged = load_model(merge(backbone, folder, tmp_path / "merged"))
    assert merged.config.model_type == "gpt2"


@pytest.mark.parametrize("stage", STAGES)
def test_several_passes_over_an_update_and_a_penalty_for_leaving_the_backbone(
    stage: str, backbone: Path, splits: dict[str, list[Task]], letters: list[Letter], tmp_path: Path
) -> None:
    free, held = Recorder(), Recorder()
    options: dict[str, Any] = {"num_updates": 3, "num_iterations": 2}
    run_stage(stage, backbone, splits["train"], tmp_path / "free", free, beta=1e-4, **options)
    run_stage(stage, backbone, splits["train"], tmp_path / "held", held, beta=5.0, **options)
    assert len(letters) == 2
    assert letters[0].judged == 3 * 32
    assert held.values("kl")[-1] < 0.5 * free.values("kl")[-1]


@pytest.mark.parametrize("stage", STAGES)
def test_micro_batches_change_speed_and_not_the_update(
    stage: str, backbone: Path, splits: dict[str, list[Task]], letters: list[Letter], tmp_path: Path
) -> None:
    found = []
    for size in (16, 6):  # 6 does not divide 16: 4 is taken
        run = tmp_path / str(size)
        folder = run_stage(stage, backbone, splits["train"], run, Silent(), num_updates=1, micro_batch_size=size)
        found.append(weights(folder))
    assert all(torch.allclose(value, found[1][name], atol=2e-4) for name, value in found[0].items())
    assert len(letters) == 2


@pytest.mark.parametrize("stage", STAGES)
def test_completions_are_scored_at_their_temperature_as_a_second_implementation_does(
    stage: str, backbone: Path, splits: dict[str, list[Task]], letters: list[Letter], tmp_path: Path
) -> None:
    """One optimiser step, so that its entropy is the backbone's; prompts of unlike length, so that rows are padded."""
    watcher = Recorder()
    options = {"num_updates": 1, "mini_batch_size": 32, "micro_batch_size": 32, "temperature": 0.7}
    run_stage(stage, backbone, splits["train"][:20], tmp_path, watcher, **options)
    model, tokenizer = load(backbone)
    entropies: list[float] = []
    for prompt, completion in letters[0].seen:
        ids = tokenizer(prompt)["input_ids"]
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([[*ids, *completion]])).logits[0, len(ids) - 1 : -1].double()
        entropies += torch.distributions.Categorical(logits=logits / 0.7).entropy().tolist()
    assert len({len(prompt.split()) for prompt, _ in letters[0].seen}) > 1
    assert watcher.values("entropy") == [pytest.approx(sum(entropies) / len(entropies), abs=1e-4)]


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_refuses_what_it_can_not_run(
    stage: str, backbone: Path, splits: dict[str, list[Task]], tmp_path: Path
) -> None:
    tasks = splits["train"][:4]
    with pytest.raises(AlignError, match="no tasks"):
        run_stage(stage, backbone, [], tmp_path, Silent())
    with pytest.raises(AlignError, match="num_generations must divide batch_size, which is 32"):
        run_stage(stage, backbone, tasks, tmp_path, Silent(), num_generations=5)
    with pytest.raises(AlignError, match=f"task {tasks[0].key} has a prompt of .* only 6 fit"):
        run_stage(stage, backbone, tasks, tmp_path, Silent(), max_completion_length=250)
    assert not any(tmp_path.iterdir())


def test_a_reward_that_is_no_number_ends_the_run(
    backbone: Path, splits: dict[str, list[Task]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Broken(Letter):
        def __call__(self, prompts: Sequence[str], **_: Any) -> list[float | None]:  # type: ignore[override]
            return [math.nan] * len(prompts)

    monkeypatch.setattr(trl_stages, "compose", lambda *_, **__: Broken())
    with pytest.raises(RuntimeError, match="returned nan for completion 0"):
        run_stage("grpo", backbone, splits["train"], tmp_path, Silent())


def test_a_row_padded_on_the_left_is_read_as_it_is_without_padding(micro_model: Path) -> None:
    model, tokenizer = load(micro_model)
    short, long = [5, 6, 7], [8, 9, 10, 11, 12, 13]
    padded = torch.tensor([[tokenizer.pad_token_id] * 3 + short, long])
    mask = torch.tensor([[0, 0, 0, 1, 1, 1], [1] * 6])
    with torch.no_grad():
        alone = [model(input_ids=torch.tensor([row])).logits[0] for row in (short, long)]
        wrong = model(input_ids=padded, attention_mask=mask).logits
        trl_stages.positions_by_mask(model)
        right = model(input_ids=padded, attention_mask=mask).logits
        generated = model.generate(input_ids=padded, attention_mask=mask, max_new_tokens=4, do_sample=False)
        expected = model.generate(
            input_ids=torch.tensor([short]), max_new_tokens=4, do_sample=False, attention_mask=torch.ones(1, 3)
        )
    assert not torch.allclose(wrong[0, 3:], alone[0], atol=1e-3)
    assert torch.allclose(right[0, 3:], alone[0], atol=1e-5)
    assert torch.allclose(right[1], alone[1], atol=1e-5)
    assert generated[0, 6:].tolist() == expected[0, 3:].tolist()


# -- settings


@pytest.mark.parametrize("kind", [DPOSettings, GRPOSettings, RLOOSettings])
def test_settings_survive_a_trip_through_json(kind: type[Any]) -> None:
    assert read(kind, json.loads(json.dumps(to_json(kind())))) == kind()


@pytest.mark.parametrize(
    ("kind", "values", "problems"),
    [
        (DPOSettings, {"label_smoothing": 0.1}, {"label_smoothing": "must be 0 with loss_type sigmoid: only robust knows it"}),
        (DPOSettings, {"loss_type": "best"}, {"loss_type": "must be one of sigmoid, hinge, ipo, robust"}),
        (DPOSettings, {"beta": 0}, {"beta": "must be above 0, not 0"}),
        (GRPOSettings, {"num_generations": 3}, {"num_generations": "must divide batch_size, which is 128"}),
        (GRPOSettings, {"num_generations": 1}, {"num_generations": "must be at least 2, not 1"}),
        (RLOOSettings, {"mini_batch_size": 48}, {"mini_batch_size": "must divide batch_size, which is 128"}),
        (RLOOSettings, {"scale_rewards": "none"}, {}),
        (
            RLOOSettings,
            {"lora": {"dropout": 0.1}},
            {"lora.dropout": "must be 0: the loss compares what the same weights said twice"},
        ),
    ],
)  # fmt: skip
def test_settings_at_odds_are_named(kind: type[Any], values: dict[str, Any], problems: dict[str, str]) -> None:
    with pytest.raises(SettingsError) as caught:
        read(kind, values)
    if problems:
        assert caught.value.problems == problems
    else:
        assert caught.value.problems["scale_rewards"].startswith("unknown setting")


# -- the command line


def exported(one: Preference, **changes: Any) -> dict[str, Any]:
    """A row as aval export writes it."""
    better, worse = better_and_worse(one)
    return {
        "prompt": f"{one.prompt_text}\n{one.signature}", "chosen": better, "rejected": worse,
        "margin": abs(one.preference), "annotator": one.annotator, "tie": one.preference == 0, "unusable": False,
        "prompt_text": one.prompt_text, "signature": one.signature, **changes,
    }  # fmt: skip


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    capsys.readouterr()
    assert main([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_the_command_trains_by_dpo_on_an_exported_file_and_tells_what_it_left_out(
    micro_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, run = tmp_path / "preferences.jsonl", tmp_path / "run"
    rows = [exported(one) for one in PAIRS[:12]]
    rows += [exported(pair(0, preference=0)), exported(pair(1), unusable=True, margin=0)]
    file.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    arguments = ("train", "dpo", "--backbone", str(micro_model), "--preferences", str(file), "--out", str(run))
    found = told(capsys, *arguments, "--batch-size", "4", "--epochs", "1", "--lora.r", "4")
    assert {name: found[name] for name in ("pairs", "ties_left_out", "unusable_left_out")} == {
        "pairs": 12,
        "ties_left_out": 1,
        "unusable_left_out": 1,
    }
    assert summary(Path(found["adapter"]))["last"]["step"] == 3
    assert load_model(found["model"]).config.model_type == "gpt2"


def test_an_exported_file_shows_no_bias_for_a_side_and_keeps_ties_for_the_reward_model(tmp_path: Path) -> None:
    file = tmp_path / "preferences.jsonl"
    rows = [*map(exported, PAIRS[:12]), exported(pair(0, preference=0)), exported(pair(1), unusable=True)]
    file.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    found = [Preference(**row) for row in read_preferences(file)]
    check(usable(found))  # 12 preferences for one side would be refused
    assert [better_and_worse(one) for one in found[:12]] == [better_and_worse(one) for one in PAIRS[:12]]
    assert [abs(one.preference) for one in found] == [2] * 12 + [0, 0]
    assert [one.unusable for one in found] == [False] * 13 + [True]


@pytest.mark.parametrize("stage", STAGES)
def test_the_command_trains_on_the_sandboxs_and_the_verifiers_rewards(
    stage: str, micro_model: Path, splits: dict[str, list[Task]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_jsonl(tmp_path / "tasks.jsonl", splits["train"][:8])
    found = told(
        capsys,
        *("train", stage, "--backbone", str(micro_model), "--tasks", str(tmp_path / "tasks.jsonl")),
        *("--out", str(tmp_path / "run"), "--num-updates", "1", "--batch-size", "8", "--mini-batch-size", "8"),
        *("--num-generations", "4", "--max-completion-length", "16", "--lora.r", "4"),
    )
    last = summary(Path(found["adapter"]))["last"]
    assert {"reward", "reward/tests", "reward/passed", "kl"} <= set(last)
    assert load_model(found["model"]).config.model_type == "gpt2"


def test_the_command_names_a_bad_setting_before_anything_is_read(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "grpo", "--backbone", "x", "--tasks", "y", "--out", "z", "--num-generations", "3"]) == 2
    assert capsys.readouterr().err == "aval: --num-generations must divide batch_size, which is 128\n"
