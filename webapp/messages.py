"""Message catalogues without gettext's tools: what is to be translated, what is missing, and compiling.

``python -m webapp.messages compile`` compiles. Without ``compile`` it also lists what is missing, in the
form in which it is to be written into the .po file: the catalogue is edited by hand and keeps its sections.
"""

from __future__ import annotations

import io
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import DEFAULT_KEYWORDS, extract
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from django.utils.translation.template import templatize

HERE = Path(__file__).resolve().parent
LOCALE = HERE / "locale"
LANGUAGES = ("es",)
KEYWORDS = {
    **DEFAULT_KEYWORDS,
    "gettext_lazy": None,
    "gettext_noop": None,
    "ngettext_lazy": (1, 2),
    "pgettext_lazy": ((1, "c"), 2),
    "npgettext_lazy": ((1, "c"), 2, 3),
}
_PLACEHOLDER = re.compile(r"%\((\w+)\)[a-z]")


@dataclass(frozen=True)
class Wanted:
    """One message of the source, and where it stands."""

    msgid: str
    plural: str = ""
    context: str = ""
    place: str = ""

    @property
    def key(self) -> tuple[str, str]:
        return self.context, self.msgid


def extracted(folder: Path = HERE) -> dict[tuple[str, str], Wanted]:
    """Every message of the templates and modules, by (context, msgid)."""
    found: dict[tuple[str, str], Wanted] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix in {".py", ".html", ".txt"} and "node_modules" not in path.parts and path.is_file():
            for message in _messages(path, folder):
                found.setdefault(message.key, message)
    return found


def problems(language: str) -> list[str]:
    """What is wrong with a language's catalogue: missing, empty or fuzzy messages, and placeholders that differ."""
    catalog = read_catalog(language)
    return [line for wanted in extracted().values() if (line := _problem(wanted, catalog))]


def read_catalog(language: str) -> Catalog:
    with _po(language).open("rb") as file:
        return read_po(file, locale=language, abort_invalid=True)


def compile_catalogues() -> None:
    """Write each .mo file that is missing or older than its .po file."""
    for language in LANGUAGES:
        source, compiled = _po(language), _po(language).with_suffix(".mo")
        if not compiled.exists() or compiled.stat().st_mtime_ns < source.stat().st_mtime_ns:
            _write(read_catalog(language), compiled)


def main(arguments: Sequence[str]) -> int:
    compile_catalogues()
    if list(arguments) == ["compile"]:
        return 0
    missing = 0
    for language in LANGUAGES:
        catalog = read_catalog(language)
        for wanted in extracted().values():
            if problem := _problem(wanted, catalog):
                missing += 1
                print(f"\n#. {problem}\n{_entry(wanted)}")
    if missing:
        print(f"\n{missing} messages want a translation", file=sys.stderr)
    return 1 if missing else 0


def _messages(path: Path, folder: Path) -> Iterator[Wanted]:
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        if "{%" not in text:
            return
        # Indentation means nothing here, but would to the extractor, which reads Python.
        text = "\n".join(line.strip() for line in templatize(text, origin=str(path)).splitlines())
    for line, message, _comments, context in extract("python", io.BytesIO(text.encode()), keywords=KEYWORDS):
        texts = message if isinstance(message, tuple) else (message,)
        if not texts[0]:
            continue
        plural = str(texts[1]) if len(texts) > 1 else ""
        yield Wanted(str(texts[0]), plural, context or "", f"{path.relative_to(folder)}:{line}")


def _problem(wanted: Wanted, catalog: Catalog) -> str:
    message = catalog.get(wanted.msgid, wanted.context or None)
    if message is None or not message.string or (isinstance(message.string, tuple) and not all(message.string)):
        return f"{wanted.place}: not translated"
    if message.fuzzy:
        return f"{wanted.place}: marked as fuzzy"
    if bool(wanted.plural) != isinstance(message.string, tuple | list):
        return f"{wanted.place}: needs {'both numbers' if wanted.plural else 'one form'}"
    return _placeholder_problem(wanted, message)


def _placeholder_problem(wanted: Wanted, message: Message) -> str:
    strings = message.string if isinstance(message.string, tuple | list) else (message.string,)
    known = set(_PLACEHOLDER.findall(wanted.msgid)) | set(_PLACEHOLDER.findall(wanted.plural))
    for string in strings:
        if set(_PLACEHOLDER.findall(string)) != known:
            return f"{wanted.place}: placeholders differ in {string!r}"
    return ""


def _entry(wanted: Wanted) -> str:
    lines = [f"msgctxt {_quoted(wanted.context)}"] if wanted.context else []
    lines.append(f"msgid {_quoted(wanted.msgid)}")
    if wanted.plural:
        lines += [f"msgid_plural {_quoted(wanted.plural)}", 'msgstr[0] ""', 'msgstr[1] ""']
    else:
        lines.append('msgstr ""')
    return "\n".join(lines)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _write(catalog: Catalog, path: Path) -> None:
    """Replace the file at once: another process may be reading it."""
    handle, partial = tempfile.mkstemp(dir=path.parent, prefix=".django-", suffix=".mo")
    with os.fdopen(handle, "wb") as file:
        write_mo(file, catalog)
    os.chmod(partial, 0o644)
    os.replace(partial, path)


def _po(language: str) -> Path:
    return LOCALE / language / "LC_MESSAGES" / "django.po"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
