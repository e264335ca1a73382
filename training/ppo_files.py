"""What a PPO run leaves on disk: adapters with their records, what resuming needs, tables of completions, a card."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from peft import PeftModel
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import PreTrainedModel

from training import adapters
from training.policy import PolicyWithValue
from training.roles import VALUE, playing

STATE = "ppo_state.json"
WEIGHTS = "model.safetensors"
"""The Trainer loads this file on resuming: what is trained, under the names it has in the model. Of a policy that is
trained whole it is what any tool loads, and the value head is in a file of its own."""
VALUE_HEAD = "value_head.safetensors"


def kept(model: PolicyWithValue) -> dict[str, Tensor]:
    """What ``save`` writes under the names it has in the model: all that is trained, but for a policy trained whole."""
    return {
        name: weight
        for name, weight in model.trainable().items()
        if not model.is_whole or name.startswith("value_head.")
    }


def save(
    folder: Path,
    model: PolicyWithValue,
    tokenizer: Any,
    state: Mapping[str, Any],
    backbone: str | None,
    *,
    policy: PreTrainedModel | PeftModel,
    weights: Mapping[str, Tensor],
) -> None:
    """Write a PEFT folder (or, of a policy that is trained whole, a plain model's), and what resuming needs.

    ``backbone`` is the backbone's sha256, where it is known: the adapters then refuse any other. ``policy`` is a
    policy that is trained whole, ``weights`` are those that ``kept`` names: under FSDP the model holds pieces of them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if model.is_whole:
        # One file whatever its size: the Trainer's way of loading several knows no plain names.
        policy.save_pretrained(str(folder), max_shard_size="1000TB")
        save_file(_on_cpu(under("value_head.", weights)), str(folder / VALUE_HEAD))
    else:
        own = under("policy.", weights)
        adapters.save(model.policy, folder, _record("policy", backbone), weights=own)
        if model.value_adapter is not None:
            with playing(model.policy, model.value_adapter):
                adapters.save(model.policy, folder, weights=own)
            if backbone is not None:
                adapters.write_record(folder / VALUE, adapters.Record("value", backbone))
        save_file(_on_cpu(weights), str(folder / WEIGHTS), metadata={"format": "pt"})
    tokenizer.save_pretrained(str(folder))
    (folder / STATE).write_text(json.dumps(state))


def read_state(folder: Path, model: PolicyWithValue, backbone: str | None) -> dict[str, Any]:
    """A checkpoint's state; also gives ``model`` its value head where the Trainer would not.

    ValueError if it is no checkpoint of such a policy, AdapterError if it is known to be of another backbone.
    """
    if not (folder / STATE).exists():
        raise ValueError(f"{folder} has no {STATE}: give a folder that PPOTrainer saved")
    if model.is_whole != (folder / VALUE_HEAD).exists():
        made = "LoRA" if model.is_whole else "full_finetuning"
        raise ValueError(f"{folder} was made with {made}: resume with the settings it was made with")
    if backbone is not None and (folder / adapters.RECORD).exists():
        adapters.check(folder, kind="policy", backbone_sha256=backbone)
    if model.is_whole:
        model.value_head.load_state_dict(load_file(str(folder / VALUE_HEAD)))
    state: dict[str, Any] = json.loads((folder / STATE).read_text())
    return state


def _record(kind: str, backbone: str | None) -> adapters.Record | None:
    return None if backbone is None else adapters.Record(kind, backbone)


def under(prefix: str, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights whose names begin so, by the rest of their names."""
    return {name.removeprefix(prefix): weight for name, weight in weights.items() if name.startswith(prefix)}


def _on_cpu(weights: Mapping[str, Any]) -> dict[str, Any]:
    return {name: weight.detach().cpu().contiguous() for name, weight in weights.items()}


def completions_file(folder: Path, update: int, process: int, processes: int) -> Path:
    """Where a process writes the completions of an update (counted from 1)."""
    suffix = f"-{process}" if processes > 1 else ""
    return folder / "completions" / f"{update:06d}{suffix}.jsonl"


def write_completions(file: Path, update: int, columns: Mapping[str, Sequence[Any]]) -> None:
    """Completions as JSON lines: an update that is done again after a crash replaces its first try."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", encoding="utf-8") as lines:
        for values in zip(*columns.values(), strict=True):
            row = {"update": update, **dict(zip(columns, values, strict=True))}
            lines.write(json.dumps(row, ensure_ascii=False, default=str) + "\n")


def read_completions(file: Path) -> list[dict[str, Any]]:
    """What ``write_completions`` wrote, one mapping a completion."""
    with file.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def table(update: int, columns: Mapping[str, Sequence[Any]], *, rows: int = 4, width: int = 48) -> str:
    """The first completions of an update for a reader's eye, one a line."""
    lines = [f"update {update}", f"{'reward':>8}  {'tokens':>6}  {'prompt':<{width}}  completion"]
    for reward, tokens, prompt, completion in zip(
        *(columns[name][:rows] for name in ("reward", "tokens", "prompt", "completion")), strict=True
    ):
        lines.append(f"{reward:8.3f}  {tokens:6}  {_short(prompt, width):<{width}}  {_short(completion, width)}")
    return "\n".join(lines)


def _short(text: Any, width: int) -> str:
    """One line of a text, or of a conversation's last message; of a long one the end, which leads to the answer."""
    plain = text if isinstance(text, str) else str(text[-1]["content"])
    line = " ".join(plain.split())
    return line if len(line) <= width else f"…{line[1 - width :]}"


def card(
    *,
    name: str,
    model: PolicyWithValue,
    base: str,
    dataset: str,
    tags: Sequence[str],
    rewards: Mapping[str, float],
    settings: Mapping[str, Any],
    metrics: Mapping[str, Any],
) -> str:
    """A model card: what was trained on what, by which rewards, with which settings, and how the last update went."""
    kind = "all weights" if model.is_whole else "a LoRA adapter"
    value = "an adapter of its own" if not model.is_whole and model.value_adapter else "the policy's last hidden state"
    front = ["library_name: " + ("transformers" if model.is_whole else "peft")]
    local = bool(base) and Path(base).exists()  # where a folder is here means nothing elsewhere
    source = f"`{Path(base).name if local else base}`" if base else "a model made in memory"
    front += [f"base_model: {base}"] if base and not local else []
    front += ["tags:", *(f"- {tag}" for tag in ("ppo", "reinforcement-learning", *tags))]
    return "\n".join(
        [
            "---", *front, "---", "",
            f"# {name}", "",
            f"Trained with PPO ([Ouyang et al. 2022](https://arxiv.org/abs/2203.02155)) from {source}: "
            f"{kind}, with a value head on {value}, on {dataset}.", "",
            "## Rewards", "", *_rows(("function", "weight"), rewards), "",
            "## Settings", "", *_rows(("setting", "value"), settings), "",
            "## Last update", "", *(_rows(("measure", "value"), metrics) if metrics else ["Not trained yet."]), "",
        ]
    )  # fmt: skip


def _rows(head: tuple[str, str], values: Mapping[str, Any]) -> list[str]:
    def shown(value: Any) -> str:
        return f"{value:.6g}" if isinstance(value, float) else str(getattr(value, "value", value))

    return [f"| {head[0]} | {head[1]} |", "|---|---|", *(f"| {name} | {shown(v)} |" for name, v in values.items())]
