"""argparse in the reader's language: its own words, and help that is broken by the cells it takes."""

from __future__ import annotations

import argparse
import gettext
from typing import Any

from lilfox_tui.i18n import DOMAIN, LOCALE_DIR, Message, _, ntr, tr
from lilfox_tui.text import break_line, cell_width

OWN_WORDS: tuple[Message, ...] = (
    tr("usage: "),
    tr("positional arguments"),
    tr("options"),
    tr("show this help message and exit"),
    tr("%(prog)s: error: %(message)s\n"),
    tr("argument %(argument_name)s: %(message)s"),
    tr("the following arguments are required: %s"),
    tr("one of the arguments %s is required"),
    tr("not allowed with argument %s"),
    tr("unrecognized arguments: %s"),
    tr("ignored explicit argument %r"),
    tr("expected one argument"),
    tr("expected at most one argument"),
    tr("expected at least one argument"),
    ntr("expected %s argument", "expected %s arguments", 1),
    tr("invalid choice: %(value)r (choose from %(choices)s)"),
    tr("invalid %(type)s value: %(value)r"),
)
"""What argparse says: it asks gettext for these texts itself."""


def translate_own_words() -> None:
    """From now on argparse finds its words in our catalogue, in the language of the locale."""
    gettext.bindtextdomain(DOMAIN, str(LOCALE_DIR))
    gettext.textdomain(DOMAIN)


class Parser(argparse.ArgumentParser):
    """A parser, and those of its sub-commands, whose help fits the terminal in every language."""

    def __init__(self, **more: Any) -> None:
        super().__init__(formatter_class=_Help, allow_abbrev=False, **more)


class _Help(argparse.HelpFormatter):
    def _format_usage(self, *args: Any) -> str:
        wider = cell_width(_("usage: ")) - len(_("usage: "))
        self._width -= wider
        text = super()._format_usage(*args)
        self._width += wider
        return text.replace("\n ", "\n " + " " * wider)

    def _split_lines(self, text: str, width: int) -> list[str]:
        if text.isascii():
            return super()._split_lines(text, width)
        lines, rest = [], " ".join(text.split())
        while rest:
            line, rest = break_line(rest, width)
            lines.append(line)
        return lines

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return "\n".join(indent + line for line in self._split_lines(text, width - len(indent)))
