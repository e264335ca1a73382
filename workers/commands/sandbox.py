"""``aval sandbox check``: is this machine's sandbox complete?"""

from __future__ import annotations

from collections.abc import Sequence

from workers.commands.options import Parser


def main(arguments: Sequence[str]) -> int:
    parser = Parser(prog="aval sandbox", description="The sandbox in which generated code runs.")
    parser.add_argument("action", choices=("check",), help="try every layer and say which hold")
    parser.parse_args(arguments)
    from verification.sandbox.check import main as check

    return int(check() or 0)
