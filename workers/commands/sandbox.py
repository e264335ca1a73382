"""``aval sandbox check``: is this machine's sandbox complete?"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

from workers.commands.options import Parser


def main(arguments: Sequence[str]) -> int:
    parser = Parser(prog="aval sandbox", description="The sandbox in which generated code runs.")
    parser.add_argument("action", choices=("check",), help="try every layer and attack it; 1 when it does not hold")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args(arguments)
    from verification.sandbox import check

    report = check()
    if chosen.json:
        print(json.dumps({"ok": report.ok, **asdict(report)}))
    else:
        for line in report.lines():
            print(line)
    return 0 if report.ok else 1
