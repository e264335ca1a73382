"""The cheaper loss is TRL's own, and so is its gradient."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from trl import SFTConfig, SFTTrainer

from training.compact_loss import CompactSFTTrainer
from training.curriculum import Task
from training.models import load
from training.sft import _encode


@pytest.fixture(scope="module")
def rows(splits: dict[str, list[Task]], micro_tokenizer: Any) -> list[dict[str, list[int]]]:
    return _encode(splits["train"][:6], micro_tokenizer, 512)


def _loss_of(
    kind: type[SFTTrainer], rows: list[dict[str, list[int]]], micro_model: Path, out: Path, *, items: int | None
) -> tuple[float, torch.Tensor, dict[str, list[float]]]:
    """The loss of one batch, the gradient of all weights, and what the trainer noted for its log."""
    model, tokenizer = load(micro_model)
    arguments = SFTConfig(
        output_dir=str(out),
        use_cpu=True,
        bf16=False,
        activation_checkpointing=False,
        max_length=None,
        report_to="none",
        dataloader_pin_memory=False,
    )
    trainer = kind(model=model, args=arguments, train_dataset=Dataset.from_list(rows), processing_class=tokenizer)
    batch = trainer.data_collator(rows)
    model.train()
    loss = trainer.compute_loss(model, dict(batch), num_items_in_batch=None if items is None else torch.tensor(items))
    loss.backward()
    gradient = torch.cat([parameter.grad.flatten() for parameter in model.parameters()])
    return float(loss.detach()), gradient, trainer._metrics["train"]


@pytest.mark.parametrize("items", [None, 400])
def test_loss_gradient_and_accuracy_are_those_of_trl(
    rows: list[dict[str, list[int]]], micro_model: Path, tmp_path: Path, items: int | None
) -> None:
    theirs = _loss_of(SFTTrainer, rows, micro_model, tmp_path, items=items)
    ours = _loss_of(CompactSFTTrainer, rows, micro_model, tmp_path, items=items)
    assert ours[0] == pytest.approx(theirs[0], rel=1e-5)
    assert torch.allclose(ours[1], theirs[1], atol=1e-6, rtol=1e-3)
    assert ours[1].abs().max() > 1e-3
    assert ours[2]["mean_token_accuracy"] == pytest.approx(theirs[2]["mean_token_accuracy"], abs=1e-6)
    assert ours[2]["num_tokens"] == theirs[2]["num_tokens"]


def test_a_batch_with_nothing_to_learn_costs_nothing(
    rows: list[dict[str, list[int]]], micro_model: Path, tmp_path: Path
) -> None:
    masked = [{**row, "labels": [-100] * len(row["labels"])} for row in rows]
    loss, gradient, _ = _loss_of(CompactSFTTrainer, masked, micro_model, tmp_path, items=None)
    assert loss == 0.0
    assert not gradient.any()


def test_a_model_of_another_kind_goes_trls_way(
    rows: list[dict[str, list[int]]], micro_model: Path, tmp_path: Path
) -> None:
    model, tokenizer = load(micro_model)
    model.train().config.scale_attn_weights = False
    trainer = CompactSFTTrainer(
        model=model,
        args=SFTConfig(output_dir=str(tmp_path), use_cpu=True, bf16=False, activation_checkpointing=False),
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer,
    )
    trainer.compute_loss(model, dict(trainer.data_collator(rows)))
    assert "entropy" in trainer._metrics["train"]  # which the fused head measures, and ours does not
