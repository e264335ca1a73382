"""Calls a program in the sandbox with telling inputs, its dangerous functions replaced by recorders.

A recorder notes what it was given and stops the call. Where an input must reach the sink (eval, a shell, SQL, a
loader), the recorded text has to hold the input unchanged; where the call itself is the weakness (a weak hash, a
predictable random number, an unsafe temporary name), being called is enough.
"""

from __future__ import annotations

import ast
import base64
import shlex
from dataclasses import dataclass

from verification.replay import MAX_LINES, drive
from verification.sandbox import Pool
from verification.symbolic.inputs import Kind, parse

PICKLE = "cos\\nsystem\\n(S'aval7391'\\ntR."
ATTACKS: dict[str, tuple[str, ...]] = {
    "code-injection": ("__import__('aval7391')",),
    "command-injection": ("x; echo aval7391", 'x"; echo aval7391; "', "x'; echo aval7391; '"),
    "sql-injection": ("x' OR '7391'='7391", "1 OR 7391=7391", 'x" OR 7391=7391 --'),
    "deserialization": (PICKLE, base64.b64encode(PICKLE.encode()).decode()),
    "weak-hash": ("a",),
    "insecure-random": ("a",),
    "insecure-temp-file": ("a",),
}
"""Inputs that would do harm if they reached a sink of the property."""

REACHING = frozenset({"weak-hash", "insecure-random", "insecure-temp-file"})
"""Properties that a call of the sink breaks, whatever its arguments."""

NUMBERS = (1, 8, 0)


@dataclass(frozen=True)
class Reached:
    """A call that reached a sink."""

    call: str
    observed: str
    line: int | None


def probe(
    source: str, tree: ast.Module, entry: str, slug: str, *, pool: Pool | None = None
) -> tuple[Reached | None, float]:
    """The first input that was seen to reach a sink of the property; and the CPU seconds spent."""
    calls = _calls(tree, entry, slug)
    if not calls:
        return None, 0.0
    code = _DRIVER.format(source=source, calls=calls, slug=slug, databases=_databases(tree, entry), lines=MAX_LINES)
    result = drive(code, pool)
    rows = result.value if result.status == "passed" and isinstance(result.value, list) else []
    for text, row in zip(calls, rows, strict=False):
        if isinstance(row, list) and len(row) == 4 and (slug in REACHING or _breaks_out(slug, str(row[2]))):
            sink, shown, _, line = row
            observed = f"{sink} was called" if slug in REACHING else f"{sink} received {shown}"
            return Reached(text, observed, line if isinstance(line, int) else None), result.cpu_seconds
    return None, result.cpu_seconds


def _breaks_out(slug: str, received: str) -> bool:
    """Whether the attack acts in what the sink received, rather than lying there as quoted text."""
    if slug == "code-injection":
        return _holds_code(received)
    if slug == "command-injection":
        return _holds_command(received)
    if slug == "sql-injection":
        return _holds_condition(received)
    return PICKLE in received


def _holds_code(received: str) -> bool:
    try:
        tree = ast.parse(received)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return any(isinstance(node, ast.Name) and node.id == "__import__" for node in ast.walk(tree))


def _holds_command(received: str) -> bool:
    """Whether a shell would see `echo aval7391` as a command of its own."""
    lexer = shlex.shlex(received, posix=True, punctuation_chars=True)
    lexer.whitespace_split, lexer.commenters = True, ""
    try:
        tokens = list(lexer)
    except ValueError:
        return False
    return any(tokens[at : at + 3] == [";", "echo", "aval7391"] for at in range(len(tokens)))


def _holds_condition(received: str) -> bool:
    """Whether the attack's OR stands outside every quoted part of the SQL text."""
    quote = ""
    for at, character in enumerate(received):
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"`":
            quote = character
        elif received.startswith(("OR '7391'", "OR 7391"), at):
            return True
    return False


def _databases(tree: ast.Module, entry: str) -> list[str]:
    """The parameters that take a database connection."""
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == entry]
    arguments = functions[-1].args
    return [a.arg for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs) if _is_database(a)]


def _calls(tree: ast.Module, entry: str, slug: str) -> list[str]:
    """The entry called with each attack in every text argument."""
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == entry]
    if not functions:
        return []
    arguments = functions[-1].args
    wanted = [*arguments.posonlyargs, *arguments.args]
    calls = []
    for attack in ATTACKS[slug]:
        for number in NUMBERS:
            parts = [_literal(argument, attack, number) for argument in wanted]
            parts += [f"{a.arg}={_literal(a, attack, number)}" for a in arguments.kwonlyargs]
            calls.append(f"{entry}({', '.join(parts)})")
    return list(dict.fromkeys(calls))


CONNECTIONS = ("conn", "connection", "cursor", "cur", "db", "database", "session", "engine")


def _literal(argument: ast.arg, attack: str, number: int) -> str:
    """An argument by its annotation, or by its name where a connection is expected."""
    if _is_database(argument):
        return argument.arg
    kind = parse(argument.annotation) if argument.annotation else None
    return _of_kind(kind, attack, number)


def _is_database(argument: ast.arg) -> bool:
    written = ast.unparse(argument.annotation).lower() if argument.annotation else ""
    expected = any(word in written for word in ("connection", "cursor", "session"))
    return expected or (not written and argument.arg.lower() in CONNECTIONS)


def _of_kind(kind: Kind | None, attack: str, number: int) -> str:
    if kind is None:
        return repr(attack)
    if kind.name == "|":
        return _of_kind(next((part for part in kind.arguments if part.name != "None"), None), attack, number)
    if kind.name in ("list", "set", "tuple", "tuple..."):
        inside = [_of_kind(part, attack, number) for part in kind.arguments] or [repr(attack)]
        left, right = {"list": ("[", "]"), "set": ("{", "}")}.get(kind.name, ("(", ")"))
        return f"{left}{', '.join(inside)}{',' if left == '(' else ''}{right}"
    if kind.name == "dict":
        inside = [_of_kind(part, attack, number) for part in (*kind.arguments, None, None)[:2]]
        return f"{{{inside[0]}: {inside[1]}}}"
    plain = {"int": repr(number), "bool": "True", "float": "0.5", "bytes": repr(attack.encode()), "None": "None"}
    return plain.get(kind.name, repr(attack))


_DRIVER = """
def drive():
    import builtins, importlib, sys, types

    source = {source!r}
    calls = {calls!r}
    slug = {slug!r}
    databases = {databases!r}
    program = compile(source, "program.py", "exec", dont_inherit=True)

    class Stop(BaseException):
        pass

    class Reached(Stop):
        pass

    seen = []

    def short(value):
        text = repr(value)
        return text if len(text) <= 200 else text[:200] + "..."

    def content(value):
        if isinstance(value, bytes):
            return value.decode("latin-1")
        if isinstance(value, (list, tuple)):
            return content(value[0]) if value else ""  # the rest are the shell's own arguments
        return value if isinstance(value, str) else ""

    def here():
        frame, line = sys._getframe(), None
        while frame is not None and line is None:
            if frame.f_code.co_filename == "program.py":
                line = frame.f_lineno
            frame = frame.f_back
        return line

    def recorder(name, dangerous=None, original=None):
        def record(*args, **kwargs):
            line = here()
            if line is None or (dangerous is not None and not dangerous(args, kwargs)):
                if original is None:
                    raise Stop
                return original(*args, **kwargs)
            first = args[0] if args else next(iter(kwargs.values()), None)
            seen.append([name, short(first), content(first), line])
            raise Reached
        return record

    def module(name):
        try:
            return importlib.import_module(name)
        except Exception:
            sys.modules[name] = types.ModuleType(name)
            return sys.modules[name]

    def replace(name, attributes, dangerous=None):
        held = module(name)
        for attribute in attributes:
            original = getattr(held, attribute, None)
            setattr(held, attribute, recorder(name + "." + attribute, dangerous, original))

    class Database:
        def _execute(self, *args, **kwargs):
            return recorder("execute", None)(*args, **kwargs)
        execute = executemany = executescript = _execute
        def cursor(self, *args, **kwargs):
            return self
        def commit(self):
            return None
        close = rollback = commit
        def __enter__(self):
            return self
        def __exit__(self, *rest):
            return False

    def with_shell(args, kwargs):
        return bool(kwargs.get("shell", args[8] if len(args) > 8 else False))

    def unsafe_loader(args, kwargs):
        loader = kwargs.get("Loader", args[1] if len(args) > 1 else None)
        return getattr(loader, "__name__", "") not in ("SafeLoader", "CSafeLoader", "BaseLoader")

    def for_security(args, kwargs):
        return kwargs.get("usedforsecurity", True)

    def weak(args, kwargs):
        name = str(kwargs.get("name", args[0] if args else "")).lower().replace("-", "")
        return name in ("md4", "md5", "sha", "sha1") and for_security(args, kwargs)

    names = {{"__name__": "program"}}
    if slug == "code-injection":
        for sink in ("eval", "exec", "compile"):
            names[sink] = recorder(sink, None, getattr(builtins, sink))
    elif slug == "command-injection":
        replace("os", ("system", "popen"))
        replace("subprocess", ("getoutput", "getstatusoutput"))
        replace("subprocess", ("run", "call", "check_call", "check_output", "Popen"), with_shell)
    elif slug == "sql-injection":
        module("sqlite3").connect = lambda *args, **kwargs: Database()
    elif slug == "deserialization":
        replace("pickle", ("load", "loads"))
        replace("marshal", ("load", "loads"))
        replace("yaml", ("unsafe_load", "full_load", "unsafe_load_all", "full_load_all"))
        replace("yaml", ("load", "load_all"), unsafe_loader)
        for loader in ("SafeLoader", "CSafeLoader", "BaseLoader", "FullLoader", "Loader", "UnsafeLoader"):
            if not hasattr(sys.modules["yaml"], loader):
                setattr(sys.modules["yaml"], loader, type(loader, (), {{}}))
    elif slug == "weak-hash":
        replace("hashlib", ("md5", "sha1"), for_security)
        replace("hashlib", ("new",), weak)
    elif slug == "insecure-random":
        held = module("random")
        public = [name for name in dir(held) if name.islower() and not name.startswith("_")]
        replace("random", [name for name in public if callable(getattr(held, name))])
    elif slug == "insecure-temp-file":
        replace("tempfile", ("mktemp",))

    def run(text):
        del seen[:]
        scope = dict(names)
        left = [{lines}]

        def trace(frame, event, argument):
            left[0] -= 1
            if left[0] < 0:
                raise Stop
            return trace

        try:
            sys.settrace(trace)
            exec(program, scope)
            eval(text, dict(scope, **{{name: Database() for name in databases}}))
        except BaseException:
            pass
        finally:
            sys.settrace(None)
        return list(seen[0]) if seen else []

    return [run(text) for text in calls]
"""
