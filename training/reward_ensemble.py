"""A trained reward model: LoRA members on one backbone, each with a score head, and their calibrated scores.

A member's raw score is fixed only up to a constant and a scale of its own. Each is brought to mean 0 and deviation 1
over the programs trained on, and all are divided by one temperature (``training.calibration``): the difference of two
programs' scores is then the log-odds that an attentive rater, who prefers one of them, prefers the first.

Scores are read at the last token that is not the pad token; where a tokenizer pads with its EOS, that is the last
token of the code, in training and in use alike.

A folder holds ``reward_model.json``, ``backbone.json`` and a PEFT adapter in each of ``member-0``, ``member-1`` ...;
an older one holds a single adapter itself.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from safetensors import safe_open
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification
from transformers.modeling_outputs import SequenceClassifierOutputWithPast

from training import adapters
from training.blocks import Blocks, Ragged, blocks_for
from training.memory import Memory
from training.models import backbone_sha256, bf16_pays, load_tokenizer
from training.prompting import encode_all, encode_completions
from training.reward_summary import Summary, calibrated
from training.roles import backbone_to_bf16, without_dropout

KIND = "reward"
_REMEMBERED = 100_000


class RewardModel:
    """A trained reward model that scores programs; higher is better."""

    def __init__(self, ensemble: Ensemble, tokenizer: Any, summary: Summary) -> None:
        self.ensemble, self.tokenizer, self.summary = ensemble, tokenizer, summary
        self.mean, self.std, self.count = summary.mean, summary.std, summary.count
        self._known: Memory[list[float]] = Memory(_REMEMBERED)

    @classmethod
    def load(cls, path: Path, *, backbone: Path, bf16: bool = True) -> RewardModel:
        """The model in an adapter's folder on its backbone; AdapterError for any other backbone."""
        adapters.check(path, kind=KIND, backbone_sha256=backbone_sha256(backbone))
        ensemble = Ensemble.load(member_folders(path), backbone=backbone, bf16=bf16)
        return cls(ensemble, load_tokenizer(backbone), Summary.read(path))

    def score(self, prompts: Sequence[str], completions: Sequence[str]) -> list[float]:
        """One score a pair of formatted prompt and program: the members' mean."""
        return [sum(row) / len(row) for row in self.score_members(prompts, completions)]

    def score_members(self, prompts: Sequence[str], completions: Sequence[str]) -> list[list[float]]:
        """One calibrated score a member for each pair of formatted prompt and program.

        A pair is scored once, however often it is asked for.
        """
        keys = [_key(prompt, code) for prompt, code in zip(prompts, completions, strict=True)]
        found = {key: self._known.get(key) for key in keys}
        wanted = {key: place for place, key in enumerate(keys) if found[key] is None}
        rows = encoded(self.tokenizer, [(prompts[place], completions[place]) for place in wanted.values()])
        for key, scores in zip(wanted, calibrated(self.ensemble.scores(rows), self.summary).tolist(), strict=True):
            found[key] = scores
            self._known.put(key, scores)
        return [list(found[key] or ()) for key in keys]


class Ensemble:
    """LoRA adapters with their score heads on one frozen backbone, and their raw scores.

    Layers below the lowest one with an adapter run once for all members.
    """

    def __init__(self, model: PeftModel, names: Sequence[str], *, pad: int | None, batch_size: int = 64) -> None:
        self.model, self.names, self.pad, self.batch_size = model, list(names), pad, batch_size
        bare = model.get_base_model()
        self.device = next(model.parameters()).device
        heads = [bare.score.modules_to_save[name].weight[0] for name in self.names]
        self.heads = torch.stack(heads).detach().float()
        """(members, width); further outputs of a head, if any, served its training alone."""
        self._trunk = getattr(bare, bare.base_model_prefix)
        self._blocks = self._members_blocks(bare)

    @classmethod
    def load(cls, folders: Sequence[Path], *, backbone: Path, bf16: bool) -> Ensemble:
        """AdapterError for a member that belongs to another backbone."""
        tokenizer, digest = load_tokenizer(backbone), backbone_sha256(backbone)
        bare = sequence_model(backbone, tokenizer, outputs=_outputs(folders[0]))
        if bf16_pays(bf16):
            getattr(bare, bare.base_model_prefix).to(torch.bfloat16)
        model = adapters.load(bare, folders[0], kind=KIND, backbone_sha256=digest)
        names = [str(model.active_adapter)]
        for number, folder in enumerate(folders[1:], start=1):
            adapters.check(folder, kind=KIND, backbone_sha256=digest)
            names.append(f"member-{number}")
            with adapters.quiet():
                model.load_adapter(str(folder), adapter_name=names[-1], is_trainable=False)
        without_dropout(model)
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        return cls(model.to(device).eval(), names, pad=tokenizer.pad_token_id)

    @torch.no_grad()
    def scores(self, rows: Sequence[Sequence[int]]) -> Tensor:
        """(rows, members) of rows of token ids; rows of like length are scored together."""
        scores = torch.zeros(len(rows), len(self.names))
        trimmed = [self._trimmed(row) for row in rows]
        order = sorted(range(len(rows)), key=lambda row: len(trimmed[row]))
        for start in range(0, len(order), self.batch_size):
            chosen = order[start : start + self.batch_size]
            lengths = torch.tensor([len(trimmed[row]) for row in chosen])
            ids = torch.zeros(len(chosen), int(lengths.max()), dtype=torch.long)
            for place, row in enumerate(chosen):
                ids[place, : len(trimmed[row])] = torch.tensor(trimmed[row])
            hidden = self._hidden(ids.to(self.device), lengths.to(self.device))  # (members, batch, width)
            scores[chosen] = (hidden.float() @ self.heads[:, :, None])[:, :, 0].t().cpu()
        return scores

    def _hidden(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """What each member's head sees of each row's last token: (members, batch, width)."""
        if self._blocks is None:
            return torch.stack([self._whole(name, ids, lengths) for name in self.names])
        rows, last = Ragged(lengths), Ragged(torch.ones_like(lengths), lengths - 1)
        first = min(blocks.first_adapted for blocks in self._blocks)
        shared = self._blocks[0].embed(ids, rows)
        shared = self._blocks[0].run(shared, rows, stop=first, adapted=False)
        return torch.stack([blocks.norm(blocks.run(shared, rows, first=first, wanted=last)) for blocks in self._blocks])

    def _whole(self, name: str, ids: Tensor, lengths: Tensor) -> Tensor:
        """The same for one member by the model's own forward pass: (batch, width)."""
        self.model.set_adapter(name)
        held = torch.arange(ids.shape[1], device=ids.device)[None, :] < lengths[:, None]
        found = self._trunk(input_ids=ids, attention_mask=held.long(), use_cache=False).last_hidden_state
        return found[torch.arange(len(ids), device=ids.device), lengths - 1]

    def _members_blocks(self, bare: Any) -> list[Blocks] | None:
        """Each member's layers; None for a kind of model or adapter that they don't know."""
        found = []
        for name in self.names:
            self.model.set_adapter(name)
            found.append(_blocks_of(bare))
        self.model.requires_grad_(False)
        known = [blocks for blocks in found if blocks is not None]
        return known if len(known) == len(found) else None

    def _trimmed(self, row: Sequence[int]) -> list[int]:
        """The row up to its last token that isn't the pad token."""
        end = len(row)
        while end > 1 and row[end - 1] == self.pad:
            end -= 1
        return list(row[:end])


def pack(model: PeftModel, *, bf16: bool) -> None:
    """Let a model that is being trained run on tokens alone, and its last layer on each row's last token alone.

    That is all that its score sees. A model or adapter that ``training.blocks`` doesn't know is left as it is. With
    ``bf16`` its frozen weights are kept in bfloat16, as they will be in use.
    """
    bare = model.get_base_model()
    if (blocks := _blocks_of(bare)) is not None:
        if bf16:
            backbone_to_bf16(model)
        bare.forward = _Packed(bare, blocks)


class _Packed:
    """The forward pass of a sequence classifier by its blocks."""

    def __init__(self, bare: Any, blocks: Blocks) -> None:
        self._bare, self._blocks = bare, blocks

    def __call__(self, input_ids: Tensor, **options: Any) -> SequenceClassifierOutputWithPast:
        """Logits (rows, outputs) in float32 of ``input_ids`` (rows, longest), padded on the right."""
        del options
        held = input_ids != self._bare.config.get_text_config().pad_token_id
        places = torch.arange(1, input_ids.shape[1] + 1, device=input_ids.device)
        lengths = (places * held).amax(1).clamp(min=1)  # up to the last token that isn't the pad token
        rows, last = Ragged(lengths), Ragged(torch.ones_like(lengths), lengths - 1)
        with torch.autocast(input_ids.device.type, enabled=False):
            hidden = self._blocks.run(self._blocks.embed(input_ids[:, : rows.shape[1]], rows), rows, wanted=last)
            return SequenceClassifierOutputWithPast(logits=self._bare.score(self._blocks.norm(hidden).float()))


def _blocks_of(bare: Any) -> Blocks | None:
    """The layers of a sequence classifier's trunk with its active adapter; None where they aren't known."""
    with torch.device("meta"):
        shell = AutoModelForCausalLM.from_config(bare.config)  # Blocks are of the language model that has this trunk.
    setattr(shell, bare.base_model_prefix, getattr(bare, bare.base_model_prefix))
    return blocks_for(shell)


def member_folders(path: Path) -> list[Path]:
    """The adapters of a reward model's folder; an older one is its only member itself."""
    numbered = sorted(path.glob("member-*"), key=lambda folder: int(folder.name.removeprefix("member-")))
    return numbered or [path]


def encoded(tokenizer: Any, pairs: Sequence[tuple[str, str]]) -> list[list[int]]:
    """Token ids of formatted prompts with their programs."""
    prompts = list(dict.fromkeys(prompt for prompt, _ in pairs))
    ids = dict(zip(prompts, encode_all(tokenizer, prompts), strict=True))
    codes = encode_completions(tokenizer, [code for _, code in pairs])
    return [ids[prompt] + code for (prompt, _), code in zip(pairs, codes, strict=True)]


def sequence_model(backbone: Path, tokenizer: Any, *, outputs: int) -> Any:
    """The backbone under a new score head with so many outputs, without dropout."""
    reports = logging.getLogger("transformers.modeling_utils")
    level = reports.level
    reports.setLevel(logging.ERROR)  # it would report that the backbone has no score head: that is the point
    try:
        model = AutoModelForSequenceClassification.from_pretrained(
            str(backbone), num_labels=outputs, use_safetensors=True, trust_remote_code=False, dtype=torch.float32
        )
    finally:
        reports.setLevel(level)
    model.config.num_labels = 1  # RewardTrainer takes no other: it is shown the first output
    model.config.get_text_config().pad_token_id = tokenizer.pad_token_id
    without_dropout(model)
    return model


def _outputs(folder: Path) -> int:
    """How many outputs the score head in an adapter's folder has."""
    with safe_open(str(folder / "adapter_model.safetensors"), "pt") as weights:
        heads = [name for name in weights.keys() if ".score." in name]  # noqa: SIM118 - no mapping
        if len(heads) != 1:
            raise adapters.AdapterError(f"{folder} holds no score head: it was not trained as a reward model")
        return int(weights.get_slice(heads[0]).get_shape()[0])


def _key(prompt: str, code: str) -> bytes:
    return hashlib.sha256(f"{len(prompt)}\0{prompt}{code}".encode()).digest()
