"""`aval verify` and `aval certify`: verdicts on a file or on many rows, and the recheck of certificates."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from verification.outcome import Outcome, Report
from verification.presentation import LANGUAGES, show
from verification.properties import CATALOGUE, DEFAULT
from verification.request import Contract, Limits

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
    parser.add_argument("--unroll", type=int, default=Limits().unroll, help="iterations that depend on the input")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.add_argument("--certificates", type=Path, metavar="DIR", help="write a certificate for each proof")
    parser.add_argument("--language", choices=LANGUAGES, default="en")
    parser.add_argument("--jsonl", type=Path, metavar="IN", help="verify each row of a JSON Lines file instead")
    parser.add_argument("--out", type=Path, help="where the rows of --jsonl go")
    parser.add_argument("--jobs", type=int, default=1, help="processes for --jsonl")
    parser.set_defaults(run=_guarded(_verify))
    return parser


def _add_certify(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument("folder", type=Path, metavar="DIR", help="where --certificates wrote them")
    parser.add_argument("--json", action="store_true", help="print one JSON object a certificate")
    parser.set_defaults(run=_guarded(_certify))
    return parser


def _guarded(command: Any) -> Any:
    """Report a usage error in one line."""

    def run(options: argparse.Namespace) -> int:
        try:
            status: int = command(options)
            return status
        except UsageError as error:
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
    source = _read(options.file)
    contract = _contract(options.pre, options.post, options.allow)
    report = _run(source, options, contract, limits)
    if options.certificates:
        _write_certificates(report, options.certificates, options.file.stem)
    if options.json:
        print(json.dumps(report.to_json(), ensure_ascii=False))
    else:
        print(show(report, source, name=str(options.file), language=options.language))
    return REFUTED if report.outcome is Outcome.REFUTED else NOTHING_REFUTED


def _run(source: str, options: argparse.Namespace, contract: Contract | None, limits: Limits) -> Report:
    from verification.verifier import verify  # loads Z3

    slugs = tuple(options.property or (*DEFAULT, "contract") if contract else options.property or DEFAULT)
    for slug in slugs:
        if slug not in CATALOGUE:
            raise UsageError(f"unknown property {slug!r}: choose from {', '.join(CATALOGUE)}")
    certify = options.certificates is not None
    return verify(source, entry=options.entry, properties=slugs, contract=contract, limits=limits, certify=certify)


def _limits(unroll: int) -> Limits:
    try:
        return Limits(unroll=unroll)
    except ValueError as error:
        raise UsageError(str(error)) from None


def _contract(pre: str | None, post: str | None, allowed: Sequence[str] | None) -> Contract | None:
    if pre is None and post is None and not allowed:
        return None
    try:
        return Contract(pre, post, tuple(allowed or ()))
    except ValueError as error:
        raise UsageError(str(error)) from None


def _read(path: Path) -> str:
    try:
        data = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
        return data.decode()
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"cannot read {path}: it is not UTF-8 text") from None


def _write_certificates(report: Report, folder: Path, name: str) -> None:
    from verification.certificates import write

    try:
        for verdict in report.verdicts:
            if verdict.certificate is not None:
                write(verdict.certificate, folder, name if name != "-" else "stdin")
    except OSError as error:
        raise UsageError(f"cannot write certificates to {folder}: {error.strerror}") from None


# --- many rows


def _verify_rows(options: argparse.Namespace, limits: Limits) -> int:
    if options.out is None:
        raise UsageError("--jsonl needs --out OUT")
    if options.jobs < 1:
        raise UsageError(f"--jobs is {options.jobs}: give a whole number of at least 1")
    rows = [(row, limits, options.certificates) for row in _rows(options.jsonl)]
    refuted = False
    try:
        with options.out.open("w", encoding="utf-8") as out:
            for done in _each(rows, options.jobs):
                refuted = refuted or done["outcome"] == Outcome.REFUTED
                out.write(json.dumps(done, ensure_ascii=False) + "\n")
                out.flush()
    except OSError as error:
        raise UsageError(f"cannot write {options.out}: {error.strerror}") from None
    return REFUTED if refuted else NOTHING_REFUTED


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(_read(path).splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            if not (isinstance(row, dict) and isinstance(row["code"], str)):
                raise ValueError("no text under `code`")
            row.setdefault("id", number)
            _row_request(row)
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise UsageError(f"{path}, line {number}: not a row ({type(error).__name__}: {error})") from None
        yield row


def _row_request(row: dict[str, Any]) -> tuple[Contract | None, tuple[str, ...]]:
    """The contract and properties of a row; ValueError if they are none."""
    given = [row.get("pre"), row.get("post"), row.get("allowed_exceptions")]
    contract = Contract(given[0], given[1], tuple(given[2] or ())) if any(given) else None
    default = (*DEFAULT, "contract") if contract else DEFAULT
    slugs = tuple(row.get("properties") or default)
    for slug in slugs:
        if slug not in CATALOGUE:
            raise ValueError(f"unknown property {slug!r}")
    return contract, slugs


def _each(rows: Sequence[tuple[dict[str, Any], Limits, Path | None]], jobs: int) -> Iterable[dict[str, Any]]:
    if jobs == 1:
        yield from map(_verify_row, rows)
        return
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        yield from pool.map(_verify_row, rows, chunksize=8)


def _verify_row(work: tuple[dict[str, Any], Limits, Path | None]) -> dict[str, Any]:
    from verification.verifier import verify  # loads Z3

    row, limits, folder = work
    contract, slugs = _row_request(row)
    report = verify(
        row["code"],
        entry=row.get("entry"),
        properties=slugs,
        contract=contract,
        limits=limits,
        certify=folder is not None,
    )
    if folder is not None:
        _write_certificates(report, folder, str(row["id"]).replace("/", "_"))
    plain = report.to_json()
    return {"id": row["id"], **{key: plain[key] for key in ("outcome", "verdicts", "cpu_seconds")}}


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
