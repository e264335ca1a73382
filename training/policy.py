"""The policy and its value head over one frozen backbone, scored in one forward pass.

Rows are padded on the *right*: under causal attention nothing that stands behind a token can reach it, so positions
are plain indexes and neither padding side nor pad token can change a number. Only the states that precede a
completion's tokens go through the output layer, and come out flat: ``(tokens,)``, row after row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from peft import PeftModel
from peft.helpers import disable_input_dtype_casting
from torch import Tensor, nn

from training.blocks import Ragged, blocks_for


class Scores(NamedTuple):
    """What a forward pass says of every completion token, ``(tokens,)`` each, row after row."""

    logprobs: Tensor
    values: Tensor
    entropy: Tensor
    """Of the distribution that the token was drawn from, in nats."""


class ValueHead(nn.Module):
    """The expected return from a hidden state, in float32 whatever the backbone computes in; starts at 0."""

    def __init__(self, hidden_size: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(hidden_size, hidden_size)
        self.out = nn.Linear(hidden_size, 1)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, states: Tensor) -> Tensor:
        """``(tokens, hidden)`` to ``(tokens,)``."""
        with torch.autocast(states.device.type, enabled=False):
            return self.out(torch.tanh(self.hidden(states.float()))).squeeze(-1)


def pad_rows(
    prompts: Sequence[Sequence[int]], completions: Sequence[Sequence[int]], *, pad: int, device: torch.device | str
) -> dict[str, Tensor]:
    """Prompts and completions (neither empty) as ``PolicyWithValue`` takes them, padded on the right.

    ``input_ids`` is ``(batch, width)``, ``prompt_lengths`` and ``lengths`` (of the completions) are ``(batch,)``.
    """
    rows = [[*prompt, *completion] for prompt, completion in zip(prompts, completions, strict=True)]
    width = max(len(row) for row in rows)
    return {
        "input_ids": torch.tensor([row + [pad] * (width - len(row)) for row in rows], device=device),
        "prompt_lengths": torch.tensor([len(ids) for ids in prompts], device=device),
        "lengths": torch.tensor([len(ids) for ids in completions], device=device),
    }


class PolicyWithValue(nn.Module):
    """A LoRA policy with a value head on its last hidden state; with the adapter off it is the reference model."""

    def __init__(self, policy: PeftModel, *, temperature: float) -> None:
        super().__init__()
        self.policy = policy
        self.value_head = ValueHead(policy.get_base_model().config.get_text_config().hidden_size)
        self.temperature = temperature
        self._plain_head = _head_is_plain(policy)
        self.blocks = blocks_for(policy) if self._plain_head else None
        """The fast forward pass, of a model that has one; without it (set it to None) the model's own is used."""

    def forward(
        self,
        input_ids: Tensor,
        prompt_lengths: Tensor,
        lengths: Tensor,
        *,
        trunk: Tensor | None = None,
        value_only: bool = False,
    ) -> Scores:
        """Log-probability and value of every completion token; with ``value_only`` the policy takes no gradient.

        ``trunk`` are these rows' states below the first layer that learns, where they were kept. The entropy comes
        along where no gradient is asked for: a measurement, not worth its time in every step.
        """
        training = torch.is_grad_enabled()
        with torch.set_grad_enabled(training and not value_only):
            states, logits, targets = self._states_and_logits(input_ids, prompt_lengths, lengths, trunk)
            logprobs = -nn.functional.cross_entropy(logits, targets, reduction="none")
        entropy = torch.zeros_like(logprobs) if training else _entropy(logits)
        values = self.value_head(states)
        if value_only and training:
            # A gradient of 0 for the adapter: DDP must find every parameter in the graph of this forward.
            values = values + 0.0 * sum(parameter.sum() for parameter in self.trainable().values())
        return Scores(logprobs, values, entropy)

    @torch.no_grad()
    def reference_logprobs(
        self, input_ids: Tensor, prompt_lengths: Tensor, lengths: Tensor, *, trunk: Tensor | None = None
    ) -> Tensor:
        """``(tokens,)``: the same tokens under the backbone alone."""
        with self.policy.disable_adapter():
            _, logits, targets = self._states_and_logits(input_ids, prompt_lengths, lengths, trunk, adapted=False)
        return -nn.functional.cross_entropy(logits, targets, reduction="none")

    @torch.no_grad()
    def trunk(self, input_ids: Tensor, prompt_lengths: Tensor, lengths: Tensor) -> Tensor | None:
        """``(tokens, hidden)`` of prompts and completions, row after row: what enters the lowest layer that learns.

        It stays the same for as long as the rows do; None where there is no such layer below.
        """
        if self.blocks is None or self.blocks.first_adapted == 0:
            return None
        rows = Ragged(prompt_lengths + lengths)
        return self.blocks.run(self.blocks.embed(input_ids, rows), rows, stop=self.blocks.first_adapted)

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """Take the adapter and the value head from a checkpoint; all of them or none, the backbone never."""
        wanted = self.trainable().keys()
        if set(state_dict) != set(wanted):
            odd = sorted(set(state_dict) ^ set(wanted))
            raise ValueError(
                f"this checkpoint is of another adapter ({len(odd)} weights differ by name, such as {odd[0]}): "
                "resume with the settings it was made with"
            )
        found = super().load_state_dict(state_dict, strict=False, assign=assign)
        return type(found)(missing_keys=[], unexpected_keys=[])

    def trainable(self) -> dict[str, nn.Parameter]:
        """What training changes: the adapter and the value head."""
        return {name: parameter for name, parameter in self.named_parameters() if parameter.requires_grad}

    def _states_and_logits(
        self,
        input_ids: Tensor,
        prompt_lengths: Tensor,
        lengths: Tensor,
        trunk: Tensor | None,
        *,
        adapted: bool = True,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """States ``(tokens, hidden)``, tempered float32 logits ``(tokens, vocabulary)``, targets ``(tokens,)``."""
        if self.blocks is not None:
            rows, wanted = Ragged(prompt_lengths + lengths), Ragged(lengths, start=prompt_lengths - 1)
            hidden = self.blocks.embed(input_ids, rows) if trunk is None else trunk
            first = 0 if trunk is None else self.blocks.first_adapted
            states = self.blocks.run(hidden, rows, first=first, wanted=wanted, adapted=adapted)
            states = self.blocks.norm(states)
            targets = wanted.take(input_ids, ahead=1)
            logits = self.policy.get_base_model().get_output_embeddings()(states)
            return states, logits.float() / self.temperature, targets
        position = torch.arange(input_ids.shape[1], device=input_ids.device)[None, :]  # (1, width)
        first = prompt_lengths[:, None] - 1
        before = (position >= first) & (position < first + lengths[:, None])  # the state before each token
        targets = input_ids[:, 1:][before[:, :-1]]
        model = self.policy.get_base_model()
        arguments = {
            "input_ids": input_ids,
            "attention_mask": (position < (prompt_lengths + lengths)[:, None]).long(),
            "position_ids": position.expand_as(input_ids),
            "use_cache": False,
        }
        # Autocast casts where it pays; PEFT's own cast to float32 before it would be undone again.
        with disable_input_dtype_casting(self.policy, active=torch.is_autocast_enabled(input_ids.device.type)):
            if self._plain_head:
                states = model.base_model(**arguments).last_hidden_state[before]
                logits = model.get_output_embeddings()(states)
            else:
                output = model(**arguments, output_hidden_states=True)
                states, logits = output.hidden_states[-1][before], output.logits[before]
        return states, logits.float() / self.temperature, targets


@torch.no_grad()
def _entropy(logits: Tensor) -> Tensor:
    logprobs = torch.log_softmax(logits, dim=-1)
    return -(logprobs.exp() * logprobs).sum(-1)


@torch.no_grad()
def _head_is_plain(policy: PeftModel) -> bool:
    """Whether the logits are the output layer on the last hidden state and nothing else (no scale, no soft cap).

    Where they are, the output layer needs to run on completion tokens only.
    """
    model = policy.get_base_model()
    ids = torch.arange(1, 5, device=model.device)[None, :] % model.config.get_text_config().vocab_size
    arguments = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "use_cache": False}
    whole = model(**arguments).logits
    states = model.base_model(**arguments).last_hidden_state
    return bool(torch.allclose(model.get_output_embeddings()(states), whole, rtol=1e-4, atol=1e-4))
