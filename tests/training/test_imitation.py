"""Successes that are kept and learnt from again: what is drawn, what is forgotten, and the gradient it makes."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.training.test_ppo import PROMPTS, share_of_target, trainer_of, updates
from tests.training.test_ppo_features import trainer_of as trainer_on
from training import advantages
from training.imitation import Success, Successes

NUMBERS = st.floats(-5.0, 5.0, allow_nan=False)


def kept(*gains: float, capacity: int = 100) -> Successes:
    found = Successes(capacity, seed=0)
    found.add(Success(row, [row, 1], 1.0, gain) for row, gain in enumerate(gains))
    return found


def test_what_gained_nothing_is_not_kept_and_the_oldest_make_room() -> None:
    found = kept(0.5, 0.0, -1.0, 0.2, 0.1, capacity=2)
    assert [one.row for one in (found[0], found[1])] == [3, 4]
    found.add([Success(9, [1], 1.0, 2.0)])
    assert [found[place].row for place in range(len(found))] == [4, 9]


def test_draws_are_in_proportion_to_the_gains_and_follow_from_their_numbers_alone() -> None:
    found = kept(1.0, 2.0, 5.0)
    counts = Counter(found.draw(1, update, 0)[0] for update in range(4000))
    assert [counts[place] / 4000 for place in range(3)] == pytest.approx([0.125, 0.25, 0.625], abs=0.03)
    assert found.draw(2, 7, 1) == kept(1.0, 2.0, 5.0).draw(2, 7, 1)
    assert len({tuple(found.draw(3, update, 0)) for update in range(20)}) > 1


def test_groups_are_drawn_for_alike_however_many_successes_they_have() -> None:
    found = Successes(100, seed=0)
    found.add(Success(row, [1], 1.0, 0.5, "common") for row in range(60))
    found.add([Success(60, [1], 1.0, 0.3, "rare"), Success(61, [1], 1.0, 0.1, "rare")])
    counts = Counter(found.draw(1, update, 0)[0] for update in range(4000))
    assert sum(counts[place] for place in range(60)) / 4000 == pytest.approx(0.5, abs=0.03)
    assert counts[60] / 4000 == pytest.approx(0.375, abs=0.03)


def test_no_place_is_drawn_twice_and_none_that_teaches_nothing() -> None:
    found = kept(1.0, 2.0, 3.0, 4.0)
    found.reweigh({1: -0.5, 2: 0.25})
    assert found[2].gain == 0.25
    assert sorted(found.draw(32, 0, 0)) == [0, 2, 3]
    found.reweigh(dict.fromkeys(range(4), 0.0))
    assert found.draw(32, 0, 0) == []
    assert Successes(4, seed=0).draw(32, 0, 0) == []


def test_what_is_no_better_than_its_group_by_now_is_not_drawn_whatever_it_gained_once() -> None:
    found = Successes(100, seed=0)
    found.add(Success(row, [1], 2.0, 1.9, "learnt") for row in range(60))
    found.add([Success(60, [1], 3.0, 2.9, "learnt"), Success(61, [1], 2.0, 0.5, "unseen")])
    assert set(found.draw(100, 0, 0)) == set(range(62))
    assert set(found.draw(100, 0, 0, expected={"learnt": 2.0})) == {60, 61}
    counts = Counter(found.draw(1, update, 0, expected={"learnt": 1.9})[0] for update in range(4000))
    assert counts[60] / 4000 == pytest.approx(0.5 * 1.1 / (60 * 0.1 + 1.1), abs=0.03)
    assert counts[61] / 4000 == pytest.approx(0.5, abs=0.03)  # a gain is never more than it was
    assert found[0].gain == 1.9


def test_its_state_comes_back_as_it_was() -> None:
    found, again = kept(1.0, 2.0), Successes(100, seed=0)
    again.load_state_dict(found.state_dict())
    assert [again[place] for place in range(2)] == [found[place] for place in range(2)]
    assert again.draw(1, 3) == found.draw(1, 3)


@given(st.lists(st.tuples(NUMBERS, NUMBERS, NUMBERS), min_size=1, max_size=20))
def test_the_loss_agrees_with_a_plain_loop(rows: list[tuple[float, float, float]]) -> None:
    logprobs, values, returns = (torch.tensor(column, dtype=torch.float64) for column in zip(*rows, strict=True))
    values.requires_grad_()
    logprobs.requires_grad_()
    loss = advantages.imitation_loss(logprobs, values, returns)
    assert loss.total.item() == pytest.approx(sum(-p * max(r - v, 0.0) for p, v, r in rows), abs=1e-10)
    assert int(loss.clipped) == sum(r <= v for _, v, r in rows)
    loss.total.backward()
    assert logprobs.grad is not None
    assert logprobs.grad.tolist() == pytest.approx([-max(r - v, 0.0) for _, v, r in rows], abs=1e-10)
    assert values.grad is None


def test_a_step_adds_the_gradient_of_its_successes_to_that_of_its_rollouts(tmp_path: Path) -> None:
    """Each success alone through the whole model, its tokens weighed by what they gained over the value."""
    options: dict[str, Any] = {
        "num_updates": 1,
        "num_ppo_epochs": 1,
        "batch_size": 16,
        "mini_batch_size": 16,
        "gamma": 0.9,
    }
    gradients = []
    for coef in (0.0, 0.7):
        trainer = trainer_of(tmp_path / str(coef), imitation_coef=coef, imitation_batch_size=3, **options)
        torch.manual_seed(0)
        with torch.no_grad():
            for parameter in trainer.model.trainable().values():
                parameter.add_(0.05 * torch.randn_like(parameter))
        trainer.training_step(trainer.model, {})
        gradients.append({name: weight.grad.clone() for name, weight in trainer.model.trainable().items()})
    model, total, tokens = trainer.model, torch.zeros(()), 0
    places = trainer.successes.draw(3, 0, 0)
    assert len(places) == 3
    for success in (trainer.successes[place] for place in places):
        prompt, completion = trainer.prompts.ids[success.row], success.completion_ids
        output = model.policy(input_ids=torch.tensor([prompt + completion]), output_hidden_states=True)
        before = slice(len(prompt) - 1, len(prompt) + len(completion) - 1)
        logprobs = torch.log_softmax(output.logits[0, before], -1)[range(len(completion)), completion]
        values = model.value_head(output.hidden_states[-1][0, before]).detach()
        score = share_of_target([completion])[0]
        assert success.score == score
        for t, (logprob, value) in enumerate(zip(logprobs, values, strict=True)):
            total = total - logprob * max(score * 0.9 ** (len(completion) - 1 - t) - float(value), 0.0)
        tokens += len(completion)
    names = [name for name in gradients[0] if not name.startswith("value_head.")]
    own = torch.autograd.grad(0.7 * total / tokens, [model.trainable()[name] for name in names])
    assert any(bool(gradient.abs().max() > 1e-6) for gradient in own)
    for name, gradient in zip(names, own, strict=True):
        assert torch.allclose(gradients[1][name], gradients[0][name] + gradient, atol=1e-5)
    for name in gradients[0].keys() - set(names):
        assert torch.allclose(gradients[1][name], gradients[0][name], atol=1e-7)


def test_what_is_learnt_from_again_is_reweighed_and_told(tmp_path: Path) -> None:
    trainer = trainer_of(tmp_path, num_updates=2, value_pretraining_updates=1, imitation_coef=0.5)
    trainer.train()
    first, second = updates(trainer)
    assert first["imitated"] == 0  # the policy takes no gradient while the value alone is trained
    assert second["imitated"] > 0
    assert second["successes"] == len(trainer.successes) > first["successes"] > 0


def test_a_rare_success_is_not_forgotten(tmp_path: Path) -> None:
    """One first letter in twenty-two is right: with imitation it is soon written far more often."""

    def first_is_right(completion_ids: list[list[int]], **_: Any) -> list[float]:
        return [float(ids[0] == 4) for ids in completion_ids]

    reached = []
    for coef in (0.0, 1.0):
        trainer = trainer_of(
            tmp_path / str(coef), first_is_right, num_updates=12, learning_rate=5e-3, imitation_coef=coef, kl_coef=0.0
        )
        trainer.train()
        reached.append(sum(row["reward"] for row in updates(trainer)))
    assert reached[1] > 1.5 * reached[0]


@pytest.mark.parametrize(
    ("name", "value"), [("imitation_coef", -0.1), ("imitation_batch_size", 0), ("exploration_batches", 2)]
)
def test_settings_that_make_no_sense_are_refused(tmp_path: Path, name: str, value: float) -> None:
    with pytest.raises(ValueError, match=name):
        trainer_of(tmp_path, **{name: value})


def test_exploring_fills_the_memory_with_what_beats_its_groups_mean_and_teaches_nothing_by_itself(
    tmp_path: Path,
) -> None:
    rows = [{**row, "kind": "short" if row["length"] < 4 else "long"} for row in PROMPTS]
    seen: list[tuple[str, float]] = []

    def judged(completion_ids: list[list[int]], kind: list[str], **_: Any) -> list[float | None]:
        found = [
            value if one == "short" else value - 5.0
            for value, one in zip(share_of_target(completion_ids), kind, strict=True)
        ]
        seen.extend(zip(kind, found, strict=True))
        return found

    options: dict[str, Any] = {"rows": rows, "lagging_column": "kind", "imitation_coef": 1.0, "exploration_batches": 3}
    trainer = trainer_on(tmp_path, None, judged, **options)
    before = {name: value.clone() for name, value in trainer.model.trainable().items()}
    trainer._explore()
    assert Counter(kind for kind, _ in seen) == {"short": 24, "long": 24}
    means = {kind: sum(v for k, v in seen if k == kind) / 24 for kind in ("short", "long")}
    expected = [value - means[kind] for kind, value in seen if value > means[kind]]
    found = [trainer.successes[place] for place in range(len(trainer.successes))]
    assert [one.gain for one in found] == pytest.approx(expected)
    assert all(torch.equal(value, before[name]) for name, value in trainer.model.trainable().items())


def test_a_trainer_does_not_imitate_what_its_groups_have_learnt(tmp_path: Path) -> None:
    rows = [{**row, "kind": "short" if row["length"] < 4 else "long"} for row in PROMPTS]
    options: dict[str, Any] = {"rows": rows, "lagging_column": "kind", "imitation_coef": 1.0, "num_updates": 2}
    trainer = trainer_on(tmp_path, None, share_of_target, value_pretraining_updates=0, **options)
    assert trainer.groups is not None
    trainer.training_step(trainer.model, {})
    assert set(trainer.groups.means) == {"short", "long"}
    assert trainer._gains
    highest = max(trainer.successes[place].score for place in range(len(trainer.successes)))
    trainer.groups.means.update(short=highest, long=highest)
    trainer._gains.clear()
    trainer._imitate(trainer.model, 0)
    assert not trainer._gains


def test_the_updates_draw_what_comes_after_the_exploration(tmp_path: Path) -> None:
    plain = trainer_of(tmp_path / "plain", num_updates=4)
    explored = trainer_of(tmp_path / "explored", num_updates=1, imitation_coef=0.5, exploration_batches=3)
    explored.train()
    table = (tmp_path / "explored" / "completions" / "000001.jsonl").read_text().splitlines()
    assert [json.loads(line)["row"] for line in table] == plain._draw(3)
