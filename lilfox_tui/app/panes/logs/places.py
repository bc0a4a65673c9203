"""Where words lead in a log: a time, a share of it, or a line. No screen."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, tzinfo

from lilfox_tui.errors import LilFoxError, UsageError
from lilfox_tui.i18n import tr
from lilfox_tui.logs.filter.model import EVERYTHING, span
from lilfox_tui.logs.filter.syntax import parse_filter
from lilfox_tui.logs.source import AtBeginning, AtEnd, AtTime, LogSource, Start, SupportsSeek

_SHARE = re.compile(r"(\d{1,3}(?:\.\d+)?) ?%")
_LINE = re.compile(r"\d{1,12}")


async def start_of_words(words: str, sources: Sequence[LogSource], *, now: datetime, zone: tzinfo) -> Start:
    """Where ``words`` lead: a time as filters have it, ``50%``, or the number of a line. Raises UsageError for words
    that are none of these, LilFoxError where a source cannot tell."""
    if found := _SHARE.fullmatch(words):
        return await _at_share(min(1.0, float(found[1]) / 100), sources)
    if _LINE.fullmatch(words):
        return await _at_line(int(words), sources)
    return AtTime(_time_us(words, now, zone))


def _time_us(words: str, now: datetime, zone: tzinfo) -> int:
    """A moment; ``10m`` is ten minutes ago. Raises UsageError."""
    for text in (words, f"{words}.."):
        with suppress(UsageError):
            since_us, _until_us = span(parse_filter(text, now=now, zone=zone))
            if since_us is not None:
                return since_us
    raise UsageError(
        tr("{words} is no time, no share and no line", words=words),
        tr("for example {times}", times="10m, 03:15, 2026-11-25T03:15, 50%, 1200"),
    )


async def _at_line(number: int, sources: Sequence[LogSource]) -> Start:
    only: object = sources[0] if len(sources) == 1 else None
    if not isinstance(only, SupportsSeek):
        raise UsageError(
            tr("a line number is of one file, and {count} sources are shown", count=len(sources)),
            tr("o chooses one; a time or a share goes over all"),
        )
    start = await only.at_line(number)
    if start is None:
        raise UsageError(tr("line {number} is not counted yet, or past the end", number=number))
    return start


async def _at_share(share: float, sources: Sequence[LogSource]) -> Start:
    """Of one file by its size, of several sources by the time from the oldest record to the newest."""
    if len(sources) == 1 and isinstance(sources[0], SupportsSeek):
        return await sources[0].at_share(share)
    firsts, lasts = [], []
    for source in sources:
        try:
            oldest = await source.page(AtBeginning(), older=False, limit=1, where=EVERYTHING)
            newest = await source.page(AtEnd(), older=True, limit=1, where=EVERYTHING)
        except LilFoxError:
            continue  # the others tell the span as well as they can
        firsts += [each.entry.time_us for each in oldest.records if each.entry.time_us is not None]
        lasts += [each.entry.time_us for each in newest.records if each.entry.time_us is not None]
    if not firsts or not lasts:
        raise UsageError(tr("no source tells times: there is no share of them"))
    return AtTime(int(min(firsts) + share * (max(lasts) - min(firsts))))
