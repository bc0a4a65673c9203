"""What a reader who follows a log must know about its files."""

from __future__ import annotations

import time

from lilfox_tui.i18n import Message, tr
from lilfox_tui.logs.files.log_file import LogFile
from lilfox_tui.logs.source import Notice


def copied(log: LogFile) -> Notice:
    """The file was emptied; its copy had what was not read yet."""
    return _notice(
        log,
        tr(
            "{path} was emptied by its rotation; the copy was read to its end. What was written between the copying "
            "and the emptying is in neither.",
            path=log.path,
        ),
    )


def emptied(log: LogFile) -> Notice:
    """The file was emptied, and there is no copy."""
    return _notice(log, tr("{path} was emptied: what was written to it and not read yet is lost", path=log.path))


def away(log: LogFile) -> Notice:
    """The file has been away for a while."""
    return _notice(log, tr("{path} is not there any more; it is waited for", path=log.path))


def lost_rest(log: LogFile) -> Notice:
    """The file cannot be read any more, and no copy of it is there."""
    text = tr("{path} was rotated away before it was read to its end: the rest of it is missing here", path=log.path)
    return _notice(log, text)


def _notice(log: LogFile, text: Message) -> Notice:
    return Notice(log.source, time.time_ns() // 1000, text)
