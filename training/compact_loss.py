"""SFTTrainer with a cheaper loss on a CPU: the output layer runs on the tokens that are learnt from, and on no other.

TRL's fused head scores every position where there is no Triton, the masked prompt's and the padding's too, in tiles
as wide as the largest vocabulary. With a small model that is most of a step. Here the hidden states of the labelled
positions alone meet the output layer; the loss and its gradient are the same.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from trl import SFTTrainer

from training.networks import is_plain_gpt2


class CompactSFTTrainer(SFTTrainer):
    """For a plain GPT-2 on a CPU; everything else goes TRL's way."""

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        if return_outputs or self.label_smoother is not None or not self._plain():
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        labels = inputs["labels"][:, 1:]
        learnt = labels != -100  # (batch, time)
        hidden = _hidden_states(model, inputs)[:, :-1][learnt]  # (learnt tokens, width)
        head = self.model.get_output_embeddings()
        with self.accelerator.autocast():
            logits = F.linear(hidden, head.weight, head.bias).float()
        wanted = labels[learnt]
        total = F.cross_entropy(logits, wanted, reduction="sum")
        self._count(logits.detach(), wanted, inputs["attention_mask"])
        tokens = learnt.sum() if num_items_in_batch is None else torch.as_tensor(num_items_in_batch)
        # DDP takes the mean of the processes' gradients; a given token count is that of all of them.
        processes = 1 if num_items_in_batch is None else self.accelerator.num_processes
        return total / tokens.clamp(min=1) * processes

    def _plain(self) -> bool:
        return is_plain_gpt2(self.accelerator.unwrap_model(self.model)) and not torch.cuda.is_available()

    def _count(self, logits: torch.Tensor, wanted: torch.Tensor, attention: torch.Tensor) -> None:
        """What SFTTrainer logs."""
        metrics = self._metrics["train" if self.model.training else "eval"]
        right = self.accelerator.gather_for_metrics((logits.argmax(-1) == wanted).sum()).sum()
        count = self.accelerator.gather_for_metrics(torch.tensor(wanted.numel(), device=wanted.device)).sum()
        metrics["mean_token_accuracy"].append(float(right / count.clamp(min=1)))
        if self.model.training:
            self._total_train_tokens += int(self.accelerator.gather_for_metrics(attention.sum()).sum())
        metrics["num_tokens"] = [self._total_train_tokens]


def _hidden_states(model: Any, inputs: dict[str, Any]) -> torch.Tensor:
    """The last layer's, after its norm: (batch, time, width). One position alone goes through the output layer."""
    outputs = model(
        input_ids=inputs["input_ids"],
        attention_mask=inputs["attention_mask"],
        use_cache=False,
        output_hidden_states=True,
        logits_to_keep=1,
    )
    return outputs.hidden_states[-1]
