"""`aval verify` and `aval certify`: verdicts on a file or on many rows, and the recheck of certificates."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from verification.batch import BadRow, read_rows, verify_all, verify_rows
from verification.cache import Request, default_folder
from verification.outcome import Outcome, Report
from verification.presentation import LANGUAGES, show
from verification.properties import CATALOGUE, known
from verification.request import Contract, Limits, asked_for, stated
from verification.sarif import to_sarif
from verification.worker import NoSandbox

NOTHING_REFUTED, REFUTED, USAGE = 0, 1, 2


class UsageError(Exception):
    """The command can't be carried out as it was given."""


def add_parsers(subparsers: Any) -> None:
    """Put `verify` and `certify` under another command; each parsed namespace has `run(namespace) -> int`."""
    _add_verify(subparsers.add_parser("verify", help="prove or refute safety properties of a Python function"))
    _add_certify(subparsers.add_parser("certify", help="recheck certificates with a second solver alone"))


def verify_main(argv: Sequence[str] | None = None) -> int:
    """`aval verify`: 0 nothing refuted, 1 refuted, 2 usage."""
    return _main(_add_verify(argparse.ArgumentParser(prog="aval verify")), argv)


def certify_main(argv: Sequence[str] | None = None) -> int:
    """`aval certify`: 0 all confirmed, 1 some not confirmed, 2 usage."""
    return _main(_add_certify(argparse.ArgumentParser(prog="aval certify")), argv)


def _main(parser: argparse.ArgumentParser, argv: Sequence[str] | None) -> int:
    try:
        options = parser.parse_args(argv)
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else USAGE
    status: int = options.run(options)
    return status


def _add_verify(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument("file", nargs="?", type=Path, metavar="FILE.py", help="the program; - reads it from stdin")
    parser.add_argument("--entry", help="the function to verify (default: the last one defined)")
    parser.add_argument("--property", action="append", metavar="SLUG", help=f"one of: {', '.join(CATALOGUE)}")
    parser.add_argument("--pre", help="assumed of the arguments: a Python expression")
    parser.add_argument("--post", help="expected of the arguments and `result`: a Python expression")
    parser.add_argument("--allow", action="append", metavar="EXCEPTION", help="an exception that may escape")
    parser.add_argument("--reference", type=Path, metavar="FILE.py", help="a program that does what is wanted")
    parser.add_argument(
        "--int-range", type=int, nargs=2, metavar=("LOW", "HIGH"), help="what integers in the result stay within"
    )
    parser.add_argument("--unroll", type=int, default=Limits().unroll, help="iterations that depend on the input")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print the report as JSON")
    form.add_argument("--sarif", action="store_true", help="print what is refuted as SARIF 2.1.0")
    parser.add_argument("--undecided", action="store_true", help="with --sarif: notes on what is not decided, too")
    parser.add_argument("--certificates", type=Path, metavar="DIR", help="write a certificate for each proof")
    parser.add_argument("--language", choices=LANGUAGES, default="en")
    parser.add_argument("--jsonl", type=Path, metavar="IN", help="verify each row of a JSON Lines file instead")
    parser.add_argument("--out", type=Path, help="where the rows of --jsonl go")
    parser.add_argument("--jobs", type=int, default=1, help="processes for --jsonl")
    parser.add_argument("--no-cache", action="store_true", help="neither use earlier reports nor keep this one")
    parser.set_defaults(run=_guarded(_verify))
    return parser


def _add_certify(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument("folder", type=Path, metavar="DIR", help="where --certificates wrote them")
    parser.add_argument("--json", action="store_true", help="print one JSON object a certificate")
    parser.set_defaults(run=_guarded(_certify))
    return parser


def _guarded(command: Any) -> Any:
    """Report a usage error, or that there is no sandbox, in one line."""

    def run(options: argparse.Namespace) -> int:
        try:
            status: int = command(options)
            return status
        except (UsageError, NoSandbox) as error:
            print(f"aval: {error}", file=sys.stderr)
            return USAGE

    return run


# --- one file


def _verify(options: argparse.Namespace) -> int:
    if (options.jsonl is None) == (options.file is None):
        raise UsageError("give a FILE.py, or --jsonl IN with --out OUT")
    limits = _limits(options.unroll)
    if options.jsonl is not None:
        return _verify_rows(options, limits)
    source = _read(options.file, limits)
    (report,) = verify_all([_request(source, options, limits)], cache=_cache(options))
    if options.certificates:
        _write_certificates(report, options.certificates, options.file.stem if str(options.file) != "-" else "stdin")
    _print(_told(report, source, options))
    return REFUTED if report.outcome is Outcome.REFUTED else NOTHING_REFUTED


def _told(report: Report, source: str, options: argparse.Namespace) -> str:
    if options.json:
        return _json(report.to_json())
    if options.sarif:
        reports = [(str(options.file), source, report)]
        return _json(to_sarif(reports, include_undecided=options.undecided), indent=1)
    colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    name = "<stdin>" if str(options.file) == "-" else str(options.file)
    return show(report, source, name=name, language=options.language, colour=colour)


def _request(source: str, options: argparse.Namespace, limits: Limits) -> Request:
    try:
        reference = None if options.reference is None else _read(options.reference, limits)
        int_range = None if options.int_range is None else (options.int_range[0], options.int_range[1])
        contract = stated(Contract(options.pre, options.post, tuple(options.allow or ()), reference, int_range))
        slugs = tuple(options.property or asked_for(contract))
        for slug in slugs:
            known(slug)
    except ValueError as error:
        raise UsageError(str(error)) from None
    certify = options.certificates is not None
    return Request(source, options.entry, slugs, contract, limits, certify)


def _limits(unroll: int) -> Limits:
    try:
        return Limits(unroll=unroll)
    except ValueError as error:
        raise UsageError(str(error)) from None


def _cache(options: argparse.Namespace) -> Path | None:
    return None if options.no_cache else default_folder()


def _read(path: Path, limits: Limits) -> str:
    """The text of a program; of one that is far too long only as much as shows that."""
    most = 4 * limits.source_characters + 4
    data = _bytes(path, most)
    try:
        return data.decode("utf-8-sig", "ignore" if len(data) == most else "strict")  # cut off within a character
    except UnicodeDecodeError:
        raise UsageError(f"cannot read {path}: it is not UTF-8 text") from None


def _bytes(path: Path, most: int = -1) -> bytes:
    try:
        if str(path) == "-":
            return sys.stdin.buffer.read(most)
        with path.open("rb") as file:
            return file.read(most)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None


def _print(text: str) -> None:
    """What standard output's encoding doesn't have is escaped."""
    encoding = sys.stdout.encoding or "utf-8"
    print(text.encode(encoding, "backslashreplace").decode(encoding))


def _json(data: dict[str, Any], indent: int | None = None) -> str:
    text = json.dumps(data, indent=indent, ensure_ascii=False)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        return json.dumps(data, indent=indent)
    return text


def _write_certificates(report: Report, folder: Path, name: str) -> None:
    from verification.certificates import write  # loads Z3

    try:
        for verdict in report.verdicts:
            if verdict.certificate is not None:
                write(verdict.certificate, folder, name)
    except OSError as error:
        raise UsageError(f"cannot write certificates to {folder}: {error.strerror}") from None


# --- many rows


def _verify_rows(options: argparse.Namespace, limits: Limits) -> int:
    if options.out is None:
        raise UsageError("--jsonl needs --out OUT")
    if options.jobs < 1:
        raise UsageError(f"--jobs is {options.jobs}: give a whole number of at least 1")
    certify = options.certificates is not None
    try:
        rows = read_rows(_bytes(options.jsonl), name=str(options.jsonl), limits=limits, certify=certify)
    except BadRow as error:
        raise UsageError(str(error)) from None
    if options.out.exists() and options.jsonl.exists() and options.out.samefile(options.jsonl):
        raise UsageError(f"--out {options.out} is the input itself: give another file")
    refuted = False
    try:
        # A lone half of a character can't be written as UTF-8, but as JSON's escape, which is Python's as well.
        with options.out.open("w", encoding="utf-8", errors="backslashreplace") as out:
            for row, report in verify_rows(rows, jobs=options.jobs, cache=_cache(options)):
                if certify:
                    _write_certificates(report, options.certificates, row.file_name)
                refuted = refuted or report.outcome is Outcome.REFUTED
                out.write(json.dumps(row.answered(report), ensure_ascii=False) + "\n")
                out.flush()
    except OSError as error:
        raise UsageError(f"cannot write {options.out}: {error.strerror}") from None
    return REFUTED if refuted else NOTHING_REFUTED


# --- certificates


def _certify(options: argparse.Namespace) -> int:
    from verification.certificates import load, recheck  # loads cvc5

    paths = sorted(options.folder.glob("*.json")) if options.folder.is_dir() else []
    if not paths:
        raise UsageError(f"{options.folder} holds no certificates: write some with aval verify --certificates")
    failed = 0
    for path in paths:
        try:
            certificate = load(path)
        except (ValueError, OSError) as error:
            raise UsageError(str(error)) from None
        confirmed = recheck(certificate)
        failed += not confirmed
        if options.json:
            print(json.dumps({"file": path.name, "property": certificate.property, "confirmed": confirmed}))
        else:
            print(f"{'confirmed' if confirmed else 'NOT confirmed'}: {path.name} ({certificate.property})")
    print(f"{len(paths) - failed} of {len(paths)} certificates confirmed by cvc5", file=sys.stderr)
    return REFUTED if failed else NOTHING_REFUTED
