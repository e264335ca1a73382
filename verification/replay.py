"""Runs calls of a program in the sandbox and says which properties each call broke.

All calls travel together in one driver program. It holds the source as text, executes it anew for each call,
and counts executed lines, so that an endless loop ends at the same step on every machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from verification.request import Contract
from verification.sandbox import Job, Limits, Pool, Result
from verification.sandbox import call as shared_call

MAX_LINES = 20_000
"""Lines that one call may execute."""

SANDBOX = Limits(cpu_seconds=0.5)
"""For all calls together; what is lost to it is unknown, never a verdict."""

MAX_LOST = 2


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


@dataclass(frozen=True)
class Call:
    """A call of the entry with plain Python values."""

    entry: str
    values: tuple[object, ...]
    keywords: tuple[tuple[str, object], ...] = ()

    def __str__(self) -> str:
        """As a reader would type it."""
        named = (f"{name}={value!r}" for name, value in self.keywords)
        return f"{self.entry}({', '.join([*map(repr, self.values), *named])})"

    @property
    def literal(self) -> str:
        """As the driver program holds it."""
        return repr((self.entry, self.values, dict(self.keywords)))


def replay(
    source: str,
    calls: Sequence[Call],
    *,
    parameters: Sequence[str] = (),
    contract: Contract | None = None,
    pool: Pool | None = None,
) -> tuple[list[Observation], float]:
    """Run each call; observations in the same order, and the CPU seconds that it took."""
    if not calls:
        return [], 0.0
    result = drive(_driver(source, calls, parameters, contract), pool)
    rows = _rows(result, len(calls))
    if rows is not None:
        return [_observation(str(call), row) for call, row in zip(calls, rows, strict=True)], result.cpu_seconds
    if len(calls) == 1:
        return [Observation(str(calls[0]), "lost", message=result.status)], result.cpu_seconds
    return _one_by_one(source, calls, parameters, contract, pool, result.cpu_seconds)


def _one_by_one(
    source: str,
    calls: Sequence[Call],
    parameters: Sequence[str],
    contract: Contract | None,
    pool: Pool | None,
    spent: float,
) -> tuple[list[Observation], float]:
    """One call took the others with it: run each on its own, until too many are lost."""
    seen: list[Observation] = []
    for call in calls:
        if sum(observation.status == "lost" for observation in seen) >= MAX_LOST:
            seen.append(Observation(str(call), "lost", message="not run"))
            continue
        (observation,), seconds = replay(source, [call], parameters=parameters, contract=contract, pool=pool)
        seen.append(observation)
        spent += seconds
    return seen, spent


def drive(code: str, pool: Pool | None) -> Result:
    """Run a driver program in the given pool, or in the one that this process shares."""
    if pool is None:
        return shared_call(code, "drive", [], limits=SANDBOX)
    return pool.run_many([Job.call(code, "drive", [], limits=SANDBOX)])[0]


def _driver(source: str, calls: Sequence[Call], parameters: Sequence[str], contract: Contract | None) -> str:
    return _DRIVER.format(
        source=source,
        calls=", ".join(call.literal for call in calls),
        parameters=list(parameters),
        pre=contract.pre if contract else None,
        post=contract.post if contract else None,
        lines=MAX_LINES,
    )


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
    import sys

    source = {source!r}
    calls = [{calls}]
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

    def run(name, values, keywords):
        names = {{"__name__": "program"}}
        bound = dict(zip(parameters, values), **keywords)
        try:
            watch()
            exec(program, names)
            if pre is not None:
                try:
                    if not eval(pre, {{**names, **bound}}):
                        return ["excluded", "", "", "", None, ""]
                except Exception:
                    return ["excluded", "", "", "", None, ""]
            try:
                result = names[name](*values, **keywords)
            finally:
                sys.settrace(None)
            if post is not None:
                try:  # the arguments as globals: a generator in it would not see locals
                    holds = bool(eval(post, {{**names, **bound, "result": result}}))
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

    return [run(*given) for given in calls]
"""
