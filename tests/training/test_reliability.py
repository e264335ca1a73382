"""Who rates carefully, who at random, who for one side, who the wrong way round; crowd-kit's model as the oracle."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training import reliability
from training.preferences import Preference, estimate_of, weights
from training.reliability import CLASSES, Estimate, Gold, Judgement, estimate

PREFERENCES = {"A": -2, "tie": 0, "B": 2, "unusable": None}


def answer(kind: str, truth: str, chance: random.Random) -> str:
    """What an annotator of this kind says of a comparison."""
    guess = chance.choices(CLASSES, (40, 15, 40, 5))[0]
    if kind in ("A", "B", "tie", "unusable"):
        return kind if chance.random() < 0.95 else guess
    said = guess if kind == "random" or chance.random() > 0.85 else truth
    return {"A": "B", "B": "A"}.get(said, said) if kind == "reversed" else said


def ratings(kinds: Sequence[str], comparisons: int, *, seed: int, overlap: int = 2) -> list[Judgement]:
    """Each comparison rated by so many annotators, drawn at random; annotator ``3-random`` is of kind random."""
    chance = random.Random(seed)
    names = [f"{number}-{kind}" for number, kind in enumerate(kinds)]
    found = []
    for number in range(comparisons):
        truth = chance.choices(CLASSES, (42, 10, 42, 6))[0]
        for name in chance.sample(names, overlap):
            said = answer(name.partition("-")[2], truth, chance)
            found.append(Judgement(f"{number:04d}", name, PREFERENCES[said]))
    return found


def of_kind(found: Estimate, kind: str) -> list[float]:
    return [one.correlation for name, one in found.annotators.items() if name.endswith(kind)]


# -- whom it finds


@pytest.mark.parametrize("seed", range(3))
def test_careful_raters_come_out_above_all_who_answer_at_random_or_always_alike(seed: int) -> None:
    kinds = ["careful"] * 7 + ["random", "random", "B", "tie", "unusable"]
    found = estimate(ratings(kinds, 400, seed=seed))
    assert min(of_kind(found, "careful")) > 0.55
    others = [value for kind in ("random", "B", "tie", "unusable") for value in of_kind(found, kind)]
    assert max(map(abs, others)) < 0.5
    assert np.mean(np.abs(others)) < 0.25


@pytest.mark.parametrize("seed", range(3))
def test_one_who_turns_sides_round_is_told_by_a_negative_correlation_and_counts_for_nothing(seed: int) -> None:
    found = estimate(ratings(["careful"] * 6 + ["reversed"], 240, seed=seed))
    (value,) = of_kind(found, "reversed")
    assert value < -0.3
    assert found.reliability("6-reversed") == 0.0


def test_one_who_always_prefers_the_side_that_is_mostly_better_is_still_found() -> None:
    chance = random.Random(5)
    found = []
    for number in range(300):
        truth = "B" if chance.random() < 0.8 else "A"
        for name in chance.sample(["1-careful", "2-careful", "3-careful", "4-careful", "5-B"], 2):
            found.append(Judgement(str(number), name, PREFERENCES[answer(name[2:], truth, chance)]))
    result = estimate(found)
    assert abs(of_kind(result, "B")[0]) < 0.35
    assert min(of_kind(result, "careful")) > 0.6


def test_perfect_raters_are_near_1_and_the_posterior_names_the_class() -> None:
    found = estimate(
        [
            Judgement(str(number), name, PREFERENCES[truth])
            for number, truth in enumerate(["A", "B", "A", "B", "tie", "unusable"] * 20)
            for name in "xyz"
        ]
    )
    assert min(one.correlation for one in found.annotators.values()) > 0.95
    assert [CLASSES[int(np.argmax(found.posterior[str(number)]))] for number in range(6)] == [
        "A", "B", "A", "B", "tie", "unusable",
    ]  # fmt: skip
    assert all(sum(row) == pytest.approx(1.0) for row in found.posterior.values())


# -- gold questions


def test_gold_questions_tell_who_is_right_where_two_always_contradict_each_other() -> None:
    pairs = [
        (Judgement(str(n), "right", 2 if n % 2 else -2), Judgement(str(n), "wrong", -2 if n % 2 else 2))
        for n in range(40)
    ]
    rows = [one for pair in pairs for one in pair]
    blind = estimate(rows)
    assert blind.annotators["right"].correlation == pytest.approx(blind.annotators["wrong"].correlation)
    gold = [
        replace(one, gold=Gold(1, 3) if int(one.comparison) % 2 else Gold(-3, -1)) if int(one.comparison) < 8 else one
        for one in rows
    ]
    found = estimate(gold)
    assert found.annotators["right"].correlation > 0.6
    assert found.annotators["wrong"].correlation < -0.6


def test_a_gold_answer_leaves_only_its_classes_and_two_that_exclude_each_other_leave_all() -> None:
    one = Judgement("x", "a", 3, Gold(-1, 0))
    assert [value > 0 for value in estimate([one]).posterior["x"]] == [True, True, False, False]
    neither = Judgement("x", "a", 3, Gold(None, None))
    assert estimate([neither]).posterior["x"] == (0, 0, 0, 1)
    assert min(estimate([one, replace(neither, annotator="b")]).posterior["x"]) > 0
    with pytest.raises(ValueError, match="both ends"):
        Gold(1, None)


# -- little is known


def test_an_annotator_of_whom_little_is_known_is_taken_for_the_pool_s_mean() -> None:
    rows = ratings(["careful"] * 5 + ["random"], 200, seed=1)
    found = estimate([*rows, Judgement("alone", "new", 2)])
    assert found.annotators["new"].reliability == pytest.approx(found.pool, abs=0.1)
    assert found.reliability("nobody yet") == found.pool
    assert found.pool == pytest.approx(np.mean([found.reliability(name) for name in found.annotators]), abs=0.12)


def test_a_rating_without_a_name_is_of_somebody_new() -> None:
    rows = ratings(["careful"] * 5, 100, seed=1)
    found = estimate([*rows, Judgement("0001", "", -2), Judgement("0001", "", 2)])
    assert "" not in found.annotators
    assert found.weights[-2:] == (found.pool, found.pool)
    assert found.shares[-2:] == (1.0, 1.0)


def test_no_ratings_are_no_error() -> None:
    found = estimate([])
    assert (found.annotators, found.posterior, found.weights) == ({}, {}, ())
    assert 0 < found.pool < 1


# -- contradictions


def test_one_who_contradicts_himself_has_one_voice_and_loses_trust() -> None:
    rows = ratings(["careful"] * 5, 120, seed=2)
    mine = [one for one in rows if one.annotator == "0-careful"]
    again = [replace(one, preference=None if one.preference is None else -one.preference) for one in mine]
    before, after = estimate(rows), estimate([*rows, *again])
    place = rows.index(mine[0])
    assert (before.shares[place], after.shares[place], after.shares[len(rows)]) == (1.0, 0.5, 0.5)
    assert abs(after.annotators["0-careful"].correlation) < 0.3 < before.annotators["0-careful"].correlation
    assert after.annotators["0-careful"].ratings == before.annotators["0-careful"].ratings == len(mine)
    assert after.weights[place] == pytest.approx(0.5 * after.reliability("0-careful"))


def test_saying_the_same_twice_changes_nothing_but_the_rows_shares() -> None:
    rows = ratings(["careful"] * 4 + ["random"], 60, seed=3)
    once, twice = estimate(rows), estimate([*rows, rows[0]])
    assert twice.posterior == once.posterior
    assert twice.weights[0] + twice.weights[-1] == pytest.approx(once.weights[0])


# -- what must not matter


rows_of = st.lists(
    st.builds(
        Judgement,
        st.sampled_from(["p", "q", "r", "s", "t"]),
        st.sampled_from(["x", "y", "z", ""]),
        st.sampled_from([-3, -1, 0, 2, None]),
        st.none() | st.builds(Gold, st.just(-1), st.just(1)) | st.builds(Gold, st.just(1), st.just(3)),
    ),
    max_size=30,
)


@settings(deadline=None, max_examples=60)
@given(rows_of, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(rows: list[Judgement], chance: random.Random) -> None:
    order = list(range(len(rows)))
    chance.shuffle(order)
    one, other = estimate(rows), estimate([rows[place] for place in order])
    assert other.annotators.keys() == one.annotators.keys()
    for name, known in one.annotators.items():
        assert other.annotators[name].correlation == pytest.approx(known.correlation, abs=1e-9)
    for name, row in one.posterior.items():
        assert other.posterior[name] == pytest.approx(row, abs=1e-9)
    assert list(other.weights) == pytest.approx([one.weights[place] for place in order], abs=1e-9)


@settings(deadline=None, max_examples=60)
@given(rows_of)
def test_sides_exchanged_everywhere_change_nothing(rows: list[Judgement]) -> None:
    exchanged = [
        replace(
            one,
            preference=None if one.preference is None else -one.preference,
            gold=None if one.gold is None else one.gold.turned(),
        )
        for one in rows
    ]
    found, other = estimate(rows), estimate(exchanged)
    for name, known in found.annotators.items():
        assert other.annotators[name].correlation == pytest.approx(known.correlation, abs=1e-9)
    for name, (a, tie, b, unusable) in found.posterior.items():
        assert other.posterior[name] == pytest.approx((b, tie, a, unusable), abs=1e-9)
    assert other.weights == pytest.approx(found.weights, abs=1e-9)


@settings(deadline=None, max_examples=60)
@given(rows_of)
def test_reliabilities_and_weights_are_between_0_and_1(rows: list[Judgement]) -> None:
    found = estimate(rows)
    assert all(-1 <= one.correlation <= 1 and 0 <= one.reliability <= 1 for one in found.annotators.values())
    assert all(0 <= weight <= 1 for weight in found.weights)
    assert all(sum(row) == pytest.approx(1.0) for row in found.posterior.values())


# -- the oracle


@pytest.mark.filterwarnings("ignore:The (inplace|copy) keyword")  # crowd-kit uses pandas in its old way
@pytest.mark.parametrize(("overlap", "seed"), [(2, 0), (4, 1)])
def test_without_the_start_from_the_pool_it_is_the_model_of_1979(
    overlap: int, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reliability, "_ITERATIONS", 25)
    monkeypatch.setattr(reliability, "_TOLERANCE", 0.0)
    pandas = pytest.importorskip("pandas")
    from crowdkit import aggregation

    kinds = ["careful"] * 5 + ["random", "B", "reversed"]
    rows = ratings(kinds, 150, seed=seed, overlap=overlap)
    label = {value: name for name, value in PREFERENCES.items()}
    table = pandas.DataFrame(
        [(one.comparison, one.annotator, label[one.preference]) for one in rows], columns=["task", "worker", "label"]
    )
    names = sorted(table["worker"].unique())
    start = pandas.DataFrame(
        [[0.7 if true == said else 0.1 for true in CLASSES] for _ in names for said in CLASSES],
        index=pandas.MultiIndex.from_product([names, CLASSES], names=["worker", "label"]),
        columns=list(CLASSES),
    )
    oracle = aggregation.DawidSkene(n_iter=25, tol=-1.0, initial_error_strategy="assign")
    expected = oracle.fit_predict_proba(table, initial_error=start)
    found = estimate(rows, strength=0.0)
    mine = pandas.DataFrame(found.posterior, index=list(CLASSES)).T
    difference = (mine[list(CLASSES)] - expected.loc[mine.index, list(CLASSES)]).abs().to_numpy()
    assert difference.max() < 1e-6


# -- preferences


def preference(number: int, value: int, annotator: str, *, turned: bool = False, **options: object) -> Preference:
    codes = (f"b{number}", f"a{number}") if turned else (f"a{number}", f"b{number}")
    return Preference("Do it.", "def f():", *codes, -value if turned else value, annotator, **options)  # type: ignore[arg-type]


def test_the_same_two_programs_are_one_comparison_whatever_side_they_are_on() -> None:
    straight = [preference(n, 2 if n % 3 else -2, name) for n in range(20) for name in "xy"]
    mixed = [
        preference(n, 2 if n % 3 else -2, name, turned=(n + (name == "y")) % 2 == 0) for n in range(20) for name in "xy"
    ]
    assert estimate_of(mixed).posterior == estimate_of(straight).posterior
    gold = [preference(0, 2, "x", gold=Gold(1, 3)), preference(0, 2, "y", turned=True, gold=Gold(-3, -1))]
    assert sorted(estimate_of(gold).posterior.popitem()[1]) == [0, 0, 0, 1]


def test_a_rating_s_weight_is_its_own_times_its_annotator_s_reliability() -> None:
    chance = random.Random(1)
    rows = [preference(n, 2 if n % 2 else -2, name, weight=0.5) for n in range(60) for name in "xyz"]
    rows += [preference(n, chance.choice([-2, 2]), "random", weight=0.5) for n in range(60)]
    believed = estimate_of(rows)
    found = dict(zip([one.annotator for one in rows], weights(rows, believed, by_reliability=True), strict=True))
    assert found["x"] == pytest.approx(0.5 * believed.reliability("x"))
    assert found["random"] < 0.4 * found["x"]
    assert set(weights(rows, believed, by_reliability=False)) == {0.5}
