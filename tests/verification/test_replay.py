"""What a call of a program is seen to break: each property by a program that shows it and near-twins that don't."""

from __future__ import annotations

import collections
import typing
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from verification import Contract, replay
from verification.driver.annotations import matches
from verification.driver.loops import find
from verification.driver.values import changed
from verification.replay import SEEN, Call, Observation, literal

NAN, INFINITY = float("nan"), float("inf")


def see(source: str, *values: object, **options: Any) -> Observation:
    """One call of the program's function f, looked at for everything."""
    (observation,), _ = replay.replay(source, [Call("f", values)], **{"properties": SEEN, **options})
    return observation


def body(*lines: str, head: str = "def f(x, y=None):") -> str:
    return "\n    ".join([head, *lines]) + "\n"


# --- how a call ends


@pytest.mark.parametrize(
    ("source", "status", "observed"),
    [
        ("def f(x): return x + 1", "returned", "returned 2"),
        ("def f(x): return 1 // (x - 1)", "raised", "ZeroDivisionError: integer division or modulo by zero"),
        ("def f(x): raise KeyError", "raised", "KeyError"),
        ("import nothing_like_it\ndef f(x): return x", "raised", "ModuleNotFoundError: No module named 'nothing_like_it'"),
        ("def f(x): return [0] * 10**9", "budget", "budget"),
        ("def f(x):\n    while x != 11:\n        x += 3", "budget", "budget"),
        ("def f(x): return f\ndel f", "lost", "lost"),
        ("class A: pass\ndef f(x): return A()", "returned", "returned <program.A object>"),
        ("class A:\n    def __repr__(self): raise ValueError\ndef f(x): return A()", "returned", "returned a value without a text"),
    ],
)  # fmt: skip
def test_how_a_call_ends(source: str, status: str, observed: str) -> None:
    seen = see(source, 1)
    assert (seen.status, seen.observed) == (status, observed)


def test_contracts_decide_as_before() -> None:
    source = "def f(x):\n    x.append(1)\n    return len(x)\n"
    calls = [Call("f", ([],)), Call("f", ([2, 3],)), Call("f", (None,))]
    contract = Contract(pre="len(x) < 2", post="result == len(x) and result > 1")
    seen, _ = replay.replay(source, calls, parameters=["x"], contract=contract)
    assert [one.status for one in seen] == ["broken", "excluded", "excluded"]
    assert seen[0].observed == "returned 1, which breaks the postcondition"


def test_a_precondition_that_changes_the_arguments_does_not_reach_the_call() -> None:
    contract = Contract(pre="x.append(1) is None")
    assert see("def f(x): return len(x)", [], parameters=["x"], contract=contract).shown == "0"


def test_whatever_catches_the_end_of_its_budget_has_still_ended_by_it() -> None:
    source = body("try:", "    while x != 10: x += 3", "except BaseException:", "    return 'saved'")
    assert see(source, 0).status == "budget"


def test_later_calls_of_a_long_batch_may_take_fewer_lines() -> None:
    source = body("while x > 0:", "    x -= 1")
    calls = [Call("f", (n,)) for n in (6_000, 6_000, 1_500, 6_000, 300)]
    seen, _ = replay.replay(source, calls)
    assert [one.status for one in seen] == ["returned"] * 3 + ["budget", "returned"]


def test_a_call_that_takes_the_batch_with_it_is_lost_alone() -> None:
    source = "import os\ndef f(x): return x if x else os._exit(1)"
    seen, _ = replay.replay(source, [Call("f", (x,)) for x in (1, 0, 2)])
    assert [one.status for one in seen] == ["returned", "lost", "returned"]


def test_chance_is_the_same_at_each_call() -> None:
    source = "import random\ndef f(x): return random.random()"
    seen, _ = replay.replay(source, [Call("f", (0,))] * 3)
    assert len({one.shown for one in seen}) == 1


# --- arguments


@pytest.mark.parametrize(
    ("lines", "before", "said"),
    [
        (["x.append(2)"], [1], "changed its argument x from [1] to [1, 2]"),
        (["x.sort()", "return x[9]"], [2, 1], "changed its argument x from [2, 1] to [1, 2]"),
        (["x['a'].append(1)"], {"a": []}, "changed its argument x from {'a': []} to {'a': [1]}"),
        (["x.pop()"], {1}, "changed its argument x from {1} to set()"),
        (["x[0] = True"], [1], "changed its argument x from [1] to [True]"),
        (["x[0] = 1.0"], [1], "changed its argument x from [1] to [1.0]"),
        (["x[0] = -x[0]"], [0.0], "changed its argument x from [0.0] to [-0.0]"),
        (["x.append(f)"], [], "changed its argument x from [] to [<function f>]"),
        (["x.append(x)"], [], "changed its argument x from [] to [[...]]"),
        (["x.append(1)", "x.pop()"], [2], ""),
        (["return sorted(x)"], [2, 1], ""),
        (["x = x + [1]", "return x"], [2], ""),
        (["x[0], x[1] = x[1], x[0]"], [NAN, NAN], ""),
        (["x['a'] = x.pop('a')"], {"a": 1, "b": 2}, ""),
        (["while x: x.append(1)"], [1], ""),
    ],
)
def test_an_argument_that_is_changed_is_seen_whether_the_call_returns_or_raises(
    lines: list[str], before: object, said: str
) -> None:
    seen = see(body(*lines), before, parameters=["x", "y"], properties=["argument-mutation"])
    assert seen.breaks == (("argument-mutation",) if said else ())
    assert seen.shows("argument-mutation").startswith(said) if said else seen.evidence == ()


def test_arguments_without_a_known_name_are_told_by_their_number() -> None:
    assert "changed its argument number 1 from [] to [0]" in see(body("x.append(0)"), []).observed


def test_a_named_argument_is_told_by_its_name() -> None:
    call = Call("f", (0,), (("y", []),))
    (seen,), _ = replay.replay(body("y.append(x)"), [call], properties=SEEN)
    assert seen.observed == "returned None; changed its argument y from [] to [0]"


@pytest.mark.parametrize("odd", [[NAN], {"a": (1, [2.0])}, {frozenset({1}): None}, [[], [[]]], "x", bytearray(b"a")])
def test_nothing_differs_from_its_copy(odd: Any) -> None:
    import copy

    assert not changed(odd, copy.deepcopy(odd))


# --- what is returned


@pytest.mark.parametrize(
    ("annotation", "value", "fits"),
    [
        ("int", "1", True),
        ("int", "True", True),
        ("int", "1.0", False),
        ("int", "None", False),
        ("bool", "1", False),
        ("float", "1", True),
        ("float", "'1'", False),
        ("str", "b'a'", False),
        ("None", "None", True),
        ("None", "0", False),
        ("'int'", "None", False),
        ("list", "[None]", True),
        ("list[int]", "[1, True]", True),
        ("list[int]", "[1, None]", False),
        ("list[int]", "(1,)", False),
        ("list[float]", "[1]", True),
        ("List[str]", "['a', 1]", False),
        ("tuple[int, str]", "(1, 'a')", True),
        ("tuple[int, str]", "(1, 'a', 2)", False),
        ("tuple[int, str]", "[1, 'a']", False),
        ("tuple[int, ...]", "(1, 2, 3)", True),
        ("tuple[int, ...]", "(1, '2')", False),
        ("tuple[()]", "(1,)", False),
        ("tuple", "(1, 'a')", True),
        ("dict[str, int]", "{'a': 1}", True),
        ("dict[str, int]", "{'a': None}", False),
        ("dict[str, int]", "{1: 1}", False),
        ("set[int]", "{1}", True),
        ("set[int]", "{}", False),
        ("int | None", "None", True),
        ("Optional[int]", "'a'", False),
        ("Union[int, str]", "1.5", False),
        ("list[int | str]", "[1, 'a', None]", False),
        ("dict[str, list[int]]", "{'a': [1, '2']}", False),
        ("Any", "f", True),
        ("object", "f", True),
        ("Sequence[int]", "(1, 2)", True),
        ("Sequence[int]", "{1}", False),
        ("Iterator[int]", "iter([1])", True),
        ("Literal['a', 'b']", "'c'", False),
        ("A", "A()", True),
        ("A", "None", False),
        ("unknown_name", "1", True),
        ("any", "1", True),
        ("list[T]", "[1, 'a']", True),
        ("Callable[[int], int]", "f", True),
    ],
)  # fmt: skip
def test_a_value_that_is_not_of_the_annotated_type_is_seen(annotation: str, value: str, fits: bool) -> None:
    lazily = "from __future__ import annotations\n" if annotation == "unknown_name" else ""
    source = (
        f"{lazily}from collections.abc import Callable, Iterator, Sequence\n"
        "from typing import Any, List, Literal, Optional, TypeVar, Union\n"
        f"T = TypeVar('T')\nclass A: pass\ndef f() -> {annotation}: return {value}\n"
    )
    seen = see(source)
    assert (seen.status, seen.breaks) == ("returned", () if fits else ("return-type",))


@pytest.mark.parametrize(
    "source",
    [
        "async def f() -> int: return 1",
        "def double(g): return lambda: str(g())\n@double\ndef f() -> int: return 1",
        "import functools\ndef double(g):\n    @functools.wraps(g)\n    def h(): return str(g())\n    return h\n@double\ndef f() -> int: return 1",
        "def f() -> int: raise ValueError",
        "def f(): return 1",
    ],
)
def test_what_a_decorator_or_an_exception_brings_is_not_held_against_the_annotation(source: str) -> None:
    assert "return-type" not in see(source).breaks


def test_a_cache_does_not_hide_the_type() -> None:
    seen = see("import functools\n@functools.cache\ndef f() -> int: return 'a'\n")
    assert seen.observed == "returned 'a', which is not of the annotated type int"


def test_a_missing_return_is_told_with_its_line() -> None:
    seen = see("def f(x: int) -> list[int]:\n    if x:\n        return [x]\n", 0)
    assert (seen.observed, seen.line) == ("returned None, which is not of the annotated type list[int]", 2)


T = typing.TypeVar("T")
Ts = typing.TypeVarTuple("Ts")


@pytest.mark.parametrize(
    ("value", "annotation", "fits"),
    [
        ((1, "a", None), tuple[int, *Ts], True),
        (collections.deque([1]), collections.deque[str], False),
        ({"a": 1}, typing.Mapping[str, str], False),
        ([[1], ["a"]], list[list[int]], False),
        (lambda: 0, typing.Callable[..., int], True),
        (1, typing.Annotated[int, "small"], True),
        ("a", typing.Annotated[int, "small"], False),
        ([1, "a"], list[T], True),  # type: ignore[valid-type]
    ],
)
def test_the_types_of_the_typing_module_are_understood(value: object, annotation: object, fits: bool) -> None:
    assert matches(value, annotation) is fits


@pytest.mark.parametrize(
    ("source", "values", "said"),
    [
        ("def f(x, y): return x * y", (1e308, 10.0), "returned inf"),
        ("def f(x): return [{'a': (x - x * 10) - (x - x * 10)}]", (1e308,), "returned [{'a': nan}]"),
        ("import math\ndef f(x): return math.exp(x)", (1000.0,), "OverflowError: math range error"),
        ("def f(x): return x ** 2", (1e200,), "OverflowError: (34, 'Numerical result out of range')"),
        ("def f(x): return float(10 ** x)", (400,), "OverflowError: int too large to convert to float"),
        ("def f(x): return min(x, default=float('inf'))", ([],), "returned inf"),
        ("def f(x): return float(x)", (10**400,), ""),
        ("def f(x): return x", (INFINITY,), ""),
        ("def f(x): return x[0]", ([NAN],), ""),
        ("def f(x): return x * 2", (1e300,), ""),
        ("def f(x): return str(x * 10)", (1e308,), ""),
        ("def f(x): return 1 / x", (0.0,), ""),
    ],
)
def test_floats_that_get_out_of_hand_are_seen(source: str, values: tuple[object, ...], said: str) -> None:
    seen = see(source, *values, properties=["float"])
    assert (seen.breaks, seen.shows("float") if said else "") == (("float",) if said else (), said)


@pytest.mark.parametrize(
    ("values", "int_range", "breaks"),
    [
        ((200,), (-128, 127), False),
        ((100,), (-128, 127), True),
        ((-60,), (-128, 127), False),
        ((-70,), (-128, 127), True),
        ((100,), None, False),
        ((63,), (-128, 127), False),
        ((64,), (-128, 127), True),
    ],
)
def test_integers_beyond_the_given_range_are_seen(
    values: tuple[object, ...], int_range: tuple[int, int] | None, breaks: bool
) -> None:
    seen = see("def f(x): return [2 * x, True]", *values, contract=Contract(int_range=int_range))
    assert ("int-bounds" in seen.breaks) is breaks


def test_the_range_is_told() -> None:
    assert (
        see("def f(x): return 2 * x", 100, contract=Contract(int_range=(0, 127))).observed
        == "returned 200, which is not between 0 and 127"
    )


# --- recursion

SUM = "def f(x): return 0 if x == 0 else 1 + f(x - 1)"


@pytest.mark.parametrize(("depth", "breaks"), [(5_000, True), (2_500, True), (1_010, True), (990, False), (500, False)])
def test_recursion_is_as_deep_as_python_has_it(depth: int, breaks: bool) -> None:
    seen = see(SUM, depth)
    assert seen.breaks == (("recursion",) if breaks else ())
    assert seen.observed.startswith("RecursionError: maximum recursion depth exceeded" if breaks else "returned ")


@pytest.mark.parametrize(
    "source",
    [
        body("try: return f(x)", "except RecursionError: return x"),
        body("return 0 if x <= 0 else f(x // 2)"),
        "def f(x):\n    while x > 0: x -= 1\n    return x\n",
    ],
)
def test_recursion_that_is_bounded_or_caught_is_no_evidence(source: str) -> None:
    assert "recursion" not in see(source, 5_000).breaks


# --- equivalence


@pytest.mark.parametrize(
    ("source", "reference", "values", "said"),
    [
        ("def f(x): return x + 1", "def f(x): return x + 2", (1,), "returned 2 where the reference returned 3"),
        ("def f(x): return x[0]", "def f(x): return x[0] if x else 0", ([],), "raised IndexError where the reference returned 0"),
        ("def f(x): return 0", "def f(x): return x[0]", ([],), "returned 0 where the reference raised IndexError"),
        ("def f(x): return {}[x]", "def f(x): return [][x]", (0,), "raised KeyError where the reference raised IndexError"),
        ("def f(x): return (x, x)", "def f(x): return [x, x]", (0,), "returned (0, 0) where the reference returned [0, 0]"),
        ("def f(x): return x[::-1]", "def f(x): x.reverse(); return x", ([1, 2],), ""),
        ("def f(x): return [1.0, True]", "def f(x): return [1, 1]", (0,), ""),
        ("def f(x): return {'b': 1, 'a': {2.0}}", "def f(x): return {'a': {2}, 'b': 1}", (0,), ""),
        ("def f(x): return [x - x]", "def f(x): return [x * 0]", (INFINITY,), ""),
        ("def f(x): return {}[x]", "def f(x): return {}[x + 1]", (0,), ""),
        ("class A: pass\ndef f(x): return A()", "class A: pass\ndef f(x): return A()", (0,), ""),
        ("def f(x): return x", "def f(x):\n    while x != 10: x += 3", (0,), ""),
        (body("while x: x -= 1", "return 0"), SUM, (2_000,), ""),
    ],
)  # fmt: skip
def test_a_result_that_differs_from_the_reference_is_seen(
    source: str, reference: str, values: tuple[object, ...], said: str
) -> None:
    seen = see(source, *values, contract=Contract(reference=reference), properties=["equivalence"])
    assert (seen.breaks, seen.evidence) == ((("equivalence",), (said,)) if said else ((), ()))


def test_the_reference_is_not_asked_beyond_the_precondition() -> None:
    seen = see(
        "def f(x): return 1",
        0,
        parameters=["x"],
        contract=Contract(pre="x > 0", reference="def f(x): return 2"),
    )
    assert (seen.status, seen.breaks) == ("excluded", ())


def test_the_reference_gets_arguments_of_its_own() -> None:
    source = "def f(x):\n    x.append(1)\n    return len(x)\n"
    assert see(source, [], contract=Contract(reference=source), properties=["equivalence"]).breaks == ()


# --- termination


ENDLESS = {
    "a loop that changes nothing": (body("while x: pass"), (1,)),
    "a loop that changes back": (body("while True:", "    x = -x"), (1,)),
    "a binary search that stands still": (
        body(
            "low, high = 0, len(x) - 1",
            "while low < high:",
            "    middle = (low + high) // 2",
            "    if x[middle] <= y:",
            "        low = middle",
            "    else:",
            "        high = middle - 1",
        ),
        ([1, 2], 5),
    ),
    "a Collatz cycle": (body("while x != 1:", "    x = x // 2 if x % 2 == 0 else 3 * x + 1"), (-5,)),
    "a counter that nobody reads": (body("n = 0", "while x:", "    x //= 2", "    n += 1", "return n"), (-1,)),
    "a list that nobody reads": (body("out = []", "while x < 3:", "    out.append(x)", "    x += y", "return out"), (0, 0)),
    "a list that is made and thrown away": (body("while x:", "    y = [x]"), (1,)),
    "a text that grows": (body("text = ''", "while x:", "    text += '.'", "    if x < 0:", "        return text"), (1,)),
    "a walk in a circle": (
        body("todo = [y]", "while todo:", "    for node in x[todo.pop()]:", "        todo.append(node)"),
        ({"a": ["b"], "b": ["a"]}, "a"),
    ),
    "a loop within a for": (body("for i in range(3):", "    while x == 3:", "        x = 3"), (3,)),
    "a for within a loop": (body("while x:", "    for i in range(3):", "        i = 0"), (3,)),
    "a loop in a helper": ("def g(x):\n    while x: pass\ndef f(x): return g(x)\n", (1,)),
    "a loop that calls a helper": ("def g(x): return x\ndef f(x):\n    while g(x): pass\n", (1,)),
    "a global that stays": ("k = [0]\ndef f(x):\n    while not k[0]: pass\n", (1,)),
    "a loop that catches all": (body("while True:", "    try:", "        x = int('a')", "    except ValueError:", "        x = 0"), (1,)),
    "a loop that catches its own end": (body("while True:", "    try:", "        x = 0", "    except:", "        return x"), (1,)),
    "a deque that turns": ("from collections import deque\ndef f(x):\n    q = deque(x)\n    while q:\n        q.rotate(1)\n", ([1, 2],)),
    "a set that has it already": (body("seen = {x}", "while len(seen) < 2:", "    seen.add(x)"), (1,)),
    "at a depth": (body("if x:", "    return f(x - 1)", "while x == 0: pass"), (900,)),
}  # fmt: skip

NOT_SEEN_TO_BE_ENDLESS = {
    "a value that runs past the end": (body("while x != 10: x += 3"), (0,), "budget"),
    "a counter that is read": (body("n = 0", "while n < 2700:", "    n += 1", "return n"), (0,), "returned"),
    "a counter that is read in an index": (body("n = 0", "while True:", "    n += 1", "    x[n]"), ([0] * 2700,), "raised"),
    "a counter that another function reads": (
        body("n = 0", "def done(): return n > 2700", "while not done():", "    n += 1", "return n"),
        (0,),
        "returned",
    ),
    "a list that another name reads": (body("out = more = []", "while len(more) < 2700:", "    out.append(x)"), (0,), "returned"),
    "a list that a helper reads": (
        "out = []\ndef full(): return len(out) > 2700\ndef f(x):\n    mine = out\n    while not full():\n        mine.append(x)\n",
        (0,),
        "returned",
    ),
    "a sum that may overflow": (body("n = 1", "while True:", "    n *= 10", "    float(n)"), (0,), "raised"),
    "a for that comes to the same values": (body("for i in range(5000):", "    i = 0", "return x"), (0,), "returned"),
    "an iterator in a variable": (body("them = iter(range(5000))", "while True:", "    if next(them, None) is None: return x"), (0,), "returned"),
    "the iterator of an outer for": (
        body("for i in [0] * 1500:", "    while x == 1:", "        x = 0", "    x = 1"),
        (0,),
        "returned",
    ),
    "the iterator of an inner for": (
        body("while x == 1:", "    for i in range(2000):", "        i = 0", "    x = 0"),
        (1,),
        "returned",
    ),
    "a generator that counts": (
        "def g():\n    n = 0\n    while n < 1500:\n        n += 1\n        yield 0\ndef f(x):\n    for x in g():\n        pass\n",
        (0,),
        "returned",
    ),
    "a generator that another function runs on": (
        "def g():\n    while True:\n        yield 0\ndef f(x):\n    for i in g():\n        x += 1\n        if x > 1000: return x\n",
        (0,),
        "returned",
    ),
    "a global that counts": ("k = 0\ndef g():\n    global k\n    k += 1\n    return k\ndef f(x):\n    while g() < 2700: pass\n", (0,), "returned"),
    "a list of the module": ("k = []\ndef g():\n    k.append(0)\n    return len(k)\ndef f(x):\n    while g() < 2700: pass\n", (0,), "returned"),
    "a default that counts": ("def g(k=[]):\n    k.append(0)\n    return len(k)\ndef f(x):\n    while g() < 2700: pass\n", (0,), "returned"),
    "a closure that counts": (
        body("k = 0", "def g():", "    nonlocal k", "    k += 1", "    return k", "while g() < 2700: pass"),
        (0,),
        "returned",
    ),
    "a closure of another function": (
        "def make():\n    k = 0\n    def g():\n        nonlocal k\n        k += 1\n        return k\n    return g\n"
        "def f(x):\n    g = make()\n    while g() < 2000: pass\n",
        (0,),
        "returned",
    ),
    "an attribute that counts": ("def f(x):\n    f.k = 0\n    while f.k < 2700:\n        f.k += 1\n", (0,), "returned"),
    "an object that counts": (
        "class A:\n    k = 0\n    def g(self):\n        self.k += 1\n        return self.k\ndef f(x):\n    a = A()\n    while a.g() < 2700: pass\n",
        (0,),
        "returned",
    ),
    "a list of a class": ("class A:\n    k = []\ndef f(x):\n    while len(A.k) < 1000:\n        A.k.append(0)\n", (0,), "returned"),
    "a set within a list": (body("s = [set()]", "while len(s[0]) < 1000:", "    s[0].add(len(s[0]))"), (0,), "returned"),
    "a set that remembers where it was": (
        body("s = set(range(2700))", "while True:", "    x = s.pop()", "    s.add(x)", "    if x == 2699: return x", "    x = None"),
        (0,),
        "returned",
    ),
    "a dict that is laid out anew": (
        body(
            "d = {i: 0 for i in range(700)}",
            "for i in range(2, 700): del d[i]",
            "while True:",
            "    y = 0",
            "    for i in d:",
            "        d[i] = d.pop(i)",
            "        y += 1",
            "        if y == 2:",
            "            break",
            "    else:",
            "        return x",
        ),
        (0,),
        "returned",
    ),
    "equal objects told apart": (
        body("ys = [int('3000') for i in range(500)]", "x = ys[-1]", "while ys[0] is not x:", "    ys.append(ys.pop(0))"),
        (0,),
        "returned",
    ),
    "one list twice, or two equal ones": (
        body(
            "ys = [[[], []] for i in range(150)] + [[[]] * 2]",
            "while True:",
            "    x = ys.pop(0)",
            "    x[0].append(0)",
            "    if x[1]:",
            "        return x",
            "    x[0].pop()",
            "    ys.append(x)",
        ),
        (0,),
        "returned",
    ),
    "a cache": (
        "import functools\nk = []\n@functools.lru_cache(maxsize=None)\ndef g(i): return k.append(0)\ndef f(x):\n    while len(k) < 1:\n        g(x)\n    while x != 1: x += 2\n",
        (0,),
        "budget",
    ),
    "chance": ("import random\ndef f(x):\n    while random.random() < 2: pass\n", (0,), "budget"),
    "a setting of the interpreter": (
        "from sys import getrecursionlimit, setrecursionlimit\n"
        "def f(x):\n    while getrecursionlimit() < 3000:\n        setrecursionlimit(getrecursionlimit() + 1)\n",
        (0,),
        "returned",
    ),
    "the time": ("import time\ndef f(x):\n    while time.time() > 0: pass\n", (0,), "budget"),
    "input": ("def f(x):\n    while True:\n        try: input()\n        except EOFError: pass\n", (0,), "budget"),
    "a half of an expression": (
        body("def one(): return 1", "k = [0]", "while k[0] < 700:", "    k.append(k.pop()", "             + one())", "return 0"),
        (0,),
        "returned",
    ),
    "a signed zero": (
        body("ys = [0.0] * 400 + [-0.0]", "while str(ys[0]) == '0.0':", "    ys.append(ys.pop(0))"),
        (0,),
        "returned",
    ),
    "a counter that is too large for what is added": (
        body("for i in range(700): pass", "n = 0", "while True:", "    y = 0", "    n -= 0.5", "    n = 10 ** 400"),
        (0,),
        "raised",
    ),
    "a counter that a function within returns": (
        body("n = 0", "while True:", "    n += 1", "    def g(): return n", "    y = g() > 900", "    del g", "    if y: return y"),
        (0,),
        "returned",
    ),
    "a power that overflows": (body("y = 2.0", "while True:", "    y **= 1.01"), (0,), "raised"),
    "a return that is caught": (
        body("n = 0", "while True:", "    n += 1", "    try:", "        return x[n]", "    except KeyError:", "        y = 0"),
        ({700: 1},),
        "returned",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ENDLESS)
def test_a_state_that_comes_again_never_ends(name: str) -> None:
    source, values = ENDLESS[name]
    seen = see(source, *values, properties=["termination"])
    assert (seen.status, seen.breaks) == ("endless", ("termination",)), seen
    assert seen.observed.startswith("never ends: after ")


@pytest.mark.parametrize("name", NOT_SEEN_TO_BE_ENDLESS)
def test_what_may_hide_is_never_called_endless(name: str) -> None:
    source, values, status = NOT_SEEN_TO_BE_ENDLESS[name]
    seen = see(source, *values, properties=["termination"])
    assert (seen.status, seen.breaks) == (status, ()), seen


def test_what_is_told_of_a_loop_without_end() -> None:
    source = body("n = 0", "while x != 1:", "    x = x // 2 if x % 2 == 0 else 3 * x + 1", "    n += 1", "return n")
    seen = see(source, 0)
    assert seen.observed == "never ends: after 3 lines the same state comes again, but for n"
    assert seen.line in (3, 4, 5)


def test_only_termination_looks_for_states() -> None:
    seen = see(body("while x: pass"), 1, properties=["return-type"])
    assert (seen.status, seen.breaks) == ("budget", ())


def test_lines_are_safe_where_the_frame_holds_only_variables() -> None:
    source = (
        "def f(x):\n"  # 1
        "    while x:\n"
        "        x = 1\n"
        "        if x:\n"
        "            x = 2\n"  # 5
        "        for i in x:\n"
        "            i = 3\n"
        "            while i:\n"
        "                i = 4\n"
        "        x = [i for i in x]\n"  # 10
        "        x = (1 +\n"
        "             2)\n"
        "        try:\n"
        "            x = 5\n"
        "        except ValueError:\n"  # 15
        "            x = 6\n"
        "        finally:\n"
        "            x = 7\n"
        "    else:\n"
        "        x = 8\n"
    )
    ((_, lines),) = find(source).places.items()
    assert {line: (loop.first, loop.last) for line, loop in lines.items()} == {
        **dict.fromkeys((2, 3, 4, 5, 14), (2, 20)),
        **dict.fromkeys((8, 9), (8, 9)),
    }


STATEMENTS = (
    "x += 1", "x = (x * 3 + 1) % 17", "x = y", "y = x % 5", "n += 1", "n += x", "out.append(x)", "x = len(out) % 70",
    "ys.append(ys.pop(0))", "x = ys[0]", "bump()", "x = k[0]", "k[0] += 1", "d[x % 3] = y", "y = d.get(x, 0)",
    "x = next(them, 0)", "s.add(x % 9)", "x = s.pop() if s else 0", "text += 'a'", "x = len(text) % 50", "x = total",
    "for x in them: break", "for i in range(9): n += i", "other = out", "x = len(other)",
)  # fmt: skip
TESTS = ("x < 50", "x != 13", "x < y", "True", "len(s) < 5", "n < 900", "total < 700", "k[0] < 800", "len(text) < 999")


@st.composite
def programs(draw: st.DrawFn) -> str:
    chosen = draw(st.lists(st.sampled_from(STATEMENTS), min_size=1, max_size=5))
    indented = [f"        {'    ' * guarded}{line}" for line in chosen for guarded in [draw(st.booleans())]]
    guards = [f"        if {draw(st.sampled_from(TESTS))}:\n{line}" if line[8] == " " else line for line in indented]
    used = "\n".join(guards)
    starts = {
        "n": "0", "out": "[]", "other": "[]", "ys": "[3, 1, 2]", "d": "{}", "s": "{1, 2}", "text": "''",
        "them": "iter(range(3000))",
    }  # fmt: skip
    test = draw(st.sampled_from(TESTS))
    begin = "".join(f"    {name} = {value}\n" for name, value in starts.items() if name == "n" or name in used + test)
    return (
        "total = 0\nk = [0]\ndef bump():\n    global total\n    total += 1\n"
        f"def f(x, y):\n{begin}    while {test}:\n{used}\n    return n\n"
    )


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(source=programs(), x=st.integers(-3, 9), y=st.integers(-3, 9))
def test_a_program_that_is_called_endless_does_not_end_in_twelve_times_the_lines(source: str, x: int, y: int) -> None:
    seen = see(source, x, y, properties=["termination"])
    if seen.status == "endless":
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(replay, "MAX_LINES", 240_000)
            patch.setattr(replay, "MAX_BATCH_LINES", 240_000)
            assert see(source, x, y, properties=[]).status in ("budget", "lost")


# --- the batch


def test_a_call_is_seen_alike_alone_and_in_company() -> None:
    source = body("while x != 1:", "    x = x // 2 if x % 2 == 0 else 3 * x + 1", "return [y][x - 1]")
    calls = [Call("f", (x, y)) for x in (1, 3, -5, 0, 7) for y in (None, 2)]
    together, _ = replay.replay(source, calls, properties=SEEN)
    alone = [replay.replay(source, [call], properties=SEEN)[0][0] for call in calls]
    assert together == alone
    assert together == replay.replay(source, calls, properties=SEEN)[0]


def test_no_call_sees_what_another_one_changed() -> None:
    source = "seen = []\ndef f(x):\n    seen.append(x)\n    x.append(0)\n    return len(seen), len(x)\n"
    shared: list[object] = []
    seen, _ = replay.replay(source, [Call("f", (shared,)), Call("f", (shared,))])
    assert [one.shown for one in seen] == ["(1, 1)", "(1, 1)"]


@pytest.mark.parametrize(
    "source",
    [
        "import sys\ndef f(x):\n    sys.settrace(None)\n    return x\n",
        "import sys\ndef f(x):\n    sys.setrecursionlimit(100)\n    return x\n",
        "import builtins\nbuiltins.repr = None\ndef f(x): return x\n",
        "import sys\ndef f(x):\n    sys._getframe(1).f_locals.clear()\n    return x\n",
        "def f(x): raise SystemExit(3)",
        "class E(BaseException):\n    def __str__(self): raise E\ndef f(x): raise E\n",
        "def f(x): return type('A', (), {'__class__': property(lambda self: 1 // 0)})()\n",
    ],
)
def test_a_program_that_meddles_breaks_nothing_that_it_should_not(source: str) -> None:
    seen = see(source, 1)
    assert seen.status in ("returned", "raised", "lost")
    assert seen.breaks == ()


# --- texts


@pytest.mark.parametrize(
    "value",
    [
        0, -1, True, None, "a'b\n", b"\x00", 1.5, -0.0, 1e308, (), (1,), (1, 2), [], [[], [1]], {}, {"a": [1]}, set(),
        {1}, {"b", "a"}, frozenset(), frozenset({(1, 2)}), [0] * 500, "ab" * 50, "a" * 500, (None,) * 99, [[0] * 99] * 2,
    ],
)  # fmt: skip
def test_a_literal_makes_the_value(value: object) -> None:
    again = eval(literal(value))
    assert (again, type(again)) == (value, type(value))


def test_a_literal_of_what_is_no_literal() -> None:
    assert [repr(eval(literal(value))) for value in ([NAN], -INFINITY)] == ["[nan]", "-inf"]
    assert literal({"c", "a", "b"}) == "{'a', 'b', 'c'}"
    assert literal([0] * 500) == "[0] * 500"
    assert str(Call("f", (1,), (("y", "a"),))) == "f(1, y='a')"
