"""PPO reaches the optimum of rewards whose optimum is known: within 60 updates of 64 rollouts, from five starts.

One set of hyperparameters for all. The model is a random GPT-2 that no text was ever shown, so the reference is of no
use; the weight of its KL is low enough to let go of it and high enough to keep the distance below 10 nats. What is
drawn at temperature 1 counts, nothing greedy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.training.test_ppo import TARGET, WORDS, tiny_model, trainer_of, updates

EOS = WORDS.index("<eos>")
LONGEST = 8
SETTINGS: dict[str, Any] = {
    "num_updates": 60, "batch_size": 64, "mini_batch_size": 32, "num_ppo_epochs": 3, "learning_rate": 7e-3,
    "kl_coef": 0.015, "response_length": LONGEST, "value_pretraining_updates": 2,
    "per_device_train_batch_size": 64, "log_completions": False,
}  # fmt: skip
LAST = 5
"""The updates whose mean counts, 320 rollouts."""


def five_tokens(ids: Sequence[int]) -> float:
    """Five tokens, EOS among them, give 1 and nothing gives more; each token more or less costs a quarter.

    An answer that was cut off has no length of its own: 0.
    """
    return 1 - abs(len(ids) - 5) / 4 if ids[-1] == EOS else 0.0


def the_word(ids: Sequence[int]) -> float:
    """1 for an answer that holds the word, once or more, and 0 for any other."""
    return float(TARGET in ids)


def an_end_and_a_trap(ids: Sequence[int]) -> float:
    """Paid at EOS only. The word in at most five tokens gives 1, and nothing gives more.

    The trap: without the word the pay grows with the length, to a half where EOS is the last token there is room for.
    Whoever lengthens answers rises from the first update on, next to the edge behind which there is nothing; the word
    in a long answer gives three quarters, so that the way to the optimum leads back to short ones.
    """
    if ids[-1] != EOS:
        return 0.0
    if TARGET in ids:
        return 1.0 if len(ids) <= 5 else 0.75
    return 0.5 * len(ids) / LONGEST


REWARDS: dict[str, Callable[[Sequence[int]], float]] = {
    "five tokens": five_tokens,
    "the word": the_word,
    "an end and a trap": an_end_and_a_trap,
}


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 5))])
@pytest.mark.parametrize("name", REWARDS)
def test_ppo_comes_within_a_twentieth_of_the_optimum(name: str, seed: int, tmp_path: Path) -> None:
    reward = REWARDS[name]
    trainer = trainer_of(
        tmp_path,
        lambda completion_ids, **_: [reward(ids) for ids in completion_ids],
        model=tiny_model(seed=seed),
        seed=seed,
        **SETTINGS,
    )
    trainer.train()
    rows = updates(trainer)
    assert rows[0]["reward"] < 0.6
    assert sum(row["reward"] for row in rows[-LAST:]) / LAST >= 0.95
    assert sum(row["kl"] for row in rows[-LAST:]) / LAST < 10


def test_each_rewards_optimum_is_1_and_the_trap_pays_half() -> None:
    other = TARGET + 1
    answers = [[*[token] * n, *end] for token in (TARGET, other) for n in range(1, LONGEST) for end in ([EOS], [other])]
    for reward in REWARDS.values():
        assert max(reward(ids) for ids in answers) == 1
    assert an_end_and_a_trap([*[other] * (LONGEST - 1), EOS]) == 0.5
    assert max(an_end_and_a_trap(ids) for ids in answers if TARGET not in ids) == 0.5
