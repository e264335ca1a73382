"""Message catalogues: nothing that a page says is left untranslated (webapp.messages)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from babel.messages.pofile import read_po
from django.utils import translation

from webapp import messages

TEMPLATES = Path(messages.__file__).parent / "templates"


@pytest.mark.parametrize("language", messages.LANGUAGES)
def test_every_message_of_templates_and_modules_is_translated(language: str) -> None:
    assert messages.problems(language) == []


def test_every_translate_tag_is_among_the_extracted_messages() -> None:
    found = {wanted.msgid for wanted in messages.extracted().values()}
    tags = re.compile(r"""\{% translate (?:"([^"]+)"|'([^']+)')""")
    # Django doubles the percent signs of a message before it looks it up.
    written = {
        (a or b).replace("%", "%%") for path in TEMPLATES.rglob("*.*") for a, b in tags.findall(path.read_text())
    }
    assert len(written) > 50
    assert written <= found


def test_plurals_lazy_messages_and_constants_in_filters_are_extracted(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(
        '<p>it\'s "odd" ({% blocktranslate count n=n %}{{ n }} cat{% plural %}{{ n }} cats{% endblocktranslate %}\n'
        '   {{ x|default:_("nobody") }}\n {% translate "Open" context "door" %}'
    )
    (tmp_path / "module.py").write_text('from x import gettext_lazy\nA = gettext_lazy("later")\n')
    found = messages.extracted(tmp_path)
    assert {(m.context, m.msgid, m.plural) for m in found.values()} == {
        ("", "%(n)s cat", "%(n)s cats"),
        ("", "nobody", ""),
        ("door", "Open", ""),
        ("", "later", ""),
    }


def test_a_translation_with_other_placeholders_is_a_problem(tmp_path: Path) -> None:
    po = tmp_path / "django.po"
    po.write_text('msgid ""\nmsgstr ""\n"Language: es\\n"\n\nmsgid "Hello %(name)s"\nmsgstr "Hola %(nombre)s"\n')
    with po.open("rb") as file:
        catalog = read_po(file, locale="es")
    wanted = messages.Wanted("Hello %(name)s", place="page.html:1")
    assert "placeholders differ" in messages._problem(wanted, catalog)


def test_no_message_is_translated_twice() -> None:
    text = (messages.LOCALE / "es" / "LC_MESSAGES" / "django.po").read_text()
    msgids = re.findall(r'^(?:msgctxt (".+")\n)?msgid (".+")$', text, re.MULTILINE)
    assert sorted({msgid for msgid in msgids if msgids.count(msgid) > 1}) == []


def test_the_compiled_catalogue_speaks_spanish() -> None:
    messages.compile_catalogues()
    with translation.override("es"):
        assert translation.gettext("Which program is better?") == "¿Qué programa es mejor?"
        assert translation.ngettext("%(done)s pair rated", "%(done)s pairs rated", 2) == "%(done)s pares valorados"
