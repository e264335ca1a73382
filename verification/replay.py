"""Runs calls of a program in the sandbox and says which properties each call broke.

All calls travel together in one driver program. It holds the source as text, executes it anew for each call,
and counts executed lines, so that an endless loop ends at the same step on every machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from verification.request import Contract
from verification.sandbox import Result
from verification.sandbox import call as sandbox_call

MAX_LINES = 20_000
"""Lines that one call may execute."""


@dataclass(frozen=True)
class Observation:
    """What one call did."""

    call: str
    """As text, such as ``mean([])``."""

    status: str
    """``returned``, ``raised``, ``broken`` (the postcondition), ``excluded`` (by the precondition),
    ``budget`` (too many lines), or ``lost`` (the sandbox ended the call)."""

    exception: str = ""
    ancestors: tuple[str, ...] = ()
    message: str = ""
    line: int | None = None
    shown: str = ""
    """The returned value, shortened."""

    @property
    def about_none(self) -> bool:
        return "NoneType" in self.message

    @property
    def observed(self) -> str:
        """What to tell a reader."""
        if self.status == "raised":
            return f"{self.exception}: {self.message}" if self.message else self.exception
        if self.status == "broken":
            return f"returned {self.shown}, which breaks the postcondition"
        return f"returned {self.shown}" if self.status == "returned" else self.status


def call_text(entry: str, arguments: Sequence[object], names: Sequence[str] = ()) -> str:
    """The call as a reader would type it; trailing `names` are passed by keyword."""
    positional = len(arguments) - len(names)
    parts = [repr(value) for value in arguments[:positional]]
    parts += [f"{name}={value!r}" for name, value in zip(names, arguments[positional:], strict=True)]
    return f"{entry}({', '.join(parts)})"


def replay(
    source: str, calls: Sequence[str], *, parameters: Sequence[str] = (), contract: Contract | None = None
) -> tuple[list[Observation], float]:
    """Run each call; observations in the same order, and the CPU seconds that it took."""
    if not calls:
        return [], 0.0
    result = _run(source, calls, parameters, contract)
    rows = _rows(result, len(calls))
    if rows is not None:
        return [_observation(text, row) for text, row in zip(calls, rows, strict=True)], result.cpu_seconds
    if len(calls) == 1:
        return [Observation(calls[0], "lost", message=result.status)], result.cpu_seconds
    # One call took the others with it: run them one by one.
    singles = [replay(source, [text], parameters=parameters, contract=contract) for text in calls]
    return [seen for (seen,), _ in singles], result.cpu_seconds + sum(spent for _, spent in singles)


def _run(source: str, calls: Sequence[str], parameters: Sequence[str], contract: Contract | None) -> Result:
    code = _DRIVER.format(
        source=source,
        calls=list(calls),
        parameters=list(parameters),
        pre=contract.pre if contract else None,
        post=contract.post if contract else None,
        lines=MAX_LINES,
    )
    return sandbox_call(code, "drive", [])


def _rows(result: Result, expected: int) -> list[list[object]] | None:
    """The driver's answer, if it has the shape that the driver gives it."""
    value = result.value
    if result.status != "passed" or not isinstance(value, list) or len(value) != expected:
        return None
    return value if all(isinstance(row, list) and len(row) == 6 for row in value) else None


def _observation(text: str, row: Sequence[object]) -> Observation:
    status, exception, ancestors, message, line, shown = row
    return Observation(
        call=text,
        status=str(status),
        exception=str(exception),
        ancestors=tuple(str(ancestors).split()),
        message=str(message),
        line=line if isinstance(line, int) else None,
        shown=str(shown),
    )


_DRIVER = """
def drive():
    import ast, sys

    source = {source!r}
    calls = {calls!r}
    parameters = {parameters!r}
    pre, post = {pre!r}, {post!r}
    program = compile(source, "program.py", "exec", dont_inherit=True)

    class Budget(BaseException):
        pass

    def watch():
        left = [{lines}]

        def trace(frame, event, argument):
            left[0] -= 1
            if left[0] < 0:
                raise Budget
            return trace

        sys.settrace(trace)

    def short(value):
        try:
            text = repr(value)
        except Exception:
            return "a value without a text"
        return text if len(text) <= 200 else text[:200] + "..."

    def arguments(text):
        node = ast.parse(text, mode="eval").body
        read = lambda part: eval(compile(ast.Expression(part), "call", "eval"), {{}})
        values = [read(part) for part in node.args]
        keywords = {{part.arg: read(part.value) for part in node.keywords}}
        return node.func.id, values, keywords, dict(zip(parameters, values), **keywords)

    def failed(error):
        line, step = None, error.__traceback__
        while step is not None:
            if step.tb_frame.f_code.co_filename == "program.py":
                line = step.tb_lineno
            step = step.tb_next
        try:
            message = str(error)[:300]
        except Exception:
            message = ""
        names = " ".join(base.__name__ for base in type(error).__mro__)
        return ["raised", type(error).__name__, names, message, line, ""]

    def run(text):
        names = {{"__name__": "program"}}
        name, values, keywords, bound = arguments(text)
        try:
            watch()
            exec(program, names)
            if pre is not None:
                try:
                    if not eval(pre, dict(names), bound):
                        return ["excluded", "", "", "", None, ""]
                except Exception:
                    return ["excluded", "", "", "", None, ""]
            try:
                result = names[name](*values, **keywords)
            finally:
                sys.settrace(None)
            if post is not None:
                try:
                    holds = bool(eval(post, dict(names), dict(bound, result=result)))
                except Exception:
                    holds = False
                if not holds:
                    return ["broken", "", "", "", None, short(result)]
            return ["returned", "", "", "", None, short(result)]
        except Budget:
            return ["budget", "", "", "", None, ""]
        except BaseException as error:
            sys.settrace(None)
            return failed(error)
        finally:
            sys.settrace(None)

    return [run(text) for text in calls]
"""
