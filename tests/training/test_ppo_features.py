"""What PPOTrainer offers beside its plain use: other rewards, prompts, references and weights, and what it writes."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, PeftModel
from safetensors.torch import load_file, save_file
from transformers import LlamaConfig, LlamaForCausalLM, PrinterCallback

from tests.training.test_ppo import (
    PROMPTS,
    TARGET,
    WORDS,
    config,
    share_of_target,
    tiny_model,
    tiny_tokenizer,
    updates,
    weights,
)
from tests.training.test_ppo_distributed import two_processes
from training import adapters, advantages, models
from training.config import LoraSettings
from training.experience import Prompts
from training.models import load_model
from training.policy import PolicyWithValue, pad_rows
from training.ppo import PPOConfig, PPOTrainer
from training.roles import REFERENCE, VALUE, roles_for
from training.rollout import NotANumber
from training.scoring import RewardError, Scorer

SAVED = {"save_strategy": "steps", "save_steps": 4}
ROWS = pad_rows([[3, 4, 5], [6]], [[7, 8], [9, 2, 3, 1]], pad=0, device="cpu")


def trainer_of(folder: Path, model: Any = None, reward: Any = share_of_target, **options: Any) -> PPOTrainer:
    given = {name: options.pop(name) for name in ("peft_config", "processing_class") if name in options}
    rows = options.pop("rows", PROMPTS)
    trainer = PPOTrainer(
        model or tiny_model(),
        reward,
        config(folder, **{"num_updates": 1, **options}),
        train_dataset=rows,
        **{"processing_class": tiny_tokenizer(), **given},
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def saved_model(folder: Path, *, seed: int = 0) -> Path:
    tiny_model(seed=seed).save_pretrained(str(folder))
    tiny_tokenizer().save_pretrained(str(folder))
    return folder


def logits(model: Any) -> torch.Tensor:
    with torch.no_grad():
        return model.eval()(input_ids=torch.tensor([[3, 4, 5, 6, 7]])).logits


# -- rewards of single tokens


def each_target(completion_ids: Sequence[Sequence[int]], **_: Any) -> list[Any]:
    return [[float(token == TARGET) for token in ids] for ids in completion_ids]


def some(completion_ids: Sequence[Sequence[int]], **_: Any) -> list[Any]:
    """A number, nothing, or a tensor of a number a token."""
    return [(2.0, None, torch.full((len(ids),), 0.5))[row % 3] for row, ids in enumerate(completion_ids)]


def test_token_rewards_are_those_of_a_plain_loop() -> None:
    draw = torch.Generator().manual_seed(0)
    scores, kl, given = (torch.randn(shape, generator=draw) for shape in ((4,), (4, 6), (4, 6)))
    lengths = torch.tensor([6, 1, 3, 2])
    found = advantages.token_rewards(scores, kl, lengths, kl_coef=0.3, given=given)
    for row, length in enumerate(lengths.tolist()):
        for time in range(6):
            expected = float(given[row, time]) - 0.3 * float(kl[row, time]) if time < length else 0.0
            expected += float(scores[row]) if time == length - 1 else 0.0
            assert float(found[row, time]) == pytest.approx(expected, abs=1e-6)


def test_functions_that_reward_tokens_and_completions_add_up_by_their_weights() -> None:
    ids = [[TARGET, 5], [TARGET], [5, TARGET, TARGET]]
    scored = Scorer([each_target, some], [2.0, 10.0])(["p"] * 3, ["c"] * 3, ids, {})
    assert scored.parts == {"each_target": [1.0, 1.0, 2.0], "some": [2.0, None, 1.5]}
    assert scored.tokens == [[2.0, 0.0], [2.0], [5.0, 7.0, 7.0]]
    assert scored.total == [22.0, 2.0, 19.0]
    assert scored.whole == [20.0, 0.0, 0.0]
    plain = Scorer([share_of_target])(["p"] * 3, ["c"] * 3, ids, {})
    assert plain.tokens is None
    assert plain.whole == plain.total


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([1.0], "wrong returned 1 numbers for completion 1, which has 2 tokens"),
        ([1.0, math.nan], "wrong returned nan for completion 1"),
        ([1.0, None], "wrong returned None for completion 1"),
        ([[1.0], [2.0]], "wrong returned"),
    ],
)
def test_a_list_that_can_be_no_reward_is_refused(value: Any, message: str) -> None:
    def wrong(**_: Any) -> list[Any]:
        return [0.0, value]

    with pytest.raises(RewardError, match=message):
        Scorer([wrong])(["p"] * 2, ["c"] * 2, [[4], [4, 5]], {})


def test_a_tokens_reward_lands_on_it_and_a_completions_on_its_last_token(tmp_path: Path) -> None:
    options = {"kl_coef": 0.0, "lam": 1.0, "missing_eos_penalty": 0.25, "reward_weights": [1.0, 10.0]}
    trainer = trainer_of(tmp_path, None, [each_target, share_of_target], **options)
    experience = trainer.collect(0)
    # The value is 0 at first, so that each return is the sum of the rewards from there on.
    for row, ids in enumerate(experience.completion_ids):
        last = 10.0 * float(share_of_target([ids])[0] or 0.0) - (0.0 if ids[-1] == trainer.eos else 0.25)
        for time in range(len(ids)):
            ahead = sum(float(token == TARGET) for token in ids[time:])
            assert float(experience.returns[row, time]) == pytest.approx(ahead + last, abs=1e-5)
    measured = trainer._measured
    targets = [ids.count(TARGET) for ids in experience.completion_ids]
    assert measured["reward/each_target"] == pytest.approx(sum(targets) / len(targets))
    assert measured["reward"] == pytest.approx(measured["reward/each_target"] + 10 * measured["reward/share_of_target"])


# -- conversations as prompts

TEMPLATE = "{% for m in messages %}{{ m['content'] }} {% endfor %}{% if add_generation_prompt %}v{% endif %}"
CHAT = [{"prompt": [{"role": "system", "content": "u"}, {"role": "user", "content": word}]} for word in "abc"]


def test_messages_are_rendered_by_the_chat_template_and_answered_by_a_message(tmp_path: Path) -> None:
    seen: list[Any] = []

    def reward(prompts: list[Any], completions: list[Any], **_: Any) -> list[Any]:
        seen.append((prompts, completions))
        return [float(len(messages[-1]["content"])) for messages in completions]

    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = TEMPLATE
    trainer = trainer_of(tmp_path, None, reward, rows=CHAT, processing_class=tokenizer, print_completions=1)
    assert trainer.prompts.ids == [[WORDS.index(word) for word in ("u", asked, "v")] for asked in "abc"]
    trainer.train()
    ((prompts, completions),) = seen
    assert all(prompt in [row["prompt"] for row in CHAT] for prompt in prompts)
    assert all(len(answer) == 1 and answer[0].keys() == {"role", "content"} for answer in completions)
    assert {answer[0]["role"] for answer in completions} == {"assistant"}
    line = json.loads((tmp_path / "completions" / "000001.jsonl").read_text().splitlines()[0])
    assert line["prompt"] == prompts[0]
    assert line["completion"] == completions[0][0]["content"]


@pytest.mark.parametrize(
    ("template", "messages", "message"),
    [
        (None, CHAT[0]["prompt"], "row 0 of the training dataset has messages .* no chat template"),
        (TEMPLATE, [{"role": "assistant", "content": "a"}], "ends with the assistant's own message"),
        (TEMPLATE, [], "must be text, not list, or a list of messages"),
        (TEMPLATE, ["a"], "must be text, not list, or a list of messages"),
    ],
)
def test_messages_that_can_not_be_a_prompt_are_refused(template: Any, messages: Any, message: str) -> None:
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = template
    with pytest.raises((ValueError, TypeError), match=message):
        Prompts([{"prompt": messages}], tokenizer, room=40, seed=0)


# -- a model that was tuned by LoRA before


def tuned_model(**options: Any) -> PeftModel:
    model = tiny_model()
    settings = {"r": 3, "target_modules": "all-linear", "fan_in_fan_out": True, "task_type": "CAUSAL_LM", **options}
    tuned = adapters.attach(model, LoraConfig(**settings))
    with torch.no_grad():
        for name, parameter in tuned.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.3)
    return tuned.requires_grad_(False)  # as PEFT loads it


def test_the_reference_of_a_tuned_model_is_that_model_and_not_its_base(tmp_path: Path) -> None:
    expected, base = logits(adapters.merged(tuned_model())), logits(tiny_model())
    options = {"num_updates": 3, "learning_rate": 1e-2, "num_ppo_epochs": 1, **SAVED}
    trainer = trainer_of(tmp_path, tuned_model(), **options)
    ids = torch.tensor([[3, 4, 5, 6, 7]])
    rows = pad_rows([[3]], [[4, 5, 6, 7]], pad=0, device="cpu")
    wanted = torch.log_softmax(expected[0, :4], -1)[range(4), ids[0, 1:]]
    assert not torch.allclose(expected, base, atol=0.1)
    trainer.train()
    first, *_, last = updates(trainer)
    assert first["kl"] == pytest.approx(0.0, abs=1e-5)
    assert abs(last["kl"]) > 1e-3
    # Training has moved the policy, and the reference not at all, in either way of computing it.
    assert torch.allclose(trainer.model.reference_logprobs(**rows), wanted, atol=1e-5)
    policy = trainer.model(**rows).logprobs
    assert not torch.allclose(policy, wanted, atol=1e-2)
    trainer.model.blocks = None
    assert torch.allclose(trainer.model.reference_logprobs(**rows), wanted, atol=1e-5)
    assert torch.allclose(trainer.model(**rows).logprobs, policy, atol=1e-5)
    assert not any(f".{REFERENCE}." in name for name in trainer.model.trainable())
    trainer.save_model()
    with adapters.quiet():
        again = PeftModel.from_pretrained(tiny_model(), str(tmp_path))
    assert torch.allclose(logits(again), logits(trainer.merged()), atol=1e-5)
    resumed = trainer_of(tmp_path / "resumed", tuned_model(), **options)
    resumed.train(resume_from_checkpoint=tmp_path / "checkpoint-4")
    assert updates(resumed) == updates(trainer)


def test_an_adapter_that_is_more_than_a_sum_is_drawn_from_as_it_is_trained(tmp_path: Path) -> None:
    trainer = trainer_of(tmp_path, tuned_model(use_dora=True))
    assert torch.allclose(logits(trainer.decoder.refresh()), logits(trainer.model.policy), atol=1e-4)
    trainer.train()
    assert updates(trainer)[0]["kl"] == pytest.approx(0.0, abs=1e-4)
    assert torch.allclose(logits(trainer.decoder.refresh()), logits(trainer.model.policy), atol=1e-4)


# -- all weights


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_full_finetuning_trains_all_weights_and_holds_them_to_a_frozen_copy(tmp_path: Path, kind: str) -> None:
    options = {"num_updates": 3, "learning_rate": 1e-3, "full_finetuning": True, "num_ppo_epochs": 1, **SAVED}
    trainer = trainer_of(tmp_path / "a", BUILDERS[kind](), **options)
    before = weights(trainer)
    assert len(before) == len(list(BUILDERS[kind]().parameters())) + 4
    trainer.train()
    after = weights(trainer)
    first, *_, last = updates(trainer)
    assert not any(torch.equal(before[name], value) for name, value in after.items())
    assert first["kl"] == pytest.approx(0.0, abs=1e-5)
    assert abs(last["kl"]) > 1e-5
    assert all(row["first_ratio_error"] < 1e-5 for row in updates(trainer))
    assert torch.equal(logits(trainer.model.reference), logits(BUILDERS[kind]()))
    trainer.save_model()
    expected = logits(trainer.merged())
    assert torch.equal(logits(load_model(tmp_path / "a")), expected)
    resumed = trainer_of(tmp_path / "b", BUILDERS[kind](), **options)
    resumed.train(resume_from_checkpoint=tmp_path / "a" / "checkpoint-4")
    assert updates(resumed) == updates(trainer)
    assert all(torch.equal(value, weights(resumed)[name]) for name, value in after.items())


def llama(**options: Any) -> LlamaForCausalLM:
    shape = {
        "vocab_size": len(WORDS), "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
        "num_attention_heads": 2, "num_key_value_heads": 1, "max_position_embeddings": 64, "initializer_range": 0.3,
    }  # fmt: skip
    torch.manual_seed(0)
    return LlamaForCausalLM(LlamaConfig(**shape, bos_token_id=1, eos_token_id=1, **options)).eval()


BUILDERS = {"gpt2": tiny_model, "llama": llama}


@pytest.mark.parametrize("kind", BUILDERS)
@pytest.mark.parametrize("options", [{"full_finetuning": True}, {"value_adapter": True}])
@pytest.mark.parametrize("value_only", [False, True])
def test_the_fast_pass_and_the_models_own_give_the_same_gradients(kind: str, options: Any, value_only: bool) -> None:
    torch.manual_seed(0)
    roles = roles_for(BUILDERS[kind](), None, **options)
    model = PolicyWithValue(roles.policy, temperature=0.8, reference=roles.reference, value_adapter=roles.value)
    with torch.no_grad():
        for name, parameter in model.trainable().items():
            if "lora_B" in name or "value_head.out" in name:
                parameter.normal_(std=0.2)
    assert model.blocks is not None
    found = []
    for _ in range(2):
        model.zero_grad()
        scores = model(**ROWS, value_only=value_only)
        (scores.logprobs.square().sum() * (not value_only) + scores.values.square().sum()).backward()
        gradients = {name: parameter.grad.clone() for name, parameter in model.trainable().items()}
        found.append((scores.logprobs.detach(), scores.values.detach(), model.reference_logprobs(**ROWS), gradients))
        model.blocks = None
    for one, other in zip(*(part[:3] for part in found), strict=True):
        torch.testing.assert_close(one, other, atol=2e-5, rtol=1e-4)
    for name, gradient in found[0][3].items():
        torch.testing.assert_close(gradient, found[1][3][name], atol=2e-4, rtol=1e-3, msg=name)


def test_states_that_were_kept_serve_policy_value_and_reference_alike() -> None:
    model = tiny_model()
    roles = roles_for(model, adapters.lora_config(LoraSettings(layers=1), model), value_adapter=True)
    whole = PolicyWithValue(roles.policy, temperature=1.0, reference=roles.reference, value_adapter=roles.value)
    with torch.no_grad():
        for parameter in whole.trainable().values():
            parameter.add_(0.1 * torch.randn_like(parameter))
        trunk = whole.trunk(**ROWS)
        assert trunk is not None
        kept, anew = whole(**ROWS, trunk=trunk), whole(**ROWS)
        torch.testing.assert_close(kept.logprobs, anew.logprobs)
        torch.testing.assert_close(kept.values, anew.values)
        torch.testing.assert_close(whole.reference_logprobs(**ROWS, trunk=trunk), whole.reference_logprobs(**ROWS))
    plain = roles_for(tiny_model(), None, full_finetuning=True)
    assert PolicyWithValue(plain.policy, temperature=1.0, reference=plain.reference).trunk(**ROWS) is None


@pytest.mark.parametrize("full", [False, True])
def test_a_checkpoint_of_another_kind_is_refused(tmp_path: Path, full: bool) -> None:
    trainer_of(tmp_path / "a", full_finetuning=full).save_model()
    with pytest.raises(ValueError, match=f"was made with {'full_finetuning' if full else 'LoRA'}"):
        trainer_of(tmp_path / "b", full_finetuning=not full).train(resume_from_checkpoint=tmp_path / "a")
    with pytest.raises(ValueError, match=r"has no ppo_state\.json"):
        trainer_of(tmp_path / "b").train(resume_from_checkpoint=tmp_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"full_finetuning": True, "peft_config": LoraConfig()}, "full_finetuning trains all weights"),
        ({"full_finetuning": True, "value_adapter": True}, "value_adapter needs LoRA"),
        ({"model": "tuned", "full_finetuning": True}, "needs a plain model: merge the adapter"),
        ({"model": "tuned", "peft_config": LoraConfig()}, "has an adapter already"),
    ],
)
def test_choices_that_exclude_each_other_are_refused(tmp_path: Path, options: Any, message: str) -> None:
    model = tuned_model() if options.pop("model", None) else None
    with pytest.raises(ValueError, match=message):
        trainer_of(tmp_path, model, **options)


# -- an adapter for the value


def test_the_values_adapter_learns_beside_the_policys_and_is_saved_beside_it(tmp_path: Path) -> None:
    backbone = saved_model(tmp_path / "model")
    options = {"num_updates": 3, "value_adapter": True, "value_pretraining_updates": 1, "num_ppo_epochs": 1, **SAVED}
    trainer = trainer_of(tmp_path / "a", str(backbone), processing_class=None, **options)
    assert trainer.model.blocks is not None
    before = weights(trainer)
    trainer.train()
    after = weights(trainer)
    moved = {name for name, value in after.items() if not torch.equal(before[name], value)}
    assert {name for name in before if f".{VALUE}." in name} < moved
    assert {name for name in before if ".default." in name} < moved
    assert all(row["first_ratio_error"] < 1e-5 for row in updates(trainer))
    digest = models.backbone_sha256(backbone)
    folder = tmp_path / "a" / "checkpoint-4"
    policy = adapters.load(load_model(backbone), folder, kind="policy", backbone_sha256=digest)
    value = adapters.load(load_model(backbone), folder / VALUE, kind="value", backbone_sha256=digest)
    assert not torch.allclose(logits(policy), logits(value), atol=1e-4)
    with pytest.raises(adapters.AdapterError, match="holds a value adapter, but a policy adapter is needed"):
        adapters.check(folder / VALUE, kind="policy", backbone_sha256=digest)
    resumed = trainer_of(tmp_path / "b", str(backbone), processing_class=None, **options)
    resumed.train(resume_from_checkpoint=folder)
    assert updates(resumed) == updates(trainer)
    assert all(torch.equal(value, weights(resumed)[name]) for name, value in after.items())
    other = trainer_of(tmp_path / "c", str(saved_model(tmp_path / "other", seed=1)), processing_class=None, **options)
    with pytest.raises(adapters.AdapterError, match="was trained on the backbone"):
        other.train(resume_from_checkpoint=folder)


def test_value_pretraining_moves_the_values_adapter_alone(tmp_path: Path) -> None:
    trainer = trainer_of(tmp_path, value_adapter=True, value_pretraining_updates=1, learning_rate=1e-2)
    before = weights(trainer)
    trainer.train()
    after = weights(trainer)
    assert all(torch.equal(value, after[name]) for name, value in before.items() if ".default." in name)
    assert not any(torch.equal(value, after[name]) for name, value in before.items() if ".lora_B.value." in name)


CHILD = """
import json, os, sys, torch
torch.set_num_threads(1)
from pathlib import Path
from tests.training.test_ppo_features import in_one_run
in_one_run(Path(sys.argv[1]))
"""


def in_one_run(folder: Path) -> None:
    """Of each kind of policy a run, whose weights and updates this process leaves in the folder."""
    kinds: dict[str, dict[str, Any]] = {
        "value": {"value_adapter": True},
        "full": {"full_finetuning": True, "learning_rate": 1e-3},
        "tuned": {"model": tuned_model(), "value_adapter": True},
    }
    for name, options in kinds.items():
        shared = {"num_updates": 2, "value_pretraining_updates": 1, "per_device_train_batch_size": 3}
        trainer = trainer_of(
            folder / name, options.pop("model", None), [each_target, share_of_target], **shared, **options
        )
        if name == "tuned":
            trainer.model.blocks = None  # the adapters are then switched within the pass that DDP wraps
        trainer.train()
        rank = trainer.args.process_index
        save_file(weights(trainer), str(folder / f"{name}-{rank}.safetensors"))
        (folder / f"{name}-{rank}.json").write_text(json.dumps(updates(trainer)))


@pytest.mark.slow
def test_two_processes_train_each_kind_of_policy_as_one_does(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
    in_one_run(tmp_path / "one")
    two_processes(CHILD, tmp_path / "two")
    for name in ("value", "full", "tuned"):
        alone = load_file(str(tmp_path / "one" / f"{name}-0.safetensors"))
        ranks = [load_file(str(tmp_path / "two" / f"{name}-{rank}.safetensors")) for rank in range(2)]
        for key, weight in alone.items():
            assert torch.equal(ranks[0][key], ranks[1][key])
            torch.testing.assert_close(ranks[0][key], weight, atol=1e-4, rtol=1e-4)
        one, two = (json.loads((tmp_path / part / f"{name}-0.json").read_text()) for part in ("one", "two"))
        for measure in ("reward", "score", "kl", "reward/each_target", "value_loss"):
            assert two[-1][measure] == pytest.approx(one[-1][measure], abs=1e-4)


# -- what is written


def test_a_run_leaves_a_card_curves_a_table_and_a_model_that_loads(tmp_path: Path, capsys: Any) -> None:
    backbone = saved_model(tmp_path / "model")
    options = {"processing_class": None, "report_to": "tensorboard", "print_completions": 2, "num_updates": 2}
    trainer = trainer_of(tmp_path / "out", str(backbone), [share_of_target, each_target], **options)
    trainer.train()
    shown = capsys.readouterr().out
    assert "update 1\n" not in shown
    table = shown[shown.index("update 2\n") :].splitlines()
    assert table[1].split() == ["reward", "tokens", "prompt", "completion"]
    assert len(table) == 6
    assert list((tmp_path / "out").glob("runs/*/events.out.tfevents.*"))
    trainer.create_model_card(model_name="letters", dataset_name="alphabet", tags="code")
    card = (tmp_path / "out" / "README.md").read_text()
    reward = updates(trainer)[-1]["reward"]
    parts = ("# letters", "6 prompts of alphabet", "- code", "| share_of_target | 1 |", "| kl_coef | 0.03 |")
    assert all(part in card for part in (*parts, f"| reward | {reward:.6g} |", "from `model`"))
    assert "base_model" not in card
    assert str(tmp_path) not in card
    trainer.save_model(str(tmp_path / "saved"))
    assert "| each_target | 1 |" in (tmp_path / "saved" / "README.md").read_text()
    digest = models.backbone_sha256(backbone)
    again = adapters.load(load_model(backbone), tmp_path / "saved", kind="policy", backbone_sha256=digest)
    merged = trainer.merged()
    assert torch.allclose(logits(again), logits(merged), atol=1e-5)
    merged.save_pretrained(str(tmp_path / "merged"))
    trainer.processing_class.save_pretrained(str(tmp_path / "merged"))
    plain, tokenizer = models.load(tmp_path / "merged")
    assert type(plain) is type(tiny_model())
    assert torch.equal(logits(plain), logits(merged))
    assert tokenizer.get_vocab() == tiny_tokenizer().get_vocab()


def test_the_documents_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (Path(__file__).parents[2] / "docs" / "ppo.md").read_text()
    example = text.split("```python\n")[1].split("```")[0]
    assert len(example.strip().splitlines()) <= 12
    saved_model(tmp_path / "my-model")
    monkeypatch.chdir(tmp_path)
    found: dict[str, Any] = {}
    exec(example, found)
    assert updates(found["trainer"])
    assert torch.equal(logits(load_model("aligned")), logits(found["trainer"].merged().float()))


def test_a_cpu_with_bfloat16_needs_no_further_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for flags, bf16 in (({"avx512_bf16"}, True), ({"avx2"}, False)):
        monkeypatch.setattr("training.models._cpu_flags", lambda flags=flags: flags)
        assert PPOConfig(str(tmp_path)).bf16 is bf16


# -- what can't be trained on


def test_weights_that_are_no_numbers_are_named_before_training(tmp_path: Path) -> None:
    model = tiny_model()
    with torch.no_grad():
        model.transformer.h[1].mlp.c_fc.weight[3, 4] = math.nan
    with pytest.raises(ValueError, match=r"transformer\.h\.1\.mlp\.c_fc\.weight holds NaN or infinity"):
        trainer_of(tmp_path, model)


def test_weights_that_overflow_are_an_error_at_the_first_rollout(tmp_path: Path) -> None:
    model = tiny_model()
    with torch.no_grad():
        model.transformer.h[0].mlp.c_proj.weight.fill_(3e38)
    trainer = trainer_of(tmp_path, model)
    with pytest.raises(NotANumber, match="the model's logits are NaN"):
        trainer.train()
    assert trainer.state.global_step == 0


def test_a_trainer_without_a_reward_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="reward_funcs is empty"):
        trainer_of(tmp_path, None, [])
    with pytest.raises(ValueError, match="2 reward_weights for 1 reward functions"):
        trainer_of(tmp_path, reward_weights=[1.0, 2.0])


def test_a_prompt_that_leaves_no_room_is_refused_with_the_trainers_own_numbers(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"row 1 .* prompt of 41 tokens; with the completion only 40 fit"):
        trainer_of(tmp_path, rows=[{"prompt": "a " * 40}, {"prompt": "a " * 41}])


def test_a_tokenizer_of_another_model_is_refused(tmp_path: Path) -> None:
    tokenizer = tiny_tokenizer()
    tokenizer.add_tokens(["zz"])
    with pytest.raises(ValueError, match="has a token 24, the model 24 rows: they don't belong together"):
        trainer_of(tmp_path, rows=[{"prompt": "a zz"}], processing_class=tokenizer)


@pytest.mark.parametrize("name", ["num_updates", "batch_size", "mini_batch_size", "num_ppo_epochs", "response_length"])
def test_counts_must_be_at_least_1(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} must be at least 1, not 0"):
        config(tmp_path, **{name: 0})


def test_dropout_of_the_adapter_and_of_attention_is_off(tmp_path: Path) -> None:
    config = LoraConfig(r=2, lora_dropout=0.5, target_modules="all-linear", task_type="CAUSAL_LM")
    trainer = trainer_of(tmp_path, llama(attention_dropout=0.5), peft_config=config)
    trainer.model.blocks = None
    trainer.train()
    assert updates(trainer)[0]["first_ratio_error"] < 1e-5


@pytest.mark.parametrize("options", [{}, {"value_adapter": True}, {"full_finetuning": True}])
def test_in_bfloat16_the_first_ratios_are_1(tmp_path: Path, options: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "bf16_pays", lambda wanted=True: wanted)
    trainer = trainer_of(tmp_path, bf16=True, per_device_train_batch_size=3, num_updates=2, **options)
    assert trainer.args.bf16
    trainer.train()
    assert all(row["first_ratio_error"] < 1e-3 for row in updates(trainer))
    assert updates(trainer)[0]["kl"] == pytest.approx(0.0, abs=1e-3)


def test_a_peft_config_must_be_lora(tmp_path: Path) -> None:
    from peft import PromptTuningConfig

    with pytest.raises(ValueError, match="must be LoRA"):
        trainer_of(tmp_path, peft_config=PromptTuningConfig(num_virtual_tokens=2))
