from __future__ import annotations

import ast

import pytest

from training.config import TaskSettings
from training.curriculum import build
from workers.taste import style


def idiom(body: str) -> float:
    lines = "\n    ".join(body.splitlines())
    return style(f"def f(x, xs, table):\n    {lines}\n")["idiom"]


@pytest.mark.parametrize(
    ("body", "share"),
    [
        ("return x", 0.5),
        ("return sum(xs)", 1.0),
        ("return x if x else 0", 1.0),
        ("if x:\n    return x\nreturn 0", 0.0),
        ("if x:\n    return sum(xs)\nreturn 0", 0.5),
        ("out = []\nfor x in xs:\n    if x:\n        out.append(x)\nreturn sum(out)", 1 / 3),
        ("return f'<p>{x}</p>'", 1.0),
        ("return '<p>' + x + '</p>'", 0.0),
        ("return x + xs", 0.5),
        ("return x in ('', '.')", 1.0),
        ("return x in xs", 0.5),
        ("return x == '' or x == '.'", 0.0),
        ("return x == '' or xs == '.'", 0.5),
        ("out = x * 2\nreturn out", 0.0),
        ("try:\n    out = int(x)\nexcept ValueError:\n    out = 0\nreturn out", 0.0),
        ("out = x * 2\nreturn out + out", 0.5),
        ("out = 1\nout *= x\nreturn out", 0.5),
    ],
)
def test_idiom_is_the_share_of_what_is_said_by_an_expression(body: str, share: float) -> None:
    assert idiom(body) == pytest.approx(share)


def test_an_edge_case_is_guarded_by_a_branch_a_default_or_a_bound_but_not_by_what_a_loop_filters() -> None:
    def guard(code: str) -> float:
        return style(f"def f(x, xs, table):\n    {code}\n")["guard"]

    guarded = ("if x:\n        return 1", "return 1 if x else 0", "return max(xs, default=0)", "return table.get(x, 0)",
               "return max(-3, x)", "for x in xs:\n        print(x if x else 0)")  # fmt: skip
    assert [guard(code) for code in guarded] == [1] * len(guarded)
    bare = ("return x", "return max(xs)", "return max(x, xs)", "return table.get(x)",
            "for x in xs:\n        if x:\n            print(x)")  # fmt: skip
    assert [guard(code) for code in bare] == [0] * len(bare)


def test_a_longer_program_is_less_short_and_a_risky_call_is_seen() -> None:
    assert style("x = 1\n" * 3)["short"] == pytest.approx(1 - 3 / 15)
    assert style("x = 1\n" * 40)["short"] == 0
    assert style("eval(x)")["risky"] == 1
    assert style("evaluate(x)")["risky"] == 0
    with pytest.raises(SyntaxError):
        style("def f(:")


def test_of_all_families_hardly_any_reference_is_less_idiomatic_than_another_safe_solution() -> None:
    tasks = {task.family: task for task in build(TaskSettings(train=400, held_out=2))["train"]}
    worse = []
    for family, task in tasks.items():
        first, *others = (style(one.code)["idiom"] for one in task.solutions if one.safe)
        assert all(0 <= value <= 1 for value in (first, *others))
        worse += [family] if any(other > first for other in others) else []
    assert len(tasks) > 60
    assert len(worse) < len(tasks) / 5


def test_it_reads_what_python_can_write() -> None:
    tree = ast.parse(
        "async def f():\n    async for x in y:\n        pass\n    match x:\n        case [a, *b]:\n            return a"
    )
    assert 0 <= style(ast.unparse(tree))["idiom"] <= 1
