"""Small edits of a program's syntax tree, as a slip of the hand or a careless model would make them."""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterator
from random import Random


def mutated(source: str, chance: Random, *, edits: int) -> str:
    """The program after so many edits; an edit that finds nothing to change, or breaks the grammar, is left out."""
    for _ in range(edits):
        tree = ast.parse(source)
        chance.choice(EDITS)(tree, chance)
        text = ast.unparse(ast.fix_missing_locations(tree)) + "\n"
        try:
            ast.parse(text)
        except SyntaxError:
            continue
        source = text
    return source


def blocks(tree: ast.AST) -> Iterator[list[ast.stmt]]:
    """Every list of statements inside a function."""
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef):
            for node in ast.walk(function):
                for name in ("body", "orelse", "finalbody"):
                    held = getattr(node, name, None)
                    if isinstance(held, list) and held:
                        yield held


def _some(tree: ast.AST, kind: type[ast.AST], chance: Random) -> ast.AST | None:
    annotations = {id(inner) for each in _annotations(tree) for inner in ast.walk(each)}
    found = [node for node in ast.walk(tree) if isinstance(node, kind) and id(node) not in annotations]
    return chance.choice(found) if found else None


def _annotations(tree: ast.AST) -> Iterator[ast.expr]:
    """What says of which types arguments are drawn, and isn't edited."""
    for node in ast.walk(tree):
        for name in ("annotation", "returns"):
            held = getattr(node, name, None)
            if isinstance(held, ast.expr):
                yield held


_OTHER_ORDER: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.LtE, ast.Gt),
    ast.LtE: (ast.Lt, ast.Lt, ast.GtE),
    ast.Gt: (ast.GtE, ast.GtE, ast.Lt),
    ast.GtE: (ast.Gt, ast.Gt, ast.LtE),
    ast.Eq: (ast.NotEq, ast.LtE),
    ast.NotEq: (ast.Eq, ast.Gt),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}


def _compare(tree: ast.Module, chance: Random) -> None:
    node = _some(tree, ast.Compare, chance)
    if isinstance(node, ast.Compare):
        at = chance.randrange(len(node.ops))
        node.ops[at] = chance.choice(_OTHER_ORDER[type(node.ops[at])])()


def _constant(tree: ast.Module, chance: Random) -> None:
    found = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and type(node.value) is int]
    if found:
        node = chance.choice(found)
        assert isinstance(node.value, int)
        node.value = chance.choice((node.value + 1, max(node.value - 1, 0), 0, 1, 2))


def _other_name(tree: ast.Module, chance: Random) -> None:
    """A variable read in the place of another."""
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    stored = sorted({node.id for node in names if isinstance(node.ctx, ast.Store)} | set(_parameters(tree)))
    read = [node for node in names if isinstance(node.ctx, ast.Load) and node.id in stored]
    if read:
        chance.choice(read).id = chance.choice(stored)


def _parameters(tree: ast.Module) -> list[str]:
    return [node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)]


def _drop_statement(tree: ast.Module, chance: Random) -> None:
    held = chance.choice(list(blocks(tree)))
    at = chance.randrange(len(held))
    if len(held) > 1:
        del held[at]
    else:
        held[at] = ast.Pass()


def _swap_statements(tree: ast.Module, chance: Random) -> None:
    held = chance.choice(list(blocks(tree)))
    if len(held) > 1:
        at = chance.randrange(len(held) - 1)
        held[at], held[at + 1] = held[at + 1], held[at]


def _repeat_statement(tree: ast.Module, chance: Random) -> None:
    """A statement once more, somewhere else."""
    found = list(blocks(tree))
    source, target = chance.choice(found), chance.choice(found)
    target.insert(chance.randrange(len(target) + 1), copy.deepcopy(chance.choice(source)))


def _connective(tree: ast.Module, chance: Random) -> None:
    node = _some(tree, ast.BoolOp, chance)
    if isinstance(node, ast.BoolOp):
        node.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()


def _drop_operand(tree: ast.Module, chance: Random) -> None:
    """One part of a conjunction left out."""
    node = _some(tree, ast.BoolOp, chance)
    if isinstance(node, ast.BoolOp) and len(node.values) > 1:
        del node.values[chance.randrange(len(node.values))]


def _operator(tree: ast.Module, chance: Random) -> None:
    node = _some(tree, ast.BinOp, chance) or _some(tree, ast.AugAssign, chance)
    if isinstance(node, ast.BinOp | ast.AugAssign):
        node.op = chance.choice((ast.Add, ast.Sub, ast.Sub, ast.Mult, ast.FloorDiv, ast.Mod))()


_CHANGES = (
    *(
        "{v}.pop()",
        "{v}.clear()",
        "{v} = {v}[1:]",
        "{v} += 1",
        "{v} -= 1",
        "{v} = None",
        "{v} = 0",
        "del {v}",
        "{v} = []",
    ),
    *(
        "alias = {v}",
        "alias.pop()",
        "alias.clear()",
        "alias.append(0)",
        "{v}.append({w})",
        "{v} = {w}",
        "{v}, {w} = {w}, {v}",
    ),
    *(
        "{v}.pop({w}, None)",
        "{v} = {{}}",
        "{v}.sort()",
        "{v} = ''",
        "for {v} in {w}: pass",
        "[{v} := 0 for _ in [1]]",
        "{v} = -{v}",
    ),
    *(
        "{v}[0] = {w}",
        "{v}[:] = []",
        "{v}.extend({v})",
        "{v} = list({v})",
        "{v} = {v} or {w}",
        "assert {v}",
        "box = [{v}, {w}]",
    ),
    *(
        "box[0].pop()",
        "box[0].clear()",
        "{v} = sorted({v})",
        "{v} = {v} // 2",
        "if {v}: pass",
        "{v} = float({v})",
        "{v} = str({v})",
    ),
)


def _insert_change(tree: ast.Module, chance: Random) -> None:
    """A change of some variable, anywhere."""
    names = sorted({node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} & set(_variables(tree)))
    if names:
        text = chance.choice(_CHANGES).format(v=chance.choice(names), w=chance.choice(names))
        held = chance.choice(list(blocks(tree)))
        at = chance.randrange(len(held) + 1)
        held[at:at] = ast.parse(text).body


def _variables(tree: ast.Module) -> list[str]:
    stored = [node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]
    return [*stored, *_parameters(tree)]


def _wrap(tree: ast.Module, chance: Random) -> None:
    """A statement under a condition, in a loop or in a try."""
    held = chance.choice(list(blocks(tree)))
    at = chance.randrange(len(held))
    texts: tuple[str, ...] = (
        "if {v}:\n    pass",
        "for _ in range(2):\n    pass",
        "for turn in {v}:\n    pass",
        "while {v}:\n    pass",
    )
    texts += ("try:\n    pass\nexcept (IndexError, KeyError):\n    pass", "try:\n    pass\nfinally:\n    pass")
    names = _variables(tree)
    (wrapper,) = ast.parse(chance.choice(texts).format(v=chance.choice(names) if names else "True")).body
    assert isinstance(wrapper, ast.If | ast.For | ast.While | ast.Try)
    wrapper.body = [held[at]]
    held[at] = wrapper


def _jump(tree: ast.Module, chance: Random) -> None:
    loops = [node for node in ast.walk(tree) if isinstance(node, ast.For | ast.While)]
    if loops:
        body = chance.choice(loops).body
        body.insert(chance.randrange(len(body) + 1), chance.choice((ast.Break, ast.Continue))())


def _negate(tree: ast.Module, chance: Random) -> None:
    node = _some(tree, ast.If, chance) or _some(tree, ast.IfExp, chance)
    if isinstance(node, ast.If | ast.IfExp):
        inside = isinstance(node.test, ast.UnaryOp) and isinstance(node.test.op, ast.Not)
        node.test = (
            node.test.operand if inside and isinstance(node.test, ast.UnaryOp) else ast.UnaryOp(ast.Not(), node.test)
        )


def _optional_parameter(tree: ast.Module, chance: Random) -> None:
    """A parameter that may now be None as well, or a float."""
    found = [node for node in ast.walk(tree) if isinstance(node, ast.arg) and node.annotation is not None]
    if found:
        node = chance.choice(found)
        assert node.annotation is not None
        more = ast.Constant(None) if chance.random() < 0.6 else ast.Name(chance.choice(("float", "str", "int")))
        node.annotation = ast.BinOp(node.annotation, ast.BitOr(), more)


Edit = Callable[[ast.Module, Random], None]
EDITS: tuple[Edit, ...] = (
    *(_compare, _compare, _constant, _constant, _other_name, _other_name, _drop_statement, _swap_statements),
    *(_repeat_statement, _connective, _drop_operand, _operator, _insert_change, _insert_change, _insert_change),
    *(_wrap, _jump, _negate, _optional_parameter),
)
