"""The command line: what there is, and how what went wrong is told. Nothing heavy is imported here."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module

from training import launch
from workers.commands import experiment, export, libraries, platform, reward
from workers.commands.options import Parser
from workers.problems import in_one_line, of_user

_DELEGATED = {
    "verify": ("verification.cli", "verify_main", "prove or refute safety properties of a program"),
    "certify": ("verification.cli", "certify_main", "recheck certificates with the second solver alone"),
    "sandbox": ("workers.commands.sandbox", "main", "check: is this machine's sandbox complete?"),
}
"""Commands that read their own options."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0 for success, 2 when there is something for the user to mend."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        if given and given[0] in _DELEGATED:
            module, function, _ = _DELEGATED[given[0]]
            return int(getattr(import_module(module), function)(given[1:]) or 0)
        chosen = _parser().parse_args(given)
        code = int(chosen.run(chosen) or 0)
        launch.end(code)
        return code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 141
    except Exception as error:
        if not of_user(error) and type(error).__name__ != "SandboxError" and not _of_system(error):
            raise
        print(f"aval: {in_one_line(error)}", file=sys.stderr)
        return 2


def _of_system(error: Exception) -> bool:
    return (isinstance(error, OSError) and error.errno is not None) or "No space left on device" in str(error)


def _parser() -> Parser:
    parser = Parser(prog="aval", description="Expert ratings, execution and proofs align models that write code.")
    commands = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=Parser)
    platform.add_commands(commands)
    export.add_command(commands)
    for name, (_, _, text) in _DELEGATED.items():
        commands.add_parser(name, help=text, add_help=False)
    libraries.add_commands(commands)
    experiment.add_command(commands)
    reward.add_commands(commands)
    return parser
