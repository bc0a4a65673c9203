"""Translations: texts of the code into the .po file, the .po file into the .mo file that the program reads.

``python -m tools.locale update`` collects new texts and compiles; ``check`` fails when a text lacks its translation,
a translation has other ``{fields}`` than its text, or the .mo file is not made from the .po file.
"""

from __future__ import annotations

import io
import os
import string
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from lilfox_tui.core.i18n import DOMAIN, LANGUAGES

PACKAGE = Path(__file__).parent.parent / "lilfox_tui"
KEYWORDS = {"_": None, "tr": None, "ngettext": (1, 2), "ntr": (1, 2)}
LONGEST_LINE = 120
_NO_DATE = datetime(2026, 1, 1, tzinfo=UTC)  # a date that changes would make each .mo file differ


def main(argv: list[str]) -> int:
    """``update`` or ``check``; returns the exit status: 0 good, 1 something is open, 2 wrong usage."""
    if argv == ["update"]:
        for language in translated_languages():
            update(language)
    elif argv != ["check"]:
        print("usage: python -m tools.locale update | check", file=sys.stderr)
        return 2
    problems = [problem for language in translated_languages() for problem in check(language)]
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


def translated_languages() -> tuple[str, ...]:
    """The languages that have a .po file; English is in the code."""
    return tuple(language for language in LANGUAGES if language != "en")


def po_path(language: str) -> Path:
    """Where the translations into ``language`` are edited."""
    return PACKAGE / "locale" / language / "LC_MESSAGES" / f"{DOMAIN}.po"


def update(language: str) -> None:
    """Brings the .po file in step with the code (texts that are gone go) and compiles it."""
    path = po_path(language)
    catalog = read(language) if path.exists() else Catalog(locale=language, fuzzy=False)
    catalog.project, catalog.version = "LilFox TUI", "1"
    catalog.header_comment = f"# LilFox TUI in {LANGUAGES[language]}"
    catalog.msgid_bugs_address = catalog.last_translator = catalog.language_team = "the LilFox TUI authors"
    catalog.update(collected(), no_fuzzy_matching=True)
    catalog.obsolete.clear()
    catalog.creation_date = catalog.revision_date = _NO_DATE
    path.parent.mkdir(parents=True, exist_ok=True)
    text = io.BytesIO()
    write_po(text, catalog, width=LONGEST_LINE, sort_output=True, include_lineno=False, ignore_obsolete=True)
    _replace(path, text.getvalue())
    _replace(path.with_suffix(".mo"), compiled(language))


def _replace(path: Path, content: bytes) -> None:
    """Whoever reads the file meanwhile reads it whole: half a catalogue would be written back as such."""
    new = path.with_name(f".{path.name}.{os.getpid()}")
    new.write_bytes(content)
    new.replace(path)


def collected() -> Catalog:
    """Every text that the package translates, with the files it is in."""
    catalog = Catalog(fuzzy=False)
    found = extract_from_dir(PACKAGE, [("**.py", "python")], keywords=KEYWORDS)
    for file, _line, text, _comments, context in found:
        catalog.add(text, locations=[(f"lilfox_tui/{file}", 0)], context=context)
    return catalog


def read(language: str) -> Catalog:
    """The translations as they are in the .po file."""
    with po_path(language).open("rb") as file:
        return read_po(file, locale=language)


def compiled(language: str) -> bytes:
    """What the .mo file must be."""
    out = io.BytesIO()
    write_mo(out, read(language))
    return out.getvalue()


def check(language: str) -> Iterator[str]:
    """What is open in ``language``, one line each."""
    catalog, path = read(language), po_path(language)
    for message in collected():
        if not message.id:
            continue
        own = catalog.get(message.id)
        if own is None or not _strings(own) or not all(_strings(own)):
            yield f"{path.name}: no translation of {_ids(message)[0]!r}"
        elif wrong := _field_difference(own):
            yield f"{path.name}: {_ids(message)[0]!r}: the fields differ: {wrong}"
    mo = path.with_suffix(".mo")
    if not mo.exists() or mo.read_bytes() != compiled(language):
        yield f"{mo.name}: not made from {path.name}; run: make locale"


def _ids(message: Message) -> tuple[str, ...]:
    return (message.id,) if isinstance(message.id, str) else tuple(message.id)


def _strings(message: Message) -> tuple[str, ...]:
    return (message.string,) if isinstance(message.string, str) else tuple(message.string or ())


def _field_difference(message: Message) -> str:
    wanted = {field for text in _ids(message) for field in _fields(text)}
    have = {field for text in _strings(message) for field in _fields(text)}
    return ", ".join(sorted(wanted ^ have))


def _fields(text: str) -> Iterator[str]:
    return (name for _literal, name, _spec, _conversion in string.Formatter().parse(text) if name is not None)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
