"""The section ``log_formats:`` of the configuration, and the names of formats and character sets."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from lilfox_tui.core.i18n import _

LAYERS = ("colours", "tail", "docker", "cri", "kubectl", "compose", "stamp", "file", "grep")
"""What may stand around a format in its name, as in ``cri+json_lines``: the layers of ``logs/unwrap.py``."""
LevelName = Literal["trace", "debug", "info", "notice", "warning", "error", "critical"]


class LogSample(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A record that the format must read: what ``lilfox config check`` tries it on."""

    line: Annotated[str, Meta(min_length=1)]
    """The first line of the record."""
    further: tuple[str, ...] = ()
    """The lines of the record after the first."""
    level: LevelName | None = None
    """The level that it has; any when not given."""


class LogFormatConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A format of log lines: an expression, or a file with definitions of lnav. Either ``pattern`` or ``lnav``."""

    pattern: str = ""
    """A regular expression (RE2) for the first line of a record. Its groups ``time``, ``level``, ``logger``,
    ``module``, ``message`` and ``duration`` (in seconds) have these roles; all named groups are fields."""
    time_format: str = ""
    """How the time is written, as in ``strptime``, with ``%L`` for milliseconds and ``%f`` for microseconds; recognised
    when not given."""
    levels: dict[str, LevelName] = {}
    """What stands in the group ``level`` → the level. Usual words need none."""
    multiline: bool = True
    """Lines that the expression does not match belong to the record before."""
    samples: tuple[LogSample, ...] = ()
    lnav: str = ""
    """Path of a format file of lnav (JSON); a relative one is beside the configuration file."""


def unknown_parts(name: str, formats: Collection[str]) -> list[str]:
    """Return what in the name of a format (``cri+json_lines``) is neither one of ``formats`` nor a layer."""
    *around, inner = name.split("+")
    unknown = [part for part in around if part not in formats and part not in LAYERS]
    return unknown if not name or inner in formats else [*unknown, inner]


def charset_problem(name: str) -> str:
    """Return what is wrong with the name of a character set; "" if nothing is."""
    try:
        is_like_ascii = not name or "a\n".encode(name) == b"a\n"
    except (LookupError, UnicodeError):
        return _("no such character set")
    if is_like_ascii:
        return ""
    return _("lines in it cannot be told apart; of UTF-16 leave it out: its byte order mark tells it")
