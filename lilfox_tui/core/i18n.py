"""Translations: English in the code, 简体中文 from ``locale/``.

``_("…", name=value)`` translates now, ``ngettext`` in the form of a number. ``tr("…", name=value)`` and ``ntr`` make a
:class:`Message` that is translated each time it is shown, so that a reason written down an hour ago changes with the
language key. Values fill ``{name}`` fields of our own templates and are never templates themselves."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct, field

if TYPE_CHECKING:
    from gettext import GNUTranslations

DOMAIN = "lilfox"
LANGUAGES = {"en": "English", "zh_CN": "简体中文"}
LOCALE_DIR = Path(__file__).parents[1] / "locale"
"""Where the catalogues are."""
_translations: GNUTranslations | None = None
_language = "en"
_here: ContextVar[tuple[str, GNUTranslations | None] | None] = ContextVar("language", default=None)
"""Of what is written for somebody else than who sits here."""


def language() -> str:
    """The current language: a key of ``LANGUAGES``."""
    here = _here.get()
    return _language if here is None else here[0]


def set_language(name: str) -> None:
    """Sets the language of everything shown from now on to ``name``, a key of ``LANGUAGES``; raises KeyError."""
    global _translations, _language
    if name not in LANGUAGES:
        raise KeyError(name)
    _language = name
    _translations = _load(name)


@contextmanager
def in_language(name: str) -> Iterator[None]:
    """Sets the language of only this thread or task to ``name``, a key of ``LANGUAGES``, until the block ends; raises
    KeyError."""
    if name not in LANGUAGES:
        raise KeyError(name)
    before = _here.set((name, _load(name)))
    try:
        yield
    finally:
        _here.reset(before)


def _load(name: str) -> GNUTranslations | None:
    if name == "en":
        return None
    import gettext

    return gettext.translation(DOMAIN, LOCALE_DIR, languages=[name])


def language_from_locale(environ: Mapping[str, str] | None = None) -> str:
    """The language set by LC_ALL, LC_MESSAGES or LANG (POSIX order), else English."""
    env = os.environ if environ is None else environ
    wanted = env.get("LC_ALL") or env.get("LC_MESSAGES") or env.get("LANG") or ""
    return "zh_CN" if wanted.startswith("zh") else "en"


def set_language_from_locale() -> None:
    """Sets the language of the locale; English if its catalogue is missing."""
    with suppress(OSError):
        set_language(language_from_locale())


def _(text: str, **values: object) -> str:
    """``text`` in the current language, with its ``{name}`` fields filled from ``values``."""
    translations = _in_force()
    translated = translations.gettext(text) if text and translations is not None else text
    return translated.format(**values) if values else translated


def _in_force() -> GNUTranslations | None:
    """The translations; None for English, which is in the code."""
    here = _here.get()
    return _translations if here is None else here[1]


def ngettext(singular: str, plural: str, count: int, **values: object) -> str:
    """The plural form for ``count``, which is also the field ``{count}``: ``1,204``."""
    translations = _in_force()
    if translations is None:
        translated = singular if count == 1 else plural
    else:
        translated = translations.ngettext(singular, plural, count)
    return translated.format(count=f"{count:,}", **values)


def listed(words: Iterable[str]) -> str:
    """``words`` joined as a list in a sentence of the current language."""
    return _(", ").join(words)


def clauses(texts: Iterable[str]) -> str:
    """``texts``, sentences or clauses, joined with the separator of the current language."""
    return _("; ").join(texts)


class Message(Struct, frozen=True):
    """A text and its values, translated when it is shown (``str(message)``); with ``plural``, in the plural form for
    ``count``."""

    text: str
    values: Mapping[str, object] = field(default_factory=dict)
    plural: str = ""
    count: int = 0

    def __str__(self) -> str:
        if self.plural:
            return ngettext(self.text, self.plural, self.count, **self.values)
        return _(self.text, **self.values)


def tr(text: str, **values: object) -> Message:
    """A :class:`Message`: extracted for translation like ``_``, but translated when it is shown."""
    return Message(text, values)


def ntr(singular: str, plural: str, count: int, **values: object) -> Message:
    """A :class:`Message` in the plural form for ``count``, as in :func:`ngettext`."""
    return Message(singular, values, plural, count)
