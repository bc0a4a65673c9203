"""The parser of the command line, and the settings common to all sub-commands."""

from __future__ import annotations

import argparse
import gettext
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import msgspec

from lilfox_tui.cli.output import no_colour, warn
from lilfox_tui.config.loader import LoadedConfig, load
from lilfox_tui.core.i18n import DOMAIN, LOCALE_DIR, Message, _, ntr, set_language, tr
from lilfox_tui.core.text import break_line, cell_width, clean

_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "": 1.0}


def duration(text: str) -> float:
    """Seconds in ``500ms``, ``2s``, ``5m``, ``1h``, ``1d`` or a number of seconds; for argparse's ``type``."""
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?) ?(ms|s|m|h|d)?", text, re.ASCII)
    seconds = 0.0 if found is None else float(found[1]) * _UNITS_S[found[2] or ""]
    if not 0.1 <= seconds <= 86400 * 7:
        raise argparse.ArgumentTypeError(
            _("{given} is not a duration from 100ms to 7d, such as 500ms, 2s, 5m, 1h, 1d", given=text)
        )
    return seconds


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
    """Makes argparse translate its own texts with LilFox's catalogue, in the language of the locale."""
    gettext.bindtextdomain(DOMAIN, str(LOCALE_DIR))
    gettext.textdomain(DOMAIN)


class Parser(argparse.ArgumentParser):
    """An argument parser, also for sub-commands, whose help fits the terminal in every language. Its output is cleaned,
    because errors repeat words of the command line, which are untrusted."""

    def __init__(self, **more: Any) -> None:
        super().__init__(formatter_class=_Help, allow_abbrev=False, **more)

    def parse_known_args(  # type: ignore[override]  # argparse's overloads differ in the namespace alone
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """See argparse. The word after an option with a value is that value, even with a leading minus (``--where
        -word``), unless it is an option itself."""
        words = list(sys.argv[1:] if args is None else args)
        end = words.index("--") if "--" in words else len(words)
        for at in range(end - 2, -1, -1):
            value = words[at + 1]
            if self._takes_text(words[at]) and value.startswith("-") and value not in self._option_string_actions:
                words[at : at + 2] = [f"{words[at]}={value}"]
        return super().parse_known_args(words, namespace)

    def _takes_text(self, word: str) -> bool:
        action = self._option_string_actions.get(word)
        return word.startswith("--") and action is not None and action.nargs is None

    def error(self, message: str) -> NoReturn:
        """See argparse."""
        super().error(clean(message))

    def _print_message(self, message: str, file: Any = None) -> None:
        super()._print_message("\n".join(map(clean, message.split("\n"))), file)


class NamedOnly(Parser):
    """A sub-command that the command line does not name: it stands in the help, and nothing is parsed with it. Whole
    parsers of all seventeen would cost a twentieth of the way to the first frame."""

    def __init__(self, **_more: Any) -> None:
        """Does not make the parser that it inherits from."""


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


# The configuration as the command line wants it.


def load_settings(args: argparse.Namespace) -> LoadedConfig:
    """The configuration that ``args`` names, with ``--read-only``, language and colours applied. Raises ConfigError."""
    if args.no_color:
        no_colour()
    loaded = load(None if args.config is None else Path(args.config))
    for warning in loaded.warnings:
        warn(warning)
    config = loaded.config
    if args.language is None and config.language != "auto":
        set_language(config.language)
    if args.read_only:
        config = msgspec.structs.replace(config, read_only=True)
    return LoadedConfig(config, loaded.path, loaded.warnings)
