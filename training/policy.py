"""The policy and its value over one backbone, scored in one forward pass.

Rows are padded on the *right*: under causal attention nothing that stands behind a token can reach it, so positions
are plain indexes and neither padding side nor pad token can change a number. Only the states that precede a
completion's tokens go through the output layer, and come out flat: ``(tokens,)``, row after row.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from peft import PeftModel
from peft.helpers import disable_input_dtype_casting
from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule, register_fsdp_forward_method
from transformers import PreTrainedModel

from training.blocks import Blocks, Ragged, blocks_for
from training.roles import POLICY, playing


class Scores(NamedTuple):
    """What a forward pass says of every completion token, ``(tokens,)`` each, row after row."""

    logprobs: Tensor
    values: Tensor
    entropy: Tensor
    """Of the distribution that the token was drawn from, in nats."""


class _Chosen(torch.autograd.Function):
    """log softmax(logits)[target], without a second table of the vocabulary's size in the forward pass."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, targets: Tensor) -> Tensor:
        total = torch.logsumexp(logits, dim=-1)
        ctx.save_for_backward(logits, targets, total)
        return logits.gather(1, targets[:, None])[:, 0] - total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (gradient,) = gradients
        logits, targets, total = ctx.saved_tensors
        # d log p_target / d logits is the target's one minus all probabilities.
        for_logits = (logits - total[:, None]).exp_().mul_(-gradient[:, None])
        return for_logits.scatter_add_(1, targets[:, None], gradient[:, None]), None


def chosen_logprobs(logits: Tensor, targets: Tensor) -> Tensor:
    """The targets' log-probabilities, ``(tokens,)``, of logits ``(tokens, vocabulary)``."""
    chosen: Tensor = _Chosen.apply(logits, targets)
    return chosen


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


class Voice(NamedTuple):
    """One of the models over the backbone: the policy, the reference, what the value head reads."""

    model: Any
    """Without what PEFT puts around it."""
    adapter: str | None
    """What has to be active; None is the backbone alone. Of no matter to a model without adapters."""
    blocks: Blocks | None


class PolicyWithValue(nn.Module):
    """A policy with a value head, on the policy's last hidden state or on that of an adapter of its own.

    ``reference`` names an adapter or is a model; the reference is the backbone alone where it is None. A policy
    without adapters is trained whole, and needs a model as its reference.
    """

    def __init__(
        self,
        policy: PeftModel | PreTrainedModel,
        *,
        temperature: float,
        reference: str | PreTrainedModel | None = None,
        value_adapter: str | None = None,
    ) -> None:
        super().__init__()
        self.policy = policy
        self.value_adapter = value_adapter
        self.reference = reference if isinstance(reference, nn.Module) else None
        self.temperature = temperature
        self.is_whole = not isinstance(policy, PeftModel)
        """Whether all weights are trained."""
        bare = policy if self.is_whole else policy.get_base_model()
        self._no_split_modules = sorted(bare._no_split_modules or [])
        """The names of the layers' classes; accelerate reads it to make each layer a unit of FSDP."""
        self.value_head = ValueHead(bare.config.get_text_config().hidden_size)
        self._plain_head = _head_is_plain(bare)
        blocks = blocks_for(policy) if self._plain_head else None
        self.blocks = blocks
        """The fast forward pass, of a model that has one; without it (set it to None) the model's own is used."""
        self._policy = Voice(bare, POLICY, blocks)
        self._value = Voice(bare, value_adapter, self._blocks_of(value_adapter)) if value_adapter else None
        if self.reference is not None:
            self._reference = Voice(self.reference, None, blocks_for(self.reference) if blocks else None)
        else:
            name = reference if isinstance(reference, str) else None
            self._reference = Voice(bare, name, self._blocks_of(name) if name else blocks)

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
        rows = (input_ids, prompt_lengths, lengths, trunk)
        with torch.set_grad_enabled(training and not value_only):
            states, whole, targets = self._states(self._policy, *rows)
            logits = self._logits(self._policy, states, whole)
            logprobs = chosen_logprobs(logits, targets)
        entropy = torch.zeros_like(logprobs) if training else _entropy(logits)
        if self._value is not None:
            states, _, _ = self._states(self._value, *rows)
        values = self.value_head(states)
        if self.is_sharded:
            values = values.clone()  # FSDP's hooks want no view.
        elif value_only and training:
            # A gradient of 0 for the policy: DDP must find every parameter in the graph of this forward.
            values = values + 0.0 * sum(parameter.sum() for parameter in self.trainable().values())
        return Scores(logprobs, values, entropy)

    @property
    def is_sharded(self) -> bool:
        """Whether FSDP has cut the weights up."""
        return isinstance(self, FSDPModule)

    def gather_for_reference(self) -> None:
        """Let FSDP gather the weights for ``reference_logprobs``, as it does for ``forward``."""
        if "reference_logprobs" not in vars(self):
            register_fsdp_forward_method(self, "reference_logprobs")

    def fill_gradients(self) -> None:
        """A gradient of 0 where there is none: the optimiser counts the step for every weight alike."""
        for parameter in self.trainable().values():
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)

    @torch.no_grad()
    def reference_logprobs(
        self, input_ids: Tensor, prompt_lengths: Tensor, lengths: Tensor, *, trunk: Tensor | None = None
    ) -> Tensor:
        """``(tokens,)``: the same tokens under the reference."""
        states, whole, targets = self._states(self._reference, input_ids, prompt_lengths, lengths, trunk)
        logits = self._logits(self._reference, states, whole)
        return chosen_logprobs(logits, targets)

    @torch.no_grad()
    def trunk(self, input_ids: Tensor, prompt_lengths: Tensor, lengths: Tensor) -> Tensor | None:
        """``(tokens, hidden)`` of prompts and completions, row after row: what enters the lowest layer that learns.

        It stays the same for as long as the rows do; None where there is no such layer below.
        """
        if self.blocks is None or self.is_whole or self.blocks.first_adapted == 0:
            return None
        rows = Ragged(prompt_lengths + lengths)
        return self.blocks.run(self.blocks.embed(input_ids, rows), rows, stop=self.blocks.first_adapted)

    def state_dict(self, *args: Any, **options: Any) -> dict[str, Any]:
        """What is trained: what ``load_state_dict`` takes."""
        trained = self.trainable()
        return {name: weight for name, weight in super().state_dict(*args, **options).items() if name in trained}

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """Take the adapters and the value head from a checkpoint; all of them or none, the backbone never.

        Of a policy that is trained whole, also the policy alone, under the names that a plain model has.
        """
        trained = self.trainable()
        if self.is_whole and not any(name.startswith("value_head.") for name in state_dict):
            state_dict = {f"policy.{name}": weight for name, weight in state_dict.items()}
            trained = {name: weight for name, weight in trained.items() if name.startswith("policy.")}
        if set(state_dict) != set(trained):
            odd = sorted(set(state_dict) ^ set(trained))
            raise ValueError(
                f"this checkpoint is of another {'model' if self.is_whole else 'adapter'} "
                f"({len(odd)} weights differ by name, such as {odd[0]}): resume with the settings it was made with"
            )
        found = super().load_state_dict(state_dict, strict=False, assign=assign)
        return type(found)(missing_keys=[], unexpected_keys=[])

    def trainable(self) -> dict[str, nn.Parameter]:
        """What training changes: the policy's adapter or all its weights, the value's adapter, the value head."""
        return {name: parameter for name, parameter in self.named_parameters() if parameter.requires_grad}

    def _blocks_of(self, adapter: str) -> Blocks | None:
        with playing(self.policy, adapter):
            return blocks_for(self.policy) if self.blocks is not None else None

    def _logits(self, voice: Voice, states: Tensor, whole: Tensor | None) -> Tensor:
        """Tempered float32 logits: (tokens, hidden) to (tokens, vocabulary)."""
        logits = voice.model.get_output_embeddings()(states) if whole is None else whole
        return self._tempered(logits)

    def _states(
        self, voice: Voice, input_ids: Tensor, prompt_lengths: Tensor, lengths: Tensor, trunk: Tensor | None
    ) -> tuple[Tensor, Tensor | None, Tensor]:
        """States ``(tokens, hidden)``, logits where they are no function of those alone, targets ``(tokens,)``."""
        autocast = torch.is_autocast_enabled(input_ids.device.type)
        # The blocks compute in the weights' own type; weights that are trained are float32 under autocast.
        if self.blocks is not None and voice.blocks is not None and not (autocast and self.is_whole):
            rows, wanted = Ragged(prompt_lengths + lengths), Ragged(lengths, start=prompt_lengths - 1)
            hidden = voice.blocks.embed(input_ids, rows) if trunk is None else trunk
            first = 0 if trunk is None else voice.blocks.first_adapted
            adapted = voice.adapter is not None
            states = voice.blocks.run(hidden, rows, first=first, wanted=wanted, adapted=adapted)
            return voice.blocks.norm(states), None, wanted.take(input_ids, ahead=1)
        position = torch.arange(input_ids.shape[1], device=input_ids.device)[None, :]  # (1, width)
        first = prompt_lengths[:, None] - 1
        before = (position >= first) & (position < first + lengths[:, None])  # the state before each token
        targets = input_ids[:, 1:][before[:, :-1]]
        arguments = {
            "input_ids": input_ids,
            "attention_mask": (position < (prompt_lengths + lengths)[:, None]).long(),
            "position_ids": position.expand_as(input_ids),
            "use_cache": False,
        }
        # Autocast casts where it pays; PEFT's own cast to float32 before it would be undone again.
        with self._speaking(voice), disable_input_dtype_casting(self.policy, active=autocast):
            if self._plain_head:
                return voice.model.base_model(**arguments).last_hidden_state[before], None, targets
            output = voice.model(**arguments, output_hidden_states=True)
            return output.hidden_states[-1][before], output.logits[before], targets

    def _speaking(self, voice: Voice) -> contextlib.AbstractContextManager[None]:
        if self.is_whole or voice.adapter == POLICY:
            return contextlib.nullcontext()
        return playing(self.policy, voice.adapter)

    def _tempered(self, logits: Tensor) -> Tensor:
        logits = logits.float()
        return logits if self.temperature == 1.0 else logits / self.temperature


@torch.no_grad()
def _entropy(logits: Tensor) -> Tensor:
    logprobs = torch.log_softmax(logits, dim=-1)
    return -(logprobs.exp() * logprobs).sum(-1)


@torch.no_grad()
def _head_is_plain(model: PreTrainedModel) -> bool:
    """Whether the logits are the output layer on the last hidden state and nothing else (no scale, no soft cap).

    Where they are, the output layer needs to run on completion tokens only.
    """
    ids = torch.arange(1, 5, device=model.device)[None, :] % model.config.get_text_config().vocab_size
    arguments = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "use_cache": False}
    whole = model(**arguments).logits
    states = model.base_model(**arguments).last_hidden_state
    return bool(torch.allclose(model.get_output_embeddings()(states), whole, rtol=1e-4, atol=1e-4))
