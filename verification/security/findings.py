"""Dangerous calls in the syntax: what each security property looks for, and what it takes for safe."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Finding:
    """A call that may break a property."""

    sink: str
    line: int


@dataclass
class Survey:
    """What a program's syntax says about one property."""

    findings: list[Finding] = field(default_factory=list)
    relevant: bool = False
    """Whether the program does anything that the property is about."""

    dynamic: list[Finding] = field(default_factory=list)
    """Ways to reach a sink that the syntax doesn't show."""


@dataclass(frozen=True)
class Call:
    """A call by its full dotted name, as far as imports tell: ``os.system``, ``*.execute`` for a method."""

    name: str
    node: ast.Call

    def argument(self, position: int, keyword: str) -> ast.expr | None:
        for given in self.node.keywords:
            if given.arg == keyword:
                return given.value
        return self.node.args[position] if len(self.node.args) > position else None


Rule = Callable[[Call, "Constants"], bool]


def survey(tree: ast.Module, slug: str) -> Survey:
    """Look through every call of the program, in whichever function it stands."""
    names = _imported(tree)
    constants = Constants(tree)
    found = Survey()
    relevant, dangerous = RULES[slug]
    called: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called.add(id(node.func))
            call = Call(_dotted(node.func, names), node)
            if relevant(call, constants):
                found.relevant = True
                if dangerous(call, constants):
                    found.findings.append(Finding(call.name, node.lineno))
    found.dynamic = list(_dynamic(tree, names, called))
    return found


class Constants:
    """Which expressions are text that no input changes."""

    def __init__(self, tree: ast.Module) -> None:
        self._assigned: dict[str, list[ast.expr | None]] = {}
        for node in ast.walk(tree):
            self._note(node)

    def is_constant(self, node: ast.expr | None, depth: int = 0) -> bool:
        """Literals, what is put together of them, and names that only ever hold such."""
        if node is None or depth > 10:
            return False
        if isinstance(node, ast.Constant):
            return True
        if isinstance(node, ast.BinOp):
            return self.is_constant(node.left, depth + 1) and self.is_constant(node.right, depth + 1)
        if isinstance(node, ast.Tuple | ast.List):
            return all(self.is_constant(item, depth + 1) for item in node.elts)
        if isinstance(node, ast.IfExp):
            return self.is_constant(node.body, depth + 1) and self.is_constant(node.orelse, depth + 1)
        if isinstance(node, ast.Name):
            values = self._assigned.get(node.id, [None])
            # A list that a name holds can be changed later.
            return all(self.is_constant(value, depth + 1) and not isinstance(value, ast.List) for value in values)
        if isinstance(node, ast.JoinedStr):
            parts = [part.value if isinstance(part, ast.FormattedValue) else part for part in node.values]
            return all(self.is_constant(part, depth + 1) for part in parts)
        return False

    def _note(self, node: ast.AST) -> None:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                whole = isinstance(target, ast.Name)
                for name in ast.walk(target):
                    if isinstance(name, ast.Name):
                        self._assigned.setdefault(name.id, []).append(node.value if whole else None)
        elif isinstance(node, ast.AnnAssign | ast.NamedExpr | ast.AugAssign):
            for name in ast.walk(node.target):
                if isinstance(name, ast.Name):
                    self._assigned.setdefault(name.id, []).append(node.value)
        elif isinstance(node, ast.MatchAs | ast.MatchStar | ast.ExceptHandler) and node.name:
            self._assigned.setdefault(node.name, []).append(None)
        elif isinstance(node, ast.arg):
            self._assigned.setdefault(node.arg, []).append(None)
        elif isinstance(node, ast.For | ast.comprehension):
            for name in ast.walk(node.target):
                if isinstance(name, ast.Name):
                    self._assigned.setdefault(name.id, []).append(None)
        elif isinstance(node, ast.With):
            for item in node.items:
                for name in ast.walk(item.optional_vars) if item.optional_vars else ():
                    if isinstance(name, ast.Name):
                        self._assigned.setdefault(name.id, []).append(None)


# --- the properties


def _named(*names: str) -> Rule:
    return lambda call, constants: call.name in names


def _under(*modules: str) -> Rule:
    return lambda call, constants: call.name.split(".")[0] in modules


def _not_constant(call: Call, constants: Constants) -> bool:
    return not constants.is_constant(call.argument(0, ""))


_EVALUATORS = ("eval", "exec", "compile", "code.interact", "code.InteractiveInterpreter")
_SHELLS = ("os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput", "commands.getoutput")
_PROCESSES = ("subprocess.run", "subprocess.call", "subprocess.check_call", "subprocess.check_output")
_LOADERS = (
    *("pickle.load", "pickle.loads", "pickle.Unpickler", "_pickle.loads", "cPickle.loads", "dill.load", "dill.loads"),
    *("marshal.load", "marshal.loads", "shelve.open", "jsonpickle.decode", "joblib.load", "torch.load"),
    *("yaml.unsafe_load", "yaml.unsafe_load_all", "yaml.full_load", "yaml.full_load_all", "pandas.read_pickle"),
)
_SAFE_YAML = ("SafeLoader", "CSafeLoader", "BaseLoader")


def _evaluates(call: Call, constants: Constants) -> bool:
    return call.name in _EVALUATORS and _not_constant(call, constants)


def _runs_shell(call: Call, constants: Constants) -> bool:
    if call.name in _SHELLS:
        return not constants.is_constant(call.argument(0, "command" if call.name.startswith("os.") else "cmd"))
    shell = call.argument(8, "shell")
    if shell is None or (isinstance(shell, ast.Constant) and not shell.value):
        return False
    return not constants.is_constant(call.argument(0, "args"))


def _starts_process(call: Call, constants: Constants) -> bool:
    started = call.name.startswith(("os.exec", "os.spawn", "pty.", "asyncio.create_subprocess"))
    return started or call.name in (*_SHELLS, *_PROCESSES, "subprocess.Popen")


def _executes_sql(call: Call, constants: Constants) -> bool:
    return call.name.rpartition(".")[2] in ("execute", "executemany", "executescript")


def _builds_sql(call: Call, constants: Constants) -> bool:
    first = call.argument(0, "sql") or call.argument(0, "query") or call.argument(0, "operation")
    return not constants.is_constant(first)


def _loads(call: Call, constants: Constants) -> bool:
    return call.name in _LOADERS or call.name.split(".")[0] in ("yaml", "json", "pickle", "marshal")


def _loads_code(call: Call, constants: Constants) -> bool:
    if call.name in ("yaml.load", "yaml.load_all"):
        loader = call.argument(1, "Loader")
        name = loader.attr if isinstance(loader, ast.Attribute) else loader.id if isinstance(loader, ast.Name) else ""
        return name not in _SAFE_YAML
    return call.name in _LOADERS


def _hashes_weakly(call: Call, constants: Constants) -> bool:
    for_security = call.argument(99, "usedforsecurity")
    if isinstance(for_security, ast.Constant) and for_security.value is False:
        return False
    if call.name == "hashlib.new":
        algorithm = call.argument(0, "name")
        if not isinstance(algorithm, ast.Constant):
            return True
        return str(algorithm.value).lower().replace("-", "") in ("md4", "md5", "sha", "sha1")
    return call.name in ("hashlib.md5", "hashlib.sha1", "hashlib.md4", "md5.new", "sha.new")


def _draws_predictably(call: Call, constants: Constants) -> bool:
    return call.name.startswith("random.") and not call.name.startswith("random.SystemRandom")


_SHARED_FOLDERS = ("/tmp/", "/var/tmp/")  # noqa: S108 - these are looked for, not used


def _opens_in_tmp(call: Call) -> bool:
    path = call.argument(0, "file")
    if call.name not in ("open", "io.open", "os.open") or path is None:
        return False
    text = next((node.value for node in ast.walk(path) if isinstance(node, ast.Constant)), "")
    return isinstance(text, str) and text.startswith(_SHARED_FOLDERS)


def _makes_temporary(call: Call, constants: Constants) -> bool:
    return call.name.startswith("tempfile.") or call.name in ("os.tempnam", "os.tmpnam") or _opens_in_tmp(call)


def _makes_temporary_unsafely(call: Call, constants: Constants) -> bool:
    return call.name in ("tempfile.mktemp", "os.tempnam", "os.tmpnam") or _opens_in_tmp(call)


RULES: dict[str, tuple[Rule, Rule]] = {
    "code-injection": (_named(*_EVALUATORS, "ast.literal_eval"), _evaluates),
    "command-injection": (_starts_process, _runs_shell),
    "sql-injection": (_executes_sql, _builds_sql),
    "deserialization": (_loads, _loads_code),
    "weak-hash": (_under("hashlib", "md5", "sha"), _hashes_weakly),
    "insecure-random": (_under("random", "secrets", "os"), _draws_predictably),
    "insecure-temp-file": (_makes_temporary, _makes_temporary_unsafely),
}
"""For each property: which calls it is about, and which of those are dangerous."""


# --- names


def _imported(tree: ast.Module) -> dict[str, str]:
    """What each imported name stands for."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                names[alias.asname or alias.name.split(".")[0]] = (
                    alias.name if alias.asname else alias.name.split(".")[0]
                )
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                names[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return names


def _dotted(node: ast.expr, names: dict[str, str]) -> str:
    if isinstance(node, ast.Name):
        return names.get(node.id, node.id)
    if isinstance(node, ast.Attribute):
        inner = node.value
        while isinstance(inner, ast.Attribute):
            inner = inner.value
        rooted = isinstance(inner, ast.Name) and inner.id in names
        return f"{_dotted(node.value, names)}.{node.attr}" if rooted else f"*.{node.attr}"
    return "*"


_REFLECTION = frozenset(
    {"getattr", "setattr", "delattr", "__import__", "globals", "locals", "vars", "__builtins__", "__loader__"}
    | {"breakpoint", "help", "input"}
)
KNOWN_MODULES = frozenset(
    {"abc", "ast", "base64", "binascii", "bisect", "collections", "contextlib", "csv", "dataclasses", "datetime"}
    | {"decimal", "enum", "fractions", "functools", "hashlib", "heapq", "hmac", "html", "io", "itertools", "json"}
    | {"logging", "marshal", "math", "operator", "os", "pathlib", "pickle", "random", "re", "secrets", "shlex"}
    | {"shutil", "sqlite3", "statistics", "string", "struct", "subprocess", "sys", "tempfile", "textwrap", "time"}
    | {"typing", "unicodedata", "urllib", "uuid", "yaml", "zlib", "__future__"}
)
"""Modules whose dangerous parts the rules name."""


def _dynamic(tree: ast.Module, names: dict[str, str], called: set[int]) -> Iterator[Finding]:
    """Reflection, aliases of sinks, star imports and modules that the rules don't know."""
    for node in ast.walk(tree):
        line = getattr(node, "lineno", 0)
        if isinstance(node, ast.Import):
            unknown = [a.name for a in node.names if a.name.split(".")[0] not in KNOWN_MODULES]
            yield from (Finding(f"the module {name}", line) for name in unknown)
        elif isinstance(node, ast.ImportFrom):
            module = (node.module or ".").split(".")[0]
            if node.level or module not in KNOWN_MODULES:
                yield Finding(f"the module {module}", line)
            elif any(alias.name == "*" for alias in node.names):
                yield Finding("import *", line)
        elif isinstance(node, ast.Name) and node.id in _REFLECTION:
            yield Finding(node.id, line)
        elif isinstance(node, ast.Name) and id(node) not in called and node.id in _EVALUATORS:
            yield Finding(f"{node.id} used as a value", line)
        elif isinstance(node, ast.Name | ast.Attribute) and id(node) not in called and _is_sink(node, names):
            yield Finding(f"{_dotted(node, names)} used as a value", line)
        elif isinstance(node, ast.Attribute) and node.attr.startswith("__"):
            yield Finding(f"the attribute {node.attr}", line)
        elif isinstance(node, ast.Attribute) and _dotted(node, names) == "sys.modules":
            yield Finding("sys.modules", line)


_SINKS = frozenset((*_SHELLS, *_PROCESSES, *_LOADERS, "subprocess.Popen", "yaml.load", "hashlib.md5", "hashlib.sha1"))


def _is_sink(node: ast.Name | ast.Attribute, names: dict[str, str]) -> bool:
    dotted = _dotted(node, names)
    predictable = dotted.startswith("random.") and not dotted.startswith("random.SystemRandom")
    method = isinstance(node, ast.Attribute) and node.attr in ("execute", "executemany", "executescript")
    return dotted in _SINKS or dotted == "tempfile.mktemp" or predictable or method
