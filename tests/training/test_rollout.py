"""The decoder says what ``generate`` says, draws from the right distribution, and depends on its seed alone."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import (
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
)

from training.config import DecodingSettings
from training.models import load
from training.networks import network_for
from training.prompting import encode_prompt, format_prompt
from training.rollout import Decoder, PromptError, generate_ids


@pytest.fixture(scope="module")
def loud(micro_model):
    """A model whose untrained weights are large, so that its answers vary and end at different places."""
    model, tokenizer = load(micro_model)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.mul_(8.0)
    return model, tokenizer


@pytest.fixture(scope="module")
def prompts(splits, micro_tokenizer) -> list[list[int]]:
    return [encode_prompt(micro_tokenizer, task.text, task.signature) for task in splits["iid"][:24]]


def _library_greedy(model, ids: list[int], count: int, end: int, pad: int) -> list[int]:
    answer = model.generate(
        input_ids=torch.tensor([ids]),
        attention_mask=torch.ones(1, len(ids), dtype=torch.long),
        max_new_tokens=count,
        do_sample=False,
        eos_token_id=end,
        pad_token_id=pad,
    )
    return answer[0, len(ids) :].tolist()


def test_greedy_equals_generate_token_for_token(loud, prompts) -> None:
    model, tokenizer = loud
    plain = generate_ids(model, prompts, max_new_tokens=24, eos_token_id=-1, pad_token_id=tokenizer.pad_token_id)
    # A token that many answers come to serves as the end, so that rows leave the batch at different steps.
    tokens = [token for answer in plain for token in answer[2:20]]
    end = max(set(tokens), key=tokens.count)
    ours = generate_ids(model, prompts, max_new_tokens=24, eos_token_id=end, pad_token_id=tokenizer.pad_token_id)
    theirs = [_library_greedy(model, ids, 24, end, tokenizer.pad_token_id) for ids in prompts]
    assert ours == theirs
    assert len({len(answer) for answer in ours}) > 2


def test_sampling_follows_the_models_distribution(loud, prompts) -> None:
    model, tokenizer = loud
    ids = prompts[0]
    with torch.no_grad():
        expected = (model(torch.tensor([ids])).logits[0, -1] / 2.0).softmax(-1)
    drawn = generate_ids(
        model, [ids] * 3000, max_new_tokens=1, temperature=2.0, eos_token_id=-1, pad_token_id=tokenizer.pad_token_id
    )
    counts = torch.bincount(torch.tensor([row[0] for row in drawn]), minlength=len(expected)) / 3000
    best = int(expected.argmax())
    spread = math.sqrt(float(expected[best] * (1 - expected[best])) / 3000)
    assert abs(float(counts[best] - expected[best])) < 4 * spread
    assert float((counts - expected).abs().sum()) < 0.35


@pytest.mark.parametrize(("top_k", "top_p"), [(3, 1.0), (0, 0.5), (5, 0.6)])
def test_top_k_and_top_p_leave_out_what_they_should(loud, prompts, top_k: int, top_p: float) -> None:
    model, tokenizer = loud
    ids = prompts[1]
    with torch.no_grad():
        likely = model(torch.tensor([ids])).logits[0, -1].softmax(-1)
    if top_k:
        least = likely.topk(top_k).values[-1]
        likely = torch.where(likely < least, 0.0, likely)
        likely = likely / likely.sum()
    ordered, places = likely.sort(descending=True)
    allowed = set(places[(ordered.cumsum(0) - ordered < top_p) & (ordered > 0)].tolist())
    drawn = generate_ids(
        model, [ids] * 800, max_new_tokens=1, temperature=1.0, top_k=top_k, top_p=top_p,
        eos_token_id=-1, pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    found = {row[0] for row in drawn}
    assert found <= allowed
    assert len(found) > 1 or len(allowed) == 1


def test_a_sample_depends_on_its_seed_and_not_on_its_batch(loud, splits) -> None:
    model, tokenizer = loud
    prompts = [format_prompt(tokenizer, task.text, task.signature) for task in splits["iid"][:10]]
    decoder = Decoder(model, tokenizer)

    def draw(batch: int, seed: int) -> list[list[int]]:
        settings = DecodingSettings(max_new_tokens=12, batch_size=batch, seed=seed)
        return [completion.token_ids for completion in decoder.complete(prompts, settings)]

    assert draw(10, 1) == draw(10, 1) == draw(3, 1)
    assert draw(10, 1) != draw(10, 2)


SMALL = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "max_position_embeddings": 256}
OTHERS = {
    "llama": (LlamaForCausalLM, LlamaConfig(**SMALL, num_attention_heads=2)),
    "llama with grouped queries": (
        LlamaForCausalLM,
        LlamaConfig(**SMALL, num_attention_heads=4, num_key_value_heads=2),
    ),
    "llama with biases and wide heads": (
        LlamaForCausalLM,
        LlamaConfig(**SMALL, num_attention_heads=2, head_dim=24, attention_bias=True, mlp_bias=True),
    ),
    "llama with scaled rotations": (
        LlamaForCausalLM,
        LlamaConfig(
            **SMALL,
            num_attention_heads=2,
            rope_parameters={"rope_type": "linear", "factor": 2.0, "rope_theta": 500.0},
        ),
    ),
    "qwen2": (Qwen2ForCausalLM, Qwen2Config(**SMALL, num_attention_heads=4, num_key_value_heads=2)),
    "qwen2 with tied embeddings": (
        Qwen2ForCausalLM,
        Qwen2Config(**SMALL, num_attention_heads=2, num_key_value_heads=1, tie_word_embeddings=True),
    ),
}


@pytest.mark.parametrize("name", OTHERS)
def test_greedy_equals_generate_for_llama_and_qwen2(name: str, micro_tokenizer, prompts) -> None:
    kind, config = OTHERS[name]
    config = copy.deepcopy(config)
    config.vocab_size, config.pad_token_id = len(micro_tokenizer), micro_tokenizer.pad_token_id
    torch.manual_seed(0)
    model = kind(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)  # biases and norms are not left at their start
    assert network_for(model) is not None
    pad = micro_tokenizer.pad_token_id
    plain = generate_ids(model, prompts, max_new_tokens=16, eos_token_id=-1, pad_token_id=pad)
    tokens = [token for answer in plain for token in answer[2:14]]
    end = max(set(tokens), key=tokens.count)
    ours = generate_ids(model, prompts, max_new_tokens=16, eos_token_id=end, pad_token_id=pad)
    assert ours == [_library_greedy(model, ids, 16, end, pad) for ids in prompts]
    assert len({len(answer) for answer in ours}) > 1


def test_a_model_of_another_architecture_goes_through_generate(micro_tokenizer, prompts) -> None:
    config = GPTNeoXConfig(
        vocab_size=len(micro_tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=1,
        num_attention_heads=2, max_position_embeddings=256, pad_token_id=micro_tokenizer.pad_token_id,
    )  # fmt: skip
    torch.manual_seed(0)
    model = GPTNeoXForCausalLM(config).eval()
    assert network_for(model) is None
    end, pad = micro_tokenizer.eos_token_id, micro_tokenizer.pad_token_id
    ours = generate_ids(model, prompts[:4], max_new_tokens=6, eos_token_id=end, pad_token_id=pad)
    assert ours == [_library_greedy(model, ids, 6, end, pad) for ids in prompts[:4]]
    # Drawn there, a row has its own random numbers too: another batch, or another process, changes nothing.
    options = {"max_new_tokens": 6, "temperature": 1.0, "eos_token_id": end, "pad_token_id": pad, "seed": 5}
    together = generate_ids(model, prompts[:4], **options)
    assert [generate_ids(model, [prompts[row]], rows=[row], **options)[0] for row in range(4)] == together
    assert generate_ids(model, [prompts[0]] * 4, **options)[1:] != [together[0]] * 3


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")  # peft asks for it
def test_models_whose_layers_see_a_window_or_are_wrapped_are_left_to_generate(micro_tokenizer, micro_model) -> None:
    sliding = Qwen2Config(
        **SMALL, num_attention_heads=2, use_sliding_window=True, sliding_window=8, max_window_layers=1,
        vocab_size=len(micro_tokenizer),
    )  # fmt: skip
    assert network_for(Qwen2ForCausalLM(sliding)) is None
    model, _ = load(micro_model)
    assert network_for(model) is not None
    assert network_for(get_peft_model(model, LoraConfig(r=2, target_modules=["c_attn"], fan_in_fan_out=True))) is None
    assert network_for(model) is None, "an adapter's layers are in it now"


def test_beam_search_answers_every_prompt(loud, splits) -> None:
    model, tokenizer = loud
    prompts = [format_prompt(tokenizer, task.text, task.signature) for task in splits["iid"][:3]]
    seen: list[tuple[int, int]] = []
    settings = DecodingSettings(max_new_tokens=5, num_beams=3, temperature=0.0, batch_size=2)
    answers = Decoder(model, tokenizer).complete(prompts, settings, on_batch=lambda *at: seen.append(at))
    assert [len(answer.token_ids) > 0 for answer in answers] == [True] * 3
    assert seen == [(2, 3), (3, 3)]


def test_an_answer_stops_at_the_end_of_the_context(loud) -> None:
    model, tokenizer = loud
    context = model.config.n_positions
    prompt = [7] * (context - 4)
    answers = generate_ids(
        model, [prompt, [5, 6]], max_new_tokens=9, eos_token_id=-1, pad_token_id=tokenizer.pad_token_id
    )
    assert [len(answer) for answer in answers] == [4, 9]


@pytest.mark.parametrize(("length", "message"), [(0, "is empty"), (512, "shorten it")])
def test_a_prompt_without_room_for_an_answer_is_refused(loud, length: int, message: str) -> None:
    model, tokenizer = loud
    with pytest.raises(PromptError, match=message):
        generate_ids(model, [[5] * length], max_new_tokens=2, eos_token_id=2, pad_token_id=tokenizer.pad_token_id)
