"""Words in the reader's language: English in the code, 简体中文 from ``locale/``.

``_("…", name=value)`` translates now. ``tr("…", name=value)`` makes a :class:`Message` that is translated each time
it is shown, so that a reason written down an hour ago changes with the language key. Values fill ``{name}`` fields
of our own templates and are never templates themselves.
"""

from __future__ import annotations

import gettext
import os
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct, field

DOMAIN = "lilfox"
LANGUAGES = {"en": "English", "zh_CN": "简体中文"}
_LOCALE_DIR = Path(__file__).parent / "locale"
_translations: gettext.NullTranslations = gettext.NullTranslations()
_language = "en"


def language() -> str:
    """The language in force: a key of ``LANGUAGES``."""
    return _language


def set_language(name: str) -> None:
    """Makes ``name`` (a key of ``LANGUAGES``) the language of everything shown from now on; raises KeyError."""
    global _translations, _language
    if name not in LANGUAGES:
        raise KeyError(name)
    _language = name
    _translations = (
        gettext.NullTranslations() if name == "en" else gettext.translation(DOMAIN, _LOCALE_DIR, languages=[name])
    )


def language_from_locale(environ: Mapping[str, str] | None = None) -> str:
    """The language that LC_ALL, LC_MESSAGES or LANG ask for (POSIX order), else English."""
    env = os.environ if environ is None else environ
    wanted = env.get("LC_ALL") or env.get("LC_MESSAGES") or env.get("LANG") or ""
    return "zh_CN" if wanted.startswith("zh") else "en"


def _(text: str, **values: object) -> str:
    """``text`` in the language in force, its ``{name}`` fields filled with ``values``."""
    translated = _translations.gettext(text) if text else text
    return translated.format(**values) if values else translated


def ngettext(singular: str, plural: str, count: int, **values: object) -> str:
    """The form of the text that fits ``count``, which is also the field ``{count}``."""
    return _translations.ngettext(singular, plural, count).format(count=count, **values)


class Message(Struct, frozen=True):
    """A text and its values, translated when it is shown (``str(message)``)."""

    text: str
    values: Mapping[str, object] = field(default_factory=dict)

    def __str__(self) -> str:
        return _(self.text, **self.values)


def tr(text: str, **values: object) -> Message:
    """A :class:`Message`: extractable like ``_``, translated later."""
    return Message(text, values)
