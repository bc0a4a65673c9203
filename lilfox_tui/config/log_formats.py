"""The section ``log_formats:`` of the configuration."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

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
