"""A log file, or all files that a pattern matches: of any size, on this machine or a host, plain or compressed, with
their rotated files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from lilfox_tui.config.model import LogConfig
from lilfox_tui.logs.files.log_file_set import is_pattern
from lilfox_tui.logs.files.one_log import OneLog
from lilfox_tui.logs.source import SourceSettings

if TYPE_CHECKING:
    from lilfox_tui.logs.files.many_logs import ManyLogs


class Options(LogConfig, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``path`` may be a pattern (``*``, ``?``, ``[…]``): matching files that are rotations of one log form one log;
    every other file is a separate log. With ``rotated``, rotated files are read too, even if the pattern does not match
    them. ``charset`` is the character set of the files where it is not UTF-8."""

    path: str = ""
    rotated: bool = True
    charset: str = ""


def open_source(name: str, options: Options, setting: SourceSettings) -> OneLog | ManyLogs:
    """Open the log or logs at ``options.path`` on the host; no file is opened before the first query."""
    if options.charset:
        setting = msgspec.structs.replace(setting, format=f"{options.charset}+{setting.format}")
    if not is_pattern(options.path):
        return OneLog(name, options.path, setting, rotated=options.rotated)
    from lilfox_tui.logs.files.many_logs import ManyLogs

    return ManyLogs(name, options.path, setting, rotated=options.rotated)
