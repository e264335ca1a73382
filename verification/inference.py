"""Types of parameters without annotation, guessed from what the program itself shows; each guess becomes an assumption.

In this order: examples in the function's docstring and assertions of the module, default values, and what the body does
with the parameter. A guess is never more than that: verdicts name it, and an error of types refutes nothing under it.
"""

from __future__ import annotations

import ast
import copy
import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

MOST_EXAMPLES = 40
MOST_MENTIONS = 200
"""Of the function's name in its docstring, whether they are calls or not."""

MOST_KINDS = 3
"""A parameter of more kinds than these is left without a guess."""

DEEPEST = 3


@dataclass(frozen=True)
class Guess:
    """What a parameter is taken for."""

    name: str
    annotation: str
    shown_by: str
    """``examples``, ``default`` or ``use``."""

    annotated: bool = False
    """Whether it has an annotation, such as ``list``, that says nothing of what is inside."""

    def __str__(self) -> str:
        """As an assumption."""
        show = "show" if self.shown_by == "examples" else "shows"
        lacks = "whose annotation tells no elements" if self.annotated else "which has no annotation"
        return f"parameter {self.name}, {lacks}, takes {self.annotation}, as its {self.shown_by} {show}"


def guesses(tree: ast.Module, entry: str) -> tuple[Guess, ...]:
    """For each parameter of the entry that has no annotation and shows what it takes."""
    function = _function(tree, entry)
    if function is None:
        return ()
    bare = {argument.arg: _outer(argument) for argument in _arguments(function) if _outer(argument) is not None}
    if not bare:
        return ()
    examples = _examples(tree, function)
    found = []
    for name, outer in bare.items():
        guess = _guess(name, function, examples)
        if guess is not None and not outer:
            found.append(guess)
        elif guess is not None and outer and guess.annotation.startswith(f"{outer}[") and "|" not in guess.annotation:
            found.append(replace(guess, annotated=True))
    return tuple(found)


_CONTAINERS = ("list", "dict", "set", "tuple")


def _outer(argument: ast.arg) -> str | None:
    """The container that an annotation names without its elements, empty where there is none; None for any other."""
    annotation = argument.annotation
    if annotation is None:
        return ""
    name = annotation.id if isinstance(annotation, ast.Name) else getattr(annotation, "attr", "")
    return name.lower() if name.lower() in _CONTAINERS else None


def annotated(tree: ast.Module, entry: str, found: Sequence[Guess]) -> ast.Module:
    """The program with the guesses written into the entry's signature."""
    if not found:
        return tree
    made = copy.deepcopy(tree)
    function = _function(made, entry)
    assert function is not None
    by_name = {guess.name: guess.annotation for guess in found}
    for argument in _arguments(function):
        if argument.arg in by_name:
            annotation = ast.parse(by_name[argument.arg], mode="eval").body
            argument.annotation = annotation
            for node in ast.walk(annotation):
                ast.copy_location(node, argument)
    return made


def _function(tree: ast.Module, entry: str) -> ast.FunctionDef | None:
    found = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == entry]
    return found[-1] if found else None


def _arguments(function: ast.FunctionDef) -> list[ast.arg]:
    return [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]


def _guess(name: str, function: ast.FunctionDef, examples: Sequence[dict[str, object]]) -> Guess | None:
    given = [example[name] for example in examples if name in example]
    annotation = _joined(given)
    if annotation is not None:
        return Guess(name, annotation, "examples")
    default = _defaults(function).get(name)
    if default is not None:
        annotation = _joined([default])
        return None if annotation is None else Guess(name, annotation, "default")
    annotation = _by_use(name, function)
    return None if annotation is None else Guess(name, annotation, "use")


# --- examples

_PROMPT = re.compile(r"^\s*>>>\s*(?P<code>.+)$", re.MULTILINE)


def _examples(tree: ast.Module, function: ast.FunctionDef) -> list[dict[str, object]]:
    """Arguments by name of calls with constants: in the docstring, and asserted by the module."""
    names = [argument.arg for argument in _arguments(function)]
    calls = itertools.chain(_told_calls(function), _asserted_calls(tree))
    found = []
    for call in itertools.islice(calls, 10 * MOST_EXAMPLES):
        if not (isinstance(call.func, ast.Name) and call.func.id == function.name):
            continue
        try:
            values = [ast.literal_eval(argument) for argument in call.args]
            named = {each.arg: ast.literal_eval(each.value) for each in call.keywords if each.arg is not None}
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            continue
        if len(values) <= len(names):
            found.append({**dict(zip(names, values, strict=False)), **named})
    return found[:MOST_EXAMPLES]


def _told_calls(function: ast.FunctionDef) -> Iterator[ast.Call]:
    text = ast.get_docstring(function) or ""
    for match in itertools.islice(re.finditer(rf"\b{re.escape(function.name)}\s*\(", text), MOST_MENTIONS):
        closing = _closing(text, match.end() - 1)
        if closing is None:
            continue
        try:
            call = ast.parse(text[match.start() : closing + 1], mode="eval").body
        except (SyntaxError, ValueError, MemoryError, RecursionError):
            continue
        if isinstance(call, ast.Call):
            yield call


def _closing(text: str, opening: int) -> int | None:
    """Where the bracket that opens there is closed; text in quotes is skipped."""
    depth, quote = 0, ""
    for at in range(opening, min(len(text), opening + 2_000)):
        letter = text[at]
        if quote:
            quote = "" if letter == quote and text[at - 1] != "\\" else quote
        elif letter in "'\"":
            quote = letter
        elif letter in "([{":
            depth += 1
        elif letter in ")]}":
            depth -= 1
            if depth == 0:
                return at
    return None


def _asserted_calls(tree: ast.Module) -> Iterator[ast.Call]:
    for node in tree.body:
        if isinstance(node, ast.Assert):
            yield from (inner for inner in ast.walk(node) if isinstance(inner, ast.Call))


# --- types of values


def _joined(values: Sequence[object]) -> str | None:
    """An annotation that all the values are of; None where there is none, or where nothing is told of elements."""
    kinds: dict[str, list[object]] = {}
    for value in values:
        kinds.setdefault(type(value).__name__, []).append(value)
    if "float" in kinds and "int" in kinds:
        kinds["float"] += kinds.pop("int")
    if not kinds or len(kinds) > MOST_KINDS:
        return None
    parts = [_kind(name, found) for name, found in kinds.items()]
    if None in parts or parts == ["None"]:
        return None
    return " | ".join(sorted((part for part in parts if part is not None), key=lambda part: part == "None"))


def _kind(name: str, values: list[object]) -> str | None:
    if name in ("int", "bool", "str", "float"):
        return name
    if name == "NoneType":
        return "None"
    if name in ("list", "set"):
        inner = _joined([item for value in values for item in value])  # type: ignore[attr-defined]
        return None if inner is None else f"{name}[{inner}]"
    if name == "dict":
        keys = _joined([key for value in values for key in value])  # type: ignore[attr-defined]
        items = _joined([item for value in values for item in value.values()])  # type: ignore[attr-defined]
        return None if keys is None or items is None else f"dict[{keys}, {items}]"
    if name == "tuple":
        return _tuple([value for value in values if isinstance(value, tuple)])
    return None


def _tuple(values: list[tuple[object, ...]]) -> str | None:
    sizes = {len(value) for value in values}
    if len(sizes) == 1 and sizes != {0}:
        inner = [_joined(column) for column in zip(*values, strict=True)]
        return None if None in inner else f"tuple[{', '.join(part for part in inner if part is not None)}]"
    every = _joined([item for value in values for item in value])
    return None if every is None else f"tuple[{every}, ...]"


def _defaults(function: ast.FunctionDef) -> dict[str, object]:
    positional = [*function.args.posonlyargs, *function.args.args]
    given = list(zip(positional[len(positional) - len(function.args.defaults) :], function.args.defaults, strict=True))
    given += [
        (one, value) for one, value in zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True) if value
    ]
    found: dict[str, object] = {}
    for argument, value in given:
        try:
            found[argument.arg] = ast.literal_eval(value)
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            continue
    return found


# --- use

_TEXT = frozenset(
    (
        *("split", "upper", "lower", "strip", "lstrip", "rstrip", "startswith", "endswith", "isalpha", "isdigit"),
        *("isdecimal", "isnumeric", "isalnum", "isupper", "islower", "isspace", "title", "capitalize", "swapcase"),
        *("zfill", "splitlines", "encode", "casefold", "ljust", "rjust", "center", "partition"),
    )
)
_LIST = frozenset({"append", "extend", "insert", "sort", "reverse"})
_DICT = frozenset({"items", "keys", "values", "setdefault"})
_OF_INTS = frozenset({"range", "chr", "bin", "hex", "oct", "isqrt", "gcd", "factorial", "comb", "divmod"})
_OF_MANY = frozenset({"len", "sorted", "enumerate", "reversed", "list", "set", "tuple", "zip", "any", "all", "iter"})
_OF_NUMBERS = frozenset({"sum", "abs", "round", "sqrt", "floor", "ceil", "max", "min"})
_ARITHMETIC = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow, ast.BitAnd, ast.BitOr, ast.LShift)


def _by_use(name: str, function: ast.FunctionDef, depth: int = 0) -> str | None:
    """What the body does with it, if that fits one type alone."""
    uses = _Uses({name})
    uses.visit(ast.Module(function.body, []))
    return _resolved(uses, function, depth)


def _resolved(uses: _Uses, function: ast.FunctionDef, depth: int) -> str | None:
    told = uses.told
    if told == {"text"} or told == {"text", "many"}:
        return "str"
    if told == {"number"}:
        return "int"
    if "text" in told or "number" in told or depth >= DEEPEST or not told:
        return None
    inner = _Uses(uses.elements, uses.subscripts, uses.summed)
    inner.visit(ast.Module(function.body, []))
    if told <= {"many", "list"}:
        if inner.letters and "list" not in told and inner.told <= {"text"}:
            return "str"
        element = "int" if inner.summed and not inner.told else _resolved(inner, function, depth + 1)
        return None if element is None else f"list[{element}]"
    return None


class _Uses(ast.NodeVisitor):
    """What is done with some names, or with elements of something: hints of the type they are of."""

    def __init__(self, names: set[str], subscripts: set[str] | None = None, summed: bool = False) -> None:
        self.names = names
        self.of = subscripts or set()
        """Names whose subscripts count, too."""
        self.told: set[str] = set()
        self.elements: set[str] = set()
        """Names that loops give to its elements."""
        self.subscripts: set[str] = set()
        """Names that are subscripted by an index."""
        self.summed = summed
        self.letters = False
        """Whether it is compared with constant text."""

    def _is_it(self, node: ast.AST | None) -> bool:
        if isinstance(node, ast.Subscript) and not isinstance(node.slice, ast.Slice):
            return isinstance(node.value, ast.Name) and node.value.id in self.of
        return isinstance(node, ast.Name) and node.id in self.names

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if self._is_it(node.value):
            kinds = {"text": _TEXT, "list": _LIST, "dict": _DICT}
            self.told |= {kind for kind, methods in kinds.items() if node.attr in methods} or {"other"}
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        called = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        for argument in node.args:
            if not self._is_it(argument):
                continue
            if (
                called in _OF_INTS
                or (called in _OF_NUMBERS and len(node.args) > 1)
                or called in ("abs", "round", "sqrt")
            ):
                self.told.add("number")
            elif called in _OF_MANY or called in _OF_NUMBERS:
                self.told.add("many")
                self.summed = self.summed or called == "sum"
            elif called in ("ord", "int", "float"):
                self.told.add("text" if called == "ord" else "other")
            elif called not in ("str", "print", "isinstance", "repr"):
                self.told.add("other")
        self.generic_visit(node)

    def visit_For(self, node: ast.For) -> None:
        self._through(node.target, node.iter)
        self.generic_visit(node)

    def visit_comprehension(self, node: ast.comprehension) -> None:
        self._through(node.target, node.iter)
        self.generic_visit(node)

    def _through(self, target: ast.expr, source: ast.expr) -> None:
        if isinstance(source, ast.Call) and isinstance(source.func, ast.Name) and len(source.args) == 1:
            wrapper, inner = source.func.id, source.args[0]
            if wrapper == "enumerate" and isinstance(target, ast.Tuple) and len(target.elts) == 2:
                target, source = target.elts[1], inner
            elif wrapper in ("reversed", "sorted", "set"):
                source = inner
        if self._is_it(source):
            self.told.add("many")
            if isinstance(target, ast.Name):
                self.elements.add(target.id)
            else:
                self.told.add("other")

    def visit_Subscript(self, node: ast.Subscript) -> None:
        if self._is_it(node.value):
            keyed = isinstance(node.slice, ast.Constant) and type(node.slice.value) is not int
            self.told.add("dict" if keyed else "many")
            if isinstance(node.value, ast.Name):
                self.subscripts.add(node.value.id)
        self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        for one, other in ((node.left, node.right), (node.right, node.left)):
            if self._is_it(one) and isinstance(node.op, _ARITHMETIC):
                text = isinstance(other, ast.Constant | ast.JoinedStr) and not _is_number(other)
                self.told.add("text" if text else "number" if self._is_numeric(node.op, other) else "sum")
        self.generic_visit(node)

    def _is_numeric(self, op: ast.operator, other: ast.expr) -> bool:
        return _is_number(other) or not isinstance(op, ast.Add | ast.Mult | ast.Mod)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        if self._is_it(node.target) and _is_number(node.value):
            self.told.add("number")
        if self._is_it(node.value) and isinstance(node.op, ast.Sub | ast.Div | ast.FloorDiv):
            self.told.add("number")
        self.generic_visit(node)

    def visit_Compare(self, node: ast.Compare) -> None:
        sides = [node.left, *node.comparators]
        for (left, right), op in zip(itertools.pairwise(sides), node.ops, strict=True):
            if isinstance(op, ast.In | ast.NotIn):
                if self._is_it(right):
                    self.told.add("text" if _is_text(left) else "many")
                elif self._is_it(left) and _is_text(right):
                    self.told.add("text")
                    self.letters = True
                continue
            for one, other in ((left, right), (right, left)):
                if self._is_it(one) and _is_number(other):
                    self.told.add("number")
                elif self._is_it(one) and _is_text(other):
                    self.told.add("text")
                    self.letters = True
        self.generic_visit(node)


def _is_number(node: ast.AST) -> bool:
    if isinstance(node, ast.UnaryOp):
        return _is_number(node.operand)
    return isinstance(node, ast.Constant) and type(node.value) in (int, float)


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)
