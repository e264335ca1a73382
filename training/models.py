"""Models: our presets (GPT-2's architecture, so that any tool loads them) and any causal model by path or hub id.

Weights come from safetensors only, and no code that comes with a model is ever run.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GPT2Config, GPT2LMHeadModel
from transformers.utils.logging import disable_progress_bar

from training.config import ModelSettings
from training.initialisation import write_induction_heads

disable_progress_bar()  # stages report through their watcher

PRESETS: dict[str, dict[str, int]] = {
    "aval-micro": {"n_embd": 64, "n_layer": 2, "n_head": 2, "n_positions": 512},
    "aval-mini": {"n_embd": 128, "n_layer": 4, "n_head": 4, "n_positions": 512},
    "aval-tiny": {"n_embd": 288, "n_layer": 4, "n_head": 4, "n_positions": 512},
    "gpt2-small": {"n_embd": 768, "n_layer": 12, "n_head": 12, "n_positions": 1024},
}


_TOKENIZER_MARK = "tokenizer_sha256"
"""In the configuration of a model that we made."""


class ModelError(ValueError):
    """A model or tokenizer can't be used; the message says why, and what to do."""


def build_model(settings: ModelSettings, tokenizer: Any, *, dropout: float = 0.0, seed: int = 0) -> GPT2LMHeadModel:
    """A new model of the preset's shape for this tokenizer: weights from the seed, heads that copy from the start."""
    config = GPT2Config(
        **PRESETS[settings.preset],
        vocab_size=len(tokenizer),
        activation_function="gelu_pytorch_tanh",  # gelu_new in one fused pass
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        embd_pdrop=dropout,
        attn_pdrop=dropout,
        resid_pdrop=dropout,
    )
    config._attn_implementation = attention_for(config.model_type)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = GPT2LMHeadModel(config)
    write_induction_heads(model, seed=seed)
    setattr(model.config, _TOKENIZER_MARK, vocabulary_sha256(tokenizer))
    return model


def load_model(path: str | Path) -> Any:
    """A causal language model in float32, in evaluation mode; ModelError where it can't be had."""
    source, local = _source(path)
    if local:
        _need_safetensors(Path(source))
    try:
        model = AutoModelForCausalLM.from_pretrained(
            source, local_files_only=local, use_safetensors=True, trust_remote_code=False, dtype=torch.float32
        )
    except (OSError, ValueError) as error:
        raise ModelError(_why_not(source, error)) from error
    if model.config.model_type == "gpt2":
        model.set_attn_implementation(attention_for("gpt2"))
    return model.eval()


def load_tokenizer(path: str | Path) -> Any:
    """The tokenizer that belongs to a model, padding on the left with a token that is not the end."""
    source, local = _source(path)
    try:
        tokenizer = AutoTokenizer.from_pretrained(source, local_files_only=local, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise ModelError(f"no tokenizer for {source}: {_first_line(error)}") from error
    if tokenizer.eos_token_id is None:
        raise ModelError(f"the tokenizer of {source} has no end-of-sequence token: choose another model")
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    tokenizer.padding_side = "left"
    return tokenizer


def load(path: str | Path) -> tuple[Any, Any]:
    """A model and its tokenizer; ModelError when one does not fit the other."""
    tokenizer, model = load_tokenizer(path), load_model(path)
    rows = model.get_input_embeddings().weight.shape[0]
    if len(tokenizer) > rows:
        raise ModelError(
            f"the tokenizer of {path} has {len(tokenizer)} tokens, the model {rows} rows: they don't belong together"
        )
    if getattr(model.config, _TOKENIZER_MARK, None) not in (None, vocabulary_sha256(tokenizer)):
        raise ModelError(f"the tokenizer of {path} is not the one its model was trained with: put that one beside it")
    return model, tokenizer


def vocabulary_sha256(tokenizer: Any) -> str:
    """Digest of a tokenizer's tokens and their numbers; a model of ours keeps that of the one it was made for."""
    return hashlib.sha256(json.dumps(sorted(tokenizer.get_vocab().items())).encode()).hexdigest()


def backbone_sha256(path: str | Path) -> str:
    """Digest of a model folder's weights, so that an adapter can refuse another backbone.

    A reward model's weights are those of its members, each in a folder of its own.
    """
    files = sorted(Path(path).glob("*.safetensors")) or sorted(Path(path).glob("member-*/*.safetensors"))
    if not files:
        raise ModelError(f"{path} holds no *.safetensors: give the folder of a saved model")
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def context_length(model: Any) -> int:
    """How many tokens prompt and completion may have together."""
    return context_of(model.config)


def context_of(config: Any) -> int:
    """The same by a model's configuration alone."""
    return int(getattr(config, "n_positions", None) or getattr(config, "max_position_embeddings", None) or 1024)


def attention_for(model_type: str) -> str:
    """On CPU explicit attention beats the fused kernel for short sequences; GPUs have good kernels."""
    return "eager" if model_type == "gpt2" and not torch.cuda.is_available() else "sdpa"


def bf16_pays(wanted: bool = True) -> bool:
    """Whether bfloat16 is wanted and the hardware has it.

    On a CPU without bfloat16 instructions, its matrix product is tens of times slower than float32's.
    """
    if not wanted:
        return False
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported())
    flags = _cpu_flags()
    return bool(flags & {"avx512_bf16", "amx_bf16", "bf16"})


def _cpu_flags() -> set[str]:
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return set()
    lines = (line.partition(":") for line in text.splitlines())
    return {flag for name, _, value in lines if name.strip() in ("flags", "Features") for flag in value.split()}


def _source(path: str | Path) -> tuple[str, bool]:
    """The name for transformers, and whether it is a folder here."""
    folder = Path(path)
    if str(path) and folder.is_dir():
        if not (folder / "config.json").exists() and (folder / "adapter_config.json").exists():
            raise ModelError(f"{path} is an adapter, not a whole model: merge it into its backbone first")
        if not (folder / "config.json").exists():
            raise ModelError(f"{path} holds no config.json: give the folder of a saved model")
        return str(folder), True
    name = str(path)
    if isinstance(path, Path) or name.startswith((".", "/", "~")) or name.count("/") > 1 or not name:
        raise ModelError(
            f"unknown model {name!r}: no such folder; give a model's folder or a hub id such as owner/name"
        )
    return name, False


def _need_safetensors(folder: Path) -> None:
    if any(folder.glob("*.safetensors")):
        return
    if any(folder.glob("*.bin")):
        raise ModelError(
            f"{folder} has weights in .bin (pickle) files alone, which can run code when read: "
            "convert them to safetensors first (model.save_pretrained)"
        )
    raise ModelError(f"{folder} holds no model.safetensors: the save was cut off, or this is another kind of folder")


def _why_not(source: str, error: Exception) -> str:
    text = str(error)
    if "trust_remote_code" in text:
        return f"{source} needs code of its own, which Aval does not run: choose a model that transformers knows"
    if "safetensors" in text:
        return f"{source} has no safetensors weights: choose another model, or convert this one and give its folder"
    return f"unknown model {source!r}: give a model's folder or a hub id that can be reached ({_first_line(error)})"


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
