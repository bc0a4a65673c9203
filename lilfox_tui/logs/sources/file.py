"""A log file, or all that a pattern fits: of any size, here or on a host, plain or packed, with their rotated ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lilfox_tui.config.model import LogConfig
from lilfox_tui.logs.files.log_file_set import is_pattern
from lilfox_tui.logs.files.one_log import OneLog
from lilfox_tui.logs.source import SourceSettings

if TYPE_CHECKING:
    from lilfox_tui.logs.files.many_logs import ManyLogs


class Options(LogConfig, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``path`` may be a pattern (``*``, ``?``, ``[…]``): of the files that it fits, those that rotation has made of one
    another are one log, others each their own. With ``rotated`` the files that rotation has made are read too, also
    those that the pattern does not fit."""

    path: str = ""
    rotated: bool = True


def open_source(name: str, options: Options, setting: SourceSettings) -> OneLog | ManyLogs:
    """The log at ``options.path`` on the host, or those; nothing is opened before the first question."""
    if not is_pattern(options.path):
        return OneLog(name, options.path, setting, rotated=options.rotated)
    from lilfox_tui.logs.files.many_logs import ManyLogs

    return ManyLogs(name, options.path, setting, rotated=options.rotated)
